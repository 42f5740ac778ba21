#include "policy/decide.h"

enum tri { NO, YES, UNSURE };

/* What the demands of the rules left come to. */
struct tally {
	bool	 closed;		/* a tag demand is unmet */
	uint32_t closed_rule;
	bool	 missing;		/* a scope is missing */
	uint32_t missing_rule;
	bool	 has_manner;		/* a rule left wants scopes at all */
	enum sp_manner manner;
	uint64_t checks;
	bool	 has_check_manner;
	enum sp_manner check_manner;
	uint64_t wanted[SP_SCOPE_WORDS];
};

/* ---- conditions */

static sp_jval *
argument_at(const struct sp_image *img, const struct sp_img_cond *c, sp_jval *args)
{
	sp_jval *v = args;

	for (uint32_t i = 0; i < c->path.n; i++)
		v = sp_jget(v, sp_img_text(img, c->path, i));
	return v;
}

static bool
is_step(sp_slice part)
{
	return sp_eq(part, SP_LIT(".")) || sp_eq(part, SP_LIT(".."));
}

/* Text that the upstream may read as other text than we do: no wildcard decides over it. */
static bool
is_ambiguous(sp_slice s)
{
	sp_slice rest = s, part;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '%' || c == '\\' || sp_is_ctl(c))
			return true;
		/* U+0080 to U+009F */
		if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
			return true;
	}
	while (sp_take_part(&rest, '/', &part))
		if (is_step(part))
			return true;
	return false;
}

static bool
in_range(const struct sp_image *img, const struct sp_img_value *w, sp_slice number)
{
	sp_slice low = sp_img_str(img, w->text), high = sp_img_str(img, w->high);

	return (low.n == 0 || sp_jnum_cmp(number, low) >= 0) && (high.n == 0 || sp_jnum_cmp(number, high) <= 0);
}

/* UNSURE: not comparable with this argument. */
static enum tri
value_matches(const struct sp_image *img, const struct sp_img_value *w, sp_jval *v, sp_slice user)
{
	sp_slice want = sp_img_str(img, w->text);

	switch ((enum sp_value_kind)w->kind) {
	case SP_VALUE_TEXT:
		return sp_jis_str(v) ? (enum tri)sp_eq(sp_jtext(v), want) : UNSURE;
	case SP_VALUE_PATTERN:
		return sp_jis_str(v) ? (enum tri)sp_glob(want, sp_jtext(v)) : UNSURE;
	case SP_VALUE_USER:
		return sp_jis_str(v) && user.n != 0 ? (enum tri)sp_eq(sp_jtext(v), user) : UNSURE;
	case SP_VALUE_NUMBER:
		return sp_jis_num(v) ? (enum tri)(sp_jnum_cmp(sp_jtext(v), want) == 0) : UNSURE;
	case SP_VALUE_RANGE:
		return sp_jis_num(v) ? (enum tri)in_range(img, w, sp_jtext(v)) : UNSURE;
	case SP_VALUE_BOOL:
		return sp_jis_bool(v) ? (enum tri)(sp_jtrue(v) == sp_eq(want, SP_LIT("true"))) : UNSURE;
	}
	return UNSURE;
}

static enum tri
condition(const struct sp_image *img, const struct sp_img_cond *c, sp_jval *args, sp_slice user)
{
	sp_jval *v = argument_at(img, c, args);
	enum tri all = UNSURE;

	if (v == NULL)
		return UNSURE;
	for (uint32_t i = 0; i < c->values.n; i++) {
		const struct sp_img_value *w = SP_IMG_AT(img, c->values, value, i);
		enum tri one;

		if (w->kind == SP_VALUE_PATTERN && sp_jis_str(v) && is_ambiguous(sp_jtext(v)))
			return UNSURE;
		one = value_matches(img, w, v, user);
		if (one == YES || (one == NO && all == UNSURE))
			all = one;
	}
	return all;
}

/* All of them hold?  One undecided condition makes the whole undecided, whatever the others say. */
static enum tri
conditions(const struct sp_image *img, struct sp_ref conds, sp_jval *args, sp_slice user)
{
	enum tri all = YES;

	for (uint32_t i = 0; i < conds.n; i++) {
		enum tri one = condition(img, SP_IMG_AT(img, conds, cond, i), args, user);

		if (one == UNSURE)
			return UNSURE;
		if (one == NO)
			all = NO;
	}
	return all;
}

static bool
is_conditional(const struct sp_img_rule *r)
{
	return r->when.n != 0 || r->unless.n != 0;
}

/* ---- callers */

static bool
names_caller(const struct sp_image *img, const struct sp_img_rule *r, const struct sp_principal *who)
{
	if (r->callers.n == 0)
		return true;
	for (uint32_t i = 0; i < r->callers.n; i++) {
		const struct sp_img_caller *c = SP_IMG_AT(img, r->callers, caller, i);

		if (c->source == SP_IMG_ANYONE)
			return true;
		if (c->source == who->source &&
		    (c->has_pattern == 0 || sp_glob(sp_img_str(img, c->pattern), who->user)))
			return true;
	}
	return false;
}

static bool
has_anyone(const struct sp_image *img, const struct sp_img_rule *r)
{
	for (uint32_t i = 0; i < r->callers.n; i++)
		if (SP_IMG_AT(img, r->callers, caller, i)->source == SP_IMG_ANYONE)
			return true;
	return false;
}

static bool
is_anonymous(const struct sp_image *img, const struct sp_principal *who)
{
	return img->head->anonymous != 0 && who->source == img->head->anonymous - 1;
}

/* Without a credential only `for: anyone` opens. */
static bool
may_open(const struct sp_image *img, const struct sp_img_rule *r, const struct sp_principal *who)
{
	if (r->verb != SP_VERB_ALLOW && r->verb != SP_VERB_ASK)
		return false;
	return !is_anonymous(img, who) || has_anyone(img, r);
}

/* NO: silent.  UNSURE: it binds and does not open. */
static enum tri
speaks(const struct sp_image *img, const struct sp_img_rule *r, const struct sp_principal *who, sp_jval *args)
{
	enum tri when, unless = NO;

	if (!names_caller(img, r, who))
		return NO;
	when = conditions(img, r->when, args, who->user);
	if (r->unless.n != 0)
		unless = conditions(img, r->unless, args, who->user);
	if (when == NO || unless == YES)
		return NO;
	return when == UNSURE || unless == UNSURE ? UNSURE : YES;
}

/* ---- demands */

static bool
lacks(const struct sp_image *img, struct sp_ref set, const uint64_t *have, uint32_t words)
{
	const uint64_t *want = sp_img_words(img, set);

	for (uint32_t i = 0; i < set.n; i++)
		if ((want[i] & ~(i < words ? have[i] : 0)) != 0)
			return true;
	return false;
}

/* False: more than can be named, which the loader never writes. */
static bool
want(const struct sp_image *img, struct sp_ref set, uint64_t *wanted)
{
	const uint64_t *w = sp_img_words(img, set);

	if (set.n > SP_SCOPE_WORDS)
		return false;
	for (uint32_t i = 0; i < set.n; i++)
		wanted[i] |= w[i];
	return true;
}

static void
close_it(struct tally *t, uint32_t rule)
{
	if (!t->closed)
		t->closed_rule = rule;
	t->closed = true;
}

static void
miss(struct tally *t, uint32_t rule)
{
	if (!t->missing)
		t->missing_rule = rule;
	t->missing = true;
}

/* `any`: met by one group, or short by the first group that lacks only scopes, or closed. */
static void
add_any(const struct sp_image *img, struct sp_ref any, uint32_t rule, const struct sp_principal *who, struct tally *t)
{
	const struct sp_img_group *first = NULL;

	for (uint32_t i = 0; i < any.n; i++) {
		const struct sp_img_group *g = SP_IMG_AT(img, any, group, i);

		if (lacks(img, g->tags, who->tags, who->tag_words))
			continue;
		if (!lacks(img, g->scopes, who->scopes, who->scope_words))
			return;
		if (first == NULL)
			first = g;
	}
	if (first == NULL || !want(img, first->scopes, t->wanted))
		close_it(t, rule);
	else
		miss(t, rule);
}

static bool
wants_scopes(const struct sp_image *img, const struct sp_img_rule *r)
{
	if (r->scopes.n != 0)
		return true;
	for (uint32_t i = 0; i < r->any.n; i++)
		if (SP_IMG_AT(img, r->any, group, i)->scopes.n != 0)
			return true;
	return false;
}

static unsigned
strictness(unsigned manner)
{
	switch (manner) {
	case SP_MANNER_LIST:
		return 0;
	case SP_MANNER_CHALLENGE:
		return 1;
	}
	return 2;
}

static void
stricter(unsigned manner, bool *has, enum sp_manner *m)
{
	if (!*has || strictness(manner) > strictness(*m))
		*m = (enum sp_manner)manner;
	*has = true;
}

/* Scopes that a check names are missing in the manner of all rules that could name any. */
static void
add_manner(const struct sp_image *img, const struct sp_img_rule *r, struct tally *t)
{
	if (wants_scopes(img, r))
		stricter(r->manner, &t->has_manner, &t->manner);
	if (wants_scopes(img, r) || r->checks.n != 0)
		stricter(r->manner, &t->has_check_manner, &t->check_manner);
}

static uint64_t
checks_of(const struct sp_image *img, const struct sp_img_rule *r)
{
	const uint32_t *v = sp_img_u32(img, r->checks);
	uint64_t bits = 0;

	for (uint32_t i = 0; i < r->checks.n; i++)
		bits |= UINT64_C(1) << v[i];
	return bits;
}

static void
add_demands(const struct sp_image *img, uint32_t rule, const struct sp_principal *who, struct tally *t)
{
	const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, rule);

	if (lacks(img, r->tags, who->tags, who->tag_words))
		close_it(t, rule);
	for (uint32_t i = 0; i < r->not.n; i++)
		if (!lacks(img, SP_IMG_AT(img, r->not, group, i)->tags, who->tags, who->tag_words))
			close_it(t, rule);
	if (!want(img, r->scopes, t->wanted))
		close_it(t, rule);
	if (lacks(img, r->scopes, who->scopes, who->scope_words))
		miss(t, rule);
	if (r->any.n != 0)
		add_any(img, r->any, rule, who, t);
	t->checks |= checks_of(img, r);
	add_manner(img, r, t);
}

/* ---- the decision */

static void
conclude(struct sp_decision *out, enum sp_outcome outcome, const char *reason, uint32_t rule)
{
	out->outcome = outcome;
	out->reason = reason;
	out->reason_rule = rule;
}

static bool
checks_list(const struct tally *t, const struct sp_view *view)
{
	uint64_t rest = view == NULL ? 0 : t->checks & ~view->allowed;

	return rest == 0 || ((rest & ~view->lacking) == 0 && t->check_manner == SP_MANNER_LIST);
}

static bool
tally_lists(const struct tally *t, const struct sp_view *view)
{
	return !t->closed && (!t->missing || t->manner == SP_MANNER_LIST) && checks_list(t, view);
}

bool
sp_decide_component_listed(const struct sp_image *img, const struct sp_principal *who, const struct sp_component *c,
    const struct sp_view *view)
{
	const uint32_t *idx = c->rules;
	struct tally base = { 0 };
	bool opened = false;

	if (who == NULL)
		return false;
	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, idx[i]);

		if (is_conditional(r) || !names_caller(img, r, who))
			continue;
		if (r->verb == SP_VERB_DENY)
			return false;
		opened = opened || may_open(img, r, who);
		add_demands(img, idx[i], who, &base);
	}
	if (opened || base.closed)
		return opened && tally_lists(&base, view);
	/* Some call may be opened by one conditional rule, with all others silent. */
	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, idx[i]);
		struct tally t = base;

		if (!is_conditional(r) || !names_caller(img, r, who) || !may_open(img, r, who))
			continue;
		add_demands(img, idx[i], who, &t);
		if (tally_lists(&t, view))
			return true;
	}
	return false;
}

static uint64_t
component_checks(const struct sp_image *img, const struct sp_principal *who, const struct sp_component *c)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; img->head->checks.n != 0 && i < c->nrules; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, c->rules[i]);

		if (r->checks.n != 0 && names_caller(img, r, who))
			bits |= checks_of(img, r);
	}
	return bits;
}

/* What the rules left say, before it is known whether the caller's list has the component. */
static void
judge(const struct sp_image *img, const struct sp_principal *who, const struct sp_component *c, sp_jval *args,
    struct sp_decision *out)
{
	const uint32_t *idx = c->rules;
	bool opened = false, ask = false;
	uint32_t deny = UINT32_MAX;
	struct tally t = { 0 };

	for (uint32_t i = 0; i < c->nrules; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, idx[i]);
		enum tri how = speaks(img, r, who, args);

		if (how == NO)
			continue;
		if (out->nleft < SP_RULES_LEFT)
			out->left[out->nleft] = idx[i];
		out->nleft++;
		if (r->verb == SP_VERB_DENY && deny == UINT32_MAX)
			deny = idx[i];
		if (r->verb == SP_VERB_ASK)
			ask = true;
		if (how == YES && may_open(img, r, who))
			opened = true;
		add_demands(img, idx[i], who, &t);
	}
	memcpy(out->wanted, t.wanted, sizeof out->wanted);
	if (deny != UINT32_MAX) {
		conclude(out, SP_CLOSED, "a deny rule speaks of this call", deny);
	} else if (!opened) {
		conclude(out, SP_CLOSED, "no rule opens it", UINT32_MAX);
	} else if (t.closed) {
		conclude(out, SP_CLOSED, "a tag demand is unmet", t.closed_rule);
	} else if (t.missing) {
		out->manner = t.manner;
		conclude(out, t.manner == SP_MANNER_HIDE ? SP_CLOSED : SP_SHORT, "a scope is missing", t.missing_rule);
	} else {
		out->checks = t.checks;
		out->manner = t.check_manner;
		conclude(out, ask ? SP_ASK : SP_ALLOW, ask ? "a human must approve" : "allowed", UINT32_MAX);
	}
}

void
sp_decide_component(const struct sp_image *img, const struct sp_principal *who, const struct sp_component *c,
    sp_jval *args, struct sp_decision *out)
{
	*out = (struct sp_decision){ .outcome = SP_CLOSED };
	if (who == NULL) {
		conclude(out, SP_CLOSED, "no credential", UINT32_MAX);
		return;
	}
	judge(img, who, c, args, out);
	out->listed = out->outcome == SP_ALLOW || out->outcome == SP_ASK || sp_decide_component_listed(img, who, c, NULL);
	if (out->listed)
		out->list_checks = component_checks(img, who, c);
	if (out->outcome == SP_CLOSED && out->listed)
		out->outcome = SP_REFUSED_ARGS;
}

void
sp_decide_listing(const struct sp_image *img, const struct sp_principal *who, const struct sp_component *c,
    const struct sp_view *view, struct sp_decision *d)
{
	if (d->outcome != SP_CLOSED && d->outcome != SP_REFUSED_ARGS)
		return;
	d->listed = sp_decide_component_listed(img, who, c, view);
	d->outcome = d->listed ? SP_REFUSED_ARGS : SP_CLOSED;
}

/* Could one of its TOOLS mean something of this kind? */
static bool
may_name_kind(const struct sp_image *img, const struct sp_img_rule *r, unsigned kind)
{
	for (uint32_t i = 0; i < r->selects.n; i++) {
		switch ((enum sp_select)SP_IMG_AT(img, r->selects, select, i)->what) {
		case SP_SELECT_ALL:
			return true;
		case SP_SELECT_RESOURCE:
			if (kind == SP_COMPONENT_RESOURCE || kind == SP_COMPONENT_TEMPLATE)
				return true;
			break;
		case SP_SELECT_PROMPT:
			if (kind == SP_COMPONENT_PROMPT)
				return true;
			break;
		default:
			if (kind == SP_COMPONENT_TOOL)
				return true;
		}
	}
	return false;
}

uint64_t
sp_list_checks(const struct sp_image *img, const struct sp_principal *who, unsigned kind)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; img->head->checks.n != 0 && i < img->head->rules.n; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, i);

		if (r->checks.n != 0 && names_caller(img, r, who) && (kind == 0 || may_name_kind(img, r, kind)))
			bits |= checks_of(img, r);
	}
	return bits;
}

/* ---- what a decision is about */

static bool
select_names(const struct sp_image *img, const struct sp_img_select *s, const struct sp_component *c)
{
	sp_slice pattern = sp_img_str(img, s->pattern);
	bool tool = c->kind == SP_COMPONENT_TOOL;

	if (s->server != SP_IMG_ANYONE && s->server != c->server)
		return false;
	switch ((enum sp_select)s->what) {
	case SP_SELECT_ALL:
		return true;
	case SP_SELECT_NAME:
		return tool && sp_glob(pattern, c->name);
	case SP_SELECT_READ:
		return tool && !c->write;
	case SP_SELECT_WRITE:
		return tool && c->write;
	case SP_SELECT_TAG:		/* tags come from a document; what is known only while running has none */
		return false;
	case SP_SELECT_RESOURCE:
		return (c->kind == SP_COMPONENT_RESOURCE || c->kind == SP_COMPONENT_TEMPLATE) && sp_glob(pattern, c->name);
	case SP_SELECT_PROMPT:
		return c->kind == SP_COMPONENT_PROMPT && sp_glob(pattern, c->name);
	}
	return false;
}

static bool
rule_names(const struct sp_image *img, const struct sp_img_rule *r, const struct sp_component *c)
{
	for (uint32_t i = 0; i < r->selects.n; i++)
		if (select_names(img, SP_IMG_AT(img, r->selects, select, i), c))
			return true;
	return false;
}

uint32_t
sp_component_rules(const struct sp_image *img, const struct sp_component *c, uint32_t *out, uint32_t cap)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < img->head->rules.n; i++) {
		if (!rule_names(img, SP_IMG_AT(img, img->head->rules, rule, i), c))
			continue;
		if (n < cap)
			out[n] = i;
		n++;
	}
	return n;
}

struct sp_component
sp_component_of_tool(const struct sp_image *img, uint32_t tool)
{
	const struct sp_img_tool *t = SP_IMG_AT(img, img->head->tools, tool, tool);

	return (struct sp_component){ .server = t->server, .kind = SP_COMPONENT_TOOL, .write = t->access != 0,
	    .name = sp_img_str(img, t->name), .rules = sp_img_u32(img, t->rules), .nrules = t->rules.n };
}

void
sp_decide(const struct sp_image *img, const struct sp_principal *who, uint32_t tool, sp_jval *args,
    struct sp_decision *out)
{
	struct sp_component c;

	if (tool >= img->head->tools.n) {
		*out = (struct sp_decision){ .outcome = SP_CLOSED };
		conclude(out, SP_CLOSED, who == NULL ? "no credential" : "no such tool", UINT32_MAX);
		return;
	}
	c = sp_component_of_tool(img, tool);
	sp_decide_component(img, who, &c, args, out);
}

bool
sp_decide_listed(const struct sp_image *img, const struct sp_principal *who, uint32_t tool, const struct sp_view *view)
{
	struct sp_component c;

	if (tool >= img->head->tools.n)
		return false;
	c = sp_component_of_tool(img, tool);
	return sp_decide_component_listed(img, who, &c, view);
}

/* ---- for `why` */

void
sp_rule_look(const struct sp_image *img, const struct sp_principal *who, uint32_t rule, sp_jval *args,
    struct sp_rule_look *out)
{
	const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, rule);
	enum tri how = speaks(img, r, who, args);
	struct tally t = { 0 };

	*out = (struct sp_rule_look){ .left = how != NO, .decided = how == YES };
	add_demands(img, rule, who, &t);
	out->opens = how == YES && may_open(img, r, who);
	out->tags_unmet = t.closed;
	out->scopes_missing = t.missing;
	out->checks = t.checks;
	for (uint32_t i = 0; i < SP_SCOPE_WORDS; i++)
		out->missing[i] = t.wanted[i] & ~(i < who->scope_words ? who->scopes[i] : 0);
}

void
sp_scopes_write(struct sp_out *o, const struct sp_image *img, const uint64_t *words, uint32_t n)
{
	bool first = true;

	for (uint32_t i = 0; i < img->head->scopes.n; i++) {
		if (!sp_bit(words, n, i))
			continue;
		if (!first)
			sp_out_byte(o, ' ');
		first = false;
		sp_out_slice(o, sp_img_str(img, SP_IMG_AT(img, img->head->scopes, scope, i)->name));
	}
}
