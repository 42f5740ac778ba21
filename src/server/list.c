/*
 * Lists: what this caller may see, by name, in pages.  A cursor is the last name that was listed with a keyed mark over it,
 * the kind and the caller, so that a forged one, or one of another caller or list, is refused; what follows it is filtered
 * anew, so it grants nothing.
 */
#include "server/engine.h"

#include "base/b64.h"
#include "mcp/foreign.h"

enum { MARK = 8, CURSOR_MAX = (SP_URI_MAX + MARK) * 2, PAGE_BYTES = 1 << 18 };

static const sp_slice nothing = { NULL, 0 };

static const struct list { enum sp_mcp_method method; enum sp_component_type kind; const char *member; } lists[] = {
	{ SP_MCP_TOOLS_LIST, SP_COMPONENT_IS_TOOL, "\"tools\":[" },
	{ SP_MCP_RESOURCES_LIST, SP_COMPONENT_IS_RESOURCE, "\"resources\":[" },
	{ SP_MCP_TEMPLATES_LIST, SP_COMPONENT_IS_TEMPLATE, "\"resourceTemplates\":[" },
	{ SP_MCP_PROMPTS_LIST, SP_COMPONENT_IS_PROMPT, "\"prompts\":[" },
};

/* ---- cursors */

static void
mark(const struct sp_context *c, enum sp_component_type kind, sp_slice name, unsigned char out[MARK])
{
	char buf[64 + SP_URI_MAX];
	struct sp_out o;
	uint64_t h;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "cursor");
	sp_out_be(&o, kind, 1);
	sp_out_add(&o, c->mark, sizeof c->mark);
	sp_out_slice(&o, name);
	h = sp_siphash(&c->s->key, sp_out_view(&o));
	for (unsigned i = 0; i < MARK; i++)
		out[i] = (unsigned char)(h >> (8 * i));
}

static void
cursor_write(struct sp_out *o, const struct sp_context *c, enum sp_component_type kind, sp_slice last)
{
	unsigned char raw[MARK + SP_URI_MAX];
	size_t n = last.n < SP_URI_MAX ? last.n : SP_URI_MAX;

	mark(c, kind, last, raw);
	memcpy(raw + MARK, last.p, n);
	sp_b64url_encode(o, raw, MARK + n);
}

static bool
cursor_read(const struct sp_context *c, enum sp_component_type kind, unsigned char raw[static CURSOR_MAX], sp_slice *after)
{
	unsigned char want[MARK];
	size_t n;

	if (c->ask.cursor.n > CURSOR_MAX || !sp_b64url_decode(c->ask.cursor, raw, CURSOR_MAX, &n) || n <= MARK ||
	    n > MARK + SP_URI_MAX)
		return false;
	*after = sp_mem(raw + MARK, n - MARK);
	mark(c, kind, *after, want);
	return memcmp(raw, want, MARK) == 0;
}

/* ---- a page */

/* Behind *last there is more: true. */
static bool
page(struct sp_out *o, const struct sp_context *c, enum sp_component_type kind, sp_slice after, sp_slice *last)
{
	const struct sp_offers *all = &c->s->offers[kind];
	size_t start = o->n;
	unsigned count = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct sp_offer *offer = all->v[i];
		sp_slice json = c->ask.era == SP_ERA_MODERN ? offer->json : offer->json_legacy;
		struct sp_verdict v;

		if (after.n != 0 && sp_cmp(offer->name, after) <= 0)
			continue;
		if (sp_gate(c->s, c->x, offer, offer->name.p, NULL, &v) != SP_OK)
			continue;
		if (count == c->s->opt.page_size || (count != 0 && o->n - start + json.n > PAGE_BYTES))
			return true;
		if (count++ != 0)
			sp_out_byte(o, ',');
		sp_out_slice(o, json);
		*last = offer->name;
	}
	return false;
}

void
sp_list_answer(struct sp_context *c)
{
	unsigned char raw[CURSOR_MAX];
	struct sp_out *o = sp_reply_begin(c->s);
	sp_slice after = nothing, last = nothing;
	const struct list *l = lists;
	bool comma;

	while (l->method != c->ask.method)
		l++;
	/* An empty text is a cursor like any other: none of ours. */
	if (c->ask.has_cursor && !cursor_read(c, l->kind, raw, &after)) {
		sp_call_refuse(c, SP_E_BAD_PARAMS, SP_LIT("invalid cursor"), nothing);
		return;
	}
	sp_mcp_open_as(o, c->ask.era, c->rpc.id, c->s->info, &comma);
	if (c->ask.era == SP_ERA_MODERN) {
		sp_out_str(o, ",\"ttlMs\":");
		sp_out_u64(o, SP_MCP_TTL_MS);
		sp_out_str(o, ",\"cacheScope\":\"private\",");
	}
	sp_out_str(o, l->member);
	if (page(o, c, l->kind, after, &last)) {
		sp_out_str(o, "],\"nextCursor\":\"");
		cursor_write(o, c, l->kind, last);
		sp_out_byte(o, '"');
	} else {
		sp_out_byte(o, ']');
	}
	sp_out_str(o, SP_MCP_CLOSE);
	sp_answer_ok(c);
}
