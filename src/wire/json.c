#include "wire/json.h"

#include <stdlib.h>

/* Levels that any document may have, whatever its limit says: the walks below keep one small frame a level. */
enum { DEPTH_MAX = 512, FEW = 32 };

/* --- reading --- */

static int
key_cmp(sp_jval *a, sp_jval *b)
{
	size_t an = unsafe_yyjson_get_len(a), bn = unsafe_yyjson_get_len(b);

	if (an != bn)
		return an < bn ? -1 : 1;
	return memcmp(unsafe_yyjson_get_str(a), unsafe_yyjson_get_str(b), an);
}

/*
 * Sorts keys by length, then bytes.  A merge sort: no worst case, and no hash that a sender could aim at.
 * `tmp` has room for n.
 */
static void
key_sort(sp_jval **k, sp_jval **tmp, size_t n)
{
	for (size_t w = 1; w < n; w *= 2) {
		for (size_t at = 0; at < n; at += 2 * w) {
			size_t mid = at + w < n ? at + w : n, end = at + 2 * w < n ? at + 2 * w : n;
			size_t i = at, j = mid;

			for (size_t o = at; o < end; o++)
				tmp[o] = j == end || (i < mid && key_cmp(k[i], k[j]) <= 0) ? k[i++] : k[j++];
		}
		memcpy(k, tmp, n * sizeof *k);
	}
}

static sp_jval *
key_next(sp_jval *key)
{
	return unsafe_yyjson_get_next(key + 1);
}

/* The first of two equal keys among n of a large object: NULL when there is none. */
static sp_jval *
twin_of_many(sp_jval *obj, size_t n, bool *no_memory)
{
	sp_jval **k = reallocarray(NULL, n, 2 * sizeof *k), *key = unsafe_yyjson_get_first(obj), *twin = NULL;

	*no_memory = k == NULL;
	if (k == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++, key = key_next(key))
		k[i] = key;
	key_sort(k, k + n, n);
	for (size_t i = 1; i < n && twin == NULL; i++)
		if (key_cmp(k[i - 1], k[i]) == 0)
			twin = k[i];
	free(k);
	return twin;
}

/* The same for at most FEW keys: a word of bits says whether a closer look is needed at all. */
static sp_jval *
twin_of_few(sp_jval *obj, size_t n)
{
	sp_jval *seen[FEW], *key = unsafe_yyjson_get_first(obj);
	uint64_t bits = 0;

	for (size_t i = 0; i < n; i++, key = key_next(key)) {
		size_t len = unsafe_yyjson_get_len(key);
		const unsigned char *s = (const unsigned char *)unsafe_yyjson_get_str(key);
		uint64_t bit = 1;

		if (len != 0)
			bit <<= (len + s[0] * 7u + s[len / 2] * 13u + s[len - 1] * 29u) & 63;
		for (size_t j = 0; (bits & bit) != 0 && j < i; j++)
			if (key_cmp(seen[j], key) == 0)
				return key;
		bits |= bit;
		seen[i] = key;
	}
	return NULL;
}

static enum sp_status
bad_key(const yyjson_doc *doc, sp_jval *key, const char *what, struct sp_err *e)
{
	return sp_fail(e, SP_E_BAD_JSON, NULL, "%s at byte %zu", what,
	    (size_t)(unsafe_yyjson_get_str(key) - doc->str_pool));
}

static enum sp_status
check_object(const yyjson_doc *doc, sp_jval *obj, struct sp_err *e)
{
	size_t n = unsafe_yyjson_get_len(obj);
	sp_jval *key = unsafe_yyjson_get_first(obj), *twin;
	bool no_memory = false;

	for (size_t i = 0; i < n; i++, key = key_next(key))
		if (memchr(unsafe_yyjson_get_str(key), '\0', unsafe_yyjson_get_len(key)) != NULL)
			return bad_key(doc, key, "U+0000 in a key", e);
	twin = n <= FEW ? twin_of_few(obj, n) : twin_of_many(obj, n, &no_memory);
	if (no_memory)
		return sp_fail(e, SP_E_TOO_BIG, NULL, "no memory for an object of %zu members", n);
	return twin == NULL ? SP_OK : bad_key(doc, twin, "key given twice", e);
}

/* Values lie in one array in the order of the text, so one loop sees all of them. */
static enum sp_status
check_all(const yyjson_doc *doc, struct sp_json_limits lim, struct sp_err *e)
{
	sp_jval *end[DEPTH_MAX], *v = doc->root;
	unsigned depth = 0, max = lim.depth < DEPTH_MAX ? lim.depth : DEPTH_MAX;

	if (lim.values != 0 && doc->val_read > lim.values)
		return sp_fail(e, SP_E_TOO_BIG, NULL, "%zu JSON values, limit %zu", doc->val_read, lim.values);
	for (size_t i = 0; i < doc->val_read; i++, v++) {
		enum sp_status st = SP_OK;

		if (!unsafe_yyjson_is_ctn(v))
			continue;
		while (depth != 0 && v >= end[depth - 1])
			depth--;
		if (depth == max)
			return sp_fail(e, SP_E_BAD_JSON, NULL, "more than %u levels of arrays and objects", max);
		end[depth++] = unsafe_yyjson_get_next(v);
		if (unsafe_yyjson_get_type(v) == YYJSON_TYPE_OBJ)
			st = check_object(doc, v, e);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

static enum sp_status
read_with(const yyjson_alc *alc, sp_slice text, struct sp_json_limits lim, yyjson_doc **out, struct sp_err *e)
{
	yyjson_read_err err = { 0 };
	yyjson_doc *doc;
	enum sp_status st;

	if (text.n == 0)
		return sp_fail(e, SP_E_BAD_JSON, NULL, "no JSON text");
	/* yyjson changes only its own copy: YYJSON_READ_INSITU is not given. */
	doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n, YYJSON_READ_NUMBER_AS_RAW, alc, &err);
	if (doc == NULL && err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return sp_fail(e, SP_E_TOO_BIG, NULL, "no memory for %zu bytes of JSON", text.n);
	if (doc == NULL)
		return sp_fail(e, SP_E_BAD_JSON, NULL, "%s at byte %zu", err.msg, err.pos);
	st = check_all(doc, lim, e);
	if (st != SP_OK) {
		yyjson_doc_free(doc);
		return st;
	}
	*out = doc;
	return SP_OK;
}

enum sp_status
sp_json_read(sp_slice text, struct sp_json_limits lim, struct sp_json *out, struct sp_err *e)
{
	yyjson_doc *doc = NULL;
	enum sp_status st = read_with(NULL, text, lim, &doc, e);

	if (st == SP_OK)
		*out = (struct sp_json){ doc, doc->root };
	return st;
}

static void *
arena_malloc(void *ctx, size_t n)
{
	return sp_arena_get(ctx, n);
}

static void *
arena_realloc(void *ctx, void *old, size_t had, size_t n)
{
	void *p = sp_arena_get(ctx, n);

	if (p != NULL && old != NULL)
		memcpy(p, old, had < n ? had : n);
	return p;
}

/* An arena gives nothing back before its reset, which also wipes. */
static void
arena_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

enum sp_status
sp_json_read_arena(struct sp_arena *a, sp_slice text, struct sp_json_limits lim, sp_jval **root, struct sp_err *e)
{
	yyjson_alc alc = { arena_malloc, arena_realloc, arena_free, a };
	yyjson_doc *doc = NULL;
	enum sp_status st = read_with(&alc, text, lim, &doc, e);

	if (st == SP_OK)
		*root = doc->root;
	return st;
}

void
sp_json_free(struct sp_json *j)
{
	if (j == NULL)
		return;
	yyjson_doc_free(j->doc);
	*j = (struct sp_json){ NULL, NULL };
}

/* --- looking at values --- */

sp_jval *
sp_jget(sp_jval *v, sp_slice key)
{
	return key.p == NULL ? yyjson_obj_getn(v, "", 0) : yyjson_obj_getn(v, key.p, key.n);
}

sp_slice
sp_jtext(sp_jval *v)
{
	if (!yyjson_is_str(v) && !yyjson_is_raw(v))
		return (sp_slice){ NULL, 0 };
	return (sp_slice){ unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v) };
}

bool
sp_jint(sp_jval *v, int64_t *out)
{
	sp_slice s;
	uint64_t u;
	bool minus;

	if (!sp_jis_num(v))
		return false;
	s = sp_jtext(v);
	minus = sp_take(&s, SP_LIT("-"));
	if (!sp_take_u64(&s, (uint64_t)INT64_MAX + minus, &u) || s.n != 0)
		return false;
	*out = minus ? (int64_t)(0 - u) : (int64_t)u;
	return true;
}

struct sp_jiter
sp_jeach(sp_jval *v)
{
	struct sp_jiter it = { .idx = SIZE_MAX };

	if (yyjson_obj_iter_init(v, &it.o))
		it.kind = 1;
	else if (yyjson_arr_iter_init(v, &it.a))
		it.kind = 2;
	return it;
}

bool
sp_jnext(struct sp_jiter *it)
{
	sp_jval *key;

	switch (it->kind) {
	case 1:
		key = yyjson_obj_iter_next(&it->o);
		if (key == NULL)
			return false;
		it->key = sp_jtext(key);
		it->val = yyjson_obj_iter_get_val(key);
		break;
	case 2:
		it->val = yyjson_arr_iter_next(&it->a);
		if (it->val == NULL)
			return false;
		break;
	default:
		return false;
	}
	it->idx++;
	return true;
}

/* --- equality --- */

/* One level of sp_jequal: the members of a that are still to be compared, and where b keeps its own. */
struct pair {
	struct sp_jiter a;
	yyjson_obj_iter bo;
	yyjson_arr_iter ba;
	sp_jval **sorted;	/* keys of a large b; NULL: look it up in order */
	size_t n;
};

static sp_jval *
find_sorted(const struct pair *p, sp_slice key)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2, len = unsafe_yyjson_get_len(p->sorted[mid]);
		int c = len != key.n ? (len < key.n ? -1 : 1)
		    : memcmp(unsafe_yyjson_get_str(p->sorted[mid]), key.p, len);

		if (c == 0)
			return p->sorted[mid] + 1;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void
pair_open(struct pair *p, sp_jval *a, sp_jval *b)
{
	sp_jval *key;

	*p = (struct pair){ .a = sp_jeach(a), .n = unsafe_yyjson_get_len(b) };
	if (yyjson_arr_iter_init(b, &p->ba) || !yyjson_obj_iter_init(b, &p->bo) || p->n <= FEW)
		return;
	/* Without memory the search in order still gives the right answer, only later. */
	p->sorted = reallocarray(NULL, p->n, 2 * sizeof(sp_jval *));
	if (p->sorted == NULL)
		return;
	key = unsafe_yyjson_get_first(b);
	for (size_t i = 0; i < p->n; i++, key = key_next(key))
		p->sorted[i] = key;
	key_sort(p->sorted, p->sorted + p->n, p->n);
}

/* The next two values to compare; *b NULL when b has no such member.  False at the end. */
static bool
pair_next(struct pair *p, sp_jval **a, sp_jval **b)
{
	if (!sp_jnext(&p->a))
		return false;
	*a = p->a.val;
	if (p->a.kind == 2)
		*b = yyjson_arr_iter_next(&p->ba);
	else if (p->sorted != NULL)
		*b = find_sorted(p, p->a.key);
	else
		*b = yyjson_obj_iter_getn(&p->bo, p->a.key.p, p->a.key.n);
	return true;
}

/* What can be said without looking inside; containers of the same size are "equal so far". */
static bool
equal_here(sp_jval *a, sp_jval *b)
{
	if (a == NULL || b == NULL)
		return false;
	if (sp_jis_num(a))
		return sp_jis_num(b) && sp_jnum_cmp(sp_jtext(a), sp_jtext(b)) == 0;
	if (sp_jis_str(a))
		return sp_jis_str(b) && sp_eq(sp_jtext(a), sp_jtext(b));
	if (unsafe_yyjson_get_tag(a) != unsafe_yyjson_get_tag(b))
		return false;	/* another type, or true against false */
	return !unsafe_yyjson_is_ctn(a) || unsafe_yyjson_get_len(a) == unsafe_yyjson_get_len(b);
}

bool
sp_jequal(sp_jval *a, sp_jval *b)
{
	struct pair *stack;
	unsigned depth = 0;
	bool same = equal_here(a, b);

	if (!same || !unsafe_yyjson_is_ctn(a))
		return same;
	stack = reallocarray(NULL, DEPTH_MAX, sizeof *stack);
	if (stack == NULL)
		abort();	/* neither answer would be safe */
	pair_open(&stack[depth++], a, b);
	while (same && depth != 0) {
		if (!pair_next(&stack[depth - 1], &a, &b)) {
			free(stack[--depth].sorted);
			continue;
		}
		same = equal_here(a, b) && (!unsafe_yyjson_is_ctn(a) || depth < DEPTH_MAX);
		if (same && unsafe_yyjson_is_ctn(a))
			pair_open(&stack[depth++], a, b);
	}
	while (depth != 0)
		free(stack[--depth].sorted);
	free(stack);
	return same;
}
