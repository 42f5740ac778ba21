"""A server of the library under valgrind: a bit of everything, and an orderly end without a leak or an error."""

import json
import os
import shutil
import subprocess

import pytest

import peers
from program import EXAMPLES, Program

pytestmark = [pytest.mark.skipif("asan" in str(peers.BUILD), reason="one watcher at a time"),
              pytest.mark.skipif(shutil.which("valgrind") is None, reason="no valgrind")]


@pytest.fixture
def watched(tmp_path):
    """watched(name, argv…) starts an example under valgrind."""
    def make(name, *argv, **more):
        p = Program(tmp_path, name, argv or ("{listen}",), **more)
        p.argv = ["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible", "--error-exitcode=9",
                  "--child-silent-after-fork=yes", *p.argv]
        p.start(wait=False)
        peers.wait_for(f"{name} under valgrind", lambda: peers.can_connect(p.port) or p.process.poll() is not None, 60, 0.1)
        assert p.process.poll() is None, p.text()
        running.append(p)
        return p

    running = []
    yield make
    for p in running:
        p.stop(60)


def test_everything(watched):
    p = watched("everything", "--port", "{port}", "--token", "let-me-in-please")
    t = "let-me-in-please"
    for name in ("test_simple_text", "test_multiple_content_types", "test_error_handling", "test_tool_with_progress", "slow_compute", "nothing"):
        assert p.call(name, token=t).status == 200
        assert p.modern("tools/call", {"name": name, "arguments": {}}, t).status in (200, 400)
    for bad in (None, "wrong"):
        assert p.call("echo", token=bad).status == 401
    sid = p.session(t)
    h = {"Mcp-Session-Id": sid}
    assert p.rpc("resources/subscribe", {"uri": "test://watched-resource"}, t, headers=h).status == 200
    s = peers.Stream(p, headers={**h, "MCP-Protocol-Version": "2025-11-25"}, token=t)
    assert p.call("test_touch", token=t, headers=h).status == 200
    assert s.event(30)["method"] == "notifications/resources/updated"
    s.close()
    a = p.modern("tools/call", {"name": "test_input_required_result_elicitation", "arguments": {}, "_meta": {
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}}, t)
    assert b"input_required" in a.body
    assert p.request("DELETE", headers={**h, "MCP-Protocol-Version": "2025-11-25"}, token=t).status in (200, 204)
    p.raw(b"GARBAGE\r\n\r\n", timeout=2)


def test_left_in_the_middle(watched):
    """It ends while streams are open, calls run and bodies are half there."""
    p = watched("everything", "--port", "{port}")
    s = peers.Stream(p, headers={"Mcp-Session-Id": p.session(), "MCP-Protocol-Version": "2025-11-25"})
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {"ms": 500}}}).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{p.port}\r\nContent-Type: application/json\r\n" \
           f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    p.raw(head + body, timeout=0.2)
    p.raw(head + body[:20], timeout=0.2)
    s.close()


@pytest.mark.parametrize("name,env", [("per_tool_scopes", {}), ("custom_check", {"API_KEY": "k"}), ("oauth_setup", {"OAUTH_CLIENT_SECRET": "s"})])
def test_examples(watched, name, env):
    p = watched(name, env=env)
    for tool in ("read_data", "admin_action", "protected_tool", "whoami"):
        for token in (None, "k", "reader-token-1", "a.b.c"):
            p.call(tool, token=token)


def test_stdio(tmp_path):
    messages = "".join(json.dumps(m) + "\n" for m in [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": {"a": 1, "b": 2}}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "add", "arguments": {}}}]) + "half a line"
    done = subprocess.run(["valgrind", "--quiet", "--leak-check=full", "--error-exitcode=9", EXAMPLES / "stdio_server"], input=messages,
                          capture_output=True, text=True, timeout=60 * peers.PATIENCE, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert '"3"' in done.stdout
