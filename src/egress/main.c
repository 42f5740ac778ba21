/* sallyport-egress: started by sallyport, one per upstream and one per authority, never by hand. */
#include "crypto/crypto.h"
#include "egress/authority.h"
#include "egress/egress.h"
#include "egress/endpoint.h"
#include "os/role.h"

#include <stdlib.h>

enum { REGION = 131072, REGION_EACH = 8192, REGION_MAX = 4 << 20 };

struct egress_role {
	struct sp_egress eg;
	struct sp_authority *authority;		/* then `eg` is not used */
	struct sp_endpoint *endpoint;		/* nor then */
	struct sp_boot *boot;
	struct sp_tls_context *tls;
	uv_timer_t drain;
};

static void
finished(void *ctx)
{
	struct egress_role *r = ctx;

	sp_role_exit(r->boot);
}

/* The buffer for heads, the values, the scrubber; long values take more than most have. */
static enum sp_status
lock_region(const struct sp_boot *b, const struct sp_img_server *s, struct sp_err *e)
{
	size_t n = REGION + (size_t)s->grants.n * REGION_EACH;

	return sp_secret_init(n > REGION_MAX ? REGION_MAX : n, b->isolation != SP_ISOLATION_AVAILABLE, NULL, e);
}

static enum sp_status
make_endpoint(struct egress_role *r, uint32_t index, struct sp_err *e)
{
	struct sp_boot *b = r->boot;

	return sp_endpoint_new(&(struct sp_endpoint_config){
		.loop = b->loop, .img = &b->img, .index = index, .tls = r->tls, .counters = b->counters, .row = b->row,
	}, &r->endpoint, e);
}

/* Locked memory is for the heads of its requests, as with every pool; only those to an endpoint have a secret in them. */
static enum sp_status
prepare_authority(struct egress_role *r, uint32_t index, struct sp_err *e)
{
	struct sp_boot *b = r->boot;
	const struct sp_img_authority *a = SP_IMG_AT(&b->img, b->img.head->authorities, authority, index);
	enum sp_status st = sp_secret_init(a->source != 0 ? SP_ENDPOINT_REGION : REGION, b->isolation != SP_ISOLATION_AVAILABLE, NULL, e);

	if (st == SP_OK)
		st = sp_crypto_init(e);
	if (st == SP_OK && a->https != 0)
		st = sp_tls_prepare(-1, &r->tls, e);
	if (st != SP_OK)
		return st;
	if (a->source != 0)
		return make_endpoint(r, index, e);
	return sp_authority_new(&(struct sp_authority_config){
		.loop = b->loop, .img = &b->img, .index = index, .incarnation = b->incarnation, .tls = r->tls,
		.counters = b->counters, .row = b->row,
	}, &r->authority, e);
}

static enum sp_status
prepare(struct sp_boot *b, void **ctx, struct sp_err *e)
{
	struct egress_role *r = calloc(1, sizeof *r);
	uint32_t servers = b->img.head->servers.n;
	const struct sp_img_server *s;
	enum sp_status st;

	if (r == NULL || uv_timer_init(b->loop, &r->drain) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	r->boot = b;
	r->drain.data = r;
	*ctx = r;
	if (b->index >= servers && b->index - servers < b->img.head->authorities.n)
		return prepare_authority(r, b->index - servers, e);
	if (b->index >= servers || b->ring == NULL || b->page == NULL)
		return sp_fail(e, SP_E_BUG, NULL, "server, ring or page is missing");
	s = SP_IMG_AT(&b->img, b->img.head->servers, server, b->index);
	st = lock_region(b, s, e);
	if (st == SP_OK)
		st = sp_crypto_init(e);
	if (st == SP_OK && sp_egress_wants_tls(&b->img, s))
		st = sp_tls_prepare(-1, &r->tls, e);
	if (st != SP_OK)
		return st;
	return sp_egress_init(&r->eg, &(struct sp_egress_config){
		.loop = b->loop, .img = &b->img, .index = b->index, .incarnation = b->incarnation, .ring = b->ring,
		.page = b->page, .seed = { { b->seed[0], b->seed[1] } }, .tls = r->tls, .counters = b->counters, .row = b->row, .done = finished, .ctx = r,
	}, e);
}

static enum sp_status
start(void *ctx, struct sp_err *e)
{
	struct egress_role *r = ctx;

	if (r->authority != NULL)
		sp_authority_start(r->authority);
	return SP_OK;
}

static enum sp_status
peer(void *ctx, const struct sp_m_peer *p, int fd)
{
	struct egress_role *r = ctx;

	if (r->endpoint != NULL)
		return sp_endpoint_peer(r->endpoint, (enum sp_role)p->role, fd);
	if (r->authority != NULL)
		return sp_authority_peer(r->authority, (enum sp_role)p->role, fd);
	return sp_egress_peer(&r->eg, (enum sp_role)p->role, p->index, fd);
}

static void
on_drain_over(uv_timer_t *t)
{
	struct egress_role *r = t->data;

	sp_egress_abort(&r->eg);
	finished(r);
}

static void
drain(void *ctx, uint32_t ms)
{
	struct egress_role *r = ctx;

	if (r->endpoint != NULL || r->authority != NULL) {
		finished(r);		/* nobody waits for it: super lets an endpoint stay until its askers have gone */
		return;
	}
	uv_timer_start(&r->drain, on_drain_over, ms, 0);
	sp_egress_drain(&r->eg);
}

int
main(void)
{
	static const struct sp_role_def def = {
		.role = SP_EGRESS, .prepare = prepare, .start = start, .peer = peer, .drain = drain,
	};

	return sp_role_main(&def);
}
