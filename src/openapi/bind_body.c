/* The body of a request in the encoding that its operation has. */
#include "openapi/bind_int.h"

#include "base/b64.h"
#include "base/hash.h"
#include "base/utf8.h"

enum { BODY_MAX = 64 << 20, BOUNDARIES = 8, BOUNDARY_ROOM = 64, FILE_NAME = 128 };

static enum sp_status
body_out(struct sp_binder *b, sp_jval *v, struct sp_out *o)
{
	size_t room = sp_bind_json_room(v);
	char *buf = sp_arena_get(b->a, room);

	if (buf == NULL)
		return sp_bind_too_big(b);
	sp_out_init(o, buf, room);
	return SP_OK;
}

/* What was checked is what is sent: written anew from the parsed values, numbers by their own digits. */
static enum sp_status
json_flat(struct sp_binder *b)
{
	struct sp_out o;
	enum sp_status st = body_out(b, b->args, &o);
	bool any = false;

	if (st != SP_OK)
		return st;
	sp_out_byte(&o, '{');
	for (struct sp_jiter it = sp_jeach(b->args); sp_jnext(&it);) {
		if (sp_bind_is_param(b, it.key))
			continue;
		sp_out_str(&o, any ? "," : "");
		sp_jout_str(&o, it.key);
		sp_out_byte(&o, ':');
		sp_jwrite(&o, it.val);
		any = true;
	}
	sp_out_byte(&o, '}');
	if (o.full)
		return sp_bind_too_big(b);
	b->out->has_body = any || b->op->body_required != 0;
	if (b->out->has_body)
		b->out->body = sp_out_view(&o);
	return SP_OK;
}

static enum sp_status
json_whole(struct sp_binder *b)
{
	sp_slice arg = sp_img_str(b->img, b->op->body_arg);
	sp_jval *v = sp_jget(b->args, arg);
	struct sp_out o;
	enum sp_status st;

	if (v == NULL && b->op->body_required != 0)
		return sp_bind_bad(b, arg, "is required");
	if (v == NULL || (sp_jis_null(v) && b->op->body_required == 0))
		return SP_OK;
	st = body_out(b, v, &o);
	if (st != SP_OK)
		return st;
	sp_jwrite(&o, v);
	if (o.full)
		return sp_bind_too_big(b);
	b->out->has_body = true;
	b->out->body = sp_out_view(&o);
	return SP_OK;
}

/* --- members of a form or multipart body --- */

typedef enum sp_status (*member_fn)(struct sp_binder *b, const struct sp_img_part *p, sp_slice name, sp_jval *v,
    struct sp_out *o);

static const struct sp_img_part *
part_of(const struct sp_binder *b, sp_slice name)
{
	for (uint32_t i = 0; i < b->op->parts.n; i++) {
		const struct sp_img_part *p = SP_IMG_AT(b->img, b->op->parts, part, i);

		if (sp_eq(sp_img_str(b->img, p->name), name))
			return p;
	}
	return NULL;
}

/* Every member of the body that is given; null is the same as not given. */
static enum sp_status
members_write(struct sp_binder *b, member_fn write, struct sp_out *o, bool *given)
{
	bool flat = b->op->body == SP_BODY_FLAT;
	sp_slice arg = sp_img_str(b->img, b->op->body_arg);
	sp_jval *all = flat ? b->args : sp_jget(b->args, arg);
	enum sp_status st = SP_OK;

	*given = b->op->body_required != 0 || (!flat && all != NULL);
	if (!flat && all == NULL && b->op->body_required != 0)
		return sp_bind_bad(b, arg, "is required");
	if (all != NULL && !sp_jis_obj(all))
		return sp_bind_bad(b, arg, "must be an object");
	for (struct sp_jiter it = sp_jeach(all); st == SP_OK && sp_jnext(&it);) {
		if (sp_jis_null(it.val) || (flat && sp_bind_is_param(b, it.key)))
			continue;
		*given = true;
		st = write(b, part_of(b, it.key), it.key, it.val, o);
	}
	return st;
}

/* Into the arena, and the memory on the way is wiped. */
static enum sp_status
body_keep(struct sp_binder *b, struct sp_out *o)
{
	sp_slice s = sp_arena_copy(b->a, sp_out_view(o));

	if (o->full || s.p == NULL)
		return sp_bind_too_big(b);
	b->out->has_body = true;
	b->out->body = s;
	return SP_OK;
}

/* --- application/x-www-form-urlencoded --- */

static enum sp_status
form_member(struct sp_binder *b, const struct sp_img_part *p, sp_slice name, sp_jval *v, struct sp_out *o)
{
	bool begun = o->n != 0;
	struct sp_way w = { .style = SP_STYLE_FORM, .explode = true, .arg = name, .wire = name, .o = o, .begun = &begun };

	if (p != NULL && p->kind == SP_PART_JSON) {
		w.style = SP_STYLE_JSON;
	} else if (p != NULL && p->kind == SP_PART_STYLED) {
		w.style = p->style;
		w.explode = p->explode != 0;
		w.object = true;
	} else if (sp_jis_obj(v)) {
		w.style = SP_STYLE_JSON;	/* without a word on how, an object is JSON (OpenAPI 3.1 section 4.8.15) */
	}
	return sp_bind_value(b, &w, v);
}

static enum sp_status
form_write(struct sp_binder *b)
{
	struct sp_out o;
	bool given;
	enum sp_status st;

	sp_out_heap(&o, BODY_MAX);
	st = members_write(b, form_member, &o, &given);
	if (st == SP_OK && given)
		st = body_keep(b, &o);
	sp_out_wipe(&o);
	sp_out_free(&o);
	return st;
}

/* --- multipart/form-data, RFC 7578 --- */

/* RFC 7578 section 4.2: what would end the quoted name is percent-encoded, as browsers do. */
static void
quoted(struct sp_out *o, sp_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (sp_is_ctl(c) || c == '"' || c == '\\')
			sp_out_fmt(o, "%%%02X", c);
		else
			sp_out_byte(o, (char)c);
	}
}

/* The last component of what the caller calls the file, of plain characters only. */
static void
file_name(struct sp_out *o, sp_slice s)
{
	size_t at = s.n, was = o->n;

	while (at != 0 && s.p[at - 1] != '/' && s.p[at - 1] != '\\')
		at--;
	s = sp_sub(s, at, FILE_NAME);
	while (s.n != 0 && s.p[0] == '.')
		sp_advance(&s, 1);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		sp_out_byte(o, sp_is_alpha(c) || sp_is_digit(c) || strchr("._- ", c) != NULL ? (char)c : '_');
	}
	if (o->n == was)
		sp_out_str(o, "file");
}

struct file { sp_slice name; bool named; };

static void
part_open(struct sp_binder *b, sp_slice name, const struct file *file, sp_slice media, struct sp_out *o)
{
	sp_out_str(o, "--");
	sp_out_slice(o, b->boundary);
	sp_out_str(o, "\r\nContent-Disposition: form-data; name=\"");
	quoted(o, name);
	if (file != NULL) {
		sp_out_str(o, "\"; filename=\"");
		file_name(o, file->named ? file->name : name);
	}
	sp_out_str(o, "\"\r\n");
	if (media.n != 0) {
		sp_out_str(o, "Content-Type: ");
		sp_out_slice(o, media);
		sp_out_str(o, "\r\n");
	}
	sp_out_str(o, "\r\n");
	b->pieces++;
}

static enum sp_status
bytes_decode(struct sp_binder *b, sp_slice arg, sp_slice text, sp_slice *out)
{
	size_t room = sp_b64_room(text.n), n;
	char *buf = sp_arena_get(b->a, room);

	if (buf == NULL)
		return sp_bind_too_big(b);
	if (!sp_b64_decode(text, buf, room, &n))
		return sp_bind_bad(b, arg, "is not base64 (standard alphabet, with padding)");
	*out = (sp_slice){ buf, n };
	return SP_OK;
}

/* Base64 text, or {data, filename}. */
static enum sp_status
part_bytes(struct sp_binder *b, sp_slice name, sp_jval *v, sp_slice media, struct sp_out *o)
{
	struct file file = { .named = sp_jis_str(SP_JGET(v, "filename")), .name = sp_jtext(SP_JGET(v, "filename")) };
	sp_jval *data = sp_jis_obj(v) ? SP_JGET(v, "data") : v;
	sp_slice bytes;
	enum sp_status st;

	if (!sp_jis_str(data))
		return sp_bind_bad(b, name, "is not base64 text");
	st = bytes_decode(b, name, sp_jtext(data), &bytes);
	if (st != SP_OK)
		return st;
	part_open(b, name, &file, media.n == 0 ? SP_LIT("application/octet-stream") : media, o);
	sp_out_slice(o, bytes);
	sp_out_str(o, "\r\n");
	return SP_OK;
}

static enum sp_status
part_one(struct sp_binder *b, const struct sp_img_part *p, sp_slice name, sp_jval *v, struct sp_out *o)
{
	sp_slice media = p == NULL ? SP_LIT("") : sp_img_str(b->img, p->media), text;

	if (p != NULL && p->kind == SP_PART_BASE64)
		return part_bytes(b, name, v, media, o);
	if ((p != NULL && p->kind == SP_PART_JSON) || !sp_bind_scalar(v, &text)) {
		text = sp_bind_json(b->a, v);
		if (text.p == NULL)
			return sp_bind_too_big(b);
		media = media.n == 0 ? SP_LIT("application/json") : media;
	}
	part_open(b, name, NULL, media, o);
	sp_out_slice(o, text);
	sp_out_str(o, "\r\n");
	return SP_OK;
}

void
sp_bind_part(struct sp_binder *b, const struct sp_way *w)
{
	sp_out_str(w->o, *w->begun ? "\r\n" : "");
	*w->begun = true;
	part_open(b, w->wire, NULL, SP_LIT(""), w->o);
}

/* OpenAPI 3.1 section 4.8.15.1: what a form would have as NAME=value is a part of that name. */
static enum sp_status
part_styled(struct sp_binder *b, const struct sp_img_part *p, sp_slice name, sp_jval *v, struct sp_out *o)
{
	bool begun = false;
	struct sp_way w = { .style = p->style, .explode = p->explode != 0, .object = true, .part = true, .arg = name,
		.wire = name, .o = o, .begun = &begun };
	enum sp_status st = sp_bind_value(b, &w, v);

	sp_out_str(o, begun ? "\r\n" : "");
	return st;
}

/* A list is as many parts of one name. */
static enum sp_status
part_member(struct sp_binder *b, const struct sp_img_part *p, sp_slice name, sp_jval *v, struct sp_out *o)
{
	enum sp_status st = SP_OK;

	if (p != NULL && p->kind == SP_PART_STYLED)
		return part_styled(b, p, name, v, o);
	if (!sp_jis_arr(v) || (p != NULL && p->kind == SP_PART_JSON))
		return part_one(b, p, name, v, o);
	for (struct sp_jiter it = sp_jeach(v); st == SP_OK && sp_jnext(&it);)
		st = part_one(b, p, name, it.val, o);
	return st;
}

static size_t
count(sp_slice hay, sp_slice needle)
{
	size_t n = 0, at;

	for (; (at = sp_find(hay, needle)) != SIZE_MAX; n++)
		sp_advance(&hay, at + needle.n);
	return n;
}

/* A boundary that stands in no part: derived from the arguments, and tried against what is sent. */
static enum sp_status
boundary_make(struct sp_binder *b, uint64_t turn)
{
	const struct sp_hash_key key = { { 0x6d756c7469706172u, turn } };
	sp_slice text = sp_bind_json(b->a, b->args);
	char *buf = sp_arena_get(b->a, BOUNDARY_ROOM);
	struct sp_out o;

	if (buf == NULL || text.p == NULL)
		return sp_bind_too_big(b);
	sp_out_init(&o, buf, BOUNDARY_ROOM);
	sp_out_fmt(&o, "sallyport-%016llx", (unsigned long long)sp_siphash(&key, text));
	b->boundary = sp_out_view(&o);
	return SP_OK;
}

static enum sp_status
parts_write(struct sp_binder *b, struct sp_out *o, bool *given, bool *good)
{
	enum sp_status st;

	sp_out_reset(o);
	b->pieces = 0;
	st = members_write(b, part_member, o, given);
	if (st != SP_OK)
		return st;
	sp_out_str(o, "--");
	sp_out_slice(o, b->boundary);
	sp_out_str(o, "--\r\n");
	*good = o->full || count(sp_out_view(o), b->boundary) == b->pieces + 1u;
	return SP_OK;
}

static enum sp_status
multipart_media(struct sp_binder *b)
{
	sp_slice media = sp_img_str(b->img, b->op->media);
	size_t room = media.n + b->boundary.n + 16;
	char *buf = sp_arena_get(b->a, room);
	struct sp_out o;

	if (buf == NULL)
		return sp_bind_too_big(b);
	sp_out_init(&o, buf, room);
	sp_out_slice(&o, media);
	sp_out_str(&o, "; boundary=");
	sp_out_slice(&o, b->boundary);
	b->media = sp_out_view(&o);
	return SP_OK;
}

static enum sp_status
multipart_write(struct sp_binder *b)
{
	bool given = false, good = false;
	enum sp_status st = SP_OK;
	struct sp_out o;

	sp_out_heap(&o, BODY_MAX);
	for (uint64_t i = 0; i < BOUNDARIES && st == SP_OK && !good; i++) {
		st = boundary_make(b, i);
		if (st == SP_OK)
			st = parts_write(b, &o, &given, &good);
	}
	if (st == SP_OK && !good)
		st = sp_bind_bad(b, SP_LIT(""), "hold every boundary that could part them");
	if (st == SP_OK && given)
		st = body_keep(b, &o);
	if (st == SP_OK && given)
		st = multipart_media(b);
	sp_out_wipe(&o);
	sp_out_free(&o);
	return st;
}

/* --- text and bytes --- */

static enum sp_status
raw_write(struct sp_binder *b)
{
	sp_slice arg = sp_img_str(b->img, b->op->body_arg), text;
	sp_jval *v = sp_jget(b->args, arg);
	enum sp_status st = SP_OK;

	if (v == NULL || sp_jis_null(v))
		return b->op->body_required != 0 ? sp_bind_bad(b, arg, "is required") : SP_OK;
	if (!sp_jis_str(v))
		return sp_bind_bad(b, arg, "is no text");
	text = sp_jtext(v);
	if (b->op->encode == SP_ENC_BASE64)
		st = bytes_decode(b, arg, text, &text);
	if (st != SP_OK)
		return st;
	b->out->has_body = true;
	b->out->body = text;
	return SP_OK;
}

/* --- all of them --- */

static enum sp_status
no_strangers(struct sp_binder *b, sp_slice body_arg)
{
	for (struct sp_jiter it = sp_jeach(b->args); sp_jnext(&it);)
		if (!sp_bind_is_param(b, it.key) && !(b->op->body == SP_BODY_ARG && sp_eq(it.key, body_arg)))
			return sp_bind_bad(b, it.key, "no such argument");
	return SP_OK;
}

enum sp_status
sp_bind_body(struct sp_binder *b)
{
	enum sp_status st = SP_OK;

	b->media = sp_img_str(b->img, b->op->media);
	if (b->op->body != SP_BODY_FLAT)
		st = no_strangers(b, sp_img_str(b->img, b->op->body_arg));
	if (st != SP_OK || b->op->body == SP_BODY_NONE)
		return st;
	switch (b->op->encode) {
	case SP_ENC_FORM:
		return form_write(b);
	case SP_ENC_MULTIPART:
		return multipart_write(b);
	case SP_ENC_TEXT:
	case SP_ENC_BASE64:
		return raw_write(b);
	default:
		return b->op->body == SP_BODY_FLAT ? json_flat(b) : json_whole(b);
	}
}
