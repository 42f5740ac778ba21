/* The front's parts put together: tables, channels to egresses and to keeper. */
#include "front/front.h"

#include <stdlib.h>
#include <unistd.h>

enum { TOKEN_CACHE = 8192, TEXT_MAX = 16 << 20, FOREVER_MAX = 64 << 20 };

static const struct sp_chan_ops link_ops = { sp_link_message, sp_link_closed };

static void
forget_token(void *ctx, const uint8_t hash[32])
{
	struct sp_front *f = ctx;

	sp_verifier_del(f->verifier, hash);
}

static bool
token_put(struct sp_front *f, sp_slice body)
{
	struct sp_m_token m;
	struct sp_static_token t;

	if (!sp_dec_token(body, &m))
		return false;
	t = (struct sp_static_token){ .name = m.name, .client_id = m.client_id, .scopes = m.scopes, .tags = m.tags,
	    .expires_s = m.expires_s };
	memcpy(t.hash, m.hash, sizeof t.hash);
	if (!sp_known_put(&f->known, t.hash) || sp_verifier_put(f->verifier, &t) != SP_OK)
		sp_log(SP_ERROR, "token.no_room", SP_S("name", m.name));
	return true;
}

static bool
keeper_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_front *f = ctx;
	struct sp_m_hash h;

	switch (type) {
	case SP_M_TOKEN_PUT:
		return token_put(f, body);
	case SP_M_TOKEN_DEL:
		if (!sp_dec_hash(body, &h))
			return false;
		sp_known_del(&f->known, h.hash);
		sp_verifier_del(f->verifier, h.hash);
		return true;
	case SP_M_TOKEN_SYNC:
		sp_known_end(&f->known, forget_token, f);
		sp_verifier_synced(f->verifier);
		return true;
	default:
		return false;
	}
}

static void
keeper_closed(void *ctx, struct sp_chan *ch, const char *why)
{
	struct sp_front *f = ctx;

	if (why != NULL)
		sp_log(SP_ERROR, "keeper.offence", SP_C("why", why));
	sp_chan_free(&f->keeper);
}

static const struct sp_chan_ops keeper_ops = { keeper_message, keeper_closed };

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
	return SP_OK;
}

enum sp_status
sp_front_peer(struct sp_front *f, enum sp_role role, uint32_t index, uint32_t incarnation, int fd)
{
	if (role == SP_EGRESS && index < f->img->head->servers.n)
		return link_egress(f, index, incarnation, fd);
	if (role == SP_KEEPER) {
		if (f->keeper != NULL)
			sp_chan_free(&f->keeper);
		sp_known_begin(&f->known);
		return sp_chan_new(f->loop, fd, SP_CHAN_STREAM, SP_FRONT, SP_KEEPER, &keeper_ops, f, &f->keeper);
	}
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

static void
on_empty(void *ctx)
{
	struct sp_front *f = ctx;

	if (f->done != NULL)
		f->done(f->done_ctx);
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
	f->links = calloc(h->servers.n + 1u, sizeof *f->links);
	if (f->links == NULL)
		return sp_fail(e, SP_E_SYSTEM, NULL, "no memory");
	for (uint32_t i = 0; i < h->servers.n; i++) {
		f->links[i].front = f;
		f->links[i].server = i;
	}
	st = sp_verifier_new(img, TOKEN_CACHE, seed, &f->verifier, e);
	if (st == SP_OK)
		st = read_params(f, e);
	if (st == SP_OK)
		st = sp_hub_init(&f->hub, loop, &sp_front_service, f, lim, seed, e);
	f->hub.empty = on_empty;
	return st;
}

void
sp_front_close(struct sp_front *f)
{
	sp_hub_close(&f->hub);
	for (uint32_t i = 0; i < f->img->head->servers.n; i++)
		if (f->links[i].ch != NULL)
			sp_chan_free(&f->links[i].ch);
	if (f->keeper != NULL)
		sp_chan_free(&f->keeper);
	sp_verifier_free(&f->verifier);
	sp_known_free(&f->known);
	sp_out_free(&f->text);
	sp_arena_free(&f->forever);
	free(f->links);
	free(f->params);
}
