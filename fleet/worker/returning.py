"""The returning deliveries: those a worker ran when its connection was lost, and which the broker hands out again.

On AMQP deliveries end with their connection (a network cut, a restart of the broker, its `consumer_timeout`), and the
messages come back although their tasks run on here. When such a message comes back to this very worker it is
recognised: what still runs gets the new delivery to settle, what has ended meanwhile is settled at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from fleet.broker.delivery import Delivery
from fleet.worker.headers import retries_of
from fleet.worker.outcome import Outcome

_Key = tuple[str, str, int]  # queue, id, retries so far
_MOST = 1000  # outcomes to remember


class Returning:
    """For the loop's thread."""

    def __init__(self) -> None:
        self._running: dict[_Key, Delivery] = {}
        self._ended: OrderedDict[_Key, tuple[Delivery, Outcome]] = OrderedDict()

    @property
    def may_come(self) -> bool:
        """Whether anything may come back."""
        return bool(self._running or self._ended)

    def lost(self, running: Iterable[Delivery]) -> None:
        """The connection by which they came is gone, and they run on."""
        self._running |= {key: each for each in running if (key := _key(each))}

    def forget(self, given_back: Iterable[Delivery]) -> None:
        """Forget deliveries that the pool has handed back: who gets them next is to run them."""
        if self._running:
            for each in given_back:
                if (key := _key(each)) and self._running.get(key) is each:
                    del self._running[key]

    def ended(self, delivery: Delivery, outcome: Outcome, *, unheard: bool) -> None:
        """`unheard`: the broker can't be told of it, or may not have heard."""
        if not (self._running or unheard):
            return
        if key := _key(delivery):
            self._running.pop(key, None)
            if unheard:
                self._ended[key] = delivery, outcome
                if len(self._ended) > _MOST:
                    self._ended.popitem(last=False)

    def is_ours(self, delivery: Delivery) -> bool:
        """Whether this has come back to us."""
        if not self.may_come or not delivery.redelivered:
            return False
        key = _key(delivery)
        return key in self._running or key in self._ended

    def take(self, delivery: Delivery) -> tuple[Delivery, Outcome | None] | None:
        """What has come back, as it was, now to be settled by its new delivery; with its outcome if it has ended.

        None: it is another one.
        """
        if not self.is_ours(delivery):
            return None
        key = _key(delivery)
        assert key is not None  # else it is not ours
        known, outcome = self._ended.pop(key, None) or (self._running[key], None)
        known.tag, known.generation, known.alone = delivery.tag, delivery.generation, delivery.alone
        return known, outcome


def _key(delivery: Delivery) -> _Key | None:
    ident = delivery.headers.get("id")
    return (delivery.queue, ident, retries_of(delivery)) if isinstance(ident, str) and ident else None
