#include "openapi/spec_int.h"

#include "base/utf8.h"
#include "openapi/yaml_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum sp_status
sp_spec_skip(struct sp_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof r->why, fmt, ap);
	va_end(ap);
	return SP_E_REFUSED;
}

enum sp_status
sp_spec_full(struct sp_reader *r)
{
	return sp_fail(r->e, SP_E_CONFIG, NULL, "the document is too large: its tools need more than %zu MB",
	    r->a->max >> 20);
}

/* --- the head of a document --- */

/* A JSON object begins with a brace; all else is read as YAML. */
static bool
is_json(sp_slice s)
{
	while (s.n != 0 && memchr(" \t\r\n", s.p[0], 4) != NULL)
		sp_advance(&s, 1);
	return s.n != 0 && s.p[0] == '{';
}

static enum sp_status
document_read(sp_slice text, struct sp_json *doc, struct sp_err *e)
{
	SP_AUTO(sp_out_free) struct sp_out json;
	bool yaml = !is_json(text);
	enum sp_status st;

	sp_out_heap(&json, SP_SPEC_TEXT);
	if (text.n > SP_SPEC_TEXT)
		return sp_fail(e, SP_E_CONFIG, NULL, "the document is larger than %d MB", SP_SPEC_TEXT >> 20);
	if (yaml) {
		st = sp_yaml_json(text, &json, e);
		if (st != SP_OK)
			return st;
		text = sp_out_view(&json);
	}
	st = sp_json_read(text, (struct sp_json_limits){ SP_SPEC_DEPTH, 0 }, doc, e);
	if (st == SP_OK)
		return SP_OK;
	if (e != NULL)
		e->code = SP_E_CONFIG;
	if (yaml)	/* the byte that the reader names is not one of the file's */
		return sp_fail(e, SP_E_CONFIG, NULL, "the YAML document has a value that JSON cannot hold");
	return SP_E_CONFIG;
}

static enum sp_status
dialect_read(struct sp_reader *r)
{
	sp_slice swagger = sp_jtext(SP_JGET(r->root, "swagger")), open = sp_jtext(SP_JGET(r->root, "openapi"));

	if (sp_eq(swagger, SP_LIT("2.0")))
		r->dialect = 20;
	else if (sp_eq(open, SP_LIT("3.0")) || sp_starts(open, SP_LIT("3.0.")))
		r->dialect = 30;
	else if (sp_eq(open, SP_LIT("3.1")) || sp_starts(open, SP_LIT("3.1.")))
		r->dialect = 31;
	else if (swagger.n != 0 || open.n != 0)
		return sp_fail(r->e, SP_E_CONFIG, NULL, "version %.*s is not supported: Swagger 2.0, OpenAPI 3.0 and "
		    "3.1 are", SP_PRI(swagger.n != 0 ? swagger : open));
	else
		return sp_fail(r->e, SP_E_CONFIG, NULL, "neither \"openapi\" nor \"swagger\" says a version: "
		    "this is no OpenAPI document");
	r->out->dialect = r->dialect;
	return SP_OK;
}

/* A default outside the variable's own enum is none. */
static sp_slice
variable_value(sp_jval *v)
{
	sp_slice value = sp_jtext(SP_JGET(v, "default"));
	sp_jval *list = SP_JGET(v, "enum");
	bool listed = yyjson_arr_size(list) == 0;

	for (struct sp_jiter it = sp_jeach(list); sp_jnext(&it);)
		listed |= sp_eq(sp_jtext(it.val), value);
	return listed ? value : SP_LIT("");
}

/* "{name}" becomes the default that the document gives: arguments never reach the host (threat row M02). */
enum sp_status
sp_spec_server_write(struct sp_out *o, sp_jval *server)
{
	sp_slice url = sp_jtext(SP_JGET(server, "url")), part, name, value;
	sp_jval *variables = SP_JGET(server, "variables");

	while (sp_take_to(&url, '{', &part)) {
		sp_out_slice(o, part);
		if (!sp_take_to(&url, '}', &name))
			return SP_E_REFUSED;
		value = variable_value(sp_jget(variables, name));
		if (value.n == 0)
			return SP_E_REFUSED;
		sp_out_slice(o, value);
	}
	sp_out_slice(o, url);
	return SP_OK;
}

static void
host_write(struct sp_reader *r, struct sp_out *o)
{
	sp_slice host = sp_jtext(SP_JGET(r->root, "host")), base = sp_jtext(SP_JGET(r->root, "basePath"));
	bool http = false, https = false;

	for (struct sp_jiter it = sp_jeach(SP_JGET(r->root, "schemes")); sp_jnext(&it);) {
		http |= sp_eq(sp_jtext(it.val), SP_LIT("http"));
		https |= sp_eq(sp_jtext(it.val), SP_LIT("https"));
	}
	if (host.n != 0) {
		sp_out_str(o, http && !https ? "http://" : "https://");
		sp_out_slice(o, host);
	}
	sp_out_slice(o, base);
}

static enum sp_status
base_read(struct sp_reader *r)
{
	sp_jval *first = yyjson_arr_get_first(SP_JGET(r->root, "servers"));
	enum sp_status st = SP_OK;
	char buf[2048];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	r->base_server = sp_jtext(SP_JGET(first, "url"));
	if (r->dialect == 20)
		host_write(r, &o);
	else
		st = sp_spec_server_write(&o, first);
	if (st != SP_OK || o.full)	/* not usable: `url` must be written in the configuration */
		o.n = 0;
	r->out->base_url = sp_arena_copy(r->a, sp_out_view(&o));
	return r->out->base_url.p == NULL ? sp_spec_full(r) : SP_OK;
}

static enum sp_status
head_read(struct sp_reader *r)
{
	sp_jval *info = SP_JGET(r->root, "info"), *security = SP_JGET(r->root, "security");
	enum sp_status st = dialect_read(r);

	if (st == SP_OK)
		st = base_read(r);
	if (st == SP_OK)
		st = sp_spec_words(r, SP_JGET(info, "title"), 256, &r->out->title);
	if (st == SP_OK)
		st = sp_spec_words(r, SP_JGET(info, "version"), 64, &r->out->version);
	if (st == SP_OK)
		st = sp_spec_schemes(r);
	if (st != SP_OK || security == NULL)
		return st;
	r->security_st = sp_spec_security(r, security, &r->security);
	memcpy(r->security_why, r->why, sizeof r->why);
	return r->security_st == SP_E_REFUSED ? SP_OK : r->security_st;
}

/* --- operations --- */

static const struct { sp_slice key; enum sp_method method; } methods[] = {
	{ SP_LIT_INIT("get"), SP_GET }, { SP_LIT_INIT("head"), SP_HEAD }, { SP_LIT_INIT("post"), SP_POST },
	{ SP_LIT_INIT("put"), SP_PUT }, { SP_LIT_INIT("delete"), SP_DELETE }, { SP_LIT_INIT("patch"), SP_PATCH },
	{ SP_LIT_INIT("options"), SP_OPTIONS }, { SP_LIT_INIT("trace"), SP_TRACE },
};

static enum sp_method
method_of(sp_slice key)
{
	for (size_t i = 0; i < SP_COUNT(methods); i++)
		if (sp_eq(methods[i].key, key))
			return methods[i].method;
	return 0;
}

static bool
is_extension(sp_slice key)
{
	return sp_starts(key, SP_LIT("x-"));
}

/* A path item may be a reference; one that cannot be read counts as one operation that is skipped. */
static enum sp_status
item_read(struct sp_reader *r, sp_jval *written, sp_jval **item)
{
	enum sp_status st = sp_spec_deref(r, written, item);

	if (st == SP_OK && !sp_jis_obj(*item))
		return sp_spec_skip(r, "the path item is no object");
	return st;
}

static enum sp_status
ops_count(struct sp_reader *r, sp_jval *paths, size_t *n)
{
	sp_jval *item;

	*n = 0;
	for (struct sp_jiter p = sp_jeach(paths); sp_jnext(&p);) {
		enum sp_status st;

		if (is_extension(p.key))
			continue;
		st = item_read(r, p.val, &item);
		if (st != SP_OK && st != SP_E_REFUSED)
			return st;
		if (st == SP_E_REFUSED)
			*n += 1;
		else
			for (struct sp_jiter o = sp_jeach(item); sp_jnext(&o);)
				*n += method_of(o.key) != 0;
		if (*n > SP_SPEC_OPS)
			return sp_fail(r->e, SP_E_CONFIG, NULL, "more than %d operations", SP_SPEC_OPS);
	}
	return SP_OK;
}

/* get_users_id of GET /users/{id}. */
static void
slug_write(struct sp_out *o, sp_slice method, sp_slice path)
{
	bool gap = true;

	sp_out_slice(o, method);
	for (size_t i = 0; i < path.n && o->n < SP_SPEC_NAME; i++) {
		unsigned char c = (unsigned char)path.p[i];

		if (!sp_is_alpha(c) && !sp_is_digit(c)) {
			gap = true;
			continue;
		}
		if (gap && o->n + 1 < SP_SPEC_NAME)
			sp_out_byte(o, '_');
		gap = false;
		sp_out_byte(o, (char)c);
	}
}

static enum sp_status
op_name(struct sp_reader *r, sp_slice method, sp_slice path, sp_jval *op, sp_slice *name)
{
	sp_slice id = sp_jtext(SP_JGET(op, "operationId"));
	char buf[SP_SPEC_NAME + 1];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	if (sp_jis_str(SP_JGET(op, "operationId")) && id.n != 0)
		sp_spec_name_clean(&o, id, SP_SPEC_NAME);
	else
		slug_write(&o, method, path);
	return sp_spec_name(r, &r->names, sp_out_view(&o), name);
}

/* Keeps the operation in the list, with r->why. */
static enum sp_status
op_skip(struct sp_reader *r, const struct sp_spec_op *o)
{
	struct sp_spec_op *out = &r->out->ops[r->out->nops++];

	*out = *o;
	sp_out_reset(&r->words);
	sp_utf8_clean(&r->words, sp_str(r->why), sizeof r->why, false);
	out->skipped = sp_arena_copy(r->a, sp_out_view(&r->words));
	sp_out_reset(&r->words);
	sp_utf8_clean(&r->words, o->path, SP_SPEC_WORDS, false);	/* it may be the reason */
	out->path = sp_arena_copy(r->a, sp_out_view(&r->words));
	return out->skipped.p == NULL || out->path.p == NULL ? sp_spec_full(r) : SP_OK;
}

static enum sp_status
op_add(struct sp_reader *r, sp_slice path, sp_slice key, sp_jval *item, sp_jval *op)
{
	struct sp_spec_op o = { .method = method_of(key), .path = path }, full;
	enum sp_status st = op_name(r, key, path, op, &o.name);

	if (st != SP_OK)
		return st;
	full = o;
	st = sp_jis_obj(op) ? sp_spec_op_read(r, item, op, &full) : sp_spec_skip(r, "the operation is no object");
	if (st == SP_E_REFUSED)
		return op_skip(r, &o);
	if (st == SP_OK)
		r->out->ops[r->out->nops++] = full;
	return st;
}

static enum sp_status
path_add(struct sp_reader *r, sp_slice key, sp_jval *written)
{
	/* What stands behind a '#' only keeps the keys of some documents apart: no request has it. */
	struct sp_spec_op none = { .path = sp_arena_copy(r->a, sp_sub(key, 0, sp_find(key, SP_LIT("#")))) };
	sp_jval *item;
	enum sp_status st = none.path.p == NULL ? sp_spec_full(r) : item_read(r, written, &item);

	if (st == SP_E_REFUSED)
		return op_skip(r, &none);
	if (st != SP_OK)
		return st;
	for (struct sp_jiter it = sp_jeach(item); sp_jnext(&it);) {
		if (method_of(it.key) == 0)
			continue;
		st = op_add(r, none.path, it.key, item, it.val);
		if (st != SP_OK)
			return sp_err_context(r->e, "%.*s %.*s", SP_PRI(it.key), SP_PRI(key)), st;
	}
	return SP_OK;
}

static enum sp_status
paths_read(struct sp_reader *r)
{
	sp_jval *paths = SP_JGET(r->root, "paths");
	enum sp_status st;
	size_t n;

	if (!sp_jis_obj(paths))
		return sp_fail(r->e, SP_E_CONFIG, NULL, "/paths: missing, or no object: there is nothing to call");
	st = ops_count(r, paths, &n);
	if (st != SP_OK)
		return st;
	r->out->ops = sp_arena_get(r->a, n * sizeof *r->out->ops);
	if (r->out->ops == NULL)
		return sp_spec_full(r);
	for (struct sp_jiter it = sp_jeach(paths); sp_jnext(&it);) {
		if (is_extension(it.key))
			continue;
		st = path_add(r, it.key, it.val);
		if (st != SP_OK)
			return st;
	}
	return SP_OK;
}

/* --- the whole --- */

static void
reader_free(struct sp_reader *r)
{
	sp_spec_index_free(r);
	sp_out_free(&r->text);
	sp_out_free(&r->words);
	sp_out_free(&r->own_words);
	free(r->names.slot);
	free(r->defs.names.slot);
	free(r->defs.slot);
	free(r->defs.list);
}

enum sp_status
sp_spec_read(struct sp_arena *a, sp_slice text, struct sp_spec *out, struct sp_err *e)
{
	/* The tables' key depends on every byte of the document: its author cannot aim at their slots. */
	static const struct sp_hash_key first = { { 0x53616c6c79706f72u, 0x7420746162676473u } };
	SP_AUTO(reader_free) struct sp_reader r = { .a = a, .e = e, .work = SP_SPEC_WORK };
	SP_AUTO(sp_json_free) struct sp_json doc = { 0 };
	struct sp_spec spec = { 0 };
	enum sp_status st = document_read(text, &doc, e);

	if (st != SP_OK)
		return st;
	r.root = doc.root;
	r.out = &spec;
	r.names.key.k[0] = sp_siphash(&first, text);
	r.names.key.k[1] = first.k[1];
	r.defs.names.key = r.names.key;
	sp_out_heap(&r.text, SP_SPEC_SCHEMA);
	sp_out_heap(&r.words, 4 * SP_SPEC_WORDS);
	sp_out_heap(&r.own_words, 4 * SP_SPEC_WORDS);
	st = head_read(&r);
	if (st == SP_OK)
		st = paths_read(&r);
	if (st != SP_OK)
		return st;
	*out = spec;
	return SP_OK;
}

/* --- the Tool object --- */

static void
text_member(struct sp_out *o, const char *name, sp_slice s)
{
	if (s.n == 0)
		return;
	sp_out_str(o, name);
	sp_jout_str(o, s);
}

void
sp_spec_tool_json(struct sp_out *o, const struct sp_spec_op *op, sp_slice shown)
{
	bool read = op->method == SP_GET || op->method == SP_HEAD;
	bool again = read || op->method == SP_PUT || op->method == SP_DELETE;

	text_member(o, "{\"name\":", shown);
	text_member(o, ",\"title\":", op->title);
	text_member(o, ",\"description\":", op->description);
	sp_out_str(o, ",\"inputSchema\":");
	sp_out_slice(o, op->schema);
	if (op->output.n != 0)
		sp_out_str(o, ",\"outputSchema\":");
	sp_out_slice(o, op->output);
	sp_out_fmt(o, ",\"annotations\":{\"readOnlyHint\":%s,\"destructiveHint\":%s,\"idempotentHint\":%s,"
	    "\"openWorldHint\":false}}", read ? "true" : "false", read ? "false" : "true", again ? "true" : "false");
}
