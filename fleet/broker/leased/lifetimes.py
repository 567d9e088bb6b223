"""The lifetimes of queues and their messages, as kombu and AMQP ask for them, on brokers that know nothing of them.

A queue with a lifetime is *used* by each connection that consumes it, or has declared it exclusive; a
connection that is dead uses nothing once its lease has run out. fleet's own workers give no queue a lifetime
and pay nothing for this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from fleet.broker.delivery import Posting

GONE_SECONDS = 86_400.0
"""How long a queue that ended is remembered, so that late replies to it are dropped and don't make it again."""


class Lifetime(NamedTuple):
    """`temporary`: ends with its last user, once it has had one. The others are milliseconds, None for ever.

    `expires` after that long without a user; each message after `message_ttl` in the queue.
    """

    temporary: bool = False
    expires: int | None = None
    message_ttl: int | None = None

    @classmethod
    def declared(
        cls, *, auto_delete: bool = False, exclusive: bool = False, arguments: Mapping[str, Any] | None = None
    ) -> Lifetime:
        """What a queue declaration of AMQP asks for."""
        given = arguments or {}
        return cls(
            bool(auto_delete or exclusive),
            milliseconds(given.get("x-expires")),
            milliseconds(given.get("x-message-ttl")),
        )

    @property
    def ends(self) -> bool:
        """Whether anything in it has an end."""
        return self != Lifetime()


class Lifetimes(Protocol):
    """Kept in the store, for one owner. Not thread-safe. Raises BrokerUnavailable from every method."""

    def declare(self, queue: str, lifetime: Lifetime) -> None:
        """Make the queue known. A lifetime without an end changes nothing about a queue that has one."""

    def use(self, queues: Sequence[str]) -> dict[str, Lifetime]:
        """Note that the owner uses those of `queues` that have a lifetime. Pushes the owner's lease out."""

    def unuse(self, queues: Sequence[str]) -> None:
        """Note that the owner uses the queues no more; temporary ones of which it was the last user are deleted."""

    def of(self, queue: str) -> Lifetime:
        """The lifetime of a queue, without an end if it has none."""

    def sweep(self, at_most_every: float) -> None:
        """Delete what has ended, unless somebody did less than `at_most_every` seconds ago."""

    def publish(self, postings: Sequence[Posting]) -> None:
        """As LeasedStore, but messages to a queue that had a lifetime and has ended are dropped."""

    def delete(self, queue: str) -> None:
        """Delete the queue with all that is in it, now."""

    def now(self) -> float:
        """The store's clock, that of Claim.ready_since."""


def milliseconds(value: Any) -> int | None:
    """A time as AMQP's arguments and properties write it; None for what is none."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number >= 0 else None
