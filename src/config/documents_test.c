/* Servers of single operations, tags, and which secret goes where: documents through the loader. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/testkit.h"
#include "wire/http1.h"

#define AT(url) "\"servers\":[{\"url\":\"" url "\"}],"
#define NEEDS(list) "\"security\":[" list "],"
static const char doc[] = "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"servers\":[{\"url\":\"https://api.test/v1\"}],\"security\":[{\"key\":[]}],\"paths\":{"
    KIT_OP("get", "own", "\"tags\":[\"x\",\"no\"],") "," KIT_OP("get", "path", AT("/v2/") "\"tags\":[\"x\"],") ","
    KIT_OP("get", "same", AT("https://API.test:443/v3")) "," KIT_OP("get", "first", AT("https://api.test/v1")) ","
    KIT_OP("post", "upload", AT("https://uploads.test/u/") NEEDS("{\"key\":[]},{\"up\":[]}")) ","
    KIT_OP("get", "plain", AT("http://plain.test") NEEDS("{\"low\":[]}")) ","
    KIT_OP("get", "loop", AT("http://127.0.0.1:9/")) "," KIT_OP("get", "dots", AT("/a/../b")) ","
    KIT_OP("get", "meta", AT("http://169.254.169.254")) ","
    KIT_OP("get", "both", NEEDS("{\"key\":[],\"q\":[],\"c\":[]}")) "," KIT_OP("get", "oidc", NEEDS("{\"id\":[\"a\"]}")) ","
    KIT_OP("get", "none", "\"security\":[],") "," KIT_OP("get", "digest", NEEDS("{\"dig\":[]}")) "},"
    "\"components\":{\"securitySchemes\":{"
    "\"key\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Key\"},\"up\":{\"type\":\"http\",\"scheme\":\"bearer\"},"
    "\"low\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-Low\"},\"q\":{\"type\":\"apiKey\",\"in\":\"query\",\"name\":\"k\"},"
    "\"c\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"sid\"},\"id\":{\"type\":\"openIdConnect\"},"
    "\"dig\":{\"type\":\"http\",\"scheme\":\"digest\"},\"tls\":{\"type\":\"mutualTLS\"}}}}";

#define HEAD "auth: {type: static}\nservers: {s: {openapi: d.json, "
#define RULES "}}\nrules: [{allow: s, require_scopes: x}]\n"

static const char partly[] = "openapi: 3.0.0\nservers: [{url: https://api.test}]\npaths:\n  /a: {trace: {}}\n"
    "  /b: {get: {parameters: [{in: query, name: v, style: wavy}]}}\n  /c: {get: {}}\n";

static struct kit_file files[] = { { "c.yaml", NULL }, { "d.json", doc }, { "bad.json", partly }, { NULL, NULL } };

struct world { struct sp_findings f; struct sp_imgb b; struct sp_image img; };

static enum sp_status
open_world(struct world *w, const char *yaml)
{
	files[0].text = yaml;
	return kit_load(files, (struct sp_config_opts){ .generation = 1 }, &w->f, &w->b, &w->img);
}

static void
close_world(struct world *w)
{
	sp_findings_free(&w->f);
	sp_imgb_free(&w->b);
}

/* "https://host:port/base grant,grant" of a tool; empty: there is no such tool. */
static void
tell(const struct world *w, const char *shown, struct sp_out *o)
{
	uint32_t at = sp_img_find_tool(&w->img, 0, sp_str(shown));
	const struct sp_img_server *s = SP_IMG_AT(&w->img, w->img.head->servers, server, 0);
	const struct sp_img_op *op;
	struct sp_img_origin to = { s->host, s->port, s->https, s->host_kind, s->private_ok, s->base_path };

	if (at == UINT32_MAX)
		return;
	op = SP_IMG_AT(&w->img, SP_IMG_AT(&w->img, w->img.head->tools, tool, at)->op, op, 0);
	if (op->origin != 0)
		to = *SP_IMG_AT(&w->img, s->origins, origin, op->origin - 1);
	sp_out_fmt(o, "%s://%.*s:%u%.*s%s", to.https != 0 ? "https" : "http", SP_PRI(sp_img_str(&w->img, to.host)), to.port,
	    SP_PRI(sp_img_str(&w->img, to.base_path)), to.private_ok != 0 ? " private" : "");
	for (uint32_t i = 0; i < op->grants.n; i++) {
		const struct sp_img_grant *g = SP_IMG_AT(&w->img, s->grants, grant, sp_img_u32(&w->img, op->grants)[i]);

		sp_out_str(o, i == 0 ? " " : ",");
		sp_out_slice(o, sp_img_str(&w->img, g->name));
		/* Whatever is sent there is granted for there. */
		assert_true(sp_eq(sp_img_str(&w->img, g->host), sp_img_str(&w->img, to.host)) && g->port == to.port &&
		    g->https == to.https);
	}
}

#define SECRETS "secrets: {key: vault:k, q: vault:q, c: vault:c, id: vault:i, up: {secret: vault:u, host: uploads.test/u}}"
static const struct { const char *name, *yaml, *tool, *want; } rows[] = {
	{ "the server's own", HEAD SECRETS RULES, "s_own", "https://api.test:443/v1 key" },
	{ "M08 a path", HEAD SECRETS RULES, "s_path", "https://api.test:443/v2 key" },
	{ "M08 the same origin", HEAD SECRETS RULES, "s_same", "https://api.test:443/v3 key" },
	{ "the first server again", HEAD SECRETS RULES, "s_first", "https://api.test:443/v1 key" },
	{ "M08 Q02 another origin takes the secret that names it", HEAD SECRETS RULES, "s_upload", "https://uploads.test:443/u up" },
	{ "M08 another origin gets no secret unasked", HEAD "secrets: {key: vault:k}" RULES, "s_upload", "https://uploads.test:443/u" },
	{ "M08 nor one that is the server's own", HEAD "secrets: {key: vault:k, up: vault:u}" RULES, "s_upload",
	    "https://uploads.test:443/u" },
	{ "another origin in clear text, without a secret", HEAD SECRETS RULES, "s_plain", "http://plain.test:80" },
	{ "M08 a loopback address of the document", HEAD SECRETS RULES, "s_loop", "" },
	{ "M08 metadata: left to the address rules, never private", HEAD SECRETS RULES, "s_meta", "http://169.254.169.254:80" },
	{ "M02 a path with dots", HEAD SECRETS RULES, "s_dots", "" },
	{ "`url` moves a path, too", HEAD "url: https://test.internal/x, " SECRETS RULES, "s_path", "https://test.internal:443/v2 private key" },
	{ "`url` moves the document's own origin", HEAD "url: https://test.internal/x, " SECRETS RULES, "s_same",
	    "https://test.internal:443/v3 private key" },
	{ "`url` does not move another origin", HEAD "url: https://test.internal/x, " SECRETS RULES, "s_upload",
	    "https://uploads.test:443/u up" },
	{ "several secrets", HEAD SECRETS RULES, "s_both", "https://api.test:443/v1 key,q,c" },
	{ "all of an alternative, or none", HEAD "secrets: {key: vault:k, q: vault:q}" RULES, "s_both", "https://api.test:443/v1" },
	{ "openIdConnect", HEAD SECRETS RULES, "s_oidc", "https://api.test:443/v1 id" },
	{ "M10 security: []", HEAD SECRETS RULES, "s_none", "https://api.test:443/v1" },
	{ "digest, said otherwise", HEAD "secrets: {dig: {secret: vault:d, as: header X-D}}" RULES, "s_digest", "https://api.test:443/v1 dig" },
	{ "a tag that YAML 1.1 would take for false", HEAD SECRETS "}}\nrules: [{allow: \"s.tag:no\", require_scopes: x}]\n", "s_own",
	    "https://api.test:443/v1 key" },
};

static void
test_targets(void **state)
{
	unsigned bad = 0;

	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		struct world w;
		struct sp_out o;
		char buf[256];

		sp_out_init(&o, buf, sizeof buf);
		if (open_world(&w, rows[i].yaml) == SP_OK)
			tell(&w, rows[i].tool, &o);
		else
			kit_show(&w.f);
		if (!sp_eq(sp_out_view(&o), sp_str(rows[i].want))) {
			print_error("%s: %.*s\n", rows[i].name, (int)o.n, o.p);
			bad++;
		}
		close_world(&w);
	}
	assert_int_equal(bad, 0);
}

static const struct { const char *name, *yaml, *want; } findings[] = {
	{ "Q02 a host that no operation has", HEAD "secrets: {up: {secret: vault:u, host: evil.test}}" RULES,
	    "or to a server of single operations, so this secret would never be sent" },
	{ "a secret in clear text", HEAD "secrets: {low: {secret: vault:l, host: plain.test}}" RULES,
	    "a secret over http is refused except to loopback: plain.test must be https" },
	{ "digest", HEAD "secrets: {dig: vault:d}" RULES, "does not say where `dig` goes (http digest)" },
	{ "mutualTLS", HEAD "secrets: {tls: vault:t}" RULES, "does not say where `tls` goes (mutualTLS)" },
	{ "operations that are none", HEAD SECRETS RULES, ": its server http://127.0.0.1:9/" },
	{ "tools without a credential", HEAD "secrets: {key: vault:k}" RULES, "opened tools need a credential and get none" },
	{ "every operation that is none is named", "auth: {type: static}\nservers: {s: {openapi: bad.json}}\nrules: [{allow: s}]\n",
	    "no tool: GET /b: parameter v: style wavy is none of its place" },
	{ "a tag that no operation has", HEAD SECRETS "}}\nrules: [{allow: \"s.tag:y\"}]\n", "names no tool" },
};

/* 230 operations that are none: two hundred are named, the others counted, and an error still finds room. */
static void
test_many(void **state)
{
	static char many[64 << 10];
	const char *was = files[2].text;
	struct world w;
	struct sp_out o, said;

	sp_out_init(&o, many, sizeof many - 1);
	sp_out_str(&o, "{\"openapi\":\"3.0.0\",\"servers\":[{\"url\":\"https://a.test\"}],\"paths\":{\"/good\":{\"get\":{}}");
	for (unsigned i = 0; i < 230; i++)
		sp_out_fmt(&o, ",\"/n%u/{x}\":{\"get\":{}}", i);
	sp_out_str(&o, "}}");
	assert_false(o.full);
	many[o.n] = '\0';
	files[2].text = many;
	assert_int_equal(open_world(&w, "auth: {type: static}\nservers:\n  s: {openapi: bad.json}\n  t: {openapi: bad.json}\n"
	    "  u: {openapi: bad.json}\nrules: [{allow: s}, {allow: none}]\n"), SP_E_CONFIG);
	sp_out_heap(&said, 1 << 20);
	sp_findings_write(&said, &w.f);
	assert_true(sp_find(sp_out_view(&said), sp_str("230 of 231 operations are no tools:")) != SIZE_MAX);
	assert_true(sp_find(sp_out_view(&said), sp_str("no tool: GET /n199/{x}: path parameter x is not")) != SIZE_MAX);
	assert_true(sp_find(sp_out_view(&said), sp_str("/n200/")) == SIZE_MAX);
	assert_true(sp_find(sp_out_view(&said), sp_str("no tool: 30 more")) != SIZE_MAX);
	assert_true(sp_find(sp_out_view(&said), sp_str(": error: ")) != SIZE_MAX);
	assert_true(w.f.n < SP_FINDINGS_MAX && w.f.warnings > SP_WARNINGS_MAX);
	sp_out_free(&said);
	close_world(&w);
	files[2].text = was;
}

static void
test_findings(void **state)
{
	for (size_t i = 0; i < SP_COUNT(findings); i++) {
		struct world w;
		struct sp_out o;

		(void)!open_world(&w, findings[i].yaml);
		sp_out_heap(&o, 1 << 20);
		sp_findings_write(&o, &w.f);
		if (sp_find(sp_out_view(&o), sp_str(findings[i].want)) == SIZE_MAX)
			fail_msg("%s: %.*s", findings[i].name, (int)o.n, o.p);
		sp_out_free(&o);
		close_world(&w);
	}
}

/* `s.tag:x` opens what bears the tag, and nothing else. */
static void
test_tags(void **state)
{
	struct world w;

	assert_int_equal(open_world(&w, HEAD SECRETS "}}\nrules: [{allow: \"s.tag:x\", require_scopes: y}]\n"), SP_OK);
	for (uint32_t i = 0; i < w.img.head->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(&w.img, w.img.head->tools, tool, i);
		sp_slice name = sp_img_str(&w.img, t->name);

		assert_int_equal(t->rules.n, sp_eq(name, SP_LIT("own")) || sp_eq(name, SP_LIT("path")));
	}
	close_world(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets), cmocka_unit_test(test_findings), cmocka_unit_test(test_many), cmocka_unit_test(test_tags),
	};

	return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
