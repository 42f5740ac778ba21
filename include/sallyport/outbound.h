/*
 * What stands behind, and the credentials for it.  A grant is a secret and where it may go: one origin, a path below it,
 * methods.  A handler names the grant and never holds the value: it is read into locked memory when the server starts,
 * written into a request as the last step, and taken out of answers.  Addresses are judged before a connection is made.
 * Grants and documents are declared before the server begins, a grant before the document that names it; a server that is
 * fed by hand (sp_bytes) has no loop for them and does not start with any.
 */
#ifndef SALLYPORT_OUTBOUND_H
#define SALLYPORT_OUTBOUND_H

#include <sallyport/auth.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sp_server;
struct sp_context;

struct sp_grant_options {
	size_t	    size;
	const char *name;			/* [a-z][a-z0-9-]{0,31} */
	const char *secret;			/* env:NAME (taken out of our environment) or file:PATH (refused if others can read it) */
	const char *url;			/* https://host[:port][/path-prefix]; http only on loopback.  A host written here may be private */
	const char *as;				/* "bearer" (default), "basic", "header NAME", "query NAME", "cookie NAME", with an optional
						 * template: "header Authorization token {}" */
	const char *const *methods;		/* default: any */
};
/* A secret, and where it may go; the options are read and copied. */
#define sp_grant(server, ...) sp_grant_add((server), &(const struct sp_grant_options){ \
	.size = sizeof(struct sp_grant_options), __VA_ARGS__ })
SP_API void sp_grant_add(struct sp_server *server, const struct sp_grant_options *options);

/* ---- OpenAPI */

struct sp_secret_for { const char *scheme, *grant; };	/* security scheme of the document, name of a grant */
struct sp_openapi_provider_options {
	size_t	    size;
	const char *name;			/* prefix of its tools, NAME_operation; NULL: none */
	const char *document;			/* path of an OpenAPI 2.0, 3.0 or 3.1 document, YAML or JSON */
	const char *url;			/* base of the API; default: the document's first server */
	const struct sp_secret_for *secrets;	/* the last one has no scheme */
	/* Who may call what: GET and HEAD; everything else.  NULL: those operations are no tools. */
	struct sp_auth_check *read, *write;
	unsigned    timeout_s;			/* 60 */
};
/* Mounts every operation as a tool.  Its handler runs on the server's thread and waits for nothing. */
#define sp_openapi_provider(server, ...) sp_openapi_mount((server), &(const struct sp_openapi_provider_options){ \
	.size = sizeof(struct sp_openapi_provider_options), __VA_ARGS__ })
SP_API void sp_openapi_mount(struct sp_server *server, const struct sp_openapi_provider_options *options);

/* ---- requests of handlers */

struct sp_header_field { const char *name, *value; };
struct sp_client_request_options {
	size_t	    size;
	const char *method;			/* "GET" */
	const char *path;			/* below the grant's url; begins with '/', already percent-encoded */
	const struct sp_header_field *headers;		/* the last one has no name; none that the credential or the connection owns */
	const char *content_type;
	const void *body;
	size_t	    body_size;
	unsigned    timeout_s;			/* 30 */
	size_t	    max_answer;			/* bytes; 8 MB, at most 64 MB */
};
struct sp_client_response {
	unsigned    status;
	const char *content_type;		/* or "" */
	const char *body;			/* ends in NUL */
	size_t	    body_size;
	char	    error[200];			/* of a failure */
};
/*
 * One request with the credential of this grant; no redirect is followed.  In a worker it waits for the answer, and *response
 * lives as long as ctx.  On the server's thread it is SP_RC_INVALID: use sp_client_start().
 * SP_RC_DENIED: path or method is not what was granted; SP_RC_UNAVAILABLE: no answer (error says whether it was sent).
 */
#define sp_client_request(ctx, grant, response, ...) sp_client_ask((ctx), (grant), &(const struct sp_client_request_options){ \
	.size = sizeof(struct sp_client_request_options), __VA_ARGS__ }, (response))
SP_API SP_CHECKED enum sp_rc sp_client_ask(struct sp_context *ctx, const char *grant,
    const struct sp_client_request_options *options, struct sp_client_response *response);
/* The same without waiting, for deferred calls: `done` comes on the server's thread, exactly once unless this fails; the
 * response lives during it.  ctx must not be released before. */
typedef void (*sp_client_done)(struct sp_context *ctx, enum sp_rc rc, const struct sp_client_response *response, void *arg);
SP_API SP_CHECKED enum sp_rc sp_client_start(struct sp_context *ctx, const char *grant,
    const struct sp_client_request_options *options, sp_client_done done, void *arg);

#ifdef __cplusplus
}
#endif

#endif
