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
#define META_WITH(more) "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{}," more "}"
#define R(m, p) "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" m "\",\"params\":{" p "}}"
#define N(m) "{\"jsonrpc\":\"2.0\",\"method\":\"" m "\"}"
#define NP(m, p) "{\"jsonrpc\":\"2.0\",\"method\":\"" m "\",\"params\":{" p "}}"
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
	{ "resources/read", V ME("resources/read") NA("x:y"), R("resources/read", "\"uri\":\"x:y\"," META), SP_OK,
	    SP_MCP_RESOURCES_READ },
	{ "resources/read in base64", V ME("resources/read") NA("=?base64?eDp5?="),
	    R("resources/read", "\"uri\":\"x:y\"," META), SP_OK, SP_MCP_RESOURCES_READ },
	{ "E14 resources/read, header differs", V ME("resources/read") NA("x:z"),
	    R("resources/read", "\"uri\":\"x:y\"," META), SP_E_HEADER_MISMATCH, 0 },
	{ "E17 resources/read, no name", V ME("resources/read"), R("resources/read", "\"uri\":\"x:y\"," META),
	    SP_E_HEADER_MISMATCH, 0 },
	{ "E17 resources/read, bad base64", V ME("resources/read") NA("=?base64?!!?="),
	    R("resources/read", "\"uri\":\"x:y\"," META), SP_E_HEADER_MISMATCH, 0 },
	{ "prompts/get", V ME("prompts/get") NA("p"), R("prompts/get", "\"name\":\"p\"," META), SP_OK, SP_MCP_PROMPTS_GET },
	{ "E17 prompts/get, header differs", V ME("prompts/get") NA("q"), R("prompts/get", "\"name\":\"p\"," META),
	    SP_E_HEADER_MISMATCH, 0 },
	{ "E17 prompts/get, twice", V ME("prompts/get") NA("p") NA("p"), R("prompts/get", "\"name\":\"p\"," META),
	    SP_E_HEADER_MISMATCH, 0 },
	{ "prompts/get, texts", V ME("prompts/get") NA("p"), R("prompts/get", "\"arguments\":{\"a\":\"b\"},\"name\":\"p\"," META),
	    SP_OK, SP_MCP_PROMPTS_GET },
	{ "prompts/get, a number", V ME("prompts/get") NA("p"), R("prompts/get", "\"arguments\":{\"a\":1},\"name\":\"p\"," META),
	    SP_E_BAD_PARAMS, 0 },
	{ "resources/list", V ME("resources/list"), R("resources/list", "\"cursor\":\"\"," META), SP_OK, SP_MCP_RESOURCES_LIST },
	{ "resources/list, cursor null", V ME("resources/list"), R("resources/list", "\"cursor\":null," META), SP_E_BAD_PARAMS, 0 },
	{ "resources/templates/list", V ME("resources/templates/list"), R("resources/templates/list", META), SP_OK,
	    SP_MCP_TEMPLATES_LIST },
	{ "prompts/list", V ME("prompts/list"), R("prompts/list", META), SP_OK, SP_MCP_PROMPTS_LIST },
	{ "parity 66 completion of a prompt", V ME("completion/complete"),
	    R("completion/complete", "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"p\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}," META),
	    SP_OK, SP_MCP_COMPLETE },
	{ "completion of a template", V ME("completion/complete"), R("completion/complete", "\"ref\":{\"type\":\"ref/resource\","
	    "\"uri\":\"x:{y}\"},\"argument\":{\"name\":\"a\",\"value\":\"\"},\"context\":{\"arguments\":{\"b\":\"c\"}}," META),
	    SP_OK, SP_MCP_COMPLETE },
	{ "completion of a tool", V ME("completion/complete"),
	    R("completion/complete", "\"ref\":{\"type\":\"ref/tool\",\"name\":\"p\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}," META),
	    SP_E_BAD_PARAMS, 0 },
	{ "completion, ref without a name", V ME("completion/complete"),
	    R("completion/complete", "\"ref\":{\"type\":\"ref/prompt\",\"uri\":\"p\"},\"argument\":{\"name\":\"a\",\"value\":\"\"}," META),
	    SP_E_BAD_PARAMS, 0 },
	{ "completion without argument", V ME("completion/complete"),
	    R("completion/complete", "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"p\"}," META), SP_E_BAD_PARAMS, 0 },
	{ "completion, context of numbers", V ME("completion/complete"),
	    R("completion/complete", "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"p\"},\"argument\":{\"name\":\"a\",\"value\":\"\"},"
	    "\"context\":{\"arguments\":{\"b\":1}}," META), SP_E_BAD_PARAMS, 0 },
	{ "logging/setLevel in the modern era", V ME("logging/setLevel"), R("logging/setLevel", "\"level\":\"info\"," META),
	    SP_E_NO_METHOD_404, 0 },
	{ "resources/subscribe in the modern era", V ME("resources/subscribe"), R("resources/subscribe", "\"uri\":\"x:y\"," META),
	    SP_E_NO_METHOD_404, 0 },
	{ "resources/unsubscribe in the modern era", V ME("resources/unsubscribe"),
	    R("resources/unsubscribe", "\"uri\":\"x:y\"," META), SP_E_NO_METHOD_404, 0 },
	{ "tasks/get", V ME("tasks/get"), R("tasks/get", META), SP_E_NO_METHOD_404, 0 },
	{ "listen", V ME("subscriptions/listen"), R("subscriptions/listen", "\"notifications\":{\"toolsListChanged\":true,"
	    "\"promptsListChanged\":false,\"resourceSubscriptions\":[\"x:y\"]}," META), SP_OK, SP_MCP_LISTEN },
	{ "listen to nothing", V ME("subscriptions/listen"), R("subscriptions/listen", "\"notifications\":{}," META), SP_OK,
	    SP_MCP_LISTEN },
	{ "listen without a wish", V ME("subscriptions/listen"), R("subscriptions/listen", META), SP_E_BAD_PARAMS, 0 },
	{ "listen, a wish of another type", V ME("subscriptions/listen"),
	    R("subscriptions/listen", "\"notifications\":{\"toolsListChanged\":1}," META), SP_E_BAD_PARAMS, 0 },
	{ "listen, URIs of another type", V ME("subscriptions/listen"),
	    R("subscriptions/listen", "\"notifications\":{\"resourceSubscriptions\":[1]}," META), SP_E_BAD_PARAMS, 0 },
	{ "listen, URIs are an object", V ME("subscriptions/listen"),
	    R("subscriptions/listen", "\"notifications\":{\"resourceSubscriptions\":{}}," META), SP_E_BAD_PARAMS, 0 },
	{ "progress token text", V ME("tools/list"), R("tools/list", META_WITH("\"progressToken\":\"t\"")), SP_OK, SP_MCP_TOOLS_LIST },
	{ "progress token fraction", V ME("tools/list"), R("tools/list", META_WITH("\"progressToken\":1.5")), SP_E_BAD_PARAMS, 0 },
	{ "progress token null", V ME("tools/list"), R("tools/list", META_WITH("\"progressToken\":null")), SP_E_BAD_PARAMS, 0 },
	{ "log level", V ME("tools/list"), R("tools/list", META_WITH("\"io.modelcontextprotocol/logLevel\":\"alert\"")), SP_OK,
	    SP_MCP_TOOLS_LIST },
	{ "log level unknown", V ME("tools/list"), R("tools/list", META_WITH("\"io.modelcontextprotocol/logLevel\":\"loud\"")),
	    SP_E_BAD_PARAMS, 0 },
	{ "answers to questions nobody asked", V ME("tools/call") NA("dns_list"),
	    R("tools/call", "\"inputResponses\":{\"a\":{}},\"requestState\":\"x\"," CALL_OK), SP_OK, SP_MCP_TOOLS_CALL },
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
	{ "legacy listen", L, R("subscriptions/listen", "\"notifications\":{}"), SP_E_NO_METHOD, 0 },
	{ "E14 legacy unknown", L, R("resources/delete", "\"uri\":\"x:y\""), SP_E_NO_METHOD, 0 },
	{ "legacy tasks", L, R("tasks/list", ""), SP_E_NO_METHOD, 0 },
	{ "setLevel", L, R("logging/setLevel", "\"level\":\"debug\""), SP_OK, SP_MCP_SET_LEVEL },
	{ "setLevel, unknown", L, R("logging/setLevel", "\"level\":\"Debug\""), SP_E_BAD_PARAMS, 0 },
	{ "setLevel, none", L, R("logging/setLevel", ""), SP_E_BAD_PARAMS, 0 },
	{ "legacy resources/read", L, R("resources/read", "\"uri\":\"x:y\""), SP_OK, SP_MCP_RESOURCES_READ },
	{ "legacy resources/read without uri", L, R("resources/read", ""), SP_E_BAD_PARAMS, 0 },
	{ "legacy resources/read, empty uri", L, R("resources/read", "\"uri\":\"\""), SP_E_BAD_PARAMS, 0 },
	{ "subscribe", L, R("resources/subscribe", "\"uri\":\"x:y\""), SP_OK, SP_MCP_SUBSCRIBE },
	{ "unsubscribe", L, R("resources/unsubscribe", "\"uri\":\"x:y\""), SP_OK, SP_MCP_UNSUBSCRIBE },
	{ "legacy lists", L, R("resources/templates/list", ""), SP_OK, SP_MCP_TEMPLATES_LIST },
	{ "legacy prompts/get", L, R("prompts/get", "\"name\":\"p\""), SP_OK, SP_MCP_PROMPTS_GET },
	{ "E14 legacy completion without ref", L, R("completion/complete", ""), SP_E_BAD_PARAMS, 0 },
	{ "legacy log level in _meta is nothing", L,
	    R("tools/list", "\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"loud\"}"), SP_OK, SP_MCP_TOOLS_LIST },
	{ "legacy _meta is a list", L, R("tools/list", "\"_meta\":[]"), SP_E_BAD_PARAMS, 0 },
	{ "legacy progress token object", L, R("tools/list", "\"_meta\":{\"progressToken\":{}}"), SP_E_BAD_PARAMS, 0 },
	{ "initialize, capabilities are a list", L, R("initialize", "\"protocolVersion\":\"2025-11-25\",\"capabilities\":[]"),
	    SP_E_BAD_PARAMS, 0 },
	{ "cancelled", L, NP("notifications/cancelled", "\"requestId\":7"), SP_OK, SP_MCP_CANCELLED },
	{ "O16 cancelled, text", L, NP("notifications/cancelled", "\"requestId\":\"7\",\"reason\":\"x\""), SP_OK, SP_MCP_CANCELLED },
	{ "O16 cancelled without an id", L, N("notifications/cancelled"), SP_OK, SP_MCP_NONE },
	{ "O16 cancelled, fraction", L, NP("notifications/cancelled", "\"requestId\":7.5"), SP_OK, SP_MCP_NONE },
	{ "O16 cancelled, null", L, NP("notifications/cancelled", "\"requestId\":null"), SP_OK, SP_MCP_NONE },
	{ "O16 cancelled as a request", L, R("notifications/cancelled", "\"requestId\":7"), SP_E_NO_METHOD, 0 },
	{ "O16 cancelled in the modern era", V, NP("notifications/cancelled", "\"requestId\":7"), SP_OK, SP_MCP_NONE },
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
		static struct sp_http1 http;
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

/* What an ask holds, read back from one message. */
static void
judge(struct sp_arena *a, const char *head, const char *body, struct sp_mcp_ask *ask)
{
	static struct sp_http1 http;
	static char text[2048];
	struct sp_rpc m = { 0 };
	struct sp_err e = { 0 };
	sp_jval *root;
	sp_slice in;

	snprintf(text, sizeof text, "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n%s\r\n", head);
	in = sp_str(text);
	sp_http_init(&http, SP_HTTP_REQUEST, (struct sp_http_limits){ 4096, 4096 });
	assert_int_equal(sp_http_read(&http, &in), SP_HTTP_HEAD);
	assert_int_equal(sp_json_read_arena(a, sp_str(body), SP_JSON_DEFAULT, &root, &e), SP_OK);
	assert_int_equal(sp_rpc_read(a, root, &m, &e), SP_OK);
	if (sp_mcp_judge(a, &http.head, &m, ask, &e) != SP_OK)
		fail_msg("%s: %s", body, e.log);
}

static void
test_asks(void **state)
{
	struct sp_mcp_ask ask;
	struct sp_arena a;

	sp_arena_init(&a, 65536);
	judge(&a, V ME("tools/call") NA("t"), R("tools/call", "\"name\":\"t\",\"arguments\":{\"x\":1},\"_meta\":{"
	    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/logLevel\":\"notice\","
	    "\"io.modelcontextprotocol/clientCapabilities\":{\"sampling\":{},\"elicitation\":{\"url\":{}},\"roots\":1},"
	    "\"progressToken\":\"a\\u001fb\"}"), &ask);
	assert_int_equal(ask.log_level, 3);
	assert_int_equal(ask.client_caps, SP_CLIENT_SAMPLING | SP_CLIENT_ELICITATION);
	assert_true(sp_eq(ask.progress, SP_LIT("\"a\\u001fb\"")));
	assert_true(sp_eq(ask.name, SP_LIT("t")) && sp_jis_obj(ask.args) && SP_JGET(ask.params, "name") != NULL);
	judge(&a, L, R("initialize", "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"roots\":{\"listChanged\":true}}"), &ask);
	assert_int_equal(ask.client_caps, SP_CLIENT_ROOTS);
	assert_true(sp_eq(ask.version, SP_LIT("2025-06-18")));
	judge(&a, L, NP("notifications/cancelled", "\"requestId\":\"7\""), &ask);
	assert_true(sp_eq(ask.cancel_id, SP_LIT("\"7\"")));
	judge(&a, L, R("tools/call", "\"name\":\"t\",\"_meta\":{\"progressToken\":-7}"), &ask);
	assert_true(sp_eq(ask.progress, SP_LIT("-7")) && ask.args == NULL && ask.log_level == 0);
	judge(&a, L, R("logging/setLevel", "\"level\":\"emergency\""), &ask);
	assert_int_equal(ask.log_level, 8);
	judge(&a, V ME("completion/complete"), R("completion/complete", "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"x:{y}\"},"
	    "\"argument\":{\"name\":\"a\",\"value\":\"\"}," META), &ask);
	assert_true(ask.ref_template && sp_eq(ask.name, SP_LIT("x:{y}")));
	judge(&a, V ME("subscriptions/listen"), R("subscriptions/listen", "\"notifications\":{\"resourcesListChanged\":true,"
	    "\"toolsListChanged\":false,\"resourceSubscriptions\":[\"x:y\"]}," META), &ask);
	assert_true(ask.listen_resources && !ask.listen_tools && !ask.listen_prompts && sp_jis_arr(ask.listen_uris));
	judge(&a, L, R("resources/list", "\"cursor\":\"c\""), &ask);
	assert_true(ask.has_cursor && sp_eq(ask.cursor, SP_LIT("c")));
	assert_int_equal(sp_mcp_level(SP_LIT("warn")), 0);
	assert_true(sp_eq(sp_mcp_level_name(4), SP_LIT("warning")));
	assert_int_equal(sp_mcp_level_name(0).n + sp_mcp_level_name(9).n, 0);
	sp_arena_free(&a);
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

/* Without headers the era is what _meta says; tasks and more capabilities are for a server of its own only. */
static void
test_own(void **state)
{
	static const struct {
		const char *name, *body;
		enum sp_status st;
		enum sp_mcp_method method;
		enum sp_era era;
		uint32_t caps;
	} rows[] = {
		{ "modern", R("tools/list", META), SP_OK, SP_MCP_TOOLS_LIST, SP_ERA_MODERN, 0 },
		{ "legacy", R("tools/list", ""), SP_OK, SP_MCP_TOOLS_LIST, SP_ERA_LEGACY, 0 },
		{ "a method of the other era", R("ping", META), SP_E_NO_METHOD_404, SP_MCP_NONE, SP_ERA_MODERN, 0 },
		{ "an unknown version", R("tools/list", META_V("v999")), SP_E_VERSION, SP_MCP_NONE, SP_ERA_MODERN, 0 },
		{ "modern cancellation", NP("notifications/cancelled", "\"requestId\":1," META), SP_OK, SP_MCP_CANCELLED,
		    SP_ERA_MODERN, 0 },
		{ "a task", R("tasks/get", "\"taskId\":\"a\"," META), SP_OK, SP_MCP_TASKS_GET, SP_ERA_MODERN, 0 },
		{ "a task without id", R("tasks/cancel", META), SP_E_BAD_PARAMS, SP_MCP_NONE, SP_ERA_MODERN, 0 },
		{ "tasks of the legacy era", R("tasks/get", "\"taskId\":\"a\""), SP_E_NO_METHOD, SP_MCP_NONE, SP_ERA_LEGACY, 0 },
		{ "the tasks extension", R("tools/list", "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
		    "\"io.modelcontextprotocol/clientCapabilities\":{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}}"),
		    SP_OK, SP_MCP_TOOLS_LIST, SP_ERA_MODERN, SP_CLIENT_TASKS },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_arena a;
		struct sp_mcp_ask ask;
		struct sp_rpc m;
		struct sp_err e;
		sp_jval *root;

		sp_arena_init(&a, 1 << 20);
		assert_int_equal(sp_json_read_arena(&a, sp_str(rows[i].body), SP_JSON_DEFAULT, &root, &e), SP_OK);
		assert_int_equal(sp_rpc_read(&a, root, &m, &e), SP_OK);
		if (sp_mcp_judge_own(&a, NULL, &m, &ask, &e) != rows[i].st || ask.method != rows[i].method ||
		    ask.era != rows[i].era || ask.client_caps != rows[i].caps)
			fail_msg("%s: %s", rows[i].name, e.log);
		sp_arena_free(&a);
	}
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
		cmocka_unit_test(test_cases), cmocka_unit_test(test_asks), cmocka_unit_test(test_version_data),
		cmocka_unit_test(test_own), cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
