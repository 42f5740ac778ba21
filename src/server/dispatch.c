/*
 * From the bytes of a message to what serves it.  Every method is a row that states its need, and a component is found and
 * judged here, before its row runs: no row can forget the gate.
 */
#include "server/engine.h"

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- answers */

void
sp_call_reply(struct sp_context *c, enum sp_status st, sp_slice json)
{
	struct sp_reply r = { .st = st, .json = json };
	struct sp_exchange *x = c->x;

	if (x == NULL)
		return;
	c->x = NULL;
	x->call = NULL;
	x->ops->answer(x, &r);
}

void
sp_answer_ok(struct sp_context *c)
{
	struct sp_server *s = c->s;

	if (s->reply.full) {
		sp_call_refuse(c, SP_E_FULL, nothing, nothing);
		return;
	}
	sp_call_reply(c, SP_OK, sp_out_view(&s->reply));
	sp_context_end(c);
}

static void
accepted(struct sp_context *c)
{
	sp_call_reply(c, SP_OK, nothing);
	sp_context_end(c);
}

static void
refuse(struct sp_context *c, struct sp_reply r, sp_slice message, sp_slice data)
{
	struct sp_out *o = sp_reply_begin(c->s);
	struct sp_exchange *x = c->x;

	sp_rpc_error(o, c->rpc.id, r.st, message, data);
	r.json = sp_out_view(o);
	if (r.st == SP_E_UNAVAILABLE || r.st == SP_E_RATE)
		r.retry_after_s = 1;
	if (x != NULL) {
		c->x = NULL;
		x->call = NULL;
		x->ops->answer(x, &r);
	}
	sp_context_end(c);
}

void
sp_call_refuse(struct sp_context *c, enum sp_status st, sp_slice message, sp_slice data)
{
	refuse(c, (struct sp_reply){ .st = st }, message, data);
}

void
sp_call_refuse_scope(struct sp_context *c, const char *scopes)
{
	refuse(c, (struct sp_reply){ .st = SP_E_SCOPE, .scope = sp_str(scopes) }, nothing, nothing);
}

/* ---------------------------------------------------------------- methods without a component */

static uint32_t
caps_of(const struct sp_context *c)
{
	const struct sp_server *s = c->s;
	uint32_t caps = SP_CAP_LOGGING;

	if (s->has_kind[SP_COMPONENT_IS_TOOL])
		caps |= SP_CAP_TOOLS;
	if (s->has_kind[SP_COMPONENT_IS_RESOURCE] || s->has_kind[SP_COMPONENT_IS_TEMPLATE])
		caps |= SP_CAP_RESOURCES | SP_CAP_SUBSCRIBE;
	if (s->has_kind[SP_COMPONENT_IS_PROMPT])
		caps |= SP_CAP_PROMPTS;
	if (s->ncompleters != 0)
		caps |= SP_CAP_COMPLETIONS;
	return caps;
}

static struct sp_mcp_self
self_of(const struct sp_context *c)
{
	const struct sp_server *s = c->s;

	return (struct sp_mcp_self){
		.info = s->info, .caps = caps_of(c), .instructions = sp_str(s->opt.instructions == NULL ? "" : s->opt.instructions),
		.extensions = s->ntask_tools != 0 && c->ask.era == SP_ERA_MODERN ?
		    SP_LIT("{\"io.modelcontextprotocol/tasks\":{}}") : nothing,
	};
}

static void
initialize(struct sp_context *c)
{
	struct sp_mcp_self self = self_of(c);
	struct sp_session *session = c->s->draining ? NULL : sp_session_new(c->s, c->mark);
	struct sp_exchange *x = c->x;
	struct sp_reply r = { .st = SP_OK };

	if (session == NULL) {
		sp_call_refuse(c, SP_E_UNAVAILABLE, nothing, nothing);
		return;
	}
	session->revision = sp_eq(c->ask.version, SP_LIT(SP_MCP_LEGACY_OLD)) ? SP_MCP_2025_06_18 : SP_MCP_2025_11_25;
	session->caps = c->ask.client_caps;
	sp_mcp_initialize_as(sp_reply_begin(c->s), &self, c->rpc.id, c->ask.version);
	r.json = sp_out_view(&c->s->reply);
	r.session = sp_mem(session->id, SP_SESSION_ID);
	c->x = NULL;
	x->call = NULL;
	x->ops->answer(x, &r);
	sp_context_end(c);
}

static void
discover(struct sp_context *c)
{
	struct sp_mcp_self self = self_of(c);

	sp_mcp_discover_as(sp_reply_begin(c->s), &self, c->rpc.id);
	sp_answer_ok(c);
}

static void
empty(struct sp_context *c)
{
	sp_mcp_empty_as(sp_reply_begin(c->s), c->ask.era, c->rpc.id, c->s->info);
	sp_answer_ok(c);
}

static void
set_level(struct sp_context *c)
{
	if (c->session != NULL)
		c->session->log_level = c->ask.log_level;
	empty(c);
}

static bool
is_same_sender(const struct sp_context *c, const struct sp_context *other)
{
	if (other == c || other->phase == SP_CALL_OVER)
		return false;
	if (c->session != NULL)
		return other->session == c->session;
	/* Without HTTP the sender is the connection. */
	return c->x != NULL && c->x->head == NULL && other->x != NULL && other->x->head == NULL &&
	    other->x->conn == c->x->conn;
}

/* Threat row O16: a request of the same sender only. */
static struct sp_context *
find_open(struct sp_context *c, sp_slice id)
{
	struct sp_context *o = c->session != NULL ? c->session->calls : c->s->open;

	if (c->session == NULL && (c->x == NULL || c->x->head != NULL))
		return NULL;
	for (; o != NULL; o = c->session != NULL ? o->peer_next : o->next)
		if (is_same_sender(c, o) && sp_eq(o->rpc.id, id))
			return o;
	return NULL;
}

static void
cancelled(struct sp_context *c)
{
	struct sp_context *call = find_open(c, c->ask.cancel_id);

	if (call != NULL)
		sp_call_cancel(call);
	accepted(c);
}

/* ---------------------------------------------------------------- which component */

static bool
use_arguments(struct sp_context *c, sp_slice text)
{
	struct sp_err e;
	sp_jval *root;

	if (sp_json_read_arena(&c->arena, text, SP_JSON_DEFAULT, &root, &e) != SP_OK)
		return false;
	c->args = root;
	c->args_text = sp_arena_copy(&c->arena, text).p;
	return c->args_text != NULL;
}

/* The arguments of a tool or prompt, as one text. */
static bool
take_arguments(struct sp_context *c)
{
	struct sp_out *o = sp_reply_begin(c->s);

	if (c->ask.args == NULL)
		return use_arguments(c, SP_LIT("{}"));
	c->args = c->ask.args;
	sp_jwrite(o, c->args);
	c->args_text = o->full ? NULL : sp_arena_copy(&c->arena, sp_out_view(o)).p;
	return c->args_text != NULL;
}

static struct sp_offer *
find_resource(struct sp_context *c)
{
	struct sp_out *variables = sp_reply_begin(c->s);
	struct sp_offer *o = sp_offer_of_uri(c->s, c->ask.name, variables);

	return o != NULL && use_arguments(c, sp_out_view(variables)) ? o : NULL;
}

/* The template itself; a client may also name a resource (mcp-spec 2.1: the URI of a ref). */
static struct sp_offer *
find_ref(struct sp_context *c)
{
	struct sp_offer *o;

	if (!c->ask.ref_template)
		return sp_offer_find(c->s, SP_COMPONENT_IS_PROMPT, c->ask.name);
	o = sp_offer_find(c->s, SP_COMPONENT_IS_TEMPLATE, c->ask.name);
	return o != NULL ? o : sp_offer_find(c->s, SP_COMPONENT_IS_RESOURCE, c->ask.name);
}

static struct sp_offer *
find_offer(struct sp_context *c)
{
	switch (c->ask.method) {
	case SP_MCP_TOOLS_CALL:
		return take_arguments(c) ? sp_offer_find(c->s, SP_COMPONENT_IS_TOOL, c->ask.name) : NULL;
	case SP_MCP_PROMPTS_GET:
		return take_arguments(c) ? sp_offer_find(c->s, SP_COMPONENT_IS_PROMPT, c->ask.name) : NULL;
	case SP_MCP_COMPLETE:
		return find_ref(c);
	default:
		return find_resource(c);
	}
}

/* Finds the component and asks the gate; false: it was refused, and c has ended. */
static bool
admit(struct sp_context *c)
{
	struct sp_offer *o = find_offer(c);
	struct sp_verdict v;

	c->name = sp_arena_copy(&c->arena, c->ask.name);
	if (c->arena.full) {
		sp_call_refuse(c, SP_E_TOO_BIG, nothing, nothing);
		return false;
	}
	if (sp_gate(c->s, c->x, o, o == NULL ? NULL : o->name.p, c->args_text, &v) != SP_OK) {
		sp_gate_refuse(c, &v);
		return false;
	}
	c->offer = sp_offer_hold(o);
	return true;
}

/* ---------------------------------------------------------------- the table */

enum need {
	NEED_NOTHING = 1,	/* a message that is never answered with more than that it came */
	NEED_DOOR,		/* whom at least one component could be open to */
	NEED_COMPONENT,		/* the gate lets this caller to what is named */
	NEED_TASK		/* task.c finds only the caller's own, and asks the gate */
};

struct row {
	enum sp_mcp_method method;
	enum need need;		/* 0 is not legal: a row must choose */
	uint32_t cap;		/* enum sp_mcp_cap: without it the method is not there */
	void	 (*run)(struct sp_context *c);
};

static const struct row rows[] = {
	{ SP_MCP_NONE, NEED_NOTHING, 0, accepted },
	{ SP_MCP_CANCELLED, NEED_NOTHING, 0, cancelled },
	{ SP_MCP_INITIALIZE, NEED_DOOR, 0, initialize },
	{ SP_MCP_PING, NEED_DOOR, 0, empty },
	{ SP_MCP_DISCOVER, NEED_DOOR, 0, discover },
	{ SP_MCP_SET_LEVEL, NEED_DOOR, 0, set_level },
	{ SP_MCP_TOOLS_LIST, NEED_DOOR, SP_CAP_TOOLS, sp_list_answer },
	{ SP_MCP_RESOURCES_LIST, NEED_DOOR, SP_CAP_RESOURCES, sp_list_answer },
	{ SP_MCP_TEMPLATES_LIST, NEED_DOOR, SP_CAP_RESOURCES, sp_list_answer },
	{ SP_MCP_PROMPTS_LIST, NEED_DOOR, SP_CAP_PROMPTS, sp_list_answer },
	{ SP_MCP_LISTEN, NEED_DOOR, 0, sp_listen_start },
	{ SP_MCP_TOOLS_CALL, NEED_COMPONENT, SP_CAP_TOOLS, sp_call_start },
	{ SP_MCP_PROMPTS_GET, NEED_COMPONENT, SP_CAP_PROMPTS, sp_call_start },
	{ SP_MCP_RESOURCES_READ, NEED_COMPONENT, SP_CAP_RESOURCES, sp_call_start },
	{ SP_MCP_COMPLETE, NEED_COMPONENT, SP_CAP_COMPLETIONS, sp_call_start },
	{ SP_MCP_SUBSCRIBE, NEED_COMPONENT, SP_CAP_RESOURCES, sp_subscribe_answer },
	{ SP_MCP_UNSUBSCRIBE, NEED_COMPONENT, SP_CAP_RESOURCES, sp_subscribe_answer },
	{ SP_MCP_TASKS_GET, NEED_TASK, 0, sp_task_get },
	{ SP_MCP_TASKS_UPDATE, NEED_TASK, 0, sp_task_update },
	{ SP_MCP_TASKS_CANCEL, NEED_TASK, 0, sp_task_cancel },
};

static const struct row *
row_of(enum sp_mcp_method method)
{
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (rows[i].method == method)
			return &rows[i];
	return NULL;
}

static void
no_method(struct sp_context *c)
{
	sp_call_refuse(c, c->ask.era == SP_ERA_MODERN ? SP_E_NO_METHOD_404 : SP_E_NO_METHOD, nothing, nothing);
}

static void
run(struct sp_context *c)
{
	const struct row *row = row_of(c->ask.method);

	if (row == NULL) {
		sp_call_refuse(c, SP_E_BUG, nothing, nothing);
		return;
	}
	if ((row->cap & ~caps_of(c)) != 0 || (row->need == NEED_TASK && c->s->ntask_tools == 0)) {
		no_method(c);
		return;
	}
	switch (row->need) {
	case NEED_COMPONENT:
		if (admit(c))
			row->run(c);
		return;
	case NEED_NOTHING:
	case NEED_DOOR:		/* asked for all messages alike, before they are judged */
	case NEED_TASK:
		row->run(c);
		return;
	}
	sp_call_refuse(c, SP_E_BUG, nothing, nothing);
}

/* ---------------------------------------------------------------- a message */

static sp_slice
revision_text(enum sp_mcp_revision r)
{
	return r == SP_MCP_2025_06_18 ? SP_LIT(SP_MCP_LEGACY_OLD) : SP_LIT(SP_MCP_LEGACY_NEW);
}

/* The session of a message of the 2025 era; before initialize there is none, and only a few things may be said. */
static enum sp_status
find_session(struct sp_context *c, struct sp_err *e)
{
	sp_slice id = c->x->session;
	struct sp_session *session;
	unsigned n = 0;

	if (c->ask.method == SP_MCP_INITIALIZE)
		return SP_OK;
	if (c->x->head != NULL) {
		const struct sp_http_field *f = sp_http_find(c->x->head, SP_LIT("mcp-session-id"), &n);

		id = n == 0 ? nothing : f->value;
	}
	if (n > 1)
		return sp_fail(e, SP_E_BAD_RPC, "Mcp-Session-Id was sent twice", "two sessions");
	if (id.n == 0 && n == 0) {
		bool needs = c->x->head == NULL ? c->rpc.kind == SP_RPC_REQUEST :
		    c->ask.method == SP_MCP_SUBSCRIBE || c->ask.method == SP_MCP_UNSUBSCRIBE;

		/* Over HTTP a request that stands for itself is answered, as servers without sessions do. */
		if (c->ask.method == SP_MCP_PING || !needs)
			return SP_OK;
		return sp_fail(e, SP_E_BAD_RPC, c->x->head == NULL ? "initialize comes first" : "Mcp-Session-Id is missing",
		    "no session");
	}
	if (sp_session_find(c->s, id, c->mark, &session) != SP_OK)
		return sp_fail(e, SP_E_SESSION, NULL, "unknown session");
	if (c->x->head != NULL && c->ask.version.n != 0 && !sp_eq(c->ask.version, revision_text(session->revision)))
		return sp_fail(e, SP_E_HEADER_MISMATCH, "MCP-Protocol-Version is not the session's", "version of another session");
	sp_context_join(c, session);
	/* Requests of ours go on the stream of the call. */
	c->caps = c->x->streams ? session->caps : 0;
	return SP_OK;
}

static enum sp_status
read_message(struct sp_context *c, sp_slice body, sp_jval **root, struct sp_err *e)
{
	enum sp_status st;

	if (body.n > c->s->opt.max_body)
		return SP_E_TOO_BIG;
	st = sp_json_read_arena(&c->arena, body, SP_JSON_DEFAULT, root, e);
	return st != SP_OK ? st : sp_rpc_read(&c->arena, *root, &c->rpc, e);
}

static enum sp_status
judge(struct sp_context *c, struct sp_err *e)
{
	enum sp_status st = sp_mcp_judge_own(&c->arena, c->x->head, &c->rpc, &c->ask, e);

	if (st == SP_OK && c->ask.era == SP_ERA_LEGACY)
		st = find_session(c, e);
	else
		c->caps = c->ask.client_caps;
	if (st == SP_OK && c->rpc.kind == SP_RPC_REQUEST && find_open(c, c->rpc.id) != NULL)
		st = sp_fail(e, SP_E_BAD_RPC, "a request with this id is open", "id used twice");
	return st;
}

static void
refuse_message(struct sp_context *c, enum sp_status st, const struct sp_err *e)
{
	char buf[512];
	struct sp_out data;

	sp_out_init(&data, buf, sizeof buf);
	if (st == SP_E_VERSION)
		sp_mcp_version_data(&data, c->ask.version);
	/* Only a request has an answer; what is wrong with anything else is said without an id. */
	if (c->rpc.kind == SP_RPC_NOTIFICATION || c->rpc.kind == SP_RPC_RESPONSE)
		c->rpc.id = nothing;
	sp_call_refuse(c, st, sp_str(e->code == st ? e->pub : ""), sp_out_view(&data));
}

static void
message(struct sp_context *c, sp_slice body)
{
	struct sp_err e = { 0 };
	sp_jval *root = NULL;
	enum sp_status st = read_message(c, body, &root, &e), door = sp_gate_door(c->s, c->x);

	if (door != SP_OK) {
		sp_call_refuse(c, door, nothing, nothing);
		return;
	}
	if (st == SP_OK)
		st = judge(c, &e);
	if (st != SP_OK) {
		refuse_message(c, st, &e);
		return;
	}
	if (c->rpc.kind == SP_RPC_RESPONSE)
		sp_ask_response(c->s, c->session, c->rpc.id, root);
	run(c);
}

void
sp_server_message(struct sp_server *s, struct sp_exchange *x, sp_slice body)
{
	struct sp_context *c = sp_context_new(s, x);

	if (c == NULL) {
		x->call = NULL;
		x->ops->answer(x, &(const struct sp_reply){ .st = SP_E_UNAVAILABLE, .retry_after_s = 1 });
		return;
	}
	message(c, body);
	sp_server_turn(s);
}
