#include "lib/service.h"

#include "base/log.h"
#include "crypto/crypto.h"
#include "http/answer.h"
#include "http/gate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	AUTH_WAIT_MS = 10000,		/* for somebody who is asked about a token */
	SILENCE_MS = 10000,		/* then an event stream begins, so that proxies keep the connection */
	LOOK_MS = 60000,		/* a stream's caller is looked at again, whatever the clock did */
	TRIES = 3
};

static const sp_slice nothing = { NULL, 0 };

/* What a request or stream is here; on the heap, because the engine may still be at work when its connection is gone. */
struct turn {
	struct sp_served s;		/* first */
	struct sp_conn *c;		/* NULL: gone */
	struct sp_site *site;
	struct sp_chain_wait *wait;
	unsigned tries;
	bool	 slim;			/* its buffers were given back */
	sp_slice own;			/* slim: a copy of the token */
};

struct peer { char text[INET6_ADDRSTRLEN + 8]; };

static struct sp_endpoint *
endpoint_of(const struct sp_conn *c)
{
	return c->hub->ctx;
}

static struct turn *
turn_of(const struct sp_conn *c)
{
	return c->req;
}

static struct turn *
of(const struct sp_exchange *x)
{
	return (struct turn *)(uintptr_t)x;
}

static void
turn_free(struct sp_served *s)
{
	struct turn *t = (struct turn *)s;

	if (t->s.x.who != NULL)
		sp_principal_drop(&t->s.x.who);
	if (t->own.n != 0)
		explicit_bzero((char *)(uintptr_t)t->own.p, t->own.n);
	free((char *)(uintptr_t)t->own.p);
	free(t);
}

/* ---------------------------------------------------------------- who is at the other end */

/* Once a connection: its address as text. */
static sp_slice
peer_of(struct sp_conn *c)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof ss;
	struct peer *p = c->mine;

	if (endpoint_of(c)->peer != NULL)
		return sp_str(endpoint_of(c)->peer);
	if (p != NULL)
		return sp_str(p->text);
	if (c->fd < 0 || (p = calloc(1, sizeof *p)) == NULL)
		return nothing;
	c->mine = p;
	if (c->local) {
		struct ucred who = { 0 };

		n = sizeof who;
		if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0)
			(void)snprintf(p->text, sizeof p->text, "uid %u", (unsigned)who.uid);
	} else if (getpeername(c->fd, (struct sockaddr *)&ss, &n) == 0) {
		const void *at = ss.ss_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)&ss)->sin6_addr :
		    (const void *)&((const struct sockaddr_in *)(const void *)&ss)->sin_addr;

		(void)inet_ntop(ss.ss_family, at, p->text, sizeof p->text);
	}
	return sp_str(p->text);
}

/* ---------------------------------------------------------------- what the engine says */

static sp_slice
metadata_url(const struct turn *t)
{
	return sp_out_view(&t->site->serving->metadata_url);
}

/* design.md section 2: what a client has to get, in the challenge of somebody who has nothing. */
static void
challenge(struct turn *t, enum sp_status st, sp_slice scope)
{
	const struct sp_chain *chain = t->site->serving->chain;

	if (scope.n == 0 && st != SP_E_BAD_REQUEST && chain != NULL)
		scope = sp_chain_challenge_scopes(chain);
	sp_answer_challenge(t->c, st, scope, metadata_url(t));
}

/* The event stream of this exchange; false: there is none, or no more. */
static bool
begin_events(struct turn *t)
{
	struct sp_conn *c = t->c;
	struct sp_answer a = { .status = 200 };

	if (c == NULL || !t->s.x.streams)
		return false;
	if (c->state == SP_CONN_PARKED) {
		c->deadline_ms = sp_hub_now(c->hub) + SILENCE_MS;
		sp_conn_events_begin(c, &a);
	}
	return t->c != NULL && c->state == SP_CONN_STREAM && c->events == SP_EVENTS_BETWEEN;
}

static bool
on_send(struct sp_exchange *x, sp_slice json, sp_slice event)
{
	struct turn *t = of(x);

	if (!begin_events(t))
		return false;
	if (event.n != 0)
		sp_conn_event_with(t->c, event, json);
	else if (json.n != 0)
		sp_conn_event(t->c, &json, 1);
	return t->c != NULL;
}

/* Its last word, on a stream that has begun: too late for a status line. */
static void
last_event(struct turn *t, const struct sp_reply *r)
{
	if (r->json.n != 0)
		sp_conn_event(t->c, &r->json, 1);
	if (t->c != NULL)
		sp_conn_events_end(t->c);
}

static bool
is_challenge(enum sp_status st)
{
	return st == SP_E_NO_TOKEN || st == SP_E_BAD_TOKEN || st == SP_E_SCOPE;
}

static void
whole_answer(struct turn *t, const struct sp_reply *r)
{
	unsigned http = r->st == SP_OK || r->st == SP_E_CANCELLED ? 200 : sp_errinfo(r->st)->http;
	struct sp_answer a = { .status = http == 0 ? 500 : http, .type = SP_JSON_TYPE, .retry_after_s = r->retry_after_s };

	if (r->json.n == 0 && a.status != 200) {
		sp_answer_status(t->c, r->st, nothing);
		return;
	}
	if (r->json.n == 0) {
		/* DELETE of a session that was: 200; anything else that needs no answer: 202. */
		a.status = t->c->w != NULL && t->c->w->http.head.method == SP_DELETE ? 200 : 202;
		a.type = nothing;
	}
	if (a.status == 503 && a.retry_after_s == 0)
		a.retry_after_s = 1;
	if (r->session.n != 0) {
		a.extra[a.nextra].name = "Mcp-Session-Id";
		a.extra[a.nextra++].value = r->session;
	}
	sp_conn_answer(t->c, &a, &r->json, r->json.n == 0 ? 0 : 1);
}

static void
on_answer(struct sp_exchange *x, const struct sp_reply *r)
{
	struct turn *t = of(x);

	t->s.answered = true;
	if (t->c == NULL)
		return;
	if (t->c->state == SP_CONN_STREAM)
		last_event(t, r);
	else if (is_challenge(r->st))
		challenge(t, r->st, r->scope);
	else
		whole_answer(t, r);
}

static void
on_pause(struct sp_exchange *x, uint32_t retry_ms)
{
	struct turn *t = of(x);

	if (!begin_events(t))
		return;
	sp_conn_event_retry(t->c, retry_ms);
	if (t->c != NULL)
		sp_conn_events_end(t->c);
}

static size_t
on_unread(const struct sp_exchange *x)
{
	const struct turn *t = of(x);

	return t->c == NULL ? 0 : sp_conn_unread(t->c);
}

static const struct sp_exchange_ops ops = { .send = on_send, .answer = on_answer, .pause = on_pause, .unread = on_unread };

/* ---------------------------------------------------------------- who calls */

enum auth { AUTH_OK, AUTH_WAITS, AUTH_ANSWERED };

static void
explain(struct sp_conn *c, const char *event, const struct sp_err *e, sp_slice token)
{
	uint8_t hash[32];
	char hex[20];
	struct sp_out o;

	if (!sp_hub_may_log(c->hub))
		return;
	if (token.n == 0) {
		sp_log(SP_WARN, event, SP_C("reason", e->log));
		return;
	}
	sp_sha256(token, hash);
	sp_out_init(&o, hex, sizeof hex);
	sp_out_hex(&o, hash, 8);
	sp_log(SP_WARN, event, SP_C("reason", e->log), SP_S("token", sp_out_view(&o)));
}

static void resume(void *ctx);

static enum auth
ask_chain(struct turn *t)
{
	struct sp_conn *c = t->c;
	struct sp_serving *s = t->site->serving;
	bool may_wait = s->loop != NULL && t->tries++ < TRIES;
	struct sp_err e = { 0 };
	enum sp_status st = sp_chain_ask(s->chain, t->s.x.token, sp_hub_now(c->hub), c->hub->io->now_s(c->hub), &t->s.x.who,
	    may_wait ? &t->wait : NULL, resume, t, &e);

	if (st == SP_OK) {
		t->s.x.signed_in = true;
		return AUTH_OK;
	}
	if (st == SP_E_TICKET && may_wait) {
		if (c->state != SP_CONN_HELD)
			sp_conn_hold(c, AUTH_WAIT_MS);
		return AUTH_WAITS;
	}
	explain(c, "token.rejected", &e, t->s.x.token);
	if (st == SP_E_SCOPE)
		challenge(t, st, sp_str(e.pub));
	else if (st == SP_E_BAD_TOKEN)
		challenge(t, st, nothing);
	else
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
	return AUTH_ANSWERED;
}

static enum auth
authenticate(struct turn *t)
{
	struct sp_conn *c = t->c;
	struct sp_err e = { 0 };
	bool offered;
	enum sp_status st = sp_gate_token(&c->w->http.head, &t->s.x.token, &offered, &e);

	if (st != SP_OK && st != SP_E_NO_TOKEN) {
		explain(c, "request.refused", &e, nothing);
		challenge(t, st, nothing);
		return AUTH_ANSWERED;
	}
	if (!t->s.x.has_provider)
		return AUTH_OK;
	if (st == SP_OK)
		return ask_chain(t);
	if (!offered)
		return AUTH_OK;		/* the engine knows whether a credential could help */
	challenge(t, SP_E_NO_TOKEN, nothing);
	return AUTH_ANSWERED;
}

/* ---------------------------------------------------------------- the head */

static sp_slice
one_field(const struct sp_http_head *head, sp_slice name)
{
	unsigned n;
	const struct sp_http_field *f = sp_http_find(head, name, &n);

	return n == 1 ? f->value : nothing;
}

/* The caller is known. */
static enum sp_take
admit(struct turn *t)
{
	struct sp_conn *c = t->c;
	const struct sp_http_head *head = &c->w->http.head;
	struct sp_err e = { 0 };
	enum sp_status st = sp_gate_method(head, one_field(head, SP_LIT("mcp-session-id")).n != 0, &e);

	if (st == SP_OK && head->has_length && head->length > t->site->max_body)
		st = SP_E_TOO_BIG;
	t->s.x.streams = sp_gate_takes_events(head);
	c->w->http.lim.body = t->site->max_body;
	if (st == SP_OK)
		return SP_TAKE_BODY;
	if (st == SP_E_METHOD)
		sp_answer_method(c, sp_gate_allow(head));
	else
		sp_answer_status(c, st, sp_str(e.pub));
	return SP_TAKE_DONE;
}

static struct turn *
begin(struct sp_conn *c, struct sp_site *site)
{
	struct turn *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->s.free = turn_free;
	t->c = c;
	t->site = site;
	t->s.x = (struct sp_exchange){ .ops = &ops, .conn = c, .has_provider = site->serving->chain != NULL,
	    .peer = peer_of(c), .transport = endpoint_of(c)->transport, .head = &c->w->http.head };
	c->req = t;
	return t;
}

static enum sp_take
on_head(struct sp_conn *c)
{
	struct sp_endpoint *p = endpoint_of(c);
	struct sp_err e = { 0 };
	struct sp_site *site;
	enum sp_lib_place place;
	struct turn *t;
	enum sp_status st = sp_endpoint_find(p, &c->w->http.head, &place, &site, &e);

	if (st != SP_OK) {
		if (st != SP_E_NOT_FOUND)
			explain(c, "request.refused", &e, nothing);
		sp_answer_status(c, st, nothing);
		return SP_TAKE_DONE;
	}
	if (place == SP_LIB_AT_HEALTH) {
		sp_answer_health(c, !p->hub.draining);
		return SP_TAKE_DONE;
	}
	if (place == SP_LIB_AT_METADATA) {
		sp_answer_metadata(c, sp_out_view(&site->serving->metadata));
		return SP_TAKE_DONE;
	}
	t = begin(c, site);
	if (t == NULL) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return SP_TAKE_DONE;
	}
	switch (authenticate(t)) {
	case AUTH_OK:
		return admit(t);
	case AUTH_WAITS:
		return SP_TAKE_WAIT;
	case AUTH_ANSWERED:
		break;
	}
	return SP_TAKE_DONE;
}

/* Somebody has answered about the token. */
static void
resume(void *ctx)
{
	struct turn *t = ctx;

	t->wait = NULL;
	if (t->c != NULL && ask_chain(t) == AUTH_OK && admit(t) == SP_TAKE_BODY)
		sp_conn_go(t->c);
}

/* ---------------------------------------------------------------- the body */

static void
stream(struct turn *t)
{
	const struct sp_http_head *head = t->s.x.head;

	sp_serving_stream(t->site->serving, &t->s, one_field(head, SP_LIT("mcp-session-id")),
	    one_field(head, SP_LIT("last-event-id")));
}

static void
on_body(struct sp_conn *c)
{
	struct turn *t = turn_of(c);
	struct sp_serving *s = t->site->serving;
	enum sp_method method = c->w->http.head.method;

	sp_conn_park(c, SILENCE_MS);
	if (method == SP_GET)
		stream(t);
	else if (method == SP_DELETE)
		sp_serving_session_end(s, &t->s, one_field(t->s.x.head, SP_LIT("mcp-session-id")));
	else
		sp_serving_message(s, &t->s, c->w->body);
	/* What was not refused is a stream; t may be gone with its connection. */
	if (method == SP_GET && c->req == t && c->state == SP_CONN_PARKED)
		(void)begin_events(t);
}

/* ---------------------------------------------------------------- time, and the end */

/* A stream that is held long gives its buffers back; what the engine may still want of the head is the token. */
static void
slim(struct turn *t)
{
	static const struct sp_http_head no_head;
	sp_slice token = t->s.x.token;
	char *copy;

	if (t->slim)
		return;
	copy = token.n == 0 ? NULL : malloc(token.n);
	if (token.n != 0 && copy == NULL)
		return;
	if (copy != NULL)
		memcpy(copy, token.p, token.n);
	t->slim = true;
	t->own = t->s.x.token = (sp_slice){ copy, token.n };
	t->s.x.head = &no_head;
	sp_conn_slim(t->c);
}

/* Rights end when their token does, also in the middle of a stream. */
static void
look_again(struct turn *t)
{
	struct sp_conn *c = t->c;
	int64_t now = c->hub->io->now_s(c->hub), left = t->s.x.who == NULL ? INT64_MAX : t->s.x.who->expires_s - now;

	if (left <= 0) {
		if (c->events == SP_EVENTS_BETWEEN)
			sp_conn_events_end(c);
		else
			sp_conn_abort(c);
		return;
	}
	c->deadline_ms = sp_hub_now(c->hub) + (left < LOOK_MS / 1000 ? (uint64_t)left * 1000 : LOOK_MS);
	slim(t);
}

static void
on_late(struct sp_conn *c)
{
	struct turn *t = turn_of(c);

	if (c->state == SP_CONN_HELD) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return;
	}
	if (c->state == SP_CONN_PARKED)
		(void)begin_events(t);	/* without Accept for it there is only waiting: the engine watches its calls */
	if (t->c != NULL && c->state == SP_CONN_STREAM && c->events != SP_EVENTS_NONE)
		look_again(t);
}

static void
on_sent(struct sp_conn *c)
{
}

static void
on_end(struct sp_conn *c)
{
	struct turn *t = turn_of(c);

	t->c = NULL;
	t->s.x.head = NULL;
	if (!t->slim)
		t->s.x.token = nothing;
	if (t->wait != NULL)
		sp_chain_forget(&t->wait);
	if (c->w != NULL)
		c->w->http.lim.body = c->hub->lim.body;
	sp_serving_end(t->site->serving, &t->s);
}

const struct sp_service sp_lib_service = {
	.head = on_head, .body = on_body, .late = on_late, .sent = on_sent, .end = on_end,
};
