/* Whatever is let through stays below "/": an upstream that decodes as often as it likes finds no way up or out. */
#include "outbound/reqpath.h"

#include "wire/uri.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_decoded(sp_slice path)
{
	sp_slice rest = path, segment;
	bool first = true;

	while (sp_take_part(&rest, '/', &segment)) {
		if (sp_eq(segment, SP_LIT("..")) || sp_eq(segment, SP_LIT(".")))
			abort();
		if (!first && segment.n == 0 && rest.n != 0)
			abort();
		first = false;
	}
	for (size_t i = 0; i < path.n; i++)
		if (sp_is_ctl((unsigned char)path.p[i]))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_slice path = sp_mem(data, size), rest = path, only = path;
	char a[SP_REQPATH_MAX], b[SP_REQPATH_MAX];
	struct sp_out o;

	if (sp_reqpath_judge(path) != NULL)
		return 0;
	(void)sp_take_to(&rest, '?', &only);
	for (unsigned i = 0; i < 12; i++) {
		check_decoded(only);
		sp_out_init(&o, i % 2 == 0 ? a : b, sizeof a);
		if (!sp_pct_decode(&o, only))
			break;
		only = sp_out_view(&o);
	}
	return 0;
}
