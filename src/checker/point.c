/* A decision point: one POST for each question, over the pool that egresses use; answers are kept only if they say so. */
#include "checker/checker.h"

#include "base/log.h"
#include "checker/document.h"
#include "crypto/crypto.h"
#include "os/role.h"
#include "outbound/pool.h"
#include "wire/uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SWEEP_MS = 50,
	OPEN = 1024,			/* questions under way */
	HELD = 32 << 20,		/* bytes of them */
	KEPT = 1024, WAYS = 8,		/* answers that are kept, in sets of so many */
	QUESTION = 2 << 20		/* escapes make a document longer than the message was */
};

struct job {
	struct sp_pool_job job;		/* first: the pool gives it back */
	struct job *next, *prev;
	struct sp_checker_asker *from;
	uint32_t id;
	uint64_t until_ms;
	uint8_t	 hash[32];		/* of the whole question */
	struct sp_out body;
};

struct kept { uint8_t hash[32]; uint64_t until_ms; struct sp_point_answer a; };

struct sp_point {
	struct sp_point_config cfg;
	const struct sp_img_check *me;
	sp_slice name;
	struct sp_uri to;
	struct sp_pool *pool;
	struct sp_chan *dialer;
	struct job *first;
	uint32_t njobs;
	size_t	 held;
	struct kept *kept;		/* made when the first answer may be kept */
	uv_timer_t *sweep;
	bool	 sweeping;
};

/* ---------------------------------------------------------------- answers that are kept */

static struct kept *
set_of(struct sp_point *p, const uint8_t hash[32])
{
	return &p->kept[((unsigned)hash[0] << 8 | hash[1]) % (KEPT / WAYS) * WAYS];
}

static const struct sp_point_answer *
find_kept(struct sp_point *p, const uint8_t hash[32])
{
	uint64_t now = sp_mono_ms();
	struct kept *k;

	if (p->kept == NULL)
		return NULL;
	k = set_of(p, hash);
	for (unsigned i = 0; i < WAYS; i++)
		if (k[i].until_ms > now && memcmp(k[i].hash, hash, 32) == 0)
			return &k[i].a;
	return NULL;
}

/* In the place of the one that dies first. */
static void
keep(struct sp_point *p, const uint8_t hash[32], const struct sp_point_answer *a)
{
	struct kept *k, *best;

	if (a->max_age_s == 0)
		return;
	if (p->kept == NULL)
		p->kept = calloc(KEPT, sizeof *p->kept);
	if (p->kept == NULL)
		return;
	best = k = set_of(p, hash);
	for (unsigned i = 1; i < WAYS; i++)
		if (k[i].until_ms < best->until_ms)
			best = &k[i];
	memcpy(best->hash, hash, sizeof best->hash);
	best->until_ms = sp_mono_ms() + (uint64_t)a->max_age_s * 1000;
	best->a = *a;
}

/* ---------------------------------------------------------------- ends of a question */

static void
say(struct sp_point *p, struct sp_checker_asker *from, uint32_t id, const struct sp_point_answer *a)
{
	const struct sp_verdict v = { a->verdict, sp_mem(a->text, a->text_n), sp_mem(a->scopes, a->scopes_n) };

	p->cfg.answer(from, id, &v);
}

static void
say_failed(struct sp_point *p, struct sp_checker_asker *from, uint32_t id, const char *why)
{
	const struct sp_verdict v = { .verdict = SP_CHECK_FAILED, .text = sp_sub(sp_str(why), 0, SP_CHECK_TEXT_MAX) };

	p->cfg.answer(from, id, &v);
}

static void
job_free(struct sp_point *p, struct job *j)
{
	*(j->prev == NULL ? &p->first : &j->prev->next) = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
	p->njobs--;
	p->held -= j->body.n;
	sp_out_free(&j->body);
	free(j);
}

/* The answer to this one is that there is none. */
static void
fail(struct sp_point *p, struct job *j, const char *why)
{
	struct sp_checker_asker *from = j->from;
	uint32_t id = j->id;

	job_free(p, j);
	say_failed(p, from, id, why);
}

static void
on_sweep(uv_timer_t *t)
{
	struct sp_point *p = t->data;
	uint64_t now = sp_mono_ms();
	struct job *j, *next;

	for (j = p->first; j != NULL; j = next) {
		next = j->next;
		if (now < j->until_ms)
			continue;
		sp_pool_cancel(p->pool, &j->job);
		fail(p, j, "no answer in time");
	}
	if (p->first == NULL) {
		p->sweeping = false;
		uv_timer_stop(t);
	}
}

/* ---------------------------------------------------------------- the pool's questions */

static struct job *
job_of(struct sp_pool_job *job)
{
	return (struct job *)(void *)job;
}

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	struct sp_point *p = ctx;
	char buf[300];
	struct sp_out origin;
	sp_slice host;

	sp_out_init(&origin, buf, sizeof buf);
	sp_uri_origin(&origin, &p->to);
	host = sp_out_view(&origin);
	(void)sp_take(&host, p->to.https ? SP_LIT("https://") : SP_LIT("http://"));
	sp_out_str(o, "POST ");
	sp_out_slice(o, sp_img_str(p->cfg.img, p->me->path));
	sp_out_str(o, " HTTP/1.1\r\nHost: ");
	sp_out_slice(o, host);
	sp_out_fmt(o, "\r\nUser-Agent: sallyport\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n"
	    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", job->body.n);
	return o->full || origin.full ? SP_E_TOO_BIG : SP_OK;
}

static bool
is_json(sp_slice media)
{
	sp_slice type = media, rest = media;

	(void)sp_take_to(&rest, ';', &type);
	return sp_eq_nocase(sp_trim(type), SP_LIT("application/json"));
}

/* A redirect is no answer either. */
static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *ans)
{
	struct sp_point *p = ctx;
	struct job *j = job_of(job);
	struct sp_point_answer a;
	struct sp_err e = { 0 };
	char why[80];

	if (ans->status != 200) {
		(void)snprintf(why, sizeof why, "it answers with status %u", ans->status);
		fail(p, j, why);
	} else if (!is_json(ans->media)) {
		fail(p, j, "its answer is not application/json");
	} else if (sp_point_read(ans->body, &a, &e) != SP_OK) {
		fail(p, j, e.log);
	} else {
		struct sp_checker_asker *from = j->from;
		uint32_t id = j->id;

		keep(p, j->hash, &a);
		job_free(p, j);
		say(p, from, id, &a);
	}
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status, const char *why)
{
	fail(ctx, job_of(job), why);
}

static bool
on_dial(void *ctx, uint32_t id, uint32_t origin)
{
	struct sp_point *p = ctx;
	struct sp_m_dial m = { id, 0 };
	char buf[16];
	struct sp_out o;

	if (p->dialer == NULL)
		return false;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dial(&o, &m);
	return sp_chan_send(p->dialer, SP_M_DIAL, sp_out_view(&o), NULL, 0) == SP_OK;
}

/* ---------------------------------------------------------------- a question */

static struct job *
job_new(struct sp_point *p, struct sp_out *body)
{
	struct job *j = p->njobs >= OPEN || p->held + body->n > HELD ? NULL : calloc(1, sizeof *j);

	if (j == NULL)
		return NULL;
	j->body = *body;
	*body = (struct sp_out){ 0 };
	p->held += j->body.n;
	p->njobs++;
	j->next = p->first;
	if (j->next != NULL)
		j->next->prev = j;
	p->first = j;
	return j;
}

static void
submit(struct sp_point *p, struct job *j)
{
	if (!p->sweeping) {
		p->sweeping = true;
		uv_timer_start(p->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	}
	/* Asking again changes nothing there: as safe as a GET. */
	j->job = (struct sp_pool_job){ .identity = 1, .safe = true, .body = sp_out_view(&j->body) };
	if (sp_pool_submit(p->pool, &j->job) != SP_OK)
		fail(p, j, "too many questions are waiting");
}

void
sp_point_ask(struct sp_point *p, struct sp_checker_asker *from, const struct sp_m_check *m)
{
	const struct sp_point_answer *known;
	uint64_t now = sp_mono_ms(), until = now + SP_CHECKER_MS;
	uint8_t hash[32];
	struct sp_err e = { 0 };
	struct sp_out body;
	struct job *j;

	sp_out_heap(&body, QUESTION);
	if (sp_point_question(p->name, m, &body, &e) != SP_OK) {
		sp_out_free(&body);
		say_failed(p, from, m->id, e.log);
		return;
	}
	sp_sha256(sp_out_view(&body), hash);
	known = find_kept(p, hash);
	j = known != NULL ? NULL : job_new(p, &body);
	sp_out_free(&body);
	if (known != NULL) {
		say(p, from, m->id, known);
		return;
	}
	if (j == NULL) {
		say_failed(p, from, m->id, "too many questions are waiting");
		return;
	}
	j->from = from;
	j->id = m->id;
	j->until_ms = m->until_ms < until ? m->until_ms : until;
	memcpy(j->hash, hash, sizeof j->hash);
	submit(p, j);
}

void
sp_point_forget(struct sp_point *p, const struct sp_checker_asker *from)
{
	struct job *j, *next;

	for (j = p->first; j != NULL; j = next) {
		next = j->next;
		if (j->from != from)
			continue;
		sp_pool_cancel(p->pool, &j->job);
		job_free(p, j);
	}
}

/* ---------------------------------------------------------------- dialer */

static bool
dialer_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_point *p = ctx;
	struct sp_m_dial_error err;
	struct sp_m_dialed ok;
	char why[160];

	if (type == SP_M_DIALED) {
		if (!sp_dec_dialed(body, &ok)) {
			close(fds[0]);
			return false;
		}
		sp_pool_dialed(p->pool, ok.id, fds[0]);
		return true;
	}
	if (type != SP_M_DIAL_ERROR || !sp_dec_dial_error(body, &err) ||
	    !sp_cstr(sp_sub(err.text, 0, sizeof why - 1), why, sizeof why))
		return false;
	sp_pool_dial_failed(p->pool, err.id, why);
	return true;
}

static void
dialer_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_point *p = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "peer.lost", SP_C("role", "dialer"), SP_C("why", why));
	if (p->dialer == ch)
		sp_chan_free(&p->dialer);
}

enum sp_status
sp_point_dialer(struct sp_point *p, int fd)
{
	static const struct sp_chan_ops ops = { dialer_message, dialer_closed };
	enum sp_status st;

	sp_chan_free(&p->dialer);
	st = sp_chan_new(p->cfg.loop, fd, SP_CHAN_PACKET, SP_CHECKER, SP_DIALER, &ops, p, &p->dialer);
	if (st == SP_OK)
		sp_pool_dialer(p->pool);
	return st;
}

/* ---------------------------------------------------------------- life */

static enum sp_status
pool_new(struct sp_point *p, struct sp_err *e)
{
	static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed, .dial = on_dial };
	const struct sp_pool_origin at = { p->to.https ? p->cfg.tls : NULL, p->to.host, p->to.kind != SP_HOST_NAME };
	struct sp_pool_config cfg = { .loop = p->cfg.loop, .origins = &at, .norigins = 1, .limit_answer = SP_POINT_ANSWER,
	    .ops = &ops, .ctx = p };

	return sp_pool_new(&cfg, &p->pool, e);
}

static void
on_closed(uv_handle_t *h)
{
	free(h);
}

enum sp_status
sp_point_new(const struct sp_point_config *cfg, struct sp_point **out, struct sp_err *e)
{
	const struct sp_img_check *me = SP_IMG_AT(cfg->img, cfg->img->head->checks, check, cfg->index);
	struct sp_point *p;

	if ((me->https != 0) != (cfg->tls != NULL) || me->library.n != 0)
		return sp_fail(e, SP_E_BUG, NULL, "TLS is not as the decision point needs it");
	p = calloc(1, sizeof *p);
	if (p == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	p->cfg = *cfg;
	p->me = me;
	p->name = sp_img_str(cfg->img, me->name);
	p->to = (struct sp_uri){ .https = me->https != 0, .host = sp_img_str(cfg->img, me->host),
	    .kind = (enum sp_host_kind)me->host_kind, .port = (uint16_t)me->port,
	    .has_port = me->port != (me->https != 0 ? 443u : 80u) };
	p->sweep = malloc(sizeof *p->sweep);
	if (p->sweep == NULL || uv_timer_init(cfg->loop, p->sweep) != 0 || pool_new(p, e) != SP_OK) {
		free(p->sweep);
		free(p);
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory for connections");
	}
	p->sweep->data = p;
	*out = p;
	return SP_OK;
}

void
sp_point_free(struct sp_point **pp)
{
	struct sp_point *p = *pp;

	if (p == NULL)
		return;
	*pp = NULL;
	sp_chan_free(&p->dialer);
	sp_pool_free(&p->pool);
	while (p->first != NULL)
		job_free(p, p->first);
	uv_close((uv_handle_t *)p->sweep, on_closed);
	free(p->kept);
	free(p);
}
