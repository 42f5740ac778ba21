#include "base/b64.h"
#include "base/check.h"

enum kind { URL = 1, STD = 2, BOTH = 3 };

/* A39: what base64url of a token must refuse. */
static const struct {
	const char *name;
	sp_slice text;
	int	 ok;		/* bits of kind that accept it */
	sp_slice bytes;
} cases[] = {
	{ "empty", SP_LIT_INIT(""), BOTH, SP_LIT_INIT("") },
	{ "f", SP_LIT_INIT("Zg"), URL, SP_LIT_INIT("f") },
	{ "f padded", SP_LIT_INIT("Zg=="), STD, SP_LIT_INIT("f") },
	{ "fo", SP_LIT_INIT("Zm8"), URL, SP_LIT_INIT("fo") },
	{ "fo padded", SP_LIT_INIT("Zm8="), STD, SP_LIT_INIT("fo") },
	{ "foo", SP_LIT_INIT("Zm9v"), BOTH, SP_LIT_INIT("foo") },
	{ "foobar", SP_LIT_INIT("Zm9vYmFy"), BOTH, SP_LIT_INIT("foobar") },
	{ "url alphabet", SP_LIT_INIT("-_-_"), URL, SP_LIT_INIT("\xfb\xff\xbf") },
	{ "standard alphabet", SP_LIT_INIT("+/+/"), STD, SP_LIT_INIT("\xfb\xff\xbf") },
	{ "A39 slack bits of one byte", SP_LIT_INIT("Zh"), 0, SP_LIT_INIT("") },
	{ "A39 slack bits of two bytes", SP_LIT_INIT("Zm9"), 0, SP_LIT_INIT("") },
	{ "slack bits, padded", SP_LIT_INIT("Zh=="), 0, SP_LIT_INIT("") },
	{ "slack bits of two, padded", SP_LIT_INIT("Zm9="), 0, SP_LIT_INIT("") },
	{ "one letter", SP_LIT_INIT("Z"), 0, SP_LIT_INIT("") },
	{ "five letters", SP_LIT_INIT("Zm9vY"), 0, SP_LIT_INIT("") },
	{ "one letter padded", SP_LIT_INIT("Z==="), 0, SP_LIT_INIT("") },
	{ "padding alone", SP_LIT_INIT("===="), 0, SP_LIT_INIT("") },
	{ "needless padding", SP_LIT_INIT("Zm9v===="), 0, SP_LIT_INIT("") },
	{ "padding inside", SP_LIT_INIT("Zg==Zm9v"), 0, SP_LIT_INIT("") },
	{ "A39 space", SP_LIT_INIT("Zm 9"), 0, SP_LIT_INIT("") },
	{ "A39 space before", SP_LIT_INIT(" Zm9v"), 0, SP_LIT_INIT("") },
	{ "A39 newline after", SP_LIT_INIT("Zm9v\n"), 0, SP_LIT_INIT("") },
	{ "A39 CR LF inside", SP_LIT_INIT("Zm\r\n9v"), 0, SP_LIT_INIT("") },
	{ "A39 question mark", SP_LIT_INIT("Zm9?"), 0, SP_LIT_INIT("") },
	{ "NUL", SP_LIT_INIT("Zm9\0"), 0, SP_LIT_INIT("") },
	{ "high bit", SP_LIT_INIT("Zm9\xf6"), 0, SP_LIT_INIT("") },
	{ "dot", SP_LIT_INIT("Zm9."), 0, SP_LIT_INIT("") },
};

static void
test_decode(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		size_t n = 99;
		char buf[16];
		bool url = sp_b64url_decode(cases[i].text, buf, sizeof buf, &n);

		CHECK(cases[i].name, url == ((cases[i].ok & URL) != 0));
		CHECK(cases[i].name, !url || sp_eq(sp_mem(buf, n), cases[i].bytes));
		bool std = sp_b64_decode(cases[i].text, buf, sizeof buf, &n);
		CHECK(cases[i].name, std == ((cases[i].ok & STD) != 0));
		CHECK(cases[i].name, !std || sp_eq(sp_mem(buf, n), cases[i].bytes));
	}
}

/* Of all texts of one to three letters exactly one stands for each byte string. */
static void
test_unique(void **state)
{
	unsigned good = 0;

	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			char text[2] = { (char)a, (char)b }, again[4];
			uint8_t byte;
			struct sp_out o;
			size_t n;

			if (!sp_b64url_decode(sp_mem(text, 2), &byte, 1, &n))
				continue;
			good++;
			sp_out_init(&o, again, sizeof again);
			sp_b64url_encode(&o, &byte, n);
			assert_true(sp_eq(sp_out_view(&o), sp_mem(text, 2)));
		}
	assert_int_equal(good, 256);
}

static void
test_round(void **state)
{
	uint8_t in[70], back[70];
	char text[128];

	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (uint8_t)(i * 83 + 7);
	for (size_t n = 0; n <= sizeof in; n++) {
		struct sp_out o;
		size_t got;

		sp_out_init(&o, text, sizeof text);
		sp_b64url_encode(&o, in, n);
		assert_true(sp_b64url_decode(sp_out_view(&o), back, n, &got) && got == n);
		assert_memory_equal(in, back, n);
		assert_true(n == 0 || !sp_b64url_decode(sp_out_view(&o), back, n - 1, &got));
		assert_true(sp_b64_room(o.n) >= n);
		sp_out_init(&o, text, sizeof text);
		sp_b64_encode(&o, in, n);
		assert_int_equal(o.n % 4, 0);
		assert_true(sp_b64_decode(sp_out_view(&o), back, n, &got) && got == n);
		assert_memory_equal(in, back, n);
	}
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_decode), cmocka_unit_test(test_unique), cmocka_unit_test(test_round),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
