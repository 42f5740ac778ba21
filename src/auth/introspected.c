/* RFC 7662: somebody else is asked about a token, once for all who present it at the time; yes is remembered for a while. */
#include "auth/chain_int.h"

#include <stdlib.h>

static void
flight_free(struct sp_chain *c, struct sp_flight *f)
{
	for (struct sp_flight **at = &c->flights; *at != NULL; at = &(*at)->next) {
		if (*at != f)
			continue;
		*at = f->next;
		c->nflights--;
		break;
	}
	if (f->running)
		c->fetcher.cancel(c->fetcher.ctx, &f->f);
	sp_introspect_request_free(&f->request);
	sp_principal_drop(&f->who);
	free(f);
}

void
sp_introspected_free(struct sp_chain *c)
{
	while (c->flights != NULL)
		flight_free(c, c->flights);
}

/* Where yes is remembered the answer is worth having all the same; and so are keys. */
void
sp_introspected_lonely(struct sp_flight *f)
{
	if (f->request.body != NULL && f->running && f->c->sources[f->source].said_yes == NULL)
		flight_free(f->c, f);
}

static enum sp_status
judge(struct sp_flight *f, unsigned status, sp_slice body)
{
	struct sp_chain *c = f->c;
	const struct sp_chain_source *s = &c->sources[f->source];
	sp_slice audience = sp_str(s->p->audiences.n != 0 ? s->p->audiences.p[0] : c->resource);
	struct sp_claims_want want = {
		.issuer = sp_str(s->p->issuers.n != 0 ? s->p->issuers.p[0] : ""), .audiences = &audience, .naudiences = 1,
		.now_s = c->now_s, .leeway_s = SP_CHAIN_LEEWAY_S,
	};
	int64_t exp_s = INT64_MAX;
	enum sp_status st;
	sp_jval *claims;
	struct sp_who w;

	if (status == 0)
		return sp_fail(&f->why, SP_E_UNAVAILABLE, NULL, "the introspection endpoint does not answer");
	st = sp_introspect_judge(&c->scratch, status, body, &want, &claims, &exp_s, &f->why);
	if (st != SP_OK)
		return st;
	sp_chain_who(c, &w, s->row, f->hash);
	st = sp_introspect_who(&w, claims, exp_s < INT64_MAX - SP_CHAIN_LEEWAY_S ? exp_s + SP_CHAIN_LEEWAY_S : INT64_MAX, &f->why);
	if (st == SP_OK)
		st = sp_chain_finish(c, &w, &f->who, &f->why);
	if (st == SP_OK && s->said_yes != NULL) {
		int64_t dies_s = c->now_s + (int64_t)s->p->ttl_s;

		sp_remembered_put(s->said_yes, f->hash, f->who, dies_s < exp_s ? dies_s : exp_s);
	}
	return st;
}

static void
landed(void *ctx, unsigned status, sp_slice body)
{
	struct sp_flight *f = ctx;
	struct sp_chain *c = f->c;

	f->running = false;
	f->st = judge(f, status, body);
	sp_arena_reset(&c->scratch);
	/* Out of the table first: who asks from now on asks anew, or finds what is remembered. */
	for (struct sp_flight **at = &c->flights; *at != NULL; at = &(*at)->next) {
		if (*at != f)
			continue;
		*at = f->next;
		c->nflights--;
		break;
	}
	sp_chain_landed(c, f);
	flight_free(c, f);
}

static enum sp_status
start(struct sp_chain_wait *q, uint32_t source, struct sp_flight **out, struct sp_err *e)
{
	struct sp_chain *c = q->c;
	const struct sp_auth_provider *p = c->sources[source].p;
	struct sp_flight *f = c->nflights < SP_CHAIN_FLIGHTS ? calloc(1, sizeof *f) : NULL;
	enum sp_status st;

	if (f == NULL)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "too many questions to the introspection endpoint at once");
	f->c = c;
	f->source = source;
	memcpy(f->hash, q->hash, sizeof f->hash);
	st = sp_provider_request(p, q->token, c->now_s, &f->request, e);
	if (st == SP_OK) {
		f->f = (struct sp_fetch){
			.url = sp_str(p->url), .method = SP_LIT("POST"), .content_type = SP_LIT(SP_INTROSPECT_TYPE),
			.body = f->request.content, .authorization = f->request.authorization,
			.max_answer = SP_INTROSPECT_ANSWER, .timeout_ms = p->timeout_s * 1000, .identity = source + 1, .done = landed,
			.ctx = f,
		};
		if (!sp_chain_start(f))
			st = sp_fail(e, SP_E_UNAVAILABLE, NULL, "the introspection endpoint cannot be asked now");
	}
	f->next = c->flights;
	c->flights = f;
	c->nflights++;
	if (st != SP_OK)
		flight_free(c, f);
	else
		*out = f;
	return st;
}

static enum sp_status
answer(const struct sp_flight *f, struct sp_principal **who, struct sp_err *e)
{
	*e = f->why;
	if (f->st == SP_OK)
		*who = sp_principal_hold(f->who);
	return f->st;
}

enum sp_status
sp_introspected_ask(struct sp_chain_wait *q, uint32_t source, struct sp_principal **who, struct sp_flight **wait,
    struct sp_err *e)
{
	struct sp_chain *c = q->c;
	struct sp_chain_source *s = &c->sources[source];
	struct sp_principal *p = NULL;
	struct sp_flight *f = c->flights;
	enum sp_status st = SP_OK;

	if (q->landed != NULL)
		return answer(q->landed, who, e);
	if (s->said_yes != NULL)
		p = sp_remembered_find(s->said_yes, q->hash, c->now_s);
	if (p != NULL) {
		*who = sp_principal_hold(p);
		return SP_OK;
	}
	if (!q->patient)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "the introspection endpoint would have to be asked");
	while (f != NULL && (f->source != source || memcmp(f->hash, q->hash, sizeof f->hash) != 0))
		f = f->next;
	if (f == NULL)
		st = start(q, source, &f, e);
	*wait = f;
	return st == SP_OK ? SP_E_TICKET : st;
}
