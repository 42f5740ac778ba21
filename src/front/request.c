/* One request: from its head to the caller, from its body to the method. */
#include "front/answer.h"
#include "front/front.h"
#include "front/gate.h"

#include "mcp/result.h"
#include "mcp/list.h"
#include "os/role.h"

static const sp_slice nothing = { NULL, 0 };

static void
metadata(struct sp_conn *c)
{
	const struct sp_image *img = sp_front_of(c)->img;
	struct sp_answer a = { .status = 200, .type = SP_JSON_TYPE, .cache = SP_LIT("public, max-age=300") };
	sp_slice body = sp_img_str(img, img->head->metadata);

	switch (c->w->http.head.method) {
	case SP_GET:
	case SP_HEAD:
		sp_conn_answer(c, &a, &body, 1);
		return;
	case SP_OPTIONS:
		a = (struct sp_answer){ .status = 204 };
		a.extra[a.nextra].name = "Allow";
		a.extra[a.nextra++].value = SP_LIT("GET, HEAD, OPTIONS");
		sp_conn_answer(c, &a, NULL, 0);
		return;
	default:
		sp_answer_method(c, SP_LIT("GET, HEAD, OPTIONS"));
	}
}

static enum sp_status
verify(struct sp_conn *c, struct sp_req *q)
{
	struct sp_front *f = sp_front_of(c);
	uint64_t epoch = f->page == NULL ? 0 : atomic_load_explicit(&f->page->epoch, memory_order_acquire);
	struct sp_err e = { 0 };
	enum sp_status st = sp_verify(f->verifier, q->token, sp_now_s(), epoch, &q->who, &e);

	if (st == SP_OK)
		return SP_OK;
	sp_deny_request(f, "token.rejected", &e, q->token);
	if (st == SP_E_UNAVAILABLE)
		sp_answer_status(c, st, nothing);
	else
		sp_reply_challenge(c, st == SP_E_SCOPE ? st : SP_E_BAD_TOKEN, st == SP_E_SCOPE ? sp_str(e.pub) : nothing);
	return st;
}

/* Who calls; not SP_OK: it was answered. */
static enum sp_status
authenticate(struct sp_conn *c, struct sp_req *q)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_err e = { 0 };
	bool offered;
	enum sp_status st = sp_gate_token(&c->w->http.head, &q->token, &offered, &e);

	if (st == SP_OK)
		return verify(c, q);
	if (st == SP_E_NO_TOKEN && !offered && f->img->head->anonymous != 0) {
		struct sp_principal *anonymous = sp_verifier_anonymous(f->verifier);

		if (anonymous != NULL) {
			q->who = sp_principal_hold(anonymous);
			return SP_OK;
		}
	}
	if (st != SP_E_NO_TOKEN)
		sp_deny_request(f, "request.refused", &e, nothing);
	sp_reply_challenge(c, st, nothing);
	return st;
}

static enum sp_take
on_head(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	const struct sp_http_head *head = &c->w->http.head;
	struct sp_err e = { 0 };
	enum sp_where where;
	struct sp_req *q;
	enum sp_status st = sp_gate_where(f->img, head, &where, &e);

	if (st != SP_OK) {
		if (st != SP_E_NOT_FOUND)
			sp_deny_request(f, "request.refused", &e, nothing);
		sp_answer_status(c, st, nothing);
		return SP_TAKE_DONE;
	}
	if (where == SP_AT_METADATA) {
		metadata(c);
		return SP_TAKE_DONE;
	}
	q = c->req = sp_arena_get(&c->w->arena, sizeof *q);
	if (q == NULL) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return SP_TAKE_DONE;
	}
	if (authenticate(c, q) != SP_OK)
		return SP_TAKE_DONE;
	st = sp_gate_post(head, &e);
	if (st == SP_OK)
		return SP_TAKE_BODY;
	if (st == SP_E_METHOD)
		sp_answer_method(c, SP_LIT("POST"));
	else
		sp_answer_status(c, st, sp_str(e.pub));
	return SP_TAKE_DONE;
}

static enum sp_status
parse(struct sp_conn *c, struct sp_rpc *m, struct sp_err *e)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_work *w = c->w;
	struct sp_req *q = sp_req_of(c);
	struct sp_json_limits lim = { (unsigned)f->img->head->limit_depth, 0 };
	sp_jval *root;
	enum sp_status st = sp_json_read_arena(&w->arena, w->body, lim, &root, e);

	/* Nesting over the limit is bad JSON to the client; no room for it is our limit. */
	if (st != SP_OK)
		return sp_fail(e, w->arena.full ? SP_E_TOO_BIG : SP_E_BAD_JSON, NULL, "body is not acceptable");
	st = sp_rpc_read(&w->arena, root, m, e);
	q->id = m->id;
	return st == SP_OK ? sp_mcp_judge(&w->arena, &w->http.head, m, &q->ask, e) : st;
}

static void
tools_list(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_err e = { 0 };
	static struct sp_catalog *const catalogs[256];
	static const uint32_t caps[256];
	struct sp_world world = { f->img, catalogs, caps, f->seed };
	enum sp_status st = sp_mcp_list(sp_reply_text(c), &world, q->who, &q->ask, q->id, &e);

	if (st == SP_OK)
		sp_reply_ok(c);
	else
		sp_reply_rpc(c, st, sp_str(e.pub), 0);
}

void
sp_front_body(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);
	struct sp_err e = { 0 };
	struct sp_rpc m = { 0 };
	enum sp_status st = parse(c, &m, &e);

	if (st != SP_OK) {
		sp_reply_rpc(c, st, sp_str(e.pub), 0);
		return;
	}
	if (m.kind == SP_RPC_NOTIFICATION && !sp_starts(m.method, SP_LIT("notifications/")) && sp_hub_may_log(c->hub))
		sp_log(SP_INFO, "request.without_id", SP_S("method", m.method));
	switch (q->ask.method) {
	case SP_MCP_NONE:
	case SP_MCP_CANCELLED:
		sp_reply_accepted(c);
		return;
	case SP_MCP_TOOLS_CALL:
		sp_call_start(c);
		return;
	case SP_MCP_TOOLS_LIST:
		tools_list(c);
		return;
	case SP_MCP_INITIALIZE:
		sp_mcp_initialize(sp_reply_text(c), q->id, q->ask.version, SP_CAP_TOOLS, (sp_slice){ NULL, 0 });
		break;
	case SP_MCP_DISCOVER:
		sp_mcp_discover(sp_reply_text(c), q->id, SP_CAP_TOOLS, (sp_slice){ NULL, 0 });
		break;
	case SP_MCP_PING:
		sp_mcp_empty(sp_reply_text(c), q->ask.era, q->id);
		break;
	default:
		sp_reply_rpc(c, q->ask.era == SP_ERA_MODERN ? SP_E_NO_METHOD_404 : SP_E_NO_METHOD, (sp_slice){ NULL, 0 }, 0);
		return;
	}
	sp_reply_ok(c);
}

void
sp_front_end(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	sp_call_end(c);
	if (q->who != NULL)
		sp_principal_drop(&q->who);
}

const struct sp_service sp_front_service = {
	.head = on_head, .body = sp_front_body, .late = sp_call_late, .sent = sp_call_sent, .end = sp_front_end,
};
