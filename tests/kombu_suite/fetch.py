"""Fetch kombu's tests: the source distribution of exactly the installed kombu, by pip from the index in use."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support import ROOT, alone

CACHE = ROOT / ".kombu-suite"
_SECONDS = 180


class CantFetch(Exception):  # noqa: N818
    """The index can't be reached, or doesn't have it; the text says what pip said."""


def fetch(cache: Path = CACHE) -> Path:
    """The folder with kombu's tests; fetched once per version of kombu."""
    version = importlib.metadata.version("kombu")
    with alone(cache):
        folder = cache / "tests" / f"kombu-{version}"
        if not folder.is_dir():
            download("kombu", version, cache)
            _unpack(cache / f"kombu-{version}.tar.gz", folder)
        ours = Path(__file__).with_name("more_cases.py").read_bytes()
        theirs = folder / "t" / "integration" / "test_more_cases.py"
        if not theirs.exists() or theirs.read_bytes() != ours:  # another run may read it in this moment
            theirs.write_bytes(ours)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    """All or nothing: whoever is killed meanwhile leaves no folder of that name."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as unpacked:
        with tarfile.open(archive) as opened:
            opened.extractall(unpacked, filter="data")
        whole = Path(unpacked) / folder.name
        # Else kombu itself would be imported from there instead of the installed one.
        shutil.rmtree(whole / "kombu")
        folder.parent.mkdir(exist_ok=True)
        whole.rename(folder)


def download(package: str, version: str, cache: Path) -> None:
    """Its source distribution. Raises CantFetch."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
    command = [*_pip(), "download", *options, f"{package}=={version}", "--dest", str(cache)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CantFetch(str(error)) from error
    if done.returncode:
        raise CantFetch(done.stderr.strip()[-500:])


def _pip() -> list[str]:
    """A venv made without ensurepip has no pip: then that of the Python it was made from."""
    has_one = importlib.util.find_spec("pip") is not None
    return [sys.executable if has_one else getattr(sys, "_base_executable", "python3"), "-m", "pip"]
