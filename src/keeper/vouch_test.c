/* keeper's word: tickets, sessions, and key sets on their way. */
#include "keeper/testkeeper.h"

#include "base/b64.h"
#include "crypto/testsign.h"
#include "oauth/statement.h"

#include <sys/un.h>

#define SECRET "0123456789abcdef0123456789abcdef"		/* 32 bytes: enough for HS256 alone */
#define OTHER "another secret of sixty-four bytes, which is enough for all three"

enum { ONE, TWO, ELSEWHERE, FETCHED, PEER };		/* sources */
enum { SERVER_ONE, SERVER_TWO, GATEWAY, AUTHORITY };	/* egresses */

static const char document[] = "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"paths\":{\"/x\":{\"get\":{\"operationId\":\"getX\",\"responses\":{\"200\":{\"description\":\"ok\"}}}}}}";
static const char configuration[] =
    "listen: unix:s.sock\n"
    "url: http://127.0.0.1:8420/mcp\n"
    "auth:\n"
    "  - {type: jwt, name: one, issuer: 'https://as/h', keys: vault:hs}\n"
    "  - {type: jwt, name: two, issuer: 'https://as/h', keys: env:HS}\n"
    "  - {type: jwt, name: elsewhere, issuer: 'https://other/h', keys: vault:none}\n"
    "  - {type: remote, name: fetched, issuer: 'https://as/f'}\n"
    "  - {type: peer, users: '*'}\n"
    "servers:\n"
    "  one: {openapi: d.json, url: 'http://127.0.0.1:81'}\n"
    "  two: {openapi: d.json, url: 'http://127.0.0.1:82'}\n"
    "  gateway: {openapi: 'sallyport:management', secrets: {managementKey: 'vault:management'}}\n"
    "rules:\n"
    "  - {allow: one}\n"
    "  - {allow: two}\n"
    "  - {allow: gateway}\n";
static const struct texts texts = { document, configuration };

static int
setup(void **state)
{
	*state = keeper_new(&texts);
	return 0;
}

static struct sp_pkey *
key_said(const struct end *x)
{
	const struct seen *s = last(x, SP_M_STATEMENT_KEY);
	struct sp_pkey *key = NULL;

	assert_non_null(s);
	assert_int_equal(sp_pkey_ed25519(sp_mem(s->body, s->n), &key, NULL), SP_OK);
	return key;
}

/* Unlocks, and puts the secrets of the first two sources in place. */
static void
open_vault(struct env *v)
{
	struct end *cli = END();
	char text[4096];
	struct sp_out o;

	sp_out_heap(&o, 4096);
	unlock(v, "correct horse battery");
	control(v, (uint32_t)geteuid(), cli);
	sp_out_lv(&o, SP_LIT("hs"), 2);
	sp_out_str(&o, SECRET);
	assert_int_equal(ask(v, cli, SP_ADMIN_VAULT_SET, sp_out_view(&o), text, sizeof text), SP_OK);
	assert_true(from_super(v, SP_M_SECRET_ENV, text_body(&o, "env:HS"), OTHER));
	sp_out_free(&o);
	end_free(cli);
}

/* ---------------------------------------------------------------- the key */

static void
test_key_outlives_keeper(void **state)
{
	struct env *v = *state;
	struct end *front = END(), *egress = END(), *authority = END(), *again = END();

	peer(v, SP_FRONT, 0, front);
	assert_int_equal(count(front, SP_M_STATEMENT_KEY), 0);	/* the vault is locked */
	unlock(v, "correct horse battery");
	turn(v, front);
	assert_int_equal(count(front, SP_M_STATEMENT_KEY), 1);
	peer(v, SP_EGRESS, SERVER_ONE, egress);
	assert_int_equal(count(egress, SP_M_STATEMENT_KEY), 1);
	peer(v, SP_EGRESS, AUTHORITY, authority);
	assert_int_equal(authority->nseen, 0);			/* it verifies nobody */
	stop(v);
	make_image(v);
	start(v);
	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 0, again);
	assert_memory_equal(last(front, SP_M_STATEMENT_KEY)->body, last(again, SP_M_STATEMENT_KEY)->body, 32);
	end_free(front);
	end_free(egress);
	end_free(authority);
	end_free(again);
}

static void
test_key_without_vault(void **state)
{
	struct env *v = *state;
	struct end *front = END(), *again = END();

	stop(v);
	unlink("vault");
	make_image(v);
	start(v);
	peer(v, SP_FRONT, 0, front);
	assert_int_equal(count(front, SP_M_STATEMENT_KEY), 1);
	stop(v);
	make_image(v);
	start(v);
	peer(v, SP_FRONT, 0, again);
	assert_memory_equal(last(front, SP_M_STATEMENT_KEY)->body, last(again, SP_M_STATEMENT_KEY)->body, 32);
	end_free(front);
	end_free(again);
}

/* ---------------------------------------------------------------- MACs */

struct asked { uint32_t source; enum sp_alg alg; const char *secret; int spoil; };

static uint32_t
ask_ticket(struct env *v, struct end *front, const struct asked *a, struct sp_statement *said)
{
	struct sp_m_ticket_ask q = { .id = 7, .source = a->source, .alg = (uint32_t)a->alg, .input = SP_LIT("e30.e30") };
	char mac[64], body[1024], whole[256];
	struct sp_pkey *key = key_said(front);
	struct sp_m_ticket t = { 0 };
	struct sp_out m, o, w;
	uint32_t status;

	sp_out_init(&m, mac, sizeof mac);
	sp_test_hmac(a->alg, sp_str(a->secret), q.input, &m);
	mac[0] = (char)(mac[0] ^ (a->spoil == 1));
	q.mac = sp_out_view(&m);
	sp_out_init(&w, whole, sizeof whole);
	sp_out_fmt(&w, "%s.", "e30.e30");
	sp_b64url_encode(&w, m.p, m.n);
	sp_sha256(sp_out_view(&w), q.token_hash);
	q.token_hash[31] ^= (uint8_t)(a->spoil == 2);
	sp_out_init(&o, body, sizeof body);
	sp_enc_ticket_ask(&o, &q);
	tell(v, front, SP_M_TICKET_ASK, &o);
	status = SP_STATUS_COUNT;
	if (last(front, SP_M_TICKET) != NULL) {
		assert_true(sp_dec_ticket(sp_mem(last(front, SP_M_TICKET)->body, last(front, SP_M_TICKET)->n), &t) && t.id == 7);
		status = t.status;
	}
	if (status == SP_OK) {
		assert_int_equal(sp_statement_read(key, t.ticket, sp_now_s(), said, NULL), SP_OK);
		assert_memory_equal(said->token, q.token_hash, 32);
	}
	sp_pkey_free(&key);
	return status;
}

static void
test_tickets(void **state)
{
	static const struct { const char *name; struct asked a; uint32_t want; const char *source; } rows[] = {
		{ "the first secret", { ONE, SP_HS256, SECRET, 0 }, SP_OK, "one" },
		{ "the second, asked for from the first on", { ONE, SP_HS256, OTHER, 0 }, SP_OK, "two" },
		{ "HS512", { ONE, SP_HS512, OTHER, 0 }, SP_OK, "two" },
		{ "HS384", { TWO, SP_HS384, OTHER, 0 }, SP_OK, "two" },
		{ "A19 too short a secret for HS384", { ONE, SP_HS384, SECRET, 0 }, SP_E_BAD_TOKEN, NULL },
		{ "the first, asked for from the second on", { TWO, SP_HS256, SECRET, 0 }, SP_E_BAD_TOKEN, NULL },
		{ "A05 the empty secret", { ONE, SP_HS256, "", 0 }, SP_E_BAD_TOKEN, NULL },
		{ "one bit", { ONE, SP_HS256, SECRET, 1 }, SP_E_BAD_TOKEN, NULL },
		{ "no secret there", { ELSEWHERE, SP_HS256, SECRET, 0 }, SP_E_UNAVAILABLE, NULL },
		{ "A07 a source with public keys", { FETCHED, SP_HS256, SECRET, 0 }, SP_E_BAD_TOKEN, NULL },
	};
	struct env *v = *state;
	struct end *front = END();

	open_vault(v);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_statement said;
		uint8_t want[16];

		peer(v, SP_FRONT, 0, front);
		if (ask_ticket(v, front, &rows[i].a, &said) != rows[i].want)
			fail_msg("%s: status %u", rows[i].name, ask_ticket(v, front, &rows[i].a, &said));
		if (rows[i].source != NULL) {
			sp_statement_source(sp_str(rows[i].source), want);
			assert_memory_equal(said.source, want, 16);
			assert_true(said.kind == SP_STATEMENT_MAC && said.expires_s <= sp_now_s() + SP_TICKET_S);
		}
		if (has(front, SECRET) || has(front, OTHER))
			fail_msg("%s: shows a secret", rows[i].name);
		forget(front);
		close(front->fd);
	}
	free(front);
	assert_int_equal(v->k->nsaid, 3);	/* one line for each algorithm with too short a secret, one for the missing secret */
}

/* A captured front asks to have its own text vouched for by the MAC of another's token, or speaks of what there is not. */
static void
test_ticket_offences(void **state)
{
	static const struct { const char *name; struct asked a; } rows[] = {
		{ "a MAC of another token", { ONE, SP_HS256, SECRET, 2 } }, { "no such source", { 99, SP_HS256, SECRET, 0 } },
		{ "A04 no HMAC", { ONE, SP_RS256, SECRET, 0 } },
	};
	struct env *v = *state;

	open_vault(v);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct end *front = END();
		struct sp_m_ticket_ask q = { .source = rows[i].a.source, .alg = (uint32_t)rows[i].a.alg, .input = SP_LIT("a.b"), .mac = SP_LIT("m") };
		struct sp_out o;
		char body[256], c;

		peer(v, SP_FRONT, 0, front);
		forget(front);
		sp_out_init(&o, body, sizeof body);
		sp_sha256(SP_LIT("a.b.bQ"), q.token_hash);
		q.token_hash[31] ^= (uint8_t)(rows[i].a.spoil == 2);
		sp_enc_ticket_ask(&o, &q);
		tell(v, front, SP_M_TICKET_ASK, &o);
		if (front->nseen != 0 || recv(front->fd, &c, 1, MSG_DONTWAIT) != 0)
			fail_msg("%s: still connected", rows[i].name);
		end_free(front);
	}
}

/* ---------------------------------------------------------------- Unix sockets */

static int
accepted(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s;

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(connect(c, (struct sockaddr *)&a, sizeof a), 0);
	s = accept(l, NULL, NULL);
	close(l);
	close(c);
	return s;
}

static void
test_peer(void **state)
{
	struct env *v = *state;
	struct end *front = END(), *descriptors = END();
	struct sp_statement said;
	struct sp_m_ticket t;
	struct sp_pkey *key;
	uint8_t want[16];
	char body[16];
	struct sp_out o;
	int pair[2];

	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 0, front);
	peer_by(v, SP_FRONT, 0, SOCK_SEQPACKET, descriptors);
	assert_int_equal(descriptors->nseen, 0);		/* nothing else is said there */
	key = key_said(front);
	sp_out_init(&o, body, sizeof body);
	sp_enc_id(&o, &(struct sp_m_id){ 3 });
	tell_packet(v, descriptors, SP_M_PEER_ASK, &o, accepted("s.sock"));
	assert_true(sp_dec_ticket(sp_mem(last(descriptors, SP_M_TICKET)->body, last(descriptors, SP_M_TICKET)->n), &t));
	assert_true(t.id == 3 && t.status == SP_OK);
	assert_int_equal(sp_statement_read(key, t.ticket, sp_now_s(), &said, NULL), SP_OK);
	sp_statement_source(SP_LIT("peer"), want);
	assert_true(said.kind == SP_STATEMENT_PEER && said.uid == geteuid() && memcmp(said.source, want, 16) == 0);
	/* A pair that front made says whatever front is. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	forget(descriptors);
	tell_packet(v, descriptors, SP_M_PEER_ASK, &o, pair[0]);
	close(pair[1]);
	assert_true(sp_dec_ticket(sp_mem(last(descriptors, SP_M_TICKET)->body, last(descriptors, SP_M_TICKET)->n), &t));
	assert_true(t.status == SP_E_BAD_TOKEN && t.ticket.n == 0);
	forget(descriptors);
	tell_packet(v, descriptors, SP_M_PEER_ASK, &o, socket(AF_INET, SOCK_STREAM, 0));
	assert_true(sp_dec_ticket(sp_mem(last(descriptors, SP_M_TICKET)->body, last(descriptors, SP_M_TICKET)->n), &t));
	assert_int_equal(t.status, SP_E_BAD_TOKEN);
	/* What belongs on the other channel is an offence here. */
	sp_out_reset(&o);
	tell_packet(v, descriptors, SP_M_SESSION_NEW, &o, -1);
	assert_int_equal(v->k->npeers, 1);
	sp_pkey_free(&key);
	end_free(front);
	end_free(descriptors);
}

/* ---------------------------------------------------------------- sessions */

static sp_slice
new_session(struct env *v, struct end *front, struct sp_out *raw)
{
	struct sp_m_session_new q = { .id = 5, .revision = 2, .caps = 9, .who = "somebody" };
	char body[128];
	struct sp_m_session m;
	struct sp_out o;
	size_t n;

	forget(front);
	sp_out_init(&o, body, sizeof body);
	sp_enc_session_new(&o, &q);
	tell(v, front, SP_M_SESSION_NEW, &o);
	assert_true(sp_dec_session(sp_mem(last(front, SP_M_SESSION)->body, last(front, SP_M_SESSION)->n), &m) && m.id == 5);
	if (m.status != SP_OK)
		return SP_LIT("");
	assert_true(sp_b64url_decode(m.text, raw->p, raw->cap, &n));
	raw->n = n;
	return sp_out_view(raw);
}

static void
end_session(struct env *v, struct end *front, uint8_t name, int64_t expires_s)
{
	struct sp_m_session_end q = { .id = 6, .session = { name }, .expires_s = expires_s };
	char body[64];
	struct sp_out o;

	sp_out_init(&o, body, sizeof body);
	sp_enc_session_end(&o, &q);
	tell(v, front, SP_M_SESSION_END, &o);
}

/* E22, R04: every session has its own 128 random bits, and is signed. */
static void
test_sessions(void **state)
{
	enum { MANY = 200 };
	static uint8_t random[MANY][16];
	struct env *v = *state;
	struct end *front = END();
	char buf[SP_STATEMENT_MAX];
	struct sp_statement s;
	struct sp_pkey *key;
	struct sp_out raw;

	sp_out_init(&raw, buf, sizeof buf);
	peer(v, SP_FRONT, 0, front);
	assert_int_equal(new_session(v, front, &raw).n, 0);		/* locked: none */
	unlock(v, "correct horse battery");
	turn(v, front);
	key = key_said(front);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(sp_statement_read(key, new_session(v, front, &raw), sp_now_s(), &s, NULL), SP_OK);
		assert_true(s.kind == SP_STATEMENT_SESSION && s.revision == 2 && s.caps == 9);
		assert_memory_equal(s.who, "somebody", 8);
		assert_true(s.expires_s > sp_now_s() && s.expires_s <= sp_now_s() + SP_SESSION_S);
		memcpy(random[i], s.random, 16);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(random[i], random[j], 16);
	}
	sp_pkey_free(&key);
	end_free(front);
}

/* DELETE: over on every front, at once, and for fronts and keepers that come later. */
static void
test_ended_everywhere(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *two = END(), *late = END(), *egress = END(), *descriptors = END(), *cli = END();
	uint64_t epoch = atomic_load(&v->page.epoch);
	struct sp_m_session_end gone;
	char text[8192];

	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 0, one);
	peer(v, SP_FRONT, 1, two);
	peer(v, SP_EGRESS, SERVER_ONE, egress);
	peer_by(v, SP_FRONT, 1, SOCK_SEQPACKET, descriptors);
	end_session(v, one, 'x', sp_now_s() + 1000);
	turn(v, two);
	turn(v, descriptors);
	assert_true(count(one, SP_M_SESSION_GONE) == 1 && count(one, SP_M_SESSION_ENDED) == 1);
	assert_true(one->seen[one->nseen - 1].type == SP_M_SESSION_ENDED);	/* who asked is told last */
	assert_int_equal(count(two, SP_M_SESSION_GONE), 1);
	assert_int_equal(descriptors->nseen, 0);
	assert_int_equal(count(egress, SP_M_SESSION_GONE), 0);
	assert_int_equal(atomic_load(&v->page.epoch), epoch + 1);
	end_session(v, two, 'y', INT64_MAX);
	turn(v, one);
	assert_true(sp_dec_session_end(sp_mem(last(one, SP_M_SESSION_GONE)->body, last(one, SP_M_SESSION_GONE)->n), &gone));
	assert_true(gone.session[0] == 'y' && gone.expires_s <= sp_now_s() + SP_SESSION_S);	/* not for ever */
	end_session(v, two, 'z', sp_now_s() - 1);		/* has ended by itself: nothing to tell */
	turn(v, one);
	assert_int_equal(count(one, SP_M_SESSION_GONE), 2);
	assert_int_equal(count(two, SP_M_SESSION_ENDED), 2);
	control(v, (uint32_t)geteuid(), cli);
	assert_int_equal(ask(v, cli, SP_ADMIN_AUDIT_TAIL, SP_LIT("{\"lines\":5}"), text, sizeof text), SP_OK);
	assert_non_null(strstr(text, "7800000000000000 ended by its client"));
	stop(v);
	make_image(v);
	start(v);
	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 3, late);
	assert_int_equal(count(late, SP_M_SESSION_GONE), 2);
	end_free(one);
	end_free(two);
	end_free(late);
	end_free(egress);
	end_free(descriptors);
	end_free(cli);
}

/* ---------------------------------------------------------------- key sets */

static void
say_keys(struct env *v, struct end *from, uint32_t status, const char *text)
{
	struct sp_m_keys m = { .serial = 77, .status = status, .text = sp_str(text) };
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	sp_enc_keys(&o, &m);
	tell(v, from, SP_M_KEYS, &o);
	sp_out_free(&o);
}

static struct sp_m_keys
keys_said(const struct end *x)
{
	const struct seen *s = last(x, SP_M_KEYS);
	struct sp_m_keys m = { 0 };

	assert_non_null(s);
	assert_true(sp_dec_keys(sp_mem(s->body, s->n), &m));
	return m;
}

static void
confirm(struct env *v, struct end *x, uint32_t serial)
{
	char body[16];
	struct sp_out o;

	sp_out_init(&o, body, sizeof body);
	sp_enc_keys_ok(&o, &(struct sp_m_keys_ok){ 0, serial });
	tell(v, x, SP_M_KEYS_OK, &o);
}

static void
want_keys(struct env *v, struct end *x)
{
	char body[16];
	struct sp_out o;

	sp_out_init(&o, body, sizeof body);
	sp_enc_id(&o, &(struct sp_m_id){ 0 });
	tell(v, x, SP_M_KEYS_WANT, &o);
}

#define SET "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"1\"},{\"kty\":\"RSA\",\"kid\":\"2\"}]}"

/* Egresses first; fronts when all egresses use it, or have gone. */
static void
test_keys_in_order(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *two = END(), *front = END(), *authority = END(), *late = END(), *cli = END();
	struct sp_m_keys m;
	char text[8192];

	unlock(v, "correct horse battery");
	peer(v, SP_EGRESS, SERVER_ONE, one);
	peer(v, SP_EGRESS, SERVER_TWO, two);
	peer(v, SP_FRONT, 0, front);
	peer(v, SP_EGRESS, AUTHORITY, authority);
	say_keys(v, authority, SP_OK, SET);
	turn(v, one);
	turn(v, two);
	turn(v, front);
	m = keys_said(one);
	assert_true(m.status == SP_OK && sp_eq(m.text, SP_LIT(SET)) && m.authority == 0);
	assert_int_equal(count(two, SP_M_KEYS), 1);
	assert_int_equal(count(front, SP_M_KEYS) + count(authority, SP_M_KEYS), 0);
	confirm(v, one, m.serial + 5);				/* of another set */
	confirm(v, one, m.serial);
	turn(v, front);
	assert_int_equal(count(front, SP_M_KEYS), 0);
	peer(v, SP_FRONT, 1, late);
	assert_int_equal(count(late, SP_M_KEYS), 0);		/* with the others */
	end_free(two);						/* dies instead of confirming */
	turn(v, front);
	turn(v, late);
	assert_true(count(front, SP_M_KEYS) == 1 && count(late, SP_M_KEYS) == 1);
	assert_true(keys_said(front).serial == m.serial);
	control(v, (uint32_t)geteuid(), cli);
	assert_int_equal(ask(v, cli, SP_ADMIN_AUDIT_TAIL, SP_LIT("{\"lines\":5}"), text, sizeof text), SP_OK);
	assert_non_null(strstr(text, "https://as/f: 2 keys"));
	end_free(late);
	late = END();
	peer(v, SP_EGRESS, SERVER_TWO, late);			/* who joins has it at once */
	assert_true(sp_eq(keys_said(late).text, SP_LIT(SET)));
	/* An egress that hangs is not waited for. */
	say_keys(v, authority, SP_E_UNAVAILABLE, "");
	confirm(v, one, keys_said(one).serial);
	forget(front);
	for (int i = 0; i < 30 && count(front, SP_M_KEYS) == 0; i++) {
		usleep(100000);
		turn(v, front);
	}
	assert_int_equal(keys_said(front).status, SP_E_UNAVAILABLE);
	end_free(one);
	end_free(front);
	end_free(authority);
	end_free(late);
	end_free(cli);
}

/* C01, C02: however many ask, the authority hears it once; a set that has not changed goes to nobody who did not ask. */
static void
test_keys_wanted(void **state)
{
	struct env *v = *state;
	struct end *one = END(), *front = END(), *quiet = END(), *authority = END();

	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 0, front);
	peer(v, SP_FRONT, 1, quiet);
	want_keys(v, front);
	assert_int_equal(keys_said(front).status, SP_E_UNAVAILABLE);	/* there is nobody to fetch it */
	peer(v, SP_EGRESS, SERVER_ONE, one);
	peer(v, SP_EGRESS, AUTHORITY, authority);
	for (int i = 0; i < 200; i++) {
		want_keys(v, front);
		want_keys(v, one);
	}
	turn(v, authority);
	assert_int_equal(count(authority, SP_M_KEYS_WANT), 1);
	say_keys(v, authority, SP_OK, SET);
	turn(v, one);
	confirm(v, one, keys_said(one).serial);
	turn(v, front);
	turn(v, quiet);
	assert_int_equal(keys_said(front).status, SP_OK);
	forget(one);
	forget(quiet);
	forget(front);
	forget(authority);
	for (int i = 0; i < 30 && count(authority, SP_M_KEYS_WANT) == 0; i++) {
		want_keys(v, front);
		usleep(50000);
		turn(v, authority);
	}
	assert_int_equal(count(authority, SP_M_KEYS_WANT), 1);
	say_keys(v, authority, SP_OK, SET);
	turn(v, front);
	turn(v, one);
	turn(v, quiet);
	assert_int_equal(count(front, SP_M_KEYS), 1);
	assert_int_equal(count(one, SP_M_KEYS) + count(quiet, SP_M_KEYS), 0);
	end_free(one);
	end_free(front);
	end_free(quiet);
	end_free(authority);
}

/* No egress but that of the authority says which keys are good, and it for itself alone. */
static void
test_keys_offences(void **state)
{
	static const struct { const char *name; enum sp_role role; uint32_t index, authority; unsigned type; } rows[] = {
		{ "C02 keys from an API's egress", SP_EGRESS, SERVER_ONE, 0, SP_M_KEYS },
		{ "keys of an authority that is not there", SP_EGRESS, AUTHORITY, 1, SP_M_KEYS },
		{ "keys from a front", SP_FRONT, 0, 0, SP_M_KEYS },
		{ "an authority's egress that wants keys", SP_EGRESS, AUTHORITY, 0, SP_M_KEYS_WANT },
		{ "a want of what is not there", SP_FRONT, 0, 1, SP_M_KEYS_WANT },
		{ "a session from an egress", SP_EGRESS, SERVER_ONE, 0, SP_M_SESSION_NEW },
		{ "a command's output from a front", SP_FRONT, 0, 0, SP_M_RUN_ENDED },
	};
	struct env *v = *state;

	unlock(v, "correct horse battery");
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct end *x = END();
		struct sp_out o;
		char body[512];

		peer(v, rows[i].role, rows[i].index, x);
		sp_out_init(&o, body, sizeof body);
		if (rows[i].type == SP_M_KEYS)
			sp_enc_keys(&o, &(struct sp_m_keys){ .authority = rows[i].authority, .status = SP_OK, .text = SP_LIT(SET) });
		else if (rows[i].type == SP_M_SESSION_NEW)
			sp_enc_session_new(&o, &(struct sp_m_session_new){ 0 });
		else
			sp_enc_id(&o, &(struct sp_m_id){ rows[i].authority });
		tell(v, x, rows[i].type, &o);
		if (v->k->npeers != 0)
			fail_msg("%s: still connected", rows[i].name);
		end_free(x);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_key_outlives_keeper), T(test_key_without_vault), T(test_tickets), T(test_ticket_offences), T(test_peer),
		T(test_sessions), T(test_ended_everywhere), T(test_keys_in_order), T(test_keys_wanted), T(test_keys_offences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
