/*
 * Tool arguments to an outbound request, without credentials.  The bytes of the request target are built under
 * the server's base path only; a value can never leave its slot (threat rows M01-M07, K20).
 */
#ifndef SP_OPENAPI_BIND_H
#define SP_OPENAPI_BIND_H

#include "image/image.h"
#include "wire/json.h"

struct sp_request {			/* all slices in the arena given to sp_bind */
	unsigned method;		/* enum sp_method */
	sp_slice target;		/* path and query: /api/v1/zones/a.test.?x=1 */
	struct sp_bind_field { sp_slice name, value; } *fields; uint32_t nfields;	/* from header parameters and Accept, Content-Type */
	sp_slice cookies;		/* from cookie parameters: a=1; b=2 */
	sp_slice body; bool has_body;
};

/* `args` was checked against the tool's schema.  SP_E_BAD_PARAMS with e->pub for the caller: a value whose decoded form is
 * empty, "." or ".." in a path, CR, LF or NUL in a header, …  SP_E_TOO_BIG: over the arena. */
SP_MUST enum sp_status sp_bind(struct sp_arena *a, const struct sp_image *img, const struct sp_img_tool *tool,
    sp_jval *args, struct sp_request *out, struct sp_err *e);

#endif
