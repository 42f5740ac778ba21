#include "mcp/era.h"

#include "base/b64.h"

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

#define META_LEVEL "io.modelcontextprotocol/logLevel"
#define EXT_TASKS "io.modelcontextprotocol/tasks"

#define CAPS_OF_ALL (SP_CLIENT_ROOTS | SP_CLIENT_SAMPLING | SP_CLIENT_ELICITATION)

enum { LISTEN_URIS = 256 };

/* ---- log levels */

static const sp_slice levels[] = {
	SP_LIT_INIT("debug"), SP_LIT_INIT("info"), SP_LIT_INIT("notice"), SP_LIT_INIT("warning"), SP_LIT_INIT("error"),
	SP_LIT_INIT("critical"), SP_LIT_INIT("alert"), SP_LIT_INIT("emergency"),
};

uint32_t
sp_mcp_level(sp_slice name)
{
	for (uint32_t i = 0; i < SP_COUNT(levels); i++)
		if (sp_eq(levels[i], name))
			return i + 1;
	return 0;
}

sp_slice
sp_mcp_level_name(uint32_t level)
{
	return level == 0 || level > SP_COUNT(levels) ? (sp_slice){ NULL, 0 } : levels[level - 1];
}

/* ---- parameters of each method */

/* A row must name its eras: zero is not a legal value and serves nobody. */
struct row {
	sp_slice name;
	unsigned eras;
	enum sp_mcp_method method;
	enum sp_status (*params)(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e);
	bool	 own;			/* of sp_mcp_judge_own() only */
};

static enum sp_status
bad(struct sp_err *e, const char *pub)
{
	return sp_fail(e, SP_E_BAD_PARAMS, pub, "%s", pub);
}

static enum sp_status
params_none(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	return SP_OK;
}

/* A capability is there when it has an object. */
static uint32_t
client_caps(sp_jval *caps)
{
	sp_jval *elicit = SP_JGET(caps, "elicitation"), *sampling = SP_JGET(caps, "sampling");
	bool url = sp_jis_obj(SP_JGET(elicit, "url")), form = sp_jis_obj(SP_JGET(elicit, "form"));

	return (sp_jis_obj(SP_JGET(caps, "roots")) ? SP_CLIENT_ROOTS : 0u) |
	    (sp_jis_obj(sampling) ? SP_CLIENT_SAMPLING : 0u) |
	    (sp_jis_obj(SP_JGET(sampling, "tools")) ? SP_CLIENT_SAMPLE_TOOLS : 0u) |
	    (sp_jis_obj(SP_JGET(sampling, "context")) ? SP_CLIENT_SAMPLE_CONTEXT : 0u) |
	    (sp_jis_obj(elicit) ? SP_CLIENT_ELICITATION : 0u) |
	    (sp_jis_obj(elicit) && (form || !url) ? SP_CLIENT_ELICIT_FORM : 0u) | (url ? SP_CLIENT_ELICIT_URL : 0u) |
	    (sp_jis_obj(SP_JGET(SP_JGET(caps, "extensions"), EXT_TASKS)) ? SP_CLIENT_TASKS : 0u);
}

static enum sp_status
params_initialize(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *v = SP_JGET(params, "protocolVersion"), *caps = SP_JGET(params, "capabilities");

	if (v == NULL || !sp_jis_str(v))
		return bad(e, "protocolVersion is missing");
	if (caps != NULL && !sp_jis_obj(caps))
		return bad(e, "capabilities must be an object");
	out->version = sp_jtext(v);
	out->client_caps = client_caps(caps);
	return SP_OK;
}

static enum sp_status
params_list(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *v = SP_JGET(params, "cursor");

	if (v == NULL)
		return SP_OK;
	if (!sp_jis_str(v))
		return bad(e, "invalid cursor");
	out->has_cursor = true;
	out->cursor = sp_jtext(v);
	return SP_OK;
}

static enum sp_status
params_call(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *name = SP_JGET(params, "name"), *args = SP_JGET(params, "arguments");

	if (name == NULL || !sp_jis_str(name))
		return bad(e, "name is missing");
	if (args != NULL && !sp_jis_obj(args))
		return bad(e, "arguments must be an object");
	out->name = sp_jtext(name);
	out->args = args;
	return SP_OK;
}

static bool
all_texts(sp_jval *object)
{
	for (struct sp_jiter it = sp_jeach(object); sp_jnext(&it);)
		if (!sp_jis_str(it.val))
			return false;
	return true;
}

static enum sp_status
params_prompt(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	enum sp_status st = params_call(params, out, e);

	return st == SP_OK && !all_texts(out->args) ? bad(e, "arguments of a prompt are texts") : st;
}

static enum sp_status
params_uri(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *uri = SP_JGET(params, "uri");

	if (uri == NULL || !sp_jis_str(uri) || sp_jtext(uri).n == 0)
		return bad(e, "uri is missing");
	out->name = sp_jtext(uri);
	return SP_OK;
}

static enum sp_status
params_complete(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *ref = SP_JGET(params, "ref"), *argument = SP_JGET(params, "argument"), *context = SP_JGET(params, "context");
	sp_slice type = sp_jtext(SP_JGET(ref, "type"));
	sp_jval *name, *given = SP_JGET(context, "arguments");

	out->ref_template = sp_eq(type, SP_LIT("ref/resource"));
	if (!out->ref_template && !sp_eq(type, SP_LIT("ref/prompt")))
		return bad(e, "ref must be a ref/prompt or a ref/resource");
	name = out->ref_template ? SP_JGET(ref, "uri") : SP_JGET(ref, "name");
	if (name == NULL || !sp_jis_str(name))
		return bad(e, "ref does not say which");
	if (!sp_jis_str(SP_JGET(argument, "name")) || !sp_jis_str(SP_JGET(argument, "value")))
		return bad(e, "argument must have name and value");
	if (context != NULL && (!sp_jis_obj(context) || (given != NULL && (!sp_jis_obj(given) || !all_texts(given)))))
		return bad(e, "context must be an object with arguments that are texts");
	out->name = sp_jtext(name);
	return SP_OK;
}

static enum sp_status
params_level(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	out->log_level = sp_mcp_level(sp_jtext(SP_JGET(params, "level")));
	return out->log_level == 0 ? bad(e, "level is none of debug to emergency") : SP_OK;
}

static enum sp_status
params_task(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *id = SP_JGET(params, "taskId");

	if (id == NULL || !sp_jis_str(id) || sp_jtext(id).n == 0)
		return bad(e, "taskId is missing");
	out->name = sp_jtext(id);
	return SP_OK;
}

static bool
flag(sp_jval *wishes, sp_slice key, bool *out)
{
	sp_jval *v = sp_jget(wishes, key);

	*out = v != NULL && sp_jtrue(v);
	return v == NULL || sp_jis_bool(v);
}

static enum sp_status
params_listen(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *wishes = SP_JGET(params, "notifications"), *uris = SP_JGET(wishes, "resourceSubscriptions");

	if (wishes == NULL || !sp_jis_obj(wishes))
		return bad(e, "notifications must be an object");
	if (!flag(wishes, SP_LIT("toolsListChanged"), &out->listen_tools) ||
	    !flag(wishes, SP_LIT("promptsListChanged"), &out->listen_prompts) ||
	    !flag(wishes, SP_LIT("resourcesListChanged"), &out->listen_resources))
		return bad(e, "listChanged must be true or false");
	if (uris != NULL && !sp_jis_arr(uris))
		return bad(e, "resourceSubscriptions must be a list");
	for (struct sp_jiter it = sp_jeach(uris); sp_jnext(&it);)
		if (it.idx == LISTEN_URIS || !sp_jis_str(it.val))
			return bad(e, "resourceSubscriptions must be a list of at most 256 URIs");
	out->listen_uris = uris;
	return SP_OK;
}

#define BOTH (SP_ERA_LEGACY | SP_ERA_MODERN)

static const struct row rows[] = {
	{ SP_LIT_INIT("tools/call"), BOTH, SP_MCP_TOOLS_CALL, params_call },
	{ SP_LIT_INIT("tools/list"), BOTH, SP_MCP_TOOLS_LIST, params_list },
	{ SP_LIT_INIT("resources/read"), BOTH, SP_MCP_RESOURCES_READ, params_uri },
	{ SP_LIT_INIT("resources/list"), BOTH, SP_MCP_RESOURCES_LIST, params_list },
	{ SP_LIT_INIT("resources/templates/list"), BOTH, SP_MCP_TEMPLATES_LIST, params_list },
	{ SP_LIT_INIT("prompts/get"), BOTH, SP_MCP_PROMPTS_GET, params_prompt },
	{ SP_LIT_INIT("prompts/list"), BOTH, SP_MCP_PROMPTS_LIST, params_list },
	{ SP_LIT_INIT("completion/complete"), BOTH, SP_MCP_COMPLETE, params_complete },
	{ SP_LIT_INIT("server/discover"), SP_ERA_MODERN, SP_MCP_DISCOVER, params_none },
	{ SP_LIT_INIT("subscriptions/listen"), SP_ERA_MODERN, SP_MCP_LISTEN, params_listen },
	{ SP_LIT_INIT("initialize"), SP_ERA_LEGACY, SP_MCP_INITIALIZE, params_initialize },
	{ SP_LIT_INIT("ping"), SP_ERA_LEGACY, SP_MCP_PING, params_none },
	{ SP_LIT_INIT("logging/setLevel"), SP_ERA_LEGACY, SP_MCP_SET_LEVEL, params_level },
	{ SP_LIT_INIT("resources/subscribe"), SP_ERA_LEGACY, SP_MCP_SUBSCRIBE, params_uri },
	{ SP_LIT_INIT("resources/unsubscribe"), SP_ERA_LEGACY, SP_MCP_UNSUBSCRIBE, params_uri },
	{ SP_LIT_INIT("tasks/get"), SP_ERA_MODERN, SP_MCP_TASKS_GET, params_task, true },
	{ SP_LIT_INIT("tasks/update"), SP_ERA_MODERN, SP_MCP_TASKS_UPDATE, params_task, true },
	{ SP_LIT_INIT("tasks/cancel"), SP_ERA_MODERN, SP_MCP_TASKS_CANCEL, params_task, true },
};

/* One message on its way through here. */
struct judge {
	struct sp_arena *a;
	const struct sp_http_head *head;
	const struct sp_rpc *m;
	struct sp_mcp_ask *out;
	bool	 own;
};

static const struct row *
row_find(const struct judge *j, enum sp_era era)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if ((rows[i].eras & era) != 0 && (j->own || !rows[i].own) && sp_eq(rows[i].name, j->m->method))
			return &rows[i];
	return NULL;
}

static bool
is_legacy(sp_slice v)
{
	return sp_eq(v, SP_LIT(SP_MCP_LEGACY_NEW)) || sp_eq(v, SP_LIT(SP_MCP_LEGACY_OLD));
}

bool
sp_mcp_value(struct sp_arena *a, sp_slice value, sp_slice *out)
{
	sp_slice in = value;
	size_t room, n;
	char *buf;

	if (!sp_starts(in, SP_LIT("=?base64?")) || in.n < 11 || !sp_ends(in, SP_LIT("?="))) {
		for (size_t i = 0; i < in.n; i++)
			if ((unsigned char)in.p[i] >= 0x7f || ((unsigned char)in.p[i] < 0x20 && in.p[i] != '\t'))
				return false;
		*out = in;
		return true;
	}
	in = sp_sub(in, 9, in.n - 11);
	room = sp_b64_room(in.n);
	buf = sp_arena_get(a, room);
	if (buf == NULL || !sp_b64_decode(in, buf, room, &n))
		return false;
	*out = sp_mem(buf, n);
	return true;
}

static enum sp_status
mismatch(struct sp_err *e, const char *pub)
{
	return sp_fail(e, SP_E_HEADER_MISMATCH, pub, "%s", pub);
}

/* Of the extension; tasks/result and tasks/list are none, and unknown methods are judged before what they carry. */
static bool
is_task_method(sp_slice m)
{
	return sp_eq(m, SP_LIT("tasks/get")) || sp_eq(m, SP_LIT("tasks/update")) || sp_eq(m, SP_LIT("tasks/cancel"));
}

/* mcp-spec 1.4 step 5: each header exactly once and equal to the body. */
static enum sp_status
check_headers(const struct judge *j, sp_slice version, struct sp_err *e)
{
	unsigned n;
	const struct sp_http_head *head = j->head;
	const struct sp_rpc *m = j->m;
	const struct sp_http_field *f = sp_http_find(head, SP_LIT("mcp-protocol-version"), &n);
	sp_jval *name;
	sp_slice got;

	if (n != 1 || !sp_eq(f->value, version))
		return mismatch(e, "MCP-Protocol-Version does not match the body");
	f = sp_http_find(head, SP_LIT("mcp-method"), &n);
	if (n != 1 || !sp_eq(f->value, m->method))
		return mismatch(e, "Mcp-Method does not match the body");
	if (sp_eq(m->method, SP_LIT("tools/call")) || sp_eq(m->method, SP_LIT("prompts/get")))
		name = SP_JGET(m->params, "name");
	else if (sp_eq(m->method, SP_LIT("resources/read")))
		name = SP_JGET(m->params, "uri");
	else if (j->own && is_task_method(m->method))
		name = SP_JGET(m->params, "taskId");
	else
		return SP_OK;
	f = sp_http_find(head, SP_LIT("mcp-name"), &n);
	if (n != 1 || !sp_mcp_value(j->a, f->value, &got) || name == NULL || !sp_jis_str(name) ||
	    !sp_eq(got, sp_jtext(name)))
		return mismatch(e, "Mcp-Name does not match the body");
	return SP_OK;
}

/* What _meta asks for beside its era: progress, and in the modern era log messages. */
static enum sp_status
read_wishes(struct sp_arena *a, sp_jval *meta, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *token = SP_JGET(meta, "progressToken"), *level = SP_JGET(meta, META_LEVEL);

	if (meta != NULL && !sp_jis_obj(meta))
		return bad(e, "_meta must be an object");
	if (token != NULL && !sp_rpc_token(a, token, &out->progress))
		return bad(e, "progressToken must be a short string or an integer");
	if (out->era != SP_ERA_MODERN || level == NULL)
		return SP_OK;
	out->log_level = sp_mcp_level(sp_jtext(level));
	return out->log_level == 0 ? bad(e, META_LEVEL " is none of debug to emergency") : SP_OK;
}

static enum sp_status
read_row(const struct judge *j, const struct row *row, struct sp_err *e)
{
	sp_jval *params = j->m->params;
	struct sp_mcp_ask *out = j->out;
	enum sp_status st = read_wishes(j->a, SP_JGET(params, "_meta"), out, e);

	if (st == SP_OK)
		st = row->params(params, out, e);
	if (st != SP_OK)
		return st;
	if (!j->own)
		out->client_caps &= CAPS_OF_ALL;
	out->params = params;
	out->method = row->method;
	return SP_OK;
}

static enum sp_status
judge_modern(const struct judge *j, struct sp_err *e)
{
	sp_jval *meta = SP_JGET(j->m->params, "_meta");
	sp_jval *version = SP_JGET(meta, META_VERSION), *caps = SP_JGET(meta, META_CAPABILITIES);
	enum sp_status st = SP_OK;
	const struct row *row;

	if (version == NULL || !sp_jis_str(version) || !sp_jis_obj(caps))
		return sp_fail(e, SP_E_META, "_meta must have " META_VERSION " and " META_CAPABILITIES,
		    "required _meta is missing");
	j->out->version = sp_jtext(version);
	if (j->head != NULL)
		st = check_headers(j, j->out->version, e);
	if (st != SP_OK)
		return st;
	if (!sp_eq(j->out->version, SP_LIT(SP_MCP_MODERN)))
		return sp_fail(e, SP_E_VERSION, NULL, "version %.*s", SP_PRI(j->out->version));
	row = row_find(j, SP_ERA_MODERN);
	if (row == NULL)
		return sp_fail(e, SP_E_NO_METHOD_404, NULL, "method %.*s", SP_PRI(j->m->method));
	j->out->client_caps = client_caps(caps);
	return read_row(j, row, e);
}

static enum sp_status
judge_legacy(const struct judge *j, struct sp_err *e)
{
	const struct row *row = row_find(j, SP_ERA_LEGACY);

	if (row == NULL)
		return sp_fail(e, SP_E_NO_METHOD, NULL, "method %.*s", SP_PRI(j->m->method));
	return read_row(j, row, e);
}

/* mcp-spec 2.3: of notifications only a cancellation asks for something; over HTTP that of the legacy era. */
static void
judge_notification(const struct judge *j)
{
	if ((j->out->era == SP_ERA_LEGACY || j->head == NULL) && j->m->kind == SP_RPC_NOTIFICATION &&
	    sp_eq(j->m->method, SP_LIT("notifications/cancelled")) &&
	    sp_rpc_token(j->a, SP_JGET(j->m->params, "requestId"), &j->out->cancel_id))
		j->out->method = SP_MCP_CANCELLED;
}

static enum sp_status
judge(const struct judge *j, struct sp_err *e)
{
	unsigned n = 0;
	const struct sp_http_field *f =
	    j->head == NULL ? NULL : sp_http_find(j->head, SP_LIT("mcp-protocol-version"), &n);
	bool meta = SP_JGET(SP_JGET(j->m->params, "_meta"), META_VERSION) != NULL;
	bool modern = meta || (n != 0 && sp_eq(f->value, SP_LIT(SP_MCP_MODERN)));

	*j->out = (struct sp_mcp_ask){ .era = modern ? SP_ERA_MODERN : SP_ERA_LEGACY };
	/* A server of its own takes a header that says what its absence would say (mcp-spec 1.3): clients of that age send it. */
	if (j->own && !modern && n == 1 && sp_eq(f->value, SP_LIT("2025-03-26")))
		n = 0;
	if (n != 0)
		j->out->version = f->value;
	if (n > 1)
		return mismatch(e, "MCP-Protocol-Version was sent twice");
	/* A missing header is a client from before 2025-06-18, served as legacy; an unknown one is refused. */
	if (!modern && n == 1 && !is_legacy(f->value))
		return sp_fail(e, SP_E_VERSION, NULL, "version header %.*s", SP_PRI(f->value));
	if (j->m->kind == SP_RPC_RESPONSE && modern)
		return sp_fail(e, SP_E_BAD_RPC, "a response cannot be posted", "a response in the modern era");
	/* A message without an id is never executed, whatever method it names. */
	if (j->m->kind != SP_RPC_REQUEST) {
		judge_notification(j);
		return SP_OK;
	}
	return modern ? judge_modern(j, e) : judge_legacy(j, e);
}

enum sp_status
sp_mcp_judge(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m, struct sp_mcp_ask *out,
    struct sp_err *e)
{
	return judge(&(struct judge){ .a = a, .head = head, .m = m, .out = out }, e);
}

enum sp_status
sp_mcp_judge_own(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m, struct sp_mcp_ask *out,
    struct sp_err *e)
{
	return judge(&(struct judge){ .a = a, .head = head, .m = m, .out = out, .own = true }, e);
}

void
sp_mcp_version_data(struct sp_out *o, sp_slice requested)
{
	sp_out_str(o, "{\"supported\":[\"" SP_MCP_MODERN "\"],\"requested\":");
	sp_jout_str(o, sp_sub(requested, 0, 64));
	sp_out_byte(o, '}');
}
