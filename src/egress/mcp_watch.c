/* What changes at the upstream: the one long stream that tells of it, and who wants to know of which resource. */
#include "base/log.h"
#include "egress/mcp_int.h"
#include "os/role.h"

#include <stdlib.h>

enum { REOPEN_MS = 1000, LISTENS = 4096 };

static const sp_slice nothing = { NULL, 0 };

/* --- the union of what anybody subscribed to */

static struct sp_uri_sub **
uri_bucket(struct sp_mcp *m, sp_slice uri)
{
	return &m->watch.uris[sp_siphash(&m->eg->cfg.seed, uri) % SP_SUB_BUCKETS];
}

static struct sp_uri_sub *
find_uri(struct sp_mcp *m, sp_slice uri)
{
	struct sp_uri_sub *u = *uri_bucket(m, uri);

	while (u != NULL && !sp_eq(sp_mem(u->uri, u->n), uri))
		u = u->hash_next;
	return u;
}

static struct sp_uri_sub *
hold_uri(struct sp_mcp *m, sp_slice uri)
{
	struct sp_uri_sub *u = find_uri(m, uri), **b = uri_bucket(m, uri);

	if (u == NULL) {
		u = m->watch.nuris >= SP_SUB_UNION ? NULL : calloc(1, sizeof *u + uri.n + 1);
		if (u == NULL)
			return NULL;
		memcpy(u->uri, uri.p, uri.n);
		u->n = uri.n;
		u->hash_next = *b;
		*b = u;
		m->watch.nuris++;
	}
	if (u->refs++ == 0)
		m->watch.untold++;
	return u;
}

static void
free_uri(struct sp_mcp *m, struct sp_uri_sub *u)
{
	struct sp_uri_sub **b = uri_bucket(m, sp_mem(u->uri, u->n));

	while (*b != u)
		b = &(*b)->hash_next;
	*b = u->hash_next;
	if (m->watch.told_now == u)
		m->watch.told_now = NULL;
	m->watch.nuris--;
	free(u);
}

static void
drop_uri(struct sp_mcp *m, struct sp_uri_sub *u)
{
	if (--u->refs != 0)
		return;
	m->watch.untold++;
	if (!u->told)
		free_uri(m, u);		/* else when the upstream has been told */
}

/* --- telling a legacy upstream, one at a time */

static void tell_next(struct sp_mcp *m);

static bool
ignore_message(struct sp_ex *ex, sp_slice text)
{
	return true;
}

static void
on_told(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	struct sp_mcp *m = ex->eg->mcp;
	struct sp_uri_sub *u = m->watch.told_now;

	m->watch.telling = NULL;
	m->watch.told_now = NULL;
	/* It is asked once: an upstream that refuses will not be asked for ever. */
	if (u != NULL && u->refs == 0)
		free_uri(m, u);
	tell_next(m);
}

static bool
tell(struct sp_mcp *m, struct sp_uri_sub *u)
{
	static const struct sp_ex_ops ops = { .message = ignore_message, .end = on_told };
	struct sp_upmsg_head h = { .id = ++m->next_id, .era = SP_ERA_LEGACY,
	    .method = u->refs != 0 ? SP_LIT("resources/subscribe") : SP_LIT("resources/unsubscribe") };
	struct sp_ex *ex = sp_ex_new(m->eg, SP_POST, &ops, NULL);

	m->watch.telling = ex;
	if (ex == NULL)
		return false;
	u->told = u->refs != 0;
	m->watch.told_now = u;
	ex->id = h.id;
	ex->up = &m->own;
	ex->deadline_ms = sp_mcp_now(m) + SP_UP_TRY_MS;
	sp_mcp_fields(ex, &m->own, nothing, nothing);
	sp_upmsg_open(&ex->body, &h);
	sp_upmsg_key(&ex->body, "uri");
	sp_jout_str(&ex->body, sp_mem(u->uri, u->n));
	sp_upmsg_close(&ex->body, &h);
	if (sp_ex_send(ex))
		return true;
	u->told = !u->told;
	m->watch.telling = NULL;
	m->watch.told_now = NULL;
	return false;
}

static struct sp_uri_sub *
next_untold(struct sp_watch *w)
{
	for (unsigned b = 0; w->untold != 0 && b < SP_SUB_BUCKETS; b++)
		for (struct sp_uri_sub *u = w->uris[b]; u != NULL; u = u->hash_next)
			if ((u->refs != 0) != u->told)
				return u;
	w->untold = 0;
	return NULL;
}

static void
tell_next(struct sp_mcp *m)
{
	struct sp_watch *w = &m->watch;
	struct sp_uri_sub *u;

	if (w->in_tell || w->telling != NULL || m->era != SP_ERA_LEGACY || m->own.state != SP_UPS_READY)
		return;
	w->in_tell = true;
	/* One that failed at once is followed by the next; one that cannot be sent at all waits for the tick. */
	while (w->telling == NULL && (u = next_untold(w)) != NULL && tell(m, u))
		;
	w->in_tell = false;
}

/* --- the stream */

static void open_stream(struct sp_mcp *m);

static void
on_began(struct sp_ex *ex)
{
	struct sp_mcp *m = ex->eg->mcp;
	struct sp_watch *w = &m->watch;

	/* What was said meanwhile is lost: the lists are looked at again. */
	if (w->was_lost)
		sp_fetch_changed(m);
	w->was_lost = false;
	w->failures = 0;
}

static void
on_one(struct sp_ex *ex, const struct sp_upmsg *msg)
{
	struct sp_mcp *m = ex->eg->mcp;

	if (msg->kind == SP_UPMSG_ERROR && sp_upmsg_code(msg->body) == -32601)
		m->watch.none = true;
}

static bool
on_message(struct sp_ex *ex, sp_slice text)
{
	return sp_mcp_read(ex, text, on_one);
}

static void
on_end(struct sp_ex *ex, enum sp_ex_end how, const char *why)
{
	struct sp_mcp *m = ex->eg->mcp;
	struct sp_watch *w = &m->watch;
	uint64_t wait;

	if (how == SP_EX_STATUS && ex->text.n != 0)
		(void)!sp_mcp_read(ex, sp_out_view(&ex->text), on_one);
	w->ex = NULL;
	w->was_lost = true;
	w->none = w->none || (how == SP_EX_STATUS && (ex->status == 405 || ex->status == 501));
	if (ex->events && ex->sse.id.n != 0)
		(void)!sp_cstr(ex->sse.id, w->event_id, sizeof w->event_id);
	if (how == SP_EX_STATUS && ex->status == 404 && m->own.id[0] != '\0' && m->era == SP_ERA_LEGACY) {
		sp_upsession_gone(m, &m->own);
		sp_fetch_changed(m);
		return;
	}
	w->failures++;
	wait = sp_mcp_backoff(w->failures);
	w->next_ms = sp_mcp_now(m) + (ex->sse.retry_ms > wait ? ex->sse.retry_ms : wait);
	if (w->failures == 1 && how != SP_EX_DONE)
		sp_log(SP_INFO, "mcp.stream_lost", SP_S("server", sp_img_str(m->eg->cfg.img, m->eg->server->name)),
		    SP_C("why", why), SP_U("status", ex->status));
}

static void
write_listen(struct sp_mcp *m, struct sp_ex *ex, const struct sp_upmsg_head *h)
{
	struct sp_out *o = &ex->body;
	bool first = true;

	sp_upmsg_open(o, h);
	sp_upmsg_key(o, "notifications");
	sp_out_str(o, "{\"toolsListChanged\":true,\"promptsListChanged\":true,\"resourcesListChanged\":true");
	if (m->watch.nuris != 0 && (m->caps & SP_CAP_SUBSCRIBE) != 0) {
		sp_out_str(o, ",\"resourceSubscriptions\":[");
		for (unsigned b = 0; b < SP_SUB_BUCKETS; b++)
			for (struct sp_uri_sub *u = m->watch.uris[b]; u != NULL; u = u->hash_next) {
				if (!first)
					sp_out_byte(o, ',');
				first = false;
				sp_jout_str(o, sp_mem(u->uri, u->n));
			}
		sp_out_byte(o, ']');
	}
	sp_out_byte(o, '}');
	sp_upmsg_close(o, h);
}

static void
open_stream(struct sp_mcp *m)
{
	static const struct sp_ex_ops ops = { .began = on_began, .message = on_message, .end = on_end };
	struct sp_watch *w = &m->watch;
	struct sp_upmsg_head h = { .method = SP_LIT("subscriptions/listen"), .era = m->era };
	bool modern = m->era == SP_ERA_MODERN;
	struct sp_ex *ex = sp_ex_new(m->eg, modern ? SP_POST : SP_GET, &ops, m);

	w->ex = ex;
	w->opened_ms = sp_mcp_now(m);
	w->stale = false;
	if (ex == NULL)
		return;
	ex->limit = 0;
	ex->job.lasting = true;
	ex->up = modern ? NULL : &m->own;
	sp_mcp_fields(ex, ex->up, h.method, nothing);
	if (modern) {
		h.id = ex->id = ++m->next_id;
		write_listen(m, ex, &h);
	} else if (w->event_id[0] != '\0') {
		sp_ex_field(ex, SP_LIT("Last-Event-ID"), sp_arena_copy(&ex->arena, sp_str(w->event_id)));
	}
	if (!sp_ex_send(ex)) {
		w->ex = NULL;
		w->next_ms = sp_mcp_now(m) + sp_mcp_backoff(++w->failures);
	}
}

void
sp_watch_step(struct sp_mcp *m)
{
	struct sp_watch *w = &m->watch;

	/* After the first catalogue: it is about changes to that, and a new upstream is not asked for everything at once. */
	if (m->catalog == NULL || m->era == 0 || (m->era == SP_ERA_LEGACY && m->own.state != SP_UPS_READY))
		return;
	tell_next(m);
	if (w->none || (w->ex == NULL && sp_mcp_now(m) < w->next_ms))
		return;
	if (w->ex != NULL && w->stale && sp_mcp_now(m) - w->opened_ms >= REOPEN_MS)
		sp_ex_stop(&w->ex);
	if (w->ex == NULL)
		open_stream(m);
}

void
sp_watch_reset(struct sp_mcp *m)
{
	struct sp_watch *w = &m->watch;

	sp_ex_stop(&w->ex);
	sp_ex_stop(&w->telling);
	w->told_now = NULL;
	w->none = w->stale = false;
	w->was_lost = true;
	w->event_id[0] = '\0';
	w->untold = w->nuris;
	for (unsigned b = 0; b < SP_SUB_BUCKETS; b++)
		for (struct sp_uri_sub *u = w->uris[b], *next; u != NULL; u = next) {
			next = u->hash_next;
			u->told = false;
			if (u->refs == 0)
				free_uri(m, u);
		}
}

static void
union_changed(struct sp_mcp *m)
{
	m->watch.stale = m->era == SP_ERA_MODERN;
	sp_watch_step(m);
}

/* --- who is told */

static void
send_updated(struct sp_listen *l, const struct sp_uri_sub *u)
{
	struct sp_m_note m = { .id = l->id, .note = SP_NOTE_UPDATED };
	char buf[SP_NAME_MAX * 6 + 32];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "{\"uri\":");
	sp_jout_str(&o, sp_mem(u->uri, u->n));
	sp_out_byte(&o, '}');
	m.params = sp_out_view(&o);
	/* One who does not read is told later, by reading the resource. */
	if (o.full || sp_chan_pending(l->front->ch) > (1u << 20))
		return;
	sp_enc_note(sp_chan_begin(l->front->ch, SP_M_NOTE), &m);
	sp_chan_end(l->front->ch);
}

static bool
may_read(struct sp_mcp *m, const struct sp_principal *who, const struct sp_view *view, sp_slice uri)
{
	struct sp_decision d;

	sp_mcp_decide_uri(m->eg, who, uri, &d);
	return d.outcome == SP_ALLOW && (d.checks & ~view->allowed) == 0;
}

static void
remove_uri(struct sp_mcp *m, struct sp_sub *s, unsigned i)
{
	drop_uri(m, s->uris[i]);
	s->n--;
	s->uris[i] = s->uris[s->n];
	s->parked[i] = s->parked[s->n];
}

/* --- sessions' subscriptions */

static struct sp_sub **
sub_bucket(struct sp_mcp *m, const char *session)
{
	return &m->watch.buckets[((unsigned char)session[0] | (unsigned)(unsigned char)session[1] << 8) % SP_SUB_BUCKETS];
}

static void
sub_lru_out(struct sp_watch *w, struct sp_sub *s)
{
	*(s->prev == NULL ? &w->first : &s->prev->next) = s->next;
	*(s->next == NULL ? &w->last : &s->next->prev) = s->prev;
}

static void
sub_lru_in(struct sp_watch *w, struct sp_sub *s)
{
	s->prev = NULL;
	s->next = w->first;
	*(w->first == NULL ? &w->last : &w->first->prev) = s;
	w->first = s;
}

static void
sub_free(struct sp_mcp *m, struct sp_sub *s)
{
	struct sp_watch *w = &m->watch;

	while (s->n != 0)
		remove_uri(m, s, s->n - 1);
	if (s->named) {
		struct sp_sub **b = sub_bucket(m, (const char *)s->session);

		while (*b != s)
			b = &(*b)->hash_next;
		*b = s->hash_next;
		sub_lru_out(w, s);
		w->nsubs--;
	}
	free(s);
}

static struct sp_sub *
sub_find(struct sp_mcp *m, sp_slice session)
{
	struct sp_sub *s = *sub_bucket(m, session.p);

	while (s != NULL && memcmp(s->session, session.p, sizeof s->session) != 0)
		s = s->hash_next;
	return s;
}

/* Of too many the one goes that was used longest ago and that nobody listens to. */
static bool
sub_room(struct sp_mcp *m)
{
	struct sp_sub *s = m->watch.last;

	if (m->watch.nsubs < SP_SUB_SESSIONS)
		return true;
	while (s != NULL && s->listen != NULL)
		s = s->prev;
	if (s == NULL)
		return false;
	sub_free(m, s);
	return true;
}

static struct sp_sub *
sub_make(struct sp_mcp *m, sp_slice session)
{
	struct sp_sub *s = sub_find(m, session), **b = sub_bucket(m, session.p);

	if (s != NULL) {
		sub_lru_out(&m->watch, s);
	} else {
		s = sub_room(m) ? calloc(1, sizeof *s) : NULL;
		if (s == NULL)
			return NULL;
		memcpy(s->session, session.p, sizeof s->session);
		s->named = true;
		s->hash_next = *b;
		*b = s;
		m->watch.nsubs++;
	}
	sub_lru_in(&m->watch, s);
	return s;
}

static unsigned
index_of(const struct sp_sub *s, sp_slice uri)
{
	unsigned i = 0;

	while (i < s->n && !sp_eq(sp_mem(s->uris[i]->uri, s->uris[i]->n), uri))
		i++;
	return i;
}

static enum sp_status
sub_add(struct sp_mcp *m, struct sp_sub *s, sp_slice uri)
{
	struct sp_uri_sub *u;

	if (uri.n == 0 || uri.n > SP_NAME_MAX)
		return SP_E_BAD_PARAMS;
	if (index_of(s, uri) != s->n)
		return SP_OK;
	u = s->n == SP_SUB_URIS ? NULL : hold_uri(m, uri);
	if (u == NULL)
		return SP_E_FULL;
	s->parked[s->n] = false;
	s->uris[s->n++] = u;
	return SP_OK;
}

enum sp_status
sp_watch_subscribe(struct sp_mcp *m, sp_slice session, sp_slice uri)
{
	struct sp_sub *s = sub_make(m, session);
	enum sp_status st = s == NULL ? SP_E_FULL : sub_add(m, s, uri);

	if (st == SP_OK)
		union_changed(m);
	return st;
}

void
sp_watch_unsubscribe(struct sp_mcp *m, sp_slice session, sp_slice uri)
{
	struct sp_sub *s = sub_find(m, session);
	unsigned i = s == NULL ? 0 : index_of(s, uri);

	if (s == NULL || i == s->n)
		return;
	remove_uri(m, s, i);
	if (s->n == 0 && s->listen == NULL)
		sub_free(m, s);
	union_changed(m);
}

/* --- listening */

static void
listen_free(struct sp_listen *l)
{
	struct sp_mcp *m = l->front->eg->mcp;
	struct sp_watch *w = &m->watch;
	struct sp_sub *s = l->sub;

	*(l->prev == NULL ? &w->listens : &l->prev->next) = l->next;
	if (l->next != NULL)
		l->next->prev = l->prev;
	w->nlistens--;
	if (s->listen == l) {
		s->listen = NULL;
		for (struct sp_listen *other = w->listens; other != NULL && s->listen == NULL; other = other->next)
			if (other->sub == s)
				s->listen = other;
	}
	if (s->listen == NULL && (!s->named || s->n == 0))
		sub_free(m, s);
	sp_principal_drop(&l->who);
	if (l->text.p != NULL)
		sp_out_wipe(&l->text);
	sp_out_free(&l->text);
	free(l);
}

void
sp_listen_refuse(struct sp_egress_front *f, uint32_t id, enum sp_status st)
{
	struct sp_m_call_error m = { .id = id, .status = (uint32_t)st, .retry_after_s = 1 };

	sp_enc_call_error(sp_chan_begin(f->ch, SP_M_CALL_ERROR), &m);
	sp_chan_end(f->ch);
}

/* What it may not read (any more) is not told of. */
static void
keep_allowed(struct sp_mcp *m, struct sp_listen *l)
{
	struct sp_sub *s = l->sub;

	for (unsigned i = s->n; i-- > 0;)
		if (!may_read(m, l->who, &l->view, sp_mem(s->uris[i]->uri, s->uris[i]->n)))
			remove_uri(m, s, i);
}

/* Its credential, after an hour or a revocation (threat row E23).  False: it has ended. */
static bool
still_good(struct sp_mcp *m, struct sp_listen *l)
{
	uint64_t epoch = sp_egress_epoch(m->eg);
	struct sp_principal *who = NULL;
	enum sp_status st = SP_OK;

	if (epoch == l->epoch && sp_now_s() < l->who->expires_s)
		return true;
	st = sp_egress_verify(m->eg, l->header, l->token, l->ticket, &who, NULL);
	if (st != SP_OK || who == NULL) {
		sp_listen_refuse(l->front, l->id, st == SP_OK ? SP_E_NO_TOKEN : st);
		listen_free(l);
		return false;
	}
	sp_principal_drop(&l->who);
	l->who = who;
	l->epoch = epoch;
	keep_allowed(m, l);
	return true;
}

/* Is it one of this session's? */
static bool
deliver(struct sp_sub *s, const struct sp_uri_sub *u)
{
	unsigned i = 0;

	while (i < s->n && s->uris[i] != u)
		i++;
	if (i == s->n)
		return false;
	if (s->listen == NULL)
		s->parked[i] = true;
	else
		send_updated(s->listen, u);
	return true;
}

void
sp_watch_updated(struct sp_mcp *m, sp_jval *params)
{
	struct sp_uri_sub *u = find_uri(m, sp_jtext(SP_JGET(params, "uri")));
	struct sp_listen *l, *next;
	uint32_t left;

	if (u == NULL || u->refs == 0)
		return;
	left = u->refs++;		/* stays while listeners end */
	for (l = m->watch.listens; l != NULL && left != 0; l = next) {
		next = l->next;
		if (l->sub->listen == l && still_good(m, l))
			left -= deliver(l->sub, u) ? 1 : 0;
	}
	for (struct sp_sub *s = m->watch.first; s != NULL && left != 0; s = s->next)
		if (s->listen == NULL)
			left -= deliver(s, u) ? 1 : 0;
	drop_uri(m, u);
}

/* The URIs of a client that has no session: those it may read. */
static struct sp_sub *
sub_of_array(struct sp_mcp *m, sp_slice text, const struct sp_principal *who, const struct sp_view *view)
{
	SP_AUTO(sp_json_free) struct sp_json doc = { 0 };
	struct sp_sub *s = calloc(1, sizeof *s);

	if (s == NULL || sp_json_read(text, SP_JSON_DEFAULT, &doc, NULL) != SP_OK || !sp_jis_arr(doc.root)) {
		free(s);
		return NULL;
	}
	for (struct sp_jiter it = sp_jeach(doc.root); sp_jnext(&it);)
		if (sp_jis_str(it.val) && may_read(m, who, view, sp_jtext(it.val)))
			(void)!sub_add(m, s, sp_jtext(it.val));
	return s;
}

static struct sp_listen *
listen_new(struct sp_egress_front *f, const struct sp_m_listen *msg, struct sp_sub *s, struct sp_principal *who,
    const struct sp_view *view, uint64_t epoch)
{
	struct sp_watch *w = &f->eg->mcp->watch;
	struct sp_listen *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	sp_out_heap(&l->text, msg->token.n + msg->ticket.n + 1);
	sp_out_slice(&l->text, msg->token);
	sp_out_slice(&l->text, msg->ticket);
	if (l->text.full) {
		sp_out_free(&l->text);
		free(l);
		return NULL;
	}
	l->token = sp_sub(sp_out_view(&l->text), 0, msg->token.n);
	l->ticket = sp_sub(sp_out_view(&l->text), msg->token.n, msg->ticket.n);
	l->front = f;
	l->id = msg->id;
	l->header = msg->header;
	l->epoch = epoch;
	l->view = *view;
	l->who = sp_principal_hold(who);
	l->sub = s;
	l->next = w->listens;
	if (l->next != NULL)
		l->next->prev = l;
	w->listens = l;
	w->nlistens++;
	s->listen = l;
	return l;
}

void
sp_listen_begin(struct sp_egress_front *f, const struct sp_m_listen *msg, struct sp_principal *who, const struct sp_view *view,
    uint64_t epoch)
{
	struct sp_mcp *m = f->eg->mcp;
	struct sp_sub *s = msg->session.n != 0 ? sub_make(m, msg->session) :
	    sub_of_array(m, msg->uris.n == 0 ? SP_LIT("[]") : msg->uris, who, view);
	struct sp_listen *l = s == NULL || m->watch.nlistens >= LISTENS ? NULL : listen_new(f, msg, s, who, view, epoch);

	if (l == NULL) {
		if (s != NULL && s->listen == NULL && (!s->named || s->n == 0))
			sub_free(m, s);
		sp_listen_refuse(f, msg->id, SP_E_UNAVAILABLE);
		return;
	}
	keep_allowed(m, l);
	for (unsigned i = 0; i < s->n; i++) {
		if (s->parked[i])
			send_updated(l, s->uris[i]);
		s->parked[i] = false;
	}
	union_changed(m);
}

static struct sp_listen *
find_listen(struct sp_egress_front *f, uint32_t id)
{
	struct sp_listen *l = f->eg->mcp == NULL ? NULL : f->eg->mcp->watch.listens;

	while (l != NULL && (l->front != f || l->id != id))
		l = l->next;
	return l;
}

bool
sp_listen_message(struct sp_egress_front *f, const struct sp_m_listen *msg)
{
	static const struct sp_view none = { 0, 0 };
	struct sp_egress *eg = f->eg;
	struct sp_principal *who = NULL;
	uint64_t checks;
	enum sp_status st;

	if (eg->mcp == NULL || find_listen(f, msg->id) != NULL || sp_listen_waits(f, msg->id))
		return false;
	st = !eg->mcp->started ? SP_E_UNAVAILABLE : sp_egress_verify(eg, msg->header, msg->token, msg->ticket, &who, NULL);
	if (st == SP_OK && who == NULL)
		st = SP_E_NO_TOKEN;
	checks = st == SP_OK ? sp_list_checks(eg->cfg.img, who, SP_COMPONENT_RESOURCE) : 0;
	if (checks != 0)
		sp_listen_ask(f, msg, who, checks);
	else if (st == SP_OK)
		sp_listen_begin(f, msg, who, &none, sp_egress_epoch(eg));
	else
		sp_listen_refuse(f, msg->id, st);
	sp_principal_drop(&who);
	return true;
}

bool
sp_listen_cancel(struct sp_egress_front *f, uint32_t id)
{
	struct sp_listen *l = find_listen(f, id);
	struct sp_mcp *m = f->eg->mcp;

	if (l == NULL)
		return sp_listen_unask(f, id);
	listen_free(l);
	union_changed(m);
	return true;
}

void
sp_listen_front_gone(struct sp_egress_front *f)
{
	struct sp_listen *l, *next;

	if (f->eg->mcp != NULL)
		sp_listen_unask_all(f->eg->mcp, f);
	for (l = f->eg->mcp == NULL ? NULL : f->eg->mcp->watch.listens; l != NULL; l = next) {
		next = l->next;
		if (l->front == f)
			listen_free(l);
	}
}

void
sp_watch_free(struct sp_mcp *m)
{
	sp_listen_unask_all(m, NULL);
	while (m->watch.listens != NULL)
		listen_free(m->watch.listens);
	while (m->watch.first != NULL)
		sub_free(m, m->watch.first);
	sp_watch_reset(m);
}
