"""A file out of an npm package, to hold our output against something official; kept in .cache/."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support import ROOT, alone


def npm_file(package: str, version: str, name: str) -> Path:
    """Skips when npm or its registry can't be reached; under CI that is a failure."""
    home = ROOT / ".cache" / "npm" / f"{package.replace('/', '+')}-{version}"
    with alone(home):
        if not (home / name).exists():
            _unpack(f"{package}@{version}", home)
    return home / name


def _unpack(package: str, home: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        return _unavailable("npm is not installed")
    try:
        packed = subprocess.run(
            [npm, "pack", "--silent", package],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return _unavailable(f"npm pack {package}: {error}")
    with tarfile.open(home / packed.stdout.split()[-1]) as archive:
        archive.extractall(home, filter="data")
    return None


def _unavailable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
