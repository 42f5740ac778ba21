// An upstream on the TypeScript SDK 2.x: 2026-07-28 only.
import { createServer } from "node:http";
import { Server, createMcpHandler, ResourceNotFoundError } from "@modelcontextprotocol/server";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { capabilities, handlers, options, refuse } from "./fixture.mjs";

const { port, bearer, only } = options();

function io(ctx) {
	return {
		headers: Object.fromEntries(ctx.http?.req?.headers ?? []),
		signal: ctx.mcpReq.signal,
		progress: async (progress, total) => {
			const progressToken = ctx.mcpReq._meta?.progressToken;
			if (progressToken !== undefined) await ctx.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total } });
		},
		log: (level, data) => ctx.mcpReq.log(level, data),
		ask: (method, params) => ctx.mcpReq.send({ method, params }),
		changed: async (kind, uri) => (kind === "tools" ? mcp.notify.toolsChanged() : mcp.notify.resourceUpdated(uri)),
	};
}

const mcp = createMcpHandler(() => {
	const server = new Server({ name: "v2", version: "2" }, { capabilities, instructions: "Ask the fixture." });
	const found = handlers(only, (uri) => new ResourceNotFoundError(uri));
	for (const [method, handler] of Object.entries(found))
		server.setRequestHandler(method, (request, ctx) => handler(request.params ?? {}, io(ctx)));
	return server;
}, { legacy: "reject" });
const handle = toNodeHandler(mcp);
const http = createServer((req, res) => (refuse(req, res, bearer) ? null : handle(req, res)));
http.listen(port, "127.0.0.1", () => console.log(http.address().port));
