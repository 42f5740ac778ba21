#include "lib/fetch.h"

#include "outbound/dialhost.h"
#include "outbound/direct.h"
#include "vault/secret.h"
#include "wire/http1.h"

#include <stdlib.h>

enum { PLACES = 32, TASKS = 256, HOST_MAX = 256, ANSWER_MAX = 1 << 20, TICK_MS = 50, TIMEOUT_MAX_MS = 60000 };

/* One origin, as the operator's or as a document's: what may be connected to differs. */
struct place {
	struct place *next;
	struct sp_lib_fetch *o;
	struct sp_uri origin;
	char	 host[HOST_MAX];
	bool	 learned;
	unsigned busy;			/* tasks that are here */
	uint32_t alone;			/* the last identity of requests that share with none */
	struct sp_direct *direct;	/* made when it is first used */
};

struct task {
	struct sp_pool_job job;
	struct sp_fetch *f;
	struct place *place;
	struct sp_uri to;
	struct task *next, *prev;
	uint64_t deadline_ms;
	bool	 submitted, post;
};

/* Outlives its owner until the loop has let go of it. */
struct clock { uv_timer_t timer; struct sp_lib_fetch *o; };

struct sp_lib_fetch {
	struct sp_fetcher face;
	uv_loop_t *loop;
	struct clock *clock;
	void	*head;			/* locked, for all pools */
	struct sp_tls_context *tls;
	struct place *places;
	unsigned nplaces, ntasks;
	struct task *first;
};

/* Identities of the asker are even, those of requests by themselves odd. */
static uint32_t
identity(struct place *p, const struct sp_fetch *f)
{
	if (f->identity != 0 && f->identity < UINT32_MAX / 2)
		return f->identity * 2;
	p->alone += 2;
	return p->alone | 1;
}

/* ---- ends */

static void
task_drop(struct task *t)
{
	struct sp_lib_fetch *o = t->place->o;

	*(t->prev == NULL ? &o->first : &t->prev->next) = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	t->place->busy--;
	o->ntasks--;
	t->f->hidden = NULL;
	free(t);
}

static void
task_end(struct task *t, unsigned status, sp_slice body)
{
	struct sp_fetch *f = t->f;
	struct place *p = t->place;

	p->busy++;			/* its pool is further up: done() may begin something, and nothing may make room of it */
	task_drop(t);
	f->done(f->ctx, status, body);
	p->busy--;
}

static void
task_fail(struct task *t)
{
	task_end(t, 0, (sp_slice){ NULL, 0 });
}

static void
withdraw(struct task *t)
{
	if (t->submitted)
		sp_pool_cancel(sp_direct_pool(t->place->direct), &t->job);
}

/* ---- the pool's questions */

static struct task *
task_of(struct sp_pool_job *job)
{
	return (struct task *)(void *)job;	/* its first member */
}

static bool
is_clean(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (sp_is_ctl((unsigned char)s.p[i]))
			return false;
	return true;
}

static void
put_line(struct sp_out *o, const char *name, sp_slice value)
{
	if (value.n == 0)
		return;
	sp_out_str(o, name);
	sp_out_slice(o, value);
	sp_out_str(o, "\r\n");
}

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	const struct task *t = task_of(job);
	const struct sp_fetch *f = t->f;

	sp_out_slice(o, f->method);
	sp_out_byte(o, ' ');
	if (t->to.path.n == 0)
		sp_out_byte(o, '/');
	sp_out_slice(o, t->to.path);
	sp_out_str(o, t->to.has_query ? "?" : "");
	sp_out_slice(o, t->to.query);
	sp_out_str(o, " HTTP/1.1\r\n");
	put_line(o, "Host: ", t->to.authority);
	put_line(o, "User-Agent: ", SP_LIT("sallyport"));
	put_line(o, "Accept-Encoding: ", SP_LIT("identity"));
	put_line(o, "Accept: ", SP_LIT("application/json, application/jwk-set+json"));
	put_line(o, "Authorization: ", f->authorization);
	put_line(o, "Content-Type: ", f->content_type);
	if (t->post) {
		sp_out_str(o, "Content-Length: ");
		sp_out_u64(o, f->body.n);
		sp_out_str(o, "\r\n");
	}
	sp_out_str(o, "\r\n");
	return o->full ? SP_E_TOO_BIG : SP_OK;
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	task_end(task_of(job), a->status, a->body);
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status, const char *why)
{
	task_fail(task_of(job));
}

/* ---- places */

static bool
is_place(const struct place *p, const struct sp_uri *to, bool learned)
{
	return p->learned == learned && sp_uri_same_origin(&p->origin, to);
}

static void
place_free(struct place *p)
{
	sp_direct_free(&p->direct);
	free(p);
}

/* Nothing is under way there. */
static bool
forget_one(struct sp_lib_fetch *o)
{
	for (struct place **at = &o->places; *at != NULL; at = &(*at)->next) {
		struct place *p = *at;

		if (p->busy != 0)
			continue;
		*at = p->next;
		o->nplaces--;
		place_free(p);
		return true;
	}
	return false;
}

static struct place *
place_for(struct sp_lib_fetch *o, const struct sp_uri *to, bool learned)
{
	struct place *p = o->places;

	while (p != NULL && !is_place(p, to, learned))
		p = p->next;
	if (p != NULL)
		return p;
	if (o->nplaces == PLACES && !forget_one(o))
		return NULL;
	p = calloc(1, sizeof *p);
	if (p == NULL || !sp_cstr(to->host, p->host, sizeof p->host)) {
		free(p);
		return NULL;
	}
	p->o = o;
	p->learned = learned;
	p->origin = (struct sp_uri){ .https = to->https, .host = sp_str(p->host), .kind = to->kind, .port = to->port };
	p->next = o->places;
	o->places = p;
	o->nplaces++;
	return p;
}

static struct sp_pool *
pool_of(struct place *p)
{
	static const struct sp_pool_ops ops = { .head = on_head, .answer = on_answer, .failed = on_failed };
	const struct sp_direct_origin at = { sp_str(p->host), p->origin.kind, p->origin.port, p->origin.https, !p->learned };
	const struct sp_direct_config cfg = { .loop = p->o->loop, .origins = &at, .norigins = 1, .limit_answer = ANSWER_MAX,
	    .head = p->o->head, .tls = &p->o->tls, .ops = &ops, .ctx = p, .name = sp_str(p->host) };

	if (p->direct == NULL && sp_direct_new(&cfg, &p->direct, NULL) != SP_OK)
		return NULL;
	return sp_direct_pool(p->direct);
}

/* ---- time: requests begin and end in turns of their own */

static void
submit(struct task *t)
{
	struct sp_pool *pool = pool_of(t->place);

	t->submitted = true;
	if (pool != NULL && sp_pool_submit(pool, &t->job) == SP_OK)
		return;			/* it may be over by now */
	t->submitted = false;
	task_fail(t);
}

/* The first that waits for its turn, or is late; asked again after each, since done() may change everything. */
static struct task *
next_due(struct sp_lib_fetch *o, uint64_t now)
{
	struct task *t = o->first;

	while (t != NULL && t->submitted && now < t->deadline_ms)
		t = t->next;
	return t;
}

static void
on_time(uv_timer_t *timer)
{
	struct clock *c = timer->data;
	struct task *t;

	if (c->o == NULL)
		return;
	/* As many as there can be: one that is begun again and again waits for the next turn. */
	for (unsigned i = 0; i < 2 * TASKS && (t = next_due(c->o, uv_now(timer->loop))) != NULL; i++) {
		if (!t->submitted) {
			submit(t);
			continue;
		}
		withdraw(t);
		task_fail(t);
	}
	if (c->o->first == NULL)
		uv_timer_stop(timer);
}

/* ---- the face */

static bool
may_go(const struct sp_fetch *f, const struct sp_uri *to)
{
	static const struct sp_dialhost_own nobody = { .host = { NULL, 0 } };
	struct sp_dialhost how;

	if (to->has_fragment || !is_clean(f->authorization) || !is_clean(f->content_type) || !is_clean(to->authority))
		return false;
	if (f->learned)
		return to->https && sp_dialhost_judge(&nobody, to->host, to->port, true, &how) == NULL;
	return to->https || sp_host_is_loopback(to->host, to->kind);
}

static bool
start(void *ctx, struct sp_fetch *f)
{
	struct sp_lib_fetch *o = ctx;
	struct sp_uri to;
	struct place *p;
	struct task *t;
	bool get = sp_eq(f->method, SP_LIT("GET"));

	f->hidden = NULL;
	if (o->ntasks == TASKS || (!get && !sp_eq(f->method, SP_LIT("POST"))) || sp_uri_read(f->url, &to, NULL) != SP_OK ||
	    !may_go(f, &to))
		return false;
	p = place_for(o, &to, f->learned);
	t = p == NULL ? NULL : calloc(1, sizeof *t);
	if (t == NULL)
		return false;
	/* RFC 7662 section 2.1: asking about a token changes nothing, so a question may be sent again like a GET. */
	*t = (struct task){ .f = f, .place = p, .to = to, .next = o->first, .post = !get,
	    .job = { .identity = identity(p, f), .safe = true, .body = get ? (sp_slice){ NULL, 0 } : f->body,
	    .limit = f->max_answer < ANSWER_MAX ? f->max_answer : ANSWER_MAX },
	    .deadline_ms = uv_now(o->loop) + (f->timeout_ms < TIMEOUT_MAX_MS ? f->timeout_ms : TIMEOUT_MAX_MS) };
	if (t->next != NULL)
		t->next->prev = t;
	o->first = t;
	o->ntasks++;
	p->busy++;
	f->hidden = t;
	uv_timer_start(&o->clock->timer, on_time, 0, TICK_MS);
	return true;
}

static void
cancel(void *ctx, struct sp_fetch *f)
{
	struct task *t = f->hidden;

	if (t == NULL)
		return;
	withdraw(t);
	task_drop(t);
}

/* ---- life */

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

enum sp_status
sp_lib_fetch_new(uv_loop_t *loop, struct sp_lib_fetch **out, struct sp_err *e)
{
	enum sp_status st = sp_secret_hold(e);
	struct sp_lib_fetch *o;

	if (st != SP_OK)
		return st;
	o = calloc(1, sizeof *o);
	if (o != NULL) {
		o->head = sp_locked_new(SP_POOL_HEAD);
		o->clock = calloc(1, sizeof *o->clock);
	}
	if (o == NULL || o->head == NULL || o->clock == NULL || uv_timer_init(loop, &o->clock->timer) != 0) {
		if (o != NULL) {
			sp_locked_free(o->head);
			free(o->clock);
		}
		free(o);
		sp_secret_drop();
		return sp_fail(e, SP_E_SYSTEM, NULL, "no (locked) memory for requests to authorities");
	}
	o->clock->timer.data = o->clock;
	o->clock->o = o;
	o->loop = loop;
	o->face = (struct sp_fetcher){ start, cancel, o };
	*out = o;
	return SP_OK;
}

const struct sp_fetcher *
sp_lib_fetcher(struct sp_lib_fetch *f)
{
	return &f->face;
}

void
sp_lib_fetch_free(struct sp_lib_fetch **fp)
{
	struct sp_lib_fetch *o = *fp;

	if (o == NULL)
		return;
	*fp = NULL;
	while (o->first != NULL) {
		withdraw(o->first);
		task_drop(o->first);
	}
	while (o->places != NULL) {
		struct place *p = o->places;

		o->places = p->next;
		place_free(p);
	}
	sp_tls_context_free(&o->tls);
	sp_locked_free(o->head);
	o->clock->o = NULL;
	uv_close((uv_handle_t *)&o->clock->timer, on_closed);
	free(o);
	sp_secret_drop();
}
