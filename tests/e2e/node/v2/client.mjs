// The same for the 2.x client, which speaks either era: era "legacy" (its default) or "2026-07-28" (pinned).
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { run } from "../steps.mjs";

await run({
	connect: async ({ url, fetch, era, listen }, prepare) => {
		const options = era === "legacy" ? {} : { versionNegotiation: { mode: { pin: era } } };
		const client = new Client({ name: "e2e", version: "1" }, options);
		prepare(client);
		await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch }));
		if (listen) await client.listen(listen);
		return client;
	},
	watch: (client, method, handler) => client.setNotificationHandler(method, handler),
	callTool: (client, params, options) => client.callTool(params, options),
});
