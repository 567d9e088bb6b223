"""The queues of the embedded broker and what lies in them: that part of LeasedStore that claims nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from fleet.broker.transports.leased import Claim, QueueStats
from fleet.broker.transports.sqlite_clock import clock_of
from fleet.broker.transports.sqlite_file import SqliteFile
from fleet.broker.transports.sqlite_rows import BINDINGS, COLUMNS, IS_READY, to_claim

# Each count by the index that holds exactly those rows.
_STATS = f"""SELECT
    (SELECT count(*) FROM messages WHERE queue = :queue AND {IS_READY}),
    (SELECT count(*) FROM messages WHERE queue = :queue AND due <= :now),
    (SELECT count(*) FROM messages WHERE queue = :queue AND due > :now),
    (SELECT count(*) FROM messages WHERE queue = :queue AND owner IS NOT NULL),
    (SELECT published FROM messages
        WHERE id = (SELECT min(id) FROM messages WHERE queue = :queue AND {IS_READY}))"""  # noqa: S608


class SqliteQueues:
    """See LeasedStore."""

    def __init__(self, path: Path, clock: Callable[[], float] | None = None) -> None:
        self._file = SqliteFile(path)
        self._given_clock = clock
        self._clock = clock or clock_of(self._file)
        self._known_queues: set[str] = set()

    def declare(self, queue: str) -> None:
        if queue not in self._known_queues and (queue,) not in self._file.read("SELECT name FROM queues"):
            self._file.write(lambda db: self._remember(db, [queue]))
        self._known_queues.add(queue)

    def queues(self) -> list[str]:
        return [str(name) for (name,) in self._file.read("SELECT name FROM queues ORDER BY name")]

    def bind(self, queue: str, exchange: str, routing_key: str, pattern: str = "") -> None:
        row = (exchange, queue, routing_key, pattern)
        if row not in self._file.read("SELECT * FROM bindings WHERE exchange = ?", (exchange,)):
            self._file.write(
                lambda db: db.execute("INSERT OR REPLACE INTO bindings VALUES (?, ?, ?, ?)", row)
            )

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        key = (exchange, queue, routing_key)
        sql = "DELETE FROM bindings WHERE exchange = ? AND queue = ? AND routing_key = ?"
        self._file.write(lambda db: db.execute(sql, key))

    def bindings(self, exchange: str) -> list[tuple[str, str, str]]:
        return self._file.read(BINDINGS, (exchange,))

    def size(self, queue: str) -> int:
        return self.stats(queue).ready

    def stats(self, queue: str) -> QueueStats:
        now = self._clock()
        [(ready, late, delayed, claimed, oldest)] = self._file.read(_STATS, {"queue": queue, "now": now})
        return QueueStats(ready + late, delayed, claimed, None if oldest is None else max(0.0, now - oldest))

    def browse(self, queue: str, limit: int, offset: int = 0) -> list[Claim]:
        rows = self._file.read(
            f"""SELECT {COLUMNS} FROM messages
            WHERE queue = ? AND {IS_READY} ORDER BY priority DESC, id LIMIT ? OFFSET ?""",  # noqa: S608
            (queue, limit, offset),
        )
        return [to_claim(row, None, -1) for row in rows]

    def purge(self, queue: str) -> int:
        ready = f"DELETE FROM messages WHERE queue = ? AND {IS_READY}"  # noqa: S608
        delayed = "DELETE FROM messages WHERE queue = ? AND due IS NOT NULL"
        return self._file.write(
            lambda db: sum(db.execute(sql, (queue,)).rowcount for sql in (ready, delayed))
        )

    def delete(self, queue: str) -> None:
        def forget(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM messages WHERE queue = ?", (queue,))
            db.execute("DELETE FROM bindings WHERE queue = ?", (queue,))
            db.execute("DELETE FROM queues WHERE name = ?", (queue,))

        self._file.write(forget)
        self._known_queues.discard(queue)

    def _remember(self, db: sqlite3.Connection, queues: Iterable[str]) -> None:
        unknown = [(queue,) for queue in queues if queue not in self._known_queues]
        if unknown:
            db.executemany("INSERT OR IGNORE INTO queues VALUES (?)", unknown)
            self._known_queues.update(queue for (queue,) in unknown)

    def _begin_anew(self) -> None:
        """The file is another one."""
        self._known_queues.clear()
        self._clock = self._given_clock or clock_of(self._file)
