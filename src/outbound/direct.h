/*
 * A pool in a process that dials for itself: names are resolved, addresses judged and connections made here, by
 * dial.h, instead of by a role of its own.  The trust store is read when the first https connection is made.
 */
#ifndef SP_OUTBOUND_DIRECT_H
#define SP_OUTBOUND_DIRECT_H

#include "outbound/pool.h"
#include "wire/uri.h"

struct sp_direct;

struct sp_direct_origin {
	sp_slice host;			/* copied */
	enum sp_host_kind kind;
	uint16_t port;
	bool	 https, private_ok;	/* private_ok: the operator wrote this host */
};

struct sp_direct_config {
	uv_loop_t *loop;
	const struct sp_direct_origin *origins;
	uint32_t norigins;
	uint64_t limit_answer;
	void	*head;			/* as in struct sp_pool_config */
	struct sp_tls_context **tls;	/* shared by several: made when an origin is the first that is https; its owner's to free */
	const struct sp_pool_ops *ops;	/* dial is not called */
	void	*ctx;
	sp_slice name;			/* for the log; must stay */
};

/* Of the configuration only ops, loop, tls and name must stay.  SP_E_SYSTEM: no memory, or (an origin is https) no trust store: e->log has the remedy. */
SP_MUST enum sp_status sp_direct_new(const struct sp_direct_config *cfg, struct sp_direct **out, struct sp_err *e);
/* Jobs are forgotten without a call; not from inside one of the pool's calls.  The loop lets go of the handles later. */
void sp_direct_free(struct sp_direct **d);
/* For sp_pool_submit(), sp_pool_cancel(). */
struct sp_pool *sp_direct_pool(struct sp_direct *d);

#endif
