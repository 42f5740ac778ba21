/* Which era the upstream speaks, and the sessions that a legacy one keeps. */
#include "base/log.h"
#include "base/utf8.h"
#include "egress/mcp_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { INSTRUCTIONS = 8000 };		/* bytes of them */

static sp_slice
server_name(const struct sp_mcp *m)
{
	return sp_img_str(m->eg->cfg.img, m->eg->server->name);
}

/* --- why not */

static void
log_refused(const struct sp_mcp *m, unsigned status)
{
	const struct sp_egress *eg = m->eg;
	sp_slice secret = SP_LIT("(none is configured)");

	/* The name only; of several the first, which is the one to look at. */
	if (eg->server->grants.n != 0)
		secret = sp_img_str(eg->cfg.img, SP_IMG_AT(eg->cfg.img, eg->server->grants, grant, 0)->name);
	sp_log(SP_ERROR, "mcp.credential_refused", SP_S("server", server_name(m)), SP_U("status", status), SP_S("secret", secret));
}

void
sp_mcp_say_down(struct sp_mcp *m, enum sp_ex_end how, unsigned status, const char *why)
{
	const char *text = "did not answer as an MCP server; try again later";

	if (how == SP_EX_UNREACHABLE || how == SP_EX_BROKEN)
		text = "cannot be reached; try again later";
	else if (how == SP_EX_LATE)
		text = "did not answer in time; try again later";
	else if (how == SP_EX_REFUSED)
		text = "cannot be called: a credential is not available; the operator's log names it";
	else if (how == SP_EX_STATUS && (status == 401 || status == 403))
		text = "refused the gateway's credential; the operator's log names it";
	else if (how == SP_EX_DONE)
		text = "speaks no revision of MCP that this gateway speaks";
	if (how == SP_EX_STATUS && (status == 401 || status == 403))
		log_refused(m, status);
	else
		sp_log(SP_WARN, "mcp.down", SP_S("server", server_name(m)), SP_C("why", why), SP_U("status", status));
	(void)snprintf(m->down, sizeof m->down, "the server %.*s %s", SP_PRI(server_name(m)), text);
}

/* --- sessions, by caller */

static struct sp_upsession **
bucket(struct sp_mcp *m, const uint8_t *mark)
{
	return &m->buckets[(mark[0] | (unsigned)mark[1] << 8) % SP_UP_BUCKETS];
}

static void
lru_out(struct sp_mcp *m, struct sp_upsession *s)
{
	*(s->prev == NULL ? &m->first : &s->prev->next) = s->next;
	*(s->next == NULL ? &m->last : &s->next->prev) = s->prev;
}

static void
lru_in(struct sp_mcp *m, struct sp_upsession *s)
{
	s->prev = NULL;
	s->next = m->first;
	*(m->first == NULL ? &m->last : &m->first->prev) = s;
	m->first = s;
}

/* Out of the tables; the memory stays while calls use it. */
static void
forget(struct sp_mcp *m, struct sp_upsession *s)
{
	struct sp_upsession **b = bucket(m, s->mark);

	sp_ex_stop(&s->ex);
	while (*b != s)
		b = &(*b)->hash_next;
	*b = s->hash_next;
	lru_out(m, s);
	m->nsessions--;
	s->state = SP_UPS_GONE;
	if (s->users == 0)
		free(s);
}

static bool
say_nothing(struct sp_ex *ex, sp_slice text)
{
	return true;
}

static void
on_told(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
}

static const struct sp_ex_ops tell_ops = { .message = say_nothing, .end = on_told };

/* DELETE, so that the upstream need not keep it. */
static void
end_session(struct sp_mcp *m, struct sp_upsession *s)
{
	struct sp_ex *ex = s->id[0] == '\0' ? NULL : sp_ex_new(m->eg, SP_DELETE, &tell_ops, NULL);

	if (ex == NULL)
		return;
	ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
	sp_mcp_fields(ex, s, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
	(void)!sp_ex_send(ex);
}

static bool
make_room(struct sp_mcp *m)
{
	struct sp_upsession *s = m->last;

	if (m->nsessions < SP_UP_SESSIONS)
		return true;
	while (s != NULL && (s->users != 0 || s->state == SP_UPS_OPENING))
		s = s->prev;
	if (s == NULL)
		return false;
	end_session(m, s);
	forget(m, s);
	return true;
}

static struct sp_upsession *
session_of(struct sp_mcp *m, const uint8_t *mark)
{
	struct sp_upsession **b = bucket(m, mark), *s = *b;

	while (s != NULL && memcmp(s->mark, mark, sizeof s->mark) != 0)
		s = s->hash_next;
	if (s != NULL) {
		lru_out(m, s);
		lru_in(m, s);
		return s;
	}
	s = make_room(m) ? calloc(1, sizeof *s) : NULL;
	if (s == NULL)
		return NULL;
	memcpy(s->mark, mark, sizeof s->mark);
	s->hash_next = *b;
	*b = s;
	lru_in(m, s);
	m->nsessions++;
	return s;
}

void
sp_upsession_gone(struct sp_mcp *m, struct sp_upsession *s)
{
	if (s == &m->own) {
		sp_ex_stop(&s->ex);
		s->state = SP_UPS_CLOSED;
		s->id[0] = '\0';
		s->level = 0;
		sp_watch_reset(m);
	} else if (s->state != SP_UPS_GONE) {
		forget(m, s);
	}
}

void
sp_upsession_leave(struct sp_mcp *m, struct sp_upsession *s)
{
	s->used_ms = sp_mcp_now(m);
	if (--s->users == 0 && s->state == SP_UPS_GONE && s != &m->own)
		free(s);
}

/* --- opening one: initialize, then notifications/initialized */

static void
session_failed(struct sp_mcp *m, struct sp_upsession *s)
{
	uint8_t mark[32];

	s->state = SP_UPS_CLOSED;
	s->id[0] = '\0';
	memcpy(mark, s->mark, sizeof mark);
	if (s != &m->own) {
		sp_mcp_fail_waiting(m, mark);
		return;
	}
	/* Another server may be there next time. */
	m->era = 0;
	sp_fetch_failed(m);
	sp_mcp_fail_waiting(m, NULL);
}

static void
on_initialized_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	struct sp_upsession *s = ex->owner;
	struct sp_mcp *m = ex->eg->mcp;

	s->ex = NULL;
	if (how != SP_EX_DONE) {
		sp_mcp_say_down(m, how, ex->status, why);
		session_failed(m, s);
		return;
	}
	s->state = SP_UPS_READY;
	s->used_ms = sp_mcp_now(m);
	sp_mcp_wake(m);
}

static void
send_initialized(struct sp_mcp *m, struct sp_upsession *s)
{
	static const struct sp_ex_ops ops = { .message = say_nothing, .end = on_initialized_end };
	struct sp_ex *ex = sp_ex_new(m->eg, SP_POST, &ops, s);

	s->ex = ex;
	if (ex != NULL) {
		ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
		sp_mcp_fields(ex, s, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
		sp_out_str(&ex->body, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
		if (sp_ex_send(ex))
			return;
	}
	s->ex = NULL;
	sp_mcp_say_down(m, SP_EX_BROKEN, 0, "no room for another request");
	session_failed(m, s);
}

static const char *
version_of(sp_slice v)
{
	static const char *const known[] = { SP_MCP_LEGACY_NEW, SP_MCP_LEGACY_OLD, "2025-03-26" };

	for (size_t i = 0; i < SP_COUNT(known); i++)
		if (sp_eq(v, sp_str(known[i])))
			return known[i];
	return NULL;
}

static void
take_server(struct sp_mcp *m, const struct sp_upmsg_server *s)
{
	m->caps = s->caps;
	sp_out_reset(&m->instructions);
	sp_utf8_clean(&m->instructions, s->instructions, INSTRUCTIONS, true);
}

static void
on_initialize_one(struct sp_ex *ex, const struct sp_upmsg *msg)
{
	struct sp_upsession *s = ex->owner;
	struct sp_mcp *m = ex->eg->mcp;
	struct sp_upmsg_server server = { 0 };
	bool known;

	if ((msg->kind != SP_UPMSG_RESULT && msg->kind != SP_UPMSG_ERROR) || (msg->has_id && msg->id != ex->id))
		return;
	known = msg->kind == SP_UPMSG_RESULT && sp_upmsg_initialized(msg->body, &server);
	s->version = known ? version_of(server.version) : NULL;
	(void)snprintf(s->id, sizeof s->id, "%s", ex->session);
	sp_ex_drain(&s->ex);
	if (s->version == NULL) {
		sp_mcp_say_down(m, known ? SP_EX_DONE : SP_EX_GARBAGE, 0, known ?
		    "its revision of the protocol is none of ours" : "initialize was answered with an error");
		session_failed(m, s);
		return;
	}
	if (s == &m->own) {
		m->stateless = s->id[0] == '\0';
		take_server(m, &server);
	}
	send_initialized(m, s);
}

static bool
on_initialize_message(struct sp_ex *ex, sp_slice text)
{
	return sp_mcp_read(ex, text, on_initialize_one);
}

static void
on_initialize_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	struct sp_upsession *s = ex->owner;

	s->ex = NULL;
	sp_mcp_say_down(ex->eg->mcp, how == SP_EX_DONE ? SP_EX_GARBAGE : how, ex->status, why);
	session_failed(ex->eg->mcp, s);
}

static void
open_session(struct sp_mcp *m, struct sp_upsession *s)
{
	static const struct sp_ex_ops ops = { .message = on_initialize_message, .end = on_initialize_end };
	struct sp_ex *ex = sp_ex_new(m->eg, SP_POST, &ops, s);

	s->state = SP_UPS_OPENING;
	s->version = NULL;
	s->level = 0;
	s->ex = ex;
	if (ex != NULL) {
		ex->id = ++m->next_id;
		ex->up = s;
		ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
		sp_mcp_fields(ex, NULL, (sp_slice){ NULL, 0 }, (sp_slice){ NULL, 0 });
		sp_upmsg_initialize(&ex->body, ex->id);
		if (sp_ex_send(ex))
			return;
	}
	s->ex = NULL;
	sp_mcp_say_down(m, SP_EX_BROKEN, 0, "no room for another request");
	session_failed(m, s);
}

/* --- the era */

static void
era_known(struct sp_mcp *m, enum sp_era era)
{
	sp_log(SP_INFO, "mcp.era", SP_S("server", server_name(m)), SP_C("era", era == SP_ERA_MODERN ? "modern" : "legacy"));
	m->era = era;
	m->stateless = false;
	sp_mcp_wake(m);
}

static void
no_common_version(struct sp_mcp *m)
{
	sp_mcp_say_down(m, SP_EX_DONE, 0, "its revisions of the protocol are none of ours");
	sp_fetch_failed(m);
	sp_mcp_fail_waiting(m, NULL);
}

static void
on_discover_error(struct sp_mcp *m, const struct sp_upmsg *msg)
{
	int64_t code = sp_upmsg_code(msg->body);
	bool modern, legacy;

	sp_upmsg_versions(SP_JGET(SP_JGET(msg->body, "data"), "supported"), &modern, &legacy);
	if (code < -32022 || code > -32020) {
		era_known(m, SP_ERA_LEGACY);
	} else if (code == -32022 && !modern && !legacy) {
		no_common_version(m);
	} else if (code == -32022 && !modern) {
		era_known(m, SP_ERA_LEGACY);
	} else {
		/* It says no to the question, not to the revision: what it has is seen when it is asked for. */
		m->caps = SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS | SP_CAP_COMPLETIONS;
		era_known(m, SP_ERA_MODERN);
	}
}

static void
on_discover_one(struct sp_ex *ex, const struct sp_upmsg *msg)
{
	struct sp_mcp *m = ex->eg->mcp;
	struct sp_upmsg_server server = { 0 };

	if ((msg->kind != SP_UPMSG_RESULT && msg->kind != SP_UPMSG_ERROR) || (msg->has_id && msg->id != ex->id))
		return;
	sp_ex_drain(&m->probe);
	if (msg->kind == SP_UPMSG_ERROR) {
		on_discover_error(m, msg);
	} else if (!sp_upmsg_discovered(msg->body, &server) || (!server.modern && server.legacy)) {
		era_known(m, SP_ERA_LEGACY);
	} else if (!server.modern) {
		no_common_version(m);
	} else {
		take_server(m, &server);
		era_known(m, SP_ERA_MODERN);
	}
}

static bool
on_discover_message(struct sp_ex *ex, sp_slice text)
{
	return sp_mcp_read(ex, text, on_discover_one);
}

static void
on_discover_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	struct sp_mcp *m = ex->eg->mcp;
	bool refused = how == SP_EX_STATUS && (ex->status == 401 || ex->status == 403);

	/* A modern error comes with status 400; anything else that is an answer is an older server's. */
	if (how == SP_EX_STATUS && !refused && ex->text.n != 0 && !sp_mcp_read(ex, sp_out_view(&ex->text), on_discover_one))
		return;
	if (m->probe != ex)
		return;			/* the body said it */
	m->probe = NULL;
	if (how == SP_EX_DONE || how == SP_EX_GARBAGE || how == SP_EX_LATE || (how == SP_EX_STATUS && !refused)) {
		era_known(m, SP_ERA_LEGACY);
		return;
	}
	sp_mcp_say_down(m, how, ex->status, why);
	sp_fetch_failed(m);
	sp_mcp_fail_waiting(m, NULL);
}

static void
start_probe(struct sp_mcp *m)
{
	static const struct sp_ex_ops ops = { .message = on_discover_message, .end = on_discover_end };
	struct sp_ex *ex = sp_ex_new(m->eg, SP_POST, &ops, m);
	struct sp_upmsg_head h = { .method = SP_LIT("server/discover"), .era = SP_ERA_MODERN };

	m->probe = ex;
	if (ex != NULL) {
		h.id = ex->id = ++m->next_id;
		ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
		sp_mcp_fields(ex, NULL, h.method, (sp_slice){ NULL, 0 });
		sp_upmsg_open(&ex->body, &h);
		sp_upmsg_close(&ex->body, &h);
		if (sp_ex_send(ex))
			return;
	}
	m->probe = NULL;
	sp_mcp_say_down(m, SP_EX_BROKEN, 0, "no room for another request");
}

void
sp_mcp_suspect(struct sp_mcp *m)
{
	if (m->era == 0)
		return;
	m->era = 0;
	while (m->first != NULL)
		forget(m, m->first);
	sp_upsession_gone(m, &m->own);
	sp_fetch_changed(m);
}

/* --- what a request needs */

void
sp_mcp_fields(struct sp_ex *ex, const struct sp_upsession *s, sp_slice method, sp_slice name)
{
	bool modern = s == NULL && method.n != 0;

	sp_ex_field(ex, SP_LIT("Accept"), ex->req.method == SP_GET ? SP_LIT("text/event-stream") :
	    SP_LIT("application/json, text/event-stream"));
	if (ex->req.method == SP_POST)
		sp_ex_field(ex, SP_LIT("Content-Type"), SP_LIT("application/json"));
	if (modern) {
		sp_ex_field(ex, SP_LIT("MCP-Protocol-Version"), SP_LIT(SP_MCP_MODERN));
		sp_ex_field(ex, SP_LIT("Mcp-Method"), method);
		if (name.n != 0)
			sp_ex_field(ex, SP_LIT("Mcp-Name"), sp_upmsg_value(&ex->arena, name));
	}
	if (s != NULL && s->version != NULL)
		sp_ex_field(ex, SP_LIT("MCP-Protocol-Version"), sp_str(s->version));
	if (s != NULL && s->id[0] != '\0')
		sp_ex_field(ex, SP_LIT("Mcp-Session-Id"), sp_arena_copy(&ex->arena, sp_str(s->id)));
}

static enum sp_up_ready
session_ready(struct sp_mcp *m, struct sp_upsession *s, struct sp_upsession **out)
{
	if (s->state == SP_UPS_CLOSED)
		open_session(m, s);
	*out = s;
	s->used_ms = sp_mcp_now(m);
	return s->state == SP_UPS_READY ? SP_UP_GO : s->state == SP_UPS_OPENING ? SP_UP_WAIT : SP_UP_DOWN;
}

enum sp_up_ready
sp_mcp_ready(struct sp_mcp *m, const uint8_t *mark, struct sp_upsession **out)
{
	enum sp_up_ready r;
	struct sp_upsession *s;

	*out = NULL;
	if (m->era == 0) {
		if (m->probe == NULL)
			start_probe(m);
		if (m->era == 0)
			return m->probe != NULL ? SP_UP_WAIT : SP_UP_DOWN;
	}
	if (m->era == SP_ERA_MODERN)
		return SP_UP_GO;
	/* Our own first: it tells whether there are sessions at all. */
	r = session_ready(m, &m->own, out);
	if (r != SP_UP_GO || mark == NULL || m->stateless)
		return r;
	s = session_of(m, mark);
	if (s == NULL) {
		(void)snprintf(m->down, sizeof m->down, "the server %.*s has too many callers now; try again later",
		    SP_PRI(server_name(m)));
		return SP_UP_DOWN;
	}
	return session_ready(m, s, out);
}

/* --- calls that wait */

void
sp_mcp_wait(struct sp_call *c, enum sp_up_stage stage)
{
	struct sp_mcp *m = c->front->eg->mcp;
	struct sp_mcp_call *k = c->mcp;

	k->stage = stage;
	if (k->waits)
		return;
	k->waits = true;
	k->wait_next = NULL;
	k->wait_prev = m->wait_last;
	*(m->wait_last == NULL ? &m->wait_first : &m->wait_last->mcp->wait_next) = c;
	m->wait_last = c;
}

void
sp_mcp_unwait(struct sp_call *c)
{
	struct sp_mcp *m = c->front->eg->mcp;
	struct sp_mcp_call *k = c->mcp;

	if (!k->waits)
		return;
	k->waits = false;
	*(k->wait_prev == NULL ? &m->wait_first : &k->wait_prev->mcp->wait_next) = k->wait_next;
	*(k->wait_next == NULL ? &m->wait_last : &k->wait_next->mcp->wait_prev) = k->wait_prev;
}

/* Each that waits now, once: what it does may end it or others, or make it wait again, at the end. */
static void
each_waiting(struct sp_mcp *m, const uint8_t *mark, void (*fn)(struct sp_call *c))
{
	uint32_t n = 0;

	for (struct sp_call *c = m->wait_first; c != NULL; c = c->mcp->wait_next)
		n++;
	while (n-- > 0 && m->wait_first != NULL) {
		struct sp_call *c = m->wait_first;

		sp_mcp_unwait(c);
		if (mark != NULL && (c->mcp->stage != SP_UP_WANTS_SESSION || memcmp(mark, c->mcp->mark, sizeof c->mcp->mark) != 0))
			sp_mcp_wait(c, c->mcp->stage);
		else
			fn(c);
	}
}

static void
go_on(struct sp_call *c)
{
	if (c->mcp->stage == SP_UP_WANTS_CATALOG)
		sp_call_resume(c);
	else if (c->mcp->stage == SP_UP_WANTS_FETCH && c->front->eg->mcp->fetch.running)
		sp_mcp_wait(c, SP_UP_WANTS_FETCH);
	else
		sp_mcp_call_step(c);
}

void
sp_mcp_wake(struct sp_mcp *m)
{
	sp_fetch_step(m);
	sp_watch_step(m);
	each_waiting(m, NULL, go_on);
}

void
sp_mcp_fail_waiting(struct sp_mcp *m, const uint8_t *mark)
{
	each_waiting(m, mark, sp_mcp_call_down);
}

/* --- time */

static void
on_tick(uv_timer_t *t)
{
	struct sp_mcp *m = t->data;
	uint64_t now = sp_mcp_now(m);
	struct sp_upsession *s, *prev;

	sp_ex_tick(m->eg, now);
	for (s = m->last; s != NULL && now - s->used_ms >= SP_UP_IDLE_MS; s = prev) {
		prev = s->prev;
		if (s->users != 0 || s->state == SP_UPS_OPENING)
			continue;
		end_session(m, s);
		forget(m, s);
	}
	if (!m->closing)
		sp_watch_step(m);
}

static void
on_refresh(uv_timer_t *t)
{
	sp_fetch_start(t->data);
}

/* --- life */

enum sp_status
sp_mcp_new(struct sp_egress *eg, struct sp_err *e)
{
	struct sp_mcp *m = calloc(1, sizeof *m);

	eg->mcp = m;
	if (m == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	m->eg = eg;
	m->tick = malloc(sizeof *m->tick);
	m->refresh = malloc(sizeof *m->refresh);
	m->levels = calloc(SP_UP_LEVELS, sizeof *m->levels);
	sp_out_heap(&m->instructions, INSTRUCTIONS * 3);
	sp_out_heap(&m->fetch.cursor, 65536);
	if (m->tick == NULL || m->refresh == NULL || m->levels == NULL || uv_timer_init(eg->cfg.loop, m->tick) != 0 ||
	    uv_timer_init(eg->cfg.loop, m->refresh) != 0) {
		free(m->tick);
		free(m->refresh);
		m->tick = m->refresh = NULL;
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	}
	m->tick->data = m->refresh->data = m;
	return SP_OK;
}

void
sp_mcp_start(struct sp_mcp *m)
{
	if (!m->started)
		uv_timer_start(m->tick, on_tick, SP_UP_TICK_MS, SP_UP_TICK_MS);
	m->started = true;
	if (m->catalog == NULL)
		sp_fetch_start(m);
}

void
sp_mcp_refresh_in(struct sp_mcp *m, uint64_t ms)
{
	uv_timer_start(m->refresh, on_refresh, ms, 0);
}

bool
sp_mcp_close(struct sp_mcp *m)
{
	if (!m->closing) {
		m->closing = true;
		m->started = false;
		uv_timer_stop(m->refresh);
		sp_watch_reset(m);
		sp_fetch_stop(m);
		sp_ex_stop(&m->probe);
		while (m->first != NULL) {
			end_session(m, m->first);
			forget(m, m->first);
		}
		end_session(m, &m->own);
		sp_upsession_gone(m, &m->own);
		m->closed = true;
	}
	return m->closed && m->eg->exchanges == NULL;
}

bool
sp_mcp_is_closed(const struct sp_mcp *m)
{
	return m->closed;
}

static void
on_timer_closed(uv_handle_t *h)
{
	free(h);
}

void
sp_mcp_free(struct sp_egress *eg)
{
	struct sp_mcp *m = eg->mcp;

	if (m == NULL)
		return;
	sp_watch_free(m);
	sp_fetch_free(m);
	sp_ex_stop(&m->probe);
	sp_ex_stop(&m->own.ex);
	while (m->first != NULL)
		forget(m, m->first);
	sp_ex_stop_all(eg);
	sp_out_free(&m->instructions);
	if (m->tick != NULL)
		uv_close((uv_handle_t *)m->tick, on_timer_closed);
	if (m->refresh != NULL)
		uv_close((uv_handle_t *)m->refresh, on_timer_closed);
	free(m->levels);
	free(m);
	eg->mcp = NULL;
}
