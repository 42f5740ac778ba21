/* Calls that do not simply return: deferred, late, cancelled, broken, on real threads; and that their ends are defined. */
#include "server/testkit.h"

#include <time.h>

static struct sp_context *kept;
static enum sp_rc rc[4];

static void
returns_nothing(struct sp_context *ctx, void *arg)
{
}

static void
defers(struct sp_context *ctx, void *arg)
{
	kept = sp_defer(ctx);
}

static void
completes_without_defer(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_complete(ctx);
	(void)sp_return_text(ctx, "fine");
}

static void
huge(struct sp_context *ctx, void *arg)
{
	char *text = malloc(100001);

	memset(text, 'x', 100000);
	text[100000] = '\0';
	rc[0] = sp_return_text(ctx, text);
	rc[1] = sp_add_image(ctx, "image/png", text, 100000);
	free(text);
}

static void
invalid_utf8(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_return_text(ctx, "a\xff");
	rc[1] = sp_return_text(ctx, "fine");
}

static void
invalid_json(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_return_json(ctx, "{\"a\":}");
}

static void
null_text(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_return_text(ctx, NULL);
}

static void
misfit(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_return_json(ctx, "{\"n\":\"x\"}");
}

static void
forgets_structured(struct sp_context *ctx, void *arg)
{
	(void)sp_return_text(ctx, "only text");
}

static void
error_after_text(struct sp_context *ctx, void *arg)
{
	(void)sp_return_text(ctx, "forgotten");
	rc[0] = sp_return_errorf(ctx, "no %s", "luck");
	rc[1] = sp_return_text(ctx, "too late");
}

static void
app_error(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_return_rpc_error(ctx, -32001, "the protocol's", NULL);
	rc[1] = sp_return_rpc_error(ctx, 42, "mine \"q\"", "{\"why\":1}");
}

static void
wrong_moment(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_add_completion(ctx, "x");
	rc[1] = sp_cache_for(ctx, 1, false);
	rc[2] = sp_add_message(ctx, "user", "x");
	rc[3] = sp_annotate(ctx, "{}");
	(void)sp_return_text(ctx, "fine");
}

static void
progress_back(struct sp_context *ctx, void *arg)
{
	rc[0] = sp_progress(ctx, 1, 2, "half");
	rc[1] = sp_progress(ctx, 1, 2, NULL);
	rc[2] = sp_progress(ctx, 2, 2, NULL);
	(void)sp_return_text(ctx, "fine");
}

#define OUT "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}"

/* Every breach has one end. */
static const struct {
	const char *name;
	sp_handler handler;
	const char *output, *says;
	enum sp_rc rc0, rc1, rc2, rc3;
} ends[] = {
	{ "nothing was added", returns_nothing, NULL, "\"content\":[]" },
	{ "completed without defer", completes_without_defer, NULL, "fine", SP_RC_INVALID },
	{ "over max_result", huge, NULL, "\"text\":\"the tool failed\"}],\"isError\":true", SP_RC_TOO_BIG, SP_RC_TOO_BIG },
	{ "invalid UTF-8", invalid_utf8, NULL, "the tool failed", SP_RC_INVALID, SP_RC_OK },
	{ "invalid JSON", invalid_json, NULL, "the tool failed", SP_RC_INVALID },
	{ "no text", null_text, NULL, "the tool failed", SP_RC_INVALID },
	{ "does not fit output_schema", misfit, OUT, "the tool failed", SP_RC_INVALID },
	{ "structured result forgotten", forgets_structured, OUT, "the tool failed" },
	{ "an error ends what was added", error_after_text, NULL, "\"content\":[{\"type\":\"text\",\"text\":\"no luck\"}],\"isError\":true",
	    SP_RC_OK, SP_RC_OVER },
	{ "an error of the application", app_error, NULL, "\"error\":{\"code\":42,\"message\":\"mine \\\"q\\\"\",\"data\":{\"why\":1}}",
	    SP_RC_INVALID, SP_RC_OK },
	{ "functions of other kinds", wrong_moment, NULL, "fine", SP_RC_INVALID, SP_RC_INVALID, SP_RC_INVALID, SP_RC_INVALID },
	{ "progress that does not grow", progress_back, NULL, "fine", SP_RC_OK, SP_RC_INVALID, SP_RC_OK },
};

static struct sp_server *
one_tool(sp_handler handler, bool on_loop, const char *output)
{
	struct sp_server *s = sp_server_new(.name = "t", .version = "1", .max_result = 65536, .max_calls = 4, .call_timeout_s = 5);

	sp_tool(s, .name = "t", .auth = SP_ANYONE, .handler = handler, .on_loop = on_loop, .output_schema = output);
	return s;
}

static void
test_ends(void **state)
{
	for (size_t i = 0; i < SP_COUNT(ends) * 2; i++) {
		size_t e = i / 2;
		struct kit k = { .s = one_tool(ends[e].handler, i % 2 == 1, ends[e].output) };
		struct said *f = malloc(sizeof *f);

		memset(rc, 0, sizeof rc);
		kit_begin(&k);
		said_begin(f, NULL);
		kit_modern(&k, f, "tools/call", "t", "\"name\":\"t\"");
		if (f->answers != 1 || !has(f->json, ends[e].says))
			fail_msg("%s: %s", ends[e].name, f->json);
		CHECK(ends[e].name, rc[0] == ends[e].rc0 && rc[1] == ends[e].rc1 && rc[2] == ends[e].rc2 && rc[3] == ends[e].rc3);
		CHECK(ends[e].name, sp_server_busy(k.s) == 0 && k.s->open == NULL);
		sp_server_free(k.s);
		free(f);
	}
}

/* ---- deferred */

struct late {
	struct kit k;
	struct said f, g;
};

static struct late *
late_begin(bool on_loop)
{
	struct late *l = calloc(1, sizeof *l);

	l->k.s = one_tool(defers, on_loop, NULL);
	kit_begin(&l->k);
	said_begin(&l->f, NULL);
	said_begin(&l->g, NULL);
	kit_modern(&l->k, &l->f, "tools/call", "t", "\"name\":\"t\"");
	return l;
}

static void
late_end(struct late *l)
{
	assert_int_equal(sp_server_busy(l->k.s), 0);
	assert_null(l->k.s->open);
	sp_server_free(l->k.s);
	free(l);
}

static void
test_deferred(void **state)
{
	for (int on_loop = 0; on_loop < 2; on_loop++) {
		struct late *l = late_begin(on_loop != 0);

		assert_int_equal(l->f.answers, 0);
		assert_int_equal(sp_server_busy(l->k.s), 1);
		assert_int_equal(sp_return_text(kept, "later"), SP_RC_OK);
		assert_int_equal(sp_complete(kept), SP_RC_OK);
		CHECK("completed twice", sp_complete(kept) == SP_RC_OVER);
		CHECK("after its end", sp_return_text(kept, "x") == SP_RC_OVER);
		CHECK("the server is woken", l->k.wakes >= 1);
		sp_server_turn(l->k.s);
		CHECK("answered once", l->f.answers == 1 && has(l->f.json, "later"));
		CHECK("completed after the answer", sp_complete(kept) == SP_RC_OVER);
		sp_release(kept);
		sp_server_turn(l->k.s);
		late_end(l);
	}
}

static void
test_released_without_completion(void **state)
{
	struct late *l = late_begin(false);

	(void)sp_return_text(kept, "half");
	sp_release(kept);
	sp_server_turn(l->k.s);
	CHECK("an error", l->f.answers == 1 && has(l->f.json, "the tool failed"));
	late_end(l);
}

static void
test_hang_up(void **state)
{
	struct late *l = late_begin(false);

	sp_server_gone(l->k.s, &l->f.x);
	CHECK("modern: cancelled", sp_is_cancelled(kept));
	CHECK("completion after a cancellation", sp_complete(kept) == SP_RC_CANCELLED);
	CHECK("anything after a cancellation", sp_return_text(kept, "x") == SP_RC_CANCELLED &&
	    sp_progress(kept, 1, 0, NULL) == SP_RC_CANCELLED);
	assert_int_equal(sp_server_busy(l->k.s), 1);
	sp_release(kept);
	sp_server_turn(l->k.s);
	CHECK("nothing is said to who has gone", l->f.answers == 0);
	late_end(l);
}

static void
test_timeout(void **state)
{
	struct late *l = late_begin(false);

	l->k.now_ms += 4999;
	assert_true(sp_server_tick(l->k.s) > 0);
	assert_int_equal(l->f.answers, 0);
	l->k.now_ms += 1;
	(void)sp_server_tick(l->k.s);
	CHECK("late", l->f.answers == 1 && has(l->f.json, "in time") && has(l->f.json, "isError"));
	CHECK("completion after that", sp_complete(kept) == SP_RC_CANCELLED);
	sp_release(kept);
	sp_server_turn(l->k.s);
	late_end(l);
}

static void
test_limit(void **state)
{
	struct late *l = late_begin(false);
	struct sp_context *all[4] = { kept };
	struct said *more = calloc(4, sizeof *more);

	for (int i = 1; i < 4; i++) {
		said_begin(&more[i], NULL);
		kit_modern(&l->k, &more[i], "tools/call", "t", "\"name\":\"t\"");
		all[i] = kept;
	}
	kit_modern(&l->k, &l->g, "tools/call", "t", "\"name\":\"t\"");
	CHECK("one more than max_calls", l->g.answers == 1 && l->g.st == SP_E_UNAVAILABLE && has(l->g.json, "\"id\":7"));
	for (int i = 0; i < 4; i++) {
		(void)sp_complete(all[i]);
		sp_release(all[i]);
	}
	sp_server_turn(l->k.s);
	CHECK("all had an answer", l->f.answers == 1 && more[3].answers == 1);
	l->k.mode = KIT_NO_ROOM;
	said_begin(&l->g, NULL);
	kit_modern(&l->k, &l->g, "tools/call", "t", "\"name\":\"t\"");
	CHECK("no room at the host", l->g.st == SP_E_UNAVAILABLE);
	free(more);
	late_end(l);
}

static void
test_drain(void **state)
{
	struct late *l = late_begin(false);

	sp_server_drain(l->k.s);
	kit_modern(&l->k, &l->g, "tools/call", "t", "\"name\":\"t\"");
	CHECK("no new calls", l->g.st == SP_E_UNAVAILABLE);
	(void)sp_complete(kept);
	sp_release(kept);
	sp_server_turn(l->k.s);
	CHECK("the old one ends", l->f.answers == 1 && l->f.st == SP_OK);
	late_end(l);
}

/* ---- the 2025 era and stdio */

#define CALL(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}}"
#define CANCEL(id) "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":" id "}}"

static void
test_legacy_cancel(void **state)
{
	struct late *l = late_begin(false);
	struct sp_context *first = kept;
	char id[64], other[64];

	kit_session(&l->k, NULL, id);
	kit_session(&l->k, NULL, other);
	kit_legacy(&l->k, &l->g, id, CALL("5"));
	said_begin(&l->f, NULL);
	kit_legacy(&l->k, &l->f, id, CALL("5"));
	CHECK("an id that is open", l->f.st == SP_E_BAD_RPC && has(l->f.json, "\"id\":5"));
	said_begin(&l->f, NULL);
	kit_legacy(&l->k, &l->f, other, CANCEL("5"));
	CHECK("O16: not by another session", l->f.st == SP_OK && !sp_is_cancelled(kept));
	said_begin(&l->f, NULL);
	kit_legacy(&l->k, &l->f, id, CANCEL("\"5\""));
	CHECK("not by another id", !sp_is_cancelled(kept));
	said_begin(&l->f, NULL);
	kit_legacy(&l->k, &l->f, id, CANCEL("5"));
	CHECK("cancelled", sp_is_cancelled(kept) && l->g.answers == 1 && l->g.st == SP_E_CANCELLED && l->g.json[0] == '\0');
	sp_release(kept);
	sp_release(first);
	sp_server_turn(l->k.s);
	assert_int_equal(sp_server_busy(l->k.s), 0);
	sp_server_free(l->k.s);
	free(l);
}

static void
test_legacy_hang_up(void **state)
{
	struct late *l = late_begin(false);
	struct sp_context *first = kept;
	char id[64];

	(void)sp_complete(first);
	sp_release(first);
	sp_server_turn(l->k.s);
	kit_session(&l->k, NULL, id);
	kit_legacy(&l->k, &l->g, id, CALL("5"));
	sp_server_gone(l->k.s, &l->g.x);
	CHECK("2025 era: the call goes on", !sp_is_cancelled(kept) && sp_complete(kept) == SP_RC_OK);
	sp_release(kept);
	sp_server_turn(l->k.s);
	CHECK("and its answer is dropped: nothing names it", l->g.answers == 0);
	late_end(l);
}

static void
test_stdio_cancel(void **state)
{
	struct late *l = late_begin(false);

	(void)sp_complete(kept);
	sp_release(kept);
	sp_server_turn(l->k.s);
	said_begin(&l->f, NULL);
	said_begin(&l->g, NULL);
	l->f.x.head = l->g.x.head = NULL;
	kit_modern(&l->k, &l->f, "tools/call", NULL, "\"name\":\"t\"");
	l->g.x.head = NULL;
	sp_server_message(l->k.s, &l->g.x, SP_LIT(CANCEL("7")));
	CHECK("not from another connection", !sp_is_cancelled(kept));
	said_begin(&l->g, NULL);
	l->g.x.head = NULL;
	l->g.x.conn = l->f.x.conn;	/* answers of both are written down in f */
	sp_server_message(l->k.s, &l->g.x, SP_LIT(CANCEL("7")));
	CHECK("cancelled, 2026 era", sp_is_cancelled(kept));
	sp_release(kept);
	sp_server_turn(l->k.s);
	late_end(l);
}

/* ---- real threads */

enum { CALLS = 200, WORKERS = 4 };

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t  more;
	struct { void (*run)(void *arg); void *arg; } jobs[CALLS];
	unsigned first, last;
	bool	 over;
	_Atomic unsigned wakes;
};

static bool
pool_run(void *ctx, void (*job)(void *arg), void *arg)
{
	struct pool *p = ctx;

	pthread_mutex_lock(&p->lock);
	p->jobs[p->last].run = job;
	p->jobs[p->last++].arg = arg;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	return true;
}

static void
pool_wake(void *ctx)
{
	((struct pool *)ctx)->wakes++;
}

static uint64_t
pool_ms(void *ctx)
{
	return 1;
}

static int64_t
pool_s(void *ctx)
{
	return 1;
}

static void *
worker(void *arg)
{
	struct pool *p = arg;

	for (;;) {
		unsigned i;

		pthread_mutex_lock(&p->lock);
		while (p->first == p->last && !p->over)
			pthread_cond_wait(&p->more, &p->lock);
		if (p->first == p->last) {
			pthread_mutex_unlock(&p->lock);
			return NULL;
		}
		i = p->first++;
		pthread_mutex_unlock(&p->lock);
		p->jobs[i].run(p->jobs[i].arg);
	}
}

/* Says things from the worker, and ends on a thread of its own: as wild as handlers may be. */
static void *
ends_later(void *arg)
{
	struct sp_context *ctx = arg;

	for (int i = 1; i < 5; i++)
		(void)sp_progress(ctx, i + 4, 8, NULL);
	(void)sp_return_text(ctx, "from afar");
	(void)sp_complete(ctx);
	(void)sp_complete(ctx);
	sp_release(ctx);
	return NULL;
}

static void
wild(struct sp_context *ctx, void *arg)
{
	int64_t n = 0;
	pthread_t t;

	for (int i = 1; i < 5; i++)
		(void)sp_progress(ctx, i, 8, NULL);
	(void)sp_message(ctx, SP_LOG_WARNING, "wild", "text");
	if (sp_arg_int(ctx, "n", &n) && n % 3 == 0) {
		sp_resource_updated(sp_context_server(ctx), "test://x");
		sp_list_changed(sp_context_server(ctx), SP_COMPONENT_IS_TOOL);
		(void)sp_return_text(ctx, "at once");
		return;
	}
	sp_defer(ctx);
	assert_int_equal(pthread_create(&t, NULL, ends_later, ctx), 0);
	pthread_detach(t);
}

static void
test_threads(void **state)
{
	struct pool p = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };
	const struct sp_server_host host = { pool_run, pool_wake, pool_ms, pool_s, &p };
	struct sp_server *s = sp_server_new(.name = "t", .version = "1");
	struct kit k = { .s = s };
	struct said *all = calloc(CALLS, sizeof *all);
	pthread_t threads[WORKERS];
	struct sp_error e;
	unsigned answers = 0;

	sp_tool(s, .name = "t", .auth = SP_ANYONE, .handler = wild, .input_schema = "{\"type\":\"object\"}");
	assert_int_equal(sp_server_begin(s, &host, &e), SP_OK);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, &p), 0);
	for (int i = 0; i < CALLS; i++) {
		char params[64];

		said_begin(&all[i], NULL);
		snprintf(params, sizeof params, "\"name\":\"t\",\"arguments\":{\"n\":%d}", i);
		kit_modern(&k, &all[i], "tools/call", "t", params);
		if (i % 7 == 0 && all[i].answers == 0)
			sp_server_gone(s, &all[i].x);
		if (i % 5 == 0)
			sp_server_turn(s);
	}
	for (int i = 0; i < 5000 && sp_server_busy(s) != 0; i++) {
		const struct timespec ms = { 0, 1000000 };

		nanosleep(&ms, NULL);
		sp_server_turn(s);
	}
	assert_int_equal(sp_server_busy(s), 0);
	pthread_mutex_lock(&p.lock);
	p.over = true;
	pthread_cond_broadcast(&p.more);
	pthread_mutex_unlock(&p.lock);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < CALLS; i++) {
		answers += all[i].answers;
		CHECK("at most one answer", all[i].answers <= 1);
		CHECK("the right one", all[i].answers == 0 || has(all[i].json, i % 3 == 0 ? "at once" : "from afar"));
	}
	CHECK("most were answered", answers >= CALLS - CALLS / 7 - 1);
	CHECK("woken", p.wakes > 0);
	sp_server_free(s);
	free(all);
}

/* ---- the cost of a call; `SP_BENCH=1 late_test` prints it */

static void
echo(struct sp_context *ctx, void *arg)
{
	(void)sp_return_text(ctx, sp_arg_text(ctx, "text"));
}

static void
test_cost(void **state)
{
	static const char params[] = "\"name\":\"echo\",\"arguments\":{\"text\":\"hello, world\"}";
	unsigned n = getenv("SP_BENCH") == NULL ? 1000 : 1000000;
	struct kit k = { .s = sp_server_new(.name = "t", .version = "1") };
	struct said *f = malloc(sizeof *f);
	struct timespec a, b;

	sp_tool(k.s, .name = "echo", .auth = SP_ANYONE, .handler = echo, .on_loop = true,
	    .input_schema = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}");
	kit_begin(&k);
	said_begin(f, NULL);
	said_header(f, "mcp-protocol-version", "2026-07-28");
	said_header(f, "mcp-method", "tools/call");
	said_header(f, "mcp-name", "echo");
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned i = 0; i < n; i++)
		sp_server_message(k.s, &f->x, SP_LIT("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{" META
		    "},\"name\":\"echo\",\"arguments\":{\"text\":\"hello, world\"}}}"));
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_int_equal(f->answers, n);
	assert_true(has(f->json, "hello, world") && has(params, "hello"));
	if (n > 1000)
		print_message("echo: %.0f ns\n", ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / n);
	sp_server_free(k.s);
	free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends), cmocka_unit_test(test_deferred), cmocka_unit_test(test_released_without_completion),
		cmocka_unit_test(test_hang_up), cmocka_unit_test(test_timeout), cmocka_unit_test(test_limit),
		cmocka_unit_test(test_drain), cmocka_unit_test(test_legacy_cancel), cmocka_unit_test(test_legacy_hang_up),
		cmocka_unit_test(test_stdio_cancel), cmocka_unit_test(test_threads), cmocka_unit_test(test_cost),
	};

	sp_log_init("test", SP_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
