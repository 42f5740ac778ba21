#include "mcp/translate.h"

#include "base/utf8.h"
#include "mcp/foreign.h"
#include "mcp/result.h"

#define INFO "\"io.modelcontextprotocol/serverInfo\":" SP_MCP_INFO

enum { VALUES_MAX = 100, MESSAGE_MAX = 1024, DATA_MAX = 4096, LOGGER_MAX = 256 };

static const sp_slice nothing = { NULL, 0 };

struct job {
	struct sp_out *o;
	const struct sp_hop *h;
	struct sp_err *e;
};

static bool
refuse(const struct job *j, const char *what)
{
	(void)sp_fail(j->e, SP_E_UPSTREAM, "the upstream's answer is not valid", "its result: %s", what);
	return false;
}

static void
member(struct sp_out *o, sp_slice key, sp_jval *v)
{
	sp_jout_str(o, key);
	sp_out_byte(o, ':');
	sp_jwrite(o, v);
	sp_out_byte(o, ',');
}

static bool
is_text(sp_jval *object, const char *key)
{
	sp_jval *v = sp_jget(object, sp_str(key));

	return v != NULL && sp_jis_str(v);
}

/* ---- content */

static bool
link_ok(const struct sp_hop *h, sp_slice uri)
{
	sp_slice scheme = sp_scheme(uri);

	if (!sp_res_uri_ok(uri) || sp_uri_is_active(uri))
		return false;
	if (sp_eq_nocase(scheme, SP_LIT("https")) || sp_eq_nocase(scheme, SP_LIT("http")))
		return true;
	return h->catalog != NULL && sp_catalog_has_scheme(h->catalog, scheme);
}

static void
write_text(struct sp_out *o, sp_slice text)
{
	sp_out_str(o, "{\"type\":\"text\",\"text\":");
	sp_jout_str(o, text);
	sp_out_byte(o, '}');
}

/* All members as they came, but what needs a look of its own. */
static void
write_object(struct sp_out *o, sp_jval *object, sp_slice special)
{
	for (struct sp_jiter it = sp_jeach(object); sp_jnext(&it);) {
		if (sp_eq(it.key, SP_LIT("_meta")))
			sp_member_meta(o, it.val, nothing);
		else if (sp_eq(it.key, SP_LIT("icons")))
			sp_member_icons(o, it.val);
		else if (sp_eq(it.key, SP_LIT("annotations")))
			sp_member_annotations(o, it.val);
		else if (!sp_eq(it.key, special))
			member(o, it.key, it.val);
	}
}

/* What an embedded resource and each of `contents` have: a URI, and text or blob. */
static bool
check_contents(const struct job *j, sp_jval *v)
{
	if (!is_text(v, "uri") || is_text(v, "text") == is_text(v, "blob"))
		return refuse(j, "contents need a uri, and either text or blob");
	return true;
}

static bool
write_embedded(const struct job *j, sp_jval *block)
{
	sp_jval *r = SP_JGET(block, "resource");

	if (!check_contents(j, r))
		return false;
	if (!link_ok(j->h, sp_jtext(SP_JGET(r, "uri")))) {
		write_text(j->o, is_text(r, "text") ? sp_jtext(SP_JGET(r, "text")) :
		    SP_LIT("[an embedded resource was removed: its URI is not handed on]"));
		return true;
	}
	sp_out_byte(j->o, '{');
	write_object(j->o, block, SP_LIT("resource"));
	sp_out_str(j->o, "\"resource\":{");
	write_object(j->o, r, nothing);
	sp_member_end(j->o, '}');
	sp_out_byte(j->o, '}');
	return true;
}

static bool
write_block(const struct job *j, sp_jval *block)
{
	sp_slice type = sp_jtext(SP_JGET(block, "type"));
	bool media = sp_eq(type, SP_LIT("image")) || sp_eq(type, SP_LIT("audio"));

	if (!is_text(block, "type"))
		return refuse(j, "a content block without a type");
	if (sp_eq(type, SP_LIT("resource")))
		return write_embedded(j, block);
	if (sp_eq(type, SP_LIT("resource_link"))) {
		if (!is_text(block, "uri") || !is_text(block, "name"))
			return refuse(j, "a link without uri or name");
		if (!link_ok(j->h, sp_jtext(SP_JGET(block, "uri")))) {
			write_text(j->o, SP_LIT("[a link was removed: its URI is not handed on]"));
			return true;
		}
	} else if (media) {
		if (!is_text(block, "data") || !is_text(block, "mimeType"))
			return refuse(j, "image or audio without data or mimeType");
	} else if (!sp_eq(type, SP_LIT("text"))) {
		write_text(j->o, SP_LIT("[content of an unknown type was removed]"));
		return true;
	} else if (!is_text(block, "text")) {
		return refuse(j, "a text block without text");
	}
	sp_out_byte(j->o, '{');
	write_object(j->o, block, nothing);
	sp_member_end(j->o, '}');
	return true;
}

/* ---- results, by method: each writes its members with commas behind them */

static bool
write_tool(const struct job *j, sp_jval *r)
{
	sp_jval *content = SP_JGET(r, "content"), *data = SP_JGET(r, "structuredContent"), *error = SP_JGET(r, "isError");

	/* mcp-spec 2.4: content is required; servers that have only structured data forget it. */
	if (content != NULL ? !sp_jis_arr(content) : data == NULL)
		return refuse(j, "content is no list");
	if (error != NULL && !sp_jis_bool(error))
		return refuse(j, "isError is no boolean");
	sp_out_str(j->o, "\"content\":[");
	for (struct sp_jiter it = sp_jeach(content); sp_jnext(&it);) {
		if (!write_block(j, it.val))
			return false;
		sp_out_byte(j->o, ',');
	}
	sp_member_end(j->o, ']');
	sp_out_byte(j->o, ',');
	if (data != NULL && (j->h->to == SP_ERA_MODERN || sp_jis_obj(data)))
		sp_member_raw(j->o, "structuredContent", data);
	sp_member_raw(j->o, "isError", error);
	return true;
}

static bool
write_prompt(const struct job *j, sp_jval *r)
{
	sp_jval *messages = SP_JGET(r, "messages"), *description = SP_JGET(r, "description");

	if (messages == NULL || !sp_jis_arr(messages))
		return refuse(j, "messages is no list");
	if (description != NULL && sp_jis_str(description))
		sp_member_raw(j->o, "description", description);
	sp_out_str(j->o, "\"messages\":[");
	for (struct sp_jiter it = sp_jeach(messages); sp_jnext(&it);) {
		sp_slice role = sp_jtext(SP_JGET(it.val, "role"));

		if (!sp_eq(role, SP_LIT("user")) && !sp_eq(role, SP_LIT("assistant")))
			return refuse(j, "a message of neither user nor assistant");
		sp_out_str(j->o, "{\"role\":\"");
		sp_out_slice(j->o, role);
		sp_out_str(j->o, "\",\"content\":");
		if (!write_block(j, SP_JGET(it.val, "content")))
			return false;
		sp_out_str(j->o, "},");
	}
	sp_member_end(j->o, ']');
	sp_out_byte(j->o, ',');
	return true;
}

static bool
write_contents(const struct job *j, sp_jval *r)
{
	sp_jval *contents = SP_JGET(r, "contents");
	unsigned kept = 0, all = 0;

	if (contents == NULL || !sp_jis_arr(contents))
		return refuse(j, "contents is no list");
	sp_out_str(j->o, "\"contents\":[");
	for (struct sp_jiter it = sp_jeach(contents); sp_jnext(&it); all++) {
		sp_slice uri = sp_jtext(SP_JGET(it.val, "uri"));

		if (!check_contents(j, it.val))
			return false;
		if (!sp_eq(uri, j->h->name) && !link_ok(j->h, uri))
			continue;
		sp_out_byte(j->o, '{');
		write_object(j->o, it.val, nothing);
		sp_member_end(j->o, '}');
		sp_out_byte(j->o, ',');
		kept++;
	}
	if (all != 0 && kept == 0)
		return refuse(j, "no contents under a URI that is handed on");
	sp_member_end(j->o, ']');
	sp_out_byte(j->o, ',');
	return true;
}

static bool
write_completion(const struct job *j, sp_jval *r)
{
	sp_jval *c = SP_JGET(r, "completion"), *values = SP_JGET(c, "values"), *total = SP_JGET(c, "total"),
	    *more = SP_JGET(c, "hasMore");
	bool cut = false;

	if (values == NULL || !sp_jis_arr(values))
		return refuse(j, "completion without a list of values");
	sp_out_str(j->o, "\"completion\":{\"values\":[");
	for (struct sp_jiter it = sp_jeach(values); sp_jnext(&it);) {
		if (!sp_jis_str(it.val))
			return refuse(j, "a completion that is no text");
		cut = it.idx >= VALUES_MAX;
		if (cut)
			break;
		sp_jwrite(j->o, it.val);
		sp_out_byte(j->o, ',');
	}
	sp_member_end(j->o, ']');
	sp_out_byte(j->o, ',');
	if (total != NULL && sp_jis_num(total) && sp_jnum_is_int(sp_jtext(total)))
		sp_member_raw(j->o, "total", total);
	if (cut)
		sp_out_str(j->o, "\"hasMore\":true,");
	else if (more != NULL && sp_jis_bool(more))
		sp_member_raw(j->o, "hasMore", more);
	sp_member_end(j->o, '}');
	sp_out_byte(j->o, ',');
	return true;
}

/* Members that are written above, or that belong to one hop. */
static bool
is_taken(sp_slice key)
{
	static const sp_slice taken[] = {
		SP_LIT_INIT("resultType"), SP_LIT_INIT("ttlMs"), SP_LIT_INIT("cacheScope"), SP_LIT_INIT("inputRequests"),
		SP_LIT_INIT("requestState"), SP_LIT_INIT("_meta"), SP_LIT_INIT("content"), SP_LIT_INIT("structuredContent"),
		SP_LIT_INIT("isError"), SP_LIT_INIT("description"), SP_LIT_INIT("messages"), SP_LIT_INIT("contents"),
		SP_LIT_INIT("completion"),
	};

	for (size_t i = 0; i < SP_COUNT(taken); i++)
		if (sp_eq(taken[i], key))
			return true;
	return false;
}

static bool
write_members(const struct job *j, sp_jval *r)
{
	switch (j->h->method) {
	case SP_MCP_TOOLS_CALL:
		return write_tool(j, r);
	case SP_MCP_PROMPTS_GET:
		return write_prompt(j, r);
	case SP_MCP_RESOURCES_READ:
		return write_contents(j, r);
	case SP_MCP_COMPLETE:
		return write_completion(j, r);
	case SP_MCP_SUBSCRIBE:
	case SP_MCP_UNSUBSCRIBE:
	case SP_MCP_SET_LEVEL:
	case SP_MCP_PING:
		return true;
	default:
		return refuse(j, "an answer to a method that is not asked of upstreams");
	}
}

/* mcp-spec 1.1: absent means complete, and an unknown type makes the result invalid. */
static bool
check_type(const struct job *j, sp_jval *r)
{
	sp_jval *type = SP_JGET(r, "resultType");

	if (type == NULL || sp_eq(sp_jtext(type), SP_LIT("complete")))
		return true;
	if (!sp_eq(sp_jtext(type), SP_LIT("input_required")))
		return refuse(j, "an unknown resultType");
	(void)sp_fail(j->e, SP_E_UPSTREAM, "the server asks for input (elicitation, sampling or roots), which is not supported here",
	    "its result: input_required");
	return false;
}

enum sp_status
sp_translate_result(struct sp_out *o, const struct sp_hop *h, sp_jval *result, struct sp_err *e)
{
	struct job j = { o, h, e };
	bool modern = h->to == SP_ERA_MODERN;

	if (result == NULL || !sp_jis_obj(result)) {
		(void)refuse(&j, "not an object");
		return SP_E_UPSTREAM;
	}
	if (!check_type(&j, result))
		return SP_E_UPSTREAM;
	sp_out_byte(o, '{');
	if (modern)
		sp_out_str(o, "\"resultType\":\"complete\",");
	if (!write_members(&j, result))
		return SP_E_UPSTREAM;
	for (struct sp_jiter it = sp_jeach(result); sp_jnext(&it);)
		if (!is_taken(it.key))
			member(o, it.key, it.val);
	sp_member_meta(o, SP_JGET(result, "_meta"), modern ? SP_LIT(INFO) : nothing);
	if (modern && h->method == SP_MCP_RESOURCES_READ)
		sp_out_str(o, "\"ttlMs\":0,\"cacheScope\":\"private\",");
	sp_member_end(o, '}');
	return o->full ? sp_fail(e, SP_E_TOO_BIG, "the answer is too large", "a result of over %zu bytes", o->n) : SP_OK;
}

/* ---- errors */

static bool
names_resource(const struct sp_hop *h)
{
	return h->method == SP_MCP_RESOURCES_READ || h->method == SP_MCP_SUBSCRIBE || h->method == SP_MCP_UNSUBSCRIBE;
}

enum { NO_RESOURCE = -32002, PARSE = -32700, REQUEST = -32600, PARAMS = -32602, INTERNAL = -32603 };

static int64_t
map_code(const struct sp_hop *h, sp_jval *error)
{
	bool uri = is_text(SP_JGET(error, "data"), "uri");
	sp_jval *v = SP_JGET(error, "code");
	int64_t code;

	if (v == NULL || !sp_jint(v, &code) || code < INT32_MIN || code > INT32_MAX)
		return INTERNAL;
	if (code == PARSE || code == REQUEST || (code >= -32099 && code <= -32020))
		return INTERNAL;
	if (code == NO_RESOURCE && h->to == SP_ERA_MODERN)
		return PARAMS;
	if (code == PARAMS && h->to == SP_ERA_LEGACY && names_resource(h) && uri)
		return NO_RESOURCE;
	return code;
}

/* `,"data":…` if there is something to say. */
static void
write_data(struct sp_out *o, const struct sp_hop *h, sp_jval *error, int64_t code)
{
	sp_jval *v = SP_JGET(error, "data");
	bool missing = code == NO_RESOURCE || (code == PARAMS && sp_eq(sp_jtext(SP_JGET(error, "code")), SP_LIT("-32002")));
	struct sp_out d;

	if (code == INTERNAL && !sp_eq(sp_jtext(SP_JGET(error, "code")), SP_LIT("-32603")))
		return;
	if (missing && names_resource(h) && !is_text(v, "uri")) {
		sp_out_str(o, ",\"data\":{\"uri\":");
		sp_jout_str(o, h->name);
		sp_out_byte(o, '}');
		return;
	}
	if (v == NULL)
		return;
	sp_out_heap(&d, DATA_MAX);
	sp_jwrite(&d, v);
	if (!d.full) {
		sp_out_str(o, ",\"data\":");
		sp_out_slice(o, sp_out_view(&d));
	}
	sp_out_free(&d);
}

void
sp_translate_error(struct sp_out *o, const struct sp_hop *h, sp_jval *error)
{
	int64_t code = map_code(h, error);
	char buf[MESSAGE_MAX];
	struct sp_out text;

	sp_out_init(&text, buf, sizeof buf);
	sp_utf8_clean(&text, sp_jtext(SP_JGET(error, "message")), MESSAGE_MAX, true);
	sp_out_str(o, "{\"code\":");
	sp_out_i64(o, code);
	sp_out_str(o, ",\"message\":");
	sp_jout_str(o, text.n == 0 ? SP_LIT("the upstream answered with an error") : sp_out_view(&text));
	write_data(o, h, error, code);
	sp_out_byte(o, '}');
}

/* ---- notifications */

static bool
write_progress(const struct job *j, sp_jval *params)
{
	sp_jval *progress = SP_JGET(params, "progress"), *total = SP_JGET(params, "total");

	if (progress == NULL || !sp_jis_num(progress) || (total != NULL && !sp_jis_null(total) && !sp_jis_num(total)))
		return false;
	sp_member_raw(j->o, "progress", progress);
	if (total != NULL && sp_jis_num(total))
		sp_member_raw(j->o, "total", total);
	sp_member_text(j->o, "message", SP_JGET(params, "message"), SP_ITEM_TEXT, true);
	return true;
}

static bool
write_message(const struct job *j, sp_jval *params, uint32_t *level)
{
	*level = sp_mcp_level(sp_jtext(SP_JGET(params, "level")));
	if (*level == 0 || SP_JGET(params, "data") == NULL)
		return false;
	sp_member_raw(j->o, "level", SP_JGET(params, "level"));
	sp_member_text(j->o, "logger", SP_JGET(params, "logger"), LOGGER_MAX, false);
	sp_member_raw(j->o, "data", SP_JGET(params, "data"));
	return true;
}

static bool
write_updated(const struct job *j, sp_jval *params)
{
	sp_jval *uri = SP_JGET(params, "uri");

	if (uri == NULL || !sp_jis_str(uri) || !sp_res_uri_ok(sp_jtext(uri)))
		return false;
	sp_member_raw(j->o, "uri", uri);
	return true;
}

enum sp_status
sp_translate_note(struct sp_out *o, enum sp_translate_note note, sp_jval *params, uint32_t *level, struct sp_err *e)
{
	struct job j = { o, NULL, e };
	bool good = false;

	*level = 0;
	sp_out_byte(o, '{');
	switch (note) {
	case SP_TRANSLATE_PROGRESS:
		good = write_progress(&j, params);
		break;
	case SP_TRANSLATE_MESSAGE:
		good = write_message(&j, params, level);
		break;
	case SP_TRANSLATE_UPDATED:
		good = write_updated(&j, params);
		break;
	}
	sp_member_end(o, '}');
	if (!good)
		return sp_fail(e, SP_E_UPSTREAM, NULL, "a notification whose params are not valid");
	return o->full ? sp_fail(e, SP_E_TOO_BIG, NULL, "a notification of over %zu bytes", o->n) : SP_OK;
}
