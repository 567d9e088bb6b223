"""The peers' venv: made once, again when their list changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.contenders import OLDER_PEERS, PEERS

_LISTS = PEERS.parent.parent / "benchmarks" / "libraries"
VENVS = {PEERS: _LISTS / "requirements.txt", OLDER_PEERS: _LISTS / "requirements_older.txt"}


def make() -> None:
    for venv, wanted in VENVS.items():
        _make(venv, wanted)


def _make(venv: Path, wanted: Path) -> None:
    stamp = venv / "made-from"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return
    print(f"making the peers' venv {venv.name} (once) …", file=sys.stderr)
    # Debian's Python has no ensurepip: the pip beside us installs into it from outside.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)], check=True)
    stamp.write_text(wanted.read_text())


def versions() -> dict[str, str]:
    """Of all, those of the older redis-py left out."""
    lines = [
        line
        for wanted in reversed(VENVS.values())
        for line in wanted.read_text().splitlines()
        if "==" in line
    ]
    return dict(line.split("==") for line in lines)
