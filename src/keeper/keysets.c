/*
 * Key sets on their way from an authority's egress to everybody else of its generation: egresses first, then fronts, so
 * that no front accepts a token that egress does not know yet.  Their text is never looked into.
 * Whoever meets a token with an unknown key asks for a newer set; however many ask, the authority's egress hears of it once
 * a second at most, and a set that has not changed goes to those who asked and to nobody else.
 */
#include "keeper/keeper.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	KEYSETS_MAX = 256,
	WAIT_MS = 1500,			/* and a tick: under 2 s */
	ASK_MS = 1000,
};

struct crowd { struct sp_kpeer **p; uint32_t n; };

/* The last set of one authority of one generation; serial 0: there was none yet. */
struct sp_kkeys {
	struct sp_kkeys *next;
	uint32_t generation, authority, serial, status;
	bool	 out;			/* fronts have it */
	bool	 owed;			/* the authority is to be asked when it may be */
	uint64_t until_ms;		/* fronts get it by then */
	uint64_t asked_ms;
	struct crowd waiting;		/* egresses that have not said that they use it */
	struct crowd asking;		/* who wants a newer one */
	char	*text;
	size_t	 n;
};

/* Without memory it is not in: it is sent what it waits for when something changes. */
static void
add(struct crowd *c, struct sp_kpeer *p)
{
	struct sp_kpeer **more;

	for (uint32_t i = 0; i < c->n; i++)
		if (c->p[i] == p)
			return;
	more = realloc(c->p, (c->n + 1) * sizeof(struct sp_kpeer *));
	if (more == NULL)
		return;
	c->p = more;
	c->p[c->n++] = p;
}

static bool
take_out(struct crowd *c, const struct sp_kpeer *p)
{
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->p[i] != p)
			continue;
		c->p[i] = c->p[--c->n];
		return true;
	}
	return false;
}

static struct sp_kkeys *
find(const struct sp_keeper *k, uint32_t generation, uint32_t authority)
{
	for (struct sp_kkeys *s = k->keysets; s != NULL; s = s->next)
		if (s->generation == generation && s->authority == authority)
			return s;
	return NULL;
}

static struct sp_kkeys *
find_or_make(struct sp_keeper *k, uint32_t generation, uint32_t authority)
{
	struct sp_kkeys *s = find(k, generation, authority);

	if (s != NULL || k->nkeysets == KEYSETS_MAX || (s = calloc(1, sizeof *s)) == NULL)
		return s;
	s->generation = generation;
	s->authority = authority;
	s->status = SP_E_UNAVAILABLE;
	s->next = k->keysets;
	k->keysets = s;
	k->nkeysets++;
	return s;
}

static void
send_set(struct sp_kpeer *p, const struct sp_kkeys *s)
{
	struct sp_m_keys m = { s->authority, s->serial, s->status, { s->text, s->n } };

	sp_enc_keys(sp_chan_begin(p->ch, SP_M_KEYS), &m);
	sp_chan_end(p->ch);
}

static bool
is_front_of(const struct sp_kpeer *p, uint32_t generation)
{
	return p->who.role == SP_FRONT && p->who.generation == generation && !p->packets;
}

static void
to_fronts(struct sp_keeper *k, struct sp_kkeys *s)
{
	s->out = true;
	s->waiting.n = 0;
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		if (is_front_of(p, s->generation))
			send_set(p, s);
}

static void
to_egresses(struct sp_keeper *k, struct sp_kkeys *s)
{
	s->waiting.n = s->asking.n = 0;
	s->out = false;
	s->until_ms = sp_mono_ms() + WAIT_MS;
	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next) {
		if (p->who.generation != s->generation || !sp_keeper_serves_calls(k, p))
			continue;
		send_set(p, s);
		add(&s->waiting, p);
	}
	if (s->waiting.n == 0)
		to_fronts(k, s);
}

static void
waits_no_more(struct sp_keeper *k, struct sp_kkeys *s, const struct sp_kpeer *p)
{
	if (take_out(&s->waiting, p) && s->waiting.n == 0)
		to_fronts(k, s);
}

/* Nothing new: only who asked hears so.  What is under way to all reaches them with the others. */
static void
to_askers(struct sp_kkeys *s)
{
	for (uint32_t i = 0; i < s->asking.n && (s->out || s->serial == 0); i++)
		send_set(s->asking.p[i], s);
	s->asking.n = 0;
}

void
sp_keeper_keys_without(struct sp_keeper *k, const struct sp_kpeer *p)
{
	for (struct sp_kkeys *s = k->keysets; s != NULL; s = s->next) {
		(void)take_out(&s->asking, p);
		waits_no_more(k, s, p);
	}
}

static void
drop(struct sp_keeper *k, struct sp_kkeys **at)
{
	struct sp_kkeys *s = *at;

	*at = s->next;
	k->nkeysets--;
	free(s->waiting.p);
	free(s->asking.p);
	free(s->text);
	free(s);
}

static struct sp_kpeer *
authority_egress(const struct sp_keeper *k, const struct sp_kkeys *s)
{
	const struct sp_image *img = sp_keeper_image(k, s->generation);

	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		if (p->who.role == SP_EGRESS && p->who.generation == s->generation &&
		    p->who.index == img->head->servers.n + s->authority)
			return p;
	return NULL;
}

/* Asks the authority, when it was not asked just now.  When nobody can: what there is, or that there is nothing. */
static void
ask(struct sp_keeper *k, struct sp_kkeys *s)
{
	struct sp_kpeer *to = authority_egress(k, s);
	uint64_t now = sp_mono_ms();

	if (to == NULL) {
		s->owed = false;
		to_askers(s);
		return;
	}
	s->owed = s->asked_ms != 0 && now - s->asked_ms < ASK_MS;
	if (s->owed)
		return;
	s->asked_ms = now;
	sp_enc_id(sp_chan_begin(to->ch, SP_M_KEYS_WANT), &(struct sp_m_id){ s->authority });
	sp_chan_end(to->ch);
}

void
sp_keeper_tick_keys(struct sp_keeper *k)
{
	uint64_t now = sp_mono_ms();

	for (struct sp_kkeys **at = &k->keysets; *at != NULL;) {
		struct sp_kkeys *s = *at;

		if (sp_keeper_image(k, s->generation) == NULL) {
			drop(k, at);
			continue;
		}
		if (s->serial != 0 && !s->out && now >= s->until_ms) {
			sp_log(SP_WARN, "keys.unconfirmed", SP_U("authority", s->authority), SP_U("egresses", s->waiting.n));
			to_fronts(k, s);
		}
		if (s->owed)
			ask(k, s);
		at = &s->next;
	}
}

void
sp_keeper_forget_keys(struct sp_keeper *k)
{
	while (k->keysets != NULL)
		drop(k, &k->keysets);
}

/* Who joins gets what there is; a front waits with the others for a set that is on its way. */
void
sp_keeper_say_keys(struct sp_keeper *k, struct sp_kpeer *p)
{
	for (const struct sp_kkeys *s = k->keysets; s != NULL; s = s->next) {
		if (s->generation != p->who.generation || s->serial == 0)
			continue;
		if (sp_keeper_serves_calls(k, p) || (is_front_of(p, s->generation) && s->out))
			send_set(p, s);
	}
}

/* ---------------------------------------------------------------- messages */

/* A count of the word that every key has: the text is the egress's own writing, but it is not ours to read. */
static unsigned
count_keys(const struct sp_kkeys *s)
{
	const sp_slice word = SP_LIT("\"kty\":");
	sp_slice text = { s->text, s->n };
	unsigned n = 0;

	for (size_t at; (at = sp_find(text, word)) != SIZE_MAX; n++)
		sp_advance(&text, at + word.n);
	return n;
}

static void
note_change(struct sp_keeper *k, const struct sp_image *img, const struct sp_kkeys *s)
{
	const struct sp_img_authority *a = SP_IMG_AT(img, img->head->authorities, authority, s->authority);
	sp_slice name = a->issuer.n != 0 ? sp_img_str(img, a->issuer) : sp_img_str(img, a->url);
	char text[256];

	if (s->status == SP_OK)
		snprintf(text, sizeof text, "%.*s: %u keys", SP_PRI(name), count_keys(s));
	else
		snprintf(text, sizeof text, "%.*s: its key set cannot be fetched", SP_PRI(name));
	sp_audit_note(k->audit, "keys", text);
}

static bool
replace(struct sp_kkeys *s, const struct sp_m_keys *m, bool *same)
{
	char *text = malloc(m->text.n + 1);

	if (text == NULL)
		return false;
	memcpy(text, m->text.n == 0 ? "" : m->text.p, m->text.n);
	*same = s->serial != 0 && s->status == m->status && sp_eq(sp_mem(s->text, s->n), m->text);
	free(s->text);
	s->text = text;
	s->n = m->text.n;
	s->status = m->status;
	return true;
}

/* From the egress of this very authority, and from nobody else. */
bool
sp_keeper_on_keys(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_keeper *k = p->k;
	const struct sp_image *img = sp_keeper_image(k, p->who.generation);
	struct sp_kkeys *s;
	struct sp_m_keys m;
	bool same = false;

	if (!sp_dec_keys(body, &m) || img == NULL || m.authority >= img->head->authorities.n ||
	    p->who.index != img->head->servers.n + m.authority)
		return false;
	s = find_or_make(k, p->who.generation, m.authority);
	if (s == NULL || !replace(s, &m, &same)) {
		sp_log(SP_ERROR, "keys.not_kept", SP_U("authority", m.authority), SP_C("why", "too many key sets, or no memory"));
		return true;
	}
	if (same) {
		to_askers(s);
		return true;
	}
	/* Serials are ours: those of an egress that starts again begin anew. */
	s->serial = ++k->keys_serial;
	note_change(k, img, s);
	to_egresses(k, s);
	return true;
}

bool
sp_keeper_on_keys_ok(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_m_keys_ok m;
	struct sp_kkeys *s;

	if (!sp_dec_keys_ok(body, &m))
		return false;
	s = find(p->k, p->who.generation, m.authority);
	if (s != NULL && s->serial == m.serial)
		waits_no_more(p->k, s, p);
	return true;
}

bool
sp_keeper_on_keys_want(struct sp_kpeer *p, sp_slice body, int fd)
{
	const struct sp_image *img = sp_keeper_image(p->k, p->who.generation);
	struct sp_kkeys *s;
	struct sp_m_id m;

	if (!sp_dec_id(body, &m) || img == NULL || m.id >= img->head->authorities.n)
		return false;
	/* An authority's egress has nothing to ask. */
	if (p->who.role == SP_EGRESS && !sp_keeper_serves_calls(p->k, p))
		return false;
	s = find_or_make(p->k, p->who.generation, m.id);
	if (s == NULL)
		return true;
	add(&s->asking, p);
	ask(p->k, s);
	return true;
}
