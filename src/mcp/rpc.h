/*
 * One JSON-RPC 2.0 message: what a POST body holds (mcp-spec 1.1).  Pure: a parsed document
 * in, slices out. The id is kept as JSON text, so that an answer echoes exactly what was
 * asked with.
 */
#ifndef SP_MCP_RPC_H
#define SP_MCP_RPC_H

#include "wire/json.h"

enum { SP_RPC_ID_MAX = 256, SP_RPC_METHOD_MAX = 128 };

enum sp_rpc_kind { SP_RPC_REQUEST = 1, SP_RPC_NOTIFICATION, SP_RPC_RESPONSE };

struct sp_rpc {
	enum sp_rpc_kind kind;
	sp_slice id;			/* JSON text; empty: none, or it could not be read */
	sp_slice method;
	sp_jval *params;		/* an object, or NULL when absent */
};

/* SP_E_BAD_RPC: a batch, or not one JSON-RPC 2.0 message.  out->id is set even then, if it was
 * readable, because an error answer must carry it; the rest of *out is only set with SP_OK. */
SP_MUST enum sp_status sp_rpc_read(struct sp_arena *a, sp_jval *root, struct sp_rpc *out, struct sp_err *e);

/* The JSON text of what names a request (an id, a progressToken): a string of at most SP_RPC_ID_MAX bytes or an integer.
 * False: NULL, something else, or no room in `a`. */
SP_MUST bool sp_rpc_token(struct sp_arena *a, sp_jval *v, sp_slice *out);

/* {"jsonrpc":"2.0","id":…,"error":{…}}: the code is that of the status.  `id` empty: no id
 * member.  `message` empty: the status's text.  `data`: JSON text, or empty. */
void sp_rpc_error(struct sp_out *o, sp_slice id, enum sp_status st, sp_slice message, sp_slice data);

#endif
