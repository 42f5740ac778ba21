"""Upstreams that stop, stall, close early, answer garbage or answer with the key: each a clean tool error."""

import json
import socket
import threading
import time

import pytest

import peers


class Faulty:
    """A TCP listener that answers every connection by a function of (socket, request bytes): a fault injector, not a peer."""

    def __init__(self, behave):
        self.behave = behave
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        conn.settimeout(20)
        try:
            while True:
                data = b""
                while b"\r\n\r\n" not in data:
                    chunk = conn.recv(65536)
                    if not chunk:
                        return
                    data += chunk
                self.requests.append(data)
                if not self.behave(conn, data):
                    return
        except OSError:
            pass
        finally:
            conn.close()

    def close(self):
        self.listener.close()


def answer(body, status="200 OK", extra="", media="application/json"):
    body = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


def key_of(request):
    return next(line.split(b": ", 1)[1] for line in request.split(b"\r\n") if line.lower().startswith(b"x-api-key"))


def sends(data):
    def behave(conn, request):
        conn.sendall(data)
        return False
    return behave


def stalls(conn, request):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12")
    time.sleep(15)
    return False


FAULTS = {
    "K19 M11 N10 redirect elsewhere": sends(answer("", "302 Found", "Location: http://169.254.169.254/\r\n")),
    "K19 length and coding": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "K19 101": sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
    "K19 1xx flood": sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + answer("[]")),
    "K19 obs-fold": sends(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n[]"),
    "K22 body shorter than its length": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]"),
    "K22 endless": sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536 + b"\r\n" * 1
                         + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 200),
    "K22 too long": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n"),
    "M14 compressed": sends(answer(b"\x1f\x8b\x08\0\0\0\0\0", extra="Content-Encoding: gzip\r\n")),
    "garbage": sends(b"\x16\x03\x01 not HTTP at all\r\n\r\n"),
    "closes at once": lambda conn, request: False,
    "slow": stalls,
}


@pytest.fixture(scope="module")
def front_of(make_gateway, issuer):
    """A gateway whose upstream is a Faulty that the test sets."""
    faulty = Faulty(lambda c, r: False)
    g = make_gateway(url=f"http://127.0.0.1:{faulty.port}/api/v1", extra="limits: {call_time: 3s, calls: 100000/min}\n")
    yield g, faulty, issuer.token(g.url, scope="dns:write")
    faulty.close()


def result_of(a):
    assert a.status == 200, (a.status, a.body)
    return a.json()["result"]


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_a_clean_tool_error(front_of, canary, name):
    g, faulty, token = front_of
    faulty.behave = FAULTS[name]
    start = time.monotonic()
    a = g.call("dns_listZones", {"server_id": "localhost"}, token)
    assert time.monotonic() - start < 8 * peers.PATIENCE
    r = result_of(a)
    assert r["isError"] is True, r
    text = r["content"][0]["text"]
    assert 0 < len(text) < 300 and "169.254" not in text and canary not in text
    faulty.behave = sends(answer("[]"))
    assert result_of(g.call("dns_listZones", {"server_id": "localhost"}, token))["isError"] is False


def test_upstream_stopped_and_back(front_of, make_gateway, issuer):
    port = peers.free_port()
    g = make_gateway(url=f"http://127.0.0.1:{port}/api/v1")
    token = issuer.token(g.url, scope="dns:read")
    r = result_of(g.call("dns_listZones", {"server_id": "localhost"}, token))
    assert r["isError"] and "could not be reached" in r["content"][0]["text"]
    listener = socket.create_server(("127.0.0.1", port))
    threading.Thread(target=lambda: Faulty.serve(type("F", (), {"requests": [], "behave": staticmethod(sends(answer("[]")))})(),
                                                 listener.accept()[0]), daemon=True).start()
    assert result_of(g.call("dns_listZones", {"server_id": "localhost"}, token))["isError"] is False
    listener.close()


def test_m12_headers_of_the_upstream_do_not_reach_the_client(front_of):
    g, faulty, token = front_of
    faulty.behave = sends(answer('{"error":"no"}', "401 Unauthorized", "Set-Cookie: sid=1\r\nWWW-Authenticate: Basic realm=x\r\n"))
    a = g.call("dns_listZones", {"server_id": "localhost"}, token)
    assert result_of(a)["isError"] and a.header("Set-Cookie") is None and a.header("WWW-Authenticate") is None
    assert "401" in result_of(a)["content"][0]["text"]


def test_m13_the_key_in_an_answer_is_removed_in_every_form(front_of, canary):
    g, faulty, token = front_of
    forms = sorted(peers.forms_of(canary))
    for status in ("200 OK", "500 Oops"):
        for form in forms:
            text = b'{"echo":"' + form + b'"}'
            for pieces in (1, 7, len(text)):
                def behave(conn, request, text=text, pieces=pieces, status=status):
                    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    conn.sendall(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode())
                    size = -(-len(text) // pieces)
                    for i in range(0, len(text), size):
                        conn.sendall(text[i:i + size])
                    return False
                faulty.behave = behave
                a = g.call("dns_listZones", {"server_id": "localhost"}, token)
                assert form not in a.body, (status, form, pieces)
                assert "[redacted]" in result_of(a)["content"][0]["text"]
    peers.wait_for("the incident", lambda: any(l["kind"] == "incident" for l in g.audit()), 3)


def test_m13_the_key_in_a_reason_phrase_and_header(front_of, canary):
    g, faulty, token = front_of
    faulty.behave = sends(answer("no", f"500 {canary}", f"X-Echo: {canary}\r\n", f"text/{canary}"))
    assert canary.encode() not in g.call("dns_listZones", {"server_id": "localhost"}, token).body
    assert canary not in g.text()


def test_what_the_upstream_sees(front_of, canary):
    g, faulty, token = front_of
    faulty.behave = sends(answer("[]"))
    faulty.requests.clear()
    g.call("dns_listZone", {"server_id": "localhost", "zone_id": "a/b?c#d é"}, token)
    head = faulty.requests[0].decode()
    assert head.startswith("GET /api/v1/servers/localhost/zones/a%2Fb%3Fc%23d%20%C3%A9 HTTP/1.1\r\n")
    fields = {l.split(": ")[0].lower(): l.split(": ", 1)[1] for l in head.split("\r\n")[1:] if ": " in l}
    assert fields["x-api-key"] == canary and fields["accept-encoding"] == "identity"
    assert fields["host"] == f"127.0.0.1:{faulty.port}" and "authorization" not in fields


@pytest.mark.parametrize("zone", ["..", ".", "%2e%2e", "%2e%2e%2f", "%252e%252e", "..%5c", "", "\u0000", "a\r\nX: y"])
def test_m01_k20_values_cannot_leave_their_slot(front_of, zone):
    g, faulty, token = front_of
    faulty.behave = sends(answer("[]"))
    faulty.requests.clear()
    a = g.call("dns_listZone", {"server_id": "localhost", "zone_id": zone}, token)
    r = a.json().get("result")
    if r is not None and not r["isError"]:
        target = faulty.requests[0].split(b" ")[1]
        assert target.startswith(b"/api/v1/servers/localhost/zones/") and target.count(b"/") == 6
        assert b".." not in target and b"\r" not in target
    assert len(faulty.requests) <= 1


def test_arguments_are_checked_against_the_schema(front_of):
    g, faulty, token = front_of
    faulty.behave = sends(answer("[]"))
    faulty.requests.clear()
    for args in ({}, {"server_id": 5}, {"server_id": "localhost", "zone": ["x"]}, {"server_id": "localhost", "extra": 1},
                 {"server_id": "localhost", "X-API-Key": "mine"}):
        assert result_of(g.call("dns_listZones", args, token))["isError"], args
    assert faulty.requests == []


def test_retry_only_what_is_safe(front_of):
    """A reused connection that dies without an answer byte: GET is sent once more, POST never."""
    g, faulty, token = front_of
    seen = []

    def once(conn, request):
        seen.append(request.split(b" ")[0])
        if len(seen) == 2:
            return False            # the reused connection dies
        conn.sendall(answer("[]", extra="Connection: keep-alive\r\n"))
        return True

    faulty.behave = once
    for _ in range(2):
        assert result_of(g.call("dns_listZones", {"server_id": "localhost"}, token))["isError"] is False
    assert seen == [b"GET"] * 3
    seen.clear()
    g.call("dns_listZones", {"server_id": "localhost"}, token)
    r = result_of(g.call("dns_createZone", {"server_id": "localhost", "name": "a.test.", "kind": "Native"}, token))
    assert r["isError"] and "unknown" in r["content"][0]["text"] and seen == [b"GET", b"POST"]


def test_k21_bytes_behind_an_answer_end_the_connection(front_of):
    g, faulty, token = front_of
    faulty.behave = lambda conn, request: conn.sendall(answer("[]") + answer('["poison"]')) or True
    for _ in range(4):
        a = g.call("dns_listZones", {"server_id": "localhost"}, token)
        assert b"poison" not in a.body


def test_client_that_leaves_cancels(front_of):
    g, faulty, token = front_of
    closed = threading.Event()

    def behave(conn, request):
        conn.settimeout(10)
        if conn.recv(1) == b"":
            closed.set()
        return False

    faulty.behave = behave
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "dns_listZones", "arguments": {"server_id": "localhost"},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}})
    s = socket.create_connection(("127.0.0.1", g.port))
    s.sendall((f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{g.port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
               f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: dns_listZones\r\n"
               f"Content-Length: {len(text)}\r\n\r\n{text}").encode())
    time.sleep(0.4)
    s.close()
    assert closed.wait(2 * peers.PATIENCE)


def test_l06_numbers_are_forwarded_digit_exact(front_of):
    g, faulty, token = front_of
    faulty.behave = sends(answer("[]"))
    faulty.requests.clear()
    text = ('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"dns_searchData","arguments":'
            '{"server_id":"localhost","q":"x","max":9007199254740993}}}')
    g.request(body=text, token=token, headers={"MCP-Protocol-Version": "2025-11-25"})
    assert b"max=9007199254740993" in faulty.requests[0]


def test_k23_an_answer_cannot_leave_its_text(front_of):
    g, faulty, token = front_of
    text = 'x"}]}}\r\n\r\nHTTP/1.1 200 OK\r\n\r\ndata: {"jsonrpc":"2.0"}\n\n'
    faulty.behave = sends(answer(text, media="text/plain"))
    a = g.call("dns_listZones", {"server_id": "localhost"}, token)
    assert result_of(a)["content"][0]["text"] == text and int(a.header("Content-Length")) == len(a.body)


def test_m26_a_large_argument_is_carried_or_refused(front_of):
    g, faulty, token = front_of
    faulty.behave = sends(answer("[]"))
    for size in (200_000, 900_000):
        faulty.requests.clear()
        a = g.call("dns_createZone", {"server_id": "localhost", "name": "a" * size, "kind": "Native"}, token)
        assert a.status == 200, a.status
    assert g.call("dns_createZone", {"server_id": "localhost", "name": "a" * 1_100_000}, token).status == 413


def test_m18_debug_logs_hold_no_key_and_no_token(make_gateway, issuer, canary):
    import subprocess
    g = make_gateway(start=False)
    g.process = subprocess.Popen([peers.SALLYPORT, "serve", "--debug", "-c", str(g.config)], stdout=open(g.log, "ab"),
                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    peers.wait_for("the gateway", g.ready, 20)
    token = issuer.token(g.url, scope="dns:read")
    for zone in ("a.test.", "..", "no-such-zone."):
        g.call("dns_listZone", {"server_id": "localhost", "zone_id": zone}, token)
    g.stop()
    text = g.text()
    assert canary not in text and token not in text and token.split(".")[2] not in text


def test_powerdns_itself_slow_stopped_and_back(make_gateway, issuer, tmp_path):
    """The real server, held by SIGSTOP, then killed, then started again: errors, and recovery by itself."""
    import signal
    server = peers.PowerDns(tmp_path / "pdns", "another-key-0123456789")
    server.start()
    try:
        g = make_gateway(url=f"http://127.0.0.1:{server.http}/api/v1", secret=server.key, extra="limits: {call_time: 2s}\n")
        token = issuer.token(g.url, scope="dns:read")

        def call():
            return result_of(g.call("dns_listZones", {"server_id": "localhost"}, token))
        assert call()["isError"] is False
        server.process.send_signal(signal.SIGSTOP)
        slow = call()
        server.process.send_signal(signal.SIGCONT)
        assert slow["isError"] and "in time" in slow["content"][0]["text"]
        peers.wait_for("recovery", lambda: call()["isError"] is False, 10)
        server.stop()
        assert call()["isError"] is True
        server.start()
        peers.wait_for("recovery", lambda: call()["isError"] is False, 10)
        assert server.key not in g.text()
    finally:
        server.stop()


def test_in_flight_limit_per_caller(make_gateway, issuer):
    release = threading.Event()

    def waits(conn, request):
        release.wait(15)
        conn.sendall(answer("[]"))
        return False
    faulty = Faulty(waits)
    g = make_gateway(url=f"http://127.0.0.1:{faulty.port}/api/v1", extra="limits: {in_flight: 2}\n")
    busy, calm = (issuer.token(g.url, sub=s, scope="dns:read") for s in ("busy", "calm"))
    got = []
    threads = [threading.Thread(target=lambda: got.append(g.call("dns_listZones", {"server_id": "localhost"}, busy))) for _ in range(2)]
    for t in threads:
        t.start()
    peers.wait_for("both under way", lambda: len(faulty.requests) == 2, 5)
    third = g.call("dns_listZones", {"server_id": "localhost"}, busy)
    assert third.status == 429 and third.header("Retry-After")
    other = threading.Thread(target=lambda: got.append(g.call("dns_listZones", {"server_id": "localhost"}, calm)))
    other.start()
    peers.wait_for("the other caller's call", lambda: len(faulty.requests) == 3, 5)
    release.set()
    for t in [*threads, other]:
        t.join(15)
    assert [a.status for a in got] == [200] * 3
    assert g.call("dns_listZones", {"server_id": "localhost"}, busy).status == 200
    faulty.close()
