"""The headers of a delivery as the loop reads them. Tolerant: decoding says what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import CRASHES_HEADER
from fleet.protocol.fields import MOST_RETRIES, NO_LIMITS, limit
from fleet.protocol.words import cut, shown

if TYPE_CHECKING:
    from fleet.worker.outcome import Policy

_LONGEST_NAME = 200  # in a log line


def task_of(delivery: Delivery) -> str:
    """ "" for what is no name: no task of any app is called that."""
    name = delivery.headers.get("task")
    return name if isinstance(name, str) else ""


def label(delivery: Delivery) -> str:
    """For log lines: `shop.tasks.resize[5b1f…]`."""
    return f"{_short(delivery.headers.get('task'))}[{_short(delivery.headers.get('id'))}]"


def _short(value: object) -> str:
    return cut(value, _LONGEST_NAME) if isinstance(value, str) else shown(value)


def retries_of(delivery: Delivery) -> int:
    return _count(delivery, "retries")


def crashes_of(delivery: Delivery) -> int:
    return _count(delivery, CRASHES_HEADER)


def hard_limit_of(delivery: Delivery, policy: Policy) -> float | None:
    """Seconds: what the message says, else the policy. Nonsense is for decoding to refuse."""
    said = delivery.headers.get("timelimit")
    if said is None or said == NO_LIMITS:  # at once: nearly every message passes here
        return policy.time_limit_seconds
    match said:
        case [hard, _] if isinstance(found := limit(hard), float):
            return found or None  # 0 is none
    return policy.time_limit_seconds


def attempts_of(delivery: Delivery) -> int:
    """How often it has been handed out to be run, this time included, as far as anybody knows."""
    return delivery.attempt + crashes_of(delivery)


def _count(delivery: Delivery, name: str) -> int:
    value = delivery.headers.get(name)
    return min(value, MOST_RETRIES) if isinstance(value, int) and value > 0 else 0
