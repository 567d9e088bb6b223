"""Messages that are not due yet: list them with when they are, and cancel one. For `fleet delayed` and the controller.

SQLite and Redis keep them in the order of their time. On RabbitMQ they lie in queues of fleet's own that hand them over
when their time has come (decisions/0054): nobody can look inside, nor take one out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fleet.broker.leased.consumer import to_delivery
from fleet.broker.leased.store import Found
from fleet.broker.looking import details
from fleet.broker.open import is_leased, is_there, open_store
from fleet.broker.urls import scheme
from fleet.spec import RoutingSpec

MOST = 1000


class Delayed(NamedTuple):
    """`total` is None and `said` a sentence where the broker can't be asked."""

    messages: list[dict[str, Any]]
    total: int | None
    said: str | None = None


def list_delayed(routing: RoutingSpec, queues: Sequence[str], limit: int) -> Delayed:
    """The first that are due of these queues, at most `limit`. Blocks. Raises BrokerUnavailable."""
    if (never := _never(routing)) is not None:
        return Delayed([], None, never)
    if not is_there(routing.broker):
        return Delayed([], 0)
    store = open_store(routing.broker)
    try:
        most = min(limit, MOST)
        found = [each for queue in queues for each in store.delayed(queue, most)]
        total = sum(store.stats(queue).delayed for queue in queues)
    finally:
        store.close()
    found.sort(key=lambda each: each.due_at or 0.0)
    return Delayed([_told(each) for each in found[:most]], total)


def _told(found: Found) -> dict[str, Any]:
    return {**details(to_delivery(found.claim), "delayed"), "due_at": found.due_at}


def cancel(routing: RoutingSpec, queues: Sequence[str], ident: str) -> str | None:
    """Delete the delayed message with that id for good; the queue where it was, None: there is none (any more).

    Blocks. Raises BrokerUnavailable, and ValueError, with the reason, where the broker does not allow it.
    """
    if (never := _never(routing)) is not None:
        raise ValueError(never)
    if not is_there(routing.broker):
        return None
    store = open_store(routing.broker)
    try:
        return next((queue for queue in queues if store.cancel(queue, ident)), None)
    finally:
        store.close()


def _never(routing: RoutingSpec) -> str | None:
    if is_leased(routing.broker.url):
        return None
    if scheme(routing.broker.url) == "amqp":
        return (
            "RabbitMQ keeps delayed messages in queues that nobody can look into: they can be neither listed nor "
            "cancelled. A task can look when it begins whether it is still wanted"
        )
    return f"delayed messages of {scheme(routing.broker.url)}:// brokers can be neither listed nor cancelled"
