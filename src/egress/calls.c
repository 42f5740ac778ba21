/* A call's way: arguments together, token verified, decision made again, arguments checked and bound, to the pool. */
#include "base/log.h"
#include "egress/egress_int.h"
#include "os/role.h"
#include "outbound/answer.h"
#include "wire/http1.h"

#include <stdio.h>
#include <stdlib.h>

enum { SWEEP_MS = 100, SPARE_MAX = 128 };

static const sp_slice nothing = { NULL, 0 };

/* --- objects */

static struct sp_call **
bucket(struct sp_egress_front *f, uint32_t id)
{
	return &f->buckets[(id ^ id >> 16) % SP_EGRESS_BUCKETS];
}

static struct sp_call *
find(struct sp_egress_front *f, uint32_t id)
{
	struct sp_call *c = *bucket(f, id);

	while (c != NULL && c->id != id)
		c = c->hash_next;
	return c;
}

static void on_sweep(uv_timer_t *t);

static struct sp_call *
call_new(struct sp_egress_front *f, uint32_t id)
{
	struct sp_egress *eg = f->eg;
	struct sp_call *c = eg->spare, **b = bucket(f, id);

	if (c != NULL) {
		eg->spare = c->next;
		eg->nspare--;
	} else {
		c = calloc(1, sizeof *c);
		if (c == NULL)
			return NULL;
		sp_arena_init(&c->arena, 0);
	}
	c->front = f;
	c->id = id;
	c->hash_next = *b;
	*b = c;
	c->next = NULL;
	c->prev = eg->last;
	*(eg->last == NULL ? &eg->first : &eg->last->next) = c;
	eg->last = c;
	eg->ncalls++;
	if (!eg->sweeping) {
		eg->sweeping = true;
		uv_timer_start(eg->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	}
	return c;
}

static void
unlink_call(struct sp_call *c)
{
	struct sp_egress *eg = c->front->eg;
	struct sp_call **b = bucket(c->front, c->id);

	while (*b != c)
		b = &(*b)->hash_next;
	*b = c->hash_next;
	*(c->prev == NULL ? &eg->first : &c->prev->next) = c->next;
	*(c->next == NULL ? &eg->last : &c->next->prev) = c->prev;
	eg->ncalls--;
}

/* Tokens and arguments were in its memory: wiped before it serves anybody else. */
void
sp_call_end(struct sp_call *c)
{
	struct sp_egress *eg = c->front->eg;
	struct sp_arena arena;

	sp_call_ask_end(c);
	if (c->mcp != NULL)
		sp_mcp_call_free(c);
	arena = c->arena;
	unlink_call(c);
	eg->held -= c->held;
	if (c->args.p != NULL)
		sp_out_wipe(&c->args);
	sp_out_free(&c->args);
	sp_out_free(&c->result);
	sp_arena_reset(&arena);
	if (eg->nspare == SPARE_MAX) {
		sp_arena_free(&arena);
		free(c);
	} else {
		memset(c, 0, sizeof *c);
		c->arena = arena;
		c->next = eg->spare;
		eg->spare = c;
		eg->nspare++;
	}
	if (eg->draining)
		sp_egress_drain(eg);
}

/* --- time */

/* What is true of a call that is given up now. */
static void
give_up(struct sp_call *c, const char *note)
{
	if (c->mcp != NULL)
		sp_mcp_call_stop(c);
	else
		sp_pool_cancel(c->front->eg->pool, &c->job);
	sp_record_outcome(c, c->job.sent ? SP_UNKNOWN_OUTCOME : SP_NOT_SENT, 0, note);
}

static void
late(struct sp_call *c)
{
	bool sent;

	if (c->state == SP_CALL_REPLIES)
		return;			/* the front watches its reader */
	if (c->state != SP_CALL_RUNS) {
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	give_up(c, "no answer in time");
	sent = c->job.sent;
	if (!sent)
		sp_record_not_sent(c, "no connection in time");
	sp_call_tool_error(c, sent ? SP_LIT("the upstream did not answer in time; the outcome is unknown") :
	    SP_LIT("the upstream could not be reached in time; nothing was sent"));
}

static void
on_sweep(uv_timer_t *t)
{
	struct sp_egress *eg = t->data;
	uint64_t now = uv_now(t->loop);
	struct sp_call *c, *next;

	for (c = eg->first; c != NULL; c = next) {
		next = c->next;
		if (now >= c->deadline_ms)
			late(c);
		else if (c->mcp != NULL)
			sp_mcp_call_tick(c, now);
	}
	if (eg->first == NULL) {
		uv_timer_stop(t);
		eg->sweeping = false;
	}
}

/* --- deciding again */

static bool
same_set(const struct sp_image *img, struct sp_ref a, struct sp_ref b)
{
	return a.n == b.n && (a.n == 0 || memcmp(sp_img_u32(img, a), sp_img_u32(img, b), a.n * sizeof(uint32_t)) == 0);
}

/* Which credentials a tool's requests bear, as a number from 1. */
static uint32_t
identity(struct sp_egress *eg, const struct sp_call *c)
{
	uint32_t *id = &eg->identity[c->tool_index];

	if (*id != 0)
		return *id;
	for (uint32_t i = 0; i < eg->nsets && *id == 0; i++)
		if (same_set(eg->cfg.img, eg->sets[i], c->op->grants))
			*id = i + 1;
	if (*id == 0) {
		eg->sets[eg->nsets++] = c->op->grants;	/* as many places as tools */
		*id = eg->nsets;
	}
	return *id;
}

uint64_t
sp_egress_epoch(const struct sp_egress *eg)
{
	return eg->cfg.page == NULL ? 0 : atomic_load_explicit(&eg->cfg.page->epoch, memory_order_acquire);
}

/* Whatever front found out, found out again.  What only keeper could say now is not there now. */
enum sp_status
sp_egress_verify(struct sp_egress *eg, uint32_t header, sp_slice token, sp_slice ticket, struct sp_principal **who,
    struct sp_err *e)
{
	struct sp_err own = { 0 };
	uint32_t authority;
	enum sp_status st;

	e = e == NULL ? &own : e;
	if (header != 0) {
		st = header > eg->cfg.img->head->sources.n ? SP_E_BAD_TOKEN :
		    sp_verify_from(eg->verifier, header - 1, token, sp_now_s(), sp_egress_epoch(eg), who, e);
	} else if (token.n != 0 || ticket.n != 0) {
		st = sp_verify_ticket(eg->verifier, eg->server->resource, token, ticket, sp_now_s(), sp_egress_epoch(eg), who, NULL, e);
	} else {
		*who = sp_principal_hold(sp_verifier_anonymous(eg->verifier));
		st = SP_OK;
	}
	if (st == SP_E_TICKET || (st == SP_E_BAD_TOKEN && header == 0 && sp_verifier_wants_keys(eg->verifier, &authority)))
		st = SP_E_UNAVAILABLE;
	return st;
}

enum sp_status
sp_call_refusal(const struct sp_decision *d, bool known)
{
	if (d->outcome == SP_ALLOW)
		return SP_OK;
	if (d->outcome == SP_SHORT && d->manner != SP_MANNER_HIDE)
		return SP_E_SCOPE;
	if (d->outcome == SP_REFUSED_ARGS || d->outcome == SP_REFUSED)
		return SP_E_REFUSED;
	return known ? SP_E_DENIED : SP_E_NO_TOKEN;
}

/* The rules about what is called: a tool of the image, or a component that the catalogue has. */
void
sp_call_decide_rules(struct sp_call *c, const struct sp_principal *who, sp_jval *args, struct sp_decision *d,
    struct sp_component *what, uint32_t rules[SP_RULES_LEFT])
{
	const struct sp_image *img = c->front->eg->cfg.img;

	*d = (struct sp_decision){ .outcome = SP_CLOSED, .reason_rule = UINT32_MAX };
	if (c->mcp == NULL)
		*what = sp_component_of_tool(img, c->tool_index);
	if (c->mcp == NULL || sp_mcp_component(c, what, rules))
		sp_decide_component(img, who, what, c->mcp == NULL || sp_mcp_is_tool(c) ? args : NULL, d);
	else
		d->reason = "the upstream offers nothing of this name";
}

/* The reason of anything but an allowed call is in the log and the audit. */
static void
decide(struct sp_call *c, sp_slice token, sp_slice ticket, sp_jval *args, sp_slice text)
{
	struct sp_decision d = { .outcome = SP_CLOSED, .reason_rule = UINT32_MAX };
	struct sp_principal *who = NULL;
	uint32_t rules[SP_RULES_LEFT];
	struct sp_component what;
	struct sp_err e = { 0 };
	enum sp_status st = sp_egress_verify(c->front->eg, c->header, token, ticket, &who, &e);

	if (st != SP_OK) {
		d.reason = e.log;
	} else if (c->mcp != NULL && sp_mcp_is_session_only(c)) {
		/* A level of messages opens nothing: whoever has a session may set it. */
		st = who == NULL ? SP_E_NO_TOKEN : SP_OK;
	} else {
		sp_call_decide_rules(c, who, args, &d, &what, rules);
		st = sp_call_refusal(&d, who != NULL);
	}
	if (st == SP_OK && d.checks != 0)
		sp_call_ask(c, who, &what, d.checks, args, text);
	else
		sp_call_decided(c, who, &d, st, nothing, args);
	sp_principal_drop(&who);
}

static struct sp_schema *
schema_of(struct sp_egress *eg, const struct sp_call *c)
{
	struct sp_schema **s = &eg->schemas[c->tool_index];
	struct sp_err e = { 0 };

	if (*s == NULL && sp_schema_new(sp_img_str(eg->cfg.img, c->tool->schema), s, &e) != SP_OK)
		sp_log(SP_ERROR, "schema.unusable", SP_S("tool", sp_call_tool_name(c)), SP_C("why", e.log));
	return *s;
}

/* Arguments that are not acceptable are for the model to mend: a tool error with the reason. */
static void
bad_args(struct sp_call *c, enum sp_status st, const struct sp_err *e)
{
	sp_slice text = sp_bind_fault_text(st, e);

	if (text.n == 0) {
		sp_log(SP_ERROR, "call.cannot_bind", SP_S("tool", sp_call_tool_name(c)), SP_C("why", e->log));
		sp_call_error(c, SP_E_BUG, nothing, 0);
		return;
	}
	if (st == SP_E_REFUSED)
		sp_record_incident(c, "an argument aimed at a credential slot");
	sp_call_tool_error(c, text);
}

static bool
check_and_bind(struct sp_call *c, sp_jval *args)
{
	struct sp_egress *eg = c->front->eg;
	struct sp_schema *schema = schema_of(eg, c);
	struct sp_err e = { 0 };
	enum sp_status st;

	if (schema == NULL) {
		sp_call_error(c, SP_E_BUG, nothing, 0);
		return false;
	}
	st = sp_schema_check(schema, args, 0, &e);
	if (st == SP_OK)
		st = sp_bind(&c->arena, eg->cfg.img, c->tool, args, &c->req, &e);
	if (st != SP_OK)
		bad_args(c, st, &e);
	return st == SP_OK;
}

/* An upstream's schema: what of it we cannot read, it checks itself. */
static bool
check_mcp(struct sp_call *c, sp_jval *args)
{
	const struct sp_schema *schema = sp_mcp_schema(c);
	struct sp_err e = { 0 };
	enum sp_status st = schema == NULL ? SP_OK : sp_schema_check(schema, args, 0, &e);

	if (st != SP_OK)
		bad_args(c, st, &e);
	return st == SP_OK;
}

static bool
credentials_ready(struct sp_call *c)
{
	struct sp_egress *eg = c->front->eg;
	sp_slice missing = c->op == NULL ? nothing : sp_creds_missing(eg, c->op);

	if (eg->scrub != NULL && missing.n == 0)
		return true;
	sp_log(SP_ERROR, "call.no_secret", SP_S("tool", sp_call_tool_name(c)), SP_S("secret", missing));
	sp_call_tool_error(c, SP_LIT("the credential for this tool is not available; the operator's log names it"));
	return false;
}

static void
submit(struct sp_call *c)
{
	struct sp_egress *eg = c->front->eg;

	c->state = SP_CALL_RUNS;
	c->job.identity = identity(eg, c);
	c->job.origin = c->op->origin;
	c->job.safe = c->op->method == SP_GET || c->op->method == SP_HEAD;
	c->job.no_body = c->op->method == SP_HEAD;
	c->job.body = c->req.has_body ? c->req.body : nothing;
	if (sp_pool_submit(eg->pool, &c->job) != SP_OK)
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
}

/* `say`: what a check has to say to the caller. */
void
sp_call_decided(struct sp_call *c, const struct sp_principal *who, const struct sp_decision *d, enum sp_status st, sp_slice say,
    sp_jval *args)
{
	if (c->mcp != NULL && st == SP_OK)
		sp_mcp_call_who(c, who);
	sp_record_begin(c, who, d);
	if (st != SP_OK) {
		sp_record_denied(c, st, d);
		if (st == SP_E_REFUSED && say.n == 0)
			say = SP_LIT("refused: these arguments are not allowed");
		sp_call_error(c, st, st == SP_E_REFUSED ? say : nothing, 1);
	} else if (c->mcp != NULL) {
		if (check_mcp(c, args) && credentials_ready(c))
			sp_mcp_call_start(c, args);
	} else if (check_and_bind(c, args) && credentials_ready(c)) {
		submit(c);
	}
}

/* The whole of it, in one go when front sent everything at once. */
static void
run(struct sp_call *c, sp_slice token, sp_slice ticket, sp_slice text)
{
	struct sp_egress *eg = c->front->eg;
	const struct sp_json_limits lim = { (unsigned)eg->cfg.img->head->limit_depth, 0 };
	sp_jval *args = NULL;
	struct sp_err e = { 0 };
	enum sp_status st;

	if (!sp_record_room(eg)) {
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
		return;
	}
	st = sp_json_read_arena(&c->arena, text.n == 0 ? SP_LIT("{}") : text, lim, &args, &e);
	if (st != SP_OK || !sp_jis_obj(args)) {
		sp_call_error(c, SP_E_BAD_PARAMS, SP_LIT("arguments: not an acceptable JSON object"), 0);
		return;
	}
	decide(c, token, ticket, args, text.n == 0 ? SP_LIT("{}") : text);
}

static bool
has_keeper(const struct sp_egress *eg)
{
	return eg->tokens_synced && eg->secrets_synced;
}

static bool
is_ready(const struct sp_call *c)
{
	return has_keeper(c->front->eg) && (c->mcp == NULL || sp_mcp_known(c->front->eg->mcp));
}

static void
complete(struct sp_call *c)
{
	struct sp_egress *eg = c->front->eg;

	if (is_ready(c)) {
		run(c, c->token, c->ticket, sp_out_view(&c->args));
		return;
	}
	c->state = SP_CALL_HELD;
	if (c->mcp != NULL && has_keeper(eg))
		sp_mcp_hold(c);
}

void
sp_call_resume(struct sp_call *c)
{
	if (c->state == SP_CALL_HELD)
		complete(c);
}

void
sp_calls_resume(struct sp_egress *eg)
{
	struct sp_call *c, *next;

	for (c = eg->first; c != NULL; c = next) {
		next = c->next;
		sp_call_resume(c);
	}
}

/* --- messages of a front */

static void
refuse(struct sp_egress_front *f, uint32_t id)
{
	struct sp_m_call_error m = { .id = id, .status = SP_E_UNAVAILABLE, .retry_after_s = 1 };

	sp_enc_call_error(sp_chan_begin(f->ch, SP_M_CALL_ERROR), &m);
	sp_chan_end(f->ch);
}

/* Front may send what its credit allows; all of it is wanted, so it is given back as it comes. */
static void
give_credit(struct sp_call *c)
{
	struct sp_m_credit m = { .id = c->id };

	if (c->args_total <= SP_CREDIT || c->args.n - c->granted < SP_CREDIT / 4 || c->args.n == c->args_total)
		return;
	m.bytes = (uint32_t)c->args.n - c->granted;
	c->granted = (uint32_t)c->args.n;
	sp_enc_credit(sp_chan_begin(c->front->ch, SP_M_CREDIT), &m);
	sp_chan_end(c->front->ch);
}

/* Keeps what came, because more is to come or keeper is late.  False: the call is over. */
static bool
keep(struct sp_call *c, const struct sp_m_call *m)
{
	struct sp_egress *eg = c->front->eg;

	c->held = c->args_total;
	eg->held += c->held;
	sp_out_heap(&c->args, c->args_total);
	sp_out_slice(&c->args, m->args);
	c->token = sp_arena_copy(&c->arena, m->token);
	c->ticket = sp_arena_copy(&c->arena, m->ticket);
	if (eg->held <= SP_EGRESS_HELD && !c->args.full && c->token.p != NULL && c->ticket.p != NULL)
		return true;
	sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
	return false;
}

static uint64_t
arena_limit(const struct sp_call *c)
{
	return (uint64_t)c->args_total * 24 + 262144;
}

/* What the call is about; false: it is about nothing of this egress. */
static bool
take_target(struct sp_call *c, const struct sp_m_call *m)
{
	struct sp_egress *eg = c->front->eg;

	if (m->tool == UINT32_MAX)
		return eg->mcp != NULL && sp_mcp_call_new(c, m);
	c->tool = SP_IMG_AT(eg->cfg.img, eg->cfg.img->head->tools, tool, m->tool);
	c->tool_index = m->tool;
	if (c->tool->server != eg->cfg.index || c->tool->op.n != 1)
		return false;
	c->op = SP_IMG_AT(eg->cfg.img, c->tool->op, op, 0);
	return true;
}

static bool
take_call(struct sp_call *c, const struct sp_m_call *m)
{
	const struct sp_img_head *h = c->front->eg->cfg.img->head;

	c->args_total = m->args_total;
	c->arena.max = (size_t)arena_limit(c);
	c->began_us = sp_mono_us();
	c->deadline_ms = uv_now(c->front->eg->cfg.loop) + (m->deadline_ms < h->call_ms ? m->deadline_ms : h->call_ms);
	c->state = SP_CALL_ARGS;
	c->header = m->header;
	c->session = sp_arena_copy(&c->arena, m->session);
	c->rpc_id = sp_arena_copy(&c->arena, m->rpc_id);
	c->peer = sp_arena_copy(&c->arena, m->peer);
	return take_target(c, m);
}

static bool
on_call(struct sp_egress_front *f, const struct sp_m_call *m)
{
	struct sp_egress *eg = f->eg;
	const struct sp_img_head *h = eg->cfg.img->head;
	struct sp_call *c;

	if ((m->tool >= h->tools.n && m->tool != UINT32_MAX) || m->args.n > m->args_total || find(f, m->id) != NULL)
		return false;
	c = eg->ncalls >= SP_EGRESS_CALLS ? NULL : call_new(f, m->id);
	if (c == NULL) {
		refuse(f, m->id);
		return true;
	}
	if (!take_call(c, m)) {
		sp_call_end(c);
		return false;
	}
	/* Front writes arguments anew: escapes may make them longer than the body was, never by more than this. */
	if (m->args_total > h->limit_body * 6 + 4096)
		sp_call_error(c, SP_E_TOO_BIG, nothing, 0);
	else if (m->args.n == m->args_total && is_ready(c))
		run(c, m->token, m->ticket, m->args);
	else if (keep(c, m) && m->args.n == m->args_total)
		complete(c);
	else if (find(f, m->id) == c)
		give_credit(c);
	return true;
}

static bool
on_data(struct sp_egress_front *f, const struct sp_m_data *m)
{
	struct sp_call *c = find(f, m->id);

	/* Its call may have ended here while this was under way. */
	if (c == NULL || c->state != SP_CALL_ARGS)
		return true;
	if (m->part.n == 0 || m->part.n > c->args_total - c->args.n)
		return false;
	sp_out_slice(&c->args, m->part);
	if (c->args.full)
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
	else if (c->args.n == c->args_total)
		complete(c);
	else
		give_credit(c);
	return true;
}

static bool
on_credit(struct sp_egress_front *f, const struct sp_m_credit *m)
{
	struct sp_call *c = find(f, m->id);

	if (c == NULL || c->state != SP_CALL_REPLIES)
		return true;
	if (m->bytes > 2 * SP_CREDIT || c->credit + m->bytes > 2 * SP_CREDIT)
		return false;
	c->credit += m->bytes;
	sp_call_push(c);
	return true;
}

static void
cancel(struct sp_call *c)
{
	if (c->state == SP_CALL_RUNS)
		give_up(c, "cancelled");
	sp_call_end(c);
}

static bool
on_cancel(struct sp_egress_front *f, const struct sp_m_id *m)
{
	struct sp_call *c = find(f, m->id);

	if (c != NULL)
		cancel(c);
	else
		(void)sp_listen_cancel(f, m->id);
	return true;
}

/* Any front may hear of it; the call may be another's, and ends there without a result. */
static bool
on_annul(struct sp_egress *eg, const struct sp_m_annul *m)
{
	sp_slice session = sp_mem(m->session, sizeof m->session);
	struct sp_call *c = eg->first;

	while (c != NULL && (!sp_eq(c->session, session) || !sp_eq(c->rpc_id, m->rpc_id)))
		c = c->next;
	if (c == NULL || c->state == SP_CALL_REPLIES)
		return true;
	if (c->state == SP_CALL_RUNS)
		give_up(c, "cancelled");
	sp_call_error(c, SP_E_CANCELLED, nothing, 0);
	return true;
}

bool
sp_front_message(void *ctx, struct sp_chan *ch, unsigned type, sp_slice body, const int *fds, unsigned nfds)
{
	struct sp_egress_front *f = ctx;
	union {
		struct sp_m_call call;
		struct sp_m_data data;
		struct sp_m_credit credit;
		struct sp_m_id id;
		struct sp_m_annul annul;
		struct sp_m_listen listen;
	} m;

	switch (type) {
	case SP_M_CALL:
		return sp_dec_call(body, &m.call) && on_call(f, &m.call);
	case SP_M_DATA:
		return sp_dec_data(body, &m.data) && on_data(f, &m.data);
	case SP_M_CREDIT:
		return sp_dec_credit(body, &m.credit) && on_credit(f, &m.credit);
	case SP_M_CANCEL:
		return sp_dec_id(body, &m.id) && on_cancel(f, &m.id);
	case SP_M_ANNUL:
		return sp_dec_annul(body, &m.annul) && on_annul(f->eg, &m.annul);
	case SP_M_LISTEN:
		return sp_dec_listen(body, &m.listen) && find(f, m.listen.id) == NULL && sp_listen_message(f, &m.listen);
	default:
		return false;
	}
}

void
sp_calls_cancel_front(struct sp_egress_front *f)
{
	struct sp_call *c, *next;

	for (c = f->eg->first; c != NULL; c = next) {
		next = c->next;
		if (c->front == f)
			cancel(c);
	}
}

/* --- the pool's questions */

static struct sp_call *
call_of(struct sp_pool_job *job)
{
	return (struct sp_call *)(void *)job;	/* its first member */
}

static enum sp_status
on_head(void *ctx, struct sp_pool_job *job, struct sp_out *o)
{
	struct sp_egress *eg = ctx;
	struct sp_call *c = call_of(job);
	const struct sp_inject in = { eg->cfg.img, eg->server, eg->secrets };
	struct sp_err e = { 0 };
	enum sp_status st = sp_inject(&in, c->op, &c->req, o, &e);

	if (st == SP_OK)
		sp_count(eg->cfg.counters, eg->cfg.row, SP_C_UPSTREAM_REQUESTS_TOTAL, 1);
	if (st == SP_OK && !sp_record_intent(c)) {
		sp_out_wipe(o);
		c->ring_full = true;
		st = sp_fail(&e, SP_E_UNAVAILABLE, NULL, "the audit ring is full");
	}
	if (st != SP_OK)
		(void)snprintf(c->why, sizeof c->why, "%s", e.log);
	return st;
}

static void
on_refused(struct sp_call *c, enum sp_status st)
{
	sp_log(SP_ERROR, "call.not_sent", SP_S("tool", sp_call_tool_name(c)), SP_C("why", c->why));
	if (st == SP_E_REFUSED)
		sp_record_incident(c, "a request was not what its credential is granted for");
	sp_record_outcome(c, SP_NOT_SENT, 0, "refused at the last moment");
	if (c->ring_full)
		sp_call_error(c, SP_E_UNAVAILABLE, nothing, 1);
	else
		sp_call_tool_error(c, sp_inject_fault_text(st));
}

static void
on_failed(void *ctx, struct sp_pool_job *job, enum sp_pool_fault fault, enum sp_status st, unsigned status,
    const char *why)
{
	struct sp_call *c = call_of(job);

	if (fault == SP_POOL_REFUSED) {
		on_refused(c, st);
		return;
	}
	sp_count(c->front->eg->cfg.counters, c->front->eg->cfg.row, SP_C_UPSTREAM_ERRORS_TOTAL, 1);
	sp_log(SP_WARN, "call.failed", SP_S("tool", sp_call_tool_name(c)), SP_C("why", why), SP_U("status", status));
	if (fault == SP_POOL_UNREACHABLE && !c->intent)
		sp_record_not_sent(c, why);
	sp_record_outcome(c, !job->sent ? SP_NOT_SENT : status != 0 ? SP_FAILED : SP_UNKNOWN_OUTCOME, status, why);
	sp_call_tool_error(c, sp_pool_fault_text(fault, job->sent));
}

static void
on_answer(void *ctx, struct sp_pool_job *job, const struct sp_pool_answer *a)
{
	sp_call_answer(call_of(job), a);
}

bool
sp_egress_dial(void *ctx, uint32_t id, uint32_t origin)
{
	struct sp_egress *eg = ctx;
	struct sp_m_dial m = { id, origin };
	char buf[16];
	struct sp_out o;

	if (eg->dialer == NULL)
		return false;
	sp_out_init(&o, buf, sizeof buf);
	sp_enc_dial(&o, &m);
	return sp_chan_send(eg->dialer, SP_M_DIAL, sp_out_view(&o), NULL, 0) == SP_OK;
}

const struct sp_pool_ops sp_call_pool_ops = {
	.head = on_head, .answer = on_answer, .failed = on_failed, .dial = sp_egress_dial,
};
