/*
 * Who calls.  A credential that keeper has to vouch for, or whose key is not here yet, makes the request wait before its
 * body is read: bounded in time and in number, one question for all who have the same.
 */
#include "http/answer.h"
#include "front/front.h"
#include "http/gate.h"

#include "os/role.h"

enum { TRIES = 3 };

static const sp_slice nothing = { NULL, 0 };

uint64_t
sp_front_epoch(const struct sp_front *f)
{
	return f->page == NULL ? 0 : atomic_load_explicit(&f->page->epoch, memory_order_acquire);
}

/* ---------------------------------------------------------------- one look */

static bool
is_vouched_for(const struct sp_front *f, const struct sp_principal *who)
{
	return sp_source_needs_word(SP_IMG_AT(f->img, f->img->head->sources, source, who->source));
}

/* egress will have to see what keeper signed, so it is kept as long as the verifier remembers the caller by it. */
static enum sp_status
look_token(struct sp_front *f, struct sp_req *q, struct sp_ticket_need *need, struct sp_err *e)
{
	int64_t now = sp_now_s();
	uint64_t epoch = sp_front_epoch(f);
	enum sp_status st = sp_verify_ticket(f->verifier, q->resource, q->token, q->ticket, now, epoch, &q->who, need, e);
	uint8_t hash[32];
	sp_slice kept;

	/* Where tickets are kept the next one frees the one before: it is the request's only when it counts, and copied then. */
	if (st == SP_E_TICKET) {
		kept = sp_ticket_find(f, q->resource, need->token_hash);
		if (kept.n == 0)
			return st;
		st = sp_verify_ticket(f->verifier, q->resource, q->token, kept, now, epoch, &q->who, need, e);
		if (st == SP_OK)
			q->ticket = kept;
		return st;
	}
	if (st != SP_OK || q->ticket.n != 0 || !is_vouched_for(f, q->who))
		return st;
	sp_sha256(q->token, hash);
	q->ticket = sp_ticket_find(f, q->resource, hash);
	return st;
}

/* The connection is the credential. */
static enum sp_status
look_peer(struct sp_front *f, struct sp_conn *c, struct sp_req *q, struct sp_ticket_need *need, struct sp_err *e)
{
	const struct sp_kept_ticket *t = c->mine;
	sp_slice mine = t == NULL ? nothing : sp_mem(t->text, t->n);
	enum sp_status st = sp_verify_ticket(f->verifier, q->resource, nothing, mine, sp_now_s(), sp_front_epoch(f), &q->who, need, e);

	if (st == SP_OK)
		q->ticket = mine;
	return st;
}

/* keeper said no to what one source needed. */
static enum sp_status
look_further(struct sp_front *f, struct sp_req *q, struct sp_ticket_need *need, struct sp_err *e)
{
	return sp_verify_without(f->verifier, q->resource, q->token, &q->no, sp_now_s(), sp_front_epoch(f), &q->who, need, e);
}

static enum sp_status
look(struct sp_conn *c, struct sp_req *q, struct sp_ticket_need *need, struct sp_err *e)
{
	struct sp_front *f = sp_front_of(c);

	if (q->denied)
		return look_further(f, q, need, e);
	if (q->header != 0)
		return sp_verify_from(f->verifier, q->header - 1, q->token, sp_now_s(), sp_front_epoch(f), &q->who, e);
	if (q->token.n != 0)
		return look_token(f, q, need, e);
	return look_peer(f, c, q, need, e);
}

/* SP_OK: it waits now. */
static enum sp_status
wait_for_word(struct sp_conn *c, struct sp_req *q, enum sp_status st, const struct sp_ticket_need *need)
{
	struct sp_front *f = sp_front_of(c);
	uint32_t authority;

	if (st == SP_E_TICKET)
		return q->tries++ < TRIES ? sp_ask_ticket(c, q, need) : SP_E_UNAVAILABLE;
	if (q->header != 0 || q->token.n == 0 || (st != SP_E_BAD_TOKEN && st != SP_E_UNAVAILABLE) ||
	    !sp_verifier_wants_keys(f->verifier, &authority))
		return st;
	/* No keeper to ask: nobody can tell whether the token is good. */
	return f->keeper == NULL ? SP_E_UNAVAILABLE : q->tries++ < TRIES && sp_ask_keys(c, q, authority) == SP_OK ? SP_OK : st;
}

/* ---------------------------------------------------------------- a request */

static enum sp_auth
refuse(struct sp_conn *c, struct sp_req *q, enum sp_status st, const struct sp_err *e)
{
	struct sp_front *f = sp_front_of(c);

	sp_deny_request(f, "token.rejected", e, q->token);
	if (st == SP_E_UNAVAILABLE || st == SP_E_TICKET) {
		sp_answer_status(c, SP_E_UNAVAILABLE, nothing);
		return SP_AUTH_ANSWERED;
	}
	sp_count(f->counters, f->row, SP_C_TOKENS_REFUSED_TOTAL, 1);
	sp_reply_challenge(c, st == SP_E_SCOPE ? st : SP_E_BAD_TOKEN, st == SP_E_SCOPE ? sp_str(e->pub) : nothing);
	return SP_AUTH_ANSWERED;
}

static enum sp_auth
no_credential(struct sp_conn *c, struct sp_req *q)
{
	struct sp_principal *anonymous = sp_verifier_anonymous(sp_front_of(c)->verifier);

	if (anonymous == NULL) {
		sp_reply_challenge(c, SP_E_NO_TOKEN, nothing);
		return SP_AUTH_ANSWERED;
	}
	q->who = sp_principal_hold(anonymous);
	q->ticket = nothing;
	return SP_AUTH_OK;
}

static enum sp_auth
judge(struct sp_conn *c, struct sp_req *q)
{
	struct sp_ticket_need need = { 0 };
	struct sp_err e = { 0 };
	enum sp_status st = look(c, q, &need, &e);

	if (st == SP_OK) {
		/* Where tickets are kept another may come while this request waits for its turn. */
		q->ticket = q->ticket.n == 0 ? nothing : sp_arena_copy(&c->w->arena, q->ticket);
		return SP_AUTH_OK;
	}
	/* A neighbour whom no source of type peer admits is somebody without a credential. */
	if (q->token.n == 0 && (st == SP_E_BAD_TOKEN || st == SP_E_NO_TOKEN)) {
		sp_deny_request(sp_front_of(c), "peer.not_admitted", &e, nothing);
		return no_credential(c, q);
	}
	st = wait_for_word(c, q, st, &need);
	if (st != SP_OK)
		return refuse(c, q, st, &e);
	if (c->state != SP_CONN_HELD)
		sp_conn_hold(c, SP_AUTH_WAIT_MS);
	return SP_AUTH_WAITS;
}

static enum sp_auth
bad_request(struct sp_conn *c, enum sp_status st, const struct sp_err *e)
{
	if (st != SP_E_NO_TOKEN)
		sp_deny_request(sp_front_of(c), "request.refused", e, nothing);
	sp_reply_challenge(c, st, nothing);
	return SP_AUTH_ANSWERED;
}

/* A revocation counts from the next request on, whichever front it comes to: keeper writes it to all before it raises
 * the epoch. */
static void
hear_keeper(struct sp_front *f)
{
	uint64_t epoch = sp_front_epoch(f);

	if (epoch != f->heard_epoch && f->keeper != NULL && sp_chan_catch_up(f->keeper))
		f->heard_epoch = epoch;
}

enum sp_auth
sp_auth(struct sp_conn *c)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_err e = { 0 };
	uint32_t source;
	bool offered;
	enum sp_status st;

	if (q->tries != 0)
		return judge(c, q);		/* it waited */
	hear_keeper(f);
	st = sp_gate_own(f->verifier, &c->w->http.head, &q->token, &source, &e);
	if (st == SP_OK) {
		q->header = source + 1;
		return judge(c, q);
	}
	if (st == SP_E_NO_TOKEN)
		st = sp_gate_token(&c->w->http.head, &q->token, &offered, &e);
	if (st == SP_OK)
		return judge(c, q);
	if (st != SP_E_NO_TOKEN || offered)
		return bad_request(c, st, &e);
	return c->local && f->has_peer ? judge(c, q) : no_credential(c, q);
}

enum sp_status
sp_auth_again(struct sp_conn *c, struct sp_err *e)
{
	struct sp_front *f = sp_front_of(c);
	struct sp_req *q = sp_req_of(c);
	struct sp_principal *before = q->who;
	struct sp_ticket_need need = { 0 };
	enum sp_status st;

	if (sp_front_is_anonymous(f, q))
		return SP_OK;
	st = look(c, q, &need, e);
	if (st == SP_OK) {
		sp_principal_drop(&before);
		return st;
	}
	q->who = before;
	if (st == SP_E_TICKET)
		return sp_ask_ticket(c, q, &need) == SP_OK ? SP_E_TICKET : SP_E_UNAVAILABLE;
	return st;
}
