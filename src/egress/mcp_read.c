/* What the upstream says: secrets removed, parsed, and sorted into what somebody waits for and what is for all. */
#include "base/log.h"
#include "egress/mcp_int.h"

/* --- secrets */

bool
sp_mcp_clear(struct sp_egress *eg, struct sp_call *c, sp_slice *text)
{
	static const char *const notes[] = {
		"the upstream's answer could not be cleared of secrets", "the upstream's answer held a secret; it was removed"
	};
	struct sp_scrub_state st = { 0 };
	struct sp_out *o = &eg->scrubbed;
	enum sp_status r;

	if (eg->scrub == NULL)
		return false;
	if (sp_scrub_clean(eg->scrub, *text))
		return true;
	o = sp_egress_scratch(eg, o);
	r = sp_scrub_run(eg->scrub, &st, *text, true, o);
	sp_scrub_state_free(&st);
	if (c != NULL)
		sp_record_incident(c, notes[r == SP_OK]);
	else
		sp_record_incident_alone(eg, notes[r == SP_OK]);
	*text = sp_out_view(o);
	return r == SP_OK;
}

/* --- the upstream's own requests: we offer it nothing, and say so */

static bool
ignore_message(struct sp_ex *ex, sp_slice text)
{
	return true;
}

static void
on_replied(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	ex->eg->mcp->nreplies--;
}

static void
reply(struct sp_ex *asked, const struct sp_upmsg *msg)
{
	static const struct sp_ex_ops ops = { .message = ignore_message, .end = on_replied };
	struct sp_mcp *m = asked->eg->mcp;
	struct sp_ex *ex;

	/* The modern era has no such requests, and before initialize is answered there is only ping. */
	if (m->era != SP_ERA_LEGACY || asked->up == NULL || m->nreplies >= SP_UP_REPLIES) {
		m->noise++;
		return;
	}
	ex = sp_ex_new(m->eg, SP_POST, &ops, NULL);
	if (ex == NULL)
		return;
	if (asked->session[0] != '\0' && asked->up->id[0] == '\0')
		(void)!sp_cstr(sp_str(asked->session), asked->up->id, sizeof asked->up->id);
	ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
	sp_mcp_fields(ex, asked->up, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
	sp_upmsg_reply(&ex->body, msg);
	m->nreplies++;
	if (!sp_ex_send(ex))
		m->nreplies--;
}

/* --- sorting */

static void
for_all(struct sp_ex *ex, const struct sp_upmsg *msg)
{
	struct sp_mcp *m = ex->eg->mcp;

	if (msg->kind == SP_UPMSG_REQUEST)
		reply(ex, msg);
	else if (sp_eq(msg->method, SP_LIT("notifications/resources/updated")))
		sp_watch_updated(m, msg->body);
	else if (sp_starts(msg->method, SP_LIT("notifications/")) && sp_ends(msg->method, SP_LIT("/list_changed")))
		sp_fetch_changed(m);
}

/* Once in a thousand, so that a noisy upstream does not fill the log (threat row L16). */
static void
complain(struct sp_mcp *m, const char *why)
{
	if (m->noise++ % 1000 == 0)
		sp_log(SP_WARN, "mcp.unusable_message", SP_S("server", sp_img_str(m->eg->cfg.img, m->eg->server->name)),
		    SP_C("why", why), SP_U("so_far", m->noise));
}

static void
read_one(struct sp_ex *ex, sp_jval *v, void (*one)(struct sp_ex *ex, const struct sp_upmsg *msg))
{
	struct sp_upmsg msg;
	struct sp_err e = { 0 };

	if (sp_upmsg_read(v, &msg, &e) != SP_OK) {
		complain(ex->eg->mcp, e.log);
		return;
	}
	if (msg.kind == SP_UPMSG_REQUEST || msg.kind == SP_UPMSG_NOTE)
		for_all(ex, &msg);
	if (msg.kind != SP_UPMSG_REQUEST)
		one(ex, &msg);
}

bool
sp_mcp_read(struct sp_ex *ex, sp_slice text, void (*one)(struct sp_ex *ex, const struct sp_upmsg *msg))
{
	SP_AUTO(sp_json_free) struct sp_json doc = { 0 };
	struct sp_egress *eg = ex->eg;
	const struct sp_ex_ops *ops = ex->ops;
	const struct sp_json_limits lim = { (unsigned)eg->cfg.img->head->limit_depth, 0 };
	struct sp_err e = { 0 };
	size_t n = 0;
	bool ok = sp_mcp_clear(eg, ex->call, &text) && sp_json_read(text, lim, &doc, &e) == SP_OK;

	if (eg->scrubbed.n != 0)
		sp_out_wipe(&eg->scrubbed);
	if (!ok) {
		complain(eg->mcp, e.log);
		return true;
	}
	if (!sp_jis_arr(doc.root)) {
		read_one(ex, doc.root, one);
		return !ex->dead;
	}
	/* 2025-03-26 has batches.  Whoever got what it waited for wants no more of it. */
	for (struct sp_jiter it = sp_jeach(doc.root); !ex->dead && ex->ops == ops && n < SP_UPMSG_BATCH && sp_jnext(&it); n++)
		read_one(ex, it.val, one);
	return !ex->dead;
}
