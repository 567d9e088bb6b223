"""What must hold at every moment of a schedule, whatever the broker does. Breaches are noted, and end it.

- Nothing is lost: the last copy of a message goes only once it has succeeded (or has been dead-lettered,
  with a cause: its own failures, or as many disasters as it had chances).
- Nothing is multiplied: a message has one copy, and one more for each time a connection broke between
  publishing it anew and acknowledging the old one; or an alarm kept what was published from being read and
  confirmed, and the worker has done something else with the old one.
- Each hand-out starts once and is settled once; what has succeeded is never given back.
- What a worker holds is bounded, and a drain ends.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from fleet.broker.delivery import Delivery


class Breach(BaseException):
    """Ends a schedule at once; no `except Exception` of the code under test may keep it."""


@dataclass
class Fate:
    """Of one message."""

    handed_out: int = 0
    started: int = 0
    succeeded_at: list[int] = field(default_factory=list)  # after how many hand-outs
    failed: int = 0


class Judge:
    """Told of everything by broker, pool and link."""

    def __init__(self, max_deliveries: int, acks: str) -> None:
        self.fates: dict[str, Fate] = defaultdict(Fate)
        self.excused: Counter[str] = Counter()  # copies beyond the first
        self.breaches: list[str] = []
        self.disasters = 0  # each may cost any delivery one of its chances
        self.losses = 0  # of messages, that early acks explain
        self.max_deliveries = max_deliveries
        self._acks_early = acks == "early"
        self._settled: Counter[tuple[int, int, str]] = Counter()
        self._succeeded: set[int] = set()
        self._deliveries: list[Delivery] = []  # kept, so that no id is used twice

    def breach(self, text: str) -> None:
        if text not in self.breaches:
            self.breaches.append(text)

    # Messages on the broker

    def copies(self, message: str, count: int, *, underway: int = 0) -> None:
        """There are so many now; `underway` of them are to be acknowledged next."""
        most = 1 + self.excused[message] + underway
        if count > most:
            self.breach(f"multiplied: {count} copies of {message}, {most} can be explained")

    def gone(self, message: str) -> None:
        """Its last copy has been deleted."""
        if not self.fates[message].succeeded_at and not self._acks_early:
            self.breach(f"lost: {message} was deleted, and has never succeeded")

    def handed_out(self, message: str) -> None:
        self.fates[message].handed_out += 1

    def dead(self, message: str, reason: str) -> None:
        """It lies in the dead-letter queue, which says why."""
        fate = self.fates[message]
        if not fate.failed and self.disasters < self.max_deliveries - 1:
            self.breach(f"dead without a cause: {message}: {reason}")

    # Tasks

    def started(self, message: str) -> None:
        fate = self.fates[message]
        fate.started += 1
        if fate.started > fate.handed_out:
            self.breach(f"started twice: {message} ran {fate.started} times of {fate.handed_out} hand-outs")

    def ended(self, message: str, kind: str, delivery: Delivery | None = None) -> None:
        fate = self.fates[message]
        if kind == "succeeded":
            fate.succeeded_at.append(fate.handed_out)
            if delivery is not None:
                self._deliveries.append(delivery)
                self._succeeded.add(id(delivery))
        else:
            fate.failed += 1

    # Deliveries

    def settled(self, delivery: Delivery, how: str) -> None:
        """The worker has said what is to become of it: `how` is the method of Link."""
        self._deliveries.append(delivery)
        if how != "ack" and id(delivery) in self._succeeded:
            self.breach(f"given back: {delivery.headers.get('id')} has succeeded ({how})")
        # What comes back may be the same object, on the next connection.
        handout = id(delivery), delivery.generation, str(delivery.tag)
        self._settled[handout] += 1
        if self._settled[handout] > 1 + self._acks_early:
            self.breach(f"settled twice: {delivery.headers.get('id')}")

    def closed(self, held: list[str]) -> None:
        """The worker has ended in peace, and this is what the broker still waits for it to settle."""
        for message in held:
            fate = self.fates[message]
            if fate.handed_out in fate.succeeded_at:
                self.breach(f"not acknowledged: {message} has succeeded, and goes back to the queue")
