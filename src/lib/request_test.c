/* Grants and requests of handlers, against an upstream on a real port: sections K, M and N of the threats. */
#include "lib/testworld.h"

#include "wire/http1.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* In a header it may stand as it is; every encoding changes it. */
#define CANARY "c4nary/+%<&>\"=~value-17"
#define CANARY_B64 "YzRuYXJ5LyslPCY+Ij1+dmFsdWUtMTc="
#define CANARY_B64URL "YzRuYXJ5LyslPCY-Ij1-dmFsdWUtMTc"
#define CANARY_B64_1 "M0bmFyeS8rJTwmPiI9fnZhbHVlLT"
#define CANARY_HEX "63346e6172792f2b253c263e223d7e76616c75652d3137"
#define CANARY_PCT "c4nary%2F%2B%25%3C%26%3E%22%3D~value-17"
#define CANARY_JSON "c4nary/+%<&>\\\"=~value-17"
#define CANARY_HTML "c4nary/+%&lt;&amp;&gt;&quot;=~value-17"

static const char *const shapes[] = { CANARY, CANARY_B64, CANARY_B64URL, CANARY_HEX, CANARY_PCT, CANARY_JSON, CANARY_HTML };

/* What one handler asks, and what came of it. */
struct plan {
	const char *grant, *method, *path, *content_type, *body;
	const struct sp_header_field *headers;
	size_t	 max_answer;
	unsigned timeout_s, times;
	bool	 start;
	enum sp_rc rc;
	unsigned calls;
	struct sp_client_response got;
	char	 text[400], media[100];
	char	*whole;			/* of the body, kept */
};

static void
note(struct plan *p, enum sp_rc rc, const struct sp_client_response *r)
{
	p->rc = rc;
	p->got = *r;
	p->calls++;
	assert_true(strlen(r->body) <= r->body_size || r->body_size == 0);
	(void)snprintf(p->text, sizeof p->text, "%.300s", r->body);
	(void)snprintf(p->media, sizeof p->media, "%s", r->content_type);
	free(p->whole);
	p->whole = malloc(r->body_size + 1);
	memcpy(p->whole, r->body, r->body_size + 1);
}

static void
on_started(struct sp_context *ctx, enum sp_rc rc, const struct sp_client_response *r, void *arg)
{
	note(arg, rc, r);
	(void)sp_return_text(ctx, "done");
	(void)sp_complete(ctx);
	sp_release(ctx);
}

static void
handler(struct sp_context *ctx, void *arg)
{
	struct plan *p = arg;
	struct sp_client_response r;
	const struct sp_client_request_options opt = { .size = sizeof opt, .method = p->method, .path = p->path,
	    .headers = p->headers, .content_type = p->content_type, .body = p->body,
	    .body_size = p->body == NULL ? 0 : strlen(p->body), .max_answer = p->max_answer, .timeout_s = p->timeout_s };

	if (p->start) {
		struct sp_context *d = sp_defer(ctx);

		p->rc = sp_client_start(d, p->grant, &opt, on_started, p);
		if (p->rc != SP_RC_OK) {
			(void)sp_complete(d);
			sp_release(d);
		}
		return;
	}
	for (unsigned i = 0; i <= p->times; i++) {
		enum sp_rc rc = sp_client_ask(ctx, p->grant, &opt, &r);

		note(p, rc, &r);
	}
	(void)sp_return_text(ctx, "done");
}

static char base[64];

/* Grants `api` (below /v1; GET and POST) and `other` on the same origin, and a tool that does what `p` says. */
static void
open_world(struct ts *t, struct plan *p, void (*answer)(struct up *u, unsigned no, const char *request, struct sp_out *o))
{
	struct sp_error e = { 0 };

	ts_open(t, answer);
	assert_int_equal(setenv("SP_TEST_API", CANARY, 1), 0);
	assert_int_equal(setenv("SP_TEST_OTHER", "other-secret-value", 1), 0);
	(void)snprintf(base, sizeof base, "http://127.0.0.1:%u/v1", t->up.port);
	sp_grant(t->s, .name = "api", .secret = "env:SP_TEST_API", .url = base, .as = "header X-Api-Key",
	    .methods = SP_LIST("GET", "HEAD", "POST"));
	sp_grant(t->s, .name = "other", .secret = "env:SP_TEST_OTHER", .url = base);
	sp_tool(t->s, .name = "ask", .auth = SP_ANYONE, .handler = handler, .arg = p);
	sp_tool(t->s, .name = "here", .auth = SP_ANYONE, .handler = handler, .arg = p, .on_loop = true);
	if (ts_begin(t, &e) != SP_OK)
		fail_msg("begin: %s", e.text);
}

static void
no_canary(const char *name, const char *text)
{
	for (size_t i = 0; i < SP_COUNT(shapes); i++)
		if (strstr(text, shapes[i]) != NULL)
			fail_msg("%s: the secret as %s in %.200s", name, shapes[i], text);
	if (strstr(text, "other-secret-value") != NULL)
		fail_msg("%s: the other secret", name);
}

/* Nothing that was logged, answered or told has it. */
static void
close_world(struct ts *t, struct plan *p)
{
	for (unsigned i = 0; i < t->nasks; i++)
		if (t->asks[i].over)
			no_canary("answer", t->asks[i].json);
	no_canary("error", p->got.error);
	if (p->whole != NULL)
		no_canary("body", p->whole);
	free(p->whole);
	p->whole = NULL;
	sp_out_byte(&t->log, '\0');
	no_canary("log", t->log.p);
	ts_close(t);
}

/* ---- what upstreams say */

static void
say_ok(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
	up_say(o, "200 OK", "Content-Type: text/plain\r\nX-Other: 1\r\n", SP_LIT("hello"));
}

static void
say_nothing(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
}

static void
say_text(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
	sp_out_str(o, u->arg);
}

/* ---- requests */

static void
test_request(void **state)
{
	const struct sp_header_field headers[] = { { "Accept", "text/plain" }, { "X-Trace", "1" }, { NULL, NULL } };
	struct plan p = { .grant = "api", .method = "POST", .path = "/zones?x=1", .content_type = "application/json",
	    .body = "{\"a\":1}", .headers = headers };
	char expected[600];
	struct ts t;

	open_world(&t, &p, say_ok);
	(void)ts_result(&t, "ask", "{}");
	assert_int_equal(p.rc, SP_RC_OK);
	assert_int_equal(p.got.status, 200);
	assert_string_equal(p.text, "hello");
	assert_string_equal(p.media, "text/plain");
	(void)snprintf(expected, sizeof expected, "POST /v1/zones?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: sallyport\r\n"
	    "Accept-Encoding: identity\r\nAccept: text/plain\r\nX-Trace: 1\r\nContent-Type: application/json\r\n"
	    "Content-Length: 7\r\nX-Api-Key: %s\r\n\r\n{\"a\":1}", t.up.port, CANARY);
	/* M21, parity 73: nothing of the inbound request is in it. */
	assert_string_equal(t.up.requests[0], expected);
	close_world(&t, &p);
}

/* M23: where it came from it is no more. */
static void
test_m23_environment(void **state)
{
	struct plan p = { .grant = "other", .path = "/x" };
	char buf[65536];
	struct ts t;
	ssize_t n;
	int fd;

	open_world(&t, &p, say_ok);
	assert_null(getenv("SP_TEST_API"));
	fd = open("/proc/self/environ", O_RDONLY);
	n = read(fd, buf, sizeof buf);
	close(fd);
	assert_true(n >= 0);
	assert_null(memmem(buf, (size_t)n, CANARY, sizeof CANARY - 1));
	(void)ts_result(&t, "ask", "{}");
	assert_non_null(strstr(t.up.requests[0], "\r\nAuthorization: Bearer other-secret-value\r\n"));
	close_world(&t, &p);
}

static void
test_denied(void **state)
{
	static const struct sp_header_field own[] = { { "x-api-key", "mine" }, { NULL, NULL } },
	    host[] = { { "Host", "evil" }, { NULL, NULL } }, auth[] = { { "authorization", "Bearer x" }, { NULL, NULL } },
	    cookie[] = { { "Cookie", "a=b" }, { NULL, NULL } }, te[] = { { "Transfer-Encoding", "chunked" }, { NULL, NULL } },
	    length[] = { { "Content-Length", "1" }, { NULL, NULL } }, override[] = { { "X-HTTP-Method-Override", "DELETE" }, { NULL, NULL } },
	    crlf[] = { { "X-A", "b\r\nX-Api-Key: c" }, { NULL, NULL } }, name[] = { { "X A", "b" }, { NULL, NULL } },
	    type[] = { { "Content-Type", "a/b" }, { NULL, NULL } };
	static const struct { const char *name, *grant, *method, *path; const struct sp_header_field *headers; const char *body, *type;
	    enum sp_rc rc; } rows[] = {
		{ "no such grant", "nobody", "GET", "/x", NULL, NULL, NULL, SP_RC_DENIED },
		{ "method not granted", "api", "DELETE", "/x", NULL, NULL, NULL, SP_RC_DENIED },
		{ "K24 TRACE", "other", "TRACE", "/x", NULL, NULL, NULL, SP_RC_DENIED },
		{ "K10 lower case", "api", "get", "/x", NULL, NULL, NULL, SP_RC_DENIED },
		{ "K10 line break in the method", "api", "GET / HTTP/1.1\r\nX: ", "/x", NULL, NULL, NULL, SP_RC_DENIED },
		{ "no path", "api", "GET", NULL, NULL, NULL, NULL, SP_RC_DENIED },
		{ "another host", "api", "GET", "http://evil.example/", NULL, NULL, NULL, SP_RC_DENIED },
		{ "another host by slashes", "api", "GET", "//evil.example/", NULL, NULL, NULL, SP_RC_DENIED },
		{ "M01 out of the prefix", "api", "GET", "/../secret", NULL, NULL, NULL, SP_RC_DENIED },
		{ "M01 out of the prefix, encoded", "api", "GET", "/%2e%2e/secret", NULL, NULL, NULL, SP_RC_DENIED },
		{ "M01 out of the prefix, twice", "api", "GET", "/%252e%252e%252fsecret", NULL, NULL, NULL, SP_RC_DENIED },
		{ "K20 line break in the path", "api", "GET", "/a\r\nX: y", NULL, NULL, NULL, SP_RC_DENIED },
		{ "M04 the credential's header", "api", "GET", "/x", own, NULL, NULL, SP_RC_DENIED },
		{ "M04 Host", "api", "GET", "/x", host, NULL, NULL, SP_RC_DENIED },
		{ "M04 Authorization", "api", "GET", "/x", auth, NULL, NULL, SP_RC_DENIED },
		{ "M04 Cookie", "api", "GET", "/x", cookie, NULL, NULL, SP_RC_DENIED },
		{ "M04 framing", "api", "GET", "/x", te, NULL, NULL, SP_RC_DENIED },
		{ "M04 length", "api", "GET", "/x", length, NULL, NULL, SP_RC_DENIED },
		{ "another method by a header", "api", "POST", "/x", override, NULL, NULL, SP_RC_DENIED },
		{ "K20 header with a line break", "api", "GET", "/x", crlf, NULL, NULL, SP_RC_INVALID },
		{ "header that has no name", "api", "GET", "/x", name, NULL, NULL, SP_RC_DENIED },
		{ "Content-Type among the headers", "api", "POST", "/x", type, NULL, NULL, SP_RC_INVALID },
		{ "K20 content type with a line break", "api", "POST", "/x", NULL, "b", "a/b\r\nX: y", SP_RC_INVALID },
		{ "K16 GET with a body", "api", "GET", "/x", NULL, "body", NULL, SP_RC_INVALID },
	};
	struct plan p = { 0 };
	struct ts t;

	open_world(&t, &p, say_ok);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		p.grant = rows[i].grant;
		p.method = rows[i].method;
		p.path = rows[i].path;
		p.headers = rows[i].headers;
		p.body = rows[i].body;
		p.content_type = rows[i].type;
		for (p.start = false;; p.start = true) {
			(void)ts_result(&t, "ask", "{}");
			CHECK(rows[i].name, p.rc == rows[i].rc);
			CHECK(rows[i].name, p.start || strstr(p.got.error, "nothing was sent") != NULL);
			if (p.start)
				break;
		}
	}
	assert_int_equal(t.up.nconns, 0);
	close_world(&t, &p);
}

/* On the server's own thread nobody may wait for it. */
static void
test_on_the_loop(void **state)
{
	struct plan p = { .grant = "api", .path = "/x" };
	struct ts t;

	open_world(&t, &p, say_ok);
	(void)ts_result(&t, "here", "{}");
	assert_int_equal(p.rc, SP_RC_INVALID);
	assert_non_null(strstr(p.got.error, "sp_client_start"));
	p.start = true;
	p.calls = 0;
	(void)ts_result(&t, "here", "{}");
	assert_int_equal(p.rc, SP_RC_OK);
	assert_int_equal(p.calls, 1);
	assert_string_equal(p.text, "hello");
	close_world(&t, &p);
}

/* M20: one origin, two grants: never one connection.  K21: one grant: the same again. */
static void
test_m20_connections(void **state)
{
	struct plan p = { .grant = "api", .path = "/x", .times = 2 };
	struct ts t;

	open_world(&t, &p, say_ok);
	(void)ts_result(&t, "ask", "{}");
	p.grant = "other";
	(void)ts_result(&t, "ask", "{}");
	assert_int_equal(t.up.nrequests, 6);
	assert_int_equal(t.up.nconns, 2);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(t.up.of[i], i / 3);
	close_world(&t, &p);
}

/* M13: the secret comes back in every form, cut at every place. */
static void
test_m13_echo(void **state)
{
	static const char *const fields[] = { "Content-Type: text/plain\r\n", "Content-Type: text/" CANARY "\r\n",
	    "X-Echo: " CANARY "\r\nContent-Type: application/json\r\n" };
	static const char *const status[] = { "200 OK", "500 Internal Server Error", "401 Unauthorized" };
	struct plan p = { .grant = "api", .path = "/x" };
	char body[600], text[1200];
	struct ts t;

	open_world(&t, &p, say_text);
	t.up.arg = text;
	for (size_t i = 0; i < SP_COUNT(shapes); i++)
		for (size_t k = 0; k < 3; k++) {
			(void)snprintf(body, sizeof body, "before %s after %s", shapes[i], shapes[i]);
			(void)snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status[k], fields[k],
			    strlen(body), body);
			t.up.piece = (i + k * 3) % 5 * 7;
			(void)ts_result(&t, "ask", "{}");
			CHECK(shapes[i], p.rc == SP_RC_OK && p.got.status >= 200);
			no_canary(shapes[i], p.text);
			no_canary(shapes[i], p.media);
			CHECK(shapes[i], strstr(p.text, "before ") != NULL && strstr(p.text, " after ") != NULL);
		}
	/* Another grant's answer does not have it either. */
	p.grant = "other";
	(void)ts_result(&t, "ask", "{}");
	no_canary("other", p.text);
	close_world(&t, &p);
}

static void
test_m13_chunks(void **state)
{
	struct plan p = { .grant = "api", .path = "/x" };
	struct sp_out o;
	struct ts t;

	open_world(&t, &p, say_text);
	sp_out_heap(&o, 65536);
	sp_out_str(&o, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i < sizeof CANARY - 1; i++)
		sp_out_fmt(&o, "1\r\n%c\r\n", CANARY[i]);
	sp_out_str(&o, "0\r\n\r\n");
	sp_out_byte(&o, '\0');
	t.up.arg = o.p;
	t.up.piece = 3;
	(void)ts_result(&t, "ask", "{}");
	assert_int_equal(p.rc, SP_RC_OK);
	no_canary("chunks", p.text);
	sp_out_free(&o);
	close_world(&t, &p);
}

/* K19, K22, M11, M12, M14: what is no answer, and what is one. */
static void
test_hostile_answers(void **state)
{
	static const struct { const char *name, *text; bool close; enum sp_rc rc; unsigned status; const char *error; } rows[] = {
		{ "M11 redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nno", false,
		  SP_RC_OK, 302, "" },
		{ "M12 401", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", false,
		  SP_RC_OK, 401, "" },
		{ "M14 gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", true, SP_RC_UNAVAILABLE, 0,
		  "encoding" },
		{ "K22 cut off", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true, SP_RC_UNAVAILABLE, 0, "outcome is unknown" },
		{ "K01 both lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true,
		  SP_RC_UNAVAILABLE, 0, "outcome is unknown" },
		{ "garbage", "SSH-2.0-OpenSSH\r\n\r\n", true, SP_RC_UNAVAILABLE, 0, "outcome is unknown" },
		{ "K19 101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", true, SP_RC_UNAVAILABLE, 0, "outcome is unknown" },
		{ "K22 too large", "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n", true, SP_RC_TOO_BIG, 0, "too large" },
	};
	struct plan p = { .grant = "api", .path = "/x", .max_answer = 65536, .timeout_s = 2 };
	struct ts t;

	open_world(&t, &p, say_text);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		t.up.arg = (void *)(uintptr_t)rows[i].text;
		t.up.close_after = rows[i].close;
		(void)ts_result(&t, "ask", "{}");
		CHECK(rows[i].name, p.rc == rows[i].rc && p.got.status == rows[i].status);
		CHECK(rows[i].name, strstr(p.got.error, rows[i].error) != NULL);
		/* M17: fixed texts. */
		CHECK(rows[i].name, strstr(p.got.error, "127.0.0.1") == NULL && strstr(p.got.error, "/v1") == NULL);
	}
	close_world(&t, &p);
}

static void
test_late_and_unreachable(void **state)
{
	struct plan p = { .grant = "api", .method = "POST", .path = "/x", .timeout_s = 1 };
	struct ts t;

	open_world(&t, &p, say_nothing);
	(void)ts_result(&t, "ask", "{}");
	assert_int_equal(p.rc, SP_RC_UNAVAILABLE);
	assert_non_null(strstr(p.got.error, "in time; the outcome is unknown"));
	up_close(&t.up);
	for (unsigned i = 0; i < 10; i++)
		(void)uv_run(&t.loop, UV_RUN_NOWAIT);
	up_open(&t.up, &t.loop, say_nothing);		/* at another port: the grant's has nobody */
	(void)ts_result(&t, "ask", "{}");
	assert_int_equal(p.rc, SP_RC_UNAVAILABLE);
	assert_non_null(strstr(p.got.error, "nothing was sent"));
	close_world(&t, &p);
}

/* The client goes: whoever waits for its answer is let go. */
static void
test_cancelled(void **state)
{
	for (unsigned start = 0; start < 2; start++) {
		struct plan p = { .grant = "api", .method = "POST", .path = "/x", .start = start != 0 };
		struct ts_ask *a;
		struct ts t;

		open_world(&t, &p, say_nothing);
		a = ts_call(&t, "ask", "{}");
		while (t.up.nrequests == 0)
			(void)uv_run(&t.loop, UV_RUN_ONCE);
		sp_server_gone(t.s, &a->x);
		for (unsigned i = 0; i < 100 && p.calls == 0; i++)
			(void)uv_run(&t.loop, UV_RUN_ONCE);
		assert_int_equal(p.calls, 1);
		assert_int_equal(p.rc, SP_RC_CANCELLED);
		assert_string_equal(p.got.error, "cancelled; the outcome is unknown");
		close_world(&t, &p);
	}
}

static void
on_started_end(struct sp_context *ctx, enum sp_rc rc, const struct sp_client_response *r, void *arg)
{
	struct sp_server_part *part = sp_server_outbound(sp_context_server(ctx));

	part->end(part->p);
	on_started(ctx, rc, r, arg);
}

static void
ends_it(struct sp_context *ctx, void *arg)
{
	const struct sp_client_request_options opt = { .size = sizeof opt, .path = "/x", .timeout_s = 1 };
	struct sp_context *d = sp_defer(ctx);

	assert_int_equal(sp_client_start(d, "api", &opt, on_started_end, arg), SP_RC_OK);
}

/* Who is told of an answer, or of none in time, may end the server: what else is under way ends a little later. */
static void
test_end_from_inside(void **state)
{
	for (unsigned late = 0; late < 2; late++) {
		struct plan p = { .grant = "other", .path = "/x", .start = true, .timeout_s = 20 }, end = { 0 };
		struct ts t;

		open_world(&t, &p, late ? say_nothing : say_ok);
		sp_tool(t.s, .name = "end", .auth = SP_ANYONE, .handler = ends_it, .arg = &end);
		if (late)
			(void)ts_call(&t, "ask", "{}");
		(void)ts_result(&t, "end", "{}");
		for (unsigned i = 0; late && i < 100 && p.calls == 0; i++)
			(void)uv_run(&t.loop, UV_RUN_ONCE);
		assert_int_equal(end.calls, 1);
		assert_int_equal(p.calls, late);
		assert_int_equal(p.rc, late ? SP_RC_UNAVAILABLE : SP_RC_OK);
		free(end.whole);
		close_world(&t, &p);
	}
}

/* The server ends while handlers wait, others have only just asked. */
static void
test_end_under_way(void **state)
{
	struct plan p[9] = { 0 };
	struct ts t;

	open_world(&t, &p[0], say_nothing);
	for (unsigned i = 1; i < 9; i++) {
		char name[20];

		(void)snprintf(name, sizeof name, "more-%u", i);
		p[i] = (struct plan){ .grant = i % 2 == 0 ? "api" : "other", .path = "/x", .start = i > 4 };
		sp_tool(t.s, .name = name, .auth = SP_ANYONE, .handler = handler, .arg = &p[i]);
		(void)ts_call(&t, name, "{}");
		if (i % 3 == 0)
			while (t.up.nrequests == 0)
				(void)uv_run(&t.loop, UV_RUN_ONCE);
	}
	p[0] = (struct plan){ .grant = "api", .path = "/x" };
	close_world(&t, &p[0]);
	for (unsigned i = 1; i < 9; i++) {
		assert_true(p[i].rc == SP_RC_UNAVAILABLE);
		free(p[i].whole);
	}
}

/* ---- what is wrong from the start */

static void
write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
test_mistakes(void **state)
{
	const struct { const char *name; struct sp_grant_options opt; const char *says; } rows[] = {
		{ "name", { .name = "Api", .secret = "env:X", .url = "https://a.test" }, "[a-z][a-z0-9-]{0,31}" },
		{ "no secret", { .name = "g", .url = "https://a.test" }, "env:NAME or file:PATH" },
		{ "the value itself", { .name = "g", .secret = "hunter2-hunter2", .url = "https://a.test" }, "never the value itself" },
		{ "vault", { .name = "g", .secret = "vault:x", .url = "https://a.test" }, "env:NAME or file:PATH" },
		{ "no url", { .name = "g", .secret = "env:X" }, "`url`" },
		{ "scheme", { .name = "g", .secret = "env:X", .url = "ftp://a.test" }, "`url`" },
		{ "userinfo", { .name = "g", .secret = "env:X", .url = "https://u:p@a.test" }, "`url`" },
		{ "query", { .name = "g", .secret = "env:X", .url = "https://a.test/?a=b" }, "no query" },
		{ "clear text", { .name = "g", .secret = "env:X", .url = "http://a.test" }, "loopback" },
		{ "clear text, private", { .name = "g", .secret = "env:X", .url = "http://10.0.0.1" }, "loopback" },
		{ "dots in the path", { .name = "g", .secret = "env:X", .url = "https://a.test/../x" }, "plain" },
		{ "as", { .name = "g", .secret = "env:X", .url = "https://a.test", .as = "headr X-A" }, "bearer, basic, header NAME" },
		{ "as Host", { .name = "g", .secret = "env:X", .url = "https://a.test", .as = "header Host" }, "cannot carry" },
		{ "as template", { .name = "g", .secret = "env:X", .url = "https://a.test", .as = "header X {}{}" }, "template" },
		{ "method", { .name = "g", .secret = "env:X", .url = "https://a.test", .methods = SP_LIST("get") }, "upper case" },
		{ "two of a name", { .name = "twin", .secret = "env:X", .url = "https://a.test" }, "another grant" },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_grant_options opt = rows[i].opt;
		struct sp_error e = { 0 };
		struct ts t;

		ts_open(&t, say_ok);
		sp_grant(t.s, .name = "twin", .secret = "env:X", .url = "https://a.test");
		opt.size = sizeof opt;
		sp_grant_add(t.s, &opt);
		CHECK(rows[i].name, !sp_server_check(t.s, &e));
		if (strstr(e.text, rows[i].says) == NULL || strstr(e.text, opt.name) == NULL)
			fail_msg("%s: %s", rows[i].name, e.text);
		CHECK(rows[i].name, strstr(e.text, "hunter2") == NULL);
		ts_close(&t);
	}
}

/* M16, M25: secrets that are refused when the server begins, and one that is not. */
static void
test_m25_secrets(void **state)
{
	static const struct { const char *name, *ref, *text; mode_t mode; const char *says; } rows[] = {
		{ "M25 others can read it", NULL, "12345678", 0644, "chmod 600" },
		{ "M25 group can read it", NULL, "12345678", 0640, "chmod 600" },
		{ "M25 empty", NULL, "", 0600, "empty" },
		{ "M16 short", NULL, "1234567\n", 0600, "" },
		{ "M25 a folder", "file:/", NULL, 0, "not a plain file" },
		{ "M25 nothing there", "file:/nonexistent/secret", NULL, 0, "/nonexistent/secret" },
		{ "unset", "env:SP_TEST_UNSET", NULL, 0, "SP_TEST_UNSET is unset or empty" },
		{ "M25 a line break at its end", NULL, "12345678\n", 0600, NULL },
	};
	char path[] = "/tmp/sallyport-secret-XXXXXX", ref[64];

	close(mkstemp(path));
	(void)snprintf(ref, sizeof ref, "file:%s", path);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_error e = { 0 };
		enum sp_status st;
		struct ts t;

		if (rows[i].text != NULL)
			write_file(path, rows[i].text, rows[i].mode);
		ts_open(&t, say_ok);
		sp_grant(t.s, .name = "grant", .secret = rows[i].ref == NULL ? ref : rows[i].ref, .url = "https://a.test");
		st = ts_begin(&t, &e);
		CHECK(rows[i].name, (st == SP_OK) == (rows[i].says == NULL));
		if (st != SP_OK && (strstr(e.text, "sp_grant(grant)") == NULL || strstr(e.text, rows[i].says) == NULL))
			fail_msg("%s: %s", rows[i].name, e.text);
		CHECK(rows[i].name, strstr(e.text, "1234567") == NULL);
		ts_close(&t);
	}
	unlink(path);
}

static void
test_no_loop(void **state)
{
	struct sp_server_part *part;
	struct sp_error e = { 0 };
	struct ts t;

	ts_open(&t, say_ok);
	sp_grant(t.s, .name = "grant", .secret = "env:X", .url = "https://a.test");
	part = sp_server_outbound(t.s);
	assert_int_equal(part->begin(part->p, NULL, &e), SP_E_CONFIG);
	assert_int_equal(e.rc, SP_RC_INVALID);
	assert_non_null(strstr(e.text, "need a loop"));
	ts_close(&t);
}

/* Two grants of one variable; several servers, one after the other with the same secret file. */
static void
test_shared_secrets(void **state)
{
	struct plan p = { .grant = "one", .path = "/x" };
	struct sp_error e = { 0 };
	struct ts t;

	ts_open(&t, say_ok);
	assert_int_equal(setenv("SP_TEST_API", CANARY, 1), 0);
	(void)snprintf(base, sizeof base, "http://127.0.0.1:%u", t.up.port);
	sp_grant(t.s, .name = "one", .secret = "env:SP_TEST_API", .url = base, .as = "query key");
	sp_grant(t.s, .name = "two", .secret = "env:SP_TEST_API", .url = base, .as = "header X-Key Token {}");
	sp_tool(t.s, .name = "ask", .auth = SP_ANYONE, .handler = handler, .arg = &p);
	assert_int_equal(ts_begin(&t, &e), SP_OK);
	(void)ts_result(&t, "ask", "{}");
	assert_non_null(strstr(t.up.requests[0], "GET /x?key=" CANARY_PCT " HTTP/1.1\r\n"));
	p.path = "/x?key=mine";				/* M06 */
	(void)ts_result(&t, "ask", "{}");
	assert_int_equal(p.rc, SP_RC_DENIED);
	p.path = "/x?%6bey=mine";
	(void)ts_result(&t, "ask", "{}");
	assert_int_equal(p.rc, SP_RC_DENIED);
	p.grant = "two";
	p.path = "/x?key=mine";
	(void)ts_result(&t, "ask", "{}");
	assert_non_null(strstr(t.up.requests[1], "\r\nX-Key: Token " CANARY "\r\n"));
	close_world(&t, &p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request), cmocka_unit_test(test_m23_environment), cmocka_unit_test(test_denied),
		cmocka_unit_test(test_on_the_loop), cmocka_unit_test(test_m20_connections), cmocka_unit_test(test_m13_echo),
		cmocka_unit_test(test_m13_chunks), cmocka_unit_test(test_hostile_answers),
		cmocka_unit_test(test_late_and_unreachable), cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_end_from_inside), cmocka_unit_test(test_end_under_way), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_m25_secrets),
		cmocka_unit_test(test_no_loop), cmocka_unit_test(test_shared_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
