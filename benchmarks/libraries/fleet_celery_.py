"""A Celery app on fleet's worker: app and clients are those of `celery_`, not a line is another."""

from __future__ import annotations

from pathlib import Path

from benchmarks.libraries import fleet_
from benchmarks.libraries.celery_ import app, close, preload, send

__all__ = ["app", "close", "launch", "preload", "send"]


def launch(folder: Path) -> Path:
    return fleet_.launch(folder, "benchmarks.libraries.celery_:app")
