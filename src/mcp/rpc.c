#include "mcp/rpc.h"

/* JSON-RPC 2.0 section 4: string or number; MCP: a number is an integer, null is not allowed. */
static bool
id_ok(sp_jval *v)
{
	int64_t n;

	if (sp_jis_str(v))
		return sp_jtext(v).n <= SP_RPC_ID_MAX;
	return sp_jint(v, &n);
}

bool
sp_rpc_token(struct sp_arena *a, sp_jval *v, sp_slice *out)
{
	size_t room;
	struct sp_out o;
	char *buf;

	if (v == NULL || !id_ok(v))
		return false;
	/* Every byte of a string may become six (\u001f). */
	room = sp_jtext(v).n * 6 + 2;
	buf = sp_arena_get(a, room);
	if (buf == NULL)
		return false;
	sp_out_init(&o, buf, room);
	sp_jwrite(&o, v);
	*out = sp_out_view(&o);
	return !o.full;
}

static enum sp_status
read_id(struct sp_arena *a, sp_jval *v, sp_slice *id, struct sp_err *e)
{
	if (!id_ok(v))
		return sp_fail(e, SP_E_BAD_RPC, "id must be a short string or an integer", "not an id");
	if (!sp_rpc_token(a, v, id))
		return sp_fail(e, SP_E_TOO_BIG, NULL, "no room for the id");
	return SP_OK;
}

struct members {
	sp_jval *jsonrpc, *id, *method, *params, *result, *error;
	bool	 other;
};

static struct members
members_of(sp_jval *root)
{
	struct members m = { 0 };

	for (struct sp_jiter it = sp_jeach(root); sp_jnext(&it);) {
		if (sp_eq(it.key, SP_LIT("jsonrpc")))
			m.jsonrpc = it.val;
		else if (sp_eq(it.key, SP_LIT("id")))
			m.id = it.val;
		else if (sp_eq(it.key, SP_LIT("method")))
			m.method = it.val;
		else if (sp_eq(it.key, SP_LIT("params")))
			m.params = it.val;
		else if (sp_eq(it.key, SP_LIT("result")))
			m.result = it.val;
		else if (sp_eq(it.key, SP_LIT("error")))
			m.error = it.val;
		else
			m.other = true;
	}
	return m;
}

static const char *
shape_fault(const struct members *m)
{
	if (m->jsonrpc == NULL || !sp_jis_str(m->jsonrpc) || !sp_eq(sp_jtext(m->jsonrpc), SP_LIT("2.0")))
		return "jsonrpc must be \"2.0\"";
	if (m->other)
		return "unknown member in a JSON-RPC message";
	if (m->method == NULL)
		return m->result == NULL && m->error == NULL ? "method is missing"
		    : m->result != NULL && m->error != NULL  ? "both result and error"
		    : m->params != NULL			     ? "params in a response"
							     : NULL;
	if (m->result != NULL || m->error != NULL)
		return "both a request and a response";
	if (!sp_jis_str(m->method) || sp_jtext(m->method).n == 0 || sp_jtext(m->method).n > SP_RPC_METHOD_MAX)
		return "method must be a short string";
	if (sp_has_byte(sp_jtext(m->method), '\0'))
		return "method must be text";
	if (m->params != NULL && !sp_jis_obj(m->params))
		return "params must be an object";
	return NULL;
}

enum sp_status
sp_rpc_read(struct sp_arena *a, sp_jval *root, struct sp_rpc *out, struct sp_err *e)
{
	struct members m;
	const char *fault;

	out->id = (sp_slice){ NULL, 0 };
	if (sp_jis_arr(root))
		return sp_fail(e, SP_E_BAD_RPC, "batches are not accepted", "a batch");
	if (!sp_jis_obj(root))
		return sp_fail(e, SP_E_BAD_RPC, "a JSON-RPC message is an object", "not an object");
	m = members_of(root);
	if (m.id != NULL) {
		enum sp_status st = read_id(a, m.id, &out->id, e);

		if (st != SP_OK)
			return st;
	}
	fault = shape_fault(&m);
	if (fault != NULL)
		return sp_fail(e, SP_E_BAD_RPC, fault, "%s", fault);
	out->kind = m.method == NULL ? SP_RPC_RESPONSE : m.id == NULL ? SP_RPC_NOTIFICATION : SP_RPC_REQUEST;
	out->method = m.method == NULL ? (sp_slice){ NULL, 0 } : sp_jtext(m.method);
	out->params = m.params;
	return SP_OK;
}

void
sp_rpc_error(struct sp_out *o, sp_slice id, enum sp_status st, sp_slice message, sp_slice data)
{
	const struct sp_errinfo *info = sp_errinfo(st);

	sp_out_str(o, "{\"jsonrpc\":\"2.0\",");
	if (id.n != 0) {
		sp_out_str(o, "\"id\":");
		sp_out_slice(o, id);
		sp_out_byte(o, ',');
	}
	sp_out_str(o, "\"error\":{\"code\":");
	sp_out_i64(o, info->rpc == 0 ? -32603 : info->rpc);
	sp_out_str(o, ",\"message\":");
	sp_jout_str(o, message.n == 0 ? sp_str(info->text) : message);
	if (data.n != 0) {
		sp_out_str(o, ",\"data\":");
		sp_out_slice(o, data);
	}
	sp_out_str(o, "}}");
}
