/*
 * Whole exchanges: calls that become tasks.  The fixtures are those that the MCP conformance suite wants of a server (tasks-*),
 * with the hostile cases that it lacks.
 */
#include "server/askkit.h"

static void
greet(struct sp_context *ctx, void *arg)
{
	sp_return_text(ctx, "Hello!");
}

static void
slow_compute(struct sp_context *ctx, void *arg)
{
	enum sp_rc rc = sp_become_task(ctx);

	if (rc == SP_RC_OK)
		(void)sp_task_status(ctx, "half way");
	sp_return_textf(ctx, "%s %d", sp_is_task(ctx) ? "task" : "call", (int)rc);
}

static void
failing_job(struct sp_context *ctx, void *arg)
{
	(void)sp_become_task(ctx);
	sp_return_error(ctx, "it failed");
}

static void
protocol_error_job(struct sp_context *ctx, void *arg)
{
	(void)sp_become_task(ctx);
	sp_return_rpc_error(ctx, -32603, "broken", NULL);
}

static void
confirm_delete(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	if (sp_become_task(ctx) == SP_RC_OK && sp_elicit(ctx, "confirm", "Delete?", CONFIRM_FORM, &a) == SP_RC_OK)
		sp_return_textf(ctx, "deleted: %s", a.content);
}

static void
multi_input(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a, b;
	enum sp_rc first, second;

	(void)sp_become_task(ctx);
	first = sp_elicit(ctx, "one", "One?", NAME_FORM, &a);
	second = sp_elicit(ctx, "two", "Two?", NAME_FORM, &b);
	if (first == SP_RC_OK && second == SP_RC_OK)
		sp_return_textf(ctx, "%s %s", a.content, b.content);
}

static void
tool_with_task(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	if (sp_elicit(ctx, "user_name", "Name?", NAME_FORM, &a) == SP_RC_OK && sp_become_task(ctx) == SP_RC_OK)
		sp_return_textf(ctx, "done for %s", a.content);
}

static struct sp_context *later;

static void
later_task(struct sp_context *ctx, void *arg)
{
	(void)sp_become_task(ctx);
	later = sp_defer(ctx);
}

static enum sp_auth_verdict
not_banned(struct sp_auth_context *a, void *arg)
{
	return *(bool *)arg ? SP_VERDICT_DENY : SP_VERDICT_ALLOW;
}

static bool banned;

static void
begin(struct kit *k)
{
	static const uint8_t key[32] = { 9 };

	memset(k, 0, sizeof *k);
	k->s = sp_server_new(.name = "t", .version = "1", .state_key = key, .task_ttl_s = 100);
	tool(k, "greet", greet, SP_TASK_NEVER);
	tool(k, "slow_compute", slow_compute, SP_TASK_IF_CLIENT_CAN);
	tool(k, "failing_job", failing_job, SP_TASK_ALWAYS);
	tool(k, "protocol_error_job", protocol_error_job, SP_TASK_IF_CLIENT_CAN);
	tool(k, "confirm_delete", confirm_delete, SP_TASK_IF_CLIENT_CAN);
	tool(k, "multi_input", multi_input, SP_TASK_IF_CLIENT_CAN);
	tool(k, "with_task", tool_with_task, SP_TASK_ALWAYS);
	tool(k, "later", later_task, SP_TASK_IF_CLIENT_CAN);
	tool(k, "never", slow_compute, SP_TASK_NEVER);
	sp_tool(k->s, .name = "guarded", .description = "d", .auth = sp_auth_check("not banned", not_banned, &banned),
	    .handler = slow_compute,
	    .task = SP_TASK_IF_CLIENT_CAN);
	kit_begin(k);
}

/* ---- tasks */

static const char *
on_task(struct kit *k, struct said *f, const char *method, const char *id, const char *rest)
{
	char params[8192];

	snprintf(params, sizeof params, "\"taskId\":\"%s\"%s%s", id, rest[0] == '\0' ? "" : ",", rest);
	return post(k, f, NULL, ALL "," TASKS, method, id, params);
}

static const char *
task(struct kit *k, struct said *f, const char *tool_name, char id[static 4096])
{
	call(k, f, ALL "," TASKS, tool_name, "");
	CHECK(tool_name, has(f->json, "\"resultType\":\"task\"") && has(f->json, "\"status\":\"working\""));
	CHECK(tool_name, has(f->json, "\"createdAt\":\"1970-01-01T00:16:40Z\"") && has(f->json, "\"ttlMs\":200000"));
	CHECK(tool_name, !has(f->json, "\"result\":{\"content") && !has(f->json, "requestState") && !has(f->json, "inputRequests"));
	return member(f->json, "taskId", id);
}

static const struct { const char *name, *tool, *status, *want, *not_want; } outcomes[] = {
	{ "completed", "slow_compute", "\"status\":\"completed\"", "\"text\":\"task 0\"", "\"error\"" },
	{ "tool error is completed", "failing_job", "\"status\":\"completed\"", "\"isError\":true", "\"error\"" },
	{ "protocol error is failed", "protocol_error_job", "\"status\":\"failed\"", "\"error\":{\"code\":-32603,", "\"content\"" },
};

static void
test_outcomes(void **state)
{
	struct said *f = malloc(sizeof *f);
	char id[4096];
	struct kit k;

	begin(&k);
	for (size_t i = 0; i < SP_COUNT(outcomes); i++) {
		k.mode = KIT_LATER;
		call(&k, f, ALL "," TASKS, outcomes[i].tool, "");
		CHECK(outcomes[i].name, f->answers == 0);
		kit_work(&k);
		CHECK(outcomes[i].name, f->answers == 1);
		k.mode = KIT_INLINE;
		on_task(&k, f, "tasks/get", task(&k, f, outcomes[i].tool, id), "");
		CHECK(outcomes[i].name, has(f->json, "\"resultType\":\"complete\"") && has(f->json, outcomes[i].status));
		CHECK(outcomes[i].name, has(f->json, outcomes[i].want) && !has(f->json, outcomes[i].not_want));
		CHECK(outcomes[i].name, has(f->json, id) && !has(f->json, "requestState") && !has(f->json, "related-task"));
	}
	assert_int_equal(sp_server_busy(k.s), 0);
	sp_server_free(k.s);
	free(f);
}

/* tasks-capability-negotiation, tasks-required-task-error, tasks-request-headers, tasks-dispatch-and-envelope. */
static void
test_negotiation(void **state)
{
	static const char *const methods[] = { "tasks/get", "tasks/update", "tasks/cancel" };
	static const char *const removed[] = { "tasks/result", "tasks/list" };
	struct said *f = malloc(sizeof *f);
	char session[64], id[4096];
	struct kit k;

	begin(&k);
	for (size_t i = 0; i < SP_COUNT(methods); i++) {
		post(&k, f, NULL, "", methods[i], "x", "\"taskId\":\"x\",\"inputResponses\":{}");
		CHECK(methods[i], f->st == SP_E_CAPABILITY &&
		    has(f->json, "\"data\":{\"requiredCapabilities\":{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}}"));
		post(&k, f, NULL, TASKS, methods[i], "x", "\"taskId\":\"x\",\"inputResponses\":{}");
		CHECK(methods[i], f->st == SP_E_BAD_PARAMS && has(f->json, "unknown task"));
		post(&k, f, NULL, TASKS, methods[i], "other", "\"taskId\":\"x\",\"inputResponses\":{}");
		CHECK(methods[i], f->st == SP_E_HEADER_MISMATCH && has(f->json, "-32020"));
	}
	for (size_t i = 0; i < SP_COUNT(removed); i++) {
		said_begin(f, NULL);
		kit_modern(&k, f, removed[i], NULL, "\"taskId\":\"x\"");
		CHECK(removed[i], f->st == SP_E_NO_METHOD_404 && has(f->json, "-32601"));
	}
	/* Without the extension: at once, or not at all. */
	assert_true(has(call(&k, f, ALL, "slow_compute", ""), "\"text\":\"call -4\""));
	assert_true(has(call(&k, f, ALL, "failing_job", ""), "-32021"));
	assert_true(has(call(&k, f, ALL "," TASKS, "never", ""), "\"text\":\"call -1\""));
	assert_true(has(call(&k, f, ALL "," TASKS, "greet", "\"task\":{\"ttl\":60000}"), "Hello"));
	said_begin(f, NULL);
	kit_modern(&k, f, "server/discover", NULL, "");
	assert_true(has(f->json, "\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}"));
	kit_session(&k, NULL, session);
	said_begin(f, NULL);
	kit_legacy(&k, f, session, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tasks/get\",\"params\":{\"taskId\":\"x\"}}");
	assert_true(has(f->json, "-32601"));
	/* An immediate question after the answer finds it. */
	assert_true(has(on_task(&k, f, "tasks/get", task(&k, f, "later", id), ""), "\"status\":\"working\""));
	assert_int_equal(sp_complete(later), SP_RC_OK);
	sp_release(later);
	sp_server_free(k.s);
	free(f);
}

static void
test_task_input(void **state)
{
	struct said *f = malloc(sizeof *f);
	char id[4096];
	struct kit k;

	begin(&k);
	on_task(&k, f, "tasks/get", task(&k, f, "confirm_delete", id), "");
	assert_true(has(f->json, "\"status\":\"input_required\"") && has(f->json, "\"inputRequests\":{\"confirm\":{\"method\":"));
	on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"unknown-key\":{\"ignored\":true}}");
	assert_true(has(f->json, "\"resultType\":\"complete\"") && !has(f->json, "taskId"));
	assert_true(has(on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"confirm\":7}"), "-32602"));
	assert_true(has(on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"confirm\":" ACCEPT("confirm", "1") "}"), "-32602"));
	assert_true(has(on_task(&k, f, "tasks/update", id, "\"inputResponses\":null"), "-32602"));
	assert_true(has(on_task(&k, f, "tasks/update", id, ""), "-32602"));
	assert_true(has(on_task(&k, f, "tasks/get", id, ""), "\"status\":\"input_required\""));
	on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"confirm\":" ACCEPT("confirm", "true") "}");
	assert_true(has(f->json, "\"resultType\":\"complete\"") && !has(f->json, "status"));
	on_task(&k, f, "tasks/get", id, "");
	assert_true(has(f->json, "\"status\":\"completed\"") && has(f->json, "deleted: {\\\"confirm\\\":true}"));
	assert_false(has(f->json, "inputRequests"));
	/* Too late is not wrong. */
	on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"confirm\":" ACCEPT("confirm", "true") "}");
	assert_true(has(f->json, "\"resultType\":\"complete\""));

	on_task(&k, f, "tasks/get", task(&k, f, "multi_input", id), "");
	assert_true(has(f->json, "\"one\":{") && has(f->json, "\"two\":{"));
	on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"one\":" ACCEPT("name", "\"p1\"") "}");
	on_task(&k, f, "tasks/get", id, "");
	assert_true(has(f->json, "\"status\":\"input_required\"") && has(f->json, "\"two\":{") && !has(f->json, "\"one\":{"));
	on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"two\":" ACCEPT("name", "\"p2\"") "}");
	on_task(&k, f, "tasks/get", id, "");
	assert_true(has(f->json, "\"status\":\"completed\"") && has(f->json, "p1") && has(f->json, "p2"));
	sp_server_free(k.s);
	free(f);
}

/* tasks-mrtr-composition */
static void
test_question_then_task(void **state)
{
	struct said *f = malloc(sizeof *f);
	char id[4096], rest[8192];
	struct kit k;

	begin(&k);
	call(&k, f, ALL "," TASKS, "with_task", "");
	assert_true(has(f->json, "\"resultType\":\"input_required\"") && !has(f->json, "taskId"));
	snprintf(rest, sizeof rest, "\"inputResponses\":{\"user_name\":" ACCEPT("name", "\"Alice\"") "},\"requestState\":\"%s\"",
	    member(f->json, "requestState", id));
	call(&k, f, ALL "," TASKS, "with_task", rest);
	assert_true(has(f->json, "\"resultType\":\"task\"") && !has(f->json, "requestState"));
	on_task(&k, f, "tasks/get", member(f->json, "taskId", id), "");
	assert_true(has(f->json, "\"status\":\"completed\"") && has(f->json, "Alice"));
	sp_server_free(k.s);
	free(f);
}

static void
test_cancel_and_time(void **state)
{
	struct said *f = malloc(sizeof *f);
	char id[4096];
	struct kit k;

	begin(&k);
	task(&k, f, "later", id);
	assert_true(has(on_task(&k, f, "tasks/cancel", id, ""), "\"resultType\":\"complete\""));
	assert_false(has(f->json, "taskId"));
	assert_true(sp_is_cancelled(later));
	assert_int_equal(sp_complete(later), SP_RC_CANCELLED);
	assert_true(has(on_task(&k, f, "tasks/get", id, ""), "\"status\":\"cancelled\""));
	sp_release(later);
	sp_server_turn(k.s);
	assert_true(has(on_task(&k, f, "tasks/get", id, ""), "\"status\":\"cancelled\""));
	assert_true(has(on_task(&k, f, "tasks/cancel", id, ""), "\"resultType\":\"complete\""));
	/* One that waits for input. */
	task(&k, f, "confirm_delete", id);
	on_task(&k, f, "tasks/cancel", id, "");
	on_task(&k, f, "tasks/get", id, "");
	assert_true(has(f->json, "\"status\":\"cancelled\"") && !has(f->json, "inputRequests"));
	/* Its client's connection does not matter, time does. */
	task(&k, f, "later", id);
	k.now_ms += 100001;
	(void)sp_server_tick(k.s);
	assert_true(has(on_task(&k, f, "tasks/get", id, ""), "\"isError\":true"));
	sp_release(later);
	sp_server_turn(k.s);
	k.now_ms += 99998;
	(void)sp_server_tick(k.s);
	assert_true(has(on_task(&k, f, "tasks/get", id, ""), "\"status\":\"completed\""));
	k.now_ms += 1;
	(void)sp_server_tick(k.s);
	assert_true(has(on_task(&k, f, "tasks/get", id, ""), "unknown task"));
	sp_server_free(k.s);
	free(f);
}

/* Threat rows E15 and E23. */
static void
test_task_of_others(void **state)
{
	struct sp_principal *alice = kit_who("alice", NULL), *bob = kit_who("bob", NULL);
	static const char *const methods[] = { "tasks/get", "tasks/update", "tasks/cancel" };
	struct said *f = malloc(sizeof *f);
	char id[4096], params[8192];
	struct kit k;

	begin(&k);
	banned = false;
	post(&k, f, alice, TASKS, "tools/call", "guarded", "\"name\":\"guarded\"");
	snprintf(params, sizeof params, "\"taskId\":\"%s\",\"inputResponses\":{}", member(f->json, "taskId", id));
	for (size_t i = 0; i < SP_COUNT(methods); i++) {
		CHECK("E15 another caller", has(post(&k, f, bob, TASKS, methods[i], id, params), "unknown task"));
		CHECK("E15 nobody", has(post(&k, f, NULL, TASKS, methods[i], id, params), "unknown task"));
	}
	assert_true(has(post(&k, f, alice, TASKS, "tasks/get", id, params), "\"status\":\"completed\""));
	banned = true;
	for (size_t i = 0; i < SP_COUNT(methods); i++)
		CHECK("E23 not allowed any more", has(post(&k, f, alice, TASKS, methods[i], id, params), "unknown task"));
	banned = false;
	assert_true(has(post(&k, f, alice, TASKS, "tasks/get", id, params), "\"status\":\"completed\""));
	sp_server_free(k.s);
	free(alice);
	free(bob);
	free(f);
}

static void
test_table_full(void **state)
{
	struct sp_principal *alice = kit_who("alice", NULL), *bob = kit_who("bob", NULL);
	struct said *f = malloc(sizeof *f);
	struct kit k;

	begin(&k);
	for (unsigned i = 0; i < 64; i++)
		assert_true(has(post(&k, f, alice, TASKS, "tools/call", "slow_compute", "\"name\":\"slow_compute\""), "taskId"));
	assert_true(has(post(&k, f, alice, TASKS, "tools/call", "slow_compute", "\"name\":\"slow_compute\""), "call -8"));
	assert_true(has(post(&k, f, bob, TASKS, "tools/call", "slow_compute", "\"name\":\"slow_compute\""), "taskId"));
	sp_server_free(k.s);
	free(alice);
	free(bob);
	free(f);
}

static void
test_task_notes(void **state)
{
	struct said *f = malloc(sizeof *f), *own = malloc(sizeof *own), *other = malloc(sizeof *other);
	char id[4096], params[8192];
	struct sp_principal *bob = kit_who("bob", NULL);
	struct kit k;

	begin(&k);
	task(&k, f, "confirm_delete", id);
	snprintf(params, sizeof params, "\"notifications\":{\"taskIds\":[\"%s\",\"unknown\"]}", id);
	post(&k, own, NULL, TASKS, "subscriptions/listen", "x", params);
	post(&k, other, bob, TASKS, "subscriptions/listen", "x", params);
	assert_true(has(own->notes, id) && !has(own->notes, "unknown"));
	assert_false(has(other->notes, id));
	on_task(&k, f, "tasks/update", id, "\"inputResponses\":{\"confirm\":" ACCEPT("confirm", "true") "}");
	assert_true(has(own->notes, "\"method\":\"notifications/tasks\"") && has(own->notes, "\"status\":\"completed\""));
	assert_false(has(own->notes, "deleted"));
	assert_int_equal(other->sends, 1);
	sp_server_gone(k.s, &own->x);
	sp_server_gone(k.s, &other->x);
	sp_server_free(k.s);
	free(bob);
	free(f);
	free(own);
	free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes), cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_task_input), cmocka_unit_test(test_question_then_task),
		cmocka_unit_test(test_cancel_and_time), cmocka_unit_test(test_task_of_others),
		cmocka_unit_test(test_table_full), cmocka_unit_test(test_task_notes),
	};

	sp_log_init("test", SP_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
