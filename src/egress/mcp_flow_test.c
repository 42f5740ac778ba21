/* Calls that are cancelled, resumed, renewed; changes, and who is told of them. */
#include "egress/mcpworld.h"
#include "image/image.h"

static void
want_in(const char *name, const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("%s: no %s in: %.600s", name, part, text);
}

static void
want_cancelled(const char *name, struct mw *u)
{
	struct sp_audit_record r = { 0 };

	while (pw_record(&u->w, &r))
		if (r.kind == SP_AUDIT_OUTCOME) {
			assert_int_equal(r.outcome, SP_UNKNOWN_OUTCOME);
			assert_string_equal(r.note, "cancelled");
			return;
		}
	fail_msg("%s: no outcome", name);
}

/* --- cancelling */

static void
send_cancel(struct mw *u, uint32_t id)
{
	struct sp_m_id m = { id };

	sp_enc_id(sp_chan_begin(u->w.front, SP_M_CANCEL), &m);
	sp_chan_end(u->w.front);
	pw_turn(&u->w, 6);
}

static void
send_annul(struct mw *u, const char *session, const char *rpc_id)
{
	struct sp_m_annul m = { .rpc_id = sp_str(rpc_id) };

	memcpy(m.session, session, sizeof m.session);
	sp_enc_annul(sp_chan_begin(u->w.front, SP_M_ANNUL), &m);
	sp_chan_end(u->w.front);
	pw_turn(&u->w, 6);
}

static struct sp_m_call
of_session(enum sp_mcp_method method, const char *name, const char *session, const char *rpc_id)
{
	return (struct sp_m_call){ .method = (uint32_t)method, .name = sp_str(name), .era = SP_ERA_LEGACY,
	    .session = sp_str(session), .rpc_id = sp_str(rpc_id) };
}

static void
test_cancel_modern(void **state)
{
	struct mw u;
	uint32_t id;
	unsigned conn;

	mw_open(&u, true);
	id = mw_echo(&u);
	assert_true(mw_serve(&u));
	conn = u.rq.conn;
	mw_events(&u);
	send_cancel(&u, id);
	assert_true(pw_is_closed(&u.w, conn));		/* that is how it is said */
	assert_false(mw_serve(&u));
	assert_false(pw_reply(&u.w, id)->done);
	want_cancelled("modern", &u);
	mw_close(&u);
}

static void
test_cancel_legacy(void **state)
{
	char want[64];
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	id = mw_call_full(&u, of_session(SP_MCP_TOOLS_CALL, "echo", MW_SESSION, "\"r1\""), TW_TOKEN, "{}");
	assert_true(mw_serve(&u));
	(void)snprintf(want, sizeof want, "\"params\":{\"requestId\":%llu}", (unsigned long long)u.rq.id);
	/* O16: another session, or another request, is nobody's to cancel. */
	send_annul(&u, MW_SESSION2, "\"r1\"");
	send_annul(&u, MW_SESSION, "\"r2\"");
	send_annul(&u, MW_SESSION, "1");
	assert_false(mw_serve(&u));
	assert_false(pw_reply(&u.w, id)->done);
	send_annul(&u, MW_SESSION, "\"r1\"");
	assert_int_equal(pw_reply(&u.w, id)->error, SP_E_CANCELLED);
	assert_true(mw_serve(&u));
	want_in("legacy", u.rq.body, "\"method\":\"notifications/cancelled\"");
	want_in("our id, not the client's", u.rq.body, want);
	want_in("its session", u.rq.head, "Mcp-Session-Id: s-2\r\n");
	want_cancelled("legacy", &u);
	mw_close(&u);
}

/* Before anything was sent. */
static void
test_cancel_early(void **state)
{
	struct mw u;
	uint32_t id;

	mw_start(&u, false);
	mw_sync(&u);
	id = mw_call_full(&u, of_session(SP_MCP_TOOLS_CALL, "echo", MW_SESSION, "5"), TW_TOKEN, "{}");
	send_annul(&u, MW_SESSION, "5");
	assert_int_equal(pw_reply(&u.w, id)->error, SP_E_CANCELLED);
	assert_false(mw_serve(&u));
	mw_close(&u);
}

static void
test_late(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	id = mw_call_full(&u, (struct sp_m_call){ .method = SP_MCP_TOOLS_CALL, .name = SP_LIT("echo"), .deadline_ms = 200 },
	    TW_TOKEN, "{}");
	assert_true(mw_serve(&u));
	(void)mw_serve_for(&u, 500);
	want_error("late", &u.w, id, "the upstream did not answer in time; the outcome is unknown");
	want_in("and it is told", u.rq.body, "notifications/cancelled");
	mw_close(&u);
}

/* --- a stream that ends, and goes on */

static void
test_resume(void **state)
{
	struct mw u;
	uint64_t rpc;
	uint32_t id;

	mw_open(&u, false);
	id = mw_echo(&u);
	assert_true(mw_serve(&u));
	rpc = u.rq.id;
	mw_events(&u);
	mw_chunk(&u, u.rq.conn, "id: ev-1\nretry: 100\ndata:\n\n");
	mw_events_end(&u, u.rq.conn);
	assert_false(pw_reply(&u.w, id)->done);
	assert_true(mw_serve_for(&u, 600));
	assert_string_equal(u.rq.method, "GET");
	want_in("resumed", u.rq.head, "Last-Event-ID: ev-1\r\n");
	want_in("resumed", u.rq.head, "Mcp-Session-Id: s-2\r\n");
	mw_events(&u);
	mw_event(&u, u.rq.conn, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":" MW_HI "}", (unsigned long long)rpc);
	want_text("resumed", &u.w, id, "\"text\":\"hi\"");
	mw_close(&u);
}

/* Without an id there is no way back; and of a way back there is an end. */
static void
test_resume_ends(void **state)
{
	unsigned n = 0;
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	id = mw_echo(&u);
	assert_true(mw_serve(&u));
	mw_events(&u);
	mw_events_end(&u, u.rq.conn);
	want_error("no id", &u.w, id, "the outcome is unknown");
	id = mw_echo(&u);
	assert_true(mw_serve(&u));
	for (;;) {
		mw_events(&u);
		mw_chunk(&u, u.rq.conn, "id: e\nretry: 1\ndata:\n\n");
		mw_events_end(&u, u.rq.conn);
		if (!mw_serve_for(&u, 400))
			break;
		n++;
	}
	assert_int_equal(n, 10);
	want_error("ten times", &u.w, id, "the outcome is unknown");
	mw_close(&u);
}

/* O08: we offer nothing that a server could ask for. */
static void
test_server_requests(void **state)
{
	static const struct { const char *name, *request, *want; } rows[] = {
		{ "O08 elicitation", "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"elicitation/create\",\"params\":{}}",
		    "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"error\":{\"code\":-32601," },
		{ "O08 sampling", "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"sampling/createMessage\",\"params\":{}}",
		    "{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32601," },
		{ "O08 roots", "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"roots/list\"}", "\"id\":0,\"error\":{\"code\":-32601," },
		{ "ping", "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}", "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{}}" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct mw u;
		uint64_t rpc;
		unsigned conn;
		uint32_t id;

		mw_open(&u, false);
		id = mw_echo(&u);
		assert_true(mw_serve(&u));
		rpc = u.rq.id;
		conn = u.rq.conn;
		mw_events(&u);
		mw_event(&u, conn, "%s", rows[i].request);
		assert_true(mw_serve(&u));
		want_in(rows[i].name, u.rq.body, rows[i].want);
		want_in(rows[i].name, u.rq.head, "Mcp-Session-Id: s-2\r\n");
		mw_raw(&u, u.rq.conn, "202 Accepted", "", "");
		mw_event(&u, conn, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":" MW_HI "}", (unsigned long long)rpc);
		want_text(rows[i].name, &u.w, id, "\"text\":\"hi\"");
		mw_close(&u);
	}
}

/* A header that is not what the upstream wants: its definitions are newer. */
static void
test_refetch(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, true);
	id = mw_call(&u, SP_MCP_TOOLS_CALL, "echo", "{\"text\":\"x\"}");
	for (unsigned i = 0; i < 2; i++) {
		char body[160];

		assert_true(mw_serve(&u));
		assert_true(mw_asks(&u, "tools/call"));
		if (i == 1)
			want_in("the newer one", u.rq.head, "Mcp-Param-Text: x\r\n");
		u.tools = "[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\","
		    "\"x-mcp-header\":\"Text\"}}}}]";
		(void)snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"error\":{\"code\":-32020,\"message\":\"header\"}}",
		    (unsigned long long)u.rq.id);
		mw_json(&u, "400 Bad Request", "", body);
	}
	assert_false(mw_serve(&u));
	assert_int_equal(u.lists, 2);		/* once */
	assert_int_equal(pw_reply(&u.w, id)->kind, SP_RESULT_ERROR);
	mw_close(&u);
}

/* The level that a legacy client set for its session. */
static void
test_set_level(void **state)
{
	struct sp_m_call m = of_session(SP_MCP_SET_LEVEL, "", MW_SESSION, "1");
	struct mw u;
	uint32_t id;

	mw_open(&u, true);
	m.log_level = 4;
	id = mw_call_full(&u, m, TW_TOKEN, "");
	want_text("set", &u.w, id, "{}");
	(void)mw_call_full(&u, of_session(SP_MCP_TOOLS_CALL, "echo", MW_SESSION, "2"), TW_TOKEN, "{}");
	assert_true(mw_serve(&u));
	want_in("its session", u.rq.body, "\"io.modelcontextprotocol/logLevel\":\"warning\"");
	(void)mw_call_full(&u, of_session(SP_MCP_TOOLS_CALL, "echo", MW_SESSION2, "2"), TW_TOKEN, "{}");
	assert_true(mw_serve(&u));
	assert_null(strstr(u.rq.body, "logLevel"));
	mw_close(&u);
}

/* --- resources that change */

static void
send_listen(struct mw *u, uint32_t id, const char *session, const char *uris, const char *token)
{
	struct sp_m_listen m = { .id = id, .session = sp_str(session), .token = sp_str(token), .uris = sp_str(uris) };

	sp_enc_listen(sp_chan_begin(u->w.front, SP_M_LISTEN), &m);
	sp_chan_end(u->w.front);
	pw_turn(&u->w, 6);
}

static void
updated(struct mw *u, const char *uri)
{
	mw_event(u, (unsigned)u->watch, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":"
	    "\"%s\"}}", uri);
}

static void
test_subscribe_legacy(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	id = mw_call_full(&u, of_session(SP_MCP_SUBSCRIBE, "mem://a", MW_SESSION, "1"), TW_TOKEN, "");
	want_text("subscribed", &u.w, id, "{}");
	assert_true(mw_serve(&u));
	want_in("asked", u.rq.body, "\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"mem://a\"}");
	want_in("our own session", u.rq.head, "Mcp-Session-Id: s-1\r\n");
	mw_result(&u, "result", "{}");
	/* Another session's is in the union already. */
	(void)mw_call_full(&u, of_session(SP_MCP_SUBSCRIBE, "mem://a", MW_SESSION2, "1"), MW_OTHER, "");
	assert_false(mw_serve(&u));
	/* Nobody listens yet: it waits for them. */
	updated(&u, "mem://a");
	updated(&u, "mem://other");
	assert_int_equal(u.w.notes.nnotes, 0);
	send_listen(&u, 900, MW_SESSION, "", TW_TOKEN);
	assert_int_equal(u.w.notes.nnotes, 1);
	want_in("parked", mw_notes(&u), "900 3 {\"uri\":\"mem://a\"}");
	updated(&u, "mem://a");
	assert_int_equal(u.w.notes.nnotes, 2);
	send_listen(&u, 901, MW_SESSION2, "", MW_OTHER);
	assert_int_equal(u.w.notes.nnotes, 3);
	/* E23: a revocation ends what it was for. */
	pw_token_of(&u.w, TW_TOKEN, "reader");
	(void)mw_call_full(&u, of_session(SP_MCP_UNSUBSCRIBE, "mem://a", MW_SESSION2, "2"), MW_OTHER, "");
	assert_false(mw_serve(&u));
	(void)mw_call_full(&u, of_session(SP_MCP_UNSUBSCRIBE, "mem://a", MW_SESSION, "2"), TW_TOKEN, "");
	assert_true(mw_serve(&u));
	want_in("nobody wants it", u.rq.body, "resources/unsubscribe");
	mw_result(&u, "result", "{}");
	updated(&u, "mem://a");
	assert_int_equal(u.w.notes.nnotes, 3);
	send_cancel(&u, 900);
	mw_close(&u);
}

static void
test_listen_modern(void **state)
{
	struct mw u;

	mw_open(&u, true);
	assert_true(u.watch >= 0);
	send_listen(&u, 900, "", "[\"mem://a\",\"mem://secret/x\",7]", TW_TOKEN);
	/* Another request, and any time a busy machine takes, may come first. */
	for (unsigned i = 0; i < 20 && strstr(u.rq.body, "resourceSubscriptions") == NULL; i++)
		(void)mw_serve_for(&u, 1500);
	want_in("a stream that has it", u.rq.body, "\"resourceSubscriptions\":[\"mem://a\"]");
	updated(&u, "mem://a");
	updated(&u, "mem://secret/x");
	assert_int_equal(u.w.notes.nnotes, 1);
	/* E23: its token is revoked. */
	{
		struct sp_m_hash m;

		sp_sha256(SP_LIT(TW_TOKEN), m.hash);
		sp_enc_hash(sp_chan_begin(u.w.keeper, SP_M_TOKEN_DEL), &m);
		sp_chan_end(u.w.keeper);
		pw_turn(&u.w, 4);
		atomic_fetch_add(&u.w.page.epoch, 1);
	}
	updated(&u, "mem://a");
	assert_int_equal(u.w.notes.nnotes, 1);
	assert_int_equal(pw_reply(&u.w, 900)->error, SP_E_BAD_TOKEN);
	mw_close(&u);
}

static void
test_listen_refused(void **state)
{
	struct mw u;

	mw_open(&u, true);
	send_listen(&u, 900, MW_SESSION, "", "spt_nobody0000000000000000000000000000000000000");
	assert_int_equal(pw_reply(&u.w, 900)->error, SP_E_BAD_TOKEN);
	send_listen(&u, 901, "", "{}", TW_TOKEN);
	assert_int_equal(pw_reply(&u.w, 901)->error, SP_E_UNAVAILABLE);
	/* More URIs than one may have: the rest is not listened to. */
	for (unsigned i = 0; i < 70; i++) {
		char uri[32];
		uint32_t id;

		(void)snprintf(uri, sizeof uri, "mem://%u", i);
		id = mw_call_full(&u, of_session(SP_MCP_SUBSCRIBE, uri, MW_SESSION, "1"), TW_TOKEN, "");
		assert_int_equal(pw_reply(&u.w, id)->error, i < 64 ? 0 : SP_E_RATE);
	}
	mw_close(&u);
}

/* --- keeper's keys */

static void
test_keys(void **state)
{
	struct sp_m_hash key = { { 0 } };
	struct sp_m_keys m = { .authority = 0, .serial = 9, .status = SP_E_UNAVAILABLE };
	struct mw u;

	mw_open(&u, true);
	sp_enc_hash(sp_chan_begin(u.w.keeper, SP_M_STATEMENT_KEY), &key);
	sp_chan_end(u.w.keeper);
	pw_turn(&u.w, 4);
	assert_non_null(u.w.keeper);
	/* Of an authority that this configuration does not have. */
	sp_enc_keys(sp_chan_begin(u.w.keeper, SP_M_KEYS), &m);
	sp_chan_end(u.w.keeper);
	pw_turn(&u.w, 4);
	assert_null(u.w.keeper);
	mw_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel_modern), cmocka_unit_test(test_cancel_legacy), cmocka_unit_test(test_cancel_early),
		cmocka_unit_test(test_late), cmocka_unit_test(test_resume), cmocka_unit_test(test_resume_ends),
		cmocka_unit_test(test_server_requests), cmocka_unit_test(test_refetch), cmocka_unit_test(test_set_level),
		cmocka_unit_test(test_subscribe_legacy), cmocka_unit_test(test_listen_modern),
		cmocka_unit_test(test_listen_refused), cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, tw_secrets, tw_secrets_end);
}
