"""An upstream on FastMCP: argv is [port, bearer or ""]."""

import sys

from fastmcp import Context, FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

port, bearer = int(sys.argv[1]), sys.argv[2]
auth = StaticTokenVerifier(tokens={bearer: {"client_id": "gateway", "scopes": []}}) if bearer else None
mcp = FastMCP("fast", auth=auth)


@mcp.tool
def add(a: int, b: int) -> int:
    """Adds two numbers"""
    return a + b


@mcp.tool
async def steps(ctx: Context) -> str:
    """Tells how far it is, and what it does"""
    for n in range(3):
        await ctx.report_progress(n, 3)
        await ctx.info(f"step {n}")
    return "done"


@mcp.resource("data://config")
def config() -> str:
    return "the configuration"


@mcp.resource("data://users/{name}")
def user(name: str) -> str:
    return f"user {name}"


@mcp.prompt
def review(code: str) -> str:
    return f"Review this: {code}"


mcp.run(transport="http", host="127.0.0.1", port=port, log_level="error", show_banner=False)
