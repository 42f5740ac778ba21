#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "openapi/result.h"
#include "wire/json.h"

static const struct {
	const char *name;
	unsigned status;
	sp_slice media, body;
	const char *text;
	bool	 error;
} rows[] = {
	{ "JSON", 200, SP_LIT_INIT("application/json"), SP_LIT_INIT("{\"a\":\"b\\n\"}"), "{\"a\":\"b\\n\"}", false },
	{ "JSON with parameters", 201, SP_LIT_INIT("Application/Problem+JSON; charset=utf-8"), SP_LIT_INIT("{}"), "{}", false },
	{ "text", 200, SP_LIT_INIT("text/plain"), SP_LIT_INIT("a\"b\\\x01"), "a\"b\\\x01", false },
	{ "invalid UTF-8", 200, SP_LIT_INIT("text/plain"), SP_LIT_INIT("a\xff\xc0\xaf"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", false },
	{ "empty", 204, SP_LIT_INIT(""), SP_LIT_INIT(""), "", false },
	{ "empty image", 200, SP_LIT_INIT("image/png"), SP_LIT_INIT(""), "", false },
	{ "no type, text", 200, SP_LIT_INIT(""), SP_LIT_INIT("hi"), "hi", false },
	{ "no type, bytes", 200, SP_LIT_INIT(""), SP_LIT_INIT("\x00\xff"),
	    "[the upstream answered with 2 bytes of type unknown, which are not shown as text]", false },
	{ "image", 200, SP_LIT_INIT("image/png"), SP_LIT_INIT("\x89PNG"),
	    "[the upstream answered with 4 bytes of type image/png, which are not shown as text]", false },
	{ "hostile type", 200, SP_LIT_INIT("x\"},{\"/y\r\nZ: 1"), SP_LIT_INIT("\x89"),
	    "[the upstream answered with 1 bytes of type unknown, which are not shown as text]", false },
	{ "M12 401", 401, SP_LIT_INIT("application/json"), SP_LIT_INIT("{\"error\":\"x\"}"),
	    "the upstream answered 401 Unauthorized\n{\"error\":\"x\"}", true },
	{ "M11 redirect", 302, SP_LIT_INIT("text/html"), SP_LIT_INIT(""), "the upstream answered 302 Found", true },
	{ "unknown status", 599, SP_LIT_INIT(""), SP_LIT_INIT(""), "the upstream answered 599", true },
	{ "500 with an image", 500, SP_LIT_INIT("image/gif"), SP_LIT_INIT("GIF"), "the upstream answered 500 Internal Server "
	    "Error\n[the upstream answered with 3 bytes of type image/gif, which are not shown as text]", true },
};

static void
holds(const char *name, struct sp_out *o, sp_slice text, bool error)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	sp_jval *first;

	if (o->full || sp_json_read(sp_out_view(o), SP_JSON_DEFAULT, &j, NULL) != SP_OK)
		fail_msg("%s: %.*s", name, (int)o->n, o->p);
	first = yyjson_arr_get_first(SP_JGET(j.root, "content"));
	if (!sp_eq(sp_jtext(SP_JGET(first, "text")), text) || sp_jtrue(SP_JGET(j.root, "isError")) != error ||
	    !sp_eq(sp_jtext(SP_JGET(first, "type")), SP_LIT("text")))
		fail_msg("%s: %.*s", name, (int)o->n, o->p);
}

static void
test_http(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char buf[1024];
		struct sp_out o;

		sp_out_init(&o, buf, sizeof buf);
		sp_result_http(&o, rows[i].status, rows[i].media, rows[i].body, SP_RESULT_TEXT);
		holds(rows[i].name, &o, sp_str(rows[i].text), rows[i].error);
	}
}

static void
test_error(void **state)
{
	char buf[256];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_result_error(&o, SP_LIT("no \"answer\"\n"));
	holds("error", &o, SP_LIT("no \"answer\"\n"), true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_http), cmocka_unit_test(test_error) };

	return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
