#include "oauth/verifier_int.h"

#include <stdlib.h>

enum { DAY_S = 86400, SCRATCH_MAX = 4 << 20 };

static bool
takes_jwt(const struct sp_img_source *s)
{
	return (s->type == SP_SOURCE_JWT || s->type == SP_SOURCE_REMOTE) && s->endpoint == 0;
}

static enum sp_status
jwt_open(const struct sp_image *img, const struct sp_img_source *s, struct sp_vsource *out, struct sp_err *e)
{
	if (s->issuer.n == 0 || (s->audiences.n == 0 && s->own_audience == 0))
		return sp_fail(e, SP_E_CONFIG, NULL, "issuer or audience is empty");
	/* RFC 8725 section 3.2: what verifies a signature and what makes a MAC never serve the same source. */
	if ((s->authority != 0) + (s->keys_ref.n != 0) + (s->keys.n != 0) > 1)
		return sp_fail(e, SP_E_CONFIG, NULL, "its keys come from more than one place");
	out->audiences = calloc(s->audiences.n + 1u, sizeof *out->audiences);
	if (out->audiences == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a source");
	for (uint32_t i = 0; i < s->audiences.n; i++)
		out->audiences[i] = sp_img_text(img, s->audiences, i);
	if (s->authority != 0 || s->keys_ref.n != 0)
		return SP_OK;
	/* HS* secrets are keeper's: what reads an image gets public keys only. */
	return sp_keyset_read(sp_img_str(img, s->keys), false, &out->keys, e);
}

static enum sp_status
sources_open(struct sp_verifier *v, struct sp_err *e)
{
	const struct sp_img_head *h = v->img->head;

	v->sources = calloc(h->sources.n + 1, sizeof *v->sources);
	v->authorities = calloc(h->authorities.n + 1, sizeof *v->authorities);
	if (v->sources == NULL || v->authorities == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for sources");
	v->nsources = h->sources.n;
	v->nauthorities = h->authorities.n;
	for (uint32_t i = 0; i < v->nsources; i++) {
		const struct sp_img_source *s = SP_IMG_AT(v->img, h->sources, source, i);
		enum sp_status st;

		v->sources[i].img = s;
		sp_statement_source(sp_img_str(v->img, s->name), v->sources[i].name);
		st = takes_jwt(s) ? jwt_open(v->img, s, &v->sources[i], e) : SP_OK;
		if (st != SP_OK) {
			sp_err_context(e, "source %.*s", SP_PRI(sp_img_str(v->img, s->name)));
			return st;
		}
	}
	return SP_OK;
}

static enum sp_status
anonymous_open(struct sp_verifier *v, struct sp_err *e)
{
	uint32_t nth = v->img->head->anonymous;
	struct sp_err why;
	struct sp_who w;

	if (nth == 0)
		return SP_OK;
	if (nth > v->img->head->sources.n)
		return sp_fail(e, SP_E_CONFIG, NULL, "the anonymous source does not exist");
	sp_who_init(&w, v->img, nth - 1);
	if (sp_who_settle(&w, &why) != SP_OK)
		return sp_fail(e, SP_E_CONFIG, NULL, "source %.*s: %s", SP_PRI(sp_img_str(v->img, w.src->name)), why.log);
	v->anonymous = sp_who_principal(&w, &v->seed);
	if (v->anonymous == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a principal");
	sp_principal_pin(v->anonymous);
	return SP_OK;
}

enum sp_status
sp_verifier_new(const struct sp_image *img, uint32_t cache_entries, struct sp_hash_key seed,
    struct sp_verifier **out, struct sp_err *e)
{
	SP_AUTO(sp_verifier_free) struct sp_verifier *v = calloc(1, sizeof *v);
	enum sp_status st;

	if (v == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a verifier");
	v->img = img;
	v->seed = seed;
	v->latest_s = INT64_MIN;
	sp_arena_init(&v->scratch, SCRATCH_MAX);
	st = sp_crypto_init(e);
	if (st == SP_OK)
		st = sp_who_check_image(img, e);
	if (st == SP_OK)
		st = sources_open(v, e);
	if (st == SP_OK)
		st = anonymous_open(v, e);
	if (st != SP_OK)
		return st;
	v->cache = sp_cache_new(cache_entries, seed);
	if (v->cache == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for the token cache");
	*out = v;
	v = NULL;
	return SP_OK;
}

void
sp_verifier_free(struct sp_verifier **vp)
{
	struct sp_verifier *v = *vp;

	if (v == NULL)
		return;
	for (uint32_t i = 0; i < v->nsources; i++) {
		sp_keyset_free(&v->sources[i].keys);
		free(v->sources[i].audiences);
		sp_statics_free(&v->sources[i].statics);
	}
	for (uint32_t i = 0; i < v->nauthorities; i++)
		sp_keyset_free(&v->authorities[i].keys);
	free(v->sources);
	free(v->authorities);
	free(v->anonymous);
	if (v->kept != NULL)
		sp_kept_free(v->kept);
	free(v->kept);
	sp_pkey_free(&v->statement_key);
	sp_cache_free(&v->cache);
	sp_arena_free(&v->scratch);
	free(v);
	*vp = NULL;
}

struct sp_principal *
sp_verifier_anonymous(struct sp_verifier *v)
{
	return v->anonymous;
}

/* A token once seen expired stays expired when the clock is set back; a jump of over a day repairs a wrong clock. */
static int64_t
steady(struct sp_verifier *v, int64_t now_s)
{
	if (now_s > v->latest_s || v->latest_s - now_s > DAY_S)
		v->latest_s = now_s;
	return v->latest_s;
}

/* ---------------------------------------------------------------- the chain */

/* keeper may yet accept; who could not answer might have; a good token that lacks a scope says more than a bad one. */
static int
rank(enum sp_status st)
{
	return st == SP_E_TICKET ? 3 : st == SP_E_SCOPE ? 1 : st == SP_E_BAD_TOKEN ? 0 : 2;
}

enum sp_status
sp_verifier_worse(const struct sp_verifier *v, uint32_t source, enum sp_status so_far, enum sp_status st,
    const struct sp_err *why, struct sp_err *e)
{
	if (so_far != SP_OK && rank(st) <= rank(so_far))
		return so_far;
	if (e != NULL) {
		*e = *why;
		sp_err_context(e, "source %.*s", SP_PRI(sp_img_str(v->img, v->sources[source].img->name)));
	}
	return st;
}

struct sp_claims_want
sp_verifier_want(const struct sp_verifier *v, uint32_t source, const struct sp_asking *q)
{
	const struct sp_vsource *s = &v->sources[source];
	struct sp_claims_want want = {
		.issuer = sp_img_str(v->img, s->img->issuer), .audiences = s->audiences,
		.naudiences = s->img->audiences.n, .now_s = q->now_s, .leeway_s = SP_LEEWAY_S,
	};

	/* RFC 8707, threat row B01: what was given for one resource is not taken by another. */
	if (s->img->own_audience != 0)
		want.resource = sp_img_str(v->img, SP_IMG_AT(v->img, v->img->head->resources, resource, q->resource)->url);
	return want;
}

void
sp_verifier_who(struct sp_verifier *v, struct sp_who *w, uint32_t source)
{
	sp_who_init(w, v->img, source);
	sp_who_keep(w, v->kept);
}

enum sp_status
sp_verifier_finish(struct sp_verifier *v, struct sp_asking *q, struct sp_who *w, struct sp_err *e)
{
	memcpy(w->fingerprint, q->hash, sizeof w->fingerprint);
	q->who = sp_who_principal(w, &v->seed);
	return q->who != NULL ? SP_OK : sp_fail(e, SP_E_UNAVAILABLE, NULL, "no memory for a principal");
}

/* One source's judgement of a JWT whose unverified issuer is the source's. */
static enum sp_status
ask(struct sp_verifier *v, uint32_t i, struct sp_asking *q, struct sp_err *e)
{
	struct sp_claims_want want = sp_verifier_want(v, i, q);
	const struct sp_keyset *keys;
	struct sp_verified open;
	int64_t exp_s = 0;
	enum sp_status st;
	sp_jval *claims;
	struct sp_who w;

	if (v->sources[i].img->endpoint != 0)
		return sp_verifier_ask_endpoint(v, i, q, e);
	if (v->sources[i].img->keys_ref.n != 0)
		return sp_verifier_ask_mac(v, i, q, e);
	keys = sp_verifier_keyset(v, i, q->token, &st, e);
	if (keys == NULL)
		return st;
	st = sp_jws_open(&v->scratch, q->token, keys, &open, e);
	if (st != SP_OK) {
		sp_verifier_note_unknown(v, i, q->token);
		return st;
	}
	sp_verifier_who(v, &w, i);
	st = sp_claims_check(&v->scratch, &open, &want, &claims, &exp_s, e);
	if (st == SP_OK)
		st = sp_who_claims(&w, claims, e);
	if (st == SP_OK)
		st = sp_who_settle(&w, e);
	if (st != SP_OK)
		return st;
	w.expires_s = exp_s + SP_LEEWAY_S;
	/* Within the leeway a token is accepted but verified each time: an entry never outlives `exp`. */
	q->dies_s = exp_s;
	return sp_verifier_finish(v, q, &w, e);
}

/* `iss` NULL: text that is no JWT, which only endpoints judge. */
static bool
serves(const struct sp_verifier *v, const struct sp_img_source *s, sp_slice iss)
{
	if (iss.p == NULL)
		return s->endpoint != 0;
	return (takes_jwt(s) || s->endpoint != 0) && sp_eq(sp_img_str(v->img, s->issuer), iss);
}

/* The first that accepts: so nobody after an endpoint is asked before that has had its say, unless nobody will ask it. */
static enum sp_status
ask_sources(struct sp_verifier *v, sp_slice iss, struct sp_asking *q, struct sp_err *e)
{
	enum sp_status st = SP_OK;
	struct sp_err why;

	for (uint32_t i = 0; i < v->nsources; i++) {
		const struct sp_img_source *s = v->sources[i].img;
		enum sp_status one;

		if (!serves(v, s, iss))
			continue;
		one = ask(v, i, q, &why);
		if (one == SP_OK)
			return SP_OK;
		st = sp_verifier_worse(v, i, st, one, &why, e);
		if (one == SP_E_TICKET && s->endpoint != 0 && q->need != NULL)
			break;
	}
	return st;
}

static enum sp_status
ask_token(struct sp_verifier *v, struct sp_asking *q, struct sp_err *e)
{
	sp_slice iss = sp_jws_peek_iss(&v->scratch, q->token);
	bool jwt = iss.p != NULL || sp_jws_has_form(&v->scratch, q->token);
	enum sp_status st;

	if (jwt && iss.p == NULL)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "neither a static token nor a JWT with an issuer");
	st = ask_sources(v, iss, q, e);
	if (st != SP_OK || q->who != NULL)
		return st;
	return jwt ? sp_fail(e, SP_E_BAD_TOKEN, NULL, "no source has the issuer %.*s", SP_PRI(iss)) :
	    sp_fail(e, SP_E_BAD_TOKEN, NULL, "neither a static token nor a JWT with an issuer, and no source has an introspection_url");
}

/* The epoch of what a source's callers were verified with. */
static uint64_t
inner_epoch(const struct sp_verifier *v, uint32_t source)
{
	const struct sp_img_source *s = v->sources[source].img;

	if (s->authority != 0)
		return v->authorities[s->authority - 1].epoch;
	return sp_source_needs_word(s) ? v->statement_epoch : 0;
}

static struct sp_principal *
remembered(struct sp_verifier *v, const struct sp_asking *q, uint64_t epoch)
{
	uint64_t inner = 0;
	struct sp_principal *p = sp_cache_find(v->cache, q->resource, q->hash, q->now_s, epoch, &inner);

	if (p == NULL || inner == inner_epoch(v, p->source))
		return p;
	sp_cache_del(v->cache, q->resource, q->hash);
	return NULL;
}

/* A connection has no token: what is remembered is its ticket, under a hash that no token's text can have. */
static void
hash_ticket(sp_slice ticket, uint8_t out[32])
{
	char buf[21 + 32] = "sallyport peer ticket";

	sp_sha256(ticket, (uint8_t *)buf + 21);
	sp_sha256(sp_mem(buf, sizeof buf), out);
}

static void
remember(struct sp_verifier *v, const struct sp_asking *q, uint64_t epoch)
{
	struct sp_cache_life life = { q->dies_s, epoch, inner_epoch(v, q->who->source) };

	if (q->dies_s > q->now_s)
		sp_cache_put(v->cache, q->resource, q->hash, q->who, &life);
}

static enum sp_status
answer(struct sp_verifier *v, struct sp_asking *q, uint64_t epoch, struct sp_principal **who, struct sp_err *e)
{
	struct sp_principal *p = remembered(v, q, epoch);
	enum sp_status st;

	v->wants = 0;
	if (p != NULL) {
		*who = sp_principal_hold(p);
		return SP_OK;
	}
	if (q->token.n == 0)
		st = sp_verifier_ask_peer(v, q, e);
	else if (sp_starts(q->token, SP_LIT("spt_")))
		st = sp_verifier_ask_static(v, 0, SP_LIT(""), q, e);
	else
		st = ask_token(v, q, e);
	sp_arena_reset(&v->scratch);
	if (st != SP_OK)
		return st;
	remember(v, q, epoch);
	*who = q->who;
	return SP_OK;
}

static enum sp_status
verify(struct sp_verifier *v, struct sp_asking *q, struct sp_principal **who, struct sp_err *e)
{
	if (q->need != NULL)
		*q->need = (struct sp_ticket_need){ 0 };
	if (q->resource >= v->img->head->resources.n)
		return sp_fail(e, SP_E_BUG, NULL, "no such resource");
	if (q->token.n > SP_TOKEN_MAX)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "token is over %d bytes", SP_TOKEN_MAX);
	if (q->token.n != 0)
		sp_sha256(q->token, q->hash);
	else
		hash_ticket(q->ticket, q->hash);
	return answer(v, q, q->epoch, who, e);
}

enum sp_status
sp_verify_ticket(struct sp_verifier *v, uint32_t resource, sp_slice token, sp_slice ticket, int64_t now_s,
    uint64_t epoch, struct sp_principal **who, struct sp_ticket_need *need, struct sp_err *e)
{
	struct sp_asking q = { .token = token, .ticket = ticket, .resource = resource, .need = need, .now_s = steady(v, now_s),
	    .epoch = epoch, .dies_s = INT64_MIN };

	return verify(v, &q, who, e);
}

enum sp_status
sp_verify_without(struct sp_verifier *v, uint32_t resource, sp_slice token, const struct sp_ticket_no *no, int64_t now_s,
    uint64_t epoch, struct sp_principal **who, struct sp_ticket_need *need, struct sp_err *e)
{
	struct sp_asking q = { .token = token, .no = no, .resource = resource, .need = need, .now_s = steady(v, now_s),
	    .epoch = epoch, .dies_s = INT64_MIN };

	return verify(v, &q, who, e);
}

enum sp_status
sp_verify(struct sp_verifier *v, uint32_t resource, sp_slice token, int64_t now_s, uint64_t epoch,
    struct sp_principal **who, struct sp_err *e)
{
	if (token.n == 0)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "token is empty");
	return sp_verify_ticket(v, resource, token, SP_LIT(""), now_s, epoch, who, NULL, e);
}

enum sp_status
sp_verify_from(struct sp_verifier *v, uint32_t source, sp_slice token, int64_t now_s, uint64_t epoch,
    struct sp_principal **who, struct sp_err *e)
{
	struct sp_asking q = { .token = token, .now_s = steady(v, now_s) };
	enum sp_status st;

	v->wants = 0;
	if (source >= v->nsources || v->sources[source].img->header.n == 0)
		return sp_fail(e, SP_E_BUG, NULL, "a source without a header of its own");
	if (token.n == 0 || token.n > SP_TOKEN_MAX)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "token is empty or over %d bytes", SP_TOKEN_MAX);
	sp_sha256(token, q.hash);
	st = sp_verifier_ask_static(v, source, sp_img_str(v->img, v->sources[source].img->header), &q, e);
	if (st == SP_OK)
		*who = q.who;
	return st;
}

/* ---------------------------------------------------------------- one process alone */

enum sp_status
sp_verifier_keep(struct sp_verifier *v, struct sp_err *e)
{
	if (v->kept == NULL)
		v->kept = malloc(sizeof *v->kept);
	if (v->kept == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for facts");
	sp_kept_init(v->kept);
	return SP_OK;
}

void
sp_verifier_macs(struct sp_verifier *v, sp_mac_judge_fn judge, void *ctx)
{
	v->judge_mac = judge;
	v->judge_ctx = ctx;
}

struct sp_principal *
sp_verifier_recall(struct sp_verifier *v, sp_slice token, int64_t now_s)
{
	struct sp_asking q = { .token = token, .now_s = steady(v, now_s) };

	if (token.n == 0 || token.n > SP_TOKEN_MAX)
		return NULL;
	sp_sha256(token, q.hash);
	return sp_principal_hold(remembered(v, &q, 0));
}

enum sp_status
sp_verify_at(struct sp_verifier *v, uint32_t source, sp_slice token, int64_t now_s, struct sp_principal **who,
    struct sp_err *e)
{
	struct sp_asking q = { .token = token, .now_s = steady(v, now_s), .dies_s = INT64_MIN };
	enum sp_status st;

	v->wants = 0;
	if (source >= v->nsources || !takes_jwt(v->sources[source].img))
		return sp_fail(e, SP_E_BUG, NULL, "no source of JWTs");
	if (token.n == 0 || token.n > SP_TOKEN_MAX)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "token is empty or over %d bytes", SP_TOKEN_MAX);
	sp_sha256(token, q.hash);
	st = ask(v, source, &q, e);
	sp_arena_reset(&v->scratch);
	if (st != SP_OK)
		return st;
	remember(v, &q, 0);
	*who = q.who;
	return SP_OK;
}
