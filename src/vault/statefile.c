#include "vault/statefile.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum sp_status
sp_state_fit(int fd, const char *what, size_t *size, struct sp_err *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", what, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return sp_fail(e, SP_E_CONFIG, NULL, "%s is not a regular file", what);
	if ((st.st_mode & 077) != 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "%s is open to group or others (mode %03o): chmod 600 it", what,
		    (unsigned)st.st_mode & 0777);
	*size = (size_t)st.st_size;
	return SP_OK;
}

static bool
owner_ok(int dir, int fd)
{
	struct stat st, folder;

	return fstat(fd, &st) == 0 && fstat(dir, &folder) == 0 &&
	    (st.st_uid == geteuid() || st.st_uid == 0 || st.st_uid == folder.st_uid);
}

enum sp_status
sp_state_open(int dir, const char *name, int *out, size_t *size, struct sp_err *e)
{
	/* O_NONBLOCK: a FIFO in its place must not hold us up. */
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum sp_status st;

	if (fd < 0 && errno == ENOENT)
		return sp_fail(e, SP_E_NOT_FOUND, NULL, "%s does not exist", name);
	if (fd < 0 && errno == ELOOP)
		return sp_fail(e, SP_E_CONFIG, NULL, "%s is a symbolic link", name);
	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", name, strerror(errno));
	st = sp_state_fit(fd, name, size, e);
	if (st == SP_OK && !owner_ok(dir, fd))
		st = sp_fail(e, SP_E_CONFIG, NULL, "%s belongs to somebody else", name);
	if (st != SP_OK) {
		close(fd);
		return st;
	}
	*out = fd;
	return SP_OK;
}

static enum sp_status
read_all(int fd, const char *name, size_t size, struct sp_out *out, struct sp_err *e)
{
	char *at = size == 0 ? NULL : sp_out_room(out, size);

	if (size != 0 && at == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "%s: no memory for %zu bytes", name, size);
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, at + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", name, n == 0 ? "it shrank" : strerror(errno));
		done += (size_t)n;
	}
	return SP_OK;
}

enum sp_status
sp_state_read(int dir, const char *name, size_t max, struct sp_out *out, struct sp_err *e)
{
	enum sp_status st;
	size_t size;
	int fd;

	st = sp_state_open(dir, name, &fd, &size, e);
	if (st != SP_OK)
		return st;
	st = size > max ? sp_fail(e, SP_E_TOO_BIG, NULL, "%s has %zu bytes, at most %zu are taken", name, size, max) :
	    read_all(fd, name, size, out, e);
	close(fd);
	return st;
}

enum sp_status
sp_state_read_secret(int dir, const char *name, struct sp_secret *out, struct sp_err *e)
{
	enum sp_status st;
	size_t size;
	int fd;

	st = sp_state_open(dir, name, &fd, &size, e);
	if (st != SP_OK)
		return st;
	st = sp_secret_fill(out, fd);
	close(fd);
	return st == SP_OK ? SP_OK : sp_fail(e, st, NULL, "%s cannot be read, or is too large", name);
}

void
sp_state_own(int dir, int fd)
{
	struct stat st;

	if (geteuid() == 0 && fstat(dir, &st) == 0)
		(void)!fchown(fd, st.st_uid, st.st_gid);
}

enum sp_status
sp_state_replace(int dir, const char *name, sp_slice bytes, struct sp_err *e)
{
	char tmp[80];
	int fd, error;
	bool ok;

	snprintf(tmp, sizeof tmp, ".%s.new", name);
	(void)unlinkat(dir, tmp, 0);		/* left by a crash */
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot write %s: %s", name, strerror(errno));
	sp_state_own(dir, fd);
	ok = sp_write_all(fd, bytes) && fsync(fd) == 0;
	error = errno;
	close(fd);
	if (ok && renameat(dir, tmp, dir, name) != 0) {
		error = errno;
		ok = false;
	}
	if (!ok) {
		(void)unlinkat(dir, tmp, 0);
		return sp_fail(e, SP_E_SYSTEM, NULL, "cannot write %s (the old one is untouched): %s", name,
		    strerror(error));
	}
	/* The rename counts only once the folder is on disk. */
	if (fsync(dir) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s is written, but its folder cannot be synced: %s", name,
		    strerror(errno));
	return SP_OK;
}
