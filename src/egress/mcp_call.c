/* A call's way to an MCP upstream and back: session, request, events, answer; cancelled, resumed, renewed. */
#include "base/log.h"
#include "egress/mcp_int.h"
#include "oauth/statement.h"
#include "os/role.h"

#include <stdio.h>
#include <stdlib.h>

enum { NOTED_MAX = 4 << 20, NOTE_HIGH = 1 << 20, RESUMES = 10, RETRY_MS = 1000, RETRY_MIN_MS = 100 };

static const sp_slice nothing = { NULL, 0 };

static struct sp_mcp *
mcp_of(const struct sp_call *c)
{
	return c->front->eg->mcp;
}

static sp_slice
method_name(enum sp_mcp_method method)
{
	switch (method) {
	case SP_MCP_TOOLS_CALL:
		return SP_LIT("tools/call");
	case SP_MCP_RESOURCES_READ:
		return SP_LIT("resources/read");
	case SP_MCP_PROMPTS_GET:
		return SP_LIT("prompts/get");
	default:
		return SP_LIT("completion/complete");
	}
}

/* --- ends */

/* What the exchange knows of the wire, for the audit. */
static void
take_bytes(struct sp_call *c, const struct sp_ex *ex)
{
	c->job.sent = c->job.sent || ex->job.sent;
	c->job.bytes_out += ex->job.bytes_out;
	c->job.bytes_in += ex->job.bytes_in;
}

static void
fail(struct sp_call *c, enum sp_audit_outcome o, unsigned status, const char *note, sp_slice text)
{
	if (o == SP_NOT_SENT && !c->intent)
		sp_record_not_sent(c, note);
	sp_record_outcome(c, o, status, note);
	sp_call_tool_error(c, text);
}

/* No connection, and this call waited for one. */
void
sp_mcp_call_down(struct sp_call *c)
{
	if (c->mcp->stage == SP_UP_WANTS_CATALOG) {
		sp_call_tool_error(c, sp_str(mcp_of(c)->down));	/* not even decided */
		return;
	}
	fail(c, SP_NOT_SENT, 0, "the upstream cannot be reached", sp_str(mcp_of(c)->down));
}

/* --- notifications on the call's stream */

static void
pass_note(struct sp_call *c, enum sp_note note, sp_jval *params)
{
	struct sp_egress *eg = c->front->eg;
	struct sp_m_note m = { .id = c->id, .note = (uint32_t)note };
	struct sp_err e = { 0 };
	char buf[SP_DATA_MAX];
	uint32_t level = 0;
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	if (sp_translate_note(&o, (enum sp_translate_note)note, params, &level, &e) != SP_OK || o.full)
		return;
	if (note == SP_NOTE_MESSAGE && (c->mcp->wanted == 0 || level < c->mcp->wanted))
		return;
	/* A reader that is slow loses notifications, never its answer. */
	if (c->mcp->noted + o.n > NOTED_MAX || sp_chan_pending(c->front->ch) > NOTE_HIGH ||
	    !sp_scrub_clean(eg->scrub, sp_out_view(&o)))
		return;
	c->mcp->noted += o.n;
	m.params = sp_out_view(&o);
	sp_enc_note(sp_chan_begin(c->front->ch, SP_M_NOTE), &m);
	sp_chan_end(c->front->ch);
}

static void
on_note(struct sp_call *c, const struct sp_upmsg *msg)
{
	struct sp_mcp_call *k = c->mcp;

	if (sp_eq(msg->method, SP_LIT("notifications/message")))
		pass_note(c, SP_NOTE_MESSAGE, msg->body);
	else if (k->progress && sp_eq(msg->method, SP_LIT("notifications/progress")) && sp_upmsg_is_token(msg->body, k->rpc))
		pass_note(c, SP_NOTE_PROGRESS, msg->body);
}

/* --- the answer */

/* What leaves is looked at once more, as it leaves. */
static bool
still_clean(struct sp_call *c, const struct sp_out *o)
{
	if (o->full || sp_scrub_clean(c->front->eg->scrub, sp_out_view(o)))
		return true;
	sp_record_incident(c, "a result held a secret after it was cleared; it was dropped");
	return false;
}

static void
on_result(struct sp_call *c, sp_jval *result)
{
	struct sp_mcp_call *k = c->mcp;
	const struct sp_hop hop = { k->era, k->method, k->name, mcp_of(c)->catalog };
	struct sp_out *o = sp_egress_scratch(c->front->eg, &c->front->eg->scratch);
	struct sp_err e = { 0 };
	enum sp_status st = sp_translate_result(o, &hop, result, &e);

	sp_record_outcome(c, SP_DONE, 200, st == SP_OK ? "" : "not an acceptable result");
	if (st == SP_OK && !o->full && !still_clean(c, o))
		sp_call_tool_error(c, SP_LIT("the upstream's answer could not be cleared of secrets and is not shown"));
	else if (st == SP_E_TOO_BIG || o->full)
		sp_call_tool_error(c, SP_LIT("the upstream's answer is too large"));
	else if (st == SP_OK)
		sp_call_reply(c, SP_RESULT_WHOLE, o);
	else {
		sp_log(SP_WARN, "call.bad_result", SP_S("tool", sp_call_tool_name(c)), SP_C("why", e.log));
		sp_call_tool_error(c, e.pub[0] == '\0' ? SP_LIT("the upstream's answer is not a valid result") : sp_str(e.pub));
	}
}

static void
on_error(struct sp_call *c, sp_jval *error, unsigned status)
{
	struct sp_mcp_call *k = c->mcp;
	const struct sp_hop hop = { k->era, k->method, k->name, mcp_of(c)->catalog };
	struct sp_out *o = sp_egress_scratch(c->front->eg, &c->front->eg->scratch);

	sp_translate_error(o, &hop, error);
	sp_record_outcome(c, SP_DONE, status, "answered with an error");
	if (!still_clean(c, o))
		sp_call_tool_error(c, SP_LIT("the upstream's answer could not be cleared of secrets and is not shown"));
	else
		sp_call_reply(c, SP_RESULT_ERROR, o);
}

/* A header that mirrors an argument is not what the upstream wants: its definitions are newer than ours. */
static bool
refetch(struct sp_call *c, sp_jval *error)
{
	struct sp_mcp_call *k = c->mcp;
	struct sp_mcp *m = mcp_of(c);

	if (m->era != SP_ERA_MODERN || k->refetched || sp_upmsg_code(error) != -32020)
		return false;
	k->refetched = true;
	sp_mcp_wait(c, SP_UP_WANTS_FETCH);
	if (m->fetch.running)
		m->fetch.again = true;
	else
		sp_fetch_start(m);
	return true;
}

static void
on_one(struct sp_ex *ex, const struct sp_upmsg *msg)
{
	struct sp_call *c = ex->call;
	unsigned status = ex->status;

	if (msg->kind == SP_UPMSG_NOTE) {
		on_note(c, msg);
		return;
	}
	/* Answers to requests of others are nobody's (O16).  An error without an id is an answer to this one. */
	if (msg->has_id && msg->id != c->mcp->rpc)
		return;
	take_bytes(c, ex);
	sp_ex_drain(&c->mcp->ex);
	c->mcp->stage = SP_UP_ANSWERED;
	if (msg->kind == SP_UPMSG_RESULT)
		on_result(c, msg->body);
	else if (!refetch(c, msg->body))
		on_error(c, msg->body, status);
}

static bool
on_message(struct sp_ex *ex, sp_slice text)
{
	return sp_mcp_read(ex, text, on_one);
}

/* --- no answer */

/* The stream ended, but said how to go on reading it (2025-11-25). */
static bool
resumes(struct sp_call *c, struct sp_ex *ex, enum sp_ex_end how)
{
	struct sp_mcp_call *k = c->mcp;
	uint64_t now = uv_now(c->front->eg->cfg.loop);
	bool got = how == SP_EX_DONE || how == SP_EX_BROKEN;

	if (ex->events && ex->sse.id.n != 0)
		(void)!sp_cstr(ex->sse.id, k->event_id, sizeof k->event_id);
	if (ex->events && ex->sse.retry_ms != 0)
		k->retry_ms = ex->sse.retry_ms;
	got = got || (k->stage == SP_UP_RESUMES && how == SP_EX_UNREACHABLE);
	if (!got || k->up == NULL || k->event_id[0] == '\0' || k->resumes >= RESUMES)
		return false;
	k->resumes++;
	k->stage = SP_UP_RESUMES;
	k->resume_ms = now + (k->retry_ms == 0 ? RETRY_MS : k->retry_ms < RETRY_MIN_MS ? RETRY_MIN_MS : k->retry_ms);
	return true;
}

static void
refused(struct sp_call *c, const struct sp_ex *ex)
{
	enum sp_status st = ex->refused;

	sp_log(SP_ERROR, "call.not_sent", SP_S("tool", sp_call_tool_name(c)), SP_C("why", ex->why));
	if (c->ring_full) {
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	if (st == SP_E_REFUSED)
		sp_record_incident(c, "a request was not what its credential is granted for");
	fail(c, SP_NOT_SENT, 0, "refused at the last moment", st == SP_E_REFUSED ?
	    SP_LIT("refused: the credential is not granted for this request") : st == SP_E_TOO_BIG ?
	    SP_LIT("arguments: too large for a request") :
	    SP_LIT("the credential for this tool is not available; the operator's log names it"));
}

static void
bad_status(struct sp_call *c, unsigned status)
{
	struct sp_mcp *m = mcp_of(c);
	char text[80];

	if (status == 401 || status == 403) {
		sp_mcp_say_down(m, SP_EX_STATUS, status, "");
		fail(c, SP_FAILED, status, "the upstream refused the credential", sp_str(m->down));
		return;
	}
	/* Another server, or another revision of it, may stand there now. */
	if (status == 400 || status == 404 || status == 405)
		sp_mcp_suspect(m);
	if (status >= 300 && status <= 399)
		(void)snprintf(text, sizeof text, "the upstream answered with a redirect, which is not followed");
	else
		(void)snprintf(text, sizeof text, "the upstream answered with HTTP status %u", status);
	fail(c, SP_FAILED, status, "not an answer of the protocol", sp_str(text));
}

/* The session is over, so nothing was executed: once more, in another.  404 says so; many servers say 400. */
static bool
renews(struct sp_call *c, unsigned status)
{
	struct sp_mcp_call *k = c->mcp;
	struct sp_upsession *up = k->up;

	if ((status != 404 && status != 400) || up == NULL || up->id[0] == '\0' || k->renewed || k->stage == SP_UP_RESUMES)
		return false;
	k->renewed = true;
	k->up = NULL;
	sp_upsession_gone(mcp_of(c), up);
	sp_upsession_leave(mcp_of(c), up);
	sp_mcp_call_step(c);
	return true;
}

static void
on_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	static const sp_slice texts[SP_EX_ENDS] = {
		[SP_EX_DONE] = SP_LIT_INIT("the upstream ended its answer early; the outcome is unknown"),
		[SP_EX_BROKEN] = SP_LIT_INIT("the upstream ended the connection early; the outcome is unknown"),
		[SP_EX_GARBAGE] = SP_LIT_INIT("the upstream's answer is neither JSON nor an event stream; the outcome is unknown"),
		[SP_EX_TOO_BIG] = SP_LIT_INIT("the upstream's answer is too large"),
		[SP_EX_LATE] = SP_LIT_INIT("the upstream did not answer in time; the outcome is unknown"),
	};
	const struct sp_ex_ops *ops = ex->ops;
	struct sp_call *c = ex->call;
	struct sp_mcp *m = mcp_of(c);
	unsigned status = ex->status;

	/* An error of the protocol comes with a status of its own in the modern era. */
	if (how == SP_EX_STATUS && status != 401 && status != 403 && ex->text.n != 0 && m->era == SP_ERA_MODERN) {
		(void)!sp_mcp_read(ex, sp_out_view(&ex->text), on_one);
		if (ex->ops != ops)
			return;		/* that was it */
	}
	take_bytes(c, ex);
	c->mcp->ex = NULL;
	if (resumes(c, ex, how) || (how == SP_EX_STATUS && renews(c, status)))
		return;
	if (how == SP_EX_REFUSED) {
		refused(c, ex);
		return;
	}
	if (how == SP_EX_STATUS) {
		bad_status(c, status);
		return;
	}
	sp_log(SP_WARN, "call.failed", SP_S("tool", sp_call_tool_name(c)), SP_C("why", why), SP_U("status", status));
	if (how == SP_EX_UNREACHABLE) {
		sp_mcp_say_down(m, how, 0, why);
		sp_fetch_changed(m);
		fail(c, c->job.sent ? SP_UNKNOWN_OUTCOME : SP_NOT_SENT, 0, why, sp_str(m->down));
		return;
	}
	fail(c, how == SP_EX_TOO_BIG || how == SP_EX_GARBAGE ? SP_FAILED : SP_UNKNOWN_OUTCOME, status, why, texts[how]);
}

/* --- the request */

static enum sp_status
on_sending(struct sp_ex *ex)
{
	struct sp_call *c = ex->call;

	if (sp_record_intent(c))
		return SP_OK;
	c->ring_full = true;
	return SP_E_UNAVAILABLE;
}

static const struct sp_ex_ops call_ops = { .sending = on_sending, .message = on_message, .end = on_end };

/* complete: front sent `argument` and `context`.  A template has a scheme, and no name of a prompt holds a colon. */
static void
write_complete(struct sp_out *o, const struct sp_mcp_call *k)
{
	bool template = sp_has_byte(k->name, ':');

	sp_upmsg_key(o, "ref");
	sp_out_str(o, template ? "{\"type\":\"ref/resource\",\"uri\":" : "{\"type\":\"ref/prompt\",\"name\":");
	sp_jout_str(o, k->name);
	sp_out_byte(o, '}');
	sp_upmsg_key(o, "argument");
	if (SP_JGET(k->args, "argument") == NULL)
		sp_out_str(o, "{}");
	else
		sp_jwrite(o, SP_JGET(k->args, "argument"));
	if (SP_JGET(k->args, "context") == NULL)
		return;
	sp_upmsg_key(o, "context");
	sp_jwrite(o, SP_JGET(k->args, "context"));
}

static void
write_params(struct sp_out *o, const struct sp_mcp_call *k)
{
	if (k->method == SP_MCP_COMPLETE) {
		write_complete(o, k);
		return;
	}
	sp_upmsg_key(o, k->method == SP_MCP_RESOURCES_READ ? "uri" : "name");
	sp_jout_str(o, k->name);
	if (k->method == SP_MCP_RESOURCES_READ)
		return;
	sp_upmsg_key(o, "arguments");
	sp_jwrite(o, k->args);
}

/* Mcp-Param-*: what the tool's schema marks.  False: no memory. */
static bool
add_params(struct sp_call *c, struct sp_ex *ex)
{
	const struct sp_item *item = c->mcp->method != SP_MCP_TOOLS_CALL ? NULL :
	    sp_catalog_find(mcp_of(c)->catalog, SP_COMPONENT_TOOL, c->mcp->name);
	uint32_t n = ex->req.nfields;
	bool ok = item == NULL || sp_upmsg_params(&ex->arena, &item->params, c->mcp->args, ex->fields, &n);

	ex->req.nfields = n;
	return ok;
}

static void
no_room(struct sp_call *c)
{
	fail(c, SP_NOT_SENT, 0, "no room for another request", SP_LIT("the gateway is busy; try again"));
}

static void
send_call(struct sp_call *c)
{
	struct sp_mcp *m = mcp_of(c);
	struct sp_mcp_call *k = c->mcp;
	struct sp_ex *ex = sp_ex_new(m->eg, SP_POST, &call_ops, NULL);
	struct sp_upmsg_head h = { .id = ++m->next_id, .method = method_name(k->method), .era = m->era, .progress = k->progress,
	    .log_level = k->wanted };

	if (ex == NULL) {
		no_room(c);
		return;
	}
	k->ex = ex;
	k->rpc = ex->id = h.id;
	k->stage = SP_UP_SENT;
	ex->call = c;
	ex->up = k->up;
	sp_mcp_fields(ex, k->up, h.method, k->method == SP_MCP_COMPLETE ? nothing : k->name);
	sp_upmsg_open(&ex->body, &h);
	write_params(&ex->body, k);
	sp_upmsg_close(&ex->body, &h);
	if (m->era == SP_ERA_MODERN && !add_params(c, ex)) {
		sp_ex_stop(&k->ex);
		no_room(c);
		return;
	}
	if (!sp_ex_send(ex)) {
		k->ex = NULL;
		no_room(c);
	}
}

/* --- held until there is a catalogue */

void
sp_mcp_hold(struct sp_call *c)
{
	sp_mcp_wait(c, SP_UP_WANTS_CATALOG);
	sp_fetch_start(mcp_of(c));
}

/* --- before it: the level of messages that this session of the upstream sends */

static void
on_level_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	struct sp_call *c = ex->call;

	c->mcp->ex = NULL;
	/* Whether it worked or not: without messages the call is still a call. */
	if (c->mcp->up != NULL)
		c->mcp->up->level = c->mcp->wanted;
	send_call(c);
}

static void
on_level_one(struct sp_ex *ex, const struct sp_upmsg *msg)
{
}

static bool
on_level_message(struct sp_ex *ex, sp_slice text)
{
	return sp_mcp_read(ex, text, on_level_one);
}

/* False: there is nothing to set. */
static bool
set_level(struct sp_call *c)
{
	static const struct sp_ex_ops ops = { .message = on_level_message, .end = on_level_end };
	struct sp_mcp *m = mcp_of(c);
	struct sp_mcp_call *k = c->mcp;
	struct sp_upmsg_head h = { .method = SP_LIT("logging/setLevel"), .era = SP_ERA_LEGACY };
	struct sp_ex *ex;

	/* What is less talkative than it is set already is filtered here. */
	if (k->up == NULL || k->wanted == 0 || (m->caps & SP_CAP_LOGGING) == 0 || (k->up->level != 0 && k->up->level <= k->wanted))
		return false;
	ex = sp_ex_new(m->eg, SP_POST, &ops, NULL);
	if (ex == NULL)
		return false;
	k->ex = ex;
	k->stage = SP_UP_LEVEL;
	h.id = ex->id = ++m->next_id;
	ex->call = c;
	ex->up = k->up;
	ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
	sp_mcp_fields(ex, k->up, nothing, nothing);
	sp_upmsg_open(&ex->body, &h);
	sp_upmsg_key(&ex->body, "level");
	sp_jout_str(&ex->body, sp_mcp_level_name(k->wanted));
	sp_upmsg_close(&ex->body, &h);
	if (sp_ex_send(ex))
		return true;
	k->ex = NULL;
	return false;
}

/* --- going on */

void
sp_mcp_call_step(struct sp_call *c)
{
	struct sp_mcp *m = mcp_of(c);
	struct sp_mcp_call *k = c->mcp;
	struct sp_upsession *up;

	switch (sp_mcp_ready(m, k->mark, &up)) {
	case SP_UP_WAIT:
		sp_mcp_wait(c, SP_UP_WANTS_SESSION);
		return;
	case SP_UP_DOWN:
		sp_mcp_call_down(c);
		return;
	case SP_UP_GO:
		break;
	}
	if (k->up != NULL)
		sp_upsession_leave(m, k->up);
	k->up = up;
	if (up != NULL)
		up->users++;
	k->wanted = sp_mcp_wanted_level(c);
	if (!set_level(c))
		send_call(c);
}

/* What was read so far is behind the event with this id. */
static void
resume(struct sp_call *c)
{
	struct sp_mcp_call *k = c->mcp;
	struct sp_ex *ex = sp_ex_new(c->front->eg, SP_GET, &call_ops, NULL);

	k->resume_ms = 0;
	if (ex == NULL) {
		fail(c, SP_UNKNOWN_OUTCOME, 0, "no room", SP_LIT("the upstream ended its answer early; the outcome is unknown"));
		return;
	}
	k->ex = ex;
	ex->id = k->rpc;
	ex->call = c;
	ex->up = k->up;
	sp_mcp_fields(ex, k->up, nothing, nothing);
	sp_ex_field(ex, SP_LIT("Last-Event-ID"), sp_str(k->event_id));
	if (!sp_ex_send(ex)) {
		k->ex = NULL;
		fail(c, SP_UNKNOWN_OUTCOME, 0, "no room", SP_LIT("the upstream ended its answer early; the outcome is unknown"));
	}
}

void
sp_mcp_call_tick(struct sp_call *c, uint64_t now_ms)
{
	if (c->mcp->resume_ms != 0 && now_ms >= c->mcp->resume_ms)
		resume(c);
}

/* --- the fixed answers */

static void
answer_empty(struct sp_call *c)
{
	struct sp_out *o = sp_egress_scratch(c->front->eg, &c->front->eg->scratch);
	const struct sp_hop hop = { c->mcp->era, c->mcp->method, c->mcp->name, NULL };
	SP_AUTO(sp_json_free) struct sp_json empty = { 0 };

	if (sp_json_read(SP_LIT("{}"), SP_JSON_DEFAULT, &empty, NULL) != SP_OK ||
	    sp_translate_result(o, &hop, empty.root, NULL) != SP_OK || o->full)
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
	else
		sp_call_reply(c, SP_RESULT_WHOLE, o);
}

static void
subscribe(struct sp_call *c)
{
	struct sp_mcp *m = mcp_of(c);

	if (c->session.n == 0 || (m->caps & SP_CAP_SUBSCRIBE) == 0)
		sp_call_error(c, SP_E_NO_METHOD, SP_LIT("this server does not tell of changes to its resources"), 0);
	else if (sp_watch_subscribe(m, c->session, c->mcp->name) != SP_OK)
		sp_call_error(c, SP_E_RATE, SP_LIT("too many subscriptions"), 0);
	else
		answer_empty(c);
}

void
sp_mcp_call_who(struct sp_call *c, const struct sp_principal *who)
{
	sp_principal_mark(c->front->eg->cfg.img, c->front->eg->server->resource, who, c->mcp->mark);
}

void
sp_mcp_call_start(struct sp_call *c, sp_jval *args)
{
	struct sp_mcp_call *k = c->mcp;

	c->state = SP_CALL_RUNS;
	k->args = args;
	switch (k->method) {
	case SP_MCP_SET_LEVEL:
		if (c->session.n != 0 && k->log_level != 0)
			sp_mcp_level_set(mcp_of(c), c->session, k->log_level);
		answer_empty(c);
		return;
	case SP_MCP_SUBSCRIBE:
		subscribe(c);
		return;
	case SP_MCP_UNSUBSCRIBE:
		if (c->session.n != 0)
			sp_watch_unsubscribe(mcp_of(c), c->session, k->name);
		answer_empty(c);
		return;
	default:
		sp_mcp_call_step(c);
	}
}

/* --- giving up */

static bool
ignore_message(struct sp_ex *ex, sp_slice text)
{
	return true;
}

static void
ignore_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
}

/* A closed stream says nothing to a legacy upstream. */
static void
tell_cancelled(struct sp_call *c)
{
	static const struct sp_ex_ops ops = { .message = ignore_message, .end = ignore_end };
	struct sp_mcp_call *k = c->mcp;
	struct sp_upmsg_head h = { .method = SP_LIT("notifications/cancelled"), .era = SP_ERA_LEGACY };
	struct sp_ex *ex = sp_ex_new(c->front->eg, SP_POST, &ops, NULL);

	if (ex == NULL)
		return;
	ex->deadline_ms = uv_now(c->front->eg->cfg.loop) + SP_UP_TRY_MS;
	sp_mcp_fields(ex, k->up, nothing, nothing);
	sp_upmsg_open(&ex->body, &h);
	sp_upmsg_key(&ex->body, "requestId");
	sp_out_u64(&ex->body, k->rpc);
	sp_upmsg_close(&ex->body, &h);
	(void)!sp_ex_send(ex);
}

void
sp_mcp_call_stop(struct sp_call *c)
{
	struct sp_mcp_call *k = c->mcp;
	bool runs = k->stage == SP_UP_SENT || k->stage == SP_UP_RESUMES;

	if (k->ex != NULL)
		take_bytes(c, k->ex);
	if (runs && k->up != NULL && c->job.sent && k->rpc != 0)
		tell_cancelled(c);
	sp_ex_stop(&k->ex);
	k->stage = SP_UP_ANSWERED;
	k->resume_ms = 0;
}

void
sp_mcp_call_free(struct sp_call *c)
{
	struct sp_mcp_call *k = c->mcp;

	sp_mcp_unwait(c);
	sp_ex_stop(&k->ex);
	if (k->up != NULL)
		sp_upsession_leave(mcp_of(c), k->up);
	k->up = NULL;
	c->mcp = NULL;
}
