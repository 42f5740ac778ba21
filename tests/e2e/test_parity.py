"""What users of FastMCP rely on, by the numbers of the parity list; where the answer is stricter on purpose, the test says so.

11 is in test_sessions.py, 22-24 want introspection, 69 and 70 are in bind_test.c and test_documents.py, 73 and 75 in test_mcp.py."""

import json
import time

import pytest

import conftest
import peers

SERVER = '  dns: {openapi: pdns.json, url: "http://127.0.0.1:%d/api/v1", secrets: {APIKeyHeader: vault:pdns}}'


@pytest.fixture(scope="module")
def make(make_front, pdns, canary):
    def gateway(auth, rules, extra="", head=""):
        return make_front(f"{head}auth:\n{auth}\nservers:\n{SERVER % pdns.http}\nrules:\n{rules}\n{extra}", {"pdns": canary},
                          files={"pdns.json": pdns.document()})
    return gateway


@pytest.fixture(scope="module")
def scoped(make):
    return make("  - {type: jwt, issuer: https://issuer.test, keys: jwks.json, require_scopes: [read, admin]}\n  - {type: static}",
                "  - {allow: dns.access:read}\n  - {allow: dns.access:write, require_scopes: write}")


def listing(g, token=None, **more):
    return g.rpc("tools/list", {}, token, **more)


def test_01_no_credential(scoped):
    a = listing(scoped)
    challenge = a.header("WWW-Authenticate")
    assert a.status == 401 and a.body == b"" and "error" not in challenge
    assert f'resource_metadata="http://127.0.0.1:{scoped.port}/.well-known/oauth-protected-resource/mcp"' in challenge


@pytest.mark.parametrize("bad", ["x", "a.b.c", "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"])
def test_02_malformed_tokens(scoped, bad):
    a = listing(scoped, bad)
    assert a.status == 401 and 'error="invalid_token"' in a.header("WWW-Authenticate")


def test_03_another_scheme(scoped):
    assert listing(scoped, headers={"Authorization": "Basic eDp5"}).status == 401


def test_04_scheme_in_any_case(scoped, issuer):
    token = issuer.token(scoped.url, scope="read admin")
    assert listing(scoped, headers={"Authorization": f"bEaReR {token}"}).status == 200


def test_05_metadata_lists_what_everybody_needs(make):
    """Not the catalogue: MCP wants the least set there, and a 403 names what more a call needs."""
    g = make("  - {type: jwt, issuer: https://issuer.test, keys: jwks.json, require_scopes: read}", "  - {allow: dns.access:write, require_scopes: write}",
             head="scopes:\n  read: {says: Read}\n  write: {says: Write}\n  admin: {says: All}\n")
    prm = g.request("GET", "/.well-known/oauth-protected-resource/mcp").json()
    assert prm["resource"] == g.url and prm["scopes_supported"] == ["read"]


def test_06_a_good_token_without_a_scope(scoped, issuer):
    a = listing(scoped, issuer.token(scoped.url, scope="read"))
    challenge = a.header("WWW-Authenticate")
    assert a.status == 403 and 'error="insufficient_scope"' in challenge
    assert set(challenge.split('scope="')[1].split('"')[0].split()) == {"read", "admin"}


def test_07_expired_and_under_scoped_is_expired(scoped, issuer):
    a = listing(scoped, issuer.token(scoped.url, scope="read", exp=int(time.time()) - 100))
    assert a.status == 401 and 'error="invalid_token"' in a.header("WWW-Authenticate")


def test_08_a_verifier_that_accepts_what_has_expired(scoped, issuer):
    """A static token and a JWT both die at their time, cached or not."""
    token = issuer.token(scoped.url, scope="read admin", iat=int(time.time()) - 100, exp=int(time.time()) - 28)
    assert listing(scoped, token).status == 200
    time.sleep(4)
    assert listing(scoped, token).status == 401


@pytest.mark.parametrize("path", ["/api/v1/mcp", "/x"])
def test_09_metadata_of_a_path(make, issuer, path):
    g = make("  - {type: jwt, issuer: https://issuer.test, keys: jwks.json}", "  - {allow: dns.access:read}", head=f'url: "https://tools.test{path}"\n')
    h = {"Host": "tools.test"}
    prm = g.request("GET", "/.well-known/oauth-protected-resource" + path, headers=h).json()
    assert prm["resource"] == f"https://tools.test{path}"
    a = g.request("POST", path, body={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=h)
    assert a.status == 401 and f'resource_metadata="https://tools.test/.well-known/oauth-protected-resource{path}"' in a.header("WWW-Authenticate")
    token = issuer.token(f"https://tools.test{path}")
    assert g.request("POST", path, body={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=h, token=token).status == 200


def test_10_the_public_url_is_the_resource(make, issuer):
    g = make("  - {type: jwt, issuer: https://issuer.test, keys: jwks.json}", "  - {allow: dns.access:read}", head='url: "https://tools.test/mcp"\n')
    assert g.request("GET", "/.well-known/oauth-protected-resource/mcp", headers={"Host": "tools.test"}).json()["resource"] == "https://tools.test/mcp"
    assert listing(g, issuer.token(g.url), headers={"Host": "tools.test"}).status == 401, "the address it listens on is no audience"


def test_12_foreign_host_and_origin(scoped, issuer):
    token = issuer.token(scoped.url, scope="read admin")
    init = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "e", "version": "1"}}
    for headers, status in (({"Host": "evil.test"}, 421), ({"Origin": "https://evil.test"}, 403)):
        a = scoped.rpc("initialize", init, token, headers=headers)
        assert a.status == status and a.header("Mcp-Session-Id") is None


def with_keys(make_front, pdns, canary, text):
    return make_front(f"auth:\n  - {{type: jwt, issuer: https://issuer.test, keys: other.json}}\nservers:\n{SERVER % pdns.http}\nrules:\n  - {{allow: dns.access:read}}\n",
                      {"pdns": canary}, files={"pdns.json": pdns.document(), "other.json": json.dumps(text)})


def test_19_key_sets(make_front, pdns, canary, issuer):
    """Exotic keys are passed over; a kid must match (tokens without one: verifier_test.c)."""
    other = peers.Issuer()
    rsa = issuer.jwks()["keys"][0]
    second = {**other.jwks()["keys"][0], "kid": "r2"}
    odd = [{"kty": "XYZ", "kid": "x"}, {"kty": "OKP", "crv": "Ed448", "kid": "y", "x": "AA"}]

    def status(g, header):
        return listing(g, issuer.sign(issuer.claims(g.url), header=header)).status
    one = with_keys(make_front, pdns, canary, {"keys": odd + [rsa]})
    assert status(one, {"kid": "r1"}) == 200 and status(one, {"kid": "absent"}) == 401
    two = with_keys(make_front, pdns, canary, {"keys": [rsa, second]})
    assert status(two, {"kid": "r1"}) == 200 and status(two, {"kid": "r2"}) == 401


def test_20_critical_and_unknown_header_members(scoped, issuer):
    claims = issuer.claims(scoped.url, scope="read admin")
    assert listing(scoped, issuer.sign(claims, header={"x-unknown": "y"})).status == 200
    assert listing(scoped, issuer.sign(claims, header={"crit": ["x-unknown"], "x-unknown": "y"})).status == 401


def test_21_times_and_types(scoped, issuer):
    now = int(time.time())
    for more, status in (({"nbf": now + 300}, 401), ({"exp": None}, 401), ({"iat": now - 99, "exp": now - 20}, 200), ({"iat": now - 99, "exp": now - 40}, 401), ({"nbf": now + 20}, 200)):
        assert listing(scoped, issuer.token(scoped.url, scope="read admin", **more)).status == status, more
    assert listing(scoped, issuer.sign(issuer.claims(scoped.url, scope="read admin"), header={"typ": "logout+jwt"})).status == 401


@pytest.mark.parametrize("value", ["../x", "..", "%2e%2e", "a/b", "a?b=c", "a#b", ".", "a;b", "\\\\"])
def test_68_a_value_stays_one_segment(guarded, issuer, value):
    """The upstream is asked for a server of that name, or nothing is sent."""
    r = guarded.call("dns_listZones", {"server_id": value}, issuer.token(guarded.url, scope="dns:read")).json()
    assert r["result"]["isError"] and "zones" not in r["result"]["content"][0]["text"].lower().replace("listzones", "")


def test_25_static_tokens(make):
    g = make("  - {type: static, require_scopes: read}", "  - {allow: dns.access:read}")

    def new(*args):
        made = next(w for w in g.cli("token", "new", *args).stdout.split() if w.startswith("spt_"))
        peers.wait_for("the token", lambda: listing(g, made).status != 401 or "expired" in args[0], 3)
        return made
    assert listing(g, new("good", "--scopes", "read", "--days", "1")).status == 200
    short = listing(g, new("short", "--days", "1"))
    assert short.status == 403 and 'scope="read"' in short.header("WWW-Authenticate")
    assert listing(g, "spt_" + "A" * 43).status == 401
    assert listing(g, "").status in (400, 401)


@pytest.fixture(scope="module")
def guarded(make):
    return make("  - {type: jwt, issuer: https://issuer.test, keys: jwks.json}", """
  - {allow: dns.listZones, require_scopes: dns:read}
  - {allow: dns.listServers}
  - {guard: dns.listServer, restrict_tag: ops}
  - {allow: dns.listServer}
  - {allow: dns.createZone, require_scopes: [dns:write, dns:create], restrict_tag: ops}
""")


def names(g, token):
    return {t["name"] for t in listing(g, token).json()["result"]["tools"]}


def test_61_67_lists_equal_what_can_be_called(guarded, issuer):
    callers = {"none": issuer.token(guarded.url), "reader": issuer.token(guarded.url, scope="dns:read"),
               "ops": issuer.token(guarded.url, scope="dns:read dns:write dns:create", tags=["ops"])}
    seen = {}
    for who, token in callers.items():
        seen[who] = names(guarded, token)
        for tool in ("dns_listZones", "dns_listServers", "dns_listServer", "dns_createZone", "dns_deleteZone", "dns_nothing"):
            a = guarded.call(tool, {"server_id": "localhost"}, token)
            unknown = a.status == 200 and a.json().get("error", {}).get("message", "").startswith("Unknown tool")
            assert (tool in seen[who]) == (a.status == 200 and not unknown), (who, tool, a.status, a.body)
    assert seen["none"] == {"dns_listServers"}
    assert seen["reader"] == {"dns_listServers", "dns_listZones"}
    assert seen["ops"] == {"dns_listServers", "dns_listZones", "dns_listServer", "dns_createZone"}


def test_62_a_tag_of_the_caller(guarded, issuer):
    assert "dns_listServer" not in names(guarded, issuer.token(guarded.url))
    assert "dns_listServer" in names(guarded, issuer.token(guarded.url, tags=["ops"]))


def test_63_demands_add_up(guarded, issuer):
    for scope, tags, status in (("dns:write dns:create", ["ops"], 200), ("dns:write", ["ops"], 403)):
        a = guarded.call("dns_createZone", {"server_id": "localhost"}, issuer.token(guarded.url, scope=scope, tags=tags))
        assert a.status == status


def test_64_the_shortfall_names_the_scopes_and_a_tag_hides_them(guarded, issuer):
    a = guarded.call("dns_createZone", {"server_id": "localhost"}, issuer.token(guarded.url, tags=["ops"]))
    assert a.status == 403 and set(a.header("WWW-Authenticate").split('scope="')[1].split('"')[0].split()) == {"dns:write", "dns:create"}
    hidden = guarded.call("dns_createZone", {"server_id": "localhost"}, issuer.token(guarded.url))
    assert hidden.status == 200 and "scope" not in hidden.body.decode()
    nobody = guarded.call("dns_createZone", {"server_id": "localhost"})
    assert nobody.status == 401 and "dns:" not in (nobody.header("WWW-Authenticate") or "")


def test_65_denied_is_refused_by_every_spelling(guarded, issuer):
    token = issuer.token(guarded.url, scope="dns:read")
    answers = {guarded.call(n, {}, token).body.replace(n.encode(), b"NAME") for n in ("dns_deleteZone", "dns_DeleteZone", "dns.deleteZone", "deleteZone", "dns_deleteZone2")}
    assert len(answers) == 1


def test_66_a_renamed_tool_keeps_its_rules(guarded, issuer):
    """Rules speak of dns.listZones, clients of dns_listZones: the same decision, also for an MCP server (test_mcp.py)."""
    assert guarded.call("dns_listZones", {"server_id": "localhost"}, issuer.token(guarded.url)).status == 403
    assert guarded.call("dns_listZones", {"server_id": "localhost"}, issuer.token(guarded.url, scope="dns:read")).status == 200


def test_71_errors_of_the_upstream_do_not_show_the_secret(make, issuer, canary):
    g = make("  - {type: jwt, issuer: https://issuer.test, keys: jwks.json}", "  - {allow: dns.access:read}")
    a = g.call("dns_listZone", {"server_id": "localhost", "zone_id": "nowhere.test."}, issuer.token(g.url))
    result = a.json()["result"]
    assert result["isError"] and canary not in a.body.decode()


def test_72_names(make, issuer):
    g = make("  - {type: jwt, issuer: https://issuer.test, keys: jwks.json}", "  - {allow: dns}")
    token = issuer.token(g.url)
    assert all(len(n) <= 64 and n.startswith("dns_") and n.replace("_", "").replace("-", "").replace(".", "").isalnum() for n in names(g, token))


def test_74_two_callers_two_lists(make_upstream, make_front, issuer):
    g = make_front(conftest.upstream_config({"v1": make_upstream("v1")}, "  - {allow: v1.add, for: jwt/ann}\n  - {allow: v1.echo, for: jwt/bob}"))
    ann, bob = issuer.token(g.url, sub="ann"), issuer.token(g.url, sub="bob")
    peers.wait_for("the catalogue", lambda: names(g, ann), 15, 0.2)
    for _ in range(20):
        assert names(g, ann) == {"v1_add"} and names(g, bob) == {"v1_echo"}
    assert json.loads(g.call("v1_echo", {"text": "x"}, ann).body)["error"]["code"] == -32602
