/* The key that keeper signs statements with (oauth/statement.h): Ed25519, in locked memory.  In no other role. */
#ifndef SP_VAULT_SIGN_H
#define SP_VAULT_SIGN_H

#include "vault/secret.h"

enum { SP_SIGN_SEED = 32, SP_SIGN_KEY = 64, SP_SIGN_PUBLIC = 32, SP_SIGN_BYTES = 64 };

/* The key of a seed, always the same.  SP_E_TOO_BIG: the seed has another length, or `key` no room. */
SP_MUST enum sp_status sp_sign_key(const struct sp_secret *seed, struct sp_secret *key, uint8_t public_key[SP_SIGN_PUBLIC]);
void sp_sign(const struct sp_secret *key, sp_slice bytes, uint8_t sig[SP_SIGN_BYTES]);

#endif
