/* All connections of one service: taking them up within the limits, finding, sweeping, draining. */
#include "http/conn.h"

#include "base/log.h"

#include <stdlib.h>

enum {
	READ_ROOM = 16384, POOL_KEEP = 32, LAST_WORD_MS = 300, HEAD_OUT_MAX = 262144, CONNECTIONS_MAX = 65535, LINES_PER_S = 20,
	UNREAD_MAX = 16 << 20
};

/* ---------------------------------------------------------------- work */

struct sp_work *
sp_work_get(struct sp_hub *h)
{
	struct sp_work *w = h->pool;
	size_t cap = h->lim.head + READ_ROOM;

	if (w != NULL) {
		h->pool = w->next;
		h->npool--;
	} else {
		w = malloc(sizeof *w + cap);
		if (w == NULL)
			return NULL;
		memset(w, 0, sizeof *w);
		w->cap = cap;
		/* What a body of the largest size may become when parsed, and a little for everything else. */
		sp_arena_init(&w->arena, (size_t)h->lim.body * 20 + 131072);
	}
	w->next = NULL;
	w->pos = w->len = w->keep = w->high = 0;
	w->body = (sp_slice){ NULL, 0 };
	sp_out_heap(&w->spill, (size_t)h->lim.body);
	sp_http_init(&w->http, SP_HTTP_REQUEST, (struct sp_http_limits){ h->lim.head, h->lim.body });
	return w;
}

/* A token was among these bytes: they are overwritten before the buffer serves anybody else. */
static void
wipe(struct sp_work *w)
{
	if (w->spill.p != NULL)
		sp_out_wipe(&w->spill);
	sp_out_free(&w->spill);
	w->body = (sp_slice){ NULL, 0 };
	sp_arena_reset(&w->arena);
}

void
sp_work_put(struct sp_hub *h, struct sp_work *w)
{
	wipe(w);
	explicit_bzero(w->buf, w->high);
	if (h->npool == POOL_KEEP) {
		sp_arena_free(&w->arena);
		free(w);
		return;
	}
	w->next = h->pool;
	h->pool = w;
	h->npool++;
}

void
sp_work_clear(struct sp_work *w)
{
	size_t rest = w->len - w->pos;

	wipe(w);
	sp_out_heap(&w->spill, w->http.lim.body > SIZE_MAX ? SIZE_MAX : (size_t)w->http.lim.body);
	if (rest != 0)
		memmove(w->buf, w->buf + w->pos, rest);
	explicit_bzero(w->buf + rest, w->high - rest);
	w->pos = w->keep = 0;
	w->len = w->high = rest;
	sp_http_next(&w->http);
}

/* ---------------------------------------------------------------- log */

bool
sp_quota_take(struct sp_quota *q, uint64_t now_ms)
{
	if (now_ms - q->since_ms >= 1000) {
		if (q->dropped != 0)
			sp_log(SP_WARN, "log.dropped", SP_U("lines", q->dropped));
		*q = (struct sp_quota){ .since_ms = now_ms };
	}
	if (q->used == LINES_PER_S) {
		q->dropped++;
		return false;
	}
	q->used++;
	return true;
}

bool
sp_hub_may_log(struct sp_hub *h)
{
	return sp_quota_take(&h->lines, sp_hub_now(h));
}

/* ---------------------------------------------------------------- lists */

static void
unlink_conn(struct sp_conn_list *l, struct sp_conn *c)
{
	*(c->prev == NULL ? &l->first : &c->prev->next) = c->next;
	*(c->next == NULL ? &l->last : &c->next->prev) = c->prev;
	c->prev = c->next = NULL;
}

static void
append_conn(struct sp_conn_list *l, struct sp_conn *c)
{
	c->prev = l->last;
	c->next = NULL;
	*(l->last == NULL ? &l->first : &l->last->next) = c;
	l->last = c;
}

/* Moves it to the end of one of the two lists. */
void
sp_conn_list(struct sp_conn *c, bool waiting)
{
	struct sp_hub *h = c->hub;

	unlink_conn(c->in_waiting ? &h->waiting : &h->busy, c);
	c->in_waiting = waiting;
	append_conn(waiting ? &h->waiting : &h->busy, c);
}

void
sp_hub_sweep(struct sp_hub *h)
{
	uint64_t now = sp_hub_now(h);

	for (uint32_t i = 0; i < h->lim.connections; i++)
		if (h->table[i] != NULL)
			sp_conn_sweep(h->table[i], now);
}

/* ---------------------------------------------------------------- connections */

struct sp_conn *
sp_hub_find(struct sp_hub *h, uint32_t request)
{
	uint32_t i = request & 0xffff;
	struct sp_conn *c = i < h->lim.connections ? h->table[i] : NULL;

	return c != NULL && sp_conn_request(c) == request ? c : NULL;
}

void
sp_conn_free(struct sp_conn *c)
{
	sp_out_free(&c->out);
	free(c->mine);
	free(c);
}

void
sp_conn_close(struct sp_conn *c)
{
	struct sp_hub *h = c->hub;

	if (c->state == SP_CONN_CLOSED)
		return;
	c->state = SP_CONN_CLOSED;
	if (c->req != NULL)
		h->svc->end(c);
	c->req = NULL;
	if (c->w != NULL)
		sp_work_put(h, c->w);
	c->w = NULL;
	unlink_conn(c->in_waiting ? &h->waiting : &h->busy, c);
	h->table[c->index] = NULL;
	h->turn[c->index] = (uint16_t)(c->turn + 1);
	h->free_index[h->nfree++] = c->index;
	h->nconn--;
	sp_gauge(h->counters, h->row, SP_C_CONNECTIONS, -1);
	h->io->close(c);
	if (h->nconn != 0)
		return;
	h->io->sweep(h, false);
	h->sweeping = false;
	if (h->draining && h->empty != NULL)
		h->empty(h->ctx);
}

bool
sp_hub_evict(struct sp_hub *h)
{
	if (h->waiting.first == NULL)
		return false;
	sp_conn_close(h->waiting.first);
	return true;
}

struct sp_conn *
sp_hub_join(struct sp_hub *h, int fd, uint64_t peer_key)
{
	struct sp_conn *c;

	if (h->nfree == 0 && !sp_hub_evict(h))
		return NULL;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	c->hub = h;
	c->fd = fd;
	if (!h->io->open(c)) {
		free(c);
		return NULL;
	}
	c->peer_key = peer_key;
	c->index = h->free_index[--h->nfree];
	c->turn = h->turn[c->index];	/* never a name that an older connection used lately */
	h->table[c->index] = c;
	h->nconn++;
	sp_gauge(h->counters, h->row, SP_C_CONNECTIONS, 1);
	c->in_waiting = true;
	append_conn(&h->waiting, c);
	c->deadline_ms = sp_hub_now(h) + h->lim.head_ms;
	if (!h->sweeping) {
		h->sweeping = true;
		h->io->sweep(h, true);
	}
	sp_conn_arm(c);
	return c;
}

/* ---------------------------------------------------------------- beginning and end */

enum sp_status
sp_hub_prepare(struct sp_hub *h, const struct sp_conn_io *io, const struct sp_service *svc, void *ctx,
    struct sp_hub_limits lim, struct sp_hash_key seed, struct sp_err *e)
{
	if (lim.connections == 0 || lim.connections > CONNECTIONS_MAX)
		lim.connections = CONNECTIONS_MAX;
	if (lim.unread == 0)
		lim.unread = UNREAD_MAX;
	if (lim.head > (size_t)1 << 24 || lim.body > (uint64_t)1 << 32)
		return sp_fail(e, SP_E_CONFIG, NULL, "limits of head or body are too large");
	*h = (struct sp_hub){ .io = io, .svc = svc, .ctx = ctx, .lim = lim, .seed = seed, .reserve = -1 };
	h->table = calloc(lim.connections, sizeof *h->table);
	h->free_index = calloc(lim.connections, sizeof *h->free_index);
	h->turn = calloc(lim.connections, sizeof *h->turn);
	if (h->table == NULL || h->free_index == NULL || h->turn == NULL) {
		sp_hub_wipe(h);
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for connections");
	}
	for (uint32_t i = 0; i < lim.connections; i++)
		h->free_index[i] = lim.connections - 1 - i;
	h->nfree = lim.connections;
	sp_out_heap(&h->head, HEAD_OUT_MAX);
	return SP_OK;
}

/* Connections between two requests can go at once; the others say "Connection: close" in their
 * answer. */
void
sp_hub_drain(struct sp_hub *h)
{
	uint64_t end = sp_hub_now(h) + LAST_WORD_MS;
	struct sp_conn *c;

	if (h->draining)
		return;
	h->draining = true;
	h->io->stop(h);
	/* A request may be on its way on a connection that we accepted just now: it is served, and is the last. */
	for (c = h->waiting.first; c != NULL; c = c->next)
		if (c->w == NULL && c->state == SP_CONN_WAIT && (c->deadline_ms == 0 || c->deadline_ms > end))
			c->deadline_ms = end;
	for (c = h->busy.first; c != NULL; c = c->next)
		c->close_after = true;
	if (h->nconn == 0 && h->empty != NULL)
		h->empty(h->ctx);
}

void
sp_hub_wipe(struct sp_hub *h)
{
	h->empty = NULL;
	for (uint32_t i = 0; h->table != NULL && i < h->lim.connections; i++)
		if (h->table[i] != NULL)
			sp_conn_close(h->table[i]);
	while (h->pool != NULL) {
		struct sp_work *w = h->pool;

		h->pool = w->next;
		sp_arena_free(&w->arena);
		free(w);
	}
	sp_out_free(&h->head);
	free(h->table);
	free(h->free_index);
	free(h->turn);
	h->table = NULL;
	h->turn = NULL;
	h->free_index = NULL;
}
