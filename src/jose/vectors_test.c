/* Public test vectors through the public functions.  Where ours must differ from a vector, the row is named here. */
#include "base/check.h"
#include "jose/jws.h"

#include <stdio.h>
#include <stdlib.h>

#define VECTORS SP_SRCDIR "/../shared/vectors/"

enum { FILE_MAX = 8 << 20, TEXT_MAX = 65536 };

/* The parsed file; skips the test when there are no vectors at all. */
static struct sp_json
load(const char *name)
{
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	char path[512], *text;
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "%s%s", VECTORS, name);
	f = fopen(path, "rb");
	if (f == NULL) {
		print_message("skipped: no vectors (%s)\n", name);
		skip();
	}
	text = malloc(FILE_MAX);
	assert_non_null(text);
	n = fread(text, 1, FILE_MAX, f);
	fclose(f);
	if (sp_json_read(sp_mem(text, n), SP_JSON_DEFAULT, &j, &e) != SP_OK)
		fail_msg("%s: %s", name, e.log);
	free(text);
	return j;
}

static int64_t
id_of(sp_jval *test)
{
	int64_t id = -1;

	assert_true(sp_jint(SP_JGET(test, "tcId"), &id));
	return id;
}

static sp_slice
hex(sp_jval *v, char *buf)
{
	sp_slice t = sp_jtext(v);

	assert_true(t.n % 2 == 0 && t.n / 2 <= TEXT_MAX);
	for (size_t i = 0; i < t.n; i += 2)
		buf[i / 2] = (char)(sp_hex_value((unsigned char)t.p[i]) << 4 | sp_hex_value((unsigned char)t.p[i + 1]));
	return sp_mem(buf, t.n / 2);
}

static bool
is(sp_jval *test, const char *result)
{
	return sp_eq(sp_jtext(SP_JGET(test, "result")), sp_str(result));
}

/* --- signatures --- */

static const struct { const char *file; enum sp_alg alg; size_t tests; } files[] = {
	{ "wycheproof/ecdsa_secp256r1_sha256_p1363_test.json", SP_ES256, 262 },
	{ "wycheproof/ecdsa_secp521r1_sha512_p1363_test.json", SP_ES512, 318 },
	{ "wycheproof/ed25519_test.json", SP_EDDSA, 151 },
	{ "wycheproof/rsa_signature_2048_sha256_test.json", SP_RS256, 259 },
	{ "wycheproof/rsa_signature_2048_sha384_test.json", SP_RS384, 258 },
	{ "wycheproof/rsa_signature_2048_sha512_test.json", SP_RS512, 259 },
	{ "wycheproof/rsa_pss_2048_sha256_mgf1_32_test.json", SP_PS256, 108 },
	{ "wycheproof/rsa_pss_2048_sha384_mgf1_48_test.json", SP_PS384, 141 },
};

/* The group's key from its PEM, and, where there is one, its JWK read as well. */
static struct sp_pkey *
group_key(const char *file, sp_jval *group)
{
	sp_jval *jwk = SP_JGET(group, "publicKeyJwk");
	struct sp_keyset *ks = NULL;
	struct sp_pkey *k = NULL;
	struct sp_err e = { 0 };
	struct sp_out o;

	if (sp_pkey_pem(sp_jtext(SP_JGET(group, "publicKeyPem")), &k, &e) != SP_OK) {
		/* A16: the last group of each RSA file has the exponent 3. */
		if (strstr(e.log, "exponent under 65537") == NULL)
			fail_msg("%s: %s", file, e.log);
		return NULL;
	}
	if (jwk == NULL)
		return k;
	sp_out_heap(&o, TEXT_MAX);
	sp_jwrite(&o, jwk);
	if (sp_keyset_read(sp_out_view(&o), false, &ks, &e) != SP_OK)
		fail_msg("%s: %s", file, e.log);
	sp_keyset_free(&ks);
	sp_out_free(&o);
	return k;
}

/* "acceptable" (a DigestInfo without NULL) is refused: A15. */
static size_t
run_group(const char *file, enum sp_alg alg, sp_jval *group)
{
	static char mb[TEXT_MAX], sb[TEXT_MAX];
	struct sp_pkey *k = group_key(file, group);
	size_t n = 0;

	for (struct sp_jiter it = sp_jeach(SP_JGET(group, "tests")); sp_jnext(&it); n++) {
		sp_slice m = hex(SP_JGET(it.val, "msg"), mb), s = hex(SP_JGET(it.val, "sig"), sb);

		if (sp_verify_sig(k, alg, m, s) != (k != NULL && is(it.val, "valid")))
			fail_msg("%s %lld: %.*s", file, (long long)id_of(it.val), SP_PRI(sp_jtext(SP_JGET(it.val, "comment"))));
	}
	sp_pkey_free(&k);
	return n;
}

static void
test_signatures(void **state)
{
	for (size_t i = 0; i < SP_COUNT(files); i++) {
		struct sp_json j = load(files[i].file);
		size_t n = 0;

		for (struct sp_jiter it = sp_jeach(SP_JGET(j.root, "testGroups")); sp_jnext(&it);)
			n += run_group(files[i].file, files[i].alg, it.val);
		CHECK(files[i].file, n == files[i].tests);
		sp_json_free(&j);
	}
}

/* Valid only with the whole tag and a key as long as the hash (A19). */
static void
hmac_file(const char *file, enum sp_alg alg, size_t bytes)
{
	static char kb[TEXT_MAX], mb[TEXT_MAX], tb[TEXT_MAX];
	struct sp_json j = load(file);
	size_t good = 0;

	for (struct sp_jiter g = sp_jeach(SP_JGET(j.root, "testGroups")); sp_jnext(&g);)
		for (struct sp_jiter it = sp_jeach(SP_JGET(g.val, "tests")); sp_jnext(&it);) {
			sp_slice key = hex(SP_JGET(it.val, "key"), kb), msg = hex(SP_JGET(it.val, "msg"), mb);
			sp_slice tag = hex(SP_JGET(it.val, "tag"), tb);
			bool want = is(it.val, "valid") && tag.n == bytes && key.n >= bytes, got = false;
			struct sp_pkey *k = NULL;

			if (sp_pkey_oct(key, &k, NULL) == SP_OK)
				got = sp_verify_sig(k, alg, msg, tag);
			if (got != want)
				fail_msg("%s %lld", file, (long long)id_of(it.val));
			good += got;
			sp_pkey_free(&k);
		}
	CHECK(file, good > 20);
	sp_json_free(&j);
}

static void
test_hmac(void **state)
{
	hmac_file("wycheproof/hmac_sha256_test.json", SP_HS256, 32);
	hmac_file("wycheproof/hmac_sha384_test.json", SP_HS384, 48);
	hmac_file("wycheproof/hmac_sha512_test.json", SP_HS512, 64);
}

/* --- JWS --- */

/* A JWK without its private members: what an issuer would publish. */
static void
write_public(struct sp_out *o, sp_jval *jwk)
{
	bool oct = sp_eq(sp_jtext(SP_JGET(jwk, "kty")), SP_LIT("oct"));
	size_t n = 0;

	sp_out_byte(o, '{');
	for (struct sp_jiter it = sp_jeach(jwk); sp_jnext(&it);) {
		static const sp_slice secret[] = {
			SP_LIT_INIT("d"), SP_LIT_INIT("p"), SP_LIT_INIT("q"), SP_LIT_INIT("dp"), SP_LIT_INIT("dq"),
			SP_LIT_INIT("qi"),
		};
		bool skip_it = false;

		for (size_t i = 0; i < SP_COUNT(secret) && !oct; i++)
			skip_it = skip_it || sp_eq(it.key, secret[i]);
		if (skip_it)
			continue;
		sp_out_str(o, n++ == 0 ? "" : ",");
		sp_jout_str(o, it.key);
		sp_out_byte(o, ':');
		sp_jwrite(o, it.val);
	}
	sp_out_byte(o, '}');
}

static void
write_set(struct sp_out *o, sp_jval *keys)
{
	size_t n = 0;

	if (SP_JGET(keys, "keys") != NULL)
		keys = SP_JGET(keys, "keys");
	sp_out_str(o, "{\"keys\":[");
	if (sp_jis_obj(keys))
		write_public(o, keys);
	for (struct sp_jiter it = sp_jeach(keys); sp_jis_arr(keys) && sp_jnext(&it);) {
		sp_out_str(o, n++ == 0 ? "" : ",");
		write_public(o, it.val);
	}
	sp_out_str(o, "]}");
}

/* Does the text open under these keys?  No usable key: no. */
static bool
opens(sp_jval *keys, sp_slice compact, struct sp_err *e)
{
	struct sp_keyset *ks = NULL;
	struct sp_verified v;
	struct sp_arena a;
	struct sp_out o;
	bool ok;

	sp_arena_init(&a, 1 << 20);
	sp_out_heap(&o, TEXT_MAX);
	write_set(&o, keys);
	ok = sp_keyset_read(sp_out_view(&o), true, &ks, e) == SP_OK && sp_jws_open(&a, compact, ks, &v, e) == SP_OK;
	sp_keyset_free(&ks);
	sp_out_free(&o);
	sp_arena_free(&a);
	return ok;
}

/* A JWS or JWE of a vector as text, also when it is in JSON serialization. */
static sp_slice
token_text(sp_jval *v, struct sp_out *o)
{
	if (sp_jis_str(v))
		return sp_jtext(v);
	sp_jwrite(o, v);
	return sp_out_view(o);
}

/* Vectors of json_web_signature_test whose verdict is not ours. */
static const struct { int64_t id; bool ours; const char *why; } quirks[] = {
	{ 346, false, "the key says PS256, the token PS384" },
	{ 350, false, "the key says PS256, the token PS384" },
	{ 347, false, "the key's alg ES521 does not exist" },
	{ 351, false, "the key's alg ES521 does not exist" },
	{ 372, false, "a '?' was inserted into the header" },
	{ 373, false, "a '?' was inserted into the payload" },
	{ 367, true, "byte for byte vector 357, which is valid: the padding that the comment speaks of is not there" },
	{ 370, true, "byte for byte vector 357, which is valid: the padding that the comment speaks of is not there" },
};

static bool
verdict(sp_jval *test, bool with_quirks)
{
	for (size_t i = 0; i < SP_COUNT(quirks) && with_quirks; i++)
		if (quirks[i].id == id_of(test))
			return quirks[i].ours;
	return is(test, "valid");
}

static void
jose_group(const char *file, bool with_quirks, sp_jval *g, size_t *valid, size_t *invalid)
{
	sp_jval *keys = SP_JGET(g, "public") != NULL ? SP_JGET(g, "public") : SP_JGET(g, "private");

	for (struct sp_jiter it = sp_jeach(SP_JGET(g, "tests")); sp_jnext(&it);) {
		sp_jval *t = SP_JGET(it.val, "jws") != NULL ? SP_JGET(it.val, "jws") : SP_JGET(it.val, "jwe");
		bool jwe = SP_JGET(it.val, "jws") == NULL;
		bool want = verdict(it.val, with_quirks) && !jwe;
		struct sp_err e = { 0 };
		struct sp_out o;
		bool got;

		sp_out_heap(&o, TEXT_MAX);
		got = opens(keys, token_text(t, &o), &e);
		sp_out_free(&o);
		if (got != want)
			fail_msg("%s %lld %.*s: %s", file, (long long)id_of(it.val),
			    SP_PRI(sp_jtext(SP_JGET(it.val, "comment"))), got ? "accepted" : e.log);
		*(got ? valid : invalid) += 1;
	}
}

static void
test_jws(void **state)
{
	static const struct { const char *file; bool with_quirks; size_t valid, invalid; } rows[] = {
		{ "wycheproof/json_web_signature_test.json", true, 42, 359 },
		{ "wycheproof/json_web_crypto_test.json", false, 4, 79 },
		{ "wycheproof/json_web_encryption_test.json", false, 0, 139 },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_json j = load(rows[i].file);
		size_t valid = 0, invalid = 0;

		for (struct sp_jiter it = sp_jeach(SP_JGET(j.root, "testGroups")); sp_jnext(&it);)
			jose_group(rows[i].file, rows[i].with_quirks, it.val, &valid, &invalid);
		if (valid != rows[i].valid || invalid != rows[i].invalid)
			fail_msg("%s: %zu valid, %zu invalid", rows[i].file, valid, invalid);
		sp_json_free(&j);
	}
}

/* RFC 7520 and RFC 8037: compact forms open, everything else is refused. */
static void
test_cookbook(void **state)
{
	static const struct { const char *file; bool ok; } rows[] = {
		{ "rfc7520/jws/4_1.rsa_v15_signature.json", true },
		{ "rfc7520/jws/4_2.rsa-pss_signature.json", true },
		{ "rfc7520/jws/4_3.ecdsa_signature.json", true },
		{ "rfc7520/jws/4_4.hmac-sha2_integrity_protection.json", true },
		{ "rfc7520/jws/4_5.signature_with_detached_content.json", false },
		{ "rfc7520/jws/4_6.protecting_specific_header_fields.json", false },
		{ "rfc7520/jws/4_7.protecting_content_only.json", false },
		{ "rfc7520/jws/4_8.multiple_signatures.json", false },
		{ "rfc7520/curve25519/jws.json", true },
		{ "rfc7520/jwe/5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json", false },
		{ "rfc7520/jwe/5_6.direct_encryption_using_aes-gcm.json", false },
		{ "rfc7520/jwe/5_9.compressed_content.json", false },
	};
	static const char *const forms[] = { "compact", "json", "json_flat" };

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_json j = load(rows[i].file);
		sp_jval *out = SP_JGET(j.root, "output"), *keys = SP_JGET(SP_JGET(j.root, "input"), "key");

		for (size_t f = 0; f < SP_COUNT(forms); f++) {
			sp_jval *t = sp_jget(out, sp_str(forms[f]));
			struct sp_err e = { 0 };
			struct sp_out o;
			bool got;

			CHECK(rows[i].file, t != NULL || f != 0 || !rows[i].ok);
			if (t == NULL)
				continue;
			sp_out_heap(&o, TEXT_MAX);
			got = opens(keys, token_text(t, &o), &e);
			sp_out_free(&o);
			if (got != (rows[i].ok && f == 0))
				fail_msg("%s %s: %s", rows[i].file, forms[f], got ? "accepted" : e.log);
		}
		sp_json_free(&j);
	}
}

static void
test_cookbook_keys(void **state)
{
	static const struct { const char *file; bool oct, ok; } rows[] = {
		{ "rfc7520/jwk/3_1.ec_public_key.json", false, true },
		{ "rfc7520/jwk/3_2.ec_private_key.json", false, false },
		{ "rfc7520/jwk/3_3.rsa_public_key.json", false, true },
		{ "rfc7520/jwk/3_4.rsa_private_key.json", false, false },
		{ "rfc7520/jwk/3_5.symmetric_key_mac_computation.json", false, false },
		{ "rfc7520/jwk/3_5.symmetric_key_mac_computation.json", true, true },
		{ "rfc7520/jwk/3_6.symmetric_key_encryption.json", true, false },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_json j = load(rows[i].file);
		struct sp_keyset *ks = NULL;
		struct sp_out o;

		sp_out_heap(&o, TEXT_MAX);
		sp_jwrite(&o, j.root);
		CHECK(rows[i].file, (sp_keyset_read(sp_out_view(&o), rows[i].oct, &ks, NULL) == SP_OK) == rows[i].ok);
		sp_keyset_free(&ks);
		sp_out_free(&o);
		sp_json_free(&j);
	}
}

static int
setup(void **state)
{
	return sp_crypto_init(NULL) == SP_OK ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_signatures), cmocka_unit_test(test_hmac), cmocka_unit_test(test_jws),
		cmocka_unit_test(test_cookbook), cmocka_unit_test(test_cookbook_keys),
	};

	return cmocka_run_group_tests(t, setup, NULL);
}
