/* One request: from its head to the caller and its session, from its body to the method. */
#include "http/answer.h"
#include "front/front.h"
#include "http/gate.h"

#include "os/role.h"

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- the session */

static sp_slice
revision_text(uint32_t revision)
{
	return revision == SP_MCP_2025_06_18 ? SP_LIT(SP_MCP_LEGACY_OLD) : SP_LIT(SP_MCP_LEGACY_NEW);
}

/* A session is no credential: it must be the caller's own, and another's answers as one that never was. */
static enum sp_status
judge_session(struct sp_conn *c, struct sp_req *q, struct sp_err *e)
{
	struct sp_front *f = sp_front_of(c);
	const struct sp_http_head *head = &c->w->http.head;
	unsigned n, nversion;
	const struct sp_http_field *id = sp_http_find(head, SP_LIT("mcp-session-id"), &n);
	const struct sp_http_field *version = sp_http_find(head, SP_LIT("mcp-protocol-version"), &nversion);
	struct sp_session s;
	uint8_t mark[32];
	enum sp_status st;

	if (n == 0 || sp_gate_is_modern(head))
		return SP_OK;
	if (n > 1)
		return sp_fail(e, SP_E_BAD_RPC, "Mcp-Session-Id was sent twice", "two sessions");
	st = sp_session_find(&f->sessions, id->value, sp_now_s(), &s);
	if (st == SP_OK) {
		sp_principal_mark(f->img, q->resource, q->who, mark);
		st = memcmp(mark, s.who, sizeof mark) == 0 ? SP_OK : SP_E_SESSION;
	}
	if (st == SP_OK && s.revision != SP_MCP_2025_06_18 && s.revision != SP_MCP_2025_11_25)
		st = SP_E_SESSION;
	if (st != SP_OK)
		return sp_fail(e, st, NULL, "unknown session");
	if (nversion > 1 || (nversion == 1 && !sp_eq(version->value, revision_text(s.revision))))
		return sp_fail(e, SP_E_HEADER_MISMATCH, "MCP-Protocol-Version is not the session's", "version of another session");
	q->has_session = true;
	q->revision = s.revision;
	q->session_expires_s = s.expires_s;
	memcpy(q->session, s.name, sizeof q->session);
	return SP_OK;
}

/* ---------------------------------------------------------------- the head */

/* The caller is known. */
static enum sp_take
admit(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);
	const struct sp_http_head *head = &c->w->http.head;
	struct sp_err e = { 0 };
	enum sp_status st = judge_session(c, q, &e);

	q->takes_events = sp_gate_takes_events(head);
	if (st == SP_OK)
		st = sp_gate_method(head, q->has_session, &e);
	if (st == SP_OK)
		return SP_TAKE_BODY;
	if (st == SP_E_METHOD)
		sp_answer_method(c, sp_gate_allow(head));
	else
		sp_answer_status(c, st, sp_str(e.pub));
	return SP_TAKE_DONE;
}

static enum sp_take
on_head(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_err e = { 0 };
	enum sp_where where;
	uint32_t resource;
	enum sp_status st;

	if (c->metrics)
		return sp_metrics(c);
	st = sp_gate_where(f->img, &c->w->http.head, &where, &resource, &e);
	if (st != SP_OK) {
		if (st != SP_E_NOT_FOUND)
			sp_deny_request(f, "request.refused", &e, nothing);
		sp_answer_status(c, st, nothing);
		return SP_TAKE_DONE;
	}
	if (where == SP_AT_HEALTH)
		return sp_health(c);
	if (where == SP_AT_METADATA) {
		sp_answer_metadata(c, sp_img_str(f->img, SP_IMG_AT(f->img, f->img->head->resources, resource, resource)->metadata));
		return SP_TAKE_DONE;
	}
	c->req = sp_arena_get(&c->w->arena, sizeof(struct sp_req));
	if (c->req == NULL) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return SP_TAKE_DONE;
	}
	sp_req_of(c)->resource = resource;
	switch (sp_auth(c)) {
	case SP_AUTH_OK:
		return admit(c);
	case SP_AUTH_WAITS:
		return SP_TAKE_WAIT;
	case SP_AUTH_ANSWERED:
		break;
	}
	return SP_TAKE_DONE;
}

void
sp_request_resume(struct sp_conn *c)
{
	if (sp_auth(c) == SP_AUTH_OK && admit(c) == SP_TAKE_BODY)
		sp_conn_go(c);
}

/* ---------------------------------------------------------------- the body */

static void
end_session(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_m_session_end m = { .id = sp_conn_request(c), .expires_s = q->session_expires_s };

	if (f->keeper == NULL) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return;
	}
	memcpy(m.session, q->session, sizeof m.session);
	sp_enc_session_end(sp_chan_begin(f->keeper, SP_M_SESSION_END), &m);
	sp_chan_end(f->keeper);
	q->wait = SP_WAIT_SESSION_END;
	sp_conn_park(c, SP_AUTH_WAIT_MS);
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
on_body(struct sp_conn *c)
{
	struct sp_err e = { 0 };
	struct sp_rpc m = { 0 };
	enum sp_status st;

	if (c->w->http.head.method == SP_GET) {
		sp_stream_get(c);
		return;
	}
	if (c->w->http.head.method == SP_DELETE) {
		end_session(c);
		return;
	}
	st = parse(c, &m, &e);
	if (st != SP_OK) {
		sp_reply_rpc(c, st, sp_str(e.pub), 0);
		return;
	}
	if (m.kind == SP_RPC_NOTIFICATION && !sp_starts(m.method, SP_LIT("notifications/")) && sp_hub_may_log(c->hub))
		sp_log(SP_INFO, "request.without_id", SP_S("method", m.method));
	sp_method(c);
}

/* ---------------------------------------------------------------- ends */

static void
on_late(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);
	uint8_t wait = q->wait;

	q->wait = SP_WAIT_NONE;
	if (q->stream != NULL)
		return;			/* the front's own clock watches it */
	if (c->state == SP_CONN_HELD || wait == SP_WAIT_SESSION_END)
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
	else if (wait == SP_WAIT_SESSION || wait == SP_WAIT_CHECK)
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
	else
		sp_call_late(c);
}

static void
on_sent(struct sp_conn *c)
{
	sp_result_sent(c);
}

static void
on_end(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	if (q->stream != NULL) {
		sp_stream_over(c);
		return;
	}
	sp_front_checks_end(q);
	sp_call_end(c);
	if (q->who != NULL)
		sp_principal_drop(&q->who);
}

const struct sp_service sp_front_service = {
	.head = on_head, .body = on_body, .late = on_late, .sent = on_sent, .end = on_end,
};
