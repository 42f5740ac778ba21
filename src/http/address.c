#include "http/address.h"

#include "wire/uri.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---------------------------------------------------------------- names */

void
sp_address_name(struct sp_address *a)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->u.any.sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &a->u.v4.sin_addr, host, sizeof host);
		(void)snprintf(a->name, sizeof a->name, "%s:%u", host, ntohs(a->u.v4.sin_port));
	} else if (a->u.any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a->u.v6.sin6_addr, host, sizeof host);
		(void)snprintf(a->name, sizeof a->name, "[%s]:%u", host, ntohs(a->u.v6.sin6_port));
	} else {
		(void)snprintf(a->name, sizeof a->name, "unix:%.*s", (int)sizeof a->u.un.sun_path, a->u.un.sun_path);
	}
}

uint16_t
sp_address_port(const struct sp_address *a)
{
	if (a->u.any.sa_family == AF_INET)
		return ntohs(a->u.v4.sin_port);
	return a->u.any.sa_family == AF_INET6 ? ntohs(a->u.v6.sin6_port) : 0;
}

bool
sp_address_of(int fd, struct sp_address *a)
{
	*a = (struct sp_address){ .n = sizeof a->u };
	if (getsockname(fd, &a->u.any, &a->n) != 0)
		return false;
	if (a->u.any.sa_family != AF_INET && a->u.any.sa_family != AF_INET6 &&
	    (a->u.any.sa_family != AF_UNIX || a->u.un.sun_path[0] != '/'))
		return false;
	sp_address_name(a);
	return true;
}

static bool
read_unix(sp_slice path, struct sp_address *a)
{
	a->u.un.sun_family = AF_UNIX;
	a->n = sizeof a->u.un;
	if (path.n == 0 || !sp_cstr(path, a->u.un.sun_path, sizeof a->u.un.sun_path))
		return false;
	sp_address_name(a);
	return true;
}

/* A port alone is one of this machine; whoever wants more writes the address. */
bool
sp_address_read(sp_slice text, struct sp_address *a)
{
	enum sp_host_kind kind = SP_HOST_IPV4;
	sp_slice host = SP_LIT("127.0.0.1"), digits = text;
	bool any = sp_ends(text, SP_LIT(":0"));
	char name[INET6_ADDRSTRLEN];
	struct sp_err e = { 0 };
	uint16_t port = 0;
	uint64_t v;

	*a = (struct sp_address){ 0 };
	if (sp_take(&text, SP_LIT("unix:")))
		return read_unix(text, a);
	if (sp_take_u64(&digits, UINT16_MAX, &v) && digits.n == 0)
		port = (uint16_t)v;
	else if (sp_hostport_read(any ? sp_sub(text, 0, text.n - 2) : text, &host, &kind, &port, &e) != SP_OK || any == (port != 0))
		return false;
	if (kind == SP_HOST_NAME || !sp_cstr(host, name, sizeof name))
		return false;
	a->u.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	a->n = sizeof a->u.v4;
	if (kind == SP_HOST_IPV6) {
		a->u.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		a->n = sizeof a->u.v6;
	}
	if (inet_pton(a->u.any.sa_family, name, kind == SP_HOST_IPV6 ? (void *)&a->u.v6.sin6_addr :
	    (void *)&a->u.v4.sin_addr) != 1)
		return false;
	sp_address_name(a);
	return true;
}

/* ---------------------------------------------------------------- opening */

/* A socket that nobody answers is what a killed process left. */
static void
remove_stale(const struct sp_address *a)
{
	struct stat st;
	int fd;

	if (lstat(a->u.un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, &a->u.any, a->n) != 0 && errno == ECONNREFUSED)
		(void)unlink(a->u.un.sun_path);
	close(fd);
}

static bool
bind_it(int fd, const struct sp_address *a)
{
	const int on = 1;

	if (a->u.any.sa_family == AF_UNIX) {
		remove_stale(a);
		/* The file gets the socket's own mode: no moment in which others could connect, and no umask for all threads. */
		return fchmod(fd, 0600) == 0 && bind(fd, &a->u.any, a->n) == 0;
	}
	/* No SO_REUSEPORT: with it connections are lost when one of several listeners dies. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		return false;
	if (a->u.any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
		return false;
	return bind(fd, &a->u.any, a->n) == 0;
}

int
sp_address_listen(const struct sp_address *a, int backlog)
{
	int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;

	if (fd >= 0 && bind_it(fd, a) && listen(fd, backlog) == 0)
		return fd;
	err = errno;
	if (fd >= 0)
		close(fd);
	errno = err;
	return -1;
}
