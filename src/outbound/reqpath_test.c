#include "base/check.h"
#include "outbound/reqpath.h"

#include <stdlib.h>

/* Threat rows of section M, and what reverse proxies and servers were caught with. */
static const struct { const char *name, *path; bool good; } cases[] = {
	{ "root", "/", true }, { "plain", "/v1/zones/a.test.", true }, { "final slash", "/v1/", true },
	{ "query", "/v1/x?a=1&b=%0a", true }, { "query with dots and slashes", "/x?next=/../..//y", true },
	{ "encoded slash in a name", "/projects/group%2Fname", true }, { "space", "/a%20b", true },
	{ "percent sign", "/100%25", true }, { "three dots", "/.../x", true }, { "dot file", "/.well-known/x", true },
	{ "parameters", "/a;v=1/b", true }, { "UTF-8", "/caf%C3%A9", true }, { "empty query", "/x?", true },
	{ "empty", "", false }, { "relative", "v1", false }, { "a whole URL", "https://evil.example/x", false },
	{ "M01 parent", "/../x", false }, { "M01 parent at the end", "/a/..", false }, { "M01 here", "/./x", false },
	{ "M01 encoded parent", "/%2e%2e/x", false }, { "M01 half encoded parent", "/.%2E/x", false },
	{ "M01 parent with an encoded slash", "/a%2f..%2fb", false }, { "M01 parent and backslash", "/..%5cx", false },
	{ "M01 twice encoded", "/%252e%252e/x", false }, { "M01 three times", "/%25252e%25252e/x", false },
	{ "M01 percent of percent", "/%25%32%65%25%32%65/x", false }, { "M01 parameter behind dots", "/..;a/x", false },
	{ "M01 encoded parameter", "/..%3ba/x", false }, { "M01 overlong dot", "/%c0%ae%c0%ae/x", false },
	{ "N06 two slashes in front", "//evil.example/x", false }, { "two slashes", "/a//b", false },
	{ "encoded second slash", "/a/%2fb", false }, { "slash and backslash", "/%5cevil.example", false },
	{ "backslash", "/a\\b", false }, { "K20 line break", "/a\r\nHost: x", false }, { "K20 encoded", "/a%0d%0aX", false },
	{ "K20 encoded twice", "/a%250d", false }, { "NUL", "/a%00", false }, { "space as it is", "/a b", false },
	{ "fragment", "/a#b", false }, { "M01 bare UTF-8", "/\xef\xbc\x8e\xef\xbc\x8e/x", false }, { "half an escape", "/a%2", false },
	{ "no escape", "/a%zz", false }, { "line break in the query", "/a?b\nc", false }, { "userinfo needs no host", "/@evil", true },
	{ "delete", "/a%7f", false },
};

static void
test_cases(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++)
		CHECK(cases[i].name, (sp_reqpath_judge(sp_str(cases[i].path)) == NULL) == cases[i].good);
}

/* However often it is wrapped up: found, or refused for that. */
static void
test_wrapping(void **state)
{
	char path[256] = "/";

	for (unsigned depth = 0; depth < 40; depth++) {
		size_t n = 1;

		memcpy(path + n, "%", 1);
		n++;
		for (unsigned i = 0; i < depth; i++, n += 2)
			memcpy(path + n, "25", 2);
		memcpy(path + n, "2e./x", 6);
		CHECK("wrapped", sp_reqpath_judge(sp_str(path)) != NULL);
	}
}

static void
test_length(void **state)
{
	char *p = malloc(SP_REQPATH_MAX + 1);

	memset(p, 'a', SP_REQPATH_MAX + 1);
	p[0] = '/';
	CHECK("the longest", sp_reqpath_judge(sp_mem(p, SP_REQPATH_MAX)) == NULL);
	CHECK("one more", sp_reqpath_judge(sp_mem(p, SP_REQPATH_MAX + 1)) != NULL);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_wrapping), cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
