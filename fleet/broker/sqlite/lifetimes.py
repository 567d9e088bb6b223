"""The lifetimes of queues and their messages, in the embedded broker: see Lifetimes.

Tables of their own, made when the first lifetime is declared: files of before get them, and who doesn't know
them does without. Users are named, not numbered: a number is lost with its lease, a name comes back.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

from fleet.broker.delivery import Posting
from fleet.broker.leased.lifetimes import GONE_SECONDS, Lifetime
from fleet.broker.sqlite.rows import IS_READY, free
from fleet.broker.sqlite.store import SqliteStore

_TABLES = (
    """CREATE TABLE IF NOT EXISTS lifetimes (queue TEXT PRIMARY KEY, temporary INTEGER NOT NULL,
        expires INTEGER, message_ttl INTEGER, ends_unused REAL) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS users (queue TEXT, owner TEXT, PRIMARY KEY (queue, owner)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS gone (queue TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS swept (one INTEGER PRIMARY KEY CHECK (one = 1), at REAL NOT NULL)",
)
_IS_THERE = "SELECT 1 FROM sqlite_master WHERE name = 'swept'"
_DECLARE = """INSERT INTO lifetimes (queue, temporary, expires, message_ttl) VALUES (?, ?, ?, ?)
    ON CONFLICT (queue) DO UPDATE SET temporary = excluded.temporary, expires = excluded.expires,
    message_ttl = excluded.message_ttl"""
_UNUSED_FROM = (
    "UPDATE lifetimes SET ends_unused = ? + expires / 1000.0 WHERE queue = ? AND expires IS NOT NULL"
)
_OF = "SELECT temporary, expires, message_ttl FROM lifetimes WHERE queue = ?"
_ALL = "SELECT temporary, expires, message_ttl, ends_unused FROM lifetimes WHERE queue = ?"


class SqliteLifetimes:
    """See Lifetimes."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._tables_are_there = False

    def declare(self, queue: str, lifetime: Lifetime) -> None:
        self._store.declare(queue)
        if not lifetime.ends and not self._has_tables():
            return

        def note(db: sqlite3.Connection) -> None:
            for table in _TABLES:
                db.execute(table)
            db.execute("INSERT OR IGNORE INTO queues VALUES (?)", (queue,))  # it may have ended meanwhile
            db.execute("DELETE FROM gone WHERE queue = ?", (queue,))
            if lifetime.ends:
                db.execute(_DECLARE, (queue, *lifetime))
            db.execute(_UNUSED_FROM, (self.now(), queue))

        if lifetime.ends or self._is_known(queue):
            self._store._file.write(note)

    def _is_known(self, queue: str) -> bool:
        sql = "SELECT 1 FROM lifetimes WHERE queue = :queue UNION ALL SELECT 1 FROM gone WHERE queue = :queue"
        return bool(self._store._file.read(sql, {"queue": queue}))

    def use(self, queues: Sequence[str]) -> dict[str, Lifetime]:
        if not self._has_tables():
            return {}
        found = {queue: self.of(queue) for queue in queues}
        found = {queue: lifetime for queue, lifetime in found.items() if lifetime.ends}

        def note(db: sqlite3.Connection) -> int:
            owner = self._store._owner.hold(db, self.now())
            rows = [(queue, self._store._owner.name) for queue in found]
            db.executemany("INSERT OR IGNORE INTO users VALUES (?, ?)", rows)
            return owner

        if found:
            self._store._owner.took(self._store._file.write(note))
        return found

    def unuse(self, queues: Sequence[str]) -> None:
        def leave(db: sqlite3.Connection) -> None:
            sql = "DELETE FROM users WHERE queue = ? AND owner = ?"
            for queue in queues:
                if db.execute(sql, (queue, self._store._owner.name)).rowcount:
                    self._review(db, queue, left=True)

        if self._has_tables():
            self._store._file.write(leave)

    def of(self, queue: str) -> Lifetime:
        rows = self._store._file.read(_OF, (queue,)) if self._has_tables() else []
        return Lifetime(bool(rows[0][0]), *rows[0][1:]) if rows else Lifetime()

    def sweep(self, at_most_every: float) -> None:
        if not self._has_tables():
            return
        swept = self._store._file.read("SELECT at FROM swept")
        if swept and 0 <= self.now() - swept[0][0] < at_most_every:
            return
        self._store._ring(self._store._file.write(self._sweep))

    def _sweep(self, db: sqlite3.Connection) -> Counter[str]:
        now = self.now()
        db.execute("INSERT OR REPLACE INTO swept VALUES (1, ?)", (now,))
        db.execute("DELETE FROM gone WHERE until < ?", (now,))
        lapsed = db.execute("DELETE FROM owners WHERE lease_until < ? RETURNING id", (now,)).fetchall()
        freed = free(db, lapsed)
        for (queue,) in db.execute("SELECT queue FROM lifetimes").fetchall():
            self._review(db, queue, left=False)
        return freed

    def _review(self, db: sqlite3.Connection, queue: str, *, left: bool) -> None:
        """End what has to. `left`: a user has left in this moment."""
        row = db.execute(_ALL, (queue,)).fetchone()
        if row is None:
            return
        temporary, expires, message_ttl, ends_unused = row
        dead = "DELETE FROM users WHERE queue = ? AND owner NOT IN (SELECT name FROM owners)"
        left = bool(db.execute(dead, (queue,)).rowcount) or left
        is_used = db.execute("SELECT 1 FROM users WHERE queue = ?", (queue,)).fetchone() is not None
        now = self.now()
        was_last = temporary and left and not is_used
        is_over = expires is not None and not (is_used or left) and (ends_unused or 0.0) <= now
        if was_last or is_over:
            self._end(db, queue)
        else:
            if is_used or left:
                db.execute(_UNUSED_FROM, (now, queue))
            if message_ttl is not None:
                old = f"DELETE FROM messages WHERE queue = ? AND published < ? AND {IS_READY}"  # noqa: S608
                db.execute(old, (queue, now - message_ttl / 1000))

    def _end(self, db: sqlite3.Connection, queue: str) -> None:
        self._forget(db, queue)
        self._store._forget(db, queue)
        db.execute("INSERT OR REPLACE INTO gone VALUES (?, ?)", (queue, self.now() + GONE_SECONDS))

    def _forget(self, db: sqlite3.Connection, queue: str) -> None:
        for table in ("lifetimes", "users", "gone"):
            db.execute(f"DELETE FROM {table} WHERE queue = ?", (queue,))  # noqa: S608

    def publish(self, postings: Sequence[Posting]) -> None:
        if self._has_tables():
            gone = {queue for queue in {posting.queue for posting in postings} if self._is_gone(queue)}
            postings = [posting for posting in postings if posting.queue not in gone]
        self._store.publish(postings)

    def _is_gone(self, queue: str) -> bool:
        return bool(self._store._file.read("SELECT 1 FROM gone WHERE queue = ?", (queue,)))

    def delete(self, queue: str) -> None:
        self._store.delete(queue)
        if self._has_tables() and self._is_known(queue):
            self._store._file.write(lambda db: self._end(db, queue))

    def now(self) -> float:
        return self._store._clock()

    def _has_tables(self) -> bool:
        if not self._tables_are_there:
            self._tables_are_there = bool(self._store._file.read(_IS_THERE))
        return self._tables_are_there
