#include "mcp/rpc.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define M "{\"jsonrpc\":\"2.0\","

static const struct {
	const char *name, *text;
	enum sp_status st;
	enum sp_rpc_kind kind;
	const char *id, *method;
} cases[] = {
	{ "request", M "\"id\":1,\"method\":\"ping\"}", SP_OK, SP_RPC_REQUEST, "1", "ping" },
	{ "text id", M "\"id\":\"a\\\"b\",\"method\":\"ping\"}", SP_OK, SP_RPC_REQUEST, "\"a\\\"b\"", "ping" },
	{ "empty text id", M "\"id\":\"\",\"method\":\"ping\"}", SP_OK, SP_RPC_REQUEST, "\"\"", "ping" },
	{ "negative id", M "\"id\":-7,\"method\":\"ping\"}", SP_OK, SP_RPC_REQUEST, "-7", "ping" },
	{ "largest id", M "\"id\":9223372036854775807,\"method\":\"p\"}", SP_OK, SP_RPC_REQUEST, "9223372036854775807", "p" },
	{ "notification", M "\"method\":\"notifications/initialized\"}", SP_OK, SP_RPC_NOTIFICATION, "",
	    "notifications/initialized" },
	{ "response", M "\"id\":1,\"result\":{}}", SP_OK, SP_RPC_RESPONSE, "1", "" },
	{ "error response", M "\"id\":1,\"error\":{\"code\":1,\"message\":\"\"}}", SP_OK, SP_RPC_RESPONSE, "1", "" },
	{ "params", M "\"id\":1,\"method\":\"p\",\"params\":{}}", SP_OK, SP_RPC_REQUEST, "1", "p" },
	{ "L13 __proto__ in params is data", M "\"id\":1,\"method\":\"p\",\"params\":{\"__proto__\":{}}}", SP_OK,
	    SP_RPC_REQUEST, "1", "p" },
	{ "D19 batch", "[" M "\"id\":1,\"method\":\"ping\"}]", SP_E_BAD_RPC, 0, "", "" },
	{ "D19 empty batch", "[]", SP_E_BAD_RPC, 0, "", "" },
	{ "text", "\"ping\"", SP_E_BAD_RPC, 0, "", "" },
	{ "null", "null", SP_E_BAD_RPC, 0, "", "" },
	{ "empty object", "{}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id null", M "\"id\":null,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id float", M "\"id\":1.5,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id 1.0", M "\"id\":1.0,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id 1e2", M "\"id\":1e2,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id 2^70", M "\"id\":1180591620717411303424,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id object", M "\"id\":{},\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id array", M "\"id\":[1],\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L07 id true", M "\"id\":true,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "", "" },
	{ "L08 no jsonrpc", "{\"id\":1,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "1", "" },
	{ "L08 jsonrpc 1.0", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "1", "" },
	{ "L08 jsonrpc number", "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"p\"}", SP_E_BAD_RPC, 0, "1", "" },
	{ "L08 extra member", M "\"id\":1,\"method\":\"p\",\"x\":1}", SP_E_BAD_RPC, 0, "1", "" },
	{ "L08 params array", M "\"id\":1,\"method\":\"p\",\"params\":[]}", SP_E_BAD_RPC, 0, "1", "" },
	{ "params null", M "\"id\":1,\"method\":\"p\",\"params\":null}", SP_E_BAD_RPC, 0, "1", "" },
	{ "method number", M "\"id\":1,\"method\":1}", SP_E_BAD_RPC, 0, "1", "" },
	{ "method empty", M "\"id\":1,\"method\":\"\"}", SP_E_BAD_RPC, 0, "1", "" },
	{ "L11 method with NUL", M "\"id\":1,\"method\":\"ping\\u0000\"}", SP_E_BAD_RPC, 0, "1", "" },
	{ "no method", M "\"id\":1}", SP_E_BAD_RPC, 0, "1", "" },
	{ "method and result", M "\"id\":1,\"method\":\"p\",\"result\":{}}", SP_E_BAD_RPC, 0, "1", "" },
	{ "result and error", M "\"id\":1,\"result\":{},\"error\":{}}", SP_E_BAD_RPC, 0, "1", "" },
	{ "response with params", M "\"id\":1,\"result\":{},\"params\":{}}", SP_E_BAD_RPC, 0, "1", "" },
};

static void
test_cases(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct sp_arena a;
		struct sp_rpc m = { 0 };
		struct sp_err e = { 0 };
		sp_jval *root;
		enum sp_status st;

		sp_arena_init(&a, 65536);
		assert_int_equal(sp_json_read_arena(&a, sp_str(cases[i].text), SP_JSON_DEFAULT, &root, &e), SP_OK);
		st = sp_rpc_read(&a, root, &m, &e);
		if (st != cases[i].st || !sp_eq(m.id, sp_str(cases[i].id)))
			fail_msg("%s: status %d id %.*s", cases[i].name, st, SP_PRI(m.id));
		if (st == SP_OK && (m.kind != cases[i].kind || !sp_eq(m.method, sp_str(cases[i].method))))
			fail_msg("%s: kind %d method %.*s", cases[i].name, m.kind, SP_PRI(m.method));
		sp_arena_free(&a);
	}
}

static void
test_long_id(void **state)
{
	static char text[1 << 20];
	struct sp_arena a;
	struct sp_rpc m = { 0 };
	struct sp_out o;
	sp_jval *root;

	for (size_t n = SP_RPC_ID_MAX; n <= SP_RPC_ID_MAX + 1 || n < 900000; n = n == SP_RPC_ID_MAX ? n + 1 : 900000) {
		sp_arena_init(&a, 8 << 20);
		sp_out_init(&o, text, sizeof text);
		sp_out_str(&o, M "\"method\":\"p\",\"id\":\"");
		for (size_t i = 0; i < n; i++)
			sp_out_byte(&o, 'x');
		sp_out_str(&o, "\"}");
		assert_int_equal(sp_json_read_arena(&a, sp_out_view(&o), SP_JSON_DEFAULT, &root, NULL), SP_OK);
		assert_int_equal(sp_rpc_read(&a, root, &m, NULL), n == SP_RPC_ID_MAX ? SP_OK : SP_E_BAD_RPC);
		sp_arena_free(&a);
	}
}

/* An id of nothing but what has to be escaped still fits. */
static void
test_escaped_id(void **state)
{
	char text[4096];
	struct sp_arena a;
	struct sp_rpc m = { 0 };
	struct sp_out o;
	sp_jval *root;

	sp_arena_init(&a, 65536);
	sp_out_init(&o, text, sizeof text);
	sp_out_str(&o, M "\"method\":\"p\",\"id\":\"");
	for (size_t i = 0; i < SP_RPC_ID_MAX; i++)
		sp_out_str(&o, "\\u001f");
	sp_out_str(&o, "\"}");
	assert_int_equal(sp_json_read_arena(&a, sp_out_view(&o), SP_JSON_DEFAULT, &root, NULL), SP_OK);
	assert_int_equal(sp_rpc_read(&a, root, &m, NULL), SP_OK);
	assert_int_equal(m.id.n, SP_RPC_ID_MAX * 6 + 2);
	sp_arena_free(&a);
}

static char buf[8192];

static void
expect(struct sp_out *o, const char *name, const char *want)
{
	if (!sp_eq(sp_out_view(o), sp_str(want)))
		fail_msg("%s:\n got  %.*s\n want %s", name, (int)o->n, o->p, want);
	sp_out_init(o, buf, sizeof buf);
}

static void
test_errors(void **state)
{
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_rpc_error(&o, SP_LIT("7"), SP_E_NO_METHOD, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
	expect(&o, "error", "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32601,\"message\":\"method not found\"}}");
	sp_rpc_error(&o, (sp_slice){ NULL, 0 }, SP_E_BAD_JSON, SP_LIT("a\"b"), SP_LIT("{}"));
	expect(&o, "error without id",
	    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"a\\\"b\",\"data\":{}}}");
	sp_rpc_error(&o, SP_LIT("7"), SP_E_NOT_FOUND, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
	expect(&o, "a status without a code",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32603,\"message\":\"not found\"}}");
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_long_id), cmocka_unit_test(test_escaped_id),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
