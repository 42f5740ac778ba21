#include "mcp/result.h"

#define SERVER_INFO "{\"name\":\"sallyport\",\"title\":\"Sallyport\",\"version\":\"" SP_VERSION "\"}"

enum { NAME_SHOWN = 128 };

void
sp_mcp_open(struct sp_out *o, enum sp_era era, sp_slice id, bool *comma)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"id\":");
	sp_out_slice(o, id);
	sp_out_str(o, ",\"result\":{");
	*comma = era == SP_ERA_MODERN;
	if (era == SP_ERA_MODERN)
		sp_out_str(o, "\"resultType\":\"complete\","
		    "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" SERVER_INFO "}");
}

void
sp_mcp_initialize(struct sp_out *o, sp_slice id, sp_slice asked)
{
	bool old = sp_eq(asked, SP_LIT(SP_MCP_LEGACY_OLD)), comma;

	sp_mcp_open(o, SP_ERA_LEGACY, id, &comma);
	sp_out_str(o, "\"protocolVersion\":\"");
	sp_out_str(o, old ? SP_MCP_LEGACY_OLD : SP_MCP_LEGACY_NEW);
	sp_out_str(o, "\",\"capabilities\":{\"tools\":{}},\"serverInfo\":" SERVER_INFO SP_MCP_CLOSE);
}

void
sp_mcp_discover(struct sp_out *o, sp_slice id)
{
	bool comma;

	sp_mcp_open(o, SP_ERA_MODERN, id, &comma);
	sp_out_str(o, ",\"supportedVersions\":[\"" SP_MCP_MODERN "\"],\"capabilities\":{\"tools\":{}},\"ttlMs\":");
	sp_out_u64(o, SP_MCP_TTL_MS);
	sp_out_str(o, ",\"cacheScope\":\"private\"" SP_MCP_CLOSE);
}

void
sp_mcp_empty(struct sp_out *o, enum sp_era era, sp_slice id)
{
	bool comma;

	sp_mcp_open(o, era, id, &comma);
	sp_out_str(o, SP_MCP_CLOSE);
}

void
sp_mcp_call_prefix(struct sp_out *o, enum sp_era era, sp_slice id)
{
	bool comma;

	sp_mcp_open(o, era, id, &comma);
	if (comma)
		sp_out_byte(o, ',');
}

void
sp_mcp_tool_error(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice text)
{
	sp_mcp_call_prefix(o, era, id);
	sp_out_str(o, "\"content\":[{\"type\":\"text\",\"text\":");
	sp_jout_str(o, text);
	sp_out_str(o, "}],\"isError\":true" SP_MCP_CLOSE);
}

/* At most NAME_SHOWN bytes, and never half a character. */
static sp_slice
cut(sp_slice s)
{
	size_t n = s.n;

	if (n <= NAME_SHOWN)
		return s;
	n = NAME_SHOWN;
	while (n > NAME_SHOWN - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return (sp_slice){ s.p, n };
}

void
sp_mcp_unknown_tool(struct sp_out *o, sp_slice id, sp_slice name)
{
	char buf[NAME_SHOWN + 32];
	struct sp_out text;

	sp_out_init(&text, buf, sizeof buf);
	sp_out_str(&text, "Unknown tool: ");
	sp_out_slice(&text, cut(name));
	sp_rpc_error(o, id, SP_E_DENIED, sp_out_view(&text), (sp_slice){ NULL, 0 });
}
