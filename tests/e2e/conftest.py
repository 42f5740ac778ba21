import json
import secrets

import pytest

import peers
import program

PDNS_RULES = """
rules:
  - {allow: dns.access:read, require_scopes: dns:read}
  - {allow: dns.access:write, require_scopes: dns:write}
"""


def pdns_config(issuer_file, url, extra="", rules=PDNS_RULES):
    return f"""
scopes:
  dns:read: {{says: Read zones}}
  dns:write: {{says: Change zones, implies: dns:read}}
auth:
  - {{type: jwt, issuer: https://issuer.test, keys: {issuer_file}}}
  - {{type: static}}
servers:
  dns: {{openapi: pdns.json, url: "{url}", secrets: {{APIKeyHeader: vault:pdns}}}}
{extra}{rules}"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The library after `meson install` into a folder of its own: (environment in which compilers find it, folder)."""
    return program.install(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def canary():
    return "canary-" + secrets.token_urlsafe(24)


@pytest.fixture(scope="session")
def pdns(tmp_path_factory, canary):
    server = peers.PowerDns(tmp_path_factory.mktemp("pdns"), canary)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def issuer():
    return peers.Issuer()


@pytest.fixture(scope="session")
def make_gateway(tmp_path_factory, pdns, issuer, canary):
    """make_gateway(extra=…, rules=…, url=…) starts a gateway in front of PowerDNS; all are stopped at the end."""
    started = []

    def make(extra="", rules=PDNS_RULES, url=None, start=True, secret=None, env=None):
        folder = tmp_path_factory.mktemp("gateway")
        (folder / "pdns.json").write_bytes(pdns.document())
        (folder / "jwks.json").write_text(json.dumps(issuer.jwks()))
        config = pdns_config("jwks.json", url or f"http://127.0.0.1:{pdns.http}/api/v1", extra, rules)
        g = peers.Gateway(folder, config, secrets_={"pdns": secret or canary}, env=env)
        started.append(g)
        return g.start() if start else g

    yield make
    for g in started:
        if g.process is not None:
            g.stop()


@pytest.fixture(scope="session")
def gateway(make_gateway):
    return make_gateway()


@pytest.fixture(scope="session")
def reader(gateway, issuer):
    return issuer.token(gateway.url, sub="rita", scope="dns:read")


@pytest.fixture(scope="session")
def writer(gateway, issuer):
    return issuer.token(gateway.url, sub="will", scope="dns:write")


def upstream_config(servers, rules=None, auth="  - {type: jwt, issuer: https://issuer.test, keys: jwks.json}", extra=""):
    """servers: {name: upstream, or (upstream, "vault name of its bearer")}."""
    lines = []
    for name, up in servers.items():
        up, key = up if isinstance(up, tuple) else (up, None)
        secret = f", secrets: {{token: vault:{key}}}" if key else ""
        lines.append(f'  {name}: {{mcp: "{up.url}"{secret}}}')
    rules = rules or "\n".join(f"  - {{allow: {name}}}" for name in servers)
    return f"auth:\n{auth}\nservers:\n" + "\n".join(lines) + f"\nrules:\n{rules}\n{extra}"


@pytest.fixture(scope="module")
def make_upstream(tmp_path_factory):
    """make_upstream(kind, bearer="", only="", prefix="") starts a real MCP server; all end with the module."""
    started = []

    def make(kind, bearer="", only="", prefix=""):
        started.append(peers.upstream(kind, tmp_path_factory.mktemp(kind), bearer, only, prefix))
        return started[-1].start()

    yield make
    for up in started:
        up.stop()


@pytest.fixture(scope="module")
def make_front(tmp_path_factory, issuer):
    """make_front(config, secrets_={…}, options=[…]) starts a gateway with any configuration; all end with the module."""
    started = []

    def make(config, secrets_=None, options=(), start=True, env=None, files=None):
        folder = tmp_path_factory.mktemp("front")
        (folder / "jwks.json").write_text(json.dumps(issuer.jwks()))
        for name, text in (files or {}).items():
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        g = peers.Gateway(folder, config, secrets_=secrets_, env=env)
        started.append(g)
        return g.start(options=options) if start else g

    yield make
    for g in started:
        if g.process is not None:
            g.stop()
