"""The file of the embedded broker: its tables, how it is opened, and SQLite's errors in words.

WAL, so that readers never wait. Transactions start with BEGIN IMMEDIATE and wait for the lock here, not in
SQLite: its own busy handler sleeps inside C, which would stop every green thread.
"""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from fleet.broker.delivery import BrokerUnavailable
from fleet.clock import time

T = TypeVar("T")

SCHEMA_VERSION = 1
_LOCK_SECONDS = 30.0  # far above any transaction here: who holds it longer is stopped or stuck

# `due` is set only while a message is delayed and `owner` only while it is claimed, so that the ready ones
# are an index of their own: neither a million delayed nor a thousand claimed messages slow `reserve` down.
# AUTOINCREMENT: ids of messages and owners are never used again, which is what fences stale tags.
_TABLES = """
CREATE TABLE queues (name TEXT PRIMARY KEY) WITHOUT ROWID; CREATE TABLE bindings ( exchange TEXT NOT NULL,
queue TEXT NOT NULL, routing_key TEXT NOT NULL, pattern TEXT NOT NULL, PRIMARY KEY (exchange, queue,
routing_key) ) WITHOUT ROWID; CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,
lease_until REAL NOT NULL); CREATE TABLE messages ( id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT
NULL, priority INTEGER NOT NULL, owner INTEGER, due REAL, attempts INTEGER NOT NULL DEFAULT 0, published
REAL NOT NULL, meta TEXT NOT NULL, body BLOB NOT NULL ); CREATE INDEX ready ON messages (queue, priority
DESC, id) WHERE owner IS NULL AND due IS NULL; CREATE INDEX delayed ON messages (due) WHERE due IS NOT NULL;
CREATE INDEX claimed ON messages (owner) WHERE owner IS NOT NULL;
"""

_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only for this user",
    sqlite3.SQLITE_CANTOPEN: "the file can't be opened: does its folder exist, may this user write there?",
    sqlite3.SQLITE_PERM: "this user may not open the file",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database: move it away or choose another broker URL",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: move it away and restore it from a backup",
    sqlite3.SQLITE_IOERR: "reading or writing the file failed",
}
_flush = getattr(os, "fdatasync", os.fsync)  # macOS has only this one
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class SqliteFile:
    """One connection to the file. Not thread-safe. Raises BrokerUnavailable from every method."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log: int | None = None  # a descriptor of the write-ahead log, to flush it by
        self._db = self._guarded(self._open)
        self._inode = path.stat().st_ino

    def reopen(self) -> bool:
        """Open the path anew; whether it is still the same file."""
        # In this order: a deleted file's inode number may only be used again once we have let go of it.
        before, self._db = self._db, self._guarded(self._open)
        before.close()
        self._close_log()
        inode, self._inode = self._inode, self.path.stat().st_ino
        return inode == self._inode

    def read(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """Rows of one SELECT, as tuples."""
        return self._guarded(lambda: self._db.execute(sql, parameters).fetchall())

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, which survives the death of processes once this returns."""
        return self._guarded(lambda: self._transaction(work))

    def flush(self) -> None:
        """What has been committed by now, by whomever, has survived a power cut once this returns.

        Not by `synchronous = FULL`: SQLite would flush while it holds the lock, and all would wait for the
        disk. See docs/decisions/0032-flush-beside-the-lock.md.
        """
        if self._is_logged:
            self._guarded(self._flush_log)

    def _flush_log(self) -> None:
        if self._log is not None and os.fstat(self._log).st_nlink == 0:
            self._close_log()  # SQLite has begun a new one
        if self._log is None:
            self._log = os.open(f"{self.path}-wal", os.O_RDWR | os.O_CLOEXEC)
        _flush(self._log)

    def _close_log(self) -> None:
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def check_still_there(self) -> None:
        """A file that was deleted or replaced would swallow messages: nobody else sees them any more."""
        try:
            if self.path.stat().st_ino == self._inode:
                return
        except OSError:
            pass
        raise BrokerUnavailable(f"sqlite:///{self.path}: the file was removed or replaced while in use")

    def close(self) -> None:
        self._close_log()
        self._db.close()

    def _open(self) -> sqlite3.Connection:
        # Only the last folder: a path that is wrong further up is a mistake to report. And not the running fleet's own
        # state directory: where that is missing, it is on its way.
        if os.environ.get("FLEET_STATE_DIR") != str(self.path.parent):
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
        _make_private(self.path)
        _check_planted(self.path)
        db = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            [mode] = _wait_for_lock(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone())
            self._is_logged = mode == "wal"  # not on every network drive: there each commit has to be durable
            db.execute(f"PRAGMA synchronous = {'NORMAL' if self._is_logged else 'FULL'}")
            db.execute("PRAGMA journal_size_limit = 67108864")
            _wait_for_lock(lambda: _create_tables(db))
        except BaseException:
            db.close()
            raise
        return db

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        db = self._db
        _wait_for_lock(lambda: db.execute("BEGIN IMMEDIATE"))
        try:
            result = work(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return _wait_for_lock(call)
        except (sqlite3.Error, OSError) as error:
            raise BrokerUnavailable(f"sqlite:///{self.path}: {_explain(error)}") from error


def _make_private(path: Path) -> None:
    """An empty file, if there is none, with mode 0600: messages are nobody else's business.

    A file that exists is not touched: closing any descriptor of it would drop, by POSIX, the locks of all
    connections that this process has to it. Others would then clear away the log that those still write to.
    """
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            _give_to_owner_of(path.parent, descriptor)
        finally:
            os.close(descriptor)


def _check_planted(path: Path) -> None:
    """Root may use the broker of a worker's user, in a folder of his: no link of his to a file that is not his.

    Not by descriptor: see `_make_private`. The write-ahead log SQLite itself opens without following links.
    """
    if os.geteuid() != 0 or (owner := path.parent.stat().st_uid) == 0:
        return
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, owner) or found.st_nlink > 1:
        raise PermissionError(f"{path} is no file of its folder's owner (uid {owner}): not followed")


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Root makes the file for workers with a `user`, whose folder it is; SQLite keeps its other files so."""
    if os.geteuid() == 0:
        owner = folder.stat()
        # By descriptor: in a folder of somebody else the name may stand for another file by now.
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _create_tables(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    if version > SCHEMA_VERSION:
        raise sqlite3.DatabaseError(
            f"written by a newer fleet (schema {version}, this one knows {SCHEMA_VERSION})"
        )
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute("PRAGMA user_version").fetchone() == (0,):  # else another process was first
            for statement in filter(str.strip, _TABLES.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _wait_for_lock(call: Callable[[], T]) -> T:
    """`call()`, again while another process holds the lock.

    `call` must have changed nothing when it fails so.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    pause = 0.0002
    while True:
        try:
            return call()
        except sqlite3.OperationalError as error:
            if _primary(error) not in _BUSY or time.monotonic() > deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # only spreads out the contenders
        pause = min(pause * 1.5, 0.01)


def _primary(error: BaseException) -> int:
    """SQLite's result code without its extension; 0 for errors that are not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _explain(error: sqlite3.Error | OSError) -> str:
    code = _primary(error)
    if code in _BUSY:
        return f"another process has kept the file locked for {_LOCK_SECONDS:g} s"
    reason = _REASONS.get(code)
    return f"{reason} ({error})" if reason else str(error)
