"""The one loop, for all six pools: takes deliveries, hands them to the pool, settles them as they end.

It alone touches the broker. Everything from elsewhere (outcomes from threads, orders from the watchdog) comes
by a deque and a wake-up. Only while a task blocks it (in solo) it has given the loop lock away, and the
keepalive stands in for it: one of the two is at work at any time, never both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from fleet.broker.delivery import Delivery
from fleet.broker.loop_lock import LoopLock
from fleet.clock import time
from fleet.launch_specs import Exit
from fleet.spec import QueueSpec
from fleet.worker.connection import BATCH_SECONDS
from fleet.worker.context import LoopContext
from fleet.worker.monkey import GREEN
from fleet.worker.orders import Order, Orders
from fleet.worker.outcome import Outcome, Own
from fleet.worker.pools import Pool
from fleet.worker.private_queues import NO_PRIVATE_QUEUES, PrivateQueues
from fleet.worker.progress import HeldUp, news, stuck
from fleet.worker.remote import Remote
from fleet.worker.revoked import open_revoked
from fleet.worker.settings import SettingsChange
from fleet.worker.settling import Settler
from fleet.worker.state import GateEvent
from fleet.worker.workload import Workload

# The watchdog tells a stuck loop by how long ago it turned.
_LONGEST_WAIT_SECONDS = 5.0
_HEAR_AGAIN_SECONDS = 0.2
_IN_THE_MAIN_THREAD = ("solo", *GREEN)  # run tasks there
_STALL_SECONDS = 1.0
_WORTHWHILE = 4  # the part of what may be held that is acked together


class Consumer:
    """`run` returns when the worker has drained.

    `done`, `begins`, `order`, `longest_overdue` and `stand_in` are for any thread.
    """

    def __init__(self, context: LoopContext) -> None:
        self._settings = context.settings
        self._connection = context.connection
        self._reactor = context.reactor
        self._gate = context.gate
        self._stats = context.stats
        self._log = context.log
        self._prefetch = context.prefetch
        self._settler = Settler(context)
        self._workload = Workload(context, self._settler)
        self._orders = Orders(context, self._workload, self._settler)
        self._orders.pause(context.launch.paused_queues)
        self.remote: Remote | None = None
        if context.launch.spec.is_celery:
            self.remote = self._make_remote(context)
        self._pool: Pool | None = None
        self._watches_stall = False
        self._looks_for_begun = False
        self._lost: str | None = None  # what the pool has lost, in words
        self._look_for_lost_at = 0.0
        self._connection_changes = 0  # of the connection's, those seen so far
        self._completed: deque[tuple[Delivery, Outcome]] = deque()
        self._begun: deque[Delivery] = deque()  # that had to wait in the pool
        self._exit_code = Exit.OK
        self.owing: Callable[[], None] = lambda: None  # called before something starts while acks wait
        self.hear_again: Callable[[], list[str]] = list  # see HeardSignals
        self._hear_again_at = 0.0
        self.loop_lock = LoopLock()
        self.loop_lock.claim()

    def _make_remote(self, context: LoopContext) -> Remote:
        """For Celery's remote control."""
        revoked = open_revoked(context.launch, self._log)
        self._workload.revoked = revoked
        remote = Remote(context, self._workload, revoked, self._orders, self._set_rate)
        self._orders.others = remote.obey
        return remote

    def _set_rate(self, task: str, rate: str | None) -> None:
        self._settler.set_rate(task, rate)
        self._workload.new_rate(task)

    # From any thread

    @property
    def workload(self) -> Workload:
        """To look at."""
        return self._workload

    def done(self, delivery: Delivery, outcome: Outcome) -> None:
        self._completed.append((delivery, outcome))
        self._reactor.wake()

    def begins(self, delivery: Delivery) -> None:
        """A delivery that was submitted a while ago begins only now."""
        self._begun.append(delivery)  # wakes nobody: it is for how long it runs, seconds later

    def order(self, order: Order) -> None:
        self._orders.pending.append(order)
        self._reactor.wake()

    def longest_overdue(self, now: float) -> float | None:
        """See Workload."""
        return self._workload.longest_overdue(now)

    def report_by(self, report_at_once: Callable[[], None]) -> None:
        """Called in the loop's thread before something begins that may be the last: lets the controller know."""
        self._workload.report_at_once = report_at_once

    def stuck(self, now: float) -> str | None:
        """Why nothing gets on although it could; None when it does."""
        return stuck(now, self._workload.work())

    @property
    def lost(self) -> str | None:
        """What the pool has lost, so that it may have fewer slots than it should."""
        return self._lost

    def warnings(self, now: float) -> tuple[str, ...]:
        """What is wrong although it works."""
        lost = (self._lost,) if self._lost else ()
        pools = self._pool.warnings(now) if self._pool else ()
        return *lost, *pools, *news(now, self._connection.notice, self._workload.oldest())

    def stand_in(self, now: float) -> float | None:
        """While a task blocks the loop: what can't wait for its end. In how many seconds to look again."""
        pool, again = self._pool, BATCH_SECONDS if self._connection.acks_wait else None
        # Most tasks end sooner than that, and then the loop is not to be held up by us.
        has_just_begun = now - self._stats.busy_at < BATCH_SECONDS
        if again is not None and has_just_begun and not self._orders.pending:
            return again
        if pool is None or not self.loop_lock.claim():
            return again  # the loop is at work itself
        try:
            self._connection.flush()
            self._orders.obey(pool)
            stalled = now - self._stats.busy_at
            if stalled >= _STALL_SECONDS and self._prefetch.is_auto and not self._workload.alone:
                self._prefetch.stalled(stalled)
                self._workload.withdraw()
                self._look_at_prefetch(pool)
            if not self._connection.consuming and self._connection.connected:
                self._workload.take(self._connection.receive(0))  # was on its way
        finally:
            self.loop_lock.release()
        return None

    def held_up(self, now: float) -> HeldUp | None:
        """What holds up the event loop of the pool, if it has one."""
        return self._pool.held_up(now) if self._pool else None

    # From the pool, in the loop's thread

    def pool_up(self, owns: dict[str, Own], private: PrivateQueues = NO_PRIVATE_QUEUES) -> None:
        self._settler.learn(owns)
        if (queues := private.among(self._settings.spec.queues)) != self._settings.spec.queues:
            self._consume_instead(queues)
        self._workload.pool_up = True

    def _consume_instead(self, queues: tuple[QueueSpec, ...]) -> None:
        """Nothing has begun yet: a connection made anew costs nobody anything."""
        self._workload.give_back()
        self._settings.apply(SettingsChange(self._settings.revision, {"queues": queues}))
        self._workload.new_queues()
        self._connection.start_over(self._prefetch.held)
        if self._stats.paused:
            self._orders.pause(None)

    def pool_broken(self, reason: str) -> None:
        if self._exit_code == Exit.BOOT_FAILED:
            return  # every process of the pool says the same
        self._log.error(f"can't start: {reason}")
        self._exit_code = Exit.BOOT_FAILED
        self.order(Order("drain", time.monotonic() + self._settings.spec.grace_period_seconds))

    def back(self, deliveries: list[Delivery]) -> None:
        """Take deliveries back from the pool; they start before anything that arrived later."""
        self._workload.back(deliveries)

    # The loop

    def run(self, pool: Pool) -> tuple[int, bool]:
        """Until drained. The exit code, and whether a task still runs that nobody waits for."""
        self._pool = pool
        while not self._is_finished():
            self._turn(pool)
        self._tell_desk("shutting down")
        # First this: what is given back may run again at once, and not beside itself where it can be killed.
        pool.close()
        while self._completed:  # in the last moment
            self._workload.settle(*self._completed.popleft())
        left = bool(self._workload.in_flight)
        self._workload.give_back_unfinished()
        self._connection.flush()
        self._connection.close()
        self._gate.advance(GateEvent.DONE)
        return self._exit_code, left

    def _is_finished(self) -> bool:
        if self._gate.state != "draining":
            return False
        if time.monotonic() >= self._orders.deadline:
            return True
        workload = self._workload
        waits = self._connection.owes or self._connection.held
        return not (workload.in_flight or workload.backlog or self._completed or waits)

    def _turn(self, pool: Pool) -> None:
        self._stats.turned_at = time.monotonic()
        deliveries = self._receive(pool)
        self._look_at_connection(pool)
        self._workload.take(deliveries)
        self._reactor.dispatch(time.monotonic())
        self._orders.obey(pool)
        if self._workload.pool_up and self._connection.connected and self._gate.advance(GateEvent.UP):
            self._log.info(self._ready_line())
            self._tell_desk("ready")
        self._work(pool)
        self._connection.flush(worth=self._acks_worth_telling())
        self._look_at_prefetch(pool)
        self._look_at_connection(pool)
        self._stats.in_flight = len(self._workload.in_flight) - pool.ahead
        self._look_for_lost(pool)
        if self.remote is not None:
            self.remote.flush()

    def _tell_desk(self, what: str) -> None:
        if self.remote is not None:
            self.remote.tell(what, None)
            self.remote.flush()

    def _look_for_lost(self, pool: Pool) -> None:
        now = time.monotonic()
        if now >= self._look_for_lost_at:
            self._look_for_lost_at = now + _LONGEST_WAIT_SECONDS
            self._lost = self._lost or self._workload.look_for_lost(pool, now)

    def _hear_signals(self) -> None:
        """Now and then; where tasks run in the main thread, which alone can take it away, before each wait.

        Each time the interpreter lets go of its lock, and threads that run tasks take it.
        """
        self._hear_again_at = self._stats.turned_at + _HEAR_AGAIN_SECONDS
        if lost := self.hear_again():
            self._log.warning(
                f"a task has taken away what tells this worker to end ({', '.join(lost)}); it hears again"
            )

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
        due = self._stats.turned_at >= self._hear_again_at
        if due or (not busy and self._settings.spec.pool in _IN_THE_MAIN_THREAD):
            self._hear_signals()
        most = 0.0 if busy else _LONGEST_WAIT_SECONDS
        deliveries = self._connection.receive(self._reactor.timeout(time.monotonic(), most))
        self._reactor.waiting = False
        return deliveries

    def _ready_line(self) -> str:
        spec = self._settings.spec
        queues = ", ".join(queue.name for queue in spec.queues)
        return f"ready: {spec.pool} x {spec.slots}, consuming {queues}"

    def _look_at_connection(self, pool: Pool) -> None:
        """Whatever has found it lost: waiting, an ack, a new prefetch, giving back."""
        self._tell_of_broker()
        if self._connection_changes == self._connection.changes:
            return
        self._connection_changes = self._connection.changes
        # Not started: another worker may have them, or we again. What runs, runs on.
        self._workload.recall(pool)
        self._workload.connection_lost()
        self._workload.give_back()
        self._workload.reclaim()
        self._gate.changed()

    def _tell_of_broker(self) -> None:
        """Also of one that has never been reached, and of what it refuses."""
        stats, connection = self._stats, self._connection
        error, refusal = connection.error, connection.refusal
        news = (stats.broker_error, stats.refused is None) != (error, refusal is None)
        if refusal is not None and stats.refused is None:
            self._log.warning(f"broker: {refusal}")
        stats.broker_error, stats.mismatch, stats.refused = error, connection.mismatch, refusal
        if news:
            self._gate.changed()

    def _work(self, pool: Pool) -> None:
        """Start what can start and settle what has ended."""
        self._start_and_settle(pool)
        pool.flush()
        self._ack_begun(pool)

    def _ack_begun(self, pool: Pool) -> None:
        """Looked at every few milliseconds while something is to be acknowledged that has not begun."""
        if self._workload.ack_begun(pool) and not self._looks_for_begun:
            self._looks_for_begun = True
            self._reactor.call_at(time.monotonic() + BATCH_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._looks_for_begun = False  # and the turn that this is part of looks

    def _start_and_settle(self, pool: Pool) -> None:
        workload, completed, connection = self._workload, self._completed, self._connection
        # Where a task runs in here, what is to be told is told before it; else when this turn ends, in a moment.
        tells_at_once = self._settings.spec.pool == "solo"
        suspects = connection.suspects
        self._stats.moment = time.monotonic()
        until, started = self._stats.moment + BATCH_SECONDS, False
        while self._begun:
            workload.begins(self._begun.popleft())
        while True:
            while completed:
                workload.settle(*completed.popleft())
                self._stats.busy_at = until
            if tells_at_once or connection.changes != self._connection_changes:
                self._look_at_connection(pool)
                suspects = connection.suspects
            if suspects:
                workload.look_for_suspects(pool)
            # Looked at here, for in solo what was started has ended by now: its ack goes out before the next.
            if started and time.monotonic() >= until:
                return
            if not workload.backlog or not workload.has_free_slot(pool):
                return
            if connection.acks_wait:
                self.owing()
            workload.start_next(pool)
            started = True
            if workload.alone:  # the broker may have been heard over that
                suspects = connection.suspects

    def _look_at_prefetch(self, pool: Pool) -> None:
        now = time.monotonic()
        if self._workload.backlog and not self._watches_stall and self._prefetch.is_ahead:
            self._watches_stall = True
            self._reactor.call_at(now + _STALL_SECONDS, partial(self._look_for_stall, pool))
        if self._prefetch.look(now):
            self._connection.set_prefetch(self._prefetch.held)

    def _look_for_stall(self, pool: Pool) -> None:
        """What was taken ahead of tasks that were short must not wait for one that is long."""
        self._watches_stall = False
        stalled = time.monotonic() - self._stats.busy_at
        if stalled < _STALL_SECONDS or self._completed or self._workload.has_free_slot(pool):
            return
        if not self._prefetch.is_ahead:
            return
        self._prefetch.stalled(stalled)
        self._look_at_prefetch(pool)
        self._workload.give_back()
