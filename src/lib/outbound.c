/* Grants, and the life of a server's outbound half. */
#include "lib/outbound.h"

#include "vault/source.h"
#include "wire/http1.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROOM_KEEP = 262144 };

/* ---- small things */

struct sp_grant *
sp_grant_find(struct sp_outbound *o, sp_slice name)
{
	struct sp_grant *g = o->grants;

	while (g != NULL && !sp_eq(sp_str(g->name), name))
		g = g->next;
	return g;
}

bool
sp_outbound_here(struct sp_outbound *o)
{
	bool here;

	pthread_mutex_lock(&o->lock);
	here = o->phase != SP_OUT_NEW && pthread_equal(o->thread, pthread_self()) != 0;
	pthread_mutex_unlock(&o->lock);
	return here;
}

struct sp_out *
sp_outbound_room(struct sp_out *o, size_t most)
{
	if (!o->heap)
		sp_out_heap(o, most);
	o->max = most;
	sp_out_reset(o);
	return o;
}

void
sp_outbound_room_done(struct sp_out *o)
{
	if (o->n != 0)
		sp_out_wipe(o);
	if (o->cap > ROOM_KEEP)
		sp_out_free(o);
}

/* ---- secrets */

static enum sp_status
take_value(void *ctx, sp_slice value, struct sp_err *e)
{
	struct sp_grant *g = ctx;

	g->value = sp_secret_new(value.n);
	return g->value != NULL && sp_secret_set(g->value, value) == SP_OK ? SP_OK :
	    sp_fail(e, SP_E_SYSTEM, NULL, "no locked memory");
}

static enum sp_status
read_file(struct sp_grant *g, const char *path, struct sp_err *e)
{
	enum sp_status st;
	int fd;

	st = sp_source_open(path, geteuid(), &fd, e);
	if (st != SP_OK)
		return st;
	g->value = sp_secret_new(SP_SOURCE_MAX + 2);
	st = g->value == NULL ? SP_E_SYSTEM : sp_secret_fill(g->value, fd);
	close(fd);
	if (st != SP_OK)
		return sp_fail(e, st, NULL, g->value == NULL ? "no locked memory" : "%s cannot be read, or is too large", path);
	sp_secret_trim(g->value);
	return SP_OK;
}

/* Two grants may name one variable, which is there once. */
static enum sp_status
copy_value(struct sp_grant *g, const struct sp_secret *from, struct sp_err *e)
{
	g->value = sp_secret_new(sp_secret_len(from));
	return g->value != NULL && sp_secret_copy(g->value, from) == SP_OK ? SP_OK :
	    sp_fail(e, SP_E_SYSTEM, NULL, "no locked memory");
}

static enum sp_status
read_value(struct sp_outbound *o, struct sp_grant *g, struct sp_err *e)
{
	sp_slice ref = sp_str(g->secret);
	enum sp_status st;

	for (const struct sp_grant *k = o->grants; k != NULL; k = k->next)
		if (k->value != NULL && sp_eq(sp_str(k->secret), ref))
			return copy_value(g, k->value, e);
	if (sp_take(&ref, SP_LIT("env:")))
		st = sp_source_env(ref, take_value, g, e);
	else
		st = read_file(g, g->secret + sizeof "file:" - 1, e);
	if (st != SP_OK)
		sp_secret_free(&g->value);
	return st;
}

/* Of all values, so that none comes back by any way. */
static enum sp_status
rebuild_scrub(struct sp_outbound *o, struct sp_err *e)
{
	struct sp_scrub_value *v;
	enum sp_status st;
	size_t n = 0;

	for (const struct sp_grant *g = o->grants; g != NULL; g = g->next)
		n++;
	v = calloc(n + 1, sizeof *v);
	if (v == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	n = 0;
	for (const struct sp_grant *g = o->grants; g != NULL; g = g->next)
		if (g->value != NULL)
			v[n++] = (struct sp_scrub_value){ g->value, g->basic };
	sp_scrub_free(&o->scrub);
	st = sp_scrub_new(v, n, &o->scrub, e);
	free(v);
	return st;
}

/* Alone first: a value that answers cannot be cleared of is its grant's fault. */
static enum sp_status
open_grant(struct sp_outbound *o, struct sp_grant *g, struct sp_err *e)
{
	struct sp_scrub *trial = NULL;
	enum sp_status st = read_value(o, g, e);

	if (st == SP_OK) {
		const struct sp_scrub_value one = { g->value, g->basic };

		st = sp_scrub_new(&one, 1, &trial, e);
		sp_scrub_free(&trial);
	}
	if (st != SP_OK) {
		sp_secret_free(&g->value);
		return sp_err_context(e, "sp_grant(%s)", g->name);
	}
	return SP_OK;
}

/* ---- grants */

static bool
is_name(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && (i == 0 || (!sp_is_digit((unsigned char)s.p[i]) && s.p[i] != '-')))
			return false;
	return s.n != 0 && s.n <= 32;
}

static const char *
bad_methods(struct sp_grant *g, const char *const *list)
{
	for (; list != NULL && *list != NULL; list++) {
		enum sp_method m = sp_method_find(sp_str(*list));

		if (m == 0 || m == SP_TRACE)
			return "methods are upper case: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
		g->methods |= 1u << m;
	}
	return NULL;
}

/* Beyond what the compiler of configurations says of it. */
static const char *
bad_grant(struct sp_grant *g, const struct sp_grant_options *opt)
{
	if (g->secret == NULL || (!sp_starts(sp_str(g->secret), SP_LIT("env:")) && !sp_starts(sp_str(g->secret), SP_LIT("file:"))))
		return "`secret` must be env:NAME or file:PATH, never the value itself";
	if (g->url == NULL || sp_uri_read(sp_str(g->url), &g->uri, NULL) != SP_OK)
		return "`url` must be https://host[:port][/path-prefix] (http only on loopback)";
	if (g->uri.has_query || g->uri.has_fragment)
		return "`url` must end with its path: no query, no fragment";
	return bad_methods(g, opt->methods);
}

static char *
keep(const char *s)
{
	return s == NULL ? NULL : strdup(s);
}

static void
grant_free(struct sp_grant *g)
{
	sp_secret_free(&g->value);
	free(g->name);
	free(g->secret);
	free(g->as);
	free(g->url);
	free(g);
}

/* Its place in a server's reach: an image like that of a configuration with one server. */
static void
grant_door(struct sp_outbound *o, struct sp_grant *g)
{
	const char *key = g->name;
	struct sp_grant *const self = g;
	const struct sp_door_what what = { .name = g->name, .server = "api", .url = g->url, .keys = &key, .grants = &self,
	    .ngrants = 1 };

	g->door = sp_door_new(o, &what);
}

void
sp_grant_add(struct sp_server *server, const struct sp_grant_options *options)
{
	struct sp_outbound *o = sp_outbound_of(server);
	struct sp_grant_options opt = { 0 };
	struct sp_grant *g = calloc(1, sizeof *g);
	const char *why;

	memcpy(&opt, options, options->size < sizeof opt ? options->size : sizeof opt);
	if (o == NULL || g == NULL || o->phase != SP_OUT_NEW) {
		if (o != NULL)
			sp_server_mistake(server, "sp_grant(%s): %s", opt.name == NULL ? "?" : opt.name,
			    g == NULL ? "no memory" : "the server has begun: declare grants before");
		free(g);
		return;
	}
	*g = (struct sp_grant){ .name = keep(opt.name), .secret = keep(opt.secret), .as = keep(opt.as), .url = keep(opt.url) };
	if (g->name == NULL || !is_name(sp_str(g->name)))
		why = "its name must be [a-z][a-z0-9-]{0,31}";
	else if (sp_grant_find(o, sp_str(g->name)) != NULL)
		why = "there is another grant of this name";
	else
		why = bad_grant(g, &opt);
	if (why != NULL) {
		sp_server_mistake(server, "sp_grant(%s): %s", opt.name == NULL ? "?" : opt.name, why);
		grant_free(g);
		return;
	}
	grant_door(o, g);
	g->next = o->grants;		/* also with mistakes: who names it is not to blame */
	o->grants = g;
}

/* ---- the loop */

static void
on_closed(uv_handle_t *h)
{
	struct sp_outloop *l = h->data;

	if (--l->open == 0)
		free(l);
}

static void
close_loop(struct sp_outloop *l)
{
	l->o = NULL;
	uv_close((uv_handle_t *)&l->wake, on_closed);
	if (l->open == 2)
		uv_close((uv_handle_t *)&l->sweep, on_closed);
}

static void
on_wake(uv_async_t *a)
{
	struct sp_outloop *l = a->data;

	if (l->o != NULL)
		sp_outcalls_take(l->o);
}

static enum sp_status
open_loop(struct sp_outbound *o, uv_loop_t *loop)
{
	struct sp_outloop *l = calloc(1, sizeof *l);

	if (l == NULL || uv_async_init(loop, &l->wake, on_wake) != 0) {
		free(l);
		return SP_E_SYSTEM;
	}
	l->wake.data = l->sweep.data = l;
	l->open = 1;
	if (uv_timer_init(loop, &l->sweep) != 0) {
		close_loop(l);
		return SP_E_SYSTEM;
	}
	l->open = 2;
	uv_unref((uv_handle_t *)&l->wake);
	l->o = o;
	o->loop = l;
	return SP_OK;
}

/* ---- life */

static enum sp_status
open_all(struct sp_outbound *o, uv_loop_t *loop, struct sp_err *e)
{
	enum sp_status st = sp_secret_hold(e);

	o->holds = st == SP_OK;
	for (struct sp_grant *g = o->grants; g != NULL && st == SP_OK; g = g->next)
		st = open_grant(o, g, e);
	if (st == SP_OK)
		st = rebuild_scrub(o, e);
	if (st != SP_OK)
		return st;
	for (struct sp_door *d = o->doors; d != NULL; d = d->next)
		sp_door_secrets(d);
	o->head = sp_locked_new(SP_POOL_HEAD);
	if (o->head == NULL || open_loop(o, loop) != SP_OK)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no (locked) memory for requests to others");
	return SP_OK;
}

static void
set_phase(struct sp_outbound *o, enum sp_outphase phase)
{
	pthread_mutex_lock(&o->lock);
	o->phase = phase;
	pthread_mutex_unlock(&o->lock);
}

static enum sp_status
part_begin(void *p, struct uv_loop_s *loop, struct sp_error *error)
{
	struct sp_outbound *o = p;
	struct sp_err e = { 0 };
	enum sp_status st;

	if (o->grants == NULL && o->doors == NULL)
		return SP_OK;
	if (loop == NULL)
		st = sp_fail(&e, SP_E_CONFIG, NULL, "grants and OpenAPI documents need a loop: serve by sp_server_run(), "
		    "sp_server_run_stdio(), sp_http_new() or sp_stdio_start(), or leave them out");
	else
		st = open_all(o, loop, &e);
	if (st != SP_OK) {
		error->rc = st == SP_E_CONFIG ? SP_RC_INVALID : SP_RC_SYSTEM;
		(void)snprintf(error->text, sizeof error->text, "%s", e.log);
		return st;
	}
	o->thread = pthread_self();
	set_phase(o, SP_OUT_SERVES);
	return SP_OK;
}

/* Not from inside the pools, which go with it. */
static void
close_all(struct sp_outbound *o)
{
	for (struct sp_door *d = o->doors; d != NULL; d = d->next)
		sp_direct_free(&d->direct);
	if (o->loop != NULL)
		close_loop(o->loop);
	o->loop = NULL;
}

static void
on_last(uv_timer_t *t)
{
	struct sp_outloop *l = t->data;
	struct sp_outbound *o = l->o;

	if (o == NULL)
		return;
	sp_outcalls_stop(o);
	close_all(o);
}

static void
part_end(void *p)
{
	struct sp_outbound *o = p;

	if (o->phase == SP_OUT_SERVES)
		set_phase(o, SP_OUT_ENDED);
	if (o->telling != 0) {
		uv_timer_start(&o->loop->sweep, on_last, 0, 0);
		return;
	}
	if (o->loop != NULL)
		sp_outcalls_stop(o);
	close_all(o);
}

static bool
part_check(void *p, void (*say)(void *ctx, const char *text), void *ctx)
{
	return true;			/* mistakes were told as they were made */
}

static void
part_free(void *p)
{
	struct sp_outbound *o = p;

	part_end(o);
	while (o->doors != NULL) {
		struct sp_door *d = o->doors;

		o->doors = d->next;
		sp_door_free(d);
	}
	sp_scrub_free(&o->scrub);
	sp_locked_free(o->head);
	sp_tls_context_free(&o->tls);
	while (o->grants != NULL) {
		struct sp_grant *g = o->grants;

		o->grants = g->next;
		grant_free(g);
	}
	if (o->holds)
		sp_secret_drop();
	sp_out_free(&o->scratch);
	sp_out_free(&o->scrubbed);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

struct sp_outbound *
sp_outbound_find(struct sp_server *s)
{
	return sp_server_outbound(s)->p;
}

struct sp_outbound *
sp_outbound_of(struct sp_server *s)
{
	struct sp_server_part *part = sp_server_outbound(s);
	struct sp_outbound *o = part->p;

	if (o != NULL)
		return o;
	o = calloc(1, sizeof *o);
	if (o == NULL) {
		sp_server_mistake(s, "no memory for grants");
		return NULL;
	}
	o->server = s;
	pthread_mutex_init(&o->lock, NULL);
	*part = (struct sp_server_part){ o, part_check, part_begin, part_end, part_free };
	return o;
}
