#include "vault/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO in the way must not hold us up before it is refused. */
enum sp_status
sp_source_open(const char *path, uid_t also, int *out, struct sp_err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	const char *wrong = NULL;

	if (fd < 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "secret file %s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		wrong = "is not a plain file";
	else if ((st.st_mode & 077) != 0)
		wrong = "can be read by group or others: chmod 600";
	else if (st.st_uid != geteuid() && st.st_uid != 0 && st.st_uid != also)
		wrong = "belongs to somebody else: chown it to the user that runs us";
	else if (st.st_size == 0 || st.st_size > SP_SOURCE_MAX + 1)
		wrong = "is empty or larger than 16 kB";
	if (wrong != NULL) {
		close(fd);
		return sp_fail(e, SP_E_CONFIG, NULL, "secret file %s %s", path, wrong);
	}
	*out = fd;
	return SP_OK;
}

enum sp_status
sp_source_env(sp_slice name, enum sp_status (*take)(void *ctx, sp_slice value, struct sp_err *e), void *ctx, struct sp_err *e)
{
	char key[256], *value;
	enum sp_status st;
	size_t n;

	if (!sp_cstr(name, key, sizeof key))
		return sp_fail(e, SP_E_CONFIG, NULL, "env: the name is too long");
	value = getenv(key);
	n = value == NULL ? 0 : strlen(value);
	if (n == 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "env:%s is unset or empty (it is read once, at start)", key);
	st = n > SP_SOURCE_MAX ? sp_fail(e, SP_E_CONFIG, NULL, "env:%s is larger than 16 kB", key) :
	    take(ctx, sp_mem(value, n), e);
	/* Where it stood can be read as /proc/PID/environ for as long as we live. */
	explicit_bzero(value, n);
	unsetenv(key);
	return st;
}
