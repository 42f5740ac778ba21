/* tools/call between a client and an egress that the test plays: order, credit, cancellation,
 * loss, limits, audit. */
#include "front/testworld.h"

#define RD TW_AS(TW_READER) TW_LEGACY
#define AD TW_AS(TW_ADMIN) TW_LEGACY

static struct world w;

static int
call(const char *tool, const char *args)
{
	char body[1024];
	int fd = tw_client(&w);

	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"tools/call\",\"params\":{\"name\":\"%s\"%s%s}}", tool,
	    args[0] == '\0' ? "" : ",\"arguments\":", args);
	tw_send(&w, fd, sp_str(tw_post(RD, body)));
	return fd;
}

/* The same in the era where going away is cancelling. */
static int
call_modern(const char *tool)
{
	char body[1024], lines[512];
	int fd = tw_client(&w);

	snprintf(lines, sizeof lines, TW_AS(TW_READER) TW_MODERN("tools/call") "Mcp-Name: %s\r\n", tool);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"tools/call\",\"params\":{\"name\":\"%s\"," TW_META "}}",
	    tool);
	tw_send(&w, fd, sp_str(tw_post(lines, body)));
	return fd;
}

static void
open_quiet(const struct ti_options *o)
{
	tw_open(&w, o);
	w.auto_result = NULL;
}

/* L06, E13: what egress is given is what was decided on, digit for digit. */
static void
test_arguments(void **state)
{
	static const struct { const char *name, *sent, *got; } rows[] = {
		{ "none", "", "" },
		{ "empty", "{ }", "{}" },
		{ "L06 numbers keep their digits", "{\"a\":9007199254740993,\"b\":1e400,\"c\":-0,\"d\":0.1000}",
		    "{\"a\":9007199254740993,\"b\":1e400,\"c\":-0,\"d\":0.1000}" },
		{ "white space goes", "{ \"a\" : [ 1 , 2 ] }", "{\"a\":[1,2]}" },
		{ "E13 escapes become what they mean", "{\"\\u0061\":\"\\/\\u0062\"}", "{\"a\":\"/b\"}" },
		{ "L11 NUL in a value stays escaped", "{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000y\"}" },
	};

	open_quiet(&(struct ti_options){ 0 });
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		int fd = call("dns_list", rows[i].sent);
		const struct tw_call *c = &w.calls[i];

		if (w.ncalls != i + 1 || strcmp(c->args, rows[i].got) != 0 || c->args_total != strlen(rows[i].got) || c->got != c->args_total)
			fail_msg("%s: %s", rows[i].name, c->args);
		if (strcmp(c->token, TW_READER) != 0 || c->tool != 3)
			fail_msg("%s: token or tool", rows[i].name);
		close(fd);
	}
	tw_close(&w);
}

static void
test_long_arguments(void **state)
{
	static char body[1 << 20], text[1 << 20];
	struct sp_out o;
	struct sp_m_credit credit;
	struct tw_call *c;
	sp_slice got;
	bool closed;
	int fd;

	open_quiet(&(struct ti_options){ 0 });
	sp_out_init(&o, body, sizeof body - 1);
	sp_out_str(&o, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"dns_list\",\"arguments\":{\"a\":\"");
	memset(sp_out_room(&o, 900000), 'x', 900000);
	sp_out_str(&o, "\"}}}");
	body[o.n] = '\0';
	sp_out_init(&o, text, sizeof text);
	sp_out_fmt(&o, "POST /mcp HTTP/1.1\r\nHost: localhost:8420\r\n" RD "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	    strlen(body));
	sp_out_str(&o, body);
	fd = tw_client(&w);
	tw_send(&w, fd, sp_out_view(&o));
	tw_turn(&w, 20);
	c = &w.calls[0];
	assert_int_equal(c->args_total, 900008);
	assert_int_equal(c->got, SP_CREDIT);
	while (c->got < c->args_total) {
		size_t before = c->got;

		credit = (struct sp_m_credit){ c->id, 100000 };
		sp_enc_credit(sp_chan_begin(w.egress, SP_M_CREDIT), &credit);
		sp_chan_end(w.egress);
		tw_turn(&w, 10);
		assert_int_equal(c->got, before + 100000 < c->args_total ? before + 100000 : c->args_total);
	}
	tw_result(&w, c->id, "{\"content\":[]}");
	got = tw_take(&w, fd, &closed);
	assert_true(tw_has(got, "\"result\":{\"content\":[]}}") && !closed && !c->cancelled);
	close(fd);
	/* More credit than there can be is an offence. */
	fd = call("dns_list", "{}");
	credit = (struct sp_m_credit){ w.calls[1].id, SP_CREDIT + SP_INLINE_MAX };
	sp_enc_credit(sp_chan_begin(w.egress, SP_M_CREDIT), &credit);
	sp_chan_end(w.egress);
	tw_turn(&w, 10);
	assert_true(w.egress_lost);
	assert_true(tw_has(tw_take(&w, fd, &closed), "outcome is unknown"));
	close(fd);
	tw_close(&w);
}

static void
result_part(uint32_t id, uint32_t total, sp_slice part)
{
	struct sp_m_result m = { id, SP_RESULT_TOOL, total, part };

	sp_enc_result(sp_chan_begin(w.egress, SP_M_RESULT), &m);
	sp_chan_end(w.egress);
}

static void
data_part(uint32_t id, sp_slice part)
{
	struct sp_m_data m = { id, part };

	sp_enc_data(sp_chan_begin(w.egress, SP_M_DATA), &m);
	sp_chan_end(w.egress);
}

/* A long result, to a client that reads and to one that does not: what we hold is bounded by
 * the credit. */
static void
test_long_result(void **state)
{
	static char big[3 << 20];
	static char all[4 << 20];
	size_t sent, have = 0, allowed = SP_CREDIT;
	struct tw_call *c;
	sp_slice got;
	bool closed;
	int fd;

	memset(big, 'x', sizeof big);
	big[0] = '{';
	big[sizeof big - 1] = '}';
	open_quiet(&(struct ti_options){ 0 });
	fd = call("dns_list", "{}");
	c = &w.calls[0];
	result_part(c->id, sizeof big, sp_mem(big, SP_INLINE_MAX));
	sent = SP_INLINE_MAX;
	for (unsigned idle = 0; sent < sizeof big || idle < 50; idle++) {
		size_t n = sizeof big - sent;

		n = n < SP_DATA_MAX ? n : SP_DATA_MAX;
		n = n < allowed + c->credit - sent ? n : allowed + c->credit - sent;
		if (n != 0) {
			data_part(c->id, sp_mem(big + sent, n));
			sent += n;
		}
		tw_turn(&w, 4);
		if (idle == 20) {
			/* Nobody has read yet: no credit came back, and all we hold is what was allowed. */
			struct sp_conn *conn = sp_hub_find(&w.f.hub, c->id);

			assert_true(sent <= SP_CREDIT + c->credit && c->credit < 1 << 20);
			assert_true(conn != NULL && sp_conn_unread(conn) <= SP_CREDIT + SP_INLINE_MAX + 4096);
		}
		if (idle >= 20) {
			got = tw_take(&w, fd, &closed);
			assert_true(have + got.n <= sizeof all);
			memcpy(all + have, got.p, got.n);
			have += got.n;
		}
		assert_true(idle < 2000);
	}
	got = sp_mem(all, have);
	assert_true(sp_starts(got, SP_LIT("HTTP/1.1 200 OK\r\n")));
	assert_true(sp_ends(got, SP_LIT("xxx}}")) && tw_has(got, "\"result\":{xxx"));
	tw_send(&w, fd, sp_str(tw_post(RD, TW_RPC("ping", ""))));
	assert_true(tw_has(tw_take(&w, fd, &closed), "\"result\":{}") && !closed && !c->cancelled);
	close(fd);
	tw_close(&w);
}

/* A captured egress that breaks the rules loses its channel; its calls end, others go on. */
static void
test_offences(void **state)
{
	static char big[SP_DATA_MAX];
	static const char *const names[] = { "more than it said", "not an object", "empty object", "result twice", "data before a result",
		"no bytes", "out of credit" };

	memset(big, '{', sizeof big);
	for (unsigned i = 0; i < SP_COUNT(names); i++) {
		bool closed;
		int fd;
		uint32_t id;

		open_quiet(&(struct ti_options){ 0 });
		fd = call("dns_list", "{}");
		id = w.calls[0].id;
		if (i == 0)
			result_part(id, 5, sp_mem(big, 6));
		if (i == 1)
			result_part(id, 5, SP_LIT("[1,2]"));
		if (i == 2)
			result_part(id, 2, SP_LIT("{}"));
		if (i == 3) {
			result_part(id, 100, SP_LIT("{1"));
			result_part(id, 100, SP_LIT("{1"));
		}
		if (i == 4)
			data_part(id, SP_LIT("{}"));
		if (i == 5)
			result_part(id, 10, SP_LIT(""));
		if (i == 6) {
			result_part(id, 1 << 30, sp_mem(big, SP_INLINE_MAX));
			for (unsigned k = 0; k < 100 && !w.egress_lost; k++) {
				data_part(id, sp_mem(big, sizeof big));
				tw_turn(&w, 4);
			}
		}
		tw_turn(&w, 10);
		if (!w.egress_lost)
			fail_msg("%s: not lost", names[i]);
		(void)tw_take(&w, fd, &closed);
		if (i == 3 || i == 6 ? !closed : closed)
			fail_msg("%s: connection", names[i]);
		close(fd);
		fd = tw_client(&w);
		tw_send(&w, fd, sp_str(tw_post(RD, TW_RPC("ping", ""))));
		assert_true(tw_has(tw_take(&w, fd, &closed), "\"result\":{}"));
		close(fd);
		tw_close(&w);
	}
}

static void
test_errors(void **state)
{
	static const struct { const char *name; enum sp_status st; uint32_t retry; const char *text; unsigned http; const char *has; } rows[] = {
		{ "upstream failed", SP_E_UPSTREAM, 0, "the upstream closed early", 200, "\"text\":\"the upstream closed early\"}],\"isError\":true" },
		{ "wrong arguments", SP_E_BAD_PARAMS, 0, "arguments: /zone: is missing", 200, "\"isError\":true" },
		{ "refused", SP_E_REFUSED, 0, "declined", 200, "\"isError\":true" },
		{ "time ran out", SP_E_TIMEOUT, 0, "", 200, "\"isError\":true" },
		{ "too big", SP_E_TOO_BIG, 0, "the answer is too large", 200, "\"isError\":true" },
		{ "not ready", SP_E_UNAVAILABLE, 7, "x", 503, "\r\nRetry-After: 7\r\n" },
		{ "too many", SP_E_RATE, 9, "x", 429, "\r\nRetry-After: 9\r\n" },
		{ "revoked meanwhile", SP_E_BAD_TOKEN, 0, "x", 401, "error=\"invalid_token\"" },
		{ "denied meanwhile", SP_E_DENIED, 0, "x", 200, "Unknown tool: dns_list" },
		{ "short meanwhile", SP_E_SCOPE, 0, "x", 403, "error=\"insufficient_scope\"" },
		{ "its own fault", SP_E_BUG, 0, "secret path", 500, "\"code\":-32603" },
		{ "a status that is none", (enum sp_status)9999, 0, "", 200, "\"isError\":true" },
	};

	open_quiet(&(struct ti_options){ 0 });
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		int fd = call("dns_list", "{}");
		struct sp_m_call_error m = { w.calls[w.ncalls - 1].id, (uint32_t)rows[i].st, rows[i].retry, sp_str(rows[i].text) };
		char line[32];
		sp_slice got;
		bool closed;

		sp_enc_call_error(sp_chan_begin(w.egress, SP_M_CALL_ERROR), &m);
		sp_chan_end(w.egress);
		got = tw_take(&w, fd, &closed);
		snprintf(line, sizeof line, "HTTP/1.1 %u ", rows[i].http);
		if (!sp_starts(got, sp_str(line)) || !tw_has(got, rows[i].has) || tw_has(got, "secret path"))
			fail_msg("%s:\n%.*s", rows[i].name, (int)got.n, got.p);
		close(fd);
		tw_turn(&w, 4);
		assert_false(w.calls[w.ncalls - 1].cancelled);
	}
	tw_close(&w);
}

/* mcp-spec 1.4: the client leaves and egress is told, once; what it answers later goes to nobody. */
static void
test_cancel(void **state)
{
	bool closed;
	int fd;

	open_quiet(&(struct ti_options){ 0 });
	fd = call_modern("dns_list");
	close(fd);
	tw_turn(&w, 6);
	assert_true(w.calls[0].cancelled);
	tw_result(&w, w.calls[0].id, "{\"content\":[]}");
	tw_turn(&w, 6);
	assert_false(w.egress_lost);
	/* Its place is taken by another connection: the old name is not its name. */
	fd = call("dns_list", "{}");
	assert_true(w.calls[1].id != w.calls[0].id);
	tw_result(&w, w.calls[0].id, "{\"content\":[\"old\"]}");
	tw_result(&w, w.calls[1].id, "{\"content\":[\"new\"]}");
	assert_true(tw_has(tw_take(&w, fd, &closed), "[\"new\"]"));
	close(fd);
	/* In the middle of the answer. */
	fd = call("dns_list", "{}");
	result_part(w.calls[2].id, 100, SP_LIT("{\"a\":"));
	tw_turn(&w, 4);
	close(fd);
	tw_turn(&w, 4);
	data_part(w.calls[2].id, SP_LIT("1"));
	tw_turn(&w, 6);
	assert_true(w.calls[2].cancelled && !w.egress_lost);
	tw_close(&w);
}

static unsigned done;

static void
on_done(void *ctx)
{
	done++;
}

/* mcp-spec 1.3: in the legacy era it goes on, and keeps its place until egress ends it; then egress may forget it. */
static void
test_goes_on(void **state)
{
	struct sp_m_call_error m = { 0 };
	int fd;

	open_quiet(&(struct ti_options){ 0 });
	fd = call("dns_list", "{}");
	close(fd);
	fd = call("dns_list", "{}");
	close(fd);
	tw_turn(&w, 6);
	assert_false(w.calls[0].cancelled);
	assert_int_equal(w.f.norphans, 2);
	tw_result(&w, w.calls[0].id, "{\"content\":[]}");
	m.id = w.calls[1].id;
	m.status = SP_E_UPSTREAM;
	sp_enc_call_error(sp_chan_begin(w.egress, SP_M_CALL_ERROR), &m);
	sp_chan_end(w.egress);
	tw_turn(&w, 6);
	assert_true(w.calls[0].cancelled && !w.calls[1].cancelled);
	assert_int_equal(w.f.norphans, 0);
	/* One that never ends is cancelled when its time is over. */
	fd = call("dns_list", "{}");
	close(fd);
	tw_turn(&w, 6);
	sp_orphans_tick(&w.f, uv_now(&w.loop) + 3600000);
	tw_turn(&w, 6);
	assert_true(w.calls[2].cancelled);
	assert_int_equal(w.f.norphans, 0);
	/* With its egress go those that it had, and a front that drains waits for them. */
	fd = call("dns_list", "{}");
	close(fd);
	tw_turn(&w, 6);
	assert_int_equal(w.f.norphans, 1);
	w.f.done = on_done;
	sp_front_drain(&w.f);
	sp_front_tick(&w.f);
	assert_int_equal(done, 0);
	sp_chan_free(&w.egress);
	tw_turn(&w, 6);
	assert_int_equal(w.f.norphans, 0);
	sp_front_tick(&w.f);
	assert_int_equal(done, 1);
	w.f.done = NULL;
	tw_close(&w);
}

/* Egress dies: calls that were sent have an unknown outcome; calls after that wait for the next one. */
static void
test_lost(void **state)
{
	int sent, streaming, later;
	sp_slice got;
	bool closed;

	open_quiet(&(struct ti_options){ 0 });
	sent = call("dns_list", "{}");
	streaming = call("dns_list", "{}");
	result_part(w.calls[1].id, 100, SP_LIT("{\"a\":"));
	tw_turn(&w, 4);
	sp_chan_free(&w.egress);
	tw_turn(&w, 8);
	got = tw_take(&w, sent, &closed);
	if (!tw_has(got, "the call was interrupted; its outcome is unknown") || !tw_has(got, "\"isError\":true") || closed)
		fail_msg("interrupted:\n%.*s", (int)got.n, got.p);
	(void)tw_take(&w, streaming, &closed);
	assert_true(closed);
	later = call("dns_list", "{}");
	assert_int_equal(w.ncalls, 2);
	w.auto_result = "{\"content\":[\"again\"]}";
	tw_egress(&w, 2);
	assert_true(tw_has(tw_take(&w, later, &closed), "[\"again\"]"));
	/* GONE of the old one does not touch the new one. */
	sp_front_gone(&w.f, 0, 1);
	close(later);
	later = call("dns_list", "{}");
	assert_true(tw_has(tw_take(&w, later, &closed), "[\"again\"]"));
	w.auto_result = NULL;
	close(sent);
	sent = call("dns_list", "{}");
	sp_front_gone(&w.f, 0, 2);
	assert_true(tw_has(tw_take(&w, sent, &closed), "outcome is unknown"));
	close(sent);
	close(streaming);
	close(later);
	tw_close(&w);
}

static void
wait_ms(unsigned ms)
{
	for (unsigned i = 0; i < ms / 10; i++) {
		usleep(10000);
		tw_turn(&w, 1);
	}
}

/* No egress in time: nothing was sent, so the client may try again.  Egress silent: the
 * outcome is unknown. */
static void
test_late(void **state)
{
	int waits, silent;
	sp_slice got;
	bool closed;

	open_quiet(&(struct ti_options){ .call_ms = 200 });
	silent = call("dns_list", "{}");
	wait_ms(300);
	assert_int_equal(tw_take(&w, silent, &closed).n, 0);
	wait_ms(2300);
	got = tw_take(&w, silent, &closed);
	if (!tw_has(got, "the call took too long; its outcome is unknown") || !w.calls[0].cancelled)
		fail_msg("silent egress:\n%.*s", (int)got.n, got.p);
	sp_chan_free(&w.egress);
	tw_turn(&w, 8);
	waits = call("dns_list", "{}");
	wait_ms(600);
	got = tw_take(&w, waits, &closed);
	if (!sp_starts(got, SP_LIT("HTTP/1.1 503 ")) || !tw_has(got, "\r\nRetry-After: 1\r\n") || !tw_has(got, "\"id\":\"q\""))
		fail_msg("no egress:\n%.*s", (int)got.n, got.p);
	close(waits);
	close(silent);
	tw_close(&w);
}

/* Limits per caller hold for refused calls too: they are not a way to flood the audit. */
static void
test_rate(void **state)
{
	struct sp_err e = { 0 };
	sp_slice got;
	bool closed;
	int fd, slots;

	open_quiet(&(struct ti_options){ .limit_calls = 5 });
	w.auto_result = "{\"content\":[]}";
	assert_int_equal(sp_slots_create(&slots, &e), SP_OK);
	assert_int_equal(sp_slots_map(slots, &w.f.slots, &e), SP_OK);
	close(slots);
	for (unsigned i = 0; i < 5; i++) {
		fd = call(i % 2 == 0 ? "dns_list" : "nothing", "{}");
		got = tw_take(&w, fd, &closed);
		if (!sp_starts(got, SP_LIT("HTTP/1.1 200 ")))
			fail_msg("call %u:\n%.*s", i, (int)got.n, got.p);
		close(fd);
	}
	for (unsigned i = 0; i < 2; i++) {
		fd = call(i == 0 ? "dns_list" : "nothing", "{}");
		got = tw_take(&w, fd, &closed);
		if (!sp_starts(got, SP_LIT("HTTP/1.1 429 ")) || !tw_has(got, "\r\nRetry-After: ") || !tw_has(got, "\"id\":\"q\""))
			fail_msg("over the limit:\n%.*s", (int)got.n, got.p);
		close(fd);
	}
	/* Another caller is not touched; listing and pinging are no calls. */
	fd = tw_client(&w);
	tw_send(&w, fd, sp_str(tw_post(AD, TW_CALL("dns_list", "{}"))));
	assert_true(tw_has(tw_take(&w, fd, &closed), "\"content\":[]"));
	tw_send(&w, fd, sp_str(tw_post(RD, TW_RPC("tools/list", ""))));
	assert_true(tw_has(tw_take(&w, fd, &closed), "dns_list"));
	close(fd);
	tw_close(&w);
}

static void
test_in_flight(void **state)
{
	enum { LIMIT = 16 };
	struct sp_err e = { 0 };
	int fd[LIMIT + 1], slots;
	sp_slice got;
	bool closed;

	open_quiet(&(struct ti_options){ 0 });
	assert_int_equal(sp_slots_create(&slots, &e), SP_OK);
	assert_int_equal(sp_slots_map(slots, &w.f.slots, &e), SP_OK);
	close(slots);
	for (unsigned i = 0; i < LIMIT; i++)
		fd[i] = i == 0 ? call_modern("dns_list") : call("dns_list", "{}");
	assert_int_equal(w.ncalls, LIMIT);
	fd[LIMIT] = call("dns_list", "{}");
	got = tw_take(&w, fd[LIMIT], &closed);
	assert_true(sp_starts(got, SP_LIT("HTTP/1.1 429 ")));
	close(fd[LIMIT]);
	/* One ends, by leaving: its place is free at once. */
	close(fd[0]);
	tw_turn(&w, 4);
	fd[0] = call("dns_list", "{}");
	assert_int_equal(w.ncalls, LIMIT + 1);
	/* A legacy one leaves and goes on: its place stays taken until it has ended. */
	close(fd[1]);
	tw_turn(&w, 4);
	fd[1] = call("dns_list", "{}");
	assert_true(sp_starts(tw_take(&w, fd[1], &closed), SP_LIT("HTTP/1.1 429 ")));
	close(fd[1]);
	tw_result(&w, w.calls[1].id, "{\"content\":[]}");
	tw_turn(&w, 6);
	fd[1] = call("dns_list", "{}");
	assert_int_equal(w.ncalls, LIMIT + 2);
	for (unsigned i = 0; i < LIMIT; i++)
		close(fd[i]);
	tw_close(&w);
}

static int
ring_file(void)
{
	char dir[] = "/tmp/sp-front-test-XXXXXX";
	struct sp_err e = { 0 };
	int d, fd;

	assert_non_null(mkdtemp(dir));
	d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sp_ring_create(d, "ring", &fd, &e) != SP_OK)
		fail_msg("ring: %s", e.log);
	unlinkat(d, "ring", 0);
	close(d);
	rmdir(dir);
	return fd;
}

/* Each denial is one record; when there is no room for one, nothing is decided at all. */
static void
test_audit(void **state)
{
	struct sp_audit_record r;
	struct sp_ring *reader;
	struct sp_page page = { 0 };
	struct sp_err e = { 0 };
	sp_slice got;
	bool closed;
	int ring, fd;
	unsigned n;

	open_quiet(&(struct ti_options){ 0 });
	w.auto_result = "{\"content\":[]}";
	ring = ring_file();
	assert_int_equal(sp_ring_map_writer(ring, &w.f.ring, &e), SP_OK);
	assert_int_equal(sp_ring_map_reader(ring, &reader, &e), SP_OK);
	w.f.page = &page;
	close(call("dns_list", "{}"));
	assert_false(sp_ring_peek(reader, &r));
	fd = call("dns_create", "{}");
	assert_true(tw_has(tw_take(&w, fd, &closed), "Unknown tool: dns_create"));
	close(fd);
	assert_true(sp_ring_peek(reader, &r));
	assert_int_equal(r.kind, SP_AUDIT_DECISION);
	assert_int_equal(r.outcome, SP_CLOSED);
	assert_string_equal(r.source, "static");
	assert_string_equal(r.user, "ann");
	assert_string_equal(r.tool, "create");
	assert_string_equal(r.server, "dns");
	assert_int_equal(r.rule_line, 12);
	sp_ring_advance(reader);
	close(call("no such\\u001b tool", "{}"));
	assert_true(sp_ring_peek(reader, &r));
	assert_string_equal(r.server, "");
	sp_ring_advance(reader);
	assert_false(sp_ring_peek(reader, &r));
	for (n = 0; sp_ring_room(w.f.ring, 1); n++)
		assert_int_equal(sp_ring_put(w.f.ring, &(struct sp_audit_record){ .kind = SP_AUDIT_DECISION }), SP_OK);
	assert_true(n > 0);
	for (unsigned i = 0; i < 2; i++) {
		unsigned before = w.ncalls;

		fd = call(i == 0 ? "dns_list" : "dns_create", "{}");
		got = tw_take(&w, fd, &closed);
		if (!sp_starts(got, SP_LIT("HTTP/1.1 503 ")) || !tw_has(got, "\r\nRetry-After: ") || w.ncalls != before)
			fail_msg("ring full:\n%.*s", (int)got.n, got.p);
		close(fd);
	}
	while (sp_ring_peek(reader, &r))
		sp_ring_advance(reader);
	fd = call("dns_list", "{}");
	assert_true(tw_has(tw_take(&w, fd, &closed), "\"content\":[]"));
	close(fd);
	atomic_store(&page.audit_full, 1);
	fd = call("dns_list", "{}");
	assert_true(sp_starts(tw_take(&w, fd, &closed), SP_LIT("HTTP/1.1 503 ")));
	close(fd);
	sp_ring_free(&reader);
	sp_ring_free(&w.f.ring);
	close(ring);
	tw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_long_arguments), cmocka_unit_test(test_long_result),
		cmocka_unit_test(test_offences), cmocka_unit_test(test_errors), cmocka_unit_test(test_cancel), cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_lost), cmocka_unit_test(test_late), cmocka_unit_test(test_rate),
		cmocka_unit_test(test_in_flight), cmocka_unit_test(test_audit),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
