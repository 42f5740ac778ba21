/* Requests as clients and attackers send them, answered by a whole front. */
#include "front/testworld.h"

#define HOST "Host: localhost:8420\r\n"
#define PING TW_RPC("ping", "")
#define GETM(path, host) "GET " path " HTTP/1.1\r\nHost: " host "\r\n\r\n"
#define PRM "/.well-known/oauth-protected-resource"
#define CHALLENGE "WWW-Authenticate: Bearer resource_metadata=\"http://localhost:8420/.well-known/oauth-protected-resource/mcp\"\r\n"

#define CHALLENGE_ALONE "WWW-Authenticate: Bearer resource_metadata=\"http://localhost:8420/.well-known/oauth-protected-resource/alone\"\r\n"

struct row {
	const char *name;
	const char *request;		/* whole, or NULL: lines and body of a POST */
	const char *lines, *body;
	unsigned status;
	const char *has, *hasnot;
};

static void
check(struct world *w, const struct row *r)
{
	char line[32];
	bool closed;
	sp_slice got = tw_ask(w, r->request != NULL ? r->request : tw_post(r->lines, r->body), &closed);

	snprintf(line, sizeof line, "HTTP/1.1 %u ", r->status);
	if (!sp_starts(got, sp_str(line)) || (r->has != NULL && !tw_has(got, r->has)) ||
	    (r->hasnot != NULL && tw_has(got, r->hasnot)))
		fail_msg("%s:\n%.*s", r->name, (int)got.n, got.p);
	if (!tw_has(got, "\r\nX-Content-Type-Options: nosniff\r\n") || !tw_has(got, "\r\nCache-Control: ") || tw_has(got, "\r\nServer:"))
		fail_msg("%s: headers:\n%.*s", r->name, (int)got.n, got.p);
	/* No secret and no token ever comes back. */
	if (tw_has(got, TW_READER) || tw_has(got, TW_ADMIN))
		fail_msg("%s: a token was reflected", r->name);
}

static void
run(const struct ti_options *o, const struct row *rows, size_t n)
{
	static struct world w;

	tw_open(&w, o);
	for (size_t i = 0; i < n; i++)
		check(&w, &rows[i]);
	tw_close(&w);
}

static const struct row gate[] = {
	{ "D01 no Authorization", NULL, TW_LEGACY, PING, 401, CHALLENGE, "error=" },
	{ "D02 token in the query", "POST /mcp?access_token=" TW_READER " HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", NULL, NULL,
	    401, CHALLENGE, "error=" },
	{ "D03 header and query", "POST /mcp?access_token=x HTTP/1.1\r\n" HOST TW_AS(TW_READER) "Content-Length: 0\r\n\r\n", NULL,
	    NULL, 400, "error=\"invalid_request\"", NULL },
	{ "D04 two headers", NULL, TW_AS(TW_READER) TW_AS(TW_READER), PING, 400, "error=\"invalid_request\"", NULL },
	{ "D04 comma list", NULL, "Authorization: Bearer a, Bearer b\r\n", PING, 400, "error=\"invalid_request\"", NULL },
	{ "D05 scheme in lower case", NULL, "Authorization: bearer " TW_READER "\r\n" TW_LEGACY, PING, 200, "\"result\":{}", NULL },
	{ "D05 scheme in upper case", NULL, "Authorization: BEARER " TW_READER "\r\n" TW_LEGACY, PING, 200, "\"result\":{}", NULL },
	{ "D05 no token", NULL, "Authorization: Bearer\r\n", PING, 400, "error=\"invalid_request\"", NULL },
	{ "D05 Basic", NULL, "Authorization: Basic YTpi\r\n", PING, 401, CHALLENGE, "error=" },
	{ "D05 Negotiate", NULL, "Authorization: Negotiate x\r\n", PING, 401, CHALLENGE, "error=" },
	{ "D06 foreign bytes", NULL, "Authorization: Bearer a\"b\\c\r\n", PING, 400, NULL, "a\"b" },
	{ "unknown static token", NULL, TW_AS("spt_nobody"), PING, 401, "error=\"invalid_token\"", "spt_nobody" },
	{ "not a token of anybody", NULL, TW_AS("x.y.z"), PING, 401, "error=\"invalid_token\"", "x.y.z" },
	{ "D17 HEAD before 405", "HEAD /mcp HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 401, CHALLENGE, NULL },
	{ "D17 GET before 405", GETM("/mcp", "localhost:8420"), NULL, NULL, 401, CHALLENGE, NULL },
	{ "D17 DELETE before 405", "DELETE /mcp HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 401, CHALLENGE, NULL },
	{ "D17 PUT before 405", "PUT /mcp HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", NULL, NULL, 401, CHALLENGE, NULL },
	{ "GET without a session", "GET /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "\r\n", NULL, NULL, 400, "Mcp-Session-Id is missing", NULL },
	{ "DELETE without a session", "DELETE /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "\r\n", NULL, NULL, 400,
	    "Mcp-Session-Id is missing", NULL },
	{ "modern GET", "GET /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "MCP-Protocol-Version: 2026-07-28\r\nMcp-Session-Id: x\r\n\r\n",
	    NULL, NULL, 405, "\r\nAllow: POST\r\n", NULL },
	{ "modern DELETE", "DELETE /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "MCP-Protocol-Version: 2026-07-28\r\nMcp-Session-Id: x\r\n\r\n",
	    NULL, NULL, 405, "\r\nAllow: POST\r\n", NULL },
	{ "PUT with token", "PUT /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "\r\n", NULL, NULL, 405,
	    "\r\nAllow: GET, POST, DELETE\r\n", NULL },
	{ "health", "GET /healthz HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 200, "\r\n\r\nok\n", "resource" },
	{ "health is read only", "POST /healthz HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", NULL, NULL, 405, NULL, NULL },
	{ "F07 health under a foreign name", "GET /healthz HTTP/1.1\r\nHost: evil.com\r\n\r\n", NULL, NULL, 421, NULL, NULL },
	{ "no metrics here", "GET /metrics HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 404, NULL, "sallyport_" },
	{ "K24 TRACE", "TRACE /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "X-Echo: me\r\n\r\n", NULL, NULL, 405, NULL, "X-Echo" },
	{ "K24 upgrade is ignored", NULL, TW_AS(TW_READER) TW_LEGACY "Connection: Upgrade\r\nUpgrade: websocket\r\n", PING, 200,
	    "\"result\":{}", "Upgrade" },
	{ "D16 preflight", "OPTIONS /mcp HTTP/1.1\r\n" HOST "Origin: http://evil.com\r\nAccess-Control-Request-Method: POST\r\n\r\n",
	    NULL, NULL, 403, NULL, "Access-Control-Allow" },
	{ "D16 OPTIONS with token", "OPTIONS /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "\r\n", NULL, NULL, 405, NULL,
	    "Access-Control-Allow" },
	/* paths */
	{ "D13 double slash", GETM("//mcp", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 dot", GETM("/./mcp", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 semicolon dots", GETM("/mcp/..;/", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 percent", GETM("/%6dcp", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 percent NUL", GETM("/mcp%00", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 upper case", GETM("/MCP", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 through well-known", GETM("/.well-known/../mcp", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 parameter", GETM("/mcp;x", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 trailing slash", GETM("/mcp/", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 absolute form", "GET http://localhost:8420/mcp HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 401, CHALLENGE, NULL },
	{ "D13 root", GETM("/", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D11 rewriting headers", "GET /nothing HTTP/1.1\r\n" HOST "X-Original-URL: /mcp\r\nX-HTTP-Method-Override: POST\r\n\r\n", NULL,
	    NULL, 404, NULL, NULL },
	{ "D09 identity headers", NULL, "X-Forwarded-User: bob\r\nX_Forwarded_User: bob\r\nX-Sallyport-Identity: bob\r\n" TW_LEGACY,
	    PING, 401, CHALLENGE, NULL },
	{ "D10 Connection names Authorization", NULL, "Connection: close, Authorization\r\n" TW_LEGACY, PING, 401, CHALLENGE, NULL },
	/* Host and Origin */
	{ "D14 Host with a path", "GET /mcp HTTP/1.1\r\nHost: x/health?\r\n\r\n", NULL, NULL, 400, NULL, NULL },
	{ "D14 Host with user", "GET /mcp HTTP/1.1\r\nHost: a@b\r\n\r\n", NULL, NULL, 400, NULL, NULL },
	{ "D14 Host empty", "GET /mcp HTTP/1.1\r\nHost: \r\n\r\n", NULL, NULL, 400, NULL, NULL },
	{ "D14 two Hosts", "GET /mcp HTTP/1.1\r\n" HOST HOST "\r\n", NULL, NULL, 400, NULL, NULL },
	{ "D14 absolute form of another host", "GET http://evil.com/mcp HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 400, NULL, NULL },
	{ "K13 no Host", "GET /mcp HTTP/1.1\r\n\r\n", NULL, NULL, 400, NULL, NULL },
	{ "F07 evil.com", GETM("/mcp", "evil.com"), NULL, NULL, 421, NULL, NULL },
	{ "F07 localhost.evil.com", GETM("/mcp", "localhost.evil.com:8420"), NULL, NULL, 421, NULL, NULL },
	{ "F07 127.0.0.1.evil.com", GETM("/mcp", "127.0.0.1.evil.com:8420"), NULL, NULL, 421, NULL, NULL },
	{ "F07 mapped address", GETM("/mcp", "[::ffff:127.0.0.1]:8420"), NULL, NULL, 421, NULL, NULL },
	{ "F07 no port", GETM("/mcp", "localhost"), NULL, NULL, 421, NULL, NULL },
	{ "F07 another port", GETM("/mcp", "localhost:8421"), NULL, NULL, 421, NULL, NULL },
	{ "Host without case", GETM("/mcp", "LOCALHOST:8420"), NULL, NULL, 401, CHALLENGE, NULL },
	{ "IPv6 Host", GETM("/mcp", "[::1]:8420"), NULL, NULL, 401, CHALLENGE, NULL },
	{ "F02 forwarded host", "GET /mcp HTTP/1.1\r\n" HOST "X-Forwarded-Host: evil.com\r\n\r\n", NULL, NULL, 401, CHALLENGE, "evil" },
	{ "F08 evil origin", NULL, "Origin: http://evil.com\r\n" TW_AS(TW_READER), PING, 403, NULL, "evil" },
	{ "F08 null origin", NULL, "Origin: null\r\n" TW_AS(TW_READER), PING, 403, NULL, NULL },
	{ "F08 look-alike origin", NULL, "Origin: https://localhost.evil\r\n" TW_AS(TW_READER), PING, 403, NULL, NULL },
	{ "F08 two origins", NULL, "Origin: http://localhost:8420\r\nOrigin: http://localhost:8420\r\n" TW_AS(TW_READER), PING, 403,
	    NULL, NULL },
	{ "F10 another port", NULL, "Origin: http://localhost:8421\r\n" TW_AS(TW_READER), PING, 403, NULL, NULL },
	{ "F10 trailing NUL escape", NULL, "Origin: http://localhost:8420%00.evil\r\n" TW_AS(TW_READER), PING, 403, NULL, NULL },
	{ "our own origin", NULL, "Origin: http://localhost:8420\r\n" TW_AS(TW_READER) TW_LEGACY, PING, 200, "\"result\":{}", NULL },
	/* metadata */
	{ "F01 path form", GETM(PRM "/mcp", "localhost:8420"), NULL, NULL, 200, "\"resource\":\"http://localhost:8420/mcp\"", NULL },
	{ "F01 root form", GETM(PRM, "localhost:8420"), NULL, NULL, 200, "\"resource\":\"http://localhost:8420/mcp\"", NULL },
	{ "F06 bounded caching", GETM(PRM, "localhost:8420"), NULL, NULL, 200, "Cache-Control: public, max-age=300\r\n", "no-store" },
	{ "F06 query is not reflected", GETM(PRM "?x=reflect", "localhost:8420"), NULL, NULL, 200, NULL, "reflect" },
	{ "F02 metadata of another host", GETM(PRM, "evil.com"), NULL, NULL, 421, NULL, "resource" },
	{ "F09 metadata of another origin", "GET " PRM " HTTP/1.1\r\n" HOST "Origin: http://evil.com\r\n\r\n", NULL, NULL, 403, NULL,
	    "\"resource\"" },
	{ "metadata HEAD", "HEAD " PRM " HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 200, "Content-Length: 40\r\n", "resource\"" },
	{ "metadata OPTIONS", "OPTIONS " PRM " HTTP/1.1\r\n" HOST "\r\n", NULL, NULL, 204, "Allow: GET, HEAD, OPTIONS\r\n", NULL },
	{ "metadata POST", "POST " PRM " HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", NULL, NULL, 405, "Allow: GET", NULL },
	{ "metadata of another resource", GETM(PRM "/other", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	/* media types */
	{ "L10 text/plain", "POST /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
	    NULL, NULL, 415, NULL, NULL },
	{ "L10 form", "POST /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "Content-Type: application/x-www-form-urlencoded\r\n"
	    "Content-Length: 2\r\n\r\n{}", NULL, NULL, 415, NULL, NULL },
	{ "L10 no type", "POST /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "Content-Length: 2\r\n\r\n{}", NULL, NULL, 415, NULL, NULL },
	{ "L10 utf-16", "POST /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "Content-Type: application/json; charset=utf-16\r\n"
	    "Content-Length: 2\r\n\r\n{}", NULL, NULL, 415, NULL, NULL },
	{ "L10 two types", NULL, TW_AS(TW_READER) "Content-Type: text/plain\r\n", PING, 415, NULL, NULL },
	{ "gzip body", NULL, TW_AS(TW_READER) "Content-Encoding: gzip\r\n", PING, 415, NULL, NULL },
	{ "Accept without JSON", "POST /mcp HTTP/1.1\r\n" HOST TW_AS(TW_READER) "Content-Type: application/json\r\nAccept: text/html\r\n"
	    "Content-Length: 2\r\n\r\n{}", NULL, NULL, 406, NULL, NULL },
	{ "K15 another expectation", NULL, TW_AS(TW_READER) "Expect: x\r\n", PING, 417, NULL, NULL },
};

static void
test_gate(void **state)
{
	run(&(struct ti_options){ 0 }, gate, SP_COUNT(gate));
}

#define CODE(n) "\"error\":{\"code\":" n ","
#define RD TW_AS(TW_READER)
#define AD TW_AS(TW_ADMIN)

static const struct row messages[] = {
	{ "initialize", NULL, RD, TW_RPC("initialize", "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{}"), 200,
	    "Mcp-Session-Id: a-session-of-the-test\r\n", NULL },
	{ "initialized", NULL, RD TW_LEGACY, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", 202,
	    "Content-Length: 0\r\n", "jsonrpc" },
	{ "discover", NULL, RD TW_MODERN("server/discover"), TW_RPC("server/discover", TW_META), 200, "\"cacheScope\":\"private\"",
	    NULL },
	{ "list", NULL, RD TW_LEGACY, TW_RPC("tools/list", ""), 200, "dns_list", "dns_create" },
	{ "modern list", NULL, AD TW_MODERN("tools/list"), TW_RPC("tools/list", TW_META), 200, "dns_create", "dns_hidden" },
	{ "E25 forged cursor", NULL, RD TW_LEGACY, TW_RPC("tools/list", "\"cursor\":\"AAAA\""), 200, CODE("-32602"), NULL },
	{ "call", NULL, RD TW_LEGACY, TW_CALL("dns_list", "{}"), 200, "\"result\":{\"content\"", "resultType" },
	{ "modern call", NULL, RD TW_MODERN("tools/call") TW_NAME("dns_list"),
	    TW_RPC("tools/call", "\"name\":\"dns_list\"," TW_META), 200, "\"resultType\":\"complete\"", NULL },
	{ "E18 parameter header differs", NULL, RD TW_MODERN("tools/call") TW_NAME("dns_list") "Mcp-Param-Zone: b\r\n",
	    TW_RPC("tools/call", "\"name\":\"dns_list\",\"arguments\":{\"zone\":\"a\"}," TW_META), 400, CODE("-32020"), NULL },
	{ "E18 parameter header missing", NULL, RD TW_MODERN("tools/call") TW_NAME("dns_list"),
	    TW_RPC("tools/call", "\"name\":\"dns_list\",\"arguments\":{\"zone\":\"a\"}," TW_META), 400, CODE("-32020"), NULL },
	{ "E18 a hidden tool does not tell what it mirrors", NULL, RD TW_MODERN("tools/call") TW_NAME("dns_hidden"),
	    TW_RPC("tools/call", "\"name\":\"dns_hidden\",\"arguments\":{\"zone\":\"a\"}," TW_META), 200, "Unknown tool: dns_hidden",
	    NULL },
	{ "E17 headers say list, body calls", NULL, RD TW_MODERN("tools/list") TW_NAME("dns_list"),
	    TW_RPC("tools/call", "\"name\":\"dns_list\"," TW_META), 400, CODE("-32020"), NULL },
	{ "E19 unknown version", NULL, RD "MCP-Protocol-Version: v999.0.0\r\n", PING, 400,
	    "\"data\":{\"supported\":[\"2026-07-28\"],\"requested\":\"v999.0.0\"}", NULL },
	{ "meta is missing", NULL, RD TW_MODERN("server/discover"), TW_RPC("server/discover", ""), 400, CODE("-32602"), NULL },
	{ "unknown method, modern", NULL, RD TW_MODERN("x"), TW_RPC("x", TW_META), 404, "\"id\":1,\"error\":{\"code\":-32601", NULL },
	{ "unknown method, legacy", NULL, RD TW_LEGACY, TW_RPC("x", ""), 200, "\"id\":1,\"error\":{\"code\":-32601", NULL },
	{ "E16 call without id", NULL, RD TW_LEGACY, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"dns_list\"}}",
	    202, NULL, "result" },
	{ "L09 response", NULL, RD TW_LEGACY, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", 202, NULL, "result" },
	{ "D19 batch", NULL, RD TW_LEGACY, "[" PING "]", 400, CODE("-32600"), "\"id\"" },
	{ "L05 duplicate method", NULL, RD, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/call\"}", 400,
	    CODE("-32700"), NULL },
	{ "L05 duplicate by escape", NULL, RD, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"\\u006dethod\":\"tools/call\"}", 400,
	    CODE("-32700"), NULL },
	{ "E12 duplicate argument", NULL, RD, TW_CALL("dns_list", "{\"zone\":\"a\",\"zone\":\"b\"}"), 400, CODE("-32700"), NULL },
	{ "L14 second JSON", NULL, RD, PING PING, 400, CODE("-32700"), NULL },
	{ "L10 no JSON", NULL, RD, "hello", 400, CODE("-32700"), NULL },
	{ "L10 empty body", NULL, RD, "", 400, CODE("-32700"), NULL },
	{ "L07 id null", NULL, RD, "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", 400, CODE("-32600"), NULL },
	{ "L11 NUL in a tool's name", NULL, RD, TW_CALL("dns_list\\u0000", "{}"), 200, CODE("-32602"), "result" },
	/* decisions */
	{ "E01 no rule opens it", NULL, RD, TW_CALL("dns_create", "{}"), 200, CODE("-32602") "\"message\":\"Unknown tool: dns_create\"",
	    NULL },
	{ "E01 deny", NULL, AD, TW_CALL("dns_hidden", "{}"), 200, CODE("-32602") "\"message\":\"Unknown tool: dns_hidden\"", NULL },
	{ "E02 listed and short", NULL, RD, TW_CALL("dns_shown", "{}"), 403,
	    "error=\"insufficient_scope\", error_description=\"insufficient scope\", scope=\"dns:write\", resource_metadata=", NULL },
	{ "refused arguments", NULL, AD, TW_CALL("dns_delete", "{\"zone\":\"acme.com.\"}"), 200,
	    "\"text\":\"refused: these arguments are not allowed\"}],\"isError\":true", NULL },
	{ "refused, argument missing", NULL, AD, TW_CALL("dns_delete", "{}"), 200, "\"isError\":true", NULL },
	{ "allowed arguments", NULL, AD, TW_CALL("dns_delete", "{\"zone\":\"a.test.\"}"), 200, "\"text\":\"ok\"", "isError" },
	{ "anyone", NULL, RD, TW_CALL("docs_search", "{}"), 200, "\"text\":\"ok\"", NULL },
	{ "E04 another case", NULL, RD, TW_CALL("DNS_LIST", "{}"), 200, "Unknown tool: DNS_LIST", NULL },
	{ "E04 trailing space", NULL, RD, TW_CALL("dns_list ", "{}"), 200, "Unknown tool: dns_list ", NULL },
	{ "E04 own name of the tool", NULL, RD, TW_CALL("list", "{}"), 200, "Unknown tool: list", NULL },
	{ "E04 zero width joiner", NULL, RD, TW_CALL("dns_\\u200dlist", "{}"), 200, CODE("-32602"), "result" },
	{ "E04 full width", NULL, RD, TW_CALL("\\uff44ns_list", "{}"), 200, CODE("-32602"), "result" },
	{ "E05 Cyrillic", NULL, RD, TW_CALL("dns_l\\u0456st", "{}"), 200, CODE("-32602"), "result" },
};

static void
test_messages(void **state)
{
	run(&(struct ti_options){ 0 }, messages, SP_COUNT(messages));
}

static const struct row anonymous[] = {
	{ "ping", NULL, TW_LEGACY, PING, 200, "\"result\":{}", NULL },
	{ "list", NULL, TW_LEGACY, TW_RPC("tools/list", ""), 200, "docs_search", "dns_" },
	{ "open tool", NULL, TW_LEGACY, TW_CALL("docs_search", "{}"), 200, "\"text\":\"ok\"", NULL },
	{ "tool that a scope could open", NULL, TW_LEGACY, TW_CALL("dns_list", "{}"), 401, CHALLENGE, "error=" },
	{ "tool that is listed to others", NULL, TW_LEGACY, TW_CALL("dns_shown", "{}"), 401, CHALLENGE, "dns:write" },
	{ "tool that nobody has", NULL, TW_LEGACY, TW_CALL("dns_hidden", "{}"), 401, CHALLENGE, "error=" },
	{ "no tool", NULL, TW_LEGACY, TW_CALL("nothing", "{}"), 401, CHALLENGE, "error=" },
	{ "a bad token is not nobody", NULL, TW_AS("spt_x") TW_LEGACY, TW_CALL("docs_search", "{}"), 401, "error=\"invalid_token\"",
	    NULL },
	{ "another scheme is not nobody", NULL, "Authorization: Basic YTpi\r\n" TW_LEGACY, PING, 401, CHALLENGE, NULL },
	{ "with a token as ever", NULL, RD TW_LEGACY, TW_CALL("dns_list", "{}"), 200, "\"text\":\"ok\"", NULL },
	{ "GET", GETM("/mcp", "localhost:8420"), NULL, NULL, 400, NULL, NULL },
};

static void
test_anonymous(void **state)
{
	run(&(struct ti_options){ .anonymous = true }, anonymous, SP_COUNT(anonymous));
}

/* Without the only differing bytes, the name itself, and Date. */
static void
comparable(sp_slice got, const char *name, char *out, size_t cap)
{
	struct sp_out o;
	sp_slice line;

	sp_out_init(&o, out, cap - 1);
	while (sp_take_to(&got, '\n', &line))
		if (!sp_starts(line, SP_LIT("Date:")))
			sp_out_slice(&o, line);
	while (got.n != 0) {
		if (!sp_take(&got, sp_str(name))) {
			sp_out_byte(&o, got.p[0]);
			sp_advance(&got, 1);
		} else {
			sp_out_byte(&o, '@');
		}
	}
	assert_false(o.full);
	out[o.n] = '\0';
}

static const struct row alone[] = {
	{ "D01 the challenge is of the resource asked", "POST /alone HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", NULL, NULL, 401,
	    CHALLENGE_ALONE, "error=" },
	{ "D01 and of the other", NULL, TW_LEGACY, PING, 401, CHALLENGE, "error=" },
	{ "D07 also for a bad token", "POST /alone HTTP/1.1\r\n" HOST TW_AS("x.y.z") "Content-Length: 0\r\n\r\n", NULL, NULL, 401,
	    "resource_metadata=\"http://localhost:8420" PRM "/alone\"", "/mcp" },
	{ "F01 path form", GETM(PRM "/alone", "localhost:8420"), NULL, NULL, 200, "{\"resource\":\"http://localhost:8420/alone\"}", NULL },
	{ "F01 path form of url", GETM(PRM "/mcp", "localhost:8420"), NULL, NULL, 200, "{\"resource\":\"http://localhost:8420/mcp\"}",
	    NULL },
	{ "F01 no root form where there are two", GETM(PRM, "localhost:8420"), NULL, NULL, 404, NULL, "resource" },
	{ "F01 a slash alone", GETM(PRM "/", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "F01 a slash behind", GETM(PRM "/alone/", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "F01 without a slash", GETM(PRM "alone", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 a path below", GETM("/alone/x", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 upper case", GETM("/Alone", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 trailing slash", GETM("/alone/", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "D13 through the other", GETM("/mcp/../alone", "localhost:8420"), NULL, NULL, 404, NULL, NULL },
	{ "health stays", GETM("/healthz", "localhost:8420"), NULL, NULL, 200, "ok\n", NULL },
};

/* What is listed at a resource is what is served there. */
static void
test_alone(void **state)
{
	static const struct ti_options with = { .mcp = 2, .alone = 2 };
	static struct world w;
	bool closed;
	sp_slice got;

	run(&with, alone, SP_COUNT(alone));
	tw_open(&w, &with);
	got = tw_ask(&w, tw_post_to("/mcp", RD TW_LEGACY, TW_RPC("tools/list", "")), &closed);
	assert_true(tw_has(got, "\"dns_list\"") && tw_has(got, "HTTP/1.1 200 "));
	got = tw_ask(&w, tw_post_to("/alone", RD TW_LEGACY, TW_RPC("tools/list", "")), &closed);
	assert_true(tw_has(got, "\"tools\":[]") && tw_has(got, "HTTP/1.1 200 "));
	got = tw_ask(&w, tw_post_to("/alone", RD TW_LEGACY, TW_CALL("dns_list", "{}")), &closed);
	if (!tw_has(got, "HTTP/1.1 200 ") || !tw_has(got, "Unknown tool: dns_list"))
		fail_msg("E01 a tool of another resource:\n%.*s", (int)got.n, got.p);
	tw_close(&w);
}

/* E01, E04, D08, R02: what is denied, what is hidden and what never was are one answer. */
static void
test_same_bytes(void **state)
{
	static const char *const names[] = { "dns_nobody", "dns_create", "dns_hidden" };
	static const char *const tokens[] = { "spt_unknown", "aaaa.bbbb.cccc", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", "spt_" };
	static struct world w;
	char first[4096], other[4096], body[256], line[256];
	bool closed;

	tw_open(&w, &(struct ti_options){ 0 });
	for (size_t i = 0; i < SP_COUNT(names); i++) {
		snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\"}}",
		    names[i]);
		comparable(tw_ask(&w, tw_post(RD, body), &closed), names[i], i == 0 ? first : other, sizeof first);
		if (i != 0 && strcmp(first, other) != 0)
			fail_msg("E01 %s differs:\n%s\n%s", names[i], first, other);
	}
	for (size_t i = 0; i < SP_COUNT(tokens); i++) {
		snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", tokens[i]);
		comparable(tw_ask(&w, tw_post(line, PING), &closed), "\x01", i == 0 ? first : other, sizeof first);
		if (i != 0 && strcmp(first, other) != 0)
			fail_msg("D08 %s differs:\n%s\n%s", tokens[i], first, other);
	}
	tw_close(&w);
}

/* Until keeper has spoken, a static token is neither good nor bad. */
static void
test_before_keeper(void **state)
{
	static struct world w;
	struct sp_imgb b;
	struct sp_image img;
	struct sp_err e = { 0 };
	bool closed;
	sp_slice got;

	tw_open(&w, &(struct ti_options){ 0 });
	sp_chan_free(&w.egress);
	sp_chan_free(&w.keeper);
	sp_front_close(&w.f);
	tw_turn(&w, 8);
	ti_make(&b, &(struct ti_options){ 0 }, &img);
	assert_int_equal(sp_front_init(&w.f, &img, &w.loop, (struct sp_hash_key){ { 3, 4 } }, &e), SP_OK);
	got = tw_ask(&w, tw_post(RD TW_LEGACY, PING), &closed);
	assert_true(sp_starts(got, SP_LIT("HTTP/1.1 503 ")) && tw_has(got, "\r\nRetry-After: 1\r\n"));
	tw_close(&w);
	sp_imgb_free(&b);
}

/* A keeper that starts again names the tokens that are left; the others are gone. */
static void
test_keeper_again(void **state)
{
	static struct world w;
	bool closed;

	tw_open(&w, &(struct ti_options){ 0 });
	assert_true(tw_has(tw_ask(&w, tw_post(AD TW_LEGACY, PING), &closed), "\"result\":{}"));
	tw_keeper(&w);
	tw_token(&w, TW_READER, "ann", "dns:read", "");
	tw_turn(&w, 4);
	assert_true(tw_has(tw_ask(&w, tw_post(AD TW_LEGACY, PING), &closed), "\"result\":{}"));
	tw_token_sync(&w);
	assert_true(tw_has(tw_ask(&w, tw_post(AD TW_LEGACY, PING), &closed), "invalid_token"));
	assert_true(tw_has(tw_ask(&w, tw_post(RD TW_LEGACY, PING), &closed), "\"result\":{}"));
	tw_close(&w);
}

static void
test_shell_words(void **state)
{
	static const struct { const char *name, *in, *out; } rows[] = {
		{ "plain", "static/ann", "static/ann" },
		{ "repo", "ci/repo:acme/app:ref:refs/heads/main", "ci/repo:acme/app:ref:refs/heads/main" },
		{ "space", "a b", "'a b'" },
		{ "quote", "a'; rm -rf ~; '", "'a'\\''; rm -rf ~; '\\'''" },
		{ "dollar", "$(id)", "'$(id)'" },
		{ "empty", "", "''" },
		{ "option", "--as", "'--as'" },
		{ "newline", "a\nid", "'a\xef\xbf\xbdid'" },
		{ "escape", "\x1b[31m", "'\xef\xbf\xbd[31m'" },
		{ "right to left", "a\xe2\x80\xae", "'a\xef\xbf\xbd'" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char buf[256];
		struct sp_out o;

		sp_out_init(&o, buf, sizeof buf);
		sp_shell_word(&o, sp_str(rows[i].in));
		if (!sp_eq(sp_out_view(&o), sp_str(rows[i].out)))
			fail_msg("K26 %s: %.*s", rows[i].name, (int)o.n, o.p);
	}
}

/* A listener for metrics: numbers and nothing else, whatever is sent. */
static void
test_metrics(void **state)
{
	static const struct { const char *name, *request, *status, *has; } rows[] = {
		{ "metrics", "GET /metrics HTTP/1.1\r\nHost: 10.0.0.1:9100\r\n\r\n", "200", "\nsallyport_tokens_refused_total 1\n" },
		{ "type", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200", "Content-Type: text/plain; version=0.0.4" },
		{ "gauge", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200", "# TYPE sallyport_connections gauge\nsallyport_connections 1\n" },
		{ "histogram", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200",
		    "sallyport_call_duration_seconds_bucket{le=\"0.001\"} " },
		{ "calls", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200", "\nsallyport_call_duration_seconds_count 1\n" },
		{ "health", "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200", "Content-Length: 3\r\n" },
		{ "a web page", "GET /metrics HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.com\r\n\r\n", "403", NULL },
		{ "only reading", "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405", NULL },
		{ "no tools here", "POST /mcp HTTP/1.1\r\nHost: localhost:8420\r\n" RD "Content-Length: 0\r\n\r\n", "404", NULL },
	};
	struct world w;
	struct sp_err e;
	sp_slice got;
	bool closed;
	int fd;

	tw_open(&w, &(struct ti_options){ 0 });
	assert_int_equal(sp_counters_create(&fd, &e), SP_OK);
	assert_int_equal(sp_counters_map(fd, &w.f.counters, &e), SP_OK);
	close(fd);
	w.f.hub.counters = w.f.counters;
	(void)tw_ask(&w, tw_post("Authorization: Bearer spt_secrettoken\r\n", TW_RPC("ping", "")), &closed);
	(void)tw_ask(&w, tw_post(RD, TW_CALL("dns_list", "{}")), &closed);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char line[32];

		fd = tw_client(&w);
		w.f.hub.waiting.last->metrics = true;
		tw_send(&w, fd, sp_str(rows[i].request));
		got = tw_take(&w, fd, &closed);
		snprintf(line, sizeof line, "HTTP/1.1 %s ", rows[i].status);
		if (!sp_starts(got, sp_str(line)) || (rows[i].has != NULL && !tw_has(got, rows[i].has)) ||
		    tw_has(got, "secrettoken") || tw_has(got, "dns") || tw_has(got, "ann"))
			fail_msg("%s:\n%.*s", rows[i].name, (int)got.n, got.p);
		close(fd);
		tw_turn(&w, 4);
	}
	tw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_gate), cmocka_unit_test(test_messages), cmocka_unit_test(test_anonymous),
		cmocka_unit_test(test_alone), cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_before_keeper), cmocka_unit_test(test_keeper_again),
		cmocka_unit_test(test_shell_words), cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
