/*
 * Calls that became tasks (extension io.modelcontextprotocol/tasks, SEP-2663; mcp-spec 2.5): their client has been told an id
 * and asks for the outcome.  An id is 128 random bits and serves its own caller only; whoever asks passes the gate of the tool
 * again, as a call would (threat rows E15, E23).
 *
 * A task runs for task_ttl_s at most, and what came of it is kept for as long again.  The table is bounded, per caller too:
 * a tool that finds it full goes on as a plain call.
 */
#include "server/engine.h"

#include "base/log.h"
#include "base/utf8.h"
#include "crypto/crypto.h"
#include "server/ask.h"

#include <stdlib.h>
#include <time.h>

enum {
	ID = 32,				/* hexadecimal digits */
	BUCKETS = 256, TASKS_MAX = 1024, OF_ONE_MAX = 64, OF_NOBODY_MAX = TASKS_MAX / 2,
	KEPT_BYTES = 64 << 20,			/* of all outcomes; of one caller a quarter, of nobody a half */
	MESSAGE_MAX = 1024, POLL_MS = 1000
};

enum status { WORKING = 0, INPUT_REQUIRED, COMPLETED, FAILED, CANCELLED };
static const char *const words[] = { "working", "input_required", "completed", "failed", "cancelled" };

struct sp_task {
	struct sp_task *next;			/* of its bucket; under s->lock */
	char	 id[ID + 1];
	uint8_t	 mark[32];
	bool	 started;			/* its client was told; false: found by nobody */
	char	*said;				/* by sp_task_status(), not taken over yet; under s->lock */
	enum status status;
	char	*message;
	int64_t	 created_s, updated_s;
	uint64_t expires_ms;
	struct sp_offer *offer;
	char	*name, *arguments;		/* for the gate */
	struct sp_context *c;			/* NULL: it is over */
	char	*outcome;			/* JSON object of COMPLETED or FAILED */
	size_t	 outcome_n;
};

struct sp_tasks {
	struct sp_task *bucket[BUCKETS];	/* by the first byte of the id */
	unsigned n;
};

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- the table */

bool
sp_tasks_new(struct sp_server *s)
{
	s->tasks = calloc(1, sizeof *s->tasks);
	return s->tasks != NULL;
}

static unsigned
bucket_of(const char *id)
{
	return (unsigned)(sp_hex_value((unsigned char)id[0]) << 4 | sp_hex_value((unsigned char)id[1])) % BUCKETS;
}

static bool
is_nobody(const uint8_t mark[32])
{
	static const uint8_t nobody[32];

	return memcmp(mark, nobody, sizeof nobody) == 0;
}

/* Under s->lock. */
static bool
has_room(const struct sp_tasks *all, const uint8_t mark[32])
{
	unsigned own = 0;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (const struct sp_task *t = all->bucket[b]; t != NULL; t = t->next)
			own += memcmp(t->mark, mark, sizeof t->mark) == 0 ? 1 : 0;
	return all->n < TASKS_MAX && own < (is_nobody(mark) ? OF_NOBODY_MAX : OF_ONE_MAX);
}

static void
task_free(struct sp_server *s, struct sp_task *t)
{
	struct sp_task **at = &s->tasks->bucket[bucket_of(t->id)];

	pthread_mutex_lock(&s->lock);
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	s->tasks->n--;
	pthread_mutex_unlock(&s->lock);
	sp_offer_drop(&t->offer);
	free(t->said);
	free(t->message);
	free(t->name);
	free(t->arguments);
	free(t->outcome);
	free(t);
}

void
sp_tasks_free(struct sp_server *s)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		while (s->tasks->bucket[b] != NULL)
			task_free(s, s->tasks->bucket[b]);
	free(s->tasks);
	s->tasks = NULL;
}

/* This caller's; NULL: none, whoever else's it may be. */
static struct sp_task *
find(struct sp_server *s, const uint8_t mark[32], sp_slice id)
{
	struct sp_task *t;

	if (id.n != ID || s->tasks == NULL)
		return NULL;
	for (size_t i = 0; i < 2; i++)
		if (sp_hex_value((unsigned char)id.p[i]) < 0)
			return NULL;
	pthread_mutex_lock(&s->lock);
	for (t = s->tasks->bucket[bucket_of(id.p)]; t != NULL; t = t->next)
		if (t->started && memcmp(t->id, id.p, ID) == 0 && memcmp(t->mark, mark, sizeof t->mark) == 0)
			break;
	pthread_mutex_unlock(&s->lock);
	return t;
}

bool
sp_task_is(struct sp_server *s, const uint8_t mark[32], sp_slice task_id)
{
	return find(s, mark, task_id) != NULL;
}

/* ---------------------------------------------------------------- for handlers */

bool
sp_task_client_can(const struct sp_context *c)
{
	return (c->caps & SP_CLIENT_TASKS) != 0;
}

bool
sp_is_task(const struct sp_context *c)
{
	return c->as_task != NULL;
}

enum sp_rc
sp_become_task(struct sp_context *c)
{
	struct sp_server *s = c->s;
	enum sp_rc rc = sp_call_open(c);
	struct sp_task *t;
	uint8_t random[ID / 2];
	struct sp_out id;
	bool room;

	if (rc != SP_RC_OK || c->as_task != NULL)
		return rc;
	if (c->ask.method != SP_MCP_TOOLS_CALL || c->offer->task == SP_TASK_NEVER)
		return SP_RC_INVALID;
	if (c->ask.era != SP_ERA_MODERN || !sp_task_client_can(c))
		return SP_RC_UNSUPPORTED;
	t = calloc(1, sizeof *t);
	if (t == NULL)
		return SP_RC_NO_MEMORY;
	sp_random_bytes(random, sizeof random);
	sp_out_init(&id, t->id, ID);
	sp_out_hex(&id, random, sizeof random);
	memcpy(t->mark, c->mark, sizeof t->mark);
	pthread_mutex_lock(&s->lock);
	room = has_room(s->tasks, t->mark);
	if (room) {
		t->next = s->tasks->bucket[bucket_of(t->id)];
		s->tasks->bucket[bucket_of(t->id)] = t;
		s->tasks->n++;
	}
	pthread_mutex_unlock(&s->lock);
	if (!room) {
		free(t);
		return SP_RC_UNAVAILABLE;
	}
	c->as_task = t;
	sp_call_signal(c, SP_SIG_TASK);
	return SP_RC_OK;
}

enum sp_rc
sp_task_status(struct sp_context *c, const char *message)
{
	enum sp_rc rc = sp_call_open(c);
	size_t n = message == NULL ? 0 : strlen(message);
	char *copy;

	if (rc != SP_RC_OK)
		return rc;
	if (c->as_task == NULL || message == NULL || !sp_utf8_valid(sp_str(message)))
		return SP_RC_INVALID;
	if (n > MESSAGE_MAX)
		return SP_RC_TOO_BIG;
	copy = malloc(n + 1);
	if (copy == NULL)
		return SP_RC_NO_MEMORY;
	memcpy(copy, message, n + 1);
	pthread_mutex_lock(&c->s->lock);
	free(c->as_task->said);
	c->as_task->said = copy;
	pthread_mutex_unlock(&c->s->lock);
	sp_call_signal(c, SP_SIG_TASK);
	return SP_RC_OK;
}

/* ---------------------------------------------------------------- as JSON */

static void
write_time(struct sp_out *o, const char *key, int64_t at_s)
{
	time_t at = (time_t)at_s;
	struct tm tm;
	char buf[32];

	if (gmtime_r(&at, &tm) == NULL || strftime(buf, sizeof buf, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(buf, "1970-01-01T00:00:00Z", sizeof "1970-01-01T00:00:00Z");
	sp_out_fmt(o, ",\"%s\":\"%s\"", key, buf);
}

static uint64_t
ttl_ms(const struct sp_server *s)
{
	return (uint64_t)s->opt.task_ttl_s * 2000;
}

/* The members of a Task, the first without a comma before it. */
static void
write_task(struct sp_out *o, const struct sp_server *s, const struct sp_task *t)
{
	sp_out_fmt(o, "\"taskId\":\"%s\",\"status\":\"%s\"", t->id, words[t->status]);
	if (t->message != NULL) {
		sp_out_str(o, ",\"statusMessage\":");
		sp_jout_str(o, sp_str(t->message));
	}
	write_time(o, "createdAt", t->created_s);
	write_time(o, "lastUpdatedAt", t->updated_s);
	sp_out_fmt(o, ",\"ttlMs\":%llu,\"pollIntervalMs\":%d", (unsigned long long)ttl_ms(s), POLL_MS);
}

static void
write_detail(struct sp_out *o, const struct sp_task *t)
{
	if (t->status == INPUT_REQUIRED && t->c != NULL && t->c->asking != NULL) {
		sp_out_str(o, ",\"inputRequests\":");
		sp_asking_requests(t->c->asking, o);
	}
	if (t->outcome == NULL)
		return;
	sp_out_str(o, t->status == COMPLETED ? ",\"result\":" : ",\"error\":");
	sp_out_slice(o, sp_mem(t->outcome, t->outcome_n));
}

/* Streams that asked for it hear what it is now; not what came of it, for which the gate is asked. */
static void
changed(struct sp_server *s, struct sp_task *t)
{
	struct sp_out params;

	t->updated_s = s->host.now_s(s->host.ctx);
	sp_out_heap(&params, 8 * MESSAGE_MAX);
	sp_out_byte(&params, '{');
	write_task(&params, s, t);
	sp_out_byte(&params, '}');
	if (!params.full)
		sp_notify_task(s, t->mark, sp_str(t->id), sp_out_view(&params));
	sp_out_free(&params);
}

/* ---------------------------------------------------------------- its life */

/* What sp_task_status() said last.  False: nothing new. */
static bool
take_message(struct sp_server *s, struct sp_task *t)
{
	char *said;

	pthread_mutex_lock(&s->lock);
	said = t->said;
	t->said = NULL;
	pthread_mutex_unlock(&s->lock);
	if (said == NULL)
		return false;
	free(t->message);
	t->message = said;
	return true;
}

static char *
copy_text(const char *text)
{
	size_t n = strlen(text);
	char *copy = malloc(n + 1);

	if (copy != NULL)
		memcpy(copy, text, n + 1);
	return copy;
}

static void
start(struct sp_context *c)
{
	struct sp_server *s = c->s;
	struct sp_task *t = c->as_task;
	struct sp_out *o;

	t->name = copy_text(c->offer->name.p);
	t->arguments = copy_text(c->args_text == NULL ? "{}" : c->args_text);
	if (t->name == NULL || t->arguments == NULL)
		return;			/* it stays a call */
	t->offer = sp_offer_hold(c->offer);
	t->created_s = t->updated_s = s->host.now_s(s->host.ctx);
	t->expires_ms = sp_now_ms(s) + ttl_ms(s);
	t->c = c;
	(void)take_message(s, t);
	pthread_mutex_lock(&s->lock);
	t->started = true;
	pthread_mutex_unlock(&s->lock);
	c->task = t;
	sp_call_deadline(c, s->opt.task_ttl_s);
	o = sp_reply_begin(s);
	sp_result_open(o, c, "task");
	sp_out_byte(o, ',');
	write_task(o, s, t);
	sp_out_str(o, SP_MCP_CLOSE);
	sp_call_reply(c, SP_OK, sp_out_view(o));
}

void
sp_task_start(struct sp_context *c)
{
	if (c->task == NULL)
		start(c);
	else if (take_message(c->s, c->task))
		changed(c->s, c->task);
}

void
sp_task_asks(struct sp_context *c)
{
	c->task->status = INPUT_REQUIRED;
	changed(c->s, c->task);
}

static bool
may_keep(const struct sp_server *s, const struct sp_task *t, size_t n)
{
	size_t all = n, own = n;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (const struct sp_task *o = s->tasks->bucket[b]; o != NULL; o = o->next) {
			all += o->outcome_n;
			own += memcmp(o->mark, t->mark, sizeof t->mark) == 0 ? o->outcome_n : 0;
		}
	return all <= KEPT_BYTES && own <= KEPT_BYTES / (is_nobody(t->mark) ? 2 : 4);
}

static bool
keep(struct sp_server *s, struct sp_task *t, sp_slice object)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = may_keep(s, t, object.n);
	pthread_mutex_unlock(&s->lock);
	t->outcome = room && object.n != 0 ? malloc(object.n) : NULL;
	if (t->outcome == NULL)
		return false;
	memcpy(t->outcome, object.p, object.n);
	t->outcome_n = object.n;
	return true;
}

/* False: it had an end before. */
static bool
settle(struct sp_server *s, struct sp_task *t, enum status status, sp_slice object)
{
	static const char lost[] = "{\"code\":-32603,\"message\":\"the outcome could not be kept\"}";

	if (t->status >= COMPLETED)
		return false;
	(void)take_message(s, t);
	t->status = status;
	if (status != CANCELLED && !keep(s, t, object)) {
		sp_log(SP_ERROR, "task.lost", SP_C("name", t->name), SP_U("bytes", object.n));
		t->status = FAILED;
		(void)keep(s, t, sp_mem(lost, sizeof lost - 1));
	}
	t->updated_s = s->host.now_s(s->host.ctx);
	return true;
}

void
sp_task_done(struct sp_context *c, bool is_error, sp_slice object)
{
	if (settle(c->s, c->task, is_error ? FAILED : COMPLETED, object))
		changed(c->s, c->task);
}

void
sp_task_end(struct sp_context *c)
{
	struct sp_task *t = c->as_task;

	c->as_task = c->task = NULL;
	if (t == NULL)
		return;
	t->c = NULL;
	if (!t->started) {
		task_free(c->s, t);
		return;
	}
	/* Said to nobody: streams may be gone, when the server ends. */
	(void)settle(c->s, t, FAILED, SP_LIT("{\"code\":-32603,\"message\":\"it ended without an outcome\"}"));
}

static void
cancel(struct sp_server *s, struct sp_task *t)
{
	if (settle(s, t, CANCELLED, nothing))
		changed(s, t);
	if (t->c != NULL)
		sp_call_cancel(t->c);
}

static struct sp_task *
first_expired(struct sp_server *s, uint64_t now_ms)
{
	struct sp_task *t = NULL;

	pthread_mutex_lock(&s->lock);
	for (unsigned b = 0; b < BUCKETS && t == NULL; b++)
		for (t = s->tasks->bucket[b]; t != NULL; t = t->next)
			if (t->started && t->c == NULL && now_ms >= t->expires_ms)
				break;
	pthread_mutex_unlock(&s->lock);
	return t;
}

void
sp_tasks_tick(struct sp_server *s, uint64_t now_ms)
{
	struct sp_task *t;

	while ((t = first_expired(s, now_ms)) != NULL)
		task_free(s, t);
}

/* ---------------------------------------------------------------- tasks/get, tasks/update, tasks/cancel */

static void
refuse_unknown(struct sp_context *c)
{
	sp_call_refuse(c, SP_E_BAD_PARAMS, SP_LIT("unknown task"), nothing);
}

/* The caller's task, if it may still use the tool; NULL: it was refused, and c has ended. */
static struct sp_task *
admit(struct sp_context *c)
{
	struct sp_task *t;
	struct sp_verdict v;

	if (!sp_task_client_can(c)) {
		sp_call_refuse(c, SP_E_CAPABILITY, nothing,
		    SP_LIT("{\"requiredCapabilities\":{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}}"));
		return NULL;
	}
	t = find(c->s, c->mark, c->ask.name);
	if (t == NULL) {
		refuse_unknown(c);
		return NULL;
	}
	if (sp_gate(c->s, c->x, t->offer, t->name, t->arguments, &v) == SP_OK)
		return t;
	/* A challenge tells that a credential or scopes are missing; all else is as if there were no task. */
	if (v.st == SP_E_NO_TOKEN || v.st == SP_E_SCOPE)
		sp_gate_refuse(c, &v);
	else
		refuse_unknown(c);
	return NULL;
}

static void
acknowledge(struct sp_context *c)
{
	sp_mcp_empty_as(sp_reply_begin(c->s), c->ask.era, c->rpc.id, c->s->info);
	sp_answer_ok(c);
}

void
sp_task_get(struct sp_context *c)
{
	struct sp_task *t = admit(c);
	struct sp_out *o;

	if (t == NULL)
		return;
	o = sp_reply_begin(c->s);
	sp_result_open(o, c, "complete");
	sp_out_byte(o, ',');
	write_task(o, c->s, t);
	write_detail(o, t);
	sp_out_str(o, SP_MCP_CLOSE);
	sp_answer_ok(c);
}

void
sp_task_update(struct sp_context *c)
{
	struct sp_task *t = admit(c);
	sp_jval *responses = SP_JGET(c->ask.params, "inputResponses");
	struct sp_err e = { 0 };
	struct sp_ask *a;

	if (t == NULL)
		return;
	if (responses == NULL || !sp_jis_obj(responses)) {
		sp_call_refuse(c, SP_E_BAD_PARAMS, SP_LIT("inputResponses must be an object"), nothing);
		return;
	}
	a = t->status == INPUT_REQUIRED && t->c != NULL ? t->c->asking : NULL;
	if (a != NULL && sp_asking_update(a, responses, &e) != SP_OK) {
		sp_call_refuse(c, SP_E_BAD_PARAMS, sp_str(e.pub), nothing);
		return;
	}
	if (a != NULL && a->nasked == 0) {
		t->status = WORKING;
		sp_asking_again(a);
		changed(c->s, t);
		sp_call_rerun(t->c);
	}
	acknowledge(c);
}

void
sp_task_cancel(struct sp_context *c)
{
	struct sp_task *t = admit(c);

	if (t == NULL)
		return;
	cancel(c->s, t);
	acknowledge(c);
}
