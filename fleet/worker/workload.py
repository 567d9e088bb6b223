"""The workload of a worker: what waits in it and what runs. Who may start, who must run alone, what goes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.launch_specs import WorkerSpec
from fleet.worker import health
from fleet.worker.backlog import make_backlog
from fleet.worker.context import LoopContext
from fleet.worker.events import ended, received
from fleet.worker.headers import attempts_of, hard_limit_of, label, retries_of, task_of
from fleet.worker.outcome import Outcome, Verdict
from fleet.worker.pools import Pool
from fleet.worker.progress import LOST_SECONDS, Work
from fleet.worker.quarantine import (
    MAKE_ROOM_SECONDS,
    culprit_known,
    is_first,
    is_given_up,
    must_run_alone,
)
from fleet.worker.rates import Rates
from fleet.worker.returning import Returning
from fleet.worker.revoked import Revoked
from fleet.worker.settling import Settler


class Workload:
    """For the loop's thread, or for who stands in for it; `longest_overdue` is for any."""

    def __init__(self, context: LoopContext, settler: Settler) -> None:
        spec, stats = context.settings.spec, context.stats
        self._settler = settler
        self._settings = context.settings
        self._connection = context.connection
        self._gate = context.gate
        self._stats = stats
        self._log = context.log
        self.pool_up = False
        self.backlog = make_backlog(spec)
        self.in_flight: dict[Delivery, float] = {}  # since when, monotonic; oldest first
        self.alone = False  # whether what runs must have nobody beside it, nor waiting behind it
        self._acked: set[Delivery] = set()  # before they ran
        self._to_ack: set[Delivery] = set()  # as soon as they have begun
        self._begun: deque[Delivery] = deque()  # of these; threads append
        self.revoked: Revoked | None = None  # of a Celery app
        self.tell: Callable[..., None] | None = None  # of Celery's events, while somebody listens
        self._rates = Rates()
        self._returning = Returning()
        self._has_begun = False  # anything, ever
        self._missing: set[Delivery] = set()  # nobody seemed to be at them when that was last looked at
        self.report_at_once: Callable[[], None] = lambda: None
        stats.oldest = self.oldest
        self._runs_dry = False  # takes nothing, so that suspects can run
        self._make_room_at: float | None = None  # monotonic; while suspects wait for those that run
        self.configure(spec)

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._slots = spec.slots
        self._connection.set_aside(
            spec.last_attempt, culprit_known=culprit_known(spec), is_ours=self._returning.is_ours
        )

    def new_queues(self) -> None:
        """The configured spec has other queues than this was made for; nothing waits."""
        self._spec = spec = self._settings.spec
        self.backlog = make_backlog(spec)

    # What waits

    def take(self, deliveries: list[Delivery]) -> None:
        if self._returning.may_come:
            self.backlog.extend(each for each in deliveries if not self._recognise(each))
        else:
            self.backlog.extend(deliveries)
        if self.tell is not None:
            for each in deliveries:
                self.tell("task-received", each, **received(each))
        if self.backlog and any(
            must_run_alone(each, self._spec) for each in deliveries if not is_first(each)
        ):
            self._sort_out()
        if not self._connection.consuming:
            self.give_back()
        elif self._connection.skipped:
            self.give_back(self._connection.skipped)

    def _recognise(self, delivery: Delivery) -> bool:
        """Whether it is one that runs here, or has ended, and came back because a connection was lost."""
        if (known := self._returning.take(delivery)) is None:
            return False
        returned, outcome = known
        if outcome is not None:
            self._log.info(f"{label(returned)} came back: it ended while there was no connection")
            self._settler.settle(returned, outcome, acked=False, again=True)
        else:
            self._log.info(f"{label(returned)} came back: it still runs here")
            if returned in self._acked:  # the broker has not heard of it
                self._connection.ack(returned)
        return True

    def _sort_out(self) -> None:
        """Who must run alone is the next, or goes back until nothing runs; it never waits beside what runs."""
        alone = [each for each in self.backlog if must_run_alone(each, self._spec)]
        if self.in_flight:
            self.withdraw()
        else:
            self.backlog.first_of_all(alone)

    def give_back(self, queues: frozenset[str] | None = None) -> None:
        """What waits from these queues; None: from all. Not what the broker has forgotten already."""
        back = [
            each
            for each in self.backlog
            if (queues is None or each.queue in queues)
            and each not in self._acked
            and each.verdict is None  # it has run, and its end is being recorded
        ]
        if back:
            self._returning.forget(back)
            self._connection.requeue(back, counted=False)
            gone = set(back)
            self.backlog.keep([each for each in self.backlog if each not in gone])

    def give_back_unfinished(self) -> None:
        """What runs although nobody waits for it any more."""
        unfinished = [each for each in self.in_flight if each not in self._acked]
        if unfinished:
            self._log.warning(f"grace period over: giving back {len(unfinished)} that still run")
            self._connection.requeue(unfinished, counted=True)

    def back(self, deliveries: list[Delivery]) -> None:
        """Take deliveries back from the pool; they start before anything that arrived later."""
        # Not what has been put aside because the pool could not take it.
        known = [each for each in deliveries if self.in_flight.pop(each, None) is not None]
        self._to_ack.difference_update(known)
        self.backlog.extendleft(reversed(known))

    def connection_lost(self) -> None:
        """Or made again: what runs here may come back."""
        self._returning.lost(self.in_flight)

    def recall(self, pool: Pool) -> None:
        """What lies in the pool and has not started waits here again."""
        self.back(pool.recall())
        if self.alone and not self.in_flight:
            self._end_isolation()

    def withdraw(self) -> None:
        """Take nothing until what runs has ended; what waits for that is for others."""
        self.alone = True
        self._connection.consume(False)
        # What was on its way goes back, too: lying here it would count as handed out if this process died.
        while self._connection.connected and (arrived := self._connection.receive(0)):
            self.backlog.extend(arrived)
        self.give_back()
        self._connection.flush()  # what has ended must not be counted either

    # What runs

    def has_free_slot(self, pool: Pool) -> bool:
        """For the next of the backlog, if there is one."""
        if not self.pool_up or self.alone:
            return False
        if len(self.in_flight) >= self._slots:
            return bool(self.backlog) and pool.takes_ahead(self.backlog.next())
        return True

    def start_next(self, pool: Pool) -> None:
        delivery = self.backlog.popleft()
        try:
            self._start(delivery, pool)
        except Exception as error:  # one message must end neither the worker nor those beside it
            self.in_flight.pop(delivery, None)
            self._settler.put_aside(delivery, error, acked=delivery in self._acked, unrun=True)
            self._acked.discard(delivery)
            if self.alone and not self.in_flight:
                self._end_isolation()

    def _start(self, delivery: Delivery, pool: Pool) -> None:
        if delivery.verdict is None and not self._may_start(delivery):
            return
        self.in_flight[delivery] = self._stats.busy_at = time.monotonic()
        self._stats.in_flight = min(len(self.in_flight), self._slots)
        if self.alone or not self._has_begun:
            # If this kills the worker it is known what had begun, and that the worker was fine till then.
            self._has_begun = True
            self._stats.alone = label(delivery) if self.alone else None
            self.report_at_once()
        if self.tell is not None and delivery.verdict is None:
            self.tell("task-started", delivery)
        pool.submit(delivery)

    def begins(self, delivery: Delivery) -> None:
        """A delivery that has waited in the pool begins: its time limit counts from now."""
        if self.in_flight.pop(delivery, None) is not None:
            now = time.monotonic()
            self.in_flight[delivery] = now  # at the end: they are in the order in which they began

    def _may_start(self, delivery: Delivery) -> bool:
        """Else it has been settled, or waits on."""
        if delivery.fault:
            self._settler.refuse(delivery)
            return False
        if not is_first(delivery) and (answer := self._by_quarantine(delivery)) is not None:
            return answer
        if self._spec.is_celery and (answer := self._by_remote_control(delivery)) is not None:
            return answer
        if self._spec.acks != "late" and self._settler.acks_first(delivery) and delivery not in self._acked:
            self._ack_first(delivery)
        return True

    def _by_quarantine(self, delivery: Delivery) -> bool | None:
        """Whether it goes to the pool where it was handed out too often, or is to run alone and can't; else None."""
        if is_given_up(delivery, self._spec):
            if not self._spec.is_celery:
                self._settler.give_up(delivery)
                return False
            delivery.verdict = self._settler.too_often(delivery)
            return True
        if must_run_alone(delivery, self._spec):
            self._isolate(delivery)
            if not self._connection.connected:  # lost over that: the broker may give it to somebody else
                self._end_isolation()
                self.backlog.append(delivery)
                return False
        return None

    def _by_remote_control(self, delivery: Delivery) -> bool | None:
        """Whether it goes to the pool where something has been said of it; else None."""
        if self.revoked and self.revoked.covers(delivery):
            delivery.verdict = Verdict("revoked", "revoked")
            return True
        rate = self._settler.policy_of(delivery).rate_limit
        wait = self._rates.wait(task_of(delivery), rate, time.monotonic()) if rate else 0.0
        if wait > 0:
            self._returning.forget([delivery])
            self._connection.retry(delivery, wait, retries_of(delivery))
            return False
        return None

    def is_acked(self, delivery: Delivery) -> bool:
        """Whether the broker has been told of it, though it runs."""
        return delivery in self._acked

    def new_rate(self, task: str) -> None:
        """A task has another rate limit now."""
        self._rates.reset(task)

    def _ack_first(self, delivery: Delivery) -> None:
        """A Celery app's as soon as it has been read and begins: what has not is never lost."""
        if not self._spec.is_celery:
            self._ack_now(delivery)
        elif self._spec.pool == "solo":
            delivery.on_begin = partial(self._ack_now, delivery)
        else:
            self._to_ack.add(delivery)
            delivery.on_begin = partial(self._begun.append, delivery)

    def _ack_now(self, delivery: Delivery) -> None:
        self._connection.ack(delivery)
        self._connection.flush()
        self._acked.add(delivery)

    def ack_begun(self, pool: Pool) -> bool:
        """The deliveries that are acknowledged when they begin; whether some have not yet."""
        if self._to_ack:
            pool.look_for_begun()
        while self._begun:
            delivery = self._begun.popleft()
            if delivery in self._to_ack:  # else it has ended
                self._to_ack.discard(delivery)
                self._connection.ack(delivery)
                self._acked.add(delivery)
        return bool(self._to_ack)

    def work(self) -> Work:
        """For any thread: how things stand."""
        return Work(
            is_working=self._gate.state == "ready" and self._connection.connected,
            waits=len(self.backlog),
            has_room=self.pool_up and len(self.in_flight) < self._slots,
            is_held_up=self.alone,
            runs=len(self.in_flight),
            changed_at=self._stats.busy_at,
        )

    def oldest(self) -> float | None:
        """Since when what has begun first of all that runs has been running, monotonic; from any thread."""
        try:
            return next(iter(self.in_flight.values()), None)
        except RuntimeError:  # it changed in this moment
            return None

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

    def look_for_lost(self, pool: Pool, now: float) -> str | None:
        """What the pool has had for long and nobody is at: it counts as a death of who ran it. The first one in words.

        It has ended then; the slot that it had may be of no use any more.
        """
        old = [delivery for delivery, since in self.in_flight.items() if now - since >= LOST_SECONDS]
        missing = dict(pool.missing(old)) if old else {}
        # Twice, with turns in between: whoever held up this loop has held up the pool's threads as well.
        lost = {delivery: why for delivery, why in missing.items() if delivery in self._missing}
        self._missing = set(missing) - set(lost)
        for delivery, why in lost.items():
            self._log.error(f"{label(delivery)} is lost: {why}")
            pool.forget(delivery)
            self.settle(delivery, Outcome("lost", why))
        return next((f"{label(delivery)} was lost: {why}" for delivery, why in lost.items()), None)

    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """A delivery has ended."""
        if (since := self.in_flight.pop(delivery, None)) is None:
            return  # put aside: the pool had said that it could not take it
        self._returning.ended(delivery, outcome, unheard=self._connection.is_void(delivery))
        acked = delivery in self._acked  # `acks` may have changed since
        self._acked.discard(delivery)
        self._to_ack.discard(delivery)
        if self.alone and not self.in_flight:
            self._end_isolation()
        if self._spec.is_celery and (verdict := self._settler.verdict_on(delivery, outcome, acked=acked)):
            delivery.verdict = verdict
            if acked:
                self._acked.add(delivery)
            self.backlog.first_of_all([delivery])
            return
        if self.tell is not None:
            kind, fields = ended(outcome)
            self.tell(kind, delivery, **fields)
        try:
            self._settler.settle(delivery, outcome, acked=acked, since=since)
        except Exception as error:
            self._settler.put_aside(delivery, error, acked=acked)

    # Who must run alone

    def look_for_suspects(self, pool: Pool) -> None:
        """What was set aside on the broker comes first, each alone, when nothing runs."""
        if not self._connection.suspects or not self.pool_up or self._gate.state != "ready":
            return
        if self.in_flight:
            self._make_room(time.monotonic())
            return
        self._make_room_at, self._runs_dry = None, False
        self.withdraw()
        while not self.in_flight and (suspect := self._connection.take_suspect()) is not None:
            if not self._recognise(suspect):
                self.backlog.append(suspect)
                self.start_next(pool)
        if not self.in_flight:
            self._end_isolation()

    def reclaim(self) -> None:
        """The connection is new: what runs alone here lies among the suspects again, where others would blame it."""
        for delivery in [each for each in self.in_flight if each.alone and self._connection.is_void(each)]:
            suspect = self._connection.take_suspect(delivery.queue)
            if suspect is not None and not self._recognise(suspect):
                self._connection.requeue([suspect], counted=False)

    def _make_room(self, now: float) -> None:
        """Suspects wait for what runs to end, but not for ever for what is new; unless others run them by then."""
        if self.alone and not self._runs_dry:
            return  # for one of them
        if self._make_room_at is None:
            self._make_room_at = now + MAKE_ROOM_SECONDS
        elif now >= self._make_room_at:
            self._make_room_at = now + MAKE_ROOM_SECONDS
            if not self._connection.look_for_suspects():
                self._end_isolation()
            elif not self.alone:
                self._runs_dry = True
                self.withdraw()

    def _isolate(self, delivery: Delivery) -> None:
        """Nobody else is to go down with it, and be counted for it."""
        self._log.warning(f"{label(delivery)} runs alone: it has not ended {attempts_of(delivery) - 1} times")
        self.withdraw()

    def _end_isolation(self) -> None:
        self.alone = self._runs_dry = False
        self._make_room_at = None
        self._stats.alone = None
        if self._gate.state != "draining" and not self._connection.suspects:  # they come first
            self._connection.consume(True)
