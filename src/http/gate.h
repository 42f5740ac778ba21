/*
 * What is judged before a body is read, in this order: Host, Origin, path, credential, HTTP
 * method, media types. Pure: a head and the image in, a status out.
 */
#ifndef SP_HTTP_GATE_H
#define SP_HTTP_GATE_H

#include "image/image.h"
#include "oauth/verifier.h"
#include "wire/http1.h"

enum sp_where { SP_AT_MCP = 1, SP_AT_METADATA, SP_AT_HEALTH };

/* SP_E_MISDIRECTED, SP_E_ORIGIN, SP_E_NOT_FOUND.  Paths are compared byte for byte, never
 * decoded or normalised.  *resource: the one that is asked, or whose metadata is asked for. */
SP_MUST enum sp_status sp_gate_where(const struct sp_image *img, const struct sp_http_head *head, enum sp_where *out,
    uint32_t *resource, struct sp_err *e);
/* SP_OK and a token; SP_E_NO_TOKEN: none (*offered: some other credential was);
 * SP_E_BAD_REQUEST: several, or malformed. */
SP_MUST enum sp_status sp_gate_token(const struct sp_http_head *head, sp_slice *token, bool *offered,
    struct sp_err *e);
/* A token in a header that a source has for itself.  SP_OK: *source says whose; SP_E_NO_TOKEN: none; SP_E_BAD_REQUEST: more
 * than one credential, or an empty one. */
SP_MUST enum sp_status sp_gate_own(const struct sp_verifier *v, const struct sp_http_head *head, sp_slice *token,
    uint32_t *source, struct sp_err *e);
/* Does Accept allow an event stream?  Without Accept: no, because we would answer JSON. */
SP_MUST bool sp_gate_takes_events(const struct sp_http_head *head);
/* Does it speak of the era without sessions, which passes over what the other era says of them? (mcp-spec 1.4) */
SP_MUST bool sp_gate_is_modern(const struct sp_http_head *head);
/* Method and what belongs to it: GET and DELETE need a session of the 2025 era; all else is sp_gate_post(). */
SP_MUST enum sp_status sp_gate_method(const struct sp_http_head *head, bool has_session, struct sp_err *e);
sp_slice sp_gate_allow(const struct sp_http_head *head);	/* for the answer to SP_E_METHOD */
/* SP_E_METHOD, SP_E_MEDIA, SP_E_ACCEPT. */
SP_MUST enum sp_status sp_gate_post(const struct sp_http_head *head, struct sp_err *e);

#endif
