/*
 * Who may see and call what.  A check is a small tree, made by the functions below and handed to a component (or to the
 * whole server), which then owns it; the same check decides lists, calls, reads, prompts, completions, subscriptions and
 * tasks.  Everything is closed: a component without a check is refused when the server starts, with its name.  Checks of
 * one's own that fail, or have nothing to say, deny.
 *
 * A check allows; or denies, and then the component does not exist for this caller; or refuses with a text that the caller
 * may read (an error of the tool); or says which scopes it wants (HTTP 403 insufficient_scope, so that clients can ask
 * for them).  Callers without a credential get 401 and the challenge for everything that a credential could open.
 */
#ifndef SALLYPORT_AUTH_H
#define SALLYPORT_AUTH_H

#include <sallyport/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_auth_check;
struct sp_auth_context;
struct sp_principal;

/* ---- who calls */

/* NULL-safe: of nobody, texts are NULL and questions false. */
SP_API const char *sp_principal_subject(const struct sp_principal *who);
SP_API const char *sp_principal_issuer(const struct sp_principal *who);
SP_API const char *sp_principal_client_id(const struct sp_principal *who);
/* The name of the provider that accepted the credential. */
SP_API const char *sp_principal_source(const struct sp_principal *who);
SP_API bool sp_principal_has_scope(const struct sp_principal *who, const char *scope);
SP_API bool sp_principal_has_tag(const struct sp_principal *who, const char *tag);
/* The i-th of them, or NULL: there are no more. */
SP_API const char *sp_principal_scope(const struct sp_principal *who, size_t i);
SP_API const char *sp_principal_tag(const struct sp_principal *who, size_t i);
/* All verified claims as one JSON object; NULL: the source has none. */
SP_API const char *sp_principal_claims(const struct sp_principal *who);
/* One claim by its dotted path ("realm_access.roles"): text as it is, anything else as JSON text.  False: absent, or over `cap`. */
SP_API SP_CHECKED bool sp_principal_claim(const struct sp_principal *who, const char *path, char *buf, size_t cap);
/* Unix time from which the credential is refused; INT64_MAX: never. */
SP_API int64_t sp_principal_expires_at(const struct sp_principal *who);

/* ---- the two remedies for a component without a check */

/* Everybody with a credential that a provider accepted. */
#define SP_SIGNED_IN (sp_signed_in())
/* Everybody, credential or not. */
#define SP_ANYONE (sp_anyone())
SP_API struct sp_auth_check *sp_signed_in(void);
SP_API struct sp_auth_check *sp_anyone(void);

/* ---- demands
 * The forms with ... take what is written there, one by one: a NULL among them is a mistake and denies.  Those with _list
 * take a list that ends in NULL. */

#define SP_COUNTED(...) (sizeof(SP_LIST(__VA_ARGS__)) / sizeof(const char *) - 1), SP_LIST(__VA_ARGS__)

/* All of these scopes.  None of them (SP_NONE as the list): like SP_SIGNED_IN. */
#define sp_require_scopes(...) sp_require_scopes_n(SP_COUNTED(__VA_ARGS__))
SP_API struct sp_auth_check *sp_require_scopes_n(size_t n, const char *const *scopes);
SP_API struct sp_auth_check *sp_require_scopes_list(const char *const *scopes);
/* The caller bears this tag.  Never names a scope. */
SP_API struct sp_auth_check *sp_restrict_tag(const char *tag);
/* FastMCP's restrict_tag: where the *component* bears this tag, its callers need these scopes; elsewhere it allows. */
#define sp_restrict_tag_scopes(tag, ...) sp_restrict_tag_scopes_n((tag), SP_COUNTED(__VA_ARGS__))
SP_API struct sp_auth_check *sp_restrict_tag_scopes_n(const char *tag, size_t n, const char *const *scopes);
SP_API struct sp_auth_check *sp_restrict_tag_scopes_list(const char *tag, const char *const *scopes);
/* All of these are among the caller's roles: the claim at `path` (default "roles"), a list of texts or one text.  Never
 * names a scope; a claim of another form denies. */
#define sp_require_roles(...) sp_require_roles_n("roles", SP_COUNTED(__VA_ARGS__))
SP_API struct sp_auth_check *sp_require_roles_n(const char *path, size_t n, const char *const *roles);
SP_API struct sp_auth_check *sp_require_roles_at(const char *path, const char *const *roles);

/* ---- combinations; each owns its parts */

#define SP_CHECKS(...) ((struct sp_auth_check *const[]){ __VA_ARGS__, NULL })
#define SP_CHECKS_COUNTED(...) \
	(sizeof(SP_CHECKS(__VA_ARGS__)) / sizeof(struct sp_auth_check *) - 1), SP_CHECKS(__VA_ARGS__)
/* Asked in order; the first that does not allow decides, but a plain denial of any wins over missing scopes; then all that are wanted are
 * named together. */
#define sp_all_of(...) sp_all_of_n(SP_CHECKS_COUNTED(__VA_ARGS__))
SP_API struct sp_auth_check *sp_all_of_n(size_t n, struct sp_auth_check *const *checks);
SP_API struct sp_auth_check *sp_all_of_list(struct sp_auth_check *const *checks);
/* Asked in order until one allows; else the first that lacks only scopes, else a refusal with a text, else denied. */
#define sp_any_of(...) sp_any_of_n(SP_CHECKS_COUNTED(__VA_ARGS__))
SP_API struct sp_auth_check *sp_any_of_n(size_t n, struct sp_auth_check *const *checks);
SP_API struct sp_auth_check *sp_any_of_list(struct sp_auth_check *const *checks);
/* Allows whom the check plainly denies or who lacks its scopes.  A check that failed denies here too.  Callers without a
 * credential have nothing that could be looked for: they are denied, unless the check is made of SP_SIGNED_IN, SP_ANYONE
 * and checks of one's own. */
SP_API struct sp_auth_check *sp_not(struct sp_auth_check *check);

/* ---- checks of one's own */

enum sp_auth_verdict {
	SP_VERDICT_DENY = 0,		/* the component does not exist for this caller */
	SP_VERDICT_ALLOW,
	SP_VERDICT_REFUSE,		/* what sp_authorization_error() returns */
	SP_VERDICT_SCOPES,		/* what sp_auth_needs_scopes() returns */
	SP_VERDICT_FAILED		/* it could not decide: denies, and is logged */
};
/* `auth` lives during the call.  Runs on the server's thread: it must not wait for anything. */
typedef enum sp_auth_verdict (*sp_auth_check_fn)(struct sp_auth_context *auth, void *arg);
/* `name` stands in the log and in errors. */
SP_API struct sp_auth_check *sp_auth_check(const char *name, sp_auth_check_fn fn, void *arg);

/* Denies with a text that the caller may read. */
SP_API enum sp_auth_verdict sp_authorization_error(struct sp_auth_context *auth, const char *text);
/* Denies until the caller has these scopes; without a principal it only denies. */
#define sp_auth_needs_scopes(auth, ...) sp_auth_needs_scopes_n((auth), SP_COUNTED(__VA_ARGS__))
SP_API enum sp_auth_verdict sp_auth_needs_scopes_n(struct sp_auth_context *auth, size_t n, const char *const *scopes);
SP_API enum sp_auth_verdict sp_auth_needs_scopes_list(struct sp_auth_context *auth, const char *const *scopes);

enum sp_component_type { SP_COMPONENT_IS_TOOL = 1, SP_COMPONENT_IS_RESOURCE, SP_COMPONENT_IS_TEMPLATE, SP_COMPONENT_IS_PROMPT };
enum sp_transport { SP_TRANSPORT_HTTP = 1, SP_TRANSPORT_STDIO, SP_TRANSPORT_BYTES };

/* NULL: no provider, or no credential and anonymous callers. */
SP_API const struct sp_principal *sp_auth_context_principal(const struct sp_auth_context *auth);
SP_API enum sp_component_type sp_auth_context_kind(const struct sp_auth_context *auth);
/* The name of the tool or prompt, the URI of the resource, the uriTemplate of the template. */
SP_API const char *sp_auth_context_name(const struct sp_auth_context *auth);
SP_API bool sp_auth_context_has_tag(const struct sp_auth_context *auth, const char *tag);	/* the component */
/* The arguments as a JSON object; NULL while a list is made. */
SP_API const char *sp_auth_context_arguments(const struct sp_auth_context *auth);
SP_API enum sp_transport sp_auth_context_transport(const struct sp_auth_context *auth);
/* The client's address as text, "uid 1000" on a Unix socket, or NULL. */
SP_API const char *sp_auth_context_peer(const struct sp_auth_context *auth);
/* The raw credential (RFC 6750), verified or not; NULL: none was sent.  Copy it nowhere. */
SP_API const char *sp_auth_context_token(const struct sp_auth_context *auth);
/* Are two secrets the same?  The time depends on the first one's length only. */
SP_API SP_CHECKED bool sp_same_secret(const char *expected, const char *given);

/* For checks that were given to nobody. */
SP_API void sp_auth_check_free(struct sp_auth_check *check);

#ifdef __cplusplus
}
#endif

#endif
