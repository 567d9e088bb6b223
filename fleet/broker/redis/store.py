"""LeasedStore on Redis: each method is one script, one round trip, on one connection.

A store outlives its connection: after BrokerUnavailable the next call connects again, and what was claimed
before is still claimed and can be settled. What a lost reply had claimed is given back by `reconnect`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from secrets import randbits
from typing import Any, TypeVar
from uuid import uuid4

from fleet.broker.delivery import BrokerUnavailable, MessageTooLarge, Posting
from fleet.broker.leased.store import Claim
from fleet.broker.notes import Entry, Written
from fleet.broker.redis import scripts
from fleet.broker.redis.blocked_readers import BlockedReaders
from fleet.broker.redis.connect import ANSWER_SECONDS
from fleet.broker.redis.envelope import seal
from fleet.broker.redis.keys import urgency
from fleet.broker.redis.lease_renewal import OwnerLease, answer_seconds
from fleet.broker.redis.queues import RedisQueues, Tag, claim_of
from fleet.broker.redis.refusals import NotPermitted
from fleet.broker.topology import resolve_exchange
from fleet.clock import time

LONGEST_STRING = 512 * 2**20  # Redis' default
_SMALLEST_LIMIT = 2**20  # a server can't be told to take less than that
MOST_AT_ONCE = 1000  # Lua passes arguments on its stack, and nobody else is served meanwhile

# An administrator may give the rights meanwhile.
_LOOK_FOR_RIGHTS_SECONDS = 300.0

T = TypeVar("T")


class RedisStore(RedisQueues):
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
        seconds = answer_seconds(lease_seconds) if owner else ANSWER_SECONDS
        super().__init__(url, transport_options or {}, seconds)
        self._owner = owner
        self._lease = OwnerLease(owner, lease_seconds)
        self._sender = uuid4().hex
        self._numbers = count()
        # Of claims. Where they begin is by chance: should two stores ever share an owner's name, they share no
        # claims. Lua's numbers, and those of older fleets that may have to give these claims back, end at 2^53.
        self._next_claim = randbits(52)
        self._held: set[Tag] = set()
        self.last_attempt = 0
        self._soonest: tuple[tuple[str, ...], float | None] | None = None
        self._readers: BlockedReaders | None = None
        self._may_wait_from = 0.0  # monotonic; this user lacks a right that waiting needs

    # --- publishing ------------------------------------------------------------------------------------

    def publish(self, postings: Sequence[Posting]) -> None:
        self._put(scripts.PUBLISH, self._sealed(postings))

    def replace(self, tag: Tag, *postings: Posting) -> bool:
        done = self._put(scripts.REPLACE, self._sealed(postings), self._owner, *tag)
        self._held.discard(tag)
        return bool(done)

    def _put(self, script: str, sealed: Sequence[Any], *arguments: Any) -> Any:
        """Raises MessageTooLarge where the server would hang up, as it does on strings that are too long for it."""
        longest = max((len(each) for each in sealed if isinstance(each, bytes)), default=0)
        if longest > LONGEST_STRING:
            raise MessageTooLarge(self._too_long(longest, LONGEST_STRING))
        try:
            return self._run(script, *arguments, *sealed)
        except BrokerUnavailable:
            allowed = self._longest_string() if longest > _SMALLEST_LIMIT else LONGEST_STRING
            if longest > allowed:
                raise MessageTooLarge(self._too_long(longest, allowed)) from None
            raise

    def _too_long(self, size: int, most: int) -> str:
        return (
            f"{self._server.masked_url}: a message of {size} bytes, the server allows {most} (proto-max-bulk-len); "
            "a body takes a third more there than by itself"
        )

    def _longest_string(self) -> int:
        """What the server is configured to take; the default where it won't say."""
        with suppress(BrokerUnavailable, ValueError, IndexError):
            return int(self._wire.call("CONFIG", "GET", "proto-max-bulk-len")[1])
        return LONGEST_STRING

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

    # --- notes of a scheduler ---------------------------------------------------------------------------

    def now(self) -> float:
        seconds, microseconds = self._wire.call("TIME")
        return int(seconds) + int(microseconds) / 1e6

    def notes(self, book: str) -> dict[str, str]:
        key = self._keys.notes(book)
        names = self._wire.call(
            "HKEYS", key
        )  # and one by one: of all that is done here no new right is needed
        found = self._wire.calls([("HGET", key, name) for name in names]) if names else []
        return {name.decode(): note.decode() for name, note in zip(names, found, strict=True) if note}

    def enter(self, book: str, entries: Sequence[Entry]) -> list[Written]:
        return [self._enter(self._keys.notes(book), entry) for entry in entries]

    def _enter(self, key: str, entry: Entry) -> Written:
        expected = (0, "") if entry.before is None else (1, entry.before)
        sealed = self._sealed(entry.postings)
        done, *present = self._put(scripts.ENTER, sealed, key, entry.name, *expected, entry.after)
        if done:
            return Written(True, entry.after)
        return Written(False, present[0].decode() if present and present[0] else None)

    # --- consuming -------------------------------------------------------------------------------------

    def reserve(self, queues: Sequence[str], limit: int) -> list[Claim]:
        at_most = max(0, min(limit, MOST_AT_ONCE))
        readers = self._readers
        may_have_moved = int(readers is None or readers.may_have_moved())
        numbers = (self._lease.milliseconds, at_most, may_have_moved, self._next_claim, self.last_attempt)
        self._next_claim += at_most  # also when no reply comes: these numbers may be in use
        collect = None if readers is None else readers.collect  # not before: it would make the message wait
        known = 0 if readers is None else len(readers.moved)
        next_change, *groups = self._run(scripts.RESERVE, self._owner, *numbers, *queues, meanwhile=collect)
        self._lease.was_pushed_out()
        if readers is not None and readers.moved:
            # What was moved before the script ran is ready again or among the claims; after it, in neither.
            claimed = {raw for group in groups for raw in group[3]}
            readers.moved = [each for each in readers.moved[known:] if each[1] not in claimed]
        claims = [claim for group in groups for claim in self._claims(queues, *group)]
        soonest = None if next_change < 0 else time.monotonic() + next_change / 1000
        # After a full batch nobody has looked at what comes next.
        self._soonest = None if claims and len(claims) == at_most else (tuple(queues), soonest)
        self._held.update(claim.tag for claim in claims)
        return claims

    def _claims(
        self, queues: Sequence[str], index: int, step: int, number: int, raws: list[bytes]
    ) -> list[Claim]:
        queue = queues[index]
        if step and self._readers is not None:
            self._readers.prioritised(queue)
        return [claim_of((queue, f"{number + place}:{step}"), queue, raw) for place, raw in enumerate(raws)]

    def ack(self, tags: Sequence[Tag]) -> int:
        return self._settle(scripts.ACK, tags)

    def release(self, tags: Sequence[Tag], *, counted: bool = True, last: bool = False) -> int:
        newest_first = sorted(tags, key=_number, reverse=True)
        return self._settle(scripts.RELEASE, newest_first, int(counted), "LPUSH" if last else "RPUSH")

    def _settle(self, script: str, tags: Sequence[Tag], *arguments: Any) -> int:
        done = 0
        for first in range(0, len(tags), MOST_AT_ONCE):
            batch = tags[first : first + MOST_AT_ONCE]
            parts = (part.encode() for tag in batch for part in tag)  # redis-py looks at bytes first
            done += int(self._run(script, self._owner, *arguments, *parts))
            self._held.difference_update(batch)
        return done

    def renew(self) -> None:
        """On a connection of its own, made for this once.

        The calling thread may be a real one beside gevent's or eventlet's, whose sockets belong to the thread
        that made them: nothing is shared, so nothing needs a lock, and nothing goes stale in between.
        """
        if self._lease.is_fresh:
            return
        queues = () if self._readers is None else self._readers.queues
        wire = self._server.connect_apart()
        try:
            wire.call(*self._lease.renewal(self._source(scripts.RENEW)[1], queues))
        finally:
            wire.close()

    def release_owner(self, owner: str, last_attempt: int = 0) -> int:
        return int(self._run(scripts.FREE, owner, last_attempt))

    def renew_owner(self, owner: str) -> None:
        self._run(scripts.RENEW_OWNER, owner, self._lease.milliseconds)

    def owners(self) -> list[str]:
        return [name.decode() for name in self._wire.call("ZRANGE", self._keys.owners, 0, -1)]

    # --- waiting ---------------------------------------------------------------------------------------

    def listen(self, queues: Sequence[str]) -> int | None:
        if time.monotonic() < self._may_wait_from:
            return None
        try:
            return self._listen(queues)
        except NotPermitted as error:
            # Polling does what waiting does, a little later and for more questions.
            logging.getLogger("fleet.broker").warning("messages are polled for: %s", error)
            self._may_wait_from = time.monotonic() + _LOOK_FOR_RIGHTS_SECONDS
            if self._readers is not None:
                self._readers.close()
            return None

    def hint(self) -> int | None:
        return None if self._readers is None else self._readers.descriptor

    def _listen(self, queues: Sequence[str]) -> int | None:
        if self._readers is None:
            # Whoever blocks a connection must be able to end that: no connection has the number 0.
            self._wire.call("CLIENT", "UNBLOCK", 0)
            self._readers = BlockedReaders(
                self._server.connect, self._keys, self._owner, self._lease.milliseconds / 1000, self._hold
            )
        readers = self._readers
        return self._hearing(lambda: readers.open(queues))

    def _hearing(self, action: Callable[[], T]) -> T:
        """Where one connection is gone or silent the others are, too: not each is to be waited for."""
        try:
            return action()
        except BrokerUnavailable:
            self._wire.close()  # the next use connects again
            raise

    def _hold(self, queue: str) -> tuple[Any, ...]:
        return self._lease.renewal(self._source(scripts.HOLD)[1], (queue,))

    def unlisten(self) -> None:
        if self._readers is None:
            return
        self._readers.collect()
        if commands := self._readers.unblocking():
            try:
                self._wire.calls(commands)
                self._hearing(self._readers.unblocked)
            except NotPermitted:
                self._readers.close()  # taken away meanwhile: the server lets go of a closed connection by itself
        if self._readers.moved:
            self._run(scripts.UNMOVE, self._owner, *{queue for queue, _ in self._readers.moved})
            self._readers.moved.clear()

    def next_change(self, queues: Sequence[str]) -> float | None:
        if self._readers is not None and self._readers.moved:
            return 0.0
        # Known from the last look at the same queues, which is a moment ago in every loop.
        if self._soonest is None or self._soonest[0] != tuple(queues):
            self.reserve(queues, 0)
        assert self._soonest is not None
        soonest = self._soonest[1]
        return None if soonest is None else max(0.0, soonest - time.monotonic())

    # --- the connection --------------------------------------------------------------------------------

    def reconnect(self) -> bool:
        """Also gives back what a reservation claimed whose reply never came; that was not a hand-out."""
        self._drop_connections()
        self._wire = self._server.connect_anew()
        self._run(scripts.FENCE, self._owner, self._next_claim)
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
        if self._readers is not None:
            self._readers.close()


def _number(tag: Tag) -> int:
    return int(tag[1].partition(":")[0])
