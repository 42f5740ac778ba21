#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "outbound/dial.h"
#include "outbound/dialhost.h"

static uv_loop_t loop;

struct got { bool called; struct sp_dial_result r; bool *quit; };

static void
on_done(void *ctx, const struct sp_dial_result *r)
{
	struct got *g = ctx;

	assert_false(g->called);
	g->called = true;
	g->r = *r;
}

static struct got
dial(struct sp_target *t)
{
	struct got g = { 0 };
	struct sp_dial *d = NULL;

	uv_update_time(&loop);
	assert_int_equal(sp_dial_start(t, on_done, &g, &d), SP_OK);
	assert_false(g.called);
	while (!g.called)
		uv_run(&loop, UV_RUN_ONCE);
	return g;
}

static int
listener(int family, uint16_t *port, int backlog)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(*port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(*port),
	    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t n = family == AF_INET ? sizeof in : sizeof in6;
	void *sa = family == AF_INET ? (void *)&in : (void *)&in6;

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, sa, n) != 0 || listen(fd, backlog) != 0 || getsockname(fd, sa, &n) != 0) {
		close(fd);
		return -1;
	}
	*port = ntohs(family == AF_INET ? in.sin_port : in6.sin6_port);
	return fd;
}

static struct sp_target *
target(const char *host, enum sp_host_kind kind, uint16_t port, bool private_ok)
{
	struct sp_target *t = NULL;

	assert_int_equal(sp_target_new(&loop, sp_str(host), kind, port, private_ok, &t), SP_OK);
	return t;
}

static const struct {
	const char *name, *host;
	enum sp_host_kind kind;
	bool private_ok, want;
} rows[] = {
	{ "N15 loopback, written by the operator", "127.0.0.1", SP_HOST_IPV4, true, true },
	{ "N01 loopback, learned", "127.0.0.1", SP_HOST_IPV4, false, false },
	{ "N05 localhost, written by the operator", "localhost", SP_HOST_NAME, true, true },
	{ "N05 localhost, learned", "localhost", SP_HOST_NAME, false, false },
	{ "N05 LOCALHOST., learned", "LOCALHOST.", SP_HOST_NAME, false, false },
	{ "N05 LOCALHOST., written by the operator", "LOCALHOST.", SP_HOST_NAME, true, true },
	{ "N05 foo.localhost, learned", "foo.localhost", SP_HOST_NAME, false, false },
	{ "N03 v4-mapped loopback, learned", "::ffff:127.0.0.1", SP_HOST_IPV6, false, false },
	{ "N04 decimal, written by the operator", "2130706433", SP_HOST_NAME, true, false },
	{ "N04 hexadecimal, written by the operator", "0x7f000001", SP_HOST_NAME, true, false },
	{ "N04 short, written by the operator", "127.1", SP_HOST_NAME, true, false },
	{ "N01 metadata, written by the operator", "169.254.169.254", SP_HOST_IPV4, true, false },
	{ "N02 metadata, written by the operator", "fd00:ec2::254", SP_HOST_IPV6, true, false },
	{ "N01 0.0.0.0, written by the operator", "0.0.0.0", SP_HOST_IPV4, true, false },
	{ "N02 ::, written by the operator", "::", SP_HOST_IPV6, true, false },
	{ "N16 zone, written by the operator", "fe80::1%eth0", SP_HOST_IPV6, true, false },
	{ "N11 not a host", "unix:/run/x", SP_HOST_NAME, true, false },
};

static void
test_rows(void **state)
{
	uint16_t port = 0;
	int l = listener(AF_INET, &port, 16);

	assert_true(l >= 0);
	/* N14: a proxy in the environment means nothing here. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "socks5://127.0.0.1:1", 1);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_target *t = target(rows[i].host, rows[i].kind, port, rows[i].private_ok);
		struct got g = dial(t);
		int nodelay = 0;
		socklen_t n = sizeof nodelay;

		if ((g.r.status == SP_OK) != rows[i].want)
			fail_msg("%s: %s", rows[i].name, g.r.why == NULL ? "connected" : g.r.why);
		if (rows[i].want) {
			assert_int_equal(getsockopt(g.r.fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &n), 0);
			assert_true(nodelay != 0);
			close(g.r.fd);
		} else {
			assert_int_equal(g.r.fd, -1);
			assert_non_null(g.r.why);
		}
		sp_target_free(&t);
	}
	close(l);
}

static void
add(struct sockaddr_storage *a, const char *text)
{
	struct sockaddr_in *in = (void *)a;
	struct sockaddr_in6 *in6 = (void *)a;

	*a = (struct sockaddr_storage){ 0 };
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
	}
}

static void
test_resolved(void **state)
{
	struct sockaddr_storage a[3];
	uint16_t port = 0;
	int l = listener(AF_INET, &port, 16);
	struct sp_target *t = target("api.test", SP_HOST_NAME, port, true);
	struct got g;

	/* N07, N08: what was judged is what is connected to; the metadata address is passed over. */
	add(&a[0], "169.254.169.254");
	add(&a[1], "127.0.0.1");
	sp_target_resolved(t, a, 2);
	g = dial(t);
	assert_int_equal(g.r.status, SP_OK);
	assert_true(sp_starts(sp_str(g.r.address), SP_LIT("127.0.0.1:")));
	close(g.r.fd);
	sp_target_free(&t);
	close(l);
}

static void
test_refused_connection(void **state)
{
	uint16_t port = 0;
	int l = listener(AF_INET, &port, 1);
	struct sp_target *t;
	struct got g;

	close(l);
	t = target("127.0.0.1", SP_HOST_IPV4, port, true);
	g = dial(t);
	assert_int_equal(g.r.status, SP_E_UPSTREAM);
	assert_string_equal(g.r.why, "connection refused");
	sp_target_free(&t);
}

/* A listener whose queue is full answers no connection request. */
static int
stuff(uint16_t port, int *fds, size_t n)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	for (size_t i = 0; i < n; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fds[i], (void *)&in, sizeof in) != 0 && errno != EINPROGRESS)
			return -1;
	}
	usleep(20000);
	return 0;
}

static void
test_head_start(void **state)
{
	struct sockaddr_storage a[2];
	uint16_t port = 0;
	int full = listener(AF_INET, &port, 0), other, fds[4];
	struct sp_target *t;
	struct got g;
	uint64_t began;

	other = listener(AF_INET6, &port, 16);
	if (other == -1) {
		print_message("skipped: no IPv6 loopback\n");
		close(full);
		skip();
	}
	assert_int_equal(stuff(port, fds, 4), 0);
	t = target("api.test", SP_HOST_NAME, port, true);
	add(&a[0], "127.0.0.1");
	add(&a[1], "::1");
	sp_target_resolved(t, a, 2);
	began = uv_hrtime();
	g = dial(t);
	assert_int_equal(g.r.status, SP_OK);
	assert_true(sp_starts(sp_str(g.r.address), SP_LIT("[::1]:")));
	assert_in_range((uv_hrtime() - began) / 1000000, 100, 3000);
	close(g.r.fd);
	sp_target_free(&t);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	close(full);
	close(other);
}

/* N09: one deadline for everything, however slow. */
static void
test_deadline(void **state)
{
	uint16_t port = 0;
	int full = listener(AF_INET, &port, 0), fds[4];
	struct sp_target *t;
	uint64_t began;
	struct got g;

	assert_int_equal(stuff(port, fds, 4), 0);
	t = target("127.0.0.1", SP_HOST_IPV4, port, true);
	began = uv_hrtime();
	g = dial(t);
	assert_int_equal(g.r.status, SP_E_UPSTREAM);
	assert_in_range((uv_hrtime() - began) / 1000000, SP_DIAL_MS - 200, SP_DIAL_MS + 1500);
	sp_target_free(&t);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	close(full);
}

static void
never(void *ctx, const struct sp_dial_result *r)
{
	fail_msg("called after it was cancelled");
}

static void
test_cancel(void **state)
{
	uint16_t port = 0;
	int l = listener(AF_INET, &port, 16);
	struct sp_target *t = target("127.0.0.1", SP_HOST_IPV4, port, true);
	struct sp_dial *d = NULL;

	assert_int_equal(sp_dial_start(t, never, NULL, &d), SP_OK);
	sp_dial_cancel(&d);
	assert_null(d);
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_run(&loop, UV_RUN_NOWAIT);
	sp_target_free(&t);
	close(l);
}

/* A name that the hosts file has and that is not answered without asking. */
static bool
hosts_name(char *name, size_t cap)
{
	FILE *f = fopen("/etc/hosts", "re");
	char line[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
		sp_slice rest, word;
		char *end = strpbrk(line, "\n#");

		if (end != NULL)
			*end = '\0';
		for (char *p = line; *p != '\0'; p++)
			if (*p == '\t')
				*p = ' ';
		rest = sp_str(line);
		if (!sp_take_to(&rest, ' ', &word) || (!sp_starts(word, SP_LIT("127.")) && !sp_starts(word, SP_LIT("::1")) &&
		    !sp_starts(word, SP_LIT("10.")) && !sp_starts(word, SP_LIT("172.")) &&
		    !sp_starts(word, SP_LIT("192.168."))))
			continue;
		while (!found && sp_take_part(&rest, ' ', &word))
			found = word.n != 0 && !sp_starts(word, SP_LIT("localhost")) && sp_cstr(word, name, cap);
	}
	if (f != NULL)
		fclose(f);
	return found;
}

/* N05: through the resolver itself, for a name that the hosts file has. */
static void
test_resolver(void **state)
{
	struct sp_target *t;
	struct got a = { 0 }, b = { 0 };
	struct sp_dial *d1, *d2, *d3;
	char name[200];

	if (!hosts_name(name, sizeof name)) {
		print_message("skipped: no private name in the hosts file\n");
		skip();
	}
	t = target(name, SP_HOST_NAME, 9, false);
	uv_update_time(&loop);
	assert_int_equal(sp_dial_start(t, on_done, &a, &d1), SP_OK);
	assert_int_equal(sp_dial_start(t, never, NULL, &d3), SP_OK);
	assert_int_equal(sp_dial_start(t, on_done, &b, &d2), SP_OK);
	sp_dial_cancel(&d3);
	while (!a.called || !b.called)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(a.r.status, SP_E_UPSTREAM);
	assert_int_equal(b.r.status, SP_E_UPSTREAM);
	assert_true(strcmp(a.r.why, "loopback") == 0 || strcmp(a.r.why, "private use") == 0);
	sp_target_free(&t);
	/* A target that goes while its lookup is under way. */
	t = target(name, SP_HOST_NAME, 9, false);
	assert_int_equal(sp_dial_start(t, never, NULL, &d3), SP_OK);
	sp_dial_cancel(&d3);
	sp_target_free(&t);
}

/* --- hosts that a document names */

static const struct sp_dialhost_own owns[] = {
	{ SP_LIT_INIT("idp.example.com"), SP_HOST_NAME, 443, true, true },
	{ SP_LIT_INIT("127.0.0.1"), SP_HOST_IPV4, 8080, false, true },
	{ SP_LIT_INIT("sso.internal"), SP_HOST_NAME, 8443, true, true },
	{ SP_LIT_INIT("sso.internal"), SP_HOST_NAME, 8080, false, true },
};
enum { PUBLIC_AS, LOCAL_AS, INTERNAL_AS, CLEAR_AS };

static const struct {
	const char *name;
	int	 own;
	sp_slice host;
	uint32_t port;
	bool	 https;
	int	 want;			/* -1: refused; else private_ok */
} named[] = {
	{ "another public name", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 443, true, 0 },
	{ "N15 its own host and port", INTERNAL_AS, SP_LIT_INIT("sso.internal"), 8443, true, 1 },
	{ "N15 its own host in other case", INTERNAL_AS, SP_LIT_INIT("SSO.Internal"), 8443, true, 1 },
	{ "N15 its own host at the https port is not what was written", INTERNAL_AS, SP_LIT_INIT("sso.internal"), 443, true, 0 },
	{ "N12 its own host at a port of somebody else", INTERNAL_AS, SP_LIT_INIT("sso.internal"), 6379, true, -1 },
	{ "N15 another host of the same network", INTERNAL_AS, SP_LIT_INIT("db.internal"), 443, true, 0 },
	{ "a loopback authority in clear", LOCAL_AS, SP_LIT_INIT("127.0.0.1"), 8080, false, 1 },
	{ "N12 another port of this machine, in clear", LOCAL_AS, SP_LIT_INIT("127.0.0.1"), 6379, false, -1 },
	{ "N11 clear text elsewhere", LOCAL_AS, SP_LIT_INIT("keys.example.net"), 80, false, -1 },
	{ "N11 clear text from an https authority", PUBLIC_AS, SP_LIT_INIT("idp.example.com"), 443, false, -1 },
	{ "N11 clear text at an authority that is not on this machine", CLEAR_AS, SP_LIT_INIT("sso.internal"), 8080, false, -1 },
	{ "N12 port 22", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 22, true, -1 },
	{ "N12 port 25", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 25, true, -1 },
	{ "N12 port 2375", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 2375, true, -1 },
	{ "N12 port 6379", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 6379, true, -1 },
	{ "N12 port 0", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 0, true, -1 },
	{ "N12 port 65536", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 65536, true, -1 },
	{ "N12 port 443 and 65536 more", PUBLIC_AS, SP_LIT_INIT("keys.example.net"), 443 + 65536, true, -1 },
	{ "N12 the authority's port at another host", INTERNAL_AS, SP_LIT_INIT("keys.example.net"), 8443, true, -1 },
	{ "N01 an address", PUBLIC_AS, SP_LIT_INIT("10.0.0.1"), 443, true, -1 },
	{ "N01 metadata", PUBLIC_AS, SP_LIT_INIT("169.254.169.254"), 443, true, -1 },
	{ "N02 an IPv6 address", PUBLIC_AS, SP_LIT_INIT("::1"), 443, true, -1 },
	{ "N03 v4-mapped", PUBLIC_AS, SP_LIT_INIT("::ffff:127.0.0.1"), 443, true, -1 },
	{ "N04 decimal", PUBLIC_AS, SP_LIT_INIT("2130706433"), 443, true, -1 },
	{ "N04 hexadecimal", PUBLIC_AS, SP_LIT_INIT("0x7f000001"), 443, true, -1 },
	{ "N04 octal", PUBLIC_AS, SP_LIT_INIT("017700000001"), 443, true, -1 },
	{ "N04 short", PUBLIC_AS, SP_LIT_INIT("127.1"), 443, true, -1 },
	{ "N04 final dot", PUBLIC_AS, SP_LIT_INIT("127.0.0.1."), 443, true, -1 },
	{ "N04 0", PUBLIC_AS, SP_LIT_INIT("0"), 443, true, -1 },
	{ "N04 percent-encoded", PUBLIC_AS, SP_LIT_INIT("%31%32%37.0.0.1"), 443, true, -1 },
	{ "N04 circled digits", PUBLIC_AS, SP_LIT_INIT("\xe2\x91\xa0.0.0.1"), 443, true, -1 },
	{ "N05 localhost: its addresses are refused", PUBLIC_AS, SP_LIT_INIT("localhost"), 443, true, 0 },
	{ "N05 metadata by name: its addresses are refused", PUBLIC_AS, SP_LIT_INIT("metadata.google.internal"), 443, true, 0 },
	{ "N06 userinfo", PUBLIC_AS, SP_LIT_INIT("ok.com@127.0.0.1"), 443, true, -1 },
	{ "N06 NUL", PUBLIC_AS, SP_LIT_INIT("ok.com\0.evil"), 443, true, -1 },
	{ "N06 line feed", PUBLIC_AS, SP_LIT_INIT("ok.com\nx"), 443, true, -1 },
	{ "N06 a port in the host", PUBLIC_AS, SP_LIT_INIT("ok.com:22"), 443, true, -1 },
	{ "N11 a path", PUBLIC_AS, SP_LIT_INIT("/run/x.sock"), 443, true, -1 },
	{ "N16 zone", PUBLIC_AS, SP_LIT_INIT("fe80::1%eth0"), 443, true, -1 },
	{ "N16 brackets", PUBLIC_AS, SP_LIT_INIT("[::1]"), 443, true, -1 },
	{ "N16 future", PUBLIC_AS, SP_LIT_INIT("[v1.x]"), 443, true, -1 },
	{ "nothing", PUBLIC_AS, SP_LIT_INIT(""), 443, true, -1 },
};

static void
test_named_hosts(void **state)
{
	for (size_t i = 0; i < SP_COUNT(named); i++) {
		struct sp_dialhost to = { 0 };
		const char *why = sp_dialhost_judge(&owns[named[i].own], named[i].host, named[i].port, named[i].https, &to);

		if ((why != NULL) != (named[i].want < 0) || (why == NULL && to.private_ok != (named[i].want == 1)))
			fail_msg("%s: %s", named[i].name, why == NULL ? "allowed" : why);
		if (why == NULL)
			assert_int_equal(to.port, named[i].port);
	}
}

/* N05, N07: a name that was let through is judged again by what it resolves to. */
static void
test_named_host_resolves(void **state)
{
	struct sp_dialhost to = { 0 };
	struct sp_target *t = NULL;
	struct got g;

	assert_null(sp_dialhost_judge(&owns[LOCAL_AS], SP_LIT("localhost"), 443, true, &to));
	assert_int_equal(sp_target_new(&loop, SP_LIT("localhost"), to.kind, to.port, to.private_ok, &t), SP_OK);
	g = dial(t);
	assert_int_equal(g.r.status, SP_E_UPSTREAM);
	assert_string_equal(g.r.why, "loopback");
	sp_target_free(&t);
}

static int
setup(void **state)
{
	return uv_loop_init(&loop);
}

static int
teardown(void **state)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);	/* nothing may be left in it */
}

int
main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_resolved), cmocka_unit_test(test_refused_connection),
		cmocka_unit_test(test_head_start), cmocka_unit_test(test_deadline), cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_resolver), cmocka_unit_test(test_named_hosts), cmocka_unit_test(test_named_host_resolves),
	};
	return cmocka_run_group_tests(all, setup, teardown);
}
