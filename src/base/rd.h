/* A sticky-error reader of big-endian fields: a decoder reads all, then asks sp_rd_done() once. */
#ifndef SP_BASE_RD_H
#define SP_BASE_RD_H

#include "base/slice.h"

struct sp_rd {
	sp_slice in;
	bool	 bad;
};

uint64_t sp_rd_be(struct sp_rd *r, unsigned bytes);			/* 0 when bad */
/* A length of `length_bytes`, then that many bytes; more than `max` is bad.  Borrows from the input. */
sp_slice sp_rd_lv(struct sp_rd *r, unsigned length_bytes, size_t max);
sp_slice sp_rd_bytes(struct sp_rd *r, size_t n);			/* exactly n */
sp_slice sp_rd_rest(struct sp_rd *r, size_t max);			/* all that is left, at most max */
/* Everything was there and nothing is left over. */
SP_MUST bool sp_rd_done(const struct sp_rd *r);

#endif
