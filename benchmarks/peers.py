"""The peers' venv: made once, again when their list changes."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.contenders import PEERS

LIST = PEERS.parent.parent / "benchmarks" / "libraries" / "requirements.txt"


def make() -> None:
    stamp = PEERS / "made-from"
    if stamp.exists() and stamp.read_text() == LIST.read_text():
        return
    print("making the peers' venv (once) …", file=sys.stderr)
    # Debian's Python has no ensurepip: the pip beside us installs into it from outside.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(PEERS)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(PEERS / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--disable-pip-version-check", "-r", str(LIST)], check=True)
    stamp.write_text(LIST.read_text())


def versions() -> dict[str, str]:
    lines = [line for line in LIST.read_text().splitlines() if "==" in line]
    return dict(line.split("==") for line in lines)
