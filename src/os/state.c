#include "os/state.h"

#include "os/role.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MAX_BYTES = 4096, ENTRIES_MAX = 100000 };

static enum sp_status
put_path(char *buf, size_t cap, sp_slice a, const char *b, struct sp_err *e)
{
	int n;

	if (a.n == 0 || a.n >= cap || memchr(a.p, 0, a.n) != NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "the path of the state folder is empty or too long");
	n = snprintf(buf, cap, "%.*s%s", (int)a.n, a.p, b);
	if (n < 0 || (size_t)n >= cap)
		return sp_fail(e, SP_E_CONFIG, NULL, "the path of the state folder is too long");
	return SP_OK;
}

enum sp_status
sp_state_path(sp_slice configured, char *buf, size_t cap, struct sp_err *e)
{
	const char *given = getenv("STATE_DIRECTORY"), *home = getenv("HOME");
	sp_slice all, first;

	if (configured.n != 0)
		return put_path(buf, cap, configured, "", e);
	if (given != NULL && given[0] == '/') {
		all = sp_str(given);
		if (!sp_take_to(&all, ':', &first))
			first = sp_str(given);
		return put_path(buf, cap, first, "", e);
	}
	if (home != NULL && home[0] == '/')
		return put_path(buf, cap, sp_str(home), "/.local/share/sallyport", e);
	return put_path(buf, cap, SP_LIT("/var/lib/sallyport"), "", e);
}

/* mkdir -p: what is made is ours alone. */
static int
make_folders(const char *path)
{
	char part[PATH_MAX_BYTES];

	if (!sp_cstr(sp_str(path), part, sizeof part))
		return ENAMETOOLONG;
	for (char *at = part + 1; *at != 0; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		if (mkdir(part, 0700) != 0 && errno != EEXIST)
			return errno;
		*at = '/';
	}
	return mkdir(part, 0700) == 0 || errno == EEXIST ? 0 : errno;
}

static bool
is_ours(uid_t uid)
{
	return uid == geteuid() || (geteuid() == 0 && uid == SP_UID_BASE + SP_KEEPER);
}

enum sp_status
sp_state_open_folder(const char *path, bool create, int *dir, struct sp_err *e)
{
	struct stat st;
	int err, fd;

	if (create && (err = make_folders(path)) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "state folder %s: cannot make it (error %d)", path, err);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail(e, errno == ENOENT && !create ? SP_E_NOT_FOUND : SP_E_SYSTEM, NULL,
		    "state folder %s: cannot open it (error %d)", path, errno);
	if (fstat(fd, &st) != 0 || !is_ours(st.st_uid) || (st.st_mode & 022) != 0) {
		close(fd);
		return sp_fail(e, SP_E_CONFIG, NULL,
		    "state folder %s: must be ours and not writable by others: chown it, chmod 700", path);
	}
	if ((st.st_mode & 077) != 0 && fchmod(fd, 0700) != 0) {
		close(fd);
		return sp_fail(e, SP_E_SYSTEM, NULL, "state folder %s: cannot set mode 700", path);
	}
	*dir = fd;
	return SP_OK;
}

/* A plain file that no other name leads to: a link would let whoever writes here choose what we give away. */
static void
give_file(int dir, const char *name, uid_t to)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid != to && is_ours(st.st_uid))
		(void)!fchownat(fd, "", to, to, AT_EMPTY_PATH);
	close(fd);
}

static void
give_files(int dir, uid_t to)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	for (int i = 0; d != NULL && i < ENTRIES_MAX && (entry = readdir(d)) != NULL; i++)
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, SP_STATE_LOCK) != 0)
			give_file(dir, entry->d_name, to);
	if (d != NULL)
		closedir(d);
	else if (copy >= 0)
		close(copy);
}

static enum sp_status
open_sub(int dir, const char *name, int *fd, struct sp_err *e)
{
	if (mkdirat(dir, name, 0700) != 0 && errno != EEXIST)
		return sp_fail(e, SP_E_SYSTEM, NULL, "state folder: cannot make %s (error %d)", name, errno);
	*fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *fd >= 0 ? SP_OK : sp_fail(e, SP_E_SYSTEM, NULL, "state folder: cannot open %s (error %d)", name, errno);
}

enum sp_status
sp_state_prepare(int dir, struct sp_err *e)
{
	const uid_t to = SP_UID_BASE + SP_KEEPER;
	int audit = -1, ring = -1;
	enum sp_status st = open_sub(dir, SP_STATE_AUDIT, &audit, e);

	if (st == SP_OK)
		st = open_sub(dir, SP_STATE_RING, &ring, e);
	if (st == SP_OK && geteuid() == 0) {
		give_files(dir, to);
		give_files(audit, to);
		if (fchown(audit, to, to) != 0 || fchown(dir, to, to) != 0)
			st = sp_fail(e, SP_E_SYSTEM, NULL, "state folder: cannot give it to user id %u (error %d)",
			    (unsigned)to, errno);
	}
	if (audit >= 0)
		close(audit);
	if (ring >= 0)
		close(ring);
	return st;
}

static pid_t
read_holder(int fd)
{
	char text[16];
	ssize_t n = pread(fd, text, sizeof text, 0);
	sp_slice s = { text, n > 0 ? (size_t)n : 0 };
	uint64_t pid;

	return sp_take_u64(&s, INT32_MAX, &pid) ? (pid_t)pid : 0;
}

enum sp_status
sp_state_lock(int dir, int *fd, pid_t *holder, struct sp_err *e)
{
	int f = openat(dir, SP_STATE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char text[16];
	pid_t pid;
	int n;

	if (f < 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "state folder: cannot open its lock (error %d)", errno);
	if (flock(f, LOCK_EX | LOCK_NB) != 0) {
		pid = read_holder(f);
		close(f);
		if (holder != NULL)
			*holder = pid;
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "another gateway or command is running on this state "
		    "folder (process %d)", (int)pid);
	}
	n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(f, 0) != 0 || pwrite(f, text, (size_t)n, 0) != n) {
		close(f);
		return sp_fail(e, SP_E_SYSTEM, NULL, "state folder: cannot write its lock (error %d)", errno);
	}
	*fd = f;
	return SP_OK;
}
