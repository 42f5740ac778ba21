/* What is wrong with the options of providers: everything at once, each with its provider and option. */
#include "auth/provider_int.h"

#include "wire/uri.h"

#include <stdarg.h>
#include <stdio.h>

enum { SCOPES_MAX = 159, ENTRIES_MAX = 64 };	/* SCOPES_MAX: what struct sp_err has room for */

struct report {
	const struct sp_auth_provider *p;
	void	 (*say)(void *ctx, const char *text);
	void	*ctx;
	bool	 any;
};

static const char *
function_of(const struct sp_auth_provider *p)
{
	static const char *const names[] = {
		[SP_PROVIDER_BROKEN] = "a provider", [SP_PROVIDER_JWT] = "sp_token_verifier_jwt",
		[SP_PROVIDER_STATIC] = "sp_token_verifier_static", [SP_PROVIDER_INTROSPECTION] = "sp_token_verifier_introspection",
		[SP_PROVIDER_CUSTOM] = "sp_token_verifier_custom", [SP_PROVIDER_REMOTE] = "sp_remote_auth_provider",
		[SP_PROVIDER_OAUTH] = "sp_oauth_provider", [SP_PROVIDER_MULTI] = "sp_multi_auth",
	};

	return names[p->kind];
}

static void SP_PRINTF(2, 3)
wrong(struct report *r, const char *fmt, ...)
{
	char what[480], text[640];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	r->any = true;
	if (r->p->name == NULL || !sp_text_is_name(r->p->name))
		snprintf(text, sizeof text, "%s: %s", function_of(r->p), what);
	else
		snprintf(text, sizeof text, "provider %.64s (%s): %s", r->p->name, function_of(r->p), what);
	r->say(r->ctx, text);
}

/* ---------------------------------------------------------------- shared */

/* https, or http to this machine, where nobody else reads along. */
static void
check_url(struct report *r, const char *option, const char *url, bool plain)
{
	struct sp_err e = { 0 };
	struct sp_uri u;

	if (url == NULL)
		wrong(r, "%s is missing", option);
	else if (sp_uri_read(sp_str(url), &u, &e) != SP_OK)
		wrong(r, "%s is no URL: %.200s", option, e.log);
	else if (!u.https && !sp_host_is_loopback(u.host, u.kind))
		wrong(r, "%s must be https (http only to this machine)", option);
	else if (u.has_fragment || (plain && u.has_query))
		wrong(r, "%s must not have a %s", option, u.has_fragment ? "fragment" : "query");
}

static void
check_scopes(struct report *r, const char *option, const struct sp_texts *t)
{
	size_t total = 0;

	for (size_t i = 0; i < t->n; i++) {
		total += strlen(t->p[i]) + (i != 0);
		if (!sp_text_is_scope(t->p[i]))
			wrong(r, "%s: \"%.100s\" cannot be a scope", option, t->p[i]);
	}
	if (total > SCOPES_MAX)
		wrong(r, "%s: over %d bytes together, which no challenge has room for", option, SCOPES_MAX);
}

static void
check_names(struct report *r, const char *option, const struct sp_texts *t)
{
	if (t->n > ENTRIES_MAX)
		wrong(r, "%s: over %d of them", option, ENTRIES_MAX);
	for (size_t i = 0; i < t->n; i++)
		if (!sp_text_is_name(t->p[i]))
			wrong(r, "%s: number %zu is empty, too long or no plain text", option, i + 1);
	if (t->p != NULL && t->n == 0)
		wrong(r, "%s: the list is empty", option);
}

static void
check_claim(struct report *r, const char *option, const char *path)
{
	if (path != NULL && !sp_text_is_name(path))
		wrong(r, "%s is empty, too long or no plain text", option);
}

static void
check_claims(struct report *r)
{
	check_claim(r, "user_claim", r->p->user_claim);
	check_claim(r, "tags_claim", r->p->tags_claim);
	check_claim(r, "scopes_claim", r->p->scopes_claim);
	check_scopes(r, "required_scopes", &r->p->required);
	check_scopes(r, "give_scopes", &r->p->give);
}

/* ---------------------------------------------------------------- each kind */

static void
check_public(struct report *r, const char *option, const char *text, enum sp_alg alg)
{
	struct sp_keyset *keys = NULL;
	struct sp_pkey *one = NULL;
	struct sp_err e = { 0 };
	sp_slice t = sp_trim(sp_str(text));
	bool pem = !sp_starts(t, SP_LIT("{")), fits = true;

	if (pem != (text == r->p->public_key)) {
		wrong(r, "%s is %s", option, pem ? "no JSON" : "no PEM (a key set belongs to jwks)");
		return;
	}
	if (sp_keyset_read(sp_str(text), false, &keys, &e) != SP_OK) {
		wrong(r, "%s: %.300s", option, e.log);
		return;
	}
	sp_keyset_free(&keys);
	if (alg != SP_ALG_NONE && pem && sp_pkey_pem(t, &one, &e) == SP_OK)
		fits = sp_alg_fits(alg, sp_pkey_kty(one));
	sp_pkey_free(&one);
	if (!fits)
		wrong(r, "algorithm %.20s does not fit the key in %s", r->p->algorithm, option);
}

static void
check_hs_secret(struct report *r, enum sp_alg alg)
{
	const struct sp_auth_provider *p = r->p;
	size_t least = sp_mac_secret_min(alg != SP_ALG_NONE ? alg : SP_HS256);

	if (p->secret_is_pem)
		wrong(r, "secret is a PEM key: public keys belong to public_key, and no key is a secret for HS256");
	else if (least != 0 && p->secret_n < least)
		wrong(r, "secret has %zu bytes; %s needs at least %zu (RFC 7518 section 3.2)", p->secret_n,
		    sp_alg_name(alg != SP_ALG_NONE ? alg : SP_HS256), least);
	else if (p->secret_why[0] != '\0')
		wrong(r, "secret: %s", p->secret_why);
	if (alg != SP_ALG_NONE && !sp_alg_fits(alg, SP_KTY_OCT))
		wrong(r, "algorithm %.20s does not use a secret: HS256, HS384 or HS512", p->algorithm);
}

static void
check_jwt(struct report *r)
{
	const struct sp_auth_provider *p = r->p;
	enum sp_alg alg = p->algorithm != NULL ? sp_alg_find(sp_str(p->algorithm)) : SP_ALG_NONE;
	int places = (p->public_key != NULL) + (p->jwks != NULL) + (p->jwks_uri != NULL) + p->has_secret;

	if (p->issuers.p == NULL)
		wrong(r, "issuer is missing: whose tokens are they?");
	if (p->two_issuers)
		wrong(r, "issuer and issuers are both given");
	if (p->two_audiences)
		wrong(r, "audience and audiences are both given");
	check_names(r, "issuer", &p->issuers);
	check_names(r, "audience", &p->audiences);
	check_claims(r);
	if (p->algorithm != NULL && alg == SP_ALG_NONE)
		wrong(r, "algorithm \"%.20s\" is unknown or not allowed", p->algorithm);
	if (places != 1) {
		wrong(r, "exactly one of public_key, jwks, jwks_uri and secret is needed, not %d", places);
		return;
	}
	if (p->has_secret)
		check_hs_secret(r, alg);
	else if (sp_mac_secret_min(alg) != 0)
		wrong(r, "algorithm %.20s needs secret: a public key is no secret", p->algorithm);
	if (p->public_key != NULL)
		check_public(r, "public_key", p->public_key, alg);
	if (p->jwks != NULL)
		check_public(r, "jwks", p->jwks, alg);
	if (p->jwks_uri != NULL)
		check_url(r, "jwks_uri", p->jwks_uri, false);
}

static void
check_static(struct report *r)
{
	const struct sp_auth_provider *p = r->p;

	if (p->ntokens == 0)
		wrong(r, "tokens are missing");
	if (p->too_many)
		wrong(r, "over %zu tokens", p->ntokens);
	for (size_t i = 0; i < p->ntokens; i++) {
		const struct sp_known_token *t = &p->tokens[i];

		if (t->wrong != NULL)
			wrong(r, "tokens, number %zu: %s", i + 1, t->wrong);
		if (t->client_id != NULL && !sp_text_is_name(t->client_id))
			wrong(r, "tokens, number %zu: client_id is empty, too long or no plain text", i + 1);
		if (t->subject != NULL && !sp_text_is_name(t->subject))
			wrong(r, "tokens, number %zu: subject is empty, too long or no plain text", i + 1);
		if (t->expires_s < 0)
			wrong(r, "tokens, number %zu: expires_at is negative", i + 1);
		for (size_t k = 0; k < t->scopes.n; k++)
			if (!sp_text_is_scope(t->scopes.p[k]))
				wrong(r, "tokens, number %zu: \"%.100s\" cannot be a scope", i + 1, t->scopes.p[k]);
		for (size_t k = 0; k < t->tags.n; k++)
			if (!sp_text_is_name(t->tags.p[k]))
				wrong(r, "tokens, number %zu: \"%.100s\" cannot be a tag", i + 1, t->tags.p[k]);
	}
	check_scopes(r, "required_scopes", &p->required);
}

static void
check_client(struct report *r)
{
	const struct sp_auth_provider *p = r->p;

	if (p->client_id == NULL || !sp_text_is_name(p->client_id))
		wrong(r, "client_id is missing or no plain text");
	if (p->auth == SP_PRIVATE_KEY_JWT && (!p->has_key || p->has_secret))
		wrong(r, "client_auth_method SP_PRIVATE_KEY_JWT needs private_key, and no client_secret");
	else if (p->auth < SP_PRIVATE_KEY_JWT && (!p->has_secret || p->has_key))
		wrong(r, "client_secret is missing, or private_key is given without SP_PRIVATE_KEY_JWT");
	else if (p->auth > SP_PRIVATE_KEY_JWT)
		wrong(r, "client_auth_method %u is none", p->auth);
	else if (p->secret_n == 0)
		wrong(r, "%s is empty", p->has_key ? "private_key" : "client_secret");
	else if (p->secret_why[0] != '\0')
		wrong(r, "%s: %s", p->has_key ? "private_key" : "client_secret", p->secret_why);
}

static void
check_introspection(struct report *r)
{
	const struct sp_auth_provider *p = r->p;

	check_url(r, "introspection_url", p->url, false);
	check_client(r);
	check_names(r, "issuer", &p->issuers);
	check_names(r, "audience", &p->audiences);
	check_claims(r);
	if (p->timeout_s > SP_TIMEOUT_MAX_S)
		wrong(r, "timeout_s is over %d", SP_TIMEOUT_MAX_S);
	if (p->ttl_s > SP_CACHE_TTL_MAX_S)
		wrong(r, "cache_ttl_s is negative or over %d (a day)", SP_CACHE_TTL_MAX_S);
	if (p->cache_max > SP_CACHE_SIZE_MAX)
		wrong(r, "max_cache_size is negative or over %d", SP_CACHE_SIZE_MAX);
}

static void
check_remote(struct report *r)
{
	const struct sp_auth_provider *p = r->p;

	if (p->nparts == 0)
		wrong(r, "token_verifier is missing");
	else if (p->parts[0]->kind == SP_PROVIDER_REMOTE || p->parts[0]->kind == SP_PROVIDER_OAUTH)
		wrong(r, "token_verifier is no verifier: %s has metadata of its own", function_of(p->parts[0]));
	else if (p->servers.p == NULL && p->parts[0]->issuers.n == 0)
		wrong(r, "authorization_servers is missing, and the verifier names no issuer");
	if (p->servers.n > ENTRIES_MAX || (p->servers.p != NULL && p->servers.n == 0))
		wrong(r, "authorization_servers: none, or over %d", ENTRIES_MAX);
	for (size_t i = 0; i < p->servers.n; i++)
		check_url(r, "authorization_servers", p->servers.p[i], true);
	for (size_t i = 0; p->servers.p == NULL && p->nparts != 0 && i < p->parts[0]->issuers.n; i++)
		check_url(r, "issuer, as an authorization server,", p->parts[0]->issuers.p[i], true);
	for (size_t i = 0; i < p->supported.n; i++)
		if (!sp_text_is_scope(p->supported.p[i]))
			wrong(r, "scopes_supported: \"%.100s\" cannot be a scope", p->supported.p[i]);
	check_scopes(r, "challenge_scopes", &p->challenge);
	check_claim(r, "resource_name", p->resource_name);
	if (p->documentation != NULL)
		check_url(r, "resource_documentation", p->documentation, false);
}

static void
check_oauth(struct report *r)
{
	const struct sp_auth_provider *p = r->p;

	check_client(r);
	check_url(r, "authorization_url", p->authorization_url, false);
	check_url(r, "token_url", p->token_url, false);
	check_scopes(r, "required_scopes", &p->required);
}

/* All that would be shown a token which is no JWT. */
static unsigned
strangers(const struct sp_auth_provider *p)
{
	unsigned n = p->kind == SP_PROVIDER_INTROSPECTION;

	for (size_t i = 0; i < p->nparts; i++)
		n += strangers(p->parts[i]);
	return n;
}

static void
check_multi(struct report *r)
{
	const struct sp_auth_provider *p = r->p;

	if (p->nparts == 0)
		wrong(r, "neither server nor verifiers: nobody could come in");
	for (size_t i = p->has_server; i < p->nparts; i++)
		if (p->parts[i]->kind == SP_PROVIDER_REMOTE || p->parts[i]->kind == SP_PROVIDER_OAUTH)
			wrong(r, "verifiers, number %zu: only server has metadata, so %s belongs there", i + 1 - p->has_server,
			    function_of(p->parts[i]));
	if (strangers(p) > 1)
		wrong(r, "two introspection endpoints would both be shown every opaque token: keep one");
	check_scopes(r, "required_scopes", &p->required);
}

static void
check(const struct sp_auth_provider *p, struct report *r)
{
	static void (*const by_kind[])(struct report *) = {
		[SP_PROVIDER_JWT] = check_jwt, [SP_PROVIDER_STATIC] = check_static, [SP_PROVIDER_REMOTE] = check_remote,
		[SP_PROVIDER_INTROSPECTION] = check_introspection, [SP_PROVIDER_OAUTH] = check_oauth,
		[SP_PROVIDER_MULTI] = check_multi,
	};

	r->p = p;
	if (p->kind == SP_PROVIDER_BROKEN || p->no_memory) {
		wrong(r, "there was no memory for it");
		return;
	}
	if (strlen(p->name) > SP_SHOWN_MAX || !sp_text_is_name(p->name))
		wrong(r, "name is empty, over %d bytes or no plain text", SP_SHOWN_MAX);
	if (p->newer)
		wrong(r, "options are set that this version of the library does not know");
	if (p->twice)
		wrong(r, "it was given to two owners: make one for each");
	if (p->kind == SP_PROVIDER_CUSTOM) {
		check_scopes(r, "required_scopes", &p->required);
		if (p->verify == NULL)
			wrong(r, "verify is missing");
	} else {
		by_kind[p->kind](r);
	}
	for (size_t i = 0; i < p->nparts; i++)
		check(p->parts[i], r);
}

bool
sp_provider_mistakes(const struct sp_auth_provider *p, void (*say)(void *ctx, const char *text), void *ctx)
{
	struct report r = { .p = p, .say = say, .ctx = ctx };
	struct sp_err e;

	if (p == NULL)
		return false;
	if (p->depth > SP_PROVIDER_DEPTH)
		wrong(&r, "providers are nested deeper than %d", SP_PROVIDER_DEPTH);
	else if (sp_crypto_init(&e) != SP_OK)
		wrong(&r, "%s", e.log);
	else
		check(p, &r);
	return r.any;
}
