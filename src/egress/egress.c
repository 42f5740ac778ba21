/* The role's life: peers come and go, calls drain. */
#include "egress/egress.h"

#include "base/log.h"
#include "egress/mcp_int.h"
#include "wire/uri.h"

#include <stdlib.h>
#include <unistd.h>

/* --- dialer */

static bool
dialer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_egress *eg = ctx;
	struct sp_m_dial_error err;
	struct sp_m_dialed ok;
	char why[160];

	if (type == SP_M_DIALED) {
		if (!sp_dec_dialed(body, &ok)) {
			close(fds[0]);
			return false;
		}
		sp_pool_dialed(eg->pool, ok.id, fds[0]);
		return true;
	}
	if (type != SP_M_DIAL_ERROR || !sp_dec_dial_error(body, &err))
		return false;
	if (!sp_cstr(sp_sub(err.text, 0, sizeof why - 1), why, sizeof why))
		return false;
	sp_pool_dial_failed(eg->pool, err.id, why);
	return true;
}

static void
dialer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_egress *eg = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "dialer"), SP_C("why", why));
	if (eg->dialer == ch)
		sp_chan_free(&eg->dialer);
}

/* --- keeper */

static void
keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_egress *eg = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "keeper"), SP_C("why", why));
	if (eg->keeper == ch)
		sp_chan_free(&eg->keeper);
}

/* --- fronts */

static void
drop_front(struct sp_egress_front *f)
{
	struct sp_egress *eg = f->eg;

	sp_calls_cancel_front(f);
	sp_listen_front_gone(f);
	sp_chan_free(&f->ch);
	for (uint32_t i = 0; i < SP_FRONTS_MAX; i++)
		if (eg->fronts[i] == f)
			eg->fronts[i] = NULL;
	free(f);
}

static void
front_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_egress_front *f = ctx;
	struct sp_egress *eg = f->eg;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "front"), SP_C("why", why));
	drop_front(f);
	if (eg->draining)
		sp_egress_drain(eg);
}

static enum sp_status
add_front(struct sp_egress *eg, uint32_t index, int fd)
{
	static const struct sp_chan_ops ops = { sp_front_message, front_closed };
	struct sp_egress_front *f = index < SP_FRONTS_MAX ? calloc(1, sizeof *f) : NULL;
	enum sp_status st;

	if (f == NULL) {
		close(fd);
		return SP_E_FULL;
	}
	f->eg = eg;
	if (eg->fronts[index] != NULL)
		drop_front(eg->fronts[index]);
	st = sp_chan_new(eg->cfg.loop, fd, SP_CHAN_STREAM, SP_EGRESS, SP_FRONT, &ops, f, &f->ch);
	if (st != SP_OK) {
		free(f);
		return st;
	}
	eg->fronts[index] = f;
	if (eg->mcp != NULL)
		sp_mcp_front(f);
	return SP_OK;
}

enum sp_status
sp_egress_peer(struct sp_egress *eg, enum sp_role role, uint32_t index, int fd)
{
	static const struct sp_chan_ops keeper_ops = { sp_keeper_message, keeper_closed };
	static const struct sp_chan_ops dialer_ops = { dialer_message, dialer_closed };
	enum sp_status st;

	switch (role) {
	case SP_FRONT:
		return add_front(eg, index, fd);
	case SP_KEEPER:
		sp_chan_free(&eg->keeper);
		sp_creds_begin(eg);
		st = sp_chan_new(eg->cfg.loop, fd, SP_CHAN_STREAM, SP_EGRESS, SP_KEEPER, &keeper_ops, eg, &eg->keeper);
		if (st == SP_OK)
			sp_chan_set_wipe(eg->keeper);
		return st;
	case SP_DIALER:
		sp_chan_free(&eg->dialer);
		st = sp_chan_new(eg->cfg.loop, fd, SP_CHAN_PACKET, SP_EGRESS, SP_DIALER, &dialer_ops, eg, &eg->dialer);
		if (st == SP_OK)
			sp_pool_dialer(eg->pool);
		return st;
	case SP_CHECKER:
		if (eg->asker != NULL)
			return sp_asker_peer(eg->asker, index, fd);
		close(fd);
		return SP_E_BUG;
	default:
		close(fd);
		return SP_E_BUG;
	}
}

/* --- life */

static enum sp_status
tables_new(struct sp_egress *eg, struct sp_err *e)
{
	size_t n = eg->cfg.img->head->tools.n == 0 ? 1 : eg->cfg.img->head->tools.n;

	/* Large and mostly untouched: pages come with use. */
	eg->schemas = calloc(n, sizeof(struct sp_schema *));
	eg->identity = calloc(n, sizeof *eg->identity);
	eg->sets = calloc(n, sizeof *eg->sets);
	eg->sweep = malloc(sizeof *eg->sweep);
	if (eg->schemas == NULL || eg->identity == NULL || eg->sets == NULL || eg->sweep == NULL ||
	    uv_timer_init(eg->cfg.loop, eg->sweep) != 0) {
		free(eg->sweep);
		eg->sweep = NULL;
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	}
	eg->sweep->data = eg;
	return SP_OK;
}

/* The server's own origin, and those that operations of its document name. */
static enum sp_status
pool_new(struct sp_egress *eg, struct sp_err *e)
{
	const struct sp_egress_config *cfg = &eg->cfg;
	const struct sp_img_server *s = eg->server;
	struct sp_pool_origin *v = calloc(s->origins.n + 1u, sizeof *v);
	struct sp_pool_config pool = { .loop = cfg->loop, .origins = v, .norigins = s->origins.n + 1u,
	    .ops = eg->mcp != NULL ? &sp_ex_pool_ops : &sp_call_pool_ops, .ctx = eg,
	    .limit_answer = cfg->img->head->limit_answer };
	enum sp_status st;

	if (v == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	v[0] = (struct sp_pool_origin){ s->https != 0 ? cfg->tls : NULL, sp_img_str(cfg->img, s->host),
	    s->host_kind != SP_HOST_NAME };
	for (uint32_t i = 0; i < s->origins.n; i++) {
		const struct sp_img_origin *o = SP_IMG_AT(cfg->img, s->origins, origin, i);

		v[i + 1] = (struct sp_pool_origin){ o->https != 0 ? cfg->tls : NULL, sp_img_str(cfg->img, o->host),
		    o->host_kind != SP_HOST_NAME };
	}
	st = sp_pool_new(&pool, &eg->pool, e);
	free(v);
	return st;
}

bool
sp_egress_wants_tls(const struct sp_image *img, const struct sp_img_server *s)
{
	bool any = s->https != 0;

	for (uint32_t i = 0; i < s->origins.n; i++)
		any = any || SP_IMG_AT(img, s->origins, origin, i)->https != 0;
	return any;
}

enum sp_status
sp_egress_init(struct sp_egress *eg, const struct sp_egress_config *cfg, struct sp_err *e)
{
	const struct sp_img_head *h = cfg->img->head;
	enum sp_status st;

	*eg = (struct sp_egress){ .cfg = *cfg };
	if (cfg->index >= h->servers.n || cfg->ring == NULL)
		return sp_fail(e, SP_E_BUG, NULL, "no such server, or no audit ring");
	eg->server = SP_IMG_AT(cfg->img, h->servers, server, cfg->index);
	if (sp_egress_wants_tls(cfg->img, eg->server) != (cfg->tls != NULL))
		return sp_fail(e, SP_E_BUG, NULL, "TLS is not as the server needs it");
	st = tables_new(eg, e);
	if (st == SP_OK)
		st = sp_creds_init(eg, e);
	if (st == SP_OK)
		st = sp_verifier_new(cfg->img, 4096, cfg->seed, &eg->verifier, e);
	if (st == SP_OK && h->checks.n != 0)
		st = sp_asker_new(&(struct sp_asker_config){ cfg->loop, cfg->img, SP_EGRESS }, &eg->asker);
	if (st == SP_OK && eg->server->kind == SP_SERVER_MCP)
		st = sp_mcp_new(eg, e);
	if (st == SP_OK)
		st = pool_new(eg, e);
	return st;
}

void
sp_egress_drain(struct sp_egress *eg)
{
	eg->draining = true;
	if (eg->ncalls != 0 || eg->cfg.done == NULL)
		return;
	/* A front that is still there may still hand over what it has accepted. */
	for (uint32_t i = 0; i < SP_FRONTS_MAX; i++)
		if (eg->fronts[i] != NULL)
			return;
	if (eg->mcp == NULL || sp_mcp_close(eg->mcp))
		eg->cfg.done(eg->cfg.ctx);
}

void
sp_egress_abort(struct sp_egress *eg)
{
	eg->draining = false;
	for (uint32_t i = 0; i < SP_FRONTS_MAX; i++)
		if (eg->fronts[i] != NULL)
			drop_front(eg->fronts[i]);
}

static void
on_sweep_closed(uv_handle_t *h)
{
	free(h);
}

void
sp_egress_free(struct sp_egress *eg)
{
	sp_egress_abort(eg);
	sp_mcp_free(eg);
	sp_asker_free(&eg->asker);
	sp_chan_free(&eg->keeper);
	sp_chan_free(&eg->dialer);
	sp_pool_free(&eg->pool);
	sp_verifier_free(&eg->verifier);
	if (eg->grants != NULL)
		sp_creds_free(eg);
	for (uint32_t i = 0; eg->schemas != NULL && i < eg->cfg.img->head->tools.n; i++)
		sp_schema_free(&eg->schemas[i]);
	while (eg->spare != NULL) {
		struct sp_call *c = eg->spare;

		eg->spare = c->next;
		sp_arena_free(&c->arena);
		free(c);
	}
	free(eg->schemas);
	free(eg->identity);
	free(eg->sets);
	sp_out_free(&eg->scratch);
	sp_out_free(&eg->scrubbed);
	if (eg->sweep != NULL)
		uv_close((uv_handle_t *)eg->sweep, on_sweep_closed);
	*eg = (struct sp_egress){ 0 };
}
