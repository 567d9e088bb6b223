"""What the loop reads from a delivery's headers. Tolerant: decoding says what is wrong with them."""

from __future__ import annotations

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import CRASHES_HEADER
from fleet.worker.outcome import Policy


def task_of(delivery: Delivery) -> str:
    return str(delivery.headers.get("task"))


def label(delivery: Delivery) -> str:
    """For log lines: `shop.tasks.resize[5b1f…]`."""
    return f"{delivery.headers.get('task')}[{delivery.headers.get('id')}]"


def retries_of(delivery: Delivery) -> int:
    return _count(delivery, "retries")


def crashes_of(delivery: Delivery) -> int:
    return _count(delivery, CRASHES_HEADER)


def hard_limit_of(delivery: Delivery, policy: Policy) -> float | None:
    """Seconds: what the message says, else the policy. Nonsense is for decoding to refuse."""
    match delivery.headers.get("timelimit"):
        case [int() | float() as hard, _]:
            return hard
    return policy.time_limit_seconds


def attempts_of(delivery: Delivery) -> int:
    """How often it has been handed out to be run, this time included, as far as anybody knows."""
    return delivery.attempt + crashes_of(delivery)


def _count(delivery: Delivery, name: str) -> int:
    value = delivery.headers.get(name)
    return value if isinstance(value, int) and value > 0 else 0
