#include "base/check.h"

static void
test_compare(void **state)
{
	assert_true(sp_eq(SP_LIT(""), (sp_slice){ NULL, 0 }));
	assert_true(sp_eq(SP_LIT("a\0b"), SP_LIT("a\0b")));
	assert_false(sp_eq(SP_LIT("a\0b"), SP_LIT("a\0c")));
	assert_false(sp_eq(SP_LIT("a"), SP_LIT("ab")));
	assert_true(sp_eq_nocase(SP_LIT("BeAreR-1"), SP_LIT("bEaRer-1")));
	assert_false(sp_eq_nocase(SP_LIT("@"), SP_LIT("`")));		/* 0x40 and 0x60: no letters */
	assert_false(sp_eq_nocase(SP_LIT("\xc4"), SP_LIT("\xe4")));	/* bytes beyond ASCII have no case */
	assert_int_equal(sp_cmp(SP_LIT("a"), SP_LIT("a")), 0);
	assert_true(sp_cmp(SP_LIT("a"), SP_LIT("ab")) < 0);
	assert_true(sp_cmp(SP_LIT("b"), SP_LIT("ab")) > 0);
	assert_true(sp_cmp(SP_LIT("\xff"), SP_LIT("a")) > 0);
	assert_int_equal(sp_cmp((sp_slice){ NULL, 0 }, SP_LIT("")), 0);
	assert_true(sp_starts(SP_LIT("abc"), SP_LIT("ab")));
	assert_false(sp_starts(SP_LIT("a"), SP_LIT("ab")));
	assert_true(sp_ends(SP_LIT("abc"), SP_LIT("bc")));
	assert_false(sp_ends(SP_LIT("c"), SP_LIT("bc")));
	assert_true(sp_ends(SP_LIT("c"), (sp_slice){ NULL, 0 }));
	assert_true(sp_has_byte(SP_LIT("a\0b"), '\0'));
	assert_false(sp_has_byte((sp_slice){ NULL, 0 }, '\0'));
	assert_int_equal(sp_find(SP_LIT("aab"), SP_LIT("ab")), 1);
	assert_int_equal(sp_find(SP_LIT("aab"), SP_LIT("")), 0);
	assert_true(sp_find(SP_LIT("a"), SP_LIT("ab")) == SIZE_MAX);
}

static void
test_take(void **state)
{
	sp_slice in = SP_LIT("Bearer a,,b"), out = SP_LIT("untouched");

	assert_false(sp_take(&in, SP_LIT("bearer")));
	assert_true(sp_take_nocase(&in, SP_LIT("bearer ")));
	assert_false(sp_take_n(&in, 5, &out));
	assert_true(sp_eq(out, SP_LIT("untouched")));
	assert_false(sp_take_to(&in, ';', &out));
	assert_true(sp_take_to(&in, ',', &out) && sp_eq(out, SP_LIT("a")));
	assert_true(sp_take_part(&in, ',', &out) && out.n == 0);
	assert_true(sp_take_part(&in, ',', &out) && sp_eq(out, SP_LIT("b")));
	assert_false(sp_take_part(&in, ',', &out));
	in = SP_LIT("a,");
	assert_true(sp_take_part(&in, ',', &out) && sp_take_part(&in, ',', &out) && out.n == 0);
	assert_false(sp_take_part(&in, ',', &out));
	in = SP_LIT("");
	assert_true(sp_take_part(&in, ',', &out) && out.n == 0);
	assert_false(sp_take_part(&in, ',', &out));
}

static const struct {
	const char *name;
	sp_slice in;
	uint64_t max;
	bool	 ok;
	uint64_t v;
	size_t	 left;
} numbers[] = {
	{ "zero", SP_LIT_INIT("0"), 9, true, 0, 0 },
	{ "stops at a letter", SP_LIT_INIT("12x"), 99, true, 12, 1 },
	{ "empty", SP_LIT_INIT(""), 9, false, 0, 0 },
	{ "sign", SP_LIT_INIT("+1"), 9, false, 0, 0 },
	{ "minus", SP_LIT_INIT("-1"), 9, false, 0, 0 },
	{ "space", SP_LIT_INIT(" 1"), 9, false, 0, 0 },
	{ "leading zero", SP_LIT_INIT("01"), 9, false, 0, 0 },
	{ "maximum", SP_LIT_INIT("255"), 255, true, 255, 0 },
	{ "maximum + 1", SP_LIT_INIT("256"), 255, false, 0, 0 },
	{ "far over a small maximum", SP_LIT_INIT("99"), 5, false, 0, 0 },
	{ "2^64 - 1", SP_LIT_INIT("18446744073709551615"), UINT64_MAX, true, UINT64_MAX, 0 },
	{ "2^64", SP_LIT_INIT("18446744073709551616"), UINT64_MAX, false, 0, 0 },
	{ "2^64 + 9", SP_LIT_INIT("18446744073709551625"), UINT64_MAX, false, 0, 0 },
	{ "40 digits", SP_LIT_INIT("1111111111111111111111111111111111111111"), UINT64_MAX, false, 0, 0 },
	{ "40 digits, small maximum", SP_LIT_INIT("1111111111111111111111111111111111111111"), 3, false, 0, 0 },
	{ "maximum 0", SP_LIT_INIT("1"), 0, false, 0, 0 },
};

static void
test_numbers(void **state)
{
	for (size_t i = 0; i < SP_COUNT(numbers); i++) {
		sp_slice in = numbers[i].in;
		uint64_t v = 77;
		bool ok = sp_take_u64(&in, numbers[i].max, &v);

		CHECK(numbers[i].name, ok == numbers[i].ok);
		CHECK(numbers[i].name, v == (ok ? numbers[i].v : 77));
		CHECK(numbers[i].name, in.n == (ok ? numbers[i].left : numbers[i].in.n));
	}
}

static void
test_pieces(void **state)
{
	char buf[4] = "xyz";

	assert_true(sp_eq(sp_trim(SP_LIT(" \t a b\t ")), SP_LIT("a b")));
	assert_true(sp_eq(sp_trim(SP_LIT("\na\r")), SP_LIT("\na\r")));	/* only OWS */
	assert_int_equal(sp_trim(SP_LIT(" \t")).n, 0);
	assert_true(sp_eq(sp_sub(SP_LIT("abc"), 1, 1), SP_LIT("b")));
	assert_true(sp_eq(sp_sub(SP_LIT("abc"), 1, SIZE_MAX), SP_LIT("bc")));
	assert_int_equal(sp_sub(SP_LIT("abc"), SIZE_MAX, SIZE_MAX).n, 0);
	assert_int_equal(sp_sub((sp_slice){ NULL, 0 }, 1, 1).n, 0);
	assert_int_equal(sp_span(SP_LIT("12a"), sp_is_digit), 2);
	assert_true(sp_cstr(SP_LIT("abc"), buf, sizeof buf) && strcmp(buf, "abc") == 0);
	assert_false(sp_cstr(SP_LIT("abcd"), buf, sizeof buf));
	assert_int_equal(buf[0], 0);
	assert_false(sp_cstr(SP_LIT("a\0b"), buf, sizeof buf));
	assert_true(sp_cstr((sp_slice){ NULL, 0 }, buf, sizeof buf) && buf[0] == 0);
	assert_int_equal(sp_str(NULL).n, 0);
}

/* The tables of the RFCs, byte by byte. */
static void
test_classes(void **state)
{
	for (unsigned c = 0; c < 256; c++) {
		bool digit = c >= '0' && c <= '9', alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool mark = c != 0 && c < 128 && strchr("!#$%&'*+-.^_`|~", (int)c) != NULL;
		unsigned char b = (unsigned char)c;

		assert_int_equal(sp_is_digit(b), digit);
		assert_int_equal(sp_is_alpha(b), alpha);
		assert_int_equal(sp_is_tchar(b), digit || alpha || mark);
		assert_int_equal(sp_is_ctl(b), c < 32 || c == 127);
		assert_int_equal(sp_is_hex(b), sp_hex_value(b) >= 0);
	}
	assert_int_equal(sp_hex_value('f'), 15);
	assert_int_equal(sp_hex_value('A'), 10);
	assert_int_equal(sp_hex_value('g'), -1);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_compare), cmocka_unit_test(test_take), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_pieces), cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
