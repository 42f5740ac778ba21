/* Which names an endpoint answers to, and what stands at which path. */
#include "lib/service.h"

#include "wire/uri.h"

#include <stdio.h>
#include <stdlib.h>

#define WELL_KNOWN "/.well-known/oauth-protected-resource"

enum { BODY_MAX = 1 << 20, HEAD_MAX = 32768, UNREAD_MAX = 16 << 20 };

/* ---------------------------------------------------------------- names */

static bool
in_list(const sp_slice *list, unsigned n, sp_slice s, bool fold)
{
	for (unsigned i = 0; i < n; i++)
		if (fold ? sp_eq_nocase(list[i], s) : sp_eq(list[i], s))
			return true;
	return false;
}

bool
sp_endpoint_add(sp_slice **list, unsigned *n, sp_slice text)
{
	sp_slice *more;
	char *copy;

	if (in_list(*list, *n, text, false))
		return true;
	more = realloc(*list, (*n + 1u) * sizeof *more);
	if (more == NULL)
		return false;
	*list = more;
	copy = malloc(text.n + 1);
	if (copy == NULL)
		return false;
	memcpy(copy, text.n == 0 ? "" : text.p, text.n);
	copy[text.n] = '\0';
	more[(*n)++] = (sp_slice){ copy, text.n };
	return true;
}

static sp_slice
authority(char *buf, size_t cap, sp_slice host, unsigned port)
{
	bool v6 = sp_has_byte(host, ':') && !sp_starts(host, SP_LIT("["));
	struct sp_out o;

	sp_out_init(&o, buf, cap);
	sp_out_str(&o, v6 ? "[" : "");
	sp_out_slice(&o, host);
	sp_out_str(&o, v6 ? "]" : "");
	if (port != 0)
		sp_out_fmt(&o, ":%u", port);
	return sp_out_view(&o);
}

bool
sp_endpoint_host(struct sp_endpoint *p, const char *scheme, sp_slice host, unsigned port)
{
	unsigned usual = scheme != NULL && strcmp(scheme, "https") == 0 ? 443 : 80;
	char buf[320], origin[400];
	struct sp_out o;

	if (!sp_endpoint_add(&p->hosts, &p->nhosts, authority(buf, sizeof buf, host, port)))
		return false;
	if (port == usual && !sp_endpoint_add(&p->hosts, &p->nhosts, authority(buf, sizeof buf, host, 0)))
		return false;
	if (scheme == NULL)
		return true;
	sp_out_init(&o, origin, sizeof origin);
	sp_out_str(&o, scheme);
	sp_out_str(&o, "://");
	sp_out_slice(&o, authority(buf, sizeof buf, host, port == usual ? 0 : port));
	return sp_endpoint_add(&p->origins, &p->norigins, sp_out_view(&o));
}

bool
sp_endpoint_url(struct sp_endpoint *p, sp_slice url)
{
	struct sp_err e = { 0 };
	struct sp_uri u;
	char low[260];

	if (sp_uri_read(url, &u, &e) != SP_OK || !sp_cstr(u.host, low, sizeof low))
		return false;
	/* Browsers write an origin in lower case. */
	for (char *c = low; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return sp_endpoint_host(p, u.https ? "https" : "http", sp_str(low), u.port);
}

/* ---------------------------------------------------------------- sites */

static char *
copy_text(sp_slice s)
{
	char *p = malloc(s.n + 1);

	if (p == NULL)
		return NULL;
	memcpy(p, s.n == 0 ? "" : s.p, s.n);
	p[s.n] = '\0';
	return p;
}

bool
sp_endpoint_path(sp_slice path, struct sp_error *error)
{
	if (sp_starts(path, SP_LIT("/")) && sp_uri_chars(path, false))
		return true;
	return sp_lib_fail(error, SP_RC_INVALID, "`%.*s` is no path: it begins with / and is percent-encoded", SP_PRI(path));
}

bool
sp_endpoint_site(struct sp_endpoint *p, struct sp_site *site, struct sp_serving *serving, const char *path,
    struct sp_error *error)
{
	sp_slice url = sp_out_view(&serving->url), at = SP_LIT("/mcp");
	struct sp_err e = { 0 };
	struct sp_uri u;

	if (url.n != 0) {
		if (sp_uri_read(url, &u, &e) != SP_OK)
			return sp_lib_fail(error, SP_RC_INVALID, "options.url: %s", e.log);
		at = u.path.n == 0 ? SP_LIT("/") : u.path;
		if (!sp_endpoint_url(p, url))
			return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for the names of hosts");
	}
	if (path != NULL)
		at = sp_str(path);
	if (!sp_endpoint_path(at, error))
		return false;
	for (unsigned i = 0; i < p->nsites; i++)
		if (p->sites[i].path != NULL && sp_eq(sp_str(p->sites[i].path), at))
			return sp_lib_fail(error, SP_RC_INVALID, "two servers at the path %.*s: give one of them another", SP_PRI(at));
	site->serving = serving;
	site->max_body = sp_server_opts(serving->server)->max_body;
	site->path = copy_text(at);
	if (site->path == NULL)
		return sp_lib_fail(error, SP_RC_NO_MEMORY, "no memory for a path");
	if (serving->metadata.n != 0 && sp_uri_read(sp_out_view(&serving->metadata_url), &u, &e) == SP_OK)
		site->metadata_path = u.path;
	return true;
}

struct sp_hub_limits
sp_endpoint_limits(const struct sp_endpoint *p)
{
	struct sp_hub_limits lim = { .head = HEAD_MAX, .body = BODY_MAX, .connections = 1, .head_ms = 10000, .body_ms = 30000,
	    .idle_ms = 60000, .unread = UNREAD_MAX };

	for (unsigned i = 0; i < p->nsites; i++) {
		const struct sp_server_options *o = sp_server_opts(p->sites[i].serving->server);

		lim.body = i == 0 || o->max_body > lim.body ? o->max_body : lim.body;
		if (o->max_result > lim.unread / 2)
			lim.unread = o->max_result * 2;
	}
	return lim;
}

void
sp_endpoint_wipe(struct sp_endpoint *p)
{
	for (unsigned i = 0; i < p->nhosts; i++)
		free((char *)(uintptr_t)p->hosts[i].p);
	for (unsigned i = 0; i < p->norigins; i++)
		free((char *)(uintptr_t)p->origins[i].p);
	for (unsigned i = 0; i < p->nsites; i++)
		free(p->sites[i].path);
	free(p->hosts);
	free(p->origins);
	free(p->sites);
	p->hosts = p->origins = NULL;
	p->sites = NULL;
	p->nhosts = p->norigins = p->nsites = 0;
}

/* ---------------------------------------------------------------- a head */

static bool
is_ours(const struct sp_endpoint *p, sp_slice host)
{
	enum sp_host_kind kind;
	struct sp_err e = { 0 };
	sp_slice name;
	uint16_t port;

	if (host.n == 0)
		return false;
	if (in_list(p->hosts, p->nhosts, host, true))
		return true;
	return p->any_loopback && sp_hostport_read(host, &name, &kind, &port, &e) == SP_OK && sp_host_is_loopback(name, kind);
}

enum sp_status
sp_endpoint_find(const struct sp_endpoint *p, const struct sp_http_head *head, enum sp_lib_place *place, struct sp_site **site,
    struct sp_err *e)
{
	unsigned n;
	const struct sp_http_field *origin = sp_http_find(head, SP_LIT("origin"), &n);

	/* A name that is not ours is how a web page reaches a local port (DNS rebinding). */
	if (!is_ours(p, head->host))
		return sp_fail(e, SP_E_MISDIRECTED, NULL, "Host %.*s is not served here", SP_PRI(head->host));
	if (n > 1 || (n == 1 && !in_list(p->origins, p->norigins, origin->value, false)))
		return sp_fail(e, SP_E_ORIGIN, NULL, "Origin %.*s is not allowed", SP_PRI(origin->value));
	for (unsigned i = 0; i < p->nsites; i++) {
		*site = &p->sites[i];
		*place = SP_LIB_AT_MCP;
		if (sp_eq(head->path, sp_str((*site)->path)))
			return SP_OK;
		*place = SP_LIB_AT_METADATA;
		if ((*site)->metadata_path.n != 0 && sp_eq(head->path, (*site)->metadata_path))
			return SP_OK;
		/* RFC 9728 section 3.1: the form without a path can speak of one resource only. */
		if (p->nsites == 1 && (*site)->metadata_path.n != 0 && sp_eq(head->path, SP_LIT(WELL_KNOWN)))
			return SP_OK;
	}
	*site = NULL;
	*place = SP_LIB_AT_HEALTH;
	if (sp_eq(head->path, SP_LIT("/healthz")))
		return SP_OK;
	return sp_fail(e, SP_E_NOT_FOUND, NULL, "no such path");
}
