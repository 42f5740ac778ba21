#include "egress/mcp_ex.h"

#include "base/log.h"
#include "egress/egress_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 262144, BODY_EXTRA = 65536, DRAIN_BYTES = 65536, DRAIN_MS = 2000 };

static struct sp_ex *
ex_of(struct sp_pool_job *job)
{
	return (struct sp_ex *)(void *)job;	/* its first member */
}

/* --- life */

struct sp_ex *
sp_ex_new(struct sp_egress *eg, enum sp_method method, const struct sp_ex_ops *ops, void *owner)
{
	const struct sp_img_op *op = NULL;
	struct sp_ex *ex;

	for (uint32_t i = 0; i < eg->server->ops.n; i++)
		if (SP_IMG_AT(eg->cfg.img, eg->server->ops, op, i)->method == (uint32_t)method)
			op = SP_IMG_AT(eg->cfg.img, eg->server->ops, op, i);
	ex = op == NULL ? NULL : calloc(1, sizeof *ex);
	if (ex == NULL)
		return NULL;
	ex->eg = eg;
	ex->ops = ops;
	ex->owner = owner;
	ex->op = op;
	ex->req.method = (unsigned)method;
	ex->req.target = sp_img_str(eg->cfg.img, eg->server->base_path);
	if (ex->req.target.n == 0)
		ex->req.target = SP_LIT("/");
	ex->req.fields = ex->fields;
	ex->limit = eg->cfg.img->head->limit_answer;
	sp_arena_init(&ex->arena, ARENA_MAX);
	sp_out_heap(&ex->body, (size_t)eg->cfg.img->head->limit_body * 6 + BODY_EXTRA);
	ex->next = eg->exchanges;
	if (ex->next != NULL)
		ex->next->prev = ex;
	eg->exchanges = ex;
	return ex;
}

static void
ex_free(struct sp_ex *ex)
{
	struct sp_egress *eg = ex->eg;

	*(ex->prev == NULL ? &ex->eg->exchanges : &ex->prev->next) = ex->next;
	if (ex->next != NULL)
		ex->next->prev = ex->prev;
	/* Arguments were in it. */
	sp_arena_free(&ex->arena);
	if (ex->body.p != NULL)
		sp_out_wipe(&ex->body);
	sp_out_free(&ex->body);
	sp_out_free(&ex->text);
	sp_sse_free(&ex->sse);
	free(ex);
	if (eg->draining && eg->exchanges == NULL && eg->mcp != NULL && sp_mcp_is_closed(eg->mcp))
		sp_egress_drain(eg);
}

void
sp_ex_stop(struct sp_ex **exp)
{
	struct sp_ex *ex = *exp;

	*exp = NULL;
	if (ex == NULL)
		return;
	ex->ops = NULL;
	if (ex->inside) {
		ex->dead = true;
		return;
	}
	sp_pool_cancel(ex->eg->pool, &ex->job);
	ex_free(ex);
}

/* --- an answer that is there, with a stream that is not over */

static bool
ignore_message(struct sp_ex *ex, sp_slice text)
{
	return true;
}

static void
ignore_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
}

void
sp_ex_drain(struct sp_ex **exp)
{
	static const struct sp_ex_ops ops = { .message = ignore_message, .end = ignore_end };
	struct sp_ex *ex = *exp;

	*exp = NULL;
	if (ex == NULL)
		return;
	ex->ops = &ops;
	ex->owner = NULL;
	ex->limit = ex->got + DRAIN_BYTES;
	ex->deadline_ms = uv_now(ex->eg->cfg.loop) + DRAIN_MS;
}

void
sp_ex_stop_all(struct sp_egress *eg)
{
	while (eg->exchanges != NULL) {
		struct sp_ex *ex = eg->exchanges;

		sp_ex_stop(&ex);
	}
}

void
sp_ex_field(struct sp_ex *ex, sp_slice name, sp_slice value)
{
	if (ex->req.nfields < SP_UPMSG_FIELDS)
		ex->fields[ex->req.nfields++] = (struct sp_bind_field){ name, value };
}

bool
sp_ex_send(struct sp_ex *ex)
{
	struct sp_egress *eg = ex->eg;
	bool failed;

	if (ex->body.full) {
		ex_free(ex);
		return false;
	}
	ex->req.has_body = ex->req.method == SP_POST;
	ex->req.body = sp_out_view(&ex->body);
	ex->job.identity = 1;		/* one set of credentials, the server's, on every request */
	ex->job.safe = ex->req.method == SP_GET;
	ex->job.stream = true;
	ex->job.body = ex->req.has_body ? ex->req.body : (sp_slice){ NULL, 0 };
	ex->inside = true;
	failed = sp_pool_submit(eg->pool, &ex->job) != SP_OK;
	ex->inside = false;
	if (failed || ex->dead) {
		if (!failed && ex->ops == NULL)
			sp_pool_cancel(eg->pool, &ex->job);
		ex_free(ex);
	}
	return !failed;
}

/* --- ends */

static void
end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	bool outer = ex->inside;

	ex->inside = true;
	if (ex->ops != NULL)
		ex->ops->end(ex, how, why);
	ex->ops = NULL;
	ex->dead = true;
	ex->inside = outer;
	if (!outer)
		ex_free(ex);
}

void
sp_ex_tick(struct sp_egress *eg, uint64_t now_ms)
{
	struct sp_ex *ex = eg->exchanges;

	while (ex != NULL) {
		if (ex->deadline_ms == 0 || now_ms < ex->deadline_ms || ex->inside) {
			ex = ex->next;
			continue;
		}
		sp_pool_cancel(eg->pool, &ex->job);
		end(ex, SP_EX_LATE, "no answer in time");
		/* Whoever was told may have stopped or begun others: from the start again. */
		ex = eg->exchanges;
	}
}

/* --- the pool's questions */

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	struct sp_egress *eg = ctx;
	struct sp_ex *ex = ex_of(job);
	const struct sp_inject in = { eg->cfg.img, eg->server, eg->secrets };
	struct sp_err e = { 0 };
	enum sp_status st = sp_inject(&in, ex->op, &ex->req, o, &e);

	if (st == SP_OK && ex->ops != NULL && ex->ops->sending != NULL) {
		st = ex->ops->sending(ex);
		if (st != SP_OK) {
			sp_out_wipe(o);
			(void)sp_fail(&e, st, NULL, "the audit ring is full");
		}
	}
	if (st == SP_OK)
		sp_count(eg->cfg.counters, eg->cfg.row, SP_C_UPSTREAM_REQUESTS_TOTAL, 1);
	else
		(void)snprintf(ex->why, sizeof ex->why, "%s", e.log);
	ex->refused = st;
	return st;
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status,
    const char *why)
{
	static const enum sp_ex_end ends[SP_POOL_FAULTS] = {
		[SP_POOL_UNREACHABLE] = SP_EX_UNREACHABLE, [SP_POOL_REFUSED] = SP_EX_REFUSED, [SP_POOL_BROKEN] = SP_EX_BROKEN,
		[SP_POOL_GARBAGE] = SP_EX_GARBAGE, [SP_POOL_TOO_BIG] = SP_EX_TOO_BIG, [SP_POOL_CODING] = SP_EX_GARBAGE,
		[SP_POOL_CROWDED] = SP_EX_TOO_BIG,
	};
	struct sp_egress *eg = ctx;
	struct sp_ex *ex = ex_of(job);
	enum sp_ex_end how = ends[fault];

	if (how == SP_EX_UNREACHABLE && job->sent)
		how = SP_EX_BROKEN;
	if (how != SP_EX_REFUSED)
		sp_count(eg->cfg.counters, eg->cfg.row, SP_C_UPSTREAM_ERRORS_TOTAL, 1);
	end(ex, how, how == SP_EX_REFUSED ? ex->why : why);
}

static bool
media_is(sp_slice media, sp_slice want)
{
	sp_slice type = media;

	if (sp_take_to(&media, ';', &type))
		type = sp_trim(type);
	return sp_eq_nocase(sp_trim(type), want);
}

static void
read_session(struct sp_ex *ex, const struct sp_http_head *h)
{
	unsigned n = 0;
	const struct sp_http_field *f = sp_http_find(h, SP_LIT("Mcp-Session-Id"), &n);

	if (f != NULL && n == 1 && sp_upmsg_session_ok(f->value))
		(void)!sp_cstr(f->value, ex->session, sizeof ex->session);
}

static bool
on_begin(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	struct sp_ex *ex = ex_of(job);
	bool json = media_is(a->media, SP_LIT("application/json")), good = a->status / 100 == 2;
	bool none = a->media.n == 0 || a->status == 202 || a->status == 204;
	size_t most = (size_t)(ex->limit != 0 ? ex->limit : ex->eg->cfg.img->head->limit_answer);

	ex->status = a->status;
	ex->events = good && media_is(a->media, SP_LIT("text/event-stream"));
	read_session(ex, a->head);
	sp_sse_init(&ex->sse, most);
	sp_out_heap(&ex->text, good ? most : SP_EX_ERROR_BODY);
	if (!good && !json)
		ex->text.full = true;		/* nobody reads it */
	if (good && !json && !ex->events && !none) {
		end(ex, SP_EX_GARBAGE, "the answer is neither JSON nor an event stream");
		return false;
	}
	if (!good || ex->ops == NULL || ex->ops->began == NULL)
		return true;
	ex->inside = true;
	ex->ops->began(ex);
	ex->inside = false;
	if (!ex->dead)
		return true;
	ex_free(ex);
	return false;
}

/* False: the exchange is over and gone. */
static bool
read_events(struct sp_ex *ex, sp_slice part)
{
	enum sp_sse_step step = SP_SSE_MORE;
	bool more = true;

	while (more && (step = sp_sse_read(&ex->sse, &part)) == SP_SSE_EVENT) {
		/* Other types than "message" are nothing of this protocol; without data it only names its id. */
		if (ex->sse.data.n == 0 || !sp_eq(ex->sse.type, SP_LIT("message")))
			continue;
		ex->inside = true;
		more = ex->ops->message(ex, ex->sse.data) && !ex->dead;
		ex->inside = false;
	}
	if (!more)
		ex_free(ex);
	else if (step == SP_SSE_BAD)
		end(ex, SP_EX_TOO_BIG, ex->sse.why);
	return more && step == SP_SSE_MORE;
}

static bool
on_piece(void *ctx, struct sp_pool_job *job, sp_slice part)
{
	struct sp_ex *ex = ex_of(job);

	ex->got += part.n;
	if (ex->limit != 0 && ex->got > ex->limit) {
		end(ex, SP_EX_TOO_BIG, "the answer is over the limit");
		return false;
	}
	if (ex->events)
		return read_events(ex, part);
	sp_out_slice(&ex->text, part);
	return true;
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	struct sp_ex *ex = ex_of(job);
	bool more = true;

	if (ex->status / 100 != 2) {
		if (ex->text.full)
			sp_out_reset(&ex->text);
		end(ex, SP_EX_STATUS, "the upstream refused the request");
		return;
	}
	if (!ex->events && ex->text.full) {
		end(ex, SP_EX_TOO_BIG, "there is no room for the answer");
		return;
	}
	if (!ex->events && ex->text.n != 0) {
		ex->inside = true;
		more = ex->ops->message(ex, sp_out_view(&ex->text)) && !ex->dead;
		ex->inside = false;
	}
	if (more)
		end(ex, SP_EX_DONE, "the answer is over");
	else
		ex_free(ex);
}

const struct sp_pool_ops sp_ex_pool_ops = {
	.head = on_head, .answer = on_answer, .failed = on_failed, .begin = on_begin, .piece = on_piece,
	.dial = sp_egress_dial,
};
