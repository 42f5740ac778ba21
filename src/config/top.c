#include "config/value.h"

/* ---- listen */

static bool
read_unix(struct cfg *c, const struct item *it, sp_slice path, struct cfg_listen *out)
{
	struct item at = { path, it->line, it->col };

	if (path.n == 0) {
		ERR(c, it, "`listen`: `unix:` needs a path");
		return false;
	}
	if (!sp_cfg_path(c, &at, "listen", &out->path))
		return false;
	if (out->path.n > 107) {	/* sizeof sun_path less its NUL */
		ERR(c, it, "`listen`: the socket's path is longer than 107 bytes");
		return false;
	}
	out->unix_path = out->loopback = true;
	return true;
}

static bool
read_address(struct cfg *c, const struct item *it, struct cfg_listen *out)
{
	struct sp_err e = { 0 };

	if (sp_hostport_read(it->text, &out->host, &out->kind, &out->port, &e) != SP_OK) {
		ERR(c, it, "`listen` must be HOST:PORT or unix:PATH (every address: 0.0.0.0:PORT or [::]:PORT)");
		return false;
	}
	if (out->port == 0) {
		ERR(c, it, "`listen` needs a port: 127.0.0.1:8420");
		return false;
	}
	if (out->kind == SP_HOST_NAME && sp_eq_nocase(out->host, SP_LIT("localhost"))) {
		out->host = SP_LIT("127.0.0.1");
		out->kind = SP_HOST_IPV4;
	}
	if (out->kind == SP_HOST_NAME) {
		ERR(c, it, "`listen` must be an address, not a name");
		return false;
	}
	out->loopback = sp_host_is_loopback(out->host, out->kind);
	return true;
}

static bool
is_same_listen(const struct cfg_listen *a, const struct cfg_listen *b)
{
	return a->unix_path == b->unix_path && sp_eq(a->path, b->path) && a->port == b->port &&
	    sp_eq_nocase(a->host, b->host);
}

static void
add_listen(struct cfg *c, const struct node *n)
{
	struct cfg_listen l = { 0 };
	struct item it;
	sp_slice rest;

	if (!sp_cfg_text(c, n, "listen", &it))
		return;
	rest = it.text;
	l.line = it.line;
	l.col = it.col;
	if (sp_take(&rest, SP_LIT("unix:")) ? !read_unix(c, &it, rest, &l) : !read_address(c, &it, &l))
		return;
	for (uint32_t i = 0; i < c->nlistens; i++)
		if (is_same_listen(&c->listens[i], &l)) {
			ERR(c, n, "`%.*s` is in this list twice", SP_PRI(it.text));
			return;
		}
	if (c->nlistens == SP_CFG_LISTENS) {
		ERR(c, n, "`listen`: more than %d addresses", SP_CFG_LISTENS);
		return;
	}
	c->listens[c->nlistens++] = l;
}

void
sp_cfg_read_listen(struct cfg *c, const struct node *n)
{
	if (n == NULL) {
		c->listens[c->nlistens++] = (struct cfg_listen){
			.host = SP_LIT("127.0.0.1"), .kind = SP_HOST_IPV4, .port = 8420, .loopback = true,
		};
		return;
	}
	if (!sp_cfg_some(c, n, "listen"))
		return;
	for (const struct node *m = sp_cfg_first(n); m != NULL; m = sp_cfg_after(n, m))
		add_listen(c, m);
}

/* ---- url */

static void
default_url(struct cfg *c)
{
	const struct cfg_listen *l = NULL;
	char buf[160];
	struct sp_out o;
	struct sp_err e = { 0 };

	for (uint32_t i = 0; i < c->nlistens; i++) {
		if (!c->listens[i].loopback) {
			ERR(c, &c->listens[i], "`url` is required with a public address: what clients type, "
			    "as https://tools.example.com/mcp");
			return;
		}
		if (l == NULL && !c->listens[i].unix_path)
			l = &c->listens[i];
	}
	sp_out_init(&o, buf, sizeof buf);
	if (l == NULL)
		sp_out_str(&o, "http://localhost/mcp");
	else
		sp_out_fmt(&o, l->kind == SP_HOST_IPV6 ? "http://[%.*s]:%u/mcp" : "http://%.*s:%u/mcp",
		    SP_PRI(l->host), l->port);
	c->url.text = sp_arena_copy(&c->mem, sp_out_view(&o));
	c->has_url = sp_uri_read(c->url.text, &c->url_parts, &e) == SP_OK;
}

void
sp_cfg_read_url(struct cfg *c, const struct node *n)
{
	struct sp_uri u;

	if (n == NULL) {
		default_url(c);
		return;
	}
	if (!sp_cfg_text(c, n, "url", &c->url) || !sp_cfg_url(c, &c->url, "url", &u))
		return;
	if (!sp_cfg_is_clean_path(u.path) || sp_starts(u.path, SP_LIT("/.well-known"))) {
		ERR(c, n, "`url`: the path must be plain (no `%%`, `//`, dot segments, nor /.well-known)");
		return;
	}
	if (!u.https && !sp_host_is_loopback(u.host, u.kind))
		WARN(c, n, "`url` is http: tokens cross the network in clear");
	c->url_parts = u;
	c->has_url = true;
}

/* ---- scopes */

static void
read_scope(struct cfg *c, const struct node *n)
{
	struct cfg_scope *s = &c->scopes[c->nscopes];
	struct items self;
	const struct node *v;
	struct item says;

	s->name = sp_cfg_key(n);
	self = (struct items){ &s->name, 1 };
	if (!sp_cfg_scope_token(c, &self, "scopes"))
		return;
	c->nscopes++;
	if (!sp_cfg_keys(c, n, IN_SCOPE, "a scope"))
		return;
	if ((v = sp_node_get(n, "says")) != NULL && sp_cfg_text(c, v, "says", &says))
		s->says = says.text;
	if ((v = sp_node_get(n, "implies")) != NULL && sp_cfg_texts(c, v, "implies", &s->implies))
		(void)!sp_cfg_scope_token(c, &s->implies, "implies");
}

void
sp_cfg_read_scopes(struct cfg *c, const struct node *n)
{
	if (n == NULL || n->kind == NODE_BAD)
		return;
	if (n->kind != NODE_MAP || n->first == NULL) {
		ERR(c, n, "`scopes` must be a mapping: NAME: {says: …, implies: …}");
		return;
	}
	c->scopes = sp_cfg_alloc(c, n->n, sizeof *c->scopes);
	if (c->scopes == NULL)
		return;
	c->scopes_written = true;
	for (const struct node *v = n->first; v != NULL; v = v->next)
		read_scope(c, v);
}

/* ---- limits */

void
sp_cfg_read_limits(struct cfg *c, const struct node *n)
{
	struct cfg_limits *l = &c->limits;
	enum { KB = 1024, MB = 1024 * 1024, S = 1000 };
	enum kind { SIZE, NUMBER, TIME };
	const struct { const char *key; enum kind kind; uint64_t *to, usual, min, max; } rows[] = {
		{ "head", SIZE, &l->head, 16 * KB, KB, 64 * KB },
		{ "body", SIZE, &l->body, MB, KB, 64 * MB },
		{ "answer", SIZE, &l->answer, 8 * MB, KB, 256 * MB },
		{ "depth", NUMBER, &l->depth, 64, 4, 512 },
		{ "connections", NUMBER, &l->connections, 1024, 1, 65536 },
		{ "in_flight", NUMBER, &l->in_flight, 16, 1, 1024 },
		{ "head_time", TIME, &l->head_ms, 10 * S, S, 600 * S },
		{ "body_time", TIME, &l->body_ms, 30 * S, S, 3600 * S },
		{ "idle_time", TIME, &l->idle_ms, 60 * S, S, 3600 * S },
		{ "call_time", TIME, &l->call_ms, 60 * S, S, 3600 * S },
	};
	const struct node *v;
	bool fine = true;

	l->calls = 300;
	l->calls_ms = 60 * S;
	for (size_t i = 0; i < SP_COUNT(rows); i++)
		*rows[i].to = rows[i].usual;
	if (n == NULL || !sp_cfg_keys(c, n, IN_LIMITS, "`limits`"))
		return;
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		if ((v = sp_node_get(n, rows[i].key)) == NULL)
			continue;
		if (rows[i].kind == SIZE)
			fine &= sp_cfg_size(c, v, rows[i].key, rows[i].min, rows[i].max, rows[i].to);
		else if (rows[i].kind == NUMBER)
			fine &= sp_cfg_number(c, v, rows[i].key, rows[i].min, rows[i].max, rows[i].to);
		else
			fine &= sp_cfg_time(c, v, rows[i].key, rows[i].min, rows[i].max, rows[i].to);
	}
	if ((v = sp_node_get(n, "calls")) != NULL)
		fine &= sp_cfg_rate(c, v, "calls", &l->calls, &l->calls_ms);
	(void)fine;			/* every one that is not has been reported */
}

/* ---- state, unlock, isolation */

static void
read_state(struct cfg *c, const struct node *n)
{
	struct item it;

	if (n != NULL && sp_cfg_text(c, n, "state", &it))
		(void)!sp_cfg_path(c, &it, "state", &c->state);
}

static bool
is_credential(sp_slice name)
{
	if (name.n == 0 || name.n > 128 || name.p[0] == '.')
		return false;
	return !sp_has_byte(name, '/');
}

static void
read_unlock(struct cfg *c, const struct node *n)
{
	struct item it;
	sp_slice rest;

	if (n == NULL || !sp_cfg_text(c, n, "unlock", &it))
		return;
	rest = it.text;
	if (sp_eq(it.text, SP_LIT("passphrase")) || (sp_take(&rest, SP_LIT("credential:")) && is_credential(rest))) {
		c->unlock = it.text;
		return;
	}
	if (sp_starts(it.text, SP_LIT("file:")) || sp_starts(it.text, SP_LIT("env:"))) {
		(void)!sp_cfg_ref(c, n, "unlock", &c->unlock);
		return;
	}
	ERR(c, n, "`unlock` must be one of passphrase, file:PATH, env:NAME, credential:NAME");
}

static void
read_isolation(struct cfg *c, const struct node *n)
{
	static const sp_slice words[] = {
		SP_LIT_INIT("full"), SP_LIT_INIT("landlock"), SP_LIT_INIT("available"),
	};
	static const enum sp_isolation values[] = {
		SP_ISOLATION_FULL, SP_ISOLATION_LANDLOCK, SP_ISOLATION_AVAILABLE,
	};
	size_t i;

	if (n == NULL)
		return;
	i = sp_cfg_word(c, n, "isolation", words, SP_COUNT(words));
	if (i != SIZE_MAX)
		c->isolation = values[i];
}

void
sp_cfg_read_top(struct cfg *c, const struct node *root)
{
	if (!sp_cfg_keys(c, root, IN_TOP, "the file"))
		return;
	sp_cfg_read_listen(c, sp_node_get(root, "listen"));
	sp_cfg_read_url(c, sp_node_get(root, "url"));
	sp_cfg_read_scopes(c, sp_node_get(root, "scopes"));
	sp_cfg_read_limits(c, sp_node_get(root, "limits"));
	read_state(c, sp_node_get(root, "state"));
	read_unlock(c, sp_node_get(root, "unlock"));
	read_isolation(c, sp_node_get(root, "isolation"));
	sp_cfg_read_auth(c, sp_node_get(root, "auth"));
	sp_cfg_read_servers(c, sp_node_get(root, "servers"));
	sp_cfg_read_checks(c, sp_node_get(root, "checks"));
	sp_cfg_read_rules(c, sp_node_get(root, "rules"));
}
