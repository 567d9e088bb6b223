"""The time by which leases and delays of the embedded broker run: one that nobody can set.

A lease is kept by several processes, so a monotonic clock of each is not enough; and by the time of day
somebody who sets the clock forward would end all leases, and tasks that run would be given to others as well.
All processes of a host share the time since it booted. When that was is written into the file by whoever
opens it first, and holds until the next boot, however wrong it is: all that counts is how far two moments
are apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path

from fleet.broker.sqlite.file import SqliteFile
from fleet.clock import time

# Not in the schema: files of before get it, too, and who doesn't know it does without. A row a boot, for
# containers that share a file may each have an id.
_TABLE = "CREATE TABLE IF NOT EXISTS boots (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID"
_BOOTED_AT = "SELECT at FROM boots WHERE id = ?"
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'boots'"


def clock_of(file: SqliteFile) -> Callable[[], float]:
    """POSIX seconds, about; the same in all processes of this host. Raises BrokerUnavailable."""
    boot = _boot_id()
    if boot is None:
        return time.time  # not Linux
    known = file.read(_BOOTED_AT, (boot,)) if file.read(_IS_THERE) else []
    booted_at = known[0][0] if known else file.write(lambda db: _note(db, boot))
    return lambda: booted_at + _since_boot()


def _note(db: sqlite3.Connection, boot: str) -> float:
    """When this host booted; noted unless somebody else was quicker."""
    db.execute(_TABLE)
    # A machine without a battery may think it is 1970: what the file holds was not published after now.
    latest = db.execute("SELECT published FROM messages ORDER BY id DESC LIMIT 1").fetchone()
    now = max(time.time(), *latest or (0.0,))
    db.execute("INSERT OR IGNORE INTO boots VALUES (?, ?)", (boot, now - _since_boot()))
    (booted_at,) = db.execute(_BOOTED_AT, (boot,)).fetchone()
    return float(booted_at)


def _since_boot() -> float:
    """Seconds, with those that the machine slept."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() if _CAN_TELL else None
    except OSError:
        return None


_CAN_TELL = hasattr(time, "CLOCK_BOOTTIME")
