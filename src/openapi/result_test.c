#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

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

/* Answers whole: content of other kinds, and structured content. */
static const struct {
	const char *name;
	sp_slice media, body;
	enum sp_op_result form;
	const char *want;
} whole[] = {
	{ "image", SP_LIT_INIT("image/PNG; x=y"), SP_LIT_INIT("\x89PNG"), SP_RESULT_TEXT,
	    "{\"content\":[{\"type\":\"image\",\"mimeType\":\"image/png\",\"data\":\"iVBORw==\"}],\"isError\":false}" },
	{ "audio", SP_LIT_INIT("audio/wav"), SP_LIT_INIT("hi"), SP_RESULT_TEXT,
	    "{\"content\":[{\"type\":\"audio\",\"mimeType\":\"audio/wav\",\"data\":\"aGk=\"}],\"isError\":false}" },
	{ "other bytes", SP_LIT_INIT("application/pdf"), SP_LIT_INIT("hi"), SP_RESULT_TEXT,
	    "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"urn:sallyport:answer\","
	    "\"mimeType\":\"application/pdf\",\"blob\":\"aGk=\"}}],\"isError\":false}" },
	{ "no type, bytes", SP_LIT_INIT(""), SP_LIT_INIT("\x00\xff"), SP_RESULT_TEXT,
	    "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"urn:sallyport:answer\","
	    "\"mimeType\":\"application/octet-stream\",\"blob\":\"AP8=\"}}],\"isError\":false}" },
	{ "hostile type", SP_LIT_INIT("image/x\"},{\"/y\r\nZ: 1"), SP_LIT_INIT("\x89"), SP_RESULT_TEXT,
	    "{\"content\":[{\"type\":\"resource\",\"resource\":{\"uri\":\"urn:sallyport:answer\","
	    "\"mimeType\":\"application/octet-stream\",\"blob\":\"iQ==\"}}],\"isError\":false}" },
	{ "SVG is text", SP_LIT_INIT("image/svg+xml"), SP_LIT_INIT("<svg/>"), SP_RESULT_TEXT,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"<svg/>\"}],\"isError\":false}" },
	{ "object", SP_LIT_INIT("application/json"), SP_LIT_INIT("{ \"a\" : 1.10 }"), SP_RESULT_OBJECT,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"{ \\\"a\\\" : 1.10 }\"}],\"structuredContent\":{\"a\":1.10},"
	    "\"isError\":false}" },
	{ "list is wrapped", SP_LIT_INIT("application/hal+json"), SP_LIT_INIT("[1]"), SP_RESULT_WRAPPED,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"[1]\"}],\"structuredContent\":{\"result\":[1]},\"isError\":false}" },
	{ "list where an object was promised", SP_LIT_INIT("application/json"), SP_LIT_INIT("[1]"), SP_RESULT_OBJECT,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"[1]\"}],\"structuredContent\":{},\"isError\":false}" },
	{ "cut short", SP_LIT_INIT("application/json"), SP_LIT_INIT("{\"a\":"), SP_RESULT_OBJECT,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"a\\\":\"}],\"structuredContent\":{},\"isError\":false}" },
	{ "twin keys", SP_LIT_INIT("application/json"), SP_LIT_INIT("{\"a\":1,\"a\":2}"), SP_RESULT_WRAPPED,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}],\"structuredContent\":{},"
	    "\"isError\":false}" },
	{ "empty answer", SP_LIT_INIT(""), SP_LIT_INIT(""), SP_RESULT_WRAPPED,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"\"}],\"structuredContent\":{},\"isError\":false}" },
	{ "text where JSON was promised", SP_LIT_INIT("text/plain"), SP_LIT_INIT("{}"), SP_RESULT_OBJECT,
	    "{\"content\":[{\"type\":\"text\",\"text\":\"{}\"}],\"structuredContent\":{},\"isError\":false}" },
};

static void
test_whole(void **state)
{
	for (size_t i = 0; i < SP_COUNT(whole); i++) {
		char buf[1024];
		struct sp_out o;

		sp_out_init(&o, buf, sizeof buf);
		sp_result_http(&o, 200, whole[i].media, whole[i].body, whole[i].form);
		if (o.full || !sp_eq(sp_out_view(&o), sp_str(whole[i].want)))
			fail_msg("%s: %.*s", whole[i].name, (int)o.n, o.p);
	}
}

/* M26: bytes over the limit are named, not shown; JSON over the limit is text alone. */
static void
test_large(void **state)
{
	size_t n = SP_RESULT_BLOB + 1;
	char *body = malloc(n);
	struct sp_out o;

	assert_non_null(body);
	memset(body, '1', n);
	sp_out_heap(&o, 16 << 20);
	sp_result_http(&o, 200, SP_LIT("image/png"), sp_mem(body, n), SP_RESULT_TEXT);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("{\"content\":[{\"type\":\"text\",\"text\":\"[the upstream answered with "
	    "1048577 bytes of type image/png, which are not shown as text]\"}],\"isError\":false}")));
	sp_out_reset(&o);
	sp_result_http(&o, 200, SP_LIT("application/json"), sp_mem(body, n), SP_RESULT_WRAPPED);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("\"structuredContent\":{},")) != SIZE_MAX);
	sp_out_free(&o);
	free(body);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http), cmocka_unit_test(test_whole), cmocka_unit_test(test_large), cmocka_unit_test(test_error),
	};

	return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
