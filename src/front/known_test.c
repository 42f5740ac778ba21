#include "front/front.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { N = 3000 };

/* Half of the hashes share their home, as an attacker of the table would like it. */
static void
make(uint32_t i, uint8_t hash[32])
{
	uint32_t h = i % 2 == 0 ? i * 2654435761u : 7;

	memset(hash, 0, 32);
	memcpy(hash, &h, sizeof h);
	memcpy(hash + 8, &i, sizeof i);
}

static unsigned dropped;
static bool gone[N];

static void
drop(void *ctx, const uint8_t hash[32])
{
	uint32_t i;

	memcpy(&i, hash + 8, sizeof i);
	assert_false(gone[i]);
	gone[i] = true;
	dropped++;
}

/* What each round leaves out is dropped, once, and nothing else; compared with a plain array. */
static void
test_rounds(void **state)
{
	struct sp_known k = { 0 };
	uint8_t hash[32];
	uint64_t rnd = 5;

	sp_known_end(&k, drop, NULL);
	make(1, hash);
	sp_known_del(&k, hash);
	for (unsigned round = 0; round < 5; round++) {
		static bool in[N], was[N];
		unsigned want = 0;

		memcpy(was, in, sizeof was);
		memset(in, 0, sizeof in);
		memset(gone, 0, sizeof gone);
		dropped = 0;
		sp_known_begin(&k);
		for (uint32_t i = 0; i < N; i++) {
			rnd = rnd * 6364136223846793005u + 1442695040888963407u;
			make(i, hash);
			if (rnd >> 62 == 0) {
				sp_known_del(&k, hash);
				was[i] = false;
			} else if (rnd >> 62 == 1) {
				assert_true(sp_known_put(&k, hash));
				assert_true(sp_known_put(&k, hash));
				in[i] = true;
			}
		}
		sp_known_end(&k, drop, NULL);
		for (uint32_t i = 0; i < N; i++) {
			if (gone[i] != (was[i] && !in[i]))
				fail_msg("round %u, token %u", round, i);
			want += in[i];
		}
		assert_int_equal(k.n, want);
	}
	sp_known_free(&k);
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_rounds) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
