#include "base/b64.h"
#include "base/check.h"
#include "crypto/crypto.h"
#include "crypto/testsign.h"

#include <stdio.h>

static const sp_slice msg = SP_LIT_INIT("header.payload");

/* The key of a test as PEM, read back through the public function. */
static struct sp_pkey *
public_of(const struct sp_testkey *t)
{
	char buf[4096];
	struct sp_out o;
	struct sp_pkey *k = NULL;

	sp_out_init(&o, buf, sizeof buf);
	sp_testkey_pem(t, &o);
	assert_int_equal(sp_pkey_pem(sp_out_view(&o), &k, NULL), SP_OK);
	return k;
}

static sp_slice
sign(const struct sp_testkey *t, enum sp_alg a, sp_slice m, char *buf, size_t cap)
{
	struct sp_out o;

	sp_out_init(&o, buf, cap);
	sp_testkey_sign(t, a, m, &o);
	assert_false(o.full);
	return sp_out_view(&o);
}

/* Each algorithm with its own key: the signature holds; one bit, one byte more or less, or another message: it does not. */
static void
test_each_algorithm(void **state)
{
	for (unsigned n = SP_RS256; n <= SP_EDDSA; n++) {
		enum sp_alg a = (enum sp_alg)n;
		struct sp_testkey *t = sp_testkey_new(a, 0);
		struct sp_pkey *k = public_of(t);
		char buf[2048];
		sp_slice sig = sign(t, a, msg, buf, sizeof buf - 1);
		const char *name = sp_alg_name(a);

		CHECK(name, sp_alg_find(sp_str(name)) == a);
		CHECK(name, sp_alg_fits(a, sp_pkey_kty(k)));
		for (unsigned again = 0; again < 3; again++)	/* the reused context forgets nothing */
			CHECK(name, sp_verify_sig(k, a, msg, sig));
		CHECK(name, !sp_verify_sig(k, a, SP_LIT("header.payloae"), sig));
		CHECK(name, !sp_verify_sig(k, a, SP_LIT(""), sig));
		CHECK(name, !sp_verify_sig(k, a, msg, sp_sub(sig, 0, sig.n - 1)));
		CHECK(name, !sp_verify_sig(k, a, msg, (sp_slice){ NULL, 0 }));
		buf[sig.n] = 0;
		CHECK(name, !sp_verify_sig(k, a, msg, sp_mem(buf, sig.n + 1)));
		for (size_t i = 0; i < sig.n; i += 7) {
			buf[i] ^= 0x10;
			CHECK(name, !sp_verify_sig(k, a, msg, sig));
			buf[i] ^= 0x10;
		}
		CHECK(name, sp_verify_sig(k, a, msg, sig));
		/* A21, A11: no other algorithm, even for the same key. */
		for (unsigned other = 0; other < SP_ALG_COUNT; other++)
			CHECK(name, other == n || !sp_verify_sig(k, (enum sp_alg)other, msg, sig));
		sp_pkey_free(&k);
		sp_testkey_free(&t);
	}
}

static void
test_hmac(void **state)
{
	for (unsigned n = SP_HS256; n <= SP_HS512; n++) {
		enum sp_alg a = (enum sp_alg)n;
		char secret[64], buf[64];
		struct sp_pkey *k = NULL;
		struct sp_out o;

		memset(secret, 's', sizeof secret);
		sp_out_init(&o, buf, sizeof buf);
		sp_test_hmac(a, sp_mem(secret, sizeof secret), msg, &o);
		assert_int_equal(sp_pkey_oct(sp_mem(secret, sizeof secret), &k, NULL), SP_OK);
		for (unsigned again = 0; again < 3; again++)
			CHECK(sp_alg_name(a), sp_verify_sig(k, a, msg, sp_out_view(&o)));
		CHECK(sp_alg_name(a), !sp_verify_sig(k, a, SP_LIT("other"), sp_out_view(&o)));
		CHECK(sp_alg_name(a), !sp_verify_sig(k, a, msg, sp_sub(sp_out_view(&o), 0, 16)));
		CHECK(sp_alg_name(a), !sp_verify_sig(k, SP_RS256, msg, sp_out_view(&o)));
		sp_pkey_free(&k);
	}
}

/* A19: RFC 7518 section 3.2. */
static void
test_short_secrets(void **state)
{
	char secret[64], buf[64];
	struct sp_pkey *k = NULL;
	struct sp_out o;

	memset(secret, 's', sizeof secret);
	assert_int_equal(sp_pkey_oct(sp_mem(secret, 0), &k, NULL), SP_E_CONFIG);
	assert_int_equal(sp_pkey_oct(sp_mem(secret, 31), &k, NULL), SP_E_CONFIG);
	assert_null(k);
	assert_int_equal(sp_pkey_oct(sp_mem(secret, 47), &k, NULL), SP_OK);
	sp_out_init(&o, buf, sizeof buf);
	sp_test_hmac(SP_HS384, sp_mem(secret, 47), msg, &o);
	assert_false(sp_verify_sig(k, SP_HS384, msg, sp_out_view(&o)));
	sp_out_reset(&o);
	sp_test_hmac(SP_HS256, sp_mem(secret, 47), msg, &o);
	assert_true(sp_verify_sig(k, SP_HS256, msg, sp_out_view(&o)));
	sp_pkey_free(&k);
}

/* n of P-256, big-endian. */
static const uint8_t order[32] = {
	0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

/* A09, A10: CVE-2022-21449 and its relatives. */
static void
test_degenerate_ecdsa(void **state)
{
	static const struct { const char *name; int r, s; } rows[] = {
		/* 0: zero, 1: the order, 2: all ff, 3: as signed, 4: one */
		{ "A09 r=s=0", 0, 0 }, { "A09 r=0", 0, 3 }, { "A09 s=0", 3, 0 }, { "A09 r=n", 1, 3 }, { "A09 s=n", 3, 1 },
		{ "A09 r=s=n", 1, 1 }, { "A09 all ff", 2, 2 }, { "A09 r=ff", 2, 3 }, { "A09 s=ff", 3, 2 },
		{ "A09 r=s=1", 4, 4 },
	};
	struct sp_testkey *t = sp_testkey_new(SP_ES256, 0);
	struct sp_pkey *k = public_of(t);
	char buf[64];
	sp_slice sig = sign(t, SP_ES256, msg, buf, sizeof buf);

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		const int pick[2] = { rows[i].r, rows[i].s };
		uint8_t bad[64];

		for (size_t half = 0; half < 2; half++) {
			uint8_t *at = bad + 32 * half;

			memset(at, pick[half] == 2 ? 0xff : 0, 32);
			if (pick[half] == 1)
				memcpy(at, order, 32);
			if (pick[half] == 3)
				memcpy(at, sig.p + 32 * half, 32);
			if (pick[half] == 4)
				at[31] = 1;
		}
		CHECK(rows[i].name, !sp_verify_sig(k, SP_ES256, msg, sp_mem(bad, sizeof bad)));
	}
	static const size_t lengths[] = { 1, 32, 63, 65, 70, 71, 72, 96, 128, 132 };
	for (size_t i = 0; i < SP_COUNT(lengths); i++) {
		char other[132] = { 0 };

		memcpy(other, sig.p, lengths[i] < 64 ? lengths[i] : 64);
		CHECK("A10 length", !sp_verify_sig(k, SP_ES256, msg, sp_mem(other, lengths[i])));
	}
	sp_pkey_free(&k);
	sp_testkey_free(&t);
}

/* An RSA modulus of so many bits, odd, not a product anybody could use. */
static sp_slice
modulus(uint8_t buf[2048], size_t bits)
{
	size_t n = bits / 8;

	memset(buf, 0x5a, n);
	buf[0] = 0x80;
	buf[n - 1] = 0x0b;
	return sp_mem(buf, n);
}

/* A44: 2048 bits that leave 1, a power of 65537, modulo every odd prime up to 167. */
static const char roca[] =
    "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x06\x69\x7e\xbe\xd2\xc9\xcb\x1b\x81\x05\x85\x59\x3f\x81\xda\x32\x0d\xfa\xb1\x0b\xdf\x2e"
    "\x0f\x1d\x9e\x80\x2f\xcf";

static void
test_rsa_limits(void **state)
{
	static const struct { const char *name; size_t bits; sp_slice e; bool ok; } rows[] = {
		{ "usual", 2048, SP_LIT_INIT("\x01\x00\x01"), true },
		{ "exponent with a leading zero", 2048, SP_LIT_INIT("\x00\x01\x00\x01"), true },
		{ "8192 bits", 8192, SP_LIT_INIT("\x01\x00\x01"), true },
		{ "exponent of 64 bits", 2048, SP_LIT_INIT("\xff\xff\xff\xff\xff\xff\xff\xff"), true },
		{ "A17 512 bits", 512, SP_LIT_INIT("\x01\x00\x01"), false },
		{ "A17 1024 bits", 1024, SP_LIT_INIT("\x01\x00\x01"), false },
		{ "A17 2040 bits", 2040, SP_LIT_INIT("\x01\x00\x01"), false },
		{ "A18 8200 bits", 8200, SP_LIT_INIT("\x01\x00\x01"), false },
		{ "A18 16384 bits", 16384, SP_LIT_INIT("\x01\x00\x01"), false },
		{ "A18 exponent over 64 bits", 2048, SP_LIT_INIT("\x01\x00\x00\x00\x00\x00\x00\x00\x01"), false },
		{ "A16 e=1", 2048, SP_LIT_INIT("\x01"), false },
		{ "A16 e=3", 2048, SP_LIT_INIT("\x03"), false },
		{ "A16 e=65535", 2048, SP_LIT_INIT("\xff\xff"), false },
		{ "e even", 2048, SP_LIT_INIT("\x01\x00\x02"), false },
		{ "e=0", 2048, SP_LIT_INIT("\x00"), false },
		{ "e empty", 2048, SP_LIT_INIT(""), false },
		{ "n empty", 0, SP_LIT_INIT("\x01\x00\x01"), false },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_pkey *k = NULL;
		uint8_t buf[2048];
		sp_slice n = rows[i].bits == 0 ? SP_LIT("") : modulus(buf, rows[i].bits);

		CHECK(rows[i].name, (sp_pkey_rsa(n, rows[i].e, &k, NULL) == SP_OK) == rows[i].ok);
		CHECK(rows[i].name, (k != NULL) == rows[i].ok);
		sp_pkey_free(&k);
	}
	uint8_t buf[2048];
	struct sp_pkey *k = NULL;
	struct sp_err e;
	sp_slice even = modulus(buf, 2048);

	buf[255] = 0x0a;
	assert_int_equal(sp_pkey_rsa(even, SP_LIT("\x01\x00\x01"), &k, NULL), SP_E_CONFIG);
	assert_int_equal(sp_pkey_rsa(sp_mem(roca, sizeof roca - 1), SP_LIT("\x01\x00\x01"), &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "ROCA"));
}

/* A12. */
static void
test_points(void **state)
{
	struct sp_testkey *t = sp_testkey_new(SP_ES256, 0);
	char jwk[512], x[66], y[66];
	struct sp_pkey *k = NULL;
	struct sp_out o;
	size_t nx, ny;
	sp_slice text;

	sp_out_init(&o, jwk, sizeof jwk);
	sp_testkey_jwk(t, &o, "");
	text = sp_sub(sp_out_view(&o), sp_find(sp_out_view(&o), SP_LIT("\"x\":\"")) + 5, 43);
	assert_true(sp_b64url_decode(text, x, 66, &nx) && nx == 32);
	text = sp_sub(sp_out_view(&o), sp_find(sp_out_view(&o), SP_LIT("\"y\":\"")) + 5, 43);
	assert_true(sp_b64url_decode(text, y, 66, &ny) && ny == 32);
	assert_int_equal(sp_pkey_ec(SP_KTY_EC256, sp_mem(x, 32), sp_mem(y, 32), &k, NULL), SP_OK);
	sp_pkey_free(&k);
	assert_int_equal(sp_pkey_ec(SP_KTY_EC384, sp_mem(x, 32), sp_mem(y, 32), &k, NULL), SP_E_CONFIG);
	assert_int_equal(sp_pkey_ec(SP_KTY_RSA, sp_mem(x, 32), sp_mem(y, 32), &k, NULL), SP_E_CONFIG);
	assert_int_equal(sp_pkey_ec(SP_KTY_EC256, sp_mem(x, 31), sp_mem(y, 32), &k, NULL), SP_E_CONFIG);
	x[32] = 0;
	assert_int_equal(sp_pkey_ec(SP_KTY_EC256, sp_mem(x, 33), sp_mem(y, 32), &k, NULL), SP_E_CONFIG);
	y[31] ^= 1;		/* off the curve */
	assert_int_equal(sp_pkey_ec(SP_KTY_EC256, sp_mem(x, 32), sp_mem(y, 32), &k, NULL), SP_E_CONFIG);
	memset(x, 0, sizeof x);	/* "infinity" */
	memset(y, 0, sizeof y);
	assert_int_equal(sp_pkey_ec(SP_KTY_EC256, sp_mem(x, 32), sp_mem(y, 32), &k, NULL), SP_E_CONFIG);
	memset(x, 0xff, sizeof x);	/* not under p */
	assert_int_equal(sp_pkey_ec(SP_KTY_EC256, sp_mem(x, 32), sp_mem(y, 32), &k, NULL), SP_E_CONFIG);
	assert_null(k);
	sp_testkey_free(&t);
}

/* A13: keys for which forged signatures exist. */
static void
test_ed25519_keys(void **state)
{
	static const struct { const char *name; sp_slice x; } rows[] = {
		{ "A13 y=0", SP_LIT_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ "A13 y=0, sign", SP_LIT_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80") },
		{ "A13 neutral element", SP_LIT_INIT("\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ "A13 order 2", SP_LIT_INIT("\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
		    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f") },
		{ "A13 order 8", SP_LIT_INIT("\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0"
		    "\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05") },
		{ "A13 order 8, sign", SP_LIT_INIT("\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f"
		    "\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\xfa") },
		{ "A13 y=p, not canonical", SP_LIT_INIT("\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
		    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f") },
		{ "A13 all ones", SP_LIT_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
		    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") },
		{ "A13 31 bytes", SP_LIT_INIT("0123456789abcdef0123456789abcde") },
		{ "A13 33 bytes", SP_LIT_INIT("0123456789abcdef0123456789abcdef0") },
		{ "A13 empty", SP_LIT_INIT("") },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_pkey *k = NULL;
		struct sp_err e;

		CHECK(rows[i].name, sp_pkey_ed25519(rows[i].x, &k, &e) == SP_E_CONFIG && k == NULL);
		CHECK(rows[i].name, (rows[i].x.n == 32) == (strstr(e.log, "length") == NULL));
		CHECK(rows[i].name, rows[i].x.n == 32 || i >= 8);
	}
}

static const char private_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";
/* secp256k1: ES256K is not offered. */
static const char k1_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEeb5mfvncu6xVoGKVzocLBwKb/NstzijZ\n"
    "WfKBWxb4F5hIOtp3JqPEZV2k+/wOEQio/Re0SKaFVBmcR9CP+xDUuA==\n"
    "-----END PUBLIC KEY-----\n";

static void
test_pem(void **state)
{
	struct sp_testkey *t = sp_testkey_new(SP_RS256, 0);
	struct sp_pkey *k = NULL;
	struct sp_err e;
	char buf[4096];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, " \n junk before\n");		/* A06 */
	sp_testkey_pem(t, &o);
	assert_int_equal(sp_pkey_pem(sp_out_view(&o), &k, NULL), SP_OK);
	assert_int_equal(sp_pkey_kty(k), SP_KTY_RSA);
	sp_pkey_free(&k);
	for (size_t n = 0; n < o.n - 20; n += 5)
		CHECK("PEM cut off", sp_pkey_pem(sp_sub(sp_out_view(&o), 0, n), &k, NULL) == SP_E_CONFIG);
	assert_int_equal(sp_pkey_pem(sp_str(private_pem), &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "private key"));
	assert_int_equal(sp_pkey_pem(sp_str(k1_pem), &k, &e), SP_E_CONFIG);
	assert_non_null(strstr(e.log, "P-256"));
	assert_int_equal(sp_pkey_pem(SP_LIT("\0\0\0"), &k, NULL), SP_E_CONFIG);
	assert_null(k);
	sp_testkey_free(&t);
	t = sp_testkey_new(SP_RS256, 1024);
	sp_out_reset(&o);
	sp_testkey_pem(t, &o);
	assert_int_equal(sp_pkey_pem(sp_out_view(&o), &k, &e), SP_E_CONFIG);	/* A17 */
	assert_non_null(strstr(e.log, "2048"));
	sp_testkey_free(&t);
}

static void
test_names(void **state)
{
	static const sp_slice bad[] = {
		SP_LIT_INIT("none"), SP_LIT_INIT("None"), SP_LIT_INIT("NONE"), SP_LIT_INIT("nOnE"), SP_LIT_INIT(" none"),
		SP_LIT_INIT("none\0"), SP_LIT_INIT(""), SP_LIT_INIT("rs256"), SP_LIT_INIT("RS256 "), SP_LIT_INIT("RS256\0"),
		SP_LIT_INIT("ES256K"), SP_LIT_INIT("RS1"), SP_LIT_INIT("HS"),
	};

	for (size_t i = 0; i < SP_COUNT(bad); i++)
		CHECK(bad[i].p, sp_alg_find(bad[i]) == SP_ALG_NONE);
	for (unsigned t = 0; t <= SP_KTY_OCT; t++)
		assert_false(sp_alg_fits(SP_ALG_NONE, (enum sp_kty)t) || sp_alg_fits((enum sp_alg)99, (enum sp_kty)t));
	assert_string_equal(sp_alg_name((enum sp_alg)99), "none");
}

static void
test_sha256(void **state)
{
	uint8_t h[32];
	char hex[65];
	struct sp_out o;

	sp_sha256(SP_LIT("abc"), h);
	sp_out_init(&o, hex, sizeof hex);
	sp_out_hex(&o, h, sizeof h);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
	sp_sha256((sp_slice){ NULL, 0 }, h);
	assert_int_equal(h[0], 0xe3);
}

static int
setup(void **state)
{
	return sp_crypto_init(NULL) == SP_OK && sp_crypto_init(NULL) == SP_OK ? 0 : -1;
}

static void
test_aead(void **state)
{
	static const uint8_t key[SP_AEAD_KEY] = { 1 };
	uint8_t salt[SP_AEAD_SALT] = { 2 }, ct[32 + SP_AEAD_TAG], other[32 + SP_AEAD_TAG], out[32];
	const sp_slice text = SP_LIT("of some length"), sealed = sp_mem(ct, text.n + SP_AEAD_TAG);

	assert_true(sp_aead_seal(key, salt, SP_LIT("ad"), text, ct));
	assert_true(sp_aead_open(key, salt, SP_LIT("ad"), sealed, out));
	assert_memory_equal(out, text.p, text.n);
	assert_false(sp_aead_open(key, salt, SP_LIT("aD"), sealed, out));
	assert_int_equal(out[0], 0);
	for (size_t n = 0; n < sealed.n; n++)
		assert_false(sp_aead_open(key, salt, SP_LIT("ad"), sp_sub(sealed, 0, n), out));
	/* Each half of the salt counts. */
	for (unsigned i = 0; i < SP_AEAD_SALT; i++) {
		salt[i] ^= 1;
		assert_false(sp_aead_open(key, salt, SP_LIT("ad"), sealed, out));
		assert_true(sp_aead_seal(key, salt, SP_LIT("ad"), text, other));
		assert_memory_not_equal(other, ct, text.n);
		salt[i] ^= 1;
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_each_algorithm), cmocka_unit_test(test_hmac), cmocka_unit_test(test_short_secrets),
		cmocka_unit_test(test_degenerate_ecdsa), cmocka_unit_test(test_rsa_limits), cmocka_unit_test(test_points),
		cmocka_unit_test(test_ed25519_keys), cmocka_unit_test(test_pem), cmocka_unit_test(test_names),
		cmocka_unit_test(test_sha256), cmocka_unit_test(test_aead),
	};

	return cmocka_run_group_tests(t, setup, NULL);
}
