/* Functions of <sallyport/context.h> that add to an answer; they run in the handler's thread. */
#include "server/engine.h"

#include "base/b64.h"
#include "base/utf8.h"
#include "mcp/foreign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUES_MAX = 100, VALUE_BYTES = 1 << 16 };

void
sp_content_reset(struct sp_content *out)
{
	struct sp_out text = out->text, structured = out->structured;

	sp_out_reset(&text);
	sp_out_reset(&structured);
	*out = (struct sp_content){ .text = text, .structured = structured, .progressed = out->progressed };
}

/* ---- pieces */

static bool
is_read(const struct sp_context *c)
{
	return c->ask.method == SP_MCP_RESOURCES_READ;
}

static bool
is_prompt(const struct sp_context *c)
{
	return c->ask.method == SP_MCP_PROMPTS_GET;
}

/* May something be added? */
static enum sp_rc
can_add(const struct sp_context *c)
{
	enum sp_rc rc = sp_call_open(c);

	if (rc != SP_RC_OK)
		return rc;
	if (c->completing)
		return SP_RC_INVALID;
	return c->out.failed || c->out.rpc_code != 0 || c->out.whole ? SP_RC_OVER : SP_RC_OK;
}

static enum sp_rc
broken(struct sp_context *c, const char *why)
{
	if (c->out.broken == NULL)
		c->out.broken = why;
	return SP_RC_INVALID;
}

/* Every text goes through here. */
static bool
is_text(struct sp_context *c, const char *text)
{
	if (text != NULL && sp_utf8_valid(sp_str(text)))
		return true;
	broken(c, text == NULL ? "a text is NULL" : "a text is not UTF-8");
	return false;
}

static struct sp_out *
block_begin(struct sp_context *c)
{
	struct sp_out *o = &c->out.text;

	if (c->out.count++ != 0)
		sp_out_byte(o, ',');
	if (is_prompt(c))
		sp_out_str(o, c->out.assistant ? "{\"role\":\"assistant\",\"content\":" : "{\"role\":\"user\",\"content\":");
	return o;
}

static enum sp_rc
block_end(struct sp_context *c)
{
	if (is_prompt(c))
		sp_out_byte(&c->out.text, '}');
	c->out.last_end = is_prompt(c) ? 2 : 1;
	return c->out.text.full ? SP_RC_TOO_BIG : SP_RC_OK;
}

static void
mime_member(struct sp_out *o, const char *mime_type)
{
	if (mime_type == NULL || mime_type[0] == '\0')
		return;
	sp_out_str(o, ",\"mimeType\":");
	sp_jout_str(o, sp_str(mime_type));
}

/* {"uri":…,"mimeType":…, and then "text": or "blob": */
static void
contents_begin(struct sp_context *c, struct sp_out *o, const char *uri, const char *mime_type, const char *member)
{
	sp_out_str(o, "{\"uri\":");
	sp_jout_str(o, uri == NULL ? c->name : sp_str(uri));
	mime_member(o, mime_type == NULL && is_read(c) ? c->offer->mime_type.p : mime_type);
	sp_out_str(o, member);
}

static void
blob(struct sp_out *o, const void *bytes, size_t n)
{
	sp_out_byte(o, '"');
	sp_b64_encode(o, bytes, n);
	sp_out_byte(o, '"');
}

/* ---- text and bytes */

enum sp_rc
sp_add_text(struct sp_context *c, const char *text)
{
	enum sp_rc rc = can_add(c);
	struct sp_out *o;

	if (rc != SP_RC_OK)
		return rc;
	if (!is_text(c, text))
		return SP_RC_INVALID;
	o = block_begin(c);
	if (is_read(c))
		contents_begin(c, o, NULL, NULL, ",\"text\":");
	else
		sp_out_str(o, "{\"type\":\"text\",\"text\":");
	sp_jout_str(o, sp_str(text));
	sp_out_byte(o, '}');
	return block_end(c);
}

enum sp_rc
sp_return_text(struct sp_context *c, const char *text)
{
	return sp_add_text(c, text);
}

static enum sp_rc
formatted(struct sp_context *c, enum sp_rc (*use)(struct sp_context *c, const char *text), const char *format, va_list ap)
{
	char *text = NULL;
	enum sp_rc rc;

	if (vasprintf(&text, format, ap) == -1)
		return SP_RC_NO_MEMORY;
	rc = use(c, text);
	free(text);
	return rc;
}

enum sp_rc
sp_return_textf(struct sp_context *c, const char *format, ...)
{
	va_list ap;
	enum sp_rc rc;

	va_start(ap, format);
	rc = formatted(c, sp_return_text, format, ap);
	va_end(ap);
	return rc;
}

static enum sp_rc
add_media(struct sp_context *c, const char *type, const char *mime_type, const void *bytes, size_t n)
{
	enum sp_rc rc = can_add(c);
	struct sp_out *o;

	if (rc != SP_RC_OK)
		return rc;
	if (bytes == NULL && n != 0)
		return broken(c, "bytes is NULL");
	if (!is_text(c, mime_type))
		return SP_RC_INVALID;
	o = block_begin(c);
	if (is_read(c)) {
		contents_begin(c, o, NULL, mime_type, ",\"blob\":");
		blob(o, bytes, n);
	} else {
		sp_out_fmt(o, "{\"type\":\"%s\"", type);
		mime_member(o, mime_type);
		sp_out_str(o, ",\"data\":");
		blob(o, bytes, n);
	}
	sp_out_byte(o, '}');
	return block_end(c);
}

enum sp_rc
sp_add_image(struct sp_context *c, const char *mime_type, const void *bytes, size_t n)
{
	return add_media(c, "image", mime_type, bytes, n);
}

enum sp_rc
sp_add_audio(struct sp_context *c, const char *mime_type, const void *bytes, size_t n)
{
	return add_media(c, "audio", mime_type, bytes, n);
}

/* ---- resources */

static enum sp_rc
uri_wrong(struct sp_context *c, const char *uri)
{
	if (uri == NULL && is_read(c))
		return SP_RC_OK;
	if (!is_text(c, uri))
		return SP_RC_INVALID;
	return sp_res_uri_ok(sp_str(uri)) ? SP_RC_OK : broken(c, "a URI is not an absolute one");
}

enum sp_rc
sp_add_resource_link(struct sp_context *c, const char *uri, const char *name, const char *mime_type)
{
	enum sp_rc rc = can_add(c);
	struct sp_out *o;

	if (rc != SP_RC_OK)
		return rc;
	if (is_read(c))
		return broken(c, "a resource's contents are no link");
	if (uri_wrong(c, uri) != SP_RC_OK || !is_text(c, name) || (mime_type != NULL && !is_text(c, mime_type)))
		return SP_RC_INVALID;
	o = block_begin(c);
	sp_out_str(o, "{\"type\":\"resource_link\",\"uri\":");
	sp_jout_str(o, sp_str(uri));
	sp_out_str(o, ",\"name\":");
	sp_jout_str(o, sp_str(name));
	mime_member(o, mime_type);
	sp_out_byte(o, '}');
	return block_end(c);
}

/* `text` or, when it is NULL, bytes. */
static enum sp_rc
add_resource(struct sp_context *c, const char *uri, const char *mime_type, const char *text, const void *bytes, size_t n)
{
	enum sp_rc rc = can_add(c);
	struct sp_out *o;

	if (rc != SP_RC_OK)
		return rc;
	if (uri_wrong(c, uri) != SP_RC_OK || (mime_type != NULL && !is_text(c, mime_type)) ||
	    (text != NULL && !is_text(c, text)))
		return SP_RC_INVALID;
	o = block_begin(c);
	if (!is_read(c))
		sp_out_str(o, "{\"type\":\"resource\",\"resource\":");
	contents_begin(c, o, uri, mime_type, text != NULL ? ",\"text\":" : ",\"blob\":");
	if (text != NULL)
		sp_jout_str(o, sp_str(text));
	else
		blob(o, bytes, n);
	sp_out_str(o, is_read(c) ? "}" : "}}");
	return block_end(c);
}

enum sp_rc
sp_add_resource_text(struct sp_context *c, const char *uri, const char *mime_type, const char *text)
{
	if (text == NULL)
		return sp_call_open(c) == SP_RC_OK ? broken(c, "a text is NULL") : sp_call_open(c);
	return add_resource(c, uri, mime_type, text, NULL, 0);
}

enum sp_rc
sp_add_resource_blob(struct sp_context *c, const char *uri, const char *mime_type, const void *bytes, size_t n)
{
	if (bytes == NULL && n != 0)
		return sp_call_open(c) == SP_RC_OK ? broken(c, "bytes is NULL") : sp_call_open(c);
	return add_resource(c, uri, mime_type, NULL, bytes, n);
}

/* ---- JSON */

static bool
read_json(struct sp_context *c, const char *text, struct sp_json *json)
{
	struct sp_err e;

	if (text != NULL && sp_json_read(sp_str(text), SP_JSON_DEFAULT, json, &e) == SP_OK)
		return true;
	broken(c, "a text is not JSON");
	return false;
}

enum sp_rc
sp_add_content(struct sp_context *c, const char *text)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	enum sp_rc rc = can_add(c);

	if (rc != SP_RC_OK)
		return rc;
	if (!read_json(c, text, &json))
		return SP_RC_INVALID;
	if (!sp_jis_obj(json.root) || !sp_jis_str(sp_jget(json.root, is_read(c) ? SP_LIT("uri") : SP_LIT("type"))))
		return broken(c, is_read(c) ? "contents need a uri" : "a content block needs a type");
	sp_jwrite(block_begin(c), json.root);
	return block_end(c);
}

/* Only in the result of a tool; elsewhere it is a text. */
static enum sp_rc
keep_structured(struct sp_context *c, sp_jval *root)
{
	struct sp_err e = { 0 };

	if (c->offer->output != NULL && sp_schema_check(c->offer->output, root, 0, &e) != SP_OK)
		return broken(c, "the structured result does not fit output_schema");
	sp_out_reset(&c->out.structured);
	sp_jwrite(&c->out.structured, root);
	c->out.structured_object = sp_jis_obj(root);
	return c->out.structured.full ? SP_RC_TOO_BIG : SP_RC_OK;
}

enum sp_rc
sp_return_json(struct sp_context *c, const char *text)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	enum sp_rc rc = can_add(c);
	struct sp_out *o;

	if (rc != SP_RC_OK)
		return rc;
	if (!read_json(c, text, &json))
		return SP_RC_INVALID;
	rc = keep_structured(c, json.root);
	if (rc != SP_RC_OK)
		return rc;
	o = block_begin(c);
	if (is_read(c))
		contents_begin(c, o, NULL, c->offer->mime_type.n == 0 ? "application/json" : NULL, ",\"text\":");
	else
		sp_out_str(o, "{\"type\":\"text\",\"text\":");
	sp_jout_str(o, sp_out_view(&c->out.structured));
	sp_out_byte(o, '}');
	return block_end(c);
}

/* Members of the hop are ours to write; a structured part that is no object is not for the 2025 era. */
static bool
is_ours(const struct sp_context *c, const struct sp_jiter *it)
{
	if (sp_eq(it->key, SP_LIT("structuredContent")))
		return c->ask.era != SP_ERA_MODERN && !sp_jis_obj(it->val);
	return sp_eq(it->key, SP_LIT("resultType")) || sp_eq(it->key, SP_LIT("_meta"));
}

enum sp_rc
sp_context_result(struct sp_context *c, sp_slice text)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_out *o = &c->out.text;
	enum sp_rc rc = can_add(c);
	struct sp_err e;

	if (rc != SP_RC_OK)
		return rc;
	if (c->ask.method != SP_MCP_TOOLS_CALL || sp_json_read(text, SP_JSON_DEFAULT, &json, &e) != SP_OK ||
	    !sp_jis_arr(SP_JGET(json.root, "content")))
		return broken(c, "it is not the result of a tool");
	sp_content_reset(&c->out);
	c->out.whole = true;
	for (struct sp_jiter it = sp_jeach(json.root); sp_jnext(&it);) {
		if (is_ours(c, &it))
			continue;
		if (c->out.count++ != 0)
			sp_out_byte(o, ',');
		sp_jout_str(o, it.key);
		sp_out_byte(o, ':');
		sp_jwrite(o, it.val);
	}
	return o->full ? SP_RC_TOO_BIG : SP_RC_OK;
}

enum sp_rc
sp_annotate(struct sp_context *c, const char *text)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_out *o = &c->out.text;
	enum sp_rc rc = can_add(c);

	if (rc != SP_RC_OK)
		return rc;
	if (!read_json(c, text, &json))
		return SP_RC_INVALID;
	if (c->out.count == 0 || is_read(c) || !sp_jis_obj(json.root))
		return SP_RC_INVALID;
	if (o->full)
		return SP_RC_TOO_BIG;
	o->n -= c->out.last_end;
	sp_out_str(o, ",\"annotations\":");
	sp_jwrite(o, json.root);
	sp_out_str(o, c->out.last_end == 2 ? "}}" : "}");
	return o->full ? SP_RC_TOO_BIG : SP_RC_OK;
}

enum sp_rc
sp_add_message(struct sp_context *c, const char *role, const char *text)
{
	enum sp_rc rc = can_add(c);
	bool assistant = role != NULL && strcmp(role, "assistant") == 0;

	if (rc != SP_RC_OK)
		return rc;
	if (!is_prompt(c) || role == NULL || (!assistant && strcmp(role, "user") != 0))
		return SP_RC_INVALID;
	c->out.assistant = assistant;
	return text == NULL ? SP_RC_OK : sp_add_text(c, text);
}

/* ---- failures */

enum sp_rc
sp_return_error(struct sp_context *c, const char *text)
{
	enum sp_rc rc = sp_call_open(c);
	const char *was = c->out.broken;

	if (rc != SP_RC_OK)
		return rc;
	if (!is_text(c, text))
		return SP_RC_INVALID;
	if (c->ask.method != SP_MCP_TOOLS_CALL)
		return sp_return_rpc_error(c, sp_errinfo(SP_E_BUG)->rpc, text, NULL);
	sp_content_reset(&c->out);
	c->out.broken = was;
	rc = sp_add_text(c, text);
	c->out.failed = true;
	return rc;
}

enum sp_rc
sp_return_errorf(struct sp_context *c, const char *format, ...)
{
	va_list ap;
	enum sp_rc rc;

	va_start(ap, format);
	rc = formatted(c, sp_return_error, format, ap);
	va_end(ap);
	return rc;
}

/* mcp-spec 1.1: the protocol's range is the protocol's. */
static bool
code_ok(int code)
{
	return code < -32768 || (code > -32000 && code != 0) || code == sp_errinfo(SP_E_BAD_PARAMS)->rpc ||
	    code == sp_errinfo(SP_E_BUG)->rpc;
}

enum sp_rc
sp_return_rpc_error(struct sp_context *c, int code, const char *message, const char *data)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	enum sp_rc rc = sp_call_open(c);
	const char *was = c->out.broken;

	if (rc != SP_RC_OK)
		return rc;
	if (!code_ok(code))
		return SP_RC_INVALID;
	if (!is_text(c, message) || (data != NULL && !read_json(c, data, &json)))
		return SP_RC_INVALID;
	sp_content_reset(&c->out);
	c->out.broken = was;
	c->out.rpc_code = code;
	sp_jout_str(&c->out.text, sp_str(message));
	if (data != NULL)
		sp_jwrite(&c->out.structured, json.root);
	return c->out.text.full || c->out.structured.full ? SP_RC_TOO_BIG : SP_RC_OK;
}

/* ---- the rest */

enum sp_rc
sp_add_completion(struct sp_context *c, const char *value)
{
	enum sp_rc rc = sp_call_open(c);

	if (rc != SP_RC_OK)
		return rc;
	if (!c->completing)
		return SP_RC_INVALID;
	if (!is_text(c, value))
		return SP_RC_INVALID;
	c->out.values++;
	if (c->out.count == VALUES_MAX)
		return SP_RC_OK;
	if (strlen(value) > VALUE_BYTES)
		return SP_RC_TOO_BIG;
	if (c->out.count++ != 0)
		sp_out_byte(&c->out.text, ',');
	sp_jout_str(&c->out.text, sp_str(value));
	return c->out.text.full ? SP_RC_TOO_BIG : SP_RC_OK;
}

enum sp_rc
sp_cache_for(struct sp_context *c, unsigned ms, bool everybody)
{
	enum sp_rc rc = can_add(c);

	if (rc != SP_RC_OK)
		return rc;
	if (!is_read(c))
		return SP_RC_INVALID;
	c->out.cache_ms = ms;
	c->out.cache_all = everybody;
	return SP_RC_OK;
}
