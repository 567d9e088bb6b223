"""The consumers of a worker of several queues, where it decides itself from which queue it takes next.

RabbitMQ pushes, and to whom it pushes it does not ask in which order. So each queue has a consumer of its own whose
limit leaves room for a message that only waits here: it lies on the shelf until its queue's turn comes. A queue of
which nothing lies there is asked (basic.get) when its turn comes, unless it is known to be empty: it was, and its
consumer has not been short of credit since, so that the broker would have pushed whatever had come.

While tasks are long the limit is what there is room for, by the queue's share: what is on a shelf no idle worker can
have. While they are short it is all that the worker may hold, and nobody needs to ask. When nothing more can be taken
for a while, the consumers are cancelled and the shelf is given back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.broker.queue_order import QueueOrder
from fleet.broker.rabbitmq.inbound import Arrived
from fleet.broker.rabbitmq.queue_consumers import Consumers
from fleet.clock import time
from fleet.spec import QueueSpec

_FULL_SECONDS = 0.1  # nothing can be taken for so long: what is on the shelf is for others
_PACE_SECONDS = 0.5  # how often to look how many were taken
_BRISK = 4  # so many times what may be held are taken in a second, and more than this:
_LEAST_BRISK = 50.0


class InOrder:
    """Of one channel, which the caller guards; to be used as Consumers are. None is started by the constructor."""

    def __init__(
        self,
        channel: Any,
        queues: Sequence[QueueSpec],
        *,
        order: QueueOrder,
        base: int,
        hold: Callable[[str, Any], Delivery],
    ) -> None:
        """`hold` makes a delivery of what was asked for."""
        self._channel = channel
        self._queues = [queue.name for queue in queues]
        self._order = order
        self._base = self._prefetch = base
        self._hold = hold
        self._only_pushed = frozenset(queue.name for queue in queues if can_only_push(queue))
        self._asked = [queue for queue in self._queues if queue not in self._only_pushed]
        self._started = False
        self._skipped: frozenset[str] = frozenset()
        self._serial = count(1)
        self._tags: dict[str, str] = {}  # of the consumer of each queue that has one
        self._limits: dict[str, int] = {}  # by consumer
        self._unacked: dict[int, str] = {}  # what came from a consumer, by the delivery's tag
        self._used: dict[str, int] = {}  # credit, by consumer
        self._shelf: dict[str, deque[Delivery]] = {queue: deque() for queue in self._queues}
        # Queues that had nothing, and whose consumers have had credit ever since: what comes there, comes here.
        # One that has just got credit again says nothing: what it brings is still on its way.
        self._empty: set[str] = set()
        self._cancelled: set[str] = set()  # queues whose consumers the broker has cancelled
        self._wanted: list[str] = []
        self._room = 0  # for so many more, now
        self._full_since: float | None = None  # monotonic
        self._paced_at = time.monotonic()
        self._taken = 0  # since then
        self._is_brisk = False

    # As Consumers

    def start(self) -> None:
        self._started = True
        self._full_since = None

    def stop(self) -> None:
        self._started = False
        self._cancel(self._queues)
        self._cancelled.clear()

    def skip(self, queues: frozenset[str]) -> None:
        """Leave these alone from now on, and no others."""
        self._skipped = queues
        self._cancel(queues)

    def hold(self, prefetch: int) -> None:
        """Hand out that many deliveries at most from now on."""
        self._base = min(self._base, prefetch)
        self._prefetch = prefetch

    def take_cancelled(self) -> set[str]:
        """Queues whose consumers the broker has cancelled, because they were deleted or moved; each once."""
        cancelled, self._cancelled = self._cancelled, set()
        return cancelled

    def consume_again(self, queue: str) -> None:
        """A queue that is there again is consumed with its next turn."""
        self._cancel([queue])

    # What the line tells

    def arrived(self, arrived: Arrived, delivery: Delivery) -> None:
        """By a consumer; also by one that has been cancelled in the meantime."""
        self._shelf[delivery.queue].append(delivery)
        self._unacked[arrived.tag] = arrived.consumer
        self._used[arrived.consumer] = self._used.get(arrived.consumer, 0) + 1
        if self._credit(delivery.queue) < 1:
            self._empty.discard(delivery.queue)

    def forget(self, tags: Iterable[int]) -> None:
        """Forget deliveries that are settled."""
        for tag in tags:
            if (consumer := self._unacked.pop(tag, None)) is not None:
                self._used[consumer] -= 1
                if not self._used[consumer] and self._tags.get(Consumers.queue_of(consumer)) != consumer:
                    del self._used[consumer]

    @property
    def on_shelf(self) -> int:
        return sum(map(len, self._shelf.values()))

    # What the line asks for

    def unwanted(self) -> list[Delivery]:
        """What lies here of queues that are not consumed, now; it is no longer here then."""
        return [
            delivery
            for queue, shelf in self._shelf.items()
            if not self._started or queue in self._skipped
            for delivery in _emptied(shelf)
        ]

    def take(self, room: int) -> list[Delivery]:
        """As many as there is room for, in order."""
        taken: list[Delivery] = []
        if not self._started:
            return taken
        self._look_at_pace()
        if room > 0:
            self._full_since = None
            self._wanted = [queue for queue in self._queues if queue not in self._skipped]
            self._room = room
            while self._room > 0 and (delivery := self._next()) is not None:
                taken.append(delivery)
                self._room -= 1
        elif self._full_since is None:
            self._full_since = time.monotonic()
        self._taken += len(taken)
        return taken

    def given_up(self) -> list[Delivery]:
        """What lies here for nothing, for there has been no room for a while; it is no longer here then."""
        if not self._started or self._full_in() > 0:
            return []
        self._full_since = float("inf")  # until there is room
        self._is_brisk = False
        self._cancel(self._asked)
        return [delivery for queue in self._asked for delivery in _emptied(self._shelf[queue])]

    def next_in(self) -> float:
        """In how many seconds to ask again for what can be taken and for what is given up."""
        paced_in = self._paced_at + _PACE_SECONDS - time.monotonic() if self._is_brisk else float("inf")
        return max(0.0, min(self._full_in(), paced_in)) if self._started else float("inf")

    def _full_in(self) -> float:
        if self._full_since is None:
            return float("inf")
        return self._full_since + _FULL_SECONDS - time.monotonic()

    def _next(self) -> Delivery | None:
        for queue in self._order.order(self._wanted):
            delivery = self._from(queue)
            if delivery is not None:
                self._order.took(queue)
                return delivery
        return None

    def _from(self, queue: str) -> Delivery | None:
        shelf = self._shelf[queue]
        if queue in self._only_pushed:
            if queue not in self._tags:
                self._consume(queue)
        elif not shelf and queue not in self._empty and not self._is_on_its_way(queue):
            self._fetch(queue)
        return shelf.popleft() if shelf else None  # it may have come with the consumer

    def _fetch(self, queue: str) -> None:
        """On to the shelf, if there is anything."""
        if self._credit(queue) < self._limit(queue) // 4:
            self._consume(queue)  # many come for one question
        if (asked := self._channel.basic_get(queue)) is not None:
            self._shelf[queue].append(self._hold(queue, asked))
            return
        # What the consumer got before may lie behind that answer in the channel's mailbox, not behind the next one.
        if self._credit(queue) < 1:
            self._consume(queue)
        else:
            self._channel.basic_qos(0, self._limits[self._tags[queue]], False)
        if not self._shelf[queue]:
            self._empty.add(queue)

    def _is_on_its_way(self, queue: str) -> bool:
        """Whether it does to wait for what is pushed, if there is something: it will get its share all the same."""
        return self._is_brisk and not self._order.is_strict and self._credit(queue) > 1

    def _credit(self, queue: str) -> int:
        tag = self._tags.get(queue)
        return 0 if tag is None else self._limits[tag] - self._used.get(tag, 0)

    def _limit(self, queue: str) -> int:
        if self._is_brisk or queue in self._only_pushed:
            # More than can have been handed out: then credit is never used up but by what lies here.
            return self._prefetch + 1
        return max(1, self._order.share(queue, self._wanted, self._room))

    def _look_at_pace(self) -> None:
        now = time.monotonic()
        if now - self._paced_at < _PACE_SECONDS:
            return
        pace = self._taken / (now - self._paced_at)
        self._paced_at, self._taken = now, 0
        was, self._is_brisk = self._is_brisk, pace > max(_LEAST_BRISK, _BRISK * self._base)
        if was and not self._is_brisk:
            self._cancel(self._asked)  # else the next ones to come may be long, and lie here in numbers

    def _consume(self, queue: str) -> None:
        self._cancel([queue])
        # Never a tag twice: acks of what its predecessor handed out would make room for more of its own.
        tag = f"{queue}#{next(self._serial)}"
        limit = self._limits[tag] = self._limit(queue)
        self._tags[queue] = tag
        self._channel.basic_qos(0, limit, False)
        self._channel.basic_consume(queue, consumer_tag=tag, on_cancel=self._on_cancel)

    def _cancel(self, queues: Iterable[str]) -> None:
        self._empty.difference_update(queues)
        for queue in queues:
            if (tag := self._tags.pop(queue, None)) is not None:
                del self._limits[tag]
                if not self._used.get(tag):
                    self._used.pop(tag, None)
                self._channel.basic_cancel(tag)

    def _on_cancel(self, tag: str) -> None:
        """By the broker, not by us."""
        queue = Consumers.queue_of(tag)
        if self._tags.get(queue) == tag:
            del self._tags[queue], self._limits[tag]
            self._empty.discard(queue)
            self._cancelled.add(queue)


def can_only_push(queue: QueueSpec) -> bool:
    """Whether asking it does not do, or being without a consumer for a while changes what becomes of it."""
    arguments = queue.arguments
    has_one_consumer = bool(arguments.get("x-single-active-consumer"))
    return has_one_consumer or "x-expires" in arguments or arguments.get("x-queue-type") == "stream"


def _emptied(shelf: deque[Delivery]) -> list[Delivery]:
    found = list(shelf)
    shelf.clear()
    return found
