#include "oauth/cache.h"

#include <stdlib.h>

enum { WAYS = 8, ENTRIES_MAX = 1 << 20 };

struct slot {
	uint8_t	 hash[32];
	uint32_t resource;
	struct sp_principal *who;	/* NULL: empty */
	struct sp_cache_life life;
	uint64_t used;			/* the clock below, when last found */
};

struct sp_cache {
	struct sp_hash_key seed;
	uint64_t     clock;
	uint32_t     mask;		/* number of sets - 1 */
	struct slot (*set)[WAYS];
};

struct sp_cache *
sp_cache_new(uint32_t entries, struct sp_hash_key seed)
{
	struct sp_cache *c = calloc(1, sizeof *c);
	uint32_t sets = 1;

	if (entries > ENTRIES_MAX)
		entries = ENTRIES_MAX;
	while (sets * WAYS < entries)
		sets *= 2;
	if (c == NULL)
		return NULL;
	c->seed = seed;
	c->mask = sets - 1;
	c->set = calloc(sets, sizeof *c->set);
	if (c->set == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void
sp_cache_free(struct sp_cache **cp)
{
	struct sp_cache *c = *cp;

	if (c == NULL)
		return;
	for (uint32_t s = 0; s <= c->mask; s++)
		for (size_t i = 0; i < WAYS; i++)
			sp_principal_drop(&c->set[s][i].who);
	free(c->set);
	free(c);
	*cp = NULL;
}

static struct slot *
set_of(struct sp_cache *c, const uint8_t hash[32])
{
	return c->set[(uint32_t)sp_siphash(&c->seed, sp_mem(hash, 32)) & c->mask];
}

static struct slot *
slot_of(struct sp_cache *c, uint32_t resource, const uint8_t hash[32])
{
	struct slot *s = set_of(c, hash);

	for (size_t i = 0; i < WAYS; i++)
		if (s[i].who != NULL && s[i].resource == resource && memcmp(s[i].hash, hash, 32) == 0)
			return &s[i];
	return NULL;
}

struct sp_principal *
sp_cache_find(struct sp_cache *c, uint32_t resource, const uint8_t hash[32], int64_t now_s, uint64_t epoch,
    uint64_t *inner)
{
	struct slot *s = slot_of(c, resource, hash);

	if (s == NULL)
		return NULL;
	if (s->life.dies_s <= now_s || s->life.epoch != epoch) {
		sp_principal_drop(&s->who);
		return NULL;
	}
	s->used = ++c->clock;
	*inner = s->life.inner;
	return s->who;
}

void
sp_cache_del(struct sp_cache *c, uint32_t resource, const uint8_t hash[32])
{
	struct slot *s = slot_of(c, resource, hash);

	if (s != NULL)
		sp_principal_drop(&s->who);
}

static struct slot *
oldest(struct slot s[WAYS])
{
	struct slot *at = &s[0];

	for (size_t i = 1; i < WAYS; i++)
		if (s[i].used < at->used)
			at = &s[i];
	return at;
}

void
sp_cache_put(struct sp_cache *c, uint32_t resource, const uint8_t hash[32], struct sp_principal *who,
    const struct sp_cache_life *life)
{
	struct slot *s = set_of(c, hash), *at = slot_of(c, resource, hash);

	for (size_t i = 0; at == NULL && i < WAYS; i++)
		if (s[i].who == NULL)
			at = &s[i];
	if (at == NULL)
		at = oldest(s);
	sp_principal_drop(&at->who);
	*at = (struct slot){ .resource = resource, .who = sp_principal_hold(who), .life = *life, .used = ++c->clock };
	memcpy(at->hash, hash, 32);
}
