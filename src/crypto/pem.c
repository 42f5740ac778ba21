#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static void pkey_free(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void bio_free(BIO **b) { BIO_free(*b); }
static void x509_free(X509 **x) { X509_free(*x); }
static void bn_free(BIGNUM **b) { BN_free(*b); }

enum { NUMBER_MAX = 2048, PEM_MAX = 65536 };

struct block { char *label, *header; unsigned char *der; long n; };

static void
block_free(struct block *b)
{
	OPENSSL_free(b->label);
	OPENSSL_free(b->header);
	if (b->der != NULL)
		OPENSSL_clear_free(b->der, (size_t)b->n);
}

static EVP_PKEY *
decode(const struct block *b)
{
	const unsigned char *p = b->der;
	EVP_PKEY *k = NULL;

	if (sp_eq(sp_str(b->label), SP_LIT("PUBLIC KEY"))) {
		k = d2i_PUBKEY_ex(NULL, &p, b->n, NULL, NULL);
	} else if (sp_eq(sp_str(b->label), SP_LIT("RSA PUBLIC KEY"))) {
		k = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, b->n);
	} else if (sp_eq(sp_str(b->label), SP_LIT("CERTIFICATE"))) {
		__attribute__((cleanup(x509_free))) X509 *x = d2i_X509(NULL, &p, b->n);

		k = x == NULL ? NULL : X509_get_pubkey(x);
	}
	if (k != NULL && p != b->der + b->n) {		/* bytes after the key */
		EVP_PKEY_free(k);
		return NULL;
	}
	return k;
}

/* A number of the key, big-endian, `fixed` bytes long or (0) as long as it is. */
static bool
number(EVP_PKEY *k, const char *param, size_t fixed, uint8_t buf[NUMBER_MAX], sp_slice *out)
{
	__attribute__((cleanup(bn_free))) BIGNUM *bn = NULL;
	size_t n;

	if (EVP_PKEY_get_bn_param(k, param, &bn) != 1)
		return false;
	n = fixed == 0 ? (size_t)BN_num_bytes(bn) : fixed;
	if (n > NUMBER_MAX || BN_bn2binpad(bn, buf, (int)n) != (int)n)
		return false;
	*out = sp_mem(buf, n);
	return true;
}

static enum sp_status
rebuild_ec(EVP_PKEY *k, struct sp_pkey **out, struct sp_err *err)
{
	static const struct { const char *group; enum sp_kty kty; size_t bytes; } curves[] = {
		{ "prime256v1", SP_KTY_EC256, 32 }, { "secp384r1", SP_KTY_EC384, 48 }, { "secp521r1", SP_KTY_EC521, 66 },
	};
	uint8_t xb[NUMBER_MAX], yb[NUMBER_MAX];
	char group[64];
	size_t n = 0;
	sp_slice x, y;

	if (EVP_PKEY_get_utf8_string_param(k, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &n) != 1)
		return sp_key_refuse(err, "EC key without a named curve");
	for (size_t i = 0; i < SP_COUNT(curves); i++) {
		if (!sp_eq(sp_str(group), sp_str(curves[i].group)))
			continue;
		if (!number(k, OSSL_PKEY_PARAM_EC_PUB_X, curves[i].bytes, xb, &x) ||
		    !number(k, OSSL_PKEY_PARAM_EC_PUB_Y, curves[i].bytes, yb, &y))
			return sp_key_refuse(err, "EC key without a point");
		return sp_pkey_ec(curves[i].kty, x, y, out, err);
	}
	return sp_key_refuse(err, "EC curve is none of P-256, P-384, P-521");
}

/* Only the numbers are taken over, so that keys from PEM and from JWK pass the same judgement. */
static enum sp_status
rebuild(EVP_PKEY *k, struct sp_pkey **out, struct sp_err *err)
{
	uint8_t nb[NUMBER_MAX], eb[NUMBER_MAX];
	size_t n = sizeof nb;
	sp_slice ns, es;

	if (EVP_PKEY_is_a(k, "RSA")) {
		if (EVP_PKEY_get_bits(k) > 8 * NUMBER_MAX || !number(k, OSSL_PKEY_PARAM_RSA_N, 0, nb, &ns) ||
		    !number(k, OSSL_PKEY_PARAM_RSA_E, 0, eb, &es))
			return sp_key_refuse(err, "RSA key that is too large");
		return sp_pkey_rsa(ns, es, out, err);
	}
	if (EVP_PKEY_is_a(k, "EC"))
		return rebuild_ec(k, out, err);
	if (EVP_PKEY_is_a(k, "ED25519") && EVP_PKEY_get_raw_public_key(k, nb, &n) == 1)
		return sp_pkey_ed25519(sp_mem(nb, n), out, err);
	return sp_key_refuse(err, "key type is none of RSA, EC, Ed25519");
}

enum sp_status
sp_pkey_pem(sp_slice pem, struct sp_pkey **out, struct sp_err *err)
{
	__attribute__((cleanup(bio_free))) BIO *bio = NULL;
	__attribute__((cleanup(pkey_free))) EVP_PKEY *k = NULL;
	__attribute__((cleanup(block_free))) struct block b = { 0 };

	if (pem.n == 0 || pem.n > PEM_MAX)
		return sp_key_refuse(err, "PEM block is empty or over 64 kB");
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio == NULL)
		return sp_fail(err, SP_E_FULL, NULL, "no memory for a key");
	if (PEM_read_bio(bio, &b.label, &b.header, &b.der, &b.n) != 1)
		return sp_key_refuse(err, "not a PEM block");
	if (sp_find(sp_str(b.label), SP_LIT("PRIVATE")) != SIZE_MAX)
		return sp_key_refuse(err, "a private key stands where a public key belongs");
	if (b.header[0] != '\0')
		return sp_key_refuse(err, "PEM block with headers");
	k = decode(&b);
	if (k == NULL)
		return sp_key_refuse(err, "PEM block is no PUBLIC KEY, RSA PUBLIC KEY or CERTIFICATE");
	return rebuild(k, out, err);
}
