#include "crypto/sign.h"

#include "crypto/internal.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static void pkey_free(EVP_PKEY **k) { EVP_PKEY_free(*k); }
static void bio_free(BIO **b) { BIO_free(*b); }
static void md_ctx_free(EVP_MD_CTX **c) { EVP_MD_CTX_free(*c); }

enum { PEM_MAX = 16384, RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192 };

/* Never asks anybody for a passphrase. */
static int
no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
	return -1;
}

static EVP_PKEY *
read_key(sp_slice pem)
{
	__attribute__((cleanup(bio_free))) BIO *bio = NULL;

	if (pem.n == 0 || pem.n > PEM_MAX)
		return NULL;
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	return bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
}

static enum sp_alg
ec_alg(EVP_PKEY *k)
{
	static const struct { const char *group; enum sp_alg alg; } curves[] = {
		{ "prime256v1", SP_ES256 }, { "secp384r1", SP_ES384 }, { "secp521r1", SP_ES512 },
	};
	char group[64];
	size_t n = 0;

	if (EVP_PKEY_get_utf8_string_param(k, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, &n) != 1)
		return SP_ALG_NONE;
	for (size_t i = 0; i < SP_COUNT(curves); i++)
		if (sp_eq(sp_str(group), sp_str(curves[i].group)))
			return curves[i].alg;
	return SP_ALG_NONE;
}

static enum sp_alg
alg_of(EVP_PKEY *k)
{
	if (EVP_PKEY_is_a(k, "RSA"))
		return EVP_PKEY_get_bits(k) >= RSA_BITS_MIN && EVP_PKEY_get_bits(k) <= RSA_BITS_MAX ? SP_RS256 : SP_ALG_NONE;
	if (EVP_PKEY_is_a(k, "EC"))
		return ec_alg(k);
	return EVP_PKEY_is_a(k, "ED25519") ? SP_EDDSA : SP_ALG_NONE;
}

static enum sp_status
open_key(sp_slice pem, EVP_PKEY **key, enum sp_alg *alg, struct sp_err *e)
{
	EVP_PKEY *k = read_key(pem);
	enum sp_alg a = k == NULL ? SP_ALG_NONE : alg_of(k);

	if (a == SP_ALG_NONE) {
		EVP_PKEY_free(k);
		return sp_key_refuse(e, k == NULL ? "not a private key in PEM form without a passphrase" :
		    "a private key that is none of RSA of 2048 to 8192 bits, P-256, P-384, P-521, Ed25519");
	}
	*key = k;
	*alg = a;
	return SP_OK;
}

enum sp_status
sp_pem_alg(sp_slice pem, enum sp_alg *alg, struct sp_err *e)
{
	__attribute__((cleanup(pkey_free))) EVP_PKEY *k = NULL;

	return open_key(pem, &k, alg, e);
}

/* RFC 7518 section 3.4: R and S, each as long as the field. */
static bool
raw_ecdsa(const uint8_t *der, size_t n, size_t bytes, struct sp_out *sig)
{
	const uint8_t *p = der;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
	uint8_t rs[132];
	bool good = s != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(s), rs, (int)bytes) == (int)bytes &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(s), rs + bytes, (int)bytes) == (int)bytes;

	ECDSA_SIG_free(s);
	if (good)
		sp_out_add(sig, rs, 2 * bytes);
	return good;
}

enum sp_status
sp_pem_sign(sp_slice pem, sp_slice msg, struct sp_out *sig, struct sp_err *e)
{
	__attribute__((cleanup(pkey_free))) EVP_PKEY *k = NULL;
	__attribute__((cleanup(md_ctx_free))) EVP_MD_CTX *c = EVP_MD_CTX_new();
	enum sp_alg alg = SP_ALG_NONE;
	uint8_t buf[SP_SIG_MAX];
	size_t n = sizeof buf;
	enum sp_status st = open_key(pem, &k, &alg, e);
	bool good;

	if (st != SP_OK)
		return st;
	good = c != NULL &&
	    EVP_DigestSignInit_ex(c, NULL, alg == SP_EDDSA ? NULL : EVP_MD_get0_name(sp_alg_md(alg)), NULL, NULL, k, NULL) == 1 &&
	    EVP_DigestSign(c, buf, &n, (const uint8_t *)msg.p, msg.n) == 1;
	if (good && EVP_PKEY_is_a(k, "EC"))
		good = raw_ecdsa(buf, n, ((size_t)EVP_PKEY_get_bits(k) + 7) / 8, sig);
	else if (good)
		sp_out_add(sig, buf, n);
	ERR_clear_error();
	return good && !sig->full ? SP_OK : sp_fail(e, SP_E_SYSTEM, NULL, "the private key does not sign");
}
