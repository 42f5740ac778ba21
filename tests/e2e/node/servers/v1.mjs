// An upstream on the TypeScript SDK 1.x: 2025-era Streamable HTTP with sessions.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { capabilities, handlers, options, refuse } from "./fixture.mjs";

const { port, bearer, only } = options();
const schemas = {
	"tools/list": types.ListToolsRequestSchema, "tools/call": types.CallToolRequestSchema,
	"resources/list": types.ListResourcesRequestSchema, "resources/templates/list": types.ListResourceTemplatesRequestSchema,
	"resources/read": types.ReadResourceRequestSchema, "prompts/list": types.ListPromptsRequestSchema,
	"prompts/get": types.GetPromptRequestSchema, "completion/complete": types.CompleteRequestSchema,
};
const sessions = new Map();
const watching = new Map();	// session id -> uris

function io(server, extra) {
	return {
		headers: extra.requestInfo?.headers ?? {},
		signal: extra.signal,
		progress: async (progress, total) => {
			const progressToken = extra._meta?.progressToken;
			if (progressToken !== undefined) await extra.sendNotification({ method: "notifications/progress", params: { progressToken, progress, total } });
		},
		log: (level, data) => extra.sendNotification({ method: "notifications/message", params: { level, data } }),
		ask: (method, params) => extra.sendRequest({ method, params }, types.ResultSchema),
		changed: async (kind, uri) => {
			for (const [id, { server: other }] of sessions) {
				if (kind === "tools") await other.sendToolListChanged().catch(() => {});
				if (kind === "resource" && watching.get(id)?.has(uri)) await other.sendResourceUpdated({ uri }).catch(() => {});
			}
		},
	};
}

function make() {
	const server = new Server({ name: "v1", version: "1" }, { capabilities, instructions: "Ask the fixture." });
	const found = handlers(only, (uri) => new types.McpError(-32002, "Resource not found", { uri }));
	for (const [method, handler] of Object.entries(found))
		server.setRequestHandler(schemas[method], (request, extra) => handler(request.params ?? {}, io(server, extra)));
	server.setRequestHandler(types.SubscribeRequestSchema, async (r, extra) => {
		if (!watching.has(extra.sessionId)) watching.set(extra.sessionId, new Set());
		watching.get(extra.sessionId).add(r.params.uri);
		return {};
	});
	server.setRequestHandler(types.UnsubscribeRequestSchema, async (r, extra) => {
		watching.get(extra.sessionId)?.delete(r.params.uri);
		return {};
	});
	server.setRequestHandler(types.SetLevelRequestSchema, async () => ({}));
	return server;
}

async function open(req, res) {
	const server = make();
	const transport = new StreamableHTTPServerTransport({
		sessionIdGenerator: randomUUID,
		onsessioninitialized: (id) => sessions.set(id, { server, transport }),
		onsessionclosed: (id) => sessions.delete(id),
	});
	await server.connect(transport);
	await transport.handleRequest(req, res);
}

const http = createServer(async (req, res) => {
	if (req.url === "/sessions") return res.end(JSON.stringify([...sessions.keys()]));
	if (req.url === "/forget") return res.end(String(sessions.clear()));
	if (refuse(req, res, bearer)) return;
	const id = req.headers["mcp-session-id"];
	if (id && !sessions.has(id)) return res.writeHead(404, { "content-type": "application/json" }).end('{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}');
	if (id) return sessions.get(id).transport.handleRequest(req, res);
	return open(req, res);
});
http.listen(port, "127.0.0.1", () => console.log(http.address().port));
