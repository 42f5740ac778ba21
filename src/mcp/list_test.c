#include "mcp/list.h"

#include "crypto/crypto.h"
#include "mcp/testimage.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#define TEN "AAAAAAAAAA"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct sp_hash_key key = { { 1, 2 } };
static const uint64_t none[1] = { 0 }, read_only[1] = { 1 }, both[1] = { 3 }, ops[1] = { 1 };

static struct sp_principal
who(const uint64_t *scopes, const uint64_t *tags, uint64_t id)
{
	return (struct sp_principal){ .refs = 1, .source = 0, .scopes = scopes, .tags = tags, .scope_words = 1, .tag_words = 1,
	    .key = id };
}

static struct sp_catalog *catalogs[1 + TI_MCP];
static uint32_t caps[1 + TI_MCP];

static uint32_t asked;		/* the resource */

static struct sp_world
world_of(const struct sp_image *img)
{
	return (struct sp_world){ .img = img, .catalogs = catalogs, .caps = caps, .key = key, .resource = asked };
}

/* Names on a page, and its next cursor, by reading it as a client would. */
struct page {
	char names[TI_FIXED + TI_MAX][32];
	uint32_t n;
	char cursor[SP_CURSOR_MAX + 1];
	size_t bytes;
};

static struct page got;

static enum sp_status
list_of(const struct sp_image *img, const struct sp_principal *p, enum sp_mcp_method method, const char *cursor,
    enum sp_era era)
{
	static const struct { enum sp_mcp_method method; const char *member, *name; } lists[] = {
		{ SP_MCP_TOOLS_LIST, "tools", "name" }, { SP_MCP_RESOURCES_LIST, "resources", "uri" },
		{ SP_MCP_TEMPLATES_LIST, "resourceTemplates", "uriTemplate" }, { SP_MCP_PROMPTS_LIST, "prompts", "name" },
	};
	struct sp_mcp_ask ask = { .era = era, .method = method, .has_cursor = cursor != NULL, .cursor = sp_str(cursor) };
	struct sp_world w = world_of(img);
	struct sp_json doc = { 0 };
	struct sp_out o;
	sp_jval *result;
	enum sp_status st;
	size_t i = 0;

	while (lists[i].method != method)
		i++;
	memset(&got, 0, sizeof got);
	sp_out_heap(&o, 64 << 20);
	st = sp_mcp_list(&o, &w, p, NULL, &ask, SP_LIT("1"), NULL);
	got.bytes = o.n;
	if (st != SP_OK) {
		assert_int_equal(o.n, 0);
		sp_out_free(&o);
		return st;
	}
	assert_int_equal(sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &doc, NULL), SP_OK);
	result = SP_JGET(doc.root, "result");
	assert_int_equal(SP_JGET(result, "resultType") != NULL, era == SP_ERA_MODERN);
	assert_int_equal(SP_JGET(result, "ttlMs") != NULL, era == SP_ERA_MODERN);
	assert_int_equal(SP_JGET(result, "_meta") != NULL, era == SP_ERA_MODERN);
	if (era == SP_ERA_MODERN)
		assert_true(sp_eq(sp_jtext(SP_JGET(result, "cacheScope")), SP_LIT("private")));
	assert_true(sp_jis_arr(sp_jget(result, sp_str(lists[i].member))));
	for (struct sp_jiter it = sp_jeach(sp_jget(result, sp_str(lists[i].member))); sp_jnext(&it);)
		assert_true(sp_cstr(sp_jtext(sp_jget(it.val, sp_str(lists[i].name))), got.names[got.n++], 32));
	assert_true(sp_cstr(sp_jtext(SP_JGET(result, "nextCursor")), got.cursor, sizeof got.cursor));
	sp_json_free(&doc);
	sp_out_free(&o);
	return SP_OK;
}

static enum sp_status
list(const struct sp_image *img, const struct sp_principal *p, const char *cursor, enum sp_era era)
{
	return list_of(img, p, SP_MCP_TOOLS_LIST, cursor, era);
}

static void
test_filter(void **state)
{
	static const struct {
		const char *name;
		const uint64_t *scopes, *tags;
		const char *want;
	} rows[] = {
		{ "E03 no scopes", none, none, "dns_shown docs_search" },
		{ "read", read_only, none, "dns_list dns_shown docs_search" },
		{ "write without the tag", both, none, "dns_list dns_shown docs_search" },
		{ "write with the tag", both, ops, "dns_create dns_delete dns_list dns_shown docs_search" },
		{ "the tag without scopes", none, ops, "dns_shown docs_search" },
	};
	struct sp_imgb b;
	struct sp_image img;

	ti_make(&b, &(struct ti_options){ 0 }, &img);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal p = who(rows[i].scopes, rows[i].tags, 1);
		char text[256];
		struct sp_out o;

		assert_int_equal(list(&img, &p, NULL, i % 2 == 0 ? SP_ERA_MODERN : SP_ERA_LEGACY), SP_OK);
		sp_out_init(&o, text, sizeof text);
		for (uint32_t k = 0; k < got.n; k++)
			sp_out_fmt(&o, "%s%s", k == 0 ? "" : " ", got.names[k]);
		if (!sp_eq(sp_out_view(&o), sp_str(rows[i].want)) || got.cursor[0] != '\0')
			fail_msg("%s: %.*s", rows[i].name, (int)o.n, o.p);
	}
	sp_imgb_free(&b);
}

/* All pages together are the whole list, in order, once; E03: what is hidden leaves no trace
 * in number or size. */
static void
test_pages(void **state)
{
	static const struct { uint32_t extra; size_t pad; uint32_t most; } rows[] = {
		{ 199, 0, SP_PAGE_ITEMS }, { 198, 0, SP_PAGE_ITEMS }, { 197, 0, SP_PAGE_ITEMS }, { 1000, 0, SP_PAGE_ITEMS },
		{ 300, 20000, 15 }, { 3, 300000, 2 },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_imgb b;
		struct sp_image img;
		struct sp_principal p = who(none, none, 1);
		char cursor[SP_CURSOR_MAX + 1] = "", last[32] = "";
		uint32_t total = 0, pages = 0;

		ti_make(&b, &(struct ti_options){ .extra = rows[i].extra, .pad = rows[i].pad }, &img);
		do {
			assert_int_equal(list(&img, &p, pages == 0 ? NULL : cursor, SP_ERA_MODERN), SP_OK);
			assert_true(got.n != 0 && got.n <= rows[i].most);
			for (uint32_t k = 0; k < got.n; k++) {
				assert_true(strcmp(last, got.names[k]) < 0);
				memcpy(last, got.names[k], sizeof last);
			}
			total += got.n;
			memcpy(cursor, got.cursor, sizeof cursor);
			assert_true(++pages < 1000);
		} while (cursor[0] != '\0');
		if (total != rows[i].extra + 2)
			fail_msg("row %zu: %u tools on %u pages", i, total, pages);
		sp_imgb_free(&b);
	}
}

static void
test_cursors(void **state)
{
	static const char *const bad[] = { "", "x", "AAAA", "!!!!", "AAAAAAAAAAA", "AAAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", LONG };
	struct sp_imgb b;
	struct sp_image img;
	struct sp_principal p = who(none, none, 1), other = who(none, none, 2);
	char cursor[SP_CURSOR_MAX + 1];

	ti_make(&b, &(struct ti_options){ .extra = 500 }, &img);
	assert_int_equal(list(&img, &p, NULL, SP_ERA_LEGACY), SP_OK);
	memcpy(cursor, got.cursor, sizeof cursor);
	assert_int_equal(list(&img, &p, cursor, SP_ERA_LEGACY), SP_OK);
	if (list(&img, &other, cursor, SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
		fail_msg("E25 another caller's cursor");
	for (size_t i = 0; i < strlen(cursor); i++) {
		char was = cursor[i];

		cursor[i] = was == 'A' ? 'B' : 'A';
		if (list(&img, &p, cursor, SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
			fail_msg("E25 forged at byte %zu", i);
		cursor[i] = '\0';
		if (i != 0 && list(&img, &p, cursor, SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
			fail_msg("E25 cut at byte %zu", i);
		cursor[i] = was;
	}
	for (size_t i = 0; i < SP_COUNT(bad); i++)
		if (list(&img, &p, bad[i], SP_ERA_LEGACY) != SP_E_BAD_PARAMS)
			fail_msg("E25 cursor %s", bad[i]);
	sp_imgb_free(&b);
}

/* ---- mcp servers */

enum { WIKI = 1, GIT = 2, HUB = 3, TOOL = SP_COMPONENT_TOOL, RES = SP_COMPONENT_RESOURCE, TPL = SP_COMPONENT_TEMPLATE,
	PROMPT = SP_COMPONENT_PROMPT };

static const struct ti_rule rules[] = {
	{ SP_VERB_ALLOW, WIKI, SP_SELECT_ALL },
	{ SP_VERB_ALLOW, GIT, SP_SELECT_ALL, NULL, 1 },		/* dns:read */
	{ SP_VERB_DENY, WIKI, SP_SELECT_NAME, "drop" },
	{ SP_VERB_DENY, WIKI, SP_SELECT_PROMPT, "hidden" },
	{ SP_VERB_DENY, WIKI, SP_SELECT_RESOURCE, "wiki://hidden" },
	{ SP_VERB_ALLOW, HUB, SP_SELECT_RESOURCE, "hub:**" },
};

static void
add(uint32_t server, int kind, const char *format, const char *name)
{
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	char text[256];

	snprintf(text, sizeof text, format, name);
	assert_int_equal(sp_json_read(sp_str(text), SP_JSON_DEFAULT, &j, &e), SP_OK);
	if (sp_catalog_add(catalogs[server], (enum sp_component_kind)kind, j.root, &e) != SP_OK)
		fail_msg("%s", e.log);
	sp_json_free(&j);
}

static void
fill(uint32_t server, const char *tools[], const char *uris[], const char *templates[], const char *prompts[])
{
	uint32_t dropped;

	for (; *tools != NULL; tools++)
		add(server, TOOL, "{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}", *tools);
	for (; *uris != NULL; uris++)
		add(server, RES, "{\"uri\":\"%s\",\"name\":\"x\"}", *uris);
	for (; *templates != NULL; templates++)
		add(server, TPL, "{\"uriTemplate\":\"%s\",\"name\":\"x\"}", *templates);
	for (; *prompts != NULL; prompts++)
		add(server, PROMPT, "{\"name\":\"%s\"}", *prompts);
	assert_int_equal(sp_catalog_seal(catalogs[server], &dropped), SP_OK);
}

#define LIST(...) (const char *[]){ __VA_ARGS__, NULL }
#define EMPTY (const char *[]){ NULL }

/* wiki and git are known, hub is not yet. */
static void
open_with(struct sp_imgb *b, struct sp_image *img, uint32_t alone, uint32_t extra)
{
	assert_int_equal(sp_crypto_init(NULL), SP_OK);
	ti_make(b, &(struct ti_options){ .mcp = 3, .rules = rules, .nrules = SP_COUNT(rules), .alone = alone, .extra = extra }, img);
	assert_int_equal(sp_catalog_new(img, WIKI, &catalogs[WIKI]), SP_OK);
	assert_int_equal(sp_catalog_new(img, GIT, &catalogs[GIT]), SP_OK);
	fill(WIKI, LIST("read", "Zap", "drop"), LIST("wiki://a", "z:same", "wiki://hidden"), LIST("wiki://page/{id}"),
	    LIST("ask", "hidden"));
	fill(GIT, LIST("log"), LIST("git:1", "z:same"), LIST("git://{+path}"), LIST("blame"));
	caps[WIKI] = SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS | SP_CAP_COMPLETIONS;
	caps[GIT] = SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS | SP_CAP_SUBSCRIBE | SP_CAP_LOGGING;
}

static void
open_world(struct sp_imgb *b, struct sp_image *img)
{
	open_with(b, img, 0, 0);
}

static void
close_world(struct sp_imgb *b)
{
	asked = 0;
	for (size_t i = 0; i < SP_COUNT(catalogs); i++)
		sp_catalog_free(&catalogs[i]);
	memset(caps, 0, sizeof caps);
	sp_imgb_free(b);
}

static const struct { const char *name; enum sp_mcp_method method; const uint64_t *scopes; const char *want; } merged[] = {
	{ "E03 tools, no scopes", SP_MCP_TOOLS_LIST, none, "dns_shown docs_search wiki_Zap wiki_read" },
	{ "parity 61 tools, read", SP_MCP_TOOLS_LIST, read_only, "dns_list dns_shown docs_search git_log wiki_Zap wiki_read" },
	{ "E03 resources, no scopes", SP_MCP_RESOURCES_LIST, none, "wiki://a z:same" },
	{ "parity 62 resources, of one URI the first server's", SP_MCP_RESOURCES_LIST, read_only, "git:1 wiki://a z:same" },
	{ "E03 templates, no scopes", SP_MCP_TEMPLATES_LIST, none, "wiki://page/{id}" },
	{ "templates", SP_MCP_TEMPLATES_LIST, read_only, "git://{+path} wiki://page/{id}" },
	{ "E03 prompts, no scopes", SP_MCP_PROMPTS_LIST, none, "wiki_ask" },
	{ "parity 65 prompts", SP_MCP_PROMPTS_LIST, read_only, "git_blame wiki_ask" },
};

static void
test_merged(void **state)
{
	struct sp_imgb b;
	struct sp_image img;

	open_world(&b, &img);
	for (size_t i = 0; i < 2 * SP_COUNT(merged); i++) {
		struct sp_principal p = who(merged[i / 2].scopes, none, 1);
		char text[512];
		struct sp_out o;

		assert_int_equal(list_of(&img, &p, merged[i / 2].method, NULL, i % 2 == 0 ? SP_ERA_MODERN : SP_ERA_LEGACY), SP_OK);
		sp_out_init(&o, text, sizeof text);
		for (uint32_t k = 0; k < got.n; k++)
			sp_out_fmt(&o, "%s%s", k == 0 ? "" : " ", got.names[k]);
		if (!sp_eq(sp_out_view(&o), sp_str(merged[i / 2].want)) || got.cursor[0] != '\0')
			fail_msg("%s: %.*s", merged[i / 2].name, (int)o.n, o.p);
	}
	close_world(&b);
}

/* Pages over three runs: each thing once, in order; and a cursor is good for its own list alone. */
static void
test_merged_pages(void **state)
{
	static const enum sp_mcp_method methods[] = { SP_MCP_TOOLS_LIST, SP_MCP_RESOURCES_LIST, SP_MCP_TEMPLATES_LIST,
		SP_MCP_PROMPTS_LIST };
	struct sp_imgb b;
	struct sp_image img;
	struct sp_principal p = who(read_only, none, 1);
	char cursor[SP_CURSOR_MAX + 1] = "", last[32] = "", name[32];
	uint32_t total = 0, pages = 0, dropped;

	assert_int_equal(sp_crypto_init(NULL), SP_OK);
	ti_make(&b, &(struct ti_options){ .mcp = 2, .rules = rules, .nrules = 2, .extra = 250 }, &img);
	for (uint32_t s = WIKI; s <= GIT; s++) {
		assert_int_equal(sp_catalog_new(&img, s, &catalogs[s]), SP_OK);
		for (unsigned i = 0; i < 500; i++) {
			snprintf(name, sizeof name, "u:%04u", i * 2 + (s == GIT && i % 3 != 0));
			add(s, RES, "{\"uri\":\"%s\",\"name\":\"x\"}", name);
			add(s, TOOL, "{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}", name + 2);
		}
		assert_int_equal(sp_catalog_seal(catalogs[s], &dropped), SP_OK);
	}
	for (unsigned m = 0; m < 2; m++, cursor[0] = last[0] = '\0', total = pages = 0) {
		do {
			assert_int_equal(list_of(&img, &p, methods[m], pages == 0 ? NULL : cursor, SP_ERA_MODERN), SP_OK);
			for (uint32_t k = 0; k < got.n; k++) {
				assert_true(strcmp(last, got.names[k]) < 0);
				memcpy(last, got.names[k], sizeof last);
			}
			total += got.n;
			memcpy(cursor, got.cursor, sizeof cursor);
			for (unsigned x = 0; x < SP_COUNT(methods) && cursor[0] != '\0'; x++)
				if (x != m && list_of(&img, &p, methods[x], cursor, SP_ERA_MODERN) != SP_E_BAD_PARAMS)
					fail_msg("E25 a cursor of another list");
			assert_true(++pages < 100);
		} while (cursor[0] != '\0');
		assert_int_equal(total, m == 0 ? 253 + 1000 : 500 + 333);
	}
	close_world(&b);
}

static const struct {
	const char *name;
	enum sp_mcp_method method;
	const char *ask;
	bool ref_template, found;
	uint32_t server;
	int kind;
	const char *own;
	bool item;
	uint32_t nrules;
} finds[] = {
	{ "a tool of the image", SP_MCP_TOOLS_CALL, "dns_list", false, true, 0, TOOL, "list", false, 1 },
	{ "a tool", SP_MCP_TOOLS_CALL, "wiki_read", false, true, WIKI, TOOL, "read", true, 1 },
	{ "a closed tool is found, to be decided", SP_MCP_TOOLS_CALL, "wiki_drop", false, true, WIKI, TOOL, "drop", true, 2 },
	{ "E04 a tool's own name", SP_MCP_TOOLS_CALL, "read", false, false, 0, 0, "", false, 0 },
	{ "E04 other case", SP_MCP_TOOLS_CALL, "wiki_Read", false, false, 0, 0, "", false, 0 },
	{ "E04 a trailing space", SP_MCP_TOOLS_CALL, "wiki_read ", false, false, 0, 0, "", false, 0 },
	{ "E04 the file's form", SP_MCP_TOOLS_CALL, "wiki.read", false, false, 0, 0, "", false, 0 },
	{ "E04 another server's prefix", SP_MCP_TOOLS_CALL, "git_read", false, false, 0, 0, "", false, 0 },
	{ "E14 a prompt as a tool", SP_MCP_TOOLS_CALL, "wiki_ask", false, false, 0, 0, "", false, 0 },
	{ "not known yet: by the prefix", SP_MCP_TOOLS_CALL, "hub_any", false, true, HUB, TOOL, "any", false, 0 },
	{ "not known yet: no name", SP_MCP_TOOLS_CALL, "hub_a/b", false, false, 0, 0, "", false, 0 },
	{ "not known yet: empty", SP_MCP_TOOLS_CALL, "hub_", false, false, 0, 0, "", false, 0 },
	{ "parity 65 a prompt", SP_MCP_PROMPTS_GET, "wiki_ask", false, true, WIKI, PROMPT, "ask", true, 1 },
	{ "E14 a tool as a prompt", SP_MCP_PROMPTS_GET, "wiki_read", false, false, 0, 0, "", false, 0 },
	{ "E14 a tool of the image as a prompt", SP_MCP_PROMPTS_GET, "dns_list", false, false, 0, 0, "", false, 0 },
	{ "parity 66 completion of a prompt", SP_MCP_COMPLETE, "git_blame", false, true, GIT, PROMPT, "blame", true, 1 },
	{ "parity 66 completion of a template", SP_MCP_COMPLETE, "git://{+path}", true, true, GIT, TPL, "git://{+path}", true, 1 },
	{ "completion of a resource", SP_MCP_COMPLETE, "git:1", true, true, GIT, RES, "git:1", true, 1 },
	{ "completion of an unknown template", SP_MCP_COMPLETE, "zz://{a}", true, false, 0, 0, "", false, 0 },
	{ "parity 62 a resource", SP_MCP_RESOURCES_READ, "git:1", false, true, GIT, RES, "git:1", true, 1 },
	{ "of one URI the first server's", SP_MCP_RESOURCES_READ, "z:same", false, true, WIKI, RES, "z:same", true, 1 },
	{ "by a template: the resource of that URI", SP_MCP_RESOURCES_READ, "wiki://page/7", false, true, WIKI, RES,
	    "wiki://page/7", false, 1 },
	{ "E14 by a template: its own rules", SP_MCP_RESOURCES_READ, "wiki://page/hidden", false, true, WIKI, RES,
	    "wiki://page/hidden", false, 1 },
	{ "a deny is among its rules", SP_MCP_SUBSCRIBE, "wiki://hidden", false, true, WIKI, RES, "wiki://hidden", true, 2 },
	{ "unlisted, three may have it", SP_MCP_RESOURCES_READ, "hub:1", false, false, 0, 0, "", false, 0 },
	{ "no URI", SP_MCP_RESOURCES_READ, "wiki", false, false, 0, 0, "", false, 0 },
	{ "E14 no such method", SP_MCP_PING, "wiki_read", false, false, 0, 0, "", false, 0 },
};

static void
test_find(void **state)
{
	struct sp_imgb b;
	struct sp_image img;

	open_world(&b, &img);
	for (size_t i = 0; i < SP_COUNT(finds); i++) {
		struct sp_mcp_ask ask = { .method = finds[i].method, .name = sp_str(finds[i].ask), .ref_template = finds[i].ref_template };
		struct sp_world w = world_of(&img);
		struct sp_found f;

		if (sp_mcp_find(&w, &ask, &f) != finds[i].found)
			fail_msg("%s", finds[i].name);
		if (!finds[i].found)
			continue;
		if (f.c.server != finds[i].server || f.c.kind != (enum sp_component_kind)finds[i].kind ||
		    !sp_eq(f.c.name, sp_str(finds[i].own)) || (f.item != NULL) != finds[i].item || f.c.nrules != finds[i].nrules ||
		    (f.tool != UINT32_MAX) != (finds[i].server == 0))
			fail_msg("%s: server %u kind %d name %.*s rules %u", finds[i].name, f.c.server, (int)f.c.kind,
			    SP_PRI(f.c.name), f.c.nrules);
	}
	close_world(&b);
}

/* A URI that nobody lists goes to the only server that may have it. */
static void
test_find_unlisted(void **state)
{
	static const struct ti_rule one[] = { { SP_VERB_ALLOW, HUB, SP_SELECT_RESOURCE, "hub:**" },
		{ SP_VERB_ALLOW, WIKI, SP_SELECT_PROMPT, "**" } };
	struct sp_mcp_ask ask = { .method = SP_MCP_RESOURCES_READ, .name = SP_LIT("hub:1") };
	struct sp_imgb b;
	struct sp_image img;
	struct sp_world w;
	struct sp_found f;

	ti_make(&b, &(struct ti_options){ .mcp = 3, .rules = one, .nrules = 2 }, &img);
	w = world_of(&img);
	assert_true(sp_mcp_find(&w, &ask, &f));		/* hub is not known yet */
	assert_int_equal(f.c.server, HUB);
	assert_int_equal(f.c.nrules, 1);
	ask.name = SP_LIT("wiki:1");
	assert_false(sp_mcp_find(&w, &ask, &f));	/* no rule names it */
	ask = (struct sp_mcp_ask){ .method = SP_MCP_COMPLETE, .name = SP_LIT("hub:{a}"), .ref_template = true };
	assert_true(sp_mcp_find(&w, &ask, &f));
	assert_int_equal(f.c.kind, SP_COMPONENT_TEMPLATE);
	close_world(&b);
}

static void
test_caps(void **state)
{
	enum { WIKI_CAPS = SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS | SP_CAP_COMPLETIONS };
	struct sp_principal nobody = who(none, none, 1), reader = who(read_only, none, 1);
	struct sp_imgb b;
	struct sp_image img;
	struct sp_world w;

	open_world(&b, &img);
	w = world_of(&img);
	assert_int_equal(sp_mcp_caps(&w, &nobody, NULL), WIKI_CAPS);	/* nothing of what git can */
	assert_int_equal(sp_mcp_caps(&w, &reader, NULL), WIKI_CAPS | SP_CAP_SUBSCRIBE | SP_CAP_LOGGING);
	close_world(&b);
	ti_make(&b, &(struct ti_options){ .mcp = 0 }, &img);
	w = world_of(&img);
	assert_int_equal(sp_mcp_caps(&w, &nobody, NULL), SP_CAP_TOOLS);
	close_world(&b);
	ti_make(&b, &(struct ti_options){ .mcp = 1 }, &img);
	w = world_of(&img);
	assert_int_equal(sp_mcp_caps(&w, &nobody, NULL), SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS);	/* not known yet */
	close_world(&b);
}

/* ---- a server that is alone at a resource of its own */

static const char *
names_of(const struct sp_image *img, const struct sp_principal *p, enum sp_mcp_method method)
{
	static char text[512];
	struct sp_out o;

	assert_int_equal(list_of(img, p, method, NULL, SP_ERA_MODERN), SP_OK);
	sp_out_init(&o, text, sizeof text - 1);
	for (uint32_t k = 0; k < got.n; k++)
		sp_out_fmt(&o, "%s%s", k == 0 ? "" : " ", got.names[k]);
	text[o.n] = '\0';
	return text;
}

static void
test_alone_lists(void **state)
{
	static const struct { const char *name; uint32_t at; enum sp_mcp_method method; const uint64_t *scopes; const char *want; } of[] = {
		{ "the others, with their prefixes", 0, SP_MCP_TOOLS_LIST, read_only, "dns_list dns_shown docs_search wiki_Zap wiki_read" },
		{ "its own names", 1, SP_MCP_TOOLS_LIST, read_only, "log" },
		{ "E03 for who may", 1, SP_MCP_TOOLS_LIST, none, "" },
		{ "its resources are not there", 0, SP_MCP_RESOURCES_LIST, read_only, "wiki://a z:same" },
		{ "nor does another's URI stand before its own", 1, SP_MCP_RESOURCES_LIST, read_only, "git:1 z:same" },
		{ "templates there", 0, SP_MCP_TEMPLATES_LIST, read_only, "wiki://page/{id}" },
		{ "templates here", 1, SP_MCP_TEMPLATES_LIST, read_only, "git://{+path}" },
		{ "prompts there", 0, SP_MCP_PROMPTS_LIST, read_only, "wiki_ask" },
		{ "prompts here", 1, SP_MCP_PROMPTS_LIST, read_only, "blame" },
	};
	struct sp_imgb b;
	struct sp_image img;

	open_with(&b, &img, GIT, 0);
	for (size_t i = 0; i < SP_COUNT(of); i++) {
		struct sp_principal p = who(of[i].scopes, none, 1);

		asked = of[i].at;
		if (strcmp(names_of(&img, &p, of[i].method), of[i].want) != 0)
			fail_msg("%s: %s", of[i].name, names_of(&img, &p, of[i].method));
	}
	close_world(&b);
}

/* E25: a cursor is good at the resource that gave it. */
static void
test_alone_cursor(void **state)
{
	struct sp_principal p = who(read_only, none, 1);
	struct sp_imgb b;
	struct sp_image img;
	char cursor[SP_CURSOR_MAX + 1];

	open_with(&b, &img, GIT, 500);
	assert_int_equal(list(&img, &p, NULL, SP_ERA_MODERN), SP_OK);
	memcpy(cursor, got.cursor, sizeof cursor);
	assert_int_equal(list(&img, &p, cursor, SP_ERA_MODERN), SP_OK);
	asked = 1;
	assert_int_equal(list(&img, &p, cursor, SP_ERA_MODERN), SP_E_BAD_PARAMS);
	close_world(&b);
}

static void
test_alone_find(void **state)
{
	static const struct { const char *name; uint32_t at; enum sp_mcp_method method; const char *ask; uint32_t server; const char *own; } of[] = {
		{ "its name", 1, SP_MCP_TOOLS_CALL, "log", GIT, "log" },
		{ "not with the prefix", 1, SP_MCP_TOOLS_CALL, "git_log", 0, NULL },
		{ "not where it is not", 0, SP_MCP_TOOLS_CALL, "git_log", 0, NULL },
		{ "not where it is not, by its own name", 0, SP_MCP_TOOLS_CALL, "log", 0, NULL },
		{ "E01 no tool of others", 1, SP_MCP_TOOLS_CALL, "wiki_read", 0, NULL },
		{ "E01 no tool of others, by its own name", 1, SP_MCP_TOOLS_CALL, "read", 0, NULL },
		{ "E01 no tool of the file", 1, SP_MCP_TOOLS_CALL, "dns_list", 0, NULL },
		{ "its prompt", 1, SP_MCP_PROMPTS_GET, "blame", GIT, "blame" },
		{ "not with the prefix", 1, SP_MCP_PROMPTS_GET, "git_blame", 0, NULL },
		{ "completion follows its prompt", 1, SP_MCP_COMPLETE, "blame", GIT, "blame" },
		{ "its resource, also where another has it", 1, SP_MCP_RESOURCES_READ, "z:same", GIT, "z:same" },
		{ "the other's, there", 0, SP_MCP_RESOURCES_READ, "z:same", WIKI, "z:same" },
		{ "E14 a URI of others is asked of this server alone", 1, SP_MCP_RESOURCES_READ, "wiki://a", GIT, "wiki://a" },
		{ "E14 by a template of others too", 1, SP_MCP_SUBSCRIBE, "wiki://page/1", GIT, "wiki://page/1" },
	};
	struct sp_imgb b;
	struct sp_image img;

	open_with(&b, &img, GIT, 0);
	for (size_t i = 0; i < SP_COUNT(of); i++) {
		struct sp_mcp_ask ask = { .method = of[i].method, .name = sp_str(of[i].ask) };
		struct sp_found f;
		struct sp_world w;
		bool found;

		asked = of[i].at;
		w = world_of(&img);
		found = sp_mcp_find(&w, &ask, &f);
		if (found != (of[i].own != NULL) || (found && (f.c.server != of[i].server || !sp_eq(f.c.name, sp_str(of[i].own)))))
			fail_msg("%s", of[i].name);
	}
	close_world(&b);
}

/* A name over 64 bytes is cut and hashed as with a prefix; before its catalogue is known every name may be the server's. */
static void
test_alone_names(void **state)
{
	static const char name[] = TEN TEN TEN TEN TEN TEN TEN TEN;
	struct sp_mcp_ask ask = { .method = SP_MCP_TOOLS_CALL };
	struct sp_principal p = who(none, none, 1);
	char buf[SP_SHOWN_MAX + 1];
	struct sp_imgb b;
	struct sp_image img;
	struct sp_found f;
	struct sp_world w;

	assert_int_equal(sp_crypto_init(NULL), SP_OK);
	ti_make(&b, &(struct ti_options){ .mcp = 3, .rules = rules, .nrules = SP_COUNT(rules), .alone = WIKI }, &img);
	asked = 1;
	w = world_of(&img);
	ask.name = SP_LIT("anything");
	assert_true(sp_mcp_find(&w, &ask, &f) && f.c.server == WIKI && sp_eq(f.c.name, ask.name) && f.item == NULL);
	assert_int_equal(sp_mcp_caps(&w, &p, NULL), SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS);
	assert_int_equal(sp_catalog_new(&img, WIKI, &catalogs[WIKI]), SP_OK);
	fill(WIKI, LIST(name, "short"), EMPTY, EMPTY, EMPTY);
	ask.name = sp_shown_name(&img, WIKI, sp_str(name), buf);
	assert_true(ask.name.n == SP_SHOWN_MAX && sp_starts(sp_str(name), sp_sub(ask.name, 0, 55)));
	assert_true(sp_mcp_find(&w, &ask, &f) && sp_eq(f.c.name, sp_str(name)));
	ask.name = SP_LIT("anything");
	assert_false(sp_mcp_find(&w, &ask, &f));
	assert_int_equal(sp_mcp_caps(&w, &p, NULL), SP_CAP_TOOLS);
	close_world(&b);
}

static void
test_alone_about(void **state)
{
	static const sp_slice says[1 + TI_MCP] = { [WIKI] = SP_LIT_INIT("read first"), [GIT] = SP_LIT_INIT("log first") };
	struct sp_principal reader = who(read_only, none, 1), nobody = who(none, none, 1);
	struct sp_imgb b;
	struct sp_image img;
	struct sp_world w;
	char text[256];
	struct sp_out o;

	open_with(&b, &img, GIT, 0);
	w = world_of(&img);
	w.instructions = says;
	sp_out_init(&o, text, sizeof text);
	sp_mcp_instructions(&o, &w, &reader, NULL);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("wiki: read first")));
	assert_int_equal(sp_mcp_caps(&w, &reader, NULL) & (SP_CAP_SUBSCRIBE | SP_CAP_LOGGING), 0);	/* these git has */
	w.resource = 1;
	sp_out_reset(&o);
	sp_mcp_instructions(&o, &w, &reader, NULL);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("log first")));
	assert_int_equal(sp_mcp_caps(&w, &reader, NULL), caps[GIT] | SP_CAP_TOOLS);
	sp_out_reset(&o);
	sp_mcp_instructions(&o, &w, &nobody, NULL);
	assert_int_equal(o.n, 0);
	assert_int_equal(sp_mcp_caps(&w, &nobody, NULL), SP_CAP_TOOLS);
	close_world(&b);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_filter), cmocka_unit_test(test_pages), cmocka_unit_test(test_cursors),
		cmocka_unit_test(test_merged), cmocka_unit_test(test_merged_pages), cmocka_unit_test(test_find),
		cmocka_unit_test(test_find_unlisted), cmocka_unit_test(test_caps), cmocka_unit_test(test_alone_lists),
		cmocka_unit_test(test_alone_cursor), cmocka_unit_test(test_alone_find), cmocka_unit_test(test_alone_names),
		cmocka_unit_test(test_alone_about),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
