/* The pool over socket pairs: streams, origins, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "outbound/pool.h"
#include "vault/secret.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS = 80, JOBS = 80, LIMIT = 65536 };

enum owner_act { TAKE, REFUSE_HEAD, REFUSE_PIECE, CANCEL_IN_BEGIN, CANCEL_IN_PIECE };

struct world {
	uv_loop_t loop;
	struct sp_pool *p;
	int	 up[CONNS];		/* the upstream's ends, in the order they were asked for */
	uint32_t origin[CONNS], id[CONNS];
	unsigned nup;
	bool	 held;			/* dialer does not answer */
	enum owner_act act;
	char	 said[8192];		/* what the owner was told: B status, [piece], A status body, F fault */
	unsigned ends;
	char	 etag[64];
};

static void
say(struct world *w, const char *fmt, const char *text, size_t n)
{
	size_t at = strlen(w->said);

	(void)snprintf(w->said + at, sizeof w->said - at, fmt, (int)n, text);
}

static void
say_number(struct world *w, char what, unsigned n)
{
	char text[16];

	(void)snprintf(text, sizeof text, "%c%u", what, n);
	say(w, "%.*s", text, strlen(text));
}

static void
note_head(struct world *w, const struct sp_http_head *h)
{
	const struct sp_http_field *f = sp_http_find(h, SP_LIT("ETag"), NULL);

	assert_true(sp_cstr(f == NULL ? (sp_slice){ "", 0 } : f->value, w->etag, sizeof w->etag));
}

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	sp_out_str(o, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	return SP_OK;
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	struct world *w = ctx;

	say_number(w, 'A', a->status);
	say(w, "%.*s", a->body.p, a->body.n);
	assert_true((a->head == NULL) == job->stream);
	if (a->head != NULL)
		note_head(w, a->head);
	w->ends++;
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status, const char *why)
{
	struct world *w = ctx;

	say_number(w, 'F', fault);
	w->ends++;
}

static bool
on_begin(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	struct world *w = ctx;

	say_number(w, 'B', a->status);
	note_head(w, a->head);
	if (w->act == CANCEL_IN_BEGIN)
		sp_pool_cancel(w->p, job);
	return w->act != REFUSE_HEAD;
}

static bool
on_piece(void *ctx, struct sp_pool_job *job, sp_slice part)
{
	struct world *w = ctx;

	assert_true(part.n != 0);
	say(w, "[%.*s]", part.p, part.n);
	if (w->act == CANCEL_IN_PIECE)
		sp_pool_cancel(w->p, job);
	return w->act != REFUSE_PIECE;
}

static bool
on_dial(void *ctx, uint32_t id, uint32_t origin)
{
	struct world *w = ctx;

	assert_true(w->nup < CONNS);
	w->origin[w->nup] = origin;
	w->id[w->nup] = id;
	w->up[w->nup++] = -1;
	return true;
}

static void
turn(struct world *w)
{
	for (unsigned k = 0; k < 4; k++) {
		for (unsigned i = 0; i < w->nup && !w->held; i++) {
			int sv[2];

			if (w->up[i] != -1 || w->id[i] == 0)
				continue;
			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
			w->up[i] = sv[0];
			sp_pool_dialed(w->p, w->id[i], sv[1]);
			w->id[i] = 0;
		}
		uv_run(&w->loop, UV_RUN_NOWAIT);
	}
}

static void
start(struct world *w, uint32_t norigins)
{
	static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed,
	    .begin = on_begin, .piece = on_piece, .dial = on_dial };
	static const struct sp_pool_origin origins[3];
	struct sp_pool_config cfg = { .loop = &w->loop, .limit_answer = LIMIT, .origins = origins, .norigins = norigins,
	    .ops = &ops, .ctx = w };
	struct sp_err e = { 0 };

	memset(w, 0, sizeof *w);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	assert_int_equal(sp_pool_new(&cfg, &w->p, &e), SP_OK);
}

static void
stop(struct world *w)
{
	sp_pool_free(&w->p);
	for (unsigned i = 0; i < w->nup; i++)
		if (w->up[i] != -1)
			close(w->up[i]);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static void
submit(struct world *w, struct sp_pool_job *job)
{
	assert_int_equal(sp_pool_submit(w->p, job), SP_OK);
	turn(w);
}

static void
send_cut(struct world *w, unsigned n, const char *text, size_t piece)
{
	for (size_t at = 0, len = strlen(text); at < len; at += piece) {
		if (send(w->up[n], text + at, len - at < piece ? len - at : piece, MSG_NOSIGNAL) < 0)
			return;
		turn(w);
	}
}

static bool
is_closed(struct world *w, unsigned n)
{
	char buf[4096];
	ssize_t r;

	do
		r = recv(w->up[n], buf, sizeof buf, MSG_DONTWAIT);
	while (r > 0);
	return r == 0 || errno == ECONNRESET;
}

static void
hang_up(struct world *w, unsigned n)
{
	(void)is_closed(w, n);		/* unread bytes would make it a reset */
	close(w->up[n]);
	w->up[n] = -1;
	turn(w);
}

/* Pieces joined: how they were cut is the network's. */
static void
without_borders(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++)
		if (*s == ']' && s[1] == '[')
			s++;
		else
			*to++ = *s;
	*to = '\0';
}

/* --- streams */

#define OK "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nETag: x7\r\n"

static const struct {
	const char *name, *wire;
	bool	 eof;
	enum owner_act act;
	const char *want;
	bool	 kept;			/* the connection is used again */
} streams[] = {
	{ "chunked", OK "Transfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n3;x=y\r\n a\n\r\n0\r\n\r\n", false, TAKE,
	    "B200[data: a\n]A200", true },
	{ "chunked with a trailer", OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", false, TAKE, "B200[a]A200",
	    true },
	{ "length", OK "Content-Length: 4\r\n\r\nabcd", false, TAKE, "B200[abcd]A200", true },
	{ "no bytes", OK "Content-Length: 0\r\n\r\n", false, TAKE, "B200A200", true },
	{ "until close", OK "\r\nabc", true, TAKE, "B200[abc]A200", false },
	{ "until close, still open", OK "\r\nabc", false, TAKE, "B200[abc]", true },
	{ "nothing yet", OK "Transfer-Encoding: chunked\r\n\r\n", false, TAKE, "B200", true },
	{ "interim answers are passed over", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nETag: no\r\n\r\n" OK
	    "Content-Length: 1\r\n\r\na", false, TAKE, "B200[a]A200", true },
	{ "an error answer", "HTTP/1.1 503 No\r\nETag: x7\r\nContent-Length: 2\r\n\r\nno", false, TAKE, "B503[no]A503", true },
	{ "202 without a body", "HTTP/1.1 202 Accepted\r\nETag: x7\r\nContent-Length: 0\r\n\r\n", false, TAKE, "B202A202", true },
	{ "204", "HTTP/1.1 204 No Content\r\nETag: x7\r\n\r\n", false, TAKE, "B204A204", true },
	{ "cut off in a chunk", OK "Transfer-Encoding: chunked\r\n\r\n5\r\nda", true, TAKE, "B200[da]F3", false },
	{ "cut off before its length", OK "Content-Length: 9\r\n\r\nda", true, TAKE, "B200[da]F3", false },
	{ "cut off in the head", OK, true, TAKE, "F3", false },
	{ "bad framing after a piece", OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n", false, TAKE, "B200[a]F4", false },
	{ "a coding nobody asked for", OK "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", false, TAKE, "F6", false },
	{ "the owner wants no such answer", OK "Content-Length: 1\r\n\r\na", false, REFUSE_HEAD, "B200", false },
	{ "the owner has enough", OK "Content-Length: 3\r\n\r\na", false, REFUSE_PIECE, "B200[a]", false },
	{ "cancelled in begin", OK "Content-Length: 1\r\n\r\na", false, CANCEL_IN_BEGIN, "B200", false },
	{ "cancelled in piece", OK "Content-Length: 3\r\n\r\na", false, CANCEL_IN_PIECE, "B200[a]", false },
};

static void
run_stream(size_t i, size_t piece)
{
	struct sp_pool_job job = { .identity = 1, .stream = true };
	struct world w;

	start(&w, 1);
	w.act = streams[i].act;
	submit(&w, &job);
	send_cut(&w, 0, streams[i].wire, piece);
	if (streams[i].eof)
		hang_up(&w, 0);
	without_borders(w.said);
	if (strcmp(w.said, streams[i].want) != 0)
		fail_msg("%s in pieces of %zu: %s", streams[i].name, piece, w.said);
	if (streams[i].want[0] == 'B' && strcmp(w.etag, "x7") != 0)
		fail_msg("%s: head %s", streams[i].name, w.etag);
	if (!streams[i].eof && is_closed(&w, 0) == streams[i].kept)
		fail_msg("%s: connection", streams[i].name);
	if (sp_pool_connections(w.p) != streams[i].kept)
		fail_msg("%s: %u connections", streams[i].name, sp_pool_connections(w.p));
	sp_pool_cancel(w.p, &job);
	stop(&w);
}

static void
test_streams(void **state)
{
	static const size_t pieces[] = { 1, 7, 4096 };

	for (size_t i = 0; i < SP_COUNT(streams); i++)
		for (size_t k = 0; k < SP_COUNT(pieces); k++)
			run_stream(i, pieces[k]);
}

/* A stream has no limit of its own and is not collected anywhere. */
static void
test_stream_is_not_limited(void **state)
{
	struct sp_pool_job job = { .identity = 1, .stream = true };
	char chunk[1040];
	struct world w;

	start(&w, 1);
	submit(&w, &job);
	send_cut(&w, 0, OK "Transfer-Encoding: chunked\r\n\r\n", 4096);
	memcpy(chunk, "400\r\n", 5);
	memset(chunk + 5, 'x', 1024);
	memcpy(chunk + 1029, "\r\n", 3);
	for (int i = 0; i < 4 * LIMIT / 1024; i++) {
		w.said[0] = '\0';
		send_cut(&w, 0, chunk, sizeof chunk);
		assert_int_equal(strlen(w.said), 1026);
	}
	send_cut(&w, 0, "0\r\n\r\n", 5);
	assert_int_equal(w.ends, 1);
	stop(&w);
}

/* --- the head of an ordinary answer stays whole however it was cut */

static void
test_head_of_answers(void **state)
{
	static const char wire[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Empty:\r\nETag: \"ab\"\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";

	for (size_t piece = 1; piece <= sizeof wire; piece++) {
		struct sp_pool_job job = { .identity = 1 };
		struct world w;

		start(&w, 1);
		submit(&w, &job);
		send_cut(&w, 0, wire, piece);
		assert_string_equal(w.said, "A200abcdef");
		assert_string_equal(w.etag, "\"ab\"");
		stop(&w);
	}
}

/* --- origins */

#define DONE "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static void
test_origins(void **state)
{
	struct sp_pool_job a = { .identity = 1 }, b = { .identity = 1, .origin = 2 }, c = { .identity = 1 };
	struct sp_pool_job none = { .identity = 1, .origin = 3 };
	struct world w;

	start(&w, 3);
	assert_int_equal(sp_pool_submit(w.p, &none), SP_E_BUG);
	submit(&w, &a);
	send_cut(&w, 0, DONE, 4096);
	assert_int_equal(w.ends, 1);
	/* The same credentials, another origin: the idle connection is not for it. */
	submit(&w, &b);
	assert_int_equal(w.nup, 2);
	assert_int_equal(w.origin[0], 0);
	assert_int_equal(w.origin[1], 2);
	submit(&w, &c);
	assert_int_equal(w.nup, 2);
	send_cut(&w, 1, DONE, 4096);
	send_cut(&w, 0, DONE, 4096);
	assert_int_equal(w.ends, 3);
	stop(&w);
}

/* One that cannot be reached fails its own jobs, and leaves room for the others. */
static void
test_dead_origin(void **state)
{
	struct sp_pool_job dead[SP_POOL_CONNS], b = { .identity = 1, .origin = 1 };
	struct world w;

	start(&w, 2);
	w.held = true;
	for (unsigned i = 0; i < SP_POOL_CONNS; i++) {
		dead[i] = (struct sp_pool_job){ .identity = 1 };
		submit(&w, &dead[i]);
	}
	assert_int_equal(w.nup, SP_POOL_CONNS / 2);
	submit(&w, &b);
	assert_int_equal(w.nup, SP_POOL_CONNS / 2 + 1);
	assert_int_equal(w.origin[SP_POOL_CONNS / 2], 1);
	sp_pool_dial_failed(w.p, w.id[0], "refused");
	assert_int_equal(w.ends, 1);
	for (unsigned i = 0; i < w.nup; i++)
		w.id[i] = i == SP_POOL_CONNS / 2 ? w.id[i] : 0;		/* only the other one is answered */
	w.held = false;
	turn(&w);
	send_cut(&w, SP_POOL_CONNS / 2, DONE, 4096);
	assert_string_equal(w.said, "F1A200");
	stop(&w);
}

/* --- streams that last */

static void
test_lasting(void **state)
{
	struct sp_pool_job jobs[SP_POOL_LASTING], more = { .identity = 1, .stream = true, .lasting = true };
	struct sp_pool_job call = { .identity = 1 };
	struct world w;

	start(&w, 1);
	for (unsigned i = 0; i < SP_POOL_LASTING; i++) {
		jobs[i] = (struct sp_pool_job){ .identity = 1, .stream = true, .lasting = true };
		submit(&w, &jobs[i]);
		send_cut(&w, i, OK "Transfer-Encoding: chunked\r\n\r\n", 4096);
	}
	assert_int_equal(sp_pool_submit(w.p, &more), SP_E_UNAVAILABLE);
	submit(&w, &call);
	w.said[0] = '\0';
	send_cut(&w, SP_POOL_LASTING, DONE, 4096);
	assert_string_equal(w.said, "A200");
	/* However one ends, there is room again. */
	send_cut(&w, 0, "0\r\n\r\n", 5);
	submit(&w, &more);
	assert_int_equal(sp_pool_submit(w.p, &jobs[0]), SP_E_UNAVAILABLE);
	sp_pool_cancel(w.p, &jobs[1]);
	assert_true(is_closed(&w, 1));
	submit(&w, &jobs[1]);
	assert_int_equal(sp_pool_submit(w.p, &jobs[0]), SP_E_UNAVAILABLE);
	w.act = REFUSE_PIECE;
	send_cut(&w, 2, "1\r\na\r\n", 4096);
	submit(&w, &jobs[2]);
	assert_int_equal(sp_pool_submit(w.p, &jobs[0]), SP_E_UNAVAILABLE);
	hang_up(&w, 3);
	submit(&w, &jobs[3]);
	assert_int_equal(sp_pool_submit(w.p, &jobs[0]), SP_E_UNAVAILABLE);
	stop(&w);
}

static int
setup(void **state)
{
	struct sp_err e = { 0 };

	return sp_secret_init(SP_SECRET_REGION, false, NULL, &e) == SP_OK ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams), cmocka_unit_test(test_stream_is_not_limited),
		cmocka_unit_test(test_head_of_answers), cmocka_unit_test(test_origins), cmocka_unit_test(test_dead_origin),
		cmocka_unit_test(test_lasting),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
