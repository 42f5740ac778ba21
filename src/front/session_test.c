/* Sessions of the legacy era: who may use one, how it ends, what is cancelled by it. */
#include "front/testkeeper.h"

#define RD TW_AS(TW_READER)
#define AD TW_AS(TW_ADMIN)
#define INIT TW_RPC("initialize", "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"sampling\":{}}")
#define PING TW_RPC("ping", "")

static struct world w;
static struct sp_testkey *key;
static char mine[512];

static void
begin(const struct ti_options *o)
{
	tw_open(&w, o);
	key = tk_key(&w);
	tk_open(&w, key, RD, mine, sizeof mine);
}

static void
finish(void)
{
	sp_testkey_free(&key);
	tw_close(&w);
}

/* Answer to a ping with these lines and this session. */
static sp_slice
ping(const char *lines, const char *session, bool *closed)
{
	static char all[80000];

	snprintf(all, sizeof all, "%sMcp-Session-Id: %s\r\n", lines, session);
	return tw_ask(&w, tw_post(all, PING), closed);
}

static void
expect(const char *name, sp_slice got, const char *status, const char *has)
{
	char line[32];

	snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
	if (!sp_starts(got, sp_str(line)) || (has != NULL && !tw_has(got, has)))
		fail_msg("%s:\n%.*s", name, (int)got.n, got.p);
}

static const char *
body_of(sp_slice got)
{
	const char *end = strstr(got.p, "\r\n\r\n");

	return end == NULL ? "" : end + 4;
}

static void
test_whose(void **state)
{
	static char text[2048], unknown[256], big[66000];
	struct sp_testkey *other;
	bool closed;
	size_t n;

	begin(&(struct ti_options){ 0 });
	expect("its own", ping(RD, mine, &closed), "200", "\"result\":{}");
	expect("again, remembered", ping(RD TW_LEGACY, mine, &closed), "200", "\"result\":{}");
	tk_session(&w, key, -1, 2, text, sizeof text);
	snprintf(unknown, sizeof unknown, "%s", body_of(ping(RD, text, &closed)));
	expect("expired", ping(RD, text, &closed), "404", "unknown session");
	expect("E21 parity 11 another's", ping(AD, mine, &closed), "404", "unknown session");
	assert_string_equal(body_of(ping(AD, mine, &closed)), unknown);
	expect("E22 guessed", ping(RD, "AAAAAAAA", &closed), "404", unknown);
	expect("E22 not base64", ping(RD, "a b*c", &closed), "404", unknown);
	expect("E22 empty", ping(RD, "", &closed), "404", unknown);
	expect("E22 not ASCII", ping(RD, "\xc3\xa9", &closed), "404", unknown);
	expect("E22 CR LF", ping(RD, "a\r b", &closed), "400", NULL);
	memset(big, 'A', 400);
	expect("E22 400 characters", ping(RD, big, &closed), "404", unknown);
	memset(big, 'A', sizeof big - 1);
	expect("E22 64 KiB", ping(RD, big, &closed), "431", NULL);
	snprintf(text, sizeof text, "%s", mine);
	n = strlen(text);
	for (size_t i = 0; i < n; i += 7) {
		text[i] = text[i] == 'A' ? 'B' : 'A';
		expect("one character changed", ping(RD, text, &closed), "404", unknown);
		text[i] = mine[i];
	}
	other = sp_testkey_new(SP_EDDSA, 0);
	tk_session(&w, other, 60, 2, text, sizeof text);
	expect("signed by somebody else", ping(RD, text, &closed), "404", unknown);
	sp_testkey_free(&other);
	tk_session(&w, key, 60, 3, text, sizeof text);
	expect("of an era without sessions", ping(RD, text, &closed), "404", unknown);
	snprintf(text, sizeof text, RD "Mcp-Session-Id: x\r\n");
	expect("sent twice", ping(text, mine, &closed), "400", "sent twice");
	expect("of another revision", ping(RD "MCP-Protocol-Version: 2025-06-18\r\n", mine, &closed), "400", "not the session's");
	expect("no credential comes first", ping("", mine, &closed), "401", NULL);
	expect("modern requests ignore it", tw_ask(&w, tw_post(RD TW_MODERN("server/discover") "Mcp-Session-Id: nothing\r\n",
	    TW_RPC("server/discover", TW_META)), &closed), "200", "supportedVersions");
	finish();
}

/* B17, E21: a session is of one resource; at another it is one that never was. */
static void
test_resource(void **state)
{
	static char text[2048], there[512], unknown[256];
	bool closed;

	begin(&(struct ti_options){ .mcp = 1, .alone = 1 });
	snprintf(unknown, sizeof unknown, "%s", body_of(ping(RD, "AAAAAAAA", &closed)));
	snprintf(text, sizeof text, RD "Mcp-Session-Id: %s\r\n", mine);
	expect("where it is from", tw_ask(&w, tw_post(text, PING), &closed), "200", "\"result\":{}");
	expect("elsewhere", tw_ask(&w, tw_post_to("/alone", text, PING), &closed), "404", unknown);
	snprintf(text, sizeof text, "DELETE /alone HTTP/1.1\r\nHost: localhost:8420\r\n" RD "Mcp-Session-Id: %s\r\n\r\n", mine);
	expect("nor can it be ended there", tw_ask(&w, text, &closed), "404", unknown);
	snprintf(text, sizeof text, "GET /alone HTTP/1.1\r\nHost: localhost:8420\r\nAccept: text/event-stream\r\n" RD
	    "Mcp-Session-Id: %s\r\n\r\n", mine);
	expect("nor listened to", tw_ask(&w, text, &closed), "404", unknown);
	expect("it lives", ping(RD, mine, &closed), "200", "\"result\":{}");
	assert_true(tw_has(tw_ask(&w, tw_post_to("/alone", RD, INIT), &closed), "Mcp-Session-Id: "));
	(void)tk_session(&w, key, 60, SP_MCP_2025_11_25, there, sizeof there);
	expect("and the other way round", ping(RD, there, &closed), "404", unknown);
	finish();
}

static void
test_keeper(void **state)
{
	bool closed;
	int fd;

	tw_open(&w, &(struct ti_options){ 0 });
	expect("no key yet", ping(RD, "AAAA", &closed), "503", "Retry-After");
	w.silent_keeper = true;
	fd = tw_client(&w);
	tw_send(&w, fd, sp_str(tw_post(RD, INIT)));
	assert_int_equal(w.news, 1);
	tw_session(&w, w.last_new, SP_E_UNAVAILABLE, "");
	expect("keeper says no", tw_take(&w, fd, &closed), "503", "Retry-After");
	tw_send(&w, fd, sp_str(tw_post(RD, INIT)));
	sp_chan_free(&w.keeper);
	tw_turn(&w, 6);
	expect("keeper dies", tw_take(&w, fd, &closed), "503", "\"id\":1");
	tw_send(&w, fd, sp_str(tw_post(RD, INIT)));
	expect("keeper is away", tw_take(&w, fd, &closed), "503", "\"id\":1");
	expect("health says so", tw_ask(&w, "GET /healthz HTTP/1.1\r\nHost: localhost:8420\r\n\r\n", &closed), "503", "unavailable");
	tw_keeper(&w);
	tw_token_sync(&w);
	close(fd);
	/* It answers with what could end our head: an offence of keeper's, and nothing of it gets out. */
	tw_token(&w, TW_READER, "ann", "dns:read", "");
	fd = tw_client(&w);
	tw_send(&w, fd, sp_str(tw_post(RD, INIT)));
	tw_session(&w, w.last_new, SP_OK, "a\r\nX: y");
	expect("CR LF of keeper", tw_take(&w, fd, &closed), "503", NULL);
	close(fd);
	tw_close(&w);
}

static void
gone(const char *session)
{
	struct sp_m_session_end m = { .expires_s = sp_now_s() + SP_SESSION_S };

	sp_sha256(sp_str(session), m.session);
	sp_enc_session_end(sp_chan_begin(w.keeper, SP_M_SESSION_GONE), &m);
	sp_chan_end(w.keeper);
	tw_turn(&w, 6);
}

static void
test_end(void **state)
{
	char text[1024], other[512];
	struct sp_m_id ended;
	bool closed;
	int fd;

	begin(&(struct ti_options){ 0 });
	tk_session(&w, key, 600, 2, other, sizeof other);
	fd = tw_client(&w);
	snprintf(text, sizeof text, "DELETE /mcp HTTP/1.1\r\nHost: localhost:8420\r\n" RD "Mcp-Session-Id: %s\r\n\r\n", mine);
	tw_send(&w, fd, sp_str(text));
	assert_int_equal(w.ends, 1);
	assert_int_equal(tw_take(&w, fd, &closed).n, 0);		/* not before every front knows */
	ended.id = w.last_end;
	sp_enc_id(sp_chan_begin(w.keeper, SP_M_SESSION_ENDED), &ended);
	sp_chan_end(w.keeper);
	tw_turn(&w, 6);
	expect("ended", tw_take(&w, fd, &closed), "204", NULL);
	gone(mine);
	tw_send(&w, fd, sp_str(text));
	expect("ended twice", tw_take(&w, fd, &closed), "404", "unknown session");
	close(fd);
	expect("used after its end", ping(RD, mine, &closed), "404", "unknown session");
	expect("others live", ping(RD, other, &closed), "200", NULL);
	/* Very many that are over: bounded, and never forgotten before their time. */
	for (uint32_t i = 0; i < 3 * SP_SESSIONS_GONE; i++) {
		uint8_t name[32] = { 0 };

		memcpy(name, &i, sizeof i);
		sp_session_gone(&w.f.sessions, name, sp_now_s() + 1000 + i % 1000, sp_now_s());
	}
	assert_true(w.f.sessions.cap <= 2 * SP_SESSIONS_GONE);
	expect("still over", ping(RD, mine, &closed), "404", "unknown session");
	expect("those that end before the floor are over too", ping(RD, other, &closed), "404", "unknown session");
	finish();
}

static int
call(const char *id, const char *session)
{
	char lines[1024], body[256];
	int fd = tw_client(&w);

	snprintf(lines, sizeof lines, RD "Mcp-Session-Id: %s\r\n", session);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"tools/call\",\"params\":{\"name\":\"dns_list\"}}", id);
	tw_send(&w, fd, sp_str(tw_post(lines, body)));
	return fd;
}

static void
cancel(const char *id, const char *session)
{
	char lines[1024], body[256];
	bool closed;

	snprintf(lines, sizeof lines, RD "Mcp-Session-Id: %s\r\n", session);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":%s}}", id);
	expect("cancelled", tw_ask(&w, tw_post(lines, body), &closed), "202", NULL);
}

/* O16, E15, L09: only one's own calls, by the ids of one's own session. */
static void
test_cancel(void **state)
{
	struct sp_m_call_error m = { .status = SP_E_CANCELLED };
	char other[512];
	sp_slice got;
	bool closed;
	int fd;

	begin(&(struct ti_options){ 0 });
	w.auto_result = NULL;
	tk_session(&w, key, 600, 2, other, sizeof other);
	fd = call("7", mine);
	assert_true(w.calls[0].session == 32 && strcmp(w.calls[0].rpc_id, "7") == 0);
	cancel("7", other);
	cancel("\"7\"", mine);
	tw_turn(&w, 6);
	assert_false(w.calls[0].cancelled);
	assert_int_equal(w.annuls, 2);		/* another front may have it */
	cancel("7", mine);
	tw_turn(&w, 6);
	assert_true(w.calls[0].cancelled);
	assert_int_equal(w.annuls, 2);
	got = tw_take(&w, fd, &closed);
	expect("ends without an answer", got, "200", "text/event-stream");
	assert_true(sp_ends(got, SP_LIT("\r\n\r\n0\r\n\r\n")));
	assert_false(closed);
	close(fd);
	/* By way of another front: egress says so. */
	fd = call("8", mine);
	m.id = w.calls[1].id;
	sp_enc_call_error(sp_chan_begin(w.egress, SP_M_CALL_ERROR), &m);
	sp_chan_end(w.egress);
	got = tw_take(&w, fd, &closed);
	assert_true(sp_ends(got, SP_LIT("\r\n\r\n0\r\n\r\n")) && tw_has(got, "text/event-stream"));
	close(fd);
	/* A response that nobody asked for. */
	expect("L09", tw_ask(&w, tw_post(RD TW_LEGACY, "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"action\":\"accept\"}}"), &closed),
	    "202", NULL);
	assert_false(w.egress_lost);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whose), cmocka_unit_test(test_resource), cmocka_unit_test(test_keeper), cmocka_unit_test(test_end),
		cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
