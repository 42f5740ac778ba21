/*
 * What an upstream sends, cut into pieces as the first bytes say.  Whatever it is: a job ends exactly once, with a
 * body within the limit (or, of a stream, begin() before the pieces before the end), and nothing that came after an
 * answer becomes the answer of the next request.
 */
#include "outbound/pool.h"

#include "vault/secret.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LIMIT = 4096, JOBS = 2 };

static struct { unsigned ends, dials, answers, begins; uint32_t id; int enough; bool over; } seen;

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	sp_out_str(o, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	return SP_OK;
}

/* Every byte of it is there. */
static void
look_at(const struct sp_http_head *h)
{
	volatile unsigned sum = 0;

	for (unsigned i = 0; i < h->nfields; i++) {
		for (size_t k = 0; k < h->fields[i].name.n; k++)
			sum = sum + (unsigned char)h->fields[i].name.p[k];
		for (size_t k = 0; k < h->fields[i].value.n; k++)
			sum = sum + (unsigned char)h->fields[i].value.p[k];
	}
}

static bool
on_begin(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	if (!job->stream || seen.begins != 0 || seen.ends != 0 || a->body.n != 0)
		abort();
	look_at(a->head);
	seen.begins++;
	seen.over = seen.enough == 1;
	return !seen.over;
}

static bool
on_piece(void *ctx, struct sp_pool_job *job, sp_slice part)
{
	if (!job->stream || seen.begins != 1 || seen.ends != 0 || seen.over || part.n == 0)
		abort();
	seen.over = seen.enough > 1 && --seen.enough == 1;
	return !seen.over;
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	if (a->status < 200 || a->status > 599 || a->body.n > LIMIT || (job->no_body && a->body.n != 0))
		abort();
	if (a->head != NULL)
		look_at(a->head);
	if (seen.over || (job->stream && (seen.begins != 1 || a->head != NULL || a->body.n != 0)))
		abort();
	seen.ends++;
	seen.answers++;
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status, const char *why)
{
	if (fault < SP_POOL_UNREACHABLE || fault >= SP_POOL_FAULTS || why == NULL || seen.over)
		abort();
	seen.ends++;
}

static bool
on_dial(void *ctx, uint32_t id, uint32_t origin)
{
	seen.dials++;
	seen.id = id;
	return true;
}

static void
turn(uv_loop_t *loop)
{
	for (int i = 0; i < 3; i++)
		uv_run(loop, UV_RUN_NOWAIT);
}

static void
play(uv_loop_t *loop, struct sp_pool *p, const uint8_t *data, size_t n)
{
	struct sp_pool_job jobs[JOBS] = { { .identity = 1, .safe = (data[0] & 1) != 0, .no_body = (data[0] & 2) != 0,
	    .stream = (data[0] & 4) != 0 }, { .identity = 1 } };
	size_t piece = 1u + data[1];
	int sv[2];

	if (sp_pool_submit(p, &jobs[0]) != SP_OK || seen.dials != 1 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) != 0)
		abort();
	seen.enough = data[0] >> 4;		/* 0: never; else the owner ends it there */
	sp_pool_dialed(p, seen.id, sv[1]);
	turn(loop);
	for (size_t at = 2; at < n; at += piece) {
		if (send(sv[0], data + at, n - at < piece ? n - at : piece, MSG_NOSIGNAL) < 0)
			break;
		turn(loop);
	}
	/* The rest of the input must not answer this one. */
	if (seen.answers == 1 && sp_pool_submit(p, &jobs[1]) != SP_OK)
		abort();
	turn(loop);
	if (seen.answers > 1)
		abort();
	close(sv[0]);
	turn(loop);
	if (seen.dials > 1)
		sp_pool_dial_failed(p, seen.id, "no more");
	turn(loop);
	sp_pool_cancel(p, &jobs[0]);
	sp_pool_cancel(p, &jobs[1]);
	if (seen.ends == 0 && !seen.over)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed,
	    .begin = on_begin, .piece = on_piece, .dial = on_dial };
	static const struct sp_pool_origin own = { 0 };
	static bool ready;
	struct sp_pool_config cfg = { .limit_answer = LIMIT, .origins = &own, .norigins = 1, .ops = &ops };
	struct sp_pool *p = NULL;
	struct sp_err e;
	uv_loop_t loop;

	if (!ready && sp_secret_init(SP_SECRET_REGION, false, NULL, &e) != SP_OK)
		abort();
	ready = true;
	if (n < 3 || n > 16384 || uv_loop_init(&loop) != 0)
		return 0;
	cfg.loop = &loop;
	memset(&seen, 0, sizeof seen);
	if (sp_pool_new(&cfg, &p, &e) != SP_OK)
		abort();
	play(&loop, p, data, n);
	sp_pool_free(&p);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) != 0)
		abort();
	return 0;
}
