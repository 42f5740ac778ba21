/*
 * One HTTP request to an upstream MCP server and the messages that come back, as one JSON object or as events.
 * Credentials are injected as for every other request; nothing of a caller's header is in it.
 */
#ifndef SP_EGRESS_MCP_EX_H
#define SP_EGRESS_MCP_EX_H

#include "egress/mcp_msg.h"
#include "outbound/pool.h"
#include "mcp/sse.h"

struct sp_egress;
struct sp_call;
struct sp_upsession;
struct sp_ex;

enum { SP_EX_ERROR_BODY = 65536 };	/* kept of an answer that is not 2xx */

enum sp_ex_end {
	SP_EX_DONE = 1,			/* 2xx, and the body is over */
	SP_EX_STATUS,			/* another status; ex->text holds the body's beginning when it is JSON */
	SP_EX_UNREACHABLE,		/* nothing was sent */
	SP_EX_REFUSED,			/* nothing was sent: a credential is missing or not granted, or the ring is full */
	SP_EX_BROKEN,			/* the connection ended before the answer did */
	SP_EX_GARBAGE,			/* not HTTP, neither JSON nor events, or an encoding that was not asked for */
	SP_EX_TOO_BIG,			/* over the limit, or no room */
	SP_EX_LATE,			/* no answer in its time */
	SP_EX_ENDS
};

struct sp_ex_ops {
	/* Right before the head leaves; not OK: refused.  May be NULL. */
	enum sp_status (*sending)(struct sp_ex *ex);
	/* The head of a 2xx answer is there.  May be NULL. */
	void (*began)(struct sp_ex *ex);
	/* One message, as JSON text that is valid during the call.  False: enough; no end() follows. */
	bool (*message)(struct sp_ex *ex, sp_slice text);
	/* Exactly once, unless message() said enough or the exchange was stopped.  It is freed after this. */
	void (*end)(struct sp_ex *ex, enum sp_ex_end how, const char *why);
};

struct sp_ex {
	struct sp_pool_job job;		/* first: the pool knows only this */
	struct sp_egress *eg;
	const struct sp_ex_ops *ops;
	void	*owner;
	struct sp_call *call;		/* that it is made for, or NULL */
	struct sp_upsession *up;	/* borrowed: where answers to the server's own requests go */
	struct sp_arena arena;		/* request */
	struct sp_request req;
	struct sp_bind_field fields[SP_UPMSG_FIELDS];
	const struct sp_img_op *op;
	struct sp_out body;
	uint64_t limit;			/* bytes of the whole answer; 0: none, for long streams */
	uint64_t id;			/* of the request in it; 0: none */
	uint64_t deadline_ms;		/* watched by the role's tick; 0: by the owner */

	unsigned status;		/* from here: the answer's */
	bool	 events;
	struct sp_sse sse;
	struct sp_out text;
	uint64_t got;
	char	 session[SP_UPMSG_SESSION + 1];	/* Mcp-Session-Id, empty: none */

	bool	 inside, dead;		/* called back right now; to be freed after that */
	enum sp_status refused;
	char	 why[400];
	struct sp_ex *next, *prev;	/* of the role */
};

/* method: SP_POST, SP_GET or SP_DELETE on the endpoint.  NULL: no memory, or the image has no such operation. */
struct sp_ex *sp_ex_new(struct sp_egress *eg, enum sp_method method, const struct sp_ex_ops *ops, void *owner);
/* A header field; both texts stay as long as the exchange (see ex->arena). */
void sp_ex_field(struct sp_ex *ex, sp_slice name, sp_slice value);
/* Sends what is in ex->body (POST).  It may end before this returns.  False: it could not, and is freed. */
SP_MUST bool sp_ex_send(struct sp_ex *ex);
/* Its answer has come: what is left of the stream is read for a moment, so that its connection can be used again.  No
 * callback follows.  Sets *ex NULL; NULL-safe. */
void sp_ex_drain(struct sp_ex **ex);
/* Ends those that are over their time. */
void sp_ex_tick(struct sp_egress *eg, uint64_t now_ms);
/* No callback follows; it is freed now or when the callback under way returns.  Sets *ex NULL; NULL-safe. */
void sp_ex_stop(struct sp_ex **ex);
/* All of the role: for its end. */
void sp_ex_stop_all(struct sp_egress *eg);

extern const struct sp_pool_ops sp_ex_pool_ops;

#endif
