/* A tree of providers becomes a row of sources, and what is known beforehand of them an image (image/image.h). */
#include "auth/chain_int.h"

#include "wire/uri.h"

#include <stdlib.h>

enum { ROWS_MAX = 256, IMAGE_MAX = 64 << 20, SCOPES_MAX = 1024, WORDS = SCOPES_MAX / 64 };

struct plan {
	struct sp_chain *c;
	struct sp_err *e;
	const char *scopes[SCOPES_MAX];
	uint32_t nscopes;
	struct sp_img_source rows[ROWS_MAX];
	uint32_t nrows;
	struct sp_img_authority authorities[SP_CHAIN_SOURCES];
};

/* ---------------------------------------------------------------- sources */

static bool
join(struct sp_texts *to, const struct sp_texts *more)
{
	size_t room = to->n + more->n + 1;
	char **p = realloc(to->p, room * sizeof *p);

	if (p == NULL)
		return false;
	to->p = p;
	for (size_t i = 0; i < more->n; i++) {
		char *one = NULL;

		if (sp_texts_has(to, more->p[i]))
			continue;
		if (!sp_text_copy(&one, more->p[i]))
			return false;
		to->p[to->n++] = one;
	}
	to->p[to->n] = NULL;
	return true;
}

/* What everybody around it demands comes first; its own demands count unless those around it stand in their place. */
static enum sp_status
leaf(struct plan *l, const struct sp_auth_provider *p, const struct sp_texts *around, bool instead)
{
	struct sp_chain *c = l->c;
	struct sp_chain_source *s;

	/* Nobody comes in by what cannot sign anybody in yet. */
	if (p->kind == SP_PROVIDER_OAUTH)
		return SP_OK;
	if (c->nsources == SP_CHAIN_SOURCES)
		return sp_fail(l->e, SP_E_CONFIG, NULL, "over %d providers", SP_CHAIN_SOURCES);
	s = &c->sources[c->nsources++];
	s->p = p;
	if (!join(&s->required, around) || (!instead && !join(&s->required, &p->required)))
		return sp_fail(l->e, SP_E_FULL, NULL, "no memory for providers");
	return SP_OK;
}

static enum sp_status
walk(struct plan *l, const struct sp_auth_provider *p, const struct sp_texts *around, bool instead)
{
	struct sp_texts all = { 0 };
	enum sp_status st = SP_OK;

	if (p->kind == SP_PROVIDER_REMOTE)
		return walk(l, p->parts[0], around, instead);
	if (p->kind != SP_PROVIDER_MULTI)
		return leaf(l, p, around, instead);
	if (!join(&all, around) || (!instead && !join(&all, sp_provider_required(p))))
		st = sp_fail(l->e, SP_E_FULL, NULL, "no memory for providers");
	/* Its own list, or the server's, binds every caller; the server's is not added to one that was written instead. */
	for (size_t i = 0; st == SP_OK && i < p->nparts; i++)
		st = walk(l, p->parts[i], &all, i == 0 && p->has_server);
	sp_texts_free(&all);
	return st;
}

/* ---------------------------------------------------------------- the image */

static bool
add_scopes(struct plan *l, const struct sp_texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		uint32_t k = 0;

		while (k < l->nscopes && strcmp(l->scopes[k], t->p[i]) != 0)
			k++;
		if (k == SCOPES_MAX)
			return false;
		l->scopes[k] = t->p[i];
		l->nscopes += k == l->nscopes;
	}
	return true;
}

static struct sp_ref
scope_set(struct plan *l, const struct sp_texts *t)
{
	uint64_t w[WORDS] = { 0 };

	for (uint32_t k = 0; k < l->nscopes; k++)
		if (sp_texts_has(t, l->scopes[k]))
			w[k / 64] |= (uint64_t)1 << (k % 64);
	return sp_imgb_words(&l->c->built, w, (l->nscopes + 63) / 64);
}

static struct sp_ref
scope_table(struct plan *l)
{
	struct sp_img_scope *all = calloc(l->nscopes + 1, sizeof *all);
	struct sp_ref r = { 0, 0 };

	for (uint32_t k = 0; all != NULL && k < l->nscopes; k++) {
		uint64_t w[WORDS] = { 0 };

		w[k / 64] = (uint64_t)1 << (k % 64);
		all[k].name = sp_imgb_str(&l->c->built, sp_str(l->scopes[k]));
		all[k].closure = sp_imgb_words(&l->c->built, w, (l->nscopes + 63) / 64);
	}
	if (all != NULL)
		r = SP_IMGB_ARRAY(&l->c->built, all, l->nscopes);
	else
		l->c->built.o.full = true;
	free(all);
	return r;
}

static struct sp_ref
text(struct plan *l, const char *s)
{
	return s == NULL ? (struct sp_ref){ 0, 0 } : sp_imgb_str(&l->c->built, sp_str(s));
}

static struct sp_ref
audiences(struct plan *l, const struct sp_auth_provider *p)
{
	sp_slice all[64];
	uint32_t n = 0;

	for (; n < p->audiences.n && n < SP_COUNT(all); n++)
		all[n] = sp_str(p->audiences.p[n]);
	if (n == 0)
		all[n++] = sp_str(l->c->resource);
	return sp_imgb_texts(&l->c->built, all, n);
}

static enum sp_status
authority(struct plan *l, struct sp_chain_source *s, struct sp_img_source *row)
{
	struct sp_chain *c = l->c;
	struct sp_imgb *b = &c->built;
	struct sp_uri u;
	enum sp_status st = sp_uri_read(sp_str(s->p->jwks_uri), &u, l->e);

	if (st != SP_OK)
		return st;
	s->keys = &c->keys[c->nkeys];
	*s->keys = (struct sp_chain_keys){ .p = s->p, .authority = c->nkeys, .flight = { .c = c } };
	l->authorities[c->nkeys] = (struct sp_img_authority){
		.url = text(l, s->p->jwks_uri), .host = sp_imgb_str(b, u.host), .port = u.port, .https = u.https,
		.host_kind = (uint32_t)u.kind, .path = sp_imgb_str(b, u.path), .private_ok = 1,
	};
	row->authority = ++c->nkeys;
	return SP_OK;
}

static enum sp_status
add_rows(struct plan *l, struct sp_chain_source *s)
{
	const struct sp_auth_provider *p = s->p;
	struct sp_img_source row = { .type = p->kind == SP_PROVIDER_JWT ? SP_SOURCE_JWT : SP_SOURCE_STATIC };
	enum sp_status st;

	row.name = text(l, p->name);
	row.audiences = audiences(l, p);
	row.keys = text(l, p->public_key != NULL ? p->public_key : p->jwks);
	row.keys_ref = p->kind == SP_PROVIDER_JWT && p->has_secret ? text(l, "here") : (struct sp_ref){ 0, 0 };
	row.claim_user = text(l, p->user_claim);
	row.claim_tags = text(l, p->tags_claim != NULL ? p->tags_claim : "tags");
	row.claim_scopes = text(l, p->scopes_claim);
	row.require_scopes = scope_set(l, &s->required);
	row.give_scopes = scope_set(l, &p->give);
	if (p->jwks_uri != NULL && (st = authority(l, s, &row)) != SP_OK)
		return st;
	s->row = l->nrows;
	do {
		if (l->nrows == ROWS_MAX)
			return sp_fail(l->e, SP_E_CONFIG, NULL, "over %d issuers", ROWS_MAX);
		row.issuer = s->rows < p->issuers.n ? text(l, p->issuers.p[s->rows]) : (struct sp_ref){ 0, 0 };
		l->rows[l->nrows++] = row;
	} while (++s->rows < p->issuers.n);
	return SP_OK;
}

static enum sp_status
build(struct plan *l)
{
	struct sp_chain *c = l->c;
	struct sp_img_head head = { 0 };
	struct sp_img_resource here = { 0 };
	enum sp_status st = SP_OK;

	for (uint32_t i = 0; i < c->nsources; i++)
		if (!add_scopes(l, &c->sources[i].required) || !add_scopes(l, &c->sources[i].p->give))
			return sp_fail(l->e, SP_E_CONFIG, NULL, "over %d scopes", SCOPES_MAX);
	c->keys = calloc(c->nsources + 1, sizeof *c->keys);
	if (c->keys == NULL)
		return sp_fail(l->e, SP_E_FULL, NULL, "no memory for providers");
	sp_imgb_init(&c->built, IMAGE_MAX);
	head.scopes = scope_table(l);
	for (uint32_t i = 0; st == SP_OK && i < c->nsources; i++)
		st = add_rows(l, &c->sources[i]);
	if (st != SP_OK)
		return st;
	head.sources = SP_IMGB_ARRAY(&c->built, l->rows, l->nrows);
	head.authorities = SP_IMGB_ARRAY(&c->built, l->authorities, c->nkeys);
	here.path = text(l, "/");
	here.url = text(l, c->resource);
	sp_imgb_resources(&c->built, &head, &here, 1);
	head.tool_index = sp_imgb_tool_index(&c->built, &head, NULL, 0);
	st = sp_imgb_finish(&c->built, &head, l->e);
	if (st == SP_OK)
		st = sp_image_check(c->built.o.p, c->built.o.n, &c->img, l->e);
	return st;
}

/* ---------------------------------------------------------------- what sources have of their own */

static enum sp_status
know_token(struct sp_chain *c, struct sp_chain_source *s, const struct sp_known_token *t, struct sp_err *e)
{
	struct sp_principal *who = NULL;
	struct sp_err why = { 0 };
	enum sp_status st;
	struct sp_who w;

	sp_chain_who(c, &w, s->row, t->hash);
	w.user = sp_str(t->subject != NULL ? t->subject : t->client_id);
	w.client_id = sp_str(t->client_id);
	w.expires_s = t->expires_s;
	for (size_t i = 0; i < t->scopes.n; i++)
		sp_who_scope(&w, sp_str(t->scopes.p[i]));
	for (size_t i = 0; i < t->tags.n; i++)
		sp_who_tag(&w, sp_str(t->tags.p[i]));
	st = sp_chain_finish(c, &w, &who, &why);
	if (st != SP_OK && st != SP_E_SCOPE) {
		if (e != NULL)
			*e = why;
		return st;
	}
	st = sp_statics_put(&s->statics, t->hash, who, &why);
	return st == SP_OK ? SP_OK : sp_fail(e, st, NULL, "no memory for static tokens");
}

static enum sp_status
furnish(struct sp_chain *c, struct sp_chain_source *s, struct sp_err *e)
{
	bool asks = s->keys != NULL || s->p->kind == SP_PROVIDER_INTROSPECTION;
	enum sp_status st = SP_OK;

	if (asks && !c->fetches)
		return sp_fail(e, SP_E_CONFIG, NULL, "provider %s has to ask an authority, which nobody can do here", s->p->name);
	for (size_t i = 0; st == SP_OK && i < s->p->ntokens; i++)
		st = know_token(c, s, &s->p->tokens[i], e);
	if (st == SP_OK && s->p->kind == SP_PROVIDER_INTROSPECTION && s->p->ttl_s != 0) {
		s->said_yes = sp_remembered_new(s->p->cache_max, c->seed);
		if (s->said_yes == NULL)
			return sp_fail(e, SP_E_FULL, NULL, "no memory for what %s says", s->p->name);
	}
	return st;
}

static bool
judge_mac(void *ctx, const struct sp_ticket_need *need)
{
	struct sp_chain *c = ctx;

	for (uint32_t i = 0; i < c->nsources; i++)
		if (need->source - c->sources[i].row < c->sources[i].rows)
			return sp_provider_mac_ok(c->sources[i].p, need);
	return false;
}

static bool
may_recall(const struct sp_chain *c)
{
	bool asked_anew = false;

	for (uint32_t i = 0; i < c->nsources; i++) {
		enum sp_provider_kind kind = c->sources[i].p->kind;

		if (kind == SP_PROVIDER_JWT && asked_anew)
			return false;
		asked_anew = asked_anew || kind == SP_PROVIDER_CUSTOM || kind == SP_PROVIDER_INTROSPECTION;
	}
	return true;
}

enum sp_status
sp_chain_compile(struct sp_chain *c, struct sp_err *e)
{
	struct plan *l = calloc(1, sizeof *l);
	const struct sp_texts none = { 0 };
	enum sp_status st;

	if (l == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for providers");
	l->c = c;
	l->e = e;
	st = walk(l, c->top, &none, false);
	if (st == SP_OK)
		st = build(l);
	free(l);
	if (st == SP_OK)
		st = sp_verifier_new(&c->img, SP_CHAIN_CACHE, c->seed, &c->verifier, e);
	if (st == SP_OK)
		st = sp_verifier_keep(c->verifier, e);
	if (st != SP_OK)
		return st;
	sp_verifier_macs(c->verifier, judge_mac, c);
	c->recalls = may_recall(c);
	for (uint32_t i = 0; st == SP_OK && i < c->nsources; i++)
		st = furnish(c, &c->sources[i], e);
	return st;
}
