/* sallyport-manage: started by sallyport, never by hand. */
#include "front/manage.h"

#include "crypto/crypto.h"
#include "os/role.h"

#include <stdlib.h>

struct manage_role {
	struct sp_manage manage;
	struct sp_boot *boot;
	uv_timer_t drain;
};

static void
finished(void *ctx)
{
	struct manage_role *r = ctx;

	sp_role_exit(r->boot);
}

static enum sp_status
prepare(struct sp_boot *b, void **ctx, struct sp_err *e)
{
	struct manage_role *r = calloc(1, sizeof *r);
	enum sp_status st;

	if (r == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	r->boot = b;
	*ctx = r;
	st = sp_crypto_init(e);
	if (st == SP_OK)
		st = sp_manage_init(&r->manage, b->loop, (struct sp_hash_key){ { b->seed[0], b->seed[1] } }, e);
	if (st != SP_OK)
		return st;
	r->manage.done = finished;
	r->manage.done_ctx = r;
	if (uv_timer_init(b->loop, &r->drain) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no timer");
	r->drain.data = r;
	return SP_OK;
}

/* Nothing to open: connections come from dialer. */
static enum sp_status
start(void *ctx, struct sp_err *e)
{
	return SP_OK;
}

static enum sp_status
peer(void *ctx, const struct sp_m_peer *p, int fd)
{
	struct manage_role *r = ctx;

	return sp_manage_peer(&r->manage, (enum sp_role)p->role, fd);
}

static void
drain_over(uv_timer_t *t)
{
	finished(t->data);
}

static void
drain(void *ctx, uint32_t ms)
{
	struct manage_role *r = ctx;

	uv_timer_start(&r->drain, drain_over, ms, 0);
	sp_hub_drain(&r->manage.hub);
}

/* GONE: the channel itself says when keeper or dialer has left. */
static bool
message(void *ctx, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	return type == SP_M_GONE;
}

int
main(void)
{
	static const struct sp_role_def def = {
		.role = SP_MANAGE, .prepare = prepare, .start = start, .peer = peer, .drain = drain,
		.message = message,
	};

	return sp_role_main(&def);
}
