"""libsallyport by its examples: each is the program in examples/, met by official clients."""

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading

import pytest

import peers
from program import EXAMPLES, NODE22, Program, stop_all

CLIENTS = [("v1", "legacy"), ("v2", "legacy"), ("v2", "2026-07-28"), ("python", "legacy")]
INSPECTOR = peers.NODE / "inspector/node_modules/@modelcontextprotocol/inspector"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """start(name, argv=…, env=…) runs an example; all must end cleanly."""
    running = []

    def make(name, argv=("{listen}",), path="/mcp", env=None):
        p = Program(tmp_path_factory.mktemp(name), name, argv, path, env)
        running.append(p.start())
        return p

    yield make
    stop_all(running)


@pytest.fixture(scope="module")
def jwks():
    """A key set behind http on loopback, and who signs by it."""
    issuer = peers.Issuer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(issuer.jwks()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issuer.jwks_uri = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    yield issuer
    server.shutdown()


def first_text(r):
    return r["result"]["content"][0]["text"]


def play(program, version, era, steps, token=None):
    return peers.sdk(version, {"url": program.url, "token": token, "era": era, "steps": steps})["results"]


# ---------------------------------------------------------------- the five examples the project exists for

@pytest.fixture(scope="module")
def scopes(start):
    return start("per_tool_scopes")


@pytest.mark.parametrize("version,era", CLIENTS)
def test_per_tool_scopes(scopes, version, era):
    """Parity 61, 67, 74: each caller's list has what that caller may call, and nothing of another's."""
    both = [{"list": True}, {"call": {"name": "read_data", "arguments": {}}}, {"call": {"name": "admin_action", "arguments": {}}}]
    r = play(scopes, version, era, both, "reader-token-1")[1:]
    assert [t["name"] for t in r[0]["tools"]] == ["read_data"]
    assert r[1]["result"]["structuredContent"] == {"sensitive": "data"} and json.loads(first_text(r[1])) == {"sensitive": "data"}
    assert "admin operation complete" not in json.dumps(r[2])
    r = play(scopes, version, era, both, "admin-token-1")[1:]
    assert [t["name"] for t in r[0]["tools"]] == ["admin_action"]
    assert "sensitive" not in json.dumps(r[1]) and first_text(r[2]) == "admin operation complete"


def test_per_tool_scopes_answers(scopes):
    """What the wire says to whom; parity 1, 2, 3, 4, 6, 61."""
    a = scopes.call("read_data")
    assert a.status == 401 and a.body == b"" and "error" not in a.header("WWW-Authenticate")
    for token in ("wrong-token", "spt_x", "a.b.c"):
        a = scopes.call("read_data", token=token)
        assert a.status == 401 and 'error="invalid_token"' in a.header("WWW-Authenticate")
    a = scopes.request(body={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers={"Authorization": "Basic eDp5"})
    assert a.status in (400, 401)
    a = scopes.request(body={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers={"Authorization": "bEaReR reader-token-1"})
    assert a.status == 200
    a = scopes.call("read_data", token="admin-token-1")
    assert a.status == 403 and 'error="insufficient_scope"' in a.header("WWW-Authenticate")
    assert 'scope="read:data"' in a.header("WWW-Authenticate")
    hidden, unknown = scopes.call("admin_action", token="reader-token-1"), scopes.call("no_action!!!", token="reader-token-1")
    assert hidden.status == unknown.status == 200
    assert hidden.body.replace(b"admin_action", b"no_action!!!") == unknown.body


@pytest.fixture(scope="module")
def key(start):
    return start("custom_check", env={"API_KEY": "the-right-key"})


@pytest.mark.parametrize("version,era", CLIENTS)
@pytest.mark.parametrize("token,text,failed", [(None, "API key required", True), ("another", "Invalid API key", True),
                                               ("the-right-key", "authorized", False)])
def test_custom_check(key, version, era, token, text, failed):
    r = play(key, version, era, [{"call": {"name": "protected_tool", "arguments": {}}}], token)[1]
    assert first_text(r) == text and bool(r["result"].get("isError")) is failed


def test_oauth_setup(start):
    p = start("oauth_setup", env={"OAUTH_CLIENT_SECRET": "canary-of-the-client"})
    assert p.call("whoami").status == 401
    a = p.call("whoami", token="anything")
    assert a.status == 401 and "resource_metadata=" in a.header("WWW-Authenticate")
    where = re.search(r'resource_metadata="([^"]+)"', a.header("WWW-Authenticate")).group(1)
    meta = p.request("GET", where.split(str(p.port), 1)[1])
    assert meta.status == 200 and meta.json()["resource"] == p.url
    assert b"canary-of-the-client" not in meta.body and "canary-of-the-client" not in p.text()
    done = subprocess.run([EXAMPLES / "oauth_setup"], capture_output=True, text=True, timeout=20,
                          env={k: v for k, v in os.environ.items() if k != "OAUTH_CLIENT_SECRET"})
    assert done.returncode == 2 and "OAUTH_CLIENT_SECRET" in done.stderr


def shared_multi_auth(start, jwks, made={}):
    if jwks not in made:
        made[jwks] = start("multi_auth", env={"OAUTH_CLIENT_SECRET": "x", "JWT_ISSUER": jwks.issuer, "JWT_JWKS_URI": jwks.jwks_uri})
    return made[jwks]


@pytest.mark.parametrize("version,era", CLIENTS)
def test_multi_auth(start, jwks, version, era):
    """Parity 26: the OAuth provider comes first and does not know it; the JWT verifier does."""
    p = shared_multi_auth(start, jwks)
    r = play(p, version, era, [{"list": True}, {"call": {"name": "whoami", "arguments": {}}}], jwks.token(p.url, sub="robot"))[1:]
    assert [t["name"] for t in r[0]["tools"]] == ["whoami"] and first_text(r[1]) == "robot by jwt"
    for bad in (jwks.token("https://elsewhere.test/mcp"), jwks.token(p.url, iss="https://other.test"), jwks.token(p.url, exp=1), "opaque"):
        assert p.call("whoami", token=bad).status == 401
    assert p.call("whoami").status == 401


@pytest.fixture(scope="module")
def dns(start, pdns, canary, tmp_path_factory):
    document = tmp_path_factory.mktemp("dns") / "pdns.json"
    document.write_bytes(pdns.document())
    return start("openapi_credentials", (document, f"http://127.0.0.1:{pdns.http}/api/v1", "{listen}"), env={"PDNS_KEY": canary})


@pytest.mark.parametrize("version,era", CLIENTS)
def test_openapi_credentials(dns, pdns, canary, version, era):
    zone = f"{version}-{era[:4]}.test."
    out = peers.sdk(version, {"url": dns.url, "token": "writer-token-1", "era": era, "steps": [
        {"list": True},
        {"call": {"name": "dns_createZone", "arguments": {"server_id": "localhost", "name": zone, "kind": "Native", "nameservers": []}}},
        {"call": {"name": "dns_listZones", "arguments": {"server_id": "localhost"}}},
        {"call": {"name": "dns_listZone", "arguments": {"server_id": "localhost", "zone_id": "none.test."}}},
    ]})
    r = out["results"][1:]
    assert {"dns_createZone", "dns_listZones"} <= {t["name"] for t in r[0]["tools"]}
    assert not r[1]["result"].get("isError"), r[1]
    assert zone in first_text(r[2]) and r[3]["result"]["isError"] is True
    assert canary not in json.dumps(out)
    r = play(dns, version, era, [{"list": True}, {"call": {"name": "dns_createZone", "arguments": {"server_id": "localhost", "name": "no.test."}}}],
             "reader-token-1")[1:]
    assert "dns_createZone" not in {t["name"] for t in r[0]["tools"]} and "error" in r[1]


def test_openapi_credentials_leak_nothing(dns, canary):
    """K and J rows of leaks: neither what is answered, nor what is logged, nor the environment that a child would get."""
    dns.call("dns_listZones", {"server_id": canary}, "reader-token-1")
    assert canary not in dns.text()
    with open(f"/proc/{dns.process.pid}/cmdline", "rb") as f:
        assert canary.encode() not in f.read()


def test_openapi_down_at_start(start, pdns, tmp_path):
    """Parity 75: it starts, and says so only when it is used; nothing was sent."""
    (tmp_path / "pdns.json").write_bytes(pdns.document())
    p = start("openapi_credentials", (tmp_path / "pdns.json", f"http://127.0.0.1:{peers.free_port()}/api/v1", "{listen}"), env={"PDNS_KEY": "k" * 20})
    assert b"dns_listZones" in p.rpc("tools/list", {}, "reader-token-1").body
    r = p.call("dns_listZones", {"server_id": "localhost"}, "reader-token-1").json()["result"]
    assert r["isError"] is True and "nothing was sent" in r["content"][0]["text"]


# ---------------------------------------------------------------- the others

@pytest.mark.parametrize("command", ["list", "call"])
def test_stdio_server_by_the_inspector(command):
    argv = [NODE22, INSPECTOR / json.loads((INSPECTOR / "package.json").read_text())["bin"]["mcp-inspector"], "--cli", EXAMPLES / "stdio_server"]
    argv += ["--method", "tools/list"] if command == "list" else \
        ["--method", "tools/call", "--tool-name", "add", "--tool-arg", "a=2", "--tool-arg", "b=40"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60 * peers.PATIENCE,
                          env={**os.environ, "PATH": f"{NODE22.parent}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    if command == "list":
        assert [t["name"] for t in answer["tools"]] == ["add"]
    else:
        assert answer["content"][0]["text"] == "42"


STDIO_CLIENT = """
import asyncio, json, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    async with stdio_client(StdioServerParameters(command=sys.argv[1])) as (r, w), ClientSession(r, w) as s:
        await s.initialize()
        tools = [t.name for t in (await s.list_tools()).tools]
        good = await s.call_tool("add", {"a": 1, "b": 2})
        bad = await s.call_tool("add", {"a": "x"})
        print(json.dumps([tools, good.content[0].text, bad.model_dump(by_alias=True).get("isError")]))

asyncio.run(main())
"""


def test_stdio_server_by_the_python_client():
    done = subprocess.run([sys.executable, "-c", STDIO_CLIENT, EXAMPLES / "stdio_server"], capture_output=True, text=True,
                          timeout=60 * peers.PATIENCE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["add"], "3", True]


def lines(program, *messages):
    """What a stdio server answers to these lines."""
    done = subprocess.run([EXAMPLES / program], input="".join(m + "\n" for m in messages), capture_output=True, text=True,
                          timeout=20 * peers.PATIENCE)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_stdio_speaks_both_eras_by_the_line():
    modern = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    got = lines("stdio_server",
                json.dumps({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": modern}}),
                json.dumps({"jsonrpc": "2.0", "id": "two", "method": "tools/call",
                            "params": {"name": "add", "arguments": {"a": 1, "b": 1}, "_meta": modern}}),
                "not json", "[]",
                json.dumps({"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {
                    "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}),
                json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
                json.dumps({"jsonrpc": "2.0", "id": 4, "method": "tools/list"}))
    by = {m.get("id"): m for m in got}
    assert by[1]["result"]["resultType"] == "complete" and "2026-07-28" in by[1]["result"]["supportedVersions"]
    assert by["two"]["result"]["content"][0]["text"] == "2"
    assert by[3]["result"]["protocolVersion"] == "2025-11-25" and by[4]["result"]["tools"][0]["name"] == "add"
    assert sum("error" in m for m in got) == 2


def test_embedded_in_a_loop(start):
    clock = start("embed_in_uv_loop", path="/clock")
    count = peers.Endpoint()
    count.port, count.path = clock.port, "/count"
    assert b" ms" in clock.call("now").body
    assert count.call("next_tick").status == 401
    assert b"tick " in count.call("next_tick", token="counter-token").body
    assert clock.request("GET", "/.well-known/oauth-protected-resource/count").status == 404, "a verifier alone publishes nothing"
    assert clock.request(path="/mcp", body={}).status == 404
    assert clock.request(path="/clock", body={}, headers={"Host": "evil.example"}).status == 421


# ---------------------------------------------------------------- everything

@pytest.fixture(scope="module")
def everything(start):
    return start("everything", ("--port", "{port}"))


@pytest.fixture(scope="module")
def guarded(start):
    return start("everything", ("--port", "{port}", "--token", "let-me-in-please"))


STEPS = [
    {"list": True}, {"resources": True}, {"templates": True}, {"prompts": True},
    {"call": {"name": "test_simple_text", "arguments": {}}},
    {"call": {"name": "test_multiple_content_types", "arguments": {}}},
    {"call": {"name": "test_error_handling", "arguments": {}}},
    {"call": {"name": "test_tool_with_progress", "arguments": {}}, "progress": True},
    {"call": {"name": "echo", "arguments": {"a": [1, {"b": "ä"}]}}},
    {"call": {"name": "nothing", "arguments": {}}},
    {"read": "test://static-text"}, {"read": "test://static-binary"}, {"read": "test://template/12%203/data"}, {"read": "test://nowhere"},
    {"prompt": {"name": "test_prompt_with_arguments", "arguments": {"arg1": "hello", "arg2": "world"}}},
    {"complete": {"ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"}, "argument": {"name": "arg1", "value": "par"}}},
]


def check_steps(r, version):
    assert len(r[0]["tools"]) >= 38 and [t["name"] for t in r[0]["tools"]] == sorted(t["name"] for t in r[0]["tools"])
    assert {x["uri"] for x in r[1]["resources"]} == {"test://static-text", "test://static-binary", "test://watched-resource"}
    assert [x["uriTemplate"] for x in r[2]["templates"]] == ["test://template/{id}/data"]
    assert len(r[3]["prompts"]) == 5
    assert first_text(r[4]) == "This is a simple text response for testing."
    assert [c["type"] for c in r[5]["result"]["content"]] == ["text", "image", "resource"]
    assert r[6]["result"]["isError"] is True
    assert [p["progress"] for p in r[7]["progress"]] == [0, 50, 100]
    assert r[8]["result"]["structuredContent"] == {"a": [1, {"b": "ä"}]}
    assert "error" in r[9] or r[9]["result"]["isError"]
    assert r[10]["result"]["contents"][0]["text"].startswith("This is the content")
    assert base64.b64decode(r[11]["result"]["contents"][0]["blob"]).startswith(b"\x89PNG")
    assert json.loads(r[12]["result"]["contents"][0]["text"])["id"] == "12 3"
    assert "error" in r[13]
    assert r[14]["result"]["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='hello', arg2='world'"
    assert r[15]["result"]["completion"]["values"] == ["paris", "park", "party"]


@pytest.mark.parametrize("version,era", CLIENTS)
@pytest.mark.parametrize("who", ["anyone", "signed in"])
def test_everything(everything, guarded, who, version, era):
    p, token = (everything, None) if who == "anyone" else (guarded, "let-me-in-please")
    check_steps(play(p, version, era, STEPS, token)[1:], version)


@pytest.mark.parametrize("version,era", CLIENTS)
@pytest.mark.parametrize("kind", ["missing", "wrong", "expired", "of another resource", "of another issuer"])
def test_clients_without_a_good_token_do_not_come_in(start, jwks, version, era, kind):
    p = shared_multi_auth(start, jwks)
    token = {"missing": None, "wrong": "no-token-of-anybody", "expired": jwks.token(p.url, exp=1), "of another resource": jwks.token("https://a.test"),
             "of another issuer": jwks.token(p.url, iss="https://b.test")}[kind]
    script = {"url": p.url, "token": token, "era": era, "steps": [{"list": True}, {"call": {"name": "whoami", "arguments": {}}}]}
    if version == "python":
        done = subprocess.run([sys.executable, peers.HERE / "pyclient.py"], input=json.dumps(script), capture_output=True, text=True, timeout=60 * peers.PATIENCE)
        assert "by jwt" not in done.stdout and (done.returncode != 0 or "error" in done.stdout)
        return
    r = peers.sdk(version, script)["results"]
    assert "connect_error" in r[0] and "by jwt" not in json.dumps(r), r


@pytest.mark.parametrize("token", [None, "wrong"])
def test_everything_guarded_is_closed_for_others(guarded, token):
    for method, params in [("tools/list", {}), ("tools/call", {"name": "echo"}), ("resources/read", {"uri": "test://static-text"}),
                           ("prompts/get", {"name": "test_simple_prompt"}), ("initialize", {}), ("ping", {}), ("nothing", {})]:
        assert guarded.rpc(method, params, token).status == 401, method
        assert guarded.modern(method, params, token).status == 401, method


FASTMCP_CLIENT = """
import asyncio, json, sys
from fastmcp import Client

async def main():
    async with Client(sys.argv[1], auth=sys.argv[2] or None) as c:
        tools = [t.name for t in await c.list_tools()]
        text = (await c.call_tool("test_simple_text", {})).content[0].text
        failed = False
        try:
            await c.call_tool("test_error_handling", {})
        except Exception as e:
            failed = "intentionally" in str(e)
        res = (await c.read_resource("test://static-text"))[0].text
        prompt = (await c.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})).messages[0].content.text
        print(json.dumps([len(tools), text, failed, res, prompt]))

asyncio.run(main())
"""


def test_everything_by_the_fastmcp_client(guarded):
    def client(token):
        return subprocess.run([sys.executable, "-c", FASTMCP_CLIENT, guarded.url, token], capture_output=True, text=True,
                              timeout=60 * peers.PATIENCE)
    done = client("let-me-in-please")
    assert done.returncode == 0, done.stderr[-2000:]
    n, text, failed, res, prompt = json.loads(done.stdout)
    assert n >= 38 and text.startswith("This is a simple") and failed and res.startswith("This is the content")
    assert prompt == "Prompt with arguments: arg1='a', arg2='b'"
    assert client("wrong").returncode != 0


def test_everything_by_the_inspector(guarded):
    def inspect(token, *args):
        argv = [NODE22, INSPECTOR / json.loads((INSPECTOR / "package.json").read_text())["bin"]["mcp-inspector"], "--cli", guarded.url,
                "--transport", "http", "--header", f"Authorization: Bearer {token}", *args]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60 * peers.PATIENCE,
                              env={**os.environ, "PATH": f"{NODE22.parent}:{os.environ['PATH']}"})
    listed = inspect("let-me-in-please", "--method", "tools/list")
    assert listed.returncode == 0 and len(json.loads(listed.stdout)["tools"]) >= 38, listed.stderr
    called = inspect("let-me-in-please", "--method", "tools/call", "--tool-name", "whoami")
    assert json.loads(called.stdout)["content"][0]["text"] == "everything"
    assert inspect("wrong", "--method", "tools/list").returncode != 0


def test_a_slow_handler_blocks_nobody(start):
    p = start("everything", ("--port", "{port}", "--workers", "2"))
    slow = [threading.Thread(target=p.call, args=("slow", {"ms": 1500})) for _ in range(2)]
    for t in slow:
        t.start()
    began = os.times().elapsed
    assert p.rpc("tools/list", {}).status == 200 and p.rpc("ping").status == 200
    assert os.times().elapsed - began < 1.0 * peers.PATIENCE
    for t in slow:
        t.join()


@pytest.mark.slow
def test_a_thousand_sessions(everything):
    ids = [everything.session() for _ in range(1000)]
    assert len(set(ids)) == 1000
    h = {"MCP-Protocol-Version": "2025-11-25"}
    for sid in ids[::7] + ids[-5:]:
        a = everything.call("test_simple_text", headers={**h, "Mcp-Session-Id": sid})
        assert a.status == 200 and b"simple text" in a.body
    assert everything.rpc("ping", headers={"Mcp-Session-Id": "0" * 32}).status == 404
