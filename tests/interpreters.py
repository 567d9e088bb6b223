"""The Pythons that fleet supports, where this machine has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


@cache
def interpreter(version: str) -> str | None:
    """A program that is Python `version` and has venv; None when there is none here."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    candidates = [sys.executable, shutil.which(f"python{version}"), *map(str, pyenv)]
    return next((each for each in candidates if each and _is(each, version)), None)


def _is(program: str, version: str) -> bool:
    # A pyenv shim is there for every version that any of its interpreters has, and fails when run.
    say = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    said = subprocess.run([program, "-c", say], capture_output=True, text=True, check=False)
    return said.returncode == 0 and said.stdout.strip() == version
