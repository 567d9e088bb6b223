"""Workers that say nothing because a task lets nobody else run: one call into C that keeps the interpreter lock.

Not even their real threads run then, neither the one that reports nor the one that renews. As long as such a
process shows that it is at work it is not killed as silent, and its claims are kept from here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fleet.broker.open import is_leased
from fleet.controller.observed.heartbeat_timeout import SILENT_AFTER_SECONDS
from fleet.controller.observed.leases import keep
from fleet.controller.observed.observe import Observation, SeenWorker
from fleet.controller.observed.procstat import ProcessStat, read_stat
from fleet.controller.observed.queue_stats import in_own_thread
from fleet.fleet_state import FleetState
from fleet.launch_specs import WorkerSpec
from fleet.spec import renewal_seconds
from fleet.supervisor.client import Program

# As long as a loop that does not turn (worker/blocked_loop.py): by then it is a deadlock, or a green pool must go on.
PATIENCE_SECONDS = 60.0
# A hard limit that has not ended its task by then never will.
_OVERDUE_SECONDS = 30.0
_LOOK_SECONDS = SILENT_AFTER_SECONDS / 4
_SHORTEST_LOOK_SECONDS = 0.5
# Of a CPU: a thread of some library that ticks along in a deadlocked process uses less.
_WORKING_SHARE = 0.01


class Silence(NamedTuple):
    """Of a worker that does not report. Seconds."""

    seconds: float
    state: str  # of its process, see ProcessStat
    still_seconds: float  # for how long it has used no CPU time worth mentioning


def absorbed(silence: Silence, spec: WorkerSpec) -> str | None:
    """Why it may well be at work; None: it is not."""
    if silence.state not in ("R", "S", "D"):
        return None  # stopped, or dead
    if spec.pool == "prefork":
        return None  # tasks are elsewhere
    limit = spec.time_limit_seconds
    if limit is not None and silence.seconds > limit + _OVERDUE_SECONDS:
        return None
    if spec.pool in ("gevent", "eventlet", "asyncio") and silence.seconds > PATIENCE_SECONDS:
        return None
    if silence.still_seconds > PATIENCE_SECONDS:
        return None
    at = "computes" if silence.still_seconds < SILENT_AFTER_SECONDS else "waits"
    return f"a task {at} and lets nothing else run"


@dataclass(slots=True)
class _Watched:
    """One process while it is silent. Monotonic seconds."""

    working_at: float  # when it had last used CPU time…
    cpu_seconds: float  # …and how much
    renewed_at: float = float("-inf")
    renewing: bool = False

    def feel(self, stat: ProcessStat, now: float) -> float:
        """For how many seconds it has been still."""
        used, passed = stat.cpu_seconds - self.cpu_seconds, now - self.working_at
        if used > 0 and used >= _WORKING_SHARE * passed:
            self.working_at, self.cpu_seconds = now, stat.cpu_seconds
        return now - self.working_at


class Unresponsive:
    """`reasons` says which programs are to be let be, and why. Belongs to the event loop."""

    def __init__(
        self,
        heard_at: Callable[[int], float],
        *,
        read: Callable[[int], ProcessStat | None] = read_stat,
        keep: Callable[[Program], None] = keep,
    ) -> None:
        """`heard_at`: when the process with that pid has reported, or could have."""
        self._heard_at = heard_at
        self._read = read
        self._keep = keep
        self._watched: dict[tuple[str, int], _Watched] = {}
        self._specs: dict[str, WorkerSpec] = {}  # by group; also of those that are not declared any more
        self.reasons: dict[str, str] = {}

    async def watch(
        self, observation: Callable[[], Observation | None], effective: Callable[[], FleetState | None]
    ) -> None:
        """For ever; who acts on `reasons` looks again every few seconds anyway."""
        pause = _LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            seen, fleet = observation(), effective()
            if seen is not None and fleet is not None:
                self.look(seen, fleet, time.monotonic())
                lease = fleet.routing.broker.lease_seconds
                pause = max(_SHORTEST_LOOK_SECONDS, min(_LOOK_SECONDS, lease / 6))

    def look(self, observation: Observation, effective: FleetState, now: float) -> None:
        before, self._watched, self.reasons = self._watched, {}, {}
        self._specs |= {group.name: group.spec for group in effective.groups}
        for worker in observation.workers:
            spec = self._specs.get(worker.group)
            if not worker.pid or spec is None:
                continue
            seconds = now - max(worker.started, self._heard_at(worker.pid))
            every = renewal_seconds(spec.broker.lease_seconds)
            if seconds < min(SILENT_AFTER_SECONDS / 2, every) or (stat := self._read(worker.pid)) is None:
                continue
            key = (worker.name, worker.pid)
            watched = self._watched[key] = before.get(key) or _Watched(now, stat.cpu_seconds)
            why = absorbed(Silence(seconds, stat.state, watched.feel(stat, now)), spec)
            if why is None:
                continue
            self.reasons[worker.name] = why
            if is_leased(spec.broker.url) and now - watched.renewed_at >= every:
                self._renew(watched, worker, observation, now)

    def _renew(self, watched: _Watched, worker: SeenWorker, observation: Observation, now: float) -> None:
        if watched.renewing:
            return  # the broker hangs
        watched.renewing, watched.renewed_at = True, now
        program = observation.programs[worker.name]

        def done(renewal: asyncio.Future[None]) -> None:
            watched.renewing = False
            if not renewal.cancelled():
                renewal.exception()  # whatever a broker's client may raise: it is tried again in time

        in_own_thread(lambda: self._keep(program)).add_done_callback(done)
