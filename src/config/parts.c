/*
 * What rules name of mcp servers, whose catalogues are known only while they run.  The distinct parts (a whole server, tools
 * by a pattern, resources, prompts) stand beside the known tools in the sets that the checks of rules compare; a rule's set
 * has a part only when the rule surely speaks of all of it.
 */
#include "config/value.h"

#include "policy/decide.h"

enum { WORK_MAX = 20000000 };		/* comparisons of a target with a part */

bool
sp_cfg_part_of(const struct cfg_target *t, uint32_t server, struct cfg_part *out)
{
	*out = (struct cfg_part){ server, t->what, t->pattern };
	if (t->server != UINT32_MAX && t->server != server)
		return false;
	switch (t->what) {
	case WHAT_ALL:
	case WHAT_NAME:
	case WHAT_RESOURCE:
	case WHAT_PROMPT:
		return true;
	case WHAT_WRITE:		/* every tool, until definitions can be pinned */
		out->what = WHAT_NAME;
		out->pattern = SP_LIT("**");
		return true;
	case WHAT_READ:
	case WHAT_TAG:
		return false;
	}
	return false;
}

static bool
is_pattern(sp_slice s)
{
	return sp_has_byte(s, '*');
}

/* Everything that `b` matches is matched by `a`: certain, or false. */
static bool
pattern_covers(sp_slice a, sp_slice b)
{
	if (sp_eq(a, b) || sp_eq(a, SP_LIT("**")))
		return true;
	/* A single star of `b` stands for text without '/', which is what a star of `a` takes; `**` needs one of its kind. */
	if (sp_find(b, SP_LIT("**")) != SIZE_MAX)
		return false;
	return sp_glob(a, b);
}

static bool
part_covers(const struct cfg_part *a, const struct cfg_part *b)
{
	if (a->server != b->server)
		return false;
	return a->what == WHAT_ALL || (a->what == b->what && pattern_covers(a->pattern, b->pattern));
}

bool
sp_cfg_names_part(const struct cfg_target *t, const struct cfg_part *p)
{
	struct cfg_part mine;

	return sp_cfg_part_of(t, p->server, &mine) && part_covers(&mine, p);
}

bool
sp_cfg_parts_overlap(const struct cfg_part *a, const struct cfg_part *b)
{
	if (a->server != b->server)
		return false;
	if (a->what == WHAT_ALL || b->what == WHAT_ALL)
		return true;
	if (a->what != b->what)
		return false;
	if (is_pattern(a->pattern) && is_pattern(b->pattern))
		return true;
	return sp_glob(a->pattern, b->pattern) || sp_glob(b->pattern, a->pattern);
}

static bool
known(const struct cfg *c, const struct cfg_part *p)
{
	for (uint32_t i = 0; i < c->nparts; i++) {
		const struct cfg_part *q = &c->parts[i];

		if (q->server == p->server && q->what == p->what && sp_eq(q->pattern, p->pattern))
			return true;
	}
	return false;
}

static bool
add(struct cfg *c, const struct cfg_part *p)
{
	if (known(c, p))
		return true;
	if (c->nparts == SP_CFG_PARTS)
		return false;
	c->parts[c->nparts++] = *p;
	return true;
}

/* A whole server is its tools and the rest, so that what speaks of all its tools can be compared with it. */
static bool
add_target(struct cfg *c, const struct cfg_target *t)
{
	bool fits = true;

	for (uint32_t s = 0; s < c->nservers && fits; s++) {
		const struct cfg_part tools = { s, WHAT_NAME, SP_LIT("**") };
		struct cfg_part p;

		if (c->servers[s].kind == SP_SERVER_MCP && sp_cfg_part_of(t, s, &p))
			fits = add(c, &p) && (p.what != WHAT_ALL || add(c, &tools));
	}
	return fits;
}

void
sp_cfg_find_parts(struct cfg *c)
{
	uint64_t targets = 0;
	bool fits = true;

	c->parts = sp_cfg_alloc(c, SP_CFG_PARTS, sizeof *c->parts);
	if (c->parts == NULL)
		return;
	for (uint32_t i = 0; i < c->nrules && fits; i++)
		for (uint32_t j = 0; j < c->rules[i].ntargets && fits; j++, targets++)
			fits = add_target(c, &c->rules[i].targets[j]) && targets * c->nparts < WORK_MAX;
	if (fits)
		return;
	c->nparts = 0;
	c->too_many_parts = true;
}
