/* Connections over sockets in a loop: accepting within the limits, polling, reading, writing. */
#include "http/conn.h"

#include "base/log.h"
#include "os/role.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---------------------------------------------------------------- one connection */

static uint64_t
socket_now_ms(const struct sp_hub *h)
{
	return uv_now(h->loop);
}

static int64_t
socket_now_s(const struct sp_hub *h)
{
	return sp_now_s();
}

static bool
socket_open(struct sp_conn *c)
{
	if (uv_poll_init(c->hub->loop, &c->poll, c->fd) != 0)
		return false;
	c->poll.data = c;
	return true;
}

static ssize_t
socket_read(struct sp_conn *c, void *buf, size_t n)
{
	return read(c->fd, buf, n);
}

static ssize_t
socket_write(struct sp_conn *c, const struct iovec *iov, int n)
{
	return writev(c->fd, iov, n);
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	sp_conn_ready(p->data, status < 0 ? 0 : events);
}

static void
socket_arm(struct sp_conn *c, int want)
{
	if (want == 0)
		uv_poll_stop(&c->poll);
	else
		uv_poll_start(&c->poll, want, on_poll);
}

static bool
socket_shut(struct sp_conn *c)
{
	return shutdown(c->fd, SHUT_WR) == 0;
}

static void
on_freed(uv_handle_t *p)
{
	sp_conn_free(p->data);
}

static void
socket_close(struct sp_conn *c)
{
	uv_close((uv_handle_t *)&c->poll, on_freed);
	close(c->fd);
	c->fd = -1;
}

static void
on_sweep(uv_timer_t *t)
{
	sp_hub_sweep(t->data);
}

static void
socket_sweep(struct sp_hub *h, bool on)
{
	if (on)
		uv_timer_start(&h->sweep, on_sweep, SP_SWEEP_MS, SP_SWEEP_MS);
	else
		uv_timer_stop(&h->sweep);
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

const struct sp_conn_io sp_socket_io = {
	.now_ms = socket_now_ms, .now_s = socket_now_s, .open = socket_open, .read = socket_read, .write = socket_write,
	.arm = socket_arm, .shut = socket_shut, .close = socket_close, .sweep = socket_sweep, .stop = stop_listening,
};

enum sp_status
sp_hub_adopt(struct sp_hub *h, int fd, uint64_t peer_key)
{
	if (sp_hub_join(h, fd, peer_key) != NULL)
		return SP_OK;
	close(fd);
	return SP_E_UNAVAILABLE;
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
	if (sp_hub_evict(h))
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
	c = sp_hub_join(h, fd, peer_key(h, &ss));
	if (c == NULL) {
		close(fd);
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

/* ---------------------------------------------------------------- beginning and end */

enum sp_status
sp_hub_init(struct sp_hub *h, uv_loop_t *loop, const struct sp_service *svc, void *ctx, struct sp_hub_limits lim,
    struct sp_hash_key seed, struct sp_err *e)
{
	enum sp_status st = sp_hub_prepare(h, &sp_socket_io, svc, ctx, lim, seed, e);

	if (st != SP_OK)
		return st;
	h->loop = loop;
	h->reserve = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (uv_timer_init(loop, &h->sweep) != 0) {
		sp_hub_wipe(h);
		return sp_fail(e, SP_E_SYSTEM, NULL, "no timer for connections");
	}
	h->sweep.data = h;
	return SP_OK;
}

void
sp_hub_close(struct sp_hub *h)
{
	stop_listening(h);
	sp_hub_wipe(h);
	uv_close((uv_handle_t *)&h->sweep, NULL);
	if (h->reserve >= 0)
		close(h->reserve);
	h->reserve = -1;
}
