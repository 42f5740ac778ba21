/* Parameters of an operation: where each goes on the wire, and what the tool calls it. */
#include "openapi/spec_int.h"

enum { PARAM_COST = 128, ARG_MAX = 64, WIRE_MAX = 256 };

sp_jval *
sp_spec_param_schema(const struct sp_reader *r, sp_jval *param)
{
	struct sp_jiter it;

	if (r->dialect == 20)	/* the parameter is its own schema */
		return param;
	it = sp_jeach(SP_JGET(param, "content"));
	return sp_jnext(&it) ? SP_JGET(it.val, "schema") : SP_JGET(param, "schema");
}

static sp_slice
text_of(sp_jval *param, const char *key)
{
	return sp_jtext(sp_jget(param, sp_str(key)));
}

/* --- the path template --- */

static bool
is_path_char(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || (c != '\0' && strchr("-._~!$&'()*+,;=:@/%", c) != NULL);
}

static bool
is_dots(sp_slice s)
{
	while (s.n != 0)	/* "%2e" is a dot to most servers */
		if (!sp_take_nocase(&s, SP_LIT("%2e")) && !sp_take(&s, SP_LIT(".")))
			return false;
	return true;
}

/* Every '%' has its two digits. */
static bool
is_encoded(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '%' && (s.n - i < 3 || !sp_is_hex((unsigned char)s.p[i + 1]) ||
		    !sp_is_hex((unsigned char)s.p[i + 2])))
			return false;
	return true;
}

/* Reads "{name}" or literal text from the front. */
static enum sp_status
piece_take(struct sp_reader *r, sp_slice *in, sp_slice *name)
{
	size_t n;

	*name = (sp_slice){ NULL, 0 };
	if (!sp_take(in, SP_LIT("{"))) {
		n = sp_span(*in, is_path_char);
		if (n == 0 || !is_encoded(sp_sub(*in, 0, n)))
			return sp_spec_skip(r, "the path has a character that a path cannot have");
		sp_advance(in, n);
		return SP_OK;
	}
	if (!sp_take_to(in, '}', name) || name->n == 0 || sp_has_byte(*name, '{') || sp_has_byte(*name, '/'))
		return sp_spec_skip(r, "the path has a { without its }, or without a name");
	return SP_OK;
}

static bool
has_path_param(const struct sp_params *ps, sp_slice name)
{
	for (uint32_t i = 0; i < ps->n; i++)
		if (ps->p[i].in == SP_IN_PATH && sp_eq(ps->p[i].wire, name))
			return true;
	return false;
}

/* Every name in the template is a parameter; literal segments are plain. */
static enum sp_status
template_check(struct sp_reader *r, sp_slice path, const struct sp_params *ps)
{
	sp_slice in = path, name, segment;

	if (path.n == 0 || path.p[0] != '/' || sp_starts(path, SP_LIT("//")))
		return sp_spec_skip(r, "the path does not begin with one /");
	while (in.n != 0) {
		enum sp_status st = piece_take(r, &in, &name);

		if (st != SP_OK)
			return st;
		if (name.n != 0 && !has_path_param(ps, name))
			return sp_spec_skip(r, "path parameter %.*s is not described", SP_PRI(name));
	}
	in = path;
	while (sp_take_part(&in, '/', &segment))
		if (segment.n != 0 && is_dots(segment))
			return sp_spec_skip(r, "the path has a . or .. segment");
	return SP_OK;
}

static bool
template_has(sp_slice path, sp_slice name)
{
	sp_slice got;

	while (sp_take_to(&path, '{', &got))
		if (sp_take_to(&path, '}', &got) && sp_eq(got, name))
			return true;
	return false;
}

/* --- one parameter --- */

static const struct style { sp_slice name; enum sp_param_style style; unsigned places; } styles[] = {
	{ SP_LIT_INIT("simple"), SP_STYLE_SIMPLE, 1 << SP_IN_PATH | 1 << SP_IN_HEADER },
	{ SP_LIT_INIT("form"), SP_STYLE_FORM, 1 << SP_IN_QUERY | 1 << SP_IN_COOKIE },
	{ SP_LIT_INIT("label"), SP_STYLE_LABEL, 1 << SP_IN_PATH },
	{ SP_LIT_INIT("matrix"), SP_STYLE_MATRIX, 1 << SP_IN_PATH },
	{ SP_LIT_INIT("spaceDelimited"), SP_STYLE_SPACE, 1 << SP_IN_QUERY },
	{ SP_LIT_INIT("pipeDelimited"), SP_STYLE_PIPE, 1 << SP_IN_QUERY },
	{ SP_LIT_INIT("deepObject"), SP_STYLE_DEEP, 1 << SP_IN_QUERY },
};

enum sp_status
sp_spec_style(struct sp_reader *r, sp_slice name, enum sp_param_style *out)
{
	for (size_t i = 0; i < SP_COUNT(styles); i++)
		if (sp_eq(styles[i].name, name) && (styles[i].places & 1 << SP_IN_QUERY) != 0) {
			*out = styles[i].style;
			return SP_OK;
		}
	return sp_spec_skip(r, "a member of its form has style %.*s, which is none of a form", SP_PRI(name));
}

enum sp_status
sp_spec_collection(struct sp_reader *r, sp_jval *v, bool in_query, enum sp_param_style *style, bool *explode)
{
	sp_slice format = text_of(v, "collectionFormat");

	*style = in_query ? SP_STYLE_FORM : SP_STYLE_SIMPLE;
	*explode = sp_eq(format, SP_LIT("multi")) && in_query;
	/* Outside a query or form "multi" says nothing: a list has commas there. */
	if (format.n == 0 || sp_eq(format, SP_LIT("csv")) || sp_eq(format, SP_LIT("multi")))
		return SP_OK;
	if (sp_eq(format, SP_LIT("ssv")))
		*style = SP_STYLE_SPACE;
	else if (sp_eq(format, SP_LIT("pipes")))
		*style = SP_STYLE_PIPE;
	else
		return sp_spec_skip(r, "parameter %.*s: collectionFormat %.*s is not supported",
		    SP_PRI(text_of(v, "name")), SP_PRI(format));
	return SP_OK;
}

static enum sp_status
style_new(struct sp_reader *r, sp_jval *v, struct sp_spec_param *p)
{
	sp_slice name = text_of(v, "style");
	sp_jval *explode = SP_JGET(v, "explode");
	size_t i = 0;

	p->style = p->in == SP_IN_QUERY || p->in == SP_IN_COOKIE ? SP_STYLE_FORM : SP_STYLE_SIMPLE;
	if (name.n != 0) {
		while (i < SP_COUNT(styles) && !sp_eq(styles[i].name, name))
			i++;
		if (i == SP_COUNT(styles) || (styles[i].places & 1u << p->in) == 0)
			return sp_spec_skip(r, "parameter %.*s: style %.*s is none of its place", SP_PRI(p->wire),
			    SP_PRI(name));
		p->style = styles[i].style;
	}
	p->explode = explode == NULL ? p->style == SP_STYLE_FORM || p->style == SP_STYLE_DEEP : sp_jtrue(explode);
	p->reserved = p->in == SP_IN_QUERY && sp_jtrue(SP_JGET(v, "allowReserved"));
	return SP_OK;
}

/* A parameter with "content" is one text of that type. */
static enum sp_status
content_read(struct sp_reader *r, sp_jval *content, struct sp_spec_param *p)
{
	struct sp_jiter it = sp_jeach(content);
	sp_slice media;

	if (!sp_jis_obj(content) || yyjson_obj_size(content) != 1 || !sp_jnext(&it))
		return sp_spec_skip(r, "parameter %.*s: \"content\" must have one media type", SP_PRI(p->wire));
	media = sp_spec_media(it.key);
	if (sp_spec_media_json(media) || sp_eq(media, SP_LIT("*/*"))) {
		p->style = SP_STYLE_JSON;
		return SP_OK;
	}
	if (!sp_starts(media, SP_LIT("text/")))
		return sp_spec_skip(r, "parameter %.*s: \"content\" of type %.*s is not supported", SP_PRI(p->wire),
		    SP_PRI(it.key));
	p->style = p->in == SP_IN_QUERY || p->in == SP_IN_COOKIE ? SP_STYLE_FORM : SP_STYLE_SIMPLE;
	return SP_OK;
}

static enum sp_status
types_check(struct sp_reader *r, sp_jval *v, struct sp_spec_param *p)
{
	sp_jval *schema = sp_spec_param_schema(r, v);
	enum sp_status st = sp_spec_deref(r, schema, &schema);

	if (st != SP_OK)
		return st;
	p->type = sp_spec_types(r, schema);
	if (p->type == 0 && sp_jis_obj(SP_JGET(schema, "properties")))
		p->type = SP_T_OBJ;
	if (sp_spec_types(r, schema) == 0 && sp_eq(text_of(v, "type"), SP_LIT("file")))
		return sp_spec_skip(r, "parameter %.*s: a file outside a form", SP_PRI(p->wire));
	return SP_OK;
}

static enum sp_status
wire_check(struct sp_reader *r, const struct sp_spec_param *p, sp_slice path)
{
	if (p->wire.n == 0 || p->wire.n > WIRE_MAX)
		return sp_spec_skip(r, "a parameter has no name, or one of more than %d bytes", WIRE_MAX);
	if ((p->in == SP_IN_HEADER || p->in == SP_IN_COOKIE) && sp_span(p->wire, sp_is_tchar) != p->wire.n)
		return sp_spec_skip(r, "parameter %.*s: not the name of a header or cookie", SP_PRI(p->wire));
	if (p->in == SP_IN_PATH && !template_has(path, p->wire))
		return sp_spec_skip(r, "path parameter %.*s is not in the path", SP_PRI(p->wire));
	return SP_OK;
}

static enum sp_status
param_read(struct sp_reader *r, sp_jval *v, sp_slice path, struct sp_spec_param *p)
{
	sp_slice in = text_of(v, "in");
	enum sp_status st;

	p->wire = sp_arena_copy(r->a, text_of(v, "name"));
	if (p->wire.p == NULL)
		return sp_spec_full(r);
	if (sp_eq(in, SP_LIT("path")))
		p->in = SP_IN_PATH;
	else if (sp_eq(in, SP_LIT("query")))
		p->in = SP_IN_QUERY;
	else if (sp_eq(in, SP_LIT("header")))
		p->in = SP_IN_HEADER;
	else if (sp_eq(in, SP_LIT("cookie")) && r->dialect != 20)
		p->in = SP_IN_COOKIE;
	else
		return sp_spec_skip(r, "parameter %.*s: place \"%.*s\" is not supported", SP_PRI(p->wire), SP_PRI(in));
	p->required = p->in == SP_IN_PATH || sp_jtrue(SP_JGET(v, "required"));
	st = wire_check(r, p, path);
	if (st != SP_OK)
		return st;
	if (r->dialect == 20)
		st = sp_spec_collection(r, v, p->in == SP_IN_QUERY, &p->style, &p->explode);
	else if (SP_JGET(v, "content") != NULL)
		st = content_read(r, SP_JGET(v, "content"), p);
	else
		st = style_new(r, v, p);
	return st == SP_OK ? types_check(r, v, p) : st;
}

/* --- all of them --- */

static bool
same_param(sp_jval *a, sp_jval *b)
{
	return sp_eq(text_of(a, "name"), text_of(b, "name")) && sp_eq(text_of(a, "in"), text_of(b, "in"));
}

static enum sp_status
gather(struct sp_reader *r, sp_jval *list, struct sp_params *ps)
{
	uint32_t before = ps->n;
	enum sp_status st;

	if (list != NULL && !sp_jis_arr(list))
		return sp_spec_skip(r, "\"parameters\" is no list");
	for (struct sp_jiter it = sp_jeach(list); sp_jnext(&it);) {
		sp_jval *v;
		uint32_t i = 0;

		/* A reference can bring the same long list to any number of operations. */
		if (r->work < PARAM_COST + 8 * ps->n)
			return sp_fail(r->e, SP_E_CONFIG, NULL, "the operations have too many parameters together");
		r->work -= PARAM_COST + 8 * ps->n;
		st = sp_spec_deref(r, it.val, &v);
		if (st != SP_OK)
			return st;
		if (!sp_jis_obj(v) || !sp_jis_str(SP_JGET(v, "name")) || !sp_jis_str(SP_JGET(v, "in")))
			return sp_spec_skip(r, "a parameter without a name or a place");
		while (i < ps->n && !same_param(ps->obj[i], v))
			i++;
		if (i == SP_SPEC_PARAMS)
			return sp_spec_skip(r, "more than %d parameters", SP_SPEC_PARAMS);
		if (i < ps->n && i >= before)
			return sp_spec_skip(r, "parameter %.*s is given twice", SP_PRI(text_of(v, "name")));
		ps->obj[i] = v;		/* the operation's own replaces the path's */
		ps->n += i == ps->n;
	}
	return SP_OK;
}

/* Takes out what is no argument: the body of Swagger 2.0, and what arguments may never set. */
static enum sp_status
sort_out(struct sp_reader *r, struct sp_params *ps)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ps->n; i++) {
		sp_jval *v = ps->obj[i];
		sp_slice in = text_of(v, "in"), name = text_of(v, "name");

		if (r->dialect == 20 && sp_eq(in, SP_LIT("formData"))) {
			if (name.n == 0)
				return sp_spec_skip(r, "form data without a name");
			ps->form[ps->nform++] = v;
			continue;
		}
		if (r->dialect == 20 && sp_eq(in, SP_LIT("body"))) {
			if (ps->body != NULL)
				return sp_spec_skip(r, "two body parameters");
			ps->body = v;
			continue;
		}
		if (!sp_spec_is_slot(r, in, name))
			ps->obj[n++] = v;
	}
	ps->n = n;
	return SP_OK;
}

enum sp_status
sp_spec_params(struct sp_reader *r, sp_jval *item, sp_jval *op, sp_slice path, struct sp_params *out)
{
	enum sp_status st = gather(r, SP_JGET(item, "parameters"), out);

	if (st == SP_OK)
		st = gather(r, SP_JGET(op, "parameters"), out);
	if (st == SP_OK)
		st = sort_out(r, out);
	if (st != SP_OK)
		return st;
	out->p = sp_arena_get(r->a, out->n * sizeof *out->p);
	if (out->p == NULL)
		return sp_spec_full(r);
	for (uint32_t i = 0; i < out->n; i++) {
		st = param_read(r, out->obj[i], path, &out->p[i]);
		if (st != SP_OK)
			return st;
	}
	return template_check(r, path, out);
}

/* --- names of arguments --- */

static enum sp_status
arg_name(struct sp_reader *r, const struct sp_spec_param *p, bool suffix, sp_slice *out)
{
	static const char *const where[] = { [SP_IN_PATH] = "__path", [SP_IN_QUERY] = "__query",
		[SP_IN_HEADER] = "__header", [SP_IN_COOKIE] = "__cookie" };
	char buf[ARG_MAX + 16];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_spec_name_clean(&o, p->wire, suffix ? ARG_MAX - 8 : ARG_MAX);
	sp_out_str(&o, suffix ? where[p->in] : "");
	*out = sp_arena_copy(r->a, sp_out_view(&o));
	return out->p == NULL ? sp_spec_full(r) : SP_OK;
}

static bool
is_taken(struct sp_reader *r, const struct sp_params *ps, uint32_t me, sp_jval *members, sp_slice body_arg)
{
	sp_slice name = ps->p[me].arg;

	for (uint32_t i = 0; i < ps->n; i++)
		if (i != me && sp_eq(ps->p[i].arg, name))
			return true;
	for (uint32_t i = 0; i < ps->nform; i++)
		if (sp_eq(text_of(ps->form[i], "name"), name))
			return true;
	return sp_eq(name, body_arg) || sp_spec_get(r, members, name) != NULL;
}

enum sp_status
sp_spec_args(struct sp_reader *r, struct sp_params *ps, sp_jval *members, sp_slice body_arg)
{
	bool twin[SP_SPEC_PARAMS];
	enum sp_status st = SP_OK;

	for (uint32_t i = 0; i < ps->n && st == SP_OK; i++)
		st = arg_name(r, &ps->p[i], false, &ps->p[i].arg);
	if (st != SP_OK)
		return st;
	for (uint32_t i = 0; i < ps->n; i++)
		twin[i] = is_taken(r, ps, i, members, body_arg);
	for (uint32_t i = 0; i < ps->n && st == SP_OK; i++)
		if (twin[i])
			st = arg_name(r, &ps->p[i], true, &ps->p[i].arg);
	for (uint32_t i = 0; i < ps->n && st == SP_OK; i++)
		if (is_taken(r, ps, i, members, body_arg))
			return sp_spec_skip(r, "two arguments would be called %.*s", SP_PRI(ps->p[i].arg));
	return st;
}
