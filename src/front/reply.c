#include "http/answer.h"
#include "front/front.h"

#include "mcp/result.h"

struct sp_front *
sp_front_of(const struct sp_conn *c)
{
	return c->hub->ctx;
}

struct sp_req *
sp_req_of(const struct sp_conn *c)
{
	return c->req;
}

struct sp_out *
sp_reply_text(struct sp_conn *c)
{
	struct sp_out *o = &sp_front_of(c)->text;

	sp_out_reset(o);
	return o;
}

/* The answer may have begun as an event stream: then it is its last event, and has no status line of its own. */
static void
send_text(struct sp_conn *c, struct sp_answer *a)
{
	const struct sp_out *o = &sp_front_of(c)->text;
	sp_slice body = sp_out_view(o);

	if (c->state == SP_CONN_STREAM) {
		if (o->full || c->events != SP_EVENTS_BETWEEN) {
			sp_conn_abort(c);
			return;
		}
		sp_conn_event(c, &body, 1);
		sp_conn_events_end(c);
		return;
	}
	if (o->full) {
		sp_answer_status(c, SP_E_FULL, (sp_slice){ NULL, 0 });
		return;
	}
	a->type = SP_JSON_TYPE;
	sp_conn_answer(c, a, &body, 1);
}

void
sp_reply_ok(struct sp_conn *c)
{
	struct sp_answer a = { .status = 200 };

	send_text(c, &a);
}

void
sp_reply_session(struct sp_conn *c, sp_slice session)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_answer a = { .status = 200 };

	a.extra[a.nextra].name = "Mcp-Session-Id";
	a.extra[a.nextra++].value = session;
	sp_mcp_initialize(sp_reply_text(c), q->id, q->ask.version, sp_mcp_caps(&f->worlds[q->resource], q->who, &q->view),
	    sp_front_instructions(f, q));
	send_text(c, &a);
}

void
sp_reply_accepted(struct sp_conn *c)
{
	struct sp_answer a = { .status = 202 };

	sp_conn_answer(c, &a, NULL, 0);
}

bool
sp_reply_events(struct sp_conn *c)
{
	struct sp_answer a = { .status = 200 };

	if (c->state == SP_CONN_PARKED || c->state == SP_CONN_BODY)
		sp_conn_events_begin(c, &a);
	return c->state == SP_CONN_STREAM;
}

void
sp_reply_nothing(struct sp_conn *c)
{
	if (c->state == SP_CONN_PARKED && !sp_req_of(c)->takes_events) {
		sp_reply_accepted(c);
		return;
	}
	if (sp_reply_events(c))
		sp_conn_events_end(c);
}

void
sp_reply_rpc(struct sp_conn *c, enum sp_status st, sp_slice message, uint32_t retry_after_s)
{
	struct sp_req *q = sp_req_of(c);
	unsigned http = sp_errinfo(st)->http;
	struct sp_answer a = { .status = http == 0 ? 500 : http, .retry_after_s = retry_after_s };
	char buf[512];
	struct sp_out data;

	sp_out_init(&data, buf, sizeof buf);
	if (st == SP_E_VERSION)
		sp_mcp_version_data(&data, q->ask.version);
	sp_rpc_error(sp_reply_text(c), q->id, st, message, sp_out_view(&data));
	send_text(c, &a);
}

void
sp_reply_failure(struct sp_conn *c, sp_slice text)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);

	sp_count(f->counters, f->row, SP_C_CALL_ERRORS_TOTAL, 1);
	if (q->ask.method == SP_MCP_TOOLS_CALL)
		sp_mcp_tool_error(sp_reply_text(c), q->ask.era, q->id, text);
	else
		sp_rpc_error(sp_reply_text(c), q->id, SP_E_BUG, text, (sp_slice){ NULL, 0 });
	sp_reply_ok(c);
}

void
sp_reply_unknown(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	sp_mcp_unknown(sp_reply_text(c), &q->ask, q->id);
	sp_reply_ok(c);
}

void
sp_reply_challenge(struct sp_conn *c, enum sp_status st, sp_slice scope)
{
	const struct sp_image *img = sp_front_of(c)->img;
	const struct sp_img_resource *at = SP_IMG_AT(img, img->head->resources, resource, sp_req_of(c)->resource);
	sp_slice none = { NULL, 0 };

	if (c->state == SP_CONN_STREAM) {
		/* Too late for a status line: the rights of the caller ended while the call was under way. */
		sp_rpc_error(sp_reply_text(c), sp_req_of(c)->id, SP_E_BAD_RPC, sp_str(sp_errinfo(st)->text), none);
		sp_reply_ok(c);
		return;
	}
	sp_answer_challenge(c, st, scope, at->metadata.n == 0 ? none : sp_img_str(img, at->metadata_url));
}
