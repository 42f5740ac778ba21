#include "base/check.h"
#include "oauth/prm.h"
#include "wire/challenge.h"
#include "wire/json.h"

#define BASE "/.well-known/oauth-protected-resource"

static void
test_url(void **state)
{
	static const struct { const char *resource, *want; } rows[] = {
		{ "https://g.example/mcp", "https://g.example" BASE "/mcp" },
		{ "https://g.example", "https://g.example" BASE },
		{ "https://g.example/", "https://g.example" BASE },
		{ "https://g.example/public/mcp", "https://g.example" BASE "/public/mcp" },
		{ "https://g.example:8443/mcp", "https://g.example:8443" BASE "/mcp" },
		{ "http://127.0.0.1:8420/mcp", "http://127.0.0.1:8420" BASE "/mcp" },
		{ "http://[::1]:8420/mcp", "http://[::1]:8420" BASE "/mcp" },
		{ "https://g.example?x=1", "https://g.example" BASE "?x=1" },
		{ "https://g.example/mcp?x=1", "https://g.example" BASE "/mcp?x=1" },
		{ "https://g.example/mcp#x", NULL }, { "https:///mcp", NULL }, { "mcp", NULL }, { "", NULL }, { "https://", NULL },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char buf[256];
		struct sp_out o;
		bool ok;

		sp_out_init(&o, buf, sizeof buf);
		ok = sp_prm_url(&o, sp_str(rows[i].resource));
		CHECK(rows[i].resource, ok == (rows[i].want != NULL));
		CHECK(rows[i].resource, !ok || sp_eq(sp_out_view(&o), sp_str(rows[i].want)));
	}
}

static void
test_document(void **state)
{
	static const sp_slice servers[] = { SP_LIT_INIT("https://as/t1"), SP_LIT_INIT("https://b") };
	static const sp_slice scopes[] = { SP_LIT_INIT("offline_access"), SP_LIT_INIT("dns:read"), SP_LIT_INIT("a\"b\\c\n") };
	char buf[1024];
	struct sp_out o;
	struct sp_json j = { 0 };

	sp_out_init(&o, buf, sizeof buf);
	sp_prm_write(&o, SP_LIT("https://g/mcp"), servers, 2, scopes, 2);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("{\"resource\":\"https://g/mcp\",\"authorization_servers\":[\"https://as/t1\",\"https://b\"],"
	    "\"scopes_supported\":[\"dns:read\"],\"bearer_methods_supported\":[\"header\"]}")));
	sp_out_reset(&o);
	sp_prm_write(&o, SP_LIT("https://g/mcp"), NULL, 0, scopes, 1);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("{\"resource\":\"https://g/mcp\",\"bearer_methods_supported\":[\"header\"]}")));
	sp_out_reset(&o);
	sp_prm_write(&o, SP_LIT("https://g/\"<\xff"), servers, 2, scopes, 3);
	assert_int_equal(sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &j, NULL), SP_OK);
	sp_json_free(&j);
}

static void
test_challenge(void **state)
{
	static const struct { const char *name; sp_slice in[4]; const char *want; } rows[] = {
		{ "nothing", { { NULL, 0 } }, "Bearer" },
		{ "D01 no credential", { { NULL, 0 }, { NULL, 0 }, SP_LIT_INIT("dns:read"), SP_LIT_INIT("https://g/m") },
		    "Bearer scope=\"dns:read\", resource_metadata=\"https://g/m\"" },
		{ "all", { SP_LIT_INIT("insufficient_scope"), SP_LIT_INIT("more is needed"), SP_LIT_INIT("a b"), SP_LIT_INIT("https://g/m") },
		    "Bearer error=\"insufficient_scope\", error_description=\"more is needed\", scope=\"a b\", resource_metadata=\"https://g/m\"" },
		{ "D07 quotes", { SP_LIT_INIT("x"), SP_LIT_INIT("a\"b\\c") }, "Bearer error=\"x\", error_description=\"a\\\"b\\\\c\"" },
		{ "D07 CR LF", { SP_LIT_INIT("x"), SP_LIT_INIT("a\r\nSet-Cookie: y\0\xff") }, "Bearer error=\"x\", error_description=\"a??Set-Cookie: y??\"" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char buf[512];
		struct sp_out o;

		sp_out_init(&o, buf, sizeof buf);
		sp_challenge_write(&o, rows[i].in[0], rows[i].in[1], rows[i].in[2], rows[i].in[3]);
		CHECK(rows[i].name, sp_eq(sp_out_view(&o), sp_str(rows[i].want)));
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_url), cmocka_unit_test(test_document), cmocka_unit_test(test_challenge),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
