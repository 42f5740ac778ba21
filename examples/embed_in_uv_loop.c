/*
 * A program that has a loop already, and two servers on one listener of it: /clock for anyone, /count for who signed in.
 * The program's own timer ticks beside them; a deferred call is answered by it.
 *
 *	build/examples/embed_in_uv_loop 127.0.0.1:8000
 */
#include <sallyport/sallyport.h>

#include <signal.h>
#include <stdio.h>
#include <uv.h>

enum { WAITING = 64 };

static struct {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_signal_t end;
	struct sp_http *http;
	struct sp_context *waiting[WAITING];
	unsigned nwaiting, ticks;
} p;

/* Runs on the loop: it may touch the program's state, and must not wait. */
static void
now(struct sp_context *ctx, void *arg)
{
	(void)arg;
	sp_return_textf(ctx, "%llu ms", (unsigned long long)uv_now(&p.loop));
}

/* Answered when the timer ticks next. */
static void
next_tick(struct sp_context *ctx, void *arg)
{
	(void)arg;
	if (p.nwaiting == WAITING)
		sp_return_error(ctx, "too many are waiting");
	else
		p.waiting[p.nwaiting++] = sp_defer(ctx);
}

static void
on_tick(uv_timer_t *timer)
{
	(void)timer;
	p.ticks++;
	for (unsigned i = 0; i < p.nwaiting; i++) {
		sp_return_textf(p.waiting[i], "tick %u", p.ticks);
		sp_complete(p.waiting[i]);
		sp_release(p.waiting[i]);
	}
	p.nwaiting = 0;
}

static void
closed(void *arg)
{
	(void)arg;
	uv_close((uv_handle_t *)&p.timer, NULL);
	uv_close((uv_handle_t *)&p.end, NULL);
}

static void
on_end(uv_signal_t *handle, int signum)
{
	(void)signum;
	uv_signal_stop(handle);
	sp_http_close(p.http, 1000, closed, NULL);
}

int
main(int argc, char **argv)
{
	const struct sp_token_entry tokens[] = { { .token = "counter-token", .client_id = "counter" }, { 0 } };
	const char *listen = argc > 1 ? argv[1] : "127.0.0.1:8000";
	struct sp_server *clock = sp_server_new(.name = "Clock", .version = "1.0");
	struct sp_server *count = sp_server_new(.name = "Count", .version = "1.0",
		.auth = sp_token_verifier_static(.tokens = tokens));
	struct sp_error error;

	sp_tool(clock, .name = "now", .description = "The loop's clock", .handler = now, .on_loop = true, .auth = SP_ANYONE);
	sp_tool(count, .name = "next_tick", .description = "Waits for the next tick", .handler = next_tick, .on_loop = true,
		.auth = SP_SIGNED_IN);

	uv_loop_init(&p.loop);
	uv_timer_init(&p.loop, &p.timer);
	uv_timer_start(&p.timer, on_tick, 200, 200);
	uv_signal_init(&p.loop, &p.end);
	uv_signal_start(&p.end, on_end, SIGTERM);

	p.http = sp_http_new(&p.loop, .listen = SP_LIST(listen));
	sp_http_serve(p.http, clock, "/clock");
	sp_http_serve(p.http, count, "/count");
	if (!sp_http_start(p.http, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	printf("port %u\n", sp_http_port(p.http));
	fflush(stdout);
	uv_run(&p.loop, UV_RUN_DEFAULT);

	sp_http_free(p.http);
	sp_server_free(clock);
	sp_server_free(count);
	return uv_loop_close(&p.loop) == 0 ? 0 : 1;
}
