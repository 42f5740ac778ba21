/* The life of one connection: bytes to requests, in order, one at a time. */
#include "http/conn.h"
#include "http/answer.h"

#include <assert.h>
#include <errno.h>

enum {
	DISCARD_MAX = 65536,		/* of an unread body, before we rather close */
	LINGER_MAX = 262144,
	LINGER_MS = 2000,
	STALL_MS = 10000,		/* a reader must take STALL_BYTES in every window */
	STALL_BYTES = 4096
};

static uint64_t
now_ms(const struct sp_conn *c)
{
	return sp_hub_now(c->hub);
}

uint32_t
sp_conn_request(const struct sp_conn *c)
{
	return (uint32_t)c->turn << 16 | c->index;
}

/* Polls for exactly what can be used now: no system call when that did not change. */
void
sp_conn_arm(struct sp_conn *c)
{
	const struct sp_work *w = c->w;
	int want = 0;

	if (c->state == SP_CONN_CLOSED)
		return;
	if (!c->eof && (w == NULL || w->len < w->cap || c->state == SP_CONN_BODY || c->state == SP_CONN_DISCARD))
		want |= SP_WANT_READ;
	else if (!c->eof)
		want |= SP_WANT_HANGUP;
	if (sp_conn_unread(c) != 0)
		want |= SP_WANT_WRITE;
	if (want == c->armed)
		return;
	c->armed = want;
	c->hub->io->arm(c, want);
}

static void
end_request(struct sp_conn *c)
{
	if (c->req != NULL)
		c->hub->svc->end(c);
	c->req = NULL;
	c->turn++;
}

void
sp_conn_abort(struct sp_conn *c)
{
	sp_conn_close(c);
}

void
sp_conn_park(struct sp_conn *c, uint64_t ms)
{
	c->state = SP_CONN_PARKED;
	c->deadline_ms = now_ms(c) + ms;
}

void
sp_conn_hold(struct sp_conn *c, uint64_t ms)
{
	c->state = SP_CONN_HELD;
	c->deadline_ms = now_ms(c) + ms;
}

/* The client may still be sending: closing now would destroy our answer on its way (RFC 9112
 * section 9.6). */
static void
linger(struct sp_conn *c)
{
	if (c->eof || !c->hub->io->shut(c)) {
		sp_conn_close(c);
		return;
	}
	c->state = SP_CONN_LINGER;
	c->discarded = 0;
	c->deadline_ms = now_ms(c) + LINGER_MS;
	if (c->w != NULL) {
		sp_work_put(c->hub, c->w);
		c->w = NULL;
	}
	sp_conn_list(c, true);
	sp_conn_arm(c);
}

static void
to_wait(struct sp_conn *c)
{
	struct sp_work *w = c->w;

	c->state = SP_CONN_WAIT;
	c->body_done = c->head_only = false;
	c->discarded = 0;
	if (w != NULL)
		sp_work_clear(w);
	if (w == NULL || w->len == 0) {
		if (w != NULL)
			sp_work_put(c->hub, w);
		c->w = NULL;
		c->deadline_ms = now_ms(c) + c->hub->lim.idle_ms;
	} else {
		c->deadline_ms = now_ms(c) + c->hub->lim.head_ms;
	}
	sp_conn_list(c, true);
}

static void advance(struct sp_conn *c);

void
sp_conn_over(struct sp_conn *c)
{
	bool unread = !c->body_done || (c->w != NULL && c->w->pos < c->w->len);

	end_request(c);
	if (c->out.p != NULL) {
		sp_out_free(&c->out);
		c->out_from = 0;
	}
	if (c->close_after && (c->bad || unread)) {
		linger(c);
		return;
	}
	if (c->close_after || c->eof) {
		sp_conn_close(c);
		return;
	}
	if (c->body_done) {
		to_wait(c);
	} else {
		c->state = SP_CONN_DISCARD;
		c->deadline_ms = now_ms(c) + c->hub->lim.body_ms;
	}
	if (!c->stepping)
		advance(c);
}

/* A piece of the body.  Contiguous pieces in the read buffer cost nothing; anything else is
 * copied together. */
static enum sp_status
body_piece(struct sp_work *w, sp_slice piece)
{
	if (w->spill.p == NULL) {
		if (w->body.n == 0) {
			w->body = piece;
			return SP_OK;
		}
		if (w->body.p + w->body.n == piece.p) {
			w->body.n += piece.n;
			return SP_OK;
		}
		sp_out_slice(&w->spill, w->body);
	}
	sp_out_slice(&w->spill, piece);
	w->body = sp_out_view(&w->spill);
	return w->spill.full ? SP_E_TOO_BIG : SP_OK;
}

/* Room to read into; false: none, and none to be made now. */
static bool
make_room(struct sp_conn *c)
{
	struct sp_work *w = c->w;

	size_t rest = w->len - w->pos;

	if (w->len < w->cap)
		return true;
	if (c->state != SP_CONN_BODY && c->state != SP_CONN_DISCARD)
		return false;		/* pipelined bytes wait for their turn */
	if (c->state == SP_CONN_BODY && w->spill.p == NULL && w->body.n != 0) {
		sp_out_slice(&w->spill, w->body);
		w->body = sp_out_view(&w->spill);
	}
	memmove(w->buf + w->keep, w->buf + w->pos, rest);
	w->pos = w->keep;
	w->len = w->keep + rest;
	return w->len < w->cap;
}

static void
begin_body(struct sp_conn *c)
{
	struct sp_work *w = c->w;
	const struct sp_http_head *head = &w->http.head;

	c->state = SP_CONN_BODY;
	c->deadline_ms = now_ms(c) + c->hub->lim.body_ms;
	/* RFC 9110 section 10.1.1: only once the head was accepted, and only if the body is not already there. */
	if (head->expect_continue && head->minor >= 1 && w->pos == w->len && (head->chunked || head->length != 0))
		sp_answer_continue(c);
}

static void
on_head(struct sp_conn *c)
{
	struct sp_work *w = c->w;
	const struct sp_http_head *head = &w->http.head;

	w->keep = w->pos;
	c->head_only = head->method == SP_HEAD;
	c->close_after = !head->keep_alive || c->hub->draining;
	sp_conn_list(c, false);
	c->state = SP_CONN_BODY;
	if (c->hub->svc->head(c) == SP_TAKE_BODY)
		begin_body(c);
}

static void
on_bad(struct sp_conn *c)
{
	struct sp_http1 *h = &c->w->http;

	c->bad = true;
	c->close_after = true;
	if (c->state == SP_CONN_DISCARD) {
		linger(c);
		return;
	}
	if (sp_hub_may_log(c->hub))
		sp_log(SP_INFO, "http.refused", SP_C("reason", h->why), SP_U("status", sp_errinfo(h->bad)->http));
	sp_answer_status(c, h->bad, (sp_slice){ NULL, 0 });
}

static void
on_piece(struct sp_conn *c)
{
	struct sp_work *w = c->w;

	if (c->state == SP_CONN_DISCARD) {
		c->discarded += w->http.body.n;
		if (c->discarded > DISCARD_MAX)
			linger(c);
		return;
	}
	if (body_piece(w, w->http.body) != SP_OK) {
		c->close_after = true;
		sp_answer_status(c, SP_E_TOO_BIG, (sp_slice){ NULL, 0 });
	}
}

static void
on_end(struct sp_conn *c)
{
	c->body_done = true;
	if (c->state == SP_CONN_DISCARD) {
		to_wait(c);
		return;
	}
	c->hub->svc->body(c);
	assert(c->state != SP_CONN_BODY);	/* the service answers or parks */
}

/* One step of the parser; false: it needs more bytes. */
static bool
step(struct sp_conn *c)
{
	struct sp_work *w = c->w;
	sp_slice in = { w->buf + w->pos, w->len - w->pos };
	enum sp_http_step got = sp_http_read(&w->http, &in);

	w->pos = w->len - in.n;
	switch (got) {
	case SP_HTTP_MORE:
		return false;
	case SP_HTTP_HEAD:
		on_head(c);
		return true;
	case SP_HTTP_BODY:
		on_piece(c);
		return true;
	case SP_HTTP_END:
		on_end(c);
		return true;
	case SP_HTTP_BAD:
		break;
	}
	on_bad(c);
	return true;
}

/* Are bytes for the parser now? */
static bool
reads(const struct sp_conn *c)
{
	return c->state == SP_CONN_WAIT || c->state == SP_CONN_BODY || c->state == SP_CONN_DISCARD;
}

static void
advance(struct sp_conn *c)
{
	c->stepping = true;
	while (reads(c) && c->w != NULL && step(c))
		;
	c->stepping = false;
	sp_conn_arm(c);
}

void
sp_conn_go(struct sp_conn *c)
{
	begin_body(c);
	if (c->state == SP_CONN_BODY && !c->stepping)
		advance(c);
}

/* The client sends nothing more: whoever waits for an answer has gone (mcp-spec 1.4: that
 * cancels the call). An answer that is already on its way is still delivered. */
static void
on_eof(struct sp_conn *c)
{
	c->eof = true;
	c->close_after = true;
	if (c->state == SP_CONN_FLUSH || (c->state == SP_CONN_STREAM && c->events == SP_EVENTS_NONE))
		sp_conn_arm(c);
	else
		sp_conn_close(c);
}

static bool
read_failed(struct sp_conn *c, ssize_t n)
{
	if (n > 0)
		return false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n == 0)
		on_eof(c);
	else
		sp_conn_close(c);
	return true;
}

static void
throw_away(struct sp_conn *c)
{
	char buf[16384];
	ssize_t n = c->hub->io->read(c, buf, sizeof buf);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		sp_conn_close(c);
		return;
	}
	if (n > 0)
		c->discarded += (size_t)n;
	if (c->discarded > LINGER_MAX)
		sp_conn_close(c);
}

static void
read_some(struct sp_conn *c)
{
	struct sp_work *w = c->w;
	ssize_t n;

	if (w == NULL) {
		w = c->w = sp_work_get(c->hub);
		if (w == NULL) {
			sp_conn_close(c);
			return;
		}
	}
	if (!make_room(c)) {
		if (c->state == SP_CONN_BODY || c->state == SP_CONN_DISCARD)
			sp_conn_close(c);
		else
			sp_conn_arm(c);
		return;
	}
	n = c->hub->io->read(c, w->buf + w->len, w->cap - w->len);
	if (read_failed(c, n))
		return;
	/* The first byte of a request starts the clock of its head. */
	if (c->state == SP_CONN_WAIT && w->len == 0)
		c->deadline_ms = now_ms(c) + c->hub->lim.head_ms;
	w->len += (size_t)n;
	if (w->len > w->high)
		w->high = w->len;
	if (reads(c))
		advance(c);
	else
		sp_conn_arm(c);
}

void
sp_conn_ready(struct sp_conn *c, int what)
{
	if (what == 0) {
		sp_conn_close(c);
		return;
	}
	if ((what & SP_WANT_WRITE) != 0 && sp_conn_unread(c) != 0 && !sp_conn_flush(c))
		return;
	if ((what & (SP_WANT_READ | SP_WANT_HANGUP)) == 0 || c->state == SP_CONN_CLOSED)
		return;
	if (c->state == SP_CONN_LINGER)
		throw_away(c);
	else if ((what & SP_WANT_READ) != 0)
		read_some(c);
	else
		on_eof(c);
}

/* A client that takes its answer too slowly holds memory that others need. */
static bool
stalled(struct sp_conn *c, uint64_t now)
{
	if (sp_conn_unread(c) == 0) {
		c->stall_ms = 0;
		return false;
	}
	if (c->stall_ms == 0) {
		c->stall_ms = now;
		c->stall_bytes = 0;
		return false;
	}
	if (now - c->stall_ms < STALL_MS)
		return false;
	if (c->stall_bytes < STALL_BYTES)
		return true;
	c->stall_ms = now;
	c->stall_bytes = 0;
	return false;
}

void
sp_conn_sweep(struct sp_conn *c, uint64_t now)
{
	if (stalled(c, now)) {
		if (sp_hub_may_log(c->hub))
			sp_log(SP_INFO, "http.slow_reader", SP_U("unread", sp_conn_unread(c)));
		sp_conn_close(c);
		return;
	}
	if (c->state == SP_CONN_STREAM && c->events != SP_EVENTS_NONE)
		sp_conn_events_sweep(c, now);
	if (c->state == SP_CONN_CLOSED || c->deadline_ms == 0 || now < c->deadline_ms)
		return;
	switch ((enum sp_conn_state)c->state) {
	case SP_CONN_HELD:
	case SP_CONN_PARKED:
	case SP_CONN_STREAM:
		c->deadline_ms = 0;
		c->hub->svc->late(c);
		break;
	case SP_CONN_WAIT:
	case SP_CONN_BODY:
		if (c->w == NULL || c->w->len == 0) {
			sp_conn_close(c);
			break;
		}
		c->close_after = true;
		sp_answer_status(c, SP_E_TIMEOUT, (sp_slice){ NULL, 0 });
		break;
	case SP_CONN_FLUSH:
		c->deadline_ms = 0;	/* the window above watches it */
		break;
	case SP_CONN_DISCARD:
	case SP_CONN_LINGER:
	case SP_CONN_CLOSED:
		sp_conn_close(c);
		break;
	}
}
