#include "config/value.h"

#include "jose/jws.h"
#include "wire/http1.h"

enum { KEYS_BYTES = 256 * 1024, CLIENT_ID_MAX = 512 };

static const struct source_type { sp_slice name; enum sp_source_type type; int from; } types[] = {
	{ SP_LIT_INIT("jwt"), SP_SOURCE_JWT, 1 },
	{ SP_LIT_INIT("static"), SP_SOURCE_STATIC, 1 },
	{ SP_LIT_INIT("anonymous"), SP_SOURCE_ANONYMOUS, 1 },
	{ SP_LIT_INIT("peer"), SP_SOURCE_PEER, 2 },
	{ SP_LIT_INIT("remote"), SP_SOURCE_REMOTE, 2 },
	{ SP_LIT_INIT("introspection"), SP_SOURCE_INTROSPECTION, 3 },
	{ SP_LIT_INIT("oauth"), 0, 4 },
};

size_t
sp_cfg_source_types(sp_slice *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < SP_COUNT(types) && n < cap; i++)
		if (types[i].from <= SP_CFG_STEP)
			out[n++] = types[i].name;
	return n;
}

static bool
read_type(struct cfg *c, const struct node *n, struct cfg_source *s, struct item *it)
{
	sp_slice names[SP_COUNT(types)];
	size_t known = sp_cfg_source_types(names, SP_COUNT(names));
	const struct node *v = sp_node_get(n, "type");

	if (v == NULL) {
		ERR(c, n, "a source needs a `type`: jwt, remote, introspection, static, peer or anonymous");
		return false;
	}
	if (!sp_cfg_text(c, v, "type", it))
		return false;
	for (size_t i = 0; i < SP_COUNT(types); i++) {
		if (!sp_eq(types[i].name, it->text))
			continue;
		if (types[i].from > SP_CFG_STEP) {
			ERR(c, v, "`type: %.*s` is not available in this version", SP_PRI(it->text));
			return false;
		}
		s->type = types[i].type;
		return true;
	}
	ERR(c, v, "unknown type `%.*s`%s", SP_PRI(it->text), sp_cfg_hint(c, it->text, names, known));
	return false;
}

static void
read_source_name(struct cfg *c, const struct node *v, const struct item *type, struct cfg_source *s)
{
	s->name = *type;
	if (v == NULL)
		return;
	if (!sp_cfg_text(c, v, "name", &s->name))
		return;
	if (s->type == SP_SOURCE_ANONYMOUS && sp_eq(s->name.text, SP_LIT("anonymous")))
		return;
	if (!sp_cfg_is_name(s->name.text))
		ERR(c, v, "`name` must be [a-z][a-z0-9-]{0,31}; all, anyone, anonymous are taken");
}

/* A dotted path to a claim. */
static void
read_claim(struct cfg *c, const struct node *map, const char *key, sp_slice *out)
{
	const struct node *v = map == NULL ? NULL : sp_node_get(map, key);
	struct item it;
	sp_slice rest, part;

	if (v == NULL || !sp_cfg_text(c, v, key, &it))
		return;
	rest = it.text;
	while (sp_take_part(&rest, '.', &part))
		if (part.n == 0) {
			ERR(c, v, "`%s` must be a path of names with dots between them", key);
			return;
		}
	*out = it.text;
}

static void
read_claims(struct cfg *c, const struct node *v, struct cfg_source *s)
{
	s->claim_user = SP_LIT("sub");
	s->claim_tags = SP_LIT("tags");
	s->claim_scopes = SP_LIT("scope");
	if (v == NULL || !sp_cfg_keys(c, v, IN_CLAIMS, "`claims`"))
		return;
	read_claim(c, v, "user", &s->claim_user);
	read_claim(c, v, "tags", &s->claim_tags);
	read_claim(c, v, "scopes", &s->claim_scopes);
}

static void
read_give(struct cfg *c, const struct node *v, struct cfg_source *s)
{
	if (v == NULL || v->kind == NODE_BAD)
		return;
	if (v->kind != NODE_MAP || v->first == NULL) {
		ERR(c, v, "`give_by_tag` must be a mapping: TAG: SCOPES");
		return;
	}
	s->give = sp_cfg_alloc(c, v->n, sizeof *s->give);
	if (s->give == NULL)
		return;
	for (const struct node *m = v->first; m != NULL; m = m->next) {
		struct cfg_give *g = &s->give[s->ngive];

		g->tag = sp_cfg_key(m);
		if (g->tag.text.n == 0)
			ERR(c, m->key, "`give_by_tag`: an empty tag");
		else if (sp_cfg_texts(c, m, "give_by_tag", &g->scopes) &&
		    sp_cfg_scope_token(c, &g->scopes, "give_by_tag"))
			s->ngive++;
	}
}

static void
read_scope_list(struct cfg *c, const struct node *n, const char *key, struct items *out)
{
	const struct node *v = sp_node_get(n, key);

	if (v != NULL && sp_cfg_texts(c, v, key, out))
		(void)!sp_cfg_scope_token(c, out, key);
}

static void
read_list(struct cfg *c, const struct node *n, const char *key, struct items *out)
{
	const struct node *v = sp_node_get(n, key);

	if (v != NULL)
		(void)!sp_cfg_texts(c, v, key, out);
}

static void
refuse_keys(struct cfg *c, const struct node *n, const struct item *type, const char *const *keys)
{
	for (; *keys != NULL; keys++) {
		const struct node *v = sp_node_get(n, *keys);

		if (v != NULL)
			ERR(c, v->key, "`%s` is no key of a source of type `%.*s`", *keys, SP_PRI(type->text));
	}
}

static void
read_issuer(struct cfg *c, const struct node *n, const struct item *type, struct cfg_source *s)
{
	const struct node *v = sp_node_get(n, "issuer");

	if (v == NULL && s->type == SP_SOURCE_INTROSPECTION)
		return;
	if (v == NULL) {
		ERR(c, n, "a source of type `%.*s` needs an `issuer`", SP_PRI(type->text));
		return;
	}
	if (!sp_cfg_text(c, v, "issuer", &s->issuer) || !sp_cfg_url(c, &s->issuer, "issuer", &s->issuer_parts)) {
		s->issuer.text.n = 0;
		return;
	}
	if (!s->issuer_parts.https && !sp_host_is_loopback(s->issuer_parts.host, s->issuer_parts.kind)) {
		ERR(c, v, "`issuer` must be https (http only on loopback)");
		s->issuer.text.n = 0;
	}
}

/* The path of a file, a URL, or the reference of an HS secret.  What stands here by mistake may be such a secret: no
 * message shows any of it. */
static void
read_keys(struct cfg *c, const struct node *n, struct cfg_source *s)
{
	const struct node *v = sp_node_get(n, "keys");

	if (v == NULL || !sp_cfg_text(c, v, "keys", &s->keys) || !sp_cfg_is_ref(s->keys.text))
		return;
	if (!sp_cfg_ref(c, v, "keys", &s->keys_ref))
		s->keys.text.n = 0;
}

/* RFC 7662: who is asked, and what we are to them. */
static void
read_endpoint(struct cfg *c, const struct node *n, const struct item *type, struct cfg_source *s)
{
	const struct node *url = sp_node_get(n, "introspection_url"), *id = sp_node_get(n, "client_id");
	const struct node *secret = sp_node_get(n, "client_secret");

	if (url == NULL && s->type == SP_SOURCE_REMOTE) {
		if (id != NULL || secret != NULL)
			ERR(c, (id != NULL ? id : secret)->key, "`%s` needs an `introspection_url` beside it",
			    id != NULL ? "client_id" : "client_secret");
		return;
	}
	if (url == NULL)
		ERR(c, n, "a source of type `%.*s` needs an `introspection_url`", SP_PRI(type->text));
	else
		(void)!sp_cfg_text(c, url, "introspection_url", &s->endpoint_url);
	if (id == NULL)
		ERR(c, n, "`introspection_url` needs a `client_id`: who we are to it");
	else if (sp_cfg_text(c, id, "client_id", &s->client_id) && s->client_id.text.n > CLIENT_ID_MAX)
		ERR(c, id, "`client_id` has over %d bytes", CLIENT_ID_MAX);
	if (secret == NULL)
		ERR(c, n, "`introspection_url` needs a `client_secret`: store the value by `sallyport vault set NAME`, then write "
		    "vault:NAME");
	else
		(void)!sp_cfg_ref(c, secret, "client_secret", &s->client_secret);
	if (sp_node_get(n, "keys") != NULL)
		ERR(c, sp_node_get(n, "keys")->key, "`keys` beside `introspection_url`: the token is judged by one of them");
}

/* Fields of a request that mean something else, to us or to what stands in front of us. */
static bool
is_taken_header(sp_slice name)
{
	static const sp_slice taken[] = {
		SP_LIT_INIT("authorization"), SP_LIT_INIT("cookie"), SP_LIT_INIT("host"), SP_LIT_INIT("origin"),
		SP_LIT_INIT("connection"), SP_LIT_INIT("keep-alive"), SP_LIT_INIT("te"), SP_LIT_INIT("trailer"),
		SP_LIT_INIT("transfer-encoding"), SP_LIT_INIT("upgrade"), SP_LIT_INIT("expect"), SP_LIT_INIT("via"),
		SP_LIT_INIT("date"), SP_LIT_INIT("user-agent"), SP_LIT_INIT("referer"), SP_LIT_INIT("from"),
		SP_LIT_INIT("range"), SP_LIT_INIT("cache-control"), SP_LIT_INIT("pragma"), SP_LIT_INIT("forwarded"),
		SP_LIT_INIT("last-event-id"), SP_LIT_INIT("dpop"), SP_LIT_INIT("x-real-ip"), SP_LIT_INIT("traceparent"),
		SP_LIT_INIT("tracestate"), SP_LIT_INIT("baggage"),
	};
	static const sp_slice families[] = {
		SP_LIT_INIT("mcp-"), SP_LIT_INIT("content-"), SP_LIT_INIT("accept"), SP_LIT_INIT("if-"),
		SP_LIT_INIT("proxy-"), SP_LIT_INIT("sec-"), SP_LIT_INIT("x-forwarded-"), SP_LIT_INIT("access-control-"),
	};

	for (size_t i = 0; i < SP_COUNT(taken); i++)
		if (sp_eq(taken[i], name))
			return true;
	for (size_t i = 0; i < SP_COUNT(families); i++)
		if (sp_starts(name, families[i]))
			return true;
	return false;
}

static void
read_header(struct cfg *c, const struct node *n, struct cfg_source *s)
{
	const struct node *v = sp_node_get(n, "header");
	struct item it;
	char low[65];

	if (v == NULL || !sp_cfg_text(c, v, "header", &it))
		return;
	if (it.text.n >= sizeof low || sp_span(it.text, sp_is_tchar) != it.text.n) {
		ERR(c, v, "`header` must be the name of one header, of at most 64 letters, digits and `-`");
		return;
	}
	for (size_t i = 0; i < it.text.n; i++)
		low[i] = it.text.p[i] >= 'A' && it.text.p[i] <= 'Z' ? (char)(it.text.p[i] + 32) : it.text.p[i];
	if (is_taken_header(sp_mem(low, it.text.n))) {
		ERR(c, v, "`header`: %.*s means something else; take a name of its own, as X-API-Key%s", SP_PRI(it.text),
		    sp_eq_nocase(it.text, SP_LIT("authorization")) ? " (without `header` it is Authorization: Bearer)" : "");
		return;
	}
	s->header = it;
	s->header.text = sp_arena_copy(&c->mem, sp_mem(low, it.text.n));
}

/* Which keys a source of which type does not have. */
static void
refuse_others(struct cfg *c, const struct node *n, const struct item *type, const struct cfg_source *s)
{
	static const char *const of_jwt[] = { "header", NULL };
	static const char *const of_static[] = { "issuer", "audience", "keys", "claims", NULL };
	static const char *const of_peer[] = { "issuer", "audience", "keys", "claims", "header", NULL };
	static const char *const of_anonymous[] = {
		"issuer", "audience", "keys", "claims", "header", "users", "require_scopes", "restrict_tag", "give_by_tag", NULL
	};
	static const char *const of_endpoint[] = { "introspection_url", "client_id", "client_secret", NULL };

	refuse_keys(c, n, type, s->type == SP_SOURCE_STATIC ? of_static : s->type == SP_SOURCE_PEER ? of_peer :
	    s->type == SP_SOURCE_ANONYMOUS ? of_anonymous : of_jwt);
	if (s->type != SP_SOURCE_INTROSPECTION && s->type != SP_SOURCE_REMOTE)
		refuse_keys(c, n, type, of_endpoint);
}

bool
sp_cfg_reads_claims(const struct cfg_source *s)
{
	return s->type == SP_SOURCE_JWT || s->type == SP_SOURCE_REMOTE || s->type == SP_SOURCE_INTROSPECTION;
}

static void
read_source(struct cfg *c, const struct node *n)
{
	struct cfg_source *s = &c->sources[c->nsources];
	struct item type;

	if (!sp_cfg_keys(c, n, IN_SOURCE, "a source") || !read_type(c, n, s, &type))
		return;
	c->nsources++;
	s->line = n->line;
	s->col = n->col;
	read_source_name(c, sp_node_get(n, "name"), &type, s);
	refuse_others(c, n, &type, s);
	if (s->type == SP_SOURCE_INTROSPECTION || s->type == SP_SOURCE_REMOTE)
		read_endpoint(c, n, &type, s);
	if (sp_cfg_reads_claims(s)) {
		read_issuer(c, n, &type, s);
		read_keys(c, n, s);
		read_list(c, n, "audience", &s->audience);
	}
	if (s->type == SP_SOURCE_STATIC)
		read_header(c, n, s);
	read_claims(c, sp_cfg_reads_claims(s) ? sp_node_get(n, "claims") : NULL, s);
	read_list(c, n, "users", &s->users);
	read_scope_list(c, n, "require_scopes", &s->require_scopes);
	read_list(c, n, "restrict_tag", &s->restrict_tag);
	read_scope_list(c, n, "give_scopes", &s->give_scopes);
	read_give(c, sp_node_get(n, "give_by_tag"), s);
}

void
sp_cfg_read_auth(struct cfg *c, const struct node *n)
{
	if (n == NULL) {
		sp_findings_add(c->f, false, 0, 0, "`auth` is required: who comes in, as auth: {type: static}");
		return;
	}
	if (!sp_cfg_some(c, n, "auth"))
		return;
	if (sp_cfg_count(n) > SP_CFG_SOURCES) {
		ERR(c, n, "`auth`: more than %d sources", SP_CFG_SOURCES);
		return;
	}
	c->sources = sp_cfg_alloc(c, sp_cfg_count(n), sizeof *c->sources);
	if (c->sources == NULL)
		return;
	for (const struct node *m = sp_cfg_first(n); m != NULL; m = sp_cfg_after(n, m))
		read_source(c, m);
}

/* ---- key files */

/* A private or HMAC key must not get into the image, which every role maps. */
static const char *
not_public(sp_slice text)
{
	struct sp_json j = { 0 };
	struct sp_err e = { 0 };
	const char *why = NULL;
	sp_jval *keys;

	if (sp_find(text, SP_LIT("PRIVATE KEY")) != SIZE_MAX)
		return "holds a private key; only the public one belongs here";
	if (sp_trim(text).n == 0 || sp_find(text, SP_LIT("-----BEGIN")) != SIZE_MAX)
		return NULL;
	if (sp_json_read(text, SP_JSON_DEFAULT, &j, &e) != SP_OK)
		return NULL;		/* sp_keyset_read() will say so */
	keys = SP_JGET(j.root, "keys");
	for (struct sp_jiter it = sp_jeach(keys); why == NULL && sp_jnext(&it);) {
		if (sp_eq(sp_jtext(SP_JGET(it.val, "kty")), SP_LIT("oct")))
			why = "holds an HMAC secret beside or instead of public keys";
		else if (SP_JGET(it.val, "d") != NULL)
			why = "holds a private key; only the public one belongs here";
	}
	if (keys == NULL && SP_JGET(j.root, "k") != NULL)
		why = "holds an HMAC secret instead of a public key";
	if (keys == NULL && SP_JGET(j.root, "d") != NULL)
		why = "holds a private key; only the public one belongs here";
	sp_json_free(&j);
	return why;
}

static void
load_keys(struct cfg *c, struct cfg_source *s)
{
	struct sp_err e = { 0 };
	struct sp_out text;
	struct sp_keyset *set = NULL;
	sp_slice path;
	const char *why;

	if (!sp_cfg_path(c, &s->keys, "keys", &path))
		return;
	sp_out_heap(&text, KEYS_BYTES + 1);
	if (c->opts->read(c->opts->ctx, path, KEYS_BYTES, &text, &e) != SP_OK) {
		ERR(c, &s->keys, "`keys`: the file cannot be read: %s", e.log);
	} else if ((why = not_public(sp_out_view(&text))) != NULL) {
		ERR(c, &s->keys, "`keys`: the file %s", why);
	} else if (sp_keyset_read(sp_out_view(&text), false, &set, &e) != SP_OK) {
		ERR(c, &s->keys, "`keys`: %s", e.log);
	} else {
		if (sp_keyset_dropped(set) != 0)
			WARN(c, &s->keys, "`keys`: %zu keys of the file cannot be used", sp_keyset_dropped(set));
		s->keys_text = sp_arena_copy(&c->mem, sp_out_view(&text));
	}
	sp_keyset_free(&set);
	sp_out_wipe(&text);
	sp_out_free(&text);
}

void
sp_cfg_load_keys(struct cfg *c)
{
	for (uint32_t i = 0; i < c->nsources; i++) {
		struct cfg_source *s = &c->sources[i];

		if (s->keys.text.n != 0 && s->keys_ref.n == 0 && !sp_cfg_is_web(s->keys.text))
			load_keys(c, s);
	}
}

/* ---- sources among each other */

static void
check_two(struct cfg *c, const struct cfg_source *s, const struct cfg_source *t)
{
	bool same = s->type == t->type;

	if (same && s->type == SP_SOURCE_STATIC && s->header.text.n == 0 && t->header.text.n == 0)
		ERR(c, s, "two sources for one token: line %u has a `static` source already (a further one needs a `header`)",
		    t->line);
	else if (same && s->type == SP_SOURCE_STATIC && sp_eq(s->header.text, t->header.text))
		ERR(c, &s->header, "two sources for one token: line %u takes it from this `header` already", t->line);
	else if (s->endpoint_url.text.n != 0 && t->endpoint_url.text.n != 0)
		ERR(c, &s->endpoint_url, "two sources for one token: line %u has an `introspection_url` already, and text that is no "
		    "JWT goes to one of them only", t->line);
	else if (same && (s->type == SP_SOURCE_ANONYMOUS || s->type == SP_SOURCE_PEER))
		ERR(c, s, "line %u has %s source already", t->line, s->type == SP_SOURCE_PEER ? "a `peer`" : "an `anonymous`");
	else if (sp_eq(s->name.text, t->name.text))
		ERR(c, &s->name, "the source name `%.*s` is taken by line %u: give one a `name`", SP_PRI(s->name.text),
		    t->line);
}

static bool
has_unix(const struct cfg *c)
{
	for (uint32_t i = 0; i < c->nlistens; i++)
		if (c->listens[i].unix_path)
			return true;
	return false;
}

/* Whoever says where tokens are to be had is published.  Without such a source the issuers of the others are: a client that
 * follows RFC 9728 must find one. */
static void
publish(struct cfg *c)
{
	bool remote = false;

	for (uint32_t i = 0; i < c->nsources; i++)
		remote = remote || c->sources[i].type == SP_SOURCE_REMOTE;
	for (uint32_t i = 0; i < c->nsources; i++)
		c->sources[i].published = c->sources[i].issuer.text.n != 0 && (remote ? c->sources[i].type == SP_SOURCE_REMOTE :
		    sp_cfg_reads_claims(&c->sources[i]));
}

void
sp_cfg_check_sources(struct cfg *c)
{
	for (uint32_t i = 0; i < c->nsources; i++) {
		const struct cfg_source *s = &c->sources[i];

		if (s->type == SP_SOURCE_PEER && !has_unix(c))
			ERR(c, s, "`type: peer` needs a `listen: unix:PATH`: only there the kernel says who calls");
		for (uint32_t j = 0; j < i; j++)
			check_two(c, s, &c->sources[j]);
	}
	publish(c);
}
