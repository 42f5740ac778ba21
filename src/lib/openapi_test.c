/* Documents mounted into a server, over an upstream on a real port: parity 66, 68 to 73, and section M of the threats. */
#include "lib/testworld.h"

#include "wire/json.h"

#include <fcntl.h>
#include <unistd.h>

#define CANARY "c4nary-of-the-api-key"
#define CANARY_B64 "YzRuYXJ5LW9mLXRoZS1hcGkta2V5"

static const char document[] =
	"openapi: 3.0.0\n"
	"info: {title: t, version: '1'}\n"
	"servers: [{url: 'https://api.example.com/v1'}]\n"
	"components:\n"
	"  securitySchemes:\n"
	"    key: {type: apiKey, in: header, name: X-Api-Key}\n"
	"    token: {type: http, scheme: bearer}\n"
	"  schemas:\n"
	"    Item: {type: object, properties: {id: {type: integer}}}\n"
	"security: [{key: []}]\n"
	"paths:\n"
	"  /items/{id}:\n"
	"    get:\n"
	"      operationId: getItem\n"
	"      summary: One item\n"
	"      tags: [items]\n"
	"      parameters:\n"
	"        - {name: id, in: path, required: true, schema: {type: string}}\n"
	"        - {name: id, in: query, schema: {type: string}}\n"
	"        - {name: tags, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: string}}}\n"
	"        - {name: deep, in: query, style: deepObject, schema: {type: object}}\n"
	"        - {name: flag, in: query, schema: {type: boolean}}\n"
	"        - {name: X-Trace, in: header, schema: {type: string}}\n"
	"        - {name: seen, in: cookie, schema: {type: string}}\n"
	"      responses: {'200': {description: d, content: {application/json: {schema: {$ref: '#/components/schemas/Item'}}}}}\n"
	"    delete:\n"
	"      operationId: deleteItem\n"
	"      parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n"
	"      responses: {'204': {description: d}}\n"
	"  /items:\n"
	"    get:\n"
	"      operationId: listItems\n"
	"      responses: {'200': {description: d, content: {application/json: {schema: {type: array, items: {type: object}}}}}}\n"
	"    post:\n"
	"      operationId: addItem\n"
	"      requestBody: {required: true, content: {application/json: {schema: {type: object, properties: {name: {type: string},\n"
	"        size: {type: integer}}, required: [name]}}}}\n"
	"      responses: {'200': {description: d}}\n"
	"  /open:\n"
	"    get: {operationId: open, security: [], responses: {'200': {description: d}}}\n"
	"  /other:\n"
	"    get: {operationId: other, security: [{token: []}], responses: {'200': {description: d}}}\n"
	"  /a-path-with-a-name-that-is-far-too-long-for-any-tool-of-any-client-that-there-is-today:\n"
	"    get: {responses: {'200': {description: d}}}\n";

static char path[64], url[64];

static void
write_document(const char *text)
{
	int fd;

	(void)snprintf(path, sizeof path, "/tmp/sallyport-doc-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
open_with(struct ts *t, const char *name, struct sp_auth_check *reads, struct sp_auth_check *writes,
    void (*answer)(struct up *u, unsigned no, const char *request, struct sp_out *o))
{
	const struct sp_secret_for secrets[] = { { "key", "api" }, { "token", "bearer" }, { NULL, NULL } };
	struct sp_error e = { 0 };

	write_document(document);
	ts_open(t, answer);
	assert_int_equal(setenv("SP_TEST_API", CANARY, 1), 0);
	assert_int_equal(setenv("SP_TEST_OTHER", "another-secret-value", 1), 0);
	(void)snprintf(url, sizeof url, "http://127.0.0.1:%u/v1", t->up.port);
	sp_grant(t->s, .name = "api", .secret = "env:SP_TEST_API", .url = url);
	sp_grant(t->s, .name = "bearer", .secret = "env:SP_TEST_OTHER", .url = url);
	sp_openapi_provider(t->s, .name = name, .document = path, .url = url, .secrets = secrets, .read = reads, .write = writes,
	    .timeout_s = 2);
	if (ts_begin(t, &e) != SP_OK)
		fail_msg("begin: %s", e.text);
}

static void
close_it(struct ts *t)
{
	for (unsigned i = 0; i < t->nasks; i++)
		assert_true(!t->asks[i].over || (strstr(t->asks[i].json, CANARY) == NULL &&
		    strstr(t->asks[i].json, CANARY_B64) == NULL));
	sp_out_byte(&t->log, '\0');
	assert_null(strstr(t->log.p, CANARY));
	ts_close(t);
	unlink(path);
}

static void
say_ok(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
	up_say(o, "200 OK", "Content-Type: application/json\r\n", SP_LIT("{\"id\":7}"));
}

static void
say_text(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
	sp_out_str(o, u->arg);
}

static void
say_nothing(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
}

/* "tool description" of every tool of the list, sorted as it comes. */
static const char *
list_of(struct ts *t)
{
	struct ts_ask *a = ts_message(t, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{" TS_META "}}");

	ts_wait(t, a);
	return a->json;
}

static bool
has(const char *json, const char *part)
{
	if (strstr(json, part) != NULL)
		return true;
	print_message("%.400s\n", json);
	return false;
}

/* Parity 72: names, prefix, cut and hashed; and what clients are told of each. */
static void
test_list(void **state)
{
	const char *json, *long_name;
	struct ts t;

	open_with(&t, "shop", SP_ANYONE, SP_ANYONE, say_ok);
	json = list_of(&t);
	assert_true(has(json, "\"name\":\"shop_getItem\""));
	assert_true(has(json, "\"description\":\"One item\""));
	assert_true(has(json, "\"readOnlyHint\":true"));
	assert_true(has(json, "\"outputSchema\":{\"type\":\"object\""));
	assert_true(has(json, "\"name\":\"shop_addItem\""));
	assert_true(has(json, "\"required\":[\"name\"]"));
	assert_true(has(json, "\"name\":\"shop_deleteItem\""));
	long_name = strstr(json, "\"name\":\"shop_get_a");
	assert_non_null(long_name);
	assert_int_equal(strcspn(long_name + 8, "\""), 64);
	assert_null(strstr(json, "127.0.0.1"));
	close_it(&t);
	/* Without a name there is no prefix. */
	open_with(&t, NULL, SP_ANYONE, SP_ANYONE, say_ok);
	assert_true(has(list_of(&t), "\"name\":\"getItem\""));
	close_it(&t);
}

/* Parity 66 and section E: each half by its own check; what has none is no tool. */
static void
test_checks(void **state)
{
	const char *json;
	struct ts t;

	open_with(&t, "shop", SP_ANYONE, sp_require_scopes("items:write"), say_ok);
	json = list_of(&t);
	assert_true(has(json, "shop_getItem"));
	assert_null(strstr(json, "shop_deleteItem"));
	json = ts_result(&t, "shop_deleteItem", "{\"id\":\"1\"}");
	assert_null(strstr(json, "\"isError\":false"));
	assert_int_equal(t.up.nrequests, 0);
	close_it(&t);
	open_with(&t, "shop", NULL, SP_ANYONE, say_ok);
	json = list_of(&t);
	assert_null(strstr(json, "shop_getItem"));
	assert_true(has(json, "shop_addItem"));
	close_it(&t);
	/* One check for both halves. */
	struct sp_auth_check *both = sp_any_of(SP_ANYONE, sp_restrict_tag("x"));
	open_with(&t, "shop", both, both, say_ok);
	assert_true(has(list_of(&t), "shop_addItem"));
	assert_true(sp_component_remove(t.s, SP_COMPONENT_IS_TOOL, "shop_addItem"));
	assert_true(has(ts_result(&t, "shop_getItem", "{\"id__path\":\"1\"}"), "\"structuredContent\""));
	close_it(&t);
}

/* Parity 68, 69, 70, 73; M01, M03, M04, M05, M21; the credential is there, once, and the last. */
static void
test_requests(void **state)
{
	static const struct { const char *name, *tool, *args, *line, *more; } rows[] = {
		{ "plain", "shop_getItem", "{\"id__path\":\"7\"}", "GET /v1/items/7 HTTP/1.1", NULL },
		{ "69 path and query of one name", "shop_getItem", "{\"id__path\":\"7\",\"id__query\":\"8\"}",
		  "GET /v1/items/7?id=8 HTTP/1.1", NULL },
		{ "69 empty is kept", "shop_getItem", "{\"id__path\":\"7\",\"id__query\":\"\"}", "GET /v1/items/7?id= HTTP/1.1", NULL },
		{ "68 slash", "shop_getItem", "{\"id__path\":\"a/b\"}", "GET /v1/items/a%2Fb HTTP/1.1", NULL },
		{ "68 question mark", "shop_getItem", "{\"id__path\":\"a?b#c\"}", "GET /v1/items/a%3Fb%23c HTTP/1.1", NULL },
		{ "68 encoded dots", "shop_getItem", "{\"id__path\":\"%2e%2e\"}", NULL, NULL },
		{ "70 pipe", "shop_getItem", "{\"id__path\":\"7\",\"tags\":[\"a\",\"b\"]}", "GET /v1/items/7?tags=a%7Cb HTTP/1.1", NULL },
		{ "70 deepObject", "shop_getItem", "{\"id__path\":\"7\",\"deep\":{\"a\":1}}", "GET /v1/items/7?deep%5Ba%5D=1 HTTP/1.1", NULL },
		{ "70 boolean", "shop_getItem", "{\"id__path\":\"7\",\"flag\":true}", "GET /v1/items/7?flag=true HTTP/1.1", NULL },
		{ "M03 more parameters", "shop_getItem", "{\"id__path\":\"7\",\"id__query\":\"8&admin=1\"}",
		  "GET /v1/items/7?id=8%26admin%3D1 HTTP/1.1", NULL },
		{ "70 header", "shop_getItem", "{\"id__path\":\"7\",\"X-Trace\":\"abc\"}", "GET /v1/items/7 HTTP/1.1", "\r\nX-Trace: abc\r\n" },
		{ "70 cookie", "shop_getItem", "{\"id__path\":\"7\",\"seen\":\"1\"}", "GET /v1/items/7 HTTP/1.1", "\r\nCookie: seen=1\r\n" },
		{ "M05 cookie that ends", "shop_getItem", "{\"id__path\":\"7\",\"seen\":\"1; admin=1\"}", "GET /v1/items/7 HTTP/1.1",
		  "\r\nCookie: seen=1%3B%20admin%3D1\r\n" },
		{ "M01 parent", "shop_getItem", "{\"id__path\":\"..\"}", NULL, NULL },
		{ "M01 empty", "shop_getItem", "{\"id__path\":\"\"}", NULL, NULL },
		{ "K20 line break in a header", "shop_getItem", "{\"id__path\":\"7\",\"X-Trace\":\"a\\r\\nX-Api-Key: b\"}", NULL, NULL },
		{ "M07 not in the schema", "shop_addItem", "{\"name\":1}", NULL, NULL },
		{ "M07 missing", "shop_addItem", "{}", NULL, NULL },
		{ "body", "shop_addItem", "{\"name\":\"a\",\"size\":3}", "POST /v1/items HTTP/1.1", "{\"name\":\"a\",\"size\":3}" },
		{ "M15 nothing is expanded", "shop_addItem", "{\"name\":\"{{secret:api}} ${SP_TEST_API}\"}", "POST /v1/items HTTP/1.1",
		  "{\"name\":\"{{secret:api}} ${SP_TEST_API}\"}" },
	};
	struct ts t;

	open_with(&t, "shop", SP_ANYONE, SP_ANYONE, say_ok);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		unsigned before = t.up.nrequests;
		const char *json = ts_result(&t, rows[i].tool, rows[i].args), *key;

		if (rows[i].line == NULL) {
			CHECK(rows[i].name, t.up.nrequests == before && strstr(json, "\"isError\":false") == NULL);
			continue;
		}
		if (t.up.nrequests != before + 1)
			fail_msg("%s: %s", rows[i].name, json);
		if (strncmp(t.up.requests[before], rows[i].line, strlen(rows[i].line)) != 0)
			fail_msg("%s: %.200s", rows[i].name, t.up.requests[before]);
		CHECK(rows[i].name, rows[i].more == NULL || strstr(t.up.requests[before], rows[i].more) != NULL);
		key = strstr(t.up.requests[before], "\r\nX-Api-Key: " CANARY "\r\n\r\n");
		CHECK(rows[i].name, key != NULL && strstr(key + 3, "X-Api-Key") == NULL);
		CHECK(rows[i].name, strstr(t.up.requests[before], "inbound-token") == NULL);
	}
	close_it(&t);
}

/* M10: what asks for no credential gets none; M20: connections are those of one credential. */
static void
test_m10_m20(void **state)
{
	struct ts t;

	open_with(&t, "shop", SP_ANYONE, NULL, say_ok);
	(void)ts_result(&t, "shop_open", "{}");
	(void)ts_result(&t, "shop_other", "{}");
	(void)ts_result(&t, "shop_getItem", "{\"id__path\":\"1\"}");
	(void)ts_result(&t, "shop_listItems", "{}");
	assert_int_equal(t.up.nrequests, 4);
	assert_null(strstr(t.up.requests[0], "X-Api-Key"));
	assert_null(strstr(t.up.requests[0], "Authorization"));
	assert_non_null(strstr(t.up.requests[1], "\r\nAuthorization: Bearer another-secret-value\r\n"));
	assert_null(strstr(t.up.requests[1], "X-Api-Key"));
	assert_true(t.up.of[0] != t.up.of[1] && t.up.of[1] != t.up.of[2] && t.up.of[0] != t.up.of[2]);
	assert_int_equal(t.up.of[2], t.up.of[3]);
	close_it(&t);
}

/* Parity 71; M11, M12, M13, M14, M17, K22. */
static void
test_answers(void **state)
{
	static const struct { const char *name, *tool, *text; bool close; const char *in, *not_in; } rows[] = {
		{ "object", "shop_getItem", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"id\":7}", false,
		  "\"structuredContent\":{\"id\":7}", "\"isError\":true" },
		{ "71 list", "shop_listItems", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[7]", false,
		  "\"structuredContent\":{\"result\":[7]}", "\"isError\":true" },
		{ "71 no JSON", "shop_open", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi", false,
		  "\"text\":\"hi\"", "\"isError\":true" },
		{ "not what the document promised", "shop_getItem", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"id\":\"x\"}",
		  false, "\"structuredContent\":{\"id\":\"x\"}", "\"isError\":true" },
		{ "71 4xx with the secret", "shop_getItem", "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 26\r\n\r\nkey " CANARY "!", false,
		  "the upstream answered 403", CANARY },
		{ "M13 base64 in a 5xx", "shop_getItem", "HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nContent-Length: 28\r\n\r\n" CANARY_B64, false,
		  "the upstream answered 500", CANARY_B64 },
		{ "M13 in JSON", "shop_getItem", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"id\":\"" CANARY "\"}", false,
		  "\"structuredContent\"", CANARY },
		{ "M12", "shop_getItem", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=inner\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
		  false, "\"isError\":true", "realm" },
		{ "M11", "shop_getItem", "HTTP/1.1 307 Go\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n", false,
		  "a redirect, which is not followed", "evil" },
		{ "M14", "shop_getItem", "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", true, "encoding that was not asked for",
		  "\"isError\":false" },
		{ "K22 cut off", "shop_getItem", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", true, "the outcome is unknown", "127.0.0.1" },
		{ "K22 garbage", "shop_getItem", "\r\n\r\nHTTP", true, "the outcome is unknown", "127.0.0.1" },
		{ "K22 too large", "shop_getItem", "HTTP/1.1 200 OK\r\nContent-Length: 8388609\r\n\r\n", true, "too large", "127.0.0.1" },
	};
	struct ts t;

	open_with(&t, "shop", SP_ANYONE, NULL, say_text);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		const char *json;

		t.up.arg = (void *)(uintptr_t)rows[i].text;
		t.up.close_after = rows[i].close;
		t.up.piece = i % 3 * 5;
		json = ts_result(&t, rows[i].tool, strcmp(rows[i].tool, "shop_getItem") == 0 ? "{\"id__path\":\"1\"}" : "{}");
		if (strstr(json, rows[i].in) == NULL || strstr(json, rows[i].not_in) != NULL)
			fail_msg("%s: %s", rows[i].name, json);
	}
	close_it(&t);
}

/* The client goes, the time is over, the server ends: each call ends once, and nothing is left. */
static void
test_ends(void **state)
{
	struct ts_ask *gone, *late, *last;
	struct ts t;

	open_with(&t, "shop", SP_ANYONE, SP_ANYONE, say_nothing);
	gone = ts_call(&t, "shop_deleteItem", "{\"id\":\"1\"}");
	late = ts_call(&t, "shop_deleteItem", "{\"id\":\"2\"}");
	while (t.up.nrequests < 2)
		(void)uv_run(&t.loop, UV_RUN_ONCE);
	sp_server_gone(t.s, &gone->x);
	ts_wait(&t, late);
	assert_false(gone->over);
	assert_true(has(late->json, "the upstream did not answer in time; the outcome is unknown"));
	assert_null(t.up.conns[0]);			/* the cancelled one's connection was not kept */
	last = ts_call(&t, "shop_deleteItem", "{\"id\":\"3\"}");
	while (t.up.nrequests < 3)
		(void)uv_run(&t.loop, UV_RUN_ONCE);
	(void)ts_call(&t, "shop_deleteItem", "{\"id\":\"4\"}");	/* not connected yet */
	close_it(&t);
	assert_true(last->over);
}

/* M26: many at once; each gets its own answer. */
static void
test_many(void **state)
{
	struct ts_ask *a[100];
	struct ts t;

	open_with(&t, "shop", SP_ANYONE, SP_ANYONE, say_ok);
	for (unsigned i = 0; i < SP_COUNT(a); i++)
		a[i] = ts_call(&t, "shop_getItem", "{\"id__path\":\"1\"}");
	for (unsigned i = 0; i < SP_COUNT(a); i++) {
		ts_wait(&t, a[i]);
		assert_true(has(a[i]->json, "\"structuredContent\":{\"id\":7}"));
	}
	assert_true(t.up.nconns <= 64);
	close_it(&t);
}

/* ---- mistakes */

static void
test_mistakes(void **state)
{
	static const struct sp_secret_for none[] = { { NULL, NULL } }, unknown[] = { { "key", "nobody" }, { NULL, NULL } },
	    scheme[] = { { "kez", "api" }, { NULL, NULL } }, place[] = { { "key", "elsewhere" }, { NULL, NULL } },
	    twice[] = { { "key", "api" }, { "key", "api" }, { NULL, NULL } }, clear[] = { { "key", "clear" }, { NULL, NULL } };
	static const struct { const char *name, *prefix, *file, *url; const struct sp_secret_for *secrets; bool reads;
	    const char *says; } rows[] = {
		{ "no document", "shop", NULL, NULL, none, true, "`document` is required" },
		{ "no such file", "shop", "/nonexistent/doc.yaml", NULL, none, true, "cannot be read" },
		{ "no check", "shop", "", NULL, none, false, "SP_SIGNED_IN" },
		{ "name", "Shop", "", NULL, none, true, "[a-z][a-z0-9-]{0,31}" },
		{ "no such grant", "shop", "", NULL, unknown, true, "sp_grant()" },
		{ "no such scheme", "shop", "", NULL, scheme, true, "no security scheme `kez`. Did you mean `key`?" },
		{ "M08 a grant for another host", "shop", "", NULL, place, true, "would never be sent" },
		{ "one scheme twice", "shop", "", NULL, twice, true, "shop" },
		{ "clear text", "shop", "", "http://api.example.com", none, true, NULL },
		{ "clear text with a secret", "shop", "", "http://api.example.com", scheme, true, "shop" },
		{ "https and http", "shop", "", "https://localhost:8080", clear, true, "write the same in both urls" },
		{ "userinfo", "shop", "", "https://u:p@api.example.com", none, true, "user:password@" },
		{ "all is well", "shop", "", NULL, none, true, NULL },
	};

	write_document(document);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_error e = { 0 };
		struct ts t;
		bool good;

		ts_open(&t, say_ok);
		sp_grant(t.s, .name = "api", .secret = "env:X", .url = "https://api.example.com");
		sp_grant(t.s, .name = "elsewhere", .secret = "env:X", .url = "https://elsewhere.example.com");
		sp_grant(t.s, .name = "clear", .secret = "env:X", .url = "http://localhost:8080");
		sp_openapi_provider(t.s, .name = rows[i].prefix, .document = rows[i].file != NULL && rows[i].file[0] == '\0' ? path :
		    rows[i].file, .url = rows[i].url, .secrets = rows[i].secrets, .read = rows[i].reads ? SP_ANYONE : NULL);
		good = sp_server_check(t.s, &e);
		if (good != (rows[i].says == NULL) || (!good && strstr(e.text, rows[i].says) == NULL))
			fail_msg("%s: %s", rows[i].name, e.text);
		if (!good && strstr(e.text, rows[i].prefix) == NULL)
			fail_msg("%s does not name its provider: %s", rows[i].name, e.text);
		ts_close(&t);
	}
	unlink(path);
}

#define HEAD "openapi: 3.0.0\ninfo: {title: t, version: '1'}\n"

/* M08, N05, M09: what only the document says of a place is not believed when it is this machine. */
static void
test_hostile_documents(void **state)
{
	static const struct { const char *name, *text, *says; } rows[] = {
		{ "M08 loopback", HEAD "servers: [{url: 'http://127.0.0.1:1/'}]\n"
		  "paths: {/a: {get: {operationId: a, responses: {}}}}", "loopback" },
		{ "M08 relative", HEAD "servers: [{url: /v1}]\n"
		  "paths: {/a: {get: {operationId: a, responses: {}}}}", "`url` is required" },
		{ "M08 file", HEAD "servers: [{url: 'file:///etc'}]\n"
		  "paths: {/a: {get: {operationId: a, responses: {}}}}", "`url` is required" },
		{ "no document at all", "hello", "openapi" },
		{ "M09 aliases", "a: &a [1]\nb: [*a, *a]\nopenapi: 3.0.0", "openapi" },
		{ "no operations", HEAD "servers: [{url: 'https://a.test'}]\npaths: {}", "no tool" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_error e = { 0 };
		struct ts t;

		write_document(rows[i].text);
		ts_open(&t, say_ok);
		sp_openapi_provider(t.s, .name = "shop", .document = path, .read = SP_ANYONE);
		CHECK(rows[i].name, !sp_server_check(t.s, &e));
		if (strstr(e.text, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].name, e.text);
		ts_close(&t);
		unlink(path);
	}
}

/* N01, N02: a public name that turns out to be a private address is refused; here by a literal that the document names. */
static void
test_n01_private(void **state)
{
	static const char *const servers[] = { "http://169.254.169.254", "http://[fe80::1]", "https://10.0.0.1", "http://192.168.1.1" };

	for (size_t i = 0; i < SP_COUNT(servers); i++) {
		struct sp_error e = { 0 };
		const char *json;
		char text[400];
		struct ts t;

		(void)snprintf(text, sizeof text, HEAD "servers: [{url: '%s'}]\n"
		    "paths: {/a: {get: {operationId: a, responses: {}}}}", servers[i]);
		write_document(text);
		ts_open(&t, say_ok);
		sp_openapi_provider(t.s, .name = "shop", .document = path, .read = SP_ANYONE);
		if (ts_begin(&t, &e) != SP_OK)
			fail_msg("%s: %s", servers[i], e.text);
		json = ts_result(&t, "shop_a", "{}");
		if (strstr(json, "could not be reached; nothing was sent") == NULL)
			fail_msg("%s: %s", servers[i], json);
		CHECK("N13", strstr(json, "169.254") == NULL && strstr(json, "private") == NULL);
		ts_close(&t);
		unlink(path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list), cmocka_unit_test(test_checks), cmocka_unit_test(test_requests),
		cmocka_unit_test(test_m10_m20), cmocka_unit_test(test_answers), cmocka_unit_test(test_ends),
		cmocka_unit_test(test_many), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_hostile_documents),
		cmocka_unit_test(test_n01_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
