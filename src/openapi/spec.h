/*
 * OpenAPI 3.0, 3.1 and Swagger 2.0 documents (JSON or YAML) to tools.  Local references only, cycle-safe, bounded.
 * Used by loader alone; what it makes is plain data that loader puts into the image.
 */
#ifndef SP_OPENAPI_SPEC_H
#define SP_OPENAPI_SPEC_H

#include "base/arena.h"
#include "image/image.h"
#include "wire/json.h"

struct sp_spec_scheme {			/* a usable security scheme */
	sp_slice name;			/* its key in the document */
	enum sp_place place;
	sp_slice field;			/* header, query or cookie name; Authorization for http schemes */
	bool	 bearer, basic;		/* http bearer / basic; oauth2 and openIdConnect are sent as bearer tokens */
	bool	 usable;		/* false: the document does not say how it is sent, or it is no text that could be */
	const char *kind;		/* what the document calls it, for messages: "http digest", "mutualTLS", … */
};

struct sp_spec_param {
	sp_slice arg, wire;
	enum sp_param_in in;
	enum sp_param_style style;
	bool required, explode, reserved;
	uint32_t type;			/* enum sp_json_type bits */
};

struct sp_spec_part {			/* a member of a form or multipart body that is not sent in the plainest way */
	sp_slice name, media;
	enum sp_part_kind kind;
	enum sp_param_style style;
	bool explode;
};

struct sp_spec_op {
	unsigned method;		/* enum sp_method of wire/http1.h */
	sp_slice path;			/* template */
	sp_slice name;			/* tool name: [A-Za-z0-9_.-], unique in the document */
	sp_slice title, description;	/* cleaned text */
	sp_slice *tags; uint32_t ntags;
	struct sp_spec_param *params; uint32_t nparams;
	enum sp_body_kind body; sp_slice body_arg, media; bool body_required;
	enum sp_body_encode encode;
	struct sp_spec_part *parts; uint32_t nparts;
	sp_slice server;		/* base URL of its own, absolute or a path; empty: the document's */
	sp_slice schema;		/* inputSchema, JSON text, self-contained ($defs) */
	sp_slice output;		/* outputSchema, JSON text, or empty: names only, since no upstream keeps to more */
	enum sp_op_result result;
	/* security: alternatives of schemes; noptions == 0: none needed.  options[i] holds nneed[i] indices into spec->schemes;
	 * nneed[i] == 0: nothing is needed, though something may be sent. */
	uint32_t noptions; uint32_t **options; uint32_t *nneed;
	/* Not empty: why this operation is no tool; then only method, path and name are set, and for a path item that
	 * could not be read at all method is 0 and name empty. */
	sp_slice skipped;
};

struct sp_spec {
	struct sp_spec_scheme *schemes; uint32_t nschemes;
	struct sp_spec_op *ops; uint32_t nops;
	sp_slice base_url;		/* the document's first server, or empty; Swagger: schemes+host+basePath */
	sp_slice title, version;
	unsigned dialect;		/* 20, 30, 31 */
};

/* All memory from `a`, which must outlive *out; `text` too.  SP_E_CONFIG: what and where (JSON pointer). */
SP_MUST enum sp_status sp_spec_read(struct sp_arena *a, sp_slice text, struct sp_spec *out, struct sp_err *e);
/* The Tool object for tools/list: name = shown, title, description, inputSchema, annotations
 * {readOnlyHint, destructiveHint, idempotentHint}, outputSchema. */
void sp_spec_tool_json(struct sp_out *o, const struct sp_spec_op *op, sp_slice shown);

#endif
