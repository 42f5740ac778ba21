#include "base/arena.h"
#include "base/check.h"

static void
test_get(void **state)
{
	struct sp_arena a;
	char *p, *q;

	sp_arena_init(&a, 1 << 20);
	p = sp_arena_get(&a, 0);
	assert_non_null(p);
	p = sp_arena_get(&a, 1);
	q = sp_arena_get(&a, 100000);		/* more than a block */
	assert_non_null(q);
	assert_int_equal((uintptr_t)p % 16, 0);
	assert_int_equal((uintptr_t)q % 16, 0);
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(q[i], 0);
	memset(q, 'x', 100000);
	sp_arena_reset(&a);
	assert_int_equal(a.used, 0);
	p = sp_arena_get(&a, 8000);
	for (size_t i = 0; i < 8000; i++)	/* nothing of the last request is left */
		assert_int_equal(p[i], 0);
	sp_arena_free(&a);
	assert_null(a.head);
}

static void
test_full(void **state)
{
	struct sp_arena a;

	sp_arena_init(&a, 64);
	assert_non_null(sp_arena_get(&a, 64));
	assert_false(a.full);
	assert_null(sp_arena_get(&a, 1));
	assert_true(a.full);
	sp_arena_reset(&a);
	assert_false(a.full);
	assert_null(sp_arena_get(&a, SIZE_MAX));
	assert_null(sp_arena_get(&a, SIZE_MAX - 15));
	assert_null(sp_arena_get(&a, 65));
	assert_non_null(sp_arena_get(&a, 1));
	sp_arena_free(&a);
}

static void
test_copy(void **state)
{
	struct sp_arena a;
	sp_slice s;

	sp_arena_init(&a, 64);
	s = sp_arena_copy(&a, SP_LIT("a\0b"));
	assert_true(sp_eq(s, SP_LIT("a\0b")));
	assert_int_equal(s.p[3], 0);
	s = sp_arena_copy(&a, (sp_slice){ NULL, 0 });
	assert_non_null(s.p);
	assert_int_equal(s.p[0], 0);
	assert_null(sp_arena_copy(&a, SP_LIT("0123456789012345678901234567890123456789")).p);
	sp_arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_get), cmocka_unit_test(test_full), cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
