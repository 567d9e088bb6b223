"""Publishing for `fleet send`, which would have to load all that first: the answer to POST /send."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.controller.observed.queue_stats import in_own_thread
from fleet.controller.reconciler import Reconciler
from fleet.spec import RoutingSpec, Spec

_MOST_AT_ONCE = 16  # each holds a thread for as long as the broker takes


class NotSent(Exception):  # noqa: N818
    """The text says why, `status` is that of HTTP: 400 and 503 would be the same for everybody who sends it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class SendOrder(Spec):
    """One message, and the fingerprint of the file by which it is to be sent."""

    fingerprint: str
    task: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    delay_seconds: float | None = None


class Counter:
    """Where messages are handed in. Belongs to the event loop."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._busy = 0

    async def send(self, asked: dict[str, Any]) -> dict[str, str]:
        """The `queue` and `id` of the message, once it is on the broker. Raises NotSent."""
        try:
            order = SendOrder.from_dict(asked)
        except TypeError as error:  # of another version than ours: let it send by itself
            raise NotSent(422, str(error)) from error
        declaration = self._reconciler.declaration
        in_force = declaration.fingerprint
        if declaration.accepted is None or not in_force or order.fingerprint != in_force:
            raise NotSent(409, "the file that is in force is another one")
        if self._busy >= _MOST_AT_ONCE:
            raise NotSent(429, f"{self._busy} messages wait for the broker already")
        routing, source = declaration.accepted.routing, self._reconciler.file
        self._busy += 1
        try:
            return await in_own_thread(lambda: _publish(routing, source, order))
        finally:
            self._busy -= 1


def _publish(routing: RoutingSpec, source: Path, order: SendOrder) -> dict[str, str]:
    from fleet.broker.delivery import BrokerUnavailable, MessageTooLarge, Refused
    from fleet.broker.router import Unroutable
    from fleet.tasks.routing import from_spec
    from fleet.tasks.send_options import SendOptions
    from fleet.tasks.sending import UnknownQueue, destination, send_many

    rules = from_spec(routing, source)
    options = SendOptions(queue=order.queue, delay_seconds=order.delay_seconds)
    try:
        target, _ = destination(rules, order.task, options)
        [ident] = send_many(order.task, [(order.args, order.kwargs)], options, rules=rules)
    except (Unroutable, UnknownQueue, MessageTooLarge) as error:
        raise NotSent(400, str(error)) from error
    except Refused as error:
        raise NotSent(507, str(error)) from error
    except BrokerUnavailable as error:
        raise NotSent(503, str(error)) from error
    return {"queue": target.name, "id": ident}
