// Drives the official TypeScript SDK (1.x) client: a script of steps on standard input, one JSON document with
// the outcome of each step and every byte that arrived on standard output.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { run } from "../steps.mjs";

const schemas = {
	"notifications/tools/list_changed": types.ToolListChangedNotificationSchema,
	"notifications/prompts/list_changed": types.PromptListChangedNotificationSchema,
	"notifications/resources/list_changed": types.ResourceListChangedNotificationSchema,
	"notifications/resources/updated": types.ResourceUpdatedNotificationSchema,
	"notifications/message": types.LoggingMessageNotificationSchema,
};

await run({
	connect: async ({ url, fetch }, prepare) => {
		const client = new Client({ name: "e2e", version: "1" });
		prepare(client);
		await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch }));
		return client;
	},
	watch: (client, method, handler) => client.setNotificationHandler(schemas[method], handler),
	callTool: (client, params, options) => client.callTool(params, undefined, options),
});
