/* Media types, as tables; what needs an image or a verifier is in request_test.c. */
#include "http/gate.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct { const char *name, *lines; enum sp_status st; } rows[] = {
	{ "plain", "Content-Type: application/json\r\n", SP_OK },
	{ "no case", "Content-Type: Application/JSON\r\n", SP_OK },
	{ "utf-8", "Content-Type: application/json; charset=utf-8\r\n", SP_OK },
	{ "UTF-8 quoted", "Content-Type: application/json;charset=\"UTF-8\"\r\n", SP_OK },
	{ "other parameter", "Content-Type: application/json; x=y\r\n", SP_OK },
	{ "L10 none", "", SP_E_MEDIA },
	{ "L10 empty", "Content-Type:\r\n", SP_E_MEDIA },
	{ "L10 text", "Content-Type: text/plain\r\n", SP_E_MEDIA },
	{ "L10 text with a hint", "Content-Type: text/plain; application/json\r\n", SP_E_MEDIA },
	{ "L10 list", "Content-Type: application/json, text/plain\r\n", SP_E_MEDIA },
	{ "L10 twice", "Content-Type: application/json\r\nContent-Type: application/json\r\n", SP_E_MEDIA },
	{ "L10 json-seq", "Content-Type: application/json-seq\r\n", SP_E_MEDIA },
	{ "L10 latin", "Content-Type: application/json; charset=iso-8859-1\r\n", SP_E_MEDIA },
	{ "L10 utf-16", "Content-Type: application/json; x=y; CHARSET=utf-16\r\n", SP_E_MEDIA },
	{ "L10 parameter without value", "Content-Type: application/json; charset\r\n", SP_E_MEDIA },
	{ "identity", "Content-Type: application/json\r\nContent-Encoding: identity\r\n", SP_OK },
	{ "gzip", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", SP_E_MEDIA },
};

static const struct { const char *name, *accept; bool ok; } accepts[] = {
	{ "both", "application/json, text/event-stream", true },
	{ "json alone", "application/json", true },
	{ "anything", "*/*", true },
	{ "any application", "application/*;q=0.1", true },
	{ "no case", "APPLICATION/JSON", true },
	{ "second", "text/html , application/json;q=0.5", true },
	{ "stream alone", "text/event-stream", false },
	{ "html", "text/html", false },
	{ "empty", "", false },
	{ "q=0", "application/json;q=0", false },
	{ "q=0.000", "application/json; q=0.000", false },
	{ "Q=0.", "application/json;Q=0.", false },
	{ "q=0.001", "application/json;q=0.001", true },
	{ "refused here, allowed there", "application/json;q=0, */*", true },
	{ "look-alike", "application/jsonx", false },
};

static enum sp_status
judge(const char *method, const char *lines)
{
	static struct sp_http1 http;
	static char text[1024];
	sp_slice in;

	snprintf(text, sizeof text, "%s /mcp HTTP/1.1\r\nHost: a\r\n%s\r\n", method, lines);
	in = sp_str(text);
	sp_http_init(&http, SP_HTTP_REQUEST, (struct sp_http_limits){ 4096, 4096 });
	assert_int_equal(sp_http_read(&http, &in), SP_HTTP_HEAD);
	return sp_gate_post(&http.head, NULL);
}

static void
test_types(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (judge("POST", rows[i].lines) != rows[i].st)
			fail_msg("%s", rows[i].name);
	assert_int_equal(judge("PUT", rows[0].lines), SP_E_METHOD);
	assert_int_equal(judge("GET", ""), SP_E_METHOD);
}

static void
test_accept(void **state)
{
	char lines[256];

	for (size_t i = 0; i < SP_COUNT(accepts); i++) {
		snprintf(lines, sizeof lines, "Content-Type: application/json\r\nAccept: %s\r\n", accepts[i].accept);
		if (judge("POST", lines) != (accepts[i].ok ? SP_OK : SP_E_ACCEPT))
			fail_msg("%s", accepts[i].name);
	}
	assert_int_equal(judge("POST", "Content-Type: application/json\r\nAccept: text/html\r\nAccept: */*\r\n"), SP_OK);
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_types), cmocka_unit_test(test_accept) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
