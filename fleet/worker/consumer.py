"""The one loop, for all five pools: takes deliveries, hands them to the pool, settles them as they end.

It alone touches the broker. Everything from elsewhere (outcomes from threads, orders from the warden) comes
by a deque and a wake-up. Only while a task blocks it (in solo) it has given the helm away, and the deputy stands
in for it: one of the two is at work at any time, never both.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial

from fleet.broker.delivery import Delivery
from fleet.broker.turn import Turn
from fleet.spec import Exit, WorkerLaunch
from fleet.worker.log import Log
from fleet.worker.orders import Order, Orders
from fleet.worker.outcome import Outcome, Own
from fleet.worker.pools import Pool
from fleet.worker.prefetch import Prefetch
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Settings, slots
from fleet.worker.settling import Settler
from fleet.worker.state import Event, Gate
from fleet.worker.tally import Tally
from fleet.worker.uplink import Uplink
from fleet.worker.workload import Workload

# The warden tells a stuck loop by how long ago it turned.
_LONGEST_WAIT_SECONDS = 5.0
# Acks of very short tasks go out together, but none later than this.
_BATCH_SECONDS = 0.005
_STALL_SECONDS = 1.0
_WORTHWHILE = 4  # the part of what may be held that is acked together


class Consumer:
    """`run` returns when the worker has drained.

    `done`, `order`, `longest_overdue` and `stand_in` are for any thread.
    """

    def __init__(
        self,
        *,
        launch: WorkerLaunch,
        settings: Settings,
        uplink: Uplink,
        reactor: Reactor,
        gate: Gate,
        tally: Tally,
        log: Log,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._uplink = uplink
        self._reactor = reactor
        self._gate = gate
        self._tally = tally
        self._log = log
        self._prefetch = Prefetch(launch.spec)
        self._settler = Settler(
            launch=launch, uplink=uplink, prefetch=self._prefetch, tally=tally, log=log, random=random
        )
        self._workload = Workload(
            spec=launch.spec, settler=self._settler, uplink=uplink, gate=gate, tally=tally, log=log
        )
        self._orders = Orders(
            settings=settings,
            workload=self._workload,
            settler=self._settler,
            prefetch=self._prefetch,
            uplink=uplink,
            reactor=reactor,
            gate=gate,
            tally=tally,
            log=log,
        )
        self._orders.pause(launch.paused_queues)
        self._pool: Pool | None = None
        self._watches_stall = False
        self._connection_changes = 0  # of the uplink's, those seen so far
        self._completed: deque[tuple[Delivery, Outcome]] = deque()
        self._exit_code = Exit.OK
        self.owing: Callable[[], None] = lambda: None  # called before something starts while acks wait
        self.helm = Turn()
        self.helm.claim()

    # From any thread

    def done(self, delivery: Delivery, outcome: Outcome) -> None:
        self._completed.append((delivery, outcome))
        self._reactor.wake()

    def order(self, order: Order) -> None:
        self._orders.pending.append(order)
        self._reactor.wake()

    def longest_overdue(self, now: float) -> float | None:
        """See Workload."""
        return self._workload.longest_overdue(now)

    def stand_in(self, now: float) -> float | None:
        """While a task blocks the loop: what can't wait for its end. In how many seconds to look again."""
        pool, again = self._pool, _BATCH_SECONDS if self._uplink.acks_wait else None
        # Most tasks end sooner than that, and then the loop is not to be held up by us.
        has_just_begun = now - self._tally.busy_at < _BATCH_SECONDS
        if again is not None and has_just_begun and not self._orders.pending:
            return again
        if pool is None or not self.helm.claim():
            return again  # the loop is at work itself
        try:
            self._uplink.flush()
            self._orders.obey(pool)
            stalled = now - self._tally.busy_at
            if stalled >= _STALL_SECONDS and self._prefetch.is_auto and not self._workload.alone:
                self._prefetch.stalled(stalled)
                self._workload.withdraw()
                self._look_at_prefetch(pool)
            if not self._uplink.consuming and self._uplink.connected:
                self._workload.take(self._uplink.receive(0))  # was on its way
        finally:
            self.helm.release()
        return None

    # From the pool, in the loop's thread

    def pool_up(self, owns: dict[str, Own]) -> None:
        self._settler.learn(owns)
        self._workload.pool_up = True

    def pool_broken(self, reason: str) -> None:
        if self._exit_code == Exit.BOOT_FAILED:
            return  # every process of the pool says the same
        self._log.error(f"can't start: {reason}")
        self._exit_code = Exit.BOOT_FAILED
        self.order(Order("drain", time.monotonic() + self._settings.spec.grace_period_seconds))

    def back(self, deliveries: list[Delivery]) -> None:
        """They have not begun; they are the next to."""
        self._workload.back(deliveries)

    # The loop

    def run(self, pool: Pool) -> tuple[int, bool]:
        """Until drained. The exit code, and whether a task still runs that nobody waits for."""
        self._pool = pool
        while not self._is_finished():
            self._turn(pool)
        # First this: what is given back may run again at once, and not beside itself where it can be killed.
        pool.close()
        while self._completed:  # in the last moment
            self._workload.settle(*self._completed.popleft())
        left = bool(self._workload.in_flight)
        self._workload.give_back_unfinished()
        self._uplink.flush()
        self._uplink.close()
        self._gate.advance(Event.DONE)
        return self._exit_code, left

    def _is_finished(self) -> bool:
        if self._gate.state != "draining":
            return False
        if time.monotonic() >= self._orders.deadline:
            return True
        workload = self._workload
        return not (workload.in_flight or workload.backlog or self._completed or self._uplink.owes)

    def _turn(self, pool: Pool) -> None:
        self._tally.turned_at = time.monotonic()
        deliveries = self._receive(pool)
        self._look_at_connection(pool)
        self._workload.take(deliveries)
        self._reactor.dispatch(time.monotonic())
        self._orders.obey(pool)
        if self._workload.pool_up and self._uplink.connected and self._gate.advance(Event.UP):
            self._log.info(self._ready_line())
        self._work(pool)
        self._uplink.flush(worth=self._acks_worth_telling())
        self._look_at_prefetch(pool)
        self._look_at_connection(pool)
        self._tally.in_flight = len(self._workload.in_flight) - pool.ahead

    def _acks_worth_telling(self) -> int:
        """How many to gather: what still runs may end in a moment, too. But what has ended must not use up
        what may be held, and in solo the next task may block us for long.
        """
        if not self._workload.in_flight or self._settings.spec.pool == "solo":
            return 0
        return self._prefetch.held // _WORTHWHILE

    def _receive(self, pool: Pool) -> list[Delivery]:
        workload = self._workload
        self._reactor.waiting = True
        # Looked at after `waiting` is set: who appends later sees that it has to wake us.
        busy = self._completed or self._orders.pending or (workload.backlog and workload.has_free_slot(pool))
        most = 0.0 if busy else _LONGEST_WAIT_SECONDS
        deliveries = self._uplink.receive(self._reactor.timeout(time.monotonic(), most))
        self._reactor.waiting = False
        return deliveries

    def _ready_line(self) -> str:
        spec = self._settings.spec
        queues = ", ".join(queue.name for queue in spec.queues)
        return f"ready: {spec.pool} x {slots(spec)}, consuming {queues}"

    def _look_at_connection(self, pool: Pool) -> None:
        """Whatever has found it lost: waiting, an ack, a new prefetch, giving back."""
        if self._connection_changes == self._uplink.changes:
            return
        self._connection_changes = self._uplink.changes
        self._tally.broker_error = self._uplink.error
        # Not started: another worker may have them, or we again. What runs, runs on.
        self._workload.recall(pool)
        self._workload.give_back()
        self._gate.changed()

    def _work(self, pool: Pool) -> None:
        """Start what can start and settle what has ended."""
        self._start_and_settle(pool)
        pool.flush()

    def _start_and_settle(self, pool: Pool) -> None:
        workload, completed = self._workload, self._completed
        until, started = time.monotonic() + _BATCH_SECONDS, False
        while True:
            while completed:
                workload.settle(*completed.popleft())
                self._tally.busy_at = until
            self._look_at_connection(pool)
            # Looked at here, for in solo what was started has ended by now: its ack goes out before the next.
            if started and time.monotonic() >= until:
                return
            if not workload.backlog or not workload.has_free_slot(pool):
                return
            if self._uplink.acks_wait:
                self.owing()
            workload.start_next(pool)
            started = True

    def _look_at_prefetch(self, pool: Pool) -> None:
        now = time.monotonic()
        if self._workload.backlog and not self._watches_stall and self._prefetch.is_ahead:
            self._watches_stall = True
            self._reactor.call_at(now + _STALL_SECONDS, partial(self._look_for_stall, pool))
        if self._prefetch.look(now):
            self._uplink.set_prefetch(self._prefetch.held)

    def _look_for_stall(self, pool: Pool) -> None:
        """What was taken ahead of tasks that were short must not wait for one that is long."""
        self._watches_stall = False
        stalled = time.monotonic() - self._tally.busy_at
        if stalled < _STALL_SECONDS or self._completed or self._workload.has_free_slot(pool):
            return
        if not self._prefetch.is_ahead:
            return
        self._prefetch.stalled(stalled)
        self._look_at_prefetch(pool)
        self._workload.give_back()
