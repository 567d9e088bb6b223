"""A delivery as a new posting: later, once more, or to the dead-letter queue. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fleet.broker.delivery import Death, Delivery, Posting
from fleet.protocol import Encoded
from fleet.protocol.fields import SENT_HEADER
from fleet.protocol.words import cut

DEATH_HEADER = "x-fleet-death"
# How often a message was handed out before this time, as far as its broker doesn't know: it is the count of a
# classic RabbitMQ queue, and of deaths of pool processes. It travels with the message.
CRASHES_HEADER = "x-fleet-crashes"
# It has been handed out before, and was put back by its own task: that is not counted, but the task is told.
AGAIN_HEADER = "x-fleet-again"

_EARLY_ENOUGH = 0.05  # clocks of two hosts differ; don't send a message round again for that
_LONGEST_TRACEBACK = 16_384  # all headers of an AMQP message must fit into one frame of 128 KiB
# What a broker or kombu's transport added on the way; a new posting gets its own.
_TRANSIT_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
_TELLING = (
    "id",
    "task",
    "lang",
    "retries",
    "eta",
    "expires",
    "root_id",
    "parent_id",
    "origin",
    "compression",
)
_BRIEF = 300
_LONGEST_REASON = 1000
_MOST_COUNTED = 1_000_000
_KEPT_PROPERTIES = ("correlation_id", "reply_to", "priority", "message_id", "timestamp", "type", "app_id")


def seconds_until_due(delivery: Delivery, now: float) -> float:
    """How long its `eta` header says to wait; 0 when there is none, or none that can be read."""
    if not delivery.headers.get("eta") or (due := due_at(delivery)) is None:
        return 0.0
    return due - now if due - now > _EARLY_ENOUGH else 0.0


def due_at(delivery: Delivery) -> float | None:
    """The POSIX timestamp in its `eta` header; None when there is none that can be read."""
    try:
        moment = datetime.fromisoformat(delivery.headers["eta"])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None  # decoding will say what is wrong with it


def deferred(delivery: Delivery, delay_seconds: float) -> Posting:
    """The same message, due later."""
    return Posting(delivery.queue, _message(delivery), delay_seconds)


def retried(delivery: Delivery, delay_seconds: float, retries: int, now: float) -> Posting:
    """The same call, due later, counted as retry number `retries`."""
    eta = datetime.fromtimestamp(now + delay_seconds, UTC).isoformat() if delay_seconds > 0 else None
    again = {"retries": retries, "eta": eta, SENT_HEADER: int(now * 1000)}
    return Posting(delivery.queue, _message(delivery, **again), delay_seconds)


def handed_out(delivery: Delivery) -> int:
    """How often it has been handed out, this time included, by the broker's count and its own."""
    before = delivery.headers.get(CRASHES_HEADER)
    return delivery.attempt + (before if isinstance(before, int) and before > 0 else 0)


def given_back(delivery: Delivery, *, counted: bool) -> Posting:
    """The same message, due at once; its deliveries so far (`counted`: this one, too) are in its own header.

    The broker's count of them starts anew.
    """
    count = handed_out(delivery) - (0 if counted else 1)
    return Posting(delivery.queue, _message(delivery, **{CRASHES_HEADER: min(count, _MOST_COUNTED)}))


def dead_letter(delivery: Delivery, death: Death, dead_letter_queue: str) -> Posting:
    """The message for the dead-letter queue `dead_letter_queue`, with why it died and where it came from."""
    return Posting(dead_letter_queue, _message(delivery, **{DEATH_HEADER: _details(delivery, death)}))


def shorter_dead_letters(
    delivery: Delivery, death: Death, dead_letter_queue: str
) -> Iterator[Callable[[], Posting]]:
    """The same where the broker takes no message with such headers: from what says most to what always fits."""
    brief = death._replace(traceback=None)
    yield partial(dead_letter, delivery, brief, dead_letter_queue)
    kept = {name: delivery.headers[name] for name in _TELLING if _is_small(delivery.headers.get(name))}
    reason = f"{cut(death.reason, _BRIEF)} (its other headers were too much for the broker)"
    # How the body is to be read; as written by every client, where that is odd, too.
    given = (delivery.content_type, delivery.content_encoding)
    kind = given if all(map(_is_small, given)) else ("application/json", "utf-8")
    for names in (_TELLING, ("id", "task"), ()):
        headers = {name: kept[name] for name in names if name in kept}
        headers[DEATH_HEADER] = _details(delivery, brief._replace(reason=reason))
        yield partial(
            Posting, dead_letter_queue, Encoded(delivery.body, headers, {"delivery_mode": 2}, *kind)
        )


def _details(delivery: Delivery, death: Death) -> dict[str, Any]:
    details = {
        **death._asdict(),
        "reason": cut(death.reason, _LONGEST_REASON),
        "queue": delivery.queue,
        "attempt": min(delivery.attempt, _MOST_COUNTED),
    }
    if death.traceback:
        details["traceback"] = cut(death.traceback[-_LONGEST_TRACEBACK:], _LONGEST_TRACEBACK)
    return details


def _is_small(value: Any) -> bool:
    """And written by every broker."""
    if isinstance(value, int):
        return abs(value) < 2**31
    return isinstance(value, str) and len(value) <= _BRIEF and value.isprintable()


def requeued(delivery: Delivery, queue: str, now: float) -> Posting:
    """A dead letter as it was before its first delivery: for `queue`, sent `now`, and for however long it takes.

    What had been counted (retries, deliveries) starts anew, and the time until which it was wanted is over
    only if whoever brings it back thinks so.
    """
    message = _message(delivery, retries=0, eta=None, expires=None, **{SENT_HEADER: int(now * 1000)})
    kept = {
        name: value
        for name, value in message.headers.items()
        if name not in (DEATH_HEADER, CRASHES_HEADER, AGAIN_HEADER)
    }
    return Posting(queue, message._replace(headers=kept))


def _message(delivery: Delivery, **headers: Any) -> Encoded:
    kept = {name: value for name, value in delivery.headers.items() if not name.startswith(_TRANSIT_HEADERS)}
    properties = {name: delivery.properties[name] for name in _KEPT_PROPERTIES if name in delivery.properties}
    return Encoded(
        body=delivery.body,
        headers={**kept, **headers},
        properties={**properties, "delivery_mode": 2},
        content_type=delivery.content_type,
        content_encoding=delivery.content_encoding,
    )
