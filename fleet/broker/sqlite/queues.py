"""The queues of the embedded broker and what lies in them: that part of LeasedStore that claims nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fleet.broker.leased.store import Claim, Found, QueueCounts
from fleet.broker.sqlite.clock import clock_of
from fleet.broker.sqlite.file import SqliteFile
from fleet.broker.sqlite.rows import BINDINGS, COLUMNS, IS_READY, to_claim

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

    def stats(self, queue: str) -> QueueCounts:
        now = self._clock()
        [(ready, late, delayed, claimed, oldest)] = self._file.read(_STATS, {"queue": queue, "now": now})
        return QueueCounts(ready + late, delayed, claimed, None if oldest is None else max(0.0, now - oldest))

    def browse(self, queue: str, limit: int, offset: int = 0) -> list[Claim]:
        rows = self._file.read(
            f"""SELECT {COLUMNS} FROM messages
            WHERE queue = ? AND {IS_READY} ORDER BY priority DESC, id LIMIT ? OFFSET ?""",  # noqa: S608
            (queue, limit, offset),
        )
        return [to_claim(row, None, -1) for row in rows]

    def find(self, queues: Sequence[str], ident: str, _window: int) -> tuple[Found | None, bool]:
        marks = ", ".join("?" * len(queues))
        rows = self._file.read(
            f"SELECT {COLUMNS}, owner, due FROM messages WHERE queue IN ({marks}) AND instr(meta, ?) > 0",  # noqa: S608
            (*queues, ident),
        )
        found = [self._found(row) for row in rows]
        return next((each for each in found if each.claim.message.headers.get("id") == ident), None), True

    def delayed(self, queue: str, limit: int) -> list[Found]:
        rows = self._file.read(
            f"SELECT {COLUMNS}, owner, due FROM messages WHERE queue = ? AND due > ? ORDER BY due LIMIT ?",  # noqa: S608
            (queue, self._clock(), limit),
        )
        return [self._found(row) for row in rows]

    def _found(self, row: tuple[Any, ...]) -> Found:
        *columns, owner, due = row
        state = "claimed" if owner is not None else "delayed" if due and due > self._clock() else "waiting"
        return Found(to_claim(tuple(columns), None, -1), state, due)

    def cancel(self, queue: str, ident: str) -> bool:
        chosen = [
            each.claim.tag[0]
            for each in self.delayed(queue, -1)
            if each.claim.message.headers.get("id") == ident
        ]
        sql = "DELETE FROM messages WHERE id = ? AND due IS NOT NULL AND owner IS NULL"
        return self._file.write(lambda db: sum(db.execute(sql, (each,)).rowcount for each in chosen)) > 0

    def purge(self, queue: str) -> int:
        ready = f"DELETE FROM messages WHERE queue = ? AND {IS_READY}"  # noqa: S608
        delayed = "DELETE FROM messages WHERE queue = ? AND due IS NOT NULL"
        return self._file.write(
            lambda db: sum(db.execute(sql, (queue,)).rowcount for sql in (ready, delayed))
        )

    def delete(self, queue: str) -> None:
        self._file.write(lambda db: self._forget(db, queue))

    def _forget(self, db: sqlite3.Connection, queue: str) -> None:
        db.execute("DELETE FROM messages WHERE queue = ?", (queue,))
        db.execute("DELETE FROM bindings WHERE queue = ?", (queue,))
        db.execute("DELETE FROM queues WHERE name = ?", (queue,))
        self._known_queues.discard(queue)

    def _remember(self, db: sqlite3.Connection, queues: Iterable[str]) -> None:
        """Remember queues as known once this is committed, not before."""
        unknown = [(queue,) for queue in queues if queue not in self._known_queues]
        if unknown:
            db.executemany("INSERT OR IGNORE INTO queues VALUES (?)", unknown)

    def _begin_anew(self) -> None:
        """The file is another one."""
        self._known_queues.clear()
        self._clock = self._given_clock or clock_of(self._file)
