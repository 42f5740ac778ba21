/* The whole program: a loop of its own, signals, words on standard error. */
#include <sallyport/transport.h>

#include "base/log.h"
#include "base/slice.h"
#include "lib/serving.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

enum { DRAIN_MS = 10000, TEXT_MAX = 600 };

struct run {
	uv_loop_t loop;
	uv_signal_t term, intr;
	struct sp_server *server;
	struct sp_http *http;
	struct sp_stdio *io;
	bool	 ending;
};

static int
fail(const struct sp_error *e)
{
	(void)fprintf(stderr, "sallyport: %s\n", e->text);
	return 1;
}

static void
close_signals(struct run *r)
{
	if (!uv_is_closing((uv_handle_t *)&r->term)) {
		uv_close((uv_handle_t *)&r->term, NULL);
		uv_close((uv_handle_t *)&r->intr, NULL);
	}
}

static void
on_over(void *arg)
{
	close_signals(arg);
}

/* The first asks, the second does not. */
static void
on_signal(uv_signal_t *h, int number)
{
	struct run *r = h->data;

	if (r->ending)
		_exit(128 + number);
	r->ending = true;
	sp_log(SP_INFO, "ending", SP_I("signal", number));
	if (r->http != NULL) {
		sp_http_close(r->http, DRAIN_MS, on_over, r);
		return;
	}
	sp_stdio_free(r->io);
	r->io = NULL;
	close_signals(r);
}

/* SIGPIPE is not waited for but passed over: a write says it too. */
static bool
begin(struct run *r, struct sp_error *e)
{
	if (uv_loop_init(&r->loop) != 0)
		return sp_lib_fail(e, SP_RC_SYSTEM, "no event loop");
	(void)signal(SIGPIPE, SIG_IGN);
	uv_signal_init(&r->loop, &r->term);
	uv_signal_init(&r->loop, &r->intr);
	r->term.data = r->intr.data = r;
	uv_signal_start(&r->term, on_signal, SIGTERM);
	uv_signal_start(&r->intr, on_signal, SIGINT);
	return true;
}

static void
end(struct run *r)
{
	close_signals(r);
	(void)uv_run(&r->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&r->loop) != 0)
		sp_log(SP_WARN, "loop.not_empty");
}

static void
say_listening(const struct run *r, const char *listen)
{
	const struct sp_server_options *o = sp_server_opts(r->server);
	struct sp_server_part *part = sp_server_transport(r->server);
	const struct sp_serving *s = part->p;

	sp_log(SP_INFO, "listening", SP_C("address", listen), SP_U("port", sp_http_port(r->http)), SP_S("url", sp_out_view(&s->url)),
	    SP_C("server", o->name), SP_C("version", o->version));
}

int
sp_server_run(struct sp_server *server, const char *listen)
{
	struct run r = { .server = server };
	struct sp_error e = { 0 };
	bool ok;

	if (listen == NULL)
		listen = secure_getenv("SALLYPORT_LISTEN");
	if (listen == NULL || listen[0] == '\0')
		listen = "127.0.0.1:8000";
	if (!begin(&r, &e))
		return fail(&e);
	r.http = sp_http_new(&r.loop, .listen = SP_LIST(listen));
	ok = r.http != NULL || sp_lib_fail(&e, SP_RC_NO_MEMORY, "no memory");
	if (ok) {
		sp_http_serve(r.http, server, NULL);
		ok = sp_http_start(r.http, &e);
	}
	if (ok) {
		say_listening(&r, listen);
		(void)uv_run(&r.loop, UV_RUN_DEFAULT);
	}
	sp_http_free(r.http);
	end(&r);
	return ok ? 0 : fail(&e);
}

int
sp_server_run_stdio(struct sp_server *server)
{
	struct run r = { .server = server };
	struct sp_error e = { 0 };
	bool ok;

	if (!begin(&r, &e))
		return fail(&e);
	r.io = sp_stdio_start(server, &r.loop, STDIN_FILENO, STDOUT_FILENO, on_over, &r, &e);
	ok = r.io != NULL;
	if (ok)
		(void)uv_run(&r.loop, UV_RUN_DEFAULT);
	sp_stdio_free(r.io);
	end(&r);
	return ok ? 0 : fail(&e);
}
