/* Inside this folder only: what a key set holds. */
#ifndef SP_JOSE_KEYSET_H
#define SP_JOSE_KEYSET_H

#include "jose/jws.h"

enum { SP_KEYS_MAX = 100, SP_KEYS_TEXT_MAX = 512 * 1024, SP_KID_MAX = 1024 };

struct sp_key {
	struct sp_pkey *pkey;
	enum sp_alg	alg;		/* the only one it may be used with; SP_ALG_NONE: any that fits its type */
	bool		named_ed;	/* its `alg` says "Ed25519" (RFC 9864), not "EdDSA" */
	bool		has_kid;
	sp_slice	kid;		/* heap */
};

struct sp_keyset {
	size_t	      n, dropped;
	struct sp_key key[SP_KEYS_MAX];
};

/* Does the JWK hold members that only a private key or a secret has? */
SP_MUST bool sp_jwk_has_private(sp_jval *jwk);

#endif
