"""Messages of the embedded broker as rows: how they are written, read, and made ready again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fleet.broker.delivery import Posting
from fleet.broker.leased.store import Claim
from fleet.broker.topology import resolve_exchange
from fleet.protocol import Encoded
from fleet.protocol.payload import dumps, loads

_MOST_URGENT = 2**31  # SQLite keeps numbers of 64 bits; Python, and whoever sends JSON, has larger ones
IS_READY = "owner IS NULL AND due IS NULL"
COLUMNS = "priority, id, queue, attempts, meta, body, published"  # of which `to_claim` makes one
BINDINGS = "SELECT routing_key, pattern, queue FROM bindings WHERE exchange = ?"
_FREE = (
    "UPDATE messages SET owner = NULL, attempts = attempts - (attempts >= ?) WHERE owner = ? RETURNING queue"
)
_NEVER = 2**62  # so many attempts
_INSERT = "INSERT INTO messages (queue, priority, due, published, meta, body) VALUES (?, ?, ?, ?, ?, ?)"


def insert(db: sqlite3.Connection, postings: Sequence[Posting], now: float) -> Counter[str]:
    """To all queues that their exchanges say; how many per queue."""
    rows = [
        (queue, _priority(posting.message), _due(posting, now), now, *_to_row(posting.message))
        for posting in postings
        for queue in resolve_exchange(posting, lambda exchange: _bindings(db, exchange))
    ]
    db.executemany(_INSERT, rows)
    return Counter(row[0] for row in rows)


def free(db: sqlite3.Connection, owners: list[tuple[int]], last_attempt: int = 0) -> Counter[str]:
    """What these owners (rows of one id each) hold is ready again; how many per queue.

    `last_attempt` as in LeasedStore.release_owner.
    """
    freed: Counter[str] = Counter()
    for owner in owners:
        ((held,),) = db.execute("SELECT count(*) FROM messages WHERE owner = ?", owner).fetchall()
        uncounted = last_attempt if last_attempt and held > 1 else _NEVER
        rows = db.execute(_FREE, (uncounted, *owner)).fetchall()
        freed.update(queue for (queue,) in rows)
    return freed


def to_claim(row: tuple[Any, ...], owner: int | None, handout: int) -> Claim:
    _, ident, queue, attempts, meta, body, published = row
    return Claim((ident, owner, handout), queue, _message(meta, body), attempts, published)


def _message(meta: Any, body: Any) -> Encoded:
    """What is none comes without headers: decoding that says what is wrong, and the dead-letter queue gets it."""
    body = body if isinstance(body, bytes) else str(body).encode()
    try:
        headers, properties, content_type, content_encoding = loads(meta)
    except MemoryError:
        raise
    except Exception:  # anybody who can write the file may have put anything there
        return Encoded(body, {}, {}, "", "")
    return Encoded(body, headers, properties, content_type, content_encoding)


def _bindings(db: sqlite3.Connection, exchange: str) -> list[tuple[str, str, str]]:
    return db.execute(BINDINGS, (exchange,)).fetchall()


def _due(posting: Posting, now: float) -> float | None:
    return now + posting.delay_seconds if posting.delay_seconds > 0 else None


def _priority(message: Encoded) -> int:
    """As on AMQP: higher goes first, none counts as 0."""
    priority = message.properties.get("priority")
    return min(max(priority, -_MOST_URGENT), _MOST_URGENT) if isinstance(priority, int) else 0


def _to_row(message: Encoded) -> tuple[str, bytes]:
    meta = [message.headers, message.properties, message.content_type, message.content_encoding]
    return dumps(meta), message.body
