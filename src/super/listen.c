/* Listening sockets: opened once, inherited by all fronts of all generations. */
#include "super/super_int.h"

#include "base/log.h"
#include "http/address.h"
#include "wire/uri.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, INHERIT_FIRST = 3 };

static struct sp_listener *
find(const struct sp_super *s, const char *name)
{
	for (struct sp_listener *l = s->listeners; l != NULL; l = l->next)
		if (strcmp(l->name, name) == 0)
			return l;
	return NULL;
}

static uint32_t
count(const struct sp_super *s)
{
	uint32_t n = 0;

	for (struct sp_listener *l = s->listeners; l != NULL; l = l->next)
		n++;
	return n;
}

static enum sp_status
add(struct sp_super *s, int fd, const char *name, bool inherited, struct sp_err *e)
{
	struct sp_listener *l, **end = &s->listeners;

	if (count(s) >= SP_LISTENERS || (l = calloc(1, sizeof *l)) == NULL) {
		close(fd);
		return sp_fail(e, SP_E_CONFIG, NULL, "listen: more than %d addresses at once", SP_LISTENERS);
	}
	l->fd = fd;
	l->inherited = inherited;
	(void)snprintf(l->name, sizeof l->name, "%s", name);
	while (*end != NULL)
		end = &(*end)->next;
	*end = l;
	return SP_OK;
}

/* ---------------------------------------------------------------- names */

static enum sp_status
read_inet(const struct sp_image *img, const struct sp_img_listen *in, struct sp_address *a, struct sp_err *e)
{
	char host[INET6_ADDRSTRLEN];
	bool ok = sp_cstr(sp_img_str(img, in->host), host, sizeof host);

	if (in->host_kind == SP_HOST_IPV6) {
		a->u.v6.sin6_family = AF_INET6;
		a->u.v6.sin6_port = htons((uint16_t)in->port);
		a->n = sizeof a->u.v6;
		ok = ok && inet_pton(AF_INET6, host, &a->u.v6.sin6_addr) == 1;
	} else {
		a->u.v4.sin_family = AF_INET;
		a->u.v4.sin_port = htons((uint16_t)in->port);
		a->n = sizeof a->u.v4;
		ok = ok && in->host_kind == SP_HOST_IPV4 && inet_pton(AF_INET, host, &a->u.v4.sin_addr) == 1;
	}
	if (!ok)
		return sp_fail(e, SP_E_CONFIG, NULL, "listen: `%.*s` is not an address",
		    SP_PRI(sp_img_str(img, in->host)));
	sp_address_name(a);
	return SP_OK;
}

static enum sp_status
read_address(const struct sp_image *img, const struct sp_img_listen *in, struct sp_address *a, struct sp_err *e)
{
	sp_slice path = sp_img_str(img, in->path);

	*a = (struct sp_address){ 0 };
	if (in->kind == 0)
		return read_inet(img, in, a, e);
	a->u.un.sun_family = AF_UNIX;
	if (path.n == 0 || !sp_cstr(path, a->u.un.sun_path, sizeof a->u.un.sun_path))
		return sp_fail(e, SP_E_CONFIG, NULL, "listen: the socket's path is longer than 107 bytes");
	a->n = sizeof a->u.un;
	(void)snprintf(a->name, sizeof a->name, "unix:%s", a->u.un.sun_path);
	return SP_OK;
}

/* ---------------------------------------------------------------- opening */

static enum sp_status
open_one(struct sp_super *s, const struct sp_address *a, struct sp_err *e)
{
	int fd = sp_address_listen(a, BACKLOG);

	if (fd >= 0)
		return add(s, fd, a->name, false, e);
	return sp_fail(e, SP_E_SYSTEM, NULL, "listen %s: %s", a->name, strerror(errno));
}

enum sp_status
sp_listen_metrics(struct sp_super *s, const char *where, struct sp_err *e)
{
	struct sp_address a;
	enum sp_status st;

	if (!sp_address_read(sp_str(where), &a) || (a.u.any.sa_family != AF_UNIX && sp_address_port(&a) == 0))
		return sp_fail(e, SP_E_CONFIG, NULL, "--metrics wants PORT (of 127.0.0.1), ADDRESS:PORT or unix:PATH, not `%.80s`",
		    where);
	st = open_one(s, &a, e);
	for (struct sp_listener *l = s->listeners; st == SP_OK && l != NULL; l = l->next)
		l->metrics = l->metrics || strcmp(l->name, a.name) == 0;
	return st;
}

static void
close_one(struct sp_listener *l)
{
	if (!l->inherited && strncmp(l->name, "unix:", 5) == 0)
		(void)unlink(l->name + 5);
	close(l->fd);
	free(l);
}

enum sp_status
sp_listen_open(struct sp_super *s, const struct sp_image *img, struct sp_err *e)
{
	enum sp_status st = SP_OK;
	struct sp_listener *l;
	uint32_t before = count(s), n = 0;
	struct sp_address a;

	for (uint32_t i = 0; i < img->head->listens.n && st == SP_OK; i++) {
		st = read_address(img, SP_IMG_AT(img, img->head->listens, listen, i), &a, e);
		if (st != SP_OK)
			continue;
		l = find(s, a.name);
		if (l != NULL && l->metrics)
			st = sp_fail(e, SP_E_CONFIG, NULL, "listen %s: --metrics has that address", a.name);
		if (l != NULL)
			continue;
		st = open_one(s, &a, e);
	}
	if (st == SP_OK)
		return SP_OK;
	/* New ones stand at the end. */
	for (struct sp_listener **at = &s->listeners; *at != NULL; n++) {
		l = *at;
		if (n < before) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		close_one(l);
	}
	return st;
}

/* Is it for the fronts of this image?  What the service manager gave is for all. */
static bool
is_named(const struct sp_image *img, const struct sp_listener *l)
{
	struct sp_err e = { 0 };
	struct sp_address a;

	for (uint32_t i = 0; i < img->head->listens.n; i++)
		if (read_address(img, SP_IMG_AT(img, img->head->listens, listen, i), &a, &e) == SP_OK &&
		    strcmp(a.name, l->name) == 0)
			return true;
	return l->inherited || l->metrics;
}

void
sp_listen_prune(struct sp_super *s, const struct sp_image *live)
{
	for (struct sp_listener **at = &s->listeners; *at != NULL;) {
		struct sp_listener *l = *at;

		if (is_named(live, l)) {
			at = &l->next;
			continue;
		}
		sp_log(SP_INFO, "listen.closed", SP_C("address", l->name));
		*at = l->next;
		close_one(l);
	}
}

void
sp_listen_close(struct sp_super *s)
{
	while (s->listeners != NULL) {
		struct sp_listener *l = s->listeners;

		s->listeners = l->next;
		close_one(l);
	}
}

static uint32_t
add_fds(const struct sp_super *s, const struct sp_image *img, bool metrics, int *fds, uint32_t cap)
{
	uint32_t n = 0;

	for (const struct sp_listener *l = s->listeners; l != NULL && n < cap; l = l->next)
		if (l->metrics == metrics && is_named(img, l))
			fds[n++] = l->fd;
	return n;
}

uint32_t
sp_listen_fds(const struct sp_super *s, const struct sp_image *img, int *fds, uint32_t cap, uint32_t *nmetrics)
{
	uint32_t n = add_fds(s, img, false, fds, cap);

	*nmetrics = add_fds(s, img, true, fds + n, cap - n);
	return n + *nmetrics;
}

void
sp_listen_names(const struct sp_super *s, struct sp_out *o)
{
	for (const struct sp_listener *l = s->listeners; l != NULL; l = l->next)
		if (!l->metrics) {
			sp_out_str(o, o->n == 0 ? "" : ", ");
			sp_out_str(o, l->name);
		}
}

/* ---------------------------------------------------------------- from the service manager */

static enum sp_status
inherit_one(struct sp_super *s, int fd, struct sp_err *e)
{
	int listening = 0, type = 0, own;
	socklen_t n = sizeof listening, m = sizeof type;
	struct sp_address a;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) != 0 || listening == 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &m) != 0 || type != SOCK_STREAM || !sp_address_of(fd, &a))
		return sp_fail(e, SP_E_CONFIG, NULL, "LISTEN_FDS: descriptor %d is not a listening stream socket", fd);
	/* A copy out of the way: the children's numbers 3 and 4 are taken. */
	own = fcntl(fd, F_DUPFD_CLOEXEC, INHERIT_FIRST + SP_LISTENERS);
	if (own < 0)
		own = fcntl(fd, F_DUPFD_CLOEXEC, INHERIT_FIRST);
	if (own < 0 || fcntl(own, F_SETFL, O_NONBLOCK) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "LISTEN_FDS: no descriptors left");
	return add(s, own, a.name, true, e);
}

enum sp_status
sp_listen_inherit(struct sp_super *s, struct sp_err *e)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	sp_slice p = sp_str(pid == NULL ? "" : pid), f = sp_str(fds == NULL ? "" : fds);
	uint64_t who, n = 0;
	enum sp_status st = SP_OK;

	if (!sp_take_u64(&p, INT32_MAX, &who) || p.n != 0 || who != (uint64_t)getpid() ||
	    !sp_take_u64(&f, SP_LISTENERS, &n) || f.n != 0)
		n = 0;
	for (uint64_t i = 0; i < n && st == SP_OK; i++) {
		st = inherit_one(s, INHERIT_FIRST + (int)i, e);
		close(INHERIT_FIRST + (int)i);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return st;
}
