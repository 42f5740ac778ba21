/* What comes as events: streams that are held, notifications of calls, results of every kind; catalogues behind them. */
#include "front/stream.h"
#include "front/testkeeper.h"

#include <sys/resource.h>

#define RD TW_AS(TW_READER)
#define AD TW_AS(TW_ADMIN)
#define SUB SP_CAP_TOOLS | SP_CAP_RESOURCES | SP_CAP_PROMPTS | SP_CAP_SUBSCRIBE | SP_CAP_LOGGING | SP_CAP_COMPLETIONS

static struct world w;
static struct sp_testkey *key;
static char mine[512];
static uint32_t serial;

/* Server 1: tools get_* for everybody, admin_* for who has dns:write; resources of doc:// and prompts hello*. */
static const struct ti_rule rules[] = {
	{ .verb = SP_VERB_ALLOW, .server = 1, .what = SP_SELECT_NAME, .pattern = "get_*" },
	{ .verb = SP_VERB_ALLOW, .server = 1, .what = SP_SELECT_NAME, .pattern = "admin_*", .tags = 1 },
	{ .verb = SP_VERB_ALLOW, .server = 1, .what = SP_SELECT_RESOURCE, .pattern = "doc://**" },
	{ .verb = SP_VERB_ALLOW, .server = 1, .what = SP_SELECT_PROMPT, .pattern = "hello*" },
	{ .verb = SP_VERB_ALLOW, .server = 1, .what = SP_SELECT_PROMPT, .pattern = "short*", .scopes = 2 },
};

static void
catalog(const char *tool)
{
	char json[256];

	serial++;
	snprintf(json, sizeof json, "{\"name\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}", tool);
	tw_item(&w, serial, SP_COMPONENT_TOOL, json);
	tw_item(&w, serial, SP_COMPONENT_RESOURCE, "{\"uri\":\"doc://a\",\"name\":\"a\"}");
	tw_item(&w, serial, SP_COMPONENT_RESOURCE, "{\"uri\":\"secret://b\",\"name\":\"b\"}");
	tw_item(&w, serial, SP_COMPONENT_TEMPLATE, "{\"uriTemplate\":\"doc://t/{x}\",\"name\":\"t\"}");
	tw_item(&w, serial, SP_COMPONENT_PROMPT, "{\"name\":\"hello\"}");
	tw_item(&w, serial, SP_COMPONENT_PROMPT, "{\"name\":\"hidden\"}");
	tw_item(&w, serial, SP_COMPONENT_PROMPT, "{\"name\":\"short\"}");
	tw_catalog(&w, serial, 7, SUB);
}

static void
begin(void)
{
	tw_open(&w, &(struct ti_options){ .mcp = 1, .rules = rules, .nrules = SP_COUNT(rules), .limit_connections = 1200,
	    .limit_calls = 100000 });
	w.auto_result = NULL;
	key = tk_key(&w);
	tk_open(&w, key, RD, mine, sizeof mine);
	serial = 0;
	tw_wiki(&w, 1);
	catalog("get_page");
}

static void
finish(void)
{
	sp_testkey_free(&key);
	tw_close(&w);
}

static int
get(const char *as, const char *session)
{
	char text[1024];
	int fd = tw_client(&w);

	snprintf(text, sizeof text, "GET /mcp HTTP/1.1\r\nHost: localhost:8420\r\nAccept: text/event-stream\r\n%sMcp-Session-Id: %s\r\n\r\n",
	    as, session);
	tw_send(&w, fd, sp_str(text));
	return fd;
}

static int
post(const char *lines, const char *body)
{
	int fd = tw_client(&w);

	tw_send(&w, fd, sp_str(tw_post(lines, body)));
	return fd;
}

static int
listen_to(const char *id, const char *wants)
{
	char body[1024];

	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"subscriptions/listen\",\"params\":{" TW_META
	    ",\"notifications\":{%s}}}", id, wants);
	return post(RD TW_MODERN("subscriptions/listen"), body);
}

static unsigned
count(sp_slice got, const char *what)
{
	unsigned n = 0;
	size_t at;

	while ((at = sp_find(got, sp_str(what))) != SIZE_MAX) {
		sp_advance(&got, at + strlen(what));
		n++;
	}
	return n;
}

static void
must(const char *name, sp_slice got, const char *has)
{
	if (!tw_has(got, has))
		fail_msg("%s: wanted %s in\n%.*s", name, has, (int)got.n, got.p);
}

static struct tw_call *
last(void)
{
	assert_true(w.ncalls != 0);
	return &w.calls[(w.ncalls - 1) % TW_CALLS];
}

/* Time for what is said once a second: no stream has said anything yet. */
static void
later(void)
{
	for (struct sp_stream *s = w.f.first_stream; s != NULL; s = s->next)
		memset(s->due_ms, 0, sizeof s->due_ms);
}

static void
test_get(void **state)
{
	char text[1024];
	sp_slice got;
	bool closed;
	int fd, newer;

	begin();
	snprintf(text, sizeof text, "GET /mcp HTTP/1.1\r\nHost: localhost:8420\r\nAccept: application/json\r\n" RD
	    "Mcp-Session-Id: %s\r\n\r\n", mine);
	assert_true(sp_starts(tw_ask(&w, text, &closed), SP_LIT("HTTP/1.1 406 ")));
	assert_true(sp_starts(tw_ask(&w, "GET /mcp HTTP/1.1\r\nHost: localhost:8420\r\nMcp-Session-Id: x\r\n\r\n", &closed),
	    SP_LIT("HTTP/1.1 401 ")));		/* D17 */
	fd = get(RD, mine);
	must("begins", tw_take(&w, fd, &closed), "Content-Type: text/event-stream\r\n");
	assert_true(last()->listen && last()->session == 32 && last()->args[0] == '\0');
	catalog("get_other");
	got = tw_take(&w, fd, &closed);
	must("changed", got, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n");
	assert_false(tw_has(got, "prompts") || tw_has(got, "resources"));
	/* E24: a storm is one notification, and one more when the second is over. */
	for (unsigned i = 0; i < 100; i++)
		catalog(i % 2 == 0 ? "get_a" : "get_b");
	assert_int_equal(tw_take(&w, fd, &closed).n, 0);
	later();
	sp_front_tick(&w.f);
	assert_int_equal(count(tw_take(&w, fd, &closed), "list_changed"), 1);
	/* Only what this caller may see: she has not the tag. */
	later();
	catalog("admin_x");
	assert_int_equal(count(tw_take(&w, fd, &closed), "list_changed"), 1);		/* get_b went */
	later();
	catalog("admin_y");
	assert_int_equal(tw_take(&w, fd, &closed).n, 0);
	/* A newer stream of the same session gets all from then on. */
	newer = get(RD, mine);
	(void)tw_take(&w, newer, &closed);
	catalog("get_c");
	assert_int_equal(tw_take(&w, fd, &closed).n, 0);
	assert_int_equal(count(tw_take(&w, newer, &closed), "list_changed"), 1);
	close(newer);
	tw_turn(&w, 6);
	later();
	catalog("get_d");
	assert_int_equal(count(tw_take(&w, fd, &closed), "list_changed"), 1);
	close(fd);
	tw_turn(&w, 6);
	assert_int_equal(w.f.nstreams, 0);
	finish();
}

static void
test_listen(void **state)
{
	sp_slice got;
	bool closed;
	int fd;

	begin();
	fd = listen_to("\"s1\"", "\"toolsListChanged\":true,\"resourceSubscriptions\":[\"doc://a\",\"secret://b\",\"no://where\"]");
	got = tw_take(&w, fd, &closed);
	must("acknowledged", got, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"");
	must("accepted", got, "\"resourceSubscriptions\":[\"doc://a\"]");
	must("subscription", got, "\"io.modelcontextprotocol/subscriptionId\":\"s1\"");
	assert_false(tw_has(got, "secret://") || tw_has(got, "promptsListChanged\":true"));
	assert_true(last()->listen && strcmp(last()->args, "[\"doc://a\"]") == 0);
	tw_note(&w, last()->id, SP_NOTE_UPDATED, "{\"uri\":\"doc://a\"}");
	got = tw_take(&w, fd, &closed);
	must("updated", got, "notifications/resources/updated");
	must("updated, of which", got, "subscriptionId\":\"s1\"");
	/* E14: what was not asked for, or may not be seen, is not told, whatever egress says. */
	tw_note(&w, last()->id, SP_NOTE_UPDATED, "{\"uri\":\"secret://b\"}");
	tw_note(&w, last()->id, SP_NOTE_UPDATED, "{\"uri\":\"doc://t/other\"}");
	assert_int_equal(tw_take(&w, fd, &closed).n, 0);
	/* Its egress comes back: it has to listen again. */
	tw_wiki(&w, 2);
	tw_turn(&w, 6);
	assert_true(last()->listen && last()->ch == w.wiki);
	/* The generation ends: it is told, and the stream ends. */
	sp_front_drain(&w.f);
	got = tw_take(&w, fd, &closed);
	must("drained", got, "notifications/tools/list_changed");
	must("its end", got, "\"id\":\"s1\",\"result\":{\"resultType\":\"complete\"");
	assert_true(closed && !tw_has(got, "prompts"));
	close(fd);
	finish();
}

/* E03, E04, E14: another method finds no more than its own name would. */
static void
test_methods(void **state)
{
	static const struct { const char *name, *method, *params, *has; } denied[] = {
		{ "unlisted resource", "resources/read", "\"uri\":\"secret://b\"", "\"code\":-32002" },
		{ "unknown resource", "resources/read", "\"uri\":\"no://where\"", "\"code\":-32002" },
		{ "E04 other case", "resources/read", "\"uri\":\"DOC://a\"", "\"code\":-32002" },
		{ "hidden prompt", "prompts/get", "\"name\":\"wiki_hidden\"", "\"code\":-32602" },
		{ "unknown prompt", "prompts/get", "\"name\":\"wiki_nothing\"", "\"code\":-32602" },
		{ "E04 own name", "prompts/get", "\"name\":\"hello\"", "\"code\":-32602" },
		{ "E04 trailing space", "tools/call", "\"name\":\"wiki_get_page \"", "\"code\":-32602" },
		{ "E04 a tool as a prompt", "prompts/get", "\"name\":\"wiki_get_page\"", "\"code\":-32602" },
		{ "completion of hidden things", "completion/complete",
		    "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"wiki_hidden\"},\"argument\":{\"name\":\"a\",\"value\":\"b\"}", "\"code\":-32602" },
		{ "subscription without a session", "resources/subscribe", "\"uri\":\"doc://a\"", "need a session" },
		{ "short of a scope", "prompts/get", "\"name\":\"wiki_short\"", "scope=\"dns:write\"" },
	};
	char body[1024];
	sp_slice got;
	bool closed;
	int fd;

	begin();
	for (size_t i = 0; i < SP_COUNT(denied); i++) {
		snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{%s}}", denied[i].method, denied[i].params);
		must(denied[i].name, tw_ask(&w, tw_post(RD TW_LEGACY, body), &closed), denied[i].has);
	}
	assert_int_equal(w.ncalls, 0);
	got = tw_ask(&w, tw_post(RD TW_LEGACY, TW_RPC("prompts/list", "")), &closed);
	must("E03 listed", got, "\"wiki_hello\"");
	assert_false(tw_has(got, "hidden") || tw_has(got, "short"));
	fd = post(RD TW_LEGACY, TW_RPC("prompts/get", "\"name\":\"wiki_hello\",\"arguments\":{\"a\":\"b\"}"));
	assert_true(last()->tool == UINT32_MAX && strcmp(last()->name, "hello") == 0 && strcmp(last()->args, "{\"a\":\"b\"}") == 0);
	tw_kind(&w, last()->id, SP_RESULT_WHOLE, "{\"messages\":[]}");
	must("whole", tw_take(&w, fd, &closed), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"messages\":[]}}");
	close(fd);
	fd = post(RD TW_LEGACY, TW_RPC("resources/read", "\"uri\":\"doc://t/1\""));
	assert_string_equal(last()->name, "doc://t/1");
	tw_kind(&w, last()->id, SP_RESULT_ERROR, "{\"code\":-32002,\"message\":\"gone\"}");
	must("error", tw_take(&w, fd, &closed), "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32002,\"message\":\"gone\"}}");
	close(fd);
	fd = post(RD TW_LEGACY, TW_RPC("completion/complete",
	    "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"wiki_hello\"},\"argument\":{\"name\":\"a\",\"value\":\"b\"}"));
	assert_string_equal(last()->args, "{\"argument\":{\"name\":\"a\",\"value\":\"b\"}}");
	close(fd);
	snprintf(body, sizeof body, RD "Mcp-Session-Id: %s\r\n", mine);
	fd = post(body, TW_RPC("logging/setLevel", "\"level\":\"warning\""));
	must("level", tw_take(&w, fd, &closed), "\"result\":{}");
	assert_true(last()->method == SP_MCP_SET_LEVEL && last()->log_level == 4 && last()->session == 32);
	close(fd);
	finish();
}

static void
test_notes(void **state)
{
	static char big[70000];
	sp_slice got;
	bool closed;
	int fd;

	begin();
	fd = post(RD TW_LEGACY, TW_RPC("tools/call", "\"name\":\"wiki_get_page\",\"_meta\":{\"progressToken\":7}"));
	assert_int_equal(last()->progress, 1);
	tw_note(&w, last()->id, SP_NOTE_PROGRESS, "{\"progress\":1,\"total\":2}");
	got = tw_take(&w, fd, &closed);
	must("begins as events", got, "Content-Type: text/event-stream");
	must("progress", got, "\"progressToken\":7");
	tw_note(&w, last()->id, SP_NOTE_MESSAGE, "{\"level\":\"info\",\"data\":\"x\"}");
	must("message", tw_take(&w, fd, &closed), "notifications/message");
	tw_kind(&w, last()->id, SP_RESULT_TOOL, "{\"content\":[]}");
	got = tw_take(&w, fd, &closed);
	must("the answer is the last event", got, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}");
	assert_true(sp_ends(got, SP_LIT("\n\n\r\n0\r\n\r\n")) && !closed);
	close(fd);
	/* Nobody asked for progress: JSON, as before. */
	fd = post(RD TW_LEGACY, TW_RPC("tools/call", "\"name\":\"wiki_get_page\""));
	tw_note(&w, last()->id, SP_NOTE_PROGRESS, "{\"progress\":1}");
	tw_kind(&w, last()->id, SP_RESULT_TOOL, "{\"content\":[]}");
	must("no token", tw_take(&w, fd, &closed), "Content-Type: application/json");
	close(fd);
	/* Who does not read loses notifications, never the answer. */
	fd = post(RD TW_LEGACY, TW_RPC("tools/call", "\"name\":\"wiki_get_page\",\"_meta\":{\"progressToken\":\"p\"}"));
	memset(big, 'x', sizeof big);
	snprintf(big, sizeof big, "{\"progress\":1,\"message\":\"%060000d\"}", 0);
	for (unsigned i = 0; i < 64; i++) {
		tw_note(&w, last()->id, SP_NOTE_PROGRESS, big);
		tw_turn(&w, 4);
	}
	assert_true(sp_conn_unread(sp_hub_find(&w.f.hub, last()->id)) < SP_NOTES_UNREAD + 70000);
	tw_kind(&w, last()->id, SP_RESULT_TOOL, "{\"content\":[\"the end\"]}");
	tw_turn(&w, 4);
	must("the answer", tw_take(&w, fd, &closed), "the end");
	close(fd);
	finish();
}

/* A call that is silent: events begin, so that whoever stands between keeps the connection. */
static void
test_silence(void **state)
{
	struct sp_conn *c;
	sp_slice got;
	bool closed;
	int fd;

	begin();
	fd = post(RD TW_LEGACY, TW_RPC("tools/call", "\"name\":\"dns_list\""));
	c = sp_hub_find(&w.f.hub, last()->id);
	assert_int_equal(c->deadline_ms - uv_now(&w.loop) > 9000, 1);
	assert_true(c->deadline_ms - uv_now(&w.loop) <= 10000);
	sp_conn_sweep(c, c->deadline_ms);
	got = tw_take(&w, fd, &closed);
	must("events", got, "text/event-stream");
	tw_result(&w, last()->id, "{\"content\":[\"late\"]}");
	must("answer", tw_take(&w, fd, &closed), "late");
	close(fd);
	finish();
}

/* D18, E23: a stream lives no longer than the right to it. */
static void
test_rights(void **state)
{
	struct sp_m_token brief = { .expires_s = sp_now_s() + 100, .name = SP_LIT("ann"), .client_id = SP_LIT("ann"),
	    .scopes = SP_LIT("dns:read") };
	struct sp_m_hash hash;
	struct sp_page page = { 0 };
	bool closed;
	int fd, other;

	begin();
	w.f.page = &page;
	fd = listen_to("1", "\"toolsListChanged\":true");
	other = listen_to("2", "\"promptsListChanged\":true");
	(void)tw_take(&w, fd, &closed);
	page.epoch++;
	sp_front_tick(&w.f);
	assert_int_equal(tw_take(&w, fd, &closed).n, 0);
	assert_false(closed);
	sp_sha256(sp_str(TW_READER), hash.hash);
	sp_enc_hash(sp_chan_begin(w.keeper, SP_M_TOKEN_DEL), &hash);
	sp_chan_end(w.keeper);
	page.epoch++;
	tw_turn(&w, 4);
	catalog("get_new");
	must("revoked", tw_take(&w, fd, &closed), "\"id\":1,\"result\":{\"resultType\":\"complete\"");
	assert_true(closed);
	(void)tw_take(&w, other, &closed);
	assert_false(closed);
	sp_front_tick(&w.f);
	(void)tw_take(&w, other, &closed);
	assert_true(closed);
	close(fd);
	close(other);
	/* D18: by its own end. */
	sp_sha256(sp_str(TW_READER), brief.hash);
	sp_enc_token(sp_chan_begin(w.keeper, SP_M_TOKEN_PUT), &brief);
	sp_chan_end(w.keeper);
	tw_turn(&w, 4);
	fd = listen_to("3", "\"toolsListChanged\":true");
	(void)tw_take(&w, fd, &closed);
	assert_false(closed);
	w.f.first_stream->q.who->expires_s = sp_now_s();
	sp_front_tick(&w.f);
	(void)tw_take(&w, fd, &closed);
	assert_true(closed);
	close(fd);
	w.f.page = NULL;
	finish();
}

static void
session_is_over(void)
{
	struct sp_m_session_end m = { .expires_s = sp_now_s() + SP_SESSION_S };

	sp_sha256(sp_str(mine), m.session);
	sp_enc_session_end(sp_chan_begin(w.keeper, SP_M_SESSION_GONE), &m);
	sp_chan_end(w.keeper);
	tw_turn(&w, 6);
}

/* A thousand of them hold their connections and little else. */
static void
test_thousand(void **state)
{
	enum { N = 1000 };
	static int fd[N];
	struct rlimit many = { 4096, 4096 };
	bool closed;

	(void)setrlimit(RLIMIT_NOFILE, &many);
	begin();
	for (unsigned i = 0; i < N; i++)
		fd[i] = get(RD, mine);
	assert_int_equal(w.f.nstreams, N);
	for (struct sp_stream *s = w.f.first_stream; s != NULL; s = s->next)
		assert_true(s->c->w == NULL && s->c->out.p == NULL && sizeof *s + s->room < 2048);
	assert_true(w.f.hub.npool <= 33);
	session_is_over();
	assert_int_equal(w.f.nstreams, 0);
	(void)tw_take(&w, fd[N - 1], &closed);
	assert_true(closed);
	for (unsigned i = 0; i < N; i++)
		close(fd[i]);
	finish();
}

/* A catalogue is taken whole or not at all; what does not fit ends the channel. */
static void
test_catalog(void **state)
{
	static const struct { const char *name; const char *item; uint32_t kind, serial, count; bool lost; } rows[] = {
		{ "good", "{\"name\":\"get_x\",\"inputSchema\":{\"type\":\"object\"}}", SP_COMPONENT_TOOL, 900, 1, false },
		{ "another count", "{\"name\":\"get_x\",\"inputSchema\":{\"type\":\"object\"}}", SP_COMPONENT_TOOL, 900, 2, true },
		{ "another serial", "{\"name\":\"get_x\",\"inputSchema\":{\"type\":\"object\"}}", SP_COMPONENT_TOOL, 901, 1, true },
		{ "E05 a name that egress would have refused", "{\"name\":\"r\xd0\xb5"
		    "ad\",\"inputSchema\":{\"type\":\"object\"}}", SP_COMPONENT_TOOL, 900, 1, true },
		{ "no JSON", "{\"name\":", SP_COMPONENT_TOOL, 900, 1, true },
		{ "no kind", "{\"name\":\"get_x\"}", 9, 900, 1, true },
	};

	begin();
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		tw_wiki(&w, 10 + (uint32_t)i);
		w.egress_lost = false;
		tw_item(&w, 900, (enum sp_component_kind)rows[i].kind, rows[i].item);
		tw_catalog(&w, rows[i].serial, rows[i].count, SUB);
		if (w.egress_lost != rows[i].lost)
			fail_msg("%s: %s", rows[i].name, w.egress_lost ? "lost" : "taken");
	}
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get), cmocka_unit_test(test_listen), cmocka_unit_test(test_methods),
		cmocka_unit_test(test_notes), cmocka_unit_test(test_silence), cmocka_unit_test(test_rights),
		cmocka_unit_test(test_thousand), cmocka_unit_test(test_catalog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
