/*
 * A request as it comes: head lines, an empty line, a body.  What is judged acceptable has
 * an id, a known method and slices inside the input's copies; what is written back is JSON
 * again and echoes the same id.
 */
#include "mcp/result.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_answer(const struct sp_out *o, const struct sp_rpc *m)
{
	struct sp_json doc = { 0 };
	char buf[SP_RPC_ID_MAX * 6 + 16];
	struct sp_out id;

	assert(!o->full);
	assert(sp_json_read(sp_out_view(o), SP_JSON_DEFAULT, &doc, NULL) == SP_OK);
	if (m->id.n != 0) {
		sp_out_init(&id, buf, sizeof buf);
		sp_jwrite(&id, SP_JGET(doc.root, "id"));
		assert(sp_eq(sp_out_view(&id), m->id));
	}
	sp_json_free(&doc);
}

static void
answer(const struct sp_rpc *m, const struct sp_mcp_ask *ask, enum sp_status st)
{
	char buf[65536], data[1024];
	struct sp_out o, d;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_init(&d, data, sizeof data);
	if (st == SP_E_VERSION)
		sp_mcp_version_data(&d, ask->version);
	if (st != SP_OK)
		sp_rpc_error(&o, m->id, st, (sp_slice){ NULL, 0 }, sp_out_view(&d));
	else if (ask->name.n != 0)
		sp_mcp_unknown(&o, ask, m->id);
	else if (ask->method == SP_MCP_LISTEN)
		sp_mcp_listen_end(&o, m->id);
	else if (ask->method == SP_MCP_INITIALIZE)
		sp_mcp_initialize(&o, m->id, ask->version, SP_CAP_TOOLS, (sp_slice){ NULL, 0 });
	else
		sp_mcp_empty(&o, ask->era, m->id);
	check_answer(&o, m);
}

static void
run(struct sp_http1 *http, sp_slice body)
{
	struct sp_mcp_ask ask = { 0 };
	struct sp_rpc m = { 0 };
	struct sp_arena a;
	struct sp_err e = { 0 };
	sp_jval *root;
	enum sp_status st;

	sp_arena_init(&a, 1 << 20);
	st = sp_json_read_arena(&a, body, SP_JSON_DEFAULT, &root, &e);
	if (st == SP_OK)
		st = sp_rpc_read(&a, root, &m, &e);
	if (st == SP_OK) {
		st = sp_mcp_judge(&a, &http->head, &m, &ask, &e);
		assert(ask.era == SP_ERA_LEGACY || ask.era == SP_ERA_MODERN);
		assert((st == SP_OK && m.kind == SP_RPC_REQUEST) ==
		    (ask.method != SP_MCP_NONE && ask.method != SP_MCP_CANCELLED));
		assert(ask.method != SP_MCP_CANCELLED || (ask.cancel_id.n != 0 && ask.era == SP_ERA_LEGACY));
		assert(ask.log_level <= 8 && (ask.method != SP_MCP_SET_LEVEL || ask.log_level != 0));
		assert(ask.listen_uris == NULL || sp_jis_arr(ask.listen_uris));
		assert(ask.method != SP_MCP_TOOLS_CALL || ask.args == NULL || sp_jis_obj(ask.args));
		assert(ask.era == SP_ERA_MODERN || (st != SP_E_META && st != SP_E_NO_METHOD_404));
	}
	answer(&m, &ask, st == SP_OK && m.kind != SP_RPC_REQUEST ? SP_E_BAD_RPC : st);
	sp_arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sp_http1 http;
	sp_slice in = sp_mem(data, n);
	size_t end = sp_find(in, SP_LIT("\r\n\r\n"));
	char head[4096];
	struct sp_out o;
	sp_slice rest;

	if (end == SIZE_MAX || end > 3000)
		return 0;
	sp_out_init(&o, head, sizeof head);
	sp_out_str(&o, "POST /mcp HTTP/1.1\r\nHost: a\r\n");
	sp_out_add(&o, data, end + 4);
	sp_http_init(&http, SP_HTTP_REQUEST, (struct sp_http_limits){ 4096, 65536 });
	rest = sp_out_view(&o);
	if (sp_http_read(&http, &rest) != SP_HTTP_HEAD)
		return 0;
	run(&http, sp_sub(in, end + 4, SIZE_MAX));
	return 0;
}
