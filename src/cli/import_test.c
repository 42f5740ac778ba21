#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/import_plan.h"

#include <stdlib.h>
#include <string.h>

static void
test_plain(void **state)
{
	static const struct { const char *name, *in, *want; bool any; } cases[] = {
		{ "no comments", "{\"a\": [1, 2]}", "{\"a\": [1, 2]}", false },
		{ "a line", "{ // x\n\"a\":1}", "{     \n\"a\":1}", true }, { "a block", "{/* \" */\"a\":1}", "{       \"a\":1}", true },
		{ "over lines", "{/*\n*/}", "{  \n  }", true }, { "inside a string", "{\"a\":\"// /* \"}", "{\"a\":\"// /* \"}", false },
		{ "a URL", "{\"u\":\"https://h/p\"}", "{\"u\":\"https://h/p\"}", false },
		{ "an escaped quote", "{\"a\":\"\\\"//\"}", "{\"a\":\"\\\"//\"}", false },
		{ "an escaped backslash", "{\"a\":\"\\\\\"}// x", "{\"a\":\"\\\\\"}    ", true },
		{ "trailing comma", "{\"a\":[1,],}", "{\"a\":[1 ] }", true }, { "comma, comment, brace", "[1, // x\n]", "[1      \n]", true },
		{ "comma in a string", "[\",]\"]", "[\",]\"]", false }, { "block without end", "{/* x", "{    ", true },
		{ "string without end", "{\"a", "{\"a", false }, { "ends in a backslash", "{\"a\\", "{\"a\\", false },
		{ "a slash alone", "{/}", "{/}", false }, { "empty", "", "", false },
	};

	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		char buf[256];
		struct sp_out o;
		bool any;

		sp_out_init(&o, buf, sizeof buf - 1);
		any = sp_import_plain(&o, sp_str(cases[i].in));
		if (any != cases[i].any || !sp_eq(sp_out_view(&o), sp_str(cases[i].want)))
			fail_msg("%s: %.*s", cases[i].name, (int)o.n, o.p);
	}
}

static const struct sp_import_client *
client(const char *file, bool home)
{
	for (size_t i = 0; i < sp_import_clients_n; i++)
		if (strcmp(sp_import_clients[i].file, file) == 0 && sp_import_clients[i].home == home)
			return &sp_import_clients[i];
	abort();
}

struct kit { struct sp_arena mem; struct sp_import found; struct sp_plan plan; sp_jval *root; struct sp_err e; };

static enum sp_status
load(struct kit *k, const struct sp_import_client *c, const char *text, const char *taken)
{
	enum sp_status st;

	memset(k, 0, sizeof *k);
	sp_arena_init(&k->mem, 1 << 24);
	st = sp_import_read(&k->mem, sp_str(text), c, 0, &k->found, &k->root, &k->e);
	sp_plan_make(&k->found, sp_str(taken), &k->plan);
	return st;
}

#define SERVER(name, members) "{\"mcpServers\":{\"" name "\":{" members "}}}"
#define KEY "canary-0123456789"

/* M24: no row of the report or the configuration holds the key. */
static const struct {
	const char *name, *file, *text;
	const char *yaml, *report;	/* what must stand there; NULL: no server is imported */
	const char *keys;		/* record names in order */
} rows[] = {
	{ "bearer", ".mcp.json", SERVER("wiki", "\"type\":\"http\",\"url\":\"https://w/mcp\",\"headers\":{\"Authorization\":\"Bearer " KEY "\"}"),
	  "  wiki:\n    mcp: https://w/mcp\n    secrets: {token: vault:wiki}\n", "wiki -> server wiki, https://w/mcp", "wiki" },
	{ "basic keeps its word", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"Authorization\":\"Basic " KEY "\"}"),
	  "{Authorization: {secret: vault:w-authorization, as: \"header Authorization Basic {}\"}}", "vault:w-authorization", "w-authorization" },
	{ "a header of its own", ".cursor/mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X-API-Key\":\"" KEY "\"}"),
	  "{X-API-Key: {secret: vault:w-x-api-key, as: \"header X-API-Key\"}}", "its header X-API-Key", "w-x-api-key" },
	{ "a key in the query", ".cursor/mcp.json", SERVER("w", "\"url\":\"https://w/mcp?team=7&api_key=" KEY "%21&x=1#f\""),
	  "mcp: \"https://w/mcp?team=7&x=1\"\n    secrets: {api_key: {secret: vault:w-api-key, as: \"query api_key\"}}", "its parameter api_key", "w-api-key" },
	{ "a variable", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"Authorization\":\"Bearer ${W_TOKEN}\"}"),
	  "{token: env:W_TOKEN}", "env:W_TOKEN", "" },
	{ "a variable as Cursor writes it", ".cursor/mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X-K\":\"${env:K}\"}"),
	  "{X-K: {secret: env:K, as: \"header X-K\"}}", "env:K", "" },
	{ "a variable as Gemini writes it", ".gemini/settings.json", SERVER("w", "\"httpUrl\":\"https://w/mcp\",\"headers\":{\"X-K\":\"$K\"}"),
	  "env:K", "env:K", "" },
	{ "a dollar elsewhere is text", ".cursor/mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X-K\":\"$" "canary012\"}"),
	  "vault:w-x-k", "vault:w-x-k", "w-x-k" },
	{ "an input", ".vscode/mcp.json", "{\"servers\":{\"w\":{\"type\":\"http\",\"url\":\"https://w/mcp\",\"headers\":{\"X-K\":\"${input:k}\"}}}}",
	  "vault:w-x-k", "sallyport vault set w-x-k", "" },
	{ "Q09 a default is no reference", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X-K\":\"${K:-" KEY "}\"}"),
	  "    mcp: https://w/mcp\nrules", "left out X-K: text and placeholders are mixed", "" },
	{ "Q09 mixed", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X-K\":\"" KEY "-${K}\"}"),
	  "    mcp: https://w/mcp\nrules", "left out X-K", "" },
	{ "too short to be told from text", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X-K\":\"abc\"}"),
	  "    mcp: https://w/mcp\nrules", "at least 8 bytes", "" },
	{ "a line break in a key", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X-K\":\"canary-01\\r\\nX: y\"}"),
	  "    mcp: https://w/mcp\nrules", "no control characters", "" },
	{ "a header that is none", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"X K\\n\":\"" KEY "\"}"),
	  "    mcp: https://w/mcp\nrules", "left out X K?: no name of a header", "" },
	{ "headers that we send", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"headers\":{\"Accept\":\"text/event-stream\"}"),
	  "    mcp: https://w/mcp\nrules", "left out Accept", "" },
	{ "below projects", ".claude.json", "{\"projects\":{\"/x\":" SERVER("p q", "\"type\":\"http\",\"url\":\"https://w/mcp\"") "}}",
	  "  p-q:\n", "p q -> server p-q", "" },
	{ "names that are taken", ".mcp.json", SERVER("All", "\"url\":\"https://w/mcp\""), "  all-2:\n", "server all-2", "" },
	{ "names that are none", ".mcp.json", SERVER("7 \\u00fc", "\"url\":\"https://w/mcp\""), "  server:\n", "server server", "" },
	{ "windsurf", ".codeium/windsurf/mcp_config.json", SERVER("w", "\"serverUrl\":\"https://w/mcp\""), "mcp: https://w/mcp", "server w", "" },
	{ "stdio", ".mcp.json", SERVER("w", "\"command\":\"npx\",\"env\":{\"K\":\"" KEY "\"}"), NULL, "the client starts it", "" },
	{ "sse", ".mcp.json", SERVER("w", "\"type\":\"sse\",\"url\":\"https://w/sse\""), NULL, "HTTP+SSE", "" },
	{ "sse as Gemini has it", ".gemini/settings.json", SERVER("w", "\"url\":\"https://w/sse\""), NULL, "HTTP+SSE", "" },
	{ "a placeholder in the URL", ".mcp.json", SERVER("w", "\"url\":\"https://${H}/mcp\""), NULL, "its URL holds a placeholder", "" },
	{ "a password in the URL", ".mcp.json", SERVER("w", "\"url\":\"https://u:" KEY "@w/mcp\""), NULL, "user:password@", "" },
	{ "disabled", ".mcp.json", SERVER("w", "\"url\":\"https://w/mcp\",\"disabled\":true"), NULL, "it is disabled", "" },
	{ "neither", ".mcp.json", SERVER("w", "\"headers\":{}"), NULL, "neither a command nor a URL", "" },
	{ "escape sequences in a name", ".mcp.json", SERVER("w\\u001b[2J", "\"url\":\"https://w/mcp\""), "  w-2j:\n", "w?[2J -> server", "" },
};

static bool
holds(const struct sp_out *o, const char *text)
{
	return sp_find(sp_out_view(o), sp_str(text)) != SIZE_MAX;
}

static void
check_keys(const char *name, const struct sp_out *keys, const char *want)
{
	sp_slice in = sp_str(want), one, all = sp_out_view(keys);
	size_t n = 0;

	while (want[0] != '\0' && sp_take_part(&in, ' ', &one)) {
		n++;
		if (sp_find(all, one) == SIZE_MAX || sp_find(all, SP_LIT("canary")) == SIZE_MAX)
			fail_msg("%s: keys", name);
	}
	if ((n == 0) != (all.n == 0))
		fail_msg("%s: %zu bytes of keys", name, all.n);
}

static void
test_servers(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		static struct kit k;
		struct sp_out yaml, report, keys;
		bool home = strstr(rows[i].file, "claude.json") != NULL || strstr(rows[i].file, "windsurf") != NULL;

		if (load(&k, client(rows[i].file, home), rows[i].text, "") != SP_OK)
			fail_msg("%s: %s", rows[i].name, k.e.log);
		sp_out_heap(&yaml, 65536);
		sp_out_heap(&report, 65536);
		sp_out_heap(&keys, 65536);
		assert_true(sp_plan_yaml(&yaml, &k.plan, SP_LIT(""), SP_LIT("")));
		sp_plan_report(&report, &k.plan, 0);
		sp_plan_keys(&keys, &k.plan);
		if ((k.plan.servers != 0) != (rows[i].yaml != NULL) || (rows[i].yaml != NULL && !holds(&yaml, rows[i].yaml)) ||
		    !holds(&report, rows[i].report))
			fail_msg("%s:\n%.*s%.*s", rows[i].name, (int)yaml.n, yaml.p, (int)report.n, report.p);
		if (holds(&yaml, "canary") || holds(&report, "canary"))
			fail_msg("%s: the key is shown", rows[i].name);
		check_keys(rows[i].name, &keys, rows[i].keys);
		sp_out_free(&yaml);
		sp_out_free(&report);
		sp_out_free(&keys);
		sp_arena_free(&k.mem);
	}
}

/* Of one URL the first counts; records that are there are not overwritten. */
static void
test_twice_and_taken(void **state)
{
	static struct kit k;
	struct sp_out o;

	assert_int_equal(load(&k, client(".mcp.json", false), "{\"mcpServers\":{\"w\":{\"url\":\"https://w/mcp\",\"headers\":{\"Authorization\":"
	    "\"Bearer " KEY "\"}},\"v\":{\"url\":\"https://w/mcp\"},\"W\":{\"url\":\"https://x/mcp\"}}}", "other\nw\nw-2\n"), SP_OK);
	assert_int_equal(k.plan.servers, 2);
	assert_string_equal(k.plan.list[0].record[0], "w-3");
	assert_string_equal(k.plan.list[1].name, "");
	assert_string_equal(k.plan.list[2].name, "w-2");
	sp_out_heap(&o, 65536);
	sp_plan_report(&o, &k.plan, 0);
	assert_true(holds(&o, "v -> server w, which has this URL already"));
	sp_out_free(&o);
	sp_arena_free(&k.mem);
}

static void
test_rewrite(void **state)
{
	static struct kit k;
	struct sp_out o;

	assert_int_equal(load(&k, client(".mcp.json", false), "{\"n\":1.50,\"mcpServers\":{\"w\":{\"url\":\"https://w/mcp\",\"headers\":"
	    "{\"Authorization\":\"Bearer " KEY "\"}},\"local\":{\"command\":\"x\",\"args\":[\"a\",{}]}},\"e\":[],\"s\":\"\\u001b\\\"\"}", ""), SP_OK);
	sp_out_heap(&o, 65536);
	sp_import_rewrite(&o, k.root, client(".mcp.json", false), "http://g/mcp", sp_plan_moved, &k.plan);
	sp_out_byte(&o, '\0');
	assert_string_equal(o.p, "{\n  \"n\": 1.50,\n  \"mcpServers\": {\n    \"sallyport\": {\n      \"type\": \"http\",\n      \"url\": \"http://g/mcp\",\n"
	    "      \"headers\": { \"Authorization\": \"Bearer ${SALLYPORT_TOKEN}\" }\n    },\n    \"local\": {\n      \"command\": \"x\",\n"
	    "      \"args\": [\n        \"a\",\n        {}\n      ]\n    }\n  },\n  \"e\": [],\n  \"s\": \"\\u001b\\\"\"\n}\n");
	sp_out_free(&o);
	sp_arena_free(&k.mem);
}

static void
test_refused(void **state)
{
	static const struct { const char *name, *text; } cases[] = {
		{ "no JSON", "{" }, { "empty", "" }, { "a list", "[]" }, { "a repeated server", "{\"mcpServers\":{\"a\":{},\"a\":{}}}" },
		{ "a BOM", "\xef\xbb\xbf{}" }, { "bytes after", "{} x" },
	};
	static struct kit k;

	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		if (load(&k, client(".mcp.json", false), cases[i].text, "") == SP_OK || k.e.log[0] == '\0' || k.found.n != 0)
			fail_msg("%s", cases[i].name);
		sp_arena_free(&k.mem);
	}
	/* More than is taken at once is counted, not kept. */
	char *text = malloc(65536);
	struct sp_out o;

	sp_out_init(&o, text, 65535);
	sp_out_str(&o, "{\"servers\":{");
	for (int i = 0; i < 70; i++)
		sp_out_fmt(&o, "%s\"s%d\":{\"url\":\"https://w/%d\"}", i == 0 ? "" : ",", i, i);
	sp_out_str(&o, "}}");
	text[o.n] = '\0';
	assert_int_equal(load(&k, client(".mcp.json", false), text, ""), SP_OK);
	assert_int_equal(k.found.n, SP_IMPORT_SERVERS);
	assert_int_equal(k.found.dropped, 6);
	sp_arena_free(&k.mem);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_servers), cmocka_unit_test(test_twice_and_taken),
		cmocka_unit_test(test_rewrite), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
