/* What clients send to be found or to go on with a list.  First byte: the method; the rest: a name, URI or cursor.
 * A cursor is good only as it was given; what is found is of the kind that was asked for, and has its own rules. */
#include "mcp/list.h"

#include "crypto/crypto.h"
#include "mcp/testimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct sp_imgb builder;
static struct sp_image img;
static struct sp_catalog *catalogs[1 + TI_MCP];
static uint32_t caps[1 + TI_MCP];

static const struct ti_rule rules[] = { { SP_VERB_ALLOW, SP_IMG_ANYONE, SP_SELECT_ALL }, { SP_VERB_DENY, 1, SP_SELECT_NAME, "a*" },
	{ SP_VERB_GUARD, SP_IMG_ANYONE, SP_SELECT_RESOURCE, "wiki://*", 2 } };

static void
add(enum sp_component_kind kind, const char *text)
{
	struct sp_json j = { 0 };

	assert(sp_json_read(sp_str(text), SP_JSON_DEFAULT, &j, NULL) == SP_OK);
	assert(sp_catalog_add(catalogs[1], kind, j.root, NULL) == SP_OK);
	sp_json_free(&j);
}

/* wiki is known, git is not yet. */
static void
start(void)
{
	uint32_t dropped;

	assert(sp_crypto_init(NULL) == SP_OK);
	ti_make(&builder, &(struct ti_options){ .mcp = 2, .extra = 300, .rules = rules, .nrules = 3 }, &img);
	assert(sp_catalog_new(&img, 1, &catalogs[1]) == SP_OK);
	add(SP_COMPONENT_TOOL, "{\"name\":\"read\",\"inputSchema\":{\"type\":\"object\"}}");
	add(SP_COMPONENT_RESOURCE, "{\"uri\":\"wiki://a\",\"name\":\"a\"}");
	add(SP_COMPONENT_TEMPLATE, "{\"uriTemplate\":\"wiki://{a}/{+b}.md\",\"name\":\"a\"}");
	add(SP_COMPONENT_PROMPT, "{\"name\":\"ask\"}");
	assert(sp_catalog_seal(catalogs[1], &dropped) == SP_OK);
	caps[1] = SP_CAP_RESOURCES;
}

static void
find(const struct sp_world *w, enum sp_mcp_method method, sp_slice text, bool template)
{
	struct sp_mcp_ask ask = { .method = method, .name = text, .ref_template = template };
	uint32_t again[SP_RULES_LEFT];
	struct sp_found f;

	if (!sp_mcp_find(w, &ask, &f))
		return;
	assert(f.c.server < img.head->servers.n);
	assert((f.c.kind == SP_COMPONENT_TOOL) == (method == SP_MCP_TOOLS_CALL));
	assert((f.tool != UINT32_MAX) == (f.c.server == 0));
	if (f.c.server != 0)
		assert(sp_component_rules(&img, &f.c, again, SP_RULES_LEFT) == f.c.nrules &&
		    memcmp(again, f.c.rules, f.c.nrules * sizeof *again) == 0);
	if (f.c.kind == SP_COMPONENT_RESOURCE || f.c.kind == SP_COMPONENT_TEMPLATE)
		assert(sp_eq(f.c.name, text));
}

static void
list(const struct sp_world *w, enum sp_mcp_method method, sp_slice cursor)
{
	static const uint64_t all[1] = { 3 };
	struct sp_principal who = { .scopes = all, .tags = all, .scope_words = 1, .tag_words = 1, .key = 7 };
	struct sp_mcp_ask ask = { .era = SP_ERA_LEGACY, .method = method, .has_cursor = true, .cursor = cursor };
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	if (sp_mcp_list(&o, w, &who, NULL, &ask, SP_LIT("1"), NULL) != SP_OK)
		assert(o.n == 0);
	sp_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum sp_mcp_method calls[] = { SP_MCP_TOOLS_CALL, SP_MCP_PROMPTS_GET, SP_MCP_COMPLETE, SP_MCP_RESOURCES_READ,
		SP_MCP_SUBSCRIBE };
	static const enum sp_mcp_method lists[] = { SP_MCP_TOOLS_LIST, SP_MCP_RESOURCES_LIST, SP_MCP_TEMPLATES_LIST,
		SP_MCP_PROMPTS_LIST };
	struct sp_world w;

	if (img.base == NULL)
		start();
	if (n == 0)
		return 0;
	w = (struct sp_world){ &img, catalogs, caps, { { 1, 2 } } };
	find(&w, calls[data[0] % SP_COUNT(calls)], sp_mem(data + 1, n - 1), (data[0] & 0x80) != 0);
	list(&w, lists[data[0] % SP_COUNT(lists)], sp_mem(data + 1, n - 1));
	return 0;
}
