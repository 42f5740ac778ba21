/* Inside this folder only: what a provider is made of. */
#ifndef SP_AUTH_PROVIDER_INT_H
#define SP_AUTH_PROVIDER_INT_H

#include "auth/chain.h"
#include "auth/texts.h"
#include "oauth/introspect.h"
#include "oauth/verifier.h"
#include "vault/secret.h"

enum sp_provider_kind {
	SP_PROVIDER_BROKEN = 0,		/* no memory when it was made: accepts nobody */
	SP_PROVIDER_JWT, SP_PROVIDER_STATIC, SP_PROVIDER_INTROSPECTION, SP_PROVIDER_CUSTOM, SP_PROVIDER_REMOTE,
	SP_PROVIDER_OAUTH, SP_PROVIDER_MULTI
};

enum { SP_PROVIDER_DEPTH = 16, SP_CACHE_TTL_MAX_S = 86400, SP_CACHE_SIZE_MAX = 1 << 20, SP_TIMEOUT_MAX_S = 60 };

/* One of the tokens of a static provider. */
struct sp_known_token {
	uint8_t	 hash[32];
	const char *wrong;		/* what is wrong with it; NULL: nothing */
	char	*client_id, *subject;
	struct sp_texts scopes, tags;
	int64_t	 expires_s;
};

struct sp_auth_provider {
	enum sp_provider_kind kind;
	unsigned refs, given, depth;	/* as of a check */
	bool	 twice, newer;		/* newer: options that this library does not know */
	bool	 no_memory;
	char	*name;
	struct sp_texts issuers, audiences, required, give;
	bool	 two_issuers, two_audiences;
	char	*user_claim, *tags_claim, *scopes_claim;
	/* jwt */
	char	*public_key, *jwks, *jwks_uri, *algorithm;
	/* static */
	struct sp_known_token *tokens;
	size_t	 ntokens;
	bool	 too_many;
	/* introspection, oauth */
	char	*url, *client_id, *authorization_url, *token_url;
	unsigned auth, timeout_s, ttl_s, cache_max;
	/* custom */
	sp_token_verifier_fn verify;
	void	*arg;
	/* remote */
	struct sp_texts servers, supported, challenge;
	char	*resource_name, *documentation;
	/* remote: the verifier; multi: the server, then the verifiers */
	struct sp_auth_provider **parts;
	size_t	 nparts;
	bool	 has_server;
	/* secrets.c: of HS* tokens, of the client, or its private key */
	bool	 holds;			/* sp_secret_hold() */
	bool	 has_secret, has_key, secret_is_pem;
	size_t	 secret_n;
	char	 secret_why[200];	/* why it cannot be used; empty: it can */
	struct sp_secret *secret;
};

/* provider.c: what every caller must have: its own, or what its parts say. */
const struct sp_texts *sp_provider_required(const struct sp_auth_provider *p);

/* secrets.c */
/* Takes a copy into locked memory; key: it must be a private key. */
void sp_provider_secret(struct sp_auth_provider *p, const char *text, bool key);
void sp_provider_secret_free(struct sp_auth_provider *p);
SP_MUST bool sp_provider_mac_ok(const struct sp_auth_provider *p, const struct sp_ticket_need *need);
/* A request to an introspection endpoint: authorization and body in locked memory. */
struct sp_introspect_request { void *head, *body; sp_slice authorization, content; };
SP_MUST enum sp_status sp_provider_request(const struct sp_auth_provider *p, sp_slice token, int64_t now_s,
    struct sp_introspect_request *r, struct sp_err *e);
void sp_introspect_request_free(struct sp_introspect_request *r);

#endif
