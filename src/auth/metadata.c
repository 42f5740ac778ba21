/* What clients are told of a protected resource (RFC 9728 section 2). */
#include "auth/chain_int.h"

#include "oauth/prm.h"

enum { LIST_MAX = 1024 };

/* Who has metadata: only what is the server itself, never one of its verifiers. */
static const struct sp_auth_provider *
speaker(const struct sp_auth_provider *p)
{
	while (p->kind == SP_PROVIDER_MULTI && p->has_server)
		p = p->parts[0];
	return p->kind == SP_PROVIDER_REMOTE || p->kind == SP_PROVIDER_OAUTH ? p : NULL;
}

static size_t
slices(const struct sp_texts *t, sp_slice *out)
{
	size_t n = 0;

	for (; n < t->n && n < LIST_MAX; n++)
		out[n] = sp_str(t->p[n]);
	return n;
}

bool
sp_chain_metadata(const struct sp_chain *c, struct sp_out *o)
{
	const struct sp_auth_provider *p = speaker(c->top);
	const struct sp_texts *servers, *scopes;
	sp_slice server[LIST_MAX], scope[LIST_MAX];
	struct sp_prm_about about;
	size_t nservers;

	if (p == NULL)
		return false;
	servers = &p->servers;
	/* What issues the tokens that are accepted; a server that cannot sign anybody in yet names nobody. */
	if (p->kind == SP_PROVIDER_REMOTE && servers->p == NULL)
		servers = &p->parts[0]->issuers;
	scopes = p->supported.p != NULL ? &p->supported : sp_provider_required(c->top);
	about = (struct sp_prm_about){ p->resource_name, p->documentation };
	nservers = slices(servers, server);
	sp_prm_write_about(o, sp_str(c->resource), server, nservers, scope, slices(scopes, scope), &about);
	return true;
}
