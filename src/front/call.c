/* tools/call: decide, then hand over to the egress of the tool's server; or say why not. */
#include "front/front.h"

#include "os/role.h"

#include <assert.h>

enum {
	LINK_HIGH = 8 << 20,		/* bytes waiting for one egress: further calls wait */
	LINK_LOW = 1 << 20,
	WAIT_MS = 5000,			/* for an egress that is starting */
	LATE_MS = 2000			/* egress watches the deadline; this is for one that does not */
};

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- handing over */

/* The first part goes with the call itself; it counts against the credit like the rest. */
static void
send_call(struct sp_conn *c, struct sp_link *l)
{
	struct sp_req *q = sp_req_of(c);
	uint64_t now = uv_now(c->hub->loop);
	struct sp_m_call m = {
		.id = sp_conn_request(c), .tool = q->tool, .args_total = (uint32_t)q->args.n, .token = q->token,
		.deadline_ms = q->deadline_ms > now ? (uint32_t)(q->deadline_ms - now) : 1,
		.args = sp_sub(q->args, 0, SP_INLINE_MAX),
	};

	sp_enc_call(sp_chan_begin(l->ch, SP_M_CALL), &m);
	sp_chan_end(l->ch);
	q->args_sent = m.args.n;
	q->credit = SP_CREDIT - m.args.n;
	q->call = SP_CALL_SENT;
	c->deadline_ms = q->deadline_ms + LATE_MS;
}

static void
on_drained(void *ctx)
{
	struct sp_link *l = ctx;
	struct sp_hub *h = &l->front->hub;
	struct sp_conn *c, *next;

	l->full = false;
	for (c = h->busy.first; c != NULL; c = next) {
		next = c->next;
		if (c->req != NULL && sp_req_of(c)->call != SP_CALL_NONE && sp_req_of(c)->server == l->server)
			sp_call_push(c);
	}
}

static bool
link_takes(struct sp_link *l)
{
	if (l->ch == NULL || l->full)
		return false;
	if (sp_chan_pending(l->ch) < LINK_HIGH)
		return true;
	l->full = true;
	sp_chan_when_drained(l->ch, LINK_LOW, on_drained, l);
	return false;
}

void
sp_call_push(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);
	struct sp_link *l = &sp_front_of(c)->links[q->server];

	if (q->call == SP_CALL_WAITS && link_takes(l))
		send_call(c, l);
	while (q->call == SP_CALL_SENT && q->args_sent < q->args.n && q->credit != 0 && link_takes(l)) {
		size_t n = q->args.n - q->args_sent;
		struct sp_m_data m = { .id = sp_conn_request(c) };

		n = n > SP_DATA_MAX ? SP_DATA_MAX : n;
		n = n > q->credit ? (size_t)q->credit : n;
		m.part = sp_sub(q->args, q->args_sent, n);
		sp_enc_data(sp_chan_begin(l->ch, SP_M_DATA), &m);
		sp_chan_end(l->ch);
		q->args_sent += n;
		q->credit -= n;
	}
}

/* What was decided on is what is sent: the text is written anew from the checked value,
 * numbers as they were. */
static enum sp_status
write_args(struct sp_conn *c, struct sp_req *q)
{
	size_t room = c->w->body.n + 64;

	if (q->ask.args == NULL)
		return SP_OK;
	for (unsigned tries = 0; tries < 2; tries++, room *= 6) {
		char *buf = sp_arena_get(&c->w->arena, room);
		struct sp_out o;

		if (buf == NULL)
			return SP_E_TOO_BIG;
		sp_out_init(&o, buf, room);
		sp_jwrite(&o, q->ask.args);
		if (!o.full) {
			q->args = sp_out_view(&o);
			return q->args.n > UINT32_MAX ? SP_E_TOO_BIG : SP_OK;
		}
	}
	return SP_E_TOO_BIG;
}

static void
forward(struct sp_conn *c, uint32_t tool)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	const struct sp_image *img = f->img;
	uint64_t call_ms = img->head->call_ms;

	if (write_args(c, q) != SP_OK) {
		sp_reply_rpc(c, SP_E_TOO_BIG, nothing, 0);
		return;
	}
	q->tool = tool;
	q->server = SP_IMG_AT(img, img->head->tools, tool, tool)->server;
	q->call = SP_CALL_WAITS;
	q->deadline_ms = uv_now(c->hub->loop) + call_ms;
	sp_conn_park(c, call_ms < WAIT_MS ? call_ms : WAIT_MS);
	sp_call_push(c);
}

/* ---------------------------------------------------------------- deciding */

static bool
is_anonymous(const struct sp_front *f, const struct sp_req *q)
{
	return f->img->head->anonymous != 0 && q->who->source == f->img->head->anonymous - 1;
}

static void
reply_short(struct sp_conn *c, const struct sp_decision *d)
{
	struct sp_out o;

	sp_out_heap(&o, 65536);
	sp_scopes_write(&o, sp_front_of(c)->img, d->wanted, SP_SCOPE_WORDS);
	sp_reply_challenge(c, SP_E_SCOPE, sp_out_view(&o));
	sp_out_free(&o);
}

/* The table of config.md section 3. */
static void
deny(struct sp_conn *c, uint32_t tool, const struct sp_decision *d)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);

	sp_deny(f, q, tool, d);
	switch (d->outcome) {
	case SP_REFUSED_ARGS:
		sp_reply_tool_error(c, SP_LIT("refused: these arguments are not allowed"));
		return;
	case SP_ASK:
		sp_reply_tool_error(c, SP_LIT("refused: this call needs an approval"));
		return;
	case SP_SHORT:
		if (is_anonymous(f, q))
			break;
		if (d->manner != SP_MANNER_HIDE) {
			reply_short(c, d);
			return;
		}
		break;
	case SP_CLOSED:
	case SP_ALLOW:
		break;
	}
	if (is_anonymous(f, q))
		sp_reply_challenge(c, SP_E_NO_TOKEN, nothing);
	else
		sp_reply_unknown(c);
}

/* One call of this caller's allowance.  Without a credential the caller is its network address. */
static enum sp_status
take_slot(struct sp_conn *c, uint32_t *retry_s)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	const struct sp_img_head *h = f->img->head;
	uint64_t key = is_anonymous(f, q) ? c->peer_key : q->who->key;
	enum sp_status st;

	if (f->slots == NULL)
		return SP_OK;
	st = sp_slots_take(f->slots, f->index, key, uv_now(c->hub->loop), (uint32_t)h->limit_calls, h->limit_calls_ms,
	    (uint32_t)h->limit_in_flight, &q->slot, retry_s);
	q->has_slot = st == SP_OK;
	return st;
}

static bool
audit_ready(const struct sp_front *f)
{
	if (f->page != NULL && atomic_load_explicit(&f->page->audit_full, memory_order_relaxed) != 0)
		return false;
	return f->ring == NULL || sp_ring_room(f->ring, 1);
}

void
sp_call_start(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_decision d = { .outcome = SP_CLOSED, .reason = "no tool of this name", .reason_rule = UINT32_MAX };
	struct sp_err e = { 0 };
	uint32_t tool, retry_s = 1;

	if (!audit_ready(f)) {
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	if (take_slot(c, &retry_s) != SP_OK) {
		sp_reply_rpc(c, SP_E_RATE, nothing, retry_s == 0 ? 1 : retry_s);
		return;
	}
	tool = sp_img_find_tool(f->img, q->ask.name);
	if (tool != UINT32_MAX)
		sp_decide(f->img, q->who, tool, q->ask.args, &d);
	if (d.outcome != SP_ALLOW) {
		deny(c, tool, &d);
		return;
	}
	/* Only now: whoever may not call it does not learn what it mirrors. */
	if (q->ask.era == SP_ERA_MODERN &&
	    sp_params_check(&c->w->arena, &f->params[tool], &c->w->http.head, q->ask.args, &e) != SP_OK) {
		sp_reply_rpc(c, SP_E_HEADER_MISMATCH, sp_str(e.pub), 0);
		return;
	}
	forward(c, tool);
}

/* ---------------------------------------------------------------- ends */

void
sp_call_late(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	if (c->state == SP_CONN_STREAM && sp_conn_unread(c) != 0) {
		/* The client is slow, not egress; whether it reads at all is watched elsewhere. */
		c->deadline_ms = uv_now(c->hub->loop) + LATE_MS;
	} else if (c->state == SP_CONN_STREAM) {
		sp_conn_abort(c);
	} else if (q->call == SP_CALL_WAITS) {
		q->call = SP_CALL_OVER;
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
	} else {
		sp_reply_tool_error(c, SP_LIT("the call took too long; its outcome is unknown"));
	}
}

void
sp_call_sent(struct sp_conn *c)
{
	sp_result_sent(c);
}

void
sp_call_end(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);

	if (q->call == SP_CALL_SENT || q->call == SP_CALL_ANSWERING) {
		struct sp_link *l = &f->links[q->server];
		struct sp_m_id m = { sp_conn_request(c) };

		if (l->ch != NULL) {
			sp_enc_id(sp_chan_begin(l->ch, SP_M_CANCEL), &m);
			sp_chan_end(l->ch);
		}
	}
	q->call = SP_CALL_OVER;
	if (q->has_slot)
		sp_slots_give(f->slots, f->index, q->slot);
	q->has_slot = false;
}
