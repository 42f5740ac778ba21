#include "oauth/who.h"
#include "oauth/verifier.h"

#include <limits.h>
#include <stdlib.h>

#define PINNED UINT_MAX

struct sp_principal *
sp_principal_hold(struct sp_principal *p)
{
	if (p != NULL && p->refs != PINNED)
		p->refs++;
	return p;
}

void
sp_principal_drop(struct sp_principal **pp)
{
	struct sp_principal *p = *pp;

	*pp = NULL;
	if (p != NULL && p->refs != PINNED && --p->refs == 0)
		free(p);
}

void
sp_principal_pin(struct sp_principal *p)
{
	p->refs = PINNED;
}

static sp_slice
copy(char **at, sp_slice s)
{
	sp_slice out = { *at, s.n };

	if (s.n != 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return out;
}

/* Same source and user, same key; the length of the user is the rest, so nothing can be mistaken for something else. */
static uint64_t
slot_key(const struct sp_who *w, const struct sp_hash_key *seed)
{
	char buf[4 + SP_USER_MAX];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_be(&o, w->source, 4);
	sp_out_slice(&o, w->user);
	return sp_siphash(seed, sp_out_view(&o));
}

/* ---------------------------------------------------------------- facts */

/* Room for facts: the record, its lists, and every text with its NUL. */
static size_t
facts_size(const struct sp_who *w)
{
	const struct sp_kept *k = w->kept;
	sp_slice name = sp_img_str(w->img, w->src->name);

	if (k == NULL)
		return 0;
	return sizeof(struct sp_facts) + (k->nscopes + k->ntags) * sizeof(const char *) + k->scopes.n + k->tags.n +
	    k->claims.n + w->user.n + w->issuer.n + w->client_id.n + name.n + 5;
}

static const char *
text(char **at, sp_slice s)
{
	const char *out = *at;

	if (s.n == 0 || sp_has_byte(s, '\0'))
		return NULL;
	(void)copy(at, s);
	*(*at)++ = '\0';
	return out;
}

static const char **
names(const char **list, char **at, const struct sp_out *o)
{
	sp_slice rest = copy(at, sp_out_view(o)), one;

	while (sp_take_to(&rest, '\0', &one))
		*list++ = one.p;
	return list;
}

static const struct sp_facts *
facts_write(const struct sp_who *w, void *room)
{
	const struct sp_kept *k = w->kept;
	struct sp_facts *f = room;
	const char **list = (const char **)(void *)(f + 1);
	char *at = (char *)(list + k->nscopes + k->ntags);

	*f = (struct sp_facts){ .scopes = list, .nscopes = k->nscopes, .ntags = k->ntags };
	list = names(list, &at, &k->scopes);
	f->tags = list;
	(void)names(list, &at, &k->tags);
	f->subject = k->no_subject ? NULL : text(&at, w->user);
	f->issuer = text(&at, w->issuer);
	f->client_id = text(&at, w->client_id);
	f->source = text(&at, sp_img_str(w->img, w->src->name));
	f->claims = text(&at, sp_out_view(&k->claims));
	return f;
}

struct sp_principal *
sp_who_principal(const struct sp_who *w, const struct sp_hash_key *seed)
{
	uint32_t sw = (w->img->head->scopes.n + 63) / 64, tw = (w->img->head->tags.n + 63) / 64;
	size_t words = (size_t)(sw + tw) * sizeof(uint64_t), facts = facts_size(w);
	struct sp_principal *p = malloc(sizeof *p + words + facts + w->user.n + w->issuer.n + w->client_id.n);
	uint64_t *bits;
	char *at;

	if (p == NULL)
		return NULL;
	bits = (uint64_t *)(void *)(p + 1);
	at = (char *)(bits + sw + tw);
	memcpy(bits, w->scopes, sw * sizeof *bits);
	memcpy(bits + sw, w->tags, tw * sizeof *bits);
	*p = (struct sp_principal){
		.refs = 1, .source = w->source, .scopes = bits, .tags = bits + sw, .scope_words = sw, .tag_words = tw,
		.expires_s = w->expires_s, .key = slot_key(w, seed),
	};
	if (w->kept != NULL)
		p->facts = facts_write(w, at);
	at += facts;
	p->user = copy(&at, w->user);
	p->issuer = copy(&at, w->issuer);
	p->client_id = copy(&at, w->client_id);
	memcpy(p->fingerprint, w->fingerprint, sizeof p->fingerprint);
	return p;
}

enum sp_status
sp_principal_make(const struct sp_image *img, uint32_t source, sp_slice user, sp_slice scopes_spaced,
    sp_slice tags_spaced, struct sp_principal **out, struct sp_err *e)
{
	static const struct sp_hash_key none = { { 0, 0 } };
	struct sp_principal *p;
	enum sp_status st = sp_who_check_image(img, e);
	struct sp_who w;

	if (st != SP_OK)
		return st;
	if (source >= img->head->sources.n)
		return sp_fail(e, SP_E_CONFIG, NULL, "no such source");
	sp_who_init(&w, img, source);
	if (w.src->type == SP_SOURCE_ANONYMOUS && user.n != 0)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "anonymous callers have no user");
	w.user = user;
	sp_who_scopes(&w, scopes_spaced);
	sp_who_tags(&w, tags_spaced);
	st = sp_who_settle(&w, e);
	if (st != SP_OK)
		return st;
	p = sp_who_principal(&w, &none);
	if (p == NULL)
		return sp_fail(e, SP_E_FULL, NULL, "no memory for a principal");
	*out = p;
	return SP_OK;
}
