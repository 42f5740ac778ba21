#include "mcp/result.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define META "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" SP_MCP_INFO "}"
#define R(members) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{" members "}}"
#define M(members) R("\"resultType\":\"complete\"," META members)
#define N(method, params) "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/" method "\"" params "}"
#define SUB(v) "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":" v "}"

enum { EVERY = SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS | SP_CAP_COMPLETIONS | SP_CAP_LOGGING | SP_CAP_SUBSCRIBE };

static const sp_slice none = { NULL, 0 };
static char buf[65536];

static void
expect(struct sp_out *o, const char *name, const char *want)
{
	struct sp_json doc = { 0 };

	if (!sp_eq(sp_out_view(o), sp_str(want)))
		fail_msg("%s:\n got  %.*s\n want %s", name, (int)o->n, o->p, want);
	if (sp_json_read(sp_out_view(o), SP_JSON_DEFAULT, &doc, NULL) != SP_OK)
		fail_msg("%s is no JSON", name);
	sp_json_free(&doc);
	sp_out_init(o, buf, sizeof buf);
}

static void
test_fixed(void **state)
{
	struct sp_out o;
	bool comma;

	sp_out_init(&o, buf, sizeof buf);
	sp_mcp_empty(&o, SP_ERA_LEGACY, SP_LIT("\"a\""));
	expect(&o, "ping", "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{}}");
	sp_mcp_discover(&o, SP_LIT("1"), SP_CAP_TOOLS, none);
	expect(&o, "discover", M(",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{\"listChanged\":true}},"
	    "\"ttlMs\":60000,\"cacheScope\":\"private\""));
	sp_mcp_discover(&o, SP_LIT("1"), 0, SP_LIT("a\"b"));
	expect(&o, "discover nothing", M(",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{},"
	    "\"instructions\":\"a\\\"b\",\"ttlMs\":60000,\"cacheScope\":\"private\""));
	sp_mcp_initialize(&o, SP_LIT("1"), SP_LIT("2025-06-18"), EVERY, SP_LIT("x"));
	expect(&o, "initialize", R("\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{\"listChanged\":true},"
	    "\"prompts\":{\"listChanged\":true},\"completions\":{},\"logging\":{},"
	    "\"resources\":{\"listChanged\":true,\"subscribe\":true}},\"serverInfo\":" SP_MCP_INFO ",\"instructions\":\"x\""));
	sp_mcp_initialize(&o, SP_LIT("1"), SP_LIT("2025-11-25"), SP_CAP_RESOURCES, none);
	expect(&o, "initialize, resources alone", R("\"protocolVersion\":\"2025-11-25\",\"capabilities\":{"
	    "\"resources\":{\"listChanged\":true}},\"serverInfo\":" SP_MCP_INFO));
	sp_mcp_tool_error(&o, SP_ERA_LEGACY, SP_LIT("1"), SP_LIT("no\n"));
	expect(&o, "tool error", R("\"content\":[{\"type\":\"text\",\"text\":\"no\\n\"}],\"isError\":true"));
	sp_mcp_tool_error(&o, SP_ERA_MODERN, SP_LIT("1"), SP_LIT("no"));
	expect(&o, "modern tool error", M(",\"content\":[{\"type\":\"text\",\"text\":\"no\"}],\"isError\":true"));
	sp_mcp_open(&o, SP_ERA_LEGACY, SP_LIT("1"), &comma);
	assert_false(comma);
}

static const struct {
	const char *name;
	struct sp_mcp_ask ask;
	const char *want;
} unknown[] = {
	{ "E03 tool", { SP_ERA_LEGACY, SP_MCP_TOOLS_CALL, .name = SP_LIT_INIT("a_b") }, "-32602,\"message\":\"Unknown tool: a_b\"" },
	{ "E14 prompt", { SP_ERA_MODERN, SP_MCP_PROMPTS_GET, .name = SP_LIT_INIT("p") }, "-32602,\"message\":\"Unknown prompt: p\"" },
	{ "E14 completion of a prompt", { SP_ERA_LEGACY, SP_MCP_COMPLETE, .name = SP_LIT_INIT("p") },
	    "-32602,\"message\":\"Unknown prompt: p\"" },
	{ "E14 resource, legacy", { SP_ERA_LEGACY, SP_MCP_RESOURCES_READ, .name = SP_LIT_INIT("a:b") },
	    "-32002,\"message\":\"Resource not found\",\"data\":{\"uri\":\"a:b\"}" },
	{ "E14 resource, modern", { SP_ERA_MODERN, SP_MCP_RESOURCES_READ, .name = SP_LIT_INIT("a:b") },
	    "-32602,\"message\":\"Resource not found\",\"data\":{\"uri\":\"a:b\"}" },
	{ "E14 subscribe", { SP_ERA_LEGACY, SP_MCP_SUBSCRIBE, .name = SP_LIT_INIT("a:b") },
	    "-32002,\"message\":\"Resource not found\",\"data\":{\"uri\":\"a:b\"}" },
	{ "E14 completion of a template", { SP_ERA_MODERN, SP_MCP_COMPLETE, .name = SP_LIT_INIT("a:{b}"), .ref_template = true },
	    "-32602,\"message\":\"Resource not found\",\"data\":{\"uri\":\"a:{b}\"}" },
};

static void
test_unknown(void **state)
{
	for (size_t i = 0; i < SP_COUNT(unknown); i++) {
		struct sp_out o, want;
		char text[512];

		sp_out_init(&o, buf, sizeof buf);
		sp_mcp_unknown(&o, &unknown[i].ask, SP_LIT("1"));
		sp_out_init(&want, text, sizeof text);
		sp_out_fmt(&want, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":%s}}", unknown[i].want);
		sp_out_byte(&want, '\0');
		expect(&o, unknown[i].name, text);
	}
}

static void
test_listen(void **state)
{
	struct sp_mcp_ask ask = { .era = SP_ERA_MODERN, .method = SP_MCP_LISTEN };
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_mcp_listen_ack(&o, SP_LIT("1"), &ask, none);
	expect(&o, "nothing asked", N("subscriptions/acknowledged", ",\"params\":{" SUB("1") ",\"notifications\":{}}"));
	ask.listen_prompts = true;
	sp_mcp_listen_ack(&o, SP_LIT("\"1\""), &ask, SP_LIT("[\"a:b\"]"));
	expect(&o, "the id keeps its type", N("subscriptions/acknowledged", ",\"params\":{" SUB("\"1\"")
	    ",\"notifications\":{\"promptsListChanged\":true,\"resourceSubscriptions\":[\"a:b\"]}}"));
	ask.listen_tools = ask.listen_resources = true;
	sp_mcp_listen_ack(&o, SP_LIT("1"), &ask, none);
	expect(&o, "all lists", N("subscriptions/acknowledged", ",\"params\":{" SUB("1") ",\"notifications\":{"
	    "\"toolsListChanged\":true,\"promptsListChanged\":true,\"resourcesListChanged\":true}}"));
	sp_mcp_listen_end(&o, SP_LIT("1"));
	expect(&o, "end", R("\"resultType\":\"complete\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" SP_MCP_INFO
	    ",\"io.modelcontextprotocol/subscriptionId\":1}"));
}

static void
test_notes(void **state)
{
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_mcp_list_changed(&o, SP_COMPONENT_TOOL, none);
	expect(&o, "tools", N("tools/list_changed", ""));
	sp_mcp_list_changed(&o, SP_COMPONENT_PROMPT, SP_LIT("7"));
	expect(&o, "prompts", N("prompts/list_changed", ",\"params\":{" SUB("7") "}"));
	sp_mcp_list_changed(&o, SP_COMPONENT_TEMPLATE, none);
	expect(&o, "templates", N("resources/list_changed", ""));
	sp_mcp_updated(&o, SP_LIT("{\"uri\":\"a:b\"}"), none);
	expect(&o, "updated", N("resources/updated", ",\"params\":{\"uri\":\"a:b\"}"));
	sp_mcp_updated(&o, SP_LIT("{\"uri\":\"a:b\"}"), SP_LIT("7"));
	expect(&o, "updated, modern", N("resources/updated", ",\"params\":{" SUB("7") ",\"uri\":\"a:b\"}"));
	sp_mcp_progress(&o, SP_LIT("{\"progress\":0.5}"), SP_LIT("\"t\""));
	expect(&o, "O16 progress", N("progress", ",\"params\":{\"progressToken\":\"t\",\"progress\":0.5}"));
	sp_mcp_progress(&o, SP_LIT("{}"), SP_LIT("1"));
	expect(&o, "no members", N("progress", ",\"params\":{\"progressToken\":1}"));
	sp_mcp_message(&o, SP_LIT("{\"level\":\"info\",\"data\":1}"));
	expect(&o, "message", N("message", ",\"params\":{\"level\":\"info\",\"data\":1}"));
	sp_mcp_result_prefix(&o, SP_LIT("1"));
	sp_out_str(&o, "{}" SP_MCP_END);
	expect(&o, "whole", R(""));
	sp_mcp_error_prefix(&o, SP_LIT("1"));
	sp_out_str(&o, "{\"code\":1}" SP_MCP_END);
	expect(&o, "error", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1}}");
}

/* Old revisions are answered with one that we speak. */
static void
test_initialize(void **state)
{
	static const struct { const char *asked, *got; } rows[] = {
		{ "2025-11-25", "2025-11-25" }, { "2025-06-18", "2025-06-18" }, { "2025-03-26", "2025-11-25" },
		{ "2024-11-05", "2025-11-25" }, { "2026-07-28", "2025-11-25" }, { "", "2025-11-25" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_out o;
		char want[64];

		sp_out_init(&o, buf, sizeof buf);
		sp_mcp_initialize(&o, SP_LIT("0"), sp_str(rows[i].asked), 0, none);
		snprintf(want, sizeof want, "\"protocolVersion\":\"%s\"", rows[i].got);
		if (sp_find(sp_out_view(&o), sp_str(want)) == SIZE_MAX)
			fail_msg("%s: %.*s", rows[i].asked, (int)o.n, o.p);
	}
}

/* A long name is cut, and not within a character. */
static void
test_unknown_cut(void **state)
{
	static const struct { size_t first, want; } rows[] = { { 0, 128 }, { 1, 127 }, { 2, 128 } };

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_mcp_ask ask = { .era = SP_ERA_LEGACY, .method = SP_MCP_TOOLS_CALL };
		char name[400];
		struct sp_out n, o;

		sp_out_init(&n, name, sizeof name);
		sp_out_add(&n, "xx", rows[i].first);
		while (n.n < 300)
			sp_out_str(&n, "\xc3\xa9");
		sp_out_init(&o, buf, sizeof buf);
		ask.name = sp_out_view(&n);
		sp_mcp_unknown(&o, &ask, SP_LIT("1"));
		assert_true(sp_find(sp_out_view(&o), SP_LIT("\xef\xbf\xbd")) == SIZE_MAX);
		assert_true(sp_find(sp_out_view(&o), sp_mem(name, rows[i].want)) != SIZE_MAX);
		assert_true(sp_find(sp_out_view(&o), sp_mem(name, rows[i].want + 1)) == SIZE_MAX);
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_fixed), cmocka_unit_test(test_unknown), cmocka_unit_test(test_listen),
		cmocka_unit_test(test_notes), cmocka_unit_test(test_initialize), cmocka_unit_test(test_unknown_cut),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
