"""Rows of the threat list that need a running gateway and have no other home; the rest is named beside what it attacks."""

import http.server
import json
import os
import pathlib
import signal
import statistics
import threading
import time

import pytest

import conftest
import peers


class Trap:
    """An upstream that answers 401 with addresses of its choice, and notes who follows them."""

    def __init__(self):
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                outer.seen.append(self.path)
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                base = f"http://127.0.0.1:{outer.port}"
                self.send_response(401)
                self.send_header("WWW-Authenticate", f'Bearer resource_metadata="{base}/trap", authorization_uri="javascript:alert(1)", '
                                 'error_description="$(calc) --flag"')
                self.send_header("Location", f"{base}/trap")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def test_o01_m12_an_upstream_cannot_send_us_anywhere(make_front, issuer):
    trap = Trap()
    try:
        g = make_front(conftest.upstream_config({"wiki": (trap, "up")}), {"up": "canary-threats-0123456789"})
        a = g.call("wiki_search", {}, issuer.token(g.url))
        text = a.body.decode()
        assert a.status == 200 and "isError" in text and a.header("WWW-Authenticate") is None
        assert "trap" not in text and "javascript" not in text and "calc" not in text
        time.sleep(2)
        assert set(trap.seen) <= {"/mcp"}, trap.seen
        assert "canary" not in g.text()
    finally:
        trap.server.shutdown()


def test_q07_a_broken_file_changes_nothing(make_gateway, reader, gateway, issuer):
    g = make_gateway()
    token = issuer.token(g.url, scope="dns:read")
    good = g.config.read_text()
    before = g.roles()["front"]
    g.config.write_text(good + "\nsurprise: vault-password-canary\n")
    g.process.send_signal(signal.SIGHUP)
    peers.wait_for("the refusal", lambda: "surprise" in g.text(), 10)
    assert "vault-password-canary" not in g.text()
    assert g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200 and g.roles()["front"] == before
    g.config.write_text(good)
    g.reload()
    assert g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200


@pytest.mark.slow       # and not for the sanitizers, which lock no memory
def test_q13_no_secret_is_left_behind_by_a_thousand_calls(make_gateway, issuer, canary):
    g = make_gateway(extra="limits: {calls: 100000/min}\n")
    token = issuer.token(g.url, scope="dns:read")
    for _ in range(1000):
        assert g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200
    roles = g.roles()
    for role in ("front", "dialer"):
        for pid in roles[role]:
            assert not peers.memory_has(pid, [canary.encode()]), role
    # In egress it stands in the locked region alone: not in heap or stack, whatever passed through them.
    for pid in roles["egress"]:
        with open(f"/proc/{pid}/smaps", encoding="ascii") as f:
            maps, locked = [], {}
            for line in f:
                if line[0] in "0123456789abcdef" and "-" in line.split()[0]:
                    maps.append(line.split()[0])
                elif line.startswith("Locked:"):
                    locked[maps[-1]] = int(line.split()[1])
        found = []
        with open(f"/proc/{pid}/maps", encoding="ascii") as f, open(f"/proc/{pid}/mem", "rb", 0) as mem:
            for line in f:
                span, perms = line.split()[:2]
                start, end = (int(x, 16) for x in span.split("-"))
                if "r" not in perms or "[v" in line or end - start > 1 << 32:
                    continue
                try:
                    mem.seek(start)
                    if canary.encode() in mem.read(end - start):
                        found.append(span)
                except (OSError, ValueError):
                    continue
        assert found and all(locked.get(span, 0) > 0 for span in found), (found, [s for s in found if not locked.get(s)])


def test_q14_nothing_is_loaded_into_the_roles_from_the_environment(make_front, pdns, issuer, canary, tmp_path):
    config = conftest.pdns_config("jwks.json", f"http://127.0.0.1:{pdns.http}/api/v1")
    g = make_front(config, {"pdns": canary}, env={"LD_PRELOAD": "libnothing-of-ours.so", "LD_LIBRARY_PATH": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:1"},
                   files={"pdns.json": pdns.document()}, start=False)
    g.start()
    for pids in g.roles().values():
        for pid in pids:
            environ = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
            assert b"LD_" not in environ and b"PROXY" not in environ, environ
    assert g.call("dns_listZones", {"server_id": "localhost"}, issuer.token(g.url, scope="dns:read")).status == 200, "N14: no proxy is used"


@pytest.mark.parametrize("state", ["forged", "eyJhIjoxfQ.AAAA", 7, None, {"a": 1}])
def test_e20_a_state_from_outside_changes_nothing(gateway, reader, state):
    """No call asks for further input yet, so no state of ours exists: a client's is neither believed nor echoed."""
    params = {"name": "dns_listZones", "arguments": {"server_id": "localhost"}, "requestState": state, "inputResponses": {"user": {"action": "accept"}}}
    a = gateway.modern("tools/call", params, reader)
    plain = gateway.modern("tools/call", {"name": "dns_listZones", "arguments": {"server_id": "localhost"}}, reader)
    assert a.status == plain.status == 200 and a.body == plain.body
    denied = {**params, "name": "dns_deleteZone"}
    assert "error" in gateway.modern("tools/call", denied, reader).json()


def test_r03_a_bearer_token_can_be_used_again(gateway, reader):
    """By design of bearer tokens; sender-bound ones are refused as such (B25)."""
    assert {gateway.call("dns_listZones", {"server_id": "localhost"}, reader).status for _ in range(3)} == {200}


@pytest.mark.slow
def test_r05_one_caller_floods_and_the_others_do_not_wait(make_gateway, issuer):
    g = make_gateway(extra="limits: {calls: 120/min, in_flight: 4}\n")
    flood, calm = issuer.token(g.url, sub="flood", scope="dns:read"), issuer.token(g.url, sub="calm", scope="dns:read")
    stop, seen = threading.Event(), []

    def work():
        while not stop.is_set():
            a = g.call("dns_listZones", {"server_id": "localhost"}, flood)
            seen.append(a.status)
            assert a.status != 429 or int(a.header("Retry-After")) >= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    times = []
    try:
        for _ in range(40):
            began = time.monotonic()
            assert g.call("dns_listZones", {"server_id": "localhost"}, calm).status == 200
            times.append(time.monotonic() - began)
            time.sleep(0.02)
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert set(seen) == {200, 429} and seen.count(200) <= 130
    assert statistics.median(times) < 0.25 * peers.PATIENCE


def test_r06_unknown_issuers_and_keys_cost_no_signature(gateway, issuer):
    """A flood of tokens that name keys nobody has is answered from their heads."""
    unknown = [issuer.sign(issuer.claims(gateway.url), header={"kid": f"nobody-{n}"}) for n in range(50)]
    assert {gateway.rpc("ping", None, t).status for t in unknown} == {401}
    line = peers.wait_for("the reason", lambda: next((x for x in gateway.text().splitlines() if "token.rejected" in x and "key" in x), None), 5)
    assert "signature" not in json.loads(line)["reason"]


def test_o10_the_audit_says_which_server_did_what(gateway, reader):
    gateway.call("dns_listZones", {"server_id": "localhost"}, reader)
    peers.wait_for("the lines", lambda: [x for x in gateway.audit() if x["kind"] == "outcome" and x.get("server") == "dns" and x.get("tool") == "listZones"
                                        and x.get("user")], 5)


def test_c13_the_environment_cannot_switch_verification_off():
    """Nothing in our programs reads a variable that could: the unit tests of tls/ try the certificates."""
    for program in ("egress", "front", "dialer", "keeper"):
        data = (peers.BUILD / f"libexec/sallyport-{program}").read_bytes()
        for name in (b"SSL_CERT_", b"NODE_TLS", b"CURL_", b"INSECURE", b"http_proxy", b"HTTP_PROXY"):
            assert name not in data, (program, name)
    assert os.environ.get("PATH")
