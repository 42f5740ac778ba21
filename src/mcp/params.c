#include "mcp/params.h"

#include "mcp/era.h"

#define PREFIX "Mcp-Param-"

struct reader {
	struct sp_arena *a;
	const char *fault;		/* strict: what is wrong with a mark; NULL: such marks are passed over */
	bool	 strict, full;
	sp_slice path[SP_PARAM_DEPTH];
	struct sp_param_header v[SP_PARAM_HEADERS];
	unsigned n;
};

/* mcp-spec 1.4: on integers, texts and booleans; `number` is not allowed. */
static bool
mark_ok(sp_slice name, sp_jval *schema)
{
	sp_slice type = sp_jtext(SP_JGET(schema, "type"));

	if (name.n == 0 || name.n > SP_PARAM_NAME || sp_span(name, sp_is_tchar) != name.n)
		return false;
	return sp_eq(type, SP_LIT("string")) || sp_eq(type, SP_LIT("integer")) || sp_eq(type, SP_LIT("boolean"));
}

static bool
fault(struct reader *r, const char *what)
{
	if (r->fault == NULL)
		r->fault = what;
	return false;
}

static bool
is_taken(const struct reader *r, sp_slice header)
{
	for (unsigned i = 0; i < r->n; i++)
		if (sp_eq_nocase(r->v[i].header, header))
			return true;
	return false;
}

/* False: no room, or, when strict, not a valid mark. */
static bool
add(struct reader *r, sp_slice name, unsigned depth)
{
	struct sp_param_header h = { .depth = depth };
	char buf[sizeof PREFIX + SP_PARAM_NAME];
	struct sp_out o;

	if (r->n == SP_PARAM_HEADERS)
		return !r->strict || fault(r, "too many x-mcp-header marks");
	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, PREFIX);
	sp_out_slice(&o, name);
	if (r->strict && is_taken(r, sp_out_view(&o)))
		return fault(r, "an x-mcp-header name is used twice");
	h.header = sp_arena_copy(r->a, sp_out_view(&o));
	for (unsigned i = 0; i < depth; i++) {
		h.path[i] = sp_arena_copy(r->a, r->path[i]);
		r->full = r->full || h.path[i].p == NULL;
	}
	r->full = r->full || h.header.p == NULL;
	r->v[r->n++] = h;
	return !r->full;
}

/* The mark of a property, if it has one. */
static bool
take_mark(struct reader *r, sp_jval *schema, unsigned depth)
{
	sp_jval *m = SP_JGET(schema, "x-mcp-header");

	if (m == NULL)
		return true;
	if (!sp_jis_str(m) || !mark_ok(sp_jtext(m), schema))
		return !r->strict || fault(r, "an x-mcp-header mark is not valid");
	return add(r, sp_jtext(m), depth);
}

/* Keywords whose value is a schema or a list of schemas, and such whose value is a map of schemas. */
static bool
holds_schemas(sp_slice key, bool *map)
{
	static const struct { sp_slice key; bool map; } rows[] = {
		{ SP_LIT_INIT("items"), false }, { SP_LIT_INIT("prefixItems"), false }, { SP_LIT_INIT("additionalItems"), false },
		{ SP_LIT_INIT("contains"), false }, { SP_LIT_INIT("additionalProperties"), false },
		{ SP_LIT_INIT("unevaluatedProperties"), false }, { SP_LIT_INIT("unevaluatedItems"), false },
		{ SP_LIT_INIT("propertyNames"), false }, { SP_LIT_INIT("contentSchema"), false }, { SP_LIT_INIT("not"), false },
		{ SP_LIT_INIT("if"), false }, { SP_LIT_INIT("then"), false }, { SP_LIT_INIT("else"), false },
		{ SP_LIT_INIT("allOf"), false }, { SP_LIT_INIT("anyOf"), false }, { SP_LIT_INIT("oneOf"), false },
		{ SP_LIT_INIT("properties"), true }, { SP_LIT_INIT("patternProperties"), true }, { SP_LIT_INIT("$defs"), true },
		{ SP_LIT_INIT("definitions"), true }, { SP_LIT_INIT("dependentSchemas"), true },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		if (!sp_eq(rows[i].key, key))
			continue;
		*map = rows[i].map;
		return true;
	}
	return false;
}

static bool map_has_mark(sp_jval *map);

/* Is there a mark in this schema or below?  One that is not reached through `properties` alone mirrors no one argument.
 * The reader of JSON bounds the depth. */
static bool
has_mark(sp_jval *schema)
{
	if (SP_JGET(schema, "x-mcp-header") != NULL)
		return true;
	for (struct sp_jiter it = sp_jeach(schema); sp_jnext(&it);) {
		bool map = false;

		if (!sp_jis_arr(schema) && !holds_schemas(it.key, &map))
			continue;
		if (map ? map_has_mark(it.val) : has_mark(it.val))
			return true;
	}
	return false;
}

static bool
map_has_mark(sp_jval *map)
{
	for (struct sp_jiter it = sp_jeach(map); sp_jnext(&it);)
		if (has_mark(it.val))
			return true;
	return false;
}

static bool
marks_elsewhere(sp_jval *schema)
{
	for (struct sp_jiter it = sp_jeach(schema); sp_jnext(&it);) {
		bool map = false;

		if (sp_eq(it.key, SP_LIT("properties")) || !holds_schemas(it.key, &map))
			continue;
		if (map ? map_has_mark(it.val) : has_mark(it.val))
			return true;
	}
	return false;
}

/* Depth is bounded, so this may recurse. */
static bool
walk(struct reader *r, sp_jval *schema, unsigned depth)
{
	if (r->strict && marks_elsewhere(schema))
		return fault(r, "an x-mcp-header mark is not on a property");
	if (depth == SP_PARAM_DEPTH)
		return !r->strict || !map_has_mark(SP_JGET(schema, "properties")) || fault(r, "an x-mcp-header mark is too deep");
	for (struct sp_jiter it = sp_jeach(SP_JGET(schema, "properties")); sp_jnext(&it);) {
		r->path[depth] = it.key;
		if (!take_mark(r, it.val, depth + 1) || !walk(r, it.val, depth + 1))
			return false;
	}
	return true;
}

static enum sp_status
keep(struct reader *r, struct sp_param_headers *out)
{
	struct sp_param_headers got = { NULL, r->n };

	if (r->n == 0)
		return SP_OK;
	got.v = sp_arena_get(r->a, r->n * sizeof *got.v);
	if (got.v == NULL)
		return SP_E_FULL;
	memcpy(got.v, r->v, r->n * sizeof *got.v);
	*out = got;
	return SP_OK;
}

enum sp_status
sp_params_read(struct sp_arena *a, sp_slice schema, struct sp_param_headers *out)
{
	struct reader r = { .a = a };
	struct sp_json doc = { 0 };
	enum sp_status st;

	*out = (struct sp_param_headers){ NULL, 0 };
	if (sp_find(schema, SP_LIT("x-mcp-header")) == SIZE_MAX)
		return SP_OK;
	st = sp_json_read(schema, SP_JSON_DEFAULT, &doc, NULL);
	if (st != SP_OK)
		return st;
	st = walk(&r, doc.root, 0) ? keep(&r, out) : SP_E_FULL;
	sp_json_free(&doc);
	return st;
}

enum sp_status
sp_params_judge(struct sp_arena *a, sp_jval *schema, struct sp_param_headers *out, struct sp_err *e)
{
	struct reader r = { .a = a, .strict = true };

	*out = (struct sp_param_headers){ NULL, 0 };
	if (SP_JGET(schema, "x-mcp-header") != NULL)
		(void)fault(&r, "an x-mcp-header mark is not on a property");
	else if (walk(&r, schema, 0))
		return keep(&r, out);
	return r.fault != NULL ? sp_fail(e, SP_E_REFUSED, NULL, "%s", r.fault) : SP_E_FULL;
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
