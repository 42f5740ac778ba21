/*
 * Who comes in.  A provider is given to one server (sp_server_new) or to a provider around it, which then owns it.  Options
 * are read and copied at once; what is wrong with them is told by sp_server_check() and when the server starts, by name.
 */
#ifndef SALLYPORT_PROVIDER_H
#define SALLYPORT_PROVIDER_H

#include <sallyport/auth.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_auth_provider;

/* Where claims give what; dotted paths.  NULL: the default that is named. */
#define SP_CLAIM_OPTIONS \
	const char *user_claim;			/* "sub" */ \
	const char *tags_claim;			/* "tags" */ \
	const char *scopes_claim;		/* "scope", then "scp" */ \
	const char *const *required_scopes;	/* each of its callers must have all of them: 403 otherwise; 159 bytes together */ \
	const char *const *give_scopes;		/* each of its callers has these too */

/*
 * JSON Web Tokens (RFC 7519, RFC 8725): exactly one of public_key, jwks, jwks_uri, secret.  The key says which algorithm it
 * is for, the token never does.  `exp` is required; `nbf` and `iat` are checked; 30 s leeway.
 */
struct sp_token_verifier_jwt_options {
	size_t	    size;
	const char *name;			/* of the source; "jwt" */
	const char *issuer;			/* exact `iss`; required */
	const char *const *issuers;		/* instead: any of these */
	const char *audience;			/* of `aud`; default: the server's URL */
	const char *const *audiences;		/* instead: any of these */
	const char *public_key;			/* PEM */
	const char *jwks;			/* a key set, as JSON text */
	/* https, or http on loopback; fetched when needed and then every 15 minutes; what cannot be fetched again serves for a day */
	const char *jwks_uri;
	const char *secret;			/* HS256, HS384, HS512; at least 32 bytes; copied into locked memory */
	const char *algorithm;			/* narrows: only this one; NULL: what fits the key */
	SP_CLAIM_OPTIONS
};
#define sp_token_verifier_jwt(...) sp_token_verifier_jwt_new(&(const struct sp_token_verifier_jwt_options){ \
	.size = sizeof(struct sp_token_verifier_jwt_options), __VA_ARGS__ })
SP_API struct sp_auth_provider *sp_token_verifier_jwt_new(const struct sp_token_verifier_jwt_options *options);

/* Tokens that are known beforehand; only their SHA-256 is kept. */
struct sp_token_entry {
	const char *token;			/* at least 12 characters, of those that Bearer allows; or: */
	const char *sha256;			/* 64 hex digits of it */
	const char *client_id;			/* required */
	const char *subject;			/* default: client_id */
	const char *const *scopes, *const *tags;
	int64_t	    expires_at;			/* Unix time; 0: never */
};
struct sp_token_verifier_static_options {
	size_t	    size;
	const char *name;			/* "static" */
	const struct sp_token_entry *tokens;	/* the last one has no client_id */
	const char *const *required_scopes;
};
#define sp_token_verifier_static(...) sp_token_verifier_static_new(&(const struct sp_token_verifier_static_options){ \
	.size = sizeof(struct sp_token_verifier_static_options), __VA_ARGS__ })
SP_API struct sp_auth_provider *sp_token_verifier_static_new(const struct sp_token_verifier_static_options *options);

/* RFC 7662: somebody else says whether the token is good.  Anything but JSON `true` in `active` is no; no answer is 503. */
enum sp_client_auth { SP_CLIENT_SECRET_BASIC = 0, SP_CLIENT_SECRET_POST, SP_PRIVATE_KEY_JWT };
struct sp_token_verifier_introspection_options {
	size_t	    size;
	const char *name;			/* "introspection" */
	const char *introspection_url;		/* https, or http on loopback */
	const char *client_id, *client_secret;
	enum sp_client_auth client_auth_method;
	const char *private_key;		/* SP_PRIVATE_KEY_JWT (RFC 7523): PEM; the key's type fixes the algorithm */
	const char *issuer;			/* if it also serves JWTs: their `iss`.  NULL: opaque tokens only */
	const char *audience;			/* must be in `aud`, where the answer has one; default: the server's URL */
	unsigned    timeout_s;			/* 10 */
	unsigned    cache_ttl_s;		/* of yes only, and never past `exp`; 0: nothing is remembered */
	unsigned    max_cache_size;		/* 10000; the oldest goes first */
	SP_CLAIM_OPTIONS
};
#define sp_token_verifier_introspection(...) \
	sp_token_verifier_introspection_new(&(const struct sp_token_verifier_introspection_options){ \
	.size = sizeof(struct sp_token_verifier_introspection_options), __VA_ARGS__ })
SP_API struct sp_auth_provider *
sp_token_verifier_introspection_new(const struct sp_token_verifier_introspection_options *options);

/* A verifier of one's own: fills `who` and returns SP_RC_OK, or SP_RC_DENIED, or SP_RC_UNAVAILABLE (503).  It never sees an empty
 * token.  Anything else denies.  Texts are read after it has returned: they must be static, or belong to `arg`.  Runs on the server's thread. */
struct sp_token_facts {
	const char *subject, *client_id;	/* one of them is needed */
	const char *issuer;
	const char *const *scopes, *const *tags;
	const char *claims;			/* JSON object, or NULL */
	int64_t	    expires_at;			/* Unix time; 0: never */
};
typedef enum sp_rc (*sp_token_verifier_fn)(const char *token, struct sp_token_facts *who, void *arg);
struct sp_token_verifier_custom_options {
	size_t	    size;
	const char *name;			/* "custom" */
	sp_token_verifier_fn verify;
	void	   *arg;
	const char *const *required_scopes;
};
#define sp_token_verifier_custom(...) sp_token_verifier_custom_new(&(const struct sp_token_verifier_custom_options){ \
	.size = sizeof(struct sp_token_verifier_custom_options), __VA_ARGS__ })
SP_API struct sp_auth_provider *sp_token_verifier_custom_new(const struct sp_token_verifier_custom_options *options);

/* RFC 9728: a verifier, and where clients get the tokens that it accepts. */
struct sp_remote_auth_provider_options {
	size_t	    size;
	struct sp_auth_provider *token_verifier;
	const char *const *authorization_servers;	/* issuers; default: the verifier's */
	const char *const *scopes_supported;		/* the catalogue; default: what every caller needs */
	const char *const *challenge_scopes;		/* what clients are asked to get instead of required_scopes */
	const char *resource_name, *resource_documentation;
};
#define sp_remote_auth_provider(...) sp_remote_auth_provider_new(&(const struct sp_remote_auth_provider_options){ \
	.size = sizeof(struct sp_remote_auth_provider_options), __VA_ARGS__ })
SP_API struct sp_auth_provider *sp_remote_auth_provider_new(const struct sp_remote_auth_provider_options *options);

/*
 * The server as an authorization server of its own, in front of a provider that knows it as one confidential client.
 * Of this the resource side works: metadata, challenges, and the check of the tokens it will issue.  The endpoints where
 * clients sign in are not part of this version, so it accepts nobody yet; its secret is kept in locked memory.
 */
struct sp_oauth_provider_options {
	size_t	    size;
	const char *name;			/* "oauth" */
	const char *client_id, *client_secret;
	const char *authorization_url, *token_url;
	const char *const *required_scopes;
};
#define sp_oauth_provider(...) sp_oauth_provider_new(&(const struct sp_oauth_provider_options){ \
	.size = sizeof(struct sp_oauth_provider_options), __VA_ARGS__ })
SP_API struct sp_auth_provider *sp_oauth_provider_new(const struct sp_oauth_provider_options *options);

/*
 * Several sources: `server` first, then the verifiers in order; the first that accepts wins.  A JWT is shown only to those
 * whose issuer it names, and to a verifier of one's own if it names nobody's; what is no JWT goes to static tokens, to verifiers
 * of one's own and to the one introspection endpoint that there may be.  One source that fails does not end the chain, but if
 * nobody accepts, the answer is then 503.
 * Metadata and routes are those of `server` alone.
 */
struct sp_multi_auth_options {
	size_t	    size;
	struct sp_auth_provider *server;
	struct sp_auth_provider *const *verifiers;	/* ends in NULL: SP_PROVIDERS(a, b) */
	/* Of every caller, beside what its own verifier requires; NULL: what `server` requires.  If written (SP_NONE: nothing),
	 * it stands in the place of what `server` requires. */
	const char *const *required_scopes;
};
#define SP_PROVIDERS(...) ((struct sp_auth_provider *const[]){ __VA_ARGS__, NULL })
#define SP_NONE ((const char *const[]){ NULL })
#define sp_multi_auth(...) sp_multi_auth_new(&(const struct sp_multi_auth_options){ \
	.size = sizeof(struct sp_multi_auth_options), __VA_ARGS__ })
SP_API struct sp_auth_provider *sp_multi_auth_new(const struct sp_multi_auth_options *options);

/* For a provider that was given to nobody. */
SP_API void sp_auth_provider_free(struct sp_auth_provider *provider);

#ifdef __cplusplus
}
#endif

#endif
