"""The processes: killed, drained, reloaded, starved. Calls end cleanly, nothing is lost, the others go on."""

import collections
import json
import os
import random
import resource
import secrets
import signal
import threading
import time

import pytest

import peers


class Load(threading.Thread):
    """Calls without pause until told to stop; remembers how each ended."""

    def __init__(self, gateway, token, tag, make):
        super().__init__(daemon=True)
        self.gateway, self.token, self.tag, self.make = gateway, token, tag, make
        self.ends, self.slowest, self.stop_, self.odd, self.n = collections.Counter(), 0.0, False, [], 0

    def run(self):
        while not self.stop_:
            start = time.monotonic()
            try:
                a = self.gateway.call(*self.make(f"{self.tag}-{self.n}"), self.token, )
                self.n += 1
                if a.status == 200:
                    j = a.json()
                    end = "error" if "error" in j else "tool error" if j["result"]["isError"] else "ok"
                    if end == "error":
                        self.odd.append(j)
                else:
                    end = str(a.status)
            except (ConnectionError, OSError, json.JSONDecodeError) as e:
                end = type(e).__name__
            except Exception as e:          # a half-written answer
                end = type(e).__name__
            self.ends[end] += 1
            self.slowest = max(self.slowest, time.monotonic() - start)


def create(tag):
    return "dns_createZone", {"server_id": "localhost", "name": f"{tag}.kill.test.", "kind": "Native"}


def zones(pdns):
    return [z["name"] for z in json.loads(pdns.api("GET", "/api/v1/servers/localhost/zones")[1])]


@pytest.mark.slow
def test_every_role_killed_in_turn_under_load(make_gateway, issuer, pdns):
    """100 kills: no lost audit line of a call that reached PowerDNS, no hung client, no torn file."""
    g = make_gateway(extra="limits: {calls: 1000000/min, in_flight: 1000}\n")
    token = issuer.token(g.url, scope="dns:write")
    run = secrets.token_hex(3)
    loads = [Load(g, token, f"k{run}-{i}", create) for i in range(4)]
    for load in loads:
        load.start()
    wanted = ["front", "egress", "dialer", "keeper"]
    killed = collections.Counter()
    end = time.monotonic() + 240 * peers.PATIENCE
    while sum(killed.values()) < 100 and time.monotonic() < end:
        role = wanted[sum(killed.values()) % len(wanted)]
        pids = g.roles().get(role, [])
        if pids:
            try:
                os.kill(random.choice(pids), signal.SIGKILL)
                killed[role] += 1
            except ProcessLookupError:
                pass
        time.sleep(random.uniform(0.02, 0.25))
    for load in loads:
        load.stop_ = True
    for load in loads:
        load.join(90 * peers.PATIENCE)
        assert not load.is_alive(), "a client hangs"
    assert sum(killed.values()) == 100, killed
    assert g.process.poll() is None

    def served():
        a = g.call("dns_listZones", {"server_id": "localhost"}, token)
        return a.status == 200 and not a.json()["result"].get("isError")
    peers.wait_for("service again", served, 20)
    assert sum(l.ends["ok"] for l in loads) > 50, [l.ends for l in loads]
    assert max(l.slowest for l in loads) < 70 * peers.PATIENCE
    assert not any(l.odd for l in loads), next(l.odd[0] for l in loads if l.odd)

    made = [z for z in zones(pdns) if z.startswith(f"k{run}-")]
    g.stop()
    verify = g.cli("audit", "verify")
    assert verify.returncode == 0, verify.stdout + verify.stderr
    lines = g.audit()
    intents = [l for l in lines if l["kind"] == "intent" and l["tool"].endswith("createZone")]
    outcomes = [l for l in lines if l["kind"] == "outcome" and l["tool"].endswith("createZone")]
    assert len(intents) >= len(made) > 0
    assert sum(l.ends["ok"] for l in loads) <= len(made)
    assert len(outcomes) >= len(intents) - 0, (len(intents), len(outcomes))
    assert [l["seq"] for l in lines] == list(range(lines[0]["seq"], lines[0]["seq"] + len(lines)))
    again = g.start()
    peers.wait_for("service after a restart", served, 20)
    again.stop()


def test_sigterm_drains_and_ends_with_zero(make_gateway, issuer):
    g = make_gateway(extra="limits: {calls: 1000000/min}\n")
    token = issuer.token(g.url, scope="dns:read")
    load = Load(g, token, "d", lambda tag: ("dns_listZones", {"server_id": "localhost"}))
    load.start()
    time.sleep(0.5)
    code = g.stop()
    load.stop_ = True
    load.join(20)
    assert code == 0 and load.ends["ok"] > 0
    assert set(load.ends) <= {"ok", "ConnectionRefusedError", "ConnectionResetError", "RemoteDisconnected", "503"}, load.ends
    assert not peers.can_connect(g.port)


def test_sighup_takes_a_new_file_and_keeps_the_old_one_when_it_is_bad(make_gateway, issuer):
    g = make_gateway()
    token = issuer.token(g.url, scope="dns:read")
    good = g.config.read_text()

    def tools():
        a = g.rpc("tools/list", {}, token)
        return [t["name"] for t in a.json()["result"]["tools"]] if a.status == 200 else None
    many = tools()
    g.config.write_text(good.replace("allow: dns.access:read, require", "allow: dns.listZones, require"))
    g.process.send_signal(signal.SIGHUP)
    peers.wait_for("the new rules", lambda: tools() == ["dns_listZones"], 10)
    g.config.write_text(good.replace("require_scopes", "require_scope"))
    g.process.send_signal(signal.SIGHUP)
    peers.wait_for("the complaint", lambda: "Did you mean `require_scopes`" in g.text(), 10)
    assert tools() == ["dns_listZones"]
    g.config.write_text(good)
    g.process.send_signal(signal.SIGHUP)
    peers.wait_for("the old rules", lambda: tools() == many, 10)


def test_reload_under_load_loses_no_call(make_gateway, issuer):
    g = make_gateway(extra="limits: {calls: 1000000/min, in_flight: 1000}\n")
    token = issuer.token(g.url, scope="dns:read")
    loads = [Load(g, token, f"r{i}", lambda tag: ("dns_listZones", {"server_id": "localhost"})) for i in range(3)]
    for load in loads:
        load.start()
    for _ in range(4):
        time.sleep(0.7)
        g.process.send_signal(signal.SIGHUP)
    time.sleep(1)
    for load in loads:
        load.stop_ = True
    for load in loads:
        load.join(30)
    ends = sum((l.ends for l in loads), collections.Counter())
    assert ends["ok"] > 20 and set(ends) <= {"ok", "ConnectionResetError", "RemoteDisconnected"}, ends
    assert ends["ok"] > 20 * (sum(ends.values()) - ends["ok"]), ends


def test_second_gateway_on_the_same_state_is_refused(gateway):
    other = gateway.cli("serve", check=False)
    assert other.returncode != 0 and "running" in (other.stdout + other.stderr)


def test_bad_configuration_does_not_start(make_gateway):
    g = make_gateway(start=False)
    g.write(g.config.read_text() + "rule: []\n")
    done = g.cli("serve", check=False)
    assert done.returncode != 0 and "error" in done.stdout + done.stderr


@pytest.mark.parametrize("name,change,says", [
    ("wrong key", lambda s: (s / "vault.key").write_bytes(secrets.token_bytes(32)), "key"),
    ("flipped bit", lambda s: flip(s / "vault"), "vault"),
    ("truncated", lambda s: (s / "vault").write_bytes((s / "vault").read_bytes()[:-7]), "vault"),
])
def test_q05_damaged_vault(make_gateway, name, change, says):
    g = make_gateway(start=False)
    before = (g.state / "vault").read_bytes()
    change(g.state)
    damaged = (g.state / "vault").read_bytes()
    done = g.cli("serve", check=False)
    text = done.stdout + done.stderr
    assert done.returncode != 0 and says in text, text
    assert (g.state / "vault").read_bytes() == damaged, "nothing is overwritten"
    assert len(before) >= len(damaged)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_roles_have_their_own_uids_and_no_privilege(gateway):
    uids = {}
    for role, pids in gateway.roles().items():
        for pid in pids:
            status = dict(l.split(":\t", 1) for l in open(f"/proc/{pid}/status", encoding="ascii").read().splitlines() if ":\t" in l)
            assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", role
            assert int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0 or os.getuid() != 0, role
            uids.setdefault(role, set()).add(status["Uid"].split()[0])
    if os.getuid() == 0:
        assert "0" not in set().union(*uids.values())
        assert len({frozenset(u) for u in uids.values()}) == len(uids)


def test_p02_roles_hold_only_the_descriptors_they_need(gateway):
    for role, pids in gateway.roles().items():
        for pid in pids:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            files = [l for l in links if l.startswith("/") and not l.startswith("/dev/null") and "memfd" not in l]
            allowed = (str(gateway.folder),) if role == "keeper" else (str(gateway.state / "ring"), str(gateway.log))
            assert all(f.startswith(allowed) for f in files), (role, files)


def test_unprivileged(make_gateway, issuer, tmp_path):
    """The same program as an ordinary user."""
    if os.getuid() != 0:
        pytest.skip("already unprivileged")
    g = make_gateway(start=False)
    for path in [g.folder, *g.folder.rglob("*")]:
        os.chown(path, 65534, 65534)
    for parent in g.folder.parents:
        if str(parent) in ("/", "/tmp"):
            break
        os.chmod(parent, 0o755)
    g.log.touch()
    os.chown(g.log, 65534, 65534)
    g.env = {"HOME": str(g.folder)}

    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    g.start(preexec=drop)
    token = issuer.token(g.url, scope="dns:read")
    assert g.call("dns_listZones", {"server_id": "localhost"}, token).json()["result"]["isError"] is False
    assert g.stop() == 0


def test_no_file_descriptors_left(make_gateway, issuer):
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    g = make_gateway(start=False)
    g.start(preexec=few)
    token = issuer.token(g.url, scope="dns:read")
    import socket
    held = []
    try:
        for _ in range(200):
            held.append(socket.create_connection(("127.0.0.1", g.port), 2))
    except OSError:
        pass
    assert g.process.poll() is None
    for s in held:
        s.close()
    peers.wait_for("service", lambda: g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200, 10)


def test_q10_full_disk_denies_and_recovers(make_gateway, issuer, tmp_path):
    if os.getuid() != 0:
        pytest.skip("needs a mount")
    import subprocess
    g = make_gateway(start=False)
    g.cli("audit", "verify", check=False)
    audit = g.state / "audit"
    audit.mkdir(exist_ok=True, mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k,mode=0777", "none", audit]).returncode != 0:
        pytest.skip("no mount here")
    try:
        g.write(g.config.read_text().split("\n", 2)[2] + "limits: {calls: 1000000/min, in_flight: 1000}\n")
        g.start()
        token = issuer.token(g.url, scope="dns:read")
        refused = None
        for _ in range(20000):
            a = g.call("dns_listZones", {"server_id": "localhost"}, token)
            if a.status == 503:
                refused = a
                break
        assert refused is not None and refused.header("Retry-After")
        assert g.process.poll() is None
        subprocess.run(["mount", "-o", "remount,size=64m", audit], check=True)
        peers.wait_for("service", lambda: g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200, 10)
        g.stop()
        assert g.cli("audit", "verify").returncode == 0
    finally:
        if g.process is not None:
            g.stop()
        subprocess.run(["umount", audit], check=False)


def test_env_and_file_secrets(make_gateway, issuer, canary, pdns):
    for ref, prepare in (("env:SP_TEST_KEY", None), ("file:key.txt", True)):
        g = make_gateway(start=False, env={"SP_TEST_KEY": canary} if ref.startswith("env:") else {})
        g.config.write_text(g.config.read_text().replace("vault:pdns", ref))
        if prepare:
            (g.folder / "key.txt").write_text(canary + "\n")
            os.chmod(g.folder / "key.txt", 0o644)
            done = g.cli("serve", check=False)
            assert done.returncode != 0 and "key.txt" in done.stdout + done.stderr, "M25: readable by others"
            os.chmod(g.folder / "key.txt", 0o600)
        g.start()
        token = issuer.token(g.url, scope="dns:read")
        peers.wait_for(ref, lambda: g.call("dns_listZones", {"server_id": "localhost"}, token).json()["result"]["isError"] is False, 5)
        for pid in [g.process.pid] + sum(g.roles().values(), []):
            assert canary.encode() not in open(f"/proc/{pid}/environ", "rb").read(), ref
        g.stop()


def test_vault_rotation_in_a_running_gateway(make_gateway, issuer, canary, pdns):
    g = make_gateway(secret="not-the-right-key-yet")
    token = issuer.token(g.url, scope="dns:read")
    assert g.call("dns_listZones", {"server_id": "localhost"}, token).json()["result"]["isError"] is True
    g.cli("vault", "set", "pdns", stdin=canary)
    peers.wait_for("the new value", lambda: g.call("dns_listZones", {"server_id": "localhost"}, token).json()["result"]["isError"] is False, 5)
    done = g.cli("vault", "set", "pdns", "value-on-argv", check=False)
    assert done.returncode != 0


def test_systemd_socket_and_notify(make_gateway, issuer, tmp_path):
    import socket
    g = make_gateway(start=False)
    listener = socket.create_server(("127.0.0.1", g.port))
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = str(tmp_path / "notify")
    notify.bind(path)
    notify.settimeout(20)
    fd = listener.fileno()

    def hand_over():
        os.dup2(fd, 3)
        os.set_inheritable(3, True)
        os.environ["LISTEN_PID"] = str(os.getpid())
    g.env = {"LISTEN_FDS": "1", "NOTIFY_SOCKET": path}
    import subprocess
    env = {**os.environ, **g.env}
    g.process = subprocess.Popen(["bash", "-c", 'LISTEN_PID=$$ exec "$0" serve -c "$1" 3<&%d' % fd, str(peers.SALLYPORT), str(g.config)],
                                 stdout=open(g.log, "ab"), stderr=subprocess.STDOUT, env=env, pass_fds=[fd])
    assert b"READY=1" in notify.recv(1000)
    listener.close()
    token = issuer.token(g.url, scope="dns:read")
    assert g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200
    assert g.stop() == 0


def test_super_killed_takes_the_roles_along_and_a_new_one_continues(make_gateway, issuer):
    g = make_gateway()
    token = issuer.token(g.url, scope="dns:read")
    assert g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200
    pids = sum(g.roles().values(), [])
    g.process.kill()
    g.process.wait()
    g.process = None

    def alive(pid):
        try:
            return ") Z" not in open(f"/proc/{pid}/stat", encoding="ascii").read()
        except OSError:
            return False
    peers.wait_for("the roles' end", lambda: not any(alive(p) for p in pids), 5)
    g.log.write_text("")
    g.start()
    peers.wait_for("service", lambda: g.call("dns_listZones", {"server_id": "localhost"}, token).status == 200, 5)
    assert g.stop() == 0
    assert g.cli("audit", "verify").returncode == 0
    calls = [l for l in g.audit() if l["kind"] == "intent"]
    assert len(calls) == 2 and len([l for l in g.audit() if l["kind"] == "outcome"]) == 2


def test_ipv6_and_unix_listeners(make_gateway, issuer):
    import socket
    g = make_gateway(start=False)
    path = g.folder / "gateway.sock"
    g.config.write_text(g.config.read_text().replace(f"listen: 127.0.0.1:{g.port}",
                                                     f"listen: [\"127.0.0.1:{g.port}\", \"[::1]:{g.port}\", \"unix:{path}\"]\nurl: {g.url}"))
    g.start()
    token = issuer.token(g.url, scope="dns:read")
    text = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
    for family, address, host in ((socket.AF_INET6, ("::1", g.port), f"[::1]:{g.port}"), (socket.AF_UNIX, str(path), f"127.0.0.1:{g.port}")):
        s = socket.socket(family)
        s.connect(address)
        s.sendall((f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
                   f"MCP-Protocol-Version: 2025-11-25\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n{text}").encode())
        got = s.makefile("rb").read()
        assert got.startswith(b"HTTP/1.1 200"), (family, got)
    assert os.stat(path).st_mode & 0o777 == 0o600
