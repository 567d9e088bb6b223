"""Which queues a message reaches, and which names fleet gives to queues of its own. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from fleet.broker.delivery import Posting

MAX_DELAY_MILLISECONDS = 4_000_000_000  # RabbitMQ's limit is 2³² ms; what is due later goes round again

Bindings = list[tuple[str, str, str]]  # (routing key, pattern, queue), as kombu keeps them


def resolve_exchange(posting: Posting, bindings: Callable[[str], Bindings]) -> list[str]:
    """The queues that get a copy, for brokers that leave routing to us; each once.

    A posting without exchange reaches its queue. With one, the bindings decide; when none matches, its own
    queue gets it all the same: losing it silently, as AMQP would, helps nobody.
    """
    if not posting.exchange:
        return [posting.queue]
    found = {
        queue: None
        for key, pattern, queue in bindings(posting.exchange)
        if (re.match(pattern, posting.routing_key) if pattern else key == posting.routing_key)
    }
    return list(found) or [posting.queue]


def topic_pattern(key: str) -> str:
    """A topic binding key as a regular expression: `*` is one word, `#` any number of words, also none."""
    lead = ""
    while key.startswith("#."):
        lead, key = r"(?:[^.]*\.)*", key[2:]
    if key == "#":
        return ".*$"
    words = {"*": r"\.[^.]*", "#": r"(?:\.[^.]*)*"}
    dotted = "".join(words.get(word, rf"\.{re.escape(word)}") for word in key.split("."))
    return f"{lead}{dotted.removeprefix(chr(92) + '.')}$"


def binding_pattern(exchange_type: str, key: str) -> str:
    """How `resolve_exchange` matches a routing key: "" is equality."""
    if exchange_type == "fanout":
        return ".*$"
    return topic_pattern(key) if exchange_type == "topic" else ""


def delay_milliseconds(seconds: float) -> int:
    """`seconds` in whole milliseconds, rounded up to two significant digits.

    Few delays, never one too short.
    """
    milliseconds = max(1, math.ceil(seconds * 1000))
    step = int(10 ** max(0, len(str(milliseconds)) - 2))
    return math.ceil(milliseconds / step) * step


def delay_queue(milliseconds: int) -> str:
    """Queue and exchange on AMQP where messages wait that long."""
    return f"fleet.delay.{milliseconds}"
