/* What a call to an MCP server is about: the component, its rules, its schema; and the log level that it wants. */
#include "base/log.h"
#include "egress/mcp_int.h"

enum { WAYS = 8 };

static struct sp_mcp *
mcp_of(const struct sp_call *c)
{
	return c->front->eg->mcp;
}

/* --- what it is about */

bool
sp_mcp_known(const struct sp_mcp *m)
{
	return m->catalog != NULL;
}

bool
sp_mcp_is_session_only(const struct sp_call *c)
{
	return c->mcp->method == SP_MCP_SET_LEVEL;
}

bool
sp_mcp_is_tool(const struct sp_call *c)
{
	return c->mcp->method == SP_MCP_TOOLS_CALL;
}

bool
sp_mcp_call_shows_args(const struct sp_call *c)
{
	return sp_mcp_shows_args(c->mcp->method);
}

sp_slice
sp_mcp_call_name(const struct sp_call *c)
{
	return c->mcp->method == SP_MCP_SET_LEVEL ? SP_LIT("logging/setLevel") : c->mcp->name;
}

bool
sp_mcp_call_new(struct sp_call *c, const struct sp_m_call *m)
{
	static const enum sp_mcp_method ours[] = {
		SP_MCP_TOOLS_CALL, SP_MCP_RESOURCES_READ, SP_MCP_PROMPTS_GET, SP_MCP_COMPLETE, SP_MCP_SUBSCRIBE,
		SP_MCP_UNSUBSCRIBE, SP_MCP_SET_LEVEL
	};
	struct sp_mcp_call *k = NULL;

	for (size_t i = 0; i < SP_COUNT(ours); i++)
		if (m->method == (uint32_t)ours[i] && (m->name.n != 0 || ours[i] == SP_MCP_SET_LEVEL))
			k = sp_arena_get(&c->arena, sizeof *k);
	if (k == NULL)
		return false;
	k->method = (enum sp_mcp_method)m->method;
	k->era = m->era == SP_ERA_MODERN ? SP_ERA_MODERN : SP_ERA_LEGACY;
	k->log_level = m->log_level;
	k->progress = m->progress != 0;
	k->name = sp_arena_copy(&c->arena, m->name);
	c->mcp = k;
	return k->name.p != NULL;
}

/* A URI is a resource whether it is listed or not: only rules that name it open it. */
static struct sp_component
resource(struct sp_egress *eg, sp_slice uri, uint32_t rules[SP_RULES_LEFT])
{
	struct sp_component c = { .server = eg->cfg.index, .kind = SP_COMPONENT_RESOURCE, .write = true, .name = uri };

	c.rules = rules;
	c.nrules = sp_component_rules(eg->cfg.img, &c, rules, SP_RULES_LEFT);
	/* A rule that does not fit may be the one that denies. */
	if (c.nrules > SP_RULES_LEFT)
		c.nrules = 0;
	return c;
}

void
sp_mcp_decide_uri(struct sp_egress *eg, const struct sp_principal *who, sp_slice uri, struct sp_decision *d)
{
	uint32_t rules[SP_RULES_LEFT];
	struct sp_component c = resource(eg, uri, rules);

	sp_decide_component(eg->cfg.img, who, &c, NULL, d);
}

static const struct sp_item *
item_of(const struct sp_call *c)
{
	const struct sp_mcp_call *k = c->mcp;
	const struct sp_catalog *cat = mcp_of(c)->catalog;
	const struct sp_item *item;

	switch (k->method) {
	case SP_MCP_TOOLS_CALL:
		return sp_catalog_find(cat, SP_COMPONENT_TOOL, k->name);
	case SP_MCP_PROMPTS_GET:
		return sp_catalog_find(cat, SP_COMPONENT_PROMPT, k->name);
	case SP_MCP_COMPLETE:
		item = sp_catalog_find(cat, SP_COMPONENT_PROMPT, k->name);
		return item != NULL ? item : sp_catalog_find(cat, SP_COMPONENT_TEMPLATE, k->name);
	default:
		return NULL;
	}
}

bool
sp_mcp_component(struct sp_call *c, struct sp_component *out, uint32_t rules[SP_RULES_LEFT])
{
	const struct sp_item *item = item_of(c);

	if (c->mcp->method == SP_MCP_RESOURCES_READ || c->mcp->method == SP_MCP_SUBSCRIBE ||
	    c->mcp->method == SP_MCP_UNSUBSCRIBE)
		*out = resource(c->front->eg, c->mcp->name, rules);
	else if (item != NULL)
		*out = item->c;
	else
		return false;
	return true;
}

const struct sp_schema *
sp_mcp_schema(const struct sp_call *c)
{
	const struct sp_item *item = sp_mcp_is_tool(c) ? item_of(c) : NULL;
	struct sp_schema_slot *slot = &mcp_of(c)->schemas[(uintptr_t)item / sizeof *item % SP_UP_SCHEMAS];
	struct sp_err e = { 0 };

	if (item == NULL)
		return NULL;
	if (slot->item == item)
		return slot->schema;
	sp_schema_free(&slot->schema);
	slot->item = item;
	if (item->schema.n != 0 && sp_schema_new(item->schema, &slot->schema, &e) != SP_OK)
		sp_log(SP_INFO, "schema.unchecked", SP_S("tool", c->mcp->name), SP_C("why", e.log));
	return slot->schema;
}

void
sp_mcp_schemas_forget(struct sp_mcp *m)
{
	for (unsigned i = 0; i < SP_UP_SCHEMAS; i++) {
		sp_schema_free(&m->schemas[i].schema);
		m->schemas[i].item = NULL;
	}
}

/* --- log levels that a legacy client set for its session */

/* Sets of a few places each; of a full one the place that was used longest ago is given away. */
static struct sp_session_level *
level_of(struct sp_mcp *m, sp_slice session, bool make)
{
	unsigned first = ((unsigned char)session.p[0] | (unsigned)(unsigned char)session.p[1] << 8) * WAYS % SP_UP_LEVELS;
	struct sp_session_level *oldest = &m->levels[first];

	for (unsigned i = first; i < first + WAYS; i++) {
		struct sp_session_level *l = &m->levels[i];

		if (l->level != 0 && memcmp(l->session, session.p, sizeof l->session) == 0)
			return l;
		if (l->used < oldest->used)
			oldest = l;
	}
	return make ? oldest : NULL;
}

void
sp_mcp_level_set(struct sp_mcp *m, sp_slice session, uint32_t level)
{
	struct sp_session_level *l = level_of(m, session, true);

	memcpy(l->session, session.p, sizeof l->session);
	l->level = level;
	l->used = ++m->level_clock;
}

uint32_t
sp_mcp_wanted_level(struct sp_call *c)
{
	struct sp_mcp *m = mcp_of(c);
	struct sp_session_level *l;

	if (c->mcp->log_level != 0 || c->session.n == 0)
		return c->mcp->log_level;
	l = level_of(m, c->session, false);
	if (l == NULL)
		return 0;
	l->used = ++m->level_clock;
	return l->level;
}
