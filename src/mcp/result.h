/* Results as JSON text: the envelope of each era, and the fixed answers (initialize,
 * server/discover, ping, tool errors). */
#ifndef SP_MCP_RESULT_H
#define SP_MCP_RESULT_H

#include "mcp/era.h"

enum { SP_MCP_TTL_MS = 60000 };

/* {"jsonrpc":"2.0","id":…,"result":{ and, in the modern era, resultType and _meta.  *comma
 * says whether a member that follows needs a comma before it. */
void sp_mcp_open(struct sp_out *o, enum sp_era era, sp_slice id, bool *comma);
/* The end of what sp_mcp_open() began. */
#define SP_MCP_CLOSE "}}"

void sp_mcp_initialize(struct sp_out *o, sp_slice id, sp_slice asked);
void sp_mcp_discover(struct sp_out *o, sp_slice id);
void sp_mcp_empty(struct sp_out *o, enum sp_era era, sp_slice id);
/* A CallToolResult with isError and this text. */
void sp_mcp_tool_error(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice text);
/* What stands before the members of a CallToolResult object that comes from elsewhere: the
 * caller appends that object without its first '{' and then one '}'.  The object must not be
 * empty and must not have resultType or _meta. */
void sp_mcp_call_prefix(struct sp_out *o, enum sp_era era, sp_slice id);
/* The answer for a tool that is not there, or not there for this caller: byte for byte the same. */
void sp_mcp_unknown_tool(struct sp_out *o, sp_slice id, sp_slice name);

#endif
