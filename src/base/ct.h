/* Comparison in time that depends on the lengths only. */
#ifndef SP_BASE_CT_H
#define SP_BASE_CT_H

#include "base/slice.h"

SP_MUST bool sp_ct_eq(const void *a, const void *b, size_t n);
SP_MUST bool sp_ct_slice_eq(sp_slice a, sp_slice b);	/* different lengths: false at once */

#endif
