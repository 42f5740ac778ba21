/*
 * Event streams that are held: the GET stream of a legacy session, and subscriptions/listen.  They carry changed lists
 * (only what changed for this caller, at most once a second and kind) and updated resources.  One that waits holds this
 * structure and nothing else of its request.
 */
#include "http/answer.h"
#include "front/stream.h"

#include "mcp/result.h"
#include "os/role.h"

#include <stdlib.h>

static const sp_slice nothing = { NULL, 0 };

/* ---------------------------------------------------------------- beginning */

static sp_slice
put(char **at, sp_slice s)
{
	sp_slice out = { *at, s.n };

	if (s.n != 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return out;
}

/* Moves the request out of its arena; NULL: no memory, nothing was changed. */
static bool
keep_ticket(struct sp_stream *s, sp_slice ticket)
{
	char *own = malloc(ticket.n + 1);

	if (own == NULL)
		return false;
	memcpy(own, ticket.n == 0 ? "" : ticket.p, ticket.n);
	free(s->ticket);
	s->ticket = own;
	s->q.ticket = sp_mem(own, ticket.n);
	return true;
}

static struct sp_stream *
hold(struct sp_conn *c, sp_slice uris)
{
	struct sp_front *f = sp_front_of(c);
	const struct sp_req *q = sp_req_of(c);
	uint32_t servers = f->img->head->servers.n;
	size_t n = servers + q->token.n + q->id.n + uris.n;
	struct sp_stream *s = calloc(1, sizeof *s + n);
	char *at;

	if (s == NULL)
		return NULL;
	at = s->text;
	s->q = *q;
	s->q.ask = (struct sp_mcp_ask){ .era = q->ask.era, .method = q->ask.method };
	s->heard = (uint8_t *)at;
	at += servers;
	s->q.token = put(&at, q->token);
	s->q.id = put(&at, q->id);
	s->uris = put(&at, uris);
	if (!keep_ticket(s, q->ticket)) {
		free(s);
		return NULL;
	}
	s->looked_ms = uv_now(f->loop);
	s->q.stream = s;
	s->c = c;
	s->room = n;
	s->epoch = sp_front_epoch(f);
	s->serial = ++f->stream_serial;
	s->next = f->first_stream;
	if (s->next != NULL)
		s->next->prev = s;
	f->first_stream = s;
	f->nstreams++;
	sp_gauge(f->counters, f->row, SP_C_STREAMS, 1);
	c->req = &s->q;
	return s;
}

/* Some connections are kept for requests. */
static bool
has_room(const struct sp_front *f)
{
	uint32_t all = f->hub.lim.connections, spare = all / 8 < 16 ? all / 8 : 16;

	return !f->hub.draining && f->nstreams < all - spare;
}

/* The part of the URIs that this server has, as a JSON array. */
static void
uris_of(struct sp_out *o, struct sp_front *f, const struct sp_stream *s, uint32_t server)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_err e;
	bool first = true;

	sp_out_reset(o);
	if (s->uris.n == 0 || sp_json_read(s->uris, SP_JSON_DEFAULT, &json, &e) != SP_OK)
		return;
	for (struct sp_jiter it = sp_jeach(json.root); sp_jnext(&it);) {
		struct sp_found found;

		if (!sp_stream_may_see(f, &s->q, sp_jtext(it.val), &found) || found.c.server != server)
			continue;
		sp_out_byte(o, first ? '[' : ',');
		first = false;
		sp_jout_str(o, sp_jtext(it.val));
	}
	if (!first)
		sp_out_byte(o, ']');
}

static void
listen_at(struct sp_stream *s, uint32_t server)
{
	struct sp_front *f = sp_front_of(s->c);
	struct sp_link *l = &f->links[server];
	struct sp_m_listen m = { .id = sp_conn_request(s->c), .header = s->q.header, .ticket = s->q.ticket, .token = s->q.token };
	char peer[SP_PEER_MAX];

	if (s->heard[server] != 0 || !sp_front_serves(f, &s->q, server) || (f->caps[server] & SP_CAP_SUBSCRIBE) == 0 || !sp_link_takes(l))
		return;
	if (s->q.has_session) {
		m.session = sp_mem(s->q.session, sizeof s->q.session);
	} else {
		uris_of(&f->note, f, s, server);
		m.uris = sp_out_view(&f->note);
		if (m.uris.n == 0 || f->note.full)
			return;
	}
	if (f->asker != NULL)
		m.peer = sp_peer_text(s->c->fd, peer);
	sp_enc_listen(sp_chan_begin(l->ch, SP_M_LISTEN), &m);
	sp_chan_end(l->ch);
	s->heard[server] = 1;
}

static void
begin(struct sp_stream *s)
{
	struct sp_front *f = sp_front_of(s->c);

	s->c->deadline_ms = 0;
	sp_conn_slim(s->c);
	for (uint32_t i = 0; i < f->img->head->servers.n; i++)
		listen_at(s, i);
	sp_front_need_tick(f);
}

void
sp_stream_get(struct sp_conn *c)
{
	struct sp_answer a = { .status = 200 };
	struct sp_stream *s;

	if (!sp_front_view(c, 0))
		return;
	s = has_room(sp_front_of(c)) ? hold(c, nothing) : NULL;
	if (s == NULL) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return;
	}
	for (unsigned k = 0; k < SP_STREAM_KINDS; k++)
		s->wants[k] = true;
	sp_conn_events_begin(c, &a);
	if (c->state == SP_CONN_STREAM)
		begin(s);
}

/* Does this server say when its resources change?  One that is not known yet may: it is asked when it is. */
static bool
may_tell(const struct sp_front *f, uint32_t server)
{
	return f->catalogs[server] == NULL || (f->caps[server] & SP_CAP_SUBSCRIBE) != 0;
}

/* Of the wished URIs those that this caller may read and whose server can say that they changed. */
static sp_slice
accepted(struct sp_conn *c, const struct sp_req *q)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_out *o = &f->note;
	bool first = true;
	unsigned n = 0;

	sp_out_reset(o);
	for (struct sp_jiter it = sp_jeach(q->ask.listen_uris); sp_jnext(&it) && n < SP_STREAM_URIS; n++) {
		struct sp_found found;
		sp_slice uri = sp_jtext(it.val);

		if (!sp_stream_may_see(f, q, uri, &found) || !may_tell(f, found.c.server))
			continue;
		if (o->n + uri.n * 6 + 8 > SP_STREAM_URI_BYTES)
			break;
		sp_out_byte(o, first ? '[' : ',');
		first = false;
		sp_jout_str(o, uri);
	}
	if (!first)
		sp_out_byte(o, ']');
	return o->full ? nothing : sp_arena_copy(&c->w->arena, sp_out_view(o));
}

void
sp_stream_listen(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_stream *s;
	sp_slice uris, ack;

	if (!q->takes_events) {
		sp_reply_rpc(c, SP_E_ACCEPT, nothing, 0);
		return;
	}
	uris = accepted(c, q);
	sp_mcp_listen_ack(sp_reply_text(c), q->id, &q->ask, uris);
	ack = sp_out_view(&f->text);
	s = has_room(f) && !c->w->arena.full && !f->text.full ? hold(c, uris) : NULL;
	if (s == NULL) {
		sp_reply_rpc(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	s->wants[SP_STREAM_TOOLS] = q->ask.listen_tools;
	s->wants[SP_STREAM_PROMPTS] = q->ask.listen_prompts;
	s->wants[SP_STREAM_RESOURCES] = q->ask.listen_resources;
	if (!sp_reply_events(c))
		return;
	sp_conn_event(c, &ack, 1);
	if (c->state == SP_CONN_STREAM)
		begin(s);
}

/* ---------------------------------------------------------------- end */

void
sp_stream_over(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_stream *s = sp_req_of(c)->stream;

	for (uint32_t i = 0; i < f->img->head->servers.n; i++)
		if (s->heard[i] != 0)
			sp_link_cancel(&f->links[i], sp_conn_request(c));
	*(s->prev == NULL ? &f->first_stream : &s->prev->next) = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	f->nstreams--;
	sp_gauge(f->counters, f->row, SP_C_STREAMS, -1);
	if (s->q.who != NULL)
		sp_principal_drop(&s->q.who);
	free(s->ticket);
	explicit_bzero(s, sizeof *s + s->room);
	free(s);
}

/* We end it: a listening client is told so by the response, a session's stream just ends. */
static void
finish(struct sp_stream *s)
{
	struct sp_conn *c = s->c;
	sp_slice json;

	if (c->state != SP_CONN_STREAM || c->events != SP_EVENTS_BETWEEN) {
		sp_conn_abort(c);
		return;
	}
	if (s->q.ask.era == SP_ERA_MODERN) {
		sp_mcp_listen_end(sp_reply_text(c), s->q.id);
		json = sp_out_view(&sp_front_of(c)->text);
		sp_conn_event(c, &json, 1);
	}
	sp_conn_events_end(c);
}

/* Its caller is looked at again; a ticket that came with that stays with the stream. */
static enum sp_status
look_again(struct sp_stream *s)
{
	struct sp_err e = { 0 };
	enum sp_status st = sp_auth_again(s->c, &e);

	if (st == SP_E_TICKET)
		s->waits_since_ms = uv_now(sp_front_of(s->c)->loop);
	if (st != SP_OK || s->q.ticket.p == s->ticket)
		return st;
	return keep_ticket(s, s->q.ticket) ? SP_OK : SP_E_FULL;
}

/* What an introspection endpoint said counts as long as a ticket: a token that is taken back there ends here. */
static bool
is_stale(const struct sp_stream *s)
{
	const struct sp_front *f = sp_front_of(s->c);
	const struct sp_img_source *src = SP_IMG_AT(f->img, f->img->head->sources, source, s->q.who->source);

	return src->endpoint != 0 && uv_now(f->loop) - s->looked_ms >= SP_TICKET_S * 1000;
}

/* E23, D18: is its caller still who may have it?  False: it has ended, or waits for keeper's word. */
static bool
still_good(struct sp_stream *s)
{
	struct sp_front *f = sp_front_of(s->c);
	uint64_t epoch = sp_front_epoch(f);
	enum sp_status st;

	if (s->q.wait != SP_WAIT_NONE)
		return false;
	if (s->q.who->expires_s <= sp_now_s() || (s->q.has_session && s->q.session_expires_s <= sp_now_s())) {
		finish(s);
		return false;
	}
	if (epoch == s->epoch && !is_stale(s))
		return true;
	s->epoch = epoch;
	s->looked_ms = uv_now(f->loop);
	st = look_again(s);
	if (st != SP_OK && st != SP_E_TICKET)
		finish(s);
	return st == SP_OK;
}

void
sp_stream_resume(struct sp_conn *c, enum sp_status st)
{
	struct sp_stream *s = sp_req_of(c)->stream;

	if (st == SP_OK)
		st = look_again(s);
	if (st != SP_OK && st != SP_E_TICKET)
		finish(s);
}

void
sp_streams_session_gone(struct sp_front *f, const uint8_t session[32])
{
	struct sp_stream *s, *next;

	for (s = f->first_stream; s != NULL; s = next) {
		next = s->next;
		if (s->q.has_session && memcmp(s->q.session, session, sizeof s->q.session) == 0)
			finish(s);
	}
}

/* ---------------------------------------------------------------- what they carry */

/* Of a session the newest stream carries everything (mcp-spec 1.3: each message goes on one stream). */
static bool
is_newest(const struct sp_stream *s)
{
	const struct sp_front *f = sp_front_of(s->c);

	if (!s->q.has_session)
		return true;
	for (const struct sp_stream *t = f->first_stream; t != NULL && t->serial > s->serial; t = t->next)
		if (t->q.has_session &&
		    memcmp(t->q.session, s->q.session, sizeof s->q.session) == 0)
			return false;
	return true;
}

static sp_slice
subscription(const struct sp_stream *s)
{
	return s->q.ask.era == SP_ERA_MODERN ? s->q.id : nothing;
}

static void
say(struct sp_stream *s, const struct sp_out *o)
{
	sp_slice json = sp_out_view(o);

	if (!o->full && sp_conn_unread(s->c) <= SP_NOTES_UNREAD)
		sp_conn_event(s->c, &json, 1);
}

static void
say_changed(struct sp_stream *s, unsigned kind)
{
	static const enum sp_component_kind kinds[] = { SP_COMPONENT_TOOL, SP_COMPONENT_PROMPT, SP_COMPONENT_RESOURCE };
	struct sp_out *o = &sp_front_of(s->c)->note;

	sp_out_reset(o);
	sp_mcp_list_changed(o, kinds[kind], subscription(s));
	say(s, o);
}

/* E24: what comes faster than once a second is said once. */
static void
flush(struct sp_stream *s, uint64_t now_ms)
{
	struct sp_conn *c = s->c;

	for (unsigned k = 0; k < SP_STREAM_KINDS; k++) {
		if (!s->dirty[k] || now_ms < s->due_ms[k])
			continue;
		s->dirty[k] = false;
		s->due_ms[k] = now_ms + SP_TICK_MS;
		say_changed(s, k);
		if (c->state != SP_CONN_STREAM)
			return;		/* and s is gone */
	}
}

void
sp_stream_mark(struct sp_stream *s, unsigned kind)
{
	if (!s->wants[kind] || s->dirty[kind] || !is_newest(s))
		return;
	s->dirty[kind] = true;
	if (uv_now(sp_front_of(s->c)->loop) >= s->due_ms[kind] && still_good(s))
		flush(s, uv_now(sp_front_of(s->c)->loop));
}

bool
sp_stream_may_see(struct sp_front *f, const struct sp_req *q, sp_slice uri, struct sp_found *found)
{
	struct sp_mcp_ask ask = { .era = SP_ERA_MODERN, .method = SP_MCP_RESOURCES_READ, .name = uri };
	struct sp_decision d;

	if (uri.n == 0 || uri.n > SP_NAME_MAX || !sp_mcp_find(&f->worlds[q->resource], &ask, found))
		return false;
	sp_decide_component(f->img, q->who, &found->c, NULL, &d);
	/* Checks were asked when the stream began, once for all that it may tell. */
	return d.outcome == SP_ALLOW && (d.checks & ~q->view.allowed) == 0;
}

static bool
asked_for(const struct sp_stream *s, sp_slice uri)
{
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_err e;

	if (s->q.has_session)
		return true;		/* egress knows what its session subscribed to */
	if (s->uris.n == 0 || sp_json_read(s->uris, SP_JSON_DEFAULT, &json, &e) != SP_OK)
		return false;
	for (struct sp_jiter it = sp_jeach(json.root); sp_jnext(&it);)
		if (sp_eq(sp_jtext(it.val), uri))
			return true;
	return false;
}

bool
sp_stream_note(struct sp_conn *c, uint32_t server, const struct sp_m_note *m)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_stream *s = sp_req_of(c)->stream;
	SP_AUTO(sp_json_free) struct sp_json json = { 0 };
	struct sp_found found;
	struct sp_err e;
	sp_slice uri;

	if (m->note != SP_NOTE_UPDATED || sp_json_read(m->params, SP_JSON_DEFAULT, &json, &e) != SP_OK)
		return false;
	uri = sp_jtext(SP_JGET(json.root, "uri"));
	if (s->heard[server] == 0 || !is_newest(s) || !asked_for(s, uri) || !still_good(s))
		return true;
	/* E23: the rules of now, not those of when it began. */
	if (!sp_stream_may_see(f, &s->q, uri, &found) || found.c.server != server)
		return true;
	sp_out_reset(&f->note);
	sp_mcp_updated(&f->note, m->params, subscription(s));
	say(s, &f->note);
	return true;
}

void
sp_stream_refused(struct sp_conn *c, uint32_t server)
{
	sp_req_of(c)->stream->heard[server] = 0;
}

void
sp_streams_server(struct sp_front *f, uint32_t server, bool fresh)
{
	for (struct sp_stream *s = f->first_stream; s != NULL; s = s->next) {
		if (fresh)
			s->heard[server] = 0;
		listen_at(s, server);
	}
}

/* ---------------------------------------------------------------- time */

void
sp_streams_tick(struct sp_front *f, uint64_t now_ms)
{
	struct sp_stream *s, *next;

	for (s = f->first_stream; s != NULL; s = next) {
		next = s->next;
		if (s->q.wait != SP_WAIT_NONE && now_ms - s->waits_since_ms >= SP_AUTH_WAIT_MS) {
			finish(s);
			continue;
		}
		if (still_good(s))
			flush(s, now_ms);
	}
}

/* A new generation takes over: its lists may differ, so clients come back to it and look. */
void
sp_streams_drain(struct sp_front *f)
{
	struct sp_stream *s, *next;

	for (s = f->first_stream; s != NULL; s = next) {
		struct sp_conn *c = s->c;

		next = s->next;
		for (unsigned k = 0; k < SP_STREAM_KINDS && c->state == SP_CONN_STREAM; k++)
			if (s->wants[k] && is_newest(s))
				say_changed(s, k);
		if (c->state == SP_CONN_STREAM)
			finish(s);
	}
}
