/*
 * Answers that are Server-Sent Events: chunked, or until the connection ends for a client of HTTP/1.0.  One event is one
 * line of JSON, whatever is in the text: nothing can begin another event (threat row K23).
 */
#include "http/conn.h"

#include "base/log.h"
#include "http/answer.h"

#include <assert.h>
#include <stdio.h>

enum { PIECES = 6, EVENT_MAX = 16 << 20, SIZE_ROOM = 20 };

static struct iovec
piece(sp_slice s)
{
	return (struct iovec){ (void *)(uintptr_t)s.p, s.n };
}

/* As one chunk; false: the connection is gone. */
static bool
say(struct sp_conn *c, const sp_slice *parts, unsigned n)
{
	struct iovec iov[PIECES + 2];
	char size[SIZE_ROOM];
	uint64_t total = 0;
	int k = 0;

	for (unsigned i = 0; i < n; i++)
		total += parts[i].n;
	if (total == 0)
		return true;
	if (c->chunked) {
		int m = snprintf(size, sizeof size, "%llx\r\n", (unsigned long long)total);

		iov[k++] = piece(sp_mem(size, (size_t)m));
	}
	for (unsigned i = 0; i < n; i++)
		if (parts[i].n != 0)
			iov[k++] = piece(parts[i]);
	if (c->chunked)
		iov[k++] = piece(SP_LIT("\r\n"));
	c->said_ms = sp_hub_now(c->hub);
	if (!sp_conn_put(c, iov, k))
		return false;
	sp_conn_arm(c);
	return true;
}

static bool
has_break(sp_slice s)
{
	return sp_has_byte(s, '\n') || sp_has_byte(s, '\r');
}

static bool
say_line(struct sp_conn *c, sp_slice s)
{
	struct sp_out o;
	sp_slice clean;
	bool ok;

	if (!has_break(s))
		return say(c, &s, 1);
	sp_out_heap(&o, EVENT_MAX);
	sp_out_slice(&o, s);
	for (size_t i = 0; i < o.n; i++)
		if (o.p[i] == '\n' || o.p[i] == '\r')
			o.p[i] = ' ';
	clean = sp_out_view(&o);
	ok = !o.full && say(c, &clean, 1);
	if (o.full)
		sp_conn_close(c);
	sp_out_free(&o);
	return ok;
}

void
sp_conn_events_begin(struct sp_conn *c, const struct sp_answer *a)
{
	struct sp_out *o = &c->hub->head;
	struct sp_answer full = *a;
	struct iovec iov;

	if (c->state == SP_CONN_CLOSED)
		return;
	assert(c->w != NULL && a->nextra < SP_COUNT(a->extra));
	c->chunked = c->w->http.head.minor >= 1;
	c->close_after = c->close_after || a->close || !c->chunked || c->bad || !c->body_done;
	full.type = SP_LIT("text/event-stream");
	/* A proxy that collected the stream would hold back what it is for. */
	full.extra[full.nextra].name = "X-Accel-Buffering";
	full.extra[full.nextra++].value = SP_LIT("no");
	sp_conn_head(c, o, &full, c->chunked ? SP_LENGTH_CHUNKED : SP_LENGTH_CLOSE);
	if (o->full) {
		sp_conn_close(c);
		return;
	}
	c->events = SP_EVENTS_BETWEEN;
	c->answer_left = 0;
	c->said_ms = sp_hub_now(c->hub);
	iov = piece(sp_out_view(o));
	if (sp_conn_put(c, &iov, 1))
		sp_conn_settle(c);
}

void
sp_conn_event(struct sp_conn *c, const sp_slice *json, unsigned n)
{
	sp_slice parts[PIECES];
	bool broken = n + 2 > PIECES;

	if (c->state != SP_CONN_STREAM || c->events != SP_EVENTS_BETWEEN)
		return;
	for (unsigned i = 0; i < n && !broken; i++) {
		broken = has_break(json[i]);
		parts[i + 1] = json[i];
	}
	if (!broken) {
		parts[0] = SP_LIT("data: ");
		parts[n + 1] = SP_LIT("\n\n");
		(void)say(c, parts, n + 2);
		return;
	}
	sp_conn_event_begin(c);
	for (unsigned i = 0; i < n; i++)
		sp_conn_event_piece(c, json[i]);
	sp_conn_event_end(c);
}

static bool
between_events(const struct sp_conn *c)
{
	return c->state == SP_CONN_STREAM && c->events == SP_EVENTS_BETWEEN;
}

void
sp_conn_event_with(struct sp_conn *c, sp_slice id, sp_slice json)
{
	const sp_slice line[] = { SP_LIT("id: "), id, SP_LIT("\n"), json.n == 0 ? SP_LIT("data:\n\n") : SP_LIT("") };

	if (!between_events(c) || has_break(id))
		return;
	if (say(c, line, SP_COUNT(line)) && json.n != 0)
		sp_conn_event(c, &json, 1);
}

void
sp_conn_event_retry(struct sp_conn *c, uint32_t ms)
{
	char buf[SIZE_ROOM + 8];
	sp_slice line = sp_mem(buf, (size_t)snprintf(buf, sizeof buf, "retry: %u\n\n", (unsigned)ms));

	if (between_events(c))
		(void)say(c, &line, 1);
}

void
sp_conn_event_begin(struct sp_conn *c)
{
	const sp_slice head = SP_LIT("data: ");

	if (c->state != SP_CONN_STREAM || c->events != SP_EVENTS_BETWEEN)
		return;
	c->events = SP_EVENTS_INSIDE;
	(void)say(c, &head, 1);
}

void
sp_conn_event_piece(struct sp_conn *c, sp_slice json)
{
	if (c->state == SP_CONN_STREAM && c->events == SP_EVENTS_INSIDE)
		(void)say_line(c, json);
}

void
sp_conn_event_end(struct sp_conn *c)
{
	const sp_slice end = SP_LIT("\n\n");

	if (c->state != SP_CONN_STREAM || c->events != SP_EVENTS_INSIDE)
		return;
	c->events = SP_EVENTS_BETWEEN;
	(void)say(c, &end, 1);
}

void
sp_conn_events_end(struct sp_conn *c)
{
	struct iovec iov = piece(SP_LIT("0\r\n\r\n"));

	if (c->state != SP_CONN_STREAM || c->events == SP_EVENTS_NONE)
		return;
	if (c->events == SP_EVENTS_INSIDE) {
		sp_conn_close(c);	/* half an event: nobody may take it for a whole one */
		return;
	}
	c->events = SP_EVENTS_NONE;
	if (!c->chunked || sp_conn_put(c, &iov, 1))
		sp_conn_settle(c);
}

void
sp_conn_slim(struct sp_conn *c)
{
	if (c->state != SP_CONN_STREAM || c->w == NULL)
		return;
	c->close_after = true;
	sp_work_put(c->hub, c->w);
	c->w = NULL;
	sp_conn_arm(c);
}

/* A client that is gone is found by writing to it; one that does not read, by what stays unread (sp_conn_sweep). */
void
sp_conn_events_sweep(struct sp_conn *c, uint64_t now)
{
	const sp_slice comment = SP_LIT(":\n\n");

	if (c->events == SP_EVENTS_BETWEEN && sp_conn_unread(c) == 0 && now - c->said_ms >= SP_SSE_SILENCE_MS)
		(void)say(c, &comment, 1);
}
