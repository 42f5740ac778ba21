/* What stands behind: documents, their tools, where secrets go, and which tools each rule names. */
#include "config/value.h"

#include "image/shown.h"
#include "policy/decide.h"
#include "schema/schema.h"
#include "wire/http1.h"

#include <stdlib.h>

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

static void
report_skipped(struct cfg *c, const struct cfg_server *s)
{
	const struct sp_spec_op *first = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->spec.nops; i++) {
		if (s->spec.ops[i].skipped.n == 0)
			continue;
		if (first == NULL)
			first = &s->spec.ops[i];
		n++;
	}
	if (n != 0)
		WARN(c, &s->document, "%u of %u operations are no tools; the first: %.*s %.*s: %.*s", n, s->spec.nops,
		    SP_PRI(sp_method_name((enum sp_method)first->method)), SP_PRI(first->path), SP_PRI(first->skipped));
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
		report_skipped(c, s);
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
shown_name(struct cfg *c, sp_slice server, sp_slice name)
{
	char buf[SP_SHOWN_MAX + 1];

	return sp_arena_copy(&c->mem, sp_shown_make(server, name, buf));
}

static bool
schema_usable(const struct sp_spec_op *op, struct sp_err *e)
{
	struct sp_schema *schema = NULL;
	bool good = sp_schema_new(op->schema, &schema, e) == SP_OK;

	sp_schema_free(&schema);
	return good;
}

static void
server_tools(struct cfg *c, uint32_t index)
{
	struct cfg_server *s = &c->servers[index];
	uint32_t unusable = 0;
	struct sp_err e = { 0 }, first = { 0 };

	s->first_tool = c->ntools;
	for (uint32_t i = 0; i < s->spec.nops; i++) {
		const struct sp_spec_op *op = &s->spec.ops[i];
		struct cfg_tool *t = &c->tools[c->ntools];

		if (op->skipped.n != 0)
			continue;
		if (!schema_usable(op, &e)) {
			if (unusable++ == 0)
				first = e;
			continue;
		}
		*t = (struct cfg_tool){
			.server = index, .op = op, .name = op->name, .write = !is_read(op),
			.shown = shown_name(c, s->name.text, op->name),
		};
		c->ntools++;
	}
	s->ntools = c->ntools - s->first_tool;
	if (unusable != 0)
		WARN(c, &s->document, "%u operations are no tools: their schema cannot be used; the first: %s", unusable,
		    first.log);
}

static int
by_shown(const void *a, const void *b)
{
	const struct cfg_tool *const *x = a, *const *y = b;

	return sp_cmp((*x)->shown, (*y)->shown);
}

static void
report_collisions(struct cfg *c)
{
	const struct cfg_tool **sorted = sp_cfg_alloc(c, c->ntools, sizeof(struct cfg_tool *));

	if (sorted == NULL)
		return;
	for (uint32_t i = 0; i < c->ntools; i++)
		sorted[i] = &c->tools[i];
	qsort(sorted, c->ntools, sizeof(struct cfg_tool *), by_shown);
	for (uint32_t i = 1; i < c->ntools; i++)
		if (sp_eq(sorted[i - 1]->shown, sorted[i]->shown))
			ERR(c, &c->servers[sorted[i]->server].name, "two tools would both be shown as %.*s",
			    SP_PRI(sorted[i]->shown));
}

void
sp_cfg_make_tools(struct cfg *c)
{
	size_t room = 0;

	for (uint32_t i = 0; i < c->nservers; i++)
		room += c->servers[i].spec.nops;
	c->tools = sp_cfg_alloc(c, room, sizeof *c->tools);
	if (c->tools == NULL)
		return;
	for (uint32_t i = 0; i < c->nservers; i++)
		server_tools(c, i);
	report_collisions(c);
}

/* ---- secrets and operations */

const struct cfg_secret *
sp_cfg_secret_of(const struct cfg_server *s, uint32_t scheme)
{
	for (uint32_t i = 0; i < s->nsecrets; i++)
		if (s->secrets[i].known && s->secrets[i].scheme == scheme)
			return &s->secrets[i];
	return NULL;
}

static bool
all_configured(const struct cfg_server *s, const uint32_t *schemes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (sp_cfg_secret_of(s, schemes[i]) == NULL)
			return false;
	return true;
}

/* An alternative that needs nothing comes last: whoever configured a secret wants it used. */
int
sp_cfg_option(const struct cfg_server *s, const struct sp_spec_op *op)
{
	bool none_needed = op->noptions == 0;

	for (uint32_t i = 0; i < op->noptions; i++) {
		if (op->nneed[i] == 0)
			none_needed = true;
		else if (all_configured(s, op->options[i], op->nneed[i]))
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
