/*
 * Mcp-Param-NAME headers: arguments that a tool's schema marks with x-mcp-header are
 * mirrored in headers, and a header that differs from the body is an error (mcp-spec 1.4).
 * Nothing is ever decided by such a header.
 */
#ifndef SP_MCP_PARAMS_H
#define SP_MCP_PARAMS_H

#include "wire/http1.h"
#include "wire/json.h"

enum { SP_PARAM_DEPTH = 8, SP_PARAM_HEADERS = 64, SP_PARAM_NAME = 64 };

struct sp_param_header {
	sp_slice header;			/* Mcp-Param-Region */
	sp_slice path[SP_PARAM_DEPTH];
	unsigned depth;
};

struct sp_param_headers {
	struct sp_param_header *v;
	unsigned n;
};

/* The marks of one input schema; none when it has none or cannot be read.  Marks the
 * specification calls invalid are left out (clients drop such a tool).  Memory from `a`, which
 * must outlive *out. */
SP_MUST enum sp_status sp_params_read(struct sp_arena *a, sp_slice schema, struct sp_param_headers *out);
/* The same of a foreign tool, which marks that are not valid make unusable (mcp-spec 1.4): SP_E_REFUSED, e->log says why;
 * SP_E_FULL: no room in `a`.  Nothing of *out points into the schema. */
SP_MUST enum sp_status sp_params_judge(struct sp_arena *a, sp_jval *schema, struct sp_param_headers *out, struct sp_err *e);
/* SP_E_HEADER_MISMATCH: missing, sent twice, undecodable, or other than the argument. */
SP_MUST enum sp_status sp_params_check(struct sp_arena *a, const struct sp_param_headers *p,
    const struct sp_http_head *head, sp_jval *args, struct sp_err *e);

#endif
