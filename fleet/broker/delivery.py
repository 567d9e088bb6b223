"""The values that pass between broker and worker: a Delivery coming, a Posting going, a Death."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleet.protocol import Encoded
from fleet.protocol.words import shown


class BrokerUnavailable(ConnectionError):  # noqa: N818
    """The broker can't be reached or hung up; the text says which (masked) and why. Try again later."""


class MessageTooLarge(ValueError):  # noqa: N818
    """The broker would not take a message of that size; the text says what it allows. Nothing was sent."""


class HeldTooLong(BrokerUnavailable):
    """The broker has hung up because a delivery was held for longer than it allows; the text has the remedy."""


class Refused(BrokerUnavailable):
    """The broker is there and does not take these messages; the text says why. Others of a batch are on it.

    To connect anew would mend nothing. Publishing all of a batch again would multiply what it has taken.
    """

    def __init__(self, reason: str, postings: Sequence[Posting] = (), *, is_nowhere: bool = False) -> None:
        """`postings` are those that it has not taken. `is_nowhere`: because their queue is not there."""
        super().__init__(reason)
        self.postings = tuple(postings)
        self.is_nowhere = is_nowhere


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
    fault: str = ""  # why it can't be run, when whoever unpacked it has found that
    ready_since: float | None = None  # POSIX timestamp, where the broker knows it
    alone: bool = False  # it was set aside: it runs with nobody beside it
    on_begin: Any = None  # called by who runs it when it has been read and is about to begin
    verdict: Any = None  # a fleet.worker.outcome.Verdict: not to be run, but for its end to be recorded

    def __post_init__(self) -> None:
        """Whatever lay in the broker: what has the wrong type is left out, and never run."""
        if (
            isinstance(self.headers, dict)
            and isinstance(self.properties, dict)
            and isinstance(self.content_type, str)
            and isinstance(self.content_encoding, str)
        ):
            return  # at once: every delivery passes here
        for name, kind, words in _SHAPES:
            value = getattr(self, name)
            if not isinstance(value, kind):
                setattr(self, name, kind())
                self.fault = self.fault or f"malformed message: the {words}, got {shown(value)}"


_SHAPES: tuple[tuple[str, Any, str], ...] = (
    ("headers", dict, "headers must be an object"),
    ("properties", dict, "properties must be an object"),
    ("content_type", str, "content type must be text"),
    ("content_encoding", str, "content encoding must be text"),
)


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
