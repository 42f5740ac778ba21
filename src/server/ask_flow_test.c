/*
 * Whole exchanges: handlers that ask, in both eras.  The fixtures are those that the MCP conformance suite wants of a server
 * (input-required-result-*, tools-call-sampling, tools-call-elicitation), with the hostile cases that it lacks.
 */
#include "server/askkit.h"

static unsigned effects;

/* ---- fixtures */

static void
ask_name(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	if (sp_elicit(ctx, "user_name", "What is your name?", NAME_FORM, &a) != SP_RC_OK)
		return;
	effects++;
	sp_return_textf(ctx, "Hello, %s!", a.action == SP_ELICIT_ACCEPT ? a.content : "stranger");
}

static void
ask_model(struct sp_context *ctx, void *arg)
{
	const char *answer;
	enum sp_rc rc = sp_sample(ctx, "capital_question", CAPITAL, &answer);

	if (rc == SP_RC_OK)
		sp_return_text(ctx, sp_sampled_text(ctx, answer));
	else if (rc != SP_RC_PENDING)
		sp_return_error(ctx, rc == SP_RC_DENIED ? "denied" : "cannot");
}

static void
ask_roots(struct sp_context *ctx, void *arg)
{
	const char *roots;

	if (sp_list_roots(ctx, "client_roots", &roots) == SP_RC_OK)
		sp_return_text(ctx, roots);
}

static void
ask_all(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;
	const char *text, *roots;
	enum sp_rc first = sp_elicit(ctx, "user_name", "Name?", NAME_FORM, &a);
	enum sp_rc second = sp_sample(ctx, "greeting", CAPITAL, &text);
	enum sp_rc third = sp_list_roots(ctx, "client_roots", &roots);

	if (first == SP_RC_OK && second == SP_RC_OK && third == SP_RC_OK)
		sp_return_textf(ctx, "%s %s %s", a.content, sp_sampled_text(ctx, text), roots);
}

static void
ask_twice(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a, b;
	const char *state = sp_state(ctx);

	if (sp_elicit(ctx, "step1", "Name?", NAME_FORM, &a) != SP_RC_OK || sp_state_set(ctx, "after step 1") != SP_RC_OK ||
	    sp_elicit(ctx, "step2", "Again?", NAME_FORM, &b) != SP_RC_OK)
		return;
	sp_return_textf(ctx, "%s then %s, state-ok %s", a.content, b.content, state == NULL ? "none" : state);
}

/* Only what this client can do. */
static void
ask_what_can(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;
	const char *text;

	if (sp_elicit(ctx, "form", "Name?", NAME_FORM, &a) == SP_RC_UNSUPPORTED &&
	    sp_sample(ctx, "sample", CAPITAL, &text) == SP_RC_UNSUPPORTED)
		sp_return_text(ctx, "nothing can be asked");
}

static void
ask_prompt(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;

	if (sp_elicit(ctx, "user_context", "Context?", NAME_FORM, &a) == SP_RC_OK)
		sp_add_message(ctx, "user", a.content);
}

static void
ask_page(struct sp_context *ctx, void *arg)
{
	struct sp_elicit_answer a;
	enum sp_rc rc = sp_elicit_url(ctx, "page", "Sign in there", "https://example.com/in", &a);

	if (rc == SP_RC_OK)
		sp_return_textf(ctx, "action %d", a.action);
	else if (rc == SP_RC_UNSUPPORTED)
		sp_return_text(ctx, "no pages");
}

static void
too_much_state(struct sp_context *ctx, void *arg)
{
	const char *state = sp_arguments(ctx);
	struct sp_elicit_answer a;

	if (sp_state_set(ctx, state) == SP_RC_TOO_BIG)
		sp_return_text(ctx, "too much state");
	else if (sp_elicit(ctx, "x", "?", NAME_FORM, &a) == SP_RC_OK)
		sp_return_text(ctx, "done");
}

static void
begin(struct kit *k)
{
	static const uint8_t key[32] = { 9 };

	memset(k, 0, sizeof *k);
	k->s = sp_server_new(.name = "t", .version = "1", .state_key = key, .task_ttl_s = 100);
	tool(k, "name", ask_name, SP_TASK_NEVER);
	tool(k, "model", ask_model, SP_TASK_NEVER);
	tool(k, "roots", ask_roots, SP_TASK_NEVER);
	tool(k, "all", ask_all, SP_TASK_NEVER);
	tool(k, "twice", ask_twice, SP_TASK_NEVER);
	tool(k, "can", ask_what_can, SP_TASK_NEVER);
	tool(k, "page", ask_page, SP_TASK_NEVER);
	tool(k, "state", too_much_state, SP_TASK_NEVER);
	sp_prompt(k->s, .name = "ask", .description = "d", .auth = SP_ANYONE, .handler = ask_prompt);
	sp_resource(k->s, .name = "doc", .uri = "test://doc", .auth = SP_ANYONE, .handler = ask_name);
	kit_begin(k);
}

/* ---- 2026 era */

static const struct { const char *name, *tool, *caps, *first, *responses, *last; } rounds[] = {
	{ "basic-elicitation", "name", ALL, "\"user_name\":{\"method\":\"elicitation/create\",\"params\":{\"message\":",
	    "{\"user_name\":" ACCEPT("name", "\"Alice\"") "}", "Alice" },
	{ "declined", "name", ALL, "\"user_name\":", "{\"user_name\":{\"action\":\"decline\"}}", "stranger" },
	{ "basic-sampling", "model", ALL, "\"capital_question\":{\"method\":\"sampling/createMessage\"",
	    "{\"capital_question\":{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"Paris.\"},\"model\":\"m\"}}",
	    "\"text\":\"Paris.\"" },
	{ "basic-list-roots", "roots", ALL, "\"client_roots\":{\"method\":\"roots/list\",\"params\":{}}",
	    "{\"client_roots\":{\"roots\":[{\"uri\":\"file:///r\"}]}}", "file:///r" },
	{ "multiple-input-requests", "all", ALL, "\"greeting\":{\"method\":\"sampling/createMessage\"",
	    "{\"user_name\":" ACCEPT("name", "\"A\"") ",\"client_roots\":{\"roots\":[]},\"greeting\":{\"role\":\"assistant\","
	    "\"content\":[{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"hi\"}],\"model\":\"m\"}}", " hi []" },
	{ "capability-check: sampling only", "can", "\"sampling\":{}", "\"inputRequests\":{\"sample\":{",
	    "{\"sample\":{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"x\"},\"model\":\"m\"}}", "" },
	{ "page", "page", "\"elicitation\":{\"url\":{}}", "\"params\":{\"mode\":\"url\",\"message\":\"Sign in there\",\"url\":"
	    "\"https://example.com/in\"}", "{\"page\":{\"action\":\"accept\"}}", "action 1" },
};

static void
test_rounds(void **state)
{
	struct said *f = malloc(sizeof *f);
	char rest[8192], buf[4096];
	struct kit k;

	begin(&k);
	for (size_t i = 0; i < SP_COUNT(rounds); i++) {
		call(&k, f, rounds[i].caps, rounds[i].tool, "\"arguments\":{}");
		CHECK(rounds[i].name, f->st == SP_OK && f->answers == 1 && has(f->json, "\"resultType\":\"input_required\""));
		CHECK(rounds[i].name, has(f->json, rounds[i].first) && !has(f->json, "\"content\":["));
		snprintf(rest, sizeof rest, "\"arguments\":{},\"inputResponses\":%s,\"requestState\":\"%s\"", rounds[i].responses,
		    member(f->json, "requestState", buf));
		call(&k, f, rounds[i].caps, rounds[i].tool, rest);
		CHECK(rounds[i].name, f->st == SP_OK && has(f->json, "\"resultType\":\"complete\"") && has(f->json, rounds[i].last));
		CHECK(rounds[i].name, !has(f->json, "requestState"));
		/* Nothing is said on the way: no request of ours in this era. */
		CHECK(rounds[i].name, f->sends == 0);
	}
	assert_true(has(call(&k, f, "", "can", ""), "nothing can be asked"));
	assert_true(has(call(&k, f, "\"elicitation\":{}", "page", ""), "no pages"));
	sp_server_free(k.s);
	free(f);
}

static void
test_multi_round(void **state)
{
	struct said *f = malloc(sizeof *f);
	char rest[8192], first[4096], second[4096];
	struct kit k;

	begin(&k);
	member(call(&k, f, ALL, "twice", ""), "requestState", first);
	snprintf(rest, sizeof rest, "\"inputResponses\":{\"step1\":" ACCEPT("name", "\"A\"") "},\"requestState\":\"%s\"", first);
	call(&k, f, ALL, "twice", rest);
	assert_true(has(f->json, "\"inputRequests\":{\"step2\":"));
	assert_false(has(f->json, "step1"));
	assert_string_not_equal(member(f->json, "requestState", second), first);
	snprintf(rest, sizeof rest, "\"inputResponses\":{\"step2\":" ACCEPT("name", "\"B\"") ",\"step1\":" ACCEPT("name", "\"C\"")
	    "},\"requestState\":\"%s\"", second);
	call(&k, f, ALL, "twice", rest);
	assert_true(has(f->json, "{\\\"name\\\":\\\"A\\\"} then {\\\"name\\\":\\\"B\\\"}, state-ok after step 1"));
	/* State of the first round with answers of the second: the second question is put again. */
	snprintf(rest, sizeof rest, "\"requestState\":\"%s\"", first);
	assert_true(has(call(&k, f, ALL, "twice", rest), "\"inputRequests\":{\"step1\":"));
	sp_server_free(k.s);
	free(f);
}

/* What cannot be kept ends the call, and the model learns that it failed. */
static void
test_big_state(void **state)
{
	static char big[40000], rest[40100];
	struct said *f = malloc(sizeof *f);
	struct kit k;

	begin(&k);
	memset(big, 'x', sizeof big - 1);
	snprintf(rest, sizeof rest, "\"arguments\":{\"a\":\"%.16000s\"}", big);
	assert_true(has(call(&k, f, ALL, "state", rest), "input_required"));
	snprintf(rest, sizeof rest, "\"arguments\":{\"a\":\"%.17000s\"}", big);
	assert_true(has(call(&k, f, ALL, "state", rest), "too much state"));
	snprintf(rest, sizeof rest, "\"inputResponses\":{\"x\":{\"action\":\"accept\",\"content\":{\"name\":\"%.30000s\"}},"
	    "\"x2\":{\"a\":\"\"}}", big);
	assert_true(has(call(&k, f, ALL, "state", rest), "done"));
	sp_server_free(k.s);
	free(f);
}

/* input-required-result-missing-input-response, -ignore-extra-params, -validate-input, and what they lack. */
static const struct { const char *name, *rest; enum sp_status st; const char *want; } inputs[] = {
	{ "wrong key: asked again", "\"inputResponses\":{\"wrong\":" ACCEPT("name", "\"x\"") "}", SP_OK, "\"inputRequests\":{\"user_name\"" },
	{ "no answers: asked again", "\"inputResponses\":{}", SP_OK, "\"inputRequests\":{\"user_name\"" },
	{ "more keys", "\"inputResponses\":{\"user_name\":" ACCEPT("name", "\"Al\"") ",\"more\":{\"action\":\"accept\"}}", SP_OK, "Hello" },
	{ "number", "\"inputResponses\":{\"user_name\":12345}", SP_E_BAD_PARAMS, "-32602" },
	{ "null", "\"inputResponses\":null", SP_E_BAD_PARAMS, "-32602" },
	{ "list", "\"inputResponses\":[]", SP_E_BAD_PARAMS, "-32602" },
	{ "misfit", "\"inputResponses\":{\"user_name\":" ACCEPT("name", "5") "}", SP_E_BAD_PARAMS, "does not fit what was asked" },
	{ "no action", "\"inputResponses\":{\"user_name\":{}}", SP_E_BAD_PARAMS, "-32602" },
	{ "state is a number", "\"requestState\":5", SP_E_BAD_PARAMS, "requestState is not valid for this request" },
	{ "state is null", "\"requestState\":null", SP_E_BAD_PARAMS, "requestState is not valid for this request" },
	{ "state is empty", "\"requestState\":\"\"", SP_E_BAD_PARAMS, "requestState is not valid for this request" },
	{ "state of nobody", "\"requestState\":\"AAAA\"", SP_E_BAD_PARAMS, "requestState is not valid for this request" },
};

static void
test_inputs(void **state)
{
	struct said *f = malloc(sizeof *f);
	struct kit k;

	begin(&k);
	for (size_t i = 0; i < SP_COUNT(inputs); i++) {
		effects = 0;
		call(&k, f, ALL, "name", inputs[i].rest);
		CHECK(inputs[i].name, f->st == inputs[i].st && f->answers == 1 && has(f->json, inputs[i].want));
		CHECK(inputs[i].name, effects == (has(inputs[i].want, "Hello") ? 1u : 0u));
	}
	assert_int_equal(sp_server_busy(k.s), 0);
	sp_server_free(k.s);
	free(f);
}

/* Threat rows E15, E20, through the whole engine. */
static void
test_state_of_others(void **state)
{
	struct sp_principal *alice = kit_who("alice", NULL), *bob = kit_who("bob", NULL);
	struct said *f = malloc(sizeof *f);
	char rest[8192], text[4096], all[8300];
	struct kit k;

	begin(&k);
	post(&k, f, alice, ALL, "tools/call", "name", "\"name\":\"name\",\"arguments\":{\"a\":1}");
	snprintf(rest, sizeof rest, "\"inputResponses\":{\"user_name\":" ACCEPT("name", "\"A\"") "},\"requestState\":\"%s",
	    member(f->json, "requestState", text));
	snprintf(all, sizeof all, "\"name\":\"name\",\"arguments\":{\"a\":1},%s-TAMPERED\"", rest);
	assert_true(has(post(&k, f, alice, ALL, "tools/call", "name", all), "-32602"));
	snprintf(all, sizeof all, "\"name\":\"name\",\"arguments\":{\"a\":1},%s\"", rest);
	assert_true(has(post(&k, f, bob, ALL, "tools/call", "name", all), "-32602"));
	assert_true(has(post(&k, f, NULL, ALL, "tools/call", "name", all), "-32602"));
	snprintf(all, sizeof all, "\"name\":\"name\",\"arguments\":{\"a\":2},%s\"", rest);
	assert_true(has(post(&k, f, alice, ALL, "tools/call", "name", all), "-32602"));
	snprintf(all, sizeof all, "\"name\":\"greet\",\"arguments\":{\"a\":1},%s\"", rest);
	assert_true(has(post(&k, f, alice, ALL, "tools/call", "greet", all), "-32602"));
	snprintf(all, sizeof all, "\"name\":\"name\",\"arguments\":{\"a\":1},%s\"", rest);
	assert_true(has(post(&k, f, alice, ALL, "tools/call", "name", all), "Hello"));
	k.now_s += 600;
	assert_true(has(post(&k, f, alice, ALL, "tools/call", "name", all), "-32602"));
	sp_server_free(k.s);
	free(alice);
	free(bob);
	free(f);
}

static void
test_other_methods(void **state)
{
	struct said *f = malloc(sizeof *f);
	char rest[8192], buf[4096];
	struct kit k;

	begin(&k);
	post(&k, f, NULL, ALL, "prompts/get", "ask", "\"name\":\"ask\"");
	assert_true(has(f->json, "\"inputRequests\":{\"user_context\""));
	snprintf(rest, sizeof rest, "\"name\":\"ask\",\"inputResponses\":{\"user_context\":" ACCEPT("name", "\"x\"")
	    "},\"requestState\":\"%s\"", member(f->json, "requestState", buf));
	assert_true(has(post(&k, f, NULL, ALL, "prompts/get", "ask", rest), "\"messages\":[{"));
	post(&k, f, NULL, ALL, "resources/read", "test://doc", "\"uri\":\"test://doc\"");
	assert_true(has(f->json, "\"inputRequests\":{\"user_name\""));
	assert_false(has(f->json, "ttlMs"));
	snprintf(rest, sizeof rest, "\"uri\":\"test://doc\",\"inputResponses\":{\"user_name\":" ACCEPT("name", "\"x\"")
	    "},\"requestState\":\"%s\"", member(f->json, "requestState", buf));
	assert_true(has(post(&k, f, NULL, ALL, "resources/read", "test://doc", rest), "\"contents\":[{"));
	/* Nowhere else are they looked at. */
	assert_true(has(post(&k, f, NULL, ALL, "tools/list", "x", "\"inputResponses\":7,\"requestState\":7"), "\"tools\":["));
	sp_server_free(k.s);
	free(f);
}

/* ---- 2025 era */

static void
open_session(struct kit *k, struct sp_principal *who, const char *caps, char id[static 64])
{
	struct said *f = malloc(sizeof *f);
	char body[1024];

	said_begin(f, who);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
	    "\"2025-11-25\",\"capabilities\":{%s},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}", caps);
	kit_legacy(k, f, NULL, body);
	snprintf(id, 64, "%s", f->session);
	free(f);
}

static void
legacy_call(struct kit *k, struct said *f, struct sp_principal *who, const char *session, const char *name)
{
	char body[1024];

	said_begin(f, who);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
	    "\"inputResponses\":{\"user_name\":7},\"requestState\":7}}", name);
	kit_legacy(k, f, session, body);
}

static void
respond(struct kit *k, struct sp_principal *who, const char *session, const char *id, const char *rest)
{
	struct said *f = malloc(sizeof *f);
	char body[8192];

	said_begin(f, who);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",%s}", id, rest);
	kit_legacy(k, f, session, body);
	free(f);
}

static const struct { const char *name, *tool, *caps, *asks, *rest, *want; } legacy[] = {
	{ "tools-call-elicitation", "name", ALL, "\"method\":\"elicitation/create\"", "\"result\":" ACCEPT("name", "\"Al\""), "Al" },
	{ "elicitation cancelled", "name", ALL, "\"method\":\"elicitation/create\"", "\"result\":{\"action\":\"cancel\"}", "stranger" },
	{ "tools-call-sampling", "model", ALL, "\"method\":\"sampling/createMessage\"",
	    "\"result\":{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"Paris\"},\"model\":\"m\"}", "Paris" },
	{ "sampling rejected", "model", ALL, "\"method\":\"sampling/createMessage\"", "\"error\":{\"code\":-1,\"message\":\"no\"}",
	    "denied" },
	{ "sampling not there", "model", ALL, "\"method\":\"sampling/createMessage\"", "\"error\":{\"code\":-32601,\"message\":\"no\"}",
	    "cannot" },
	{ "roots", "roots", ALL, "\"method\":\"roots/list\"", "\"result\":{\"roots\":[{\"uri\":\"file:///r\"}]}", "file:///r" },
	{ "page has an id", "page", "\"elicitation\":{\"url\":{}}", "\"elicitationId\":\"", "\"result\":{\"action\":\"decline\"}", "action 2" },
	{ "answer that does not fit", "name", ALL, "\"method\":\"elicitation/create\"", "\"result\":" ACCEPT("name", "1"), "-32602" },
};

static void
test_legacy(void **state)
{
	struct said *f = malloc(sizeof *f);
	char session[64], id[4096];
	struct kit k;

	begin(&k);
	for (size_t i = 0; i < SP_COUNT(legacy); i++) {
		open_session(&k, NULL, legacy[i].caps, session);
		legacy_call(&k, f, NULL, session, legacy[i].tool);
		CHECK(legacy[i].name, f->answers == 0 && f->sends == 1 && has(f->notes, legacy[i].asks));
		respond(&k, NULL, session, member(f->notes, "id", id), legacy[i].rest);
		CHECK(legacy[i].name, f->answers == 1 && has(f->json, legacy[i].want) && !has(f->json, "resultType"));
		/* Once more does nothing. */
		respond(&k, NULL, session, id, legacy[i].rest);
		CHECK(legacy[i].name, f->answers == 1);
	}
	open_session(&k, NULL, "", session);
	legacy_call(&k, f, NULL, session, "can");
	assert_true(f->answers == 1 && f->sends == 0 && has(f->json, "nothing can be asked"));
	assert_int_equal(sp_server_busy(k.s), 0);
	sp_server_free(k.s);
	free(f);
}

static void
test_legacy_twice(void **state)
{
	struct said *f = malloc(sizeof *f);
	char session[64], id[4096];
	struct kit k;

	begin(&k);
	open_session(&k, NULL, ALL, session);
	legacy_call(&k, f, NULL, session, "twice");
	respond(&k, NULL, session, member(f->notes, "id", id), "\"result\":" ACCEPT("name", "\"A\""));
	assert_int_equal(f->answers, 0);
	assert_int_equal(f->sends, 2);
	respond(&k, NULL, session, member(strchr(f->notes, '\n'), "id", id), "\"result\":" ACCEPT("name", "\"B\""));
	assert_int_equal(f->answers, 1);
	assert_true(has(f->json, "then {\\\"name\\\":\\\"B\\\"}, state-ok after step 1"));
	sp_server_free(k.s);
	free(f);
}

/* Threat row L09: somebody else's response does nothing. */
static void
test_foreign_responses(void **state)
{
	struct sp_principal *alice = kit_who("alice", NULL), *bob = kit_who("bob", NULL);
	struct said *f = malloc(sizeof *f);
	char session[64], second[64], bobs[64], id[4096];
	const char *yes = "\"result\":" ACCEPT("name", "\"Mallory\"");
	struct kit k;

	begin(&k);
	open_session(&k, alice, ALL, session);
	open_session(&k, alice, ALL, second);
	open_session(&k, bob, ALL, bobs);
	legacy_call(&k, f, alice, session, "name");
	member(f->notes, "id", id);
	assert_int_equal(strlen(id), 32);
	respond(&k, bob, bobs, id, yes);
	respond(&k, bob, session, id, yes);
	respond(&k, NULL, session, id, yes);
	respond(&k, alice, second, id, yes);
	respond(&k, alice, session, "5", yes);
	respond(&k, alice, session, "", yes);
	id[31] = (char)(id[31] == '0' ? '1' : '0');
	respond(&k, alice, session, id, yes);
	assert_int_equal(f->answers, 0);
	member(f->notes, "id", id);
	respond(&k, alice, session, id, "\"result\":" ACCEPT("name", "\"Alice\""));
	assert_true(f->answers == 1 && has(f->json, "Alice"));
	sp_server_free(k.s);
	free(alice);
	free(bob);
	free(f);
}

/* What ends a call that waits: time, cancellation, a client that hangs up, the end of its session. */
static void
test_waiting_ends(void **state)
{
	struct said *f = malloc(sizeof *f), *g = malloc(sizeof *g);
	char session[64], id[4096];
	struct kit k;

	begin(&k);
	open_session(&k, NULL, ALL, session);
	legacy_call(&k, f, NULL, session, "name");
	k.now_ms += 599000;
	(void)sp_server_tick(k.s);
	assert_int_equal(f->answers, 0);
	k.now_ms += 2000;
	(void)sp_server_tick(k.s);
	assert_true(f->answers == 1 && has(f->json, "in time"));

	effects = 0;
	legacy_call(&k, f, NULL, session, "name");
	said_begin(g, NULL);
	kit_legacy(&k, g, session, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":5}}");
	assert_int_equal(f->answers, 1);
	respond(&k, NULL, session, member(f->notes, "id", id), "\"result\":" ACCEPT("name", "\"A\""));

	legacy_call(&k, f, NULL, session, "name");
	sp_server_gone(k.s, &f->x);
	respond(&k, NULL, session, member(f->notes, "id", id), "\"result\":" ACCEPT("name", "\"A\""));
	assert_int_equal(f->answers, 0);

	legacy_call(&k, f, NULL, session, "name");
	said_begin(g, NULL);
	sp_server_session_end(k.s, &g->x, sp_str(session));
	assert_int_equal(f->answers, 1);
	respond(&k, NULL, session, member(f->notes, "id", id), "\"result\":" ACCEPT("name", "\"A\""));
	assert_int_equal(effects, 0);
	assert_int_equal(sp_server_busy(k.s), 0);
	sp_server_free(k.s);
	free(f);
	free(g);
}

/* A client that takes no stream cannot be asked. */
static void
test_no_stream(void **state)
{
	struct said *f = malloc(sizeof *f);
	char session[64];
	struct kit k;

	begin(&k);
	open_session(&k, NULL, ALL, session);
	said_begin(f, NULL);
	f->x.streams = false;
	kit_legacy(&k, f, session, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{\"name\":\"can\"}}");
	assert_true(f->answers == 1 && has(f->json, "nothing can be asked"));
	sp_server_free(k.s);
	free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds), cmocka_unit_test(test_multi_round), cmocka_unit_test(test_big_state),
		cmocka_unit_test(test_inputs), cmocka_unit_test(test_state_of_others),
		cmocka_unit_test(test_other_methods), cmocka_unit_test(test_legacy),
		cmocka_unit_test(test_legacy_twice), cmocka_unit_test(test_foreign_responses),
		cmocka_unit_test(test_waiting_ends), cmocka_unit_test(test_no_stream),
	};

	sp_log_init("test", SP_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
