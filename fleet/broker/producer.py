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
from typing import TYPE_CHECKING

from fleet.broker.delivery import BrokerUnavailable, MessageTooLarge, Posting, QueueMismatch, Refused
from fleet.broker.open import open_publisher
from fleet.spec import BrokerSpec, QueueSpec

if TYPE_CHECKING:
    from fleet.broker.publisher import Publisher


@dataclass(slots=True, eq=False)
class _Errand:
    """What one thread wants published."""

    postings: Sequence[Posting]
    is_done: bool = False
    refused: Refused | None = None  # some of them, while the rest is on the broker


class Producer:
    """Thread-safe; a child process makes a connection of its own."""

    def __init__(self, broker: BrokerSpec) -> None:
        self.broker = broker
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Errand]] = defaultdict(deque)  # by queue
        self._publisher: Publisher | None = None
        self._declared: set[str] = set()
        self._pid = os.getpid()

    def publish(self, postings: Sequence[Posting], queue: QueueSpec) -> None:
        """Declares `queue`, where they all go, before its first message: else a broker would drop it.

        A connection that had broken unnoticed is replaced and the messages sent again, so one may arrive
        twice. Raises BrokerUnavailable; or Refused, which names those that are not on the broker.
        """
        errand = _Errand(postings)
        waiting = self._waiting[queue.name]
        waiting.append(errand)
        with self._lock:
            self._renew_in_child(waiting, but=())
            if not errand.is_done:
                self._carry_out(errand, _taken(waiting), queue)
        if errand.refused is not None:
            raise errand.refused

    def publish_each(self, batches: Sequence[Sequence[Posting]], queue: QueueSpec) -> list[Exception | None]:
        """As if so many threads published one of them each: together if that works. Why one is not on the broker."""
        errands = [_Errand(postings) for postings in batches]
        waiting = self._waiting[queue.name]
        waiting.extend(errands)
        errors: list[Exception | None] = []
        with self._lock:
            self._renew_in_child(waiting, but=errands)
            for errand in errands:
                error: Exception | None = None
                if not errand.is_done:
                    try:
                        self._carry_out(errand, _taken(waiting), queue)
                    except Exception as failed:
                        error = failed
                errors.append(errand.refused or error)
        return errors

    def _renew_in_child(self, waiting: deque[_Errand], but: Sequence[_Errand]) -> None:
        """What is the parent's, who still uses it, is not ours to close or to publish."""
        if self._pid != os.getpid():
            waiting.clear()
            waiting.extend(but)
            self._forget()
            self._pid = os.getpid()

    def _carry_out(self, own: _Errand, taken: Sequence[_Errand], queue: QueueSpec) -> None:
        """With what others bring if that works. If not they do it themselves, whatever stopped us."""
        if len(taken) > 1:
            try:
                self._mend_and_publish([each for errand in taken for each in errand.postings], queue)
            except Refused as error:
                for errand in taken:  # none of them again: what the broker has taken would be there twice
                    errand.refused, errand.is_done = _part(error, errand), True
                if own.is_done:
                    return
            except (BrokerUnavailable, ValueError, TypeError):
                pass  # it may be the fault of one of them
            else:
                for errand in taken:
                    errand.is_done = True
                if own.is_done:
                    return
        try:
            self._mend_and_publish(own.postings, queue)
        except Refused as error:
            own.refused = error
        own.is_done = True

    def _mend_and_publish(self, postings: Sequence[Posting], queue: QueueSpec) -> None:
        used_before = self._publisher is not None
        try:
            self._publish(postings, queue)
        except QueueMismatch:
            raise
        except MessageTooLarge:
            self._drop()  # if it was the broker that said so, it has closed the channel
            raise
        except Refused as error:
            if not error.is_nowhere or not used_before:
                raise
            self._declared.discard(queue.name)  # somebody has deleted it
            self._publish(error.postings, queue)
        except BrokerUnavailable:
            self._drop()
            if not used_before:
                raise
            self._publish(postings, queue)

    def _publish(self, postings: Sequence[Posting], queue: QueueSpec) -> None:
        if self._publisher is None:
            self._publisher = open_publisher(self.broker)
        if queue.name not in self._declared:
            self._publisher.declare(queue)
            self._declared.add(queue.name)
        self._publisher.publish(postings)

    def _drop(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        self._forget()

    def _forget(self) -> None:
        self._publisher = None
        self._declared.clear()

    def close(self) -> None:
        with self._lock:
            self._drop()


def _part(error: Refused, errand: _Errand) -> Refused | None:
    """What of it concerns this one."""
    refused = {id(posting) for posting in error.postings}
    own = [posting for posting in errand.postings if id(posting) in refused]
    return Refused(str(error), own) if own else None


def _taken(waiting: deque[_Errand]) -> list[_Errand]:
    return [waiting.popleft() for _ in range(len(waiting))]


_producer: Producer | None = None
_producer_lock = threading.Lock()


def producer(broker: BrokerSpec) -> Producer:
    """The producer of this process; a new one when the broker's settings have changed."""
    global _producer  # one connection per process is the point
    with _producer_lock:
        if _producer is None or (_producer.broker is not broker and _producer.broker != broker):
            previous, _producer = _producer, Producer(broker)
            if previous is not None:
                previous.close()
        return _producer
