"""The commands as a person types them: add, init, tools, why, doctor, completion, the manual."""

import json
import os
import re
import shutil
import stat
import subprocess

import pytest

import peers

PETS = (peers.ROOT / "tests/data/petstore-3.0.json").read_bytes()
HEAD = "# mine\nauth: {type: static}\nservers:\n  pets: {openapi: pets.json, url: \"https://pets.example.com\"}   # an API\n\n# who\nrules:\n  - {allow: pets.access:read}\n"
CANARY = "canary-8f1d2c3b4a596877"


class Folder:
    """A folder and a home of their own."""

    def __init__(self, path):
        self.path, self.home = path / "here", path / "home"
        self.path.mkdir()
        self.home.mkdir()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("XDG_") and k != "STATE_DIRECTORY"}
        self.env["HOME"] = str(self.home)

    def write(self, name, text, home=False, mode=0o600):
        to = (self.home if home else self.path) / name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(text if isinstance(text, bytes) else text.encode())
        to.chmod(mode)
        return to

    def run(self, *words, status=0, stdin=""):
        """Without a terminal, as a script or a test would."""
        done = subprocess.run([peers.SALLYPORT, *words], cwd=self.path, env=self.env, input=stdin, text=True, capture_output=True,
                              timeout=60 * peers.PATIENCE, start_new_session=True)
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def names(self):
        return sorted(str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file())


@pytest.fixture()
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture()
def pets(folder):
    folder.write("pets.json", PETS)
    folder.write("sallyport.yaml", HEAD, mode=0o640)
    return folder


# ---------------------------------------------------------------- add

def test_add_inserts_lines_and_keeps_the_rest(pets):
    done = pets.run("add", "wiki", "mcp", "https://wiki.example.com/mcp", "--secret", "token=vault:wiki", "--allow", "search,read_*")
    text = (pets.path / "sallyport.yaml").read_text()
    assert text == HEAD.replace("# an API\n", "# an API\n  wiki:\n    mcp: https://wiki.example.com/mcp\n    secrets: {token: vault:wiki}\n") \
        + "  - {allow: [wiki.search, \"wiki.read_*\"]}\n"
    assert stat.S_IMODE((pets.path / "sallyport.yaml").stat().st_mode) == 0o640
    assert stat.S_IMODE((pets.path / "sallyport.yaml.bak-1").stat().st_mode) == 0o600
    assert [line.split(": + ")[1].strip() for line in done.stdout.splitlines() if ": + " in line][0] == "wiki:"
    undo = re.search(r"^undo: (.*)$", done.stdout, re.M).group(1)
    subprocess.run(["bash", "-c", undo], check=True, cwd=pets.path)
    assert (pets.path / "sallyport.yaml").read_text() == HEAD


def test_add_twice_keeps_two_backups_and_an_openapi_server(pets):
    pets.run("add", "a", "openapi", "pets.json", "--url", "https://a.example.com", "--allow", "read", "--require-scopes", "x y")
    pets.run("add", "b", "openapi", "pets.json", "--url", "https://b.example.com/?", "--secret", "api_key=env:B as header X-K", status=1)
    done = pets.run("add", "b", "openapi", "pets.json", "--url", "https://b.example.com", "--secret", "api_key=env:B as header X-K")
    assert "nobody may call it yet" in done.stdout
    assert {"sallyport.yaml.bak-1", "sallyport.yaml.bak-2"} <= set(pets.names()) and "sallyport.yaml.bak-3" not in pets.names()
    assert "{allow: a.access:read, require_scopes: [x, y]}" in (pets.path / "sallyport.yaml").read_text()
    pets.run("check")


@pytest.mark.parametrize("name,words,says", [
    ("there already", ["pets", "mcp", "https://w/mcp"], "there is a server pets already"),
    ("Q08 checked before it replaces", ["x", "openapi", "missing.json"], "cannot be read"),
    ("Q04 a secret over http", ["x", "mcp", "http://x.example.com/mcp", "--secret", "t=vault:t"], "error:"),
    ("M24 a value for a reference", ["x", "mcp", "https://x/mcp", "--secret", f"t={CANARY}"], "vault set NAME"),
    ("no name", ["X Y", "mcp", "https://x/mcp"], "small letters"),
    ("a name that is taken", ["anyone", "mcp", "https://x/mcp"], "are taken"),
    ("no kind", ["x", "stdio", "npx"], "`openapi` or `mcp`"),
    ("a document by URL", ["x", "openapi", "https://x/openapi.json"], "curl -o"),
    ("a line break", ["x", "mcp", "https://x/mcp\nrules: []"], "control characters"),
])
def test_add_refuses_and_changes_nothing(pets, name, words, says):
    before = pets.names()
    done = subprocess.run([peers.SALLYPORT, "add", *words], cwd=pets.path, env=pets.env, text=True, capture_output=True)
    assert done.returncode in (1, 2) and says in done.stderr, done.stdout + done.stderr
    assert pets.names() == before and (pets.path / "sallyport.yaml").read_text() == HEAD
    assert CANARY not in done.stdout + done.stderr


def test_add_says_what_to_write_by_hand_where_it_cannot(pets):
    flow = "auth: {type: static}\nservers: {pets: {openapi: pets.json, url: \"https://p.example.com\"}}\nrules: [{allow: pets}]\n"
    pets.write("sallyport.yaml", flow)
    done = pets.run("add", "wiki", "mcp", "https://w.example.com/mcp", "--allow", "all", status=1)
    assert "write this by hand" in done.stderr and "  wiki:\n    mcp: https://w.example.com/mcp\n" in done.stderr
    assert "- {allow: wiki}" in done.stderr and (pets.path / "sallyport.yaml").read_text() == flow
    assert pets.names() == ["pets.json", "sallyport.yaml"]


def test_add_follows_a_link_and_a_dry_run_changes_nothing(pets):
    (pets.path / "sallyport.yaml").rename(pets.path / "real.yaml")
    (pets.path / "sallyport.yaml").symlink_to("real.yaml")
    assert "nothing was changed" in pets.run("add", "w", "mcp", "https://w.example.com/mcp", "--dry-run").stdout
    assert (pets.path / "real.yaml").read_text() == HEAD
    pets.run("add", "w", "mcp", "https://w.example.com/mcp")
    assert (pets.path / "sallyport.yaml").is_symlink() and "  w:\n" in (pets.path / "real.yaml").read_text()


# ---------------------------------------------------------------- init

MCP_JSON = {"mcpServers": {
    "wiki": {"type": "http", "url": "https://wiki.example.com/mcp", "headers": {"Authorization": f"Bearer {CANARY}1"}},
    "maps": {"type": "http", "url": f"https://maps.example.com/mcp?style=x&api_key={CANARY}2"},
    "local": {"command": "npx", "args": ["-y", "x"], "env": {"K": f"{CANARY}3"}}}}
VSCODE = '{ // mine\n "inputs": [],\n "servers": {"gh": {"type": "http", "url": "https://gh.example.com/mcp", "headers": {"X-API-Key": "%s4"}},},\n}\n' % CANARY


@pytest.fixture()
def clients(folder):
    folder.write(".mcp.json", json.dumps(MCP_JSON), mode=0o644)
    folder.write(".vscode/mcp.json", VSCODE)
    folder.write(".cursor/mcp.json", json.dumps({"mcpServers": {"wiki": {"url": "https://wiki.example.com/mcp"},
                                                                "env": {"url": "https://env.example.com/mcp", "headers": {"X-K": "${env:K}"}}}}), home=True)
    return folder


def everything(folder):
    return {p: p.read_bytes() for p in [*folder.path.rglob("*"), *folder.home.rglob("*")] if p.is_file()}


def test_init_shows_what_it_would_do_and_does_nothing(clients):
    before = everything(clients)
    done = clients.run("init", "--dry-run", "--rewrite")
    assert everything(clients) == before and "nothing was changed" in done.stdout
    assert "the client starts it" in done.stdout and "has comments, so it is not rewritten" in done.stdout
    # No terminal and no --yes: nothing either.
    assert "say --yes" in clients.run("init", status=1).stderr and everything(clients) == before


def test_init_moves_the_keys_into_the_vault(clients):
    done = clients.run("init", "--yes", "--rewrite")
    assert CANARY not in done.stdout + done.stderr
    text = (clients.path / "sallyport.yaml").read_text()
    assert CANARY not in text and stat.S_IMODE((clients.path / "sallyport.yaml").stat().st_mode) == 0o600
    assert "mcp: \"https://maps.example.com/mcp?style=x\"" in text and "env:K" in text and "vault:gh-x-api-key" in text
    names = clients.run("vault", "list").stdout
    assert all(n in names for n in ("wiki", "maps-api-key", "gh-x-api-key")) and CANARY not in names
    clients.run("check")
    # Of one URL the first counts, and it is written once.
    assert text.count("https://wiki.example.com/mcp") == 1 and "has this URL already" in done.stdout
    fresh = json.loads((clients.path / ".mcp.json").read_text())
    assert list(fresh["mcpServers"]) == ["sallyport", "local"] and fresh["mcpServers"]["local"] == MCP_JSON["mcpServers"]["local"]
    assert (clients.path / ".vscode/mcp.json").read_text() == VSCODE
    assert stat.S_IMODE((clients.path / ".mcp.json").stat().st_mode) == 0o644


def test_init_keeps_a_backup_that_only_the_owner_reads_and_can_be_undone(clients):
    before = everything(clients)
    done = clients.run("init", "--yes", "--rewrite")
    backup = clients.path / ".mcp.json.bak-1"
    assert CANARY in backup.read_text() and stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert "still holds the keys" in done.stdout and f"rm '{backup}'" in done.stdout
    for undo in re.findall(r"^  undo: (.*)$", done.stdout, re.M):
        subprocess.run(["bash", "-c", undo], check=True, cwd=clients.path,
                       env={**clients.env, "PATH": f"{peers.BUILD}:{os.environ['PATH']}"})
    after = everything(clients)
    assert all(after[p] == text for p, text in before.items())
    assert not [p for p in after if p.name == "sallyport.yaml" or ".bak-" in p.name]
    assert clients.run("vault", "list").stdout == ""


def test_init_does_not_overwrite(clients):
    clients.run("vault", "init")
    clients.run("vault", "set", "wiki", stdin="another-value")
    clients.run("init", "--yes")
    assert "token: vault:wiki-2" in (clients.path / "sallyport.yaml").read_text()
    assert "add" in clients.run("init", "--yes", status=1).stderr


@pytest.mark.parametrize("text,says", [
    ("{", "is not understood"), ("[]", "is not understood"), ("", "is not understood"), ("{}", "no server over HTTP"),
    ('{"mcpServers":{"a":{"url":"https://a/mcp"},"a":{"url":"https://b/mcp"}}}', "is not understood"),
    ('{"mcpServers":{"a":{"url":"http://a.example.com/mcp","headers":{"Authorization":"Bearer %s"}}}}' % CANARY, "has errors"),
    ('{"mcpServers":{"a":{"url":"https://u:%s@a/mcp"}}}' % CANARY, "user:password@"),
])
def test_init_refuses_what_it_does_not_understand(folder, text, says):
    folder.write(".mcp.json", text)
    before = everything(folder)
    done = folder.run("init", "--yes", "--rewrite", status=1)
    assert says in done.stdout + done.stderr and CANARY not in done.stdout + done.stderr
    assert {p: t for p, t in everything(folder).items() if folder.home not in p.parents} == before


def test_init_without_any_client(folder):
    assert "no configuration of an MCP client" in folder.run("init", status=1).stderr
    assert "is not there" in folder.run("init", "--from", "x.json", status=1).stderr


# ---------------------------------------------------------------- tools, why, doctor, serve

def test_tools_says_who_may_call(pets):
    pets.run("add", "wiki", "mcp", "https://w.example.com/mcp", "--allow", "all")
    out = pets.run("tools").stdout
    assert re.search(r"^pets\.listPets +pets_listPets +read +static$", out, re.M), out
    assert re.search(r"^pets\.createPet\w* .* write +nobody$", out, re.M), out
    assert "tools of wiki are known to the running gateway only" in out
    rows = [json.loads(line) for line in pets.run("tools", "pets.list*", "--json").stdout.splitlines()]
    assert rows and all(r["server"] == "pets" and r["callers"] == {"static": "allow"} and r["tool"]["inputSchema"] for r in rows)
    wiki = json.loads(pets.run("tools", "wiki", "--json").stdout)
    assert wiki["server"] == "wiki" and wiki["tools"] is None and wiki["url"].endswith("/mcp")
    assert "no server or tool `nope`" in pets.run("tools", "nope", status=1).stderr
    assert "no gateway answers" in pets.run("tools", "--running", "--state", str(pets.home), status=1).stderr


def test_tools_of_the_gateway_that_runs(gateway):
    assert re.search(r"^read +dns\.listZones$", gateway.cli("tools", "--running", "dns.listZones").stdout, re.M)
    assert json.loads(gateway.cli("tools", "--running", "--json", "dns.listZones").stdout)["access"] == "read"


def test_why_about_what_only_the_gateway_knows(pets):
    pets.run("add", "wiki", "mcp", "https://w.example.com/mcp", "--secret", "t=vault:w", "--allow", "search,resource:file:///pub/**")
    for words, outcome in [(["--tool", "wiki.search"], "allow"), (["--tool", "wiki_search"], "allow"), (["--tool", "wiki.drop"], "closed"),
                           (["--resource", "wiki:file:///pub/a"], "allow"), (["--resource", "wiki:file:///etc/passwd"], "closed"),
                           (["--prompt", "wiki.hello"], "closed")]:
        out = pets.run("why", "--as", "static/ann", *words).stdout
        assert f"outcome: {outcome}" in out and "known to the running gateway only" in out, out
    assert "as header Authorization (Bearer {})" in pets.run("why", "--as", "static/ann", "--tool", "wiki.search").stdout
    pets.run("why", "--as", "static/ann", "--prompt", "pets.x", status=1)
    pets.run("why", "--as", "static/ann", "--tool", "wiki.a", "--prompt", "wiki.x", status=2)


def test_check_prints_a_schema_for_editors(folder):
    schema = json.loads(folder.run("check", "--schema").stdout)
    assert {"auth", "servers", "rules"} <= set(schema["properties"]) and schema["additionalProperties"] is False


def test_doctor_looks_at_the_configuration(folder):
    folder.write("sallyport.yaml", "auth: {type: static}\nservers:\n  w: {mcp: https://w.example.com/mcp, secrets: {t: \"command:no-such-program x\"}}\n"
                 "rules:\n  - {allow: w}\n")
    out = folder.run("doctor", status=1).stdout
    assert "no-such-program" in out and "Install it" in out
    folder.write("sallyport.yaml", "what: is\n")
    assert "sallyport check" in folder.run("doctor", status=1).stdout


def test_serve_with_metrics_on_a_socket(make_gateway):
    g = make_gateway(start=False)
    where = g.folder / "metrics.sock"
    g.start(options=("--metrics", f"unix:{where}"))
    assert stat.S_ISSOCK(where.stat().st_mode) and stat.S_IMODE(where.stat().st_mode) == 0o600
    g.stop()
    bad = g.cli("serve", "--metrics", "nowhere", check=False)
    assert bad.returncode == 1 and "--metrics wants" in bad.stderr + bad.stdout


# ---------------------------------------------------------------- completion, the manual

def rows():
    """{command: (options, operations)} as the fish script has them."""
    text = subprocess.run([peers.SALLYPORT, "completion", "fish"], check=True, capture_output=True, text=True).stdout
    found = {name: (set(), set()) for name in re.findall(r"__fish_use_subcommand -a (\S+)", text)}
    for name, option in re.findall(r"__fish_seen_subcommand_from (\w+)' -l (\S+)", text):
        found[name][0].add("--" + option)
    for name, ops in re.findall(r"__fish_seen_subcommand_from (\w+); and not .*' -a '([^']*)'", text):
        found[name][1].update(ops.split())
    return found


def complete(*words):
    script = 'source <("$0" completion bash); COMP_WORDS=("${@}"); COMP_CWORD=$(($# - 1)); _sallyport; printf "%s\\n" "${COMPREPLY[@]}"; complete -p sallyport >&2'
    done = subprocess.run(["bash", "--norc", "-c", script, peers.SALLYPORT, "sallyport", *words], check=True, capture_output=True, text=True)
    assert "-F _sallyport sallyport" in done.stderr
    return set(done.stdout.split())


def test_every_command_is_listed_and_explains_itself():
    helped = subprocess.run([peers.SALLYPORT, "--help"], check=True, capture_output=True, text=True).stdout
    listed = set(re.findall(r"^  ([a-z]+) ", helped, re.M))
    assert listed == set(rows()) and {"init", "add", "serve", "check", "why", "tools", "vault", "token"} <= listed
    for name, (options, operations) in rows().items():
        text = subprocess.run([peers.SALLYPORT, name, "--help"], check=True, capture_output=True, text=True).stdout
        assert f"usage: sallyport {name}" in text and "example" in text
        assert all(o in text for o in options - {"--help"}), (name, [o for o in options if o not in text])
        assert all(o in text for o in operations), name


def test_bash_completes_commands_operations_options_and_files(tmp_path):
    known = rows()
    assert complete("") == set(known) | {"--help", "--version"} and complete("va") == {"vault"}
    for name, (options, operations) in known.items():
        assert complete(name, "--") == options
        if operations:
            assert complete(name, "") == operations
    (tmp_path / "some.yaml").touch()
    assert complete("check", f"{tmp_path}/so") == {f"{tmp_path}/some.yaml"}
    assert complete("vault", "set", "x", "--state", f"{tmp_path}/so") == {f"{tmp_path}/some.yaml"}
    assert complete("why", "--scopes", "") == set()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_their_script(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    text = subprocess.run([peers.SALLYPORT, "completion", shell], check=True, capture_output=True, text=True).stdout
    assert subprocess.run([shell, "-n", "/dev/stdin"], input=text, text=True).returncode == 0
    if shell == "fish":
        done = subprocess.run(["fish", "-c", f"'{peers.SALLYPORT}' completion fish | source; complete -C 'sallyport vault s'"],
                              capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["set"]


def plain(path):
    text = path.read_text()
    return re.sub(r"\\f.|\\&", "", text).replace(r"\-", "-").replace(r"\e", "\\")


def test_the_manual_has_every_command_option_and_key():
    one = plain(peers.BUILD / "man/sallyport.1")
    for name, (options, operations) in rows().items():
        part = one[one.index(f".SS {name}\n"):].split("\n.SS ", 1)[0]
        assert all(o in part for o in options - {"--help"}), name
    five = plain(peers.ROOT / "man/sallyport.yaml.5")
    step = 2
    for key, since in re.findall(r'^K\(\w+, "(\w+)", (\d)\)', (peers.ROOT / "src/config/keys.def").read_text(), re.M):
        if int(since) <= step:
            assert re.search(rf"(?<![\w-]){key}(?!\w)", five), key


def test_the_manual_is_good_roff():
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not here")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", peers.BUILD / "man/sallyport.1", peers.ROOT / "man/sallyport.yaml.5"],
                          capture_output=True, text=True)
    bad = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert not bad, bad
