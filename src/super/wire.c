/* Who has a channel to whom.  A process that starts is connected to all that live then. */
#include "super/super_int.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RELINK_MS = 1000, RELINKS_MAX = 1024 };

static const struct { enum sp_role a, b; int type; } pairs[] = {
	{ SP_FRONT, SP_EGRESS, SOCK_STREAM },
	{ SP_KEEPER, SP_FRONT, SOCK_STREAM },
	{ SP_KEEPER, SP_EGRESS, SOCK_STREAM },
	{ SP_KEEPER, SP_MANAGE, SOCK_STREAM },
	{ SP_EGRESS, SP_DIALER, SOCK_SEQPACKET },
	{ SP_DIALER, SP_MANAGE, SOCK_SEQPACKET },
	{ SP_KEEPER, SP_SPAWNER, SOCK_SEQPACKET },
	{ SP_CHECKER, SP_FRONT, SOCK_STREAM },
	{ SP_CHECKER, SP_EGRESS, SOCK_STREAM },
	{ SP_CHECKER, SP_DIALER, SOCK_SEQPACKET },	/* of a decision point */
	{ SP_KEEPER, SP_FRONT, SOCK_SEQPACKET },	/* accepted connections, whose peer keeper tells */
};

static bool
has_peers(const struct sp_image *img)
{
	for (uint32_t i = 0; i < img->head->sources.n; i++)
		if (SP_IMG_AT(img, img->head->sources, source, i)->type == SP_SOURCE_PEER)
			return true;
	return false;
}

/* An authority's: only keeper and dialer talk to it. */
static bool
is_authority(const struct sp_proc *p)
{
	return p->role == SP_EGRESS && p->index >= p->gen->img.head->servers.n;
}

/* A check is asked by fronts and by the egresses of servers; a plug-in needs no dialer. */
static bool
asks_check(const struct sp_proc *check, const struct sp_proc *other)
{
	if (other->role == SP_DIALER)
		return check->gen->libraries[check->index] < 0;
	return !is_authority(other);
}

/* The kinds of socket between two, by row of `pairs`.  Generations do not speak to each other; keeper speaks to all. */
static bool
is_paired(size_t row, const struct sp_proc *p, const struct sp_proc *q)
{
	const struct sp_proc *front = p->role == SP_FRONT ? p : q;

	if (p->gen != NULL && q->gen != NULL && p->gen != q->gen)
		return false;
	if (!(pairs[row].a == p->role && pairs[row].b == q->role) && !(pairs[row].a == q->role && pairs[row].b == p->role))
		return false;
	if (pairs[row].a == SP_CHECKER)
		return p->role == SP_CHECKER ? asks_check(p, q) : asks_check(q, p);
	if (front->role != SP_FRONT)
		return true;
	if (pairs[row].type == SOCK_SEQPACKET)
		return has_peers(&front->gen->img);
	return !is_authority(p) && !is_authority(q);
}

static bool
are_paired(const struct sp_proc *p, const struct sp_proc *q)
{
	for (size_t i = 0; i < SP_COUNT(pairs); i++)
		if (is_paired(i, p, q))
			return true;
	return false;
}

static bool
lives(const struct sp_proc *p)
{
	return p->ch != NULL && (p->state == SP_STARTING || p->state == SP_UP);
}

static void
tell(struct sp_proc *p, const struct sp_proc *about, int fd)
{
	struct sp_m_peer who;
	char buf[16];
	struct sp_out o;

	sp_proc_who(about, &who);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_peer(&o, &who);
	(void)!sp_proc_says(p, SP_M_PEER, sp_out_view(&o), &fd, 1);
}

static void
join(struct sp_proc *p, struct sp_proc *q, int type)
{
	int ends[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
		sp_log(SP_ERROR, "role.not_wired", SP_C("process", sp_role_name(p->role)),
		    SP_C("peer", sp_role_name(q->role)), SP_C("why", strerror(errno)));
		/* The one that is new is started again, later, when there may be descriptors. */
		sp_proc_kill(p);
		return;
	}
	tell(p, q, ends[0]);
	tell(q, p, ends[1]);
	close(ends[0]);
	close(ends[1]);
}

/* Which of two channels is which, its ends can see by the type of the socket. */
static void
connect_two(struct sp_proc *p, struct sp_proc *q)
{
	for (size_t i = 0; i < SP_COUNT(pairs); i++)
		if (is_paired(i, p, q) && lives(p) && lives(q))
			join(p, q, pairs[i].type);
}

static void
tell_generation(struct sp_super *s, const struct sp_gen *g)
{
	char buf[8];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_enc_gen(&o, &(struct sp_m_gen){ g->number });
	(void)!sp_proc_says(&s->keeper, SP_M_GENERATION, sp_out_view(&o), &g->image_fd, 1);
}

/* BOOT brought the oldest; the one that is named last counts as the newest. */
static void
tell_generations(struct sp_super *s)
{
	uint32_t last = sp_gen_oldest(s)->number;

	for (;;) {
		const struct sp_gen *next = NULL;

		for (const struct sp_gen *g = s->gens; g != NULL; g = g->next)
			if (g->number > last && (next == NULL || g->number < next->number))
				next = g;
		if (next == NULL)
			return;
		tell_generation(s, next);
		last = next->number;
	}
}

void
sp_wire_generation(struct sp_super *s, const struct sp_gen *g)
{
	if (lives(&s->keeper))
		tell_generation(s, g);
}

/* keeper is new: everything that its predecessor knew. */
static void
tell_keeper(struct sp_super *s)
{
	tell_generations(s);
	sp_rings_tell(s);
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		sp_secrets_send(s, &g->img);
	sp_unlock_send(s, &s->gens->img);
}

static void
tell_ring(struct sp_proc *p)
{
	struct sp_m_peer who;
	char buf[16];
	struct sp_out o;

	if (p->ring < 0 || !lives(&p->s->keeper))
		return;
	sp_proc_who(p, &who);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_peer(&o, &who);
	(void)!sp_proc_says(&p->s->keeper, SP_M_RING, sp_out_view(&o), &p->ring, 1);
}

void
sp_wire_all(struct sp_proc *p)
{
	struct sp_super *s = p->s;

	if (p == &s->keeper)
		tell_keeper(s);
	else
		tell_ring(p);
	connect_two(p, &s->keeper);
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			if (&g->procs[i] != p)
				connect_two(p, &g->procs[i]);
}

static void
tell_gone(struct sp_proc *p, const struct sp_proc *dead)
{
	struct sp_m_peer who;
	char buf[16];
	struct sp_out o;

	if (!lives(p) && p->state != SP_LEAVING)
		return;
	sp_proc_who(dead, &who);
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_peer(&o, &who);
	(void)!sp_proc_says(p, SP_M_GONE, sp_out_view(&o), NULL, 0);
}

void
sp_wire_gone(struct sp_proc *p)
{
	if (p->role == SP_KEEPER)
		return;			/* its channels say so */
	tell_gone(&p->s->keeper, p);
	if (p->role != SP_EGRESS || is_authority(p))
		return;
	for (uint32_t i = 0; i < p->gen->nfronts; i++)
		tell_gone(&p->gen->procs[i], p);
}

/* ---------------------------------------------------------------- lost channels */

static struct sp_proc *
by_incarnation(struct sp_super *s, uint32_t n)
{
	if (s->keeper.incarnation == n)
		return &s->keeper;
	for (struct sp_gen *g = s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; i < g->nprocs; i++)
			if (g->procs[i].incarnation == n)
				return &g->procs[i];
	return NULL;
}

static void
on_relink_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
drop(struct sp_relink *r)
{
	for (struct sp_relink **at = &r->s->relinks; *at != NULL; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			break;
		}
	uv_close((uv_handle_t *)&r->timer, on_relink_closed);
}

static void
on_relink(uv_timer_t *t)
{
	struct sp_relink *r = t->data;
	struct sp_proc *p = by_incarnation(r->s, r->a), *q = by_incarnation(r->s, r->b);

	if (p != NULL && q != NULL && r->s->phase != SP_STOPPING)
		connect_two(p, q);
	drop(r);
}

static struct sp_proc *
counterpart(struct sp_proc *p, const struct sp_m_peer *other)
{
	if (other->role == SP_KEEPER)
		return &p->s->keeper;
	for (struct sp_gen *g = p->s->gens; g != NULL; g = g->next)
		for (uint32_t i = 0; g->number == other->generation && i < g->nprocs; i++)
			if (g->procs[i].role == (enum sp_role)other->role && g->procs[i].index == other->index)
				return &g->procs[i];
	return NULL;
}

/* A role says that a channel is lost.  Believed as far as it harms nobody: both get a new one, not at once. */
void
sp_wire_again(struct sp_proc *p, const struct sp_m_peer *other)
{
	struct sp_super *s = p->s;
	struct sp_proc *q = counterpart(p, other);
	struct sp_relink *r;
	uint32_t n = 0;

	if (q == NULL || !are_paired(p, q) || !lives(p) || !lives(q))
		return;
	for (r = s->relinks; r != NULL; r = r->next, n++)
		if ((r->a == p->incarnation && r->b == q->incarnation) ||
		    (r->b == p->incarnation && r->a == q->incarnation))
			return;
	r = n >= RELINKS_MAX ? NULL : calloc(1, sizeof *r);
	if (r == NULL)
		return;
	r->s = s;
	r->a = p->incarnation;
	r->b = q->incarnation;
	r->next = s->relinks;
	s->relinks = r;
	uv_timer_init(&s->loop, &r->timer);
	r->timer.data = r;
	uv_timer_start(&r->timer, on_relink, RELINK_MS, 0);
}

void
sp_wire_forget(struct sp_super *s)
{
	while (s->relinks != NULL)
		drop(s->relinks);
}
