#include "egress/authority_doc.h"

#include "wire/json.h"
#include "wire/uri.h"

enum { VALUES_MAX = 16384 };

bool
sp_authority_location(sp_slice path, unsigned k, struct sp_out *o)
{
	static const struct { const char *before, *after; } places[SP_AUTHORITY_LOCATIONS] = {
		{ "/.well-known/oauth-authorization-server", "" }, { "/.well-known/openid-configuration", "" },
		{ "", "/.well-known/openid-configuration" },
	};

	/* Without a path the last two are the same. */
	if (k >= (path.n == 0 ? SP_AUTHORITY_LOCATIONS - 1u : SP_AUTHORITY_LOCATIONS))
		return false;
	sp_out_str(o, places[k].before);
	sp_out_slice(o, path);
	sp_out_str(o, places[k].after);
	return true;
}

static enum sp_status
judge_uri(sp_slice text, sp_slice issuer, struct sp_err *e)
{
	struct sp_uri u, own;

	if (text.n > SP_AUTHORITY_URI || sp_uri_read(text, &u, NULL) != SP_OK || u.has_fragment)
		return sp_fail(e, SP_E_REFUSED, NULL, "jwks_uri is no https URL");
	if (sp_uri_read(issuer, &own, NULL) != SP_OK)
		return sp_fail(e, SP_E_BUG, NULL, "the issuer is no URL");
	if (own.https)
		return u.https ? SP_OK : sp_fail(e, SP_E_REFUSED, NULL, "jwks_uri is not https");
	if (sp_host_is_loopback(own.host, own.kind) && sp_uri_same_origin(&u, &own))
		return SP_OK;
	return sp_fail(e, SP_E_REFUSED, NULL, "jwks_uri is at another origin than its issuer in clear text");
}

enum sp_status
sp_authority_metadata(sp_slice text, sp_slice issuer, struct sp_out *jwks_uri, struct sp_err *e)
{
	SP_AUTO(sp_json_free) struct sp_json j = { 0 };
	sp_jval *named, *uri;
	enum sp_status st;
	sp_slice name;

	if (sp_json_read(text, (struct sp_json_limits){ 64, VALUES_MAX }, &j, NULL) != SP_OK)
		return sp_fail(e, SP_E_UPSTREAM, NULL, "the metadata is not acceptable JSON");
	named = SP_JGET(j.root, "issuer");
	uri = SP_JGET(j.root, "jwks_uri");
	if (!sp_jis_str(named))
		return sp_fail(e, SP_E_UPSTREAM, NULL, "the metadata names no issuer");
	/* RFC 8414 section 3.3: identical, not alike. */
	name = sp_sub(sp_jtext(named), 0, 150);
	if (!sp_eq(sp_jtext(named), issuer))
		return sp_fail(e, SP_E_REFUSED, NULL, "the metadata is of issuer %.*s, expected %.*s", SP_PRI(name), SP_PRI(issuer));
	if (!sp_jis_str(uri))
		return sp_fail(e, SP_E_REFUSED, NULL, "the metadata names no jwks_uri");
	st = judge_uri(sp_jtext(uri), issuer, e);
	if (st == SP_OK)
		sp_out_slice(jwks_uri, sp_jtext(uri));
	return st;
}

uint32_t
sp_authority_fresh_s(const struct sp_http_head *h)
{
	uint64_t s = SP_AUTHORITY_FRESH_S;

	for (unsigned i = 0; i < h->nfields; i++) {
		sp_slice rest = h->fields[i].value, part;

		if (!sp_eq_nocase(h->fields[i].name, SP_LIT("Cache-Control")))
			continue;
		while (sp_take_part(&rest, ',', &part)) {
			part = sp_trim(part);
			/* RFC 9111 section 5.2.2: not to be kept at all; the least that we keep is what C01 wants. */
			if (sp_eq_nocase(part, SP_LIT("no-store")) || sp_eq_nocase(part, SP_LIT("no-cache")))
				return SP_AUTHORITY_FRESH_MIN_S;
			if (sp_take_nocase(&part, SP_LIT("max-age=")) && !sp_take_u64(&part, UINT32_MAX, &s))
				s = SP_AUTHORITY_FRESH_S;
		}
	}
	return s < SP_AUTHORITY_FRESH_MIN_S ? SP_AUTHORITY_FRESH_MIN_S :
	    s > SP_AUTHORITY_FRESH_MAX_S ? SP_AUTHORITY_FRESH_MAX_S : (uint32_t)s;
}
