/* A call's beginning: what has to be right before its handler runs. */
#include "server/engine.h"

#include "base/log.h"

static const sp_slice nothing = { NULL, 0 };

/* ---- what the client must be able to do */

static const struct { unsigned need; uint32_t cap; const char *json, *word; } abilities[] = {
	{ SP_CLIENT_CAN_ELICIT, SP_CLIENT_ELICIT_FORM, "\"elicitation\":{}", "elicitation" },
	{ SP_CLIENT_CAN_SAMPLE, SP_CLIENT_SAMPLING, "\"sampling\":{}", "sampling" },
	{ SP_CLIENT_HAS_ROOTS, SP_CLIENT_ROOTS, "\"roots\":{}", "roots" },
};

bool
sp_client_can(const struct sp_context *c, enum sp_client_can what)
{
	for (size_t i = 0; i < SP_COUNT(abilities); i++)
		if (abilities[i].need == (unsigned)what)
			return (c->caps & abilities[i].cap) != 0;
	return false;
}

static bool
lacks_tasks(const struct sp_context *c)
{
	return c->offer->task == SP_TASK_ALWAYS && (c->ask.era != SP_ERA_MODERN || !sp_task_client_can(c));
}

static unsigned
lacking(const struct sp_context *c)
{
	unsigned lack = 0;

	for (size_t i = 0; i < SP_COUNT(abilities); i++)
		if ((c->offer->needs & abilities[i].need) != 0 && (c->caps & abilities[i].cap) == 0)
			lack |= abilities[i].need;
	return lack;
}

/* mcp-spec 1.1: -32021 has an object of capabilities; the 2025 era has no such error, so the model is told. */
static void
refuse_client(struct sp_context *c, unsigned lack)
{
	char buf[256], words[128] = "";
	struct sp_out o, w;
	sp_slice object;
	const char *sep = "";

	sp_out_init(&o, buf, sizeof buf);
	sp_out_init(&w, words, sizeof words - 1);
	sp_out_str(&o, "{\"requiredCapabilities\":{");
	for (size_t i = 0; i < SP_COUNT(abilities); i++) {
		if ((lack & abilities[i].need) == 0)
			continue;
		sp_out_fmt(&o, "%s%s", sep, abilities[i].json);
		sp_out_fmt(&w, "%s%s", w.n == 0 ? "this tool needs a client with " : ", ", abilities[i].word);
		sep = ",";
	}
	if (lacks_tasks(c)) {
		sp_out_fmt(&o, "%s\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}", sep);
		sp_out_fmt(&w, "%stasks", w.n == 0 ? "this tool needs a client with " : ", ");
	}
	sp_out_str(&o, "}}");
	words[w.n] = '\0';
	if (c->ask.era == SP_ERA_MODERN) {
		sp_call_refuse(c, SP_E_CAPABILITY, nothing, sp_out_view(&o));
		return;
	}
	(void)sp_result_fail(c, sp_reply_begin(c->s), SP_E_CAPABILITY, words, &object);
	sp_answer_ok(c);
}

/* ---- arguments */

/* SEP-1303: a model that called a tool wrongly is told how. */
static void
refuse_arguments(struct sp_context *c, const struct sp_err *e)
{
	sp_slice object;

	(void)sp_result_fail(c, sp_reply_begin(c->s), SP_E_BAD_PARAMS, e->pub[0] == '\0' ? "arguments: not valid" : e->pub,
	    &object);
	sp_answer_ok(c);
}

static bool
judge_tool(struct sp_context *c)
{
	struct sp_err e = { 0 };
	unsigned lack = lacking(c);
	enum sp_status st;

	if (lack != 0 || lacks_tasks(c)) {
		refuse_client(c, lack);
		return false;
	}
	if (c->x->head != NULL && c->ask.era == SP_ERA_MODERN && c->offer->headers.n != 0) {
		st = sp_params_check(&c->arena, &c->offer->headers, c->x->head, c->args, &e);
		if (st != SP_OK) {
			sp_call_refuse(c, st, sp_str(e.pub), nothing);
			return false;
		}
	}
	if (sp_schema_check(c->offer->input, c->args, 0, &e) != SP_OK) {
		refuse_arguments(c, &e);
		return false;
	}
	return true;
}

static bool
judge_prompt(struct sp_context *c)
{
	char text[SP_RPC_ID_MAX + 32];
	struct sp_out o;

	for (size_t i = 0; c->offer->required != NULL && c->offer->required[i] != NULL; i++) {
		if (sp_jget(c->args, sp_str(c->offer->required[i])) != NULL)
			continue;
		sp_out_init(&o, text, sizeof text - 1);
		sp_out_fmt(&o, "argument %.200s is missing", c->offer->required[i]);
		sp_call_refuse(c, SP_E_BAD_PARAMS, sp_out_view(&o), nothing);
		return false;
	}
	return true;
}

/* completion/complete: the texts must be such that C can hold them. */
static bool
judge_completion(struct sp_context *c)
{
	sp_jval *argument = SP_JGET(c->ask.params, "argument");
	sp_slice name = sp_jtext(SP_JGET(argument, "name")), value = sp_jtext(SP_JGET(argument, "value"));

	if (sp_has_byte(name, '\0') || sp_has_byte(value, '\0')) {
		sp_call_refuse(c, SP_E_BAD_PARAMS, SP_LIT("argument must be text without U+0000"), nothing);
		return false;
	}
	c->completing = true;
	c->argument = sp_arena_copy(&c->arena, name).p;
	c->value = sp_arena_copy(&c->arena, value).p;
	c->args = SP_JGET(SP_JGET(c->ask.params, "context"), "arguments");
	return true;
}

/* _meta without what is the protocol's own. */
static void
take_meta(struct sp_context *c)
{
	sp_jval *meta = SP_JGET(c->ask.params, "_meta");
	struct sp_out *o = sp_reply_begin(c->s);

	sp_out_byte(o, '{');
	for (struct sp_jiter it = sp_jeach(meta); sp_jnext(&it);) {
		if (sp_starts(it.key, SP_LIT("io.modelcontextprotocol/")) || sp_eq(it.key, SP_LIT("progressToken")))
			continue;
		if (o->n > 1)
			sp_out_byte(o, ',');
		sp_jout_str(o, it.key);
		sp_out_byte(o, ':');
		sp_jwrite(o, it.val);
	}
	sp_out_byte(o, '}');
	c->meta_text = o->n == 2 ? "{}" : sp_arena_copy(&c->arena, sp_out_view(o)).p;
}

/* ---- the handler */

/* Runs it; the server's own thread does not have to be woken for what it runs itself. */
static bool
launch(struct sp_context *c)
{
	struct sp_server *s = c->s;

	c->phase = SP_CALL_RUNS;
	c->running = true;
	c->seen = 0;
	s->nrunning++;
	if (!c->on_loop && s->host.run(s->host.ctx, sp_call_job, c))
		return true;
	if (!c->on_loop) {
		c->running = false;
		s->nrunning--;
		return false;
	}
	pthread_mutex_lock(&s->lock);
	c->quiet = true;
	pthread_mutex_unlock(&s->lock);
	sp_call_job(c);
	pthread_mutex_lock(&s->lock);
	c->quiet = false;
	pthread_mutex_unlock(&s->lock);
	return true;
}

void
sp_call_rerun(struct sp_context *c)
{
	struct sp_server *s = c->s;

	sp_content_reset(&c->out);
	pthread_mutex_lock(&s->lock);
	c->deferred = c->released = false;
	pthread_mutex_unlock(&s->lock);
	c->completed = false;
	c->was_deferred = false;
	if (!launch(c))
		sp_call_fail(c, SP_E_UNAVAILABLE, "temporarily unavailable");
}

static bool
judge(struct sp_context *c)
{
	switch (c->ask.method) {
	case SP_MCP_TOOLS_CALL:
		return judge_tool(c);
	case SP_MCP_PROMPTS_GET:
		return judge_prompt(c);
	case SP_MCP_COMPLETE:
		return judge_completion(c);
	default:
		return true;
	}
}

void
sp_call_start(struct sp_context *c)
{
	struct sp_server *s = c->s;
	struct sp_err e = { 0 };
	enum sp_status st = SP_OK;

	if (s->draining || s->nrunning >= s->opt.max_calls) {
		sp_call_refuse(c, SP_E_UNAVAILABLE, nothing, nothing);
		return;
	}
	if (!judge(c))
		return;
	take_meta(c);
	if (c->ask.era == SP_ERA_MODERN && !c->completing)
		st = sp_ask_read(c, &e);
	if (st == SP_OK && c->arena.full)
		st = SP_E_TOO_BIG;
	if (st != SP_OK) {
		sp_call_refuse(c, st, sp_str(e.pub), nothing);
		return;
	}
	c->handler = c->offer->handler;
	c->on_loop = c->offer->on_loop;
	sp_call_deadline(c, c->offer->timeout_s != 0 ? c->offer->timeout_s : s->opt.call_timeout_s);
	if (!launch(c))
		sp_call_refuse(c, SP_E_UNAVAILABLE, nothing, nothing);
}
