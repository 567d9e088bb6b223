"""Exchanges: do the declarations of the queues that are bound to them fit together, and do they mean anything?"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.brokers import may_be_rabbitmq
from fleet.rules.finding import Add, Change, Finding, KeyPath, Mark
from fleet.rules.registry import rule

EXCHANGE_READS = ("all queues.exchange", "all queues.exchange_type", "all queues.routing_key")


@rule("FLT110", "exchange-with-two-types", "error", fix="unsafe", reads=EXCHANGE_READS)
def exchange_with_two_types(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Two queues declare one exchange with different types.

    An exchange has one type. The first declaration makes it; the second one is refused by RabbitMQ, and
    the group that consumes that queue does not start. `exchange_type` left out means "direct".

    Bad:

        [queues.images]
        exchange = "shop"
        exchange_type = "topic"

        [queues.http]
        exchange = "shop"

    Good:

        [queues.images]
        exchange = "shop"
        exchange_type = "topic"

        [queues.http]
        exchange = "shop"
        exchange_type = "topic"
    """
    for name, queue, first in _after_the_first(fleet):
        other = fleet.queues[first]
        if queue.exchange_type == other.exchange_type:
            continue
        is_said = "exchange_type" in queue.said
        path: KeyPath = ("queues", name, "exchange_type" if is_said else "exchange")
        default = "" if is_said else ", the default"
        yield Finding(
            path,
            f'exchange "{queue.exchange}" is {queue.exchange_type} here{default}, and '
            f'{other.exchange_type} for the queue "{first}"',
            related=(said_or_exchange(first, other, "exchange_type", f"{other.exchange_type} here"),),
            help=f'exchange_type = "{other.exchange_type}", or another exchange',
            steps=(
                (Change(path, f'"{other.exchange_type}"'),)
                if is_said
                else (Add(path[:2], "exchange_type", f'"{other.exchange_type}"'),)
            ),
        )


@rule("FLT113", "exchange-durable-and-not", "error", reads=("all queues.exchange", "all queues.durable"))
def exchange_durable_and_not(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Two queues share an exchange, and only one of them is durable.

    An exchange is declared as durable as the queue that it belongs to. The second declaration differs
    from the first, RabbitMQ refuses it, and the group that consumes that queue does not start.

    Bad:

        [queues.images]
        exchange = "shop"

        [queues.http]
        exchange = "shop"
        durable = false

    Good:

        [queues.images]
        exchange = "shop"

        [queues.http]
        exchange = "shop.transient"
        durable = false
    """
    words = {True: "durable", False: "not durable"}
    for name, queue, first in _after_the_first(fleet):
        other = fleet.queues[first]
        if queue.durable != other.durable:
            yield Finding(
                ("queues", name, "durable" if not queue.durable else "exchange"),
                f'exchange "{queue.exchange}" is {words[queue.durable]} here, and {words[other.durable]} '
                f'for the queue "{first}"',
                related=(said_or_exchange(first, other, "durable", f"{words[other.durable]} here"),),
                help="write the same `durable` for both queues, or give one of them another `exchange`",
            )


@rule("FLT122", "binding-without-effect", "warning", reads=EXCHANGE_READS)
def binding_without_effect(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A key of the binding that does nothing, or is taken literally.

    Without `exchange` a queue gets what is sent to its own name: `exchange_type` and `routing_key` then mean nothing. A
    fanout exchange puts each message into all of its queues, whatever its key is, and a headers exchange does so here,
    since no headers can be given. In a direct exchange `*` and `#` are letters like others: patterns are for topic
    exchanges, and there stand for whole words between dots.

    Bad:

        [queues.images]
        routing_key = "shop.images"

    Good:

        [queues.images]
        exchange = "shop"
        routing_key = "shop.images"
    """
    # Brokers that leave routing to fleet go by the key in a headers exchange, too.
    for_all = ("fanout", "headers") if may_be_rabbitmq(fleet) else ("fanout",)
    disputed = {
        queue.exchange for _, queue, first in _after_the_first(fleet) if not _agree(fleet, queue, first)
    }
    for name, queue in fleet.queues.items():
        if queue.exchange in disputed:
            continue  # FLT110
        for key, message, advice in _idle(name, queue, for_all):
            yield Finding(("queues", name, key), message, help=advice)


def _agree(fleet: Fleet, queue: Queue, first: str) -> bool:
    return queue.exchange_type == fleet.queues[first].exchange_type


def _idle(name: str, queue: Queue, for_all: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """(key, what is wrong, advice). `for_all`: types of exchanges that look at no key."""
    kind, key = queue.exchange_type, queue.routing_key
    if not queue.exchange:
        needs = 'exchange = "NAME" beside it, or remove it: without an exchange, a queue gets what is sent to its name'
        if kind != "direct":
            yield "exchange_type", "`exchange_type` does nothing without `exchange`", needs
        if key and key != name:
            yield "routing_key", "`routing_key` does nothing without `exchange`", needs
    elif key and kind in for_all:
        yield (
            "routing_key",
            f"`routing_key` does nothing: the exchange is of type {kind}, and gives each message to all of its queues",
            'remove it; or exchange_type = "direct", if the key is to decide',
        )
    elif key and kind == "direct" and any(mark in key.split(".") for mark in "*#"):
        wild = next(mark for mark in "*#" if mark in key.split("."))
        yield (
            "routing_key",
            f'"{wild}" is no wildcard on a direct exchange: this queue gets only messages sent with the exact '
            f'key "{key}"',
            'exchange_type = "topic", or a key without wildcards',
        )
    elif key and kind == "topic" and (word := _literal_word(key)) is not None:
        meant = key.replace(word, "#" if "#" in word or "**" in word else "*")
        yield (
            "routing_key",
            f'"{word}" is no wildcard: in a topic exchange * and # stand for whole words between dots, and else for '
            "themselves",
            f'"#" for any number of words, "*" for one: "{meant}"',
        )


def _literal_word(key: str) -> str | None:
    """The word of a topic pattern in which a wildcard is only a letter."""
    words = key.split(".")
    return next((word for word in words if word not in ("*", "#") and ("*" in word or "#" in word)), None)


def _after_the_first(fleet: Fleet) -> Iterator[tuple[str, Queue, str]]:
    """(name, queue, the first queue of the same exchange) for all but the first."""
    firsts: dict[str, str] = {}
    for name, queue in fleet.queues.items():
        if queue.exchange and firsts.setdefault(queue.exchange, name) != name:
            yield name, queue, firsts[queue.exchange]


def said_or_exchange(name: str, queue: Queue, key: str, label: str) -> Mark:
    """Where the queue says it, or else where it names its exchange."""
    return Mark(("queues", name, key if key in queue.said else "exchange"), label)
