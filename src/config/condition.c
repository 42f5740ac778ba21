/* Values of `when` and `unless`: the one place where spelling decides the type, because no key can (config.md section 3). */
#include "config/value.h"

/* -?(0|[1-9][0-9]*)(\.[0-9]+)? : a decimal number that is also a JSON number. */
static bool
is_decimal(sp_slice s)
{
	size_t n;

	(void)sp_take(&s, SP_LIT("-"));
	n = sp_span(s, sp_is_digit);
	if (n == 0 || (n > 1 && s.p[0] == '0'))
		return false;
	sp_advance(&s, n);
	if (s.n == 0)
		return true;
	return s.p[0] == '.' && s.n > 1 && sp_span(sp_sub(s, 1, s.n), sp_is_digit) == s.n - 1;
}

/* What YAML 1.2's core schema takes for a number, but is not written as this language wants it. */
static bool
is_other_number(sp_slice s)
{
	static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN" };
	bool digit = false;

	if (sp_starts(s, SP_LIT("0x")) || sp_starts(s, SP_LIT("0o")))
		return s.n > 2 && sp_span(sp_sub(s, 2, s.n), sp_is_hex) == s.n - 2;
	if (s.n != 0 && (s.p[0] == '+' || s.p[0] == '-'))
		sp_advance(&s, 1);
	for (size_t i = 0; i < SP_COUNT(words); i++)
		if (sp_eq(s, sp_str(words[i])))
			return true;
	for (; s.n != 0 && (sp_is_digit((unsigned char)s.p[0])); sp_advance(&s, 1))
		digit = true;
	if (s.n != 0 && s.p[0] == '.')
		for (sp_advance(&s, 1); s.n != 0 && sp_is_digit((unsigned char)s.p[0]); sp_advance(&s, 1))
			digit = true;
	if (!digit)
		return false;
	if (s.n != 0 && (s.p[0] == 'e' || s.p[0] == 'E')) {
		sp_advance(&s, 1);
		if (s.n != 0 && (s.p[0] == '+' || s.p[0] == '-'))
			sp_advance(&s, 1);
		return s.n != 0 && sp_span(s, sp_is_digit) == s.n;
	}
	return s.n == 0;
}

static bool
is_range_char(unsigned char b)
{
	return sp_is_digit(b) || b == '.' || b == '-' || b == '+';
}

static bool
looks_like_range(sp_slice s)
{
	return sp_find(s, SP_LIT("..")) != SIZE_MAX && sp_span(s, is_range_char) == s.n;
}

static bool
read_range(struct cfg *c, const struct item *it, struct cfg_value *v)
{
	size_t at = sp_find(it->text, SP_LIT(".."));
	sp_slice low = sp_sub(it->text, 0, at), high = sp_sub(it->text, at + 2, it->text.n);

	if (low.n + high.n == 0 || (low.n != 0 && !is_decimal(low)) || (high.n != 0 && !is_decimal(high))) {
		ERR(c, it, "not a range of decimal numbers (0..100, ..5, 2..); quote it if it is text");
		return false;
	}
	if (low.n != 0 && high.n != 0 && sp_jnum_cmp(low, high) > 0) {
		ERR(c, it, "the range %.*s is empty: write the lower end first", SP_PRI(it->text));
		return false;
	}
	*v = (struct cfg_value){ SP_VALUE_RANGE, low, high };
	return true;
}

static bool
is_wrong_bool(sp_slice s)
{
	return sp_eq(s, SP_LIT("True")) || sp_eq(s, SP_LIT("TRUE")) || sp_eq(s, SP_LIT("False")) ||
	    sp_eq(s, SP_LIT("FALSE"));
}

/* Plain scalars that are no text; *v's kind stays 0 for text. */
static bool
read_plain(struct cfg *c, const struct item *it, struct cfg_value *v)
{
	if (sp_eq(it->text, SP_LIT("true")) || sp_eq(it->text, SP_LIT("false"))) {
		*v = (struct cfg_value){ SP_VALUE_BOOL, it->text, { NULL, 0 } };
	} else if (is_wrong_bool(it->text)) {
		ERR(c, it, "write true or false, or quote it if it is text");
		return false;
	} else if (is_decimal(it->text)) {
		*v = (struct cfg_value){ SP_VALUE_NUMBER, it->text, { NULL, 0 } };
	} else if (looks_like_range(it->text)) {
		return read_range(c, it, v);
	} else if (is_other_number(it->text)) {
		ERR(c, it, "write the number in plain decimal (7, -0.5), or quote it if it is text");
		return false;
	}
	return true;
}

static bool
read_value(struct cfg *c, const struct node *n, const char *what, struct cfg_value *v)
{
	struct item it;

	*v = (struct cfg_value){ 0 };
	if (!sp_cfg_text(c, n, what, &it))
		return false;
	if (sp_eq(it.text, SP_LIT("$user"))) {
		v->kind = SP_VALUE_USER;
		return true;
	}
	if (it.text.p[0] == '$' || sp_find(it.text, SP_LIT("${")) != SIZE_MAX) {
		ERR(c, n, "`$user` is the only `$` text: nothing else is expanded");
		return false;
	}
	if (n->plain && !read_plain(c, &it, v))
		return false;
	if (v->kind == 0)
		*v = (struct cfg_value){ sp_has_byte(it.text, '*') ? SP_VALUE_PATTERN : SP_VALUE_TEXT, it.text, { NULL, 0 } };
	return true;
}

static bool
read_argument(struct cfg *c, const struct node *n, struct cfg_cond *cond)
{
	sp_slice rest = n->key->text, part;

	/* The place may hold what is left of a condition that was refused. */
	*cond = (struct cfg_cond){ .argument = sp_cfg_key(n) };
	cond->path.v = sp_cfg_alloc(c, rest.n + 1, sizeof *cond->path.v);
	if (cond->path.v == NULL)
		return false;
	while (sp_take_part(&rest, '.', &part)) {
		if (part.n == 0 || cond->path.n == SP_YAML_DEPTH) {
			ERR(c, n->key, "an argument is a name, or names with dots between them");
			return false;
		}
		cond->path.v[cond->path.n++] = (struct item){ part, n->key->line, n->key->col };
	}
	return true;
}

static bool
read_condition(struct cfg *c, const struct node *n, struct cfg_cond *cond)
{
	bool good = true;

	if (!read_argument(c, n, cond) || !sp_cfg_some(c, n, "a condition"))
		return false;
	if (n->kind == NODE_MAP) {
		ERR(c, n, "a condition wants values; for a member write the path: %.*s.NAME", SP_PRI(n->key->text));
		return false;
	}
	cond->values = sp_cfg_alloc(c, sp_cfg_count(n), sizeof *cond->values);
	if (cond->values == NULL)
		return false;
	for (const struct node *m = sp_cfg_first(n); m != NULL; m = sp_cfg_after(n, m)) {
		if (read_value(c, m, "a condition", &cond->values[cond->nvalues]))
			cond->nvalues++;
		else
			good = false;
	}
	return good;
}

void
sp_cfg_read_conditions(struct cfg *c, struct cfg_rule *r, const struct node *n, struct cfg_cond **out, uint32_t *count)
{
	if (n == NULL)
		return;
	if (n->kind != NODE_MAP || n->first == NULL) {
		if (n->kind != NODE_BAD)
			ERR(c, n, "conditions are a mapping: {ARGUMENT: VALUES}");
		r->bad = true;
		return;
	}
	*out = sp_cfg_alloc(c, n->n, sizeof **out);
	if (*out == NULL)
		return;
	for (const struct node *v = n->first; v != NULL; v = v->next) {
		if (read_condition(c, v, &(*out)[*count]))
			(*count)++;
		else
			r->bad = true;
	}
}
