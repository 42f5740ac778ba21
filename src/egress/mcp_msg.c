#include "egress/mcp_msg.h"

#include "base/b64.h"
#include "mcp/translate.h"

#define META "io.modelcontextprotocol/"

/* --- reading */

static bool
is_id(sp_jval *v)
{
	return sp_jis_str(v) || sp_jis_num(v);
}

static enum sp_status
read_answer(sp_jval *root, struct sp_upmsg *m, struct sp_err *e)
{
	sp_jval *result = SP_JGET(root, "result"), *error = SP_JGET(root, "error"), *id = SP_JGET(root, "id");
	int64_t n;

	if ((result == NULL) == (error == NULL))
		return sp_fail(e, SP_E_BAD_RPC, NULL, "neither a request nor an answer");
	m->body = result != NULL ? result : error;
	if (!sp_jis_obj(m->body))
		return sp_fail(e, SP_E_BAD_RPC, NULL, "the answer is not an object");
	m->kind = result != NULL ? SP_UPMSG_RESULT : SP_UPMSG_ERROR;
	/* "1" is not 1, and 1.0 is nothing that we ever sent. */
	m->has_id = sp_jis_num(id) && sp_jint(id, &n) && n > 0;
	m->id = m->has_id ? (uint64_t)n : 0;
	if (!m->has_id && (result != NULL || (id != NULL && !sp_jis_null(id))))
		return sp_fail(e, SP_E_BAD_RPC, NULL, "an answer without an id of ours");
	return SP_OK;
}

enum sp_status
sp_upmsg_read(sp_jval *root, struct sp_upmsg *out, struct sp_err *e)
{
	sp_jval *method = SP_JGET(root, "method"), *id = SP_JGET(root, "id");
	struct sp_upmsg m = { 0 };
	enum sp_status st;

	if (!sp_jis_obj(root) || !sp_eq(sp_jtext(SP_JGET(root, "jsonrpc")), SP_LIT("2.0")))
		return sp_fail(e, SP_E_BAD_RPC, NULL, "not a JSON-RPC 2.0 object");
	if (method == NULL) {
		st = read_answer(root, &m, e);
		if (st == SP_OK)
			*out = m;
		return st;
	}
	m.method = sp_jtext(method);
	m.body = SP_JGET(root, "params");
	if (!sp_jis_str(method) || m.method.n == 0 || m.method.n > SP_RPC_METHOD_MAX)
		return sp_fail(e, SP_E_BAD_RPC, NULL, "the method is not acceptable");
	if (m.body != NULL && !sp_jis_obj(m.body))
		return sp_fail(e, SP_E_BAD_RPC, NULL, "the parameters are not an object");
	if (id != NULL && (!is_id(id) || sp_jtext(id).n > SP_RPC_ID_MAX))
		return sp_fail(e, SP_E_BAD_RPC, NULL, "the id is not acceptable");
	m.kind = id == NULL ? SP_UPMSG_NOTE : SP_UPMSG_REQUEST;
	m.has_id = id != NULL;
	m.id_val = id;
	*out = m;
	return SP_OK;
}

int64_t
sp_upmsg_code(sp_jval *error)
{
	int64_t n = 0;

	return sp_jint(SP_JGET(error, "code"), &n) ? n : 0;
}

bool
sp_upmsg_is_token(sp_jval *params, uint64_t id)
{
	int64_t n;

	return sp_jint(SP_JGET(params, "progressToken"), &n) && n > 0 && (uint64_t)n == id;
}

void
sp_upmsg_versions(sp_jval *list, bool *modern, bool *legacy)
{
	*modern = *legacy = false;
	for (struct sp_jiter it = sp_jeach(sp_jis_arr(list) ? list : NULL); sp_jnext(&it);) {
		sp_slice v = sp_jtext(it.val);

		*modern = *modern || sp_eq(v, SP_LIT(SP_MCP_MODERN));
		*legacy = *legacy || sp_starts(v, SP_LIT("2025-"));
	}
}

static uint32_t
read_caps(sp_jval *c)
{
	static const struct { sp_slice name; enum sp_mcp_cap cap; } rows[] = {
		{ SP_LIT_INIT("tools"), SP_CAP_TOOLS }, { SP_LIT_INIT("resources"), SP_CAP_RESOURCES },
		{ SP_LIT_INIT("prompts"), SP_CAP_PROMPTS }, { SP_LIT_INIT("completions"), SP_CAP_COMPLETIONS },
		{ SP_LIT_INIT("logging"), SP_CAP_LOGGING },
	};
	uint32_t caps = 0;

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (sp_jis_obj(sp_jget(c, rows[i].name)))
			caps |= (uint32_t)rows[i].cap;
	if (sp_jtrue(SP_JGET(SP_JGET(c, "resources"), "subscribe")))
		caps |= SP_CAP_SUBSCRIBE;
	return caps;
}

static void
read_server(sp_jval *result, struct sp_upmsg_server *s)
{
	s->caps = read_caps(SP_JGET(result, "capabilities"));
	s->instructions = sp_jis_str(SP_JGET(result, "instructions")) ? sp_jtext(SP_JGET(result, "instructions")) :
	    (sp_slice){ NULL, 0 };
}

bool
sp_upmsg_initialized(sp_jval *result, struct sp_upmsg_server *out)
{
	sp_jval *v = SP_JGET(result, "protocolVersion");

	if (!sp_jis_str(v) || !sp_jis_obj(SP_JGET(result, "capabilities")))
		return false;
	*out = (struct sp_upmsg_server){ .version = sp_jtext(v) };
	read_server(result, out);
	return true;
}

bool
sp_upmsg_discovered(sp_jval *result, struct sp_upmsg_server *out)
{
	sp_jval *v = SP_JGET(result, "supportedVersions");

	if (!sp_jis_arr(v) || !sp_jis_obj(SP_JGET(result, "capabilities")))
		return false;
	*out = (struct sp_upmsg_server){ 0 };
	sp_upmsg_versions(v, &out->modern, &out->legacy);
	read_server(result, out);
	return true;
}

/* --- writing */

void
sp_upmsg_key(struct sp_out *o, const char *key)
{
	if (o->n != 0 && o->p[o->n - 1] != '{')
		sp_out_byte(o, ',');
	sp_out_byte(o, '"');
	sp_out_str(o, key);
	sp_out_str(o, "\":");
}

void
sp_upmsg_open(struct sp_out *o, const struct sp_upmsg_head *h)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",");
	if (h->id != 0) {
		sp_out_str(o, "\"id\":");
		sp_out_u64(o, h->id);
		sp_out_byte(o, ',');
	}
	sp_out_str(o, "\"method\":");
	sp_jout_str(o, h->method);
	sp_out_str(o, ",\"params\":{");
}

void
sp_upmsg_close(struct sp_out *o, const struct sp_upmsg_head *h)
{
	bool modern = h->era == SP_ERA_MODERN;

	if (modern || h->progress) {
		sp_upmsg_key(o, "_meta");
		sp_out_byte(o, '{');
		if (h->progress) {
			sp_upmsg_key(o, "progressToken");
			sp_out_u64(o, h->id);
		}
		if (modern) {
			sp_upmsg_key(o, META "protocolVersion");
			sp_out_str(o, "\"" SP_MCP_MODERN "\"");
			sp_upmsg_key(o, META "clientCapabilities");
			sp_out_str(o, "{}");
			sp_upmsg_key(o, META "clientInfo");
			sp_out_str(o, "{\"name\":\"sallyport\",\"version\":\"" SP_VERSION "\"}");
		}
		if (modern && h->log_level != 0) {
			sp_upmsg_key(o, META "logLevel");
			sp_jout_str(o, sp_mcp_level_name(h->log_level));
		}
		sp_out_byte(o, '}');
	}
	sp_out_str(o, "}}");
}

void
sp_upmsg_initialize(struct sp_out *o, uint64_t id)
{
	const struct sp_upmsg_head h = { .id = id, .method = SP_LIT("initialize"), .era = SP_ERA_LEGACY };

	sp_upmsg_open(o, &h);
	sp_out_str(o, "\"protocolVersion\":\"" SP_MCP_LEGACY_NEW "\",\"capabilities\":{},"
	    "\"clientInfo\":{\"name\":\"sallyport\",\"version\":\"" SP_VERSION "\"}");
	sp_upmsg_close(o, &h);
}

void
sp_upmsg_reply(struct sp_out *o, const struct sp_upmsg *request)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"id\":");
	sp_jwrite(o, request->id_val);
	if (sp_eq(request->method, SP_LIT("ping")))
		sp_out_str(o, ",\"result\":{}}");
	else
		sp_out_str(o, ",\"error\":{\"code\":-32601,\"message\":\"this client offers no elicitation, sampling or roots\"}}");
}

static bool
is_plain(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || (unsigned char)s.p[i] > 0x7e)
			return false;
	return sp_trim(s).n == s.n && !(sp_starts(s, SP_LIT("=?base64?")) && sp_ends(s, SP_LIT("?=")));
}

sp_slice
sp_upmsg_value(struct sp_arena *a, sp_slice text)
{
	size_t cap = text.n / 3 * 4 + 32;
	struct sp_out o;
	char *buf;

	if (is_plain(text))
		return sp_arena_copy(a, text);
	buf = sp_arena_get(a, cap);
	if (buf == NULL)
		return (sp_slice){ NULL, 0 };
	sp_out_init(&o, buf, cap);
	sp_out_str(&o, "=?base64?");
	sp_b64_encode(&o, text.p, text.n);
	sp_out_str(&o, "?=");
	return o.full ? (sp_slice){ NULL, 0 } : sp_out_view(&o);
}

bool
sp_upmsg_params(struct sp_arena *a, const struct sp_param_headers *p, sp_jval *args, struct sp_bind_field *f, uint32_t *n)
{
	for (unsigned i = 0; i < p->n && *n < SP_UPMSG_FIELDS; i++) {
		const struct sp_param_header *h = &p->v[i];
		sp_jval *v = args;
		sp_slice value;

		for (unsigned k = 0; k < h->depth; k++)
			v = sp_jget(v, h->path[k]);
		if (sp_jis_bool(v))
			value = sp_jtrue(v) ? SP_LIT("true") : SP_LIT("false");
		else if (sp_jis_str(v) || sp_jis_num(v))
			value = sp_upmsg_value(a, sp_jtext(v));
		else
			continue;
		if (value.p == NULL)
			return false;
		f[(*n)++] = (struct sp_bind_field){ h->header, value };
	}
	return true;
}

bool
sp_upmsg_session_ok(sp_slice id)
{
	for (size_t i = 0; i < id.n; i++)
		if ((unsigned char)id.p[i] < 0x21 || (unsigned char)id.p[i] > 0x7e)
			return false;
	return id.n != 0 && id.n <= SP_UPMSG_SESSION;
}
