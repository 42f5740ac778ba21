"""FastMCP doing the same guarded call: a JWT verified, a scope required, an OpenAPI tool with an injected key."""

import json
import sys

import httpx2
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, upstream, key, document = sys.argv[1:]
client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{upstream}/v1", headers={"X-API-Key": "bench-key-0123456789"})
auth = JWTVerifier(public_key=open(key, encoding="ascii").read(), issuer="https://issuer.test", required_scopes=["api:use"])
mcp = FastMCP.from_openapi(openapi_spec=json.load(open(document, encoding="utf-8")), client=client, name="bench", auth=auth)
mcp.run(transport="http", host="127.0.0.1", port=int(port), stateless_http=True, json_response=True, log_level="error",
        show_banner=False)
