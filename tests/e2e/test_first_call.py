"""The first guarded call: an SDK client, a token, a zone in a real PowerDNS, and a key that nobody saw."""

import json
import secrets

import pytest

import peers

CLIENTS = [("v1", "legacy"), ("v2", "legacy"), ("v2", "2026-07-28")]


def tools_of(answer):
    return {t["name"]: t for t in answer["results"][1]["tools"]}


@pytest.mark.parametrize("version,era", CLIENTS)
def test_reader_sees_and_calls_read_tools_only(gateway, reader, version, era):
    out = peers.sdk(version, {"url": gateway.url, "token": reader, "era": era, "steps": [
        {"list": True},
        {"call": {"name": "dns_listZones", "arguments": {"server_id": "localhost"}}},
        {"call": {"name": "dns_createZone", "arguments": {"server_id": "localhost", "name": "no.test.", "kind": "Native"}}},
    ]})
    tools = tools_of(out)
    assert "dns_listZones" in tools and "dns_createZone" not in tools
    assert all(t["annotations"]["readOnlyHint"] for t in tools.values())
    assert list(tools) == sorted(tools)
    assert not out["results"][2]["result"].get("isError")
    assert "error" in out["results"][3]
    challenge = [dict(w["headers"]).get("www-authenticate") for w in out["wire"] if w["status"] == 403]
    assert challenge and 'error="insufficient_scope"' in challenge[0] and 'scope="dns:write"' in challenge[0]


@pytest.mark.parametrize("version,era", CLIENTS)
def test_writer_creates_a_zone_that_dig_answers(gateway, writer, pdns, version, era):
    zone = f"z{secrets.token_hex(4)}.test."
    record = {"name": f"www.{zone}", "type": "A", "ttl": 60, "changetype": "REPLACE",
              "records": [{"content": "192.0.2.7", "disabled": False}]}
    out = peers.sdk(version, {"url": gateway.url, "token": writer, "era": era, "steps": [
        {"list": True},
        {"call": {"name": "dns_createZone", "arguments": {
            "server_id": "localhost", "name": zone, "kind": "Native", "nameservers": [f"ns1.{zone}"]}}},
        {"call": {"name": "dns_patchZone", "arguments": {
            "server_id": "localhost", "zone_id": zone, "rrsets": [record]}}},
        {"call": {"name": "dns_listZone", "arguments": {"server_id": "localhost", "zone_id": zone}}},
    ]})
    assert "dns_createZone" in tools_of(out)
    for r in out["results"][2:]:
        assert not r["result"].get("isError"), r
    assert zone in out["results"][4]["result"]["content"][0]["text"]
    peers.wait_for("dig's answer", lambda: pdns.dig(f"www.{zone}", "A") == ["192.0.2.7"], 10, 0.2)


def test_every_operation_of_the_document_is_a_tool_or_the_log_says_why(gateway, pdns, writer):
    document = json.loads(pdns.document())
    operations = [o for p in document["paths"].values() for m, o in p.items() if m in ("get", "put", "post", "patch", "delete")]
    tools = gateway.rpc("tools/list", {}, writer).json()["result"]["tools"]
    check = gateway.cli("check")
    assert len(tools) + (check.stdout + check.stderr).count("is no tool") == len(operations)


def test_the_key_is_no_argument_of_any_tool(gateway, writer):
    for tool in gateway.rpc("tools/list", {}, writer).json()["result"]["tools"]:
        assert not any("api" in a.lower() and "key" in a.lower() for a in tool["inputSchema"].get("properties", {})), tool


def test_static_token_is_effective_at_once_and_revoked_within_a_second(gateway):
    new = gateway.cli("token", "new", "cron", "--scopes", "dns:read", "--days", "1")
    token = next(w for w in new.stdout.split() if w.startswith("spt_"))
    peers.wait_for("the new token", lambda: gateway.rpc("tools/list", {}, token).status == 200, 1)
    assert gateway.call("dns_listZones", {"server_id": "localhost"}, token).json()["result"]["isError"] is False
    assert "cron" in gateway.cli("token", "list").stdout
    assert token not in gateway.cli("token", "list").stdout
    gateway.cli("token", "revoke", "cron")
    peers.wait_for("the revocation", lambda: gateway.rpc("tools/list", {}, token).status == 401, 1)
