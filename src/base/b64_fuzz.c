#include "base/b64.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What decodes is the one text for its bytes: encoding gives it back. */
static void
once(sp_slice in, bool (*decode)(sp_slice, void *, size_t, size_t *), void (*encode)(struct sp_out *, const void *, size_t))
{
	size_t cap = sp_b64_room(in.n), got = 0;
	uint8_t *buf = malloc(cap);
	struct sp_out o;

	if (buf == NULL)
		return;
	sp_out_heap(&o, SIZE_MAX);
	if (decode(in, buf, cap, &got)) {
		encode(&o, buf, got);
		if (got > cap || !sp_eq(sp_out_view(&o), in))
			abort();
		if (got != 0 && decode(in, buf, got - 1, &got))
			abort();
	}
	sp_out_free(&o);
	free(buf);
}

static bool
url_decode(sp_slice in, void *buf, size_t cap, size_t *n)
{
	return sp_b64url_decode(in, buf, cap, n);
}

static bool
std_decode(sp_slice in, void *buf, size_t cap, size_t *n)
{
	return sp_b64_decode(in, buf, cap, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	once(sp_mem(data, n), url_decode, sp_b64url_encode);
	once(sp_mem(data, n), std_decode, sp_b64_encode);
	return 0;
}
