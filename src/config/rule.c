#include "config/value.h"

static bool
has_star(sp_slice s)
{
	return sp_has_byte(s, '*');
}

static uint32_t
find_server(const struct cfg *c, sp_slice name)
{
	for (uint32_t i = 0; i < c->nservers; i++)
		if (sp_eq(c->servers[i].name.text, name))
			return i;
	return UINT32_MAX;
}

static uint32_t
find_source(const struct cfg *c, sp_slice name)
{
	for (uint32_t i = 0; i < c->nsources; i++)
		if (sp_eq(c->sources[i].name.text, name))
			return i;
	return UINT32_MAX;
}

static void
unknown_server(struct cfg *c, const struct item *it, sp_slice name)
{
	sp_slice *names = sp_cfg_alloc(c, c->nservers, sizeof *names);

	if (names == NULL)
		return;
	for (uint32_t i = 0; i < c->nservers; i++)
		names[i] = c->servers[i].name.text;
	ERR(c, it, "no server is called `%.*s`%s", SP_PRI(name), sp_cfg_hint(c, name, names, c->nservers));
}

static void
unknown_source(struct cfg *c, const struct item *it, sp_slice name)
{
	sp_slice *names = sp_cfg_alloc(c, c->nsources + 1, sizeof *names);

	if (names == NULL)
		return;
	for (uint32_t i = 0; i < c->nsources; i++)
		names[i] = c->sources[i].name.text;
	names[c->nsources] = SP_LIT("anyone");
	ERR(c, it, "no source is called `%.*s`%s", SP_PRI(name), sp_cfg_hint(c, name, names, c->nsources + 1));
}

/* ---- TOOLS */

static bool
may_be_mcp(const struct cfg *c, uint32_t server)
{
	for (uint32_t i = 0; i < c->nservers; i++)
		if ((server == UINT32_MAX || server == i) && c->servers[i].kind == SP_SERVER_MCP)
			return true;
	return false;
}

/* resource:URI and prompt:NAME. */
static bool
read_component(struct cfg *c, const struct item *it, sp_slice rest, struct cfg_target *t)
{
	bool resource = sp_take(&rest, SP_LIT("resource:"));

	if (!resource)
		(void)sp_take(&rest, SP_LIT("prompt:"));
	t->what = resource ? WHAT_RESOURCE : WHAT_PROMPT;
	t->pattern = rest;
	if (rest.n == 0) {
		ERR(c, it, resource ? "`resource:` needs a URI" : "`prompt:` needs a name");
		return false;
	}
	if (!may_be_mcp(c, t->server)) {
		ERR(c, it, "`%.*s`: an OpenAPI server has no resources and prompts, only tools", SP_PRI(it->text));
		return false;
	}
	return true;
}

static bool
read_selector(struct cfg *c, const struct item *it, sp_slice rest, struct cfg_target *t)
{
	if (rest.n == 0) {
		ERR(c, it, "`%.*s`: nothing after the dot", SP_PRI(it->text));
		return false;
	}
	if (sp_take(&rest, SP_LIT("access:"))) {
		t->what = sp_eq(rest, SP_LIT("read")) ? WHAT_READ : WHAT_WRITE;
		if (t->what == WHAT_WRITE && !sp_eq(rest, SP_LIT("write"))) {
			ERR(c, it, "`access:` is read or write");
			return false;
		}
		return true;
	}
	t->pattern = rest;
	t->what = WHAT_NAME;
	if (sp_take(&rest, SP_LIT("tag:"))) {
		t->pattern = rest;
		t->what = WHAT_TAG;
		if (rest.n == 0)
			ERR(c, it, "`tag:` needs a tag");
		return rest.n != 0;
	}
	if (sp_starts(rest, SP_LIT("resource:")) || sp_starts(rest, SP_LIT("prompt:")))
		return read_component(c, it, rest, t);
	if (sp_has_byte(rest, ':')) {
		ERR(c, it, "`%.*s`: after the dot stands a tool's name, access:read, access:write, tag:TAG, "
		    "resource:URI or prompt:NAME", SP_PRI(it->text));
		return false;
	}
	return true;
}

static bool
read_target(struct cfg *c, const struct item *it, struct cfg_target *t)
{
	sp_slice rest = it->text, server;
	bool dot;

	*t = (struct cfg_target){ .text = *it, .server = UINT32_MAX, .what = WHAT_ALL };
	dot = sp_take_to(&rest, '.', &server);
	if (!dot)
		server = it->text;
	if (has_star(server)) {
		ERR(c, it, "`%.*s`: a server's name has no wildcard; `all` means every server", SP_PRI(it->text));
		return false;
	}
	if (!sp_eq(server, SP_LIT("all")) && (t->server = find_server(c, server)) == UINT32_MAX) {
		unknown_server(c, it, server);
		return false;
	}
	return !dot || read_selector(c, it, rest, t);
}

static void
read_targets(struct cfg *c, struct cfg_rule *r, const struct node *v, const char *verb)
{
	struct items list;

	if (!sp_cfg_texts(c, v, verb, &list)) {
		r->bad = true;
		return;
	}
	r->targets = sp_cfg_alloc(c, list.n, sizeof *r->targets);
	if (r->targets == NULL)
		return;
	for (uint32_t i = 0; i < list.n; i++) {
		if (read_target(c, &list.v[i], &r->targets[r->ntargets]))
			r->ntargets++;
		else
			r->bad = true;
	}
}

/* ---- CALLERS */

static bool
read_caller(struct cfg *c, const struct item *it, struct cfg_caller *out)
{
	sp_slice rest = it->text, source;

	*out = (struct cfg_caller){ .text = *it, .source = SP_IMG_ANYONE };
	if (sp_eq(it->text, SP_LIT("anyone")))
		return true;
	if (sp_take_to(&rest, '/', &source)) {
		out->has_pattern = true;
		out->pattern = rest;
	} else {
		source = it->text;
	}
	if (has_star(source)) {
		ERR(c, it, "`%.*s`: a source's name has no wildcard; `anyone` means every caller", SP_PRI(it->text));
		return false;
	}
	if ((out->source = find_source(c, source)) == UINT32_MAX) {
		unknown_source(c, it, source);
		return false;
	}
	if (out->has_pattern && rest.n == 0) {
		ERR(c, it, "`%.*s`: nothing after the slash", SP_PRI(it->text));
		return false;
	}
	return true;
}

static void
read_callers(struct cfg *c, struct cfg_rule *r, const struct node *v)
{
	struct items list;

	if (v == NULL)
		return;
	if (!sp_cfg_texts(c, v, "for", &list)) {
		r->bad = true;
		return;
	}
	r->callers = sp_cfg_alloc(c, list.n, sizeof *r->callers);
	if (r->callers == NULL)
		return;
	for (uint32_t i = 0; i < list.n; i++) {
		if (read_caller(c, &list.v[i], &r->callers[r->ncallers]))
			r->ncallers++;
		else
			r->bad = true;
	}
}

/* ---- demands */

static void
read_demand(struct cfg *c, struct cfg_rule *r, const struct node *n, const char *key, bool scopes, struct items *out)
{
	const struct node *v = sp_node_get(n, key);

	if (v == NULL)
		return;
	if (!sp_cfg_texts(c, v, key, out) || (scopes && !sp_cfg_scope_token(c, out, key)))
		r->bad = true;
}

static bool
read_group(struct cfg *c, struct cfg_rule *r, const struct node *n, enum key_place place, struct cfg_group *g)
{
	*g = (struct cfg_group){ 0 };
	if (!sp_cfg_keys(c, n, place, place == IN_NOT ? "`not`" : "a group of `any`"))
		return false;
	if (place == IN_GROUP)
		read_demand(c, r, n, "require_scopes", true, &g->scopes);
	read_demand(c, r, n, "restrict_tag", false, &g->tags);
	return g->scopes.n + g->tags.n != 0;
}

static void
read_any(struct cfg *c, struct cfg_rule *r, const struct node *v)
{
	if (v == NULL)
		return;
	if (!sp_cfg_some(c, v, "any")) {
		r->bad = true;
		return;
	}
	r->any = sp_cfg_alloc(c, sp_cfg_count(v), sizeof *r->any);
	if (r->any == NULL)
		return;
	for (const struct node *m = sp_cfg_first(v); m != NULL; m = sp_cfg_after(v, m)) {
		if (read_group(c, r, m, IN_GROUP, &r->any[r->nany]))
			r->nany++;
		else
			r->bad = true;
	}
}

static bool
any_has_scopes(const struct cfg_rule *r)
{
	for (uint32_t i = 0; i < r->nany; i++)
		if (r->any[i].scopes.n != 0)
			return true;
	return false;
}

static void
read_manner(struct cfg *c, struct cfg_rule *r, const struct node *v)
{
	static const sp_slice words[] = { SP_LIT_INIT("challenge"), SP_LIT_INIT("list"), SP_LIT_INIT("hide") };
	static const enum sp_manner values[] = { SP_MANNER_CHALLENGE, SP_MANNER_LIST, SP_MANNER_HIDE };
	size_t i;

	if (v == NULL)
		return;
	i = sp_cfg_word(c, v, "missing_scopes", words, SP_COUNT(words));
	if (i == SIZE_MAX)
		r->bad = true;
	else
		r->manner = values[i];
	if (r->scopes.n == 0 && !any_has_scopes(r) && r->checks == 0 && !r->bad) {
		ERR(c, v->key, "`missing_scopes` without scopes: this rule demands none, and no check that could name some");
		r->bad = true;
	}
}

static void
read_demands(struct cfg *c, struct cfg_rule *r, const struct node *n)
{
	static const char *const keys[] = { "require_scopes", "restrict_tag", "check", "any", "not", "missing_scopes" };
	const struct node *v;

	if (r->verb == SP_VERB_DENY) {
		for (size_t i = 0; i < SP_COUNT(keys); i++)
			if ((v = sp_node_get(n, keys[i])) != NULL) {
				ERR(c, v->key, "`deny` takes no demands: to close a tool for some callers, write `guard` "
				    "with `%s`", keys[i]);
				r->bad = true;
			}
		return;
	}
	read_demand(c, r, n, "require_scopes", true, &r->scopes);
	read_demand(c, r, n, "restrict_tag", false, &r->tags);
	sp_cfg_read_check_names(c, r, sp_node_get(n, "check"));
	read_any(c, r, sp_node_get(n, "any"));
	if ((v = sp_node_get(n, "not")) != NULL) {
		r->has_not = read_group(c, r, v, IN_NOT, &r->not);
		r->bad = r->bad || !r->has_not;
	}
	read_manner(c, r, sp_node_get(n, "missing_scopes"));
	if (r->verb == SP_VERB_GUARD && !r->bad && r->scopes.n + r->tags.n + r->nany == 0 && r->checks == 0 && !r->has_not) {
		ERR(c, r, "changes no decision: a `guard` without demands");
		r->bad = true;
	}
}

/* ---- the rule */

static const struct node *
read_verb(struct cfg *c, struct cfg_rule *r, const struct node *n, const char **verb)
{
	static const struct { const char *key; enum sp_verb verb; } verbs[] = {
		{ "allow", SP_VERB_ALLOW }, { "ask", SP_VERB_ASK }, { "guard", SP_VERB_GUARD }, { "deny", SP_VERB_DENY },
	};
	const struct node *found = NULL;

	for (size_t i = 0; i < SP_COUNT(verbs); i++) {
		const struct node *v = sp_node_get(n, verbs[i].key);

		if (v == NULL)
			continue;
		if (found != NULL) {
			ERR(c, v->key, "one rule has one verb, and `%s` is here already", *verb);
			return NULL;
		}
		found = v;
		r->verb = verbs[i].verb;
		*verb = verbs[i].key;
	}
	if (found == NULL)
		ERR(c, n, "a rule needs one of `allow`, `guard`, `deny`");
	return found;
}

static void
keep_text(struct cfg *c, struct cfg_rule *r, const struct node *n)
{
	char buf[400];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_node_write(&o, n);
	/* What did not fit was not written at all: pieces are whole. */
	if (o.full && o.n <= sizeof buf - 3)
		memcpy(buf + o.n, "…", 3), o.n += 3;
	r->text = sp_arena_copy(&c->mem, sp_out_view(&o));
}

static void
read_rule(struct cfg *c, const struct node *n)
{
	struct cfg_rule *r = &c->rules[c->nrules];
	const struct node *v;
	const char *verb = "";
	uint32_t before = c->f->errors;

	*r = (struct cfg_rule){ 0 };
	if (!sp_cfg_keys(c, n, IN_RULE, "a rule") || (v = read_verb(c, r, n, &verb)) == NULL)
		return;
	c->nrules++;
	r->line = n->line;
	r->col = n->col;
	keep_text(c, r, n);
	read_targets(c, r, v, verb);
	read_callers(c, r, sp_node_get(n, "for"));
	sp_cfg_read_conditions(c, r, sp_node_get(n, "when"), &r->when, &r->nwhen);
	sp_cfg_read_conditions(c, r, sp_node_get(n, "unless"), &r->unless, &r->nunless);
	read_demands(c, r, n);
	r->bad = r->bad || c->f->errors != before;
}

void
sp_cfg_read_rules(struct cfg *c, const struct node *n)
{
	if (n == NULL || !sp_cfg_some(c, n, "rules"))
		return;
	if (sp_cfg_count(n) > SP_CFG_RULES) {
		ERR(c, n, "`rules`: more than %d", SP_CFG_RULES);
		return;
	}
	c->rules = sp_cfg_alloc(c, sp_cfg_count(n), sizeof *c->rules);
	if (c->rules == NULL)
		return;
	for (const struct node *m = sp_cfg_first(n); m != NULL; m = sp_cfg_after(n, m))
		read_rule(c, m);
}
