/*
 * Inside src/server.  One message of a client is one context (struct sp_context): it is read into its arena, judged, and
 * answered at once or by a handler that may run on another thread.  A held stream is a context too.
 *
 * Threads: everything here runs on the server's thread, but what is marked [H], which handlers' threads use.  While a handler
 * runs, `arena`, `out`, `asking` and what *ask* keeps belong to its thread and are not touched by the server's; fields under
 * `s->lock` may be touched by both.  A handler's thread never looks at x, session, who's count, or the lists of the server:
 * what it wants done it says by sp_call_signal(), and sp_server_turn() does it.
 *
 *	message ─ dispatch ─ gate ─ call ─▶ handler ─▶ RETURNED ─┬─ questions open: sp_ask_out(), later sp_call_rerun()
 *	                                                        ├─ deferred: waits for COMPLETED
 *	                                                        └─ sp_call_finish(): result, answer, end
 */
#ifndef SP_SERVER_SERVER_INT_H
#define SP_SERVER_SERVER_INT_H

#include <sallyport/context.h>

#include "auth/check.h"
#include "base/hash.h"
#include "mcp/era.h"
#include "mcp/params.h"
#include "schema/schema.h"
#include "server/server.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	SP_KINDS = 5,				/* enum sp_component_type, from 1 */
	SP_SESSION_ID = 32,			/* hexadecimal digits: 128 random bits */
	SP_NOTES_MAX = 256, SP_NOTES_BYTES = 1 << 20,	/* of one call, not carried out yet */
	SP_HELD_MAX = 64, SP_HELD_BYTES = 1 << 18,	/* of one call, kept for a client that comes back, beside its answer */
	SP_COME_BACK_MS = 60000,		/* so long an answer waits for a client that may come back */
	SP_UNREAD_MAX = 1 << 18,		/* a stream whose client has not taken this much gets no more */
	SP_SUBSCRIPTIONS = 256,			/* URIs of one session or listen stream */
	SP_STREAMS_OF_ONE = 8,			/* GET streams of one session */
	SP_STREAMS_OF_CALLER = 64		/* held streams of one signed-in caller */
};

struct sp_ask;					/* ask.c: questions and answers of one call */
struct sp_task;					/* task.c */
struct sp_tasks;				/* task.c: all of a server's */
struct sp_seal;					/* seal.c: the key of requestState */

/* ---------------------------------------------------------------- what a server offers */

/* A tool, resource, template or prompt.  Counted: a call keeps it when it is taken away.  Immutable. */
struct sp_offer {
	unsigned refs;
	enum sp_component_type kind;
	sp_slice name;				/* of a tool, prompt; URI; uriTemplate.  All slices here end in NUL */
	sp_slice json, json_legacy;		/* as lists show it */
	sp_slice description, mime_type;
	const char *const *tags;
	struct sp_auth_check *auth;
	bool	 open_to_nobody;		/* sp_check_needs_nobody(auth) */
	sp_handler handler;
	sp_completer complete;
	void	*arg;
	bool	 on_loop;
	unsigned timeout_s;			/* 0: the server's */
	/* tools */
	struct sp_schema *input, *output;	/* output NULL: none */
	struct sp_param_headers headers;
	unsigned needs;				/* enum sp_client_can */
	enum sp_task_support task;
	/* templates */
	struct sp_template *template;
	/* prompts */
	const char *const *required;		/* names of arguments that must be there */
	struct sp_arena arena;			/* all of this */
};

struct sp_offers { struct sp_offer **v; size_t n, cap; };	/* sorted by name */

/* ---------------------------------------------------------------- sessions and streams */

/* A session of the 2025 era; over stdio, of one connection. */
struct sp_session {
	char	 id[SP_SESSION_ID + 1];
	uint8_t	 mark[32];			/* of the caller whose it is: nobody else finds it */
	enum sp_mcp_revision revision;
	uint32_t caps;				/* enum sp_mcp_client_cap, of initialize */
	uint32_t log_level;			/* 1 debug … 8; what logging/setLevel said; before: info */
	struct sp_session *bucket;		/* next of the same hash */
	struct sp_session *newer, *older;	/* by use */
	struct sp_context *calls;		/* its open messages and streams, by their `peer_next` */
	unsigned ncalls, nstreams;
	uint64_t next_stream;			/* numbers for event ids */
	char	**uris;				/* subscribed to */
	size_t	 nuris;
};

/* What a held stream carries: GET of the 2025 era, or subscriptions/listen. */
struct sp_stream {
	bool	 wants[SP_KINDS], dirty[SP_KINDS];	/* list_changed, by kind; templates count as resources */
	uint64_t due_ms[SP_KINDS];		/* the next of this kind may go then */
	sp_slice *uris;				/* listen: resources */
	size_t	 nuris;
	sp_slice *task_ids;			/* listen: tasks of this caller */
	size_t	 ntask_ids;
};

/* ---------------------------------------------------------------- one message */

enum sp_call_phase {
	SP_CALL_NEW = 0,	/* judged, answered at once */
	SP_CALL_RUNS,		/* its handler runs, or was deferred and has not been completed */
	SP_CALL_ASKS,		/* 2025 era: waits for answers of the client; no handler runs */
	SP_CALL_HELD,		/* a stream */
	SP_CALL_WAITS,		/* 2025 era: the answer is there, its client may come back for it */
	SP_CALL_OVER		/* answered, cancelled or too late; a handler may still run: then nothing of it is used */
};

/* [H] What a handler's thread says to the server's. */
enum sp_signal { SP_SIG_NOTES = 1, SP_SIG_RETURNED = 2, SP_SIG_RELEASED = 4, SP_SIG_COMPLETED = 8, SP_SIG_TASK = 16 };

/* A notification that waits to be carried out, or (after sp_close_stream()) to be sent again. */
struct sp_note {
	struct sp_note *next;
	uint32_t level;				/* message: its level; 0: not one */
	enum { SP_NOTE_SEND = 1, SP_NOTE_CLOSE } kind;
	uint32_t retry_ms;			/* close */
	uint64_t seq;				/* of its event id */
	size_t	 n;
	char	 json[];
};
struct sp_notes { struct sp_note *first, *last; size_t n, bytes; };

/* What a handler has added so far: pieces of JSON text, written as they came. */
struct sp_content {
	struct sp_out text;			/* content blocks, contents or messages, with commas between */
	size_t	 last_end;			/* how many closing braces stand behind the last block's members */
	size_t	 count;
	struct sp_out structured;		/* compact JSON; empty: none */
	bool	 structured_object;		/* it is an object */
	bool	 failed;			/* sp_return_error() */
	int	 rpc_code;			/* not 0: sp_return_rpc_error(); text is then its message as JSON string */
	sp_slice rpc_data;
	const char *broken;			/* why it cannot be sent: for the log */
	bool	 assistant;			/* prompts: who speaks */
	bool	 progressed;
	bool	 whole;				/* text is the members of a CallToolResult, of sp_context_result() */
	size_t	 values;			/* completion: how many were offered, also those over 100 */
	unsigned cache_ms;
	bool	 cache_all;
};

/* Of sp_context_keep(). */
struct sp_kept { struct sp_kept *next; void *p; void (*drop)(void *p); };

struct sp_context {
	struct sp_server *s;
	struct sp_context *prev, *next;		/* of s->open: every message that has not ended */
	struct sp_context *peer_prev, *peer_next;	/* of session->calls */
	struct sp_context *ready_next;		/* of s->ready; under s->lock */
	struct sp_exchange *x;			/* NULL: nobody is there, for good or for now */
	struct sp_principal *who;		/* held; NULL: nobody.  [H] may read it */
	bool	 http;				/* it came with a head */
	uint8_t	 mark[32];			/* of the caller; all 0: nobody */
	struct sp_session *session;		/* 2025 era, or NULL */
	struct sp_arena arena;			/* [H] while the handler runs */
	struct sp_rpc rpc;			/* rpc.id: JSON text */
	struct sp_mcp_ask ask;
	enum sp_call_phase phase;
	uint64_t deadline_ms;			/* 0: none */

	/* calls */
	struct sp_offer *offer;			/* held; NULL: no component is called */
	sp_slice name;				/* ends in NUL: of the tool, prompt; the URI that is read */
	sp_jval *args;				/* an object; templates: its variables */
	const char *args_text, *meta_text;	/* JSON objects */
	uint32_t caps;				/* enum sp_mcp_client_cap: of this request, or its session */
	bool	 completing;			/* completion/complete */
	const char *argument, *value;		/* completing: of what, and how it begins */
	sp_handler handler;			/* what is run; again after answers came */
	struct sp_content out;			/* [H] while the handler runs */
	double	 progress;			/* [H] the last one that was said */
	bool	 on_loop;

	/* under s->lock */
	unsigned signals;			/* enum sp_signal, not taken yet */
	bool	 queued;			/* in s->ready */
	bool	 quiet;				/* the server's thread looks at s->ready anyway: no wake */
	bool	 deferred, released;
	_Atomic bool completed;
	struct sp_notes notes;
	_Atomic bool cancelled;			/* or over: nothing that the handler says is used any more */

	bool	 running;			/* a job of this context is at the host, or a deferred one has not been released */
	bool	 was_deferred;			/* `deferred`, as it was when signals were taken */
	unsigned seen;				/* enum sp_signal, taken since the handler was started */

	/* 2025 era, after sp_close_stream() */
	bool	 primed;			/* its messages have event ids */
	uint64_t stream_no, next_seq;
	struct sp_notes held;			/* what was sent or was to be sent since: for Last-Event-ID */
	struct sp_out answer;			/* waits to be fetched */

	struct sp_kept *kept;			/* [H] while the handler runs */
	struct sp_ask *asking;			/* ask.c; NULL: no question, answer or state yet.  [H] while the handler runs */
	struct sp_task *task;			/* task.c; NULL: no task, or not known to be one yet */
	struct sp_task *as_task;		/* [H] while the handler runs: what it made of the call */
	struct sp_stream *stream;		/* SP_CALL_HELD */
};

struct sp_server {
	struct sp_server_options opt;		/* own copy; no state_key: see `seal` */
	struct sp_arena texts;			/* of opt and of everything that lives as long as the server */
	struct sp_server_host host;
	bool	 begun, draining, taking;	/* taking: sp_server_turn() is at work further up */
	struct sp_hash_key key;			/* random: tables, cursors */
	sp_slice info;				/* our Implementation object, JSON */
	sp_slice url;				/* the resource identifier, or empty */
	struct sp_offers offers[SP_KINDS];	/* [enum sp_component_type] */
	unsigned nopen_to_nobody;		/* offers that need no credential */
	unsigned ncompleters, ntask_tools;	/* offers that complete; tools that may become tasks */
	bool	 has_kind[SP_KINDS];		/* had one of it, ever */
	struct sp_out mistakes;			/* one a line */
	unsigned nmistakes;
	struct sp_server_part outbound, transport;

	struct sp_session **sessions;		/* by hash of id */
	size_t	 nbuckets, nsessions;
	struct sp_session *newest, *oldest;
	struct sp_context *open;
	struct sp_context *cursor;		/* of a walk through `open` */
	struct sp_context *spare;		/* for reuse, by `next` */
	unsigned nspare;
	uint32_t nrunning;			/* calls whose handler runs, or that wait for its end */
	uint32_t nstreams, nwaiting;

	pthread_mutex_t lock;
	struct sp_context *ready, *ready_last;	/* have said something */
	struct sp_notes updated;		/* URIs of sp_resource_updated(), as text */
	unsigned changed;			/* bits by kind, of sp_list_changed() */

	struct sp_out reply;			/* scratch for one answer */
	struct sp_out gate_texts;		/* scratch of sp_gate() */
	struct { struct sp_principal *who; uint8_t mark[32]; } marks[16];	/* of callers that were seen lately; held */

	struct sp_seal *seal;			/* made of opt.state_key in sp_server_create() */
	struct sp_tasks *tasks;			/* made in sp_server_begin() */
};

/* ---------------------------------------------------------------- context.c, call.c: for *ask* too */

static inline uint64_t
sp_now_ms(const struct sp_server *s)
{
	return s->host.now_ms(s->host.ctx);
}

/* [H] Something is to be done by the server's thread for this context. */
void sp_call_signal(struct sp_context *c, unsigned signals);
/* [H] SP_RC_OK: the handler may still say something; else why not (cancelled, over). */
enum sp_rc sp_call_open(const struct sp_context *c);
/* [H] One message for the client, in the order of these calls: a notification, or a request of ours.  SP_RC_UNAVAILABLE:
 * too many wait.  Carried out while x is there (a primed call's wait for the client to come back). */
enum sp_rc sp_call_say(struct sp_context *c, sp_slice json, uint32_t level);
/* The same at once, on the server's thread.  False: the client cannot be told (and nothing is kept of it). */
bool sp_call_send(struct sp_context *c, sp_slice json);
/* The handler is run again from its start: what it has added is forgotten, answers are at hand in c->asking.  Phase
 * SP_CALL_ASKS, or a task that was waiting. */
void sp_call_rerun(struct sp_context *c);
/* The answer is one whole JSON-RPC message (an InputRequiredResult, a CreateTaskResult); status SP_OK: 200.  The exchange is
 * over then (c->x is NULL), the context is not: a task goes on; everything else is ended by the caller's return. */
void sp_call_reply(struct sp_context *c, enum sp_status st, sp_slice json);
/* A JSON-RPC error as the whole answer, and the end of the call.  `message` empty: the status's. */
void sp_call_refuse(struct sp_context *c, enum sp_status st, sp_slice message, sp_slice data);
/* HTTP 403, naming the scopes; the end of the call. */
void sp_call_refuse_scope(struct sp_context *c, const char *scopes);
/* Nothing the handler says is used any more; the exchange, if still there, is answered with SP_E_CANCELLED and no JSON. */
void sp_call_cancel(struct sp_context *c);
/* New time-out, from now. */
void sp_call_deadline(struct sp_context *c, unsigned seconds);
/* {"jsonrpc":"2.0","id":…,"result":{"resultType":TYPE,"_meta":{serverInfo} and so without a closing: the caller appends
 * ,members and SP_MCP_CLOSE.  Modern era only. */
void sp_result_open(struct sp_out *o, const struct sp_context *c, const char *type);

/* Whose is it?  32 bytes of SHA-256 over source, issuer, user and client; all 0: nobody.  c->mark is this. */
void sp_caller_mark(struct sp_server *s, struct sp_principal *who, uint8_t mark[32]);
/* notifications/tasks: `params` is a JSON object; goes to the listen streams of this caller that asked for this task. */
void sp_notify_task(struct sp_server *s, const uint8_t mark[32], sp_slice task_id, sp_slice params);

/* ---------------------------------------------------------------- the gate */

struct sp_verdict {
	enum sp_status st;	/* SP_OK; SP_E_NO_TOKEN; SP_E_DENIED: as unknown; SP_E_REFUSED: `text`; SP_E_SCOPE: `scopes` */
	char	 text[256], scopes[512];
};
/*
 * The one choke point: may this caller see (arguments NULL) or use this component now?  Asks the server's check and the
 * component's.  Every list, call, read, get, completion, subscription, stream and task comes through here; nothing else
 * calls sp_check_ask().  `name`: of the tool and prompt, URI, uriTemplate; ends in NUL.
 */
enum sp_status sp_gate(struct sp_server *s, const struct sp_exchange *x, const struct sp_offer *offer, const char *name,
    const char *arguments, struct sp_verdict *v);
/* Answers what sp_gate() said, if it was not SP_OK, and ends the call. */
void sp_gate_refuse(struct sp_context *c, const struct sp_verdict *v);

/* ---------------------------------------------------------------- what *ask* gives: seal.c, ask.c, task.c */

/* `key`: 32 bytes, or NULL: random.  NULL: no memory. */
struct sp_seal *sp_seal_new(const uint8_t *key);
void sp_seal_free(struct sp_seal **seal);

/* Modern tools/call, prompts/get, resources/read, when the gate has let it in, before the handler runs: reads inputResponses
 * and requestState of c->ask.params into c->asking.  SP_E_BAD_PARAMS: not what we gave to this caller for this request. */
SP_MUST enum sp_status sp_ask_read(struct sp_context *c, struct sp_err *e);
/* The handler returned: are questions open that it asked?  (One that failed all the same is not asked for.) */
bool sp_ask_pending(const struct sp_context *c);
/* They go out.  Modern: the answer is an InputRequiredResult (sp_call_reply); the call ends when this returns.  2025 era: our
 * requests go on the exchange (sp_call_send); c->phase becomes SP_CALL_ASKS and the call waits, its deadline running.  False:
 * the client cannot be asked: the call fails. */
bool sp_ask_out(struct sp_context *c);
/* A response of a client (2025 era): `root` is the whole message, `id` as JSON text; found by id among the calls of `session`
 * (NULL: it has none) only.  Foreign, late or repeated ones are passed over.  May call sp_call_rerun(). */
void sp_ask_response(struct sp_server *s, struct sp_session *session, sp_slice id, sp_jval *root);
/* c ends: c->asking is freed. */
void sp_ask_end(struct sp_context *c);

/* `tasks` of a server; false: no memory. */
SP_MUST bool sp_tasks_new(struct sp_server *s);
void sp_tasks_free(struct sp_server *s);	/* contexts have ended by then */
void sp_tasks_tick(struct sp_server *s, uint64_t now_ms);
/* Has the client the tasks extension?  (c->caps) */
bool sp_task_client_can(const struct sp_context *c);
/* SP_SIG_TASK: sp_become_task() was called.  Answers CreateTaskResult (sp_call_reply), new deadline; c goes on without x. */
void sp_task_start(struct sp_context *c);
/* A task has questions open and waits (SP_CALL_ASKS). */
void sp_task_asks(struct sp_context *c);
/* The outcome of a call with c->task: a CallToolResult object, or (`is_error`) a JSON-RPC error object.  Keeps a copy. */
void sp_task_done(struct sp_context *c, bool is_error, sp_slice object);
/* c ends (also without an outcome): c->task forgets it. */
void sp_task_end(struct sp_context *c);
/* tasks/get, tasks/update, tasks/cancel: c->ask.name is the taskId.  They answer, by sp_call_reply() or sp_call_refuse(). */
void sp_task_get(struct sp_context *c);
void sp_task_update(struct sp_context *c);
void sp_task_cancel(struct sp_context *c);
/* Is it a task of this caller? (listen) */
bool sp_task_is(struct sp_server *s, const uint8_t mark[32], sp_slice task_id);

#endif
