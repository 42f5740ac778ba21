/* A value against the compiled schema, within a budget of steps. */
#include "schema/check_int.h"

#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

bool
sp_check_pay(struct sp_check *c, uint64_t price)
{
	if (c->steps < price) {
		c->steps = 0;
		return false;
	}
	c->steps -= price;
	return true;
}

/* --- messages --- */

static void
spot_write(struct sp_out *o, const struct sp_spot *spot)
{
	const struct sp_spot *way[12];
	size_t n = 0;

	for (; spot != NULL && spot->up != NULL; spot = spot->up)
		if (n < SP_COUNT(way))
			way[n++] = spot;
		else
			memmove(way, way + 1, (SP_COUNT(way) - 1) * sizeof *way), way[n - 1] = spot;
	while (n-- != 0) {
		sp_out_byte(o, '/');
		if (way[n]->in_array)
			sp_out_u64(o, way[n]->idx);
		else
			sp_utf8_clean(o, way[n]->key, 40, false);
	}
}

enum sp_verdict
sp_check_fail(const struct sp_at *at, const sp_slice *key, const char *what)
{
	struct sp_check *c = at->c;
	char buf[512], place[80], pub[sizeof ((struct sp_err *)0)->pub];
	struct sp_out o, cut;

	if (c->quiet != 0 || c->said || c->e == NULL)
		return SP_FAIL;
	c->said = true;
	sp_out_init(&o, buf, sizeof buf);
	spot_write(&o, at->spot);
	if (key != NULL) {
		sp_out_byte(&o, '/');
		sp_utf8_clean(&o, *key, 40, false);
	}
	sp_out_init(&cut, place, sizeof place - 1);
	sp_utf8_clean(&cut, o.n == 0 ? SP_LIT("/") : sp_out_view(&o), sizeof place - 1, false);
	place[cut.n] = '\0';
	snprintf(pub, sizeof pub, "arguments: %s: %s", place, what);
	(void)sp_fail(c->e, SP_E_BAD_PARAMS, pub, "%s", pub);
	return SP_FAIL;
}

/* --- what was looked at --- */

bool
sp_seen_init(struct sp_seen *s, struct sp_check *c, sp_jval *v)
{
	size_t words;

	*s = (struct sp_seen){ .n = unsafe_yyjson_get_len(v) };
	words = s->n / 64 + 1;
	s->bits = s->few;
	if (words <= SP_COUNT(s->few))
		return true;
	if (!sp_check_pay(c, words))
		return false;
	s->bits = calloc(words, sizeof *s->bits);
	return s->bits != NULL;
}

void
sp_seen_free(struct sp_seen *s)
{
	if (s->bits != s->few)
		free(s->bits);
	s->bits = NULL;
}

void
sp_seen_mark(struct sp_seen *s, size_t i)
{
	if (s != NULL && i < s->n)
		s->bits[i / 64] |= (uint64_t)1 << i % 64;
}

void
sp_seen_mark_all(struct sp_seen *s)
{
	if (s != NULL)
		memset(s->bits, 0xff, (s->n / 64 + 1) * sizeof *s->bits);
}

bool
sp_seen_has(const struct sp_seen *s, size_t i)
{
	return i < s->n && (s->bits[i / 64] >> i % 64 & 1) != 0;
}

void
sp_seen_merge(struct sp_seen *to, const struct sp_seen *from)
{
	for (size_t i = 0; i <= to->n / 64; i++)
		to->bits[i] |= from->bits[i];
}

/* --- rules of single values --- */

static uint32_t
type_of(sp_jval *v)
{
	if (sp_jis_num(v))
		return sp_jnum_is_int(sp_jtext(v)) ? SP_T_INT : SP_T_NUM;
	if (sp_jis_str(v))
		return SP_T_STR;
	if (sp_jis_obj(v))
		return SP_T_OBJ;
	if (sp_jis_arr(v))
		return SP_T_ARR;
	return sp_jis_bool(v) ? SP_T_BOOL : SP_T_NULL;
}

static enum sp_verdict
type_fail(const struct sp_at *at)
{
	static const struct { uint32_t bit; const char *name; } names[] = {
		{ SP_T_STR, "a string" }, { SP_T_NUM, "a number" }, { SP_T_INT, "an integer" },
		{ SP_T_BOOL, "a boolean" }, { SP_T_ARR, "an array" }, { SP_T_OBJ, "an object" }, { SP_T_NULL, "null" },
	};
	uint32_t types = at->node->types;
	char what[100] = "";
	struct sp_out o;

	if ((types & SP_T_NUM) != 0)
		types &= ~(uint32_t)SP_T_INT;
	sp_out_init(&o, what, sizeof what - 1);
	for (size_t i = 0; i < SP_COUNT(names); i++)
		if ((types & names[i].bit) != 0) {
			sp_out_str(&o, o.n == 0 ? "must be " : " or ");
			sp_out_str(&o, names[i].name);
		}
	return sp_check_fail(at, NULL, what);
}

static enum sp_verdict
check_values(const struct sp_at *at)
{
	struct sp_check *c = at->c;
	sp_jval *want = at->node->const_;

	if (want != NULL) {
		if (!sp_check_pay(c, sp_value_cells(want)))
			return SP_STOP;
		if (!sp_jequal(want, at->v))
			return sp_check_fail(at, NULL, "is not the one allowed value");
	}
	if (at->node->enum_ == NULL)
		return SP_PASS;
	for (struct sp_jiter it = sp_jeach(at->node->enum_); sp_jnext(&it);) {
		if (!sp_check_pay(c, sp_value_cells(it.val)))
			return SP_STOP;
		if (sp_jequal(it.val, at->v))
			return SP_PASS;
	}
	return sp_check_fail(at, NULL, "is none of the allowed values");
}

static uint64_t
code_points(sp_slice s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static enum sp_verdict
check_string(const struct sp_at *at)
{
	const struct sp_str_rules *g = at->node->str;
	sp_slice s = sp_jtext(at->v);
	uint64_t n;

	if (!sp_check_pay(at->c, s.n / 32))
		return SP_STOP;
	n = code_points(s);
	if (n < g->min)
		return sp_check_fail(at, NULL, "is too short");
	if (n > g->max)
		return sp_check_fail(at, NULL, "is too long");
	if (g->pattern == NULL)
		return SP_PASS;
	switch (sp_regex_match(g->pattern, s, &at->c->steps)) {
	case SP_REGEX_YES:
		return SP_PASS;
	case SP_REGEX_NO:
		return sp_check_fail(at, NULL, "does not match the pattern");
	case SP_REGEX_COSTLY:
		break;
	}
	return SP_STOP;
}

static enum sp_verdict
check_number(const struct sp_at *at)
{
	const struct sp_num_rules *g = at->node->num;
	sp_slice n = sp_jtext(at->v);

	if (!sp_check_pay(at->c, n.n / 16))
		return SP_STOP;
	if ((g->low.p != NULL && sp_jnum_cmp(n, g->low) < 0) || (g->above.p != NULL && sp_jnum_cmp(n, g->above) <= 0))
		return sp_check_fail(at, NULL, "is too small");
	if ((g->high.p != NULL && sp_jnum_cmp(n, g->high) > 0) ||
	    (g->below.p != NULL && sp_jnum_cmp(n, g->below) >= 0))
		return sp_check_fail(at, NULL, "is too large");
	if (g->divisor.digits != 0 && !sp_is_multiple(n, &g->divisor))
		return sp_check_fail(at, NULL, "is not a multiple of the allowed step");
	return SP_PASS;
}

/* --- a node --- */

static enum sp_verdict
check_groups(const struct sp_at *at, uint32_t type)
{
	const struct sp_node *n = at->node;
	enum sp_verdict r = SP_PASS;

	if (n->const_ != NULL || n->enum_ != NULL)
		r = check_values(at);
	if (r == SP_PASS && n->str != NULL && type == SP_T_STR)
		r = check_string(at);
	if (r == SP_PASS && n->num != NULL && (type & (SP_T_INT | SP_T_NUM)) != 0)
		r = check_number(at);
	if (r == SP_PASS && n->arr != NULL && type == SP_T_ARR)
		r = sp_check_array(at);
	if (r == SP_PASS && n->obj != NULL && type == SP_T_OBJ)
		r = sp_check_object(at);
	if (r == SP_PASS && n->here != NULL)
		r = sp_check_here(at);
	return r;
}

/* A node with unevaluated… collects for itself: what its cousins looked at does not count. */
static enum sp_verdict
check_collecting(struct sp_at *at, uint32_t type)
{
	struct sp_seen mine, *outer = at->seen;
	enum sp_verdict r = SP_STOP;

	at->seen = &mine;
	if (sp_seen_init(&mine, at->c, at->v)) {
		r = check_groups(at, type);
		if (r == SP_PASS)
			r = sp_check_unevaluated(at);
	}
	if (r == SP_PASS)
		sp_seen_mark_all(outer);	/* now everything was looked at */
	sp_seen_free(&mine);
	return r;
}

static enum sp_verdict
check_entered(struct sp_at *at)
{
	const struct sp_node *n = at->node;
	uint32_t type;

	if (n->never)
		return sp_check_fail(at, NULL, "is not allowed");
	type = type_of(at->v);
	if (n->types != 0 && (n->types & type) == 0)
		return type_fail(at);
	if ((type == SP_T_OBJ && n->obj != NULL && n->obj->unevaluated != NULL) ||
	    (type == SP_T_ARR && n->arr != NULL && n->arr->unevaluated != NULL))
		return check_collecting(at, type);
	return check_groups(at, type);
}

enum sp_verdict
sp_check_node(struct sp_check *c, const struct sp_node *n, sp_jval *v, const struct sp_spot *spot,
    const struct sp_scope *scope, struct sp_seen *seen)
{
	struct sp_scope inner = { scope, n->resource };
	struct sp_at at = { c, n, v, spot, scope, seen };
	enum sp_verdict r;

	if (!sp_check_pay(c, 1) || c->depth == SP_SCHEMA_NEST)
		return SP_STOP;
	if (scope == NULL || scope->resource != n->resource)
		at.scope = &inner;
	c->depth++;
	r = check_entered(&at);
	c->depth--;
	return r;
}

enum sp_status
sp_schema_check(const struct sp_schema *s, sp_jval *v, uint64_t steps, struct sp_err *e)
{
	struct sp_check c = { .s = s, .steps = steps == 0 ? SP_SCHEMA_STEPS : steps, .e = e };
	struct sp_spot top = { .up = NULL };

	if (v == NULL)
		return sp_fail(e, SP_E_BAD_PARAMS, "arguments: /: missing", "no value to check");
	switch (sp_check_node(&c, s->root, v, &top, NULL, NULL)) {
	case SP_PASS:
		return SP_OK;
	case SP_FAIL:
		/* Said where it was found; without a word only inside a branch, which then failed as a whole. */
		if (!c.said)
			return sp_fail(e, SP_E_BAD_PARAMS, "arguments: /: not allowed", "not allowed by the schema");
		return SP_E_BAD_PARAMS;
	case SP_STOP:
		break;
	}
	return sp_fail(e, SP_E_TOO_BIG, "arguments: /: too costly to check", "over the budget of a schema check");
}
