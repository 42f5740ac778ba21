/*
 * How bytes come in: Streamable HTTP, stdio, a loop of one's own, or by hand.  A server is served by one thread.
 */
#ifndef SALLYPORT_TRANSPORT_H
#define SALLYPORT_TRANSPORT_H

#include <sallyport/server.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;		/* uv_loop_t */

/* ---- the whole program */

/* Serves over HTTP until SIGINT or SIGTERM: "127.0.0.1:8000", "[::1]:8000" or "unix:PATH"; NULL: $SALLYPORT_LISTEN, else
 * 127.0.0.1:8000.  The path is that of the server's url, else /mcp.  Returns an exit code; what is wrong goes to standard
 * error. */
SP_API int sp_server_run(struct sp_server *server, const char *listen);
/* Serves standard input and output until the end of input. */
SP_API int sp_server_run_stdio(struct sp_server *server);

/* ---- HTTP in a loop of one's own; several servers on one listener */

struct sp_http;
struct sp_http_options {
	size_t	    size;
	const char *const *listen;		/* as above */
	const char *const *origins;		/* values of Origin beside the servers' own */
	const char *const *hosts;		/* values of Host beside those of listen and the servers' urls */
	unsigned    max_connections;		/* 4096 */
	unsigned    head_time_s, body_time_s, idle_time_s;	/* 10, 30, 60 */
};
/* The same with the options as arguments: sp_http_new(loop, .max_connections = 64). */
#define sp_http_new(loop, ...) sp_http_create((loop), &(const struct sp_http_options){ \
	.size = sizeof(struct sp_http_options), __VA_ARGS__ })
/* `loop`: where everything runs; it must outlive this, and be the caller's thread's. */
SP_API struct sp_http *sp_http_create(struct uv_loop_s *loop, const struct sp_http_options *options);
/* Serves `server` at the path of its url (or at `path`), with metadata of its own. */
SP_API void sp_http_serve(struct sp_http *http, struct sp_server *server, const char *path);
/* Opens the listeners.  False: *error says why. */
SP_API SP_CHECKED bool sp_http_start(struct sp_http *http, struct sp_error *error);
/* The port of the first TCP listener (for "127.0.0.1:0"); 0: none. */
SP_API unsigned sp_http_port(const struct sp_http *http);
/* Stops accepting, ends streams, lets calls finish for so long; then `closed` is called and nothing of it is left in the loop. */
SP_API void sp_http_close(struct sp_http *http, unsigned drain_ms, void (*closed)(void *arg), void *arg);
/* After `closed`, or before sp_http_start(). */
SP_API void sp_http_free(struct sp_http *http);

/* ---- stdio in a loop of one's own */

struct sp_stdio;
/* Reads and writes these descriptors (0, 1), which become non-blocking; `ended` comes at the end of input, when all answers
 * are out. */
SP_API struct sp_stdio *sp_stdio_start(struct sp_server *server, struct uv_loop_s *loop, int in, int out,
    void (*ended)(void *arg), void *arg, struct sp_error *error);
SP_API void sp_stdio_free(struct sp_stdio *io);

/*
 * ---- bytes by hand: no descriptor, no loop, no thread, no clock
 *
 * Handlers run inside sp_bytes_feed() and sp_bytes_tick(); deferred ones end when they say so.  `now_ms` is a clock that never
 * goes back; `now_s` is Unix time, for tokens.
 */
struct sp_bytes;
enum sp_bytes_kind { SP_BYTES_HTTP = 1, SP_BYTES_STDIO };
struct sp_clock { uint64_t now_ms; int64_t now_s; };
/* One connection; `peer` is its address as text, or NULL. */
SP_API struct sp_bytes *sp_bytes_open(struct sp_server *server, enum sp_bytes_kind kind, const char *peer,
    struct sp_clock now, struct sp_error *error);
/* What the client sent.  False: the connection is over (take what is left). */
SP_API bool sp_bytes_feed(struct sp_bytes *conn, const void *bytes, size_t n, struct sp_clock now);
/* The client will send nothing more. */
SP_API void sp_bytes_end(struct sp_bytes *conn, struct sp_clock now);
/* Copies at most `cap` bytes for the client; returns how many. */
SP_API size_t sp_bytes_take(struct sp_bytes *conn, void *buf, size_t cap);
/* Time passes; returns after how many ms it wants to be called again at the latest. */
SP_API uint64_t sp_bytes_tick(struct sp_bytes *conn, struct sp_clock now);
SP_API void sp_bytes_close(struct sp_bytes *conn);

#ifdef __cplusplus
}
#endif

#endif
