/* Requests that wait before a decision: for keeper's word about a token or a connection, and for keys. */
#include "front/testkeeper.h"

#define PING TW_RPC("ping", "")
#define LIST TW_RPC("tools/call", "\"name\":\"dns_list\"")

static struct world w;
static struct sp_testkey *key;

static void
begin(bool anonymous)
{
	tw_open(&w, &(struct ti_options){ .waits = true, .anonymous = anonymous });
	w.auto_result = NULL;
	key = tk_key(&w);
	tw_packets(&w);
}

static void
finish(void)
{
	sp_testkey_free(&key);
	tw_close(&w);
}

/* An Authorization line with a JWT of this issuer, signed with this key. */
static const char *
bearer(const struct sp_testkey *k, enum sp_alg alg, const char *issuer, const char *kid, const char *user)
{
	static char line[2048];
	char head[128], claims[512];
	struct sp_out o;

	snprintf(head, sizeof head, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", alg == SP_HS256 ? "HS256" : "EdDSA", kid);
	snprintf(claims, sizeof claims, "{\"iss\":\"%s\",\"aud\":\"http://localhost:8420/mcp\",\"sub\":\"%s\",\"scope\":\"dns:read\",\"exp\":%lld}",
	    issuer, user, (long long)sp_now_s() + 600);
	sp_out_init(&o, line, sizeof line);
	sp_out_str(&o, "Authorization: Bearer ");
	sp_testkey_token(k, alg, sp_str(head), sp_str(claims), &o);
	sp_out_str(&o, "\r\n");
	sp_out_byte(&o, '\0');
	assert_false(o.full);
	return line;
}

static int
post(const char *lines, const char *body)
{
	int fd = tw_client(&w);

	tw_send(&w, fd, sp_str(tw_post(lines, body)));
	return fd;
}

static void
expect(const char *name, int fd, const char *status, const char *has)
{
	char line[32];
	bool closed;
	sp_slice got = tw_take(&w, fd, &closed);

	snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
	if (!sp_starts(got, sp_str(line)) || (has != NULL && !tw_has(got, has)))
		fail_msg("%s:\n%.*s", name, (int)got.n, got.p);
	close(fd);
}

static void
nothing_yet(int fd)
{
	bool closed;

	assert_int_equal(tw_take(&w, fd, &closed).n, 0);
	assert_false(closed);
}

static void
ticket(uint32_t id, enum sp_status st, const struct sp_statement *s)
{
	char buf[SP_STATEMENT_MAX];
	struct sp_m_ticket m = { .id = id, .status = (uint32_t)st };
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	if (st == SP_OK)
		tk_sign(key, s, &o);
	m.ticket = sp_out_view(&o);
	sp_enc_ticket(sp_chan_begin(w.keeper, SP_M_TICKET), &m);
	sp_chan_end(w.keeper);
	tw_turn(&w, 6);
}

static struct sp_statement
mac_of(const char *line)
{
	struct sp_statement s = { .kind = SP_STATEMENT_MAC, .expires_s = sp_now_s() + 60 };
	sp_slice token = sp_str(line);

	assert_true(sp_take(&token, SP_LIT("Authorization: Bearer ")));
	sp_sha256(sp_sub(token, 0, token.n - 2), s.token);
	sp_statement_source(SP_LIT("hs"), s.source);
	return s;
}

static void
test_ticket(void **state)
{
	struct sp_testkey *hs = sp_testkey_new(SP_HS256, 256);
	struct sp_statement s;
	char line[2048];
	int a, b, c;

	begin(false);
	snprintf(line, sizeof line, "%s", bearer(hs, SP_HS256, "https://hs.test", "k", "ann"));
	a = post(line, PING);
	b = post(line, LIST);
	nothing_yet(a);
	assert_int_equal(w.asks, 1);		/* one question for both */
	s = mac_of(line);
	ticket(w.last_ask, SP_OK, &s);
	expect("answered", a, "200", "\"result\":{}");
	assert_int_equal(w.ncalls, 1);
	assert_true(w.calls[0].ticket > 64);	/* egress decides by the same word */
	close(b);
	a = post(line, PING);
	expect("remembered", a, "200", "\"result\":{}");
	assert_int_equal(w.asks, 1);
	c = post(line, LIST);
	assert_true(w.ncalls == 2 && w.calls[1].ticket > 64);
	close(c);
	/* keeper says no: everybody's bad token; it is not remembered. */
	snprintf(line, sizeof line, "%s", bearer(hs, SP_HS256, "https://hs.test", "k", "eve"));
	a = post(line, PING);
	ticket(w.last_ask, SP_E_BAD_TOKEN, NULL);
	expect("refused", a, "401", "invalid_token");
	a = post(line, PING);
	assert_int_equal(w.asks, 3);
	ticket(w.last_ask, SP_E_UNAVAILABLE, NULL);
	expect("keeper cannot say", a, "503", "Retry-After");
	/* A ticket for another token changes nothing. */
	a = post(line, PING);
	ticket(w.last_ask, SP_OK, &s);
	nothing_yet(a);
	sp_conn_sweep(w.f.hub.busy.first, uv_now(&w.loop) + SP_AUTH_WAIT_MS + 1);
	expect("waits no longer than that", a, "503", "Retry-After");
	/* Another keeper is asked again; the client may leave meanwhile. */
	a = post(line, PING);
	b = post(bearer(hs, SP_HS256, "https://hs.test", "k", "bob"), PING);
	close(b);
	tw_turn(&w, 4);
	w.asks = 0;
	tw_keeper(&w);
	tw_turn(&w, 6);
	assert_int_equal(w.asks, 1);
	s = mac_of(line);
	ticket(w.last_ask, SP_OK, &s);
	expect("asked again", a, "200", NULL);
	/* No keeper: 503, never 401. */
	sp_chan_free(&w.keeper);
	tw_turn(&w, 4);
	expect("no keeper", post(bearer(hs, SP_HS256, "https://hs.test", "k", "zoe"), PING), "503", "Retry-After");
	sp_testkey_free(&hs);
	finish();
}

static void
keys(enum sp_status st, const char *text)
{
	struct sp_m_keys m = { 0, 1, (uint32_t)st, sp_str(text) };

	sp_enc_keys(sp_chan_begin(w.keeper, SP_M_KEYS), &m);
	sp_chan_end(w.keeper);
	tw_turn(&w, 6);
}

static void
test_keys(void **state)
{
	enum { MANY = 40 };
	struct sp_testkey *as = sp_testkey_new(SP_EDDSA, 0);
	char jwk[256], set[512], line[2048], kid[16];
	int fd[MANY];
	struct sp_out o;

	begin(false);
	sp_out_init(&o, jwk, sizeof jwk);
	sp_testkey_jwk(as, &o, ",\"kid\":\"k1\"");
	snprintf(set, sizeof set, "{\"keys\":[%.*s]}", (int)o.n, o.p);
	/* C02: all ask, keeper is asked once. */
	snprintf(line, sizeof line, "%s", bearer(as, SP_EDDSA, "https://as.test", "k1", "ann"));
	for (unsigned i = 0; i < MANY; i++)
		fd[i] = post(line, PING);
	assert_int_equal(w.wants, 1);
	nothing_yet(fd[0]);
	keys(SP_OK, set);
	for (unsigned i = 0; i < MANY; i++)
		expect("C02", fd[i], "200", "\"result\":{}");
	/* C01: made-up key names ask for nothing more. */
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(kid, sizeof kid, "made-up-%u", i);
		expect("C01", post(bearer(as, SP_EDDSA, "https://as.test", kid, "eve"), PING), "401", "invalid_token");
	}
	assert_int_equal(w.wants, 1);
	/* When the pause is over it is asked once more; no key set is no refusal. */
	w.f.wants[0].asked_ms -= SP_KEYS_PAUSE_MS;
	fd[0] = post(bearer(as, SP_EDDSA, "https://as.test", "k2", "eve"), PING);
	assert_int_equal(w.wants, 2);
	nothing_yet(fd[0]);
	keys(SP_E_UNAVAILABLE, "");
	expect("no set", fd[0], "503", "Retry-After");
	keys(SP_OK, set);
	w.f.wants[0].asked_ms -= SP_KEYS_PAUSE_MS;
	fd[0] = post(bearer(as, SP_EDDSA, "https://as.test", "k2", "eve"), PING);
	sp_conn_sweep(w.f.hub.busy.first, uv_now(&w.loop) + SP_AUTH_WAIT_MS + 1);
	expect("late", fd[0], "503", "Retry-After");
	sp_testkey_free(&as);
	finish();
}

static int
neighbour(const char *lines, const char *body)
{
	int fd = tw_client(&w);

	w.f.hub.waiting.last->local = true;
	tw_send(&w, fd, sp_str(tw_post(lines, body)));
	return fd;
}

static void
test_peer(void **state)
{
	struct sp_statement s = { .kind = SP_STATEMENT_PEER, .uid = 1000 };
	bool closed;
	int fd;

	begin(true);
	s.expires_s = sp_now_s() + 60;
	sp_statement_source(SP_LIT("peer"), s.source);
	fd = neighbour("", LIST);
	assert_int_equal(w.peers, 1);
	ticket(w.last_ask, SP_OK, &s);
	expect("uid 1000 has no scope", fd, "403", "insufficient_scope");
	fd = neighbour("", PING);
	assert_int_equal(w.peers, 2);		/* each connection for itself */
	ticket(w.last_ask, SP_OK, &s);
	assert_true(tw_has(tw_take(&w, fd, &closed), "\"result\":{}"));
	tw_send(&w, fd, sp_str(tw_post("", PING)));
	assert_int_equal(w.peers, 2);
	expect("the ticket stays with the connection", fd, "200", NULL);
	/* D20: who shows a credential is judged by it, and the next request without one is a neighbour again. */
	fd = neighbour(TW_AS(TW_READER), LIST);
	assert_int_equal(w.peers, 2);
	assert_true(w.ncalls == 1 && w.calls[0].token[0] != '\0');
	close(fd);
	fd = neighbour(TW_AS("spt_nobody"), PING);
	expect("a bad credential is no neighbour", fd, "401", "invalid_token");
	/* keeper does not know whose it is: somebody without a credential. */
	fd = neighbour("", PING);
	ticket(w.last_ask, SP_E_BAD_TOKEN, NULL);
	expect("refused by keeper: anonymous", fd, "200", "\"result\":{}");
	fd = neighbour("", PING);
	s.uid = 1001;
	ticket(w.last_ask, SP_OK, &s);
	expect("refused: anonymous", fd, "200", "\"result\":{}");
	assert_int_equal(w.peers, 4);
	/* Over the network there are no neighbours. */
	expect("TCP", post("", PING), "200", NULL);
	assert_int_equal(w.peers, 4);
	finish();
}

static void
test_own_header(void **state)
{
	static const struct { const char *name, *lines, *status, *has; } rows[] = {
		{ "own header", "X-Key: " TW_READER "\r\n", "200", "\"result\":{}" },
		{ "bad in own header", "X-Key: spt_nobody\r\n", "401", "invalid_token" },
		{ "empty", "X-Key: \r\n", "400", "malformed" },
		{ "D03 two kinds", "X-Key: " TW_READER "\r\n" TW_AS(TW_READER), "400", "invalid_request" },
		{ "D03 twice", "X-Key: " TW_READER "\r\nx-key: " TW_READER "\r\n", "400", "invalid_request" },
		{ "D03 with Basic", "X-Key: " TW_READER "\r\nAuthorization: Basic eDp5\r\n", "400", "invalid_request" },
		{ "scheme belongs to Authorization", "X-Key: Bearer " TW_READER "\r\n", "401", "invalid_token" },
	};
	int fd;

	begin(false);
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		expect(rows[i].name, post(rows[i].lines, PING), rows[i].status,
		    strcmp(rows[i].has, "malformed") == 0 ? "invalid_request" : rows[i].has);
	fd = post("X-Key: " TW_READER "\r\n", LIST);
	assert_true(w.ncalls == 1 && w.calls[0].header == 2);		/* 1 + source 1 */
	close(fd);
	/* D20: no identity stays with a connection. */
	fd = post("X-Key: " TW_READER "\r\n", PING);
	{
		bool closed;

		(void)tw_take(&w, fd, &closed);
	}
	tw_send(&w, fd, sp_str(tw_post("", PING)));
	expect("D20", fd, "401", "WWW-Authenticate: Bearer resource_metadata=");
	finish();
}

/* The body is not read, and "100 Continue" not said, before the caller is known. */
static void
test_body(void **state)
{
	struct sp_testkey *hs = sp_testkey_new(SP_HS256, 256);
	struct sp_statement s;
	char line[2048], text[4096];
	bool closed;
	int fd;

	begin(false);
	snprintf(line, sizeof line, "%s", bearer(hs, SP_HS256, "https://hs.test", "k", "ann"));
	snprintf(text, sizeof text, "POST /mcp HTTP/1.1\r\nHost: localhost:8420\r\nContent-Type: application/json\r\n%s"
	    "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n", line, strlen(PING));
	fd = tw_client(&w);
	tw_send(&w, fd, sp_str(text));
	nothing_yet(fd);
	s = mac_of(line);
	ticket(w.last_ask, SP_OK, &s);
	assert_true(sp_eq(tw_take(&w, fd, &closed), SP_LIT("HTTP/1.1 100 Continue\r\n\r\n")));
	tw_send(&w, fd, sp_str(PING));
	expect("then the body", fd, "200", "\"result\":{}");
	sp_testkey_free(&hs);
	finish();
}

/* Who bears an opaque token: the endpoint's word, as keeper signed it. */
static struct sp_statement
told_of(const char *token)
{
	struct sp_statement s = { .kind = SP_STATEMENT_TOLD, .expires_s = sp_now_s() + 60, .told = { .user = SP_LIT("ann"),
	    .client_id = SP_LIT("cli"), .scopes = SP_LIT("\0\10dns:read"), .ends_s = sp_now_s() + 600 } };

	sp_sha256(sp_str(token), s.token);
	sp_statement_source(SP_LIT("told"), s.source);
	sp_statement_source(SP_LIT("http://localhost:8420/mcp"), s.resource);
	return s;
}

#define OPAQUE(token) "Authorization: Bearer " token "\r\n"

/* C16, C19, parity 22: one question for all; a no and a silence are said once and kept nowhere. */
static void
test_endpoint(void **state)
{
	struct sp_statement s;
	int a, b;

	begin(false);
	a = post(OPAQUE("opaque"), PING);
	b = post(OPAQUE("opaque"), LIST);
	nothing_yet(a);
	assert_true(w.tokens == 1 && w.asks == 0);
	s = told_of("opaque");
	ticket(w.last_ask, SP_OK, &s);
	expect("answered", a, "200", "\"result\":{}");
	assert_true(w.ncalls == 1 && w.calls[0].ticket > 64);
	close(b);
	a = post(OPAQUE("opaque"), PING);
	expect("remembered", a, "200", "\"result\":{}");
	assert_int_equal(w.tokens, 1);
	a = post(OPAQUE("other"), PING);
	ticket(w.last_ask, SP_E_BAD_TOKEN, NULL);
	expect("inactive", a, "401", "invalid_token");
	a = post(OPAQUE("other"), PING);
	assert_int_equal(w.tokens, 3);
	ticket(w.last_ask, SP_E_UNAVAILABLE, NULL);
	expect("C16 no answer", a, "503", "Retry-After");
	a = post(OPAQUE("other"), PING);
	s = told_of("other");
	ticket(w.last_ask, SP_OK, &s);
	expect("never kept as inactive", a, "200", NULL);
	/* Another front's revocation: the same token is asked about again. */
	s = told_of("third");
	s.epoch = 1;
	for (unsigned i = 0; i < 3; i++) {
		a = i == 0 ? post(OPAQUE("third"), PING) : a;
		nothing_yet(a);
		ticket(w.last_ask, SP_OK, &s);
	}
	expect("a word of another epoch is none", a, "503", "Retry-After");
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticket), cmocka_unit_test(test_endpoint), cmocka_unit_test(test_keys), cmocka_unit_test(test_peer),
		cmocka_unit_test(test_own_header), cmocka_unit_test(test_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
