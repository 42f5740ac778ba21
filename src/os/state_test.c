#include "os/state.h"

#include "os/role.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static void
test_paths(void **state)
{
	static const struct { const char *name, *configured, *given, *home, *want; } rows[] = {
		{ "configured", "/srv/x", "/run/a", "/home/u", "/srv/x" },
		{ "service", "", "/run/a", "/home/u", "/run/a" },
		{ "service with several", "", "/run/a:/run/b", "/home/u", "/run/a" },
		{ "relative from outside", "", "run/a", "/home/u", "/home/u/.local/share/sallyport" },
		{ "home", "", NULL, "/home/u", "/home/u/.local/share/sallyport" },
		{ "no home", "", NULL, NULL, "/var/lib/sallyport" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char buf[64];
		struct sp_err e = { 0 };

		unsetenv("STATE_DIRECTORY");
		unsetenv("HOME");
		if (rows[i].given != NULL)
			setenv("STATE_DIRECTORY", rows[i].given, 1);
		if (rows[i].home != NULL)
			setenv("HOME", rows[i].home, 1);
		if (sp_state_path(sp_str(rows[i].configured), buf, sizeof buf, &e) != SP_OK ||
		    strcmp(buf, rows[i].want) != 0)
			fail_msg("%s: %s", rows[i].name, buf);
	}
	{
		char small[8];
		struct sp_err e = { 0 };

		assert_int_equal(sp_state_path(SP_LIT("/too/long/for/it"), small, sizeof small, &e), SP_E_CONFIG);
		assert_int_equal(sp_state_path(SP_LIT("/a\0b"), small, sizeof small, &e), SP_E_CONFIG);
	}
}

static void
path_of(char *buf, size_t cap, const char *name)
{
	assert_true(snprintf(buf, cap, "%s/%s", folder, name) > 0);
}

static void
test_open(void **state)
{
	char path[128];
	struct sp_err e = { 0 };
	struct stat st;
	int dir = -1;

	path_of(path, sizeof path, "a/b/c");
	assert_int_equal(sp_state_open_folder(path, false, &dir, &e), SP_E_NOT_FOUND);
	assert_int_equal(sp_state_open_folder(path, true, &dir, &e), SP_OK);
	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(dir);
	/* Readable by others is mended, writable by others is not ours to trust. */
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(sp_state_open_folder(path, false, &dir, &e), SP_OK);
	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	close(dir);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(sp_state_open_folder(path, false, &dir, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, path));
	assert_int_equal(chmod(path, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_int_equal(sp_state_open_folder(path, false, &dir, &e), SP_E_CONFIG);
		assert_int_equal(chown(path, 0, 0), 0);
	}
}

static int
open_state(void)
{
	char path[128];
	struct sp_err e = { 0 };
	int dir = -1;

	path_of(path, sizeof path, "state");
	assert_int_equal(sp_state_open_folder(path, true, &dir, &e), SP_OK);
	return dir;
}

static uid_t
owner(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_uid;
}

static void
test_ownership(void **state)
{
	int dir = open_state(), fd;
	struct sp_err e = { 0 };
	uid_t keeper = geteuid() == 0 ? SP_UID_BASE + SP_KEEPER : geteuid();
	char path[128];

	assert_true((fd = openat(dir, "vault", O_CREAT | O_RDWR, 0600)) >= 0);
	close(fd);
	path_of(path, sizeof path, "outside");
	assert_true((fd = open(path, O_CREAT | O_RDWR, 0600)) >= 0);
	close(fd);
	assert_int_equal(linkat(AT_FDCWD, path, dir, "hard", 0), 0);
	assert_int_equal(symlinkat(path, dir, "soft"), 0);
	assert_int_equal(sp_state_prepare(dir, &e), SP_OK);
	assert_int_equal(sp_state_prepare(dir, &e), SP_OK);
	assert_int_equal(owner(dir, "vault"), keeper);
	assert_int_equal(owner(dir, "audit"), keeper);
	assert_int_equal(owner(dir, "."), keeper);
	assert_int_equal(owner(dir, "ring"), geteuid());
	/* What has another name elsewhere is not given away. */
	assert_int_equal(owner(dir, "hard"), geteuid());
	assert_int_equal(owner(dir, "soft"), geteuid());
	close(dir);
}

static void
test_lock(void **state)
{
	int dir = open_state(), fd = -1, other = -1, st;
	struct sp_err e = { 0 };
	pid_t holder = 0, pid;

	assert_int_equal(sp_state_lock(dir, &fd, NULL, &e), SP_OK);
	assert_int_equal(sp_state_lock(dir, &other, &holder, &e), SP_E_UNAVAILABLE);
	assert_int_equal(holder, getpid());
	assert_non_null(strstr(e.log, "running"));
	pid = fork();
	if (pid == 0)
		_exit(sp_state_lock(dir, &other, NULL, &e) == SP_E_UNAVAILABLE ? 0 : 1);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	close(fd);
	assert_int_equal(sp_state_lock(dir, &fd, NULL, &e), SP_OK);
	close(fd);
	close(dir);
}

static int
set_up(void **state)
{
	(void)snprintf(folder, sizeof folder, "/tmp/sp-state-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int
drop(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	return remove(path);
}

static int
tear_down(void **state)
{
	return nftw(folder, drop, 16, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_ownership),
		cmocka_unit_test(test_lock),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
