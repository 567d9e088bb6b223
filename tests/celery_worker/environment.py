"""Venvs for tests alone: with Celery and without fleet's own dependencies, as a user of the kombu transports has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, alone

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_FOLDER = ROOT / ".celery-worker"
_SECONDS = 300


class CantInstall(Exception):  # noqa: N818
    """The package index can't be reached; the text says what pip said."""


def python(requirements: Path = REQUIREMENTS, folder: Path = _FOLDER) -> str:
    """The interpreter of such a venv; made at first use, by one test process while the others wait."""
    with alone(folder):
        interpreter = folder / "venv" / "bin" / "python"
        stamp = folder / "made-from.txt"
        wanted = f"{sys.version}\n{requirements.read_text()}"
        if not stamp.exists() or stamp.read_text() != wanted:
            _make(interpreter, requirements)
            stamp.write_text(wanted)
        return str(interpreter)


def _make(interpreter: Path, requirements: Path) -> None:
    """By the pip of this Python from outside: not every Python has what a venv's own pip is made from."""
    venv = interpreter.parent.parent
    _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)])
    base = getattr(sys, "_base_executable", sys.executable)
    pip = [base, "-m", "pip", "--python", str(interpreter)]
    _run([*pip, "install", "--quiet", "--disable-pip-version-check", "-r", str(requirements)])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CantInstall(str(error)) from error
    if done.returncode:
        raise CantInstall(done.stderr.strip()[-500:])
