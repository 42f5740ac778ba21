/* Framing, order, limits and deadlines of connections, seen from the client's end of a socket pair. */
#include "front/testworld.h"

#include <netinet/in.h>
#include <sys/resource.h>

#define HOST "Host: localhost:8420\r\n"
#define RD TW_AS(TW_READER) TW_LEGACY
#define PING TW_RPC("ping", "")
#define POST_HEAD "POST /mcp HTTP/1.1\r\n" HOST RD "Content-Type: application/json\r\n"
#define SMUGGLED "GET /.well-known/oauth-protected-resource HTTP/1.1\r\n" HOST "\r\n"

static struct world w;

static unsigned
answers(sp_slice got)
{
	unsigned n = 0;
	size_t at;

	while ((at = sp_find(got, SP_LIT("HTTP/1.1 "))) != SIZE_MAX) {
		sp_advance(&got, at + 9);
		n++;
	}
	return n;
}

/* Each: one answer with this status, then the end; what follows the bad message is never read
 * as a request. */
static const struct { const char *name, *request; unsigned status; } framing[] = {
	{ "K01 CL and TE", POST_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "K02 two CL", POST_HEAD "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400 },
	{ "K02 CL list", POST_HEAD "Content-Length: 5, 5\r\n\r\nhello", 400 },
	{ "K03 CL +5", POST_HEAD "Content-Length: +5\r\n\r\nhello", 400 },
	{ "K03 CL 05", POST_HEAD "Content-Length: 05\r\n\r\nhello", 400 },
	{ "K03 CL 2^64", POST_HEAD "Content-Length: 18446744073709551616\r\n\r\nhello", 400 },
	{ "K04 TE twice", POST_HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "K05 TE in 1.0", "POST /mcp HTTP/1.0\r\n" HOST RD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
	{ "K06 chunk size", POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400 },
	{ "K07 no CRLF after a chunk", POST_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n", 400 },
	{ "K09 bare LF", "GET /mcp HTTP/1.1\n" HOST "\n", 400 },
	{ "K09 space before colon", "GET /mcp HTTP/1.1\r\nHost : localhost:8420\r\n\r\n", 400 },
	{ "K09 obs-fold", "GET /mcp HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400 },
	{ "K10 version", "GET /mcp HTTP/2.0\r\n" HOST "\r\n", 505 },
	{ "D21 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
	{ "K11 fragment", "GET /mcp#x HTTP/1.1\r\n" HOST "\r\n", 400 },
	{ "K13 no Host", "GET /mcp HTTP/1.1\r\nX: y\r\n\r\n", 400 },
	{ "TLS on a plain port", "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03\r\n\r\n", 400 },
};

static void
test_framing(void **state)
{
	tw_open(&w, &(struct ti_options){ 0 });
	for (size_t i = 0; i < SP_COUNT(framing); i++) {
		char text[2048], line[32];
		bool closed;
		sp_slice got;

		snprintf(text, sizeof text, "%s%s%s", framing[i].request, SMUGGLED, SMUGGLED);
		snprintf(line, sizeof line, "HTTP/1.1 %u ", framing[i].status);
		got = tw_ask(&w, text, &closed);
		if (!tw_has(got, "HTTP/1.1 ") || answers(got) != 1 || tw_has(got, "\"resource\"") ||
		    !tw_has(got, "\r\nConnection: close\r\n") || !closed)
			fail_msg("%s: %s:\n%.*s", framing[i].name, closed ? "closed" : "open", (int)got.n, got.p);
		if (!sp_starts(got, sp_str(line)) && framing[i].status != 505 && !tw_has(got, "HTTP/1.1 501"))
			fail_msg("%s:\n%.*s", framing[i].name, (int)got.n, got.p);
	}
	tw_close(&w);
}

/* The same request in every possible two arrivals, and byte by byte. */
static void
test_pieces(void **state)
{
	char text[2048];
	sp_slice all;
	bool closed;

	tw_open(&w, &(struct ti_options){ 0 });
	assert_true(sp_cstr(sp_str(tw_post(RD, PING)), text, sizeof text));
	all = sp_str(text);
	for (size_t cut = 1; cut < all.n; cut++) {
		int fd = tw_client(&w);
		sp_slice got;

		tw_send(&w, fd, sp_sub(all, 0, cut));
		tw_send(&w, fd, sp_sub(all, cut, SIZE_MAX));
		got = tw_take(&w, fd, &closed);
		if (!tw_has(got, "\"result\":{}") || closed || answers(got) != 1)
			fail_msg("cut at %zu:\n%.*s", cut, (int)got.n, got.p);
		close(fd);
	}
	for (unsigned chunked = 0; chunked < 2; chunked++) {
		int fd = tw_client(&w);

		snprintf(text, sizeof text, chunked != 0 ? POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"
		    "10\r\n{\"jsonrpc\":\"2.0\"\r\n1b;ext=1\r\n,\"id\":1,\"method\":\"ping\"   }\r\n0\r\nX: y\r\n\r\n" :
		    POST_HEAD "Content-Length: 40\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
		for (size_t i = 0; i < strlen(text); i++)
			tw_send(&w, fd, sp_mem(text + i, 1));
		if (!tw_has(tw_take(&w, fd, &closed), "\"result\":{}"))
			fail_msg("byte by byte, chunked %u", chunked);
		close(fd);
	}
	tw_close(&w);
}

/* K14: in order, one at a time; a bad one ends it. */
static void
test_pipelining(void **state)
{
	static char text[1 << 20];
	struct sp_out o;
	sp_slice got;
	bool closed = false;
	int fd;

	tw_open(&w, &(struct ti_options){ 0 });
	fd = tw_client(&w);
	sp_out_init(&o, text, sizeof text);
	for (unsigned i = 0; i < 1000; i++) {
		char body[128];

		snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\",\"params\":{\"name\":\"docs_search\"}}", i,
		    i % 3 == 0 ? "tools/call" : "ping");
		sp_out_str(&o, tw_post(RD, body));
	}
	sp_out_str(&o, "GET / HTTP/1.1\r\nHost : x\r\n\r\n");
	for (unsigned i = 0; i < 10; i++)
		sp_out_str(&o, SMUGGLED);
	assert_false(o.full);
	/* Our socket takes only so much: read while writing. */
	for (sp_slice in = sp_out_view(&o), part; in.n != 0;) {
		static char all[1 << 20];
		static size_t have;

		if (in.p == text)
			have = 0;
		part = sp_sub(in, 0, 20000);
		sp_advance(&in, part.n);
		tw_send(&w, fd, part);
		got = tw_take(&w, fd, &closed);
		memcpy(all + have, got.p, got.n);
		have += got.n;
		got = sp_mem(all, have);
	}
	assert_int_equal(answers(got), 1001);
	for (unsigned i = 0; i < 1000; i++) {
		char want[64];
		size_t at;

		snprintf(want, sizeof want, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"result\"", i);
		at = sp_find(got, sp_str(want));
		if (at == SIZE_MAX)
			fail_msg("K14 answer %u is missing or out of order", i);
		sp_advance(&got, at + 1);
	}
	assert_true(closed && tw_has(got, "HTTP/1.1 400 ") && !tw_has(got, "resource\""));
	close(fd);
	tw_close(&w);
}

/* D20: a connection has no identity; each request brings its own. */
static void
test_keep_alive(void **state)
{
	sp_slice got;
	bool closed;
	int fd;

	tw_open(&w, &(struct ti_options){ 0 });
	fd = tw_client(&w);
	for (unsigned i = 0; i < 3; i++) {
		tw_send(&w, fd, sp_str(tw_post(RD, PING)));
		got = tw_take(&w, fd, &closed);
		assert_true(!closed && tw_has(got, "\"result\":{}") && !tw_has(got, "Connection:"));
		tw_send(&w, fd, sp_str(tw_post(TW_LEGACY, PING)));
		got = tw_take(&w, fd, &closed);
		if (closed || !sp_starts(got, SP_LIT("HTTP/1.1 401 ")))
			fail_msg("D20:\n%.*s", (int)got.n, got.p);
	}
	tw_send(&w, fd, sp_str(tw_post(RD "Connection: close\r\n", PING)));
	got = tw_take(&w, fd, &closed);
	assert_true(closed && tw_has(got, "\r\nConnection: close\r\n"));
	close(fd);
	/* HTTP/1.0 closes, unless it asks. */
	got = tw_ask(&w, "GET /nothing HTTP/1.0\r\n" HOST "\r\n", &closed);
	assert_true(closed && sp_starts(got, SP_LIT("HTTP/1.1 404 ")));
	got = tw_ask(&w, "GET /nothing HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n", &closed);
	assert_true(!closed && tw_has(got, "\r\nConnection: keep-alive\r\n"));
	tw_close(&w);
}

/* K15, K16: decided before the body; a body that was not wanted is thrown away, or the
 * connection is. */
static void
test_unread_bodies(void **state)
{
	sp_slice got;
	bool closed;
	int fd;

	tw_open(&w, &(struct ti_options){ 0 });
	got = tw_ask(&w, "POST /mcp HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n", &closed);
	if (!sp_starts(got, SP_LIT("HTTP/1.1 401 ")) || !closed)
		fail_msg("K15 no credential:\n%.*s", (int)got.n, got.p);
	fd = tw_client(&w);
	tw_send(&w, fd, SP_LIT(POST_HEAD "Expect: 100-continue\r\nContent-Length: 40\r\n\r\n"));
	got = tw_take(&w, fd, &closed);
	if (!sp_eq(got, SP_LIT("HTTP/1.1 100 Continue\r\n\r\n")))
		fail_msg("K15 continue:\n%.*s", (int)got.n, got.p);
	tw_send(&w, fd, SP_LIT("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"));
	assert_true(tw_has(tw_take(&w, fd, &closed), "\"result\":{}"));
	close(fd);
	/* K16: the body of a refused request is a request only to the smuggler. */
	fd = tw_client(&w);
	tw_send(&w, fd, SP_LIT("POST /mcp HTTP/1.1\r\n" HOST "Content-Length: 83\r\n\r\n" SMUGGLED));
	got = tw_take(&w, fd, &closed);
	if (answers(got) != 1 || closed || tw_has(got, "resource\""))
		fail_msg("K16 body after 401:\n%.*s", (int)got.n, got.p);
	tw_send(&w, fd, sp_str(tw_post(RD, PING)));
	got = tw_take(&w, fd, &closed);
	if (answers(got) != 1)
		fail_msg("K16 the next request:\n%.*s", (int)got.n, got.p);
	close(fd);
	got = tw_ask(&w, "GET /.well-known/oauth-protected-resource HTTP/1.1\r\n" HOST "Content-Length: 83\r\n\r\n" SMUGGLED, &closed);
	if (answers(got) != 1)
		fail_msg("K16 GET with a body:\n%.*s", (int)got.n, got.p);
	got = tw_ask(&w, "POST /mcp HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n", &closed);
	if (answers(got) != 1 || !closed)
		fail_msg("K16 a long body:\n%.*s", (int)got.n, got.p);
	tw_close(&w);
}

static sp_slice
sized(size_t n, bool chunked)
{
	static char text[4 << 20];
	struct sp_out o;

	sp_out_init(&o, text, sizeof text);
	sp_out_str(&o, POST_HEAD);
	if (chunked)
		sp_out_fmt(&o, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", n);
	else
		sp_out_fmt(&o, "Content-Length: %zu\r\n\r\n", n);
	sp_out_str(&o, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"");
	memset(sp_out_room(&o, n - 58), 'x', n - 58);
	sp_out_str(&o, "\"}}");
	if (chunked)
		sp_out_str(&o, "\r\n0\r\n\r\n");
	assert_false(o.full);
	return sp_out_view(&o);
}

static void
test_sizes(void **state)
{
	static char head[65536];
	struct sp_out o;
	sp_slice got;
	bool closed;

	tw_open(&w, &(struct ti_options){ 0 });
	for (unsigned chunked = 0; chunked < 2; chunked++) {
		for (size_t n = (1 << 20) - 1; n <= (1 << 20) + 1; n++) {
			int fd = tw_client(&w);

			tw_send(&w, fd, sized(n, chunked != 0));
			got = tw_take(&w, fd, &closed);
			if (!sp_starts(got, n <= 1 << 20 ? SP_LIT("HTTP/1.1 200 ") : SP_LIT("HTTP/1.1 413 ")))
				fail_msg("L10 body of %zu, chunked %u:\n%.*s", n, chunked, (int)got.n, got.p);
			close(fd);
		}
	}
	for (unsigned big = 0; big < 2; big++) {
		sp_out_init(&o, head, sizeof head);
		sp_out_str(&o, "GET /nothing HTTP/1.1\r\n" HOST "X: ");
		memset(sp_out_room(&o, big != 0 ? 16384u : 16000u), 'x', big != 0 ? 16384 : 16000);
		sp_out_add(&o, "\r\n\r\n", 5);
		got = tw_ask(&w, head, &closed);
		if (!sp_starts(got, big != 0 ? SP_LIT("HTTP/1.1 431 ") : SP_LIT("HTTP/1.1 404 ")) || closed != (big != 0))
			fail_msg("K12 head, big %u:\n%.*s", big, (int)got.n, got.p);
	}
	/* L01: deep, but not on our stack. */
	for (unsigned deep = 0; deep < 3; deep++) {
		static const size_t depth[] = { 61, 1000, 100000 };
		static char body[300000];
		int fd = tw_client(&w);

		sp_out_init(&o, body, sizeof body);
		sp_out_str(&o, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":");
		memset(sp_out_room(&o, depth[deep]), '[', depth[deep]);
		memset(sp_out_room(&o, depth[deep]), ']', depth[deep]);
		sp_out_add(&o, "}}", 3);
		sp_out_init(&o, head, sizeof head);
		sp_out_fmt(&o, POST_HEAD "Content-Length: %zu\r\n\r\n", strlen(body));
		tw_send(&w, fd, sp_out_view(&o));
		tw_send(&w, fd, sp_str(body));
		got = tw_take(&w, fd, &closed);
		if (deep == 0 ? !tw_has(got, "\"result\":{}") : !tw_has(got, "\"code\":-32700") || !sp_starts(got, SP_LIT("HTTP/1.1 400 ")))
			fail_msg("L01 depth %zu:\n%.*s", depth[deep], (int)got.n, got.p);
		close(fd);
	}
	tw_close(&w);
}

static void
wait_ms(unsigned ms)
{
	for (unsigned i = 0; i < ms / 10; i++) {
		usleep(10000);
		tw_turn(&w, 1);
	}
}

/* K17: each way of being slow has its end. */
static void
test_deadlines(void **state)
{
	sp_slice got;
	bool closed;
	int fresh, head, body, idle;

	tw_open(&w, &(struct ti_options){ .head_ms = 300, .body_ms = 300, .idle_ms = 300 });
	fresh = tw_client(&w);
	head = tw_client(&w);
	body = tw_client(&w);
	idle = tw_client(&w);
	tw_send(&w, head, SP_LIT("GET /mcp HTTP/1.1\r\nHost: lo"));
	tw_send(&w, body, SP_LIT(POST_HEAD "Content-Length: 40\r\n\r\n{\"json"));
	tw_send(&w, idle, sp_str(tw_post(RD, PING)));
	assert_true(tw_has(tw_take(&w, idle, &closed), "\"result\":{}") && !closed);
	wait_ms(700);
	got = tw_take(&w, fresh, &closed);
	if (got.n != 0 || !closed)
		fail_msg("K18 never sends: %.*s", (int)got.n, got.p);
	got = tw_take(&w, head, &closed);
	if (!sp_starts(got, SP_LIT("HTTP/1.1 408 ")) || !closed)
		fail_msg("K17 slow head: %.*s", (int)got.n, got.p);
	got = tw_take(&w, body, &closed);
	if (!sp_starts(got, SP_LIT("HTTP/1.1 408 ")) || !closed)
		fail_msg("K17 slow body: %.*s", (int)got.n, got.p);
	got = tw_take(&w, idle, &closed);
	if (got.n != 0 || !closed)
		fail_msg("K17 idle: %.*s", (int)got.n, got.p);
	close(fresh);
	close(head);
	close(body);
	close(idle);
	wait_ms(100);
	tw_close(&w);
}

/* K18: at the limit the longest waiting connection goes; a request under way never does. */
static void
test_connections(void **state)
{
	enum { LIMIT = 8 };
	int busy, fd[3 * LIMIT];
	sp_slice got;
	bool closed;

	tw_open(&w, &(struct ti_options){ .limit_connections = LIMIT });
	w.auto_result = NULL;
	busy = tw_client(&w);
	tw_send(&w, busy, sp_str(tw_post(RD, TW_CALL("dns_list", "{}"))));
	assert_int_equal(w.ncalls, 1);
	for (unsigned i = 0; i < SP_COUNT(fd); i++) {
		fd[i] = tw_client(&w);
		if (i % 2 == 0)
			tw_send(&w, fd[i], SP_LIT("GET /"));
		tw_turn(&w, 2);
		assert_true(w.f.hub.nconn <= LIMIT);
	}
	tw_result(&w, w.calls[0].id, "{\"content\":[]}");
	got = tw_take(&w, busy, &closed);
	assert_true(tw_has(got, "\"result\":{\"content\":[]}}"));
	for (unsigned i = 0; i < SP_COUNT(fd); i++) {
		got = tw_take(&w, fd[i], &closed);
		assert_int_equal(closed, i < SP_COUNT(fd) - (LIMIT - 1));
		close(fd[i]);
	}
	close(busy);
	tw_turn(&w, 8);
	assert_int_equal(w.f.hub.nconn, 0);
	tw_close(&w);
}

/* With nothing but requests under way there is no room: the newcomer is turned away. */
static void
test_full(void **state)
{
	enum { LIMIT = 4 };
	int fd[LIMIT], sv[2];

	tw_open(&w, &(struct ti_options){ .limit_connections = LIMIT });
	w.auto_result = NULL;
	for (unsigned i = 0; i < LIMIT; i++) {
		fd[i] = tw_client(&w);
		tw_send(&w, fd[i], sp_str(tw_post(RD, TW_CALL("dns_list", "{}"))));
	}
	tw_pair(sv);
	assert_int_equal(sp_hub_adopt(&w.f.hub, sv[1], 0), SP_E_UNAVAILABLE);
	close(sv[0]);
	for (unsigned i = 0; i < LIMIT; i++)
		close(fd[i]);
	tw_turn(&w, 8);
	assert_int_equal(w.f.hub.nconn, 0);
	assert_int_equal(w.f.norphans, LIMIT);
	tw_close(&w);
}

static bool emptied;

static void
on_empty(void *ctx)
{
	emptied = true;
}

static bool
closed_by(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void
test_drain(void **state)
{
	int busy, idle, late;
	sp_slice got;
	bool closed = false;

	tw_open(&w, &(struct ti_options){ 0 });
	w.f.done = on_empty;
	emptied = false;
	w.auto_result = NULL;
	busy = tw_client(&w);
	idle = tw_client(&w);
	late = tw_client(&w);
	tw_send(&w, busy, sp_str(tw_post(RD, TW_CALL("dns_list", "{}"))));
	sp_hub_drain(&w.f.hub);
	/* What was on its way is served, and is the last. */
	tw_send(&w, late, sp_str(tw_post(RD, TW_RPC("ping", ""))));
	got = tw_take(&w, late, &closed);
	assert_true(closed && tw_has(got, "\"result\":{}") && tw_has(got, "\r\nConnection: close\r\n"));
	for (int i = 0; i < 200 && !closed_by(idle); i++) {
		usleep(10000);
		tw_turn(&w, 1);
	}
	got = tw_take(&w, idle, &closed);
	assert_true(closed && got.n == 0 && !emptied);
	tw_result(&w, w.calls[0].id, "{\"content\":[]}");
	got = tw_take(&w, busy, &closed);
	assert_true(closed && tw_has(got, "\"content\":[]") && tw_has(got, "\r\nConnection: close\r\n") && emptied);
	close(busy);
	close(idle);
	close(late);
	tw_close(&w);
}

static int
listener(struct sockaddr_in *at)
{
	socklen_t n = sizeof *at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &n), 0);
	return fd;
}

static int
dial(const struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof *at), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* K18: over a real listener; no descriptor left; and back again. */
static void
test_listener(void **state)
{
	struct sockaddr_in at;
	struct rlimit was, tight;
	struct sp_err e = { 0 };
	int ls, busy, fd[6];
	sp_slice got;
	bool closed;

	tw_open(&w, &(struct ti_options){ 0 });
	w.auto_result = NULL;
	ls = listener(&at);
	assert_int_equal(sp_hub_listen(&w.f.hub, &ls, 1, &e), SP_OK);
	busy = dial(&at);
	tw_turn(&w, 4);
	tw_send(&w, busy, sp_str(tw_post(RD, TW_CALL("dns_list", "{}"))));
	assert_int_equal(w.ncalls, 1);
	for (unsigned i = 0; i < SP_COUNT(fd); i++)
		fd[i] = dial(&at);
	/* From here on the process can open nothing: the kernel's queue still holds our six. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	tight = (struct rlimit){ (rlim_t)w.f.hub.reserve + 1, was.rlim_max };
	for (int i = 3; i < w.f.hub.reserve; i++)
		assert_true(fcntl(i, F_GETFD) >= 0 || fcntl(2, F_DUPFD, i) == i);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	tw_turn(&w, 40);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	for (unsigned i = 0; i < SP_COUNT(fd); i++) {
		got = tw_take(&w, fd[i], &closed);
		if (!sp_starts(got, SP_LIT("HTTP/1.1 503 ")) || !closed)
			fail_msg("K18 client %u: %.*s", i, (int)got.n, got.p);
		close(fd[i]);
	}
	assert_true(w.f.hub.reserve >= 0);
	tw_result(&w, w.calls[0].id, "{\"content\":[]}");
	got = tw_take(&w, busy, &closed);
	assert_true(tw_has(got, "\"content\":[]") && !closed);
	fd[0] = dial(&at);
	tw_turn(&w, 4);
	tw_send(&w, fd[0], sp_str(tw_post(RD, PING)));
	assert_true(tw_has(tw_take(&w, fd[0], &closed), "\"result\":{}"));
	close(fd[0]);
	close(busy);
	tw_turn(&w, 4);
	tw_close(&w);
}

/* Bytes of a finished request are overwritten. */
static void
test_wiped(void **state)
{
	bool closed;
	int fd;

	tw_open(&w, &(struct ti_options){ 0 });
	fd = tw_client(&w);
	tw_send(&w, fd, sp_str(tw_post(RD, PING)));
	assert_true(tw_has(tw_take(&w, fd, &closed), "\"result\":{}"));
	assert_non_null(w.f.hub.pool);
	assert_true(sp_find(sp_mem(w.f.hub.pool->buf, w.f.hub.pool->cap), SP_LIT(TW_READER)) == SIZE_MAX);
	close(fd);
	tw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_framing), cmocka_unit_test(test_pieces), cmocka_unit_test(test_pipelining),
		cmocka_unit_test(test_keep_alive), cmocka_unit_test(test_unread_bodies), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_deadlines), cmocka_unit_test(test_connections), cmocka_unit_test(test_full),
		cmocka_unit_test(test_drain), cmocka_unit_test(test_wiped), cmocka_unit_test(test_listener),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
