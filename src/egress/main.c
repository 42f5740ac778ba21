/* sallyport-egress: started by sallyport, one per upstream, never by hand. */
#include "crypto/crypto.h"
#include "egress/egress.h"
#include "os/role.h"

#include <stdlib.h>

enum { REGION = 131072, REGION_EACH = 8192, REGION_MAX = 4 << 20 };

struct egress_role {
	struct sp_egress eg;
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
prepare(struct sp_boot *b, void **ctx, struct sp_err *e)
{
	struct egress_role *r = calloc(1, sizeof *r);
	const struct sp_img_server *s;
	enum sp_status st;

	if (r == NULL || uv_timer_init(b->loop, &r->drain) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	if (b->index >= b->img.head->servers.n || b->ring == NULL || b->page == NULL)
		return sp_fail(e, SP_E_BUG, NULL, "server, ring or page is missing");
	r->boot = b;
	r->drain.data = r;
	s = SP_IMG_AT(&b->img, b->img.head->servers, server, b->index);
	st = lock_region(b, s, e);
	if (st == SP_OK)
		st = sp_crypto_init(e);
	if (st == SP_OK && s->https != 0)
		st = sp_tls_prepare(-1, &r->tls, e);
	if (st != SP_OK)
		return st;
	*ctx = r;
	return sp_egress_init(&r->eg, &(struct sp_egress_config){
		.loop = b->loop, .img = &b->img, .index = b->index, .incarnation = b->incarnation, .ring = b->ring,
		.page = b->page, .seed = { { b->seed[0], b->seed[1] } }, .tls = r->tls, .done = finished, .ctx = r,
	}, e);
}

static enum sp_status
peer(void *ctx, const struct sp_m_peer *p, int fd)
{
	struct egress_role *r = ctx;

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

	uv_timer_start(&r->drain, on_drain_over, ms, 0);
	sp_egress_drain(&r->eg);
}

int
main(void)
{
	static const struct sp_role_def def = {
		.role = SP_EGRESS, .prepare = prepare, .peer = peer, .drain = drain,
	};

	return sp_role_main(&def);
}
