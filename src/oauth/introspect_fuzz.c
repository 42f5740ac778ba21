/* An answer that the other side made: no token is good that is not `active`, and a request has exactly one token. */
#include "oauth/introspect.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
judge(sp_slice in, unsigned status)
{
	static const sp_slice aud[] = { SP_LIT_INIT("https://g.example/mcp") };
	const struct sp_claims_want want = { SP_LIT_INIT("https://as.example"), aud, 1, 1700000000, 30 };
	struct sp_err e = { 0 };
	sp_jval *claims = NULL;
	int64_t exp_s = 0;
	struct sp_arena a;
	enum sp_status st;

	sp_arena_init(&a, 4 << 20);
	st = sp_introspect_judge(&a, status, in, &want, &claims, &exp_s, &e);
	if (st == SP_OK && (status != 200 || !sp_jtrue(SP_JGET(claims, "active")) || exp_s <= want.now_s - 30 ||
	    SP_JGET(claims, "cnf") != NULL))
		abort();
	if (st != SP_OK && (claims != NULL || e.log[0] == '\0' || (st != SP_E_BAD_TOKEN && st != SP_E_UNAVAILABLE)))
		abort();
	sp_arena_free(&a);
}

/* C17: whatever the token is. */
static void
ask(sp_slice token)
{
	const struct sp_introspect_moment when = { 0 };
	const struct sp_introspect_client c = { SP_INTROSPECT_POST, SP_LIT("cli"), SP_LIT("s3cret-value"), { NULL, 0 } };
	size_t room = sp_introspect_body_room(&c, token), equals = 0;
	char *mem = malloc(room);
	struct sp_out o;

	if (mem == NULL)
		return;
	sp_out_init(&o, mem, room);
	if (sp_introspect_body(&o, &c, token, &when, NULL) != SP_OK)
		abort();
	for (size_t i = 0; i < o.n; i++) {
		equals += o.p[i] == '=';
		if (o.p[i] <= ' ' || o.p[i] == '+' || o.p[i] == 0x7f)
			abort();
	}
	if (equals != 4)
		abort();
	free(mem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	sp_slice in = sp_mem(data, n);

	judge(in, 200);
	judge(in, 400);
	ask(in);
	return 0;
}
