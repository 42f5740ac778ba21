/* The management API: routes, its key, and a keeper that the test plays. */
#include "front/manage.h"

#include "base/log.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "X-Management-Key: k-0123456789\r\n"

static uv_loop_t loop;
static struct sp_manage m;
static struct sp_chan *keeper, *dialer;
static char asked[512];
static uint32_t asked_op, asked_id;
static struct sp_m_answer reply;
static bool silent;

static bool
keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_m_ask q;

	if (type != SP_M_ASK || !sp_dec_ask(body, &q))
		return false;
	assert_true(sp_cstr(q.body, asked, sizeof asked));
	asked_op = q.op;
	asked_id = q.id;
	if (silent)
		return true;
	reply.id = q.id;
	sp_enc_answer(sp_chan_begin(keeper, SP_M_ANSWER), &reply);
	sp_chan_end(keeper);
	return true;
}

static bool
no_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	return false;
}

static void
closed_fn(void *ctx, struct sp_chan *ch, const char *why)
{
	sp_chan_free(ch == keeper ? &keeper : &dialer);
}

static const struct sp_chan_ops keeper_ops = { keeper_message, closed_fn }, dialer_ops = { no_message, closed_fn };

static void
turn(unsigned n)
{
	while (n-- > 0)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void
start_keeper(bool with_key)
{
	struct sp_m_hash h;
	int sv[2];

	if (keeper != NULL)
		sp_chan_free(&keeper);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(sp_chan_new(&loop, sv[0], SP_CHAN_STREAM, SP_KEEPER, SP_MANAGE, &keeper_ops, NULL, &keeper), SP_OK);
	assert_int_equal(sp_manage_peer(&m, SP_KEEPER, sv[1]), SP_OK);
	if (!with_key)
		return;
	sp_sha256(SP_LIT("k-0123456789"), h.hash);
	sp_enc_hash(sp_chan_begin(keeper, SP_M_MANAGE_KEY), &h);
	sp_chan_end(keeper);
	turn(4);
}

static void
start(bool with_key)
{
	struct sp_err e = { 0 };
	int sv[2];

	signal(SIGPIPE, SIG_IGN);
	sp_log_init("test", SP_ERROR);
	assert_int_equal(sp_crypto_init(&e), SP_OK);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(sp_manage_init(&m, &loop, (struct sp_hash_key){ { 1, 2 } }, &e), SP_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(sp_chan_new(&loop, sv[0], SP_CHAN_PACKET, SP_DIALER, SP_MANAGE, &dialer_ops, NULL, &dialer), SP_OK);
	assert_int_equal(sp_manage_peer(&m, SP_DIALER, sv[1]), SP_OK);
	start_keeper(with_key);
	silent = false;
	reply = (struct sp_m_answer){ .status = SP_OK, .body = SP_LIT("{\"done\":true}") };
}

static void
stop(void)
{
	if (keeper != NULL)
		sp_chan_free(&keeper);
	if (dialer != NULL)
		sp_chan_free(&dialer);
	sp_manage_close(&m);
	turn(8);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static int
ask(const char *text)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(sp_chan_send(dialer, SP_M_CONNECTION, (sp_slice){ NULL, 0 }, &sv[1], 1), SP_OK);
	close(sv[1]);
	turn(4);
	asked[0] = '\0';
	asked_op = 0;
	assert_int_equal(write(sv[0], text, strlen(text)), strlen(text));
	turn(10);
	return sv[0];
}

static sp_slice
take(int fd)
{
	static char buf[65536];
	ssize_t n;

	turn(8);
	n = read(fd, buf, sizeof buf - 1);
	n = n < 0 ? 0 : n;
	buf[n] = '\0';
	return sp_mem(buf, (size_t)n);
}

static const struct { const char *name, *line, *key; unsigned status, op; const char *body; } rows[] = {
	{ "health", "GET /health", KEY, 200, SP_ADMIN_HEALTH, "{}" },
	{ "tokens", "GET /tokens", KEY, 200, SP_ADMIN_TOKEN_LIST, "{}" },
	{ "tools", "GET /tools", KEY, 200, SP_ADMIN_TOOLS, "{}" },
	{ "audit", "GET /audit", KEY, 200, SP_ADMIN_AUDIT_TAIL, "{\"lines\":50}" },
	{ "audit lines", "GET /audit?lines=7", KEY, 200, SP_ADMIN_AUDIT_TAIL, "{\"lines\":7}" },
	{ "revoke", "DELETE /tokens/cron", KEY, 200, SP_ADMIN_TOKEN_REVOKE, "{\"name\":\"cron\"}" },
	{ "revoke with escapes", "DELETE /tokens/a%22%20b", KEY, 200, SP_ADMIN_TOKEN_REVOKE, "{\"name\":\"a\\\" b\"}" },
	{ "no key", "GET /health", "", 401, 0, "" },
	{ "wrong key", "GET /health", "X-Management-Key: k-0123456780\r\n", 401, 0, "" },
	{ "key and more", "GET /health", "X-Management-Key: k-0123456789x\r\n", 401, 0, "" },
	{ "empty key", "GET /health", "X-Management-Key:\r\n", 401, 0, "" },
	{ "key twice", "GET /health", KEY KEY, 401, 0, "" },
	{ "key before path", "GET /nothing", "", 401, 0, "" },
	{ "unknown path", "GET /nothing", KEY, 404, 0, "" },
	{ "making tokens is not here", "POST /tokens", KEY "Content-Length: 0\r\n", 405, 0, "" },
	{ "vault is not here", "GET /vault", KEY, 404, 0, "" },
	{ "wrong method", "DELETE /health", KEY, 405, 0, "" },
	{ "no name", "DELETE /tokens/", KEY, 400, 0, "" },
	{ "name with slash", "DELETE /tokens/a/b", KEY, 400, 0, "" },
	{ "name with control", "DELETE /tokens/a%0ab", KEY, 400, 0, "" },
	{ "name with NUL", "DELETE /tokens/a%00", KEY, 400, 0, "" },
	{ "bad escape", "DELETE /tokens/a%2", KEY, 400, 0, "" },
	{ "long name", "DELETE /tokens/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", KEY, 400, 0, "" },
	{ "too many lines", "GET /audit?lines=1001", KEY, 400, 0, "" },
	{ "no lines", "GET /audit?lines=0", KEY, 400, 0, "" },
	{ "lines no number", "GET /audit?lines=-1", KEY, 400, 0, "" },
	{ "another parameter", "GET /audit?file=x", KEY, 400, 0, "" },
	{ "dots", "GET /./health", KEY, 404, 0, "" },
};

static void
test_routes(void **state)
{
	start(true);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		char text[1024], line[32];
		sp_slice got;
		int fd;

		snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: management\r\n%s\r\n", rows[i].line, rows[i].key);
		fd = ask(text);
		got = take(fd);
		snprintf(line, sizeof line, "HTTP/1.1 %u ", rows[i].status);
		if (!sp_starts(got, sp_str(line)) || asked_op != rows[i].op || strcmp(asked, rows[i].body) != 0)
			fail_msg("%s: op %u %s\n%.*s", rows[i].name, asked_op, asked, (int)got.n, got.p);
		close(fd);
	}
	stop();
}

static void
test_keeper(void **state)
{
	static const char request[] = "GET /health HTTP/1.1\r\nHost: m\r\n" KEY "\r\n";
	sp_slice got;
	int fd;

	start(false);
	fd = ask(request);
	assert_true(sp_starts(take(fd), SP_LIT("HTTP/1.1 503 ")));
	close(fd);
	start_keeper(true);
	reply = (struct sp_m_answer){ .status = SP_E_NOT_FOUND, .body = SP_LIT("no token of this name") };
	fd = ask(request);
	got = take(fd);
	assert_true(sp_starts(got, SP_LIT("HTTP/1.1 404 ")) && sp_find(got, SP_LIT("no token of this name")) != SIZE_MAX);
	close(fd);
	silent = true;
	fd = ask(request);
	assert_int_equal(asked_op, SP_ADMIN_HEALTH);
	sp_chan_free(&keeper);
	got = take(fd);
	assert_true(sp_starts(got, SP_LIT("HTTP/1.1 503 ")));
	close(fd);
	fd = ask(request);
	assert_true(sp_starts(take(fd), SP_LIT("HTTP/1.1 503 ")));
	close(fd);
	/* An answer to nobody harms nobody. */
	start_keeper(true);
	fd = ask(request);
	close(fd);
	turn(4);
	reply.id = asked_id;
	sp_enc_answer(sp_chan_begin(keeper, SP_M_ANSWER), &reply);
	sp_chan_end(keeper);
	turn(4);
	silent = false;
	fd = ask(request);
	assert_true(sp_starts(take(fd), SP_LIT("HTTP/1.1 404 ")));
	close(fd);
	stop();
}

int
main(void)
{
	const struct CMUnitTest t[] = { cmocka_unit_test(test_routes), cmocka_unit_test(test_keeper) };

	return cmocka_run_group_tests(t, NULL, NULL);
}
