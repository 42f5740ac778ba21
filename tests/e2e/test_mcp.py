"""Existing MCP servers behind the gateway: each real server, through each official client, in both eras."""

import http.client
import json
import secrets
import time

import pytest

import conftest
import peers

CLIENTS = [("v1", "legacy"), ("v2", "legacy"), ("v2", "2026-07-28"), ("python", "legacy")]
SERVERS = ["v1", "v2", "fastmcp", "everything"]


@pytest.fixture(scope="module")
def bearer():
    return "canary-" + secrets.token_urlsafe(24)


@pytest.fixture(scope="module")
def behind(make_upstream, make_front, bearer):
    """One gateway in front of all four servers; those that can ask for a credential do."""
    ups = {kind: make_upstream(kind, bearer if kind != "everything" else "") for kind in SERVERS}
    servers = {kind: (up, "up") if kind != "everything" else up for kind, up in ups.items()}
    g = make_front(conftest.upstream_config(servers), {"up": bearer}, options=["--fronts", "2"])
    g.ups = ups
    return g


@pytest.fixture(scope="module")
def ann(behind, issuer):
    return issuer.token(behind.url, sub="ann")


def known(g, token, name):
    """Waits until the catalogue is there."""
    def look():
        tools, cursor = [], None
        while True:
            page = g.rpc("tools/list", {"cursor": cursor} if cursor else {}, token).json()["result"]
            tools += [t["name"] for t in page["tools"]]
            cursor = page.get("nextCursor")
            if not cursor:
                return name in tools and tools
    return peers.wait_for(f"the tool {name}", look, 15, 0.1)


def play(g, version, era, token, steps, **more):
    out = peers.sdk(version, {"url": g.url, "token": token, "era": era, "steps": steps, **more})
    assert "connect_error" not in out["results"][0], out["results"][0]
    return out


def first_text(r):
    return r["result"]["content"][0]["text"]


@pytest.mark.parametrize("version,era", CLIENTS)
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_tools_resources_prompts(behind, ann, kind, version, era):
    known(behind, ann, f"{kind}_add")
    prompt = f"{kind}_prompt_with_arguments"
    # Both fixtures have the same URIs, and the first server's is the one that is listed: only tools and prompts of the second.
    out = play(behind, version, era, ann, [
        {"list": True},
        {"call": {"name": f"{kind}_add", "arguments": {"a": 1, "b": 2}}},
        {"call": {"name": f"{kind}_multiple_content_types", "arguments": {}}},
        {"call": {"name": f"{kind}_error_handling", "arguments": {}}},
        {"prompts": True},
        {"prompt": {"name": prompt, "arguments": {"arg1": "hello", "arg2": "world"}}},
        {"complete": {"ref": {"type": "ref/prompt", "name": prompt}, "argument": {"name": "arg1", "value": "par"}}},
        {"resources": True},
        {"read": "test://static-text"},
        {"read": "test://template/123/data"},
        {"templates": True},
        {"read": "test://nowhere"},
    ])
    r = out["results"][1:]
    names = [t["name"] for t in r[0]["tools"]]
    assert f"{kind}_add" in names and names == sorted(names)
    assert r[1]["result"]["structuredContent"] == {"sum": 3} and first_text(r[1]) == "3"
    assert [c["type"] for c in r[2]["result"]["content"]] == ["text", "image", "resource"]
    assert r[3]["result"]["isError"] is True
    assert prompt in [p["name"] for p in r[4]["prompts"]]
    assert r[5]["result"]["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='hello', arg2='world'"
    assert r[6]["result"]["completion"]["values"] == ["paris", "park", "party"]
    assert "test://static-text" in [x["uri"] for x in r[7]["resources"]]
    assert r[8]["result"]["contents"][0]["text"].startswith("This is the content")
    assert "123" in r[9]["result"]["contents"][0]["text"]
    assert "test://template/{id}/data" in [t["uriTemplate"] for t in r[10]["templates"]]
    assert "error" in r[11]


@pytest.mark.parametrize("version,era", CLIENTS)
@pytest.mark.parametrize("kind", ["v1", "v2", "fastmcp"])
def test_progress_reaches_its_own_call(behind, ann, kind, version, era):
    tool, first, n = (f"{kind}_steps", 0, 3) if kind == "fastmcp" else (f"{kind}_tool_with_progress", 0, 3)
    known(behind, ann, tool)
    out = play(behind, version, era, ann, [{"call": {"name": tool, "arguments": {}}, "progress": True}])
    progress = [p["progress"] for p in out["results"][1]["progress"]]
    assert len(progress) >= n and progress == sorted(progress) and progress[0] == first


def test_logging_both_eras(behind, ann):
    """A legacy client says once from which level on; a modern one in each request; on both kinds of server."""
    for kind in ("v1", "v2"):
        known(behind, ann, f"{kind}_tool_with_logging")
        out = play(behind, "v1", "legacy", ann, [
            {"call": {"name": f"{kind}_tool_with_logging"}}, {"level": "debug"}, {"call": {"name": f"{kind}_tool_with_logging"}},
            {"level": "error"}, {"call": {"name": f"{kind}_tool_with_logging"}}])
        said = [n["params"]["data"] for n in out["notes"] if n["method"] == "notifications/message"]
        assert said == ["Tool execution started", "Tool processing data", "Tool execution completed"], kind
        a = behind.modern("tools/call", {"name": f"{kind}_tool_with_logging", "arguments": {},
                                         "_meta": {"io.modelcontextprotocol/logLevel": "info"}}, ann)
        assert a.header("Content-Type").startswith("text/event-stream"), a.body
        assert a.body.count(b"notifications/message") == 3, kind
        a = behind.modern("tools/call", {"name": f"{kind}_tool_with_logging", "arguments": {}}, ann)
        assert b"notifications/message" not in a.body


@pytest.mark.parametrize("version,era", CLIENTS)
def test_the_reference_server(behind, ann, version, era):
    known(behind, ann, "everything_echo")
    out = play(behind, version, era, ann, [
        {"call": {"name": "everything_echo", "arguments": {"message": "hello"}}},
        {"call": {"name": "everything_get-sum", "arguments": {"a": 2, "b": 3}}},
        {"call": {"name": "everything_get-tiny-image", "arguments": {}}},
        {"prompts": True}, {"resources": True}])
    r = out["results"][1:]
    assert "hello" in first_text(r[0]) and "5" in first_text(r[1])
    assert any(c["type"] == "image" for c in r[2]["result"]["content"])
    assert any(p["name"].startswith("everything_") for p in r[3]["prompts"])
    assert r[4]["resources"]


@pytest.mark.parametrize("version,era", CLIENTS)
def test_fastmcp(behind, ann, version, era):
    known(behind, ann, "fastmcp_add")
    out = play(behind, version, era, ann, [
        {"call": {"name": "fastmcp_add", "arguments": {"a": 20, "b": 22}}},
        {"read": "data://config"}, {"read": "data://users/ann"},
        {"prompt": {"name": "fastmcp_review", "arguments": {"code": "int x;"}}}])
    r = out["results"][1:]
    assert "42" in first_text(r[0])
    assert r[1]["result"]["contents"][0]["text"] == "the configuration"
    assert r[2]["result"]["contents"][0]["text"] == "user ann"
    assert "int x;" in json.dumps(r[3]["result"])


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_73_nothing_of_the_caller_is_forwarded_and_the_secret_does_not_come_back(behind, ann, bearer, kind):
    known(behind, ann, f"{kind}_headers")
    headers = {"Cookie": "c=from-the-caller", "X-Api-Key": "from-the-caller", "X-Forwarded-For": "203.0.113.9", "X-User-Id": "from-the-caller"}
    a = behind.rpc("tools/call", {"name": f"{kind}_headers", "arguments": {}}, ann, headers=headers)
    text = a.json()["result"]["content"][0]["text"]
    seen = json.loads(text)
    assert bearer not in a.body.decode() and seen["authorization"].startswith("Bearer ")
    assert "from-the-caller" not in text and "203.0.113.9" not in text and ann not in text and "mcp-session-id" not in str(headers)
    assert any(line["kind"] == "incident" for line in peers.wait_for("the incident", lambda: [x for x in behind.audit() if x["kind"] == "incident"], 5))


@pytest.mark.parametrize("kind", ["v1", "v2"])
@pytest.mark.parametrize("tool", ["sampling", "elicitation"])
def test_o08_servers_may_not_ask(behind, ann, kind, tool):
    known(behind, ann, f"{kind}_{tool}")
    a = behind.rpc("tools/call", {"name": f"{kind}_{tool}", "arguments": {}}, ann)
    message = json.loads(a.body) if a.body.startswith(b"{") else json.loads(a.body.split(b"data:")[-1])
    assert "error" in message or message["result"]["isError"]


def events(a):
    return [json.loads(x.split("\n")[0]) for x in a.body.decode().split("data:")[1:]]


def test_list_changed_reaches_streams(behind, ann):
    known(behind, ann, "v1_toggle")
    for version, era, listen in (("v1", "legacy", None), ("v2", "2026-07-28", {"toolsListChanged": True})):
        for kind in ("v1", "v2"):
            known(behind, ann, f"{kind}_toggle")
            out = play(behind, version, era, ann, [{"sleep": 500}, {"call": {"name": f"{kind}_toggle", "arguments": {}}},
                                                  {"wait_note": "notifications/tools/list_changed"}, {"list": True}], listen=listen)
            assert "note" in out["results"][3], (version, kind, out["results"])
            there = f"{kind}_extra" in [t["name"] for t in out["results"][4]["tools"]]
            assert there == (first_text(out["results"][2]) == "true")


def test_resource_updates_reach_who_subscribed(behind, ann):
    known(behind, ann, "v1_touch")
    out = play(behind, "v1", "legacy", ann, [{"subscribe": "test://watched-resource"}, {"sleep": 500}, {"call": {"name": "v1_touch", "arguments": {}}},
                                             {"wait_note": "notifications/resources/updated"}])
    assert out["results"][4]["note"]["params"]["uri"] == "test://watched-resource", out["results"]
    out = play(behind, "v2", "2026-07-28", ann, [{"sleep": 500}, {"call": {"name": "v1_touch", "arguments": {}}}, {"wait_note": "notifications/resources/updated"}],
               listen={"resourceSubscriptions": ["test://watched-resource"]})
    assert out["results"][3]["note"]["params"]["uri"] == "test://watched-resource", out["results"]


def ends(g, token, kind):
    return json.loads(g.call(f"{kind}_slow_ends", {}, token).json()["result"]["content"][0]["text"])


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_cancellation_as_each_era_defines_it(behind, ann, kind):
    known(behind, ann, f"{kind}_slow")
    ends(behind, ann, kind)
    # modern: the end of the connection is the cancellation
    c = http.client.HTTPConnection("127.0.0.1", behind.port, timeout=20)
    params = {"name": f"{kind}_slow", "arguments": {"ms": 4000}, "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
              "io.modelcontextprotocol/clientCapabilities": {}}}
    c.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}),
              {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": f"Bearer {ann}",
               "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": f"{kind}_slow"})
    time.sleep(1)
    c.sock.close()
    assert peers.wait_for("the modern cancellation", lambda: ends(behind, ann, kind), 3, 0.2) == ["aborted"]
    # legacy: the client says so
    out = play(behind, "v1", "legacy", ann, [{"call": {"name": f"{kind}_slow", "arguments": {"ms": 4000}}, "abort_after": 800}, {"sleep": 500}])
    assert "error" in out["results"][1]
    assert peers.wait_for("the legacy cancellation", lambda: ends(behind, ann, kind), 3, 0.2) == ["aborted"]


def test_legacy_disconnect_is_no_cancellation(behind, ann):
    known(behind, ann, "v1_slow")
    ends(behind, ann, "v1")
    c = http.client.HTTPConnection("127.0.0.1", behind.port, timeout=20)
    c.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "v1_slow", "arguments": {"ms": 1500}}}),
              {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": f"Bearer {ann}",
               "MCP-Protocol-Version": "2025-11-25"})
    time.sleep(0.5)
    c.sock.close()
    assert peers.wait_for("the end of the call", lambda: ends(behind, ann, "v1"), 6, 0.2) == ["finished"]


def test_o12_upstream_sessions_are_per_caller(behind, issuer, ann):
    known(behind, ann, "v1_add")
    before = set(json.loads(behind.ups["v1"].get("/sessions")))
    for who in ("one", "two"):
        token = issuer.token(behind.url, sub=who)
        for _ in range(3):
            assert behind.call("v1_add", {"a": 1, "b": 1}, token).json()["result"]["content"]
    fresh = set(json.loads(behind.ups["v1"].get("/sessions"))) - before
    assert len(fresh) == 2


def test_a_forgotten_upstream_session_is_made_anew(behind, ann):
    known(behind, ann, "v1_add")
    assert behind.call("v1_add", {"a": 1, "b": 1}, ann).json()["result"]["structuredContent"] == {"sum": 2}
    behind.ups["v1"].get("/forget")
    assert behind.call("v1_add", {"a": 1, "b": 1}, ann).json()["result"]["structuredContent"] == {"sum": 2}


def test_large_results_and_many_at_once(behind, ann):
    known(behind, ann, "v1_large")
    from concurrent.futures import ThreadPoolExecutor

    def one(n):
        a = behind.call("v1_large" if n % 2 else "v2_large", {"letters": 300000 + n}, ann)
        message = a.json() if a.body.startswith(b"{") else events(a)[-1]
        return len(message["result"]["content"][0]["text"]) == 300000 + n

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(24)))


def test_mcp_param_headers_are_checked_and_mirrored(behind, ann):
    """E18, and the mirror on the other side."""
    for kind in ("v1", "v2"):
        known(behind, ann, f"{kind}_region")
        good = behind.modern("tools/call", {"name": f"{kind}_region", "arguments": {"region": "Zürich"}}, ann,
                             headers={"Mcp-Param-Region": "=?base64?WsO8cmljaA==?="})
        assert "region Zürich" in good.body.decode(), good.body
        bad = behind.modern("tools/call", {"name": f"{kind}_region", "arguments": {"region": "a"}}, ann, headers={"Mcp-Param-Region": "b"})
        assert bad.status == 400 and bad.json()["error"]["code"] == -32020
        # A legacy client knows nothing of such headers.
        assert "region x" in behind.call(f"{kind}_region", {"region": "x"}, ann).body.decode()


def test_e01_rules_over_catalogues(make_upstream, make_front, issuer):
    """Names, patterns, prompts and resources; default deny for what appears later (E06)."""
    up = make_upstream("v1")
    g = make_front(conftest.upstream_config({"wiki": up}, """
  - {allow: [wiki.add, "wiki.s*"]}
  - {allow: wiki.toggle}
  - {deny: wiki.sampling}
  - {allow: wiki.echo, require_scopes: "wiki:echo"}
  - {allow: "wiki.resource:test://template/**"}
  - {allow: wiki.prompt:simple_prompt, restrict_tag: ops}
  - {deny: wiki, for: jwt/nobody}
"""))
    ann, ops = issuer.token(g.url, sub="ann"), issuer.token(g.url, sub="oli", tags=["ops"], scope="wiki:echo")
    names = known(g, ann, "wiki_add")
    assert set(names) == {"wiki_add", "wiki_simple_text", "wiki_slow", "wiki_slow_ends", "wiki_schema_2020_12_tool", "wiki_toggle"}
    init = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e", "version": "1"}}
    assert g.rpc("initialize", init, ann).json()["result"]["instructions"] == "wiki: Ask the fixture."
    assert g.modern("server/discover", {}, ann).json()["result"]["instructions"] == "wiki: Ask the fixture."
    assert "instructions" not in g.rpc("initialize", init, issuer.token(g.url, sub="nobody")).json()["result"]
    assert g.rpc("prompts/list", {}, ann).json()["result"]["prompts"] == []
    assert [p["name"] for p in g.rpc("prompts/list", {}, ops).json()["result"]["prompts"]] == ["wiki_simple_prompt"]
    assert g.rpc("resources/list", {}, ann).json()["result"]["resources"] == []
    assert len(g.rpc("resources/templates/list", {}, ann).json()["result"]["resourceTemplates"]) == 1
    assert "7" in g.rpc("resources/read", {"uri": "test://template/7/data"}, ann).body.decode()
    denied = g.rpc("resources/read", {"uri": "test://static-text"}, ann).json()["error"]
    unknown = g.rpc("resources/read", {"uri": "test://nothing"}, ann).json()["error"]
    assert denied["code"] == unknown["code"] == -32002 and denied["message"].replace("static-text", "nothing") == unknown["message"]
    assert g.rpc("prompts/get", {"name": "wiki_simple_prompt"}, ann).json()["error"]["code"] == -32602
    short = g.call("wiki_echo", {"text": "x"}, ann)
    assert short.status == 403 and 'scope="wiki:echo"' in short.header("WWW-Authenticate")
    assert g.call("wiki_echo", {"text": "x"}, ops).status == 200
    a, b = g.call("wiki_sampling", {}, ann), g.call("wiki_nothing", {}, ann)
    assert a.body.replace(b"sampling", b"nothing") == b.body
    assert g.call("wiki_toggle", {}, ann).status == 200
    time.sleep(2)
    assert "wiki_extra" not in known(g, ann, "wiki_add"), "what appears later is closed"


def test_75_upstream_down_at_start_and_later(make_front, tmp_path_factory, issuer):
    up = peers.upstream("v1", tmp_path_factory.mktemp("late"))
    g = make_front(conftest.upstream_config({"wiki": up}))
    ann = issuer.token(g.url, sub="ann")
    a = g.call("wiki_add", {"a": 1, "b": 2}, ann)
    assert a.status == 200 and a.json()["result"]["isError"] and "wiki" in a.json()["result"]["content"][0]["text"]
    try:
        up.start()
        known(g, ann, "wiki_add")
        assert g.call("wiki_add", {"a": 1, "b": 2}, ann).json()["result"]["structuredContent"] == {"sum": 3}
        up.stop()
        a = g.call("wiki_add", {"a": 1, "b": 2}, ann)
        assert a.json()["result"]["isError"]
        assert "wiki_add" in known(g, ann, "wiki_add"), "what was known stays listed"
        up.start()
        peers.wait_for("the recovery", lambda: not g.call("wiki_add", {"a": 1, "b": 2}, ann).json()["result"].get("isError"), 15, 0.3)
    finally:
        up.stop()

