#include "front/session.h"

#include "base/b64.h"
#include "crypto/crypto.h"

#include <stdlib.h>

enum { FIRST = 64, WAYS = 4 };

static uint32_t
word(const uint8_t name[32])
{
	uint32_t w;

	memcpy(&w, name, sizeof w);
	return w;
}

void
sp_sessions_free(struct sp_sessions *s)
{
	sp_pkey_free(&s->key);
	free(s->kept);
	free(s->gone);
	*s = (struct sp_sessions){ 0 };
}

enum sp_status
sp_sessions_key(struct sp_sessions *s, const uint8_t key[32])
{
	struct sp_pkey *fresh = NULL;
	struct sp_err e;
	enum sp_status st;

	if (s->key != NULL && memcmp(s->raw, key, sizeof s->raw) == 0)
		return SP_OK;
	st = sp_pkey_ed25519(sp_mem(key, 32), &fresh, &e);
	if (st != SP_OK)
		return st;
	sp_pkey_free(&s->key);
	s->key = fresh;
	memcpy(s->raw, key, sizeof s->raw);
	free(s->kept);
	s->kept = NULL;
	return SP_OK;
}

/* ---------------------------------------------------------------- those that are over */

/* Where it is, or the free place where it would be. */
static struct sp_gone *
place(const struct sp_sessions *s, const uint8_t name[32])
{
	uint32_t i = word(name) & (s->cap - 1);

	while (s->gone[i].expires_s != 0 && memcmp(s->gone[i].name, name, 32) != 0)
		i = (i + 1) & (s->cap - 1);
	return &s->gone[i];
}

/* The same table with `cap` places and without those that end by `until_s`. */
static bool
rebuild(struct sp_sessions *s, uint32_t cap, int64_t until_s)
{
	struct sp_gone *old = s->gone;
	uint32_t n = s->cap;

	s->gone = calloc(cap, sizeof *s->gone);
	if (s->gone == NULL) {
		s->gone = old;
		return false;
	}
	s->cap = cap;
	s->ngone = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (old[i].expires_s <= until_s)
			continue;
		*place(s, old[i].name) = old[i];
		s->ngone++;
	}
	free(old);
	return true;
}

/* The middle between the first and the last end: about half of them go. */
static int64_t
middle(const struct sp_sessions *s)
{
	int64_t lo = INT64_MAX, hi = 0;

	for (uint32_t i = 0; i < s->cap; i++) {
		if (s->gone[i].expires_s == 0)
			continue;
		lo = s->gone[i].expires_s < lo ? s->gone[i].expires_s : lo;
		hi = s->gone[i].expires_s > hi ? s->gone[i].expires_s : hi;
	}
	return lo > hi ? 0 : lo + (hi - lo) / 2;
}

static bool
make_room(struct sp_sessions *s, int64_t now_s)
{
	if (s->ngone < s->cap / 2)
		return true;
	if (s->cap < SP_SESSIONS_GONE * 2)
		return rebuild(s, s->cap == 0 ? FIRST : s->cap * 2, now_s);
	if (!rebuild(s, s->cap, now_s))
		return false;
	if (s->ngone < s->cap / 2)
		return true;
	s->floor_s = middle(s);
	return rebuild(s, s->cap, s->floor_s);
}

void
sp_session_gone(struct sp_sessions *s, const uint8_t name[32], int64_t expires_s, int64_t now_s)
{
	struct sp_gone *g;

	if (expires_s <= now_s || expires_s <= s->floor_s)
		return;
	if (!make_room(s, now_s)) {
		s->floor_s = expires_s;
		return;
	}
	g = place(s, name);
	if (g->expires_s == 0)
		s->ngone++;
	memcpy(g->name, name, sizeof g->name);
	g->expires_s = expires_s;
}

static bool
is_over(const struct sp_sessions *s, const struct sp_session *v, int64_t now_s)
{
	if (v->expires_s <= now_s || v->expires_s <= s->floor_s)
		return true;
	return s->cap != 0 && place(s, v->name)->expires_s != 0;
}

/* ---------------------------------------------------------------- those that are not */

static bool
find_kept(const struct sp_sessions *s, const uint8_t name[32], struct sp_session *out)
{
	uint32_t at = word(name) & (SP_SESSIONS_KEPT - WAYS);

	for (uint32_t i = at; s->kept != NULL && i < at + WAYS; i++)
		if (s->kept[i].expires_s != 0 && memcmp(s->kept[i].name, name, 32) == 0) {
			*out = s->kept[i];
			return true;
		}
	return false;
}

/* The one of its row that ends first goes. */
static void
keep(struct sp_sessions *s, const struct sp_session *v)
{
	uint32_t at = word(v->name) & (SP_SESSIONS_KEPT - WAYS), best = at;

	if (s->kept == NULL)
		s->kept = calloc(SP_SESSIONS_KEPT, sizeof *s->kept);
	if (s->kept == NULL)
		return;
	for (uint32_t i = at; i < at + WAYS; i++)
		if (s->kept[i].expires_s < s->kept[best].expires_s)
			best = i;
	s->kept[best] = *v;
}

static bool
verify(const struct sp_sessions *s, sp_slice text, int64_t now_s, struct sp_session *out)
{
	char bytes[SP_STATEMENT_MAX + 8];
	struct sp_statement said;
	size_t n;

	if (!sp_b64url_decode(text, bytes, sizeof bytes, &n) ||
	    sp_statement_read(s->key, sp_mem(bytes, n), now_s, &said, NULL) != SP_OK || said.kind != SP_STATEMENT_SESSION)
		return false;
	memcpy(out->who, said.who, sizeof out->who);
	out->revision = said.revision;
	out->caps = said.caps;
	out->expires_s = said.expires_s;
	return true;
}

enum sp_status
sp_session_find(struct sp_sessions *s, sp_slice text, int64_t now_s, struct sp_session *out)
{
	struct sp_session v = { 0 };

	if (text.n == 0 || text.n > SP_SESSION_TEXT_MAX)
		return SP_E_SESSION;
	if (s->key == NULL)
		return SP_E_UNAVAILABLE;
	sp_sha256(text, v.name);
	if (!find_kept(s, v.name, &v)) {
		if (!verify(s, text, now_s, &v))
			return SP_E_SESSION;
		keep(s, &v);
	}
	if (is_over(s, &v, now_s))
		return SP_E_SESSION;
	*out = v;
	return SP_OK;
}
