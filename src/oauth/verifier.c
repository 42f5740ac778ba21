#include "oauth/verifier.h"

#include "jose/claims.h"
#include "oauth/cache.h"
#include "oauth/statics.h"
#include "oauth/who.h"

#include <stdlib.h>

enum { LEEWAY_S = 30, DAY_S = 86400, SCRATCH_MAX = 4 << 20 };

/* What is made of a source of the image once, at start. */
struct source {
	const struct sp_img_source *img;
	struct sp_keyset *keys;
	sp_slice	 *audiences;
};

struct sp_verifier {
	const struct sp_image *img;
	struct sp_hash_key   seed;
	struct sp_cache	    *cache;
	struct sp_statics    statics;
	bool		     synced;
	uint32_t	     static_source;	/* UINT32_MAX: none */
	struct sp_principal *anonymous;
	struct sp_arena	     scratch;
	int64_t		     latest_s;
	uint32_t	     nsources;
	struct source	    *sources;
};

static enum sp_status
source_open(const struct sp_image *img, const struct sp_img_source *s, struct source *out, struct sp_err *e)
{
	enum sp_status st;

	out->img = s;
	if (s->type != SP_SOURCE_JWT)
		return SP_OK;
	if (s->issuer.n == 0 || s->audiences.n == 0)
		return sp_fail(e, SP_E_CONFIG, NULL, "issuer or audience is empty");
	out->audiences = calloc(s->audiences.n, sizeof *out->audiences);
	if (out->audiences == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a source");
	for (uint32_t i = 0; i < s->audiences.n; i++)
		out->audiences[i] = sp_img_text(img, s->audiences, i);
	/* HS* secrets are keeper's: what reads an image gets public keys only. */
	st = sp_keyset_read(sp_img_str(img, s->keys), false, &out->keys, e);
	return st;
}

static enum sp_status
sources_open(struct sp_verifier *v, struct sp_err *e)
{
	const struct sp_img_head *h = v->img->head;

	v->sources = calloc(h->sources.n + 1, sizeof *v->sources);
	if (v->sources == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for sources");
	v->nsources = h->sources.n;
	for (uint32_t i = 0; i < v->nsources; i++) {
		const struct sp_img_source *s = SP_IMG_AT(v->img, h->sources, source, i);
		enum sp_status st = source_open(v->img, s, &v->sources[i], e);

		if (st != SP_OK) {
			sp_err_context(e, "source %.*s", SP_PRI(sp_img_str(v->img, s->name)));
			return st;
		}
		if (s->type == SP_SOURCE_STATIC && v->static_source == UINT32_MAX)
			v->static_source = i;
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
	v->static_source = UINT32_MAX;
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
	}
	free(v->sources);
	free(v->anonymous);
	sp_cache_free(&v->cache);
	sp_statics_free(&v->statics);
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

/* One source's judgement of a JWT whose unverified issuer is the source's. */
static enum sp_status
ask(struct sp_verifier *v, uint32_t i, sp_slice token, int64_t now_s, const uint8_t hash[32],
    struct sp_principal **who, struct sp_err *e)
{
	const struct source *s = &v->sources[i];
	struct sp_claims_want want = {
		.issuer = sp_img_str(v->img, s->img->issuer), .audiences = s->audiences,
		.naudiences = s->img->audiences.n, .now_s = now_s, .leeway_s = LEEWAY_S,
	};
	struct sp_verified open;
	struct sp_who w;
	sp_jval *claims;
	int64_t exp_s = 0;
	enum sp_status st;

	sp_who_init(&w, v->img, i);
	st = sp_jws_open(&v->scratch, token, s->keys, &open, e);
	if (st == SP_OK)
		st = sp_claims_check(&v->scratch, &open, &want, &claims, &exp_s, e);
	if (st == SP_OK)
		st = sp_who_claims(&w, claims, e);
	if (st == SP_OK)
		st = sp_who_settle(&w, e);
	if (st != SP_OK)
		return st;
	memcpy(w.fingerprint, hash, sizeof w.fingerprint);
	w.expires_s = exp_s + LEEWAY_S;
	*who = sp_who_principal(&w, &v->seed);
	return *who != NULL ? SP_OK : sp_fail(e, SP_E_UNAVAILABLE, NULL, "no memory for a principal");
}

static enum sp_status
verify_jwt(struct sp_verifier *v, sp_slice token, int64_t now_s, const uint8_t hash[32], struct sp_principal **who,
    struct sp_err *e)
{
	sp_slice iss = sp_jws_peek_iss(&v->scratch, token);
	enum sp_status st, worst = SP_E_BAD_TOKEN;
	struct sp_err why;
	bool served = false;

	if (iss.p == NULL)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "neither a static token nor a JWT with an issuer");
	for (uint32_t i = 0; i < v->nsources; i++) {
		const struct sp_img_source *s = v->sources[i].img;

		if (s->type != SP_SOURCE_JWT || !sp_eq(sp_img_str(v->img, s->issuer), iss))
			continue;
		st = ask(v, i, token, now_s, hash, who, &why);
		if (st == SP_OK)
			return SP_OK;
		/* The reason of the first source is the one an operator looks for, but a good token that lacks a scope
		 * says more than a bad one. */
		if ((!served || (st == SP_E_SCOPE && worst != SP_E_SCOPE)) && e != NULL) {
			sp_err_context(&why, "source %.*s", SP_PRI(sp_img_str(v->img, s->name)));
			*e = why;
		}
		served = true;
		if (st == SP_E_SCOPE)
			worst = st;
		else if (st != SP_E_BAD_TOKEN)
			return st;
	}
	if (!served)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "no source has the issuer %.*s", SP_PRI(iss));
	return worst;
}

static enum sp_status
verify_static(struct sp_verifier *v, const uint8_t hash[32], int64_t now_s, struct sp_principal **who, struct sp_err *e)
{
	const struct sp_static *s = sp_statics_find(&v->statics, hash);

	if (v->static_source == UINT32_MAX)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a static token, but there is no source of type static");
	if (s == NULL && !v->synced)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "static tokens are not loaded yet");
	if (s == NULL)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "unknown or revoked static token");
	if (s->who == NULL)
		return sp_fail(e, s->status, s->status == SP_E_SCOPE ? s->pub : NULL, "static token: %s", s->why);
	if (s->who->expires_s <= now_s)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "static token %.*s expired %lld s ago", SP_PRI(s->who->user),
		    (long long)(now_s - s->who->expires_s));
	*who = sp_principal_hold(s->who);
	return SP_OK;
}

enum sp_status
sp_verify(struct sp_verifier *v, sp_slice token, int64_t now_s, uint64_t epoch, struct sp_principal **who,
    struct sp_err *e)
{
	struct sp_principal *p;
	uint8_t hash[32];
	enum sp_status st;

	if (token.n == 0 || token.n > SP_TOKEN_MAX)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "token is empty or over %d bytes", SP_TOKEN_MAX);
	now_s = steady(v, now_s);
	sp_sha256(token, hash);
	p = sp_cache_find(v->cache, hash, now_s, epoch);
	if (p != NULL) {
		*who = sp_principal_hold(p);
		return SP_OK;
	}
	if (sp_starts(token, SP_LIT("spt_")))
		return verify_static(v, hash, now_s, who, e);
	p = NULL;
	st = verify_jwt(v, token, now_s, hash, &p, e);
	sp_arena_reset(&v->scratch);
	if (st != SP_OK)
		return st;
	/* Within the leeway a token is accepted but verified each time: an entry never outlives `exp`. */
	if (p->expires_s - LEEWAY_S > now_s)
		sp_cache_put(v->cache, hash, p, p->expires_s - LEEWAY_S, epoch);
	*who = p;
	return SP_OK;
}

enum sp_status
sp_verifier_put(struct sp_verifier *v, const struct sp_static_token *t)
{
	struct sp_principal *p = NULL;
	struct sp_err why = { 0 };
	struct sp_who w;

	if (v->static_source == UINT32_MAX)
		return SP_OK;
	sp_who_init(&w, v->img, v->static_source);
	w.user = t->name;
	w.client_id = sp_sub(t->client_id, 0, SP_USER_MAX);
	w.expires_s = t->expires_s;
	memcpy(w.fingerprint, t->hash, sizeof w.fingerprint);
	sp_who_scopes(&w, t->scopes);
	sp_who_tags(&w, t->tags);
	if (sp_who_settle(&w, &why) == SP_OK) {
		p = sp_who_principal(&w, &v->seed);
		if (p == NULL)
			return SP_E_FULL;
	}
	return sp_statics_put(&v->statics, t->hash, p, &why);
}

void
sp_verifier_del(struct sp_verifier *v, const uint8_t hash[32])
{
	sp_statics_del(&v->statics, hash);
}

void
sp_verifier_synced(struct sp_verifier *v)
{
	v->synced = true;
}
