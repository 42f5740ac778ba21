/* Any text as sallyport.yaml: a server is added and nothing of it lost, or it is refused with a reason. */
#include "cli/edit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Every byte of the old text is there, in order. */
static bool
contains(sp_slice fresh, sp_slice old)
{
	while (old.n != 0 && fresh.n != 0) {
		if (old.p[0] == fresh.p[0])
			sp_advance(&old, 1);
		sp_advance(&fresh, 1);
	}
	return old.n == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct sp_edit what = { .name = SP_LIT_INIT("zz"), .kind = SP_LIT_INIT("mcp"), .source = SP_LIT_INIT("https://w/mcp"),
		.tools = { SP_LIT_INIT("zz") }, .ntools = 1 };
	sp_slice text = sp_mem(data, n);
	struct sp_arena mem;
	struct sp_err e = { 0 };
	struct sp_out o;
	enum sp_status st;

	sp_arena_init(&mem, 1 << 26);
	sp_out_heap(&o, 1 << 21);
	st = sp_edit_add(&mem, text, &what, &o, &e);
	if (st == SP_OK ? !contains(sp_out_view(&o), text) || o.n <= n : e.log[0] == '\0')
		abort();
	sp_out_free(&o);
	sp_arena_free(&mem);
	return 0;
}
