/* Inside this folder only. */
#ifndef SP_CRYPTO_INTERNAL_H
#define SP_CRYPTO_INTERNAL_H

#include "crypto/crypto.h"

#include <openssl/evp.h>

struct sp_pkey {
	enum sp_kty  kty;
	size_t	     sig_bytes;			/* exact length of a signature; 0 for HMAC */
	size_t	     oct_bytes;			/* length of an HMAC secret */
	EVP_PKEY    *pkey;
	EVP_PKEY_CTX *verify[SP_ALG_COUNT];	/* made at first use, then reused */
	EVP_MD_CTX  *ed;
	EVP_MAC_CTX *mac[SP_ALG_COUNT];
};

struct sp_algorithm {
	const char  *name;
	enum sp_kty  kty;			/* the family; EC algorithms have exactly one curve */
	unsigned     bits;			/* of the digest; 0: Ed25519 */
	bool	     pss;
};

extern const struct sp_algorithm sp_algorithms[SP_ALG_COUNT];

/* Fetched once by sp_crypto_init(); NULL for Ed25519. */
EVP_MD *sp_alg_md(enum sp_alg a);
EVP_MAC *sp_hmac(void);
/* Digest of `in` with the one reused context; false only when OpenSSL fails. */
SP_MUST bool sp_digest(EVP_MD *md, sp_slice in, uint8_t *out);

/* SP_E_CONFIG, with OpenSSL's error queue emptied. */
enum sp_status sp_key_refuse(struct sp_err *err, const char *why);
SP_MUST enum sp_status sp_rsa_judge(sp_slice n, struct sp_err *err);

#endif
