"""Providers of the library that ask others, with a real authorization server: RFC 7662 introspection, key sets by URL."""

import pytest

import peers
from program import Program, compile_c
from test_introspection import As

SECRET = "not-a-secret-of-anybody"


@pytest.fixture(scope="module")
def guarded(installed, tmp_path_factory):
    env, _ = installed
    return compile_c(env, peers.HERE / "programs/guarded.c", tmp_path_factory.mktemp("guarded") / "guarded"), env


@pytest.fixture
def run(guarded, tmp_path):
    """run(port, arguments…) starts the compiled program; it must end cleanly."""
    path, env = guarded
    running = []

    def make(port, *argv, **more):
        p = Program(tmp_path / "program", "guarded", ("{listen}", *argv), env={k: env[k] for k in ("LD_LIBRARY_PATH", "ASAN_OPTIONS")} | more)
        p.port = port
        p.argv = [str(path), f"127.0.0.1:{port}", *(str(a) for a in argv)]
        running.append(p.start())
        return p

    yield make
    for p in running:
        p.stop()


@pytest.fixture
def provider(tmp_path):
    p = As(tmp_path / "as")
    p.up.start()
    yield p
    p.up.stop()


def text(a):
    return a.json()["result"]["content"][0]["text"]


@pytest.mark.parametrize("cache", [0, 30])
def test_introspection(run, provider, cache):
    """Parity 22 to 24: active, under-scoped, taken back, unknown; asked each time, or once in a while."""
    p = run(provider.gate_port, "introspection", f"{provider.issuer}/token/introspection", "e2e", SECRET, cache)
    token = provider.token("use")
    assert text(p.call("whoami", token=token)) == "e2e by introspection"
    before = provider.asked()
    for _ in range(10):
        assert p.call("whoami", token=token).status == 200
    assert provider.asked() - before == (10 if cache == 0 else 0)
    a = p.call("use", token=token)
    assert a.status == 403 and 'scope="use more"' in a.header("WWW-Authenticate"), "parity 6: all that it needs"
    gone = provider.token()
    provider.revoke(gone)
    for bad in (gone, "no-such-token", token + "x"):
        a = p.call("whoami", token=bad)
        assert a.status == 401 and 'error="invalid_token"' in a.header("WWW-Authenticate")
    before = provider.asked()
    assert p.call("whoami", token=peers.Issuer().token(p.url)).status == 401
    assert provider.asked() == before, "a token is shown only to whom it could be for"


def test_introspection_that_cannot_be_asked(run, provider):
    """C16, C18: 503 and Retry-After, never yes, never no; the secret is in no log and no answer."""
    p = run(provider.gate_port, "introspection", f"{provider.issuer}/token/introspection", "e2e", "canary-wrong-secret-of-mine", 30)
    a = p.call("whoami", token=provider.token())
    assert a.status == 503 and a.header("Retry-After")
    assert "canary-wrong-secret" not in p.text() + str(a.headers) and b"canary" not in a.body
    provider.up.stop()
    a = p.call("whoami", token="some-other-token")
    assert a.status == 503


def test_keys_by_url_and_metadata(run, tmp_path):
    """Parity 5, 9, 19: the challenge leads to metadata that name the authorization server, whose tokens are good here."""
    p_as = As(tmp_path / "as", kind="jwt")
    p_as.up.start()
    try:
        p = run(p_as.gate_port, "remote", p_as.issuer, f"{p_as.issuer}/jwks")
        a = p.call("whoami")
        assert a.status == 401 and "resource_metadata=" in a.header("WWW-Authenticate") and "scope=" not in a.header("WWW-Authenticate")
        meta = p.request("GET", "/.well-known/oauth-protected-resource/mcp").json()
        assert meta["resource"] == p.url and meta["authorization_servers"] == [p_as.issuer] and meta["scopes_supported"] == ["use", "more"]
        token = p_as.token("use")
        assert token.count(".") == 2
        assert text(p.call("whoami", token=token)) == "e2e by jwt"
        assert p.call("use", token=token).status == 403
        assert p.call("whoami", token=token[:-4] + "AAAA").status == 401
        for version, era in (("v1", "legacy"), ("v2", "2026-07-28"), ("python", "legacy")):
            r = peers.sdk(version, {"url": p.url, "token": token, "era": era, "steps": [{"call": {"name": "whoami", "arguments": {}}}]})
            assert r["results"][1]["result"]["content"][0]["text"] == "e2e by jwt"
    finally:
        p_as.up.stop()


def test_resource_of_another_base(run):
    """Parity 10: the resource, its metadata and its audience are what clients type, not where it listens."""
    issuer = peers.Issuer()
    p = run(peers.free_port(), "remote", issuer.issuer, "http://127.0.0.1:9/jwks", GUARDED_URL="https://tools.example.com/api/mcp")
    p.path = "/api/mcp"
    host = {"Host": "tools.example.com"}
    a = p.rpc("ping", headers=host)
    assert a.status == 401
    assert 'resource_metadata="https://tools.example.com/.well-known/oauth-protected-resource/api/mcp"' in a.header("WWW-Authenticate")
    meta = p.request("GET", "/.well-known/oauth-protected-resource/api/mcp", headers=host).json()
    assert meta["resource"] == "https://tools.example.com/api/mcp"
    assert p.request("POST", "/mcp", {}, headers=host).status == 404
