#include "base/check.h"
#include "base/hash.h"

/* Key 00..0f, input 00..: the reference values of the authors, first and last byte order as printed there. */
static void
test_reference(void **state)
{
	static const uint64_t want[] = {
		0x726fdb47dd0e0e31u, 0x74f839c593dc67fdu, 0x0d6c8009d9a94f5au, 0x85676696d7fb7e2du, 0xcf2794e0277187b7u,
		0x18765564cd99a68du, 0xcbc9466e58fee3ceu, 0xab0200f58b01d137u, 0x93f5f5799a932462u, 0x9e0082df0ba9e4b0u,
		0x7a5dbbc594ddb9f3u, 0xf4b32f46226bada7u, 0x751e8fbc860ee5fbu, 0x14ea5627c0843d90u, 0xf723ca908e7af2eeu,
		0xa129ca6149be45e5u,
	};
	const struct sp_hash_key key = { { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u } };
	char in[16];

	for (size_t n = 0; n < SP_COUNT(want); n++) {
		in[n] = (char)n;
		assert_true(sp_siphash(&key, sp_mem(in, n)) == want[n]);
	}
	assert_true(sp_siphash(&key, (sp_slice){ NULL, 0 }) == want[0]);
}

static void
test_key_matters(void **state)
{
	const struct sp_hash_key a = { { 1, 2 } }, b = { { 1, 3 } };

	assert_true(sp_siphash(&a, SP_LIT("x")) != sp_siphash(&b, SP_LIT("x")));
	assert_true(sp_siphash(&a, SP_LIT("x")) != sp_siphash(&a, SP_LIT("x\0")));
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_reference), cmocka_unit_test(test_key_matters) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
