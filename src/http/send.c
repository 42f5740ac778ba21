/* Answers to bytes: one write where the socket takes it, the rest kept until it does. */
#include "http/answer.h"
#include "http/conn.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { PIECES = 8, DRAIN_MAX = 65536 };

size_t
sp_conn_unread(const struct sp_conn *c)
{
	return c->out.n - c->out_from;
}

static void
keep_rest(struct sp_conn *c, const struct iovec *iov, int n, size_t skip)
{
	if (c->out.p == NULL)
		sp_out_heap(&c->out, c->hub->lim.unread);
	if (c->out_from == c->out.n) {
		sp_out_reset(&c->out);
		c->out_from = 0;
	} else if (c->out_from > c->out.cap / 2) {
		memmove(c->out.p, c->out.p + c->out_from, c->out.n - c->out_from);
		c->out.n -= c->out_from;
		c->out_from = 0;
	}
	for (int i = 0; i < n; i++) {
		size_t cut = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		skip -= cut;
		if (cut < iov[i].iov_len)
			sp_out_add(&c->out, (char *)iov[i].iov_base + cut, iov[i].iov_len - cut);
	}
}

/* Writes now what the socket takes and keeps the rest; false: the connection is gone. */
bool
sp_conn_put(struct sp_conn *c, const struct iovec *iov, int n)
{
	size_t total = 0;
	ssize_t done = 0;

	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	if (total == 0)
		return true;
	if (sp_conn_unread(c) == 0) {
		do
			done = c->hub->io->write(c, iov, n);
		while (done < 0 && errno == EINTR);
		if (done < 0 && errno != EAGAIN) {
			sp_conn_close(c);
			return false;
		}
		if (done < 0)
			done = 0;
	}
	if ((size_t)done == total)
		return true;
	keep_rest(c, iov, n, (size_t)done);
	if (c->out.full) {
		sp_conn_close(c);
		return false;
	}
	return true;
}

/* After bytes were handed over or written: is the answer complete, is it out? */
void
sp_conn_settle(struct sp_conn *c)
{
	if (c->answer_left != 0 || c->events != SP_EVENTS_NONE) {
		c->state = SP_CONN_STREAM;
		sp_conn_arm(c);
	} else if (sp_conn_unread(c) != 0) {
		c->state = SP_CONN_FLUSH;
		c->deadline_ms = 0;
		sp_conn_arm(c);
	} else {
		sp_conn_over(c);
	}
}

bool
sp_conn_flush(struct sp_conn *c)
{
	struct iovec rest = { c->out.p + c->out_from, c->out.n - c->out_from };
	ssize_t n = c->hub->io->write(c, &rest, 1);

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return true;
		sp_conn_close(c);
		return false;
	}
	c->out_from += (size_t)n;
	c->stall_bytes += (size_t)n;
	if (c->state == SP_CONN_STREAM) {
		c->hub->svc->sent(c);
		if (c->state == SP_CONN_STREAM)
			sp_conn_arm(c);
	} else if (c->state == SP_CONN_FLUSH) {
		sp_conn_settle(c);
	} else {
		sp_conn_arm(c);		/* 100 (Continue) */
	}
	return c->state != SP_CONN_CLOSED;
}

static sp_slice
date(struct sp_hub *h)
{
	int64_t now = h->io->now_s(h);

	if (now != h->date_s) {
		time_t t = (time_t)now;
		struct tm tm;

		h->date[0] = '\0';
		if (gmtime_r(&t, &tm) != NULL)
			(void)strftime(h->date, sizeof h->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		h->date_s = now;
	}
	return sp_str(h->date);
}

static void
field(struct sp_out *o, const char *name, sp_slice value)
{
	sp_out_str(o, name);
	sp_out_add(o, ": ", 2);
	sp_out_slice(o, value);
	sp_out_add(o, "\r\n", 2);
}

void
sp_conn_head(struct sp_conn *c, struct sp_out *o, const struct sp_answer *a, int64_t length)
{
	bool close = c->close_after;

	sp_count(c->hub->counters, c->hub->row, SP_C_REQUESTS_TOTAL, 1);
	if (a->status == 503)
		sp_count(c->hub->counters, c->hub->row, SP_C_UNAVAILABLE_TOTAL, 1);
	sp_out_reset(o);
	sp_out_str(o, "HTTP/1.1 ");
	sp_out_u64(o, a->status);
	sp_out_byte(o, ' ');
	sp_out_str(o, sp_http_reason(a->status));
	sp_out_str(o, "\r\n");
	if (a->type.n != 0)
		field(o, "Content-Type", a->type);
	if (length == SP_LENGTH_CHUNKED) {
		sp_out_str(o, "Transfer-Encoding: chunked\r\n");
	} else if (length >= 0 && a->status != 204) {
		sp_out_str(o, "Content-Length: ");
		sp_out_i64(o, length);
		sp_out_add(o, "\r\n", 2);
	}
	field(o, "Cache-Control", a->cache.n == 0 ? SP_LIT("no-store") : a->cache);
	sp_out_str(o, "X-Content-Type-Options: nosniff\r\n");
	field(o, "Date", date(c->hub));
	for (unsigned i = 0; i < a->nextra; i++)
		field(o, a->extra[i].name, a->extra[i].value);
	if (a->retry_after_s != 0) {
		sp_out_str(o, "Retry-After: ");
		sp_out_u64(o, a->retry_after_s);
		sp_out_add(o, "\r\n", 2);
	}
	if (close)
		sp_out_str(o, "Connection: close\r\n");
	else if (c->w != NULL && c->w->http.head.minor == 0)
		sp_out_str(o, "Connection: keep-alive\r\n");
	sp_out_add(o, "\r\n", 2);
}

/* An answer before the body was read: read a short rest away, rather close before a long or
 * promised one. */
static bool
must_close(const struct sp_conn *c, const struct sp_answer *a)
{
	const struct sp_http_head *head;

	if (a->close || c->close_after || c->bad || c->w == NULL)
		return true;
	if (c->body_done)
		return false;
	head = &c->w->http.head;
	return head->expect_continue || head->chunked || head->length > DRAIN_MAX;
}

void
sp_conn_stream(struct sp_conn *c, const struct sp_answer *a, uint64_t total, const sp_slice *body, unsigned n)
{
	struct iovec iov[PIECES + 1];
	uint64_t here = 0;
	int k = 1;

	if (c->state == SP_CONN_CLOSED)
		return;
	c->close_after = must_close(c, a);
	sp_conn_head(c, &c->hub->head, a, total > INT64_MAX ? 0 : (int64_t)total);
	if (c->hub->head.full || n > PIECES) {
		sp_conn_close(c);
		return;
	}
	iov[0] = (struct iovec){ c->hub->head.p, c->hub->head.n };
	for (unsigned i = 0; i < n; i++) {
		here += body[i].n;
		if (!c->head_only && body[i].n != 0)
			iov[k++] = (struct iovec){ (void *)(uintptr_t)body[i].p, body[i].n };
	}
	c->answer_left = c->head_only || here > total ? 0 : total - here;
	if (sp_conn_put(c, iov, k))
		sp_conn_settle(c);
}

void
sp_conn_answer(struct sp_conn *c, const struct sp_answer *a, const sp_slice *body, unsigned n)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += body[i].n;
	sp_conn_stream(c, a, total, body, n);
}

void
sp_conn_more(struct sp_conn *c, const sp_slice *body, unsigned n)
{
	struct iovec iov[PIECES];
	uint64_t here = 0;

	if (c->state != SP_CONN_STREAM)
		return;
	if (n > PIECES) {
		sp_conn_close(c);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		here += body[i].n;
		iov[i] = (struct iovec){ (void *)(uintptr_t)body[i].p, body[i].n };
	}
	if (here > c->answer_left) {
		sp_conn_close(c);
		return;
	}
	c->answer_left -= here;
	if (sp_conn_put(c, iov, (int)n))
		sp_conn_settle(c);
}

void
sp_answer_continue(struct sp_conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct iovec iov = { (void *)(uintptr_t)text, sizeof text - 1 };

	(void)sp_conn_put(c, &iov, 1);
}
