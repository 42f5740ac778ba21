/*
 * The role that calls one upstream.  For every call of a front it verifies the token and decides again with the same
 * pure functions, checks and binds the arguments, injects the credential at the last moment, calls, scrubs, answers.
 * One process per upstream, one thread; no file and no path after the jail.
 */
#ifndef SP_EGRESS_EGRESS_H
#define SP_EGRESS_EGRESS_H

#include "check/asker.h"
#include "outbound/inject.h"
#include "outbound/pool.h"
#include "outbound/scrub.h"
#include "ipc/channel.h"
#include "oauth/verifier.h"
#include "os/ring.h"
#include "os/shared.h"
#include "policy/decide.h"
#include "schema/schema.h"

enum {
	SP_EGRESS_CALLS = 4096,		/* at once, waiting ones included */
	SP_EGRESS_HELD = 64 << 20,	/* bytes of arguments, and of results that fronts have not taken */
	SP_EGRESS_OLD = 4,		/* former values of a secret that are still scrubbed */
	SP_EGRESS_BUCKETS = 256,
};

struct sp_call;
struct sp_ex;
struct sp_mcp;

/* A channel to a front, and its calls by id. */
struct sp_egress_front {
	struct sp_egress *eg;
	struct sp_chan *ch;
	bool	 full;			/* does not read as fast as we answer */
	bool	 cat_sending;		/* the catalogue of an mcp server: how far it has been sent */
	uint32_t cat_kind, cat_next;
	struct sp_call *buckets[SP_EGRESS_BUCKETS];
};

/* A grant of the server: its value, and what it was before. */
struct sp_egress_grant {
	struct sp_secret *old[SP_EGRESS_OLD];
	unsigned next_old;
	uint32_t round;			/* in which keeper sent it last */
};

struct sp_egress_config {
	uv_loop_t *loop;
	const struct sp_image *img;
	uint32_t index;			/* of the server */
	uint32_t incarnation;
	struct sp_ring *ring;
	const struct sp_page *page;
	struct sp_hash_key seed;
	struct sp_tls_context *tls;	/* borrowed; NULL when none of the server's origins is https */
	struct sp_counters *counters;	/* may be NULL */
	uint32_t row;
	void (*done)(void *ctx);	/* drained */
	void	*ctx;
};

struct sp_egress {
	struct sp_egress_config cfg;
	const struct sp_img_server *server;
	struct sp_verifier *verifier;
	struct sp_pool *pool;
	struct sp_scrub *scrub;		/* NULL: answers cannot be cleared, so no call is made */
	struct sp_chan *keeper, *dialer;
	struct sp_egress_front *fronts[SP_FRONTS_MAX];

	struct sp_secret **secrets;	/* one per grant; NULL: none */
	struct sp_egress_grant *grants;
	uint32_t round;
	bool	 tokens_synced, secrets_synced;

	struct sp_asker *asker;		/* NULL: there are no checks */
	struct sp_mcp *mcp;		/* of a server of that kind, else NULL */
	struct sp_ex *exchanges;	/* its requests under way */

	struct sp_schema **schemas;	/* by tool, made when first needed */
	uint32_t *identity;		/* by tool: which set of credentials, 0: not known yet */
	struct sp_ref *sets;		/* the sets, by identity - 1 */
	uint32_t nsets;

	struct sp_call *first, *last;	/* all that run */
	uint32_t ncalls;
	struct sp_call *spare;
	uint32_t nspare;
	size_t	 held;
	uint64_t next_call;
	uint32_t open_intents;
	uv_timer_t *sweep;
	bool	 sweeping, draining;
	struct sp_out scratch, scrubbed;
};

/* Is any of the server's origins https? */
SP_MUST bool sp_egress_wants_tls(const struct sp_image *img, const struct sp_img_server *s);
/* sp_crypto_init() and sp_secret_init() come first.  Before the jail. */
SP_MUST enum sp_status sp_egress_init(struct sp_egress *eg, const struct sp_egress_config *cfg, struct sp_err *e);
void sp_egress_free(struct sp_egress *eg);
/* A channel to another role; the descriptor is taken over.  It replaces the one before. */
SP_MUST enum sp_status sp_egress_peer(struct sp_egress *eg, enum sp_role role, uint32_t index, int fd);
/* Calls done() once no front is left and no call runs. */
void sp_egress_drain(struct sp_egress *eg);
/* Every call ends now, as what it is: cancelled.  Their outcomes are written. */
void sp_egress_abort(struct sp_egress *eg);

#endif
