/* Parameters on the wire: every style, and what keeps a value inside its slot. */
#include "openapi/bind_int.h"

#include "base/utf8.h"
#include "wire/uri.h"

enum { NAME_MAX_BYTES = 1024 };

static const char not_text[] = "is no text, number or boolean";

/* --- one text --- */

static const char *
plain_fault(sp_slice text)
{
	return sp_has_byte(text, '\0') ? "has a NUL" : NULL;
}

static const char *
cookie_fault(sp_slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (sp_is_ctl((unsigned char)text.p[i]))
			return "has a control character, which a cookie cannot carry";
	return NULL;
}

static const char *
fault_of(struct sp_binder *b, const struct sp_way *w, sp_slice text)
{
	switch (w->in) {
	case SP_IN_PATH:
		return sp_bind_path_fault(b->a, text);
	case SP_IN_HEADER:
		return sp_bind_header_fault(text);
	case SP_IN_COOKIE:
		return cookie_fault(text);
	case SP_IN_QUERY:
		return plain_fault(text);
	default:
		return NULL;	/* a form body carries any byte */
	}
}

static void
encode(const struct sp_way *w, sp_slice text)
{
	if (w->in == SP_IN_HEADER || w->part)
		sp_out_slice(w->o, text);
	else if (w->reserved)	/* '&', '=', '+', ';' and '#' would end the value or change it: never */
		sp_pct_encode_keep(w->o, text, SP_LIT(":/?@!$'()*,"));
	else
		sp_pct_encode(w->o, text);
}

static enum sp_status
text_out(struct sp_binder *b, const struct sp_way *w, sp_slice text)
{
	const char *fault = fault_of(b, w, text);

	if (fault != NULL)
		return sp_bind_bad(b, w->arg, fault);
	encode(w, text);
	return SP_OK;
}

static const char *
separator(const struct sp_way *w)
{
	bool raw = w->in == SP_IN_HEADER || w->part;

	switch (w->style) {
	case SP_STYLE_LABEL:
		return w->explode ? "." : ",";
	case SP_STYLE_SPACE:
		return raw ? " " : "%20";
	case SP_STYLE_PIPE:
		return raw ? "|" : "%7C";
	default:
		return ",";
	}
}

/* Where the separator would not be encoded, or is so itself, an element must not look like two. */
static const char *
element_fault(const struct sp_way *w, sp_slice text)
{
	char c = w->style == SP_STYLE_SPACE ? ' ' : w->style == SP_STYLE_PIPE ? '|' : ',';
	bool joined = !w->explode && w->style != SP_STYLE_DEEP;

	if (w->in == SP_IN_HEADER && (text.n == 0 || sp_has_byte(text, ',')))
		return "has an empty element or one with a comma";
	if (joined && (w->part || c != ',') && sp_has_byte(text, c))
		return "has an element with the separator of its list in it";
	return NULL;
}

static enum sp_status
element_out(struct sp_binder *b, const struct sp_way *w, sp_jval *v)
{
	bool nested = w->in == SP_IN_QUERY || w->in == SP_IN_COOKIE || w->in == 0;
	const char *fault;
	sp_slice text;

	if (!sp_bind_scalar(v, &text)) {
		if (!nested || (!sp_jis_obj(v) && !sp_jis_arr(v)))
			return sp_bind_bad(b, w->arg, not_text);
		/* No style says how; JSON is what servers that take such values read. */
		text = sp_bind_json(b->a, v);
		if (text.p == NULL)
			return sp_bind_too_big(b);
	}
	fault = element_fault(w, text);
	return fault != NULL ? sp_bind_bad(b, w->arg, fault) : text_out(b, w, text);
}

/* --- names --- */

static bool
is_named(const struct sp_way *w)
{
	return w->style == SP_STYLE_MATRIX || w->in == SP_IN_QUERY || w->in == SP_IN_COOKIE || w->in == 0;
}

/* What stands before a value, or before each of an exploded one. */
static void
lead_out(const struct sp_way *w)
{
	if (w->style == SP_STYLE_LABEL)
		sp_out_byte(w->o, '.');
	else if (w->style == SP_STYLE_MATRIX)
		sp_out_byte(w->o, ';');
	else if (w->in == SP_IN_QUERY)
		sp_out_byte(w->o, *w->begun ? '&' : '?');
	else if (w->in == SP_IN_COOKIE)
		sp_out_str(w->o, *w->begun ? "; " : "");
	else if (w->in == 0)
		sp_out_str(w->o, *w->begun ? "&" : "");
	if (w->begun != NULL)
		*w->begun = true;
}

static void
name_out(struct sp_binder *b, const struct sp_way *w)
{
	if (w->part) {
		sp_bind_part(b, w);
		return;
	}
	lead_out(w);
	if (!is_named(w))
		return;
	if (w->in == SP_IN_COOKIE)
		sp_out_slice(w->o, w->wire);	/* a token */
	else
		sp_pct_encode(w->o, w->wire);
	sp_out_byte(w->o, '=');
}

/* A name that the caller chose: no slot, and no other parameter of this place. */
static enum sp_status
name_judge(struct sp_binder *b, const struct sp_way *w, sp_slice name)
{
	bool cookie = w->in == SP_IN_COOKIE;

	if (w->in == 0)
		return SP_OK;
	if (name.n == 0 || sp_has_byte(name, '\0') || (cookie && sp_span(name, sp_is_tchar) != name.n))
		return sp_bind_bad(b, w->arg, "has a member whose name cannot stand there");
	if ((w->in == SP_IN_QUERY || cookie) && sp_bind_is_slot(b, cookie ? SP_LIT("cookie ") : SP_LIT("query "), name))
		return sp_fail(b->e, SP_E_REFUSED, NULL, "a member of %.*s is a credential slot", SP_PRI(w->arg));
	for (uint32_t i = 0; i < b->op->params.n; i++) {
		const struct sp_img_param *p = SP_IMG_AT(b->img, b->op->params, param, i);

		if (p->in == w->in && sp_eq_nocase(sp_img_str(b->img, p->wire), name))
			return sp_bind_bad(b, w->arg, "has a member with the name of another argument");
	}
	return SP_OK;
}

/* --- lists and objects --- */

static enum sp_status
list_out(struct sp_binder *b, const struct sp_way *w, sp_jval *v)
{
	bool again = w->explode && is_named(w);
	enum sp_status st = SP_OK;

	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);) {
		if (it.idx == 0 || again)
			name_out(b, w);
		else
			sp_out_str(w->o, separator(w));
		st = element_out(b, w, it.val);
	}
	return st;
}

/* NAME=value, with the member's name for the parameter's. */
static enum sp_status
member_out(struct sp_binder *b, const struct sp_way *w, sp_slice key, sp_jval *v)
{
	struct sp_way m = *w;
	enum sp_status st = name_judge(b, w, key);

	if (st != SP_OK)
		return st;
	m.wire = key;
	if (w->in == SP_IN_PATH && sp_bind_path_fault(b->a, key) != NULL)
		return sp_bind_bad(b, w->arg, "has a member whose name cannot stand there");
	name_out(b, &m);
	return element_out(b, &m, v);
}

static enum sp_status
pair_out(struct sp_binder *b, const struct sp_way *w, sp_slice key, sp_jval *v, bool first)
{
	enum sp_status st;

	if (first)
		name_out(b, w);
	else
		sp_out_str(w->o, separator(w));
	if ((w->in == SP_IN_HEADER && (key.n == 0 || sp_span(key, sp_is_tchar) != key.n)) || element_fault(w, key) != NULL)
		return sp_bind_bad(b, w->arg, "has a member whose name cannot stand there");
	st = text_out(b, w, key);
	if (st != SP_OK)
		return st;
	sp_out_str(w->o, w->explode ? "=" : separator(w));
	return element_out(b, w, v);
}

static enum sp_status
object_out(struct sp_binder *b, const struct sp_way *w, sp_jval *v)
{
	bool apart = w->explode && is_named(w), first = true;
	enum sp_status st = SP_OK;

	if (!w->object)
		return sp_bind_bad(b, w->arg, not_text);
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);) {
		if (sp_jis_null(it.val))
			continue;
		st = apart ? member_out(b, w, it.key, it.val) : pair_out(b, w, it.key, it.val, first);
		first = false;
	}
	return st == SP_OK && first && w->in == SP_IN_PATH ? sp_bind_bad(b, w->arg, "is empty") : st;
}

/* --- deepObject: a[b][c]=v; lists a[b][]=v, or a[b][0][c]=v when they hold more than plain values --- */

/* Recursion is bounded by the depth that arguments may have. */
static enum sp_status
deep_out(struct sp_binder *b, const struct sp_way *w, struct sp_out *name, sp_jval *v)
{
	bool list = sp_jis_arr(v);
	size_t was = name->n;
	enum sp_status st = SP_OK;

	if (!list && !sp_jis_obj(v)) {
		struct sp_way m = *w;

		if (sp_jis_null(v))
			return SP_OK;
		m.wire = sp_out_view(name);
		st = name->full ? sp_bind_bad(b, w->arg, "has names that are too long") : name_judge(b, w, m.wire);
		if (st == SP_OK)
			name_out(b, &m);
		return st == SP_OK ? element_out(b, &m, v) : st;
	}
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);) {
		if (!list && (it.key.n == 0 || sp_has_byte(it.key, '[') || sp_has_byte(it.key, ']')))
			return sp_bind_bad(b, w->arg, "has a member whose name cannot stand there");
		sp_out_byte(name, '[');
		if (!list)
			sp_out_slice(name, it.key);
		else if (sp_jis_obj(it.val) || sp_jis_arr(it.val))
			sp_out_u64(name, it.idx);
		sp_out_byte(name, ']');
		st = deep_out(b, w, name, it.val);
		name->n = was;
	}
	return st;
}

static enum sp_status
deep(struct sp_binder *b, const struct sp_way *w, sp_jval *v)
{
	char buf[NAME_MAX_BYTES];
	struct sp_out name;

	sp_out_init(&name, buf, sizeof buf);
	sp_out_slice(&name, w->wire);
	return deep_out(b, w, &name, v);
}

/* --- all of them --- */

static bool
is_empty(sp_jval *v)
{
	return (sp_jis_arr(v) && yyjson_arr_size(v) == 0) || (sp_jis_obj(v) && yyjson_obj_size(v) == 0);
}

/* An empty list is not there, unless it must be; in a path something must be. */
static enum sp_status
empty_out(struct sp_binder *b, const struct sp_way *w)
{
	if (w->in == SP_IN_PATH)
		return sp_bind_bad(b, w->arg, "is empty");
	if (w->required && w->style != SP_STYLE_DEEP)
		name_out(b, w);
	return SP_OK;
}

enum sp_status
sp_bind_value(struct sp_binder *b, const struct sp_way *w, sp_jval *v)
{
	sp_slice text;

	if (w->style == SP_STYLE_JSON) {
		text = sp_bind_json(b->a, v);
		if (text.p == NULL)
			return sp_bind_too_big(b);
		name_out(b, w);
		return text_out(b, w, text);
	}
	if (is_empty(v))
		return empty_out(b, w);
	if (w->style == SP_STYLE_DEEP && (sp_jis_arr(v) || sp_jis_obj(v)))
		return deep(b, w, v);
	if (sp_jis_arr(v))
		return list_out(b, w, v);
	if (sp_jis_obj(v))
		return object_out(b, w, v);
	if (!sp_bind_scalar(v, &text))
		return sp_bind_bad(b, w->arg, not_text);
	name_out(b, w);
	return text_out(b, w, text);
}
