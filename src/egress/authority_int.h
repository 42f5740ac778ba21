/* Shared by authority.c (when) and authority_fetch.c (how). */
#ifndef SP_EGRESS_AUTHORITY_INT_H
#define SP_EGRESS_AUTHORITY_INT_H

#include "egress/authority.h"
#include "egress/authority_doc.h"
#include "ipc/channel.h"
#include "wire/uri.h"

enum sp_authority_step { SP_FETCH_METADATA, SP_FETCH_KEYS };

struct sp_authority {
	struct sp_authority_config cfg;
	const struct sp_img_authority *me;
	sp_slice name;				/* for the log */
	struct sp_chan *keeper, *dialer;
	uv_timer_t due, deadline, turn;		/* the next fetch; the end of this one; its next request */
	unsigned closed;

	struct sp_out set, incoming;		/* as keeper gets it */
	bool	 known;				/* there is one */
	uint32_t serial;			/* of the set, or of there being none */
	uint64_t came_ms, began_ms;		/* the last set; the last fetch */
	uint32_t fresh_s;
	unsigned failures;			/* since the last set */
	bool	 tried, wanted, owed;		/* there was a fetch; keeper asked for this one; KEYS waits for room */

	bool	 running;
	enum sp_authority_step step;
	unsigned location, status;		/* of the metadata; of the answer from the place before */
	struct sp_uri own, to;			/* origins: the authority's, this request's */
	char	 uri[SP_AUTHORITY_URI], path[SP_AUTHORITY_URI + 64];	/* jwks_uri; target of this request */
	size_t	 uri_n, path_n;
	char	 keys_host[256];		/* where the set came from last */
	char	 why[320];			/* the first document that could not be used */
	struct sp_pool *pool;			/* of this request alone */
	struct sp_pool_job job;
	uint32_t dials, pool_dial;		/* our numbers for dialer; the pool's for the last one */
};

/* authority.c */
void sp_authority_tell(struct sp_authority *a);
/* The fetch is over; why NULL: a->incoming has the set. */
void sp_authority_fetched(struct sp_authority *a, const char *why);

/* authority_fetch.c */
void sp_authority_fetch_init(struct sp_authority *a);
/* Does nothing while one runs. */
void sp_authority_fetch(struct sp_authority *a);
SP_MUST enum sp_status sp_authority_dialer(struct sp_authority *a, int fd);

#endif
