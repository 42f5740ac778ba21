"""Sessions of the 2025 revisions: statements that any of four fronts accepts, over a new connection each time."""

import json
import time

import pytest

import conftest
import peers

INIT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}


@pytest.fixture(scope="module")
def four(make_upstream, make_front):
    g = make_front(conftest.upstream_config({"v1": make_upstream("v1")}, extra="limits: {calls: 100000/min}\n"), options=["--fronts", "4"])
    assert len(g.roles()["front"]) == 4
    return g


@pytest.fixture(scope="module")
def ann(four, issuer):
    token = issuer.token(four.url, sub="ann")
    peers.wait_for("the catalogue", lambda: b"v1_add" in four.rpc("tools/list", {}, token).body, 15, 0.2)
    return token


def in_session(g, sid, method="tools/list", params=None, token=None, **more):
    return g.rpc(method, params or {}, token, headers={"Mcp-Session-Id": sid, **more})


@pytest.mark.parametrize("revision", ["2025-06-18", "2025-11-25"])
def test_any_front_serves_any_request_of_a_session(four, ann, revision):
    a = four.rpc("initialize", {**INIT, "protocolVersion": revision}, ann, headers={"MCP-Protocol-Version": None})
    assert a.json()["result"]["protocolVersion"] == revision
    sid = a.header("Mcp-Session-Id")
    assert sid and all(0x21 <= ord(c) <= 0x7e for c in sid)
    assert four.request(body={"jsonrpc": "2.0", "method": "notifications/initialized"}, token=ann,
                        headers={"Mcp-Session-Id": sid, "MCP-Protocol-Version": revision}).status == 202
    for n in range(200):
        a = four.rpc("tools/call", {"name": "v1_add", "arguments": {"a": n, "b": 1}}, ann,
                     headers={"Mcp-Session-Id": sid, "MCP-Protocol-Version": revision})
        assert a.json()["result"]["structuredContent"] == {"sum": n + 1}
    assert in_session(four, sid, token=ann, **{"MCP-Protocol-Version": None}).status == 200, "the session says which revision"
    other = "2025-06-18" if revision == "2025-11-25" else "2025-11-25"
    assert in_session(four, sid, token=ann, **{"MCP-Protocol-Version": other}).status == 400


def test_11_e21_a_session_is_its_owners(four, ann, issuer):
    sid = four.session(ann)
    bob = issuer.token(four.url, sub="bob")
    stolen, unknown = in_session(four, sid, token=bob), in_session(four, "A" * len(sid), token=bob)
    assert stolen.status == unknown.status == 404 and stolen.body == unknown.body
    assert four.request("DELETE", token=bob, headers={"Mcp-Session-Id": sid}).status == 404
    assert four.request("GET", token=bob, headers={"Mcp-Session-Id": sid, "Accept": "text/event-stream"}).status == 404
    assert in_session(four, sid, token=None).status == 401
    assert in_session(four, sid, token=issuer.token(four.url, sub="ann")).status == 200, "a fresh token of the same person"


@pytest.mark.parametrize("bad", ["x", "A" * 340, "A" * 8000, "=", "....", "%00", "é".encode("latin-1")], ids=lambda b: str(b)[:8])
def test_e22_guessed_sessions(four, ann, bad):
    assert in_session(four, bad, token=ann).status in (400, 404)


def test_e22_flipped_bits(four, ann):
    sid = four.session(ann)
    for at in range(0, len(sid), 7):
        forged = sid[:at] + ("A" if sid[at] != "A" else "B") + sid[at + 1:]
        assert in_session(four, forged, token=ann).status == 404


def test_delete_ends_a_session_on_every_front(four, ann):
    for _ in range(5):
        sid = four.session(ann)
        assert in_session(four, sid, token=ann).status == 200
        assert four.request("DELETE", token=ann, headers={"Mcp-Session-Id": sid}).status in (200, 204)
        assert {in_session(four, sid, token=ann).status for _ in range(16)} == {404}
        assert four.request("DELETE", token=ann, headers={"Mcp-Session-Id": sid}).status == 404


def test_a_deleted_session_stays_dead_when_roles_are_new(four, ann):
    import os
    import signal
    sid, kept = four.session(ann), four.session(ann)
    assert four.request("DELETE", token=ann, headers={"Mcp-Session-Id": sid}).status in (200, 204)
    for role in ("keeper", "front"):
        old = set(four.roles()[role])
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        peers.wait_for(f"a new {role}", lambda: len(set(four.roles().get(role, [])) - old) == len(old), 20, 0.2)

    def status(s):
        try:
            return in_session(four, s, token=ann).status
        except OSError:
            return 0
    peers.wait_for("the living session", lambda: status(kept) == 200, 20, 0.2)
    assert {status(sid) for _ in range(16)} == {404}


def test_get_and_delete_need_a_session(four, ann):
    assert four.request("GET", token=ann, headers={"Accept": "text/event-stream"}).status == 400
    assert four.request("DELETE", token=ann).status == 400
    for method in ("GET", "DELETE"):
        assert four.request(method, token=ann, headers={"MCP-Protocol-Version": "2026-07-28"}).status == 405


def test_streams_hear_of_changes_whichever_front_holds_them(four, ann):
    streams = []
    for _ in range(6):
        sid = four.session(ann)
        streams.append(peers.Stream(four, headers={"Mcp-Session-Id": sid, "MCP-Protocol-Version": "2025-11-25"}, token=ann))
        assert streams[-1].status == 200 and streams[-1].answer.getheader("Content-Type").startswith("text/event-stream")
    time.sleep(0.3)
    four.call("v1_toggle", {}, ann)
    for s in streams:
        assert s.event()["method"] == "notifications/tools/list_changed"
        s.close()


def test_parked_updates_wait_for_the_stream(four, ann):
    sid = four.session(ann)
    h = {"Mcp-Session-Id": sid, "MCP-Protocol-Version": "2025-11-25"}
    assert four.rpc("resources/subscribe", {"uri": "test://watched-resource"}, ann, headers=h).json()["result"] == {}
    time.sleep(0.5)
    four.call("v1_touch", {}, ann)
    time.sleep(0.5)
    s = peers.Stream(four, headers=h, token=ann)
    note = s.event()
    assert note["method"] == "notifications/resources/updated" and note["params"]["uri"] == "test://watched-resource"
    s.close()


def test_d18_a_stream_ends_with_its_token(four, issuer):
    now = int(time.time())
    token = issuer.token(four.url, sub="short", iat=now - 100, exp=now - 26)        # four seconds left of the leeway
    sid = four.session(token)
    s = peers.Stream(four, headers={"Mcp-Session-Id": sid, "MCP-Protocol-Version": "2025-11-25"}, token=token)
    assert s.status == 200
    began = time.monotonic()
    assert s.event(15) is None
    assert time.monotonic() - began < 10 * peers.PATIENCE


def test_e23_a_revoked_token_ends_its_streams(make_upstream, make_front):
    g = make_front(conftest.upstream_config({"v1": make_upstream("v1")}, auth="  - {type: static}"), {})
    new = g.cli("token", "new", "cron", "--days", "1")
    token = next(w for w in new.stdout.split() if w.startswith("spt_"))
    peers.wait_for("the token", lambda: g.rpc("ping", None, token).status == 200, 5)
    sid = g.session(token)
    s = peers.Stream(g, headers={"Mcp-Session-Id": sid, "MCP-Protocol-Version": "2025-11-25"}, token=token)
    assert s.status == 200
    g.cli("token", "revoke", "cron")
    while (event := s.event(8)) is not None:        # until the stream ends
        assert event["method"].endswith("list_changed")


def test_a_revoked_token_is_refused_by_every_front_at_once(make_upstream, make_front):
    g = make_front(conftest.upstream_config({"v1": make_upstream("v1")}, auth="  - {type: static}", extra="limits: {calls: 100000/min}\n"), {},
                   options=["--fronts", "4"])
    for n in range(5):
        token = next(w for w in g.cli("token", "new", f"cron{n}", "--days", "1").stdout.split() if w.startswith("spt_"))
        peers.wait_for("the token", lambda: {g.rpc("ping", None, token).status for _ in range(12)} == {200}, 5)
        g.cli("token", "revoke", f"cron{n}")
        assert {g.rpc("ping", None, token).status for _ in range(16)} == {401}


def test_streams_survive_a_reload_by_coming_back(four, ann):
    sid = four.session(ann)
    h = {"Mcp-Session-Id": sid, "MCP-Protocol-Version": "2025-11-25"}
    s = peers.Stream(four, headers=h, token=ann)
    four.reload()
    seen = [s.event(15)]
    while seen[-1] is not None:
        seen.append(s.event(15))
    assert all(e["method"].endswith("list_changed") for e in seen[:-1]) and len(seen) > 1
    assert in_session(four, sid, token=ann).status == 200, "a session outlives a generation"
    assert peers.Stream(four, headers=h, token=ann).status == 200


def test_l09_a_client_response_is_taken_and_does_nothing(four, ann):
    sid = four.session(ann)
    a = four.request(body={"jsonrpc": "2.0", "id": "someone-elses", "result": {}}, token=ann,
                     headers={"Mcp-Session-Id": sid, "MCP-Protocol-Version": "2025-11-25"})
    assert a.status == 202 and a.body == b""


def test_listen_of_the_modern_era(four, ann):
    body = {"jsonrpc": "2.0", "id": "sub-1", "method": "subscriptions/listen", "params": {
        "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["test://watched-resource"]},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}}
    s = peers.Stream(four, "POST", body, {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}, ann)
    ack = s.event()
    assert ack["method"] == "notifications/subscriptions/acknowledged"
    assert ack["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "sub-1"
    assert ack["params"]["notifications"] == {"toolsListChanged": True, "resourceSubscriptions": ["test://watched-resource"]}
    time.sleep(0.5)
    four.call("v1_touch", {}, ann)
    note = s.event()
    while note["method"] == "notifications/tools/list_changed":     # the catalogue of the reload before, late
        note = s.event()
    assert note["method"] == "notifications/resources/updated" and note["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "sub-1"
    four.call("v1_toggle", {}, ann)
    assert s.event()["method"] == "notifications/tools/list_changed"
    s.close()


def test_a_hundred_streams_cost_little(four, ann):
    def memory():
        total = 0
        for pid in four.roles()["front"]:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        return total
    before = memory()
    streams = []
    for _ in range(100):
        streams.append(peers.Stream(four, headers={"Mcp-Session-Id": four.session(ann), "MCP-Protocol-Version": "2025-11-25"}, token=ann))
        assert streams[-1].status == 200
    grown = memory() - before
    for s in streams:
        s.close()
    assert json.dumps(grown) and grown < 8000 * peers.PATIENCE, f"{grown} kB for 100 streams"
