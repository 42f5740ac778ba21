/* Event streams, seen from the client's end, over a service that the test plays. */
#include "base/log.h"
#include "http/conn.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define POST "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
#define POST10 "POST /x HTTP/1.0\r\nHost: h\r\nContent-Length: 0\r\n\r\n"

struct place { uv_loop_t loop; struct sp_hub hub; struct sp_conn *c; unsigned ends, late; };

static struct place p;

static enum sp_take
on_head(struct sp_conn *c)
{
	return SP_TAKE_BODY;
}

static void
on_body(struct sp_conn *c)
{
	struct sp_answer a = { .status = 200 };

	p.c = c;
	c->req = &p;
	sp_conn_events_begin(c, &a);
}

static void on_late(struct sp_conn *c) { p.late++; }
static void on_sent(struct sp_conn *c) { }
static void on_end(struct sp_conn *c) { p.ends++; p.c = NULL; }

static const struct sp_service service = { on_head, on_body, on_late, on_sent, on_end };

static void
turn(unsigned n)
{
	while (n-- > 0)
		uv_run(&p.loop, UV_RUN_NOWAIT);
}

static int
begin(const char *request)
{
	struct sp_hub_limits lim = { .head = 8192, .body = 8192, .connections = 8, .head_ms = 10000, .body_ms = 10000,
	    .idle_ms = 10000 };
	struct sp_err e = { 0 };
	int sv[2];

	p = (struct place){ 0 };
	signal(SIGPIPE, SIG_IGN);
	sp_log_init("test", SP_ERROR);
	assert_int_equal(uv_loop_init(&p.loop), 0);
	assert_int_equal(sp_hub_init(&p.hub, &p.loop, &service, NULL, lim, (struct sp_hash_key){ { 1, 2 } }, &e), SP_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(sp_hub_adopt(&p.hub, sv[1], 1), SP_OK);
	assert_int_equal(write(sv[0], request, strlen(request)), (ssize_t)strlen(request));
	turn(4);
	return sv[0];
}

static void
finish(int fd)
{
	close(fd);
	sp_hub_close(&p.hub);
	turn(8);
	assert_int_equal(uv_loop_close(&p.loop), 0);
}

/* What came; the body without its chunks when `plain`. */
static const char *
take(int fd, bool *closed)
{
	static char buf[1 << 20];
	size_t have = 0;

	*closed = false;
	for (unsigned idle = 0; idle < 3;) {
		ssize_t n = read(fd, buf + have, sizeof buf - 1 - have);

		if (n > 0)
			have += (size_t)n;
		else if (n == 0)
			*closed = true;
		idle = n > 0 ? 0 : idle + 1;
		turn(2);
	}
	buf[have] = '\0';
	return buf;
}

static void
test_chunked(void **state)
{
	int fd = begin(POST);
	const sp_slice two[] = { SP_LIT("{\"a\":"), SP_LIT("1}") }, broken = SP_LIT("{\r\n\"x\":\"\\n\\ndata: y\"\n}");
	const char *got;
	bool closed;

	sp_conn_event(p.c, two, 2);
	sp_conn_event(p.c, &broken, 1);
	sp_conn_event_begin(p.c);
	sp_conn_event_piece(p.c, SP_LIT("{\"b\""));
	sp_conn_event_piece(p.c, SP_LIT(":2}"));
	sp_conn_event_end(p.c);
	sp_conn_events_end(p.c);
	got = take(fd, &closed);
	assert_false(closed);
	assert_non_null(strstr(got, "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\n"));
	assert_non_null(strstr(got, "\r\nX-Accel-Buffering: no\r\n"));
	assert_null(strstr(got, "Content-Length"));
	assert_non_null(strstr(got, "\r\n\r\nf\r\ndata: {\"a\":1}\n\n\r\n"));
	/* K23: line breaks of the text begin nothing. */
	assert_non_null(strstr(got, "{  \"x\":\"\\n\\ndata: y\" }\r\n2\r\n\n\n\r\n"));
	assert_non_null(strstr(got, "6\r\ndata: \r\n4\r\n{\"b\"\r\n3\r\n:2}\r\n2\r\n\n\n\r\n0\r\n\r\n"));
	assert_int_equal(p.ends, 1);
	/* The connection goes on. */
	assert_int_equal(write(fd, POST, strlen(POST)), (ssize_t)strlen(POST));
	turn(4);
	assert_non_null(p.c);
	finish(fd);
}

static void
test_old_client(void **state)
{
	int fd = begin(POST10);
	const sp_slice json = SP_LIT("{}");
	const char *got;
	bool closed;

	sp_conn_event(p.c, &json, 1);
	sp_conn_events_end(p.c);
	got = take(fd, &closed);
	assert_true(closed);
	assert_null(strstr(got, "chunked"));
	assert_non_null(strstr(got, "Connection: close\r\n"));
	assert_non_null(strstr(got, "\r\n\r\ndata: {}\n\n"));
	finish(fd);
}

/* The clock of the loop is the sweep's: it is given a later one. */
static void
test_silence_and_death(void **state)
{
	int fd = begin(POST);
	bool closed;

	(void)take(fd, &closed);
	sp_conn_sweep(p.c, p.c->said_ms + SP_SSE_SILENCE_MS - 1);
	assert_string_equal(take(fd, &closed), "");
	sp_conn_sweep(p.c, p.c->said_ms + SP_SSE_SILENCE_MS);
	assert_string_equal(take(fd, &closed), "3\r\n:\n\n\r\n");
	shutdown(fd, SHUT_WR);		/* gone: nobody answers a stream */
	turn(4);
	assert_int_equal(p.ends, 1);
	finish(fd);
}

static void
test_half_an_event(void **state)
{
	int fd = begin(POST);
	bool closed;

	sp_conn_event_begin(p.c);
	sp_conn_event_piece(p.c, SP_LIT("{"));
	sp_conn_sweep(p.c, uv_now(&p.loop) + SP_SSE_SILENCE_MS);	/* no comment inside */
	sp_conn_events_end(p.c);
	assert_null(strstr(take(fd, &closed), "0\r\n\r\n"));
	assert_true(closed);
	finish(fd);
}

static void
test_no_reader(void **state)
{
	int fd = begin(POST);
	static char line[8192];
	sp_slice json = { line, sizeof line };
	uint64_t now = uv_now(&p.loop);

	memset(line, 'x', sizeof line);
	for (unsigned i = 0; i < 1000 && sp_conn_unread(p.c) < 100000; i++)
		sp_conn_event(p.c, &json, 1);
	assert_true(sp_conn_unread(p.c) >= 100000);
	sp_conn_sweep(p.c, now);
	sp_conn_sweep(p.c, now + 11000);
	assert_int_equal(p.ends, 1);
	finish(fd);
}

/* A stream that waits keeps no buffers; bytes that come behind its request are never read as another. */
static void
test_slim(void **state)
{
	int fd = begin(POST);
	const sp_slice json = SP_LIT("{}");
	bool closed;
	const char *got;

	sp_conn_slim(p.c);
	assert_null(p.c->w);
	assert_int_equal(write(fd, POST, strlen(POST)), (ssize_t)strlen(POST));
	turn(4);
	sp_conn_event(p.c, &json, 1);
	sp_conn_events_end(p.c);
	got = take(fd, &closed);
	assert_true(closed);
	assert_non_null(strstr(got, "data: {}\n\n\r\n0\r\n\r\n"));
	assert_int_equal(p.ends, 1);
	finish(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunked), cmocka_unit_test(test_old_client), cmocka_unit_test(test_silence_and_death),
		cmocka_unit_test(test_half_an_event), cmocka_unit_test(test_no_reader), cmocka_unit_test(test_slim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
