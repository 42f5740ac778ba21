/* Streams: progress and messages of a call, subscriptions/listen, GET of the 2025 era, coming back after a pause. */
#include "server/testkit.h"

static const char *const admin_tags[] = { "admin" };
static const struct sp_facts admin_facts = { .subject = "ada", .source = "t", .tags = admin_tags, .ntags = 1 };
static const struct sp_facts plain_facts = { .subject = "pat", .source = "t" };

static struct sp_context *kept;

static void
talk(struct sp_context *ctx, void *arg)
{
	(void)sp_progress(ctx, 0, 100, NULL);
	(void)sp_message(ctx, SP_LOG_DEBUG, NULL, "quiet");
	(void)sp_message(ctx, SP_LOG_INFO, "talk", "{\"a\":1}");
	(void)sp_progress(ctx, 50.5, 100, "half");
	(void)sp_return_text(ctx, "done");
}

static void
pausing(struct sp_context *ctx, void *arg)
{
	kept = sp_defer(ctx);
	(void)sp_close_stream(ctx, 500);
	(void)sp_message(ctx, SP_LOG_INFO, NULL, "while away");
}

static void
nothing_to_say(struct sp_context *ctx, void *arg)
{
	(void)sp_return_text(ctx, "x");
}

struct world {
	struct kit k;
	struct said f, stream, second;
	struct sp_principal *admin, *plain;
	char	 id[64];
};

static struct world *
setup(void)
{
	struct world *w = calloc(1, sizeof *w);
	struct sp_server *s = sp_server_new(.name = "t", .version = "1", .max_sessions = 8);

	sp_tool(s, .name = "talk", .auth = SP_ANYONE, .handler = talk);
	sp_tool(s, .name = "pause", .auth = SP_ANYONE, .handler = pausing);
	sp_resource(s, .uri = "test://open", .name = "o", .auth = SP_ANYONE, .handler = nothing_to_say);
	sp_resource(s, .uri = "test://closed", .name = "c", .auth = sp_restrict_tag("admin"), .handler = nothing_to_say);
	sp_prompt(s, .name = "p", .auth = SP_ANYONE, .handler = nothing_to_say);
	w->k.s = s;
	w->admin = kit_who("ada", &admin_facts);
	w->plain = kit_who("pat", &plain_facts);
	kit_begin(&w->k);
	kit_session(&w->k, w->plain, w->id);
	said_begin(&w->f, w->plain);
	said_begin(&w->stream, w->plain);
	said_begin(&w->second, w->plain);
	return w;
}

static void
teardown(struct world *w)
{
	sp_server_free(w->k.s);
	sp_principal_drop(&w->admin);
	sp_principal_drop(&w->plain);
	free(w);
}

static void
add_tool(struct world *w, const char *name, struct sp_auth_check *auth)
{
	sp_tool(w->k.s, .name = name, .auth = auth, .handler = nothing_to_say);
}

static size_t
count(const char *text, const char *part)
{
	size_t n = 0;

	while ((text = strstr(text, part)) != NULL) {
		n++;
		text++;
	}
	return n;
}

/* ---- what goes with a call */

static void
test_progress_and_messages(void **state)
{
	static const struct { const char *name, *meta; size_t progress, messages; } rows[] = {
		{ "nothing was asked for", "", 0, 0 },
		{ "progress", ",\"progressToken\":\"p-1\"", 2, 0 },
		{ "messages", ",\"io.modelcontextprotocol/logLevel\":\"info\"", 0, 1 },
		{ "all", ",\"progressToken\":9,\"io.modelcontextprotocol/logLevel\":\"debug\"", 2, 2 },
	};
	struct world *w = setup();

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char body[1024];

		said_begin(&w->f, w->plain);
		said_header(&w->f, "mcp-protocol-version", "2026-07-28");
		said_header(&w->f, "mcp-method", "tools/call");
		said_header(&w->f, "mcp-name", "talk");
		snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{" META "%s},"
		    "\"name\":\"talk\"}}", rows[i].meta);
		sp_server_message(w->k.s, &w->f.x, sp_str(body));
		CHECK(rows[i].name, count(w->f.notes, "notifications/progress") == rows[i].progress);
		CHECK(rows[i].name, count(w->f.notes, "notifications/message") == rows[i].messages);
		CHECK(rows[i].name, w->f.answers == 1 && has(w->f.json, "done"));
		CHECK(rows[i].name, rows[i].progress == 0 || has(w->f.notes, "\"progress\":50.5,\"total\":100,\"message\":\"half\""));
	}
	CHECK("data that is JSON stays JSON", has(w->f.notes, "\"logger\":\"talk\",\"data\":{\"a\":1}"));
	teardown(w);
}

static void
test_level_of_session(void **state)
{
	struct world *w = setup();

	kit_legacy(&w->k, &w->f, w->id, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"talk\"}}");
	CHECK("info from the start", count(w->f.notes, "notifications/message") == 1);
	said_begin(&w->f, w->plain);
	kit_legacy(&w->k, &w->f, w->id, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"logging/setLevel\",\"params\":{\"level\":\"error\"}}");
	CHECK("set", w->f.st == SP_OK);
	said_begin(&w->f, w->plain);
	kit_legacy(&w->k, &w->f, w->id, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"talk\"}}");
	CHECK("errors only", count(w->f.notes, "notifications/message") == 0);
	said_begin(&w->f, w->plain);
	w->f.unread = SP_UNREAD_MAX + 1;
	kit_legacy(&w->k, &w->f, w->id, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"talk\","
	    "\"_meta\":{\"progressToken\":1}}}");
	CHECK("a client that reads nothing", w->f.sends == 0 && w->f.answers == 1);
	teardown(w);
}

/* ---- subscriptions/listen */

static void
listen(struct world *w, struct said *f, const char *wishes)
{
	char params[512];

	snprintf(params, sizeof params, "\"notifications\":{%s}", wishes);
	kit_modern(&w->k, f, "subscriptions/listen", NULL, params);
}

static void
test_listen(void **state)
{
	struct world *w = setup();

	listen(w, &w->stream, "\"toolsListChanged\":true,\"resourceSubscriptions\":[\"test://open\",\"test://closed\",\"test://no\"]");
	CHECK("the first is the acknowledgement, of what this caller may read", strcmp(w->stream.notes,
	    "[] {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{\"_meta\":{"
	    "\"io.modelcontextprotocol/subscriptionId\":7},\"notifications\":{\"toolsListChanged\":true,"
	    "\"resourceSubscriptions\":[\"test://open\"]}}}\n") == 0);
	CHECK("held", w->stream.answers == 0);
	add_tool(w, "new", SP_ANYONE);
	CHECK("a tool came", count(w->stream.notes, "tools/list_changed") == 1);
	CHECK("with the subscription", count(w->stream.notes, "subscriptionId\":7") == 2);
	add_tool(w, "newer", SP_ANYONE);
	CHECK("once a second", count(w->stream.notes, "tools/list_changed") == 1);
	w->k.now_ms += 1000;
	(void)sp_server_tick(w->k.s);
	CHECK("and then again", count(w->stream.notes, "tools/list_changed") == 2);
	w->k.now_ms += 1000;
	add_tool(w, "hidden", sp_restrict_tag("admin"));
	assert_true(sp_component_remove(w->k.s, SP_COMPONENT_IS_TOOL, "hidden"));
	CHECK("not of what this caller cannot see", count(w->stream.notes, "tools/list_changed") == 2);
	sp_list_changed(w->k.s, SP_COMPONENT_IS_PROMPT);
	sp_resource_updated(w->k.s, "test://open");
	sp_resource_updated(w->k.s, "test://closed");
	sp_server_turn(w->k.s);
	CHECK("no kind that was not asked for", count(w->stream.notes, "prompts/list_changed") == 0);
	CHECK("updated", count(w->stream.notes, "resources/updated") == 1 && has(w->stream.notes, "\"uri\":\"test://open\""));
	sp_server_drain(w->k.s);
	CHECK("its end is said", w->stream.answers == 1 && has(w->stream.json, "\"resultType\":\"complete\"") &&
	    has(w->stream.json, "subscriptionId\":7"));
	teardown(w);
}

static void
test_listen_ends(void **state)
{
	struct world *w = setup();

	w->plain->expires_s = 2000;
	listen(w, &w->stream, "\"toolsListChanged\":true");
	w->k.now_s = 2000;
	(void)sp_server_tick(w->k.s);
	CHECK("E23: not longer than the credential", w->stream.answers == 1 && w->k.s->open == NULL);
	w->k.now_s = 1000;
	said_begin(&w->stream, w->plain);
	listen(w, &w->stream, "\"toolsListChanged\":true");
	sp_server_gone(w->k.s, &w->stream.x);
	add_tool(w, "new", SP_ANYONE);
	CHECK("gone: nothing is said any more", w->stream.answers == 0 && w->stream.sends == 1 && w->k.s->nstreams == 0);
	said_begin(&w->stream, w->plain);
	w->stream.x.streams = false;
	listen(w, &w->stream, "\"toolsListChanged\":true");
	CHECK("no event stream is accepted", w->stream.st == SP_E_ACCEPT && w->stream.answers == 1);
	for (int i = 0; i < 9; i++) {
		said_begin(&w->stream, w->plain);	/* the same exchange again: the engine never looks at the older ones */
		listen(w, &w->stream, "\"toolsListChanged\":true");
	}
	CHECK("one more than there may be", w->stream.st == SP_E_UNAVAILABLE && w->stream.answers == 1);
	teardown(w);
}

static void
test_streams_of_one(void **state)
{
	struct kit k = { .s = sp_server_new(.name = "t", .version = "1") };
	struct sp_principal *plain = kit_who("pat", &plain_facts), *admin = kit_who("ada", &admin_facts);
	struct said *f = calloc(SP_STREAMS_OF_CALLER + 2, sizeof *f);

	sp_tool(k.s, .name = "talk", .auth = SP_ANYONE, .handler = talk);
	kit_begin(&k);
	for (int i = 0; i < SP_STREAMS_OF_CALLER + 2; i++) {
		said_begin(&f[i], i <= SP_STREAMS_OF_CALLER ? plain : admin);
		kit_modern(&k, &f[i], "subscriptions/listen", NULL, "\"notifications\":{\"toolsListChanged\":true}");
	}
	CHECK("one more than a caller may hold", f[SP_STREAMS_OF_CALLER].st == SP_E_UNAVAILABLE && f[0].answers == 0);
	CHECK("another caller", f[SP_STREAMS_OF_CALLER + 1].answers == 0 && f[SP_STREAMS_OF_CALLER + 1].sends == 1);
	sp_server_free(k.s);
	sp_principal_drop(&plain);
	sp_principal_drop(&admin);
	free(f);
}

static void
test_listen_stdio(void **state)
{
	struct world *w = setup();

	w->stream.x.head = w->f.x.head = NULL;
	listen(w, &w->stream, "\"toolsListChanged\":true");
	w->f.x.conn = w->stream.x.conn;
	w->stream.x.transport = w->f.x.transport = SP_TRANSPORT_STDIO;
	sp_server_message(w->k.s, &w->f.x,
	    SP_LIT("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":7}}"));
	CHECK("cancelled: nothing more", w->k.s->nstreams == 0 && w->stream.json[0] == '\0');
	teardown(w);
}

/* ---- GET */

static void
test_get(void **state)
{
	struct world *w = setup();

	sp_server_stream(w->k.s, &w->stream.x, sp_str(w->id), (sp_slice){ NULL, 0 });
	assert_int_equal(w->stream.answers, 0);
	add_tool(w, "new", SP_ANYONE);
	CHECK("a changed list", strcmp(w->stream.notes, "[] {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n") == 0);
	w->k.now_ms += 2000;
	sp_server_stream(w->k.s, &w->second.x, sp_str(w->id), (sp_slice){ NULL, 0 });
	add_tool(w, "newer", SP_ANYONE);
	CHECK("each message on exactly one stream", w->stream.sends == 1 && w->second.sends == 1);
	sp_resource_updated(w->k.s, "test://open");
	sp_server_turn(w->k.s);
	CHECK("not subscribed", w->second.sends == 1);
	kit_legacy(&w->k, &w->f, w->id, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"test://open\"}}");
	CHECK("subscribed", w->f.st == SP_OK && has(w->f.json, "\"result\":{}"));
	sp_resource_updated(w->k.s, "test://open");
	sp_server_turn(w->k.s);
	CHECK("updated", has(w->second.notes, "resources/updated\",\"params\":{\"uri\":\"test://open\"}"));
	said_begin(&w->f, w->plain);
	kit_legacy(&w->k, &w->f, w->id, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"test://closed\"}}");
	CHECK("closed is unknown", has(w->f.json, "-32002"));
	said_begin(&w->f, w->plain);
	kit_legacy(&w->k, &w->f, w->id, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"resources/unsubscribe\",\"params\":{\"uri\":\"test://open\"}}");
	sp_resource_updated(w->k.s, "test://open");
	sp_server_turn(w->k.s);
	CHECK("no longer", w->second.sends == 2);
	said_begin(&w->f, w->plain);
	sp_server_session_end(w->k.s, &w->f.x, sp_str(w->id));
	CHECK("DELETE ends the streams", w->f.st == SP_OK && w->stream.answers == 1 && w->second.answers == 1 && w->k.s->nstreams == 0);
	teardown(w);
}

static void
test_get_refused(void **state)
{
	static const struct { const char *name, *id; bool other, provider; enum sp_status st; } rows[] = {
		{ "no session", "", false, false, SP_E_BAD_RPC }, { "unknown", "x", false, false, SP_E_SESSION },
		{ "another's", NULL, true, false, SP_E_SESSION }, { "own", NULL, false, false, SP_OK },
	};
	struct world *w = setup();

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		said_begin(&w->f, rows[i].other ? w->admin : w->plain);
		sp_server_stream(w->k.s, &w->f.x, sp_str(rows[i].id == NULL ? w->id : rows[i].id), (sp_slice){ NULL, 0 });
		CHECK(rows[i].name, w->f.st == rows[i].st && w->f.answers == (rows[i].st == SP_OK ? 0u : 1u));
	}
	teardown(w);
}

/* ---- SEP-1699: the connection ends, the call does not */

#define CALL_PAUSE "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{\"name\":\"pause\"}}"

static void
test_come_back(void **state)
{
	struct world *w = setup();

	kit_legacy(&w->k, &w->f, w->id, CALL_PAUSE);
	CHECK("an id, then the pause", strcmp(w->f.notes, "[1-0] \n") == 0 && w->f.pauses == 1 && w->f.retry_ms == 500);
	sp_server_gone(w->k.s, &w->f.x);
	assert_int_equal(w->f.answers, 0);
	said_begin(&w->second, w->admin);
	sp_server_stream(w->k.s, &w->second.x, sp_str(w->id), SP_LIT("1-0"));
	CHECK("not for another caller", w->second.st == SP_E_SESSION);
	sp_server_stream(w->k.s, &w->stream.x, sp_str(w->id), SP_LIT("1-0"));
	CHECK("what was said meanwhile", has(w->stream.notes, "[1-1] ") && has(w->stream.notes, "while away"));
	(void)sp_return_text(kept, "at last");
	(void)sp_complete(kept);
	sp_release(kept);
	sp_server_turn(w->k.s);
	CHECK("and the answer", w->stream.answers == 1 && has(w->stream.json, "at last") && has(w->stream.json, "\"id\":5"));
	assert_null(w->k.s->open);
	teardown(w);
}

static void
test_come_back_late(void **state)
{
	struct world *w = setup();

	kit_legacy(&w->k, &w->f, w->id, CALL_PAUSE);
	(void)sp_return_text(kept, "at last");
	(void)sp_complete(kept);
	sp_release(kept);
	sp_server_turn(w->k.s);
	CHECK("the answer waits", w->k.s->nwaiting == 1);
	sp_server_stream(w->k.s, &w->stream.x, sp_str(w->id), SP_LIT("1-1"));
	CHECK("only what is new, and the answer", w->stream.sends == 0 && w->stream.answers == 1 && has(w->stream.json, "at last"));
	said_begin(&w->f, w->plain);
	kit_legacy(&w->k, &w->f, w->id, CALL_PAUSE);
	(void)sp_complete(kept);
	sp_release(kept);
	sp_server_turn(w->k.s);
	w->k.now_ms += SP_COME_BACK_MS;
	(void)sp_server_tick(w->k.s);
	CHECK("not for ever", w->k.s->nwaiting == 0 && w->k.s->open == NULL);
	said_begin(&w->stream, w->plain);
	sp_server_stream(w->k.s, &w->stream.x, sp_str(w->id), SP_LIT("2-0"));
	CHECK("then it is a stream like any other", w->stream.answers == 0 && w->stream.sends == 0);
	teardown(w);
}

static void
test_held_is_bounded(void **state)
{
	struct world *w = setup();

	kit_legacy(&w->k, &w->f, w->id, CALL_PAUSE);
	for (unsigned i = 0; i < SP_HELD_MAX * 2; i++) {
		(void)sp_message(kept, SP_LOG_ERROR, NULL, "again");
		sp_server_turn(w->k.s);
	}
	sp_server_stream(w->k.s, &w->stream.x, sp_str(w->id), SP_LIT("1-0"));
	CHECK("the newest were kept", w->stream.sends == SP_HELD_MAX && has(w->stream.notes, "[1-129] "));
	for (unsigned i = 0; i < SP_NOTES_MAX; i++)
		assert_int_equal(sp_message(kept, SP_LOG_ERROR, NULL, "again"), SP_RC_OK);
	CHECK("one more than can wait", sp_message(kept, SP_LOG_ERROR, NULL, "again") == SP_RC_UNAVAILABLE);
	(void)sp_complete(kept);
	sp_release(kept);
	sp_server_turn(w->k.s);
	teardown(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_progress_and_messages), cmocka_unit_test(test_level_of_session), cmocka_unit_test(test_listen),
		cmocka_unit_test(test_listen_ends), cmocka_unit_test(test_listen_stdio), cmocka_unit_test(test_streams_of_one), cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_refused), cmocka_unit_test(test_come_back), cmocka_unit_test(test_come_back_late),
		cmocka_unit_test(test_held_is_bounded),
	};

	sp_log_init("test", SP_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
