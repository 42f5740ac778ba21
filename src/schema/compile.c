/* A schema document to nodes: every keyword's value is checked here, once. */
#include "schema/schema_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- errors --- */

/* The JSON pointer of a value: down from the root, at each level into the member whose cells hold it. */
static void
pointer_write(struct sp_out *o, sp_jval *root, sp_jval *at)
{
	while (root != at) {
		struct sp_jiter it = sp_jeach(root);
		bool found = false;

		while (!found && sp_jnext(&it))
			found = at >= it.val - (sp_jis_obj(root) ? 1 : 0) && at < unsafe_yyjson_get_next(it.val);
		if (!found)
			return;
		sp_out_byte(o, '/');
		if (sp_jis_obj(root))
			sp_out_slice(o, it.key);
		else
			sp_out_u64(o, it.idx);
		if (at < it.val)
			return;
		root = it.val;
	}
}

enum sp_status
sp_compile_bad(struct sp_compile *c, sp_jval *at, const char *fmt, ...)
{
	char place[128], what[200];
	struct sp_out o;
	va_list ap;

	sp_out_init(&o, place, sizeof place);
	pointer_write(&o, c->s->doc.root, at);
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return sp_fail(c->e, SP_E_CONFIG, NULL, "schema #%.*s: %s", SP_PRI(sp_out_view(&o)), what);
}

enum sp_status
sp_compile_full(struct sp_compile *c)
{
	return sp_fail(c->e, SP_E_CONFIG, NULL, "no memory for a schema");
}

/* --- values of keywords --- */

int
sp_kid_cmp(const void *x, const void *y)
{
	return sp_cmp(((const struct sp_kid *)x)->key, ((const struct sp_kid *)y)->key);
}

struct sp_node *
sp_kid_find(const struct sp_kids *k, sp_slice key)
{
	size_t lo = 0, hi = k->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int d = sp_cmp(key, k->kid[mid].key);

		if (d == 0)
			return k->kid[mid].node;
		if (d < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static enum sp_status
kids_read(struct sp_compile *c, struct sp_node *n, sp_jval *v, struct sp_kids *out)
{
	enum sp_status st = SP_OK;

	if (!sp_jis_obj(v))
		return sp_compile_bad(c, v, "must be an object of schemas");
	out->kid = sp_arena_get(&c->s->a, yyjson_obj_size(v) * sizeof *out->kid);
	if (out->kid == NULL)
		return sp_compile_full(c);
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);) {
		out->kid[out->n].key = it.key;
		st = sp_compile_node(c, it.val, n->resource, &out->kid[out->n++].node);
	}
	qsort(out->kid, out->n, sizeof *out->kid, sp_kid_cmp);
	return st;
}

static enum sp_status
list_read(struct sp_compile *c, struct sp_node *n, sp_jval *v, struct sp_list *out)
{
	enum sp_status st = SP_OK;

	if (!sp_jis_arr(v) || yyjson_arr_size(v) == 0)
		return sp_compile_bad(c, v, "must be a list of schemas, not empty");
	out->node = sp_arena_get(&c->s->a, yyjson_arr_size(v) * sizeof *out->node);
	if (out->node == NULL)
		return sp_compile_full(c);
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);)
		st = sp_compile_node(c, it.val, n->resource, &out->node[out->n++]);
	return st;
}

static enum sp_status
names_read(struct sp_compile *c, sp_jval *v, struct sp_names_list *out)
{
	if (!sp_jis_arr(v))
		return sp_compile_bad(c, v, "must be a list of names");
	out->name = sp_arena_get(&c->s->a, yyjson_arr_size(v) * sizeof *out->name);
	if (out->name == NULL)
		return sp_compile_full(c);
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);) {
		if (!sp_jis_str(it.val))
			return sp_compile_bad(c, it.val, "must be a name");
		out->name[out->n++] = sp_jtext(it.val);
	}
	return SP_OK;
}

/* 3 and 3.0 are counts; what is larger than anything countable counts as UINT64_MAX. */
static enum sp_status
count_read(struct sp_compile *c, sp_jval *v, uint64_t *out)
{
	struct sp_jdec d;
	uint64_t n = 0;

	if (!sp_jis_num(v) || !sp_jnum_is_int(sp_jtext(v)))
		return sp_compile_bad(c, v, "must be a whole number");
	d = sp_jdec_read(sp_jtext(v));
	if (d.minus && !d.zero)
		return sp_compile_bad(c, v, "must not be negative");
	for (size_t i = 0; i < d.digits.n; i++)
		if (d.digits.p[i] != '.' && (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(d.digits.p[i] - '0'), &n))) {
			*out = UINT64_MAX;
			return SP_OK;
		}
	for (int64_t i = 0; i < d.exp && n != UINT64_MAX; i++)
		if (__builtin_mul_overflow(n, 10u, &n))
			n = UINT64_MAX;
	*out = n;
	return SP_OK;
}

static enum sp_status
number_read(struct sp_compile *c, sp_jval *v, sp_slice *out)
{
	if (!sp_jis_num(v))
		return sp_compile_bad(c, v, "must be a number");
	*out = sp_jtext(v);
	return SP_OK;
}

static enum sp_status
regex_read(struct sp_compile *c, sp_jval *at, sp_slice pattern, struct sp_regex **out)
{
	struct sp_schema *s = c->s;
	char why[160] = "no memory";

	if (!sp_grow(&s->regex, s->nregexes, &s->regex_cap, sizeof *s->regex))
		return sp_compile_full(c);
	*out = sp_regex_new(pattern, why, sizeof why);
	if (*out == NULL)
		return sp_compile_bad(c, at, "the pattern cannot be used: %s", why);
	s->regex[s->nregexes++] = *out;
	return SP_OK;
}

/* --- keywords --- */

enum group { HERE, OBJ, ARR, STR, NUM };
enum form { NODE = 1, LIST, KIDS, COUNT, NAMES, NUMBER };

/* The rules of a group, made when the first of them is met. */
static void *
group_of(struct sp_compile *c, struct sp_node *n, enum group g)
{
	struct sp_arena *a = &c->s->a;

	switch (g) {
	case HERE:
		if (n->here == NULL)
			n->here = sp_arena_get(a, sizeof *n->here);
		return n->here;
	case OBJ:
		if (n->obj == NULL && (n->obj = sp_arena_get(a, sizeof *n->obj)) != NULL)
			n->obj->max = UINT64_MAX;
		return n->obj;
	case ARR:
		if (n->arr == NULL && (n->arr = sp_arena_get(a, sizeof *n->arr)) != NULL) {
			n->arr->max = n->arr->max_contains = UINT64_MAX;
			n->arr->min_contains = 1;
		}
		return n->arr;
	case STR:
		if (n->str == NULL && (n->str = sp_arena_get(a, sizeof *n->str)) != NULL)
			n->str->max = UINT64_MAX;
		return n->str;
	case NUM:
		if (n->num == NULL)
			n->num = sp_arena_get(a, sizeof *n->num);
		return n->num;
	}
	return NULL;
}

static enum sp_status
k_type(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	static const struct { sp_slice name; uint32_t bits; } types[] = {
		{ SP_LIT_INIT("null"), SP_T_NULL }, { SP_LIT_INIT("boolean"), SP_T_BOOL },
		{ SP_LIT_INIT("integer"), SP_T_INT }, { SP_LIT_INIT("number"), SP_T_INT | SP_T_NUM },
		{ SP_LIT_INIT("string"), SP_T_STR }, { SP_LIT_INIT("array"), SP_T_ARR },
		{ SP_LIT_INIT("object"), SP_T_OBJ },
	};
	size_t i = 0;

	if (sp_jis_arr(v) && n->types == 0) {
		enum sp_status st = SP_OK;

		for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);)
			st = sp_jis_str(it.val) ? k_type(c, n, it.val) : sp_compile_bad(c, it.val, "must be a type");
		return st != SP_OK || n->types != 0 ? st : sp_compile_bad(c, v, "must name a type");
	}
	while (i < SP_COUNT(types) && !(sp_jis_str(v) && sp_eq(types[i].name, sp_jtext(v))))
		i++;
	if (i == SP_COUNT(types))
		return sp_compile_bad(c, v, "must be a type");
	n->types |= types[i].bits;
	return SP_OK;
}

static enum sp_status
k_enum(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	if (!sp_jis_arr(v))
		return sp_compile_bad(c, v, "must be a list");
	n->enum_ = v;
	return SP_OK;
}

static enum sp_status
k_const(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	n->const_ = v;
	return SP_OK;
}

static enum sp_status
k_pattern(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	struct sp_str_rules *g = group_of(c, n, STR);

	if (g == NULL)
		return sp_compile_full(c);
	return sp_jis_str(v) ? regex_read(c, v, sp_jtext(v), &g->pattern) : sp_compile_bad(c, v, "must be a pattern");
}

static enum sp_status
k_pattern_properties(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	struct sp_obj_rules *g = group_of(c, n, OBJ);
	size_t room = yyjson_obj_size(v);
	enum sp_status st = SP_OK;

	if (!sp_jis_obj(v))
		return sp_compile_bad(c, v, "must be an object of schemas");
	if (g == NULL)
		return sp_compile_full(c);
	g->patterns.regex = sp_arena_get(&c->s->a, room * sizeof *g->patterns.regex);
	g->patterns.node = sp_arena_get(&c->s->a, room * sizeof *g->patterns.node);
	if (g->patterns.regex == NULL || g->patterns.node == NULL)
		return sp_compile_full(c);
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it); g->patterns.n++) {
		st = regex_read(c, it.val, it.key, &g->patterns.regex[g->patterns.n]);
		if (st == SP_OK)
			st = sp_compile_node(c, it.val, n->resource, &g->patterns.node[g->patterns.n]);
	}
	return st;
}

static enum sp_status
k_unique(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	struct sp_arr_rules *g = group_of(c, n, ARR);

	if (!sp_jis_bool(v))
		return sp_compile_bad(c, v, "must be true or false");
	if (g == NULL)
		return sp_compile_full(c);
	g->unique = sp_jtrue(v);
	return SP_OK;
}

static enum sp_status
k_dependent_required(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	struct sp_obj_rules *g = group_of(c, n, OBJ);
	size_t room = yyjson_obj_size(v);
	enum sp_status st = SP_OK;

	if (!sp_jis_obj(v))
		return sp_compile_bad(c, v, "must be an object of lists");
	if (g == NULL)
		return sp_compile_full(c);
	g->needs.key = sp_arena_get(&c->s->a, room * sizeof *g->needs.key);
	g->needs.need = sp_arena_get(&c->s->a, room * sizeof *g->needs.need);
	if (g->needs.key == NULL || g->needs.need == NULL)
		return sp_compile_full(c);
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it); g->needs.n++) {
		g->needs.key[g->needs.n] = it.key;
		st = names_read(c, it.val, &g->needs.need[g->needs.n]);
	}
	return st;
}

static enum sp_status
k_multiple(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	struct sp_num_rules *g = group_of(c, n, NUM);

	if (g == NULL)
		return sp_compile_full(c);
	if (!sp_jis_num(v) || !sp_divisor_read(sp_jtext(v), &g->divisor))
		return sp_compile_bad(c, v, "must be a number above 0 with at most 18 significant digits");
	return SP_OK;
}

static enum sp_status
k_ref(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	return group_of(c, n, HERE) == NULL ? sp_compile_full(c) : sp_compile_pending(c, n, v, false);
}

static enum sp_status
k_dynamic_ref(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	return group_of(c, n, HERE) == NULL ? sp_compile_full(c) : sp_compile_pending(c, n, v, true);
}

static enum sp_status
k_defs(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	return kids_read(c, n, v, &n->defs);
}

/* The name that $defs had before 2019; references may still lead there. */
static enum sp_status
k_definitions(struct sp_compile *c, struct sp_node *n, sp_jval *v)
{
	struct sp_kids unused = { 0 };

	return kids_read(c, n, v, &unused);
}

#define IN_HERE(form, field) form, HERE, offsetof(struct sp_here_rules, field), NULL
#define IN_OBJ(form, field) form, OBJ, offsetof(struct sp_obj_rules, field), NULL
#define IN_ARR(form, field) form, ARR, offsetof(struct sp_arr_rules, field), NULL
#define IN_STR(form, field) form, STR, offsetof(struct sp_str_rules, field), NULL
#define IN_NUM(form, field) form, NUM, offsetof(struct sp_num_rules, field), NULL
#define BY(fn) 0, HERE, 0, fn

/* Sorted by name.  A keyword that is not here is an annotation. */
static const struct keyword {
	sp_slice name;
	enum form form;
	enum group group;
	size_t	 offset;
	enum sp_status (*read)(struct sp_compile *c, struct sp_node *n, sp_jval *v);
} keywords[] = {
	{ SP_LIT_INIT("$defs"), BY(k_defs) },
	{ SP_LIT_INIT("$dynamicRef"), BY(k_dynamic_ref) },
	{ SP_LIT_INIT("$ref"), BY(k_ref) },
	{ SP_LIT_INIT("additionalProperties"), IN_OBJ(NODE, additional) },
	{ SP_LIT_INIT("allOf"), IN_HERE(LIST, all) },
	{ SP_LIT_INIT("anyOf"), IN_HERE(LIST, any) },
	{ SP_LIT_INIT("const"), BY(k_const) },
	{ SP_LIT_INIT("contains"), IN_ARR(NODE, contains) },
	{ SP_LIT_INIT("definitions"), BY(k_definitions) },
	{ SP_LIT_INIT("dependentRequired"), BY(k_dependent_required) },
	{ SP_LIT_INIT("dependentSchemas"), IN_OBJ(KIDS, dependent) },
	{ SP_LIT_INIT("else"), IN_HERE(NODE, else_) },
	{ SP_LIT_INIT("enum"), BY(k_enum) },
	{ SP_LIT_INIT("exclusiveMaximum"), IN_NUM(NUMBER, below) },
	{ SP_LIT_INIT("exclusiveMinimum"), IN_NUM(NUMBER, above) },
	{ SP_LIT_INIT("if"), IN_HERE(NODE, if_) },
	{ SP_LIT_INIT("items"), IN_ARR(NODE, items) },
	{ SP_LIT_INIT("maxContains"), IN_ARR(COUNT, max_contains) },
	{ SP_LIT_INIT("maxItems"), IN_ARR(COUNT, max) },
	{ SP_LIT_INIT("maxLength"), IN_STR(COUNT, max) },
	{ SP_LIT_INIT("maxProperties"), IN_OBJ(COUNT, max) },
	{ SP_LIT_INIT("maximum"), IN_NUM(NUMBER, high) },
	{ SP_LIT_INIT("minContains"), IN_ARR(COUNT, min_contains) },
	{ SP_LIT_INIT("minItems"), IN_ARR(COUNT, min) },
	{ SP_LIT_INIT("minLength"), IN_STR(COUNT, min) },
	{ SP_LIT_INIT("minProperties"), IN_OBJ(COUNT, min) },
	{ SP_LIT_INIT("minimum"), IN_NUM(NUMBER, low) },
	{ SP_LIT_INIT("multipleOf"), BY(k_multiple) },
	{ SP_LIT_INIT("not"), IN_HERE(NODE, not_) },
	{ SP_LIT_INIT("oneOf"), IN_HERE(LIST, one) },
	{ SP_LIT_INIT("pattern"), BY(k_pattern) },
	{ SP_LIT_INIT("patternProperties"), BY(k_pattern_properties) },
	{ SP_LIT_INIT("prefixItems"), IN_ARR(LIST, prefix) },
	{ SP_LIT_INIT("properties"), IN_OBJ(KIDS, properties) },
	{ SP_LIT_INIT("propertyNames"), IN_OBJ(NODE, names) },
	{ SP_LIT_INIT("required"), IN_OBJ(NAMES, required) },
	{ SP_LIT_INIT("then"), IN_HERE(NODE, then_) },
	{ SP_LIT_INIT("type"), BY(k_type) },
	{ SP_LIT_INIT("unevaluatedItems"), IN_ARR(NODE, unevaluated) },
	{ SP_LIT_INIT("unevaluatedProperties"), IN_OBJ(NODE, unevaluated) },
	{ SP_LIT_INIT("uniqueItems"), BY(k_unique) },
};

static int
keyword_cmp(const void *key, const void *row)
{
	return sp_cmp(*(const sp_slice *)key, ((const struct keyword *)row)->name);
}

static enum sp_status
keyword_read(struct sp_compile *c, struct sp_node *n, const struct keyword *k, sp_jval *v)
{
	char *field;

	if (k->read != NULL)
		return k->read(c, n, v);
	field = group_of(c, n, k->group);
	if (field == NULL)
		return sp_compile_full(c);
	field += k->offset;
	switch (k->form) {
	case NODE:
		return sp_compile_node(c, v, n->resource, (struct sp_node **)(void *)field);
	case LIST:
		return list_read(c, n, v, (struct sp_list *)(void *)field);
	case KIDS:
		return kids_read(c, n, v, (struct sp_kids *)(void *)field);
	case COUNT:
		return count_read(c, v, (uint64_t *)(void *)field);
	case NAMES:
		return names_read(c, v, (struct sp_names_list *)(void *)field);
	case NUMBER:
		return number_read(c, v, (sp_slice *)(void *)field);
	}
	return sp_compile_bad(c, v, "a keyword without a reader");
}

/* --- nodes --- */

enum sp_status
sp_compile_node(struct sp_compile *c, sp_jval *v, uint32_t resource, struct sp_node **out)
{
	struct sp_node **slot = &c->node_of[v - c->s->doc.root], *n = *slot;
	enum sp_status st;

	if (n != NULL) {
		*out = n;
		return SP_OK;
	}
	if (!sp_jis_obj(v) && !sp_jis_bool(v))
		return sp_compile_bad(c, v, "must be a schema: an object, true or false");
	n = sp_arena_get(&c->s->a, sizeof *n);
	if (n == NULL)
		return sp_compile_full(c);
	*slot = *out = n;
	*n = (struct sp_node){ .at = v, .resource = resource, .never = sp_jis_bool(v) && !sp_jtrue(v) };
	st = sp_compile_ids(c, n);
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);) {
		const struct keyword *k = bsearch(&it.key, keywords, SP_COUNT(keywords), sizeof keywords[0],
		    keyword_cmp);

		if (k != NULL)
			st = keyword_read(c, n, k, it.val);
	}
	return st;
}

/* --- the whole --- */

static enum sp_status
compile(struct sp_compile *c)
{
	struct sp_schema *s = c->s;
	enum sp_status st;

	c->node_of = calloc(yyjson_doc_get_val_count(s->doc.doc), sizeof(struct sp_node *));
	if (c->node_of == NULL)
		return sp_compile_full(c);
	st = sp_compile_node(c, s->doc.root, 0, &s->root);
	if (st == SP_OK)
		st = sp_compile_refs(c);
	free(c->node_of);
	free(c->pending);
	return st;
}

enum sp_status
sp_schema_new(sp_slice text, struct sp_schema **out, struct sp_err *e)
{
	SP_AUTO(sp_schema_free) struct sp_schema *s = NULL;
	struct sp_compile c = { .e = e };
	enum sp_status st;

	if (text.n > SP_SCHEMA_TEXT)
		return sp_fail(e, SP_E_CONFIG, NULL, "a schema of more than %d MB", SP_SCHEMA_TEXT >> 20);
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "no memory for a schema");
	/* Nodes, lists and resolved references: a fixed multiple of what the text can hold. */
	sp_arena_init(&s->a, 65536 + text.n * 256);
	st = sp_json_read(text, (struct sp_json_limits){ SP_SCHEMA_DEPTH, 0 }, &s->doc, e);
	if (st != SP_OK) {
		sp_err_context(e, "schema");
		if (e != NULL)
			e->code = SP_E_CONFIG;
		return SP_E_CONFIG;
	}
	c.s = s;
	st = compile(&c);
	if (st != SP_OK)
		return st;
	*out = s;
	s = NULL;
	return SP_OK;
}

void
sp_schema_free(struct sp_schema **sp)
{
	struct sp_schema *s = *sp;

	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->nregexes; i++)
		sp_regex_free(s->regex[i]);
	free(s->regex);
	free(s->resource);
	free(s->anchor);
	sp_arena_free(&s->a);
	sp_json_free(&s->doc);
	free(s);
	*sp = NULL;
}
