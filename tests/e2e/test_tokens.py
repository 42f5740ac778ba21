"""Areas A, B and D of the threat list through the running gateway: what is presented, and what is answered."""

import base64
import hashlib
import hmac
import json
import time

import pytest

import peers


def status_of(gateway, token):
    return gateway.rpc("tools/list", {}, token)


def hs256(head, claims, key):
    signed = f"{peers.b64url(json.dumps(head).encode())}.{peers.b64url(json.dumps(claims).encode())}"
    return f"{signed}.{peers.b64url(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def forgeries(gateway, issuer):
    from cryptography.hazmat.primitives import serialization
    ok = issuer.claims(gateway.url, scope="dns:read")
    good = issuer.sign(ok)
    head, payload, sig = good.split(".")
    public = issuer.rsa.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    jwk = issuer.jwks()["keys"][0]

    def none(alg):
        return f"{peers.b64url(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{payload}."

    es = issuer.sign(ok, "ES256")
    es_head, es_payload, es_sig = es.split(".")
    now = int(time.time())
    yield from ((f"A02 alg {a!r}", none(a)) for a in ("none", "None", "NONE", "nOnE", " none", "none\0"))
    yield "A03 none with a valid signature", none("none") + sig
    for name, key in (("PEM", pem), ("DER", der), ("n", jwk["n"].encode()), ("JWK", json.dumps(jwk).encode()), ("empty", b"")):
        yield f"A04 A05 HS256 keyed by {name}", hs256({"alg": "HS256", "kid": "r1"}, ok, key)
    raw = bytearray(base64.urlsafe_b64decode(es_sig + "=="))
    for name, forged in (("zero", bytes(64)), ("r zero", bytes(32) + bytes(raw[32:])), ("all FF", b"\xff" * 64), ("63 bytes", bytes(raw[:63])),
                         ("65 bytes", bytes(raw) + b"\0")):
        yield f"A09 A10 ES256 {name}", f"{es_head}.{es_payload}.{peers.b64url(forged)}"
    yield "A21 ES256 under the RSA key", issuer.sign(ok, "ES256", {"kid": "r1"})
    for crit in (["exp"], ["x"], [], "x"):
        yield f"A24 crit {crit}", issuer.sign(ok, header={"crit": crit})
    yield "A26 embedded jwk, unknown kid", issuer.sign(ok, header={"kid": "other", "jwk": jwk})
    yield "A27 jku", issuer.sign(ok, header={"kid": "other", "jku": "http://127.0.0.1:1/"})
    for kid in ("../../etc/passwd", "' OR 1=1--", 5, {"a": 1}, ["r1"], "x" * 4000):
        yield f"A29 kid {str(kid)[:20]}", issuer.sign(ok, header={"kid": kid})
    for typ in ("dpop+jwt", "logout+jwt", "oauth-id-jag+jwt"):
        yield f"A32 typ {typ}", issuer.sign(ok, header={"typ": typ})
    yield "A33 ID token", issuer.sign({**ok, "nonce": "n"})
    yield "A37 empty payload", f"{head}..{sig}"
    for bad in ("", ".", "..", "a.b", f"{good}.x", f".{good}", "." * 1000):
        yield f"A38 parts {bad[:8]!r}", bad
    yield "A39 padding", good + "="
    yield "A39 plus", good[:-2] + "+" + good[-1]
    for text in ('{"iss":1}', "[]", '"x"', "null", json.dumps(ok)[:-1] + ',"sub":"twice"}', json.dumps(ok) + "x"):
        yield f"A40 A41 claims {text[:10]}", issuer.sign(text)
    yield "A42 17 kB", issuer.sign({**ok, "pad": "p" * 17000})
    yield "B01 another audience", issuer.token("https://other.test/mcp")
    yield "B02 no audience", issuer.sign({k: v for k, v in ok.items() if k != "aud"})
    for aud in (gateway.url + "/", gateway.url + "2", gateway.url.replace("/mcp", ""), gateway.url.replace("/mcp", "/MCP"), gateway.url + "#x"):
        yield f"B03 aud {aud[-8:]}", issuer.token(aud)
    yield "B04 numbers in aud", issuer.token([gateway.url, 5])
    yield "B04 empty aud", issuer.token([])
    for iss in (issuer.issuer + "/", issuer.issuer.upper(), issuer.issuer + ":443"):
        yield f"B06 iss {iss}", issuer.token(gateway.url, iss=iss)
    for exp in (None, now - 120, "9999999999", 1e308, -1, True, 2**63):
        yield f"B08 exp {exp}", issuer.token(gateway.url, exp=exp)
    yield "B09 nbf in the future", issuer.token(gateway.url, nbf=now + 600)
    yield "B09 iat in the future", issuer.token(gateway.url, iat=now + 600)
    yield "B12 no sub", issuer.token(gateway.url, sub=None)
    yield "B12 control in sub", issuer.token(gateway.url, sub="a\nb")
    yield "B16 flipped last bit", good[:-1] + ("A" if good[-1] != "A" else "E")
    yield "B22 unknown static token", "spt_" + "A" * 43
    yield "B25 bound token", issuer.token(gateway.url, cnf={"jkt": "x"})


def test_forgeries_get_one_answer(gateway, issuer):
    """A, B, D08: every bad token is 401, and no answer tells which rule refused it."""
    bodies, bad = set(), []
    for name, token in forgeries(gateway, issuer):
        if any(ord(c) < 32 for c in token):
            continue
        a = status_of(gateway, token)
        malformed = not token or token.startswith("=")
        challenge = a.header("WWW-Authenticate") or ""
        if a.status == 400 and malformed:
            continue
        if a.status not in (401, 431) or (a.status == 401 and 'error="invalid_token"' not in challenge and token):
            bad.append((name, a.status, challenge))
        elif a.status == 401 and token:
            bodies.add((a.body, challenge))
    assert not bad
    assert len(bodies) == 1, bodies


def test_good_tokens(gateway, issuer):
    for name, token in (("RS256", issuer.token(gateway.url)), ("ES256", issuer.token(gateway.url, alg="ES256")),
                        ("aud list", issuer.token([gateway.url, "https://other.test"])),
                        ("A32 typ JWT", issuer.sign(issuer.claims(gateway.url), header={"typ": "JWT"})),
                        ("A32 typ in capitals", issuer.sign(issuer.claims(gateway.url), header={"typ": "AT+JWT"}))):
        assert status_of(gateway, token).status == 200, name


def test_d01_to_d06_presentation(gateway, reader):
    a = gateway.rpc("tools/list", {})
    challenge = a.header("WWW-Authenticate")
    assert a.status == 401 and "error=" not in challenge
    assert f'resource_metadata="http://127.0.0.1:{gateway.port}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert gateway.request("POST", f"/mcp?access_token={reader}", body='{"jsonrpc":"2.0","id":1,"method":"ping"}').status == 401
    assert reader not in gateway.text(), "the query is never logged"

    def status(value):
        return gateway.rpc("ping", None, headers={"Authorization": value}).status

    for scheme in ("bearer", "BEARER", "Bearer"):
        assert status(f"{scheme} {reader}") == 200
    for other in ("Basic YTpi", "Negotiate x"):
        assert status(other) == 401
    for malformed in ("Bearer", "Bearer a b", "Bearer a=b", f"Bearer {reader}, Bearer {reader}"):
        assert status(malformed) == 400, malformed
    host = f"127.0.0.1:{gateway.port}"
    ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    got, _ = gateway.raw((f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAuthorization: Bearer {reader}\r\n"
                          f"Authorization: Bearer {reader}\r\nConnection: close\r\nContent-Length: {len(ping)}\r\n\r\n{ping}").encode())
    assert got.startswith(b"HTTP/1.1 400"), got


@pytest.mark.parametrize("method", ["HEAD", "GET", "DELETE", "PUT"])
def test_d17_authorization_before_method(gateway, method):
    assert gateway.request(method, "/mcp").status == 401


@pytest.mark.parametrize("path", ["//mcp", "/./mcp", "/mcp/..;/", "/%6dcp", "/mcp%00", "/MCP", "/.well-known/../mcp", "/mcp;x", "/mcp/"])
def test_d13_path_confusion_never_opens(gateway, path):
    assert gateway.request("POST", path, body='{"jsonrpc":"2.0","id":1,"method":"ping"}').status in (400, 401, 404)


def test_d20_no_identity_of_the_connection(gateway, reader):
    import http.client
    c = http.client.HTTPConnection("127.0.0.1", gateway.port)
    h = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    c.request("POST", "/mcp", ping, {**h, "Authorization": f"Bearer {reader}"})
    assert c.getresponse().read() and True
    c.request("POST", "/mcp", ping, h)
    assert c.getresponse().status == 401


def test_b20_a_cached_token_dies_at_its_exp(gateway, issuer):
    token = issuer.token(gateway.url, iat=int(time.time()) - 100, exp=int(time.time()) - 27)     # within the leeway of 30 s, for 3 s more
    assert status_of(gateway, token).status == 200
    time.sleep(5)
    assert status_of(gateway, token).status == 401


def test_a43_no_claim_is_judged_before_the_signature_holds(gateway, issuer):
    forged = issuer.token(gateway.url, exp=1, sub="a43-" + "x" * 8)[:-4] + "AAAA"
    before = len(gateway.text())
    assert status_of(gateway, forged).status == 401
    line = peers.wait_for("the log line", lambda: next((l for l in gateway.text()[before:].splitlines() if "rejected" in l), None), 3)
    assert "signature" in line and "exp" not in line and "a43" not in line


@pytest.mark.parametrize("name", ["X-Sallyport-Identity", "X-Forwarded-User", "X-Auth-Request-User", "X_Forwarded_User"])
def test_d09_d15_no_header_is_an_identity(gateway, name):
    assert gateway.rpc("tools/list", {}, headers={name: "admin"}).status == 401
