/*
 * Tokens that keeper announced.  A keeper that starts again sends all that are valid: one
 * that was revoked while the old keeper died before it could say so is missing then, and
 * goes. A hash table in place, at most half full, probed in a row; the hash of a random
 * token is random itself.
 */
#include "front/front.h"

#include <stdlib.h>

enum { FIRST = 64, SLOTS_MAX = 1 << 22 };

static uint32_t
home(const struct sp_known *k, const uint8_t hash[32])
{
	uint32_t h;

	memcpy(&h, hash, sizeof h);
	return h & (k->cap - 1);
}

/* Where it is, or the free place where it would be. */
static struct sp_known_token *
place(const struct sp_known *k, const uint8_t hash[32])
{
	uint32_t i = home(k, hash);

	while (k->v[i].used && memcmp(k->v[i].hash, hash, 32) != 0)
		i = (i + 1) & (k->cap - 1);
	return &k->v[i];
}

static bool
grow(struct sp_known *k)
{
	struct sp_known bigger = { .n = k->n, .round = k->round, .cap = k->cap == 0 ? FIRST : k->cap * 2 };

	if (k->n < k->cap / 2)
		return true;
	if (bigger.cap > SLOTS_MAX)
		return false;
	bigger.v = calloc(bigger.cap, sizeof *bigger.v);
	if (bigger.v == NULL)
		return false;
	for (uint32_t i = 0; i < k->cap; i++)
		if (k->v[i].used)
			*place(&bigger, k->v[i].hash) = k->v[i];
	free(k->v);
	*k = bigger;
	return true;
}

void
sp_known_begin(struct sp_known *k)
{
	k->round++;
}

bool
sp_known_put(struct sp_known *k, const uint8_t hash[32])
{
	struct sp_known_token *t;

	if (!grow(k))
		return false;
	t = place(k, hash);
	if (!t->used)
		k->n++;
	t->used = true;
	t->round = k->round;
	memcpy(t->hash, hash, sizeof t->hash);
	return true;
}

/* Empties a place; those after it that probed past it move up. */
static void
vacate(struct sp_known *k, uint32_t hole)
{
	uint32_t mask = k->cap - 1;

	for (uint32_t i = (hole + 1) & mask; k->v[i].used; i = (i + 1) & mask) {
		uint32_t from = home(k, k->v[i].hash);

		if (((i - from) & mask) < ((i - hole) & mask))
			continue;
		k->v[hole] = k->v[i];
		hole = i;
	}
	k->v[hole].used = false;
	k->n--;
}

void
sp_known_del(struct sp_known *k, const uint8_t hash[32])
{
	struct sp_known_token *t;

	if (k->cap == 0)
		return;
	t = place(k, hash);
	if (t->used)
		vacate(k, (uint32_t)(t - k->v));
}

void
sp_known_end(struct sp_known *k, void (*drop)(void *ctx, const uint8_t hash[32]), void *ctx)
{
	for (uint32_t i = 0; i < k->cap;) {
		if (!k->v[i].used || k->v[i].round == k->round) {
			i++;
			continue;
		}
		drop(ctx, k->v[i].hash);
		vacate(k, i);		/* another may have moved here: look again */
	}
}

void
sp_known_free(struct sp_known *k)
{
	free(k->v);
	*k = (struct sp_known){ 0 };
}
