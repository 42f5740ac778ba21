#include "config/value.h"

#include "wire/http1.h"

/* Fields that frame or route a request: a secret in one of them could only do harm. */
static bool
is_reserved_header(sp_slice name)
{
	static const sp_slice reserved[] = {
		SP_LIT_INIT("host"), SP_LIT_INIT("content-length"), SP_LIT_INIT("transfer-encoding"),
		SP_LIT_INIT("connection"), SP_LIT_INIT("upgrade"), SP_LIT_INIT("te"), SP_LIT_INIT("trailer"),
		SP_LIT_INIT("expect"), SP_LIT_INIT("content-type"), SP_LIT_INIT("accept-encoding"),
		SP_LIT_INIT("keep-alive"), SP_LIT_INIT("proxy-connection"),
	};

	for (size_t i = 0; i < SP_COUNT(reserved); i++)
		if (sp_eq_nocase(reserved[i], name))
			return true;
	return false;
}

static bool
is_token(sp_slice s)
{
	return s.n != 0 && s.n <= 128 && sp_span(s, sp_is_tchar) == s.n;
}

static bool
is_query_name(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f || strchr("&=#", s.p[i]) != NULL)
			return false;
	return s.n != 0 && s.n <= 128;
}

/* The text around `{}`; false when there is not exactly one. */
static bool
split_template(sp_slice t, sp_slice *before, sp_slice *after)
{
	size_t at = sp_find(t, SP_LIT("{}"));

	if (at == SIZE_MAX)
		return false;
	*before = sp_sub(t, 0, at);
	*after = sp_sub(t, at + 2, t.n);
	if (sp_find(*after, SP_LIT("{}")) != SIZE_MAX)
		return false;
	for (size_t i = 0; i < t.n; i++)
		if ((unsigned char)t.p[i] < 0x20 || (unsigned char)t.p[i] >= 0x7f)
			return false;
	return true;
}

static void
as_bearer(struct cfg_secret *s)
{
	s->place = SP_PLACE_HEADER;
	s->field = SP_LIT("Authorization");
	s->before = SP_LIT("Bearer ");
}

static void
as_basic(struct cfg_secret *s)
{
	s->place = SP_PLACE_HEADER;
	s->field = SP_LIT("Authorization");
	s->basic = true;
}

static bool
join_bearer(struct cfg *c, struct cfg_secret *s)
{
	struct sp_out o;
	char buf[1100];

	sp_out_init(&o, buf, sizeof buf);
	sp_out_str(&o, "Bearer ");
	sp_out_slice(&o, s->before);
	s->before = sp_arena_copy(&c->mem, sp_out_view(&o));
	return !o.full && s->before.p != NULL;
}

static bool
place_named(struct cfg *c, const struct item *it, sp_slice word, sp_slice *rest, struct cfg_secret *s)
{
	sp_slice name;

	if (!sp_take_part(rest, ' ', &name) || name.n == 0) {
		ERR(c, it, "`as: %.*s` needs a name", SP_PRI(word));
		return false;
	}
	s->field = name;
	s->place = sp_eq(word, SP_LIT("header")) ? SP_PLACE_HEADER :
	    sp_eq(word, SP_LIT("query")) ? SP_PLACE_QUERY : SP_PLACE_COOKIE;
	if (s->place == SP_PLACE_QUERY ? !is_query_name(name) : !is_token(name)) {
		ERR(c, it, "`as`: not a name for a %.*s", SP_PRI(word));
		return false;
	}
	if (s->place == SP_PLACE_HEADER && (is_reserved_header(name) || sp_eq_nocase(name, SP_LIT("cookie")))) {
		ERR(c, it, "`as`: the header %.*s cannot carry a secret", SP_PRI(name));
		return false;
	}
	return true;
}

/* bearer | basic | header NAME | query NAME | cookie NAME, each with an optional template. */
static void
read_as(struct cfg *c, const struct node *n, struct cfg_secret *s)
{
	static const sp_slice words[] = {
		SP_LIT_INIT("bearer"), SP_LIT_INIT("basic"), SP_LIT_INIT("header"), SP_LIT_INIT("query"),
		SP_LIT_INIT("cookie"),
	};
	struct item it;
	sp_slice rest, word;

	if (!sp_cfg_text(c, n, "as", &it))
		return;
	rest = it.text;
	(void)sp_take_part(&rest, ' ', &word);
	if (sp_eq(word, words[0])) {
		as_bearer(s);
	} else if (sp_eq(word, words[1])) {
		as_basic(s);
	} else if (sp_eq(word, words[2]) || sp_eq(word, words[3]) || sp_eq(word, words[4])) {
		if (!place_named(c, &it, word, &rest, s))
			return;
	} else {
		ERR(c, n, "`as` must be bearer, basic, header NAME, query NAME or cookie NAME%s",
		    sp_cfg_hint(c, word, words, SP_COUNT(words)));
		return;
	}
	if (rest.p != NULL && rest.n != 0) {
		if (s->basic) {
			ERR(c, n, "`as: basic` takes no template: the value is user:password");
			return;
		}
		if (rest.n > 1000 || !split_template(rest, &s->before, &s->after)) {
			ERR(c, n, "`as`: a template is plain text with one {} where the value goes");
			return;
		}
		if (sp_eq(word, words[0]) && !join_bearer(c, s))
			return;
	}
	s->has_as = true;
}

static void
read_methods(struct cfg *c, const struct node *n, struct cfg_secret *s)
{
	struct items list;

	if (!sp_cfg_texts(c, n, "methods", &list))
		return;
	for (uint32_t i = 0; i < list.n; i++) {
		enum sp_method m = sp_method_find(list.v[i].text);

		if (m == 0)
			ERR(c, &list.v[i], "unknown method `%.*s` (upper case: GET, POST, …)", SP_PRI(list.v[i].text));
		else
			s->methods |= 1u << m;
	}
}

static void
read_secret(struct cfg *c, struct cfg_server *server, const struct node *n)
{
	struct cfg_secret *s = &server->secrets[server->nsecrets];
	const struct node *v;
	char what[80];
	struct sp_out o;

	if (n->kind == NODE_BAD)
		return;
	*s = (struct cfg_secret){ .name = sp_cfg_key(n) };
	sp_out_init(&o, what, sizeof what - 1);
	sp_out_slice(&o, sp_sub(s->name.text, 0, sizeof what - 1));
	what[o.n] = '\0';
	if (n->kind != NODE_MAP) {
		if (sp_cfg_ref(c, n, what, &s->ref))
			server->nsecrets++;
		return;
	}
	if (!sp_cfg_keys(c, n, IN_SECRET, "a secret"))
		return;
	server->nsecrets++;
	if ((v = sp_node_get(n, "secret")) == NULL)
		ERR(c, n, "`%s` needs `secret`: a reference such as vault:NAME", what);
	else
		(void)!sp_cfg_ref(c, v, "secret", &s->ref);
	if ((v = sp_node_get(n, "as")) != NULL)
		read_as(c, v, s);
	if ((v = sp_node_get(n, "host")) != NULL)
		(void)!sp_cfg_text(c, v, "host", &s->host);
	if ((v = sp_node_get(n, "methods")) != NULL)
		read_methods(c, v, s);
}

void
sp_cfg_read_secrets(struct cfg *c, struct cfg_server *s, const struct node *n)
{
	if (n->kind == NODE_BAD)
		return;
	if (n->kind != NODE_MAP || n->first == NULL) {
		ERR(c, n, "`secrets` must be a mapping: NAME: vault:NAME");
		return;
	}
	s->secrets = sp_cfg_alloc(c, n->n, sizeof *s->secrets);
	if (s->secrets == NULL)
		return;
	for (const struct node *v = n->first; v != NULL; v = v->next)
		read_secret(c, s, v);
}

/* What the query says stands in clear here, in `check` and in the image. */
static void
refuse_query_secret(struct cfg *c, const struct cfg_server *s)
{
	static const sp_slice words[] = {
		SP_LIT_INIT("key"), SP_LIT_INIT("token"), SP_LIT_INIT("secret"), SP_LIT_INIT("password"), SP_LIT_INIT("auth"),
	};
	sp_slice rest = s->base.query, pair, name;

	while (sp_take_part(&rest, '&', &pair)) {
		if (!sp_take_to(&pair, '=', &name))
			continue;
		for (size_t i = 0; i < SP_COUNT(words); i++)
			for (size_t at = 0; at + words[i].n <= name.n; at++)
				if (sp_eq_nocase(sp_sub(name, at, at + words[i].n), words[i])) {
					ERR(c, &s->url, "`mcp`: `%.*s` looks like a secret, which may not stand in a file: write it as "
					    "secrets: {NAME: {secret: vault:NAME, as: query %.*s}}", SP_PRI(name), SP_PRI(name));
					return;
				}
	}
}

static void
read_mcp(struct cfg *c, const struct node *v, struct cfg_server *s)
{
	s->kind = SP_SERVER_MCP;
	if (!sp_cfg_text(c, v, "mcp", &s->url) || !sp_cfg_url_query(c, &s->url, "mcp", &s->base))
		return;
	if (!sp_cfg_is_clean_path(s->base.path)) {
		ERR(c, v, "`mcp`: the path must be plain (no `%%`, `//` or dot segments)");
		return;
	}
	s->has_base = s->private_ok = true;
	refuse_query_secret(c, s);
}

static void
read_document(struct cfg *c, const struct node *n, struct cfg_server *s)
{
	const struct node *v = sp_node_get(n, "openapi"), *mcp = sp_node_get(n, "mcp");

	if (v != NULL && mcp != NULL) {
		ERR(c, mcp->key, "a server has one of `openapi` and `mcp`, and `openapi` is here already");
		return;
	}
	if (mcp != NULL)
		read_mcp(c, mcp, s);
	if (v == NULL) {
		if (mcp == NULL && sp_node_get(n, "stdio") == NULL)
			ERR(c, n, "a server needs `openapi`, the path of its document, or `mcp`, the URL of an MCP server");
		return;
	}
	if (!sp_cfg_text(c, v, "openapi", &s->document))
		return;
	s->kind = SP_SERVER_OPENAPI;
	if (sp_eq(s->document.text, SP_LIT("sallyport:management"))) {
		s->kind = SP_SERVER_MANAGEMENT;
	} else if (sp_starts(s->document.text, SP_LIT("https://")) || sp_starts(s->document.text, SP_LIT("http://"))) {
		ERR(c, v, "`openapi` from a URL is not available in this version: save the document beside this file");
		s->document.text.n = 0;
	}
}

static void
read_base(struct cfg *c, const struct node *n, struct cfg_server *s)
{
	const struct node *v = sp_node_get(n, "url");

	if (v == NULL)
		return;
	if (s->kind == SP_SERVER_MANAGEMENT) {
		ERR(c, v->key, "`url` is no key of the management server: it is inside the program");
		return;
	}
	if (s->kind == SP_SERVER_MCP) {
		ERR(c, v->key, "`url` is no key of an MCP server: `mcp` is its URL");
		return;
	}
	if (!sp_cfg_text(c, v, "url", &s->url) || !sp_cfg_url(c, &s->url, "url", &s->base))
		return;
	s->has_base = s->private_ok = true;
}

static void
read_server(struct cfg *c, const struct node *n)
{
	struct cfg_server *s = &c->servers[c->nservers];
	const struct node *v;

	s->name = sp_cfg_key(n);
	/* Counted whatever follows, so that rules that speak of it are not reported as well. */
	c->nservers++;
	if (!sp_cfg_is_name(s->name.text))
		ERR(c, &s->name, "the name of a server must be [a-z][a-z0-9-]{0,31}; all, anyone, anonymous are taken");
	if (!sp_cfg_keys(c, n, IN_SERVER, "a server"))
		return;
	read_document(c, n, s);
	read_base(c, n, s);
	if ((v = sp_node_get(n, "path")) != NULL)
		(void)!sp_cfg_text(c, v, "path", &s->path);
	if ((v = sp_node_get(n, "secrets")) != NULL)
		sp_cfg_read_secrets(c, s, v);
}

void
sp_cfg_read_servers(struct cfg *c, const struct node *n)
{
	if (n == NULL) {
		sp_findings_add(c->f, false, 0, 0, "`servers` is required: what stands behind");
		return;
	}
	if (n->kind == NODE_BAD)
		return;
	if (n->kind != NODE_MAP || n->first == NULL) {
		ERR(c, n, "`servers` must be a mapping: NAME: {openapi: PATH, …} or {mcp: URL, …}");
		return;
	}
	if (n->n > SP_CFG_SERVERS) {
		ERR(c, n, "`servers`: more than %d", SP_CFG_SERVERS);
		return;
	}
	c->servers = sp_cfg_alloc(c, n->n, sizeof *c->servers);
	if (c->servers == NULL)
		return;
	for (const struct node *v = n->first; v != NULL; v = v->next)
		read_server(c, v);
}
