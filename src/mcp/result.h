/*
 * What is answered to clients, as JSON text in one line: envelopes of each era around results and errors that come from
 * elsewhere, the fixed answers, and notifications.  `id` is always JSON text as sp_rpc_read() gives it.
 */
#ifndef SP_MCP_RESULT_H
#define SP_MCP_RESULT_H

#include "mcp/era.h"
#include "policy/decide.h"

enum { SP_MCP_TTL_MS = 60000 };

/* What _meta of a modern result says of us. */
#define SP_MCP_INFO "{\"name\":\"sallyport\",\"title\":\"Sallyport\",\"version\":\"" SP_VERSION "\"}"

/* {"jsonrpc":"2.0","id":…,"result":{ and, in the modern era, resultType and _meta.  *comma says whether a member that
 * follows needs a comma before it. */
void sp_mcp_open(struct sp_out *o, enum sp_era era, sp_slice id, bool *comma);
/* The end of what sp_mcp_open() began. */
#define SP_MCP_CLOSE "}}"

/* ---- the same for a server that is not the gateway: who it says it is. */
struct sp_mcp_self {
	sp_slice info;			/* Implementation, as JSON */
	uint32_t caps;			/* enum sp_mcp_cap */
	sp_slice instructions;		/* text, or empty */
	sp_slice extensions;		/* JSON object, or empty: none */
};
void sp_mcp_open_as(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice info, bool *comma);
void sp_mcp_initialize_as(struct sp_out *o, const struct sp_mcp_self *self, sp_slice id, sp_slice asked);
void sp_mcp_discover_as(struct sp_out *o, const struct sp_mcp_self *self, sp_slice id);
void sp_mcp_empty_as(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice info);
void sp_mcp_listen_end_as(struct sp_out *o, sp_slice id, sp_slice info);

/* ---- fixed answers.  `caps`: enum sp_mcp_cap of what this caller can use; `instructions`: text, or empty. */
void sp_mcp_initialize(struct sp_out *o, sp_slice id, sp_slice asked, uint32_t caps, sp_slice instructions);
void sp_mcp_discover(struct sp_out *o, sp_slice id, uint32_t caps, sp_slice instructions);
/* ping, logging/setLevel, resources/subscribe, resources/unsubscribe. */
void sp_mcp_empty(struct sp_out *o, enum sp_era era, sp_slice id);
/* A CallToolResult with isError and this text. */
void sp_mcp_tool_error(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice text);
/* The answer for a tool, prompt or resource that is not there, or not there for this caller: byte for byte the same.
 * By ask->method; completion answers as its prompt or template would. */
void sp_mcp_unknown(struct sp_out *o, const struct sp_mcp_ask *ask, sp_slice id);

/* ---- what stands before an object that comes from elsewhere */
/* SP_RESULT_TOOL: the caller appends the members of a CallToolResult, i.e. the object without its first '{', and then
 * SP_MCP_END.  The object must not be empty and must not have resultType or _meta. */
void sp_mcp_call_prefix(struct sp_out *o, enum sp_era era, sp_slice id);
/* SP_RESULT_WHOLE, SP_RESULT_ERROR: the object as it is, and then SP_MCP_END. */
void sp_mcp_result_prefix(struct sp_out *o, sp_slice id);
void sp_mcp_error_prefix(struct sp_out *o, sp_slice id);
#define SP_MCP_END "}"

/* ---- subscriptions/listen (modern): `id` is the listen request's, and so the subscriptionId of all that it brings */
/* The first message: what of ask's wishes is served.  `uris`: JSON array of the accepted ones, or empty for none. */
void sp_mcp_listen_ack(struct sp_out *o, sp_slice id, const struct sp_mcp_ask *ask, sp_slice uris);
/* With tasks (extension): JSON array of the accepted ids, or empty for none. */
void sp_mcp_listen_ack_tasks(struct sp_out *o, sp_slice id, const struct sp_mcp_ask *ask, sp_slice uris, sp_slice tasks);
/* The last: the response. */
void sp_mcp_listen_end(struct sp_out *o, sp_slice id);

/* ---- notifications.  `subscription`: the id of the listen request whose stream it goes on; empty in the legacy era.
 * Templates belong to the list of resources.  `params`: a JSON object of sp_translate_note(). */
void sp_mcp_list_changed(struct sp_out *o, enum sp_component_kind kind, sp_slice subscription);
void sp_mcp_updated(struct sp_out *o, sp_slice params, sp_slice subscription);
/* `token`: the client's own progressToken, as JSON text. */
void sp_mcp_progress(struct sp_out *o, sp_slice params, sp_slice token);
void sp_mcp_message(struct sp_out *o, sp_slice params);
/* notifications/tasks of the tasks extension. */
void sp_mcp_task(struct sp_out *o, sp_slice params, sp_slice subscription);

#endif
