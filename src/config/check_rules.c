/*
 * What is wrong with rules that are well formed: one that changes no decision, one that no caller can satisfy, and
 * (warnings) one that tightens another's tools, or opens writes without a demand.  Everything here is cautious: a
 * finding is only made where no call could prove it wrong.
 */
#include "config/value.h"

#include "policy/decide.h"

enum { WORK_MAX = 400000000 };		/* word operations over pairs of rules */

struct pass {
	struct cfg *c;
	uint32_t words;			/* of a set of tools */
	struct demand {
		struct cfg_set scopes, closure, tags, not;
	} *demand;			/* per rule */
	bool *pointless;		/* per rule: reported already */
};

static const char *
tool_text(struct cfg *c, uint32_t tool)
{
	static const char *const kinds[] = { [WHAT_RESOURCE] = "resource:", [WHAT_PROMPT] = "prompt:" };
	char buf[420];
	struct sp_out o;
	sp_slice s;

	sp_out_init(&o, buf, sizeof buf);
	if (tool < c->ntools) {
		sp_out_fmt(&o, "%.*s.%.*s", SP_PRI(c->servers[c->tools[tool].server].name.text), SP_PRI(c->tools[tool].name));
	} else {
		const struct cfg_part *p = &c->parts[tool - c->ntools];

		sp_out_slice(&o, c->servers[p->server].name.text);
		if (p->what != WHAT_ALL)
			sp_out_fmt(&o, ".%s%.*s", p->what == WHAT_NAME ? "" : kinds[p->what],
			    SP_PRI(sp_sub(p->pattern, 0, 300)));
	}
	s = sp_arena_copy(&c->mem, sp_out_view(&o));
	return s.p == NULL ? "" : s.p;
}

static bool
has_anyone(const struct cfg_rule *r)
{
	for (uint32_t i = 0; i < r->ncallers; i++)
		if (r->callers[i].source == SP_IMG_ANYONE)
			return true;
	return false;
}

/* ---- who a rule speaks of */

/* Everybody whom `a` means is meant by `b`. */
static bool
entry_covers(const struct cfg_caller *b, const struct cfg_caller *a)
{
	if (b->source == SP_IMG_ANYONE)
		return true;
	if (a->source != b->source)
		return false;
	if (!b->has_pattern)
		return true;
	if (!a->has_pattern)
		return false;
	return sp_eq(a->pattern, b->pattern) || (!sp_has_byte(a->pattern, '*') && sp_glob(b->pattern, a->pattern));
}

static bool
covers_callers(const struct cfg_rule *b, const struct cfg_rule *a)
{
	if (b->ncallers == 0)
		return true;
	if (a->ncallers == 0)
		return has_anyone(b);
	for (uint32_t i = 0; i < a->ncallers; i++) {
		bool found = false;

		for (uint32_t j = 0; j < b->ncallers && !found; j++)
			found = entry_covers(&b->callers[j], &a->callers[i]);
		if (!found)
			return false;
	}
	return true;
}

static bool
entries_overlap(const struct cfg_caller *a, const struct cfg_caller *b)
{
	if (a->source == SP_IMG_ANYONE || b->source == SP_IMG_ANYONE)
		return true;
	if (a->source != b->source)
		return false;
	if (!a->has_pattern || !b->has_pattern)
		return true;
	return sp_glob(a->pattern, b->pattern) || sp_glob(b->pattern, a->pattern);
}

static bool
callers_overlap(const struct cfg_rule *a, const struct cfg_rule *b)
{
	if (a->ncallers == 0 || b->ncallers == 0)
		return true;
	for (uint32_t i = 0; i < a->ncallers; i++)
		for (uint32_t j = 0; j < b->ncallers; j++)
			if (entries_overlap(&a->callers[i], &b->callers[j]))
				return true;
	return false;
}

/* ---- what a rule demands */

static bool
has_demands(const struct cfg_rule *r)
{
	return r->scopes.n + r->tags.n + r->nany != 0 || r->checks != 0 || r->has_not;
}

static bool
items_equal(const struct items *a, const struct items *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!sp_eq(a->v[i].text, b->v[i].text))
			return false;
	return true;
}

static bool
any_equal(const struct cfg_rule *a, const struct cfg_rule *b)
{
	if (a->nany != b->nany)
		return false;
	for (uint32_t i = 0; i < a->nany; i++)
		if (!items_equal(&a->any[i].scopes, &b->any[i].scopes) || !items_equal(&a->any[i].tags, &b->any[i].tags))
			return false;
	return true;
}

/* LIST < CHALLENGE < HIDE */
static int
strictness(enum sp_manner m)
{
	return m == SP_MANNER_LIST ? 0 : m == SP_MANNER_CHALLENGE ? 1 : 2;
}

/* Whoever satisfies `b` satisfies `a`, and is told no less. */
static bool
demands_within(const struct pass *p, uint32_t ai, uint32_t bi)
{
	const struct cfg_rule *a = &p->c->rules[ai], *b = &p->c->rules[bi];
	const struct demand *da = &p->demand[ai], *db = &p->demand[bi];

	if (!sp_cfg_within(&da->scopes, &db->closure) || !sp_cfg_within(&da->tags, &db->tags))
		return false;
	if (a->has_not && (!b->has_not || !sp_cfg_within(&db->not, &da->not)))
		return false;
	if ((a->nany != 0 && !any_equal(a, b)) || (a->checks & ~b->checks) != 0)
		return false;
	return (a->scopes.n + a->nany == 0 && a->checks == 0) || strictness(a->manner) <= strictness(b->manner);
}

/* ---- conditions */

static bool
conds_equal(const struct cfg_cond *a, uint32_t na, const struct cfg_cond *b, uint32_t nb)
{
	if (na != nb)
		return false;
	for (uint32_t i = 0; i < na; i++) {
		if (!sp_eq(a[i].argument.text, b[i].argument.text) || a[i].nvalues != b[i].nvalues)
			return false;
		for (uint32_t j = 0; j < a[i].nvalues; j++) {
			const struct cfg_value *x = &a[i].values[j], *y = &b[i].values[j];

			if (x->kind != y->kind || !sp_eq(x->text, y->text) || !sp_eq(x->high, y->high))
				return false;
		}
	}
	return true;
}

/* When `a` speaks of a call, `b` does, and as surely. */
static bool
covers_calls(const struct cfg_rule *b, const struct cfg_rule *a)
{
	if (!cfg_conditional(b))
		return true;
	return conds_equal(a->when, a->nwhen, b->when, b->nwhen) && conds_equal(a->unless, a->nunless, b->unless, b->nunless);
}

/* ---- changes no decision */

/* With `b` in force, is `a` without effect on the tools that both name? */
static bool
makes_pointless(const struct pass *p, uint32_t bi, uint32_t ai)
{
	const struct cfg_rule *a = &p->c->rules[ai], *b = &p->c->rules[bi];

	if (!covers_callers(b, a) || !covers_calls(b, a))
		return false;
	if (b->verb == SP_VERB_DENY)
		return true;
	if (a->verb == SP_VERB_DENY || !demands_within(p, ai, bi))
		return false;
	if (a->verb == SP_VERB_GUARD)
		return true;
	/* `ask` holds back what `allow` lets through, so neither stands for the other. */
	return a->verb == b->verb && (!has_anyone(a) || has_anyone(b));
}

static bool
names_within(const struct pass *p, uint32_t a, uint32_t b)
{
	for (uint32_t w = 0; w < p->words; w++)
		if ((p->c->rules[a].names[w] & ~p->c->rules[b].names[w]) != 0)
			return false;
	return true;
}

/* The rule that makes `a` pointless on all its tools, or the first of several; UINT32_MAX: it has an effect. */
static uint32_t
pointless_by(const struct pass *p, uint32_t a, uint64_t *covered)
{
	uint32_t first = UINT32_MAX;

	memset(covered, 0, p->words * sizeof *covered);
	for (uint32_t b = 0; b < p->c->nrules; b++) {
		if (b == a || p->c->rules[b].bad || p->pointless[b] || !makes_pointless(p, b, a))
			continue;
		/* Of twins the later one is the pointless one. */
		if (b > a && makes_pointless(p, a, b) && names_within(p, b, a))
			continue;
		for (uint32_t w = 0; w < p->words; w++) {
			if (first == UINT32_MAX && (p->c->rules[b].names[w] & p->c->rules[a].names[w]) != 0)
				first = b;
			covered[w] |= p->c->rules[b].names[w];
		}
	}
	for (uint32_t w = 0; w < p->words; w++)
		if ((p->c->rules[a].names[w] & ~covered[w]) != 0)
			return UINT32_MAX;
	return first;
}

static uint32_t
first_common(const struct pass *p, const struct cfg_rule *a, const struct cfg_rule *b)
{
	for (uint32_t w = 0; w < p->words; w++)
		if ((a->names[w] & b->names[w]) != 0)
			return w * 64 + (uint32_t)__builtin_ctzll(a->names[w] & b->names[w]);
	return UINT32_MAX;
}

static void
report_pointless(struct pass *p, uint32_t ai, uint32_t bi)
{
	struct cfg_rule *a = &p->c->rules[ai];
	const struct cfg_rule *b = &p->c->rules[bi];
	const char *tool = tool_text(p->c, first_common(p, a, b));

	p->pointless[ai] = true;
	if (b->verb == SP_VERB_DENY)
		OBJECT(p->c, a, "changes no decision: line %u closes %s, and `deny` beats all", b->line, tool);
	else if (a->verb == SP_VERB_GUARD)
		OBJECT(p->c, a, "changes no decision: line %u demands it for %s already", b->line, tool);
	else if (cfg_conditional(a) && !cfg_conditional(b))
		OBJECT(p->c, a, "changes no decision: line %u opens %s for all arguments. Write: deny … unless …", b->line, tool);
	else
		OBJECT(p->c, a, "changes no decision: line %u opens %s already%s", b->line, tool,
		    has_demands(b) ? ", and what it demands stays" : "");
}

/* It names nothing, and was told so. */
static bool
names_no_more(const struct pass *p, const struct cfg_rule *r)
{
	for (uint32_t w = 0; w < p->words; w++)
		if (r->names[w] != 0)
			return false;
	return true;
}

/* Do both speak of one part of an mcp server, as far as can be known? */
static bool
may_share_part(const struct cfg *c, const struct cfg_rule *a, const struct cfg_rule *b)
{
	struct cfg_part p, q;

	for (uint32_t s = 0; s < c->nservers; s++)
		for (uint32_t i = 0; i < a->ntargets && c->servers[s].kind == SP_SERVER_MCP; i++)
			for (uint32_t j = 0; sp_cfg_part_of(&a->targets[i], s, &p) && j < b->ntargets; j++)
				if (sp_cfg_part_of(&b->targets[j], s, &q) && sp_cfg_parts_overlap(&p, &q))
					return true;
	return false;
}

/* A guard or deny over tools that nothing opens for the callers it speaks of. */
static bool
over_nothing(const struct pass *p, uint32_t ai)
{
	const struct cfg_rule *a = &p->c->rules[ai];

	if (cfg_opens(a) || names_no_more(p, a))
		return false;
	for (uint32_t b = 0; b < p->c->nrules; b++) {
		const struct cfg_rule *r = &p->c->rules[b];

		if (cfg_opens(r) && callers_overlap(a, r) &&
		    (first_common(p, a, r) != UINT32_MAX || may_share_part(p->c, a, r)))
			return false;
	}
	return true;
}

static void
check_pointless(struct pass *p, bool complete)
{
	uint64_t *covered = sp_cfg_alloc(p->c, p->words, sizeof *covered);

	if (covered == NULL)
		return;
	for (uint32_t a = 0; a < p->c->nrules; a++) {
		uint32_t b;

		if (p->c->rules[a].bad || p->pointless[a])
			continue;
		b = pointless_by(p, a, covered);
		if (b != UINT32_MAX) {
			report_pointless(p, a, b);
		} else if (complete && over_nothing(p, a)) {
			p->pointless[a] = true;
			OBJECT(p->c, &p->c->rules[a], "changes no decision: no rule opens what it names to those it speaks of");
		}
	}
}

/* ---- nobody can satisfy it */

static bool
may_have_user(const struct cfg_source *s, const struct cfg_caller *who)
{
	if (!who->has_pattern || s->users.n == 0 || sp_has_byte(who->pattern, '*'))
		return true;
	for (uint32_t i = 0; i < s->users.n; i++)
		if (sp_glob(s->users.v[i].text, who->pattern))
			return true;
	return false;
}

/* What an anonymous caller can ever have: the scopes given to it, and no tag. */
static bool
anonymous_satisfies(const struct pass *p, const struct cfg_source *s, uint32_t rule)
{
	const struct cfg_rule *r = &p->c->rules[rule];
	struct cfg_set has = sp_cfg_implied(p->c, sp_cfg_scopes(p->c, &s->give_scopes));

	if (r->tags.n != 0 || !sp_cfg_within(&p->demand[rule].scopes, &has))
		return false;
	for (uint32_t i = 0; i < r->nany; i++) {
		struct cfg_set want = sp_cfg_scopes(p->c, &r->any[i].scopes);

		if (r->any[i].tags.n == 0 && sp_cfg_within(&want, &has))
			return true;
	}
	return r->nany == 0;
}

static bool
source_satisfies(const struct pass *p, const struct cfg_source *s, const struct cfg_caller *who, uint32_t rule)
{
	const struct cfg_rule *r = &p->c->rules[rule];
	struct cfg_set tags = p->demand[rule].tags, own;

	if (s->type == SP_SOURCE_ANONYMOUS)
		return who == NULL ? !cfg_opens(r) && anonymous_satisfies(p, s, rule) :
		    !who->has_pattern && (!cfg_opens(r) || has_anyone(r)) && anonymous_satisfies(p, s, rule);
	if (who != NULL && !may_have_user(s, who))
		return false;
	own = sp_cfg_tags(p->c, &s->restrict_tag);
	sp_cfg_join(&tags, &own);
	return !r->has_not || !sp_cfg_within(&p->demand[rule].not, &tags);
}

static bool
entry_satisfies(const struct pass *p, const struct cfg_caller *who, uint32_t rule)
{
	if (who != NULL && who->source != SP_IMG_ANYONE)
		return source_satisfies(p, &p->c->sources[who->source], who, rule);
	for (uint32_t i = 0; i < p->c->nsources; i++)
		if (source_satisfies(p, &p->c->sources[i], who, rule))
			return true;
	return false;
}

static void
check_satisfiable(struct pass *p, uint32_t rule)
{
	struct cfg_rule *r = &p->c->rules[rule];

	if (r->ncallers == 0 && !entry_satisfies(p, NULL, rule)) {
		OBJECT(p->c, r, "no caller can satisfy this rule%s", cfg_opens(r) && !has_demands(r) ?
		    ": only `for: anyone` opens for callers without a credential" : "");
		p->pointless[rule] = true;
		return;
	}
	for (uint32_t i = 0; i < r->ncallers; i++) {
		if (entry_satisfies(p, &r->callers[i], rule))
			continue;
		OBJECT(p->c, &r->callers[i].text, "no caller of `%.*s` can satisfy this rule%s", SP_PRI(r->callers[i].text.text),
		    r->callers[i].source != SP_IMG_ANYONE && cfg_opens(r) && !has_demands(r) &&
		    p->c->sources[r->callers[i].source].type == SP_SOURCE_ANONYMOUS ?
		    ": only `for: anyone` opens for callers without a credential" : "");
		p->pointless[rule] = true;
	}
}

/* ---- anyone */

static void
check_anyone(struct cfg *c)
{
	const struct cfg_source *anonymous = NULL;
	bool used = false;

	for (uint32_t i = 0; i < c->nsources; i++)
		if (c->sources[i].type == SP_SOURCE_ANONYMOUS)
			anonymous = &c->sources[i];
	for (uint32_t i = 0; i < c->nrules; i++)
		for (uint32_t j = 0; j < c->rules[i].ncallers; j++) {
			if (c->rules[i].callers[j].source != SP_IMG_ANYONE)
				continue;
			used = used || cfg_opens(&c->rules[i]);
			if (anonymous == NULL)
				ERR(c, &c->rules[i].callers[j].text,
				    "`anyone` needs a source of type `anonymous` in `auth`: it must be written out");
		}
	if (anonymous != NULL && !used)
		OBJECT(c, anonymous, "an `anonymous` source, and no rule opens anything `for: anyone`");
}

/* ---- warnings */

static void
write_needs(struct sp_out *o, const struct cfg *c, const struct cfg_set *scopes, const struct cfg_set *tags)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < c->nscope_names; i++)
		if ((scopes->w[i / 64] >> (i % 64) & 1) != 0)
			sp_out_fmt(o, "%s%.*s", n++ == 0 ? "" : " and ", SP_PRI(c->scope_names[i].text));
	for (uint32_t i = 0; i < c->ntag_names; i++)
		if ((tags->w[i / 64] >> (i % 64) & 1) != 0)
			sp_out_fmt(o, "%sthe tag %.*s", n++ == 0 ? "" : " and ", SP_PRI(c->tag_names[i].text));
	if (n == 0)
		sp_out_str(o, "what both demand");
}

static void
report_tightening(struct pass *p, uint32_t i, uint32_t j, uint32_t tool)
{
	struct cfg_set scopes = p->demand[i].scopes, tags = p->demand[i].tags;
	bool later = !demands_within(p, j, i);
	char buf[300];
	struct sp_out o;

	sp_cfg_join(&scopes, &p->demand[j].scopes);
	sp_cfg_join(&tags, &p->demand[j].tags);
	sp_out_init(&o, buf, sizeof buf);
	write_needs(&o, p->c, &scopes, &tags);
	if (later)
		WARN(p->c, &p->c->rules[j], "also binds %s, opened at line %u: it now needs %.*s", tool_text(p->c, tool),
		    p->c->rules[i].line, SP_PRI(sp_out_view(&o)));
	else
		WARN(p->c, &p->c->rules[j], "does not loosen %s: line %u still binds it, it needs %.*s",
		    tool_text(p->c, tool), p->c->rules[i].line, SP_PRI(sp_out_view(&o)));
}

static void
warn_tightening(struct pass *p)
{
	for (uint32_t j = 1; j < p->c->nrules; j++) {
		const struct cfg_rule *b = &p->c->rules[j];

		for (uint32_t i = 0; i < j; i++) {
			const struct cfg_rule *a = &p->c->rules[i];
			uint32_t tool;

			if (a->bad || b->bad || p->pointless[i] || p->pointless[j] || !cfg_opens(a) || !cfg_opens(b) ||
			    (demands_within(p, i, j) && demands_within(p, j, i)) || !callers_overlap(a, b))
				continue;
			tool = first_common(p, a, b);
			if (tool != UINT32_MAX)
				report_tightening(p, i, j, tool);
		}
	}
}

/* Callers that were chosen: named users, or a source that itself admits only some. */
static bool
callers_chosen(const struct cfg *c, const struct cfg_rule *r)
{
	for (uint32_t i = 0; i < r->ncallers; i++) {
		const struct cfg_caller *who = &r->callers[i];
		const struct cfg_source *s;

		if (who->source == SP_IMG_ANYONE)
			return false;
		s = &c->sources[who->source];
		if (!who->has_pattern && s->users.n + s->require_scopes.n + s->restrict_tag.n == 0)
			return false;
	}
	return r->ncallers != 0;
}

/* Of an mcp server it is not known which tools write.  Who names tools has chosen them; who takes them all has not. */
static void
warn_unknown_tools(struct pass *p, const struct cfg_rule *a, const uint64_t *free_tools)
{
	const struct cfg *c = p->c;

	for (uint32_t i = 0; i < c->nparts; i++) {
		const struct cfg_part *part = &c->parts[i];
		uint32_t t = c->ntools + i;

		if ((free_tools[t / 64] >> (t % 64) & 1) == 0 || part->what != WHAT_NAME ||
		    !(sp_eq(part->pattern, SP_LIT("**")) || sp_eq(part->pattern, SP_LIT("*"))))
			continue;
		WARN(p->c, a, "opens every tool of `%.*s` %s, those that write among them",
		    SP_PRI(c->servers[part->server].name.text), has_anyone(a) ? "to anyone" : "without a demand");
		return;
	}
}

static void
warn_writes(struct pass *p, uint32_t ai, uint64_t *free_tools)
{
	const struct cfg *c = p->c;
	const struct cfg_rule *a = &c->rules[ai];
	uint32_t n = 0, first = UINT32_MAX;

	if (a->bad || p->pointless[ai] || a->verb != SP_VERB_ALLOW || (callers_chosen(c, a) && !has_anyone(a)))
		return;
	memcpy(free_tools, a->names, p->words * sizeof *free_tools);
	for (uint32_t b = 0; b < c->nrules && !has_anyone(a); b++) {
		const struct cfg_rule *r = &c->rules[b];

		if (r->bad || (b != ai && cfg_conditional(r)) || !has_demands(r) || !covers_callers(r, a))
			continue;
		for (uint32_t w = 0; w < p->words; w++)
			free_tools[w] &= ~r->names[w];
	}
	for (uint32_t t = 0; t < c->ntools; t++) {
		if ((free_tools[t / 64] >> (t % 64) & 1) == 0 || !c->tools[t].write)
			continue;
		if (first == UINT32_MAX)
			first = t;
		n++;
	}
	warn_unknown_tools(p, a, free_tools);
	if (n == 0)
		return;
	WARN(p->c, a, has_anyone(a) ? "opens %u write%s to anyone (%s%s)" : "opens %u write%s without a demand (%s%s)",
	    n, n == 1 ? "" : "s", tool_text(p->c, first), n == 1 ? "" : ", …");
}

/* ---- arguments that no tool has */

static bool
schema_has(const struct cfg_tool *t, sp_slice argument)
{
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	bool has;

	if (sp_json_read(t->op->schema, SP_JSON_DEFAULT, &j, &e) != SP_OK)
		return true;
	has = sp_jget(SP_JGET(j.root, "properties"), argument) != NULL;
	sp_json_free(&j);
	return has;
}

static void
warn_argument(struct pass *p, const struct cfg_rule *r, const struct cfg_cond *cond)
{
	unsigned looked = 0;

	for (uint32_t i = 0; i < p->c->nparts; i++)
		if (cfg_names(r, p->c->ntools + i))
			return;		/* what arguments its tools have is not known */
	for (uint32_t t = 0; t < p->c->ntools && looked < 100; t++) {
		if (!cfg_names(r, t))
			continue;
		looked++;
		if (schema_has(&p->c->tools[t], cond->path.v[0].text))
			return;
	}
	if (looked < 100)
		WARN(p->c, &cond->argument, "no tool of this rule has an argument `%.*s`: the condition is never decided, so "
		    "the rule always binds and never opens", SP_PRI(cond->path.v[0].text));
}

static void
warn_arguments(struct pass *p)
{
	for (uint32_t i = 0; i < p->c->nrules; i++) {
		const struct cfg_rule *r = &p->c->rules[i];

		for (uint32_t k = 0; !r->bad && k < r->nwhen; k++)
			warn_argument(p, r, &r->when[k]);
		for (uint32_t k = 0; !r->bad && k < r->nunless; k++)
			warn_argument(p, r, &r->unless[k]);
	}
}

/* ---- all of it */

static bool
prepare(struct cfg *c, struct pass *p)
{
	*p = (struct pass){ .c = c, .words = (c->ntools + c->nparts + 63) / 64 };
	p->demand = sp_cfg_alloc(c, c->nrules, sizeof *p->demand);
	p->pointless = sp_cfg_alloc(c, c->nrules, sizeof *p->pointless);
	if (p->demand == NULL || p->pointless == NULL)
		return false;
	for (uint32_t i = 0; i < c->nrules; i++) {
		struct demand *d = &p->demand[i];

		if (c->rules[i].names == NULL)
			return false;
		d->scopes = sp_cfg_scopes(c, &c->rules[i].scopes);
		d->closure = sp_cfg_implied(c, d->scopes);
		d->tags = sp_cfg_tags(c, &c->rules[i].tags);
		d->not = sp_cfg_tags(c, &c->rules[i].not.tags);
	}
	return true;
}

static void
mark_opened(struct cfg *c)
{
	struct cfg_part p;

	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct cfg_rule *r = &c->rules[i];

		if (!cfg_opens(r))
			continue;
		for (uint32_t t = 0; t < c->ntools; t++)
			c->tools[t].opened |= cfg_names(r, t);
		for (uint32_t s = 0; s < c->nservers; s++)
			for (uint32_t k = 0; k < r->ntargets && !c->servers[s].reached; k++)
				c->servers[s].reached = sp_cfg_part_of(&r->targets[k], s, &p);
	}
}

void
sp_cfg_check_rules(struct cfg *c)
{
	struct pass p;
	bool complete = true;

	check_anyone(c);
	if (!prepare(c, &p))
		return;
	mark_opened(c);
	for (uint32_t i = 0; i < c->nrules; i++) {
		if (c->rules[i].bad)
			complete = false;
		else if (c->rules[i].verb != SP_VERB_DENY)
			check_satisfiable(&p, i);
	}
	if (c->too_many_parts || (uint64_t)c->nrules * c->nrules * (p.words + 1) > WORK_MAX) {
		sp_findings_add(c->f, true, 0, 0, "too many rules and tools to look for rules without effect");
		return;
	}
	check_pointless(&p, complete);
	warn_tightening(&p);
	if (p.words != 0) {
		uint64_t *free_tools = sp_cfg_alloc(c, p.words, sizeof *free_tools);

		for (uint32_t i = 0; free_tools != NULL && i < c->nrules; i++)
			warn_writes(&p, i, free_tools);
		warn_arguments(&p);
	}
}
