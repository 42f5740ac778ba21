/* What keeper signs: E21 and E22 (sessions), and that a ticket is good for one token, one source, one minute. */
#include "base/check.h"
#include "base/b64.h"
#include "crypto/testsign.h"
#include "oauth/statement.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000)

static struct sp_testkey *test, *other;
static struct sp_pkey *key;

static struct sp_pkey *
public_of(const struct sp_testkey *k)
{
	struct sp_pkey *out = NULL;
	struct sp_out o;
	char pem[512];

	sp_out_init(&o, pem, sizeof pem);
	sp_testkey_pem(k, &o);
	assert_int_equal(sp_pkey_pem(sp_out_view(&o), &out, NULL), SP_OK);
	return out;
}

static void
sign(const struct sp_testkey *k, struct sp_out *o)
{
	char buf[2 * SP_STATEMENT_MAX];
	struct sp_out text;

	sp_out_init(&text, buf, sizeof buf);
	sp_statement_signed(&text, sp_out_view(o));
	sp_testkey_sign(k, SP_EDDSA, sp_out_view(&text), o);
	assert_true(!o->full);
}

static struct sp_statement
session(void)
{
	struct sp_statement s = { .kind = SP_STATEMENT_SESSION, .expires_s = NOW + SP_SESSION_S, .revision = 3, .caps = 5 };

	memset(s.who, 'w', sizeof s.who);
	memset(s.random, 'r', sizeof s.random);
	return s;
}

static const struct sp_statement kinds[] = {
	{ .kind = SP_STATEMENT_MAC, .expires_s = NOW + 60, .source = "source of names", .token = "hash of some token or other" },
	{ .kind = SP_STATEMENT_PEER, .expires_s = NOW + 60, .source = "source of names", .uid = UINT32_MAX },
	{ .kind = SP_STATEMENT_TOLD, .expires_s = NOW + 60, .source = "source of names", .token = "hash of some token or other",
	    .resource = "hash of a url", .epoch = UINT64_MAX, .told = { SP_LIT_INIT("ann"), SP_LIT_INIT("https://as.example"),
	    SP_LIT_INIT("cli"), SP_LIT_INIT("\0\10dns:read\0\3x y"), SP_LIT_INIT("\0\3ops"), INT64_MAX } },
	{ .kind = SP_STATEMENT_TOLD, .expires_s = NOW + 60, .told = { .user = SP_LIT_INIT("u"), .ends_s = NOW + 60 } },
	{ .kind = SP_STATEMENT_SESSION, .expires_s = NOW + 86400, .who = "a mark", .random = "random", .revision = 2, .caps = 7 },
};

static void
test_kinds(void **state)
{
	for (size_t i = 0; i < SP_COUNT(kinds); i++) {
		char buf[SP_STATEMENT_MAX + 1], again[SP_STATEMENT_MAX];
		struct sp_statement s;
		struct sp_out o, a;
		size_t body;

		sp_out_init(&o, buf, sizeof buf);
		sp_statement_write(&o, &kinds[i]);
		body = o.n;
		sign(test, &o);
		CHECK("R06 small", o.n <= SP_STATEMENT_MAX);
		CHECK("reads", sp_statement_read(key, sp_out_view(&o), NOW, &s, NULL) == SP_OK);
		sp_out_init(&a, again, sizeof again);
		sp_statement_write(&a, &s);
		CHECK("is the same", sp_eq(sp_out_view(&a), sp_mem(buf, body)) && s.kind == kinds[i].kind);
		CHECK("is good until its last second",
		    sp_statement_read(key, sp_out_view(&o), kinds[i].expires_s - 1, &s, NULL) == SP_OK);
		CHECK("and no longer", sp_statement_read(key, sp_out_view(&o), kinds[i].expires_s, &s, NULL) == SP_E_BAD_TOKEN);
		for (size_t n = 0; n < o.n; n++)
			CHECK("cut off", sp_statement_read(key, sp_mem(buf, n), NOW, &s, NULL) == SP_E_BAD_TOKEN);
		for (size_t bit = 0; bit < o.n * 8; bit++) {
			buf[bit / 8] = (char)(buf[bit / 8] ^ 1 << bit % 8);
			CHECK("E22 one bit", sp_statement_read(key, sp_out_view(&o), NOW, &s, NULL) == SP_E_BAD_TOKEN);
			buf[bit / 8] = (char)(buf[bit / 8] ^ 1 << bit % 8);
		}
		sp_out_byte(&o, 0);
		CHECK("one byte more", sp_statement_read(key, sp_out_view(&o), NOW, &s, NULL) == SP_E_BAD_TOKEN);
	}
}

/* Signed by the right key, but of another form. */
static void
test_forms(void **state)
{
	static const struct { const char *name; size_t at; uint8_t is; int longer; } rows[] = {
		{ "another version", 0, 2, 0 }, { "version 0", 0, 0, 0 }, { "kind 0", 1, 0, 0 }, { "kind 4", 1, 4, 0 },
		{ "a MAC's kind over a session's fields", 1, SP_STATEMENT_MAC, 0 },
		{ "a peer's kind over a session's fields", 1, SP_STATEMENT_PEER, 0 },
		{ "an expiry before the epoch", 2, 0xff, 0 }, { "one byte more", 0, 1, 1 }, { "one byte less", 0, 1, -1 },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_statement s = session(), got;
		char buf[SP_STATEMENT_MAX];
		struct sp_err e = { 0 };
		struct sp_out o;

		sp_out_init(&o, buf, sizeof buf);
		sp_statement_write(&o, &s);
		buf[rows[i].at] = (char)rows[i].is;
		if (rows[i].longer > 0)
			sp_out_byte(&o, 0);
		if (rows[i].longer < 0)
			o.n--;
		sign(test, &o);
		CHECK(rows[i].name, sp_statement_read(key, sp_out_view(&o), NOW, &got, &e) == SP_E_BAD_TOKEN);
		CHECK(rows[i].name, strstr(e.log, "another form") != NULL);
	}
}

static void
test_strangers(void **state)
{
	struct sp_statement s = session(), got;
	char buf[SP_STATEMENT_MAX], big[65536];
	struct sp_out o;
	size_t body;

	sp_out_init(&o, buf, sizeof buf);
	sp_statement_write(&o, &s);
	body = o.n;
	sign(other, &o);
	CHECK("E22 signed by another key", sp_statement_read(key, sp_out_view(&o), NOW, &got, NULL) == SP_E_BAD_TOKEN);
	o.n = body;
	sp_testkey_sign(test, SP_EDDSA, sp_mem(buf, body), &o);
	CHECK("signed without the context", sp_statement_read(key, sp_out_view(&o), NOW, &got, NULL) == SP_E_BAD_TOKEN);
	memset(big, 1, sizeof big);
	CHECK("E22 64 kB", sp_statement_read(key, sp_mem(big, sizeof big), NOW, &got, NULL) == SP_E_BAD_TOKEN);
	CHECK("empty", sp_statement_read(key, SP_LIT(""), NOW, &got, NULL) == SP_E_BAD_TOKEN);
	CHECK("a signature of nothing", sp_statement_read(key, sp_mem(big, 64), NOW, &got, NULL) == SP_E_BAD_TOKEN);
	CHECK("no key", sp_statement_read(NULL, sp_out_view(&o), NOW, &got, NULL) == SP_E_BAD_TOKEN);
}

/* The value of Mcp-Session-Id fits its header, with room to spare. */
static void
test_text(void **state)
{
	struct sp_statement s = session();
	char buf[SP_STATEMENT_MAX], text[SP_SESSION_TEXT_MAX];
	struct sp_out o, t;

	sp_out_init(&o, buf, sizeof buf);
	sp_statement_write(&o, &s);
	sign(test, &o);
	sp_out_init(&t, text, sizeof text);
	sp_b64url_encode(&t, o.p, o.n);
	CHECK("fits", !t.full);
	for (size_t i = 0; i < t.n; i++)
		CHECK("E22 visible ASCII only", text[i] > 0x20 && text[i] < 0x7f);
}

/* What an endpoint said: within its limits, and lists that are lists. */
static void
test_told(void **state)
{
	static const struct { const char *name; size_t user, client, scopes; const char *list; size_t nlist; bool fits; } rows[] = {
		{ "all as long as it may be", SP_TOLD_TEXT, SP_TOLD_TEXT, SP_TOLD_LIST, NULL, 0, true },
		{ "no user", 0, 1, 0, NULL, 0, false },
		{ "R06 a user too long", SP_TOLD_TEXT + 1, 1, 0, NULL, 0, false },
		{ "R06 a client too long", 1, SP_TOLD_TEXT + 1, 0, NULL, 0, false },
		{ "R06 scopes too long", 1, 1, SP_TOLD_LIST + 4, NULL, 0, false },
		{ "a name that is cut off", 1, 1, 0, "\0\4dns", 5, false },
		{ "a length alone", 1, 1, 0, "\0", 1, false },
		{ "an empty name", 1, 1, 0, "\0\0", 2, false },
		{ "bytes behind", 1, 1, 0, "\0\1a\0", 4, false },
	};
	char text[SP_TOLD_LIST + 8], list[SP_TOLD_LIST + 8];

	memset(text, 'u', sizeof text);
	for (size_t i = 0; i < sizeof list; i += 4)
		memcpy(list + i, "\0\2ab", 4);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_statement s = { .kind = SP_STATEMENT_TOLD, .expires_s = NOW + 60, .told = { .user = { text, rows[i].user },
		    .client_id = { text, rows[i].client }, .issuer = { text, rows[i].client }, .ends_s = NOW + 1 } };
		char buf[2 * SP_STATEMENT_MAX];
		struct sp_statement got;
		struct sp_out o;

		s.told.scopes = rows[i].list != NULL ? sp_mem(rows[i].list, rows[i].nlist) : sp_mem(list, rows[i].scopes);
		s.told.tags = sp_mem(list, rows[i].scopes);
		sp_out_init(&o, buf, sizeof buf);
		sp_statement_write(&o, &s);
		sign(test, &o);
		CHECK(rows[i].name, sp_told_fits(&s.told) == rows[i].fits);
		CHECK(rows[i].name, (sp_statement_read(key, sp_out_view(&o), NOW, &got, NULL) == SP_OK) == rows[i].fits);
	}
}

static void
mark(struct sp_image *img, uint32_t resource, uint32_t source, const char *issuer, const char *user, const char *client, uint8_t out[32])
{
	struct sp_principal p = { .source = source, .issuer = sp_str(issuer), .user = sp_str(user), .client_id = sp_str(client) };

	sp_principal_mark(img, resource, &p, out);
}

/* E21: a session belongs to one caller. */
static void
test_mark(void **state)
{
	static const struct { const char *name; uint32_t resource, source; const char *issuer, *user, *client; bool same; } rows[] = {
		{ "the same", 0, 0, "https://as", "ann", "cli", true },
		{ "E21 another user", 0, 0, "https://as", "bob", "cli", false },
		{ "E21 another source", 0, 1, "https://as", "ann", "cli", false },
		{ "E21 another issuer", 0, 0, "https://a", "ann", "cli", false },
		{ "E21 another client", 0, 0, "https://as", "ann", "", false },
		{ "E21 a border moved", 0, 0, "https://asa", "nn", "cli", false },
		{ "E21 user and client swapped", 0, 0, "https://as", "cli", "ann", false },
		{ "E21 nobody", 0, 0, "", "", "", false },
		{ "B17 another resource", 1, 0, "https://as", "ann", "cli", false },
	};
	struct sp_img_source src[2] = { { .type = SP_SOURCE_STATIC }, { .type = SP_SOURCE_STATIC } };
	struct sp_img_head head = { .limit_calls = 1, .limit_calls_ms = 1 };
	struct sp_img_resource at[2] = { { .alone = 0 } };
	uint8_t want[32], got[32];
	struct sp_image img;
	struct sp_imgb b;

	sp_imgb_init(&b, 1 << 20);
	src[0].name = sp_imgb_str(&b, SP_LIT("one"));
	src[1].name = sp_imgb_str(&b, SP_LIT("two"));
	head.sources = SP_IMGB_ARRAY(&b, src, 2);
	head.url = sp_imgb_str(&b, SP_LIT("https://g.example/mcp"));
	at[0].path = sp_imgb_str(&b, SP_LIT("/mcp"));
	at[0].url = head.url;
	at[1].path = sp_imgb_str(&b, SP_LIT("/b"));
	at[1].url = sp_imgb_str(&b, SP_LIT("https://g.example/b"));
	sp_imgb_resources(&b, &head, at, 2);
	assert_int_equal(sp_imgb_finish(&b, &head, NULL), SP_OK);
	assert_int_equal(sp_image_check(b.o.p, b.o.n, &img, NULL), SP_OK);
	mark(&img, 0, 0, "https://as", "ann", "cli", want);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		mark(&img, rows[i].resource, rows[i].source, rows[i].issuer, rows[i].user, rows[i].client, got);
		CHECK(rows[i].name, (memcmp(want, got, 32) == 0) == rows[i].same);
	}
	sp_imgb_free(&b);
}

static int
setup(void **state)
{
	if (sp_crypto_init(NULL) != SP_OK)
		return -1;
	test = sp_testkey_new(SP_EDDSA, 0);
	other = sp_testkey_new(SP_EDDSA, 0);
	key = public_of(test);
	return 0;
}

static int
teardown(void **state)
{
	sp_pkey_free(&key);
	sp_testkey_free(&test);
	sp_testkey_free(&other);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_kinds), cmocka_unit_test(test_forms), cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_text), cmocka_unit_test(test_mark), cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(t, setup, teardown);
}
