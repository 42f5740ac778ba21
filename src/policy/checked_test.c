/* Step 5 of config.md section 3: what checks make of a decision, for calls and for lists. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/testkit.h"
#include "oauth/verifier.h"
#include "policy/checked.h"

static struct kit_file files[] = {
	{ "sallyport.yaml", "url: https://tools.example.com/mcp\nscopes: {a: {says: a}, b: {says: b}, c: {says: c}}\n"
	    "auth: [{type: jwt, name: people, issuer: https://p.example, keys: jwks.json}, {type: anonymous}]\n"
	    "checks: {one: https://one.example, two: https://two.example, off: https://off.example}\n"
	    "servers: {s: {openapi: s.json, url: https://s.example}}\n"
	    "rules:\n"
	    "  - {allow: s.free, for: anyone}\n"
	    "  - {allow: s.single, check: one}\n"
	    "  - {allow: s.both, check: [one, two], require_scopes: a}\n"
	    "  - {allow: s.listed, check: one, missing_scopes: list}\n"
	    "  - {allow: s.hidden, check: one, missing_scopes: hide}\n"
	    "  - {allow: s.strict, check: one, missing_scopes: list}\n"
	    "  - {guard: s.strict, require_scopes: a, missing_scopes: hide}\n"
	    "  - {ask: s.human, check: one}\n"
	    "  - {allow: s.some, check: one, when: {do: x}}\n"
	    "  - {allow: s.some, check: two, when: {do: y}}\n"
	    "  - {allow: s.others, check: off, for: people/bob}\n" },
	{ "jwks.json", KIT_JWK },
	{ "s.json", KIT_DOC(KIT_OP("get", "free", "") "," KIT_OP("get", "single", "") "," KIT_OP("get", "both", "") ","
	    KIT_OP("get", "listed", "") "," KIT_OP("get", "hidden", "") "," KIT_OP("get", "strict", "") "," KIT_OP("post", "human", "") ","
	    KIT_OP("get", "some", "") "," KIT_OP("get", "others", "")) },
	{ NULL, NULL },
};

struct world { struct sp_imgb b; struct sp_image img; };

static void
open_world(struct world *w)
{
	struct sp_config_opts opts = { .accept_ask = true, .accept_pointless = true };
	struct sp_findings f;

	if (kit_load(files, opts, &f, &w->b, &w->img) != SP_OK) {
		kit_show(&f);
		fail();
	}
	sp_findings_free(&f);
}

static struct sp_principal *
somebody(const struct world *w, const char *scopes)
{
	struct sp_principal *who = NULL;
	struct sp_err e = { 0 };

	assert_int_equal(sp_principal_make(&w->img, 0, SP_LIT("ann"), sp_str(scopes), SP_LIT(""), &who, &e), SP_OK);
	return who;
}

/* F failed, D denies, R refuses with "no", S wants b, T wants a, U wants b and unknown:x, A allows, '-' no answer; of one, of two. */
static uint32_t
answers(const char *how, struct sp_check_said said[2])
{
	uint32_t n = 0;

	for (uint32_t i = 0; how[i] != '\0'; i++) {
		struct sp_check_said s = { .check = i };

		switch (how[i]) {
		case 'F': s.verdict = SP_CHECK_FAILED; s.text = SP_LIT("late"); break;
		case 'D': s.verdict = SP_CHECK_DENIED; break;
		case 'R': s.verdict = SP_CHECK_REFUSED; s.text = SP_LIT("no"); break;
		case 'S': s.verdict = SP_CHECK_SHORT; s.scopes = SP_LIT("b"); break;
		case 'T': s.verdict = SP_CHECK_SHORT; s.scopes = SP_LIT("a"); break;
		case 'U': s.verdict = SP_CHECK_SHORT; s.scopes = SP_LIT("b unknown:x"); break;
		case 'A': s.verdict = SP_CHECK_ALLOWED; break;
		default: continue;
		}
		said[n++] = s;
	}
	return n;
}

static const struct {
	const char *name, *tool, *scopes, *args, *how;
	enum sp_outcome want; const char *say, *reason;
} calls[] = {
	{ "no check is asked where none is demanded", "s_free", "", NULL, "DD", SP_ALLOW, "", "allowed" },
	{ "it allows", "s_single", "", NULL, "A", SP_ALLOW, "", "allowed" },
	{ "it denies", "s_single", "", NULL, "D", SP_CLOSED, "", "check one denies" },
	{ "E11 it failed", "s_single", "", NULL, "F", SP_CLOSED, "", "check one failed: late" },
	{ "E11 it did not answer", "s_single", "", NULL, "", SP_CLOSED, "", "check one failed: it was not asked" },
	{ "E11 only another answered", "s_single", "", NULL, "-A", SP_CLOSED, "", "check one failed: it was not asked" },
	{ "it refuses", "s_single", "", NULL, "R", SP_REFUSED, "no", "check one refuses: no" },
	{ "it wants scopes", "s_single", "", NULL, "S", SP_SHORT, "b", "check one wants scopes: b" },
	{ "it wants a scope that no rule mentions", "s_single", "", NULL, "U", SP_SHORT, "b unknown:x", "check one wants scopes: b unknown:x" },
	{ "it wants what the caller has", "s_single", "a", NULL, "T", SP_CLOSED, "", "check one denies: it names scopes that the caller has: a" },
	{ "two allow", "s_both", "a", NULL, "AA", SP_ALLOW, "", "allowed" },
	{ "the second denies", "s_both", "a", NULL, "AD", SP_CLOSED, "", "check two denies" },
	{ "a denial beats a refusal", "s_both", "a", NULL, "RD", SP_CLOSED, "", "check two denies" },
	{ "a denial beats a refusal, whatever the order", "s_both", "a", NULL, "DR", SP_CLOSED, "", "check one denies" },
	{ "a failure beats all", "s_both", "a", NULL, "DF", SP_CLOSED, "", "check two failed: late" },
	{ "a refusal beats scopes", "s_both", "a", NULL, "SR", SP_REFUSED, "no", "check two refuses: no" },
	{ "scopes of all, with those of rules", "s_both", "a", NULL, "SU", SP_SHORT, "a b unknown:x", "check one wants scopes: b" },
	{ "one wants scopes, one allows", "s_both", "a", NULL, "AS", SP_SHORT, "a b", "check two wants scopes: b" },
	{ "step 4 comes first", "s_both", "", NULL, "DD", SP_SHORT, "", "a scope is missing" },
	{ "missing and listed", "s_listed", "", NULL, "S", SP_SHORT, "b", "check one wants scopes: b" },
	{ "missing and hidden", "s_hidden", "", NULL, "S", SP_CLOSED, "b", "check one wants scopes: b" },
	{ "hidden by another rule", "s_strict", "a", NULL, "S", SP_CLOSED, "a b", "check one wants scopes: b" },
	{ "a human after the check", "s_human", "", NULL, "A", SP_ASK, "", "a human must approve" },
	{ "no human where a check denies", "s_human", "", NULL, "D", SP_CLOSED, "", "check one denies" },
	{ "only the check of the rule that is left", "s_some", "", "{\"do\":\"y\"}", "DA", SP_ALLOW, "", "allowed" },
	{ "undecided: both bind, none opens", "s_some", "", NULL, "AA", SP_REFUSED_ARGS, "", "no rule opens it" },
};

static void
test_calls(void **state)
{
	struct world w;

	open_world(&w);
	for (size_t i = 0; i < SP_COUNT(calls); i++) {
		struct sp_principal *who = somebody(&w, calls[i].scopes);
		struct sp_check_said said[2];
		uint32_t n = answers(calls[i].how, said);
		struct sp_json args = { 0 };
		struct sp_decision d;
		char why[SP_CHECK_REASON], room[512];
		struct sp_out scopes;
		sp_slice say = SP_LIT("");

		if (calls[i].args != NULL)
			assert_int_equal(sp_json_read(sp_str(calls[i].args), SP_JSON_DEFAULT, &args, NULL), SP_OK);
		sp_out_init(&scopes, room, sizeof room);
		sp_decide(&w.img, who, sp_img_find_tool(&w.img, 0, sp_str(calls[i].tool)), args.root, &d);
		sp_decide_checked(&w.img, who, said, n, &d, why, &scopes, &say);
		if (d.outcome != calls[i].want || !sp_eq(say, sp_str(calls[i].say)) || strcmp(d.reason, calls[i].reason) != 0)
			fail_msg("%s: outcome %d, \"%.*s\", %s", calls[i].name, (int)d.outcome, SP_PRI(say), d.reason);
		if (strncmp(d.reason, "check ", 6) == 0)
			assert_true(d.reason_rule < w.img.head->rules.n);
		sp_json_free(&args);
		sp_principal_drop(&who);
	}
	sp_imgb_free(&w.b);
}

/* What lists show, by the answers without arguments; and what a denied call may therefore say. */
static void
test_lists(void **state)
{
	static const struct { const char *name, *tool, *scopes, *how; bool listed; } rows[] = {
		{ "no check", "s_free", "", "", true },
		{ "allowed", "s_single", "", "A", true },
		{ "denied", "s_single", "", "D", false },
		{ "E11 failed", "s_single", "", "F", false },
		{ "E11 not answered", "s_single", "", "", false },
		{ "refused", "s_single", "", "R", false },
		{ "scopes", "s_single", "", "S", false },
		{ "scopes, and they are listed", "s_listed", "", "S", true },
		{ "denied, and missing ones would be listed", "s_listed", "", "D", false },
		{ "scopes, and another rule hides", "s_strict", "a", "S", false },
		{ "one of two", "s_both", "a", "A", false },
		{ "two of two", "s_both", "a", "AA", true },
		{ "a scope of the rule is missing", "s_both", "", "AA", false },
		{ "some call: the first way", "s_some", "", "AD", true },
		{ "some call: the second way", "s_some", "", "DA", true },
		{ "some call: no way", "s_some", "", "DD", false },
	};
	struct world w;

	open_world(&w);
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct sp_principal *who = somebody(&w, rows[i].scopes);
		uint32_t tool = sp_img_find_tool(&w.img, 0, sp_str(rows[i].tool));
		struct sp_component c = sp_component_of_tool(&w.img, tool);
		struct sp_decision closed = { .outcome = SP_REFUSED_ARGS, .reason = "x" }, open = { .outcome = SP_ALLOW };
		struct sp_check_said said[2];
		struct sp_view view = sp_view_of(said, answers(rows[i].how, said));

		if (sp_decide_listed(&w.img, who, tool, &view) != rows[i].listed)
			fail_msg("%s", rows[i].name);
		sp_decide_listing(&w.img, who, &c, &view, &closed);
		assert_int_equal(closed.outcome, rows[i].listed ? SP_REFUSED_ARGS : SP_CLOSED);
		sp_decide_listing(&w.img, who, &c, &view, &open);
		assert_int_equal(open.outcome, SP_ALLOW);
		sp_principal_drop(&who);
	}
	sp_imgb_free(&w.b);
}

static void
test_which_are_asked(void **state)
{
	struct sp_principal *who;
	struct sp_decision d;
	struct world w;

	open_world(&w);
	who = somebody(&w, "a");
	/* `off` is demanded of bob only. */
	assert_int_equal(sp_list_checks(&w.img, who, 0), 3);
	assert_int_equal(sp_list_checks(&w.img, who, SP_COMPONENT_TOOL), 3);
	assert_int_equal(sp_list_checks(&w.img, who, SP_COMPONENT_PROMPT), 0);
	sp_decide(&w.img, who, sp_img_find_tool(&w.img, 0, SP_LIT("s_both")), NULL, &d);
	assert_int_equal(d.checks, 3);
	assert_int_equal(d.list_checks, 3);
	sp_decide(&w.img, who, sp_img_find_tool(&w.img, 0, SP_LIT("s_others")), NULL, &d);
	assert_int_equal(d.checks, 0);
	assert_int_equal(d.outcome, SP_CLOSED);
	sp_decide(&w.img, who, sp_img_find_tool(&w.img, 0, SP_LIT("s_free")), NULL, &d);
	assert_int_equal(d.checks | d.list_checks, 0);
	sp_principal_drop(&who);
	sp_imgb_free(&w.b);
}

static void
test_scope_lists(void **state)
{
	static const struct { const char *list; bool ok; } rows[] = {
		{ "a", true }, { "a b:c d/e", true }, { "", false }, { " ", false }, { " a", false }, { "a ", false }, { "a  b", false },
		{ "a\"", false }, { "a\\b", false }, { "a b a", false }, { "a\x7f", false }, { "\xc3\xa4", false }, { "a\nb", false },
	};

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (sp_scope_list_ok(sp_str(rows[i].list)) != rows[i].ok)
			fail_msg("\"%s\"", rows[i].list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls), cmocka_unit_test(test_lists), cmocka_unit_test(test_which_are_asked),
		cmocka_unit_test(test_scope_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
