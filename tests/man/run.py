#!/usr/bin/env python3
"""The library's manual pages: every public function has one, which speaks of it, and readers find no fault with it.
run.py SOURCE_ROOT"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(sys.argv[1])
MAKE = ROOT / "tools/man-from-headers"
HEADERS = sorted((ROOT / "include/sallyport").glob("*.h"))
ROWS = [    # (name, header, is anything said about the function?)
    ("a comment above", "/* File. */\n/* Says. */\nSP_API int sp_f(int a);\n", True),
    ("one above the group", "/* File. */\n/* Says. */\nSP_API int sp_g(void);\nSP_API int sp_f(int a);\n", True),
    ("one behind it", "/* File. */\nSP_API int sp_f(int a);\t/* says */\n", True),
    ("over two lines", "/* File. */\nSP_API int\nsp_f(int a,\n    int b);\t/* says\n * more */\n", True),
    ("nothing", "/* File. */\nSP_API int sp_f(int a);\n", False),
    ("the neighbour's own", "/* File. */\nSP_API int sp_f(int a);\nSP_API int sp_g(void);\t/* says */\n", False),
    ("another group's", "/* File. */\n/* Says. */\nSP_API int sp_g(void);\n\nSP_API int sp_f(int a);\n", False),
    ("a section's title", "/* File. */\n/* ---- title */\n\nSP_API int sp_f(int a);\n", False),
    ("a macro with arguments", "/* File. */\n#define sp_f(a, ...) sp_g((a), \\\n\t__VA_ARGS__)\n", False),
]


def make(*words):
    return subprocess.run([sys.executable, MAKE, *map(str, words)], capture_output=True, text=True)


def declared(text):
    """Names behind SP_API, found in another way than the tool finds them."""
    text = re.sub(r"/\*.*?\*/|^#define SP_API.*$", " ", text, flags=re.S | re.M)
    return [re.findall(r"(\w+)\s*\(", d.split("__attribute__")[0])[0] for d in re.findall(r"^SP_API\s[^;]*\)[^;]*;", text, re.M)]


def test_rows(folder):
    for name, text, said in ROWS:
        header = folder / "row.h"
        header.write_text(text)
        done = make("--check", header)
        assert (done.returncode == 0) == said and ("sp_f:" in done.stdout) != said, f"{name}: {done.stdout}{done.stderr}"


def test_headers(folder):
    done = make("--check", *HEADERS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert make("0.0.0", folder, *HEADERS).returncode == 0
    listed = make("--list", *HEADERS).stdout.split()
    assert sorted(listed) == sorted(p.name for p in folder.iterdir()) and len(set(listed)) == len(listed)
    functions = [(h, f) for h in HEADERS for f in declared(h.read_text())]
    assert len(functions) > 100
    for header, f in functions:
        link = (folder / f"{f}.3").read_text()
        page = (folder / link.removeprefix(".so man3/").strip()).read_text()
        assert re.search(rf"^[^.\n]*\b{f}\(", page, re.M), f"{f} is not in its page"
        assert re.search(rf"\b{f}\b", page.split(".SH SYNOPSIS")[0]), f"{f} is not in the line of names"


def test_readers(folder):
    pages = [str(p) for p in sorted(folder.glob("sallyport*.3")) if not p.read_text().startswith(".so")]
    for reader in (["mandoc", "-Tlint", "-Wwarning"], ["groff", "-ww", "-man", "-Tutf8"]):
        if shutil.which(reader[0]) is None:
            continue
        for page in pages:
            done = subprocess.run([*reader, page], capture_output=True, text=True)
            faults = done.stderr + (done.stdout if reader[0] == "mandoc" else "")
            # A date would differ from build to build.
            faults = [line for line in faults.splitlines() if "missing date" not in line]
            assert not faults, f"{page}: {faults}"


with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
    test_rows(pathlib.Path(one))
    test_headers(pathlib.Path(two))
    test_readers(pathlib.Path(two))
