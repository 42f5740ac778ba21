/*
 * URI templates (RFC 6570), the other way round: from a URI to the values of variables.  Only expressions that can be told
 * apart are accepted, and matching goes through URI and template once, whatever the URI.
 */
#include "server/engine.h"

#include "base/utf8.h"
#include "mcp/foreign.h"
#include "wire/uri.h"

enum { PIECES = 32, VALUE_MAX = 4096 };

struct piece {
	sp_slice text;			/* literal, or name of a variable */
	bool	 variable;
	bool	 any;			/* {+name}, {name*}: may hold '/' */
};

struct sp_template {
	struct piece v[PIECES];
	unsigned n;
	sp_slice query[PIECES];		/* {?a,b}: these may be there, in any order */
	unsigned nquery;
};

static bool
is_name(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '_' || c == '.' || c == '-';
}

static bool
is_taken(const struct sp_template *t, sp_slice name)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->v[i].variable && sp_eq(t->v[i].text, name))
			return true;
	for (unsigned i = 0; i < t->nquery; i++)
		if (sp_eq(t->query[i], name))
			return true;
	return false;
}

static enum sp_status
bad(struct sp_err *e, const char *why)
{
	return sp_fail(e, SP_E_CONFIG, NULL, "%s", why);
}

static enum sp_status
add_query(struct sp_template *t, sp_slice names, struct sp_err *e)
{
	sp_slice name;

	while (sp_take_part(&names, ',', &name)) {
		if (name.n == 0 || sp_span(name, is_name) != name.n || is_taken(t, name))
			return bad(e, "{?…} must name variables, each once");
		if (t->nquery == PIECES)
			return bad(e, "too many variables");
		t->query[t->nquery++] = name;
	}
	return SP_OK;
}

static enum sp_status
add_variable(struct sp_template *t, sp_slice in, struct sp_err *e)
{
	struct piece p = { .variable = true, .text = in };

	if (in.n != 0 && in.p[0] == '+') {
		sp_advance(&p.text, 1);
		p.any = true;
	} else if (in.n != 0 && in.p[in.n - 1] == '*') {
		p.text.n--;
		p.any = true;
	}
	if (p.text.n == 0 || sp_span(p.text, is_name) != p.text.n)
		return bad(e, "only {name}, {+name}, {name*} and, at the end, {?a,b} can be matched");
	if (is_taken(t, p.text))
		return bad(e, "a variable stands in it twice");
	if (t->n != 0 && t->v[t->n - 1].variable)
		return bad(e, "two variables need text between them");
	t->v[t->n++] = p;
	return SP_OK;
}

enum sp_status
sp_template_new(struct sp_arena *a, sp_slice text, struct sp_template **out, struct sp_err *e)
{
	struct sp_template *t = sp_arena_get(a, sizeof *t);
	enum sp_status st = SP_OK;
	sp_slice in = text, literal, inside;

	if (t == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory");
	if (!sp_res_template_ok(text))
		return bad(e, "it must be an absolute URI with {variables} behind its scheme");
	while (st == SP_OK && in.n != 0) {
		if (t->nquery != 0)
			return bad(e, "nothing may follow {?…}");
		if (t->n + 2 > PIECES)
			return bad(e, "it has too many variables");
		if (!sp_take_to(&in, '{', &literal)) {
			t->v[t->n++] = (struct piece){ .text = in };
			break;
		}
		if (literal.n != 0)
			t->v[t->n++] = (struct piece){ .text = literal };
		if (!sp_take_to(&in, '}', &inside))
			return bad(e, "a { without }");
		if (sp_take(&inside, SP_LIT("?")))
			st = add_query(t, inside, e);
		else
			st = add_variable(t, inside, e);
	}
	if (st == SP_OK)
		*out = t;
	return st;
}

/* ---- matching */

/* No way out of the place it is put into: threat rows about paths. */
static bool
value_ok(sp_slice v, bool any)
{
	sp_slice rest = v, part;

	if (!sp_utf8_valid(v) || (!any && (sp_has_byte(v, '/') || sp_has_byte(v, '\\'))))
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (sp_is_ctl((unsigned char)v.p[i]))
			return false;
	while (sp_take_part(&rest, '/', &part))
		if (sp_eq(part, SP_LIT(".")) || sp_eq(part, SP_LIT("..")))
			return false;
	return true;
}

static bool
put(struct sp_out *o, sp_slice name, sp_slice raw, bool any)
{
	char buf[VALUE_MAX];
	struct sp_out value;

	sp_out_init(&value, buf, sizeof buf);
	if (!sp_pct_decode(&value, raw) || value.full || !value_ok(sp_out_view(&value), any))
		return false;
	if (o->n > 1)
		sp_out_byte(o, ',');
	sp_jout_str(o, name);
	sp_out_byte(o, ':');
	sp_jout_str(o, sp_out_view(&value));
	return true;
}

static bool
put_query(const struct sp_template *t, sp_slice query, struct sp_out *o)
{
	bool seen[PIECES] = { false };
	sp_slice pair, name;

	while (sp_take_part(&query, '&', &pair)) {
		unsigned i = 0;

		if (!sp_take_to(&pair, '=', &name))
			return false;
		while (i < t->nquery && !sp_eq(t->query[i], name))
			i++;
		if (i == t->nquery || seen[i] || !put(o, name, pair, true))
			return false;
		seen[i] = true;
	}
	return true;
}

/* How long the variable at the front of `in` is; SIZE_MAX: what must stand behind it is not there. */
static size_t
variable_length(const struct sp_template *t, unsigned i, sp_slice in)
{
	sp_slice next;

	if (i + 1 == t->n)
		return in.n;
	next = t->v[i + 1].text;
	if (i + 2 == t->n)	/* the last text stands at the end */
		return sp_ends(in, next) ? in.n - next.n : SIZE_MAX;
	return sp_find(in, next);
}

bool
sp_template_match(const struct sp_template *t, sp_slice uri, struct sp_out *variables)
{
	sp_slice in = uri, path, query = { NULL, 0 };

	sp_out_byte(variables, '{');
	if (t->nquery != 0 && sp_take_to(&in, '?', &path)) {
		query = in;
		in = path;
	}
	for (unsigned i = 0; i < t->n; i++) {
		const struct piece *p = &t->v[i];
		sp_slice value;
		size_t n;

		if (!p->variable) {
			if (!sp_take(&in, p->text))
				return false;
			continue;
		}
		n = variable_length(t, i, in);
		if (n == SIZE_MAX || n == 0 || !sp_take_n(&in, n, &value))
			return false;
		if (!p->any && (sp_has_byte(value, '/') || sp_has_byte(value, '?') || sp_has_byte(value, '#')))
			return false;
		if (!put(variables, p->text, value, p->any))
			return false;
	}
	if (in.n != 0 || (query.n != 0 && !put_query(t, query, variables)))
		return false;
	sp_out_byte(variables, '}');
	return !variables->full;
}
