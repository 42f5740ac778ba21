/*
 * The only folder that includes OpenSSL.  Algorithms are fetched once, keys parsed once, contexts reused.  Digests, MACs
 * and random bytes are for any thread; a key is for one at a time.
 */
#ifndef SP_CRYPTO_CRYPTO_H
#define SP_CRYPTO_CRYPTO_H

#include "base/err.h"

/* Fetches what is used; called once before the jail. */
SP_MUST enum sp_status sp_crypto_init(struct sp_err *e);
void sp_sha256(sp_slice in, uint8_t out[32]);

void sp_random_bytes(void *p, size_t n);	/* getrandom or abort */

/* Authenticated encryption (ChaCha20-Poly1305 under a key made of `key` and `salt`): `salt` is random, new for every text,
 * and long enough that no two of a key's lifetime meet, however many servers share it.  These three are thread-safe and need
 * no sp_crypto_init().  `ad`: bytes that belong to the text and are not part of it. */
enum { SP_AEAD_KEY = 32, SP_AEAD_SALT = 32, SP_AEAD_TAG = 16 };
/* out: room for in.n and SP_AEAD_TAG.  False: no memory. */
SP_MUST bool sp_aead_seal(const uint8_t key[SP_AEAD_KEY], const uint8_t salt[SP_AEAD_SALT], sp_slice ad, sp_slice in,
    uint8_t *out);
/* out: room for in.n - SP_AEAD_TAG.  False: not what was sealed with this key, salt and ad; out then holds nothing of it. */
SP_MUST bool sp_aead_open(const uint8_t key[SP_AEAD_KEY], const uint8_t salt[SP_AEAD_SALT], sp_slice ad, sp_slice in,
    uint8_t *out);
SP_MUST bool sp_digest256(sp_slice in, uint8_t out[32]);	/* SHA-256; false: no memory */

enum sp_alg {
	SP_ALG_NONE = 0, SP_RS256, SP_RS384, SP_RS512, SP_PS256, SP_PS384, SP_PS512, SP_ES256, SP_ES384, SP_ES512,
	SP_EDDSA, SP_HS256, SP_HS384, SP_HS512, SP_ALG_COUNT
};
/* JWS name to algorithm, exact; SP_ALG_NONE for unknown ones ("none" included). */
enum sp_alg sp_alg_find(sp_slice name);
const char *sp_alg_name(enum sp_alg a);

struct sp_pkey;					/* a public key, or an HMAC secret (tests and later issues) */
enum sp_kty { SP_KTY_RSA = 1, SP_KTY_EC256, SP_KTY_EC384, SP_KTY_EC521, SP_KTY_ED25519, SP_KTY_OCT };

/* Big-endian numbers as in a JWK.  SP_E_CONFIG: RSA under 2048 or over 8192 bits, e even or under 65537 or over 64 bits;
 * a point that is not on the curve, or coordinates of the wrong length; HMAC secret shorter than 32 bytes. */
SP_MUST enum sp_status sp_pkey_rsa(sp_slice n, sp_slice e, struct sp_pkey **out, struct sp_err *err);
SP_MUST enum sp_status sp_pkey_ec(enum sp_kty curve, sp_slice x, sp_slice y, struct sp_pkey **out, struct sp_err *err);
SP_MUST enum sp_status sp_pkey_ed25519(sp_slice x, struct sp_pkey **out, struct sp_err *err);
SP_MUST enum sp_status sp_pkey_oct(sp_slice k, struct sp_pkey **out, struct sp_err *err);
/* One PEM block "PUBLIC KEY", "RSA PUBLIC KEY" or "CERTIFICATE" (its key). */
SP_MUST enum sp_status sp_pkey_pem(sp_slice pem, struct sp_pkey **out, struct sp_err *err);
enum sp_kty sp_pkey_kty(const struct sp_pkey *k);
/* The same public key?  HMAC secrets are never the same: they cannot be compared. */
SP_MUST bool sp_pkey_same(const struct sp_pkey *a, const struct sp_pkey *b);
void sp_pkey_free(struct sp_pkey **k);
/* May a key of this type verify this algorithm at all? */
SP_MUST bool sp_alg_fits(enum sp_alg a, enum sp_kty t);
/* RFC 7518 section 3.2: the fewest bytes that a secret for this HS* algorithm may have; 0: it is none. */
size_t sp_mac_secret_min(enum sp_alg a);
/* Does this secret make this MAC?  In constant time; the secret stays nowhere.  A shorter one than the least makes none. */
SP_MUST bool sp_mac_check(enum sp_alg a, sp_slice secret, sp_slice input, sp_slice mac);
/* Lengths are checked before anything is converted (ES*: exactly R||S, RFC 7518 section 3.4; PS*: salt = hash length). */
SP_MUST bool sp_verify_sig(struct sp_pkey *k, enum sp_alg a, sp_slice msg, sp_slice sig);

#endif
