"""How a Link speaks to each kind of broker: AMQP, a store with leases, and whatever else kombu knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fleet.broker.delivery import Delivery, Posting


class Line(Protocol):
    """One connection that consumes and settles; raises BrokerUnavailable, and `connect` mends it."""

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

    def replace(self, delivery: Delivery, posting: Posting) -> None:
        """Publish durably, its queue made if need be, then ack."""

    def defer(self, delivery: Delivery, seconds: float) -> None:
        """Not yet: keep it in the broker, to be handed out after that long."""

    def renew(self) -> None:
        """Tell the broker that this worker lives; from any thread."""

    def close(self) -> None: ...
