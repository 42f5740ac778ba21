"""The official conformance suites against build/examples/everything: what they require of a server in both revisions, and
what they do not score.  A scenario without a check passes too, so each must have at least so many that succeeded."""

import json
import os
import re
import subprocess

import pytest

import peers
from program import NODE22, Program

SUITES = {"new": peers.NODE / "conformance/node_modules", "old": peers.NODE / "conformance-old/node_modules"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    p = Program(tmp_path_factory.mktemp("everything"), "everything", ("--port", "{port}")).start()
    yield p
    p.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """The same, for who has a token, behind a forwarder that adds it."""
    public = peers.free_port()
    p = Program(tmp_path_factory.mktemp("guarded"), "everything", ("--port", "{port}", "--token", "let-me-in-please", "--url", f"http://localhost:{public}/mcp"))
    f = peers.Forwarder(tmp_path_factory.mktemp("forwarder"), public)
    f.start(p.start().port, "let-me-in-please")
    yield f
    f.stop()
    p.stop()


def run(suite, port, folder, *args):
    argv = [NODE22, SUITES[suite] / "@modelcontextprotocol/conformance/dist/index.js", "server", "--url", f"http://localhost:{port}/mcp",
            "-o", folder, *args]
    env = {**os.environ, "PATH": f"{NODE22.parent}:{os.environ['PATH']}"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300 * peers.PATIENCE, env=env)
    checks = {}
    for f in folder.rglob("checks.json"):
        name = re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", f.parent.name).removeprefix("server-")
        checks.setdefault(name, []).extend(json.loads(f.read_text()))
    return done, checks


def counted(checks):
    return {name: sum(c["status"] == "SUCCESS" for c in rows) for name, rows in checks.items()}


def failures(checks):
    return {name: [(c["id"], str(c.get("errorMessage"))[:300]) for c in rows if c["status"] == "FAILURE"] for name, rows in checks.items()
            if any(c["status"] == "FAILURE" for c in rows)}


# How many checks succeeded when this was written; fewer means that a scenario no longer looks at something.
FEWEST = json.loads((peers.HERE / "conformance_fewest.json").read_text())


def judge(done, checks, least, allowed=()):
    bad = {name: rows for name, rows in failures(checks).items() if name not in allowed}
    assert not bad, json.dumps(bad)[:3000]
    assert set(checks) >= set(least), (sorted(set(least) - set(checks)), (done.stdout + done.stderr)[-1500:])
    fewer = {name: (n, least[name]) for name, n in counted(checks).items() if n < least.get(name, 0)}
    assert not fewer, fewer


@pytest.mark.parametrize("revision,scenarios", [("2025-11-25", 30), ("2026-07-28", 37)])
@pytest.mark.parametrize("who", ["anyone", pytest.param("signed in", marks=pytest.mark.slow)])
def test_required(server, guarded, tmp_path, who, revision, scenarios):
    """All that the suite scores, and 0 when it ends; with and without a bearer token that is required."""
    port = server.port if who == "anyone" else guarded.port
    done, checks = run("new", port, tmp_path, "--requirements", revision)
    least = FEWEST[revision]
    assert len(least) == scenarios
    judge(done, checks, least)
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]


# What the suite does not score, but has.
UNSCORED = {
    "2025-11-25": ["server-session-lifecycle", "json-schema-2020-12", "server-sse-polling"],
    "2026-07-28": ["json-schema-2020-12", "http-header-validation", "http-custom-header-server-validation", "tasks-lifecycle",
                   "tasks-capability-negotiation", "tasks-wire-fields", "tasks-request-state-removal", "tasks-mrtr-input",
                   "tasks-request-headers", "tasks-dispatch-and-envelope", "tasks-status-notifications", "tasks-required-task-error",
                   "tasks-mrtr-composition"],
}


@pytest.mark.parametrize("revision,scenario", [(r, s) for r, all_ in UNSCORED.items() for s in all_])
def test_unscored(server, tmp_path, revision, scenario):
    done, checks = run("new", server.port, tmp_path, "--scenario", scenario, "--spec-version", revision, "--force")
    judge(done, checks, {scenario: FEWEST["unscored"][f"{revision} {scenario}"]})


def test_the_first_release_of_the_suite(server, tmp_path):
    done, checks = run("old", server.port, tmp_path)
    judge(done, checks, FEWEST["0.1.16"])
    assert len(FEWEST["0.1.16"]) >= 30 and done.returncode == 0, (done.stdout + done.stderr)[-2000:]
