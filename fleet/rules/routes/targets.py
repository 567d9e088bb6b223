"""The targets of routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import consumed, dead_letters, is_guesswork, keep_dead_letters, meant
from fleet.rules.did_you_mean import Names
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.queues.consumption import undeclared
from fleet.rules.registry import rule
from fleet.rules.words import cut, listed

_WILD = {"*", "#"}
_MOST_PATTERNS = 100


@rule("FLT201", "route-to-undeclared-queue", "error", fix="unsafe", reads=("routes.queue", "all queues."))
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
            tasks = cut([f'"{pattern}"' for pattern in route.task])
            yield undeclared(
                fleet, path, f'the route for {tasks} leads to the queue "{route.queue}"', route.queue
            )


@rule(
    "FLT204",
    "unfed-queue",
    "warning",
    reads=(
        "all routes.queue",
        "all queues.",
        "all queues.dead_letter",
        "all queues.exchange",
        "all workers.queues",
        "all workers.replicas",
    ),
)
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
    fed = {meant(fleet, route.queue) for route in fleet.routes} | keep_dead_letters(fleet)
    fed |= {meant(fleet, schedule.queue) for schedule in fleet.schedules if schedule.queue}
    shared = {fleet.queues[name].exchange for name in fed if name in fleet.queues} - {""}
    for name in consumed(fleet) - fed:
        if fleet.queues[name].exchange in shared:
            continue
        yield Finding(
            ("queues", name),
            f'queue "{name}" receives nothing: no route leads to it',
            help=f'add [[routes]] with queue = "{name}"; if the tasks name it themselves, note it: '
            "# fleet: ignore[FLT204] why",
        )


@rule(
    "FLT205",
    "dead-letter-key-without-queue",
    "error",
    reads=(
        "all queues.",
        "all queues.arguments",
        "all queues.exchange",
        "all queues.exchange_type",
        "all queues.routing_key",
        "all queues.dead_letter",
    ),
)
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
    exchanges = {exchange: _Bindings(bound) for exchange, bound in _bound(fleet).items()}
    for name, queue in fleet.queues.items():
        exchange, key = (queue.arguments.get(f"x-dead-letter-{part}") for part in ("exchange", "routing-key"))
        if not isinstance(exchange, str):
            continue
        key, is_said = (key, True) if isinstance(key, str) else (queue.routing_key or name, False)
        bound = exchanges.get(exchange)
        if bound is None or bound.take(key):
            continue
        where = f'the exchange "{exchange}"' if exchange else "the default exchange"
        own = "" if is_said else " (its own)"
        path: KeyPath = ("queues", name, "arguments")
        guess = bound.names.nearest(key)
        yield Finding(
            (*path, "x-dead-letter-routing-key" if is_said else "x-dead-letter-exchange"),
            f'dead letters of "{name}" reach no queue: {where} knows no key "{key}"{own} and drops them',
            help=f'did you mean "{guess}"?'
            if guess
            else f"x-dead-letter-routing-key has to match a key bound there: {listed(bound.keys)}",
        )


class _Bindings:
    """The keys that the queues of one exchange are bound by. Only those with wildcards are compared one by one."""

    def __init__(self, bound: Iterable[tuple[str, str]]) -> None:
        kinds = list(bound)
        self.keys = list(dict.fromkeys(key for key, _ in kinds))
        self.names = Names(self.keys)
        self._all = any(kind not in ("direct", "topic") for _, kind in kinds)
        self._exact = {key for key, kind in kinds if kind == "direct" or not _WILD & set(key.split("."))}
        self._wild = [
            key.split(".") for key, kind in dict.fromkeys(kinds) if kind == "topic" and key not in self._exact
        ]
        self._known: dict[str, bool] = {}

    def take(self, key: str) -> bool:
        """Whether a message with that key comes to a queue."""
        if self._all or key in self._exact:
            return True
        if key not in self._known:
            # In doubt it comes to one: hundreds of patterns for each of hundreds of keys are not compared.
            self._known[key] = (
                any(_topic_matches(pattern, key) for pattern in self._wild[:_MOST_PATTERNS])
                or len(self._wild) > _MOST_PATTERNS
            )
        return self._known[key]


def _bound(fleet: Fleet) -> dict[str, list[tuple[str, str]]]:
    """Exchange → (binding key, the exchange's type) for each of its queues; of the default one, the queues' names."""
    found = {"": [(name, "direct") for name in sorted({*fleet.queues, *dead_letters(fleet)})]}
    for name, queue in fleet.queues.items():
        if queue.exchange:
            found.setdefault(queue.exchange, []).append((queue.routing_key or name, queue.exchange_type))
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
