"""Connections to SQLite that fail as SQLite fails: locked, full, read-only, an I/O error, at any statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tests.simulated.choices import Choices
from tests.simulated.clock import Clock

FAILING = ("locked", "full", "i/o error", "read-only", "can't open", "flush fails")
_CODES = {
    "locked": sqlite3.SQLITE_BUSY,
    "full": sqlite3.SQLITE_FULL,
    "i/o error": sqlite3.SQLITE_IOERR,
    "read-only": sqlite3.SQLITE_READONLY,
    "can't open": sqlite3.SQLITE_CANTOPEN,
}
_SECONDS = (0.0, 0.02, 1.0, 8.0, 40.0)
_CHANGING = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE", "CREATE", "PRAGMA user_version =")


class Disk:
    """What the file system has in store for all connections of a schedule."""

    def __init__(self, clock: Clock, choices: Choices) -> None:
        self._clock = clock
        self._choices = choices
        self._kind, self._until = "", 0.0
        self.opened: list[sqlite3.Connection] = []

    def connect(self, path: Any, **options: Any) -> sqlite3.Connection:
        self._have_trouble("open")
        if self._kind == "can't open" and self._clock.now < self._until:
            raise _error(self._kind)
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                disk.check(sql)
                return super().execute(sql, *parameters)

            def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
                disk.check(sql)
                return super().executemany(sql, *parameters)

        made = sqlite3.connect(path, factory=Connection, **options)
        self.opened.append(made)
        return made

    def check(self, sql: str) -> None:
        """Before a statement. Raises what SQLite would."""
        self._have_trouble(sql.split(" ", 1)[0])
        if self._clock.now > self._until or not self._kind:
            return
        kind = self._kind
        if (kind == "locked" and sql.startswith("BEGIN")) or (
            kind in ("full", "i/o error", "read-only")
            and sql.startswith(_CHANGING)
            and not sql.startswith("BEGIN")
        ):
            raise _error(kind)

    def flush(self, _descriptor: int) -> None:
        """In place of fdatasync."""
        if self._choices.fault("flush", ("flush fails",)):
            raise OSError(5, "Input/output error")

    def _have_trouble(self, where: str) -> None:
        if kind := self._choices.fault(f"sqlite {where}", FAILING[:-1]):
            self._kind = kind
            self._until = self._clock.now + _SECONDS[self._choices.how_much(len(_SECONDS))]

    def close(self) -> None:
        """What a process that dies leaves: nothing is committed that was not."""
        for connection in self.opened:
            connection.close()
        self.opened.clear()


def module(connect: Callable[..., sqlite3.Connection]) -> SimpleNamespace:
    """In place of the module `sqlite3` where connections are made."""
    return SimpleNamespace(**{**vars(sqlite3), "connect": connect})


def _error(kind: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(kind)
    error.sqlite_errorcode = _CODES[kind]
    return error
