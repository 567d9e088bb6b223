"""The consumer role: a connection that consumes and settles for a Link, as each broker provides it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from fleet.broker.delivery import Delivery, Posting, Refused
from fleet.broker.queue_order import WEIGHTED, QueueOrder
from fleet.spec import BrokerSpec, QueueSpec


class Subscription(NamedTuple):
    """What a consumer takes: from which queues of which broker, in which order, how many at once, and as whom.

    `identity` ("http/0@host:pid/token") owns the leases and names the connection on the broker. `dead_letters` are
    those of the queues' dead-letter queues that fleet.toml declares; others are made as plain ones.
    """

    broker: BrokerSpec
    queues: Sequence[QueueSpec]
    prefetch: int
    identity: str
    dead_letters: Sequence[QueueSpec] = ()
    queue_order: str = WEIGHTED

    def order(self) -> QueueOrder | None:
        """Of several queues."""
        names = [queue.name for queue in self.queues]
        return QueueOrder(names, self.queue_order) if len(names) > 1 else None


class NoSuspects:
    """Of a broker where a suspect stays in its queue: it is found there, and run alone."""

    suspects = False

    def set_aside(
        self, most: int | None, *, culprit_known: bool, is_ours: Callable[[Delivery], bool]
    ) -> None: ...

    def look_for_suspects(self) -> bool:
        return False

    def take_suspect(self, _queue: str | None = None) -> Delivery | None:
        return None


class BrokerConsumer(Protocol):
    """One connection that consumes and settles; raises BrokerUnavailable, and `connect` mends it."""

    longest_hold_seconds: float
    """How long a delivery may stay unsettled for no other reason than that its successor is refused."""

    def connect(self) -> bool:
        """Connect or reconnect and consume (unless paused); whether deliveries from before still stand."""

    def wait(self, timeout: float, wake_fd: int) -> list[Delivery]: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def skip(self, queues: Collection[str]) -> None:
        """Consume all queues but these, from now on; [] is all."""

    def set_prefetch(self, prefetch: int) -> None: ...

    def ack(self, deliveries: Sequence[Delivery]) -> None: ...

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool) -> None: ...

    def replace(self, delivery: Delivery, *postings: Posting) -> None:
        """Publish durably, their queues made if need be, then ack.

        Raises Refused, and the delivery stays as it was, when the broker does not take all of them.
        """

    def defer(self, delivery: Delivery, seconds: float) -> None:
        """Not yet: keep it in the broker, to be handed out after that long. Raises Refused as `replace` does."""

    def take_refusal(self) -> Refused | None:
        """What the broker has refused of what this line publishes by itself; each once."""

    def set_aside(
        self, most: int | None, *, culprit_known: bool, is_ours: Callable[[Delivery], bool]
    ) -> None:
        """What was handed out `most` times has its last chance: what kills others beside it is not to cost it that.

        See `fleet.broker.rabbitmq.suspects.SuspectRule`.
        """

    @property
    def suspects(self) -> bool:
        """Whether messages may have been set aside that may have killed their workers; they come first."""

    def look_for_suspects(self) -> bool:
        """The same, asked anew."""

    def take_suspect(self, queue: str | None = None) -> Delivery | None:
        """One suspect (of `queue`, if given), for a worker that has nothing else; None when there is none, now."""

    def renew(self) -> None:
        """Tell the broker that this worker lives; from any thread."""

    def close(self) -> None: ...
