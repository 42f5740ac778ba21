"""What an operator uses: health, metrics, values that commands print, a new vault key while calls run."""

import http.client
import os
import re
import shlex
import socket
import stat
import time

import pytest

import conftest
import peers


@pytest.fixture(scope="module")
def v1(make_upstream):
    return make_upstream("v1", bearer="canary-operation-0123456789")


def http_get(port, path, method="GET", headers=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request(method, path, headers=headers or {})
    a = c.getresponse()
    body = a.read()
    c.close()
    return a.status, a.getheader("Content-Type"), body.decode()


def test_health_and_metrics(make_front, v1, issuer):
    port = peers.free_port()
    g = make_front(conftest.upstream_config({"v1": (v1, "up")}, "  - {allow: v1.add}"), {"up": "canary-operation-0123456789"},
                   options=["--metrics", f"127.0.0.1:{port}", "--fronts", "2"])
    token = issuer.token(g.url, sub="ann-whose-name-is-private")
    assert http_get(g.port, "/healthz")[0] == 200
    assert http_get(g.port, "/metrics")[0] in (401, 404), "not where clients come"
    assert http_get(port, "/healthz")[0] == 200
    assert http_get(port, "/mcp")[0] == 404
    peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, token).body, 15, 0.2)
    for n in range(10):
        assert g.call("v1_add", {"a": n, "b": 424242}, token).status == 200
    g.call("v1_echo", {"text": "x"}, token)
    g.rpc("tools/list", {}, "x.y.z")
    status, kind, text = http_get(port, "/metrics")
    assert status == 200 and kind.startswith("text/plain; version=0.0.4")

    def value(name):
        return sum(float(v) for v in re.findall(rf"^sallyport_{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.M))
    assert value("calls_total") >= 10 and value("denied_total") >= 1 and value("tokens_refused_total") >= 1 and value("upstream_requests_total") >= 10
    assert "# HELP sallyport_calls_total" in text and "# TYPE sallyport_calls_total counter" in text
    assert "sallyport_call_seconds_bucket" in text or "sallyport_call_duration_seconds_bucket" in text
    for private in ("ann-whose", token, "424242", "canary", "v1_add"):
        assert private not in text


def test_metrics_on_a_unix_socket(make_front, v1):
    g = make_front(conftest.upstream_config({"v1": (v1, "up")}), {"up": "canary-operation-0123456789"}, start=False)
    sock = g.folder / "metrics.sock"
    g.start(options=["--metrics", f"unix:{sock}"])
    assert stat.S_IMODE(os.stat(sock).st_mode) == 0o600
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(sock))
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    got = b""
    while part := s.recv(65536):
        got += part
    assert b"200 OK" in got and b"sallyport_requests_total" in got


def test_a_denial_names_the_command_that_explains_it(make_front, v1, issuer):
    g = make_front(conftest.upstream_config({"v1": (v1, "up")}, "  - {allow: v1.add, require_scopes: sum}\n  - {allow: v1.echo, restrict_tag: ops}\n"
                                                  '  - {allow: "v1.resource:test://*", require_scopes: sum}\n  - {allow: v1.prompt:simple_prompt, restrict_tag: ops}'),
                   {"up": "canary-operation-0123456789"})
    token = issuer.token(g.url, sub="ann")
    peers.wait_for("the catalogue", lambda: "mcp.catalogue" in g.text(), 15, 0.2)

    def read(g, token):
        g.rpc("resources/read", {"uri": "test://static-text"}, token)

    def get(g, token):
        g.rpc("prompts/get", {"name": "v1_simple_prompt"}, token)

    for ask in ("v1_add", "v1_echo", "v1_count", read, get):
        before = len(g.text())
        if callable(ask):
            ask(g, token)
        else:
            g.call(ask, {"text": "x", "a": 1, "b": 2}, token)
        line = peers.wait_for("the line", lambda: next((x for x in g.text()[before:].splitlines() if "sallyport why" in x), None), 5)
        command = re.search(r"sallyport why [^\"]*", line.encode().decode("unicode_escape")).group(0).strip()
        done = g.cli(*[a for a in shlex.split(command)[1:]], check=False)
        assert done.stdout and "error" not in done.stderr, (command, done.stdout, done.stderr)
        assert "closed" in done.stdout or "short" in done.stdout or "unknown" in done.stdout.lower(), done.stdout


def script(folder, name, text):
    path = folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def test_a_secret_from_a_command(make_front, v1, issuer):
    g = make_front(conftest.upstream_config({"v1": v1}), {}, start=False)
    ran = g.folder / "ran"
    prog = script(g.folder, "show", f"echo ran >> {ran}\n[ \"$1\" = up ] && printf '%s\\n' canary-operation-0123456789\n")
    g.write(conftest.upstream_config({"v1": v1}).replace(f'mcp: "{v1.url}"', f'mcp: "{v1.url}", secrets: {{token: "command:{prog} up"}}'))
    g.start()
    token = issuer.token(g.url)
    peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, token).body, 15, 0.2)
    assert g.call("v1_add", {"a": 1, "b": 2}, token).json()["result"]["structuredContent"] == {"sum": 3}
    assert ran.read_text().count("ran") == 1
    for role in ("front", "dialer", "spawner"):
        for pid in g.roles().get(role, []):
            assert not peers.memory_has(pid, [b"canary-operation-0123456789"]), role
    assert "canary" not in g.text()


@pytest.mark.parametrize("body", ["exit 3", "sleep 60", "head -c 100000 /dev/zero", "printf ''", "kill -9 $$"])
def test_a_command_that_fails_closes_only_its_server(make_front, v1, issuer, body):
    g = make_front(conftest.upstream_config({"v1": v1}), {}, start=False)
    prog = script(g.folder, "bad", body + "\n")
    g.write(conftest.upstream_config({"v1": v1}).replace(f'mcp: "{v1.url}"', f'mcp: "{v1.url}", secrets: {{token: "command:{prog}"}}'))
    g.start()
    token = issuer.token(g.url)
    a = g.call("v1_add", {"a": 1, "b": 2}, token)
    assert a.status == 503 or a.json()["result"]["isError"], a.body
    assert g.rpc("ping", None, token).status == 200
    peers.wait_for("the reason in the log", lambda: "command" in g.text(), 15, 0.2)


@pytest.mark.parametrize("unlock", ["file", "env"])
def test_rekey_while_calls_run(make_front, v1, issuer, unlock):
    """With the key in a file; a key from the environment cannot change by itself, and the command says what to do."""
    key = "an-old-key-of-many-letters-0123456789"
    extra = {"file": "", "env": "unlock: env:VAULT_KEY\n"}[unlock] + "limits: {calls: 100000/min}\n"
    g = make_front(conftest.upstream_config({"v1": (v1, "up")}, extra=extra), start=False, env={"VAULT_KEY": key} if unlock == "env" else None)
    os.environ.update({"VAULT_KEY": key} if unlock == "env" else {})
    try:
        g.cli("vault", "init")
        g.cli("vault", "set", "up", stdin="canary-operation-0123456789")
        g.start()
        token = issuer.token(g.url)
        peers.wait_for("the catalogue", lambda: b"v1_add" in g.rpc("tools/list", {}, token).body, 15, 0.2)
        answers, stop = [], False
        import threading

        def work():
            while not stop:
                answers.append(g.call("v1_add", {"a": 1, "b": 2}, token).status)
        t = threading.Thread(target=work)
        t.start()
        time.sleep(0.3)
        done = g.cli("vault", "rekey", check=False)
        time.sleep(0.3)
        stop = True
        t.join()
        assert set(answers) == {200}
        if unlock == "env":
            assert done.returncode != 0 and "--new" in done.stderr, done.stderr
        else:
            assert done.returncode == 0, done.stdout + done.stderr
            assert g.stop() == 0
            g.start()
            peers.wait_for("a call under the new key", lambda: g.call("v1_add", {"a": 1, "b": 2}, token).status == 200 and
                           b'"sum":3' in g.call("v1_add", {"a": 1, "b": 2}, token).body, 15, 0.2)
        assert g.cli("vault", "list").stdout.count("up") >= 1
    finally:
        os.environ.pop("VAULT_KEY", None)
