/* Any bytes as the answer of a decision point: what is taken is sound, and says one thing. */
#include "checker/document.h"

#include "base/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_point_answer a = { 0 };
	struct sp_err e = { 0 };
	sp_slice text;
	uint32_t cp;

	if (sp_point_read(sp_mem(data, n), &a, &e) != SP_OK) {
		must(a.verdict == SP_CHECK_FAILED && a.text_n + a.scopes_n == 0 && e.log[0] != '\0');
		return 0;
	}
	must(a.verdict > SP_CHECK_FAILED && a.verdict < SP_CHECK_VERDICTS && a.max_age_s <= SP_POINT_AGE_MAX_S);
	must((a.verdict == SP_CHECK_REFUSED) == (a.text_n != 0) && a.text_n <= SP_CHECK_TEXT_MAX);
	must((a.verdict == SP_CHECK_SHORT) == (a.scopes_n != 0) && a.scopes_n <= SP_CHECK_SCOPES_MAX);
	must(a.scopes_n == 0 || sp_scope_list_ok(sp_mem(a.scopes, a.scopes_n)));
	text = sp_mem(a.text, a.text_n);
	while (text.n != 0)
		must(sp_utf8_take(&text, &cp) && cp >= 0x20);
	return 0;
}
