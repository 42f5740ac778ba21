/*
 * MultiAuth with an introspection endpoint: which tokens go to it, what its word is good for, and who has a turn after its no.
 * Threat rows C16, C19, C20, parity 22 and 24, as far as the verifier decides.
 */
#include "base/b64.h"
#include "base/check.h"
#include "crypto/testsign.h"
#include "oauth/statement.h"
#include "oauth/verifier.h"

#include <stdlib.h>

#define NOW INT64_C(1700000000)
#define EPOCH 7
#define URL "https://g.example/mcp"
#define ISS "https://as"

enum { STATIC, ENDPOINT, BEHIND, SOURCES };

static struct sp_testkey *keeper, *issuer;
static struct sp_imgb built;
static struct sp_image img;
static struct sp_verifier *v;

static struct sp_ref
str(const char *s)
{
	return sp_imgb_str(&built, sp_str(s));
}

static struct sp_img_source
source(enum sp_source_type type, const char *name, const char *iss)
{
	return (struct sp_img_source){ .type = type, .name = str(name), .issuer = str(iss), .own_audience = 1,
		.claim_user = str("sub"), .claim_tags = str("tags"), .claim_scopes = str("scope") };
}

static void
build(void)
{
	static const sp_slice users[] = { SP_LIT_INIT("ann"), SP_LIT_INIT("b*") }, tags[] = { SP_LIT_INIT("ops") };
	struct sp_img_authority au = { .source = ENDPOINT + 1, .url = str("https://as/i"), .host = str("as"), .path = str("/i"),
	    .port = 443, .https = 1, .client_id = str("cli"), .client_secret = str("vault:c") };
	struct sp_img_resource at[2] = {
		{ .url = str(URL), .path = str("/mcp") }, { .url = str("https://g.example/two"), .path = str("/two") },
	};
	struct sp_img_source s[SOURCES] = { source(SP_SOURCE_STATIC, "static", ""),
	    source(SP_SOURCE_INTROSPECTION, "asked", ISS), source(SP_SOURCE_JWT, "behind", ISS) };
	struct sp_img_head head = { .url = str(URL), .origin = str("https://g.example"), .limit_calls = 1, .limit_calls_ms = 1 };
	struct sp_img_scope scope = { .name = str("dns:read") };
	const uint64_t one = 1;
	char buf[2048];
	struct sp_out o;

	scope.closure = sp_imgb_words(&built, &one, 1);
	sp_out_init(&o, buf, sizeof buf);
	sp_testkey_jwk(issuer, &o, "");
	s[ENDPOINT].endpoint = 1;
	s[ENDPOINT].users = sp_imgb_texts(&built, users, 2);
	s[BEHIND].keys = sp_imgb_str(&built, sp_out_view(&o));
	head.sources = SP_IMGB_ARRAY(&built, s, SOURCES);
	head.authorities = SP_IMGB_ARRAY(&built, &au, 1);
	sp_imgb_resources(&built, &head, at, 2);
	head.scopes = SP_IMGB_ARRAY(&built, &scope, 1);
	head.tags = sp_imgb_texts(&built, tags, 1);
	assert_int_equal(sp_imgb_finish(&built, &head, NULL), SP_OK);
	assert_int_equal(sp_image_check(built.o.p, built.o.n, &img, NULL), SP_OK);
}

/* What keeper would sign. */
static sp_slice
ticket(struct sp_out *o, sp_slice token, const char *source, const char *resource, uint64_t epoch, int64_t expires_s,
    const char *user)
{
	struct sp_statement s = { .kind = SP_STATEMENT_TOLD, .expires_s = expires_s, .epoch = epoch, .told = { .user = sp_str(user),
	    .client_id = SP_LIT("cli"), .issuer = SP_LIT("https://as"), .scopes = SP_LIT("\0\10dns:read\0\5other"),
	    .tags = SP_LIT("\0\3ops"), .ends_s = NOW + 600 } };
	char text[2 * SP_STATEMENT_MAX];
	struct sp_out t;

	sp_sha256(token, s.token);
	sp_statement_source(sp_str(source), s.source);
	sp_statement_source(sp_str(resource), s.resource);
	sp_out_reset(o);
	sp_statement_write(o, &s);
	sp_out_init(&t, text, sizeof text);
	sp_statement_signed(&t, sp_out_view(o));
	sp_testkey_sign(keeper, SP_EDDSA, sp_out_view(&t), o);
	return sp_out_view(o);
}

static void
fresh(void)
{
	uint8_t raw[32];
	char buf[512];
	struct sp_out o;
	sp_slice x;
	size_t n;

	sp_verifier_free(&v);
	assert_int_equal(sp_verifier_new(&img, 256, (struct sp_hash_key){ { 3, 4 } }, &v, NULL), SP_OK);
	sp_verifier_synced(v);
	sp_out_init(&o, buf, sizeof buf);
	sp_testkey_jwk(keeper, &o, "");
	x = sp_out_view(&o);
	sp_advance(&x, sp_find(x, SP_LIT("\"x\":\"")) + 5);
	assert_true(sp_b64url_decode(sp_sub(x, 0, 43), raw, 32, &n) && n == 32);
	assert_int_equal(sp_verifier_statement_key(v, raw), SP_OK);
}

/* header.payload.signature, signed by the issuer's key, or not at all. */
static sp_slice
jwt(struct sp_out *o, const char *claims, bool good)
{
	sp_out_reset(o);
	sp_testkey_token(issuer, SP_EDDSA, SP_LIT("{\"alg\":\"EdDSA\"}"), sp_str(claims), o);
	if (!good)
		o->p[o->n - 10] = o->p[o->n - 10] == 'A' ? 'B' : 'A';
	return sp_out_view(o);
}

#define CLAIMS "{\"iss\":\"" ISS "\",\"aud\":\"" URL "\",\"sub\":\"zoe\",\"exp\":1700000600}"

/* Threat D08: a token is shown to nobody who does not serve its shape and issuer. */
static void
test_who_is_asked(void **state)
{
	static const struct { const char *name, *token; enum sp_status want; } rows[] = {
		{ "text", "opaque", SP_E_TICKET },
		{ "text with two dots", "a.b.c", SP_E_TICKET },
		{ "three parts whose first is no JSON", "e30.e30.AAAA", SP_E_TICKET },
		{ "five parts (JWE)", "eyJhbGciOiJkaXIifQ.a.b.c.d", SP_E_TICKET },
		{ "spt_", "spt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SP_E_BAD_TOKEN },
		/* {"alg":"none"}.{}.AAAA and {"alg":"XX"}.{}.AAAA */
		{ "a JWT without issuer", "eyJhbGciOiJub25lIn0.e30.AAAA", SP_E_BAD_TOKEN },
		{ "a JWT of an unknown algorithm", "eyJhbGciOiJYWCJ9.e30.AAAA", SP_E_BAD_TOKEN },
	};
	char buf[2048];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_ticket_need need = { 0 };
		struct sp_principal *who = NULL;
		sp_slice token = sp_str(rows[i].token);
		enum sp_status st;

		fresh();
		st = sp_verify_ticket(v, 0, token, SP_LIT(""), NOW, EPOCH, &who, &need, NULL);
		CHECK(rows[i].name, st == rows[i].want && need.endpoint == (st == SP_E_TICKET));
		CHECK(rows[i].name, st != SP_E_TICKET || (need.source == ENDPOINT && sp_eq(need.input, token)));
	}
	CHECK("a JWT of its issuer", sp_verify_ticket(v, 0, jwt(&o, CLAIMS, true), SP_LIT(""), NOW, EPOCH, &(struct sp_principal *){ NULL },
	    &(struct sp_ticket_need){ 0 }, NULL) == SP_E_TICKET);
	CHECK("a JWT of another issuer", sp_verify_ticket(v, 0, jwt(&o, "{\"iss\":\"https://b\"}", true), SP_LIT(""), NOW, EPOCH,
	    &(struct sp_principal *){ NULL }, &(struct sp_ticket_need){ 0 }, NULL) == SP_E_BAD_TOKEN);
}

static void
test_tickets(void **state)
{
	static const struct {
		const char *name, *token, *source, *resource; uint64_t epoch; int64_t expires_s; const char *user; enum sp_status want;
	} rows[] = {
		{ "good", "opaque", "asked", URL, EPOCH, NOW + 60, "ann", SP_OK },
		{ "for another token", "other", "asked", URL, EPOCH, NOW + 60, "ann", SP_E_TICKET },
		{ "of another source", "opaque", "behind", URL, EPOCH, NOW + 60, "ann", SP_E_TICKET },
		{ "B01 for another resource", "opaque", "asked", "https://g.example/two", EPOCH, NOW + 60, "ann", SP_E_TICKET },
		{ "from before a revocation", "opaque", "asked", URL, EPOCH - 1, NOW + 60, "ann", SP_E_TICKET },
		{ "C19 ended", "opaque", "asked", URL, EPOCH, NOW, "ann", SP_E_TICKET },
		{ "a user that the source does not admit", "opaque", "asked", URL, EPOCH, NOW + 60, "zoe", SP_E_BAD_TOKEN },
	};
	char buf[SP_STATEMENT_MAX];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		sp_slice word = ticket(&o, sp_str(rows[i].token), rows[i].source, rows[i].resource, rows[i].epoch, rows[i].expires_s,
		    rows[i].user);
		struct sp_principal *who = NULL;
		enum sp_status st;

		fresh();
		st = sp_verify_ticket(v, 0, SP_LIT("opaque"), word, NOW, EPOCH, &who, NULL, NULL);
		CHECK(rows[i].name, st == rows[i].want && (who != NULL) == (st == SP_OK));
		if (who == NULL)
			continue;
		CHECK("who", sp_eq(who->user, SP_LIT("ann")) && sp_eq(who->client_id, SP_LIT("cli")) && who->source == ENDPOINT &&
		    sp_eq(who->issuer, SP_LIT("https://as")) && who->scopes[0] == 1 && who->tags[0] == 1 &&
		    who->expires_s == NOW + 600);
		sp_principal_drop(&who);
	}
}

/* C19, parity 24: remembered as long as the ticket, no longer; a revocation forgets it. */
static void
test_memory(void **state)
{
	struct sp_principal *who = NULL;
	char buf[SP_STATEMENT_MAX];
	struct sp_out o;

	fresh();
	sp_out_init(&o, buf, sizeof buf);
	assert_int_equal(sp_verify_ticket(v, 0, SP_LIT("opaque"), ticket(&o, SP_LIT("opaque"), "asked", URL, EPOCH, NOW + 20, "ann"), NOW,
	    EPOCH, &who, NULL, NULL), SP_OK);
	sp_principal_drop(&who);
	CHECK("a second look needs no ticket", sp_verify(v, 0, SP_LIT("opaque"), NOW + 19, EPOCH, &who, NULL) == SP_OK);
	sp_principal_drop(&who);
	CHECK("not at another resource", sp_verify(v, 1, SP_LIT("opaque"), NOW + 19, EPOCH, &who, NULL) == SP_E_TICKET);
	CHECK("not past its end", sp_verify(v, 0, SP_LIT("opaque"), NOW + 20, EPOCH, &who, NULL) == SP_E_TICKET);
	CHECK("not past a revocation", sp_verify_ticket(v, 0, SP_LIT("opaque"), sp_out_view(&o), NOW + 1, EPOCH + 1, &who, NULL, NULL) ==
	    SP_E_TICKET);
}

/* C16, C20: its no and its silence let the next in order judge, and are never a yes. */
static void
test_after_its_no(void **state)
{
	static const struct { const char *name; bool is_jwt, good; enum sp_status no, want; } rows[] = {
		{ "C20 silence, and a JWT that the next takes", true, true, SP_E_UNAVAILABLE, SP_OK },
		{ "parity 22: no, and a JWT that the next takes", true, true, SP_E_BAD_TOKEN, SP_OK },
		{ "C16 silence, and a JWT that nobody takes", true, false, SP_E_UNAVAILABLE, SP_E_UNAVAILABLE },
		{ "no, and a JWT that nobody takes", true, false, SP_E_BAD_TOKEN, SP_E_BAD_TOKEN },
		{ "C16 silence", false, false, SP_E_UNAVAILABLE, SP_E_UNAVAILABLE },
		{ "parity 22: no", false, false, SP_E_BAD_TOKEN, SP_E_BAD_TOKEN },
	};
	char buf[2048];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		sp_slice token = rows[i].is_jwt ? jwt(&o, CLAIMS, rows[i].good) : SP_LIT("opaque");
		const struct sp_ticket_no no = { ENDPOINT, rows[i].no };
		struct sp_ticket_need need = { 0 };
		struct sp_principal *who = NULL;
		enum sp_status st;

		fresh();
		CHECK("first it is asked", sp_verify_ticket(v, 0, token, SP_LIT(""), NOW, EPOCH, &who, &need, NULL) == SP_E_TICKET);
		st = sp_verify_without(v, 0, token, &no, NOW, EPOCH, &who, &need, NULL);
		CHECK(rows[i].name, st == rows[i].want && (who == NULL || who->source == BEHIND));
		if (who != NULL)
			sp_principal_drop(&who);
		else
			CHECK("nothing is remembered", sp_verify(v, 0, token, NOW, EPOCH, &who, NULL) == SP_E_TICKET);
	}
}

static int
setup(void **state)
{
	if (sp_crypto_init(NULL) != SP_OK)
		return -1;
	keeper = sp_testkey_new(SP_EDDSA, 0);
	issuer = sp_testkey_new(SP_EDDSA, 0);
	sp_imgb_init(&built, 1 << 20);
	build();
	return 0;
}

static int
teardown(void **state)
{
	sp_verifier_free(&v);
	sp_imgb_free(&built);
	sp_testkey_free(&keeper);
	sp_testkey_free(&issuer);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_who_is_asked), cmocka_unit_test(test_tickets), cmocka_unit_test(test_memory),
		cmocka_unit_test(test_after_its_no),
	};

	return cmocka_run_group_tests(t, setup, teardown);
}
