/*
 * MultiAuth over the sources of an image: a token in, a principal or one refusal out (config.md section 2).
 * A JWT goes only to sources whose `issuer` equals its unverified `iss`; "spt_…" only to `static`.
 * Verified tokens are cached by SHA-256 of their exact bytes, bounded, dying at `exp` and with the epoch;
 * refusals are not cached, so unauthenticated traffic evicts nobody.  Pure: time and epoch are arguments.
 */
#ifndef SP_OAUTH_VERIFIER_H
#define SP_OAUTH_VERIFIER_H

#include "base/hash.h"
#include "image/image.h"
#include "oauth/principal.h"

enum { SP_TOKEN_MAX = 16384 };

struct sp_verifier;

/* `img` must outlive the verifier.  SP_E_CONFIG: a key set that cannot be used (names the source). */
SP_MUST enum sp_status sp_verifier_new(const struct sp_image *img, uint32_t cache_entries, struct sp_hash_key seed,
    struct sp_verifier **out, struct sp_err *e);
void sp_verifier_free(struct sp_verifier **v);

/* SP_OK: *who is held for the caller (sp_principal_drop).  SP_E_BAD_TOKEN: any refusal; e->log has the reason,
 * e->pub is always the same text.  SP_E_SCOPE: a good token that lacks a scope its source requires of all its callers;
 * e->pub has all of these, space-separated.  SP_E_UNAVAILABLE: nobody accepted and a source that serves it could not answer.
 * `epoch`: the shared revocation epoch; a cached entry from another epoch is verified anew. */
SP_MUST enum sp_status sp_verify(struct sp_verifier *v, sp_slice token, int64_t now_s, uint64_t epoch,
    struct sp_principal **who, struct sp_err *e);
/* The principal of a request without credential, or NULL when the file has no `anonymous` source.  It lives as long as the
 * verifier; hold and drop do nothing to it. */
struct sp_principal *sp_verifier_anonymous(struct sp_verifier *v);
/* A principal as `why --as SOURCE/USER --scopes --tags` describes it. */
SP_MUST enum sp_status sp_principal_make(const struct sp_image *img, uint32_t source, sp_slice user,
    sp_slice scopes_spaced, sp_slice tags_spaced, struct sp_principal **out, struct sp_err *e);

/* Static tokens, as keeper announces them.  `hash`: SHA-256 of the whole token text. */
struct sp_static_token {
	uint8_t	 hash[32];
	sp_slice name;			/* subject and user */
	sp_slice client_id, scopes, tags;	/* space separated */
	int64_t	 expires_s;
};
SP_MUST enum sp_status sp_verifier_put(struct sp_verifier *v, const struct sp_static_token *t);
void sp_verifier_del(struct sp_verifier *v, const uint8_t hash[32]);
/* Until keeper has sent all static tokens, "spt_…" answers SP_E_UNAVAILABLE instead of SP_E_BAD_TOKEN. */
void sp_verifier_synced(struct sp_verifier *v);

/* The token in an Authorization field value (RFC 6750 section 2.1); points into `field`.
 * SP_E_NO_TOKEN: absent or another scheme.  SP_E_BAD_REQUEST: Bearer, but what follows is not one b64token. */
SP_MUST enum sp_status sp_bearer(sp_slice field, sp_slice *token);

#endif
