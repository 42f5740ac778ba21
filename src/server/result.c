/* What a handler gave, as the answer of each era. */
#include "server/engine.h"

#include "base/log.h"

static const sp_slice nothing = { NULL, 0 };

void
sp_result_open(struct sp_out *o, const struct sp_context *c, const char *type)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"id\":");
	sp_out_slice(o, c->rpc.id);
	sp_out_str(o, ",\"result\":{\"resultType\":\"");
	sp_out_str(o, type);
	sp_out_str(o, "\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":");
	sp_out_slice(o, c->s->info);
	sp_out_byte(o, '}');
}

/* Begins the result; members follow. */
static void
open_result(struct sp_context *c, struct sp_out *o)
{
	bool comma;

	sp_mcp_open_as(o, c->ask.era, c->rpc.id, c->s->info, &comma);
	if (comma)
		sp_out_byte(o, ',');
}

/* {"jsonrpc":"2.0","id":ID,"result": or "error": */
static size_t
head_length(const struct sp_context *c, bool is_error)
{
	return sizeof "{\"jsonrpc\":\"2.0\",\"id\":" - 1 + c->rpc.id.n +
	    (is_error ? sizeof ",\"error\":" : sizeof ",\"result\":") - 1;
}

static bool
close_object(const struct sp_context *c, const struct sp_out *o, bool is_error, sp_slice *object)
{
	size_t from = head_length(c, is_error);

	*object = o->n <= from ? nothing : sp_sub(sp_out_view(o), from, o->n - from - 1);
	return is_error;
}

bool
sp_result_fail(struct sp_context *c, struct sp_out *o, enum sp_status st, const char *text, sp_slice *object)
{
	sp_out_reset(o);
	if (c->ask.method == SP_MCP_TOOLS_CALL) {
		open_result(c, o);
		sp_out_str(o, "\"content\":[{\"type\":\"text\",\"text\":");
		sp_jout_str(o, sp_str(text));
		sp_out_str(o, "}],\"isError\":true" SP_MCP_CLOSE);
		return close_object(c, o, false, object);
	}
	sp_rpc_error(o, c->rpc.id, st, sp_str(text), nothing);
	return close_object(c, o, true, object);
}

static void
write_tool(struct sp_context *c, struct sp_out *o)
{
	const struct sp_content *out = &c->out;

	if (out->whole) {
		sp_out_slice(o, sp_out_view(&out->text));
		return;
	}
	sp_out_str(o, "\"content\":[");
	sp_out_slice(o, sp_out_view(&out->text));
	sp_out_byte(o, ']');
	/* mcp-spec 2.4: of the 2025 era it is an object. */
	if (out->structured.n != 0 && (out->structured_object || c->ask.era == SP_ERA_MODERN)) {
		sp_out_str(o, ",\"structuredContent\":");
		sp_out_slice(o, sp_out_view(&out->structured));
	}
	if (out->failed)
		sp_out_str(o, ",\"isError\":true");
}

static void
write_contents(struct sp_context *c, struct sp_out *o)
{
	sp_out_str(o, "\"contents\":[");
	sp_out_slice(o, sp_out_view(&c->out.text));
	sp_out_byte(o, ']');
	if (c->ask.era == SP_ERA_MODERN)
		sp_out_fmt(o, ",\"ttlMs\":%u,\"cacheScope\":\"%s\"", c->out.cache_ms, c->out.cache_all ? "public" : "private");
}

static void
write_prompt(struct sp_context *c, struct sp_out *o)
{
	if (c->offer->description.n != 0) {
		sp_out_str(o, "\"description\":");
		sp_jout_str(o, c->offer->description);
		sp_out_byte(o, ',');
	}
	sp_out_str(o, "\"messages\":[");
	sp_out_slice(o, sp_out_view(&c->out.text));
	sp_out_byte(o, ']');
}

static void
write_completion(struct sp_context *c, struct sp_out *o)
{
	sp_out_str(o, "\"completion\":{\"values\":[");
	sp_out_slice(o, sp_out_view(&c->out.text));
	sp_out_fmt(o, "],\"total\":%zu,\"hasMore\":%s}", c->out.values, c->out.values > c->out.count ? "true" : "false");
}

/* sp_return_rpc_error(): the message is JSON text already. */
static bool
write_rpc_error(struct sp_context *c, struct sp_out *o, sp_slice *object)
{
	sp_out_str(o, "{\"jsonrpc\":\"2.0\",\"id\":");
	sp_out_slice(o, c->rpc.id);
	sp_out_fmt(o, ",\"error\":{\"code\":%d,\"message\":", c->out.rpc_code);
	sp_out_slice(o, sp_out_view(&c->out.text));
	if (c->out.structured.n != 0) {
		sp_out_str(o, ",\"data\":");
		sp_out_slice(o, sp_out_view(&c->out.structured));
	}
	sp_out_str(o, "}}");
	return close_object(c, o, true, object);
}

/* What the handler did that cannot be sent; NULL: nothing. */
static const char *
fault_of(const struct sp_context *c)
{
	const struct sp_content *out = &c->out;

	if (out->broken != NULL)
		return out->broken;
	if (out->text.full || out->structured.full)
		return "the result is over max_result";
	if (out->failed || out->rpc_code != 0 || out->whole)
		return NULL;
	if (c->offer->output != NULL && out->structured.n == 0)
		return "it has an output_schema, but gave no structured result";
	/* mcp-spec 2.1: of a resource that is there. */
	if (c->ask.method == SP_MCP_RESOURCES_READ && out->count == 0)
		return "it gave no contents";
	return NULL;
}

static bool
write_good(struct sp_context *c, struct sp_out *o, sp_slice *object)
{
	open_result(c, o);
	switch (c->ask.method) {
	case SP_MCP_RESOURCES_READ:
		write_contents(c, o);
		break;
	case SP_MCP_PROMPTS_GET:
		write_prompt(c, o);
		break;
	case SP_MCP_COMPLETE:
		write_completion(c, o);
		break;
	default:
		write_tool(c, o);
	}
	sp_out_str(o, SP_MCP_CLOSE);
	return close_object(c, o, false, object);
}

bool
sp_result_write(struct sp_context *c, struct sp_out *o, sp_slice *object)
{
	const char *fault = fault_of(c);
	bool is_error = false;

	if (fault == NULL) {
		is_error = c->out.rpc_code != 0 ? write_rpc_error(c, o, object) : write_good(c, o, object);
		if (!o->full)
			return is_error;
		fault = "the result is over max_result";
	}
	sp_log(SP_ERROR, "handler.broken", SP_C("kind", sp_kind_word(c->offer->kind)), SP_S("name", c->name),
	    SP_C("why", fault));
	return sp_result_fail(c, o, SP_E_BUG, c->ask.method == SP_MCP_TOOLS_CALL ? "the tool failed" : "internal error",
	    object);
}
