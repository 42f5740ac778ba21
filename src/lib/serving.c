#include "lib/serving.h"

#include "lib/fetch.h"
#include "oauth/prm.h"
#include "os/role.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SOON_MS = 50, TURNS_MAX = 1000, URL_MAX = 4096, METADATA_MAX = 1 << 18, SPARE_JOBS = 64 };

bool
sp_lib_fail(struct sp_error *error, enum sp_rc rc, const char *format, ...)
{
	va_list ap;

	if (error == NULL)
		return false;
	error->rc = rc;
	va_start(ap, format);
	(void)vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return false;
}

/* ---------------------------------------------------------------- the engine's host */

static bool
run_in_worker(void *ctx, void (*job)(void *arg), void *arg)
{
	struct sp_serving *s = ctx;

	return sp_workers_run(s->workers, job, arg);
}

static bool
run_at_once(void *ctx, void (*job)(void *arg), void *arg)
{
	job(arg);
	return true;
}

static void
wake(void *ctx)
{
	struct sp_serving *s = ctx;

	pthread_mutex_lock(&s->lock);
	s->woken = true;
	if (s->awake)
		uv_async_send(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

/* Handlers may ask on their threads; the loop's own clock is for its thread only. */
static uint64_t
now_ms(void *ctx)
{
	const struct sp_serving *s = ctx;

	return s->loop == NULL ? s->now.now_ms : sp_mono_ms();
}

static int64_t
now_s(void *ctx)
{
	const struct sp_serving *s = ctx;

	return s->loop == NULL ? s->now.now_s : sp_now_s();
}

/* ---------------------------------------------------------------- in and out of the engine */

/* What ended while the engine was at work is told to it now, and freed. */
static void
settle(struct sp_serving *s)
{
	while (s->ended != NULL) {
		struct sp_served *v = s->ended;

		s->ended = v->next;
		if (v->begun && !v->answered && !v->gone) {
			v->gone = true;
			s->depth++;
			sp_server_gone(s->server, &v->x);
			s->depth--;
		}
		v->free(v);
	}
}

static bool
was_woken(struct sp_serving *s)
{
	bool woken;

	pthread_mutex_lock(&s->lock);
	woken = s->woken;
	s->woken = false;
	pthread_mutex_unlock(&s->lock);
	return woken;
}

static void
turn(struct sp_serving *s)
{
	for (unsigned i = 0; i < TURNS_MAX && was_woken(s); i++) {
		s->depth++;
		sp_server_turn(s->server);
		s->depth--;
		settle(s);
	}
}

static void on_timer(uv_timer_t *t);

static void
come_back(struct sp_serving *s, uint64_t in_ms)
{
	uint64_t due = uv_now(s->loop) + in_ms;

	if (!s->awake || due >= s->due_ms)
		return;
	s->due_ms = due;
	uv_timer_start(&s->timer, on_timer, in_ms, 0);
}

/* Whatever was done may have set a new time-out: soon the engine is asked. */
static void
leave_engine(struct sp_serving *s)
{
	if (--s->depth != 0)
		return;
	settle(s);
	if (s->loop == NULL)
		turn(s);
	else
		come_back(s, SOON_MS);
}

uint64_t
sp_serving_tick(struct sp_serving *s)
{
	uint64_t next;

	s->depth++;
	next = sp_server_tick(s->server);
	s->depth--;
	settle(s);
	return next;
}

static void
on_timer(uv_timer_t *t)
{
	struct sp_serving *s = t->data;
	uint64_t next;

	s->due_ms = UINT64_MAX;
	next = sp_serving_tick(s);
	if (next != UINT64_MAX)
		come_back(s, next == 0 ? 1 : next);
}

static void
on_wake(uv_async_t *a)
{
	struct sp_serving *s = a->data;

	s->depth++;
	turn(s);
	leave_engine(s);
}

void
sp_serving_message(struct sp_serving *s, struct sp_served *v, sp_slice body)
{
	v->begun = true;
	s->depth++;
	sp_server_message(s->server, &v->x, body);
	leave_engine(s);
}

void
sp_serving_stream(struct sp_serving *s, struct sp_served *v, sp_slice session, sp_slice last)
{
	v->begun = true;
	s->depth++;
	sp_server_stream(s->server, &v->x, session, last);
	leave_engine(s);
}

void
sp_serving_session_end(struct sp_serving *s, struct sp_served *v, sp_slice session)
{
	v->begun = true;
	s->depth++;
	sp_server_session_end(s->server, &v->x, session);
	leave_engine(s);
}

void
sp_serving_end(struct sp_serving *s, struct sp_served *v)
{
	v->next = s->ended;
	s->ended = v;
	if (s->depth == 0) {
		settle(s);
		if (s->loop != NULL)
			come_back(s, SOON_MS);
	}
}

void
sp_serving_turn(struct sp_serving *s, struct sp_clock now)
{
	if (now.now_ms > s->now.now_ms)
		s->now.now_ms = now.now_ms;
	s->now.now_s = now.now_s;
	if (s->depth == 0)
		turn(s);
}

void
sp_serving_drain(struct sp_serving *s)
{
	if (s->users > 1)
		return;
	s->depth++;
	sp_server_drain(s->server);
	leave_engine(s);
}

/* ---------------------------------------------------------------- who calls */

static enum sp_rc
rc_of(enum sp_status st)
{
	return st == SP_E_CONFIG ? SP_RC_INVALID : SP_RC_SYSTEM;
}

bool
sp_serving_guard(struct sp_serving *s, struct sp_error *error)
{
	struct sp_auth_provider *provider = sp_server_opts(s->server)->auth;
	sp_slice url = sp_out_view(&s->url);
	struct sp_err e = { 0 };
	enum sp_status st = SP_OK;

	if (provider == NULL || s->chain != NULL)
		return true;
	if (url.n == 0)
		return sp_lib_fail(error, SP_RC_INVALID, "options.url is needed: without a listener nobody knows what tokens are for");
	if (s->loop != NULL && s->fetch == NULL)
		st = sp_lib_fetch_new(s->loop, &s->fetch, &e);
	if (st == SP_OK)
		st = sp_chain_new(provider, url, s->fetch == NULL ? NULL : sp_lib_fetcher(s->fetch), &s->chain, &e);
	if (st != SP_OK)
		return sp_lib_fail(error, rc_of(st), "%s", e.log);
	if (!sp_chain_metadata(s->chain, &s->metadata))
		sp_out_reset(&s->metadata);
	else if (!sp_prm_url(&s->metadata_url, url) || s->metadata.full || s->metadata_url.full)
		return sp_lib_fail(error, SP_RC_INVALID, "options.url `%.*s` has no place for its metadata", SP_PRI(url));
	return true;
}

/* ---------------------------------------------------------------- beginning */

static void
forget(struct sp_serving *s)
{
	if (s->chain != NULL)
		sp_chain_free(&s->chain);
	if (s->fetch != NULL)
		sp_lib_fetch_free(&s->fetch);
}

static void
destroy(struct sp_serving *s)
{
	sp_workers_free(&s->workers);
	sp_out_free(&s->url);
	sp_out_free(&s->metadata);
	sp_out_free(&s->metadata_url);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void
on_handle_closed(uv_handle_t *h)
{
	struct sp_serving *s = h->data;
	void (*left)(void *arg) = s->left;

	if (--s->handles != 0)
		return;
	/* Closing calls back within the turn; what others closed meanwhile may need the next one. */
	if (!s->last_turn) {
		s->last_turn = true;
		s->handles = 1;
		uv_timer_init(s->loop, &s->timer);
		uv_close((uv_handle_t *)&s->timer, on_handle_closed);
		return;
	}
	s->left = NULL;
	if (left != NULL)
		left(s->left_arg);
	if (s->orphan)
		destroy(s);
}

static void
close_handles(struct sp_serving *s)
{
	pthread_mutex_lock(&s->lock);
	s->awake = false;
	pthread_mutex_unlock(&s->lock);
	s->handles = 2;
	uv_close((uv_handle_t *)&s->wake, on_handle_closed);
	uv_close((uv_handle_t *)&s->timer, on_handle_closed);
}

/* Nothing of the outside is asked any more: handlers that wait for it hear so. */
static void
finish(struct sp_serving *s)
{
	struct sp_server_part *out = sp_server_outbound(s->server);

	s->over = true;
	if (out->p != NULL && out->end != NULL)
		out->end(out->p);
	forget(s);
	if (s->awake)
		close_handles(s);
}

/* sp_server_free(): waits for handlers.  What the chain was made of goes after this. */
static void
part_end(void *p)
{
	struct sp_serving *s = p;

	if (s->workers != NULL)
		sp_workers_stop(s->workers);
	forget(s);
}

static void
part_free(void *p)
{
	struct sp_serving *s = p;

	if (s->awake)
		close_handles(s);	/* freed while it was served: the loop is left in order all the same */
	if (s->handles != 0) {
		sp_workers_free(&s->workers);
		s->orphan = true;
		return;
	}
	destroy(s);
}

static struct sp_serving *
make(struct sp_server *server, uv_loop_t *loop, struct sp_clock now)
{
	struct sp_serving *s = calloc(1, sizeof *s);
	struct sp_server_part *part = sp_server_transport(server);

	if (s == NULL)
		return NULL;
	s->server = server;
	s->loop = loop;
	s->now = now;
	s->due_ms = UINT64_MAX;
	s->host = (struct sp_server_host){ .run = loop == NULL ? run_at_once : run_in_worker, .wake = wake, .now_ms = now_ms,
	    .now_s = now_s, .ctx = s };
	sp_out_heap(&s->url, URL_MAX);
	sp_out_heap(&s->metadata, METADATA_MAX);
	sp_out_heap(&s->metadata_url, URL_MAX);
	pthread_mutex_init(&s->lock, NULL);
	*part = (struct sp_server_part){ .p = s, .end = part_end, .free = part_free };
	return s;
}

static bool
begin_outbound(struct sp_serving *s, struct sp_error *error)
{
	struct sp_server_part *out = sp_server_outbound(s->server);

	if (out->p == NULL || out->begin == NULL)
		return true;
	return out->begin(out->p, s->loop, error) == SP_OK;
}

static bool
begin(struct sp_serving *s, sp_slice url, struct sp_error *error)
{
	const struct sp_server_options *opts = sp_server_opts(s->server);

	s->over = true;		/* until everything is in its place: it can begin only once */
	if (s->loop != NULL) {
		s->workers = sp_workers_new(opts->workers, opts->max_calls + SPARE_JOBS);
		if (s->workers == NULL)
			return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for %u workers", opts->workers);
	}
	if (opts->url == NULL && url.n != 0)
		sp_server_url(s->server, url);
	sp_out_slice(&s->url, opts->url == NULL ? url : sp_str(opts->url));
	if (sp_server_begin(s->server, &s->host, error) != SP_OK || !begin_outbound(s, error))
		return false;
	if (s->loop != NULL) {
		if (uv_async_init(s->loop, &s->wake, on_wake) != 0)
			return sp_lib_fail(error, SP_RC_SYSTEM, "the loop has no room for a wake-up");
		s->wake.data = s;
		uv_timer_init(s->loop, &s->timer);
		s->timer.data = s;
		s->awake = true;
	}
	s->over = false;
	return true;
}

struct sp_serving *
sp_serving_join(struct sp_server *server, uv_loop_t *loop, sp_slice url, struct sp_clock now, struct sp_error *error)
{
	struct sp_serving *s = sp_server_transport(server)->p;
	struct sp_error check = { 0 };

	if (s == NULL) {
		if (!sp_server_check(server, &check)) {
			(void)sp_lib_fail(error, check.rc, "%s", check.text);
			return NULL;
		}
		s = make(server, loop, now);
		if (s == NULL)
			(void)sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for the server");
		if (s == NULL || !begin(s, url, error))
			return NULL;
	}
	if (s->over || s->loop != loop) {
		(void)sp_lib_fail(error, SP_RC_INVALID, s->over ? "this server has been served: make a new one" :
		    "this server is served by another loop, or by hand: one thread serves a server");
		return NULL;
	}
	s->users++;
	return s;
}

void
sp_serving_leave(struct sp_serving *s, void (*left)(void *arg), void *arg)
{
	if (--s->users != 0 || s->loop == NULL) {
		if (left != NULL)
			left(arg);
		return;
	}
	s->left = left;
	s->left_arg = arg;
	finish(s);
}
