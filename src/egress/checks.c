/* Checks of somebody's own, asked again by egress itself: what a front says of their answers counts for nothing. */
#include "egress/egress_int.h"

static const sp_slice nothing = { NULL, 0 };

/* The facts may be others by now: it is decided anew. */
static void
on_said(void *ctx)
{
	struct sp_call *c = ctx;
	struct sp_egress *eg = c->front->eg;
	struct sp_principal *who = sp_principal_hold(c->who);
	sp_jval *args = c->asked;
	char why[SP_CHECK_REASON];
	uint32_t n, rules[SP_RULES_LEFT];
	const struct sp_check_said *said = sp_inquiry_said(c->inquiry, &n);
	sp_slice say = nothing;
	struct sp_component what;
	struct sp_decision d;
	struct sp_out scopes;

	if (c->asked_epoch != sp_egress_epoch(eg)) {
		/* Somebody's credential, or the rules, ended meanwhile: nothing was sent, so the client may come again. */
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
		sp_principal_drop(&who);
		return;
	}
	sp_out_heap(&scopes, 65536);
	sp_call_decide_rules(c, who, args, &d, &what, rules);
	sp_decide_checked(eg->cfg.img, who, said, n, &d, why, &scopes, &say);
	c->state = SP_CALL_HELD;
	/* The call may be over after this; what was said lives on in the inquiry until then. */
	sp_call_decided(c, who, &d, sp_call_refusal(&d, true), say, args);
	sp_out_free(&scopes);
	sp_principal_drop(&who);
}

void
sp_call_ask(struct sp_call *c, struct sp_principal *who, const struct sp_component *what, uint64_t checks, sp_jval *args,
    sp_slice text)
{
	struct sp_egress *eg = c->front->eg;
	struct sp_check_question q = { .who = who, .kind = what->kind, .what = what, .tool = c->mcp == NULL ? c->tool_index : UINT32_MAX,
	    .has_args = c->mcp == NULL || sp_mcp_call_shows_args(c), .peer = c->peer };

	if (q.has_args)
		q.args = text;
	if (eg->asker == NULL || sp_ask_checks(eg->asker, &q, checks, on_said, c, &c->inquiry) != SP_OK) {
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	c->state = SP_CALL_ASKS;
	c->who = sp_principal_hold(who);
	c->asked = args;
	c->asked_epoch = sp_egress_epoch(eg);
}

void
sp_call_ask_end(struct sp_call *c)
{
	sp_inquiry_free(&c->inquiry);
	sp_principal_drop(&c->who);
	c->asked = NULL;
}
