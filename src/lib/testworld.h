/* For tests: a server of the library in the test's loop, asked without a transport; workers are threads of the test. */
#ifndef SP_LIB_TESTWORLD_H
#define SP_LIB_TESTWORLD_H

#include <sallyport/sallyport.h>

#include "base/log.h"
#include "lib/testup.h"
#include "server/server.h"

#include <pthread.h>
#include <time.h>

enum { TS_ASKS = 160, TS_THREADS = 160 };

#define TS_META "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
	"\"io.modelcontextprotocol/clientCapabilities\":{},\"io.modelcontextprotocol/clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}"

struct ts_ask {
	struct sp_exchange x;
	bool	 over;
	enum sp_status st;
	char	*json;
};

struct ts {
	uv_loop_t loop;
	uv_async_t wake;
	struct up up;
	struct sp_server *s;
	struct sp_server_host host;
	pthread_t threads[TS_THREADS];
	unsigned nthreads, nasks;
	struct ts_ask asks[TS_ASKS];
	struct sp_out log;		/* everything that was logged */
	pthread_mutex_t lock;		/* of log */
};

struct ts_job { void (*job)(void *arg); void *arg; };

static inline void *
ts_thread(void *p)
{
	struct ts_job j = *(struct ts_job *)p;

	free(p);
	j.job(j.arg);
	return NULL;
}

static inline bool
ts_run(void *ctx, void (*job)(void *arg), void *arg)
{
	struct ts *t = ctx;
	struct ts_job *j = malloc(sizeof *j);

	if (t->nthreads == TS_THREADS || j == NULL)
		return false;
	*j = (struct ts_job){ job, arg };
	return pthread_create(&t->threads[t->nthreads++], NULL, ts_thread, j) == 0;
}

static inline void
ts_wake(void *ctx)
{
	struct ts *t = ctx;

	(void)uv_async_send(&t->wake);
}

static inline void
ts_on_wake(uv_async_t *a)
{
	struct ts *t = a->data;

	sp_server_turn(t->s);
}

static inline uint64_t
ts_now_ms(void *ctx)
{
	return uv_hrtime() / 1000000;
}

static inline int64_t
ts_now_s(void *ctx)
{
	return time(NULL);
}

static struct ts *ts_logged;

static inline void
ts_log(const char *line, size_t n)
{
	pthread_mutex_lock(&ts_logged->lock);
	sp_out_add(&ts_logged->log, line, n);
	pthread_mutex_unlock(&ts_logged->lock);
}

static inline bool
ts_send(struct sp_exchange *x, sp_slice json, sp_slice event)
{
	return false;
}

static inline void
ts_answer(struct sp_exchange *x, const struct sp_reply *r)
{
	struct ts_ask *a = x->conn;

	assert_false(a->over);
	a->over = true;
	a->st = r->st;
	a->json = sp_cstr_new(r->json);
}

static inline void
ts_pause(struct sp_exchange *x, uint32_t retry_ms)
{
}

static inline size_t
ts_unread(const struct sp_exchange *x)
{
	return 0;
}

/* The server is there, and may be put together. */
static inline void
ts_open(struct ts *t, void (*answer)(struct up *u, unsigned no, const char *request, struct sp_out *o))
{
	*t = (struct ts){ .host = { ts_run, ts_wake, ts_now_ms, ts_now_s, t } };
	pthread_mutex_init(&t->lock, NULL);
	sp_out_heap(&t->log, 16 << 20);
	ts_logged = t;
	sp_log_divert(ts_log);
	assert_int_equal(uv_loop_init(&t->loop), 0);
	assert_int_equal(uv_async_init(&t->loop, &t->wake, ts_on_wake), 0);
	t->wake.data = t;
	up_open(&t->up, &t->loop, answer);
	t->s = sp_server_new(.name = "test", .version = "1", .max_result = 32 << 20);
	assert_non_null(t->s);
}

/* As whoever serves it does. */
static inline enum sp_status
ts_begin(struct ts *t, struct sp_error *e)
{
	struct sp_server_part *part = sp_server_outbound(t->s);
	enum sp_status st = sp_server_begin(t->s, &t->host, e);

	if (st == SP_OK && part->p != NULL)
		st = part->begin(part->p, &t->loop, e);
	return st;
}

static inline struct ts_ask *
ts_message(struct ts *t, const char *json)
{
	static const struct sp_exchange_ops ops = { ts_send, ts_answer, ts_pause, ts_unread };
	struct ts_ask *a = &t->asks[t->nasks++];

	assert_true(t->nasks < TS_ASKS);
	a->x = (struct sp_exchange){ .ops = &ops, .conn = a, .transport = SP_TRANSPORT_BYTES,
	    .token = SP_LIT("inbound-token-of-the-client") };
	sp_server_message(t->s, &a->x, sp_str(json));
	return a;
}

static inline struct ts_ask *
ts_call(struct ts *t, const char *tool, const char *arguments)
{
	char *json = NULL;
	struct ts_ask *a;

	assert_true(asprintf(&json, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{" TS_META
	    ",\"name\":\"%s\",\"arguments\":%s}}", tool, arguments) > 0);
	a = ts_message(t, json);
	free(json);
	return a;
}

static inline void
ts_wait(struct ts *t, const struct ts_ask *a)
{
	uint64_t end = uv_hrtime() + 20ull * 1000000000;

	while (!a->over && uv_hrtime() < end) {
		(void)uv_run(&t->loop, UV_RUN_ONCE);
		sp_server_turn(t->s);
	}
	assert_true(a->over);
}

/* A tool is called and its answer is there. */
static inline const char *
ts_result(struct ts *t, const char *tool, const char *arguments)
{
	struct ts_ask *a = ts_call(t, tool, arguments);

	ts_wait(t, a);
	return a->json;
}

/* The order of a transport: calls end, workers are waited for, the server goes, the loop lets go. */
static inline void
ts_close(struct ts *t)
{
	struct sp_server_part *part = sp_server_outbound(t->s);

	if (part->p != NULL)
		part->end(part->p);
	for (unsigned i = 0; i < t->nthreads; i++)
		assert_int_equal(pthread_join(t->threads[i], NULL), 0);
	sp_server_turn(t->s);
	sp_server_free(t->s);
	up_close(&t->up);
	uv_close((uv_handle_t *)&t->wake, NULL);
	assert_int_equal(uv_run(&t->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	sp_log_divert(NULL);
	for (unsigned i = 0; i < t->nasks; i++)
		free(t->asks[i].json);
	sp_out_free(&t->log);
	pthread_mutex_destroy(&t->lock);
}

#endif
