/*
 * JSON-RPC towards an upstream MCP server: what we ask and what it says (mcp-spec 1.1, 1.4).  Pure.  Every byte of an
 * answer is foreign.  Our ids are whole numbers, and the token of a request's progress is its id, so that whatever comes
 * back is either of a request of ours or of nobody's (threat row O16).
 */
#ifndef SP_EGRESS_MCP_MSG_H
#define SP_EGRESS_MCP_MSG_H

#include "mcp/catalog.h"
#include "mcp/era.h"
#include "openapi/bind.h"

enum {
	SP_UPMSG_BATCH = 64,		/* messages in one array (2025-03-26 has them) */
	SP_UPMSG_SESSION = 512,		/* bytes of the upstream's session id */
	SP_UPMSG_FIELDS = SP_PARAM_HEADERS + 8
};

/* --- reading */

enum sp_upmsg_kind { SP_UPMSG_RESULT = 1, SP_UPMSG_ERROR, SP_UPMSG_NOTE, SP_UPMSG_REQUEST };

struct sp_upmsg {
	enum sp_upmsg_kind kind;
	bool	 has_id;		/* answers: a whole number of ours; requests: any */
	uint64_t id;			/* of an answer */
	sp_jval *id_val;		/* of a request: text or number, to be echoed */
	sp_slice method;		/* of notifications and requests */
	sp_jval *body;			/* result; error object; params, an object or NULL */
};

/* SP_E_BAD_RPC: not one JSON-RPC 2.0 message (e->log says what is wrong). */
SP_MUST enum sp_status sp_upmsg_read(sp_jval *root, struct sp_upmsg *out, struct sp_err *e);
/* The code of an error object; 0 when it has none. */
int64_t sp_upmsg_code(sp_jval *error);
/* params.progressToken is this number? */
SP_MUST bool sp_upmsg_is_token(sp_jval *params, uint64_t id);

/* What initialize or server/discover said.  Texts borrow from `result`. */
struct sp_upmsg_server {
	sp_slice version;		/* initialize: the one it chose */
	bool	 modern, legacy;	/* discover: what its supportedVersions name of ours */
	uint32_t caps;			/* enum sp_mcp_cap */
	sp_slice instructions;
};
SP_MUST bool sp_upmsg_initialized(sp_jval *result, struct sp_upmsg_server *out);
SP_MUST bool sp_upmsg_discovered(sp_jval *result, struct sp_upmsg_server *out);
/* data.supported of an error, or supportedVersions of a result. */
void sp_upmsg_versions(sp_jval *list, bool *modern, bool *legacy);

/* --- writing */

struct sp_upmsg_head {
	uint64_t id;			/* 0: a notification */
	sp_slice method;
	enum sp_era era;
	uint32_t log_level;		/* modern only; 0: none */
	bool	 progress;
};
/* {"jsonrpc":"2.0",…,"params":{   then members, each begun by sp_upmsg_key(), then sp_upmsg_close(). */
void sp_upmsg_open(struct sp_out *o, const struct sp_upmsg_head *h);
void sp_upmsg_key(struct sp_out *o, const char *key);
void sp_upmsg_close(struct sp_out *o, const struct sp_upmsg_head *h);
void sp_upmsg_initialize(struct sp_out *o, uint64_t id);
/* The answer to a request of the server: {} for a ping, else that there is no such thing here. */
void sp_upmsg_reply(struct sp_out *o, const struct sp_upmsg *request);

/* A value as it may stand in Mcp-Name and Mcp-Param-* (mcp-spec 1.4 "Value encoding"); {NULL,0}: no memory. */
sp_slice sp_upmsg_value(struct sp_arena *a, sp_slice text);
/* The marked arguments as header fields, appended to f[*n], at most SP_UPMSG_FIELDS of them.  False: no memory. */
SP_MUST bool sp_upmsg_params(struct sp_arena *a, const struct sp_param_headers *p, sp_jval *args,
    struct sp_bind_field *f, uint32_t *n);
/* May it be sent back in a header: visible ASCII, not too long? */
SP_MUST bool sp_upmsg_session_ok(sp_slice id);

#endif
