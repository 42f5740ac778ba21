/*
 * What clients are told without having asked just now: changed lists and updated resources, on the GET stream of a session
 * (the newest carries everything, so each message goes on one stream), or on a listen stream.  Only what this caller may see,
 * by the checks of now, and each kind of list at most once a second.
 */
#include "server/engine.h"

#include "base/log.h"

#include <stdlib.h>

enum { EVERY_MS = 1000, UPDATED_MAX = 1024, UPDATED_BYTES = 1 << 20, MAX_IDS = 256 };

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- from any thread */

void
sp_resource_updated(struct sp_server *s, const char *uri)
{
	size_t n = strlen(uri);
	struct sp_note *note = calloc(1, sizeof *note + n + 1);
	bool lost = true;

	if (note == NULL)
		return;
	memcpy(note->json, uri, n);
	note->n = n;
	pthread_mutex_lock(&s->lock);
	if (s->begun && s->updated.n < UPDATED_MAX && s->updated.bytes + n <= UPDATED_BYTES) {
		*(s->updated.last == NULL ? &s->updated.first : &s->updated.last->next) = note;
		s->updated.last = note;
		s->updated.n++;
		s->updated.bytes += n;
		s->host.wake(s->host.ctx);
		lost = false;
	}
	pthread_mutex_unlock(&s->lock);
	if (lost)
		free(note);
}

void
sp_list_changed(struct sp_server *s, enum sp_component_type kind)
{
	if ((unsigned)kind < SP_COMPONENT_IS_TOOL || (unsigned)kind >= SP_KINDS)
		return;
	pthread_mutex_lock(&s->lock);
	if (s->begun) {
		s->changed |= 1u << kind;
		s->host.wake(s->host.ctx);
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---------------------------------------------------------------- streams */

void
sp_stream_free(struct sp_stream **stream)
{
	free((*stream)->uris);
	free((*stream)->task_ids);
	free(*stream);
	*stream = NULL;
}

static bool
has_room(const struct sp_context *c)
{
	const struct sp_server *s = c->s;
	unsigned own = 0;

	if (s->draining || s->nstreams >= s->opt.max_sessions || (c->session != NULL && c->session->nstreams >= SP_STREAMS_OF_ONE))
		return false;
	for (const struct sp_context *o = s->open; o != NULL && c->who != NULL; o = o->next)
		own += o->stream != NULL && memcmp(o->mark, c->mark, sizeof c->mark) == 0 ? 1u : 0u;
	return own < SP_STREAMS_OF_CALLER;
}

static bool
hold(struct sp_context *c)
{
	struct sp_server *s = c->s;

	if (!has_room(c))
		return false;
	c->stream = calloc(1, sizeof *c->stream);
	if (c->stream == NULL)
		return false;
	s->nstreams++;
	if (c->session != NULL)
		c->session->nstreams++;
	c->phase = SP_CALL_HELD;
	return true;
}

void
sp_stream_finish(struct sp_context *c)
{
	struct sp_out *o = sp_reply_begin(c->s);

	if (c->ask.era == SP_ERA_MODERN)
		sp_mcp_listen_end_as(o, c->rpc.id, c->s->info);
	sp_call_reply(c, SP_OK, sp_out_view(o));
	sp_context_end(c);
}

/* Of a session the newest carries everything: its calls stand newest first. */
static bool
is_newest(const struct sp_context *c)
{
	if (c->session == NULL)
		return true;
	for (const struct sp_context *o = c->session->calls; o != NULL; o = o->peer_next)
		if (o->stream != NULL)
			return o == c;
	return false;
}

static sp_slice
subscription(const struct sp_context *c)
{
	return c->ask.era == SP_ERA_MODERN ? c->rpc.id : nothing;
}

/* False: not now. */
static bool
say(struct sp_context *c, struct sp_out *o)
{
	struct sp_exchange *x = c->x;

	return !o->full && x != NULL && x->ops->unread(x) <= SP_UNREAD_MAX && x->ops->send(x, sp_out_view(o), nothing);
}

/* ---------------------------------------------------------------- changed lists */

/* Templates belong to the list of resources. */
static unsigned
list_of(enum sp_component_type kind)
{
	return kind == SP_COMPONENT_IS_TEMPLATE ? SP_COMPONENT_IS_RESOURCE : kind;
}

static void
flush(struct sp_context *c, uint64_t now_ms)
{
	static const enum sp_component_kind kinds[SP_KINDS] = { [SP_COMPONENT_IS_TOOL] = SP_COMPONENT_TOOL,
		[SP_COMPONENT_IS_RESOURCE] = SP_COMPONENT_RESOURCE, [SP_COMPONENT_IS_PROMPT] = SP_COMPONENT_PROMPT };
	struct sp_stream *t = c->stream;

	for (unsigned k = 1; k < SP_KINDS; k++) {
		struct sp_out *o;

		if (!t->dirty[k] || now_ms < t->due_ms[k])
			continue;
		o = sp_reply_begin(c->s);
		sp_mcp_list_changed(o, kinds[k], subscription(c));
		if (!say(c, o))
			continue;
		t->dirty[k] = false;
		t->due_ms[k] = now_ms + EVERY_MS;
	}
}

void
sp_notify_changed(struct sp_server *s, enum sp_component_type kind, struct sp_offer *offer)
{
	unsigned k = list_of(kind);
	struct sp_verdict v;

	for (struct sp_context *c = s->open; c != NULL; c = c->next) {
		if (c->stream == NULL || c->x == NULL || !c->stream->wants[k] || !is_newest(c))
			continue;
		if (offer != NULL && sp_gate(s, c->x, offer, offer->name.p, NULL, &v) != SP_OK)
			continue;
		c->stream->dirty[k] = true;
		flush(c, sp_now_ms(s));
	}
}

/* Threat row E23: nobody stays longer than the credential. */
void
sp_stream_tick(struct sp_context *c, uint64_t now_ms)
{
	if (c->who != NULL && c->who->expires_s <= c->s->host.now_s(c->s->host.ctx))
		sp_stream_finish(c);
	else
		flush(c, now_ms);
}

/* ---------------------------------------------------------------- updated resources */

/* May the caller of this exchange read it? */
static bool
may_read(struct sp_server *s, struct sp_exchange *x, sp_slice uri)
{
	struct sp_out *variables = sp_reply_begin(s);
	struct sp_offer *o = sp_offer_of_uri(s, uri, variables);
	struct sp_verdict v;

	sp_out_byte(variables, '\0');
	return o != NULL && !variables->full && sp_gate(s, x, o, o->name.p, variables->p, &v) == SP_OK;
}

static bool
asked_for(const struct sp_context *c, sp_slice uri)
{
	if (c->session != NULL)
		return sp_session_subscribed(c->session, uri);
	for (size_t i = 0; i < c->stream->nuris; i++)
		if (sp_eq(c->stream->uris[i], uri))
			return true;
	return false;
}

void
sp_notify_updated(struct sp_server *s, sp_slice uri)
{
	struct sp_out params;

	sp_out_heap(&params, UPDATED_BYTES * 6);
	sp_out_str(&params, "{\"uri\":");
	sp_jout_str(&params, uri);
	sp_out_byte(&params, '}');
	for (struct sp_context *c = s->open; c != NULL && !params.full; c = c->next) {
		struct sp_out *o;

		if (c->stream == NULL || c->x == NULL || !is_newest(c) || !asked_for(c, uri) || !may_read(s, c->x, uri))
			continue;
		o = sp_reply_begin(s);
		sp_mcp_updated(o, sp_out_view(&params), subscription(c));
		(void)say(c, o);
	}
	sp_out_free(&params);
}

void
sp_subscribe_answer(struct sp_context *c)
{
	if (c->ask.method == SP_MCP_UNSUBSCRIBE) {
		sp_session_unsubscribe(c->session, c->ask.name);
	} else if (!sp_session_subscribe(c->session, c->ask.name)) {
		sp_call_refuse(c, SP_E_UNAVAILABLE, SP_LIT("too many subscriptions"), nothing);
		return;
	}
	sp_mcp_empty_as(sp_reply_begin(c->s), c->ask.era, c->rpc.id, c->s->info);
	sp_answer_ok(c);
}

/* ---------------------------------------------------------------- tasks */

void
sp_notify_task(struct sp_server *s, const uint8_t mark[32], sp_slice task_id, sp_slice params)
{
	for (struct sp_context *c = s->open; c != NULL; c = c->next) {
		struct sp_out *o;
		size_t i = 0;

		if (c->stream == NULL || memcmp(c->mark, mark, sizeof c->mark) != 0)
			continue;
		while (i < c->stream->ntask_ids && !sp_eq(c->stream->task_ids[i], task_id))
			i++;
		if (i == c->stream->ntask_ids)
			continue;
		o = sp_reply_begin(s);
		sp_mcp_task(o, params, subscription(c));
		(void)say(c, o);
	}
}

/* ---------------------------------------------------------------- subscriptions/listen */

/* The texts of a list that `accept` lets through, copied into the context's new arena; also as a JSON array into `json`. */
struct wishes {
	sp_slice *v;
	size_t	 n;
	struct sp_out json;
};

static void
take_wishes(struct sp_context *c, sp_jval *list, bool (*accept)(struct sp_context *c, sp_slice text), struct wishes *w)
{
	sp_out_heap(&w->json, c->s->opt.max_body * 6 + 16);
	w->v = calloc(MAX_IDS, sizeof *w->v);
	for (struct sp_jiter it = sp_jeach(list); sp_jnext(&it) && w->v != NULL && w->n < MAX_IDS;) {
		if (!sp_jis_str(it.val) || !accept(c, sp_jtext(it.val)))
			continue;
		sp_out_byte(&w->json, w->n == 0 ? '[' : ',');
		sp_jout_str(&w->json, sp_jtext(it.val));
		w->v[w->n++] = sp_jtext(it.val);
	}
	if (w->n != 0)
		sp_out_byte(&w->json, ']');
}

static bool
accept_uri(struct sp_context *c, sp_slice uri)
{
	return may_read(c->s, c->x, uri);
}

static bool
accept_task(struct sp_context *c, sp_slice id)
{
	return sp_task_is(c->s, c->mark, id);
}

/* A stream may be held for days: of its request only what is needed stays. */
static bool
slim(struct sp_context *c)
{
	struct sp_arena was = c->arena;
	struct sp_stream *t = c->stream;

	sp_arena_init(&c->arena, was.max);
	c->rpc = (struct sp_rpc){ .kind = SP_RPC_REQUEST, .id = sp_arena_copy(&c->arena, c->rpc.id) };
	for (size_t i = 0; i < t->nuris; i++)
		t->uris[i] = sp_arena_copy(&c->arena, t->uris[i]);
	for (size_t i = 0; i < t->ntask_ids; i++)
		t->task_ids[i] = sp_arena_copy(&c->arena, t->task_ids[i]);
	c->ask = (struct sp_mcp_ask){ .era = c->ask.era, .method = c->ask.method };
	sp_arena_free(&was);
	return !c->arena.full;
}

void
sp_listen_start(struct sp_context *c)
{
	struct wishes uris = { 0 }, tasks = { 0 };
	struct sp_out *o;

	if (!c->x->streams) {
		sp_call_refuse(c, SP_E_ACCEPT, SP_LIT("Accept must allow text/event-stream"), nothing);
		return;
	}
	take_wishes(c, c->ask.listen_uris, accept_uri, &uris);
	take_wishes(c, SP_JGET(SP_JGET(c->ask.params, "notifications"), "taskIds"), accept_task, &tasks);
	o = sp_reply_begin(c->s);
	sp_mcp_listen_ack_tasks(o, c->rpc.id, &c->ask, sp_out_view(&uris.json), sp_out_view(&tasks.json));
	if (uris.v == NULL || tasks.v == NULL || uris.json.full || tasks.json.full || o->full || !hold(c)) {
		free(uris.v);
		free(tasks.v);
		sp_call_refuse(c, SP_E_UNAVAILABLE, nothing, nothing);
	} else {
		c->stream->uris = uris.v;
		c->stream->nuris = uris.n;
		c->stream->task_ids = tasks.v;
		c->stream->ntask_ids = tasks.n;
		c->stream->wants[SP_COMPONENT_IS_TOOL] = c->ask.listen_tools;
		c->stream->wants[SP_COMPONENT_IS_RESOURCE] = c->ask.listen_resources;
		c->stream->wants[SP_COMPONENT_IS_PROMPT] = c->ask.listen_prompts;
		if (!slim(c) || !c->x->ops->send(c->x, sp_out_view(o), nothing))
			sp_call_refuse(c, SP_E_UNAVAILABLE, nothing, nothing);
	}
	sp_out_free(&uris.json);
	sp_out_free(&tasks.json);
}

/* ---------------------------------------------------------------- GET and DELETE of the 2025 era */

static void
refuse(struct sp_server *s, struct sp_exchange *x, enum sp_status st, const char *text)
{
	struct sp_out *o = sp_reply_begin(s);

	x->call = NULL;
	sp_rpc_error(o, nothing, st, sp_str(text), nothing);
	x->ops->answer(x, &(const struct sp_reply){ .st = st, .json = sp_out_view(o),
	    .retry_after_s = st == SP_E_UNAVAILABLE ? 1 : 0 });
}

/* NULL: it was refused. */
static struct sp_session *
session_of(struct sp_server *s, struct sp_exchange *x, sp_slice id)
{
	struct sp_session *session = NULL;
	uint8_t mark[32];

	if (sp_gate_door(s, x) != SP_OK) {
		refuse(s, x, SP_E_NO_TOKEN, "");
		return NULL;
	}
	if (id.n == 0) {
		refuse(s, x, SP_E_BAD_RPC, "Mcp-Session-Id is missing");
		return NULL;
	}
	sp_caller_mark(s, x->who, mark);
	if (sp_session_find(s, id, mark, &session) != SP_OK)
		refuse(s, x, SP_E_SESSION, "");
	return session;
}

void
sp_server_stream(struct sp_server *s, struct sp_exchange *x, sp_slice id, sp_slice last)
{
	struct sp_session *session = session_of(s, x, id);
	struct sp_context *c;

	if (session == NULL || (last.n != 0 && sp_call_resume(session, x, last)))
		return;
	c = sp_context_new(s, x);
	if (c == NULL) {
		refuse(s, x, SP_E_UNAVAILABLE, "");
		return;
	}
	c->ask.era = SP_ERA_LEGACY;
	sp_context_join(c, session);
	if (!hold(c)) {
		sp_call_refuse(c, SP_E_UNAVAILABLE, nothing, nothing);
		return;
	}
	for (unsigned k = 1; k < SP_KINDS; k++)
		c->stream->wants[k] = true;
}

void
sp_server_session_end(struct sp_server *s, struct sp_exchange *x, sp_slice id)
{
	struct sp_session *session = session_of(s, x, id);

	if (session == NULL)
		return;
	sp_session_free(s, session);
	x->call = NULL;
	x->ops->answer(x, &(const struct sp_reply){ .st = SP_OK });
	sp_server_turn(s);
}
