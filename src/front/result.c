/* What egress answers: a result in one or many pieces, or an error; and what becomes of calls
 * when it is gone. */
#include "front/answer.h"
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

static bool
on_result(struct sp_link *l, const struct sp_m_result *m)
{
	struct sp_conn *c = find(l, m->id);
	struct sp_answer a = { .status = 200, .type = SP_JSON_TYPE };
	struct sp_req *q = c == NULL ? NULL : sp_req_of(c);
	char buf[PREFIX_MAX];
	struct sp_out prefix;
	sp_slice body[3];

	if (q == NULL)
		return true;
	if (q->call != SP_CALL_SENT || m->total <= 2 || m->part.n == 0 || m->part.p[0] != '{')
		return false;
	q->total = m->total;
	if (!count(q, m->part.n))
		return false;
	q->call = q->got == q->total ? SP_CALL_OVER : SP_CALL_ANSWERING;
	sp_out_init(&prefix, buf, sizeof buf);
	sp_mcp_call_prefix(&prefix, q->ask.era, q->id);
	body[0] = sp_out_view(&prefix);
	body[1] = sp_sub(m->part, 1, SIZE_MAX);
	body[2] = q->call == SP_CALL_OVER ? SP_LIT("}") : nothing;
	sp_conn_stream(c, &a, prefix.n + q->total, body, 3);
	if (c->state == SP_CONN_STREAM)
		sp_result_sent(c);
	return true;
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
		body[1] = SP_LIT("}");
	}
	sp_conn_more(c, body, 2);
	if (c->state == SP_CONN_STREAM)
		sp_result_sent(c);
	return true;
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
		sp_reply_tool_error(c, m->text.n != 0 ? m->text : sp_str(sp_errinfo(st)->text));
	}
}

static bool
on_error(struct sp_link *l, const struct sp_m_call_error *m)
{
	struct sp_conn *c = find(l, m->id);

	if (c == NULL)
		return true;
	sp_req_of(c)->call = SP_CALL_OVER;
	if (c->state == SP_CONN_PARKED)
		reply_error(c, m);
	else
		sp_conn_abort(c);
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
	} m;

	switch (type) {
	case SP_M_RESULT:
		return sp_dec_result(body, &m.result) && on_result(l, &m.result);
	case SP_M_DATA:
		return sp_dec_data(body, &m.data) && on_data(l, &m.data);
	case SP_M_CREDIT:
		return sp_dec_credit(body, &m.credit) && on_credit(l, &m.credit);
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
		q->call = SP_CALL_OVER;
		if (c->state == SP_CONN_PARKED)
			sp_reply_tool_error(c, SP_LIT("the call was interrupted; its outcome is unknown"));
		else
			sp_conn_abort(c);
	}
}

static void
lose(struct sp_link *l)
{
	if (l->ch == NULL)
		return;
	sp_chan_free(&l->ch);
	l->full = false;
	fail_calls(l);
}

void
sp_link_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_link *l = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "egress.offence", SP_U("server", l->server), SP_C("why", why));
	lose(l);
	if (l->front->lost != NULL)
		l->front->lost(l->front->done_ctx, l->server);
}

void
sp_front_gone(struct sp_front *f, uint32_t server, uint32_t incarnation)
{
	if (server < f->img->head->servers.n && f->links[server].incarnation == incarnation)
		lose(&f->links[server]);
}
