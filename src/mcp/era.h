/*
 * Which protocol revision a message speaks and what it asks for (mcp-spec 1.4).  "Modern"
 * is 2026-07-28: every request carries its version and capabilities in _meta, mirrored in
 * headers; the body is the source of truth and a header that differs is an error.  "Legacy"
 * is 2025-11-25 and 2025-06-18.  The era is chosen by _meta or by
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

enum sp_mcp_revision { SP_MCP_2025_06_18 = 1, SP_MCP_2025_11_25, SP_MCP_2026_07_28 };

enum sp_mcp_method {
	SP_MCP_NONE = 0,	/* nothing to do: 202 */
	SP_MCP_INITIALIZE, SP_MCP_PING, SP_MCP_DISCOVER, SP_MCP_TOOLS_LIST, SP_MCP_TOOLS_CALL,
	SP_MCP_RESOURCES_LIST, SP_MCP_TEMPLATES_LIST, SP_MCP_RESOURCES_READ, SP_MCP_SUBSCRIBE, SP_MCP_UNSUBSCRIBE,
	SP_MCP_PROMPTS_LIST, SP_MCP_PROMPTS_GET, SP_MCP_COMPLETE, SP_MCP_SET_LEVEL, SP_MCP_LISTEN,
	SP_MCP_CANCELLED,	/* notifications/cancelled: of the legacy era, or without a head */
	SP_MCP_TASKS_GET, SP_MCP_TASKS_UPDATE, SP_MCP_TASKS_CANCEL,	/* of sp_mcp_judge_own() only */
	SP_MCP_METHODS
};

/* Are its arguments for checks to see? */
static inline bool
sp_mcp_shows_args(enum sp_mcp_method m)
{
	return m == SP_MCP_TOOLS_CALL || m == SP_MCP_PROMPTS_GET;
}

/* What an upstream, or we, can do (ServerCapabilities). */
enum sp_mcp_cap {
	SP_CAP_TOOLS = 1, SP_CAP_RESOURCES = 2, SP_CAP_PROMPTS = 4, SP_CAP_COMPLETIONS = 8, SP_CAP_LOGGING = 16,
	SP_CAP_SUBSCRIBE = 32
};
/* What a client can do (ClientCapabilities); kept in its session. */
enum sp_mcp_client_cap {
	SP_CLIENT_ROOTS = 1, SP_CLIENT_SAMPLING = 2, SP_CLIENT_ELICITATION = 4,
	/* of sp_mcp_judge_own() only: */
	SP_CLIENT_TASKS = 8,		/* extensions has io.modelcontextprotocol/tasks */
	SP_CLIENT_ELICIT_URL = 16,	/* elicitation has url */
	SP_CLIENT_ELICIT_FORM = 32,	/* elicitation has form, or nothing */
	SP_CLIENT_SAMPLE_TOOLS = 64,	/* sampling has tools */
	SP_CLIENT_SAMPLE_CONTEXT = 128	/* sampling has context */
};

struct sp_mcp_ask {
	enum sp_era era;
	enum sp_mcp_method method;
	sp_slice version;	/* the version asked for; empty: none was named */
	sp_slice name;		/* tools/call, prompts/get: name; resources/read, (un)subscribe: uri; complete: of its ref;
				 * tasks/…: taskId */
	bool	 ref_template;	/* complete: the ref is a resource template */
	sp_jval *args;		/* tools/call, prompts/get: `arguments`, an object, or NULL when absent */
	sp_jval *params;	/* the whole of them, or NULL when absent */
	bool	 has_cursor;	/* lists */
	sp_slice cursor;
	uint32_t log_level;	/* modern: what _meta asks for; set_level: the level; 0: none, 1 debug … 8 emergency */
	sp_slice progress;	/* progressToken as JSON text; empty: none */
	sp_slice cancel_id;	/* cancelled: requestId as JSON text */
	uint32_t client_caps;	/* initialize, and every modern request: enum sp_mcp_client_cap */
	bool	 listen_tools, listen_prompts, listen_resources;	/* subscriptions/listen */
	sp_jval *listen_uris;	/* an array of texts, or NULL */
};

/* Judges one message against the headers it came with, in the order of mcp-spec 1.4:
 * SP_E_META, SP_E_HEADER_MISMATCH, SP_E_VERSION, SP_E_NO_METHOD(_404), SP_E_BAD_PARAMS;
 * SP_E_BAD_RPC for a response in the modern era.  Notifications (but SP_MCP_CANCELLED) and
 * legacy responses are SP_MCP_NONE.  out->era and out->version are set in any case.
 * inputResponses and requestState of a modern request are passed over.  What *out holds borrows
 * from m's document and `a`. */
SP_MUST enum sp_status sp_mcp_judge(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m,
    struct sp_mcp_ask *out, struct sp_err *e);
/* The same for a server that answers itself, not for others: methods of the tasks extension and more capabilities of clients
 * are known.  `head` NULL: no headers came with it (stdio); the era is then what _meta says, and cancellation is a
 * notification in both. */
SP_MUST enum sp_status sp_mcp_judge_own(struct sp_arena *a, const struct sp_http_head *head, const struct sp_rpc *m,
    struct sp_mcp_ask *out, struct sp_err *e);

/* The value of an Mcp-Name or Mcp-Param header: as it is, or from its base64 form (mcp-spec
 * 1.4 "Value encoding"). False: not decodable, or bytes that had to be encoded.  *out borrows
 * from `value` or lies in `a`. */
SP_MUST bool sp_mcp_value(struct sp_arena *a, sp_slice value, sp_slice *out);

/* Log levels (mcp-spec 2.3): 1 debug … 8 emergency; 0 and empty: none of them. */
uint32_t sp_mcp_level(sp_slice name);
sp_slice sp_mcp_level_name(uint32_t level);

/* The `data` of SP_E_VERSION. */
void sp_mcp_version_data(struct sp_out *o, sp_slice requested);

#endif
