#include "cli/file.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum sp_status
sp_file_real(const char *path, char *real, struct sp_err *e)
{
	char *found = realpath(path, NULL);
	bool fits = found != NULL && sp_cstr(sp_str(found), real, SP_PATH_MAX);
	int error = found == NULL ? errno : ENAMETOOLONG;

	free(found);
	return fits ? SP_OK : sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", path, strerror(error));
}

static bool
copy(int from, int to)
{
	char buf[4096];
	ssize_t n;
	bool ok = true;

	while (ok && (n = read(from, buf, sizeof buf)) != 0)
		ok = n > 0 && sp_write_all(to, sp_mem(buf, (size_t)n));
	/* The file may hold a key. */
	explicit_bzero(buf, sizeof buf);
	return ok && fsync(to) == 0;
}

enum sp_status
sp_file_backup(const char *real, char *bak, struct sp_err *e)
{
	int from = open(real, O_RDONLY | O_CLOEXEC), to = -1, error;
	bool ok;

	if (from < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s: %s", real, strerror(errno));
	for (int i = 1; i <= SP_BACKUPS_MAX && to < 0; i++) {
		snprintf(bak, SP_PATH_MAX + 16, "%s.bak-%d", real, i);
		to = open(bak, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (to < 0 && errno != EEXIST)
			break;
	}
	error = errno;
	ok = to >= 0 && copy(from, to);
	if (to >= 0 && !ok) {
		error = errno;
		(void)unlink(bak);
	}
	if (to >= 0)
		close(to);
	close(from);
	if (!ok && to < 0 && error == EEXIST)
		return sp_fail(e, SP_E_SYSTEM, NULL, "%s has %d backups (.bak-N): remove those that you do not need", real, SP_BACKUPS_MAX);
	return ok ? SP_OK : sp_fail(e, SP_E_SYSTEM, NULL, "%s cannot be written: %s", bak, strerror(error));
}

static bool
write_beside(const char *tmp, const char *real, sp_slice bytes)
{
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	bool ok;

	if (fd < 0)
		return false;
	ok = sp_write_all(fd, bytes);
	if (ok && stat(real, &st) == 0) {
		/* Only root can give a file away; for others it is theirs already, or it changes hands. */
		(void)!fchown(fd, st.st_uid, st.st_gid);
		ok = fchmod(fd, st.st_mode & 0777) == 0;
	}
	ok = ok && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

static void
sync_folder(const char *real)
{
	const char *slash = strrchr(real, '/');
	char folder[SP_PATH_MAX];
	int fd;

	if (!sp_cstr(slash == NULL ? SP_LIT(".") : sp_mem(real, (size_t)(slash - real) + 1), folder, sizeof folder))
		return;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!fsync(fd);
		close(fd);
	}
}

enum sp_status
sp_file_replace(const char *real, sp_slice bytes, struct sp_err *e)
{
	char tmp[SP_PATH_MAX + 32];
	int error;

	snprintf(tmp, sizeof tmp, "%s.new-%ld", real, (long)getpid());
	if (write_beside(tmp, real, bytes) && rename(tmp, real) == 0) {
		sync_folder(real);
		return SP_OK;
	}
	error = errno;
	(void)unlink(tmp);
	return sp_fail(e, SP_E_SYSTEM, NULL, "%s cannot be written (what was there is untouched): %s", real, strerror(error));
}

/* Up to and with the line's end, which the last one may lack. */
static sp_slice
take_line(sp_slice *in)
{
	sp_slice line;

	if (!sp_take_to(in, '\n', &line)) {
		line = *in;
		sp_advance(in, in->n);
	}
	return sp_ends(line, SP_LIT("\r")) ? sp_sub(line, 0, line.n - 1) : line;
}

void
sp_file_added(struct sp_out *o, const char *name, sp_slice old, sp_slice fresh)
{
	sp_slice next = take_line(&old);
	bool more = true;

	for (unsigned n = 1; fresh.n != 0; n++) {
		sp_slice line = take_line(&fresh);

		if (more && sp_eq(line, next)) {
			more = old.n != 0;
			next = take_line(&old);
			continue;
		}
		sp_out_fmt(o, "%s:%u: + ", name, n);
		sp_out_slice(o, line);
		sp_out_byte(o, '\n');
	}
}
