/*
 * Who bears a token, in one process: a provider of <sallyport/provider.h> compiled to an image of sources and a verifier
 * over it, with what keeper and the authorities' egresses do elsewhere done here: MACs, key sets, introspection.  Pure but
 * for `fetch`, which the transport brings.
 */
#ifndef SP_AUTH_CHAIN_H
#define SP_AUTH_CHAIN_H

#include <sallyport/provider.h>

#include "base/err.h"
#include "oauth/principal.h"
#include "wire/http1.h"

struct sp_chain;
struct sp_chain_wait;

/* One request to an authority.  `done` is called exactly once, never from inside fetch(). */
struct sp_fetch {
	sp_slice url, method, content_type, body;	/* borrowed until done */
	sp_slice authorization;				/* of the request, or empty: a secret, in locked memory of the chain */
	size_t	 max_answer;				/* at most 1 MB */
	uint32_t timeout_ms;
	uint32_t identity;				/* of its credentials, from 1: only requests of one may share connections; 0: its own */
	bool	 learned;				/* a document named this url, not the operator: public addresses, https, port 443 */
	void	 (*done)(void *ctx, unsigned status, sp_slice body);	/* status 0: no answer; body: borrowed for the call */
	void	*ctx;
	void	*hidden;				/* the fetcher's */
};
struct sp_fetcher {
	bool	 (*start)(void *ctx, struct sp_fetch *f);	/* false: not now, and done() does not come */
	void	 (*cancel)(void *ctx, struct sp_fetch *f);	/* done() does not come any more */
	void	*ctx;
};

/* `provider` stays its owner's; `resource`: the server's URL.  `fetcher` may be NULL: sources that need one are SP_E_CONFIG then. */
SP_MUST enum sp_status sp_chain_new(struct sp_auth_provider *provider, sp_slice resource, const struct sp_fetcher *fetcher,
    struct sp_chain **out, struct sp_err *e);
void sp_chain_free(struct sp_chain **c);
/* Whoever is given a provider (a server, a provider around it) takes it, and frees it once; as sp_check_take(). */
struct sp_auth_provider *sp_provider_take(struct sp_auth_provider *p);
/* What is wrong with the options, all of it, one by one; false: nothing. */
bool sp_provider_mistakes(const struct sp_auth_provider *p, void (*say)(void *ctx, const char *text), void *ctx);

/* SP_OK: *who is held for the caller.  SP_E_BAD_TOKEN; SP_E_SCOPE (e->pub: all scopes that are required); SP_E_UNAVAILABLE.
 * SP_E_TICKET: somebody else is asked; *wait then calls `ready` once, on the same thread and not from inside this call, after
 * which *wait is void and the same question, asked at once, has its answer (it is kept for some seconds).  The chain must not be
 * freed from inside ready().  `wait` NULL: not wanted, then nobody is asked and it is SP_E_UNAVAILABLE.
 * Sources are asked in order, one after the other; who accepts ends it.  If nobody accepts, the worst answer counts:
 * unavailable, then a missing scope, then a bad token. */
SP_MUST enum sp_status sp_chain_ask(struct sp_chain *c, sp_slice token, uint64_t now_ms, int64_t now_s,
    struct sp_principal **who, struct sp_chain_wait **wait, void (*ready)(void *ctx), void *ctx, struct sp_err *e);
void sp_chain_forget(struct sp_chain_wait **wait);		/* ready() does not come; NULL-safe, sets *wait NULL */

/* RFC 9728 metadata and the challenge's scope (space separated).  False: this provider has no metadata (verifiers only). */
bool sp_chain_metadata(const struct sp_chain *c, struct sp_out *o);
sp_slice sp_chain_challenge_scopes(const struct sp_chain *c);

#endif
