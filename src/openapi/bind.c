#include "openapi/bind_int.h"

#include "base/utf8.h"
#include "openapi/slot.h"
#include "wire/http1.h"

#include <stdio.h>

enum { TARGET_MAX = 32768, COOKIES_MAX = 4096 };

/* --- errors --- */

enum sp_status
sp_bind_bad(struct sp_binder *b, sp_slice arg, const char *why)
{
	char buf[80];
	struct sp_out name;

	sp_out_init(&name, buf, sizeof buf - 1);
	sp_utf8_clean(&name, arg, sizeof buf - 1, false);
	buf[name.n] = '\0';
	sp_fail(b->e, SP_E_BAD_PARAMS, NULL, "argument %s %s", buf, why);
	if (b->e != NULL)
		snprintf(b->e->pub, sizeof b->e->pub, "arguments: /%s: %s", buf, why);
	return SP_E_BAD_PARAMS;
}

enum sp_status
sp_bind_too_big(struct sp_binder *b)
{
	return sp_fail(b->e, SP_E_TOO_BIG, NULL, "the request does not fit into its memory");
}

/* --- values as text --- */

bool
sp_bind_scalar(sp_jval *v, sp_slice *text)
{
	if (sp_jis_bool(v))
		*text = sp_jtrue(v) ? SP_LIT("true") : SP_LIT("false");
	else if (sp_jis_str(v) || sp_jis_num(v))
		*text = sp_jtext(v);	/* a number by its own digits */
	else
		return false;
	return true;
}

static sp_slice
param_text(const struct sp_binder *b, struct sp_ref r)
{
	return sp_img_str(b->img, r);
}

static const struct sp_img_param *
param_at(const struct sp_binder *b, uint32_t i)
{
	return SP_IMG_AT(b->img, b->op->params, param, i);
}

/* NULL when not given; null is the same as not given. */
static sp_jval *
given(const struct sp_binder *b, const struct sp_img_param *p)
{
	sp_jval *v = sp_jget(b->args, param_text(b, p->arg));

	return v == NULL || sp_jis_null(v) ? NULL : v;
}

/* At least the bytes of sp_jwrite(v): values of a tree lie in one run. */
size_t
sp_bind_json_room(sp_jval *v)
{
	size_t n = 16;

	if (v == NULL)
		return n;
	for (sp_jval *at = v, *end = unsafe_yyjson_get_next(v); at < end; at++) {
		sp_slice s = sp_jtext(at);

		n += s.n + 8;
		for (size_t i = 0; sp_jis_str(at) && i < s.n; i++)
			n += (unsigned char)s.p[i] < ' ' ? 5 : s.p[i] == '"' || s.p[i] == '\\';
	}
	return n;
}

sp_slice
sp_bind_json(struct sp_arena *a, sp_jval *v)
{
	size_t room = sp_bind_json_room(v);
	char *buf = sp_arena_get(a, room);
	struct sp_out o;

	if (buf == NULL)
		return (sp_slice){ NULL, 0 };
	sp_out_init(&o, buf, room);
	sp_jwrite(&o, v);
	return o.full ? (sp_slice){ NULL, 0 } : sp_out_view(&o);
}

/* Bytes that a value can need: a text when every byte is percent-encoded, a container as it is. */
static size_t
text_room(sp_jval *v)
{
	sp_slice s;

	if (sp_bind_scalar(v, &s))
		return s.n * 3 + 16;
	return sp_bind_json_room(v);
}

bool
sp_bind_is_param(const struct sp_binder *b, sp_slice arg)
{
	for (uint32_t i = 0; i < b->op->params.n; i++)
		if (sp_eq(param_text(b, param_at(b, i)->arg), arg))
			return true;
	return false;
}

/* --- slots --- */

bool
sp_bind_is_slot(const struct sp_binder *b, sp_slice kind, sp_slice name)
{
	for (uint32_t i = 0; i < b->server->slots.n; i++) {
		sp_slice slot = sp_img_text(b->img, b->server->slots, i);

		if (sp_take(&slot, kind) && sp_eq_nocase(slot, name))
			return true;
	}
	return false;
}

/* The document's reader keeps these out; what is injected must not depend on it. */
static bool
is_slot(const struct sp_binder *b, const struct sp_img_param *p)
{
	sp_slice wire = param_text(b, p->wire);

	switch (p->in) {
	case SP_IN_HEADER:
		return sp_slot_reserved(wire) || sp_bind_is_slot(b, SP_LIT("header "), wire);
	case SP_IN_QUERY:
		return sp_bind_is_slot(b, SP_LIT("query "), wire);
	case SP_IN_COOKIE:
		return sp_bind_is_slot(b, SP_LIT("cookie "), wire);
	default:
		return false;
	}
}

/* --- parameters --- */

static struct sp_way
way_of(const struct sp_binder *b, const struct sp_img_param *p, struct sp_out *o)
{
	return (struct sp_way){
		.in = p->in, .style = p->style, .explode = p->explode != 0, .reserved = p->reserved != 0,
		.required = p->required != 0, .object = (p->type & SP_T_OBJ) != 0,
		.arg = param_text(b, p->arg), .wire = param_text(b, p->wire), .o = o,
	};
}

static const struct sp_img_param *
path_param(const struct sp_binder *b, sp_slice wire)
{
	for (uint32_t i = 0; i < b->op->params.n; i++) {
		const struct sp_img_param *p = param_at(b, i);

		if (p->in == SP_IN_PATH && sp_eq(param_text(b, p->wire), wire))
			return p;
	}
	return NULL;
}

static enum sp_status
path_value(struct sp_binder *b, sp_slice wire)
{
	const struct sp_img_param *p = path_param(b, wire);
	sp_jval *v = p == NULL ? NULL : given(b, p);
	struct sp_way w;

	if (p == NULL)
		return sp_fail(b->e, SP_E_BUG, NULL, "path name %.*s has no parameter", SP_PRI(wire));
	if (v == NULL)
		return sp_bind_bad(b, param_text(b, p->arg), "is required");
	w = way_of(b, p, &b->target);
	return sp_bind_value(b, &w, v);
}

/* The path below which this operation lies. */
static sp_slice
base_path(const struct sp_binder *b)
{
	if (b->op->origin == 0)
		return param_text(b, b->server->base_path);
	return param_text(b, SP_IMG_AT(b->img, b->server->origins, origin, b->op->origin - 1)->base_path);
}

static enum sp_status
path_write(struct sp_binder *b)
{
	sp_slice in = param_text(b, b->op->path), part, wire;

	sp_out_slice(&b->target, base_path(b));
	while (sp_take_to(&in, '{', &part)) {
		enum sp_status st;

		sp_out_slice(&b->target, part);
		if (!sp_take_to(&in, '}', &wire))
			return sp_fail(b->e, SP_E_BUG, NULL, "path template without }");
		st = path_value(b, wire);
		if (st != SP_OK)
			return st;
	}
	sp_out_slice(&b->target, in);
	return SP_OK;
}

static enum sp_status
query_write(struct sp_binder *b, const struct sp_img_param *p, sp_jval *v)
{
	struct sp_way w = way_of(b, p, &b->target);

	w.begun = &b->has_query;
	return sp_bind_value(b, &w, v);
}

static enum sp_status
header_write(struct sp_binder *b, const struct sp_img_param *p, sp_jval *v)
{
	size_t room = p->style == SP_STYLE_JSON ? sp_bind_json_room(v) : text_room(v);
	char *buf = sp_arena_get(b->a, room);
	struct sp_out o;
	struct sp_way w = way_of(b, p, &o);
	enum sp_status st;

	if (buf == NULL)
		return sp_bind_too_big(b);
	sp_out_init(&o, buf, room);
	st = sp_bind_value(b, &w, v);
	if (st == SP_OK && o.full)
		st = sp_bind_too_big(b);
	if (st == SP_OK)
		b->out->fields[b->out->nfields++] = (struct sp_bind_field){ w.wire, sp_out_view(&o) };
	return st;
}

static enum sp_status
cookie_write(struct sp_binder *b, const struct sp_img_param *p, sp_jval *v)
{
	struct sp_way w = way_of(b, p, &b->cookies);
	enum sp_status st;

	if (b->cookies.p == NULL) {
		void *buf = sp_arena_get(b->a, COOKIES_MAX);

		if (buf == NULL)
			return sp_bind_too_big(b);
		sp_out_init(&b->cookies, buf, COOKIES_MAX);
	}
	w.begun = &b->has_cookie;
	st = sp_bind_value(b, &w, v);
	return st == SP_OK && b->cookies.full ? sp_bind_bad(b, w.arg, "is too long for a cookie") : st;
}

static enum sp_status
param_write(struct sp_binder *b, const struct sp_img_param *p, sp_jval *v)
{
	if (is_slot(b, p))
		return sp_fail(b->e, SP_E_REFUSED, NULL, "parameter %.*s is a credential slot",
		    SP_PRI(param_text(b, p->wire)));
	switch (p->in) {
	case SP_IN_QUERY:
		return query_write(b, p, v);
	case SP_IN_HEADER:
		return header_write(b, p, v);
	case SP_IN_COOKIE:
		return cookie_write(b, p, v);
	default:
		return SP_OK;	/* written with the path */
	}
}

static enum sp_status
params_write(struct sp_binder *b)
{
	for (uint32_t i = 0; i < b->op->params.n; i++) {
		const struct sp_img_param *p = param_at(b, i);
		sp_jval *v = given(b, p);
		enum sp_status st = SP_OK;

		if (v == NULL && p->required)
			st = sp_bind_bad(b, param_text(b, p->arg), "is required");
		if (v != NULL)
			st = param_write(b, p, v);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

/* --- the request --- */

static enum sp_status
room_make(struct sp_binder *b)
{
	size_t n = base_path(b).n + b->op->path.n + 16;
	char *p;

	for (uint32_t i = 0; i < b->op->params.n; i++) {
		const struct sp_img_param *q = param_at(b, i);
		sp_jval *v = given(b, q);

		if (v != NULL && (q->in == SP_IN_PATH || q->in == SP_IN_QUERY))
			n += sp_jis_arr(v) || sp_jis_obj(v) || q->style == SP_STYLE_JSON ? TARGET_MAX : q->wire.n * 3 + 4 + text_room(v);
	}
	if (n > TARGET_MAX + 16)
		n = TARGET_MAX + 16;	/* more is refused anyway */
	p = sp_arena_get(b->a, n);
	b->out->fields = sp_arena_get(b->a, (b->op->params.n + 2) * sizeof *b->out->fields);
	if (p == NULL || b->out->fields == NULL)
		return sp_bind_too_big(b);
	sp_out_init(&b->target, p, n);
	return SP_OK;
}

static enum sp_status
target_write(struct sp_binder *b)
{
	const char *fault;
	enum sp_status st = path_write(b);

	if (st == SP_OK)
		st = params_write(b);
	if (st != SP_OK)
		return st;
	if (b->target.full || b->target.n > TARGET_MAX)
		return sp_bind_bad(b, SP_LIT(""), "too long for a request line");
	b->out->target = sp_out_view(&b->target);
	fault = sp_bind_target_fault(b->a, b->out->target);
	return fault == NULL ? SP_OK : sp_bind_bad(b, SP_LIT(""), fault);
}

static void
field_add(struct sp_request *r, sp_slice name, sp_slice value)
{
	r->fields[r->nfields++] = (struct sp_bind_field){ name, value };
}

enum sp_status
sp_bind(struct sp_arena *a, const struct sp_image *img, const struct sp_img_tool *tool, sp_jval *args,
    struct sp_request *out, struct sp_err *e)
{
	struct sp_request req = { 0 };
	struct sp_binder b = { .a = a, .img = img, .args = args, .out = &req, .e = e };
	enum sp_status st;

	if (tool->op.n != 1)
		return sp_fail(e, SP_E_BUG, NULL, "the tool has no operation");
	b.server = SP_IMG_AT(img, img->head->servers, server, tool->server);
	b.op = SP_IMG_AT(img, tool->op, op, 0);
	if (args != NULL && !sp_jis_obj(args))
		return sp_bind_bad(&b, SP_LIT(""), "must be an object");
	req.method = b.op->method;
	st = room_make(&b);
	if (st == SP_OK) {
		field_add(&req, SP_LIT("Accept"), SP_LIT("application/json, text/plain;q=0.9, */*;q=0.5"));
		st = target_write(&b);
	}
	if (st == SP_OK)
		st = sp_bind_body(&b);
	if (st != SP_OK)
		return st;
	if (req.has_body)
		field_add(&req, SP_LIT("Content-Type"), b.media);
	req.cookies = sp_out_view(&b.cookies);
	*out = req;
	return SP_OK;
}
