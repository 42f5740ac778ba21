/* For tests of questions and tasks: requests of clients that declare capabilities, and what to find in answers. */
#ifndef SP_SERVER_ASKKIT_H
#define SP_SERVER_ASKKIT_H

#include "server/testkit.h"

#define NAME_FORM "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"]}"
#define CONFIRM_FORM "{\"type\":\"object\",\"properties\":{\"confirm\":{\"type\":\"boolean\"}},\"required\":[\"confirm\"]}"
#define CAPITAL "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"Capital of France?\"}}],\"maxTokens\":100}"
#define TASKS "\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}"
#define ALL "\"elicitation\":{},\"sampling\":{},\"roots\":{}"
#define ACCEPT(k, v) "{\"action\":\"accept\",\"content\":{\"" k "\":" v "}}"

static inline void
tool(struct kit *k, const char *name, sp_handler handler, enum sp_task_support task)
{
	sp_tool(k->s, .name = name, .description = "d", .auth = SP_ANYONE, .handler = handler, .task = task,
	    .input_schema = "{\"type\":\"object\"}");
}

/* One request of a client with these capabilities; its answer. */
static inline const char *
post(struct kit *k, struct said *f, struct sp_principal *who, const char *caps, const char *method, const char *name,
    const char *params)
{
	static char body[2 * KIT_TEXT];

	said_begin(f, who);
	said_header(f, "mcp-protocol-version", "2026-07-28");
	said_header(f, "mcp-method", method);
	said_header(f, "mcp-name", name);
	snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":{\"_meta\":{"
	    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{%s}}%s%s}}",
	    method, caps, params[0] == '\0' ? "" : ",", params);
	sp_server_message(k->s, &f->x, sp_str(body));
	return f->json;
}

static inline const char *
call(struct kit *k, struct said *f, const char *caps, const char *name, const char *rest)
{
	static char params[KIT_TEXT];

	snprintf(params, sizeof params, "\"name\":\"%s\"%s%s", name, rest[0] == '\0' ? "" : ",", rest);
	return post(k, f, NULL, caps, "tools/call", name, params);
}

/* The text member `key` of an answer, wherever it stands first. */
static inline const char *
member(const char *json, const char *key, char buf[static 4096])
{
	char find[64];
	const char *at, *end;

	snprintf(find, sizeof find, "\"%s\":\"", key);
	at = strstr(json, find);
	assert_non_null(at);
	at += strlen(find);
	end = strchr(at, '"');
	snprintf(buf, 4096, "%.*s", (int)(end - at), at);
	return buf;
}

#endif
