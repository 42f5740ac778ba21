/* What egress answers: notifications, a result in one or many pieces, or an error; and what becomes of calls when it is
 * gone. */
#include "http/answer.h"
#include "front/front.h"

#include "mcp/result.h"

enum {
	CREDIT_STEP = 65536,		/* credit is given back in steps of at least this */
	PREFIX_MAX = SP_RPC_ID_MAX * 6 + 512
};

static const sp_slice nothing = { NULL, 0 };

/* The request that this message speaks of; NULL: it is over here, or was never of this egress. */
static struct sp_conn *
find(struct sp_link *l, uint32_t id)
{
	struct sp_conn *c = sp_hub_find(&l->front->hub, id);
	struct sp_req *q = c == NULL ? NULL : sp_req_of(c);

	if (q == NULL || q->server != l->server || (q->call != SP_CALL_SENT && q->call != SP_CALL_ANSWERING))
		return NULL;
	return c;
}

/* Credit is given back when the client has taken what came: a slow reader holds up its own
 * call and nobody else. */
void
sp_result_sent(struct sp_conn *c)
{
	struct sp_req *q = sp_req_of(c);
	struct sp_link *l = &sp_front_of(c)->links[q->server];
	struct sp_m_credit m = { .id = sp_conn_request(c) };

	if (q->call != SP_CALL_ANSWERING || q->total <= SP_CREDIT || q->got == q->total)
		return;
	if (q->owed < CREDIT_STEP || sp_conn_unread(c) > CREDIT_STEP || l->ch == NULL)
		return;
	m.bytes = (uint32_t)q->owed;
	q->owed = 0;
	sp_enc_credit(sp_chan_begin(l->ch, SP_M_CREDIT), &m);
	sp_chan_end(l->ch);
}

/* Counts a piece; false: egress sends more than it said or was allowed. */
static bool
count(struct sp_req *q, size_t n)
{
	if (n > q->total - q->got)
		return false;
	q->got += n;
	q->owed += n;
	return q->owed <= SP_CREDIT + SP_INLINE_MAX;
}

/* The object of each kind goes into the envelope of its era.  Of a CallToolResult the first brace is left out. */
static void
write_prefix(struct sp_out *o, const struct sp_req *q, uint32_t kind)
{
	if (kind == SP_RESULT_TOOL)
		sp_mcp_call_prefix(o, q->ask.era, q->id);
	else if (kind == SP_RESULT_WHOLE)
		sp_mcp_result_prefix(o, q->id);
	else
		sp_mcp_error_prefix(o, q->id);
}

static void
begin_event(struct sp_conn *c, const sp_slice body[3])
{
	if (sp_req_of(c)->call == SP_CALL_OVER) {
		sp_conn_event(c, body, 3);
		sp_conn_events_end(c);
		return;
	}
	sp_conn_event_begin(c);
	sp_conn_event_piece(c, body[0]);
	sp_conn_event_piece(c, body[1]);
}

static bool
fits_kind(const struct sp_req *q, const struct sp_m_result *m)
{
	bool tool = q->ask.method == SP_MCP_TOOLS_CALL;

	/* An empty CallToolResult would leave a comma with nothing behind it. */
	return m->part.n != 0 && m->part.p[0] == '{' && m->total >= (m->kind == SP_RESULT_TOOL ? 3u : 2u) &&
	    (m->kind != SP_RESULT_TOOL || tool);
}

static bool
on_result(struct sp_link *l, const struct sp_m_result *m)
{
	struct sp_front *f = l->front;
	struct sp_conn *c = find(l, m->id);
	struct sp_answer a = { .status = 200, .type = SP_JSON_TYPE };
	struct sp_req *q = c == NULL ? NULL : sp_req_of(c);
	char buf[PREFIX_MAX];
	struct sp_out prefix;
	sp_slice body[3];

	if (q == NULL) {
		sp_orphan_ended(f, l->server, m->id, true);
		return true;
	}
	if (q->call != SP_CALL_SENT || !fits_kind(q, m))
		return false;
	q->total = m->total;
	if (!count(q, m->part.n))
		return false;
	if (m->kind == SP_RESULT_ERROR)
		sp_count(f->counters, f->row, SP_C_CALL_ERRORS_TOTAL, 1);
	q->call = q->got == q->total ? SP_CALL_OVER : SP_CALL_ANSWERING;
	sp_out_init(&prefix, buf, sizeof buf);
	write_prefix(&prefix, q, m->kind);
	body[0] = sp_out_view(&prefix);
	body[1] = sp_sub(m->part, m->kind == SP_RESULT_TOOL ? 1 : 0, SIZE_MAX);
	body[2] = q->call == SP_CALL_OVER ? SP_LIT(SP_MCP_END) : nothing;
	if (c->state == SP_CONN_STREAM)
		begin_event(c, body);
	else
		sp_conn_stream(c, &a, prefix.n + q->total + (m->kind == SP_RESULT_TOOL ? 0 : 1), body, 3);
	if (c->state == SP_CONN_STREAM)
		sp_result_sent(c);
	return true;
}

static void
event_more(struct sp_conn *c, sp_slice part, bool last)
{
	sp_conn_event_piece(c, part);
	if (!last)
		return;
	sp_conn_event_piece(c, SP_LIT(SP_MCP_END));
	sp_conn_event_end(c);
	sp_conn_events_end(c);
}

static bool
on_data(struct sp_link *l, const struct sp_m_data *m)
{
	struct sp_conn *c = find(l, m->id);
	struct sp_req *q = c == NULL ? NULL : sp_req_of(c);
	sp_slice body[2] = { m->part, nothing };

	if (q == NULL)
		return true;
	if (q->call != SP_CALL_ANSWERING || !count(q, m->part.n))
		return false;
	if (q->got == q->total) {
		q->call = SP_CALL_OVER;
		body[1] = SP_LIT(SP_MCP_END);
	}
	if (c->events != SP_EVENTS_NONE)
		event_more(c, m->part, q->call == SP_CALL_OVER);
	else
		sp_conn_more(c, body, 2);
	if (c->state == SP_CONN_STREAM)
		sp_result_sent(c);
	return true;
}

/* Of a call that is under way.  Whoever does not read loses notifications, never the answer. */
static bool
note_of_call(struct sp_conn *c, const struct sp_m_note *m)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_out *o = &f->note;
	sp_slice json;

	if (m->note == SP_NOTE_UPDATED || m->params.p[0] != '{')
		return false;
	if (q->call != SP_CALL_SENT || !q->takes_events)
		return true;
	if (m->note == SP_NOTE_PROGRESS ? q->ask.progress.n == 0 : q->ask.era == SP_ERA_MODERN && q->ask.log_level == 0)
		return true;
	if (c->state == SP_CONN_PARKED) {
		if (!sp_reply_events(c))
			return true;
		c->deadline_ms = q->late_ms;
	}
	if (sp_conn_unread(c) > SP_NOTES_UNREAD)
		return true;
	sp_out_reset(o);
	if (m->note == SP_NOTE_PROGRESS)
		sp_mcp_progress(o, m->params, q->ask.progress);
	else
		sp_mcp_message(o, m->params);
	json = sp_out_view(o);
	if (!o->full)
		sp_conn_event(c, &json, 1);
	return true;
}

/* The stream that this message speaks of, or NULL. */
static struct sp_conn *
find_stream(struct sp_link *l, uint32_t id)
{
	struct sp_conn *c = sp_hub_find(&l->front->hub, id);

	return c != NULL && c->req != NULL && sp_req_of(c)->stream != NULL ? c : NULL;
}

static bool
on_note(struct sp_link *l, const struct sp_m_note *m)
{
	struct sp_conn *c = find_stream(l, m->id);

	if (c != NULL)
		return sp_stream_note(c, l->server, m);
	c = find(l, m->id);
	return c == NULL || note_of_call(c, m);
}

static bool
on_credit(struct sp_link *l, const struct sp_m_credit *m)
{
	struct sp_conn *c = find(l, m->id);
	struct sp_req *q = c == NULL ? NULL : sp_req_of(c);

	if (q == NULL)
		return true;
	if (m->bytes > SP_CREDIT + SP_INLINE_MAX || q->credit + m->bytes > SP_CREDIT + SP_INLINE_MAX)
		return false;
	q->credit += m->bytes;
	sp_call_push(c);
	return true;
}

/* How an egress's refusal reads to the client.  It decides with the same functions, so 401,
 * 403 and "unknown" only come when something changed in between: a token expired or was
 * revoked. */
static void
reply_error(struct sp_conn *c, const struct sp_m_call_error *m)
{
	uint32_t retry = m->retry_after_s == 0 ? 1 : m->retry_after_s;
	enum sp_status st = m->status < SP_STATUS_COUNT ? (enum sp_status)m->status : SP_E_UPSTREAM;

	switch (st) {
	case SP_E_BAD_TOKEN:
	case SP_E_NO_TOKEN:
	case SP_E_SCOPE:
		sp_reply_challenge(c, st, nothing);
		return;
	case SP_E_TICKET:
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, retry);
		return;
	case SP_E_CANCELLED:
		sp_reply_nothing(c);
		return;
	case SP_E_DENIED:
		sp_reply_unknown(c);
		return;
	case SP_E_RATE:
	case SP_E_UNAVAILABLE:
		sp_reply_rpc(c, st, nothing, retry);
		return;
	case SP_E_BUG:
	case SP_E_FULL:
	case SP_E_SYSTEM:
		sp_reply_rpc(c, SP_E_BUG, nothing, 0);
		return;
	default:
		/* What a model can act on: wrong arguments, an upstream that failed, a time that ran out. */
		sp_reply_failure(c, m->text.n != 0 ? m->text : sp_str(sp_errinfo(st)->text));
	}
}

static bool
on_error(struct sp_link *l, const struct sp_m_call_error *m)
{
	struct sp_conn *c = find_stream(l, m->id);
	struct sp_req *q;

	if (c != NULL) {
		sp_stream_refused(c, l->server);
		return true;
	}
	c = find(l, m->id);
	if (c == NULL) {
		sp_orphan_ended(l->front, l->server, m->id, false);
		return true;
	}
	q = sp_req_of(c);
	if (q->call == SP_CALL_ANSWERING) {
		sp_conn_abort(c);	/* half an answer is out */
		return true;
	}
	q->call = SP_CALL_OVER;
	reply_error(c, m);
	return true;
}

bool
sp_link_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_link *l = ctx;
	union {
		struct sp_m_result result;
		struct sp_m_data data;
		struct sp_m_credit credit;
		struct sp_m_call_error error;
		struct sp_m_note note;
		struct sp_m_item item;
		struct sp_m_catalog catalog;
	} m;

	switch (type) {
	case SP_M_RESULT:
		return sp_dec_result(body, &m.result) && on_result(l, &m.result);
	case SP_M_DATA:
		return sp_dec_data(body, &m.data) && on_data(l, &m.data);
	case SP_M_CREDIT:
		return sp_dec_credit(body, &m.credit) && on_credit(l, &m.credit);
	case SP_M_NOTE:
		return sp_dec_note(body, &m.note) && on_note(l, &m.note);
	case SP_M_ITEM:
		return sp_dec_item(body, &m.item) && sp_link_item(l, &m.item);
	case SP_M_CATALOG:
		return sp_dec_catalog(body, &m.catalog) && sp_link_catalog(l, &m.catalog);
	case SP_M_CALL_ERROR:
		return sp_dec_call_error(body, &m.error) && on_error(l, &m.error);
	default:
		return false;
	}
}

/* Its calls may have reached the upstream or not: nobody can tell, and the answer says so. */
static void
fail_calls(struct sp_link *l)
{
	struct sp_hub *h = &l->front->hub;
	struct sp_conn *c, *next;

	for (c = h->busy.first; c != NULL; c = next) {
		struct sp_req *q = c->req;

		next = c->next;
		if (q == NULL || q->server != l->server || (q->call != SP_CALL_SENT && q->call != SP_CALL_ANSWERING))
			continue;
		if (q->call == SP_CALL_SENT) {
			q->call = SP_CALL_OVER;
			sp_reply_failure(c, SP_LIT("the call was interrupted; its outcome is unknown"));
		} else {
			q->call = SP_CALL_OVER;
			sp_conn_abort(c);
		}
	}
}

static void
lose(struct sp_link *l)
{
	if (l->ch == NULL)
		return;
	sp_chan_free(&l->ch);
	l->full = false;
	sp_catalog_free(&l->staged);
	sp_orphans_lost(l->front, l->server);
	fail_calls(l);
	sp_streams_server(l->front, l->server, true);
}

void
sp_link_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_link *l = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "egress.offence", SP_U("server", l->server), SP_C("why", why));
	lose(l);
	if (l->front->lost != NULL)
		l->front->lost(l->front->done_ctx, SP_EGRESS, l->server);
}

void
sp_front_gone(struct sp_front *f, uint32_t server, uint32_t incarnation)
{
	if (server < f->img->head->servers.n && f->links[server].incarnation == incarnation)
		lose(&f->links[server]);
}
