/*
 * A server while it is served: the loop or the hand that turns it, its workers, who has a credential.  Several transports may
 * share it (HTTP and stdio in one loop, many connections by hand); it is made by the first and ends with the last.  Belongs
 * to the server (sp_server_transport) and is freed with it.
 */
#ifndef SP_LIB_SERVING_H
#define SP_LIB_SERVING_H

#include <sallyport/transport.h>

#include "auth/chain.h"
#include "lib/workers.h"
#include "server/server.h"

#include <pthread.h>
#include <uv.h>

struct sp_lib_fetch;
struct sp_serving;

/* What a transport keeps of an exchange; the first member of its own structure, from malloc. */
struct sp_served {
	struct sp_exchange x;
	struct sp_served *next;
	void	(*free)(struct sp_served *s);	/* after its end, never while the engine is at work */
	bool	begun, answered, gone;
};

struct sp_serving {
	struct sp_server *server;
	struct sp_server_host host;
	struct sp_workers *workers;		/* NULL: by hand, handlers run at once */
	uv_loop_t *loop;			/* NULL: by hand */
	uv_async_t wake;
	uv_timer_t timer;
	pthread_mutex_t lock;			/* of the next two */
	bool	 awake;				/* `wake` may be sent to */
	bool	 woken;				/* by hand: sp_server_turn() is to be called */
	uint64_t due_ms;			/* of the timer; UINT64_MAX: none */
	struct sp_clock now;			/* by hand */
	unsigned users, depth;
	unsigned handles;			/* of `wake` and `timer`: that the loop still has */
	bool	 last_turn;			/* they are closed for good; one more turn is for what others closed */
	bool	 over, orphan;
	struct sp_served *ended;		/* wait until the engine is out of the way */
	void	(*left)(void *arg);
	void	*left_arg;
	/* Who calls.  chain NULL: the server has no provider. */
	struct sp_chain *chain;
	struct sp_lib_fetch *fetch;
	struct sp_out url, metadata, metadata_url;	/* metadata empty: none */
};

/* One more transport serves `server`; the first begins it.  `loop` NULL: by hand, then `now` is the time.  `url`: its resource
 * identifier, when its options have none; may be empty.  NULL: *error says why, and nothing is left. */
struct sp_serving *sp_serving_join(struct sp_server *server, uv_loop_t *loop, sp_slice url, struct sp_clock now,
    struct sp_error *error);
/* Its provider is made ready for credentials, if it has one: for transports that carry them.  Once is enough. */
SP_MUST bool sp_serving_guard(struct sp_serving *s, struct sp_error *error);
/* One less.  left(arg) is called when nothing of it is in the loop any more; the server cannot be served again then, but by
 * hand. */
void sp_serving_leave(struct sp_serving *s, void (*left)(void *arg), void *arg);
/* No new calls, if this is the last transport. */
void sp_serving_drain(struct sp_serving *s);

/* The engine's functions, after which ends are tidied up and time-outs looked after. */
void sp_serving_message(struct sp_serving *s, struct sp_served *v, sp_slice body);
void sp_serving_stream(struct sp_serving *s, struct sp_served *v, sp_slice session, sp_slice last);
void sp_serving_session_end(struct sp_serving *s, struct sp_served *v, sp_slice session);
/* The transport's part of it is over: the engine is told if it does not know, then it is freed; all in good time. */
void sp_serving_end(struct sp_serving *s, struct sp_served *v);

/* By hand: what time it is, and what was said on other threads; returns when to come again at the latest. */
void sp_serving_turn(struct sp_serving *s, struct sp_clock now);
uint64_t sp_serving_tick(struct sp_serving *s);

/* Fills *error (which may be NULL); false. */
bool sp_lib_fail(struct sp_error *error, enum sp_rc rc, const char *format, ...) SP_PRINTF(3, 4);

#endif
