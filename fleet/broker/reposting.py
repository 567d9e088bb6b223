"""A delivery as a new posting: later, once more, or to the dead-letter queue. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleet.broker.delivery import Death, Delivery, Posting
from fleet.protocol import Encoded

DEATH_HEADER = "x-fleet-death"
# How often a message was handed out before this time, as far as its broker doesn't know: it is the count of a
# classic RabbitMQ queue, and of deaths of pool processes. It travels with the message.
CRASHES_HEADER = "x-fleet-crashes"

_EARLY_ENOUGH = 0.05  # clocks of two hosts differ; don't send a message round again for that
_LONGEST_TRACEBACK = 16_384  # all headers of an AMQP message must fit into one frame of 128 KiB
# What a broker or kombu's transport added on the way; a new posting gets its own.
_TRANSIT_HEADERS = ("x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count")
_KEPT_PROPERTIES = ("correlation_id", "reply_to", "priority", "message_id", "timestamp", "type", "app_id")


def seconds_until_due(delivery: Delivery, now: float) -> float:
    """How long its `eta` header says to wait; 0 when there is none, or none that can be read."""
    eta = delivery.headers.get("eta")
    if not eta:
        return 0.0
    try:
        moment = datetime.fromisoformat(eta)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return 0.0  # decoding will say what is wrong with it
    return seconds if seconds > _EARLY_ENOUGH else 0.0


def deferred(delivery: Delivery, delay_seconds: float) -> Posting:
    """The same message, due later."""
    return Posting(delivery.queue, _message(delivery), delay_seconds)


def retried(delivery: Delivery, delay_seconds: float, retries: int, now: float) -> Posting:
    """The same call, due later, counted as retry number `retries`."""
    eta = datetime.fromtimestamp(now + delay_seconds, UTC).isoformat() if delay_seconds > 0 else None
    return Posting(delivery.queue, _message(delivery, retries=retries, eta=eta), delay_seconds)


def given_back(delivery: Delivery, *, counted: bool) -> Posting:
    """The same message, due at once; its deliveries so far (`counted`: this one, too) are in its own header.

    The broker's count of them starts anew.
    """
    before = delivery.headers.get(CRASHES_HEADER)
    known = before if isinstance(before, int) and before > 0 else 0
    count = known + delivery.attempt - (0 if counted else 1)
    return Posting(delivery.queue, _message(delivery, **{CRASHES_HEADER: count}))


def obituary(delivery: Delivery, death: Death, graveyard: str) -> Posting:
    """The message for the dead-letter queue `graveyard`, with why it died and where it came from."""
    details = {**death._asdict(), "queue": delivery.queue, "attempt": delivery.attempt}
    if death.traceback:
        details["traceback"] = death.traceback[-_LONGEST_TRACEBACK:]
    return Posting(graveyard, _message(delivery, **{DEATH_HEADER: details}))


def revived(delivery: Delivery, queue: str) -> Posting:
    """A dead letter as it was before its first delivery: for `queue`, at once, and for however long it takes.

    What had been counted (retries, deliveries) starts anew, and the time until which it was wanted is over
    only if whoever brings it back thinks so.
    """
    message = _message(delivery, retries=0, eta=None, expires=None)
    kept = {
        name: value for name, value in message.headers.items() if name not in (DEATH_HEADER, CRASHES_HEADER)
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
