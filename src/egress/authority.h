/*
 * The egress of an authority: fetches its key set, now and then and when keeper asks, and hands it to keeper as a set of
 * our own making, public keys alone.  It holds no secret.  At most one fetch at a time, within one deadline, from the
 * place that the file says or that the authority's metadata names; no redirect is followed.  When a fetch fails the set
 * before stays for a day after it came; without a set keeper is told so, and nobody waits.
 */
#ifndef SP_EGRESS_AUTHORITY_H
#define SP_EGRESS_AUTHORITY_H

#include "outbound/pool.h"
#include "image/image.h"
#include "ipc/codec.h"
#include "os/shared.h"

enum {
	SP_AUTHORITY_BODY = 512 << 10,		/* bytes of a document */
	SP_AUTHORITY_FETCH_MS = 5000,		/* for all its requests */
	SP_AUTHORITY_COOL_MS = 30000,		/* between two fetches that keeper asked for */
	SP_AUTHORITY_RETRY_MS = 5000, SP_AUTHORITY_RETRY_MAX_MS = 300000,
	SP_AUTHORITY_STALE_MS = 86400000,	/* a set is used so long after it came */
};

struct sp_authority;

struct sp_authority_config {
	uv_loop_t *loop;
	const struct sp_image *img;
	uint32_t index;				/* into its authorities */
	uint32_t incarnation;
	struct sp_tls_context *tls;		/* borrowed; NULL when the authority is in clear text */
	struct sp_counters *counters;		/* may be NULL */
	uint32_t row;
};

/* sp_crypto_init() and sp_secret_init() come first. */
SP_MUST enum sp_status sp_authority_new(const struct sp_authority_config *cfg, struct sp_authority **out, struct sp_err *e);
/* The first fetch begins with the loop. */
void sp_authority_start(struct sp_authority *a);
/* A channel to keeper or dialer; the descriptor is taken over.  It replaces the one before. */
SP_MUST enum sp_status sp_authority_peer(struct sp_authority *a, enum sp_role role, int fd);
/* The memory goes when the loop has let go of it. */
void sp_authority_free(struct sp_authority **a);

#endif
