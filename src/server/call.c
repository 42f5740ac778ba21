/*
 * A call: from the component that the gate let this caller to, through its handler on some thread, to its answer.  What ends
 * it early (the client, time, a broken promise of the handler) ends it once; the context stays until its handler is back.
 */
#include "server/engine.h"

#include "base/log.h"

#include <stdlib.h>

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- from the handler's thread */

void
sp_call_signal(struct sp_context *c, unsigned signals)
{
	struct sp_server *s = c->s;
	bool wake;

	pthread_mutex_lock(&s->lock);
	wake = s->ready == NULL && !c->quiet;
	c->signals |= signals;
	if (!c->queued) {
		c->queued = true;
		c->ready_next = NULL;
		if (s->ready_last == NULL)
			s->ready = c;
		else
			s->ready_last->ready_next = c;
		s->ready_last = c;
	}
	/* Still under the lock: behind it, this may have been the last that anybody waited for before the server ends. */
	if (wake)
		s->host.wake(s->host.ctx);
	pthread_mutex_unlock(&s->lock);
}

enum sp_rc
sp_call_open(const struct sp_context *c)
{
	if (c->cancelled)
		return SP_RC_CANCELLED;
	return c->completed ? SP_RC_OVER : SP_RC_OK;
}

static void
notes_add(struct sp_notes *all, struct sp_note *n)
{
	n->next = NULL;
	if (all->last == NULL)
		all->first = n;
	else
		all->last->next = n;
	all->last = n;
	all->n++;
	all->bytes += n->n;
}

static struct sp_note *
note_new(sp_slice json)
{
	struct sp_note *n = calloc(1, sizeof *n + json.n + 1);

	if (n == NULL)
		return NULL;
	n->kind = SP_NOTE_SEND;
	n->n = json.n;
	memcpy(n->json, json.n == 0 ? "" : json.p, json.n);
	return n;
}

static enum sp_rc
queue(struct sp_context *c, struct sp_note *n)
{
	bool full;

	if (n == NULL)
		return SP_RC_NO_MEMORY;
	pthread_mutex_lock(&c->s->lock);
	full = c->notes.n >= SP_NOTES_MAX || c->notes.bytes + n->n > SP_NOTES_BYTES;
	if (!full)
		notes_add(&c->notes, n);
	pthread_mutex_unlock(&c->s->lock);
	if (full) {
		free(n);
		return SP_RC_UNAVAILABLE;
	}
	sp_call_signal(c, SP_SIG_NOTES);
	return SP_RC_OK;
}

enum sp_rc
sp_call_say(struct sp_context *c, sp_slice json, uint32_t level)
{
	struct sp_note *n = note_new(json);

	if (n != NULL)
		n->level = level;
	return queue(c, n);
}

enum sp_rc
sp_close_stream(struct sp_context *c, unsigned retry_ms)
{
	enum sp_rc rc = sp_call_open(c);
	struct sp_note *n;

	if (rc != SP_RC_OK)
		return rc;
	if (c->ask.era != SP_ERA_LEGACY || !c->http)
		return SP_RC_UNSUPPORTED;
	n = note_new(nothing);
	if (n != NULL) {
		n->kind = SP_NOTE_CLOSE;
		n->retry_ms = retry_ms;
	}
	return queue(c, n);
}

struct sp_context *
sp_defer(struct sp_context *c)
{
	pthread_mutex_lock(&c->s->lock);
	c->deferred = true;
	pthread_mutex_unlock(&c->s->lock);
	return c;
}

enum sp_rc
sp_complete(struct sp_context *c)
{
	enum sp_rc rc = sp_call_open(c);

	if (rc != SP_RC_OK)
		return rc;
	if (!c->deferred)
		return SP_RC_INVALID;
	c->completed = true;
	sp_call_signal(c, SP_SIG_COMPLETED);
	return SP_RC_OK;
}

void
sp_release(struct sp_context *c)
{
	bool counts;

	pthread_mutex_lock(&c->s->lock);
	counts = c->deferred && !c->released;
	c->released = c->released || counts;
	pthread_mutex_unlock(&c->s->lock);
	if (counts)
		sp_call_signal(c, SP_SIG_RELEASED);
}

void
sp_call_job(void *arg)
{
	struct sp_context *c = arg;

	if (!c->completing)
		c->handler(c, c->offer->arg);
	else if (c->offer->complete != NULL)
		c->offer->complete(c, c->argument, c->value, c->offer->arg);
	sp_call_signal(c, SP_SIG_RETURNED);
}

/* ---------------------------------------------------------------- to the client */

static sp_slice
event_id(const struct sp_context *c, uint64_t seq, char buf[static 48])
{
	struct sp_out o;

	sp_out_init(&o, buf, 48);
	sp_out_fmt(&o, "%llu-%llu", (unsigned long long)c->stream_no, (unsigned long long)seq);
	return sp_out_view(&o);
}

/* Kept until the call ends, so that a client that comes back finds it; the oldest goes first. */
static uint64_t
keep(struct sp_context *c, sp_slice json)
{
	struct sp_note *n = note_new(json);

	if (n == NULL)
		return c->next_seq;
	n->seq = ++c->next_seq;
	notes_add(&c->held, n);
	while (c->held.n > SP_HELD_MAX || (c->held.n > 1 && c->held.bytes > SP_HELD_BYTES)) {
		struct sp_note *first = c->held.first;

		c->held.first = first->next;
		c->held.n--;
		c->held.bytes -= first->n;
		free(first);
	}
	return c->next_seq;
}

static bool
takes_more(const struct sp_context *c)
{
	return c->x != NULL && c->x->streams && c->x->ops->unread(c->x) <= SP_UNREAD_MAX;
}

bool
sp_call_send(struct sp_context *c, sp_slice json)
{
	char buf[48];

	if (!c->primed)
		return takes_more(c) && c->x->ops->send(c->x, json, nothing);
	if (!takes_more(c)) {
		keep(c, json);
		return true;
	}
	return c->x->ops->send(c->x, json, event_id(c, keep(c, json), buf));
}

/* SEP-1699: an id to come back with, then the connection ends, the call does not.  mcp-spec 1.3: revisions before that may
 * not do so. */
static void
close_stream(struct sp_context *c, uint32_t retry_ms)
{
	struct sp_exchange *x = c->x;
	char buf[48];

	if (x == NULL || !x->streams || c->session == NULL || c->session->revision != SP_MCP_2025_11_25)
		return;
	if (!c->primed) {
		c->primed = true;
		c->stream_no = ++c->session->next_stream;
	}
	if (!x->ops->send(x, nothing, event_id(c, c->next_seq, buf)))
		return;
	c->x = NULL;
	x->call = NULL;
	x->ops->pause(x, retry_ms);
}

static bool
wants_level(const struct sp_context *c, uint32_t level)
{
	return level == 0 || c->session == NULL || level >= c->session->log_level;
}

static void
carry_out(struct sp_context *c, const struct sp_notes *notes)
{
	for (const struct sp_note *n = notes->first; n != NULL; n = n->next) {
		if (n->kind == SP_NOTE_CLOSE)
			close_stream(c, n->retry_ms);
		else if (wants_level(c, n->level))
			(void)sp_call_send(c, sp_mem(n->json, n->n));
	}
}

/* ---------------------------------------------------------------- the end */

/* What is in s->reply goes to the client, or waits for it to come back. */
static void
deliver(struct sp_context *c)
{
	struct sp_server *s = c->s;

	if (c->x != NULL || !c->primed || c->session == NULL || s->nwaiting >= s->opt.max_calls) {
		sp_call_reply(c, SP_OK, sp_out_view(&s->reply));
		sp_context_end(c);
		return;
	}
	sp_out_heap(&c->answer, s->reply.max);
	sp_out_slice(&c->answer, sp_out_view(&s->reply));
	if (c->answer.full) {
		sp_context_end(c);
		return;
	}
	s->nwaiting++;
	c->phase = SP_CALL_WAITS;
	c->deadline_ms = sp_now_ms(s) + SP_COME_BACK_MS;
}

static void
conclude(struct sp_context *c, bool is_error, sp_slice object)
{
	if (c->task == NULL) {
		deliver(c);
		return;
	}
	sp_task_done(c, is_error, object);
	sp_context_end(c);
}

void
sp_call_fail(struct sp_context *c, enum sp_status st, const char *text)
{
	sp_slice object;
	bool is_error = sp_result_fail(c, sp_reply_begin(c->s), st, text, &object);

	conclude(c, is_error, object);
}

static void
finish(struct sp_context *c)
{
	struct sp_content *out = &c->out;
	sp_slice object;
	bool is_error;

	if (c->was_deferred && (c->seen & SP_SIG_COMPLETED) == 0)
		out->broken = "it was released without sp_complete()";
	if (out->broken == NULL && !out->failed && out->rpc_code == 0 && sp_ask_pending(c)) {
		if (!sp_ask_out(c))
			sp_call_fail(c, SP_E_BUG, "the client cannot be asked");
		else if (c->phase != SP_CALL_ASKS)
			sp_context_end(c);
		return;
	}
	is_error = sp_result_write(c, sp_reply_begin(c->s), &object);
	conclude(c, is_error, object);
}

/* The handler, and whoever it gave c to, are done with it. */
static void
handler_left(struct sp_context *c)
{
	c->running = false;
	c->s->nrunning--;
}

void
sp_call_take(struct sp_context *c, unsigned signals, struct sp_notes *notes)
{
	bool back, left, done;

	c->seen |= signals;
	if (c->phase == SP_CALL_RUNS)
		carry_out(c, notes);
	sp_notes_free(notes);
	if ((signals & SP_SIG_TASK) != 0 && c->phase == SP_CALL_RUNS)
		sp_task_start(c);
	back = (c->seen & SP_SIG_RETURNED) != 0;
	left = back && (!c->was_deferred || (c->seen & SP_SIG_RELEASED) != 0);
	done = left || (back && (c->seen & SP_SIG_COMPLETED) != 0);
	if (left && c->running)
		handler_left(c);
	if (c->phase == SP_CALL_RUNS && done)
		finish(c);
	else if (c->phase == SP_CALL_OVER && !c->running)
		sp_context_end(c);
}

void
sp_call_cancel(struct sp_context *c)
{
	if (c->phase == SP_CALL_OVER)
		return;
	c->cancelled = true;
	sp_call_reply(c, SP_E_CANCELLED, nothing);
	sp_context_end(c);
}

void
sp_call_deadline(struct sp_context *c, unsigned seconds)
{
	c->deadline_ms = sp_now_ms(c->s) + (uint64_t)seconds * 1000;
}

void
sp_call_tick(struct sp_context *c, uint64_t now_ms)
{
	if (c->deadline_ms == 0 || now_ms < c->deadline_ms)
		return;
	if (c->phase == SP_CALL_WAITS) {
		sp_context_end(c);
	} else if (c->phase == SP_CALL_RUNS || c->phase == SP_CALL_ASKS) {
		sp_log(SP_WARN, "call.late", SP_C("kind", sp_kind_word(c->offer->kind)), SP_S("name", c->name));
		c->cancelled = true;
		sp_call_fail(c, SP_E_TIMEOUT, "it did not answer in time");
	}
}

/* mcp-spec 1.5: in the modern era, and wherever there is no way back, a client that has gone has cancelled. */
void
sp_call_gone(struct sp_context *c)
{
	if (c->task != NULL || c->phase == SP_CALL_OVER)
		return;
	/* Who waits for answers of a client that is gone, waits for nothing. */
	if (c->ask.era == SP_ERA_MODERN || !c->http || (c->phase == SP_CALL_ASKS && !c->primed))
		sp_call_cancel(c);
}

/* ---------------------------------------------------------------- coming back (mcp-spec 1.3, resumption) */

static void
send_held(struct sp_context *c, uint64_t after)
{
	char buf[48];

	for (const struct sp_note *n = c->held.first; n != NULL && c->x != NULL; n = n->next)
		if (n->seq > after && !c->x->ops->send(c->x, sp_mem(n->json, n->n), event_id(c, n->seq, buf)))
			return;
}

bool
sp_call_resume(struct sp_session *session, struct sp_exchange *x, sp_slice last)
{
	struct sp_context *c;
	uint64_t stream_no, seq;

	if (!sp_take_u64(&last, UINT64_MAX, &stream_no) || !sp_take(&last, SP_LIT("-")) ||
	    !sp_take_u64(&last, UINT64_MAX, &seq) || last.n != 0)
		return false;
	for (c = session->calls; c != NULL; c = c->peer_next)
		if (c->primed && c->stream_no == stream_no)
			break;
	if (c == NULL)
		return false;
	sp_call_reply(c, SP_OK, nothing);	/* an older connection that has not noticed its end */
	c->x = x;
	x->call = c;
	send_held(c, seq);
	if (c->phase == SP_CALL_WAITS) {
		sp_call_reply(c, SP_OK, sp_out_view(&c->answer));
		sp_context_end(c);
	}
	return true;
}
