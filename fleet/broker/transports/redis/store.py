"""LeasedStore on Redis: each method is one script, one round trip, on one connection.

A store outlives its connection: after BrokerUnavailable the next call connects again, and what was claimed
before is still claimed and can be settled. What a lost reply had claimed is given back by `reconnect`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha1
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.topology import resolve_exchange
from fleet.broker.transports.leased import Claim, QueueStats
from fleet.broker.transports.redis import scripts
from fleet.broker.transports.redis.connect import Server
from fleet.broker.transports.redis.envelope import seal, unseal
from fleet.broker.transports.redis.keys import Keys, urgency
from fleet.broker.transports.redis.waiting import Ears

# Of the lease. Who looks for messages pushes it out by that, and needs no renewal beside it.
_FRESH = 1 / 6
MOST_AT_ONCE = 1000  # Lua passes arguments on its stack, and nobody else is served meanwhile

T = TypeVar("T")
Tag = tuple[str, str]  # queue, "<fence>:<step>"


class RedisStore:
    """See LeasedStore. `owner` names who claims; without one the store can publish and look, not reserve.

    `url` and `transport_options` are what kombu's Redis transport takes, Sentinel and sockets included.
    """

    def __init__(
        self,
        url: str,
        *,
        owner: str = "",
        lease_seconds: float = 30.0,
        transport_options: Mapping[str, Any] | None = None,
    ) -> None:
        options = transport_options or {}
        self._server = Server(url, options)
        self._keys = Keys.from_options(options)
        self._scripts: dict[str, tuple[str, str]] = {}
        self._owner = owner
        self._lease = int(lease_seconds * 1000)
        self._fresh_until = 0.0  # monotonic; the lease was pushed out a moment ago
        self._sender = uuid4().hex
        self._numbers = count()
        self._held: set[Tag] = set()
        self._soonest: tuple[tuple[str, ...], float | None] | None = None
        self._ears: Ears | None = None
        self._wire = self._server.connect()

    # --- publishing ------------------------------------------------------------------------------------

    def publish(self, postings: Sequence[Posting]) -> None:
        self._run(scripts.PUBLISH, *self._sealed(postings))

    def replace(self, tag: Tag, posting: Posting) -> bool:
        done = self._run(scripts.REPLACE, self._owner, *tag, *self._sealed([posting]))
        self._held.discard(tag)
        return bool(done)

    def _sealed(self, postings: Iterable[Posting]) -> list[Any]:
        known: dict[str, list[tuple[str, str, str]]] = {}

        def bindings(exchange: str) -> list[tuple[str, str, str]]:
            if exchange not in known:
                known[exchange] = self.bindings(exchange)
            return known[exchange]

        arguments: list[Any] = []
        for posting in postings:
            priority = posting.message.properties.get("priority")
            step = self._keys.step(0 if priority is None else urgency(priority))
            delay = max(0, round(posting.delay_seconds * 1000))
            for queue in resolve_exchange(posting, bindings):
                key = posting.routing_key if posting.exchange else queue
                envelope = seal(
                    posting.message, f"{self._sender}.{next(self._numbers)}", posting.exchange, key
                )
                arguments += (queue, step, delay, envelope)
        return arguments

    # --- consuming -------------------------------------------------------------------------------------

    def reserve(self, queues: Sequence[str], limit: int) -> list[Claim]:
        at_most = max(0, min(limit, MOST_AT_ONCE))
        ears = self._ears
        may_have_moved = int(ears is None or ears.may_have_moved())
        arguments = (self._owner, self._lease, at_most, may_have_moved, *queues)
        collect = None if ears is None else ears.collect  # not before: it would make the message wait
        known = 0 if ears is None else len(ears.moved)
        next_change, *groups = self._run(scripts.RESERVE, *arguments, meanwhile=collect)
        self._fresh_until = time.monotonic() + self._lease / 1000 * _FRESH
        if ears is not None and ears.moved:
            # What was moved before the script ran is ready again or among the claims; after it, in neither.
            claimed = {raw for group in groups for raw in group[3]}
            ears.moved = [each for each in ears.moved[known:] if each[1] not in claimed]
        claims = [claim for group in groups for claim in self._claims(queues, *group)]
        soonest = None if next_change < 0 else time.monotonic() + next_change / 1000
        # After a full batch nobody has looked at what comes next.
        self._soonest = None if claims and len(claims) == at_most else (tuple(queues), soonest)
        self._held.update(claim.tag for claim in claims)
        return claims

    def _claims(
        self, queues: Sequence[str], index: int, step: int, fence: int, raws: list[bytes]
    ) -> list[Claim]:
        queue = queues[index]
        if step and self._ears is not None:
            self._ears.prioritised(queue)
        return [_claim((queue, f"{fence + place}:{step}"), queue, raw) for place, raw in enumerate(raws)]

    def ack(self, tags: Sequence[Tag]) -> int:
        return self._settle(scripts.ACK, tags)

    def release(self, tags: Sequence[Tag], *, counted: bool = True, last: bool = False) -> int:
        newest_first = sorted(tags, key=_fence, reverse=True)
        return self._settle(scripts.RELEASE, newest_first, int(counted), "LPUSH" if last else "RPUSH")

    def _settle(self, script: str, tags: Sequence[Tag], *arguments: Any) -> int:
        done = 0
        for first in range(0, len(tags), MOST_AT_ONCE):
            batch = tags[first : first + MOST_AT_ONCE]
            parts = (part for tag in batch for part in tag)
            done += int(self._run(script, self._owner, *arguments, *parts))
            self._held.difference_update(batch)
        return done

    def renew(self) -> None:
        """On a connection of its own, made for this once.

        The calling thread may be a real one beside gevent's or eventlet's, whose sockets belong to the thread
        that made them: nothing is shared, so nothing needs a lock, and nothing goes stale in between.
        """
        if time.monotonic() < self._fresh_until:
            return
        queues = () if self._ears is None else self._ears.queues
        wire = self._server.connect_apart()
        try:
            wire.call("EVAL", self._source(scripts.RENEW)[1], 0, self._owner, self._lease, *queues)
        finally:
            wire.close()

    def release_owner(self, owner: str) -> int:
        return int(self._run(scripts.FREE, owner))

    def renew_owner(self, owner: str) -> None:
        self._run(scripts.RENEW_OWNER, owner, self._lease)

    def owners(self) -> list[str]:
        return [name.decode() for name in self._wire.call("ZRANGE", self._keys.owners, 0, -1)]

    # --- waiting ---------------------------------------------------------------------------------------

    def listen(self, queues: Sequence[str]) -> int | None:
        if self._ears is None:
            self._ears = Ears(self._server.connect, self._keys, self._owner, self._lease / 1000, self._hold)
        ears = self._ears
        return self._hearing(lambda: ears.open(queues))

    def _hearing(self, action: Callable[[], T]) -> T:
        """Where one connection is gone or silent the others are, too: not each is to be waited for."""
        try:
            return action()
        except BrokerUnavailable:
            self._wire.close()  # the next use connects again
            raise

    def _hold(self, queue: str) -> tuple[Any, ...]:
        return ("EVAL", self._source(scripts.HOLD)[1], 0, self._owner, self._lease, queue)

    def unlisten(self) -> None:
        if self._ears is None:
            return
        self._ears.collect()
        if commands := self._ears.unblocking():
            self._wire.calls(commands)
            self._hearing(self._ears.unblocked)
        if self._ears.moved:
            self._run(scripts.UNMOVE, self._owner, *{queue for queue, _ in self._ears.moved})
            self._ears.moved.clear()

    def next_change(self, queues: Sequence[str]) -> float | None:
        if self._ears is not None and self._ears.moved:
            return 0.0
        # Known from the last look at the same queues, which is a moment ago in every loop.
        if self._soonest is None or self._soonest[0] != tuple(queues):
            self.reserve(queues, 0)
        assert self._soonest is not None
        soonest = self._soonest[1]
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    # --- queues ----------------------------------------------------------------------------------------

    def declare(self, queue: str) -> None:
        self._wire.call("SADD", self._keys.queues, queue)

    def queues(self) -> list[str]:
        return sorted(name.decode() for name in self._wire.call("SMEMBERS", self._keys.queues))

    def bind(self, queue: str, exchange: str, routing_key: str, pattern: str = "") -> None:
        member = self._keys.separator.join((routing_key, pattern, queue))
        self._wire.calls(
            [
                ("SADD", self._keys.exchanges, exchange),
                ("SADD", self._keys.permanent_bindings(exchange), member),
                ("SADD", self._keys.bindings(exchange), member),
            ]
        )

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None:
        self._unbind(exchange, lambda key, bound: key == routing_key and bound == queue)

    def _unbind(self, exchange: str, unwanted: Callable[[str, str], bool]) -> None:
        members = [
            self._keys.separator.join((key, pattern, bound))
            for key, pattern, bound in self.bindings(exchange)
            if unwanted(key, bound)
        ]
        if members:
            tables = (self._keys.bindings(exchange), self._keys.permanent_bindings(exchange))
            self._wire.calls([("SREM", table, *members) for table in tables])

    def bindings(self, exchange: str) -> list[tuple[str, str, str]]:
        members = self._wire.call("SMEMBERS", self._keys.bindings(exchange))
        rows = (member.decode().split(self._keys.separator) for member in members)
        return sorted((row[0], row[1], row[2]) for row in rows if len(row) == 3)

    def size(self, queue: str) -> int:
        return self.stats(queue).ready

    def stats(self, queue: str) -> QueueStats:
        """`oldest_seconds` looks at what fleet sent or gave back: other producers write no time."""
        ready, delayed, claimed, oldest = self._run(scripts.STATS, queue)
        return QueueStats(ready, delayed, claimed, None if oldest < 0 else oldest / 1000)

    def browse(self, queue: str, limit: int, offset: int = 0) -> list[Claim]:
        raws = self._run(scripts.BROWSE, queue, limit, offset)
        return [_claim((queue, "0:0"), queue, raw, handouts=0) for raw in raws]

    def purge(self, queue: str) -> int:
        return int(self._run(scripts.PURGE, queue))

    def delete(self, queue: str) -> None:
        for exchange in self._wire.call("SMEMBERS", self._keys.exchanges):
            self._unbind(exchange.decode(), lambda _, bound: bound == queue)
        self._run(scripts.DELETE, queue)

    # --- the connection --------------------------------------------------------------------------------

    def reconnect(self) -> bool:
        """Also gives back what a reservation claimed whose reply never came; that was not a hand-out."""
        self._drop_connections()
        self._wire = self._server.connect()
        self.unlisten()
        if self._wire.call("ZSCORE", self._keys.owners, self._owner) is None:
            self._held.clear()
            return False
        claimed = [
            (queue, field.decode())
            for queue in self.queues()
            for field in self._wire.call("HKEYS", self._keys.claims(self._owner, queue))
        ]
        if unknown := [tag for tag in claimed if tag not in self._held]:
            self.release(unknown, counted=False)
        return True

    def close(self) -> None:
        with suppress(BrokerUnavailable):
            self.unlisten()
            if self._owner:
                self._run(scripts.LEAVE, self._owner)
        self._drop_connections()

    def _drop_connections(self) -> None:
        self._wire.close()
        if self._ears is not None:
            self._ears.close()

    def _run(self, body: str, *arguments: Any, meanwhile: Callable[[], object] | None = None) -> Any:
        return self._wire.script(*self._source(body), arguments, meanwhile)

    def _source(self, body: str) -> tuple[str, str]:
        """(SHA-1, text) of a script with this store's names in it."""
        if body not in self._scripts:
            source = scripts.complete(self._keys.lua(), body)
            self._scripts[body] = (sha1(source.encode(), usedforsecurity=False).hexdigest(), source)
        return self._scripts[body]


def _claim(tag: Tag, queue: str, raw: bytes, handouts: int = 1) -> Claim:
    message, before = unseal(raw)
    return Claim(tag, queue, message, before + handouts)


def _fence(tag: Tag) -> int:
    return int(tag[1].partition(":")[0])
