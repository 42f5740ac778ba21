/* HTTP over real listeners in a loop that is the test's own: several servers, embedding, calls that run, ends. */
#include "lib/testserver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

enum { OUT = 1 << 20, PATIENCE_MS = 20000 };

struct world {
	uv_loop_t loop;
	struct sp_http *http;
	bool	 closed;
	char	 out[OUT + 1];
};

static struct world w;

static uint64_t
now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void
turn(void)
{
	uv_run(&w.loop, UV_RUN_NOWAIT);
	usleep(200);
}

static void
on_closed(void *arg)
{
	assert_ptr_equal(arg, &w);
	w.closed = true;
}

static void
begin(const char *const *listen)
{
	assert_int_equal(uv_loop_init(&w.loop), 0);
	w.closed = false;
	w.http = sp_http_new(&w.loop, .listen = listen, .max_connections = 3000);
	assert_non_null(w.http);
}

static void
start(void)
{
	struct sp_error e = { 0 };

	if (!sp_http_start(w.http, &e))
		fail_msg("%s", e.text);
}

/* Nothing of it may be left in the loop. */
static void
end(unsigned drain_ms)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	sp_http_close(w.http, drain_ms, on_closed, &w);
	while (!w.closed && now_ms() < until)
		turn();
	assert_true(w.closed);
	sp_http_free(w.http);
	assert_int_equal(uv_loop_close(&w.loop), 0);
}

static int
client(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)sp_http_port(w.http)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Until this is there; false: the connection ended without it. */
static bool
wait_for(int fd, const char *what)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	size_t n = 0;

	w.out[0] = '\0';
	while (now_ms() < until && strstr(w.out, what) == NULL) {
		ssize_t got = read(fd, w.out + n, OUT - n);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got > 0)
			n += (size_t)got;
		w.out[n] = '\0';
		turn();
	}
	return strstr(w.out, what) != NULL;
}

/* One request on a connection of its own, until its end. */
static const char *
ask(const char *text)
{
	int fd = client();

	put(fd, text);
	shutdown(fd, SHUT_WR);
	(void)wait_for(fd, "no such thing");
	close(fd);
	return w.out;
}

/* The same for calls that take their time: the client stays. */
static const char *
call(const char *text, const char *until)
{
	int fd = client();

	put(fd, text);
	(void)wait_for(fd, until);
	close(fd);
	return w.out;
}

static void
expect(const char *name, const char *got, const char *status, const char *has)
{
	char line[32];

	snprintf(line, sizeof line, "HTTP/1.1 %s ", status);
	if (strncmp(got, line, strlen(line)) != 0 || strstr(got, has) == NULL)
		fail_msg("%s: expected %s with `%s`, got:\n%.1500s", name, status, has, got);
}

static const char *
host(void)
{
	static char text[64];

	snprintf(text, sizeof text, "127.0.0.1:%u", sp_http_port(w.http));
	return text;
}

static const char *
get(const char *path, const char *lines)
{
	static char text[1024];

	snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", path, host(), lines);
	return call(text, "no such thing");
}

/* ---------------------------------------------------------------- one listener, several servers */

static struct sp_auth_provider *
remote(void)
{
	static const char *const issuers[] = { "https://id.example", NULL };

	return sp_remote_auth_provider(.token_verifier = ts_provider(), .authorization_servers = issuers);
}

static void
test_several(void **state)
{
	struct sp_server *a, *b, *open = ts_server(NULL, false, true);
	char text[256];

	begin(SP_LIST("127.0.0.1:0"));
	a = sp_server_new(.name = "a", .version = "1", .auth = remote());
	b = sp_server_new(.name = "b", .version = "1", .auth = remote(), .url = "https://b.example/tools");
	ts_tools(a, false);
	ts_tools(b, false);
	sp_http_serve(w.http, a, "/a/mcp");
	sp_http_serve(w.http, b, NULL);
	sp_http_serve(w.http, open, "/open");
	start();
	snprintf(text, sizeof text, "{\"resource\":\"http://%s/a/mcp\",", host());
	expect("metadata of a", get("/.well-known/oauth-protected-resource/a/mcp", ""), "200", text);
	expect("metadata of b", get("/.well-known/oauth-protected-resource/tools", ""), "200", "{\"resource\":\"https://b.example/tools\"");
	expect("of none of them", get("/.well-known/oauth-protected-resource", ""), "404", "");
	expect("of who has none", get("/.well-known/oauth-protected-resource/open", ""), "404", "");
	expect("no such path", get("/mcp", ""), "404", "");
	expect("health", get("/healthz", ""), "200", "ok\n");
	snprintf(text, sizeof text, "resource_metadata=\"http://%s/.well-known/oauth-protected-resource/a/mcp\"", host());
	expect("a's challenge", ask(ts_post_to("/a/mcp", host(), "", "{}")), "401", text);
	expect("b's challenge", ask(ts_post_to("/tools", host(), "", "{}")), "401",
	    "resource_metadata=\"https://b.example/.well-known/oauth-protected-resource/tools\"");
	expect("open", ask(ts_post_to("/open", host(), "", "{]")), "400", "-32700");
	expect("the host of b's url", ask(ts_post_to("/tools", "b.example", "", "{}")), "401", "");
	expect("its origin", ask(ts_post_to("/tools", host(), "Origin: https://b.example\r\n", "{}")), "401", "");
	snprintf(text, sizeof text, "Origin: http://localhost:%u\r\n", sp_http_port(w.http));
	expect("F08 our own origin", ask(ts_post_to("/open", host(), text, "{]")), "400", "-32700");
	expect("F08 parity 12 another origin", ask(ts_post_to("/open", host(), "Origin: http://localhost:1\r\n", "{]")), "403", "");
	expect("F07 parity 12 another host", ask(ts_post_to("/open", "localhost:1", "", "{]")), "421", "");
	end(100);
	sp_server_free(a);
	sp_server_free(b);
	sp_server_free(open);
}

static void
test_unix(void **state)
{
	char folder[] = "/tmp/sp-lib-XXXXXX", path[64], listen[80], text[128];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct sp_server *s = ts_server(NULL, false, true);
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/s", folder);
	snprintf(listen, sizeof listen, "unix:%s", path);
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	/* What a killed process left. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	close(fd);
	begin(SP_LIST(listen));
	sp_http_serve(w.http, s, NULL);
	start();
	assert_int_equal(sp_http_port(w.http), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	put(fd, ts_call("localhost", "", "where", "{}"));
	snprintf(text, sizeof text, "peer uid %u token none transport 1", (unsigned)getuid());
	assert_true(wait_for(fd, text));
	close(fd);
	end(0);
	assert_int_not_equal(stat(path, &st), 0);
	assert_int_equal(rmdir(folder), 0);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- calls that take time */

static void
tick(uv_timer_t *t)
{
	++*(unsigned *)t->data;
}

/* A slow handler stops neither others nor the caller's own handles; the loop goes on with what is the caller's. */
static void
test_embedded(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	uv_timer_t timer;
	unsigned ticks = 0, before;
	int slow;

	begin(SP_LIST("127.0.0.1:0"));
	uv_timer_init(&w.loop, &timer);
	timer.data = &ticks;
	uv_timer_start(&timer, tick, 1, 1);
	sp_http_serve(w.http, s, NULL);
	start();
	slow = client();
	put(slow, ts_call(host(), "", "slow", "{\"ms\":300}"));
	for (unsigned i = 0; i < 20; i++)
		turn();
	before = ticks;
	expect("another one", call(ts_call(host(), "", "echo", "{\"text\":\"quick\"}"), "quick"), "200", "quick");
	expect("peer", call(ts_call(host(), "", "where", "{}"), "transport"), "200", "peer 127.0.0.1 token none transport 1");
	assert_true(wait_for(slow, "slept"));
	assert_true(ticks > before);
	close(slow);
	sp_http_close(w.http, 100, on_closed, &w);
	while (!w.closed)
		turn();
	sp_http_free(w.http);
	assert_true(uv_loop_alive(&w.loop));
	before = ticks;
	while (ticks == before)
		turn();
	uv_close((uv_handle_t *)&timer, NULL);
	turn();
	assert_int_equal(uv_loop_close(&w.loop), 0);
	sp_server_free(s);
}

static struct sp_server *
one_call_runs(int *fd, const char *ms)
{
	struct sp_server *s = ts_server(NULL, false, true);

	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	start();
	*fd = client();
	put(*fd, ts_call(host(), "", "slow", ms));
	for (unsigned i = 0; i < 50; i++)
		turn();
	return s;
}

static void
test_close_while_a_call_runs(void **state)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	struct sp_server *s;
	int fd;

	s = one_call_runs(&fd, "{\"ms\":300}");
	sp_http_close(w.http, 10000, on_closed, &w);
	assert_true(wait_for(fd, "slept"));
	assert_non_null(strstr(w.out, "Connection: close\r\n"));
	while (!w.closed && now_ms() < until)
		turn();
	assert_true(w.closed);
	sp_http_free(w.http);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	close(fd);
	sp_server_free(s);
}

/* Nobody waits for it: the connection is cut, the handler is told, and the server's end waits for it. */
static void
test_cut_off(void **state)
{
	struct sp_server *s;
	uint64_t began;
	int fd;

	s = one_call_runs(&fd, "{\"ms\":4000}");
	began = now_ms();
	end(0);
	assert_false(wait_for(fd, "slept"));
	close(fd);
	sp_server_free(s);
	assert_true(now_ms() - began < 3000);
}

/* Freed without having been closed: the loop lets go of it all the same. */
static void
test_only_freed(void **state)
{
	struct sp_server *s;
	int fd;

	s = one_call_runs(&fd, "{\"ms\":100}");
	sp_http_free(w.http);
	for (unsigned i = 0; i < 200; i++)
		turn();
	assert_int_equal(uv_loop_close(&w.loop), 0);
	close(fd);
	sp_server_free(s);
}

static _Atomic int saw_cancel;

static void
until_cancelled(struct sp_context *ctx, void *arg)
{
	for (unsigned i = 0; i < 2000 && !sp_is_cancelled(ctx); i++)
		usleep(2000);
	saw_cancel = sp_is_cancelled(ctx) ? 1 : -1;
}

/* mcp-spec 1.4: in the modern era a client that goes away has cancelled its call. */
static void
test_hang_up(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	uint64_t until = now_ms() + PATIENCE_MS;
	int fd;

	sp_tool(s, .name = "wait", .handler = until_cancelled, .auth = SP_ANYONE);
	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	start();
	saw_cancel = 0;
	fd = client();
	put(fd, ts_call(host(), "", "wait", "{}"));
	for (unsigned i = 0; i < 50; i++)
		turn();
	close(fd);
	while (saw_cancel == 0 && now_ms() < until)
		turn();
	assert_int_equal(saw_cancel, 1);
	end(1000);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- many */

static void
test_thousand(void **state)
{
	enum { MANY = 1000 };
	struct rlimit lim;
	static int fds[MANY];
	struct sp_server *s = ts_server(NULL, false, true);
	const char *text;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_cur = lim.rlim_max < 8192 ? lim.rlim_max : 8192;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
	if (lim.rlim_cur < 2 * MANY + 100)
		skip();
	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	start();
	text = ts_call(host(), "", "slow", "{\"ms\":5}");
	for (size_t i = 0; i < MANY; i++) {
		fds[i] = client();
		if (i % 50 == 0)
			turn();
	}
	for (size_t i = 0; i < MANY; i++)
		put(fds[i], text);
	for (size_t i = 0; i < MANY; i++)
		assert_true(wait_for(fds[i], "slept"));
	for (size_t i = 0; i < MANY; i++)
		close(fds[i]);
	end(2000);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- what cannot start */

static void
refused(const char *name, const char *what)
{
	struct sp_error e = { 0 };

	if (sp_http_start(w.http, &e) || strstr(e.text, what) == NULL)
		fail_msg("%s: expected `%s`, got `%s`", name, what, e.text);
	sp_http_free(w.http);
	for (unsigned i = 0; i < 10; i++)
		turn();
	assert_int_equal(uv_loop_close(&w.loop), 0);
}

static void
test_refused(void **state)
{
	struct sp_server *s = ts_server(NULL, true, true), *other = ts_server(NULL, false, true);
	char taken[64];
	int fd;

	begin(SP_LIST("example.com:80"));
	sp_http_serve(w.http, s, NULL);
	refused("a name", "listen: ");
	begin(SP_LIST("127.0.0.1:0"));
	refused("nobody", "no server");
	begin((const char *const[]){ NULL });
	sp_http_serve(w.http, s, NULL);
	refused("nowhere", "no address");
	begin(SP_LIST("0.0.0.0:0"));
	sp_http_serve(w.http, s, NULL);
	refused("everywhere without a name", "options.url");
	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, "mcp");
	refused("no path", "is no path");
	sp_server_free(s);
	s = ts_server(NULL, false, true);
	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	sp_http_serve(w.http, other, "/mcp");
	refused("two at one path", "two servers");
	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	refused("again", "has been served");
	sp_server_free(s);
	sp_server_free(other);

	s = ts_server(NULL, false, true);
	begin(SP_LIST("127.0.0.1:0"));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t n = sizeof a;

		assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
		assert_int_equal(listen(fd, 1), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
		snprintf(taken, sizeof taken, "127.0.0.1:%u", ntohs(a.sin_port));
	}
	sp_http_free(w.http);
	w.http = sp_http_new(&w.loop, .listen = SP_LIST("127.0.0.1:0", taken));
	sp_http_serve(w.http, s, NULL);
	refused("taken", taken);
	close(fd);
	/* It did not begin: it may be served still. */
	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	start();
	end(0);
	sp_server_free(s);

	s = sp_server_new(.name = "test", .version = "1");
	sp_tool(s, .name = "closed", .handler = ts_admin);
	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	refused("E01 a tool for nobody said", "closed");
	sp_server_free(s);
}

/* One server, two transports in one loop; it ends with the last of them. */
static void
test_together(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_error e = { 0 };
	struct sp_http *second;

	begin(SP_LIST("127.0.0.1:0"));
	sp_http_serve(w.http, s, NULL);
	start();
	second = sp_http_new(&w.loop, .listen = SP_LIST("127.0.0.1:0"));
	sp_http_serve(second, s, "/second");
	if (!sp_http_start(second, &e))
		fail_msg("%s", e.text);
	sp_http_close(second, 0, on_closed, &w);
	while (!w.closed)
		turn();
	w.closed = false;
	sp_http_free(second);
	expect("the first goes on", call(ts_call(host(), "", "echo", "{\"text\":\"still\"}"), "still"), "200", "still");
	assert_null(sp_bytes_open(s, SP_BYTES_HTTP, NULL, (struct sp_clock){ 0, 0 }, &e));
	assert_non_null(strstr(e.text, "one thread serves a server"));
	end(0);
	sp_server_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_several), cmocka_unit_test(test_unix), cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_close_while_a_call_runs), cmocka_unit_test(test_cut_off), cmocka_unit_test(test_only_freed),
		cmocka_unit_test(test_hang_up), cmocka_unit_test(test_thousand), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_together),
	};

	sp_log_to(NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
