#include "outbound/pool_int.h"

#include "vault/secret.h"

#include <stdlib.h>
#include <unistd.h>

enum { SWEEP_MS = 250 };

/* --- the queue */

static void
push(struct sp_pool *p, struct sp_pool_job *job, bool front)
{
	job->waiting = true;
	job->next = front ? p->first : NULL;
	job->prev = front ? NULL : p->last;
	*(job->prev == NULL ? &p->first : &job->prev->next) = job;
	*(job->next == NULL ? &p->last : &job->next->prev) = job;
	p->nwaiting++;
	p->places[job->origin].waiting++;
}

static void
unlink_job(struct sp_pool *p, struct sp_pool_job *job)
{
	*(job->prev == NULL ? &p->first : &job->prev->next) = job->next;
	*(job->next == NULL ? &p->last : &job->next->prev) = job->prev;
	job->next = job->prev = NULL;
	job->waiting = false;
	p->nwaiting--;
	p->places[job->origin].waiting--;
}

/* The first that a connection of this origin and identity (0: none yet) may serve. */
static struct sp_pool_job *
first_for(struct sp_pool *p, uint32_t origin, uint32_t identity)
{
	struct sp_pool_job *j = p->first;

	while (j != NULL && (j->origin != origin || (identity != 0 && j->identity != identity)))
		j = j->next;
	return j;
}

void
sp_pool_over(struct sp_pool *p, struct sp_pool_job *job)
{
	job->conn = NULL;
	if (job->lasting)
		p->nlasting--;
}

/* --- choosing a connection */

static bool
is_fresh(const struct sp_upconn *c, uint64_t now)
{
	return now - c->since_ms < c->idle_ms;
}

/* The idle connection that was used last: it is the likeliest to be open, and the others may age. */
static struct sp_upconn *
best_idle(struct sp_pool *p, uint32_t origin, uint32_t identity, uint64_t now)
{
	struct sp_upconn *best = NULL;

	for (unsigned i = 0; i < p->n; i++) {
		struct sp_upconn *c = p->conns[i];

		if (c->state != SP_UP_IDLE || c->old || c->origin != origin || !is_fresh(c, now) ||
		    (c->identity != 0 && c->identity != identity))
			continue;
		if (best == NULL || c->since_ms > best->since_ms ||
		    (c->since_ms == best->since_ms && c->identity > best->identity))
			best = c;
	}
	return best;
}

static struct sp_upconn *
take_idle(struct sp_pool *p, uint32_t origin, uint32_t identity)
{
	uint64_t now = uv_now(p->cfg.loop);
	struct sp_upconn *c;

	while ((c = best_idle(p, origin, identity, now)) != NULL) {
		if (sp_upconn_silent(c))
			return c;
		sp_upconn_close(c);
	}
	return NULL;
}

static bool
make_room(struct sp_pool *p)
{
	struct sp_upconn *oldest = NULL;

	if (p->n + p->ndials < SP_POOL_CONNS)
		return true;
	for (unsigned i = 0; i < p->n; i++)
		if (p->conns[i]->state == SP_UP_IDLE && (oldest == NULL || p->conns[i]->since_ms < oldest->since_ms))
			oldest = p->conns[i];
	if (oldest == NULL)
		return false;
	sp_upconn_close(oldest);
	return true;
}

/* The next origin with more jobs than connections under way; UINT32_MAX: none.  One that does not answer leaves room
 * for the others. */
static uint32_t
next_needy(struct sp_pool *p)
{
	unsigned most = p->cfg.norigins == 1 ? SP_POOL_CONNS : SP_POOL_CONNS / 2;

	for (uint32_t k = 0; p->nwaiting != 0 && k < p->cfg.norigins; k++) {
		uint32_t i = (p->turn + k) % p->cfg.norigins;
		const struct sp_pool_place *at = &p->places[i];
		unsigned under_way = at->dialing + at->shaking;

		if (at->waiting > under_way && under_way < most)
			return i;
	}
	return UINT32_MAX;
}

/* One connection under way for each that waits, within the limit. */
void
sp_pool_kick(struct sp_pool *p)
{
	uint32_t at;

	while ((at = next_needy(p)) != UINT32_MAX && make_room(p)) {
		uint32_t id = ++p->next_id;

		if (!p->cfg.ops->dial(p->cfg.ctx, id, at))
			return;
		p->dials[p->ndials].id = id;
		p->dials[p->ndials++].origin = at;
		p->places[at].dialing++;
		p->turn = (at + 1) % p->cfg.norigins;
	}
}

/* --- time */

static bool
is_late(const struct sp_upconn *c, uint64_t now)
{
	if (c->state == SP_UP_SHAKE)
		return now - c->since_ms >= SP_POOL_HANDSHAKE_MS;
	return c->state == SP_UP_IDLE && !is_fresh(c, now);
}

static void
on_sweep(uv_timer_t *t)
{
	struct sp_pool *p = t->data;
	uint64_t now = uv_now(t->loop);

	for (unsigned i = p->n; i-- > 0;) {
		struct sp_upconn *c = i < p->n ? p->conns[i] : NULL;

		if (c == NULL || !is_late(c, now))
			continue;
		if (c->state == SP_UP_SHAKE)
			sp_pool_unready(c, "no end of the TLS handshake");
		else
			sp_upconn_close(c);
	}
	if (p->n == 0) {
		uv_timer_stop(t);
		p->sweeping = false;
	}
}

static void
watch_time(struct sp_pool *p)
{
	if (p->sweeping)
		return;
	p->sweeping = true;
	uv_timer_start(p->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

/* --- what connections report */

/* To the first that waits and may use it; else it stays. */
static void
give(struct sp_upconn *c)
{
	struct sp_pool *p = c->pool;
	struct sp_pool_job *job;

	while (c->state == SP_UP_IDLE && !c->old && (job = first_for(p, c->origin, c->identity)) != NULL) {
		if (c->used && !sp_upconn_silent(c)) {
			sp_upconn_close(c);
			sp_pool_kick(p);
			return;
		}
		unlink_job(p, job);
		sp_upconn_send(c, job);
	}
}

void
sp_pool_ready(struct sp_upconn *c)
{
	c->pool->places[c->origin].shaking--;
	give(c);
	sp_pool_kick(c->pool);
}

static void
fail_first(struct sp_pool *p, uint32_t origin, const char *why)
{
	struct sp_pool_job *job = first_for(p, origin, 0);

	if (job != NULL) {
		unlink_job(p, job);
		sp_pool_over(p, job);
		p->cfg.ops->failed(p->cfg.ctx, job, SP_POOL_UNREACHABLE, SP_E_UPSTREAM, 0, why);
	}
	sp_pool_kick(p);
}

void
sp_pool_unready(struct sp_upconn *c, const char *why)
{
	struct sp_pool *p = c->pool;

	p->places[c->origin].shaking--;
	sp_upconn_close(c);
	fail_first(p, c->origin, why);		/* c stays until the loop's turn is over */
}

void
sp_pool_idle(struct sp_upconn *c)
{
	if (c->old || c->idle_ms == 0)
		sp_upconn_close(c);
	else
		give(c);
}

void
sp_pool_resubmit(struct sp_pool *p, struct sp_pool_job *job)
{
	job->again = true;		/* and `sent` stays: whether the first try arrived nobody can tell */
	push(p, job, true);
	sp_pool_kick(p);
}

/* --- dialer */

static bool
forget_dial(struct sp_pool *p, uint32_t id, uint32_t *origin)
{
	for (unsigned i = 0; i < p->ndials; i++)
		if (p->dials[i].id == id) {
			*origin = p->dials[i].origin;
			p->places[*origin].dialing--;
			p->dials[i] = p->dials[--p->ndials];
			return true;
		}
	return false;
}

void
sp_pool_dialer(struct sp_pool *p)
{
	p->ndials = 0;
	for (uint32_t i = 0; i < p->cfg.norigins; i++)
		p->places[i].dialing = 0;
	sp_pool_kick(p);
}

void
sp_pool_dialed(struct sp_pool *p, uint32_t id, int fd)
{
	uint32_t origin;
	enum sp_status st;

	if (!forget_dial(p, id, &origin) || p->n == SP_POOL_CONNS) {
		close(fd);
		return;
	}
	watch_time(p);
	p->places[origin].shaking++;		/* taken back by sp_pool_ready() and sp_pool_unready() */
	st = sp_upconn_new(p, origin, fd);
	if (st == SP_OK)
		return;
	p->places[origin].shaking--;
	fail_first(p, origin, st == SP_E_UPSTREAM ? "the trust store cannot be read" :
	    "the connection cannot be set up");
}

void
sp_pool_dial_failed(struct sp_pool *p, uint32_t id, const char *why)
{
	uint32_t origin;

	if (forget_dial(p, id, &origin))
		fail_first(p, origin, why);
}

/* --- the owner */

enum sp_status
sp_pool_submit(struct sp_pool *p, struct sp_pool_job *job)
{
	struct sp_upconn *c;

	if (job->origin >= p->cfg.norigins)
		return SP_E_BUG;
	if (job->lasting && p->nlasting == SP_POOL_LASTING)
		return SP_E_UNAVAILABLE;
	c = take_idle(p, job->origin, job->identity);
	if (c == NULL && p->nwaiting >= SP_POOL_WAITING)
		return SP_E_UNAVAILABLE;
	p->nlasting += job->lasting;
	job->conn = NULL;
	job->next = job->prev = NULL;
	job->waiting = job->sent = job->again = false;
	job->bytes_in = job->bytes_out = 0;
	if (c != NULL) {
		sp_upconn_send(c, job);
		return SP_OK;
	}
	push(p, job, false);
	sp_pool_kick(p);
	return SP_OK;
}

void
sp_pool_cancel(struct sp_pool *p, struct sp_pool_job *job)
{
	struct sp_upconn *c = job->conn;

	if (job->waiting) {
		unlink_job(p, job);
		sp_pool_over(p, job);
		return;
	}
	if (c == NULL)
		return;
	c->job = NULL;
	sp_pool_over(p, job);
	sp_upconn_close(c);
	sp_pool_kick(p);
}

void
sp_pool_retire(struct sp_pool *p)
{
	for (unsigned i = p->n; i-- > 0;) {
		struct sp_upconn *c = p->conns[i];

		if (c->identity == 0)
			continue;
		c->old = true;
		if (c->state == SP_UP_IDLE)
			sp_upconn_close(c);
	}
	sp_pool_kick(p);
}

unsigned
sp_pool_connections(const struct sp_pool *p)
{
	return p->n;
}

static void
free_head(struct sp_pool *p)
{
	if (p->cfg.head == NULL)
		sp_locked_free(p->head);
}

enum sp_status
sp_pool_new(const struct sp_pool_config *cfg, struct sp_pool **out, struct sp_err *e)
{
	struct sp_pool *p = calloc(1, sizeof *p);

	if (p == NULL || cfg->norigins == 0) {
		free(p);
		return sp_fail(e, p == NULL ? SP_E_SYSTEM : SP_E_BUG, NULL, "no memory, or no origin");
	}
	p->cfg = *cfg;
	p->cfg.origins = NULL;
	p->places = calloc(cfg->norigins, sizeof *p->places);
	p->head = cfg->head != NULL ? cfg->head : sp_locked_new(SP_POOL_HEAD);
	p->read = malloc(SP_POOL_READ);
	p->sweep = malloc(sizeof *p->sweep);
	if (p->places == NULL || p->head == NULL || p->read == NULL || p->sweep == NULL ||
	    uv_timer_init(cfg->loop, p->sweep) != 0) {
		free(p->places);
		free_head(p);
		free(p->read);
		free(p->sweep);
		free(p);
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for connections");
	}
	for (uint32_t i = 0; i < cfg->norigins; i++)
		p->places[i].at = cfg->origins[i];
	p->sweep->data = p;
	*out = p;
	return SP_OK;
}

static void
on_timer_closed(uv_handle_t *h)
{
	free(h);
}

void
sp_pool_free(struct sp_pool **pp)
{
	struct sp_pool *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	while (p->n != 0) {
		if (p->conns[0]->job != NULL)
			p->conns[0]->job->conn = NULL;
		p->conns[0]->job = NULL;
		sp_upconn_close(p->conns[0]);
	}
	uv_close((uv_handle_t *)p->sweep, on_timer_closed);
	free_head(p);
	explicit_bzero(p->read, SP_POOL_READ);
	free(p->read);
	free(p->places);
	free(p);
}
