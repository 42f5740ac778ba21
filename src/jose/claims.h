/* Claims of a verified access token (RFC 7519, RFC 9068, RFC 8725); time is an argument. */
#ifndef SP_JOSE_CLAIMS_H
#define SP_JOSE_CLAIMS_H

#include "jose/jws.h"

struct sp_claims_want {
	sp_slice issuer;
	const sp_slice *audiences; size_t naudiences;	/* one of them must be in aud, exact, */
	int64_t now_s;
	int64_t leeway_s;				/* 30 */
	sp_slice resource;				/* or this, the resource that is asked; empty: not so */
};

/* Parses the payload and judges iss, aud, exp, nbf, iat, typ (at+jwt, JWT or absent; dpop+jwt, logout+jwt, oauth-id-jag+jwt and
 * others refused), cnf (a bound token is no bearer token), nonce (an ID token is no access token).  The objects live in `a`. */
SP_MUST enum sp_status sp_claims_check(struct sp_arena *a, const struct sp_verified *v, const struct sp_claims_want *want,
    sp_jval **claims, int64_t *exp_s, struct sp_err *e);
/* The same for claims that an authority answered with (RFC 7662 section 2.2), each judged if it is there: `iss` against
 * want->issuer unless that is empty; *exp_s is INT64_MAX without `exp`. */
SP_MUST enum sp_status sp_claims_check_present(sp_jval *claims, const struct sp_claims_want *want, int64_t *exp_s,
    struct sp_err *e);
/* A value by dotted path; a literal key with dots never satisfies a path of several steps. */
sp_jval *sp_claim_at(sp_jval *claims, sp_slice path);

#endif
