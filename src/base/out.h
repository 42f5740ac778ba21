/*
 * A bounded writer with a sticky `full` mark: callers write freely and ask once at the end.
 * The memory is the caller's (out_init) or grows on the heap up to `max` (out_heap).
 */
#ifndef SP_BASE_OUT_H
#define SP_BASE_OUT_H

#include "base/slice.h"

struct sp_out {
	char  *p;
	size_t n, cap, max;	/* max: 0 for caller's memory (cap is the limit) */
	bool   full;
	bool   heap;
};

void sp_out_init(struct sp_out *o, void *buf, size_t cap);
void sp_out_heap(struct sp_out *o, size_t max);
void sp_out_free(struct sp_out *o);		/* frees heap memory; NULL-safe on an all-zero one */
void sp_out_wipe(struct sp_out *o);		/* overwrites what was written, then empties it */
void sp_out_reset(struct sp_out *o);		/* empties it, keeps the memory */

void sp_out_add(struct sp_out *o, const void *p, size_t n);
void sp_out_slice(struct sp_out *o, sp_slice s);
void sp_out_str(struct sp_out *o, const char *s);
void sp_out_byte(struct sp_out *o, char c);
void sp_out_u64(struct sp_out *o, uint64_t v);
void sp_out_i64(struct sp_out *o, int64_t v);
void sp_out_fmt(struct sp_out *o, const char *fmt, ...) SP_PRINTF(2, 3);
void sp_out_hex(struct sp_out *o, const void *p, size_t n);	/* lower case */
/* Fixed-width big-endian fields, for messages. */
void sp_out_be(struct sp_out *o, uint64_t v, unsigned bytes);
void sp_out_lv(struct sp_out *o, sp_slice s, unsigned length_bytes);	/* length, then the bytes */
/* Room for n bytes to be written by the caller, already counted; NULL when full. */
void *sp_out_room(struct sp_out *o, size_t n);

static inline sp_slice
sp_out_view(const struct sp_out *o)
{
	return (sp_slice){ o->p, o->n };
}

#endif
