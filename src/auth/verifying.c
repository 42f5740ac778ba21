/* A provider without a server (<sallyport/pieces.h>): nobody can be asked, time is an argument. */
#include "auth/chain.h"

#include <sallyport/pieces.h>

#include <stdio.h>
#include <stdlib.h>

struct sp_verifying {
	struct sp_auth_provider *provider;
	struct sp_chain *chain;
};

static void
say(struct sp_error *error, enum sp_rc rc, const char *text)
{
	if (error == NULL)
		return;
	error->rc = rc;
	(void)snprintf(error->text, sizeof error->text, "%s", text);
}

struct sp_verifying *
sp_verifying_new(struct sp_auth_provider *provider, const char *resource, struct sp_error *error)
{
	struct sp_verifying *v = calloc(1, sizeof *v);
	struct sp_err e = { 0 };

	(void)sp_provider_take(provider);
	if (v == NULL) {
		say(error, SP_RC_NO_MEMORY, "no memory");
		sp_auth_provider_free(provider);
		return NULL;
	}
	v->provider = provider;
	if (sp_chain_new(provider, resource != NULL ? sp_str(resource) : SP_LIT(""), NULL, &v->chain, &e) == SP_OK)
		return v;
	say(error, e.code == SP_E_FULL ? SP_RC_NO_MEMORY : SP_RC_INVALID, e.log);
	sp_verifying_free(v);
	return NULL;
}

enum sp_rc
sp_verifying_token(struct sp_verifying *v, const char *token, int64_t now_s, struct sp_principal **who, struct sp_error *error)
{
	struct sp_err e = { 0 };
	enum sp_status st;
	enum sp_rc rc;

	*who = NULL;
	st = sp_chain_ask(v->chain, token != NULL ? sp_str(token) : SP_LIT(""), 0, now_s, who, NULL, NULL, NULL, &e);
	if (st == SP_OK)
		return SP_RC_OK;
	rc = st == SP_E_BAD_TOKEN || st == SP_E_SCOPE ? SP_RC_DENIED : SP_RC_UNAVAILABLE;
	say(error, rc, e.log);
	return rc;
}

void
sp_principal_free(struct sp_principal *who)
{
	sp_principal_drop(&who);
}

void
sp_verifying_free(struct sp_verifying *v)
{
	if (v == NULL)
		return;
	sp_chain_free(&v->chain);
	sp_auth_provider_free(v->provider);
	free(v);
}
