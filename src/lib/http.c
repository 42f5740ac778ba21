/* HTTP over listeners in the caller's loop. */
#include <sallyport/transport.h>

#include "base/log.h"
#include "http/address.h"
#include "lib/service.h"
#include "wire/uri.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { LISTENERS = 16, BACKLOG = 4096, LOOK_MS = 10, CONNECTIONS = 4096, HEAD_S = 10, BODY_S = 30, IDLE_S = 60 };

enum state { STATE_NEW, STATE_OPEN, STATE_CLOSING, STATE_CLOSED };

struct planned { struct sp_server *server; char *path; };

struct sp_http {
	struct sp_endpoint endpoint;
	uv_loop_t *loop;
	enum state state;
	bool	 orphan;		/* freed while the loop still holds it */
	struct planned *plan;
	unsigned nplan;
	bool	 no_memory;
	struct sp_address *at;		/* as wished; after the start: as bound */
	unsigned nat;
	char	 mistake[160];		/* of listen */
	unsigned max_connections;
	uint64_t head_ms, body_ms, idle_ms;
	struct sp_conn_io io;
	unsigned port;
	/* the end */
	uv_timer_t look;
	uint64_t until_ms;
	unsigned leaving;		/* servers that have not left the loop */
	bool	 last_turn;
	void	(*closed)(void *arg);
	void	*arg;
};

/* ---------------------------------------------------------------- options */

static void
read_listen(struct sp_http *h, const char *text)
{
	if (h->mistake[0] != '\0')
		return;
	if (h->nat == LISTENERS)
		(void)snprintf(h->mistake, sizeof h->mistake, "listen: more than %d addresses", LISTENERS);
	else if (!sp_address_read(sp_str(text), &h->at[h->nat]))
		(void)snprintf(h->mistake, sizeof h->mistake, "listen: ADDRESS:PORT, [ADDRESS]:PORT, PORT or unix:PATH, not `%.60s`", text);
	else
		h->nat++;
}

static void
add_texts(struct sp_http *h, const char *const *list, bool origins)
{
	struct sp_endpoint *p = &h->endpoint;

	for (; list != NULL && *list != NULL; list++)
		if (!(origins ? sp_endpoint_add(&p->origins, &p->norigins, sp_str(*list)) :
		    sp_endpoint_add(&p->hosts, &p->nhosts, sp_str(*list))))
			h->no_memory = true;
}

static uint64_t
ms_of(unsigned seconds, unsigned usual)
{
	return (uint64_t)(seconds == 0 ? usual : seconds) * 1000;
}

struct sp_http *
sp_http_create(struct uv_loop_s *loop, const struct sp_http_options *options)
{
	struct sp_http_options o = { 0 };
	struct sp_http *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
	h->loop = loop;
	h->endpoint.transport = SP_TRANSPORT_HTTP;
	h->at = calloc(LISTENERS, sizeof *h->at);
	if (h->at == NULL) {
		free(h);
		return NULL;
	}
	for (const char *const *l = o.listen; l != NULL && *l != NULL; l++)
		read_listen(h, *l);
	if (o.listen == NULL)
		read_listen(h, "127.0.0.1:8000");
	add_texts(h, o.origins, true);
	add_texts(h, o.hosts, false);
	h->max_connections = o.max_connections == 0 ? CONNECTIONS : o.max_connections;
	h->head_ms = ms_of(o.head_time_s, HEAD_S);
	h->body_ms = ms_of(o.body_time_s, BODY_S);
	h->idle_ms = ms_of(o.idle_time_s, IDLE_S);
	return h;
}

void
sp_http_serve(struct sp_http *h, struct sp_server *server, const char *path)
{
	struct planned *more = realloc(h->plan, (h->nplan + 1u) * sizeof *more);
	char *copy = path == NULL ? NULL : strdup(path);

	if (more == NULL || (path != NULL && copy == NULL)) {
		free(copy);
		h->plan = more == NULL ? h->plan : more;
		h->no_memory = true;
		return;
	}
	h->plan = more;
	h->plan[h->nplan++] = (struct planned){ server, copy };
}

unsigned
sp_http_port(const struct sp_http *h)
{
	return h->port;
}

/* ---------------------------------------------------------------- listening */

static bool
host_of(const struct sp_address *a, char *buf, size_t cap, enum sp_host_kind *kind)
{
	*kind = a->u.any.sa_family == AF_INET6 ? SP_HOST_IPV6 : SP_HOST_IPV4;
	return inet_ntop(a->u.any.sa_family, *kind == SP_HOST_IPV6 ? (const void *)&a->u.v6.sin6_addr :
	    (const void *)&a->u.v4.sin_addr, buf, (socklen_t)cap) != NULL;
}

static bool
is_unspecified(const struct sp_address *a)
{
	return a->u.any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->u.v6.sin6_addr) :
	    a->u.v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

/* What a browser may call us by: the address, and on this machine every name of it (threat rows F07, F08). */
static bool
add_hosts(struct sp_endpoint *p, const struct sp_address *a)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1" };
	char host[INET6_ADDRSTRLEN];
	enum sp_host_kind kind;
	unsigned port = sp_address_port(a);
	bool ok = true;

	if (a->u.any.sa_family == AF_UNIX)
		return sp_endpoint_add(&p->hosts, &p->nhosts, SP_LIT("localhost"));
	/* 0.0.0.0 as a name reaches loopback from a browser, so it is none of ours. */
	if (is_unspecified(a) || !host_of(a, host, sizeof host, &kind))
		return true;
	ok = sp_endpoint_host(p, "http", sp_str(host), port);
	for (size_t i = 0; i < SP_COUNT(names) && sp_host_is_loopback(sp_str(host), kind); i++)
		ok = ok && sp_endpoint_host(p, "http", sp_str(names[i]), port);
	return ok;
}

static void
close_fds(struct sp_http *h, const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		close(fds[i]);
		if (h->at[i].u.any.sa_family == AF_UNIX)
			(void)unlink(h->at[i].u.un.sun_path);
	}
}

static bool
bind_all(struct sp_http *h, int *fds, struct sp_error *error)
{
	const int on = 1;

	for (unsigned i = 0; i < h->nat; i++) {
		struct sp_address *a = &h->at[i];

		fds[i] = sp_address_listen(a, BACKLOG);
		if (fds[i] < 0) {
			int err = errno;

			close_fds(h, fds, i);
			return sp_lib_fail(error, SP_RC_SYSTEM, "listen %s: %s", a->name, strerror(err));
		}
		if (a->u.any.sa_family == AF_UNIX)
			continue;
		/* Accepted sockets have it from their listener: no event of a stream waits for the one before. */
		(void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (sp_address_of(fds[i], a) && h->port == 0)
			h->port = sp_address_port(a);
	}
	for (unsigned i = 0; i < h->nat; i++)
		if (!add_hosts(&h->endpoint, &h->at[i])) {
			close_fds(h, fds, h->nat);
			return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for the names of hosts");
		}
	return true;
}

/* ---------------------------------------------------------------- the servers */

/* http://LISTEN/path on this machine; false: no listener is on it, so a URL has to be said. */
static bool
usual_url(const struct sp_http *h, const char *path, struct sp_out *o)
{
	char host[INET6_ADDRSTRLEN];
	enum sp_host_kind kind;

	for (unsigned i = 0; i < h->nat; i++) {
		const struct sp_address *a = &h->at[i];

		if (a->u.any.sa_family != AF_UNIX &&
		    (!host_of(a, host, sizeof host, &kind) || !sp_host_is_loopback(sp_str(host), kind)))
			continue;
		sp_out_str(o, "http://");
		sp_out_str(o, a->u.any.sa_family == AF_UNIX ? "localhost" : a->name);
		sp_out_str(o, path == NULL ? "/mcp" : path);
		return !o->full;
	}
	return false;
}

static bool
join(struct sp_http *h, const struct planned *plan, struct sp_site *site, struct sp_error *error)
{
	const struct sp_clock no_clock = { 0, 0 };
	char buf[1024];
	struct sp_out url;
	struct sp_serving *s;

	sp_out_init(&url, buf, sizeof buf);
	if (!usual_url(h, plan->path, &url) && sp_server_opts(plan->server)->url == NULL)
		return sp_lib_fail(error, SP_RC_INVALID, "%s is not on this machine alone: say options.url, the address that clients use",
		    h->at[0].name);
	s = sp_serving_join(plan->server, h->loop, sp_out_view(&url), no_clock, error);
	if (s == NULL)
		return false;
	site->serving = s;
	return sp_serving_guard(s, error) && sp_endpoint_site(&h->endpoint, site, s, plan->path, error);
}

static bool
join_all(struct sp_http *h, struct sp_error *error)
{
	struct sp_endpoint *p = &h->endpoint;

	p->sites = calloc(h->nplan, sizeof *p->sites);
	if (p->sites == NULL)
		return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for servers");
	for (unsigned i = 0; i < h->nplan; i++) {
		bool ok = join(h, &h->plan[i], &p->sites[i], error);

		p->nsites = i + (p->sites[i].serving != NULL ? 1u : 0u);
		if (!ok)
			return false;
	}
	return true;
}

/* In a library nobody may be killed by a client that went away. */
static ssize_t
write_quietly(struct sp_conn *c, const struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

	return sendmsg(c->fd, &m, MSG_NOSIGNAL);
}

static bool
start_hub(struct sp_http *h, const int *fds, struct sp_error *error)
{
	struct sp_hub *hub = &h->endpoint.hub;
	struct sp_hub_limits lim = sp_endpoint_limits(&h->endpoint);
	struct sp_hash_key seed;
	struct sp_err e = { 0 };

	lim.connections = h->max_connections;
	lim.head_ms = h->head_ms;
	lim.body_ms = h->body_ms;
	lim.idle_ms = h->idle_ms;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return sp_lib_fail(error, SP_RC_SYSTEM, "no random numbers");
	if (sp_hub_init(hub, h->loop, &sp_lib_service, &h->endpoint, lim, seed, &e) != SP_OK) {
		hub->io = NULL;
		return sp_lib_fail(error, SP_RC_NO_MEMORY, "%s", e.log);
	}
	h->io = sp_socket_io;
	h->io.write = write_quietly;
	hub->io = &h->io;
	if (sp_hub_listen(hub, fds, h->nat, &e) != SP_OK)
		return sp_lib_fail(error, SP_RC_SYSTEM, "%s", e.log);
	return true;
}

/* ---------------------------------------------------------------- the end */

static void
destroy(struct sp_http *h)
{
	for (unsigned i = 0; i < h->nplan; i++)
		free(h->plan[i].path);
	free(h->plan);
	free(h->at);
	sp_endpoint_wipe(&h->endpoint);
	free(h);
}

static void
on_look_closed(uv_handle_t *t)
{
	struct sp_http *h = t->data;

	/* Closing calls back within the turn; connections and listeners may have been closed in this one. */
	if (!h->last_turn) {
		h->last_turn = true;
		uv_timer_init(h->loop, &h->look);
		uv_close((uv_handle_t *)&h->look, on_look_closed);
		return;
	}
	h->state = STATE_CLOSED;
	if (h->closed != NULL)
		h->closed(h->arg);
	else if (h->orphan)
		destroy(h);
}

static void
on_left(void *arg)
{
	struct sp_http *h = arg;

	if (--h->leaving == 0)
		uv_close((uv_handle_t *)&h->look, on_look_closed);
}

/* Everything at once: whoever is still being served is cut off. */
static void
finish(struct sp_http *h)
{
	struct sp_endpoint *p = &h->endpoint;

	if (p->hub.io != NULL)
		sp_hub_close(&p->hub);
	for (unsigned i = 0; i < h->nat; i++)
		if (h->at[i].u.any.sa_family == AF_UNIX)
			(void)unlink(h->at[i].u.un.sun_path);
	h->leaving = p->nsites + 1;
	for (unsigned i = 0; i < p->nsites; i++)
		sp_serving_leave(p->sites[i].serving, on_left, h);
	on_left(h);
}

static bool
is_quiet(const struct sp_http *h)
{
	const struct sp_endpoint *p = &h->endpoint;

	if (p->hub.nconn != 0)
		return false;
	/* Calls of the 2025 era go on without their client; where another transport serves too, they are not ours to wait for. */
	for (unsigned i = 0; i < p->nsites; i++)
		if (p->sites[i].serving->users == 1 && sp_server_busy(p->sites[i].serving->server) != 0)
			return false;
	return true;
}

static void
on_look(uv_timer_t *t)
{
	struct sp_http *h = t->data;

	if (!is_quiet(h) && uv_now(h->loop) < h->until_ms)
		return;
	uv_timer_stop(t);
	finish(h);
}

void
sp_http_close(struct sp_http *h, unsigned drain_ms, void (*closed)(void *arg), void *arg)
{
	if (h->state != STATE_OPEN) {
		/* Nothing of it is in the loop. */
		if (h->state == STATE_NEW && closed != NULL)
			closed(arg);
		return;
	}
	h->state = STATE_CLOSING;
	h->closed = closed;
	h->arg = arg;
	h->until_ms = uv_now(h->loop) + drain_ms;
	for (unsigned i = 0; i < h->endpoint.nsites; i++)
		sp_serving_drain(h->endpoint.sites[i].serving);
	sp_hub_drain(&h->endpoint.hub);
	uv_timer_start(&h->look, on_look, 0, LOOK_MS);
}

void
sp_http_free(struct sp_http *h)
{
	if (h == NULL)
		return;
	if (h->state == STATE_OPEN)
		sp_http_close(h, 0, NULL, NULL);
	if (h->state == STATE_CLOSING) {
		/* The loop still holds it: it goes when the loop has let go. */
		h->closed = NULL;
		h->orphan = true;
		return;
	}
	destroy(h);
}

/* ---------------------------------------------------------------- the start */

bool
sp_http_start(struct sp_http *h, struct sp_error *error)
{
	int fds[LISTENERS];
	bool ok;

	if (h->state != STATE_NEW)
		return sp_lib_fail(error, SP_RC_INVALID, "it was started before");
	if (h->no_memory)
		return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for options");
	if (h->mistake[0] != '\0')
		return sp_lib_fail(error, SP_RC_INVALID, "%s", h->mistake);
	if (h->nat == 0 || h->nplan == 0)
		return sp_lib_fail(error, SP_RC_INVALID, h->nat == 0 ? "listen: no address" : "no server: sp_http_serve() comes first");
	for (unsigned i = 0; i < h->nplan; i++)
		if (h->plan[i].path != NULL && !sp_endpoint_path(sp_str(h->plan[i].path), error))
			return false;
	if (!bind_all(h, fds, error))
		return false;
	uv_timer_init(h->loop, &h->look);
	h->look.data = h;
	ok = join_all(h, error);
	ok = ok && start_hub(h, fds, error);
	h->state = ok ? STATE_OPEN : STATE_CLOSING;
	if (ok)
		return true;
	/* The connections' part closes those that it has. */
	for (unsigned i = h->endpoint.hub.nlisten; i < h->nat; i++)
		close(fds[i]);
	finish(h);
	return false;
}
