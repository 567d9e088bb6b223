"""The book for brokers that fleet knows nothing special about: notes in a file of the state directory.

First the messages, then the file: whoever dies in between sends them once more, under the same id. Two hosts know
nothing of each other.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable, Delivery
from fleet.broker.notes import Entry, Written, orders_spec
from fleet.broker.open import open_consumer
from fleet.broker.producer import Producer
from fleet.broker.queue_order import WEIGHTED
from fleet.scheduler.books.held import judge
from fleet.spec import QueueSpec, RoutingSpec

_ORDERS_AT_ONCE = 100


class LocalBook:
    """See Book."""

    def __init__(self, fleet: str, routing: RoutingSpec, *, file: Path) -> None:
        self._file = file
        self._queues = {queue.name: queue for queue in routing.queues}
        self._orders = open_consumer(
            Subscription(
                routing.broker,
                [orders_spec(fleet, routing.broker)],
                prefetch=_ORDERS_AT_ONCE,
                identity="scheduler",
                queue_order=WEIGHTED,
            )
        )
        self._producer = Producer(routing.broker)
        self._notes: dict[str, str] = {}

    def connect(self) -> None:
        self._orders.connect()
        with suppress(FileNotFoundError):
            self._notes = _read(self._file)

    def now(self) -> int:
        return int(time.time() * 1000)

    def notes(self) -> dict[str, str]:
        return dict(self._notes)

    def enter(self, entries: Sequence[Entry]) -> list[Written]:
        fitting, written = judge(self._notes, entries)
        for entry in fitting:
            for posting in entry.postings:
                queue = self._queues.get(posting.queue) or QueueSpec(posting.queue)
                self._producer.publish([posting], queue)
        self._notes.update((entry.name, entry.after) for entry in fitting)
        if fitting:
            self._keep()
        return written

    def _keep(self) -> None:
        try:
            _write(self._file, json.dumps(self._notes))
        except OSError as error:
            raise BrokerUnavailable(f"{self._file}: {error.strerror}") from error

    def wait(self, seconds: float, wake_fd: int) -> list[Delivery]:
        return self._orders.wait(seconds, wake_fd)

    def done(self, orders: Sequence[Delivery]) -> None:
        self._orders.ack(orders)

    def is_empty(self, queue: str) -> bool:
        return False

    def close(self) -> None:
        self._orders.close()
        self._producer.close()


def _read(file: Path) -> dict[str, str]:
    """Raises FileNotFoundError, or BrokerUnavailable for one that is there and can't be read: nothing is forgotten."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise BrokerUnavailable(f"{file} can't be read ({error}): mend or remove it") from error
    return {str(name): str(note) for name, note in said.items()}


def _write(file: Path, text: str) -> None:
    """In one step, and on the disk when this returns; 0600."""
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        Path(temporary).replace(file)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
