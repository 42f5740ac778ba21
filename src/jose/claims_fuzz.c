#include "jose/claims.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Accepted claims name the issuer, are not expired, and are bound to nothing; paths lead to values of the document. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const sp_slice aud = SP_LIT_INIT("https://g/mcp");
	const struct sp_claims_want want = { SP_LIT("https://as"), &aud, 1, 1700000000, 30 };
	const struct sp_verified v = { sp_mem(data, n), SP_LIT("at+jwt"), { NULL, 0 }, SP_RS256 };
	struct sp_arena a;
	sp_jval *claims = NULL;
	int64_t exp_s = 0;

	sp_arena_init(&a, 4 << 20);
	if (sp_claims_check(&a, &v, &want, &claims, &exp_s, NULL) == SP_OK) {
		if (!sp_jis_obj(claims) || exp_s <= want.now_s - 30 || SP_JGET(claims, "cnf") != NULL)
			abort();
		if (!sp_eq(sp_jtext(SP_JGET(claims, "iss")), want.issuer) || SP_JGET(claims, "aud") == NULL)
			abort();
		(void)sp_claim_at(claims, SP_LIT("realm_access.roles"));
		(void)sp_claim_at(claims, sp_mem(data, n));
	} else if (claims != NULL || exp_s != 0) {
		abort();
	}
	sp_arena_free(&a);
	return 0;
}
