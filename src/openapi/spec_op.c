/* One operation of a document as a tool. */
#include "openapi/spec_int.h"

#include "base/utf8.h"

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

/* The operation's servers, else those of its path.  Where the document's own first one stands, nothing is said. */
static enum sp_status
server_read(struct sp_reader *r, sp_jval *item, sp_jval *op, struct sp_spec_op *out)
{
	sp_jval *list = SP_JGET(op, "servers"), *first;
	char buf[2048];
	struct sp_out o;

	if (yyjson_arr_size(list) == 0)
		list = SP_JGET(item, "servers");
	first = yyjson_arr_get_first(list);
	if (r->dialect == 20 || first == NULL || sp_eq(sp_jtext(SP_JGET(first, "url")), r->base_server))
		return SP_OK;
	sp_out_init(&o, buf, sizeof buf);
	if (sp_spec_server_write(&o, first) != SP_OK || o.full || o.n == 0)
		return sp_spec_skip(r, "its server has no usable URL (%.*s)", SP_PRI(sp_jtext(SP_JGET(first, "url"))));
	out->server = sp_arena_copy(r->a, sp_out_view(&o));
	return out->server.p == NULL ? sp_spec_full(r) : SP_OK;
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

/* What concerns arguments: parameters, body, and the schema of both. */
static enum sp_status
arguments_read(struct sp_reader *r, sp_jval *item, sp_jval *op, struct sp_spec_op *out)
{
	struct sp_params ps = { .n = 0 };
	struct sp_body b;
	sp_slice arg;
	enum sp_status st = sp_spec_params(r, item, op, out->path, &ps);

	if (st == SP_OK)
		st = sp_spec_body(r, op, out->method, &ps, &b);
	if (st != SP_OK)
		return st;
	if (b.kind == SP_BODY_NONE)
		ps.nform = 0;
	arg = b.kind == SP_BODY_ARG ? SP_LIT("body") : SP_LIT("");
	st = sp_spec_args(r, &ps, SP_JGET(b.flat, "properties"), arg);
	if (st == SP_OK)
		st = sp_spec_input(r, &ps, &b, &out->schema);
	out->params = ps.p;
	out->nparams = ps.n;
	out->body = b.kind;
	out->body_arg = arg;
	out->body_required = b.required;
	out->encode = b.encode;
	out->parts = b.parts;
	out->nparts = b.nparts;
	out->media = sp_arena_copy(r->a, b.media);
	return st == SP_OK && out->media.p == NULL ? sp_spec_full(r) : st;
}

enum sp_status
sp_spec_op_read(struct sp_reader *r, sp_jval *item, sp_jval *op, struct sp_spec_op *out)
{
	enum sp_status st;

	if (out->method == SP_TRACE)
		return sp_spec_skip(r, "TRACE echoes credentials");
	st = server_read(r, item, op, out);
	if (st == SP_OK)
		st = security_read(r, op, out);
	if (st == SP_OK)
		st = tags_read(r, SP_JGET(op, "tags"), out);
	if (st == SP_OK)
		st = arguments_read(r, item, op, out);
	if (st == SP_OK)
		st = words_read(r, op, out);
	return st == SP_OK ? sp_spec_output(r, op, out) : st;
}
