/* Calls to an MCP upstream that the test plays, in both eras. */
#include "egress/mcpworld.h"

static void
want_whole(const char *name, struct mw *u, uint32_t id, const char *part)
{
	want_text(name, &u->w, id, part);
	if (pw_reply(&u->w, id)->kind != SP_RESULT_WHOLE)
		fail_msg("%s: kind %u: %.300s", name, pw_reply(&u->w, id)->kind, pw_text(&u->w, id));
}

static void
want_in(const char *name, const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("%s: no %s in: %.600s", name, part, text);
}

static void
want_not_in(const char *name, const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("%s: %s in: %.600s", name, part, text);
}

/* --- both eras */

static void
test_modern_call(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, true);
	assert_int_equal(u.w.notes.catalogs, 1);
	assert_int_equal(u.w.notes.last.known, 1);
	want_in("catalogue", u.w.notes.catalog.p, "\"name\":\"echo\"");
	id = mw_call(&u, SP_MCP_TOOLS_CALL, "echo", "{\"text\":\"hi\",\"region\":\"K\xc3\xb6ln\"}");
	assert_true(mw_serve(&u));
	want_in("request", u.rq.head, "MCP-Protocol-Version: 2026-07-28\r\n");
	want_in("request", u.rq.head, "Mcp-Method: tools/call\r\n");
	want_in("request", u.rq.head, "Mcp-Name: echo\r\n");
	want_in("request", u.rq.head, "Mcp-Param-Region: =?base64?S8O2bG4=?=\r\n");
	want_in("request", u.rq.head, "Accept: application/json, text/event-stream\r\n");
	want_in("request", u.rq.head, "Authorization: Bearer " TW_KEY "\r\n");
	want_not_in("request", u.rq.head, "Session");
	want_in("request", u.rq.body, "\"name\":\"echo\",\"arguments\":{\"text\":\"hi\",\"region\":\"K\xc3\xb6ln\"}");
	want_in("request", u.rq.body, "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"");
	want_in("request", u.rq.body, "\"io.modelcontextprotocol/clientCapabilities\":{}");
	want_not_in("no progress was asked for", u.rq.body, "progressToken");
	/* Parity 73: whatever the caller sent as a credential stays here. */
	want_not_in("73", u.rq.head, TW_TOKEN);
	want_not_in("73", u.rq.body, TW_TOKEN);
	mw_result(&u, "result", MW_HI);
	want_whole("answer", &u, id, "\"text\":\"hi\"");
	want_outcome("audit", &u.w, SP_DONE, 200);
	mw_close(&u);
}

static void
test_legacy_call(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	assert_int_equal(u.sessions, 1);
	assert_int_equal(u.initialized, 1);
	assert_int_equal(u.w.notes.last.known, 1);
	assert_string_equal(u.w.notes.instructions, "be kind");
	id = mw_echo(&u);
	assert_true(mw_serve(&u));
	assert_int_equal(u.sessions, 2);	/* one of the caller's own */
	want_in("request", u.rq.head, "MCP-Protocol-Version: 2025-11-25\r\n");
	want_in("request", u.rq.head, "Mcp-Session-Id: s-2\r\n");
	want_not_in("request", u.rq.head, "Mcp-Method");
	want_not_in("request", u.rq.body, "_meta");
	mw_result(&u, "result", MW_HI);
	want_whole("answer", &u, id, "\"text\":\"hi\"");
	mw_close(&u);
}

/* Every method, its params and its answer. */
static void
test_methods(void **state)
{
	static const struct {
		const char *name;
		enum sp_mcp_method method;
		const char *about, *args, *want_method, *want_body, *result;
	} rows[] = {
		{ "E14 read", SP_MCP_RESOURCES_READ, "mem://a", "", "resources/read", "\"params\":{\"uri\":\"mem://a\"",
		    "{\"contents\":[{\"uri\":\"mem://a\",\"text\":\"t\"}]}" },
		{ "E14 get", SP_MCP_PROMPTS_GET, "greet", "{\"who\":\"x\"}", "prompts/get",
		    "\"params\":{\"name\":\"greet\",\"arguments\":{\"who\":\"x\"}",
		    "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"t\"}}]}" },
		{ "E14 complete a prompt", SP_MCP_COMPLETE, "greet",
		    "{\"argument\":{\"name\":\"who\",\"value\":\"a\"}}",
		    "completion/complete", "\"params\":{\"ref\":{\"type\":\"ref/prompt\",\"name\":\"greet\"},"
		    "\"argument\":{\"name\":\"who\",\"value\":\"a\"}", "{\"completion\":{\"values\":[\"ab\"]}}" },
		{ "E14 complete a template", SP_MCP_COMPLETE, "mem://t/{x}",
		    "{\"argument\":{\"name\":\"x\",\"value\":\"a\"}}",
		    "completion/complete", "{\"type\":\"ref/resource\",\"uri\":\"mem://t/{x}\"}", "{\"completion\":{\"values\":[]}}" },
	};

	for (unsigned modern = 0; modern < 2; modern++)
		for (size_t i = 0; i < SP_COUNT(rows); i++) {
			struct mw u;
			uint32_t id;

			mw_open(&u, modern != 0);
			id = mw_call(&u, rows[i].method, rows[i].about, rows[i].args);
			if (!mw_serve(&u))
				fail_msg("%s: nothing was asked: %s", rows[i].name, pw_text(&u.w, id));
			want_in(rows[i].name, u.rq.body, rows[i].want_method);
			want_in(rows[i].name, u.rq.body, rows[i].want_body);
			mw_result(&u, "result", rows[i].result);
			want_whole(rows[i].name, &u, id, "{");
			mw_close(&u);
		}
}

static void
test_refused(void **state)
{
	static const struct { const char *name; enum sp_mcp_method method; const char *about; enum sp_status want; } rows[] = {
		{ "E01 not in the catalogue", SP_MCP_TOOLS_CALL, "nothing", SP_E_DENIED },
		{ "E04 other case", SP_MCP_TOOLS_CALL, "Echo", SP_E_DENIED },
		{ "E04 with its prefix", SP_MCP_TOOLS_CALL, "wiki_echo", SP_E_DENIED },
		{ "E01 a rule denies it", SP_MCP_TOOLS_CALL, "hidden_one", SP_E_DENIED },
		{ "E14 a prompt by a tool's name", SP_MCP_PROMPTS_GET, "echo", SP_E_DENIED },
		{ "E14 a resource that a rule denies", SP_MCP_RESOURCES_READ, "mem://secret/x", SP_E_DENIED },
		{ "E14 subscribe to it", SP_MCP_SUBSCRIBE, "mem://secret/x", SP_E_DENIED },
		{ "E14 complete something unknown", SP_MCP_COMPLETE, "nothing", SP_E_DENIED },
	};
	struct mw u;

	mw_open(&u, true);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		uint32_t id = mw_call(&u, rows[i].method, rows[i].about, "{}");

		if (mw_serve(&u) || pw_reply(&u.w, id)->error != (uint32_t)rows[i].want)
			fail_msg("%s: %u %s", rows[i].name, pw_reply(&u.w, id)->error, pw_text(&u.w, id));
	}
	/* A token that is none; arguments that the schema refuses. */
	assert_int_equal(pw_reply(&u.w, mw_call_full(&u, (struct sp_m_call){ .method = SP_MCP_TOOLS_CALL,
	    .name = SP_LIT("echo") }, "spt_nobody0000000000000000000000000000000000000", "{}"))->error, SP_E_BAD_TOKEN);
	want_error("schema", &u.w, mw_call(&u, SP_MCP_TOOLS_CALL, "echo", "{\"text\":7}"), "arguments");
	assert_false(u.w.front_lost);
	mw_close(&u);
}

/* --- events */

#define PROGRESS "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":%llu,\"progress\":%d}}"
#define MESSAGE "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"%s\",\"data\":\"%s\"}}"

static void
test_events(void **state)
{
	for (unsigned modern = 0; modern < 2; modern++) {
		struct mw u;
		uint32_t id;

		mw_open(&u, modern != 0);
		id = mw_call_full(&u, (struct sp_m_call){ .method = SP_MCP_TOOLS_CALL, .name = SP_LIT("echo"), .progress = 1,
		    .log_level = 4 }, TW_TOKEN, "{}");
		assert_true(mw_serve(&u));
		if (!modern) {
			want_in("level first", u.rq.body, "\"method\":\"logging/setLevel\",\"params\":{\"level\":\"warning\"}");
			mw_result(&u, "result", "{}");
			assert_true(mw_serve(&u));
		} else {
			want_in("level", u.rq.body, "\"io.modelcontextprotocol/logLevel\":\"warning\"");
		}
		want_in("token", u.rq.body, "\"progressToken\":");
		mw_events(&u);
		mw_event(&u, u.rq.conn, PROGRESS, (unsigned long long)u.rq.id, 1);
		mw_event(&u, u.rq.conn, PROGRESS, (unsigned long long)u.rq.id + 1, 777);	/* O16: of nobody */
		mw_event(&u, u.rq.conn, PROGRESS, (unsigned long long)u.rq.id - 1, 778);
		mw_event(&u, u.rq.conn, MESSAGE, "info", "too quiet");
		mw_event(&u, u.rq.conn, MESSAGE, "error", "loud");
		mw_event(&u, u.rq.conn, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":{\"content\":[]}}",
		    (unsigned long long)u.rq.id + 1);				/* O16: an answer to another */
		assert_false(pw_reply(&u.w, id)->done);
		mw_event(&u, u.rq.conn, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":" MW_HI "}", (unsigned long long)u.rq.id);
		want_whole("answer", &u, id, "\"text\":\"hi\"");
		want_in("progress", mw_notes(&u), "\"progress\":1");
		want_in("message", mw_notes(&u), "loud");
		want_not_in("O16 progress of another id", mw_notes(&u), "77");
		want_not_in("below the level", mw_notes(&u), "quiet");
		want_not_in("own token", mw_notes(&u), "progressToken");
		assert_int_equal(u.w.notes.nnotes, 2);
		mw_events_end(&u, u.rq.conn);
		mw_close(&u);
	}
}

/* The same stream, cut everywhere. */
static void
test_splits(void **state)
{
	struct mw u;
	char text[512];

	mw_open(&u, true);
	for (size_t cut = 1; cut < 100; cut++) {
		uint32_t id = mw_echo(&u);

		assert_true(mw_serve(&u));
		(void)snprintf(text, sizeof text, ": comment\r\n\r\nid: 1\ndata:\n\nevent: message\rdata: {\"jsonrpc\":\"2.0\",\r"
		    "data:\"id\":%llu,\r\ndata: \"result\":{\"content\":[]}}\n\n", (unsigned long long)u.rq.id);
		mw_events(&u);
		for (size_t at = 0; at < strlen(text); at += cut) {
			char piece[128];

			(void)snprintf(piece, sizeof piece, "%.*s", (int)cut, text + at);
			mw_chunk(&u, u.rq.conn, piece);
		}
		mw_events_end(&u, u.rq.conn);
		want_whole("split", &u, id, "content");
	}
	assert_true(u.w.nup < 5);		/* a stream that ended well leaves its connection */
	mw_close(&u);
}

/* What an upstream may not get back to the client: the secret, in any form, in any place. */
static void
test_secrets(void **state)
{
	static const struct { const char *name, *body; } rows[] = {
		{ "M13 as is", "{\"content\":[{\"type\":\"text\",\"text\":\"key " TW_KEY "!\"}]}" },
		{ "M13 base64", "{\"content\":[{\"type\":\"text\",\"text\":\"azN5LTlmOGU3ZDZjNWI0YTM5Mjg=\"}]}" },
		{ "M13 escaped", "{\"content\":[{\"type\":\"text\",\"text\":\"\\u006b3y-9f8e7d6c5b4a3928\"}]}" },
		{ "M13 a name", "{\"content\":[],\"structuredContent\":{\"" TW_KEY "\":1}}" },
		{ "M13 hex", "{\"content\":[{\"type\":\"text\",\"text\":\"6b33792d39663865376436633562346133393238\"}]}" },
	};

	for (unsigned sse = 0; sse < 2; sse++)
		for (size_t i = 0; i < SP_COUNT(rows); i++) {
			struct mw u;
			uint32_t id;

			mw_open(&u, true);
			id = mw_call_full(&u, (struct sp_m_call){ .method = SP_MCP_TOOLS_CALL, .name = SP_LIT("echo"), .progress = 1,
			    .log_level = 1 }, TW_TOKEN, "{}");
			assert_true(mw_serve(&u));
			if (sse) {
				char text[256];

				/* Over two chunks of one event, and in a notification. */
				mw_events(&u);
				mw_event(&u, u.rq.conn, MESSAGE, "error", "it is " TW_KEY);
				(void)snprintf(text, sizeof text, "data: {\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":", (unsigned long long)u.rq.id);
				mw_chunk(&u, u.rq.conn, text);
				for (size_t at = 0; at < strlen(rows[i].body); at += 9) {
					(void)snprintf(text, sizeof text, "%.9s", rows[i].body + at);
					mw_chunk(&u, u.rq.conn, text);
				}
				mw_chunk(&u, u.rq.conn, "}\n\n");
				want_not_in(rows[i].name, mw_notes(&u), TW_KEY);
			} else {
				mw_result(&u, "result", rows[i].body);
			}
			assert_true(pw_reply(&u.w, id)->done);
			want_not_in(rows[i].name, pw_text(&u.w, id), "9f8e7d6c5b4a3928");
			want_not_in(rows[i].name, pw_text(&u.w, id), "azN5LTlmOGU3ZDZjNWI0YTM5Mjg");
			want_not_in(rows[i].name, pw_text(&u.w, id), "6b33792d3966386537643663");
			assert_true(saw_incident(&u.w));
			mw_close(&u);
		}
}

/* --- errors */

static void
test_errors(void **state)
{
	static const struct { const char *name, *status, *body; bool tool_error; const char *part; } rows[] = {
		{ "an error of the protocol", "200 OK", "{\"jsonrpc\":\"2.0\",\"id\":#,\"error\":{\"code\":-32602,\"message\":\"no\"}}",
		    false, "-32602" },
		{ "with a status of its own", "400 Bad Request",
		    "{\"jsonrpc\":\"2.0\",\"id\":#,\"error\":{\"code\":-32602,\"message\":\"no\"}}", false, "-32602" },
		{ "M12 401", "401 Unauthorized", "{\"error\":\"" TW_KEY "\"}", true, "refused the gateway's credential" },
		{ "M12 403", "403 Forbidden", "", true, "refused the gateway's credential" },
		{ "500", "500 Internal Server Error", "", true, "status 500" },
		{ "M10 a redirect", "302 Found", "", true, "redirect" },
		{ "no answer in it", "200 OK", "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}", true, "outcome is unknown" },
		{ "noise", "200 OK", "hello", true, "outcome is unknown" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char body[512];
		struct mw u;
		uint32_t id;

		mw_open(&u, true);
		id = mw_echo(&u);
		assert_true(mw_serve(&u));
		(void)snprintf(body, sizeof body, "%.*s%llu%s", (int)strcspn(rows[i].body, "#"), rows[i].body,
		    (unsigned long long)u.rq.id, strchr(rows[i].body, '#') == NULL ? "" : strchr(rows[i].body, '#') + 1);
		if (strchr(rows[i].body, '#') == NULL)
			(void)snprintf(body, sizeof body, "%s", rows[i].body);
		mw_json(&u, rows[i].status, "WWW-Authenticate: Bearer realm=\"upstream\"\r\n", body);
		if (!rows[i].tool_error && pw_reply(&u.w, id)->kind != SP_RESULT_ERROR)
			fail_msg("%s: %s", rows[i].name, pw_text(&u.w, id));
		if (rows[i].tool_error)
			want_error(rows[i].name, &u.w, id, rows[i].part);
		want_text(rows[i].name, &u.w, id, rows[i].part);
		want_not_in(rows[i].name, pw_text(&u.w, id), "realm");
		mw_close(&u);
	}
}

/* A resource has no result that says isError. */
static void
test_error_of_resource(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, true);
	id = mw_call(&u, SP_MCP_RESOURCES_READ, "mem://a", "");
	assert_true(mw_serve(&u));
	mw_json(&u, "500 Internal Server Error", "", "");
	assert_int_equal(pw_reply(&u.w, id)->kind, SP_RESULT_ERROR);
	want_text("read", &u.w, id, "{\"code\":-32603,\"message\":\"the upstream answered with HTTP status 500\"}");
	mw_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modern_call), cmocka_unit_test(test_legacy_call), cmocka_unit_test(test_methods),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_events), cmocka_unit_test(test_splits),
		cmocka_unit_test(test_secrets), cmocka_unit_test(test_errors), cmocka_unit_test(test_error_of_resource),
	};

	return cmocka_run_group_tests(tests, tw_secrets, tw_secrets_end);
}
