"""Tokens that an introspection endpoint judges (RFC 7662): a real authorization server with opaque tokens, and one that misbehaves.
Threat rows C14 to C20, parity 22 to 24."""

import base64
import collections
import http.server
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import conftest
import peers

RULES = "  - {allow: v1, require_scopes: use}"
SECRET = "canary-client-secret-" + "x7Qz" * 4


@pytest.fixture(scope="module")
def v1(make_upstream):
    return make_upstream("v1")


def status(g, token):
    return g.rpc("tools/list", {}, token).status


def add(g, token):
    return g.call("v1_add", {"a": 1, "b": 2}, token)


def is_ready(g, token):
    peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, token).body, 15, 0.2)


class As:
    """oidc-provider on a port of its own, for a gateway whose port is known beforehand."""

    def __init__(self, folder, lives=600, kind="opaque", jwk=None):
        self.gate_port = peers.free_port()
        self.resource = f"http://127.0.0.1:{self.gate_port}/mcp"
        self.up = peers.Upstream(folder, ["node", str(peers.NODE / "servers/oidc.mjs"), "PORT", self.resource, kind, str(lives)],
                                 env={"JWK": json.dumps(jwk)} if jwk else None)

    @property
    def issuer(self):
        return f"http://127.0.0.1:{self.up.port}"

    def post(self, path, form):
        r = urllib.request.Request(self.issuer + path, data=urllib.parse.urlencode(form).encode(), headers={
            "Authorization": "Basic " + base64.b64encode(b"e2e:not-a-secret-of-anybody").decode()})
        with urllib.request.urlopen(r, timeout=10) as answer:
            return answer.read()

    def token(self, scope="use"):
        return json.loads(self.post("/token", {"grant_type": "client_credentials", "scope": scope, "resource": self.resource}))["access_token"]

    def revoke(self, token):
        self.post("/token/revocation", {"token": token})

    def asked(self):
        return int(self.up.get("/asked"))

    def source(self, kind="introspection", client="e2e", secret="vault:as", more=""):
        return (f'  - {{type: {kind}, introspection_url: "{self.issuer}/token/introspection", client_id: "{client}", client_secret: "{secret}", '
                f"claims: {{user: client_id}}{more}}}")

    def gateway(self, make_front, v1, source=None, secret="not-a-secret-of-anybody", options=(), start=True):
        g = make_front("", {"as": secret}, start=False)
        g.port, g.url = self.gate_port, self.resource
        g.write(conftest.upstream_config({"v1": v1}, RULES, source or self.source()))
        return g.start(options=options) if start else g


@pytest.fixture
def provider(tmp_path):
    p = As(tmp_path)
    p.up.start()
    yield p
    p.up.stop()


# --- a real one

def test_active_underscoped_revoked_and_unknown(make_front, v1, provider):
    g = provider.gateway(make_front, v1, options=["--fronts", "2"])
    token = provider.token()
    assert token.count(".") == 0
    is_ready(g, token)
    assert add(g, token).json()["result"]["structuredContent"] == {"sum": 3}
    # parity 24: within a minute nobody asks again; each of the two fronts asked at most once
    before = provider.asked()
    assert all(status(g, token) == 200 for _ in range(30)) and provider.asked() - before <= 1
    # under-scoped: known, and told what is missing
    weak = provider.token("dns:read")
    a = add(g, weak)
    assert a.status == 403 and 'error="insufficient_scope"' in a.header("WWW-Authenticate") and 'scope="use"' in a.header("WWW-Authenticate")
    # never issued, and taken back before anybody saw it
    gone = provider.token()
    provider.revoke(gone)
    for bad in (gone, "no-such-token", token + "x", "a.b.c"):
        a = g.rpc("tools/list", {}, bad)
        assert a.status == 401 and 'error="invalid_token"' in a.header("WWW-Authenticate"), (bad, a.status)
    # what is ours, and a JWT of nobody's issuer, are not shown to it
    before = provider.asked()
    assert status(g, "spt_" + "A" * 43) == 401 and status(g, peers.Issuer().token(g.url)) == 401
    assert provider.asked() == before


def test_c19_a_token_dies_with_its_exp(make_front, v1, tmp_path):
    p = As(tmp_path, lives=6)
    p.up.start()
    try:
        g = p.gateway(make_front, v1)
        is_ready(g, p.token())
        token, born = p.token(), time.monotonic()
        assert status(g, token) == 200
        peers.wait_for("its end", lambda: status(g, token) == 401, 15, 0.2)
        assert 4 <= time.monotonic() - born <= 9
    finally:
        p.up.stop()


def test_endpoint_down_at_start_and_later(make_front, v1, tmp_path):
    p = As(tmp_path)
    g = p.gateway(make_front, v1, options=["--fronts", "1"])     # each front keeps what it was told
    a = g.rpc("tools/list", {}, "opaque")
    assert a.status == 503 and a.header("Retry-After")
    assert g.rpc("tools/list", {}).status == 401, "no credential is no reason to wait for anybody"
    p.up.start()
    token = p.token()
    peers.wait_for("the endpoint", lambda: status(g, token) == 200, 20, 0.3)
    is_ready(g, token)
    fresh = p.token()
    p.up.stop()
    assert status(g, token) == 200, "what was said counts for its minute"
    a = g.rpc("tools/list", {}, fresh)
    assert a.status == 503 and a.header("Retry-After")
    p.up.start()
    # another process with an empty store: it was never remembered as inactive, and is now
    peers.wait_for("the endpoint", lambda: status(g, fresh) == 401, 20, 0.3)


def test_wrong_secret_is_503_and_said_to_the_operator(make_front, v1, provider):
    g = provider.gateway(make_front, v1, secret="not-the-secret-at-all")
    a = g.rpc("tools/list", {}, provider.token())
    assert a.status == 503 and a.header("Retry-After")
    assert "it does not take client_id and client_secret" in g.text()
    assert "not-the-secret-at-all" not in g.text()
    # the right one, without a restart
    g.cli("vault", "set", "as", stdin="not-a-secret-of-anybody")
    token = provider.token()
    peers.wait_for("the new secret", lambda: status(g, token) == 200, 10, 0.2)


def test_parity_23_characters_that_mean_something_elsewhere(make_front, v1, provider):
    g = provider.gateway(make_front, v1, provider.source(client="gate:way &=1"), secret="p%41:&=+/ word")
    assert status(g, provider.token()) == 200


def test_private_key_jwt(make_front, v1, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    n = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": peers.b64url(n.x.to_bytes(32, "big")),
           "y": peers.b64url(n.y.to_bytes(32, "big"))}
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    p = As(tmp_path, jwk=jwk)
    p.up.start()
    try:
        g = make_front("", {}, start=False)
        g.port, g.url = p.gate_port, p.resource
        path = g.folder / "key.pem"
        path.write_bytes(pem)
        os.chmod(path, 0o600)
        g.write(conftest.upstream_config({"v1": v1}, RULES, p.source(client="keyed", secret="file:key.pem")))
        g.start()
        assert status(g, p.token()) == 200
        assert status(g, "nobody") == 401
    finally:
        p.up.stop()


def test_remote_publishes_and_c20_jwt_falls_to_the_next(make_front, v1, tmp_path):
    p = As(tmp_path, kind="jwt")
    p.up.start()
    try:
        remote = p.source("remote", more=f', issuer: "{p.issuer}"')
        g = p.gateway(make_front, v1, remote)
        prm = g.request("GET", "/.well-known/oauth-protected-resource/mcp").json()
        assert prm["authorization_servers"] == [p.issuer]
        # this provider answers 400 unsupported_token_type for JWTs
        a = g.rpc("tools/list", {}, p.token())
        assert a.status == 503 and a.header("Retry-After")
        assert "unsupported_token_type: it does not judge tokens of this kind" in g.text()
        g.reload(conftest.upstream_config({"v1": v1}, RULES, remote + f'\n  - {{type: jwt, issuer: "{p.issuer}", claims: {{user: client_id}}}}'))
        token = p.token()
        peers.wait_for("the verifier behind it", lambda: status(g, token) == 200, 15, 0.3)
        is_ready(g, token)
        assert add(g, token).json()["result"]["structuredContent"] == {"sum": 3}
    finally:
        p.up.stop()


# --- one that misbehaves

class Endpoint:
    """An introspection endpoint that answers as told, and remembers what it was sent."""

    def __init__(self):
        self.seen, self.answer, self.delay = [], lambda form: (200, {"active": False}), 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = urllib.parse.parse_qs(raw, keep_blank_values=True)
                outer.seen.append((raw, form, dict(self.headers)))
                time.sleep(outer.delay)
                code, body = outer.answer(form)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                try:
                    self.send_response(code)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/introspect?tenant=a"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint():
    e = Endpoint()
    yield e
    e.server.shutdown()


def guarded(make_front, v1, endpoint, options=(), more=""):
    source = f'  - {{type: introspection, introspection_url: "{endpoint.url}", client_id: cli, client_secret: vault:as{more}}}'
    return make_front(conftest.upstream_config({"v1": v1}, RULES, source), {"as": SECRET}, options=options)


def good(g, **more):
    return {"active": True, "sub": "ann", "scope": "use", "client_id": "app", **more}


def test_c14_c15_what_is_no_yes(make_front, v1, endpoint):
    g = guarded(make_front, v1, endpoint, more=", issuer: https://as.test")
    now = int(time.time())
    rows = {
        "active": (good(g), 200), "C14 text": (good(g, active="true"), 401), "C14 1": (good(g, active=1), 401), "C14 {}": ({}, 401),
        "C15 aud": (good(g, aud=g.url), 200), "C15 aud of others": (good(g, aud="https://other.test/mcp"), 401),
        "C15 iss": (good(g, iss="https://as.test"), 200), "C15 iss of others": (good(g, iss="https://evil.test"), 401),
        "C15 expired": (good(g, exp=now - 5), 401), "C15 not yet": (good(g, nbf=now + 600), 401),
        "C15 client_id": (good(g, client_id=[1]), 401), "no user": (good(g, sub=None), 401), "bound": (good(g, cnf={"jkt": "x"}), 401),
    }
    for n, (name, (answer, want)) in enumerate(rows.items()):
        endpoint.answer = lambda form, a=answer: (200, a)
        assert status(g, f"token-{n}") == want, name


def test_c16_c18_no_answer_is_503_and_shows_nothing(make_front, v1, endpoint):
    g = guarded(make_front, v1, endpoint)
    basic = base64.b64encode(f"cli:{SECRET}".encode()).decode()
    token = "canary-token-" + "y8Rw" * 5
    for answer in [(401, {"error": "invalid_client", "error_description": f"Basic {basic}"}), (403, b""), (500, b"<html>" + SECRET.encode()),
                   (302, b""), (200, b"{"), (200, b'"' + b"x" * 70000 + b'"'), (200, good(g, sub=SECRET)), (200, good(g, sub=basic)),
                   (400, {"error": SECRET})]:
        endpoint.answer = lambda form, a=answer: a
        a = g.rpc("tools/list", {}, token)
        assert a.status == 503 and a.header("Retry-After"), answer
        for secret in (SECRET, basic, token):
            assert secret.encode() not in a.body and secret not in str(a.headers)
    endpoint.answer = lambda form: (200, good(g))
    assert status(g, token) == 200, "never remembered as inactive"
    endpoint.delay = 30
    began = time.monotonic()
    a = g.rpc("tools/list", {}, "another")
    assert a.status == 503 and a.header("Retry-After") and time.monotonic() - began < 8 * peers.PATIENCE
    endpoint.delay = 0
    assert status(g, "another") == 200
    everything = g.text() + json.dumps(g.audit())
    for secret in (SECRET, basic, token):
        for form in peers.forms_of(secret):
            assert form.decode("latin-1") not in everything
    # The secret is with keeper and the endpoint's egress; the client's token was with fronts, keeper and that egress, in no log.
    for role, pids in g.roles().items():
        holders = [pid for pid in pids if peers.memory_has(pid, [SECRET.encode()])]
        assert not holders or role in ("keeper", "egress"), role
        assert len(holders) <= 1


def test_c17_exactly_one_token(make_front, v1, endpoint):
    g = guarded(make_front, v1, endpoint)
    # What a Bearer credential can hold at all (RFC 6750 b64token), and what only another header could bring.
    for token in ("a~b+c/d==", "x" * 6000, "a-b._~+/="):
        endpoint.seen.clear()
        assert status(g, token) == 401
        raw, form, headers = endpoint.seen[0]
        assert form == {"token": [token], "token_type_hint": ["access_token"]}, raw[:200]
        assert headers["Content-Type"] == "application/x-www-form-urlencoded" and headers["Accept"] == "application/json"
        assert headers["Authorization"] == "Basic " + base64.b64encode(f"cli:{SECRET}".encode()).decode()
    for token in ("a&client_id=x", "a%26token%3Db"):
        endpoint.seen.clear()
        assert status(g, token) in (400, 401) and not endpoint.seen, "no b64token: nobody is asked"


def test_one_question_for_all_who_wait(make_front, v1, endpoint):
    g = guarded(make_front, v1, endpoint, options=["--fronts", "2"])
    endpoint.answer, endpoint.delay = lambda form: (200, good(g)), 1
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda n: status(g, "shared"), range(24)))
    assert set(answers) == {200}
    # One for all of both fronts while it is under way; a front that comes after it asks for itself.
    assert len(endpoint.seen) <= 2, collections.Counter(f["token"][0] for _, f, _ in endpoint.seen)


def test_c19_taken_back_counts_after_a_revocation(make_front, v1, endpoint):
    g = guarded(make_front, v1, endpoint, options=["--fronts", "1"])     # each front keeps what it was told
    endpoint.answer = lambda form: (200, good(g))
    assert status(g, "opaque") == 200
    endpoint.answer = lambda form: (200, {"active": False})
    assert status(g, "opaque") == 200, "its minute is not over"
    # A revocation here ends what is remembered at once.
    g.cli("token", "new", "cron", "--scopes", "use")
    g.cli("token", "revoke", "cron")
    peers.wait_for("the epoch", lambda: status(g, "opaque") == 401, 5, 0.1)


def test_check_full(make_front, v1, endpoint):
    g = guarded(make_front, v1, endpoint)
    text = g.cli("check", "--full").stdout
    assert "introspection_url: " + endpoint.url in text and "client_secret: vault:as" in text and SECRET not in text
