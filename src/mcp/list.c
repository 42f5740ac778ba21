#include "mcp/list.h"

#include "base/b64.h"
#include "base/ct.h"
#include "mcp/foreign.h"
#include "mcp/result.h"

enum { MARK = 8, SERVERS = 256 };

static const sp_slice nothing = { NULL, 0 };

static const struct sp_img_server *
server_at(const struct sp_world *w, uint32_t i)
{
	return SP_IMG_AT(w->img, w->img->head->servers, server, i);
}

static const struct sp_img_tool *
tool_at(const struct sp_world *w, uint32_t i)
{
	return SP_IMG_AT(w->img, w->img->head->tools, tool, i);
}

static const struct sp_img_resource *
resource_at(const struct sp_world *w)
{
	return SP_IMG_AT(w->img, w->img->head->resources, resource, w->resource);
}

/* The servers of the resource, one after the other: `s` is the next to look at.  One that is alone costs one look. */
static bool
next_server(const struct sp_world *w, uint32_t *s)
{
	uint32_t n = w->img->head->servers.n < SERVERS ? w->img->head->servers.n : SERVERS, alone = resource_at(w)->alone;

	if (alone != 0 && *s < alone - 1)
		*s = alone - 1;
	while (*s < n && server_at(w, *s)->resource != w->resource && alone == 0)
		++*s;
	return *s < (alone == 0 ? n : alone);
}

#define EACH_SERVER(w, s) uint32_t s = 0; next_server(w, &s); s++

static bool
is_unknown(const struct sp_world *w, uint32_t server)
{
	return server_at(w, server)->kind == SP_SERVER_MCP && w->catalogs[server] == NULL;
}

/* ---- cursors */

/* The mark binds the name to the list, the resource and the caller; the key is the generation's. */
static void
mark(const struct sp_world *w, const struct sp_principal *who, enum sp_component_kind kind, sp_slice name,
    unsigned char out[MARK])
{
	char buf[28 + SP_URI_MAX];
	struct sp_out o;
	uint64_t h;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "cursor");
	sp_out_be(&o, kind, 1);
	sp_out_be(&o, w->resource, 4);
	sp_out_be(&o, who->source, 4);
	sp_out_be(&o, who->key, 8);
	sp_out_slice(&o, name);
	h = sp_siphash(&w->key, sp_out_view(&o));
	for (unsigned i = 0; i < MARK; i++)
		out[i] = (unsigned char)(h >> (8 * i));
}

static void
cursor_write(struct sp_out *o, const struct sp_world *w, const struct sp_principal *who, enum sp_component_kind kind,
    sp_slice last)
{
	unsigned char raw[MARK + SP_URI_MAX];

	mark(w, who, kind, last, raw);
	memcpy(raw + MARK, last.p, last.n);
	sp_b64url_encode(o, raw, MARK + last.n);
}

/* *name lies in `raw`. */
static enum sp_status
cursor_read(const struct sp_world *w, const struct sp_principal *who, enum sp_component_kind kind, sp_slice cursor,
    unsigned char raw[SP_CURSOR_MAX], sp_slice *name, struct sp_err *e)
{
	unsigned char want[MARK];
	size_t n;

	if (cursor.n > SP_CURSOR_MAX || !sp_b64url_decode(cursor, raw, SP_CURSOR_MAX, &n) || n <= MARK ||
	    n - MARK > SP_URI_MAX)
		return sp_fail(e, SP_E_BAD_PARAMS, "invalid cursor", "a cursor of the wrong form");
	*name = sp_mem(raw + MARK, n - MARK);
	mark(w, who, kind, *name, want);
	if (!sp_ct_eq(want, raw, MARK))
		return sp_fail(e, SP_E_BAD_PARAMS, "invalid cursor", "a cursor that was not given to this caller");
	return SP_OK;
}

/* ---- lists: the image's tools of a resource and every catalogue are sorted by shown name; this merges them */

/* One sorted run: the image's tools of the resource (`server` is SERVERS) or one catalogue's items. */
struct run {
	uint32_t server, i, n;		/* from i on, as far as n */
};

struct merge {
	const struct sp_world *w;
	enum sp_component_kind kind;
	struct run runs[SERVERS + 1];	/* none is at its end */
	uint32_t n;
	uint32_t best;			/* index of the run to take from, or SERVERS + 1 */
	bool	 has_rival;
	sp_slice rival;			/* the first name of all other runs: until there, the best stays the best */
};

static sp_slice
shown_at(const struct merge *m, const struct run *r, uint32_t i)
{
	if (r->server == SERVERS)
		return sp_img_str(m->w->img, tool_at(m->w, i)->shown);
	return sp_catalog_at(m->w->catalogs[r->server], m->kind, i)->shown;
}

static void
add_run(struct merge *m, struct run r, sp_slice after)
{
	uint32_t lo = r.i, hi = r.n;

	while (after.n != 0 && lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (sp_cmp(shown_at(m, &r, mid), after) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	r.i = lo;
	if (r.i < r.n)
		m->runs[m->n++] = r;
}

/* Of equal names the first server's comes first: its run stands first. */
static void
choose(struct merge *m)
{
	sp_slice first = nothing;

	m->best = SERVERS + 1;
	m->has_rival = false;
	for (uint32_t i = 0; i < m->n; i++) {
		sp_slice name = shown_at(m, &m->runs[i], m->runs[i].i);

		if (m->best > SERVERS || sp_cmp(name, first) < 0) {
			m->rival = first;
			m->has_rival = m->best <= SERVERS;
			m->best = i;
			first = name;
		} else if (!m->has_rival || sp_cmp(name, m->rival) < 0) {
			m->rival = name;
			m->has_rival = true;
		}
	}
}

static void
merge_start(struct merge *m, const struct sp_world *w, enum sp_component_kind kind, sp_slice after)
{
	struct run tools = { .server = SERVERS };

	m->w = w;
	m->kind = kind;
	m->n = 0;
	sp_img_tools_of(w->img, w->resource, &tools.i, &tools.n);
	if (kind == SP_COMPONENT_TOOL)
		add_run(m, tools, after);
	for (EACH_SERVER(w, s))
		if (w->catalogs[s] != NULL)
			add_run(m, (struct run){ .server = s, .n = sp_catalog_count(w->catalogs[s], kind) }, after);
	choose(m);
}

static void
advance(struct merge *m)
{
	struct run *r = &m->runs[m->best];

	if (++r->i == r->n) {
		for (uint32_t i = m->best; i + 1 < m->n; i++)
			m->runs[i] = m->runs[i + 1];
		m->n--;
		choose(m);
	} else if (m->has_rival && sp_cmp(shown_at(m, r, r->i), m->rival) >= 0) {
		choose(m);
	}
}

/* The item to come, if this caller's list has it: its JSON. */
static bool
look(const struct merge *m, const struct sp_principal *who, const struct sp_view *view, sp_slice *json)
{
	const struct run *r = &m->runs[m->best];
	const struct sp_item *it;

	if (r->server == SERVERS) {
		*json = sp_img_str(m->w->img, tool_at(m->w, r->i)->json);
		return sp_decide_listed(m->w->img, who, r->i, view);
	}
	it = sp_catalog_at(m->w->catalogs[r->server], m->kind, r->i);
	*json = it->json;
	return sp_decide_component_listed(m->w->img, who, &it->c, view);
}

/* One page; true: there is more behind *last.  At least one item is written if there is one. */
static bool
page(struct sp_out *o, struct merge *m, const struct sp_principal *who, const struct sp_view *view, sp_slice *last)
{
	size_t start = o->n;
	uint32_t count = 0;
	sp_slice seen = nothing;

	for (; m->n != 0; advance(m)) {
		sp_slice name = shown_at(m, &m->runs[m->best], m->runs[m->best].i), json;

		if (seen.n != 0 && sp_eq(name, seen))	/* another server's, under the same URI */
			continue;
		seen = name;
		if (!look(m, who, view, &json))
			continue;
		if (count == SP_PAGE_ITEMS || (count != 0 && o->n - start + json.n > SP_PAGE_BYTES))
			return true;
		if (count++ != 0)
			sp_out_byte(o, ',');
		sp_out_slice(o, json);
		*last = name;
	}
	return false;
}

static enum sp_component_kind
kind_of(enum sp_mcp_method method, const char **member)
{
	switch (method) {
	case SP_MCP_RESOURCES_LIST:
		*member = "\"resources\":[";
		return SP_COMPONENT_RESOURCE;
	case SP_MCP_TEMPLATES_LIST:
		*member = "\"resourceTemplates\":[";
		return SP_COMPONENT_TEMPLATE;
	case SP_MCP_PROMPTS_LIST:
		*member = "\"prompts\":[";
		return SP_COMPONENT_PROMPT;
	default:
		*member = "\"tools\":[";
		return SP_COMPONENT_TOOL;
	}
}

enum sp_status
sp_mcp_list(struct sp_out *o, const struct sp_world *w, const struct sp_principal *who, const struct sp_view *view,
    const struct sp_mcp_ask *ask, sp_slice id, struct sp_err *e)
{
	unsigned char raw[SP_CURSOR_MAX];
	const char *member;
	enum sp_component_kind kind = kind_of(ask->method, &member);
	sp_slice after = nothing, last = nothing;
	struct merge m;
	bool comma;

	if (ask->has_cursor) {
		enum sp_status st = cursor_read(w, who, kind, ask->cursor, raw, &after, e);

		if (st != SP_OK)
			return st;
	}
	sp_mcp_open(o, ask->era, id, &comma);
	if (ask->era == SP_ERA_MODERN) {
		sp_out_str(o, ",\"ttlMs\":");
		sp_out_u64(o, SP_MCP_TTL_MS);
		sp_out_str(o, ",\"cacheScope\":\"private\",");
	}
	sp_out_str(o, member);
	merge_start(&m, w, kind, after);
	if (page(o, &m, who, view, &last)) {
		sp_out_str(o, "],\"nextCursor\":\"");
		cursor_write(o, w, who, kind, last);
		sp_out_byte(o, '"');
	} else {
		sp_out_byte(o, ']');
	}
	sp_out_str(o, SP_MCP_CLOSE);
	return SP_OK;
}

/* ---- who has it */

static bool
found_item(struct sp_found *out, const struct sp_item *it)
{
	if (it == NULL)
		return false;
	out->item = it;
	out->c = it->c;
	return true;
}

/* A component that no list has: its rules are looked for now.  False: more than there is room for. */
static bool
found_rules(const struct sp_world *w, struct sp_found *out, uint32_t server, enum sp_component_kind kind, sp_slice name)
{
	out->c = (struct sp_component){ .server = server, .kind = kind, .write = true, .name = name, .rules = out->rules };
	out->c.nrules = sp_component_rules(w->img, &out->c, out->rules, SP_FOUND_RULES);
	return out->c.nrules <= SP_FOUND_RULES;
}

static bool
find_named(const struct sp_world *w, enum sp_component_kind kind, sp_slice shown, struct sp_found *out)
{
	for (EACH_SERVER(w, s)) {
		sp_slice own;

		if (server_at(w, s)->kind != SP_SERVER_MCP)
			continue;
		own = sp_own_name(w->img, s, shown);
		if (own.n == 0)
			continue;
		if (w->catalogs[s] != NULL)
			return found_item(out, sp_catalog_shown(w->catalogs[s], kind, shown));
		return sp_name_ok(own) && found_rules(w, out, s, kind, own);
	}
	return false;
}

static bool
find_tool(const struct sp_world *w, sp_slice shown, struct sp_found *out)
{
	uint32_t tool = sp_img_find_tool(w->img, w->resource, shown);

	if (tool == UINT32_MAX)
		return find_named(w, SP_COMPONENT_TOOL, shown, out);
	out->tool = tool;
	out->c = sp_component_of_tool(w->img, tool);
	return true;
}

static bool
find_listed(const struct sp_world *w, enum sp_component_kind kind, sp_slice uri, struct sp_found *out)
{
	for (EACH_SERVER(w, s))
		if (w->catalogs[s] != NULL && found_item(out, sp_catalog_find(w->catalogs[s], kind, uri)))
			return true;
	return false;
}

/* The only server that may have it: one whose rules name it, and that has resources or has not said so yet. */
static bool
find_unlisted(const struct sp_world *w, enum sp_component_kind kind, sp_slice uri, struct sp_found *out)
{
	uint32_t only = UINT32_MAX;

	for (EACH_SERVER(w, s)) {
		bool may = is_unknown(w, s) || (w->catalogs[s] != NULL && (w->caps[s] & SP_CAP_RESOURCES) != 0);

		if (!may || !found_rules(w, out, s, kind, uri) || out->c.nrules == 0)
			continue;
		if (only != UINT32_MAX)
			return false;
		only = s;
	}
	return only != UINT32_MAX && found_rules(w, out, only, kind, uri);
}

static bool
find_resource(const struct sp_world *w, sp_slice uri, struct sp_found *out)
{
	if (!sp_res_uri_ok(uri))
		return false;
	if (find_listed(w, SP_COMPONENT_RESOURCE, uri, out))
		return true;
	for (EACH_SERVER(w, s))
		if (w->catalogs[s] != NULL && sp_catalog_template(w->catalogs[s], uri) != NULL)
			return found_rules(w, out, s, SP_COMPONENT_RESOURCE, uri);
	return find_unlisted(w, SP_COMPONENT_RESOURCE, uri, out);
}

/* The template itself; a client may also name a resource (mcp-spec 2.1: the URI of a ref). */
static bool
find_template(const struct sp_world *w, sp_slice uri, struct sp_found *out)
{
	if (find_listed(w, SP_COMPONENT_TEMPLATE, uri, out) || find_listed(w, SP_COMPONENT_RESOURCE, uri, out))
		return true;
	for (EACH_SERVER(w, s))
		if (is_unknown(w, s))
			return sp_res_template_ok(uri) && find_unlisted(w, SP_COMPONENT_TEMPLATE, uri, out);
	return false;
}

bool
sp_mcp_find(const struct sp_world *w, const struct sp_mcp_ask *ask, struct sp_found *out)
{
	out->c = (struct sp_component){ 0 };
	out->tool = UINT32_MAX;
	out->item = NULL;
	switch (ask->method) {
	case SP_MCP_TOOLS_CALL:
		return find_tool(w, ask->name, out);
	case SP_MCP_PROMPTS_GET:
		return find_named(w, SP_COMPONENT_PROMPT, ask->name, out);
	case SP_MCP_COMPLETE:
		return ask->ref_template ? find_template(w, ask->name, out) : find_named(w, SP_COMPONENT_PROMPT, ask->name, out);
	case SP_MCP_RESOURCES_READ:
	case SP_MCP_SUBSCRIBE:
	case SP_MCP_UNSUBSCRIBE:
		return find_resource(w, ask->name, out);
	default:
		return false;
	}
}

/* ---- what we can do */

static bool
lists_any(const struct sp_world *w, uint32_t server, enum sp_component_kind kind, const struct sp_principal *who,
    const struct sp_view *view)
{
	const struct sp_catalog *c = w->catalogs[server];

	for (uint32_t i = 0; i < sp_catalog_count(c, kind); i++)
		if (sp_decide_component_listed(w->img, who, &sp_catalog_at(c, kind, i)->c, view))
			return true;
	return false;
}

uint32_t
sp_mcp_caps(const struct sp_world *w, const struct sp_principal *who, const struct sp_view *view)
{
	uint32_t caps = SP_CAP_TOOLS;

	for (EACH_SERVER(w, s)) {
		uint32_t has = 0;

		if (is_unknown(w, s))
			caps |= SP_CAP_RESOURCES | SP_CAP_PROMPTS;
		if (w->catalogs[s] == NULL)
			continue;
		if (lists_any(w, s, SP_COMPONENT_RESOURCE, who, view) || lists_any(w, s, SP_COMPONENT_TEMPLATE, who, view))
			has |= SP_CAP_RESOURCES | (w->caps[s] & SP_CAP_SUBSCRIBE);
		if (lists_any(w, s, SP_COMPONENT_PROMPT, who, view))
			has |= SP_CAP_PROMPTS;
		if (has != 0)
			has |= w->caps[s] & SP_CAP_COMPLETIONS;
		if (has != 0 || lists_any(w, s, SP_COMPONENT_TOOL, who, view))
			has |= w->caps[s] & SP_CAP_LOGGING;
		caps |= has;
	}
	return caps;
}

void
sp_mcp_instructions(struct sp_out *o, const struct sp_world *w, const struct sp_principal *who, const struct sp_view *view)
{
	for (EACH_SERVER(w, s)) {
		if (w->instructions == NULL || w->instructions[s].n == 0 || w->catalogs[s] == NULL)
			continue;
		if (!lists_any(w, s, SP_COMPONENT_TOOL, who, view) && !lists_any(w, s, SP_COMPONENT_RESOURCE, who, view) &&
		    !lists_any(w, s, SP_COMPONENT_TEMPLATE, who, view) && !lists_any(w, s, SP_COMPONENT_PROMPT, who, view))
			continue;
		if (o->n != 0)
			sp_out_str(o, "\n\n");
		if (resource_at(w)->alone == 0) {
			sp_out_slice(o, sp_img_str(w->img, server_at(w, s)->name));
			sp_out_str(o, ": ");
		}
		sp_out_slice(o, w->instructions[s]);
	}
}
