"""`sallyport quickstart`: what it prints works as pasted, twice."""

import os
import re
import signal
import subprocess
import time

import pytest

import peers


def quickstart(folder):
    done = subprocess.run([peers.SALLYPORT, "quickstart", "--dir", folder], capture_output=True, text=True, timeout=60 * peers.PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def line(text, word):
    return re.search(rf"^{word}\s+(.*)$", text, re.M).group(1)


def shell(command, **more):
    env = {**os.environ, "PATH": f"{peers.BUILD}:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=env, timeout=60 * peers.PATIENCE, **more)


@pytest.fixture()
def quick(tmp_path):
    folder = tmp_path / "quick"
    text = quickstart(folder)
    pid = int(re.search(r"process (\d+)", text).group(1))
    yield folder, text, pid
    try:
        os.kill(pid, signal.SIGTERM)
        peers.wait_for("the end", lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1][:3], 15)
    except ProcessLookupError:
        pass


def test_what_is_printed_works_as_pasted(quick):
    folder, text, pid = quick
    assert len(text.splitlines()) <= 12 and "spt_" not in text
    ok = shell(line(text, "try"))
    assert '"isError":false' in ok.stdout, ok.stdout + ok.stderr
    refused = shell(line(text, "refused").replace("curl -s", "curl -si"))
    assert "403" in refused.stdout.splitlines()[0] and 'scope="gateway:admin"' in refused.stdout
    why = shell(line(text, "why"))
    assert why.returncode == 0 and "gateway:admin" in why.stdout
    for name in ("reader.header", "admin.header", "sallyport.yaml"):
        assert os.stat(folder / name).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(folder / "clients")) == ["cursor.json", "mcp.json", "vscode.json"]


def test_a_second_run_continues_with_the_same_state(quick):
    folder, text, pid = quick
    header = (folder / "reader.header").read_text()
    again = quickstart(folder)
    assert "already there" in again and (folder / "reader.header").read_text() == header
    os.kill(pid, signal.SIGTERM)
    peers.wait_for("the end", lambda: not peers.can_connect(int(re.search(r":(\d+)/mcp", text).group(1))), 15)
    time.sleep(0.5)
    third = quickstart(folder)
    try:
        assert '"isError":false' in shell(line(third, "try")).stdout
    finally:
        os.kill(int(re.search(r"process (\d+)", third).group(1)), signal.SIGTERM)


def call(folder, text, who, tool, arguments="{}"):
    url = line(text, "endpoint")
    return shell(f"curl -s {url} -H @'{folder}/{who}.header' -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' "
                 f"-d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments}}}}}'").stdout


def test_the_management_api(quick):
    folder, text, pid = quick
    assert "reader" in call(folder, text, "reader", "gateway_listTokens")
    assert "gateway" in call(folder, text, "reader", "gateway_listTools")
    peers.wait_for("audit lines", lambda: "intent" in call(folder, text, "reader", "gateway_readAudit", '{"lines":50}'), 3)
    assert '"isError":false' in call(folder, text, "admin", "gateway_revokeToken", '{"name":"reader"}')
    peers.wait_for("the revocation", lambda: "invalid_token" in call(folder, text, "reader", "gateway_health")
                   or call(folder, text, "reader", "gateway_health") == "", 1)
    token = (folder / "admin.header").read_text().split()[-1]
    everything = call(folder, text, "admin", "gateway_listTokens") + call(folder, text, "admin", "gateway_readAudit", '{"lines":1000}')
    assert token not in everything
