#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mcp/sse.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 16, SAID = 4096 };

/* Every event as type|data|id; at the end "!" for a bad stream. */
static void
read_all(sp_slice in, size_t piece, size_t limit, char said[SAID], uint32_t *retry_ms)
{
	struct sp_sse s;
	struct sp_out o;
	bool bad = false;

	sp_sse_init(&s, limit);
	sp_out_init(&o, said, SAID - 1);
	while (in.n != 0 && !bad) {
		/* A copy of exactly this size, so that a reader that goes on to the next byte is caught. */
		sp_slice part = sp_sub(in, 0, piece);
		char *copy = malloc(part.n);
		enum sp_sse_step step;

		assert_non_null(copy);
		memcpy(copy, part.p, part.n);
		sp_advance(&in, part.n);
		part.p = copy;
		while ((step = sp_sse_read(&s, &part)) == SP_SSE_EVENT) {
			sp_out_slice(&o, s.type);
			sp_out_byte(&o, '|');
			sp_out_slice(&o, s.data);
			sp_out_byte(&o, '|');
			sp_out_slice(&o, s.id);
			sp_out_byte(&o, ';');
		}
		bad = step == SP_SSE_BAD;
		assert_true(bad ? s.why != NULL : part.n == 0);
		free(copy);
	}
	sp_out_str(&o, bad ? "!" : "");
	assert_false(o.full);
	said[o.n] = '\0';
	*retry_ms = s.retry_ms;
	sp_sse_free(&s);
}

static const struct {
	const char *name;
	sp_slice in;
	const char *want;
	uint32_t retry_ms;
} cases[] = {
	{ "nothing", SP_LIT_INIT(""), "", 0 },
	{ "one event", SP_LIT_INIT("data: a\n\n"), "message|a|;", 0 },
	{ "no blank", SP_LIT_INIT("data:a\n\n"), "message|a|;", 0 },
	{ "one blank goes, the second stays", SP_LIT_INIT("data:  a\n\n"), "message| a|;", 0 },
	{ "a tab stays", SP_LIT_INIT("data:\ta\n\n"), "message|\ta|;", 0 },
	{ "CR", SP_LIT_INIT("data: a\r\rdata: b\r\r"), "message|a|;message|b|;", 0 },
	{ "CRLF", SP_LIT_INIT("data: a\r\n\r\ndata: b\r\n\r\n"), "message|a|;message|b|;", 0 },
	{ "mixed ends", SP_LIT_INIT("data: a\r\n\ndata: b\n\rdata: c\r\r\n"), "message|a|;message|b|;message|c|;", 0 },
	{ "CR LF CR: two ends", SP_LIT_INIT("data: a\r\n\r"), "message|a|;", 0 },
	{ "byte order mark", SP_LIT_INIT("\xef\xbb\xbf" "data: a\n\n"), "message|a|;", 0 },
	{ "a second byte order mark is a name", SP_LIT_INIT("\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\n"), "", 0 },
	{ "byte order mark in the second line", SP_LIT_INIT("data: a\n\xef\xbb\xbf" "data: b\n\n"), "message|a|;", 0 },
	{ "data is joined", SP_LIT_INIT("data: a\ndata\ndata: b\n\n"), "message|a\n\nb|;", 0 },
	{ "empty data is an event", SP_LIT_INIT("data\n\ndata:\n\n"), "message||;message||;", 0 },
	{ "priming event", SP_LIT_INIT("id: 7\ndata:\n\n"), "message||7;", 0 },
	{ "no data, no event; the type is forgotten", SP_LIT_INIT("event: x\n\ndata: a\n\n"), "message|a|;", 0 },
	{ "no data, but the id counts", SP_LIT_INIT("id: 7\n\ndata: a\n\n"), "message|a|7;", 0 },
	{ "the id stays", SP_LIT_INIT("id: 7\ndata: a\n\ndata: b\n\n"), "message|a|7;message|b|7;", 0 },
	{ "an empty id takes it back", SP_LIT_INIT("id: 7\ndata: a\n\nid\ndata: b\n\n"), "message|a|7;message|b|;", 0 },
	{ "an id of an event that is not complete", SP_LIT_INIT("data: a\n\nid: 9\n"), "message|a|;", 0 },
	{ "id with NUL", SP_LIT_INIT("id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n"), "message|a|1;message|b|1;", 0 },
	{ "id with a control character", SP_LIT_INIT("id: 2\x1b\ndata: b\n\n"), "message|b|;", 0 },
	{ "named", SP_LIT_INIT("event: tick\ndata: a\n\ndata: b\n\n"), "tick|a|;message|b|;", 0 },
	{ "the last name counts", SP_LIT_INIT("event: x\nevent: y\ndata: a\n\n"), "y|a|;", 0 },
	{ "comments", SP_LIT_INIT(": hi\n:\ndata: a\n:x: data: no\n\n"), "message|a|;", 0 },
	{ "unknown fields", SP_LIT_INIT("foo: 1\nDATA: x\n data: y\ndata : z\ndatax: q\ndata: a\n\n"), "message|a|;", 0 },
	{ "a colon in the value", SP_LIT_INIT("data: a:b: c\n\n"), "message|a:b: c|;", 0 },
	{ "retry", SP_LIT_INIT("retry: 0150\n\n"), "", 150 },
	{ "retry without digits", SP_LIT_INIT("retry: 5\nretry:\nretry: -1\nretry: 1.5\nretry: 7 \n\n"), "", 5 },
	{ "retry far too long", SP_LIT_INIT("retry: 99999999999\n\n"), "", UINT32_MAX },
	{ "unfinished event", SP_LIT_INIT("data: a\n\ndata: b\n"), "message|a|;", 0 },
	{ "unfinished line", SP_LIT_INIT("data: a\n\ndata: b"), "message|a|;", 0 },
	{ "at the limit", SP_LIT_INIT("data: 0123456789abcdef\n\n"), "message|0123456789abcdef|;", 0 },
	{ "over the limit", SP_LIT_INIT("data: a\n\ndata: 0123456789abcdefg\n\n"), "message|a|;!", 0 },
	{ "many lines, at the limit", SP_LIT_INIT("data: 0123456789abcde\ndata:\n\n"), "message|0123456789abcde\n|;", 0 },
	{ "many lines, over the limit", SP_LIT_INIT("data: 0123456789abcdef\ndata:\n\n"), "!", 0 },
	{ "data that never ends an event", SP_LIT_INIT("data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n"
	    "data\ndata\ndata\ndata\ndata\ndata\n"), "!", 0 },
	{ "nothing is read after that", SP_LIT_INIT("data: 0123456789abcdefg\ndata: a\n\n"), "!", 0 },
};

static void
test_cases(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 4096 };

	for (size_t i = 0; i < SP_COUNT(cases); i++)
		for (size_t k = 0; k < SP_COUNT(pieces); k++) {
			char said[SAID];
			uint32_t retry_ms;

			read_all(cases[i].in, pieces[k], LIMIT, said, &retry_ms);
			if (strcmp(said, cases[i].want) != 0 || retry_ms != cases[i].retry_ms)
				fail_msg("%s in pieces of %zu: %s, retry %u", cases[i].name, pieces[k], said, retry_ms);
		}
}

/* Limits that depend on how many bytes come: of the type, the id, a line. */
static void
test_limits(void **state)
{
	static const struct { const char *name, *before, *after; size_t fill; const char *end; } rows[] = {
		{ "id of 1 kB", "id: ", "\ndata: a\n\n", SP_SSE_ID, ";" },
		{ "id over 1 kB", "id: ", "\ndata: a\n\n", SP_SSE_ID + 1, "!" },
		{ "long type", "event: ", "\ndata: a\n\n", SP_SSE_NAME, ";" },
		{ "type too long", "event: ", "\ndata: a\n\n", SP_SSE_NAME + 1, "!" },
		{ "long comment", ":", "\ndata: a\n\n", LIMIT + SP_SSE_FIELD - 1, ";" },
		{ "comment too long", ":", "\ndata: a\n\n", LIMIT + SP_SSE_FIELD, "!" },
		{ "line without an end", "", "", LIMIT + SP_SSE_FIELD + 1, "!" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		for (size_t piece = 1; piece < 4096; piece = piece * 5 + 2) {
			char in[4096], said[SAID];
			uint32_t retry_ms;
			struct sp_out o;
			size_t n;

			sp_out_init(&o, in, sizeof in);
			sp_out_str(&o, rows[i].before);
			for (n = 0; n < rows[i].fill; n++)
				sp_out_byte(&o, 'x');
			sp_out_str(&o, rows[i].after);
			read_all(sp_out_view(&o), piece, LIMIT, said, &retry_ms);
			n = strlen(said);
			if (n == 0 || said[n - 1] != rows[i].end[0])
				fail_msg("%s in pieces of %zu: %s", rows[i].name, piece, said);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases), cmocka_unit_test(test_limits) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
