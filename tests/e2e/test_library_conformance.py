"""The official conformance suites against build/examples/everything: what they require of a server in both revisions, and
what they do not score.  A scenario without a check passes too, so each must have at least so many that succeeded."""

import json
import os
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
    p = Program(tmp_path_factory.mktemp("guarded"), "everything", ("--port", "{port}", "--token", "let-me-in", "--url", f"http://localhost:{public}/mcp"))
    f = peers.Forwarder(tmp_path_factory.mktemp("forwarder"), public)
    f.start(p.start().port, "let-me-in")
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
        name = f.parent.name.removeprefix("server-").rsplit("-20", 1)[0]
        checks.setdefault(name, []).extend(json.loads(f.read_text()))
    return done, checks


def counted(checks):
    return {name: sum(c["status"] == "SUCCESS" for c in rows) for name, rows in checks.items()}


def failures(checks):
    return {name: [(c["id"], str(c.get("errorMessage"))[:300]) for c in rows if c["status"] == "FAILURE"] for name, rows in checks.items()
            if any(c["status"] == "FAILURE" for c in rows)}
