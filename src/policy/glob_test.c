#include "policy/decide.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct {
	const char *name;
	sp_slice pattern, text;
	bool want;
} cases[] = {
	{ "empty both", SP_LIT_INIT(""), SP_LIT_INIT(""), true },
	{ "empty pattern", SP_LIT_INIT(""), SP_LIT_INIT("a"), false },
	{ "empty text", SP_LIT_INIT("a"), SP_LIT_INIT(""), false },
	{ "star takes nothing", SP_LIT_INIT("*"), SP_LIT_INIT(""), true },
	{ "whole match", SP_LIT_INIT("ab"), SP_LIT_INIT("abc"), false },
	{ "case-sensitive", SP_LIT_INIT("ab"), SP_LIT_INIT("aB"), false },
	{ "star stops at slash", SP_LIT_INIT("a*"), SP_LIT_INIT("a/b"), false },
	{ "two stars cross it", SP_LIT_INIT("a**"), SP_LIT_INIT("a/b/c"), true },
	{ "three are two", SP_LIT_INIT("a***"), SP_LIT_INIT("a/b/c"), true },
	{ "repo", SP_LIT_INIT("repo:acme/**"), SP_LIT_INIT("repo:acme/app:ref:refs/heads/main"), true },
	{ "other repo", SP_LIT_INIT("repo:acme/**"), SP_LIT_INIT("repo:evil/acme/"), false },
	{ "suffix", SP_LIT_INIT("*.test."), SP_LIT_INIT("a.test."), true },
	{ "suffix twice", SP_LIT_INIT("*.test."), SP_LIT_INIT("a.test.test."), true },
	{ "suffix and more", SP_LIT_INIT("*.test."), SP_LIT_INIT("a.test.evil."), false },
	{ "fall back to the deep one", SP_LIT_INIT("**a*b"), SP_LIT_INIT("ax/ayb"), true },
	{ "fall back past an end", SP_LIT_INIT("**a*b"), SP_LIT_INIT("ab/ab"), true },
	{ "literal over the slash", SP_LIT_INIT("**a*x/*y"), SP_LIT_INIT("aax/z/ax/by"), true },
	{ "question mark is itself", SP_LIT_INIT("a?"), SP_LIT_INIT("ab"), false },
	{ "brackets are themselves", SP_LIT_INIT("[a]"), SP_LIT_INIT("a"), false },
	{ "NUL is a byte", SP_LIT_INIT("a*"), SP_LIT_INIT("a\0b"), true },
	{ "NUL does not end it", SP_LIT_INIT("a"), SP_LIT_INIT("a\0b"), false },
	{ "newline is a byte", SP_LIT_INIT("*@acme.example"), SP_LIT_INIT("a@acme.example\n"), false },
};

static void
test_cases(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++)
		if (sp_glob(cases[i].pattern, cases[i].text) != cases[i].want)
			fail_msg("%s", cases[i].name);
}

/* The definition, word for word; exponential, for short inputs. */
static bool
slow(sp_slice p, sp_slice t)
{
	size_t stars = 0;

	if (p.n == 0)
		return t.n == 0;
	while (stars < p.n && p.p[stars] == '*')
		stars++;
	if (stars == 0)
		return t.n != 0 && t.p[0] == p.p[0] && slow(sp_sub(p, 1, p.n), sp_sub(t, 1, t.n));
	for (size_t i = 0; i <= t.n; i++) {
		if (slow(sp_sub(p, stars, p.n), sp_sub(t, i, t.n)))
			return true;
		if (stars == 1 && i < t.n && t.p[i] == '/')
			return false;
	}
	return false;
}

static sp_slice
word(char *buf, size_t max, const char *alphabet, size_t letters, uint64_t *rnd)
{
	size_t n;

	*rnd = *rnd * 6364136223846793005u + 1442695040888963407u;
	n = (*rnd >> 33) % (max + 1);
	for (size_t i = 0; i < n; i++) {
		*rnd = *rnd * 6364136223846793005u + 1442695040888963407u;
		buf[i] = alphabet[(*rnd >> 33) % letters];
	}
	return sp_mem(buf, n);
}

static void
test_against_definition(void **state)
{
	char pb[8], tb[12];
	uint64_t rnd = 7;

	for (unsigned i = 0; i < 300000; i++) {
		sp_slice p = word(pb, sizeof pb, "ab/**", 5, &rnd), t = word(tb, sizeof tb, "ab/", 3, &rnd);

		if (sp_glob(p, t) != slow(p, t))
			fail_msg("pattern %.*s text %.*s", SP_PRI(p), SP_PRI(t));
	}
}

/* Patterns that make a backtracking matcher run for years. */
static void
test_bounded(void **state)
{
	static char text[200000];

	memset(text, 'a', sizeof text);
	assert_false(sp_glob(SP_LIT("**a*a*a*a*a*a*a*b"), sp_mem(text, sizeof text)));
	text[sizeof text - 1] = '/';
	assert_false(sp_glob(SP_LIT("**a*a*a*a*a*a*a*b"), sp_mem(text, sizeof text)));
	for (size_t i = 50; i < sizeof text; i += 50)
		text[i] = '/';
	assert_false(sp_glob(SP_LIT("**a*a/*a*a**a*a/a*a*b"), sp_mem(text, sizeof text)));
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_against_definition),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
