#include "crypto/testsign.h"

#include "base/b64.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <assert.h>
#include <stdlib.h>

struct sp_testkey {
	EVP_PKEY *pkey;
	uint8_t	  oct[128];
	size_t	  noct;
};

static const struct { const char *md, *curve, *crv; size_t coord; } how[SP_ALG_COUNT] = {
	[SP_RS256] = { "SHA256", NULL, NULL, 0 }, [SP_RS384] = { "SHA384", NULL, NULL, 0 },
	[SP_RS512] = { "SHA512", NULL, NULL, 0 }, [SP_PS256] = { "SHA256", NULL, NULL, 0 },
	[SP_PS384] = { "SHA384", NULL, NULL, 0 }, [SP_PS512] = { "SHA512", NULL, NULL, 0 },
	[SP_ES256] = { "SHA256", "P-256", "P-256", 32 }, [SP_ES384] = { "SHA384", "P-384", "P-384", 48 },
	[SP_ES512] = { "SHA512", "P-521", "P-521", 66 },
	[SP_HS256] = { "SHA256", NULL, NULL, 0 }, [SP_HS384] = { "SHA384", NULL, NULL, 0 },
	[SP_HS512] = { "SHA512", NULL, NULL, 0 },
};

struct sp_testkey *
sp_testkey_new(enum sp_alg a, unsigned bits)
{
	struct sp_testkey *k = calloc(1, sizeof *k);

	assert(k != NULL);
	if (a >= SP_HS256) {
		k->noct = bits == 0 ? 64 : bits / 8;
		assert(k->noct <= sizeof k->oct);
		sp_random_bytes(k->oct, k->noct);
		return k;
	}
	if (a == SP_EDDSA)
		k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	else if (how[a].curve != NULL)
		k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", how[a].curve);
	else
		k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)(bits == 0 ? 2048 : bits));
	assert(k->pkey != NULL);
	return k;
}

void
sp_testkey_free(struct sp_testkey **k)
{
	if (*k == NULL)
		return;
	EVP_PKEY_free((*k)->pkey);
	free(*k);
	*k = NULL;
}

static void
member(const struct sp_testkey *k, struct sp_out *o, const char *name, const char *param, size_t fixed)
{
	uint8_t buf[2048];
	BIGNUM *bn = NULL;
	int n;

	assert(EVP_PKEY_get_bn_param(k->pkey, param, &bn) == 1);
	n = fixed == 0 ? BN_num_bytes(bn) : (int)fixed;
	assert(BN_bn2binpad(bn, buf, n) == n);
	BN_free(bn);
	sp_out_fmt(o, ",\"%s\":\"", name);
	sp_b64url_encode(o, buf, (size_t)n);
	sp_out_str(o, "\"");
}

void
sp_testkey_jwk(const struct sp_testkey *k, struct sp_out *o, const char *extra)
{
	uint8_t raw[32];
	size_t n = sizeof raw;

	if (k->pkey == NULL) {
		sp_out_str(o, "{\"kty\":\"oct\",\"k\":\"");
		sp_b64url_encode(o, k->oct, k->noct);
		sp_out_fmt(o, "\"%s}", extra);
		return;
	}
	if (EVP_PKEY_is_a(k->pkey, "RSA")) {
		sp_out_str(o, "{\"kty\":\"RSA\"");
		member(k, o, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		member(k, o, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	} else if (EVP_PKEY_is_a(k->pkey, "EC")) {
		int bits = EVP_PKEY_get_bits(k->pkey);
		size_t coord = ((size_t)bits + 7) / 8;

		sp_out_fmt(o, "{\"kty\":\"EC\",\"crv\":\"P-%d\"", bits);
		member(k, o, "x", OSSL_PKEY_PARAM_EC_PUB_X, coord);
		member(k, o, "y", OSSL_PKEY_PARAM_EC_PUB_Y, coord);
	} else {
		assert(EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) == 1);
		sp_out_str(o, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
		sp_b64url_encode(o, raw, n);
		sp_out_str(o, "\"");
	}
	sp_out_fmt(o, "%s}", extra);
}

void
sp_testkey_pem(const struct sp_testkey *k, struct sp_out *o)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	assert(b != NULL && PEM_write_bio_PUBKEY(b, k->pkey) == 1);
	n = BIO_get_mem_data(b, &p);
	sp_out_add(o, p, (size_t)n);
	BIO_free(b);
}

void
sp_testkey_private_pem(const struct sp_testkey *k, struct sp_out *o)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;

	assert(b != NULL && PEM_write_bio_PrivateKey(b, k->pkey, NULL, NULL, 0, NULL, NULL) == 1);
	n = BIO_get_mem_data(b, &p);
	sp_out_add(o, p, (size_t)n);
	BIO_free(b);
}

void
sp_test_hmac(enum sp_alg a, sp_slice key, sp_slice msg, struct sp_out *mac)
{
	uint8_t tag[64];
	unsigned n = 0;

	assert(HMAC(EVP_get_digestbyname(how[a].md), key.p, (int)key.n, (const uint8_t *)msg.p, msg.n, tag, &n) != NULL);
	sp_out_add(mac, tag, n);
}

static void
raw_ecdsa(const uint8_t *der, size_t n, size_t coord, struct sp_out *sig)
{
	const uint8_t *p = der;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
	uint8_t rs[132];

	assert(s != NULL);
	assert(BN_bn2binpad(ECDSA_SIG_get0_r(s), rs, (int)coord) == (int)coord);
	assert(BN_bn2binpad(ECDSA_SIG_get0_s(s), rs + coord, (int)coord) == (int)coord);
	ECDSA_SIG_free(s);
	sp_out_add(sig, rs, 2 * coord);
}

void
sp_testkey_sign(const struct sp_testkey *k, enum sp_alg a, sp_slice msg, struct sp_out *sig)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pc = NULL;
	uint8_t buf[2048];
	size_t n = sizeof buf;

	if (k->pkey == NULL) {
		EVP_MD_CTX_free(c);
		sp_test_hmac(a, sp_mem(k->oct, k->noct), msg, sig);
		return;
	}
	assert(c != NULL && EVP_DigestSignInit_ex(c, &pc, how[a].md, NULL, NULL, k->pkey, NULL) == 1);
	if (a >= SP_PS256 && a <= SP_PS512) {
		assert(EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING) == 1);
		assert(EVP_PKEY_CTX_set_rsa_pss_saltlen(pc, RSA_PSS_SALTLEN_DIGEST) == 1);
	}
	assert(EVP_DigestSign(c, buf, &n, (const uint8_t *)msg.p, msg.n) == 1);
	EVP_MD_CTX_free(c);
	if (how[a].coord != 0 && EVP_PKEY_is_a(k->pkey, "EC"))
		raw_ecdsa(buf, n, ((size_t)EVP_PKEY_get_bits(k->pkey) + 7) / 8, sig);
	else
		sp_out_add(sig, buf, n);
}

void
sp_testkey_token(const struct sp_testkey *k, enum sp_alg a, sp_slice header, sp_slice payload, struct sp_out *o)
{
	size_t from = o->n;
	struct sp_out sig;
	uint8_t buf[2048];

	sp_out_init(&sig, buf, sizeof buf);
	sp_b64url_encode(o, header.p, header.n);
	sp_out_byte(o, '.');
	sp_b64url_encode(o, payload.p, payload.n);
	sp_testkey_sign(k, a, sp_mem(o->p + from, o->n - from), &sig);
	sp_out_byte(o, '.');
	sp_b64url_encode(o, sig.p, sig.n);
	assert(!o->full && !sig.full);
}
