// {url, token?, era?, headers?, steps:[…]} -> {results:[…], wire:[…], notes:[…]}.  A step: list, resources, templates, prompts (true),
// call {name, arguments} (with progress: true, abort_after: ms), read uri, prompt {name, arguments}, complete {ref, argument},
// level name, subscribe uri, unsubscribe uri, ping, wait_note method, sleep ms.
async function input() {
	let text = "";
	for await (const chunk of process.stdin) text += chunk;
	return JSON.parse(text);
}

// A stream that stays open is not read here: its bytes are the client's.
function recorder({ token, headers: more = {} }, wire) {
	return async (url, init = {}) => {
		const headers = new Headers(init.headers);
		if (token) headers.set("authorization", `Bearer ${token}`);
		for (const [name, value] of Object.entries(more)) headers.set(name, value);
		const answer = await fetch(url, { ...init, headers });
		const method = init.method ?? "GET";
		const streamed = answer.headers.get("content-type")?.startsWith("text/event-stream");
		const entry = { method, status: answer.status, headers: [...answer.headers], body: "", sent: init.body ?? null };
		wire.push(entry);
		if (streamed) gather(answer.clone(), entry);
		else entry.body = await answer.clone().text().catch((e) => `unreadable: ${e.message}`);
		return answer;
	};
}

async function gather(answer, entry) {
	try {
		const decoder = new TextDecoder();
		for await (const chunk of answer.body) entry.body += decoder.decode(chunk, { stream: true });
	} catch { /* the client has closed it */ }
}

async function all(page, key) {
	const found = [];
	let cursor;
	do {
		const answer = await page(cursor ? { cursor } : {});
		found.push(...answer[key]);
		cursor = answer.nextCursor;
	} while (cursor);
	return found;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function call(client, s, callTool) {
	const progress = [];
	const options = {};
	if (s.progress) options.onprogress = (p) => progress.push(p);
	if (s.abort_after) {
		const abort = new AbortController();
		options.signal = abort.signal;
		setTimeout(() => abort.abort("enough"), s.abort_after);
	}
	return { result: await callTool(client, s.call, options), progress };
}

async function waitNote(notes, method) {
	for (let i = 0; i < 200; i++) {
		const at = notes.findIndex((n) => n.method === method);
		if (at >= 0) return { note: notes.splice(at, 1)[0] };
		await pause(50);
	}
	throw new Error(`no ${method} came`);
}

async function step(client, s, notes, callTool) {
	if (s.list) return { tools: await all((p) => client.listTools(p), "tools") };
	if (s.resources) return { resources: await all((p) => client.listResources(p), "resources") };
	if (s.templates) return { templates: await all((p) => client.listResourceTemplates(p), "resourceTemplates") };
	if (s.prompts) return { prompts: await all((p) => client.listPrompts(p), "prompts") };
	if (s.call) return call(client, s, callTool);
	if (s.read) return { result: await client.readResource({ uri: s.read }) };
	if (s.prompt) return { result: await client.getPrompt(s.prompt) };
	if (s.complete) return { result: await client.complete(s.complete) };
	if (s.level) return { result: await client.setLoggingLevel(s.level) };
	if (s.subscribe) return { result: await client.subscribeResource({ uri: s.subscribe }) };
	if (s.unsubscribe) return { result: await client.unsubscribeResource({ uri: s.unsubscribe }) };
	if (s.ping) return { result: await client.ping() };
	if (s.wait_note) return waitNote(notes, s.wait_note);
	if (s.sleep) return { slept: await pause(s.sleep) ?? true };
	throw new Error("unknown step");
}

const watched = ["tools/list_changed", "prompts/list_changed", "resources/list_changed", "resources/updated", "message"];

// connect() makes a client; watch(client, name, handler) hears a notification; callTool(client, params, options).
export async function run({ connect, watch, callTool }) {
	const script = await input();
	const wire = [];
	const results = [];
	const notes = [];
	try {
		const client = await connect({ ...script, fetch: recorder(script, wire) }, (fresh) => {
			for (const name of watched)
				watch(fresh, `notifications/${name}`, (n) => void notes.push({ method: `notifications/${name}`, params: n.params }));
		});
		results.push({ connected: client.getServerVersion?.() ?? null, capabilities: client.getServerCapabilities?.() ?? null,
			instructions: client.getInstructions?.() ?? null });
		for (const s of script.steps) {
			try {
				results.push(await step(client, s, notes, callTool));
			} catch (e) {
				results.push({ error: String(e.message), code: e.code ?? null });
			}
		}
		await client.close();
	} catch (e) {
		results.push({ connect_error: String(e.message), code: e.code ?? null });
	}
	process.stdout.write(JSON.stringify({ results, wire, notes }), () => process.exit(0));
}
