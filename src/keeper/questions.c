/*
 * Tokens that an introspection endpoint judges (RFC 7662).  We pass a front's question on to the endpoint's egress, once for
 * all who ask about the same token, and sign what it says: a ticket, bound to the token, to the resource and to the epoch of
 * revocation.  What is no plain yes is said to those who asked and kept nowhere.
 */
#include "keeper/keeper.h"

#include "base/log.h"
#include "crypto/crypto.h"

#include <stdlib.h>

enum {
	QUESTIONS_MAX = 1024,		/* open at once */
	ASKERS_MAX = 64,		/* of one question */
	PATIENCE_MS = 7000,		/* egress gives up before, and so does front */
};

struct asker { struct sp_kpeer *front; uint32_t id; };

struct sp_kquestion {
	struct sp_kquestion *next;
	struct sp_kpeer *egress;
	uint32_t id, source, naskers;
	struct sp_statement said;	/* what will be signed, but for who bears the token */
	uint64_t until_ms;
	struct asker askers[ASKERS_MAX];
};

static struct sp_kpeer *
endpoint_egress(const struct sp_keeper *k, const struct sp_kpeer *front, uint32_t authority)
{
	const struct sp_image *img = sp_keeper_image(k, front->who.generation);

	for (struct sp_kpeer *p = k->peers; p != NULL; p = p->next)
		if (p->who.role == SP_EGRESS && p->who.generation == front->who.generation && !p->packets &&
		    p->who.index == img->head->servers.n + authority)
			return p;
	return NULL;
}

static void
end(struct sp_keeper *k, struct sp_kquestion **at, enum sp_status st)
{
	struct sp_kquestion *q = *at;

	*at = q->next;
	k->nquestions--;
	for (uint32_t i = 0; i < q->naskers; i++)
		sp_keeper_answer_ticket(q->askers[i].front, q->askers[i].id, st, &q->said);
	free(q);
}

void
sp_keeper_questions_without(struct sp_keeper *k, const struct sp_kpeer *p)
{
	for (struct sp_kquestion **at = &k->questions; *at != NULL;) {
		struct sp_kquestion *q = *at;

		for (uint32_t i = q->naskers; i-- != 0;)
			if (q->askers[i].front == p)
				q->askers[i] = q->askers[--q->naskers];
		if (q->egress == p)
			end(k, at, SP_E_UNAVAILABLE);
		else
			at = &q->next;
	}
}

void
sp_keeper_tick_questions(struct sp_keeper *k)
{
	uint64_t now = sp_mono_ms();

	for (struct sp_kquestion **at = &k->questions; *at != NULL;) {
		if ((*at)->until_ms <= now)
			end(k, at, SP_E_UNAVAILABLE);
		else
			at = &(*at)->next;
	}
}

/* ---------------------------------------------------------------- questions */

/* The same token, at the same endpoint, and no revocation in between. */
static struct sp_kquestion *
find_same(const struct sp_keeper *k, const struct sp_kpeer *egress, uint32_t source, const struct sp_statement *s)
{
	for (struct sp_kquestion *q = k->questions; q != NULL; q = q->next)
		if (q->egress == egress && q->source == source && q->naskers < ASKERS_MAX && q->said.epoch == s->epoch &&
		    memcmp(q->said.token, s->token, sizeof s->token) == 0 &&
		    memcmp(q->said.resource, s->resource, sizeof s->resource) == 0)
			return q;
	return NULL;
}

static struct sp_kquestion *
put_question(struct sp_keeper *k, struct sp_kpeer *egress, const struct sp_m_token_ask *m, const struct sp_statement *s)
{
	struct sp_m_token_ask fwd = { .id = ++k->question_id, .source = m->source, .resource = m->resource, .token = m->token };
	struct sp_kquestion *q = k->nquestions < QUESTIONS_MAX ? calloc(1, sizeof *q) : NULL;

	if (q == NULL)
		return NULL;
	q->id = fwd.id;
	q->source = m->source;
	q->egress = egress;
	q->said = *s;
	q->until_ms = sp_mono_ms() + PATIENCE_MS;
	q->next = k->questions;
	k->questions = q;
	k->nquestions++;
	sp_enc_token_ask(sp_chan_begin(egress->ch, SP_M_INTROSPECT), &fwd);
	sp_chan_end(egress->ch);
	return q;
}

bool
sp_keeper_on_token_ask(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_keeper *k = p->k;
	const struct sp_image *img = sp_keeper_image(k, p->who.generation);
	struct sp_statement s = { .kind = SP_STATEMENT_TOLD, .epoch = atomic_load(&k->b->page->epoch) };
	const struct sp_img_source *src;
	struct sp_kquestion *q = NULL;
	struct sp_kpeer *egress;
	struct sp_m_token_ask m;

	if (!sp_dec_token_ask(body, &m) || img == NULL || m.source >= img->head->sources.n ||
	    m.resource >= img->head->resources.n)
		return false;
	src = SP_IMG_AT(img, img->head->sources, source, m.source);
	if (src->endpoint == 0)
		return false;
	sp_sha256(m.token, s.token);
	sp_statement_source(sp_img_str(img, src->name), s.source);
	sp_statement_source(sp_img_str(img, SP_IMG_AT(img, img->head->resources, resource, m.resource)->url), s.resource);
	egress = k->signs ? endpoint_egress(k, p, src->endpoint - 1) : NULL;
	if (egress != NULL && (q = find_same(k, egress, m.source, &s)) == NULL)
		q = put_question(k, egress, &m, &s);
	if (q != NULL)
		q->askers[q->naskers++] = (struct asker){ p, m.id };
	else
		sp_keeper_answer_ticket(p, m.id, SP_E_UNAVAILABLE, NULL);
	return true;
}

/* ---------------------------------------------------------------- answers */

/* Who bears the token, and for how long that counts. */
static enum sp_status
settle(struct sp_statement *s, const struct sp_m_introspected *m)
{
	int64_t now = sp_now_s();

	s->told = (struct sp_told){ m->user, m->issuer, m->client_id, m->scopes, m->tags, m->ends_s };
	if (m->status != SP_OK)
		return (enum sp_status)m->status;
	/* C19: never past the token's own end. */
	s->expires_s = m->ends_s < now + SP_TICKET_S ? m->ends_s : now + SP_TICKET_S;
	return s->expires_s > now ? SP_OK : SP_E_BAD_TOKEN;
}

bool
sp_keeper_on_introspected(struct sp_kpeer *p, sp_slice body, int fd)
{
	struct sp_m_introspected m;
	struct sp_told told;

	if (!sp_dec_introspected(body, &m))
		return false;
	told = (struct sp_told){ m.user, m.issuer, m.client_id, m.scopes, m.tags, m.ends_s };
	if (m.status == SP_OK && !sp_told_fits(&told))
		return false;
	for (struct sp_kquestion **at = &p->k->questions; *at != NULL; at = &(*at)->next)
		if ((*at)->egress == p && (*at)->id == m.id) {
			end(p->k, at, settle(&(*at)->said, &m));
			break;
		}
	return true;			/* or nobody waits for it any more */
}
