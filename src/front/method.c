/* From the method of a message to what serves it. */
#include "front/front.h"

#include "mcp/result.h"

static const sp_slice nothing = { NULL, 0 };

static void
list(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_err e = { 0 };
	enum sp_status st = sp_mcp_list(sp_reply_text(c), &f->worlds[q->resource], q->who, &q->view, &q->ask, q->id, &e);

	if (st == SP_OK)
		sp_reply_ok(c);
	else
		sp_reply_rpc(c, st, sp_str(e.pub), 0);
}

/* The revision that initialize answers with (sp_mcp_initialize). */
static uint32_t
revision_of(sp_slice asked)
{
	return sp_eq(asked, SP_LIT(SP_MCP_LEGACY_OLD)) ? SP_MCP_2025_06_18 : SP_MCP_2025_11_25;
}

static void
initialize(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_m_session_new m = { .id = sp_conn_request(c), .revision = revision_of(q->ask.version),
	    .caps = q->ask.client_caps };

	if (f->keeper == NULL) {
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	sp_principal_mark(f->img, q->resource, q->who, m.who);
	sp_enc_session_new(sp_chan_begin(f->keeper, SP_M_SESSION_NEW), &m);
	sp_chan_end(f->keeper);
	q->wait = SP_WAIT_SESSION;
	sp_conn_park(c, SP_AUTH_WAIT_MS);
}

static void
discover(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);

	sp_mcp_discover(sp_reply_text(c), q->id, sp_mcp_caps(&f->worlds[q->resource], q->who, &q->view),
	    sp_front_instructions(f, q));
	sp_reply_ok(c);
}

static void
empty(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	sp_mcp_empty(sp_reply_text(c), q->ask.era, q->id);
	sp_reply_ok(c);
}

/* A call of this session that this front has itself; threat row O16: of no other session, and of no other caller. */
static struct sp_conn *
find_call(struct sp_front *f, const struct sp_req *by)
{
	for (struct sp_conn *c = f->hub.busy.first; c != NULL; c = c->next) {
		const struct sp_req *q = c->req;

		if (q != NULL && q != by && q->has_session && memcmp(q->session, by->session, sizeof q->session) == 0 &&
		    (q->call == SP_CALL_WAITS || q->call == SP_CALL_SENT || q->wait == SP_WAIT_CHECK) && sp_eq(q->id, by->ask.cancel_id))
			return c;
	}
	return NULL;
}

static void
cancelled(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_m_annul m = { .rpc_id = q->ask.cancel_id };
	struct sp_conn *call = NULL;

	if (q->has_session && q->ask.cancel_id.n != 0 && q->ask.cancel_id.n <= SP_IPC_ID_MAX) {
		call = find_call(f, q);
		memcpy(m.session, q->session, sizeof m.session);
		for (uint32_t i = 0; call == NULL && i < f->img->head->servers.n; i++) {
			if (f->links[i].ch == NULL || !sp_front_serves(f, q, i))
				continue;
			sp_enc_annul(sp_chan_begin(f->links[i].ch, SP_M_ANNUL), &m);
			sp_chan_end(f->links[i].ch);
		}
	}
	if (call != NULL)
		sp_call_annul(call);
	sp_reply_accepted(c);
}

static void
set_level(struct sp_conn *c)
{
	if (sp_req_of(c)->has_session)
		sp_call_level(c);
	empty(c);
}

/* view: what it shows depends on checks; of which lists is said by a kind, or by SHOWS_ALL. */
enum { SHOWS_NONE = 0, SHOWS_ALL = 99 };
static const struct { enum sp_mcp_method method; void (*run)(struct sp_conn *c); unsigned view; } rows[] = {
	{ SP_MCP_NONE, sp_reply_accepted },
	{ SP_MCP_INITIALIZE, initialize, SHOWS_ALL },
	{ SP_MCP_PING, empty },
	{ SP_MCP_DISCOVER, discover, SHOWS_ALL },
	{ SP_MCP_TOOLS_LIST, list, SP_COMPONENT_TOOL },
	{ SP_MCP_RESOURCES_LIST, list, SP_COMPONENT_RESOURCE },
	{ SP_MCP_TEMPLATES_LIST, list, SP_COMPONENT_TEMPLATE },
	{ SP_MCP_PROMPTS_LIST, list, SP_COMPONENT_PROMPT },
	{ SP_MCP_TOOLS_CALL, sp_call_start },
	{ SP_MCP_RESOURCES_READ, sp_call_start },
	{ SP_MCP_SUBSCRIBE, sp_call_start },
	{ SP_MCP_UNSUBSCRIBE, sp_call_start },
	{ SP_MCP_PROMPTS_GET, sp_call_start },
	{ SP_MCP_COMPLETE, sp_call_start },
	{ SP_MCP_SET_LEVEL, set_level },
	{ SP_MCP_LISTEN, sp_stream_listen, SHOWS_ALL },
	{ SP_MCP_CANCELLED, cancelled },
};

void
sp_method(struct sp_conn *c)
{
	enum sp_mcp_method method = sp_req_of(c)->ask.method;

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (rows[i].method == method) {
			if (rows[i].view == SHOWS_NONE || sp_front_view(c, rows[i].view == SHOWS_ALL ? 0 : rows[i].view))
				rows[i].run(c);
			return;
		}
	sp_reply_rpc(c, SP_E_BUG, nothing, 0);
}
