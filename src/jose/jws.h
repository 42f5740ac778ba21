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
/* The same for what an authority serves: a JWK set and nothing else; `oct` keys and unusable ones are dropped. */
SP_MUST enum sp_status sp_keyset_read_set(sp_slice text, struct sp_keyset **out, struct sp_err *e);
void sp_keyset_free(struct sp_keyset **k);
size_t sp_keyset_count(const struct sp_keyset *k);
size_t sp_keyset_dropped(const struct sp_keyset *k);
SP_MUST bool sp_keyset_has_kid(const struct sp_keyset *k, sp_slice kid);
/* Is every key of `old` (with its kid and alg) in `k` too? */
SP_MUST bool sp_keyset_covers(const struct sp_keyset *k, const struct sp_keyset *old);

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
/*
 * A token whose MAC only keeper can judge (alg HS*): what sp_jws_open() would give, without that judgement.  *out is worth
 * nothing until keeper has vouched for this very token, but it can be refused before anybody asks.
 */
struct sp_jws_mac { sp_slice input, mac; uint8_t macbuf[64]; };	/* input borrows from the token, mac lies in macbuf */
SP_MUST enum sp_status sp_jws_open_mac(struct sp_arena *a, sp_slice compact, struct sp_verified *out,
    struct sp_jws_mac *mac, struct sp_err *e);
/* The protected header of what looks like a JWS, unverified: a known algorithm, no crit.  In the arena. */
struct sp_jws_head { enum sp_alg alg; bool has_kid; sp_slice kid; };
SP_MUST enum sp_status sp_jws_peek_head(struct sp_arena *a, sp_slice compact, struct sp_jws_head *out, struct sp_err *e);
/* Has it the form of a JWS: three parts, and a header that names an algorithm, known or not? */
SP_MUST bool sp_jws_has_form(struct sp_arena *a, sp_slice compact);
/* The unverified `iss`, only for choosing which source to ask; {NULL,0} when it cannot be read. In the arena. */
sp_slice sp_jws_peek_iss(struct sp_arena *a, sp_slice compact);

#endif
