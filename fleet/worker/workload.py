"""What the worker holds: what waits in it and what runs. Who may start, who must run alone, what goes back."""

from __future__ import annotations

import time
from collections import deque

from fleet.broker.delivery import Delivery
from fleet.spec import WorkerSpec
from fleet.worker import health
from fleet.worker.headers import attempts_of, hard_limit_of, label
from fleet.worker.log import Log
from fleet.worker.outcome import Outcome
from fleet.worker.pools import Pool
from fleet.worker.settings import slots
from fleet.worker.settling import Settler
from fleet.worker.state import Gate
from fleet.worker.tally import Tally
from fleet.worker.uplink import Uplink


class Workload:
    """For the loop's thread, or for who stands in for it; `longest_overdue` is for any."""

    def __init__(
        self, *, spec: WorkerSpec, settler: Settler, uplink: Uplink, gate: Gate, tally: Tally, log: Log
    ) -> None:
        self._settler = settler
        self._uplink = uplink
        self._gate = gate
        self._tally = tally
        self._log = log
        self.pool_up = False
        self.backlog: deque[Delivery] = deque()
        self.in_flight: dict[Delivery, float] = {}  # since when, monotonic; oldest first
        self.alone = False  # whether what runs must have nobody beside it, nor waiting behind it
        self._acked: set[Delivery] = set()  # before they ran
        self.configure(spec)

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._slots = slots(spec)
        most = spec.max_deliveries
        # The last chance of a delivery to show that it does not take the worker down. In prefork it can't.
        self._lone_attempt = most if spec.pool != "prefork" and most > 1 else None

    # What waits

    def take(self, deliveries: list[Delivery]) -> None:
        self.backlog.extend(deliveries)
        if not self._uplink.consuming:
            self.give_back()
        elif self._uplink.skipped:
            self.give_back(self._uplink.skipped)

    def give_back(self, queues: frozenset[str] | None = None) -> None:
        """What waits from these queues; None: from all. Not what the broker has forgotten already."""
        back = [
            each
            for each in self.backlog
            if (queues is None or each.queue in queues) and each not in self._acked
        ]
        if back:
            self._uplink.requeue(back, counted=False)
            gone = set(back)
            self.backlog = deque(each for each in self.backlog if each not in gone)

    def give_back_unfinished(self) -> None:
        """What runs although nobody waits for it any more."""
        unfinished = [each for each in self.in_flight if each not in self._acked]
        if unfinished:
            self._log.warning(f"grace period over: giving back {len(unfinished)} that still run")
            self._uplink.requeue(unfinished, counted=True)

    def back(self, deliveries: list[Delivery]) -> None:
        """They have not begun; they are the next to."""
        for delivery in deliveries:
            del self.in_flight[delivery]
        self.backlog.extendleft(reversed(deliveries))

    def recall(self, pool: Pool) -> None:
        """What lies in the pool and has not started waits here again."""
        self.back(pool.recall())
        if self.alone and not self.in_flight:
            self._end_isolation()

    def withdraw(self) -> None:
        """Take nothing until what runs has ended; what waits for that is for others."""
        self.alone = True
        self._uplink.consume(False)
        # What was on its way goes back, too: lying here it would count as handed out if this process died.
        while self._uplink.connected and (arrived := self._uplink.receive(0)):
            self.backlog.extend(arrived)
        self.give_back()

    # What runs

    def has_free_slot(self, pool: Pool) -> bool:
        """For the next of the backlog, if there is one."""
        if not self.pool_up or self.alone:
            return False
        if len(self.in_flight) >= self._slots:
            return bool(self.backlog) and pool.takes_ahead(self.backlog[0])
        return not (self.in_flight and self.backlog and self._must_run_alone(self.backlog[0]))

    def start_next(self, pool: Pool) -> None:
        delivery = self.backlog.popleft()
        attempts = attempts_of(delivery)
        if attempts > self._spec.max_deliveries:
            self._settler.give_up(delivery)
            return
        if attempts == self._lone_attempt:
            self._isolate(delivery)
            if not self._uplink.connected:  # lost over that: the broker may give it to somebody else
                self._end_isolation()
                self.backlog.append(delivery)
                return
        if self._spec.acks == "early" and delivery not in self._acked:
            self._uplink.ack(delivery)
            self._uplink.flush()
            self._acked.add(delivery)
        self.in_flight[delivery] = self._tally.busy_at = time.monotonic()
        self._tally.in_flight = min(len(self.in_flight), self._slots)
        pool.submit(delivery)

    def longest_overdue(self, now: float) -> float | None:
        """How many seconds something that runs is beyond its hard time limit; None if nothing is by much."""
        longest = None
        for delivery, since in list(self.in_flight.items()):  # oldest first
            if now - since < health.OVERDUE_SECONDS:
                break
            limit = hard_limit_of(delivery, self._settler.policy_of(delivery))
            if limit is not None and now - since - limit >= health.OVERDUE_SECONDS:
                longest = max(longest or 0.0, now - since - limit)
        return longest

    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """It has ended."""
        self.in_flight.pop(delivery, None)
        acked = delivery in self._acked  # `acks` may have changed since
        self._acked.discard(delivery)
        if self.alone:
            self._end_isolation()
        self._settler.settle(delivery, outcome, acked=acked)

    # Who must run alone

    def _must_run_alone(self, delivery: Delivery) -> bool:
        return self._lone_attempt is not None and attempts_of(delivery) == self._lone_attempt

    def _isolate(self, delivery: Delivery) -> None:
        """Nobody else is to go down with it, and be counted for it."""
        self._log.warning(f"{label(delivery)} runs alone: it has not ended {attempts_of(delivery) - 1} times")
        self.withdraw()

    def _end_isolation(self) -> None:
        self.alone = False
        if self._gate.state != "draining":
            self._uplink.consume(True)
