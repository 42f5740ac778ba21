#include "oauth/statics.h"

#include "base/ct.h"

#include <stdio.h>
#include <stdlib.h>

/* The hash of a random token is random itself, and only keeper can put one here: no key is needed. */
static struct sp_static **
place(const struct sp_statics *t, const uint8_t hash[32])
{
	uint32_t h;

	memcpy(&h, hash, sizeof h);
	return &t->bucket[h & (t->buckets - 1)];
}

const struct sp_static *
sp_statics_find(const struct sp_statics *t, const uint8_t hash[32])
{
	if (t->n == 0)
		return NULL;
	for (const struct sp_static *s = *place(t, hash); s != NULL; s = s->next)
		if (sp_ct_eq(s->hash, hash, 32))
			return s;
	return NULL;
}

static void
entry_free(struct sp_static *s)
{
	sp_principal_drop(&s->who);
	free(s);
}

void
sp_statics_del(struct sp_statics *t, const uint8_t hash[32])
{
	if (t->n == 0)
		return;
	for (struct sp_static **at = place(t, hash); *at != NULL; at = &(*at)->next) {
		struct sp_static *s = *at;

		if (!sp_ct_eq(s->hash, hash, 32))
			continue;
		*at = s->next;
		t->n--;
		entry_free(s);
		return;
	}
}

static bool
grow(struct sp_statics *t)
{
	struct sp_statics bigger = { .buckets = t->buckets == 0 ? 64 : t->buckets * 2, .n = t->n, .round = t->round };

	if (t->n < t->buckets)
		return true;
	bigger.bucket = calloc(bigger.buckets, sizeof(struct sp_static *));
	if (bigger.bucket == NULL)
		return false;
	for (uint32_t i = 0; i < t->buckets; i++) {
		while (t->bucket[i] != NULL) {
			struct sp_static *s = t->bucket[i], **at = place(&bigger, s->hash);

			t->bucket[i] = s->next;
			s->next = *at;
			*at = s;
		}
	}
	free(t->bucket);
	*t = bigger;
	return true;
}

enum sp_status
sp_statics_put(struct sp_statics *t, const uint8_t hash[32], struct sp_principal *who,
    const struct sp_err *why)
{
	struct sp_static *s, **at;

	sp_statics_del(t, hash);
	s = t->n >= SP_STATICS_MAX || !grow(t) ? NULL : calloc(1, sizeof *s);
	if (s == NULL) {
		sp_principal_drop(&who);
		return SP_E_FULL;
	}
	memcpy(s->hash, hash, 32);
	s->status = why->code == SP_OK ? SP_E_BAD_TOKEN : why->code;
	_Static_assert(sizeof s->pub == sizeof why->pub, "one text");
	memcpy(s->pub, why->pub, sizeof s->pub);
	snprintf(s->why, sizeof s->why, "%.*s", (int)sizeof s->why - 1, why->log);
	s->who = who;
	s->round = t->round;
	at = place(t, hash);
	s->next = *at;
	*at = s;
	t->n++;
	return SP_OK;
}

void
sp_statics_begin(struct sp_statics *t)
{
	t->round++;
}

void
sp_statics_end(struct sp_statics *t)
{
	for (uint32_t i = 0; i < t->buckets; i++) {
		for (struct sp_static **at = &t->bucket[i]; *at != NULL;) {
			struct sp_static *s = *at;

			if (s->round == t->round) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			t->n--;
			entry_free(s);
		}
	}
}

void
sp_statics_free(struct sp_statics *t)
{
	for (uint32_t i = 0; i < t->buckets; i++) {
		while (t->bucket[i] != NULL) {
			struct sp_static *s = t->bucket[i];

			t->bucket[i] = s->next;
			entry_free(s);
		}
	}
	free(t->bucket);
	*t = (struct sp_statics){ 0 };
}
