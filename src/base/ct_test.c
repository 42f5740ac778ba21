#include "base/check.h"
#include "base/ct.h"

static void
test_equal(void **state)
{
	unsigned char a[64], b[64];

	for (size_t i = 0; i < sizeof a; i++)
		a[i] = b[i] = (unsigned char)(i * 37);
	assert_true(sp_ct_eq(a, b, sizeof a));
	assert_true(sp_ct_eq(a, b, 0));
	for (size_t i = 0; i < sizeof a; i++)
		for (unsigned bit = 0; bit < 8; bit++) {	/* every single bit counts */
			b[i] ^= (unsigned char)(1u << bit);
			assert_false(sp_ct_eq(a, b, sizeof a));
			b[i] ^= (unsigned char)(1u << bit);
		}
	b[0] ^= 0x80;		/* differences that cancel out when added */
	b[1] ^= 0x80;
	assert_false(sp_ct_eq(a, b, sizeof a));
	assert_true(sp_ct_slice_eq(SP_LIT("a\0b"), SP_LIT("a\0b")));
	assert_false(sp_ct_slice_eq(SP_LIT("a\0b"), SP_LIT("a\0c")));
	assert_false(sp_ct_slice_eq(SP_LIT("a"), SP_LIT("ab")));
	assert_true(sp_ct_slice_eq(SP_LIT(""), (sp_slice){ NULL, 0 }));
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_equal) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
