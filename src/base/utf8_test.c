#include "base/check.h"
#include "base/utf8.h"

static const struct {
	const char *name;
	sp_slice s;
	bool	 ok;
} cases[] = {
	{ "empty", SP_LIT_INIT(""), true },
	{ "ASCII with NUL", SP_LIT_INIT("a\0b"), true },
	{ "two bytes", SP_LIT_INIT("\xc3\xa4"), true },
	{ "first of two", SP_LIT_INIT("\xc2\x80"), true },
	{ "first of three", SP_LIT_INIT("\xe0\xa0\x80"), true },
	{ "before the surrogates", SP_LIT_INIT("\xed\x9f\xbf"), true },
	{ "after the surrogates", SP_LIT_INIT("\xee\x80\x80"), true },
	{ "first of four", SP_LIT_INIT("\xf0\x90\x80\x80"), true },
	{ "U+10FFFF", SP_LIT_INIT("\xf4\x8f\xbf\xbf"), true },
	{ "long ASCII, then a letter", SP_LIT_INIT("0123456789abcdef\xc3\xa4"), true },
	{ "overlong slash", SP_LIT_INIT("\xc0\xaf"), false },
	{ "overlong NUL", SP_LIT_INIT("\xc0\x80"), false },
	{ "overlong of three", SP_LIT_INIT("\xe0\x9f\xbf"), false },
	{ "overlong of four", SP_LIT_INIT("\xf0\x8f\xbf\xbf"), false },
	{ "surrogate", SP_LIT_INIT("\xed\xa0\x80"), false },
	{ "surrogate pair", SP_LIT_INIT("\xed\xa0\xbd\xed\xb8\x80"), false },
	{ "U+110000", SP_LIT_INIT("\xf4\x90\x80\x80"), false },
	{ "five bytes", SP_LIT_INIT("\xf8\x88\x80\x80\x80"), false },
	{ "0xff", SP_LIT_INIT("\xff"), false },
	{ "continuation alone", SP_LIT_INIT("\x80"), false },
	{ "cut after one", SP_LIT_INIT("\xc3"), false },
	{ "cut after two", SP_LIT_INIT("\xe2\x82"), false },
	{ "cut after three", SP_LIT_INIT("\xf0\x9f\x98"), false },
	{ "letter inside", SP_LIT_INIT("\xe2" "a" "\xac"), false },
	{ "bad in the ninth byte", SP_LIT_INIT("01234567\xff"), false },
	{ "bad in the first of eight", SP_LIT_INIT("\xff" "1234567"), false },
};

static void
test_valid(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++)
		CHECK(cases[i].name, sp_utf8_valid(cases[i].s) == cases[i].ok);
}

static void
test_every_code_point(void **state)
{
	for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
		char buf[4];
		struct sp_out o;
		sp_slice in;
		uint32_t back = 0;

		if (cp >= 0xd800 && cp <= 0xdfff)
			continue;
		sp_out_init(&o, buf, sizeof buf);
		sp_utf8_add(&o, cp);
		in = sp_out_view(&o);
		if (!sp_utf8_valid(in) || !sp_utf8_take(&in, &back) || in.n != 0 || back != cp)
			fail_msg("U+%04X", cp);
	}
}

static void
test_no_code_point(void **state)
{
	char buf[8];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_utf8_add(&o, 0xd800);
	sp_utf8_add(&o, 0x110000);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("\xef\xbf\xbd\xef\xbf\xbd")));
}

#define FFFD "\xef\xbf\xbd"

static const struct {
	const char *name;
	sp_slice in;
	size_t	 max;
	bool	 keep;
	sp_slice want;
} clean[] = {
	{ "plain", SP_LIT_INIT("abc \xc3\xa4"), 99, false, SP_LIT_INIT("abc \xc3\xa4") },
	{ "newline", SP_LIT_INIT("a\nb"), 99, false, SP_LIT_INIT("a" FFFD "b") },
	{ "newline kept", SP_LIT_INIT("a\n\tb"), 99, true, SP_LIT_INIT("a\n\tb") },
	{ "CR is never kept", SP_LIT_INIT("a\rb"), 99, true, SP_LIT_INIT("a" FFFD "b") },
	{ "escape", SP_LIT_INIT("\x1b[2J"), 99, true, SP_LIT_INIT(FFFD "[2J") },
	{ "NUL and DEL", SP_LIT_INIT("\0\x7f"), 99, true, SP_LIT_INIT(FFFD FFFD) },
	{ "C1 control", SP_LIT_INIT("\xc2\x9b" "2J"), 99, true, SP_LIT_INIT(FFFD "2J") },
	{ "B12 right-to-left override", SP_LIT_INIT("a\xe2\x80\xae" "b"), 99, true, SP_LIT_INIT("a" FFFD "b") },
	{ "isolate", SP_LIT_INIT("\xe2\x81\xa6"), 99, true, SP_LIT_INIT(FFFD) },
	{ "Arabic letter mark", SP_LIT_INIT("\xd8\x9c"), 99, true, SP_LIT_INIT(FFFD) },
	{ "line separator", SP_LIT_INIT("\xe2\x80\xa8"), 99, true, SP_LIT_INIT(FFFD) },
	{ "each bad byte", SP_LIT_INIT("\xff\xe2\x82" "a"), 99, false, SP_LIT_INIT(FFFD FFFD FFFD "a") },
	{ "cut at a character", SP_LIT_INIT("ab\xe2\x82\xac"), 4, false, SP_LIT_INIT("ab") },
	{ "cut exactly", SP_LIT_INIT("ab\xe2\x82\xac" "c"), 5, false, SP_LIT_INIT("ab\xe2\x82\xac") },
	{ "nothing", SP_LIT_INIT("ab"), 0, false, SP_LIT_INIT("") },
};

static void
test_clean(void **state)
{
	for (size_t i = 0; i < SP_COUNT(clean); i++) {
		char buf[64];
		struct sp_out o;

		sp_out_init(&o, buf, sizeof buf);
		sp_utf8_clean(&o, clean[i].in, clean[i].max, clean[i].keep);
		CHECK(clean[i].name, sp_eq(sp_out_view(&o), clean[i].want));
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_valid), cmocka_unit_test(test_every_code_point),
		cmocka_unit_test(test_no_code_point), cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
