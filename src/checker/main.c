/* sallyport-checker: started by sallyport, one per check, never by hand. */
#include "base/log.h"
#include "checker/checker.h"
#include "crypto/crypto.h"
#include "os/role.h"
#include "tls/client.h"
#include "vault/secret.h"

#include <stdlib.h>
#include <unistd.h>

enum { REGION = 131072 };

/* Somebody who asks: a front, or the egress of an upstream. */
struct sp_checker_asker {
	struct sp_checker_asker *next, *prev;
	struct checker_role *role;
	enum sp_role who;
	uint32_t index;
	struct sp_chan *ch;
};

struct checker_role {
	struct sp_boot *boot;
	const struct sp_img_check *me;
	struct sp_plugin *plugin;
	struct sp_point *point;			/* one of the two */
	struct sp_tls_context *tls;
	struct sp_checker_asker *first;
	uv_timer_t drain;
	bool	 draining;
};

/* ---------------------------------------------------------------- askers */

static void
forget(struct sp_checker_asker *a)
{
	struct checker_role *r = a->role;

	if (r->point != NULL)
		sp_point_forget(r->point, a);
	*(a->prev == NULL ? &r->first : &a->prev->next) = a->next;
	if (a->next != NULL)
		a->next->prev = a->prev;
	sp_chan_free(&a->ch);
	free(a);
}

void
sp_checker_answer(struct sp_checker_asker *to, uint32_t id, const struct sp_verdict *v)
{
	struct sp_m_checked m = { .id = id, .verdict = (uint32_t)v->verdict, .text = v->text, .scopes = v->scopes };

	if (to->ch == NULL)
		return;
	sp_enc_checked(sp_chan_begin(to->ch, SP_M_CHECKED), &m);
	sp_chan_end(to->ch);
}

static void
ask(struct sp_checker_asker *a, const struct sp_m_check *m)
{
	const struct sp_verdict late = { .verdict = SP_CHECK_FAILED, .text = SP_LIT("it was asked too late") };
	struct sp_verdict v;

	/* Behind a slow answer others may have waited: nobody waits for theirs any more. */
	if (sp_mono_ms() >= m->until_ms) {
		sp_checker_answer(a, m->id, &late);
	} else if (a->role->plugin != NULL) {
		sp_plugin_ask(a->role->plugin, m, &v);
		sp_checker_answer(a, m->id, &v);
	} else {
		sp_point_ask(a->role->point, a, m);
	}
}

static bool
on_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_checker_asker *a = ctx;
	struct sp_m_check m;

	if (type != SP_M_CHECK || !sp_dec_check(body, &m) || sp_chan_pending(ch) > SP_CHECKER_UNREAD)
		return false;
	ask(a, &m);
	return true;
}

/* Fronts and egresses drain by what they have, and may ask until they leave. */
static void
leave_if_done(struct checker_role *r)
{
	if (r->draining && r->first == NULL)
		sp_role_exit(r->boot);
}

static void
on_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_checker_asker *a = ctx;
	struct checker_role *r = a->role;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", sp_role_name(a->who)), SP_C("why", why));
	sp_role_relink(r->boot, &(struct sp_m_peer){ (uint32_t)a->who, a->index, r->boot->generation, 0 });
	forget(a);
	leave_if_done(r);
}

static enum sp_status
add_asker(struct checker_role *r, const struct sp_m_peer *p, int fd)
{
	static const struct sp_chan_ops ops = { on_message, on_closed };
	struct sp_checker_asker *a = r->first;
	enum sp_status st;

	while (a != NULL && ((uint32_t)a->who != p->role || a->index != p->index))
		a = a->next;
	if (a != NULL)
		forget(a);
	a = calloc(1, sizeof *a);
	if (a == NULL) {
		close(fd);
		return SP_E_FULL;
	}
	a->role = r;
	a->who = (enum sp_role)p->role;
	a->index = p->index;
	st = sp_chan_new(r->boot->loop, fd, SP_CHAN_STREAM, SP_CHECKER, a->who, &ops, a, &a->ch);
	if (st != SP_OK) {
		free(a);
		return st;
	}
	a->next = r->first;
	if (a->next != NULL)
		a->next->prev = a;
	r->first = a;
	return SP_OK;
}

/* ---------------------------------------------------------------- the role */

/* Locked memory is for the heads of its requests, as with every pool; there is no secret in them. */
static enum sp_status
prepare_point(struct checker_role *r, struct sp_err *e)
{
	struct sp_boot *b = r->boot;
	enum sp_status st = sp_secret_init(REGION, b->isolation != SP_ISOLATION_AVAILABLE, NULL, e);

	if (st == SP_OK)
		st = sp_crypto_init(e);
	if (st == SP_OK && r->me->https != 0)
		st = sp_tls_prepare(-1, &r->tls, e);
	if (st != SP_OK)
		return st;
	return sp_point_new(&(struct sp_point_config){ .loop = b->loop, .img = &b->img, .index = b->index, .tls = r->tls,
	    .answer = sp_checker_answer }, &r->point, e);
}

static enum sp_status
prepare(struct sp_boot *b, void **ctx, struct sp_err *e)
{
	struct checker_role *r = calloc(1, sizeof *r);

	if (r == NULL || uv_timer_init(b->loop, &r->drain) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	r->boot = b;
	r->drain.data = r;
	*ctx = r;
	if (b->index >= b->img.head->checks.n)
		return sp_fail(e, SP_E_BUG, NULL, "no such check");
	r->me = SP_IMG_AT(&b->img, b->img.head->checks, check, b->index);
	if ((r->me->library.n != 0) != (b->library >= 0))
		return sp_fail(e, SP_E_BUG, NULL, "the shared object is missing, or one too many");
	return r->me->library.n == 0 ? prepare_point(r, e) : SP_OK;
}

static enum sp_status
load(void *ctx, struct sp_err *e)
{
	struct checker_role *r = ctx;
	enum sp_status st = sp_plugin_load(r->boot->library, sp_img_str(&r->boot->img, r->me->name), &r->plugin, e);

	close(r->boot->library);
	r->boot->library = -1;
	return st;
}

static enum sp_status
peer(void *ctx, const struct sp_m_peer *p, int fd)
{
	struct checker_role *r = ctx;

	if (p->role == SP_FRONT || p->role == SP_EGRESS)
		return add_asker(r, p, fd);
	if (p->role == SP_DIALER && r->point != NULL)
		return sp_point_dialer(r->point, fd);
	close(fd);
	return SP_E_BUG;
}

static void
on_drain_over(uv_timer_t *t)
{
	const struct checker_role *r = t->data;

	sp_role_exit(r->boot);
}

static void
drain(void *ctx, uint32_t ms)
{
	struct checker_role *r = ctx;

	r->draining = true;
	uv_timer_start(&r->drain, on_drain_over, ms, 0);
	leave_if_done(r);
}

int
main(void)
{
	static const struct sp_role_def def = {
		.role = SP_CHECKER, .prepare = prepare, .load = load, .peer = peer, .drain = drain,
	};

	return sp_role_main(&def);
}
