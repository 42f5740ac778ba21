/* Who is asked on behalf of sources: for key sets, where sources that ask the same place share it; for tokens (RFC 7662). */
#include "config/value.h"

bool
sp_cfg_is_web(sp_slice text)
{
	return sp_starts(text, SP_LIT("https://")) || sp_starts(text, SP_LIT("http://"));
}

static uint32_t
find(const struct cfg *c, sp_slice issuer, sp_slice url)
{
	for (uint32_t i = 0; i < c->nauthorities; i++) {
		const struct cfg_authority *a = &c->authorities[i];

		if (a->source == 0 && sp_eq(a->url, url) && (url.n != 0 || sp_eq(a->issuer, issuer)))
			return i;
	}
	return UINT32_MAX;
}

/* The URL of a key set as written; false: it was reported. */
static bool
read_url(struct cfg *c, const struct item *at, const char *key, struct sp_uri *u)
{
	if (!sp_cfg_url_query(c, at, key, u))
		return false;
	if (!u->https && !sp_host_is_loopback(u->host, u->kind)) {
		ERR(c, at, "`%s` must be https (http only on loopback)", key);
		return false;
	}
	if (!sp_cfg_is_clean_path(u->path)) {
		ERR(c, at, "`%s`: the path must be plain (no `%%`, `//` or dot segments)", key);
		return false;
	}
	return true;
}

/* Nobody shares it: what its egress is given is this source's. */
static void
settle_endpoint(struct cfg *c, struct cfg_source *s)
{
	struct sp_uri u;

	if (!read_url(c, &s->endpoint_url, "introspection_url", &u))
		return;
	c->authorities[c->nauthorities++] = (struct cfg_authority){
		.url = s->endpoint_url.text, .u = u, .source = (uint32_t)(s - c->sources) + 1, .line = s->line,
	};
	s->endpoint = c->nauthorities;
}

static void
settle(struct cfg *c, struct cfg_source *s)
{
	sp_slice url = s->keys.text;
	struct sp_uri u = s->issuer_parts;
	uint32_t at;

	if (s->issuer.text.n == 0 || (url.n != 0 && (s->keys_ref.n != 0 || !sp_cfg_is_web(url))))
		return;
	if (url.n != 0 && !read_url(c, &s->keys, "keys", &u))
		return;
	if (url.n == 0 && !sp_cfg_is_clean_path(u.path)) {
		ERR(c, &s->issuer, "`issuer`: the path must be plain (no `%%`, `//` or dot segments), or `keys` be written");
		return;
	}
	at = find(c, s->issuer.text, url);
	if (at == UINT32_MAX) {
		at = c->nauthorities++;
		c->authorities[at] = (struct cfg_authority){ .issuer = s->issuer.text, .url = url, .u = u, .line = s->line };
	}
	s->authority = at + 1;
}

void
sp_cfg_make_authorities(struct cfg *c)
{
	c->authorities = sp_cfg_alloc(c, c->nsources, sizeof *c->authorities);
	if (c->authorities == NULL)
		return;
	for (uint32_t i = 0; i < c->nsources; i++)
		if (c->sources[i].endpoint_url.text.n != 0)
			settle_endpoint(c, &c->sources[i]);
		else if (c->sources[i].type == SP_SOURCE_JWT || c->sources[i].type == SP_SOURCE_REMOTE)
			settle(c, &c->sources[i]);
}
