#include "check/asker.h"

#include "base/log.h"
#include "base/utf8.h"
#include "os/role.h"

#include <stdlib.h>
#include <unistd.h>

enum { SWEEP_MS = 100, LISTS = 98304 };

enum state { UNSENT, SENT, ANSWERED };

/* One question to one check. */
struct question {
	struct sp_inquiry *of;
	struct question *next, *prev;	/* of the same check, while it is not answered */
	uint32_t id, check;
	enum state state;
	struct sp_out body;		/* UNSENT: the message */
	char	 text[SP_CHECK_TEXT_MAX + 1], scopes[SP_CHECK_SCOPES_MAX + 1];
};

struct sp_inquiry {
	struct sp_asker *asker;		/* NULL: it is gone */
	struct sp_inquiry *next, *prev;
	uint64_t until_ms;
	void	(*done)(void *ctx);
	void	*ctx;
	bool	 told;
	uint32_t n, left;
	struct sp_check_said *said;
	struct question v[];
};

/* The process of one check. */
struct link {
	struct sp_asker *asker;
	struct sp_chan *ch;		/* NULL: not there (yet, or again) */
	struct question *open;
	uint32_t nopen;
};

struct sp_asker {
	struct sp_asker_config cfg;
	uint32_t next_id;
	struct sp_inquiry *first;
	char	*room;			/* for the lists of a question */
	uv_timer_t *sweep;
	bool	 sweeping;
	struct link links[];
};

/* ---------------------------------------------------------------- answers */

static struct link *
link_of(const struct question *q)
{
	return &q->of->asker->links[q->check];
}

static void
take_out(struct question *q)
{
	struct link *l = link_of(q);

	*(q->prev == NULL ? &l->open : &q->prev->next) = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	l->nopen--;
	sp_out_free(&q->body);
}

static struct sp_check_said *
said_of(const struct question *q)
{
	return &q->of->said[q - q->of->v];
}

static void
conclude(struct question *q, enum sp_check_verdict verdict, sp_slice text, sp_slice scopes)
{
	struct sp_check_said *s = said_of(q);
	sp_slice t = sp_sub(text, 0, SP_CHECK_TEXT_MAX), c = sp_sub(scopes, 0, SP_CHECK_SCOPES_MAX);

	if (q->state != ANSWERED && (q->next != NULL || q->prev != NULL || link_of(q)->open == q))
		take_out(q);
	q->state = ANSWERED;
	memcpy(q->text, t.n == 0 ? "" : t.p, t.n);
	memcpy(q->scopes, c.n == 0 ? "" : c.p, c.n);
	*s = (struct sp_check_said){ q->check, verdict, sp_mem(q->text, t.n), sp_mem(q->scopes, c.n) };
	q->of->left--;
}

static void
fail(struct question *q, const char *why)
{
	conclude(q, SP_CHECK_FAILED, sp_str(why), (sp_slice){ NULL, 0 });
}

/* The inquiry may be gone after this. */
static void
tell(struct sp_inquiry *i)
{
	if (i->left != 0 || i->told)
		return;
	i->told = true;
	i->done(i->ctx);
}

/* The next that is complete and has not been told: done() may free it, and others. */
static void
tell_all(struct sp_asker *a)
{
	struct sp_inquiry *i = a->first;

	while (i != NULL) {
		if (i->left == 0 && !i->told) {
			tell(i);
			i = a->first;
		} else {
			i = i->next;
		}
	}
}

static bool
has_open(const struct sp_asker *a)
{
	for (const struct sp_inquiry *i = a->first; i != NULL; i = i->next)
		if (!i->told)
			return true;
	return false;
}

static void
on_sweep(uv_timer_t *t)
{
	struct sp_asker *a = t->data;
	uint64_t now = sp_mono_ms();

	for (struct sp_inquiry *i = a->first; i != NULL; i = i->next)
		for (uint32_t k = 0; i->left != 0 && now >= i->until_ms && k < i->n; k++)
			if (i->v[k].state != ANSWERED)
				fail(&i->v[k], i->v[k].state == SENT ? "no answer in time" : "its process is not running");
	tell_all(a);
	if (has_open(a))
		return;
	a->sweeping = false;
	uv_timer_stop(t);
}

static void
need_sweep(struct sp_asker *a, uint64_t in_ms)
{
	if (a->sweeping && in_ms != 0)
		return;
	a->sweeping = true;
	uv_timer_start(a->sweep, on_sweep, in_ms, SWEEP_MS);
}

/* What a plug-in or a decision point wrote has been read by its own process; that process is believed in nothing. */
static bool
is_sound(const struct sp_m_checked *m)
{
	sp_slice text = m->text;
	uint32_t cp;

	while (text.n != 0)
		if (!sp_utf8_take(&text, &cp) || cp < 0x20 || cp == 0x7f)
			return false;
	if ((m->verdict == SP_CHECK_SHORT) != (m->scopes.n != 0) || (m->scopes.n != 0 && !sp_scope_list_ok(m->scopes)))
		return false;
	return m->verdict != SP_CHECK_REFUSED || m->text.n != 0;
}

static bool
on_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct link *l = ctx;
	struct question *q = l->open;
	struct sp_inquiry *i;
	struct sp_m_checked m;

	if (type != SP_M_CHECKED || !sp_dec_checked(body, &m) || !is_sound(&m))
		return false;
	while (q != NULL && (q->id != m.id || q->state != SENT))
		q = q->next;
	if (q == NULL)
		return true;		/* nobody waits for it any more */
	i = q->of;
	conclude(q, (enum sp_check_verdict)m.verdict, m.text, m.scopes);
	tell(i);
	return true;
}

/* E11: a process that crashes or hangs answers none of what it was asked. */
static void
lose(struct link *l)
{
	struct question *q, *next;

	for (q = l->open; q != NULL; q = next) {
		next = q->next;
		if (q->state == SENT)
			fail(q, "its process ended");
	}
	need_sweep(l->asker, 0);
}

static void
on_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct link *l = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "checker"), SP_C("why", why));
	if (l->ch == ch)
		sp_chan_free(&l->ch);
	lose(l);
}

/* ---------------------------------------------------------------- questions */

static void
send_it(struct link *l, struct question *q, sp_slice body)
{
	sp_out_slice(sp_chan_begin(l->ch, SP_M_CHECK), body);
	sp_chan_end(l->ch);
	q->state = SENT;
	sp_out_free(&q->body);
}

/* False: something of it is larger than a question may be. */
static bool
write_it(struct question *q, const struct sp_m_check *m)
{
	struct sp_m_check read;

	sp_out_heap(&q->body, sp_msgrule(SP_M_CHECK)->max);
	sp_enc_check(&q->body, m);
	if (!q->body.full && sp_dec_check(sp_out_view(&q->body), &read))
		return true;
	sp_out_free(&q->body);
	return false;
}

static void
begin(struct sp_asker *a, struct question *q, struct sp_m_check *m, bool fits)
{
	struct link *l = &a->links[q->check];

	if (l->nopen >= SP_CHECK_OPEN || (l->ch != NULL && sp_chan_pending(l->ch) > SP_CHECK_UNREAD)) {
		fail(q, "too many questions are open");
		return;
	}
	m->id = q->id = ++a->next_id;
	if (!fits || !write_it(q, m)) {
		fail(q, "the question is too large: arguments of more than 256 kB are shown to no check");
		return;
	}
	q->next = l->open;
	if (q->next != NULL)
		q->next->prev = q;
	l->open = q;
	l->nopen++;
	if (l->ch != NULL)
		send_it(l, q, sp_out_view(&q->body));
}

static struct sp_inquiry *
inquiry_new(struct sp_asker *a, uint64_t checks)
{
	uint32_t n = (uint32_t)__builtin_popcountll(checks), at = 0;
	struct sp_inquiry *i = calloc(1, sizeof *i + n * sizeof i->v[0]);

	if (i == NULL)
		return NULL;
	i->said = calloc(n + 1u, sizeof *i->said);
	if (i->said == NULL) {
		free(i);
		return NULL;
	}
	i->asker = a;
	i->n = i->left = n;
	i->until_ms = sp_mono_ms() + SP_CHECK_MS;
	for (uint32_t k = 0; k < a->cfg.img->head->checks.n && at < n; k++)
		if ((checks >> k & 1) != 0)
			i->v[at++] = (struct question){ .of = i, .check = k };
	i->next = a->first;
	if (i->next != NULL)
		i->next->prev = i;
	a->first = i;
	return i;
}

enum sp_status
sp_ask_checks(struct sp_asker *a, const struct sp_check_question *q, uint64_t checks, void (*done)(void *ctx), void *ctx,
    struct sp_inquiry **out)
{
	struct sp_out lists;
	struct sp_inquiry *i;
	struct sp_m_check m;
	bool fits;

	if ((checks & ~(a->cfg.img->head->checks.n == 64 ? UINT64_MAX : (UINT64_C(1) << a->cfg.img->head->checks.n) - 1)) != 0)
		return SP_E_BUG;
	i = inquiry_new(a, checks);
	if (i == NULL)
		return SP_E_FULL;
	sp_out_init(&lists, a->room, LISTS);
	fits = sp_check_question_write(a->cfg.img, q, &lists, &m);
	m.until_ms = i->until_ms;
	i->done = done;
	i->ctx = ctx;
	for (uint32_t k = 0; k < i->n; k++)
		begin(a, &i->v[k], &m, fits);
	need_sweep(a, i->left == 0 ? 0 : SWEEP_MS);
	*out = i;
	return SP_OK;
}

const struct sp_check_said *
sp_inquiry_said(const struct sp_inquiry *i, uint32_t *n)
{
	*n = i->left == 0 ? i->n : 0;
	return i->said;
}

static void
forget(struct sp_inquiry *i)
{
	struct sp_asker *a = i->asker;

	for (uint32_t k = 0; k < i->n; k++)
		if (i->v[k].state != ANSWERED)
			take_out(&i->v[k]);
	*(i->prev == NULL ? &a->first : &i->prev->next) = i->next;
	if (i->next != NULL)
		i->next->prev = i->prev;
	i->asker = NULL;
}

void
sp_inquiry_free(struct sp_inquiry **ip)
{
	struct sp_inquiry *i = *ip;

	if (i == NULL)
		return;
	*ip = NULL;
	if (i->asker != NULL)
		forget(i);
	free(i->said);
	free(i);
}

/* ---------------------------------------------------------------- life */

enum sp_status
sp_asker_peer(struct sp_asker *a, uint32_t check, int fd)
{
	static const struct sp_chan_ops ops = { on_message, on_closed };
	struct question *q, *next;
	enum sp_status st;
	struct link *l;

	if (check >= a->cfg.img->head->checks.n) {
		close(fd);
		return SP_E_BUG;
	}
	l = &a->links[check];
	if (l->ch != NULL) {
		sp_chan_free(&l->ch);
		lose(l);
	}
	st = sp_chan_new(a->cfg.loop, fd, SP_CHAN_STREAM, a->cfg.me, SP_CHECKER, &ops, l, &l->ch);
	for (q = l->open; st == SP_OK && q != NULL; q = next) {
		next = q->next;
		if (q->state == UNSENT)
			send_it(l, q, sp_out_view(&q->body));
	}
	return st;
}

enum sp_status
sp_asker_new(const struct sp_asker_config *cfg, struct sp_asker **out)
{
	struct sp_asker *a = calloc(1, sizeof *a + cfg->img->head->checks.n * sizeof a->links[0]);

	if (a == NULL)
		return SP_E_FULL;
	a->cfg = *cfg;
	a->sweep = malloc(sizeof *a->sweep);
	a->room = malloc(LISTS);
	if (a->sweep == NULL || a->room == NULL || uv_timer_init(cfg->loop, a->sweep) != 0) {
		free(a->room);
		free(a->sweep);
		free(a);
		return SP_E_FULL;
	}
	a->sweep->data = a;
	for (uint32_t i = 0; i < cfg->img->head->checks.n; i++)
		a->links[i].asker = a;
	*out = a;
	return SP_OK;
}

static void
on_timer_closed(uv_handle_t *h)
{
	free(h);
}

void
sp_asker_free(struct sp_asker **ap)
{
	struct sp_asker *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	while (a->first != NULL)
		forget(a->first);
	for (uint32_t i = 0; i < a->cfg.img->head->checks.n; i++)
		if (a->links[i].ch != NULL)
			sp_chan_free(&a->links[i].ch);
	uv_close((uv_handle_t *)a->sweep, on_timer_closed);
	free(a->room);
	free(a);
}
