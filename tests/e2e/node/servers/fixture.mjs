// What the upstream servers of the tests offer, whatever SDK serves it: plain definitions, and handlers over a small
// context {progress(n, total), log(level, data), headers, ask(method, params), changed(kind)}.
const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
const text = (t) => ({ content: [{ type: "text", text: t }] });
const object = (properties = {}, required = []) => ({ type: "object", properties, required });
const string = { type: "string" };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

let extra = false;	// a tool that comes and goes
let calls = 0;

export const tools = {
	add: ["Adds two numbers", object({ a: { type: "number" }, b: { type: "number" } }, ["a", "b"]),
		async ({ a, b }) => ({ ...text(String(a + b)), structuredContent: { sum: a + b } }),
		{ outputSchema: object({ sum: { type: "number" } }, ["sum"]), annotations: { readOnlyHint: true } }],
	audio_content: ["Answers with a sound", object(),
		async () => ({ content: [{ type: "audio", data: wav, mimeType: "audio/wav" }] })],
	count: ["How many calls this server has seen", object(), async () => text(String(++calls))],
	echo: ["Says what it was told", object({ text: string }, ["text"]), async (a) => text(JSON.stringify(a))],
	elicitation: ["Asks the user something", object({ message: string }),
		async ({ message }, io) => text(JSON.stringify(await io.ask("elicitation/create",
			{ message: message ?? "Who are you?", requestedSchema: object({ username: string }, ["username"]) })))],
	embedded_resource: ["Answers with a resource", object(),
		async () => ({ content: [{ type: "resource", resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "embedded" } }] })],
	error_handling: ["Fails", object(),
		async () => ({ ...text("This tool intentionally returns an error for testing"), isError: true })],
	headers: ["The header fields of this very request", object(), async (_, io) => text(JSON.stringify(io.headers))],
	image_content: ["Answers with a picture", object(),
		async () => ({ content: [{ type: "image", data: png, mimeType: "image/png" }] })],
	large: ["Answers with so many letters", object({ letters: { type: "integer" } }, ["letters"]),
		async ({ letters }) => text("x".repeat(letters))],
	multiple_content_types: ["Answers with several things", object(), async () => ({ content: [
		{ type: "text", text: "Multiple content types test:" }, { type: "image", data: png, mimeType: "image/png" },
		{ type: "resource", resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data"}' } }] })],
	logging_tool: ["Says something, if it may", object(), async (_, io) => {
		await io.log("info", "said");
		return text("done");
	}],
	region: ["Wants its argument in a header too", object({ region: { ...string, "x-mcp-header": "Region" }, n: { type: "integer" } }, ["region"]),
		async ({ region }) => text(`region ${region}`)],
	sampling: ["Asks the model something", object({ prompt: string }),
		async ({ prompt }, io) => text(JSON.stringify(await io.ask("sampling/createMessage",
			{ messages: [{ role: "user", content: { type: "text", text: prompt ?? "hi" } }], maxTokens: 10 })))],
	schema_2020_12_tool: ["Has a schema with many words", {
		$schema: "https://json-schema.org/draft/2020-12/schema", type: "object",
		$defs: { address: { $anchor: "addressDef", type: "object", properties: { street: string, city: string } } },
		properties: { name: string, address: { $ref: "#/$defs/address" }, contactMethod: { type: "string", enum: ["phone", "email"] }, phone: string, email: string },
		allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
		if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
		then: { required: ["phone"] }, else: { required: ["email"] }, additionalProperties: false },
		async (a) => text(JSON.stringify(a))],
	simple_text: ["Answers with a text", object(), async () => text("This is a simple text response for testing.")],
	slow: ["Takes its time", object({ ms: { type: "integer" } }, ["ms"]), async ({ ms }, io) => {
		for (let done = 0; done < ms && !io.signal.aborted; done += 50) await pause(50);
		ended.push(io.signal.aborted ? "aborted" : "finished");
		return text("slept");
	}],
	slow_ends: ["How the slow calls ended", object(), async () => text(JSON.stringify(ended.splice(0)))],
	tool_with_logging: ["Says three things on the way", object(), async (_, io) => {
		for (const what of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
			await io.log("info", what);
			await pause(50);
		}
		return text("logged");
	}],
	tool_with_progress: ["Tells how far it is", object(), async (_, io) => {
		for (const n of [0, 50, 100]) {
			await io.progress(n, 100);
			await pause(50);
		}
		return text("progressed");
	}],
	toggle: ["Adds or removes a tool", object(), async (_, io) => {
		extra = !extra;
		await io.changed("tools");
		return text(String(extra));
	}],
	touch: ["Changes the watched resource", object(), async (_, io) => {
		await io.changed("resource", "test://watched-resource");
		return text("touched");
	}],
};
const ended = [];

export const resources = {
	"test://static-text": ["text", "text/plain", () => ({ text: "This is the content of the static text resource." })],
	"test://static-binary": ["binary", "image/png", () => ({ blob: png })],
	"test://watched-resource": ["watched", "text/plain", () => ({ text: "watched" })],
};
const template = /^test:\/\/template\/([^/]+)\/data$/;

const arg = (name) => ({ name, description: name, required: true });
const user = (content) => ({ role: "user", content });
export const prompts = {
	simple_prompt: [[], () => [user({ type: "text", text: "This is a simple prompt for testing." })]],
	prompt_with_arguments: [[arg("arg1"), arg("arg2")],
		(a) => [user({ type: "text", text: `Prompt with arguments: arg1='${a.arg1}', arg2='${a.arg2}'` })]],
	prompt_with_embedded_resource: [[arg("resourceUri")],
		(a) => [user({ type: "resource", resource: { uri: a.resourceUri, mimeType: "text/plain", text: "embedded" } })]],
	prompt_with_image: [[], () => [user({ type: "image", data: png, mimeType: "image/png" })]],
};

export const capabilities = {
	tools: { listChanged: true }, resources: { listChanged: true, subscribe: true }, prompts: { listChanged: true },
	completions: {}, logging: {},
};

// {method: handler(params, io)}; `only` keeps the named tools; names of tools and prompts begin with what PREFIX says.
export function handlers(only, notFound) {
	const prefix = process.env.PREFIX ?? "";
	const own = (name) => (name.startsWith(prefix) ? name.slice(prefix.length) : "");
	const listed = () => Object.entries(tools).filter(([name]) => !only || only.includes(name))
		.map(([name, [description, inputSchema, , more]]) => ({ name: prefix + name, description, inputSchema, ...more }))
		.concat(extra ? [{ name: "extra", description: "Was not there before", inputSchema: object() }] : []);
	return {
		"tools/list": async () => ({ tools: listed() }),
		"tools/call": async ({ name, arguments: args }, io) => {
			if (name === "extra" && extra) return text("here");
			if (!tools[own(name)]) throw new Error(`Unknown tool: ${name}`);
			return tools[own(name)][2](args ?? {}, io);
		},
		"resources/list": async () => ({ resources: Object.entries(resources).map(([uri, [name, mimeType]]) => ({ uri, name, mimeType })) }),
		"resources/templates/list": async () => ({ resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template", mimeType: "application/json" }] }),
		"resources/read": async ({ uri }) => {
			const id = template.exec(uri)?.[1];
			if (id) return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }] };
			if (!resources[uri]) throw notFound(uri);
			return { contents: [{ uri, mimeType: resources[uri][1], ...resources[uri][2]() }] };
		},
		"prompts/list": async () => ({ prompts: Object.entries(prompts).map(([name, [args]]) => ({ name: prefix + name, description: name, arguments: args })) }),
		"prompts/get": async ({ name, arguments: args }) => {
			if (!prompts[own(name)]) throw new Error(`Unknown prompt: ${name}`);
			return { messages: prompts[own(name)][1](args ?? {}) };
		},
		"completion/complete": async ({ argument }) => ({ completion: { values: ["paris", "park", "party"].filter((v) => v.startsWith(argument.value)), hasMore: false } }),
	};
}

// argv: [port, bearer ("" for none), comma-separated tools ("" for all)]; port 0 is chosen, and printed.
export function options() {
	const [port, bearer, only] = process.argv.slice(2);
	return { port: Number(port ?? 0), bearer: bearer ?? "", only: only ? only.split(",") : null };
}

export function refuse(req, res, bearer) {
	if (!bearer || req.headers.authorization === `Bearer ${bearer}`) return false;
	res.writeHead(401, { "www-authenticate": `Bearer error="invalid_token", error_description="got ${req.headers.authorization}"` }).end("no");
	return true;
}
