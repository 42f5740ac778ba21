#include "cli/import.h"

#include "wire/uri.h"

const struct sp_import_client sp_import_clients[] = {
	{ ".mcp.json", false, "url", "${SALLYPORT_TOKEN}", true, false, false },
	{ ".cursor/mcp.json", false, "url", "${env:SALLYPORT_TOKEN}", false, false, false },
	{ ".vscode/mcp.json", false, "url", "${env:SALLYPORT_TOKEN}", true, false, false },
	{ ".gemini/settings.json", false, "httpUrl", "$SALLYPORT_TOKEN", false, true, true },
	{ ".claude.json", true, "url", "${SALLYPORT_TOKEN}", true, false, false },
	{ ".config/Claude/claude_desktop_config.json", true, "url", "${SALLYPORT_TOKEN}", true, false, false },
	{ ".cursor/mcp.json", true, "url", "${env:SALLYPORT_TOKEN}", false, false, false },
	{ ".config/Code/User/mcp.json", true, "url", "${env:SALLYPORT_TOKEN}", true, false, false },
	{ ".codeium/windsurf/mcp_config.json", true, "serverUrl", "${env:SALLYPORT_TOKEN}", false, false, false },
	{ ".gemini/settings.json", true, "httpUrl", "$SALLYPORT_TOKEN", false, true, true },
};
const size_t sp_import_clients_n = SP_COUNT(sp_import_clients);

/* ---------------------------------------------------------------- comments */

static size_t
string_end(sp_slice t, size_t i)
{
	for (i++; i < t.n && t.p[i] != '"'; i++)
		if (t.p[i] == '\\')
			i++;
	return i < t.n ? i + 1 : t.n;
}

/* The end of the comment at `i`, or `i` when there is none. */
static size_t
comment_end(sp_slice t, size_t i)
{
	sp_slice rest = sp_sub(t, i, t.n);
	size_t end;

	if (sp_starts(rest, SP_LIT("//"))) {
		end = sp_find(rest, SP_LIT("\n"));
		return end == SIZE_MAX ? t.n : i + end;
	}
	if (!sp_starts(rest, SP_LIT("/*")))
		return i;
	end = sp_find(sp_sub(rest, 2, rest.n), SP_LIT("*/"));
	return end == SIZE_MAX ? t.n : i + 2 + end + 2;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Nothing but space and comments between this comma and what closes. */
static bool
trails(sp_slice t, size_t i)
{
	for (i++; i < t.n;) {
		size_t end = comment_end(t, i);

		if (end == i && !is_space(t.p[i]))
			return t.p[i] == '}' || t.p[i] == ']';
		i = end == i ? i + 1 : end;
	}
	return false;
}

bool
sp_import_plain(struct sp_out *o, sp_slice t)
{
	bool any = false;
	size_t end;

	for (size_t i = 0; i < t.n; i = end) {
		end = t.p[i] == '"' ? string_end(t, i) : comment_end(t, i);
		if (t.p[i] == '"') {
			sp_out_slice(o, sp_sub(t, i, end - i));
			continue;
		}
		if (end == i && (t.p[i] != ',' || !trails(t, i))) {
			sp_out_byte(o, t.p[end++]);
			continue;
		}
		any = true;
		end += end == i;
		for (size_t k = i; k < end; k++)
			sp_out_byte(o, t.p[k] == '\n' ? '\n' : ' ');
	}
	return any;
}

/* ---------------------------------------------------------------- keys */

struct reader {
	struct sp_arena *mem;
	const struct sp_import_client *client;
	struct sp_import *out;
	unsigned file;
};

static void
note(struct reader *r, struct sp_import_server *s, const char *what, sp_slice name, const char *why)
{
	char buf[1024];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_out_slice(&o, s->notes);
	sp_out_fmt(&o, "%s", what);
	/* The name comes from the file and goes to a terminal. */
	for (size_t i = 0; i < name.n && i < 64; i++)
		sp_out_byte(&o, sp_is_ctl((unsigned char)name.p[i]) ? '?' : name.p[i]);
	sp_out_fmt(&o, "%s\n", why);
	if (!o.full)
		s->notes = sp_arena_copy(r->mem, sp_out_view(&o));
}

static bool
is_variable(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!sp_is_alpha((unsigned char)s.p[i]) && s.p[i] != '_' && (i == 0 || !sp_is_digit((unsigned char)s.p[i])))
			return false;
	return s.n != 0;
}

/* What a value is: false when text and placeholders are mixed, or the placeholder is none we know. */
static bool
classify(const struct reader *r, sp_slice v, struct sp_import_key *k)
{
	sp_slice in = v;

	k->how = SP_IMPORT_VALUE;
	k->value = v;
	if (r->client->dollar && sp_take(&in, SP_LIT("$")) && is_variable(in)) {
		k->how = SP_IMPORT_ENV;
		k->value = in;
		return true;
	}
	in = v;
	if (sp_find(v, SP_LIT("${")) == SIZE_MAX)
		return true;
	if (!sp_take(&in, SP_LIT("${")) || !sp_ends(in, SP_LIT("}")))
		return false;
	in.n--;
	k->how = sp_take(&in, SP_LIT("input:")) ? SP_IMPORT_INPUT : SP_IMPORT_ENV;
	if (k->how == SP_IMPORT_ENV)
		(void)sp_take(&in, SP_LIT("env:"));
	k->value = in;
	return k->how == SP_IMPORT_INPUT ? in.n != 0 && !sp_has_byte(in, '}') : is_variable(in);
}

static bool
has_controls(sp_slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (sp_is_ctl((unsigned char)s.p[i]))
			return true;
	return false;
}

static void
add_key(struct reader *r, struct sp_import_server *s, struct sp_import_key k, sp_slice value, sp_slice shown)
{
	enum { VALUE_MIN = 8, VALUE_MAX = 16384 };	/* of a record of the vault */

	if (s->nkeys == SP_IMPORT_KEYS)
		note(r, s, "left out ", shown, ": more keys than one server takes");
	else if (!classify(r, value, &k))
		note(r, s, "left out ", shown, ": text and placeholders are mixed in it; add it by hand");
	else if (k.how == SP_IMPORT_VALUE && (k.value.n < VALUE_MIN || k.value.n > VALUE_MAX || has_controls(k.value)))
		note(r, s, "left out ", shown, ": a secret has at least 8 bytes, at most 16384, and no control characters");
	else
		s->keys[s->nkeys++] = k;
}

static bool
is_ours(sp_slice name)
{
	static const char *const own[] = { "accept", "content-type", "content-length", "user-agent", "host", "connection",
		"mcp-protocol-version", "mcp-session-id" };

	for (size_t i = 0; i < SP_COUNT(own); i++)
		if (sp_eq_nocase(name, sp_str(own[i])))
			return true;
	return false;
}

static void
read_header(struct reader *r, struct sp_import_server *s, sp_slice name, sp_slice value)
{
	struct sp_import_key k = { .field = name };
	sp_slice rest = value, scheme;

	if (name.n == 0 || name.n > 64 || sp_span(name, sp_is_tchar) != name.n) {
		note(r, s, "left out ", name, ": no name of a header");
		return;
	}
	if (is_ours(name)) {
		note(r, s, "left out ", name, ": the gateway sends its own");
		return;
	}
	if (sp_eq_nocase(name, SP_LIT("authorization")) && sp_take_to(&rest, ' ', &scheme) && scheme.n != 0 &&
	    sp_span(scheme, sp_is_tchar) == scheme.n) {
		value = sp_trim(rest);
		if (sp_eq_nocase(scheme, SP_LIT("bearer")))
			k.field = SP_LIT("");
		else
			k.before = sp_mem(scheme.p, scheme.n + 1);
	}
	add_key(r, s, k, value, name);
}

static bool
sounds_secret(sp_slice name)
{
	static const char *const words[] = { "key", "token", "secret", "passw", "auth", "sig", "credential" };
	char low[64];

	if (name.n >= sizeof low)
		return false;
	for (size_t i = 0; i < name.n; i++)
		low[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
	for (size_t i = 0; i < SP_COUNT(words); i++)
		if (sp_find(sp_mem(low, name.n), sp_str(words[i])) != SIZE_MAX)
			return true;
	return false;
}

static bool
read_parameter(struct reader *r, struct sp_import_server *s, sp_slice pair)
{
	struct sp_import_key k = { .query = true };
	sp_slice value = pair, plain;
	struct sp_out o;
	size_t before = s->nkeys;
	char *mem;

	if (!sp_take_to(&value, '=', &k.field) || k.field.n == 0 || value.n == 0 || !sounds_secret(k.field))
		return false;
	mem = sp_arena_get(r->mem, value.n + 1);
	if (mem == NULL)
		return false;
	sp_out_init(&o, mem, value.n);
	plain = sp_pct_decode(&o, value) ? sp_out_view(&o) : value;
	add_key(r, s, k, plain, k.field);
	return s->nkeys != before;
}

/* ---------------------------------------------------------------- servers */

static void
odd(struct sp_import_server *s, struct reader *r, const char *why)
{
	s->kind = SP_IMPORT_ODD;
	s->nkeys = 0;
	note(r, s, why, SP_LIT(""), "");
}

/* The URL, less its fragment and what is secret in its query. */
static void
read_url(struct reader *r, struct sp_import_server *s, sp_slice text)
{
	struct sp_uri u;
	struct sp_err e;
	struct sp_out o;
	sp_slice query, pair;
	char sep = '?', *mem = sp_arena_get(r->mem, text.n + 1);

	if (sp_find(text, SP_LIT("${")) != SIZE_MAX) {
		odd(s, r, "its URL holds a placeholder");
		return;
	}
	if (mem == NULL || sp_uri_read(text, &u, &e) != SP_OK) {
		odd(s, r, "its URL is not understood, or holds user:password@");
		return;
	}
	sp_out_init(&o, mem, text.n);
	sp_out_slice(&o, sp_sub(text, 0, (size_t)(u.path.p - text.p) + u.path.n));
	if (u.path.n == 0)
		o.n = (size_t)(u.authority.p - text.p) + u.authority.n;
	query = u.query;
	while (u.has_query && sp_take_part(&query, '&', &pair)) {
		if (read_parameter(r, s, pair))
			continue;
		sp_out_byte(&o, sep);
		sp_out_slice(&o, pair);
		sep = '&';
	}
	s->url = sp_out_view(&o);
}

static sp_slice
find_url(const struct reader *r, sp_jval *v, bool *sse)
{
	sp_slice type = sp_jtext(SP_JGET(v, "type")), url = sp_jtext(SP_JGET(v, "httpUrl"));

	*sse = sp_eq(type, SP_LIT("sse"));
	if (url.n != 0)
		return url;
	url = sp_jtext(SP_JGET(v, "serverUrl"));
	if (url.n != 0)
		return url;
	*sse |= r->client->sse && type.n == 0;
	return sp_jtext(SP_JGET(v, "url"));
}

static void
read_server(struct reader *r, sp_slice name, sp_jval *v)
{
	struct sp_import_server *s = &r->out->list[r->out->n];
	sp_slice url;
	bool sse;

	if (r->out->n == SP_IMPORT_SERVERS) {
		r->out->dropped++;
		return;
	}
	*s = (struct sp_import_server){ .kind = SP_IMPORT_HTTP, .called = name, .file = r->file, .json = v };
	r->out->n++;
	url = find_url(r, v, &sse);
	if (url.n == 0) {
		if (sp_jis_str(SP_JGET(v, "command")))
			s->kind = SP_IMPORT_STDIO;
		else
			odd(s, r, "it has neither a command nor a URL");
		return;
	}
	if (sp_jtrue(SP_JGET(v, "disabled"))) {
		odd(s, r, "it is disabled");
		return;
	}
	for (struct sp_jiter it = sp_jeach(SP_JGET(v, "headers")); sp_jnext(&it);)
		read_header(r, s, it.key, sp_jtext(it.val));
	read_url(r, s, url);
	if (s->kind == SP_IMPORT_HTTP && sse)
		s->kind = SP_IMPORT_SSE;
}

static void
read_map(struct reader *r, sp_jval *map)
{
	for (struct sp_jiter it = sp_jeach(map); sp_jis_obj(map) && sp_jnext(&it);)
		if (sp_jis_obj(it.val))
			read_server(r, it.key, it.val);
}

enum sp_status
sp_import_read(struct sp_arena *mem, sp_slice text, const struct sp_import_client *c, unsigned file, struct sp_import *out,
    sp_jval **root, struct sp_err *e)
{
	struct reader r = { .mem = mem, .client = c, .out = out, .file = file };
	enum sp_status st = sp_json_read_arena(mem, text, SP_JSON_DEFAULT, root, e);

	if (st != SP_OK)
		return st;
	if (!sp_jis_obj(*root))
		return sp_fail(e, SP_E_BAD_JSON, NULL, "not an object");
	read_map(&r, SP_JGET(*root, "mcpServers"));
	read_map(&r, SP_JGET(*root, "servers"));
	for (struct sp_jiter it = sp_jeach(SP_JGET(*root, "projects")); sp_jnext(&it);)
		read_map(&r, SP_JGET(it.val, "mcpServers"));
	return SP_OK;
}

/* ---------------------------------------------------------------- the file anew */

struct writer {
	struct sp_out *o;
	const struct sp_import_client *client;
	const char *url;
	sp_import_moved_fn moved;
	void *ctx;
};

static void
put_break(struct sp_out *o, unsigned depth)
{
	sp_out_byte(o, '\n');
	for (unsigned i = 0; i < depth; i++)
		sp_out_str(o, "  ");
}

static void
put_gateway(struct writer *w, unsigned depth)
{
	struct sp_out *o = w->o;

	sp_out_str(o, "\"sallyport\": {");
	if (w->client->typed) {
		put_break(o, depth + 1);
		sp_out_str(o, "\"type\": \"http\",");
	}
	put_break(o, depth + 1);
	sp_out_fmt(o, "\"%s\": \"%s\",", w->client->url_key, w->url);
	put_break(o, depth + 1);
	sp_out_fmt(o, "\"headers\": { \"Authorization\": \"Bearer %s\" }", w->client->variable);
	put_break(o, depth);
	sp_out_byte(o, '}');
}

/* Whether one of the members is replaced; the gateway's own name gives way with them. */
static bool
replaces(struct writer *w, sp_jval *v)
{
	for (struct sp_jiter it = sp_jeach(v); sp_jis_obj(v) && sp_jnext(&it);)
		if (w->moved(w->ctx, it.val))
			return true;
	return false;
}

static void put_value(struct writer *w, sp_jval *v, unsigned depth);

static void
put_members(struct writer *w, sp_jval *v, unsigned depth)
{
	bool map = sp_jis_obj(v), first = true, gateway = replaces(w, v);

	if (gateway) {
		put_break(w->o, depth + 1);
		put_gateway(w, depth + 1);
		first = false;
	}
	for (struct sp_jiter it = sp_jeach(v); sp_jnext(&it);) {
		if (gateway && (w->moved(w->ctx, it.val) || sp_eq(it.key, SP_LIT("sallyport"))))
			continue;
		sp_out_str(w->o, first ? "" : ",");
		first = false;
		put_break(w->o, depth + 1);
		if (map) {
			sp_jout_str(w->o, it.key);
			sp_out_str(w->o, ": ");
		}
		put_value(w, it.val, depth + 1);
	}
	if (!first)
		put_break(w->o, depth);
}

/* No deeper than the reader went. */
static void
put_value(struct writer *w, sp_jval *v, unsigned depth)
{
	if (!sp_jis_obj(v) && !sp_jis_arr(v)) {
		sp_jwrite(w->o, v);
		return;
	}
	sp_out_byte(w->o, sp_jis_obj(v) ? '{' : '[');
	put_members(w, v, depth);
	sp_out_byte(w->o, sp_jis_obj(v) ? '}' : ']');
}

void
sp_import_rewrite(struct sp_out *o, sp_jval *root, const struct sp_import_client *c, const char *url, sp_import_moved_fn moved,
    void *ctx)
{
	struct writer w = { o, c, url, moved, ctx };

	put_value(&w, root, 0);
	sp_out_byte(o, '\n');
}
