/*
 * The engine behind <sallyport/server.h>: from one message of a client to its answer, both eras, no socket, no clock, no
 * loop.  Transports bring messages with who sent them, and carry away what the engine says; handlers run where `run` puts
 * them.  Everything but the functions for handlers (context.h) runs on one thread, the server's.
 */
#ifndef SP_SERVER_SERVER_H
#define SP_SERVER_SERVER_H

#include <sallyport/server.h>

#include "base/err.h"
#include "mcp/era.h"
#include "oauth/principal.h"
#include "wire/http1.h"

struct sp_exchange;

/* How an exchange ended. */
struct sp_reply {
	enum sp_status st;		/* its row in errors.def gives the HTTP status; SP_OK: 200, or 202 when json is empty */
	sp_slice json;			/* one JSON-RPC message, or empty */
	sp_slice session;		/* initialize: Mcp-Session-Id; else empty */
	sp_slice scope;			/* SP_E_SCOPE: all that are wanted, space separated */
	uint32_t retry_after_s;
};

/* None of these calls back into the engine: what a transport does next, it does when the engine has returned. */
struct sp_exchange_ops {
	/* A notification or a request of ours, before the answer, or on a stream.  `event`: an id by which the client may come
	 * back for what follows, or empty (an id with an empty json: only that id).  False: the client cannot be told (any
	 * more); `head` and `token` may be gone then, and sp_server_gone() follows soon, never from inside these functions. */
	bool (*send)(struct sp_exchange *x, sp_slice json, sp_slice event);
	/* The last that the engine says about this exchange. */
	void (*answer)(struct sp_exchange *x, const struct sp_reply *r);
	/* 2025 era: what was sent so far is all on this connection; the client comes back after so long.  Not an end of the call;
	 * sp_server_gone() follows soon. */
	void (*pause)(struct sp_exchange *x, uint32_t retry_ms);
	/* Bytes that the client has not taken yet. */
	size_t (*unread)(const struct sp_exchange *x);
};

/* One message, or one stream that is held; the transport's, part of what it keeps for a request. */
struct sp_exchange {
	const struct sp_exchange_ops *ops;
	void	*conn;			/* the transport's */
	void	*call;			/* the engine's; NULL: nothing runs */
	/* What the transport knows; all of it must stay until the exchange has ended. */
	struct sp_principal *who;	/* NULL: nobody.  The engine holds it where it needs it for longer */
	bool	 signed_in;		/* a provider accepted a credential */
	bool	 has_provider;		/* NULL provider: no 401 for anybody */
	sp_slice token;			/* as it came, for checks that ask; empty: none */
	sp_slice peer;			/* address as text, or empty */
	enum sp_transport transport;
	const struct sp_http_head *head;	/* NULL: not HTTP */
	/* Not HTTP: the session of this connection, as initialize answered it; empty before.  Its stream for what belongs to no
	 * request is begun by the transport then (sp_server_stream). */
	sp_slice session;
	bool	 streams;		/* send() works: Accept allows an event stream, or it is a stream anyway */
};

/* Where handlers run, and how the engine's thread is woken. */
struct sp_server_host {
	/* Runs job(arg) on some thread, or at once; false: no room. */
	bool	 (*run)(void *ctx, void (*job)(void *arg), void *arg);
	/* From any thread: sp_server_turn() is to be called soon on the server's.  A lock is held: it must not wait, nor call the
	 * engine. */
	void	 (*wake)(void *ctx);
	uint64_t (*now_ms)(void *ctx);
	int64_t	 (*now_s)(void *ctx);
	void	*ctx;
};

/* Checks everything and begins; the public sp_server_check() is the first half of it.  Once. */
SP_MUST enum sp_status sp_server_begin(struct sp_server *s, const struct sp_server_host *host, struct sp_error *e);
/* A message has come in.  `body`: borrowed for the call.  The answer may come before this returns. */
void sp_server_message(struct sp_server *s, struct sp_exchange *x, sp_slice body);
/* GET of the 2025 era: a stream for what belongs to no request; `last`: Last-Event-ID or empty.  Refusals come by answer(). */
void sp_server_stream(struct sp_server *s, struct sp_exchange *x, sp_slice session, sp_slice last);
/* DELETE of the 2025 era: 200, or 404 for what is not this caller's. */
void sp_server_session_end(struct sp_server *s, struct sp_exchange *x, sp_slice session);
/* The client has gone: nothing more is said about this exchange, and it is not touched again.  Modern calls are cancelled. */
void sp_server_gone(struct sp_server *s, struct sp_exchange *x);
/* Handlers on other threads have said something. */
void sp_server_turn(struct sp_server *s);
/* Time-outs; returns after how many ms at the latest to call again.  UINT64_MAX: not before something comes in. */
uint64_t sp_server_tick(struct sp_server *s);
/* Streams end with a last word, new calls are refused; sp_server_busy(): how many calls run. */
void sp_server_drain(struct sp_server *s);
uint32_t sp_server_busy(const struct sp_server *s);

/*
 * What lib hangs on a server: its grants and documents (lib/outbound).  begin() comes from whoever serves it, before the
 * first message.  end() too, on the server's thread, while the loop still runs, after the drain and *before* workers are
 * waited for: handlers that wait for an answer get none, and its handles are closed (the loop needs a turn to let go of
 * them).  free() from sp_server_free(), after the last handler; it calls end() when nobody has.
 */
struct uv_loop_s;
struct sp_server_part {
	void	*p;			/* NULL: none */
	bool	 (*check)(void *p, void (*say)(void *ctx, const char *text), void *ctx);	/* false: mistakes, each said */
	enum sp_status (*begin)(void *p, struct uv_loop_s *loop, struct sp_error *e);	/* loop NULL: fed by hand */
	void	 (*end)(void *p);
	void	 (*free)(void *p);
};
struct sp_server_part *sp_server_outbound(struct sp_server *s);
/* The same for what lib carries messages with: its threads.  end() is the first that sp_server_free() does after the outbound
 * part's end(): it waits until no handler runs, and nothing is run any more.  free() is the last: wake() may be called until
 * then.  check and begin are not called. */
struct sp_server_part *sp_server_transport(struct sp_server *s);
/* One more mistake of how the server was put together, for sp_server_check(). */
void sp_server_mistake(struct sp_server *s, const char *format, ...) SP_PRINTF(2, 3);

/* For handlers of lib: the whole of a CallToolResult as JSON, in place of the pieces of context.h.  Its structured part is
 * not compared with a schema: it is what a document promised for somebody else. */
enum sp_rc sp_context_result(struct sp_context *ctx, sp_slice json);
/* drop(p) comes when the context goes.  False: no memory, and p stays the caller's.  By the thread that has the context. */
SP_MUST bool sp_context_keep(struct sp_context *ctx, void *p, void (*drop)(void *p));

/* For transports. */
const struct sp_server_options *sp_server_opts(const struct sp_server *s);	/* the server's own copy */
void sp_server_url(struct sp_server *s, sp_slice url);		/* learned from the listener, when options have none */

#endif
