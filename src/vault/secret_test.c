#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vault/secret.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void
start(void)
{
	assert_int_equal(sp_secret_init(SP_SECRET_REGION, false, NULL, NULL), SP_OK);
}

static void
test_set_and_wipe(void **state)
{
	struct sp_secret *s, *t;
	const char *p;

	start();
	assert_int_equal(sp_secret_init(4096, false, NULL, NULL), SP_E_BUG);
	s = sp_secret_new(16);
	t = sp_secret_new(16);
	assert_non_null(s);
	assert_int_equal(sp_secret_len(s), 0);
	assert_int_equal(sp_secret_set(s, SP_LIT("0123456789abcdef")), SP_OK);
	assert_true(sp_eq(sp_secret_peek(s), SP_LIT("0123456789abcdef")));
	assert_int_equal(sp_secret_set(s, SP_LIT("0123456789abcdefg")), SP_E_TOO_BIG);
	assert_true(sp_eq(sp_secret_peek(s), SP_LIT("0123456789abcdef")));
	assert_int_equal(sp_secret_set(s, SP_LIT("short")), SP_OK);
	p = sp_secret_peek(s).p;
	for (int i = 5; i < 16; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(sp_secret_set(t, SP_LIT("short")), SP_OK);
	assert_true(sp_secret_same(s, t));
	assert_int_equal(sp_secret_set(t, SP_LIT("shorT")), SP_OK);
	assert_false(sp_secret_same(s, t));
	sp_secret_free(&s);
	assert_null(s);
	for (int i = 0; i < 16; i++)
		assert_int_equal(p[i], 0);
	sp_secret_free(&s);
	sp_secret_free(&t);
	sp_secret_end();
}

static void
test_region_is_shared_out_and_back(void **state)
{
	struct sp_secret *s[5000] = { NULL };
	size_t n = 0;
	void *all;

	start();
	assert_null(sp_secret_new(SP_SECRET_REGION + 1));
	while (n < SP_COUNT(s) && (s[n] = sp_secret_new(1 + n * 7 % 300)) != NULL)
		n++;
	assert_true(n > 500 && n < SP_COUNT(s));
	for (size_t i = 0; i < n; i++) {
		size_t cap = 1 + i * 7 % 300;
		char *p = sp_secret_space(s[i], cap);

		memset(p, (int)(i & 0xff), cap);
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal((unsigned char)sp_secret_peek(s[i]).p[i * 7 % 300], i & 0xff);
	for (size_t i = 1; i < n; i += 2)
		sp_secret_free(&s[i]);
	for (size_t i = 0; i < n; i += 2)
		sp_secret_free(&s[i]);
	all = sp_locked_new(SP_SECRET_REGION);
	assert_non_null(all);
	sp_locked_free(all);
	sp_secret_end();
}

static void
test_fill(void **state)
{
	struct sp_secret *s;
	int p[2];

	start();
	s = sp_secret_new(8);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "12345678", 8), 8);
	close(p[1]);
	assert_int_equal(sp_secret_fill(s, p[0]), SP_OK);
	assert_true(sp_eq(sp_secret_peek(s), SP_LIT("12345678")));
	close(p[0]);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "123456789", 9), 9);
	close(p[1]);
	assert_int_equal(sp_secret_fill(s, p[0]), SP_E_TOO_BIG);
	assert_int_equal(sp_secret_len(s), 0);
	close(p[0]);
	assert_int_equal(sp_secret_fill(s, -1), SP_E_SYSTEM);
	sp_secret_free(&s);
	sp_secret_end();
}

/* One byte over the end of the region hits the guard page. */
static void
test_guard(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		volatile char *p;

		signal(SIGSEGV, SIG_DFL);
		(void)!freopen("/dev/null", "w", stderr);
		start();
		p = sp_locked_new(SP_SECRET_REGION);
		if (p == NULL)
			_exit(7);
		p[SP_SECRET_REGION] = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Of the library: as much as is needed, for as long as anybody holds it. */
static void
test_regions_of_holders(void **state)
{
	struct sp_secret *s[9000] = { NULL };
	struct sp_err e;

	assert_null(sp_secret_new(8));
	assert_int_equal(sp_secret_hold(&e), SP_OK);
	assert_int_equal(sp_secret_hold(&e), SP_OK);
	assert_int_equal(sp_secret_init(4096, false, NULL, NULL), SP_E_BUG);
	for (size_t i = 0; i < SP_COUNT(s); i++) {
		s[i] = sp_secret_new(100);
		assert_non_null(s[i]);
		assert_int_equal(sp_secret_set(s[i], sp_mem(&i, sizeof i)), SP_OK);
	}
	for (size_t i = 0; i < SP_COUNT(s); i++) {
		assert_true(sp_eq(sp_secret_peek(s[i]), sp_mem(&i, sizeof i)));
		sp_secret_free(&s[i]);
	}
	sp_secret_drop();
	s[0] = sp_secret_new(SP_SECRET_REGION + 1);
	assert_non_null(s[0]);
	sp_secret_free(&s[0]);
	assert_null(sp_secret_new((size_t)SP_SECRET_LARGEST + 1));
	sp_secret_drop();
	assert_null(sp_secret_new(8));
}

/* M23: memory that cannot be locked is refused, or said. */
static void
test_m23_no_lock(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		struct sp_err e;
		bool locked = true;

		if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0))
			_exit(9);
		if (mlock(&none, sizeof none) == 0)
			_exit(77);	/* a sanitizer that makes mlock() say yes */
		if (sp_secret_init(65536, true, NULL, &e) != SP_E_SYSTEM || strstr(e.log, "ulimit -l") == NULL)
			_exit(1);
		if (sp_secret_hold(&e) != SP_E_SYSTEM || strstr(e.log, "ulimit -l") == NULL)
			_exit(3);
		if (sp_secret_init(65536, false, &locked, &e) != SP_OK || locked)
			_exit(2);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_wipe),
		cmocka_unit_test(test_region_is_shared_out_and_back),
		cmocka_unit_test(test_regions_of_holders),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_m23_no_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
