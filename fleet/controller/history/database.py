"""`history.db`: the one file of the history. SQLite in WAL, 0600, written by one thread, read by any.

Points are of three lengths of time: minutes are kept for a day, ten minutes for two weeks, hours for half a year. A
file that can't be read is set aside and begun anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from fleet.controller.history.points import KEPT_SECONDS, STEPS, HistoryPoint, combined
from fleet.controller.history.totals import KEPT_MINUTES, BaselineKey, ErrorGroup, ErrorKey, Key, Totals
from fleet.private_files import open_private
from fleet.telemetry import ErrorEntry, dense, sparse

SCHEMA_VERSION = 1
KEPT_EVENTS = 20_000
_ORPHANED_SECONDS = 2 * 86400  # baselines of processes that nobody has heard of for so long
_TRIMMED_AT_ONCE = 20  # a part of all points

_TABLES = """
CREATE TABLE totals (kind TEXT, name TEXT, task TEXT, numbers TEXT NOT NULL, last_success REAL NOT NULL,
  PRIMARY KEY (kind, name, task)) WITHOUT ROWID;
CREATE TABLE baselines (birth TEXT, queue TEXT, task TEXT, numbers TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (birth, queue, task)) WITHOUT ROWID;
CREATE TABLE errors (type TEXT, place TEXT, entry TEXT NOT NULL, PRIMARY KEY (type, place)) WITHOUT ROWID;
CREATE TABLE error_baselines (birth TEXT, type TEXT, place TEXT, times INTEGER NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (birth, type, place)) WITHOUT ROWID;
CREATE TABLE series (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, task TEXT NOT NULL,
  UNIQUE (kind, name, task));
CREATE TABLE points (series INTEGER, step INTEGER, at INTEGER, counts BLOB NOT NULL, gauges TEXT NOT NULL,
  PRIMARY KEY (series, step, at))
  WITHOUT ROWID;
CREATE TABLE events (sequence INTEGER PRIMARY KEY, entry TEXT NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Batch:
    """What one transaction writes; what could not be written goes into the next."""

    at: float
    totals: dict[Key, tuple[list[float], float]] = field(default_factory=dict)
    baselines: dict[BaselineKey, list[float]] = field(default_factory=dict)
    errors: dict[ErrorKey, ErrorGroup] = field(default_factory=dict)
    error_baselines: dict[tuple[str, ErrorKey], int] = field(default_factory=dict)
    points: dict[tuple[Key, int], HistoryPoint] = field(
        default_factory=dict
    )  # of minutes, by when they began
    events: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[Path, str] = field(default_factory=dict)  # last words that are in it, with their births
    forgotten: set[str] = field(default_factory=set)  # births of processes whose last word is on disk
    alive: frozenset[str] | None = None  # births of those that are connected; None: that is not known yet

    def add(self, later: Batch) -> None:
        """What has come since."""
        self.at, self.alive = later.at, later.alive
        for name in ("totals", "baselines", "errors", "error_baselines", "points", "facts", "files"):
            getattr(self, name).update(getattr(later, name))
        self.events += later.events
        self.forgotten |= later.forgotten


class Database:
    """One connection, for the thread that writes. Raises sqlite3.Error."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        self._series: dict[Key, int] = {}

    def open(self) -> str | None:
        """Open or make it. Why the file that was there has been set aside, if it has."""
        aside = None
        try:
            self._db = self._opened()
        except sqlite3.DatabaseError as error:
            if not _is_corrupt(error):
                raise
            aside = f"{error}; it is kept as {self.set_aside().name}"
            self._db = self._opened()
        return aside

    def _opened(self) -> sqlite3.Connection:
        os.close(open_private(self.path, os.O_RDWR | os.O_CREAT))
        db = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                db.executescript(
                    f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
            elif version != SCHEMA_VERSION:
                raise sqlite3.DatabaseError(f"made by another version (schema {version})")
            (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(f"malformed: {verdict}")
        except BaseException:
            db.close()
            raise
        return db

    def set_aside(self) -> Path:
        """Give it another name, so that a new one can be begun; one such file is kept."""
        self.close()
        kept = self.path.with_name(f"{self.path.name}.corrupt")
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").replace(f"{kept}{suffix}")
        return kept

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None
        self._series.clear()

    def load(self, now: float) -> Totals:
        """As it was when it was last written, with the minutes before `now` (POSIX seconds)."""
        db, ledger = self._connected(), Totals()
        for kind, name, task, numbers, last_success in db.execute("SELECT * FROM totals"):
            key = Key(kind, name, task)
            ledger.totals[key] = dense(json.loads(numbers))
            if last_success:
                ledger.last_success[key] = last_success
        for birth, queue, task, numbers, _ in db.execute("SELECT * FROM baselines"):
            ledger.baselines[BaselineKey(birth, queue, task)] = dense(json.loads(numbers))
        for kind, place, entry in db.execute("SELECT * FROM errors"):
            times, first, last, *example = json.loads(entry)
            ledger.errors[ErrorKey(kind, place)] = ErrorGroup(times, first, last, ErrorEntry(*example))
        for birth, kind, place, times, _ in db.execute("SELECT * FROM error_baselines"):
            ledger.error_baselines[birth, ErrorKey(kind, place)] = times
        minutes = db.execute(
            "SELECT kind, name, task, at, counts, gauges FROM points JOIN series ON series = id"
            " WHERE step = ? AND at >= ?",
            (STEPS[0], now - KEPT_MINUTES * 60),
        )
        for kind, name, task, at, *columns in minutes:
            if counts := HistoryPoint.from_columns(*columns).counts:
                ledger.minutes.setdefault(at, {})[Key(kind, name, task)] = counts
        return ledger

    def facts(self) -> dict[str, Any]:
        rows = self._connected().execute("SELECT name, value FROM facts")
        return {name: json.loads(value) for name, value in rows}

    def last_sequence(self) -> int:
        """Of its events; 0 when there is none."""
        (latest,) = self._connected().execute("SELECT max(sequence) FROM events").fetchone()
        return latest or 0

    def write(self, batch: Batch) -> None:
        """All of it, or nothing."""
        db = self._connected()
        db.execute("BEGIN IMMEDIATE")
        try:
            self._write(db, batch)
            db.execute("COMMIT")
        except BaseException:
            self._series.clear()
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self._trim(db)

    def size(self) -> int:
        """Bytes that are in use."""
        (pages,) = self._connected().execute("PRAGMA page_count").fetchone()
        (free,) = self._connected().execute("PRAGMA freelist_count").fetchone()
        (page,) = self._connected().execute("PRAGMA page_size").fetchone()
        return int((pages - free) * page)

    def _connected(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = self._opened()
        elif not self.path.exists():  # deleted: what goes on being written there would be lost
            self.close()
            self._db = self._opened()
        return self._db

    def _write(self, db: sqlite3.Connection, batch: Batch) -> None:
        at = batch.at
        db.executemany(
            "INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?, ?)",
            [(*key, _text(numbers), success) for key, (numbers, success) in batch.totals.items()],
        )
        db.executemany(
            "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?, ?)",
            [(*key, _text(numbers), at) for key, numbers in batch.baselines.items()],
        )
        db.executemany(
            "INSERT OR REPLACE INTO errors VALUES (?, ?, ?)",
            [
                (*key, json.dumps([group.times, group.first, group.last, *group.example]))
                for key, group in batch.errors.items()
            ],
        )
        db.executemany(
            "INSERT OR REPLACE INTO error_baselines VALUES (?, ?, ?, ?, ?)",
            [(birth, *key, times, at) for (birth, key), times in batch.error_baselines.items()],
        )
        self._write_points(db, batch)
        events = [(each["sequence"], json.dumps(each)) for each in batch.events]
        db.executemany("INSERT OR REPLACE INTO events VALUES (?, ?)", events)
        facts = [(name, json.dumps(value)) for name, value in batch.facts.items()]
        db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts)
        self._tidy(db, batch)

    def _write_points(self, db: sqlite3.Connection, batch: Batch) -> None:
        rows = [
            (self._series_of(db, key), STEPS[0], minute, *point.to_columns())
            for (key, minute), point in batch.points.items()
        ]
        db.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", rows)
        for short, long in pairwise(STEPS):
            self._roll_up(db, short, long, batch.at)

    def _series_of(self, db: sqlite3.Connection, key: Key) -> int:
        if key not in self._series:
            db.execute("INSERT OR IGNORE INTO series (kind, name, task) VALUES (?, ?, ?)", key)
            found = db.execute("SELECT id FROM series WHERE kind = ? AND name = ? AND task = ?", key)
            self._series[key] = found.fetchone()[0]
        return self._series[key]

    def _roll_up(self, db: sqlite3.Connection, short: int, long: int, now: float) -> None:
        """Longer points of shorter ones, for each whole length of time that is over and has not been done yet."""
        name = f"rolled_up_{long}"
        done = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        begin = int(json.loads(done[0])) if done else 0
        end = int(now // long) * long
        if end <= begin:
            return
        rows = db.execute(
            "SELECT series, kind, at / :long * :long AS start, counts, gauges FROM points JOIN series ON series = id"
            " WHERE step = :short AND at >= :begin AND at < :end ORDER BY series, at",
            {"long": long, "short": short, "begin": begin, "end": end},
        ).fetchall()
        groups: dict[tuple[int, str, int], list[HistoryPoint]] = {}
        for series, kind, start, *columns in rows:
            groups.setdefault((series, kind, start), []).append(HistoryPoint.from_columns(*columns))
        longer = [
            (series, long, start, *combined(kind, points).to_columns())
            for (series, kind, start), points in groups.items()
        ]
        db.executemany("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?)", longer)
        db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(end)))

    def _tidy(self, db: sqlite3.Connection, batch: Batch) -> None:
        for step in STEPS:
            db.execute("DELETE FROM points WHERE step = ? AND at < ?", (step, batch.at - KEPT_SECONDS[step]))
        db.execute(
            "DELETE FROM events WHERE sequence <= (SELECT max(sequence) FROM events) - ?", (KEPT_EVENTS,)
        )
        gone = [(birth,) for birth in batch.forgotten]
        for table in ("baselines", "error_baselines"):
            db.executemany(f"DELETE FROM {table} WHERE birth = ?", gone)  # noqa: S608  one of two names
            if batch.alive is None:
                continue
            old = batch.at - _ORPHANED_SECONDS
            births = [
                each
                for each in db.execute(f"SELECT DISTINCT birth FROM {table} WHERE at < ?", (old,)).fetchall()  # noqa: S608
                if each[0] not in batch.alive
            ]
            db.executemany(f"DELETE FROM {table} WHERE birth = ? AND at < {old}", births)  # noqa: S608

    def _trim(self, db: sqlite3.Connection) -> None:
        """The oldest points go while the file is too large; what they took is given back."""
        if self.size() <= self.max_bytes:
            return
        for _ in range(_TRIMMED_AT_ONCE):
            if self.size() <= self.max_bytes:
                break
            (count,) = db.execute("SELECT count(*) FROM points").fetchone()
            if not count:
                db.execute("DELETE FROM events WHERE sequence <= (SELECT avg(sequence) FROM events)")
                break
            offset = max(1, count // _TRIMMED_AT_ONCE)
            row = db.execute("SELECT at FROM points ORDER BY at LIMIT 1 OFFSET ?", (offset,)).fetchone()
            db.execute("DELETE FROM points WHERE at <= ?", row or (2**53,))
        db.execute("PRAGMA incremental_vacuum")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    """Rather than locked, full or forbidden."""
    code = getattr(error, "sqlite_errorcode", None)
    return code in (None, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_corrupt(error: BaseException) -> bool:
    """Whether the file itself is at fault, so that another one would do better."""
    return isinstance(error, sqlite3.DatabaseError) and _is_corrupt(error)


def _text(numbers: Iterable[float]) -> str:
    return json.dumps(sparse(list(numbers)), separators=(",", ":"))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that only reads, for any thread. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2.0)) as db:
        yield db
