/* RFC 7662, request and answer: threat rows C14 to C20 as far as bytes decide, parity 22 and 23. */
#include "base/b64.h"
#include "base/check.h"
#include "crypto/sign.h"
#include "crypto/testsign.h"
#include "oauth/introspect.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000)
#define AUD "https://g.example/mcp"
#define ISS "https://as.example"

/* ---------------------------------------------------------------- answers */

static const struct answer {
	const char *name;
	unsigned status;
	const char *body;
	enum sp_status want;
	int64_t exp_s;			/* 0: not looked at */
	const char *says;		/* a part of e->log */
} answers[] = {
	{ "active", 200, "{\"active\":true,\"sub\":\"ann\"}", SP_OK, INT64_MAX, NULL },
	{ "parity 22: inactive", 200, "{\"active\":false}", SP_E_BAD_TOKEN, 0, "inactive" },
	{ "C14: \"true\"", 200, "{\"active\":\"true\",\"sub\":\"ann\"}", SP_E_BAD_TOKEN, 0, "inactive" },
	{ "C14: 1", 200, "{\"active\":1,\"sub\":\"ann\"}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C14: missing", 200, "{\"sub\":\"ann\"}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C14: {}", 200, "{}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C14: null", 200, "{\"active\":null}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C14: [true]", 200, "{\"active\":[true]}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C14: twice", 200, "{\"active\":false,\"active\":true}", SP_E_UNAVAILABLE, 0, "JSON" },
	{ "C14: Active", 200, "{\"Active\":true}", SP_E_BAD_TOKEN, 0, NULL },
	{ "parity 22: bad JSON", 200, "{\"active\":true", SP_E_UNAVAILABLE, 0, "JSON" },
	{ "parity 22: no object", 200, "[true]", SP_E_UNAVAILABLE, 0, "JSON" },
	{ "true alone", 200, "true", SP_E_UNAVAILABLE, 0, NULL },
	{ "a page", 200, "<html>{\"active\":true}", SP_E_UNAVAILABLE, 0, NULL },
	{ "nothing", 200, "", SP_E_UNAVAILABLE, 0, NULL },
	{ "C16: 401", 401, "{\"error\":\"invalid_client\"}", SP_E_UNAVAILABLE, 0, "401 invalid_client: it does not take" },
	{ "C16: 403", 403, "", SP_E_UNAVAILABLE, 0, "403" },
	{ "C16: 500", 500, "{\"active\":true}", SP_E_UNAVAILABLE, 0, "500" },
	{ "C16: 302", 302, "{\"active\":true}", SP_E_UNAVAILABLE, 0, "302" },
	{ "C16: 204", 204, "", SP_E_UNAVAILABLE, 0, "204" },
	{ "C16: 201", 201, "{\"active\":true}", SP_E_UNAVAILABLE, 0, "201" },
	{ "C18: an error that repeats the header", 400, "{\"error\":\"Basic Y2xpOmNhbmFyeQ==\"}", SP_E_UNAVAILABLE, 0, "400" },
	{ "C20: unsupported_token_type", 400, "{\"error\":\"unsupported_token_type\"}", SP_E_UNAVAILABLE, 0, "of this kind" },
	{ "C20: an error that is none", 400, "{\"error\":{}}", SP_E_UNAVAILABLE, 0, "400" },
	{ "C15: aud", 200, "{\"active\":true,\"aud\":\"" AUD "\"}", SP_OK, 0, NULL },
	{ "C15: aud in a list", 200, "{\"active\":true,\"aud\":[\"x\",\"" AUD "\"]}", SP_OK, 0, NULL },
	{ "C15: aud of others", 200, "{\"active\":true,\"aud\":\"https://other.example/mcp\"}", SP_E_BAD_TOKEN, 0, "aud is" },
	{ "C15: aud that begins alike", 200, "{\"active\":true,\"aud\":\"" AUD "/\"}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C15: no aud in the list", 200, "{\"active\":true,\"aud\":[]}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C15: aud null", 200, "{\"active\":true,\"aud\":null}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C15: aud a number in a list", 200, "{\"active\":true,\"aud\":[\"" AUD "\",1]}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C15: iss", 200, "{\"active\":true,\"iss\":\"" ISS "\"}", SP_OK, 0, NULL },
	{ "C15: iss of others", 200, "{\"active\":true,\"iss\":\"https://evil.example\"}", SP_E_BAD_TOKEN, 0, "iss is" },
	{ "C15: iss with a slash", 200, "{\"active\":true,\"iss\":\"" ISS "/\"}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C15: iss no text", 200, "{\"active\":true,\"iss\":[\"" ISS "\"]}", SP_E_BAD_TOKEN, 0, NULL },
	{ "C15: client_id no text", 200, "{\"active\":true,\"client_id\":7}", SP_E_BAD_TOKEN, 0, "client_id" },
	{ "C15: exp", 200, "{\"active\":true,\"exp\":1700000100}", SP_OK, 1700000100, NULL },
	{ "C15: exp within the leeway", 200, "{\"active\":true,\"exp\":1699999980}", SP_OK, 1699999980, NULL },
	{ "C15: expired", 200, "{\"active\":true,\"exp\":1699999970}", SP_E_BAD_TOKEN, 0, "expired" },
	{ "C15: exp text", 200, "{\"active\":true,\"exp\":\"1700000100\"}", SP_E_BAD_TOKEN, 0, "exp" },
	{ "C15: exp null", 200, "{\"active\":true,\"exp\":null}", SP_E_BAD_TOKEN, 0, "exp" },
	{ "C15: exp 1e99", 200, "{\"active\":true,\"exp\":1e99}", SP_E_BAD_TOKEN, 0, "exp" },
	{ "C15: nbf to come", 200, "{\"active\":true,\"nbf\":1700000031}", SP_E_BAD_TOKEN, 0, "nbf" },
	{ "C15: nbf text", 200, "{\"active\":true,\"nbf\":\"now\"}", SP_E_BAD_TOKEN, 0, "nbf" },
	{ "C15: iat to come", 200, "{\"active\":true,\"iat\":1700009999}", SP_E_BAD_TOKEN, 0, "iat" },
	{ "bound to a key", 200, "{\"active\":true,\"cnf\":{\"jkt\":\"x\"}}", SP_E_BAD_TOKEN, 0, "cnf" },
	{ "DPoP", 200, "{\"active\":true,\"token_type\":\"DPoP\"}", SP_E_BAD_TOKEN, 0, "token_type" },
	{ "bearer", 200, "{\"active\":true,\"token_type\":\"bearer\"}", SP_OK, 0, NULL },
	{ "a refresh token by token_type", 200, "{\"active\":true,\"token_type\":\"refresh_token\"}", SP_E_BAD_TOKEN, 0, NULL },
	{ "a refresh token by token_use", 200, "{\"active\":true,\"token_use\":\"refresh_token\"}", SP_E_BAD_TOKEN, 0, NULL },
	{ "a refresh token by typ", 200, "{\"active\":true,\"typ\":\"Refresh\"}", SP_E_BAD_TOKEN, 0, "access token" },
	{ "an access token by typ", 200, "{\"active\":true,\"typ\":\"Bearer\"}", SP_OK, 0, NULL },
};

static void
test_answers(void **state)
{
	static const sp_slice aud[] = { SP_LIT_INIT(AUD) };
	const struct sp_claims_want want = { SP_LIT_INIT(ISS), aud, 1, NOW, 30 };
	struct sp_arena a;

	sp_arena_init(&a, 1 << 20);
	for (size_t i = 0; i < SP_COUNT(answers); i++) {
		const struct answer *t = &answers[i];
		struct sp_err e = { 0 };
		sp_jval *claims = NULL;
		int64_t exp_s = 0;
		enum sp_status st = sp_introspect_judge(&a, t->status, sp_str(t->body), &want, &claims, &exp_s, &e);
		bool good = st == t->want && (claims != NULL) == (st == SP_OK) && (t->exp_s == 0 || t->exp_s == exp_s) &&
		    (t->says == NULL || strstr(e.log, t->says) != NULL) && strstr(e.log, "Y2xp") == NULL;

		if (!good)
			fail_msg("%s: status %d, exp %lld, %s", t->name, (int)st, (long long)exp_s, e.log);
		sp_arena_reset(&a);
	}
	sp_arena_free(&a);
}

/* Without an issuer of its own a source takes any. */
static void
test_any_issuer(void **state)
{
	const struct sp_claims_want want = { .now_s = NOW, .leeway_s = 30 };
	sp_jval *claims = NULL;
	struct sp_arena a;
	int64_t exp_s;

	sp_arena_init(&a, 1 << 20);
	assert_int_equal(sp_introspect_judge(&a, 200, SP_LIT("{\"active\":true,\"iss\":\"https://any.example\"}"), &want, &claims,
	    &exp_s, NULL), SP_OK);
	assert_int_equal(sp_introspect_judge(&a, 200, SP_LIT("{\"active\":true,\"iss\":7}"), &want, &claims, &exp_s, NULL),
	    SP_E_BAD_TOKEN);
	sp_arena_free(&a);
}

/* ---------------------------------------------------------------- who */

static void
build(struct sp_imgb *b, struct sp_image *img)
{
	struct sp_img_scope scopes[2] = { 0 };
	const sp_slice tags[] = { SP_LIT_INIT("ops"), SP_LIT_INIT("b c") };
	struct sp_img_source s = { .type = SP_SOURCE_JWT };
	struct sp_img_head h = { .generation = 1 };
	struct sp_err e = { 0 };

	sp_imgb_init(b, 1 << 20);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t w = UINT64_C(1) << i;

		scopes[i].name = sp_imgb_str(b, i == 0 ? SP_LIT("dns:read") : SP_LIT("dns:write"));
		scopes[i].closure = sp_imgb_words(b, &w, 1);
	}
	s.name = sp_imgb_str(b, SP_LIT("intro"));
	s.issuer = sp_imgb_str(b, SP_LIT(ISS));
	s.claim_user = sp_imgb_str(b, SP_LIT("sub"));
	s.claim_tags = sp_imgb_str(b, SP_LIT("realm.roles"));
	s.claim_scopes = sp_imgb_str(b, SP_LIT("scope"));
	sp_imgb_resources(b, &h, &(struct sp_img_resource){ .path = sp_imgb_str(b, SP_LIT("/mcp")), .url = sp_imgb_str(b, SP_LIT(AUD)) }, 1);
	h.sources = SP_IMGB_ARRAY(b, &s, 1);
	h.scopes = SP_IMGB_ARRAY(b, scopes, 2);
	h.tags = sp_imgb_texts(b, tags, 2);
	assert_int_equal(sp_imgb_finish(b, &h, &e), SP_OK);
	assert_int_equal(sp_image_check(b->o.p, b->o.n, img, &e), SP_OK);
}

static const struct bearer {
	const char *name, *body;
	enum sp_status want;
	const char *user, *client, *issuer;
	uint64_t scopes, tags;
} bearers[] = {
	{ "scope as text", "{\"active\":true,\"sub\":\"ann\",\"client_id\":\"c1\",\"scope\":\"dns:read openid dns:write\"}", SP_OK,
	    "ann", "c1", ISS, 3, 0 },
	{ "scope as a list", "{\"active\":true,\"sub\":\"ann\",\"scope\":[\"dns:write\"]}", SP_OK, "ann", "ann", ISS, 2, 0 },
	{ "scope as a list of more than texts", "{\"active\":true,\"sub\":\"ann\",\"scope\":[\"dns:write\",1]}", SP_OK, "ann", "ann",
	    ISS, 0, 0 },
	{ "tags by a path", "{\"active\":true,\"sub\":\"ann\",\"realm\":{\"roles\":[\"b c\",\"x\"]}}", SP_OK, "ann", "ann", ISS, 0, 2 },
	{ "no user", "{\"active\":true,\"client_id\":\"c1\"}", SP_E_BAD_TOKEN, NULL, NULL, NULL, 0, 0 },
};

static void
test_who(void **state)
{
	const struct sp_claims_want want = { .now_s = NOW };
	struct sp_image img;
	struct sp_arena a;
	struct sp_imgb b;

	build(&b, &img);
	sp_arena_init(&a, 1 << 20);
	for (size_t i = 0; i < SP_COUNT(bearers); i++) {
		const struct bearer *t = &bearers[i];
		struct sp_err e = { 0 };
		sp_jval *claims = NULL;
		int64_t exp_s = 0;
		struct sp_who w;
		bool good;

		assert_int_equal(sp_introspect_judge(&a, 200, sp_str(t->body), &want, &claims, &exp_s, &e), SP_OK);
		sp_who_init(&w, &img, 0);
		good = sp_introspect_who(&w, claims, exp_s, &e) == t->want;
		if (good && t->want == SP_OK)
			good = sp_eq(w.user, sp_str(t->user)) && sp_eq(w.client_id, sp_str(t->client)) &&
			    sp_eq(w.issuer, sp_str(t->issuer)) && w.scopes[0] == t->scopes && w.tags[0] == t->tags;
		if (!good)
			fail_msg("%s: %s", t->name, e.log);
		sp_arena_reset(&a);
	}
	sp_arena_free(&a);
	sp_imgb_free(&b);
}

/* ---------------------------------------------------------------- the request */

static const struct request {
	const char *name;
	enum sp_introspect_auth how;
	const char *id, *secret, *token, *authorization, *body;
} requests[] = {
	{ "parity 23: basic", SP_INTROSPECT_BASIC, "cli", "s3cret-value", "opaque", "Basic Y2xpOnMzY3JldC12YWx1ZQ==",
	    "token=opaque&token_type_hint=access_token" },
	/* RFC 6749 section 2.3.1: "a b:c" and "p%:&=" are form-encoded first. */
	{ "basic of what must be encoded", SP_INTROSPECT_BASIC, "a b:c", "p%:&=+/", "t", "Basic YSUyMGIlM0FjOnAlMjUlM0ElMjYlM0QlMkIlMkY=",
	    "token=t&token_type_hint=access_token" },
	{ "parity 23: post", SP_INTROSPECT_POST, "cli", "s&x=1", "opaque", "",
	    "token=opaque&token_type_hint=access_token&client_id=cli&client_secret=s%26x%3D1" },
	{ "C17: another field in the token", SP_INTROSPECT_BASIC, "c", "s3cret-value", "a&client_id=x&token=b", NULL,
	    "token=a%26client_id%3Dx%26token%3Db&token_type_hint=access_token" },
	{ "C17: encoded already", SP_INTROSPECT_BASIC, "c", "s3cret-value", "a%26token%3Db+c", NULL,
	    "token=a%2526token%253Db%2Bc&token_type_hint=access_token" },
	{ "C17: line ends", SP_INTROSPECT_BASIC, "c", "s3cret-value", "a\r\nX: y", NULL,
	    "token=a%0D%0AX%3A%20y&token_type_hint=access_token" },
};

static void
test_requests(void **state)
{
	const struct sp_introspect_moment when = { .now_s = NOW };
	char head[1024], scratch[1024], body[9000];

	for (size_t i = 0; i < SP_COUNT(requests); i++) {
		const struct request *t = &requests[i];
		const struct sp_introspect_client c = { t->how, sp_str(t->id), sp_str(t->secret), SP_LIT(ISS "/introspect") };
		struct sp_out h, s, b;
		struct sp_err e = { 0 };

		sp_out_init(&h, head, sp_introspect_head_room(&c));
		sp_out_init(&s, scratch, sp_introspect_head_room(&c));
		sp_out_init(&b, body, sp_introspect_body_room(&c, sp_str(t->token)));
		assert_int_equal(sp_introspect_authorization(&h, &s, &c, &e), SP_OK);
		assert_int_equal(sp_introspect_body(&b, &c, sp_str(t->token), &when, &e), SP_OK);
		if ((t->authorization != NULL && !sp_eq(sp_out_view(&h), sp_str(t->authorization))) ||
		    !sp_eq(sp_out_view(&b), sp_str(t->body)))
			fail_msg("%s: %.*s\n%.*s", t->name, (int)h.n, h.p, (int)b.n, b.p);
		assert_true(sp_find(sp_mem(scratch, sizeof scratch), sp_str(t->secret)) == SIZE_MAX);
	}
}

/* The rooms are enough for the largest and the worst; one byte less than is needed is an error. */
static void
test_room(void **state)
{
	const struct sp_introspect_moment when = { .now_s = NOW };
	char *big = malloc(16384), *mem = malloc(3 << 17);
	struct sp_introspect_client c = { SP_INTROSPECT_POST, SP_LIT("&&&&"), { big, 16384 }, { NULL, 0 } };
	struct sp_out o, s;

	memset(big, '&', 16384);
	sp_out_init(&o, mem, sp_introspect_body_room(&c, c.secret));
	assert_int_equal(sp_introspect_body(&o, &c, c.secret, &when, NULL), SP_OK);
	sp_out_init(&o, mem, o.n - 1);
	assert_int_equal(sp_introspect_body(&o, &c, c.secret, &when, NULL), SP_E_TOO_BIG);
	c.how = SP_INTROSPECT_BASIC;
	sp_out_init(&o, mem, sp_introspect_head_room(&c));
	sp_out_init(&s, mem + (3 << 16), sp_introspect_head_room(&c));
	assert_int_equal(sp_introspect_authorization(&o, &s, &c, NULL), SP_OK);
	sp_out_init(&o, mem, o.n - 1);
	assert_int_equal(sp_introspect_authorization(&o, &s, &c, NULL), SP_E_TOO_BIG);
	free(big);
	free(mem);
}

/* The signed part, verified by the public key, and its claims. */
static void
judge_assertion(const struct sp_testkey *k, enum sp_alg alg, sp_slice jwt)
{
	char pem[4096], sig[SP_SIG_MAX], claims[2048];
	struct sp_pkey *pub = NULL;
	struct sp_jws_parts p;
	struct sp_out o;
	size_t n;

	sp_out_init(&o, pem, sizeof pem);
	sp_testkey_pem(k, &o);
	assert_int_equal(sp_pkey_pem(sp_out_view(&o), &pub, NULL), SP_OK);
	assert_int_equal(sp_jws_split(jwt, &p), SP_OK);
	assert_true(sp_b64url_decode(p.sig, sig, sizeof sig, &n));
	assert_true(sp_verify_sig(pub, alg, p.signed_part, sp_mem(sig, n)));
	assert_true(sp_b64url_decode(p.payload, claims, sizeof claims, &n));
	assert_true(sp_eq(sp_mem(claims, n), SP_LIT("{\"iss\":\"cl\\\"i\",\"sub\":\"cl\\\"i\",\"aud\":\"" ISS "/introspect\","
	    "\"jti\":\"000102030405060708090a0b0c0d0e0f\",\"iat\":1700000000,\"exp\":1700000060}")));
	sp_pkey_free(&pub);
}

/* RFC 7523, with every kind of key. */
static void
test_private_key_jwt(void **state)
{
	static const enum sp_alg algs[] = { SP_RS256, SP_ES256, SP_ES384, SP_ES512, SP_EDDSA };
	const sp_slice before = SP_LIT("token=t&token_type_hint=access_token&client_id=cl%22i&client_assertion_type="
	    "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=");
	struct sp_introspect_moment when = { .now_s = NOW };
	char pem[4096], body[20000], head[64], scratch[64];

	for (unsigned i = 0; i < sizeof when.jti; i++)
		when.jti[i] = (uint8_t)i;
	for (size_t i = 0; i < SP_COUNT(algs); i++) {
		struct sp_testkey *k = sp_testkey_new(algs[i], 0);
		struct sp_introspect_client c = { SP_INTROSPECT_JWT, SP_LIT("cl\"i"), { NULL, 0 }, SP_LIT(ISS "/introspect") };
		struct sp_out o, h, s;
		sp_slice rest;

		sp_out_init(&o, pem, sizeof pem);
		sp_testkey_private_pem(k, &o);
		c.secret = sp_out_view(&o);
		assert_int_equal(sp_introspect_auth_of(c.secret), SP_INTROSPECT_JWT);
		sp_out_init(&h, head, sizeof head);
		sp_out_init(&s, scratch, sizeof scratch);
		assert_int_equal(sp_introspect_authorization(&h, &s, &c, NULL), SP_OK);
		assert_int_equal(h.n, 0);
		sp_out_init(&o, body, sizeof body);
		assert_int_equal(sp_introspect_body(&o, &c, SP_LIT("t"), &when, NULL), SP_OK);
		rest = sp_out_view(&o);
		assert_true(sp_take(&rest, before));
		judge_assertion(k, algs[i], rest);
		sp_testkey_free(&k);
	}
}

static void
test_private_keys_that_are_none(void **state)
{
	struct sp_testkey *k = sp_testkey_new(SP_ES256, 0), *small = sp_testkey_new(SP_RS256, 1024);
	char buf[4096];
	struct sp_out o;
	enum sp_alg alg;
	struct sp_err e = { 0 };

	sp_out_init(&o, buf, sizeof buf);
	sp_testkey_pem(k, &o);
	assert_int_equal(sp_pem_alg(sp_out_view(&o), &alg, &e), SP_E_CONFIG);
	assert_int_equal(sp_pem_alg(SP_LIT(""), &alg, &e), SP_E_CONFIG);
	assert_int_equal(sp_pem_alg(SP_LIT("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &alg, &e), SP_E_CONFIG);
	sp_out_reset(&o);
	sp_testkey_private_pem(small, &o);
	assert_int_equal(sp_pem_alg(sp_out_view(&o), &alg, &e), SP_E_CONFIG);
	sp_out_reset(&o);
	sp_testkey_private_pem(k, &o);
	assert_int_equal(sp_pem_alg(sp_out_view(&o), &alg, &e), SP_OK);
	assert_int_equal(alg, SP_ES256);
	assert_int_equal(sp_pem_alg(sp_sub(sp_out_view(&o), 0, o.n / 2), &alg, &e), SP_E_CONFIG);
	sp_testkey_free(&k);
	sp_testkey_free(&small);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_any_issuer), cmocka_unit_test(test_who),
		cmocka_unit_test(test_requests), cmocka_unit_test(test_room), cmocka_unit_test(test_private_key_jwt),
		cmocka_unit_test(test_private_keys_that_are_none),
	};

	if (sp_crypto_init(NULL) != SP_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
