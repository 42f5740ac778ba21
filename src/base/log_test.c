#include "base/check.h"
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

static char got[65536];

/* What a call writes to standard error. */
static sp_slice
captured(void (*write_it)(void))
{
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) >= 0);
	write_it();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(pipes[1]);
	n = read(pipes[0], got, sizeof got);
	close(pipes[0]);
	return sp_mem(got, n < 0 ? 0 : (size_t)n);
}

static void
write_types(void)
{
	sp_log(SP_WARN, "token.rejected", SP_S("iss", SP_LIT("https://a")), SP_U("n", UINT64_MAX), SP_I("d", -5),
	    SP_B("t", true), SP_B("f", false), SP_C("s", "x"));
}

static void
write_hostile(void)
{
	sp_log(SP_ERROR, "x", SP_S("v", SP_LIT("a\"b\\c\nd\x1b\0\xff\xe2\x80\xae")));
}

static void
write_bare(void)
{
	sp_log(SP_INFO, "start");
}

static void
write_quiet(void)
{
	sp_log(SP_DEBUG, "secretive");
}

static void
write_long(void)
{
	static char big[5000];

	memset(big, '"', sizeof big);
	sp_log(SP_INFO, "long", SP_S("v", sp_mem(big, sizeof big)), SP_U("after", 1));
}

static void
write_many(void)
{
	static char big[512];
	struct sp_field f[40];

	memset(big, '\n', sizeof big);
	for (size_t i = 0; i < SP_COUNT(f); i++)
		f[i] = SP_S("v", sp_mem(big, sizeof big));
	sp_log_fields(SP_INFO, "many", f, SP_COUNT(f));
}

static bool
is_one_line(sp_slice s)
{
	return s.n > 2 && s.p[s.n - 1] == '\n' && s.p[s.n - 2] == '}' && memchr(s.p, '\n', s.n - 1) == NULL;
}

static void
test_log(void **state)
{
	sp_slice s;

	sp_log_init("front", SP_INFO);
	s = captured(write_types);
	assert_true(is_one_line(s) && sp_starts(s, SP_LIT("{\"time\":\"20")));
	assert_true(sp_ends(s, SP_LIT("Z\",\"level\":\"warn\",\"role\":\"front\",\"event\":\"token.rejected\","
	    "\"iss\":\"https://a\",\"n\":18446744073709551615,\"d\":-5,\"t\":true,\"f\":false,\"s\":\"x\"}\n")));
	s = captured(write_hostile);
	assert_true(is_one_line(s));
	assert_true(sp_ends(s, SP_LIT("\"v\":\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n")));
	s = captured(write_bare);
	assert_true(is_one_line(s) && sp_ends(s, SP_LIT(",\"event\":\"start\"}\n")));
	assert_int_equal(captured(write_quiet).n, 0);
	s = captured(write_long);
	assert_true(is_one_line(s) && s.n < 1200 && sp_ends(s, SP_LIT("\",\"after\":1}\n")));
	s = captured(write_many);
	assert_true(is_one_line(s) && s.n <= 16384 && sp_ends(s, SP_LIT("\\n\",\"cut\":true}\n")));
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_log) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
