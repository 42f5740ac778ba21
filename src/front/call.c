/*
 * Whatever is asked of a component (call, read, get, complete, subscribe): find it, decide, then hand over to the egress of
 * its server; or say why not.
 */
#include "front/front.h"

#include "os/role.h"

#include <assert.h>

enum {
	LINK_HIGH = 8 << 20,		/* bytes waiting for one egress: further calls wait */
	LINK_LOW = 1 << 20,
	WAIT_MS = 5000,			/* for an egress that is starting */
	LATE_MS = 2000,			/* egress watches the deadline; this is for one that does not */
	SCOPES_MAX = 65536,		/* bytes of scopes in a challenge */
	SILENCE_MS = 10000		/* then an event stream begins, so that proxies keep the connection */
};

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- handing over */

/* The first part goes with the call itself; it counts against the credit like the rest. */
static void
send_call(struct sp_conn *c, struct sp_link *l)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	uint64_t now = uv_now(c->hub->loop);
	struct sp_m_call m = {
		.id = sp_conn_request(c), .tool = q->tool, .args_total = (uint32_t)q->args.n, .token = q->token,
		.deadline_ms = q->deadline_ms > now ? (uint32_t)(q->deadline_ms - now) : 1,
		.args = sp_sub(q->args, 0, SP_INLINE_MAX), .method = (uint32_t)q->ask.method, .era = (uint32_t)q->ask.era,
		.log_level = q->ask.log_level, .progress = q->ask.progress.n != 0 && q->takes_events, .header = q->header,
		.name = q->own, .ticket = q->ticket,
	};
	char peer[SP_PEER_MAX];

	if (q->has_session) {
		m.session = sp_mem(q->session, sizeof q->session);
		m.rpc_id = q->id;
	}
	if (f->asker != NULL)
		m.peer = sp_peer_text(c->fd, peer);
	sp_enc_call(sp_chan_begin(l->ch, SP_M_CALL), &m);
	sp_chan_end(l->ch);
	sp_count(f->counters, f->row, SP_C_CALLS_TOTAL, 1);
	q->args_sent = m.args.n;
	q->credit = SP_CREDIT - m.args.n;
	q->call = SP_CALL_SENT;
	q->began_us = sp_mono_us();
	q->late_ms = q->deadline_ms + LATE_MS;
	c->deadline_ms = q->takes_events && now + SILENCE_MS < q->late_ms ? now + SILENCE_MS : q->late_ms;
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

bool
sp_link_takes(struct sp_link *l)
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

	if (q->call == SP_CALL_WAITS && sp_link_takes(l))
		send_call(c, l);
	while (q->call == SP_CALL_SENT && q->args_sent < q->args.n && q->credit != 0 && sp_link_takes(l)) {
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

/* {"argument":…,"context":…} of completion/complete. */
static void
write_completion(struct sp_out *o, sp_jval *params)
{
	sp_jval *argument = SP_JGET(params, "argument"), *context = SP_JGET(params, "context");

	sp_out_str(o, "{\"argument\":");
	if (argument == NULL)
		sp_out_str(o, "{}");
	else
		sp_jwrite(o, argument);
	if (context != NULL) {
		sp_out_str(o, ",\"context\":");
		sp_jwrite(o, context);
	}
	sp_out_byte(o, '}');
}

/* What was decided on is what is sent: the text is written anew from the checked value, numbers as they were. */
enum sp_status
sp_call_write_args(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);
	size_t room = c->w->body.n + 64;

	if (q->args.n != 0 || (q->ask.args == NULL && q->ask.method != SP_MCP_COMPLETE))
		return SP_OK;
	for (unsigned tries = 0; tries < 2; tries++, room *= 6) {
		char *buf = sp_arena_get(&c->w->arena, room);
		struct sp_out o;

		if (buf == NULL)
			return SP_E_TOO_BIG;
		sp_out_init(&o, buf, room);
		if (q->ask.method == SP_MCP_COMPLETE)
			write_completion(&o, q->ask.params);
		else
			sp_jwrite(&o, q->ask.args);
		if (!o.full) {
			q->args = sp_out_view(&o);
			return q->args.n > UINT32_MAX ? SP_E_TOO_BIG : SP_OK;
		}
	}
	return SP_E_TOO_BIG;
}

static void
forward(struct sp_conn *c, const struct sp_found *found)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	uint64_t call_ms = f->img->head->call_ms;

	if (sp_call_write_args(c) != SP_OK) {
		sp_reply_rpc(c, SP_E_TOO_BIG, nothing, 0);
		return;
	}
	q->tool = found->tool;
	q->own = found->tool == UINT32_MAX ? sp_arena_copy(&c->w->arena, found->c.name) : nothing;
	q->server = found->c.server;
	/* Answers find their request by its number: an older call that goes on under the same must not answer this one. */
	if (c->w->arena.full || sp_orphan_has(f, q->server, sp_conn_request(c))) {
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	q->call = SP_CALL_WAITS;
	q->deadline_ms = uv_now(c->hub->loop) + call_ms;
	sp_conn_park(c, call_ms < WAIT_MS ? call_ms : WAIT_MS);
	sp_call_push(c);
}

/* ---------------------------------------------------------------- deciding */

static void
reply_short(struct sp_conn *c, const struct sp_decision *d, sp_slice by_checks)
{
	struct sp_out o;

	if (by_checks.n != 0) {
		sp_reply_challenge(c, SP_E_SCOPE, by_checks);
		return;
	}
	sp_out_heap(&o, 65536);
	sp_scopes_write(&o, sp_front_of(c)->img, d->wanted, SP_SCOPE_WORDS);
	sp_reply_challenge(c, SP_E_SCOPE, sp_out_view(&o));
	sp_out_free(&o);
}

/* A tool error, or the same as a JSON-RPC error. */
static void
reply_refused(struct sp_conn *c, sp_slice text)
{
	struct sp_req *q = sp_req_of(c);

	if (q->ask.method == SP_MCP_TOOLS_CALL)
		sp_reply_failure(c, text);
	else
		sp_reply_rpc(c, SP_E_BAD_PARAMS, text, 0);
}

/* The table of config.md section 3.  `say`: what checks have to say. */
static void
deny(struct sp_conn *c, const struct sp_component *what, const struct sp_decision *d, sp_slice say)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);

	sp_deny(f, q, what, d);
	switch (d->outcome) {
	case SP_REFUSED_ARGS:
		reply_refused(c, SP_LIT("refused: these arguments are not allowed"));
		return;
	case SP_REFUSED:
		reply_refused(c, say);
		return;
	case SP_ASK:
		reply_refused(c, SP_LIT("refused: this call needs an approval"));
		return;
	case SP_SHORT:
		if (sp_front_is_anonymous(f, q))
			break;
		if (d->manner != SP_MANNER_HIDE) {
			reply_short(c, d, say);
			return;
		}
		break;
	case SP_CLOSED:
	case SP_ALLOW:
		break;
	}
	if (sp_front_is_anonymous(f, q))
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
	uint64_t key = sp_front_is_anonymous(f, q) ? c->peer_key : q->who->key;
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

/* Only for who may call it: whoever may not does not learn what it mirrors. */
static enum sp_status
check_params(struct sp_conn *c, const struct sp_found *found, struct sp_err *e)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	const struct sp_param_headers *p = found->tool != UINT32_MAX ? &f->params[found->tool] :
	    found->item != NULL ? &found->item->params : NULL;

	if (q->ask.era != SP_ERA_MODERN || q->ask.method != SP_MCP_TOOLS_CALL || p == NULL)
		return SP_OK;
	return sp_params_check(&c->w->arena, p, &c->w->http.head, q->ask.args, e);
}

static bool
needs_session(const struct sp_req *q)
{
	return (q->ask.method == SP_MCP_SUBSCRIBE || q->ask.method == SP_MCP_UNSUBSCRIBE) && !q->has_session;
}

void
sp_call_start(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_decision d = { .outcome = SP_CLOSED, .reason = "nothing of this name", .reason_rule = UINT32_MAX };
	struct sp_front_said said = { .say = nothing };
	struct sp_found found;
	struct sp_err e = { 0 };
	uint32_t retry_s = 1;
	bool known;

	if (!audit_ready(f)) {
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	if (!q->has_slot && take_slot(c, &retry_s) != SP_OK) {
		sp_count(f->counters, f->row, SP_C_RATE_LIMITED_TOTAL, 1);
		sp_reply_rpc(c, SP_E_RATE, nothing, retry_s == 0 ? 1 : retry_s);
		return;
	}
	known = q->ask.name.n <= SP_NAME_MAX && sp_mcp_find(&f->worlds[q->resource], &q->ask, &found);
	if (known)
		sp_decide_component(f->img, q->who, &found.c, q->ask.args, &d);
	sp_out_heap(&said.scopes, SCOPES_MAX);
	if (known && !sp_front_checks(c, &found, &d, &said)) {
		sp_out_free(&said.scopes);
		return;
	}
	if (d.outcome != SP_ALLOW)
		deny(c, known ? &found.c : NULL, &d, said.say);
	else if (check_params(c, &found, &e) != SP_OK)
		sp_reply_rpc(c, SP_E_HEADER_MISMATCH, sp_str(e.pub), 0);
	else if (needs_session(q))
		sp_reply_rpc(c, SP_E_BAD_PARAMS, SP_LIT("subscriptions need a session"), 0);
	else
		forward(c, &found);
	sp_out_free(&said.scopes);
}

/* logging/setLevel concerns every server that logs; nobody waits for their answers. */
void
sp_call_level(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_m_call m = { .id = sp_conn_request(c), .tool = UINT32_MAX, .deadline_ms = WAIT_MS, .token = q->token,
	    .method = SP_MCP_SET_LEVEL, .era = (uint32_t)q->ask.era, .log_level = q->ask.log_level, .header = q->header,
	    .session = sp_mem(q->session, sizeof q->session), .rpc_id = q->id, .ticket = q->ticket };

	for (uint32_t i = 0; i < f->img->head->servers.n; i++) {
		struct sp_link *l = &f->links[i];

		if ((f->caps[i] & SP_CAP_LOGGING) == 0 || !sp_front_serves(f, q, i) || !sp_link_takes(l))
			continue;
		sp_enc_call(sp_chan_begin(l->ch, SP_M_CALL), &m);
		sp_chan_end(l->ch);
	}
}

/* ---------------------------------------------------------------- ends */

void
sp_link_cancel(struct sp_link *l, uint32_t id)
{
	struct sp_m_id m = { id };

	if (l->ch == NULL)
		return;
	sp_enc_id(sp_chan_begin(l->ch, SP_M_CANCEL), &m);
	sp_chan_end(l->ch);
}

static void
late_stream(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	if (sp_conn_unread(c) != 0 && q->call == SP_CALL_ANSWERING)
		/* The client is slow, not egress; whether it reads at all is watched elsewhere. */
		c->deadline_ms = uv_now(c->hub->loop) + LATE_MS;
	else if (q->call == SP_CALL_SENT)
		sp_reply_failure(c, SP_LIT("the call took too long; its outcome is unknown"));
	else
		sp_conn_abort(c);
}

void
sp_call_late(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	if (q->call == SP_CALL_WAITS) {
		q->call = SP_CALL_OVER;
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
	} else if (c->state == SP_CONN_PARKED && uv_now(c->hub->loop) < q->late_ms) {
		if (sp_reply_events(c))
			c->deadline_ms = q->late_ms;
	} else if (c->state == SP_CONN_STREAM) {
		late_stream(c);
	} else {
		sp_reply_failure(c, SP_LIT("the call took too long; its outcome is unknown"));
	}
}

/* mcp-spec 1.3: in the legacy era a client that goes away has not cancelled its call.  Its slot stays taken with it.  (When
 * the front itself ends, nobody would be there to give it back.) */
static bool
goes_on(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_orphan o = { .id = sp_conn_request(c), .server = q->server, .slot = q->slot, .has_slot = q->has_slot,
	    .until_ms = q->late_ms };

	if (c->state != SP_CONN_CLOSED || q->call != SP_CALL_SENT || q->ask.era != SP_ERA_LEGACY ||
	    q->args_sent != q->args.n || f->links[q->server].ch == NULL || f->hub.empty == NULL || !sp_orphan_put(f, &o))
		return false;
	q->has_slot = false;
	return true;
}

void
sp_call_end(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);

	if (q->began_us != 0)
		sp_count_latency(f->counters, f->row, sp_mono_us() - q->began_us);
	if (!goes_on(c) && (q->call == SP_CALL_SENT || q->call == SP_CALL_ANSWERING))
		sp_link_cancel(&f->links[q->server], sp_conn_request(c));
	q->call = SP_CALL_OVER;
	if (q->has_slot)
		sp_slots_give(f->slots, f->index, q->slot);
	q->has_slot = false;
}

void
sp_call_annul(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);

	if (q->call == SP_CALL_SENT)
		sp_link_cancel(&sp_front_of(c)->links[q->server], sp_conn_request(c));
	q->call = SP_CALL_OVER;
	sp_reply_nothing(c);
}
