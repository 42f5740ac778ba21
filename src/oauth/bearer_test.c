#include "base/check.h"
#include "oauth/verifier.h"

static const struct {
	const char *name;
	sp_slice field;
	enum sp_status want;
	sp_slice token;
} rows[] = {
	{ "plain", SP_LIT_INIT("Bearer abc"), SP_OK, SP_LIT_INIT("abc") },
	{ "D05 scheme in lower case", SP_LIT_INIT("bearer abc"), SP_OK, SP_LIT_INIT("abc") },
	{ "D05 scheme in upper case", SP_LIT_INIT("BEARER abc"), SP_OK, SP_LIT_INIT("abc") },
	{ "D05 two spaces", SP_LIT_INIT("Bearer  x"), SP_OK, SP_LIT_INIT("x") },
	{ "all of the alphabet", SP_LIT_INIT("Bearer aZ09-._~+/=="), SP_OK, SP_LIT_INIT("aZ09-._~+/==") },
	{ "D01 nothing", SP_LIT_INIT(""), SP_E_NO_TOKEN, { NULL, 0 } },
	{ "D05 Basic", SP_LIT_INIT("Basic YTpi"), SP_E_NO_TOKEN, { NULL, 0 } },
	{ "D05 Negotiate", SP_LIT_INIT("Negotiate"), SP_E_NO_TOKEN, { NULL, 0 } },
	{ "DPoP", SP_LIT_INIT("DPoP abc"), SP_E_NO_TOKEN, { NULL, 0 } },
	{ "a longer scheme", SP_LIT_INIT("BearerX abc"), SP_E_NO_TOKEN, { NULL, 0 } },
	{ "a shorter scheme", SP_LIT_INIT("Beare abc"), SP_E_NO_TOKEN, { NULL, 0 } },
	{ "space before the scheme", SP_LIT_INIT(" Bearer abc"), SP_E_NO_TOKEN, { NULL, 0 } },
	{ "D05 scheme alone", SP_LIT_INIT("Bearer"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D05 scheme and space", SP_LIT_INIT("Bearer "), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D05 tab", SP_LIT_INIT("Bearer\tabc"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D05 trailing space", SP_LIT_INIT("Bearer abc "), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D05 only padding", SP_LIT_INIT("Bearer ="), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "padding inside", SP_LIT_INIT("Bearer a=b"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "two tokens", SP_LIT_INIT("Bearer a b"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D04 comma list", SP_LIT_INIT("Bearer a, Bearer b"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D04 comma", SP_LIT_INIT("Bearer a,b"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D06 high byte", SP_LIT_INIT("Bearer a\x80"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D06 quote", SP_LIT_INIT("Bearer a\"b"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "D06 backslash", SP_LIT_INIT("Bearer a\\b"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "NUL inside", SP_LIT_INIT("Bearer a\0b"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "NUL behind", SP_LIT_INIT("Bearer a\0"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "CR LF", SP_LIT_INIT("Bearer a\r\nX: y"), SP_E_BAD_REQUEST, { NULL, 0 } },
	{ "NUL for the space", SP_LIT_INIT("Bearer\0abc"), SP_E_BAD_REQUEST, { NULL, 0 } },
};

static void
test_bearer(void **state)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		sp_slice got = { NULL, 0 };

		CHECK(rows[i].name, sp_bearer(rows[i].field, &got) == rows[i].want);
		CHECK(rows[i].name, sp_eq(got, rows[i].token));
	}
	sp_slice got;

	assert_int_equal(sp_bearer((sp_slice){ NULL, 0 }, &got), SP_E_NO_TOKEN);
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_bearer) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
