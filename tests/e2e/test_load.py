"""Two callers with different rights on four fronts, thousands of mixed calls, and a reload every second meanwhile."""

import http.client
import json
import threading
import time

import pytest

import conftest
import peers

CALLS = 10000
RULES = """
  - {allow: v1.add}
  - {allow: v1.echo, require_scopes: say}
  - {allow: v1.simple_text, restrict_tag: ops}
"""


class Caller(threading.Thread):
    """Calls over connections of its own; `plan` is [(name, arguments, judge)]."""

    def __init__(self, g, token, plan, n):
        super().__init__()
        self.g, self.token, self.plan, self.n = g, token, plan, n
        self.wrong, self.lost, self.done = [], 0, 0

    def run(self):
        c = None
        h = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": f"Bearer {self.token}",
             "MCP-Protocol-Version": "2025-11-25"}
        for i in range(self.n):
            name, args, judge = self.plan[i % len(self.plan)]
            body = json.dumps({"jsonrpc": "2.0", "id": i, "method": "tools/call", "params": {"name": name, "arguments": args(i)}})
            for attempt in range(50):
                try:
                    if c is None or i % 37 == 0:
                        c = http.client.HTTPConnection("127.0.0.1", self.g.port, timeout=30 * peers.PATIENCE)
                    c.request("POST", "/mcp", body, h)
                    a = c.getresponse()
                    data = a.read()
                except (http.client.HTTPException, OSError):
                    # A connection that a leaving front has closed between two requests: the request was not taken.
                    c = None
                    continue
                if a.status == 503:
                    time.sleep(0.05)
                    continue
                if not judge(i, a.status, data):
                    self.wrong.append((name, a.status, data[:200]))
                break
            else:
                self.lost += 1
            self.done += 1


def ok(value):
    return lambda i, status, data: status == 200 and value(i) in data and b'"isError":true' not in data and b'"error"' not in data


def unknown(i, status, data):
    return status == 200 and b"Unknown tool" in data


def short(i, status, data):
    return status == 403


def memory(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return total


@pytest.mark.slow
def test_ten_thousand_mixed_calls_under_reloads(make_upstream, make_front, issuer):
    up = make_upstream("v1")
    g = make_front(conftest.upstream_config({"v1": up}, RULES, extra="limits: {calls: 1000000/min, in_flight: 64}\n"), options=["--fronts", "4"])
    ann = issuer.token(g.url, sub="ann")
    oli = issuer.token(g.url, sub="oli", scope="say", tags=["ops"])
    peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, ann).body, 15, 0.2)
    add = ("v1_add", lambda i: {"a": i, "b": 1}, ok(lambda i: b'"sum":%d' % (i + 1)))
    for_ann = [add, ("v1_echo", lambda i: {"text": "x"}, short), ("v1_simple_text", lambda i: {}, unknown), ("v1_large", lambda i: {"letters": 1}, unknown)]
    for_oli = [add, ("v1_echo", lambda i: {"text": f"t{i}t"}, ok(lambda i: b"t%dt" % i)), ("v1_simple_text", lambda i: {}, ok(lambda i: b"simple text")),
               ("v1_large", lambda i: {"letters": 1}, unknown)]
    threads = [Caller(g, ann, for_ann, CALLS // 8) for _ in range(4)] + [Caller(g, oli, for_oli, CALLS // 8) for _ in range(4)]
    for t in threads:
        t.start()
    reloads, sizes = 0, []
    while any(t.is_alive() for t in threads):
        g.reload()
        reloads += 1
        sizes.append(memory([p for pids in g.roles().values() for p in pids]))
        time.sleep(1)
        assert reloads < 600
    for t in threads:
        t.join()
    assert not [w for t in threads for w in t.wrong][:5]
    assert sum(t.lost for t in threads) == 0 and sum(t.done for t in threads) == CALLS // 8 * 8
    assert reloads >= 2
    peers.wait_for("the old generations to leave", lambda: len(g.roles()["front"]) == 4, 30, 0.5)
    later = memory([p for pids in g.roles().values() for p in pids])
    # A look may fall into the moment in which roles are just starting: the largest of the first three is the whole of them.
    assert later < max(sizes[:3]) * 1.3 + 2000, (sizes[:3], later)
    g.cli("audit", "verify")


@pytest.mark.slow
def test_a_thousand_streams_are_held(make_upstream, make_front, issuer):
    up = make_upstream("v1")
    g = make_front(conftest.upstream_config({"v1": up}, extra="limits: {connections: 3000, calls: 1000000/min}\n"), options=["--fronts", "2"])
    token = issuer.token(g.url, sub="ann")
    peers.wait_for("the catalogue", lambda: b"v1_toggle" in g.rpc("tools/list", {}, token).body, 15, 0.2)
    sid = [g.session(token) for _ in range(1000)]
    before = memory([p for pids in g.roles().values() for p in pids])
    streams = [peers.Stream(g, headers={"Mcp-Session-Id": s, "MCP-Protocol-Version": "2025-11-25"}, token=token) for s in sid]
    try:
        assert all(s.status == 200 for s in streams)
        grown = memory([p for pids in g.roles().values() for p in pids]) - before
        assert grown < 40000 * peers.PATIENCE, f"{grown} kB for a thousand streams"
        g.call("v1_toggle", {}, token)
        assert all(s.event(20)["method"] == "notifications/tools/list_changed" for s in streams)
    finally:
        for s in streams:
            s.close()
    assert g.call("v1_add", {"a": 1, "b": 2}, token).status == 200
