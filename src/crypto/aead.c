#include "crypto/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <limits.h>

enum { NONCE = 12, TAG = SP_AEAD_TAG, SALT = SP_AEAD_SALT - NONCE };

/* What the salt's first half makes of the key.  Twelve random bytes alone are too few for a key that many servers share. */
static bool
derive(const uint8_t key[SP_AEAD_KEY], const uint8_t *salt, uint8_t out[SP_AEAD_KEY])
{
	size_t n = 0;

	return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, SP_AEAD_KEY, salt, SALT, out, SP_AEAD_KEY, &n) != NULL &&
	    n == SP_AEAD_KEY;
}

static bool
begin(EVP_CIPHER_CTX *c, const uint8_t key[SP_AEAD_KEY], const uint8_t salt[SP_AEAD_SALT], sp_slice ad, int sealing)
{
	uint8_t once[SP_AEAD_KEY];
	int n;
	bool ok = c != NULL && ad.n <= INT_MAX && derive(key, salt, once) &&
	    EVP_CipherInit_ex(c, EVP_chacha20_poly1305(), NULL, once, salt + SALT, sealing) == 1 &&
	    EVP_CipherUpdate(c, NULL, &n, (const unsigned char *)ad.p, (int)ad.n) == 1;

	OPENSSL_cleanse(once, sizeof once);
	return ok;
}

bool
sp_aead_seal(const uint8_t key[SP_AEAD_KEY], const uint8_t salt[SP_AEAD_SALT], sp_slice ad, sp_slice in, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;
	bool ok = in.n <= INT_MAX && begin(c, key, salt, ad, 1) &&
	    (in.n == 0 || EVP_CipherUpdate(c, out, &n, (const unsigned char *)in.p, (int)in.n) == 1) &&
	    EVP_CipherFinal_ex(c, out + n, &last) == 1 && (size_t)n + (size_t)last == in.n &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, out + in.n) == 1;

	EVP_CIPHER_CTX_free(c);
	return ok;
}

bool
sp_aead_open(const uint8_t key[SP_AEAD_KEY], const uint8_t salt[SP_AEAD_SALT], sp_slice ad, sp_slice in, uint8_t *out)
{
	EVP_CIPHER_CTX *c;
	uint8_t tag[TAG];
	size_t text = in.n - TAG;
	int n = 0, last = 0;
	bool ok;

	if (in.n < TAG || in.n > INT_MAX)
		return false;
	memcpy(tag, in.p + text, TAG);
	c = EVP_CIPHER_CTX_new();
	ok = begin(c, key, salt, ad, 0) &&
	    (text == 0 || EVP_CipherUpdate(c, out, &n, (const unsigned char *)in.p, (int)text) == 1) &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1 &&
	    EVP_CipherFinal_ex(c, out + n, &last) == 1 && (size_t)n + (size_t)last == text;
	/* What did not prove to be ours is not looked at. */
	if (!ok && text != 0)
		OPENSSL_cleanse(out, text);
	EVP_CIPHER_CTX_free(c);
	return ok;
}

bool
sp_digest256(sp_slice in, uint8_t out[32])
{
	unsigned n = 0;

	return EVP_Digest(in.p == NULL ? "" : in.p, in.n, out, &n, EVP_sha256(), NULL) == 1 && n == 32;
}
