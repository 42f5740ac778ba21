/* What the audit is told: an intent before a request leaves, an outcome after, incidents. */
#include "base/log.h"
#include "egress/egress_int.h"
#include "os/role.h"

#include <stdio.h>

/* Every call under way may still write an outcome and an incident; a new one writes three. */
enum { EACH = 3 };

bool
sp_record_room(const struct sp_egress *eg)
{
	if (eg->cfg.page != NULL && atomic_load_explicit(&eg->cfg.page->audit_full, memory_order_relaxed) != 0)
		return false;
	return sp_ring_room(eg->cfg.ring, (eg->open_intents + 1) * EACH);
}

void
sp_record_begin(struct sp_call *c, const struct sp_principal *who, const struct sp_decision *d)
{
	struct sp_egress *eg = c->front->eg;
	const struct sp_image *img = eg->cfg.img;
	struct sp_audit_record *r = &c->rec;
	uint32_t rule = d->reason_rule != UINT32_MAX ? d->reason_rule : d->nleft != 0 ? d->left[0] : UINT32_MAX;

	*r = (struct sp_audit_record){ .call = (uint64_t)eg->cfg.incarnation << 40 | ++eg->next_call };
	if (rule < img->head->rules.n)
		r->rule_line = SP_IMG_AT(img, img->head->rules, rule, rule)->line;
	if (who != NULL) {
		const struct sp_img_source *s = SP_IMG_AT(img, img->head->sources, source, who->source);

		SP_RING_TEXT(r->source, sp_img_str(img, s->name));
		SP_RING_TEXT(r->user, who->user);
		memcpy(r->fingerprint, who->fingerprint, sizeof r->fingerprint);
	}
	SP_RING_TEXT(r->tool, sp_call_tool_name(c));
	SP_RING_TEXT(r->server, sp_img_str(img, eg->server->name));
}

static bool
put(struct sp_call *c, enum sp_audit_kind kind, const char *note)
{
	c->rec.kind = (uint32_t)kind;
	c->rec.time_us = sp_now_us();
	SP_RING_TEXT(c->rec.note, sp_str(note));
	return sp_ring_put(c->front->eg->cfg.ring, &c->rec) == SP_OK;
}

bool
sp_record_intent(struct sp_call *c)
{
	if (c->intent)
		return true;		/* sent again: still the same call */
	if (!put(c, SP_AUDIT_INTENT, ""))
		return false;
	c->intent = true;
	c->front->eg->open_intents++;
	return true;
}

static uint32_t
clamp(uint64_t v)
{
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

void
sp_record_outcome(struct sp_call *c, enum sp_audit_outcome o, unsigned status, const char *note)
{
	if (!c->intent)
		return;
	c->intent = false;
	c->front->eg->open_intents--;
	c->rec.outcome = (uint32_t)o;
	c->rec.status = status;
	c->rec.duration_us = clamp(sp_mono_us() - c->began_us);
	c->rec.bytes_out = clamp(c->job.bytes_out);
	c->rec.bytes_in = clamp(c->job.bytes_in);
	/* Room was kept for it; without it the keeper's view is the right one: unknown. */
	if (!put(c, SP_AUDIT_OUTCOME, note))
		sp_log(SP_ERROR, "audit.outcome_lost", SP_S("tool", sp_call_tool_name(c)));
}

void
sp_record_not_sent(struct sp_call *c, const char *note)
{
	if (sp_record_intent(c))
		sp_record_outcome(c, SP_NOT_SENT, 0, note);
}

void
sp_record_incident_alone(struct sp_egress *eg, const char *note)
{
	struct sp_audit_record r = { .kind = SP_AUDIT_INCIDENT, .time_us = sp_now_us(),
	    .call = (uint64_t)eg->cfg.incarnation << 40 | ++eg->next_call };
	sp_slice server = sp_img_str(eg->cfg.img, eg->server->name);

	SP_RING_TEXT(r.server, server);
	SP_RING_TEXT(r.note, sp_str(note));
	sp_count(eg->cfg.counters, eg->cfg.row, SP_C_INCIDENTS_TOTAL, 1);
	sp_log(SP_ERROR, "upstream.incident", SP_S("server", server), SP_C("what", note));
	if (sp_ring_put(eg->cfg.ring, &r) != SP_OK)
		sp_log(SP_ERROR, "audit.incident_lost", SP_S("server", server));
}

void
sp_record_incident(struct sp_call *c, const char *note)
{
	sp_count(c->front->eg->cfg.counters, c->front->eg->cfg.row, SP_C_INCIDENTS_TOTAL, 1);
	sp_log(SP_ERROR, "call.incident", SP_S("tool", sp_call_tool_name(c)), SP_C("what", note));
	if (!put(c, SP_AUDIT_INCIDENT, note))
		sp_log(SP_ERROR, "audit.incident_lost", SP_S("tool", sp_call_tool_name(c)));
}

/* A front let it through, this role does not: a token that just expired, or a front that is not itself any more. */
void
sp_record_denied(struct sp_call *c, enum sp_status st, const struct sp_decision *d)
{
	char note[SP_CHECK_REASON + 40];

	sp_log(SP_WARN, "call.denied_again", SP_S("tool", sp_call_tool_name(c)), SP_C("status", sp_errinfo(st)->name),
	    SP_C("why", d->reason == NULL ? "" : d->reason));
	c->rec.outcome = SP_AUDIT_STATUS(st);
	(void)snprintf(note, sizeof note, "denied by the second decision%s%s", d->checks == 0 ? "" : ": ",
	    d->checks == 0 || d->reason == NULL ? "" : d->reason);
	if (!put(c, SP_AUDIT_DECISION, note))
		sp_log(SP_ERROR, "audit.decision_lost", SP_S("tool", sp_call_tool_name(c)));
}
