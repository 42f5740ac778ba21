"""Drives the official Python client with the same scripts as node/steps.mjs; {url, token, steps} on standard input."""

import asyncio
import json
import sys

import httpx2
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def step(session, s):
    if s.get("list"):
        return {"tools": plain(await session.list_tools())["tools"]}
    if s.get("resources"):
        return {"resources": plain(await session.list_resources())["resources"]}
    if s.get("templates"):
        return {"templates": plain(await session.list_resource_templates())["resourceTemplates"]}
    if s.get("prompts"):
        return {"prompts": plain(await session.list_prompts())["prompts"]}
    if "call" in s:
        progress = []

        async def note(done, total, message):
            progress.append({"progress": done, "total": total})

        result = await session.call_tool(s["call"]["name"], s["call"].get("arguments") or {}, progress_callback=note if s.get("progress") else None)
        return {"result": plain(result), "progress": progress}
    if "read" in s:
        return {"result": plain(await session.read_resource(s["read"]))}
    if "prompt" in s:
        return {"result": plain(await session.get_prompt(s["prompt"]["name"], s["prompt"].get("arguments")))}
    if "complete" in s:
        c = s["complete"]
        kind = types.PromptReference if c["ref"]["type"] == "ref/prompt" else types.ResourceTemplateReference
        return {"result": plain(await session.complete(kind(**c["ref"]), c["argument"]))}
    if s.get("ping"):
        return {"result": plain(await session.send_ping())}
    raise ValueError("unknown step")


async def main():
    script = json.load(sys.stdin)
    headers = {"Authorization": f"Bearer {script['token']}"} if script.get("token") else {}
    results = []
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http, \
            streamable_http_client(script["url"], http_client=http) as streams, \
            ClientSession(streams[0], streams[1]) as session:
        ready = await session.initialize()
        results.append({"connected": plain(ready)["serverInfo"]})
        for s in script["steps"]:
            try:
                results.append(await step(session, s))
            except Exception as e:
                results.append({"error": str(e)})
    print(json.dumps({"results": results}))


asyncio.run(main())
