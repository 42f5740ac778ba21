#include "jose/jws.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What an authority may serve is less than what a file may hold; a set covers itself. */
static void
served(sp_slice in)
{
	struct sp_keyset *ks = NULL, *any = NULL;

	if (sp_keyset_read_set(in, &ks, NULL) != SP_OK)
		return;
	if (sp_keyset_read(in, false, &any, NULL) != SP_OK || !sp_keyset_covers(any, ks) || !sp_keyset_covers(ks, any))
		abort();
	sp_keyset_free(&ks);
	sp_keyset_free(&any);
}

/* A set that is accepted has a usable key, and without leave no secret; a refused one says why. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const sp_slice hs = SP_LIT_INIT("eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");

	if (sp_crypto_init(NULL) != SP_OK)
		abort();
	served(sp_mem(data, n));
	for (int oct = 0; oct < 2; oct++) {
		struct sp_keyset *ks = NULL;
		struct sp_err e = { 0 };
		struct sp_verified v;
		struct sp_arena a;

		if (sp_keyset_read(sp_mem(data, n), oct == 1, &ks, &e) != SP_OK) {
			if (ks != NULL || e.log[0] == '\0')
				abort();
			continue;
		}
		if (sp_keyset_count(ks) == 0 || sp_keyset_count(ks) + sp_keyset_dropped(ks) > 100)
			abort();
		sp_arena_init(&a, 1 << 16);
		if (oct == 0 && sp_jws_open(&a, hs, ks, &v, NULL) == SP_OK)
			abort();
		sp_arena_free(&a);
		sp_keyset_free(&ks);
	}
	return 0;
}
