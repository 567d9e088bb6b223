"""Dead letters: where they go, and whether they come to rest there."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, default_dead_letter
from fleet.machine import Machine
from fleet.rules.consumption_facts import meant
from fleet.rules.did_you_mean import nearest
from fleet.rules.finding import Finding, KeyPath, Mark
from fleet.rules.queues.quorum import rabbit_queues
from fleet.rules.registry import rule
from fleet.rules.words import cut

_MOST = 8


@rule(
    "FLT109",
    "dead-letters-lost",
    "warning",
    reads=("all queues.", "all queues.dead_letter", "queues.arguments", "all queues.exchange"),
)
def dead_letters_lost(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Dead letters that go to a queue declared nowhere, or round in a circle.

    `dead_letter` names the queue for messages that can't be done. One that is not declared is made on
    demand under exactly that name, so that a spelling mistake is found by whoever looks for the lost
    messages. (The default, "<queue>.dead", needs no declaration.) An x-dead-letter-exchange that no queue here is bound
    to may be somebody else's; where it is nobody's, RabbitMQ drops what it is given. In a circle, which is an
    error, a poison message never comes to rest: it kills one worker after the other. What an x-dead-letter-exchange
    leads back into its own queue RabbitMQ drops when it has expired once more.

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
        if isinstance(target, str) and target not in fleet.queues and target != default_dead_letter(name):
            unknown.setdefault(target, []).append(name)
    for target, (first, *others) in unknown.items():
        guess = meant(fleet, target)
        declare = f'declare it with [queues."{target}"]' if "." in target else f"declare [queues.{target}]"
        yield Finding(
            ("queues", first, "dead_letter"),
            f'dead letters go to "{target}", which is declared nowhere',
            related=tuple(Mark(("queues", other, "dead_letter"), "here, too") for other in others[:_MOST]),
            help=f'did you mean "{guess}"? Else {declare}'
            if guess and guess != first
            else f"{declare}, so that its name is known",
        )
    yield from _back_into_itself(fleet)
    yield from _exchange_of_nobody(fleet)
    for circle in _circles(fleet):
        yield Finding(
            ("queues", circle[0], "dead_letter"),
            "dead letters go round in a circle: "
            + cut([f'"{n}"' for n in [*circle, circle[0]]], " \N{RIGHTWARDS ARROW} "),
            related=tuple(
                Mark(("queues", name, "dead_letter"), "and on from here") for name in circle[1:_MOST]
            ),
            help="dead_letter = false for the queue where dead letters are to stay; `fleet dead` shows them there",
            severity="error",
        )


def _back_into_itself(fleet: Fleet) -> Iterator[Finding]:
    for name, queue in rabbit_queues(fleet):
        exchange, key = (queue.arguments.get(f"x-dead-letter-{what}") for what in ("exchange", "routing-key"))
        own = queue.routing_key or name if queue.exchange else name
        if exchange not in ("", queue.exchange) or not isinstance(key, str | None):
            continue
        # A message that was sent by its queue's name comes back by it, whatever the queue is bound to.
        if (own if key is None else key) == (own if exchange else name):
            path: KeyPath = ("queues", name, "arguments")
            yield Finding(
                (*path, "x-dead-letter-routing-key" if key else "x-dead-letter-exchange"),
                f'what RabbitMQ dead-letters from "{name}" goes into "{name}" again, and is dropped the second time',
                help=f'x-dead-letter-routing-key = "{default_dead_letter(name)}", or remove both arguments: '
                f'fleet itself keeps dead letters in "{default_dead_letter(name)}"',
            )


def _exchange_of_nobody(fleet: Fleet) -> Iterator[Finding]:
    """The default exchange leads by a queue's name (FLT205); those of RabbitMQ's own are always there."""
    known = {queue.exchange for queue in fleet.queues.values() if queue.exchange}
    for name, queue in rabbit_queues(fleet):
        exchange = queue.arguments.get("x-dead-letter-exchange")
        if not isinstance(exchange, str) or not exchange or exchange in known or exchange.startswith("amq."):
            continue
        guess, shown = nearest(exchange, known), exchange[:80]
        yield Finding(
            ("queues", name, "arguments", "x-dead-letter-exchange"),
            f'no queue here is bound to the exchange "{shown}": if nobody else declares it, RabbitMQ drops '
            f'what expires in "{name}" or does not fit into it',
            help=f'did you mean "{guess}"?'
            if guess
            else f'exchange = "{shown}" in the queue that is to take it',
        )


def _circles(fleet: Fleet) -> Iterator[list[str]]:
    """Each circle of declared queues once, from its first queue in the file on."""
    done: set[str] = set()
    order = {name: index for index, name in enumerate(fleet.queues)}
    for start in fleet.queues:
        way: dict[str, None] = {}
        at: str | None = start
        while at in fleet.queues and at not in way and at not in done:
            way[at] = None
            at = fleet.queues[at].dead_letter_queue(at)
        if at in way:
            circle = list(way)[list(way).index(at) :]
            first = min(range(len(circle)), key=lambda index: order[circle[index]])
            yield circle[first:] + circle[:first]
        done |= way.keys()
