/*
 * The outbound half of a server, inside: grants, doors (what one configuration of our own making compiles to: an API of a
 * document, or the place of a grant), and the calls through them.  Grants and doors are made before the server begins
 * and stay as they are; everything else but the queue of requests is the loop's thread's.
 *
 *	handler, worker ──▶ queue ──▶ sp_outcall_start() ──▶ pool of the door ──▶ upstream
 *	tool, loop ─────────────────────────┘                        │
 *	        done() ◀── cleared of all secrets by its adapter ◀───┘
 */
#ifndef SP_LIB_OUTBOUND_H
#define SP_LIB_OUTBOUND_H

#include <sallyport/context.h>
#include <sallyport/outbound.h>

#include "base/arena.h"
#include "image/image.h"
#include "openapi/bind.h"
#include "outbound/direct.h"
#include "outbound/scrub.h"
#include "server/server.h"
#include "vault/secret.h"

#include <pthread.h>
#include <uv.h>

enum {
	SP_OUT_CALLS = 1024,		/* at once, of all doors */
	SP_OUT_ANSWER = 8 << 20,	/* bytes of an answer, unless its asker says more */
	SP_OUT_ANSWER_MAX = 64 << 20,
	SP_OUT_SECONDS_MAX = 3600,
};

struct sp_outbound;

/* A secret and where it may go, as sp_grant() said. */
struct sp_grant {
	struct sp_grant *next;
	char	*name, *secret, *as, *url;	/* as: NULL: what the document says, else bearer */
	struct sp_uri uri;			/* of url */
	uint32_t methods;			/* bit 1<<enum sp_method; 0: any */
	bool	 basic;				/* somewhere it is sent as user:password */
	struct sp_secret *value;		/* NULL: not read (yet) */
	struct sp_door *door;			/* for requests of handlers; NULL: the grant is a mistake */
};

/* One server of one image, and the connections to it. */
struct sp_door {
	struct sp_door *next;
	struct sp_outbound *o;
	char	*name;				/* for the log */
	struct sp_imgb built;
	struct sp_image img;
	const struct sp_img_server *server;
	struct sp_grant **grants;		/* one for each of the server's */
	struct sp_secret **secrets;		/* their values, borrowed */
	struct sp_direct *direct;		/* made when it is first used */
	struct sp_outtool *tools;		/* openapi.c: arguments of handlers */
};

enum sp_outcall_end {
	SP_OUT_ANSWERED,		/* a is the answer; not yet cleared */
	SP_OUT_REFUSED,			/* sp_inject() said no, with `st`; nothing was sent */
	SP_OUT_FAULT,			/* `fault` */
	SP_OUT_LATE, SP_OUT_CANCELLED, SP_OUT_STOPPED,	/* by time, by the client, by the end of the server */
	SP_OUT_CROWDED			/* no room, or no connection can be tried */
};
struct sp_outcall_result {
	enum sp_outcall_end end;
	const struct sp_pool_answer *a;
	enum sp_pool_fault fault;
	enum sp_status st;
	bool	 sent;			/* a byte of the request may have arrived */
};

/* One request on its way; part of what an adapter keeps, which frees it in done() or later. */
struct sp_outcall {
	struct sp_pool_job job;		/* identity, origin, safe, no_body, body, limit: set by the adapter */
	struct sp_door *door;
	struct sp_img_op op;		/* what sp_inject() reads of it */
	struct sp_request req;
	struct sp_context *ctx;		/* asked whether it was cancelled, as long as the call runs; NULL: nobody to ask */
	uint32_t timeout_ms;
	/* Once, on the loop's thread; possibly inside sp_outcall_start(). */
	void	 (*done)(struct sp_outcall *c, const struct sp_outcall_result *r);

	struct sp_outcall *next, *prev;	/* running, or in the queue */
	uint64_t deadline_ms;
	char	 why[400];		/* of a refusal, for the log */
};

/* What the loop has of us; its memory goes when all handles are closed. */
struct sp_outloop {
	uv_async_t wake;
	uv_timer_t sweep;
	unsigned open;
	struct sp_outbound *o;		/* NULL: it has ended */
};

enum sp_outphase { SP_OUT_NEW, SP_OUT_SERVES, SP_OUT_ENDED };

struct sp_outbound {
	struct sp_server *server;
	pthread_mutex_t lock;		/* of phase, queue, and of what a waiting handler is told */
	struct sp_grant *grants;
	enum sp_outphase phase;
	struct sp_outcall *queue, *queue_last;	/* from other threads */
	unsigned nqueue;
	pthread_t thread;		/* the server's */

	struct sp_door *doors;
	struct sp_outloop *loop;
	struct sp_outcall *first;	/* running */
	unsigned ncalls;
	bool	 sweeping;
	unsigned telling;		/* done() of a call is being run */
	bool	 holds;			/* sp_secret_hold() */
	void	*head;			/* locked, for all pools */
	struct sp_tls_context *tls;
	struct sp_scrub *scrub;		/* of every secret */
	struct sp_out scratch, scrubbed;
};

/* outbound.c */
/* The server's, made when first asked for; NULL: no memory, and that is a mistake of the server. */
struct sp_outbound *sp_outbound_of(struct sp_server *s);
/* The same without making it. */
struct sp_outbound *sp_outbound_find(struct sp_server *s);
struct sp_grant *sp_grant_find(struct sp_outbound *o, sp_slice name);
bool sp_outbound_here(struct sp_outbound *o);		/* is this the server's thread? */
struct sp_out *sp_outbound_room(struct sp_out *o, size_t most);	/* emptied */
void sp_outbound_room_done(struct sp_out *o);		/* wiped, and freed when it is large */

/* outcall.c */
/* To the loop, from any thread.  False: it has ended, was never begun, or is full. */
SP_MUST bool sp_outcall_queue(struct sp_outbound *o, struct sp_outcall *c);
/* On the loop's thread.  done() follows. */
void sp_outcall_start(struct sp_outcall *c);
/* What a call that came to nothing is told; empty: it was answered. */
sp_slice sp_outcall_text(const struct sp_outcall_result *r);
void sp_outcalls_take(struct sp_outbound *o);		/* from the queue */
void sp_outcalls_stop(struct sp_outbound *o);		/* all of them end; o->phase says so already */

/* door.c */
struct sp_door_what {
	const char *name;		/* of the provider or grant, for findings */
	const char *server;		/* [a-z][a-z0-9-]{0,31}: prefix of the tools' shown names */
	const char *document, *url;	/* document NULL: the place of a grant */
	const char *const *keys;	/* names of its grants: schemes of the document */
	struct sp_grant *const *grants;
	uint32_t ngrants;
};
/* Compiles; NULL: what is wrong was said as mistakes of the server. */
struct sp_door *sp_door_new(struct sp_outbound *o, const struct sp_door_what *what);
void sp_door_free(struct sp_door *d);
/* Its secrets have been read.  Before: SP_E_UNAVAILABLE for its calls. */
void sp_door_secrets(struct sp_door *d);
/* Its connections, made when there are none; NULL: it cannot be, and the log says why. */
struct sp_pool *sp_door_pool(struct sp_door *d, const struct sp_pool_ops *ops);

/* openapi.c */
void sp_outtools_free(struct sp_door *d);

#endif
