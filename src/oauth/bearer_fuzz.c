#include "oauth/verifier.h"
#include "wire/challenge.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A challenge stays one field line whatever it says. */
static void
challenge(sp_slice in)
{
	struct sp_out o;

	sp_out_heap(&o, SIZE_MAX);
	sp_challenge_write(&o, in, in, in, in);
	for (size_t i = 0; i < o.n; i++)
		if (o.p[i] < 0x20 || o.p[i] > 0x7e)
			abort();
	sp_out_free(&o);
}

/* A token is never empty, ends the field, and is made of the letters of RFC 6750. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	sp_slice in = sp_mem(data, n), t = { NULL, 0 };
	enum sp_status st = sp_bearer(in, &t);

	if (st != SP_OK && (t.p != NULL || (st != SP_E_NO_TOKEN && st != SP_E_BAD_REQUEST)))
		abort();
	if (st == SP_OK) {
		if (t.n == 0 || t.p < in.p || t.p + t.n != in.p + in.n || t.n + 7 > in.n)
			abort();
		for (size_t i = 0; i < t.n; i++)
			if (!sp_is_tchar((unsigned char)t.p[i]) && t.p[i] != '/' && t.p[i] != '=')
				abort();
	}
	challenge(in);
	return 0;
}
