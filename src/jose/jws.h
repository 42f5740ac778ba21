/* Compact JWS (RFC 7515, RFC 8725) to a *verified* payload.  Only sp_jws_open() makes a struct sp_verified. */
#ifndef SP_JOSE_JWS_H
#define SP_JOSE_JWS_H

#include "base/arena.h"
#include "crypto/crypto.h"
#include "wire/json.h"

struct sp_keyset;

/* A JWK, a JWK set or PEM text (several blocks allowed).  Unusable keys are dropped and counted; SP_E_CONFIG when none is left,
 * or when `allow_oct` is false and … only oct keys are there, or when oct and public keys stand in one set.  Private members make the key unusable. */
SP_MUST enum sp_status sp_keyset_read(sp_slice text, bool allow_oct, struct sp_keyset **out, struct sp_err *e);
void sp_keyset_free(struct sp_keyset **k);
size_t sp_keyset_count(const struct sp_keyset *k);
size_t sp_keyset_dropped(const struct sp_keyset *k);

struct sp_jws_parts { sp_slice signed_part, header, payload, sig; };	/* still base64url */
SP_MUST enum sp_status sp_jws_split(sp_slice compact, struct sp_jws_parts *out);

struct sp_verified {
	sp_slice payload;		/* decoded bytes, in the arena */
	sp_slice typ;			/* of the protected header; empty when absent */
	sp_slice kid;
	enum sp_alg alg;
};

/* SP_E_BAD_TOKEN with the reason in e->log.  The key is found by kid (or is the only one that fits); its type and `alg` decide
 * the algorithm, the token may only agree (RFC 8725 section 3.1).  crit, b64, jku, jwk, x5c, x5u: crit is refused, the rest ignored. */
SP_MUST enum sp_status sp_jws_open(struct sp_arena *a, sp_slice compact, const struct sp_keyset *keys,
    struct sp_verified *out, struct sp_err *e);
/* The unverified `iss`, only for choosing which source to ask; {NULL,0} when it cannot be read. In the arena. */
sp_slice sp_jws_peek_iss(struct sp_arena *a, sp_slice compact);

#endif
