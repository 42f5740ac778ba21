/* Rules of objects and arrays, and rules that put several schemas on one value. */
#include "schema/check_int.h"

#include <stdlib.h>

enum { FEW = 16 };

/* --- objects --- */

static sp_jval *
key_of(sp_jval *member)
{
	return member - 1;	/* a member's name lies in the cell before its value */
}

static enum sp_verdict
check_counts(const struct sp_at *at, uint64_t n, uint64_t min, uint64_t max)
{
	if (n < min)
		return sp_check_fail(at, NULL, "has too few elements");
	return n > max ? sp_check_fail(at, NULL, "has too many elements") : SP_PASS;
}

static enum sp_verdict
check_required(const struct sp_at *at, const struct sp_names_list *names)
{
	for (uint32_t i = 0; i < names->n; i++) {
		if (!sp_check_pay(at->c, 1 + unsafe_yyjson_get_len(at->v) / 16))
			return SP_STOP;
		if (sp_jget(at->v, names->name[i]) == NULL)
			return sp_check_fail(at, &names->name[i], "is required");
	}
	return SP_PASS;
}

static enum sp_verdict
check_needs(const struct sp_at *at)
{
	const struct sp_obj_rules *g = at->node->obj;
	enum sp_verdict r = SP_PASS;

	for (uint32_t i = 0; r == SP_PASS && i < g->needs.n; i++) {
		if (!sp_check_pay(at->c, 1 + unsafe_yyjson_get_len(at->v) / 16))
			return SP_STOP;
		if (sp_jget(at->v, g->needs.key[i]) != NULL)
			r = check_required(at, &g->needs.need[i]);
	}
	for (uint32_t i = 0; r == SP_PASS && i < g->dependent.n; i++) {
		if (!sp_check_pay(at->c, 1 + unsafe_yyjson_get_len(at->v) / 16))
			return SP_STOP;
		if (sp_jget(at->v, g->dependent.kid[i].key) != NULL)
			r = sp_check_node(at->c, g->dependent.kid[i].node, at->v, at->spot, at->scope, at->seen);
	}
	return r;
}

/* A schema for one member; false for a name that is not described reads better as such. */
static enum sp_verdict
check_member(const struct sp_at *at, const struct sp_node *n, const struct sp_jiter *it)
{
	struct sp_spot spot = { .up = at->spot, .key = it->key, .idx = it->idx, .in_array = sp_jis_arr(at->v) };

	sp_seen_mark(at->seen, it->idx);
	return sp_check_node(at->c, n, it->val, &spot, at->scope, NULL);
}

static enum sp_verdict
check_additional(const struct sp_at *at, const struct sp_jiter *it)
{
	const struct sp_node *n = at->node->obj->additional;

	if (n == NULL)
		return SP_PASS;
	if (n->never)
		return sp_check_fail(at, &it->key, "is not expected");
	return check_member(at, n, it);
}

static enum sp_verdict
check_patterns(const struct sp_at *at, const struct sp_jiter *it, bool *described)
{
	const struct sp_obj_rules *g = at->node->obj;
	enum sp_verdict r = SP_PASS;

	for (uint32_t i = 0; r == SP_PASS && i < g->patterns.n; i++)
		switch (sp_regex_match(g->patterns.regex[i], it->key, &at->c->steps)) {
		case SP_REGEX_YES:
			*described = true;
			r = check_member(at, g->patterns.node[i], it);
			break;
		case SP_REGEX_NO:
			break;
		case SP_REGEX_COSTLY:
			return SP_STOP;
		}
	return r;
}

static enum sp_verdict
check_one_member(const struct sp_at *at, const struct sp_jiter *it)
{
	const struct sp_obj_rules *g = at->node->obj;
	const struct sp_node *n = sp_kid_find(&g->properties, it->key);
	struct sp_spot spot = { .up = at->spot, .key = it->key };
	bool described = n != NULL;
	enum sp_verdict r = SP_PASS;

	if (n != NULL)
		r = check_member(at, n, it);
	if (r == SP_PASS && g->patterns.n != 0)
		r = check_patterns(at, it, &described);
	if (r == SP_PASS && !described)
		r = check_additional(at, it);
	if (r == SP_PASS && g->names != NULL)
		r = sp_check_node(at->c, g->names, key_of(it->val), &spot, at->scope, NULL);
	return r;
}

enum sp_verdict
sp_check_object(const struct sp_at *at)
{
	const struct sp_obj_rules *g = at->node->obj;
	enum sp_verdict r = check_counts(at, unsafe_yyjson_get_len(at->v), g->min, g->max);

	if (r == SP_PASS)
		r = check_required(at, &g->required);
	if (g->properties.n != 0 || g->patterns.n != 0 || g->additional != NULL || g->names != NULL)
		for (struct sp_jiter it = sp_jeach(at->v); r == SP_PASS && sp_jnext(&it);) {
			if (!sp_check_pay(at->c, 1))
				return SP_STOP;
			r = check_one_member(at, &it);
		}
	return r == SP_PASS ? check_needs(at) : r;
}

/* --- arrays --- */

struct hashed { uint64_t hash; sp_jval *v; };

static int
hashed_cmp(const void *x, const void *y)
{
	const struct hashed *a = x, *b = y;

	return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* Pairs among values of one hash; a sender who makes many unequal ones of the same hash pays for each pair. */
static enum sp_verdict
check_run(const struct sp_at *at, const struct hashed *h, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = 0; j < i; j++) {
			if (!sp_check_pay(at->c, sp_value_cells(h[i].v)))
				return SP_STOP;
			if (sp_jequal(h[i].v, h[j].v))
				return sp_check_fail(at, NULL, "has equal elements");
		}
	return SP_PASS;
}

static enum sp_verdict
check_runs(const struct sp_at *at, struct hashed *h, size_t n)
{
	size_t i = 0;

	for (struct sp_jiter it = sp_jeach(at->v); sp_jnext(&it); i++)
		h[i] = (struct hashed){ sp_value_hash(it.val), it.val };
	if (n > FEW)
		qsort(h, n, sizeof *h, hashed_cmp);
	else	/* few: all pairs, without the order */
		return check_run(at, h, n);
	for (size_t from = 0, to; from < n; from = to) {
		enum sp_verdict r;

		for (to = from + 1; to < n && h[to].hash == h[from].hash; to++)
			;
		r = check_run(at, h + from, to - from);
		if (r != SP_PASS)
			return r;
	}
	return SP_PASS;
}

static enum sp_verdict
check_unique(const struct sp_at *at)
{
	size_t n = unsafe_yyjson_get_len(at->v);
	struct hashed few[FEW], *h = few;
	enum sp_verdict r;

	if (n < 2)
		return SP_PASS;
	if (!sp_check_pay(at->c, sp_value_cells(at->v)))
		return SP_STOP;
	if (n > FEW)
		h = reallocarray(NULL, n, sizeof *h);
	if (h == NULL)
		return SP_STOP;
	r = check_runs(at, h, n);
	if (h != few)
		free(h);
	return r;
}

/* What contains finds counts as looked at, so with a collector it looks at everything. */
static enum sp_verdict
check_contains(const struct sp_at *at)
{
	const struct sp_arr_rules *g = at->node->arr;
	enum sp_verdict r = SP_PASS;
	uint64_t found = 0;

	at->c->quiet++;
	for (struct sp_jiter it = sp_jeach(at->v); r != SP_STOP && sp_jnext(&it);) {
		struct sp_spot spot = { .up = at->spot, .idx = it.idx, .in_array = true };

		r = sp_check_node(at->c, g->contains, it.val, &spot, at->scope, NULL);
		if (r == SP_PASS) {
			sp_seen_mark(at->seen, it.idx);
			found++;
		}
	}
	at->c->quiet--;
	if (r == SP_STOP)
		return r;
	if (found < g->min_contains)
		return sp_check_fail(at, NULL, "has too few elements of the wanted kind");
	return found > g->max_contains ? sp_check_fail(at, NULL, "has too many elements of one kind") : SP_PASS;
}

enum sp_verdict
sp_check_array(const struct sp_at *at)
{
	const struct sp_arr_rules *g = at->node->arr;
	enum sp_verdict r = check_counts(at, unsafe_yyjson_get_len(at->v), g->min, g->max);

	if (g->prefix.n != 0 || g->items != NULL)
		for (struct sp_jiter it = sp_jeach(at->v); r == SP_PASS && sp_jnext(&it);) {
			const struct sp_node *n = it.idx < g->prefix.n ? g->prefix.node[it.idx] : g->items;

			if (n == NULL)
				break;
			r = check_member(at, n, &it);
		}
	if (r == SP_PASS && g->contains != NULL)
		r = check_contains(at);
	if (r == SP_PASS && g->unique)
		r = check_unique(at);
	return r;
}

/* --- several schemas, one value --- */

static enum sp_verdict
check_same(const struct sp_at *at, const struct sp_node *n, struct sp_seen *seen)
{
	return sp_check_node(at->c, n, at->v, at->spot, at->scope, seen);
}

/* A branch may fail; what it looked at counts only if it did not. */
static enum sp_verdict
check_branch(const struct sp_at *at, const struct sp_node *n)
{
	struct sp_seen mine;
	enum sp_verdict r = SP_STOP;

	at->c->quiet++;
	if (at->seen == NULL) {
		r = check_same(at, n, NULL);
	} else {
		if (sp_seen_init(&mine, at->c, at->v))
			r = check_same(at, n, &mine);
		if (r == SP_PASS)
			sp_seen_merge(at->seen, &mine);
		sp_seen_free(&mine);
	}
	at->c->quiet--;
	return r;
}

static enum sp_verdict
check_any(const struct sp_at *at, const struct sp_list *list, bool one)
{
	uint32_t good = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		enum sp_verdict r = check_branch(at, list->node[i]);

		if (r == SP_STOP)
			return r;
		good += r == SP_PASS;
		if ((one && good > 1) || (!one && good != 0 && at->seen == NULL))
			break;
	}
	if (good == 0)
		return sp_check_fail(at, NULL, "has none of the allowed forms");
	return one && good > 1 ? sp_check_fail(at, NULL, "has more than one of the allowed forms") : SP_PASS;
}

static enum sp_verdict
check_not(const struct sp_at *at, const struct sp_node *n)
{
	struct sp_at blind = *at;
	enum sp_verdict r;

	blind.seen = NULL;
	r = check_branch(&blind, n);
	if (r == SP_PASS)
		return sp_check_fail(at, NULL, "is not allowed here");
	return r == SP_FAIL ? SP_PASS : r;
}

static enum sp_verdict
check_if(const struct sp_at *at, const struct sp_here_rules *g)
{
	enum sp_verdict r = check_branch(at, g->if_);
	const struct sp_node *next = r == SP_PASS ? g->then_ : g->else_;

	if (r == SP_STOP || next == NULL)
		return r == SP_STOP ? r : SP_PASS;
	return check_same(at, next, at->seen);
}

/*
 * JSON Schema Core 8.2.3.2: a dynamic reference that leads to a dynamic anchor goes on to the outermost resource of
 * the dynamic scope that has the same one.
 */
static enum sp_verdict
check_dynamic(const struct sp_at *at, const struct sp_here_rules *g)
{
	const struct sp_node *n = g->dynamic;

	if (g->dynamic_name.p != NULL)
		for (const struct sp_scope *s = at->scope; s != NULL; s = s->up) {
			const struct sp_anchor *a = sp_anchor_find(at->c->s, s->resource, g->dynamic_name);

			if (!sp_check_pay(at->c, 1))
				return SP_STOP;
			if (a != NULL && a->dynamic)
				n = a->node;
		}
	return check_same(at, n, at->seen);
}

enum sp_verdict
sp_check_here(const struct sp_at *at)
{
	const struct sp_here_rules *g = at->node->here;
	enum sp_verdict r = SP_PASS;

	if (g->ref != NULL)
		r = check_same(at, g->ref, at->seen);
	if (r == SP_PASS && g->dynamic != NULL)
		r = check_dynamic(at, g);
	for (uint32_t i = 0; r == SP_PASS && i < g->all.n; i++)
		r = check_same(at, g->all.node[i], at->seen);
	if (r == SP_PASS && g->any.n != 0)
		r = check_any(at, &g->any, false);
	if (r == SP_PASS && g->one.n != 0)
		r = check_any(at, &g->one, true);
	if (r == SP_PASS && g->not_ != NULL)
		r = check_not(at, g->not_);
	if (r == SP_PASS && g->if_ != NULL)
		r = check_if(at, g);
	return r;
}

enum sp_verdict
sp_check_unevaluated(const struct sp_at *at)
{
	const struct sp_node *n = sp_jis_obj(at->v) ? at->node->obj->unevaluated : at->node->arr->unevaluated;
	enum sp_verdict r = SP_PASS;

	for (struct sp_jiter it = sp_jeach(at->v); r == SP_PASS && sp_jnext(&it);) {
		if (!sp_check_pay(at->c, 1))
			return SP_STOP;
		if (sp_seen_has(at->seen, it.idx))
			continue;
		if (n->never && sp_jis_obj(at->v))
			return sp_check_fail(at, &it.key, "is not expected");
		r = check_member(at, n, &it);
	}
	return r;
}
