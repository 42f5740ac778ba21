#include "openapi/bind_int.h"

#include "base/utf8.h"
#include "openapi/slot.h"
#include "wire/http1.h"
#include "wire/uri.h"

#include <stdio.h>

enum { TARGET_MAX = 32768 };

struct bind {
	struct sp_arena *a;
	const struct sp_image *img;
	const struct sp_img_server *server;
	const struct sp_img_op *op;
	sp_jval *args;
	struct sp_request *out;
	struct sp_err *e;
	struct sp_out target;
	bool has_query;
};

/* --- errors --- */

static enum sp_status
bad_arg(struct bind *b, sp_slice arg, const char *why)
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

static enum sp_status
too_big(struct bind *b)
{
	return sp_fail(b->e, SP_E_TOO_BIG, NULL, "the request does not fit into its memory");
}

/* --- values as text --- */

static bool
scalar(sp_jval *v, sp_slice *text)
{
	if (sp_jis_bool(v))
		*text = sp_jtrue(v) ? SP_LIT("true") : SP_LIT("false");
	else if (sp_jis_str(v) || sp_jis_num(v))
		*text = sp_jtext(v);	/* a number by its own digits */
	else
		return false;
	return true;
}

/* Bytes that the text of a value can need when every one of them is percent-encoded; containers: of all elements. */
static size_t
text_room(sp_jval *v)
{
	size_t n = 16;
	sp_slice s;

	if (scalar(v, &s))
		return s.n * 3 + 16;
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		n += scalar(it.val, &s) ? s.n * 3 + 16 : 0;
	return n;
}

static sp_slice
param_text(const struct bind *b, struct sp_ref r)
{
	return sp_img_str(b->img, r);
}

static const struct sp_img_param *
param_at(const struct bind *b, uint32_t i)
{
	return SP_IMG_AT(b->img, b->op->params, param, i);
}

/* NULL when not given; null is the same as not given. */
static sp_jval *
given(const struct bind *b, const struct sp_img_param *p)
{
	sp_jval *v = sp_jget(b->args, param_text(b, p->arg));

	return v == NULL || sp_jis_null(v) ? NULL : v;
}

/* Elements of a list, or the one value. */
struct parts { struct sp_jiter it; sp_jval *one; };

static struct parts
parts_of(sp_jval *v)
{
	if (sp_jis_arr(v))
		return (struct parts){ .it = sp_jeach(v) };
	return (struct parts){ .it = sp_jeach(NULL), .one = v };
}

static bool
parts_next(struct parts *p, sp_jval **v)
{
	if (p->one != NULL) {
		*v = p->one;
		p->one = NULL;
		return true;
	}
	if (!sp_jnext(&p->it))
		return false;
	*v = p->it.val;
	return true;
}

/* --- path --- */

static const struct sp_img_param *
path_param(const struct bind *b, sp_slice wire)
{
	for (uint32_t i = 0; i < b->op->params.n; i++) {
		const struct sp_img_param *p = param_at(b, i);

		if (p->in == SP_IN_PATH && sp_eq(param_text(b, p->wire), wire))
			return p;
	}
	return NULL;
}

static enum sp_status
path_value(struct bind *b, sp_slice wire)
{
	const struct sp_img_param *p = path_param(b, wire);
	sp_jval *v = p == NULL ? NULL : given(b, p), *one;
	struct parts parts;
	bool any = false;

	if (p == NULL)
		return sp_fail(b->e, SP_E_BUG, NULL, "path name %.*s has no parameter", SP_PRI(wire));
	if (v == NULL)
		return bad_arg(b, param_text(b, p->arg), "is required");
	for (parts = parts_of(v); parts_next(&parts, &one); any = true) {
		const char *fault = "is no text, number or boolean";
		sp_slice text;

		if (scalar(one, &text))
			fault = sp_bind_path_fault(b->a, text);
		if (fault != NULL)
			return bad_arg(b, param_text(b, p->arg), fault);
		sp_out_str(&b->target, any ? "," : "");
		sp_pct_encode(&b->target, text);
	}
	return any ? SP_OK : bad_arg(b, param_text(b, p->arg), "is empty");
}

static enum sp_status
path_write(struct bind *b)
{
	sp_slice in = param_text(b, b->op->path), part, wire;

	sp_out_slice(&b->target, param_text(b, b->server->base_path));
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

/* --- query --- */

static void
query_name(struct bind *b, const struct sp_img_param *p)
{
	sp_out_byte(&b->target, b->has_query ? '&' : '?');
	b->has_query = true;
	sp_pct_encode(&b->target, param_text(b, p->wire));
	sp_out_byte(&b->target, '=');
}

/* Style form: a=1&a=2 when exploded, else a=1,2.  An empty list is not there, unless it must be. */
static enum sp_status
query_write(struct bind *b, const struct sp_img_param *p, sp_jval *v)
{
	struct parts parts = parts_of(v);
	bool any = false;
	sp_jval *one;

	while (parts_next(&parts, &one)) {
		sp_slice text;

		if (!scalar(one, &text))
			return bad_arg(b, param_text(b, p->arg), "is no text, number or boolean");
		if (sp_has_byte(text, '\0'))
			return bad_arg(b, param_text(b, p->arg), "has a NUL");
		if (!any || p->explode)
			query_name(b, p);
		else
			sp_out_byte(&b->target, ',');
		sp_pct_encode(&b->target, text);
		any = true;
	}
	if (!any && p->required)
		query_name(b, p);
	return SP_OK;
}

/* --- header --- */

static enum sp_status
header_write(struct bind *b, const struct sp_img_param *p, sp_jval *v)
{
	struct sp_bind_field *f = &b->out->fields[b->out->nfields];
	sp_slice arg = param_text(b, p->arg), text;
	size_t room = text_room(v);
	char *buf = sp_arena_get(b->a, room);
	struct parts parts;
	struct sp_out o;
	sp_jval *one;

	if (buf == NULL)
		return too_big(b);
	sp_out_init(&o, buf, room);
	for (parts = parts_of(v); parts_next(&parts, &one);) {
		const char *fault = "is no text, number or boolean";

		if (scalar(one, &text))
			fault = sp_bind_header_fault(text);
		if (fault == NULL && one != v && (text.n == 0 || sp_has_byte(text, ',')))
			fault = "has an empty element or one with a comma";
		if (fault != NULL)
			return bad_arg(b, arg, fault);
		sp_out_str(&o, o.n != 0 ? "," : "");
		sp_out_slice(&o, text);
	}
	if (o.full)
		return too_big(b);
	*f = (struct sp_bind_field){ param_text(b, p->wire), sp_out_view(&o) };
	b->out->nfields++;
	return SP_OK;
}

/* --- parameters --- */

/* The document's reader keeps these out; what is injected must not depend on it. */
static bool
is_slot(const struct bind *b, const struct sp_img_param *p)
{
	sp_slice wire = param_text(b, p->wire), prefix = SP_LIT("query ");

	if (p->in == SP_IN_PATH)
		return false;
	if (p->in == SP_IN_HEADER) {
		prefix = SP_LIT("header ");
		if (sp_slot_reserved(wire))
			return true;
	}
	for (uint32_t i = 0; i < b->server->slots.n; i++) {
		sp_slice slot = sp_img_text(b->img, b->server->slots, i);

		if (sp_take(&slot, prefix) && sp_eq_nocase(slot, wire))
			return true;
	}
	return false;
}

static enum sp_status
params_write(struct bind *b)
{
	for (uint32_t i = 0; i < b->op->params.n; i++) {
		const struct sp_img_param *p = param_at(b, i);
		sp_jval *v = given(b, p);
		enum sp_status st = SP_OK;

		if (v == NULL && p->required)
			return bad_arg(b, param_text(b, p->arg), "is required");
		if (v == NULL)
			continue;
		if (is_slot(b, p))
			return sp_fail(b->e, SP_E_REFUSED, NULL, "parameter %.*s is a credential slot",
			    SP_PRI(param_text(b, p->wire)));
		if (p->in == SP_IN_QUERY)
			st = query_write(b, p, v);
		else if (p->in == SP_IN_HEADER)
			st = header_write(b, p, v);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

/* --- body --- */

static bool
is_param(const struct bind *b, sp_slice arg)
{
	for (uint32_t i = 0; i < b->op->params.n; i++)
		if (sp_eq(param_text(b, param_at(b, i)->arg), arg))
			return true;
	return false;
}

/* At least the bytes of sp_jwrite(v): values of a tree lie in one run. */
static size_t
json_room(sp_jval *v)
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

static enum sp_status
body_out(struct bind *b, sp_jval *v, struct sp_out *o)
{
	size_t room = json_room(v);
	char *buf = sp_arena_get(b->a, room);

	if (buf == NULL)
		return too_big(b);
	sp_out_init(o, buf, room);
	return SP_OK;
}

/* What was checked is what is sent: written anew from the parsed values, numbers by their own digits. */
static enum sp_status
flat_write(struct bind *b)
{
	struct sp_out o;
	enum sp_status st = body_out(b, b->args, &o);
	bool any = false;

	if (st != SP_OK)
		return st;
	sp_out_byte(&o, '{');
	for (struct sp_jiter it = sp_jeach(b->args); sp_jnext(&it);) {
		if (is_param(b, it.key))
			continue;
		sp_out_str(&o, any ? "," : "");
		sp_jout_str(&o, it.key);
		sp_out_byte(&o, ':');
		sp_jwrite(&o, it.val);
		any = true;
	}
	sp_out_byte(&o, '}');
	if (o.full)
		return too_big(b);
	b->out->has_body = any || b->op->body_required != 0;
	if (b->out->has_body)
		b->out->body = sp_out_view(&o);
	return SP_OK;
}

static enum sp_status
whole_write(struct bind *b)
{
	sp_slice arg = param_text(b, b->op->body_arg);
	sp_jval *v = sp_jget(b->args, arg);
	struct sp_out o;
	enum sp_status st;

	if (v == NULL && b->op->body_required != 0)
		return bad_arg(b, arg, "is required");
	if (v == NULL || (sp_jis_null(v) && b->op->body_required == 0))
		return SP_OK;
	st = body_out(b, v, &o);
	if (st != SP_OK)
		return st;
	sp_jwrite(&o, v);
	if (o.full)
		return too_big(b);
	b->out->has_body = true;
	b->out->body = sp_out_view(&o);
	return SP_OK;
}

static enum sp_status
no_strangers(struct bind *b, sp_slice body_arg)
{
	for (struct sp_jiter it = sp_jeach(b->args); sp_jnext(&it);)
		if (!is_param(b, it.key) && !(b->op->body == SP_BODY_ARG && sp_eq(it.key, body_arg)))
			return bad_arg(b, it.key, "no such argument");
	return SP_OK;
}

static enum sp_status
body_write(struct bind *b)
{
	enum sp_status st;

	if (b->op->body == SP_BODY_FLAT)
		return flat_write(b);
	st = no_strangers(b, param_text(b, b->op->body_arg));
	if (st != SP_OK || b->op->body != SP_BODY_ARG)
		return st;
	return whole_write(b);
}

/* --- the request --- */

static enum sp_status
room_make(struct bind *b)
{
	size_t n = b->server->base_path.n + b->op->path.n + 16;
	char *p;

	for (uint32_t i = 0; i < b->op->params.n; i++) {
		const struct sp_img_param *q = param_at(b, i);
		sp_jval *v = given(b, q);
		size_t times = sp_jis_arr(v) && q->explode ? yyjson_arr_size(v) + 1 : 1;

		if (v != NULL && q->in != SP_IN_HEADER)
			n += times * (q->wire.n * 3 + 4) + text_room(v);
	}
	if (n > 4 * TARGET_MAX)
		n = 4 * TARGET_MAX;	/* more is refused anyway */
	p = sp_arena_get(b->a, n);
	b->out->fields = sp_arena_get(b->a, (b->op->params.n + 2) * sizeof *b->out->fields);
	if (p == NULL || b->out->fields == NULL)
		return too_big(b);
	sp_out_init(&b->target, p, n);
	return SP_OK;
}

static enum sp_status
target_write(struct bind *b)
{
	const char *fault;
	enum sp_status st = path_write(b);

	if (st == SP_OK)
		st = params_write(b);
	if (st != SP_OK)
		return st;
	if (b->target.full || b->target.n > TARGET_MAX)
		return bad_arg(b, SP_LIT(""), "too long for a request line");
	b->out->target = sp_out_view(&b->target);
	fault = sp_bind_target_fault(b->a, b->out->target);
	return fault == NULL ? SP_OK : bad_arg(b, SP_LIT(""), fault);
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
	struct bind b = { .a = a, .img = img, .args = args, .out = &req, .e = e };
	enum sp_status st;

	if (tool->op.n != 1)
		return sp_fail(e, SP_E_BUG, NULL, "the tool has no operation");
	b.server = SP_IMG_AT(img, img->head->servers, server, tool->server);
	b.op = SP_IMG_AT(img, tool->op, op, 0);
	if (args != NULL && !sp_jis_obj(args))
		return bad_arg(&b, SP_LIT(""), "must be an object");
	req.method = b.op->method;
	st = room_make(&b);
	if (st == SP_OK) {
		field_add(&req, SP_LIT("Accept"), SP_LIT("application/json, text/plain;q=0.9, */*;q=0.5"));
		st = target_write(&b);
	}
	if (st == SP_OK)
		st = body_write(&b);
	if (st != SP_OK)
		return st;
	if (req.has_body)
		field_add(&req, SP_LIT("Content-Type"), sp_img_str(img, b.op->media));
	*out = req;
	return SP_OK;
}
