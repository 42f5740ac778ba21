#include "mcp/translate.h"

#include "crypto/crypto.h"
#include "mcp/result.h"
#include "mcp/testimage.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { CALL = SP_MCP_TOOLS_CALL, GET = SP_MCP_PROMPTS_GET, READ = SP_MCP_RESOURCES_READ, COMP = SP_MCP_COMPLETE,
	SUB = SP_MCP_SUBSCRIBE, OLD = SP_ERA_LEGACY, NEW = SP_ERA_MODERN };

#define INFO "\"io.modelcontextprotocol/serverInfo\":" SP_MCP_INFO
#define M(members) "{\"resultType\":\"complete\"," members "\"_meta\":{" INFO "}}"
#define TEXT(t) "{\"type\":\"text\",\"text\":\"" t "\"}"
#define C(blocks) "{\"content\":[" blocks "]}"
#define LINK(uri) "{\"type\":\"resource_link\",\"uri\":\"" uri "\",\"name\":\"n\"}"
#define GONE TEXT("[a link was removed: its URI is not handed on]")
#define ERASED TEXT("[an embedded resource was removed: its URI is not handed on]")
#define EMB(uri, what) "{\"type\":\"resource\",\"resource\":{\"uri\":\"" uri "\"," what "}}"
#define MSG(role, content) "{\"messages\":[{\"role\":\"" role "\",\"content\":" content "}]}"

static struct sp_imgb builder;
static struct sp_image img;
static struct sp_catalog *catalog;

static int
setup(void **state)
{
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	uint32_t dropped;

	if (sp_crypto_init(NULL) != SP_OK)
		return 1;
	ti_make(&builder, &(struct ti_options){ .mcp = 1 }, &img);
	return sp_catalog_new(&img, 1, &catalog) != SP_OK ||
	    sp_json_read(SP_LIT("{\"uri\":\"wiki://a\",\"name\":\"a\"}"), SP_JSON_DEFAULT, &j, &e) != SP_OK ||
	    sp_catalog_add(catalog, SP_COMPONENT_RESOURCE, j.root, &e) != SP_OK ||
	    sp_catalog_seal(catalog, &dropped) != SP_OK || (sp_json_free(&j), 0);
}

static int
teardown(void **state)
{
	sp_catalog_free(&catalog);
	sp_imgb_free(&builder);
	return 0;
}

/* `want` NULL: refused; "=": as it came. */
static const struct {
	const char *name;
	int to, method;
	const char *in, *want;
} results[] = {
	/* tools/call */
	{ "text", OLD, CALL, C(TEXT("a")), "=" },
	{ "text, modern", NEW, CALL, C(TEXT("a")), M("\"content\":[" TEXT("a") "],") },
	{ "nothing", OLD, CALL, C(""), "=" },
	{ "isError", OLD, CALL, "{\"content\":[" TEXT("a") "],\"isError\":true}", "=" },
	{ "parity 61 structured", OLD, CALL, "{\"content\":[],\"structuredContent\":{\"n\":9007199254740993}}", "=" },
	{ "structured list, legacy", OLD, CALL, "{\"content\":[],\"structuredContent\":[1]}", C("") },
	{ "structured list, modern", NEW, CALL, "{\"content\":[],\"structuredContent\":[1]}",
	    M("\"content\":[],\"structuredContent\":[1],") },
	{ "structured alone", OLD, CALL, "{\"structuredContent\":{}}", "{\"content\":[],\"structuredContent\":{}}" },
	{ "the hop's own goes", OLD, CALL, "{\"resultType\":\"complete\",\"content\":[],\"ttlMs\":1,\"cacheScope\":\"public\","
	    "\"requestState\":\"x\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":{\"name\":\"spy\"}}}", C("") },
	{ "the rest of _meta stays", OLD, CALL, "{\"content\":[],\"_meta\":{\"io.modelcontextprotocol/related-task\":{},\"a.b/c\":1}}",
	    "{\"content\":[],\"_meta\":{\"a.b/c\":1}}" },
	{ "the rest of _meta stays, modern", NEW, CALL, "{\"content\":[],\"_meta\":{\"a.b/c\":1}}",
	    "{\"resultType\":\"complete\",\"content\":[],\"_meta\":{" INFO ",\"a.b/c\":1}}" },
	{ "_meta that is none", NEW, CALL, "{\"content\":[],\"_meta\":7}", M("\"content\":[],") },
	{ "further members stay", OLD, CALL, "{\"content\":[],\"com.example\":{\"a\":1e400}}", "=" },
	{ "L13 __proto__ is plain data", OLD, CALL, "{\"content\":[],\"__proto__\":{\"a\":1}}", "=" },
	{ "no object", OLD, CALL, "[]", NULL },
	{ "no content", OLD, CALL, "{}", NULL },
	{ "content is a text", OLD, CALL, "{\"content\":\"a\"}", NULL },
	{ "content null", OLD, CALL, "{\"content\":null}", NULL },
	{ "isError is a text", OLD, CALL, "{\"content\":[],\"isError\":\"no\"}", NULL },
	{ "a block that is a text", OLD, CALL, C("\"a\""), NULL },
	{ "a block without a type", OLD, CALL, C("{\"text\":\"a\"}"), NULL },
	{ "a text that is a number", OLD, CALL, C("{\"type\":\"text\",\"text\":1}"), NULL },
	{ "an image", OLD, CALL, C("{\"type\":\"image\",\"data\":\"AA==\",\"mimeType\":\"image/png\"}"), "=" },
	{ "an image without data", OLD, CALL, C("{\"type\":\"image\",\"mimeType\":\"image/png\"}"), NULL },
	{ "audio without a type", OLD, CALL, C("{\"type\":\"audio\",\"data\":\"AA==\"}"), NULL },
	{ "an unknown block", OLD, CALL, C("{\"type\":\"tool_use\",\"input\":{}}"), C(TEXT("[content of an unknown type was removed]")) },
	{ "annotations of the right type", OLD, CALL, C("{\"type\":\"text\",\"text\":\"a\",\"annotations\":{\"priority\":\"x\","
	    "\"audience\":[\"user\"]}}"), C("{\"type\":\"text\",\"text\":\"a\",\"annotations\":{\"audience\":[\"user\"]}}") },
	{ "unknown resultType", NEW, CALL, "{\"resultType\":\"task\",\"content\":[]}", NULL },
	{ "resultType null", NEW, CALL, "{\"resultType\":null,\"content\":[]}", NULL },
	{ "input_required", NEW, CALL, "{\"resultType\":\"input_required\",\"inputRequests\":{}}", NULL },
	{ "input_required, legacy", OLD, READ, "{\"resultType\":\"input_required\",\"contents\":[]}", NULL },
	/* links */
	{ "O09 https link", OLD, CALL, C(LINK("https://a/b")), "=" },
	{ "O09 a scheme that the server lists", OLD, CALL, C(LINK("wiki://b")), "=" },
	{ "O09 a scheme that it does not list", OLD, CALL, C(LINK("git://b")), C(GONE) },
	{ "O09 javascript:", OLD, CALL, C(LINK("javascript:alert(1)")), C(GONE) },
	{ "O09 JAVASCRIPT:", OLD, CALL, C(LINK("JAVASCRIPT:alert(1)")), C(GONE) },
	{ "O09 a tab within", OLD, CALL, C(LINK("java\\tscript:alert(1)")), C(GONE) },
	{ "O09 a space before", OLD, CALL, C(LINK(" javascript:alert(1)")), C(GONE) },
	{ "O09 data:", OLD, CALL, C(LINK("data:text/html,x")), C(GONE) },
	{ "O09 file:", OLD, CALL, C(LINK("file:///etc/passwd")), C(GONE) },
	{ "O09 ui:", OLD, CALL, C(LINK("ui://x")), C(GONE) },
	{ "O09 relative", OLD, CALL, C(LINK("//169.254.169.254/")), C(GONE) },
	{ "O09 the others stay", NEW, CALL, C(TEXT("a") "," LINK("file:///x") "," LINK("http://a/")),
	    M("\"content\":[" TEXT("a") "," GONE "," LINK("http://a/") "],") },
	{ "a link without a name", OLD, CALL, C("{\"type\":\"resource_link\",\"uri\":\"https://a/\"}"), NULL },
	{ "icons of a link", OLD, CALL, C("{\"type\":\"resource_link\",\"uri\":\"https://a/\",\"name\":\"n\","
	    "\"icons\":[{\"src\":\"javascript:x\"}]}"), C(LINK("https://a/")) },
	{ "embedded", OLD, CALL, C(EMB("wiki://a", "\"text\":\"t\",\"mimeType\":\"text/plain\"")), "=" },
	{ "O09 embedded text becomes text", OLD, CALL, C(EMB("javascript:x", "\"text\":\"t\"")), C(TEXT("t")) },
	{ "O09 an embedded blob goes", OLD, CALL, C(EMB("file:///x", "\"blob\":\"AA==\"")), C(ERASED) },
	{ "embedded without contents", OLD, CALL, C(EMB("wiki://a", "\"mimeType\":\"a/b\"")), NULL },
	{ "embedded with both", OLD, CALL, C(EMB("wiki://a", "\"text\":\"a\",\"blob\":\"AA==\"")), NULL },
	/* prompts/get */
	{ "parity 65 a prompt", OLD, GET, "{\"description\":\"d\",\"messages\":[{\"role\":\"user\",\"content\":" TEXT("a") "}]}", "=" },
	{ "a prompt, modern", NEW, GET, "{\"messages\":[]}", M("\"messages\":[],") },
	{ "O09 a link in a prompt", OLD, GET, MSG("assistant", LINK("file:///x")), MSG("assistant", GONE) },
	{ "a system message", OLD, GET, MSG("system", TEXT("a")), NULL },
	{ "content is a list", OLD, GET, MSG("user", "[" TEXT("a") "]"), NULL },
	{ "no messages", OLD, GET, "{\"description\":\"d\"}", NULL },
	/* resources/read; wiki://asked was asked for */
	{ "parity 62 contents", OLD, READ, "{\"contents\":[{\"uri\":\"wiki://asked\",\"text\":\"t\"}]}", "=" },
	{ "contents, modern", NEW, READ, "{\"contents\":[{\"uri\":\"wiki://asked\",\"blob\":\"AA==\",\"_meta\":{\"a\":1}}],\"ttlMs\":60000,"
	    "\"cacheScope\":\"public\"}", "{\"resultType\":\"complete\",\"contents\":[{\"uri\":\"wiki://asked\",\"blob\":\"AA==\","
	    "\"_meta\":{\"a\":1}}],\"_meta\":{" INFO "},\"ttlMs\":0,\"cacheScope\":\"private\"}" },
	{ "O09 contents under another URI", OLD, READ, "{\"contents\":[{\"uri\":\"wiki://asked\",\"text\":\"t\"},"
	    "{\"uri\":\"javascript:x\",\"text\":\"t\"}]}", "{\"contents\":[{\"uri\":\"wiki://asked\",\"text\":\"t\"}]}" },
	{ "O09 such contents alone", OLD, READ, "{\"contents\":[{\"uri\":\"javascript:x\",\"text\":\"t\"}]}", NULL },
	{ "contents without a URI", OLD, READ, "{\"contents\":[{\"text\":\"t\"}]}", NULL },
	{ "contents without text or blob", OLD, READ, "{\"contents\":[{\"uri\":\"wiki://asked\"}]}", NULL },
	{ "no contents", OLD, READ, "{}", NULL },
	/* completion/complete */
	{ "parity 66 values", OLD, COMP, "{\"completion\":{\"values\":[\"a\",\"b\"],\"total\":2,\"hasMore\":false}}", "=" },
	{ "values, modern", NEW, COMP, "{\"completion\":{\"values\":[],\"x\":1}}", M("\"completion\":{\"values\":[]},") },
	{ "a value that is a number", OLD, COMP, "{\"completion\":{\"values\":[1]}}", NULL },
	{ "no values", OLD, COMP, "{\"completion\":{}}", NULL },
	/* the rest */
	{ "subscribe", OLD, SUB, "{\"_meta\":{\"io.modelcontextprotocol/x\":1}}", "{}" },
	{ "ping", OLD, SP_MCP_PING, "{}", "{}" },
	{ "not asked of upstreams", OLD, SP_MCP_TOOLS_LIST, "{\"tools\":[]}", NULL },
};

static void
test_results(void **state)
{
	for (size_t i = 0; i < SP_COUNT(results); i++) {
		struct sp_hop h = { (enum sp_era)results[i].to, (enum sp_mcp_method)results[i].method, SP_LIT("wiki://asked"), catalog };
		const char *want = results[i].want == NULL || strcmp(results[i].want, "=") != 0 ? results[i].want : results[i].in;
		struct sp_json j = { 0 };
		struct sp_err e = { 0 };
		struct sp_out o;
		enum sp_status st;

		assert_int_equal(sp_json_read(sp_str(results[i].in), SP_JSON_DEFAULT, &j, &e), SP_OK);
		sp_out_heap(&o, 1 << 20);
		st = sp_translate_result(&o, &h, j.root, &e);
		if (st != (want == NULL ? SP_E_UPSTREAM : SP_OK) || (want != NULL && !sp_eq(sp_out_view(&o), sp_str(want))))
			fail_msg("%s: %d %s\n got  %.*s\n want %s", results[i].name, st, e.log, (int)o.n, o.p, want);
		if (want == NULL && (e.pub[0] == '\0' || e.log[0] == '\0'))
			fail_msg("%s: no reason", results[i].name);
		sp_out_free(&o);
		sp_json_free(&j);
	}
}

/* More values than a client may be given; no room. */
static void
test_bounds(void **state)
{
	struct sp_hop h = { SP_ERA_LEGACY, SP_MCP_COMPLETE, { NULL, 0 }, NULL };
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	struct sp_out o, in;
	char small[16];

	sp_out_heap(&in, 65536);
	sp_out_str(&in, "{\"completion\":{\"values\":[\"0\"");
	for (int i = 1; i < 101; i++)
		sp_out_fmt(&in, ",\"%d\"", i);
	sp_out_str(&in, "],\"hasMore\":false}}");
	assert_int_equal(sp_json_read(sp_out_view(&in), SP_JSON_DEFAULT, &j, &e), SP_OK);
	sp_out_heap(&o, 65536);
	assert_int_equal(sp_translate_result(&o, &h, j.root, &e), SP_OK);
	assert_true(sp_ends(sp_out_view(&o), SP_LIT(",\"99\"],\"hasMore\":true}}")));
	sp_out_free(&o);
	sp_out_init(&o, small, sizeof small);
	assert_int_equal(sp_translate_result(&o, &h, j.root, &e), SP_E_TOO_BIG);
	sp_out_free(&in);
	sp_json_free(&j);
}

static const struct {
	const char *name;
	int to, method;
	const char *in, *want;
} errors[] = {
	{ "plain", OLD, CALL, "{\"code\":-32603,\"message\":\"m\",\"data\":[1]}", "=" },
	{ "an application's own", NEW, CALL, "{\"code\":7,\"message\":\"m\"}", "=" },
	{ "invalid params of a tool stay", OLD, CALL, "{\"code\":-32602,\"message\":\"m\",\"data\":{\"uri\":\"a:b\"}}", "=" },
	{ "method not found stays", NEW, COMP, "{\"code\":-32601,\"message\":\"m\"}", "=" },
	{ "no resource, to modern", NEW, READ, "{\"code\":-32002,\"message\":\"m\",\"data\":{\"uri\":\"a:b\"}}",
	    "{\"code\":-32602,\"message\":\"m\",\"data\":{\"uri\":\"a:b\"}}" },
	{ "no resource, to modern, no uri", NEW, READ, "{\"code\":-32002,\"message\":\"m\"}",
	    "{\"code\":-32602,\"message\":\"m\",\"data\":{\"uri\":\"wiki://asked\"}}" },
	{ "no resource, to modern, of a tool", NEW, CALL, "{\"code\":-32002,\"message\":\"m\"}", "{\"code\":-32602,\"message\":\"m\"}" },
	{ "no resource, to legacy", OLD, READ, "{\"code\":-32602,\"message\":\"m\",\"data\":{\"uri\":\"a:b\"}}",
	    "{\"code\":-32002,\"message\":\"m\",\"data\":{\"uri\":\"a:b\"}}" },
	{ "no resource, legacy to legacy", OLD, SUB, "{\"code\":-32002,\"message\":\"m\"}",
	    "{\"code\":-32002,\"message\":\"m\",\"data\":{\"uri\":\"wiki://asked\"}}" },
	{ "invalid params without uri stay", OLD, READ, "{\"code\":-32602,\"message\":\"m\"}", "=" },
	{ "our headers", NEW, CALL, "{\"code\":-32020,\"message\":\"m\",\"data\":{\"a\":1}}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "our capabilities", NEW, CALL, "{\"code\":-32021,\"message\":\"m\"}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "our version", OLD, CALL, "{\"code\":-32022,\"message\":\"m\",\"data\":{\"supported\":[]}}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "URL elicitation", OLD, CALL, "{\"code\":-32042,\"message\":\"m\",\"data\":{\"elicitations\":[{\"url\":\"https://x\"}]}}",
	    "{\"code\":-32603,\"message\":\"m\"}" },
	{ "reserved, the last", OLD, CALL, "{\"code\":-32099,\"message\":\"m\"}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "not reserved any more", OLD, CALL, "{\"code\":-32100,\"message\":\"m\"}", "=" },
	{ "implementation's own", NEW, CALL, "{\"code\":-32001,\"message\":\"m\"}", "=" },
	{ "our JSON", NEW, CALL, "{\"code\":-32700,\"message\":\"m\"}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "our request", NEW, CALL, "{\"code\":-32600,\"message\":\"m\"}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "code is a fraction", OLD, CALL, "{\"code\":1.5,\"message\":\"m\",\"data\":1}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "L06 code of 2^64", OLD, CALL, "{\"code\":18446744073709551616,\"message\":\"m\"}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "code is a text", OLD, CALL, "{\"code\":\"-32601\",\"message\":\"m\"}", "{\"code\":-32603,\"message\":\"m\"}" },
	{ "no message", OLD, CALL, "{\"code\":1}", "{\"code\":1,\"message\":\"the upstream answered with an error\"}" },
	{ "E26 message with ANSI and bidi", OLD, CALL, "{\"code\":1,\"message\":\"a\\u001b[1m\\u202eb\\u0000\"}",
	    "{\"code\":1,\"message\":\"a\xef\xbf\xbd[1m\xef\xbf\xbd""b\xef\xbf\xbd\"}" },
	{ "no object", OLD, CALL, "7", "{\"code\":-32603,\"message\":\"the upstream answered with an error\"}" },
};

static void
test_errors(void **state)
{
	for (size_t i = 0; i < SP_COUNT(errors); i++) {
		struct sp_hop h = { (enum sp_era)errors[i].to, (enum sp_mcp_method)errors[i].method, SP_LIT("wiki://asked"), catalog };
		const char *want = strcmp(errors[i].want, "=") != 0 ? errors[i].want : errors[i].in;
		struct sp_json j = { 0 };
		struct sp_out o;

		assert_int_equal(sp_json_read(sp_str(errors[i].in), SP_JSON_DEFAULT, &j, NULL), SP_OK);
		sp_out_heap(&o, 65536);
		sp_translate_error(&o, &h, j.root);
		if (!sp_eq(sp_out_view(&o), sp_str(want)))
			fail_msg("%s:\n got  %.*s\n want %s", errors[i].name, (int)o.n, o.p, want);
		sp_out_free(&o);
		sp_json_free(&j);
	}
}

static void
test_error_sizes(void **state)
{
	struct sp_hop h = { SP_ERA_LEGACY, SP_MCP_TOOLS_CALL, { NULL, 0 }, NULL };
	struct sp_json j = { 0 };
	struct sp_out in, o;

	sp_out_heap(&in, 1 << 20);
	sp_out_str(&in, "{\"code\":1,\"message\":\"");
	for (int i = 0; i < 5000; i++)
		sp_out_str(&in, "\xc3\xa9");
	sp_out_str(&in, "\",\"data\":\"");
	for (int i = 0; i < 5000; i++)
		sp_out_byte(&in, 'x');
	sp_out_str(&in, "\"}");
	assert_int_equal(sp_json_read(sp_out_view(&in), SP_JSON_DEFAULT, &j, NULL), SP_OK);
	sp_out_heap(&o, 65536);
	sp_translate_error(&o, &h, j.root);
	assert_true(o.n < 1100 && sp_ends(sp_out_view(&o), SP_LIT("\xc3\xa9\"}")));
	sp_translate_error(&o, &h, NULL);
	sp_out_free(&o);
	sp_out_free(&in);
	sp_json_free(&j);
}

enum { PROGRESS = SP_TRANSLATE_PROGRESS, MESSAGE = SP_TRANSLATE_MESSAGE, UPDATED = SP_TRANSLATE_UPDATED };

static const struct {
	const char *name;
	int note;
	const char *in, *want;
	uint32_t level;
} notes[] = {
	{ "progress", PROGRESS, "{\"progressToken\":7,\"progress\":0.50,\"total\":1e2,\"message\":\"m\",\"_meta\":{}}",
	    "{\"progress\":0.50,\"total\":1e2,\"message\":\"m\"}", 0 },
	{ "O16 the token is not handed on", PROGRESS, "{\"progressToken\":\"other\",\"progress\":1}", "{\"progress\":1}", 0 },
	{ "progress is a text", PROGRESS, "{\"progress\":\"1\"}", NULL, 0 },
	{ "no progress", PROGRESS, "{\"total\":1}", NULL, 0 },
	{ "total is a text", PROGRESS, "{\"progress\":1,\"total\":\"2\"}", NULL, 0 },
	{ "E26 progress message", PROGRESS, "{\"progress\":1,\"message\":\"\\u001b\"}", "{\"progress\":1,\"message\":\"\xef\xbf\xbd\"}", 0 },
	{ "message", MESSAGE, "{\"level\":\"warning\",\"logger\":\"l\",\"data\":{\"a\":[1]},\"x\":1}",
	    "{\"level\":\"warning\",\"logger\":\"l\",\"data\":{\"a\":[1]}}", 4 },
	{ "message without data", MESSAGE, "{\"level\":\"warning\"}", NULL, 0 },
	{ "message of an unknown level", MESSAGE, "{\"level\":\"loud\",\"data\":1}", NULL, 0 },
	{ "updated", UPDATED, "{\"uri\":\"wiki://a\",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1},\"title\":\"x\"}",
	    "{\"uri\":\"wiki://a\"}", 0 },
	{ "updated without uri", UPDATED, "{}", NULL, 0 },
	{ "updated, no URI", UPDATED, "{\"uri\":\"a b\"}", NULL, 0 },
	{ "no params", UPDATED, "null", NULL, 0 },
	{ "no such notification", 9, "{\"uri\":\"wiki://a\"}", NULL, 0 },
};

static void
test_notes(void **state)
{
	for (size_t i = 0; i < SP_COUNT(notes); i++) {
		struct sp_json j = { 0 };
		struct sp_err e = { 0 };
		uint32_t level = 99;
		struct sp_out o;
		enum sp_status st;

		assert_int_equal(sp_json_read(sp_str(notes[i].in), SP_JSON_DEFAULT, &j, NULL), SP_OK);
		sp_out_heap(&o, 65536);
		st = sp_translate_note(&o, (enum sp_translate_note)notes[i].note, j.root, &level, &e);
		if (st != (notes[i].want == NULL ? SP_E_UPSTREAM : SP_OK) ||
		    (notes[i].want != NULL && (!sp_eq(sp_out_view(&o), sp_str(notes[i].want)) || level != notes[i].level)))
			fail_msg("%s: %d level %u %.*s", notes[i].name, st, level, (int)o.n, o.p);
		sp_out_free(&o);
		sp_json_free(&j);
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_results), cmocka_unit_test(test_bounds), cmocka_unit_test(test_errors),
		cmocka_unit_test(test_error_sizes), cmocka_unit_test(test_notes),
	};

	return cmocka_run_group_tests(t, setup, teardown);
}
