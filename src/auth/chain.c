#include "auth/chain_int.h"

#include <stdlib.h>

/* ---------------------------------------------------------------- life */

static void
first_mistake(void *ctx, const char *text)
{
	struct sp_err *e = ctx;

	if (e->code == SP_OK)
		(void)sp_fail(e, SP_E_CONFIG, NULL, "%.380s", text);
}

static enum sp_status
begin(struct sp_chain *c, sp_slice resource, struct sp_err *e)
{
	struct sp_err first = { 0 };
	enum sp_status st = sp_crypto_init(e);

	if (st != SP_OK)
		return st;
	if (sp_provider_mistakes(c->top, first_mistake, &first)) {
		if (e != NULL)
			*e = first;
		return SP_E_CONFIG;
	}
	c->resource = sp_cstr_new(resource);
	if (c->resource == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a chain, or a NUL in the server's URL");
	if (resource.n == 0 || !sp_text_is_name(c->resource))
		return sp_fail(e, SP_E_CONFIG, NULL, "the server's URL is missing, too long or no plain text");
	sp_random_bytes(&c->seed, sizeof c->seed);
	return sp_chain_compile(c, e);
}

/* What clients are asked to get: what every caller must have, or what the metadata's provider says instead of just that. */
static void
write_challenge(struct sp_chain *c)
{
	const struct sp_auth_provider *p = c->top;
	const struct sp_texts *ask = sp_provider_required(p);

	while (p->kind == SP_PROVIDER_MULTI && p->has_server && p->required.p == NULL)
		p = p->parts[0];
	if (p->kind == SP_PROVIDER_REMOTE && p->challenge.p != NULL)
		ask = &p->challenge;
	sp_out_heap(&c->challenge, 4096);
	for (size_t i = 0; i < ask->n; i++) {
		if (i != 0)
			sp_out_byte(&c->challenge, ' ');
		sp_out_str(&c->challenge, ask->p[i]);
	}
}

enum sp_status
sp_chain_new(struct sp_auth_provider *provider, sp_slice resource, const struct sp_fetcher *fetcher, struct sp_chain **out,
    struct sp_err *e)
{
	SP_AUTO(sp_chain_free) struct sp_chain *c = calloc(1, sizeof *c);
	enum sp_status st;

	if (c == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a chain");
	if (provider == NULL)
		return sp_fail(e, SP_E_CONFIG, NULL, "there is no provider");
	c->top = provider;
	c->fetches = fetcher != NULL;
	if (fetcher != NULL) {
		c->fetcher = *fetcher;
		st = sp_secret_hold(e);
		if (st != SP_OK)
			return st;
		c->holds = true;
	}
	sp_kept_init(&c->kept);
	sp_arena_init(&c->scratch, SP_CHAIN_SCRATCH);
	st = begin(c, resource, e);
	if (st != SP_OK)
		return st;
	write_challenge(c);
	*out = c;
	c = NULL;
	return SP_OK;
}

static void
question_free(struct sp_chain_wait *q)
{
	struct sp_chain_wait **head = q->flight != NULL ? &q->flight->first : &q->c->finished;

	if (q->prev != NULL)
		q->prev->next = q->next;
	else if (*head == q)
		*head = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	q->c->nquestions--;
	sp_locked_free(q->locked);
	sp_principal_drop(&q->who);
	free(q);
}

void
sp_chain_free(struct sp_chain **cp)
{
	struct sp_chain *c = *cp;

	if (c == NULL)
		return;
	for (struct sp_flight *f = c->flights; f != NULL; f = f->next)
		while (f->first != NULL)
			question_free(f->first);
	sp_introspected_free(c);
	for (uint32_t i = 0; i < c->nkeys; i++) {
		while (c->keys[i].flight.first != NULL)
			question_free(c->keys[i].flight.first);
		if (c->keys[i].flight.running)
			c->fetcher.cancel(c->fetcher.ctx, &c->keys[i].flight.f);
	}
	while (c->finished != NULL)
		question_free(c->finished);
	for (uint32_t i = 0; i < c->nsources; i++) {
		sp_texts_free(&c->sources[i].required);
		sp_statics_free(&c->sources[i].statics);
		sp_remembered_free(&c->sources[i].said_yes);
	}
	sp_verifier_free(&c->verifier);
	sp_imgb_free(&c->built);
	sp_kept_free(&c->kept);
	sp_arena_free(&c->scratch);
	sp_out_free(&c->challenge);
	if (c->holds)
		sp_secret_drop();
	free(c->keys);
	free(c->resource);
	free(c);
	*cp = NULL;
}

/* ---------------------------------------------------------------- callers */

void
sp_chain_who(struct sp_chain *c, struct sp_who *w, uint32_t row, const uint8_t hash[32])
{
	sp_who_init(w, &c->img, row);
	sp_who_keep(w, &c->kept);
	memcpy(w->fingerprint, hash, sizeof w->fingerprint);
}

enum sp_status
sp_chain_finish(struct sp_chain *c, struct sp_who *w, struct sp_principal **who, struct sp_err *e)
{
	enum sp_status st = sp_who_settle(w, e);

	if (st != SP_OK)
		return st;
	*who = sp_who_principal(w, &c->seed);
	return *who != NULL ? SP_OK : sp_fail(e, SP_E_UNAVAILABLE, NULL, "no memory for a principal");
}

/* ---------------------------------------------------------------- sources */

/* Of a token that its source refuses no principal says so. */
static bool
has_ended(const struct sp_chain_wait *q, const struct sp_auth_provider *p)
{
	for (size_t i = 0; i < p->ntokens; i++)
		if (memcmp(p->tokens[i].hash, q->hash, sizeof q->hash) == 0)
			return p->tokens[i].expires_s <= q->c->now_s;
	return true;
}

static enum sp_status
ask_static(struct sp_chain_wait *q, const struct sp_chain_source *s, struct sp_principal **who, struct sp_err *e)
{
	const struct sp_static *t = sp_statics_find(&s->statics, q->hash);

	if (t == NULL)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "none of the known tokens");
	if (t->who == NULL && has_ended(q, s->p))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "expired");
	if (t->who == NULL)
		return sp_fail(e, t->status, t->status == SP_E_SCOPE ? t->pub : NULL, "%s", t->why);
	*who = sp_principal_hold(t->who);
	return SP_OK;
}

/* The token may not choose: an algorithm that was not written here is refused before a key is looked for. */
static enum sp_status
check_alg(struct sp_chain *c, const struct sp_chain_source *s, sp_slice token, struct sp_err *e)
{
	struct sp_jws_head h;
	enum sp_status st;

	if (s->p->algorithm == NULL)
		return SP_OK;
	st = sp_jws_peek_head(&c->scratch, token, &h, e);
	if (st == SP_OK && h.alg != sp_alg_find(sp_str(s->p->algorithm)))
		st = sp_fail(e, SP_E_BAD_TOKEN, NULL, "alg is %s, expected %s", sp_alg_name(h.alg), s->p->algorithm);
	sp_arena_reset(&c->scratch);
	return st;
}

static enum sp_status
ask_row(struct sp_chain_wait *q, const struct sp_chain_source *s, uint32_t row, struct sp_principal **who,
    struct sp_flight **wait, struct sp_err *e)
{
	struct sp_chain *c = q->c;
	enum sp_status st = check_alg(c, s, q->token, e);
	uint32_t authority;

	if (st != SP_OK)
		return st;
	if (s->keys != NULL)
		sp_keys_turn(c, s->keys);
	st = sp_verify_at(c->verifier, row, q->token, c->now_s, who, e);
	/* Who has waited for these keys already has what there is. */
	if (st == SP_OK || s->keys == NULL || q->landed != NULL || !sp_verifier_wants_keys(c->verifier, &authority))
		return st;
	if (q->patient)
		*wait = sp_keys_wanted(c, s->keys);
	return *wait != NULL ? SP_E_TICKET : st;
}

static bool
is_issuer(const struct sp_chain_source *s, sp_slice iss, size_t *nth)
{
	for (size_t i = 0; i < s->p->issuers.n; i++) {
		if (!sp_eq(sp_str(s->p->issuers.p[i]), iss))
			continue;
		*nth = i;
		return true;
	}
	return false;
}

static enum sp_status
ask_jwt(struct sp_chain_wait *q, const struct sp_chain_source *s, struct sp_principal **who, struct sp_flight **wait,
    struct sp_err *e)
{
	size_t nth = 0;

	if (!is_issuer(s, sp_mem(q->iss, q->iss_n), &nth))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "no JWT of its issuer");
	return ask_row(q, s, s->row + (uint32_t)nth, who, wait, e);
}

/* A JWT goes only where its issuer is known; what is no JWT has no issuer. */
static enum sp_status
ask_introspection(struct sp_chain_wait *q, uint32_t source, struct sp_principal **who, struct sp_flight **wait,
    struct sp_err *e)
{
	size_t nth = 0;

	if (q->jwt && !is_issuer(&q->c->sources[source], sp_mem(q->iss, q->iss_n), &nth))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a JWT of another issuer");
	return sp_introspected_ask(q, source, who, wait, e);
}

static enum sp_status
custom_facts(struct sp_chain *c, const struct sp_token_facts *f, struct sp_who *w, struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json claims = { 0 };

	if (f->subject == NULL && f->client_id == NULL)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "verify named neither subject nor client_id");
	if (f->claims != NULL && (sp_json_read(sp_str(f->claims), SP_JSON_DEFAULT, &claims, NULL) != SP_OK ||
	    !sp_jis_obj(claims.root)))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "verify gave claims that are no JSON object");
	w->user = sp_str(f->subject != NULL ? f->subject : f->client_id);
	w->client_id = f->client_id != NULL ? sp_str(f->client_id) : SP_LIT("");
	w->issuer = f->issuer != NULL ? sp_str(f->issuer) : SP_LIT("");
	if (w->client_id.n > SP_USER_MAX || w->issuer.n > SP_USER_MAX)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "verify gave a client_id or issuer of over %d bytes", SP_USER_MAX);
	w->expires_s = f->expires_at != 0 ? f->expires_at : INT64_MAX;
	c->kept.no_subject = f->subject == NULL;
	for (size_t i = 0; f->scopes != NULL && f->scopes[i] != NULL; i++)
		sp_who_scope(w, sp_str(f->scopes[i]));
	for (size_t i = 0; f->tags != NULL && f->tags[i] != NULL; i++)
		sp_who_tag(w, sp_str(f->tags[i]));
	if (claims.root != NULL)
		sp_jwrite(&c->kept.claims, claims.root);
	return SP_OK;
}

static enum sp_status
ask_custom(struct sp_chain_wait *q, const struct sp_chain_source *s, struct sp_principal **who, struct sp_err *e)
{
	struct sp_token_facts f = { 0 };
	char token[SP_TOKEN_MAX + 1];
	struct sp_out wiped;
	enum sp_status st;
	struct sp_who w;
	enum sp_rc rc;

	if (q->jwt && q->named)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a JWT of another provider's issuer");
	if (!sp_cstr(q->token, token, sizeof token))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "token holds a NUL");
	sp_out_init(&wiped, token, sizeof token);
	rc = s->p->verify(token, &f, s->p->arg);
	sp_chain_who(q->c, &w, s->row, q->hash);
	if (rc == SP_RC_OK) {
		st = custom_facts(q->c, &f, &w, e);
		if (st == SP_OK && w.expires_s <= q->c->now_s)
			st = sp_fail(e, SP_E_BAD_TOKEN, NULL, "expired");
		if (st == SP_OK)
			st = sp_chain_finish(q->c, &w, who, e);
	} else if (rc == SP_RC_UNAVAILABLE) {
		st = sp_fail(e, SP_E_UNAVAILABLE, NULL, "verify cannot tell");
	} else {
		st = sp_fail(e, SP_E_BAD_TOKEN, NULL, "verify returns %d", (int)rc);
	}
	wiped.n = q->token.n;
	sp_out_wipe(&wiped);
	return st;
}

static enum sp_status
ask_source(struct sp_chain_wait *q, struct sp_principal **who, struct sp_flight **wait, struct sp_err *e)
{
	const struct sp_chain_source *s = &q->c->sources[q->at];

	switch (s->p->kind) {
	case SP_PROVIDER_JWT:
		return ask_jwt(q, s, who, wait, e);
	case SP_PROVIDER_STATIC:
		return ask_static(q, s, who, e);
	case SP_PROVIDER_INTROSPECTION:
		return ask_introspection(q, q->at, who, wait, e);
	case SP_PROVIDER_CUSTOM:
		return ask_custom(q, s, who, e);
	default:
		return sp_fail(e, SP_E_BUG, NULL, "no source");
	}
}

/* ---------------------------------------------------------------- a question on its way */

/* Who could not answer might have accepted; a good token that lacks a scope says more than a bad one. */
static int
rank(enum sp_status st)
{
	return st == SP_E_SCOPE ? 1 : st == SP_E_BAD_TOKEN ? 0 : 2;
}

static void
refused(struct sp_chain_wait *q, enum sp_status st, const struct sp_err *why)
{
	if (q->st != SP_OK && rank(st) <= rank(q->st))
		return;
	q->st = rank(st) == 2 ? SP_E_UNAVAILABLE : st;
	q->why = *why;
	q->why.code = q->st;
	sp_err_context(&q->why, "provider %s", q->c->sources[q->at].p->name);
}

/* SP_E_TICKET: *wait says what for.  Everything else is the end, and stands in q: `who`, or the worst refusal. */
static enum sp_status
run(struct sp_chain_wait *q, struct sp_flight **wait)
{
	for (; q->at < q->c->nsources; q->at++, q->landed = NULL) {
		struct sp_err why = { 0 };
		enum sp_status st;

		*wait = NULL;
		st = ask_source(q, &q->who, wait, &why);
		/* Whatever a source makes of it: what has ended has ended (parity 8). */
		if (st == SP_OK && q->who->expires_s <= q->c->now_s) {
			sp_principal_drop(&q->who);
			st = sp_fail(&why, SP_E_BAD_TOKEN, NULL, "expired");
		}
		if (st == SP_OK || st == SP_E_TICKET)
			return st;
		refused(q, st, &why);
	}
	if (q->st == SP_OK)
		q->st = sp_fail(&q->why, SP_E_BAD_TOKEN, NULL, "nobody accepts tokens here");
	return q->st;
}

static void
look_at(struct sp_chain_wait *q)
{
	struct sp_chain *c = q->c;
	struct sp_jws_parts parts;
	size_t nth;
	sp_slice iss;

	q->jwt = sp_jws_split(q->token, &parts) == SP_OK;
	iss = q->jwt ? sp_jws_peek_iss(&c->scratch, q->token) : SP_LIT("");
	if (iss.n != 0 && iss.n < sizeof q->iss) {
		memcpy(q->iss, iss.p, iss.n);
		q->iss_n = iss.n;
	}
	sp_arena_reset(&c->scratch);
	for (uint32_t i = 0; i < c->nsources; i++)
		q->named = q->named || is_issuer(&c->sources[i], sp_mem(q->iss, q->iss_n), &nth);
}

static void
attach(struct sp_chain_wait *q, struct sp_flight *f)
{
	q->flight = f;
	q->prev = NULL;
	q->next = f->first;
	if (f->first != NULL)
		f->first->prev = q;
	f->first = q;
}

static void
detach(struct sp_chain_wait *q)
{
	if (q->prev != NULL)
		q->prev->next = q->next;
	else
		q->flight->first = q->next;
	if (q->next != NULL)
		q->next->prev = q->prev;
	q->flight = NULL;
	q->prev = q->next = NULL;
}

static void
finish(struct sp_chain_wait *q)
{
	struct sp_chain *c = q->c;

	sp_locked_free(q->locked);
	q->locked = NULL;
	q->done_ms = c->now_ms;
	q->next = c->finished;
	if (c->finished != NULL)
		c->finished->prev = q;
	c->finished = q;
	q->ready(q->ctx);
}

void
sp_chain_landed(struct sp_chain *c, struct sp_flight *f)
{
	struct sp_chain_wait *q;
	/* Only those who are here now: who comes to wait for the same keys meanwhile waits for the next flight. */
	struct sp_flight crowd = { .c = c, .first = f->first };

	f->first = NULL;
	for (q = crowd.first; q != NULL; q = q->next)
		q->flight = &crowd;
	while ((q = crowd.first) != NULL) {
		struct sp_flight *wait = NULL;

		detach(q);
		q->landed = f;
		if (run(q, &wait) == SP_E_TICKET)
			attach(q, wait);
		else
			finish(q);
	}
}

bool
sp_chain_start(struct sp_flight *f)
{
	struct sp_chain *c = f->c;

	f->running = c->fetches && c->fetcher.start(c->fetcher.ctx, &f->f);
	return f->running;
}

/* ---------------------------------------------------------------- asking */

/* Until it has its answer the caller's memory may be gone. */
static struct sp_chain_wait *
park(const struct sp_chain_wait *from)
{
	struct sp_chain_wait *q = from->c->nquestions < SP_CHAIN_QUESTIONS ? malloc(sizeof *q) : NULL;

	if (q == NULL)
		return NULL;
	*q = *from;
	q->locked = sp_locked_new(from->token.n);
	if (q->locked == NULL) {
		free(q);
		return NULL;
	}
	memcpy(q->locked, from->token.p, from->token.n);
	q->token = sp_mem(q->locked, from->token.n);
	q->c->nquestions++;
	return q;
}

static void
turn(struct sp_chain *c, uint64_t now_ms, int64_t now_s)
{
	struct sp_chain_wait *q, *next;

	c->now_ms = now_ms > c->now_ms ? now_ms : c->now_ms;
	c->now_s = now_s;
	for (q = c->finished; q != NULL; q = next) {
		next = q->next;
		if (c->now_ms - q->done_ms >= SP_CHAIN_KEPT_MS)
			question_free(q);
	}
}

/* The answer to a question like this one that has waited for it. */
static struct sp_chain_wait *
find_finished(struct sp_chain *c, const uint8_t hash[32])
{
	for (struct sp_chain_wait *q = c->finished; q != NULL; q = q->next)
		if (memcmp(q->hash, hash, sizeof q->hash) == 0)
			return q;
	return NULL;
}

static enum sp_status
give(struct sp_chain_wait *q, struct sp_principal **who, struct sp_err *e)
{
	if (q->who != NULL && q->who->expires_s <= q->c->now_s) {
		sp_principal_drop(&q->who);
		q->st = sp_fail(&q->why, SP_E_BAD_TOKEN, NULL, "expired while it waited");
	}
	if (q->who != NULL) {
		*who = q->who;
		q->who = NULL;
		return SP_OK;
	}
	if (e != NULL)
		*e = q->why;
	return q->st;
}

/* SP_E_TICKET, or q has what give() gives. */
static enum sp_status
ask(struct sp_chain *c, sp_slice token, struct sp_chain_wait *q, struct sp_flight **flight)
{
	struct sp_chain_wait *done;

	if (token.n == 0 || token.n > SP_TOKEN_MAX)
		return q->st = sp_fail(&q->why, SP_E_BAD_TOKEN, NULL, "token is empty or over %d bytes", SP_TOKEN_MAX);
	if (c->recalls && (q->who = sp_verifier_recall(c->verifier, token, c->now_s)) != NULL)
		return SP_OK;
	sp_sha256(token, q->hash);
	done = find_finished(c, q->hash);
	if (done == NULL) {
		look_at(q);
		return run(q, flight);
	}
	q->st = done->st;
	q->why = done->why;
	q->who = done->who;
	done->who = NULL;
	question_free(done);
	return q->st;
}

enum sp_status
sp_chain_ask(struct sp_chain *c, sp_slice token, uint64_t now_ms, int64_t now_s, struct sp_principal **who,
    struct sp_chain_wait **wait, void (*ready)(void *ctx), void *ctx, struct sp_err *e)
{
	struct sp_chain_wait q = { .c = c, .token = token, .patient = wait != NULL, .ready = ready, .ctx = ctx }, *parked;
	struct sp_flight *flight = NULL;

	if (wait != NULL)
		*wait = NULL;
	turn(c, now_ms, now_s);
	if (ask(c, token, &q, &flight) != SP_E_TICKET)
		return give(&q, who, e);
	parked = park(&q);
	if (parked == NULL) {
		if (flight->first == NULL)
			sp_introspected_lonely(flight);
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "too many questions wait for an authority, or no locked memory");
	}
	attach(parked, flight);
	*wait = parked;
	return sp_fail(e, SP_E_TICKET, NULL, "an authority is asked");
}

void
sp_chain_forget(struct sp_chain_wait **wp)
{
	struct sp_chain_wait *q = *wp;
	struct sp_flight *f;

	*wp = NULL;
	if (q == NULL)
		return;
	f = q->flight;
	question_free(q);
	if (f != NULL && f->first == NULL)
		sp_introspected_lonely(f);
}

sp_slice
sp_chain_challenge_scopes(const struct sp_chain *c)
{
	return sp_out_view(&c->challenge);
}
