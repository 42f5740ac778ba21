/* All connections of one role: accepting within the limits, finding, sweeping, draining. */
#include "http/conn.h"

#include "base/log.h"
#include "http/answer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_ROOM = 16384, POOL_KEEP = 32, LAST_WORD_MS = 300, SWEEP_MS = 250, HEAD_OUT_MAX = 262144, CONNECTIONS_MAX = 65535,
	LINES_PER_S = 20
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
	return sp_quota_take(&h->lines, uv_now(h->loop));
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

static void
on_sweep(uv_timer_t *t)
{
	struct sp_hub *h = t->data;
	uint64_t now = uv_now(h->loop);

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

static void
on_freed(uv_handle_t *p)
{
	struct sp_conn *c = p->data;

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
	uv_close((uv_handle_t *)&c->poll, on_freed);
	close(c->fd);
	c->fd = -1;
	if (h->nconn != 0)
		return;
	uv_timer_stop(&h->sweep);
	h->sweeping = false;
	if (h->draining && h->empty != NULL)
		h->empty(h->ctx);
}

/* Makes room by ending the connection that has waited longest without a complete request. */
static bool
evict(struct sp_hub *h)
{
	if (h->waiting.first == NULL)
		return false;
	sp_conn_close(h->waiting.first);
	return true;
}

static struct sp_conn *
adopt(struct sp_hub *h, int fd, uint64_t peer_key)
{
	struct sp_conn *c;

	if (h->nfree == 0 && !evict(h))
		goto full;
	c = calloc(1, sizeof *c);
	if (c == NULL)
		goto full;
	if (uv_poll_init(h->loop, &c->poll, fd) != 0) {
		free(c);
		goto full;
	}
	c->poll.data = c;
	c->hub = h;
	c->fd = fd;
	c->peer_key = peer_key;
	c->index = h->free_index[--h->nfree];
	c->turn = h->turn[c->index];	/* never a name that an older connection used lately */
	h->table[c->index] = c;
	h->nconn++;
	sp_gauge(h->counters, h->row, SP_C_CONNECTIONS, 1);
	c->in_waiting = true;
	append_conn(&h->waiting, c);
	c->deadline_ms = uv_now(h->loop) + h->lim.head_ms;
	if (!h->sweeping) {
		h->sweeping = true;
		uv_timer_start(&h->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	}
	sp_conn_arm(c);
	return c;
full:
	close(fd);
	return NULL;
}

enum sp_status
sp_hub_adopt(struct sp_hub *h, int fd, uint64_t peer_key)
{
	return adopt(h, fd, peer_key) == NULL ? SP_E_UNAVAILABLE : SP_OK;
}

/* ---------------------------------------------------------------- accepting */

/* IPv6 clients own their /64; a Unix socket is one neighbour. */
static uint64_t
peer_key(struct sp_hub *h, const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		return sp_siphash(&h->seed, sp_mem(&in->sin_addr, sizeof in->sin_addr));
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ss;
		const unsigned char *b = in6->sin6_addr.s6_addr;
		bool v4 = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		return sp_siphash(&h->seed, v4 ? sp_mem(b + 12, 4) : sp_mem(b, 8));
	}
	return sp_siphash(&h->seed, SP_LIT("local"));
}

static void
turn_away(int fd)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
	    "Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
	ssize_t n = write(fd, text, sizeof text - 1);

	(void)n;
	(void)shutdown(fd, SHUT_WR);
	close(fd);
}

/* No descriptor is left: an idle connection gives its own, else the reserve lets us turn one
 * client away. */
static void
out_of_descriptors(struct sp_hub *h, int listener)
{
	int fd;

	if (sp_hub_may_log(h))
		sp_log(SP_ERROR, "accept.no_descriptors", SP_U("connections", h->nconn));
	if (evict(h))
		return;			/* the listener is still readable: accept comes again */
	if (h->reserve >= 0)
		close(h->reserve);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(fd);
	h->reserve = fcntl(2, F_DUPFD_CLOEXEC, 3);
}

/* One a turn: the other fronts poll the same listener and take theirs. */
static void
on_accept(uv_poll_t *p, int status, int events)
{
	struct sp_listener *l = p->data;
	struct sp_hub *h = l->hub;
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof ss;
	struct sp_conn *c;
	int fd;

	if (h->draining)
		return;
	fd = accept4(l->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			out_of_descriptors(h, l->fd);
		return;
	}
	if (h->nfree == 0 && h->waiting.first == NULL) {
		turn_away(fd);
		return;
	}
	c = adopt(h, fd, peer_key(h, &ss));
	if (c == NULL) {
		if (sp_hub_may_log(h))
			sp_log(SP_ERROR, "accept.no_room", SP_U("connections", h->nconn));
		return;
	}
	c->local = ss.ss_family == AF_UNIX;
	c->metrics = (uint32_t)(l - h->listeners) >= h->nlisten - h->nmetrics;
}

enum sp_status
sp_hub_listen(struct sp_hub *h, const int *fds, uint32_t n, struct sp_err *e)
{
	for (uint32_t i = 0; i < n && i < SP_COUNT(h->listeners); i++) {
		struct sp_listener *l = &h->listeners[i];

		l->hub = h;
		l->fd = fds[i];
		l->poll.data = l;
		if (uv_poll_init(h->loop, &l->poll, fds[i]) != 0 ||
		    uv_poll_start(&l->poll, UV_READABLE, on_accept) != 0)
			return sp_fail(e, SP_E_SYSTEM, NULL, "cannot poll listener %u", i);
		h->nlisten = i + 1;
	}
	return SP_OK;
}

static void
stop_listening(struct sp_hub *h)
{
	for (uint32_t i = 0; i < h->nlisten; i++) {
		uv_close((uv_handle_t *)&h->listeners[i].poll, NULL);
		close(h->listeners[i].fd);
	}
	h->nlisten = 0;
}

/* ---------------------------------------------------------------- beginning and end */

enum sp_status
sp_hub_init(struct sp_hub *h, uv_loop_t *loop, const struct sp_service *svc, void *ctx, struct sp_hub_limits lim,
    struct sp_hash_key seed, struct sp_err *e)
{
	if (lim.connections == 0 || lim.connections > CONNECTIONS_MAX)
		lim.connections = CONNECTIONS_MAX;
	if (lim.head > (size_t)1 << 24 || lim.body > (uint64_t)1 << 32)
		return sp_fail(e, SP_E_CONFIG, NULL, "limits of head or body are too large");
	*h = (struct sp_hub){ .loop = loop, .svc = svc, .ctx = ctx, .lim = lim, .seed = seed };
	h->table = calloc(lim.connections, sizeof *h->table);
	h->free_index = calloc(lim.connections, sizeof *h->free_index);
	h->turn = calloc(lim.connections, sizeof *h->turn);
	h->reserve = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (h->table == NULL || h->free_index == NULL || h->turn == NULL || uv_timer_init(loop, &h->sweep) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for connections");
	h->sweep.data = h;
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
	uint64_t end = uv_now(h->loop) + LAST_WORD_MS;
	struct sp_conn *c;

	if (h->draining)
		return;
	h->draining = true;
	stop_listening(h);
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
sp_hub_close(struct sp_hub *h)
{
	stop_listening(h);
	h->empty = NULL;
	for (uint32_t i = 0; i < h->lim.connections; i++)
		if (h->table[i] != NULL)
			sp_conn_close(h->table[i]);
	uv_close((uv_handle_t *)&h->sweep, NULL);
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
	if (h->reserve >= 0)
		close(h->reserve);
	h->reserve = -1;
}
