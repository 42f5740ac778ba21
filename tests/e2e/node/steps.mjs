// {url, token?, era?, steps:[{list:true} | {call:{name, arguments}} | {ping:true}]} -> {results:[…], wire:[…]}
async function input() {
	let text = "";
	for await (const chunk of process.stdin) text += chunk;
	return JSON.parse(text);
}

function recorder(token, wire) {
	return async (url, init = {}) => {
		const headers = new Headers(init.headers);
		if (token) headers.set("authorization", `Bearer ${token}`);
		const answer = await fetch(url, { ...init, headers });
		const body = await answer.clone().text().catch((e) => `unreadable: ${e.message}`);
		wire.push({ method: init.method ?? "GET", status: answer.status, headers: [...answer.headers], body });
		return answer;
	};
}

async function listAll(client) {
	const tools = [];
	let cursor;
	do {
		const page = await client.listTools(cursor ? { cursor } : {});
		tools.push(...page.tools);
		cursor = page.nextCursor;
	} while (cursor);
	return tools;
}

async function step(client, s) {
	if (s.list) return { tools: await listAll(client) };
	if (s.call) return { result: await client.callTool(s.call) };
	if (s.ping) return { result: await client.ping() };
	throw new Error("unknown step");
}

export async function run(connect) {
	const script = await input();
	const wire = [];
	const results = [];
	try {
		const client = await connect({ ...script, fetch: recorder(script.token, wire) });
		results.push({ connected: client.getServerVersion?.() ?? null });
		for (const s of script.steps) {
			try {
				results.push(await step(client, s));
			} catch (e) {
				results.push({ error: String(e.message), code: e.code ?? null });
			}
		}
		await client.close();
	} catch (e) {
		results.push({ connect_error: String(e.message), code: e.code ?? null });
	}
	process.stdout.write(JSON.stringify({ results, wire }), () => process.exit(0));
}
