#include "oauth/prm.h"

#include "wire/json.h"

static void
list(struct sp_out *o, const char *name, const sp_slice *s, size_t n)
{
	size_t written = 0;

	for (size_t i = 0; i < n; i++) {
		if (sp_eq(s[i], SP_LIT("offline_access")))
			continue;
		if (written++ == 0)
			sp_out_fmt(o, ",\"%s\":[", name);
		else
			sp_out_byte(o, ',');
		sp_jout_str(o, s[i]);
	}
	if (written != 0)
		sp_out_byte(o, ']');
}

static void
member(struct sp_out *o, const char *name, const char *value)
{
	if (value == NULL)
		return;
	sp_out_fmt(o, ",\"%s\":", name);
	sp_jout_str(o, sp_str(value));
}

void
sp_prm_write_about(struct sp_out *o, sp_slice resource, const sp_slice *servers, size_t nservers, const sp_slice *scopes,
    size_t nscopes, const struct sp_prm_about *about)
{
	sp_out_str(o, "{\"resource\":");
	sp_jout_str(o, resource);
	list(o, "authorization_servers", servers, nservers);
	list(o, "scopes_supported", scopes, nscopes);
	sp_out_str(o, ",\"bearer_methods_supported\":[\"header\"]");
	member(o, "resource_name", about->name);
	member(o, "resource_documentation", about->documentation);
	sp_out_byte(o, '}');
}

void
sp_prm_write(struct sp_out *o, sp_slice resource, const sp_slice *servers, size_t nservers, const sp_slice *scopes,
    size_t nscopes)
{
	sp_prm_write_about(o, resource, servers, nservers, scopes, nscopes, &(struct sp_prm_about){ NULL, NULL });
}

bool
sp_prm_url(struct sp_out *o, sp_slice resource)
{
	size_t at = sp_find(resource, SP_LIT("://"));
	sp_slice rest;
	size_t host = 0;

	if (at == SIZE_MAX || sp_has_byte(resource, '#'))
		return false;
	rest = sp_sub(resource, at + 3, resource.n);
	while (host < rest.n && rest.p[host] != '/' && rest.p[host] != '?')
		host++;
	if (host == 0)
		return false;
	sp_out_slice(o, sp_sub(resource, 0, at + 3 + host));
	sp_out_str(o, "/.well-known/oauth-protected-resource");
	rest = sp_sub(rest, host, rest.n);
	if (!sp_eq(rest, SP_LIT("/")))
		sp_out_slice(o, rest);
	return true;
}
