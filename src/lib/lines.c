#include "lib/lines.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	OUT_MAX = 16 << 20,	/* a client that reads nothing costs this and two results, no more */
	HIGH_WATER = 1 << 20,	/* from here on it has to read before it may say more */
	COMPACT = 65536
};

struct sp_lines_exchange {
	struct sp_served s;		/* first */
	struct sp_lines *lines;		/* NULL: it has ended */
	struct sp_lines_exchange *prev, *next;
};

static struct sp_lines_exchange *
of(const struct sp_exchange *x)
{
	return (struct sp_lines_exchange *)(uintptr_t)x;
}

/* ---------------------------------------------------------------- what we say */

sp_slice
sp_lines_out(const struct sp_lines *l)
{
	return sp_sub(sp_out_view(&l->out), l->out_from, SIZE_MAX);
}

void
sp_lines_taken(struct sp_lines *l, size_t n)
{
	l->out_from += n;
	if (l->out_from == l->out.n) {
		sp_out_reset(&l->out);
		l->out_from = 0;
	}
}

bool
sp_lines_full(const struct sp_lines *l)
{
	return l->out.n - l->out_from >= HIGH_WATER;
}

static void
compact(struct sp_lines *l)
{
	if (l->out_from < COMPACT || l->out_from < l->out.n / 2)
		return;
	memmove(l->out.p, l->out.p + l->out_from, l->out.n - l->out_from);
	l->out.n -= l->out_from;
	l->out_from = 0;
}

/* A line break inside would be two messages to the client; in JSON text it can only be white space. */
static bool
say(struct sp_lines *l, sp_slice json)
{
	size_t at;

	if (l->closed)
		return false;
	compact(l);
	at = l->out.n;
	sp_out_slice(&l->out, json);
	sp_out_byte(&l->out, '\n');
	if (l->out.full) {
		sp_log(SP_WARN, "lines.slow_reader", SP_U("unread", l->out.n - l->out_from));
		sp_lines_close(l);
		return false;
	}
	for (; at + 1 < l->out.n; at++)
		if (l->out.p[at] == '\n' || l->out.p[at] == '\r')
			l->out.p[at] = ' ';
	if (l->said != NULL)
		l->said(l->ctx);
	return !l->closed;
}

/* ---------------------------------------------------------------- exchanges */

static void
exchange_free(struct sp_served *s)
{
	free(s);
}

static void
end(struct sp_lines_exchange *e)
{
	struct sp_lines *l = e->lines;

	if (l == NULL)
		return;
	e->lines = NULL;
	*(e->prev == NULL ? &l->open : &e->prev->next) = e->next;
	if (e->next != NULL)
		e->next->prev = e->prev;
	if (e == l->stream)
		l->stream = NULL;
	else
		l->nopen--;
	sp_serving_end(l->serving, &e->s);
	if (l->nopen == 0 && l->said != NULL)
		l->said(l->ctx);
}

static bool
on_send(struct sp_exchange *x, sp_slice json, sp_slice event)
{
	struct sp_lines_exchange *e = of(x);

	if (e->lines == NULL)
		return false;
	return json.n == 0 || say(e->lines, json);	/* nobody comes back to a line by its id */
}

static void begin_stream(struct sp_lines *l);

static void
on_answer(struct sp_exchange *x, const struct sp_reply *r)
{
	struct sp_lines_exchange *e = of(x);
	struct sp_lines *l = e->lines;

	e->s.answered = true;
	if (l == NULL)
		return;
	if (r->json.n != 0)
		(void)say(l, r->json);
	if (r->session.n != 0 && sp_cstr(r->session, l->session, sizeof l->session) && !l->closed)
		begin_stream(l);
	end(e);
}

/* The connection is one: what would close a stream closes nothing. */
static void
on_pause(struct sp_exchange *x, uint32_t retry_ms)
{
}

static size_t
on_unread(const struct sp_exchange *x)
{
	const struct sp_lines *l = of(x)->lines;

	return l == NULL ? 0 : l->out.n - l->out_from;
}

static const struct sp_exchange_ops ops = { .send = on_send, .answer = on_answer, .pause = on_pause, .unread = on_unread };

static struct sp_lines_exchange *
open_one(struct sp_lines *l)
{
	struct sp_lines_exchange *e = calloc(1, sizeof *e);

	if (e == NULL)
		return NULL;
	e->s.x = (struct sp_exchange){ .ops = &ops, .conn = l, .peer = l->peer, .transport = l->transport, .streams = true,
	    .session = sp_str(l->session) };
	e->s.free = exchange_free;
	e->lines = l;
	e->next = l->open;
	if (e->next != NULL)
		e->next->prev = e;
	l->open = e;
	return e;
}

static void
begin_stream(struct sp_lines *l)
{
	const sp_slice none = { NULL, 0 };

	if (l->stream != NULL)
		end(l->stream);
	l->stream = open_one(l);
	if (l->stream != NULL)
		sp_serving_stream(l->serving, &l->stream->s, sp_str(l->session), none);
}

static bool
is_blank(sp_slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			return false;
	return true;
}

static void
message(struct sp_lines *l, sp_slice line)
{
	struct sp_lines_exchange *e;

	if (is_blank(line))
		return;
	e = open_one(l);
	if (e == NULL) {
		sp_log(SP_ERROR, "lines.no_memory");
		return;
	}
	l->nopen++;
	sp_serving_message(l->serving, &e->s, line);
}

/* ---------------------------------------------------------------- what comes in */

void
sp_lines_init(struct sp_lines *l, struct sp_serving *serving, enum sp_transport transport, sp_slice peer, size_t max_line)
{
	*l = (struct sp_lines){ .serving = serving, .transport = transport, .peer = peer, .max_line = max_line };
	sp_out_heap(&l->in, max_line);
	sp_out_heap(&l->out, OUT_MAX + 2 * sp_server_opts(serving->server)->max_result);
}

static void
too_long(struct sp_lines *l)
{
	static const sp_slice text =
	    SP_LIT_INIT("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"the message is too large\"}}");

	l->skipping = true;
	sp_out_wipe(&l->in);
	sp_out_free(&l->in);
	sp_out_heap(&l->in, l->max_line);
	(void)say(l, text);
}

/* Part of a line that goes on, or its end. */
static void
piece(struct sp_lines *l, sp_slice part, bool whole)
{
	if (!l->skipping && l->in.n + part.n > l->max_line)
		too_long(l);
	if (l->skipping) {
		l->skipping = !whole;
		return;
	}
	if (whole && l->in.n == 0) {
		message(l, part);
		return;
	}
	sp_out_slice(&l->in, part);
	if (!whole)
		return;
	message(l, sp_out_view(&l->in));
	sp_out_reset(&l->in);
}

void
sp_lines_feed(struct sp_lines *l, sp_slice bytes)
{
	sp_slice line;

	while (!l->closed && sp_take_to(&bytes, '\n', &line))
		piece(l, line, true);
	if (!l->closed && bytes.n != 0)
		piece(l, bytes, false);
}

void
sp_lines_end(struct sp_lines *l)
{
	if (!l->closed && l->in.n != 0)
		piece(l, (sp_slice){ NULL, 0 }, true);
}

bool
sp_lines_busy(const struct sp_lines *l)
{
	return l->nopen != 0;
}

void
sp_lines_close(struct sp_lines *l)
{
	l->closed = true;
	while (l->open != NULL)
		end(l->open);
}

void
sp_lines_free(struct sp_lines *l)
{
	sp_lines_close(l);
	if (l->in.p != NULL)
		sp_out_wipe(&l->in);
	sp_out_free(&l->in);
	sp_out_free(&l->out);
	l->out_from = 0;
}
