/*
 * An event stream, cut as its first byte says and whole: the same events either way, none over the limit, no line end
 * in an id or a type, and no reader that stops without a reason.
 */
#include "mcp/sse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LIMIT = 64 };

static void
look(const struct sp_sse *s, struct sp_out *o)
{
	if (s->data.n > LIMIT || s->type.n == 0 || s->type.n > SP_SSE_NAME || s->id.n > SP_SSE_ID)
		abort();
	if (sp_has_byte(s->data, '\r') || sp_has_byte(s->type, '\n') || sp_has_byte(s->id, '\n') || sp_has_byte(s->id, '\0'))
		abort();
	sp_out_lv(o, s->type, 4);
	sp_out_lv(o, s->data, 4);
	sp_out_lv(o, s->id, 4);
}

static void
run(sp_slice in, size_t piece, struct sp_out *o)
{
	enum sp_sse_step step = SP_SSE_MORE;
	struct sp_sse s;

	sp_sse_init(&s, LIMIT);
	while (in.n != 0 && step != SP_SSE_BAD) {
		sp_slice part = sp_sub(in, 0, piece);

		sp_advance(&in, part.n);
		while ((step = sp_sse_read(&s, &part)) == SP_SSE_EVENT)
			look(&s, o);
		if (step == SP_SSE_MORE ? part.n != 0 : s.why == NULL)
			abort();
	}
	sp_out_be(o, s.retry_ms, 4);
	sp_out_byte(o, step == SP_SSE_BAD);
	sp_sse_free(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sp_out whole, cut;

	if (n < 1 || n > 65536)
		return 0;
	sp_out_heap(&whole, 64 << 20);
	sp_out_heap(&cut, 64 << 20);
	run(sp_mem(data + 1, n - 1), SIZE_MAX, &whole);
	run(sp_mem(data + 1, n - 1), 1u + data[0] % 32, &cut);
	if (whole.full || !sp_eq(sp_out_view(&whole), sp_out_view(&cut)))
		abort();
	sp_out_free(&whole);
	sp_out_free(&cut);
	return 0;
}
