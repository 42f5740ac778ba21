/* The static tokens of one source by SHA-256 of their text, each with its finished principal or why the source refuses it. */
#ifndef SP_OAUTH_STATICS_H
#define SP_OAUTH_STATICS_H

#include "base/err.h"
#include "oauth/principal.h"

enum { SP_STATICS_MAX = 65536, SP_STATIC_WHY = 160 };

struct sp_static {
	struct sp_static    *next;
	uint32_t	     round;		/* of the announcement that named it last */
	uint8_t		     hash[32];
	struct sp_principal *who;	/* NULL: refused */
	enum sp_status	     status;		/* of the refusal */
	char		     pub[160];		/* SP_E_SCOPE: the scopes the source wants */
	char		     why[SP_STATIC_WHY];
};

struct sp_statics {
	struct sp_static **bucket;	/* all-zero: empty */
	uint32_t	   buckets, n, round;
};

/* Takes over `who`, also when it fails.  SP_E_FULL: too many, or no memory. */
SP_MUST enum sp_status sp_statics_put(struct sp_statics *t, const uint8_t hash[32], struct sp_principal *who,
    const struct sp_err *why);
void sp_statics_del(struct sp_statics *t, const uint8_t hash[32]);
/* A keeper announces all that are valid between begin and end: what it does not name is forgotten at the end, such as a
 * token that was revoked while the keeper before it died. */
void sp_statics_begin(struct sp_statics *t);
void sp_statics_end(struct sp_statics *t);
const struct sp_static *sp_statics_find(const struct sp_statics *t, const uint8_t hash[32]);
void sp_statics_free(struct sp_statics *t);

#endif
