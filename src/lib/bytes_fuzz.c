/*
 * Whatever a client sends to a small server, as HTTP or as lines, in two arrivals and with time between them: what comes back
 * is a row of well-formed answers, or of whole lines of JSON, and no token is in it.
 */
#include <sallyport/sallyport.h>

#include "base/log.h"
#include "wire/http1.h"
#include "wire/json.h"

#include <assert.h>
#include <stdlib.h>

enum { OUT_MAX = 4 << 20 };

#define TOKEN "fuzz-token-0123456789"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct sp_server *server;
static char out[OUT_MAX];

static void
echo(struct sp_context *ctx, void *arg)
{
	const char *text = sp_arg_text(ctx, "text");

	sp_progress(ctx, 1, 2, text);
	sp_message(ctx, SP_LOG_ERROR, "echo", "\"a\\nb\"");
	sp_return_text(ctx, text == NULL ? "nothing" : text);
}

static enum sp_auth_verdict
any_token(struct sp_auth_context *auth, void *arg)
{
	const char *token = sp_auth_context_token(auth);

	if (token == NULL)
		return sp_authorization_error(auth, "a key, please");
	return sp_same_secret(TOKEN, token) ? SP_VERDICT_ALLOW : SP_VERDICT_DENY;
}

static void
start(void)
{
	static const char *const scopes[] = { "read", NULL };
	static const struct sp_token_entry tokens[] = {
		{ .token = TOKEN, .client_id = "fuzz", .scopes = scopes }, { .client_id = NULL }
	};

	sp_log_to(NULL, NULL);
	server = sp_server_new(.name = "fuzz", .version = "1", .url = "http://localhost/mcp", .max_body = 65536,
	    .auth = sp_remote_auth_provider(.token_verifier = sp_token_verifier_static(.tokens = tokens),
	        .authorization_servers = SP_LIST("https://id.example")));
	assert(server != NULL);
	sp_tool(server, .name = "echo", .handler = echo, .auth = SP_ANYONE, .input_schema = "{\"type\":\"object\"}");
	sp_tool(server, .name = "read", .handler = echo, .auth = sp_require_scopes("read"));
	sp_tool(server, .name = "key", .handler = echo, .auth = sp_auth_check("key", any_token, NULL));
	sp_resource(server, .uri = "doc://a", .name = "a", .handler = echo, .auth = SP_ANYONE);
	sp_resource(server, .uri_template = "doc://{x}", .name = "t", .handler = echo, .auth = SP_ANYONE);
	sp_prompt(server, .name = "hello", .handler = echo, .auth = SP_ANYONE);
}

static void
check_http(sp_slice got)
{
	static struct sp_http1 h;
	enum sp_http_step step;
	bool last = false;

	sp_http_init(&h, SP_HTTP_RESPONSE, (struct sp_http_limits){ 65536, OUT_MAX });
	while (sp_take(&got, SP_LIT("HTTP/1.1 100 Continue\r\n\r\n")))
		;
	while (got.n != 0) {
		assert(!last);
		do
			step = sp_http_read(&h, &got);
		while (step == SP_HTTP_BODY || step == SP_HTTP_HEAD);
		assert(step != SP_HTTP_BAD || h.head.minor == 0 || got.n != 0);
		/* The answer to HEAD ends after its head, and we do not know here which those are. */
		if (step != SP_HTTP_END)
			return;
		last = !h.head.keep_alive;
		sp_http_next(&h);
	}
}

static void
check_lines(sp_slice got)
{
	sp_slice line;

	while (sp_take_to(&got, '\n', &line)) {
		SP_AUTO(sp_json_free) struct sp_json json = { 0 };
		struct sp_err e;

		assert(sp_json_read(line, SP_JSON_DEFAULT, &json, &e) == SP_OK);
	}
	assert(got.n == 0);
}

static sp_slice
take(struct sp_bytes *b, size_t from)
{
	size_t part;

	while (from < OUT_MAX && (part = sp_bytes_take(b, out + from, OUT_MAX - from)) != 0)
		from += part;
	return sp_mem(out, from);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sp_clock now = { .now_ms = 1000, .now_s = 1800000000 };
	enum sp_bytes_kind kind;
	struct sp_bytes *b;
	struct sp_error e;
	sp_slice got;
	size_t cut;

	if (server == NULL)
		start();
	if (n < 2 || n > 60000)
		return 0;
	kind = (data[0] & 1) != 0 ? SP_BYTES_HTTP : SP_BYTES_STDIO;
	cut = 2 + data[1] * (n - 2) / 256;
	b = sp_bytes_open(server, kind, (data[0] & 2) != 0 ? "192.0.2.1" : NULL, now, &e);
	assert(b != NULL);
	(void)sp_bytes_feed(b, data + 2, cut - 2, now);
	got = take(b, 0);
	now.now_ms += (data[0] & 4) != 0 ? 12000 : 20;
	(void)sp_bytes_tick(b, now);
	(void)sp_bytes_feed(b, data + cut, n - cut, now);
	if ((data[0] & 8) != 0)
		sp_list_changed(server, SP_COMPONENT_IS_TOOL);
	if ((data[0] & 16) != 0)
		sp_bytes_end(b, now);
	(void)sp_bytes_tick(b, now);
	got = take(b, got.n);
	assert(sp_find(got, SP_LIT(TOKEN)) == SIZE_MAX || sp_find(sp_mem(data, n), SP_LIT(TOKEN)) != SIZE_MAX);
	if (kind == SP_BYTES_HTTP)
		check_http(got);
	else
		check_lines(got);
	sp_bytes_close(b);
	return 0;
}
