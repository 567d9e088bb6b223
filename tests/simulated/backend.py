"""What a schedule needs of each simulated broker."""

from __future__ import annotations

from typing import Any

from fleet.protocol import Encoded
from fleet.spec import BrokerSpec, QueueSpec
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock
from tests.simulated.judge import Judge
from tests.simulated.network import Network

QUEUE, DEAD = "work", "work.dead"
Patch = tuple[Any, str, Any]  # object, attribute, what stands there while a schedule runs


class Backend:
    """One broker with one queue, for one schedule."""

    name: str
    faults: tuple[str, ...]
    broker: BrokerSpec
    queues: tuple[QueueSpec, ...]
    network: Network
    identity: str  # of the worker that lives now

    def __init__(self, clock: Clock, choices: Choices, judge: Judge) -> None:
        self.clock = clock
        self.choices = choices
        self.judge = judge
        self.published: list[str] = []

    def patches(self) -> list[Patch]:
        raise NotImplementedError

    def publish(self, message: Encoded) -> None:
        """Into the queue, by a producer that has no trouble."""
        self.put(message)
        self.published.append(str(message.headers["id"]))

    def put(self, message: Encoded) -> None:
        raise NotImplementedError

    def pending(self) -> int:
        """Copies that are to be done yet: ready, delayed, held."""
        raise NotImplementedError

    def dead(self) -> dict[str, str]:
        """Messages in the dead-letter queue, with the reasons."""
        raise NotImplementedError

    def check(self) -> None:
        """Look at the broker's state as a whole."""

    def crash(self) -> None:
        """The worker's process dies."""
        raise NotImplementedError

    def revive(self) -> None:
        """The next worker may connect."""

    def last_close(self, is_so: bool) -> None:
        """The worker is about to say good-bye with nothing left to do."""

    def rival(self) -> None:
        """Another worker comes by."""

    def close(self) -> None:
        """The schedule is over."""
