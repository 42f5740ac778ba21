/* The front's parts put together: tables, channels to egresses and to keeper. */
#include "front/front.h"

#include <stdlib.h>
#include <unistd.h>

enum { TOKEN_CACHE = 8192, TEXT_MAX = 16 << 20, NOTE_MAX = 1 << 20, FOREVER_MAX = 64 << 20 };

static const struct sp_chan_ops link_ops = { sp_link_message, sp_link_closed };

static enum sp_status
link_egress(struct sp_front *f, uint32_t server, uint32_t incarnation, int fd)
{
	struct sp_link *l = &f->links[server];
	enum sp_status st;
	struct sp_conn *c, *next;

	sp_front_gone(f, server, l->incarnation);
	st = sp_chan_new(f->loop, fd, SP_CHAN_STREAM, SP_FRONT, SP_EGRESS, &link_ops, l, &l->ch);
	if (st != SP_OK)
		return st;
	sp_chan_set_wipe(l->ch);	/* tokens pass through it */
	l->incarnation = incarnation;
	for (c = f->hub.busy.first; c != NULL; c = next) {
		struct sp_req *q = c->req;

		next = c->next;
		if (q != NULL && q->call == SP_CALL_WAITS && q->server == server)
			sp_call_push(c);
	}
	sp_streams_server(f, server, true);
	return SP_OK;
}

enum sp_status
sp_front_peer(struct sp_front *f, enum sp_role role, uint32_t index, uint32_t incarnation, int fd)
{
	if (role == SP_EGRESS && index < f->img->head->servers.n)
		return link_egress(f, index, incarnation, fd);
	if (role == SP_KEEPER)
		return sp_keeper_link(f, fd);
	if (role == SP_CHECKER && f->asker != NULL)
		return sp_asker_peer(f->asker, index, fd);
	close(fd);
	return SP_E_BUG;
}

static enum sp_status
read_params(struct sp_front *f, struct sp_err *e)
{
	const struct sp_img_head *h = f->img->head;

	f->params = calloc(h->tools.n + 1u, sizeof *f->params);
	if (f->params == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	for (uint32_t i = 0; i < h->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(f->img, h->tools, tool, i);
		enum sp_status st = sp_params_read(&f->forever, sp_img_str(f->img, t->schema), &f->params[i]);

		if (st != SP_OK)
			return sp_fail(e, SP_E_CONFIG, NULL, "tool %.*s: its schema cannot be read",
			    SP_PRI(sp_img_str(f->img, t->shown)));
	}
	return SP_OK;
}

/* The last connection is gone; calls that go on without theirs are waited for (the one who drains us has a limit). */
static void
on_empty(void *ctx)
{
	struct sp_front *f = ctx;

	if (f->done != NULL && f->norphans == 0)
		f->done(f->done_ctx);
}

/* ---------------------------------------------------------------- time */

static void
on_tick(uv_timer_t *t)
{
	sp_front_tick(t->data);
}

void
sp_front_need_tick(struct sp_front *f)
{
	if (f->ticking)
		return;
	f->ticking = true;
	uv_timer_start(&f->tick, on_tick, SP_TICK_MS, SP_TICK_MS);
}

void
sp_front_tick(struct sp_front *f)
{
	uint64_t now = uv_now(f->loop);

	sp_streams_tick(f, now);
	sp_orphans_tick(f, now);
	if (f->first_stream != NULL || f->norphans != 0)
		return;
	f->ticking = false;
	uv_timer_stop(&f->tick);
	if (f->hub.draining && f->hub.nconn == 0)
		on_empty(f);
}

bool
sp_front_serves(const struct sp_front *f, const struct sp_req *q, uint32_t server)
{
	return SP_IMG_AT(f->img, f->img->head->servers, server, server)->resource == q->resource;
}

bool
sp_front_is_anonymous(const struct sp_front *f, const struct sp_req *q)
{
	return f->img->head->anonymous != 0 && q->who->source == f->img->head->anonymous - 1;
}

/* ---------------------------------------------------------------- beginning and end */

static enum sp_status
make_tables(struct sp_front *f, struct sp_err *e)
{
	const struct sp_img_head *h = f->img->head;

	f->links = calloc(h->servers.n + 1u, sizeof *f->links);
	f->catalogs = calloc(h->servers.n + 1u, sizeof(struct sp_catalog *));
	f->caps = calloc(h->servers.n + 1u, sizeof *f->caps);
	f->instructions = calloc(h->servers.n + 1u, sizeof *f->instructions);
	f->worlds = calloc(h->resources.n, sizeof *f->worlds);
	f->wants = calloc(h->authorities.n + 1u, sizeof *f->wants);
	if (f->links == NULL || f->catalogs == NULL || f->caps == NULL || f->instructions == NULL || f->worlds == NULL ||
	    f->wants == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	for (uint32_t i = 0; i < h->servers.n; i++) {
		f->links[i].front = f;
		f->links[i].server = i;
	}
	for (uint32_t i = 0; i < h->sources.n; i++)
		if (SP_IMG_AT(f->img, h->sources, source, i)->type == SP_SOURCE_PEER)
			f->has_peer = true;
	for (uint32_t i = 0; i < h->resources.n; i++)
		f->worlds[i] = (struct sp_world){ f->img, f->catalogs, f->caps, f->seed, f->instructions, i };
	if (uv_timer_init(f->loop, &f->tick) != 0)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no timer");
	f->tick.data = f;
	return SP_OK;
}

enum sp_status
sp_front_init(struct sp_front *f, const struct sp_image *img, uv_loop_t *loop, struct sp_hash_key seed,
    struct sp_err *e)
{
	const struct sp_img_head *h = img->head;
	struct sp_hub_limits lim = {
		.head = (size_t)h->limit_head, .body = h->limit_body, .connections = (uint32_t)h->limit_connections,
		.head_ms = h->head_ms, .body_ms = h->body_ms, .idle_ms = h->idle_ms,
	};
	enum sp_status st;

	*f = (struct sp_front){ .img = img, .loop = loop, .seed = seed };
	sp_arena_init(&f->forever, FOREVER_MAX);
	sp_out_heap(&f->text, TEXT_MAX);
	sp_out_heap(&f->note, NOTE_MAX);
	st = make_tables(f, e);
	if (st == SP_OK)
		st = sp_verifier_new(img, TOKEN_CACHE, seed, &f->verifier, e);
	if (st == SP_OK && h->checks.n != 0)
		st = sp_asker_new(&(struct sp_asker_config){ loop, img, SP_FRONT }, &f->asker);
	if (st == SP_OK)
		st = read_params(f, e);
	if (st == SP_OK)
		st = sp_hub_init(&f->hub, loop, &sp_front_service, f, lim, seed, e);
	f->hub.empty = on_empty;
	return st;
}

void
sp_front_drain(struct sp_front *f)
{
	sp_streams_drain(f);
	sp_hub_drain(&f->hub);
}

void
sp_front_close(struct sp_front *f)
{
	sp_hub_close(&f->hub);
	for (uint32_t i = 0; i < f->img->head->servers.n; i++) {
		if (f->links[i].ch != NULL)
			sp_chan_free(&f->links[i].ch);
		sp_catalog_free(&f->links[i].staged);
		sp_catalog_free(&f->catalogs[i]);
		free((char *)(uintptr_t)f->instructions[i].p);
	}
	sp_keeper_close(f);
	sp_asker_free(&f->asker);
	uv_close((uv_handle_t *)&f->tick, NULL);
	sp_verifier_free(&f->verifier);
	sp_sessions_free(&f->sessions);
	sp_out_free(&f->text);
	sp_out_free(&f->note);
	sp_arena_free(&f->forever);
	sp_tickets_free(f);
	free(f->wants);
	free(f->catalogs);
	free(f->caps);
	free(f->instructions);
	free(f->worlds);
	free(f->links);
	free(f->params);
}
