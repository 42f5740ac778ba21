/* Static tokens, as keeper announces them: to all at once, for every static source to judge. */
#include "oauth/verifier_int.h"

static bool
is_static(const struct sp_verifier *v, uint32_t source)
{
	return v->sources[source].img->type == SP_SOURCE_STATIC;
}

static enum sp_status
judge(struct sp_verifier *v, uint32_t source, struct sp_asking *q, struct sp_err *e)
{
	const struct sp_static *s = sp_statics_find(&v->sources[source].statics, q->hash);

	if (s == NULL && !v->synced)
		return sp_fail(e, SP_E_UNAVAILABLE, NULL, "static tokens are not loaded yet");
	if (s == NULL)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "unknown or revoked static token");
	if (s->who == NULL)
		return sp_fail(e, s->status, s->status == SP_E_SCOPE ? s->pub : NULL, "static token: %s", s->why);
	if (s->who->expires_s <= q->now_s)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "static token %.*s expired %lld s ago", SP_PRI(s->who->user),
		    (long long)(q->now_s - s->who->expires_s));
	q->who = sp_principal_hold(s->who);
	return SP_OK;
}

enum sp_status
sp_verifier_ask_static(struct sp_verifier *v, uint32_t first, sp_slice header, struct sp_asking *q, struct sp_err *e)
{
	enum sp_status st = SP_OK;
	struct sp_err why;

	for (uint32_t i = first; i < v->nsources; i++) {
		enum sp_status one;

		if (!is_static(v, i) || !sp_eq(sp_img_str(v->img, v->sources[i].img->header), header))
			continue;
		one = judge(v, i, q, &why);
		if (one == SP_OK)
			return SP_OK;
		st = sp_verifier_worse(v, i, st, one, &why, e);
	}
	if (st == SP_OK)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "a static token, but no source of type static takes it from there");
	return st;
}

bool
sp_verifier_header(const struct sp_verifier *v, uint32_t i, uint32_t *source, sp_slice *name)
{
	for (uint32_t s = 0; s < v->nsources; s++) {
		if (!is_static(v, s) || v->sources[s].img->header.n == 0 || i-- != 0)
			continue;
		*source = s;
		*name = sp_img_str(v->img, v->sources[s].img->header);
		return true;
	}
	return false;
}

static enum sp_status
put(struct sp_verifier *v, uint32_t source, const struct sp_static_token *t)
{
	struct sp_principal *p = NULL;
	struct sp_err why = { 0 };
	struct sp_who w;

	sp_who_init(&w, v->img, source);
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
	return sp_statics_put(&v->sources[source].statics, t->hash, p, &why);
}

enum sp_status
sp_verifier_put(struct sp_verifier *v, const struct sp_static_token *t)
{
	enum sp_status st = SP_OK;

	for (uint32_t i = 0; i < v->nsources; i++) {
		if (is_static(v, i) && put(v, i, t) != SP_OK)
			st = SP_E_FULL;
	}
	return st;
}

void
sp_verifier_del(struct sp_verifier *v, const uint8_t hash[32])
{
	for (uint32_t i = 0; i < v->nsources; i++)
		sp_statics_del(&v->sources[i].statics, hash);
}

void
sp_verifier_announced(struct sp_verifier *v)
{
	for (uint32_t i = 0; i < v->nsources; i++)
		sp_statics_begin(&v->sources[i].statics);
}

void
sp_verifier_synced(struct sp_verifier *v)
{
	for (uint32_t i = 0; i < v->nsources; i++)
		sp_statics_end(&v->sources[i].statics);
	v->synced = true;
}
