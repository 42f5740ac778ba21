/* Requests to authorities, over real sockets of this machine. */
#include "lib/fetch.h"

#include "lib/testup.h"
#include "vault/secret.h"

enum { FETCHES = 8 };

struct asked {
	struct sp_fetch f;
	unsigned calls, status;
	char	 body[4096];
	char	 url[300];
	struct world *w;
	bool	 again;			/* done() begins another */
};

struct world {
	uv_loop_t loop;
	struct up up;
	struct sp_lib_fetch *fetch;
	struct asked asked[FETCHES];
	char	 secret[64];
};

static void
answer(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
	up_say(o, "200 OK", "Content-Type: application/json\r\n", SP_LIT("{\"keys\":[]}"));
}

static void
answer_nothing(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
}

static void
answer_redirect(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
	up_say(o, "302 Found", "Location: http://127.0.0.1:1/x\r\n", SP_LIT(""));
}

static void
answer_large(struct up *u, unsigned no, const char *request, struct sp_out *o)
{
	char *p = malloc(100000);

	memset(p, ' ', 100000);
	up_say(o, "200 OK", "", sp_mem(p, 100000));
	free(p);
}

static void
begin(struct world *w, void (*how)(struct up *u, unsigned no, const char *request, struct sp_out *o))
{
	struct sp_err e = { 0 };

	*w = (struct world){ 0 };
	assert_int_equal(uv_loop_init(&w->loop), 0);
	up_open(&w->up, &w->loop, how);
	assert_int_equal(sp_lib_fetch_new(&w->loop, &w->fetch, &e), SP_OK);
}

static void
finish(struct world *w)
{
	sp_lib_fetch_free(&w->fetch);
	up_close(&w->up);
	assert_int_equal(uv_run(&w->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&w->loop), 0);
}

static bool ask(struct world *w, unsigned i, const char *path);

static void
done(void *ctx, unsigned status, sp_slice body)
{
	struct asked *a = ctx;

	a->calls++;
	a->status = status;
	assert_true(sp_cstr(sp_sub(body, 0, sizeof a->body - 1), a->body, sizeof a->body));
	if (a->again)
		assert_true(ask(a->w, (unsigned)(a - a->w->asked) + 1, "/again"));
}

static bool
go(struct world *w, unsigned i)
{
	const struct sp_fetcher *f = sp_lib_fetcher(w->fetch);

	return f->start(f->ctx, &w->asked[i].f);
}

static void
prepare(struct world *w, unsigned i, const char *path)
{
	struct asked *a = &w->asked[i];

	(void)snprintf(a->url, sizeof a->url, "http://127.0.0.1:%u%s", w->up.port, path);
	a->w = w;
	a->f = (struct sp_fetch){ .url = sp_str(a->url), .method = SP_LIT("GET"), .max_answer = 65536, .timeout_ms = 2000,
	    .done = done, .ctx = a };
}

static bool
ask(struct world *w, unsigned i, const char *path)
{
	prepare(w, i, path);
	return go(w, i);
}

static void
wait_for(struct world *w, unsigned i)
{
	for (unsigned k = 0; k < 400 && w->asked[i].calls == 0; k++)
		(void)uv_run(&w->loop, UV_RUN_ONCE);
	assert_int_equal(w->asked[i].calls, 1);
}

static void
test_get(void **state)
{
	struct world w;
	char expected[300];

	begin(&w, answer);
	assert_true(ask(&w, 0, "/keys?x=1"));
	assert_int_equal(w.asked[0].calls, 0);		/* never from inside start() */
	wait_for(&w, 0);
	assert_int_equal(w.asked[0].status, 200);
	assert_string_equal(w.asked[0].body, "{\"keys\":[]}");
	(void)snprintf(expected, sizeof expected, "GET /keys?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: sallyport\r\n"
	    "Accept-Encoding: identity\r\nAccept: application/json, application/jwk-set+json\r\n\r\n", w.up.port);
	assert_string_equal(w.up.requests[0], expected);
	finish(&w);
}

/* M20: what bears other credentials, or does not say which, goes over a connection of its own. */
static void
test_identities(void **state)
{
	static const uint32_t ids[] = { 7, 7, 8, 0, 0, 7 };
	unsigned conn[SP_COUNT(ids)];
	struct world w;

	begin(&w, answer);
	for (unsigned i = 0; i < SP_COUNT(ids); i++) {
		prepare(&w, i, "/introspect");
		w.asked[i].f.identity = ids[i];
		w.asked[i].f.method = SP_LIT("POST");
		w.asked[i].f.body = SP_LIT("token=x");
		w.asked[i].f.content_type = SP_LIT("application/x-www-form-urlencoded");
		w.asked[i].f.authorization = SP_LIT("Basic c2VjcmV0");
		assert_true(go(&w, i));
		wait_for(&w, i);
		conn[i] = w.up.of[i];
	}
	assert_true(conn[0] == conn[1] && conn[1] == conn[5]);
	assert_true(conn[2] != conn[0] && conn[3] != conn[0] && conn[3] != conn[2] && conn[4] != conn[3]);
	assert_non_null(strstr(w.up.requests[0], "Authorization: Basic c2VjcmV0\r\nContent-Type: application/x-www-form-"
	    "urlencoded\r\nContent-Length: 7\r\n\r\ntoken=x"));
	finish(&w);
}

/* An authority that hangs up after each answer, without saying so. */
static void
test_hung_up(void **state)
{
	struct world w;

	begin(&w, answer);
	w.up.close_after = true;
	for (unsigned i = 0; i < 4; i++) {
		prepare(&w, i, "/introspect");
		w.asked[i].f.identity = 7;
		w.asked[i].f.method = SP_LIT("POST");
		w.asked[i].f.body = SP_LIT("token=x");
		assert_true(go(&w, i));
		wait_for(&w, i);
		assert_int_equal(w.asked[i].status, 200);
	}
	finish(&w);
}

static void
test_refused(void **state)
{
	static const struct { const char *name, *url, *method; bool learned, good; } rows[] = {
		{ "https", "https://sso.example/keys", "GET", false, true },
		{ "N11 file", "file:///etc/passwd", "GET", false, false },
		{ "N11 ftp", "ftp://sso.example/keys", "GET", false, false },
		{ "clear text beyond this machine", "http://sso.example/keys", "GET", false, false },
		{ "clear text to a private address", "http://10.0.0.1/keys", "GET", false, false },
		{ "clear text to localhost", "http://localhost:1/keys", "GET", false, true },
		{ "N06 userinfo", "https://a@sso.example/keys", "GET", false, false },
		{ "N06 backslash", "https://sso.example\\@evil/", "GET", false, false },
		{ "fragment", "https://sso.example/#x", "GET", false, false },
		{ "line break", "https://sso.example/\r\nX: y", "GET", false, false },
		{ "method", "https://sso.example/keys", "PUT", false, false },
		{ "learned https", "https://sso.example/keys", "GET", true, true },
		{ "N01 learned address", "https://10.0.0.1/keys", "GET", true, false },
		{ "N12 learned port", "https://sso.example:8443/keys", "GET", true, false },
		{ "N05 learned loopback", "http://localhost/keys", "GET", true, false },
	};
	struct world w;

	begin(&w, answer);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		const struct sp_fetcher *f = sp_lib_fetcher(w.fetch);

		prepare(&w, 0, "/");
		w.asked[0].f.url = sp_str(rows[i].url);
		w.asked[0].f.method = sp_str(rows[i].method);
		w.asked[0].f.learned = rows[i].learned;
		CHECK(rows[i].name, go(&w, 0) == rows[i].good);
		f->cancel(f->ctx, &w.asked[0].f);
	}
	assert_int_equal(w.asked[0].calls, 0);
	finish(&w);
}

/* N10, C05: a redirect is an answer like any other. */
static void
test_redirect(void **state)
{
	struct world w;

	begin(&w, answer_redirect);
	assert_true(ask(&w, 0, "/keys"));
	wait_for(&w, 0);
	assert_int_equal(w.asked[0].status, 302);
	assert_int_equal(w.up.nrequests, 1);
	finish(&w);
}

static void
test_limits(void **state)
{
	struct world w;

	begin(&w, answer_large);
	assert_true(ask(&w, 0, "/keys"));
	wait_for(&w, 0);
	assert_int_equal(w.asked[0].status, 0);
	prepare(&w, 1, "/keys");
	w.asked[1].f.max_answer = 100000;
	assert_true(go(&w, 1));
	wait_for(&w, 1);
	assert_int_equal(w.asked[1].status, 200);
	finish(&w);
}

static void
test_late(void **state)
{
	struct world w;

	begin(&w, answer_nothing);
	prepare(&w, 0, "/keys");
	w.asked[0].f.timeout_ms = 120;
	assert_true(go(&w, 0));
	wait_for(&w, 0);
	assert_int_equal(w.asked[0].status, 0);
	assert_int_equal(w.up.nrequests, 1);
	finish(&w);
}

/* Nobody listens; and one that is taken back is never answered. */
static void
test_unreachable_and_cancelled(void **state)
{
	struct world w;
	const struct sp_fetcher *f;

	begin(&w, answer_nothing);
	f = sp_lib_fetcher(w.fetch);
	prepare(&w, 0, "/keys");
	w.asked[0].f.url = SP_LIT("http://127.0.0.1:1/keys");
	assert_true(go(&w, 0));
	wait_for(&w, 0);
	assert_int_equal(w.asked[0].status, 0);
	assert_true(ask(&w, 1, "/keys"));
	while (w.up.nrequests == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	f->cancel(f->ctx, &w.asked[1].f);
	f->cancel(f->ctx, &w.asked[1].f);
	assert_true(ask(&w, 2, "/keys"));	/* under way when everything ends */
	(void)uv_run(&w.loop, UV_RUN_NOWAIT);
	finish(&w);
	assert_int_equal(w.asked[1].calls + w.asked[2].calls, 0);
}

/* What does not speak TLS, or speaks it without a name that is trusted, is not asked. */
static void
test_tls(void **state)
{
	struct world w;

	begin(&w, answer);
	prepare(&w, 0, "/keys");
	(void)snprintf(w.asked[0].url, sizeof w.asked[0].url, "https://127.0.0.1:%u/keys", w.up.port);
	w.asked[0].f.url = sp_str(w.asked[0].url);
	w.asked[0].f.authorization = SP_LIT("Basic c2VjcmV0");
	assert_true(go(&w, 0));
	wait_for(&w, 0);
	assert_int_equal(w.asked[0].status, 0);
	assert_int_equal(w.up.nrequests, 0);
	finish(&w);
}

/* From inside done() the next may begin; more origins than are remembered. */
static void
test_again(void **state)
{
	struct world w;

	begin(&w, answer);
	prepare(&w, 0, "/first");
	w.asked[0].again = true;
	assert_true(go(&w, 0));
	wait_for(&w, 1);
	for (unsigned i = 0; i < 40; i++) {
		const struct sp_fetcher *f = sp_lib_fetcher(w.fetch);

		prepare(&w, 2, "/");
		(void)snprintf(w.asked[2].url, sizeof w.asked[2].url, "https://host-%u.example/", i);
		w.asked[2].f.url = sp_str(w.asked[2].url);
		assert_true(go(&w, 2));
		f->cancel(f->ctx, &w.asked[2].f);
	}
	assert_true(ask(&w, 3, "/last"));
	wait_for(&w, 3);
	assert_int_equal(w.asked[3].status, 200);
	finish(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get), cmocka_unit_test(test_identities), cmocka_unit_test(test_hung_up),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_redirect), cmocka_unit_test(test_limits), cmocka_unit_test(test_late), cmocka_unit_test(test_tls),
		cmocka_unit_test(test_unreachable_and_cancelled), cmocka_unit_test(test_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
