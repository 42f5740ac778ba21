/*
 * Questions to keeper about credentials: the MAC of a token, whose connection this is, a newer key set.  One question at a
 * time for one token, connection or authority; all who need its answer wait for it.
 */
#include "front/front.h"

#include "os/role.h"

#include <assert.h>
#include <stdlib.h>

enum { TICKETS = 8192, WAYS = 8 };

/* ---------------------------------------------------------------- tickets that came */

static struct sp_kept_ticket *
row_of(struct sp_front *f, const uint8_t hash[32])
{
	return &f->tickets[sp_siphash(&f->seed, sp_mem(hash, 32)) & (TICKETS - WAYS)];
}

sp_slice
sp_ticket_find(struct sp_front *f, uint32_t resource, const uint8_t hash[32])
{
	struct sp_kept_ticket *t;

	if (f->tickets == NULL)
		return (sp_slice){ NULL, 0 };
	t = row_of(f, hash);
	for (uint32_t i = 0; i < WAYS; i++)
		if (t[i].n != 0 && t[i].resource == resource && memcmp(t[i].hash, hash, 32) == 0) {
			t[i].used = ++f->ticket_clock;
			return sp_mem(t[i].text, t[i].n);
		}
	return (sp_slice){ NULL, 0 };
}

/* Tickets differ in length: who came by an introspection endpoint is in it. */
static bool
set_text(struct sp_kept_ticket *t, sp_slice text)
{
	char *fresh = malloc(text.n);

	if (fresh == NULL)
		return false;
	memcpy(fresh, text.p, text.n);
	free(t->text);
	t->text = fresh;
	t->n = (uint32_t)text.n;
	return true;
}

/* In its row the one that was not used for longest goes. */
static void
ticket_keep(struct sp_front *f, const struct sp_ask *a, sp_slice text)
{
	struct sp_kept_ticket *t, *best;

	if (f->tickets == NULL)
		f->tickets = calloc(TICKETS, sizeof *f->tickets);
	if (f->tickets == NULL)
		return;
	best = t = row_of(f, a->hash);
	for (uint32_t i = 0; i < WAYS; i++) {
		if (t[i].n != 0 && t[i].resource == a->resource && memcmp(t[i].hash, a->hash, 32) == 0) {
			best = &t[i];
			break;
		}
		if (t[i].used < best->used)
			best = &t[i];
	}
	if (!set_text(best, text))
		return;
	best->used = ++f->ticket_clock;
	best->resource = a->resource;
	memcpy(best->hash, a->hash, sizeof best->hash);
}

void
sp_tickets_free(struct sp_front *f)
{
	for (uint32_t i = 0; f->tickets != NULL && i < TICKETS; i++)
		free(f->tickets[i].text);
	free(f->tickets);
	f->tickets = NULL;
}

static void
peer_keep(struct sp_front *f, uint32_t request, sp_slice text)
{
	struct sp_conn *c = sp_hub_find(&f->hub, request);
	struct sp_kept_ticket *t;

	if (c == NULL)
		return;
	/* One block, which goes with the connection. */
	t = malloc(sizeof *t + text.n);
	if (t == NULL)
		return;
	*t = (struct sp_kept_ticket){ .n = (uint32_t)text.n, .text = (char *)(t + 1) };
	memcpy(t->text, text.p, text.n);
	free(c->mine);
	c->mine = t;
}

/* ---------------------------------------------------------------- who waits */

/* `no`: what keeper refused; NULL: nothing, or nothing else is left to ask. */
static void
answer(struct sp_conn *c, enum sp_status st, const struct sp_ticket_no *no)
{
	struct sp_req *q = sp_req_of(c);

	q->wait = SP_WAIT_NONE;
	q->denied = no != NULL;
	if (no != NULL)
		q->no = *no;
	if (q->stream != NULL)
		sp_stream_resume(c, st);
	else if (st == SP_OK || no != NULL)
		sp_request_resume(c);
	else
		c->hub->svc->late(c);
}

static void
wake(struct sp_front *f, enum sp_wait wait, uint32_t what, enum sp_status st, const struct sp_ticket_no *no)
{
	struct sp_conn *c, *next;

	for (c = f->hub.busy.first; c != NULL; c = next) {
		struct sp_req *q = c->req;

		next = c->next;
		if (q != NULL && q->wait == wait && q->wait_for == what)
			answer(c, st, no);
	}
}

void
sp_ask_restart(struct sp_front *f)
{
	struct sp_conn *c, *next;

	for (uint32_t i = 0; i < SP_ASKS; i++)
		f->asks[i].open = false;
	for (uint32_t i = 0; i < f->img->head->authorities.n; i++)
		f->wants[i] = (struct sp_want){ 0 };
	for (c = f->hub.busy.first; c != NULL; c = next) {
		struct sp_req *q = c->req;

		next = c->next;
		if (q != NULL && (q->wait == SP_WAIT_TICKET || q->wait == SP_WAIT_KEYS))
			answer(c, SP_OK, NULL);
	}
}

/* ---------------------------------------------------------------- tickets */

/* The open question about this token or connection, or a free place. */
static struct sp_ask *
find_ask(struct sp_front *f, const struct sp_ticket_need *need, uint32_t resource, uint32_t conn)
{
	uint64_t now = uv_now(f->loop);
	struct sp_ask *spare = NULL;

	for (uint32_t i = 0; i < SP_ASKS; i++) {
		struct sp_ask *a = &f->asks[i];

		if (a->open && now - a->since_ms >= SP_AUTH_WAIT_MS)
			a->open = false;
		if (!a->open)
			spare = a;
		else if (need->peer ? a->peer && a->conn == conn : !a->peer && a->resource == resource && a->source == need->source &&
		    memcmp(a->hash, need->token_hash, 32) == 0)
			return a;
	}
	return spare;
}

static enum sp_status
send_ask(struct sp_front *f, const struct sp_conn *c, const struct sp_ask *a, const struct sp_ticket_need *need)
{
	struct sp_m_ticket_ask m = { .id = a->id, .source = need->source, .alg = need->alg, .mac = need->mac, .input = need->input };
	struct sp_m_id peer = { a->id };
	char buf[8];
	struct sp_out o;

	if (!need->peer && f->keeper == NULL)
		return SP_E_UNAVAILABLE;
	if (need->endpoint) {
		sp_enc_token_ask(sp_chan_begin(f->keeper, SP_M_TOKEN_ASK),
		    &(struct sp_m_token_ask){ .id = a->id, .source = a->source, .resource = a->resource, .token = need->input });
		sp_chan_end(f->keeper);
		return SP_OK;
	}
	if (!need->peer) {
		memcpy(m.token_hash, need->token_hash, sizeof m.token_hash);
		sp_enc_ticket_ask(sp_chan_begin(f->keeper, SP_M_TICKET_ASK), &m);
		sp_chan_end(f->keeper);
		return SP_OK;
	}
	if (f->descriptors == NULL)
		return SP_E_UNAVAILABLE;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_id(&o, &peer);
	return sp_chan_send(f->descriptors, SP_M_PEER_ASK, sp_out_view(&o), &c->fd, 1) == SP_OK ? SP_OK : SP_E_UNAVAILABLE;
}

enum sp_status
sp_ask_ticket(struct sp_conn *c, struct sp_req *q, const struct sp_ticket_need *need)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_ask *a = find_ask(f, need, q->resource, sp_conn_request(c));

	if (a == NULL)
		return SP_E_UNAVAILABLE;
	if (!a->open) {
		*a = (struct sp_ask){ .id = ++f->next_ask, .peer = need->peer, .conn = sp_conn_request(c),
		    .endpoint = need->endpoint, .source = need->source, .resource = q->resource, .since_ms = uv_now(f->loop) };
		memcpy(a->hash, need->token_hash, sizeof a->hash);
		if (send_ask(f, c, a, need) != SP_OK)
			return SP_E_UNAVAILABLE;
		a->open = true;
	}
	q->wait = SP_WAIT_TICKET;
	q->wait_for = a->id;
	return SP_OK;
}

bool
sp_ask_answered(struct sp_front *f, const struct sp_m_ticket *m)
{
	struct sp_ask a = { 0 };
	struct sp_ticket_no no;

	for (uint32_t i = 0; i < SP_ASKS; i++)
		if (f->asks[i].open && f->asks[i].id == m->id) {
			a = f->asks[i];
			f->asks[i].open = false;
		}
	if (!a.open)
		return true;		/* nobody waits for it any more */
	if ((m->status == SP_OK) != (m->ticket.n != 0) || m->ticket.n > SP_TICKET_MAX)
		return false;
	if (m->status == SP_OK && a.peer)
		peer_keep(f, a.conn, m->ticket);
	else if (m->status == SP_OK)
		ticket_keep(f, &a, m->ticket);
	/* After an endpoint that says no, or nothing, the sources behind it have their turn. */
	no = (struct sp_ticket_no){ a.source, (enum sp_status)m->status };
	wake(f, SP_WAIT_TICKET, a.id, no.status, no.status == SP_E_BAD_TOKEN || (a.endpoint && no.status != SP_OK) ? &no : NULL);
	return true;
}

/* ---------------------------------------------------------------- key sets */

enum sp_status
sp_ask_keys(struct sp_conn *c, struct sp_req *q, uint32_t authority)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_want *w = &f->wants[authority];
	uint64_t now = uv_now(f->loop);
	struct sp_m_id m = { authority };

	assert(authority < f->img->head->authorities.n);
	if (w->open && now - w->asked_ms >= SP_AUTH_WAIT_MS)
		w->open = false;
	if (!w->open) {
		/* Asked lately, and the key is not in what came: whoever makes up key names asks nobody for more. */
		if (w->asked && now - w->asked_ms < SP_KEYS_PAUSE_MS)
			return SP_E_BAD_TOKEN;
		if (f->keeper == NULL)
			return SP_E_UNAVAILABLE;
		*w = (struct sp_want){ .asked_ms = now, .asked = true, .open = true };
		sp_enc_id(sp_chan_begin(f->keeper, SP_M_KEYS_WANT), &m);
		sp_chan_end(f->keeper);
	}
	q->wait = SP_WAIT_KEYS;
	q->wait_for = authority;
	return SP_OK;
}

void
sp_ask_keys_came(struct sp_front *f, uint32_t authority)
{
	f->wants[authority].open = false;
	wake(f, SP_WAIT_KEYS, authority, SP_OK, NULL);
}
