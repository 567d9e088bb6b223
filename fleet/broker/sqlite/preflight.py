"""The embedded broker: is its file what it should be, and may this user write it?"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.preflight import Preflight
from fleet.broker.sqlite.file import SCHEMA_VERSION
from fleet.broker.urls import sqlite_path
from fleet.spec import BrokerSpec

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def preflight_sqlite(broker: BrokerSpec) -> Preflight:
    """Raises BrokerUnavailable."""
    path = sqlite_path(broker.url)
    if path.exists():
        _may_write(path)
    else:
        _may_make(path)
    return Preflight(f"SQLite {sqlite3.sqlite_version}")


def _may_make(path: Path) -> None:
    """fleet makes the file and the last folder of its path."""
    last = path.absolute().parent
    present = last if last.exists() else last.parent
    if not present.exists():
        raise _unusable(path, f"it can't be made: there is no folder {present}")
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        raise _unusable(path, f"it can't be made: {present} is not a folder that this user may write in")


def _may_write(path: Path) -> None:
    """Takes the lock for writing and gives it back. Whoever holds it just now may write, so others may."""
    try:
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1, isolation_level=None
        )
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
        finally:
            database.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
            return
        raise _unusable(path, str(error)) from error
    if version > SCHEMA_VERSION:
        raise _unusable(path, f"written by a newer fleet (schema {version}, this one knows {SCHEMA_VERSION})")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise _unusable(
            path, f"SQLite keeps its log beside the file, but this user may not write in {path.parent}"
        )


def _unusable(path: Path, reason: str) -> BrokerUnavailable:
    return BrokerUnavailable(f"sqlite:///{path}: {reason}")
