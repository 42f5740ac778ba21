/*
 * MultiAuth over the sources of an image: a token in, a principal or one refusal out (config.md section 2).
 * A JWT goes only to sources whose `issuer` equals its unverified `iss`; "spt_…" only to `static`; other text only to sources
 * with an introspection endpoint.
 * Verified tokens are cached by resource and SHA-256 of their exact bytes, bounded, dying at `exp` and with the epoch;
 * refusals are not cached, so unauthenticated traffic evicts nobody.  Pure: time and epoch are arguments.
 */
#ifndef SP_OAUTH_VERIFIER_H
#define SP_OAUTH_VERIFIER_H

#include "base/hash.h"
#include "image/image.h"
#include "oauth/principal.h"

enum { SP_TOKEN_MAX = 16384 };

struct sp_verifier;

/* `img` must outlive the verifier.  SP_E_CONFIG: a source that cannot be used, by its name: no or bad keys, or more than one
 * place where they come from. */
SP_MUST enum sp_status sp_verifier_new(const struct sp_image *img, uint32_t cache_entries, struct sp_hash_key seed,
    struct sp_verifier **out, struct sp_err *e);
void sp_verifier_free(struct sp_verifier **v);

/* `resource`: the one that was asked (index in the image): a source without an audience of its own takes tokens for that one.
 * SP_OK: *who is held for the caller (sp_principal_drop).  SP_E_BAD_TOKEN: any refusal; e->log has the reason,
 * e->pub is always the same text.  SP_E_SCOPE: a good token that lacks a scope its source requires of all its callers;
 * e->pub has all of these, space-separated.  SP_E_UNAVAILABLE: nobody accepted and a source that serves it could not answer.
 * `epoch`: the shared revocation epoch; a cached entry from another epoch is verified anew. */
SP_MUST enum sp_status sp_verify(struct sp_verifier *v, uint32_t resource, sp_slice token, int64_t now_s, uint64_t epoch,
    struct sp_principal **who, struct sp_err *e);
/* The principal of a request without credential, or NULL when the file has no `anonymous` source.  It lives as long as the
 * verifier; hold and drop do nothing to it. */
struct sp_principal *sp_verifier_anonymous(struct sp_verifier *v);
/* A principal as `why --as SOURCE/USER --scopes --tags` describes it. */
SP_MUST enum sp_status sp_principal_make(const struct sp_image *img, uint32_t source, sp_slice user,
    sp_slice scopes_spaced, sp_slice tags_spaced, struct sp_principal **out, struct sp_err *e);

/*
 * The same for a caller whose credential needed keeper's word (HS* tokens; tokens that an introspection endpoint judges; peer,
 * then `token` is empty).  `ticket`: what
 * keeper signed, or empty.  SP_E_TICKET: a ticket is needed (or a fresh one); *need (NULL: not wanted) says what to ask keeper
 * for.  A verified ticket is remembered with the token until the ticket ends.  SP_E_NO_TOKEN: no token, and no source of
 * type peer.
 * One ticket serves all sources of its kind: of several HS* sources with one issuer, keeper tries those from `need.source` on
 * and names the one whose secret made the MAC; of several peer sources it always names the first, and each then judges the
 * uid, in order.
 */
struct sp_ticket_need {
	uint32_t source;
	bool	 peer;			/* pass the connection; else: */
	bool	 endpoint;		/* the source's introspection endpoint is to judge `input`, the whole token; else: */
	uint32_t alg;			/* enum sp_alg */
	uint8_t	 token_hash[32];
	sp_slice mac, input;		/* input borrows from the token; mac lies in `macbuf` */
	uint8_t	 macbuf[64];
};
SP_MUST enum sp_status sp_verify_ticket(struct sp_verifier *v, uint32_t resource, sp_slice token, sp_slice ticket,
    int64_t now_s, uint64_t epoch, struct sp_principal **who, struct sp_ticket_need *need, struct sp_err *e);
/*
 * For a process that does all of this alone (the library).
 * Principals carry facts from now on: all names and claims as texts (struct sp_facts).  SP_E_FULL: no memory.
 */
SP_MUST enum sp_status sp_verifier_keep(struct sp_verifier *v, struct sp_err *e);
/* Who has the secrets of HS* sources judges MACs at once, and no ticket is asked for.  It is asked about a token that is good
 * but for its MAC; the need's `input` and `mac` live during the call. */
typedef bool (*sp_mac_judge_fn)(void *ctx, const struct sp_ticket_need *need);
void sp_verifier_macs(struct sp_verifier *v, sp_mac_judge_fn judge, void *ctx);
/* What is remembered of a token: the principal, held, or NULL. */
struct sp_principal *sp_verifier_recall(struct sp_verifier *v, sp_slice token, int64_t now_s);
/* One source of type jwt or remote alone, whose issuer the token was seen to name. */
SP_MUST enum sp_status sp_verify_at(struct sp_verifier *v, uint32_t source, sp_slice token, int64_t now_s,
    struct sp_principal **who, struct sp_err *e);

/* The same after keeper said no to what this source needed: it is not asked again, `status` is its answer (SP_E_BAD_TOKEN,
 * SP_E_UNAVAILABLE), and the sources after it are asked. */
struct sp_ticket_no { uint32_t source; enum sp_status status; };
SP_MUST enum sp_status sp_verify_without(struct sp_verifier *v, uint32_t resource, sp_slice token,
    const struct sp_ticket_no *no, int64_t now_s, uint64_t epoch, struct sp_principal **who, struct sp_ticket_need *need,
    struct sp_err *e);
/* Does keeper's word stand behind callers of this source? */
SP_MUST bool sp_source_needs_word(const struct sp_img_source *s);
/* keeper's public key; another one than before forgets what tickets gave. */
SP_MUST enum sp_status sp_verifier_statement_key(struct sp_verifier *v, const uint8_t key[32]);

/*
 * Key sets that are fetched (sources with an authority).  Until the first one is there, and after status
 * SP_E_UNAVAILABLE, tokens of its sources answer SP_E_UNAVAILABLE.  The text is a JWKS; keys of other types and `oct`
 * keys in it are ignored.  SP_E_CONFIG: nothing usable in it; the set before stays.
 */
SP_MUST enum sp_status sp_verifier_keys(struct sp_verifier *v, uint32_t authority, enum sp_status status, sp_slice jwks,
    struct sp_err *e);
/* After SP_E_BAD_TOKEN or SP_E_UNAVAILABLE: is it because the token names a key that this authority's set (as it is here)
 * does not have?  Then a newer set may have it: *authority says whose. */
SP_MUST bool sp_verifier_wants_keys(const struct sp_verifier *v, uint32_t *authority);

/* Which header carries the token: the source that takes it from a header of its own (static with `header`), in order of
 * the file; `name` lower case.  False: there is no i-th.
 * Static tokens belong to no source: every one is good at every static source, which judges its `users` and demands, and
 * the caller's source is the one that took it.  A source with a header takes tokens from that header only, one without from
 * Authorization only. */
SP_MUST bool sp_verifier_header(const struct sp_verifier *v, uint32_t i, uint32_t *source, sp_slice *name);
/* A token that came in the header of that source: only static sources with the same header see it, from `source` on. */
SP_MUST enum sp_status sp_verify_from(struct sp_verifier *v, uint32_t source, sp_slice token, int64_t now_s,
    uint64_t epoch, struct sp_principal **who, struct sp_err *e);

/* Static tokens, as keeper announces them.  `hash`: SHA-256 of the whole token text. */
struct sp_static_token {
	uint8_t	 hash[32];
	sp_slice name;			/* subject and user */
	sp_slice client_id, scopes, tags;	/* space separated */
	int64_t	 expires_s;
};
SP_MUST enum sp_status sp_verifier_put(struct sp_verifier *v, const struct sp_static_token *t);
void sp_verifier_del(struct sp_verifier *v, const uint8_t hash[32]);
/* A (new) keeper begins to announce all tokens that are valid. */
void sp_verifier_announced(struct sp_verifier *v);
/* It has announced all: the others are forgotten.  Until this was called once, static tokens answer SP_E_UNAVAILABLE instead
 * of SP_E_BAD_TOKEN. */
void sp_verifier_synced(struct sp_verifier *v);

/* The token in an Authorization field value (RFC 6750 section 2.1); points into `field`.
 * SP_E_NO_TOKEN: absent or another scheme.  SP_E_BAD_REQUEST: Bearer, but what follows is not one b64token. */
SP_MUST enum sp_status sp_bearer(sp_slice field, sp_slice *token);

#endif
