/* Standard input and output in a loop of the test's own, and the whole programs in a process of their own. */
#include "lib/testserver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <uv.h>

enum { OUT = 4 << 20, PATIENCE_MS = 20000 };

#define SAY "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"hi\"}," \
	TS_META "}}\n"
#define SLOW "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/call\",\"params\":{\"name\":\"slow\",\"arguments\":{\"ms\":200}," \
	TS_META "}}\n"
#define BIG "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"tools/call\",\"params\":{\"name\":\"big\",\"arguments\":{}," TS_META "}}\n"

static struct {
	uv_loop_t loop;
	struct sp_stdio *io;
	int	 to[2], from[2];
	bool	 ended;
	char	 out[OUT + 1];
	size_t	 n;
} w;

static uint64_t
now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void
on_ended(void *arg)
{
	w.ended = true;
}

static void
turn(void)
{
	uv_run(&w.loop, UV_RUN_NOWAIT);
	usleep(200);
}

static void
begin(struct sp_server *s)
{
	struct sp_error e = { 0 };

	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(pipe2(w.to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(w.from, O_CLOEXEC), 0);
	assert_int_equal(fcntl(w.from[0], F_SETFL, O_NONBLOCK), 0);
	w.ended = false;
	w.n = 0;
	w.io = sp_stdio_start(s, &w.loop, w.to[0], w.from[1], on_ended, NULL, &e);
	if (w.io == NULL)
		fail_msg("%s", e.text);
}

static void
take(void)
{
	ssize_t n;

	while (w.n < OUT && (n = read(w.from[0], w.out + w.n, OUT - w.n)) > 0)
		w.n += (size_t)n;
	w.out[w.n] = '\0';
}

static void
close_to(void)
{
	if (w.to[1] >= 0)
		close(w.to[1]);
	w.to[1] = -1;
}

static void
end(struct sp_server *s)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	close_to();
	while (!w.ended && now_ms() < until) {
		turn();
		w.n = 0;
		if (w.from[0] >= 0)
			take();
	}
	assert_true(w.ended);
	sp_stdio_free(w.io);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	/* As they were. */
	assert_int_equal(fcntl(w.to[0], F_GETFL) & O_NONBLOCK, 0);
	close(w.to[0]);
	if (w.from[0] >= 0)
		close(w.from[0]);
	close(w.from[1]);
	sp_server_free(s);
}

static void
put(const char *text)
{
	assert_int_equal(write(w.to[1], text, strlen(text)), (ssize_t)strlen(text));
}

static bool
wait_for(const char *what)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	do {
		take();
		if (strstr(w.out, what) != NULL)
			return true;
		turn();
	} while (now_ms() < until);
	return false;
}

static void
test_answers(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);

	begin(s);
	put(SLOW SAY);
	assert_true(wait_for("\"text\":\"hi\""));
	assert_null(strstr(w.out, "slept"));	/* the quick one was not stopped by the slow one */
	assert_true(wait_for("slept"));
	end(s);
}

/* The end of input: what runs is answered still. */
static void
test_end_of_input(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);

	begin(s);
	put(SLOW);
	close_to();
	assert_true(wait_for("slept"));
	end(s);
	s = ts_server(NULL, false, true);
	begin(s);
	end(s);
}

/* A held stream is no call: it gets its last word. */
static void
test_listening(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);

	begin(s);
	put("{\"jsonrpc\":\"2.0\",\"id\":\"sub\",\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":"
	    "{\"toolsListChanged\":true}," TS_META "}}\n");
	assert_true(wait_for("notifications/subscriptions/acknowledged"));
	sp_list_changed(s, SP_COMPONENT_IS_TOOL);
	assert_true(wait_for("notifications/tools/list_changed"));
	close_to();
	assert_true(wait_for("\"id\":\"sub\""));
	end(s);
}

/* A client that takes nothing more ends it, and kills nobody (SIGPIPE is not passed over here). */
static void
test_broken_pipe(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	uint64_t until = now_ms() + PATIENCE_MS;

	begin(s);
	close(w.from[0]);
	w.from[0] = -1;
	put(SAY);
	while (!w.ended && now_ms() < until)
		turn();
	assert_true(w.ended);
	end(s);
}

/* A client that does not read may not go on asking: what is kept for it is bounded, and nothing is lost. */
static void
test_slow_reader(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	uint64_t until = now_ms() + PATIENCE_MS;
	size_t found = 0, asked = 12;

	begin(s);
	for (size_t i = 0; i < asked; i++) {
		put(BIG);
		for (unsigned t = 0; t < 20; t++)
			turn();
	}
	while (found < asked && now_ms() < until) {
		turn();
		w.n = 0;
		take();
		for (char *p = w.out; (p = strstr(p, "\"id\":9")) != NULL; p++)
			found++;
	}
	assert_int_equal(found, asked);
	end(s);
}

static void
test_files(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_error e = { 0 };
	char in[] = "/tmp/sp-lib-XXXXXX", out[] = "/tmp/sp-lib-XXXXXX", text[4096];
	int from = mkstemp(in), to = mkstemp(out);
	uint64_t until = now_ms() + PATIENCE_MS;
	ssize_t n;

	assert_true(write(from, SAY SLOW, strlen(SAY SLOW)) > 0);
	assert_int_equal(lseek(from, 0, SEEK_SET), 0);
	assert_int_equal(uv_loop_init(&w.loop), 0);
	w.ended = false;
	w.io = sp_stdio_start(s, &w.loop, from, to, on_ended, NULL, &e);
	assert_non_null(w.io);
	while (!w.ended && now_ms() < until)
		turn();
	assert_true(w.ended);
	sp_stdio_free(w.io);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	n = pread(to, text, sizeof text - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
	assert_non_null(strstr(text, "\"text\":\"hi\""));
	assert_non_null(strstr(text, "slept"));
	close(from);
	close(to);
	unlink(in);
	unlink(out);
	sp_server_free(s);
}

/* One socket for both ways; and freed while a call runs. */
static void
test_socket(void **state)
{
	struct sp_server *s = ts_server(NULL, false, true);
	struct sp_error e = { 0 };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fcntl(sv[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(uv_loop_init(&w.loop), 0);
	w.n = 0;
	w.from[0] = sv[0];
	w.to[1] = sv[0];
	w.io = sp_stdio_start(s, &w.loop, sv[1], sv[1], on_ended, NULL, &e);
	assert_non_null(w.io);
	put(SAY);
	assert_true(wait_for("\"text\":\"hi\""));
	put(SLOW);
	for (unsigned i = 0; i < 20; i++)
		turn();
	sp_stdio_free(w.io);
	for (unsigned i = 0; i < 20; i++)
		turn();
	assert_int_equal(uv_loop_close(&w.loop), 0);
	assert_int_equal(fcntl(sv[1], F_GETFL) & O_NONBLOCK, 0);
	close(sv[0]);
	close(sv[1]);
	sp_server_free(s);
	/* No descriptor at all. */
	s = ts_server(NULL, false, true);
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_null(sp_stdio_start(s, &w.loop, 999, 998, on_ended, NULL, &e));
	assert_non_null(strstr(e.text, "999"));
	turn();
	assert_int_equal(uv_loop_close(&w.loop), 0);
	sp_server_free(s);
}

/* ---------------------------------------------------------------- whole programs */

static int
exit_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static pid_t
program(bool http, const int *in, const int *out, int err)
{
	pid_t pid = fork();
	struct sp_server *s;
	int code;

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	alarm(30);
	(void)dup2(err, 2);
	if (!http) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
	}
	s = ts_server(NULL, false, true);
	code = http ? sp_server_run(s, NULL) : sp_server_run_stdio(s);
	sp_server_free(s);
	_exit(code);
}

static void
test_run_stdio(void **state)
{
	int in[2], out[2], err[2];
	char text[4096];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
	pid = program(false, in, out, err[1]);
	close(out[1]);
	close(in[0]);
	assert_true(write(in[1], SLOW SAY, strlen(SLOW SAY)) > 0);
	close(in[1]);
	while (n < sizeof text - 1 && (got = read(out[0], text + n, sizeof text - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	assert_non_null(strstr(text, "\"text\":\"hi\""));
	assert_non_null(strstr(text, "slept"));
	assert_int_equal(exit_of(pid), 0);
	close(out[0]);
	close(err[0]);
	close(err[1]);
}

static void
read_until(int fd, char *text, size_t cap, const char *what)
{
	size_t n = 0;
	ssize_t got;

	text[0] = '\0';
	while (strstr(text, what) == NULL && n < cap - 1 && (got = read(fd, text + n, cap - 1 - n)) > 0) {
		n += (size_t)got;
		text[n] = '\0';
	}
	if (strstr(text, what) == NULL)
		fail_msg("no `%s` in: %s", what, text);
}

static void
test_run_http(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char text[8192], host[64];
	const char *port;
	int err[2], fd;
	pid_t pid;

	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	assert_int_equal(setenv("SALLYPORT_LISTEN", "127.0.0.1:0", 1), 0);
	pid = program(true, NULL, NULL, err[1]);
	read_until(err[0], text, sizeof text, "\"event\":\"listening\"");
	port = strstr(text, "\"port\":");
	assert_non_null(port);
	a.sin_port = htons((uint16_t)strtoul(port + 7, NULL, 10));
	snprintf(host, sizeof host, "127.0.0.1:%u", ntohs(a.sin_port));
	assert_non_null(strstr(text, "/mcp\""));
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_true(write(fd, ts_call(host, "", "slow", "{\"ms\":300}"), strlen(ts_call(host, "", "slow", "{\"ms\":300}"))) > 0);
	usleep(100000);
	/* Asked to end, it ends its calls first. */
	assert_int_equal(kill(pid, SIGTERM), 0);
	read_until(fd, text, sizeof text, "slept");
	assert_int_equal(exit_of(pid), 0);
	close(fd);
	assert_int_equal(setenv("SALLYPORT_LISTEN", "nonsense", 1), 0);
	pid = program(true, NULL, NULL, err[1]);
	read_until(err[0], text, sizeof text, "nonsense");
	assert_int_equal(exit_of(pid), 1);
	close(err[0]);
	close(err[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_stdio), cmocka_unit_test(test_run_http),
		cmocka_unit_test(test_answers), cmocka_unit_test(test_end_of_input), cmocka_unit_test(test_listening),
		cmocka_unit_test(test_broken_pipe), cmocka_unit_test(test_slow_reader), cmocka_unit_test(test_files),
		cmocka_unit_test(test_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
