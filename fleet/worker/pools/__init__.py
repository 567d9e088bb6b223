"""Six ways to run up to `concurrency` deliveries at once, behind one small interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from fleet.broker.delivery import Delivery
from fleet.broker.loop_lock import LoopLock
from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.worker.app import App
from fleet.worker.desk_channel import LoopEnd
from fleet.worker.log import Log
from fleet.worker.outcome import Outcome, Own
from fleet.worker.private_queues import PrivateQueues
from fleet.worker.progress import HeldUp
from fleet.worker.reactor import Reactor

POOLS = {
    "solo": "fleet.worker.pools.solo:SoloPool",
    "threads": "fleet.worker.pools.threads:ThreadsPool",
    "gevent": "fleet.worker.pools.green:gevent_pool",
    "eventlet": "fleet.worker.pools.green:eventlet_pool",
    "asyncio": "fleet.worker.pools.coroutine_pool:AsyncioPool",
    "prefork": "fleet.worker.pools.prefork:PreforkPool",
}


@dataclass(frozen=True, slots=True)
class Host:
    """What a pool gets from its worker.

    `done` may be called from any thread, the others in the loop's thread only. `up` tells what the app's tasks
    say of their policies, and which queues are this worker's alone; `broken` says why the pool can never work;
    `back` returns what was submitted and has not begun: to be submitted again when there is room, oldest first.
    """

    launch: WorkerLaunch
    app: App  # one without tasks where it is imported elsewhere (prefork)
    reactor: Reactor
    log: Log
    done: Callable[[Delivery, Outcome], None]
    up: Callable[[dict[str, Own], PrivateQueues], None]
    broken: Callable[[str], None]
    back: Callable[[list[Delivery]], None]
    loop_lock: LoopLock  # the loop's right to go on: whoever blocks it gives that away meanwhile
    random: Callable[[], float]  # [0, 1)
    begins: Callable[[Delivery], None] = lambda _delivery: None  # from any thread: it had to wait in the pool
    remote: LoopEnd | None = None  # for Celery's remote control


class Pool(Protocol):
    """Made in the loop's thread, which has no more than `concurrency` in it, but for what it `takes_ahead`."""

    @property
    def children(self) -> tuple[int, ...]:
        """Pids of the processes that run tasks, other than this one."""

    @property
    def ahead(self) -> int:
        """How many that were submitted wait where they will run behind another one."""

    def takes_ahead(self, delivery: Delivery) -> bool:
        """Whether to submit it although `concurrency` are in here."""

    def submit(self, delivery: Delivery) -> None:
        """Start it, at the latest with the next `flush`. Never blocks, except in solo, which runs it at once."""

    def flush(self) -> None:
        """Nothing is submitted for now."""

    def recall(self) -> list[Delivery]:
        """Take back what was submitted and has not started; there is no `done` for it."""

    def look_for_begun(self) -> None:
        """Call `on_begin` of what has begun meanwhile, where a process other than this one runs it."""

    def missing(self, old: list[Delivery]) -> list[tuple[Delivery, str]]:
        """Of some that it has had for long those that nobody is at, and why."""

    def forget(self, delivery: Delivery) -> None:
        """One that is missing has been settled: don't begin it any more."""

    def terminate(self, delivery: Delivery, signum: int) -> None:
        """End its task with that signal, where this pool can."""

    def where(self) -> dict[Delivery, tuple[int, float]] | None:
        """For any thread: which process runs what has begun, since when (monotonic); None: all of it runs here."""

    def held_up(self, now: float) -> HeldUp | None:
        """What holds up the event loop that its tasks share; for any thread. None where nothing does, or could."""

    def warnings(self, now: float) -> tuple[str, ...]:
        """What people should know of it although it works; for any thread."""

    def configure(self, spec: WorkerSpec) -> None:
        """Go on with changed settings (LIVE_SETTINGS). More may run than it allows by now: they finish."""

    def close(self) -> None:
        """End what is left, running or not; no `done` after this. Processes are gone when it returns."""


class Direct:
    """What a pool has to say that begins what is submitted, in this process."""

    children: tuple[int, ...] = ()
    ahead = 0

    def takes_ahead(self, _delivery: Delivery) -> bool:
        return False

    def flush(self) -> None:
        """Nothing is kept back."""

    def look_for_begun(self) -> None:
        """Whoever runs it calls `on_begin` itself."""

    def missing(self, _old: list[Delivery]) -> list[tuple[Delivery, str]]:
        return []

    def forget(self, _delivery: Delivery) -> None:
        """Nothing is ever missing."""

    def terminate(self, _delivery: Delivery, _signum: int) -> None:
        """No thread can be ended from outside."""

    def where(self) -> dict[Delivery, tuple[int, float]] | None:
        return None

    def held_up(self, _now: float) -> HeldUp | None:
        return None

    def warnings(self, _now: float) -> tuple[str, ...]:
        return ()


def make_pool(name: str, host: Host) -> Pool:
    """Raises KeyError for an unknown name. A pool that needs time comes up through `host.up` later."""
    module, _, attribute = POOLS[name].partition(":")
    factory: Callable[[Host], Pool] = getattr(import_module(module), attribute)
    return factory(host)
