#include "base/ct.h"

/* The accumulator is volatile, so that no compiler may leave the loop early. */
bool
sp_ct_eq(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	volatile unsigned char diff = 0;

	for (size_t i = 0; i < n; i++)
		diff = (unsigned char)(diff | (x[i] ^ y[i]));
	return diff == 0;
}

bool
sp_ct_slice_eq(sp_slice a, sp_slice b)
{
	return a.n == b.n && sp_ct_eq(a.p, b.p, a.n);
}
