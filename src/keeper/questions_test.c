/* Tokens that an introspection endpoint judges: who is asked, what is signed, and what becomes of questions without an answer. */
#include "keeper/testkeeper.h"

#include "crypto/testsign.h"

enum { SOURCE_STATIC, SOURCE_TOLD };
enum { SERVER, ENDPOINT };		/* egresses */

static const char document[] = "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"paths\":{\"/x\":{\"get\":{\"operationId\":\"getX\",\"responses\":{\"200\":{\"description\":\"ok\"}}}}}}";
static const char configuration[] =
    "url: http://127.0.0.1:8420/mcp\n"
    "auth:\n"
    "  - {type: static}\n"
    "  - {type: introspection, introspection_url: 'http://127.0.0.1:83/i', client_id: cli, client_secret: env:CLIENT}\n"
    "servers:\n"
    "  one: {openapi: d.json, url: 'http://127.0.0.1:81'}\n"
    "rules:\n"
    "  - {allow: one}\n";
static const struct texts texts = { document, configuration };

static int
setup(void **state)
{
	*state = keeper_new(&texts);
	return 0;
}

static void
ask_token(struct env *v, struct end *front, uint32_t id, uint32_t source, const char *token)
{
	char body[512];
	struct sp_out o;

	sp_out_init(&o, body, sizeof body);
	sp_enc_token_ask(&o, &(struct sp_m_token_ask){ .id = id, .source = source, .token = sp_str(token) });
	tell(v, front, SP_M_TOKEN_ASK, &o);
}

/* Answers the last question; `ends_s` from now. */
static void
say(struct env *v, struct end *egress, enum sp_status st, int64_t ends_s)
{
	struct sp_m_introspected m = { .status = (uint32_t)st, .ends_s = sp_now_s() + ends_s };
	const struct seen *q;
	struct sp_m_token_ask a;
	char body[512];
	struct sp_out o;

	turn(v, egress);
	q = last(egress, SP_M_INTROSPECT);
	assert_non_null(q);
	assert_true(sp_dec_token_ask(sp_mem(q->body, q->n), &a));
	m.id = a.id;
	if (st == SP_OK) {
		m.user = SP_LIT("ann");
		m.scopes = SP_LIT("\0\3dns");
	}
	sp_out_init(&o, body, sizeof body);
	sp_enc_introspected(&o, &m);
	tell(v, egress, SP_M_INTROSPECTED, &o);
}

/* SP_STATUS_COUNT: there is no answer. */
static enum sp_status
answered(struct env *v, struct end *front, struct sp_m_ticket *t)
{
	turn(v, front);
	if (last(front, SP_M_TICKET) == NULL)
		return SP_STATUS_COUNT;
	assert_true(sp_dec_ticket(sp_mem(last(front, SP_M_TICKET)->body, last(front, SP_M_TICKET)->n), t));
	return (enum sp_status)t->status;
}

static struct end *
ready(struct env *v, struct end *egress)
{
	unlock(v, "correct horse battery");
	peer(v, SP_EGRESS, ENDPOINT, egress);
	return egress;
}

/* C19: at most a minute, never past the token's end; bound to token and epoch; one question for two fronts. */
static void
test_signed(void **state)
{
	static const struct { const char *name; int64_t ends; enum sp_status said, want; int64_t lives; } rows[] = {
		{ "a minute", 600, SP_OK, SP_OK, 60 }, { "C19 no longer than the token", 20, SP_OK, SP_OK, 20 },
		{ "C15 one that has ended", 0, SP_OK, SP_E_BAD_TOKEN, 0 }, { "inactive", 600, SP_E_BAD_TOKEN, SP_E_BAD_TOKEN, 0 },
		{ "C16 no answer", 600, SP_E_UNAVAILABLE, SP_E_UNAVAILABLE, 0 },
	};
	struct env *v = *state;
	struct end *egress = ready(v, END()), *a = END(), *b = END();
	struct sp_pkey *key = NULL;

	peer(v, SP_FRONT, 0, a);
	peer(v, SP_FRONT, 1, b);
	assert_int_equal(sp_pkey_ed25519(sp_mem(last(a, SP_M_STATEMENT_KEY)->body, 32), &key, NULL), SP_OK);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_statement s;
		struct sp_m_ticket t;
		uint8_t hash[32];

		forget(a);
		forget(b);
		forget(egress);
		ask_token(v, a, 5, SOURCE_TOLD, "opaque");
		ask_token(v, b, 6, SOURCE_TOLD, "opaque");
		turn(v, egress);
		CHECK("one question for both", count(egress, SP_M_INTROSPECT) == 1);
		say(v, egress, rows[i].said, rows[i].ends);
		CHECK(rows[i].name, answered(v, b, &t) == rows[i].want && t.id == 6);
		CHECK(rows[i].name, answered(v, a, &t) == rows[i].want && t.id == 5);
		if (rows[i].want != SP_OK)
			continue;
		sp_sha256(SP_LIT("opaque"), hash);
		assert_int_equal(sp_statement_read(key, t.ticket, sp_now_s(), &s, NULL), SP_OK);
		CHECK("what is signed", s.kind == SP_STATEMENT_TOLD && memcmp(s.token, hash, 32) == 0 && s.epoch == v->page.epoch &&
		    sp_eq(s.told.user, SP_LIT("ann")) && sp_eq(s.told.scopes, SP_LIT("\0\3dns")));
		CHECK(rows[i].name, s.expires_s - sp_now_s() <= rows[i].lives && s.expires_s - sp_now_s() >= rows[i].lives - 2);
	}
	sp_pkey_free(&key);
	end_free(egress);
	end_free(a);
	end_free(b);
}

/* The egress has gone, or was never there: 503 for who waits. */
static void
test_nobody_there(void **state)
{
	struct env *v = *state;
	struct end *front = END(), *egress;
	struct sp_m_ticket t;

	unlock(v, "correct horse battery");
	peer(v, SP_FRONT, 0, front);
	ask_token(v, front, 5, SOURCE_TOLD, "opaque");
	assert_int_equal(answered(v, front, &t), SP_E_UNAVAILABLE);
	forget(front);
	egress = END();
	peer(v, SP_EGRESS, ENDPOINT, egress);
	ask_token(v, front, 6, SOURCE_TOLD, "opaque");
	turn(v, egress);
	assert_int_equal(answered(v, front, &t), SP_STATUS_COUNT);
	end_free(egress);
	assert_int_equal(answered(v, front, &t), SP_E_UNAVAILABLE);
	assert_int_equal(v->k->nquestions, 0);
	end_free(front);
}

/* What is no question, and who may not answer. */
static void
test_offences(void **state)
{
	static const struct { const char *name; enum sp_role role; uint32_t index, source; bool answers; } rows[] = {
		{ "no such source", SP_FRONT, 0, 9, false }, { "a source without endpoint", SP_FRONT, 0, SOURCE_STATIC, false },
		{ "an egress that asks", SP_EGRESS, SERVER, SOURCE_TOLD, false }, { "a front that answers", SP_FRONT, 0, 0, true },
		{ "a user without a name", SP_EGRESS, ENDPOINT, 0, true },
	};
	struct env *v = *state;

	unlock(v, "correct horse battery");
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct end *x = END();
		char body[128], c;
		struct sp_out o;

		peer(v, rows[i].role, rows[i].index, x);
		forget(x);
		sp_out_init(&o, body, sizeof body);
		if (rows[i].answers)
			sp_enc_introspected(&o, &(struct sp_m_introspected){ .id = 1, .status = SP_OK, .ends_s = 1 });
		else
			sp_enc_token_ask(&o, &(struct sp_m_token_ask){ .id = 1, .source = rows[i].source, .token = SP_LIT("t") });
		tell(v, x, rows[i].answers ? SP_M_INTROSPECTED : SP_M_TOKEN_ASK, &o);
		if (x->nseen != 0 || recv(x->fd, &c, 1, MSG_DONTWAIT) != 0)
			fail_msg("%s: still connected", rows[i].name);
		end_free(x);
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test_setup_teardown(test_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offences, setup, teardown),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
