/*
 * Bytes by hand: the same HTTP service over connections in memory, and the same lines.  What the service cannot take yet waits
 * here, bounded; what the client has not taken yet stays with the connection, so a slow reader is one here too.
 */
#include <sallyport/transport.h>

#include "base/log.h"
#include "lib/lines.h"
#include "lib/service.h"

#include <errno.h>
#include <stdlib.h>

enum { OUT_ROOM = 65536, WAITING_MAX = 1 << 20 };

struct sp_bytes {
	struct sp_serving *serving;
	enum sp_bytes_kind kind;
	char	*peer;			/* NULL: not said */
	struct sp_clock now;
	bool	 over;			/* the client is told nothing more than what is here */
	bool	 ended;			/* the client sends nothing more */
	bool	 working;		/* bytes are given to the connection further up */

	/* SP_BYTES_HTTP */
	struct sp_endpoint endpoint;
	struct sp_conn *conn;		/* NULL: closed */
	struct sp_conn *gone;		/* closed, but still in use further up */
	sp_slice given;			/* what feed() was called with and is not read yet */
	struct sp_out waiting;		/* read before `given` */
	size_t	 waiting_from;
	struct sp_out out;		/* at most OUT_ROOM: what a socket's buffer would be */
	size_t	 out_from;
	bool	 sweeping;

	struct sp_lines lines;		/* SP_BYTES_STDIO */
};

/* ---------------------------------------------------------------- a connection in memory */

static struct sp_bytes *
of(const struct sp_conn *c)
{
	return c->hub->io_ctx;
}

static uint64_t
memory_now_ms(const struct sp_hub *h)
{
	const struct sp_bytes *b = h->io_ctx;

	return b->now.now_ms;
}

static int64_t
memory_now_s(const struct sp_hub *h)
{
	const struct sp_bytes *b = h->io_ctx;

	return b->now.now_s;
}

static bool
memory_open(struct sp_conn *c)
{
	return true;
}

static ssize_t
memory_read(struct sp_conn *c, void *buf, size_t n)
{
	struct sp_bytes *b = of(c);
	sp_slice from = sp_sub(sp_out_view(&b->waiting), b->waiting_from, n);

	if (from.n != 0) {
		memcpy(buf, from.p, from.n);
		b->waiting_from += from.n;
		if (b->waiting_from == b->waiting.n) {
			sp_out_wipe(&b->waiting);
			b->waiting_from = 0;
		}
		return (ssize_t)from.n;
	}
	if (sp_take_n(&b->given, n < b->given.n ? n : b->given.n, &from) && from.n != 0) {
		memcpy(buf, from.p, from.n);
		return (ssize_t)from.n;
	}
	if (b->ended)
		return 0;
	errno = EAGAIN;
	return -1;
}

static ssize_t
memory_write(struct sp_conn *c, const struct iovec *iov, int n)
{
	struct sp_bytes *b = of(c);
	size_t room = OUT_ROOM - (b->out.n - b->out_from), done = 0;

	for (int i = 0; i < n && room != 0; i++) {
		size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;

		sp_out_add(&b->out, iov[i].iov_base, part);
		done += part;
		room -= part;
	}
	if (b->out.full) {
		errno = ENOMEM;
		return -1;
	}
	if (done != 0)
		return (ssize_t)done;
	errno = EAGAIN;
	return -1;
}

static void
memory_arm(struct sp_conn *c, int want)
{
}

/* There is no way on which an answer could be lost: nothing is read after it. */
static bool
memory_shut(struct sp_conn *c)
{
	return false;
}

static void
memory_close(struct sp_conn *c)
{
	struct sp_bytes *b = of(c);

	b->gone = c;
	b->conn = NULL;
	b->over = true;
}

static void
memory_sweep(struct sp_hub *h, bool on)
{
	struct sp_bytes *b = h->io_ctx;

	b->sweeping = on;
}

static void
memory_stop(struct sp_hub *h)
{
}

static const struct sp_conn_io memory_io = {
	.now_ms = memory_now_ms, .now_s = memory_now_s, .open = memory_open, .read = memory_read, .write = memory_write,
	.arm = memory_arm, .shut = memory_shut, .close = memory_close, .sweep = memory_sweep, .stop = memory_stop,
};

static bool
has_input(const struct sp_bytes *b)
{
	return b->waiting.n != b->waiting_from || b->given.n != 0;
}

/* Everything that the connection can do now. */
static void
pump(struct sp_bytes *b)
{
	if (b->working)
		return;
	b->working = true;
	while (b->conn != NULL) {
		struct sp_conn *c = b->conn;
		int what = 0;

		if ((c->armed & SP_WANT_WRITE) != 0 && b->out.n - b->out_from < OUT_ROOM)
			what |= SP_WANT_WRITE;
		if ((c->armed & SP_WANT_READ) != 0 && (has_input(b) || b->ended))
			what |= SP_WANT_READ;
		else if ((c->armed & SP_WANT_HANGUP) != 0 && b->ended && !has_input(b))
			what |= SP_WANT_HANGUP;
		if (what == 0)
			break;
		sp_conn_ready(c, what);
	}
	b->working = false;
	if (b->gone != NULL)
		sp_conn_free(b->gone);
	b->gone = NULL;
}

/* ---------------------------------------------------------------- opening */

static bool
open_http(struct sp_bytes *b, struct sp_error *error)
{
	struct sp_endpoint *p = &b->endpoint;
	struct sp_hash_key seed = { 0 };
	struct sp_err e = { 0 };

	if (!sp_serving_guard(b->serving, error))
		return false;
	p->transport = SP_TRANSPORT_BYTES;
	p->peer = b->peer == NULL ? "" : b->peer;
	p->any_loopback = sp_server_opts(b->serving->server)->url == NULL;
	p->sites = calloc(1, sizeof *p->sites);
	p->nsites = p->sites == NULL ? 0 : 1;
	if (p->sites == NULL)
		return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for a connection");
	if (!sp_endpoint_site(p, &p->sites[0], b->serving, NULL, error))
		return false;
	if (sp_hub_prepare(&p->hub, &memory_io, &sp_lib_service, p, sp_endpoint_limits(p), seed, &e) != SP_OK)
		return sp_lib_fail(error, SP_RC_NO_MEMORY, "%s", e.log);
	p->hub.io_ctx = b;
	b->conn = sp_hub_join(&p->hub, -1, 0);
	return b->conn != NULL || sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for a connection");
}

static bool
open_it(struct sp_bytes *b, const char *peer, struct sp_error *error)
{
	const struct sp_server_options *opts = sp_server_opts(b->serving->server);

	if (peer != NULL && (b->peer = strdup(peer)) == NULL)
		return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for a connection");
	if (b->kind == SP_BYTES_HTTP)
		return open_http(b, error);
	sp_lines_init(&b->lines, b->serving, SP_TRANSPORT_BYTES, sp_str(b->peer == NULL ? "" : b->peer), opts->max_body);
	return true;
}

struct sp_bytes *
sp_bytes_open(struct sp_server *server, enum sp_bytes_kind kind, const char *peer, struct sp_clock now, struct sp_error *error)
{
	struct sp_bytes *b;

	if (kind != SP_BYTES_HTTP && kind != SP_BYTES_STDIO) {
		(void)sp_lib_fail(error, SP_RC_INVALID, "kind is SP_BYTES_HTTP or SP_BYTES_STDIO");
		return NULL;
	}
	b = calloc(1, sizeof *b);
	if (b == NULL) {
		(void)sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for a connection");
		return NULL;
	}
	b->kind = kind;
	b->now = now;
	sp_out_heap(&b->out, 2 * OUT_ROOM);
	b->serving = sp_serving_join(server, NULL, (sp_slice){ NULL, 0 }, now, error);
	if (b->serving == NULL) {
		free(b);
		return NULL;
	}
	sp_out_heap(&b->waiting, WAITING_MAX + sp_server_opts(server)->max_body);
	if (!open_it(b, peer, error)) {
		sp_bytes_close(b);
		return NULL;
	}
	return b;
}

/* ---------------------------------------------------------------- use */

static void
set_clock(struct sp_bytes *b, struct sp_clock now)
{
	if (now.now_ms > b->now.now_ms)
		b->now.now_ms = now.now_ms;
	b->now.now_s = now.now_s;
	sp_serving_turn(b->serving, b->now);
}

bool
sp_bytes_feed(struct sp_bytes *b, const void *bytes, size_t n, struct sp_clock now)
{
	set_clock(b, now);
	if (b->over || b->ended)
		return false;
	if (b->kind == SP_BYTES_STDIO) {
		sp_lines_feed(&b->lines, sp_mem(bytes, n));
		b->over = b->lines.closed;
		return !b->over;
	}
	b->given = sp_mem(bytes, n);
	pump(b);
	if (b->given.n != 0 && b->conn != NULL) {
		/* Behind a request that has not been answered yet. */
		if (b->waiting_from != 0) {
			memmove(b->waiting.p, b->waiting.p + b->waiting_from, b->waiting.n - b->waiting_from);
			b->waiting.n -= b->waiting_from;
			b->waiting_from = 0;
		}
		sp_out_slice(&b->waiting, b->given);
		if (b->waiting.full) {
			sp_log(SP_INFO, "bytes.refused", SP_C("reason", "too much behind a request"));
			sp_conn_abort(b->conn);
			pump(b);
		}
	}
	b->given = (sp_slice){ NULL, 0 };
	pump(b);
	return !b->over;
}

void
sp_bytes_end(struct sp_bytes *b, struct sp_clock now)
{
	set_clock(b, now);
	if (b->ended)
		return;
	b->ended = true;
	if (b->kind == SP_BYTES_STDIO)
		sp_lines_end(&b->lines);
	else
		pump(b);
}

static size_t
take(struct sp_bytes *b, void *buf, size_t cap)
{
	sp_slice some = b->kind == SP_BYTES_STDIO ? sp_lines_out(&b->lines) : sp_sub(sp_out_view(&b->out), b->out_from, cap);

	some = sp_sub(some, 0, cap);
	if (some.n == 0)
		return 0;
	memcpy(buf, some.p, some.n);
	if (b->kind == SP_BYTES_STDIO) {
		sp_lines_taken(&b->lines, some.n);
		return some.n;
	}
	b->out_from += some.n;
	if (b->out_from == b->out.n) {
		sp_out_reset(&b->out);
		b->out_from = 0;
	} else if (b->out_from >= OUT_ROOM / 2) {
		memmove(b->out.p, b->out.p + b->out_from, b->out.n - b->out_from);
		b->out.n -= b->out_from;
		b->out_from = 0;
	}
	return some.n;
}

size_t
sp_bytes_take(struct sp_bytes *b, void *buf, size_t cap)
{
	size_t n = 0, part;

	sp_serving_turn(b->serving, b->now);
	pump(b);
	while (n < cap && (part = take(b, (char *)buf + n, cap - n)) != 0) {
		n += part;
		pump(b);
	}
	return n;
}

uint64_t
sp_bytes_tick(struct sp_bytes *b, struct sp_clock now)
{
	uint64_t next;

	set_clock(b, now);
	next = sp_serving_tick(b->serving);
	if (b->conn != NULL) {
		b->working = true;	/* a connection that closes is freed below */
		sp_hub_sweep(&b->endpoint.hub);
		b->working = false;
		pump(b);
	}
	return b->sweeping && next > SP_SWEEP_MS ? SP_SWEEP_MS : next;
}

void
sp_bytes_close(struct sp_bytes *b)
{
	if (b == NULL)
		return;
	if (b->kind == SP_BYTES_STDIO && b->lines.serving != NULL) {
		sp_lines_free(&b->lines);
	} else if (b->kind == SP_BYTES_HTTP) {
		if (b->endpoint.hub.io != NULL)
			sp_hub_wipe(&b->endpoint.hub);
		pump(b);
		sp_endpoint_wipe(&b->endpoint);
	}
	if (b->waiting.p != NULL)
		sp_out_wipe(&b->waiting);
	sp_out_free(&b->waiting);
	sp_out_free(&b->out);
	sp_serving_leave(b->serving, NULL, NULL);
	free(b->peer);
	free(b);
}
