"""One message on the broker by its id: among the dead letters, delayed, or waiting. Nothing is claimed but where said.

SQLite answers by a query. In Redis so many messages of each queue are read from the front, and how many is said. Into a
queue of RabbitMQ nobody can look without taking messages out of it: only its dead letters are gone through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fleet.broker.delivery import Delivery
from fleet.broker.leased.consumer import to_delivery
from fleet.broker.leased.store import LeasedStore
from fleet.broker.open import is_leased, is_there, open_dead_letters, open_store
from fleet.broker.urls import scheme
from fleet.spec import QueueSpec, RoutingSpec

WINDOW = 10_000
"""Messages of each queue, on Redis."""
DEAD_WINDOW = 500
"""Of each dead-letter queue, where they have to be taken to be seen."""
_STEP = 500
_TOLD = ("argsrepr", "kwargsrepr", "origin", "eta", "expires", "root_id", "parent_id", "retries", "sent")
_LONGEST = 1024


class Looked(NamedTuple):
    """`said`: how far it was looked, in sentences."""

    said: list[str]
    found: dict[str, Any] | None


def look_for(routing: RoutingSpec, ident: str) -> Looked:
    """Blocks. Raises BrokerUnavailable."""
    broker, dead = routing.broker, _dead_letters(routing.queues)
    if is_leased(broker.url):
        if not is_there(broker):
            return Looked(["nobody has used this broker yet"], None)
        store = open_store(broker)
        try:
            return _in_store(store, routing, dead, ident)
        finally:
            store.close()
    if scheme(broker.url) == "amqp":
        return _in_rabbitmq(routing, dead, ident)
    return Looked([f"fleet can't look into queues of {scheme(broker.url)}:// brokers"], None)


def _dead_letters(queues: Sequence[QueueSpec]) -> list[str]:
    return list(dict.fromkeys(queue.dead_letter for queue in queues if queue.dead_letter))


def _in_store(store: LeasedStore, routing: RoutingSpec, dead: list[str], ident: str) -> Looked:
    names = [*dead, *(queue.name for queue in routing.queues if queue.name not in dead)]
    found, complete = store.find(names, ident, WINDOW)
    if found is None:
        return Looked([] if complete else [_window()], None)
    delivery = to_delivery(found.claim)
    state = "dead" if delivery.queue in dead else found.state
    said = details(delivery, state)
    if state == "delayed":
        said["due_at"] = found.due_at
    return Looked([], said)


def _window() -> str:
    return f"of each queue only the {WINDOW} messages were looked at that are the next to go"


def _in_rabbitmq(routing: RoutingSpec, dead: list[str], ident: str) -> Looked:
    said = [
        "nobody can look inside a queue of RabbitMQ: what waits or is delayed there can't be found by its id"
    ]
    letters = open_dead_letters(routing.broker)
    if letters is None:
        return Looked(said, None)
    try:
        for name in dead:
            for delivery in letters.look(name, DEAD_WINDOW):
                if delivery.headers.get("id") == ident:
                    return Looked([], details(delivery, "dead"))
            if letters.count(name) > DEAD_WINDOW:
                said.append(f"of {name} only the {DEAD_WINDOW} oldest were looked at")
    finally:
        letters.close()
    return Looked(said, None)


def details(delivery: Delivery, state: str) -> dict[str, Any]:
    """What is told of a message on the broker; a dead one with its death."""
    headers = delivery.headers
    said: dict[str, Any] = {
        "state": state,
        "id": _text(headers.get("id")),
        "task": _text(headers.get("task")),
        "queue": delivery.queue,
        "attempt": delivery.attempt,
        "ready_since": delivery.ready_since,
        "headers": {name: _plain(headers.get(name)) for name in _TOLD},
    }
    if state == "dead":
        from dataclasses import asdict

        from fleet.broker.dead_letter_record import read

        said["death"] = asdict(read(delivery, ()))
    return said


def _plain(value: object) -> object:
    if value is None or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return _text(value)


def _text(value: object) -> str:
    return value[:_LONGEST].encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""
