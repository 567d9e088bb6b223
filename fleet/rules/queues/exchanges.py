"""Exchanges, bindings and where dead letters go: do the queues' declarations fit together?"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.finding import Add, Change, Finding, KeyPath, Mark
from fleet.rules.registry import rule
from fleet.rules.view import dead_letter, meant

EXCHANGE_READS = ("all queues.exchange", "all queues.exchange_type", "all queues.routing_key")


@rule("FLT109", "dead-letters-lost", "warning", reads=("all queues.*",))
def dead_letters_lost(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Dead letters that go to a queue declared nowhere, or round in a circle.

    `dead_letter` names the queue for messages that can't be done. One that is not declared is made on
    demand under exactly that name, so that a spelling mistake is found by whoever looks for the lost
    messages. (The default, "<queue>.dead", needs no declaration.) In a circle, which is an
    error, a poison message never comes to rest: it kills one worker after the other.

    Bad:

        [queues.images]
        dead_letter = "grave"

        [queues.graves]

    Good:

        [queues.images]
        dead_letter = "graves"

        [queues.graves]
    """
    unknown: dict[str, list[str]] = {}
    for name, queue in fleet.queues.items():
        target = queue.dead_letter
        if isinstance(target, str) and target not in fleet.queues and target != f"{name}.dead":
            unknown.setdefault(target, []).append(name)
    for target, (first, *others) in unknown.items():
        guess = meant(fleet, target)
        declare = f'declare it with [queues."{target}"]' if "." in target else f"declare [queues.{target}]"
        yield Finding(
            ("queues", first, "dead_letter"),
            f'dead letters go to "{target}", which is declared nowhere',
            related=tuple(Mark(("queues", other, "dead_letter"), "here, too") for other in others),
            help=f'did you mean "{guess}"? Else {declare}'
            if guess and guess != first
            else f"{declare}, so that its name is known",
        )
    for circle in _circles(fleet):
        yield Finding(
            ("queues", circle[0], "dead_letter"),
            "dead letters go round in a circle: "
            + " \N{RIGHTWARDS ARROW} ".join(f'"{n}"' for n in [*circle, circle[0]]),
            related=tuple(Mark(("queues", name, "dead_letter"), "and on from here") for name in circle[1:]),
            help="let the last one keep them: dead_letter = false, and look into it with `fleet dead`",
            severity="error",
        )


def _circles(fleet: Fleet) -> Iterator[list[str]]:
    """Each circle of declared queues once, from its first queue in the file on."""
    seen: set[str] = set()
    for start, queue in fleet.queues.items():
        way, at = [start], dead_letter(start, queue)
        while at in fleet.queues and at not in way:
            way.append(at)
            at = dead_letter(at, fleet.queues[at])
        if at == start and not seen & set(way):
            yield way
        seen |= set(way) if at == start else set()


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
            related=(_said(first, other, "exchange_type", f"{other.exchange_type} here"),),
            help=f'exchange_type = "{other.exchange_type}", or another exchange',
            steps=(
                (Change(path, f'"{other.exchange_type}"'),)
                if is_said
                else (Add(path[:2], "exchange_type", f'"{other.exchange_type}"'),)
            ),
        )


@rule("FLT112", "copied-messages", "warning", reads=EXCHANGE_READS)
def copied_messages(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Two queues are bound to one exchange with the same routing key.

    The exchange then puts a copy into each: every task runs twice. A copy for everybody is what a fanout
    exchange is for, and it is not reported there.

    Bad:

        [queues.images]
        exchange = "shop"
        routing_key = "work"

        [queues.http]
        exchange = "shop"
        routing_key = "work"

    Good:

        [queues.images]
        exchange = "shop"
        routing_key = "images"

        [queues.http]
        exchange = "shop"
        routing_key = "http"
    """
    bound: dict[tuple[str, str], str] = {}
    for name, queue in fleet.queues.items():
        if not queue.exchange or queue.exchange_type not in ("direct", "topic"):
            continue
        key = queue.routing_key or name
        first = bound.setdefault((queue.exchange, key), name)
        if first != name:
            path: KeyPath = ("queues", name, "routing_key" if queue.routing_key else "exchange")
            yield Finding(
                path,
                f'"{first}" and "{name}" are bound to the exchange "{queue.exchange}" with the same key '
                f'"{key}": each gets a copy of every message',
                related=(_said(first, fleet.queues[first], "routing_key", "the same here"),),
                help='a key for each; exchange_type = "fanout" if copies are meant',
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
                related=(_said(first, other, "durable", f"{words[other.durable]} here"),),
                help="the same for both, or an exchange of its own",
            )


def _after_the_first(fleet: Fleet) -> Iterator[tuple[str, Queue, str]]:
    """(name, queue, the first queue of the same exchange) for all but the first."""
    firsts: dict[str, str] = {}
    for name, queue in fleet.queues.items():
        if queue.exchange and firsts.setdefault(queue.exchange, name) != name:
            yield name, queue, firsts[queue.exchange]


def _said(name: str, queue: Queue, key: str, label: str) -> Mark:
    """Where the queue says it, or else where it names its exchange."""
    return Mark(("queues", name, key if key in queue.said else "exchange"), label)
