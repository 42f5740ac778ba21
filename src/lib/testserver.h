/* For tests: small servers, and what a client writes. */
#ifndef SP_LIB_TESTSERVER_H
#define SP_LIB_TESTSERVER_H

#include <sallyport/sallyport.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define TS_READER "Authorization: Bearer reader-token-0123456789\r\n"
#define TS_BOTH "Authorization: Bearer both-token-0123456789ab\r\n"
#define TS_ADMIN "Authorization: Bearer admin-token-0123456789\r\n"
#define TS_OLD "Authorization: Bearer old-token-0123456789abc\r\n"
#define TS_META "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{}}"
#define TS_NOW 1800000000

static inline void
ts_echo(struct sp_context *ctx, void *arg)
{
	sp_return_text(ctx, sp_arg_text(ctx, "text"));
}

static inline void
ts_data(struct sp_context *ctx, void *arg)
{
	sp_return_json(ctx, "{\"sensitive\":\"data\"}");
}

static inline void
ts_admin(struct sp_context *ctx, void *arg)
{
	sp_return_text(ctx, "admin operation complete");
}

/* Says something before it answers. */
static inline void
ts_steps(struct sp_context *ctx, void *arg)
{
	sp_progress(ctx, 1, 2, "half");
	sp_return_text(ctx, "whole");
}

static inline void
ts_big(struct sp_context *ctx, void *arg)
{
	size_t n = 1u << 20;
	char *s = malloc(n + 1);

	assert_non_null(s);
	memset(s, 'x', n);
	s[n] = '\0';
	sp_return_text(ctx, s);
	free(s);
}

/* As long as its argument says. */
static inline void
ts_slow(struct sp_context *ctx, void *arg)
{
	int64_t ms = 0;

	if (sp_arg_int(ctx, "ms", &ms))
		for (; ms > 0 && !sp_is_cancelled(ctx); ms -= 5)
			nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	sp_return_text(ctx, sp_is_cancelled(ctx) ? "cancelled" : "slept");
}

/* Whoever asks learns where from. */
static inline enum sp_auth_verdict
ts_where(struct sp_auth_context *auth, void *arg)
{
	const char *token = sp_auth_context_token(auth), *peer = sp_auth_context_peer(auth);
	static _Thread_local char text[200];

	snprintf(text, sizeof text, "peer %s token %s transport %d", peer == NULL ? "none" : peer,
	    token == NULL ? "none" : "some", (int)sp_auth_context_transport(auth));
	return sp_authorization_error(auth, text);
}

static inline struct sp_auth_provider *
ts_provider(void)
{
	static const char *const reads[] = { "read:data", NULL }, *const both[] = { "read:data", "write:data", NULL };
	static const char *const admin[] = { "admin", NULL };
	static const struct sp_token_entry tokens[] = {
		{ .token = "reader-token-0123456789", .client_id = "reader", .scopes = reads },
		{ .token = "both-token-0123456789ab", .client_id = "both", .scopes = both, .expires_at = TS_NOW + 100 },
		{ .token = "admin-token-0123456789", .client_id = "boss", .tags = admin },
		{ .token = "old-token-0123456789abc", .client_id = "late", .expires_at = 1000 },
		{ .client_id = NULL }
	};

	return sp_token_verifier_static(.tokens = tokens);
}

static inline void
ts_tools(struct sp_server *s, bool open)
{
	static const char text[] = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}";
	static const char ms[] = "{\"type\":\"object\",\"properties\":{\"ms\":{\"type\":\"integer\"}}}";

	if (open) {
		sp_tool(s, .name = "echo", .input_schema = text, .handler = ts_echo, .auth = SP_ANYONE);
		sp_tool(s, .name = "steps", .handler = ts_steps, .auth = SP_ANYONE);
		sp_tool(s, .name = "big", .handler = ts_big, .auth = SP_ANYONE);
		sp_tool(s, .name = "slow", .input_schema = ms, .handler = ts_slow, .auth = SP_ANYONE, .timeout_s = 5);
		sp_tool(s, .name = "where", .handler = ts_admin, .auth = sp_auth_check("where", ts_where, NULL));
	}
	sp_tool(s, .name = "read_data", .handler = ts_data, .auth = sp_require_scopes("read:data"));
	sp_tool(s, .name = "write_data", .handler = ts_data, .auth = sp_require_scopes("read:data", "write:data"));
	sp_tool(s, .name = "admin_action", .handler = ts_admin, .auth = sp_restrict_tag("admin"));
}

/* `open`: with tools for everybody. */
static inline struct sp_server *
ts_server(const char *url, bool provider, bool open)
{
	struct sp_server *s = sp_server_new(.name = "test", .version = "1", .url = url, .auth = provider ? ts_provider() : NULL,
	    .workers = 4);

	assert_non_null(s);
	ts_tools(s, open);
	return s;
}

/* A POST to this path with these further header lines; valid until the next one but three. */
static inline const char *
ts_post_to(const char *path, const char *host, const char *lines, const char *body)
{
	static char ring[4][16384];
	static unsigned at;
	char *buf = ring[at++ % 4];
	int n = snprintf(buf, sizeof ring[0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
	    "Accept: application/json, text/event-stream\r\nContent-Length: %zu\r\n%s\r\n%s", path, host, strlen(body), lines, body);

	assert_true(n > 0 && (size_t)n < sizeof ring[0]);
	return buf;
}

/* Modern tools/call: the headers, then the body. */
static inline const char *
ts_call(const char *host, const char *lines, const char *tool, const char *arguments)
{
	static char head[4096];
	static char body[8192];

	snprintf(head, sizeof head, "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: %s\r\n%s", tool, lines);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\",\"arguments\":%s,"
	    TS_META "}}", tool, arguments);
	return ts_post_to("/mcp", host, head, body);
}

#endif
