"""The Debian package, the systemd unit and the Containerfile: built, unpacked, run and judged as far as no engine is needed."""

import os
import re
import shutil
import signal
import subprocess

import pytest

import peers

PACKAGING = peers.ROOT / "packaging"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb here")]

CONFIG = """
auth: {type: static}
servers:
  gateway: {openapi: "sallyport:management", secrets: {managementKey: vault:management}}
rules:
  - {allow: gateway.access:read, require_scopes: gateway:read}
"""


def run(*words, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=600 * peers.PATIENCE, **more)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def deb(tmp_path_factory):
    out = tmp_path_factory.mktemp("deb")
    return out / run(PACKAGING / "deb", out).splitlines()[-1]


@pytest.fixture(scope="module")
def tree(deb, tmp_path_factory):
    to = tmp_path_factory.mktemp("root")
    run("dpkg-deb", "-x", deb, to)
    return to


@pytest.fixture(scope="module")
def unit(tree):
    return (tree / "usr/lib/systemd/system/sallyport.service").read_text()


def control(deb):
    return dict(line.split(": ", 1) for line in run("dpkg-deb", "-f", deb).splitlines() if not line.startswith(" "))


def dependencies(deb):
    return {d.split()[0] for d in control(deb)["Depends"].split(", ")}


# ---------------------------------------------------------------- the package

def test_contents(deb, tree):
    roles = {"loader", "front", "manage", "egress", "dialer", "keeper", "spawner", "checker"}
    assert {p.name for p in (tree / "usr/libexec/sallyport").iterdir()} == {f"sallyport-{r}" for r in roles}
    for path in ("usr/bin/sallyport", "usr/share/man/man1/sallyport.1.gz", "usr/share/man/man5/sallyport.yaml.5.gz",
                 "usr/share/bash-completion/completions/sallyport", "usr/share/zsh/site-functions/_sallyport",
                 "usr/share/fish/vendor_completions.d/sallyport.fish", "usr/share/doc/sallyport/copyright", "etc/sallyport/sallyport.yaml"):
        assert (tree / path).is_file(), path
    listing = run("dpkg-deb", "-c", deb)
    assert all(line.split()[1] == "root/root" for line in listing.splitlines())
    assert not re.search(r"^[-d]\S*[sStT]", listing, re.M) and not re.search(r"^[-d]\S{7}w", listing, re.M)


def test_the_library_has_packages_of_its_own(deb):
    names = {p.name.split("_")[0]: p for p in deb.parent.glob("*.deb")}
    assert set(names) == {"sallyport", "libsallyport0", "libsallyport-dev"}
    files = {n: {line.split()[5] for line in run("dpkg-deb", "-c", p).splitlines()} for n, p in names.items()}
    assert not any("libsallyport" in f and f.startswith("./usr/lib") for f in files["sallyport"])
    assert any(f.endswith("/libsallyport.so.0") for f in files["libsallyport0"])
    for end in ("/include/sallyport/sallyport.h", "/libsallyport.so", "/libsallyport.a", "/sallyport.pc", "/sallyport-config.cmake",
                "/man3/sallyport-auth.3.gz", "/man3/sp_tool.3.gz", "/examples/per_tool_scopes.c"):
        assert any(f.endswith(end) for f in files["libsallyport-dev"]), end


def test_control(deb):
    fields = control(deb)
    assert fields["Package"] == "sallyport" and fields["Version"] in run(peers.SALLYPORT, "version")
    assert {"libc6", "libsodium23", "libsqlite3-0", "libyaml-0-2", "libpcre2-8-0", "ca-certificates"} <= dependencies(deb)
    needed = set(re.findall(r"NEEDED.*\[(.*?)\.so", run("readelf", "-d", peers.SALLYPORT)))
    assert "libsodium" in needed and not [d for d in dependencies(deb) if d.endswith("-dev")]


def test_maintainer_scripts_make_and_enable_nothing(deb, tmp_path):
    run("dpkg-deb", "-e", deb, tmp_path)
    assert (tmp_path / "conffiles").read_text() == "/etc/sallyport/sallyport.yaml\n"
    for name in ("postinst", "prerm", "postrm"):
        text = (tmp_path / name).read_text()
        assert not re.search(r"useradd|adduser|chmod|mkdir|rm -|systemctl (enable|start)", text), name
        run("sh", "-n", tmp_path / name)
    # Where no systemd runs they do nothing at all.
    if not os.path.isdir("/run/systemd/system"):
        run("sh", tmp_path / "postinst", "configure", "")
        run("sh", tmp_path / "prerm", "remove")
        run("sh", tmp_path / "postrm", "remove")


def test_lintian(deb):
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not here")
    done = subprocess.run(["lintian", "--fail-on", "error,warning", "--allow-root", *map(str, sorted(deb.parent.glob("*.deb")))], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_same_sources_give_the_same_package(deb):
    before = deb.read_bytes()
    run(PACKAGING / "deb", deb.parent)
    assert deb.read_bytes() == before


def test_scripts_are_good_shell():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not here")
    run("shellcheck", PACKAGING / "deb")


# ---------------------------------------------------------------- the unpacked program

def test_the_unpacked_program_serves(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "SALLYPORT", tree / "usr/bin/sallyport")
    assert "sallyport" in run(peers.SALLYPORT, "version")
    assert "ok:" in run(peers.SALLYPORT, "check", tree / "etc/sallyport/sallyport.yaml")
    g = peers.Gateway(tmp_path, CONFIG, secrets_={"management": "0123456789abcdef"})
    assert "role programs    all there" in g.cli("doctor").stdout
    g.start()
    try:
        exes = {os.readlink(f"/proc/{pid}/exe") for pids in g.roles().values() for pid in pids}
        assert exes and all(e.startswith(str(tree / "usr/libexec/sallyport")) for e in exes), exes
        assert "gateway.health" in g.cli("tools", "--running").stdout
    finally:
        assert g.stop() == 0


# ---------------------------------------------------------------- the unit

def value(unit, key):
    return re.findall(rf"^{key}=(.*)$", unit, re.M)


def test_the_unit_names_what_is_installed(unit, tree):
    for command in value(unit, "ExecStart") + value(unit, "ExecStartPre"):
        assert (tree / command.split()[0].lstrip("/")).is_file() and "/etc/sallyport/sallyport.yaml" in command
    assert value(unit, "Type") == ["notify"] and "$MAINPID" in value(unit, "ExecReload")[0] and "@" not in unit.replace("@system", "").replace("@mount", "")


def test_the_unit_verifies_and_is_tight(unit, tree, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    # It wants the programs where the unit names them.
    (tmp_path / "sallyport.service").write_text(unit.replace("=/usr/bin/", f"={tree}/usr/bin/"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "sallyport.service")], capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "sallyport" in line]
    assert done.returncode == 0 and not ours, done.stderr
    out = run("systemd-analyze", "security", "--offline=true", tmp_path / "sallyport.service")
    level = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", out).group(1))
    assert level <= 4.5, out


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_it_serves_with_the_capabilities_of_the_unit(unit, tree, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "SALLYPORT", tree / "usr/bin/sallyport")
    caps = ",".join("+" + c.removeprefix("CAP_").lower() for c in value(unit, "CapabilityBoundingSet")[0].split())
    g = peers.Gateway(tmp_path, CONFIG, secrets_={"management": "0123456789abcdef"})
    g.process = subprocess.Popen(["setpriv", "--no-new-privs", f"--bounding-set=-all,{caps}", str(peers.SALLYPORT), "serve", "-c", str(g.config)],
                                 stdout=open(g.log, "ab"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        peers.wait_for("the gateway", g.ready, 20)
        g.process.send_signal(signal.SIGHUP)
        peers.wait_for("the second generation", lambda: g.text().count('"generation"') >= 2 or '"reloaded"' in g.text(), 10)
    finally:
        assert g.stop() == 0


# ---------------------------------------------------------------- the Containerfile

def container_steps():
    text = re.sub(r"^#.*\n", "", (PACKAGING / "Containerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def installed_by(step):
    return step.split("--no-install-recommends", 1)[1].split("&&")[0].split()


def test_the_container_takes_what_the_build_needs_and_the_package_depends_on(deb):
    runs = [rest for word, rest in container_steps() if word == "RUN" and "apt-get install" in rest]
    wanted = re.search(r'^BUILD="(.*?)"', (peers.ROOT / "tools/deps").read_text(), re.M | re.S).group(1).split()
    assert set(installed_by(runs[0])) == set(wanted) - {"make", "curl", "ca-certificates"}
    # Debian 13 says t64 where Debian 12 has the plain name.
    def plain(names):
        return {n.removesuffix("t64") for n in names}
    assert plain(installed_by(runs[1])) == plain(dependencies(deb)) - {"libc6"}


def test_the_packages_of_the_container_exist():
    if "trixie" not in run("apt-cache", "policy"):
        pytest.skip("the archive of Debian 13 is not known here")
    for word, rest in container_steps():
        for name in installed_by(rest) if "apt-get install" in rest else []:
            assert f"Package: {name}\n" in run("apt-cache", "show", name), name


def test_the_container_copies_what_is_installed_and_is_not_root(tree):
    steps = container_steps()
    for rest in [rest for word, rest in steps if word == "COPY" and "--from" in rest]:
        source = rest.split()[-2].removeprefix("/stage/")
        assert (tree / source).exists() or source == "var/lib/sallyport", source
    meson = next(rest for word, rest in steps if word == "RUN" and "meson setup" in rest)
    assert all(f in (PACKAGING / "deb").read_text() for f in re.findall(r"-\S*=\S+", meson) if not f.startswith("--buildtype"))
    said = dict((word, rest) for word, rest in steps)
    assert said["USER"].split(":")[0] not in ("0", "root") and said["ENTRYPOINT"] == '["/usr/bin/sallyport"]'
    assert "sh" not in said["CMD"].split('"')
