/* Callers for whom keeper vouches: it has the secret of a MAC, was passed the connection, or heard from an endpoint. */
#include "base/ct.h"
#include "oauth/verifier_int.h"

enum sp_status
sp_verifier_statement_key(struct sp_verifier *v, const uint8_t key[32])
{
	struct sp_pkey *fresh = NULL;
	struct sp_err e;
	enum sp_status st;

	if (v->statement_key != NULL && memcmp(v->statement_raw, key, 32) == 0)
		return SP_OK;
	st = sp_pkey_ed25519(sp_mem(key, 32), &fresh, &e);
	if (st != SP_OK)
		return st;
	sp_pkey_free(&v->statement_key);
	v->statement_key = fresh;
	memcpy(v->statement_raw, key, 32);
	v->statement_epoch++;
	return SP_OK;
}

/* Is there a ticket of this kind for this source?  Its signature is checked once a question. */
static bool
vouched(struct sp_verifier *v, struct sp_asking *q, enum sp_statement_kind kind, const uint8_t source[16])
{
	if (!q->read && q->ticket.n != 0)
		q->vouched = sp_statement_read(v->statement_key, q->ticket, q->now_s, &q->said, NULL) == SP_OK;
	q->read = true;
	return q->vouched && q->said.kind == kind && memcmp(q->said.source, source, sizeof q->said.source) == 0;
}

static enum sp_status
not_yet(struct sp_err *e)
{
	return sp_fail(e, SP_E_UNAVAILABLE, NULL, "keeper has not said yet what it signs with");
}

bool
sp_source_needs_word(const struct sp_img_source *s)
{
	return s->keys_ref.n != 0 || s->endpoint != 0 || s->type == SP_SOURCE_PEER;
}

/* keeper was asked on behalf of this source, or (MAC) of one before it, whose question was about this one too. */
static bool
is_no(const struct sp_asking *q, uint32_t source, bool mac)
{
	return q->no != NULL && (mac ? q->no->source <= source : q->no->source == source);
}

static enum sp_status
said_no(const struct sp_asking *q, const char *who, struct sp_err *e)
{
	return q->no->status == SP_E_BAD_TOKEN ? sp_fail(e, SP_E_BAD_TOKEN, NULL, "%s says that it is not good", who) :
	    sp_fail(e, SP_E_UNAVAILABLE, NULL, "%s cannot say whether it is good", who);
}

static enum sp_status
need_word(struct sp_asking *q, const struct sp_ticket_need *need, struct sp_err *e)
{
	/* The first source that may accept: keeper goes on from there. */
	if (q->need != NULL && q->need->input.p == NULL) {
		*q->need = *need;
		q->need->mac.p = need->mac.n == 0 ? NULL : (const char *)q->need->macbuf;
	}
	return sp_fail(e, SP_E_TICKET, NULL, q->ticket.n == 0 ? "keeper has to vouch for it" :
	    "keeper has to vouch for it anew: its ticket has ended, or is for another caller");
}

static void
mac_need(const struct sp_asking *q, uint32_t source, const struct sp_verified *open, const struct sp_jws_mac *mac,
    struct sp_ticket_need *need)
{
	*need = (struct sp_ticket_need){ .source = source, .alg = (uint32_t)open->alg, .input = mac->input };
	memcpy(need->token_hash, q->hash, sizeof need->token_hash);
	memcpy(need->macbuf, mac->macbuf, mac->mac.n);
	need->mac = sp_mem(need->macbuf, mac->mac.n);
}

/* Until when somebody vouches for the MAC; SP_E_TICKET: nobody does yet. */
static enum sp_status
judge_mac(struct sp_verifier *v, struct sp_asking *q, const struct sp_ticket_need *need, int64_t *until_s, struct sp_err *e)
{
	*until_s = INT64_MAX;
	if (v->judge_mac != NULL)
		return v->judge_mac(v->judge_ctx, need) ? SP_OK : sp_fail(e, SP_E_BAD_TOKEN, NULL, "the MAC does not hold");
	if (is_no(q, need->source, true))
		return said_no(q, "keeper", e);
	if (v->statement_key == NULL)
		return not_yet(e);
	if (!vouched(v, q, SP_STATEMENT_MAC, v->sources[need->source].name) ||
	    !sp_ct_eq(q->said.token, q->hash, sizeof q->said.token))
		return need_word(q, need, e);
	*until_s = q->said.expires_s;
	return SP_OK;
}

/*
 * Everything but the MAC is judged here, so that keeper is not asked about what would be refused anyway.  What scopes the
 * source wants is said only to who has a token whose MAC holds.
 */
enum sp_status
sp_verifier_ask_mac(struct sp_verifier *v, uint32_t source, struct sp_asking *q, struct sp_err *e)
{
	struct sp_claims_want want = sp_verifier_want(v, source, q);
	struct sp_ticket_need need;
	struct sp_verified open;
	struct sp_jws_mac mac;
	int64_t exp_s = 0, until_s = 0;
	enum sp_status st, word;
	sp_jval *claims;
	struct sp_err why;
	struct sp_who w;

	sp_verifier_who(v, &w, source);
	st = sp_jws_open_mac(&v->scratch, q->token, &open, &mac, e);
	if (st == SP_OK)
		st = sp_claims_check(&v->scratch, &open, &want, &claims, &exp_s, e);
	if (st == SP_OK)
		st = sp_who_claims(&w, claims, e);
	if (st == SP_OK)
		st = sp_who_settle(&w, e);
	if (st != SP_OK && st != SP_E_SCOPE)
		return st;
	mac_need(q, source, &open, &mac, &need);
	word = judge_mac(v, q, &need, &until_s, &why);
	if (word != SP_OK && e != NULL)
		*e = why;
	if (word != SP_OK || st != SP_OK)
		return word != SP_OK ? word : st;
	w.expires_s = exp_s + SP_LEEWAY_S;
	q->dies_s = exp_s < until_s ? exp_s : until_s;
	return sp_verifier_finish(v, q, &w, e);
}

/* ---------------------------------------------------------------- introspection */

/* A revocation since the question was asked: the endpoint is asked again. */
static bool
is_told(struct sp_verifier *v, uint32_t source, struct sp_asking *q)
{
	uint8_t resource[16];

	sp_statement_source(sp_img_str(v->img, SP_IMG_AT(v->img, v->img->head->resources, resource, q->resource)->url), resource);
	return vouched(v, q, SP_STATEMENT_TOLD, v->sources[source].name) &&
	    sp_ct_eq(q->said.token, q->hash, sizeof q->said.token) && q->said.epoch == q->epoch &&
	    memcmp(q->said.resource, resource, sizeof resource) == 0;
}

enum sp_status
sp_verifier_ask_endpoint(struct sp_verifier *v, uint32_t source, struct sp_asking *q, struct sp_err *e)
{
	struct sp_ticket_need need = { .source = source, .endpoint = true, .input = q->token };
	const struct sp_told *t = &q->said.told;
	enum sp_status st;
	struct sp_who w;
	sp_slice list, name;

	if (is_no(q, source, false))
		return said_no(q, "its introspection endpoint", e);
	if (v->statement_key == NULL)
		return not_yet(e);
	if (!is_told(v, source, q)) {
		memcpy(need.token_hash, q->hash, sizeof need.token_hash);
		return need_word(q, &need, e);
	}
	sp_verifier_who(v, &w, source);
	w.user = t->user;
	w.client_id = t->client_id;
	w.issuer = t->issuer;
	for (list = t->scopes; sp_told_next(&list, &name);)
		sp_who_scope(&w, name);
	for (list = t->tags; sp_told_next(&list, &name);)
		sp_who_tag(&w, name);
	st = sp_who_settle(&w, e);
	if (st != SP_OK)
		return st;
	w.expires_s = t->ends_s;
	q->dies_s = q->said.expires_s;
	return sp_verifier_finish(v, q, &w, e);
}

/* ---------------------------------------------------------------- Unix sockets */

static const struct sp_img_account *
account_of(const struct sp_image *img, uint32_t uid)
{
	uint32_t lo = 0, hi = img->head->accounts.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct sp_img_account *a = SP_IMG_AT(img, img->head->accounts, account, mid);

		if (a->uid == uid)
			return a;
		if (a->uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static enum sp_status
judge_peer(struct sp_verifier *v, uint32_t source, struct sp_asking *q, struct sp_err *e)
{
	const struct sp_img_account *a = account_of(v->img, q->said.uid);
	enum sp_status st;
	char number[12];
	struct sp_out o;
	struct sp_who w;

	sp_who_init(&w, v->img, source);
	if (a != NULL) {
		w.user = sp_img_str(v->img, a->name);
		for (uint32_t i = 0; i < a->groups.n; i++)
			sp_who_tag(&w, sp_img_text(v->img, a->groups, i));
	} else {
		sp_out_init(&o, number, sizeof number);
		sp_out_u64(&o, q->said.uid);
		w.user = sp_out_view(&o);
	}
	st = sp_who_settle(&w, e);
	if (st != SP_OK)
		return st;
	q->dies_s = q->said.expires_s;
	return sp_verifier_finish(v, q, &w, e);
}

static uint32_t
next_peer(const struct sp_verifier *v, uint32_t i)
{
	while (i < v->nsources && v->sources[i].img->type != SP_SOURCE_PEER)
		i++;
	return i;
}

enum sp_status
sp_verifier_ask_peer(struct sp_verifier *v, struct sp_asking *q, struct sp_err *e)
{
	uint32_t first = next_peer(v, 0);
	enum sp_status st = SP_OK;
	struct sp_err why;

	if (first == v->nsources)
		return sp_fail(e, SP_E_NO_TOKEN, NULL, "no token, and no source of type peer");
	if (q->no != NULL)
		return said_no(q, "keeper", e);
	if (v->statement_key == NULL)
		return not_yet(e);
	if (!vouched(v, q, SP_STATEMENT_PEER, v->sources[first].name))
		return need_word(q, &(struct sp_ticket_need){ .source = first, .peer = true }, e);
	for (uint32_t i = first; i < v->nsources; i = next_peer(v, i + 1)) {
		enum sp_status one = judge_peer(v, i, q, &why);

		if (one == SP_OK)
			return SP_OK;
		st = sp_verifier_worse(v, i, st, one, &why, e);
	}
	return st;
}
