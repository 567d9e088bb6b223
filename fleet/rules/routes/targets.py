"""Where routes lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.queues.consumption import undeclared
from fleet.rules.registry import rule
from fleet.rules.view import consumed, dead_letters, is_guesswork, meant
from fleet.rules.words import listed, nearest


@rule("FLT201", "route-to-undeclared-queue", "error", fix="unsafe", reads=("routes.queue", "all queues.*"))
def route_to_undeclared_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A route leads to a queue that is not declared.

    Sending such a task would fail, or create a queue that nobody consumes: a place where messages
    disappear without an error.

    Bad:

        [queues.images]
        workload = "cpu"

        [[routes]]
        task = "shop.images.*"
        queue = "image"

    Good:

        [queues.images]
        workload = "cpu"

        [[routes]]
        task = "shop.images.*"
        queue = "images"
    """
    for index, route in enumerate(fleet.routes):
        if route.queue not in fleet.queues:
            path = ("routes", index, "queue")
            tasks = ", ".join(f'"{pattern}"' for pattern in route.task)
            yield undeclared(
                fleet, path, f'the route for {tasks} leads to the queue "{route.queue}"', route.queue
            )


@rule("FLT204", "unfed-queue", "warning", reads=("all routes.*", "all queues.*"))
def unfed_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue that is consumed and receives nothing: no route leads to it.

    Its workers wait for messages that never come, and the tasks that were meant for it run elsewhere.
    Queues that receive dead letters, or copies from an exchange, are not reported. A task may name its
    queue itself (`@task(queue=…)`, or another program's Celery client): then say so with
    `# fleet: ignore[FLT204] why`.

    Bad:

        [queues.http]
        [queues.images]

        [[routes]]
        task = "*"
        queue = "http"

        [workers.all]
        queues = ["http", "images"]
        pool = "threads"
        concurrency = 20

    Good:

        [queues.http]
        [queues.images]

        [[routes]]
        task = "shop.images.*"
        queue = "images"

        [[routes]]
        task = "*"
        queue = "http"

        [workers.all]
        queues = ["http", "images"]
        pool = "threads"
        concurrency = 20
    """
    if not fleet.routes or is_guesswork(fleet):
        return  # FLT203, or FLT101 and FLT201, say more
    fed = {meant(fleet, route.queue) for route in fleet.routes} | dead_letters(fleet)
    shared = {fleet.queues[name].exchange for name in fed if name in fleet.queues}
    for name in consumed(fleet) - fed:
        if fleet.queues[name].exchange in shared - {""}:
            continue
        yield Finding(
            ("queues", name),
            f'queue "{name}" receives nothing: no route leads to it',
            help=f'add [[routes]] with queue = "{name}"; if the tasks name it themselves, note it: '
            "# fleet: ignore[FLT204] why",
        )


@rule("FLT205", "dead-letter-key-without-queue", "error", reads=("all queues.*",))
def dead_letter_key_without_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A dead-letter routing key that reaches no queue of its exchange.

    A message that is published to an exchange with a key that nothing is bound by is dropped, without
    an error. What fleet's routes send always carries the key of their queue; the one key that is
    written by hand is `x-dead-letter-routing-key`. Exchanges that this file does not declare are not
    checked.

    Bad:

        [queues.images]
        arguments = { x-dead-letter-exchange = "", x-dead-letter-routing-key = "imges.dead" }

        [queues."images.dead"]

    Good:

        [queues.images]
        arguments = { x-dead-letter-exchange = "", x-dead-letter-routing-key = "images.dead" }

        [queues."images.dead"]
    """
    for name, queue in fleet.queues.items():
        exchange, key = (queue.arguments.get(f"x-dead-letter-{part}") for part in ("exchange", "routing-key"))
        if not isinstance(exchange, str):
            continue
        key, is_said = (key, True) if isinstance(key, str) else (queue.routing_key or name, False)
        bound = _bindings(fleet, exchange)
        if not bound or any(matches(key) for _, matches in bound):
            continue
        where = f'the exchange "{exchange}"' if exchange else "the default exchange"
        own = "" if is_said else " (its own)"
        path: KeyPath = ("queues", name, "arguments")
        known = [binding for binding, _ in bound]
        guess = nearest(key, known)
        yield Finding(
            (*path, "x-dead-letter-routing-key" if is_said else "x-dead-letter-exchange"),
            f'dead letters of "{name}" reach no queue: {where} knows no key "{key}"{own} and drops them',
            help=f'did you mean "{guess}"?' if guess else f"bound there: {listed(known)}",
        )


def _bindings(fleet: Fleet, exchange: str) -> list[tuple[str, Callable[[str], bool]]]:
    """(binding key, whether it takes a routing key) for each queue of the exchange."""
    if not exchange:
        names = {*fleet.queues, *dead_letters(fleet)}
        return [(name, name.__eq__) for name in sorted(names)]
    found: list[tuple[str, Callable[[str], bool]]] = []
    for name, queue in fleet.queues.items():
        if queue.exchange == exchange:
            key = queue.routing_key or name
            match queue.exchange_type:
                case "direct":
                    found.append((key, key.__eq__))
                case "topic":
                    found.append((key, partial(_topic_matches, key.split("."))))
                case _:
                    found.append((key, lambda _key: True))
    return found


def _topic_matches(pattern: Sequence[str], key: str) -> bool:
    """AMQP's topics: `*` is one word, `#` any number of words."""
    words = key.split(".")
    reached = {0}
    for piece in pattern:
        if piece == "#":
            reached = set(range(min(reached, default=len(words) + 1), len(words) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(words) and piece in ("*", words[at])}
    return len(words) in reached
