/* For tests: an upstream on a real port of 127.0.0.1, in the test's loop; it says what the test makes up for each request. */
#ifndef SP_LIB_TESTUP_H
#define SP_LIB_TESTUP_H

#include "base/check.h"
#include "base/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum { UP_CONNS = 128, UP_REQUESTS = 128, UP_REQUEST = 1 << 20 };

struct up;
struct up_conn {
	uv_tcp_t tcp;
	uv_timer_t slow;
	struct up *up;
	unsigned no, open;
	char	*in;
	size_t	 n;
	struct sp_out out;		/* what is still to be sent */
	size_t	 sent;
	bool	 close_after;
};

struct up {
	uv_tcp_t listener;
	uv_loop_t *loop;
	unsigned port, nconns, nrequests;
	struct up_conn *conns[UP_CONNS];
	char	*requests[UP_REQUESTS];
	unsigned of[UP_REQUESTS];	/* which connection */
	/* Writes the raw answer to a whole request; nothing written: no answer. */
	void	 (*answer)(struct up *u, unsigned no, const char *request, struct sp_out *o);
	size_t	 piece;			/* bytes a write; 0: all at once */
	bool	 close_after;
	void	*arg;
};

static inline void
up_closed(uv_handle_t *h)
{
	struct up_conn *c = h->data;

	if (--c->open != 0)
		return;
	sp_out_free(&c->out);
	free(c->in);
	free(c);
}

static inline void
up_drop(struct up_conn *c)
{
	if (c->up->conns[c->no] == NULL)
		return;
	c->up->conns[c->no] = NULL;
	uv_close((uv_handle_t *)&c->tcp, up_closed);
	uv_close((uv_handle_t *)&c->slow, up_closed);
}

static inline void
up_write(uv_timer_t *t)
{
	struct up_conn *c = t->data;
	size_t left = c->out.n - c->sent, n = c->up->piece != 0 && c->up->piece < left ? c->up->piece : left;
	uv_buf_t b = uv_buf_init(c->out.p + c->sent, (unsigned)n);
	int r = n == 0 ? 0 : uv_try_write((uv_stream_t *)&c->tcp, &b, 1);

	if (r < 0 && r != UV_EAGAIN) {
		up_drop(c);
		return;
	}
	c->sent += r > 0 ? (size_t)r : 0;
	if (c->sent < c->out.n) {
		uv_timer_start(&c->slow, up_write, r == UV_EAGAIN ? 1 : 0, 0);
		return;
	}
	sp_out_reset(&c->out);
	c->sent = 0;
	if (c->close_after)
		up_drop(c);
}

/* Bytes of a whole request at the front of what came; 0: more is to come. */
static inline size_t
up_whole(const struct up_conn *c)
{
	const char *end = memmem(c->in, c->n, "\r\n\r\n", 4), *length;
	size_t head, body = 0;

	if (end == NULL)
		return 0;
	head = (size_t)(end - c->in) + 4;
	length = memmem(c->in, head, "Content-Length: ", 16);
	if (length != NULL)
		body = strtoul(length + 16, NULL, 10);
	return c->n >= head + body ? head + body : 0;
}

static inline void
up_take(struct up_conn *c)
{
	struct up *u = c->up;
	size_t n;

	while ((n = up_whole(c)) != 0) {
		assert_true(u->nrequests < UP_REQUESTS);
		u->requests[u->nrequests] = sp_cstr_new(sp_mem(c->in, n));
		u->of[u->nrequests] = c->no;
		memmove(c->in, c->in + n, c->n - n);
		c->n -= n;
		u->nrequests++;
		u->answer(u, u->nrequests - 1, u->requests[u->nrequests - 1], &c->out);
		c->close_after = u->close_after;
		if (c->out.n != 0 || c->close_after)
			uv_timer_start(&c->slow, up_write, 0, 0);
	}
}

static inline void
up_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
	struct up_conn *c = h->data;

	*b = uv_buf_init(c->in + c->n, (unsigned)(UP_REQUEST - c->n));
}

static inline void
up_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct up_conn *c = s->data;

	if (n < 0) {
		up_drop(c);
		return;
	}
	c->n += (size_t)n;
	up_take(c);
}

static inline void
up_accept(uv_stream_t *s, int status)
{
	struct up *u = s->data;
	struct up_conn *c = calloc(1, sizeof *c);

	assert_true(c != NULL && status == 0 && u->nconns < UP_CONNS);
	c->up = u;
	c->no = u->nconns++;
	c->open = 2;
	c->in = malloc(UP_REQUEST);
	sp_out_heap(&c->out, 256 << 20);
	u->conns[c->no] = c;
	assert_int_equal(uv_tcp_init(u->loop, &c->tcp), 0);
	assert_int_equal(uv_timer_init(u->loop, &c->slow), 0);
	c->tcp.data = c->slow.data = c;
	assert_int_equal(uv_accept(s, (uv_stream_t *)&c->tcp), 0);
	(void)uv_tcp_nodelay(&c->tcp, 1);
	assert_int_equal(uv_read_start((uv_stream_t *)&c->tcp, up_alloc, up_read), 0);
}

static inline void
up_open(struct up *u, uv_loop_t *loop, void (*answer)(struct up *u, unsigned no, const char *request, struct sp_out *o))
{
	struct sockaddr_in at;
	int n = sizeof at;

	*u = (struct up){ .loop = loop, .answer = answer };
	assert_int_equal(uv_tcp_init(loop, &u->listener), 0);
	u->listener.data = u;
	assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
	assert_int_equal(uv_tcp_bind(&u->listener, (const struct sockaddr *)&at, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&u->listener, 64, up_accept), 0);
	assert_int_equal(uv_tcp_getsockname(&u->listener, (struct sockaddr *)&at, &n), 0);
	u->port = ntohs(at.sin_port);
}

/* The loop has to run afterwards. */
static inline void
up_close(struct up *u)
{
	uv_close((uv_handle_t *)&u->listener, NULL);
	for (unsigned i = 0; i < u->nconns; i++)
		if (u->conns[i] != NULL)
			up_drop(u->conns[i]);
	for (unsigned i = 0; i < u->nrequests; i++)
		free(u->requests[i]);
}

/* A whole answer with this body. */
static inline void
up_say(struct sp_out *o, const char *status, const char *fields, sp_slice body)
{
	sp_out_fmt(o, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, fields, body.n);
	sp_out_slice(o, body);
}

#endif
