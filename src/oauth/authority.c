/* Key sets that are fetched: one per authority, shared by all its sources. */
#include "oauth/verifier_int.h"

enum sp_status
sp_verifier_keys(struct sp_verifier *v, uint32_t authority, enum sp_status status, sp_slice jwks, struct sp_err *e)
{
	struct sp_keyset *fresh = NULL;
	struct sp_vauthority *a;
	enum sp_status st;

	if (authority >= v->nauthorities)
		return sp_fail(e, SP_E_BUG, NULL, "there is no authority %u", authority);
	a = &v->authorities[authority];
	if (status == SP_OK && (st = sp_keyset_read_set(jwks, &fresh, e)) != SP_OK)
		return st;
	/* A token that a gone key signed is refused from now on; all others stay verified. */
	if (a->keys != NULL && (fresh == NULL || !sp_keyset_covers(fresh, a->keys)))
		a->epoch++;
	sp_keyset_free(&a->keys);
	a->keys = fresh;
	return SP_OK;
}

bool
sp_verifier_wants_keys(const struct sp_verifier *v, uint32_t *authority)
{
	if (v->wants == 0)
		return false;
	*authority = v->wants - 1;
	return true;
}

/* The first authority of a chain is asked; one whose set came meanwhile asks no more. */
static void
want(struct sp_verifier *v, uint32_t authority)
{
	if (v->wants == 0)
		v->wants = authority;
}

const struct sp_keyset *
sp_verifier_keyset(struct sp_verifier *v, uint32_t source, sp_slice token, enum sp_status *st, struct sp_err *e)
{
	const struct sp_vsource *s = &v->sources[source];
	struct sp_jws_head h;

	if (s->img->authority == 0)
		return s->keys;
	if (v->authorities[s->img->authority - 1].keys != NULL)
		return v->authorities[s->img->authority - 1].keys;
	/* What no public key could ever verify is refused, whether or not there are keys. */
	*st = sp_jws_peek_head(&v->scratch, token, &h, e);
	if (*st == SP_OK && sp_alg_fits(h.alg, SP_KTY_OCT))
		*st = sp_fail(e, SP_E_BAD_TOKEN, NULL, "no public key may be used with alg %s", sp_alg_name(h.alg));
	if (*st != SP_OK)
		return NULL;
	want(v, s->img->authority);
	*st = sp_fail(e, SP_E_UNAVAILABLE, NULL, "its key set could not be fetched yet");
	return NULL;
}

void
sp_verifier_note_unknown(struct sp_verifier *v, uint32_t source, sp_slice token)
{
	uint32_t authority = v->sources[source].img->authority;
	struct sp_jws_head h;

	if (authority == 0 || sp_jws_peek_head(&v->scratch, token, &h, NULL) != SP_OK)
		return;
	if (h.has_kid && !sp_alg_fits(h.alg, SP_KTY_OCT) && !sp_keyset_has_kid(v->authorities[authority - 1].keys, h.kid))
		want(v, authority);
}
