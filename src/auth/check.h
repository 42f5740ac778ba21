/* Checks of <sallyport/auth.h>, from inside. */
#ifndef SP_AUTH_CHECK_H
#define SP_AUTH_CHECK_H

#include <sallyport/auth.h>
#include <sallyport/pieces.h>

#include "base/err.h"
#include "base/out.h"
#include "oauth/principal.h"

struct sp_auth_context {
	const struct sp_principal *who;
	bool	 signed_in;			/* false: a credential could still be had (401), or nobody needs one */
	enum sp_component_type kind;
	const char *name;
	const char *const *tags;
	const char *arguments;			/* NULL: a list */
	enum sp_transport transport;
	const char *peer, *token;
	/* What a check says beside its verdict. */
	char	 text[256];			/* REFUSE: for the caller; else why, for the operator */
	char	 scopes[512];			/* all that are wanted, held or not; space separated, each once */
};

/* Whoever is given a check (a component, a server, a check around it) takes it, and frees it once.  What is given away twice
 * is freed with the last of them, and is a mistake for sp_check_judge().  NULL-safe, returns c. */
struct sp_auth_check *sp_check_take(struct sp_auth_check *c);
/* One more that may be given away; each calls sp_auth_check_free().  Returns c. */
struct sp_auth_check *sp_check_hold(struct sp_auth_check *c);
/* Allows anonymous callers? (SP_ANYONE, checks of one's own, or any_of with one.)  Then no 401 is answered before asking it.
 * Both are asked of every caller: the server's (NULL: it has none) and the component's.  sp_restrict_tag_scopes() opens
 * nothing to anybody, but closes nothing either. */
bool sp_checks_need_nobody(const struct sp_auth_check *server, const struct sp_auth_check *component);
static inline bool
sp_check_needs_nobody(const struct sp_auth_check *c)
{
	return sp_checks_need_nobody(NULL, c);
}
/* Asks; NULL denies.  a->text and a->scopes are set as the verdict says. */
enum sp_auth_verdict sp_check_ask(const struct sp_auth_check *c, struct sp_auth_context *a);
/* Is the form right: names that are not empty, no NULL parts, nothing that was given away twice?  SP_E_CONFIG says what is
 * wrong.  To be asked after everything was put together: what is shared shows only then. */
SP_MUST enum sp_status sp_check_judge(const struct sp_auth_check *c, struct sp_err *e);
/* Every scope that it names, for metadata. */
void sp_check_scopes(const struct sp_auth_check *c, void (*each)(void *ctx, const char *scope), void *ctx);

#endif
