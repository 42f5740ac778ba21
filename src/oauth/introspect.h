/*
 * Token introspection (RFC 7662): the request, and what its answer means.  Pure: time and randomness are arguments, and what
 * is written may be a credential, so that the caller brings the memory (locked) and wipes it.
 * A token is good only if `active` is JSON true; whatever an answer says beside it is judged if it is there.  An endpoint that
 * says anything else than 200 and a JSON object has not answered: SP_E_UNAVAILABLE, which is never "inactive".
 */
#ifndef SP_OAUTH_INTROSPECT_H
#define SP_OAUTH_INTROSPECT_H

#include "base/arena.h"
#include "jose/claims.h"
#include "oauth/who.h"

enum {
	SP_INTROSPECT_ANSWER = 64 << 10,	/* bytes of an answer that are read */
	SP_INTROSPECT_LIFE_S = 60,		/* of what a client proves itself with (RFC 7523) */
};

/* How we prove to be the client; in the order of enum sp_client_auth of the library. */
enum sp_introspect_auth { SP_INTROSPECT_BASIC, SP_INTROSPECT_POST, SP_INTROSPECT_JWT, SP_INTROSPECT_AUTHS };

struct sp_introspect_client {
	enum sp_introspect_auth how;
	sp_slice id;
	sp_slice secret;		/* JWT: the private key, PEM (crypto/sign.h) */
	sp_slice audience;		/* JWT: the endpoint's URL */
};
struct sp_introspect_moment { int64_t now_s; uint8_t jti[16]; };	/* JWT: jti is random */

#define SP_INTROSPECT_TYPE "application/x-www-form-urlencoded"
#define SP_INTROSPECT_ACCEPT "application/json"

/* Bytes that are enough for sp_introspect_authorization(), for its scratch, and for sp_introspect_body(). */
static inline size_t
sp_introspect_head_room(const struct sp_introspect_client *c)
{
	return 4 * (c->id.n + c->secret.n) + 16;
}
static inline size_t
sp_introspect_body_room(const struct sp_introspect_client *c, sp_slice token)
{
	return 3 * (token.n + c->id.n + c->secret.n) + (c->how == SP_INTROSPECT_JWT ? 8192 : 256);
}

/* What stands in `secret`: a private key (JWT), or text that is sent as it is (BASIC). */
enum sp_introspect_auth sp_introspect_auth_of(sp_slice secret);
/* The value of Authorization, or nothing when the body proves it (POST, JWT).  RFC 6749 section 2.3.1: id and secret are each
 * form-encoded before base64.  `scratch` is used on the way and wiped.  SP_E_TOO_BIG: no room. */
SP_MUST enum sp_status sp_introspect_authorization(struct sp_out *o, struct sp_out *scratch,
    const struct sp_introspect_client *c, struct sp_err *e);
/* The body: exactly one `token`, whatever is in it (C17).  SP_E_CONFIG: the private key is none. */
SP_MUST enum sp_status sp_introspect_body(struct sp_out *o, const struct sp_introspect_client *c, sp_slice token,
    const struct sp_introspect_moment *when, struct sp_err *e);

/* SP_OK: an active token, *claims in the arena, *exp_s INT64_MAX when it has no end.  SP_E_BAD_TOKEN: inactive, or active for
 * others (C14, C15).  SP_E_UNAVAILABLE: no answer at all (C16, C20); e->log never shows any of the body, which may repeat what
 * was sent (C18).  `status`: of HTTP.  want->issuer empty: any. */
SP_MUST enum sp_status sp_introspect_judge(struct sp_arena *a, unsigned status, sp_slice body,
    const struct sp_claims_want *want, sp_jval **claims, int64_t *exp_s, struct sp_err *e);
/* Who bears it: as sp_who_claims(), and the answer's `iss` is the issuer.  `w` borrows from the claims. */
SP_MUST enum sp_status sp_introspect_who(struct sp_who *w, sp_jval *claims, int64_t exp_s, struct sp_err *e);

#endif
