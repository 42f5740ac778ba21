/* The scrubber without a server. */
#include <sallyport/pieces.h>

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "s3cr3t-k3y-0123456789"

static size_t
in_pieces(struct sp_scrubber *s, const char *text, size_t each, char *out, size_t cap, unsigned *hits)
{
	size_t n = strlen(text), done = 0, at = 0;

	do {
		size_t take = n - at < each ? n - at : each;
		size_t got = sp_scrubber_pass(s, text + at, take, at + take == n, out + done, cap - done, hits);

		assert_true(got != SIZE_MAX);
		done += got;
		at += take;
	} while (at < n);
	out[done] = '\0';
	return done;
}

static void
across_borders(void **state)
{
	static const char *const texts[] = {
		"plain " KEY " text", "base64 czNjcjN0LWszeS0wMTIzNDU2Nzg5 text", "hex 7333637233742d6b33792d30313233343536373839 text",
		KEY, KEY KEY, "nothing of it",
	};
	struct sp_error error = { 0 };
	struct sp_scrubber *s = sp_scrubber_new(SP_LIST(KEY, "another-secret"), &error);
	char out[8192], whole[8192];

	assert_non_null(s);
	for (size_t i = 0; i < SP_COUNT(texts); i++) {
		unsigned all = 0;

		(void)in_pieces(s, texts[i], strlen(texts[i]), whole, sizeof whole, &all);
		CHECK(texts[i], (all != 0) == (i < 5));
		CHECK(texts[i], strstr(whole, "0123456789") == NULL && strstr(whole, "MTIzNDU2") == NULL && strstr(whole, "31323334") == NULL);
		for (size_t each = 1; each < 12; each++) {
			unsigned hits = 0;

			(void)in_pieces(s, texts[i], each, out, sizeof out, &hits);
			CHECK(texts[i], strcmp(out, whole) == 0 && hits == all);
		}
	}
	CHECK("several together", in_pieces(s, "another-secret " KEY, 5, out, sizeof out, NULL) < 30);
	sp_scrubber_free(s);
}

static void
fails_closed(void **state)
{
	struct sp_error error = { 0 };
	struct sp_scrubber *s;
	char out[16] = "", all[64];

	assert_null(sp_scrubber_new(SP_LIST("short"), &error));
	assert_int_equal(error.rc, SP_RC_INVALID);
	assert_null(strstr(error.text, "short-secret"));
	s = sp_scrubber_new(SP_LIST(KEY), &error);
	assert_non_null(s);
	assert_true(sp_scrubber_pass(s, "more than there is room for in the buffer", 41, true, out, sizeof out, NULL) == SIZE_MAX);
	assert_true(sp_scrubber_pass(s, "x", 1, true, all, sizeof all, NULL) == SIZE_MAX);
	sp_scrubber_free(s);
	sp_scrubber_free(NULL);
	s = sp_scrubber_new(NULL, &error);
	assert_non_null(s);
	assert_int_equal(sp_scrubber_pass(s, "x", 1, true, all, sizeof all, NULL), 1);
	sp_scrubber_free(s);
}

/* What the header promises to be enough. */
static void
room(void **state)
{
	struct sp_scrubber *s = sp_scrubber_new(SP_LIST("12345678"), NULL);
	size_t n = 9 * 4000, cap = 2 * n + 4096 + 16 * 8;
	char *in = malloc(n), *out = malloc(cap);
	unsigned hits = 0;

	assert_non_null(s);
	for (size_t i = 0; i < n; i += 9)
		memcpy(in + i, "12345678,", 9);
	assert_true(sp_scrubber_pass(s, in, n, true, out, cap, &hits) != SIZE_MAX);
	assert_int_equal(hits, 4000);
	free(in);
	free(out);
	sp_scrubber_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(across_borders), cmocka_unit_test(fails_closed), cmocka_unit_test(room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
