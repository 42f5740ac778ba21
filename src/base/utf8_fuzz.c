#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Taking code points to the end and the validator agree; cleaned text is valid, short enough, and clean already. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	sp_slice in = sp_mem(data, n), rest = in;
	struct sp_out o, again, copy;
	uint32_t cp;

	sp_out_heap(&copy, SIZE_MAX);
	while (sp_utf8_take(&rest, &cp))
		sp_utf8_add(&copy, cp);
	if ((rest.n == 0) != sp_utf8_valid(in) || !sp_eq(sp_out_view(&copy), sp_sub(in, 0, in.n - rest.n)))
		abort();
	sp_out_free(&copy);

	sp_out_heap(&o, SIZE_MAX);
	sp_utf8_clean(&o, in, 100, (n & 1) != 0);
	if (o.n > 100 || !sp_utf8_valid(sp_out_view(&o)))
		abort();
	sp_out_heap(&again, SIZE_MAX);
	sp_utf8_clean(&again, sp_out_view(&o), 100, (n & 1) != 0);
	if (!sp_eq(sp_out_view(&o), sp_out_view(&again)))
		abort();
	sp_out_free(&o);
	sp_out_free(&again);
	return 0;
}
