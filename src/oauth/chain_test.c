/* Fetched keys, keeper's tickets, headers of their own, and the order of sources: areas A to C of the threat catalogue. */
#include "base/b64.h"
#include "base/check.h"
#include "crypto/testsign.h"
#include "oauth/statement.h"
#include "oauth/verifier.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000)
#define AUD "https://g.example/mcp"
#define EPOCH 7

enum {
	OWN, FETCHED, FETCHED_TOO, ELSEWHERE, MAC, MAC_TOO, BESIDE_MAC, STATIC, KEYED, KEYED_TOO, OTHER_KEYED, PEER_NOBODY,
	PEER_ANN, PEER_OPS, SOURCES
};

static struct sp_testkey *key_a, *key_b, *rsa, *keeper, *other_keeper;
static struct sp_imgb built;
static struct sp_image img;
static struct sp_verifier *v;

/* --- the image --- */

static struct sp_ref
str(const char *s)
{
	return sp_imgb_str(&built, sp_str(s));
}

static struct sp_ref
bits(uint64_t w)
{
	return sp_imgb_words(&built, &w, 1);
}

static struct sp_ref
one(const char *s)
{
	sp_slice text = sp_str(s);

	return sp_imgb_texts(&built, &text, 1);
}

static struct sp_img_source
source(enum sp_source_type type, const char *name, const char *issuer)
{
	return (struct sp_img_source){ .type = type, .name = str(name), .issuer = str(issuer), .own_audience = 1,
		.claim_user = str("sub"), .claim_tags = str("tags"), .claim_scopes = str("scope") };
}

static void
build_jwt(struct sp_img_source s[SOURCES])
{
	char buf[1024];
	struct sp_out o;

	s[OWN] = source(SP_SOURCE_JWT, "own", "https://as/own");
	sp_out_init(&o, buf, sizeof buf);
	sp_testkey_jwk(key_a, &o, "");
	s[OWN].keys = sp_imgb_str(&built, sp_out_view(&o));
	s[FETCHED] = source(SP_SOURCE_REMOTE, "fetched", "https://as/f");
	s[FETCHED].authority = 1;
	s[FETCHED].users = one("a*");
	s[FETCHED_TOO] = source(SP_SOURCE_JWT, "fetched-too", "https://as/f");
	s[FETCHED_TOO].authority = 1;
	s[FETCHED_TOO].users = one("b*");
	s[ELSEWHERE] = source(SP_SOURCE_JWT, "elsewhere", "https://as/f");
	s[ELSEWHERE].authority = 2;
	s[MAC] = source(SP_SOURCE_JWT, "mac", "https://as/h");
	s[MAC].keys_ref = str("vault:one");
	s[MAC].users = one("a*");
	s[MAC_TOO] = source(SP_SOURCE_JWT, "mac-too", "https://as/h");
	s[MAC_TOO].keys_ref = str("vault:two");
	s[MAC_TOO].require_scopes = bits(1);
	s[BESIDE_MAC] = source(SP_SOURCE_JWT, "beside-mac", "https://as/h");
	s[BESIDE_MAC].keys = s[OWN].keys;
}

static void
build_rest(struct sp_img_source s[SOURCES])
{
	s[STATIC] = source(SP_SOURCE_STATIC, "static", "");
	s[STATIC].users = one("cron*");
	s[KEYED] = source(SP_SOURCE_STATIC, "keyed", "");
	s[KEYED].header = str("x-api-key");
	s[KEYED].users = one("job*");
	s[KEYED_TOO] = source(SP_SOURCE_STATIC, "keyed-too", "");
	s[KEYED_TOO].header = str("x-api-key");
	s[KEYED_TOO].require_scopes = bits(1);
	s[OTHER_KEYED] = source(SP_SOURCE_STATIC, "other-keyed", "");
	s[OTHER_KEYED].header = str("x-token");
	s[PEER_NOBODY] = source(SP_SOURCE_PEER, "nobody", "");
	s[PEER_ANN] = source(SP_SOURCE_PEER, "ann", "");
	s[PEER_ANN].users = one("ann");
	s[PEER_OPS] = source(SP_SOURCE_PEER, "ops", "");
	s[PEER_OPS].users = one("*");
	s[PEER_OPS].require_tags = bits(1);
	s[PEER_OPS].give_scopes = bits(1);
}

static void
build_head(struct sp_img_head *head)
{
	struct sp_img_authority authority[2] = {
		{ .issuer = str("https://as/f"), .host = str("as"), .path = str("/f"), .port = 443, .https = 1 },
		{ .issuer = str("https://as/f"), .url = str("https://as/e"), .host = str("as"), .path = str("/e"), .port = 443, .https = 1 },
	};
	static const sp_slice groups[] = { SP_LIT_INIT("ann"), SP_LIT_INIT("ops") };
	struct sp_img_account account[3] = {
		{ .uid = 5, .name = str("bob"), .groups = one("staff") },
		{ .uid = 1000, .name = str("ann"), .groups = one("staff") },
		{ .uid = 1001, .name = str("oli"), .groups = sp_imgb_texts(&built, groups, 2) },
	};
	struct sp_img_scope scope = { .name = str("dns:read"), .closure = bits(1) };

	*head = (struct sp_img_head){ .url = str(AUD), .origin = str("https://g.example"), .limit_calls = 300,
		.limit_calls_ms = 60000, .authorities = SP_IMGB_ARRAY(&built, authority, 2),
		.accounts = SP_IMGB_ARRAY(&built, account, 3), .scopes = SP_IMGB_ARRAY(&built, &scope, 1), .tags = one("ops") };
}

static void
build(void)
{
	struct sp_img_source s[SOURCES];
	struct sp_img_head head;
	struct sp_err e = { 0 };

	build_jwt(s);
	build_rest(s);
	build_head(&head);
	head.sources = SP_IMGB_ARRAY(&built, s, SOURCES);
	sp_imgb_resources(&built, &head, (struct sp_img_resource[]){ { .path = str("/mcp"), .url = str(AUD) },
	    { .path = str("/b"), .url = str("https://g.example/b") } }, 2);
	if (sp_imgb_finish(&built, &head, &e) != SP_OK || sp_image_check(built.o.p, built.o.n, &img, &e) != SP_OK)
		fail_msg("image: %s", e.log);
}

/* --- tokens, key sets, tickets --- */

#define F(rest) "{\"iss\":\"https://as/f\",\"aud\":\"" AUD "\",\"exp\":1700000600," rest "}"
#define H(rest) "{\"iss\":\"https://as/h\",\"aud\":\"" AUD "\",\"exp\":1700000600," rest "}"

static sp_slice
token(struct sp_out *o, const struct sp_testkey *k, enum sp_alg alg, const char *kid, const char *claims)
{
	char header[256];

	snprintf(header, sizeof header, "{\"alg\":\"%s\"%s%s%s}", sp_alg_name(alg), kid == NULL ? "" : ",\"kid\":\"",
	    kid == NULL ? "" : kid, kid == NULL ? "" : "\"");
	sp_out_reset(o);
	sp_testkey_token(k, alg, sp_str(header), sp_str(claims), o);
	assert_true(!o->full);
	return sp_out_view(o);
}

/* A token with a MAC of this secret. */
static sp_slice
hs_token(struct sp_out *o, enum sp_alg alg, const char *claims)
{
	char mac[64], header[64];
	struct sp_out m;

	sp_out_reset(o);
	snprintf(header, sizeof header, "{\"alg\":\"%s\"}", sp_alg_name(alg));
	sp_b64url_encode(o, header, strlen(header));
	sp_out_byte(o, '.');
	sp_b64url_encode(o, claims, strlen(claims));
	sp_out_init(&m, mac, sizeof mac);
	sp_test_hmac(alg, SP_LIT("0123456789abcdef0123456789abcdef"), sp_out_view(o), &m);
	sp_out_byte(o, '.');
	sp_b64url_encode(o, m.p, m.n);
	return sp_out_view(o);
}

struct named { const struct sp_testkey *key; const char *kid; };

static enum sp_status
set_keys(uint32_t authority, const struct named *k, size_t n, const char *more)
{
	char buf[8192], extra[64];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "{\"keys\":[");
	for (size_t i = 0; i < n; i++) {
		sp_out_str(&o, i == 0 ? "" : ",");
		snprintf(extra, sizeof extra, ",\"kid\":\"%s\"", k[i].kid);
		sp_testkey_jwk(k[i].key, &o, extra);
	}
	sp_out_str(&o, more);
	sp_out_str(&o, "]}");
	return sp_verifier_keys(v, authority, SP_OK, sp_out_view(&o), NULL);
}

static void
raw_public(const struct sp_testkey *k, uint8_t out[32])
{
	char buf[512];
	struct sp_out o;
	sp_slice x;
	size_t n;

	sp_out_init(&o, buf, sizeof buf);
	sp_testkey_jwk(k, &o, "");
	x = sp_out_view(&o);
	sp_advance(&x, sp_find(x, SP_LIT("\"x\":\"")) + 5);
	assert_true(sp_b64url_decode(sp_sub(x, 0, 43), out, 32, &n) && n == 32);
}

static sp_slice
ticket(struct sp_out *o, const struct sp_testkey *by, struct sp_statement s, const char *name)
{
	char text[SP_STATEMENT_MAX];
	struct sp_out t;

	sp_statement_source(sp_str(name), s.source);
	sp_out_reset(o);
	sp_statement_write(o, &s);
	sp_out_init(&t, text, sizeof text);
	sp_statement_signed(&t, sp_out_view(o));
	sp_testkey_sign(by, SP_EDDSA, sp_out_view(&t), o);
	return sp_out_view(o);
}

static sp_slice
mac_ticket(struct sp_out *o, const struct sp_testkey *by, sp_slice for_token, const char *name, int64_t expires)
{
	struct sp_statement s = { .kind = SP_STATEMENT_MAC, .expires_s = expires };

	sp_sha256(for_token, s.token);
	return ticket(o, by, s, name);
}

static sp_slice
peer_ticket(struct sp_out *o, uint32_t uid, const char *name, int64_t expires)
{
	return ticket(o, keeper, (struct sp_statement){ .kind = SP_STATEMENT_PEER, .expires_s = expires, .uid = uid }, name);
}

static struct sp_principal *
verified(sp_slice t, uint64_t epoch)
{
	struct sp_principal *who = NULL;

	return sp_verify(v, 0, t, NOW, epoch, &who, NULL) == SP_OK ? who : NULL;
}

static void
fresh(void)
{
	sp_verifier_free(&v);
	assert_int_equal(sp_verifier_new(&img, 256, (struct sp_hash_key){ { 3, 4 } }, &v, NULL), SP_OK);
}

static void
learn_statement_key(const struct sp_testkey *k)
{
	uint8_t raw[32];

	raw_public(k, raw);
	assert_int_equal(sp_verifier_statement_key(v, raw), SP_OK);
}

/* --- fetched keys --- */

#define ANN "\"sub\":\"ann\""

static void
test_before_the_first_set(void **state)
{
	static const struct {
		const char *name; char key; enum sp_alg alg; const char *kid, *claims; enum sp_status want; bool wants;
	} rows[] = {
		{ "C03 no set yet: later, not never", 'b', SP_ES256, "k", F(ANN), SP_E_UNAVAILABLE, true },
		{ "C03 without a kid", 'b', SP_ES256, NULL, F(ANN), SP_E_UNAVAILABLE, true },
		{ "A43 nothing is fetched for a stranger's issuer", 'b', SP_ES256, "k",
		    "{\"iss\":\"https://evil\",\"aud\":\"" AUD "\",\"exp\":1700000600," ANN "}", SP_E_BAD_TOKEN, false },
		{ "R06 an issuer whose keys are here", 'b', SP_ES256, "k",
		    "{\"iss\":\"https://as/own\",\"aud\":\"" AUD "\",\"exp\":1700000600," ANN "}", SP_E_BAD_TOKEN, false },
		{ "A04 HS256 where public keys belong", 'h', SP_HS256, NULL, F(ANN), SP_E_BAD_TOKEN, false },
	};
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	fresh();
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal *who = NULL;
		uint32_t authority = 99;
		struct sp_err e;
		sp_slice t = rows[i].key == 'h' ? hs_token(&o, rows[i].alg, rows[i].claims) :
		    token(&o, key_b, rows[i].alg, rows[i].kid, rows[i].claims);

		CHECK(rows[i].name, sp_verify(v, 0, t, NOW, EPOCH, &who, &e) == rows[i].want && who == NULL);
		CHECK(rows[i].name, sp_verifier_wants_keys(v, &authority) == rows[i].wants);
		CHECK(rows[i].name, authority == (rows[i].wants ? 0 : 99));
	}
	/* A refusal of no token at all wants nothing, whatever the one before it wanted. */
	(void)verified(token(&o, key_b, SP_ES256, "k", F(ANN)), EPOCH);
	(void)verified(SP_LIT("junk"), EPOCH);
	CHECK("R06 junk", !sp_verifier_wants_keys(v, &(uint32_t){ 0 }));
	sp_out_free(&o);
}

static void
test_fetched(void **state)
{
	static const struct named set[] = { { NULL, "a" }, { NULL, "b" } };
	const struct named keys[] = { { key_a, set[0].kid }, { key_b, set[1].kid } };
	static const struct {
		const char *name; char key; const char *kid, *claims; int source; bool wants;
	} rows[] = {
		{ "by kid", 'a', "a", F(ANN), FETCHED, false },
		{ "the second source of this authority", 'b', "b", F("\"sub\":\"bob\""), FETCHED_TOO, false },
		{ "B05 kid of one key, signed by the other", 'b', "a", F(ANN), -1, false },
		{ "C01 R06 unknown kid", 'a', "x", F(ANN), -1, true },
		{ "19 no kid and two keys", 'a', NULL, F(ANN), -1, false },
		{ "B01 another audience", 'a', "a", "{\"iss\":\"https://as/f\",\"aud\":\"x\",\"exp\":1700000600," ANN "}", -1, false },
		{ "not one of its users", 'a', "a", F("\"sub\":\"zoe\""), -1, false },
	};
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	fresh();
	assert_int_equal(set_keys(0, keys, 2, ""), SP_OK);
	assert_int_equal(set_keys(1, &(struct named){ rsa, "z" }, 1, ""), SP_OK);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal *who;
		uint32_t authority = 99;
		sp_slice t = token(&o, rows[i].key == 'a' ? key_a : key_b, SP_ES256, rows[i].kid, rows[i].claims);

		who = verified(t, EPOCH);
		CHECK(rows[i].name, (who != NULL) == (rows[i].source >= 0));
		CHECK(rows[i].name, who == NULL || who->source == (uint32_t)rows[i].source);
		/* The authority of `elsewhere` has another set, which does not know these keys either. */
		if (who == NULL)
			CHECK(rows[i].name, sp_verifier_wants_keys(v, &authority) == (rows[i].kid != NULL));
		CHECK(rows[i].name, !rows[i].wants || authority == 0);
		sp_principal_drop(&who);
	}
	/* B23: one authority is down, the other has the key. */
	assert_int_equal(sp_verifier_keys(v, 0, SP_E_UNAVAILABLE, SP_LIT(""), NULL), SP_OK);
	assert_int_equal(set_keys(1, keys, 1, ""), SP_OK);
	{
		struct sp_principal *who = verified(token(&o, key_a, SP_ES256, "a", F(ANN)), EPOCH), *none = NULL;
		struct sp_err e;

		CHECK("B23 another source accepts", who != NULL && who->source == ELSEWHERE);
		sp_principal_drop(&who);
		CHECK("27 B23 nobody accepts, one is down: 503, not 401", sp_verify(v, 0,
		    token(&o, key_b, SP_ES256, "b", F(ANN)), NOW, EPOCH, &none, &e) == SP_E_UNAVAILABLE);
		CHECK("B23 the reason", strstr(e.log, "source fetched: its key set could not be fetched") != NULL);
	}
	sp_out_free(&o);
}

/* B18: what a gone key signed is refused at once; nothing else is verified anew. */
static void
test_rotation(void **state)
{
	const struct named both[] = { { key_a, "a" }, { key_b, "b" } }, renamed[] = { { key_a, "A" }, { key_b, "b" } };
	struct sp_principal *first, *again;
	struct sp_out o, p;
	sp_slice ta, tb;

	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&p, 1 << 20);
	fresh();
	ta = token(&o, key_a, SP_ES256, "a", F(ANN));
	tb = token(&p, key_b, SP_ES256, "b", F(ANN));
	assert_int_equal(set_keys(0, both, 1, ""), SP_OK);
	first = verified(ta, EPOCH);
	assert_non_null(first);
	assert_int_equal(set_keys(0, both, 2, ""), SP_OK);
	again = verified(ta, EPOCH);
	CHECK("a key more: still cached", again == first);
	sp_principal_drop(&again);
	assert_int_equal(set_keys(0, both, 2, ""), SP_OK);
	again = verified(ta, EPOCH);
	CHECK("the same set again: still cached", again == first);
	sp_principal_drop(&again);
	CHECK("bad set", set_keys(0, both, 0, "") == SP_E_CONFIG);
	again = verified(ta, EPOCH);
	CHECK("C03 an unusable set changes nothing", again == first);
	sp_principal_drop(&again);
	assert_int_equal(set_keys(0, both + 1, 1, ""), SP_OK);
	CHECK("B18 the key is gone", verified(ta, EPOCH) == NULL);
	again = verified(tb, EPOCH);
	CHECK("the other key stays", again != NULL);
	sp_principal_drop(&again);
	assert_int_equal(set_keys(0, both, 2, ""), SP_OK);
	again = verified(ta, EPOCH);
	CHECK("the key is back", again != NULL && again != first);
	sp_principal_drop(&again);
	assert_int_equal(set_keys(0, renamed, 2, ""), SP_OK);
	CHECK("B18 the key has another kid", verified(ta, EPOCH) == NULL);
	assert_int_equal(set_keys(0, both, 2, ""), SP_OK);
	again = verified(ta, EPOCH);
	sp_principal_drop(&again);
	assert_int_equal(sp_verifier_keys(v, 0, SP_E_UNAVAILABLE, SP_LIT(""), NULL), SP_OK);
	CHECK("C03 too old to be used", sp_verify(v, 0, ta, NOW, EPOCH, &again, NULL) == SP_E_UNAVAILABLE);
	CHECK("no such authority", sp_verifier_keys(v, 2, SP_OK, SP_LIT("{\"keys\":[]}"), NULL) == SP_E_BUG);
	sp_principal_drop(&first);
	sp_out_free(&o);
	sp_out_free(&p);
}

/* C07, C08, C09 and the rest of what an authority may serve. */
static void
test_odd_sets(void **state)
{
	static const struct { const char *name, *more; bool good; } rows[] = {
		{ "C08 an unknown kty", ",{\"kty\":\"new\",\"kid\":\"n\"}", true },
		{ "C08 a broken key", ",{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}", true },
		{ "C07 an oct key", ",{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", true },
		{ "C09 a private part", ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"p\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\","
		    "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}", true },
		{ "a number", ",1", true }, { "not JSON", ",", false },
	};
	static const struct { const char *name; sp_slice text; } whole[] = {
		{ "a single JWK", SP_LIT_INIT("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}") },
		{ "PEM", SP_LIT_INIT("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n") },
		{ "HTML", SP_LIT_INIT("<html>") }, { "empty", SP_LIT_INIT("") }, { "a list", SP_LIT_INIT("[]") },
		{ "C07 only an oct key", SP_LIT_INIT("{\"keys\":[{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}") },
	};
	const struct named a = { key_a, "a" };
	struct sp_principal *who;
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		fresh();
		CHECK(rows[i].name, (set_keys(0, &a, 1, rows[i].more) == SP_OK) == rows[i].good);
		who = verified(token(&o, key_a, SP_ES256, "a", F(ANN)), EPOCH);
		CHECK(rows[i].name, (who != NULL) == rows[i].good);
		sp_principal_drop(&who);
		CHECK(rows[i].name, verified(hs_token(&o, SP_HS256, F(ANN)), EPOCH) == NULL);
	}
	for (size_t i = 0; i < SP_COUNT(whole); i++)
		CHECK(whole[i].name, sp_verifier_keys(v, 0, SP_OK, whole[i].text, NULL) == SP_E_CONFIG);
	sp_out_free(&o);
}

/* --- MACs --- */

static void
test_mac(void **state)
{
	struct sp_principal *who = NULL, *again = NULL;
	struct sp_ticket_need need;
	struct sp_out o, t;
	uint8_t hash[32];
	sp_slice tok;

	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&t, 1 << 20);
	fresh();
	tok = hs_token(&o, SP_HS256, H(ANN));
	sp_sha256(tok, hash);
	CHECK("no key of keeper's yet", sp_verify_ticket(v, 0, tok, SP_LIT(""), NOW, EPOCH, &who, &need, NULL) == SP_E_UNAVAILABLE);
	learn_statement_key(keeper);
	CHECK("a ticket is needed", sp_verify_ticket(v, 0, tok, SP_LIT(""), NOW, EPOCH, &who, &need, NULL) == SP_E_TICKET);
	assert_true(need.source == MAC && !need.peer && need.alg == SP_HS256 && need.mac.n == 32);
	assert_memory_equal(need.token_hash, hash, 32);
	assert_true(need.input.p == tok.p && tok.p[need.input.n] == '.');
	CHECK("also without a place for the need", sp_verify(v, 0, tok, NOW, EPOCH, &who, NULL) == SP_E_TICKET);
	CHECK("accepted", sp_verify_ticket(v, 0, tok, mac_ticket(&t, keeper, tok, "mac", NOW + 60), NOW, EPOCH, &who, &need, NULL) == SP_OK);
	assert_true(who->source == MAC && sp_eq(who->user, SP_LIT("ann")) && who->expires_s == NOW + 630);
	CHECK("remembered without the ticket", sp_verify(v, 0, tok, NOW + 59, EPOCH, &again, NULL) == SP_OK && again == who);
	sp_principal_drop(&again);
	CHECK("until the ticket ends", sp_verify(v, 0, tok, NOW + 60, EPOCH, &again, NULL) == SP_E_TICKET);
	CHECK("with the old ticket too", sp_verify_ticket(v, 0, tok, sp_out_view(&t), NOW + 60, EPOCH, &again, &need, NULL) == SP_E_TICKET);
	sp_principal_drop(&who);
	sp_out_free(&o);
	sp_out_free(&t);
}

static void
test_mac_rows(void **state)
{
	enum { NONE = -1, NO_TICKET = -2 };
	static const struct {
		const char *name; enum sp_alg alg; const char *claims, *source; int for_other; int64_t ends;
		enum sp_status want; int accepted;
	} rows[] = {
		{ "by the first secret", SP_HS384, H(ANN), "mac", 0, 60, SP_OK, MAC },
		{ "by the second secret", SP_HS512, H("\"sub\":\"ann\",\"scope\":\"dns:read\""), "mac-too", 0, 60, SP_OK, MAC_TOO },
		{ "by the second, which wants a scope", SP_HS256, H(ANN), "mac-too", 0, 60, SP_E_TICKET, NONE },
		{ "the first cannot accept this user: only the second", SP_HS256, H("\"sub\":\"bob\",\"scope\":\"dns:read\""), "mac-too", 0,
		    60, SP_OK, MAC_TOO },
		{ "the scope is named to a good token only", SP_HS256, H("\"sub\":\"bob\""), "mac-too", 0, 60, SP_E_SCOPE, NONE },
		{ "D08 and not to one without a ticket", SP_HS256, H("\"sub\":\"bob\""), NULL, 0, 60, SP_E_TICKET, NONE },
		{ "a ticket for another token", SP_HS256, H(ANN), "mac", 1, 60, SP_E_TICKET, NONE },
		{ "a ticket for another source", SP_HS256, H(ANN), "own", 0, 60, SP_E_TICKET, NONE },
		{ "a ticket that has ended", SP_HS256, H(ANN), "mac", 0, 0, SP_E_TICKET, NONE },
		{ "B08 keeper is not asked about an expired token", SP_HS256,
		    "{\"iss\":\"https://as/h\",\"aud\":\"" AUD "\",\"exp\":1600000000," ANN "}", NULL, 0, 60, SP_E_BAD_TOKEN, NONE },
		{ "B08 nor does a ticket help it", SP_HS256, "{\"iss\":\"https://as/h\",\"aud\":\"" AUD "\",\"exp\":1600000000," ANN "}",
		    "mac", 0, 60, SP_E_BAD_TOKEN, NONE },
		{ "B01 nor of another audience", SP_HS256, "{\"iss\":\"https://as/h\",\"aud\":\"x\",\"exp\":1700000600," ANN "}", "mac", 0,
		    60, SP_E_BAD_TOKEN, NONE },
		{ "B12 nor without a user", SP_HS256, H("\"x\":1"), "mac", 0, 60, SP_E_BAD_TOKEN, NONE },
	};
	struct sp_out o, t, x;

	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&t, 1 << 20);
	sp_out_heap(&x, 1 << 20);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal *who = NULL;
		struct sp_ticket_need need;
		struct sp_err e;
		sp_slice tok, word = SP_LIT("");
		enum sp_status st;

		fresh();
		learn_statement_key(keeper);
		tok = hs_token(&o, rows[i].alg, rows[i].claims);
		if (rows[i].source != NULL)
			word = mac_ticket(&t, keeper, rows[i].for_other ? hs_token(&x, SP_HS256, H("\"sub\":\"amy\"")) : tok,
			    rows[i].source, NOW + rows[i].ends);
		st = sp_verify_ticket(v, 0, tok, word, NOW, EPOCH, &who, &need, &e);
		if (st != rows[i].want)
			fail_msg("%s: %d %s", rows[i].name, (int)st, e.log);
		CHECK(rows[i].name, (who != NULL) == (rows[i].accepted >= 0));
		CHECK(rows[i].name, who == NULL || who->source == (uint32_t)rows[i].accepted);
		sp_principal_drop(&who);
		CHECK("B17 the ticket does not help at another resource", sp_verify_ticket(v, 1, tok, word, NOW, EPOCH, &who, &need, &e) ==
		    SP_E_BAD_TOKEN && who == NULL);
	}
	sp_out_free(&o);
	sp_out_free(&t);
	sp_out_free(&x);
}

/* A01 to A08: who signs and who MACs never meet. */
static void
test_confusion(void **state)
{
	struct sp_principal *who = NULL;
	struct sp_out o, t;
	sp_slice tok;

	sp_out_heap(&o, 1 << 20);
	sp_out_heap(&t, 1 << 20);
	fresh();
	learn_statement_key(keeper);
	tok = token(&o, key_a, SP_ES256, NULL, H(ANN));
	CHECK("A08 a signed token, whose source has a public key", (who = verified(tok, EPOCH)) != NULL && who->source == BESIDE_MAC);
	sp_principal_drop(&who);
	tok = token(&o, key_b, SP_ES256, NULL, H(ANN));
	CHECK("A08 a ticket does not sign", sp_verify_ticket(v, 0, tok, mac_ticket(&t, keeper, tok, "mac", NOW + 60), NOW, EPOCH, &who,
	    NULL, NULL) == SP_E_BAD_TOKEN);
	CHECK("A08 nor does one of the source with the public key", sp_verify_ticket(v, 0, tok,
	    mac_ticket(&t, keeper, tok, "beside-mac", NOW + 60), NOW, EPOCH, &who, NULL, NULL) == SP_E_BAD_TOKEN);
	tok = hs_token(&o, SP_HS256, F(ANN));
	CHECK("A07 a ticket for a source with fetched keys", sp_verify_ticket(v, 0, tok,
	    mac_ticket(&t, keeper, tok, "fetched", NOW + 60), NOW, EPOCH, &who, NULL, NULL) == SP_E_BAD_TOKEN);
	CHECK("A01 none", verified(SP_LIT("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FzL2gifQ.AA"), EPOCH) == NULL);
	tok = hs_token(&o, SP_HS256, H(ANN));
	CHECK("signed by somebody else", sp_verify_ticket(v, 0, tok, mac_ticket(&t, other_keeper, tok, "mac", NOW + 60), NOW, EPOCH, &who,
	    NULL, NULL) == SP_E_TICKET);
	CHECK("accepted", sp_verify_ticket(v, 0, tok, mac_ticket(&t, keeper, tok, "mac", NOW + 60), NOW, EPOCH, &who, NULL, NULL) == SP_OK);
	sp_principal_drop(&who);
	learn_statement_key(keeper);
	CHECK("the same key again forgets nothing", (who = verified(tok, EPOCH)) != NULL);
	sp_principal_drop(&who);
	learn_statement_key(other_keeper);
	CHECK("another key ends them all", verified(tok, EPOCH) == NULL);
	{
		static const uint8_t zero[32] = { 1 };

		CHECK("A13 no key at all", sp_verifier_statement_key(v, zero) == SP_E_CONFIG);
	}
	sp_out_free(&o);
	sp_out_free(&t);
}

/* --- Unix sockets --- */

static void
test_peer(void **state)
{
	static const struct { const char *name; uint32_t uid; const char *source; enum sp_status want; int accepted; const char *user; } rows[] = {
		{ "a user with a name", 1000, "nobody", SP_OK, PEER_ANN, "ann" },
		{ "by group, at a later source", 1001, "nobody", SP_OK, PEER_OPS, "oli" },
		{ "not in the group", 5, "nobody", SP_E_BAD_TOKEN, -1, NULL },
		{ "a number without account", 4242, "nobody", SP_E_BAD_TOKEN, -1, NULL },
		{ "root is nobody special", 0, "nobody", SP_E_BAD_TOKEN, -1, NULL },
		{ "keeper names the first source", 1000, "ann", SP_E_TICKET, -1, NULL },
	};
	struct sp_principal *who = NULL, *again = NULL;
	struct sp_ticket_need need;
	struct sp_out t, o;

	sp_out_heap(&t, 1 << 20);
	sp_out_heap(&o, 1 << 20);
	fresh();
	CHECK("no key of keeper's yet", sp_verify_ticket(v, 0, SP_LIT(""), SP_LIT(""), NOW, EPOCH, &who, &need, NULL) == SP_E_UNAVAILABLE);
	learn_statement_key(keeper);
	CHECK("asks", sp_verify_ticket(v, 0, SP_LIT(""), SP_LIT(""), NOW, EPOCH, &who, &need, NULL) == SP_E_TICKET && need.peer &&
	    need.source == PEER_NOBODY);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		enum sp_status st = sp_verify_ticket(v, 0, SP_LIT(""), peer_ticket(&t, rows[i].uid, rows[i].source, NOW + 60), NOW, EPOCH, &who,
		    &need, NULL);

		CHECK(rows[i].name, st == rows[i].want && (who != NULL) == (rows[i].accepted >= 0));
		if (who == NULL)
			continue;
		CHECK(rows[i].name, who->source == (uint32_t)rows[i].accepted && sp_eq(who->user, sp_str(rows[i].user)));
		CHECK(rows[i].name, who->scopes[0] == (rows[i].accepted == PEER_OPS) && who->tags[0] == (rows[i].accepted == PEER_OPS));
		CHECK("remembered", sp_verify_ticket(v, 0, SP_LIT(""), sp_out_view(&t), NOW + 59, EPOCH, &again, NULL, NULL) == SP_OK && again == who);
		sp_principal_drop(&again);
		CHECK("until it ends", sp_verify_ticket(v, 0, SP_LIT(""), sp_out_view(&t), NOW + 60, EPOCH, &again, NULL, NULL) == SP_E_TICKET);
		CHECK("its text is no token", verified(sp_out_view(&t), EPOCH) == NULL);
		sp_principal_drop(&who);
		fresh();
		learn_statement_key(keeper);
	}
	CHECK("no token is no peer", sp_verify(v, 0, SP_LIT(""), NOW, EPOCH, &who, NULL) == SP_E_BAD_TOKEN);
	CHECK("a MAC's ticket is no peer's", sp_verify_ticket(v, 0, SP_LIT(""), mac_ticket(&t, keeper, SP_LIT(""), "nobody", NOW + 60), NOW,
	    EPOCH, &who, NULL, NULL) == SP_E_TICKET);
	CHECK("a peer's ticket is no MAC's", sp_verify_ticket(v, 0, hs_token(&o, SP_HS256, H(ANN)), peer_ticket(&t, 1000, "mac", NOW + 60), NOW,
	    EPOCH, &who, NULL, NULL) == SP_E_TICKET);
	sp_out_free(&t);
	sp_out_free(&o);
}

/* --- headers of their own --- */

#define SPT(c) "spt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" c

static void
put(const char *text, const char *name, const char *scopes)
{
	struct sp_static_token t = { .name = sp_str(name), .scopes = sp_str(scopes), .expires_s = INT64_MAX };

	sp_sha256(sp_str(text), t.hash);
	assert_int_equal(sp_verifier_put(v, &t), SP_OK);
}

static void
test_headers(void **state)
{
	enum { AUTHORIZATION = -1, REFUSED = -1, SHORT = -2 };
	static const struct { const char *name, *token; int from, accepted; } rows[] = {
		{ "25 in its header", SPT("A"), KEYED, KEYED },
		{ "not in Authorization", SPT("A"), AUTHORIZATION, REFUSED },
		{ "in Authorization", SPT("B"), AUTHORIZATION, STATIC },
		{ "not in the header", SPT("B"), KEYED, SHORT },
		{ "the second source of this header", SPT("C"), KEYED, KEYED_TOO },
		{ "in another header", SPT("C"), OTHER_KEYED, OTHER_KEYED },
		{ "every token is good at a source that admits all", SPT("A"), OTHER_KEYED, OTHER_KEYED },
		{ "25 unknown", SPT("D"), KEYED, REFUSED },
		{ "B22 empty", "", KEYED, REFUSED },
	};
	struct sp_principal *who = NULL;
	uint32_t s = 0;
	sp_slice name;

	fresh();
	CHECK("before keeper has sent them", sp_verify_from(v, KEYED, SP_LIT(SPT("A")), NOW, EPOCH, &who, NULL) == SP_E_UNAVAILABLE);
	put(SPT("A"), "job1", "");
	put(SPT("B"), "cron", "");
	put(SPT("C"), "other", "dns:read");
	sp_verifier_synced(v);
	assert_true(sp_verifier_header(v, 0, &s, &name) && s == KEYED && sp_eq(name, SP_LIT("x-api-key")));
	assert_true(sp_verifier_header(v, 1, &s, &name) && s == KEYED_TOO);
	assert_true(sp_verifier_header(v, 2, &s, &name) && s == OTHER_KEYED && sp_eq(name, SP_LIT("x-token")));
	assert_false(sp_verifier_header(v, 3, &s, &name));
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		sp_slice t = sp_str(rows[i].token);
		enum sp_status st = rows[i].from == AUTHORIZATION ? sp_verify(v, 0, t, NOW, EPOCH, &who, NULL) :
		    sp_verify_from(v, (uint32_t)rows[i].from, t, NOW, EPOCH, &who, NULL);

		CHECK(rows[i].name, st == (rows[i].accepted >= 0 ? SP_OK : rows[i].accepted == SHORT ? SP_E_SCOPE : SP_E_BAD_TOKEN));
		CHECK(rows[i].name, who == NULL || who->source == (uint32_t)rows[i].accepted);
		CHECK(rows[i].name, (who != NULL) == (rows[i].accepted >= 0));
		sp_principal_drop(&who);
	}
	CHECK("a source without header", sp_verify_from(v, STATIC, SP_LIT(SPT("B")), NOW, EPOCH, &who, NULL) == SP_E_BUG);
	CHECK("no source", sp_verify_from(v, SOURCES, SP_LIT(SPT("B")), NOW, EPOCH, &who, NULL) == SP_E_BUG);
}

/* A keeper that starts again names every token that is valid: the one that was revoked meanwhile is gone, everywhere. */
static void
test_announced_again(void **state)
{
	static const char *const tokens[] = { SPT("A"), SPT("B"), SPT("C") };
	struct sp_principal *who;

	fresh();
	for (size_t i = 0; i < SP_COUNT(tokens); i++)
		put(tokens[i], "cron", "");
	sp_verifier_synced(v);
	sp_verifier_announced(v);
	put(SPT("A"), "cron", "");
	put(SPT("C"), "cron2", "");
	who = verified(sp_str(SPT("B")), EPOCH);
	CHECK("nothing goes before all are named", who != NULL);
	sp_principal_drop(&who);
	sp_verifier_synced(v);
	for (size_t i = 0; i < SP_COUNT(tokens); i++) {
		who = verified(sp_str(tokens[i]), EPOCH);
		CHECK("B18 the one that was not named is gone", (who != NULL) == (i != 1));
		CHECK("and one has changed", i != 2 || sp_eq(who->user, SP_LIT("cron2")));
		sp_principal_drop(&who);
	}
	CHECK("B18 in headers too", sp_verify_from(v, OTHER_KEYED, SP_LIT(SPT("B")), NOW, EPOCH, &who, NULL) == SP_E_BAD_TOKEN);
	sp_verifier_announced(v);
	sp_verifier_synced(v);
	CHECK("none is valid any more", verified(sp_str(SPT("A")), EPOCH) == NULL);
}

/* D08: whatever is wrong, one text. */
static void
test_one_text(void **state)
{
	const struct named a = { key_a, "a" };
	struct sp_principal *who = NULL;
	struct sp_out o;
	struct sp_err e;
	sp_slice t[5];

	sp_out_heap(&o, 1 << 20);
	fresh();
	assert_int_equal(set_keys(0, &a, 1, ""), SP_OK);
	assert_int_equal(set_keys(1, &a, 1, ""), SP_OK);
	for (size_t i = 0; i < SP_COUNT(t); i++) {
		static const char *const claims[] = { F(ANN), F(ANN), F("\"sub\":\"\""),
			"{\"iss\":\"https://as/f\",\"aud\":\"x\",\"exp\":1700000600," ANN "}",
			"{\"iss\":\"https://as/f\",\"aud\":\"" AUD "\",\"exp\":1," ANN "}" };

		t[i] = token(&o, i == 1 ? key_b : key_a, SP_ES256, i == 0 ? "x" : "a", claims[i]);
		CHECK("D08 refused", sp_verify(v, 0, t[i], NOW, EPOCH, &who, &e) == SP_E_BAD_TOKEN);
		CHECK("D08 unknown kid, bad signature, no user, wrong aud, expired", strcmp(e.pub, "invalid token") == 0);
		CHECK("D08 the operator knows", e.log[0] != '\0');
	}
	sp_out_free(&o);
}

static int
setup(void **state)
{
	if (sp_crypto_init(NULL) != SP_OK)
		return -1;
	key_a = sp_testkey_new(SP_ES256, 0);
	key_b = sp_testkey_new(SP_ES256, 0);
	rsa = sp_testkey_new(SP_RS256, 0);
	keeper = sp_testkey_new(SP_EDDSA, 0);
	other_keeper = sp_testkey_new(SP_EDDSA, 0);
	sp_imgb_init(&built, 1 << 20);
	build();
	return 0;
}

static int
teardown(void **state)
{
	struct sp_testkey **all[] = { &key_a, &key_b, &rsa, &keeper, &other_keeper };

	sp_verifier_free(&v);
	sp_imgb_free(&built);
	for (size_t i = 0; i < SP_COUNT(all); i++)
		sp_testkey_free(all[i]);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_before_the_first_set), cmocka_unit_test(test_fetched), cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_odd_sets), cmocka_unit_test(test_mac), cmocka_unit_test(test_mac_rows),
		cmocka_unit_test(test_confusion), cmocka_unit_test(test_peer), cmocka_unit_test(test_headers),
		cmocka_unit_test(test_announced_again), cmocka_unit_test(test_one_text),
	};

	return cmocka_run_group_tests(t, setup, teardown);
}
