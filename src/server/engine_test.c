/* Messages of both eras against a server with a few components: who sees what, and what is answered. */
#include "server/testkit.h"

static const char *const read_scopes[] = { "read:data" };
static const char *const admin_tags[] = { "admin" };
static const struct sp_facts reader_facts = { .subject = "rae", .source = "t", .scopes = read_scopes, .nscopes = 1 };
static const struct sp_facts admin_facts = { .subject = "ada", .source = "t", .tags = admin_tags, .ntags = 1 };
static const struct sp_facts plain_facts = { .subject = "pat", .source = "t" };

static unsigned runs;

static void
echo(struct sp_context *ctx, void *arg)
{
	const char *text = sp_arg_text(ctx, "text");

	runs++;
	assert_int_equal(sp_return_text(ctx, text == NULL ? "nothing" : text), SP_RC_OK);
}

static void
structured(struct sp_context *ctx, void *arg)
{
	(void)sp_return_json(ctx, arg);
}

static void
page_of(struct sp_context *ctx, void *arg)
{
	const char *id = sp_arg_text(ctx, "id");

	(void)sp_return_textf(ctx, "page %s of %s", id == NULL ? "-" : id, sp_context_name(ctx));
}

static void
greet(struct sp_context *ctx, void *arg)
{
	assert_int_equal(sp_add_message(ctx, "user", sp_arg_text(ctx, "who")), SP_RC_OK);
	assert_int_equal(sp_add_message(ctx, "assistant", "hello"), SP_RC_OK);
	assert_int_equal(sp_annotate(ctx, "{\"priority\":1}"), SP_RC_OK);
}

static void
names(struct sp_context *ctx, const char *argument, const char *value, void *arg)
{
	for (int i = 0; i < 120; i++)
		assert_int_equal(sp_add_completion(ctx, value), SP_RC_OK);
}

static enum sp_auth_verdict
api_key(struct sp_auth_context *auth, void *arg)
{
	const char *token = sp_auth_context_token(auth);

	if (token == NULL)
		return sp_authorization_error(auth, "API key required");
	return sp_same_secret("letmein", token) ? SP_VERDICT_ALLOW : sp_authorization_error(auth, "Invalid API key");
}

static enum sp_auth_verdict
small_only(struct sp_auth_context *auth, void *arg)
{
	const char *args = sp_auth_context_arguments(auth);

	return args == NULL || strstr(args, "small") != NULL ? SP_VERDICT_ALLOW : SP_VERDICT_DENY;
}

static enum sp_auth_verdict
confused(struct sp_auth_context *auth, void *arg)
{
	return (enum sp_auth_verdict)99;
}

#define TEXT_SCHEMA "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\",\"x-mcp-header\":\"Text\"}," \
	"\"n\":{\"type\":\"integer\"}}}"

static struct sp_server *
build(void)
{
	struct sp_server *s = sp_server_new(.name = "t", .version = "1", .page_size = 3, .max_result = 4096,
	    .instructions = "be kind");

	sp_tool(s, .name = "echo", .auth = SP_ANYONE, .handler = echo, .input_schema = TEXT_SCHEMA);
	sp_tool(s, .name = "signed", .auth = SP_SIGNED_IN, .handler = echo, .on_loop = true);
	sp_tool(s, .name = "read_data", .auth = sp_require_scopes("read:data"), .handler = echo);
	sp_tool(s, .name = "admin_action", .auth = sp_restrict_tag("admin"), .handler = echo);
	sp_tool(s, .name = "key", .auth = sp_auth_check("key", api_key, NULL), .handler = echo);
	sp_tool(s, .name = "small", .auth = sp_auth_check("small", small_only, NULL), .handler = echo, .input_schema = TEXT_SCHEMA);
	sp_tool(s, .name = "confused", .auth = sp_auth_check("confused", confused, NULL), .handler = echo);
	sp_tool(s, .name = "needs", .auth = SP_ANYONE, .handler = echo, .needs = SP_CLIENT_CAN_SAMPLE);
	sp_tool(s, .name = "list_out", .auth = SP_ANYONE, .handler = structured, .arg = (void *)"[1, 2]",
	    .output_schema = "{\"type\":\"array\"}");
	sp_resource(s, .uri = "test://a", .name = "a", .auth = SP_ANYONE, .handler = page_of, .mime_type = "text/plain");
	sp_resource(s, .uri = "test://secret", .name = "s", .auth = sp_restrict_tag("admin"), .handler = page_of);
	sp_resource(s, .uri_template = "test://page/{id}/data", .name = "p", .auth = SP_ANYONE, .handler = page_of,
	    .complete = names);
	sp_prompt(s, .name = "greet", .auth = SP_ANYONE, .handler = greet, .description = "says hello",
	    .arguments = (const struct sp_prompt_argument[]){ { .name = "who", .required = true }, { 0 } }, .complete = names);
	return s;
}

struct world {
	struct kit k;
	struct said f;
	struct sp_principal *reader, *admin, *plain;
};

static struct world *
setup(void)
{
	struct world *w = calloc(1, sizeof *w);

	w->k.s = build();
	w->reader = kit_who("rae", &reader_facts);
	w->admin = kit_who("ada", &admin_facts);
	w->plain = kit_who("pat", &plain_facts);
	kit_begin(&w->k);
	return w;
}

static void
teardown(struct world *w)
{
	sp_server_free(w->k.s);
	assert_int_equal(w->reader->refs, 1);
	sp_principal_drop(&w->reader);
	sp_principal_drop(&w->admin);
	sp_principal_drop(&w->plain);
	free(w);
}

enum caller { NOBODY, ANONYMOUS, READER, ADMIN, PLAIN };

static void
as(struct world *w, enum caller who)
{
	struct sp_principal *const all[] = { NULL, NULL, w->reader, w->admin, w->plain };

	said_begin(&w->f, all[who]);
	w->f.x.has_provider = who != NOBODY;	/* a server without providers has nobody else */
}

/* ---- who may call what; parity 61: hidden from the list and unknown on call, and the reverse */

static const struct {
	const char *name, *tool, *args;
	enum caller who;
	enum sp_status st;
	const char *says, *scope;
} calls[] = {
	{ "open to anyone", "echo", "\"text\":\"x\"", NOBODY, SP_OK, "\"text\":\"x\"", "" },
	{ "open to anyone, though a provider is there", "echo", "", ANONYMOUS, SP_OK, "nothing", "" },
	{ "parity 61: a scope is there", "read_data", "", READER, SP_OK, "nothing", "" },
	{ "a scope is missing: 403 that names it", "read_data", "", PLAIN, SP_E_SCOPE, "", "read:data" },
	{ "no credential: 401", "read_data", "", ANONYMOUS, SP_E_NO_TOKEN, "", "" },
	{ "no credential, an unknown name: the same", "no_such", "", ANONYMOUS, SP_E_NO_TOKEN, "", "" },
	{ "no credential and no provider: unknown", "read_data", "", NOBODY, SP_OK, "Unknown tool: read_data", "" },
	{ "the tag is there", "admin_action", "", ADMIN, SP_OK, "nothing", "" },
	{ "parity 61: the tag is missing: unknown, no scope is named", "admin_action", "", READER, SP_OK,
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602,\"message\":\"Unknown tool: admin_action\"}}", "" },
	{ "an unknown name", "no_such", "", READER, SP_OK,
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32602,\"message\":\"Unknown tool: no_such\"}}", "" },
	{ "a check that refuses with a text", "key", "", NOBODY, SP_OK, "\"text\":\"API key required\"}],\"isError\":true", "" },
	{ "signed in by a provider", "signed", "", PLAIN, SP_OK, "nothing", "" },
	{ "denied for its arguments, but listed", "small", "\"text\":\"big\"", PLAIN, SP_OK,
	    "refused: these arguments are not allowed", "" },
	{ "allowed arguments", "small", "\"text\":\"small\"", PLAIN, SP_OK, "\"text\":\"small\"", "" },
	{ "a check that answers nonsense denies", "confused", "", PLAIN, SP_OK, "Unknown tool: confused", "" },
	{ "arguments that do not fit the schema: the model is told", "echo", "\"n\":\"x\"", PLAIN, SP_OK, "\"isError\":true", "" },
	{ "a capability is missing", "needs", "", PLAIN, SP_E_CAPABILITY, "\"requiredCapabilities\":{\"sampling\":{}}", "" },
	{ "a structured result that is no object", "list_out", "", PLAIN, SP_OK, "\"structuredContent\":[1,2]", "" },
};

static void
test_calls(void **state)
{
	for (size_t i = 0; i < SP_COUNT(calls); i++) {
		struct world *w = setup();
		char params[512];

		as(w, calls[i].who);
		snprintf(params, sizeof params, "\"name\":\"%s\",\"arguments\":{%s}", calls[i].tool, calls[i].args);
		w->f.x.head = NULL;	/* without headers; those have a test of their own */
		if (calls[i].st == SP_E_SCOPE)
			w->f.x.head = &w->f.head;
		kit_modern(&w->k, &w->f, "tools/call", calls[i].tool, params);
		CHECK(calls[i].name, w->f.answers == 1);
		CHECK(calls[i].name, w->f.st == calls[i].st);
		if (!has(w->f.json, calls[i].says))
			fail_msg("%s: %s", calls[i].name, w->f.json);
		CHECK(calls[i].name, strcmp(w->f.scope, calls[i].scope) == 0);
		CHECK(calls[i].name, w->k.s->open == NULL && w->k.s->nrunning == 0);
		teardown(w);
	}
}

static void
test_scope_on_stdio(void **state)
{
	struct world *w = setup();

	as(w, PLAIN);
	w->f.x.head = NULL;
	w->f.x.transport = SP_TRANSPORT_STDIO;
	kit_modern(&w->k, &w->f, "tools/call", NULL, "\"name\":\"read_data\"");
	CHECK("isError that names the scopes", w->f.st == SP_OK && has(w->f.json, "scopes read:data") &&
	    has(w->f.json, "isError"));
	teardown(w);
}

static void
test_api_key(void **state)
{
	static const struct { const char *name, *token, *says; } rows[] = {
		{ "another token", "wrong", "Invalid API key" }, { "the right one", "letmein", "nothing" },
	};
	struct world *w = setup();

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		as(w, NOBODY);
		w->f.x.token = sp_str(rows[i].token);
		kit_modern(&w->k, &w->f, "tools/call", "key", "\"name\":\"key\"");
		CHECK(rows[i].name, has(w->f.json, rows[i].says));
	}
	CHECK("the token is not kept", w->k.s->gate_texts.n == 0);
	teardown(w);
}

/* ---- lists */

static void
test_lists(void **state)
{
	static const struct { const char *name; enum caller who; const char *has, *not; } rows[] = {
		{ "nobody: what is open, and no check that refuses", NOBODY, "\"echo\"", "\"key\"" },
		{ "reader: not admin_action", READER, "read_data", "admin_action" },
		{ "parity 61: admin: not read_data", ADMIN, "admin_action", "read_data" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct world *w = setup();
		char all[KIT_TEXT] = "", params[4096] = "", *cursor;
		unsigned pages = 0;
		size_t n = 0;

		do {
			as(w, rows[i].who);
			kit_modern(&w->k, &w->f, "tools/list", NULL, params);
			CHECK(rows[i].name, w->f.st == SP_OK && has(w->f.json, "\"cacheScope\":\"private\""));
			n += (size_t)snprintf(all + n, sizeof all - n, "%s", w->f.json);
			cursor = strstr(w->f.json, "\"nextCursor\":\"");
			if (cursor != NULL) {
				*strchr(cursor + 14, '"') = '\0';
				snprintf(params, sizeof params, "\"cursor\":\"%s\"", cursor + 14);
			}
		} while (cursor != NULL && ++pages < 9);
		CHECK(rows[i].name, has(all, rows[i].has) && !has(all, rows[i].not));
		CHECK(rows[i].name, pages >= 1 && pages < 9);
		teardown(w);
	}
}

static void
test_cursors(void **state)
{
	static const char *const bad[] = { "", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAA" };
	struct world *w = setup();
	char own[4096], *cursor;

	as(w, READER);
	kit_modern(&w->k, &w->f, "tools/list", NULL, "");
	cursor = strstr(w->f.json, "\"nextCursor\":\"");
	assert_non_null(cursor);
	*strchr(cursor + 14, '"') = '\0';
	snprintf(own, sizeof own, "\"cursor\":\"%s\"", cursor + 14);
	as(w, ADMIN);
	kit_modern(&w->k, &w->f, "tools/list", NULL, own);
	CHECK("another caller's", w->f.st == SP_E_BAD_PARAMS);
	as(w, READER);
	kit_modern(&w->k, &w->f, "prompts/list", NULL, own);
	CHECK("another list's", w->f.st == SP_E_BAD_PARAMS);
	for (size_t i = 0; i < SP_COUNT(bad); i++) {
		char params[256];

		as(w, READER);
		snprintf(params, sizeof params, "\"cursor\":\"%s\"", bad[i]);
		kit_modern(&w->k, &w->f, "tools/list", NULL, params);
		CHECK(bad[i], w->f.st == SP_E_BAD_PARAMS && has(w->f.json, "-32602"));
	}
	teardown(w);
}

/* ---- resources, prompts, completion */

static const struct {
	const char *name, *method, *mcp_name, *params;
	enum caller who;
	enum sp_status st;
	const char *says;
} others[] = {
	{ "a resource", "resources/read", "test://a", "\"uri\":\"test://a\"", NOBODY, SP_OK,
	    "\"contents\":[{\"uri\":\"test://a\",\"mimeType\":\"text/plain\",\"text\":\"page - of test://a\"}],\"ttlMs\":0," },
	{ "of a template", "resources/read", "test://page/12/data", "\"uri\":\"test://page/12/data\"", NOBODY, SP_OK, "page 12 of" },
	{ "a way out of the template", "resources/read", "test://page/%2e%2e/data", "\"uri\":\"test://page/%2e%2e/data\"", NOBODY,
	    SP_OK, "Resource not found" },
	{ "unknown", "resources/read", "test://b", "\"uri\":\"test://b\"", PLAIN, SP_OK,
	    "\"code\":-32602,\"message\":\"Resource not found\",\"data\":{\"uri\":\"test://b\"}" },
	{ "closed is unknown", "resources/read", "test://secret", "\"uri\":\"test://secret\"", PLAIN, SP_OK,
	    "\"code\":-32602,\"message\":\"Resource not found\",\"data\":{\"uri\":\"test://secret\"}" },
	{ "no credential", "resources/read", "test://secret", "\"uri\":\"test://secret\"", ANONYMOUS, SP_E_NO_TOKEN, "" },
	{ "a prompt", "prompts/get", "greet", "\"name\":\"greet\",\"arguments\":{\"who\":\"me\"}", NOBODY, SP_OK,
	    "\"description\":\"says hello\",\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"me\"}},"
	    "{\"role\":\"assistant\",\"content\":{\"type\":\"text\",\"text\":\"hello\",\"annotations\":{\"priority\":1}}}]" },
	{ "its argument is missing", "prompts/get", "greet", "\"name\":\"greet\"", NOBODY, SP_E_BAD_PARAMS, "who is missing" },
	{ "an unknown prompt", "prompts/get", "no", "\"name\":\"no\"", NOBODY, SP_OK, "Unknown prompt: no" },
	{ "completion, cut at 100", "completion/complete", NULL,
	    "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"greet\"},\"argument\":{\"name\":\"who\",\"value\":\"a\"}", NOBODY, SP_OK,
	    "\"total\":120,\"hasMore\":true" },
	{ "of a template", "completion/complete", NULL,
	    "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"test://page/{id}/data\"},\"argument\":{\"name\":\"id\",\"value\":\"a\"}",
	    NOBODY, SP_OK, "\"total\":120" },
	{ "of nothing", "completion/complete", NULL,
	    "\"ref\":{\"type\":\"ref/prompt\",\"name\":\"no\"},\"argument\":{\"name\":\"who\",\"value\":\"a\"}", NOBODY, SP_OK,
	    "Unknown prompt: no" },
	{ "discover", "server/discover", NULL, "", NOBODY, SP_OK, "\"instructions\":\"be kind\"" },
	{ "discover says who we are", "server/discover", NULL, "", NOBODY, SP_OK,
	    "serverInfo\":{\"name\":\"t\",\"version\":\"1\"}" },
	{ "a method of the other era", "initialize", NULL, "", NOBODY, SP_E_NO_METHOD_404, "-32601" },
	{ "an unknown method", "unknown/method", NULL, "", NOBODY, SP_E_NO_METHOD_404, "\"id\":7" },
	{ "no tasks here", "tasks/get", "x", "\"taskId\":\"x\"", NOBODY, SP_E_NO_METHOD_404, "-32601" },
};

static void
test_others(void **state)
{
	for (size_t i = 0; i < SP_COUNT(others); i++) {
		struct world *w = setup();

		as(w, others[i].who);
		kit_modern(&w->k, &w->f, others[i].method, others[i].mcp_name, others[i].params);
		if (w->f.st != others[i].st || !has(w->f.json, others[i].says))
			fail_msg("%s: %s %s", others[i].name, sp_errinfo(w->f.st)->name, w->f.json);
		CHECK(others[i].name, w->f.answers == 1 && w->k.s->open == NULL);
		teardown(w);
	}
}

/* ---- what is no good message */

static const struct { const char *name, *body; enum sp_status st; const char *says; } broken[] = {
	{ "not JSON", "{", SP_E_BAD_JSON, "-32700" },
	{ "a batch", "[]", SP_E_BAD_RPC, "-32600" },
	{ "no method", "{\"jsonrpc\":\"2.0\",\"id\":3}", SP_E_BAD_RPC, "\"id\":3" },
	{ "NUL in a key", "{\"jsonrpc\":\"2.0\",\"id\":3,\"a\\u0000\":1}", SP_E_BAD_JSON, "-32700" },
	{ "no session", "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/subscribe\",\"params\":{\"uri\":\"a:b\"}}", SP_E_BAD_RPC, "Mcp-Session-Id is missing" },
	{ "_meta without capabilities", "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\",\"params\":{\"_meta\":{"
	    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}", SP_E_META, "\"id\":3" },
	{ "modern without headers", "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\",\"params\":{" META "}}}",
	    SP_E_HEADER_MISMATCH, "-32020" },
};

static void
test_broken(void **state)
{
	struct world *w = setup();

	for (size_t i = 0; i < SP_COUNT(broken); i++) {
		as(w, NOBODY);
		sp_server_message(w->k.s, &w->f.x, sp_str(broken[i].body));
		if (w->f.st != broken[i].st || !has(w->f.json, broken[i].says) || w->f.answers != 1)
			fail_msg("%s: %s %s", broken[i].name, sp_errinfo(w->f.st)->name, w->f.json);
	}
	teardown(w);
}

static void
test_header_of_argument(void **state)
{
	static const struct { const char *name, *value; enum sp_status st; } rows[] = {
		{ "fits", "x", SP_OK }, { "another", "y", SP_E_HEADER_MISMATCH }, { "missing", NULL, SP_E_HEADER_MISMATCH },
		{ "encoded", "=?base64?eA==?=", SP_OK }, { "encoded badly", "=?base64?eA?=", SP_E_HEADER_MISMATCH },
	};
	struct world *w = setup();

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		as(w, NOBODY);
		said_header(&w->f, "mcp-protocol-version", "2026-07-28");
		said_header(&w->f, "mcp-method", "tools/call");
		said_header(&w->f, "mcp-name", "echo");
		if (rows[i].value != NULL)
			said_header(&w->f, "mcp-param-text", rows[i].value);
		sp_server_message(w->k.s, &w->f.x, SP_LIT("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{"
		    META "},\"name\":\"echo\",\"arguments\":{\"text\":\"x\"}}}"));
		CHECK(rows[i].name, w->f.st == rows[i].st);
	}
	teardown(w);
}

/* ---- the 2025 era */

static void
test_session(void **state)
{
	static const char list[] = "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\"}";
	struct world *w = setup();
	char id[64], foreign[KIT_TEXT];

	kit_session(&w->k, w->reader, id);
	assert_int_equal(strlen(id), SP_SESSION_ID);
	as(w, READER);
	kit_legacy(&w->k, &w->f, id, list);
	CHECK("own session", w->f.st == SP_OK && has(w->f.json, "\"echo\"") && !has(w->f.json, "resultType"));
	as(w, ADMIN);
	kit_legacy(&w->k, &w->f, id, list);
	CHECK("foreign session", w->f.st == SP_E_SESSION);
	memcpy(foreign, w->f.json, sizeof foreign);
	as(w, ADMIN);
	kit_legacy(&w->k, &w->f, "00000000000000000000000000000000", list);
	CHECK("foreign is as unknown, byte for byte", w->f.st == SP_E_SESSION && strcmp(foreign, w->f.json) == 0);
	as(w, ADMIN);
	sp_server_session_end(w->k.s, &w->f.x, sp_str(id));
	CHECK("nobody ends another's", w->f.st == SP_E_SESSION);
	as(w, READER);
	kit_legacy(&w->k, &w->f, id, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
	CHECK("initialized", w->f.st == SP_OK && w->f.json[0] == '\0');
	as(w, READER);
	kit_legacy(&w->k, &w->f, id, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"resources/read\",\"params\":{\"uri\":\"test://b\"}}");
	CHECK("legacy code of what is not there", has(w->f.json, "-32002"));
	as(w, READER);
	kit_legacy(&w->k, &w->f, id, "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"tools/call\",\"params\":{\"name\":\"list_out\"}}");
	CHECK("no structured content that is no object", !has(w->f.json, "structuredContent") && has(w->f.json, "[1,2]"));
	as(w, READER);
	sp_server_session_end(w->k.s, &w->f.x, sp_str(id));
	CHECK("ended", w->f.st == SP_OK);
	as(w, READER);
	kit_legacy(&w->k, &w->f, id, list);
	CHECK("and then unknown", w->f.st == SP_E_SESSION);
	teardown(w);
}

static void
test_session_limit(void **state)
{
	struct kit k = { .s = sp_server_new(.name = "t", .version = "1", .max_sessions = 3) };
	struct said f;
	char id[5][64];

	sp_tool(k.s, .name = "echo", .auth = SP_ANYONE, .handler = echo);
	kit_begin(&k);
	for (int i = 0; i < 3; i++)
		kit_session(&k, NULL, id[i]);
	said_begin(&f, NULL);
	kit_legacy(&k, &f, id[0], "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}");
	assert_int_equal(f.st, SP_OK);
	kit_session(&k, NULL, id[3]);
	assert_int_equal(k.s->nsessions, 3);
	for (int i = 0; i < 4; i++) {
		said_begin(&f, NULL);
		kit_legacy(&k, &f, id[i], "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}");
		CHECK("the one that was unused for longest went", f.st == (i == 1 ? SP_E_SESSION : SP_OK));
	}
	sp_server_free(k.s);
}

static void
test_sessions_of_one(void **state)
{
	struct kit k = { .s = sp_server_new(.name = "t", .version = "1", .max_sessions = 4) };
	struct sp_principal *reader = kit_who("rae", &reader_facts), *greedy = kit_who("pat", &plain_facts);
	struct said *f = malloc(sizeof *f);
	char id[64], other[64];

	sp_tool(k.s, .name = "echo", .auth = SP_ANYONE, .handler = echo);
	kit_begin(&k);
	kit_session(&k, reader, id);
	for (int i = 0; i < 20; i++)
		kit_session(&k, greedy, other);
	said_begin(f, reader);
	kit_legacy(&k, f, id, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}");
	CHECK("nobody is driven out by one who opens many", f->st == SP_OK && k.s->nsessions == 4);
	sp_server_free(k.s);
	sp_principal_drop(&reader);
	sp_principal_drop(&greedy);
	free(f);
}

/* ---- mistakes */

static void
test_mistakes(void **state)
{
	static const struct { const char *name, *says; struct sp_tool_options t; } rows[] = {
		{ "no auth", "tool \"a\": nobody said who may use it.  Write .auth = SP_SIGNED_IN", { .name = "a", .handler = echo } },
		{ "no handler", "tool \"a\": it has no handler", { .name = "a" } },
		{ "a bad name", "must be 1 to 128", { .name = "a b", .handler = echo } },
		{ "no name", "must be 1 to 128", { .handler = echo } },
		{ "a schema that is no JSON", "inputSchema is not a JSON object", { .name = "a", .handler = echo, .input_schema = "{" } },
		{ "a schema of no object", "its type must be", { .name = "a", .handler = echo, .input_schema = "{}" } },
		{ "a schema that cannot be used", "input_schema: ", { .name = "a", .handler = echo,
		    .input_schema = "{\"type\":\"object\",\"$ref\":\"#/no\"}" } },
		{ "a mark that is not valid", "x-mcp-header", { .name = "a", .handler = echo,
		    .input_schema = "{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"number\",\"x-mcp-header\":\"X\"}}}" } },
		{ "invalid UTF-8", "description is not UTF-8", { .name = "a", .handler = echo, .description = "\xff" } },
		{ "meta", "_meta is not a JSON object", { .name = "a", .handler = echo, .meta = "[]" } },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_server *s = sp_server_new(.name = "t", .version = "1");
		struct sp_tool_options t = rows[i].t;
		struct sp_error e = { .rc = SP_RC_OK };

		t.size = sizeof t;
		if (i != 0)
			t.auth = SP_ANYONE;
		sp_tool_add(s, &t);
		CHECK(rows[i].name, !sp_server_check(s, &e) && e.rc == SP_RC_INVALID);
		if (!has(e.text, rows[i].says))
			fail_msg("%s: %s", rows[i].name, e.text);
		sp_server_free(s);
	}
}

static void
test_mistakes_of_servers(void **state)
{
	struct sp_server *s = sp_server_new(.version = "1");
	struct sp_error e = { .rc = SP_RC_OK };

	CHECK("no name", !sp_server_check(s, &e) && has(e.text, "no name"));
	CHECK("said again, once", !sp_server_check(s, &e) && s->nmistakes == 0);
	sp_server_free(s);
	s = sp_server_new(.name = "t", .version = "1", .url = "ftp://x");
	CHECK("url", !sp_server_check(s, &e) && has(e.text, "url"));
	sp_server_free(s);
	s = sp_server_new(.name = "t", .version = "1");
	sp_tool(s, .name = "a", .auth = SP_ANYONE, .handler = echo);
	sp_tool(s, .name = "a", .auth = SP_ANYONE, .handler = echo);
	CHECK("twice", !sp_server_check(s, &e) && has(e.text, "of that name already"));
	sp_server_free(s);
	s = sp_server_new(.name = "t", .version = "1");
	sp_resource(s, .uri = "x", .uri_template = "y:{a}", .name = "n", .auth = SP_ANYONE, .handler = echo);
	CHECK("both", !sp_server_check(s, &e) && has(e.text, "both uri and uri_template"));
	sp_server_free(s);
}

/* ---- two servers share nothing; a call keeps what is taken away */

static void
test_two_servers(void **state)
{
	struct world *w = setup(), *v = setup();
	char id[64];

	kit_session(&w->k, w->reader, id);
	as(v, READER);
	kit_legacy(&v->k, &v->f, id, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"ping\"}");
	CHECK("a session of the other", v->f.st == SP_E_SESSION);
	assert_true(sp_component_remove(w->k.s, SP_COMPONENT_IS_TOOL, "echo"));
	as(v, NOBODY);
	kit_modern(&v->k, &v->f, "tools/call", "key", "\"name\":\"key\"");
	CHECK("the other has its own", has(v->f.json, "API key required"));
	teardown(w);
	teardown(v);
}

static void
test_remove_while_it_runs(void **state)
{
	struct world *w = setup();

	w->k.mode = KIT_LATER;
	as(w, PLAIN);
	kit_modern(&w->k, &w->f, "tools/call", "read_data", "\"name\":\"read_data\"");
	as(w, READER);
	kit_modern(&w->k, &w->f, "tools/call", "read_data", "\"name\":\"read_data\"");
	assert_int_equal(w->f.answers, 0);
	assert_true(sp_component_remove(w->k.s, SP_COMPONENT_IS_TOOL, "read_data"));
	assert_false(sp_component_remove(w->k.s, SP_COMPONENT_IS_TOOL, "read_data"));
	kit_work(&w->k);
	CHECK("the call goes on", w->f.answers == 1 && has(w->f.json, "nothing"));
	as(w, READER);
	kit_modern(&w->k, &w->f, "tools/call", "read_data", "\"name\":\"read_data\"");
	CHECK("the next does not", has(w->f.json, "Unknown tool"));
	teardown(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls), cmocka_unit_test(test_scope_on_stdio), cmocka_unit_test(test_api_key),
		cmocka_unit_test(test_lists), cmocka_unit_test(test_cursors), cmocka_unit_test(test_others),
		cmocka_unit_test(test_broken), cmocka_unit_test(test_header_of_argument), cmocka_unit_test(test_session),
		cmocka_unit_test(test_session_limit), cmocka_unit_test(test_sessions_of_one),
		cmocka_unit_test(test_mistakes), cmocka_unit_test(test_mistakes_of_servers),
		cmocka_unit_test(test_two_servers), cmocka_unit_test(test_remove_while_it_runs),
	};

	sp_log_init("test", SP_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
