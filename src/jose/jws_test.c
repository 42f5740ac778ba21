/* Area A of the threat catalogue: one row, one attack. */
#include "base/b64.h"
#include "base/check.h"
#include "crypto/testsign.h"
#include "jose/jws.h"

#include <stdio.h>
#include <stdlib.h>

static struct sp_testkey *rsa, *rsa2, *ec, *ec384, *ed;


static struct sp_out
text(void)
{
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	return o;
}

/* {"keys":[…]} from JWK texts made by `add`. */
static struct sp_keyset *
set_of(sp_slice json, bool allow_oct)
{
	struct sp_keyset *ks = NULL;
	struct sp_err e = { 0 };

	if (sp_keyset_read(json, allow_oct, &ks, &e) != SP_OK)
		fail_msg("%s", e.log);
	return ks;
}

static struct sp_keyset *
usual_keys(void)
{
	struct sp_out o = text();
	struct sp_keyset *ks;

	sp_out_str(&o, "{\"keys\":[");
	sp_testkey_jwk(rsa, &o, ",\"kid\":\"rsa\"");
	sp_out_byte(&o, ',');
	sp_testkey_jwk(rsa2, &o, ",\"kid\":\"ps\",\"alg\":\"PS256\"");
	sp_out_byte(&o, ',');
	sp_testkey_jwk(ec, &o, ",\"kid\":\"ec\",\"alg\":\"ES256\"");
	sp_out_byte(&o, ',');
	sp_testkey_jwk(ec384, &o, ",\"kid\":\"ec384\"");
	sp_out_byte(&o, ',');
	sp_testkey_jwk(ed, &o, ",\"kid\":\"ed\"");
	sp_out_str(&o, "]}");
	ks = set_of(sp_out_view(&o), false);
	assert_int_equal(sp_keyset_count(ks), 5);
	sp_out_free(&o);
	return ks;
}

static enum sp_status
open_text(const struct sp_keyset *ks, sp_slice token, char *why, size_t cap)
{
	struct sp_verified v;
	struct sp_err e = { 0 };
	struct sp_arena a;
	enum sp_status st;

	sp_arena_init(&a, 1 << 20);
	st = sp_jws_open(&a, token, ks, &v, &e);
	if (why != NULL)
		snprintf(why, cap, "%s", e.log);
	if (st != SP_OK) {
		CHECK(e.log, st == SP_E_BAD_TOKEN && e.log[0] != '\0');
		CHECK(e.log, strcmp(e.pub, "invalid token") == 0);
	}
	sp_arena_free(&a);
	return st;
}

#define CLAIMS "{\"sub\":\"ann\"}"

/* Signed rows: header, key, algorithm that makes the signature. */
static const struct {
	const char *name;
	const char *header;
	char	    key;		/* r: rsa, p: rsa2 (PS256), e: ec, 3: ec384, d: ed, x: an HMAC with the public key's text */
	enum sp_alg alg;
	bool	    ok;
} rows[] = {
	{ "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", 'r', SP_RS256, true },
	{ "RS512 where the key names none", "{\"alg\":\"RS512\",\"kid\":\"rsa\"}", 'r', SP_RS512, true },
	{ "PS256", "{\"alg\":\"PS256\",\"kid\":\"ps\"}", 'p', SP_PS256, true },
	{ "ES256", "{\"alg\":\"ES256\",\"kid\":\"ec\"}", 'e', SP_ES256, true },
	{ "ES384", "{\"alg\":\"ES384\",\"kid\":\"ec384\"}", '3', SP_ES384, true },
	{ "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", 'd', SP_EDDSA, true },
	{ "A03 none with a good signature", "{\"alg\":\"none\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 None", "{\"alg\":\"None\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 nOnE", "{\"alg\":\"nOnE\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 space none", "{\"alg\":\" none\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 none NUL", "{\"alg\":\"none\\u0000\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 RS256 NUL", "{\"alg\":\"RS256\\u0000\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 alg twice", "{\"alg\":\"RS256\",\"alg\":\"none\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 alg twice, reverse", "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A02 alg and its escaped twin", "{\"alg\":\"RS256\",\"\\u0061lg\":\"RS256\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "alg missing", "{\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "alg null", "{\"alg\":null,\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "alg a list", "{\"alg\":[\"RS256\"],\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "alg in lower case", "{\"alg\":\"rs256\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A11 ES384 with P-256", "{\"alg\":\"ES384\",\"kid\":\"ec\"}", 'e', SP_ES384, false },
	{ "A11 ES256 with P-384", "{\"alg\":\"ES256\",\"kid\":\"ec384\"}", '3', SP_ES256, false },
	{ "A11 ES512 with P-256", "{\"alg\":\"ES512\",\"kid\":\"ec\"}", 'e', SP_ES512, false },
	{ "A11 ES256K", "{\"alg\":\"ES256K\",\"kid\":\"ec\"}", 'e', SP_ES256, false },
	{ "A14 Ed25519 where the key does not name it", "{\"alg\":\"Ed25519\",\"kid\":\"ed\"}", 'd', SP_EDDSA, false },
	{ "A21 RS256 with a PS256 key", "{\"alg\":\"RS256\",\"kid\":\"ps\"}", 'p', SP_RS256, false },
	{ "A21 PS384 with a PS256 key", "{\"alg\":\"PS384\",\"kid\":\"ps\"}", 'p', SP_PS384, false },
	{ "A24 crit [exp]", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"exp\"],\"exp\":9}", 'r', SP_RS256, false },
	{ "A24 crit [x]", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"x\"]}", 'r', SP_RS256, false },
	{ "A24 crit []", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}", 'r', SP_RS256, false },
	{ "A24 crit text", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":\"x\"}", 'r', SP_RS256, false },
	{ "A24 crit null", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":null}", 'r', SP_RS256, false },
	{ "A24 crit with a duplicate", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"a\",\"a\"],\"a\":1}", 'r', SP_RS256, false },
	{ "A25 b64 false with crit", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"b64\"],\"b64\":false}", 'r', SP_RS256, false },
	{ "A25 b64 false without crit", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":false}", 'r', SP_RS256, false },
	{ "A26 jwk is not looked at", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":{\"kty\":\"oct\",\"k\":\"\"}}", 'r', SP_RS256, true },
	{ "A26 signed by another key", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":{\"kty\":\"RSA\"}}", 'p', SP_RS256, false },
	{ "A27 jku, signed by another key", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"https://evil/jwks\"}", 'p', SP_RS256, false },
	{ "A27 jku to a file is not looked at", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jku\":\"file:///etc/passwd\"}", 'r', SP_RS256, true },
	{ "A28 x5c, signed by another key", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x5c\":[\"MII\"]}", 'p', SP_RS256, false },
	{ "A29 kid path", "{\"alg\":\"RS256\",\"kid\":\"../../etc/passwd\"}", 'r', SP_RS256, false },
	{ "A29 kid SQL", "{\"alg\":\"RS256\",\"kid\":\"' OR 1=1--\"}", 'r', SP_RS256, false },
	{ "A29 kid command", "{\"alg\":\"RS256\",\"kid\":\";id\"}", 'r', SP_RS256, false },
	{ "A29 kid with NUL", "{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}", 'r', SP_RS256, false },
	{ "A29 kid number", "{\"alg\":\"RS256\",\"kid\":1}", 'r', SP_RS256, false },
	{ "A29 kid object", "{\"alg\":\"RS256\",\"kid\":{}}", 'r', SP_RS256, false },
	{ "A29 kid list", "{\"alg\":\"RS256\",\"kid\":[\"rsa\"]}", 'r', SP_RS256, false },
	{ "A29 kid null", "{\"alg\":\"RS256\",\"kid\":null}", 'r', SP_RS256, false },
	{ "A29 kid empty", "{\"alg\":\"RS256\",\"kid\":\"\"}", 'r', SP_RS256, false },
	{ "A30 no kid, one key fits", "{\"alg\":\"ES384\"}", '3', SP_ES384, true },
	{ "A30 no kid, one of two RSA keys may RS256", "{\"alg\":\"RS256\"}", 'r', SP_RS256, true },
	{ "A30 no kid, two keys fit", "{\"alg\":\"PS256\"}", 'p', SP_PS256, false },
	{ "B05 kid of another key", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", 'p', SP_RS256, false },
	{ "typ a number", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":1}", 'r', SP_RS256, false },
	{ "A35 cty JWT", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"cty\":\"JWT\"}", 'r', SP_RS256, false },
	{ "A35 cty jwt", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"cty\":\"application/jwt\"}", 'r', SP_RS256, false },
	{ "A41 header a list", "[\"RS256\"]", 'r', SP_RS256, false },
	{ "A41 header text", "\"RS256\"", 'r', SP_RS256, false },
	{ "A41 header number", "1", 'r', SP_RS256, false },
	{ "A41 header null", "null", 'r', SP_RS256, false },
	{ "A41 header empty", "", 'r', SP_RS256, false },
	{ "A41 bytes after the header", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}x", 'r', SP_RS256, false },
	{ "A41 BOM", "\xef\xbb\xbf{\"alg\":\"RS256\",\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A41 invalid UTF-8", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":\"\xff\"}", 'r', SP_RS256, false },
	{ "A41 lone surrogate", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":\"\\ud800\"}", 'r', SP_RS256, false },
	{ "A41 comment", "{\"alg\":\"RS256\",/**/\"kid\":\"rsa\"}", 'r', SP_RS256, false },
	{ "A41 trailing comma", "{\"alg\":\"RS256\",\"kid\":\"rsa\",}", 'r', SP_RS256, false },
	{ "header too deep", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"x\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", 'r', SP_RS256, false },
};

static const struct sp_testkey *
key_named(char c)
{
	return c == 'r' ? rsa : c == 'p' ? rsa2 : c == 'e' ? ec : c == '3' ? ec384 : ed;
}

static void
test_rows(void **state)
{
	struct sp_keyset *ks = usual_keys();

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_out o = text();
		char why[400];

		sp_testkey_token(key_named(rows[i].key), rows[i].alg, sp_str(rows[i].header), SP_LIT(CLAIMS), &o);
		if ((open_text(ks, sp_out_view(&o), why, sizeof why) == SP_OK) != rows[i].ok)
			fail_msg("%s: %s", rows[i].name, why);
		sp_out_free(&o);
	}
	sp_keyset_free(&ks);
}

/* A04, A05: HS256 with everything public that could be taken for a secret. */
static void
test_confusion(void **state)
{
	static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"rsa\"}";
	struct sp_keyset *ks = usual_keys();
	struct sp_out pem = text(), jwk = text(), der = text(), modulus = text();
	sp_slice body, n;
	size_t got;

	sp_testkey_pem(rsa, &pem);
	sp_testkey_jwk(rsa, &jwk, ",\"kid\":\"rsa\"");
	body = sp_sub(sp_out_view(&pem), 27, sp_find(sp_out_view(&pem), SP_LIT("-----END")) - 27);
	for (size_t i = 0; i < body.n; i++)
		if (body.p[i] != '\n')
			sp_out_byte(&modulus, body.p[i]);
	assert_true(sp_b64_decode(sp_out_view(&modulus), sp_out_room(&der, 294), 294, &got) && got == 294);
	n = sp_sub(sp_out_view(&jwk), 18, 342);
	const struct { const char *name; sp_slice secret; } forms[] = {
		{ "A04 PEM", sp_out_view(&pem) },
		{ "A04 PEM without the last newline", sp_sub(sp_out_view(&pem), 0, pem.n - 1) },
		{ "A04 base64 body", sp_out_view(&modulus) },
		{ "A04 DER", sp_out_view(&der) },
		{ "A04 JWK text", sp_out_view(&jwk) },
		{ "A04 n text", n },
		{ "A04 raw modulus", sp_sub(sp_out_view(&der), 33, 256) },
		{ "A05 empty key", SP_LIT("") },
		{ "A05 zero byte", SP_LIT("\0") },
	};
	for (size_t i = 0; i < SP_COUNT(forms); i++) {
		struct sp_out o = text(), tag = text();

		sp_b64url_encode(&o, header, sizeof header - 1);
		sp_out_byte(&o, '.');
		sp_b64url_encode(&o, CLAIMS, sizeof CLAIMS - 1);
		sp_test_hmac(SP_HS256, forms[i].secret, sp_out_view(&o), &tag);
		sp_out_byte(&o, '.');
		sp_b64url_encode(&o, tag.p, tag.n);
		CHECK(forms[i].name, open_text(ks, sp_out_view(&o), NULL, 0) == SP_E_BAD_TOKEN);
		sp_out_free(&o);
		sp_out_free(&tag);
	}
	sp_out_free(&pem);
	sp_out_free(&jwk);
	sp_out_free(&der);
	sp_out_free(&modulus);
	sp_keyset_free(&ks);
}

/* What can be done to the text of a good token: every change is refused. */
static void
test_text(void **state)
{
	static const char foreign[] = "=+/ ?\r\n\t#.,:\\\"\0\x80\xff";
	struct sp_keyset *ks = usual_keys();
	struct sp_out good = text();
	sp_slice t;

	sp_testkey_token(ec, SP_ES256, SP_LIT("{\"alg\":\"ES256\",\"kid\":\"ec\"}"), SP_LIT(CLAIMS), &good);
	t = sp_out_view(&good);
	assert_int_equal(open_text(ks, t, NULL, 0), SP_OK);
	for (size_t n = 0; n < t.n; n++)	/* A38: cut anywhere */
		CHECK("cut", open_text(ks, sp_sub(t, 0, n), NULL, 0) == SP_E_BAD_TOKEN);
	for (size_t i = 0; i < t.n; i++) {	/* one letter changed */
		char *at = good.p + i, was = *at;

		*at = was == 'A' ? 'B' : 'A';
		CHECK("one letter", open_text(ks, t, NULL, 0) == SP_E_BAD_TOKEN);
		*at = was;
	}
	for (size_t c = 0; c < sizeof foreign - 1; c++)	/* A39: a byte inserted anywhere */
		for (size_t i = 0; i <= t.n; i++) {
			struct sp_out o = text();

			sp_out_slice(&o, sp_sub(t, 0, i));
			sp_out_byte(&o, foreign[c]);
			sp_out_slice(&o, sp_sub(t, i, t.n));
			CHECK("A39 inserted", open_text(ks, sp_out_view(&o), NULL, 0) == SP_E_BAD_TOKEN);
			sp_out_free(&o);
		}
	sp_out_free(&good);
	sp_keyset_free(&ks);
}

static void
test_shapes(void **state)
{
	static const struct { const char *name; sp_slice token; } shapes[] = {
		{ "A38 empty", SP_LIT_INIT("") }, { "A38 dot", SP_LIT_INIT(".") }, { "A38 two dots", SP_LIT_INIT("..") },
		{ "A38 three dots", SP_LIT_INIT("...") }, { "A38 one part", SP_LIT_INIT("e30") },
		{ "A38 two parts", SP_LIT_INIT("e30.e30") }, { "A38 four parts", SP_LIT_INIT("e30.e30.e30.e30") },
		{ "A36 five parts", SP_LIT_INIT("e30.e30.e30.e30.e30") }, { "A38 dot first", SP_LIT_INIT(".e30.e30") },
		{ "A38 dot last", SP_LIT_INIT("e30.e30.") },
		{ "A01 none", SP_LIT_INIT("eyJhbGciOiJub25lIn0.e30.") },
		{ "A01 none with something", SP_LIT_INIT("eyJhbGciOiJub25lIn0.e30.AA") },
		{ "A35 JSON serialization", SP_LIT_INIT("{\"payload\":\"e30\",\"protected\":\"e30\",\"signature\":\"AA\"}") },
	};
	struct sp_keyset *ks = usual_keys();
	static char big[1000001];

	for (size_t i = 0; i < SP_COUNT(shapes); i++)
		CHECK(shapes[i].name, open_text(ks, shapes[i].token, NULL, 0) == SP_E_BAD_TOKEN);
	memset(big, '.', sizeof big);
	CHECK("A38 a million dots", open_text(ks, sp_mem(big, sizeof big), NULL, 0) == SP_E_BAD_TOKEN);
	memset(big, 'e', sizeof big);
	CHECK("A42 a megabyte", open_text(ks, sp_mem(big, sizeof big), NULL, 0) == SP_E_BAD_TOKEN);
	big[8000] = big[8100] = '.';
	CHECK("A42 16385 bytes", open_text(ks, sp_mem(big, 16385), NULL, 0) == SP_E_BAD_TOKEN);
	sp_keyset_free(&ks);
}

/* Two keys, one kid (A31), keys without kid (PEM), and what a set may not hold. */
static void
test_choice(void **state)
{
	struct sp_out set = text(), pem = text(), t = text();
	struct sp_keyset *ks;

	sp_out_str(&set, "{\"keys\":[");
	sp_testkey_jwk(rsa, &set, ",\"kid\":\"a\"");
	sp_out_byte(&set, ',');
	sp_testkey_jwk(ec, &set, ",\"kid\":\"a\"");
	sp_out_byte(&set, ',');
	sp_testkey_jwk(rsa2, &set, ",\"kid\":\"a\",\"alg\":\"PS256\"");
	sp_out_str(&set, "]}");
	ks = set_of(sp_out_view(&set), false);
	sp_testkey_token(ec, SP_ES256, SP_LIT("{\"alg\":\"ES256\",\"kid\":\"a\"}"), SP_LIT(CLAIMS), &t);
	CHECK("A31 one of the family", open_text(ks, sp_out_view(&t), NULL, 0) == SP_OK);
	sp_out_reset(&t);
	sp_testkey_token(rsa, SP_PS256, SP_LIT("{\"alg\":\"PS256\",\"kid\":\"a\"}"), SP_LIT(CLAIMS), &t);
	CHECK("A31 two of the family", open_text(ks, sp_out_view(&t), NULL, 0) == SP_E_BAD_TOKEN);
	sp_keyset_free(&ks);

	sp_out_str(&pem, "\xef\xbb\xbf \r\n");	/* A06 */
	sp_testkey_pem(rsa, &pem);
	sp_testkey_pem(ec, &pem);
	ks = set_of(sp_out_view(&pem), false);
	assert_int_equal(sp_keyset_count(ks), 2);
	sp_out_reset(&t);
	sp_testkey_token(ec, SP_ES256, SP_LIT("{\"alg\":\"ES256\",\"kid\":\"whatever\"}"), SP_LIT(CLAIMS), &t);
	CHECK("PEM has no kid", open_text(ks, sp_out_view(&t), NULL, 0) == SP_OK);
	sp_keyset_free(&ks);
	sp_testkey_pem(rsa2, &pem);
	ks = set_of(sp_out_view(&pem), false);
	sp_out_reset(&t);
	sp_testkey_token(rsa, SP_RS256, SP_LIT("{\"alg\":\"RS256\"}"), SP_LIT(CLAIMS), &t);
	CHECK("A30 two PEM keys fit", open_text(ks, sp_out_view(&t), NULL, 0) == SP_E_BAD_TOKEN);
	sp_keyset_free(&ks);

	sp_out_reset(&set);
	sp_testkey_jwk(ed, &set, ",\"alg\":\"Ed25519\"");
	ks = set_of(sp_out_view(&set), false);
	sp_out_reset(&t);
	sp_testkey_token(ed, SP_EDDSA, SP_LIT("{\"alg\":\"Ed25519\"}"), SP_LIT(CLAIMS), &t);
	CHECK("A14 Ed25519 where the key names it", open_text(ks, sp_out_view(&t), NULL, 0) == SP_OK);
	sp_out_reset(&t);
	sp_testkey_token(ed, SP_EDDSA, SP_LIT("{\"alg\":\"EdDSA\"}"), SP_LIT(CLAIMS), &t);
	CHECK("A14 EdDSA where the key says Ed25519", open_text(ks, sp_out_view(&t), NULL, 0) == SP_E_BAD_TOKEN);
	sp_keyset_free(&ks);
	sp_out_free(&set);
	sp_out_free(&pem);
	sp_out_free(&t);
}

/* Key sets: %s stands for a good P-256 key without its braces. */
static const struct {
	const char *name;
	const char *text;
	bool	    oct;
	size_t	    keys, dropped;	/* keys 0: refused */
} sets[] = {
	{ "one key", "{%s}", false, 1, 0 },
	{ "a set", "{\"keys\":[{%s}]}", false, 1, 0 },
	{ "space before", " \t\r\n{%s}", false, 1, 0 },
	{ "C08 unknown kty among good", "{\"keys\":[{\"kty\":\"XYZ\"},{%s}]}", false, 1, 1 },
	{ "C08 broken key among good", "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\"},{%s},7,null]}", false, 1, 3 },
	{ "C07 oct among public keys", "{\"keys\":[{%s},{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
	    false, 1, 1 },
	{ "C09 private member", "{%s,\"d\":\"AAAA\"}", false, 0, 0 },
	{ "C09 k in an EC key", "{%s,\"k\":\"AAAA\"}", false, 0, 0 },
	{ "A23 use enc", "{%s,\"use\":\"enc\"}", false, 0, 0 },
	{ "A23 use a list", "{%s,\"use\":[\"sig\"]}", false, 0, 0 },
	{ "A23 key_ops without verify", "{%s,\"key_ops\":[\"sign\"]}", false, 0, 0 },
	{ "A23 key_ops text", "{%s,\"key_ops\":\"verify\"}", false, 0, 0 },
	{ "A23 key_ops with verify", "{%s,\"key_ops\":[\"sign\",\"verify\"]}", false, 1, 0 },
	{ "A11 alg of another curve", "{%s,\"alg\":\"ES384\"}", false, 0, 0 },
	{ "A14 X25519", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}", false, 0, 0 },
	{ "alg of encryption", "{%s,\"alg\":\"ECDH-ES\"}", false, 0, 0 },
	{ "alg null", "{%s,\"alg\":null}", false, 0, 0 },
	{ "alg none", "{%s,\"alg\":\"none\"}", false, 0, 0 },
	{ "kid number", "{%s,\"kid\":1}", false, 0, 0 },
	{ "C06 keys an object", "{\"keys\":{%s}}", false, 0, 0 },
	{ "C06 keys null", "{\"keys\":null}", false, 0, 0 },
	{ "C06 keys empty", "{\"keys\":[]}", false, 0, 0 },
	{ "C06 HTML", "<html>%s</html>", false, 0, 0 },
	{ "C06 a list", "[{%s}]", false, 0, 0 },
	{ "C06 empty", "", false, 0, 0 },
	{ "duplicate member", "{%s,\"kty\":\"EC\"}", false, 0, 0 },
	{ "trailing bytes", "{%s}x", false, 0, 0 },
	{ "A07 oct and public key in one set",
	    "{\"keys\":[{%s},{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}", true, 0, 0 },
	{ "A19 oct of 32 bytes", "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", true, 1, 0 },
	{ "A19 oct of 30 bytes", "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", true, 0, 0 },
	{ "A19 oct empty", "{\"kty\":\"oct\",\"k\":\"\"}", true, 0, 0 },
	{ "oct where public keys belong", "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", false, 0, 0 },
	{ "PEM without an end", "-----BEGIN PUBLIC KEY-----\nAAAA", false, 0, 0 },
	{ "PEM with an end cut off", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY", false, 0, 0 },
	{ "PEM of nothing", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", false, 0, 0 },
};

static void
test_sets(void **state)
{
	struct sp_out jwk = text();
	sp_slice inner;

	sp_testkey_jwk(ec, &jwk, "");
	inner = sp_sub(sp_out_view(&jwk), 1, jwk.n - 2);
	for (size_t i = 0; i < SP_COUNT(sets); i++) {
		sp_slice t = sp_str(sets[i].text);
		size_t at = sp_find(t, SP_LIT("%s"));
		struct sp_keyset *ks = NULL;
		struct sp_err e = { 0 };
		struct sp_out o = text();
		enum sp_status st;

		sp_out_slice(&o, sp_sub(t, 0, at));
		if (at != SIZE_MAX) {
			sp_out_slice(&o, inner);
			sp_out_slice(&o, sp_sub(t, at + 2, t.n));
		}
		st = sp_keyset_read(sp_out_view(&o), sets[i].oct, &ks, &e);
		if (sets[i].keys == 0) {
			CHECK(sets[i].name, st == SP_E_CONFIG && ks == NULL && e.log[0] != '\0');
		} else {
			CHECK(sets[i].name, st == SP_OK);
			CHECK(sets[i].name, sp_keyset_count(ks) == sets[i].keys);
			CHECK(sets[i].name, sp_keyset_dropped(ks) == sets[i].dropped);
		}
		sp_keyset_free(&ks);
		sp_out_free(&o);
	}
	sp_out_free(&jwk);
}

/* C04: 100 keys are read, 101 are not, and half a megabyte is too much whatever it holds. */
static void
test_set_limits(void **state)
{
	for (unsigned n = 100; n <= 101; n++) {
		struct sp_keyset *ks = NULL;
		struct sp_out o = text();

		sp_out_str(&o, "{\"keys\":[");
		for (unsigned i = 0; i < n; i++) {
			sp_out_str(&o, i == 0 ? "" : ",");
			sp_testkey_jwk(ed, &o, "");
		}
		sp_out_str(&o, "]}");
		CHECK("C04 many keys", (sp_keyset_read(sp_out_view(&o), false, &ks, NULL) == SP_OK) == (n == 100));
		sp_keyset_free(&ks);
		sp_out_free(&o);
	}
	struct sp_keyset *ks = NULL;
	struct sp_out o = text();
	char *pad = calloc(1, 600000);

	assert_non_null(pad);
	memset(pad, ' ', 600000);
	sp_testkey_jwk(ed, &o, "");
	sp_out_add(&o, pad, 600000);
	CHECK("C04 too long", sp_keyset_read(sp_out_view(&o), false, &ks, NULL) == SP_E_CONFIG);
	free(pad);
	sp_out_free(&o);
}

static void
test_peek(void **state)
{
	static const struct { const char *name; sp_slice token; const char *iss; } peeks[] = {
		{ "plain", SP_LIT_INIT("e30.eyJpc3MiOiJodHRwczovL2EifQ.AA"), "https://a" },
		{ "no iss", SP_LIT_INIT("e30.e30.AA"), NULL },
		{ "iss number", SP_LIT_INIT("e30.eyJpc3MiOjF9.AA"), NULL },
		{ "A40 iss twice", SP_LIT_INIT("e30.eyJpc3MiOiJhIiwiaXNzIjoiYiJ9.AA"), NULL },
		{ "payload a list", SP_LIT_INIT("e30.W10.AA"), NULL },
		{ "not base64url", SP_LIT_INIT("e30.!!!!.AA"), NULL },
		{ "four parts", SP_LIT_INIT("e30.eyJpc3MiOiJodHRwczovL2EifQ.AA.AA"), NULL },
		{ "no signature", SP_LIT_INIT("e30.eyJpc3MiOiJodHRwczovL2EifQ."), NULL },
	};

	for (size_t i = 0; i < SP_COUNT(peeks); i++) {
		struct sp_arena a;
		sp_slice iss;

		sp_arena_init(&a, 1 << 16);
		iss = sp_jws_peek_iss(&a, peeks[i].token);
		CHECK(peeks[i].name, sp_eq(iss, sp_str(peeks[i].iss)) && (iss.p == NULL) == (peeks[i].iss == NULL));
		sp_arena_free(&a);
	}
}

/* No memory for the request is a refusal, never an acceptance. */
static void
test_small_arena(void **state)
{
	struct sp_keyset *ks = usual_keys();
	struct sp_out t = text();

	sp_testkey_token(ec, SP_ES256, SP_LIT("{\"alg\":\"ES256\",\"kid\":\"ec\"}"), SP_LIT(CLAIMS), &t);
	for (size_t max = 0; max < 1600; max += 16) {
		struct sp_verified v;
		struct sp_arena a;

		sp_arena_init(&a, max);
		if (sp_jws_open(&a, sp_out_view(&t), ks, &v, NULL) == SP_OK)
			CHECK("small arena", sp_eq(v.payload, SP_LIT(CLAIMS)) && !a.full);
		sp_arena_free(&a);
	}
	sp_out_free(&t);
	sp_keyset_free(&ks);
}

static int
setup(void **state)
{
	if (sp_crypto_init(NULL) != SP_OK)
		return -1;
	rsa = sp_testkey_new(SP_RS256, 0);
	rsa2 = sp_testkey_new(SP_PS256, 0);
	ec = sp_testkey_new(SP_ES256, 0);
	ec384 = sp_testkey_new(SP_ES384, 0);
	ed = sp_testkey_new(SP_EDDSA, 0);
	return 0;
}

static int
teardown(void **state)
{
	sp_testkey_free(&rsa);
	sp_testkey_free(&rsa2);
	sp_testkey_free(&ec);
	sp_testkey_free(&ec384);
	sp_testkey_free(&ed);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_confusion), cmocka_unit_test(test_text),
		cmocka_unit_test(test_shapes), cmocka_unit_test(test_choice), cmocka_unit_test(test_sets),
		cmocka_unit_test(test_set_limits), cmocka_unit_test(test_peek), cmocka_unit_test(test_small_arena),
	};

	return cmocka_run_group_tests(t, setup, teardown);
}
