"""Every example of README and docs/ is run: yaml blocks are checked, sh blocks executed in order, in one folder a page."""

import json
import os
import re
import subprocess

import pytest

import peers

PAGES = ["README.md", *sorted(f"docs/{p.name}" for p in (peers.ROOT / "docs").glob("*.md"))]
# Set-up of the machine and the tests themselves are not run from inside a test.
NOT_HERE = re.compile(r"^(make|bench/run|sallyport doctor|sallyport quickstart)\b")


def blocks(page):
    text = (peers.ROOT / page).read_text()
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)


def commands(block):
    for line in block.replace("\\\n", " ").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            yield line


class Folder:
    """Where a page's commands run: the documents it names, a state of its own, a free port in the place of 8420."""

    def __init__(self, path, pdns, issuer, port, key):
        self.path, self.pdns, self.port, self.key, self.server = path, pdns, port, key, None
        path.mkdir(parents=True, exist_ok=True)
        (path / "pdns.json").write_bytes(pdns.document())
        (path / "jwks.json").write_text(json.dumps(issuer.jwks()))
        self.env = {**os.environ, "HOME": str(path), "PATH": f"{peers.BUILD}:{os.environ['PATH']}"}
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "STATE_DIRECTORY"):
            self.env.pop(name, None)

    def here(self, text):
        return text.replace("8420", str(self.port)).replace("8081", str(self.pdns.http))

    def yaml(self, text):
        listen = "" if re.search(r"^listen:", text, re.M) else f"listen: 127.0.0.1:{self.port}\n"
        (self.path / "sallyport.yaml").write_text(listen + self.here(text))

    def sh(self, command):
        command = self.here(command.split("   #")[0])
        if command.startswith("sallyport serve"):
            self.serve()
            return
        if command.startswith("curl") and self.server is None:
            self.serve()
        done = subprocess.run(["bash", "-c", command], cwd=self.path, env=self.env, input=self.key, text=True,
                              capture_output=True, timeout=60 * peers.PATIENCE)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if command.startswith("curl"):
            assert '"result"' in done.stdout and '"isError":true' not in done.stdout, done.stdout

    def serve(self):
        if self.server is None:
            self.server = subprocess.Popen([peers.SALLYPORT, "serve"], cwd=self.path, env=self.env,
                                           stdout=open(self.path / "log", "ab"), stderr=subprocess.STDOUT)
            peers.wait_for("the gateway", lambda: '"ready"' in (self.path / "log").read_text(), 15)

    def stop(self):
        if self.server is not None:
            self.server.terminate()
            self.server.wait(20)


@pytest.mark.parametrize("page", PAGES)
def test_examples_of(page, tmp_path, pdns, issuer, canary):
    folder = Folder(tmp_path / "home", pdns, issuer, peers.free_port(), canary)
    first = next((text for kind, text in blocks(page) if kind == "yaml"), None)
    if first is None:
        first = next(text for kind, text in blocks("README.md") if kind == "yaml")
    folder.yaml(first)
    ran = 0
    if not any("vault init" in t for k, t in blocks(page) if k == "sh"):
        folder.sh("sallyport vault init")
        folder.sh("sallyport vault set pdns")
    try:
        for kind, text in blocks(page):
            if kind == "yaml":
                folder.yaml(text)
                folder.sh("sallyport check")
                ran += 1
            elif kind == "json":
                json.loads(text)
                ran += 1
            elif kind == "sh":
                for command in commands(text):
                    if not NOT_HERE.match(command):
                        folder.sh(command)
                        ran += 1
    finally:
        folder.stop()
    if ran == 0:
        pytest.skip(f"{page} has no example")
