/* The decision over what is known only while running: tools, resources, templates and prompts of mcp servers. */
#include "mcp/testimage.h"
#include "policy/decide.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { WIKI = 1, GIT = 2, TOOL = SP_COMPONENT_TOOL, RES = SP_COMPONENT_RESOURCE, TPL = SP_COMPONENT_TEMPLATE,
	PROMPT = SP_COMPONENT_PROMPT };

#define ALLOW SP_VERB_ALLOW
#define DENY SP_VERB_DENY

static const struct {
	const char *name;
	struct ti_rule rules[2];
	uint32_t server;
	int kind;
	const char *own;
	uint64_t scopes, tags;
	enum sp_outcome outcome;
	bool listed;
} cases[] = {
	{ "E01 no rule", { { ALLOW, GIT, SP_SELECT_ALL } }, WIKI, TOOL, "read", 3, 1, SP_CLOSED, false },
	{ "SERVER: a tool", { { ALLOW, WIKI, SP_SELECT_ALL } }, WIKI, TOOL, "read", 0, 0, SP_ALLOW, true },
	{ "SERVER: a resource", { { ALLOW, WIKI, SP_SELECT_ALL } }, WIKI, RES, "wiki://a", 0, 0, SP_ALLOW, true },
	{ "SERVER: a template", { { ALLOW, WIKI, SP_SELECT_ALL } }, WIKI, TPL, "wiki://{a}", 0, 0, SP_ALLOW, true },
	{ "SERVER: a prompt", { { ALLOW, WIKI, SP_SELECT_ALL } }, WIKI, PROMPT, "ask", 0, 0, SP_ALLOW, true },
	{ "all: another server's", { { ALLOW, SP_IMG_ANYONE, SP_SELECT_ALL } }, GIT, PROMPT, "ask", 0, 0, SP_ALLOW, true },
	{ "NAME", { { ALLOW, WIKI, SP_SELECT_NAME, "re*" } }, WIKI, TOOL, "read", 0, 0, SP_ALLOW, true },
	{ "NAME is whole", { { ALLOW, WIKI, SP_SELECT_NAME, "rea" } }, WIKI, TOOL, "read", 0, 0, SP_CLOSED, false },
	{ "E04 NAME has case", { { ALLOW, WIKI, SP_SELECT_NAME, "read" } }, WIKI, TOOL, "Read", 0, 0, SP_CLOSED, false },
	{ "E04 NAME is the own name, not the shown", { { ALLOW, WIKI, SP_SELECT_NAME, "read" } }, WIKI, TOOL, "wiki_read", 0, 0,
	    SP_CLOSED, false },
	{ "E14 NAME names no prompt", { { ALLOW, WIKI, SP_SELECT_NAME, "**" } }, WIKI, PROMPT, "read", 0, 0, SP_CLOSED, false },
	{ "E14 NAME names no resource", { { ALLOW, WIKI, SP_SELECT_NAME, "**" } }, WIKI, RES, "read", 0, 0, SP_CLOSED, false },
	{ "access:read names nothing of an mcp server", { { ALLOW, WIKI, SP_SELECT_READ } }, WIKI, TOOL, "read", 0, 0,
	    SP_CLOSED, false },
	{ "access:write", { { ALLOW, WIKI, SP_SELECT_WRITE } }, WIKI, TOOL, "read", 0, 0, SP_ALLOW, true },
	{ "E14 access names no resource", { { ALLOW, WIKI, SP_SELECT_WRITE } }, WIKI, RES, "wiki://a", 0, 0, SP_CLOSED, false },
	{ "E14 access names no prompt", { { ALLOW, WIKI, SP_SELECT_READ } }, WIKI, PROMPT, "ask", 0, 0, SP_CLOSED, false },
	{ "tags name nothing of an mcp server", { { ALLOW, WIKI, SP_SELECT_TAG, "**" } }, WIKI, TOOL, "read", 0, 0,
	    SP_CLOSED, false },
	{ "RESOURCE", { { ALLOW, WIKI, SP_SELECT_RESOURCE, "wiki://*" } }, WIKI, RES, "wiki://a", 0, 0, SP_ALLOW, true },
	{ "RESOURCE: a star stops at a slash", { { ALLOW, WIKI, SP_SELECT_RESOURCE, "wiki://*" } }, WIKI, RES, "wiki://a/b", 0, 0,
	    SP_CLOSED, false },
	{ "RESOURCE: a template by its text", { { ALLOW, WIKI, SP_SELECT_RESOURCE, "wiki://{*}" } }, WIKI, TPL, "wiki://{id}", 0, 0,
	    SP_ALLOW, true },
	{ "E14 RESOURCE names no tool", { { ALLOW, WIKI, SP_SELECT_RESOURCE, "**" } }, WIKI, TOOL, "read", 0, 0, SP_CLOSED, false },
	{ "PROMPT", { { ALLOW, WIKI, SP_SELECT_PROMPT, "a*" } }, WIKI, PROMPT, "ask", 0, 0, SP_ALLOW, true },
	{ "E14 PROMPT names no tool", { { ALLOW, WIKI, SP_SELECT_PROMPT, "**" } }, WIKI, TOOL, "ask", 0, 0, SP_CLOSED, false },
	{ "PROMPT of all servers", { { ALLOW, SP_IMG_ANYONE, SP_SELECT_PROMPT, "ask" } }, GIT, PROMPT, "ask", 0, 0, SP_ALLOW, true },
	{ "deny beats all", { { ALLOW, WIKI, SP_SELECT_ALL }, { DENY, WIKI, SP_SELECT_PROMPT, "ask" } }, WIKI, PROMPT, "ask",
	    0, 0, SP_CLOSED, false },
	{ "deny of one leaves another", { { ALLOW, WIKI, SP_SELECT_ALL }, { DENY, WIKI, SP_SELECT_PROMPT, "ask" } }, WIKI, PROMPT,
	    "tell", 0, 0, SP_ALLOW, true },
	{ "E09 a scope is missing", { { ALLOW, WIKI, SP_SELECT_ALL, NULL, 2 } }, WIKI, RES, "wiki://a", 1, 0, SP_SHORT, false },
	{ "a tag is missing", { { ALLOW, WIKI, SP_SELECT_ALL, NULL, 0, 1 } }, WIKI, RES, "wiki://a", 3, 0, SP_CLOSED, false },
	{ "parity 67 a guard over all reaches it", { { ALLOW, WIKI, SP_SELECT_ALL },
	    { SP_VERB_GUARD, SP_IMG_ANYONE, SP_SELECT_ALL, NULL, 2 } }, WIKI, RES, "wiki://a", 0, 0, SP_SHORT, false },
	{ "a condition without arguments does not open", { { ALLOW, WIKI, SP_SELECT_ALL, .when_x = "1" } }, WIKI, RES, "wiki://a",
	    0, 0, SP_REFUSED_ARGS, true },
	{ "ask", { { SP_VERB_ASK, WIKI, SP_SELECT_ALL } }, WIKI, TOOL, "read", 0, 0, SP_ASK, true },
};

static void
test_components(void **state)
{
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct sp_imgb b;
		struct sp_image img;
		struct sp_principal p = { .refs = 1, .scopes = &cases[i].scopes, .tags = &cases[i].tags, .scope_words = 1,
		    .tag_words = 1 };
		struct sp_component c = { .server = cases[i].server, .kind = (enum sp_component_kind)cases[i].kind,
		    .write = true, .name = sp_str(cases[i].own) };
		uint32_t rules[8];
		struct sp_decision d;

		ti_make(&b, &(struct ti_options){ .mcp = 2, .rules = cases[i].rules, .nrules = cases[i].rules[1].verb == 0 ? 1 : 2 },
		    &img);
		c.nrules = sp_component_rules(&img, &c, rules, 8);
		c.rules = rules;
		assert_true(c.nrules <= 2);
		sp_decide_component(&img, &p, &c, NULL, &d);
		if (d.outcome != cases[i].outcome || d.listed != cases[i].listed ||
		    sp_decide_component_listed(&img, &p, &c, NULL) != cases[i].listed)
			fail_msg("%s: outcome %d listed %d: %s", cases[i].name, (int)d.outcome, d.listed, d.reason);
		sp_decide_component(&img, NULL, &c, NULL, &d);
		if (d.outcome != SP_CLOSED || sp_decide_component_listed(&img, NULL, &c, NULL))
			fail_msg("%s: open to nobody in particular", cases[i].name);
		sp_imgb_free(&b);
	}
}

/* More rules than there is room for: all are counted, the first are written, in file order. */
static void
test_many(void **state)
{
	struct ti_rule rules[TI_MORE];
	struct sp_component c = { .server = WIKI, .kind = SP_COMPONENT_PROMPT, .write = true, .name = SP_LIT("ask") };
	uint32_t out[3] = { 0 };
	struct sp_imgb b;
	struct sp_image img;

	for (size_t i = 0; i < TI_MORE; i++)
		rules[i] = (struct ti_rule){ ALLOW, i % 2 == 0 ? WIKI : GIT, SP_SELECT_ALL };
	ti_make(&b, &(struct ti_options){ .mcp = 2, .rules = rules, .nrules = TI_MORE }, &img);
	assert_int_equal(sp_component_rules(&img, &c, out, 2), TI_MORE / 2);
	assert_int_equal(out[0], TI_RULES);
	assert_int_equal(out[1], TI_RULES + 2);
	assert_int_equal(out[2], 0);
	sp_imgb_free(&b);
}

/* A tool of the image keeps the rules it was compiled with, and both ways to ask agree. */
static void
test_image_tools(void **state)
{
	static const uint64_t scopes[] = { 0, 1, 3 };
	struct sp_imgb b;
	struct sp_image img;

	ti_make(&b, &(struct ti_options){ .extra = 3 }, &img);
	for (uint32_t i = 0; i < img.head->tools.n * 6; i++) {
		uint64_t tags = i % 2;
		struct sp_principal p = { .refs = 1, .scopes = &scopes[i % 3], .tags = &tags, .scope_words = 1, .tag_words = 1 };
		struct sp_component c = sp_component_of_tool(&img, i / 6);
		struct sp_decision one, two;

		sp_decide(&img, &p, i / 6, NULL, &one);
		sp_decide_component(&img, &p, &c, NULL, &two);
		assert_int_equal(one.outcome, two.outcome);
		assert_int_equal(one.listed, two.listed);
		assert_int_equal(sp_decide_listed(&img, &p, i / 6, NULL), sp_decide_component_listed(&img, &p, &c, NULL));
	}
	sp_imgb_free(&b);
}

int
main(void)
{
	const struct CMUnitTest t[] = {
		cmocka_unit_test(test_components), cmocka_unit_test(test_many), cmocka_unit_test(test_image_tools),
	};

	return cmocka_run_group_tests(t, NULL, NULL);
}
