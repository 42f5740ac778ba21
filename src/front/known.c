/*
 * Tokens that keeper announced.  A keeper that starts again sends all that are valid: one that was revoked while the
 * old keeper died before it could say so is missing then, and goes.
 */
#include "front/front.h"

#include <stdlib.h>

enum { KNOWN_MAX = 1 << 20 };

static uint32_t
find(const struct sp_known *k, const uint8_t hash[32])
{
	for (uint32_t i = 0; i < k->n; i++)
		if (memcmp(k->v[i].hash, hash, 32) == 0)
			return i;
	return UINT32_MAX;
}

void
sp_known_begin(struct sp_known *k)
{
	k->round++;
}

bool
sp_known_put(struct sp_known *k, const uint8_t hash[32])
{
	uint32_t i = find(k, hash);

	if (i != UINT32_MAX) {
		k->v[i].round = k->round;
		return true;
	}
	if (k->n == k->cap) {
		uint32_t cap = k->cap == 0 ? 64 : k->cap * 2;
		void *v = cap > KNOWN_MAX ? NULL : realloc(k->v, cap * sizeof *k->v);

		if (v == NULL)
			return false;
		k->v = v;
		k->cap = cap;
	}
	memcpy(k->v[k->n].hash, hash, 32);
	k->v[k->n++].round = k->round;
	return true;
}

static void
drop_at(struct sp_known *k, uint32_t i)
{
	k->v[i] = k->v[--k->n];
}

void
sp_known_del(struct sp_known *k, const uint8_t hash[32])
{
	uint32_t i = find(k, hash);

	if (i != UINT32_MAX)
		drop_at(k, i);
}

void
sp_known_end(struct sp_known *k, void (*drop)(void *ctx, const uint8_t hash[32]), void *ctx)
{
	for (uint32_t i = k->n; i-- > 0;) {
		if (k->v[i].round == k->round)
			continue;
		drop(ctx, k->v[i].hash);
		drop_at(k, i);
	}
}

void
sp_known_free(struct sp_known *k)
{
	free(k->v);
	*k = (struct sp_known){ 0 };
}
