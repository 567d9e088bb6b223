"""The consumers of a worker: they hold as many deliveries as is wanted, and survive their queues.

The limit is a consumer's own, fixed when it starts, and what a cancelled one has handed out stays with us beside
what the next one hands out. So the consumers for what runs are started once; what is taken ahead comes by a second
one, which comes and goes. A worker of several queues has others: see in_order.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

_MARK = "#"


class _Consumer(NamedTuple):
    queue: str
    is_ahead: bool


class Consumers:
    """Of one channel, which the caller guards. None is started by the constructor."""

    def __init__(self, channel: Any, queues: Sequence[str], *, base: int) -> None:
        """`base` deliveries come by consumers that stay."""
        self._channel = channel
        self._queues = queues
        self._base = base
        self._ahead = 0
        self._started = False
        self._skipped: frozenset[str] = frozenset()
        self._running: dict[str, _Consumer] = {}  # by tag
        self._serial = count(1)
        self._cancelled: set[str] = set()  # queues whose consumers the broker has cancelled

    def start(self) -> None:
        self._started = True
        for queue in self._wanted():
            self._consume_all(queue)

    def stop(self) -> None:
        self._started = False
        self._cancel(list(self._running))
        self._cancelled.clear()

    def skip(self, queues: frozenset[str]) -> None:
        """Leave these alone from now on, and no others."""
        before, self._skipped = self._skipped, queues
        if self._started:
            self._cancel([tag for tag, consumer in self._running.items() if consumer.queue in queues])
            for queue in self._queues:
                if queue in before - queues:
                    self._consume_all(queue)

    def _wanted(self) -> list[str]:
        return [queue for queue in self._queues if queue not in self._skipped]

    def hold(self, prefetch: int) -> None:
        """Hold that many deliveries from now on."""
        before, self._ahead = self._ahead, max(0, prefetch - self._base)
        running = self._started
        if prefetch < self._base:
            self._base = prefetch
            self.stop()
            if running:
                self.start()
        elif running and self._ahead != before:
            self._cancel([tag for tag, consumer in self._running.items() if consumer.is_ahead])
            for queue in self._wanted():
                self._consume_ahead(queue)

    def take_cancelled(self) -> set[str]:
        """Queues whose consumers the broker has cancelled, because they were deleted or moved; each once."""
        cancelled, self._cancelled = self._cancelled, set()
        return cancelled

    def consume_again(self, queue: str) -> None:
        """Consume a queue that is there again."""
        # Not every consumer may have been cancelled.
        self._cancel([tag for tag, consumer in self._running.items() if consumer.queue == queue])
        if queue not in self._skipped:
            self._consume_all(queue)

    def _consume_all(self, queue: str) -> None:
        self._consume(_Consumer(queue, is_ahead=False), self._base)
        self._consume_ahead(queue)

    def _consume_ahead(self, queue: str) -> None:
        if self._ahead > 0:
            self._consume(_Consumer(queue, is_ahead=True), self._ahead)

    def _consume(self, consumer: _Consumer, prefetch: int) -> None:
        # Never a tag twice: acks of what its predecessor handed out would make room for more of its own.
        tag = f"{consumer.queue}{_MARK}{next(self._serial)}"
        self._channel.basic_qos(0, prefetch, False)
        self._channel.basic_consume(
            consumer.queue,
            consumer_tag=tag,
            on_cancel=self._on_cancel,
        )
        self._running[tag] = consumer

    def _cancel(self, tags: Sequence[str]) -> None:
        for tag in tags:
            if self._running.pop(tag, None) is not None:  # the broker may be quicker
                self._channel.basic_cancel(tag)

    @staticmethod
    def queue_of(tag: str) -> str:
        """Whom a delivery was for; also when its consumer has been cancelled in the meantime."""
        return tag.rpartition(_MARK)[0]

    def _on_cancel(self, tag: str) -> None:
        """By the broker, not by us."""
        if consumer := self._running.pop(tag, None):
            self._cancelled.add(consumer.queue)
