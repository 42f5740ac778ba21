/* Identifiers and references: every reference leads to a node of this very document, or the schema is refused. */
#include "schema/schema_int.h"

#include "wire/uri.h"

#include <stdlib.h>

bool
sp_grow(void *array, uint32_t n, uint32_t *cap, size_t size)
{
	void **at = array, *p;
	uint32_t more = *cap == 0 ? 16 : *cap * 2;

	if (n < *cap)
		return true;
	p = reallocarray(*at, more, size);
	if (p == NULL)
		return false;
	*at = p;
	*cap = more;
	return true;
}

/* --- identifiers --- */

static enum sp_status
resource_add(struct sp_compile *c, struct sp_node *n, sp_slice uri)
{
	struct sp_schema *s = c->s;

	if (!sp_grow(&s->resource, s->nresources, &c->resource_cap, sizeof *s->resource))
		return sp_compile_full(c);
	n->resource = s->nresources;
	s->resource[s->nresources] = (struct sp_resource){ uri, n, s->nresources };
	s->nresources++;
	return SP_OK;
}

static enum sp_status
id_read(struct sp_compile *c, struct sp_node *n, sp_jval *id, bool root)
{
	sp_slice text = sp_jtext(id), uri = SP_LIT("");

	if (id != NULL) {
		if (!sp_jis_str(id))
			return sp_compile_bad(c, id, "$id is no text");
		if (sp_has_byte(text, '#') && !sp_ends(text, SP_LIT("#")))
			return sp_compile_bad(c, id, "$id has a fragment");
		if (sp_ends(text, SP_LIT("#")))
			text.n--;
		uri = sp_uri_resolve(&c->s->a, root ? SP_LIT("") : c->s->resource[n->resource].uri, text);
		if (uri.p == NULL)
			return sp_compile_full(c);
	}
	return resource_add(c, n, uri);
}

static enum sp_status
anchor_add(struct sp_compile *c, struct sp_node *n, sp_jval *v, bool dynamic)
{
	struct sp_schema *s = c->s;
	sp_slice name = sp_jtext(v);

	if (v == NULL)
		return SP_OK;
	if (!sp_jis_str(v) || name.n == 0 || name.p[0] == '/')
		return sp_compile_bad(c, v, "an anchor is no name");
	if (!sp_grow(&s->anchor, s->nanchors, &c->anchor_cap, sizeof *s->anchor))
		return sp_compile_full(c);
	s->anchor[s->nanchors++] = (struct sp_anchor){ n->resource, name, n, dynamic };
	return SP_OK;
}

enum sp_status
sp_compile_ids(struct sp_compile *c, struct sp_node *n)
{
	sp_jval *id = SP_JGET(n->at, "$id"), *anchor = SP_JGET(n->at, "$anchor");
	sp_jval *dynamic = SP_JGET(n->at, "$dynamicAnchor");
	bool root = c->s->nresources == 0;
	enum sp_status st = SP_OK;

	if (c->late && (id != NULL || anchor != NULL || dynamic != NULL))
		return sp_compile_bad(c, n->at, "an identifier under a keyword that is not known");
	if (root || id != NULL)
		st = id_read(c, n, id, root);
	if (st == SP_OK)
		st = anchor_add(c, n, anchor, false);
	return st == SP_OK ? anchor_add(c, n, dynamic, true) : st;
}

static int
anchor_cmp(const void *x, const void *y)
{
	const struct sp_anchor *a = x, *b = y;

	if (a->resource != b->resource)
		return a->resource < b->resource ? -1 : 1;
	return sp_cmp(a->name, b->name);
}

static int
resource_cmp(const void *x, const void *y)
{
	return sp_cmp(((const struct sp_resource *)x)->uri, ((const struct sp_resource *)y)->uri);
}

const struct sp_anchor *
sp_anchor_find(const struct sp_schema *s, uint32_t resource, sp_slice name)
{
	struct sp_anchor want = { .resource = resource, .name = name };

	if (s->nanchors == 0)
		return NULL;
	return bsearch(&want, s->anchor, s->nanchors, sizeof want, anchor_cmp);
}

/* --- references --- */

enum sp_status
sp_compile_pending(struct sp_compile *c, struct sp_node *from, sp_jval *ref, bool dynamic)
{
	if (!sp_jis_str(ref))
		return sp_compile_bad(c, ref, "a reference is no text");
	if (!sp_grow(&c->pending, c->npending, &c->pending_cap, sizeof *c->pending))
		return sp_compile_full(c);
	c->pending[c->npending++] = (struct sp_pending){ from, ref, dynamic };
	return SP_OK;
}

/* RFC 6901 section 4. */
static bool
unescape(sp_slice *token, char *buf, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < token->n; i++) {
		char ch = token->p[i];

		if (ch == '~') {
			if (++i == token->n || (token->p[i] != '0' && token->p[i] != '1'))
				return false;
			ch = token->p[i] == '0' ? '~' : '/';
		}
		if (n == cap)
			return false;
		buf[n++] = ch;
	}
	*token = (sp_slice){ buf, n };
	return true;
}

static struct sp_node *
node_at(const struct sp_compile *c, sp_jval *v)
{
	return c->node_of[v - c->s->doc.root];
}

static sp_jval *
step(const struct sp_compile *c, sp_jval *at, sp_slice token)
{
	uint64_t i;

	if (!sp_jis_arr(at))
		return sp_jget(at, token);
	if (!sp_take_u64(&token, UINT32_MAX, &i) || token.n != 0)
		return NULL;
	return yyjson_arr_get(at, (size_t)i);
}

/* Follows a pointer; *resource becomes that of the last schema on the way. */
static sp_jval *
pointer_follow(const struct sp_compile *c, sp_jval *at, sp_slice pointer, uint32_t *resource)
{
	sp_slice in = pointer, token;
	char buf[1024];

	sp_take(&in, SP_LIT("/"));
	while (at != NULL && sp_take_part(&in, '/', &token)) {
		struct sp_node *n = node_at(c, at), *def;

		if (n != NULL)
			*resource = n->resource;
		/* The usual place is sorted; all others are looked through. */
		if (n != NULL && n->defs.n != 0 && (sp_eq(token, SP_LIT("$defs"))) && in.p != NULL) {
			if (!sp_take_part(&in, '/', &token) || !unescape(&token, buf, sizeof buf))
				return NULL;
			def = sp_kid_find(&n->defs, token);
			at = def == NULL ? NULL : def->at;
			continue;
		}
		if (!unescape(&token, buf, sizeof buf))
			return NULL;
		at = step(c, at, token);
	}
	return at;
}

static const struct sp_resource *
resource_find(const struct sp_resource *sorted, uint32_t n, sp_slice uri)
{
	struct sp_resource want = { .uri = uri };

	return bsearch(&want, sorted, n, sizeof want, resource_cmp);
}

static enum sp_status
fragment_follow(struct sp_compile *c, const struct sp_pending *p, uint32_t resource, sp_slice fragment,
    struct sp_node **out)
{
	const struct sp_anchor *anchor;
	struct sp_node *root = c->s->resource[resource].root;
	sp_jval *v;

	if (fragment.n == 0) {
		*out = root;
		return SP_OK;
	}
	if (fragment.p[0] != '/') {
		anchor = sp_anchor_find(c->s, resource, fragment);
		if (anchor == NULL)
			return sp_compile_bad(c, p->ref, "no anchor has this name");
		*out = anchor->node;
		if (p->dynamic && anchor->dynamic)
			p->from->here->dynamic_name = anchor->name;
		return SP_OK;
	}
	v = pointer_follow(c, root->at, fragment, &resource);
	if (v == NULL)
		return sp_compile_bad(c, p->ref, "the reference leads nowhere");
	return sp_compile_node(c, v, resource, out);
}

static enum sp_status
ref_follow(struct sp_compile *c, const struct sp_pending *p, const struct sp_resource *sorted, uint32_t nsorted,
    struct sp_node **out)
{
	sp_slice text = sp_jtext(p->ref), fragment = SP_LIT(""), uri;
	uint32_t resource = p->from->resource;
	size_t hash = sp_find(text, SP_LIT("#"));
	char buf[4096];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	if (hash != SIZE_MAX) {
		if (!sp_pct_decode(&o, sp_sub(text, hash + 1, text.n)) || o.full)
			return sp_compile_bad(c, p->ref, "the reference is malformed or too long");
		fragment = o.n == 0 ? fragment : sp_out_view(&o);
		text = sp_sub(text, 0, hash);
	}
	if (text.n != 0) {
		const struct sp_resource *r;

		uri = sp_uri_resolve(&c->s->a, c->s->resource[resource].uri, text);
		if (uri.p == NULL)
			return sp_compile_full(c);
		r = resource_find(sorted, nsorted, uri);
		if (r == NULL)
			return sp_compile_bad(c, p->ref, "a reference to another document, which is never fetched");
		resource = r->number;
	}
	return fragment_follow(c, p, resource, fragment, out);
}

static enum sp_status
twins_check(struct sp_compile *c, const struct sp_resource *sorted)
{
	const struct sp_schema *s = c->s;

	for (uint32_t i = 1; i < s->nanchors; i++)
		if (anchor_cmp(&s->anchor[i - 1], &s->anchor[i]) == 0)
			return sp_compile_bad(c, s->anchor[i].node->at, "an anchor is given twice");
	for (uint32_t i = 1; i < s->nresources; i++)
		if (resource_cmp(&sorted[i - 1], &sorted[i]) == 0)
			return sp_compile_bad(c, sorted[i].root->at, "an $id is given twice");
	return SP_OK;
}

static enum sp_status
refs_with(struct sp_compile *c, struct sp_resource *sorted)
{
	struct sp_schema *s = c->s;
	uint32_t n = s->nresources;
	enum sp_status st;

	memcpy(sorted, s->resource, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, resource_cmp);
	if (s->nanchors != 0)
		qsort(s->anchor, s->nanchors, sizeof *s->anchor, anchor_cmp);
	st = twins_check(c, sorted);
	c->late = true;
	/* The list grows when a reference makes a new place a schema. */
	for (uint32_t i = 0; i < c->npending && st == SP_OK; i++) {
		struct sp_pending p = c->pending[i];
		struct sp_node *to = NULL;

		st = ref_follow(c, &p, sorted, n, &to);
		if (p.dynamic)
			p.from->here->dynamic = to;
		else
			p.from->here->ref = to;
	}
	return st;
}

enum sp_status
sp_compile_refs(struct sp_compile *c)
{
	struct sp_resource *sorted = reallocarray(NULL, c->s->nresources, sizeof *sorted);
	enum sp_status st = sorted == NULL ? sp_compile_full(c) : refs_with(c, sorted);

	free(sorted);
	return st;
}
