/* Shared by the files of the role, not by others. */
#ifndef SP_EGRESS_INT_H
#define SP_EGRESS_INT_H

#include "base/arena.h"
#include "egress/egress.h"

enum sp_call_state {
	SP_CALL_ARGS,			/* arguments are still coming */
	SP_CALL_HELD,			/* until keeper has sent tokens and secrets */
	SP_CALL_RUNS,			/* with the pool */
	SP_CALL_REPLIES			/* its result is being taken */
};

struct sp_call {
	struct sp_pool_job job;
	struct sp_egress_front *front;
	uint32_t id;
	struct sp_call *hash_next, *next, *prev;
	enum sp_call_state state;
	const struct sp_img_tool *tool;
	const struct sp_img_op *op;
	uint32_t tool_index;
	uint64_t deadline_ms, began_us;

	struct sp_arena arena;		/* token (when it waits), arguments, request: wiped at the end */
	sp_slice token;
	struct sp_out args;
	uint32_t args_total, granted;
	size_t	 held;			/* of the role's count */
	struct sp_request req;

	struct sp_out result;
	size_t	 sent;
	uint64_t credit;

	struct sp_audit_record rec;
	bool	 intent;		/* written, no outcome yet */
	bool	 ring_full;
	char	 why[400];		/* of a refusal at the last moment, for the log */
};

/* calls.c */
bool sp_front_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds);
void sp_calls_resume(struct sp_egress *eg);		/* keeper has sent everything */
void sp_calls_cancel_front(struct sp_egress_front *f);
void sp_call_end(struct sp_call *c);			/* over: nothing more is said */
extern const struct sp_pool_ops sp_call_pool_ops;

/* answer.c */
void sp_call_error(struct sp_call *c, enum sp_status st, sp_slice text, uint32_t retry_after_s);
void sp_call_tool_error(struct sp_call *c, sp_slice text);
void sp_call_answer(struct sp_call *c, const struct sp_pool_answer *a);
void sp_call_push(struct sp_call *c);			/* more of the result, as far as credit goes */

/* record.c: the audit */
SP_MUST bool sp_record_room(const struct sp_egress *eg);
void sp_record_begin(struct sp_call *c, const struct sp_principal *who, const struct sp_decision *d);
SP_MUST bool sp_record_intent(struct sp_call *c);
void sp_record_outcome(struct sp_call *c, enum sp_audit_outcome o, unsigned status, const char *note);
/* Allowed, and never sent: an intent and its outcome at once. */
void sp_record_not_sent(struct sp_call *c, const char *note);
void sp_record_incident(struct sp_call *c, const char *note);
void sp_record_denied(struct sp_call *c, enum sp_status st, const struct sp_decision *d);

/* creds.c: keeper's messages */
bool sp_keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds);
SP_MUST enum sp_status sp_creds_init(struct sp_egress *eg, struct sp_err *e);
void sp_creds_begin(struct sp_egress *eg);		/* a keeper is there */
void sp_creds_free(struct sp_egress *eg);
/* The name of the first grant of the operation without a value, or empty. */
sp_slice sp_creds_missing(const struct sp_egress *eg, const struct sp_img_op *op);

static inline sp_slice
sp_call_tool_name(const struct sp_call *c)
{
	return sp_img_str(c->front->eg->cfg.img, c->tool->name);
}

#endif
