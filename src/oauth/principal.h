/* Who calls: the one result of every way to sign in. */
#ifndef SP_OAUTH_PRINCIPAL_H
#define SP_OAUTH_PRINCIPAL_H

#include "base/slice.h"

/*
 * What a caller is beside what an image mentions, as texts that end in NUL; only where a verifier was told to keep it.
 * Texts that hold a NUL of their own are not kept: cut short they would be somebody else's.
 */
struct sp_facts {
	const char *subject, *issuer, *client_id;	/* NULL: it has none */
	const char *source;		/* name of the source that accepted it */
	const char *claims;		/* all of them as one JSON object, or NULL */
	const char *const *scopes, *const *tags;	/* all, in their order, each once; given ones too, implied ones not */
	uint32_t nscopes, ntags;
};

/* Reference-counted, immutable after it was made; all memory in one block. */
struct sp_principal {
	unsigned refs;
	uint32_t source;		/* index into the image's sources */
	sp_slice user;			/* `claims.user`; empty for anonymous */
	sp_slice issuer, client_id;
	const uint64_t *scopes;		/* bits over the image's scopes: the token's, the given ones, all they imply */
	const uint64_t *tags;		/* bits over the image's tags */
	uint32_t scope_words, tag_words;
	int64_t	 expires_s;		/* Unix time from which the token is refused (a JWT's exp and the leeway); INT64_MAX: never */
	uint64_t key;			/* keyed hash of source and user: the slot for rate limits */
	uint8_t	 fingerprint[8];	/* first bytes of SHA-256 of the token, for logs */
	const struct sp_facts *facts;	/* NULL: not kept */
};

struct sp_principal *sp_principal_hold(struct sp_principal *p);
void sp_principal_drop(struct sp_principal **p);	/* NULL-safe; sets *p NULL */

static inline bool
sp_bit(const uint64_t *w, uint32_t words, uint32_t i)
{
	return i / 64 < words && (w[i / 64] >> (i % 64) & 1) != 0;
}

#endif
