/* What a check says about one caller and one component. */
#include "auth/check_int.h"
#include "jose/claims.h"

#include <stdarg.h>
#include <stdio.h>

/* ---------------------------------------------------------------- words */

bool
sp_words_has(const char *words, const char *word)
{
	sp_slice rest = sp_str(words), one;

	while (sp_take_part(&rest, ' ', &one))
		if (sp_eq(one, sp_str(word)))
			return true;
	return false;
}

bool
sp_words_add(char *words, size_t cap, const char *word)
{
	size_t n = strlen(words), more = strlen(word);

	if (sp_words_has(words, word))
		return true;
	if (n + (n != 0) + more >= cap)
		return false;
	if (n != 0)
		words[n++] = ' ';
	memcpy(words + n, word, more + 1);
	return true;
}

/* ---------------------------------------------------------------- verdicts */

static enum sp_auth_verdict verdict(const struct sp_auth_check *c, struct sp_auth_context *a);

static enum sp_auth_verdict SP_PRINTF(3, 4)
because(struct sp_auth_context *a, enum sp_auth_verdict v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->text, sizeof a->text, fmt, ap);
	va_end(ap);
	return v;
}

/* Who is nobody is told of no scope.  What is wanted is said whole, held or not: a client asks for what the operation needs,
 * not for what is left of it (config.md section 3). */
static enum sp_auth_verdict
lacking(struct sp_auth_context *a, const char *const *scopes, size_t n)
{
	char miss[sizeof a->scopes] = "";

	a->scopes[0] = '\0';
	if (a->who == NULL)
		return because(a, SP_VERDICT_DENY, "no credential");
	for (size_t i = 0; i < n; i++) {
		if (scopes[i] == NULL || !sp_text_is_scope(scopes[i]))
			return because(a, SP_VERDICT_FAILED, "a check wants a scope that is none");
		if (!sp_words_add(a->scopes, sizeof a->scopes, scopes[i]))
			return because(a, SP_VERDICT_FAILED, "the scopes of a check are over %zu bytes", sizeof a->scopes - 1);
		if (!sp_principal_has_scope(a->who, scopes[i]) && !sp_words_add(miss, sizeof miss, scopes[i]))
			return because(a, SP_VERDICT_FAILED, "the scopes of a check are over %zu bytes", sizeof miss - 1);
	}
	return miss[0] == '\0' ? SP_VERDICT_ALLOW : because(a, SP_VERDICT_SCOPES, "lacks scope %.200s", miss);
}

static bool
is_role(sp_jval *claim, const char *role)
{
	if (sp_jis_str(claim))
		return sp_eq(sp_jtext(claim), sp_str(role));
	for (struct sp_jiter it = sp_jeach(claim); sp_jnext(&it);)
		if (sp_jis_str(it.val) && sp_eq(sp_jtext(it.val), sp_str(role)))
			return true;
	return false;
}

/* A list that holds anything but texts is no list of roles: nothing of it counts. */
static bool
are_roles(sp_jval *claim)
{
	if (!sp_jis_arr(claim))
		return sp_jis_str(claim);
	for (struct sp_jiter it = sp_jeach(claim); sp_jnext(&it);)
		if (!sp_jis_str(it.val))
			return false;
	return true;
}

static enum sp_auth_verdict
roles(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	SP_AUTO(sp_json_free) struct sp_json doc = { 0 };
	const char *claims = sp_principal_claims(a->who);
	sp_jval *claim;

	if (claims == NULL || sp_json_read(sp_str(claims), SP_JSON_DEFAULT, &doc, NULL) != SP_OK)
		return because(a, SP_VERDICT_DENY, "no claims to find roles in");
	claim = sp_claim_at(doc.root, sp_str(c->name));
	if (!are_roles(claim))
		return because(a, SP_VERDICT_DENY, "claim %.100s is no list of roles", c->name);
	for (size_t i = 0; i < c->texts.n; i++)
		if (!is_role(claim, c->texts.p[i]))
			return because(a, SP_VERDICT_DENY, "lacks role %.100s", c->texts.p[i]);
	return SP_VERDICT_ALLOW;
}

static enum sp_auth_verdict
custom(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	enum sp_auth_verdict v = c->fn(a, c->arg);

	switch (v) {
	case SP_VERDICT_ALLOW:
		return v;
	case SP_VERDICT_DENY:
		return because(a, v, "check %.100s says no", c->name);
	case SP_VERDICT_REFUSE:
		if (a->text[0] != '\0')
			return v;
		return because(a, SP_VERDICT_FAILED, "check %.100s refuses without sp_authorization_error()", c->name);
	case SP_VERDICT_SCOPES:
		if (a->scopes[0] != '\0' && a->text[0] != '\0')
			return v;
		return because(a, SP_VERDICT_FAILED, "check %.100s wants scopes without sp_auth_needs_scopes()", c->name);
	case SP_VERDICT_FAILED:
		return because(a, v, "check %.100s failed", c->name);
	}
	return because(a, SP_VERDICT_FAILED, "check %.100s returned %d, which is no verdict", c->name, (int)v);
}

/* ---------------------------------------------------------------- combinations */

static bool
add_words(char *to, size_t cap, const char *words)
{
	sp_slice rest = sp_str(words), one;
	char word[SP_CHECK_NAME_MAX + 1];

	while (sp_take_part(&rest, ' ', &one))
		if (!sp_cstr(one, word, sizeof word) || !sp_words_add(to, cap, word))
			return false;
	return true;
}

static enum sp_auth_verdict
all_of(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	char want[sizeof a->scopes] = "", text[sizeof a->text];
	bool lacks = false;

	for (size_t i = 0; i < c->nparts; i++) {
		enum sp_auth_verdict v = verdict(c->parts[i], a);

		if (v == SP_VERDICT_REFUSE && lacks)
			continue;
		if (v != SP_VERDICT_ALLOW && v != SP_VERDICT_SCOPES)
			return v;
		if (!add_words(want, sizeof want, a->scopes))
			return because(a, SP_VERDICT_FAILED, "the scopes of a check are over %zu bytes", sizeof want - 1);
		if (v == SP_VERDICT_SCOPES && !lacks)
			memcpy(text, a->text, sizeof text);
		lacks = lacks || v == SP_VERDICT_SCOPES;
	}
	if (c->nparts == 0)
		return because(a, SP_VERDICT_FAILED, "a combination of no checks");
	memcpy(a->scopes, want, sizeof a->scopes);
	if (!lacks)
		return SP_VERDICT_ALLOW;
	memcpy(a->text, text, sizeof a->text);
	return SP_VERDICT_SCOPES;
}

/* The better of two that do not allow: missing scopes, a text, a failure that is to be logged, a plain no. */
static int
rank(enum sp_auth_verdict v)
{
	return v == SP_VERDICT_SCOPES ? 3 : v == SP_VERDICT_REFUSE ? 2 : v == SP_VERDICT_FAILED ? 1 : 0;
}

static enum sp_auth_verdict
any_of(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	enum sp_auth_verdict best = SP_VERDICT_DENY;
	char text[sizeof a->text] = "none of several checks allows", scopes[sizeof a->scopes] = "";

	for (size_t i = 0; i < c->nparts; i++) {
		enum sp_auth_verdict v = verdict(c->parts[i], a);

		if (v == SP_VERDICT_ALLOW) {
			a->scopes[0] = '\0';	/* other ways there were: none of them is a demand */
			return v;
		}
		if (rank(v) <= rank(best))
			continue;
		best = v;
		memcpy(text, a->text, sizeof text);
		memcpy(scopes, a->scopes, sizeof scopes);
	}
	memcpy(a->text, text, sizeof text);
	memcpy(a->scopes, scopes, sizeof scopes);
	return best;
}

/* Does it judge callers without a credential by what they are, rather than only by what they do not have? */
static bool
knows_nobody(const struct sp_auth_check *c)
{
	bool all = c->kind == SP_CHECK_SIGNED_IN || c->kind == SP_CHECK_ANYONE || c->kind == SP_CHECK_CUSTOM;

	if (c->nparts == 0)
		return all;
	for (size_t i = 0; i < c->nparts; i++)
		if (!knows_nobody(c->parts[i]))
			return false;
	return true;
}

static enum sp_auth_verdict
negated(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	enum sp_auth_verdict v;

	if (c->nparts == 0)
		return because(a, SP_VERDICT_FAILED, "sp_not of nothing");
	if (a->who == NULL && !knows_nobody(c->parts[0]))
		return because(a, SP_VERDICT_DENY, "no credential");
	v = verdict(c->parts[0], a);
	a->scopes[0] = '\0';
	if (v == SP_VERDICT_DENY || v == SP_VERDICT_SCOPES)
		return SP_VERDICT_ALLOW;
	return v == SP_VERDICT_FAILED ? v : because(a, SP_VERDICT_DENY, "a check under sp_not does not say no");
}

static bool
bears(const char *const *tags, const char *tag)
{
	for (; tags != NULL && *tags != NULL; tags++)
		if (strcmp(*tags, tag) == 0)
			return true;
	return false;
}

static enum sp_auth_verdict
by_kind(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	switch (c->kind) {
	case SP_CHECK_ANYONE:
		return SP_VERDICT_ALLOW;
	case SP_CHECK_SIGNED_IN:
		return a->who != NULL ? SP_VERDICT_ALLOW : because(a, SP_VERDICT_DENY, "no credential");
	case SP_CHECK_SCOPES:
		return lacking(a, (const char *const *)c->texts.p, c->texts.n);
	case SP_CHECK_TAG:
		return sp_principal_has_tag(a->who, c->name) ? SP_VERDICT_ALLOW :
		    because(a, SP_VERDICT_DENY, "lacks tag %.100s", c->name);
	case SP_CHECK_TAG_SCOPES:
		return !bears(a->tags, c->name) ? SP_VERDICT_ALLOW : lacking(a, (const char *const *)c->texts.p, c->texts.n);
	case SP_CHECK_ROLES:
		return roles(c, a);
	case SP_CHECK_ALL:
		return all_of(c, a);
	case SP_CHECK_ANY:
		return any_of(c, a);
	case SP_CHECK_NOT:
		return negated(c, a);
	case SP_CHECK_CUSTOM:
		return custom(c, a);
	case SP_CHECK_HOLE:
	case SP_CHECK_BROKEN:
		break;
	}
	return because(a, SP_VERDICT_FAILED, "a check is missing, or there was no memory for it");
}

static enum sp_auth_verdict
verdict(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	a->text[0] = a->scopes[0] = '\0';
	return by_kind(c, a);
}

enum sp_auth_verdict
sp_check_ask(const struct sp_auth_check *c, struct sp_auth_context *a)
{
	enum sp_auth_verdict v;

	if (c == NULL || c->depth > SP_CHECK_DEPTH)
		return because(a, SP_VERDICT_DENY, c == NULL ? "nothing says who may" : "checks are nested too deep");
	v = verdict(c, a);
	if (v != SP_VERDICT_SCOPES && v != SP_VERDICT_ALLOW)
		a->scopes[0] = '\0';
	if (v == SP_VERDICT_ALLOW)
		a->text[0] = '\0';
	return v;
}

void
sp_decide_check(const struct sp_auth_check *check, const struct sp_question *question, struct sp_decided *decided)
{
	struct sp_auth_context a = {
		.who = question->who, .signed_in = question->who != NULL, .kind = question->kind, .name = question->name,
		.tags = question->tags, .arguments = question->arguments, .transport = SP_TRANSPORT_BYTES,
		.peer = question->peer, .token = question->token,
	};
	struct sp_err e;

	/* No server has looked at it before. */
	if (check != NULL && sp_check_judge(check, &e) != SP_OK)
		decided->verdict = because(&a, SP_VERDICT_FAILED, "%s", e.log);
	else
		decided->verdict = sp_check_ask(check, &a);
	if (decided->verdict != SP_VERDICT_SCOPES)
		a.scopes[0] = '\0';
	memcpy(decided->scopes, a.scopes, sizeof decided->scopes);
	memcpy(decided->text, a.text, sizeof decided->text);
}

/* ---------------------------------------------------------------- callers without a credential */

/* OPEN lets them in or judges them by itself; NEUTRAL is for others to decide. */
enum door { CLOSED = 0, NEUTRAL, OPEN };

static enum door
door(const struct sp_auth_check *c)
{
	enum door most = CLOSED, least = OPEN;

	if (c->kind == SP_CHECK_ANYONE || c->kind == SP_CHECK_CUSTOM)
		return OPEN;
	if (c->kind == SP_CHECK_TAG_SCOPES)
		return NEUTRAL;
	if (c->kind == SP_CHECK_NOT)
		return c->nparts != 0 && knows_nobody(c->parts[0]) ? OPEN : CLOSED;
	for (size_t i = 0; i < c->nparts; i++) {
		enum door d = door(c->parts[i]);

		most = d > most ? d : most;
		least = d < least ? d : least;
	}
	return c->kind == SP_CHECK_ANY || (c->nparts != 0 && least != CLOSED) ? most : CLOSED;
}

bool
sp_checks_need_nobody(const struct sp_auth_check *server, const struct sp_auth_check *component)
{
	enum door s = server == NULL ? NEUTRAL : server->depth > SP_CHECK_DEPTH ? CLOSED : door(server);
	enum door c = component == NULL || component->depth > SP_CHECK_DEPTH ? CLOSED : door(component);

	return s != CLOSED && c != CLOSED && (s == OPEN || c == OPEN);
}

/* ---------------------------------------------------------------- for checks of one's own */

enum sp_auth_verdict
sp_authorization_error(struct sp_auth_context *auth, const char *text)
{
	struct sp_out o;

	sp_out_init(&o, auth->text, sizeof auth->text - 1);
	/* What the caller reads is one line of plain text, whatever the check was given. */
	for (const char *s = text == NULL || *text == '\0' ? "not authorized" : text; *s != '\0' && !o.full; s++)
		sp_out_byte(&o, sp_is_ctl((unsigned char)*s) ? ' ' : *s);
	auth->text[o.n] = '\0';
	return SP_VERDICT_REFUSE;
}

enum sp_auth_verdict
sp_auth_needs_scopes_n(struct sp_auth_context *auth, size_t n, const char *const *scopes)
{
	return lacking(auth, scopes, n);
}

enum sp_auth_verdict
sp_auth_needs_scopes_list(struct sp_auth_context *auth, const char *const *scopes)
{
	return sp_auth_needs_scopes_n(auth, sp_texts_count(scopes), scopes);
}

const struct sp_principal *
sp_auth_context_principal(const struct sp_auth_context *auth)
{
	return auth->who;
}

enum sp_component_type
sp_auth_context_kind(const struct sp_auth_context *auth)
{
	return auth->kind;
}

const char *
sp_auth_context_name(const struct sp_auth_context *auth)
{
	return auth->name;
}

bool
sp_auth_context_has_tag(const struct sp_auth_context *auth, const char *tag)
{
	return tag != NULL && bears(auth->tags, tag);
}

const char *
sp_auth_context_arguments(const struct sp_auth_context *auth)
{
	return auth->arguments;
}

enum sp_transport
sp_auth_context_transport(const struct sp_auth_context *auth)
{
	return auth->transport;
}

const char *
sp_auth_context_peer(const struct sp_auth_context *auth)
{
	return auth->peer;
}

const char *
sp_auth_context_token(const struct sp_auth_context *auth)
{
	return auth->token;
}

bool
sp_same_secret(const char *expected, const char *given)
{
	size_t n = expected == NULL ? 0 : strlen(expected), have = given == NULL ? 0 : strlen(given);
	volatile unsigned char diff = n != have;

	/* An empty secret is one that somebody forgot to set. */
	if (n == 0 || given == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		diff = (unsigned char)(diff | (expected[i] ^ given[i < have ? i : have]));
	return diff == 0;
}
