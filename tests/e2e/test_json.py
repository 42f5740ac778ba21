"""Area L: JSON and JSON-RPC as they arrive."""

import json

import pytest

import peers

CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"dns_listZones","arguments":{"server_id":"localhost"}}}'

REFUSED = {
    "L01 depth 65": '{"jsonrpc":"2.0","id":1,"method":"ping","params":' + '{"a":' * 65 + "1" + "}" * 66,
    "L01 depth 100000": "[" * 100000,
    "L02 trailing comma": '{"jsonrpc":"2.0","id":1,"method":"ping",}',
    "L02 NaN": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
    "L02 leading zero": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":01}}',
    "L04 invalid UTF-8": b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xff"}}',
    "L04 lone surrogate": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}',
    "L04 BOM": b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
    "L05 method twice": '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
    "L05 id twice": '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
    "L05 escaped twin": '{"jsonrpc":"2.0","id":1,"method":"ping","m\\u0065thod":"ping"}',
    "L07 id null": '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    "L07 id float": '{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
    "L07 id object": '{"jsonrpc":"2.0","id":{},"method":"ping"}',
    "L07 id array": '{"jsonrpc":"2.0","id":[1],"method":"ping"}',
    "L08 no jsonrpc": '{"id":1,"method":"ping"}',
    "L08 jsonrpc 1.0": '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    "L08 jsonrpc a number": '{"jsonrpc":2.0,"id":1,"method":"ping"}',
    "L08 params an array": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
    "L08 method a number": '{"jsonrpc":"2.0","id":1,"method":5}',
    "L11 NUL in a key": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a\\u0000b":1}}',
    "L14 a second value": '{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0"}',
    "L14 NUL behind it": b'{"jsonrpc":"2.0","id":1,"method":"ping"}\0',
    "D19 a batch": f"[{CALL},{CALL}]",
    "D19 an empty batch": "[]",
    "a string": '"x"', "a number": "5", "nothing": "", "spaces": "   ",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_refused(gateway, reader, name, version):
    a = gateway.request(body=REFUSED[name], token=reader, headers={"MCP-Protocol-Version": version, "Mcp-Method": "ping"})
    assert a.status in (400, 200), a.status
    assert a.json()["error"]["code"] in (-32700, -32600, -32602), a.body
    assert gateway.rpc("ping", None, reader).status == 200


def test_l07_odd_ids_are_echoed_exactly(gateway, reader):
    for rid in ("1", "-1", "9007199254740993", '"a"', '"\\u00e9\\n"', '""'):
        a = gateway.request(body='{"jsonrpc":"2.0","id":' + rid + ',"method":"ping"}', token=reader, headers={"MCP-Protocol-Version": "2025-11-25"})
        assert a.status == 200 and a.json()["id"] == json.loads(rid), rid


def test_l11_nul_in_a_tool_name_is_an_unknown_tool(gateway, reader):
    a = gateway.rpc("tools/call", {"name": "dns_listZones\0x", "arguments": {}}, reader)
    assert a.status in (200, 400) and a.json()["error"]["code"] in (-32602, -32600)


def test_l13_prototype_keys_are_plain_data(gateway, reader):
    for key in ("__proto__", "constructor", "toString"):
        r = gateway.call("dns_listZones", {"server_id": "localhost", key: {}}, reader).json()["result"]
        assert r["isError"] is True


def test_l12_many_keys(gateway, reader):
    a = gateway.call("dns_listZones", {"server_id": "localhost", **{f"k{i}": i for i in range(40000)}}, reader)
    assert a.status in (200, 400) and gateway.rpc("ping", None, reader).status == 200


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18"])
def test_initialize(gateway, reader, version):
    a = gateway.request(body={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}, token=reader)
    r = a.json()["result"]
    assert r["protocolVersion"] == version and r["serverInfo"]["name"] and "tools" in r["capabilities"]
    assert a.header("Mcp-Session-Id") and "resultType" not in r


def test_initialize_with_an_unknown_version_gets_ours(gateway, reader):
    a = gateway.request(body={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}, token=reader)
    assert a.json()["result"]["protocolVersion"] == "2025-11-25"


def test_notifications_are_accepted(gateway, reader):
    a = gateway.request(body={"jsonrpc": "2.0", "method": "notifications/initialized"}, token=reader)
    assert a.status == 202 and a.body == b""


def test_unsupported_version_header(gateway, reader):
    a = gateway.rpc("ping", None, reader, headers={"MCP-Protocol-Version": "1999-01-01"})
    assert a.status == 400


def test_discover(gateway, reader):
    r = gateway.modern("server/discover", {}, reader).json()["result"]
    assert "2026-07-28" in r["supportedVersions"] and r["resultType"] == "complete" and r["cacheScope"] == "private"
    assert r["_meta"]["io.modelcontextprotocol/serverInfo"]["name"]


def test_modern_without_its_meta(gateway, reader):
    a = gateway.request(body={"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28"}}}, token=reader,
        headers={"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"})
    assert a.status == 400 and a.json()["error"]["code"] == -32602 and a.json()["id"] == 1


def test_raw_bytes_that_never_end_are_bounded(gateway):
    got, _ = gateway.raw(b"A" * 200000, timeout=5)
    assert got == b"" or got.startswith(b"HTTP/1.1 4")
