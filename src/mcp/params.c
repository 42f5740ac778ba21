#include "mcp/params.h"

#include "mcp/era.h"

#define PREFIX "Mcp-Param-"

struct reader {
	struct sp_arena *a;
	struct sp_param_headers *out;
	sp_slice path[SP_PARAM_DEPTH];
};

static bool
mark_ok(sp_slice name, sp_jval *schema)
{
	sp_slice type = sp_jtext(SP_JGET(schema, "type"));

	if (name.n == 0 || name.n > SP_PARAM_NAME || sp_span(name, sp_is_tchar) != name.n)
		return false;
	return sp_eq(type, SP_LIT("string")) || sp_eq(type, SP_LIT("integer")) || sp_eq(type, SP_LIT("boolean"));
}

static enum sp_status
add(struct reader *r, sp_slice name, unsigned depth)
{
	struct sp_param_header *h;
	char buf[sizeof PREFIX + SP_PARAM_NAME];
	struct sp_out o;

	if (r->out->n == SP_PARAM_HEADERS)
		return SP_OK;
	if (r->out->v == NULL) {
		r->out->v = sp_arena_get(r->a, SP_PARAM_HEADERS * sizeof *r->out->v);
		if (r->out->v == NULL)
			return SP_E_FULL;
	}
	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, PREFIX);
	sp_out_slice(&o, name);
	h = &r->out->v[r->out->n];
	h->header = sp_arena_copy(r->a, sp_out_view(&o));
	if (h->header.p == NULL)
		return SP_E_FULL;
	memcpy(h->path, r->path, sizeof h->path);
	h->depth = depth;
	r->out->n++;
	return SP_OK;
}

/* Only through `properties`: a mark elsewhere has no one argument to mirror.  Depth is
 * bounded, so this may recurse. */
static enum sp_status
walk(struct reader *r, sp_jval *schema, unsigned depth)
{
	if (depth == SP_PARAM_DEPTH)
		return SP_OK;
	for (struct sp_jiter it = sp_jeach(SP_JGET(schema, "properties")); sp_jnext(&it);) {
		sp_jval *m = SP_JGET(it.val, "x-mcp-header");
		enum sp_status st = SP_OK;

		r->path[depth] = it.key;
		if (m != NULL && sp_jis_str(m) && mark_ok(sp_jtext(m), it.val))
			st = add(r, sp_jtext(m), depth + 1);
		if (st == SP_OK)
			st = walk(r, it.val, depth + 1);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

enum sp_status
sp_params_read(struct sp_arena *a, sp_slice schema, struct sp_param_headers *out)
{
	struct sp_param_headers got = { NULL, 0 };
	struct reader r = { .a = a, .out = &got };
	sp_jval *root;
	enum sp_status st;

	*out = got;
	if (sp_find(schema, SP_LIT("x-mcp-header")) == SIZE_MAX)
		return SP_OK;
	st = sp_json_read_arena(a, schema, SP_JSON_DEFAULT, &root, NULL);
	if (st != SP_OK)
		return st;
	st = walk(&r, root, 0);
	if (st == SP_OK)
		*out = got;
	return st;
}

static sp_jval *
arg_at(sp_jval *args, const struct sp_param_header *h)
{
	for (unsigned i = 0; i < h->depth && args != NULL; i++)
		args = sp_jget(args, h->path[i]);
	return args;
}

/* JSON's number grammar, so that the exact comparison may be used on it. */
static bool
is_number(sp_slice s)
{
	uint64_t v;
	size_t n;

	(void)sp_take(&s, SP_LIT("-"));
	if (s.n > 64 || !sp_take_u64(&s, UINT64_MAX, &v))
		return false;
	if (sp_take(&s, SP_LIT("."))) {
		n = sp_span(s, sp_is_digit);
		if (n == 0)
			return false;
		sp_advance(&s, n);
	}
	return s.n == 0;
}

static bool
same(sp_jval *v, sp_slice got)
{
	if (sp_jis_str(v))
		return sp_eq(sp_jtext(v), got);
	if (sp_jis_bool(v))
		return sp_eq(got, sp_jtrue(v) ? SP_LIT("true") : SP_LIT("false"));
	/* mcp-spec 1.4: integers are compared as numbers, 42.0 is 42. */
	if (sp_jis_num(v))
		return is_number(got) && sp_jnum_cmp(sp_jtext(v), got) == 0;
	return false;
}

enum sp_status
sp_params_check(struct sp_arena *a, const struct sp_param_headers *p, const struct sp_http_head *head, sp_jval *args,
    struct sp_err *e)
{
	for (unsigned i = 0; i < p->n; i++) {
		unsigned n;
		const struct sp_http_field *f = sp_http_find(head, p->v[i].header, &n);
		sp_jval *v = arg_at(args, &p->v[i]);
		bool absent = v == NULL || sp_jis_null(v);
		sp_slice got;

		if (absent && n == 0)
			continue;
		if (absent || n != 1 || !sp_mcp_value(a, f->value, &got) || !same(v, got))
			return sp_fail(e, SP_E_HEADER_MISMATCH, "an Mcp-Param header does not match the arguments",
			    "%.*s does not match the arguments", SP_PRI(p->v[i].header));
	}
	return SP_OK;
}
