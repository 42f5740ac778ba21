/*
 * A request's memory: bump allocation up to a limit, all given back at once and wiped.
 * Full is a status (NULL), never an abort.
 */
#ifndef SP_BASE_ARENA_H
#define SP_BASE_ARENA_H

#include "base/slice.h"

struct sp_arena {
	struct sp_arena_block *head;
	size_t used, max;	/* bytes handed out; bytes that may be */
	bool   full;		/* sticky until reset */
};

void  sp_arena_init(struct sp_arena *a, size_t max);
void  sp_arena_reset(struct sp_arena *a);	/* wipes, keeps the first block */
void  sp_arena_free(struct sp_arena *a);	/* wipes and frees */
/* 16-byte aligned, zeroed; NULL when full.  n == 0 gives a valid pointer. */
void *sp_arena_get(struct sp_arena *a, size_t n);
/* A copy with a final NUL that is not counted; {NULL,0} when full. */
sp_slice sp_arena_copy(struct sp_arena *a, sp_slice s);

#endif
