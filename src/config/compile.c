/* The checked model to the image.  Nothing here can find fault with the file: that has been done. */
#include "config/compile_int.h"

#include "wire/http1.h"

#include <stdlib.h>

void *
sp_cc_get(struct compiler *k, size_t n, size_t size)
{
	void *p = sp_cfg_alloc(k->c, n, size);

	if (p == NULL)
		k->failed = true;
	return p;
}

sp_slice
sp_cc_lower(struct compiler *k, sp_slice s)
{
	char *p = sp_cc_get(k, s.n, 1);

	if (p == NULL)
		return (sp_slice){ NULL, 0 };
	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
	return (sp_slice){ p, s.n };
}

sp_slice
sp_cc_keep(struct compiler *k, struct sp_out *o)
{
	sp_slice s = sp_arena_copy(&k->c->mem, sp_out_view(o));

	if (o->full || s.p == NULL)
		k->failed = true;
	return s;
}

void
sp_cc_add(sp_slice *v, uint32_t *n, sp_slice s)
{
	for (uint32_t i = 0; i < *n; i++)
		if (sp_eq(v[i], s))
			return;
	v[(*n)++] = s;
}

struct sp_ref
sp_cc_texts(struct compiler *k, const struct items *list)
{
	sp_slice *v = sp_cc_get(k, list->n, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < list->n; i++)
		v[i] = list->v[i].text;
	return sp_imgb_texts(k->b, v, list->n);
}

struct sp_ref
sp_cc_words(struct compiler *k, const struct cfg_set *s, uint32_t n)
{
	return sp_imgb_words(k->b, s->w, n);
}

/* An empty demand is an empty set, not a set of zeros. */
struct sp_ref
sp_cc_scope_set(struct compiler *k, const struct items *names)
{
	struct cfg_set s = sp_cfg_scopes(k->c, names);

	return sp_cc_words(k, &s, names->n == 0 ? 0 : k->scope_words);
}

struct sp_ref
sp_cc_tag_set(struct compiler *k, const struct items *names)
{
	struct cfg_set s = sp_cfg_tags(k->c, names);

	return sp_cc_words(k, &s, names->n == 0 ? 0 : k->tag_words);
}

/* ---- servers */

static void
fill_place(struct compiler *k, const struct cfg_server *s, const struct cfg_secret *x, struct sp_img_grant *g)
{
	static const struct sp_spec_scheme none = { 0 };	/* an mcp server names no scheme: bearer */
	const struct sp_spec_scheme *scheme = x->known ? &s->spec.schemes[x->scheme] : &none;
	bool bearer = !x->known || scheme->bearer || !scheme->usable;

	if (x->has_as) {
		g->place = x->place;
		g->basic = x->basic;
		g->field = sp_imgb_str(k->b, x->field);
		g->before = sp_imgb_str(k->b, x->before);
		g->after = sp_imgb_str(k->b, x->after);
		return;
	}
	g->place = scheme->usable ? scheme->place : SP_PLACE_HEADER;
	g->basic = scheme->usable && scheme->basic;
	g->field = sp_imgb_str(k->b, scheme->usable ? scheme->field : SP_LIT("Authorization"));
	if (bearer)
		g->before = sp_imgb_str(k->b, SP_LIT("Bearer "));
}

static sp_slice
base_path(const struct cfg_server *s)
{
	sp_slice path = s->base.path;

	if (s->kind == SP_SERVER_MCP)
		return path.n == 0 ? SP_LIT("/") : path;

	if (sp_ends(path, SP_LIT("/")))
		path.n--;
	return path;
}

/* Where a secret may go: below `host` as written, else below the server's own URL. */
static sp_slice
prefix_of(const struct cfg_server *s, const struct cfg_secret *x)
{
	sp_slice rest = x->host.text, origin;

	if (x->host.text.n == 0)
		return base_path(s);
	if (!sp_take_to(&rest, '/', &origin))
		return (sp_slice){ NULL, 0 };
	rest = sp_sub(x->host.text, origin.n, x->host.text.n);
	return rest.n == 1 ? (sp_slice){ NULL, 0 } : rest;
}

static struct sp_ref
put_grants(struct compiler *k, const struct cfg_server *s)
{
	struct sp_img_grant *v = sp_cc_get(k, s->nsecrets, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < s->nsecrets; i++) {
		const struct cfg_secret *x = &s->secrets[i];
		const struct sp_uri *to = sp_cfg_goes_to(s, x);

		to = to == NULL ? &s->base : to;	/* an error was found: no image is made */
		v[i].name = sp_imgb_str(k->b, x->name.text);
		v[i].ref = sp_imgb_str(k->b, x->ref);
		fill_place(k, s, x, &v[i]);
		v[i].host = sp_imgb_str(k->b, sp_cc_lower(k, to->host));
		v[i].port = to->port;
		v[i].https = to->https;
		v[i].path_prefix = sp_imgb_str(k->b, prefix_of(s, x));
		v[i].methods = x->methods != 0 ? x->methods : x->used;
		v[i].line = x->name.line;
	}
	return SP_IMGB_ARRAY(k->b, v, s->nsecrets);
}

static sp_slice
slot_name(struct compiler *k, enum sp_place place, sp_slice field)
{
	static const char *const words_of[] = { "", "header ", "query ", "cookie " };
	char buf[300];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, words_of[place]);
	sp_out_slice(&o, field);
	return sp_cc_lower(k, sp_out_view(&o));
}

static struct sp_ref
put_slots(struct compiler *k, const struct cfg_server *s)
{
	sp_slice *v = sp_cc_get(k, s->spec.nschemes + s->nsecrets + 1, sizeof *v);
	uint32_t n = 0;

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	sp_cc_add(v, &n, SP_LIT("header authorization"));
	for (uint32_t i = 0; i < s->spec.nschemes; i++)
		if (s->spec.schemes[i].field.n != 0)
			sp_cc_add(v, &n, slot_name(k, s->spec.schemes[i].place, s->spec.schemes[i].field));
	for (uint32_t i = 0; i < s->nsecrets; i++)
		if (s->secrets[i].has_as)
			sp_cc_add(v, &n, slot_name(k, s->secrets[i].place, s->secrets[i].field));
	return sp_imgb_texts(k->b, v, n);
}

/* The endpoint as it is asked for: path and query. */
static sp_slice
endpoint(struct compiler *k, const struct cfg_server *s)
{
	char buf[8200];
	struct sp_out o;

	if (s->kind != SP_SERVER_MCP || !s->base.has_query)
		return base_path(s);
	sp_out_init(&o, buf, sizeof buf);
	sp_out_fmt(&o, "%.*s?%.*s", SP_PRI(base_path(s)), SP_PRI(s->base.query));
	return sp_cc_keep(k, &o);
}

/* What egress sends to an mcp server: POST, the stream by GET, the end of a session by DELETE; all with every secret. */
static struct sp_ref
put_mcp_ops(struct compiler *k, const struct cfg_server *s)
{
	static const uint32_t methods[] = { SP_POST, SP_GET, SP_DELETE };
	struct sp_img_op v[SP_COUNT(methods)] = { 0 };
	uint32_t *grants = sp_cc_get(k, s->nsecrets, sizeof *grants);

	if (s->kind != SP_SERVER_MCP || grants == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < s->nsecrets; i++)
		grants[i] = i;
	for (size_t i = 0; i < SP_COUNT(methods); i++) {
		v[i].method = methods[i];
		v[i].path = sp_imgb_str(k->b, base_path(s));
		v[i].grants = sp_imgb_u32(k->b, grants, s->nsecrets);
		if (methods[i] == SP_POST) {
			v[i].body = SP_BODY_ARG;
			v[i].body_required = 1;
			v[i].media = sp_imgb_str(k->b, SP_LIT("application/json"));
		}
	}
	return SP_IMGB_ARRAY(k->b, v, SP_COUNT(methods));
}

static struct sp_ref
put_origins(struct compiler *k, const struct cfg_server *s)
{
	struct sp_img_origin *v = sp_cc_get(k, s->norigins, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < s->norigins; i++) {
		const struct sp_uri *u = &s->origins[i].uri;

		v[i] = (struct sp_img_origin){
			.host = sp_imgb_str(k->b, sp_cc_lower(k, u->host)), .port = u->port, .https = u->https, .host_kind = u->kind,
			.private_ok = s->private_ok && sp_uri_same_origin(u, &s->base),
			.base_path = sp_imgb_str(k->b, s->origins[i].base_path),
		};
	}
	return SP_IMGB_ARRAY(k->b, v, s->norigins);
}

static struct sp_ref
put_servers(struct compiler *k)
{
	struct sp_img_server *v = sp_cc_get(k, k->c->nservers, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->nservers; i++) {
		const struct cfg_server *s = &k->c->servers[i];

		v[i].name = sp_imgb_str(k->b, s->name.text);
		v[i].kind = s->kind;
		v[i].host = sp_imgb_str(k->b, sp_cc_lower(k, s->base.host));
		v[i].port = s->base.port;
		v[i].https = s->base.https;
		v[i].host_kind = s->base.kind;
		v[i].base_path = sp_imgb_str(k->b, endpoint(k, s));
		v[i].private_ok = s->private_ok;
		v[i].grants = put_grants(k, s);
		v[i].ops = put_mcp_ops(k, s);
		v[i].resource = s->resource;
		v[i].slots = put_slots(k, s);
		v[i].origins = put_origins(k, s);
		v[i].line = s->name.line;
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->nservers);
}

/* ---- tools */

static struct sp_ref
put_params(struct compiler *k, const struct sp_spec_op *op)
{
	struct sp_img_param *v = sp_cc_get(k, op->nparams, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < op->nparams; i++) {
		const struct sp_spec_param *p = &op->params[i];

		v[i] = (struct sp_img_param){
			.arg = sp_imgb_str(k->b, p->arg), .wire = sp_imgb_str(k->b, p->wire), .in = p->in,
			.required = p->required, .style = p->style, .explode = p->explode,
			.reserved = p->reserved, .type = p->type,
		};
	}
	return SP_IMGB_ARRAY(k->b, v, op->nparams);
}

static struct sp_ref
put_parts(struct compiler *k, const struct sp_spec_op *op)
{
	struct sp_img_part *v = sp_cc_get(k, op->nparts, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < op->nparts; i++)
		v[i] = (struct sp_img_part){
			.name = sp_imgb_str(k->b, op->parts[i].name), .kind = op->parts[i].kind, .style = op->parts[i].style,
			.explode = op->parts[i].explode, .media = sp_imgb_str(k->b, op->parts[i].media),
		};
	return SP_IMGB_ARRAY(k->b, v, op->nparts);
}

/* Indices of the server's grants that this operation's security asks for. */
static struct sp_ref
put_op_grants(struct compiler *k, const struct cfg_server *s, const struct cfg_tool *t)
{
	const struct sp_spec_op *op = t->op;
	int option = sp_cfg_option(s, t);
	uint32_t *v, n = 0;

	if (option < 0)
		return (struct sp_ref){ 0, 0 };
	v = sp_cc_get(k, op->nneed[option], sizeof *v);
	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < op->nneed[option]; i++) {
		const struct cfg_secret *x = sp_cfg_secret_of(s, t, op->options[option][i]);

		if (x != NULL)
			v[n++] = (uint32_t)(x - s->secrets);
	}
	return sp_imgb_u32(k->b, v, n);
}

static struct sp_ref
put_op(struct compiler *k, const struct cfg_server *s, const struct cfg_tool *t)
{
	const struct sp_spec_op *op = t->op;
	struct sp_img_op v = {
		.method = op->method,
		.path = sp_imgb_str(k->b, op->path),
		.params = put_params(k, op),
		.body = op->body,
		.body_arg = sp_imgb_str(k->b, op->body_arg),
		.body_required = op->body_required,
		.media = sp_imgb_str(k->b, op->media),
		.encode = op->encode,
		.parts = put_parts(k, op),
		.result = op->result,
		.origin = t->origin,
		.grants = put_op_grants(k, s, t),
	};

	return SP_IMGB_ARRAY(k->b, &v, 1);
}

static struct sp_ref
put_tool_rules(struct compiler *k, uint32_t tool)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < k->c->nrules; i++)
		if (cfg_names(&k->c->rules[i], tool))
			k->scratch[n++] = i;
	return sp_imgb_u32(k->b, k->scratch, n);
}

static void
put_tool(struct compiler *k, uint32_t index, struct sp_img_tool *v)
{
	const struct cfg_tool *t = &k->c->tools[index];
	const struct cfg_server *s = &k->c->servers[t->server];
	struct sp_out json;
	size_t at;

	sp_out_heap(&json, SP_CFG_DOCUMENT);
	sp_spec_tool_json(&json, t->op, t->shown);
	k->failed |= json.full;
	v->server = t->server;
	v->name = sp_imgb_str(k->b, t->name);
	v->shown = sp_imgb_str(k->b, t->shown);
	v->access = t->write;
	v->tags = sp_imgb_texts(k->b, t->op->tags, t->op->ntags);
	v->json = sp_imgb_str(k->b, sp_out_view(&json));
	at = sp_find(sp_out_view(&json), t->op->schema);
	/* It stands in the Tool object word for word: one copy of it is enough. */
	v->schema = at == SIZE_MAX ? sp_imgb_str(k->b, t->op->schema) :
	    (struct sp_ref){ v->json.off + (uint32_t)at, (uint32_t)t->op->schema.n };
	v->op = put_op(k, s, t);
	v->rules = put_tool_rules(k, index);
	sp_out_free(&json);
}

struct sorted { const struct cfg_tool *tool; uint32_t resource; };

static int
by_shown(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	return x->resource != y->resource ? (x->resource < y->resource ? -1 : 1) : sp_cmp(x->tool->shown, y->tool->shown);
}

static struct sp_ref
put_tools(struct compiler *k, struct sp_img_head *head)
{
	struct sorted *sorted = sp_cc_get(k, k->c->ntools, sizeof *sorted);
	struct sp_img_tool *v = sp_cc_get(k, k->c->ntools, sizeof *v);

	k->scratch = sp_cc_get(k, k->c->nrules, sizeof *k->scratch);
	if (sorted == NULL || v == NULL || k->scratch == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->ntools; i++)
		sorted[i] = (struct sorted){ &k->c->tools[i], k->c->servers[k->c->tools[i].server].resource };
	qsort(sorted, k->c->ntools, sizeof *sorted, by_shown);
	for (uint32_t i = 0; i < k->c->ntools && !k->b->o.full; i++)
		put_tool(k, (uint32_t)(sorted[i].tool - k->c->tools), &v[i]);
	if (!k->b->o.full)
		head->tool_index = sp_imgb_tool_index(k->b, head, v, k->c->ntools);
	return SP_IMGB_ARRAY(k->b, v, k->c->ntools);
}

/* ---- rules */

static struct sp_ref
put_callers(struct compiler *k, const struct cfg_rule *r)
{
	struct sp_img_caller *v = sp_cc_get(k, r->ncallers, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < r->ncallers; i++)
		v[i] = (struct sp_img_caller){
			.source = r->callers[i].source, .has_pattern = r->callers[i].has_pattern,
			.pattern = sp_imgb_str(k->b, r->callers[i].pattern),
		};
	return SP_IMGB_ARRAY(k->b, v, r->ncallers);
}

static struct sp_ref
put_values(struct compiler *k, const struct cfg_cond *c)
{
	struct sp_img_value *v = sp_cc_get(k, c->nvalues, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < c->nvalues; i++)
		v[i] = (struct sp_img_value){
			.kind = c->values[i].kind, .text = sp_imgb_str(k->b, c->values[i].text),
			.high = sp_imgb_str(k->b, c->values[i].high),
		};
	return SP_IMGB_ARRAY(k->b, v, c->nvalues);
}

static struct sp_ref
put_conds(struct compiler *k, const struct cfg_cond *c, uint32_t n)
{
	struct sp_img_cond *v = sp_cc_get(k, n, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < n; i++)
		v[i] = (struct sp_img_cond){
			.argument = sp_imgb_str(k->b, c[i].argument.text), .path = sp_cc_texts(k, &c[i].path),
			.values = put_values(k, &c[i]),
		};
	return SP_IMGB_ARRAY(k->b, v, n);
}

static struct sp_ref
put_groups(struct compiler *k, const struct cfg_group *g, uint32_t n)
{
	struct sp_img_group *v = sp_cc_get(k, n, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < n; i++)
		v[i] = (struct sp_img_group){ .scopes = sp_cc_scope_set(k, &g[i].scopes), .tags = sp_cc_tag_set(k, &g[i].tags) };
	return SP_IMGB_ARRAY(k->b, v, n);
}

static struct sp_ref
put_selects(struct compiler *k, const struct cfg_rule *r)
{
	static const enum sp_select what[] = {
		[WHAT_ALL] = SP_SELECT_ALL, [WHAT_NAME] = SP_SELECT_NAME, [WHAT_READ] = SP_SELECT_READ,
		[WHAT_WRITE] = SP_SELECT_WRITE, [WHAT_TAG] = SP_SELECT_TAG, [WHAT_RESOURCE] = SP_SELECT_RESOURCE,
		[WHAT_PROMPT] = SP_SELECT_PROMPT,
	};
	struct sp_img_select *v = sp_cc_get(k, r->ntargets, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < r->ntargets; i++)
		v[i] = (struct sp_img_select){
			.server = r->targets[i].server == UINT32_MAX ? SP_IMG_ANYONE : r->targets[i].server,
			.what = what[r->targets[i].what], .pattern = sp_imgb_str(k->b, r->targets[i].pattern),
		};
	return SP_IMGB_ARRAY(k->b, v, r->ntargets);
}

static struct sp_ref
put_check_names(struct compiler *k, uint64_t bits)
{
	uint32_t v[SP_IMAGE_CHECKS], n = 0;

	for (uint32_t i = 0; i < SP_IMAGE_CHECKS; i++)
		if ((bits >> i & 1) != 0)
			v[n++] = i;
	return sp_imgb_u32(k->b, v, n);
}

static struct sp_ref
put_rules(struct compiler *k)
{
	struct sp_img_rule *v = sp_cc_get(k, k->c->nrules, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->nrules; i++) {
		const struct cfg_rule *r = &k->c->rules[i];

		v[i] = (struct sp_img_rule){
			.verb = r->verb, .line = r->line, .selects = put_selects(k, r), .callers = put_callers(k, r),
			.when = put_conds(k, r->when, r->nwhen), .unless = put_conds(k, r->unless, r->nunless),
			.scopes = sp_cc_scope_set(k, &r->scopes), .tags = sp_cc_tag_set(k, &r->tags),
			.any = put_groups(k, r->any, r->nany), .not = put_groups(k, &r->not, r->has_not ? 1 : 0),
			.checks = put_check_names(k, r->checks),
			.manner = r->manner, .text = sp_imgb_str(k->b, r->text),
		};
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->nrules);
}

/* ---- the endpoint */

static sp_slice
authority(struct compiler *k, sp_slice host, bool v6, unsigned port)
{
	char buf[320];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	if (v6)
		sp_out_byte(&o, '[');
	sp_out_slice(&o, sp_cc_lower(k, host));
	if (v6)
		sp_out_byte(&o, ']');
	if (port != 0)
		sp_out_fmt(&o, ":%u", port);
	return sp_cc_keep(k, &o);
}

struct names { sp_slice *v; uint32_t n; };

/* One host with this port: as Host with the port and, where it is the default one, without; as Origin in its one form. */
static void
add_host(struct compiler *k, struct names *hosts, struct names *origins, bool https, sp_slice host, bool v6, unsigned port)
{
	unsigned usual = https ? 443 : 80;
	char buf[340];
	struct sp_out o;

	sp_cc_add(hosts->v, &hosts->n, authority(k, host, v6, port));
	if (port == usual)
		sp_cc_add(hosts->v, &hosts->n, authority(k, host, v6, 0));
	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, https ? "https://" : "http://");
	sp_out_slice(&o, authority(k, host, v6, port == usual ? 0 : port));
	sp_cc_add(origins->v, &origins->n, sp_cc_keep(k, &o));
}

static bool
is_unspecified(const struct cfg_listen *l)
{
	uint8_t a[16] = { 0 };
	static const uint8_t zero[16];

	if (l->kind == SP_HOST_IPV4)
		return sp_ipv4_read(l->host, a) && memcmp(a, zero, 4) == 0;
	return sp_ipv6_read(l->host, a) && memcmp(a, zero, 16) == 0;
}

/* What a browser may call us by: the URL, addresses we listen on, and the loopback names of loopback listeners (threat rows F07, F08). */
static void
put_hosts(struct compiler *k, struct sp_img_head *head)
{
	const struct sp_uri *u = &k->c->url_parts;
	size_t room = 8 * (size_t)(k->c->nlistens + 1);
	struct names hosts = { sp_cc_get(k, room, sizeof(sp_slice)), 0 }, origins = { sp_cc_get(k, room, sizeof(sp_slice)), 0 };

	if (hosts.v == NULL || origins.v == NULL)
		return;
	add_host(k, &hosts, &origins, u->https, u->host, u->kind == SP_HOST_IPV6, u->port);
	for (uint32_t i = 0; i < k->c->nlistens; i++) {
		const struct cfg_listen *l = &k->c->listens[i];

		if (l->unix_path) {
			sp_cc_add(hosts.v, &hosts.n, SP_LIT("localhost"));
			continue;
		}
		/* 0.0.0.0 as a name reaches loopback from a browser, so it is none of ours. */
		if (!is_unspecified(l))
			add_host(k, &hosts, &origins, false, l->host, l->kind == SP_HOST_IPV6, l->port);
		if (!l->loopback)
			continue;
		add_host(k, &hosts, &origins, false, SP_LIT("localhost"), false, l->port);
		add_host(k, &hosts, &origins, false, SP_LIT("127.0.0.1"), false, l->port);
		add_host(k, &hosts, &origins, false, SP_LIT("::1"), true, l->port);
	}
	head->hosts = sp_imgb_texts(k->b, hosts.v, hosts.n);
	head->origins = sp_imgb_texts(k->b, origins.v, origins.n);
}

static void
put_endpoint(struct compiler *k, struct sp_img_head *head)
{
	char buf[400];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_uri_origin(&o, &k->c->url_parts);
	head->url = sp_imgb_str(k->b, k->c->url.text);
	head->origin = sp_imgb_str(k->b, sp_out_view(&o));
	k->failed |= o.full;
	sp_cc_resources(k, head);
	put_hosts(k, head);
}

static struct sp_ref
put_listens(struct compiler *k)
{
	struct sp_img_listen *v = sp_cc_get(k, k->c->nlistens, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->nlistens; i++) {
		const struct cfg_listen *l = &k->c->listens[i];

		v[i] = (struct sp_img_listen){
			.kind = l->unix_path, .host = sp_imgb_str(k->b, l->host), .host_kind = l->kind, .port = l->port,
			.path = sp_imgb_str(k->b, l->path),
		};
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->nlistens);
}

static void
put_limits(const struct cfg_limits *l, struct sp_img_head *head)
{
	head->limit_head = l->head;
	head->limit_body = l->body;
	head->limit_answer = l->answer;
	head->limit_depth = l->depth;
	head->limit_connections = l->connections;
	head->limit_in_flight = l->in_flight;
	head->limit_calls = l->calls;
	head->limit_calls_ms = l->calls_ms;
	head->head_ms = l->head_ms;
	head->body_ms = l->body_ms;
	head->idle_ms = l->idle_ms;
	head->call_ms = l->call_ms;
}

enum sp_status
sp_cfg_compile(struct cfg *c, struct sp_imgb *out, struct sp_err *e)
{
	struct compiler k = { .c = c, .b = out };
	struct sp_img_head head = { .generation = c->opts->generation, .isolation = c->isolation };
	struct items tags = { c->tag_names, c->ntag_names };

	k.scope_words = (c->nscope_names + 63) / 64;
	k.tag_words = (c->ntag_names + 63) / 64;
	put_endpoint(&k, &head);
	put_limits(&c->limits, &head);
	head.listens = put_listens(&k);
	head.state_path = sp_imgb_str(out, c->state);
	head.unlock_ref = sp_imgb_str(out, c->unlock);
	head.scopes = sp_cc_scopes(&k);
	head.tags = sp_cc_texts(&k, &tags);
	head.sources = sp_cc_sources(&k, &head);
	head.authorities = sp_cc_authorities(&k);
	head.accounts = sp_cc_accounts(&k);
	head.servers = put_servers(&k);
	head.rules = put_rules(&k);
	head.tools = put_tools(&k, &head);
	head.checks = sp_cc_checks(&k);
	if (k.failed || c->mem.full)
		return sp_fail(e, SP_E_CONFIG, NULL, "out of memory");
	return sp_imgb_finish(out, &head, e);
}
