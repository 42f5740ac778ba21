/* What the upstream offers: fetched, compared with what was known, sent to every front. */
#include "base/log.h"
#include "egress/mcp_int.h"

#include <stdlib.h>

enum {
	TTL_MIN_MS = 30000, TTL_MAX_MS = 3600000, REFRESH_MS = 300000, COALESCE_MS = 1000,
	LEFT_OUT_LOGGED = 20
};

static const struct list {
	sp_slice method, member;
	enum sp_component_kind kind;
	uint32_t cap;
} lists[] = {
	{ SP_LIT_INIT("tools/list"), SP_LIT_INIT("tools"), SP_COMPONENT_TOOL, SP_CAP_TOOLS },
	{ SP_LIT_INIT("resources/list"), SP_LIT_INIT("resources"), SP_COMPONENT_RESOURCE, SP_CAP_RESOURCES },
	{ SP_LIT_INIT("resources/templates/list"), SP_LIT_INIT("resourceTemplates"), SP_COMPONENT_TEMPLATE, SP_CAP_RESOURCES },
	{ SP_LIT_INIT("prompts/list"), SP_LIT_INIT("prompts"), SP_COMPONENT_PROMPT, SP_CAP_PROMPTS },
};

static sp_slice
server_name(const struct sp_mcp *m)
{
	return sp_img_str(m->eg->cfg.img, m->eg->server->name);
}

/* --- to fronts */

static void
send_item(struct sp_egress_front *f, const struct sp_item *item, enum sp_component_kind kind)
{
	struct sp_m_item m = { f->eg->mcp->serial, (uint32_t)kind, item->own };

	sp_enc_item(sp_chan_begin(f->ch, SP_M_ITEM), &m);
	sp_chan_end(f->ch);
}

static void
send_end(struct sp_egress_front *f)
{
	struct sp_mcp *m = f->eg->mcp;
	struct sp_m_catalog msg = { .serial = m->serial, .known = m->catalog != NULL };

	if (m->catalog != NULL) {
		msg.items = m->items;
		msg.caps = m->caps;
		msg.instructions = sp_out_view(&m->instructions);
	}
	sp_enc_catalog(sp_chan_begin(f->ch, SP_M_CATALOG), &msg);
	sp_chan_end(f->ch);
	f->cat_sending = false;
}

void
sp_catalog_push(struct sp_egress_front *f)
{
	struct sp_mcp *m = f->eg->mcp;

	while (f->cat_sending && !f->full) {
		enum sp_component_kind kind = f->cat_kind < SP_COUNT(lists) ? lists[f->cat_kind].kind : 0;

		if (m->catalog == NULL || f->cat_kind == SP_COUNT(lists)) {
			send_end(f);
		} else if (f->cat_next < sp_catalog_count(m->catalog, kind)) {
			if (!sp_front_takes(f))
				return;
			send_item(f, sp_catalog_at(m->catalog, kind, f->cat_next++), kind);
		} else {
			f->cat_kind++;
			f->cat_next = 0;
		}
	}
}

static void
begin_sending(struct sp_egress_front *f)
{
	f->cat_sending = true;
	f->cat_kind = 0;
	f->cat_next = 0;
	sp_catalog_push(f);
}

static void
send_all(struct sp_mcp *m)
{
	for (uint32_t i = 0; i < SP_FRONTS_MAX; i++)
		if (m->eg->fronts[i] != NULL)
			begin_sending(m->eg->fronts[i]);
}

void
sp_mcp_front(struct sp_egress_front *f)
{
	struct sp_mcp *m = f->eg->mcp;

	if (m->catalog != NULL || m->tried)
		begin_sending(f);
}

/* --- ends of a fetch */

static void
forget_fetch(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;

	sp_ex_stop(&f->ex);
	sp_catalog_free(&f->building);
	f->running = false;
	f->has_cursor = false;
}

/* m->down has been said. */
void
sp_fetch_failed(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;

	if (!f->running)
		return;
	forget_fetch(m);
	f->again = false;
	f->failures++;
	sp_mcp_refresh_in(m, sp_mcp_backoff(f->failures));
	if (m->tried || m->catalog != NULL)
		return;
	/* What was known stays listed; that nothing is known is news only once. */
	m->tried = true;
	m->serial++;
	send_all(m);
}

static void
fail(struct sp_mcp *m, enum sp_ex_end how, unsigned status, const char *why)
{
	sp_mcp_say_down(m, how, status, why);
	sp_fetch_failed(m);
	sp_mcp_fail_waiting(m, NULL);
}

static bool
differs(struct sp_mcp *m, const struct sp_catalog *other)
{
	if (m->catalog == NULL || m->sent_caps != m->caps)
		return true;
	for (size_t i = 0; i < SP_COUNT(lists); i++)
		if (!sp_catalog_same(m->catalog, other, lists[i].kind))
			return true;
	return false;
}

static void
take_over(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;

	if (!differs(m, f->building))
		return;
	sp_mcp_schemas_forget(m);
	sp_catalog_free(&m->catalog);
	m->catalog = f->building;
	f->building = NULL;
	m->serial++;
	m->sent_caps = m->caps;
	m->items = 0;
	for (size_t i = 0; i < SP_COUNT(lists); i++)
		m->items += sp_catalog_count(m->catalog, lists[i].kind);
	sp_log(SP_INFO, "mcp.catalogue", SP_S("server", server_name(m)), SP_U("items", m->items), SP_U("left_out", f->left_out));
	send_all(m);
}

static void
finish(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;
	uint32_t dropped = 0;
	uint64_t next = REFRESH_MS;

	if (sp_catalog_seal(f->building, &dropped) != SP_OK) {
		fail(m, SP_EX_TOO_BIG, 0, "the catalogue has no room");
		return;
	}
	if (dropped != 0)
		sp_log(SP_WARN, "mcp.left_out", SP_S("server", server_name(m)), SP_U("same_names", dropped));
	f->left_out += dropped;
	take_over(m);
	forget_fetch(m);
	f->failures = 0;
	if (f->ttl_ms >= 0)
		next = f->ttl_ms < TTL_MIN_MS ? TTL_MIN_MS : f->ttl_ms > TTL_MAX_MS ? TTL_MAX_MS : (uint64_t)f->ttl_ms;
	sp_mcp_refresh_in(m, f->again ? COALESCE_MS : next);
	f->again = false;
	sp_mcp_wake(m);
}

/* --- a page */

static void
next_list(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;

	f->has_cursor = false;
	f->pages = 0;
	f->kind++;
	while (f->kind < SP_COUNT(lists) && (m->caps & lists[f->kind].cap) == 0)
		f->kind++;
	if (f->kind == SP_COUNT(lists))
		finish(m);
	else
		sp_fetch_step(m);
}

static void
add_item(struct sp_mcp *m, sp_jval *v, enum sp_status *st)
{
	struct sp_fetch *f = &m->fetch;
	struct sp_err e = { 0 };
	enum sp_status r = sp_catalog_add(f->building, lists[f->kind].kind, v, &e);

	if (r == SP_OK)
		return;
	if (r != SP_E_REFUSED) {
		*st = r;
		return;
	}
	if (f->left_out++ < LEFT_OUT_LOGGED)
		sp_log(SP_WARN, "mcp.left_out", SP_S("server", server_name(m)), SP_C("why", e.log));
}

/* False: the upstream goes in circles, or has no end. */
static bool
take_cursor(struct sp_mcp *m, sp_jval *v)
{
	struct sp_fetch *f = &m->fetch;
	sp_slice cursor = sp_jtext(v);
	uint64_t h = sp_siphash(&m->eg->cfg.seed, cursor);

	f->has_cursor = sp_jis_str(v);
	if (!f->has_cursor)
		return true;
	for (unsigned i = 0; i < f->pages; i++)
		if (f->seen[i] == h)
			return false;
	if (f->pages == SP_UP_PAGES)
		return false;
	f->seen[f->pages++] = h;
	sp_out_reset(&f->cursor);
	sp_out_slice(&f->cursor, cursor);
	return !f->cursor.full;
}

static void
on_page(struct sp_mcp *m, sp_jval *result)
{
	struct sp_fetch *f = &m->fetch;
	sp_jval *items = sp_jget(result, lists[f->kind].member);
	enum sp_status st = SP_OK;
	int64_t ttl;

	if (sp_jint(SP_JGET(result, "ttlMs"), &ttl) && (f->ttl_ms < 0 || ttl < f->ttl_ms))
		f->ttl_ms = ttl < 0 ? 0 : ttl;
	for (struct sp_jiter it = sp_jeach(sp_jis_arr(items) ? items : NULL); st == SP_OK && sp_jnext(&it);)
		add_item(m, it.val, &st);
	if (st != SP_OK)
		fail(m, SP_EX_TOO_BIG, 0, "it offers more than a catalogue holds");
	else if (!sp_jis_arr(items))
		fail(m, SP_EX_GARBAGE, 0, "a list is not one");
	else if (!take_cursor(m, SP_JGET(result, "nextCursor")))
		fail(m, SP_EX_GARBAGE, 0, "a list has too many pages, or repeats a cursor");
	else if (f->has_cursor)
		sp_fetch_step(m);
	else
		next_list(m);
}

static void
on_one(struct sp_ex *ex, const struct sp_upmsg *msg)
{
	struct sp_mcp *m = ex->eg->mcp;
	struct sp_fetch *f = &m->fetch;

	if (msg->kind == SP_UPMSG_NOTE || (msg->has_id && msg->id != ex->id))
		return;
	f->bytes += ex->got;
	sp_ex_drain(&f->ex);
	if (msg->kind == SP_UPMSG_RESULT)
		on_page(m, msg->body);
	else if (sp_upmsg_code(msg->body) == -32601)
		next_list(m);			/* it says that it can, and cannot */
	else
		fail(m, SP_EX_GARBAGE, ex->status, "a list was answered with an error");
}

static bool
on_message(struct sp_ex *ex, sp_slice text)
{
	return sp_mcp_read(ex, text, on_one);
}

static void
on_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	const struct sp_ex_ops *ops = ex->ops;
	struct sp_mcp *m = ex->eg->mcp;
	struct sp_fetch *f = &m->fetch;

	if (how == SP_EX_STATUS && m->era == SP_ERA_MODERN && ex->text.n != 0) {
		(void)!sp_mcp_read(ex, sp_out_view(&ex->text), on_one);
		if (ex->ops != ops)
			return;
	}
	f->ex = NULL;
	if (how == SP_EX_STATUS && (ex->status == 404 || ex->status == 400) && m->own.id[0] != '\0' && !f->renewed) {
		sp_upsession_gone(m, &m->own);
		forget_fetch(m);
		sp_fetch_start(m);
		f->renewed = true;
		return;
	}
	/* Whatever answers like this may be another server than before. */
	if (how == SP_EX_STATUS && ex->status != 401 && ex->status != 403 && ex->status < 500)
		sp_mcp_suspect(m);
	fail(m, how == SP_EX_DONE ? SP_EX_GARBAGE : how, ex->status, why);
}

/* --- going on */

static void
ask_page(struct sp_mcp *m, struct sp_upsession *s)
{
	static const struct sp_ex_ops ops = { .message = on_message, .end = on_end };
	struct sp_fetch *f = &m->fetch;
	struct sp_upmsg_head h = { .id = ++m->next_id, .method = lists[f->kind].method, .era = m->era };
	struct sp_ex *ex = sp_ex_new(m->eg, SP_POST, &ops, m);

	f->ex = ex;
	if (ex != NULL) {
		ex->id = h.id;
		ex->up = s;
		ex->limit = SP_CATALOG_BYTES - f->bytes;
		ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
		sp_mcp_fields(ex, s, h.method, (sp_slice){ NULL, 0 });
		sp_upmsg_open(&ex->body, &h);
		if (f->has_cursor) {
			sp_upmsg_key(&ex->body, "cursor");
			sp_jout_str(&ex->body, sp_out_view(&f->cursor));
		}
		sp_upmsg_close(&ex->body, &h);
		if (sp_ex_send(ex))
			return;
	}
	f->ex = NULL;
	fail(m, SP_EX_BROKEN, 0, "no room for another request");
}

void
sp_fetch_step(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;
	struct sp_upsession *s;

	if (!f->running || f->ex != NULL)
		return;
	switch (sp_mcp_ready(m, NULL, &s)) {
	case SP_UP_WAIT:
		return;
	case SP_UP_DOWN:
		sp_fetch_failed(m);
		sp_mcp_fail_waiting(m, NULL);
		return;
	case SP_UP_GO:
		break;
	}
	if (f->building == NULL && sp_catalog_new(m->eg->cfg.img, m->eg->cfg.index, &f->building) != SP_OK) {
		fail(m, SP_EX_TOO_BIG, 0, "no memory");
		return;
	}
	if (f->bytes >= SP_CATALOG_BYTES) {
		fail(m, SP_EX_TOO_BIG, 0, "it offers more than a catalogue holds");
		return;
	}
	if (f->kind < SP_COUNT(lists) && (m->caps & lists[f->kind].cap) == 0)
		next_list(m);
	else
		ask_page(m, s);
}

void
sp_fetch_start(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;

	if (f->running || !m->started)
		return;
	f->running = true;
	f->soon = false;
	f->renewed = f->again = f->has_cursor = false;
	f->kind = f->pages = 0;
	f->bytes = 0;
	f->left_out = 0;
	f->ttl_ms = -1;
	sp_out_reset(&f->cursor);
	f->last_ms = sp_mcp_now(m);
	sp_fetch_step(m);
}

void
sp_fetch_changed(struct sp_mcp *m)
{
	struct sp_fetch *f = &m->fetch;
	uint64_t now = sp_mcp_now(m), at = f->last_ms + COALESCE_MS;

	if (f->running || f->soon) {
		f->again = f->running;
		return;
	}
	/* The upstream may say so ten thousand times: it is asked once a second (threat row E24). */
	f->soon = true;
	sp_mcp_refresh_in(m, at > now ? at - now : 1);
}

void
sp_fetch_stop(struct sp_mcp *m)
{
	forget_fetch(m);
}

void
sp_fetch_free(struct sp_mcp *m)
{
	forget_fetch(m);
	sp_mcp_schemas_forget(m);
	sp_catalog_free(&m->catalog);
	sp_out_free(&m->fetch.cursor);
}
