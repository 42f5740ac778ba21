/* Keys and signatures for tests; in no product. */
#ifndef SP_CRYPTO_TESTSIGN_H
#define SP_CRYPTO_TESTSIGN_H

#include "base/out.h"
#include "crypto/crypto.h"

struct sp_testkey;

/* A fresh key for this algorithm; for HS* `bits` / 8 random bytes, for RSA a modulus of `bits` (0: what is usual). */
struct sp_testkey *sp_testkey_new(enum sp_alg a, unsigned bits);
void sp_testkey_free(struct sp_testkey **k);
/* As a JWK: {"kty":…,<extra>} where extra is "" or members that begin with a comma. */
void sp_testkey_jwk(const struct sp_testkey *k, struct sp_out *o, const char *extra);
void sp_testkey_pem(const struct sp_testkey *k, struct sp_out *o);
void sp_testkey_private_pem(const struct sp_testkey *k, struct sp_out *o);
/* The JWS signature of `msg` (raw bytes, ES* as R||S). */
void sp_testkey_sign(const struct sp_testkey *k, enum sp_alg a, sp_slice msg, struct sp_out *sig);
/* header.payload.signature of two JSON texts. */
void sp_testkey_token(const struct sp_testkey *k, enum sp_alg a, sp_slice header, sp_slice payload, struct sp_out *o);
/* HMAC over `msg` with any bytes as key, for confusion attacks. */
void sp_test_hmac(enum sp_alg a, sp_slice key, sp_slice msg, struct sp_out *mac);

#endif
