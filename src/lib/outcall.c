/* Requests on their way: the queue from other threads, time, cancellation, the pool's questions. */
#include "lib/outbound.h"

#include "base/log.h"
#include "outbound/answer.h"
#include "outbound/inject.h"

#include <stdio.h>

enum { SWEEP_MS = 50 };

/* ---- ends */

static void
unlink_call(struct sp_outcall *c)
{
	struct sp_outbound *o = c->door->o;

	*(c->prev == NULL ? &o->first : &c->prev->next) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = c->prev = NULL;
	o->ncalls--;
}

/* The adapter may free it in there. */
static void
tell(struct sp_outcall *c, const struct sp_outcall_result *r)
{
	struct sp_outbound *o = c->door->o;

	o->telling++;
	c->done(c, r);
	o->telling--;
}

static void
end(struct sp_outcall *c, const struct sp_outcall_result *r)
{
	unlink_call(c);
	tell(c, r);
}

static void
give_up(struct sp_outcall *c, enum sp_outcall_end how)
{
	struct sp_outcall_result r = { .end = how };

	if (c->door->direct != NULL)
		sp_pool_cancel(sp_direct_pool(c->door->direct), &c->job);
	r.sent = c->job.sent;
	end(c, &r);
}

sp_slice
sp_outcall_text(const struct sp_outcall_result *r)
{
	switch (r->end) {
	case SP_OUT_ANSWERED:
		break;
	case SP_OUT_REFUSED:
		return sp_inject_fault_text(r->st);
	case SP_OUT_FAULT:
		return sp_pool_fault_text(r->fault, r->sent);
	case SP_OUT_LATE:
		return r->sent ? SP_LIT("the upstream did not answer in time; the outcome is unknown") :
		    SP_LIT("the upstream could not be reached in time; nothing was sent");
	case SP_OUT_CANCELLED:
		return r->sent ? SP_LIT("cancelled; the outcome is unknown") : SP_LIT("cancelled; nothing was sent");
	case SP_OUT_STOPPED:
		return r->sent ? SP_LIT("the server stops; the outcome is unknown") :
		    SP_LIT("the server stops; nothing was sent");
	case SP_OUT_CROWDED:
		return SP_LIT("too many requests are under way; nothing was sent");
	}
	return (sp_slice){ NULL, 0 };
}

/* ---- the pool's questions */

static struct sp_outcall *
call_of(struct sp_pool_job *job)
{
	return (struct sp_outcall *)(void *)job;	/* its first member */
}

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	struct sp_door *d = ctx;
	struct sp_outcall *c = call_of(job);
	const struct sp_inject in = { &d->img, d->server, d->secrets };
	struct sp_err e = { 0 };
	enum sp_status st = sp_inject(&in, &c->op, &c->req, o, &e);

	if (st != SP_OK)
		(void)snprintf(c->why, sizeof c->why, "%s", e.log);
	return st;
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	const struct sp_outcall_result r = { .end = SP_OUT_ANSWERED, .a = a, .sent = true };

	end(call_of(job), &r);
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status, const char *why)
{
	const struct sp_door *d = ctx;
	struct sp_outcall *c = call_of(job);
	struct sp_outcall_result r = { .end = SP_OUT_FAULT, .fault = fault, .st = st, .sent = job->sent };

	if (fault == SP_POOL_REFUSED) {
		r.end = SP_OUT_REFUSED;
		sp_log(SP_ERROR, "outbound.not_sent", SP_C("upstream", d->name), SP_C("why", c->why));
	} else {
		sp_log(SP_WARN, "outbound.failed", SP_C("upstream", d->name), SP_C("why", why), SP_U("status", status));
	}
	end(c, &r);
}

static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed };

/* ---- time */

static void
sweep(struct sp_outbound *o, uint64_t now)
{
	struct sp_outcall *c, *next;

	for (c = o->first; c != NULL; c = next) {
		next = c->next;
		if (c->ctx != NULL && sp_is_cancelled(c->ctx))
			give_up(c, SP_OUT_CANCELLED);
		else if (now >= c->deadline_ms)
			give_up(c, SP_OUT_LATE);
	}
}

static void
on_sweep(uv_timer_t *t)
{
	struct sp_outloop *l = t->data;

	if (l->o == NULL)
		return;
	sweep(l->o, uv_now(t->loop));
	/* When the end was asked for in there, the timer is its. */
	if (l->o->phase == SP_OUT_SERVES && l->o->first == NULL) {
		uv_timer_stop(t);
		l->o->sweeping = false;
	}
}

/* ---- beginning */

/* Not among the running yet. */
static void
refuse(struct sp_outcall *c, enum sp_outcall_end how)
{
	const struct sp_outcall_result r = { .end = how, .st = SP_E_UNAVAILABLE };

	tell(c, &r);
}

static bool
has_secrets(const struct sp_door *d, const struct sp_img_op *op)
{
	const uint32_t *list = sp_img_u32(&d->img, op->grants);

	for (uint32_t i = 0; i < op->grants.n; i++)
		if (d->secrets[list[i]] == NULL)
			return false;
	return d->o->scrub != NULL;
}

static void
link_call(struct sp_outcall *c)
{
	struct sp_outbound *o = c->door->o;

	c->deadline_ms = uv_now(o->loop->wake.loop) + c->timeout_ms;
	c->prev = NULL;
	c->next = o->first;
	if (c->next != NULL)
		c->next->prev = c;
	o->first = c;
	o->ncalls++;
	if (o->sweeping)
		return;
	o->sweeping = true;
	uv_timer_start(&o->loop->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

void
sp_outcall_start(struct sp_outcall *c)
{
	struct sp_outbound *o = c->door->o;
	struct sp_pool *pool;

	if (o->phase != SP_OUT_SERVES) {
		refuse(c, SP_OUT_STOPPED);
		return;
	}
	if (c->ctx != NULL && sp_is_cancelled(c->ctx)) {
		refuse(c, SP_OUT_CANCELLED);
		return;
	}
	if (!has_secrets(c->door, &c->op)) {
		sp_log(SP_ERROR, "outbound.no_secret", SP_C("upstream", c->door->name));
		refuse(c, SP_OUT_REFUSED);
		return;
	}
	pool = o->ncalls == SP_OUT_CALLS ? NULL : sp_door_pool(c->door, &ops);
	if (pool == NULL) {
		refuse(c, SP_OUT_CROWDED);
		return;
	}
	link_call(c);
	/* May end the call, and then it is not to be touched again; it says no only when it has not taken it. */
	if (sp_pool_submit(pool, &c->job) != SP_OK) {
		unlink_call(c);
		refuse(c, SP_OUT_CROWDED);
	}
}

/* ---- from other threads */

bool
sp_outcall_queue(struct sp_outbound *o, struct sp_outcall *c)
{
	bool ok;

	c->next = c->prev = NULL;
	pthread_mutex_lock(&o->lock);
	ok = o->phase == SP_OUT_SERVES && o->nqueue < SP_OUT_CALLS;
	if (ok) {
		*(o->queue == NULL ? &o->queue : &o->queue_last->next) = c;
		o->queue_last = c;
		o->nqueue++;
		(void)uv_async_send(&o->loop->wake);
	}
	pthread_mutex_unlock(&o->lock);
	return ok;
}

static struct sp_outcall *
take_queue(struct sp_outbound *o)
{
	struct sp_outcall *all;

	pthread_mutex_lock(&o->lock);
	all = o->queue;
	o->queue = o->queue_last = NULL;
	o->nqueue = 0;
	pthread_mutex_unlock(&o->lock);
	return all;
}

void
sp_outcalls_take(struct sp_outbound *o)
{
	struct sp_outcall *c = take_queue(o), *next;

	for (; c != NULL; c = next) {
		next = c->next;
		c->next = NULL;
		sp_outcall_start(c);
	}
}

void
sp_outcalls_stop(struct sp_outbound *o)
{
	while (o->first != NULL)
		give_up(o->first, SP_OUT_STOPPED);
	sp_outcalls_take(o);		/* each is told that it ends */
}
