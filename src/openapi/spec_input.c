/* The inputSchema of an operation: its parameters and the members of its body, self-contained. */
#include "openapi/spec_int.h"

#include "base/utf8.h"
#include "schema/schema.h"

struct input {
	struct sp_reader *r;
	const struct sp_params *ps;
	const struct sp_body *b;
	bool any;
};

static void
name_out(struct input *in, sp_slice name)
{
	sp_out_str(&in->r->text, in->any ? "," : "");
	sp_jout_str(&in->r->text, name);
	sp_out_byte(&in->r->text, ':');
	in->any = true;
}

static sp_slice
own_words(struct sp_reader *r, sp_jval *text)
{
	sp_out_reset(&r->own_words);
	if (sp_jis_str(text))
		sp_utf8_clean(&r->own_words, sp_jtext(text), SP_SPEC_WORDS, true);
	return sp_out_view(&r->own_words);
}

static enum sp_status
schema_out(struct sp_reader *r, sp_jval *schema, sp_jval *words)
{
	sp_slice said = own_words(r, words);

	if (schema != NULL)
		return sp_spec_schema(r, schema, said);
	sp_out_byte(&r->text, '{');
	if (said.n != 0) {
		sp_out_str(&r->text, "\"description\":");
		sp_jout_str(&r->text, said);
	}
	sp_out_byte(&r->text, '}');
	return SP_OK;
}

static bool
is_read_only(struct sp_reader *r, sp_jval *property)
{
	sp_jval *end;

	return sp_jtrue(SP_JGET(property, "readOnly")) ||
	    (sp_spec_deref(r, property, &end) == SP_OK && sp_jtrue(SP_JGET(end, "readOnly")));
}

/*
 * A parameter that is an object and written out member by member puts names into the request: only described ones,
 * unless the document says that others are welcome.
 */
static bool
is_spread(struct sp_reader *r, const struct sp_spec_param *p, sp_jval *schema)
{
	sp_jval *end;

	if (!p->explode || (p->type & SP_T_OBJ) == 0 || p->style == SP_STYLE_DEEP || p->style == SP_STYLE_JSON ||
	    sp_spec_deref(r, schema, &end) != SP_OK)
		return false;
	return yyjson_obj_size(SP_JGET(end, "properties")) != 0 && SP_JGET(end, "additionalProperties") == NULL;
}

static enum sp_status
param_out(struct sp_reader *r, const struct sp_spec_param *p, sp_jval *v)
{
	sp_jval *schema = sp_spec_param_schema(r, v), *words = r->dialect == 20 ? NULL : SP_JGET(v, "description");
	enum sp_status st;

	if (schema == NULL || !is_spread(r, p, schema))
		return schema_out(r, schema, words);
	sp_out_str(&r->text, "{\"allOf\":[");
	st = schema_out(r, schema, words);
	sp_out_str(&r->text, "],\"unevaluatedProperties\":false}");
	return st;
}

static void
said_out(struct sp_reader *r, sp_jval *words, const char *else_said, sp_slice media)
{
	sp_slice said = own_words(r, words);

	sp_out_str(&r->text, "\"description\":");
	if (said.n != 0) {
		sp_jout_str(&r->text, said);
		return;
	}
	sp_out_byte(&r->text, '"');
	sp_out_str(&r->text, else_said);
	sp_jout_part(&r->text, media);
	sp_out_byte(&r->text, '"');
}

/* Bytes cannot stand in JSON: the caller gives them as base64, for a file also with its name. */
static void
bytes_out(struct sp_reader *r, sp_jval *words)
{
	sp_out_str(&r->text, "{\"type\":[\"string\",\"object\"],\"contentEncoding\":\"base64\",\"properties\":{"
	    "\"data\":{\"type\":\"string\",\"contentEncoding\":\"base64\"},\"filename\":{\"type\":\"string\"}},"
	    "\"required\":[\"data\"],\"additionalProperties\":false,");
	said_out(r, words, "the file's bytes as base64, alone or with a file name", SP_LIT(""));
	sp_out_byte(&r->text, '}');
}

/* The argument that is the whole body. */
static enum sp_status
whole_out(struct sp_reader *r, const struct sp_body *b)
{
	if (b->encode == SP_ENC_TEXT || b->encode == SP_ENC_BASE64) {
		sp_out_str(&r->text, "{\"type\":\"string\",");
		if (b->encode == SP_ENC_BASE64)
			sp_out_str(&r->text, "\"contentEncoding\":\"base64\",");
		said_out(r, b->words, b->encode == SP_ENC_TEXT ? "the body, as the text of " :
		    "the body, as base64 of ", b->media);
		sp_out_byte(&r->text, '}');
		return SP_OK;
	}
	if (b->schema == NULL && b->encode != SP_ENC_JSON) {
		sp_out_str(&r->text, "{\"type\":\"object\"}");
		return SP_OK;
	}
	return schema_out(r, b->schema, b->words);
}

/* One member of the body. */
static enum sp_status
member_out(struct input *in, sp_slice name, sp_jval *v)
{
	const struct sp_spec_part *p = sp_spec_part_find(in->b, name);
	struct sp_reader *r = in->r;
	sp_jval *end = v;
	enum sp_status st;

	if (p == NULL || p->kind != SP_PART_BASE64)
		return sp_spec_schema(r, v, (sp_slice){ NULL, 0 });
	st = sp_spec_deref(r, v, &end);
	if (st != SP_OK)
		return st;
	if ((sp_spec_types(r, end) & SP_T_ARR) == 0) {
		bytes_out(r, SP_JGET(end, "description"));
		return SP_OK;
	}
	sp_out_str(&r->text, "{\"type\":\"array\",\"items\":");
	bytes_out(r, SP_JGET(end, "description"));
	sp_out_byte(&r->text, '}');
	return SP_OK;
}

/* Does the body take members that are not described?  Only if it says so. */
static bool
is_open(const struct sp_body *b)
{
	sp_jval *more = SP_JGET(b->flat, "additionalProperties");

	return sp_jtrue(more) || sp_jis_obj(more);
}

static enum sp_status
properties_out(struct input *in)
{
	struct sp_reader *r = in->r;
	enum sp_status st = SP_OK;

	for (uint32_t i = 0; i < in->ps->n && st == SP_OK; i++) {
		name_out(in, in->ps->p[i].arg);
		st = param_out(r, &in->ps->p[i], in->ps->obj[i]);
	}
	r->base64 = in->b->encode == SP_ENC_MULTIPART;
	if (in->b->kind == SP_BODY_ARG && st == SP_OK) {
		name_out(in, SP_LIT("body"));
		return whole_out(r, in->b);
	}
	for (uint32_t i = 0; i < in->ps->nform && st == SP_OK; i++) {
		sp_slice name = sp_jtext(SP_JGET(in->ps->form[i], "name"));

		name_out(in, name);
		st = member_out(in, name, in->ps->form[i]);
	}
	for (struct sp_jiter it = sp_jeach(SP_JGET(in->b->flat, "properties")); st == SP_OK && sp_jnext(&it);) {
		bool only = is_read_only(r, it.val);

		if (only && !is_open(in->b))
			continue;
		name_out(in, it.key);
		if (only)
			sp_out_str(&r->text, "{\"not\":{}}");
		else
			st = member_out(in, it.key, it.val);
	}
	return st;
}

static void
required_name(struct input *in, sp_slice name)
{
	sp_out_str(&in->r->text, in->any ? "," : ",\"required\":[");
	sp_jout_str(&in->r->text, name);
	in->any = true;
}

/*
 * A described member that the body requires is required of the caller even where the document forgot to call the
 * body itself required: most do.
 */
static enum sp_status
required_out(struct input *in)
{
	sp_jval *list = SP_JGET(in->b->flat, "required"), *p;

	in->any = false;
	for (uint32_t i = 0; i < in->ps->n; i++)
		if (in->ps->p[i].required)
			required_name(in, in->ps->p[i].arg);
	if (in->b->kind == SP_BODY_ARG && in->b->required)
		required_name(in, SP_LIT("body"));
	for (uint32_t i = 0; i < in->ps->nform; i++)
		if (sp_jtrue(SP_JGET(in->ps->form[i], "required")))
			required_name(in, sp_jtext(SP_JGET(in->ps->form[i], "name")));
	if (list != NULL && !sp_jis_arr(list) && !sp_jis_bool(list))
		return sp_spec_skip(in->r, "\"required\" of the body is no list");
	for (struct sp_jiter it = sp_jeach(list); sp_jnext(&it);) {
		if (!sp_jis_str(it.val))
			return sp_spec_skip(in->r, "\"required\" of the body is no list of names");
		p = sp_spec_get(in->r, SP_JGET(in->b->flat, "properties"), sp_jtext(it.val));
		/* A name that is not described and may not be sent could never be given. */
		if ((p != NULL && is_read_only(in->r, p)) || (p == NULL && !is_open(in->b)))
			continue;
		required_name(in, sp_jtext(it.val));
	}
	sp_out_str(&in->r->text, in->any ? "]" : "");
	return SP_OK;
}

static enum sp_status
input_write(struct sp_reader *r, const struct sp_params *ps, const struct sp_body *b)
{
	struct input in = { r, ps, b, false };
	enum sp_status st;

	sp_spec_defs_reset(r);
	r->base64 = false;
	sp_out_str(&r->text, "{\"type\":\"object\",\"properties\":{");
	st = properties_out(&in);
	if (st != SP_OK)
		return st;
	sp_out_byte(&r->text, '}');
	st = required_out(&in);
	if (st != SP_OK)
		return st;
	sp_out_str(&r->text, ",\"additionalProperties\":");
	if (is_open(b))
		st = sp_spec_schema(r, SP_JGET(b->flat, "additionalProperties"), (sp_slice){ NULL, 0 });
	else
		sp_out_str(&r->text, "false");
	if (st == SP_OK)
		st = sp_spec_defs_write(r);
	sp_out_byte(&r->text, '}');
	return st;
}

/* What could not be checked must not be offered: better found now than at the first call. */
static enum sp_status
input_check(struct sp_reader *r)
{
	SP_AUTO(sp_schema_free) struct sp_schema *s = NULL;
	struct sp_err e;

	if (sp_schema_new(sp_out_view(&r->text), &s, &e) == SP_OK)
		return SP_OK;
	return sp_spec_skip(r, "its input cannot be checked: %.200s", e.log);
}

enum sp_status
sp_spec_input(struct sp_reader *r, const struct sp_params *ps, const struct sp_body *b, sp_slice *out)
{
	enum sp_status st;

	sp_out_reset(&r->text);
	st = input_write(r, ps, b);
	if (r->text.n > r->work)
		return sp_fail(r->e, SP_E_CONFIG, NULL, "the tools' schemas are larger than %d MB together",
		    SP_SPEC_WORK >> 20);
	r->work -= r->text.n;
	if (st == SP_OK && r->text.full)
		st = sp_spec_skip(r, "its input schema is larger than %d kB", SP_SPEC_SCHEMA >> 10);
	if (st == SP_OK)
		st = input_check(r);
	if (st != SP_OK)
		return st;
	*out = sp_arena_copy(r->a, sp_out_view(&r->text));
	return out->p == NULL ? sp_spec_full(r) : SP_OK;
}
