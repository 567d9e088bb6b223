"""Bring the messages of one file of the embedded broker into another."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

from fleet.broker.sqlite.clock import clock_of
from fleet.broker.sqlite.file import SqliteFile
from fleet.broker.sqlite.wake import ring

_FREE = "owner IS NULL OR owner NOT IN (SELECT id FROM owners WHERE lease_until >= ?)"
_ANY = f"SELECT EXISTS (SELECT 1 FROM messages WHERE {_FREE})"  # noqa: S608
# Each file has a clock of its own: all times are moved by the difference.
_MESSAGES = f"""SELECT queue, priority, due + ?, attempts, published + ?, meta, body FROM messages
    WHERE {_FREE} ORDER BY id"""  # noqa: S608
_INSERT = """INSERT INTO messages (queue, priority, due, attempts, published, meta, body)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""


def take_over(target: Path, left: Path) -> int:
    """How many: all that nobody holds (any more). Whoever is killed in between has left some in both files: twice
    rather than never. Raises BrokerUnavailable.
    """
    source = SqliteFile(left)
    try:
        now = clock_of(source)()
        if source.read(_ANY, (now,)) == [(0,)]:
            return 0
        own = SqliteFile(target)
        try:
            later = clock_of(own)() - now
            work = source.write(lambda db: _move(db, own, now, later))
        finally:
            own.close()
    finally:
        source.close()
    ring(target.with_name(f"{target.name}.wake"), work)
    return work.total()


def _move(db: sqlite3.Connection, own: SqliteFile, now: float, later: float) -> Counter[str]:
    """Messages moved, by queue; `db` is locked until they are on the other side."""
    messages = db.execute(_MESSAGES, (later, later, now)).fetchall()
    names = db.execute("SELECT name FROM queues").fetchall()
    bindings = db.execute("SELECT exchange, queue, routing_key, pattern FROM bindings").fetchall()

    def insert(into: sqlite3.Connection) -> None:
        into.executemany("INSERT OR IGNORE INTO queues VALUES (?)", names)
        into.executemany("INSERT OR IGNORE INTO bindings VALUES (?, ?, ?, ?)", bindings)
        into.executemany(_INSERT, messages)

    own.write(insert)
    own.flush()
    db.execute(f"DELETE FROM messages WHERE {_FREE}", (now,))  # noqa: S608
    return Counter(message[0] for message in messages)
