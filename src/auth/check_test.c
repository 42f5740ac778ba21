/* Checks against callers: parity 61-65, 67 as far as checks decide them. */
#include "auth/check.h"
#include "base/check.h"

#include <stdio.h>

static const char *const READ[] = { "read:data", NULL };
static const char *const ADMIN_TAGS[] = { "admin", NULL };

static const char *const reader_scopes[] = { "read:data" };
static const char *const admin_tags[] = { "admin" };
static const struct sp_facts reader_facts = {
	.subject = "ann", .client_id = "app", .source = "jwt", .scopes = reader_scopes, .nscopes = 1,
	.claims = "{\"roles\":[\"ops\",\"dev\"],\"one\":\"ops\",\"mixed\":[\"ops\",1],\"listed\":\"[\\\"ops\\\"]\","
	    "\"realm\":{\"roles\":[\"ops\"]},\"n\":7}",
};
static const struct sp_facts admin_facts = {
	.subject = "bob", .source = "static", .tags = admin_tags, .ntags = 1,
};
static const struct sp_principal reader = { .refs = 1, .expires_s = 99, .facts = &reader_facts };
static const struct sp_principal admin = { .refs = 1, .expires_s = INT64_MAX, .facts = &admin_facts };

static enum sp_auth_verdict
says(struct sp_auth_context *a, void *arg)
{
	switch (*(const char *)arg) {
	case 'a': return SP_VERDICT_ALLOW;
	case 'd': return SP_VERDICT_DENY;
	case 'r': return sp_authorization_error(a, "API key\nrequired");
	case 'q': return SP_VERDICT_REFUSE;
	case 's': return sp_auth_needs_scopes(a, "x", "read:data", "y", "x");
	case 'h': return sp_auth_needs_scopes(a, "read:data");
	case 't': return SP_VERDICT_SCOPES;
	case 'f': return SP_VERDICT_FAILED;
	case 'k': return sp_same_secret("key-1", sp_auth_context_token(a)) ? SP_VERDICT_ALLOW : SP_VERDICT_DENY;
	default: return (enum sp_auth_verdict)4711;
	}
}

#define SAYS(c) sp_auth_check("own", says, (void *)(uintptr_t)(c))
#define S(...) sp_require_scopes(__VA_ARGS__)

static void
ask(const char *name, struct sp_auth_check *c, const struct sp_principal *who, const char *const *tags,
    enum sp_auth_verdict want, const char *scopes)
{
	struct sp_question q = { .kind = SP_COMPONENT_IS_TOOL, .name = "t", .tags = tags, .who = who, .token = "key-1" };
	struct sp_decided got;

	sp_decide_check(c, &q, &got);
	CHECK(name, got.verdict == want);
	CHECK(name, strcmp(got.scopes, scopes) == 0);
	CHECK(name, (want == SP_VERDICT_ALLOW) == (got.text[0] == '\0'));
	sp_auth_check_free(c);
}

static void
each_kind(void **state)
{
	ask("no check: deny (parity 67)", NULL, &reader, NULL, SP_VERDICT_DENY, "");
	ask("signed in: somebody", SP_SIGNED_IN, &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("signed in: nobody", SP_SIGNED_IN, NULL, NULL, SP_VERDICT_DENY, "");
	ask("anyone: nobody", SP_ANYONE, NULL, NULL, SP_VERDICT_ALLOW, "");
	ask("scopes: has it (parity 61)", S("read:data"), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("scopes: lacks some, all are named (parity 6)", S("read:data", "b", "a", "b"), &reader, NULL, SP_VERDICT_SCOPES,
	    "read:data b a");
	ask("scopes: a part of a name is none", S("read"), &reader, NULL, SP_VERDICT_SCOPES, "read");
	ask("scopes: nobody learns none (parity 64)", S("a"), NULL, NULL, SP_VERDICT_DENY, "");
	ask("scopes: none wanted", sp_require_scopes_list(NULL), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("scopes: none wanted, nobody", sp_require_scopes_list(NULL), NULL, NULL, SP_VERDICT_DENY, "");
	ask("tag: has it", sp_restrict_tag("admin"), &admin, NULL, SP_VERDICT_ALLOW, "");
	ask("tag: lacks it, names no scope", sp_restrict_tag("admin"), &reader, ADMIN_TAGS, SP_VERDICT_DENY, "");
	ask("tag: nobody", sp_restrict_tag("admin"), NULL, NULL, SP_VERDICT_DENY, "");
	ask("component's tag: not borne (parity 62)", sp_restrict_tag_scopes("admin", "s"), NULL, NULL, SP_VERDICT_ALLOW, "");
	ask("component's tag: borne (parity 62)", sp_restrict_tag_scopes("admin", "s"), &reader, ADMIN_TAGS,
	    SP_VERDICT_SCOPES, "s");
	ask("component's tag: nobody (parity 62)", sp_restrict_tag_scopes("admin", "s"), NULL, ADMIN_TAGS, SP_VERDICT_DENY, "");
	ask("component's tag: scope there", sp_restrict_tag_scopes("admin", "read:data"), &reader, ADMIN_TAGS,
	    SP_VERDICT_ALLOW, "");
}

static void
roles(void **state)
{
	ask("roles: all", sp_require_roles("ops", "dev"), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("roles: one lacks, no scope named (parity 65)", sp_require_roles("ops", "root"), &reader, NULL, SP_VERDICT_DENY, "");
	ask("roles: one text", sp_require_roles_at("one", SP_LIST("ops")), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("roles: deeper", sp_require_roles_at("realm.roles", SP_LIST("ops")), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("roles: a list with a number is none", sp_require_roles_at("mixed", SP_LIST("ops")), &reader, NULL,
	    SP_VERDICT_DENY, "");
	ask("roles: a text that looks like a list is one name", sp_require_roles_at("listed", SP_LIST("ops")), &reader, NULL,
	    SP_VERDICT_DENY, "");
	ask("roles: a number", sp_require_roles_at("n", SP_LIST("7")), &reader, NULL, SP_VERDICT_DENY, "");
	ask("roles: absent", sp_require_roles_at("none", SP_LIST("ops")), &reader, NULL, SP_VERDICT_DENY, "");
	ask("roles: no claims", sp_require_roles("ops"), &admin, NULL, SP_VERDICT_DENY, "");
	ask("roles: nobody", sp_require_roles("ops"), NULL, NULL, SP_VERDICT_DENY, "");
}

static void
own(void **state)
{
	ask("own: allow", SAYS("a"), NULL, NULL, SP_VERDICT_ALLOW, "");
	ask("own: deny", SAYS("d"), &reader, NULL, SP_VERDICT_DENY, "");
	ask("own: refuse (parity 63)", SAYS("r"), &reader, NULL, SP_VERDICT_REFUSE, "");
	ask("own: refuse without a text", SAYS("q"), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("own: scopes, held or not", SAYS("s"), &reader, NULL, SP_VERDICT_SCOPES, "x read:data y");
	ask("own: scopes that are there", SAYS("h"), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("own: scopes of nobody", SAYS("s"), NULL, NULL, SP_VERDICT_DENY, "");
	ask("own: scopes without a name", SAYS("t"), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("own: failed (parity 63)", SAYS("f"), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("own: rubbish", SAYS("?"), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("own: the raw token", SAYS("k"), NULL, NULL, SP_VERDICT_ALLOW, "");
}

static void
combinations(void **state)
{
	ask("all: and (parity 63)", sp_all_of(SP_SIGNED_IN, S("read:data"), SAYS("a")), &reader, NULL, SP_VERDICT_ALLOW, "");
	/* FastMCP names the unmet ones only; what the operation needs is what a client has to ask for (config.md section 3). */
	ask("all: wanted ones together (parity 64)", sp_all_of(S("b", "read:data"), S("a", "b")), &reader, NULL,
	    SP_VERDICT_SCOPES, "b read:data a");
	ask("all: those of a check that is met too", sp_all_of(S("read:data"), S("a")), &reader, NULL, SP_VERDICT_SCOPES,
	    "read:data a");
	ask("all: those of another way are no demand", sp_all_of(sp_any_of(S("read:data"), S("b")), S("a")), &reader, NULL,
	    SP_VERDICT_SCOPES, "a");
	ask("all: across layers (parity 64)", sp_all_of(S("a"), sp_all_of(S("b"), SAYS("s"))), &reader, NULL,
	    SP_VERDICT_SCOPES, "a b x read:data y");
	ask("all: a plain no after scopes (parity 64)", sp_all_of(S("a"), SAYS("d")), &reader, NULL, SP_VERDICT_DENY, "");
	ask("all: a role hides scopes (parity 65)", sp_all_of(S("a"), sp_require_roles("root")), &reader, NULL,
	    SP_VERDICT_DENY, "");
	ask("all: a failure after scopes", sp_all_of(S("a"), SAYS("f")), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("all: scopes, then a text: the first decides", sp_all_of(S("a"), SAYS("r")), &reader, NULL, SP_VERDICT_SCOPES, "a");
	ask("all: a text, then scopes: the first decides", sp_all_of(SAYS("r"), S("a")), &reader, NULL, SP_VERDICT_REFUSE, "");
	ask("any: the second", sp_any_of(S("a"), sp_restrict_tag("admin")), &admin, NULL, SP_VERDICT_ALLOW, "");
	ask("any: the first that lacks only scopes", sp_any_of(SAYS("d"), S("a"), S("b")), &reader, NULL,
	    SP_VERDICT_SCOPES, "a");
	ask("any: else a text", sp_any_of(SAYS("f"), SAYS("r"), SAYS("d")), &reader, NULL, SP_VERDICT_REFUSE, "");
	ask("any: else no", sp_any_of(SAYS("d"), sp_restrict_tag("admin")), &reader, NULL, SP_VERDICT_DENY, "");
	ask("not: who is not", sp_not(sp_restrict_tag("admin")), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("not: who is", sp_not(sp_restrict_tag("admin")), &admin, NULL, SP_VERDICT_DENY, "");
	ask("not: who lacks scopes", sp_not(S("a")), &reader, NULL, SP_VERDICT_ALLOW, "");
	ask("not: what failed denies", sp_not(SAYS("f")), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("not: rubbish denies", sp_not(SAYS("?")), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("not: a text is no plain no", sp_not(SAYS("r")), &reader, NULL, SP_VERDICT_DENY, "");
	ask("not: nobody is not let in for what he lacks", sp_not(sp_restrict_tag("bad")), NULL, NULL, SP_VERDICT_DENY, "");
	ask("not: only those without a credential", sp_not(SP_SIGNED_IN), NULL, NULL, SP_VERDICT_ALLOW, "");
	ask("not not", sp_not(sp_not(S("a"))), &reader, NULL, SP_VERDICT_DENY, "");
	ask("all of nothing", sp_all_of_list(NULL), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("all with a hole denies", sp_all_of(SP_SIGNED_IN, NULL, SAYS("a")), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("any with a hole", sp_any_of(NULL, SAYS("a")), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("a scope that got lost denies", S("read:data", NULL), &reader, NULL, SP_VERDICT_FAILED, "");
	ask("not of nothing", sp_not(NULL), &reader, NULL, SP_VERDICT_FAILED, "");
}

/* ---------------------------------------------------------------- form and ownership */

static const char LONG[] = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

static void
judged(const char *name, struct sp_auth_check *c, const char *want)
{
	struct sp_err e = { 0 };
	enum sp_status st = sp_check_judge(c, &e);

	CHECK(name, (st == SP_OK) == (want == NULL));
	CHECK(name, want == NULL || strstr(e.log, want) != NULL);
	sp_auth_check_free(c);
}

static struct sp_auth_check *
nested(unsigned depth)
{
	struct sp_auth_check *c = S("a");

	for (unsigned i = 1; i < depth; i++)
		c = sp_not(c);
	return c;
}

static void
forms(void **state)
{
	char a[200], b[200], d[200];

	snprintf(a, sizeof a, "a%.190s", LONG);
	snprintf(b, sizeof b, "b%.190s", LONG);
	snprintf(d, sizeof d, "d%.190s", LONG);
	judged("good", sp_all_of(SP_SIGNED_IN, sp_any_of(S("a"), sp_restrict_tag("t")), SP_SIGNED_IN), NULL);
	judged("none", NULL, "SP_SIGNED_IN");
	judged("empty scope", S(""), "cannot be a scope");
	judged("two scopes in one", S("a b"), "cannot be a scope");
	judged("a scope with a quote", S("a\"b"), "cannot be a scope");
	judged("empty tag", sp_restrict_tag(""), "sp_restrict_tag");
	judged("NULL tag", sp_restrict_tag(NULL), "sp_restrict_tag");
	judged("tag without scopes", sp_restrict_tag_scopes_list("t", NULL), "without a scope");
	judged("no role", sp_require_roles_at(NULL, NULL), "without a role");
	judged("empty role", sp_require_roles(""), "cannot be a role");
	judged("no path", sp_require_roles_at("", SP_LIST("r")), "path");
	judged("no function", sp_auth_check("x", NULL, NULL), "without a function");
	judged("no name", sp_auth_check(NULL, says, NULL), "without a name");
	judged("all of nothing", sp_all_of_list(NULL), "no checks");
	judged("not NULL", sp_not(NULL), "NULL among");
	judged("a demand that got lost", sp_all_of(S("a"), NULL, sp_restrict_tag("t")), "NULL among");
	judged("a scope that got lost", S("a", NULL, "b"), "cannot be a scope");
	judged("the only scope got lost", S(NULL), "cannot be a scope");
	judged("a role that got lost", sp_require_roles("a", NULL), "cannot be a role");
	judged("wrong inside", sp_all_of(SP_ANYONE, sp_not(S(""))), "cannot be a scope");
	judged("deep enough", nested(64), NULL);
	judged("too deep", nested(65), "nested");
	judged("scopes do not fit a challenge", sp_all_of(S(a), S(b), S(d)), "together");
	judged("the same scope often", sp_all_of(S(a), S(a), S(a), S(a)), NULL);
}

static void
owners(void **state)
{
	struct sp_auth_check *part = S("a"), *one = sp_all_of(part, SP_SIGNED_IN), *two = sp_any_of(part, SP_ANYONE);

	/* A part in two places: told, and neither freed twice nor lost. */
	CHECK("twice", sp_check_judge(one, NULL) == SP_E_CONFIG && sp_check_judge(two, NULL) == SP_E_CONFIG);
	sp_auth_check_free(one);
	CHECK("the other still stands", sp_check_judge(two, NULL) == SP_E_CONFIG);
	sp_auth_check_free(two);

	part = S("a");
	judged("twice in one", sp_all_of(part, part), "two owners");

	part = sp_check_hold(S("a"));
	one = sp_check_take(part);
	two = sp_check_take(part);
	CHECK("held for two", sp_check_judge(one, NULL) == SP_OK);
	sp_auth_check_free(one);
	CHECK("held for two, one left", sp_check_judge(two, NULL) == SP_OK);
	sp_auth_check_free(two);

	for (int i = 0; i < 3; i++) {
		sp_auth_check_free(sp_check_take(SP_ANYONE));
		sp_auth_check_free(SP_SIGNED_IN);
	}
	CHECK("the shared ones stay", sp_check_judge(SP_ANYONE, NULL) == SP_OK && sp_check_judge(SP_SIGNED_IN, NULL) == SP_OK);
}

static void
nobody(void **state)
{
	struct sp_auth_check *tags = sp_restrict_tag_scopes("admin", "s"), *own = SAYS("a"), *c;

	CHECK("signed in", !sp_check_needs_nobody(SP_SIGNED_IN));
	CHECK("anyone", sp_check_needs_nobody(SP_ANYONE));
	CHECK("none", !sp_check_needs_nobody(NULL));
	CHECK("one's own", sp_check_needs_nobody(own));
	CHECK("component's tag opens nothing", !sp_check_needs_nobody(tags));
	CHECK("server's tag rule, open component", sp_checks_need_nobody(tags, SP_ANYONE));
	CHECK("server's tag rule, closed component", !sp_checks_need_nobody(tags, SP_SIGNED_IN));
	CHECK("closed server", !sp_checks_need_nobody(SP_SIGNED_IN, SP_ANYONE));
	CHECK("two open ones", sp_checks_need_nobody(own, SP_ANYONE));
	c = sp_any_of(S("a"), SP_ANYONE);
	CHECK("any with an open one", sp_check_needs_nobody(c));
	sp_auth_check_free(c);
	c = sp_all_of(S("a"), SP_ANYONE);
	CHECK("all with a closed one", !sp_check_needs_nobody(c));
	sp_auth_check_free(c);
	c = sp_not(S("a"));
	CHECK("not of scopes", !sp_check_needs_nobody(c));
	sp_auth_check_free(c);
	sp_auth_check_free(tags);
	sp_auth_check_free(own);
}

static void
callers(void **state)
{
	char buf[64], small[4];

	CHECK("nobody", sp_principal_subject(NULL) == NULL && sp_principal_scope(NULL, 0) == NULL && sp_principal_claims(NULL) == NULL &&
	    !sp_principal_has_scope(NULL, "a") && !sp_principal_has_tag(NULL, "a") && sp_principal_expires_at(NULL) == INT64_MAX &&
	    !sp_principal_claim(NULL, "a", buf, sizeof buf));
	CHECK("texts", strcmp(sp_principal_subject(&reader), "ann") == 0 && strcmp(sp_principal_source(&reader), "jwt") == 0 &&
	    strcmp(sp_principal_client_id(&reader), "app") == 0 && sp_principal_issuer(&reader) == NULL);
	CHECK("lists end", strcmp(sp_principal_scope(&reader, 0), "read:data") == 0 && sp_principal_scope(&reader, 1) == NULL);
	CHECK("NULL is no name", !sp_principal_has_scope(&reader, NULL) && !sp_principal_has_tag(&admin, NULL));
	CHECK("text claim", sp_principal_claim(&reader, "one", buf, sizeof buf) && strcmp(buf, "ops") == 0);
	CHECK("list claim", sp_principal_claim(&reader, "realm.roles", buf, sizeof buf) && strcmp(buf, "[\"ops\"]") == 0);
	CHECK("number claim", sp_principal_claim(&reader, "n", buf, sizeof buf) && strcmp(buf, "7") == 0);
	CHECK("absent", !sp_principal_claim(&reader, "realm.x", buf, sizeof buf));
	CHECK("too long", !sp_principal_claim(&reader, "realm.roles", small, sizeof small));
	CHECK("same secret", sp_same_secret("abc", "abc") && !sp_same_secret("abc", "abd") && !sp_same_secret("abc", "ab") &&
	    !sp_same_secret("abc", "abcd") && !sp_same_secret("abc", NULL) && !sp_same_secret(NULL, "abc") && !sp_same_secret("", ""));
}

static void
scope_seen(void *ctx, const char *scope)
{
	snprintf((char *)ctx + strlen(ctx), 64 - strlen(ctx), "%s,", scope);
}

static void
named_scopes(void **state)
{
	struct sp_auth_check *c = sp_all_of(sp_require_scopes_list(READ), sp_not(S("n")), sp_restrict_tag_scopes("t", "x"),
	    sp_require_roles("r"));
	char seen[64] = "";

	sp_check_scopes(c, scope_seen, seen);
	CHECK("in their order", strcmp(seen, "read:data,n,x,") == 0);
	sp_auth_check_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind), cmocka_unit_test(roles), cmocka_unit_test(own), cmocka_unit_test(combinations),
		cmocka_unit_test(forms), cmocka_unit_test(owners), cmocka_unit_test(nobody), cmocka_unit_test(callers),
		cmocka_unit_test(named_scopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
