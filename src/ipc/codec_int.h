/* Inside this folder only: reading fields, for the files of codec.h. */
#ifndef SP_IPC_CODEC_INT_H
#define SP_IPC_CODEC_INT_H

#include "base/err.h"
#include "ipc/codec.h"

static inline uint32_t
rd32(struct sp_rd *r)
{
	return (uint32_t)sp_rd_be(r, 4);
}

/* A number below `limit`: an enum from the other side. */
static inline uint32_t
rd_enum(struct sp_rd *r, uint32_t limit)
{
	uint32_t v = rd32(r);

	if (v >= limit)
		r->bad = true;
	return v;
}

static inline void
rd_copy(struct sp_rd *r, void *dst, size_t n)
{
	sp_slice s = sp_rd_bytes(r, n);

	if (s.n == n)
		memcpy(dst, s.p, n);
}

static inline size_t
max_of(enum sp_msg type)
{
	return sp_msgrule(type)->max;
}

/* Nothing, or a session's name. */
static inline sp_slice
rd_session(struct sp_rd *r)
{
	sp_slice s = sp_rd_lv(r, 1, 32);

	if (s.n != 0 && s.n != 32)
		r->bad = true;
	return s;
}

#endif
