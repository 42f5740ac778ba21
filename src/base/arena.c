#include "base/arena.h"

#include <stdlib.h>

#define FIRST_BLOCK 8192u
#define ALIGN 16u

struct sp_arena_block {
	struct sp_arena_block *next;
	size_t used, cap;
	_Alignas(16) char bytes[];
};

void
sp_arena_init(struct sp_arena *a, size_t max)
{
	*a = (struct sp_arena){ .max = max };
}

static struct sp_arena_block *
block_new(size_t cap)
{
	struct sp_arena_block *b = malloc(sizeof *b + cap);

	if (b != NULL)
		*b = (struct sp_arena_block){ .cap = cap };
	return b;
}

void *
sp_arena_get(struct sp_arena *a, size_t n)
{
	size_t want = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct sp_arena_block *b = a->head;
	char *p;

	if (want < n || want > a->max || a->used > a->max - want)
		goto full;
	if (b == NULL || want > b->cap - b->used) {
		size_t cap = b == NULL ? FIRST_BLOCK : b->cap * 2;

		b = block_new(want > cap ? want : cap);
		if (b == NULL)
			goto full;
		b->next = a->head;
		a->head = b;
	}
	p = b->bytes + b->used;
	b->used += want;
	a->used += want;
	memset(p, 0, want);
	return p;
full:
	a->full = true;
	return NULL;
}

sp_slice
sp_arena_copy(struct sp_arena *a, sp_slice s)
{
	char *p = sp_arena_get(a, s.n + 1);

	if (p == NULL)
		return (sp_slice){ NULL, 0 };
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	return (sp_slice){ p, s.n };
}

static void
drop(struct sp_arena *a, struct sp_arena_block *keep)
{
	while (a->head != NULL) {
		struct sp_arena_block *b = a->head;

		a->head = b->next;
		explicit_bzero(b->bytes, b->used);
		b->used = 0;
		if (b != keep)
			free(b);
	}
	if (keep != NULL) {
		keep->next = NULL;
		a->head = keep;
	}
	a->used = 0;
	a->full = false;
}

void
sp_arena_reset(struct sp_arena *a)
{
	struct sp_arena_block *first = a->head;

	while (first != NULL && first->next != NULL)
		first = first->next;
	drop(a, first);
}

void
sp_arena_free(struct sp_arena *a)
{
	drop(a, NULL);
}
