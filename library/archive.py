#!/usr/bin/env python3
"""archive.py OUTPUT COMPILER WHOLE… -- NEEDED…: one static archive of which only the public names can be seen.

Everything in WHOLE and what it needs of NEEDED becomes one object; hidden names become local to it, so that a program's own
names never meet ours."""

import pathlib
import subprocess
import sys

out, compiler, rest = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
whole, needed = rest[:rest.index("--")], rest[rest.index("--") + 1:]
version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
# Code that waits for the linker to be optimised has to be made before names can be hidden; and in sections of its own, so that
# a program carries only what it uses.
lto = ["-flinker-output=nolto-rel", "-ffunction-sections", "-fdata-sections"] if "clang" not in version else []
one = out.with_suffix(".o")
subprocess.run([compiler, "-r", "-nostdlib", *lto, "-o", one, "-Wl,--whole-archive", *whole, "-Wl,--no-whole-archive",
                "-Wl,--start-group", *needed, "-Wl,--end-group"], check=True)
subprocess.run(["objcopy", "--localize-hidden", one], check=True)
out.unlink(missing_ok=True)
subprocess.run(["ar", "rcsD", out, one], check=True)
