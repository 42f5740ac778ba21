#include "mcp/catalog.h"

#include "crypto/crypto.h"
#include "mcp/testimage.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { WIKI = 1, GIT = 2, TOOL = SP_COMPONENT_TOOL, RES = SP_COMPONENT_RESOURCE, TPL = SP_COMPONENT_TEMPLATE,
	PROMPT = SP_COMPONENT_PROMPT };

#define S "\"inputSchema\":{\"type\":\"object\"}"
#define T(members) "{\"name\":\"t\"," members "}"
#define P(props) T("\"inputSchema\":{\"type\":\"object\",\"properties\":{" props "}}")
#define MARK(name, type) "{\"type\":\"" type "\",\"x-mcp-header\":\"" name "\"}"
#define LONG60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct sp_imgb builder;
static struct sp_image img;

static const struct ti_rule rules[] = {
	{ SP_VERB_ALLOW, WIKI, SP_SELECT_ALL }, { SP_VERB_DENY, WIKI, SP_SELECT_NAME, "drop*" },
	{ SP_VERB_ALLOW, GIT, SP_SELECT_ALL },
};

static int
setup(void **state)
{
	if (sp_crypto_init(NULL) != SP_OK)
		return 1;
	ti_make(&builder, &(struct ti_options){ .mcp = 2, .rules = rules, .nrules = SP_COUNT(rules) }, &img);
	return 0;
}

static int
teardown(void **state)
{
	sp_imgb_free(&builder);
	return 0;
}

static struct sp_catalog *
new_catalog(uint32_t server)
{
	struct sp_catalog *c = NULL;

	assert_int_equal(sp_catalog_new(&img, server, &c), SP_OK);
	return c;
}

static enum sp_status
add(struct sp_catalog *c, int kind, const char *text, struct sp_err *e)
{
	struct sp_json j = { 0 };
	enum sp_status st;

	if (sp_json_read(sp_str(text), SP_JSON_DEFAULT, &j, e) != SP_OK)
		fail_msg("%s: %s", text, e->log);
	st = sp_catalog_add(c, (enum sp_component_kind)kind, j.root, e);
	sp_json_free(&j);
	return st;
}

static void
seal(struct sp_catalog *c, uint32_t want)
{
	uint32_t dropped;

	assert_int_equal(sp_catalog_seal(c, &dropped), SP_OK);
	assert_int_equal(dropped, want);
}

/* `want`: the definition as it is kept, or part of why it is left out. */
static const struct {
	const char *name;
	int kind;
	const char *def;
	bool kept;
	const char *want;
} cases[] = {
	{ "a tool", TOOL, T(S), true, T(S) },
	{ "unknown members go", TOOL, T("\"x\":1,\"execution\":{\"taskSupport\":\"required\"}," S), true, T(S) },
	{ "no name", TOOL, "{" S "}", false, "no name" },
	{ "a name that is a number", TOOL, "{\"name\":1," S "}", false, "no name" },
	{ "empty name", TOOL, "{\"name\":\"\"," S "}", false, "a name is" },
	{ "E05 Cyrillic twin", TOOL, "{\"name\":\"r\xd0\xb5""ad\"," S "}", false, "a name is" },
	{ "E05 space", TOOL, "{\"name\":\"read \"," S "}", false, "a name is" },
	{ "E05 zero width joiner", TOOL, "{\"name\":\"re\xe2\x80\x8d""ad\"," S "}", false, "a name is" },
	{ "E05 slash", TOOL, "{\"name\":\"a/b\"," S "}", false, "a name is" },
	{ "E05 fullwidth", TOOL, "{\"name\":\"\xef\xbd\x92""ead\"," S "}", false, "a name is" },
	{ "E05 NUL", TOOL, "{\"name\":\"a\\u0000\"," S "}", false, "a name is" },
	{ "129 characters", TOOL, "{\"name\":\"" LONG60 LONG60 "123456789\"," S "}", false, "a name is" },
	{ "128 characters", TOOL, "{\"name\":\"" LONG60 LONG60 "12345678\"," S "}", true,
	    "{\"name\":\"" LONG60 LONG60 "12345678\"," S "}" },
	{ "dots and dashes", TOOL, "{\"name\":\"a.b-c_D\"," S "}", true, "{\"name\":\"a.b-c_D\"," S "}" },
	{ "no schema", TOOL, "{\"name\":\"t\"}", false, "inputSchema" },
	{ "schema of another type", TOOL, T("\"inputSchema\":{\"type\":\"array\"}"), false, "inputSchema" },
	{ "schema that is true", TOOL, T("\"inputSchema\":true"), false, "inputSchema" },
	{ "schema that is null", TOOL, T("\"inputSchema\":null"), false, "inputSchema" },
	{ "not an object", TOOL, "[]", false, "no name" },
	{ "E27 what a schema points at is kept and not fetched", TOOL,
	    T("\"inputSchema\":{\"$schema\":\"http://169.254.169.254/\",\"type\":\"object\",\"$defs\":{\"a\":{\"$anchor\":\"x\"}},"
	    "\"properties\":{\"p\":{\"$ref\":\"file:///etc/passwd\"},\"q\":{\"$ref\":\"#\"},\"r\":{\"pattern\":\"(a+)+$\"}},"
	    "\"allOf\":[{\"if\":{},\"then\":{},\"else\":{}}],\"additionalProperties\":false}"), true,
	    T("\"inputSchema\":{\"$schema\":\"http://169.254.169.254/\",\"type\":\"object\",\"$defs\":{\"a\":{\"$anchor\":\"x\"}},"
	    "\"properties\":{\"p\":{\"$ref\":\"file:///etc/passwd\"},\"q\":{\"$ref\":\"#\"},\"r\":{\"pattern\":\"(a+)+$\"}},"
	    "\"allOf\":[{\"if\":{},\"then\":{},\"else\":{}}],\"additionalProperties\":false}") },
	{ "L06 numbers keep their text", TOOL,
	    T("\"inputSchema\":{\"type\":\"object\",\"maximum\":9007199254740993,\"minimum\":-0,\"x\":1e400}"), true,
	    T("\"inputSchema\":{\"type\":\"object\",\"maximum\":9007199254740993,\"minimum\":-0,\"x\":1e400}") },
	{ "L13 __proto__ is plain data", TOOL,
	    T("\"inputSchema\":{\"type\":\"object\",\"properties\":{\"__proto__\":{},\"constructor\":{},\"toString\":{}}}"), true,
	    T("\"inputSchema\":{\"type\":\"object\",\"properties\":{\"__proto__\":{},\"constructor\":{},\"toString\":{}}}") },
	{ "output schema", TOOL, T(S ",\"outputSchema\":{\"type\":\"object\",\"x\":[1]}"), true,
	    T(S ",\"outputSchema\":{\"type\":\"object\",\"x\":[1]}") },
	{ "output schema that is none", TOOL, T(S ",\"outputSchema\":[]"), true, T(S) },
	{ "E26 ANSI and bidi in a title", TOOL, T("\"title\":\"a\\u001b[31m\\u202eb\"," S), true,
	    T("\"title\":\"a\xef\xbf\xbd[31m\xef\xbf\xbd""b\"," S) },
	{ "E26 controls in a description, lines stay", TOOL, T("\"description\":\"a\\nb\\u0000\\u0085<script>\"," S), true,
	    T("\"description\":\"a\\nb\xef\xbf\xbd\xef\xbf\xbd<script>\"," S) },
	{ "texts of another type go", TOOL, T("\"title\":1,\"description\":null," S), true, T(S) },
	{ "E26 annotations: known ones of the right type", TOOL,
	    T(S ",\"annotations\":{\"readOnlyHint\":true,\"title\":\"\\u202ex\",\"destructiveHint\":\"no\",\"other\":{}}"), true,
	    T(S ",\"annotations\":{\"title\":\"\xef\xbf\xbdx\",\"readOnlyHint\":true}") },
	{ "icons: https and pictures as data", TOOL, T(S ",\"icons\":[{\"src\":\"http://a/i\"},{\"src\":\"https://a/i\","
	    "\"mimeType\":\"image/png\",\"sizes\":[\"48x48\"]},{\"src\":\"javascript:x\"},{\"src\":\"data:text/html,x\"},"
	    "{\"src\":\"data:image/png;base64,AA\",\"theme\":\"dark\",\"x\":1},{},7]"), true,
	    T(S ",\"icons\":[{\"src\":\"https://a/i\",\"mimeType\":\"image/png\",\"sizes\":[\"48x48\"]},"
	    "{\"src\":\"data:image/png;base64,AA\",\"theme\":\"dark\"}]") },
	{ "no icon left", TOOL, T(S ",\"icons\":[{\"src\":\"http://a/i\"}]"), true, T(S) },
	{ "_meta without the hop's keys", TOOL,
	    T(S ",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{},\"com.example/x\":{\"y\":1},\"fastmcp\":{\"tags\":[]}}"), true,
	    T(S ",\"_meta\":{\"com.example/x\":{\"y\":1},\"fastmcp\":{\"tags\":[]}}") },
	{ "_meta with the hop's keys alone", TOOL, T(S ",\"_meta\":{\"io.modelcontextprotocol/related-task\":{}}"), true, T(S) },
	/* x-mcp-header: mcp-spec 1.4 */
	{ "a mark", TOOL, P("\"a\":" MARK("A", "string")), true, P("\"a\":" MARK("A", "string")) },
	{ "a deep mark", TOOL, P("\"a\":{\"type\":\"object\",\"properties\":{\"b\":" MARK("A", "integer") "}}"), true,
	    P("\"a\":{\"type\":\"object\",\"properties\":{\"b\":" MARK("A", "integer") "}}") },
	{ "a property that is called so", TOOL, P("\"x-mcp-header\":{\"type\":\"string\"}"), true,
	    P("\"x-mcp-header\":{\"type\":\"string\"}") },
	{ "a default that looks so", TOOL, P("\"a\":{\"default\":{\"x-mcp-header\":\"\"}}"), true,
	    P("\"a\":{\"default\":{\"x-mcp-header\":\"\"}}") },
	{ "a mark on a number", TOOL, P("\"a\":" MARK("A", "number")), false, "not valid" },
	{ "a mark without a name", TOOL, P("\"a\":" MARK("", "string")), false, "not valid" },
	{ "a mark with a space", TOOL, P("\"a\":" MARK("a b", "string")), false, "not valid" },
	{ "a mark with CR LF", TOOL, P("\"a\":" MARK("a\\r\\nb", "string")), false, "not valid" },
	{ "a mark that is no text", TOOL, P("\"a\":{\"type\":\"string\",\"x-mcp-header\":1}"), false, "not valid" },
	{ "two marks, one name in other case", TOOL, P("\"a\":" MARK("A", "string") ",\"b\":" MARK("a", "string")), false, "twice" },
	{ "a mark in items", TOOL, P("\"a\":{\"type\":\"array\",\"items\":" MARK("A", "string") "}"), false, "not on a property" },
	{ "a mark in oneOf", TOOL, P("\"a\":{\"oneOf\":[" MARK("A", "string") "]}"), false, "not on a property" },
	{ "a mark in $defs", TOOL, T("\"inputSchema\":{\"type\":\"object\",\"$defs\":{\"d\":" MARK("A", "string") "}}"), false,
	    "not on a property" },
	{ "a mark in properties of allOf", TOOL,
	    T("\"inputSchema\":{\"type\":\"object\",\"allOf\":[{\"properties\":{\"a\":" MARK("A", "string") "}}]}"), false,
	    "not on a property" },
	{ "a mark on the root", TOOL, T("\"inputSchema\":{\"type\":\"object\",\"x-mcp-header\":\"A\"}"), false, "not on a property" },
	/* resources, templates */
	{ "a resource", RES, "{\"uri\":\"wiki://a\",\"name\":\"a\",\"mimeType\":\"text/plain\",\"size\":7,"
	    "\"annotations\":{\"audience\":[\"user\"],\"priority\":0.5,\"x\":1}}", true,
	    "{\"uri\":\"wiki://a\",\"name\":\"a\",\"mimeType\":\"text/plain\",\"size\":7,"
	    "\"annotations\":{\"audience\":[\"user\"],\"priority\":0.5}}" },
	{ "parity 62 a resource of files", RES, "{\"uri\":\"file:///a\",\"name\":\"a\"}", true, "{\"uri\":\"file:///a\",\"name\":\"a\"}" },
	{ "no URI", RES, "{\"name\":\"a\"}", false, "no name or URI" },
	{ "no name", RES, "{\"uri\":\"wiki://a\"}", false, "no name" },
	{ "a relative URI", RES, "{\"uri\":\"/a\",\"name\":\"a\"}", false, "absolute" },
	{ "a URI with a space", RES, "{\"uri\":\"wiki://a b\",\"name\":\"a\"}", false, "absolute" },
	{ "a URI with bidi", RES, "{\"uri\":\"wiki://\xe2\x80\xae""a\",\"name\":\"a\"}", false, "absolute" },
	{ "a URI with a quote", RES, "{\"uri\":\"wiki://\\\"\",\"name\":\"a\"}", false, "absolute" },
	{ "a scheme alone", RES, "{\"uri\":\"wiki:\",\"name\":\"a\"}", false, "absolute" },
	{ "O09 javascript:", RES, "{\"uri\":\"javascript:alert(1)\",\"name\":\"a\"}", false, "scheme" },
	{ "O09 JavaScript: in mixed case", RES, "{\"uri\":\"JavaScript:alert(1)\",\"name\":\"a\"}", false, "scheme" },
	{ "data: as a name", RES, "{\"uri\":\"data://config\",\"name\":\"a\"}", true, "{\"uri\":\"data://config\",\"name\":\"a\"}" },
	{ "O09 data: with an authority and a document", RES, "{\"uri\":\"data://text/html,x\",\"name\":\"a\"}", false, "scheme" },
	{ "O09 data:", RES, "{\"uri\":\"data:text/html,x\",\"name\":\"a\"}", false, "scheme" },
	{ "a URI with an expression", RES, "{\"uri\":\"wiki://{a}\",\"name\":\"a\"}", false, "absolute" },
	{ "a negative size goes", RES, "{\"uri\":\"wiki://a\",\"name\":\"a\",\"size\":-1}", true, "{\"uri\":\"wiki://a\",\"name\":\"a\"}" },
	{ "a template", TPL, "{\"uriTemplate\":\"wiki://{a}/{+b}\",\"name\":\"a\",\"uri\":\"x:y\"}", true,
	    "{\"uriTemplate\":\"wiki://{a}/{+b}\",\"name\":\"a\"}" },
	{ "an open expression", TPL, "{\"uriTemplate\":\"wiki://{a\",\"name\":\"a\"}", false, "absolute" },
	{ "an empty expression", TPL, "{\"uriTemplate\":\"wiki://{}\",\"name\":\"a\"}", false, "absolute" },
	{ "an expression in an expression", TPL, "{\"uriTemplate\":\"wiki://{a{b}}\",\"name\":\"a\"}", false, "absolute" },
	{ "a scheme from an expression", TPL, "{\"uriTemplate\":\"{s}://x\",\"name\":\"a\"}", false, "absolute" },
	{ "O09 a template of javascript:", TPL, "{\"uriTemplate\":\"javascript:{a}\",\"name\":\"a\"}", false, "scheme" },
	/* prompts */
	{ "a prompt", PROMPT, "{\"name\":\"p\",\"arguments\":[{\"name\":\"a\",\"required\":true,\"x\":1,\"description\":\"\\u202e\"},"
	    "{\"name\":\"b c\"}]}", true, "{\"name\":\"p\",\"arguments\":[{\"name\":\"a\",\"description\":\"\xef\xbf\xbd\","
	    "\"required\":true},{\"name\":\"b c\"}]}" },
	{ "no arguments", PROMPT, "{\"name\":\"p\",\"arguments\":null}", true, "{\"name\":\"p\"}" },
	{ "an empty list of arguments", PROMPT, "{\"name\":\"p\",\"arguments\":[]}", true, "{\"name\":\"p\",\"arguments\":[]}" },
	{ "an argument without a name", PROMPT, "{\"name\":\"p\",\"arguments\":[{}]}", false, "arguments" },
	{ "E26 an argument's name with bidi", PROMPT, "{\"name\":\"p\",\"arguments\":[{\"name\":\"a\\u202eb\"}]}", false, "arguments" },
	{ "arguments that are an object", PROMPT, "{\"name\":\"p\",\"arguments\":{}}", false, "arguments" },
	{ "E05 a prompt's look-alike", PROMPT, "{\"name\":\"\xd1\x80\"}", false, "a name is" },
};

static void
test_definitions(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct sp_catalog *c = new_catalog(WIKI);
		struct sp_err e = { 0 };
		enum sp_status st = add(c, cases[i].kind, cases[i].def, &e);
		const struct sp_item *it;

		seal(c, 0);
		it = sp_catalog_at(c, (enum sp_component_kind)cases[i].kind, 0);
		if (st != (cases[i].kept ? SP_OK : SP_E_REFUSED) || (it != NULL) != cases[i].kept)
			fail_msg("%s: %d %s", cases[i].name, st, e.log);
		if (it == NULL && sp_find(sp_str(e.log), sp_str(cases[i].want)) == SIZE_MAX)
			fail_msg("%s: %s", cases[i].name, e.log);
		if (it != NULL && !sp_eq(it->own, sp_str(cases[i].want)))
			fail_msg("%s:\n got  %.*s\n want %s", cases[i].name, (int)it->own.n, it->own.p, cases[i].want);
		sp_catalog_free(&c);
	}
}

/* What egress sends and front adds again is the same. */
static void
test_again(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct sp_catalog *a = new_catalog(WIKI), *b = new_catalog(WIKI);
		enum sp_component_kind kind = (enum sp_component_kind)cases[i].kind;
		struct sp_err e = { 0 };

		if (cases[i].kept) {
			assert_int_equal(add(a, cases[i].kind, cases[i].def, &e), SP_OK);
			assert_int_equal(add(b, cases[i].kind, cases[i].want, &e), SP_OK);
			seal(a, 0);
			seal(b, 0);
			if (!sp_catalog_same(a, b, kind) || !sp_eq(sp_catalog_at(a, kind, 0)->own, sp_catalog_at(b, kind, 0)->own))
				fail_msg("%s", cases[i].name);
		}
		sp_catalog_free(&a);
		sp_catalog_free(&b);
	}
}

static void
test_names(void **state)
{
	static const char long_name[] = LONG60 "bbbb";
	struct sp_catalog *c = new_catalog(WIKI);
	struct sp_err e = { 0 };
	const struct sp_item *it;
	char buf[SP_SHOWN_MAX + 1];

	assert_int_equal(add(c, TOOL, "{\"name\":\"" LONG60 "bbbb\"," S "}", &e), SP_OK);
	assert_int_equal(add(c, TOOL, "{\"name\":\"drop\",\"description\":\"2\"," S "}", &e), SP_OK);
	assert_int_equal(add(c, TOOL, "{\"name\":\"Read\"," S "}", &e), SP_OK);
	assert_int_equal(add(c, TOOL, "{\"name\":\"drop\",\"description\":\"1\"," S "}", &e), SP_OK);
	assert_int_equal(add(c, PROMPT, "{\"name\":\"drop\"}", &e), SP_OK);
	assert_int_equal(add(c, RES, "{\"uri\":\"wiki://a\",\"name\":\"drop\"}", &e), SP_OK);
	assert_int_equal(add(c, RES, "{\"uri\":\"wiki://a\",\"name\":\"again\"}", &e), SP_OK);
	seal(c, 2);
	assert_int_equal(sp_catalog_count(c, SP_COMPONENT_TOOL), 3);
	assert_int_equal(sp_catalog_count(c, SP_COMPONENT_RESOURCE), 1);
	/* Sorted by shown name; of two the first stays. */
	it = sp_catalog_at(c, SP_COMPONENT_TOOL, 0);
	assert_true(sp_eq(it->shown, SP_LIT("wiki_Read")));
	assert_true(sp_eq(it->json, SP_LIT("{\"name\":\"wiki_Read\"," S "}")));
	assert_true(sp_eq(it->schema, SP_LIT("{\"type\":\"object\"}")));
	assert_null(sp_catalog_at(c, SP_COMPONENT_TOOL, 3));
	it = sp_catalog_find(c, SP_COMPONENT_TOOL, SP_LIT("drop"));
	assert_non_null(it);
	assert_true(sp_eq(it->own, SP_LIT("{\"name\":\"drop\",\"description\":\"2\"," S "}")));
	assert_int_equal(it->c.nrules, 2);	/* and the deny */
	assert_int_equal(sp_catalog_find(c, SP_COMPONENT_PROMPT, SP_LIT("drop"))->c.nrules, 1);
	/* A name that was cut is found by both its names. */
	it = sp_catalog_find(c, SP_COMPONENT_TOOL, sp_str(long_name));
	assert_non_null(it);
	assert_int_equal(it->shown.n, SP_SHOWN_MAX);
	assert_ptr_equal(it, sp_catalog_shown(c, SP_COMPONENT_TOOL, it->shown));
	assert_true(sp_eq(it->shown, sp_shown_name(&img, WIKI, sp_str(long_name), buf)));
	/* E04: no other spelling, and the shown name is no own name. */
	assert_null(sp_catalog_find(c, SP_COMPONENT_TOOL, SP_LIT("read")));
	assert_null(sp_catalog_find(c, SP_COMPONENT_TOOL, SP_LIT("Read ")));
	assert_null(sp_catalog_find(c, SP_COMPONENT_TOOL, SP_LIT("wiki_Read")));
	assert_null(sp_catalog_find(c, SP_COMPONENT_TOOL, it->shown));
	assert_null(sp_catalog_shown(c, SP_COMPONENT_TOOL, SP_LIT("Read")));
	assert_null(sp_catalog_shown(c, SP_COMPONENT_PROMPT, SP_LIT("wiki_Read")));
	assert_true(sp_eq(sp_catalog_shown(c, SP_COMPONENT_RESOURCE, SP_LIT("wiki://a"))->json,
	    SP_LIT("{\"uri\":\"wiki://a\",\"name\":\"drop\"}")));
	assert_true(sp_eq(sp_own_name(&img, WIKI, SP_LIT("wiki_a_b")), SP_LIT("a_b")));
	assert_int_equal(sp_own_name(&img, WIKI, SP_LIT("git_a")).n, 0);
	assert_int_equal(sp_own_name(&img, WIKI, SP_LIT("wiki")).n, 0);
	assert_true(sp_catalog_has_scheme(c, SP_LIT("WIKI")));
	assert_false(sp_catalog_has_scheme(c, SP_LIT("wik")));
	sp_catalog_free(&c);
	assert_null(c);
	sp_catalog_free(&c);
}

static void
test_templates(void **state)
{
	static const struct { const char *tpl, *uri; bool match; } rows[] = {
		{ "wiki://{id}", "wiki://a", true }, { "wiki://{id}", "wiki://a/b", false }, { "wiki://{id}", "wiki:/a", false },
		{ "wiki://{+id}", "wiki://a/b", true }, { "wiki://x{/id}", "wiki://x/a/b", true }, { "wiki://{id*}/z", "wiki://a/b/z", true },
		{ "wiki://{a}/{b}", "wiki://1/2", true }, { "wiki://{a}/{b}", "wiki://1", false }, { "wiki://page", "wiki://page", true },
		{ "wiki://{id}.md", "wiki://a.txt", false }, { "wiki://{id}", "WIKI://a", false },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_catalog *c = new_catalog(WIKI);
		struct sp_err e = { 0 };
		char def[200];

		snprintf(def, sizeof def, "{\"uriTemplate\":\"%s\",\"name\":\"t\"}", rows[i].tpl);
		assert_int_equal(add(c, TPL, def, &e), SP_OK);
		seal(c, 0);
		if ((sp_catalog_template(c, sp_str(rows[i].uri)) != NULL) != rows[i].match)
			fail_msg("%s %s", rows[i].tpl, rows[i].uri);
		sp_catalog_free(&c);
	}
}

static void
test_bounds(void **state)
{
	struct sp_catalog *c = new_catalog(GIT);
	struct sp_err e = { 0 };
	struct sp_out o;
	char def[100];

	sp_out_heap(&o, 2 << 20);
	sp_out_str(&o, "{\"name\":\"t\",\"description\":\"");
	for (size_t i = 0; i < 1 << 20; i++)
		sp_out_byte(&o, 'x');
	sp_out_str(&o, "\"," S "}");
	sp_out_byte(&o, '\0');
	if (add(c, TOOL, o.p, &e) != SP_OK)
		fail_msg("E26 1 MB of description");
	sp_out_reset(&o);
	sp_out_str(&o, "{\"name\":\"u\",\"inputSchema\":{\"type\":\"object\",\"description\":\"");
	for (size_t i = 0; i < 1 << 18; i++)
		sp_out_byte(&o, 'x');
	sp_out_str(&o, "\"}}");
	sp_out_byte(&o, '\0');
	assert_int_equal(add(c, TOOL, o.p, &e), SP_E_REFUSED);
	sp_out_free(&o);
	for (unsigned i = 1; i < SP_CATALOG_ITEMS; i++) {
		snprintf(def, sizeof def, "{\"uri\":\"git:%u\",\"name\":\"n\"}", i);
		assert_int_equal(add(c, RES, def, &e), SP_OK);
	}
	assert_int_equal(add(c, RES, "{\"uri\":\"git:x\",\"name\":\"n\"}", &e), SP_E_FULL);
	seal(c, 0);
	assert_true(sp_catalog_at(c, SP_COMPONENT_TOOL, 0)->own.n < SP_ITEM_TEXT + 100);
	assert_int_equal(sp_catalog_count(c, SP_COMPONENT_RESOURCE), SP_CATALOG_ITEMS - 1);
	sp_catalog_free(&c);
}

static void
test_same(void **state)
{
	struct sp_catalog *a = new_catalog(WIKI), *b = new_catalog(WIKI);
	struct sp_err e = { 0 };

	assert_int_equal(add(a, TOOL, "{\"name\":\"a\"," S "}", &e), SP_OK);
	assert_int_equal(add(a, TOOL, "{\"name\":\"b\"," S "}", &e), SP_OK);
	assert_int_equal(add(b, TOOL, "{\"name\":\"b\"," S "}", &e), SP_OK);
	assert_int_equal(add(b, TOOL, "{\"name\":\"a\"," S "}", &e), SP_OK);
	assert_int_equal(add(b, PROMPT, "{\"name\":\"a\"}", &e), SP_OK);
	seal(a, 0);
	seal(b, 0);
	assert_true(sp_catalog_same(a, b, SP_COMPONENT_TOOL));
	assert_true(sp_catalog_same(a, b, SP_COMPONENT_RESOURCE));
	assert_false(sp_catalog_same(a, b, SP_COMPONENT_PROMPT));
	sp_catalog_free(&a);
	sp_catalog_free(&b);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_definitions), cmocka_unit_test(test_again), cmocka_unit_test(test_names),
		cmocka_unit_test(test_templates), cmocka_unit_test(test_bounds), cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(t, setup, teardown);
}
