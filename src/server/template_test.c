/* URI templates: what can be matched, and what a URI gives. */
#include "base/check.h"
#include "server/engine.h"

static const struct { const char *name, *text; bool ok; } templates[] = {
	{ "one variable", "test://a/{id}", true }, { "two", "test://{a}/{b}", true }, { "a path", "file:///{path*}", true },
	{ "reserved", "file:///{+path}", true }, { "a query", "test://a{?x,y}", true }, { "no variable", "test://a", true },
	{ "two in a row", "test://{a}{b}", false }, { "twice", "test://{a}/{a}", false }, { "no name", "test://{}", false },
	{ "an operator", "test://{#a}", false }, { "prefix", "test://{a:3}", false }, { "not closed", "test://{a", false },
	{ "nested", "test://{{a}}", false }, { "no scheme", "{a}", false }, { "relative", "a/{b}", false },
	{ "behind a query", "test://a{?x}/b", false }, { "a query of nothing", "test://a{?}", false }, { "empty", "", false },
};

static void
test_templates(void **state)
{
	for (size_t i = 0; i < SP_COUNT(templates); i++) {
		struct sp_arena a;
		struct sp_template *t;
		struct sp_err e;

		sp_arena_init(&a, 1 << 20);
		CHECK(templates[i].name, (sp_template_new(&a, sp_str(templates[i].text), &t, &e) == SP_OK) == templates[i].ok);
		sp_arena_free(&a);
	}
}

/* want NULL: it does not fit. */
static const struct { const char *name, *text, *uri, *want; } matches[] = {
	{ "one", "test://a/{id}/b", "test://a/12/b", "{\"id\":\"12\"}" },
	{ "decoded", "test://a/{id}", "test://a/x%20y", "{\"id\":\"x y\"}" },
	{ "quotes are escaped", "test://a/{id}", "test://a/%22", "{\"id\":\"\\\"\"}" },
	{ "empty", "test://a/{id}/b", "test://a//b", NULL },
	{ "a slash", "test://a/{id}", "test://a/b/c", NULL },
	{ "an encoded slash", "test://a/{id}", "test://a/b%2fc", NULL },
	{ "an encoded backslash", "test://a/{id}", "test://a/b%5cc", NULL },
	{ "dots", "test://a/{id}", "test://a/..", NULL },
	{ "encoded dots", "test://a/{id}", "test://a/%2E%2e", NULL },
	{ "dots in a path", "file:///{path*}", "file:///a/../b", NULL },
	{ "encoded dots in a path", "file:///{path*}", "file:///a/%2e%2e/b", NULL },
	{ "encoded slashes with dots in a path", "file:///{path*}", "file:///a%2f..%2fb", NULL },
	{ "a path", "file:///{path*}", "file:///a/b.txt", "{\"path\":\"a/b.txt\"}" },
	{ "a path in the middle", "file:///{+path}/end", "file:///a/b/end", "{\"path\":\"a/b\"}" },
	{ "NUL", "test://a/{id}", "test://a/%00", NULL }, { "a line", "test://a/{id}", "test://a/%0a", NULL },
	{ "not UTF-8", "test://a/{id}", "test://a/%ff", NULL }, { "half an escape", "test://a/{id}", "test://a/%f", NULL },
	{ "more behind", "test://a/{id}/b", "test://a/1/b/c", NULL }, { "other text", "test://a/{id}", "test://b/1", NULL },
	{ "shorter", "test://a/{id}/b", "test://a/1", NULL },
	{ "query", "test://a{?x,y}", "test://a?y=1&x=2", "{\"y\":\"1\",\"x\":\"2\"}" },
	{ "no query", "test://a{?x,y}", "test://a", "{}" }, { "a foreign query", "test://a{?x}", "test://a?z=1", NULL },
	{ "twice", "test://a{?x}", "test://a?x=1&x=2", NULL }, { "a query that is not asked for", "test://a/{id}", "test://a/1?x=2", NULL },
};

static void
test_matches(void **state)
{
	for (size_t i = 0; i < SP_COUNT(matches); i++) {
		struct sp_arena a;
		struct sp_template *t;
		struct sp_err e;
		struct sp_out o;
		bool fits;

		sp_arena_init(&a, 1 << 20);
		sp_out_heap(&o, 1 << 16);
		CHECK(matches[i].name, sp_template_new(&a, sp_str(matches[i].text), &t, &e) == SP_OK);
		fits = sp_template_match(t, sp_str(matches[i].uri), &o);
		CHECK(matches[i].name, fits == (matches[i].want != NULL));
		CHECK(matches[i].name, !fits || sp_eq(sp_out_view(&o), sp_str(matches[i].want)));
		sp_out_free(&o);
		sp_arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_templates), cmocka_unit_test(test_matches) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
