/* sallyport-front: started by sallyport, never by hand. */
#include "front/front.h"

#include "crypto/crypto.h"
#include "os/role.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

struct front_role {
	struct sp_front front;
	struct sp_boot *boot;
	uv_timer_t drain;
};

static void
finished(void *ctx)
{
	struct front_role *r = ctx;

	sp_role_exit(r->boot);
}

static void
lost(void *ctx, enum sp_role role, uint32_t index)
{
	struct front_role *r = ctx;

	sp_role_relink(r->boot, &(struct sp_m_peer){ (uint32_t)role, index, r->boot->generation, 0 });
}

static enum sp_status
prepare(struct sp_boot *b, void **ctx, struct sp_err *e)
{
	struct front_role *r = calloc(1, sizeof *r);
	const struct sp_hash_key seed = { { b->seed[0], b->seed[1] } };
	const int on = 1;
	enum sp_status st;

	if (r == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	r->boot = b;
	*ctx = r;
	/* Accepted connections inherit it; a Unix listener has no such option. */
	for (uint32_t i = 0; i < b->nlisten; i++)
		(void)setsockopt(b->listeners[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	st = sp_crypto_init(e);
	if (st == SP_OK)
		st = sp_front_init(&r->front, &b->img, b->loop, seed, e);
	if (st != SP_OK)
		return st;
	r->front.index = b->index;
	r->front.ring = b->ring;
	r->front.page = b->page;
	r->front.slots = b->slots;
	r->front.counters = r->front.hub.counters = b->counters;
	r->front.row = r->front.hub.row = b->row;
	r->front.done = finished;
	r->front.lost = lost;
	r->front.done_ctx = r;
	if (b->ring == NULL || b->page == NULL || b->slots == NULL)
		return sp_fail(e, SP_E_BUG, NULL, "ring, page or slots are missing");
	if (uv_timer_init(b->loop, &r->drain) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no timer");
	r->drain.data = r;
	return SP_OK;
}

static enum sp_status
start(void *ctx, struct sp_err *e)
{
	struct front_role *r = ctx;

	r->front.hub.nmetrics = r->boot->nmetrics;
	return sp_hub_listen(&r->front.hub, r->boot->listeners, r->boot->nlisten, e);
}

static enum sp_status
peer(void *ctx, const struct sp_m_peer *p, int fd)
{
	struct front_role *r = ctx;

	return sp_front_peer(&r->front, (enum sp_role)p->role, p->index, p->incarnation, fd);
}

static void
drain_over(uv_timer_t *t)
{
	finished(t->data);
}

static void
drain(void *ctx, uint32_t ms)
{
	struct front_role *r = ctx;

	uv_timer_start(&r->drain, drain_over, ms, 0);
	sp_front_drain(&r->front);
}

static bool
message(void *ctx, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct front_role *r = ctx;
	struct sp_m_peer p;

	if (type != SP_M_GONE || !sp_dec_peer(body, &p))
		return false;
	if (p.role == SP_EGRESS)
		sp_front_gone(&r->front, p.index, p.incarnation);
	return true;
}

int
main(void)
{
	static const struct sp_role_def def = {
		.role = SP_FRONT, .prepare = prepare, .start = start, .peer = peer, .drain = drain,
		.message = message,
	};

	return sp_role_main(&def);
}
