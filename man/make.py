#!/usr/bin/env python3
"""Writes sallyport(1) from what the program says of itself: make.py PROGRAM OUTPUT."""

import re
import subprocess
import sys

HEAD = r""".\" Made from the program's own --help by man/make.py.
.TH SALLYPORT 1 "" "sallyport @VERSION@" "Sallyport"
.SH NAME
sallyport \- gateway in front of MCP servers: who may call what, and with which credential
.SH SYNOPSIS
.B sallyport
.I COMMAND
.RI [ WORDS ]
.br
.B sallyport \-\-help
|
.B \-\-version
.SH DESCRIPTION
Two gates in front of MCP servers.  The inner gate decides who may see and call which tool; the outer gate adds the
credential that the call needs, at the last moment, for the one host it was granted to.  Neither the client, nor the model,
nor the tool ever holds it.  What is not allowed does not exist; what fails is a denial.
.PP
Every command has
.BR \-\-help ,
.BR \-h ,
which prints what stands here.  Options may stand anywhere; \-\-name=value is the same as \-\-name value; \-\- ends them.
.SH COMMANDS
"""

TAIL = r""".SH FILES
.TP
.I sallyport.yaml
the configuration, in the working folder unless \-c names another:
.BR sallyport.yaml (5)
.TP
.I $STATE_DIRECTORY, ~/.local/share/sallyport, /var/lib/sallyport
the state folder, the first that applies unless the configuration or \-\-state names another: the vault and its key,
store.db (tokens, keys), audit/ (the log), ring/, control.sock (commands to the gateway that runs)
.SH ENVIRONMENT
.TP
.B STATE_DIRECTORY
the state folder, as systemd names it
.TP
.B CREDENTIALS_DIRECTORY
where credential:NAME is looked for, as systemd names it
.TP
.B LISTEN_FDS, LISTEN_PID, NOTIFY_SOCKET
socket activation and readiness, as systemd has them
.SH SIGNALS
.TP
.B SIGHUP
.B serve
reads its configuration anew; a bad one is refused and the old one goes on
.TP
.B SIGTERM, SIGINT
.B serve
lets running calls finish and ends; a second one ends it at once
.SH EXIT STATUS
0 done; 1 it did not work, or errors were found; 2 it was called wrongly
.SH SEE ALSO
.BR sallyport.yaml (5)
"""


def roff(text):
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("…", r"\&...")
    return "\n".join(r"\&" + line if line.startswith((".", "'")) else line for line in text.split("\n"))


def run(program, *words):
    return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout


def section(program, name, text):
    usage, _, rest = run(program, name, "--help").partition("\n\n")
    out = [f".SS {roff(name)}", roff(text) + "."]
    out += [".PP", ".nf", *(f".B {roff(line[7:])}" if i else f".B {roff(line.removeprefix('usage: '))}"
                            for i, line in enumerate(usage.splitlines())), ".fi"]
    for block in rest.rstrip("\n").split("\n\n"):
        plain = not any(line.startswith(" ") for line in block.splitlines())
        out += [".PP", roff(block)] if plain else [".PP", ".nf", roff(block), ".fi"]
    return out


def main(program, output):
    rows = re.findall(r"^  ([a-z]+) +(.*)$", run(program, "--help"), re.M)
    lines = [HEAD.replace("@VERSION@", run(program, "version").split()[1]).rstrip("\n")]
    for name, text in rows:
        lines += section(program, name, text)
    with open(output, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n" + TAIL)


if __name__ == "__main__":
    main(*sys.argv[1:])
