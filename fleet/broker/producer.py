"""Publishing from any process and any thread: one connection, made when first needed, mended when it broke.

What `publish` has returned for is on the broker. Each time costs a round trip, and often a flush of a disk.
So while one thread waits for that, what others bring for the same queue gathers, and goes out together.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fleet.broker.delivery import BrokerUnavailable, Posting, QueueMismatch
from fleet.broker.stores import is_leased, open_store
from fleet.broker.urls import scheme
from fleet.spec import BrokerSpec, QueueSpec


class Outlet(Protocol):
    """A connection that only publishes. Raises BrokerUnavailable, and is then thrown away."""

    def declare(self, queue: QueueSpec) -> None: ...

    def publish(self, postings: Sequence[Posting]) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Errand:
    """What one thread wants published."""

    postings: Sequence[Posting]
    is_done: bool = False


class Producer:
    """Thread-safe; a child process makes a connection of its own."""

    def __init__(self, broker: BrokerSpec) -> None:
        self.broker = broker
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Errand]] = defaultdict(deque)  # by queue
        self._outlet: Outlet | None = None
        self._declared: set[str] = set()
        self._pid = os.getpid()

    def publish(self, postings: Sequence[Posting], queue: QueueSpec) -> None:
        """Declares `queue`, where they all go, before its first message: else a broker would drop it.

        A connection that had broken unnoticed is replaced and the messages sent again, so one may arrive
        twice. Raises BrokerUnavailable.
        """
        errand = _Errand(postings)
        waiting = self._waiting[queue.name]
        waiting.append(errand)
        with self._lock:
            if self._pid != os.getpid():
                waiting.clear()
                self._forget()  # the parent's, who still uses it: not ours to close
                self._pid = os.getpid()
            if not errand.is_done:
                self._carry_out(errand, _taken(waiting), queue)

    def _carry_out(self, own: _Errand, taken: Sequence[_Errand], queue: QueueSpec) -> None:
        """With what others bring if that works. If not they do it themselves, whatever stopped us."""
        if len(taken) > 1:
            try:
                self._mend_and_publish([each for errand in taken for each in errand.postings], queue)
            except (BrokerUnavailable, ValueError, TypeError):
                pass  # it may be the fault of one of them
            else:
                for errand in taken:
                    errand.is_done = True
                if own.is_done:
                    return
        self._mend_and_publish(own.postings, queue)
        own.is_done = True

    def _mend_and_publish(self, postings: Sequence[Posting], queue: QueueSpec) -> None:
        used_before = self._outlet is not None
        try:
            self._publish(postings, queue)
        except QueueMismatch:
            raise
        except BrokerUnavailable:
            self._drop()
            if not used_before:
                raise
            self._publish(postings, queue)

    def _publish(self, postings: Sequence[Posting], queue: QueueSpec) -> None:
        if self._outlet is None:
            self._outlet = open_outlet(self.broker)
        if queue.name not in self._declared:
            self._outlet.declare(queue)
            self._declared.add(queue.name)
        self._outlet.publish(postings)

    def _drop(self) -> None:
        if self._outlet is not None:
            self._outlet.close()
        self._forget()

    def _forget(self) -> None:
        self._outlet = None
        self._declared.clear()

    def close(self) -> None:
        with self._lock:
            self._drop()


def _taken(waiting: deque[_Errand]) -> list[_Errand]:
    return [waiting.popleft() for _ in range(len(waiting))]


def open_outlet(broker: BrokerSpec) -> Outlet:
    """Connected. Raises BrokerUnavailable."""
    if is_leased(broker.url):
        from fleet.broker.outlets.leased import LeasedOutlet

        return LeasedOutlet(open_store(broker))
    if scheme(broker.url) == "amqp":
        from fleet.broker.outlets.amqp import AmqpOutlet

        return AmqpOutlet(broker)
    from fleet.broker.stock import StockConnection

    return StockConnection(broker)


_producer: Producer | None = None
_producer_lock = threading.Lock()


def producer(broker: BrokerSpec) -> Producer:
    """This process's producer; a new one when the broker's settings have changed."""
    global _producer  # one connection per process is the point
    with _producer_lock:
        if _producer is None or (_producer.broker is not broker and _producer.broker != broker):
            previous, _producer = _producer, Producer(broker)
            if previous is not None:
                previous.close()
        return _producer
