/* Shared by the files of the role, not by others. */
#ifndef SP_EGRESS_INT_H
#define SP_EGRESS_INT_H

#include "base/arena.h"
#include "egress/egress.h"

enum sp_call_state {
	SP_CALL_ARGS,			/* arguments are still coming */
	SP_CALL_HELD,			/* until keeper has sent tokens and secrets, and a catalogue is there */
	SP_CALL_ASKS,			/* checks, before anything is sent */
	SP_CALL_RUNS,			/* with the pool, or on its way to an mcp server */
	SP_CALL_REPLIES			/* its result is being taken */
};

struct sp_call {
	struct sp_pool_job job;		/* mcp: only its counts are used */
	struct sp_egress_front *front;
	uint32_t id;
	struct sp_call *hash_next, *next, *prev;
	enum sp_call_state state;
	const struct sp_img_tool *tool;	/* NULL: a component of an mcp server */
	const struct sp_img_op *op;
	struct sp_mcp_call *mcp;	/* NULL: a tool of the image */
	uint32_t tool_index;
	uint64_t deadline_ms, began_us;

	struct sp_arena arena;		/* token (when it waits), arguments, request: wiped at the end */
	uint32_t header;		/* of the CALL */
	sp_slice token, ticket;
	sp_slice session, rpc_id, peer;
	struct sp_inquiry *inquiry;	/* ASKS: what checks are asked, for whom, about what, in which epoch */
	struct sp_principal *who;
	sp_jval *asked;
	uint64_t asked_epoch;
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

struct sp_mcp_call;

/* calls.c */
/* SP_OK and *who NULL: no credential, and nobody without one is let in.  e may be NULL. */
SP_MUST enum sp_status sp_egress_verify(struct sp_egress *eg, uint32_t header, sp_slice token, sp_slice ticket,
    struct sp_principal **who, struct sp_err *e);
uint64_t sp_egress_epoch(const struct sp_egress *eg);
void sp_call_decide_rules(struct sp_call *c, const struct sp_principal *who, sp_jval *args, struct sp_decision *d,
    struct sp_component *what, uint32_t rules[SP_RULES_LEFT]);
void sp_call_decided(struct sp_call *c, const struct sp_principal *who, const struct sp_decision *d, enum sp_status st,
    sp_slice say, sp_jval *args);
SP_MUST enum sp_status sp_call_refusal(const struct sp_decision *d, bool known);
void sp_call_resume(struct sp_call *c);			/* what it was held for may be there */
bool sp_egress_dial(void *ctx, uint32_t id, uint32_t origin);
bool sp_front_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds);
void sp_calls_resume(struct sp_egress *eg);		/* keeper has sent everything */
void sp_calls_cancel_front(struct sp_egress_front *f);
void sp_call_end(struct sp_call *c);			/* over: nothing more is said */
extern const struct sp_pool_ops sp_call_pool_ops;

/* answer.c */
void sp_call_error(struct sp_call *c, enum sp_status st, sp_slice text, uint32_t retry_after_s);
void sp_call_tool_error(struct sp_call *c, sp_slice text);
void sp_call_answer(struct sp_call *c, const struct sp_pool_answer *a);
/* The whole result or error; takes over what is in `o` when it does not fit into one message.  The call may be over then. */
void sp_call_reply(struct sp_call *c, enum sp_result_kind kind, struct sp_out *o);
void sp_call_push(struct sp_call *c);			/* more of the result, as far as credit goes */
/* May more be written to this front now?  False: what waits for it goes on when it has read. */
bool sp_front_takes(struct sp_egress_front *f);
struct sp_out *sp_egress_scratch(struct sp_egress *eg, struct sp_out *o);	/* emptied */

/* record.c: the audit */
SP_MUST bool sp_record_room(const struct sp_egress *eg);
void sp_record_begin(struct sp_call *c, const struct sp_principal *who, const struct sp_decision *d);
SP_MUST bool sp_record_intent(struct sp_call *c);
void sp_record_outcome(struct sp_call *c, enum sp_audit_outcome o, unsigned status, const char *note);
/* Allowed, and never sent: an intent and its outcome at once. */
void sp_record_not_sent(struct sp_call *c, const char *note);
void sp_record_incident(struct sp_call *c, const char *note);
void sp_record_incident_alone(struct sp_egress *eg, const char *note);	/* of no call */
void sp_record_denied(struct sp_call *c, enum sp_status st, const struct sp_decision *d);

/* checks.c */
/* The call waits for these checks.  `text`: its arguments as they came. */
void sp_call_ask(struct sp_call *c, struct sp_principal *who, const struct sp_component *what, uint64_t checks, sp_jval *args,
    sp_slice text);
void sp_call_ask_end(struct sp_call *c);

/* creds.c: keeper's messages */
bool sp_keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds);
SP_MUST enum sp_status sp_creds_init(struct sp_egress *eg, struct sp_err *e);
void sp_creds_begin(struct sp_egress *eg);		/* a keeper is there */
void sp_creds_free(struct sp_egress *eg);
/* The name of the first grant of the operation without a value, or empty. */
sp_slice sp_creds_missing(const struct sp_egress *eg, const struct sp_img_op *op);

/* mcp_*.c: a server of kind mcp */
SP_MUST enum sp_status sp_mcp_new(struct sp_egress *eg, struct sp_err *e);
void sp_mcp_free(struct sp_egress *eg);
/* No call comes any more: sessions are ended.  True: all of that is done; else sp_egress_drain() comes again. */
SP_MUST bool sp_mcp_close(struct sp_mcp *m);
SP_MUST bool sp_mcp_is_closed(const struct sp_mcp *m);
void sp_mcp_start(struct sp_mcp *m);			/* keeper has sent everything */
SP_MUST bool sp_mcp_known(const struct sp_mcp *m);	/* what it offers */
void sp_mcp_front(struct sp_egress_front *f);		/* a new one */
/* Holds the call until a catalogue is there, which is asked for at once.  The call may be over after this. */
void sp_mcp_hold(struct sp_call *c);
/* Its own part; false: no memory, or a method that is none for an upstream. */
SP_MUST bool sp_mcp_call_new(struct sp_call *c, const struct sp_m_call *m);
/* What the call is about, and what the rules say.  Its rules lie in `rules`.  False: there is no such thing. */
SP_MUST bool sp_mcp_component(struct sp_call *c, struct sp_component *out, uint32_t rules[SP_RULES_LEFT]);
SP_MUST bool sp_mcp_call_shows_args(const struct sp_call *c);
void sp_mcp_decide_uri(struct sp_egress *eg, const struct sp_principal *who, sp_slice uri, struct sp_decision *d);
/* inputSchema of the tool that is called; NULL: none, or one that cannot be checked here. */
const struct sp_schema *sp_mcp_schema(const struct sp_call *c);
void sp_mcp_call_who(struct sp_call *c, const struct sp_principal *who);	/* whose it is */
void sp_mcp_call_start(struct sp_call *c, sp_jval *args);
void sp_mcp_call_tick(struct sp_call *c, uint64_t now_ms);
/* Nothing more is wanted of it; the upstream is told. */
void sp_mcp_call_stop(struct sp_call *c);
void sp_mcp_call_free(struct sp_call *c);
SP_MUST bool sp_mcp_is_session_only(const struct sp_call *c);	/* about no component */
SP_MUST bool sp_mcp_is_tool(const struct sp_call *c);	/* its errors are results of a tool */
sp_slice sp_mcp_call_name(const struct sp_call *c);
SP_MUST bool sp_listen_message(struct sp_egress_front *f, const struct sp_m_listen *m);
bool sp_listen_cancel(struct sp_egress_front *f, uint32_t id);	/* false: none has this id */
void sp_listen_front_gone(struct sp_egress_front *f);
/* Checks were asked, or there are none. */
void sp_listen_begin(struct sp_egress_front *f, const struct sp_m_listen *msg, struct sp_principal *who,
    const struct sp_view *view, uint64_t epoch);
void sp_listen_refuse(struct sp_egress_front *f, uint32_t id, enum sp_status st);
/* mcp_listen.c: it waits for checks. */
void sp_listen_ask(struct sp_egress_front *f, const struct sp_m_listen *msg, struct sp_principal *who, uint64_t checks);
SP_MUST bool sp_listen_waits(const struct sp_egress_front *f, uint32_t id);
bool sp_listen_unask(struct sp_egress_front *f, uint32_t id);	/* false: none has this id */
void sp_listen_unask_all(struct sp_mcp *m, const struct sp_egress_front *f);	/* f NULL: of every front */

static inline sp_slice
sp_call_tool_name(const struct sp_call *c)
{
	return c->tool == NULL ? sp_mcp_call_name(c) : sp_img_str(c->front->eg->cfg.img, c->tool->name);
}

#endif
