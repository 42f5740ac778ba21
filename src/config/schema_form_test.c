/* The form of the file for editors: what `check` takes it takes, and what is none of the form it refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/testkit.h"
#include "config/value.h"
#include "schema/schema.h"

static struct sp_schema *schema;

/* As an editor sees it, but for plain numbers and booleans: those stay text, which is stricter. */
static void
to_json(struct sp_out *o, const struct node *n)
{
	const char *open = n->kind == NODE_MAP ? "{" : "[", *close_ = n->kind == NODE_MAP ? "}" : "]";

	if (n->kind == NODE_SCALAR) {
		sp_jout_str(o, n->text);
		return;
	}
	sp_out_str(o, open);
	for (const struct node *m = n->first; m != NULL; m = m->next) {
		if (n->kind == NODE_MAP) {
			sp_jout_str(o, m->key->text);
			sp_out_byte(o, ':');
		}
		to_json(o, m);
		sp_out_str(o, m->next != NULL ? "," : "");
	}
	sp_out_str(o, close_);
}

static bool
accepts(const char *yaml, char *why, size_t cap)
{
	struct sp_findings f;
	struct sp_arena mem;
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	struct sp_out o;
	struct node *root;
	bool good;

	sp_findings_init(&f, SP_LIT("x"));
	sp_arena_init(&mem, 1 << 20);
	sp_out_heap(&o, 1 << 20);
	root = sp_yaml_read(&mem, sp_str(yaml), &f);
	assert_non_null(root);
	to_json(&o, root);
	assert_int_equal(sp_json_read(sp_out_view(&o), SP_JSON_DEFAULT, &j, &e), SP_OK);
	good = sp_schema_check(schema, j.root, 0, &e) == SP_OK;
	(void)snprintf(why, cap, "%s", good ? "" : e.pub);
	sp_json_free(&j);
	sp_out_free(&o);
	sp_arena_free(&mem);
	sp_findings_free(&f);
	return good;
}

#define HEAD "auth: {type: static}\nservers: {s: {mcp: https://s.example/mcp}}\n"

static const struct { const char *name, *yaml; bool good; } rows[] = {
	{ "the least", HEAD, true },
	{ "everything", "listen: [unix:s, '127.0.0.1:1']\nurl: https://x/mcp\nscopes: {a: {says: x, implies: [b]}, b: {says: y}}\n"
	    "auth:\n  - {type: jwt, name: a, issuer: https://i, audience: [url], keys: vault:x, claims: {user: a, tags: b, scopes: c}, "
	    "users: x, require_scopes: a, restrict_tag: t, give_scopes: a, give_by_tag: {t: [a]}}\n"
	    "  - {type: static, header: X-Key}\n  - {type: peer}\n  - {type: remote, issuer: https://i}\n"
	    "  - {type: introspection, introspection_url: https://i, client_id: c, client_secret: vault:c}\n  - {type: anonymous}\n"
	    "servers: {s: {openapi: x.json, url: https://s, path: /s, secrets: {k: vault:x, l: {secret: 'command:pass x', as: bearer, "
	    "host: s, methods: [GET]}}}}\nrules:\n  - {allow: [s.a, 's.resource:**'], for: anyone, when: {x: [1, 2]}, unless: {y: true}, "
	    "require_scopes: a, missing_scopes: list, any: [{restrict_tag: x}, {require_scopes: a}], not: {restrict_tag: z}}\n"
	    "limits: {head: 8kB, body: 2MB, answer: 64kB, depth: 9, connections: 5, in_flight: 2, calls: 5/s, head_time: 5s, "
	    "body_time: 1m, idle_time: 1h, call_time: 30s}\nstate: x\nunlock: passphrase\nisolation: landlock\n", true },
	{ "no sources", "servers: {s: {mcp: https://s.example}}\n", false },
	{ "Q08 an unknown key", HEAD "rulez: []\n", false },
	{ "a key of a later step", HEAD "tls: {cert: a}\n", false },
	{ "Q08 an unknown key of a rule", HEAD "rules: [{allow: s, require_scope: x}]\n", false },
	{ "a type of a later step", "auth: {type: oauth}\nservers: {s: {mcp: https://s.example}}\n", false },
	{ "a rule without a verb", HEAD "rules: [{for: static}]\n", false },
	{ "a rule with two", HEAD "rules: [{allow: s, deny: s}]\n", false },
	{ "two kinds of server", "auth: {type: static}\nservers: {s: {mcp: https://s.example, openapi: x}}\n", false },
	{ "a literal secret", "auth: {type: static}\nservers: {s: {mcp: https://s.example, secrets: {k: hunter2}}}\n", false },
	{ "a literal client secret", "auth: {type: introspection, introspection_url: https://i, client_id: c, client_secret: x}\n"
	    "servers: {s: {mcp: https://s.example}}\n", false },
	{ "no size", HEAD "limits: {body: 5}\n", false },
	{ "no word of isolation", HEAD "isolation: none\n", false },
	{ "an empty list", HEAD "rules: []\n", false },
};

static void
test_rows(void **state)
{
	bool good = true;
	char why[300];

	for (size_t i = 0; i < SP_COUNT(rows); i++)
		if (accepts(rows[i].yaml, why, sizeof why) != rows[i].good) {
			print_error("%s: %s\n", rows[i].name, why);
			good = false;
		}
	assert_true(good);
}

/* No key without its form, and no form without its words. */
static void
test_complete(void **state)
{
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	sp_config_json_schema(&o);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("[{}]")) == SIZE_MAX);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("\"description\":\"\"")) == SIZE_MAX);
	assert_true(sp_find(sp_out_view(&o), SP_LIT("authorization_url")) == SIZE_MAX);
	sp_out_free(&o);
}

static int
set_up(void **state)
{
	struct sp_err e = { 0 };
	struct sp_out o;
	enum sp_status st;

	sp_out_heap(&o, 1 << 20);
	sp_config_json_schema(&o);
	st = sp_schema_new(sp_out_view(&o), &schema, &e);
	if (st != SP_OK)
		print_error("%s\n", e.log);
	sp_out_free(&o);
	return st == SP_OK ? 0 : -1;
}

static int
tear_down(void **state)
{
	sp_schema_free(&schema);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_complete) };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
