#include "oauth/who.h"

#include "base/utf8.h"
#include "jose/claims.h"
#include "policy/decide.h"

static enum sp_status
bad(struct sp_err *e, const char *why)
{
	return sp_fail(e, SP_E_BAD_TOKEN, NULL, "%s", why);
}

enum sp_status
sp_who_check_image(const struct sp_image *img, struct sp_err *e)
{
	if (img->head->scopes.n > SP_WHO_WORDS * 64 || img->head->tags.n > SP_WHO_WORDS * 64)
		return sp_fail(e, SP_E_CONFIG, NULL, "over %d scopes or tags", SP_WHO_WORDS * 64);
	return SP_OK;
}

void
sp_who_init(struct sp_who *w, const struct sp_image *img, uint32_t source)
{
	*w = (struct sp_who){ .img = img, .source = source, .expires_s = INT64_MAX };
	w->src = SP_IMG_AT(img, img->head->sources, source, source);
	w->issuer = sp_img_str(img, w->src->issuer);
}

enum { KEPT_TEXT = 128 << 10, KEPT_NAMES = SP_WHO_WORDS * 64 };

void
sp_kept_init(struct sp_kept *k)
{
	*k = (struct sp_kept){ 0 };
	sp_out_heap(&k->scopes, KEPT_TEXT);
	sp_out_heap(&k->tags, KEPT_TEXT);
	sp_out_heap(&k->claims, KEPT_TEXT);
}

void
sp_kept_free(struct sp_kept *k)
{
	sp_out_free(&k->scopes);
	sp_out_free(&k->tags);
	sp_out_free(&k->claims);
}

void
sp_who_keep(struct sp_who *w, struct sp_kept *k)
{
	w->kept = k;
	if (k == NULL)
		return;
	sp_out_reset(&k->scopes);
	sp_out_reset(&k->tags);
	sp_out_reset(&k->claims);
	k->nscopes = k->ntags = 0;
	k->no_subject = k->lost = false;
}

/* A name with a NUL would be another name where texts end at it. */
static void
keep(struct sp_kept *k, struct sp_out *o, uint32_t *n, sp_slice name)
{
	sp_slice rest = sp_out_view(o), one;

	if (name.n == 0 || sp_has_byte(name, '\0'))
		return;
	while (sp_take_to(&rest, '\0', &one))
		if (sp_eq(one, name))
			return;
	if (*n == KEPT_NAMES) {
		k->lost = true;
		return;
	}
	sp_out_slice(o, name);
	sp_out_byte(o, '\0');
	++*n;
}

static void
set(uint64_t words[SP_WHO_WORDS], uint32_t i)
{
	if (i / 64 < SP_WHO_WORDS)
		words[i / 64] |= (uint64_t)1 << (i % 64);
}

static void
join(const struct sp_image *img, uint64_t words[SP_WHO_WORDS], struct sp_ref more)
{
	const uint64_t *m = sp_img_words(img, more);

	for (uint32_t i = 0; i < more.n && i < SP_WHO_WORDS; i++)
		words[i] |= m[i];
}

void
sp_who_scope(struct sp_who *w, sp_slice name)
{
	uint32_t i = sp_img_find_scope(w->img, name);

	if (w->kept != NULL)
		keep(w->kept, &w->kept->scopes, &w->kept->nscopes, name);
	if (i != UINT32_MAX)
		set(w->scopes, i);
}

void
sp_who_tag(struct sp_who *w, sp_slice name)
{
	uint32_t i = sp_img_find_tag(w->img, name);

	if (w->kept != NULL)
		keep(w->kept, &w->kept->tags, &w->kept->ntags, name);
	if (i != UINT32_MAX)
		set(w->tags, i);
	for (uint32_t g = 0; g < w->src->give_by_tag.n; g++) {
		const struct sp_img_give *give = SP_IMG_AT(w->img, w->src->give_by_tag, give, g);

		if (sp_eq(sp_img_str(w->img, give->tag), name))
			join(w->img, w->scopes, give->scopes);
	}
}

void
sp_who_scopes(struct sp_who *w, sp_slice spaced)
{
	sp_slice one;

	while (sp_take_part(&spaced, ' ', &one))
		if (one.n != 0)
			sp_who_scope(w, one);
}

void
sp_who_tags(struct sp_who *w, sp_slice spaced)
{
	sp_slice one;

	while (sp_take_part(&spaced, ' ', &one))
		if (one.n != 0)
			sp_who_tag(w, one);
}

/* A list that holds anything but texts is no list of names: nothing of it counts. */
static bool
is_texts(sp_jval *v)
{
	if (!sp_jis_arr(v))
		return false;
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		if (!sp_jis_str(it.val))
			return false;
	return true;
}

static void
claimed_scopes(struct sp_who *w, sp_jval *v)
{
	if (sp_jis_str(v))
		sp_who_scopes(w, sp_jtext(v));
	if (!is_texts(v))
		return;
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		sp_who_scope(w, sp_jtext(it.val));
}

static void
claimed_tags(struct sp_who *w, sp_jval *v)
{
	if (!is_texts(v))
		return;
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);)
		sp_who_tag(w, sp_jtext(it.val));
}

/* Does the path end in a step `email`?  Then *parent is the object it is read from. */
static bool
is_email(sp_jval *claims, sp_slice path, sp_jval **parent)
{
	const sp_slice last = SP_LIT(".email");

	*parent = claims;
	if (sp_eq(path, SP_LIT("email")))
		return true;
	if (!sp_ends(path, last))
		return false;
	*parent = sp_claim_at(claims, sp_sub(path, 0, path.n - last.n));
	return true;
}

static size_t
count(sp_slice s, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == c;
	return n;
}

static enum sp_status
claimed_user(struct sp_who *w, sp_jval *claims, struct sp_err *e)
{
	sp_slice path = sp_img_str(w->img, w->src->claim_user);
	sp_jval *v = sp_claim_at(claims, path), *parent;

	if (!sp_jis_str(v))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "claim %.*s is missing or not text", SP_PRI(path));
	if (is_email(claims, path, &parent)) {
		if (!sp_jtrue(SP_JGET(parent, "email_verified")))
			return bad(e, "email is not verified (email_verified is not true)");
		/* "a@evil.com@acme.example" must not pass for a user of acme.example. */
		if (count(sp_jtext(v), '@') != 1 || sp_has_byte(sp_jtext(v), '"'))
			return bad(e, "email is not of the form user@domain");
	}
	w->user = sp_jtext(v);
	return SP_OK;
}

static void
claimed_client(struct sp_who *w, sp_jval *claims)
{
	sp_jval *client = SP_JGET(claims, "client_id");

	if (!sp_jis_str(client))
		client = SP_JGET(claims, "azp");
	if (!sp_jis_str(client))
		client = SP_JGET(claims, "sub");
	if (sp_jis_str(client))
		w->client_id = sp_sub(sp_jtext(client), 0, SP_USER_MAX);
}

/* RFC 7662 section 2.2: who acts for itself may have no `sub`. */
static enum sp_status
claimed_subject(struct sp_who *w, sp_jval *claims, struct sp_err *e)
{
	sp_jval *sub = SP_JGET(claims, "sub");

	if (sub == NULL && w->client_id.n != 0) {
		w->user = w->client_id;
		if (w->kept != NULL)
			w->kept->no_subject = true;
		return SP_OK;
	}
	if (!sp_jis_str(sub))
		return bad(e, "claim sub is missing or not text");
	w->user = sp_jtext(sub);
	return SP_OK;
}

static sp_jval *
scopes_of(const struct sp_who *w, sp_jval *claims)
{
	sp_slice path = sp_img_str(w->img, w->src->claim_scopes);

	if (path.n != 0)
		return sp_claim_at(claims, path);
	/* The first that is there counts, whatever is in it. */
	return SP_JGET(claims, "scope") != NULL ? SP_JGET(claims, "scope") : SP_JGET(claims, "scp");
}

enum sp_status
sp_who_claims(struct sp_who *w, sp_jval *claims, struct sp_err *e)
{
	enum sp_status st;

	claimed_client(w, claims);
	st = w->src->claim_user.n == 0 ? claimed_subject(w, claims, e) : claimed_user(w, claims, e);
	if (st != SP_OK)
		return st;
	claimed_scopes(w, scopes_of(w, claims));
	claimed_tags(w, sp_claim_at(claims, sp_img_str(w->img, w->src->claim_tags)));
	if (w->kept != NULL)
		sp_jwrite(&w->kept->claims, claims);
	return SP_OK;
}

/* A name that a screen or a log shows as it is: no controls, no marks that reorder text. */
static bool
is_plain(sp_slice user)
{
	char buf[SP_USER_MAX];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_utf8_clean(&o, user, sizeof buf, false);
	return sp_eq(sp_out_view(&o), user);
}

static bool
is_admitted(const struct sp_who *w)
{
	for (uint32_t i = 0; i < w->src->users.n; i++) {
		sp_slice pattern = sp_img_text(w->img, w->src->users, i);

		/* A '*' must not reach over an '@': `*@acme.example` means this domain. */
		if (count(pattern, '@') == 1 && count(w->user, '@') > 1)
			continue;
		if (sp_glob(pattern, w->user))
			return true;
	}
	/* Who comes by a Unix socket is somebody of this machine, whoever that is: only those who are named are let in. */
	return w->src->users.n == 0 && w->src->type != SP_SOURCE_PEER;
}

/* Index of the first wanted bit that is not there, or UINT32_MAX. */
static uint32_t
lacking(const struct sp_image *img, const uint64_t have[SP_WHO_WORDS], struct sp_ref want)
{
	const uint64_t *m = sp_img_words(img, want);

	for (uint32_t i = 0; i < want.n; i++) {
		uint64_t miss = m[i] & ~(i < SP_WHO_WORDS ? have[i] : 0);

		if (miss != 0)
			return i * 64 + (uint32_t)__builtin_ctzll(miss);
	}
	return UINT32_MAX;
}

static void
imply(struct sp_who *w)
{
	uint64_t own[SP_WHO_WORDS];

	memcpy(own, w->scopes, sizeof own);
	for (uint32_t i = 0; i < w->img->head->scopes.n; i++)
		if (sp_bit(own, SP_WHO_WORDS, i))
			join(w->img, w->scopes, SP_IMG_AT(w->img, w->img->head->scopes, scope, i)->closure);
}

/* What was lost might be what a check refuses. */
static bool
keep_given(struct sp_who *w)
{
	const struct sp_image *img = w->img;
	struct sp_kept *k = w->kept;

	for (uint32_t i = 0; i < img->head->scopes.n; i++)
		if (sp_bit(sp_img_words(img, w->src->give_scopes), w->src->give_scopes.n, i))
			keep(k, &k->scopes, &k->nscopes, sp_img_str(img, SP_IMG_AT(img, img->head->scopes, scope, i)->name));
	return !k->lost && !k->scopes.full && !k->tags.full && !k->claims.full;
}

/* A good token that lacks a scope of its source: the caller may ask for more, so pub names all the source wants. */
static enum sp_status
short_of(const struct sp_who *w, uint32_t miss, struct sp_err *e)
{
	const struct sp_image *img = w->img;
	char all[sizeof e->pub];
	struct sp_out o;

	sp_out_init(&o, all, sizeof all - 1);
	for (uint32_t i = 0; i < img->head->scopes.n; i++) {
		if (!sp_bit(sp_img_words(img, w->src->require_scopes), w->src->require_scopes.n, i))
			continue;
		if (o.n != 0)
			sp_out_byte(&o, ' ');
		sp_out_slice(&o, sp_img_str(img, SP_IMG_AT(img, img->head->scopes, scope, i)->name));
	}
	all[o.full ? 0 : o.n] = '\0';
	return sp_fail(e, SP_E_SCOPE, all, "the source requires scope %.*s",
	    SP_PRI(sp_img_str(img, SP_IMG_AT(img, img->head->scopes, scope, miss)->name)));
}

enum sp_status
sp_who_settle(struct sp_who *w, struct sp_err *e)
{
	const struct sp_image *img = w->img;
	uint32_t miss;

	if (w->src->type != SP_SOURCE_ANONYMOUS && (w->user.n == 0 || w->user.n > SP_USER_MAX || !is_plain(w->user)))
		return bad(e, "user is empty, too long or holds control characters");
	join(img, w->scopes, w->src->give_scopes);
	if (w->kept != NULL && !keep_given(w))
		return bad(e, "it has more scopes, tags or claims than are kept");
	imply(w);
	if (!is_admitted(w))
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "user %.*s is none of the source's `users`", SP_PRI(w->user));
	/* The tag first: who lacks it learns of no scope. */
	miss = lacking(img, w->tags, w->src->require_tags);
	if (miss < img->head->tags.n)
		return sp_fail(e, SP_E_BAD_TOKEN, NULL, "the source requires tag %.*s",
		    SP_PRI(sp_img_text(img, img->head->tags, miss)));
	if (miss != UINT32_MAX)
		return bad(e, "the source requires a tag that does not exist");
	miss = lacking(img, w->scopes, w->src->require_scopes);
	if (miss < img->head->scopes.n)
		return short_of(w, miss, e);
	if (miss != UINT32_MAX)
		return bad(e, "the source requires a scope that does not exist");
	return SP_OK;
}
