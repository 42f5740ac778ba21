/*
 * The role that faces clients: it reads requests, verifies tokens, decides, and hands
 * allowed calls to the egress of their server.  It holds public keys, hashes of tokens, and
 * the tokens that pass through; no secret of an upstream.
 */
#ifndef SP_FRONT_FRONT_H
#define SP_FRONT_FRONT_H

#include "base/log.h"
#include "check/asker.h"
#include "http/conn.h"
#include "front/session.h"
#include "image/image.h"
#include "ipc/channel.h"
#include "mcp/era.h"
#include "mcp/list.h"
#include "mcp/params.h"
#include "oauth/verifier.h"
#include "os/ring.h"
#include "os/shared.h"
#include "policy/decide.h"

struct sp_front;
struct sp_stream;

enum {
	SP_ASKS = 256,			/* questions to keeper that are open at once */
	SP_ORPHANS = 256,		/* calls whose client has gone, but which go on */
	SP_AUTH_WAIT_MS = 6000,		/* a request waits so long for keeper's word about its credential */
	SP_KEYS_PAUSE_MS = 30000,	/* between two questions for one key set */
	SP_NOTES_UNREAD = 262144,	/* bytes that a client has not read: further notes are dropped */
	SP_TICK_MS = 1000
};

/* The channel to the egress of one server. */
struct sp_link {
	struct sp_front *front;
	struct sp_chan *ch;		/* NULL: not there (yet, or again) */
	uint32_t server, incarnation;
	bool	 full;			/* it reads too slowly: calls wait */
	struct sp_catalog *staged;	/* while it is being sent */
	uint32_t staged_serial, staged_items;
};

/* What keeper signed for a token. */
struct sp_kept_ticket { uint8_t hash[32]; uint32_t resource, n, used; char *text; };

/* One question to keeper; several requests may wait for its answer. */
struct sp_ask { uint32_t id; bool open, peer, endpoint; uint8_t hash[32]; uint32_t conn, source, resource; uint64_t since_ms; };

/* When the key set of an authority was last asked for. */
struct sp_want { uint64_t asked_ms; bool asked, open; };

struct sp_orphan { uint32_t id, server, slot; bool has_slot; uint64_t until_ms; };

struct sp_front {
	const struct sp_image *img;
	uint32_t index;
	struct sp_hash_key seed;
	uv_loop_t *loop;
	struct sp_verifier *verifier;
	struct sp_ring *ring;
	struct sp_page *page;
	struct sp_slots *slots;
	struct sp_counters *counters;
	uint32_t row;
	struct sp_hub hub;
	struct sp_link *links;		/* one a server */
	struct sp_chan *keeper;
	uint64_t heard_epoch;		/* what keeper wrote before it raised the epoch to this was read */
	struct sp_chan *descriptors;	/* to keeper too: for descriptors, which the other cannot carry */
	struct sp_catalog **catalogs;	/* one a server; what worlds point to */
	uint32_t *caps;
	sp_slice *instructions;		/* one a server; heap */
	struct sp_world *worlds;	/* one a resource */
	struct sp_sessions sessions;
	struct sp_ask asks[SP_ASKS];
	uint32_t next_ask;
	struct sp_kept_ticket *tickets;	/* made when the first is needed */
	uint32_t ticket_clock;
	struct sp_asker *asker;		/* NULL: there are no checks */
	struct sp_want *wants;		/* one an authority */
	bool	 has_peer;		/* a source of type peer */
	struct sp_orphan orphans[SP_ORPHANS];
	uint32_t norphans;
	struct sp_stream *first_stream;
	uint32_t nstreams;
	uint64_t stream_serial;
	uv_timer_t tick;
	bool	 ticking;
	struct sp_param_headers *params;	/* one a tool */
	struct sp_arena forever;	/* what params point into */
	struct sp_quota denials;
	struct sp_out text;		/* scratch for bodies of answers */
	struct sp_out note;		/* scratch for notifications */
	void	(*done)(void *ctx);	/* drained */
	void	(*lost)(void *ctx, enum sp_role role, uint32_t index);	/* the channel to that peer has ended; may be NULL */
	void	*done_ctx;		/* for both */
};

enum sp_call_state { SP_CALL_NONE, SP_CALL_WAITS, SP_CALL_SENT, SP_CALL_ANSWERING, SP_CALL_OVER };
/* What a request waits for that is not the answer to a call; wait_for says which. */
enum sp_wait { SP_WAIT_NONE, SP_WAIT_TICKET, SP_WAIT_KEYS, SP_WAIT_SESSION, SP_WAIT_SESSION_END, SP_WAIT_CHECK };

/* One request; in the arena of its work, or (a stream that is held) in a struct sp_stream. */
struct sp_req {
	struct sp_principal *who;	/* held */
	uint32_t resource;		/* that is asked: index in the image */
	sp_slice token;			/* empty: anonymous, or peer */
	sp_slice ticket;		/* what keeper signed for it, or empty */
	uint32_t header;		/* 0: Authorization; else 1 + index of the source whose own header it came in */
	uint8_t	 wait;			/* enum sp_wait */
	uint8_t	 tries;
	bool	 denied;		/* keeper said `no` */
	struct sp_ticket_no no;
	uint32_t wait_for;
	bool	 has_session;
	uint32_t revision;		/* of the session */
	uint8_t	 session[32];
	int64_t	 session_expires_s;
	bool	 takes_events;		/* Accept has text/event-stream */
	struct sp_stream *stream;	/* held: *this is part of it */
	sp_slice id;			/* JSON text */
	struct sp_mcp_ask ask;
	/* checks: asked about this very call, and about a list (its answers: view) */
	bool	 asked, viewed;
	struct sp_inquiry *inquiry, *looking;
	struct sp_view view;
	/* calls */
	uint8_t	 call;			/* enum sp_call_state */
	bool	 has_slot;
	uint32_t slot;
	uint32_t server, tool;
	sp_slice own;			/* name of the component at its server; empty: tool is an index */
	uint64_t deadline_ms;		/* egress's */
	uint64_t late_ms;		/* when we stop waiting for egress */
	uint64_t began_us;
	sp_slice args;			/* as JSON text, re-written from what was decided on */
	size_t	 args_sent;
	uint64_t credit;		/* bytes of args that egress will still take */
	uint64_t total, got;		/* of the result */
	uint64_t owed;			/* bytes of the result for which no credit was given back yet */
};

/* Before the jail.  `img` outlives the front; ring, page and slots may be NULL in tests only. */
SP_MUST enum sp_status sp_front_init(struct sp_front *f, const struct sp_image *img, uv_loop_t *loop,
    struct sp_hash_key seed, struct sp_err *e);
void sp_front_close(struct sp_front *f);
/* No new connections; streams are told of changed lists and end at once. */
void sp_front_drain(struct sp_front *f);
/* A channel to an egress or to keeper; takes over fd. */
SP_MUST enum sp_status sp_front_peer(struct sp_front *f, enum sp_role role, uint32_t index, uint32_t incarnation,
    int fd);
/* That egress died: its calls end here and now. */
void sp_front_gone(struct sp_front *f, uint32_t server, uint32_t incarnation);
uint64_t sp_front_epoch(const struct sp_front *f);
/* The timer that streams and orphans need. */
void sp_front_tick(struct sp_front *f);
void sp_front_need_tick(struct sp_front *f);
bool sp_front_is_anonymous(const struct sp_front *f, const struct sp_req *q);
/* Is that server served at the resource that is asked? */
bool sp_front_serves(const struct sp_front *f, const struct sp_req *q, uint32_t server);

/* request.c */
extern const struct sp_service sp_front_service;
void sp_request_resume(struct sp_conn *c);	/* what it waited for has come */

/* auth.c: who calls. */
enum sp_auth { SP_AUTH_OK, SP_AUTH_ANSWERED, SP_AUTH_WAITS };
SP_MUST enum sp_auth sp_auth(struct sp_conn *c);
/* The same without an answer, for a stream whose caller has to be looked at again: SP_OK, SP_E_TICKET (it waits), refused. */
SP_MUST enum sp_status sp_auth_again(struct sp_conn *c, struct sp_err *e);
/* keeper.c */
SP_MUST enum sp_status sp_keeper_link(struct sp_front *f, int fd);
void sp_keeper_close(struct sp_front *f);
/* ask.c: questions to keeper about credentials.  SP_OK: the request waits; else why it cannot. */
SP_MUST enum sp_status sp_ask_ticket(struct sp_conn *c, struct sp_req *q, const struct sp_ticket_need *need);
SP_MUST enum sp_status sp_ask_keys(struct sp_conn *c, struct sp_req *q, uint32_t authority);
SP_MUST bool sp_ask_answered(struct sp_front *f, const struct sp_m_ticket *m);
void sp_ask_keys_came(struct sp_front *f, uint32_t authority);
void sp_ask_restart(struct sp_front *f);	/* another keeper: all questions are asked anew */
void sp_tickets_free(struct sp_front *f);
sp_slice sp_ticket_find(struct sp_front *f, uint32_t resource, const uint8_t hash[32]);

/* reply.c: what a request is answered with. */
struct sp_front *sp_front_of(const struct sp_conn *c);
struct sp_req *sp_req_of(const struct sp_conn *c);
/* 401, 403 or 400 with a challenge.  `scope`: for SP_E_SCOPE. */
void sp_reply_challenge(struct sp_conn *c, enum sp_status st, sp_slice scope);
/* A JSON-RPC error with the status line of errors.def; `message` empty: the status's text. */
void sp_reply_rpc(struct sp_conn *c, enum sp_status st, sp_slice message, uint32_t retry_after_s);
/* What went wrong with a call, for its caller: a tool error, or (other methods) a JSON-RPC error. */
void sp_reply_failure(struct sp_conn *c, sp_slice text);
void sp_reply_unknown(struct sp_conn *c);
/* Scratch to write a JSON answer into, and its sending with 200. */
struct sp_out *sp_reply_text(struct sp_conn *c);
void sp_reply_ok(struct sp_conn *c);
void sp_reply_session(struct sp_conn *c, sp_slice session);	/* the same with Mcp-Session-Id */
void sp_reply_accepted(struct sp_conn *c);
void sp_reply_nothing(struct sp_conn *c);	/* the client has cancelled: an event stream without an answer */
bool sp_reply_events(struct sp_conn *c);	/* the answer becomes an event stream; false: the connection is gone */

/* method.c */
void sp_method(struct sp_conn *c);

/* call.c */
void sp_call_start(struct sp_conn *c);
void sp_call_late(struct sp_conn *c);
void sp_call_end(struct sp_conn *c);
void sp_call_push(struct sp_conn *c);		/* sends what the link and the credit allow */
/* Into q->args, once. */
SP_MUST enum sp_status sp_call_write_args(struct sp_conn *c);
void sp_call_annul(struct sp_conn *c);		/* its client cancelled it */
bool sp_link_takes(struct sp_link *l);
void sp_link_cancel(struct sp_link *l, uint32_t id);
void sp_call_level(struct sp_conn *c);		/* logging/setLevel, to all whom it concerns */

/* orphan.c: calls that go on although their client has gone (legacy era). */
SP_MUST bool sp_orphan_put(struct sp_front *f, const struct sp_orphan *o);
SP_MUST bool sp_orphan_has(const struct sp_front *f, uint32_t server, uint32_t id);
void sp_orphan_ended(struct sp_front *f, uint32_t server, uint32_t id, bool cancel);
void sp_orphans_lost(struct sp_front *f, uint32_t server);
void sp_orphans_tick(struct sp_front *f, uint64_t now_ms);

/* result.c: what egress says. */
bool sp_link_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds);
void sp_link_closed(void *ctx, struct sp_chan *ch, const char *why);
void sp_result_sent(struct sp_conn *c);

/* catalog.c */
SP_MUST bool sp_link_item(struct sp_link *l, const struct sp_m_item *m);
SP_MUST bool sp_link_catalog(struct sp_link *l, const struct sp_m_catalog *m);
/* What the servers that this caller can use there say about it; valid until the next use of f->note. */
sp_slice sp_front_instructions(struct sp_front *f, const struct sp_req *q);

/* stream.c: streams that are held. */
void sp_stream_get(struct sp_conn *c);
void sp_stream_listen(struct sp_conn *c);
void sp_stream_over(struct sp_conn *c);		/* its request ends; frees it */
SP_MUST bool sp_stream_note(struct sp_conn *c, uint32_t server, const struct sp_m_note *m);
void sp_stream_refused(struct sp_conn *c, uint32_t server);
void sp_streams_server(struct sp_front *f, uint32_t server, bool fresh);	/* what it can do, or its process, is new */
void sp_streams_changed(struct sp_front *f, uint32_t server, const struct sp_catalog *before, const struct sp_catalog *after);
void sp_streams_session_gone(struct sp_front *f, const uint8_t session[32]);
void sp_streams_tick(struct sp_front *f, uint64_t now_ms);
void sp_streams_drain(struct sp_front *f);
void sp_stream_resume(struct sp_conn *c, enum sp_status st);

/* checks.c */
struct sp_front_said { char why[SP_CHECK_REASON]; struct sp_out scopes; sp_slice say; };
/* What the checks leave of a decision; s->say: as sp_decide_checked() has it.  False: the request waits for them, and
 * sp_method() comes again; or it was answered. */
SP_MUST bool sp_front_checks(struct sp_conn *c, const struct sp_found *found, struct sp_decision *d, struct sp_front_said *s);
/* q->view, for lists of this kind (0: of any).  False: as above; a GET comes to sp_stream_get() again. */
SP_MUST bool sp_front_view(struct sp_conn *c, unsigned kind);
void sp_front_checks_end(struct sp_req *q);

/* health.c */
enum sp_take sp_health(struct sp_conn *c);
enum sp_take sp_metrics(struct sp_conn *c);	/* whatever comes in by a listener for metrics */

/* deny.c */
/* Why a call ended here: the audit record and the operator's line.  `what` NULL: an unknown name. */
void sp_deny(struct sp_front *f, const struct sp_req *q, const struct sp_component *what, const struct sp_decision *d);
/* A line for the operator about a request that was refused before it had a caller. */
void sp_deny_request(struct sp_front *f, const char *event, const struct sp_err *e, sp_slice token);
/* Text for a POSIX shell: as it is, or in single quotes; what a terminal could obey is replaced. */
void sp_shell_word(struct sp_out *o, sp_slice s);

#endif
