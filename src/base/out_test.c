#include "base/check.h"
#include "base/out.h"
#include "base/rd.h"

static void
test_fixed(void **state)
{
	char buf[8];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "abcd");
	sp_out_u64(&o, 1234);
	assert_false(o.full);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("abcd1234")));
	sp_out_byte(&o, 'x');
	assert_true(o.full);
	assert_int_equal(o.n, 8);
	sp_out_add(&o, "", 0);
	assert_true(o.full);		/* sticky */
	sp_out_reset(&o);
	assert_false(o.full);
	sp_out_add(&o, "123456789", 9);	/* whole or not at all */
	assert_true(o.full);
	assert_int_equal(o.n, 0);
}

static void
test_after_full_nothing_fits(void **state)
{
	char buf[4];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "too long");
	sp_out_byte(&o, 'x');		/* would fit: but a hole in the text is worse than its end */
	assert_int_equal(o.n, 0);
	assert_null(sp_out_room(&o, 1));
}

static void
test_heap(void **state)
{
	struct sp_out o;

	sp_out_heap(&o, 1000);
	for (unsigned i = 0; i < 1000; i++)
		sp_out_byte(&o, 'a');
	assert_false(o.full);
	sp_out_byte(&o, 'a');
	assert_true(o.full);
	assert_int_equal(o.n, 1000);
	sp_out_wipe(&o);
	assert_int_equal(o.p[999], 0);
	sp_out_free(&o);
	sp_out_free(&o);
	sp_out_heap(&o, 100000);
	sp_out_fmt(&o, "%0*d", 5000, 7);
	assert_int_equal(o.n, 5000);
	assert_int_equal(o.p[4999], '7');
	sp_out_free(&o);
	sp_out_heap(&o, 300);		/* grows to a limit that is no power of two */
	assert_non_null(sp_out_room(&o, 256));
	assert_non_null(sp_out_room(&o, 44));
	assert_null(sp_out_room(&o, SIZE_MAX));
	assert_true(o.full);
	sp_out_free(&o);
}

static void
test_numbers(void **state)
{
	char buf[256];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_u64(&o, 0);
	sp_out_byte(&o, ' ');
	sp_out_u64(&o, UINT64_MAX);
	sp_out_byte(&o, ' ');
	sp_out_i64(&o, INT64_MIN);
	sp_out_byte(&o, ' ');
	sp_out_i64(&o, -1);
	sp_out_byte(&o, ' ');
	sp_out_hex(&o, "\x00\xff\x1a", 3);
	assert_true(sp_eq(sp_out_view(&o), SP_LIT("0 18446744073709551615 -9223372036854775808 -1 00ff1a")));
}

static void
test_fields(void **state)
{
	char buf[64];
	struct sp_out o;
	struct sp_rd r;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_be(&o, 0x0102030405060708u, 8);
	sp_out_be(&o, 0x0102u, 2);
	sp_out_lv(&o, SP_LIT("abc"), 2);
	sp_out_lv(&o, SP_LIT(""), 1);
	sp_out_slice(&o, SP_LIT("rest"));
	r = (struct sp_rd){ sp_out_view(&o), false };
	assert_true(sp_rd_be(&r, 8) == 0x0102030405060708u);
	assert_true(sp_rd_be(&r, 2) == 0x0102);
	assert_true(sp_eq(sp_rd_lv(&r, 2, 3), SP_LIT("abc")));
	assert_int_equal(sp_rd_lv(&r, 1, 0).n, 0);
	assert_false(sp_rd_done(&r));
	assert_true(sp_eq(sp_rd_rest(&r, 4), SP_LIT("rest")));
	assert_true(sp_rd_done(&r));
	assert_int_equal(sp_rd_be(&r, 1), 0);
	assert_false(sp_rd_done(&r));
}

static void
test_length_that_does_not_fit_its_field(void **state)
{
	static char big[300];
	char buf[512];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_lv(&o, sp_mem(big, 256), 1);
	assert_true(o.full);
	sp_out_init(&o, buf, sizeof buf);
	sp_out_lv(&o, sp_mem(big, 255), 1);
	assert_false(o.full);
	assert_int_equal(o.n, 256);
}

/* Every cut of a good message is bad, and reading on after the first fault gives nothing. */
static void
test_truncated(void **state)
{
	const sp_slice whole = SP_LIT("\x00\x00\x00\x07\x00\x03" "abc" "\x09");

	for (size_t n = 0; n <= whole.n; n++) {
		struct sp_rd r = { sp_sub(whole, 0, n), false };
		uint64_t v = sp_rd_be(&r, 4);
		sp_slice s = sp_rd_lv(&r, 2, 10);

		(void)sp_rd_be(&r, 1);
		assert_int_equal(sp_rd_done(&r), n == whole.n);
		assert_true(n < 4 ? v == 0 : v == 7);
		assert_true(n < 9 ? s.n == 0 : s.n == 3);
	}
}

static void
test_limits(void **state)
{
	struct sp_rd r = { SP_LIT("\x00\x04" "abcd"), false };
	struct sp_rd huge = { SP_LIT("\xff\xff\xff\xff\xff\xff\xff\xff" "a"), false };
	struct sp_rd rest = { SP_LIT("abcd"), false };

	assert_int_equal(sp_rd_lv(&r, 2, 3).n, 0);
	assert_true(r.bad);
	assert_int_equal(sp_rd_lv(&huge, 8, SIZE_MAX).n, 0);
	assert_true(huge.bad);
	assert_int_equal(sp_rd_rest(&rest, 3).n, 0);
	assert_true(rest.bad);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_fixed), cmocka_unit_test(test_after_full_nothing_fits), cmocka_unit_test(test_heap),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_fields),
		cmocka_unit_test(test_length_that_does_not_fit_its_field), cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
