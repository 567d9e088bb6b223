"""Names that a broker refuses."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding, KeyPath, Part
from fleet.rules.registry import rule

_MOST_BYTES = 255
# Made by RabbitMQ itself in each vhost, durable; declared anew as they are they are taken.
PREDECLARED = {
    "amq.direct": "direct",
    "amq.topic": "topic",
    "amq.fanout": "fanout",
    "amq.headers": "headers",
    "amq.match": "headers",
}


@rule("FLT103", "bad-broker-name", "error")
def bad_broker_name(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A name that the broker refuses: too long, reserved, or with control characters.

    AMQP sends names in a field of at most 255 bytes, and keeps queue names that begin with `amq.` for
    itself, as those of exchanges but for its own (amq.direct, amq.topic …, with their type): RabbitMQ closes the
    channel on them. Control characters pass, and then nobody can type the
    name into a tool. Found at start, all this stops the workers; found here, it costs a rename.

    Bad:

        [queues."amq.images"]

    Good:

        [queues.images]

    Source: AMQP 0-9-1 (short strings; reserved names of queue.declare).
    """
    for path, part, name, is_exchange in _names(fleet):
        noun = "exchange" if is_exchange else "queue"
        size = len(name.encode("utf-8", "surrogatepass"))
        if size > _MOST_BYTES:
            why, advice = f"has {size:,} bytes; a broker takes {_MOST_BYTES}", "shorten it"
        elif any(not character.isprintable() for character in name):
            why, advice = (
                "has characters that can't be seen",
                "type it anew: letters, digits, dots and dashes",
            )
        elif name.startswith("amq.") and not (is_exchange and name in PREDECLARED):
            why, advice = "begins with `amq.`, which the broker keeps for itself", "take another prefix"
        elif is_exchange and (wrong := _unlike(fleet, str(path[1]), name)):
            why, advice = wrong, "declare it as it is, or take an exchange of your own"
        elif not name:
            why, advice = "is empty", "give it a name"
        else:
            continue
        yield Finding(path, f"the name of this {noun} {why}", part=part, help=advice)


def _unlike(fleet: Fleet, queue: str, exchange: str) -> str | None:
    """In what the declaration differs from the broker's own exchange of that name."""
    if exchange not in PREDECLARED:
        return None
    declared, kind = fleet.queues[queue], PREDECLARED[exchange]
    if declared.exchange_type != kind:
        return f"is that of the broker's own {kind} exchange, declared {declared.exchange_type} here"
    return None if declared.durable else "is that of the broker's own exchange, which is durable"


def _names(fleet: Fleet) -> Iterator[tuple[KeyPath, Part, str, bool]]:
    """(path, what to mark, name, whether it is an exchange's)."""
    for name, queue in fleet.queues.items():
        yield ("queues", name), "key", name, False
        if queue.exchange:
            yield ("queues", name, "exchange"), "whole", queue.exchange, True
        if isinstance(queue.dead_letter, str) and queue.dead_letter not in fleet.queues:
            yield ("queues", name, "dead_letter"), "whole", queue.dead_letter, False
