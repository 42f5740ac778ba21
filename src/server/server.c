/* A server's life, and that of its contexts. */
#include "server/engine.h"

#include "base/log.h"
#include "crypto/crypto.h"

#include <stdlib.h>

enum { SPARE_MAX = 64, SPARE_BYTES = 65536, TEXTS_MAX = 1 << 24, REPLY_KEPT = 1 << 20, TICK_MS = 1000 };

/* ---------------------------------------------------------------- begin */

struct sp_server *
sp_server_create(const struct sp_server_options *options)
{
	struct sp_server *s;
	const uint8_t *key = NULL;

	if (sp_crypto_init(NULL) != SP_OK || (s = calloc(1, sizeof *s)) == NULL)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	sp_arena_init(&s->texts, TEXTS_MAX);
	sp_out_heap(&s->mistakes, 1 << 16);
	sp_out_heap(&s->gate_texts, 1 << 20);
	sp_random_bytes(&s->key, sizeof s->key);
	if (options->size > offsetof(struct sp_server_options, state_key) + sizeof options->state_key - 1)
		key = options->state_key;
	s->seal = sp_seal_new(key);
	sp_options_take(s, options);
	sp_out_heap(&s->reply, s->opt.max_result + s->opt.max_result / 2 + (1 << 20));
	if (s->seal != NULL)
		return s;
	sp_server_free(s);
	return NULL;
}

enum sp_status
sp_server_begin(struct sp_server *s, const struct sp_server_host *host, struct sp_error *e)
{
	if (s->begun) {
		*e = (struct sp_error){ .rc = SP_RC_INVALID, .text = "this server is served already" };
		return SP_E_CONFIG;
	}
	if (!sp_server_check(s, e))
		return SP_E_CONFIG;
	if (!sp_tasks_new(s)) {
		*e = (struct sp_error){ .rc = SP_RC_NO_MEMORY, .text = "no memory" };
		return SP_E_SYSTEM;
	}
	s->host = *host;
	pthread_mutex_lock(&s->lock);
	s->begun = true;
	pthread_mutex_unlock(&s->lock);
	return SP_OK;
}

struct sp_server_part *
sp_server_outbound(struct sp_server *s)
{
	return &s->outbound;
}

struct sp_server_part *
sp_server_transport(struct sp_server *s)
{
	return &s->transport;
}

/* ---------------------------------------------------------------- contexts */

static void
context_free(struct sp_context *c)
{
	sp_arena_free(&c->arena);
	sp_out_free(&c->out.text);
	sp_out_free(&c->out.structured);
	free(c);
}

static struct sp_context *
context_take(struct sp_server *s)
{
	struct sp_context *c = s->spare;

	if (c != NULL) {
		struct sp_arena arena = c->arena;
		struct sp_out text = c->out.text, structured = c->out.structured;

		s->spare = c->next;
		s->nspare--;
		*c = (struct sp_context){ .arena = arena, .out = { .text = text, .structured = structured } };
		return c;
	}
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	sp_arena_init(&c->arena, s->opt.max_body * 8 + (1 << 20));
	sp_out_heap(&c->out.text, s->opt.max_result);
	sp_out_heap(&c->out.structured, s->opt.max_result);
	return c;
}

struct sp_context *
sp_context_new(struct sp_server *s, struct sp_exchange *x)
{
	struct sp_context *c = context_take(s);

	if (c == NULL)
		return NULL;
	c->s = s;
	c->x = x;
	c->who = x->who == NULL ? NULL : sp_principal_hold(x->who);
	c->http = x->head != NULL;
	sp_caller_mark(s, c->who, c->mark);
	c->next = s->open;
	if (c->next != NULL)
		c->next->prev = c;
	s->open = c;
	x->call = c;
	return c;
}

void
sp_context_join(struct sp_context *c, struct sp_session *session)
{
	c->session = session;
	c->peer_next = session->calls;
	if (c->peer_next != NULL)
		c->peer_next->peer_prev = c;
	session->calls = c;
	session->ncalls++;
}

static void
leave_session(struct sp_context *c)
{
	struct sp_session *session = c->session;

	if (session == NULL)
		return;
	*(c->peer_prev == NULL ? &session->calls : &c->peer_prev->peer_next) = c->peer_next;
	if (c->peer_next != NULL)
		c->peer_next->peer_prev = c->peer_prev;
	c->peer_prev = c->peer_next = NULL;
	session->ncalls--;
	session->nstreams -= c->stream != NULL ? 1u : 0u;
	c->session = NULL;
}

void
sp_notes_free(struct sp_notes *n)
{
	struct sp_note *next;

	for (struct sp_note *note = n->first; note != NULL; note = next) {
		next = note->next;
		free(note);
	}
	*n = (struct sp_notes){ 0 };
}

/* Nobody points at it any more, and no handler has it. */
static void
context_drop(struct sp_context *c)
{
	struct sp_server *s = c->s;

	if (s->cursor == c)
		s->cursor = c->next;
	*(c->prev == NULL ? &s->open : &c->prev->next) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	sp_ask_end(c);
	sp_task_end(c);
	while (c->kept != NULL) {
		struct sp_kept *k = c->kept;

		c->kept = k->next;
		k->drop(k->p);
		free(k);
	}
	sp_notes_free(&c->notes);
	sp_notes_free(&c->held);
	sp_out_free(&c->answer);
	sp_offer_drop(&c->offer);
	if (c->who != NULL)
		sp_principal_drop(&c->who);
	if (s->nspare == SPARE_MAX || c->arena.used > SPARE_BYTES || c->out.text.cap > SPARE_BYTES ||
	    c->out.structured.cap > SPARE_BYTES) {
		sp_arena_reset(&c->arena);
		context_free(c);
		return;
	}
	sp_arena_reset(&c->arena);
	sp_out_reset(&c->out.text);
	sp_out_reset(&c->out.structured);
	c->next = s->spare;
	s->spare = c;
	s->nspare++;
}

void
sp_context_end(struct sp_context *c)
{
	struct sp_server *s = c->s;

	if (c->phase == SP_CALL_WAITS)
		s->nwaiting--;
	c->phase = SP_CALL_OVER;
	if (c->x != NULL)
		c->x->call = NULL;
	c->x = NULL;
	leave_session(c);
	if (c->stream != NULL) {
		s->nstreams--;
		sp_stream_free(&c->stream);
	}
	if (!c->running)
		context_drop(c);
}

struct sp_out *
sp_reply_begin(struct sp_server *s)
{
	if (s->reply.cap > REPLY_KEPT) {
		size_t max = s->reply.max;

		sp_out_free(&s->reply);
		sp_out_heap(&s->reply, max);
	}
	sp_out_reset(&s->reply);
	return &s->reply;
}

/* ---------------------------------------------------------------- what happens beside messages */

static struct sp_context *
take_ready(struct sp_server *s, unsigned *signals, struct sp_notes *notes)
{
	struct sp_context *c;

	pthread_mutex_lock(&s->lock);
	c = s->ready;
	if (c != NULL) {
		s->ready = c->ready_next;
		if (s->ready == NULL)
			s->ready_last = NULL;
		c->ready_next = NULL;
		c->queued = false;
		*signals = c->signals;
		c->signals = 0;
		*notes = c->notes;
		c->notes = (struct sp_notes){ 0 };
		c->was_deferred = c->deferred;
	}
	pthread_mutex_unlock(&s->lock);
	return c;
}

static void
tell_changes(struct sp_server *s)
{
	struct sp_notes updated;
	unsigned changed;

	pthread_mutex_lock(&s->lock);
	changed = s->changed;
	s->changed = 0;
	updated = s->updated;
	s->updated = (struct sp_notes){ 0 };
	pthread_mutex_unlock(&s->lock);
	for (unsigned k = 1; k < SP_KINDS; k++)
		if ((changed & 1u << k) != 0)
			sp_notify_changed(s, k, NULL);
	for (struct sp_note *n = updated.first; n != NULL; n = n->next)
		sp_notify_updated(s, sp_mem(n->json, n->n));
	sp_notes_free(&updated);
}

void
sp_server_turn(struct sp_server *s)
{
	struct sp_context *c;
	struct sp_notes notes;
	unsigned signals;

	if (s->taking)
		return;
	s->taking = true;
	tell_changes(s);
	while ((c = take_ready(s, &signals, &notes)) != NULL)
		sp_call_take(c, signals, &notes);
	tell_changes(s);
	s->taking = false;
}

/* An answer may let a transport go on with its next message, and that may end any context. */
static void
each_begin(struct sp_server *s)
{
	s->cursor = s->open;
}

static struct sp_context *
each_next(struct sp_server *s)
{
	struct sp_context *c = s->cursor;

	if (c != NULL)
		s->cursor = c->next;
	return c;
}

uint64_t
sp_server_tick(struct sp_server *s)
{
	uint64_t now = sp_now_ms(s);
	struct sp_context *c;

	s->taking = true;
	each_begin(s);
	while ((c = each_next(s)) != NULL) {
		if (c->stream != NULL)
			sp_stream_tick(c, now);
		else
			sp_call_tick(c, now);
	}
	sp_tasks_tick(s, now);
	s->taking = false;
	sp_server_turn(s);
	return s->open == NULL && s->ntask_tools == 0 ? UINT64_MAX : TICK_MS;
}

void
sp_server_gone(struct sp_server *s, struct sp_exchange *x)
{
	struct sp_context *c = x->call;

	x->call = NULL;
	if (c == NULL)
		return;
	c->x = NULL;
	if (c->stream != NULL)
		sp_context_end(c);
	else
		sp_call_gone(c);
}

void
sp_server_drain(struct sp_server *s)
{
	struct sp_context *c;

	s->draining = true;
	each_begin(s);
	while ((c = each_next(s)) != NULL)
		if (c->stream != NULL)
			sp_stream_finish(c);
}

uint32_t
sp_server_busy(const struct sp_server *s)
{
	return s->nrunning;
}

/* ---------------------------------------------------------------- end */

static void
part_free(struct sp_server_part *part)
{
	if (part->free != NULL && part->p != NULL)
		part->free(part->p);
	*part = (struct sp_server_part){ 0 };
}

static void
contexts_free(struct sp_server *s)
{
	struct sp_context *next;

	for (struct sp_context *c = s->open; c != NULL; c = next) {
		next = c->next;
		if (c->running)
			sp_log(SP_ERROR, "call.unreleased", SP_S("name", c->name));
		c->running = false;
		c->x = NULL;
		sp_context_end(c);
	}
	while (s->spare != NULL) {
		struct sp_context *c = s->spare;

		s->spare = c->next;
		context_free(c);
	}
}

void
sp_server_free(struct sp_server *s)
{
	if (s == NULL)
		return;
	if (s->outbound.end != NULL && s->outbound.p != NULL)
		s->outbound.end(s->outbound.p);
	if (s->transport.end != NULL && s->transport.p != NULL)
		s->transport.end(s->transport.p);
	/* What handlers said last still counts: tasks may be kept by it, memory certainly is. */
	if (s->begun)
		sp_server_turn(s);
	contexts_free(s);
	while (s->oldest != NULL)
		sp_session_free(s, s->oldest);
	free(s->sessions);
	sp_offers_free(s);
	part_free(&s->outbound);
	if (s->tasks != NULL)
		sp_tasks_free(s);
	sp_seal_free(&s->seal);
	for (size_t i = 0; i < SP_COUNT(s->marks); i++)
		if (s->marks[i].who != NULL)
			sp_principal_drop(&s->marks[i].who);
	sp_auth_check_free(s->opt.check);
	sp_auth_provider_free(s->opt.auth);
	sp_notes_free(&s->updated);
	sp_out_free(&s->mistakes);
	sp_out_free(&s->gate_texts);
	sp_out_free(&s->reply);
	sp_arena_free(&s->texts);
	part_free(&s->transport);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
