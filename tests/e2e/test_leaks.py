"""The key, as canary, is searched in everything: what clients received, logs, audit, argv, environments, memory."""

import pathlib

import peers


def test_the_key_is_nowhere_but_in_keeper_and_its_own_egress(make_gateway, issuer, canary, pdns):
    gateway = make_gateway()
    token = issuer.token(gateway.url, sub="ann", scope="dns:write")
    received = b""
    for version, era in (("v1", "legacy"), ("v2", "2026-07-28")):
        out = peers.sdk(version, {"url": gateway.url, "token": token, "era": era, "steps": [
            {"list": True},
            {"call": {"name": "dns_listZones", "arguments": {"server_id": "localhost"}}},
            {"call": {"name": "dns_listZone", "arguments": {"server_id": "localhost", "zone_id": "absent.test."}}},
            {"call": {"name": "dns_getConfig", "arguments": {"server_id": "localhost"}}},
        ]})
        received += str(out).encode()
    forms = peers.forms_of(canary)
    assert not [f for f in forms if f in received]
    places = [gateway.log, *(gateway.state / "audit").iterdir(), *(gateway.state / "ring").iterdir(),
              *gateway.state.glob("store.db*")]
    for place in places:
        data = pathlib.Path(place).read_bytes()
        assert not [f for f in forms if f in data], place

    roles = gateway.roles()
    assert {"front", "egress", "dialer", "keeper"} <= set(roles), roles
    everyone = [gateway.process.pid] + [p for pids in roles.values() for p in pids]
    for pid in everyone:
        for what in ("environ", "cmdline"):
            data = pathlib.Path(f"/proc/{pid}/{what}").read_bytes()
            assert not [f for f in forms if f in data], (pid, what)
    for role in ("front", "dialer"):
        for pid in roles[role]:
            assert not peers.memory_has(pid, forms), (role, pid)
    assert not peers.memory_has(gateway.process.pid, forms), "super"
    # The search itself works: the one role that must hold the key is caught holding it.
    assert any(peers.memory_has(pid, forms) for pid in roles["egress"])


def test_the_clients_token_does_not_reach_the_upstream(make_gateway, issuer):
    seen = []
    import http.server
    import threading

    class Recorder(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(str(self.headers))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        gateway = make_gateway(url=f"http://127.0.0.1:{server.server_port}/api/v1")
        token = issuer.token(gateway.url, sub="ann", scope="dns:read")
        gateway.rpc("tools/call", {"name": "dns_listZones", "arguments": {"server_id": "localhost"}}, token, headers={
            "Cookie": "sid=planted", "X-Forwarded-For": "192.0.2.1", "X-API-Key": "planted", "X-Planted": "planted"})
    finally:
        server.shutdown()
    assert len(seen) == 1
    assert token not in seen[0] and "planted" not in seen[0] and "192.0.2.1" not in seen[0]
