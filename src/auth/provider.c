/* Providers are made and given back here: options are copied, nothing is judged yet (mistakes.c). */
#include "auth/provider_int.h"

#include <stdlib.h>

enum { TOKEN_MIN = 12, TOKENS_MAX = 4096 };

/* Instead of NULL, which would end a list of providers before its time, or make a server one without any. */
static const struct sp_auth_provider broken = { .kind = SP_PROVIDER_BROKEN, .depth = 1 };

static bool
is_shared(const struct sp_auth_provider *p)
{
	return p == &broken;
}

static struct sp_auth_provider *
shared(void)
{
	return (struct sp_auth_provider *)(uintptr_t)&broken;
}

struct sp_auth_provider *
sp_provider_take(struct sp_auth_provider *p)
{
	if (p == NULL || is_shared(p) || ++p->given <= p->refs)
		return p;
	p->refs++;
	p->twice = true;
	return p;
}

static void
token_free(struct sp_known_token *t)
{
	free(t->client_id);
	free(t->subject);
	sp_texts_free(&t->scopes);
	sp_texts_free(&t->tags);
}

static void
texts_free(struct sp_auth_provider *p)
{
	char *one[] = {
		p->name, p->user_claim, p->tags_claim, p->scopes_claim, p->public_key, p->jwks, p->jwks_uri, p->algorithm, p->url,
		p->client_id, p->authorization_url, p->token_url, p->resource_name, p->documentation,
	};
	struct sp_texts *many[] = {
		&p->issuers, &p->audiences, &p->required, &p->give, &p->servers, &p->supported, &p->challenge,
	};

	for (size_t i = 0; i < SP_COUNT(one); i++)
		free(one[i]);
	for (size_t i = 0; i < SP_COUNT(many); i++)
		sp_texts_free(many[i]);
}

void
sp_auth_provider_free(struct sp_auth_provider *p)
{
	if (p == NULL || is_shared(p) || --p->refs != 0)
		return;
	for (size_t i = 0; i < p->nparts; i++)
		sp_auth_provider_free(p->parts[i]);
	for (size_t i = 0; i < p->ntokens; i++)
		token_free(&p->tokens[i]);
	free(p->parts);
	free(p->tokens);
	sp_provider_secret_free(p);
	texts_free(p);
	free(p);
}

/* ---------------------------------------------------------------- options */

/* Options of an older header are shorter; in those of a newer one we must not overlook anything that is set. */
static bool
options(void *to, size_t room, const void *from, bool *newer)
{
	size_t size = 0;

	*newer = false;
	if (from == NULL)
		return false;
	memcpy(&size, from, sizeof size);
	if (size < sizeof size)
		return false;
	memcpy(to, from, size < room ? size : room);
	for (size_t i = room; i < size; i++)
		*newer = *newer || ((const char *)from)[i] != 0;
	return true;
}

#define OPTIONS(o, from, newer) options(o, sizeof *(o), from, newer)

static struct sp_auth_provider *
make(enum sp_provider_kind kind, const char *name, const char *usual, bool newer)
{
	struct sp_auth_provider *p = calloc(1, sizeof *p);

	if (p == NULL)
		return shared();
	p->kind = kind;
	p->refs = p->depth = 1;
	p->newer = newer;
	p->no_memory = !sp_text_copy(&p->name, name != NULL ? name : usual);
	return p;
}

static void
text(struct sp_auth_provider *p, char **to, const char *from)
{
	p->no_memory = !sp_text_copy(to, from) || p->no_memory;
}

static void
texts(struct sp_auth_provider *p, struct sp_texts *to, const char *one, const char *const *many, bool *both)
{
	if (both != NULL)
		*both = one != NULL && many != NULL;
	p->no_memory = !(many != NULL ? sp_texts_copy(to, many) : sp_texts_one(to, one)) || p->no_memory;
}

#define CLAIMS(p, o) do { \
	text(p, &(p)->user_claim, (o).user_claim); \
	text(p, &(p)->tags_claim, (o).tags_claim); \
	text(p, &(p)->scopes_claim, (o).scopes_claim); \
	texts(p, &(p)->required, NULL, (o).required_scopes, NULL); \
	texts(p, &(p)->give, NULL, (o).give_scopes, NULL); \
} while (0)

static void
part(struct sp_auth_provider *p, struct sp_auth_provider *part)
{
	p->parts[p->nparts++] = sp_provider_take(part);
	if (p->depth <= part->depth)
		p->depth = part->depth + 1;
}

struct sp_auth_provider *
sp_token_verifier_jwt_new(const struct sp_token_verifier_jwt_options *from)
{
	struct sp_token_verifier_jwt_options o = { 0 };
	struct sp_auth_provider *p;
	bool newer;

	(void)OPTIONS(&o, from, &newer);
	p = make(SP_PROVIDER_JWT, o.name, "jwt", newer);
	if (is_shared(p))
		return p;
	texts(p, &p->issuers, o.issuer, o.issuers, &p->two_issuers);
	texts(p, &p->audiences, o.audience, o.audiences, &p->two_audiences);
	text(p, &p->public_key, o.public_key);
	text(p, &p->jwks, o.jwks);
	text(p, &p->jwks_uri, o.jwks_uri);
	text(p, &p->algorithm, o.algorithm);
	CLAIMS(p, o);
	sp_provider_secret(p, o.secret, false);
	return p;
}

/* ---------------------------------------------------------------- static */

static bool
read_hash(const char *hex, uint8_t out[32])
{
	if (strlen(hex) != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		int high = sp_hex_value((unsigned char)hex[2 * i]), low = sp_hex_value((unsigned char)hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* B22.  A token that no client can send (RFC 6750 section 2.1) is one that somebody mistyped. */
static const char *
read_token(const struct sp_token_entry *from, uint8_t hash[32])
{
	char field[SP_TOKEN_MAX + 8];
	struct sp_out o;
	sp_slice token;

	if ((from->token != NULL) == (from->sha256 != NULL))
		return "needs exactly one of token and sha256";
	if (from->sha256 != NULL)
		return read_hash(from->sha256, hash) ? NULL : "sha256 is not 64 hex digits";
	if (strlen(from->token) < TOKEN_MIN)
		return "token is shorter than 12 characters, and easily guessed";
	sp_out_init(&o, field, sizeof field);
	sp_out_str(&o, "Bearer ");
	sp_out_str(&o, from->token);
	if (o.full || o.n > SP_TOKEN_MAX + 7 || sp_bearer(sp_out_view(&o), &token) != SP_OK)
		return "token holds characters that no bearer token has, or is too long";
	sp_sha256(sp_str(from->token), hash);
	return NULL;
}

static void
add_token(struct sp_auth_provider *p, const struct sp_token_entry *from)
{
	struct sp_known_token *t = &p->tokens[p->ntokens++];

	t->wrong = from->client_id == NULL ? "client_id is missing" : read_token(from, t->hash);
	t->expires_s = from->expires_at != 0 ? from->expires_at : INT64_MAX;
	text(p, &t->client_id, from->client_id);
	text(p, &t->subject, from->subject);
	texts(p, &t->scopes, NULL, from->scopes, NULL);
	texts(p, &t->tags, NULL, from->tags, NULL);
	for (size_t i = 0; t->wrong == NULL && i + 1 < p->ntokens; i++)
		if (p->tokens[i].wrong == NULL && memcmp(p->tokens[i].hash, t->hash, sizeof t->hash) == 0)
			t->wrong = "the same token stands there twice";
}

static bool
is_last(const struct sp_token_entry *t)
{
	return t->client_id == NULL && t->token == NULL && t->sha256 == NULL;
}

struct sp_auth_provider *
sp_token_verifier_static_new(const struct sp_token_verifier_static_options *from)
{
	struct sp_token_verifier_static_options o = { 0 };
	struct sp_auth_provider *p;
	struct sp_err e;
	size_t n = 0;
	bool newer;

	(void)OPTIONS(&o, from, &newer);
	p = make(SP_PROVIDER_STATIC, o.name, "static", newer);
	if (is_shared(p))
		return p;
	texts(p, &p->required, NULL, o.required_scopes, NULL);
	while (o.tokens != NULL && n < TOKENS_MAX && !is_last(&o.tokens[n]))
		n++;
	p->too_many = o.tokens != NULL && !is_last(&o.tokens[n]);
	p->tokens = calloc(n + 1, sizeof *p->tokens);
	p->no_memory = p->no_memory || p->tokens == NULL || sp_crypto_init(&e) != SP_OK;
	for (size_t i = 0; !p->no_memory && i < n; i++)
		add_token(p, &o.tokens[i]);
	return p;
}

/* ---------------------------------------------------------------- others */

struct sp_auth_provider *
sp_token_verifier_introspection_new(const struct sp_token_verifier_introspection_options *from)
{
	struct sp_token_verifier_introspection_options o = { 0 };
	struct sp_auth_provider *p;
	bool newer;

	(void)OPTIONS(&o, from, &newer);
	p = make(SP_PROVIDER_INTROSPECTION, o.name, "introspection", newer);
	if (is_shared(p))
		return p;
	text(p, &p->url, o.introspection_url);
	text(p, &p->client_id, o.client_id);
	texts(p, &p->issuers, o.issuer, NULL, NULL);
	texts(p, &p->audiences, o.audience, NULL, NULL);
	p->auth = (unsigned)o.client_auth_method;
	p->timeout_s = o.timeout_s != 0 ? o.timeout_s : 10;
	p->ttl_s = o.cache_ttl_s;
	p->cache_max = o.max_cache_size != 0 ? o.max_cache_size : 10000;
	CLAIMS(p, o);
	sp_provider_secret(p, o.client_secret, false);
	sp_provider_secret(p, o.private_key, true);
	return p;
}

struct sp_auth_provider *
sp_token_verifier_custom_new(const struct sp_token_verifier_custom_options *from)
{
	struct sp_token_verifier_custom_options o = { 0 };
	struct sp_auth_provider *p;
	bool newer;

	(void)OPTIONS(&o, from, &newer);
	p = make(SP_PROVIDER_CUSTOM, o.name, "custom", newer);
	if (is_shared(p))
		return p;
	p->verify = o.verify;
	p->arg = o.arg;
	texts(p, &p->required, NULL, o.required_scopes, NULL);
	return p;
}

struct sp_auth_provider *
sp_remote_auth_provider_new(const struct sp_remote_auth_provider_options *from)
{
	struct sp_remote_auth_provider_options o = { 0 };
	struct sp_auth_provider *p;
	bool newer;

	(void)OPTIONS(&o, from, &newer);
	p = make(SP_PROVIDER_REMOTE, NULL, "remote", newer);
	if (!is_shared(p) && o.token_verifier != NULL)
		p->parts = calloc(1, sizeof(struct sp_auth_provider *));
	if (is_shared(p) || (o.token_verifier != NULL && p->parts == NULL)) {
		sp_auth_provider_free(p);
		sp_auth_provider_free(o.token_verifier);
		return shared();
	}
	if (o.token_verifier != NULL)
		part(p, o.token_verifier);
	texts(p, &p->servers, NULL, o.authorization_servers, NULL);
	texts(p, &p->supported, NULL, o.scopes_supported, NULL);
	texts(p, &p->challenge, NULL, o.challenge_scopes, NULL);
	text(p, &p->resource_name, o.resource_name);
	text(p, &p->documentation, o.resource_documentation);
	return p;
}

struct sp_auth_provider *
sp_oauth_provider_new(const struct sp_oauth_provider_options *from)
{
	struct sp_oauth_provider_options o = { 0 };
	struct sp_auth_provider *p;
	bool newer;

	(void)OPTIONS(&o, from, &newer);
	p = make(SP_PROVIDER_OAUTH, o.name, "oauth", newer);
	if (is_shared(p))
		return p;
	text(p, &p->client_id, o.client_id);
	text(p, &p->authorization_url, o.authorization_url);
	text(p, &p->token_url, o.token_url);
	texts(p, &p->required, NULL, o.required_scopes, NULL);
	sp_provider_secret(p, o.client_secret, false);
	return p;
}

struct sp_auth_provider *
sp_multi_auth_new(const struct sp_multi_auth_options *from)
{
	struct sp_multi_auth_options o = { 0 };
	struct sp_auth_provider *p;
	size_t n = 0;
	bool newer;

	(void)OPTIONS(&o, from, &newer);
	while (o.verifiers != NULL && o.verifiers[n] != NULL)
		n++;
	p = make(SP_PROVIDER_MULTI, NULL, "multi", newer);
	if (!is_shared(p))
		p->parts = calloc(n + 1, sizeof(struct sp_auth_provider *));
	if (is_shared(p) || p->parts == NULL) {
		sp_auth_provider_free(p);
		sp_auth_provider_free(o.server);
		for (size_t i = 0; i < n; i++)
			sp_auth_provider_free(o.verifiers[i]);
		return shared();
	}
	p->has_server = o.server != NULL;
	if (o.server != NULL)
		part(p, o.server);
	for (size_t i = 0; i < n; i++)
		part(p, o.verifiers[i]);
	texts(p, &p->required, NULL, o.required_scopes, NULL);
	return p;
}

const struct sp_texts *
sp_provider_required(const struct sp_auth_provider *p)
{
	/* Bounded by the depth that mistakes.c allows. */
	while (p->required.p == NULL && p->nparts != 0 && (p->kind == SP_PROVIDER_REMOTE || p->has_server))
		p = p->parts[0];
	return &p->required;
}
