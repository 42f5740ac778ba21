#include "mcp/era.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define V "MCP-Protocol-Version: 2026-07-28\r\n"
#define L "MCP-Protocol-Version: 2025-11-25\r\n"
#define ME(m) "Mcp-Method: " m "\r\n"
#define NA(n) "Mcp-Name: " n "\r\n"
#define META_V(v) "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"" v "\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define META META_V("2026-07-28")
#define R(m, p) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" m "\",\"params\":{" p "}}"
#define N(m) "{\"jsonrpc\":\"2.0\",\"method\":\"" m "\"}"
#define CALL_OK "\"name\":\"dns_list\"," META

static const struct {
	const char *name, *head, *body;
	enum sp_status st;
	enum sp_mcp_method method;
} cases[] = {
	/* modern */
	{ "discover", V ME("server/discover"), R("server/discover", META), SP_OK, SP_MCP_DISCOVER },
	{ "list", V ME("tools/list"), R("tools/list", META), SP_OK, SP_MCP_TOOLS_LIST },
	{ "call", V ME("tools/call") NA("dns_list"), R("tools/call", CALL_OK), SP_OK, SP_MCP_TOOLS_CALL },
	{ "call with arguments", V ME("tools/call") NA("dns_list"), R("tools/call", "\"arguments\":{\"a\":1}," CALL_OK),
	    SP_OK, SP_MCP_TOOLS_CALL },
	{ "header white space is trimmed", "MCP-Protocol-Version:  2026-07-28 \t\r\n" ME(" tools/list "),
	    R("tools/list", META), SP_OK, SP_MCP_TOOLS_LIST },
	{ "header names have no case", "mcp-PROTOCOL-version: 2026-07-28\r\nMCP-METHOD: tools/list\r\n",
	    R("tools/list", META), SP_OK, SP_MCP_TOOLS_LIST },
	{ "name in base64", V ME("tools/call") NA("=?base64?ZG5zX2xpc3Q=?="), R("tools/call", CALL_OK), SP_OK,
	    SP_MCP_TOOLS_CALL },
	{ "name with only the prefix is literal", V ME("tools/call") NA("=?base64?x"),
	    R("tools/call", "\"name\":\"=?base64?x\"," META), SP_OK, SP_MCP_TOOLS_CALL },
	{ "name with only the suffix is literal", V ME("tools/call") NA("x?="),
	    R("tools/call", "\"name\":\"x?=\"," META), SP_OK, SP_MCP_TOOLS_CALL },
	{ "prefix and suffix that overlap are literal", V ME("tools/call") NA("=?base64?="),
	    R("tools/call", "\"name\":\"=?base64?=\"," META), SP_OK, SP_MCP_TOOLS_CALL },
	{ "meta: none, header says modern", V ME("server/discover"), R("server/discover", ""), SP_E_META, 0 },
	{ "meta: no version", V ME("server/discover"),
	    R("server/discover", "\"_meta\":{\"io.modelcontextprotocol/clientCapabilities\":{}}"), SP_E_META, 0 },
	{ "meta: no capabilities", V ME("server/discover"),
	    R("server/discover", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}"), SP_E_META, 0 },
	{ "meta: capabilities null", V ME("server/discover"),
	    R("server/discover", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
	    "\"io.modelcontextprotocol/clientCapabilities\":null}"), SP_E_META, 0 },
	{ "meta: version number", V ME("server/discover"),
	    R("server/discover", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":2026,"
	    "\"io.modelcontextprotocol/clientCapabilities\":{}}"), SP_E_META, 0 },
	{ "E17 method differs", V ME("tools/list") NA("dns_list"), R("tools/call", CALL_OK), SP_E_HEADER_MISMATCH, 0 },
	{ "E17 method missing", V NA("dns_list"), R("tools/call", CALL_OK), SP_E_HEADER_MISMATCH, 0 },
	{ "E17 method twice", V ME("tools/call") ME("tools/call") NA("dns_list"), R("tools/call", CALL_OK),
	    SP_E_HEADER_MISMATCH, 0 },
	{ "E17 method in upper case", V ME("TOOLS/LIST"), R("tools/list", META), SP_E_HEADER_MISMATCH, 0 },
	{ "E17 name differs", V ME("tools/call") NA("dns_drop"), R("tools/call", CALL_OK), SP_E_HEADER_MISMATCH, 0 },
	{ "E17 name missing", V ME("tools/call"), R("tools/call", CALL_OK), SP_E_HEADER_MISMATCH, 0 },
	{ "E17 name twice", V ME("tools/call") NA("dns_list") NA("dns_list"), R("tools/call", CALL_OK),
	    SP_E_HEADER_MISMATCH, 0 },
	{ "E17 bad base64", V ME("tools/call") NA("=?base64?!!?="), R("tools/call", CALL_OK), SP_E_HEADER_MISMATCH, 0 },
	{ "E17 base64 without padding", V ME("tools/call") NA("=?base64?ZG5zX2xpc3Q?="), R("tools/call", CALL_OK),
	    SP_E_HEADER_MISMATCH, 0 },
	{ "E17 name in raw bytes", V ME("tools/call") NA("\xd1\x8f"), R("tools/call", "\"name\":\"\xd1\x8f\"," META),
	    SP_E_HEADER_MISMATCH, 0 },
	{ "E19 header modern, meta older", V ME("tools/list"), R("tools/list", META_V("2025-11-25")), SP_E_HEADER_MISMATCH, 0 },
	{ "E19 header older, meta modern", L ME("tools/list"), R("tools/list", META), SP_E_HEADER_MISMATCH, 0 },
	{ "E19 no header, meta modern", ME("tools/list"), R("tools/list", META), SP_E_HEADER_MISMATCH, 0 },
	{ "E19 header modern, meta unknown", V ME("tools/list"), R("tools/list", META_V("v999.0.0")), SP_E_HEADER_MISMATCH, 0 },
	{ "E19 both unknown", "MCP-Protocol-Version: v999.0.0\r\n" ME("tools/list"), R("tools/list", META_V("v999.0.0")),
	    SP_E_VERSION, 0 },
	{ "E19 both older, in the new form", L ME("tools/list"), R("tools/list", META_V("2025-11-25")), SP_E_VERSION, 0 },
	{ "E19 version header twice", V V ME("tools/list"), R("tools/list", META), SP_E_HEADER_MISMATCH, 0 },
	{ "E19 two versions", V L ME("tools/list"), R("tools/list", META), SP_E_HEADER_MISMATCH, 0 },
	{ "initialize in the modern era", V ME("initialize"), R("initialize", META), SP_E_NO_METHOD_404, 0 },
	{ "ping in the modern era", V ME("ping"), R("ping", META), SP_E_NO_METHOD_404, 0 },
	{ "unknown method", V ME("unknown/method"), R("unknown/method", META), SP_E_NO_METHOD_404, 0 },
	{ "E14 resources/read", V ME("resources/read") NA("x:y"), R("resources/read", "\"uri\":\"x:y\"," META),
	    SP_E_NO_METHOD_404, 0 },
	{ "E14 resources/read, header differs", V ME("resources/read") NA("x:z"),
	    R("resources/read", "\"uri\":\"x:y\"," META), SP_E_HEADER_MISMATCH, 0 },
	{ "E14 prompts/get", V ME("prompts/get") NA("p"), R("prompts/get", "\"name\":\"p\"," META), SP_E_NO_METHOD_404, 0 },
	{ "name is no text", V ME("tools/call") NA("1"), R("tools/call", "\"name\":1," META), SP_E_HEADER_MISMATCH, 0 },
	{ "arguments are a list", V ME("tools/call") NA("dns_list"), R("tools/call", "\"arguments\":[]," CALL_OK),
	    SP_E_BAD_PARAMS, 0 },
	{ "cursor number", V ME("tools/list"), R("tools/list", "\"cursor\":1," META), SP_E_BAD_PARAMS, 0 },
	{ "modern notification", V, N("notifications/cancelled"), SP_OK, SP_MCP_NONE },
	{ "E16 modern call without id", V ME("tools/call") NA("dns_list"),
	    "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{" CALL_OK "}}", SP_OK, SP_MCP_NONE },
	{ "response in the modern era", V, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", SP_E_BAD_RPC, 0 },
	/* legacy */
	{ "initialize", "", R("initialize", "\"protocolVersion\":\"2025-11-25\""), SP_OK, SP_MCP_INITIALIZE },
	{ "initialize with header", L, R("initialize", "\"protocolVersion\":\"2025-11-25\""), SP_OK, SP_MCP_INITIALIZE },
	{ "initialize for a version to come", "", R("initialize", "\"protocolVersion\":\"2026-07-28\""), SP_OK,
	    SP_MCP_INITIALIZE },
	{ "initialize without version", "", R("initialize", ""), SP_E_BAD_PARAMS, 0 },
	{ "initialize, version number", "", R("initialize", "\"protocolVersion\":1"), SP_E_BAD_PARAMS, 0 },
	{ "legacy ping", L, R("ping", ""), SP_OK, SP_MCP_PING },
	{ "legacy ping without params", L, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", SP_OK, SP_MCP_PING },
	{ "legacy list", "MCP-Protocol-Version: 2025-06-18\r\n", R("tools/list", ""), SP_OK, SP_MCP_TOOLS_LIST },
	{ "no header is an old client", "", R("tools/list", ""), SP_OK, SP_MCP_TOOLS_LIST },
	{ "legacy call", L, R("tools/call", "\"name\":\"x\""), SP_OK, SP_MCP_TOOLS_CALL },
	{ "legacy call with progress token", L, R("tools/call", "\"name\":\"x\",\"_meta\":{\"progressToken\":1}"), SP_OK,
	    SP_MCP_TOOLS_CALL },
	{ "legacy headers of the new kind are ignored", L ME("tools/list"), R("tools/call", "\"name\":\"x\""), SP_OK,
	    SP_MCP_TOOLS_CALL },
	{ "legacy call without name", L, R("tools/call", ""), SP_E_BAD_PARAMS, 0 },
	{ "legacy discover", L, R("server/discover", ""), SP_E_NO_METHOD, 0 },
	{ "legacy unknown", L, R("logging/setLevel", ""), SP_E_NO_METHOD, 0 },
	{ "E14 legacy resources/read", L, R("resources/read", "\"uri\":\"x\""), SP_E_NO_METHOD, 0 },
	{ "E14 legacy completion", L, R("completion/complete", ""), SP_E_NO_METHOD, 0 },
	{ "legacy method in upper case", L, R("Tools/call", "\"name\":\"x\""), SP_E_NO_METHOD, 0 },
	{ "unsupported header", "MCP-Protocol-Version: 2024-11-05\r\n", R("tools/list", ""), SP_E_VERSION, 0 },
	{ "unknown header", "MCP-Protocol-Version: 1\r\n", R("tools/list", ""), SP_E_VERSION, 0 },
	{ "empty header", "MCP-Protocol-Version:\r\n", R("tools/list", ""), SP_E_VERSION, 0 },
	{ "unknown header, notification", "MCP-Protocol-Version: 1\r\n", N("notifications/initialized"), SP_E_VERSION, 0 },
	{ "legacy notification", L, N("notifications/initialized"), SP_OK, SP_MCP_NONE },
	{ "E16 call without id", L, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"x\"}}", SP_OK,
	    SP_MCP_NONE },
	{ "L09 response", L, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", SP_OK, SP_MCP_NONE },
};

static void
test_cases(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		static struct sp_http http;
		char text[2048];
		sp_slice in;
		struct sp_arena a;
		struct sp_rpc m = { 0 };
		struct sp_mcp_ask ask;
		struct sp_err e = { 0 };
		sp_jval *root;
		enum sp_status st;

		snprintf(text, sizeof text, "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n%s\r\n", cases[i].head);
		in = sp_str(text);
		sp_http_init(&http, SP_HTTP_REQUEST, (struct sp_http_limits){ 4096, 4096 });
		if (sp_http_read(&http, &in) != SP_HTTP_HEAD)
			fail_msg("%s: head: %s", cases[i].name, http.why);
		sp_arena_init(&a, 65536);
		assert_int_equal(sp_json_read_arena(&a, sp_str(cases[i].body), SP_JSON_DEFAULT, &root, &e), SP_OK);
		assert_int_equal(sp_rpc_read(&a, root, &m, &e), SP_OK);
		st = sp_mcp_judge(&a, &http.head, &m, &ask, &e);
		if (st != cases[i].st || ask.method != cases[i].method)
			fail_msg("%s: status %s method %d", cases[i].name, sp_errinfo(st)->name, ask.method);
		sp_arena_free(&a);
	}
}

static void
test_version_data(void **state)
{
	char buf[256], want[64];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_mcp_version_data(&o, SP_LIT("v\"9"));
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("{\"supported\":[\"2026-07-28\"],\"requested\":\"v\\\"9\"}")));
	sp_out_init(&o, want, sizeof want);
}

static void
test_values(void **state)
{
	static const struct { const char *name, *in; bool ok; const char *out; } rows[] = {
		{ "plain", "abc", true, "abc" },
		{ "empty", "", true, "" },
		{ "inner space", "a b", true, "a b" },
		{ "text in base64", "=?base64?SGVsbG8sIOS4lueVjA==?=", true, "Hello, \xe4\xb8\x96\xe7\x95\x8c" },
		{ "padded text", "=?base64?IHBhZGRlZCA=?=", true, " padded " },
		{ "marker in base64", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", true, "=?base64?literal?=" },
		{ "empty base64", "=?base64?" "?=", true, "" },
		{ "no padding", "=?base64?SGVsbG8?=", false, "" },
		{ "foreign alphabet", "=?base64?SGVs!!!bG8=?=", false, "" },
		{ "marker in upper case", "=?BASE64?SGVsbG8=?=", true, "=?BASE64?SGVsbG8=?=" },
		{ "DEL", "a\x7f", false, "" },
		{ "high byte", "\x80", false, "" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_arena a;
		sp_slice out = { NULL, 0 };

		sp_arena_init(&a, 4096);
		if (sp_mcp_value(&a, sp_str(rows[i].in), &out) != rows[i].ok ||
		    (rows[i].ok && !sp_eq(out, sp_str(rows[i].out))))
			fail_msg("%s: %.*s", rows[i].name, SP_PRI(out));
		sp_arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_version_data), cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
