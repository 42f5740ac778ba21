/* The tables of scopes and tags: every name the file mentions, with what a scope implies. */
#include "config/value.h"

struct table { struct item *v; uint32_t n; bool full; };

static uint32_t
find(const struct item *v, uint32_t n, sp_slice name)
{
	for (uint32_t i = 0; i < n; i++)
		if (sp_eq(v[i].text, name))
			return i;
	return UINT32_MAX;
}

static void
add(struct cfg *c, struct table *t, const struct item *it, const char *what)
{
	if (find(t->v, t->n, it->text) != UINT32_MAX)
		return;
	if (t->n == SP_CFG_NAMES) {
		if (!t->full)
			ERR(c, it, "more than %d %s in one file", SP_CFG_NAMES, what);
		t->full = true;
		return;
	}
	t->v[t->n++] = *it;
}

static void
unknown_scope(struct cfg *c, const struct item *it)
{
	sp_slice *names = sp_cfg_alloc(c, c->nscopes, sizeof *names);

	if (names == NULL)
		return;
	for (uint32_t i = 0; i < c->nscopes; i++)
		names[i] = c->scopes[i].name.text;
	ERR(c, it, "the scope `%.*s` is not among `scopes`%s", SP_PRI(it->text),
	    sp_cfg_hint(c, it->text, names, c->nscopes));
}

static bool
in_vocabulary(const struct cfg *c, sp_slice name)
{
	for (uint32_t i = 0; i < c->nscopes; i++)
		if (sp_eq(c->scopes[i].name.text, name))
			return true;
	return false;
}

static void
add_scopes(struct cfg *c, struct table *t, const struct items *list)
{
	for (uint32_t i = 0; i < list->n; i++) {
		if (c->scopes_written && !in_vocabulary(c, list->v[i].text))
			unknown_scope(c, &list->v[i]);
		add(c, t, &list->v[i], "scopes");
	}
}

static void
add_tags(struct cfg *c, struct table *t, const struct items *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		add(c, t, &list->v[i], "tags");
}

static void
add_source(struct cfg *c, struct table *scopes, struct table *tags, const struct cfg_source *s)
{
	add_scopes(c, scopes, &s->require_scopes);
	add_scopes(c, scopes, &s->give_scopes);
	add_tags(c, tags, &s->restrict_tag);
	for (uint32_t i = 0; i < s->ngive; i++) {
		add_scopes(c, scopes, &s->give[i].scopes);
		add(c, tags, &s->give[i].tag, "tags");
	}
}

static void
add_rule(struct cfg *c, struct table *scopes, struct table *tags, const struct cfg_rule *r)
{
	add_scopes(c, scopes, &r->scopes);
	add_tags(c, tags, &r->tags);
	add_tags(c, tags, &r->not.tags);
	for (uint32_t i = 0; i < r->nany; i++) {
		add_scopes(c, scopes, &r->any[i].scopes);
		add_tags(c, tags, &r->any[i].tags);
	}
}

static bool
grow_closure(struct cfg *c, uint32_t scope, uint32_t other)
{
	bool grown = false;

	for (uint32_t w = 0; w < SP_CFG_NAMES / 64; w++) {
		uint64_t was = c->closure[scope][w];

		c->closure[scope][w] |= c->closure[other][w];
		grown |= c->closure[scope][w] != was;
	}
	return grown;
}

/* Until nothing changes: at most as many rounds as the longest chain of implications. */
static void
close_scopes(struct cfg *c)
{
	bool grown = true;

	for (uint32_t i = 0; i < c->nscope_names; i++)
		c->closure[i][i / 64] |= (uint64_t)1 << (i % 64);
	while (grown) {
		grown = false;
		for (uint32_t i = 0; i < c->nscopes; i++) {
			uint32_t from = find(c->scope_names, c->nscope_names, c->scopes[i].name.text);

			for (uint32_t j = 0; j < c->scopes[i].implies.n; j++) {
				uint32_t to = find(c->scope_names, c->nscope_names, c->scopes[i].implies.v[j].text);

				if (from != UINT32_MAX && to != UINT32_MAX)
					grown |= grow_closure(c, from, to);
			}
		}
	}
}

void
sp_cfg_collect_names(struct cfg *c)
{
	struct table scopes = { 0 }, tags = { 0 };

	scopes.v = sp_cfg_alloc(c, SP_CFG_NAMES, sizeof *scopes.v);
	tags.v = sp_cfg_alloc(c, SP_CFG_NAMES, sizeof *tags.v);
	c->closure = sp_cfg_alloc(c, SP_CFG_NAMES, sizeof *c->closure);
	if (scopes.v == NULL || tags.v == NULL || c->closure == NULL)
		return;
	for (uint32_t i = 0; i < c->nscopes; i++)
		add(c, &scopes, &c->scopes[i].name, "scopes");
	for (uint32_t i = 0; i < c->nscopes; i++)
		add_scopes(c, &scopes, &c->scopes[i].implies);
	for (uint32_t i = 0; i < c->nsources; i++)
		add_source(c, &scopes, &tags, &c->sources[i]);
	for (uint32_t i = 0; i < c->nrules; i++)
		add_rule(c, &scopes, &tags, &c->rules[i]);
	c->scope_names = scopes.v;
	c->nscope_names = scopes.n;
	c->tag_names = tags.v;
	c->ntag_names = tags.n;
	close_scopes(c);
}

static struct cfg_set
set_of(const struct item *table, uint32_t n, const struct items *names)
{
	struct cfg_set s = { { 0 } };

	for (uint32_t i = 0; i < names->n; i++) {
		uint32_t at = find(table, n, names->v[i].text);

		if (at != UINT32_MAX)
			s.w[at / 64] |= (uint64_t)1 << (at % 64);
	}
	return s;
}

struct cfg_set
sp_cfg_scopes(const struct cfg *c, const struct items *names)
{
	return set_of(c->scope_names, c->nscope_names, names);
}

struct cfg_set
sp_cfg_tags(const struct cfg *c, const struct items *names)
{
	return set_of(c->tag_names, c->ntag_names, names);
}

struct cfg_set
sp_cfg_implied(const struct cfg *c, struct cfg_set s)
{
	struct cfg_set all = s;

	for (uint32_t i = 0; i < c->nscope_names; i++)
		if ((s.w[i / 64] >> (i % 64) & 1) != 0)
			for (uint32_t w = 0; w < SP_CFG_NAMES / 64; w++)
				all.w[w] |= c->closure[i][w];
	return all;
}

bool
sp_cfg_within(const struct cfg_set *a, const struct cfg_set *b)
{
	for (uint32_t i = 0; i < SP_CFG_NAMES / 64; i++)
		if ((a->w[i] & ~b->w[i]) != 0)
			return false;
	return true;
}

void
sp_cfg_join(struct cfg_set *a, const struct cfg_set *b)
{
	for (uint32_t i = 0; i < SP_CFG_NAMES / 64; i++)
		a->w[i] |= b->w[i];
}
