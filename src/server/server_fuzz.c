/*
 * Lines of who, how and what: messages of both eras, streams, ends, time.  What is said is JSON, each exchange is answered
 * at most once, and nobody but the one who may sees what only he may see.
 */
#include "base/log.h"
#include "server/server_int.h"

#include <assert.h>
#include <stdlib.h>

enum { SLOTS = 8, JOBS = 64, LINES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const admin_tags[] = { "admin" };
static const struct sp_facts admin_facts = { .subject = "ada", .source = "t", .tags = admin_tags, .ntags = 1 };
static const struct sp_facts plain_facts = { .subject = "pat", .source = "t" };

struct slot {
	struct sp_exchange x;
	struct sp_http_head head;
	bool	 used, answered, may;
	char	 session[SP_SESSION_ID + 1];
};

struct world {
	struct sp_server *s;
	struct slot slots[SLOTS];
	unsigned next;
	struct sp_principal *admin, *plain;
	char	 session[SP_SESSION_ID + 1];
	struct { void (*run)(void *arg); void *arg; } jobs[JOBS];
	unsigned njobs;
	uint64_t now;
};

static bool echoes;

/* ---- what is said */

static void
look(const struct slot *t, sp_slice json)
{
	struct sp_json doc = { 0 };

	assert(t->used);
	if (json.n == 0)
		return;
	assert(sp_json_read(json, SP_JSON_DEFAULT, &doc, NULL) == SP_OK);
	assert(t->may || echoes || sp_find(json, SP_LIT("SECRET")) == SIZE_MAX);
	sp_json_free(&doc);
}

static bool
on_send(struct sp_exchange *x, sp_slice json, sp_slice event)
{
	assert(!((struct slot *)x->conn)->answered);
	look(x->conn, json);
	return true;
}

static struct world *current;

static void
on_answer(struct sp_exchange *x, const struct sp_reply *r)
{
	struct slot *t = x->conn;

	assert(!t->answered);
	look(t, r->json);
	t->answered = true;
	if (r->session.n == SP_SESSION_ID)
		memcpy(current->session, r->session.p, SP_SESSION_ID);
}

static void
on_pause(struct sp_exchange *x, uint32_t retry_ms)
{
	assert(x->call == NULL);
}

static size_t
unread(const struct sp_exchange *x)
{
	return 0;
}

static const struct sp_exchange_ops ops = { on_send, on_answer, on_pause, unread };

/* ---- the host */

static bool
run(void *ctx, void (*job)(void *arg), void *arg)
{
	struct world *w = ctx;

	if (w->njobs == JOBS)
		return false;
	w->jobs[w->njobs].run = job;
	w->jobs[w->njobs++].arg = arg;
	return true;
}

static void
wake(void *ctx)
{
}

static uint64_t
now_ms(void *ctx)
{
	return ((struct world *)ctx)->now;
}

static int64_t
now_s(void *ctx)
{
	return 1000;
}

static void
work(struct world *w)
{
	unsigned n = w->njobs;

	w->njobs = 0;
	for (unsigned i = 0; i < n; i++)
		w->jobs[i].run(w->jobs[i].arg);
	sp_server_turn(w->s);
}

/* ---- handlers */

static void
echo(struct sp_context *ctx, void *arg)
{
	int64_t i = 0;

	(void)sp_progress(ctx, 1, 2, sp_arg_text(ctx, "text"));
	(void)sp_message(ctx, SP_LOG_ERROR, "fuzz", sp_arguments(ctx));
	if (sp_arg_bool(ctx, "pause", false))
		(void)sp_close_stream(ctx, 1);
	if (sp_arg_int(ctx, "n", &i))
		(void)sp_return_textf(ctx, "%lld", (long long)i);
	(void)sp_return_json(ctx, sp_arg_json(ctx, "json"));
	(void)sp_return_text(ctx, sp_context_meta(ctx));
	if (sp_arg_text(ctx, "fail") != NULL)
		(void)sp_return_error(ctx, sp_arg_text(ctx, "fail"));
}

static void
secret(struct sp_context *ctx, void *arg)
{
	(void)sp_return_text(ctx, "SECRET");
}

static void
complete(struct sp_context *ctx, const char *argument, const char *value, void *arg)
{
	(void)sp_add_completion(ctx, argument);
	(void)sp_add_completion(ctx, value);
}

static struct sp_server *
build(void)
{
	struct sp_server *s = sp_server_new(.name = "f", .version = "1", .page_size = 2, .max_sessions = 4, .max_calls = 8,
	    .max_result = 4096, .max_body = 8192);

	sp_tool(s, .name = "echo", .auth = SP_ANYONE, .handler = echo, .input_schema = "{\"type\":\"object\",\"properties\":{"
	    "\"text\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"}}}");
	sp_tool(s, .name = "loop", .auth = SP_SIGNED_IN, .handler = echo, .on_loop = true, .input_schema = "{\"type\":\"object\"}");
	sp_tool(s, .name = "hidden", .auth = sp_restrict_tag("admin"), .handler = secret, .description = "SECRET");
	sp_resource(s, .uri = "test://a", .name = "a", .auth = SP_ANYONE, .handler = echo);
	sp_resource(s, .uri = "test://hidden", .name = "SECRET", .auth = sp_restrict_tag("admin"), .handler = secret);
	sp_resource(s, .uri_template = "test://t/{x}/y{?q}", .name = "t", .auth = SP_ANYONE, .handler = echo, .complete = complete);
	sp_prompt(s, .name = "p", .auth = SP_ANYONE, .handler = echo, .complete = complete);
	sp_prompt(s, .name = "hidden", .description = "SECRET", .auth = sp_restrict_tag("admin"), .handler = secret);
	return s;
}

/* ---- lines */

static struct slot *
take_slot(struct world *w, char who, char how)
{
	struct slot *t = &w->slots[w->next++ % SLOTS];

	if (t->used)
		sp_server_gone(w->s, &t->x);
	*t = (struct slot){ .used = true, .may = who == 'q' };
	t->x = (struct sp_exchange){ .ops = &ops, .conn = t, .streams = true, .has_provider = who != 'n',
		.who = who == 'q' ? w->admin : who == 'p' ? w->plain : NULL, .transport = SP_TRANSPORT_HTTP };
	t->x.signed_in = t->x.who != NULL;
	memcpy(t->session, w->session, sizeof t->session);
	if (how == 's') {
		t->x.session = sp_str(t->session);
		t->x.transport = SP_TRANSPORT_STDIO;
		return t;
	}
	t->x.head = &t->head;
	if (t->session[0] != '\0')
		t->head.fields[t->head.nfields++] = (struct sp_http_field){ SP_LIT_INIT("mcp-session-id"), sp_str(t->session) };
	return t;
}

static void
line(struct world *w, sp_slice l)
{
	struct slot *t;
	char who, how, what;

	if (l.n < 3)
		return;
	who = l.p[0];
	how = l.p[1];
	what = l.p[2];
	sp_advance(&l, 3);
	if (what == 'w') {
		work(w);
	} else if (what == 't') {
		w->now += 30000;
		(void)sp_server_tick(w->s);
	} else if (what == 'u') {
		sp_resource_updated(w->s, "test://hidden");
		sp_list_changed(w->s, SP_COMPONENT_IS_TOOL);
	} else {
		t = take_slot(w, who, how);
		if (what == 'g')
			sp_server_stream(w->s, &t->x, sp_str(t->session), l);
		else if (what == 'd')
			sp_server_session_end(w->s, &t->x, sp_str(t->session));
		else
			sp_server_message(w->s, &t->x, l);
	}
}

static void
no_log(const char *text, size_t n)
{
}

static struct sp_principal *
person(const struct sp_facts *facts)
{
	struct sp_principal *p = calloc(1, sizeof *p);

	*p = (struct sp_principal){ .refs = 1, .user = sp_str(facts->subject), .expires_s = INT64_MAX, .facts = facts };
	return p;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct world w;
	const struct sp_server_host host = { run, wake, now_ms, now_s, &w };
	sp_slice in = { (const char *)data, n }, one;
	struct sp_error e;

	sp_log_divert(no_log);
	/* What is sent may be echoed, then this says nothing. */
	echoes = sp_find(in, SP_LIT("SECRET")) != SIZE_MAX || sp_find(in, SP_LIT("\\u")) != SIZE_MAX ||
	    sp_find(in, SP_LIT("%")) != SIZE_MAX;
	w = (struct world){ .s = build(), .admin = person(&admin_facts), .plain = person(&plain_facts), .now = 1 };
	current = &w;
	assert(sp_server_begin(w.s, &host, &e) == SP_OK);
	for (unsigned i = 0; i < LINES && sp_take_part(&in, '\n', &one); i++)
		line(&w, one);
	work(&w);
	sp_server_drain(w.s);
	sp_server_free(w.s);
	assert(w.admin->refs == 1 && w.plain->refs == 1);
	sp_principal_drop(&w.admin);
	sp_principal_drop(&w.plain);
	return 0;
}
