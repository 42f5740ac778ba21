/* What the image says after loading, and what `check` prints of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/testkit.h"
#include "policy/decide.h"
#include "wire/http1.h"

#define LONG_NAME "a_tool_with_a_name_that_is_so_long_that_no_client_would_ever_take_it_as_it_is"
#define LONG_CUT "a_tool_with_a_name_that_is_so_long_that_no_client_would_0ca35abd"
static const char api[] = "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"t\",\"version\":\"1\"},"
    "\"servers\":[{\"url\":\"https://api.example.com:8443/v1/\"}],\"security\":[{\"oauth\":[],\"key\":[]},{\"key\":[]}],"
    "\"paths\":{" KIT_OP("get", "list", "") "," KIT_OP("post", "make", "") "," KIT_OP("get", "free", "\"security\":[],") ","
    KIT_OP("get", "maybe", "\"security\":[{},{\"key\":[]}],") "," KIT_OP("get", "other", "\"security\":[{\"oauth\":[]}],") ","
    KIT_OP("delete", LONG_NAME, "") "},\"components\":{\"securitySchemes\":{"
    "\"key\":{\"type\":\"apiKey\",\"in\":\"header\",\"name\":\"X-API-Key\"},"
    "\"q\":{\"type\":\"apiKey\",\"in\":\"query\",\"name\":\"Token\"},"
    "\"oauth\":{\"type\":\"oauth2\",\"flows\":{}}}}}";

static struct kit_file files[] = {
	{ "c/sallyport.yaml", NULL }, { "c/api.json", api }, { "c/jwks.json", "{\"keys\":[" KIT_JWK "]}" },
	{ "/etc/passwd", "zoe:x:2000:100::/:/\nann:x:1000:1000:Ann:/home/ann:/bin/sh\nalso:x:1000:7::/:/\nbad\n" },
	{ "/etc/group", "ann:x:1000:\nops:x:50:ann,bob\nusers:x:100:\nworse:x:51:anna,an\n" },
	{ NULL, NULL },
};

struct world { struct sp_imgb b; struct sp_image img; };

static const struct sp_img_head *
open_world(struct world *w, const char *yaml)
{
	struct sp_findings f;
	enum sp_status st;

	files[0].text = yaml;
	st = kit_load(files, (struct sp_config_opts){ .generation = 7, .uid = 1000 }, &f, &w->b, &w->img);
	if (st != SP_OK)
		kit_show(&f);
	assert_int_equal(st, SP_OK);
	sp_findings_free(&f);
	return w->img.head;
}

static void
expect(const struct world *w, struct sp_ref got, const char *want)
{
	sp_slice s = sp_img_str(&w->img, got);

	if (!sp_eq(s, sp_str(want)))
		fail_msg("got %.*s, expected %s", (int)s.n, s.p, want);
}

static void
expect_texts(const struct world *w, struct sp_ref got, const char *want)
{
	struct sp_out o;

	sp_out_heap(&o, 1 << 16);
	for (uint32_t i = 0; i < got.n; i++) {
		sp_out_str(&o, i == 0 ? "" : " | ");
		sp_out_slice(&o, sp_img_text(&w->img, got, i));
	}
	if (!sp_eq(sp_out_view(&o), sp_str(want)))
		fail_msg("got %.*s, expected %s", (int)o.n, o.p, want);
	sp_out_free(&o);
}

#define TAIL "auth: {type: static}\nservers: {s: {openapi: api.json}}\nrules: [{allow: s, require_scopes: x}]\n"

static const struct sp_img_resource *
resource(const struct world *w, uint32_t i)
{
	return SP_IMG_AT(&w->img, w->img.head->resources, resource, i);
}

static void
test_defaults(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, TAIL);

	(void)state;
	assert_int_equal(h->generation, 7);
	expect(&w, h->url, "http://127.0.0.1:8420/mcp");
	expect(&w, h->origin, "http://127.0.0.1:8420");
	assert_int_equal(h->resources.n, 1);
	expect(&w, resource(&w, 0)->path, "/mcp");
	expect(&w, resource(&w, 0)->url, "http://127.0.0.1:8420/mcp");
	expect(&w, resource(&w, 0)->metadata_url, "http://127.0.0.1:8420/.well-known/oauth-protected-resource/mcp");
	expect_texts(&w, h->hosts, "127.0.0.1:8420 | localhost:8420 | [::1]:8420");
	expect_texts(&w, h->origins, "http://127.0.0.1:8420 | http://localhost:8420 | http://[::1]:8420");
	assert_int_equal(h->limit_head, 16384);
	assert_int_equal(h->limit_body, 1048576);
	assert_int_equal(h->limit_answer, 8388608);
	assert_int_equal(h->limit_depth, 64);
	assert_int_equal(h->limit_calls, 300);
	assert_int_equal(h->limit_calls_ms, 60000);
	assert_int_equal(h->idle_ms, 60000);
	assert_int_equal(h->isolation, SP_ISOLATION_FULL);
	assert_int_equal(h->state_path.n + h->unlock_ref.n + h->anonymous, 0);
	sp_imgb_free(&w.b);
}

static const struct { const char *name, *yaml, *hosts, *origins, *path, *metadata; } endpoints[] = {
	{ "F07 public behind a proxy", "listen: 0.0.0.0:8420\nurl: https://Tools.example.com/mcp\n" TAIL,
	    "tools.example.com:443 | tools.example.com", "https://tools.example.com", "/mcp",
	    "https://Tools.example.com/.well-known/oauth-protected-resource/mcp" },
	{ "F07 every v6 address", "listen: \"[::]:8420\"\nurl: https://t.example:8443\n" TAIL,
	    "t.example:8443", "https://t.example:8443", "/", "https://t.example:8443/.well-known/oauth-protected-resource" },
	{ "one address and loopback", "listen: [192.0.2.1:80, \"127.0.0.1:80\"]\nurl: http://192.0.2.1/x/mcp\n" TAIL,
	    "192.0.2.1:80 | 192.0.2.1 | 127.0.0.1:80 | 127.0.0.1 | localhost:80 | localhost | [::1]:80 | [::1]",
	    "http://192.0.2.1 | http://127.0.0.1 | http://localhost | http://[::1]", "/x/mcp",
	    "http://192.0.2.1/.well-known/oauth-protected-resource/x/mcp" },
	{ "unix socket", "listen: unix:s.sock\n" TAIL, "localhost:80 | localhost", "http://localhost", "/mcp",
	    "http://localhost/.well-known/oauth-protected-resource/mcp" },
};

static void
test_endpoints(void **state)
{
	(void)state;
	for (size_t i = 0; i < SP_COUNT(endpoints); i++) {
		struct world w;
		const struct sp_img_head *h = open_world(&w, endpoints[i].yaml);

		print_message("%s\n", endpoints[i].name);
		expect_texts(&w, h->hosts, endpoints[i].hosts);
		expect_texts(&w, h->origins, endpoints[i].origins);
		expect(&w, resource(&w, 0)->path, endpoints[i].path);
		expect(&w, resource(&w, 0)->metadata_url, endpoints[i].metadata);
		sp_imgb_free(&w.b);
	}
}

static void
test_paths(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "state: data\nunlock: file:vault.key\nlisten: unix:s.sock\n"
	    "auth: {type: static}\nservers: {s: {openapi: api.json, secrets: {key: file:../k}}}\nrules: [{allow: s.list}]\n");

	(void)state;
	expect(&w, h->state_path, "c/data");
	expect(&w, h->unlock_ref, "file:c/vault.key");
	expect(&w, SP_IMG_AT(&w.img, h->listens, listen, 0)->path, "c/s.sock");
	expect(&w, SP_IMG_AT(&w.img, SP_IMG_AT(&w.img, h->servers, server, 0)->grants, grant, 0)->ref, "file:c/../k");
	sp_imgb_free(&w.b);
}

static const struct sp_img_tool *
tool_of(const struct world *w, const char *shown)
{
	uint32_t i = sp_img_find_tool(&w->img, 0, sp_str(shown));

	if (i == UINT32_MAX)
		fail_msg("no tool %s", shown);
	return SP_IMG_AT(&w->img, w->img.head->tools, tool, i);
}

static uint32_t
grants_of(const struct world *w, const char *shown)
{
	return SP_IMG_AT(&w->img, tool_of(w, shown)->op, op, 0)->grants.n;
}

static void
test_grants(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "auth: {type: static}\nservers: {s: {openapi: api.json, secrets: {key: vault:k}}}\n"
	    "rules: [{allow: [s.list, s.make, s.free, s.maybe], require_scopes: x}]\n");
	const struct sp_img_server *s = SP_IMG_AT(&w.img, h->servers, server, 0);
	const struct sp_img_grant *g = SP_IMG_AT(&w.img, s->grants, grant, 0);

	(void)state;
	expect(&w, s->host, "api.example.com");
	assert_int_equal(s->port, 8443);
	assert_int_equal(s->https, 1);
	expect(&w, s->base_path, "/v1");
	assert_int_equal(s->private_ok, 0);	/* M08: the host is the document's word only */
	expect_texts(&w, s->slots, "header authorization | header x-api-key | query token");
	assert_int_equal(s->grants.n, 1);
	expect(&w, g->name, "key");
	expect(&w, g->ref, "vault:k");
	assert_int_equal(g->place, SP_PLACE_HEADER);
	expect(&w, g->field, "X-API-Key");
	assert_int_equal(g->before.n + g->after.n, 0);
	expect(&w, g->host, "api.example.com");
	assert_int_equal(g->port, 8443);
	expect(&w, g->path_prefix, "/v1");
	assert_int_equal(g->methods, 1u << SP_GET | 1u << SP_POST);
	assert_int_equal(grants_of(&w, "s_list"), 1);	/* the second alternative: the first lacks a secret */
	assert_int_equal(grants_of(&w, "s_free"), 0);	/* M10 security: [] */
	assert_int_equal(grants_of(&w, "s_maybe"), 1);	/* {} beside it: optional, and there is a secret for it */
	assert_int_equal(grants_of(&w, "s_other"), 0);
	sp_imgb_free(&w.b);
}

static void
test_two_secrets(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "auth: {type: static}\nservers:\n  s:\n    openapi: api.json\n"
	    "    url: http://127.0.0.1:81/x\n    secrets:\n      oauth: vault:o\n"
	    "      key: {secret: vault:k, as: \"cookie sid v1-{}\", host: \"127.0.0.1:81/x/y\", methods: [GET, POST, DELETE]}\n"
	    "rules: [{allow: s, require_scopes: x}]\n");
	const struct sp_img_server *s = SP_IMG_AT(&w.img, h->servers, server, 0);
	const struct sp_img_grant *oauth = SP_IMG_AT(&w.img, s->grants, grant, 0), *key = oauth + 1;

	(void)state;
	assert_int_equal(s->private_ok, 1);
	assert_int_equal(s->https, 0);
	assert_int_equal(grants_of(&w, "s_list"), 2);
	assert_int_equal(oauth->place, SP_PLACE_HEADER);
	expect(&w, oauth->field, "Authorization");
	expect(&w, oauth->before, "Bearer ");
	expect(&w, oauth->path_prefix, "/x");
	assert_int_equal(key->place, SP_PLACE_COOKIE);
	expect(&w, key->field, "sid");
	expect(&w, key->before, "v1-");
	expect_texts(&w, s->slots, "header authorization | header x-api-key | query token | cookie sid");
	expect(&w, key->path_prefix, "/x/y");
	assert_int_equal(key->methods, 1u << SP_GET | 1u << SP_POST | 1u << SP_DELETE);
	sp_imgb_free(&w.b);
}

/* config.md section 2: over 64 characters a name is cut and ends in a hash, always the same one. */
static void
test_names(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, TAIL);
	bool found = false;

	(void)state;
	for (uint32_t i = 0; i < h->tools.n; i++) {
		const struct sp_img_tool *t = SP_IMG_AT(&w.img, h->tools, tool, i);

		if (!sp_eq(sp_img_str(&w.img, t->name), SP_LIT(LONG_NAME)))
			continue;
		found = true;
		assert_int_equal(t->shown.n, 64);
		expect(&w, t->shown, "s_a_tool_with_a_name_that_is_so_long_that_no_client_wou_1d63ba7f");
	}
	assert_true(found);
	sp_imgb_free(&w.b);
}

static void
test_sources(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w,
	    "url: https://t.example/mcp\n"
	    "scopes: {root: {implies: [w]}, w: {implies: r}, r: {says: read}, hidden: {says: x}, offline_access: {says: x}}\n"
	    "auth:\n"
	    "  - {type: jwt, name: a, issuer: https://a.example, keys: jwks.json, require_scopes: r}\n"
	    "  - {type: jwt, name: b, issuer: https://b.example, keys: jwks.json, audience: [url, api], give_by_tag: {t: w}}\n"
	    "  - {type: anonymous, give_scopes: r}\n"
	    "servers: {s: {openapi: api.json}}\n"
	    "rules:\n  - {allow: s.list, require_scopes: w}\n  - {allow: s.free, for: anyone}\n"
	    "  - {guard: s.list, require_scopes: hidden, missing_scopes: hide}\n"
	    "  - {allow: s.make, require_scopes: root, restrict_tag: t}\n");
	const struct sp_img_source *a = SP_IMG_AT(&w.img, h->sources, source, 0);
	const uint64_t *root = sp_img_words(&w.img, SP_IMG_AT(&w.img, h->scopes, scope, 0)->closure);

	(void)state;
	assert_int_equal(h->anonymous, 3);
	assert_int_equal(h->scopes.n, 5);
	assert_int_equal(root[0], 7);			/* root, w, r: transitively */
	/* What is asked, where nothing or `url` is written; the rest counts everywhere. */
	assert_true(a->own_audience == 1 && a->audiences.n == 0 && a[1].own_audience == 1);
	expect_texts(&w, a[1].audiences, "api");
	expect(&w, a->claim_user, "sub");
	expect(&w, a->keys, "{\"keys\":[" KIT_JWK "]}");
	expect_texts(&w, h->tags, "t");
	/* F04 and the minimal set: scopes of reads, nothing hidden, nothing of writes. */
	expect(&w, resource(&w, 0)->metadata, "{\"resource\":\"https://t.example/mcp\",\"authorization_servers\":[\"https://a.example\","
	    "\"https://b.example\"],\"scopes_supported\":[\"w\",\"r\"],\"bearer_methods_supported\":[\"header\"]}");
	sp_imgb_free(&w.b);
}

static void
test_management(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "auth: {type: static}\n"
	    "servers: {self: {openapi: sallyport:management, secrets: {managementKey: vault:management}}}\n"
	    "rules: [{allow: self, require_scopes: admin}]\n");
	const struct sp_img_server *s = SP_IMG_AT(&w.img, h->servers, server, 0);
	static const char *const tools[] = {
		"self_health", "self_listTokens", "self_listTools", "self_readAudit", "self_revokeToken",
	};

	(void)state;
	assert_int_equal(s->kind, SP_SERVER_MANAGEMENT);
	expect(&w, s->host, SP_MANAGEMENT_HOST);
	assert_int_equal(s->port, 80);
	assert_int_equal(h->tools.n, SP_COUNT(tools));
	for (size_t i = 0; i < SP_COUNT(tools); i++) {
		expect(&w, SP_IMG_AT(&w.img, h->tools, tool, i)->shown, tools[i]);
		assert_int_equal(grants_of(&w, tools[i]), 1);
	}
	expect(&w, SP_IMG_AT(&w.img, s->grants, grant, 0)->field, "X-Management-Key");
	sp_imgb_free(&w.b);
}

static void
expect_text(void (*write)(struct sp_out *, const struct sp_image *), const struct world *w, const char *want)
{
	struct sp_out o;

	sp_out_heap(&o, 1 << 20);
	write(&o, &w->img);
	if (sp_find(sp_out_view(&o), sp_str(want)) == SIZE_MAX)
		fail_msg("no %s in\n%.*s", want, (int)o.n, o.p);
	sp_out_free(&o);
}

static void
test_mcp(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "auth: {type: static}\nservers:\n"
	    "  wiki: {mcp: 'https://Wiki.example:8443/a/mcp?tenant=1', secrets: {t: vault:t, k: {secret: env:K, as: header X-Key}}}\n"
	    "  bare: {mcp: 'http://10.0.0.1'}\n  s: {openapi: api.json}\n"
	    "rules:\n  - {allow: [wiki, s.list], require_scopes: x}\n"
	    "  - {guard: ['wiki.delete_*', 'all.access:write', 'wiki.resource:file:///**', wiki.prompt:hi, s.access:read], "
	    "require_scopes: y}\n  - {allow: bare.a, require_scopes: x}\n");
	const struct sp_img_server *s = SP_IMG_AT(&w.img, h->servers, server, 0);
	const struct sp_img_grant *g = SP_IMG_AT(&w.img, s->grants, grant, 0);
	const struct sp_img_op *op = SP_IMG_AT(&w.img, s->ops, op, 0);
	const struct sp_img_rule *guard = SP_IMG_AT(&w.img, h->rules, rule, 1);
	static const struct { uint32_t server, what; const char *pattern; } selects[] = {
		{ 0, SP_SELECT_NAME, "delete_*" }, { SP_IMG_ANYONE, SP_SELECT_WRITE, "" }, { 0, SP_SELECT_RESOURCE, "file:///**" },
		{ 0, SP_SELECT_PROMPT, "hi" }, { 2, SP_SELECT_READ, "" },
	};

	(void)state;
	assert_int_equal(s->kind, SP_SERVER_MCP);
	expect(&w, s->host, "wiki.example");
	assert_int_equal(s->port, 8443);
	expect(&w, s->base_path, "/a/mcp?tenant=1");
	assert_int_equal(s->private_ok, 1);
	expect_texts(&w, s->slots, "header authorization | header x-key");
	assert_int_equal(s->grants.n, 2);
	expect(&w, g->field, "Authorization");
	expect(&w, g->before, "Bearer ");
	expect(&w, g->path_prefix, "/a/mcp");
	expect(&w, g->host, "wiki.example");
	assert_int_equal(g->methods, 1u << SP_GET | 1u << SP_POST | 1u << SP_DELETE);
	assert_int_equal(s->ops.n, 3);
	assert_int_equal(op[0].method, SP_POST);
	assert_int_equal(op[1].method, SP_GET);
	assert_int_equal(op[2].method, SP_DELETE);
	for (int i = 0; i < 3; i++)
		assert_int_equal(op[i].grants.n, 2);
	expect(&w, s[1].base_path, "/");
	assert_int_equal(s[1].https, 0);
	assert_int_equal(h->tools.n, 6);		/* those of the document: others are known when they run */
	assert_int_equal(guard->selects.n, SP_COUNT(selects));
	for (uint32_t i = 0; i < SP_COUNT(selects); i++) {
		const struct sp_img_select *x = SP_IMG_AT(&w.img, guard->selects, select, i);

		assert_int_equal(x->server, selects[i].server);
		assert_int_equal(x->what, selects[i].what);
		expect(&w, x->pattern, selects[i].pattern);
	}
	sp_imgb_free(&w.b);
}

static void
test_authorities(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "listen: [unix:s, '127.0.0.1:1']\nauth:\n"
	    "  - {type: jwt, name: a, issuer: https://A.example/realm/}\n"
	    "  - {type: remote, issuer: https://A.example/realm/, audience: other}\n"
	    "  - {type: jwt, name: c, issuer: https://c.example, keys: 'https://k.example/jwks?t=1'}\n"
	    "  - {type: jwt, name: d, issuer: https://d.example, keys: 'https://k.example/jwks?t=1'}\n"
	    "  - {type: jwt, name: e, issuer: 'http://127.0.0.1:90', keys: 'http://127.0.0.1:90'}\n"
	    "  - {type: jwt, name: f, issuer: https://f.example, keys: file:hs}\n"
	    "  - {type: jwt, name: g, issuer: https://g.example, keys: jwks.json}\n"
	    "  - {type: static, header: X-Api-Key}\n  - {type: peer}\n"
	    "servers: {s: {openapi: api.json}}\nrules: [{allow: s, require_scopes: x}]\n");
	const struct sp_img_source *s = SP_IMG_AT(&w.img, h->sources, source, 0);
	const struct sp_img_authority *a = SP_IMG_AT(&w.img, h->authorities, authority, 0);
	static const uint32_t of[] = { 1, 1, 2, 2, 3, 0, 0, 0, 0 };

	(void)state;
	assert_int_equal(h->authorities.n, 3);
	for (size_t i = 0; i < SP_COUNT(of); i++) {
		assert_int_equal(s[i].authority, of[i]);
		assert_int_equal(s[i].published, i == 1);	/* a remote says where tokens are to be had */
	}
	expect(&w, a[0].issuer, "https://A.example/realm/");
	expect(&w, a[0].url, "");
	expect(&w, a[0].host, "a.example");
	expect(&w, a[0].path, "/realm");
	assert_int_equal(a[0].port, 443);
	assert_int_equal(a[0].private_ok, 1);
	expect(&w, a[1].url, "https://k.example/jwks?t=1");
	expect(&w, a[1].path, "/jwks?t=1");
	expect(&w, a[2].path, "/");
	assert_int_equal(a[2].https, 0);
	assert_int_equal(a[2].port, 90);
	expect(&w, s[5].keys_ref, "file:c/hs");
	assert_int_equal(s[6].keys_ref.n, 0);
	expect(&w, s[6].keys, "{\"keys\":[" KIT_JWK "]}");
	expect(&w, s[7].header, "x-api-key");
	expect_texts(&w, s[8].users, "ann");		/* whoever runs us, written out */
	assert_int_equal(h->accounts.n, 1);
	expect_texts(&w, s[1].audiences, "other");
	assert_int_equal(s[1].own_audience, 0);
	assert_true(sp_find(sp_img_str(&w.img, resource(&w, 0)->metadata), SP_LIT("\"authorization_servers\":[\"https://A.example/realm/\"]")) != SIZE_MAX);
	expect_text(sp_config_full, &w, "    keys: (the issuer's metadata says)\n    # published as a place to get tokens\n");
	expect_text(sp_config_full, &w, "    keys: https://k.example/jwks?t=1\n");
	expect_text(sp_config_full, &w, "    header: x-api-key\n");
	expect_text(sp_config_full, &w, "    # accounts of this machine that are admitted: 1\n    users: [\"ann\"]\n");
	sp_imgb_free(&w.b);
}

static void
test_accounts(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "listen: unix:s\nauth: {type: peer, users: '*'}\n"
	    "servers: {s: {openapi: api.json}}\nrules: [{allow: s, require_scopes: x}]\n");
	const struct sp_img_account *a = SP_IMG_AT(&w.img, h->accounts, account, 0);

	(void)state;
	assert_int_equal(h->accounts.n, 2);		/* by number; of two with one number the first */
	assert_int_equal(a[0].uid, 1000);
	expect(&w, a[0].name, "ann");
	expect_texts(&w, a[0].groups, "ann | ops");
	assert_int_equal(a[1].uid, 2000);
	expect(&w, a[1].name, "zoe");
	expect_texts(&w, a[1].groups, "users");
	sp_imgb_free(&w.b);
}

static void
test_reports(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, "auth:\n  - {type: jwt, name: ci, issuer: https://a.example, keys: jwks.json, give_scopes: r}\n"
	    "  - {type: static}\n  - {type: anonymous}\n"
	    "servers: {s: {openapi: api.json, url: https://dns.internal, secrets: {key: vault:pdns}}}\n"
	    "rules:\n  - {allow: s.list, require_scopes: r}\n  - {allow: s.free, for: anyone}\n"
	    "  - {allow: s.make, for: [ci/x, static], restrict_tag: ops}\n  - {deny: s.make, for: static}\n"
	    "  - {allow: s.maybe, for: static}\n");
	expect_text(sp_config_summary, &w,
	    "ok: 1 server, 6 tools: 1 open to anyone, 3 to some callers, 2 closed. Secrets: pdns → https://dns.internal\n");
	expect_text(sp_config_table, &w, "\nci  static  anonymous\n");
	expect_text(sp_config_table, &w, "\na   s       .          s.list\n");
	expect_text(sp_config_table, &w, "\na   a       a          s.free\n");
	expect_text(sp_config_table, &w, "\na   .       .          s.make\n");
	expect_text(sp_config_table, &w, "\n.   a       .          s.maybe\n");
	expect_text(sp_config_full, &w, "  idle_time: 60s\n");
	expect_text(sp_config_full, &w, "        secret: vault:pdns\n        as: header X-API-Key\n");
	sp_imgb_free(&w.b);
	open_world(&w, "auth: [{type: static}, {type: jwt, name: ci, issuer: https://i.example, give_scopes: r}]\n"
	    "servers: {wiki: {mcp: 'https://wiki.internal/mcp', secrets: {t: vault:wiki}}}\n"
	    "rules:\n  - {allow: 'wiki.get_*', require_scopes: r}\n  - {allow: wiki.get_page, for: ci, require_scopes: q}\n"
	    "  - {deny: wiki.get_secret, for: static}\n  - {allow: 'wiki.resource:file:///**', for: ci}\n");
	expect_text(sp_config_summary, &w, "ok: 1 server, 0 tools: 0 open to anyone, 0 to some callers, 0 closed; "
	    "1 MCP server, whose tools are known when it runs. Secrets: wiki → https://wiki.internal\n");
	expect_text(sp_config_table, &w, "\ns       a   wiki.get_*\n");
	expect_text(sp_config_table, &w, "\ns       s   wiki.get_page\n");
	expect_text(sp_config_table, &w, "\n.       a   wiki.get_secret\n");
	expect_text(sp_config_table, &w, "\n.       a   wiki.resource:file:///**\n");
	expect_text(sp_config_table, &w, "\n.       .   wiki.**\n");
	expect_text(sp_config_full, &w, "    mcp: https://wiki.internal:443/mcp\n");
	sp_imgb_free(&w.b);
}

static void
expect_tool(const struct world *w, uint32_t at, const char *shown, const char *server)
{
	uint32_t tool = sp_img_find_tool(&w->img, at, sp_str(shown));
	const struct sp_img_tool *t = SP_IMG_AT(&w->img, w->img.head->tools, tool, tool);
	char name[128];

	if (tool == UINT32_MAX)
		fail_msg("no %s at %u", shown, at);
	expect(w, SP_IMG_AT(&w->img, w->img.head->servers, server, t->server)->name, server);
	snprintf(name, sizeof name, "{\"name\":\"%s\",", shown);
	assert_true(sp_starts(sp_img_str(&w->img, t->json), sp_str(name)));
}

#define META(url, scopes) "{\"resource\":\"" url "\",\"authorization_servers\":[\"https://sso.example\"],\"scopes_supported\":[" scopes \
	"],\"bearer_methods_supported\":[\"header\"]}"

/* 9, F01: each path a resource, with what is reachable there and nothing else. */
static void
test_resources(void **state)
{
	static const struct { const char *path, *url, *metadata_url, *metadata; uint32_t alone; } want[] = {
		{ "/mcp", "https://T.example/mcp", "https://T.example/.well-known/oauth-protected-resource/mcp",
		    META("https://T.example/mcp", "\"base\",\"s:r\""), 0 },
		{ "/b", "https://t.example/b", "https://t.example/.well-known/oauth-protected-resource/b",
		    META("https://t.example/b", "\"base\""), 1 },		/* a scope of writes is not for everybody to know */
		{ "/x/a", "https://t.example/x/a", "https://t.example/.well-known/oauth-protected-resource/x/a",
		    META("https://t.example/x/a", "\"base\",\"a:r\""), 2 },
		{ "/", "https://t.example/", "https://t.example/.well-known/oauth-protected-resource",
		    META("https://t.example/", "\"base\",\"w\""), 4 },
	};
	struct world w;
	const struct sp_img_head *h = open_world(&w, "url: https://T.example/mcp\nauth: {type: remote, issuer: https://sso.example, "
	    "require_scopes: base}\nservers:\n  b: {openapi: api.json, path: /b}\n  a: {openapi: api.json, path: /x/a}\n"
	    "  s: {openapi: api.json}\n  wiki: {mcp: https://wiki.internal/mcp, path: /}\n"
	    "rules:\n  - {allow: s.list, require_scopes: s:r}\n  - {allow: a.list, require_scopes: a:r}\n"
	    "  - {allow: b.make, require_scopes: b:w}\n  - {allow: wiki, require_scopes: w}\n");
	static const uint32_t of[] = { 1, 2, 0, 3 };

	(void)state;
	assert_int_equal(h->resources.n, SP_COUNT(want));
	for (uint32_t i = 0; i < SP_COUNT(want); i++) {
		expect(&w, resource(&w, i)->path, want[i].path);
		expect(&w, resource(&w, i)->url, want[i].url);
		expect(&w, resource(&w, i)->metadata_url, want[i].metadata_url);
		expect(&w, resource(&w, i)->metadata, want[i].metadata);
		assert_int_equal(resource(&w, i)->alone, want[i].alone);
		assert_int_equal(SP_IMG_AT(&w.img, h->servers, server, i)->resource, of[i]);
	}
	assert_int_equal(SP_IMG_AT(&w.img, h->sources, source, 0)->own_audience, 1);
	expect_tool(&w, 0, "s_list", "s");
	expect_tool(&w, 1, "list", "b");
	expect_tool(&w, 2, "list", "a");
	expect_tool(&w, 1, LONG_CUT, "b");
	assert_int_equal(sp_img_find_tool(&w.img, 0, SP_LIT("list")), UINT32_MAX);
	assert_int_equal(sp_img_find_tool(&w.img, 1, SP_LIT("b_list")), UINT32_MAX);
	assert_int_equal(sp_img_find_tool(&w.img, 3, SP_LIT("list")), UINT32_MAX);
	expect_text(sp_config_summary, &w, ". Alone: b at https://t.example/b, a at https://t.example/x/a, wiki at https://t.example/\n");
	expect_text(sp_config_full, &w, "    path: /x/a\n    # alone at https://t.example/x/a, under its own names\n");
	expect_text(sp_config_full, &w, "    audience: [url]\n");
	sp_imgb_free(&w.b);
}

/* keycloak.yaml: the path of `url` itself, so that there is one resource, and it is written as `url` is. */
static void
test_alone_at_url(void **state)
{
	struct world w;
	const struct sp_img_head *h = open_world(&w, "listen: 0.0.0.0:8420\nurl: https://Wiki.example.com/mcp\n"
	    "auth: {type: remote, issuer: https://sso.example, claims: {tags: realm_access.roles}}\n"
	    "servers:\n  wiki: {mcp: http://wiki.internal:8080/mcp, path: /mcp}\n"
	    "rules:\n  - {allow: wiki, require_scopes: wiki}\n  - {guard: wiki.delete_*, restrict_tag: editor}\n");

	(void)state;
	assert_int_equal(h->resources.n, 1);
	assert_int_equal(resource(&w, 0)->alone, 1);
	expect(&w, resource(&w, 0)->url, "https://Wiki.example.com/mcp");
	expect(&w, resource(&w, 0)->metadata, META("https://Wiki.example.com/mcp", "\"wiki\""));
	sp_imgb_free(&w.b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_grants),
		cmocka_unit_test(test_two_secrets),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_management),
		cmocka_unit_test(test_mcp),
		cmocka_unit_test(test_authorities),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_alone_at_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
