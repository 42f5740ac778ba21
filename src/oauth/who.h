/* Inside this folder only: a caller while it is being put together, and what a source makes of it (config.md section 2). */
#ifndef SP_OAUTH_WHO_H
#define SP_OAUTH_WHO_H

#include "base/hash.h"
#include "image/image.h"
#include "oauth/principal.h"
#include "wire/json.h"

enum { SP_WHO_WORDS = 16, SP_USER_MAX = 512 };	/* 1024 scopes, 1024 tags */

/* What is kept for struct sp_facts while a caller is put together: names that each end in NUL, and JSON.  Heap memory of
 * whoever asks, to be used again for the next caller. */
struct sp_kept {
	struct sp_out scopes, tags, claims;
	uint32_t nscopes, ntags;
	bool	 no_subject;		/* the user is a client that acts for itself */
	bool	 lost;			/* there was more than is kept */
};
void sp_kept_init(struct sp_kept *k);
void sp_kept_free(struct sp_kept *k);

struct sp_who {
	const struct sp_image *img;
	const struct sp_img_source *src;
	uint32_t source;
	sp_slice user, issuer, client_id;
	uint64_t scopes[SP_WHO_WORDS], tags[SP_WHO_WORDS];
	int64_t	 expires_s;
	uint8_t	 fingerprint[8];
	struct sp_kept *kept;		/* NULL: the principal has no facts */
};

/* SP_E_CONFIG: more scopes or tags than fit. */
SP_MUST enum sp_status sp_who_check_image(const struct sp_image *img, struct sp_err *e);
void sp_who_init(struct sp_who *w, const struct sp_image *img, uint32_t source);
/* From now on all names and claims are kept in k, which is emptied first; NULL: nothing is. */
void sp_who_keep(struct sp_who *w, struct sp_kept *k);
/* One scope or tag that the caller was given; names that the file does not mention mean nothing. */
void sp_who_scope(struct sp_who *w, sp_slice name);
void sp_who_tag(struct sp_who *w, sp_slice name);
/* The same for a text separated by U+0020 and nothing else (RFC 6749 section 3.3). */
void sp_who_scopes(struct sp_who *w, sp_slice spaced);
void sp_who_tags(struct sp_who *w, sp_slice spaced);
/* User, client, scopes and tags from verified claims.  SP_E_BAD_TOKEN when they name no user.  A source without a path for
 * scopes looks at `scope`, then `scp`; one without a path for the user at `sub`, and without that at the client's id. */
SP_MUST enum sp_status sp_who_claims(struct sp_who *w, sp_jval *claims, struct sp_err *e);
/* Adds what the source gives and what scopes imply, then asks whether the source admits this caller at all. */
SP_MUST enum sp_status sp_who_settle(struct sp_who *w, struct sp_err *e);
/* One block with one reference; NULL without memory. */
struct sp_principal *sp_who_principal(const struct sp_who *w, const struct sp_hash_key *seed);
/* From now on hold and drop do nothing: the owner frees it with free(). */
void sp_principal_pin(struct sp_principal *p);

#endif
