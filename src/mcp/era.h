/*
 * Which protocol revision a message speaks and what it asks for (mcp-spec 1.4).  "Modern"
 * is 2026-07-28: every request carries its version and capabilities in _meta, mirrored in
 * headers; the body is the source of truth and a header that differs is an error.  "Legacy"
 * is 2025-11-25 and 2025-06-18, served without sessions.  The era is chosen by _meta or by
 * the version header, never by the method's name, so that nobody can pick the laxer rules
 * for a message that says it is modern.
 */
#ifndef SP_MCP_ERA_H
#define SP_MCP_ERA_H

#include "mcp/rpc.h"
#include "wire/http1.h"

#define SP_MCP_MODERN "2026-07-28"
#define SP_MCP_LEGACY_NEW "2025-11-25"
#define SP_MCP_LEGACY_OLD "2025-06-18"

enum sp_era { SP_ERA_LEGACY = 1, SP_ERA_MODERN = 2 };

enum sp_mcp_method {
	SP_MCP_NONE = 0,	/* nothing to do: 202 */
	SP_MCP_INITIALIZE, SP_MCP_PING, SP_MCP_DISCOVER, SP_MCP_TOOLS_LIST, SP_MCP_TOOLS_CALL
};

struct sp_mcp_ask {
	enum sp_era era;
	enum sp_mcp_method method;
	sp_slice version;	/* the version asked for; empty: none was named */
	sp_slice tool;		/* tools/call */
	sp_jval *args;		/* tools/call: an object, or NULL when absent */
	bool	 has_cursor;	/* tools/list */
	sp_slice cursor;
};

/* Judges one message against the headers it came with, in the order of mcp-spec 1.4:
 * SP_E_META, SP_E_HEADER_MISMATCH, SP_E_VERSION, SP_E_NO_METHOD(_404), SP_E_BAD_PARAMS;
 * SP_E_BAD_RPC for a response in the modern era.  Notifications and legacy responses are
 * SP_MCP_NONE.  out->era and out->version are set in any case. */
SP_MUST enum sp_status sp_mcp_judge(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m,
    struct sp_mcp_ask *out, struct sp_err *e);

/* The value of an Mcp-Name or Mcp-Param header: as it is, or from its base64 form (mcp-spec
 * 1.4 "Value encoding"). False: not decodable, or bytes that had to be encoded.  *out borrows
 * from `value` or lies in `a`. */
SP_MUST bool sp_mcp_value(struct sp_arena *a, sp_slice value, sp_slice *out);

/* The `data` of SP_E_VERSION. */
void sp_mcp_version_data(struct sp_out *o, sp_slice requested);

#endif
