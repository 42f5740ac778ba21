/* Verifiers that ask authorities: parity 19, 21-24, 27; threat rows C. */
#include "auth/testworld.h"

static struct sp_testkey *one, *two, *hs;
#define KEYS_URL "https://as.example/keys"
#define ENDPOINT "https://as.example/introspect"
#define YES "{\"active\":true,\"sub\":\"ann\",\"client_id\":\"app\",\"scope\":\"read\"}"

static struct sp_auth_provider *
by_url(void)
{
	return sp_token_verifier_jwt(.issuer = ISS, .jwks_uri = KEYS_URL);
}

static const char *
kid_token(const struct sp_testkey *k, const char *kid)
{
	char header[96];

	snprintf(header, sizeof header, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);
	return token_of(k, SP_ES256, header, GOOD);
}

static const char *
keys(const struct sp_testkey *k, const char *extra)
{
	return set_of(&k, &extra, 1);
}

/* ---------------------------------------------------------------- key sets */

/* One token against one set (parity 19). */
static void
sets(void **state)
{
	const struct sp_testkey *const both[] = { one, two };
	const struct { const char *name, *token, *body; unsigned status; enum sp_status want; } rows[] = {
		{ "kid", kid_token(one, "a"), set_of(both, (const char *const[]){ ",\"kid\":\"a\"", ",\"kid\":\"b\"" }, 2), 200, SP_OK },
		{ "kid of another key", kid_token(one, "b"), set_of(both, (const char *const[]){ ",\"kid\":\"a\"", ",\"kid\":\"b\"" }, 2), 200,
		    SP_E_BAD_TOKEN },
		{ "no kid, one key", token_of(one, SP_ES256, NULL, GOOD), keys(one, ""), 200, SP_OK },
		{ "no kid, two keys (A30)", token_of(one, SP_ES256, NULL, GOOD), set_of(both, (const char *const[]){ "", "" }, 2), 200,
		    SP_E_BAD_TOKEN },
		{ "kid not there", kid_token(one, "z"), keys(one, ",\"kid\":\"a\""), 200, SP_E_BAD_TOKEN },
		{ "only unusable keys (C08)", token_of(one, SP_ES256, NULL, GOOD), "{\"keys\":[{\"kty\":\"XYZ\"}]}", 200, SP_E_UNAVAILABLE },
		{ "no set (C06)", token_of(one, SP_ES256, NULL, GOOD), "<html>", 200, SP_E_UNAVAILABLE },
		{ "keys is null (C06)", token_of(one, SP_ES256, NULL, GOOD), "{\"keys\":null}", 200, SP_E_UNAVAILABLE },
		{ "redirect (C05)", token_of(one, SP_ES256, NULL, GOOD), keys(one, ""), 302, SP_E_UNAVAILABLE },
		{ "500 (C03)", token_of(one, SP_ES256, NULL, GOOD), keys(one, ""), 500, SP_E_UNAVAILABLE },
		{ "no answer (C03)", token_of(one, SP_ES256, NULL, GOOD), "", 0, SP_E_UNAVAILABLE },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_auth_provider *p = by_url();
		struct sp_principal *who;
		struct sp_err e = { 0 };
		enum sp_status st;
		struct world w;

		world_begin(&w, p);
		st = world_settle(&w, rows[i].token, rows[i].status, rows[i].body, &who, &e);
		if (st != rows[i].want)
			fail_msg("%s: %s %s", rows[i].name, sp_errinfo(st)->name, e.log);
		CHECK(rows[i].name, w.n == 1);
		CHECK(rows[i].name, strcmp(w.last_url, KEYS_URL) == 0 && w.last_auth[0] == '\0' && w.last_body[0] == '\0');
		sp_principal_drop(&who);
		world_end(&w, p);
	}
}

/* An exotic key among good ones, a secret and private parts do no harm (parity 19, C07-C09). */
static void
mixed_set(void **state)
{
	struct sp_auth_provider *p = by_url();
	struct sp_principal *who;
	struct sp_out s;
	char set[8192];
	struct world w;

	sp_out_init(&s, set, sizeof set);
	sp_out_str(&s, "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"},");
	sp_testkey_jwk(hs, &s, ",\"kid\":\"h\"");
	sp_out_byte(&s, ',');
	sp_testkey_jwk(one, &s, ",\"kid\":\"a\",\"d\":\"AAAA\"");
	sp_out_str(&s, "]}");
	(void)text_of(&s);
	world_begin(&w, p);
	assert_int_equal(world_settle(&w, kid_token(one, "a"), 200, set, &who, NULL), SP_OK);
	sp_principal_drop(&who);
	assert_int_equal(world_ask(&w, token_of(hs, SP_HS256, "{\"alg\":\"HS256\",\"kid\":\"h\"}", GOOD), &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(w.n, 1);
	world_end(&w, p);
}

/* C01, C02: one fetch for a crowd, and none again for a while, however many keys are named. */
static void
flood(void **state)
{
	enum { CROWD = 500 };
	static struct sp_chain_wait *wait[CROWD];
	struct sp_auth_provider *p = by_url();
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	for (unsigned i = 0; i < CROWD; i++)
		assert_int_equal(sp_chain_ask(w.c, sp_str(kid_token(one, "a")), w.now_ms, w.now_s, &who, &wait[i], world_ready, &w, NULL),
		    SP_E_TICKET);
	assert_int_equal(w.n, 1);
	world_answer(&w, 0, 200, keys(one, ",\"kid\":\"a\""));
	assert_int_equal(w.readies, CROWD);
	assert_int_equal(world_ask(&w, kid_token(one, "a"), &who, NULL), SP_OK);
	sp_principal_drop(&who);
	for (unsigned i = 0; i < 100; i++) {
		char kid[16];

		snprintf(kid, sizeof kid, "k%u", i);
		assert_int_equal(world_ask(&w, kid_token(two, kid), &who, NULL), SP_E_BAD_TOKEN);
	}
	assert_int_equal(w.n, 1);
	w.now_ms += 30000;
	assert_int_equal(world_ask(&w, kid_token(two, "b"), &who, NULL), SP_E_TICKET);
	assert_int_equal(world_ask(&w, kid_token(two, "c"), &who, NULL), SP_E_TICKET);
	assert_int_equal(w.n, 2);
	world_answer(&w, 1, 200, keys(two, ",\"kid\":\"b\""));
	assert_int_equal(world_ask(&w, kid_token(two, "b"), &who, NULL), SP_OK);
	sp_principal_drop(&who);
	/* B18: a key that is gone takes along what was remembered. */
	assert_int_equal(world_ask(&w, kid_token(one, "a"), &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(w.n, 2);
	world_end(&w, p);
}

/* C03: the old set while there is no new one, for a day and no longer; then 503. */
static void
stale(void **state)
{
	struct sp_auth_provider *p = by_url();
	const char *long_token = token_of(one, SP_ES256, NULL, "{\"iss\":\"" ISS "\",\"aud\":\"" RES "\",\"sub\":\"ann\",\"exp\":1900000000}");
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_settle(&w, long_token, 200, keys(one, ""), &who, NULL), SP_OK);
	sp_principal_drop(&who);
	w.now_ms += 16 * 60 * 1000;
	assert_int_equal(world_ask(&w, token_of(one, SP_ES256, NULL, GOOD), &who, NULL), SP_OK);	/* and a newer one is on its way */
	sp_principal_drop(&who);
	assert_int_equal(w.n, 2);
	world_answer(&w, 1, 500, "");
	assert_int_equal(world_ask(&w, token_of(one, SP_ES256, NULL, LITERAL ",\"jti\":\"1\"}"), &who, NULL), SP_OK);
	sp_principal_drop(&who);
	assert_int_equal(w.n, 2);
	w.now_ms += 24 * 60 * 60 * 1000;
	assert_int_equal(world_settle(&w, token_of(one, SP_ES256, NULL, LITERAL ",\"jti\":\"2\"}"), 500, "", &who, NULL), SP_E_UNAVAILABLE);
	assert_int_equal(w.n, 3);
	/* What was remembered went with the keys. */
	assert_int_equal(world_ask(&w, long_token, &who, NULL), SP_E_UNAVAILABLE);
	w.busy = true;
	w.now_ms += 5000;
	assert_int_equal(world_ask(&w, long_token, &who, NULL), SP_E_UNAVAILABLE);
	w.busy = false;
	w.now_ms += 5000;
	assert_int_equal(world_settle(&w, long_token, 200, keys(one, ""), &who, NULL), SP_OK);
	sp_principal_drop(&who);
	world_end(&w, p);
}

/* A43: no fetch for an issuer that nobody has, for what no public key could verify, or for who does not wait. */
static void
no_fetch(void **state)
{
	struct sp_auth_provider *p = by_url();
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, token_of(one, SP_ES256, NULL, "{\"iss\":\"https://evil.example\"}"), &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(world_ask(&w, token_of(hs, SP_HS256, NULL, GOOD), &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(world_ask(&w, token_of(one, SP_ES256, "{\"alg\":\"ES256\",\"crit\":[\"x\"]}", GOOD), &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(world_ask(&w, "opaque", &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(sp_chain_ask(w.c, sp_str(kid_token(one, "a")), w.now_ms, w.now_s, &who, NULL, NULL, NULL, NULL), SP_E_UNAVAILABLE);
	assert_int_equal(w.n, 0);
	world_end(&w, p);
}

/* ---------------------------------------------------------------- introspection */

static struct sp_auth_provider *
asks(unsigned ttl, unsigned size)
{
	return sp_token_verifier_introspection(.introspection_url = ENDPOINT, .client_id = "rs 1", .client_secret = "p:w&1",
	    .cache_ttl_s = ttl, .max_cache_size = size);
}

static void
answers(void **state)
{
	static const struct { const char *name; unsigned status; const char *body; enum sp_status want; } rows[] = {
		{ "active", 200, YES, SP_OK },
		{ "inactive (parity 22)", 200, "{\"active\":false,\"sub\":\"ann\"}", SP_E_BAD_TOKEN },
		{ "active as text (C14)", 200, "{\"active\":\"true\",\"sub\":\"ann\"}", SP_E_BAD_TOKEN },
		{ "active as a number (C14)", 200, "{\"active\":1,\"sub\":\"ann\"}", SP_E_BAD_TOKEN },
		{ "empty (C14)", 200, "{}", SP_E_BAD_TOKEN },
		{ "another audience (C15)", 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":\"x\"}", SP_E_BAD_TOKEN },
		{ "our audience", 200, "{\"active\":true,\"sub\":\"ann\",\"aud\":[\"x\",\"" RES "\"]}", SP_OK },
		{ "expired (C15)", 200, "{\"active\":true,\"sub\":\"ann\",\"exp\":1799990000}", SP_E_BAD_TOKEN },
		{ "nobody", 200, "{\"active\":true}", SP_E_BAD_TOKEN },
		{ "a client for itself", 200, "{\"active\":true,\"client_id\":\"robot\"}", SP_OK },
		{ "bad JSON (parity 22)", 200, "{\"active\":true", SP_E_UNAVAILABLE },
		{ "a list", 200, "[]", SP_E_UNAVAILABLE },
		{ "201 (parity 22)", 201, YES, SP_E_UNAVAILABLE },
		{ "302", 302, YES, SP_E_UNAVAILABLE },
		{ "401 (C16)", 401, YES, SP_E_UNAVAILABLE },
		{ "500 (parity 22)", 500, YES, SP_E_UNAVAILABLE },
		{ "unsupported_token_type (C20)", 400, "{\"error\":\"unsupported_token_type\"}", SP_E_UNAVAILABLE },
		{ "no answer (parity 22)", 0, "", SP_E_UNAVAILABLE },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_auth_provider *p = asks(60, 0);
		struct sp_principal *who;
		struct sp_err e = { 0 };
		enum sp_status st;
		struct world w;

		world_begin(&w, p);
		st = world_settle(&w, "opaque-1", rows[i].status, rows[i].body, &who, &e);
		if (st != rows[i].want)
			fail_msg("%s: %s %s", rows[i].name, sp_errinfo(st)->name, e.log);
		sp_principal_drop(&who);
		/* Only yes is remembered. */
		CHECK(rows[i].name, world_ask(&w, "opaque-1", &who, &e) == (st == SP_OK ? SP_OK : SP_E_TICKET));
		CHECK(rows[i].name, w.n == (st == SP_OK ? 1 : 2));
		sp_principal_drop(&who);
		world_end(&w, p);
	}
}

/* Where credentials go (parity 23), and that a token is one field whatever is in it (C17). */
static void
credentials(void **state)
{
	struct sp_principal *who;
	struct sp_auth_provider *p = asks(0, 0);
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, "a&client_id=x", &who, NULL), SP_E_TICKET);
	assert_string_equal(w.last_auth, "Basic cnMlMjAxOnAlM0F3JTI2MQ==");
	assert_string_equal(w.last_body, "token=a%26client_id%3Dx&token_type_hint=access_token");
	assert_string_equal(w.last_url, ENDPOINT);
	world_end(&w, p);

	p = sp_token_verifier_introspection(.introspection_url = ENDPOINT, .client_id = "rs", .client_secret = "pw",
	    .client_auth_method = SP_CLIENT_SECRET_POST, .timeout_s = 3);
	world_begin(&w, p);
	assert_int_equal(world_ask(&w, "opaque", &who, NULL), SP_E_TICKET);
	assert_string_equal(w.last_auth, "");
	assert_string_equal(w.last_body, "token=opaque&token_type_hint=access_token&client_id=rs&client_secret=pw");
	assert_int_equal(w.open[0]->timeout_ms, 3000);
	world_end(&w, p);
}

static void
settled(struct world *w, const char *token, const char *body)
{
	struct sp_principal *who;

	assert_int_equal(world_settle(w, token, 200, body, &who, NULL), SP_OK);
	sp_principal_drop(&who);
}

/* parity 24, C19, B20 */
static void
remembers(void **state)
{
	struct sp_auth_provider *p = asks(0, 0);
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	settled(&w, "t-1", YES);
	settled(&w, "t-1", YES);
	assert_int_equal(w.n, 2);		/* ttl 0: nothing is remembered */
	world_end(&w, p);

	p = asks(60, 2);
	world_begin(&w, p);
	settled(&w, "t-1", YES);
	settled(&w, "t-1", YES);
	assert_int_equal(w.n, 1);
	w.now_s += 60;
	settled(&w, "t-1", YES);
	assert_int_equal(w.n, 2);		/* its time is over */
	settled(&w, "t-2", YES);
	settled(&w, "t-3", YES);
	settled(&w, "t-2", YES);
	settled(&w, "t-3", YES);
	assert_int_equal(w.n, 4);
	settled(&w, "t-1", YES);
	assert_int_equal(w.n, 5);		/* the oldest had gone */
	world_end(&w, p);

	p = asks(600, 0);
	world_begin(&w, p);
	settled(&w, "t-1", "{\"active\":true,\"sub\":\"ann\",\"exp\":1800000005}");
	w.now_s += 4;
	settled(&w, "t-1", YES);
	assert_int_equal(w.n, 1);
	w.now_s += 1;
	assert_int_equal(world_ask(&w, "t-1", &who, NULL), SP_E_TICKET);	/* no longer than the token itself */
	world_end(&w, p);
}

/* Who waits, who goes away, and a chain that ends with questions on their way. */
static void
crowds(void **state)
{
	struct sp_auth_provider *p = asks(0, 0);
	struct sp_chain_wait *wait[3];
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sp_chain_ask(w.c, SP_LIT("t-1"), w.now_ms, w.now_s, &who, &wait[i], world_ready, &w, NULL), SP_E_TICKET);
	assert_int_equal(w.n, 1);		/* single flight */
	sp_chain_forget(&wait[1]);
	assert_null(wait[1]);
	world_answer(&w, 0, 200, YES);
	assert_int_equal(w.readies, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(world_ask(&w, "t-1", &who, NULL), SP_OK);
		sp_principal_drop(&who);
	}
	assert_int_equal(world_ask(&w, "t-1", &who, NULL), SP_E_TICKET);
	assert_int_equal(w.n, 2);
	w.now_ms += 20000;
	world_answer(&w, 1, 200, YES);
	w.now_ms += 20000;			/* nobody came for the answer */
	assert_int_equal(sp_chain_ask(w.c, SP_LIT("t-1"), w.now_ms, w.now_s, &who, &wait[0], world_ready, &w, NULL), SP_E_TICKET);
	assert_int_equal(w.n, 3);
	sp_chain_forget(&wait[0]);		/* the last one: nobody needs it any more */
	assert_int_equal(w.given_up, 1);
	assert_int_equal(world_ask(&w, "t-2", &who, NULL), SP_E_TICKET);
	assert_int_equal(world_ask(&w, "t-3", &who, NULL), SP_E_TICKET);
	world_end(&w, p);			/* gives up both */
	assert_int_equal(w.given_up, 3);
	sp_chain_forget(&wait[1]);
}

/* What transports do from inside ready(): ask again, ask something new, and forget others who wait for the same. */
struct nosy { struct world *w; struct sp_chain_wait *own, **other; const char *token; enum sp_status st; };

static void
nosy_ready(void *ctx)
{
	struct nosy *n = ctx;
	struct sp_principal *who;

	n->own = NULL;
	if (n->other != NULL)
		sp_chain_forget(n->other);
	n->st = world_ask(n->w, n->token, &who, NULL);
	sp_principal_drop(&who);
	assert_int_equal(world_ask(n->w, "something else", &who, NULL), who == NULL ? SP_E_TICKET : SP_OK);
	sp_principal_drop(&who);
}

static void
from_inside(struct sp_auth_provider *p, const char *token, const char *body)
{
	struct world w;
	struct nosy n[4];
	struct sp_principal *who;

	world_begin(&w, p);
	for (unsigned i = 0; i < SP_COUNT(n); i++) {
		n[i] = (struct nosy){ .w = &w, .token = token, .other = i == 3 ? &n[2].own : i == 1 ? &n[0].own : NULL };
		assert_int_equal(sp_chain_ask(w.c, sp_str(token), w.now_ms, w.now_s, &who, &n[i].own, nosy_ready, &n[i], NULL),
		    SP_E_TICKET);
	}
	world_answer(&w, 0, 200, body);
	for (unsigned i = 0; i < SP_COUNT(n); i++)
		assert_true(n[i].own == NULL && n[i].st == SP_OK);	/* also of those who were forgotten: nobody asked them */
	assert_int_equal(w.n, 2);
	world_end(&w, p);
}

static void
nosy(void **state)
{
	from_inside(asks(0, 0), "t-1", YES);
	from_inside(asks(60, 0), "t-1", YES);
	from_inside(sp_multi_auth(.server = by_url(), .verifiers = SP_PROVIDERS(asks(0, 0))), kid_token(one, "a"),
	    keys(one, ",\"kid\":\"a\""));
}

/* A token that ends while its question waits is refused. */
static void
ends_meanwhile(void **state)
{
	struct sp_auth_provider *p = asks(0, 0);
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, "t-1", &who, NULL), SP_E_TICKET);
	world_answer(&w, 0, 200, "{\"active\":true,\"sub\":\"ann\",\"exp\":1800000001}");
	w.now_s += 40;
	assert_int_equal(world_ask(&w, "t-1", &who, NULL), SP_E_BAD_TOKEN);
	world_end(&w, p);
}

/* JWTs go to an endpoint only by their issuer; what looks like one and names none goes nowhere. */
static void
shapes(void **state)
{
	struct sp_auth_provider *p = asks(0, 0);
	const char *mine = token_of(one, SP_ES256, NULL, GOOD);
	struct sp_principal *who;
	struct world w;

	world_begin(&w, p);
	assert_int_equal(world_ask(&w, mine, &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(world_ask(&w, "e30.e30.e30", &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(w.n, 0);
	world_end(&w, p);

	p = sp_token_verifier_introspection(.introspection_url = ENDPOINT, .client_id = "c", .client_secret = "s", .issuer = ISS,
	    .required_scopes = SP_LIST("read", "write"));
	world_begin(&w, p);
	assert_int_equal(world_ask(&w, token_of(one, SP_ES256, NULL, "{\"iss\":\"https://x.example\"}"), &who, NULL), SP_E_BAD_TOKEN);
	assert_int_equal(w.n, 0);
	assert_int_equal(world_settle(&w, mine, 200, YES, &who, NULL), SP_E_SCOPE);
	assert_int_equal(w.n, 1);
	assert_int_equal(world_settle(&w, mine, 200, "{\"active\":true,\"sub\":\"ann\",\"iss\":\"https://x.example\"}", &who, NULL),
	    SP_E_BAD_TOKEN);
	world_end(&w, p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets), cmocka_unit_test(mixed_set), cmocka_unit_test(flood), cmocka_unit_test(stale),
		cmocka_unit_test(no_fetch), cmocka_unit_test(answers), cmocka_unit_test(credentials), cmocka_unit_test(remembers),
		cmocka_unit_test(crowds), cmocka_unit_test(nosy), cmocka_unit_test(ends_meanwhile), cmocka_unit_test(shapes),
	};

	if (sp_crypto_init(NULL) != SP_OK)
		return 1;
	one = sp_testkey_new(SP_ES256, 0);
	two = sp_testkey_new(SP_ES256, 0);
	hs = sp_testkey_new(SP_HS256, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
