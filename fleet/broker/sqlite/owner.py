"""The owner of claims in the embedded broker: one row with its lease, and which hand-outs are in its hands."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from fleet.broker.leased.store import Claim
from fleet.broker.loop_lock import LoopLock
from fleet.broker.sqlite.file import SqliteFile
from fleet.broker.sqlite.rows import free

_RENEW = "UPDATE owners SET lease_until = ? WHERE id = ?"

Tag = tuple[int, int | None, int]  # message, row in `owners`, number of the hand-out


class SqliteOwner:
    """For the store's thread, but for `renew`, which has a connection of its own."""

    def __init__(self, path: Path, name: str, lease_seconds: float) -> None:
        self._path = path
        self.name = name
        self.lease_seconds = lease_seconds
        self._renewal: SqliteFile | None = None
        self._renewal_turn = LoopLock()
        self._current: dict[int, int] = {}  # message → number of the hand-out by which we hold it
        self.id: int | None = None  # row in `owners`; renewed by another thread, replaced by this one
        self.handouts = count()

    def hold(self, db: sqlite3.Connection, now: float) -> int:
        """The id of our row, its lease pushed out; a new one if ours was reaped meanwhile.

        It is to be told to `took` once the transaction is committed: the number of a row that was rolled back is
        given to somebody else.
        """
        until = now + self.lease_seconds
        if self.id is not None and db.execute(_RENEW, (until, self.id)).rowcount:
            return self.id
        inserted = db.execute("INSERT INTO owners (name, lease_until) VALUES (?, ?)", (self.name, until))
        assert inserted.lastrowid is not None
        return inserted.lastrowid

    def took(self, owner: int, claims: Iterable[Claim] = ()) -> None:
        """`owner`: as `hold` gave it."""
        if owner != self.id:
            self.id = owner
            self._current.clear()
        self._current.update((claim.tag[0], claim.tag[2]) for claim in claims)

    def held(self, tags: Iterable[Tag]) -> list[tuple[int, int | None]]:
        """(message, owner) of those tags that are of the present hand-out, each once."""
        current = dict.fromkeys(tag for tag in tags if self._current.get(tag[0]) == tag[2])
        return [(message, owner) for message, owner, _ in current]

    def forget(self, tags: Iterable[Tag]) -> None:
        for message, _, handout in tags:
            if self._current.get(message) == handout:
                del self._current[message]

    def forget_all(self) -> None:
        """The file is another one: an id of the old one may be somebody else's in it."""
        self.id = None
        self._current.clear()

    def renew(self, now: float) -> None:
        """From any thread."""
        if not self._renewal_turn.claim():
            return  # somebody does it in this moment
        try:
            until = now + self.lease_seconds
            self._renewal = self._renewal or SqliteFile(self._path)
            self._renewal.write(lambda db: db.execute(_RENEW, (until, self.id)))
        finally:
            self._renewal_turn.release()

    def leave(self, db: sqlite3.Connection) -> Counter[str]:
        """What we held is ready again; how many per queue."""
        return free(db, db.execute("DELETE FROM owners WHERE id = ? RETURNING id", (self.id,)).fetchall())

    def disconnect(self) -> None:
        self._renewal_turn.wait()
        try:
            if self._renewal is not None:
                self._renewal.close()
                self._renewal = None
        finally:
            self._renewal_turn.release()
