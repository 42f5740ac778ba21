/* What stands behind: documents, their tools, where secrets go, and which tools each rule names. */
#include "config/value.h"

#include "image/shown.h"
#include "policy/decide.h"
#include "schema/schema.h"
#include "wire/http1.h"

#include <stdlib.h>

enum { SKIPS_TOLD = 200 };

/* ---- documents */

static bool
document_text(struct cfg *c, struct cfg_server *s, sp_slice *text)
{
	struct sp_err e = { 0 };
	struct sp_out o;
	sp_slice path;
	bool good;

	if (s->kind == SP_SERVER_MANAGEMENT) {
		*text = sp_management_document();
		return true;
	}
	if (!sp_cfg_path(c, &s->document, "openapi", &path))
		return false;
	sp_out_heap(&o, SP_CFG_DOCUMENT + 1);
	good = c->opts->read(c->opts->ctx, path, SP_CFG_DOCUMENT, &o, &e) == SP_OK;
	if (good)
		*text = sp_arena_copy(&c->mem, sp_out_view(&o));
	else
		ERR(c, &s->document, "`openapi`: the document cannot be read: %s", e.log);
	sp_out_free(&o);
	return good && text->p != NULL;
}

/* A host that only the document names may not be private: the document may come from anywhere. */
static void
settle_base(struct cfg *c, struct cfg_server *s)
{
	struct sp_err e = { 0 };

	if (s->kind == SP_SERVER_MANAGEMENT) {
		s->base = (struct sp_uri){ .host = SP_LIT(SP_MANAGEMENT_HOST), .kind = SP_HOST_NAME, .port = 80 };
		s->has_base = s->private_ok = true;
		return;
	}
	if (s->url.text.n != 0)
		return;			/* read before, or reported */
	if (sp_uri_read(s->spec.base_url, &s->base, &e) != SP_OK || s->base.has_query || s->base.has_fragment) {
		ERR(c, &s->name, "`url` is required: the document does not say a whole http or https address");
		return;
	}
	if (sp_host_is_loopback(s->base.host, s->base.kind)) {
		ERR(c, &s->name, "`url` is required: the document names a loopback address, and a private address "
		    "must be written here");
		return;
	}
	s->has_base = true;
}

void
sp_cfg_load_documents(struct cfg *c)
{
	for (uint32_t i = 0; i < c->nservers; i++) {
		struct cfg_server *s = &c->servers[i];
		struct sp_err e = { 0 };
		sp_slice text;

		if (s->document.text.n == 0 || !document_text(c, s, &text))
			continue;
		if (sp_spec_read(&c->mem, text, &s->spec, &e) != SP_OK) {
			ERR(c, &s->document, "`openapi`: %s", e.log);
			continue;
		}
		s->has_spec = true;
		settle_base(c, s);
		if (s->has_base && !sp_cfg_is_clean_path(s->base.path))
			ERR(c, s->url.text.n != 0 ? &s->url : &s->name,
			    "`url`: the path must be plain (no `%%`, `//` or dot segments)");
	}
}

/* ---- tools */

static bool
is_read(const struct sp_spec_op *op)
{
	return op->method == SP_GET || op->method == SP_HEAD;
}

static sp_slice
shown_name(struct cfg *c, const struct cfg_server *s, sp_slice name)
{
	bool alone = c->resources[s->resource].alone != 0;
	char buf[SP_SHOWN_MAX + 1];

	return sp_arena_copy(&c->mem, sp_shown_make(alone ? SP_LIT("") : s->name.text, name, buf));
}

/* ---- servers of single operations */

enum { ORIGINS = 64 };

static sp_slice
without_slash(sp_slice path)
{
	if (sp_ends(path, SP_LIT("/")))
		path.n--;
	return path;
}

/*
 * A path, or a URL of the origin that the document itself has, lies on the origin that `url` says: whoever points
 * `url` elsewhere means the whole API.  Every other URL is an origin of its own, which no secret reaches unasked.
 */
static enum sp_status
origin_read(const struct cfg_server *s, sp_slice server, struct cfg_origin *o, struct sp_err *e)
{
	struct sp_uri u = s->base, own;
	enum sp_status st = SP_OK;

	if (sp_starts(server, SP_LIT("/")) && !sp_starts(server, SP_LIT("//")))
		u.path = server;
	else
		st = sp_uri_read(server, &u, e);
	if (st != SP_OK || u.has_query || u.has_fragment || !sp_cfg_is_clean_path(u.path))
		return sp_fail(e, SP_E_CONFIG, NULL, "its server %.*s is neither a plain path nor a plain URL",
		    SP_PRI(server));
	o->base_path = without_slash(u.path);
	if (sp_uri_read(s->spec.base_url, &own, NULL) == SP_OK && sp_uri_same_origin(&own, &u))
		u = s->base;
	if (!sp_uri_same_origin(&u, &s->base) && sp_host_is_loopback(u.host, u.kind))
		return sp_fail(e, SP_E_CONFIG, NULL, "its server %.*s is a loopback address, which only `url` may name",
		    SP_PRI(server));
	o->uri = u;
	return SP_OK;
}

static enum sp_status
tool_origin(struct cfg *c, struct cfg_server *s, const struct sp_spec_op *op, uint32_t *origin, struct sp_err *e)
{
	struct cfg_origin o;
	enum sp_status st;

	*origin = 0;
	if (op->server.n == 0 || !s->has_base)
		return SP_OK;
	st = origin_read(s, op->server, &o, e);
	if (st != SP_OK || (sp_uri_same_origin(&o.uri, &s->base) && sp_eq(o.base_path, without_slash(s->base.path))))
		return st;
	for (uint32_t i = 0; i < s->norigins && *origin == 0; i++)
		if (sp_uri_same_origin(&o.uri, &s->origins[i].uri) && sp_eq(o.base_path, s->origins[i].base_path))
			*origin = i + 1;
	if (*origin != 0)
		return SP_OK;
	if (s->origins == NULL)
		s->origins = sp_cfg_alloc(c, ORIGINS, sizeof *s->origins);
	if (s->origins == NULL || s->norigins == ORIGINS)
		return sp_fail(e, SP_E_CONFIG, NULL, "more than %d servers of single operations", ORIGINS);
	s->origins[s->norigins++] = o;
	*origin = s->norigins;
	return SP_OK;
}

/* ---- tools of a server */

static bool
schema_usable(const struct sp_spec_op *op, struct sp_err *e)
{
	struct sp_schema *schema = NULL;
	bool good = sp_schema_new(op->schema, &schema, e) == SP_OK;

	sp_schema_free(&schema);
	return good;
}

/* The count, then a line each: an operation that a user misses can be looked up. */
static void
report_skipped(struct cfg *c, const struct cfg_server *s)
{
	uint32_t n = 0, told = 0;

	for (uint32_t i = 0; i < s->spec.nops; i++)
		n += s->spec.ops[i].skipped.n != 0;
	if (n != 0)
		WARN(c, &s->document, "%u of %u operations are no tools:", n, s->spec.nops);
	for (uint32_t i = 0; i < s->spec.nops && told < SKIPS_TOLD; i++) {
		const struct sp_spec_op *op = &s->spec.ops[i];

		if (op->skipped.n == 0)
			continue;
		WARN(c, &s->document, "no tool: %.*s %.*s: %.*s", SP_PRI(sp_method_name((enum sp_method)op->method)),
		    SP_PRI(op->path), SP_PRI(op->skipped));
		told++;
	}
	if (n > told)
		WARN(c, &s->document, "no tool: %u more", n - told);
}

/* What the document's reader took may still be none: its reason is kept as the reader's are. */
static bool
is_usable(struct cfg *c, struct cfg_server *s, struct sp_spec_op *op, uint32_t *origin)
{
	struct sp_err e = { 0 };

	if (op->skipped.n != 0)
		return false;
	if (schema_usable(op, &e) && tool_origin(c, s, op, origin, &e) == SP_OK)
		return true;
	op->skipped = sp_arena_copy(&c->mem, sp_str(e.log));
	if (op->skipped.n == 0)
		op->skipped = SP_LIT("out of memory");
	return false;
}

static void
server_tools(struct cfg *c, uint32_t index)
{
	struct cfg_server *s = &c->servers[index];
	uint32_t origin = 0;

	s->first_tool = c->ntools;
	for (uint32_t i = 0; i < s->spec.nops; i++) {
		struct sp_spec_op *op = &s->spec.ops[i];

		if (!is_usable(c, s, op, &origin))
			continue;
		c->tools[c->ntools++] = (struct cfg_tool){
			.server = index, .op = op, .origin = origin, .name = op->name, .write = !is_read(op),
			.shown = shown_name(c, s, op->name),
		};
	}
	s->ntools = c->ntools - s->first_tool;
	report_skipped(c, s);
}

struct shown { const struct cfg_tool *tool; uint32_t resource; };

static int
by_shown(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	return x->resource != y->resource ? (x->resource < y->resource ? -1 : 1) : sp_cmp(x->tool->shown, y->tool->shown);
}

static void
report_collisions(struct cfg *c)
{
	struct shown *sorted = sp_cfg_alloc(c, c->ntools, sizeof *sorted);

	if (sorted == NULL)
		return;
	for (uint32_t i = 0; i < c->ntools; i++)
		sorted[i] = (struct shown){ &c->tools[i], c->servers[c->tools[i].server].resource };
	qsort(sorted, c->ntools, sizeof *sorted, by_shown);
	for (uint32_t i = 1; i < c->ntools; i++)
		if (by_shown(&sorted[i - 1], &sorted[i]) == 0)
			ERR(c, &c->servers[sorted[i].tool->server].name, "two tools would both be shown as %.*s",
			    SP_PRI(sorted[i].tool->shown));
}

void
sp_cfg_make_tools(struct cfg *c)
{
	size_t room = 0;

	for (uint32_t i = 0; i < c->nservers; i++)
		room += c->servers[i].spec.nops;
	c->tools = sp_cfg_alloc(c, room, sizeof *c->tools);
	if (c->tools == NULL || c->resources == NULL)
		return;
	for (uint32_t i = 0; i < c->nservers; i++)
		server_tools(c, i);
	report_collisions(c);
}

/* ---- secrets and operations */

static bool
host_is(sp_slice text, const struct sp_uri *u)
{
	sp_slice rest = text, origin = text, host;
	enum sp_host_kind kind;
	uint16_t port;

	(void)sp_take_to(&rest, '/', &origin);
	return sp_hostport_read(origin, &host, &kind, &port, NULL) == SP_OK && sp_eq_nocase(host, u->host) &&
	    (port == 0 || port == u->port);
}

const struct sp_uri *
sp_cfg_goes_to(const struct cfg_server *s, const struct cfg_secret *x)
{
	if (x->host.text.n == 0 || host_is(x->host.text, &s->base))
		return &s->base;
	for (uint32_t i = 0; i < s->norigins; i++)
		if (host_is(x->host.text, &s->origins[i].uri))
			return &s->origins[i].uri;
	return NULL;
}

const struct cfg_secret *
sp_cfg_secret_of(const struct cfg_server *s, const struct cfg_tool *t, uint32_t scheme)
{
	const struct sp_uri *there = t->origin == 0 ? &s->base : &s->origins[t->origin - 1].uri, *to;

	for (uint32_t i = 0; i < s->nsecrets; i++) {
		if (!s->secrets[i].known || s->secrets[i].scheme != scheme)
			continue;
		to = sp_cfg_goes_to(s, &s->secrets[i]);
		if (to != NULL && (to == there || sp_uri_same_origin(to, there)))
			return &s->secrets[i];
	}
	return NULL;
}

static bool
one_slot(const struct cfg_server *s, const struct cfg_secret *x, const struct cfg_secret *y)
{
	const struct sp_spec_scheme *a = &s->spec.schemes[x->scheme], *b = &s->spec.schemes[y->scheme];
	sp_slice field = x->has_as ? x->field : a->field, other = y->has_as ? y->field : b->field;

	return (x->has_as ? x->place : a->place) == (y->has_as ? y->place : b->place) && sp_eq_nocase(field, other);
}

/* Every scheme has a secret, and no two of them want the same place: a request has one Authorization. */
static bool
all_configured(const struct cfg_server *s, const struct cfg_tool *t, uint32_t option)
{
	const uint32_t *need = t->op->options[option];

	for (uint32_t i = 0; i < t->op->nneed[option]; i++) {
		const struct cfg_secret *x = sp_cfg_secret_of(s, t, need[i]);

		if (x == NULL)
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (one_slot(s, x, sp_cfg_secret_of(s, t, need[k])))
				return false;
	}
	return true;
}

/* An alternative that needs nothing comes last: whoever configured a secret wants it used. */
int
sp_cfg_option(const struct cfg_server *s, const struct cfg_tool *t)
{
	bool none_needed = t->op->noptions == 0;

	for (uint32_t i = 0; i < t->op->noptions; i++) {
		if (t->op->nneed[i] == 0)
			none_needed = true;
		else if (all_configured(s, t, i))
			return (int)i;
	}
	return none_needed ? -2 : -1;
}

/* ---- what rules name */

static bool
has_tag(const struct sp_spec_op *op, sp_slice pattern)
{
	for (uint32_t i = 0; i < op->ntags; i++)
		if (sp_glob(pattern, op->tags[i]))
			return true;
	return false;
}

static bool
target_names(const struct cfg_target *t, const struct cfg_tool *tool)
{
	switch (t->what) {
	case WHAT_ALL:
		return true;
	case WHAT_READ:
		return !tool->write;
	case WHAT_WRITE:
		return tool->write;
	case WHAT_NAME:
		return sp_glob(t->pattern, tool->name);
	case WHAT_TAG:
		return has_tag(tool->op, t->pattern);
	case WHAT_RESOURCE:
	case WHAT_PROMPT:
		return false;
	}
	return false;
}

static void
names_nothing(struct cfg *c, const struct cfg_target *t)
{
	sp_slice *names;
	uint32_t n = 0;

	if (t->what != WHAT_NAME || sp_has_byte(t->pattern, '*') || t->server == UINT32_MAX) {
		OBJECT(c, &t->text, "`%.*s` names no tool", SP_PRI(t->text.text));
		return;
	}
	names = sp_cfg_alloc(c, c->ntools, sizeof *names);
	if (names == NULL)
		return;
	for (uint32_t i = 0; i < c->ntools; i++)
		if (c->tools[i].server == t->server)
			names[n++] = c->tools[i].name;
	OBJECT(c, &t->text, "server `%.*s` has no tool `%.*s`%s", SP_PRI(c->servers[t->server].name.text), SP_PRI(t->pattern),
	    sp_cfg_hint(c, t->pattern, names, n));
}

/* What can be said of an mcp server without its catalogue.  False: the target names nothing of it, or it was said so. */
static bool
means_mcp(struct cfg *c, const struct cfg_target *t)
{
	struct cfg_part p;

	for (uint32_t i = 0; i < c->nservers; i++)
		if (c->servers[i].kind == SP_SERVER_MCP && sp_cfg_part_of(t, i, &p))
			return true;
	if (t->server == UINT32_MAX || c->servers[t->server].kind != SP_SERVER_MCP)
		return false;
	if (t->what == WHAT_READ)
		WARN(c, &t->text, "`%.*s` names nothing: what an MCP server says of its own tools is not believed in this "
		    "version. Write their names: %.*s.get_*", SP_PRI(t->text.text), SP_PRI(c->servers[t->server].name.text));
	else
		ERR(c, &t->text, "`%.*s` names nothing: tools of an MCP server bear no tags. Write their names: %.*s.NAME",
		    SP_PRI(t->text.text), SP_PRI(c->servers[t->server].name.text));
	return true;
}

/* Is the catalogue of all servers that this target may mean at hand? */
static bool
catalogue_known(const struct cfg *c, const struct cfg_target *t)
{
	if (t->server != UINT32_MAX)
		return c->servers[t->server].has_spec;
	for (uint32_t i = 0; i < c->nservers; i++)
		if (!c->servers[i].has_spec && c->servers[i].kind != SP_SERVER_MCP)
			return false;
	return true;
}

static void
match_target(struct cfg *c, struct cfg_rule *r, const struct cfg_target *t)
{
	uint32_t first = 0, end = c->ntools;
	bool any = false;

	if (t->server != UINT32_MAX) {
		first = c->servers[t->server].first_tool;
		end = first + c->servers[t->server].ntools;
	}
	for (uint32_t i = first; i < end; i++) {
		if (!target_names(t, &c->tools[i]))
			continue;
		r->names[i / 64] |= (uint64_t)1 << (i % 64);
		any = true;
	}
	for (uint32_t i = 0; i < c->nparts; i++)
		if (sp_cfg_names_part(t, &c->parts[i]))
			r->names[(c->ntools + i) / 64] |= (uint64_t)1 << ((c->ntools + i) % 64);
	if (any || means_mcp(c, t))
		return;
	if (catalogue_known(c, t))
		names_nothing(c, t);
	r->bad = true;
}

void
sp_cfg_match_rules(struct cfg *c)
{
	for (uint32_t i = 0; i < c->nrules; i++) {
		struct cfg_rule *r = &c->rules[i];

		r->names = sp_cfg_alloc(c, (c->ntools + c->nparts + 63) / 64, sizeof *r->names);
		if (r->names == NULL)
			return;
		for (uint32_t j = 0; j < r->ntargets; j++)
			match_target(c, r, &r->targets[j]);
	}
}
