"""The embedded broker: LeasedStore on one SQLite file, for as many processes of one host as like to use it.

What the words mean here: a claim is the `owner` column, a lease is the owner's row, so that renewing costs
one row however much is held. A tag is (message, owner, number of the hand-out): which hand-out of a message
is the present one, only its owner has to know, so the file does not say. Publishing is durable against a
power cut (one commit and one flush for a batch); consuming only against the death of processes: a lost ack
means one more delivery.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.leased.store import Claim
from fleet.broker.sqlite.owner import SqliteOwner, Tag
from fleet.broker.sqlite.queues import SqliteQueues
from fleet.broker.sqlite.rows import COLUMNS, IS_READY, free, insert, to_claim
from fleet.broker.sqlite.wake import Listener, ring
from fleet.clock import time

if TYPE_CHECKING:
    from fleet.broker.notes import Entry, Written

_RESERVE = f"""UPDATE messages SET owner = ?, attempts = attempts + 1 WHERE id IN
    (SELECT id FROM messages WHERE queue = ? AND {IS_READY} ORDER BY priority DESC, id LIMIT ?)
    RETURNING {COLUMNS}"""  # noqa: S608
_ACK = "DELETE FROM messages WHERE id = ? AND owner = ?"
_RELEASE = """UPDATE messages SET owner = NULL, attempts = attempts - ? WHERE id = ? AND owner = ?
    RETURNING queue"""

_RENEW_OWNER = "UPDATE owners SET lease_until = max(lease_until, ?) WHERE name = ?"


class SqliteStore(SqliteQueues):
    """See LeasedStore. `owner` names who claims; without one the store can publish and look, not reserve."""

    def __init__(
        self,
        path: Path,
        *,
        owner: str = "",
        lease_seconds: float = 30.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(path, clock)
        self._owner = SqliteOwner(path, owner, lease_seconds)
        self.last_attempt = 0
        self._wake_folder = path.with_name(path.name + ".wake")
        self._listener: Listener | None = None
        self._deaf = False

    # --- publishing ------------------------------------------------------------------------------------

    def publish(self, postings: Sequence[Posting]) -> None:
        self._file.check_still_there()
        # Who runs it may begin before it has reached the disk; who sent it hears of it after that.
        work = self._file.write(lambda db: self._insert(db, postings))
        self._known_queues.update(work)
        self._ring(work)
        self._file.flush()

    def replace(self, tag: Tag, *postings: Posting) -> bool:
        def swap(db: sqlite3.Connection) -> Counter[str] | None:
            if db.executemany(_ACK, self._owner.held([tag])).rowcount == 0:
                return None
            return self._insert(db, postings)

        # Not durable: after a power cut either both steps have happened or neither.
        work = self._file.write(swap)
        self._owner.forget([tag])
        self._known_queues.update(work or ())
        self._ring(work or {})
        return work is not None

    def _insert(self, db: sqlite3.Connection, postings: Sequence[Posting]) -> Counter[str]:
        work = insert(db, postings, self._clock())
        self._remember(db, work)
        return work

    # --- notes of a scheduler ---------------------------------------------------------------------------

    def now(self) -> float:
        return time.time()  # of this host, as everybody who uses the file

    def notes(self, book: str) -> dict[str, str]:
        from fleet.broker.sqlite.notes import all_notes

        return all_notes(self._file, book)

    def enter(self, book: str, entries: Sequence[Entry]) -> list[Written]:
        self._file.check_still_there()
        written, work = self._file.write(lambda db: self._enter(db, book, entries))
        self._ring(work)
        self._file.flush()
        return written

    def _enter(
        self, db: sqlite3.Connection, book: str, entries: Sequence[Entry]
    ) -> tuple[list[Written], Counter[str]]:
        from fleet.broker.notes import Written  # not loaded by who only sends
        from fleet.broker.sqlite.notes import swap

        written, postings = [], list[Posting]()
        for entry in entries:
            done, present = swap(db, book, entry.name, entry.before, entry.after)
            written.append(Written(done, entry.after if done else present))
            postings += entry.postings if done else ()
        return written, self._insert(db, postings)

    # --- consuming -------------------------------------------------------------------------------------

    def reserve(self, queues: Sequence[str], limit: int) -> list[Claim]:
        if limit < 1 or not self._anything(queues):
            return []
        owner, claims, freed = self._file.write(lambda db: self._reserve(db, queues, limit))
        self._owner.took(owner, claims)
        self._ring(freed)
        return claims

    def _anything(self, queues: Sequence[str]) -> bool:
        """A look without the write lock: idle consumers never write."""
        marks = ", ".join("?" * len(queues))
        now = self._clock()
        [(found,)] = self._file.read(
            f"""SELECT EXISTS (SELECT 1 FROM messages WHERE queue IN ({marks}) AND {IS_READY})
                OR EXISTS (SELECT 1 FROM messages WHERE due <= ?)
                OR EXISTS (SELECT 1 FROM owners WHERE lease_until < ?)""",  # noqa: S608  # only question marks
            (*queues, now, now),
        )
        return bool(found)

    def _reserve(
        self, db: sqlite3.Connection, queues: Sequence[str], limit: int
    ) -> tuple[int, list[Claim], Counter[str]]:
        now = self._clock()
        owner = self._owner.hold(db, now)
        freed = self._reap(db, now)
        claims: list[Claim] = []
        handouts = self._owner.handouts
        for queue in queues:
            rows = db.execute(_RESERVE, (owner, queue, limit - len(claims))).fetchall()
            # RETURNING gives no order.
            rows.sort(key=lambda row: (-row[0], row[1]))
            claims += [to_claim(row, owner, next(handouts)) for row in rows]
            if len(claims) == limit:
                break
        for claim in claims:
            freed[claim.queue] -= 1
        return owner, claims, freed

    def _reap(self, db: sqlite3.Connection, now: float) -> Counter[str]:
        """What time has made ready: leases that ran out, delays that are over; how many per queue."""
        lapsed = db.execute("DELETE FROM owners WHERE lease_until < ? RETURNING id", (now,)).fetchall()
        freed = free(db, lapsed, self.last_attempt)
        freed.update(
            queue
            for (queue,) in db.execute(
                "UPDATE messages SET published = due, due = NULL WHERE due <= ? RETURNING queue", (now,)
            ).fetchall()
        )
        return freed

    def ack(self, tags: Sequence[Tag]) -> int:
        held = self._owner.held(tags)
        gone = self._file.write(lambda db: db.executemany(_ACK, held).rowcount)
        self._owner.forget(tags)
        return gone

    def release(self, tags: Sequence[Tag], *, counted: bool = True, last: bool = False) -> int:
        def give_back(db: sqlite3.Connection) -> Counter[str]:
            rows = [db.execute(_RELEASE, (0 if counted else 1, *each)).fetchone() for each in held]
            return Counter(row[0] for row in rows if row)

        held = self._owner.held(tags)
        freed = self._file.write(give_back)
        self._owner.forget(tags)
        self._ring(freed)
        return freed.total()

    def renew(self) -> None:
        self._owner.renew(self._clock())

    def release_owner(self, owner: str, last_attempt: int = 0) -> int:
        def give_back(db: sqlite3.Connection) -> Counter[str]:
            rows = db.execute("DELETE FROM owners WHERE name = ? RETURNING id", (owner,)).fetchall()
            return free(db, rows, last_attempt)

        freed = self._file.write(give_back)
        self._ring(freed)
        return freed.total()

    def renew_owner(self, owner: str) -> None:
        until = self._clock() + self._owner.lease_seconds
        self._file.write(lambda db: db.execute(_RENEW_OWNER, (until, owner)))

    def owners(self) -> list[str]:
        return [str(name) for (name,) in self._file.read("SELECT DISTINCT name FROM owners")]

    # --- waiting ---------------------------------------------------------------------------------------

    def listen(self, queues: Sequence[str]) -> int | None:
        if self._deaf:
            return None
        try:
            self._listener = self._listener or Listener(self._wake_folder)
            self._listener.start(queues)
        except OSError:
            self._deaf = True  # no FIFOs here, or the folder is gone
            return None
        return self._listener.fileno

    def hint(self) -> int | None:
        return None if self._deaf or self._listener is None else self._listener.fileno

    def unlisten(self) -> None:
        if self._listener is not None:
            self._listener.stop()

    def next_change(self, queues: Sequence[str]) -> float | None:
        self._file.check_still_there()
        marks = ", ".join("?" * len(queues))
        [(due, lease)] = self._file.read(
            f"""SELECT (SELECT min(due) FROM messages WHERE due IS NOT NULL AND queue IN ({marks})),
                (SELECT min(lease_until) FROM owners WHERE id IS NOT ?)""",  # noqa: S608  # only question marks
            (*queues, self._owner.id),
        )
        times = [moment for moment in (due, lease) if moment is not None]
        return max(0.0, min(times) - self._clock()) if times else None

    def _ring(self, work: dict[str, int]) -> None:
        ring(self._wake_folder, {queue: count for queue, count in work.items() if count > 0})

    # --- connection ------------------------------------------------------------------------------------

    def reconnect(self) -> bool:
        same_file = self._file.reopen()
        self._owner.disconnect()
        if not same_file:
            self._owner.forget_all()
            self._begin_anew()
        return same_file

    def close(self) -> None:
        with suppress(BrokerUnavailable):
            if self._owner.id is not None:
                self._ring(self._file.write(self._owner.leave))
        self._file.close()
        if self._listener is not None:
            self._listener.close()
        self._owner.disconnect()
