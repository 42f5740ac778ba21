/* What is served where: `url` with all servers that have no `path`, and each `path` with the one server that says it. */
#include "config/compile_int.h"

#include "oauth/prm.h"

/* ---- what the file says */

static bool
is_pchar(unsigned char c)
{
	return sp_is_alpha(c) || sp_is_digit(c) || (c != 0 && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
}

/* RFC 3986 section 3.3, less what two readers could read in two ways. */
static bool
check_form(struct cfg *c, const struct item *path)
{
	sp_slice s = path->text;

	if (s.p[0] != '/')
		ERR(c, path, "`path` must begin with /, as in /wiki: the origin is that of `url`");
	else if (sp_has_byte(s, '?') || sp_has_byte(s, '#'))
		ERR(c, path, "`path` takes no query and no fragment");
	else if (!sp_cfg_is_clean_path(s) || sp_span(s, is_pchar) != s.n)
		ERR(c, path, "`path` must be plain: no `%%`, `//`, dot segments, spaces, nor letters beyond ASCII");
	else if (s.n > 1 && sp_ends(s, SP_LIT("/")))
		ERR(c, path, "`path` must not end in /: write %.*s", SP_PRI(sp_sub(s, 0, s.n - 1)));
	else if (s.n > SP_CFG_PATH)
		ERR(c, path, "`path` is longer than %d bytes", SP_CFG_PATH);
	else if (sp_eq(s, SP_LIT("/healthz")) || sp_eq(s, SP_LIT("/.well-known")) || sp_starts(s, SP_LIT("/.well-known/")))
		ERR(c, path, "`path`: %.*s is the gateway's own: take another", SP_PRI(s));
	else
		return true;
	return false;
}

static sp_slice
identifier(struct cfg *c, sp_slice path)
{
	char buf[SP_CFG_PATH + 400];
	struct sp_out o;

	sp_out_init(&o, buf, sizeof buf);
	sp_uri_origin(&o, &c->url_parts);
	sp_out_slice(&o, path);
	return sp_arena_copy(&c->mem, sp_out_view(&o));
}

/* A server with a path of its own: a new resource, or that of `url`, which then has no other. */
static void
add_resource(struct cfg *c, uint32_t server)
{
	struct cfg_server *s = &c->servers[server];
	uint32_t i = 0;

	while (i < c->nresources && !sp_eq(c->resources[i].path, s->path.text))
		i++;
	if (i < c->nresources && c->resources[i].alone != 0) {
		const struct cfg_server *other = &c->servers[c->resources[i].alone - 1];

		ERR(c, &s->path, "`path`: %.*s is that of server `%.*s` (line %u). Give each its own", SP_PRI(s->path.text),
		    SP_PRI(other->name.text), other->path.line);
		return;
	}
	if (i == c->nresources)
		c->resources[c->nresources++] = (struct cfg_resource){ s->path.text, identifier(c, s->path.text), 0 };
	c->resources[i].alone = server + 1;
	s->resource = i;
}

void
sp_cfg_make_resources(struct cfg *c)
{
	sp_slice path = c->url_parts.path.n == 0 ? SP_LIT("/") : c->url_parts.path;

	c->resources = sp_cfg_alloc(c, c->nservers + 1, sizeof *c->resources);
	if (c->resources == NULL)
		return;
	c->resources[c->nresources++] = (struct cfg_resource){ path, c->url.text, 0 };
	for (uint32_t i = 0; i < c->nservers; i++)
		if (c->servers[i].path.text.n != 0 && check_form(c, &c->servers[i].path) && c->has_url)
			add_resource(c, i);
	for (uint32_t i = 0; i < c->nservers && c->resources[0].alone != 0; i++) {
		const struct cfg_server *s = &c->servers[i], *alone = &c->servers[c->resources[0].alone - 1];

		if (s->path.text.n == 0)
			ERR(c, &s->name, "server `%.*s` is served nowhere: `%.*s` is alone at %.*s, the path of `url`. Give it a `path` "
			    "of its own, or `%.*s` another", SP_PRI(s->name.text), SP_PRI(alone->name.text), SP_PRI(alone->path.text),
			    SP_PRI(alone->name.text));
	}
}

/* ---- in the image */

static uint32_t
tools_end(const struct cfg_server *s)
{
	return s->first_tool + s->ntools;
}

/* Does it open reads at this resource?  Of an mcp server nobody knows: what opens it is what basic use needs. */
static bool
reads_at(const struct compiler *k, const struct cfg_rule *r, uint32_t resource)
{
	const struct cfg *c = k->c;

	for (uint32_t i = 0; i < c->nservers; i++)
		for (uint32_t t = c->servers[i].first_tool; c->servers[i].resource == resource && t < tools_end(&c->servers[i]); t++)
			if (!c->tools[t].write && cfg_names(r, t))
				return true;
	for (uint32_t t = 0; t < c->nparts; t++)
		if (c->servers[c->parts[t].server].resource == resource && cfg_names(r, c->ntools + t))
			return true;
	return false;
}

/* Scopes that the metadata may tell to everybody: those of sources, and of rules that open reads there and hide nothing.
 * The specification wants the minimal set for basic use there, not the catalogue; a challenge names the rest. */
static uint32_t
public_scopes(const struct compiler *k, uint32_t resource, sp_slice *v)
{
	struct cfg_set s = { { 0 } };
	uint32_t n = 0;

	for (uint32_t i = 0; i < k->c->nsources; i++) {
		struct cfg_set one = sp_cfg_scopes(k->c, &k->c->sources[i].require_scopes);

		sp_cfg_join(&s, &one);
	}
	for (uint32_t i = 0; i < k->c->nrules; i++) {
		const struct cfg_rule *r = &k->c->rules[i];
		struct cfg_set one = sp_cfg_scopes(k->c, &r->scopes);

		if (r->scopes.n != 0 && cfg_opens(r) && r->manner != SP_MANNER_HIDE && reads_at(k, r, resource))
			sp_cfg_join(&s, &one);
	}
	for (uint32_t i = 0; i < k->c->nscope_names; i++)
		if ((s.w[i / 64] >> (i % 64) & 1) != 0)
			v[n++] = k->c->scope_names[i].text;
	return n;
}

static void
put_metadata(struct compiler *k, uint32_t resource, struct sp_img_resource *out)
{
	sp_slice *scopes = sp_cc_get(k, k->c->nscope_names, sizeof *scopes);
	sp_slice *issuers = sp_cc_get(k, k->c->nsources, sizeof *issuers);
	sp_slice id = k->c->resources[resource].url;
	uint32_t n = 0;
	struct sp_out url, json;

	if (scopes == NULL || issuers == NULL)
		return;
	for (uint32_t i = 0; i < k->c->nsources; i++)
		if (k->c->sources[i].published)
			sp_cc_add(issuers, &n, k->c->sources[i].issuer.text);
	sp_out_heap(&url, 8192);
	sp_out_heap(&json, 1 << 20);
	k->failed |= !sp_prm_url(&url, id);
	sp_prm_write(&json, id, issuers, n, scopes, public_scopes(k, resource, scopes));
	k->failed |= json.full || url.full;
	out->metadata_url = sp_imgb_str(k->b, sp_out_view(&url));
	out->metadata = sp_imgb_str(k->b, sp_out_view(&json));
	sp_out_free(&url);
	sp_out_free(&json);
}

void
sp_cc_resources(struct compiler *k, struct sp_img_head *head)
{
	struct sp_img_resource *v = sp_cc_get(k, k->c->nresources, sizeof *v);

	if (v == NULL)
		return;
	for (uint32_t i = 0; i < k->c->nresources; i++) {
		v[i].path = sp_imgb_str(k->b, k->c->resources[i].path);
		v[i].url = sp_imgb_str(k->b, k->c->resources[i].url);
		v[i].alone = k->c->resources[i].alone;
		put_metadata(k, i, &v[i]);
	}
	sp_imgb_resources(k->b, head, v, k->c->nresources);
}
