/*
 * The HTTP service and the lines, by hand: no socket, no clock, no thread.  Rows K, L, F of the threat list and parity 1 to 12
 * as far as they are a transport's.
 */
#include "lib/testserver.h"

enum { OUT = 4 << 20 };

static char out[OUT + 1];

static struct sp_clock
at(uint64_t ms)
{
	return (struct sp_clock){ .now_ms = 1000 + ms, .now_s = TS_NOW + (int64_t)(ms / 1000) };
}

static const char *
take(struct sp_bytes *b)
{
	size_t n = 0, part;

	while (n < OUT && (part = sp_bytes_take(b, out + n, OUT - n)) != 0)
		n += part;
	out[n] = '\0';
	return out;
}

static struct sp_bytes *
open_one(struct sp_server *s, enum sp_bytes_kind kind)
{
	struct sp_error e = { 0 };
	struct sp_bytes *b = sp_bytes_open(s, kind, "192.0.2.7", at(0), &e);

	if (b == NULL)
		fail_msg("%s", e.text);
	return b;
}

static const char *
ask(struct sp_server *s, const char *text)
{
	struct sp_bytes *b = open_one(s, SP_BYTES_HTTP);

	(void)sp_bytes_feed(b, text, strlen(text), at(0));
	(void)take(b);
	sp_bytes_close(b);
	return out;
}

static void
expect(const char *name, const char *got, const char *status, const char *has, const char *has_not)
{
	char line[32];

	snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
	if (strncmp(got, line, strlen(line)) != 0 || strstr(got, has) == NULL || (has_not != NULL && strstr(got, has_not) != NULL))
		fail_msg("%s: expected %s with `%s`, got:\n%.1500s", name, status, has, got);
}

/* ---------------------------------------------------------------- heads */

#define H "Host: localhost:8000\r\n"
#define J "Content-Type: application/json\r\n"

static void
test_heads(void **state)
{
	static const struct { const char *name, *text, *status, *has; } rows[] = {
		{ "K01 length and chunks", "POST /mcp HTTP/1.1\r\n" H J "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "400", "close" },
		{ "K02 two lengths", "POST /mcp HTTP/1.1\r\n" H J "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400", "close" },
		{ "K03 a signed length", "POST /mcp HTTP/1.1\r\n" H J "Content-Length: +2\r\n\r\n{}", "400", "close" },
		{ "K05 chunks in 1.0", "POST /mcp HTTP/1.0\r\n" H J "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", "close" },
		{ "K06 chunk size", "POST /mcp HTTP/1.1\r\n" H J "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", "400", "close" },
		{ "K09 bare line feed", "POST /mcp HTTP/1.1\nHost: localhost\n\n", "400", "close" },
		{ "K10 no such method", "BREW /mcp HTTP/1.1\r\n" H "\r\n", "501", "close" },
		{ "K10 another version", "POST /mcp HTTP/2.0\r\n" H "\r\n", "505", "close" },
		{ "K13 two hosts", "POST /mcp HTTP/1.1\r\n" H H "\r\n", "400", "close" },
		{ "K13 no host", "POST /mcp HTTP/1.1\r\n\r\n", "400", "close" },
		{ "K15 an expectation", "POST /mcp HTTP/1.1\r\n" H J "Expect: gold\r\nContent-Length: 2\r\n\r\n{}", "417", "" },
		{ "K24 trace", "TRACE /mcp HTTP/1.1\r\n" H "\r\n", "405", "Allow: GET, POST, DELETE" },
		{ "K24 connect", "CONNECT localhost:1 HTTP/1.1\r\n" H "\r\n", "501", "" },
		{ "another path", "POST /mcp/ HTTP/1.1\r\n" H "\r\n", "404", "" },
		{ "the path in other letters", "POST /%6dcp HTTP/1.1\r\n" H "\r\n", "404", "" },
		{ "F07 parity 12 another host", "POST /mcp HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421", "" },
		{ "F07 a name like ours", "POST /mcp HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", "421", "" },
		{ "F08 parity 12 another origin", "POST /mcp HTTP/1.1\r\n" H "Origin: https://evil.example\r\n\r\n", "403", "" },
		{ "F08 origin null", "POST /mcp HTTP/1.1\r\n" H "Origin: null\r\n\r\n", "403", "" },
		{ "no such session's stream", "GET /mcp HTTP/1.1\r\n" H "Accept: text/event-stream\r\n\r\n", "400", "Mcp-Session-Id" },
		{ "modern GET", "GET /mcp HTTP/1.1\r\n" H "MCP-Protocol-Version: 2026-07-28\r\n\r\n", "405", "Allow: POST\r\n" },
		{ "L10 text", "POST /mcp HTTP/1.1\r\n" H "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", "415", "" },
		{ "Accept without JSON", "POST /mcp HTTP/1.1\r\n" H J "Accept: text/html\r\nContent-Length: 2\r\n\r\n{}", "406", "" },
		{ "too much at once", "POST /mcp HTTP/1.1\r\n" H J "Content-Length: 99999999\r\n\r\n{}", "413", "close" },
		{ "not JSON", "POST /mcp HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{]", "400", "-32700" },
		{ "a batch", "POST /mcp HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n[]", "400", "-32600" },
		{ "health", "GET /healthz HTTP/1.1\r\n" H "\r\n", "200", "ok\n" },
		{ "health is asked, not told", "POST /healthz HTTP/1.1\r\n" H "\r\n", "405", "Allow: GET, HEAD" },
		{ "no metadata without a provider", "GET /.well-known/oauth-protected-resource HTTP/1.1\r\n" H "\r\n", "404", "" },
		{ "two credentials", "POST /mcp HTTP/1.1\r\n" H TS_READER TS_READER "\r\n", "400", "invalid_request" },
	};
	struct sp_server *s = ts_server(NULL, false, true);

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		expect(rows[i].name, ask(s, rows[i].text), rows[i].status, rows[i].has, NULL);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- credentials */

#define U "tools.example.com"
#define LIST "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" TS_META "}}"
#define LIST_LINES "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n"

static void
test_credentials(void **state)
{
	static const struct { const char *name, *lines, *status, *has, *has_not; } rows[] = {
		{ "no credential", "", "401", "WWW-Authenticate: Bearer\r\n", "error" },
		{ "parity 2 a token that is none", "Authorization: Bearer a b\r\n", "400", "invalid_request", NULL },
		{ "parity 2 an unknown token", "Authorization: Bearer nobody\r\n", "401", "error=\"invalid_token\"", NULL },
		{ "parity 3 another scheme", "Authorization: Basic x\r\n", "401", "WWW-Authenticate: Bearer", "error" },
		{ "parity 4 letters of the scheme", "Authorization: bEaReR reader-token-0123456789\r\n", "200", "read_data", "write_data" },
		{ "parity 7, 8 expired", TS_OLD, "401", "invalid_token", NULL },
		{ "what a tag opens", TS_ADMIN, "200", "admin_action", "read_data" },
		{ "twice", TS_READER TS_READER, "400", "invalid_request", NULL },
	};
	struct sp_server *s = ts_server("https://" U "/api/v1/mcp", true, false);
	char lines[512];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		snprintf(lines, sizeof lines, LIST_LINES "%s", rows[i].lines);
		expect(rows[i].name, ask(s, ts_post_to("/api/v1/mcp", U, lines, LIST)), rows[i].status, rows[i].has, rows[i].has_not);
	}
	expect("with an empty body", ask(s, ts_post_to("/api/v1/mcp", U, LIST_LINES, LIST)), "401", "Content-Length: 0", NULL);
	expect("F07 loopback is not this name", ask(s, ts_post_to("/api/v1/mcp", "localhost", LIST_LINES, LIST)), "421", "", NULL);
	expect("before the method", ask(s, "PUT /api/v1/mcp HTTP/1.1\r\nHost: " U "\r\nAuthorization: Bearer x\r\n\r\n"), "401",
	    "invalid_token", NULL);
	sp_server_free(s);
}

/* parity 5, 9: the document of one resource, at its path and, as there is no other, at the root. */
static void
test_metadata(void **state)
{
	static const char *const required[] = { "read", "admin", NULL }, *const all[] = { "read", "write", "admin", NULL };
	static const char *const issuers[] = { "https://id.example", NULL };
	static const struct sp_token_entry tokens[] = { { .token = "a-token-without-scopes", .client_id = "c" }, { .client_id = NULL } };
	struct sp_auth_provider *remote = sp_remote_auth_provider(
	    .token_verifier = sp_token_verifier_static(.tokens = tokens, .required_scopes = required),
	    .authorization_servers = issuers, .scopes_supported = all);
	struct sp_server *s = sp_server_new(.name = "test", .version = "1", .url = "https://" U "/api/v1/mcp", .auth = remote);
	const char *document = "{\"resource\":\"https://" U "/api/v1/mcp\",\"authorization_servers\":[\"https://id.example\"],"
	    "\"scopes_supported\":[\"read\",\"write\",\"admin\"]";

	ts_tools(s, false);
	expect("parity 9", ask(s, "GET /.well-known/oauth-protected-resource/api/v1/mcp HTTP/1.1\r\nHost: " U "\r\n\r\n"), "200",
	    document, NULL);
	expect("parity 9 at the root", ask(s, "GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: " U "\r\n\r\n"), "200",
	    document, NULL);
	expect("elsewhere", ask(s, "GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: " U "\r\n\r\n"), "404", "", NULL);
	expect("is read only", ask(s, "POST /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: " U "\r\n\r\n"), "405",
	    "Allow: GET, HEAD, OPTIONS", NULL);
	expect("parity 5", ask(s, ts_post_to("/api/v1/mcp", U, LIST_LINES, LIST)), "401", "scope=\"read admin\"", "write");
	expect("parity 1", ask(s, ts_post_to("/api/v1/mcp", U, LIST_LINES, LIST)), "401",
	    "resource_metadata=\"https://" U "/.well-known/oauth-protected-resource/api/v1/mcp\"", "error");
	expect("parity 1 an empty body", out, "401", "Content-Length: 0\r\n", NULL);
	expect("parity 6 lacks all", ask(s, ts_post_to("/api/v1/mcp", U, LIST_LINES "Authorization: Bearer a-token-without-scopes\r\n", LIST)), "403",
	    "scope=\"read admin\"", NULL);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- calls */

static void
test_calls(void **state)
{
	struct sp_server *s = ts_server("https://" U "/mcp", true, true);

	expect("anyone", ask(s, ts_call(U, "", "echo", "{\"text\":\"hi\"}")), "200", "\"text\":\"hi\"", NULL);
	expect("a credential could help", ask(s, ts_call(U, "", "read_data", "{}")), "401", "WWW-Authenticate: Bearer\r\n", "error");
	expect("it does", ask(s, ts_call(U, TS_READER, "read_data", "{}")), "200", "sensitive", NULL);
	expect("parity 6", ask(s, ts_call(U, TS_READER, "write_data", "{}")), "403",
	    "error=\"insufficient_scope\", error_description=\"insufficient scope\", scope=\"", NULL);
	assert_non_null(strstr(out, "write:data"));
	expect("as unknown", ask(s, ts_call(U, TS_READER, "admin_action", "{}")), "200", "-32602", "admin operation");
	expect("a tag", ask(s, ts_call(U, TS_ADMIN, "admin_action", "{}")), "200", "admin operation complete", NULL);
	expect("who asks", ask(s, ts_call(U, TS_ADMIN, "where", "{}")), "200", "peer 192.0.2.7 token some transport 3", NULL);
	sp_server_free(s);
}

/* A notification before the answer makes it a stream; without Accept for one there is only the answer. */
static void
test_events(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	static const char with[] = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"steps\","
	    "\"_meta\":{\"progressToken\":1,\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
	    "\"io.modelcontextprotocol/clientCapabilities\":{}}}}";
	char plain[2048];
	const char *got = ask(s, ts_post_to("/mcp", "localhost", "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
	    "Mcp-Name: steps\r\n", with));

	expect("a stream", got, "200", "Content-Type: text/event-stream\r\n", NULL);
	expect("not to be buffered", got, "200", "X-Accel-Buffering: no\r\n", NULL);
	expect("first that", got, "200", "notifications/progress", NULL);
	expect("then this", got, "200", "whole", NULL);
	expect("and the end", got, "200", "\r\n0\r\n\r\n", NULL);
	snprintf(plain, sizeof plain, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	    "Accept: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: steps\r\n"
	    "Content-Length: %zu\r\n\r\n%s", strlen(with), with);
	expect("no stream", ask(s, plain), "200", "Content-Type: application/json\r\n", "progress");
	sp_server_free(s);
}

/* ---------------------------------------------------------------- how bytes come and go */

static void
test_one_by_one(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_bytes *b = open_one(s, SP_BYTES_HTTP);
	const char *text = ts_call("127.0.0.1:9", "", "echo", "{\"text\":\"slowly\"}");

	for (size_t i = 0; text[i] != '\0'; i++)
		assert_true(sp_bytes_feed(b, text + i, 1, at(i / 100)));
	expect("one by one", take(b), "200", "slowly", NULL);
	sp_bytes_close(b);
	sp_server_free(s);
}

/* K14: in order, and what is bad behind a good one is answered after it. */
static void
test_pipelined(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_bytes *b = open_one(s, SP_BYTES_HTTP);
	char text[65536] = "", *second;
	const char *one = ts_call("localhost", "", "echo", "{\"text\":\"again\"}");
	size_t n = 0, times = 40;
	unsigned found = 0;

	for (size_t i = 0; i < times; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s", one);
	n += (size_t)snprintf(text + n, sizeof text - n, "rubbish\r\n\r\n%s", one);
	(void)sp_bytes_feed(b, text, n, at(0));
	second = (char *)(uintptr_t)take(b);
	for (char *p = second; (p = strstr(p, "HTTP/1.1 200 ")) != NULL; p++)
		found++;
	assert_int_equal(found, times);
	assert_non_null(strstr(second, "HTTP/1.1 400 "));
	assert_false(sp_bytes_feed(b, one, strlen(one), at(0)));
	assert_int_equal(sp_bytes_take(b, text, sizeof text), 0);
	sp_bytes_close(b);
	sp_server_free(s);
}

/* K17: deadlines come by the clock that is given. */
static void
test_time(void **state)
{
	static const char half[] = "POST /mcp HTTP/1.1\r\nHost: loc";
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_bytes *b = open_one(s, SP_BYTES_HTTP);

	assert_true(sp_bytes_feed(b, half, sizeof half - 1, at(10)));
	assert_true(sp_bytes_tick(b, at(1000)) <= 1000);
	assert_string_equal(take(b), "");
	(void)sp_bytes_tick(b, at(11000));
	expect("K17 a head that never ends", take(b), "408", "close", NULL);
	assert_false(sp_bytes_feed(b, "x", 1, at(11000)));
	sp_bytes_close(b);
	b = open_one(s, SP_BYTES_HTTP);
	(void)sp_bytes_tick(b, at(61000));
	assert_false(sp_bytes_feed(b, "x", 1, at(61000)));
	sp_bytes_close(b);
	sp_server_free(s);
}

/* A client that reads nothing: what waits for it is bounded, and it is let go. */
static void
test_unread(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_bytes *b = open_one(s, SP_BYTES_HTTP);
	const char *one = ts_call("localhost", "", "big", "{}");
	char buf[512];

	assert_true(sp_bytes_feed(b, one, strlen(one), at(0)));
	(void)sp_bytes_tick(b, at(0));
	(void)sp_bytes_tick(b, at(500));
	assert_int_equal(sp_bytes_take(b, buf, sizeof buf), sizeof buf);
	(void)sp_bytes_tick(b, at(11000));
	assert_false(sp_bytes_feed(b, "x", 1, at(11000)));
	sp_bytes_close(b);
	/* One that reads gets it all. */
	expect("all of it", ask(s, one), "200", "xxxxxxxx", NULL);
	assert_true(strlen(out) > 1u << 20);
	sp_server_free(s);
}

/* A client that says nothing more and waits for its answer no longer. */
static void
test_end(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_bytes *b = open_one(s, SP_BYTES_HTTP);
	const char *one = ts_call("localhost", "", "echo", "{\"text\":\"x\"}");

	assert_true(sp_bytes_feed(b, one, strlen(one), at(0)));
	sp_bytes_end(b, at(0));
	expect("answered", take(b), "200", "", NULL);
	assert_false(sp_bytes_feed(b, "x", 1, at(0)));
	sp_bytes_end(b, at(0));
	sp_bytes_close(b);
	b = open_one(s, SP_BYTES_HTTP);
	assert_true(sp_bytes_feed(b, one, 40, at(0)));
	sp_bytes_end(b, at(0));
	assert_string_equal(take(b), "");
	sp_bytes_close(b);
	sp_server_free(s);
}

/* Many connections of one server, closed in another order; the server ends while some are open. */
static void
test_many(void **state)
{
	enum { MANY = 1000 };
	struct sp_server *s = ts_server(NULL, false, true);
	static struct sp_bytes *b[MANY];
	const char *one = ts_call("localhost", "", "echo", "{\"text\":\"x\"}");

	for (size_t i = 0; i < MANY; i++)
		b[i] = open_one(s, SP_BYTES_HTTP);
	for (size_t i = 0; i < MANY; i++)
		assert_true(sp_bytes_feed(b[i], one, strlen(one), at(i)));
	for (size_t i = 0; i < MANY; i++)
		expect("many", take(b[i]), "200", "", NULL);
	for (size_t i = 0; i < MANY; i += 2)
		sp_bytes_close(b[i]);
	for (size_t i = 1; i < MANY; i += 2)
		sp_bytes_close(b[i]);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- a session of the 2025 era */

#define INIT "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"," \
	"\"capabilities\":{},\"clientInfo\":{\"name\":\"c\",\"version\":\"1\"}}}"

static void
session_of(const char *got, char id[128])
{
	const char *p = strstr(got, "Mcp-Session-Id: ");
	size_t n;

	assert_non_null(p);
	p += 16;
	n = strcspn(p, "\r");
	assert_true(n > 16 && n < 128);
	memcpy(id, p, n);
	id[n] = '\0';
}

static void
test_session(void **state)
{
	struct sp_server *s = ts_server("https://" U "/mcp", true, true);
	struct sp_bytes *b;
	char id[128], lines[512], text[1024];

	session_of(ask(s, ts_post_to("/mcp", U, TS_READER, INIT)), id);
	snprintf(lines, sizeof lines, "Mcp-Session-Id: %s\r\n" TS_ADMIN, id);
	expect("parity 11 another's session", ask(s, ts_post_to("/mcp", U, lines,
	    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}")), "404", "unknown session", NULL);
	snprintf(text, sizeof text, "GET /mcp HTTP/1.1\r\nHost: " U "\r\nAccept: text/event-stream\r\nMcp-Session-Id: %s\r\n" TS_READER
	    "\r\n", id);
	b = open_one(s, SP_BYTES_HTTP);
	assert_true(sp_bytes_feed(b, text, strlen(text), at(0)));
	expect("the session's stream", take(b), "200", "text/event-stream", NULL);
	sp_list_changed(s, SP_COMPONENT_IS_TOOL);
	(void)sp_bytes_tick(b, at(2000));
	assert_non_null(strstr(take(b), "notifications/tools/list_changed"));
	for (uint64_t t = 3000; t < 60000; t += 1000)
		(void)sp_bytes_tick(b, at(t));
	assert_non_null(strstr(take(b), ":\n\n"));	/* proxies keep what is not silent */
	snprintf(text, sizeof text, "DELETE /mcp HTTP/1.1\r\nHost: " U "\r\nMcp-Session-Id: %s\r\n" TS_READER "\r\n", id);
	expect("its end", ask(s, text), "200", "", NULL);
	assert_non_null(strstr(take(b), "0\r\n\r\n"));
	sp_bytes_close(b);
	expect("it is over", ask(s, text), "404", "", NULL);
	sp_server_free(s);
}

/* E23: a stream ends when its caller's token does. */
static void
test_stream_expires(void **state)
{
	struct sp_server *s = ts_server("https://" U "/mcp", true, true);
	struct sp_bytes *b;
	char id[128], text[1024];

	session_of(ask(s, ts_post_to("/mcp", U, TS_BOTH, INIT)), id);
	snprintf(text, sizeof text, "GET /mcp HTTP/1.1\r\nHost: " U "\r\nAccept: text/event-stream\r\nMcp-Session-Id: %s\r\n" TS_BOTH
	    "\r\n", id);
	b = open_one(s, SP_BYTES_HTTP);
	assert_true(sp_bytes_feed(b, text, strlen(text), at(0)));
	for (uint64_t t = 0; t < 90000; t += 1000)
		(void)sp_bytes_tick(b, at(t));
	assert_null(strstr(take(b), "0\r\n\r\n"));
	for (uint64_t t = 90000; t < 140000; t += 1000)
		(void)sp_bytes_tick(b, at(t));
	assert_non_null(strstr(take(b), "0\r\n\r\n"));
	sp_bytes_close(b);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- lines */

static const char *
line(struct sp_bytes *b, const char *text)
{
	assert_true(sp_bytes_feed(b, text, strlen(text), at(0)));
	return take(b);
}

static void
test_lines(void **state)
{
	struct sp_server *s = ts_server(NULL, true, true);
	struct sp_bytes *b = open_one(s, SP_BYTES_STDIO);
	char big[4096];

	assert_non_null(strstr(line(b, INIT "\n"), "\"protocolVersion\":\"2025-11-25\""));
	assert_string_equal(line(b, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\n \r\n"), "");
	assert_non_null(strstr(line(b, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\r\n"), "\"id\":2"));
	assert_non_null(strstr(line(b, "rubbish\n"), "-32700"));
	assert_non_null(strstr(line(b, "[]\n"), "-32600"));
	/* No principal, and nobody who could have one: what needs scopes is denied, what checks its peer is not. */
	assert_null(strstr(line(b, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{\"name\":\"read_data\"}}\n"),
	    "sensitive"));
	assert_non_null(strstr(out, "\"id\":3"));
	assert_non_null(strstr(line(b, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\",\"params\":{\"name\":\"where\"}}\n"),
	    "peer 192.0.2.7 token none transport 3"));
	/* Line breaks in what a tool says are escaped; one line is one message. */
	(void)line(b, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":"
	    "\"a\\nb\"}}}\n");
	assert_non_null(strstr(out, "a\\nb"));
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	/* What belongs to no request comes by itself. */
	sp_list_changed(s, SP_COMPONENT_IS_TOOL);
	(void)sp_bytes_tick(b, at(2000));
	assert_non_null(strstr(take(b), "notifications/tools/list_changed"));
	/* A line that is too long is one mistake, and the next one is read. */
	memset(big, 'x', sizeof big);
	for (size_t i = 0; i < 300; i++)
		assert_true(sp_bytes_feed(b, big, sizeof big, at(3000)));
	assert_non_null(strstr(take(b), "too large"));
	assert_string_equal(line(b, "tail\n"), "");
	assert_non_null(strstr(line(b, "{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\"}\n"), "\"id\":6"));
	assert_true(sp_bytes_feed(b, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\"}", 40, at(3000)));
	assert_string_equal(take(b), "");
	sp_bytes_end(b, at(3000));
	assert_non_null(strstr(take(b), "\"id\":7"));
	assert_false(sp_bytes_feed(b, "x", 1, at(3000)));
	sp_bytes_close(b);
	sp_server_free(s);
}

static void
test_misuse(void **state)
{
	struct sp_error e = { 0 };
	struct sp_server *s = ts_server(NULL, true, true);

	assert_null(sp_bytes_open(s, (enum sp_bytes_kind)9, NULL, at(0), &e));
	assert_int_equal(e.rc, SP_RC_INVALID);
	/* Tokens are for an address, and there is nobody to learn it from. */
	assert_null(sp_bytes_open(s, SP_BYTES_HTTP, NULL, at(0), &e));
	assert_non_null(strstr(e.text, "options.url"));
	sp_bytes_close(NULL);
	sp_server_free(s);
	s = sp_server_new(.name = "test", .version = "1");
	sp_tool(s, .name = "closed", .handler = ts_admin);
	assert_null(sp_bytes_open(s, SP_BYTES_HTTP, NULL, at(0), &e));
	assert_non_null(strstr(e.text, "closed"));
	sp_server_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads), cmocka_unit_test(test_credentials), cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_calls), cmocka_unit_test(test_events), cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_pipelined), cmocka_unit_test(test_time), cmocka_unit_test(test_unread), cmocka_unit_test(test_end),
		cmocka_unit_test(test_many), cmocka_unit_test(test_session), cmocka_unit_test(test_stream_expires),
		cmocka_unit_test(test_lines), cmocka_unit_test(test_misuse),
	};

	sp_log_to(NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
