"""The orders to the loop from outside, and how it obeys: drain, pause, configure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from fleet.worker.context import LoopContext
from fleet.worker.pools import Pool
from fleet.worker.settings import SettingsChange
from fleet.worker.settling import Settler
from fleet.worker.state import GateEvent
from fleet.worker.workload import Workload


class Order(NamedTuple):
    """What the loop is told to do: drain (until a monotonic deadline), pause (these queues and no others;
    None: all), configure. Others are those of Celery's remote control (remote.py).
    """

    do: str
    deadline: float = 0.0
    change: SettingsChange | None = None
    queues: tuple[str, ...] | None = None
    arguments: dict[str, Any] = {}  # noqa: RUF012  never changed


class Orders:
    """`pending` may be appended to from any thread; the rest is for who has the loop lock."""

    def __init__(self, context: LoopContext, workload: Workload, settler: Settler) -> None:
        self._settings = context.settings
        self._workload = workload
        self._settler = settler
        self._prefetch = context.prefetch
        self._connection = context.connection
        self._reactor = context.reactor
        self._gate = context.gate
        self._stats = context.stats
        self._log = context.log
        self.pending: deque[Order] = deque()
        self.others: Callable[[Order, Pool], None] = lambda _order, _pool: None
        self.deadline = float("inf")  # of the drain, monotonic

    def obey(self, pool: Pool) -> None:
        while self.pending:
            self._obey(self.pending.popleft(), pool)

    def _obey(self, order: Order, pool: Pool) -> None:
        match order.do:
            case "configure" if order.change is not None:
                self._configure(order.change, pool)
            case "drain":
                self._drain(order.deadline, pool)
            case "pause" if self._gate.state != "draining":
                self.pause(order.queues)
                self._workload.recall(pool)
                self._workload.give_back(self._connection.skipped)
                self._gate.changed()
            case "configure" | "pause":
                pass  # of no use any more
            case _:
                self.others(order, pool)

    def _configure(self, change: SettingsChange, pool: Pool) -> None:
        self.apply(change, pool)
        changes = ", ".join(f"{name} = {value}" for name, value in sorted(change.settings.items()))
        self._log.info(f"configured: {changes or 'nothing new'}")
        self._gate.changed()

    def apply(self, change: SettingsChange, pool: Pool) -> None:
        self._settings.apply(change)
        spec = self._settings.spec
        self._workload.configure(spec)
        self._settler.configure(spec)
        pool.configure(spec)
        self._prefetch.configure(spec)
        self._connection.set_prefetch(self._prefetch.held)

    def pause(self, queues: tuple[str, ...] | None) -> None:
        """Take nothing from these queues from now on; what has been taken is not looked at."""
        own = tuple(queue.name for queue in self._settings.spec.queues)
        paused = own if queues is None else queues
        self._stats.paused_queues, self._stats.paused = paused, set(own) <= set(paused)
        self._connection.skip(frozenset(paused))

    def _drain(self, deadline: float, pool: Pool) -> None:
        self.deadline = min(self.deadline, deadline)
        self._reactor.call_at(self.deadline, lambda: None)
        if self._gate.advance(GateEvent.DRAIN):
            self._connection.consume(False)
            self._workload.recall(pool)
            running, waiting = len(self._workload.in_flight), len(self._workload.backlog)
            self._log.info(f"draining: {running} in flight, {waiting} given back")
            self._workload.give_back()
