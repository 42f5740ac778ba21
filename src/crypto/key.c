#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <stdlib.h>

enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 8192, OCT_MIN = 32, OCT_MAX = 4096 };

static void param_free(OSSL_PARAM **p) { OSSL_PARAM_free(*p); }
static void bld_free(OSSL_PARAM_BLD **b) { OSSL_PARAM_BLD_free(*b); }
static void bn_free(BIGNUM **b) { BN_free(*b); }
static void ctx_free(EVP_PKEY_CTX **c) { EVP_PKEY_CTX_free(*c); }

enum sp_status
sp_key_refuse(struct sp_err *err, const char *why)
{
	ERR_clear_error();
	return sp_fail(err, SP_E_CONFIG, NULL, "%s", why);
}

static sp_slice
strip_zeros(sp_slice n)
{
	while (n.n != 0 && n.p[0] == 0)
		sp_advance(&n, 1);
	return n;
}

void
sp_pkey_free(struct sp_pkey **kp)
{
	struct sp_pkey *k = *kp;

	if (k == NULL)
		return;
	for (size_t a = 0; a < SP_ALG_COUNT; a++) {
		EVP_PKEY_CTX_free(k->verify[a]);
		EVP_MAC_CTX_free(k->mac[a]);
	}
	EVP_MD_CTX_free(k->ed);
	EVP_PKEY_free(k->pkey);
	free(k);
	*kp = NULL;
}

enum sp_kty
sp_pkey_kty(const struct sp_pkey *k)
{
	return k->kty;
}

bool
sp_pkey_same(const struct sp_pkey *a, const struct sp_pkey *b)
{
	bool same = a->kty == b->kty && a->kty != SP_KTY_OCT && EVP_PKEY_eq(a->pkey, b->pkey) == 1;

	ERR_clear_error();
	return same;
}

/* Takes over `pkey`, also when it fails. */
static enum sp_status
wrap(enum sp_kty kty, EVP_PKEY *pkey, size_t sig_bytes, struct sp_pkey **out, struct sp_err *err)
{
	struct sp_pkey *k = calloc(1, sizeof *k);

	if (k == NULL) {
		EVP_PKEY_free(pkey);
		return sp_fail(err, SP_E_FULL, NULL, "no memory for a key");
	}
	*k = (struct sp_pkey){ .kty = kty, .sig_bytes = sig_bytes, .pkey = pkey };
	*out = k;
	return SP_OK;
}

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	__attribute__((cleanup(param_free))) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	__attribute__((cleanup(ctx_free))) EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (params == NULL || c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return NULL;
	return pkey;
}

enum sp_status
sp_pkey_rsa(sp_slice n, sp_slice e, struct sp_pkey **out, struct sp_err *err)
{
	__attribute__((cleanup(bld_free))) OSSL_PARAM_BLD *bld = NULL;
	__attribute__((cleanup(bn_free))) BIGNUM *bn = NULL;
	__attribute__((cleanup(bn_free))) BIGNUM *be = NULL;
	EVP_PKEY *pkey;
	enum sp_status st;

	n = strip_zeros(n);
	e = strip_zeros(e);
	st = sp_rsa_judge(n, err);
	if (st != SP_OK)
		return st;
	if (e.n > 8)
		return sp_key_refuse(err, "RSA exponent over 64 bits");
	if (e.n == 0 || (e.p[e.n - 1] & 1) == 0)
		return sp_key_refuse(err, "RSA exponent is even");
	if (e.n < 3)		/* odd and three bytes or more: 65537 at least */
		return sp_key_refuse(err, "RSA exponent under 65537");
	bld = OSSL_PARAM_BLD_new();
	bn = BN_bin2bn((const uint8_t *)n.p, (int)n.n, NULL);
	be = BN_bin2bn((const uint8_t *)e.p, (int)e.n, NULL);
	if (bld == NULL || bn == NULL || be == NULL || OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) != 1)
		return sp_key_refuse(err, "no memory for a key");
	pkey = from_params("RSA", bld);
	if (pkey == NULL)
		return sp_key_refuse(err, "not an RSA key");
	return wrap(SP_KTY_RSA, pkey, n.n, out, err);
}

static const struct curve {
	enum sp_kty kty;
	const char *group;
	size_t	    bytes;
} curves[] = {
	{ SP_KTY_EC256, "prime256v1", 32 },
	{ SP_KTY_EC384, "secp384r1", 48 },
	{ SP_KTY_EC521, "secp521r1", 66 },
};

enum sp_status
sp_pkey_ec(enum sp_kty kty, sp_slice x, sp_slice y, struct sp_pkey **out, struct sp_err *err)
{
	__attribute__((cleanup(bld_free))) OSSL_PARAM_BLD *bld = NULL;
	__attribute__((cleanup(ctx_free))) EVP_PKEY_CTX *check = NULL;
	const struct curve *c = NULL;
	uint8_t point[1 + 2 * 66];
	EVP_PKEY *pkey;

	for (size_t i = 0; i < SP_COUNT(curves); i++)
		if (curves[i].kty == kty)
			c = &curves[i];
	if (c == NULL)
		return sp_key_refuse(err, "unknown curve");
	/* RFC 7518 section 6.2.1.2: full length, leading zeros included. */
	if (x.n != c->bytes || y.n != c->bytes)
		return sp_key_refuse(err, "EC coordinate of the wrong length");
	point[0] = 4;
	memcpy(point + 1, x.p, c->bytes);
	memcpy(point + 1 + c->bytes, y.p, c->bytes);
	bld = OSSL_PARAM_BLD_new();
	if (bld == NULL || OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->group, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * c->bytes) != 1)
		return sp_key_refuse(err, "no memory for a key");
	pkey = from_params("EC", bld);
	if (pkey == NULL)
		return sp_key_refuse(err, "EC point is not on the curve");
	check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (check == NULL || EVP_PKEY_public_check_quick(check) != 1) {
		EVP_PKEY_free(pkey);
		return sp_key_refuse(err, "EC point is not on the curve");
	}
	return wrap(kty, pkey, 2 * c->bytes, out, err);
}

/* y coordinates, little-endian and without sign, of the points whose order divides 8: no private key belongs to them,
 * and some signatures hold under them for every message. */
static const uint8_t small_order[][32] = {
	{ 0 },
	{ 1 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
	  0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
	  0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
};

/* RFC 8032 section 5.1.3: y is under 2^255 - 19. */
static bool
is_canonical(const uint8_t y[32])
{
	if (y[31] != 0x7f || y[0] < 0xed)
		return true;
	for (size_t i = 1; i < 31; i++)
		if (y[i] != 0xff)
			return true;
	return false;
}

enum sp_status
sp_pkey_ed25519(sp_slice x, struct sp_pkey **out, struct sp_err *err)
{
	EVP_PKEY *pkey;
	uint8_t y[32];

	if (x.n != sizeof y)
		return sp_key_refuse(err, "Ed25519 key of the wrong length");
	memcpy(y, x.p, sizeof y);
	y[31] &= 0x7f;
	if (!is_canonical(y))
		return sp_key_refuse(err, "Ed25519 key is not canonical");
	for (size_t i = 0; i < SP_COUNT(small_order); i++)
		if (memcmp(y, small_order[i], sizeof y) == 0)
			return sp_key_refuse(err, "Ed25519 key of small order");
	pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, (const uint8_t *)x.p, x.n);
	if (pkey == NULL)
		return sp_key_refuse(err, "not an Ed25519 key");
	return wrap(SP_KTY_ED25519, pkey, 64, out, err);
}

/* The secret stays only inside OpenSSL's contexts, which wipe it. */
static bool
mac_contexts(struct sp_pkey *k, sp_slice secret)
{
	static const struct { enum sp_alg alg; const char *md; } hs[] = {
		{ SP_HS256, "SHA256" }, { SP_HS384, "SHA384" }, { SP_HS512, "SHA512" },
	};

	for (size_t i = 0; i < SP_COUNT(hs); i++) {
		EVP_MAC_CTX *c = EVP_MAC_CTX_new(sp_hmac());
		char md[8];
		OSSL_PARAM p[2];

		memcpy(md, hs[i].md, sizeof "SHA256");
		p[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, md, 0);
		p[1] = OSSL_PARAM_construct_end();
		k->mac[hs[i].alg] = c;
		if (c == NULL || EVP_MAC_init(c, (const uint8_t *)secret.p, secret.n, p) != 1)
			return false;
	}
	return true;
}

enum sp_status
sp_pkey_oct(sp_slice secret, struct sp_pkey **out, struct sp_err *err)
{
	struct sp_pkey *k = NULL;
	enum sp_status st;

	if (secret.n < OCT_MIN)
		return sp_key_refuse(err, "HMAC secret shorter than 32 bytes");
	if (secret.n > OCT_MAX)
		return sp_key_refuse(err, "HMAC secret over 4096 bytes");
	st = wrap(SP_KTY_OCT, NULL, 0, &k, err);
	if (st != SP_OK)
		return st;
	k->oct_bytes = secret.n;
	if (!mac_contexts(k, secret)) {
		sp_pkey_free(&k);
		return sp_key_refuse(err, "HMAC cannot be set up");
	}
	*out = k;
	return SP_OK;
}

/* Powers of 65537 modulo p: does any equal r? */
static bool
in_subgroup(unsigned r, unsigned p)
{
	unsigned x = 1;

	do {
		if (x == r)
			return true;
		x = x * (65537u % p) % p;
	} while (x != 1);
	return false;
}

/* CVE-2017-15361: such moduli are, modulo every small prime, powers of 65537.  A sound key is one by chance once in 10^8. */
static bool
is_roca(const BIGNUM *n)
{
	static const uint8_t primes[] = {
		3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
		107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
	};

	for (size_t i = 0; i < SP_COUNT(primes); i++)
		if (!in_subgroup((unsigned)BN_mod_word(n, primes[i]), primes[i]))
			return false;
	return true;
}

enum sp_status
sp_rsa_judge(sp_slice n, struct sp_err *err)
{
	__attribute__((cleanup(bn_free))) BIGNUM *bn = NULL;

	if (n.n * 8 > RSA_MAX_BITS)
		return sp_key_refuse(err, "RSA modulus over 8192 bits");
	bn = BN_bin2bn((const uint8_t *)n.p, (int)n.n, NULL);
	if (bn == NULL || BN_num_bits(bn) < RSA_MIN_BITS)
		return sp_key_refuse(err, "RSA modulus under 2048 bits");
	if (!BN_is_odd(bn))
		return sp_key_refuse(err, "RSA modulus is even");
	if (is_roca(bn))
		return sp_key_refuse(err, "RSA modulus with the ROCA weakness (CVE-2017-15361)");
	return SP_OK;
}
