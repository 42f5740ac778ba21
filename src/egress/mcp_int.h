/*
 * An egress whose upstream is an MCP server: what its files share.  mcp_conn.c knows the era and keeps sessions,
 * mcp_read.c reads what the upstream says, mcp_catalog.c fetches what it offers, mcp_call.c carries calls, mcp_watch.c
 * holds the stream of changes and the subscriptions of clients.
 */
#ifndef SP_EGRESS_MCP_INT_H
#define SP_EGRESS_MCP_INT_H

#include "egress/egress_int.h"
#include "egress/mcp_ex.h"
#include "mcp/translate.h"

enum {
	SP_UP_SESSIONS = 256, SP_UP_BUCKETS = 256, SP_UP_IDLE_MS = 600000,
	SP_UP_TRY_MS = 10000,		/* for what is not a call: probe, initialize, a page of a list */
	SP_UP_TICK_MS = 1000,
	SP_UP_REPLIES = 16,		/* answers to the upstream's own requests, at once */
	SP_UP_PAGES = 100, SP_UP_SCHEMAS = 256,
	SP_UP_LEVELS = 4096,		/* sessions of clients whose log level is remembered */
	SP_SUB_SESSIONS = 4096, SP_SUB_URIS = 64, SP_SUB_UNION = 4096, SP_SUB_BUCKETS = 1024,
};

struct sp_mcp;

/* --- the upstream's sessions (legacy): one for each caller, so that no state of one is seen by another (O11, O12) */

enum sp_upsession_state { SP_UPS_CLOSED, SP_UPS_OPENING, SP_UPS_READY, SP_UPS_GONE };

struct sp_upsession {
	uint8_t	 mark[32];		/* of the caller */
	struct sp_upsession *hash_next, *next, *prev;	/* most recently used first */
	enum sp_upsession_state state;
	struct sp_ex *ex;		/* initialize, then notifications/initialized */
	char	 id[SP_UPMSG_SESSION + 1];	/* empty: it gave none */
	const char *version;		/* that it chose */
	uint32_t level;			/* of its log messages, as set last; 0: not yet */
	uint32_t users;			/* calls */
	uint64_t used_ms;
};

enum sp_up_ready { SP_UP_GO, SP_UP_WAIT, SP_UP_DOWN };

/* --- a call's part */

enum sp_up_stage {
	SP_UP_NOTHING, SP_UP_WANTS_CATALOG, SP_UP_WANTS_SESSION, SP_UP_WANTS_FETCH, SP_UP_LEVEL, SP_UP_SENT, SP_UP_RESUMES, SP_UP_ANSWERED
};

struct sp_mcp_call {
	enum sp_mcp_method method;
	enum sp_era era;		/* the client's */
	uint32_t log_level, wanted;	/* asked for with the call; in force */
	bool	 progress;
	sp_slice name;			/* own name, or URI */
	uint8_t	 mark[32];
	sp_jval *args;
	enum sp_up_stage stage;
	struct sp_upsession *up;
	struct sp_ex *ex;
	uint64_t rpc;			/* id of our request */
	bool	 renewed, refetched;	/* done once already */
	unsigned resumes;
	uint64_t resume_ms;		/* when to go on reading; 0: not waiting for that */
	char	 event_id[SP_SSE_ID + 1];
	uint32_t retry_ms;
	size_t	 noted;			/* bytes of notifications passed on */
	struct sp_call *wait_next, *wait_prev;
	bool	 waits;
};

/* --- the catalogue's */

struct sp_fetch {
	bool	 running, again;	/* again: something changed meanwhile */
	bool	 soon;			/* the timer was set because something changed */
	bool	 renewed;		/* the session was gone once */
	unsigned kind;			/* index into the lists */
	unsigned pages;
	size_t	 bytes;
	uint32_t left_out;
	int64_t	 ttl_ms;		/* the shortest that was said; -1: none */
	struct sp_ex *ex;
	struct sp_out cursor;
	bool	 has_cursor;
	uint64_t seen[SP_UP_PAGES];	/* hashes of cursors */
	struct sp_catalog *building;
	uint64_t last_ms;		/* when the last one began */
	unsigned failures;		/* in a row */
};

/* --- subscriptions: a client's session, and what it wants to be told of */

struct sp_listen {
	struct sp_egress_front *front;
	uint32_t id;
	struct sp_sub *sub;		/* of its session, or one of its own (modern) */
	struct sp_principal *who;
	uint64_t epoch;			/* in which that was found */
	struct sp_view view;		/* what checks said when it began */
	uint32_t header;
	sp_slice token, ticket;		/* to find out again; in `text` */
	struct sp_out text;
	struct sp_listen *next, *prev;
};

struct sp_sub {
	uint8_t	 session[32];
	bool	 named;			/* by a session; else by its one listener */
	struct sp_sub *hash_next, *next, *prev;	/* of those with a session: most recently used first */
	struct sp_uri_sub *uris[SP_SUB_URIS];
	bool	 parked[SP_SUB_URIS];	/* changed while nobody listened */
	unsigned n;
	struct sp_listen *listen;	/* the newest */
};

/* One URI of the union. */
struct sp_uri_sub {
	struct sp_uri_sub *hash_next;
	uint32_t refs;
	bool	 told;			/* the upstream knows that we want it (legacy) */
	size_t	 n;
	char	 uri[];
};

struct sp_watch {
	struct sp_ex *ex;		/* the stream */
	bool	 stale;			/* modern: other resources than it was opened with */
	bool	 none;			/* the upstream has no such stream */
	bool	 was_lost, in_tell;
	unsigned failures;
	uint64_t next_ms, opened_ms;	/* not before; the last time */
	char	 event_id[SP_SSE_ID + 1];
	struct sp_ex *telling;		/* subscribe or unsubscribe, one at a time */
	struct sp_uri_sub *uris[SP_SUB_BUCKETS];
	uint32_t nuris, untold;
	struct sp_uri_sub *told_now;	/* that `telling` speaks of */
	struct sp_sub *buckets[SP_SUB_BUCKETS], *first, *last;
	uint32_t nsubs;
	struct sp_listen *listens;
	uint32_t nlistens;
	struct sp_listen_wait *waits;	/* those who listen once checks have been asked */
	uint32_t nwaits;
};

/* The log level of a client's session. */
struct sp_session_level { uint8_t session[32]; uint32_t level; uint64_t used; };

/* Of a tool's arguments, made when first needed; `schema` NULL: it cannot be made. */
struct sp_schema_slot { const struct sp_item *item; struct sp_schema *schema; };

struct sp_mcp {
	struct sp_egress *eg;
	bool	 started;		/* keeper has sent everything */
	bool	 closing, closed;	/* its end has begun; every session has been told */
	enum sp_era era;		/* 0: not known */
	struct sp_ex *probe;
	char	 down[200];		/* why not, for callers */
	struct sp_upsession own;	/* for the catalogue and the stream; for everybody when the upstream has no sessions */
	bool	 stateless;
	struct sp_upsession *buckets[SP_UP_BUCKETS], *first, *last;
	uint32_t nsessions, nreplies;
	uint32_t caps;
	struct sp_out instructions;
	uint64_t next_id;
	struct sp_call *wait_first, *wait_last;
	uv_timer_t *tick, *refresh;

	struct sp_catalog *catalog;	/* NULL: not known yet */
	uint32_t serial, items;
	uint32_t sent_caps;
	bool	 tried;			/* an attempt has failed */
	struct sp_schema_slot schemas[SP_UP_SCHEMAS];
	struct sp_fetch fetch;
	struct sp_watch watch;
	struct sp_session_level *levels;
	uint64_t level_clock;
	uint64_t noise;			/* unusable messages, for the log */
};

/* mcp_conn.c */
/* Can this caller's request be sent?  mark NULL: our own.  GO: *out is the session to use (NULL: modern, none is needed).
 * WAIT: sp_mcp_wake() will come.  DOWN: m->down says why. */
enum sp_up_ready sp_mcp_ready(struct sp_mcp *m, const uint8_t *mark, struct sp_upsession **out);
/* The fields that every request after the opening has. */
void sp_mcp_fields(struct sp_ex *ex, const struct sp_upsession *s, sp_slice method, sp_slice name);
/* The upstream does not know this session any more. */
void sp_upsession_gone(struct sp_mcp *m, struct sp_upsession *s);
void sp_upsession_leave(struct sp_mcp *m, struct sp_upsession *s);
/* It answers as another server would: asked anew, before the next request. */
void sp_mcp_suspect(struct sp_mcp *m);
/* Says in the log, and in m->down, why there is no connection; `status`: of the answer, or 0. */
void sp_mcp_say_down(struct sp_mcp *m, enum sp_ex_end how, unsigned status, const char *why);
void sp_mcp_wake(struct sp_mcp *m);
void sp_mcp_refresh_in(struct sp_mcp *m, uint64_t ms);
/* mark NULL: every call that waits. */
void sp_mcp_fail_waiting(struct sp_mcp *m, const uint8_t *mark);
void sp_mcp_wait(struct sp_call *c, enum sp_up_stage stage);
void sp_mcp_unwait(struct sp_call *c);

/* mcp_read.c */
/* `one` gets every answer and notification that is acceptable, after secrets were removed.  False: the exchange is over. */
SP_MUST bool sp_mcp_read(struct sp_ex *ex, sp_slice text, void (*one)(struct sp_ex *ex, const struct sp_upmsg *msg));
/* The text without what was injected; false: it could not be cleared, and nothing of it may be used. */
SP_MUST bool sp_mcp_clear(struct sp_egress *eg, struct sp_call *c, sp_slice *text);

/* mcp_catalog.c */
void sp_fetch_start(struct sp_mcp *m);			/* now, unless it runs */
void sp_fetch_step(struct sp_mcp *m);			/* the session may be there */
void sp_fetch_failed(struct sp_mcp *m);
void sp_fetch_changed(struct sp_mcp *m);		/* list_changed: soon, once */
void sp_catalog_push(struct sp_egress_front *f);	/* more of it, as far as the channel goes */
void sp_fetch_stop(struct sp_mcp *m);
void sp_fetch_free(struct sp_mcp *m);

/* mcp_call.c */
void sp_mcp_call_step(struct sp_call *c);
void sp_mcp_call_down(struct sp_call *c);		/* m->down is the answer */

/* mcp_about.c: beside what egress_int.h names */
void sp_mcp_level_set(struct sp_mcp *m, sp_slice session, uint32_t level);
void sp_mcp_schemas_forget(struct sp_mcp *m);		/* the items are no more */
uint32_t sp_mcp_wanted_level(struct sp_call *c);	/* of the call, else of its session; 0: none */



/* mcp_watch.c */
void sp_watch_step(struct sp_mcp *m);			/* open it, if it can be; once a second, too */
void sp_watch_reset(struct sp_mcp *m);			/* the session, or the era, is another */
void sp_watch_updated(struct sp_mcp *m, sp_jval *params);
/* SP_E_FULL: too many. */
SP_MUST enum sp_status sp_watch_subscribe(struct sp_mcp *m, sp_slice session, sp_slice uri);
void sp_watch_unsubscribe(struct sp_mcp *m, sp_slice session, sp_slice uri);
void sp_watch_free(struct sp_mcp *m);

static inline uint64_t
sp_mcp_now(const struct sp_mcp *m)
{
	return uv_now(m->eg->cfg.loop);
}

/* 1 s, 2 s, … 60 s. */
static inline uint64_t
sp_mcp_backoff(unsigned failures)
{
	return failures > 6 ? 60000 : 500u << failures;
}

#endif
