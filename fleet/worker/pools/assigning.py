"""The assigner of prefork: which pool process gets which delivery, and loses it when another could begin it sooner."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.launch_specs import WorkerSpec
from fleet.worker import failure
from fleet.worker.headers import task_of
from fleet.worker.outcome import Outcome
from fleet.worker.pools import Host
from fleet.worker.pools.process import PoolProcess, Sent
from fleet.worker.pools.send_ahead import STUCK_SECONDS, Paces, fits, is_stuck


class Assigner:
    """`collect` hears what a process has ended; `seclude` does, too, and leaves nothing in it but what it runs.
    `watch` tells when a process can take more bytes.
    """

    def __init__(
        self,
        host: Host,
        processes: Mapping[int, PoolProcess],
        *,
        collect: Callable[[PoolProcess], None],
        seclude: Callable[[PoolProcess], None],
        watch: Callable[[PoolProcess], None],
    ) -> None:
        self._host = host
        self._processes = processes
        self._collect = collect
        self._seclude = seclude
        self._watch = watch
        self._paces = Paces()
        self._idle: list[PoolProcess] = []  # last used first: its caches are warm
        self._unsent: list[PoolProcess] = []
        self._patrols = False
        # The last choice, while it holds: for what, who, and how long that should take.
        self._choice: tuple[Delivery, PoolProcess, float] | None = None
        self.configure(host.launch.spec)

    def configure(self, spec: WorkerSpec) -> None:
        # What the broker has forgotten must not be lost for having waited in a process.
        self._ahead_is_safe = spec.acks != "early" or spec.is_celery
        self._choice = None

    @property
    def ahead(self) -> int:
        """How many deliveries wait in processes behind another one."""
        return sum(each.count - 1 for each in self._processes.values() if each.count > 1)

    def choose(self, delivery: Delivery) -> PoolProcess | None:
        """Who can have it now: one that is idle, else one that is soon done with all it has."""
        if self._idle:
            return self._idle[-1]
        # The loop asks whether there is anybody, and then hands it over.
        if (choice := self._choice) is not None and choice[0] is delivery and choice[1].takes_more:
            return choice[1]
        if not self._ahead_is_safe:
            return None
        best = None
        for process in self._processes.values():
            if process.takes_more and (best is None or process.booked_seconds < best.booked_seconds):
                best = process
        if best is None:
            return None
        expected = self._paces.expect(task_of(delivery))
        if not fits(best.count, best.booked_seconds, expected, len(delivery.body)):
            return None
        self._choice = delivery, best, expected
        return best

    def assign(self, delivery: Delivery, process: PoolProcess, hard_limit: float | None, now: float) -> None:
        """With the next `flush`."""
        if (choice := self._choice) is not None and choice[0] is delivery:
            expected = choice[2]
        else:
            expected = self._paces.expect(task_of(delivery))
        self._choice = None
        if process.count == 0:
            self.forget(process)
        elif not self._patrols:
            self._patrol_at(now + STUCK_SECONDS)
        process.add(Sent(delivery, now, hard_limit, expected))
        if process not in self._unsent:
            self._unsent.append(process)

    def flush(self) -> None:
        self._choice = None
        unsent, self._unsent = self._unsent, []
        for process in unsent:
            try:
                if not process.flush():
                    self._watch(process)
            except OSError:
                pass  # it has just died; its sentinel tells, and what it has is accounted for there
            self._refuse_unsendable(process)

    def _refuse_unsendable(self, process: PoolProcess) -> None:
        refused, process.unsendable = process.unsendable, []
        for delivery, error in refused:
            why = f"it can't be handed to a pool process: {failure.reason(error)}"
            self._host.done(delivery, Outcome("rejected", why))
        if refused:
            self._collect(process)  # it may have nothing else to do

    def ended(self, delivery: Delivery, outcome: Outcome) -> None:
        self._choice = None
        if outcome.kind in ("succeeded", "retry", "failed", "told"):
            self._paces.ended(task_of(delivery), outcome.wall_seconds)

    def rest(self, process: PoolProcess) -> None:
        """Note a process that has nothing to do."""
        if process not in self._idle:
            self._idle.append(process)

    def forget(self, process: PoolProcess) -> None:
        """Note a process that is not idle, or not to be used."""
        self._choice = None
        if process in self._idle:
            self._idle.remove(process)

    def _patrol_at(self, when: float) -> None:
        self._patrols = True
        self._host.reactor.call_at(when, self._patrol)

    def _patrol(self) -> None:
        """Nothing is to wait in a process behind a task that is long after all."""
        self._patrols = False
        self._choice = None
        for process in list(self._processes.values()):
            if process.count > 1:
                self._collect(process)
            if process.count > 1 and self._is_stuck(process):
                self._seclude(process)
                process.stuck = process.count > 0
        if any(each.count > 1 for each in self._processes.values()):
            self._patrol_at(time.monotonic() + STUCK_SECONDS)

    def _is_stuck(self, process: PoolProcess) -> bool:
        return is_stuck(time.monotonic() - process.current_since, another_is_idle=bool(self._idle))
