/* config.md section 4 as a test, and what threats.md says of rules, through the YAML loader and the compiled image. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/testkit.h"
#include "oauth/verifier.h"
#include "policy/decide.h"

#define ZONE "\"parameters\":[{\"name\":\"zone\",\"in\":\"query\",\"schema\":{\"type\":\"string\"}}],"

static const char auth[] =
    "url: https://tools.example.com/mcp\n"
    "scopes: {dns:read: {says: read}, dns:write: {implies: dns:read}, crm:pii: {says: p}, a: {says: a}, deploy: {says: d}}\n"
    "auth:\n"
    "  - {type: jwt, name: people, issuer: https://people.example.com, keys: jwks.json}\n"
    "  - {type: jwt, name: ci, issuer: https://ci.example.com, keys: jwks.json}\n"
    "  - {type: anonymous}\n"
    "servers:\n"
    "  docs: {openapi: docs.json, url: https://docs.example.com}\n"
    "  dns: {openapi: dns.json, url: https://dns.example.com}\n"
    "  deploy: {openapi: deploy.json, url: https://deploy.example.com}\n"
    "  pay: {openapi: pay.json, url: https://pay.example.com}\n"
    "  crm: {openapi: crm.json, url: https://crm.example.com}\n"
    "  wiki: {mcp: https://wiki.example.com/mcp}\n"
    "rules:\n";

static const char section4[] =
    "  - {allow: docs.access:read, for: anyone}\n"
    "  - {allow: dns.access:read, require_scopes: dns:read}\n"
    "  - {allow: dns.access:write, require_scopes: dns:write, restrict_tag: ops}\n"
    "  - {deny: dns.deleteZone, unless: {zone: \"*.test.\"}}\n"
    "  - {ask: deploy.run, for: people}\n"
    "  - {allow: deploy.run, for: ci/repo:acme/**}\n"
    "  - {allow: pay.send, for: people}\n"
    "  - {ask: pay.send, unless: {amount: 0..100, to: $user}}\n"
    "  - {allow: crm}\n"
    "  - {guard: all.tag:pii, any: [{restrict_tag: privacy}, {require_scopes: crm:pii}]}\n";

static struct kit_file files[] = {
	{ "sallyport.yaml", NULL },
	{ "jwks.json", KIT_JWK },
	{ "docs.json", KIT_DOC(KIT_OP("get", "search", "")) },
	{ "dns.json", KIT_DOC(KIT_OP("get", "listZones", ZONE) "," KIT_OP("post", "createZone", ZONE) ","
	    KIT_OP("delete", "deleteZone", ZONE)) },
	{ "deploy.json", KIT_DOC(KIT_OP("post", "run", "") "," KIT_OP("get", "plan", "")) },
	{ "pay.json", KIT_DOC(KIT_OP("post", "send", "")) },
	{ "crm.json", KIT_DOC(KIT_OP("get", "export", "\"tags\":[\"pii\"],") "," KIT_OP("get", "find", "")) },
	{ NULL, NULL },
};

struct world { struct sp_imgb b; struct sp_image img; char *text; };

static bool
open_world(struct world *w, const char *rules)
{
	struct sp_config_opts opts = { .accept_ask = true, .accept_pointless = true };
	struct sp_findings f;
	bool good;

	if (asprintf(&w->text, "%s%s", auth, rules) == -1)
		return false;
	files[0].text = w->text;
	good = kit_load(files, opts, &f, &w->b, &w->img) == SP_OK;
	if (!good)
		kit_show(&f);
	sp_findings_free(&f);
	return good;
}

static void
close_world(struct world *w)
{
	sp_imgb_free(&w->b);
	free(w->text);
}

struct want { const char *who, *scopes, *tags, *tool, *args; enum sp_outcome outcome; const char *wanted; bool listed; };

static uint32_t
source_of(const struct sp_image *img, sp_slice name)
{
	for (uint32_t i = 0; i < img->head->sources.n; i++)
		if (sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->sources, source, i)->name), name))
			return i;
	return UINT32_MAX;
}

static bool
fits(const struct sp_image *img, const struct want *w)
{
	sp_slice user = sp_str(w->who), source = { NULL, 0 };
	struct sp_principal *who = NULL;
	struct sp_json args = { 0 };
	struct sp_decision d;
	struct sp_err e = { 0 };
	char text[400];
	struct sp_out o;
	bool good;

	if (!sp_take_to(&user, '/', &source)) {
		source = user;
		user.n = 0;
	}
	if (sp_principal_make(img, source_of(img, source), user, sp_str(w->scopes), sp_str(w->tags), &who, &e) != SP_OK ||
	    (w->args != NULL && sp_json_read(sp_str(w->args), SP_JSON_DEFAULT, &args, &e) != SP_OK)) {
		print_error("%s\n", e.log);
		return false;
	}
	sp_decide(img, who, sp_img_find_tool(img, 0, sp_str(w->tool)), args.root, &d);
	sp_out_init(&o, text, sizeof text);
	if (d.outcome == SP_SHORT)
		sp_scopes_write(&o, img, d.wanted, SP_SCOPE_WORDS);
	good = d.outcome == w->outcome && d.listed == w->listed && sp_eq(sp_out_view(&o), sp_str(w->wanted)) &&
	    d.listed == sp_decide_listed(img, who, sp_img_find_tool(img, 0, sp_str(w->tool)), NULL);
	if (!good)
		print_error("got outcome %d listed %d scopes %.*s: %s\n", (int)d.outcome, d.listed, (int)o.n, o.p, d.reason);
	sp_principal_drop(&who);
	sp_json_free(&args);
	return good;
}

#define CLOSED SP_CLOSED, "", false
#define ALLOWED SP_ALLOW, "", true
#define REFUSED SP_REFUSED_ARGS, "", true
#define SHORT(scopes) SP_SHORT, scopes, false

static const struct { const char *name; struct want want; } table4[] = {
	{ "no credential: docs.search", { "anonymous", "", "", "docs_search", NULL, ALLOWED } },
	{ "no credential: dns.listZones", { "anonymous", "", "", "dns_listZones", NULL, CLOSED } },
	{ "E01 no credential: no such tool", { "anonymous", "", "", "dns_nothing", NULL, CLOSED } },
	{ "ann: docs.search", { "people/ann", "dns:read", "", "docs_search", NULL, ALLOWED } },
	{ "E03 ann: dns.createZone, the tag comes first", { "people/ann", "dns:read", "", "dns_createZone", NULL, CLOSED } },
	{ "E02 oli: dns.createZone, only the scope is missing",
	    { "people/oli", "dns:read", "ops", "dns_createZone", NULL, SHORT("dns:write") } },
	{ "bob: dns.listZones, write implies read", { "people/bob", "dns:write", "ops", "dns_listZones", NULL, ALLOWED } },
	{ "bob: dns.deleteZone a.test.",
	    { "people/bob", "dns:write", "ops", "dns_deleteZone", "{\"zone\":\"a.test.\"}", ALLOWED } },
	{ "bob: dns.deleteZone acme.com.",
	    { "people/bob", "dns:write", "ops", "dns_deleteZone", "{\"zone\":\"acme.com.\"}", REFUSED } },
	{ "bob: dns.deleteZone without zone", { "people/bob", "dns:write", "ops", "dns_deleteZone", "{}", REFUSED } },
	{ "bob: dns.deleteZone without arguments", { "people/bob", "dns:write", "ops", "dns_deleteZone", NULL, REFUSED } },
	{ "ci acme: deploy.run", { "ci/repo:acme/app", "", "", "deploy_run", NULL, ALLOWED } },
	{ "ci evil: deploy.run", { "ci/repo:evil/app", "", "", "deploy_run", NULL, CLOSED } },
	{ "ann: deploy.run", { "people/ann", "", "", "deploy_run", NULL, SP_ASK, "", true } },
	{ "ann: pay.send 20 to ann", { "people/ann", "", "", "pay_send", "{\"amount\":20,\"to\":\"ann\"}", ALLOWED } },
	{ "ann: pay.send 20 to bob", { "people/ann", "", "", "pay_send", "{\"amount\":20,\"to\":\"bob\"}", SP_ASK, "", true } },
	{ "ann: pay.send without amount", { "people/ann", "", "", "pay_send", "{\"to\":\"ann\"}", SP_ASK, "", true } },
	{ "ann: crm.export", { "people/ann", "", "", "crm_export", NULL, SHORT("crm:pii") } },
	{ "ann: crm.find", { "people/ann", "", "", "crm_find", NULL, ALLOWED } },
	{ "pam: crm.export", { "people/pam", "", "privacy", "crm_export", NULL, ALLOWED } },
	{ "no credential: crm.export", { "anonymous", "", "", "crm_export", NULL, CLOSED } },
};

static void
test_section4(void **state)
{
	struct world w;

	(void)state;
	assert_true(open_world(&w, section4));
	for (size_t i = 0; i < SP_COUNT(table4); i++)
		if (!fits(&w.img, &table4[i].want))
			fail_msg("%s", table4[i].name);
	close_world(&w);
}

static const struct { const char *name, *rules; struct want want; } cases[] = {
	{ "E01 no rule at all", "  - {allow: docs, for: anyone}\n", { "people/ann", "a", "ops", "dns_listZones", NULL, CLOSED } },
	{ "E04 other case", "  - {allow: all, for: anyone}\n", { "people/ann", "", "", "DNS_listZones", NULL, CLOSED } },
	{ "E04 trailing space", "  - {allow: all, for: anyone}\n", { "people/ann", "", "", "dns_listZones ", NULL, CLOSED } },
	{ "E04 the file's form", "  - {allow: all, for: anyone}\n", { "people/ann", "", "", "dns.listZones", NULL, CLOSED } },
	{ "E04 zero width joiner", "  - {allow: all, for: anyone}\n",
	    { "people/ann", "", "", "dns_list\xe2\x80\x8dZones", NULL, CLOSED } },
	{ "E05 Cyrillic twin", "  - {allow: all, for: anyone}\n", { "people/ann", "", "", "docs_s\xd0\xb5""arch", NULL, CLOSED } },
	{ "E08 two scopes by U+0020", "  - {allow: dns, require_scopes: [a, dns:read]}\n",
	    { "people/ann", "a dns:read", "", "dns_listZones", NULL, ALLOWED } },
	{ "E08 tab does not split", "  - {allow: dns, require_scopes: a}\n",
	    { "people/ann", "x\ta", "", "dns_listZones", NULL, SHORT("a") } },
	{ "E08 comma does not split", "  - {allow: dns, require_scopes: a}\n",
	    { "people/ann", "x,a", "", "dns_listZones", NULL, SHORT("a") } },
	{ "E08 no-break space does not split", "  - {allow: dns, require_scopes: a}\n",
	    { "people/ann", "x\xc2\xa0""a", "", "dns_listZones", NULL, SHORT("a") } },
	{ "E08 case", "  - {allow: dns, require_scopes: a}\n", { "people/ann", "A", "", "dns_listZones", NULL, SHORT("a") } },
	{ "E09 a:b is not a", "  - {allow: dns, require_scopes: a}\n",
	    { "people/ann", "a:b ab * a*", "", "dns_listZones", NULL, SHORT("a") } },
	{ "E09 implication is one way", "  - {allow: dns, require_scopes: dns:write}\n",
	    { "people/ann", "dns:read", "", "dns_listZones", NULL, SHORT("dns:write") } },
	{ "E12 dots leave the folder", "  - {allow: dns.listZones, when: {path: /data/**}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"path\":\"/data/../etc\"}", REFUSED } },
	{ "E12 percent", "  - {allow: dns.listZones, when: {path: /data/**}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"path\":\"/data%2f..\"}", REFUSED } },
	{ "E12 backslash", "  - {allow: dns.listZones, when: {path: /data/**}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"path\":\"/data/x\\\\..\"}", REFUSED } },
	{ "E12 list instead of text", "  - {allow: dns.listZones, when: {path: /data/**}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"path\":[\"/data/\",\"x\"]}", REFUSED } },
	{ "E12 NUL", "  - {allow: dns.listZones, when: {path: /data/**}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"path\":\"/data/\\u0000\"}", REFUSED } },
	{ "E12 plain", "  - {allow: dns.listZones, when: {path: /data/**}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"path\":\"/data/x/y\"}", ALLOWED } },
	{ "E12 an undecided deny binds", "  - {allow: dns.listZones}\n  - {deny: dns.listZones, when: {path: /etc/**}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"path\":\"/etc%2fx\"}", REFUSED } },
	{ "E13 integers are exact", "  - {allow: dns.listZones, when: {n: 9007199254740993}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"n\":9007199254740992}", REFUSED } },
	{ "E13 huge exponent", "  - {allow: dns.listZones, when: {n: ..100}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"n\":1e400}", REFUSED } },
	{ "a number is not its text", "  - {allow: dns.listZones, when: {n: 5}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"n\":\"5\"}", REFUSED } },
	{ "text is not its number", "  - {allow: dns.listZones, when: {n: \"5\"}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"n\":5}", REFUSED } },
	{ "true is not 1", "  - {allow: dns.listZones, when: {n: 1}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"n\":true}", REFUSED } },
	{ "ranges include their ends", "  - {allow: dns.listZones, when: {n: 0..100}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"n\":1.00e2}", ALLOWED } },
	{ "dotted path", "  - {allow: dns.listZones, when: {a.b: x}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"a\":{\"b\":\"x\"}}", ALLOWED } },
	{ "a key with a dot is no path", "  - {allow: dns.listZones, when: {a.b: x}}\n",
	    { "people/ann", "", "", "dns_listZones", "{\"a.b\":\"x\"}", REFUSED } },
	{ "$user has no wildcards", "  - {allow: dns.listZones, when: {to: $user}}\n",
	    { "people/*", "", "", "dns_listZones", "{\"to\":\"bob\"}", REFUSED } },
	{ "$user of nobody is undecided", "  - {allow: dns.listZones, for: anyone, when: {to: $user}}\n",
	    { "anonymous", "", "", "dns_listZones", "{\"to\":\"\"}", REFUSED } },
	{ "a further rule cannot loosen", "  - {allow: dns, require_scopes: a}\n  - {allow: dns.listZones}\n",
	    { "people/ann", "", "", "dns_listZones", NULL, SHORT("a") } },
	{ "deny beats all, order means nothing", "  - {deny: dns.listZones}\n  - {allow: dns}\n",
	    { "people/ann", "", "", "dns_listZones", NULL, CLOSED } },
	{ "challenge is not listed", "  - {allow: dns, require_scopes: a}\n",
	    { "people/ann", "", "", "dns_listZones", NULL, SHORT("a") } },
	{ "list is listed", "  - {allow: dns, require_scopes: a, missing_scopes: list}\n",
	    { "people/ann", "", "", "dns_listZones", NULL, SP_SHORT, "a", true } },
	{ "hide is closed", "  - {allow: dns, require_scopes: a, missing_scopes: hide}\n",
	    { "people/ann", "", "", "dns_listZones", NULL, CLOSED } },
	{ "strictest manner wins",
	    "  - {allow: dns, require_scopes: a, missing_scopes: list}\n  - {guard: dns, require_scopes: deploy, missing_scopes: hide}\n",
	    { "people/ann", "", "", "dns_listZones", NULL, CLOSED } },
	{ "every scope of all rules is named", "  - {allow: dns, require_scopes: a}\n  - {guard: dns, require_scopes: [deploy, dns:read]}\n",
	    { "people/ann", "a", "", "dns_listZones", NULL, SHORT("dns:read a deploy") } },
	{ "not", "  - {allow: dns, not: {restrict_tag: intern}}\n", { "people/ann", "", "intern", "dns_listZones", NULL, CLOSED } },
	{ "not, of several tags all count", "  - {allow: dns, not: {restrict_tag: [intern, new]}}\n",
	    { "people/ann", "", "intern", "dns_listZones", NULL, ALLOWED } },
	{ "a guard for a source binds only it", "  - {allow: dns}\n  - {guard: dns, for: ci, require_scopes: a}\n",
	    { "people/ann", "", "", "dns_listZones", NULL, ALLOWED } },
	{ "an allow without for does not open for anonymous", "  - {allow: dns}\n  - {allow: docs, for: anyone}\n",
	    { "anonymous", "", "", "dns_listZones", NULL, CLOSED } },
	{ "a source name is no prefix", "  - {allow: dns, for: ci}\n", { "people/ci", "", "", "dns_listZones", NULL, CLOSED } },
	{ "a user pattern is whole", "  - {allow: dns, for: people/ann}\n", { "people/anna", "", "", "dns_listZones", NULL, CLOSED } },
	{ "a star stops at a slash", "  - {allow: dns, for: ci/repo:*}\n",
	    { "ci/repo:acme/app", "", "", "dns_listZones", NULL, CLOSED } },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_COUNT(cases); i++) {
		struct world w;

		if (!open_world(&w, cases[i].rules) || !fits(&w.img, &cases[i].want))
			fail_msg("%s", cases[i].name);
		close_world(&w);
	}
}

/* ---- an mcp server's components, by rules that came through the loader */

enum { TOOL = SP_COMPONENT_TOOL, RES = SP_COMPONENT_RESOURCE, TPL = SP_COMPONENT_TEMPLATE, PROMPT = SP_COMPONENT_PROMPT };

static const struct {
	const char *name, *rules;
	int kind;
	const char *own, *who, *scopes;
	enum sp_outcome outcome;
} running[] = {
	{ "E01 no rule names it", "  - {allow: docs, for: anyone}\n", TOOL, "read", "people/ann", "", SP_CLOSED },
	{ "SERVER: a prompt", "  - {allow: wiki}\n", PROMPT, "ask", "people/ann", "", SP_ALLOW },
	{ "SERVER: a template", "  - {allow: wiki}\n", TPL, "wiki://{a}", "people/ann", "", SP_ALLOW },
	{ "all for anyone", "  - {allow: all, for: anyone}\n", RES, "wiki://a", "anonymous", "", SP_ALLOW },
	{ "SERVER does not open for anonymous", "  - {allow: wiki}\n  - {allow: docs, for: anyone}\n", RES, "wiki://a", "anonymous",
	    "", SP_CLOSED },
	{ "SERVER.NAME", "  - {allow: \"wiki.re*\"}\n", TOOL, "read", "people/ann", "", SP_ALLOW },
	{ "E14 SERVER.NAME names no prompt", "  - {allow: \"wiki.**\"}\n", PROMPT, "read", "people/ann", "", SP_CLOSED },
	{ "a hint that is not pinned opens nothing", "  - {allow: \"all.access:read\"}\n", TOOL, "read", "people/ann", "", SP_CLOSED },
	{ "access:write", "  - {allow: wiki.access:write}\n", TOOL, "read", "people/ann", "", SP_ALLOW },
	{ "E14 access:write names no resource", "  - {allow: wiki.access:write}\n", RES, "wiki://a", "people/ann", "", SP_CLOSED },
	{ "resource:URI", "  - {allow: \"wiki.resource:wiki://*\"}\n", RES, "wiki://a", "people/ann", "", SP_ALLOW },
	{ "resource:URI stops at a slash", "  - {allow: \"wiki.resource:wiki://*\"}\n", RES, "wiki://a/b", "people/ann", "",
	    SP_CLOSED },
	{ "prompt:NAME of all servers", "  - {allow: \"all.prompt:a*\"}\n", PROMPT, "ask", "people/ann", "", SP_ALLOW },
	{ "parity 67 a guard reaches all kinds", "  - {allow: wiki}\n  - {guard: all, require_scopes: a}\n", PROMPT, "ask",
	    "people/ann", "", SP_SHORT },
	{ "and is met", "  - {allow: wiki}\n  - {guard: all, require_scopes: a}\n", PROMPT, "ask", "people/ann", "a", SP_ALLOW },
	{ "E09 by no other scope", "  - {allow: wiki, require_scopes: a}\n", RES, "wiki://a", "people/ann", "a:b ab * a*", SP_SHORT },
	{ "deny", "  - {allow: wiki}\n  - {deny: wiki.drop}\n", TOOL, "drop", "people/ann", "a", SP_CLOSED },
};

static bool
running_fits(const struct sp_image *img, size_t i)
{
	struct sp_component c = { .server = 5, .kind = (enum sp_component_kind)running[i].kind, .write = true,
	    .name = sp_str(running[i].own) };
	sp_slice user = sp_str(running[i].who), source = { NULL, 0 };
	struct sp_principal *who = NULL;
	struct sp_decision d;
	struct sp_err e = { 0 };
	uint32_t rules[8];

	if (!sp_take_to(&user, '/', &source)) {
		source = user;
		user.n = 0;
	}
	if (!sp_eq(sp_img_str(img, SP_IMG_AT(img, img->head->servers, server, 5)->name), SP_LIT("wiki")) ||
	    sp_principal_make(img, source_of(img, source), user, sp_str(running[i].scopes), SP_LIT(""), &who, &e) != SP_OK)
		return false;
	c.nrules = sp_component_rules(img, &c, rules, SP_COUNT(rules));
	c.rules = rules;
	sp_decide_component(img, who, &c, NULL, &d);
	sp_principal_drop(&who);
	return d.outcome == running[i].outcome;
}

static void
test_running(void **state)
{
	for (size_t i = 0; i < SP_COUNT(running); i++) {
		struct world w;

		if (!open_world(&w, running[i].rules) || !running_fits(&w.img, i))
			fail_msg("%s", running[i].name);
		close_world(&w);
	}
}

/* More rules left than a decision stores: all of them count. */
static void
test_many_rules(void **state)
{
	struct sp_principal *who = NULL;
	struct sp_decision d;
	struct sp_err e;
	struct world w;
	struct sp_out o;

	(void)state;
	sp_out_heap(&o, 1 << 20);
	for (int i = 0; i < 200; i++)
		sp_out_fmt(&o, "  - {allow: dns, when: {n: %d..}}\n", i);
	sp_out_str(&o, "  - {guard: dns, restrict_tag: ops}\n");
	sp_out_byte(&o, '\0');
	assert_true(open_world(&w, o.p));
	assert_int_equal(sp_principal_make(&w.img, 0, SP_LIT("ann"), SP_LIT(""), SP_LIT(""), &who, &e), SP_OK);
	sp_decide(&w.img, who, sp_img_find_tool(&w.img, 0, SP_LIT("dns_listZones")), NULL, &d);
	assert_int_equal(d.nleft, 201);
	assert_int_equal(d.outcome, SP_CLOSED);
	sp_decide(&w.img, NULL, 0, NULL, &d);
	assert_int_equal(d.outcome, SP_CLOSED);
	assert_false(sp_decide_listed(&w.img, NULL, 0, NULL));
	sp_decide(&w.img, who, UINT32_MAX, NULL, &d);
	assert_int_equal(d.outcome, SP_CLOSED);
	sp_principal_drop(&who);
	close_world(&w);
	sp_out_free(&o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_section4),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_many_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
