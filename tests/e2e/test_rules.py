"""Area E: what a caller may see and call, and what the refusals tell."""

import json

import pytest

import peers


def names(gateway, token):
    return [t["name"] for t in gateway.rpc("tools/list", {}, token).json()["result"]["tools"]]


def test_e01_e04_a_closed_tool_answers_like_an_unknown_one(make_gateway, issuer):
    g = make_gateway(rules='rules:\n  - {allow: dns.listZones, require_scopes: dns:read}\n  - {allow: dns.deleteZone, restrict_tag: ops}\n')
    token = issuer.token(g.url, scope="dns:read dns:write")
    assert names(g, token) == ["dns_listZones"]
    twins = ["dns_deleteZone", "dns_DeleteZone", "dns_deleteZone ", "dns.deleteZone", "deleteZone", "dns_deleteZon\u00e9", "dns_deleteZone\u200d"]
    for name in twins:
        a = g.call(name, {"server_id": "localhost", "zone_id": "x"}, token)
        unknown = g.call("no_such_tool", {"server_id": "localhost", "zone_id": "x"}, token)
        assert a.status == unknown.status == 200
        assert a.body.replace(json.dumps(name)[1:-1].encode(), b"N").replace(name.encode(), b"N") == \
            unknown.body.replace(b"no_such_tool", b"N"), name
        assert [h for h in a.headers if h[0] != "Content-Length"] == [h for h in unknown.headers if h[0] != "Content-Length"]


def test_e02_missing_scope_is_challenged(gateway, reader):
    a = gateway.call("dns_createZone", {"server_id": "localhost"}, reader)
    challenge = a.header("WWW-Authenticate")
    assert a.status == 403 and 'error="insufficient_scope"' in challenge and 'scope="dns:write"' in challenge
    assert "resource_metadata=" in challenge


def test_e03_list_is_filtered_sorted_and_private(gateway, reader, writer):
    few, all_ = names(gateway, reader), names(gateway, writer)
    assert set(few) < set(all_) and few == sorted(few)
    result = gateway.modern("tools/list", {}, reader).json()["result"]
    assert result["cacheScope"] == "private" and result["resultType"] == "complete" and result["ttlMs"] >= 0


def test_e08_e09_scopes_are_exact(gateway, issuer):
    for scope in ("dns:rea", "dns:read2", "DNS:READ", "dns:*", "*", "dns", "dns:read\tdns:write", "dns:read,dns:write", "dns:read\u00a0x"):
        assert names(gateway, issuer.token(gateway.url, scope=scope)) == [], scope
    assert names(gateway, issuer.token(gateway.url, scope="x dns:read y"))
    assert names(gateway, issuer.token(gateway.url, scope=["dns:read"]))


def test_conditions_on_arguments(make_gateway, issuer):
    g = make_gateway(rules='rules:\n  - {allow: dns.access:read, require_scopes: dns:read}\n'
                           '  - {deny: dns.listZone, unless: {zone_id: "*.test."}}\n')
    token = issuer.token(g.url, scope="dns:read")
    assert "dns_listZone" in names(g, token)

    def text(args):
        return g.call("dns_listZone", args, token).json()["result"]

    refused = text({"server_id": "localhost", "zone_id": "acme.com."})
    assert refused["isError"] and refused["content"][0]["text"] == "refused: these arguments are not allowed"
    for sneaky in ("x%2e.test.", "..", "a/../b.test.", "a\\b.test.", ["a.test."], None, 5):
        assert text({"server_id": "localhost", "zone_id": sneaky})["content"][0]["text"].startswith("refused"), sneaky
    assert "refused" not in text({"server_id": "localhost", "zone_id": "a.test."})["content"][0]["text"]
    why = g.cli("why", "--as", "jwt/ann", "--scopes", "dns:read", "--tool", "dns.listZone", "--args", '{"zone_id":"acme.com."}')
    assert "refused arguments" in why.stdout and "deny: dns.listZone" in why.stdout


def test_e12_duplicate_argument_keys(gateway, reader):
    text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"dns_listZones","arguments":{"server_id":"a","server_id":"localhost"}}}'
    a = gateway.request(body=text, token=reader, headers={"MCP-Protocol-Version": "2025-11-25"})
    assert a.status == 400 and a.json()["error"]["code"] in (-32700, -32600)


def test_e16_a_notification_is_not_executed(gateway, writer, pdns):
    before = pdns.api("GET", "/api/v1/servers/localhost/zones")[1]
    text = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "dns_createZone", "arguments": {
        "server_id": "localhost", "name": "sneaky.test.", "kind": "Native"}}}
    assert gateway.request(body=text, token=writer, headers={"MCP-Protocol-Version": "2025-11-25"}).status in (202, 400)
    assert pdns.api("GET", "/api/v1/servers/localhost/zones")[1] == before


@pytest.mark.parametrize("headers,code,status", [
    ({"Mcp-Method": "tools/list"}, -32020, 400), ({"Mcp-Name": "dns_listZone"}, -32020, 400), ({"Mcp-Method": None}, -32020, 400),
    ({"Mcp-Name": None}, -32020, 400), ({"Mcp-Name": "=?base64?!!?="}, -32020, 400), ({"MCP-Protocol-Version": "2025-11-25"}, -32020, 400)])
def test_e17_e19_headers_must_match_the_body(gateway, reader, headers, code, status):
    a = gateway.modern("tools/call", {"name": "dns_listZones", "arguments": {"server_id": "localhost"}}, reader, headers=headers)
    assert (a.status, a.json()["error"]["code"]) == (status, code), a.body


def test_e19_unknown_version(gateway, reader):
    a = gateway.modern("tools/list", {}, reader, version="2027-01-01")
    assert a.status == 400 and a.json()["error"]["code"] == -32022
    assert "2026-07-28" in a.json()["error"]["data"]["supported"]


@pytest.mark.parametrize("method", ["ping", "initialize", "logging/setLevel", "resources/subscribe", "no/such"])
def test_modern_removed_methods_are_404(gateway, reader, method):
    a = gateway.modern(method, {}, reader)
    assert a.status == 404 and a.json()["error"]["code"] == -32601


def test_e25_forged_cursor(gateway, reader):
    for cursor in ("x", "", "AAAA", "dns_listZones", "=" * 100):
        a = gateway.rpc("tools/list", {"cursor": cursor}, reader)
        assert a.json()["error"]["code"] == -32602, cursor


def test_the_why_command_of_a_denial_is_in_the_log(gateway, issuer):
    token = issuer.token(gateway.url, sub="wendy", scope="dns:read")
    gateway.call("dns_createZone", {"server_id": "localhost"}, token)
    line = peers.wait_for("the log line", lambda: next((l for l in gateway.text().splitlines() if "wendy" in l and "why" in l), None), 3)
    assert "sallyport why --as jwt/wendy" in line and "dns.createZone" in line and token not in line


def test_limits_per_caller(make_gateway, issuer):
    g = make_gateway(extra="limits: {calls: 5/min}\n")
    token, other = issuer.token(g.url, sub="busy", scope="dns:read"), issuer.token(g.url, sub="calm", scope="dns:read")
    answers = [g.call("dns_listZones", {"server_id": "localhost"}, token) for _ in range(8)]
    assert [a.status for a in answers] == [200] * 5 + [429] * 3
    assert int(answers[-1].header("Retry-After")) >= 1
    assert g.call("dns_listZones", {"server_id": "localhost"}, other).status == 200


def test_e10_only_the_configured_claim_gives_scopes(gateway, issuer):
    for claims in ({"scp": "dns:read"}, {"scopes": ["dns:read"]}, {"scope": "", "scp": ["dns:read"]}, {"permissions": "dns:read"}):
        assert names(gateway, issuer.token(gateway.url, **claims)) == [], claims


def test_e26_descriptions_are_cleaned_and_bounded(make_gateway, issuer):
    g = make_gateway(start=False)
    document = json.loads((g.folder / "pdns.json").read_text())
    operation = document["paths"]["/servers"]["get"]
    operation["summary"] = "\u001b[31mred\u202e\u2066"
    operation["description"] = "<script>" + "\u0007x" * 100000
    (g.folder / "pdns.json").write_text(json.dumps(document))
    g.start()
    body = g.rpc("tools/list", {}, issuer.token(g.url, scope="dns:read")).body.decode()
    tool = next(t for t in json.loads(body)["result"]["tools"] if t["name"] == "dns_listServers")
    text = tool.get("title", "") + tool["description"]
    assert len(text) < 10000 and not set(text) & {"\u001b", "\u202e", "\u2066", "\u0007"}
