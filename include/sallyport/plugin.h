/*
 * A check of one's own for the gateway program: a shared object that sallyport.yaml names.
 *
 *	checks: {office-hours: checks/office_hours.so}
 *	rules: [{allow: dns, check: office-hours}]
 *
 * It is compiled with this header alone and linked with nothing: cc -shared -fPIC -o office_hours.so office_hours.c.  The
 * functions that it calls are those of <sallyport/auth.h> about a context and a principal; the program has them.
 *
 * It runs in a process of its own without network, files, processes and threads; what it needs it must hold in itself.  A
 * check must answer at once: after 2 seconds the call is denied and the process is ended.  Claims other than scopes and tags
 * stay with the program (sp_principal_claims() is NULL), and so does the raw token (sp_auth_context_token() is NULL).
 * Scopes and tags are those that sallyport.yaml mentions.
 *
 * For a list every check is asked once, not for each component: sp_auth_context_name() and sp_auth_context_server() are ""
 * then, and sp_auth_context_arguments() is NULL.  Who is let through sees the components that demand this check.
 */
#ifndef SALLYPORT_PLUGIN_H
#define SALLYPORT_PLUGIN_H

#include <sallyport/auth.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What this header and the program must agree on. */
#define SALLYPORT_PLUGIN_ABI 1

/* Once in every plug-in, outside of functions. */
#define SALLYPORT_PLUGIN SP_API const uint32_t sallyport_plugin_abi = SALLYPORT_PLUGIN_ABI
SP_API extern const uint32_t sallyport_plugin_abi;

/* The check.  `auth` lives during the call. */
SP_API enum sp_auth_verdict sallyport_check(struct sp_auth_context *auth);

/* The server that has the component, as sallyport.yaml calls it.  For plug-ins only. */
SP_API const char *sp_auth_context_server(const struct sp_auth_context *auth);

#ifdef __cplusplus
}
#endif

#endif
