"""What passes between broker and worker: a Delivery coming, a Posting going, a Death."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleet.protocol import Encoded


class BrokerUnavailable(ConnectionError):  # noqa: N818
    """The broker can't be reached or hung up; the text says which (masked) and why. Try again later."""


class QueueMismatch(BrokerUnavailable):
    """A queue or exchange exists with other settings; the text names it, what differs and the remedy."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One message handed to this worker, until it is settled. `tag` is valid for one connection only."""

    tag: Any
    queue: str
    body: bytes
    headers: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    redelivered: bool = False
    attempt: int = 1  # how often the broker has handed it out, this time included, as far as it can tell
    generation: int = 0  # which connection of the link it came by


class Posting(NamedTuple):
    """One message on its way into a queue, to be handed out once `delay_seconds` have passed.

    `exchange` "" puts it into `queue` itself; else the exchange decides by `routing_key` who gets a copy.
    """

    queue: str
    message: Encoded
    delay_seconds: float = 0.0
    exchange: str = ""
    routing_key: str = ""


class Death(NamedTuple):
    """Why a message goes to the dead-letter queue; becomes its `x-fleet-death` header."""

    reason: str  # one line
    worker: str
    at: float  # POSIX timestamp
    traceback: str | None = None
    exit_signal: int | None = None
