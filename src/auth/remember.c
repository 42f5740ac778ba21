#include "auth/remember.h"

#include <stdlib.h>

enum { BUCKETS_MAX = 4096 };

struct entry {
	struct entry *next, *newer;	/* of its bucket; of all, by age */
	uint8_t	 hash[32];
	struct sp_principal *who;
	int64_t	 dies_s;
};

struct sp_remembered {
	struct sp_hash_key seed;
	uint32_t max, n, mask;
	struct entry *oldest, **newest;
	struct entry *bucket[];
};

struct sp_remembered *
sp_remembered_new(uint32_t max, struct sp_hash_key seed)
{
	struct sp_remembered *r;
	uint32_t buckets = 8;

	while (buckets < max && buckets < BUCKETS_MAX)
		buckets *= 2;
	r = calloc(1, sizeof *r + buckets * sizeof(struct entry *));
	if (r == NULL)
		return NULL;
	r->seed = seed;
	r->max = max;
	r->mask = buckets - 1;
	r->newest = &r->oldest;
	return r;
}

static struct entry **
place(struct sp_remembered *r, const uint8_t hash[32])
{
	struct entry **at = &r->bucket[(uint32_t)sp_siphash(&r->seed, sp_mem(hash, 32)) & r->mask];

	while (*at != NULL && memcmp((*at)->hash, hash, 32) != 0)
		at = &(*at)->next;
	return at;
}

static void
drop_oldest(struct sp_remembered *r)
{
	struct entry *o = r->oldest, **at = place(r, o->hash);

	*at = o->next;
	r->oldest = o->newer;
	if (r->oldest == NULL)
		r->newest = &r->oldest;
	r->n--;
	sp_principal_drop(&o->who);
	free(o);
}

void
sp_remembered_free(struct sp_remembered **rp)
{
	struct sp_remembered *r = *rp;

	if (r == NULL)
		return;
	while (r->oldest != NULL)
		drop_oldest(r);
	free(r);
	*rp = NULL;
}

struct sp_principal *
sp_remembered_find(struct sp_remembered *r, const uint8_t hash[32], int64_t now_s)
{
	struct entry *e = *place(r, hash);

	return e != NULL && e->dies_s > now_s ? e->who : NULL;
}

void
sp_remembered_put(struct sp_remembered *r, const uint8_t hash[32], struct sp_principal *who, int64_t dies_s)
{
	struct entry **at, *e;

	if (r->max == 0)
		return;
	e = *place(r, hash);
	if (e == NULL) {
		if (r->n == r->max)
			drop_oldest(r);
		e = calloc(1, sizeof *e);
		if (e == NULL)
			return;
		memcpy(e->hash, hash, 32);
		at = place(r, hash);
		*at = e;
		*r->newest = e;
		r->newest = &e->newer;
		r->n++;
	}
	sp_principal_drop(&e->who);
	e->who = sp_principal_hold(who);
	e->dies_s = dies_s;
}
