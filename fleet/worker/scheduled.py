"""A run of a schedule tells its scheduler how it ended: by a message in the place of the one that is done."""

from __future__ import annotations

from fleet.broker.delivery import Delivery, Posting
from fleet.broker.notes import orders_queue, orders_spec
from fleet.protocol import Encoded
from fleet.schedules.orders import HEADER, Origin, order
from fleet.spec import BrokerSpec


def told(delivery: Delivery, outcome: str, *, at: float, seconds: float | None = None) -> Posting | None:
    """To whom it may concern; None for what no scheduler has sent. `at` is POSIX seconds."""
    if HEADER not in delivery.headers or outcome == "retried":  # then the run goes on, in another message
        return None
    origin = Origin.read(delivery.headers[HEADER])
    # Whoever can send a message has no say in where workers publish to.
    if origin is None or not origin.to.startswith(orders_queue("")):
        return None
    ident, spent = delivery.headers.get("id"), None if seconds is None else round(seconds, 6)
    body = order(
        "ended",
        origin.name,
        id=ident if isinstance(ident, str) else "",
        moment=origin.moment,
        outcome=outcome,
        at=int(at * 1000),
        seconds=spent,
    )
    return Posting(origin.to, Encoded(body, {}, {"delivery_mode": 2}))


def tell(word: Posting, broker: BrokerSpec) -> None:
    """By itself, where there is nothing left to put it in the place of. Raises BrokerUnavailable."""
    from fleet.broker.producer import producer

    producer(broker).publish([word], orders_spec(word.queue.removeprefix(orders_queue("")), broker))
