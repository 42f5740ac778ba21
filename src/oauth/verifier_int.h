/* Inside this folder only: the verifier's parts.  verifier.c has the chain, authority.c fetched keys, ticket.c what keeper
 * vouches for, announce.c static tokens. */
#ifndef SP_OAUTH_VERIFIER_INT_H
#define SP_OAUTH_VERIFIER_INT_H

#include "jose/claims.h"
#include "oauth/cache.h"
#include "oauth/statement.h"
#include "oauth/statics.h"
#include "oauth/verifier.h"
#include "oauth/who.h"

enum { SP_LEEWAY_S = 30 };

/* What is made of a source of the image once, at start. */
struct sp_vsource {
	const struct sp_img_source *img;
	struct sp_keyset *keys;		/* its own; NULL: fetched, or keeper's secret */
	sp_slice	 *audiences;
	struct sp_statics statics;
	uint8_t		  name[16];	/* as statements say it */
};

struct sp_vauthority {
	struct sp_keyset *keys;		/* NULL: none yet, or none any more */
	uint64_t	  epoch;	/* one more whenever a key is gone */
};

struct sp_verifier {
	const struct sp_image *img;
	struct sp_hash_key   seed;
	struct sp_cache	    *cache;
	bool		     synced;
	struct sp_principal *anonymous;
	struct sp_arena	     scratch;
	int64_t		     latest_s;
	uint32_t	     nsources, nauthorities;
	struct sp_vsource   *sources;
	struct sp_vauthority *authorities;
	struct sp_pkey	    *statement_key;	/* NULL: keeper has not said it yet */
	uint8_t		     statement_raw[32];
	uint64_t	     statement_epoch;	/* one more with every key */
	struct sp_kept	    *kept;		/* NULL: principals carry no facts */
	sp_mac_judge_fn	     judge_mac;		/* NULL: keeper judges them, by tickets */
	void		    *judge_ctx;
	uint32_t	     wants;		/* 1 + authority of which the last token named an unknown key; 0: none */
};

/* One question on its way through the chain. */
struct sp_asking {
	sp_slice token, ticket;
	uint32_t resource;		/* that is asked */
	int64_t	 now_s;
	uint64_t epoch;
	const struct sp_ticket_no *no;	/* NULL: nobody has said no */
	uint8_t	 hash[32];		/* under which the answer is remembered */
	bool	 vouched;		/* `said` was signed by keeper and is in force */
	bool	 read;			/* the ticket was looked at */
	struct sp_statement said;
	struct sp_ticket_need *need;	/* NULL: nobody wants to know */
	int64_t	 dies_s;		/* of an accepted one: until when it may be remembered */
	struct sp_principal *who;
};

/* The worse of two refusals: the one that the whole chain answers with.  *e keeps the reason of the first of that kind. */
enum sp_status sp_verifier_worse(const struct sp_verifier *v, uint32_t source, enum sp_status so_far, enum sp_status st,
    const struct sp_err *why, struct sp_err *e);
/* A caller of this source, of whom as much is kept as the verifier was told to. */
void sp_verifier_who(struct sp_verifier *v, struct sp_who *w, uint32_t source);
/* The finished principal into q->who. */
SP_MUST enum sp_status sp_verifier_finish(struct sp_verifier *v, struct sp_asking *q, struct sp_who *w, struct sp_err *e);
/* The claims that this source wants, of a token that was shown to the resource asked. */
struct sp_claims_want sp_verifier_want(const struct sp_verifier *v, uint32_t source, const struct sp_asking *q);

/* authority.c */
/* The keys for a token of this source; NULL: SP_E_UNAVAILABLE or SP_E_BAD_TOKEN in *st. */
const struct sp_keyset *sp_verifier_keyset(struct sp_verifier *v, uint32_t source, sp_slice token, enum sp_status *st,
    struct sp_err *e);
/* The source's keys did not open this token: would newer ones? */
void sp_verifier_note_unknown(struct sp_verifier *v, uint32_t source, sp_slice token);

/* ticket.c */
SP_MUST enum sp_status sp_verifier_ask_mac(struct sp_verifier *v, uint32_t source, struct sp_asking *q, struct sp_err *e);
/* A token that the source's introspection endpoint judges. */
SP_MUST enum sp_status sp_verifier_ask_endpoint(struct sp_verifier *v, uint32_t source, struct sp_asking *q, struct sp_err *e);
SP_MUST enum sp_status sp_verifier_ask_peer(struct sp_verifier *v, struct sp_asking *q, struct sp_err *e);

/* announce.c: a static token at the sources from `first` on whose header is `header` (empty: Authorization). */
SP_MUST enum sp_status sp_verifier_ask_static(struct sp_verifier *v, uint32_t first, sp_slice header, struct sp_asking *q,
    struct sp_err *e);

#endif
