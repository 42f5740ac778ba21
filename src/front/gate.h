/*
 * What is judged before a body is read, in this order: Host, Origin, path, credential, HTTP
 * method, media types. Pure: a head and the image in, a status out.
 */
#ifndef SP_FRONT_GATE_H
#define SP_FRONT_GATE_H

#include "image/image.h"
#include "wire/http1.h"

enum sp_where { SP_AT_MCP = 1, SP_AT_METADATA };

/* SP_E_MISDIRECTED, SP_E_ORIGIN, SP_E_NOT_FOUND.  Paths are compared byte for byte, never
 * decoded or normalised. */
SP_MUST enum sp_status sp_gate_where(const struct sp_image *img, const struct sp_http_head *head, enum sp_where *out,
    struct sp_err *e);
/* SP_OK and a token; SP_E_NO_TOKEN: none (*offered: some other credential was);
 * SP_E_BAD_REQUEST: several, or malformed. */
SP_MUST enum sp_status sp_gate_token(const struct sp_http_head *head, sp_slice *token, bool *offered,
    struct sp_err *e);
/* SP_E_METHOD, SP_E_MEDIA, SP_E_ACCEPT. */
SP_MUST enum sp_status sp_gate_post(const struct sp_http_head *head, struct sp_err *e);

#endif
