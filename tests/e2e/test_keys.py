"""Key sets that are fetched, tickets, and callers that are known by their socket."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pwd
import socket
import threading
import time
import urllib.request

import pytest

import conftest
import peers

RULES = "  - {allow: v1}"


@pytest.fixture(scope="module")
def v1(make_upstream):
    return make_upstream("v1")


class Keys:
    """A key set that misbehaves as told, and counts who asks."""

    def __init__(self):
        self.asked, self.answer = [], lambda path: (200, "application/json", b"{}")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                reply = outer.answer(self.path)
                if callable(reply):
                    reply(self)
                    return
                status, kind, body, *headers = reply
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def keys():
    k = Keys()
    yield k
    k.server.shutdown()


def jwt_source(keys, extra=""):
    return f'  - {{type: jwt, issuer: https://issuer.test, keys: "{keys.url}/jwks"{extra}}}'


def served(issuer):
    return lambda path: (200, "application/json", json.dumps(issuer.jwks()).encode())


def status(g, token):
    return g.rpc("tools/list", {}, token).status


def test_keys_from_a_url(make_front, v1, keys, issuer):
    keys.answer = served(issuer)
    g = make_front(conftest.upstream_config({"v1": v1}, RULES, jwt_source(keys)))
    token = issuer.token(g.url)
    peers.wait_for("the key set", lambda: status(g, token) == 200, 10, 0.1)
    assert keys.asked == ["/jwks"]
    # egress verifies with the same set
    peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, token).body, 10, 0.2)
    assert g.call("v1_add", {"a": 1, "b": 2}, token).json()["result"]["structuredContent"] == {"sum": 3}


@pytest.mark.parametrize("kind", ["jwt", "remote"])
def test_discovery_and_rotation_with_a_real_provider(make_front, v1, tmp_path, kind):
    port = peers.free_port()
    provider = peers.Upstream(tmp_path, ["node", str(peers.NODE / "servers/oidc.mjs"), "PORT", "http://127.0.0.1:%d/mcp" % port])
    provider.start()
    try:
        g = make_front("", start=False)
        g.port, g.url = port, f"http://127.0.0.1:{port}/mcp"
        issuer = f"http://127.0.0.1:{provider.port}"
        g.write(conftest.upstream_config({"v1": v1}, "  - {allow: v1, require_scopes: use}", f'  - {{type: {kind}, issuer: "{issuer}"}}'))
        g.start()

        def token():
            r = urllib.request.Request(f"{issuer}/token", data=f"grant_type=client_credentials&scope=use&resource={g.url}".encode(),
                                       headers={"Authorization": "Basic " + base64.b64encode(b"e2e:not-a-secret-of-anybody").decode()})
            with urllib.request.urlopen(r, timeout=10) as answer:
                return json.load(answer)["access_token"]

        first = token()
        peers.wait_for("the key set", lambda: status(g, first) == 200, 15, 0.2)
        peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, first).body, 10, 0.2)
        assert g.call("v1_add", {"a": 1, "b": 2}, first).json()["result"]["structuredContent"] == {"sum": 3}
        prm = g.request("GET", "/.well-known/oauth-protected-resource/mcp").json()
        assert prm["resource"] == g.url and (kind == "jwt" or prm["authorization_servers"] == [issuer])
        if kind == "remote":
            provider.get("/rotate")
            fresh = token()
            assert fresh.split(".")[0] != first.split(".")[0]
            # Within the cool-down the new key is unknown; then it is found without anybody's help.
            peers.wait_for("the new key", lambda: status(g, fresh) == 200, 45, 1)
    finally:
        provider.stop()


def test_c01_c02_unknown_kids_cost_one_fetch(make_front, v1, keys, issuer):
    keys.answer = served(issuer)
    g = make_front(conftest.upstream_config({"v1": v1}, RULES, jwt_source(keys)), options=["--fronts", "4"])
    good = issuer.token(g.url)
    peers.wait_for("the key set", lambda: status(g, good) == 200, 10, 0.1)
    from concurrent.futures import ThreadPoolExecutor
    before = len(keys.asked)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: status(g, issuer.sign(issuer.claims(g.url), header={"kid": f"k{n}"})), range(400)))
    assert set(answers) <= {401}, set(answers)
    assert len(keys.asked) - before <= 1
    assert status(g, good) == 200


def test_c03_no_key_set_is_503_and_not_401(make_front, v1, keys, issuer):
    keys.answer = lambda path: (500, "text/plain", b"no")
    g = make_front(conftest.upstream_config({"v1": v1}, RULES, jwt_source(keys) + "\n  - {type: static}"), {})
    a = g.rpc("tools/list", {}, issuer.token(g.url))
    assert a.status == 503 and a.header("Retry-After")
    assert status(g, "spt_" + "A" * 43) == 401, "the other source can answer"
    assert status(g, "x.y.z") == 401
    assert status(g, issuer.token(g.url, iss="https://other.test")) == 401, "nobody serves this issuer"
    keys.answer = served(issuer)
    token = issuer.token(g.url)
    peers.wait_for("the recovery", lambda: status(g, token) == 200, 40, 0.5)
    keys.answer = lambda path: (500, "text/plain", b"no")
    assert status(g, issuer.token(g.url)) == 200, "a set that was good stays good"


def endless(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    try:
        for _ in range(200):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass


HOSTILE = {
    "C03 slow": lambda i: lambda path: endless,
    "C04 large": lambda i: lambda path: (200, "application/json", b'{"keys":[' + b" " * (1 << 20) + b"]}"),
    "C04 deep": lambda i: lambda path: (200, "application/json", b"[" * 100000),
    "C04 gzip": lambda i: lambda path: (200, "application/json", json.dumps(i.jwks()).encode(), ("Content-Encoding", "gzip")),
    "C05 redirect": lambda i: lambda path: (302, "text/plain", b"", ("Location", "http://169.254.169.254/jwks")),
    "C06 HTML": lambda i: lambda path: (200, "text/html", b"<html></html>"),
    "C06 no keys": lambda i: lambda path: (200, "application/json", b'{"keys":null}'),
    "C07 oct": lambda i: lambda path: (200, "application/json", json.dumps({"keys": [{"kty": "oct", "kid": "r1", "k": peers.b64url(b"k" * 32)}]}).encode()),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_key_sets(make_front, v1, keys, issuer, name):
    keys.answer = HOSTILE[name](issuer)
    g = make_front(conftest.upstream_config({"v1": v1}, RULES, jwt_source(keys)))
    peers.wait_for("the question", lambda: keys.asked, 10)
    a = g.rpc("tools/list", {}, issuer.token(g.url), )
    assert a.status in (503, 401) and a.status == (a.status if "C07" in name else 503), a.status
    assert all(p == "/jwks" for p in keys.asked)


def test_c08_c09_good_keys_among_bad_ones(make_front, v1, keys, issuer):
    bad = [{"kty": "XYZ", "kid": "x"}, {"kty": "OKP", "crv": "none", "x": "!"}, {"kty": "RSA"}, 5]
    keys.answer = lambda path: (200, "application/json", json.dumps({"keys": bad + issuer.jwks()["keys"]}).encode())
    g = make_front(conftest.upstream_config({"v1": v1}, RULES, jwt_source(keys)))
    token = issuer.token(g.url)
    peers.wait_for("the good key", lambda: status(g, token) == 200, 10, 0.2)


def test_c10_c11_discovery_is_not_believed(make_front, v1, keys, issuer):
    for document in ({"issuer": "https://other.test", "jwks_uri": keys.url + "/jwks"}, {"issuer": keys.url, "jwks_uri": "file:///etc/passwd"},
                     {"issuer": keys.url, "jwks_uri": "http://169.254.169.254/jwks"}, {"issuer": keys.url}):
        mine = peers.Issuer(keys.url)
        keys.asked.clear()
        keys.answer = lambda path, d=document, m=mine: (200, "application/json", json.dumps(m.jwks() if path == "/jwks" else d).encode())
        g = make_front(conftest.upstream_config({"v1": v1}, RULES, f'  - {{type: jwt, issuer: "{keys.url}"}}'))
        peers.wait_for("the question", lambda: keys.asked, 10)
        time.sleep(0.5)
        assert status(g, mine.token(g.url)) == 503, document
        assert "/jwks" not in keys.asked
        g.stop()


def hs256(claims, key, **head):
    signed = f"{peers.b64url(json.dumps({'alg': 'HS256', 'typ': 'JWT', **head}).encode())}.{peers.b64url(json.dumps(claims).encode())}"
    return f"{signed}.{peers.b64url(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())}"


def test_hs_tokens_by_tickets(make_front, v1, issuer):
    secret = "hs-canary-" + peers.secrets.token_hex(24)
    g = make_front(conftest.upstream_config({"v1": v1}, RULES, "  - {type: jwt, issuer: https://issuer.test, keys: vault:hs}"), {"hs": secret},
                   options=["--fronts", "4"])
    good = hs256(issuer.claims(g.url), secret)
    peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, good).body, 15, 0.2)
    for n in range(20):
        assert g.call("v1_add", {"a": n, "b": 2}, good).json()["result"]["structuredContent"] == {"sum": n + 2}
    assert status(g, hs256(issuer.claims(g.url), secret + "x")) == 401
    assert status(g, hs256(issuer.claims(g.url, exp=1), secret)) == 401
    assert status(g, hs256(issuer.claims("https://other.test"), secret)) == 401
    assert status(g, issuer.token(g.url)) == 401, "RS256 for a source of HS"
    roles = g.roles()
    for role in ("front", "egress", "dialer"):
        for pid in roles[role]:
            assert not peers.memory_has(pid, [secret.encode()]), f"{role} has the secret"
            assert peers.memory_has(pid, [b"https://issuer.test"]), "the search finds what is there"


def test_static_tokens_in_a_header_of_their_own(make_front, v1):
    g = make_front(conftest.upstream_config({"v1": v1}, RULES, "  - {type: static, header: X-API-Key}"), {})
    new = g.cli("token", "new", "cron", "--days", "1")
    token = next(w for w in new.stdout.split() if w.startswith("spt_"))
    peers.wait_for("the token", lambda: g.rpc("tools/list", {}, headers={"X-API-Key": token}).status == 200, 5)
    assert status(g, token) == 401, "not as a Bearer token"
    assert g.rpc("tools/list", {}, headers={"X-API-Key": "spt_" + "A" * 43}).status == 401
    assert g.rpc("tools/list", {}, token, headers={"X-API-Key": token}).status == 400, "two credentials"


def over_unix(path, body):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20 * peers.PATIENCE)
    s.connect(str(path))
    data = json.dumps(body).encode()
    s.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
              b"MCP-Protocol-Version: 2025-11-25\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    got = b""
    while True:
        part = s.recv(65536)
        if not part:
            break
        got += part
    s.close()
    head, _, rest = got.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


@pytest.mark.parametrize("users,allowed", [("", True), (", users: nobody-at-all", False)])
def test_peers_are_known_by_their_uid(make_front, v1, users, allowed):
    g = make_front("auth: [{type: anonymous}]\nservers: {}\nrules: []\n", {}, start=False)
    g.config.write_text(f"listen: [unix:gate.sock, 127.0.0.1:{g.port}]\nstate: {g.state}\n" +
                        conftest.upstream_config({"v1": v1}, RULES, f"  - {{type: peer{users}}}"))
    g.start()
    sock = g.folder / "gate.sock"
    peers.wait_for("the socket", sock.exists, 5)
    assert os.stat(sock).st_mode & 0o777 == 0o600
    if not allowed:
        assert over_unix(sock, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[0] in (401, 403)
        return
    peers.wait_for("the catalogue", lambda: b"v1_add" in over_unix(sock, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})[1], 15, 0.2)
    code, body = over_unix(sock, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "v1_add", "arguments": {"a": 1, "b": 2}}})
    assert code == 200 and json.loads(body)["result"]["structuredContent"] == {"sum": 3}
    assert g.rpc("tools/list", {}).status == 401, "TCP has no peer"
    me = pwd.getpwuid(os.getuid()).pw_name
    peers.wait_for("the audit line", lambda: any(line.get("user") == me for line in g.audit()), 5)


def test_an_anonymous_caller_is_asked_to_sign_in(make_front, v1, issuer):
    auth = "  - {type: jwt, issuer: https://issuer.test, keys: jwks.json}\n  - {type: anonymous}"
    g = make_front(conftest.upstream_config({"v1": v1}, "  - {allow: v1.add, for: anyone}\n  - {allow: v1.echo, require_scopes: say}", auth))
    peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}).body, 15, 0.2)
    assert g.call("v1_add", {"a": 1, "b": 2}).status == 200
    for name in ("v1_echo", "v1_nothing", "other"):
        a = g.call(name, {"text": "x"})
        assert a.status == 401 and "error=" not in a.header("WWW-Authenticate")
    assert g.call("v1_echo", {"text": "x"}, issuer.token(g.url, scope="say")).status == 200
