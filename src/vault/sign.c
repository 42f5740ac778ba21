#include "vault/sign.h"

#include <assert.h>
#include <sodium.h>

_Static_assert(SP_SIGN_SEED == crypto_sign_SEEDBYTES && SP_SIGN_KEY == crypto_sign_SECRETKEYBYTES &&
    SP_SIGN_PUBLIC == crypto_sign_PUBLICKEYBYTES && SP_SIGN_BYTES == crypto_sign_BYTES, "Ed25519");

enum sp_status
sp_sign_key(const struct sp_secret *seed, struct sp_secret *key, uint8_t public_key[SP_SIGN_PUBLIC])
{
	sp_slice from = sp_secret_peek(seed);
	unsigned char *to = from.n == SP_SIGN_SEED ? sp_secret_space(key, SP_SIGN_KEY) : NULL;

	if (to == NULL)
		return SP_E_TOO_BIG;
	crypto_sign_seed_keypair(public_key, to, (const unsigned char *)from.p);
	return SP_OK;
}

void
sp_sign(const struct sp_secret *key, sp_slice bytes, uint8_t sig[SP_SIGN_BYTES])
{
	sp_slice k = sp_secret_peek(key);

	assert(k.n == SP_SIGN_KEY);
	crypto_sign_detached(sig, NULL, (const unsigned char *)bytes.p, bytes.n, (const unsigned char *)k.p);
}
