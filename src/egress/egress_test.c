/* A whole egress against a played front, keeper, dialer and upstream. */
#include "egress/playworld.h"

#include <time.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

/* --- the good way */

static void
test_call(void **state)
{
	struct play w;
	sp_slice req;
	uint32_t id;

	pw_open(&w);
	id = pw_call_full(&w, T_GET, TW_TOKEN, SP_LIT("{\"id\":\"a/b\",\"q\":\"x y\",\"note\":\"n\"}"), SIZE_MAX, 30000);
	req = pw_heard(&w, 0);
	assert_true(sp_starts(req, SP_LIT("GET /v1/items/a%2Fb?q=x%20y HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n")));
	assert_true(sp_find(req, SP_LIT("\r\nX-API-Key: " TW_KEY "\r\n\r\n")) != SIZE_MAX);
	/* M21, design 3: nothing of the caller's */
	assert_true(sp_find(req, SP_LIT(TW_TOKEN)) == SIZE_MAX);
	assert_true(sp_find(req, SP_LIT("Authorization")) == SIZE_MAX);
	pw_say(&w, 0, SP_LIT(OK_HEAD "Content-Length: 9\r\n\r\n{\"ok\":1}\n"));
	assert_string_equal(pw_text(&w, id), "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"ok\\\":1}\\n\"}],\"isError\":false}");
	want_outcome("call", &w, SP_DONE, 200);
	/* The buffer for heads is wiped after sending. */
	sp_out_reset(&w.eg.scratch);
	pw_close(&w);
}

static void
test_post_and_reuse(void **state)
{
	struct play w;
	sp_slice req;
	uint32_t id;

	pw_open(&w);
	for (int i = 0; i < 3; i++) {
		id = pw_call_full(&w, T_POST, TW_TOKEN, SP_LIT("{\"id\":\"7\",\"n\":10000000000000000000001,\"s\":\"x\"}"), SIZE_MAX, 30000);
		req = pw_heard(&w, 0);
		assert_true(sp_starts(req, SP_LIT("POST /v1/items/7 HTTP/1.1\r\n")));
		assert_true(sp_find(req, SP_LIT("\r\nContent-Length: 37\r\n")) != SIZE_MAX);
		assert_true(sp_ends(req, SP_LIT("\r\n\r\n{\"n\":10000000000000000000001,\"s\":\"x\"}")));
		pw_say(&w, 0, SP_LIT("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
		want_text("POST", &w, id, "\"text\":\"abc\"");
	}
	assert_int_equal(w.ndial, 1);
	pw_close(&w);
}

/* --- connections */

static void
test_pool(void **state)
{
	struct play w;
	uint32_t a, b;

	pw_open(&w);
	/* M20: another identity, another connection */
	a = pw_call(&w, T_GET);
	pw_answer(&w, 0, "1");
	b = pw_call(&w, T_BEARER);
	assert_int_equal(w.ndial, 2);
	assert_true(sp_find(pw_heard(&w, 1), SP_LIT("Authorization: Bearer " TW_KEY2)) != SIZE_MAX);
	pw_say(&w, 1, SP_LIT(OK_HEAD "Content-Length: 1\r\n\r\n2"));
	want_text("first", &w, a, "\"text\":\"1\"");
	want_text("second", &w, b, "\"text\":\"2\"");
	/* the same identity, the same connection */
	(void)pw_call(&w, T_GET);
	pw_answer(&w, 0, "3");
	assert_int_equal(w.ndial, 2);
	/* K21: bytes after an answer */
	a = pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 0).n != 0);
	pw_say(&w, 0, SP_LIT(OK_HEAD "Content-Length: 1\r\n\r\n4" OK_HEAD "Content-Length: 6\r\n\r\npoison"));
	want_text("K21 with bytes after it", &w, a, "\"text\":\"4\"");
	assert_true(pw_is_closed(&w, 0));
	/* K21: bytes on an idle connection, that came later */
	(void)pw_call(&w, T_GET);
	pw_answer(&w, 2, "5");
	assert_int_equal(send(w.up[2], "HTTP/1.1 200 OK\r\n", 17, MSG_NOSIGNAL), 17);
	a = pw_call(&w, T_GET);
	assert_true(pw_is_closed(&w, 2));
	pw_answer(&w, 3, "6");
	want_text("K21 after poison on an idle one", &w, a, "\"text\":\"6\"");
	/* Connection: close */
	(void)pw_call(&w, T_GET);
	pw_say(&w, 3, SP_LIT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n7"));
	(void)pw_heard(&w, 3);
	assert_true(pw_is_closed(&w, 3));
	/* Keep-Alive: timeout=1 leaves no second to spare */
	(void)pw_call(&w, T_GET);
	pw_say(&w, 4, SP_LIT("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 1\r\n\r\n8"));
	(void)pw_heard(&w, 4);
	assert_true(pw_is_closed(&w, 4));
	pw_close(&w);
}

static void
sleep_ms(struct play *w, unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
	uv_update_time(&w->loop);
	pw_turn(w, 4);
}

static void
test_idle_time(void **state)
{
	struct play w;

	pw_open(&w);
	(void)pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 0).n != 0);
	pw_say(&w, 0, SP_LIT("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 1\r\n\r\n1"));
	assert_false(pw_is_closed(&w, 0));
	sleep_ms(&w, 1400);
	assert_true(pw_is_closed(&w, 0));
	assert_int_equal(sp_pool_connections(w.eg.pool), 0);
	pw_close(&w);
}

static void
test_retry(void **state)
{
	struct play w;
	uint32_t id;

	pw_open(&w);
	/* GET on a used connection that closes without a byte: once more, on a new one */
	(void)pw_call(&w, T_GET);
	pw_answer(&w, 0, "1");
	id = pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 0).n != 0);
	pw_hang_up(&w, 0);
	assert_false(pw_reply(&w, id)->done);
	pw_answer(&w, 1, "again");
	want_text("GET again", &w, id, "again");
	want_outcome("first", &w, SP_DONE, 200);
	want_outcome("again", &w, SP_DONE, 200);
	/* once only */
	id = pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 1).n != 0);
	pw_hang_up(&w, 1);
	assert_true(pw_heard(&w, 2).n != 0);
	pw_hang_up(&w, 2);
	want_error("GET twice", &w, id, "outcome is unknown");
	want_outcome("GET twice", &w, SP_UNKNOWN_OUTCOME, 0);
	/* a POST never */
	(void)pw_call(&w, T_POST);
	pw_answer(&w, 3, "1");
	want_outcome("POST", &w, SP_DONE, 200);
	id = pw_call(&w, T_POST);
	assert_true(pw_heard(&w, 3).n != 0);
	pw_hang_up(&w, 3);
	want_error("POST", &w, id, "outcome is unknown");
	want_outcome("POST", &w, SP_UNKNOWN_OUTCOME, 0);
	/* a GET on a new connection never */
	id = pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 4).n != 0);
	pw_hang_up(&w, 4);
	want_error("GET, new connection", &w, id, "outcome is unknown");
	/* not after a byte of an answer */
	(void)pw_call(&w, T_GET);
	pw_answer(&w, 5, "1");
	id = pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 5).n != 0);
	pw_say(&w, 5, SP_LIT("H"));
	pw_hang_up(&w, 5);
	want_error("GET, a byte came", &w, id, "outcome is unknown");
	pw_close(&w);
}

static void
test_many(void **state)
{
	uint32_t ids[100];
	struct play w;

	pw_open(&w);
	for (unsigned i = 0; i < 100; i++)
		ids[i] = pw_call(&w, T_GET);
	assert_int_equal(w.nup, SP_POOL_CONNS);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < SP_POOL_CONNS; i++)
			if (pw_heard(&w, i).n != 0)
				pw_say(&w, i, SP_LIT(OK_HEAD "Content-Length: 2\r\n\r\nok"));
	for (unsigned i = 0; i < 100; i++)
		want_text("many", &w, ids[i], "\"ok\"");
	assert_int_equal(w.nup, SP_POOL_CONNS);
	pw_close(&w);
}

static void
test_dial(void **state)
{
	struct play w;
	uint32_t id, two;

	pw_open(&w);
	/* M17, N13: one fixed text, nothing of the reason */
	w.dial_error = "connection refused at 10.1.2.3";
	id = pw_call(&w, T_GET);
	want_error("M17 refused", &w, id, "the upstream could not be reached; nothing was sent");
	want_outcome("M17 refused", &w, SP_NOT_SENT, 0);
	assert_null(strstr(pw_text(&w, id), "10.1.2.3"));
	w.dial_error = NULL;
	/* dialer dies while it is asked; the next one is asked anew */
	w.no_dial = true;
	id = pw_call(&w, T_GET);
	two = pw_call(&w, T_POST);
	assert_int_equal(w.ndial, 3);
	w.no_dial = false;
	sp_chan_free(&w.dialer);
	pw_turn(&w, 4);
	pw_dialer(&w);
	pw_turn(&w, 6);
	assert_int_equal(w.nup, 2);
	pw_answer(&w, 0, "1");
	pw_answer(&w, 1, "2");
	want_text("new dialer", &w, id, "\"text\":\"");
	want_text("new dialer", &w, two, "\"text\":\"");
	pw_close(&w);
}

/* --- time, cancelling, losing */

static void
test_deadline(void **state)
{
	struct play w;
	uint32_t a, b;

	pw_open(&w);
	a = pw_call_full(&w, T_POST, TW_TOKEN, SP_LIT("{\"id\":\"7\"}"), SIZE_MAX, 50);
	w.no_dial = true;
	b = pw_call_full(&w, T_POST, TW_TOKEN, SP_LIT("{\"id\":\"7\"}"), SIZE_MAX, 50);
	sleep_ms(&w, 250);
	want_error("late", &w, a, "did not answer in time; the outcome is unknown");
	want_outcome("late", &w, SP_UNKNOWN_OUTCOME, 0);
	want_error("never sent", &w, b, "nothing was sent");
	want_outcome("never sent", &w, SP_NOT_SENT, 0);
	(void)pw_heard(&w, 0);
	assert_true(pw_is_closed(&w, 0));
	assert_int_equal(w.eg.ncalls, 0);
	pw_close(&w);
}

static void
test_cancel(void **state)
{
	struct play w;
	struct sp_m_id m;

	pw_open(&w);
	m.id = pw_call(&w, T_POST);
	assert_true(pw_heard(&w, 0).n != 0);
	sp_enc_id(sp_chan_begin(w.front, SP_M_CANCEL), &m);
	sp_chan_end(w.front);
	pw_turn(&w, 4);
	assert_true(pw_is_closed(&w, 0));
	want_outcome("cancelled", &w, SP_UNKNOWN_OUTCOME, 0);
	assert_int_equal(w.nreplies, 0);
	/* what is over, or never was, is no offence */
	sp_enc_id(sp_chan_begin(w.front, SP_M_CANCEL), &m);
	sp_chan_end(w.front);
	pw_turn(&w, 4);
	assert_false(w.front_lost);
	/* the front dies */
	(void)pw_call(&w, T_POST);
	(void)pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 1).n != 0);
	sp_chan_free(&w.front);
	pw_turn(&w, 4);
	assert_int_equal(w.eg.ncalls, 0);
	want_outcome("front gone", &w, SP_UNKNOWN_OUTCOME, 0);
	want_outcome("front gone", &w, SP_UNKNOWN_OUTCOME, 0);
	pw_close(&w);
}

/* --- deciding again */

static const struct {
	const char *name;
	uint32_t tool;
	const char *token, *args;
	uint32_t error;
	const char *text;		/* of a tool error, when error is 0 */
} refusals[] = {
	{ "unknown token", T_GET, "spt_nobody0000000000000000000000000000000000000", "{\"id\":\"7\"}", SP_E_BAD_TOKEN, NULL },
	{ "not a token", T_GET, "x", "{\"id\":\"7\"}", SP_E_BAD_TOKEN, NULL },
	{ "no credential", T_GET, "", "{\"id\":\"7\"}", SP_E_NO_TOKEN, NULL },
	{ "tool that no rule opens", T_HIDDEN, TW_TOKEN, "{\"id\":\"7\"}", SP_E_DENIED, NULL },
	{ "not JSON", T_GET, TW_TOKEN, "{\"id\":", SP_E_BAD_PARAMS, NULL },
	{ "twin keys", T_GET, TW_TOKEN, "{\"id\":\"7\",\"id\":\"8\"}", SP_E_BAD_PARAMS, NULL },
	{ "no object", T_GET, TW_TOKEN, "[]", SP_E_BAD_PARAMS, NULL },
	{ "M07 argument of another type", T_GET, TW_TOKEN, "{\"id\":7}", 0, "arguments: " },
	{ "missing argument", T_GET, TW_TOKEN, "", 0, "arguments: " },
	{ "M01 dot-dot", T_GET, TW_TOKEN, "{\"id\":\"..\"}", 0, "arguments: " },
	{ "K20 line break in a header", T_GET, TW_TOKEN, "{\"id\":\"7\",\"note\":\"a\\r\\nX: y\"}", 0, "arguments: " },
	{ "M01 climbing out of the grant's path", T_NARROW, TW_TOKEN, "{\"id\":\"../../admin\"}", 0, "arguments: " },
	{ "two secrets for one field", T_TWIN, TW_TOKEN, "{\"id\":\"7\"}", 0, "refused: the credential is not granted" },
};

static void
test_refusals(void **state)
{
	struct play w;

	pw_open(&w);
	for (size_t i = 0; i < SP_COUNT(refusals); i++) {
		uint32_t id = pw_call_full(&w, refusals[i].tool, refusals[i].token, sp_str(refusals[i].args), SIZE_MAX, 30000);
		struct pw_reply *r = pw_reply(&w, id);

		if (!r->done || r->error != refusals[i].error)
			fail_msg("%s: error %u, %s", refusals[i].name, r->error, pw_text(&w, id));
		if (refusals[i].text != NULL && strstr(r->text, refusals[i].text) == NULL)
			fail_msg("%s: %s", refusals[i].name, r->text);
		for (unsigned k = 0; k < w.nup; k++)
			if (pw_heard(&w, k).n != 0)
				fail_msg("%s: something reached the upstream", refusals[i].name);
	}
	assert_int_equal(w.eg.ncalls, 0);
	pw_close(&w);
}

/* M15: references in arguments are text. */
static void
test_no_expansion(void **state)
{
	struct play w;

	pw_open(&w);
	(void)pw_call_full(&w, T_POST, TW_TOKEN, SP_LIT("{\"id\":\"${HOME}\",\"s\":\"{{secret:key}} vault:key %(x)s\"}"), SIZE_MAX, 30000);
	sp_slice req = pw_heard(&w, 0);
	assert_true(sp_starts(req, SP_LIT("POST /v1/items/%24%7BHOME%7D HTTP/1.1\r\n")));
	assert_true(sp_ends(req, SP_LIT("{\"s\":\"{{secret:key}} vault:key %(x)s\"}")));
	pw_close(&w);
}

static void
test_revoked(void **state)
{
	struct sp_m_hash m;
	struct play w;
	uint32_t id;

	pw_open(&w);
	(void)pw_call(&w, T_GET);
	pw_answer(&w, 0, "1");
	sp_sha256(SP_LIT(TW_TOKEN), m.hash);
	sp_enc_hash(sp_chan_begin(w.keeper, SP_M_TOKEN_DEL), &m);
	sp_chan_end(w.keeper);
	atomic_store(&w.page.epoch, 1);
	pw_turn(&w, 4);
	id = pw_call(&w, T_GET);
	assert_int_equal(pw_reply(&w, id)->error, SP_E_BAD_TOKEN);
	/* a new keeper that does not announce it: gone as well */
	pw_sync(&w);
	id = pw_call(&w, T_GET);
	pw_answer(&w, 0, "2");
	want_text("back", &w, id, "\"text\":\"2\"");
	pw_keeper(&w);
	pw_empty(&w, SP_M_TOKEN_SYNC);
	atomic_store(&w.page.epoch, 2);
	pw_turn(&w, 4);
	id = pw_call(&w, T_GET);
	assert_int_equal(pw_reply(&w, id)->error, SP_E_BAD_TOKEN);
	pw_close(&w);
}

/* --- keeper late, secrets missing, rotating */

static void
test_waits_for_keeper(void **state)
{
	struct play w;
	uint32_t id, late;

	pw_start(&w, NULL);
	id = pw_call(&w, T_GET);
	late = pw_call_full(&w, T_GET, TW_TOKEN, SP_LIT("{\"id\":\"7\"}"), SIZE_MAX, 20);
	assert_int_equal(w.eg.ncalls, 2);
	sleep_ms(&w, 150);
	assert_int_equal(pw_reply(&w, late)->error, SP_E_UNAVAILABLE);
	assert_false(pw_reply(&w, id)->done);
	pw_sync(&w);
	pw_turn(&w, 4);
	pw_answer(&w, 0, "1");
	want_text("held", &w, id, "\"text\":\"1\"");
	pw_close(&w);
}

static void
test_missing_secret(void **state)
{
	struct play w;
	uint32_t id;

	pw_start(&w, NULL);
	pw_token(&w, TW_TOKEN);
	pw_secret(&w, G_KEY, SP_LIT("short"));		/* M16: cannot be kept out of answers */
	pw_empty(&w, SP_M_TOKEN_SYNC);
	pw_empty(&w, SP_M_SECRET_SYNC);
	pw_turn(&w, 4);
	id = pw_call(&w, T_GET);
	want_error("missing", &w, id, "the credential for this tool is not available");
	assert_int_equal(w.ndial, 0);
	/* tools that need none go on */
	id = pw_call(&w, T_ANY);
	pw_answer(&w, 0, "1");
	want_text("no credential", &w, id, "\"text\":\"1\"");
	pw_close(&w);
}

/* M19 */
static void
test_rotation(void **state)
{
	struct play w;
	uint32_t a, b;

	pw_open(&w);
	(void)pw_call(&w, T_GET);
	pw_answer(&w, 0, "1");
	a = pw_call(&w, T_GET);
	assert_true(sp_find(pw_heard(&w, 0), SP_LIT(TW_KEY)) != SIZE_MAX);
	(void)pw_call(&w, T_BEARER);
	pw_answer(&w, 1, "idle");
	pw_secret(&w, G_KEY, SP_LIT("brand-new-key-77"));
	pw_turn(&w, 4);
	/* idle connections of before are closed; the one in use is after its answer */
	assert_true(pw_is_closed(&w, 1));
	b = pw_call(&w, T_GET);
	assert_true(sp_find(pw_heard(&w, 2), SP_LIT("X-API-Key: brand-new-key-77\r\n")) != SIZE_MAX);
	(void)saw_incident(&w);
	pw_say(&w, 0, SP_LIT(OK_HEAD "Content-Length: 40\r\n\r\n" TW_KEY "....brand-new-key-77"));
	pw_say(&w, 2, SP_LIT(OK_HEAD "Content-Length: 40\r\n\r\n" TW_KEY "....brand-new-key-77"));
	want_text("M19 old", &w, a, "\"text\":\"[redacted]....[redacted]\"");
	want_text("M19 new", &w, b, "\"text\":\"[redacted]....[redacted]\"");
	assert_true(saw_incident(&w));
	assert_true(pw_is_closed(&w, 0));
	/* the same value again changes nothing */
	pw_secret(&w, G_KEY, SP_LIT("brand-new-key-77"));
	pw_turn(&w, 4);
	assert_false(pw_is_closed(&w, 2));
	/* a keeper that has it no longer: not used, still scrubbed */
	pw_keeper(&w);
	pw_secret(&w, G_BEARER, SP_LIT(TW_KEY2));
	pw_empty(&w, SP_M_SECRET_SYNC);
	pw_turn(&w, 4);
	a = pw_call(&w, T_GET);
	want_error("taken away", &w, a, "not available");
	a = pw_call(&w, T_ANY);
	assert_true(pw_heard(&w, 3).n != 0);
	pw_say(&w, 3, SP_LIT(OK_HEAD "Content-Length: 16\r\n\r\nbrand-new-key-77"));
	want_text("taken away, scrubbed", &w, a, "\"text\":\"[redacted]\"");
	pw_close(&w);
}

/* --- audit */

static void
test_ring_full(void **state)
{
	struct sp_audit_record r = { .kind = SP_AUDIT_DECISION, .time_us = 1 };
	struct play w;
	uint32_t id;

	pw_open(&w);
	while (sp_ring_put(w.ring, &r) == SP_OK)
		;
	id = pw_call(&w, T_GET);
	assert_int_equal(pw_reply(&w, id)->error, SP_E_UNAVAILABLE);
	assert_int_equal(w.ndial, 0);
	while (pw_record(&w, &r))
		;
	atomic_store(&w.page.audit_full, 1);
	id = pw_call(&w, T_GET);
	assert_int_equal(pw_reply(&w, id)->error, SP_E_UNAVAILABLE);
	assert_int_equal(w.ndial, 0);
	atomic_store(&w.page.audit_full, 0);
	/* full between the decision and the sending */
	w.no_dial = true;
	id = pw_call(&w, T_GET);
	r = (struct sp_audit_record){ .kind = SP_AUDIT_DECISION, .time_us = 1 };
	while (sp_ring_put(w.ring, &r) == SP_OK)
		;
	w.no_dial = false;
	pw_dialer(&w);
	pw_turn(&w, 6);
	assert_int_equal(pw_reply(&w, id)->error, SP_E_UNAVAILABLE);
	assert_int_equal(pw_heard(&w, 0).n, 0);
	pw_close(&w);
}

/* --- large things, and fronts that break the rules */

static void
test_large_args(void **state)
{
	size_t n = 600000, sent;
	char *args = malloc(n);
	struct play w;
	uint32_t id;

	assert_non_null(args);
	pw_open(&w);
	memset(args, 'x', n);
	memcpy(args, "{\"id\":\"7\",\"s\":\"", 15);
	memcpy(args + n - 2, "\"}", 2);
	id = pw_call_full(&w, T_POST, TW_TOKEN, sp_mem(args, n), SP_INLINE_MAX, 30000);
	for (sent = SP_INLINE_MAX; sent < n;) {
		struct sp_m_data m = { id, sp_sub(sp_mem(args, n), sent, SP_DATA_MAX) };

		if (sent + m.part.n > SP_CREDIT + w.credit)
			fail_msg("no credit after %zu bytes", sent);
		sp_enc_data(sp_chan_begin(w.front, SP_M_DATA), &m);
		sp_chan_end(w.front);
		sent += m.part.n;
		pw_turn(&w, 4);
	}
	sent = 0;
	for (int i = 0; i < 200; i++) {
		sent += pw_heard(&w, 0).n;
		pw_turn(&w, 2);
	}
	assert_true(sent > n - 10);
	pw_say(&w, 0, SP_LIT(OK_HEAD "Content-Length: 2\r\n\r\nok"));
	want_text("large arguments", &w, id, "\"ok\"");
	assert_int_equal(w.eg.held, 0);
	free(args);
	pw_close(&w);
}

static void
test_large_result(void **state)
{
	size_t n = 900000;
	char *body = malloc(n);
	struct sp_m_credit m;
	struct play w;
	uint32_t id;

	assert_non_null(body);
	memset(body, 'y', n);
	pw_open(&w);
	w.give_credit = false;
	id = m.id = pw_call(&w, T_GET);
	assert_true(pw_heard(&w, 0).n != 0);
	pw_say(&w, 0, SP_LIT(OK_HEAD "Content-Length: 900000\r\n\r\n"));
	pw_say(&w, 0, sp_mem(body, n));
	/* without credit: the window and no more */
	assert_int_equal(pw_reply(&w, id)->n, SP_CREDIT);
	assert_true(w.eg.held != 0);
	m.bytes = SP_CREDIT;
	for (int i = 0; i < 10 && !pw_reply(&w, id)->done; i++) {
		sp_enc_credit(sp_chan_begin(w.front, SP_M_CREDIT), &m);
		sp_chan_end(w.front);
		pw_turn(&w, 20);
	}
	assert_true(pw_reply(&w, id)->done);
	assert_int_equal(pw_reply(&w, id)->n, n + strlen("{\"content\":[{\"type\":\"text\",\"text\":\"\"}],\"isError\":false}"));
	assert_int_equal(w.eg.held, 0);
	assert_int_equal(w.eg.pool != NULL, 1);
	free(body);
	pw_close(&w);
}

static void
test_offences(void **state)
{
	struct sp_m_call m = { .id = 1, .tool = T_GET, .deadline_ms = 30000, .args_total = 10, .token = SP_LIT(TW_TOKEN),
	    .args = SP_LIT("{\"id\":\"7\"}") };
	struct play w;

	pw_open(&w);
	/* a tool of another server */
	m.tool = T_ZOTHER;
	sp_enc_call(sp_chan_begin(w.front, SP_M_CALL), &m);
	sp_chan_end(w.front);
	pw_turn(&w, 6);
	assert_true(w.front_lost);
	/* no tool at all */
	pw_front(&w);
	m.tool = 9999;
	sp_enc_call(sp_chan_begin(w.front, SP_M_CALL), &m);
	sp_chan_end(w.front);
	pw_turn(&w, 6);
	assert_true(w.front_lost);
	/* the same id twice, while the first runs: both go */
	pw_front(&w);
	m.tool = T_GET;
	for (int i = 0; i < 2; i++) {
		sp_enc_call(sp_chan_begin(w.front, SP_M_CALL), &m);
		sp_chan_end(w.front);
	}
	pw_turn(&w, 6);
	assert_true(w.front_lost);
	assert_int_equal(w.eg.ncalls, 0);
	/* more arguments than were announced */
	pw_front(&w);
	m.args_total = 9;
	sp_enc_call(sp_chan_begin(w.front, SP_M_CALL), &m);
	sp_chan_end(w.front);
	pw_turn(&w, 6);
	assert_true(w.front_lost);
	/* a secret for a grant that is not there */
	pw_front(&w);
	pw_secret(&w, 99, SP_LIT(TW_KEY));
	pw_turn(&w, 6);
	assert_null(w.keeper);
	pw_close(&w);
}

static void
test_drain(void **state)
{
	struct play w;
	uint32_t id;

	pw_open(&w);
	id = pw_call(&w, T_GET);
	sp_egress_drain(&w.eg);
	assert_false(w.drained);
	pw_answer(&w, 0, "1");
	want_text("drain", &w, id, "\"text\":\"1\"");
	assert_false(w.drained);	/* the front may still have one */
	sp_chan_free(&w.front);
	pw_turn(&w, 4);
	assert_true(w.drained);
	pw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_call), cmocka_unit_test(test_post_and_reuse), 
		cmocka_unit_test(test_pool), cmocka_unit_test(test_idle_time),
		cmocka_unit_test(test_retry), cmocka_unit_test(test_many), cmocka_unit_test(test_dial),
		cmocka_unit_test(test_deadline), cmocka_unit_test(test_cancel), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_expansion), cmocka_unit_test(test_revoked), cmocka_unit_test(test_waits_for_keeper),
		cmocka_unit_test(test_missing_secret), cmocka_unit_test(test_rotation), cmocka_unit_test(test_ring_full),
		cmocka_unit_test(test_large_args), cmocka_unit_test(test_large_result), cmocka_unit_test(test_offences),
		cmocka_unit_test(test_drain),
	};
	return cmocka_run_group_tests(all, tw_secrets, tw_secrets_end);
}
