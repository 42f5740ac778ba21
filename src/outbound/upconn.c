/* One connection to the upstream: handshake, one request at a time, its answer. */
#include "outbound/pool_int.h"

#include "vault/secret.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READS_PER_TURN = 8, TEXT_KEEP = 262144, JOINED_MAX = 16384 };

static void on_poll(uv_poll_t *h, int status, int events);

/* --- beginning and end */

static void
on_closed(uv_handle_t *h)
{
	struct sp_upconn *c = h->data;

	free(c);
}

static void
drop_buffers(struct sp_upconn *c)
{
	c->pool->buffered -= c->text.n;
	if (c->text.p != NULL)
		sp_out_wipe(&c->text);
	if (c->text.cap > TEXT_KEEP || c->state == SP_UP_GONE) {
		sp_out_free(&c->text);
		sp_out_heap(&c->text, (size_t)c->pool->cfg.limit_answer);
	}
	if (c->carry.p != NULL)
		sp_out_wipe(&c->carry);
	sp_out_free(&c->carry);
	c->pool->buffered -= c->kept.n;
	sp_out_free(&c->kept);
	c->direct = c->raw = (sp_slice){ NULL, 0 };
}

static void
drop_rest(struct sp_upconn *c)
{
	sp_locked_free(c->rest);
	c->rest = NULL;
	c->head = c->body = (sp_slice){ NULL, 0 };
}

void
sp_upconn_close(struct sp_upconn *c)
{
	struct sp_pool *p = c->pool;

	if (c->state == SP_UP_GONE)
		return;
	c->state = SP_UP_GONE;
	for (unsigned i = 0; i < p->n; i++)
		if (p->conns[i] == c)
			p->conns[i] = p->conns[--p->n];
	drop_buffers(c);
	drop_rest(c);
	sp_tls_free(&c->tls);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	c->fd = -1;
}

static void
watch(struct sp_upconn *c, int events)
{
	if (c->state == SP_UP_GONE || c->events == events)
		return;
	/* A poll that cannot be started shows as a request that is late, and is closed then. */
	if (uv_poll_start(&c->poll, events, on_poll) == 0)
		c->events = events;
}

static void
enter(struct sp_upconn *c, enum sp_upconn_state s)
{
	c->state = s;
	c->since_ms = uv_now(c->pool->cfg.loop);
}

/* --- failing */

/* The job's end when its connection ends: again, or failed. */
static void
lose(struct sp_upconn *c, enum sp_pool_fault fault, enum sp_status st, const char *why)
{
	struct sp_pool *p = c->pool;
	struct sp_pool_job *job = c->job;
	unsigned status = c->status;
	/* RFC 9110 section 9.2.2: only what is safe is sent again without being asked to, and only where an idle
	 * connection may have been closed under it.  What the kernel never took was not sent at all. */
	bool again = fault == SP_POOL_BROKEN && !c->heard && c->reused && job != NULL && !job->again &&
	    (job->safe || !job->sent);

	c->job = NULL;
	sp_upconn_close(c);
	if (again) {
		job->conn = NULL;
		sp_pool_resubmit(p, job);
	} else if (job != NULL) {
		sp_pool_over(p, job);
		p->cfg.ops->failed(p->cfg.ctx, job, fault, st, status, why);
	}
	sp_pool_kick(p);
}

static void
broken(struct sp_upconn *c, const char *why)
{
	lose(c, SP_POOL_BROKEN, SP_E_UPSTREAM, why);
}

/* --- TLS */

static void
shake(struct sp_upconn *c)
{
	switch (sp_tls_handshake(c->tls)) {
	case SP_TLS_OK:
		watch(c, UV_READABLE);
		enter(c, SP_UP_IDLE);
		sp_pool_ready(c);
		return;
	case SP_TLS_WANT_READ:
		watch(c, UV_READABLE);
		return;
	case SP_TLS_WANT_WRITE:
		watch(c, UV_READABLE | UV_WRITABLE);
		return;
	case SP_TLS_EOF:
	case SP_TLS_FAILED:
		break;
	}
	sp_pool_unready(c, sp_tls_why(c->tls));
}

enum sp_status
sp_upconn_new(struct sp_pool *p, uint32_t origin, int fd)
{
	const struct sp_pool_origin *at = &p->places[origin].at;
	struct sp_upconn *c = calloc(1, sizeof *c);
	struct sp_err e = { 0 };
	enum sp_status st;

	if (c == NULL || uv_poll_init(p->cfg.loop, &c->poll, fd) != 0) {
		free(c);
		close(fd);
		return SP_E_SYSTEM;
	}
	c->poll.data = c;
	c->pool = p;
	c->origin = origin;
	c->fd = fd;
	c->idle_ms = SP_POOL_IDLE_MS;
	sp_out_heap(&c->text, (size_t)p->cfg.limit_answer);
	p->conns[p->n++] = c;
	if (at->tls == NULL) {
		enter(c, SP_UP_IDLE);
		watch(c, UV_READABLE);
		sp_pool_ready(c);
		return SP_OK;
	}
	enter(c, SP_UP_SHAKE);
	st = sp_tls_new(at->tls, fd, at->host, at->literal, &c->tls, &e);
	if (st != SP_OK) {
		sp_upconn_close(c);
		return st;
	}
	shake(c);
	return SP_OK;
}

/* --- writing */

/* What one write took, of head and body together; -1: nothing can be written any more. */
static ssize_t
write_clear(struct sp_upconn *c)
{
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)c->head.p, c->head.n }, { (void *)(uintptr_t)c->body.p, c->body.n },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = c->body.n == 0 ? 1 : 2 };
	ssize_t n;

	if (c->head.n == 0) {
		mh.msg_iov = &iov[1];
		mh.msg_iovlen = 1;
	}
	n = sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
}

static ssize_t
write_tls(struct sp_upconn *c)
{
	sp_slice what = c->head.n != 0 ? c->head : c->body;
	size_t n = 0;

	switch (sp_tls_write(c->tls, what.p, what.n, &n)) {
	case SP_TLS_OK:
		return (ssize_t)n;
	case SP_TLS_WANT_READ:
	case SP_TLS_WANT_WRITE:
		return 0;
	case SP_TLS_EOF:
	case SP_TLS_FAILED:
		break;
	}
	return -1;
}

static void
wrote(struct sp_upconn *c, size_t n)
{
	size_t of_head = n < c->head.n ? n : c->head.n;

	c->job->sent = true;
	c->job->bytes_out += n;
	sp_advance(&c->head, of_head);
	sp_advance(&c->body, n - of_head);
}

/* The head that is left moves out of the shared buffer. */
static bool
keep_rest(struct sp_upconn *c)
{
	if (c->head.n == 0 || c->rest != NULL)
		return true;
	c->rest = sp_locked_new(c->head.n);
	if (c->rest == NULL)
		return false;
	memcpy(c->rest, c->head.p, c->head.n);
	c->head.p = c->rest;
	return true;
}

/* False: the connection is gone. */
static bool
write_on(struct sp_upconn *c)
{
	while (c->head.n + c->body.n != 0) {
		ssize_t n = c->tls == NULL ? write_clear(c) : write_tls(c);

		if (n < 0) {
			broken(c, "the connection broke while the request was sent");
			return false;
		}
		if (n == 0)
			break;
		wrote(c, (size_t)n);
	}
	if (c->head.n + c->body.n == 0)
		drop_rest(c);
	watch(c, UV_READABLE | (c->head.n + c->body.n == 0 ? 0 : UV_WRITABLE));
	return true;
}

static void
prepare_answer(struct sp_upconn *c)
{
	uint64_t most = c->pool->cfg.limit_answer, body = c->job->limit != 0 && c->job->limit < most ? c->job->limit : most;
	struct sp_http_limits lim = { SP_POOL_ANSWER_HEAD, c->job->stream ? UINT64_MAX : body };

	sp_http_init(&c->http, SP_HTTP_RESPONSE, lim);
	c->http.no_body = c->job->no_body;
	c->heard = false;
	c->status = 0;
	c->media_n = 0;
	c->idle_ms = SP_POOL_IDLE_MS;
}

bool
sp_upconn_send(struct sp_upconn *c, struct sp_pool_job *job)
{
	struct sp_pool *p = c->pool;
	struct sp_out head;
	enum sp_status st;
	bool kept;

	c->job = job;
	job->conn = c;
	c->reused = c->used || c->since_ms != uv_now(p->cfg.loop);
	prepare_answer(c);
	sp_out_init(&head, p->head, SP_POOL_HEAD);
	st = p->cfg.ops->head(p->cfg.ctx, job, &head);
	if (st != SP_OK) {
		c->job = NULL;
		sp_pool_over(p, job);
		sp_out_wipe(&head);
		p->cfg.ops->failed(p->cfg.ctx, job, SP_POOL_REFUSED, st, 0, "refused before it was sent");
		return false;		/* the connection stays idle */
	}
	c->used = true;
	c->identity = job->identity;
	enter(c, SP_UP_BUSY);
	c->body = job->body;
	/* One record, one packet: a small body travels with the head. */
	if (c->tls != NULL && head.n + job->body.n <= JOINED_MAX) {
		sp_out_slice(&head, job->body);
		c->body = (sp_slice){ NULL, 0 };
	}
	c->head = sp_out_view(&head);
	kept = write_on(c) && keep_rest(c);
	explicit_bzero(p->head, head.n);
	if (!kept && c->state != SP_UP_GONE)
		broken(c, "no locked memory for the request");
	return true;
}

/* --- the answer */

static bool
is_identity(const struct sp_http_head *h)
{
	unsigned n = 0;
	const struct sp_http_field *f = sp_http_find(h, SP_LIT("Content-Encoding"), &n);

	return f == NULL || (n == 1 && (f->value.n == 0 || sp_eq_nocase(f->value, SP_LIT("identity"))));
}

/* RFC 9112 section 9.3 leaves the time open; Keep-Alive: timeout=N is what servers say.  One second less than that. */
static uint64_t
idle_time(const struct sp_http_head *h)
{
	const struct sp_http_field *f = sp_http_find(h, SP_LIT("Keep-Alive"), NULL);
	sp_slice rest, part;
	uint64_t s;

	if (!h->keep_alive)
		return 0;
	rest = f == NULL ? (sp_slice){ NULL, 0 } : f->value;
	while (sp_take_part(&rest, ',', &part)) {
		part = sp_trim(part);
		if (!sp_take_nocase(&part, SP_LIT("timeout=")) || !sp_take_u64(&part, 1000000, &s))
			continue;
		return s <= 1 ? 0 : (s - 1) * 1000 < SP_POOL_IDLE_MS ? (s - 1) * 1000 : SP_POOL_IDLE_MS;
	}
	return SP_POOL_IDLE_MS;
}

/* What the owner of a stream has said to begin() or piece().  False: the connection is gone. */
static bool
goes_on(struct sp_upconn *c, bool more)
{
	struct sp_pool *p = c->pool;

	if (c->state == SP_UP_GONE)
		return false;		/* the owner cancelled; its job may not exist any more */
	if (more)
		return true;
	sp_pool_over(p, c->job);
	c->job = NULL;
	sp_upconn_close(c);
	sp_pool_kick(p);
	return false;
}

static struct sp_pool_answer
answer_of(const struct sp_upconn *c)
{
	return (struct sp_pool_answer){
		.status = c->status, .media = { c->media, c->media_n }, .head = &c->http.head,
	};
}

/* False: the connection is gone. */
static bool
on_head(struct sp_upconn *c)
{
	const struct sp_pool_ops *ops = c->pool->cfg.ops;
	struct sp_pool_answer a;
	const struct sp_http_head *h = &c->http.head;
	const struct sp_http_field *media = sp_http_find(h, SP_LIT("Content-Type"), NULL);

	c->status = h->status;
	c->idle_ms = idle_time(h);
	if (media != NULL && media->value.n <= SP_POOL_MEDIA) {
		c->media_n = media->value.n;
		memcpy(c->media, media->value.p, c->media_n);
	}
	if (!is_identity(h)) {
		lose(c, SP_POOL_CODING, SP_E_UPSTREAM, "an answer in a coding that was not asked for");
		return false;
	}
	if (!c->job->stream)
		return true;
	a = answer_of(c);
	return goes_on(c, ops->begin(c->pool->cfg.ctx, c->job, &a));
}

static bool
add_text(struct sp_upconn *c, sp_slice s)
{
	if (c->pool->buffered + s.n > SP_POOL_BUFFERED) {
		lose(c, SP_POOL_CROWDED, SP_E_UPSTREAM, "too many bytes of answers at once");
		return false;
	}
	sp_out_slice(&c->text, s);
	if (c->text.full) {
		lose(c, SP_POOL_CROWDED, SP_E_UPSTREAM, "no memory for the answer");
		return false;
	}
	c->pool->buffered += s.n;
	return true;
}

/* A body that came with one read is not copied. */
static bool
settle(struct sp_upconn *c)
{
	sp_slice s = c->direct;

	c->direct = (sp_slice){ NULL, 0 };
	return s.n == 0 || add_text(c, s);
}

/* The bytes that came are about to go, and the answer is not complete: its head moves to where it stays. */
static bool
keep_head(struct sp_upconn *c)
{
	struct sp_http_head *h = &c->http.head;
	sp_slice from = c->raw;

	c->raw = (sp_slice){ NULL, 0 };
	if (from.n == 0 || c->job->stream)
		return true;
	sp_out_heap(&c->kept, SP_POOL_ANSWER_HEAD + SP_POOL_READ);	/* interim answers included */
	if (c->pool->buffered + from.n <= SP_POOL_BUFFERED)
		sp_out_slice(&c->kept, from);
	if (c->kept.n != from.n) {
		lose(c, SP_POOL_CROWDED, SP_E_UPSTREAM, "no memory for the answer");
		return false;
	}
	c->pool->buffered += from.n;
	for (unsigned i = 0; i < h->nfields; i++) {
		h->fields[i].name.p = c->kept.p + (h->fields[i].name.p - from.p);
		if (h->fields[i].value.p != NULL)
			h->fields[i].value.p = c->kept.p + (h->fields[i].value.p - from.p);
	}
	return true;
}

static bool
on_body(struct sp_upconn *c)
{
	if (c->http.body.n == 0)
		return true;
	if (c->job->stream)
		return goes_on(c, c->pool->cfg.ops->piece(c->pool->cfg.ctx, c->job, c->http.body));
	if (c->text.n == 0 && c->direct.n == 0) {
		c->direct = c->http.body;
		return true;
	}
	return settle(c) && add_text(c, c->http.body);
}

/* The answer is complete.  `clean`: nothing of the connection is left over or unsent. */
static void
on_end(struct sp_upconn *c, bool clean)
{
	struct sp_pool *p = c->pool;
	struct sp_pool_job *job = c->job;
	struct sp_pool_answer a = answer_of(c);

	if (job->stream)
		a.head = NULL;
	else
		a.body = c->text.n != 0 ? sp_out_view(&c->text) : c->direct;
	clean = clean && c->head.n + c->body.n == 0 && c->idle_ms != 0 && !c->old;
	c->job = NULL;
	sp_pool_over(p, job);
	p->cfg.ops->answer(p->cfg.ctx, job, &a);
	if (c->state == SP_UP_GONE)
		return;
	if (!clean) {
		sp_upconn_close(c);
		sp_pool_kick(p);
		return;
	}
	drop_buffers(c);
	enter(c, SP_UP_IDLE);
	sp_pool_idle(c);
}

static void
on_bad(struct sp_upconn *c)
{
	const char *why = c->http.why == NULL ? "not an acceptable answer" : c->http.why;
	bool big = c->http.bad == SP_E_TOO_BIG;

	lose(c, big ? SP_POOL_TOO_BIG : SP_POOL_GARBAGE, SP_E_UPSTREAM, why);
}

/* An unfinished head must lie in one piece: what was not understood yet waits in `carry`, of which `in` may be part. */
static bool
carry(struct sp_upconn *c, sp_slice in)
{
	if (c->carry.n != 0) {
		if (in.n != c->carry.n)
			memmove(c->carry.p, in.p, in.n);
		c->carry.n = in.n;
		return true;
	}
	if (in.n == 0)
		return true;
	if (c->carry.p == NULL)
		sp_out_heap(&c->carry, SP_POOL_ANSWER_HEAD + SP_POOL_READ);
	sp_out_slice(&c->carry, in);
	if (!c->carry.full)
		return true;
	lose(c, SP_POOL_CROWDED, SP_E_UPSTREAM, "no memory for the answer");
	return false;
}

/* Bytes that just came.  False: the connection is gone or does not wait any more. */
static bool
feed(struct sp_upconn *c, sp_slice in)
{
	for (;;) {
		sp_slice before = in;

		switch (sp_http_read(&c->http, &in)) {
		case SP_HTTP_MORE:
			return settle(c) && keep_head(c) && carry(c, in);
		case SP_HTTP_HEAD:
			c->raw = (sp_slice){ before.p, before.n - in.n };
			if (!on_head(c))
				return false;
			break;
		case SP_HTTP_BODY:
			if (!on_body(c))
				return false;
			break;
		case SP_HTTP_END:
			/* K21: bytes after the answer are nobody's; the connection is not used again. */
			on_end(c, in.n == 0);
			return false;
		case SP_HTTP_BAD:
			on_bad(c);
			return false;
		}
	}
}

static void
on_eof(struct sp_upconn *c)
{
	if (c->heard && sp_http_eof(&c->http) == SP_HTTP_END) {
		on_end(c, false);
		return;
	}
	if (c->status != 0)
		broken(c, "the answer was cut off");
	else
		broken(c, c->heard ? "the answer was cut off in its head" : "the connection was closed without an answer");
}

/* >0: bytes; 0: the proper end; -1: none for now; -2: broken. */
static ssize_t
read_some(struct sp_upconn *c, char *buf, size_t cap)
{
	size_t n = 0;
	ssize_t r;

	if (c->tls == NULL) {
		r = recv(c->fd, buf, cap, MSG_DONTWAIT);
		return r >= 0 ? r : errno == EAGAIN || errno == EINTR ? -1 : -2;
	}
	switch (sp_tls_read(c->tls, buf, cap, &n)) {
	case SP_TLS_OK:
		return (ssize_t)n;
	case SP_TLS_WANT_READ:
	case SP_TLS_WANT_WRITE:
		return -1;
	case SP_TLS_EOF:
		return 0;
	case SP_TLS_FAILED:
		break;
	}
	return -2;
}

static bool
hand_over(struct sp_upconn *c, sp_slice in)
{
	if (c->carry.n == 0)
		return feed(c, in);
	sp_out_slice(&c->carry, in);
	if (c->carry.full) {
		lose(c, SP_POOL_GARBAGE, SP_E_UPSTREAM, "the head of the answer is too large");
		return false;
	}
	return feed(c, sp_out_view(&c->carry));
}

/* False: the connection is gone, or waits for no answer any more. */
static bool
read_answer(struct sp_upconn *c)
{
	char *buf = c->pool->read;

	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = read_some(c, buf, SP_POOL_READ);

		if (n == -1)
			return true;
		if (n == 0) {
			on_eof(c);
			return false;
		}
		if (n < 0) {
			broken(c, "the connection broke");
			return false;
		}
		c->heard = true;
		c->job->bytes_in += (size_t)n;
		if (!hand_over(c, sp_mem(buf, (size_t)n)))
			return false;
		/* Less than asked for: a socket in clear has no more now.  TLS may hold a whole record more. */
		if (c->tls == NULL && (size_t)n < SP_POOL_READ)
			return true;
	}
	return true;
}

/* --- events */

bool
sp_upconn_silent(struct sp_upconn *c)
{
	char byte;		/* of its own: an answer may still lie in the shared buffer */
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return c->tls == NULL || !sp_tls_pending(c->tls);
	if (n <= 0 || c->tls == NULL)
		return false;
	/* Session tickets and the like are no data. */
	return read_some(c, &byte, 1) == -1;
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct sp_upconn *c = h->data;

	if (status < 0) {
		c->events = 0;		/* libuv has stopped polling: an error is pending */
		events = UV_READABLE;
	}
	if (c->state == SP_UP_SHAKE) {
		shake(c);
		return;
	}
	if (c->state == SP_UP_IDLE) {
		if (!sp_upconn_silent(c) || status < 0)
			sp_upconn_close(c);
		return;
	}
	/* Even while the request is not all sent: an answer may say no before. */
	if ((events & UV_READABLE) != 0 && c->state == SP_UP_BUSY && !read_answer(c))
		return;
	if ((events & UV_WRITABLE) != 0 && c->state == SP_UP_BUSY && !write_on(c))
		return;
	if (status < 0 && c->state == SP_UP_BUSY)
		broken(c, "the connection broke");
}
