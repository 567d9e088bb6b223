"""Fetch Celery's integration tests: of exactly the installed Celery, from its source distribution."""

from __future__ import annotations

import importlib.metadata
import shutil
import tarfile
import tempfile
from pathlib import Path

from tests.kombu_suite.fetch import CantFetch, download
from tests.support import ROOT, alone

__all__ = ["CantFetch", "fetch"]

_CACHE = ROOT / ".celery-suite"


def fetch() -> Path:
    """The folder with `t/` and pyproject.toml: without `celery/`, which would stand before the installed one."""
    version = importlib.metadata.version("celery")
    folder = _CACHE / version
    with alone(_CACHE):
        if not folder.is_dir():
            download("celery", version, _CACHE)
            with tempfile.TemporaryDirectory(dir=_CACHE) as unpacked:
                with tarfile.open(_CACHE / f"celery-{version}.tar.gz") as archive:
                    archive.extractall(unpacked, filter="data")
                whole = Path(unpacked) / f"celery-{version}"
                shutil.rmtree(whole / "celery")
                whole.rename(folder)  # all or nothing
    return folder
