#include "mcp/params.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SCHEMA "{\"type\":\"object\",\"properties\":{" \
	"\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"}," \
	"\"count\":{\"type\":\"integer\",\"x-mcp-header\":\"Count\"}," \
	"\"dry\":{\"type\":\"boolean\",\"x-mcp-header\":\"Dry\"}," \
	"\"deep\":{\"type\":\"object\",\"properties\":{\"zone\":{\"type\":\"string\",\"x-mcp-header\":\"Zone\"}}}," \
	"\"bad1\":{\"type\":\"number\",\"x-mcp-header\":\"Number\"}," \
	"\"bad2\":{\"type\":\"string\",\"x-mcp-header\":\"a b\"}," \
	"\"bad3\":{\"type\":\"string\",\"x-mcp-header\":\"\"}," \
	"\"bad4\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"x-mcp-header\":\"Item\"}}," \
	"\"bad5\":{\"type\":\"string\",\"x-mcp-header\":7}}}"

static const struct { const char *name, *head, *args; bool ok; } cases[] = {
	{ "nothing", "", "{}", true },
	{ "same", "Mcp-Param-Region: eu\r\n", "{\"region\":\"eu\"}", true },
	{ "name without case", "MCP-PARAM-REGION: eu\r\n", "{\"region\":\"eu\"}", true },
	{ "base64", "Mcp-Param-Region: =?base64?ZXU=?=\r\n", "{\"region\":\"eu\"}", true },
	{ "E18 differs", "Mcp-Param-Region: us\r\n", "{\"region\":\"eu\"}", false },
	{ "E18 case differs", "Mcp-Param-Region: EU\r\n", "{\"region\":\"eu\"}", false },
	{ "E18 header missing", "", "{\"region\":\"eu\"}", false },
	{ "E18 argument missing", "Mcp-Param-Region: eu\r\n", "{}", false },
	{ "E18 argument null", "Mcp-Param-Region: eu\r\n", "{\"region\":null}", false },
	{ "null needs no header", "", "{\"region\":null}", true },
	{ "E18 twice", "Mcp-Param-Region: eu\r\nMcp-Param-Region: eu\r\n", "{\"region\":\"eu\"}", false },
	{ "E18 bad base64", "Mcp-Param-Region: =?base64?!!?=\r\n", "{\"region\":\"eu\"}", false },
	{ "integer", "Mcp-Param-Count: 42\r\n", "{\"count\":42}", true },
	{ "integer as a number", "Mcp-Param-Count: 42\r\n", "{\"count\":42.0}", true },
	{ "header as a number", "Mcp-Param-Count: 42.0\r\n", "{\"count\":42}", true },
	{ "E18 integer differs", "Mcp-Param-Count: 43\r\n", "{\"count\":42}", false },
	{ "E18 large integers that a double confuses", "Mcp-Param-Count: 9007199254740993\r\n",
	    "{\"count\":9007199254740992}", false },
	{ "E18 no number", "Mcp-Param-Count: 0x2a\r\n", "{\"count\":42}", false },
	{ "E18 plus sign", "Mcp-Param-Count: +42\r\n", "{\"count\":42}", false },
	{ "E18 empty number", "Mcp-Param-Count:\r\n", "{\"count\":42}", false },
	{ "E18 dangling dot", "Mcp-Param-Count: 42.\r\n", "{\"count\":42}", false },
	{ "true", "Mcp-Param-Dry: true\r\n", "{\"dry\":true}", true },
	{ "E18 true is not false", "Mcp-Param-Dry: false\r\n", "{\"dry\":true}", false },
	{ "E18 1 is not true", "Mcp-Param-Dry: 1\r\n", "{\"dry\":true}", false },
	{ "deep", "Mcp-Param-Zone: a\r\n", "{\"deep\":{\"zone\":\"a\"}}", true },
	{ "E18 deep differs", "Mcp-Param-Zone: b\r\n", "{\"deep\":{\"zone\":\"a\"}}", false },
	{ "deep under a text", "", "{\"deep\":\"zone\"}", true },
	{ "E18 a list is no text", "Mcp-Param-Region: eu\r\n", "{\"region\":[\"eu\"]}", false },
	{ "unknown headers are ignored", "Mcp-Param-Other: x\r\n", "{}", true },
	{ "marks that are not allowed are ignored", "Mcp-Param-Number: 7\r\nMcp-Param-Item: 7\r\n",
	    "{\"bad1\":1,\"bad2\":\"\",\"bad3\":\"\",\"bad4\":[\"x\"],\"bad5\":\"\"}", true },
};

static void
test_cases(void **state)
{
	struct sp_param_headers p;
	struct sp_arena forever;

	sp_arena_init(&forever, 1 << 20);
	assert_int_equal(sp_params_read(&forever, SP_LIT(SCHEMA), &p), SP_OK);
	assert_int_equal(p.n, 4);
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		static struct sp_http1 http;
		struct sp_arena a;
		char text[1024];
		sp_jval *args;
		sp_slice in;

		snprintf(text, sizeof text, "POST /mcp HTTP/1.1\r\nHost: a\r\n%s\r\n", cases[i].head);
		in = sp_str(text);
		sp_http_init(&http, SP_HTTP_REQUEST, (struct sp_http_limits){ 4096, 4096 });
		assert_int_equal(sp_http_read(&http, &in), SP_HTTP_HEAD);
		sp_arena_init(&a, 65536);
		assert_int_equal(sp_json_read_arena(&a, sp_str(cases[i].args), SP_JSON_DEFAULT, &args, NULL), SP_OK);
		if ((sp_params_check(&a, &p, &http.head, args, NULL) == SP_OK) != cases[i].ok)
			fail_msg("%s", cases[i].name);
		sp_arena_free(&a);
	}
	sp_arena_free(&forever);
}

/* No marks cost nothing; nesting and numbers are bounded. */
static void
test_bounds(void **state)
{
	static char text[65536];
	struct sp_param_headers p;
	struct sp_arena a;
	struct sp_out o;

	sp_arena_init(&a, 1 << 22);
	assert_int_equal(sp_params_read(&a, SP_LIT("{\"type\":\"object\""), &p), SP_OK);
	assert_int_equal(p.n, 0);
	assert_int_equal(sp_params_read(&a, SP_LIT("x-mcp-header, but no JSON"), &p), SP_E_BAD_JSON);
	sp_out_init(&o, text, sizeof text);
	for (unsigned i = 0; i < 20; i++)
		sp_out_str(&o, "{\"properties\":{\"a\":");
	sp_out_str(&o, "{\"type\":\"string\",\"x-mcp-header\":\"A\"}");
	for (unsigned i = 0; i < 20; i++)
		sp_out_str(&o, "}}");
	assert_int_equal(sp_params_read(&a, sp_out_view(&o), &p), SP_OK);
	assert_int_equal(p.n, 0);
	sp_out_init(&o, text, sizeof text);
	sp_out_str(&o, "{\"properties\":{\"z\":{}");
	for (unsigned i = 0; i < 500; i++)
		sp_out_fmt(&o, ",\"p%u\":{\"type\":\"string\",\"x-mcp-header\":\"P%u\"}", i, i);
	sp_out_str(&o, "}}");
	assert_int_equal(sp_params_read(&a, sp_out_view(&o), &p), SP_OK);
	assert_int_equal(p.n, SP_PARAM_HEADERS);
	sp_arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_cases), cmocka_unit_test(test_bounds) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
