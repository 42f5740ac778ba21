#include "keeper/intents.h"

#include "os/ring.h"
#include "wire/json.h"

#include <stdlib.h>

void
sp_intents_init(struct sp_intents *t)
{
	*t = (struct sp_intents){ 0 };
	t->dead_end = &t->dead;
}

static bool
same_seat(const struct sp_seat *a, const struct sp_seat *b)
{
	return a->role == b->role && a->index == b->index && a->generation == b->generation;
}

/* Calls are numbered by those who make them, so nobody else can aim at one bucket. */
static struct sp_intent **
bucket_of(struct sp_intents *t, const struct sp_seat *at, uint64_t call)
{
	uint64_t h = (call ^ call >> 32 ^ (uint64_t)at->index << 7 ^ at->role) * 0x9e3779b97f4a7c15u;

	return &t->bucket[h >> 54];
}

static void
forget(struct sp_intents *t, struct sp_intent **link)
{
	struct sp_intent *i = *link;

	*link = i->next;
	t->n--;
	t->recovered -= i->until_us != 0;
}

static void
die(struct sp_intents *t, struct sp_intent **link)
{
	struct sp_intent *i = *link;

	forget(t, link);
	i->next = NULL;
	*t->dead_end = i;
	t->dead_end = &i->next;
}

bool
sp_intents_open(struct sp_intents *t, const struct sp_seat *at, uint32_t incarnation, uint64_t until_us,
    const struct sp_audit_record *rec)
{
	struct sp_intent *i, **head;

	/* The same call again: its line was written, but not yet given back, when keeper was killed. */
	sp_intents_close(t, at, rec->call);
	if (t->n >= SP_INTENTS_MAX || (i = malloc(sizeof *i)) == NULL) {
		t->overflowed = true;
		return false;
	}
	head = bucket_of(t, at, rec->call);
	*i = (struct sp_intent){ *head, *at, incarnation, until_us, *rec };
	*head = i;
	t->n++;
	t->recovered += until_us != 0;
	return true;
}

void
sp_intents_close(struct sp_intents *t, const struct sp_seat *at, uint64_t call)
{
	for (struct sp_intent **p = bucket_of(t, at, call); *p != NULL; p = &(*p)->next) {
		struct sp_intent *i = *p;

		if (i->rec.call != call || !same_seat(&i->seat, at))
			continue;
		forget(t, p);
		free(i);
		return;
	}
}

static void
kill_if(struct sp_intents *t, bool (*is)(const struct sp_intent *i, const void *arg), const void *arg)
{
	for (size_t b = 0; b < SP_COUNT(t->bucket); b++) {
		struct sp_intent **p = &t->bucket[b];

		while (*p != NULL) {
			if (is(*p, arg))
				die(t, p);
			else
				p = &(*p)->next;
		}
	}
}

struct doomed { const struct sp_seat *at; uint32_t alive; };

static bool
is_doomed(const struct sp_intent *i, const void *arg)
{
	const struct doomed *d = arg;

	return same_seat(&i->seat, d->at) && (d->alive == UINT32_MAX || i->incarnation != d->alive);
}

void
sp_intents_kill(struct sp_intents *t, const struct sp_seat *at, uint32_t alive)
{
	if (t->n != 0)
		kill_if(t, is_doomed, &(struct doomed){ at, alive });
}

static bool
is_over(const struct sp_intent *i, const void *arg)
{
	return i->until_us != 0 && i->until_us < *(const uint64_t *)arg;
}

void
sp_intents_expire(struct sp_intents *t, uint64_t now_us)
{
	if (t->recovered != 0)
		kill_if(t, is_over, &now_us);
}

void
sp_intents_bury(struct sp_intents *t, uint32_t n)
{
	for (; n > 0 && t->dead != NULL; n--) {
		struct sp_intent *i = t->dead;

		t->dead = i->next;
		if (t->dead == NULL)
			t->dead_end = &t->dead;
		free(i);
	}
}

static bool
is_any(const struct sp_intent *i, const void *arg)
{
	return true;
}

void
sp_intents_wipe(struct sp_intents *t)
{
	kill_if(t, is_any, NULL);
	sp_intents_bury(t, UINT32_MAX);
}

/* ---------------------------------------------------------------- from the log */

static bool
read_seat(sp_slice ring, struct sp_seat *at, uint32_t *incarnation)
{
	uint64_t v[3];
	sp_slice role;

	if (!sp_take_to(&ring, '/', &role))
		return false;
	for (unsigned i = 0; i < SP_COUNT(v); i++)
		if (!sp_take_u64(&ring, UINT32_MAX, &v[i]) || (i < 2 && !sp_take(&ring, SP_LIT("/"))))
			return false;
	for (uint32_t r = 0; r < SP_ROLE_COUNT; r++) {
		if (!sp_eq(role, sp_str(sp_role_name((enum sp_role)r))))
			continue;
		*at = (struct sp_seat){ r, (uint32_t)v[0], (uint32_t)v[1] };
		*incarnation = (uint32_t)v[2];
		return ring.n == 0;
	}
	return false;
}

static bool
read_record(sp_slice line, const struct sp_audit_call *c, struct sp_audit_record *r)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	int64_t rule = 0;
	sp_slice hex;

	if (sp_json_read(line, SP_JSON_DEFAULT, &j, NULL) != SP_OK)
		return false;
	*r = (struct sp_audit_record){ .time_us = c->time_ms * 1000, .call = c->call, .kind = SP_AUDIT_INTENT };
	SP_RING_TEXT(r->source, sp_jtext(SP_JGET(j.root, "source")));
	SP_RING_TEXT(r->user, sp_jtext(SP_JGET(j.root, "user")));
	SP_RING_TEXT(r->tool, sp_jtext(SP_JGET(j.root, "tool")));
	SP_RING_TEXT(r->server, sp_jtext(SP_JGET(j.root, "server")));
	if (sp_jint(SP_JGET(j.root, "rule"), &rule))
		r->rule_line = (uint32_t)rule;
	hex = sp_jtext(SP_JGET(j.root, "fingerprint"));
	for (size_t i = 0; i < sizeof r->fingerprint && 2 * i + 1 < hex.n; i++)
		r->fingerprint[i] = (uint8_t)((sp_hex_value((unsigned char)hex.p[2 * i]) & 15) << 4 |
		    (sp_hex_value((unsigned char)hex.p[2 * i + 1]) & 15));
	return true;
}

void
sp_intents_recover(struct sp_intents *t, sp_slice lines, uint64_t call_us)
{
	sp_slice line;

	while (sp_take_to(&lines, '\n', &line)) {
		struct sp_audit_record rec;
		struct sp_audit_call c;
		struct sp_seat at;
		uint32_t incarnation;

		if (!sp_audit_call_read(line, &c) || (!c.intent && !c.outcome) || !read_seat(c.ring, &at, &incarnation))
			continue;
		if (c.outcome)
			sp_intents_close(t, &at, c.call);
		else if (read_record(line, &c, &rec))
			(void)sp_intents_open(t, &at, incarnation, rec.time_us + call_us, &rec);
	}
}
