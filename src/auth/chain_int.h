/*
 * Inside this folder only.  A chain has sources in the order of the providers; a question goes from one to the next until
 * somebody accepts.  Where a source must ask an authority, the question waits on a flight, which any number of questions
 * share, and goes on when it has landed.
 */
#ifndef SP_AUTH_CHAIN_INT_H
#define SP_AUTH_CHAIN_INT_H

#include "auth/provider_int.h"
#include "auth/remember.h"
#include "oauth/statics.h"
#include "oauth/who.h"

enum {
	SP_CHAIN_SOURCES = 64, SP_CHAIN_QUESTIONS = 4096, SP_CHAIN_FLIGHTS = 256,
	SP_CHAIN_SCRATCH = 4 << 20, SP_CHAIN_CACHE = 4096, SP_CHAIN_LEEWAY_S = 30,
	SP_CHAIN_KEPT_MS = 10000,		/* how long an answer waits for its question */
	SP_KEYS_TIMEOUT_MS = 10000,
	SP_KEYS_FRESH_MS = 15 * 60 * 1000,	/* then a newer set is fetched while this one serves */
	SP_KEYS_STALE_MS = 24 * 60 * 60 * 1000,	/* then this one serves no more */
	SP_KEYS_COOL_MS = 30000, SP_KEYS_RETRY_MS = 5000,	/* between fetches; while there is no set at all */
};

/* A request to an authority, and who waits for it. */
struct sp_flight {
	struct sp_chain *c;
	struct sp_flight *next;		/* of the chain's; introspection only */
	struct sp_fetch f;
	bool	 running;
	struct sp_chain_wait *first;
	/* introspection: what it is about, and what came of it */
	uint32_t source;
	uint8_t	 hash[32];
	struct sp_introspect_request request;
	enum sp_status st;
	struct sp_principal *who;
	struct sp_err why;
};

/* A key set that is fetched: one for each provider with a jwks_uri, numbered as the image's authorities. */
struct sp_chain_keys {
	const struct sp_auth_provider *p;
	uint32_t authority;
	bool	 known, tried;
	uint64_t began_ms, came_ms;
	struct sp_flight flight;
};

struct sp_chain_source {
	const struct sp_auth_provider *p;
	uint32_t row, rows;		/* of the image: one for each issuer, at least one */
	struct sp_texts required;	/* what its callers must have, all told */
	struct sp_chain_keys *keys;	/* NULL: not fetched */
	struct sp_statics statics;
	struct sp_remembered *said_yes;	/* NULL: nothing is remembered */
};

/* A question on its way. */
struct sp_chain_wait {
	struct sp_chain *c;
	struct sp_chain_wait *prev, *next;	/* of the flight's, or of the finished ones */
	struct sp_flight *flight;	/* NULL: finished */
	const struct sp_flight *landed;	/* the one that the source at hand has waited for */
	sp_slice token;			/* the caller's; while it waits: locked memory of its own */
	void	*locked;
	uint8_t	 hash[32];
	uint32_t at;			/* the source that is asked */
	bool	 patient;
	bool	 jwt, named;		/* of the form of a JWT; some source has its issuer */
	char	 iss[260];
	size_t	 iss_n;
	enum sp_status st;		/* the worst refusal so far; SP_OK: none yet */
	struct sp_err why;
	struct sp_principal *who;	/* accepted */
	uint64_t done_ms;
	void	(*ready)(void *ctx);
	void	*ctx;
};

struct sp_chain {
	struct sp_auth_provider *top;
	char	*resource;
	struct sp_fetcher fetcher;
	bool	 fetches, holds;	/* there is a fetcher; sp_secret_hold() */
	bool	 recalls;		/* no source that is asked anew each time stands before one whose answers are remembered */
	struct sp_imgb built;
	struct sp_image img;
	struct sp_verifier *verifier;
	struct sp_hash_key seed;
	struct sp_kept kept;
	struct sp_arena scratch;
	struct sp_chain_source sources[SP_CHAIN_SOURCES];
	uint32_t nsources;
	struct sp_chain_keys *keys;
	uint32_t nkeys;
	struct sp_flight *flights;
	uint32_t nflights, nquestions;
	struct sp_chain_wait *finished;
	uint64_t now_ms;		/* of the last question */
	int64_t	 now_s;
	struct sp_out challenge;
};

/* compile.c: sources, image and verifier from the provider; the rest is the caller's. */
SP_MUST enum sp_status sp_chain_compile(struct sp_chain *c, struct sp_err *e);

/* chain.c */
/* A caller of this row of the image, of whom everything is kept. */
void sp_chain_who(struct sp_chain *c, struct sp_who *w, uint32_t row, const uint8_t hash[32]);
SP_MUST enum sp_status sp_chain_finish(struct sp_chain *c, struct sp_who *w, struct sp_principal **who, struct sp_err *e);
/* Everybody who waited for this flight goes on. */
void sp_chain_landed(struct sp_chain *c, struct sp_flight *f);
SP_MUST bool sp_chain_start(struct sp_flight *f);

/* keys.c */
/* Before a token is judged by these keys: is it time for newer ones, or are they too old? */
void sp_keys_turn(struct sp_chain *c, struct sp_chain_keys *k);
/* A newer set might help: its flight, or NULL: not now. */
struct sp_flight *sp_keys_wanted(struct sp_chain *c, struct sp_chain_keys *k);
void sp_keys_landed(void *ctx, unsigned status, sp_slice body);

/* introspected.c: SP_E_TICKET: *wait has the flight. */
SP_MUST enum sp_status sp_introspected_ask(struct sp_chain_wait *q, uint32_t source, struct sp_principal **who,
    struct sp_flight **wait, struct sp_err *e);
/* Nobody waits for it any more. */
void sp_introspected_lonely(struct sp_flight *f);
void sp_introspected_free(struct sp_chain *c);

#endif
