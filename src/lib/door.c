/* A document, or the place of a grant, compiled by way of a configuration of our own making; and the connections to it. */
#include "lib/outbound.h"

#include "base/log.h"
#include "config/config.h"
#include "crypto/crypto.h"
#include "wire/json.h"

#include <stdlib.h>

enum { TEXT_MAX_BYTES = 256 << 10, RULES_LINE = 2 };

/* ---- the text: JSON strings are YAML too */

static void
put_member(struct sp_out *o, const char *key, const char *value)
{
	sp_out_str(o, key);
	sp_jout_str(o, sp_str(value));
}

static void
put_host(struct sp_out *o, const struct sp_grant *g)
{
	char buf[9000];
	struct sp_out host;
	const struct sp_uri *u = &g->uri;

	sp_out_init(&host, buf, sizeof buf);
	sp_out_fmt(&host, u->kind == SP_HOST_IPV6 ? "[%.*s]:%u" : "%.*s:%u", (int)u->host.n, u->host.p, u->port);
	sp_out_slice(&host, u->path);
	sp_out_str(o, ", host: ");
	sp_jout_str(o, sp_out_view(&host));
	o->full = o->full || host.full;
}

static void
put_grant(struct sp_out *o, const char *key, const struct sp_grant *g)
{
	char sep = '[';

	sp_out_str(o, "      ");
	sp_jout_str(o, sp_str(key));
	put_member(o, ": {secret: ", g->secret);
	if (g->as != NULL)
		put_member(o, ", as: ", g->as);
	put_host(o, g);
	for (unsigned m = 1; m < SP_METHOD_COUNT; m++) {
		if ((g->methods >> m & 1) == 0)
			continue;
		sp_out_str(o, sep == '[' ? ", methods: " : "");
		sp_out_byte(o, sep);
		sp_out_slice(o, sp_method_name((enum sp_method)m));
		sep = ',';
	}
	sp_out_str(o, g->methods == 0 ? "}\n" : "]}\n");
}

/* Rules come before what they speak of, on a line of which no finding is passed on: there the library's own checks rule. */
static void
put_config(struct sp_out *o, const struct sp_door_what *what)
{
	sp_out_fmt(o, "auth: {type: static}\nrules: [{allow: %s}]\nservers:\n  %s:\n", what->server, what->server);
	put_member(o, what->document != NULL ? "    openapi: " : "    mcp: ", what->document != NULL ? what->document : what->url);
	sp_out_byte(o, '\n');
	if (what->document != NULL && what->url != NULL) {
		put_member(o, "    url: ", what->url);
		sp_out_byte(o, '\n');
	}
	if (what->ngrants != 0)
		sp_out_str(o, "    secrets:\n");
	for (uint32_t i = 0; i < what->ngrants; i++)
		put_grant(o, what->keys[i], what->grants[i]);
}

/* ---- compiling */

struct source { sp_slice text; bool taken; };

/* The first file is ours; the others are those that it names. */
static enum sp_status
read_source(void *ctx, sp_slice path, size_t max, struct sp_out *out, struct sp_err *e)
{
	struct source *s = ctx;

	if (s->taken)
		return sp_config_read_file(NULL, path, max, out, e);
	s->taken = true;
	if (s->text.n > max)
		return sp_fail(e, SP_E_CONFIG, NULL, "its options are too long");
	sp_out_slice(out, s->text);
	return SP_OK;
}

static void
report(struct sp_outbound *o, const struct sp_door_what *what, const struct sp_findings *f)
{
	const char *kind = what->document != NULL ? "sp_openapi_provider" : "sp_grant";

	for (uint32_t i = 0; i < f->n; i++) {
		const struct sp_finding *x = &f->list[i];

		if (!x->warning)
			sp_server_mistake(o->server, "%s(%s): %.*s", kind, what->name, (int)x->text.n, x->text.p);
		else if (what->document != NULL && x->line != RULES_LINE)
			sp_log(SP_INFO, "openapi.note", SP_C("provider", what->name), SP_S("note", x->text));
	}
}

static enum sp_status
compile(struct sp_outbound *o, const struct sp_door_what *what, struct sp_imgb *built)
{
	struct source source = { { NULL, 0 }, false };
	const struct sp_config_opts opts = { .generation = 1, .read = read_source, .ctx = &source };
	struct sp_findings *f = malloc(sizeof *f);
	struct sp_out text;
	enum sp_status st = SP_E_CONFIG;

	sp_out_heap(&text, TEXT_MAX_BYTES);
	put_config(&text, what);
	source.text = sp_out_view(&text);
	if (f == NULL || text.full) {
		sp_server_mistake(o->server, "%s: its options are too long", what->name);
	} else {
		sp_findings_init(f, sp_str(what->name));
		st = sp_config_load(SP_LIT("sallyport.yaml"), &opts, f, built);
		report(o, what, f);
		sp_findings_free(f);
	}
	sp_out_free(&text);
	free(f);
	return st;
}

/* ---- what came of it */

/* In the order of the image; the configuration has each key once. */
static bool
find_grants(struct sp_door *d, const struct sp_door_what *what)
{
	uint32_t n = d->server->grants.n;

	d->grants = calloc(n + 1u, sizeof(struct sp_grant *));
	d->secrets = calloc(n + 1u, sizeof(struct sp_secret *));
	if (d->grants == NULL || d->secrets == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		sp_slice name = sp_img_str(&d->img, SP_IMG_AT(&d->img, d->server->grants, grant, i)->name);

		for (uint32_t k = 0; k < what->ngrants; k++)
			if (sp_eq(name, sp_str(what->keys[k])))
				d->grants[i] = what->grants[k];
		if (d->grants[i] == NULL)
			return false;
		d->grants[i]->basic |= SP_IMG_AT(&d->img, d->server->grants, grant, i)->basic != 0;
	}
	return true;
}

/* The configuration knows hosts and ports; a grant is for a scheme too. */
static bool
check_schemes(struct sp_door *d, const struct sp_door_what *what)
{
	for (uint32_t i = 0; i < d->server->grants.n; i++) {
		const struct sp_img_grant *g = SP_IMG_AT(&d->img, d->server->grants, grant, i);

		if ((g->https != 0) == d->grants[i]->uri.https)
			continue;
		sp_server_mistake(d->o->server, "sp_openapi_provider(%s): the grant `%s` is for %s, and the API is asked by %s: "
		    "write the same in both urls", what->name, d->grants[i]->name, d->grants[i]->uri.https ? "https" : "http",
		    g->https != 0 ? "https" : "http");
		return false;
	}
	return true;
}

struct sp_door *
sp_door_new(struct sp_outbound *o, const struct sp_door_what *what)
{
	struct sp_door *d = calloc(1, sizeof *d);
	struct sp_err e = { 0 };

	if (d != NULL)
		d->name = strdup(what->name);
	if (d == NULL || d->name == NULL || sp_crypto_init(&e) != SP_OK) {
		sp_server_mistake(o->server, "%s: no memory", what->name);
		sp_door_free(d);
		return NULL;
	}
	d->o = o;
	if (compile(o, what, &d->built) != SP_OK) {
		sp_door_free(d);
		return NULL;
	}
	if (sp_image_check(d->built.o.p, d->built.o.n, &d->img, &e) != SP_OK || d->img.head->servers.n != 1) {
		sp_server_mistake(o->server, "%s: what it compiles to is not sound: %s", what->name, e.log);
		sp_door_free(d);
		return NULL;
	}
	d->server = SP_IMG_AT(&d->img, d->img.head->servers, server, 0);
	if (!find_grants(d, what))
		sp_server_mistake(o->server, "%s: no memory", what->name);
	else if (check_schemes(d, what)) {
		d->next = o->doors;
		o->doors = d;
		return d;
	}
	sp_door_free(d);
	return NULL;
}

void
sp_door_free(struct sp_door *d)
{
	if (d == NULL)
		return;
	sp_outtools_free(d);
	sp_direct_free(&d->direct);
	sp_imgb_free(&d->built);
	free(d->grants);
	free(d->secrets);
	free(d->name);
	free(d);
}

void
sp_door_secrets(struct sp_door *d)
{
	for (uint32_t i = 0; i < d->server->grants.n; i++)
		d->secrets[i] = d->grants[i]->value;
}

/* ---- connections */

static struct sp_direct_origin
own_origin(const struct sp_door *d)
{
	const struct sp_img_server *s = d->server;

	return (struct sp_direct_origin){ sp_img_str(&d->img, s->host), (enum sp_host_kind)s->host_kind, (uint16_t)s->port,
	    s->https != 0, s->private_ok != 0 };
}

static enum sp_status
connect_door(struct sp_door *d, const struct sp_pool_ops *ops, struct sp_err *e)
{
	const struct sp_img_server *s = d->server;
	struct sp_direct_origin *v = calloc(s->origins.n + 1u, sizeof *v);
	struct sp_direct_config cfg = { .loop = d->o->loop->wake.loop, .origins = v, .norigins = s->origins.n + 1u,
	    .limit_answer = SP_OUT_ANSWER_MAX, .head = d->o->head, .tls = &d->o->tls, .ops = ops, .ctx = d,
	    .name = sp_str(d->name) };
	enum sp_status st;

	if (v == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	v[0] = own_origin(d);
	for (uint32_t i = 0; i < s->origins.n; i++) {
		const struct sp_img_origin *g = SP_IMG_AT(&d->img, s->origins, origin, i);

		v[i + 1] = (struct sp_direct_origin){ sp_img_str(&d->img, g->host), (enum sp_host_kind)g->host_kind,
		    (uint16_t)g->port, g->https != 0, g->private_ok != 0 };
	}
	st = sp_direct_new(&cfg, &d->direct, e);
	free(v);
	return st;
}

struct sp_pool *
sp_door_pool(struct sp_door *d, const struct sp_pool_ops *ops)
{
	struct sp_err e = { 0 };

	if (d->direct == NULL && connect_door(d, ops, &e) != SP_OK) {
		sp_log(SP_ERROR, "outbound.unavailable", SP_C("upstream", d->name), SP_C("why", e.log));
		return NULL;
	}
	return sp_direct_pool(d->direct);
}
