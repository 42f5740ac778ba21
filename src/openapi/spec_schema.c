/*
 * Schema objects of a document as JSON Schema 2020-12.  What refers to another place of the document is not copied
 * there but put under $defs once, so cycles cost nothing.  Keywords that are not in the table are left out.
 */
#include "openapi/spec_int.h"

#include "base/utf8.h"

#include <stdlib.h>

enum kind { COPY = 1, FORMAT, WORDS, SCHEMA, LIST, MAP, TYPE, REQUIRED, LOW, HIGH, ABOVE, BELOW, NEVER };

/* Sorted.  NEVER: changes what references mean, so that moving the schema would change the schema. */
static const struct keyword { sp_slice name; enum kind kind; } keywords[] = {
	{ SP_LIT_INIT("$dynamicAnchor"), NEVER },
	{ SP_LIT_INIT("$dynamicRef"), NEVER },
	{ SP_LIT_INIT("$id"), NEVER },
	{ SP_LIT_INIT("additionalProperties"), SCHEMA },
	{ SP_LIT_INIT("allOf"), LIST },
	{ SP_LIT_INIT("anyOf"), LIST },
	{ SP_LIT_INIT("const"), COPY },
	{ SP_LIT_INIT("contains"), SCHEMA },
	{ SP_LIT_INIT("contentEncoding"), COPY },
	{ SP_LIT_INIT("contentMediaType"), COPY },
	{ SP_LIT_INIT("default"), COPY },
	{ SP_LIT_INIT("dependentRequired"), COPY },
	{ SP_LIT_INIT("dependentSchemas"), MAP },
	{ SP_LIT_INIT("deprecated"), COPY },
	{ SP_LIT_INIT("description"), WORDS },
	{ SP_LIT_INIT("else"), SCHEMA },
	{ SP_LIT_INIT("enum"), COPY },
	{ SP_LIT_INIT("exclusiveMaximum"), BELOW },
	{ SP_LIT_INIT("exclusiveMinimum"), ABOVE },
	{ SP_LIT_INIT("format"), FORMAT },
	{ SP_LIT_INIT("if"), SCHEMA },
	{ SP_LIT_INIT("items"), SCHEMA },
	{ SP_LIT_INIT("maxContains"), COPY },
	{ SP_LIT_INIT("maxItems"), COPY },
	{ SP_LIT_INIT("maxLength"), COPY },
	{ SP_LIT_INIT("maxProperties"), COPY },
	{ SP_LIT_INIT("maximum"), HIGH },
	{ SP_LIT_INIT("minContains"), COPY },
	{ SP_LIT_INIT("minItems"), COPY },
	{ SP_LIT_INIT("minLength"), COPY },
	{ SP_LIT_INIT("minProperties"), COPY },
	{ SP_LIT_INIT("minimum"), LOW },
	{ SP_LIT_INIT("multipleOf"), COPY },
	{ SP_LIT_INIT("not"), SCHEMA },
	{ SP_LIT_INIT("oneOf"), LIST },
	{ SP_LIT_INIT("pattern"), COPY },
	{ SP_LIT_INIT("patternProperties"), MAP },
	{ SP_LIT_INIT("prefixItems"), LIST },
	{ SP_LIT_INIT("properties"), MAP },
	{ SP_LIT_INIT("propertyNames"), SCHEMA },
	{ SP_LIT_INIT("readOnly"), COPY },
	{ SP_LIT_INIT("required"), REQUIRED },
	{ SP_LIT_INIT("then"), SCHEMA },
	{ SP_LIT_INIT("title"), WORDS },
	{ SP_LIT_INIT("type"), TYPE },
	{ SP_LIT_INIT("unevaluatedItems"), SCHEMA },
	{ SP_LIT_INIT("unevaluatedProperties"), SCHEMA },
	{ SP_LIT_INIT("uniqueItems"), COPY },
	{ SP_LIT_INIT("writeOnly"), COPY },
};

static int
keyword_cmp(const void *key, const void *row)
{
	return sp_cmp(*(const sp_slice *)key, ((const struct keyword *)row)->name);
}

static enum kind
keyword_kind(sp_slice name)
{
	const struct keyword *k = bsearch(&name, keywords, SP_COUNT(keywords), sizeof keywords[0], keyword_cmp);

	return k == NULL ? 0 : k->kind;
}

/* --- types --- */

static uint32_t
type_bit(sp_slice name)
{
	static const struct { sp_slice name; uint32_t bit; } types[] = {
		{ SP_LIT_INIT("string"), SP_T_STR }, { SP_LIT_INIT("integer"), SP_T_INT },
		{ SP_LIT_INIT("number"), SP_T_NUM }, { SP_LIT_INIT("boolean"), SP_T_BOOL },
		{ SP_LIT_INIT("array"), SP_T_ARR }, { SP_LIT_INIT("object"), SP_T_OBJ },
		{ SP_LIT_INIT("null"), SP_T_NULL },
	};

	for (size_t i = 0; i < SP_COUNT(types); i++)
		if (sp_eq(types[i].name, name))
			return types[i].bit;
	return 0;
}

static bool
is_nullable(const struct sp_reader *r, sp_jval *schema)
{
	return r->dialect == 30 && sp_jtrue(SP_JGET(schema, "nullable"));
}

uint32_t
sp_spec_types(const struct sp_reader *r, sp_jval *schema)
{
	sp_jval *type = SP_JGET(schema, "type");
	uint32_t bits = 0;

	if (sp_jis_str(type))
		bits = type_bit(sp_jtext(type)) | (is_nullable(r, schema) ? SP_T_NULL : 0);
	else
		for (struct sp_jiter it = sp_jeach(type); sp_jnext(&it);)
			bits |= type_bit(sp_jtext(it.val));
	return bits;
}

/* --- text --- */

static sp_slice
clean(struct sp_reader *r, sp_slice s, size_t max)
{
	sp_out_reset(&r->words);
	sp_utf8_clean(&r->words, s, max, true);
	s = sp_out_view(&r->words);
	while (s.n != 0 && (unsigned char)s.p[s.n - 1] <= ' ')
		s.n--;
	while (s.n != 0 && (unsigned char)s.p[0] <= ' ')
		sp_advance(&s, 1);
	return s;
}

enum sp_status
sp_spec_words(struct sp_reader *r, sp_jval *text, size_t max, sp_slice *out)
{
	sp_slice s = { NULL, 0 };

	if (sp_jis_str(text)) {
		s = sp_arena_copy(r->a, clean(r, sp_jtext(text), max));
		if (s.p == NULL)
			return sp_spec_full(r);
	}
	*out = s;
	return SP_OK;
}

/* --- references --- */

static struct sp_def *
def_slot(const struct sp_defs *d, sp_jval *schema)
{
	size_t i = ((uintptr_t)schema / sizeof(yyjson_val)) * 0x9e3779b97f4a7c15u >> 20 & (d->size - 1);

	while (d->slot[i].schema != NULL && d->slot[i].schema != schema)
		i = (i + 1) & (d->size - 1);
	return &d->slot[i];
}

static bool
defs_grow(struct sp_defs *d)
{
	struct sp_defs big = *d;

	if (d->used * 2 >= d->size) {
		big.size = d->size == 0 ? 256 : d->size * 2;
		big.slot = calloc(big.size, sizeof *big.slot);
		if (big.slot == NULL)
			return false;
		for (size_t i = 0; i < d->size; i++)
			if (d->slot[i].schema != NULL)
				*def_slot(&big, d->slot[i].schema) = d->slot[i];
		free(d->slot);
		*d = big;
	}
	if (d->n == d->cap) {
		uint32_t cap = d->cap == 0 ? 64 : d->cap * 2;
		void *list = reallocarray(d->list, cap, sizeof *d->list);

		if (list == NULL)
			return false;
		d->list = list;
		d->cap = cap;
	}
	return true;
}

/* The name under $defs of what `ref` points at. */
static enum sp_status
def_name(struct sp_reader *r, sp_slice ref, sp_slice *name)
{
	struct sp_defs *d = &r->defs;
	char buf[64];
	sp_jval *target, *end;
	sp_slice last = ref;
	struct sp_def *at;
	struct sp_out o;
	enum sp_status st = sp_spec_find(r, ref, &target);

	if (st == SP_OK)	/* a chain that bites its tail has no end to check against */
		st = sp_spec_deref(r, target, &end);
	if (st != SP_OK)
		return st;
	if (!defs_grow(d))
		return sp_spec_full(r);
	at = def_slot(d, target);
	if (at->schema == NULL) {
		while (sp_has_byte(last, '/'))
			sp_advance(&last, sp_find(last, SP_LIT("/")) + 1);
		sp_out_init(&o, buf, sizeof buf);
		sp_spec_name_clean(&o, last, sizeof buf);
		if (o.n == 0)
			sp_out_str(&o, "schema");
		st = sp_spec_name(r, &d->names, sp_out_view(&o), &at->name);
		if (st != SP_OK)
			return st;
		at->schema = target;
		at->round = 0;
		d->used++;
	}
	if (at->round != d->round) {
		at->round = d->round;
		d->list[d->n].schema = target;
		d->list[d->n++].name = at->name;
	}
	*name = at->name;
	return SP_OK;
}

void
sp_spec_defs_reset(struct sp_reader *r)
{
	r->defs.n = 0;
	r->defs.round++;
}

enum sp_status
sp_spec_defs_write(struct sp_reader *r)
{
	sp_out_str(&r->text, r->defs.n == 0 ? "" : ",\"$defs\":{");
	/* The list grows while it is written. */
	for (uint32_t i = 0; i < r->defs.n; i++) {
		enum sp_status st;

		sp_out_str(&r->text, i == 0 ? "" : ",");
		sp_jout_str(&r->text, r->defs.list[i].name);
		sp_out_byte(&r->text, ':');
		st = sp_spec_schema(r, r->defs.list[i].schema, (sp_slice){ NULL, 0 });
		if (st != SP_OK)
			return st;
		if (r->text.full)
			break;
	}
	sp_out_str(&r->text, r->defs.n == 0 ? "" : "}");
	return SP_OK;
}

/* --- one schema --- */

struct emit {
	struct sp_reader *r;
	sp_jval *schema;
	bool	 any;		/* a member was written */
};

static void
key_out(struct emit *m, sp_slice name)
{
	sp_out_str(&m->r->text, m->any ? "," : "");
	sp_jout_str(&m->r->text, name);
	sp_out_byte(&m->r->text, ':');
	m->any = true;
}

static void
copy_out(struct emit *m, sp_slice name, sp_jval *v)
{
	key_out(m, name);
	sp_jwrite(&m->r->text, v);
}

static bool
is_read_only(struct sp_reader *r, sp_jval *property)
{
	sp_jval *end;

	/* A reference that leads nowhere is reported where it is written out. */
	return sp_jtrue(SP_JGET(property, "readOnly")) ||
	    (sp_spec_deref(r, property, &end) == SP_OK && sp_jtrue(SP_JGET(end, "readOnly")));
}

/* What the caller may not send is not there; a name that is there for answers only refuses every value. */
static enum sp_status
map_out(struct emit *m, sp_slice name, sp_jval *v)
{
	bool properties = sp_eq(name, SP_LIT("properties")), any = false;
	enum sp_status st;

	if (!sp_jis_obj(v))
		return sp_spec_skip(m->r, "a schema has a \"%.*s\" that is no object", SP_PRI(name));
	key_out(m, name);
	sp_out_byte(&m->r->text, '{');
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it); any = true) {
		sp_out_str(&m->r->text, any ? "," : "");
		sp_jout_str(&m->r->text, it.key);
		sp_out_byte(&m->r->text, ':');
		if (properties && is_read_only(m->r, it.val)) {
			sp_out_str(&m->r->text, "{\"not\":{}}");
			continue;
		}
		st = sp_spec_schema(m->r, it.val, (sp_slice){ NULL, 0 });
		if (st != SP_OK)
			return st;
	}
	sp_out_byte(&m->r->text, '}');
	return SP_OK;
}

static enum sp_status
list_out(struct emit *m, sp_slice name, sp_jval *v)
{
	enum sp_status st;

	if (!sp_jis_arr(v))
		return sp_spec_skip(m->r, "a schema has a \"%.*s\" that is no array", SP_PRI(name));
	key_out(m, name);
	sp_out_byte(&m->r->text, '[');
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);) {
		sp_out_str(&m->r->text, it.idx != 0 ? "," : "");
		st = sp_spec_schema(m->r, it.val, (sp_slice){ NULL, 0 });
		if (st != SP_OK)
			return st;
	}
	sp_out_byte(&m->r->text, ']');
	return SP_OK;
}

static void
type_out(struct emit *m, sp_jval *v)
{
	if (!sp_jis_str(v) || !is_nullable(m->r, m->schema)) {
		copy_out(m, SP_LIT("type"), v);
		return;
	}
	key_out(m, SP_LIT("type"));
	sp_out_byte(&m->r->text, '[');
	sp_jwrite(&m->r->text, v);
	sp_out_str(&m->r->text, ",\"null\"]");
}

/* OpenAPI: "required" of a property that is for answers only binds answers only. */
static void
required_out(struct emit *m, sp_jval *v)
{
	sp_jval *properties = SP_JGET(m->schema, "properties");
	bool any = false;

	if (sp_jis_bool(v))	/* a parameter of Swagger 2.0, or a habit of its first version */
		return;
	if (!sp_jis_arr(v)) {
		copy_out(m, SP_LIT("required"), v);
		return;
	}
	key_out(m, SP_LIT("required"));
	sp_out_byte(&m->r->text, '[');
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);) {
		sp_jval *p = sp_jis_str(it.val) ? sp_spec_get(m->r, properties, sp_jtext(it.val)) : NULL;

		if (p != NULL && is_read_only(m->r, p))
			continue;
		sp_out_str(&m->r->text, any ? "," : "");
		sp_jwrite(&m->r->text, it.val);
		any = true;
	}
	sp_out_byte(&m->r->text, ']');
}

/* Before 2020-12 "exclusiveMinimum" was a switch beside "minimum". */
static void
bound_out(struct emit *m, sp_slice name, sp_jval *v, sp_jval *other, bool exclusive)
{
	if (exclusive && sp_jis_bool(v)) {
		if (sp_jtrue(v) && other != NULL)
			copy_out(m, name, other);
		return;
	}
	if (!exclusive && sp_jtrue(other))
		return;
	copy_out(m, name, v);
}

static enum sp_status
ref_out(struct emit *m, sp_jval *ref)
{
	sp_slice name;
	enum sp_status st = def_name(m->r, sp_jtext(ref), &name);

	if (st != SP_OK)
		return st;
	key_out(m, SP_LIT("$ref"));
	sp_out_str(&m->r->text, "\"#/$defs/");
	sp_out_slice(&m->r->text, name);	/* of a name's characters only: nothing to escape */
	sp_out_byte(&m->r->text, '"');
	return SP_OK;
}

static enum sp_status
member_out(struct emit *m, sp_slice name, sp_jval *v, bool own_words)
{
	enum sp_status st;

	switch (keyword_kind(name)) {
	case COPY:
		copy_out(m, name, v);
		return SP_OK;
	case FORMAT:	/* the bytes of a file cannot stand in JSON: the caller gives them as base64 */
		if (m->r->base64 && sp_eq(sp_jtext(v), SP_LIT("binary")))
			key_out(m, SP_LIT("contentEncoding")), sp_out_str(&m->r->text, "\"base64\"");
		else
			copy_out(m, name, v);
		return SP_OK;
	case WORDS:
		if (!sp_jis_str(v) || (own_words && sp_eq(name, SP_LIT("description"))))
			return SP_OK;
		key_out(m, name);
		sp_jout_str(&m->r->text, clean(m->r, sp_jtext(v), SP_SPEC_WORDS));
		return SP_OK;
	case SCHEMA:
		key_out(m, name);
		st = sp_spec_schema(m->r, v, (sp_slice){ NULL, 0 });
		return st;
	case LIST:
		return list_out(m, name, v);
	case MAP:
		return map_out(m, name, v);
	case TYPE:
		type_out(m, v);
		return SP_OK;
	case REQUIRED:
		required_out(m, v);
		return SP_OK;
	case LOW:
		bound_out(m, name, v, SP_JGET(m->schema, "exclusiveMinimum"), false);
		return SP_OK;
	case HIGH:
		bound_out(m, name, v, SP_JGET(m->schema, "exclusiveMaximum"), false);
		return SP_OK;
	case ABOVE:
		bound_out(m, name, v, SP_JGET(m->schema, "minimum"), true);
		return SP_OK;
	case BELOW:
		bound_out(m, name, v, SP_JGET(m->schema, "maximum"), true);
		return SP_OK;
	case NEVER:
		return sp_spec_skip(m->r, "a schema uses %.*s, which is not supported", SP_PRI(name));
	}
	return SP_OK;
}

enum sp_status
sp_spec_schema(struct sp_reader *r, sp_jval *schema, sp_slice words)
{
	struct emit m = { .r = r, .schema = schema };
	sp_jval *ref = SP_JGET(schema, "$ref");
	enum sp_status st = SP_OK;

	if (sp_jis_bool(schema)) {
		sp_out_str(&r->text, sp_jtrue(schema) ? "{}" : "{\"not\":{}}");
		return SP_OK;
	}
	if (!sp_jis_obj(schema))
		return sp_spec_skip(r, "a schema is neither an object nor a boolean");
	sp_out_byte(&r->text, '{');
	if (sp_jis_str(ref))
		st = ref_out(&m, ref);
	/* Before 3.1 whatever stands beside a reference is not there. */
	if (!sp_jis_str(ref) || r->dialect == 31)
		for (struct sp_jiter it = sp_jeach(schema); st == SP_OK && !r->text.full && sp_jnext(&it);)
			st = member_out(&m, it.key, it.val, words.n != 0);
	if (st != SP_OK)
		return st;
	if (words.n != 0) {
		key_out(&m, SP_LIT("description"));
		sp_jout_str(&r->text, words);
	}
	sp_out_byte(&r->text, '}');
	return SP_OK;
}
