#include "outbound/direct.h"

#include "base/log.h"
#include "outbound/dial.h"

#include <stdlib.h>

/* One connection on its way. */
struct dialing {
	struct sp_direct *direct;
	struct sp_dial *dial;
	struct dialing *next, **prev;
	uint32_t id;
};

struct sp_direct {
	struct sp_direct_config cfg;
	struct sp_pool *pool;
	struct sp_target **targets;
	sp_slice *hosts;
	struct dialing *first;
};

static void
dialing_end(struct dialing *g)
{
	*g->prev = g->next;
	if (g->next != NULL)
		g->next->prev = g->prev;
	free(g);
}

static void
on_dialed(void *ctx, const struct sp_dial_result *r)
{
	struct dialing *g = ctx;
	struct sp_direct *d = g->direct;
	uint32_t id = g->id;

	dialing_end(g);
	if (r->status == SP_OK) {
		sp_pool_dialed(d->pool, id, r->fd);
		return;
	}
	sp_log(SP_WARN, "dial.failed", SP_S("upstream", d->cfg.name), SP_C("why", r->why), SP_C("address", r->address));
	sp_pool_dial_failed(d->pool, id, r->why);
}

/* --- the pool's questions, passed on */

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	struct sp_direct *d = ctx;

	return d->cfg.ops->head(d->cfg.ctx, job, o);
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	struct sp_direct *d = ctx;

	d->cfg.ops->answer(d->cfg.ctx, job, a);
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status,
    const char *why)
{
	struct sp_direct *d = ctx;

	d->cfg.ops->failed(d->cfg.ctx, job, fault, st, status, why);
}

static bool
on_dial(void *ctx, uint32_t id, uint32_t origin)
{
	struct sp_direct *d = ctx;
	struct dialing *g = calloc(1, sizeof *g);

	if (g == NULL)
		return false;
	*g = (struct dialing){ .direct = d, .id = id, .next = d->first, .prev = &d->first };
	if (sp_dial_start(d->targets[origin], on_dialed, g, &g->dial) != SP_OK) {
		free(g);
		return false;
	}
	if (d->first != NULL)
		d->first->prev = &g->next;
	d->first = g;
	return true;
}

/* --- life */

static sp_slice
keep_host(struct sp_direct *d, uint32_t i)
{
	sp_slice host = d->cfg.origins[i].host;
	char *p = malloc(host.n == 0 ? 1 : host.n);

	if (p == NULL)
		return (sp_slice){ NULL, 0 };
	memcpy(p, host.p, host.n);
	return d->hosts[i] = sp_mem(p, host.n);
}

static enum sp_status
targets_new(struct sp_direct *d, struct sp_pool_origin *at, struct sp_err *e)
{
	for (uint32_t i = 0; i < d->cfg.norigins; i++) {
		const struct sp_direct_origin *o = &d->cfg.origins[i];
		sp_slice host = keep_host(d, i);
		enum sp_status st = SP_OK;

		if (o->https && *d->cfg.tls == NULL)
			st = sp_tls_prepare(-1, d->cfg.tls, e);
		if (st != SP_OK)
			return st;
		if (host.p == NULL || sp_target_new(d->cfg.loop, host, o->kind, o->port, o->private_ok, &d->targets[i]) != SP_OK)
			return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for an upstream");
		at[i] = (struct sp_pool_origin){ o->https ? *d->cfg.tls : NULL, host, o->kind != SP_HOST_NAME };
	}
	return SP_OK;
}

enum sp_status
sp_direct_new(const struct sp_direct_config *cfg, struct sp_direct **out, struct sp_err *e)
{
	static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed, .dial = on_dial };
	struct sp_direct *d = calloc(1, sizeof *d);
	struct sp_pool_origin *at = calloc(cfg->norigins, sizeof *at);
	struct sp_pool_config pool = { .loop = cfg->loop, .origins = at, .norigins = cfg->norigins,
	    .limit_answer = cfg->limit_answer, .head = cfg->head, .ops = &ops, .ctx = d };
	enum sp_status st = SP_E_SYSTEM;

	if (d != NULL) {
		d->cfg = *cfg;
		d->targets = calloc(cfg->norigins, sizeof(struct sp_target *));
		d->hosts = calloc(cfg->norigins, sizeof *d->hosts);
	}
	if (at == NULL || d == NULL || d->targets == NULL || d->hosts == NULL)
		st = sp_fail(e, SP_E_SYSTEM, NULL, "no memory for an upstream");
	else
		st = targets_new(d, at, e);
	if (st == SP_OK)
		st = sp_pool_new(&pool, &d->pool, e);
	free(at);
	if (st != SP_OK)
		sp_direct_free(&d);
	else
		*out = d;
	return st;
}

void
sp_direct_free(struct sp_direct **dp)
{
	struct sp_direct *d = *dp;

	if (d == NULL)
		return;
	*dp = NULL;
	while (d->first != NULL) {
		sp_dial_cancel(&d->first->dial);
		dialing_end(d->first);
	}
	sp_pool_free(&d->pool);
	for (uint32_t i = 0; d->targets != NULL && i < d->cfg.norigins; i++)
		sp_target_free(&d->targets[i]);
	for (uint32_t i = 0; d->hosts != NULL && i < d->cfg.norigins; i++)
		free((void *)(uintptr_t)d->hosts[i].p);
	free(d->targets);
	free(d->hosts);
	free(d);
}

struct sp_pool *
sp_direct_pool(struct sp_direct *d)
{
	return d->pool;
}
