"""The topology of queues: which ones a message reaches, and the names of those that fleet makes. Pure."""

from __future__ import annotations

import hashlib
import math
import re
from bisect import bisect_left
from collections.abc import Callable

from fleet.broker.delivery import Posting

# How long a message can wait on RabbitMQ at one go. Each is a queue there for good, once it has been used: few
# enough that none need expire, since one that expires takes along what its target refuses.
DELAY_STEPS: tuple[int, ...] = tuple(
    digit * 10**power for power in range(2, 10) for digit in (1, 2, 3, 5, 7)
)[:-3]  # ms
_LATE_MILLISECONDS, _LATE_PART = (
    400,
    0.005,
)  # what a delay may be longer than was asked for, the larger of the two
_MOST_BYTES = 255  # of a name

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


def suspects_queue(queue: str) -> str:
    """Where messages of `queue` wait that may have killed their workers, to be run alone one by one."""
    return f"{queue}.suspects"


def delay_step(seconds: float) -> int:
    """How long to let a message wait that is due in `seconds`: the first of several steps, in milliseconds.

    Too short by any amount (whoever gets the message then sees that it is not due, and sends it on its next
    step), or too long by very little.
    """
    wanted = max(1, math.ceil(seconds * 1000)) if seconds * 1000 < DELAY_STEPS[-1] else DELAY_STEPS[-1]
    at = bisect_left(DELAY_STEPS, wanted)
    if at == 0 or DELAY_STEPS[at] - wanted <= max(_LATE_MILLISECONDS, wanted * _LATE_PART):
        return DELAY_STEPS[at]
    return DELAY_STEPS[at - 1]


def delay_queue(milliseconds: int, *, kind: str = "", target: str = "") -> str:
    """Queue and exchange on AMQP where messages wait that long; with `target`, only those for that queue."""
    seconds, rest = divmod(milliseconds, 1000)
    length = f"{milliseconds}ms" if rest else f"{seconds}s"
    return _fitting(".".join(filter(None, ("fleet.delay", kind, length))), target)


def due_queue(target: str) -> str:
    """The queue on AMQP where messages are due that `target` may refuse just now."""
    return _fitting("fleet.delay.due", target)


def _fitting(prefix: str, target: str) -> str:
    name = f"{prefix}.{target}" if target else prefix
    if len(name.encode()) > _MOST_BYTES:
        return f"{prefix}.{hashlib.sha256(target.encode()).hexdigest()[:32]}"
    return name
