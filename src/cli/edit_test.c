#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/edit.h"
#include "cli/file.h"

#include <string.h>

#define AUTH "auth: {type: static}\n"

static const struct row {
	const char *name, *text, *want;		/* want NULL: refused with `st` */
	bool	 rule;
	enum sp_status st;
} rows[] = {
	{ "after the last server", AUTH "servers:\n  a: {openapi: a.json}\nrules: []\n",
	  AUTH "servers:\n  a: {openapi: a.json}\n  wiki:\n    mcp: https://w/mcp\nrules: []\n", false, SP_OK },
	{ "deeper indent is kept", "servers:\n    a:\n        openapi: a.json\n" AUTH,
	  "servers:\n    a:\n        openapi: a.json\n    wiki:\n      mcp: https://w/mcp\n" AUTH, false, SP_OK },
	{ "comments stay where they are", "# top\nservers: # mine\n  a: {openapi: a.json}   # an API\n\n# the rules\nrules:\n  - {allow: a}   # all\n\n# end\n",
	  "# top\nservers: # mine\n  a: {openapi: a.json}   # an API\n  wiki:\n    mcp: https://w/mcp\n\n# the rules\nrules:\n  - {allow: a}   # all\n"
	  "  - {allow: wiki}\n\n# end\n", true, SP_OK },
	{ "no final newline", AUTH "servers:\n  a: {openapi: a.json}", AUTH "servers:\n  a: {openapi: a.json}\n  wiki:\n    mcp: https://w/mcp\n",
	  false, SP_OK },
	{ "no servers, no rules", AUTH, AUTH "servers:\n  wiki:\n    mcp: https://w/mcp\nrules:\n  - {allow: wiki}\n", true, SP_OK },
	{ "rules before servers", "rules:\n- {allow: a}\nservers:\n  a: {openapi: a.json}\n",
	  "rules:\n- {allow: a}\n- {allow: wiki}\nservers:\n  a: {openapi: a.json}\n  wiki:\n    mcp: https://w/mcp\n", true, SP_OK },
	{ "CRLF", "servers:\r\n  a: {openapi: a.json}\r\n", "servers:\r\n  a: {openapi: a.json}\r\n  wiki:\r\n    mcp: https://w/mcp\r\n", false, SP_OK },
	{ "a server over several lines", "servers:\n  a: {openapi: a.json,\n    # inside\n    url: x}\n" AUTH,
	  "servers:\n  a: {openapi: a.json,\n    # inside\n    url: x}\n  wiki:\n    mcp: https://w/mcp\n" AUTH, false, SP_OK },
	{ "servers between braces", "servers: {a: {openapi: a.json}}\n", NULL, false, SP_E_REFUSED },
	{ "servers between braces on a line of their own", "servers:\n  {a: {openapi: a.json}}\n", NULL, false, SP_E_REFUSED },
	{ "the file between braces", "{servers: {a: {openapi: a.json}}}\n", NULL, false, SP_E_REFUSED },
	{ "rules between brackets", "servers:\n  a: {openapi: a.json}\nrules: [{allow: a}]\n", NULL, true, SP_E_REFUSED },
	{ "one rule without a list", "servers:\n  a: {openapi: a.json}\nrules: {allow: a}\n", NULL, true, SP_E_REFUSED },
	{ "servers without any", "servers:\nrules:\n  - {allow: a}\n", NULL, false, SP_E_REFUSED },
	{ "a comment that is text", "servers:\n  a:\n    openapi: |\n      a\n      # b\n", NULL, false, SP_E_REFUSED },
	{ "a second document's mark", AUTH "servers:\n  a: {openapi: a.json}\n...\n", NULL, false, SP_E_REFUSED },
	{ "carriage returns alone", "\r a*a: \n", NULL, false, SP_E_REFUSED },
	{ "lines that end in U+2028", "servers:\n  a: {openapi: a.json}\xe2\x80\xa8rules: []\n", NULL, false, SP_E_REFUSED },
	{ "there already", "servers:\n  wiki: {mcp: x}\n", NULL, false, SP_E_CONFIG },
	{ "Q08 a repeated key", "servers:\n  a: {openapi: a.json}\nservers:\n  b: {openapi: a.json}\n", NULL, false, SP_E_CONFIG },
	{ "an alias", "servers: &x\n  a: {openapi: a.json}\nrules: *x\n", NULL, false, SP_E_CONFIG },
	{ "no YAML", "servers: [\n", NULL, false, SP_E_CONFIG },
	{ "empty", "", NULL, false, SP_E_CONFIG },
	{ "a list", "- servers\n", NULL, false, SP_E_CONFIG },
};

static void
test_add(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		const struct row *r = &rows[i];
		struct sp_edit what = { .name = SP_LIT("wiki"), .kind = SP_LIT("mcp"), .source = SP_LIT("https://w/mcp"),
			.tools = { SP_LIT("wiki") }, .ntools = r->rule ? 1 : 0 };
		struct sp_arena mem;
		struct sp_err e = { 0 };
		struct sp_out o;
		enum sp_status st;

		sp_arena_init(&mem, 1 << 24);
		sp_out_heap(&o, 65536);
		st = sp_edit_add(&mem, sp_str(r->text), &what, &o, &e);
		if (st != r->st || (st == SP_OK && !sp_eq(sp_out_view(&o), sp_str(r->want))))
			fail_msg("%s: %d %s\n%.*s", r->name, st, e.log, (int)o.n, o.p);
		sp_out_free(&o);
		sp_arena_free(&mem);
	}
}

static void
test_scalar(void **state)
{
	static const struct { const char *name; sp_slice in; const char *want; } cases[] = {
		{ "path", SP_LIT("a/b.json"), "a/b.json" }, { "url", SP_LIT("https://h:1/p"), "https://h:1/p" },
		{ "query", SP_LIT("https://h/p?a=1&b"), "\"https://h/p?a=1&b\"" }, { "space", SP_LIT("a b"), "\"a b\"" },
		{ "quotes", SP_LIT("a\"\\"), "\"a\\\"\\\\\"" }, { "comment", SP_LIT("a #b"), "\"a #b\"" }, { "comma", SP_LIT("a,b"), "\"a,b\"" },
		{ "wildcard", SP_LIT("w.*"), "\"w.*\"" }, { "alias", SP_LIT("*a"), "\"*a\"" }, { "tag", SP_LIT("!a"), "\"!a\"" },
		{ "dash", SP_LIT("-a"), "\"-a\"" }, { "colon at the end", SP_LIT("a:"), "\"a:\"" }, { "empty", SP_LIT(""), "\"\"" },
		{ "newline", SP_LIT("a\nb"), NULL }, { "NUL", SP_LIT("a\0b"), NULL }, { "document end", SP_LIT("..."), "\"...\"" },
	};

	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		char buf[128];
		struct sp_out o;
		bool ok;

		sp_out_init(&o, buf, sizeof buf);
		ok = sp_edit_scalar(&o, cases[i].in);
		if (ok != (cases[i].want != NULL) || (ok && !sp_eq(sp_out_view(&o), sp_str(cases[i].want))))
			fail_msg("%s: %.*s", cases[i].name, (int)o.n, o.p);
	}
}

static void
test_all_parts(void **state)
{
	static const struct sp_edit what = { .name = SP_LIT_INIT("dns"), .kind = SP_LIT_INIT("openapi"), .source = SP_LIT_INIT("p.json"),
		.url = SP_LIT_INIT("http://h/p?x"), .secrets = { { SP_LIT_INIT("Key"), SP_LIT_INIT("vault:p"), { NULL, 0 } },
		{ SP_LIT_INIT("k"), SP_LIT_INIT("env:E"), SP_LIT_INIT("header X-K") } }, .nsecrets = 2,
		.tools = { SP_LIT_INIT("dns.a"), SP_LIT_INIT("dns.b*") }, .ntools = 2, .scopes = SP_LIT_INIT(" r  w ") };
	char buf[512];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	assert_true(sp_edit_server(&o, &what, 2, "\n"));
	assert_true(sp_edit_rule(&o, &what, 0, "\n"));
	sp_out_byte(&o, '\0');
	assert_string_equal(buf, "  dns:\n    openapi: p.json\n    url: \"http://h/p?x\"\n"
	    "    secrets: {Key: vault:p, k: {secret: env:E, as: \"header X-K\"}}\n"
	    "- {allow: [dns.a, \"dns.b*\"], require_scopes: [r, w]}\n");
}

static void
test_added_lines(void **state)
{
	char buf[256];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_file_added(&o, "f", SP_LIT("a\nb\nc"), SP_LIT("a\nx\nb\ny\nc\nz\n"));
	sp_out_byte(&o, '\0');
	assert_string_equal(buf, "f:2: + x\nf:4: + y\nf:6: + z\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add), cmocka_unit_test(test_scalar), cmocka_unit_test(test_all_parts), cmocka_unit_test(test_added_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
