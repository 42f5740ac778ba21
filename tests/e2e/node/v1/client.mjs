// Drives the official TypeScript SDK (1.x) client: a script of steps on standard input, one JSON document with
// the outcome of each step and every byte that arrived on standard output.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { run } from "../steps.mjs";

await run(async ({ url, fetch }) => {
	const client = new Client({ name: "e2e", version: "1" });
	await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch }));
	return client;
});
