#include "mcp/result.h"

#define META_INFO "\"io.modelcontextprotocol/serverInfo\":"
#define SUBSCRIPTION "\"io.modelcontextprotocol/subscriptionId\":"

enum { NAME_SHOWN = 128, URI_SHOWN = 4096 };

static void
open_result(struct sp_out *o, sp_slice id)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"id\":");
	sp_out_slice(o, id);
	sp_out_str(o, ",\"result\":");
}

void
sp_mcp_open_as(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice info, bool *comma)
{
	open_result(o, id);
	sp_out_byte(o, '{');
	*comma = era == SP_ERA_MODERN;
	if (era != SP_ERA_MODERN)
		return;
	sp_out_str(o, "\"resultType\":\"complete\",\"_meta\":{" META_INFO);
	sp_out_slice(o, info);
	sp_out_byte(o, '}');
}

void
sp_mcp_open(struct sp_out *o, enum sp_era era, sp_slice id, bool *comma)
{
	sp_mcp_open_as(o, era, id, SP_LIT(SP_MCP_INFO), comma);
}

/* ---- initialize and discover */

static void
capabilities(struct sp_out *o, uint32_t caps, sp_slice extensions)
{
	static const struct { uint32_t cap; const char *text; } rows[] = {
		{ SP_CAP_TOOLS, "\"tools\":{\"listChanged\":true}" },
		{ SP_CAP_PROMPTS, "\"prompts\":{\"listChanged\":true}" },
		{ SP_CAP_COMPLETIONS, "\"completions\":{}" },
		{ SP_CAP_LOGGING, "\"logging\":{}" },
	};
	const char *sep = "";

	sp_out_str(o, "\"capabilities\":{");
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		if ((caps & rows[i].cap) == 0)
			continue;
		sp_out_str(o, sep);
		sp_out_str(o, rows[i].text);
		sep = ",";
	}
	if ((caps & SP_CAP_RESOURCES) != 0) {
		sp_out_str(o, sep);
		sp_out_str(o, "\"resources\":{\"listChanged\":true");
		sp_out_str(o, (caps & SP_CAP_SUBSCRIBE) != 0 ? ",\"subscribe\":true}" : "}");
		sep = ",";
	}
	if (extensions.n != 0) {
		sp_out_str(o, sep);
		sp_out_str(o, "\"extensions\":");
		sp_out_slice(o, extensions);
	}
	sp_out_byte(o, '}');
}

static void
add_instructions(struct sp_out *o, sp_slice text)
{
	if (text.n == 0)
		return;
	sp_out_str(o, ",\"instructions\":");
	sp_jout_str(o, text);
}

void
sp_mcp_initialize_as(struct sp_out *o, const struct sp_mcp_self *self, sp_slice id, sp_slice asked)
{
	bool old = sp_eq(asked, SP_LIT(SP_MCP_LEGACY_OLD)), comma;

	sp_mcp_open(o, SP_ERA_LEGACY, id, &comma);
	sp_out_str(o, "\"protocolVersion\":\"");
	sp_out_str(o, old ? SP_MCP_LEGACY_OLD : SP_MCP_LEGACY_NEW);
	sp_out_str(o, "\",");
	capabilities(o, self->caps, self->extensions);
	sp_out_str(o, ",\"serverInfo\":");
	sp_out_slice(o, self->info);
	add_instructions(o, self->instructions);
	sp_out_str(o, SP_MCP_CLOSE);
}

void
sp_mcp_initialize(struct sp_out *o, sp_slice id, sp_slice asked, uint32_t caps, sp_slice instructions)
{
	const struct sp_mcp_self self = { .info = SP_LIT(SP_MCP_INFO), .caps = caps, .instructions = instructions };

	sp_mcp_initialize_as(o, &self, id, asked);
}

void
sp_mcp_discover_as(struct sp_out *o, const struct sp_mcp_self *self, sp_slice id)
{
	bool comma;

	sp_mcp_open_as(o, SP_ERA_MODERN, id, self->info, &comma);
	sp_out_str(o, ",\"supportedVersions\":[\"" SP_MCP_MODERN "\"],");
	capabilities(o, self->caps, self->extensions);
	add_instructions(o, self->instructions);
	sp_out_str(o, ",\"ttlMs\":");
	sp_out_u64(o, SP_MCP_TTL_MS);
	sp_out_str(o, ",\"cacheScope\":\"private\"" SP_MCP_CLOSE);
}

void
sp_mcp_discover(struct sp_out *o, sp_slice id, uint32_t caps, sp_slice instructions)
{
	const struct sp_mcp_self self = { .info = SP_LIT(SP_MCP_INFO), .caps = caps, .instructions = instructions };

	sp_mcp_discover_as(o, &self, id);
}

/* ---- answers to calls */

void
sp_mcp_empty_as(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice info)
{
	bool comma;

	sp_mcp_open_as(o, era, id, info, &comma);
	sp_out_str(o, SP_MCP_CLOSE);
}

void
sp_mcp_empty(struct sp_out *o, enum sp_era era, sp_slice id)
{
	sp_mcp_empty_as(o, era, id, SP_LIT(SP_MCP_INFO));
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
sp_mcp_result_prefix(struct sp_out *o, sp_slice id)
{
	open_result(o, id);
}

void
sp_mcp_error_prefix(struct sp_out *o, sp_slice id)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"id\":");
	sp_out_slice(o, id);
	sp_out_str(o, ",\"error\":");
}

void
sp_mcp_tool_error(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice text)
{
	sp_mcp_call_prefix(o, era, id);
	sp_out_str(o, "\"content\":[{\"type\":\"text\",\"text\":");
	sp_jout_str(o, text);
	sp_out_str(o, "}],\"isError\":true" SP_MCP_CLOSE);
}

/* At most `max` bytes, and never half a character. */
static sp_slice
cut(sp_slice s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s;
	while (n > max - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return (sp_slice){ s.p, n };
}

static void
unknown_name(struct sp_out *o, sp_slice id, const char *what, sp_slice name)
{
	char buf[NAME_SHOWN + 32];
	struct sp_out text;

	sp_out_init(&text, buf, sizeof buf);
	sp_out_str(&text, what);
	sp_out_slice(&text, cut(name, NAME_SHOWN));
	sp_rpc_error(o, id, SP_E_DENIED, sp_out_view(&text), (sp_slice){ NULL, 0 });
}

/* mcp-spec 2.4: -32002 in the legacy era, -32602 in the modern one, with data.uri in both. */
static void
unknown_resource(struct sp_out *o, enum sp_era era, sp_slice id, sp_slice uri)
{
	char buf[URI_SHOWN * 6 + 16];
	struct sp_out data;

	sp_out_init(&data, buf, sizeof buf);
	sp_out_str(&data, "{\"uri\":");
	sp_jout_str(&data, cut(uri, URI_SHOWN));
	sp_out_byte(&data, '}');
	sp_rpc_error(o, id, era == SP_ERA_MODERN ? SP_E_DENIED : SP_E_NO_RESOURCE, SP_LIT("Resource not found"),
	    sp_out_view(&data));
}

void
sp_mcp_unknown(struct sp_out *o, const struct sp_mcp_ask *ask, sp_slice id)
{
	switch (ask->method) {
	case SP_MCP_PROMPTS_GET:
		unknown_name(o, id, "Unknown prompt: ", ask->name);
		return;
	case SP_MCP_RESOURCES_READ:
	case SP_MCP_SUBSCRIBE:
	case SP_MCP_UNSUBSCRIBE:
		unknown_resource(o, ask->era, id, ask->name);
		return;
	case SP_MCP_COMPLETE:
		if (ask->ref_template)
			unknown_resource(o, ask->era, id, ask->name);
		else
			unknown_name(o, id, "Unknown prompt: ", ask->name);
		return;
	default:
		unknown_name(o, id, "Unknown tool: ", ask->name);
	}
}

/* ---- notifications */

static void
open_note(struct sp_out *o, const char *method)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/");
	sp_out_str(o, method);
	sp_out_byte(o, '"');
}

static void
add_subscription(struct sp_out *o, sp_slice subscription)
{
	sp_out_str(o, "\"_meta\":{" SUBSCRIPTION);
	sp_out_slice(o, subscription);
	sp_out_byte(o, '}');
}

/* The members of an object behind those already written, and both ends. */
static void
close_with(struct sp_out *o, sp_slice object, bool comma)
{
	sp_slice rest = sp_sub(object, 1, SIZE_MAX);

	if (comma && rest.n > 1)
		sp_out_byte(o, ',');
	sp_out_slice(o, rest.n == 0 ? SP_LIT("}") : rest);
	sp_out_byte(o, '}');
}

void
sp_mcp_listen_ack(struct sp_out *o, sp_slice id, const struct sp_mcp_ask *ask, sp_slice uris)
{
	sp_mcp_listen_ack_tasks(o, id, ask, uris, (sp_slice){ NULL, 0 });
}

void
sp_mcp_listen_ack_tasks(struct sp_out *o, sp_slice id, const struct sp_mcp_ask *ask, sp_slice uris, sp_slice tasks)
{
	const struct { bool on; const char *text; } rows[] = {
		{ ask->listen_tools, "\"toolsListChanged\":true" },
		{ ask->listen_prompts, "\"promptsListChanged\":true" },
		{ ask->listen_resources, "\"resourcesListChanged\":true" },
	};
	const char *sep = "";

	open_note(o, "subscriptions/acknowledged");
	sp_out_str(o, ",\"params\":{");
	add_subscription(o, id);
	sp_out_str(o, ",\"notifications\":{");
	for (size_t i = 0; i < SP_COUNT(rows); i++) {
		if (!rows[i].on)
			continue;
		sp_out_str(o, sep);
		sp_out_str(o, rows[i].text);
		sep = ",";
	}
	if (uris.n != 0) {
		sp_out_str(o, sep);
		sp_out_str(o, "\"resourceSubscriptions\":");
		sp_out_slice(o, uris);
		sep = ",";
	}
	if (tasks.n != 0) {
		sp_out_str(o, sep);
		sp_out_str(o, "\"taskIds\":");
		sp_out_slice(o, tasks);
	}
	sp_out_str(o, "}}}");
}

void
sp_mcp_listen_end_as(struct sp_out *o, sp_slice id, sp_slice info)
{
	open_result(o, id);
	sp_out_str(o, "{\"resultType\":\"complete\",\"_meta\":{" META_INFO);
	sp_out_slice(o, info);
	sp_out_str(o, "," SUBSCRIPTION);
	sp_out_slice(o, id);
	sp_out_str(o, "}}}");
}

void
sp_mcp_listen_end(struct sp_out *o, sp_slice id)
{
	sp_mcp_listen_end_as(o, id, SP_LIT(SP_MCP_INFO));
}

void
sp_mcp_list_changed(struct sp_out *o, enum sp_component_kind kind, sp_slice subscription)
{
	open_note(o, kind == SP_COMPONENT_TOOL ? "tools/list_changed" :
	    kind == SP_COMPONENT_PROMPT ? "prompts/list_changed" : "resources/list_changed");
	if (subscription.n != 0) {
		sp_out_str(o, ",\"params\":{");
		add_subscription(o, subscription);
		sp_out_byte(o, '}');
	}
	sp_out_byte(o, '}');
}

static void
subscribed_note(struct sp_out *o, const char *method, sp_slice params, sp_slice subscription)
{
	open_note(o, method);
	sp_out_str(o, ",\"params\":{");
	if (subscription.n != 0)
		add_subscription(o, subscription);
	close_with(o, params, subscription.n != 0);
}

void
sp_mcp_updated(struct sp_out *o, sp_slice params, sp_slice subscription)
{
	subscribed_note(o, "resources/updated", params, subscription);
}

void
sp_mcp_task(struct sp_out *o, sp_slice params, sp_slice subscription)
{
	subscribed_note(o, "tasks", params, subscription);
}

void
sp_mcp_progress(struct sp_out *o, sp_slice params, sp_slice token)
{
	open_note(o, "progress");
	sp_out_str(o, ",\"params\":{\"progressToken\":");
	sp_out_slice(o, token);
	close_with(o, params, true);
}

void
sp_mcp_message(struct sp_out *o, sp_slice params)
{
	open_note(o, "message");
	sp_out_str(o, ",\"params\":{");
	close_with(o, params, false);
}
