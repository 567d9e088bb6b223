"""What the loop is told from outside, and how it obeys: drain, pause, configure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from fleet.worker.log import Log
from fleet.worker.pools import Pool
from fleet.worker.prefetch import Prefetch
from fleet.worker.reactor import Reactor
from fleet.worker.settings import Change, Settings
from fleet.worker.settling import Settler
from fleet.worker.state import Event, Gate
from fleet.worker.tally import Tally
from fleet.worker.uplink import Uplink
from fleet.worker.workload import Workload


class Order(NamedTuple):
    """What the loop is told to do: drain (until a monotonic deadline), pause (these queues and no others;
    None: all), configure.
    """

    do: str
    deadline: float = 0.0
    change: Change | None = None
    queues: tuple[str, ...] | None = None


class Orders:
    """`pending` may be appended to from any thread; the rest is for who has the helm."""

    def __init__(
        self,
        *,
        settings: Settings,
        workload: Workload,
        settler: Settler,
        prefetch: Prefetch,
        uplink: Uplink,
        reactor: Reactor,
        gate: Gate,
        tally: Tally,
        log: Log,
    ) -> None:
        self._settings = settings
        self._workload = workload
        self._settler = settler
        self._prefetch = prefetch
        self._uplink = uplink
        self._reactor = reactor
        self._gate = gate
        self._tally = tally
        self._log = log
        self.pending: deque[Order] = deque()
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
                self._workload.give_back(self._uplink.skipped)
                self._gate.changed()

    def _configure(self, change: Change, pool: Pool) -> None:
        self._settings.apply(change)
        spec = self._settings.spec
        self._workload.configure(spec)
        self._settler.configure(spec)
        pool.configure(spec)
        self._prefetch.configure(spec)
        self._uplink.set_prefetch(self._prefetch.held)
        changes = ", ".join(f"{name} = {value}" for name, value in sorted(change.settings.items()))
        self._log.info(f"configured: {changes or 'nothing new'}")
        self._gate.changed()

    def pause(self, queues: tuple[str, ...] | None) -> None:
        """Take nothing from these queues from now on; what has been taken is not looked at."""
        own = tuple(queue.name for queue in self._settings.spec.queues)
        paused = own if queues is None else queues
        self._tally.paused_queues, self._tally.paused = paused, set(own) <= set(paused)
        self._uplink.skip(frozenset(paused))

    def _drain(self, deadline: float, pool: Pool) -> None:
        self.deadline = min(self.deadline, deadline)
        self._reactor.call_at(self.deadline, lambda: None)
        if self._gate.advance(Event.DRAIN):
            self._uplink.consume(False)
            self._workload.recall(pool)
            running, waiting = len(self._workload.in_flight), len(self._workload.backlog)
            self._log.info(f"draining: {running} in flight, {waiting} given back")
            self._workload.give_back()
