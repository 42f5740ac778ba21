#include "mcp/era.h"

#include "base/b64.h"

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

/* A row must name its eras: zero is not a legal value and serves nobody. */
struct row {
	sp_slice name;
	unsigned eras;
	enum sp_mcp_method method;
	enum sp_status (*params)(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e);
};

static enum sp_status
params_none(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	return SP_OK;
}

static enum sp_status
params_initialize(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *v = SP_JGET(params, "protocolVersion");

	if (v == NULL || !sp_jis_str(v))
		return sp_fail(e, SP_E_BAD_PARAMS, "protocolVersion is missing", "no protocolVersion");
	out->version = sp_jtext(v);
	return SP_OK;
}

static enum sp_status
params_list(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *v = SP_JGET(params, "cursor");

	if (v == NULL)
		return SP_OK;
	if (!sp_jis_str(v))
		return sp_fail(e, SP_E_BAD_PARAMS, "invalid cursor", "cursor is no string");
	out->has_cursor = true;
	out->cursor = sp_jtext(v);
	return SP_OK;
}

static enum sp_status
params_call(sp_jval *params, struct sp_mcp_ask *out, struct sp_err *e)
{
	sp_jval *name = SP_JGET(params, "name"), *args = SP_JGET(params, "arguments");

	if (name == NULL || !sp_jis_str(name))
		return sp_fail(e, SP_E_BAD_PARAMS, "name is missing", "tools/call without a name");
	if (args != NULL && !sp_jis_obj(args))
		return sp_fail(e, SP_E_BAD_PARAMS, "arguments must be an object", "arguments are no object");
	out->name = sp_jtext(name);
	out->args = args;
	return SP_OK;
}

static const struct row rows[] = {
	{ SP_LIT_INIT("tools/call"), SP_ERA_LEGACY | SP_ERA_MODERN, SP_MCP_TOOLS_CALL, params_call },
	{ SP_LIT_INIT("tools/list"), SP_ERA_LEGACY | SP_ERA_MODERN, SP_MCP_TOOLS_LIST, params_list },
	{ SP_LIT_INIT("server/discover"), SP_ERA_MODERN, SP_MCP_DISCOVER, params_none },
	{ SP_LIT_INIT("initialize"), SP_ERA_LEGACY, SP_MCP_INITIALIZE, params_initialize },
	{ SP_LIT_INIT("ping"), SP_ERA_LEGACY, SP_MCP_PING, params_none },
};

static const struct row *
row_find(sp_slice name, enum sp_era era)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if ((rows[i].eras & era) != 0 && sp_eq(rows[i].name, name))
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

/* mcp-spec 1.4 step 5: each header exactly once and equal to the body. */
static enum sp_status
check_headers(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m, sp_slice version,
    struct sp_err *e)
{
	unsigned n;
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
	else
		return SP_OK;
	f = sp_http_find(head, SP_LIT("mcp-name"), &n);
	if (n != 1 || !sp_mcp_value(a, f->value, &got) || name == NULL || !sp_jis_str(name) ||
	    !sp_eq(got, sp_jtext(name)))
		return mismatch(e, "Mcp-Name does not match the body");
	return SP_OK;
}

static enum sp_status
judge_modern(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m, struct sp_mcp_ask *out,
    struct sp_err *e)
{
	sp_jval *meta = SP_JGET(m->params, "_meta");
	sp_jval *version = SP_JGET(meta, META_VERSION);
	enum sp_status st;
	const struct row *row;

	if (version == NULL || !sp_jis_str(version) || !sp_jis_obj(SP_JGET(meta, META_CAPABILITIES)))
		return sp_fail(e, SP_E_META, "_meta must have " META_VERSION " and " META_CAPABILITIES,
		    "required _meta is missing");
	out->version = sp_jtext(version);
	st = check_headers(a, head, m, out->version, e);
	if (st != SP_OK)
		return st;
	if (!sp_eq(out->version, SP_LIT(SP_MCP_MODERN)))
		return sp_fail(e, SP_E_VERSION, NULL, "version %.*s", SP_PRI(out->version));
	row = row_find(m->method, SP_ERA_MODERN);
	if (row == NULL)
		return sp_fail(e, SP_E_NO_METHOD_404, NULL, "method %.*s", SP_PRI(m->method));
	st = row->params(m->params, out, e);
	if (st == SP_OK)
		out->method = row->method;
	return st;
}

static enum sp_status
judge_legacy(const struct sp_rpc *m, struct sp_mcp_ask *out, struct sp_err *e)
{
	const struct row *row = row_find(m->method, SP_ERA_LEGACY);
	enum sp_status st;

	if (row == NULL)
		return sp_fail(e, SP_E_NO_METHOD, NULL, "method %.*s", SP_PRI(m->method));
	st = row->params(m->params, out, e);
	if (st == SP_OK)
		out->method = row->method;
	return st;
}

enum sp_status
sp_mcp_judge(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m, struct sp_mcp_ask *out,
    struct sp_err *e)
{
	unsigned n;
	const struct sp_http_field *f = sp_http_find(head, SP_LIT("mcp-protocol-version"), &n);
	bool meta = SP_JGET(SP_JGET(m->params, "_meta"), META_VERSION) != NULL;
	bool modern = meta || (n != 0 && sp_eq(f->value, SP_LIT(SP_MCP_MODERN)));

	*out = (struct sp_mcp_ask){ .era = modern ? SP_ERA_MODERN : SP_ERA_LEGACY };
	if (n != 0)
		out->version = f->value;
	if (n > 1)
		return mismatch(e, "MCP-Protocol-Version was sent twice");
	/* A missing header is a client from before 2025-06-18, served as legacy; an unknown one is refused. */
	if (!modern && n == 1 && !is_legacy(f->value))
		return sp_fail(e, SP_E_VERSION, NULL, "version header %.*s", SP_PRI(f->value));
	if (m->kind == SP_RPC_RESPONSE && modern)
		return sp_fail(e, SP_E_BAD_RPC, "a response cannot be posted", "a response in the modern era");
	/* A message without an id is never executed, whatever method it names. */
	if (m->kind != SP_RPC_REQUEST)
		return SP_OK;
	return modern ? judge_modern(a, head, m, out, e) : judge_legacy(m, out, e);
}

void
sp_mcp_version_data(struct sp_out *o, sp_slice requested)
{
	sp_out_str(o, "{\"supported\":[\"" SP_MCP_MODERN "\"],\"requested\":");
	sp_jout_str(o, sp_sub(requested, 0, 64));
	sp_out_byte(o, '}');
}
