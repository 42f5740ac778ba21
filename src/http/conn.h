/*
 * HTTP/1.1 connections: limits, deadlines, one request at a time in order, answers.  What a request means is the service's
 * business (front, manage and the library are three); where bytes come from and go to, and what time it is, is a small
 * table: sockets in a loop (listen.c), or memory (lib/bytes.c).
 *
 * A connection that waits for a request holds no buffers: those belong to a `work`, taken
 * from a pool when bytes come and given back when the answer is out.  Everything is
 * bounded: head and body by the limits, bytes pipelined behind a request by the read
 * buffer, an unread answer by the credit of the call behind it.
 */
#ifndef SP_HTTP_CONN_H
#define SP_HTTP_CONN_H

#include "base/arena.h"
#include "base/hash.h"
#include "os/shared.h"
#include "wire/http1.h"

#include <sys/uio.h>
#include <uv.h>

struct sp_conn;
struct sp_hub;

/* What a connection can wait for; the values are libuv's. */
enum sp_conn_want { SP_WANT_READ = UV_READABLE, SP_WANT_WRITE = UV_WRITABLE, SP_WANT_HANGUP = UV_DISCONNECT };

struct sp_conn_io {
	uint64_t (*now_ms)(const struct sp_hub *h);	/* never goes back */
	int64_t	 (*now_s)(const struct sp_hub *h);	/* Unix time */
	bool	 (*open)(struct sp_conn *c);		/* false: it cannot be watched */
	ssize_t	 (*read)(struct sp_conn *c, void *buf, size_t n);	/* as read(2) with O_NONBLOCK */
	ssize_t	 (*write)(struct sp_conn *c, const struct iovec *iov, int n);	/* as writev(2) */
	void	 (*arm)(struct sp_conn *c, int want);	/* from now on sp_conn_ready() comes for exactly these */
	bool	 (*shut)(struct sp_conn *c);		/* we say nothing more; false: then close it at once */
	void	 (*close)(struct sp_conn *c);		/* calls sp_conn_free() when nothing refers to it any more */
	void	 (*sweep)(struct sp_hub *h, bool on);	/* is sp_hub_sweep() to be called every SP_SWEEP_MS? */
	void	 (*stop)(struct sp_hub *h);		/* no new connections */
};

enum { SP_SWEEP_MS = 250 };

enum sp_conn_state {
	SP_CONN_WAIT,		/* for a request, or for the rest of its head */
	SP_CONN_HELD,		/* the head waits for somebody's word before its body is read */
	SP_CONN_BODY,		/* the head was accepted, the body is coming */
	SP_CONN_PARKED,		/* the answer will come from elsewhere */
	SP_CONN_STREAM,		/* the answer has begun, more of it will come */
	SP_CONN_FLUSH,		/* the answer is complete, the client has yet to read it */
	SP_CONN_DISCARD,	/* answered before the body was read: the rest of it is thrown away */
	SP_CONN_LINGER,		/* our side is shut; what still comes is thrown away */
	SP_CONN_CLOSED
};

enum sp_conn_events_state { SP_EVENTS_NONE, SP_EVENTS_BETWEEN, SP_EVENTS_INSIDE };

/* What a request under way needs. */
struct sp_work {
	struct sp_work *next;
	struct sp_http1 http;
	struct sp_arena arena;	/* for one request */
	sp_slice	body;	/* so far; complete when the service's body() is called */
	struct sp_out	spill;	/* the body, when it does not lie contiguous in buf */
	size_t pos, len;	/* bytes of buf: understood, read */
	size_t keep;		/* the head, which stays until the request is over */
	size_t high;		/* bytes of buf that have to be wiped */
	size_t cap;
	char   buf[];
};

struct sp_conn {
	uv_poll_t poll;
	struct sp_hub *hub;
	struct sp_conn *prev, *next;	/* in hub->waiting or hub->busy */
	struct sp_work *w;
	void	*req;			/* the service's, in the arena of w */
	void	*mine;			/* the service's, from malloc, as long as the connection lives */
	uint64_t deadline_ms;		/* 0: none */
	uint64_t answer_left;		/* SP_CONN_STREAM: bytes of the answer that were not handed over yet */
	uint64_t stall_ms;		/* slow readers: start of the window, bytes written in it */
	size_t	 stall_bytes;
	uint64_t said_ms;		/* an event stream: when anything was last sent on it */
	size_t	 discarded;
	uint64_t peer_key;		/* keyed hash of the client's network address */
	struct sp_out out;		/* what could not be written yet */
	size_t	 out_from;
	int	 fd;
	int	 armed;			/* enum sp_conn_want: what is waited for */
	uint32_t index;
	uint16_t turn;			/* counts requests: with index, names this request */
	uint8_t	 state;			/* enum sp_conn_state */
	uint8_t	 events;		/* enum sp_conn_events_state, of a SP_CONN_STREAM */
	bool	 chunked;		/* the event stream is; else the end of the connection ends it */
	bool	 local;			/* came in by a Unix listener */
	bool	 metrics;		/* came in by one of the last listeners, hub->nmetrics of them */
	bool	 close_after;		/* no further request */
	bool	 body_done;		/* the whole request was read */
	bool	 stepping;		/* advance() is on the stack */
	bool	 eof;			/* the client will send nothing more */
	bool	 in_waiting;
	bool	 head_only;		/* the answer to HEAD has no body */
	bool	 bad;			/* framing broke: nothing further is ever parsed */
};

enum sp_take { SP_TAKE_BODY, SP_TAKE_DONE, SP_TAKE_WAIT };

struct sp_service {
	/* The head is there (c->w->http.head).  SP_TAKE_DONE: it was answered.  SP_TAKE_WAIT: sp_conn_hold() was called. */
	enum sp_take (*head)(struct sp_conn *c);
	/* The whole body is there (c->w->body): answer, or sp_conn_park(). */
	void (*body)(struct sp_conn *c);
	/* The deadline of a held, parked or streaming request has passed: answer or sp_conn_abort(). */
	void (*late)(struct sp_conn *c);
	/* Bytes of a streamed answer left for the client. */
	void (*sent)(struct sp_conn *c);
	/* The request is over, answered or not; the last call with this c->req.  Called only if c->req was set. */
	void (*end)(struct sp_conn *c);
};

/* So many log lines a second; the rest is counted. */
struct sp_quota { uint64_t since_ms; uint32_t used, dropped; };

struct sp_hub_limits {
	size_t	 head;
	uint64_t body;
	uint32_t connections;
	uint64_t head_ms, body_ms, idle_ms;
	size_t	 unread;		/* of one connection, over which it is closed; 0: 16 MB */
};

struct sp_listener { uv_poll_t poll; struct sp_hub *hub; int fd; };

struct sp_conn_list { struct sp_conn *first, *last; };

struct sp_hub {
	const struct sp_conn_io *io;
	void	*io_ctx;		/* the table's */
	uv_loop_t *loop;		/* NULL: memory */
	const struct sp_service *svc;
	void	*ctx;			/* the service's */
	struct sp_hub_limits lim;
	struct sp_hash_key seed;
	struct sp_conn **table;		/* by index */
	uint32_t *free_index;
	uint16_t *turn;			/* by index: of the next connection there */
	uint32_t nfree, nconn;
	/* Without a complete head, and lingering; oldest first: these go when room is needed. */
	struct sp_conn_list waiting;
	struct sp_conn_list busy;
	struct sp_work *pool;
	uint32_t npool;
	struct sp_out head;		/* scratch for answer heads */
	struct sp_listener listeners[32];
	uint32_t nlisten, nmetrics;	/* nmetrics: set before sp_hub_listen() */
	int	 reserve;		/* a descriptor kept for the day when there are none left */
	uv_timer_t sweep;
	bool	 sweeping;
	struct sp_quota lines;		/* of the log, about connections */
	bool	 draining;
	void   (*empty)(void *ctx);	/* called when the last connection is gone while draining */
	int64_t	 date_s;
	char	 date[40];
	struct sp_counters *counters;	/* NULL: nothing is counted */
	uint32_t row;
};

/* Connections that come from this loop.  Takes memory and the reserve descriptor: before the jail. */
SP_MUST enum sp_status sp_hub_init(struct sp_hub *h, uv_loop_t *loop, const struct sp_service *svc, void *ctx,
    struct sp_hub_limits lim, struct sp_hash_key seed, struct sp_err *e);
/* Starts accepting on inherited, non-blocking listeners. */
SP_MUST enum sp_status sp_hub_listen(struct sp_hub *h, const int *fds, uint32_t n, struct sp_err *e);
/* Takes over a connected socket.  SP_E_UNAVAILABLE: no room; fd was closed. */
SP_MUST enum sp_status sp_hub_adopt(struct sp_hub *h, int fd, uint64_t peer_key);
/* No new connections and requests; h->empty is called when the last one is over, perhaps at once. */
void sp_hub_drain(struct sp_hub *h);
/* Closes everything; memory is freed when the loop has let go (run it once more). */
void sp_hub_close(struct sp_hub *h);

/* The same for connections over another table: memory, one connection, deadlines, the end. */
SP_MUST enum sp_status sp_hub_prepare(struct sp_hub *h, const struct sp_conn_io *io, const struct sp_service *svc, void *ctx,
    struct sp_hub_limits lim, struct sp_hash_key seed, struct sp_err *e);
struct sp_conn *sp_hub_join(struct sp_hub *h, int fd, uint64_t peer_key);	/* NULL: no room; fd is still open */
void sp_hub_sweep(struct sp_hub *h);
void sp_hub_wipe(struct sp_hub *h);
void sp_conn_free(struct sp_conn *c);
/* Some of what it waits for is there: enum sp_conn_want; 0: the connection is broken. */
void sp_conn_ready(struct sp_conn *c, int what);

/* Sockets; a service may have a copy with a function of its own. */
extern const struct sp_conn_io sp_socket_io;

/* Its clock. */
static inline uint64_t
sp_hub_now(const struct sp_hub *h)
{
	return h->io->now_ms(h);
}

/* The connection whose request has this name, or NULL when that request is over. */
struct sp_conn *sp_hub_find(struct sp_hub *h, uint32_t request);
uint32_t sp_conn_request(const struct sp_conn *c);

/* The head waits for somebody else, at most so many milliseconds; then on with its body, or an answer. */
void sp_conn_hold(struct sp_conn *c, uint64_t ms);
void sp_conn_go(struct sp_conn *c);
/* The request waits for somebody else, at most so many milliseconds. */
void sp_conn_park(struct sp_conn *c, uint64_t ms);
/* Ends the connection without (the rest of) an answer. */
void sp_conn_abort(struct sp_conn *c);
/* Bytes that the client has not taken yet. */
size_t sp_conn_unread(const struct sp_conn *c);

struct sp_answer {
	unsigned status;
	sp_slice type;			/* Content-Type; empty with no body */
	sp_slice cache;			/* Cache-Control; empty: no-store */
	struct { const char *name; sp_slice value; } extra[3];
	unsigned nextra;
	uint32_t retry_after_s;		/* 0: none */
	bool	 close;
};

/* A whole answer: `a` and the body in pieces. */
void sp_conn_answer(struct sp_conn *c, const struct sp_answer *a, const sp_slice *body, unsigned n);
/* The same, of which only the first pieces are there: `total` bytes in all. */
void sp_conn_stream(struct sp_conn *c, const struct sp_answer *a, uint64_t total, const sp_slice *body, unsigned n);
/* More of a streamed answer; never more than its total. */
void sp_conn_more(struct sp_conn *c, const sp_slice *body, unsigned n);

/*
 * An answer of unknown length: Server-Sent Events, chunked.  sp_conn_events_begin() sends the head (Cache-Control: no-store,
 * X-Accel-Buffering: no) and no event yet.  A comment goes out whenever the stream was silent for SP_SSE_SILENCE_MS, and is
 * also what finds a client that is gone.  An event is one line of JSON; line breaks in it become spaces.
 */
enum { SP_SSE_SILENCE_MS = 15000 };
void sp_conn_events_begin(struct sp_conn *c, const struct sp_answer *a);
/* One event, from pieces of one JSON text that follow each other. */
void sp_conn_event(struct sp_conn *c, const sp_slice *json, unsigned n);
/* The same with an id (printable, no line break), by which the client may come back; `json` may be empty. */
void sp_conn_event_with(struct sp_conn *c, sp_slice id, sp_slice json);
/* Tells the client after how long it may come back. */
void sp_conn_event_retry(struct sp_conn *c, uint32_t ms);
/* The same while the text is not all there: begin, any number of pieces, end. */
void sp_conn_event_begin(struct sp_conn *c);
void sp_conn_event_piece(struct sp_conn *c, sp_slice json);
void sp_conn_event_end(struct sp_conn *c);
/* The stream is over; the connection goes on. */
void sp_conn_events_end(struct sp_conn *c);
/* For a stream that is held long: its request was read and is needed no more, so its buffers are given back.  The service
 * must have moved c->req out of the arena before; the connection ends with the stream. */
void sp_conn_slim(struct sp_conn *c);

/* May a line be written?  Whoever can cause a line must not be able to flood the log. */
SP_MUST bool sp_quota_take(struct sp_quota *q, uint64_t now_ms);
SP_MUST bool sp_hub_may_log(struct sp_hub *h);

/* Internal to this folder. */
void sp_conn_close(struct sp_conn *c);
bool sp_hub_evict(struct sp_hub *h);		/* ends who has waited longest without a complete request; false: nobody does */
void sp_conn_over(struct sp_conn *c);		/* the answer is out: next request, or the end */
void sp_conn_arm(struct sp_conn *c);
void sp_conn_list(struct sp_conn *c, bool waiting);
void sp_conn_sweep(struct sp_conn *c, uint64_t now);
bool sp_conn_flush(struct sp_conn *c);		/* false: the connection is gone */
bool sp_conn_put(struct sp_conn *c, const struct iovec *iov, int n);	/* the same */
void sp_conn_settle(struct sp_conn *c);
enum { SP_LENGTH_CHUNKED = -1, SP_LENGTH_CLOSE = -2 };
void sp_conn_head(struct sp_conn *c, struct sp_out *o, const struct sp_answer *a, int64_t length);
void sp_conn_events_sweep(struct sp_conn *c, uint64_t now);
struct sp_work *sp_work_get(struct sp_hub *h);
void sp_work_put(struct sp_hub *h, struct sp_work *w);
void sp_work_clear(struct sp_work *w);		/* forgets the request, keeps bytes after it */

#endif
