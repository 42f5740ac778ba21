/*
 * For tests only: a small image with the rules of config.md section 4 that matter here, and
 * `extra` open tools. Sources: 0 static, 1 anonymous.  Scopes: dns:read, dns:write (implies
 * read).  Tags: ops. docs_search: anyone.  dns_list: dns:read.  dns_create: dns:write and
 * ops.  dns_delete: as create, and only *.test. dns_hidden: nobody.  dns_shown: dns:write,
 * listed though it is missing.  x0000…: every caller with a credential.  Then `mcp` servers (1 wiki, 2 git, 3 hub) whose
 * components are known only while running, and the rules given for them, from index TI_RULES on.
 */
#ifndef SP_MCP_TESTIMAGE_H
#define SP_MCP_TESTIMAGE_H

#include "image/image.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { TI_FIXED = 6, TI_MAX = 5000, TI_RULES = 7, TI_MORE = 128, TI_MCP = 3 };

/* One more rule, with one entry of TOOLS; scopes and tags are words as in the image. */
struct ti_rule {
	enum sp_verb verb;
	uint32_t server;		/* index, or SP_IMG_ANYONE */
	enum sp_select what;
	const char *pattern;
	uint64_t scopes, tags;
	bool	 anyone;
	enum sp_manner manner;
	const char *when_x;		/* the argument x is this text */
};

struct ti_options {
	bool	 anonymous, no_metadata;
	uint32_t extra;
	size_t	 pad;			/* bytes of description in each extra tool */
	uint32_t mcp;			/* servers of kind mcp */
	uint32_t alone;			/* of these the one that is alone at /alone, the second resource; 0: none */
	const struct ti_rule *rules;
	uint32_t nrules;
	bool	 waits;			/* further sources: key (a header x-key), hs (keeper has the secret), as (fetched keys), peer */
	uint64_t limit_body, limit_connections, call_ms, limit_calls, idle_ms, head_ms, body_ms;
};

static inline struct sp_ref
ti_str(struct sp_imgb *b, const char *s)
{
	return sp_imgb_str(b, sp_str(s));
}

static inline struct sp_ref
ti_word(struct sp_imgb *b, uint64_t w)
{
	return w == 0 ? (struct sp_ref){ 0, 0 } : sp_imgb_words(b, &w, 1);
}

static inline struct sp_img_rule
ti_rule(struct sp_imgb *b, const struct ti_rule *t)
{
	struct sp_img_select s = { .server = t->server, .what = t->what };
	struct sp_img_caller anyone = { .source = SP_IMG_ANYONE };
	struct sp_img_rule r = { .verb = t->verb, .line = 20, .manner = t->manner };
	struct sp_img_value value = { .kind = SP_VALUE_TEXT };
	struct sp_img_cond cond = { 0 };
	sp_slice x = SP_LIT("x");

	s.pattern = ti_str(b, t->pattern == NULL ? "" : t->pattern);
	r.text = ti_str(b, "rule");
	r.selects = SP_IMGB_ARRAY(b, &s, 1);
	r.scopes = ti_word(b, t->scopes);
	r.tags = ti_word(b, t->tags);
	if (t->anyone)
		r.callers = SP_IMGB_ARRAY(b, &anyone, 1);
	if (t->when_x != NULL) {
		value.text = ti_str(b, t->when_x);
		cond.argument = ti_str(b, "x");
		cond.path = sp_imgb_texts(b, &x, 1);
		cond.values = SP_IMGB_ARRAY(b, &value, 1);
		r.when = SP_IMGB_ARRAY(b, &cond, 1);
	}
	return r;
}

static inline void
ti_rules(struct sp_imgb *b, struct sp_img_head *h, const struct ti_options *o)
{
	struct sp_img_rule r[TI_RULES + TI_MORE] = { 0 };
	struct sp_img_caller anyone = { .source = SP_IMG_ANYONE };
	struct sp_img_value value = { .kind = SP_VALUE_PATTERN, .text = ti_str(b, "*.test.") };
	struct sp_img_cond cond = { .argument = ti_str(b, "zone") };
	sp_slice zone = SP_LIT("zone");

	assert(o->nrules <= TI_MORE);
	for (uint32_t i = 0; i < TI_RULES; i++)
		r[i] = (struct sp_img_rule){ .verb = SP_VERB_ALLOW, .line = 10 + i, .text = ti_str(b, "rule") };
	r[0].callers = SP_IMGB_ARRAY(b, &anyone, 1);
	r[1].scopes = ti_word(b, 1);
	r[2].scopes = ti_word(b, 2);
	r[2].tags = ti_word(b, 1);
	cond.path = sp_imgb_texts(b, &zone, 1);
	cond.values = SP_IMGB_ARRAY(b, &value, 1);
	r[3].verb = SP_VERB_DENY;
	r[3].unless = SP_IMGB_ARRAY(b, &cond, 1);
	r[4].verb = SP_VERB_DENY;
	r[5].scopes = ti_word(b, 2);
	r[5].manner = SP_MANNER_LIST;
	for (uint32_t i = 0; i < o->nrules; i++)
		r[TI_RULES + i] = ti_rule(b, &o->rules[i]);
	h->rules = SP_IMGB_ARRAY(b, r, TI_RULES + o->nrules);
}

static inline struct sp_img_tool
ti_tool(struct sp_imgb *b, const char *name, const char *shown, size_t pad, const uint32_t *rules, uint32_t nrules)
{
	const char *schema = "{\"type\":\"object\",\"properties\":{\"zone\":{\"type\":\"string\",\"x-mcp-header\":\"Zone\"}}}";
	struct sp_img_op op = { .method = SP_GET, .path = ti_str(b, "/x") };
	size_t room = pad + 512;
	char *json = malloc(room);
	struct sp_img_tool t;
	int n = snprintf(json, room, "{\"name\":\"%s\",\"description\":\"%0*d\",\"inputSchema\":%s}", shown, (int)pad, 0, schema);

	assert(n > 0 && (size_t)n < room);
	t = (struct sp_img_tool){ .name = ti_str(b, name), .shown = ti_str(b, shown), .json = sp_imgb_str(b, sp_mem(json, (size_t)n)),
	    .schema = ti_str(b, schema), .op = SP_IMGB_ARRAY(b, &op, 1), .rules = sp_imgb_u32(b, rules, nrules) };
	free(json);
	return t;
}

static inline void
ti_tools(struct sp_imgb *b, struct sp_img_head *h, const struct ti_options *o)
{
	static struct sp_img_tool t[TI_FIXED + TI_MAX];
	static const uint32_t create[] = { 2 }, delete[] = { 2, 3 }, hidden[] = { 4 }, list[] = { 1 }, shown[] = { 5 },
	    search[] = { 0 }, open[] = { 6 };
	uint32_t n = 0;

	t[n++] = ti_tool(b, "create", "dns_create", 0, create, 1);
	t[n++] = ti_tool(b, "delete", "dns_delete", 0, delete, 2);
	t[n++] = ti_tool(b, "hidden", "dns_hidden", 0, hidden, 1);
	t[n++] = ti_tool(b, "list", "dns_list", 0, list, 1);
	t[n++] = ti_tool(b, "shown", "dns_shown", 0, shown, 1);
	t[n++] = ti_tool(b, "search", "docs_search", 0, search, 1);
	for (uint32_t i = 0; i < o->extra; i++) {
		char name[16];

		snprintf(name, sizeof name, "x%04u", i);
		t[n++] = ti_tool(b, name, name, o->pad, open, 1);
	}
	h->tools = SP_IMGB_ARRAY(b, t, n);
	h->tool_index = sp_imgb_tool_index(b, h, t, n);
}

static inline uint64_t
ti_or(uint64_t v, uint64_t dflt)
{
	return v == 0 ? dflt : v;
}

static inline void
ti_head(struct sp_imgb *b, struct sp_img_head *h, const struct ti_options *o)
{
	sp_slice hosts[] = { SP_LIT("localhost:8420"), SP_LIT("127.0.0.1:8420"), SP_LIT("[::1]:8420") };
	sp_slice origins[] = { SP_LIT("http://localhost:8420") };
	struct sp_img_resource at[2];

	*h = (struct sp_img_head){ .generation = 1, .url = ti_str(b, "http://localhost:8420/mcp"),
	    .origin = ti_str(b, "http://localhost:8420"),
	    .hosts = sp_imgb_texts(b, hosts, 3), .origins = sp_imgb_texts(b, origins, 1),
	    .limit_head = 16384, .limit_body = ti_or(o->limit_body, 1 << 20), .limit_answer = 8 << 20, .limit_depth = 64,
	    .limit_connections = ti_or(o->limit_connections, 64), .limit_in_flight = 16,
	    .limit_calls = ti_or(o->limit_calls, 300), .limit_calls_ms = 60000, .head_ms = ti_or(o->head_ms, 10000),
	    .body_ms = ti_or(o->body_ms, 30000), .idle_ms = ti_or(o->idle_ms, 60000), .call_ms = ti_or(o->call_ms, 60000),
	    .anonymous = o->anonymous ? 2 : 0 };
	at[0] = (struct sp_img_resource){ .path = ti_str(b, "/mcp"), .url = h->url,
	    .metadata_url = ti_str(b, "http://localhost:8420/.well-known/oauth-protected-resource/mcp") };
	at[1] = (struct sp_img_resource){ .path = ti_str(b, "/alone"), .url = ti_str(b, "http://localhost:8420/alone"),
	    .metadata_url = ti_str(b, "http://localhost:8420/.well-known/oauth-protected-resource/alone"), .alone = 1 + o->alone };
	if (!o->no_metadata) {
		at[0].metadata = ti_str(b, "{\"resource\":\"http://localhost:8420/mcp\"}");
		at[1].metadata = ti_str(b, "{\"resource\":\"http://localhost:8420/alone\"}");
	}
	sp_imgb_resources(b, h, at, o->alone == 0 ? 1 : 2);
}

static inline void
ti_servers(struct sp_imgb *b, struct sp_img_head *h, const struct ti_options *o)
{
	static const char *const names[] = { "dns", "wiki", "git", "hub" };
	struct sp_img_server s[1 + TI_MCP] = { 0 };
	struct sp_img_op ops[3] = { { .method = SP_POST }, { .method = SP_GET }, { .method = SP_DELETE } };

	assert(o->mcp <= TI_MCP);
	for (uint32_t i = 0; i < 3; i++)
		ops[i].path = ti_str(b, "/mcp");
	for (uint32_t i = 0; i <= o->mcp; i++) {
		s[i] = (struct sp_img_server){ .kind = i == 0 ? SP_SERVER_OPENAPI : SP_SERVER_MCP, .port = 80 };
		s[i].name = ti_str(b, names[i]);
		s[i].host = ti_str(b, "127.0.0.1");
		s[i].resource = i != 0 && i == o->alone;
		if (i != 0)
			s[i].ops = SP_IMGB_ARRAY(b, ops, 3);
	}
	h->servers = SP_IMGB_ARRAY(b, s, 1 + o->mcp);
}

static inline struct sp_img_source
ti_jwt(struct sp_imgb *b, const char *name, const char *issuer)
{
	sp_slice aud = SP_LIT("http://localhost:8420/mcp");

	return (struct sp_img_source){ .type = SP_SOURCE_JWT, .name = ti_str(b, name), .issuer = ti_str(b, issuer),
	    .audiences = sp_imgb_texts(b, &aud, 1), .claim_user = ti_str(b, "sub"), .claim_tags = ti_str(b, "tags"),
	    .claim_scopes = ti_str(b, "scope") };
}

static inline void
ti_sources(struct sp_imgb *b, struct sp_img_head *h, const struct ti_options *o)
{
	struct sp_img_source src[7] = { { .type = SP_SOURCE_STATIC }, { .type = SP_SOURCE_ANONYMOUS } };
	struct sp_img_authority as[2] = { { .port = 443, .https = 1 }, { .port = 443, .https = 1 } };
	uint32_t n = o->anonymous ? 2 : 1;
	sp_slice uid = SP_LIT("1000");

	src[0].name = ti_str(b, "static");
	src[1].name = o->anonymous ? ti_str(b, "anonymous") : src[1].name;
	if (o->waits) {
		as[0].issuer = ti_str(b, "https://as.test");
		as[0].host = as[1].host = ti_str(b, "as.test");
		as[1].url = ti_str(b, "https://as.test/introspect");
		as[1].path = ti_str(b, "/introspect");
		as[1].client_id = ti_str(b, "cli");
		as[1].client_secret = ti_str(b, "vault:cli");
		as[1].source = n + 5;
		h->authorities = SP_IMGB_ARRAY(b, as, 2);
		src[n] = (struct sp_img_source){ .type = SP_SOURCE_STATIC, .name = ti_str(b, "key"), .header = ti_str(b, "x-key") };
		src[n + 1] = ti_jwt(b, "hs", "https://hs.test");
		src[n + 1].keys_ref = ti_str(b, "vault:hs");
		src[n + 2] = ti_jwt(b, "as", "https://as.test");
		src[n + 2].authority = 1;
		src[n + 3] = (struct sp_img_source){ .type = SP_SOURCE_PEER, .name = ti_str(b, "peer"),
		    .users = sp_imgb_texts(b, &uid, 1) };
		src[n + 4] = ti_jwt(b, "told", "https://told.test");
		src[n + 4].type = SP_SOURCE_INTROSPECTION;
		src[n + 4].endpoint = 2;
		n += 5;
	}
	h->sources = SP_IMGB_ARRAY(b, src, n);
}

/* The image's memory is b's: sp_imgb_free() at the end. */
static inline void
ti_make(struct sp_imgb *b, const struct ti_options *o, struct sp_image *img)
{
	struct sp_img_scope scopes[2] = { 0 };
	struct sp_img_head h;
	struct sp_err e = { 0 };
	sp_slice ops = SP_LIT("ops");

	sp_imgb_init(b, 64 << 20);
	ti_head(b, &h, o);
	scopes[0] = (struct sp_img_scope){ .name = ti_str(b, "dns:read"), .closure = ti_word(b, 1) };
	scopes[1] = (struct sp_img_scope){ .name = ti_str(b, "dns:write"), .closure = ti_word(b, 3) };
	ti_sources(b, &h, o);
	h.scopes = SP_IMGB_ARRAY(b, scopes, 2);
	h.tags = sp_imgb_texts(b, &ops, 1);
	ti_servers(b, &h, o);
	ti_rules(b, &h, o);
	ti_tools(b, &h, o);
	if (sp_imgb_finish(b, &h, &e) != SP_OK || sp_image_check(b->o.p, b->o.n, img, &e) != SP_OK) {
		fprintf(stderr, "test image: %s\n", e.log);
		abort();
	}
}

#endif
