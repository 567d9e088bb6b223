"""The versions of Celery that fleet takes: a Python for each, where everything else is as in this one.

A venv in `.celery-versions/` has that Celery, with what it requires, before the packages of the Python that made it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib

from tests.celery_worker.environment import CantInstall
from tests.support import ROOT, alone

_FOLDER = ROOT / ".celery-versions"
_SECONDS = 300
Version = tuple[int, int]


def declared() -> tuple[Version, Version]:
    """The lowest and the highest minor version that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = project["optional-dependencies"]["celery"]
    found = re.fullmatch(r"celery>=(\d+)\.(\d+),<(\d+)\.(\d+)", requirement)
    assert found, requirement
    low_major, low, high_major, above = map(int, found.groups())
    return (low_major, low), (high_major, above - 1)


def python_with(wanted: str) -> str:
    """The interpreter of a venv with the Celery that `wanted` says ("celery==5.6.0"). Raises CantInstall."""
    folder = _FOLDER / re.sub(r"[^\w.]+", "-", wanted)
    interpreter, stamp = folder / "bin" / "python", folder / "made-from.txt"
    packages = sysconfig.get_path("purelib")
    made_from = f"{sys.version}\n{packages}\n{wanted}\n"
    with alone(_FOLDER):
        if not stamp.exists() or stamp.read_text() != made_from:
            _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)])
            base = getattr(sys, "_base_executable", sys.executable)
            pip = [base, "-m", "pip", "--python", str(interpreter), "install", "--quiet"]
            _run([*pip, "--disable-pip-version-check", wanted])
            (site,) = folder.glob("lib/python*/site-packages")
            (site / "rest.pth").write_text(f"{packages}\n{ROOT}\n")
            stamp.write_text(made_from)
    return str(interpreter)


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CantInstall(str(error)) from error
    if done.returncode:
        raise CantInstall(done.stderr.strip()[-500:])
