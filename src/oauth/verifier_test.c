/* From token to principal: areas A, B and E of the threat catalogue as far as a token decides. */
#include "base/check.h"
#include "crypto/testsign.h"
#include "oauth/verifier.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000)
#define AUD "https://g.example/mcp"
#define EPOCH 7

enum { WRITE, READ, ADMIN, PII, SCOPES };
enum { CI, PEOPLE, STATIC, STRICT, FALLBACK, ANONYMOUS, OWN, MIXED, SOURCES };

static struct sp_testkey *key_a, *key_b;
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
keys(const struct sp_testkey *k, const char *kid)
{
	char buf[2048];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_testkey_jwk(k, &o, kid);
	return sp_imgb_str(&built, sp_out_view(&o));
}

static struct sp_img_source
jwt(const char *name, const char *issuer, const struct sp_testkey *k)
{
	static const sp_slice aud[] = { SP_LIT_INIT(AUD), SP_LIT_INIT("urn:g") };

	return (struct sp_img_source){ .type = SP_SOURCE_JWT, .name = str(name), .issuer = str(issuer),
		.audiences = sp_imgb_texts(&built, aud, 2), .keys = keys(k, ""), .claim_user = str("sub"),
		.claim_tags = str("tags"), .claim_scopes = str("scope") };
}

static void
build_sources(struct sp_img_source s[SOURCES])
{
	static const sp_slice acme[] = { SP_LIT_INIT("*@acme.example") }, people[] = { SP_LIT_INIT("cron*"), SP_LIT_INIT("ann") };
	static const sp_slice urn[] = { SP_LIT_INIT("urn:g") };
	struct sp_img_give give = { str("ops"), bits(1 << WRITE) };

	s[CI] = jwt("ci", "https://as/a", key_a);
	s[PEOPLE] = jwt("people", "https://as/b", key_b);
	s[PEOPLE].claim_user = str("email");
	s[PEOPLE].claim_tags = str("realm_access.roles");
	s[PEOPLE].claim_scopes = str("scp");
	s[PEOPLE].users = sp_imgb_texts(&built, acme, 1);
	s[PEOPLE].give_scopes = bits(1 << PII);
	s[PEOPLE].give_by_tag = SP_IMGB_ARRAY(&built, &give, 1);
	s[STATIC] = (struct sp_img_source){ .type = SP_SOURCE_STATIC, .name = str("static"),
		.users = sp_imgb_texts(&built, people, 2), .give_by_tag = SP_IMGB_ARRAY(&built, &give, 1) };
	s[STRICT] = jwt("strict", "https://as/c", key_a);
	s[STRICT].require_scopes = bits(1 << READ);
	s[STRICT].require_tags = bits(1 << 0);
	s[FALLBACK] = jwt("fallback", "https://as/c", key_b);
	s[ANONYMOUS] = (struct sp_img_source){ .type = SP_SOURCE_ANONYMOUS, .name = str("anonymous"), .give_scopes = bits(1 << READ) };
	s[OWN] = jwt("own", "https://as/own", key_a);
	s[OWN].audiences = (struct sp_ref){ 0, 0 };
	s[OWN].own_audience = 1;
	s[MIXED] = jwt("mixed", "https://as/mixed", key_a);
	s[MIXED].audiences = sp_imgb_texts(&built, urn, 1);
	s[MIXED].own_audience = 1;
}

static void
build(void)
{
	static const sp_slice tags[] = { SP_LIT_INIT("ops"), SP_LIT_INIT("pii") };
	struct sp_img_scope scope[SCOPES] = {
		{ .name = str("dns:write"), .closure = bits(1 << WRITE | 1 << READ) },
		{ .name = str("dns:read"), .closure = bits(1 << READ) },
		{ .name = str("admin"), .closure = bits(1 << ADMIN) },
		{ .name = str("crm:pii"), .closure = bits(1 << PII) },
	};
	struct sp_img_source source[SOURCES];
	struct sp_img_head head = { .url = str(AUD), .origin = str("https://g.example"), .anonymous = 1 + ANONYMOUS,
		.limit_calls = 300, .limit_calls_ms = 60000 };
	struct sp_err e = { 0 };

	build_sources(source);
	head.sources = SP_IMGB_ARRAY(&built, source, SOURCES);
	head.scopes = SP_IMGB_ARRAY(&built, scope, SCOPES);
	head.tags = sp_imgb_texts(&built, tags, 2);
	sp_imgb_resources(&built, &head, (struct sp_img_resource[]){ { .path = str("/mcp"), .url = str(AUD) },
	    { .path = str("/b"), .url = str("https://g.example/b") } }, 2);
	if (sp_imgb_finish(&built, &head, &e) != SP_OK || sp_image_check(built.o.p, built.o.n, &img, &e) != SP_OK)
		fail_msg("image: %s", e.log);
}

/* --- tokens --- */

static sp_slice
token_of(const struct sp_testkey *k, const char *claims, struct sp_out *o)
{
	sp_out_heap(o, 1 << 20);
	sp_testkey_token(k, SP_ES256, SP_LIT("{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}"), sp_str(claims), o);
	return sp_out_view(o);
}

#define C(iss, rest) "{\"iss\":\"" iss "\",\"aud\":\"" AUD "\",\"exp\":1700000600," rest "}"
#define A(rest) C("https://as/a", rest)
#define B(rest) C("https://as/b", rest)
#define D(rest) C("https://as/c", rest)
#define ANN "\"email\":\"ann@acme.example\",\"email_verified\":true"
#define EMAIL(m) "\"email_verified\":true,\"email\":\"" m "\""

enum { SHORT = -2 };	/* refused, because a scope of the source is missing */

static const struct {
	const char *name;
	char	    key;		/* a, b */
	const char *claims;
	int	    source;		/* -1: refused */
	const char *user;
	unsigned    scopes, tags;
	const char *why;
} rows[] = {
	{ "plain", 'a', A("\"sub\":\"ann\""), CI, "ann", 0, 0, NULL },
	{ "scopes and what they imply", 'a', A("\"sub\":\"ann\",\"scope\":\"dns:write admin\""), CI, "ann", 7, 0, NULL },
	{ "E08 list of scopes", 'a', A("\"sub\":\"ann\",\"scope\":[\"dns:read\",\"admin\"]"), CI, "ann", 6, 0, NULL },
	{ "E08 space inside a listed scope", 'a', A("\"sub\":\"ann\",\"scope\":[\"dns:read admin\"]"), CI, "ann", 0, 0, NULL },
	{ "E08 tab", 'a', A("\"sub\":\"ann\",\"scope\":\"dns:read\\tadmin\""), CI, "ann", 0, 0, NULL },
	{ "E08 no-break space", 'a', A("\"sub\":\"ann\",\"scope\":\"dns:read\\u00a0admin\""), CI, "ann", 0, 0, NULL },
	{ "E08 comma", 'a', A("\"sub\":\"ann\",\"scope\":\"dns:read,admin\""), CI, "ann", 0, 0, NULL },
	{ "E08 newline", 'a', A("\"sub\":\"ann\",\"scope\":\"dns:read\\nadmin\""), CI, "ann", 0, 0, NULL },
	{ "E08 upper case", 'a', A("\"sub\":\"ann\",\"scope\":\"DNS:READ Admin\""), CI, "ann", 0, 0, NULL },
	{ "E08 spaces around", 'a', A("\"sub\":\"ann\",\"scope\":\"  admin  \""), CI, "ann", 4, 0, NULL },
	{ "E08 scope with NUL", 'a', A("\"sub\":\"ann\",\"scope\":\"admin\\u0000\""), CI, "ann", 0, 0, NULL },
	{ "E08 scope a number", 'a', A("\"sub\":\"ann\",\"scope\":1"), CI, "ann", 0, 0, NULL },
	{ "E08 scope an object", 'a', A("\"sub\":\"ann\",\"scope\":{\"admin\":true}"), CI, "ann", 0, 0, NULL },
	{ "E08 list with a number", 'a', A("\"sub\":\"ann\",\"scope\":[\"admin\",1]"), CI, "ann", 0, 0, NULL },
	{ "E09 prefix", 'a', A("\"sub\":\"ann\",\"scope\":\"dns dns: dns:readx dns:read:x\""), CI, "ann", 0, 0, NULL },
	{ "E09 wildcard", 'a', A("\"sub\":\"ann\",\"scope\":\"* dns:* **\""), CI, "ann", 0, 0, NULL },
	{ "another claim does not count", 'a', A("\"sub\":\"ann\",\"scp\":\"admin\",\"scopes\":[\"admin\"]"), CI, "ann", 0, 0, NULL },
	{ "B14 tags", 'a', A("\"sub\":\"ann\",\"tags\":[\"ops\",\"other\"]"), CI, "ann", 0, 1, NULL },
	{ "B14 tags a text", 'a', A("\"sub\":\"ann\",\"tags\":\"ops\""), CI, "ann", 0, 0, NULL },
	{ "B14 tags in another case", 'a', A("\"sub\":\"ann\",\"tags\":[\"Ops\"]"), CI, "ann", 0, 0, NULL },
	{ "B14 tags an object", 'a', A("\"sub\":\"ann\",\"tags\":{\"ops\":true}"), CI, "ann", 0, 0, NULL },
	{ "B14 tags with a number", 'a', A("\"sub\":\"ann\",\"tags\":[\"ops\",1]"), CI, "ann", 0, 0, NULL },
	{ "B14 tags in a list in a list", 'a', A("\"sub\":\"ann\",\"tags\":[[\"ops\"]]"), CI, "ann", 0, 0, NULL },
	{ "B14 overage", 'a', A("\"sub\":\"ann\",\"_claim_names\":{\"tags\":\"src1\"},\"_claim_sources\":{\"src1\":{\"endpoint\":\"https://evil\"}}"), CI,
	    "ann", 0, 0, NULL },
	{ "B26 actor is not the user", 'a', A("\"sub\":\"ann\",\"act\":{\"sub\":\"root\"},\"may_act\":{\"sub\":\"root\"}"), CI, "ann", 0, 0, NULL },
	{ "B12 no sub", 'a', A("\"scope\":\"admin\""), -1, NULL, 0, 0, "source ci: claim sub is missing" },
	{ "B12 sub empty", 'a', A("\"sub\":\"\""), -1, NULL, 0, 0, "user is empty" },
	{ "B12 sub number", 'a', A("\"sub\":1"), -1, NULL, 0, 0, "claim sub" },
	{ "B12 sub null", 'a', A("\"sub\":null"), -1, NULL, 0, 0, "claim sub" },
	{ "B12 sub list", 'a', A("\"sub\":[\"ann\"]"), -1, NULL, 0, 0, "claim sub" },
	{ "B12 newline in sub", 'a', A("\"sub\":\"ann\\nroot\""), -1, NULL, 0, 0, "control" },
	{ "B12 NUL in sub", 'a', A("\"sub\":\"ann\\u0000\""), -1, NULL, 0, 0, "control" },
	{ "B12 escape in sub", 'a', A("\"sub\":\"\\u001b[2J\""), -1, NULL, 0, 0, "control" },
	{ "B12 right-to-left override", 'a', A("\"sub\":\"\\u202eann\""), -1, NULL, 0, 0, "control" },
	{ "B05 key of another issuer", 'b', A("\"sub\":\"ann\""), -1, NULL, 0, 0, "source ci: signature does not hold" },
	{ "B05 the other way", 'a', B(ANN), -1, NULL, 0, 0, "source people: signature does not hold" },
	{ "B06 issuer with a slash", 'a', C("https://as/a/", "\"sub\":\"ann\""), -1, NULL, 0, 0, "no source has the issuer https://as/a/" },
	{ "B07 unknown issuer", 'a', C("https://evil", "\"sub\":\"ann\""), -1, NULL, 0, 0, "no source has the issuer https://evil" },
	{ "issuer with control characters", 'a', C("\\n\\u001bx", "\"sub\":\"ann\""), -1, NULL, 0, 0, "no source has the issuer ??x" },
	{ "no issuer", 'a', "{\"aud\":\"" AUD "\",\"exp\":1700000600,\"sub\":\"ann\"}", -1, NULL, 0, 0, "neither" },
	{ "B01 audience", 'a', "{\"iss\":\"https://as/a\",\"aud\":[\"account\"],\"exp\":1700000600,\"sub\":\"ann\"}", -1, NULL, 0, 0,
	    "source ci: aud is [account], expected " AUD },
	{ "second audience", 'a', "{\"iss\":\"https://as/a\",\"aud\":\"urn:g\",\"exp\":1700000600,\"sub\":\"ann\"}", CI, "ann", 0, 0, NULL },
	{ "B08 expired", 'a', "{\"iss\":\"https://as/a\",\"aud\":\"" AUD "\",\"exp\":1699999970,\"sub\":\"ann\"}", -1, NULL, 0, 0, "expired 30 s ago" },
	{ "email", 'b', B(ANN), PEOPLE, "ann@acme.example", 8, 0, NULL },
	{ "given by tag, with what it implies", 'b', B(ANN ",\"realm_access\":{\"roles\":[\"ops\"]}"), PEOPLE, "ann@acme.example", 11, 1, NULL },
	{ "B15 literal key realm_access.roles", 'b', B(ANN ",\"realm_access.roles\":[\"ops\"]"), PEOPLE, "ann@acme.example", 8, 0, NULL },
	{ "B13 not verified", 'b', B("\"email\":\"ann@acme.example\",\"email_verified\":false"), -1, NULL, 0, 0, "not verified" },
	{ "B13 verified missing", 'b', B("\"email\":\"ann@acme.example\""), -1, NULL, 0, 0, "not verified" },
	{ "B13 verified is a text", 'b', B("\"email\":\"ann@acme.example\",\"email_verified\":\"true\""), -1, NULL, 0, 0, "not verified" },
	{ "B13 two at signs", 'b', B(EMAIL("a@evil.com@acme.example")), -1, NULL, 0, 0, "form" },
	{ "B13 quoted local part", 'b', B(EMAIL("\\\"a@acme.example\\\"@evil.com")), -1, NULL, 0, 0, "form" },
	{ "B13 final dot", 'b', B(EMAIL("a@acme.example.")), -1, NULL, 0, 0, "`users`" },
	{ "B13 newline", 'b', B(EMAIL("a@acme.example\\n")), -1, NULL, 0, 0, "control" },
	{ "B13 look-alike", 'b', B(EMAIL("a@a\\u1d04me.example")), -1, NULL, 0, 0, "`users`" },
	{ "B13 other case", 'b', B(EMAIL("a@ACME.example")), -1, NULL, 0, 0, "`users`" },
	{ "B13 longer domain", 'b', B(EMAIL("a@acme.example.evil.com")), -1, NULL, 0, 0, "`users`" },
	{ "B13 slash", 'b', B(EMAIL("evil/a@acme.example")), -1, NULL, 0, 0, "`users`" },
	{ "required scope and tag", 'a', D("\"sub\":\"ann\",\"scope\":\"dns:write\",\"tags\":[\"ops\"]"), STRICT, "ann", 3, 1, NULL },
	{ "required scope missing", 'a', D("\"sub\":\"ann\",\"tags\":[\"ops\"]"), SHORT, NULL, 0, 0, "source strict: the source requires scope dns:read" },
	{ "required tag missing", 'a', D("\"sub\":\"ann\",\"scope\":\"dns:read\""), -1, NULL, 0, 0, "source strict: the source requires tag ops" },
	{ "B24 the second source of this issuer", 'b', D("\"sub\":\"bob\",\"scope\":\"admin\""), FALLBACK, "bob", 4, 0, NULL },
};

static unsigned
low(const uint64_t *words, uint32_t n)
{
	return n == 0 ? 0 : (unsigned)words[0];
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal *who = NULL;
		struct sp_err e = { 0 };
		struct sp_out o;
		sp_slice t = token_of(rows[i].key == 'a' ? key_a : key_b, rows[i].claims, &o);

		for (int again = 0; again < 2; again++) {	/* the second answer may come from the cache */
			enum sp_status st = sp_verify(v, 0, t, NOW, EPOCH, &who, &e);

			if (rows[i].source < 0) {
				bool is_short = rows[i].source == SHORT;

				CHECK(rows[i].name, st == (is_short ? SP_E_SCOPE : SP_E_BAD_TOKEN) && who == NULL);
				CHECK(rows[i].name, strcmp(e.pub, is_short ? "dns:read" : "invalid token") == 0);
				if (strstr(e.log, rows[i].why) == NULL)
					fail_msg("%s: %s", rows[i].name, e.log);
				continue;
			}
			if (st != SP_OK)
				fail_msg("%s: %s", rows[i].name, e.log);
			CHECK(rows[i].name, who->source == (uint32_t)rows[i].source);
			CHECK(rows[i].name, sp_eq(who->user, sp_str(rows[i].user)));
			CHECK(rows[i].name, low(who->scopes, who->scope_words) == rows[i].scopes);
			CHECK(rows[i].name, low(who->tags, who->tag_words) == rows[i].tags);
			CHECK(rows[i].name, who->expires_s == 1700000630);
			sp_principal_drop(&who);
			CHECK(rows[i].name, who == NULL);
		}
		sp_out_free(&o);
	}
}

static void
test_principal(void **state)
{
	struct sp_principal *a = NULL, *b = NULL, *c = NULL;
	uint8_t hash[32];
	struct sp_out o, p;
	sp_slice t = token_of(key_a, A("\"sub\":\"ann\",\"azp\":\"cli\",\"jti\":\"1\""), &o);

	assert_int_equal(sp_verify(v, 0, t, NOW, EPOCH, &a, NULL), SP_OK);
	assert_true(sp_eq(a->issuer, SP_LIT("https://as/a")) && sp_eq(a->client_id, SP_LIT("cli")));
	sp_sha256(t, hash);
	assert_memory_equal(hash, a->fingerprint, 8);
	t = token_of(key_a, A("\"sub\":\"ann\",\"client_id\":\"web\",\"azp\":\"cli\",\"jti\":\"2\""), &p);
	assert_int_equal(sp_verify(v, 0, t, NOW, EPOCH, &b, NULL), SP_OK);
	assert_true(sp_eq(b->client_id, SP_LIT("web")));
	assert_true(a->key == b->key);		/* one user, one slot, whatever the token */
	sp_out_free(&p);
	t = token_of(key_b, D("\"sub\":\"ann\""), &p);
	assert_int_equal(sp_verify(v, 0, t, NOW, EPOCH, &c, NULL), SP_OK);
	assert_true(a->key != c->key);		/* the same name from another source is somebody else */
	sp_principal_drop(&a);
	sp_principal_drop(&b);
	sp_principal_drop(&c);
	sp_principal_drop(&c);
	sp_out_free(&o);
	sp_out_free(&p);
}

/* --- several resources --- */

#define TO(issuer, aud) "{\"iss\":\"https://as/" issuer "\",\"aud\":" aud ",\"exp\":1700000600,\"sub\":\"ann\"}"
#define AT_B "\"https://g.example/b\""
#define NOT_FOR_B "expected https://g.example/b"

/* B01, B17: what a token is for is the resource that is asked, unless its source says otherwise. */
static void
test_resources(void **state)
{
	static const struct { const char *name, *claims; bool good[2]; const char *why; } asked[] = {
		{ "B01 for the first", TO("own", "\"" AUD "\""), { true, false }, "aud is [" AUD "], " NOT_FOR_B },
		{ "B01 for the second", TO("own", AT_B), { false, true }, "expected " AUD },
		{ "B01 for both", TO("own", "[\"" AUD "\"," AT_B "]"), { true, true }, NULL },
		{ "B01 for a path below", TO("own", "\"https://g.example/b/c\""), { false, false }, NOT_FOR_B },
		{ "B01 for the origin", TO("own", "\"https://g.example\""), { false, false }, NOT_FOR_B },
		{ "B01 with a slash", TO("own", "\"https://g.example/b/\""), { false, false }, NOT_FOR_B },
		{ "B01 for nobody", TO("own", "\"\""), { false, false }, NOT_FOR_B },
		{ "a configured audience counts everywhere", TO("mixed", "\"urn:g\""), { true, true }, NULL },
		{ "B01 beside it each resource has its own", TO("mixed", AT_B), { false, true }, "expected " AUD },
		{ "B01 configured alone: at each, for that", TO("a", "\"" AUD "\""), { true, true }, NULL },
		{ "B01 configured alone: not for itself", TO("a", AT_B), { false, false }, "expected " AUD },
	};

	for (size_t i = 0; i < SP_COUNT(asked); i++) {
		struct sp_out o;
		sp_slice t = token_of(key_a, asked[i].claims, &o);
		struct sp_err refusal = { 0 };

		/* B17: asked in turn, so that what one resource remembers could help at the other. */
		for (uint32_t turn = 0; turn < 6; turn++) {
			struct sp_principal *who = NULL;
			struct sp_err e = { 0 };
			uint32_t at = turn & 1;

			if ((sp_verify(v, at, t, NOW, EPOCH, &who, &e) == SP_OK) != asked[i].good[at])
				fail_msg("%s at %u: %s", asked[i].name, at, e.log);
			CHECK(asked[i].name, (who != NULL) == asked[i].good[at]);
			CHECK(asked[i].name, who != NULL || strcmp(e.pub, "invalid token") == 0);
			if (who == NULL)
				refusal = e;
			sp_principal_drop(&who);
		}
		if (asked[i].why != NULL && strstr(refusal.log, asked[i].why) == NULL)
			fail_msg("%s: %s", asked[i].name, refusal.log);
		CHECK("no such resource", sp_verify(v, 2, t, NOW, EPOCH, &(struct sp_principal *){ NULL }, &(struct sp_err){ 0 }) == SP_E_BUG);
		sp_out_free(&o);
	}
}

/* --- the cache --- */

static struct sp_principal *
verified(sp_slice t, int64_t now, uint64_t epoch)
{
	struct sp_principal *who = NULL;

	return sp_verify(v, 0, t, now, epoch, &who, NULL) == SP_OK ? who : NULL;
}

static void
test_cache(void **state)
{
	struct sp_principal *first, *again;
	struct sp_out o, bad;
	sp_slice t = token_of(key_a, A("\"sub\":\"cached\""), &o);

	first = verified(t, NOW, EPOCH);
	again = verified(t, NOW + 1, EPOCH);
	CHECK("a hit", first != NULL && first == again);
	sp_principal_drop(&again);
	again = verified(t, NOW + 1, EPOCH + 1);
	CHECK("B18 another epoch is verified anew", again != NULL && again != first);
	sp_principal_drop(&again);
	again = verified(t, NOW + 1, EPOCH);
	CHECK("B18 and back", again != NULL && again != first);
	sp_principal_drop(&again);
	sp_principal_drop(&first);

	sp_out_heap(&bad, 1 << 20);
	sp_out_slice(&bad, t);
	bad.p[bad.n - 1] ^= 1;
	CHECK("B16 last bit flipped", verified(sp_out_view(&bad), NOW, EPOCH) == NULL);
	bad.p[bad.n - 1] ^= 1;
	sp_out_byte(&bad, '=');
	CHECK("B16 padding", verified(sp_out_view(&bad), NOW, EPOCH) == NULL);
	bad.p[bad.n - 1] = ' ';
	CHECK("B16 space", verified(sp_out_view(&bad), NOW, EPOCH) == NULL);
	CHECK("B16 shorter", verified(sp_sub(t, 0, t.n - 1), NOW, EPOCH) == NULL);
	sp_out_free(&bad);
	sp_out_free(&o);
}

/* B20: an entry dies at exp; within the leeway the token is verified each time; after it, refused.  B11: also when the clock goes back. */
static void
test_expiry(void **state)
{
	struct sp_verifier *own = NULL, *shared = v;
	struct sp_principal *a, *b;
	struct sp_out o;
	sp_slice t = token_of(key_a, A("\"sub\":\"short\""), &o);

	assert_int_equal(sp_verifier_new(&img, 64, (struct sp_hash_key){ { 1, 2 } }, &own, NULL), SP_OK);
	v = own;
	a = verified(t, NOW + 599, EPOCH);
	b = verified(t, NOW + 599, EPOCH);
	CHECK("B20 cached before exp", a != NULL && a == b);
	sp_principal_drop(&b);
	b = verified(t, NOW + 600, EPOCH);
	CHECK("B20 not cached at exp", b != NULL && a != b);
	sp_principal_drop(&a);
	sp_principal_drop(&b);
	CHECK("B20 refused after the leeway", verified(t, NOW + 630, EPOCH) == NULL);
	CHECK("B11 the clock goes back an hour", verified(t, NOW + 630 - 3600, EPOCH) == NULL);
	CHECK("B11 and on", verified(t, NOW + 631 - 3600, EPOCH) == NULL);
	a = verified(t, NOW - 90000, EPOCH);
	CHECK("a clock that was days ahead", a != NULL);
	sp_principal_drop(&a);
	sp_verifier_free(&own);
	v = shared;
	sp_out_free(&o);
}

/* B19: refusals evict nobody; R08: valid tokens beyond the cache still work and it does not grow. */
static void
test_flood(void **state)
{
	struct sp_verifier *own = NULL, *shared = v;
	struct sp_principal *first, *again;
	struct sp_out o;
	sp_slice t = token_of(key_a, A("\"sub\":\"first\""), &o);

	assert_int_equal(sp_verifier_new(&img, 16, (struct sp_hash_key){ { 1, 2 } }, &own, NULL), SP_OK);
	v = own;
	first = verified(t, NOW, EPOCH);
	for (unsigned i = 0; i < 2000; i++) {
		char junk[128];

		snprintf(junk, sizeof junk, "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FzL2EifQ.%08x", i);
		CHECK("B19 junk", verified(sp_str(junk), NOW, EPOCH) == NULL);
	}
	again = verified(t, NOW, EPOCH);
	CHECK("B19 still cached", first == again);
	sp_principal_drop(&again);
	for (unsigned i = 0; i < 200; i++) {
		char claims[256];
		struct sp_out other;

		snprintf(claims, sizeof claims, A("\"sub\":\"u%u\""), i);
		token_of(key_a, claims, &other);
		again = verified(sp_out_view(&other), NOW, EPOCH);
		CHECK("R08 beyond the cache", again != NULL);
		sp_principal_drop(&again);
		sp_out_free(&other);
	}
	sp_principal_drop(&first);
	sp_verifier_free(&own);
	v = shared;
	sp_out_free(&o);
}

/* --- static tokens --- */

#define SPT "spt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct sp_static_token
static_token(sp_slice text, const char *name, const char *scopes, const char *tags, int64_t expires)
{
	struct sp_static_token t = { .name = sp_str(name), .client_id = SP_LIT("cron"), .scopes = sp_str(scopes),
		.tags = sp_str(tags), .expires_s = expires };

	sp_sha256(text, t.hash);
	return t;
}

static void
test_static(void **state)
{
	static const struct { const char *name; sp_slice text; } strangers[] = {
		{ "B22 empty", SP_LIT_INIT("") }, { "B22 prefix alone", SP_LIT_INIT("spt_") },
		{ "B22 one letter less", SP_LIT_INIT("spt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") },
		{ "B22 NUL behind", SP_LIT_INIT(SPT "\0") }, { "B22 padding", SP_LIT_INIT(SPT "=") },
		{ "B22 other case of the prefix", SP_LIT_INIT("SPT_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") },
		{ "placeholder", SP_LIT_INIT("spp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") },
		{ "opaque", SP_LIT_INIT("gho_16C7e42F292c6912E7710c838347Ae178B4a") },
	};
	struct sp_static_token t = static_token(SP_LIT(SPT), "cron", "dns:read nonsense", "ops", NOW + 100);
	struct sp_principal *who = NULL;
	struct sp_err e = { 0 };
	char hex[65];
	struct sp_out o;

	CHECK("B23 before keeper has sent them", sp_verify(v, 0, SP_LIT(SPT), NOW, EPOCH, &who, &e) == SP_E_UNAVAILABLE);
	assert_int_equal(sp_verifier_put(v, &t), SP_OK);
	CHECK("known before the rest", (who = verified(SP_LIT(SPT), NOW, EPOCH)) != NULL);
	sp_principal_drop(&who);
	sp_verifier_synced(v);
	who = verified(SP_LIT(SPT), NOW + 99, EPOCH);
	assert_non_null(who);
	assert_true(who->source == STATIC && sp_eq(who->user, SP_LIT("cron")) && sp_eq(who->client_id, SP_LIT("cron")));
	assert_true(who->scopes[0] == 3 && who->tags[0] == 1 && who->expires_s == NOW + 100);
	assert_memory_equal(who->fingerprint, t.hash, 8);
	assert_int_equal(sp_verify(v, 0, SP_LIT(SPT), NOW + 100, EPOCH, &who, &e), SP_E_BAD_TOKEN);
	assert_non_null(strstr(e.log, "static token cron expired"));
	for (size_t i = 0; i < SP_COUNT(strangers); i++)
		CHECK(strangers[i].name, sp_verify(v, 0, strangers[i].text, NOW, EPOCH, &who, &e) == SP_E_BAD_TOKEN);
	sp_out_init(&o, hex, sizeof hex);
	sp_out_hex(&o, t.hash, 32);
	CHECK("B22 the hash itself", verified(sp_out_view(&o), NOW, EPOCH) == NULL);
	sp_verifier_del(v, t.hash);
	CHECK("revoked", sp_verify(v, 0, SP_LIT(SPT), NOW, EPOCH, &who, &e) == SP_E_BAD_TOKEN);
	assert_true(sp_eq(who->user, SP_LIT("cron")));	/* a principal in use outlives its token's entry */
	sp_principal_drop(&who);
	sp_verifier_del(v, t.hash);
}

static void
test_static_sources_rules(void **state)
{
	struct sp_static_token t = static_token(SP_LIT(SPT), "mallory", "", "", INT64_MAX);
	struct sp_principal *who = NULL;
	struct sp_err e;

	assert_int_equal(sp_verifier_put(v, &t), SP_OK);
	CHECK("not of the source's users", sp_verify(v, 0, SP_LIT(SPT), NOW, EPOCH, &who, &e) == SP_E_BAD_TOKEN);
	assert_non_null(strstr(e.log, "mallory"));
	t.name = SP_LIT("ann\n");
	assert_int_equal(sp_verifier_put(v, &t), SP_OK);
	CHECK("B12 control character", verified(SP_LIT(SPT), NOW, EPOCH) == NULL);
	t.name = SP_LIT("ann");
	assert_int_equal(sp_verifier_put(v, &t), SP_OK);	/* announced again: replaced */
	who = verified(SP_LIT(SPT), INT64_C(1) << 40, EPOCH);
	CHECK("never expires", who != NULL);
	sp_principal_drop(&who);
	sp_verifier_del(v, t.hash);
	assert_int_equal(sp_verify(v, 0, SP_LIT(SPT), NOW, EPOCH, &who, &e), SP_E_BAD_TOKEN);
}

static void
test_many_static(void **state)
{
	char text[64];

	for (int round = 0; round < 3; round++)
		for (unsigned i = 0; i < 3000; i++) {
			struct sp_static_token t;
			struct sp_principal *who;

			snprintf(text, sizeof text, "spt_%043u", i);
			t = static_token(sp_str(text), "cron1", "", "", INT64_MAX);
			if (round == 0)
				CHECK("put", sp_verifier_put(v, &t) == SP_OK);
			if (round == 1 && i % 2 == 0)
				sp_verifier_del(v, t.hash);
			who = verified(sp_str(text), NOW, EPOCH);
			CHECK("found", (who != NULL) == (round == 0 || i % 2 == 1));
			sp_principal_drop(&who);
			if (round == 2)
				sp_verifier_del(v, t.hash);
		}
}

/* --- the rest --- */

static void
test_limits(void **state)
{
	static char big[SP_TOKEN_MAX + 1];
	struct sp_principal *who = NULL;
	struct sp_err e;
	struct sp_out claims, o;

	memset(big, 'a', sizeof big);
	CHECK("A42 too long", sp_verify(v, 0, sp_mem(big, sizeof big), NOW, EPOCH, &who, &e) == SP_E_BAD_TOKEN);
	assert_non_null(strstr(e.log, "over 16384"));
	CHECK("A42 as long as may be", sp_verify(v, 0, sp_mem(big, SP_TOKEN_MAX), NOW, EPOCH, &who, NULL) == SP_E_BAD_TOKEN);
	memset(big, '.', sizeof big);
	CHECK("A38 dots", sp_verify(v, 0, sp_mem(big, SP_TOKEN_MAX), NOW, EPOCH, &who, NULL) == SP_E_BAD_TOKEN);
	sp_out_heap(&claims, 1 << 20);		/* E08: as many scopes as fit */
	sp_out_str(&claims, "{\"iss\":\"https://as/a\",\"aud\":\"" AUD "\",\"exp\":1700000600,\"sub\":\"ann\",\"scope\":\"");
	for (unsigned i = 0; i < 5000; i++)
		sp_out_str(&claims, "x ");
	sp_out_str(&claims, "admin\"}");
	sp_out_heap(&o, 1 << 20);
	sp_testkey_token(key_a, SP_ES256, SP_LIT("{\"alg\":\"ES256\"}"), sp_out_view(&claims), &o);
	assert_true(o.n < SP_TOKEN_MAX);
	who = verified(sp_out_view(&o), NOW, EPOCH);
	CHECK("E08 thousands of scopes", who != NULL && who->scopes[0] == 1 << ADMIN);
	sp_principal_drop(&who);
	sp_out_free(&o);
	sp_out_free(&claims);
}

static void
test_anonymous(void **state)
{
	struct sp_principal *a = sp_verifier_anonymous(v), *held;

	assert_non_null(a);
	assert_true(a->source == ANONYMOUS && a->user.n == 0 && a->scopes[0] == 1 << READ && a->tags[0] == 0);
	held = sp_principal_hold(a);
	sp_principal_drop(&held);
	held = a;
	sp_principal_drop(&held);		/* one drop too many does no harm */
	assert_ptr_equal(sp_verifier_anonymous(v), a);
	assert_true(a->expires_s == INT64_MAX);
}

static void
test_make(void **state)
{
	struct sp_principal *p = NULL;
	struct sp_err e;

	assert_int_equal(sp_principal_make(&img, PEOPLE, SP_LIT("ann@acme.example"), SP_LIT("admin nonsense"), SP_LIT("ops"), &p, &e), SP_OK);
	assert_true(p->scopes[0] == 15 && p->tags[0] == 1 && p->source == PEOPLE);
	sp_principal_drop(&p);
	assert_int_equal(sp_principal_make(&img, PEOPLE, SP_LIT("ann@evil"), SP_LIT(""), SP_LIT(""), &p, &e), SP_E_BAD_TOKEN);
	assert_int_equal(sp_principal_make(&img, PEOPLE, SP_LIT("a@evil@acme.example"), SP_LIT(""), SP_LIT(""), &p, &e), SP_E_BAD_TOKEN);
	assert_int_equal(sp_principal_make(&img, ANONYMOUS, SP_LIT(""), SP_LIT(""), SP_LIT(""), &p, &e), SP_OK);
	sp_principal_drop(&p);
	assert_int_equal(sp_principal_make(&img, ANONYMOUS, SP_LIT("ann"), SP_LIT(""), SP_LIT(""), &p, &e), SP_E_BAD_TOKEN);
	assert_int_equal(sp_principal_make(&img, SOURCES, SP_LIT("ann"), SP_LIT(""), SP_LIT(""), &p, &e), SP_E_CONFIG);
	assert_null(p);
}

/* Images that the verifier must not start with: no keys, an HMAC secret as key. */
static void
test_bad_images(void **state)
{
	static const struct { const char *name, *keys, *why; } bad[] = {
		{ "no keys", "", "source x: no key" },
		{ "A07 a secret where keys belong", "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", "source x" },
		{ "HTML", "<html>", "source x" },
	};

	for (size_t i = 0; i < SP_COUNT(bad); i++) {
		struct sp_imgb shared = built;
		struct sp_verifier *own = NULL;
		struct sp_image other;
		struct sp_img_source s;
		struct sp_img_head head;
		struct sp_err e = { 0 };

		sp_imgb_init(&built, 1 << 20);
		head = (struct sp_img_head){ .url = str(AUD), .limit_calls_ms = 1 };
		s = jwt("x", "https://x", key_a);
		s.keys = str(bad[i].keys);
		head.sources = SP_IMGB_ARRAY(&built, &s, 1);
		sp_imgb_resources(&built, &head, &(struct sp_img_resource){ .path = str("/mcp"), .url = str(AUD) }, 1);
		if (sp_imgb_finish(&built, &head, &e) != SP_OK || sp_image_check(built.o.p, built.o.n, &other, &e) != SP_OK)
			fail_msg("%s: %s", bad[i].name, e.log);
		CHECK(bad[i].name, sp_verifier_new(&other, 16, (struct sp_hash_key){ { 1, 2 } }, &own, &e) == SP_E_CONFIG && own == NULL);
		if (strstr(e.log, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].name, e.log);
		sp_imgb_free(&built);
		built = shared;
	}
}

static int
setup(void **state)
{
	if (sp_crypto_init(NULL) != SP_OK)
		return -1;
	key_a = sp_testkey_new(SP_ES256, 0);
	key_b = sp_testkey_new(SP_ES256, 0);
	sp_imgb_init(&built, 1 << 20);
	build();
	return sp_verifier_new(&img, 256, (struct sp_hash_key){ { 3, 4 } }, &v, NULL) == SP_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	sp_verifier_free(&v);
	sp_imgb_free(&built);
	sp_testkey_free(&key_a);
	sp_testkey_free(&key_b);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_principal), cmocka_unit_test(test_resources), cmocka_unit_test(test_cache),
		cmocka_unit_test(test_expiry), cmocka_unit_test(test_flood), cmocka_unit_test(test_static),
		cmocka_unit_test(test_static_sources_rules), cmocka_unit_test(test_many_static),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_anonymous), cmocka_unit_test(test_make),
		cmocka_unit_test(test_bad_images),
	};

	return cmocka_run_group_tests(t, setup, teardown);
}
