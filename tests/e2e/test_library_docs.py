"""The C code of docs/library is compiled against the installed library, and the tutorial is done as written.

A block with #include is a program; one that defines functions stands in a file; any other stands inside a function, where
`server`, `other`, `ctx` and `handler` are there."""

import os
import re
import shutil
import subprocess

import pytest

import peers
import program
from program import flags

PAGES = sorted((peers.ROOT / "docs/library").glob("*.md"))
BEFORE = "#include <sallyport/sallyport.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <uv.h>\n"
FLAGS = ["-std=gnu17", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-but-set-variable",
         "-Wno-missing-field-initializers", "-Werror"]


def blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.M | re.S)


def sources(page):
    """One file a page for what is not a whole program: its functions, then one function for each piece."""
    functions, pieces, whole = [], [], []
    for block in blocks(page, "c"):
        if "#include" in block:
            whole.append(block)
        elif re.search(r"^static [^=;]*\n\w+\(", block, re.M):
            functions.append(block)
        else:
            pieces.append(block)
    text = BEFORE + "static void handler(struct sp_context *ctx, void *arg) { (void)ctx; (void)arg; }\n" + "\n".join(functions)
    for i, piece in enumerate(pieces):
        own = "" if re.search(r"\*server = ", piece) else "struct sp_server *server = sp_server_new(.name = \"a\", .version = \"1\");\n"
        text += f"\nint piece_{i}(void);\nint\npiece_{i}(void)\n{{\nstruct sp_server *other = NULL; (void)other;\n{own}{piece}\n(void)server;\nreturn 0;\n}}\n"
    return whole + ([text] if functions or pieces else [])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_code_compiles(installed, tmp_path, page):
    env, _ = installed
    made = sources(page)
    assert made, f"{page} has no code"
    for i, text in enumerate(made):
        (tmp_path / f"{i}.c").write_text(text)
        done = subprocess.run(["cc", *FLAGS, *flags(env, "--cflags"), "-c", "-o", "/dev/null", f"{i}.c"], cwd=tmp_path, env=env,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:3000]


@pytest.mark.skipif("asan" in str(program.BUILD), reason="the tutorial's compiler line has no sanitizer")
def test_the_tutorial_as_written(installed, tmp_path):
    env, _ = installed
    page, port, running = peers.ROOT / "docs/library/tutorial.md", peers.free_port(), None
    try:
        for kind, text in re.findall(r"^```(c|sh)\n(.*?)^```", page.read_text(), re.M | re.S):
            text = text.replace("8000", str(port))
            if kind == "c":
                (tmp_path / "notes.c").write_text(text)
                continue
            if running is not None and "cc -o" in text:
                running.terminate()
                assert running.wait(20) == 0
                running = None
            for command in re.findall(r"(?:[^\n\\]|\\\n)+", text):
                if command.rstrip().endswith("&"):
                    words = command.replace("&", "").split()
                    more = dict(w.split("=") for w in words if "=" in w)
                    running = subprocess.Popen([tmp_path / "notes"], env={**env, **more}, stdout=subprocess.DEVNULL)
                    peers.wait_for("the tutorial's server", lambda: peers.can_connect(port), 10)
                    continue
                done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, done.stderr
                if command.startswith("curl"):
                    assert "milk" in done.stdout or "noted" in done.stdout, done.stdout
    finally:
        if running is not None:
            running.terminate()
            running.wait(20)


@pytest.mark.skipif("asan" in str(program.BUILD), reason="the tutorial's compiler line has no sanitizer")
def test_a_component_without_auth_is_named(installed, tmp_path):
    """The text that the tutorial shows."""
    env, _ = installed
    text = blocks(peers.ROOT / "docs/library/tutorial.md", "c")[0].replace(", .auth = SP_ANYONE", "")
    (tmp_path / "notes.c").write_text(text)
    subprocess.run(["cc", "-o", "notes", "notes.c", *flags(env, "--cflags", "--libs")], cwd=tmp_path, env=env, check=True)
    done = subprocess.run([tmp_path / "notes"], env=env, capture_output=True, text=True, timeout=20)
    said = blocks(peers.ROOT / "docs/library/tutorial.md", "text")[0].strip()
    assert done.returncode != 0 and said in done.stderr, done.stderr


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")
def test_cmake_finds_it(installed, tmp_path):
    env, dest = installed
    if "asan" in str(program.BUILD):
        pytest.skip("the program has no sanitizer")
    (tmp_path / "CMakeLists.txt").write_text("""cmake_minimum_required(VERSION 3.16)
project(notes C)
find_package(sallyport 0.1 CONFIG REQUIRED)
add_executable(notes notes.c)
target_link_libraries(notes PRIVATE sallyport::sallyport)
""")
    (tmp_path / "notes.c").write_text(blocks(peers.ROOT / "docs/library/tutorial.md", "c")[0])
    config = next(dest.rglob("sallyport-config.cmake")).parent
    subprocess.run(["cmake", "-S", ".", "-B", "b", f"-Dsallyport_DIR={config}"], cwd=tmp_path, env=env, check=True, capture_output=True)
    done = subprocess.run(["cmake", "--build", "b"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_shows_the_second_example():
    example = (peers.ROOT / "examples/per_tool_scopes.c").read_text()
    assert blocks(peers.ROOT / "README.md", "c") == [example[example.index("#include"):]]


def test_the_first_five_are_short():
    """Under 80 lines of code each: neither empty nor comment."""
    for name in ("oauth_setup", "per_tool_scopes", "custom_check", "multi_auth", "openapi_credentials"):
        text = re.sub(r"/\*.*?\*/", "", (peers.ROOT / f"examples/{name}.c").read_text(), flags=re.S)
        assert sum(bool(line.strip()) for line in text.splitlines()) < 80, name
