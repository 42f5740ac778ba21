/* Checks are made and given back here; ask.c asks them. */
#include "auth/check_int.h"

#include <stdlib.h>

/* These are shared by everybody and never change, whoever takes or frees them. */
static const struct sp_auth_check signed_in = { .kind = SP_CHECK_SIGNED_IN, .depth = 1 };
static const struct sp_auth_check anyone = { .kind = SP_CHECK_ANYONE, .depth = 1 };
/* Instead of NULL, which would end a list of parts before its time and so take demands away. */
static const struct sp_auth_check broken = { .kind = SP_CHECK_BROKEN, .depth = 1 };
static const struct sp_auth_check hole = { .kind = SP_CHECK_HOLE, .depth = 1 };

static bool
is_shared(const struct sp_auth_check *c)
{
	return c == &signed_in || c == &anyone || c == &broken || c == &hole;
}

static struct sp_auth_check *
shared(const struct sp_auth_check *c)
{
	return (struct sp_auth_check *)(uintptr_t)c;
}

struct sp_auth_check *
sp_signed_in(void)
{
	return shared(&signed_in);
}

struct sp_auth_check *
sp_anyone(void)
{
	return shared(&anyone);
}

struct sp_auth_check *
sp_check_take(struct sp_auth_check *c)
{
	if (c == NULL || is_shared(c) || ++c->given <= c->refs)
		return c;
	c->refs++;
	c->twice = true;
	return c;
}

struct sp_auth_check *
sp_check_hold(struct sp_auth_check *c)
{
	if (c != NULL && !is_shared(c))
		c->refs++;
	return c;
}

void
sp_auth_check_free(struct sp_auth_check *c)
{
	if (c == NULL || is_shared(c) || --c->refs != 0)
		return;
	for (size_t i = 0; i < c->nparts; i++)
		sp_auth_check_free(c->parts[i]);
	sp_texts_free(&c->texts);
	free(c->parts);
	free(c->name);
	free(c);
}

/* ---------------------------------------------------------------- making */

static struct sp_auth_check *
make(enum sp_check_kind kind, const char *name, size_t n, const char *const *texts)
{
	struct sp_auth_check *c = calloc(1, sizeof *c);

	if (c == NULL)
		return shared(&broken);
	c->kind = kind;
	c->refs = 1;
	c->depth = 1;
	if (sp_text_copy(&c->name, name != NULL ? name : "") && sp_texts_copy_n(&c->texts, n, texts))
		return c;
	sp_auth_check_free(c);
	return shared(&broken);
}

struct sp_auth_check *
sp_require_scopes_n(size_t n, const char *const *scopes)
{
	return make(SP_CHECK_SCOPES, NULL, n, scopes);
}

struct sp_auth_check *
sp_require_scopes_list(const char *const *scopes)
{
	return sp_require_scopes_n(sp_texts_count(scopes), scopes);
}

struct sp_auth_check *
sp_restrict_tag(const char *tag)
{
	return make(SP_CHECK_TAG, tag, 0, NULL);
}

struct sp_auth_check *
sp_restrict_tag_scopes_n(const char *tag, size_t n, const char *const *scopes)
{
	return make(SP_CHECK_TAG_SCOPES, tag, n, scopes);
}

struct sp_auth_check *
sp_restrict_tag_scopes_list(const char *tag, const char *const *scopes)
{
	return sp_restrict_tag_scopes_n(tag, sp_texts_count(scopes), scopes);
}

struct sp_auth_check *
sp_require_roles_n(const char *path, size_t n, const char *const *roles)
{
	return make(SP_CHECK_ROLES, path != NULL ? path : "roles", n, roles);
}

struct sp_auth_check *
sp_require_roles_at(const char *path, const char *const *roles)
{
	return sp_require_roles_n(path, sp_texts_count(roles), roles);
}

struct sp_auth_check *
sp_auth_check(const char *name, sp_auth_check_fn fn, void *arg)
{
	struct sp_auth_check *c = make(SP_CHECK_CUSTOM, name, 0, NULL);

	if (!is_shared(c)) {
		c->fn = fn;
		c->arg = arg;
	}
	return c;
}

/* A NULL among the parts is somebody's demand that got lost: it denies, and does not end the list. */
static struct sp_auth_check *
combine(enum sp_check_kind kind, size_t n, struct sp_auth_check *const *parts)
{
	struct sp_auth_check *c = make(kind, NULL, 0, NULL);

	if (!is_shared(c))
		c->parts = calloc(n + 1, sizeof(struct sp_auth_check *));
	if (is_shared(c) || c->parts == NULL) {
		sp_auth_check_free(c);
		for (size_t i = 0; i < n; i++)
			sp_auth_check_free(parts[i]);
		return shared(&broken);
	}
	for (; c->nparts < n; c->nparts++) {
		struct sp_auth_check *part = parts[c->nparts] != NULL ? parts[c->nparts] : shared(&hole);

		c->parts[c->nparts] = sp_check_take(part);
		if (c->depth <= part->depth)
			c->depth = part->depth + 1;
	}
	return c;
}

static size_t
count(struct sp_auth_check *const *checks)
{
	size_t n = 0;

	while (checks != NULL && checks[n] != NULL)
		n++;
	return n;
}

struct sp_auth_check *
sp_all_of_n(size_t n, struct sp_auth_check *const *checks)
{
	return combine(SP_CHECK_ALL, n, checks);
}

struct sp_auth_check *
sp_all_of_list(struct sp_auth_check *const *checks)
{
	return sp_all_of_n(count(checks), checks);
}

struct sp_auth_check *
sp_any_of_n(size_t n, struct sp_auth_check *const *checks)
{
	return combine(SP_CHECK_ANY, n, checks);
}

struct sp_auth_check *
sp_any_of_list(struct sp_auth_check *const *checks)
{
	return sp_any_of_n(count(checks), checks);
}

struct sp_auth_check *
sp_not(struct sp_auth_check *check)
{
	return combine(SP_CHECK_NOT, 1, &check);
}

/* ---------------------------------------------------------------- judging the form */

static enum sp_status
wrong(struct sp_err *e, const char *why)
{
	return sp_fail(e, SP_E_CONFIG, NULL, "%s", why);
}

static enum sp_status
judge_texts(const struct sp_auth_check *c, struct sp_err *e)
{
	const char *what = c->kind == SP_CHECK_ROLES ? "role" : "scope";

	for (size_t i = 0; i < c->texts.n; i++) {
		bool ok = c->kind == SP_CHECK_ROLES ? sp_text_is_name(c->texts.p[i]) : sp_text_is_scope(c->texts.p[i]);

		if (!ok)
			return sp_fail(e, SP_E_CONFIG, NULL, "\"%.*s\" cannot be a %s", SP_PRI(sp_str(c->texts.p[i])), what);
	}
	if (c->texts.n == 0 && c->kind == SP_CHECK_ROLES)
		return wrong(e, "sp_require_roles without a role");
	if (c->texts.n == 0 && c->kind == SP_CHECK_TAG_SCOPES)
		return wrong(e, "sp_restrict_tag_scopes without a scope");
	return SP_OK;
}

static enum sp_status
judge_one(const struct sp_auth_check *c, struct sp_err *e)
{
	switch (c->kind) {
	case SP_CHECK_SIGNED_IN:
	case SP_CHECK_ANYONE:
		return SP_OK;
	case SP_CHECK_SCOPES:
		return judge_texts(c, e);
	case SP_CHECK_TAG:
		return sp_text_is_name(c->name) ? SP_OK : wrong(e, "sp_restrict_tag: the tag is empty, too long or not plain text");
	case SP_CHECK_TAG_SCOPES:
		return sp_text_is_name(c->name) ? judge_texts(c, e) : wrong(e, "sp_restrict_tag_scopes: the tag is no plain text");
	case SP_CHECK_ROLES:
		return sp_text_is_name(c->name) ? judge_texts(c, e) : wrong(e, "sp_require_roles: the claim's path is no plain text");
	case SP_CHECK_ALL:
	case SP_CHECK_ANY:
	case SP_CHECK_NOT:
		return c->nparts != 0 ? SP_OK : wrong(e, "a combination of no checks");
	case SP_CHECK_CUSTOM:
		return c->fn == NULL ? wrong(e, "sp_auth_check without a function") :
		    sp_text_is_name(c->name) ? SP_OK : wrong(e, "sp_auth_check without a name for the log");
	case SP_CHECK_HOLE:
		return wrong(e, "a NULL among the checks of a combination");
	case SP_CHECK_BROKEN:
		break;
	}
	return wrong(e, "there was no memory for a check");
}

static enum sp_status
judge(const struct sp_auth_check *c, struct sp_err *e)
{
	enum sp_status st = judge_one(c, e);

	if (st == SP_OK && c->twice)
		return wrong(e, "one check was given to two owners: make one for each");
	for (size_t i = 0; st == SP_OK && i < c->nparts; i++)
		st = judge(c->parts[i], e);
	return st;
}

static void
fits(void *ctx, const char *scope)
{
	struct sp_auth_context *a = ctx;

	if (!sp_words_add(a->scopes, sizeof a->scopes, scope))
		a->signed_in = true;
}

enum sp_status
sp_check_judge(const struct sp_auth_check *c, struct sp_err *e)
{
	struct sp_auth_context all = { 0 };
	enum sp_status st;

	if (c == NULL)
		return wrong(e, "no check: SP_SIGNED_IN or SP_ANYONE say who may come in without demands");
	if (c->depth > SP_CHECK_DEPTH)
		return sp_fail(e, SP_E_CONFIG, NULL, "checks are nested deeper than %d", SP_CHECK_DEPTH);
	st = judge(c, e);
	if (st != SP_OK)
		return st;
	/* A challenge that names only some of them would send clients round in circles. */
	sp_check_scopes(c, fits, &all);
	if (all.signed_in)
		return sp_fail(e, SP_E_CONFIG, NULL, "its scopes are over %zu bytes together", sizeof all.scopes - 1);
	return SP_OK;
}

void
sp_check_scopes(const struct sp_auth_check *c, void (*each)(void *ctx, const char *scope), void *ctx)
{
	if (c == NULL || c->depth > SP_CHECK_DEPTH)
		return;
	if (c->kind == SP_CHECK_SCOPES || c->kind == SP_CHECK_TAG_SCOPES)
		for (size_t i = 0; i < c->texts.n; i++)
			each(ctx, c->texts.p[i]);
	for (size_t i = 0; i < c->nparts; i++)
		sp_check_scopes(c->parts[i], each, ctx);
}
