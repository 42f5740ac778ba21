"""The real programs of the end-to-end tests: PowerDNS, the gateway itself, a token issuer, the SDK clients."""

import base64
import copy
import http.client
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import subprocess
import sys
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("SALLYPORT_BUILD", ROOT / "build"))
SALLYPORT = BUILD / "sallyport"
NODE = HERE / "node"
PDNS_SCHEMA = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"
# Sanitizer builds are slower; every wait in the suite is scaled by this.
PATIENCE = float(os.environ.get("SALLYPORT_PATIENCE", "1"))


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def free_dns_port():
    """Free for UDP and TCP: a DNS server binds both."""
    for _ in range(100):
        port = free_port(socket.SOCK_DGRAM)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free for both UDP and TCP")


def wait_for(what, check, seconds=10.0, every=0.02):
    """Polls until check() is truthy; its value.  A bounded loop: the failure names what was waited for."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds * PATIENCE:.0f} s in vain for {what}")
        time.sleep(every)


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


class PowerDns:
    """pdns_server with an SQLite backend and its HTTP API, on loopback."""

    def __init__(self, folder, key):
        self.folder = pathlib.Path(folder)
        self.key = key
        self.http = free_port()
        self.dns = free_dns_port()
        self.process = None
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(PDNS_SCHEMA, encoding="utf-8") as schema:
            subprocess.run(["sqlite3", self.folder / "pdns.db"], stdin=schema, check=True)
        # The key goes into a file, as an operator would have it, so that it is in no argv.
        (self.folder / "pdns.conf").write_text(
            "launch=gsqlite3\n"
            f"gsqlite3-database={self.folder}/pdns.db\n"
            "local-address=127.0.0.1\n"
            f"local-port={self.dns}\n"
            "api=yes\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-allow-from=127.0.0.1\n"
            f"webserver-port={self.http}\napi-key={key}\nsocket-dir={self.folder}\n"
            "guardian=no\ndaemon=no\nsecurity-poll-suffix=\nloglevel=3\n")

    def start(self):
        """A port that somebody else takes in between is theirs for a moment: the server ends, and is started again."""
        def up():
            if self.process is None or self.process.poll() is not None:
                with open(self.folder / "pdns.log", "ab") as log:
                    self.process = subprocess.Popen(["pdns_server", f"--config-dir={self.folder}"], stdout=log, stderr=log,
                                                    stdin=subprocess.DEVNULL)
            return can_connect(self.http)
        wait_for("PowerDNS", up, 20, 0.2)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def api(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        c.request(method, path, None if body is None else json.dumps(body),
                  {"X-API-Key": self.key, "Accept": "application/json", "Content-Type": "application/json"})
        answer = c.getresponse()
        data = answer.read()
        c.close()
        return answer.status, data

    def document(self):
        status, data = self.api("GET", "/api/docs")
        assert status == 200
        return data

    def dig(self, name, kind):
        out = subprocess.run(["dig", "+short", "+time=2", "+tries=3", "@127.0.0.1", "-p", str(self.dns), name, kind],
                             capture_output=True, text=True, check=True)
        return out.stdout.split()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An authorization server's signing half: keys, a JWKS document, access tokens."""

    def __init__(self, issuer="https://issuer.test"):
        self.issuer = issuer
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def jwks(self):
        n = self.rsa.public_key().public_numbers()
        p = self.ec.public_key().public_numbers()
        return {"keys": [
            {"kty": "RSA", "kid": "r1", "use": "sig", "alg": "RS256", "e": b64url(n.e.to_bytes(3, "big")),
             "n": b64url(n.n.to_bytes(256, "big"))},
            {"kty": "EC", "kid": "e1", "use": "sig", "alg": "ES256", "crv": "P-256",
             "x": b64url(p.x.to_bytes(32, "big")), "y": b64url(p.y.to_bytes(32, "big"))}]}

    def claims(self, audience, **more):
        now = int(time.time())
        c = {"iss": self.issuer, "aud": audience, "sub": "ann", "client_id": "e2e", "iat": now, "exp": now + 3600,
             "jti": secrets.token_hex(8)}
        c.update(more)
        return {k: v for k, v in c.items() if v is not None}

    def sign(self, claims, alg="RS256", header=None):
        head = {"alg": alg, "typ": "at+jwt", "kid": {"RS256": "r1", "ES256": "e1"}.get(alg)}
        head.update(header or {})
        text = claims if isinstance(claims, str) else json.dumps(claims)
        signed = f"{b64url(json.dumps(head).encode())}.{b64url(text.encode())}".encode()
        if alg == "ES256":
            r, s = utils.decode_dss_signature(self.ec.sign(signed, ec.ECDSA(hashes.SHA256())))
            sig = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        else:
            sig = self.rsa.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return f"{signed.decode()}.{b64url(sig)}"

    def token(self, audience, **more):
        alg = more.pop("alg", "RS256")
        return self.sign(self.claims(audience, **more), alg)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def json(self):
        return json.loads(self.body)


class Endpoint:
    """Plain HTTP towards a port of ours, byte for byte as asked."""

    path = "/mcp"

    def request(self, method="POST", path=None, body=None, headers=None, token=None, timeout=30):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        h = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if token:
            h["Authorization"] = f"Bearer {token}"
        h.update(headers or {})
        data = json.dumps(body) if isinstance(body, (dict, list)) else body
        c.request(method, path or self.path, data, {k: v for k, v in h.items() if v is not None})
        r = c.getresponse()
        answer = Answer(r.status, r.getheaders(), r.read())
        c.close()
        return answer

    def rpc(self, method, params=None, token=None, rid=1, headers=None):
        body = {"jsonrpc": "2.0", "id": rid, "method": method}
        if params is not None:
            body["params"] = params
        return self.request(body=body, token=token, headers={"MCP-Protocol-Version": "2025-11-25", **(headers or {})})

    def call(self, name, arguments=None, token=None, **more):
        return self.rpc("tools/call", {"name": name, "arguments": arguments or {}}, token, **more)

    def session(self, token=None, revision="2025-11-25"):
        """Opens one; its id."""
        a = self.rpc("initialize", {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "e2e", "version": "1"}}, token,
                     headers={"MCP-Protocol-Version": None})
        assert a.status == 200, (a.status, a.body)
        return a.header("Mcp-Session-Id")

    def modern(self, method, params=None, token=None, headers=None, version="2026-07-28", rid=1):
        p = dict(params or {})
        p["_meta"] = {"io.modelcontextprotocol/protocolVersion": version,
                      "io.modelcontextprotocol/clientCapabilities": {}, **p.get("_meta", {})}
        h = {"MCP-Protocol-Version": version, "Mcp-Method": method}
        if "name" in p or "uri" in p:
            h["Mcp-Name"] = p.get("name") or p["uri"]
        h.update(headers or {})
        return self.request(body={"jsonrpc": "2.0", "id": rid, "method": method, "params": p}, token=token, headers=h)

    def raw(self, data, timeout=5, half_close=False, pieces=None):
        """All bytes answered until the gateway closes or falls silent."""
        s = socket.create_connection(("127.0.0.1", self.port), 5)
        s.settimeout(timeout * PATIENCE)
        got = b""
        try:
            for piece in pieces or [data]:
                s.sendall(piece)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            while True:
                chunk = s.recv(65536)
                if not chunk:
                    return got, True
                got += chunk
        except (TimeoutError, socket.timeout):
            return got, False
        except ConnectionError:
            return got, True
        finally:
            s.close()


class Gateway(Endpoint):
    """`sallyport serve` with a configuration and state of its own."""

    def __init__(self, folder, config, port=None, secrets_=None, env=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.path = "/mcp"
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.config = self.folder / "sallyport.yaml"
        self.state = self.folder / "state"
        self.log = self.folder / "gateway.log"
        self.process = None
        self.env = env or {}
        self.write(config)
        if secrets_ is not None:
            self.cli("vault", "init")
            for name, value in secrets_.items():
                self.cli("vault", "set", name, stdin=value)

    def write(self, config):
        self.config.write_text(f"listen: 127.0.0.1:{self.port}\nstate: {self.state}\n" + config)

    def cli(self, *args, stdin=None, check=True):
        done = subprocess.run([SALLYPORT, *args, "-c", str(self.config)], input=stdin, capture_output=True, text=True,
                              timeout=60 * PATIENCE)
        if check:
            assert done.returncode == 0, f"sallyport {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, wait=True, preexec=None, options=()):
        self.process = subprocess.Popen([SALLYPORT, "serve", "-c", str(self.config), *options], stdout=open(self.log, "ab"),
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        env={**os.environ, **self.env}, preexec_fn=preexec)
        if wait:
            wait_for("the gateway", self.ready, 20)
        return self

    def ready(self):
        assert self.process.poll() is None, f"the gateway ended: {self.text()}"
        return '"ready"' in self.text() and can_connect(self.port)

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self, sig=signal.SIGTERM, seconds=20):
        if self.process is None:
            return None
        self.process.send_signal(sig)
        try:
            code = self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the gateway did not stop in time") from None
        self.process = None
        return code

    def roles(self):
        """{role name: [pids]} of the running role processes."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                stat = (entry / "stat").read_text()
                parent = int(stat.rsplit(")", 1)[1].split()[1])
                if parent == self.process.pid and ") Z" not in stat:
                    name = stat[stat.index("(") + 1:stat.rindex(")")]
                    found.setdefault(re.sub(r"^sallyport-?|^sp-", "", name).split("-")[0], []).append(int(entry.name))
            except (OSError, ValueError):
                continue
        return found

    def audit(self):
        lines = []
        for f in sorted((self.state / "audit").glob("*.jsonl")):
            lines += [json.loads(line) for line in f.read_text().splitlines()]
        return lines

    def at(self, path):
        """The same gateway, asked at another of its resources."""
        there = copy.copy(self)
        there.path, there.url = path, f"http://127.0.0.1:{self.port}{path}"
        return there

    def reload(self, config=None):
        """SIGHUP, and the new generation serves."""
        before = self.text().count('"reloaded"')
        if config is not None:
            self.write(config)
        self.process.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: self.text().count('"reloaded"') > before, 20)


def sdk(version, script, timeout=60):
    """Runs an official client: TypeScript "v1" or "v2", or "python"."""
    argv = [sys.executable, HERE / "pyclient.py"] if version == "python" else ["node", NODE / version / "client.mjs"]
    done = subprocess.run(argv, input=json.dumps(script), capture_output=True, text=True, timeout=timeout * PATIENCE,
                          cwd=HERE if version == "python" else NODE / version)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Upstream:
    """A program that serves MCP, or tokens, over HTTP on loopback; `argv` gets its port in place of PORT."""

    def __init__(self, folder, argv, cwd=None, path="/mcp", env=None):
        self.folder, self.argv, self.cwd, self.path, self.env = pathlib.Path(folder), argv, cwd, path, env or {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "upstream.log"
        self.port = free_port()
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    def start(self):
        def up():
            if self.process is None or self.process.poll() is not None:
                with open(self.log, "ab") as log:
                    self.process = subprocess.Popen([str(self.port) if a == "PORT" else a for a in self.argv], cwd=self.cwd, stdout=log,
                                                    stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.env, "PORT": str(self.port)})
            return can_connect(self.port)
        wait_for(f"the upstream {self.argv[1]}", up, 30, 0.1)
        return self

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        c.request("GET", path)
        data = c.getresponse().read()
        c.close()
        return data


def upstream(kind, folder, bearer="", only="", prefix=""):
    """"v1", "v2": the fixture on that SDK; "fastmcp"; "everything": the reference server."""
    servers = NODE / "servers"
    if kind == "fastmcp":
        return Upstream(folder, [sys.executable, str(HERE / "fastmcp_server.py"), "PORT", bearer])
    if kind == "everything":
        return Upstream(folder, ["node", str(servers / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"), "streamableHttp"])
    return Upstream(folder, ["node", str(servers / f"{kind}.mjs"), "PORT", bearer, only], env={"PREFIX": prefix})


class Forwarder:
    """nginx in front of a gateway, adding the bearer token that a client cannot send; clients come to its port."""

    def __init__(self, folder, port):
        self.folder, self.port, self.process = pathlib.Path(folder), port, None

    def start(self, to, token):
        self.folder.mkdir(parents=True, exist_ok=True)
        temp = " ".join(f"{k}_temp_path {self.folder}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; {temp}
  server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass http://127.0.0.1:{to}; proxy_http_version 1.1; proxy_buffering off;
    proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_set_header Authorization "Bearer {token}"; }} }} }}""")
        self.process = subprocess.Popen(["nginx", "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("nginx", lambda: can_connect(self.port), 10)
        return self

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Stream:
    """A request whose answer is an event stream, read as it comes."""

    def __init__(self, gateway, method="GET", body=None, headers=None, token=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20 * PATIENCE)
        h = {"Accept": "text/event-stream" if method == "GET" else "application/json, text/event-stream", **(headers or {})}
        if body is not None:
            h["Content-Type"] = "application/json"
        if token:
            h["Authorization"] = f"Bearer {token}"
        self.connection.request(method, gateway.path, None if body is None else json.dumps(body), h)
        self.sock = self.connection.sock
        self.answer = self.connection.getresponse()
        self.status = self.answer.status

    def event(self, seconds=10):
        """The next event's JSON; None when the stream has ended."""
        self.sock.settimeout(seconds * PATIENCE)
        data = []
        while True:
            line = self.answer.readline()
            if not line:
                return None
            line = line.decode().rstrip("\r\n")
            if line.startswith("data:"):
                data.append(line[5:].strip())
            elif not line and data:
                return json.loads("\n".join(data))

    def close(self):
        self.connection.close()


def forms_of(secret):
    """The thirteen forms in which a secret must not come back (design.md section 3)."""
    raw = secret.encode()
    forms = {raw, raw.hex().encode(), raw.hex().upper().encode(), json.dumps(secret)[1:-1].encode(),
             "".join(f"%{b:02X}" for b in raw).encode()}
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * offset + raw)
            # only the characters that the secret alone determines
            first = -(-offset * 8 // 6)
            last = (offset + len(raw)) * 8 // 6
            forms.add(text[first:last])
    return forms


def memory_has(pid, needles):
    """Which of the needles are in the readable memory of a process."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, perms = line.split()[:2]
            if "r" not in perms or "[vvar]" in line or "[vsyscall]" in line:
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            if end - start > 1 << 32:
                continue        # the shadow of a sanitizer, not memory
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except (OSError, ValueError):
                continue
            found |= {n for n in needles if n in data}
    return found
