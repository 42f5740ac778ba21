/* The body of an operation: which of its media types is sent, and how its members become arguments. */
#include "openapi/spec_int.h"

enum { DEEP = 6, PART_COST = 128 };

/* --- media types --- */

sp_slice
sp_spec_media(sp_slice media)
{
	sp_slice s = media, rest;

	if (sp_take_to(&s, ';', &rest))
		s = rest;
	s = sp_trim(s);
	if (s.n > 128 || !sp_has_byte(s, '/'))
		return SP_LIT("");
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '/' && !sp_is_tchar((unsigned char)s.p[i]))
			return SP_LIT("");
	return s;
}

static bool
ends_nocase(sp_slice s, sp_slice end)
{
	return s.n > end.n && sp_eq_nocase(sp_sub(s, s.n - end.n, end.n), end);
}

bool
sp_spec_media_json(sp_slice s)
{
	return ends_nocase(s, SP_LIT("/json")) || ends_nocase(s, SP_LIT("+json"));
}

static bool
is_text(sp_slice s)
{
	static const sp_slice named[] = {
		SP_LIT_INIT("application/xml"), SP_LIT_INIT("application/yaml"), SP_LIT_INIT("application/x-yaml"),
		SP_LIT_INIT("application/x-ndjson"), SP_LIT_INIT("application/jsonl"), SP_LIT_INIT("application/graphql"),
		SP_LIT_INIT("application/sql"), SP_LIT_INIT("application/javascript"), SP_LIT_INIT("application/toml"),
		SP_LIT_INIT("application/sparql-query"), SP_LIT_INIT("application/sparql-update"),
		SP_LIT_INIT("application/jwt"), SP_LIT_INIT("application/csv"),
	};
	sp_slice t = s;

	if (sp_take_nocase(&t, SP_LIT("text/")) || ends_nocase(s, SP_LIT("+xml")) || ends_nocase(s, SP_LIT("+yaml")) ||
	    ends_nocase(s, SP_LIT("+text")))
		return true;
	for (size_t i = 0; i < SP_COUNT(named); i++)
		if (sp_eq_nocase(s, named[i]))
			return true;
	return false;
}

/* How well we can send it: the smaller the better; 0: not at all. */
static unsigned
rank(sp_slice media, enum sp_body_encode *encode, sp_slice *sent)
{
	sp_slice s = sp_spec_media(media), t = s;

	*sent = s;
	*encode = SP_ENC_JSON;
	if (s.n == 0)
		return 0;
	if (sp_eq_nocase(s, SP_LIT("application/json")))
		return 1;
	if (sp_spec_media_json(s))
		return 2;
	*sent = SP_LIT("application/json");
	if (sp_eq(s, SP_LIT("*/*")) || sp_eq_nocase(s, SP_LIT("application/*")))
		return 3;
	*sent = s;
	*encode = SP_ENC_FORM;
	if (sp_eq_nocase(s, SP_LIT("application/x-www-form-urlencoded")))
		return 4;
	*encode = SP_ENC_MULTIPART;
	if (sp_eq_nocase(s, SP_LIT("multipart/form-data")))
		return 5;
	if (sp_take_nocase(&t, SP_LIT("multipart/")))
		return 0;
	*encode = SP_ENC_TEXT;
	if (sp_has_byte(s, '*'))
		*sent = sp_eq_nocase(s, SP_LIT("text/*")) ? SP_LIT("text/plain") : SP_LIT("application/octet-stream");
	if (sp_eq_nocase(*sent, SP_LIT("text/plain")))
		return 6;
	if (is_text(*sent))
		return 7;
	*encode = SP_ENC_BASE64;
	return 8;
}

struct choice { unsigned best; sp_slice first; };

/* Takes this media type when it is better than what there was. */
static void
offer(struct choice *c, sp_slice media, sp_jval *object, struct sp_body *b)
{
	enum sp_body_encode encode;
	sp_slice sent;
	unsigned n = rank(media, &encode, &sent);

	if (c->first.p == NULL)
		c->first = media;
	if (n == 0 || (c->best != 0 && n >= c->best))
		return;
	c->best = n;
	b->kind = SP_BODY_ARG;
	b->encode = encode;
	b->media = sent;
	b->schema = SP_JGET(object, "schema");
	b->encoding = SP_JGET(object, "encoding");
}

static enum sp_status
no_media(struct sp_reader *r, const struct choice *c)
{
	return sp_spec_skip(r, "the body is %.*s, which is not supported", SP_PRI(c->first.p == NULL ?
	    SP_LIT("of no type") : c->first));
}

/* --- schemas of members --- */

static bool
is_binary(const struct sp_reader *r, sp_jval *schema)
{
	uint32_t types = sp_spec_types(r, schema);
	sp_slice format = sp_jtext(SP_JGET(schema, "format"));

	if (r->dialect == 20 && sp_eq(sp_jtext(SP_JGET(schema, "type")), SP_LIT("file")))
		return true;
	if ((types & ~(uint32_t)(SP_T_STR | SP_T_NULL)) != 0 || SP_JGET(schema, "contentEncoding") != NULL)
		return false;
	if (r->dialect == 31 && SP_JGET(schema, "contentMediaType") != NULL)
		return true;
	return (types & SP_T_STR) != 0 && (sp_eq(format, SP_LIT("binary")) || sp_eq(format, SP_LIT("file")));
}

/* Itself, or what it is a list of. */
static bool
holds_binary(struct sp_reader *r, sp_jval *schema)
{
	sp_jval *items;

	if (is_binary(r, schema))
		return true;
	return (sp_spec_types(r, schema) & SP_T_ARR) != 0 &&
	    sp_spec_deref(r, SP_JGET(schema, "items"), &items) == SP_OK && is_binary(r, items);
}

/* --- parts --- */

const struct sp_spec_part *
sp_spec_part_find(const struct sp_body *b, sp_slice name)
{
	for (uint32_t i = 0; i < b->nparts; i++)
		if (sp_eq(b->parts[i].name, name))
			return &b->parts[i];
	return NULL;
}

/* The first whole type of a list of them. */
static sp_slice
first_media(sp_slice list)
{
	sp_slice one;

	while (sp_take_part(&list, ',', &one)) {
		one = sp_spec_media(one);
		if (one.n != 0 && !sp_has_byte(one, '*'))
			return one;
	}
	return SP_LIT("");
}

/* Only what differs from the plainest way is kept. */
static enum sp_status
part_keep(struct sp_reader *r, struct sp_body *b, const struct sp_spec_part *p)
{
	struct sp_spec_part *to;

	if (p->kind == SP_PART_TEXT && p->style == SP_STYLE_FORM && p->explode && p->media.n == 0)
		return SP_OK;
	if (sp_spec_part_find(b, p->name) != NULL)
		return SP_OK;
	if (b->parts == NULL)
		b->parts = sp_arena_get(r->a, SP_SPEC_PARAMS * sizeof *b->parts);
	if (b->parts == NULL)
		return sp_spec_full(r);
	if (b->nparts == SP_SPEC_PARAMS)
		return sp_spec_skip(r, "its form has more than %d members of a special kind", SP_SPEC_PARAMS);
	to = &b->parts[b->nparts++];
	*to = *p;
	to->name = sp_arena_copy(r->a, p->name);
	to->media = sp_arena_copy(r->a, p->media);
	return to->name.p == NULL || to->media.p == NULL ? sp_spec_full(r) : SP_OK;
}

static enum sp_status
charge(struct sp_reader *r)
{
	if (r->work < PART_COST)
		return sp_fail(r->e, SP_E_CONFIG, NULL, "the operations have too many members of forms together");
	r->work -= PART_COST;
	return SP_OK;
}

/*
 * Says its encoding object a style?  Then the type of its content is nothing (OpenAPI 3.1 section 4.8.15.1); 3.0 has
 * that for forms only.
 */
static bool
is_styled(const struct sp_reader *r, const struct sp_body *b, sp_jval *e)
{
	if (r->dialect != 31 && b->encode == SP_ENC_MULTIPART)
		return false;
	return SP_JGET(e, "style") != NULL || SP_JGET(e, "explode") != NULL || SP_JGET(e, "allowReserved") != NULL;
}

static enum sp_status
style_read(struct sp_reader *r, sp_jval *e, struct sp_spec_part *p)
{
	sp_slice style = sp_jtext(SP_JGET(e, "style"));
	sp_jval *explode = SP_JGET(e, "explode");
	enum sp_status st = style.n == 0 ? SP_OK : sp_spec_style(r, style, &p->style);

	p->kind = SP_PART_STYLED;
	p->explode = explode == NULL ? p->style == SP_STYLE_FORM || p->style == SP_STYLE_DEEP : sp_jtrue(explode);
	return st;
}

static enum sp_status
part_read(struct sp_reader *r, struct sp_body *b, sp_slice name, sp_jval *schema)
{
	struct sp_spec_part p = { .name = name, .style = SP_STYLE_FORM, .explode = true };
	sp_jval *e = sp_jget(b->encoding, name);
	bool multipart = b->encode == SP_ENC_MULTIPART;
	enum sp_status st = charge(r);

	if (st == SP_OK)
		st = sp_spec_deref(r, schema, &schema);
	if (st != SP_OK)
		return st;
	p.media = first_media(sp_jtext(SP_JGET(e, "contentType")));
	if (multipart && holds_binary(r, schema)) {
		p.kind = SP_PART_BASE64;
	} else if (is_styled(r, b, e)) {
		st = style_read(r, e, &p);
		p.media.n = 0;
	} else if (sp_spec_media_json(p.media)) {
		p.kind = SP_PART_JSON;
	}
	if (!multipart)
		p.media.n = 0;		/* a member of a form has no type of its own */
	return st == SP_OK ? part_keep(r, b, &p) : st;
}

/* Members of the schema and of what it is composed of. */
static enum sp_status
parts_read(struct sp_reader *r, struct sp_body *b, sp_jval *schema, unsigned depth)
{
	static const char *const lists[] = { "allOf", "anyOf", "oneOf" };
	enum sp_status st = charge(r);

	if (st == SP_OK)
		st = sp_spec_deref(r, schema, &schema);
	if (depth == DEEP || st != SP_OK)
		return st;
	for (struct sp_jiter it = sp_jeach(SP_JGET(schema, "properties")); st == SP_OK && sp_jnext(&it);)
		st = part_read(r, b, it.key, it.val);
	for (size_t i = 0; i < SP_COUNT(lists); i++)
		for (struct sp_jiter it = sp_jeach(sp_jget(schema, sp_str(lists[i]))); st == SP_OK && sp_jnext(&it);)
			st = parts_read(r, b, it.val, depth + 1);
	return st;
}

static bool
has_binary(const struct sp_body *b)
{
	for (uint32_t i = 0; i < b->nparts; i++)
		if (b->parts[i].kind == SP_PART_BASE64)
			return true;
	return false;
}

/* --- Swagger 2.0 --- */

static sp_jval *
consumes(const struct sp_reader *r, sp_jval *op)
{
	sp_jval *own = SP_JGET(op, "consumes");

	return sp_jis_arr(own) && yyjson_arr_size(own) != 0 ? own : SP_JGET(r->root, "consumes");
}

static enum sp_status
body_old(struct sp_reader *r, sp_jval *op, sp_jval *param, struct sp_body *b)
{
	sp_jval *types = consumes(r, op);
	struct choice c = { 0 };

	for (struct sp_jiter it = sp_jeach(types); sp_jnext(&it);)
		offer(&c, sp_jtext(it.val), param, b);
	if (c.first.p == NULL)
		offer(&c, SP_LIT("application/json"), param, b);
	if (c.best == 0)
		return no_media(r, &c);
	b->schema = SP_JGET(param, "schema");
	b->required = sp_jtrue(SP_JGET(param, "required"));
	b->words = SP_JGET(param, "description");
	return SP_OK;
}

static enum sp_status
form_old(struct sp_reader *r, sp_jval *op, const struct sp_params *ps, struct sp_body *b)
{
	bool form = false, multipart = false, files = false;
	enum sp_status st = SP_OK;

	for (struct sp_jiter it = sp_jeach(consumes(r, op)); sp_jnext(&it);) {
		form |= sp_eq_nocase(sp_spec_media(sp_jtext(it.val)), SP_LIT("application/x-www-form-urlencoded"));
		multipart |= sp_eq_nocase(sp_spec_media(sp_jtext(it.val)), SP_LIT("multipart/form-data"));
	}
	for (uint32_t i = 0; i < ps->nform; i++) {
		files |= is_binary(r, ps->form[i]);
		b->required |= sp_jtrue(SP_JGET(ps->form[i], "required"));
	}
	multipart = files || (multipart && !form);
	b->kind = SP_BODY_FLAT;
	b->encode = multipart ? SP_ENC_MULTIPART : SP_ENC_FORM;
	b->media = multipart ? SP_LIT("multipart/form-data") : SP_LIT("application/x-www-form-urlencoded");
	for (uint32_t i = 0; i < ps->nform && st == SP_OK; i++) {
		struct sp_spec_part p = { .name = sp_jtext(SP_JGET(ps->form[i], "name")),
			.kind = multipart && holds_binary(r, ps->form[i]) ? SP_PART_BASE64 : SP_PART_STYLED };

		st = sp_spec_collection(r, ps->form[i], true, &p.style, &p.explode);
		if (st == SP_OK)
			st = part_keep(r, b, &p);
	}
	return st;
}

/* --- 3.0 and 3.1 --- */

/* Of a form and a multipart body on offer, the one that can carry files if there are any. */
static enum sp_status
prefer_multipart(struct sp_reader *r, sp_jval *content, struct sp_body *b)
{
	struct choice c = { 0 };
	struct sp_body other = { 0 };
	enum sp_status st = SP_OK;

	if (b->encode != SP_ENC_FORM)
		return SP_OK;
	for (struct sp_jiter it = sp_jeach(content); sp_jnext(&it);)
		if (sp_eq_nocase(sp_spec_media(it.key), SP_LIT("multipart/form-data")))
			offer(&c, it.key, it.val, &other);
	if (c.best != 0)
		st = parts_read(r, &other, other.schema, 0);
	if (st == SP_OK && has_binary(&other)) {
		other.parts = NULL;
		other.nparts = 0;
		*b = other;
	}
	return st;
}

static enum sp_status
body_new(struct sp_reader *r, sp_jval *op, struct sp_body *b)
{
	sp_jval *body = SP_JGET(op, "requestBody"), *content;
	struct choice c = { 0 };
	enum sp_status st = sp_spec_deref(r, body, &body);

	if (st != SP_OK || body == NULL)
		return st;
	content = SP_JGET(body, "content");
	for (struct sp_jiter it = sp_jeach(content); sp_jnext(&it);)
		offer(&c, it.key, it.val, b);
	if (c.best == 0)
		return no_media(r, &c);
	st = prefer_multipart(r, content, b);
	b->required = sp_jtrue(SP_JGET(body, "required"));
	b->words = SP_JGET(body, "description");
	return st;
}

/* --- members as arguments --- */

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
settle(struct sp_reader *r, struct sp_body *b)
{
	uint32_t types;
	sp_jval *schema;
	enum sp_status st = sp_spec_deref(r, b->schema, &schema);

	if (st != SP_OK)
		return st;
	types = sp_spec_types(r, schema);
	if ((b->encode == SP_ENC_FORM || b->encode == SP_ENC_MULTIPART) && types != 0 && (types & SP_T_OBJ) == 0) {
		if (b->encode == SP_ENC_MULTIPART)
			return sp_spec_skip(r, "its multipart body is no object");
		b->encode = SP_ENC_TEXT;	/* a form that the caller has to write */
	}
	if (b->encode == SP_ENC_TEXT || b->encode == SP_ENC_BASE64)
		return SP_OK;
	if (is_flat(r, b->schema, schema)) {
		b->kind = SP_BODY_FLAT;
		b->flat = schema;
	}
	return b->encode == SP_ENC_JSON ? SP_OK : parts_read(r, b, b->schema, 0);
}

enum sp_status
sp_spec_body(struct sp_reader *r, sp_jval *op, unsigned method, const struct sp_params *ps, struct sp_body *b)
{
	enum sp_status st = SP_OK;

	*b = (struct sp_body){ 0 };
	/* RFC 9110 section 9.3.1: content in a GET has no meaning. */
	if (method == SP_GET || method == SP_HEAD)
		return SP_OK;
	if (r->dialect == 20 && ps->nform != 0)
		return ps->body == NULL ? form_old(r, op, ps, b) : sp_spec_skip(r, "a body parameter beside form data");
	if (r->dialect != 20)
		st = body_new(r, op, b);
	else if (ps->body != NULL)
		st = body_old(r, op, ps->body, b);
	return st != SP_OK || b->kind == SP_BODY_NONE ? st : settle(r, b);
}
