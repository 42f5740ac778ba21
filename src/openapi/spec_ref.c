/* Local references and names of a document, in time that its author cannot blow up. */
#include "openapi/spec_int.h"

#include "wire/uri.h"

#include <stdlib.h>

/* --- large objects --- */

static int
row_cmp(const void *x, const void *y)
{
	const struct sp_index_row *a = x, *b = y;

	return sp_cmp(a->key, b->key);
}

static struct sp_index *
index_new(sp_jval *obj)
{
	size_t n = yyjson_obj_size(obj), i = 0;
	struct sp_index *x = malloc(sizeof *x + n * sizeof x->row[0]);

	if (x == NULL)
		return NULL;
	*x = (struct sp_index){ .obj = obj, .n = n };
	for (struct sp_jiter it = sp_jeach(obj); sp_jnext(&it) && i < n; i++)
		x->row[i] = (struct sp_index_row){ it.key, it.val };
	qsort(x->row, n, sizeof x->row[0], row_cmp);
	return x;
}

sp_jval *
sp_spec_get(struct sp_reader *r, sp_jval *obj, sp_slice key)
{
	struct sp_index_row want = { .key = key }, *hit;
	struct sp_index **head, *x;

	if (!sp_jis_obj(obj) || yyjson_obj_size(obj) <= SP_INDEX_FEW)
		return sp_jget(obj, key);
	head = &r->index[((uintptr_t)obj / sizeof(yyjson_val)) % SP_INDEX_BUCKETS];
	for (x = *head; x != NULL && x->obj != obj; x = x->link)
		;
	if (x == NULL) {
		x = index_new(obj);
		if (x == NULL)
			return sp_jget(obj, key);
		x->link = *head;
		*head = x;
	}
	hit = bsearch(&want, x->row, x->n, sizeof want, row_cmp);
	return hit == NULL ? NULL : hit->val;
}

void
sp_spec_index_free(struct sp_reader *r)
{
	for (size_t i = 0; i < SP_INDEX_BUCKETS; i++)
		while (r->index[i] != NULL) {
			struct sp_index *x = r->index[i];

			r->index[i] = x->link;
			free(x);
		}
}

/* --- references --- */

/* RFC 6901 section 4: ~1 is '/', ~0 is '~', in this order. */
static bool
token_read(sp_slice t, char *buf, size_t cap, sp_slice *out)
{
	size_t n = 0;

	for (size_t i = 0; i < t.n; i++) {
		char c = t.p[i];

		if (c == '~') {
			if (++i == t.n || (t.p[i] != '0' && t.p[i] != '1'))
				return false;
			c = t.p[i] == '0' ? '~' : '/';
		}
		if (n == cap)
			return false;
		buf[n++] = c;
	}
	*out = (sp_slice){ buf, n };
	return true;
}

static sp_jval *
step(struct sp_reader *r, sp_jval *at, sp_slice token)
{
	uint64_t i;

	if (sp_jis_obj(at))
		return sp_spec_get(r, at, token);
	if (!sp_jis_arr(at) || !sp_take_u64(&token, UINT32_MAX, &i) || token.n != 0)
		return NULL;
	return yyjson_arr_get(at, (size_t)i);
}

enum sp_status
sp_spec_find(struct sp_reader *r, sp_slice ref, sp_jval **out)
{
	char plain[1024], buf[1024];
	struct sp_out o;
	sp_slice in = ref, token, part;
	sp_jval *at = r->root;

	/* Nothing is ever fetched: a reference is a place in this very document or it is refused. */
	if (!sp_take(&in, SP_LIT("#")) || (in.n != 0 && in.p[0] != '/'))
		return sp_spec_skip(r, "reference %.*s: only references of the form #/… are followed", SP_PRI(ref));
	sp_out_init(&o, plain, sizeof plain);
	if (!sp_pct_decode(&o, in) || o.full)
		return sp_spec_skip(r, "reference %.*s is malformed or too long", SP_PRI(ref));
	in = sp_out_view(&o);
	if (!sp_take(&in, SP_LIT("/")))
		in = (sp_slice){ NULL, 0 };	/* "#": the whole document, not its member "" */
	while (at != NULL && sp_take_part(&in, '/', &part)) {
		if (!token_read(part, buf, sizeof buf, &token))
			return sp_spec_skip(r, "reference %.*s is malformed", SP_PRI(ref));
		at = step(r, at, token);
	}
	if (at == NULL)
		return sp_spec_skip(r, "reference %.*s leads nowhere", SP_PRI(ref));
	*out = at;
	return SP_OK;
}

enum sp_status
sp_spec_deref(struct sp_reader *r, sp_jval *v, sp_jval **out)
{
	for (unsigned i = 0; i < SP_SPEC_HOPS; i++) {
		sp_jval *ref = SP_JGET(v, "$ref");
		enum sp_status st;

		if (!sp_jis_str(ref)) {
			*out = v;
			return SP_OK;
		}
		st = sp_spec_find(r, sp_jtext(ref), &v);
		if (st != SP_OK)
			return st;
	}
	return sp_spec_skip(r, "a reference leads back to itself, or through more than %d others", SP_SPEC_HOPS);
}

/* --- names --- */

static bool
is_name(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || c == '_' || c == '.' || c == '-';
}

void
sp_spec_name_clean(struct sp_out *o, sp_slice s, size_t max)
{
	size_t n = s.n < max ? s.n : max;

	for (size_t i = 0; i < n; i++)
		sp_out_byte(o, is_name((unsigned char)s.p[i]) ? s.p[i] : '_');
}

static struct sp_name *
slot_of(const struct sp_names *t, sp_slice name)
{
	size_t i = (size_t)sp_siphash(&t->key, name) & (t->size - 1);

	while (t->slot[i].name.p != NULL && !sp_eq(t->slot[i].name, name))
		i = (i + 1) & (t->size - 1);
	return &t->slot[i];
}

static bool
names_grow(struct sp_names *t)
{
	struct sp_names big = { .size = t->size == 0 ? 256 : t->size * 2, .used = t->used, .key = t->key };

	if (t->used * 2 < t->size)
		return true;
	big.slot = calloc(big.size, sizeof *big.slot);
	if (big.slot == NULL)
		return false;
	for (size_t i = 0; i < t->size; i++)
		if (t->slot[i].name.p != NULL)
			*slot_of(&big, t->slot[i].name) = t->slot[i];
	free(t->slot);
	*t = big;
	return true;
}

enum sp_status
sp_spec_name(struct sp_reader *r, struct sp_names *t, sp_slice base, sp_slice *out)
{
	char buf[SP_SPEC_NAME + 16];
	struct sp_name *first, *at;
	sp_slice name = base;
	struct sp_out o;

	if (!names_grow(t))
		return sp_spec_full(r);
	first = at = slot_of(t, base);
	for (uint32_t i = first->next; at->name.p != NULL; i++) {
		sp_out_init(&o, buf, sizeof buf);
		sp_out_slice(&o, base);
		sp_out_byte(&o, '_');
		sp_out_u64(&o, i);
		name = sp_out_view(&o);
		at = slot_of(t, name);
		first->next = i + 1;
	}
	name = sp_arena_copy(r->a, name);
	if (name.p == NULL)
		return sp_spec_full(r);
	*at = (struct sp_name){ name, 2 };
	t->used++;
	*out = name;
	return SP_OK;
}
