/* What checks and handlers may know of a caller (<sallyport/auth.h>). */
#include "auth/check.h"
#include "jose/claims.h"
#include "wire/json.h"

static const struct sp_facts nobody;

static const struct sp_facts *
facts(const struct sp_principal *who)
{
	return who == NULL || who->facts == NULL ? &nobody : who->facts;
}

const char *
sp_principal_subject(const struct sp_principal *who)
{
	return facts(who)->subject;
}

const char *
sp_principal_issuer(const struct sp_principal *who)
{
	return facts(who)->issuer;
}

const char *
sp_principal_client_id(const struct sp_principal *who)
{
	return facts(who)->client_id;
}

const char *
sp_principal_source(const struct sp_principal *who)
{
	return facts(who)->source;
}

const char *
sp_principal_scope(const struct sp_principal *who, size_t i)
{
	return i < facts(who)->nscopes ? facts(who)->scopes[i] : NULL;
}

const char *
sp_principal_tag(const struct sp_principal *who, size_t i)
{
	return i < facts(who)->ntags ? facts(who)->tags[i] : NULL;
}

static bool
is_among(const char *const *names, size_t n, const char *name)
{
	if (name == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

bool
sp_principal_has_scope(const struct sp_principal *who, const char *scope)
{
	return is_among(facts(who)->scopes, facts(who)->nscopes, scope);
}

bool
sp_principal_has_tag(const struct sp_principal *who, const char *tag)
{
	return is_among(facts(who)->tags, facts(who)->ntags, tag);
}

const char *
sp_principal_claims(const struct sp_principal *who)
{
	return facts(who)->claims;
}

bool
sp_principal_claim(const struct sp_principal *who, const char *path, char *buf, size_t cap)
{
	SP_AUTO(sp_json_free) struct sp_json doc = { 0 };
	const char *claims = facts(who)->claims;
	struct sp_out o;
	sp_jval *v;

	if (claims == NULL || path == NULL || cap == 0)
		return false;
	buf[0] = '\0';
	if (sp_json_read(sp_str(claims), SP_JSON_DEFAULT, &doc, NULL) != SP_OK)
		return false;
	v = sp_claim_at(doc.root, sp_str(path));
	if (v == NULL)
		return false;
	if (sp_jis_str(v))
		return sp_cstr(sp_jtext(v), buf, cap);
	sp_out_init(&o, buf, cap - 1);
	sp_jwrite(&o, v);
	buf[o.full ? 0 : o.n] = '\0';
	return !o.full;
}

int64_t
sp_principal_expires_at(const struct sp_principal *who)
{
	return who != NULL ? who->expires_s : INT64_MAX;
}
