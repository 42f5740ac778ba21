#include "egress/tokens.h"

#include <stdlib.h>

enum { FIRST = 64, MOST = 1 << 20 };

/* The keys are hashes of tokens that we made: nobody outside chooses where they fall. */
static uint32_t
start(const struct sp_token_set *s, const uint8_t hash[32])
{
	uint32_t h;

	memcpy(&h, hash, sizeof h);
	return h & (s->table_n - 1);
}

static struct sp_token_seen *
find(const struct sp_token_set *s, const uint8_t hash[32])
{
	if (s->table_n == 0)
		return NULL;
	for (uint32_t i = start(s, hash); s->table[i] != 0; i = (i + 1) & (s->table_n - 1)) {
		struct sp_token_seen *t = &s->v[s->table[i] - 1];

		if (memcmp(t->hash, hash, 32) == 0)
			return t;
	}
	return NULL;
}

static void
enter(struct sp_token_set *s, uint32_t place)
{
	uint32_t i = start(s, s->v[place].hash);

	while (s->table[i] != 0)
		i = (i + 1) & (s->table_n - 1);
	s->table[i] = place + 1;
}

/* Without the gone ones, and with room for as many again. */
static bool
rebuild(struct sp_token_set *s)
{
	uint32_t cap = s->live * 2 < FIRST ? FIRST : s->live * 2, n = 0;
	struct sp_token_seen *v = cap > MOST ? NULL : calloc(cap, sizeof *v);
	uint32_t *table, table_n = 1;

	while (table_n < cap * 2)
		table_n *= 2;
	table = v == NULL ? NULL : calloc(table_n, sizeof *table);
	if (table == NULL) {
		free(v);
		return false;
	}
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->v[i].gone)
			v[n++] = s->v[i];
	free(s->v);
	free(s->table);
	s->v = v;
	s->table = table;
	s->table_n = table_n;
	s->n = n;
	s->cap = cap;
	for (uint32_t i = 0; i < n; i++)
		enter(s, i);
	return true;
}

void
sp_tokens_begin(struct sp_token_set *s)
{
	s->round++;
}

bool
sp_tokens_put(struct sp_token_set *s, const uint8_t hash[32])
{
	struct sp_token_seen *t = find(s, hash);

	if (t == NULL) {
		if (s->n == s->cap && !rebuild(s))
			return false;
		t = &s->v[s->n++];
		*t = (struct sp_token_seen){ .gone = true };
		memcpy(t->hash, hash, 32);
		enter(s, s->n - 1);
	}
	if (t->gone)
		s->live++;
	t->gone = false;
	t->round = s->round;
	return true;
}

void
sp_tokens_del(struct sp_token_set *s, const uint8_t hash[32])
{
	struct sp_token_seen *t = find(s, hash);

	if (t == NULL || t->gone)
		return;
	t->gone = true;
	s->live--;
}

void
sp_tokens_end(struct sp_token_set *s, void (*drop)(void *ctx, const uint8_t hash[32]), void *ctx)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->v[i].gone || s->v[i].round == s->round)
			continue;
		drop(ctx, s->v[i].hash);
		s->v[i].gone = true;
		s->live--;
	}
}

void
sp_tokens_free(struct sp_token_set *s)
{
	free(s->v);
	free(s->table);
	*s = (struct sp_token_set){ 0 };
}
