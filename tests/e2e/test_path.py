"""Servers at paths of their own: an API, a FastMCP server and an SDK server, each alone at its path, beside `url` with one more;
one listener, four resources."""

import base64
import json
import time
import urllib.request

import pytest

import conftest
import peers
import test_conformance

CLIENTS = [("v1", "legacy"), ("v2", "legacy"), ("v2", "2026-07-28"), ("python", "legacy")]
PRM = "/.well-known/oauth-protected-resource"
# path -> scopes that its metadata names, a tool with arguments, text of its answer
PLACES = {
    "/mcp": (["use"], "v1_add", {"a": 1, "b": 2}, "3"),
    "/dns": (["dns:read"], "listServers", {}, "localhost"),
    "/fast": (["fast"], "add", {"a": 3, "b": 4}, "7"),
    "/team/sdk": (["use"], "add", {"a": 5, "b": 6}, "11"),
}


@pytest.fixture(scope="module")
def ups(make_upstream):
    return {"fast": make_upstream("fastmcp"), "sdk": make_upstream("v2"), "v1": make_upstream("v1")}


def config(ups, pdns, audience=""):
    return f"""
auth: {{type: jwt, issuer: https://issuer.test, keys: jwks.json{audience}}}
servers:
  dns: {{openapi: pdns.json, url: "http://127.0.0.1:{pdns.http}/api/v1", path: /dns, secrets: {{APIKeyHeader: vault:pdns}}}}
  fast: {{mcp: "{ups['fast'].url}", path: /fast}}
  sdk: {{mcp: "{ups['sdk'].url}", path: /team/sdk}}
  v1: {{mcp: "{ups['v1'].url}"}}
rules:
  - {{allow: dns.access:read, require_scopes: dns:read}}
  - {{allow: fast, require_scopes: fast}}
  - {{allow: [sdk, v1], require_scopes: use}}
  - {{deny: sdk.echo}}
limits: {{calls: 100000/min}}
"""


@pytest.fixture(scope="module")
def gateway(ups, make_front, pdns, canary, issuer):
    g = make_front(config(ups, pdns), {"pdns": canary}, files={"pdns.json": pdns.document()}, options=["--fronts", "2"])
    for path, (_, tool, _, _) in PLACES.items():
        there, who = g.at(path), token(g.at(path), issuer)
        peers.wait_for(f"{tool} at {path}", lambda t=tool, there=there, who=who: f'"{t}"'.encode() in there.rpc("tools/list", {}, who).body, 20, 0.2)
    return g


def token(g, issuer, **more):
    return issuer.token(g.url, **{"sub": "ann", "scope": "dns:read fast use", **more})


def names(g, who, method="tools/list", key="tools"):
    found, cursor = [], None
    while True:
        page = g.rpc(method, {"cursor": cursor} if cursor else {}, who).json()["result"]
        found += [x.get("name") for x in page[key]]
        cursor = page.get("nextCursor")
        if not cursor:
            return found


@pytest.mark.parametrize("path", PLACES)
def test_9_metadata_and_challenge(gateway, path):
    """Parity 9, F01: at the well-known part and the path; `resource` is what the client typed."""
    g = gateway.at(path)
    doc = g.request("GET", PRM + path).json()
    assert doc["resource"] == g.url and doc["scopes_supported"] == PLACES[path][0]
    challenge = g.rpc("tools/list", {})
    assert challenge.status == 401 and challenge.header("WWW-Authenticate") == \
        f'Bearer resource_metadata="http://127.0.0.1:{g.port}{PRM}{path}"'
    for wrong in (f"{PRM}{path}/", f"{PRM}{path}x", PRM, f"{PRM}/"):
        assert g.request("GET", wrong).status == 404, wrong
    assert g.request(path=path + "/", body={}).status == 404 and g.request(path=path.upper(), body={}).status == 404


@pytest.mark.parametrize("version,era", CLIENTS)
@pytest.mark.parametrize("path", PLACES)
def test_official_clients(gateway, issuer, path, version, era):
    g = gateway.at(path)
    _, tool, arguments, text = PLACES[path]
    steps = [{"list": True}, {"call": {"name": tool, "arguments": arguments}}]
    if path == "/team/sdk":
        steps += [{"prompts": True}, {"prompt": {"name": "simple_prompt"}}, {"resources": True}, {"read": "test://static-text"},
                  {"complete": {"ref": {"type": "ref/prompt", "name": "prompt_with_arguments"}, "argument": {"name": "arg1", "value": "par"}}}]
    out = peers.sdk(version, {"url": g.url, "token": token(g, issuer), "era": era, "steps": steps})
    results = out["results"]
    assert not [r for r in results if "error" in r or "connect_error" in r], results
    listed = [t["name"] for t in results[1]["tools"]]
    assert tool in listed and len(set(listed)) == len(listed)
    assert all(n.startswith("v1_") for n in listed) if path == "/mcp" else not [n for n in listed if n.startswith(("dns_", "fast_", "sdk_", "v1_"))]
    assert text in results[2]["result"]["content"][0]["text"], results[2]
    if path != "/team/sdk":
        return
    assert "echo" not in listed, "rules speak of sdk.echo, whatever it is shown as"
    assert "simple_prompt" in [p["name"] for p in results[3]["prompts"]]
    assert "simple prompt" in json.dumps(results[4]) and "static text" in json.dumps(results[6])
    assert results[7]["result"]["completion"]["values"] == ["paris", "park", "party"]
    if version == "v2":
        assert results[0]["instructions"] == "Ask the fixture.", "of that server alone, without its name"


@pytest.mark.parametrize("path", PLACES)
def test_b01_b17_a_token_is_for_one_resource(gateway, issuer, path):
    good = {p: token(gateway.at(p), issuer) for p in PLACES}
    _, tool, arguments, text = PLACES[path]
    g = gateway.at(path)
    calls = sum(a["kind"] == "intent" for a in g.audit())
    for _ in range(3):          # B17: what each front and egress remembers helps nowhere else
        for place, who in good.items():
            a = g.call(tool, arguments, who)
            if place == path:
                assert a.status == 200 and text in a.json()["result"]["content"][0]["text"]
                continue
            assert a.status == 401 and 'error="invalid_token"' in a.header("WWW-Authenticate")
            assert f"{PRM}{path}\"" in a.header("WWW-Authenticate")
            assert b"aud" not in a.body and a.body == g.call(tool, arguments, "x.y.z").body, "one text for all reasons"
    both = issuer.token([gateway.at(p).url for p in PLACES], scope="dns:read fast use")
    assert g.call(tool, arguments, both).status == 200
    for other in (f"http://127.0.0.1:{g.port}", g.url + "/", g.url + "/x", g.url.upper(), "url", ""):
        assert g.call(tool, arguments, issuer.token(other, scope="dns:read fast use")).status == 401, other
    peers.wait_for("the audit", lambda: sum(a["kind"] == "intent" for a in g.audit()) >= calls + 4, 5)
    time.sleep(0.3)
    assert sum(a["kind"] == "intent" for a in g.audit()) == calls + 4, "no refused call went out"

    def said():
        """The operator's line says for which resource the token is not; there are only so many lines a second."""
        assert g.call(tool, arguments, issuer.token("https://other.test")).status == 401
        return f"expected {g.url}" in g.text()

    peers.wait_for("the operator's line", said, 10, 0.5)


@pytest.mark.parametrize("path", PLACES)
def test_b17_a_session_is_of_one_resource(gateway, issuer, path):
    here, sessions = gateway.at(path), {}
    for place in PLACES:
        there = gateway.at(place)
        who = issuer.token([gateway.at(p).url for p in PLACES], sub="ann", scope="dns:read fast use")
        sessions[place] = there.session(who)
        sid = {"Mcp-Session-Id": sessions[place]}
        a = here.rpc("tools/list", {}, who, headers=sid)
        unknown = here.rpc("tools/list", {}, who, headers={"Mcp-Session-Id": "A" * len(sessions[place])})
        assert unknown.status == 404
        if place == path:
            assert a.status == 200
            continue
        assert a.status == 404 and a.body == unknown.body
        assert here.request("DELETE", token=who, headers=sid).status == 404
        assert here.request("GET", token=who, headers={**sid, "Accept": "text/event-stream"}).status == 404
        assert there.rpc("ping", {}, who, headers=sid).status == 200, "it lives where it is"


def test_names_of_one_resource_do_not_exist_at_another(gateway, issuer):
    for path in PLACES:
        g = gateway.at(path)
        who = token(g, issuer)
        listed = names(g, who)
        for place, (_, tool, arguments, _) in PLACES.items():
            for name in (tool, *(f"{s}_{tool}" for s in ("dns", "fast", "sdk"))):
                if name in listed:
                    continue
                a, unknown = g.call(name, arguments, who), g.call("no_such_tool", arguments, who)
                assert a.status == 200 and a.body.replace(name.encode(), b"X") == unknown.body.replace(b"no_such_tool", b"X"), (path, name)
    assert gateway.at("/fast").rpc("resources/read", {"uri": "test://static-text"}, token(gateway.at("/fast"), issuer)).json().get("result") is None
    assert gateway.at("/dns").rpc("prompts/get", {"name": "simple_prompt"}, token(gateway.at("/dns"), issuer)).json().get("result") is None


def test_capabilities_are_of_that_server_alone(gateway, issuer):
    def caps(path):
        g = gateway.at(path)
        return set(g.modern("server/discover", {}, token(g, issuer)).json()["result"]["capabilities"])
    assert caps("/dns") == {"tools"}
    assert {"tools", "resources", "prompts", "logging", "completions"} <= caps("/team/sdk")
    assert "prompts" in caps("/fast")


def test_e25_a_cursor_is_good_where_it_was_given(gateway, issuer):
    who = issuer.token([gateway.at(p).url for p in PLACES], scope="dns:read fast use")
    for path in PLACES:
        assert gateway.at(path).rpc("tools/list", {"cursor": "AAAAAAAAAAAAAAAA"}, who).json()["error"]["code"] == -32602


def test_changes_are_told_where_they_are_seen(gateway, issuer):
    """A tool that comes and goes at one server: the streams of its resource hear of it, no other does."""
    streams = {}
    for path in ("/mcp", "/team/sdk", "/dns"):
        g = gateway.at(path)
        who = token(g, issuer)
        s = peers.Stream(g, headers={"Mcp-Session-Id": g.session(who), "MCP-Protocol-Version": "2025-11-25"}, token=who)
        assert s.status == 200
        streams[path] = s
    try:
        time.sleep(0.3)
        sdk = gateway.at("/team/sdk")
        assert sdk.call("toggle", {}, token(sdk, issuer)).status == 200
        assert streams["/team/sdk"].event(10)["method"] == "notifications/tools/list_changed"
        peers.wait_for("the new tool", lambda: "extra" in names(sdk, token(sdk, issuer)), 10, 0.2)
        main = gateway.at("/mcp")
        assert main.call("v1_toggle", {}, token(main, issuer)).status == 200
        assert streams["/mcp"].event(10)["method"] == "notifications/tools/list_changed"
        for path, stream in streams.items():
            with pytest.raises((TimeoutError, OSError)):
                raise AssertionError(f"{path}: {stream.event(1.5)}")
        sdk.call("toggle", {}, token(sdk, issuer))
        main.call("v1_toggle", {}, token(main, issuer))
    finally:
        for s in streams.values():
            s.close()


def test_a_configured_audience_counts_everywhere(ups, make_front, pdns, canary, issuer):
    g = make_front(config(ups, pdns, ", audience: [shared, url]"), {"pdns": canary}, files={"pdns.json": pdns.document()})
    shared = issuer.token("shared", scope="dns:read fast use")
    for path in PLACES:
        there = g.at(path)
        assert there.rpc("ping", {}, shared).status == 200
        assert there.rpc("ping", {}, token(there, issuer)).status == 200
        assert there.rpc("ping", {}, token(g.at("/fast" if path != "/fast" else "/dns"), issuer)).status == 401


def test_reload_moves_a_server(make_front, ups, issuer):
    """A server that gets a path: its old names are gone, and sessions of the old place with it, if that was its resource alone."""
    before = conftest.upstream_config({"v1": ups["v1"], "fast": ups["fast"]})
    g = make_front(before)
    who = issuer.token([g.url, g.at("/fast").url])
    peers.wait_for("both", lambda: {"v1_add", "fast_add"} <= set(names(g, who)), 20, 0.2)
    sid = g.session(who)
    g.reload(before.replace(f'fast: {{mcp: "{ups["fast"].url}"', f'fast: {{mcp: "{ups["fast"].url}", path: /fast'))
    there = g.at("/fast")
    peers.wait_for("it is there", lambda: "add" in names(there, who), 20, 0.2)
    peers.wait_for("the rest", lambda: "v1_add" in names(g, who), 20, 0.2)
    assert "fast_add" not in names(g, who)
    assert g.rpc("ping", {}, who, headers={"Mcp-Session-Id": sid}).status == 200
    assert there.rpc("ping", {}, who, headers={"Mcp-Session-Id": sid}).status == 404


def test_commands_say_where(gateway):
    check = gateway.cli("check").stdout
    assert f"Alone: dns at {gateway.at('/dns').url}, fast at {gateway.at('/fast').url}, sdk at {gateway.at('/team/sdk').url}" in check
    assert f"    path: /fast\n    # alone at {gateway.at('/fast').url}, under its own names\n" in gateway.cli("check", "--full").stdout
    tools = gateway.cli("tools").stdout
    assert "dns.listZones" in tools and "  listZones at /dns " in tools and f"see tools/list of a client of {gateway.at('/team/sdk').url}" in tools
    for name in ("dns.listZones", "listZones"):
        assert "outcome: allow" in gateway.cli("why", "--as", "jwt/ann", "--scopes", "dns:read", "--tool", name).stdout
    assert "outcome: closed" in gateway.cli("why", "--as", "jwt/ann", "--scopes", "use", "--tool", "sdk.echo").stdout


# ---- keycloak.yaml: one server, at the path of `url` itself

KEYCLOAK = """
auth: {{type: remote, issuer: "{issuer}", claims: {{tags: realm_access.roles}}}}
servers:
  wiki: {{mcp: "{wiki}", path: /mcp}}
rules:
  - {{allow: wiki, require_scopes: use}}
  - {{guard: wiki.simple_*, restrict_tag: editor}}
"""


def test_keycloak_yaml(make_front, make_upstream, tmp_path):
    """The shape of keycloak.yaml with a real authorization server: the client finds it, gets a token for `url`, and calls by plain names."""
    port = peers.free_port()
    provider = peers.Upstream(tmp_path, ["node", str(peers.NODE / "servers/oidc.mjs"), "PORT", f"http://127.0.0.1:{port}/mcp"])
    provider.start()
    try:
        g = make_front("", start=False)
        g.port, g.url = port, f"http://127.0.0.1:{port}/mcp"
        issuer = f"http://127.0.0.1:{provider.port}"
        g.write(KEYCLOAK.format(issuer=issuer, wiki=make_upstream("v1").url))
        g.start()
        challenge = g.rpc("tools/list", {})
        where = challenge.header("WWW-Authenticate").split('resource_metadata="')[1].split('"')[0]
        with urllib.request.urlopen(where, timeout=10) as answer:
            doc = json.load(answer)
        # the only resource: also without its path
        assert doc == g.request("GET", PRM).json() == g.request("GET", PRM + "/mcp").json()
        assert doc["resource"] == g.url and doc["authorization_servers"] == [issuer] and doc["scopes_supported"] == ["use"]
        r = urllib.request.Request(f"{issuer}/token", data=f"grant_type=client_credentials&scope=use&resource={doc['resource']}".encode(),
                                   headers={"Authorization": "Basic " + base64.b64encode(b"e2e:not-a-secret-of-anybody").decode()})
        with urllib.request.urlopen(r, timeout=10) as answer:
            who = json.load(answer)["access_token"]
        peers.wait_for("the key set", lambda: g.rpc("ping", {}, who).status == 200, 15, 0.2)
        peers.wait_for("the catalogue", lambda: "add" in names(g, who), 15, 0.2)
        assert "simple_text" not in names(g, who) and not [n for n in names(g, who) if n.startswith("wiki_")]
        assert g.call("add", {"a": 1, "b": 2}, who).json()["result"]["structuredContent"] == {"sum": 3}
    finally:
        provider.stop()


@pytest.fixture(scope="module")
def alone_gateways(make_upstream, make_front):
    made = {}

    def make(kind):
        if kind not in made:
            up = make_upstream(kind, prefix="test_")
            g = made[kind] = make_front(f'auth: {{type: anonymous}}\nservers:\n  wiki: {{mcp: "{up.url}", path: /mcp}}\n'
                                        "rules: [{allow: wiki, for: anyone}]\nlimits: {calls: 100000/min}\n")
            peers.wait_for("the catalogue", lambda: b"test_simple_text" in g.rpc("tools/list", {}).body, 20, 0.2)
        return made[kind]

    return make


SCENARIOS = {
    "2025-11-25": ["server-initialize", "server-session-lifecycle", "ping", "tools-list", "tools-call-simple-text", "tools-call-with-progress",
                   "resources-read-text", "resources-templates-read", "resources-subscribe", "prompts-get-with-args", "completion-complete"],
    "2026-07-28": ["tools-list", "tools-call-simple-text", "tools-call-mixed-content", "resources-read-text", "prompts-get-simple", "caching",
                   "http-header-validation"],
}


@pytest.mark.parametrize("kind", ["v1", "v2"])
@pytest.mark.parametrize("version,scenario", [(v, s) for v, of in SCENARIOS.items() for s in of])
def test_conformance_of_a_server_alone(alone_gateways, tmp_path, kind, version, scenario):
    """The official suite calls fixtures by their own names: so they are called by a server that has them and is alone."""
    done, checks = test_conformance.run(alone_gateways(kind), tmp_path, scenario, version)
    failed = [(c["id"], c.get("errorMessage") or c.get("details")) for c in checks if c["status"] == "FAILURE"]
    assert not failed, str(failed)[:1500]
    assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]
    assert any(c["status"] == "SUCCESS" for c in checks), checks
