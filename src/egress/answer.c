/* What goes back: an upstream's answer without any secret, or an error; in pieces, as front gives credit. */
#include "base/log.h"
#include "egress/mcp_int.h"
#include "outbound/answer.h"

enum { CHANNEL_HIGH = 4 << 20, CHANNEL_LOW = 1 << 20, SCRATCH_KEEP = 262144 };

/* --- in pieces */

static void
on_drained(void *ctx)
{
	struct sp_egress_front *f = ctx;
	struct sp_call *c, *next;

	f->full = false;
	if (f->eg->mcp != NULL)
		sp_catalog_push(f);
	for (c = f->eg->first; c != NULL; c = next) {
		next = c->next;
		if (c->front == f && c->state == SP_CALL_REPLIES)
			sp_call_push(c);
	}
}

bool
sp_front_takes(struct sp_egress_front *f)
{
	if (f->full)
		return false;
	if (sp_chan_pending(f->ch) < CHANNEL_HIGH)
		return true;
	f->full = true;
	sp_chan_when_drained(f->ch, CHANNEL_LOW, on_drained, f);
	return false;
}

void
sp_call_push(struct sp_call *c)
{
	struct sp_egress_front *f = c->front;

	while (c->sent < c->result.n && c->credit != 0 && sp_front_takes(f)) {
		struct sp_m_data m = { .id = c->id };
		size_t n = c->result.n - c->sent;

		n = n > SP_DATA_MAX ? SP_DATA_MAX : n;
		n = n > c->credit ? (size_t)c->credit : n;
		m.part = sp_mem(c->result.p + c->sent, n);
		sp_enc_data(sp_chan_begin(f->ch, SP_M_DATA), &m);
		sp_chan_end(f->ch);
		c->sent += n;
		c->credit -= n;
	}
	if (c->sent == c->result.n)
		sp_call_end(c);
}

void
sp_call_reply(struct sp_call *c, enum sp_result_kind kind, struct sp_out *o)
{
	struct sp_egress *eg = c->front->eg;
	struct sp_m_result m = { .id = c->id, .kind = (uint32_t)kind, .total = (uint32_t)o->n };

	if (o->n > SP_INLINE_MAX && eg->held + o->n > SP_EGRESS_HELD) {
		sp_out_free(o);
		sp_call_error(c, SP_E_UNAVAILABLE, (sp_slice){ NULL, 0 }, 1);
		return;
	}
	m.part = sp_sub(sp_out_view(o), 0, SP_INLINE_MAX);
	sp_enc_result(sp_chan_begin(c->front->ch, SP_M_RESULT), &m);
	sp_chan_end(c->front->ch);
	if (m.part.n == o->n) {
		sp_call_end(c);
		return;
	}
	eg->held += o->n;
	c->held += o->n;
	c->result = *o;
	*o = (struct sp_out){ 0 };
	c->sent = m.part.n;
	c->credit = SP_CREDIT - m.part.n;
	c->state = SP_CALL_REPLIES;
	sp_call_push(c);
}

/* --- errors */

void
sp_call_error(struct sp_call *c, enum sp_status st, sp_slice text, uint32_t retry_after_s)
{
	struct sp_m_call_error m = { .id = c->id, .status = (uint32_t)st, .retry_after_s = retry_after_s, .text = text };

	sp_enc_call_error(sp_chan_begin(c->front->ch, SP_M_CALL_ERROR), &m);
	sp_chan_end(c->front->ch);
	sp_call_end(c);
}

void
sp_call_tool_error(struct sp_call *c, sp_slice text)
{
	enum sp_result_kind kind = SP_RESULT_ERROR;
	char buf[1024];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	if (c->mcp == NULL || sp_mcp_is_tool(c)) {
		kind = SP_RESULT_TOOL;
		sp_result_error(&o, text);
	} else {
		sp_out_str(&o, "{\"code\":-32603,\"message\":");
		sp_jout_str(&o, text);
		sp_out_byte(&o, '}');
	}
	if (o.full)
		sp_call_error(c, SP_E_BUG, (sp_slice){ NULL, 0 }, 0);
	else
		sp_call_reply(c, kind, &o);
}

/* --- answers */

struct sp_out *
sp_egress_scratch(struct sp_egress *eg, struct sp_out *o)
{
	if (o->cap > SCRATCH_KEEP)
		sp_out_free(o);
	if (!o->heap)
		sp_out_heap(o, (size_t)eg->cfg.img->head->limit_answer * 2 + 65536);
	sp_out_reset(o);
	return o;
}

void
sp_call_answer(struct sp_call *c, const struct sp_pool_answer *a)
{
	struct sp_egress *eg = c->front->eg;
	struct sp_out *o = sp_egress_scratch(eg, &eg->scratch);
	const char *incident;
	enum sp_answered how = sp_answer_result(eg->scrub, a, (enum sp_op_result)c->op->result,
	    sp_egress_scratch(eg, &eg->scrubbed), o, &incident);

	if (incident != NULL)
		sp_record_incident(c, incident);
	sp_record_outcome(c, SP_DONE, a->status, how == SP_ANSWERED_REDIRECT ? "a redirect, not followed" : "");
	if (how == SP_ANSWERED)
		sp_call_reply(c, SP_RESULT_TOOL, o);
	else
		sp_call_tool_error(c, sp_answered_text(how));
	if (eg->scrubbed.n != 0)
		sp_out_wipe(&eg->scrubbed);
}
