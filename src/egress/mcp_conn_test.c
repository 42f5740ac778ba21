/* The upstream itself: its era, its sessions, its catalogue, its coming and going. */
#include "egress/mcpworld.h"

static void
want_in(const char *name, const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("%s: no %s in: %.600s", name, part, text);
}

static void
answer_hi(const char *name, struct mw *u, uint32_t id)
{
	if (!mw_serve(u))
		fail_msg("%s: nothing was asked: %s", name, pw_text(&u->w, id));
	mw_result(u, "result", MW_HI);
	want_text(name, &u->w, id, "\"text\":\"hi\"");
}

/* --- the era */

enum { LEGACY = 1, MODERN, NEITHER };

static void
test_era(void **state)
{
	static const struct { const char *name, *status, *body; int want; } rows[] = {
		{ "method not found", "200 OK", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no\"}}", LEGACY },
		{ "400 without a body", "400 Bad Request", "", LEGACY },
		{ "400 with another error", "400 Bad Request", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"m\"}}",
		    LEGACY },
		{ "404", "404 Not Found", "", LEGACY },
		{ "500", "500 Internal Server Error", "", LEGACY },
		{ "something else", "200 OK", "{}", LEGACY },
		{ "only older versions", "400 Bad Request", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":\"v\","
		    "\"data\":{\"supported\":[\"2025-06-18\"]}}}", LEGACY },
		{ "discovered, but older", "200 OK", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2025-11-25\"],"
		    "\"capabilities\":{}}}", LEGACY },
		{ "a modern error", "400 Bad Request", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32021,\"message\":\"c\"}}", MODERN },
		{ "discovered", "200 OK", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[\"2026-07-28\"],"
		    "\"capabilities\":{\"tools\":{}}}}", MODERN },
		{ "O15 only unknown versions", "400 Bad Request", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":\"v\","
		    "\"data\":{\"supported\":[\"2031-01-01\"]}}}", NEITHER },
		{ "refused", "401 Unauthorized", "", NEITHER },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct mw u;
		bool asked;

		mw_start(&u, false);
		mw_sync(&u);
		assert_true(mw_next(&u) && mw_asks(&u, "server/discover"));
		want_in("probe", u.rq.head, "MCP-Protocol-Version: 2026-07-28\r\n");
		mw_json(&u, rows[i].status, "", rows[i].body);
		asked = mw_next(&u);
		if (asked != (rows[i].want != NEITHER) || (asked && mw_asks(&u, "initialize") != (rows[i].want == LEGACY)))
			fail_msg("%s: then %.200s", rows[i].name, asked ? u.rq.body : "nothing");
		assert_int_equal(u.w.notes.catalogs, rows[i].want == NEITHER ? 1 : 0);
		mw_close(&u);
	}
}

static void
test_versions(void **state)
{
	static const struct { const char *name, *version; bool good; } rows[] = {
		{ "2025-11-25", "2025-11-25", true }, { "2025-06-18", "2025-06-18", true }, { "2025-03-26", "2025-03-26", true },
		{ "O15 older than we speak", "2024-11-05", false }, { "O15 a lie", "2026-07-28\\r\\nX: y", false },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char want[64];
		struct mw u;
		uint32_t id;

		mw_start(&u, false);
		u.version = rows[i].version;
		mw_sync(&u);
		assert_false(mw_serve(&u));
		id = mw_echo(&u);
		if (rows[i].good) {
			assert_true(mw_serve(&u));
			(void)snprintf(want, sizeof want, "MCP-Protocol-Version: %s\r\n", rows[i].version);
			want_in(rows[i].name, u.rq.head, want);
		} else {
			assert_false(mw_serve(&u));
			want_error(rows[i].name, &u.w, id, "the server wiki speaks no revision of MCP that this gateway speaks");
		}
		mw_close(&u);
	}
}

/* L16: whatever comes before the answer to initialize. */
static void
test_early(void **state)
{
	static const char *const rows[] = {
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"ping\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":99999,\"result\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{}}}",
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"sampling/createMessage\",\"params\":{}}",
		"hello", "[]", "{\"jsonrpc\":\"1.0\"}", "{\"jsonrpc\":\"2.0\",\"method\":7}",
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct mw u;

		mw_start(&u, false);
		u.before_initialize = rows[i];
		mw_sync(&u);
		while (mw_serve(&u)) {
			want_in("L16 a reply", u.rq.body, "\"id\":");
			mw_raw(&u, u.rq.conn, "202 Accepted", "", "");
		}
		if (u.w.notes.last.known != 1)
			fail_msg("L16 %s: no catalogue", rows[i]);
		u.before_initialize = NULL;
		answer_hi("L16", &u, mw_echo(&u));
		mw_close(&u);
	}
}

/* --- sessions */

static void
test_sessions(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	answer_hi("O11 one caller", &u, mw_echo(&u));
	want_in("O12 its session", u.rq.head, "Mcp-Session-Id: s-2\r\n");
	answer_hi("O11 again", &u, mw_echo(&u));
	want_in("O12 the same", u.rq.head, "Mcp-Session-Id: s-2\r\n");
	id = mw_call_full(&u, (struct sp_m_call){ .method = SP_MCP_TOOLS_CALL, .name = SP_LIT("echo") }, MW_OTHER, "{}");
	assert_true(mw_serve(&u));
	want_in("O11 another caller", u.rq.head, "Mcp-Session-Id: s-3\r\n");
	/* 404: that session is over, nothing was executed, once more in a new one. */
	mw_json(&u, "404 Not Found", "", "");
	answer_hi("renewed", &u, id);
	want_in("renewed", u.rq.head, "Mcp-Session-Id: s-4\r\n");
	assert_int_equal(u.sessions, 4);
	/* And not for ever. */
	id = mw_echo(&u);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(mw_serve(&u));
		mw_json(&u, "404 Not Found", "", "");
	}
	assert_false(mw_serve(&u));
	want_error("404 twice", &u.w, id, "status 404");
	mw_close(&u);
}

/* Nothing is left behind: neither at the upstream nor here. */
static void
test_drain(void **state)
{
	struct mw u;

	mw_open(&u, false);
	answer_hi("a session", &u, mw_echo(&u));
	sp_egress_drain(&u.w.eg);
	sp_chan_free(&u.w.front);
	assert_false(u.w.drained);
	assert_false(mw_serve(&u));
	assert_int_equal(u.deleted, 2);
	assert_true(u.w.drained);
	mw_close(&u);
}

static void
test_stateless(void **state)
{
	struct mw u;

	mw_start(&u, false);
	u.no_session = true;
	mw_sync(&u);
	assert_false(mw_serve(&u));
	answer_hi("one caller", &u, mw_echo(&u));
	answer_hi("another", &u, mw_call_full(&u, (struct sp_m_call){ .method = SP_MCP_TOOLS_CALL, .name = SP_LIT("echo") },
	    MW_OTHER, "{}"));
	assert_null(strstr(u.rq.head, "Session"));
	assert_int_equal(u.sessions, 1);
	mw_close(&u);
}

/* --- the catalogue */

static void
test_pages(void **state)
{
	struct mw u;
	unsigned page = 0;
	char text[512];

	mw_start(&u, true);
	u.caps = "{\"tools\":{}}";
	mw_sync(&u);
	while (mw_next(&u)) {
		if (!mw_asks(&u, "tools/list")) {
			(void)mw_serve_one(&u);
			continue;
		}
		if (page != 0) {
			(void)snprintf(text, sizeof text, "\"cursor\":\"c\\\"%u\"", page);
			want_in("cursor", u.rq.body, text);
		}
		page++;
		(void)snprintf(text, sizeof text, "{\"tools\":[{\"name\":\"t%u\",\"inputSchema\":{\"type\":\"object\"}}]%s,\"nextCursor\":"
		    "\"c\\\"%u\"}", page, "", page);
		if (page == 5)
			*strstr(text, ",\"nextCursor\"") = '}', strstr(text, "]}")[2] = '\0';
		mw_result(&u, "result", text);
	}
	assert_int_equal(page, 5);
	assert_int_equal(u.w.notes.last.items, 5);
	want_in("last", u.w.notes.catalog.p, "\"t5\"");
	mw_close(&u);
}

/* Lists without an end, lists that are none, definitions that are not acceptable. */
static void
test_hostile_lists(void **state)
{
	static const struct { const char *name, *result; unsigned pages; bool known; uint32_t items; } rows[] = {
		{ "a cursor again and again", "{\"tools\":[],\"nextCursor\":\"a\"}", 2, false, 0 },
		{ "no list", "{\"tools\":{}}", 1, false, 0 },
		{ "not even that", "{}", 1, false, 0 },
		{ "E05 other letters", "{\"tools\":[{\"name\":\"r\xd0\xb5" "ad\",\"inputSchema\":{\"type\":\"object\"}}]}", 1, true, 0 },
		{ "E05 too long", "{\"tools\":[{\"name\":\"" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "\",\"inputSchema\":{\"type\":\"object\"}}]}", 1, true, 0 },
		{ "E07 the same name twice", "{\"tools\":[{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\"}},"
		    "{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\"}}]}", 1, true, 1 },
		{ "no schema", "{\"tools\":[{\"name\":\"a\"},{\"name\":\"b\",\"inputSchema\":{\"type\":\"object\"}}]}", 1, true, 1 },
		{ "E27 a schema that fetches", "{\"tools\":[{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\",\"$ref\":"
		    "\"http://169.254.169.254/\"}}]}", 1, true, 1 },
		{ "nothing", "{\"tools\":[]}", 1, true, 0 },
		{ "numbers for tools", "{\"tools\":[1,null,[]]}", 1, true, 0 },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		unsigned pages = 0;
		struct mw u;

		mw_start(&u, true);
		u.caps = "{\"tools\":{}}";
		u.no_watch = true;
		mw_sync(&u);
		while (mw_next(&u)) {
			if (!mw_asks(&u, "tools/list")) {
				(void)mw_serve_one(&u);
				continue;
			}
			pages++;
			mw_result(&u, "result", rows[i].result);
		}
		if (pages != rows[i].pages || u.w.notes.last.known != (rows[i].known ? 1u : 0u) ||
		    u.w.notes.last.items != rows[i].items)
			fail_msg("%s: %u pages, known %u, %u items", rows[i].name, pages, u.w.notes.last.known, u.w.notes.last.items);
		mw_close(&u);
	}
}

/* A hundred thousand cursors, all different. */
static void
test_endless(void **state)
{
	unsigned pages = 0;
	struct mw u;

	mw_start(&u, true);
	u.caps = "{\"tools\":{}}";
	mw_sync(&u);
	while (mw_next(&u)) {
		char text[64];

		if (!mw_asks(&u, "tools/list")) {
			(void)mw_serve_one(&u);
			continue;
		}
		(void)snprintf(text, sizeof text, "{\"tools\":[],\"nextCursor\":\"%u\"}", pages++);
		mw_result(&u, "result", text);
	}
	assert_int_equal(pages, 101);
	assert_int_equal(u.w.notes.last.known, 0);
	mw_close(&u);
}

/* A secret in a definition does not get into the catalogue. */
static void
test_secret_in_list(void **state)
{
	struct mw u;

	mw_start(&u, true);
	u.tools = "[{\"name\":\"a\",\"description\":\"use " TW_KEY " for it\",\"inputSchema\":{\"type\":\"object\"}}]";
	mw_sync(&u);
	assert_false(mw_serve(&u));
	want_in("M13 catalogue", u.w.notes.catalog.p, "use ");
	assert_null(strstr(u.w.notes.catalog.p, TW_KEY));
	assert_true(saw_incident(&u.w));
	mw_close(&u);
}

static void
test_fronts(void **state)
{
	struct mw u;

	mw_open(&u, true);
	assert_int_equal(u.w.notes.catalogs, 1);
	pw_front(&u.w);
	pw_turn(&u.w, 4);
	assert_int_equal(u.w.notes.catalogs, 2);	/* one that joins later gets it too */
	assert_int_equal(u.w.notes.last.known, 1);
	mw_close(&u);
}

/* E24: ten thousand times, and it is asked again once a second. */
static void
test_storm(void **state)
{
	for (unsigned modern = 0; modern < 2; modern++) {
		struct mw u;

		mw_open(&u, modern != 0);
		assert_int_equal(u.lists, 1);
		assert_true(u.watch >= 0);
		for (unsigned i = 0; i < 2000; i++)
			mw_event(&u, (unsigned)u.watch, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
		assert_int_equal(u.lists, 1);
		u.tools = "[{\"name\":\"fresh\",\"inputSchema\":{\"type\":\"object\"}}]";
		assert_false(mw_serve_for(&u, 1300));
		assert_int_equal(u.lists, 2);
		assert_int_equal(u.w.notes.catalogs, 2);
		want_in("E24", u.w.notes.catalog.p, "\"fresh\"");
		/* The same again is not sent again. */
		mw_event(&u, (unsigned)u.watch, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/prompts/list_changed\"}");
		assert_false(mw_serve_for(&u, 1300));
		assert_int_equal(u.lists, 3);
		assert_int_equal(u.w.notes.catalogs, 2);
		mw_close(&u);
	}
}

/* --- down, and back */

static void
test_down(void **state)
{
	struct mw u;
	uint32_t id;

	/* Parity 75: it is down when the gateway starts. */
	mw_start(&u, false);
	u.w.dial_error = "connection refused";
	mw_sync(&u);
	pw_turn(&u.w, 8);
	assert_int_equal(u.w.notes.catalogs, 1);
	assert_int_equal(u.w.notes.last.known, 0);
	id = mw_echo(&u);
	want_error("75 down at start", &u.w, id, "the server wiki cannot be reached; try again later");
	/* Back: the next call finds it at once. */
	u.w.dial_error = NULL;
	id = mw_echo(&u);
	answer_hi("75 back", &u, id);
	assert_int_equal(u.w.notes.last.known, 1);
	mw_close(&u);
}

static void
test_down_later(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	answer_hi("up", &u, mw_echo(&u));
	/* Every connection breaks, none is made. */
	u.w.dial_error = "connection refused";
	for (unsigned i = 0; i < u.w.nup; i++)
		if (u.w.up[i] >= 0)
			pw_hang_up(&u.w, i);
	id = mw_echo(&u);
	assert_false(mw_serve(&u));
	want_error("down later", &u.w, id, "the server wiki cannot be reached; try again later");
	assert_int_equal(u.w.notes.last.known, 1);	/* what was known stays listed */
	want_outcome("up", &u.w, SP_DONE, 200);
	want_outcome("down later", &u.w, SP_NOT_SENT, 0);
	u.w.dial_error = NULL;
	answer_hi("back", &u, mw_echo(&u));
	mw_close(&u);
}

/* By itself: nobody calls. */
static void
test_retry(void **state)
{
	struct mw u;

	mw_start(&u, true);
	u.w.dial_error = "connection refused";
	mw_sync(&u);
	pw_turn(&u.w, 8);
	assert_int_equal(u.w.ndial, 1);
	u.w.dial_error = NULL;
	assert_false(mw_serve_for(&u, 1500));
	assert_int_equal(u.w.notes.last.known, 1);
	mw_close(&u);
}

/* Another server stands there now: a modern one, where a legacy one was. */
static void
test_other_server(void **state)
{
	struct mw u;
	uint32_t id;

	mw_open(&u, false);
	answer_hi("legacy", &u, mw_echo(&u));
	u.modern = true;
	u.watch = -1;
	id = mw_echo(&u);
	for (unsigned i = 0; i < 2; i++) {	/* the first might have been about the session */
		assert_true(mw_serve(&u));
		mw_json(&u, "400 Bad Request", "", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32022,\"message\":"
		    "\"v\",\"data\":{\"supported\":[\"2026-07-28\"]}}}");
	}
	want_error("the call that found out", &u.w, id, "status 400");
	id = mw_echo(&u);
	answer_hi("modern", &u, id);
	want_in("modern", u.rq.head, "Mcp-Method: tools/call\r\n");
	mw_close(&u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_era), cmocka_unit_test(test_versions), cmocka_unit_test(test_early),
		cmocka_unit_test(test_sessions), cmocka_unit_test(test_stateless), cmocka_unit_test(test_drain), cmocka_unit_test(test_pages),
		cmocka_unit_test(test_hostile_lists), cmocka_unit_test(test_endless), cmocka_unit_test(test_secret_in_list),
		cmocka_unit_test(test_fronts), cmocka_unit_test(test_storm), cmocka_unit_test(test_down),
		cmocka_unit_test(test_down_later), cmocka_unit_test(test_retry), cmocka_unit_test(test_other_server),
	};

	return cmocka_run_group_tests(tests, tw_secrets, tw_secrets_end);
}
