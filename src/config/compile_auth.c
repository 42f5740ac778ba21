/* Who comes in, in the image: scopes, sources, where keys come from, accounts. */
#include "config/compile_int.h"

struct sp_ref
sp_cc_scopes(struct compiler *k)
{
	struct sp_img_scope *v = sp_cc_get(k, k->c->nscope_names, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->nscope_names; i++) {
		v[i].name = sp_imgb_str(k->b, k->c->scope_names[i].text);
		v[i].closure = sp_imgb_words(k->b, k->c->closure[i], k->scope_words);
		for (uint32_t j = 0; j < k->c->nscopes; j++)
			if (sp_eq(k->c->scopes[j].name.text, k->c->scope_names[i].text))
				v[i].says = sp_imgb_str(k->b, k->c->scopes[j].says);
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->nscope_names);
}

/* What is written counts at every resource; `url`, also the default, is the resource that is asked. */
static void
put_audiences(struct compiler *k, const struct cfg_source *s, struct sp_img_source *out)
{
	sp_slice *v = sp_cc_get(k, s->audience.n, sizeof *v);
	uint32_t n = 0;

	if (v == NULL || !sp_cfg_reads_claims(s))
		return;
	out->own_audience = s->audience.n == 0;
	for (uint32_t i = 0; i < s->audience.n; i++) {
		if (sp_eq(s->audience.v[i].text, SP_LIT("url")))
			out->own_audience = 1;
		else
			sp_cc_add(v, &n, s->audience.v[i].text);
	}
	out->audiences = sp_imgb_texts(k->b, v, n);
}

static struct sp_ref
put_gives(struct compiler *k, const struct cfg_source *s)
{
	struct sp_img_give *v = sp_cc_get(k, s->ngive, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < s->ngive; i++) {
		v[i].tag = sp_imgb_str(k->b, s->give[i].tag.text);
		v[i].scopes = sp_cc_scope_set(k, &s->give[i].scopes);
	}
	return SP_IMGB_ARRAY(k->b, v, s->ngive);
}

struct sp_ref
sp_cc_sources(struct compiler *k, struct sp_img_head *head)
{
	struct sp_img_source *v = sp_cc_get(k, k->c->nsources, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->nsources; i++) {
		const struct cfg_source *s = &k->c->sources[i];

		v[i].type = s->type;
		v[i].name = sp_imgb_str(k->b, s->name.text);
		v[i].issuer = sp_imgb_str(k->b, s->issuer.text);
		put_audiences(k, s, &v[i]);
		v[i].keys = sp_imgb_str(k->b, s->keys_text);
		v[i].keys_ref = sp_imgb_str(k->b, s->keys_ref);
		v[i].authority = s->authority;
		v[i].endpoint = s->endpoint;
		v[i].published = s->published;
		v[i].header = sp_imgb_str(k->b, s->header.text);
		v[i].claim_user = sp_imgb_str(k->b, s->claim_user);
		v[i].claim_tags = sp_imgb_str(k->b, s->claim_tags);
		v[i].claim_scopes = sp_imgb_str(k->b, s->claim_scopes);
		v[i].users = sp_cc_texts(k, &s->users);
		v[i].require_scopes = sp_cc_scope_set(k, &s->require_scopes);
		v[i].require_tags = sp_cc_tag_set(k, &s->restrict_tag);
		v[i].give_scopes = sp_cc_scope_set(k, &s->give_scopes);
		v[i].give_by_tag = put_gives(k, s);
		if (s->type == SP_SOURCE_ANONYMOUS)
			head->anonymous = i + 1;
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->nsources);
}

/* Where a key set is asked for: its URL, or below the issuer, whose metadata says. */
struct sp_ref
sp_cc_authorities(struct compiler *k)
{
	struct sp_img_authority *v = sp_cc_get(k, k->c->nauthorities, sizeof *v);
	char buf[8200];
	struct sp_out o;

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->nauthorities; i++) {
		const struct cfg_authority *a = &k->c->authorities[i];
		sp_slice path = a->u.path;

		if (a->url.n == 0 && sp_ends(path, SP_LIT("/")))
			path.n--;
		sp_out_init(&o, buf, sizeof buf);
		sp_out_slice(&o, a->url.n != 0 && path.n == 0 ? SP_LIT("/") : path);
		if (a->u.has_query)
			sp_out_fmt(&o, "?%.*s", SP_PRI(a->u.query));
		v[i] = (struct sp_img_authority){
			.issuer = sp_imgb_str(k->b, a->issuer), .url = sp_imgb_str(k->b, a->url),
			.host = sp_imgb_str(k->b, sp_cc_lower(k, a->u.host)), .port = a->u.port, .https = a->u.https,
			.host_kind = a->u.kind, .path = sp_imgb_str(k->b, sp_cc_keep(k, &o)), .private_ok = 1, .line = a->line,
			.source = a->source,
		};
		if (a->source != 0) {
			v[i].client_id = sp_imgb_str(k->b, k->c->sources[a->source - 1].client_id.text);
			v[i].client_secret = sp_imgb_str(k->b, k->c->sources[a->source - 1].client_secret);
		}
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->nauthorities);
}

struct sp_ref
sp_cc_accounts(struct compiler *k)
{
	struct sp_img_account *v = sp_cc_get(k, k->c->naccounts, sizeof *v);

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->naccounts; i++) {
		const struct cfg_account *a = &k->c->accounts[i];

		v[i] = (struct sp_img_account){
			.uid = a->uid, .name = sp_imgb_str(k->b, a->name), .groups = sp_cc_texts(k, &a->groups),
		};
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->naccounts);
}

/* Written in the file: a decision point may be in a private network, or on this machine. */
struct sp_ref
sp_cc_checks(struct compiler *k)
{
	struct sp_img_check *v = sp_cc_get(k, k->c->nchecks, sizeof *v);
	char buf[8200];
	struct sp_out o;

	if (v == NULL)
		return (struct sp_ref){ 0, 0 };
	for (uint32_t i = 0; i < k->c->nchecks; i++) {
		const struct cfg_check *x = &k->c->checks[i];

		v[i] = (struct sp_img_check){ .name = sp_imgb_str(k->b, x->name.text), .line = x->name.line,
		    .library = sp_imgb_str(k->b, x->library) };
		if (x->library.n != 0)
			continue;
		sp_out_init(&o, buf, sizeof buf);
		sp_out_slice(&o, x->url.path.n == 0 ? SP_LIT("/") : x->url.path);
		if (x->url.has_query)
			sp_out_fmt(&o, "?%.*s", SP_PRI(x->url.query));
		v[i].host = sp_imgb_str(k->b, sp_cc_lower(k, x->url.host));
		v[i].host_kind = x->url.kind;
		v[i].port = x->url.port;
		v[i].https = x->url.https;
		v[i].private_ok = 1;
		v[i].path = sp_imgb_str(k->b, sp_cc_keep(k, &o));
	}
	return SP_IMGB_ARRAY(k->b, v, k->c->nchecks);
}
