#include "outbound/dial.h"

#include "outbound/netguard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct addresses {
	struct sockaddr_storage a[SP_DIAL_ADDRESSES];	/* judged */
	size_t	    n;
	const char *why;				/* when there is none */
	char	    refused[64];			/* an address that was judged and refused */
};

struct sp_target {
	uv_loop_t *loop;
	sp_slice host;
	enum sp_host_kind kind;
	uint16_t port;
	bool	 private_ok;
	struct addresses known;
	uint64_t until_ms;		/* `known` counts until then */
	struct lookup *lookup;		/* under way */
	struct sp_dial *waiting;	/* for it */
};

/* Outlives the target when it must: a lookup cannot be taken back once a thread has begun it. */
struct lookup {
	uv_getaddrinfo_t req;
	struct sp_target *target;
};

struct attempt {
	uv_poll_t poll;
	struct sp_dial *dial;
	struct sockaddr_storage to;
	int	 fd;
	bool	 open;
};

struct sp_dial {
	struct sp_target *target;
	struct sp_dial *next, **prev;	/* among the waiting */
	void (*done)(void *ctx, const struct sp_dial_result *r);
	void	*ctx;
	uv_timer_t timer;
	uint64_t deadline_ms;
	struct addresses to;
	size_t	 started, failed;
	struct attempt attempts[SP_DIAL_ADDRESSES];
	unsigned handles;
	bool	 over;
	int	 last_errno;
};

static void advance(struct sp_dial *d);

/* --- addresses */

static void
put_port(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET)
		((struct sockaddr_in *)(void *)ss)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)(void *)ss)->sin6_port = htons(port);
}

static void
print_address(const struct sockaddr_storage *ss, char *buf, size_t cap)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		(void)inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
		(void)snprintf(buf, cap, "%s:%u", ip, ntohs(in->sin_port));
		return;
	}
	const struct sockaddr_in6 *in6 = (const void *)ss;

	(void)inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
	(void)snprintf(buf, cap, "[%s]:%u", ip, ntohs(in6->sin6_port));
}

/* Keeps it only if it may be connected to. */
static void
judge(const struct sp_target *t, struct addresses *to, const struct sockaddr *sa, socklen_t n)
{
	struct sockaddr_storage ss = { 0 };
	const char *why = NULL;

	if (n > sizeof ss || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
		return;
	memcpy(&ss, sa, n);
	put_port(&ss, t->port);
	if (!sp_netguard_ok(sa, t->private_ok, &why)) {
		to->why = why;
		print_address(&ss, to->refused, sizeof to->refused);
		return;
	}
	if (to->n < SP_DIAL_ADDRESSES)
		to->a[to->n++] = ss;
}

/* RFC 8305 section 4: the families take turns; the first stays first. */
static void
interleave(struct addresses *to)
{
	for (size_t i = 1; i < to->n; i++) {
		size_t j = i;
		struct sockaddr_storage a;

		while (j < to->n && to->a[j].ss_family == to->a[i - 1].ss_family)
			j++;
		if (j == to->n)
			return;
		a = to->a[j];
		memmove(&to->a[i + 1], &to->a[i], (j - i) * sizeof a);
		to->a[i] = a;
	}
}

static void
judge_v4(const struct sp_target *t, struct addresses *to, const uint8_t a[4])
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	memcpy(&in.sin_addr, a, 4);
	judge(t, to, (const void *)&in, sizeof in);
}

static void
judge_v6(const struct sp_target *t, struct addresses *to, const uint8_t a[16])
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memcpy(&in6.sin6_addr, a, 16);
	judge(t, to, (const void *)&in6, sizeof in6);
}

/* What needs no resolver: literals, and localhost, which RFC 6761 section 6.3 keeps away from the DNS. */
static bool
known_without_asking(struct sp_target *t)
{
	static const uint8_t four[4] = { 127, 0, 0, 1 }, six[16] = { [15] = 1 };
	struct addresses to = { .why = "not an address" };
	sp_slice name = t->host;
	uint8_t a[16];

	if (t->kind == SP_HOST_IPV4) {
		if (sp_ipv4_read(t->host, a))
			judge_v4(t, &to, a);
	} else if (t->kind == SP_HOST_IPV6) {
		if (sp_ipv6_read(t->host, a))
			judge_v6(t, &to, a);
	} else {
		if (name.n != 0 && name.p[name.n - 1] == '.')
			name.n--;
		if (sp_host_is_loopback(name, SP_HOST_NAME)) {
			judge_v6(t, &to, six);
			judge_v4(t, &to, four);
		} else if (sp_netguard_name_ok(t->host)) {
			return false;
		} else {
			to.why = "not a host name";
		}
	}
	t->known = to;
	t->until_ms = UINT64_MAX;
	return true;
}

enum sp_status
sp_target_new(uv_loop_t *loop, sp_slice host, enum sp_host_kind kind, uint16_t port, bool private_ok,
    struct sp_target **out)
{
	struct sp_target *t = calloc(1, sizeof *t);

	if (t == NULL)
		return SP_E_FULL;
	*t = (struct sp_target){ .loop = loop, .host = host, .kind = kind, .port = port, .private_ok = private_ok };
	(void)known_without_asking(t);
	*out = t;
	return SP_OK;
}

void
sp_target_free(struct sp_target **t)
{
	if (*t == NULL)
		return;
	if ((*t)->lookup != NULL) {
		(*t)->lookup->target = NULL;
		(void)uv_cancel((uv_req_t *)&(*t)->lookup->req);
	}
	free(*t);
	*t = NULL;
}

/* --- resolving: one lookup a target at a time, however many wait */

static void
unwait(struct sp_dial *d)
{
	if (d->prev == NULL)
		return;
	*d->prev = d->next;
	if (d->next != NULL)
		d->next->prev = d->prev;
	d->prev = NULL;
}

/* Those that wait now; whoever asks again from inside waits for the next answer. */
static void
wake(struct sp_target *t)
{
	struct sp_dial *all = t->waiting;

	t->waiting = NULL;
	if (all != NULL)
		all->prev = &all;
	while (all != NULL) {
		struct sp_dial *d = all;

		unwait(d);
		d->to = t->known;
		advance(d);
	}
}

void
sp_target_resolved(struct sp_target *t, const struct sockaddr_storage *a, size_t n)
{
	struct addresses to = { .why = "no address" };

	for (size_t i = 0; i < n; i++)
		judge(t, &to, (const void *)&a[i],
		    a[i].ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	interleave(&to);
	t->known = to;
	t->until_ms = to.n == 0 ? 0 : uv_now(t->loop) + SP_DIAL_CACHE_MS;
}

static void
on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct lookup *l = req->data;
	struct sp_target *t = l->target;
	struct sockaddr_storage a[4 * SP_DIAL_ADDRESSES] = { 0 };
	size_t n = 0;

	free(l);
	/* N09: however many addresses there are, a few are looked at. */
	for (struct addrinfo *i = list; status == 0 && i != NULL && n < SP_COUNT(a); i = i->ai_next)
		if ((i->ai_family == AF_INET || i->ai_family == AF_INET6) && i->ai_addrlen <= sizeof a[0])
			memcpy(&a[n++], i->ai_addr, i->ai_addrlen);
	uv_freeaddrinfo(list);
	if (t == NULL)
		return;
	t->lookup = NULL;
	sp_target_resolved(t, a, n);
	if (status != 0)
		t->known.why = status == UV_EAI_NONAME || status == UV_EAI_NODATA ? "no such host" :
		    "the name service does not answer";
	wake(t);
}

static enum sp_status
look_up(struct sp_target *t)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
	struct lookup *l;
	char name[256];

	if (t->lookup != NULL)
		return SP_OK;
	if (!sp_cstr(t->host, name, sizeof name))
		return SP_E_BUG;
	l = calloc(1, sizeof *l);
	if (l == NULL)
		return SP_E_FULL;
	l->req.data = l;
	l->target = t;
	if (uv_getaddrinfo(t->loop, &l->req, on_resolved, name, NULL, &hints) != 0) {
		free(l);
		return SP_E_SYSTEM;
	}
	t->lookup = l;
	return SP_OK;
}

/* --- connecting */

static void
on_closed(uv_handle_t *h)
{
	struct sp_dial *d = h->data;

	if (--d->handles == 0)
		free(d);
}

static void
on_attempt_closed(uv_handle_t *h)
{
	struct attempt *a = h->data;

	if (--a->dial->handles == 0)
		free(a->dial);
}

static void
attempt_end(struct attempt *a, bool keep_fd)
{
	if (!a->open)
		return;
	a->open = false;
	uv_close((uv_handle_t *)&a->poll, on_attempt_closed);
	if (!keep_fd)
		close(a->fd);
}

/* Ends everything of it but `winner`'s socket; the memory goes when the loop has let go. */
static void
end(struct sp_dial *d, struct attempt *winner)
{
	d->over = true;
	unwait(d);
	for (size_t i = 0; i < d->started; i++)
		attempt_end(&d->attempts[i], &d->attempts[i] == winner);
	uv_close((uv_handle_t *)&d->timer, on_closed);
}

static void
fail(struct sp_dial *d, enum sp_status st, const char *why)
{
	struct sp_dial_result r = { .status = st, .fd = -1, .why = why };

	if (d->started != 0)
		print_address(&d->attempts[d->started - 1].to, r.address, sizeof r.address);
	else
		memcpy(r.address, d->to.refused, sizeof r.address);
	if (d->target->kind == SP_HOST_NAME && d->target->until_ms != UINT64_MAX)
		d->target->until_ms = 0;	/* the name may have moved */
	end(d, NULL);
	d->done(d->ctx, &r);
}

/* A port of our own that nobody listens at can be connected to itself. */
static bool
is_itself(int fd)
{
	struct sockaddr_storage a = { 0 }, b = { 0 };
	socklen_t n = sizeof a, m = sizeof b;

	return getsockname(fd, (void *)&a, &n) != 0 || getpeername(fd, (void *)&b, &m) != 0 ||
	    (n == m && memcmp(&a, &b, n) == 0);
}

static void
succeed(struct sp_dial *d, struct attempt *a)
{
	struct sp_dial_result r = { .status = SP_OK, .fd = a->fd };
	const int on = 1;

	(void)setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	print_address(&a->to, r.address, sizeof r.address);
	end(d, a);
	d->done(d->ctx, &r);
}

static const char *
why_not(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "connection refused";
	case ETIMEDOUT:
		return "no answer to the connection request";
	case ENETUNREACH: case EHOSTUNREACH: case EADDRNOTAVAIL:
		return "no route to the host";
	case EMFILE: case ENFILE:
		return "no descriptors left";
	case EACCES: case EPERM:
		return "not permitted";
	}
	return "the connection failed";
}

static void
attempt_failed(struct attempt *a, int error)
{
	struct sp_dial *d = a->dial;

	attempt_end(a, false);
	d->failed++;
	d->last_errno = error;
	advance(d);
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct attempt *a = p->data;
	socklen_t n = sizeof(int);
	int error = 0;

	/* libuv tells a failed connect as a bad descriptor; the socket knows better. */
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 || (status < 0 && error == 0))
		error = EIO;
	if (error == 0 && is_itself(a->fd))
		error = ECONNREFUSED;
	if (error != 0)
		attempt_failed(a, error);
	else
		succeed(a->dial, a);
}

/* Starts the next one; false: it failed at once. */
static bool
try_next(struct sp_dial *d)
{
	struct attempt *a = &d->attempts[d->started];
	const struct sockaddr *sa = (const void *)&a->to;

	a->to = d->to.a[d->started++];
	a->dial = d;
	a->fd = socket(a->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd == -1) {
		d->last_errno = errno;
		d->failed++;
		return false;
	}
	/* A second look at the very bytes that go to the kernel. */
	if (!sp_netguard_ok(sa, d->target->private_ok, NULL))
		errno = EPERM;
	else if ((connect(a->fd, sa, a->to.ss_family == AF_INET ? sizeof(struct sockaddr_in) :
	    sizeof(struct sockaddr_in6)) == 0 || errno == EINPROGRESS) &&
	    uv_poll_init(d->target->loop, &a->poll, a->fd) == 0) {
		a->open = true;
		a->poll.data = a;
		d->handles++;
		if (uv_poll_start(&a->poll, UV_WRITABLE, on_poll) == 0)
			return true;
		attempt_end(a, false);
		d->last_errno = ENOMEM;
		d->failed++;
		return false;
	}
	d->last_errno = errno;
	d->failed++;
	close(a->fd);
	return false;
}

static void on_timer(uv_timer_t *t);

/* The next address, or the end when all have failed.  Called when one failed, or its head start is over. */
static void
advance(struct sp_dial *d)
{
	uint64_t now = uv_now(d->target->loop), wait;

	if (d->to.n == 0) {
		fail(d, SP_E_UPSTREAM, d->to.why == NULL ? "no address" : d->to.why);
		return;
	}
	while (d->started < d->to.n && !try_next(d))
		;
	if (d->failed == d->to.n) {
		fail(d, SP_E_UPSTREAM, why_not(d->last_errno));
		return;
	}
	wait = d->deadline_ms > now ? d->deadline_ms - now : 0;
	if (d->started < d->to.n && wait > SP_DIAL_HEAD_START_MS)
		wait = SP_DIAL_HEAD_START_MS;
	uv_timer_start(&d->timer, on_timer, wait, 0);
}

static void
on_timer(uv_timer_t *t)
{
	struct sp_dial *d = t->data;

	if (d->to.n == 0 && d->prev == NULL) {		/* known from the start: the first turn of the loop */
		d->to = d->target->known;
		advance(d);
	} else if (uv_now(t->loop) >= d->deadline_ms) {
		fail(d, SP_E_UPSTREAM, d->started == 0 ? "the name service does not answer" :
		    "no answer to the connection request");
	} else {
		advance(d);
	}
}

enum sp_status
sp_dial_start(struct sp_target *t, void (*done)(void *ctx, const struct sp_dial_result *r), void *ctx,
    struct sp_dial **out)
{
	struct sp_dial *d = calloc(1, sizeof *d);
	bool known = uv_now(t->loop) < t->until_ms;

	if (d == NULL)
		return SP_E_FULL;
	if ((!known && look_up(t) != SP_OK) || uv_timer_init(t->loop, &d->timer) != 0) {
		free(d);
		return SP_E_SYSTEM;
	}
	d->target = t;
	d->done = done;
	d->ctx = ctx;
	d->handles = 1;
	d->timer.data = d;
	d->deadline_ms = uv_now(t->loop) + SP_DIAL_MS;
	if (!known) {
		d->next = t->waiting;
		d->prev = &t->waiting;
		if (d->next != NULL)
			d->next->prev = &d->next;
		t->waiting = d;
	}
	uv_timer_start(&d->timer, on_timer, known ? 0 : SP_DIAL_MS, 0);
	*out = d;
	return SP_OK;
}

void
sp_dial_cancel(struct sp_dial **d)
{
	if (*d != NULL && !(*d)->over)
		end(*d, NULL);
	*d = NULL;
}
