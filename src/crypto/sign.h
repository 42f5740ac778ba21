/*
 * Signing with a private key in PEM text: what a client proves itself with (RFC 7523).  A library of its own, in no front.
 * The text is a secret and stays the caller's, in locked memory; the key made of it lives for one call and is wiped then.
 */
#ifndef SP_CRYPTO_SIGN_H
#define SP_CRYPTO_SIGN_H

#include "base/out.h"
#include "crypto/crypto.h"

enum { SP_SIG_MAX = 1024 };

/* What this key signs with: RS256 (RSA of 2048 to 8192 bits), ES256, ES384, ES512 by curve, EdDSA.  SP_E_CONFIG: not one
 * unencrypted PEM block with such a private key. */
SP_MUST enum sp_status sp_pem_alg(sp_slice pem, enum sp_alg *alg, struct sp_err *e);
/* Appends the signature, as JWS has it (ES*: R||S), of at most SP_SIG_MAX bytes. */
SP_MUST enum sp_status sp_pem_sign(sp_slice pem, sp_slice msg, struct sp_out *sig, struct sp_err *e);

#endif
