"""The peers' venv: made once, again when their list changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".cache" / "supervisors"
BIN = VENV / "bin"
LIST = Path(__file__).with_name("requirements.txt")


def make() -> None:
    stamp = VENV / "made-from"
    if stamp.exists() and stamp.read_text() == LIST.read_text():
        return
    print("making the peers' venv (once) …", file=sys.stderr)
    # Debian's Python has no ensurepip: the pip beside us installs into it from outside.
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV], check=True)
    pip = [sys.executable, "-m", "pip", "--python", BIN / "python", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "-qq", "-r", LIST], check=True)
    stamp.write_text(LIST.read_text())


def version(package: str) -> str:
    return next(
        line.split("==")[1] for line in LIST.read_text().splitlines() if line.startswith(f"{package}==")
    )
