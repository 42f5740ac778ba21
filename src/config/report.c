/* What `check` prints, read from the compiled image: what is shown is what will be in force. */
#include "config/config.h"

#include "policy/decide.h"
#include "wire/http1.h"
#include "wire/uri.h"

#include <stdlib.h>

/* ---- what callers of a source could reach */

/*
 * '.' closed, 's' short, '?' ask, 'a' allow: for the luckiest caller of a source, that is, with user name, tags and
 * arguments in its favour, and of scopes only what the source gives or demands.
 */
struct reach {
	const struct sp_image *img;
	uint32_t source;
	bool	 anonymous;
	uint64_t has[SP_SCOPE_WORDS];
};

static void
join(uint64_t *w, const struct sp_image *img, struct sp_ref set)
{
	const uint64_t *s = sp_img_words(img, set);

	for (uint32_t i = 0; i < set.n && i < SP_SCOPE_WORDS; i++)
		w[i] |= s[i];
}

static bool
within(const struct sp_image *img, struct sp_ref set, const uint64_t *has)
{
	const uint64_t *s = sp_img_words(img, set);

	for (uint32_t i = 0; i < set.n; i++)
		if ((s[i] & ~(i < SP_SCOPE_WORDS ? has[i] : 0)) != 0)
			return false;
	return true;
}

static struct reach
reach_of(const struct sp_image *img, uint32_t source)
{
	const struct sp_img_source *s = SP_IMG_AT(img, img->head->sources, source, source);
	struct reach r = { .img = img, .source = source, .anonymous = s->type == SP_SOURCE_ANONYMOUS };
	uint64_t first[SP_SCOPE_WORDS] = { 0 };

	join(first, img, s->give_scopes);
	if (!r.anonymous)
		join(first, img, s->require_scopes);
	for (uint32_t i = 0; i < img->head->scopes.n; i++)
		if (sp_bit(first, SP_SCOPE_WORDS, i))
			join(r.has, img, SP_IMG_AT(img, img->head->scopes, scope, i)->closure);
	return r;
}

enum meant { NOT_MEANT, PERHAPS, MEANT };

static enum meant
meant_by(const struct reach *at, const struct sp_img_rule *r, bool *anyone)
{
	enum meant m = r->callers.n == 0 ? MEANT : NOT_MEANT;

	*anyone = false;
	for (uint32_t i = 0; i < r->callers.n; i++) {
		const struct sp_img_caller *c = SP_IMG_AT(at->img, r->callers, caller, i);

		if (c->source == SP_IMG_ANYONE)
			*anyone = true;
		if (c->source == SP_IMG_ANYONE || (c->source == at->source && c->has_pattern == 0))
			m = MEANT;
		else if (c->source == at->source && m == NOT_MEANT)
			m = PERHAPS;
	}
	return m;
}

/* 'a', 'c', 's' or '.' for the demands of one rule. */
static char
demands(const struct reach *at, const struct sp_img_rule *r)
{
	bool any_short = false, any_met = r->any.n == 0;

	if (at->anonymous && r->tags.n != 0)
		return '.';
	for (uint32_t i = 0; i < r->any.n && !any_met; i++) {
		const struct sp_img_group *g = SP_IMG_AT(at->img, r->any, group, i);

		if (at->anonymous && g->tags.n != 0)
			continue;
		any_met = within(at->img, g->scopes, at->has);
		any_short = true;
	}
	if (!any_met && !any_short)
		return '.';
	if (!any_met || !within(at->img, r->scopes, at->has))
		return 's';
	return r->checks.n != 0 ? 'c' : 'a';
}

static char
worse(char a, char b)
{
	if (a == '.' || b == '.')
		return '.';
	if (a == 's' || b == 's')
		return 's';
	if (a == '?' || b == '?')
		return '?';
	return a == 'c' || b == 'c' ? 'c' : 'a';
}

static int
rank(char c)
{
	static const char order[] = ".s?ca";

	return (int)(strchr(order, c) - order);
}

static char
rule_says(const struct reach *at, const struct sp_img_rule *r)
{
	return worse(demands(at, r), r->verb == SP_VERB_ASK ? '?' : 'a');
}

static char
reached_by(const struct reach *at, const uint32_t *idx, uint32_t n)
{
	char base = 'a', best = '.';
	bool open = false, anyone;

	for (uint32_t i = 0; i < n; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(at->img, at->img->head->rules, rule, idx[i]);

		if (r->when.n + r->unless.n != 0 || meant_by(at, r, &anyone) != MEANT)
			continue;
		if (r->verb == SP_VERB_DENY)
			return '.';
		base = worse(base, rule_says(at, r));
		open = open || (r->verb != SP_VERB_GUARD && (!at->anonymous || anyone));
	}
	if (open || base == '.')
		return base;
	for (uint32_t i = 0; i < n; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(at->img, at->img->head->rules, rule, idx[i]);
		char c;

		if (r->verb == SP_VERB_GUARD || r->verb == SP_VERB_DENY || meant_by(at, r, &anyone) == NOT_MEANT ||
		    (at->anonymous && !anyone))
			continue;
		c = worse(base, rule_says(at, r));
		if (rank(c) > rank(best))
			best = c;
	}
	return best;
}

static char
reached(const struct reach *at, const struct sp_img_tool *t)
{
	return reached_by(at, sp_img_u32(at->img, t->rules), t->rules.n);
}

char
sp_config_reach(const struct sp_image *img, uint32_t source, uint32_t tool)
{
	struct reach r = reach_of(img, source);

	return reached(&r, SP_IMG_AT(img, img->head->tools, tool, tool));
}

/* ---- ok: line */

static void
write_origin(struct sp_out *o, sp_slice host, uint32_t kind, uint32_t port, bool https)
{
	bool v6 = kind == SP_HOST_IPV6;

	sp_out_fmt(o, "%s://%s%.*s%s", https ? "https" : "http", v6 ? "[" : "", SP_PRI(host), v6 ? "]" : "");
	if (port != (https ? 443u : 80u))
		sp_out_fmt(o, ":%u", port);
}

static void
write_secret_name(struct sp_out *o, sp_slice ref)
{
	(void)sp_take(&ref, SP_LIT("vault:"));
	sp_out_slice(o, ref);
}

void
sp_config_grant_write(struct sp_out *o, const struct sp_image *img, const struct sp_img_server *s,
    const struct sp_img_grant *g)
{
	write_secret_name(o, sp_img_str(img, g->ref));
	sp_out_str(o, " → ");
	if (s->kind == SP_SERVER_MANAGEMENT)
		sp_out_str(o, "management");
	else
		write_origin(o, sp_img_str(img, g->host), s->host_kind, g->port, g->https != 0);
}

static void
write_secrets(struct sp_out *o, const struct sp_image *img)
{
	bool first = true;

	for (uint32_t i = 0; i < img->head->servers.n; i++) {
		const struct sp_img_server *s = SP_IMG_AT(img, img->head->servers, server, i);

		for (uint32_t k = 0; k < s->grants.n; k++) {
			sp_out_str(o, first ? ". Secrets: " : ", ");
			first = false;
			sp_config_grant_write(o, img, s, SP_IMG_AT(img, s->grants, grant, k));
		}
	}
}

/* Which servers are alone somewhere. */
static void
write_places(struct sp_out *o, const struct sp_image *img)
{
	bool first = true;

	for (uint32_t i = 0; i < img->head->resources.n; i++) {
		const struct sp_img_resource *r = SP_IMG_AT(img, img->head->resources, resource, i);

		if (r->alone == 0)
			continue;
		sp_out_fmt(o, "%s%.*s at %.*s", first ? ". Alone: " : ", ",
		    SP_PRI(sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, r->alone - 1)->name)),
		    SP_PRI(sp_img_str(img, r->url)));
		first = false;
	}
}

void
sp_config_summary(struct sp_out *o, const struct sp_image *img)
{
	const struct sp_img_head *h = img->head;
	uint32_t anyone = 0, some = 0, mcp = 0;

	for (uint32_t i = 0; i < h->servers.n; i++)
		mcp += SP_IMG_AT(img, h->servers, server, i)->kind == SP_SERVER_MCP;
	for (uint32_t t = 0; t < h->tools.n; t++) {
		const struct sp_img_tool *tool = SP_IMG_AT(img, h->tools, tool, t);
		bool reachable = false, open = false;

		for (uint32_t s = 0; s < h->sources.n; s++) {
			struct reach r = reach_of(img, s);
			char c = reached(&r, tool);

			reachable |= c != '.';
			open |= r.anonymous && (c == 'a' || c == 'c' || c == '?');
		}
		anyone += open;
		some += reachable && !open;
	}
	sp_out_fmt(o, "ok: %u server%s, %u tool%s: %u open to anyone, %u to some callers, %u closed", h->servers.n,
	    h->servers.n == 1 ? "" : "s", h->tools.n, h->tools.n == 1 ? "" : "s", anyone, some,
	    h->tools.n - anyone - some);
	if (mcp != 0)
		sp_out_fmt(o, "; %u MCP server%s, whose tools are known when %s run%s", mcp, mcp == 1 ? "" : "s",
		    mcp == 1 ? "it" : "they", mcp == 1 ? "s" : "");
	write_secrets(o, img);
	write_places(o, img);
	sp_out_byte(o, '\n');
}

/* ---- table */

/* One row: what callers of each source could reach under these rules. */
static void
write_row(struct sp_out *o, const struct sp_image *img, const uint32_t *rules, uint32_t n)
{
	for (uint32_t s = 0; s < img->head->sources.n; s++) {
		struct reach r = reach_of(img, s);
		uint32_t width = SP_IMG_AT(img, img->head->sources, source, s)->name.n;

		sp_out_byte(o, reached_by(&r, rules, n));
		for (uint32_t i = 0; i < width + 1; i++)
			sp_out_byte(o, ' ');
	}
}

static bool
seen_before(const struct sp_image *img, const struct sp_img_select *s)
{
	for (uint32_t i = 0; i < img->head->rules.n; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, i);

		for (uint32_t k = 0; k < r->selects.n; k++) {
			const struct sp_img_select *t = SP_IMG_AT(img, r->selects, select, k);

			if (t == s)
				return false;
			if (t->what == s->what && t->server == s->server &&
			    sp_eq(sp_img_str(img, t->pattern), sp_img_str(img, s->pattern)))
				return true;
		}
	}
	return false;
}

/*
 * Of an mcp server: a row for each part that rules name, as if something were called just so.  A pattern as a name is
 * matched by itself and by whatever covers it.
 */
static void
write_part(struct sp_out *o, const struct sp_image *img, uint32_t server, enum sp_component_kind kind, sp_slice name,
    const char *label, uint32_t *rules)
{
	const struct sp_component c = { .server = server, .kind = kind, .write = true, .name = name };
	uint32_t n = sp_component_rules(img, &c, rules, img->head->rules.n);

	write_row(o, img, rules, n);
	sp_out_fmt(o, "%.*s.%s%.*s\n", SP_PRI(sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, server)->name)),
	    label, SP_PRI(name));
}

static void
write_select(struct sp_out *o, const struct sp_image *img, uint32_t server, const struct sp_img_select *s, uint32_t *rules)
{
	sp_slice pattern = sp_img_str(img, s->pattern);

	if ((s->server != server && s->server != SP_IMG_ANYONE) || seen_before(img, s))
		return;
	if (s->what == SP_SELECT_NAME && !sp_eq(pattern, SP_LIT("**")))
		write_part(o, img, server, SP_COMPONENT_TOOL, pattern, "", rules);
	else if (s->what == SP_SELECT_RESOURCE && !sp_eq(pattern, SP_LIT("**")))
		write_part(o, img, server, SP_COMPONENT_RESOURCE, pattern, "resource:", rules);
	else if (s->what == SP_SELECT_PROMPT && !sp_eq(pattern, SP_LIT("**")))
		write_part(o, img, server, SP_COMPONENT_PROMPT, pattern, "prompt:", rules);
}

static void
write_mcp(struct sp_out *o, const struct sp_image *img, uint32_t server, uint32_t *rules)
{
	for (uint32_t i = 0; i < img->head->rules.n; i++) {
		const struct sp_img_rule *r = SP_IMG_AT(img, img->head->rules, rule, i);

		for (uint32_t k = 0; k < r->selects.n; k++)
			write_select(o, img, server, SP_IMG_AT(img, r->selects, select, k), rules);
	}
	write_part(o, img, server, SP_COMPONENT_TOOL, SP_LIT("**"), "", rules);
	write_part(o, img, server, SP_COMPONENT_RESOURCE, SP_LIT("**"), "resource:", rules);
	write_part(o, img, server, SP_COMPONENT_PROMPT, SP_LIT("**"), "prompt:", rules);
}

void
sp_config_table(struct sp_out *o, const struct sp_image *img)
{
	const struct sp_img_head *h = img->head;
	uint32_t *rules = calloc(h->rules.n + 1, sizeof *rules);

	sp_out_str(o, "a allow, c a check decides, ? ask, s short of a scope, . closed; users, tags and arguments in the caller's favour\n");
	for (uint32_t s = 0; s < h->sources.n; s++)
		sp_out_fmt(o, "%.*s%s", SP_PRI(sp_img_str(img, SP_IMG_AT(img, h->sources, source, s)->name)),
		    s + 1 == h->sources.n ? "\n" : "  ");
	for (uint32_t t = 0; t < h->tools.n; t++) {
		const struct sp_img_tool *tool = SP_IMG_AT(img, h->tools, tool, t);

		write_row(o, img, sp_img_u32(img, tool->rules), tool->rules.n);
		sp_out_fmt(o, "%.*s.%.*s\n", SP_PRI(sp_img_str(img, SP_IMG_AT(img, h->servers, server, tool->server)->name)),
		    SP_PRI(sp_img_str(img, tool->name)));
	}
	for (uint32_t s = 0; rules != NULL && s < h->servers.n; s++)
		if (SP_IMG_AT(img, h->servers, server, s)->kind == SP_SERVER_MCP)
			write_mcp(o, img, s, rules);
	free(rules);
}
