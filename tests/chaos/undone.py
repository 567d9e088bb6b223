"""Deliveries that come again though their worker has not given them back, and the fault that did it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tests.chaos.chain import Chain
from tests.chaos.schedule import BREAKS, PROXY
from tests.chaos.strikes import RECONNECTED_SECONDS, SETTLING_SECONDS, Strike
from tests.chaos.wire import Connection, Delivery

# A classic queue writes acks to its index later than it takes them; killed, RabbitMQ forgets the last ones.
_FORGOTTEN_SECONDS = 10.0
# An outage in which nobody is told explains a broken connection only when heartbeats were missed.
_SILENT = {"freeze": 3.0, "alarm": 6.0}


@dataclass(frozen=True, slots=True)
class Habits:
    """Of this run's queue: whether a killed RabbitMQ `forgets` acks, after how long it `closes` channels."""

    forgets: bool = True
    closes_after: float | None = None


class Undone(NamedTuple):
    """A delivery that comes again, since when, and for how long its worker may not have known."""

    delivery: Delivery
    at: float
    noticed: float
    kind: str


@dataclass(frozen=True, slots=True)
class Breakage:
    """What these strikes have undone."""

    strikes: list[Strike]
    habits: Habits

    def undone(self, chain: Chain) -> list[Undone]:
        found = [
            self._forgotten(each) or self._closed(each) or self._broken(each) for each in chain.deliveries
        ]
        return sorted((each for each in found if each is not None), key=lambda each: each.at)

    def _forgotten(self, delivery: Delivery) -> Undone | None:
        if delivery.how != "ack" or delivery.settled is None or not self.habits.forgets:
            return None
        for strike in self.strikes:
            if strike.kind == "crash" and delivery.settled <= strike.ended:
                if delivery.settled >= strike.began - _FORGOTTEN_SECONDS:
                    return Undone(delivery, strike.began, SETTLING_SECONDS, strike.kind)
                return None
        return None

    def _closed(self, delivery: Delivery) -> Undone | None:
        """By RabbitMQ, which has waited for the ack of some delivery, not of this one perhaps, for long enough."""
        if delivery.how != "closed" or delivery.settled is None or self.habits.closes_after is None:
            return None
        return Undone(delivery, delivery.settled, SETTLING_SECONDS, "consumer_timeout")

    def _broken(self, delivery: Delivery) -> Undone | None:
        end = delivery.connection.ended
        if end is None or delivery.how in ("requeue", "drop", "closed"):
            return None
        strike = self.broken_by(delivery.connection)
        if strike is None or self._took_hold(delivery, end):
            return None
        return Undone(delivery, end, strike.noticed_seconds or SETTLING_SECONDS, strike.kind)

    def _took_hold(self, delivery: Delivery, end: float) -> bool:
        """Whether RabbitMQ has read the ack: under an alarm it reads nothing of those who publish."""
        if delivery.settled is None:
            return False
        unread = (
            strike.began <= delivery.settled and end <= strike.ended + SETTLING_SECONDS
            for strike in self.strikes
            if strike.kind == "alarm"
        )
        return end - delivery.settled > SETTLING_SECONDS and not any(unread)

    def broken_by(self, connection: Connection) -> Strike | None:
        """The fault that ended it, if it was one."""
        end = connection.ended
        if end is None:
            return None
        for strike in self.strikes:
            if not strike.began - 0.1 <= end <= strike.ended + RECONNECTED_SECONDS + strike.noticed_seconds:
                continue
            if connection.pid in strike.killed:
                return strike
            if strike.kind not in BREAKS:
                continue
            by_the_proxy = connection.by == PROXY.get(strike.kind)
            if by_the_proxy or (connection.by in ("client", "broker") and _ends_by_itself(strike)):
                return strike
        return None


def _ends_by_itself(strike: Strike) -> bool:
    """Whether it makes one of the two end a connection, and not the proxy alone."""
    if strike.kind in _SILENT:
        return strike.lasted > _SILENT[strike.kind]
    return strike.kind not in PROXY
