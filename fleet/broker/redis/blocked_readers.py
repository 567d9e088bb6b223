"""Blocked readers wake an idle worker: one connection blocked per list, `BLMOVE list → moved`, its socket the hint.

Why so: docs/decisions/0010-redis-waiting.md. A message that wakes us lies in our `moved` list, from where our
next reservation, a renewal, or the reaper puts it back first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.redis.connect import Wire
from fleet.broker.redis.epoll import descriptor_of
from fleet.broker.redis.keys import Keys
from fleet.broker.redis.refusals import NotPermitted
from fleet.clock import time

_OVERDUE_SECONDS = (
    5.0  # a blocking command that has not ended this long after its time: the connection is dead
)
_DEAF_SECONDS = (
    1.0  # after a refusal (a full Redis refuses BLMOVE): poll for a while instead of asking at once again
)

List = tuple[str, int]  # queue, step


@dataclass(slots=True)
class _BlockedReader:
    """One connection, blocked on one list until `until` (monotonic), or idle (None)."""

    wire: Wire
    client_id: int
    until: float | None = None


class BlockedReaders:
    """`hold` gives the command that pushes the owner's lease out; each connection sends it before it blocks.

    So a blocked connection ends before its owner's lease does: when the lease has run out, the server moves
    nothing to that owner any more, not even for a connection whose other end is gone.
    """

    def __init__(
        self,
        connect: Callable[[], Wire],
        keys: Keys,
        owner: str,
        lease_seconds: float,
        hold: Callable[[str], tuple[object, ...]],
    ) -> None:
        self._connect = connect
        self._keys = keys
        self._owner = owner
        self._block_seconds = lease_seconds / 2
        self._hold = hold
        self._readers: dict[List, _BlockedReader] = {}
        self._prioritised: set[str] = set()
        self._descriptor: tuple[int, Callable[[], None]] | None = None
        self._moving_until = 0.0  # a lost connection may make the server move something until then
        self._deaf_until = 0.0
        self._refusal: NotPermitted | None = None  # of a blocking command, not told yet
        self._lost: dict[
            int, str
        ] = {}  # client id → queue: blocked when we hung up, for all the server knows
        self.queues: tuple[str, ...] = ()
        # (queue, envelope) that a connection has moved, or may have (None), for whoever puts them back.
        self.moved: list[tuple[str, bytes | None]] = []

    def open(self, queues: Sequence[str]) -> int | None:
        """Block a connection on each list of `queues` where none is blocked; one descriptor for all.

        Raises NotPermitted when the user may not block, which may also turn out one call later.
        """
        self.collect()
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
        if time.monotonic() < self._deaf_until:
            return None
        self.queues = tuple(queues)
        for unwanted in self._readers.keys() - set(self._lists()):
            self._drop(unwanted)
        try:
            while quiet := [key for key in self._lists() if not self._is_blocked(key)]:
                self._block(quiet)  # may tell of priorities, that is of more lists
        except BrokerUnavailable:
            self.close()
            raise
        return self._combined()

    @property
    def descriptor(self) -> int | None:
        """The descriptor of `open`, until one of the connections is found to be of no use."""
        return None if self._descriptor is None else self._descriptor[0]

    def prioritised(self, queue: str) -> None:
        """Listen to all lists of a queue whose messages have priorities, from now on."""
        self._prioritised.add(queue)

    def _lists(self) -> list[List]:
        steps = self._keys.steps
        return [
            (queue, step)
            for queue in self.queues
            for step in (steps if queue in self._prioritised else steps[:1])
        ]

    def _is_blocked(self, key: List) -> bool:
        return key in self._readers and self._readers[key].until is not None

    def _block(self, lists: Iterable[List]) -> None:
        readers = {key: self._readers.get(key) or self._new_reader(key) for key in lists}
        for (queue, step), reader in readers.items():
            source, target = self._keys.ready(queue, step), self._keys.moved(self._owner, queue, step)
            move = ("BLMOVE", source, target, "RIGHT", "LEFT", f"{self._block_seconds:.3f}")
            reader.wire.send([self._hold(queue), move])
        for (queue, _), reader in readers.items():
            if reader.wire.receive():
                self._prioritised.add(queue)
            reader.until = time.monotonic() + self._block_seconds

    def _new_reader(self, key: List) -> _BlockedReader:
        wire = self._connect()
        self._readers[key] = _BlockedReader(wire, int(wire.call("CLIENT", "ID")))
        self._forget_descriptor()
        return self._readers[key]

    def collect(self) -> None:
        """Take the replies that have come; `moved` then says what they brought."""
        now = time.monotonic()
        overdue = [
            key
            for key, reader in self._readers.items()
            if reader.until and now > reader.until + _OVERDUE_SECONDS
        ]
        answered = [key for key, reader in self._readers.items() if reader.until and reader.wire.readable()]
        for key in set(overdue) - set(answered):
            self._drop(key)
        for key in answered:
            self._answer(key)

    def may_have_moved(self) -> bool:
        """Whether messages may lie in our `moved` lists, or may get there."""
        blocked = any(reader.until for reader in self._readers.values())
        return blocked or bool(self.moved) or time.monotonic() < self._moving_until

    def unblocking(self) -> list[tuple[object, ...]]:
        """What another connection has to send to unblock all of ours; then call `unblocked`.

        The lost ones too: to a connection that is dead without the server knowing it a message may be moved
        at any time, and once this owner has left nobody would look for it. Harmless to others: after a
        restart of the server the number may be theirs, then a wait of theirs ends early.
        """
        blocked = [reader.client_id for reader in self._readers.values() if reader.until]
        return [("CLIENT", "UNBLOCK", client_id) for client_id in (*blocked, *self._lost)]

    def unblocked(self) -> None:
        """The server has unblocked all: take the replies. As `collect`, but one that does not come, on a
        connection that only seems to live, is BrokerUnavailable: all others would be waited for as long.
        """
        self.moved += [(queue, None) for queue in self._lost.values()]
        self._lost.clear()
        for key in [key for key, reader in self._readers.items() if reader.until]:
            self._answer(key, must_live=True)

    def _answer(self, key: List, *, must_live: bool = False) -> None:
        """Take the reply of the blocking command."""
        reader = self._readers[key]
        try:
            envelope = reader.wire.receive()
        except BrokerUnavailable as error:
            is_gone = reader.wire.is_gone
            self._drop(key)
            self._deaf_until = time.monotonic() + _DEAF_SECONDS
            self.moved.append((key[0], None))
            if must_live and is_gone:
                raise
            if isinstance(error, NotPermitted):
                self._refusal = error
            return
        reader.until = None
        if envelope is not None:
            self.moved.append((key[0], envelope))

    def close(self) -> None:
        """Hang up; what has been moved stays in the `moved` lists for now."""
        for key in list(self._readers):
            self._drop(key)

    def _drop(self, key: List) -> None:
        self._forget_descriptor()
        reader = self._readers.pop(key)
        if reader.until:
            self._lost[reader.client_id] = key[0]
            self._moving_until = max(self._moving_until, reader.until + _OVERDUE_SECONDS)
        reader.wire.close()

    def _forget_descriptor(self) -> None:
        if self._descriptor is not None:
            self._descriptor[1]()
            self._descriptor = None

    def _combined(self) -> int:
        if self._descriptor is None:
            self._descriptor = descriptor_of([reader.wire.fileno() for reader in self._readers.values()])
        return self._descriptor[0]
