#include "crypto/internal.h"

#include "base/ct.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

enum { DIGEST_MAX = 64, COORD_MAX = 66 };

static bool
set_rsa(EVP_PKEY_CTX *c, const struct sp_algorithm *al, EVP_MD *md)
{
	if (!al->pss)
		return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_signature_md(c, md) == 1;
	/* RFC 7518 section 3.5: MGF1 with the same hash, salt as long as the hash. */
	return EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(c, md) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(c, md) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(c, (int)(al->bits / 8)) == 1;
}

/* The key's context for this algorithm, set up once. */
static EVP_PKEY_CTX *
context(struct sp_pkey *k, enum sp_alg a)
{
	EVP_PKEY_CTX *c = k->verify[a];
	bool ok;

	if (c != NULL)
		return c;
	c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
	ok = c != NULL && EVP_PKEY_verify_init(c) == 1;
	if (ok)
		ok = k->kty == SP_KTY_RSA ? set_rsa(c, &sp_algorithms[a], sp_alg_md(a)) :
		    EVP_PKEY_CTX_set_signature_md(c, sp_alg_md(a)) == 1;
	if (!ok) {
		EVP_PKEY_CTX_free(c);
		return NULL;
	}
	return k->verify[a] = c;
}

/* INTEGER of a non-negative big-endian number, minimal; returns its length. */
static size_t
der_integer(uint8_t *out, const uint8_t *p, size_t n)
{
	size_t pad;

	while (n > 1 && *p == 0) {
		p++;
		n--;
	}
	pad = *p >> 7;
	out[0] = 0x02;
	out[1] = (uint8_t)(n + pad);
	out[2] = 0;
	memcpy(out + 2 + pad, p, n);
	return 2 + pad + n;
}

/* R||S, each of `coord` bytes, as Ecdsa-Sig-Value; returns its length, at most 3 + 2 * (3 + COORD_MAX). */
static size_t
der_signature(uint8_t *out, const uint8_t *rs, size_t coord)
{
	uint8_t body[2 * (3 + COORD_MAX)];
	size_t n = der_integer(body, rs, coord), head = 0;

	n += der_integer(body + n, rs + coord, coord);
	out[head++] = 0x30;
	if (n > 0x7f)
		out[head++] = 0x81;
	out[head++] = (uint8_t)n;
	memcpy(out + head, body, n);
	return head + n;
}

static bool
verify_digest(struct sp_pkey *k, enum sp_alg a, sp_slice msg, sp_slice sig)
{
	uint8_t md[DIGEST_MAX], der[3 + 2 * (3 + COORD_MAX)];
	const uint8_t *p = (const uint8_t *)sig.p;
	EVP_PKEY_CTX *c = context(k, a);
	size_t n = sig.n;

	if (c == NULL || !sp_digest(sp_alg_md(a), msg, md))
		return false;
	if (k->kty != SP_KTY_RSA) {
		n = der_signature(der, p, sig.n / 2);
		p = der;
	}
	return EVP_PKEY_verify(c, p, n, md, sp_algorithms[a].bits / 8) == 1;
}

static bool
verify_ed25519(struct sp_pkey *k, sp_slice msg, sp_slice sig)
{
	if (k->ed == NULL && (k->ed = EVP_MD_CTX_new()) == NULL)
		return false;
	/* A one-shot context may not be used twice without this. */
	if (EVP_MD_CTX_reset(k->ed) != 1 || EVP_DigestVerifyInit_ex(k->ed, NULL, NULL, NULL, NULL, k->pkey, NULL) != 1)
		return false;
	return EVP_DigestVerify(k->ed, (const uint8_t *)sig.p, sig.n, (const uint8_t *)msg.p, msg.n) == 1;
}

static bool
verify_hmac(struct sp_pkey *k, enum sp_alg a, sp_slice msg, sp_slice sig)
{
	uint8_t tag[DIGEST_MAX];
	size_t want = sp_algorithms[a].bits / 8, n = 0;

	/* RFC 7518 section 3.2: the key is at least as long as the hash. */
	if (k->oct_bytes < want || sig.n != want || k->mac[a] == NULL)
		return false;
	if (EVP_MAC_init(k->mac[a], NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(k->mac[a], (const uint8_t *)msg.p, msg.n) != 1 ||
	    EVP_MAC_final(k->mac[a], tag, &n, sizeof tag) != 1)
		return false;
	return n == want && sp_ct_eq(tag, sig.p, want);
}

bool
sp_verify_sig(struct sp_pkey *k, enum sp_alg a, sp_slice msg, sp_slice sig)
{
	bool ok;

	if (k == NULL || !sp_alg_fits(a, k->kty) || sig.n == 0)
		return false;
	if (k->kty != SP_KTY_OCT && sig.n != k->sig_bytes)
		return false;
	if (k->kty == SP_KTY_OCT)
		ok = verify_hmac(k, a, msg, sig);
	else if (k->kty == SP_KTY_ED25519)
		ok = verify_ed25519(k, msg, sig);
	else
		ok = verify_digest(k, a, msg, sig);
	if (!ok)
		ERR_clear_error();
	return ok;
}

size_t
sp_mac_secret_min(enum sp_alg a)
{
	return sp_alg_fits(a, SP_KTY_OCT) ? sp_algorithms[a].bits / 8 : 0;
}

bool
sp_mac_check(enum sp_alg a, sp_slice secret, sp_slice input, sp_slice mac)
{
	struct sp_pkey *k = NULL;
	bool ok;

	if (sp_mac_secret_min(a) == 0 || sp_pkey_oct(secret, &k, NULL) != SP_OK)
		return false;
	ok = sp_verify_sig(k, a, input, mac);
	sp_pkey_free(&k);		/* which wipes what was made of the secret */
	return ok;
}
