"""Messages that an exchange puts into several queues, so that they run several times."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.brokers import may_be_rabbitmq
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.overlaps import Overlaps
from fleet.rules.queues.exchanges import EXCHANGE_READS, said_or_exchange
from fleet.rules.registry import rule

_MOST_WORDS = 40  # of a topic


@rule("FLT112", "copied-messages", "warning", reads=EXCHANGE_READS)
def copied_messages(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Two queues are bound to one exchange by the same key, or by topics that overlap.

    The exchange then puts a copy into each: a task runs twice. In a topic exchange `*` stands for one word and `#`
    for any number of them, so that a queue with `#` gets a copy of everything. A headers exchange looks at no key, and
    gives a copy to all of its queues. A copy for everybody is what a fanout exchange is for: there it is not reported.

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
    topics: dict[str, Overlaps[str]] = {}
    for name, queue in fleet.queues.items():
        if not queue.exchange or queue.exchange_type == "fanout":
            continue
        key = queue.routing_key or name
        if queue.exchange_type == "headers" and may_be_rabbitmq(fleet):
            first = bound.setdefault((queue.exchange, ""), name)
            if first != name:
                yield _of_headers(fleet, first, name)
            continue
        first = bound.setdefault((queue.exchange, key), name)
        if first != name:
            path: KeyPath = ("queues", name, "routing_key" if queue.routing_key else "exchange")
            yield Finding(
                path,
                f'"{first}" and "{name}" are bound to the exchange "{queue.exchange}" with the same key '
                f'"{key}": each gets a copy of every message',
                related=(said_or_exchange(first, fleet.queues[first], "routing_key", "the same here"),),
                help='give each queue a routing_key of its own; exchange_type = "fanout" if copies are meant',
            )
        elif queue.exchange_type == "topic" and len(key.split(".")) <= _MOST_WORDS:
            others = topics.setdefault(queue.exchange, Overlaps())
            finding = next(
                filter(None, (_overlap(fleet, other, name) for other in others.candidates(key))), None
            )
            others.add(key, name)
            if finding:
                yield finding


def _of_headers(fleet: Fleet, first: str, name: str) -> Finding:
    return Finding(
        ("queues", name, "exchange_type"),
        f'"{first}" and "{name}" each get a copy of every message: the headers exchange '
        f'"{fleet.queues[name].exchange}" ignores routing keys, and fleet sends no headers to choose by',
        related=(said_or_exchange(first, fleet.queues[first], "exchange_type", "bound to it, too"),),
        help='exchange_type = "direct", with a routing_key for each; "fanout" if copies are meant',
    )


def _overlap(fleet: Fleet, first: str, name: str) -> Finding | None:
    one, other = (fleet.queues[each].routing_key or each for each in (first, name))
    example = in_both_topics(one.split("."), other.split("."))
    if example is None:
        return None
    queue = fleet.queues[name]
    return Finding(
        ("queues", name, "routing_key" if queue.routing_key else "exchange"),
        f'"{first}" and "{name}" both get a copy of what is sent to the exchange "{queue.exchange}" with a key like '
        f'"{example}": it runs twice',
        related=(said_or_exchange(first, fleet.queues[first], "routing_key", "takes it, too"),),
        help="routing keys that no message matches both of; a queue that is to see everything gets an exchange "
        "of its own, of type fanout",
    )


def in_both_topics(one: list[str], other: list[str]) -> str | None:
    """A key that both patterns of a topic exchange match; None if there is none."""
    waiting, seen = [(0, 0, "")], {(0, 0)}
    for at, there, key in waiting:
        mine, yours = one[at : at + 1], other[there : there + 1]
        if not mine and not yours:
            return key.removeprefix(".")
        steps = []
        if mine == ["#"]:
            steps += [(at + 1, there, ""), (at, there + 1, _word(yours, ["*"]))]
        if yours == ["#"]:
            steps += [(at, there + 1, ""), (at + 1, there, _word(mine, ["*"]))]
        if mine and yours and "#" not in (*mine, *yours):
            steps.append((at + 1, there + 1, _word(mine, yours)))
        for left, right, word in steps:
            if word is not None and left <= len(one) and right <= len(other) and (left, right) not in seen:
                seen.add((left, right))
                waiting.append((left, right, f"{key}.{word}" if word else key))
    return None


def _word(mine: list[str], yours: list[str]) -> str | None:
    """A word that both pieces match; of `#`, none is needed."""
    if not mine or mine == ["#"]:
        return ""
    if mine == ["*"]:
        return "x" if yours in (["*"], ["#"]) else yours[0]
    return mine[0] if yours in (mine, ["*"]) else None
