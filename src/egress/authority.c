/* The life of a key set: when it is fetched, how long it counts, who is told. */
#include "egress/authority_int.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

/* --- keeper */

static void
on_keeper_reads(void *ctx)
{
	struct sp_authority *a = ctx;

	if (a->owed)
		sp_authority_tell(a);
}

/* The set as it is, or that there is none.  One that is on its way already answers all who ask meanwhile. */
void
sp_authority_tell(struct sp_authority *a)
{
	struct sp_m_keys m = { .authority = a->cfg.index, .serial = a->serial,
	    .status = a->known ? SP_OK : SP_E_UNAVAILABLE };

	if (a->keeper == NULL)
		return;
	a->owed = sp_chan_pending(a->keeper) != 0;
	if (a->owed) {
		sp_chan_when_drained(a->keeper, 1, on_keeper_reads, a);
		return;
	}
	if (a->known)
		m.text = sp_out_view(&a->set);
	sp_enc_keys(sp_chan_begin(a->keeper, SP_M_KEYS), &m);
	sp_chan_end(a->keeper);
}

static bool
keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_authority *a = ctx;
	struct sp_m_id m;

	/* What is for calls is not for this one. */
	if (type != SP_M_KEYS_WANT)
		return type != SP_M_SECRET;
	if (!sp_dec_id(body, &m) || m.id != a->cfg.index)
		return false;
	/* C01, C02: one fetch for all, and not again at once, however many keys are named that nobody knows. */
	if (!a->running && a->tried && uv_now(a->cfg.loop) - a->began_ms < SP_AUTHORITY_COOL_MS) {
		sp_authority_tell(a);
		return true;
	}
	a->wanted = true;
	sp_authority_fetch(a);
	return true;
}

static void
keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_authority *a = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "keeper"), SP_C("why", why));
	if (a->keeper == ch)
		sp_chan_free(&a->keeper);
}

/* --- time */

static void
on_due(uv_timer_t *t)
{
	sp_authority_fetch(t->data);
}

/* A day without an answer: the keys may have been taken back long ago. */
static bool
forget_stale(struct sp_authority *a)
{
	if (!a->known || uv_now(a->cfg.loop) - a->came_ms < SP_AUTHORITY_STALE_MS)
		return false;
	sp_log(SP_ERROR, "keys.stale", SP_S("authority", a->name), SP_U("hours", SP_AUTHORITY_STALE_MS / 3600000));
	a->known = false;
	a->serial++;
	return true;
}

static uint64_t
retry_ms(const struct sp_authority *a)
{
	uint64_t ms = SP_AUTHORITY_RETRY_MS, left;

	for (unsigned i = 1; i < a->failures && ms < SP_AUTHORITY_RETRY_MAX_MS; i++)
		ms *= 2;
	if (ms > SP_AUTHORITY_RETRY_MAX_MS)
		ms = SP_AUTHORITY_RETRY_MAX_MS;
	left = a->known ? a->came_ms + SP_AUTHORITY_STALE_MS - uv_now(a->cfg.loop) : ms;
	return left < ms ? left : ms;
}

/* The set that came, if it is another one. */
static bool
take_set(struct sp_authority *a)
{
	bool same = a->known && sp_eq(sp_out_view(&a->set), sp_out_view(&a->incoming));
	struct sp_out before = a->set;

	a->came_ms = uv_now(a->cfg.loop);
	a->failures = 0;
	if (same)
		return false;
	a->set = a->incoming;
	a->incoming = before;
	a->known = true;
	a->serial++;
	return true;
}

void
sp_authority_fetched(struct sp_authority *a, const char *why)
{
	bool changed;
	uint64_t ms;

	if (why == NULL) {
		changed = take_set(a);
		/* Before it is old, so that a failure leaves time to try again. */
		ms = (uint64_t)a->fresh_s * 1000 / 8 * 7;
		sp_log(SP_INFO, "keys.fetched", SP_S("authority", a->name), SP_B("changed", changed), SP_U("serial", a->serial));
	} else {
		a->failures++;
		sp_count(a->cfg.counters, a->cfg.row, SP_C_KEY_FETCH_ERRORS_TOTAL, 1);
		sp_log(SP_WARN, "keys.not_fetched", SP_S("authority", a->name), SP_C("why", why), SP_B("kept", a->known));
		changed = forget_stale(a);
		ms = retry_ms(a);
	}
	sp_out_free(&a->incoming);
	uv_timer_start(&a->due, on_due, ms, 0);
	if (changed || a->wanted)
		sp_authority_tell(a);
	a->wanted = false;
}

/* --- life */

enum sp_status
sp_authority_peer(struct sp_authority *a, enum sp_role role, int fd)
{
	static const struct sp_chan_ops keeper_ops = { keeper_message, keeper_closed };
	enum sp_status st;

	if (role == SP_DIALER)
		return sp_authority_dialer(a, fd);
	if (role != SP_KEEPER) {
		close(fd);
		return SP_E_BUG;
	}
	sp_chan_free(&a->keeper);
	a->owed = false;
	st = sp_chan_new(a->cfg.loop, fd, SP_CHAN_STREAM, SP_EGRESS, SP_KEEPER, &keeper_ops, a, &a->keeper);
	if (st == SP_OK)
		sp_authority_tell(a);
	return st;
}

void
sp_authority_start(struct sp_authority *a)
{
	uv_timer_start(&a->due, on_due, 0, 0);
}

enum sp_status
sp_authority_new(const struct sp_authority_config *cfg, struct sp_authority **out, struct sp_err *e)
{
	struct sp_authority *a;

	if (cfg->index >= cfg->img->head->authorities.n)
		return sp_fail(e, SP_E_BUG, NULL, "no such authority");
	a = calloc(1, sizeof *a);
	if (a == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	a->cfg = *cfg;
	a->me = SP_IMG_AT(cfg->img, cfg->img->head->authorities, authority, cfg->index);
	if ((a->me->https != 0) != (cfg->tls != NULL)) {
		free(a);
		return sp_fail(e, SP_E_BUG, NULL, "TLS is not as the authority needs it");
	}
	a->name = sp_img_str(cfg->img, a->me->issuer.n != 0 ? a->me->issuer : a->me->url);
	/* Larger than every serial of the process before this one. */
	a->serial = cfg->incarnation << 16;
	sp_authority_fetch_init(a);
	(void)uv_timer_init(cfg->loop, &a->due);
	(void)uv_timer_init(cfg->loop, &a->deadline);
	(void)uv_timer_init(cfg->loop, &a->turn);
	a->due.data = a->deadline.data = a->turn.data = a;
	*out = a;
	return SP_OK;
}

static void
on_closed(uv_handle_t *h)
{
	struct sp_authority *a = h->data;

	if (++a->closed == 3)
		free(a);
}

void
sp_authority_free(struct sp_authority **ap)
{
	struct sp_authority *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	sp_chan_free(&a->keeper);
	sp_chan_free(&a->dialer);
	sp_pool_free(&a->pool);
	sp_out_free(&a->set);
	sp_out_free(&a->incoming);
	uv_close((uv_handle_t *)&a->due, on_closed);
	uv_close((uv_handle_t *)&a->deadline, on_closed);
	uv_close((uv_handle_t *)&a->turn, on_closed);
}
