"""Checks of one's own: a plug-in compiled here, in its jail, and a decision point played by a real HTTP server."""

import http.server
import json
import pathlib
import subprocess
import threading
import time

import pytest

import peers

ROOT = pathlib.Path(__file__).resolve().parents[2]
API = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {
    "/get": {"get": {"operationId": "get", "tags": ["zones"], "responses": {"200": {"description": "ok"}},
                     "parameters": [{"name": "do", "in": "query", "schema": {"type": "string"}}]}},
    "/put": {"post": {"operationId": "put", "responses": {"200": {"description": "ok"}},
                      "parameters": [{"name": "do", "in": "query", "schema": {"type": "string"}}]}},
    "/free": {"get": {"operationId": "free", "responses": {"200": {"description": "ok"}}}}}}


class Server:
    """Answers by a function: (path, body) -> (status, body, headers)."""

    def __init__(self, answer):
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.path, body, dict(self.headers)))
                status, text, headers = answer(self.path, body)
                self.send_response(status)
                headers = {"Content-Type": "application/json", **headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def compile_plugin(source, to):
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", "-o", str(to), str(source)], check=True)
    to.chmod(0o755)
    return to


@pytest.fixture(scope="module")
def api():
    s = Server(lambda path, body: (200, b'{"done":true}', {}))
    yield s
    s.stop()


@pytest.fixture(scope="module")
def point():
    """Says what the argument `do` of the question says it should."""
    state = {"next": None}

    def answer(path, body):
        q = json.loads(body)
        do = (q["arguments"] or {}).get("do", "list") if state["next"] is None else state["next"]
        rows = {
            "list": b'{"decision":"allow"}', "allow": b'{"decision":"allow"}', "deny": b'{"decision":"deny"}',
            "keep": b'{"decision":"allow","max_age_s":60}', "short": b'{"decision":"scopes","scopes":["extra:one"]}',
            "refuse": b'{"decision":"deny","message":"ask the owner"}', "garbage": b'yes', "unknown": b'{"decision":"allow","if":"x"}',
            "empty": b'', "huge": b'{"decision":"allow","message":"' + b"x" * 100000 + b'"}', "twice": b'{"decision":"deny","decision":"allow"}',
        }
        if do == "late":
            time.sleep(3)
        if do == "moved":
            return 302, b"", {"Location": "/allow"}
        if do == "error":
            return 500, rows["allow"], {}
        if do == "html":
            return 200, rows["allow"], {"Content-Type": "text/html"}
        return 200, rows.get(do, rows["allow"]), {}

    s = Server(answer)
    s.state = state
    yield s
    s.stop()


def config(api, checks, rules):
    return ("scopes: {extra:one: {says: one}, extra:two: {says: two}, a: {says: a}}\n"
            "auth: [{type: jwt, name: people, issuer: https://issuer.test, keys: jwks.json}]\n"
            f"checks: {checks}\nservers: {{s: {{openapi: api.json, url: \"{api.url}\"}}}}\nrules:\n{rules}")


@pytest.fixture(scope="module")
def plugged(make_front, api, tmp_path_factory):
    so = compile_plugin(ROOT / "tests/data/plugin_probe.c", tmp_path_factory.mktemp("plugin") / "probe.so")
    rules = "  - {allow: s.get, check: probe}\n  - {allow: s.free}\n  - {allow: s.put, restrict_tag: [ops, blind]}\n"
    return make_front(config(api, f"{{probe: {so}}}", rules), files={"api.json": json.dumps(API)})


@pytest.fixture(scope="module")
def pointed(make_front, api, point):
    return make_front(config(api, f"{{owner: \"{point.url}/decide?v=1\"}}", "  - {allow: [s.get, s.put], check: owner}\n  - {allow: s.free}\n"),
                      files={"api.json": json.dumps(API)})


def text_of(answer):
    result = answer.json()["result"]
    return result.get("isError", False), "".join(c.get("text", "") for c in result["content"])


def names(answer):
    return sorted(t["name"] for t in answer.json()["result"]["tools"])


def denial(g, since):
    return peers.wait_for("the line", lambda: next((json.loads(x) for x in g.text()[since:].splitlines() if '"denied"' in x), None), 5)


def decisions(g):
    return [r for r in g.audit() if r["kind"] == "decision"]


def test_a_plugin_decides(plugged, issuer, api):
    token = issuer.token(plugged.url, sub="ann", scope="a", tags=["ops"])
    before = len(api.seen)
    assert text_of(plugged.call("s_get", {"do": "allow"}, token)) == (False, '{"done":true}')
    assert len(api.seen) == before + 1
    assert text_of(plugged.call("s_get", {"do": "refuse"}, token)) == (True, "not on a Sunday")
    assert text_of(plugged.call("s_get", {"do": "deny"}, token)) == (True, "refused: these arguments are not allowed")
    short = plugged.call("s_get", {"do": "scopes"}, token)
    assert short.status == 403 and 'scope="extra:one extra:two"' in short.header("WWW-Authenticate")
    assert text_of(plugged.call("s_get", {"do": "facts"}, token)) == (
        True, "ann https://issuer.test people s.get k1 w1 127.0.0.1 t1 sa r1 n1")
    assert text_of(plugged.call("s_get", {"do": "long"}, token))[1].strip("…") .startswith("xxxx")
    assert text_of(plugged.call("s_free", {}, token))[0] is False
    assert len(api.seen) == before + 2


def test_a_plugin_decides_lists(plugged, issuer):
    seeing, blind = issuer.token(plugged.url, sub="ann"), issuer.token(plugged.url, sub="bob", tags=["blind"])
    assert names(plugged.rpc("tools/list", {}, seeing)) == ["s_free", "s_get"]
    assert names(plugged.rpc("tools/list", {}, blind)) == ["s_free"]
    unknown = plugged.call("s_none", {"do": "deny"}, blind)
    closed = plugged.call("s_get", {"do": "deny"}, blind)
    assert (closed.status, closed.body.replace(b"s_get", b"")) == (unknown.status, unknown.body.replace(b"s_none", b""))


@pytest.mark.parametrize("do", ["garbage", "crash", "hang", "exec", "E11 says nothing"])
def test_e11_a_plugin_that_fails_denies(plugged, issuer, api, do):
    """E11: one denial, one record; the next call finds the check again."""
    token = issuer.token(plugged.url, sub="ann", tags=["ops"])
    peers.wait_for("the check", lambda: text_of(plugged.call("s_get", {"do": "allow"}, token))[0] is False, 20, 0.2)
    before, since, records = len(api.seen), len(plugged.text()), len(decisions(plugged))
    began = time.monotonic()
    assert text_of(plugged.call("s_get", {"do": do}, token)) == (True, "refused: these arguments are not allowed")
    assert time.monotonic() - began < 8
    assert "check probe failed" in denial(plugged, since)["reason"]
    assert len(api.seen) == before
    peers.wait_for("the record", lambda: len(decisions(plugged)) > records, 5, 0.1)
    added = decisions(plugged)[records:]
    assert len(added) == 1 and "check probe failed" in added[0]["note"], added
    peers.wait_for("the check again", lambda: text_of(plugged.call("s_get", {"do": "allow"}, token))[0] is False, 20, 0.2)


@pytest.mark.parametrize("do", ["open", "write", "socket", "fork"])
def test_a_plugin_is_jailed(plugged, issuer, do):
    token = issuer.token(plugged.url, sub="ann", tags=["ops"])
    peers.wait_for("the check", lambda: text_of(plugged.call("s_get", {"do": "allow"}, token))[0] is False, 20, 0.2)
    error, text = text_of(plugged.call("s_get", {"do": do}, token))
    assert error and ("not permitted" in text or "denied" in text or "refused" in text) and "works" not in text
    assert not pathlib.Path("/tmp/sallyport-probe").exists()


def test_each_check_has_a_process(plugged):
    assert len(plugged.roles()["checker"]) == 1


def test_a_point_decides(pointed, point, issuer, api):
    token = issuer.token(pointed.url, sub="ann", scope="a")
    before, asked = len(api.seen), len(point.seen)
    assert text_of(pointed.call("s_put", {"do": "allow"}, token)) == (False, '{"done":true}')
    assert len(api.seen) == before + 1
    assert len(point.seen) == asked + 2, "front asks, and egress again"
    path, body, headers = point.seen[-1]
    assert path == "/decide?v=1" and headers["Content-Type"] == "application/json" and "Authorization" not in headers
    assert token.encode() not in body
    assert json.loads(body) == {
        "check": "owner", "principal": {"subject": "ann", "issuer": "https://issuer.test", "client_id": "e2e", "source": "people", "scopes": ["a"], "tags": []},
        "component": {"server": "s", "kind": "tool", "name": "put", "tags": [], "access": "write"}, "arguments": {"do": "allow"},
        "transport": "http", "peer": "127.0.0.1"}
    assert point.seen[-2][1] == body
    assert text_of(pointed.call("s_put", {"do": "refuse"}, token)) == (True, "ask the owner")
    assert text_of(pointed.call("s_put", {"do": "deny"}, token)) == (True, "refused: these arguments are not allowed")
    short = pointed.call("s_put", {"do": "short"}, token)
    assert short.status == 403 and 'scope="extra:one"' in short.header("WWW-Authenticate")


def test_answers_that_may_be_kept_are(pointed, point, issuer):
    token = issuer.token(pointed.url, sub="kim")
    asked = len(point.seen)
    for _ in range(5):
        assert text_of(pointed.call("s_get", {"do": "keep"}, token))[0] is False
    assert len(point.seen) == asked + 1
    assert text_of(pointed.call("s_put", {"do": "keep"}, token))[0] is False
    assert len(point.seen) == asked + 2, "another question"


def test_a_list_asks_once(pointed, point, issuer):
    token = issuer.token(pointed.url, sub="lea")
    asked = len(point.seen)
    assert names(pointed.rpc("tools/list", {}, token)) == ["s_free", "s_get", "s_put"]
    assert len(point.seen) == asked + 1
    q = json.loads(point.seen[-1][1])
    assert q["component"] == {"server": None, "kind": "tool", "name": None, "tags": []} and q["arguments"] is None
    point.state["next"] = "deny"
    try:
        assert names(pointed.rpc("tools/list", {}, token)) == ["s_free"]
        unknown, closed = pointed.call("s_none", {}, token), pointed.call("s_get", {}, token)
        assert (closed.status, closed.body.replace(b"s_get", b"")) == (unknown.status, unknown.body.replace(b"s_none", b""))
    finally:
        point.state["next"] = None


@pytest.mark.parametrize("do", ["garbage", "unknown", "empty", "huge", "twice", "late", "moved", "error", "html"])
def test_e11_a_point_that_fails_denies(pointed, point, issuer, api, do):
    token = issuer.token(pointed.url, sub="ann")
    before, since, asked = len(api.seen), len(pointed.text()), len(point.seen)
    assert text_of(pointed.call("s_get", {"do": do}, token)) == (True, "refused: these arguments are not allowed")
    assert "check owner failed" in denial(pointed, since)["reason"]
    assert len(api.seen) == before
    assert "/allow" not in [p for p, _, _ in point.seen[asked:]]


def test_a_point_that_is_gone_denies(make_front, api, issuer):
    g = make_front(config(api, f"{{owner: \"http://127.0.0.1:{peers.free_port()}/\"}}", "  - {allow: s.get, check: owner}\n"),
                   files={"api.json": json.dumps(API)})
    token = issuer.token(g.url, sub="ann")
    since = len(g.text())
    assert g.call("s_get", {}, token).json().get("error") or text_of(g.call("s_get", {}, token))[0]
    assert "check owner failed" in denial(g, since)["reason"]


@pytest.mark.parametrize("version,era", [("v1", "legacy"), ("v2", "legacy"), ("v2", "2026-07-28"), ("python", "legacy")])
def test_clients_see_the_message(pointed, issuer, version, era):
    token = issuer.token(pointed.url, sub="ann")
    got = peers.sdk(version, {"url": pointed.url, "token": token, "era": era, "steps": [
        {"list": True}, {"call": {"name": "s_put", "arguments": {"do": "refuse"}}}]})
    assert '"isError": true' in json.dumps(got) and "ask the owner" in json.dumps(got), got


def test_why_and_check_speak_of_checks(pointed):
    out = pointed.cli("why", "--as", "people/ann", "--tool", "s.get", check=False).stdout
    assert "if the checks below allow" in out and "checks:  owner" in out.replace("checks: owner", "checks:  owner")
    assert "c" in pointed.cli("check", "--table").stdout
    full = pointed.cli("check", "--full").stdout
    assert "owner: http://127.0.0.1" in full and "a decision point" in full


def test_the_page_has_the_example():
    assert "```c\n" + (ROOT / "examples/checks/office_hours.c").read_text() + "```" in (ROOT / "docs/checks.md").read_text()


def test_a_plugin_that_others_can_write_is_refused(make_front, api, tmp_path):
    so = compile_plugin(ROOT / "examples/checks/office_hours.c", tmp_path / "office_hours.so")
    g = make_front(config(api, f"{{hours: {so}}}", "  - {allow: s.get, check: hours}\n"), start=False, files={"api.json": json.dumps(API)})
    assert g.cli("check").returncode == 0
    so.chmod(0o777)
    done = g.cli("check", check=False)
    assert done.returncode == 1 and "group or others can write" in done.stdout + done.stderr
    so.unlink()
    done = g.cli("check", check=False)
    assert done.returncode == 1 and "no such file" in done.stdout + done.stderr


def test_the_example_decides(make_front, api, issuer, tmp_path):
    so = compile_plugin(ROOT / "examples/checks/office_hours.c", tmp_path / "office_hours.so")
    g = make_front(config(api, f"{{hours: {so}}}", "  - {allow: s.get, check: hours}\n  - {allow: s.put, restrict_tag: on-call}\n"),
                   files={"api.json": json.dumps(API)})
    on_call = issuer.token(g.url, sub="ann", tags=["on-call"])
    assert text_of(g.call("s_get", {}, on_call)) == (False, '{"done":true}')
    t = time.gmtime()
    closed = t.tm_wday >= 5 or not 8 <= t.tm_hour < 18
    assert text_of(g.call("s_get", {}, issuer.token(g.url, sub="bob")))[0] is closed
