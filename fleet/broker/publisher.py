"""The publisher role: a connection that only publishes, as each broker provides it to a Producer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fleet.broker.delivery import Posting
from fleet.spec import QueueSpec


class Publisher(Protocol):
    """A connection that only publishes. Raises Refused, or BrokerUnavailable and is then thrown away."""

    def declare(self, queue: QueueSpec) -> None: ...

    def publish(self, postings: Sequence[Posting]) -> None: ...

    def close(self) -> None: ...
