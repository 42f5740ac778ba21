/* One operation of a document as a tool: its body, its input schema, its security. */
#include "openapi/spec_int.h"

#include "base/utf8.h"
#include "schema/schema.h"

struct body {
	enum sp_body_kind kind;
	bool	 required;
	sp_slice media;
	sp_jval *schema;	/* as written */
	sp_jval *flat;		/* what it refers to, when its members become arguments */
	sp_jval *words;
};

/* --- which body --- */

/* The type without parameters, when it is JSON. */
static bool
is_json(sp_slice media, sp_slice *essence)
{
	sp_slice s = media, rest;

	if (sp_take_to(&s, ';', &rest))
		s = rest;
	s = sp_trim(s);
	if (s.n == 0 || s.n > 128)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '/' && !sp_is_tchar((unsigned char)s.p[i]))
			return false;
	if (sp_eq(s, SP_LIT("*/*")) || sp_eq_nocase(s, SP_LIT("application/*")) ||
	    sp_eq_nocase(s, SP_LIT("application/json"))) {
		*essence = SP_LIT("application/json");
		return true;
	}
	*essence = s;
	return s.n > 5 && sp_eq_nocase(sp_sub(s, s.n - 5, 5), SP_LIT("+json"));
}

static enum sp_status
no_json(struct sp_reader *r, sp_slice media)
{
	return sp_spec_skip(r, "the body is %.*s; only JSON is supported", SP_PRI(media));
}

/* Swagger 2.0: the type stands under "consumes" of the operation or of the document. */
static enum sp_status
body_old(struct sp_reader *r, sp_jval *op, sp_jval *param, struct body *b)
{
	sp_jval *types = SP_JGET(op, "consumes");
	sp_slice got;

	if (param == NULL)
		return SP_OK;
	if (!sp_jis_arr(types))
		types = SP_JGET(r->root, "consumes");
	b->media = SP_LIT("application/json");
	b->schema = SP_JGET(param, "schema");
	b->required = sp_jtrue(SP_JGET(param, "required"));
	b->words = SP_JGET(param, "description");
	b->kind = SP_BODY_ARG;
	if (yyjson_arr_size(types) == 0)
		return SP_OK;
	for (struct sp_jiter it = sp_jeach(types); sp_jnext(&it);)
		if (is_json(sp_jtext(it.val), &got)) {
			b->media = got;
			if (sp_eq(got, SP_LIT("application/json")))
				break;
		} else if (it.idx == 0) {
			b->media = SP_LIT("");
		}
	return b->media.n == 0 ? no_json(r, sp_jtext(yyjson_arr_get_first(types))) : SP_OK;
}

static enum sp_status
body_new(struct sp_reader *r, sp_jval *op, struct body *b)
{
	sp_jval *body = SP_JGET(op, "requestBody"), *content;
	sp_slice got, first = SP_LIT("of no type");
	enum sp_status st = sp_spec_deref(r, body, &body);

	if (st != SP_OK || body == NULL)
		return st;
	content = SP_JGET(body, "content");
	for (struct sp_jiter it = sp_jeach(content); sp_jnext(&it);) {
		if (it.idx == 0)
			first = it.key;
		if (!is_json(it.key, &got))
			continue;
		b->kind = SP_BODY_ARG;
		b->media = got;
		b->schema = SP_JGET(it.val, "schema");
		if (sp_eq(got, SP_LIT("application/json")))
			break;
	}
	if (b->kind == SP_BODY_NONE)
		return no_json(r, first);
	b->required = sp_jtrue(SP_JGET(body, "required"));
	b->words = SP_JGET(body, "description");
	return SP_OK;
}

/* Keywords beside which the members can stand on their own. */
static bool
is_plain_keyword(sp_slice k)
{
	static const sp_slice plain[] = {
		SP_LIT_INIT("type"), SP_LIT_INIT("properties"), SP_LIT_INIT("required"),
		SP_LIT_INIT("additionalProperties"), SP_LIT_INIT("title"), SP_LIT_INIT("description"),
		SP_LIT_INIT("example"), SP_LIT_INIT("examples"), SP_LIT_INIT("xml"), SP_LIT_INIT("externalDocs"),
		SP_LIT_INIT("discriminator"), SP_LIT_INIT("deprecated"), SP_LIT_INIT("default"),
		SP_LIT_INIT("readOnly"), SP_LIT_INIT("writeOnly"), SP_LIT_INIT("nullable"), SP_LIT_INIT("format"),
		SP_LIT_INIT("$comment"),
	};

	for (size_t i = 0; i < SP_COUNT(plain); i++)
		if (sp_eq(k, plain[i]))
			return true;
	return sp_starts(k, SP_LIT("x-"));
}

/* An object whose members are described and that says nothing more becomes arguments of the tool. */
static bool
is_flat(const struct sp_reader *r, sp_jval *written, sp_jval *schema)
{
	uint32_t types = sp_spec_types(r, schema);
	sp_jval *members = SP_JGET(schema, "properties");

	if (yyjson_obj_size(members) == 0 || (types & ~(uint32_t)SP_T_NULL & ~(uint32_t)SP_T_OBJ) != 0)
		return false;
	if (written != schema && r->dialect == 31 && yyjson_obj_size(written) != 1)
		return false;	/* keywords beside the reference count, too */
	for (struct sp_jiter it = sp_jeach(schema); sp_jnext(&it);)
		if (!is_plain_keyword(it.key))
			return false;
	return true;
}

static enum sp_status
body_read(struct sp_reader *r, sp_jval *op, unsigned method, sp_jval *param, struct body *b)
{
	sp_jval *schema;
	enum sp_status st;

	*b = (struct body){ 0 };
	/* RFC 9110 section 9.3.1: content in a GET has no meaning. */
	if (method == SP_GET || method == SP_HEAD)
		return SP_OK;
	st = r->dialect == 20 ? body_old(r, op, param, b) : body_new(r, op, b);
	if (st != SP_OK || b->schema == NULL)
		return st;
	st = sp_spec_deref(r, b->schema, &schema);
	if (st == SP_OK && is_flat(r, b->schema, schema)) {
		b->kind = SP_BODY_FLAT;
		b->flat = schema;
	}
	return st;
}

/* --- the input schema --- */

struct input {
	struct sp_reader *r;
	const struct sp_params *ps;
	const struct body *b;
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

/* Does the body take members that are not described?  Only if it says so. */
static bool
is_open(const struct body *b)
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
		sp_jval *v = in->ps->obj[i];

		name_out(in, in->ps->p[i].arg);
		st = schema_out(r, sp_spec_param_schema(r, v), r->dialect == 20 ? NULL : SP_JGET(v, "description"));
	}
	if (in->b->kind == SP_BODY_ARG && st == SP_OK) {
		name_out(in, SP_LIT("body"));
		return schema_out(r, in->b->schema, in->b->words);
	}
	for (struct sp_jiter it = sp_jeach(SP_JGET(in->b->flat, "properties")); st == SP_OK && sp_jnext(&it);) {
		bool only = is_read_only(r, it.val);

		if (only && !is_open(in->b))
			continue;
		name_out(in, it.key);
		if (only)
			sp_out_str(&r->text, "{\"not\":{}}");
		else
			st = sp_spec_schema(r, it.val, (sp_slice){ NULL, 0 });
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
input_write(struct sp_reader *r, const struct sp_params *ps, const struct body *b)
{
	struct input in = { r, ps, b, false };
	enum sp_status st;

	sp_spec_defs_reset(r);
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

static enum sp_status
input_read(struct sp_reader *r, const struct sp_params *ps, const struct body *b, sp_slice *out)
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

/* --- the rest --- */

static bool
is_printable(struct sp_reader *r, sp_slice s)
{
	sp_out_reset(&r->words);
	sp_utf8_clean(&r->words, s, SP_SPEC_WORDS, false);
	return sp_eq(sp_out_view(&r->words), s);
}

static enum sp_status
tags_read(struct sp_reader *r, sp_jval *tags, struct sp_spec_op *out)
{
	size_t n = yyjson_arr_size(tags);

	/* Rules guard by tag: one that cannot be kept as it is must not be lost. */
	if (tags != NULL && (!sp_jis_arr(tags) || n > SP_SPEC_TAGS))
		return sp_spec_skip(r, "\"tags\" is no list, or has more than %d", SP_SPEC_TAGS);
	out->tags = sp_arena_get(r->a, n * sizeof *out->tags);
	if (out->tags == NULL)
		return sp_spec_full(r);
	for (struct sp_jiter it = sp_jeach(tags); sp_jnext(&it);) {
		sp_slice s = sp_jtext(it.val);

		if (!sp_jis_str(it.val) || s.n == 0 || s.n > 256 || !is_printable(r, s))
			return sp_spec_skip(r, "a tag is no text, empty, longer than 256 bytes or has control "
			    "characters");
		s = sp_arena_copy(r->a, s);
		if (s.p == NULL)
			return sp_spec_full(r);
		out->tags[out->ntags++] = s;
	}
	return SP_OK;
}

/* The credential is bound to one origin: an operation that names another server is not ours to call. */
static enum sp_status
servers_check(struct sp_reader *r, sp_jval *where)
{
	sp_jval *list = SP_JGET(where, "servers");
	sp_slice first = sp_jtext(SP_JGET(yyjson_arr_get_first(list), "url"));

	if (r->dialect == 20 || list == NULL || (sp_jis_arr(list) && yyjson_arr_size(list) == 0))
		return SP_OK;
	if (first.n != 0 && sp_eq(first, r->base_server))
		return SP_OK;
	return sp_spec_skip(r, "it has servers of its own (%.*s)", SP_PRI(first));
}

static enum sp_status
words_read(struct sp_reader *r, sp_jval *op, struct sp_spec_op *out)
{
	enum sp_status st = sp_spec_words(r, SP_JGET(op, "summary"), 256, &out->title);

	if (st == SP_OK)
		st = sp_spec_words(r, SP_JGET(op, "description"), SP_SPEC_WORDS, &out->description);
	if (st == SP_OK && out->description.n == 0)
		st = sp_spec_words(r, SP_JGET(op, "summary"), SP_SPEC_WORDS, &out->description);
	if (st != SP_OK || out->description.n != 0)
		return st;
	sp_out_reset(&r->own_words);
	sp_out_slice(&r->own_words, sp_method_name((enum sp_method)out->method));
	sp_out_byte(&r->own_words, ' ');
	sp_utf8_clean(&r->own_words, out->path, SP_SPEC_WORDS - 16, false);
	out->description = sp_arena_copy(r->a, sp_out_view(&r->own_words));
	return out->description.p == NULL ? sp_spec_full(r) : SP_OK;
}

static enum sp_status
security_read(struct sp_reader *r, sp_jval *op, struct sp_spec_op *out)
{
	sp_jval *own = SP_JGET(op, "security");
	struct sp_security s = r->security;
	enum sp_status st;

	if (own != NULL) {
		st = sp_spec_security(r, own, &s);
		if (st != SP_OK)
			return st;
	} else if (r->security_st != SP_OK) {
		return sp_spec_skip(r, "%s", r->security_why);
	}
	out->noptions = s.n;
	out->options = s.options;
	out->nneed = s.nneed;
	return SP_OK;
}

enum sp_status
sp_spec_op_read(struct sp_reader *r, sp_jval *item, sp_jval *op, struct sp_spec_op *out)
{
	struct sp_params ps = { .n = 0 };
	struct body b;
	sp_slice arg;
	enum sp_status st;

	if (out->method == SP_TRACE)
		return sp_spec_skip(r, "TRACE echoes credentials");
	st = servers_check(r, item);
	if (st == SP_OK)
		st = servers_check(r, op);
	if (st == SP_OK)
		st = security_read(r, op, out);
	if (st == SP_OK)
		st = tags_read(r, SP_JGET(op, "tags"), out);
	if (st == SP_OK)
		st = sp_spec_params(r, item, op, out->path, &ps);
	if (st == SP_OK)
		st = body_read(r, op, out->method, ps.body, &b);
	if (st != SP_OK)
		return st;
	arg = b.kind == SP_BODY_ARG ? SP_LIT("body") : SP_LIT("");
	st = sp_spec_args(r, &ps, SP_JGET(b.flat, "properties"), arg);
	if (st == SP_OK)
		st = input_read(r, &ps, &b, &out->schema);
	if (st == SP_OK)
		st = words_read(r, op, out);
	if (st != SP_OK)
		return st;
	out->params = ps.p;
	out->nparams = ps.n;
	out->body = b.kind;
	out->body_arg = arg;
	out->body_required = b.required;
	out->media = sp_arena_copy(r->a, b.media);
	return out->media.p == NULL ? sp_spec_full(r) : SP_OK;
}
