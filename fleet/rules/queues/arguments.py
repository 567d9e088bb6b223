"""Raw arguments of the wrong type, and options that the broker at hand ignores."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fleet.config.model import Fleet, Queue
from fleet.diagnostics import Severity
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, REDIS, SQLITE, broker_kind, broker_url, is_kind_decided_here
from fleet.rules.finding import Add, Change, Drop, Finding, KeyPath, Step
from fleet.rules.queues.quorum import rabbit_queues
from fleet.rules.registry import rule
from fleet.rules.words import listed

# Argument → (what it takes, in words; as a type).
_TYPES: dict[str, tuple[str, type]] = {
    **dict.fromkeys(("x-message-ttl", "x-expires", "x-consumer-timeout"), ("whole milliseconds", int)),
    **dict.fromkeys(
        (
            *("x-max-length", "x-max-length-bytes", "x-max-priority", "x-delivery-limit", "x-queue-version"),
            "x-quorum-initial-group-size",
        ),
        ("a whole number", int),
    ),
    "x-single-active-consumer": ("true or false", bool),
    **dict.fromkeys(
        (
            *("x-queue-type", "x-queue-mode", "x-overflow", "x-dead-letter-exchange"),
            *("x-dead-letter-routing-key", "x-dead-letter-strategy", "x-queue-leader-locator", "x-max-age"),
            "x-queue-master-locator",
        ),
        ("a text", str),
    ),
}
_OF_CONNECTIONS = {
    AMQP: {"lease": "on RabbitMQ: a dead worker's messages come back with its connection"},
    SQLITE: {"max_connections": "for the embedded broker: it is a file, without connections"},
}
_PRIORITIES = {
    SQLITE: ": each queue sorts by priority, whatever the number",
    REDIS: ": each queue has the priorities 0 to 9",
}
_TYPED = {"x-message-ttl": "message_ttl", "x-max-priority": "max_priority"}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@rule("FLT107", "argument-of-wrong-type", "error", fix="safe", reads=("queues.arguments",))
def argument_of_wrong_type(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A raw queue argument of the wrong type.

    What is under `arguments` goes to the broker as it is. RabbitMQ refuses `x-message-ttl = "10m"`,
    because it wants milliseconds as a number. Where fleet has a key of its own for the same, that key
    reads durations and is checked.

    Bad:

        [queues.images]
        arguments = { x-message-ttl = "10m" }

    Good:

        [queues.images]
        message_ttl = "10m"
    """
    for name, queue in rabbit_queues(fleet):
        for key, value in queue.arguments.items():
            wanted = _TYPES.get(key)
            if wanted is None or type(value) is wanted[1]:
                continue
            path: KeyPath = ("queues", name, "arguments", key)
            advice, steps = _mending(queue, path, value)
            yield Finding(
                path,
                f"{key} takes {wanted[0]}, got {_shown(value)}: RabbitMQ refuses it",
                help=advice,
                steps=steps,
                safe=True,
            )


def _mending(queue: Queue, path: KeyPath, value: Any) -> tuple[str | None, tuple[Step, ...]]:
    key = str(path[-1])
    typed = _TYPED.get(key)
    duration = re.fullmatch(r"(\d+)(ms|s|m|h|d)", value) if isinstance(value, str) else None
    number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,12}", value) else None
    if key == "x-message-ttl" and number is not None:
        duration, value = re.fullmatch(r"(\d+)(ms)", f"{number}ms"), f"{number}ms"
    if typed and getattr(queue, typed) is None and (duration or (number is not None)):
        toml = f'"{value}"' if duration else str(number)
        # The last argument goes with its table: an empty one would say nothing.
        gone = path if len(queue.arguments) > 1 else path[:-1]
        return f"write {typed} = {toml} in the queue's table instead", (
            Drop(gone),
            Add(path[:2], typed, toml),
        )
    if duration and _TYPES[key][0] == "whole milliseconds":
        number = int(duration[1]) * _MILLISECONDS[duration[2]]
    if number is not None and _TYPES[key][1] is int:
        return f"write {number}", (Change(path, str(number)),)
    if _TYPES[key][1] is bool and str(value).lower() in ("true", "false"):
        return f"write {str(value).lower()}", (Change(path, str(value).lower()),)
    if key == "x-queue-type":
        return 'write "quorum" or "classic"', ()
    return (f"use `{typed}` instead" if typed else f"write {_TYPES[key][0]}"), ()


def milliseconds(value: Any) -> int | None:
    """What an argument of a length of time says, or would say once FLT107 has mended it; None: nothing."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    duration = re.fullmatch(r"(\d{1,12})(ms|s|m|h|d|)", str(value))
    return int(duration[1]) * _MILLISECONDS[duration[2] or "ms"] if duration else None


def _shown(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value[:40]}"'
        case dict() | list():
            return "a table" if isinstance(value, dict) else "a list"
    return str(value)


@rule(
    "FLT111",
    "option-ignored-by-broker",
    "warning",
    varies=True,
    reads=(
        *("broker.url", "broker.max_connections", "broker.lease"),
        *("queues.message_ttl", "queues.max_priority", "queues.durable", "queues.arguments"),
    ),
)
def option_ignored_by_broker(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """An option that this broker ignores.

    Redis and the embedded SQLite broker keep messages until they are done: they have no `message_ttl`, no
    queues that are not durable, and none of RabbitMQ's x-arguments; they sort by priority in each queue, without a
    `max_priority`. The embedded broker is a file, to which
    there are no connections, and no `max_connections`. RabbitMQ has no `lease`: there a dead worker's messages
    come back with its connection. To brokers that fleet only knows through kombu (SQS, MongoDB …) a queue is a name.
    The line looks as if it did something. Not reported where `url_file` or a variable decides which broker it is; one
    for the password does not.

    Bad:

        [broker]
        url = "redis://127.0.0.1/0"

        [queues.images]
        message_ttl = "1h"

    Good:

        [broker]
        url = "amqp://127.0.0.1//"

        [queues.images]
        message_ttl = "1h"
    """
    url = broker_url(fleet)
    if url is None or not is_kind_decided_here(fleet):
        return
    kind = broker_kind(fleet)
    for key, why in _OF_CONNECTIONS.get(kind or "", {}).items():
        if key in fleet.broker.said:
            yield Finding(("broker", key), f"`{key}` means nothing {why}", part="key", help="remove it")
    for name, queue in fleet.queues.items() if kind != AMQP else ():
        path: KeyPath = ("queues", name)
        for key, what in _ignored(queue, kind):
            text = f"{kind or f'fleet on {url.scheme}://'} ignores {what}"
            # There are priorities all the same: nothing is missing.
            severity: Severity | None = "info" if key == "max_priority" and kind else None
            advice = _advice(kind or f"{url.scheme}://")
            yield Finding((*path, key), text, part="key", help=advice, severity=severity)


def _ignored(queue: Queue, kind: str | None) -> Iterator[tuple[str, str]]:
    if queue.message_ttl is not None:
        yield "message_ttl", "`message_ttl`: messages wait until they are done"
    if queue.max_priority is not None:
        yield "max_priority", f"`max_priority`{_PRIORITIES.get(kind or '', '')}"
    if not queue.durable:
        yield "durable", "`durable = false`: its queues always survive" if kind else "`durable`"
    foreign = [key for key in queue.arguments if key.startswith("x-")]
    if foreign:
        yield "arguments", f"arguments of RabbitMQ: {listed(foreign)}"


def _advice(kind: str) -> str:
    default = " (the default without [broker] url)" if kind == SQLITE else ""
    return f"remove it, or use RabbitMQ; this fleet's broker is {kind}{default}"
