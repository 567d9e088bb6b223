"""The controller itself: keeps what is declared and what is seen side by side, plans, and acts.

One asyncio loop. `_reconcile` is called after every change and does all the acting; whatever else happens (an
edit, a report, a program that ended) only wakes it. Blocking calls go to threads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet.control import Command
from fleet.controller.absorbed import Absorbed
from fleet.controller.announcing import Announcer
from fleet.controller.apply import Hands
from fleet.controller.autoscaler import Autoscaler
from fleet.controller.changes import rollout_changes, worker_changes
from fleet.controller.complaints import Complaints
from fleet.controller.declaration import Declaration, Verdict
from fleet.controller.desired import Accepted
from fleet.controller.events import EventLog
from fleet.controller.farewell import departed, give_back
from fleet.controller.handover import foreign_uids
from fleet.controller.inforce import in_force
from fleet.controller.ledger import Ledger
from fleet.controller.memory import Memory
from fleet.controller.observe import Scene, observe, worker_programs
from fleet.controller.plan import plan, settled
from fleet.controller.progress import RolloutView, judge, rollouts
from fleet.controller.queues import QueueNumbers, in_own_thread
from fleet.controller.reading import load_accepted
from fleet.controller.starving import Starving
from fleet.controller.wakeups import follow_supervisor, rest
from fleet.controller.workers import WorkerServer
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, Snapshot, SupervisorClient

UNSETTLED_TICK_SECONDS = 0.2
"""While a rollout waits for the clock (min_ready, progress_deadline)."""

SETTLED_TICK_SECONDS = 5.0

ACTIONS_AT_ONCE = 20
"""Then it looks again: whoever takes back "200 workers" must not wait until the last of them is started."""

# Without a look for so long this process itself was away (stopped, starved): nobody could be heard.
_AWAY_SECONDS = SETTLED_TICK_SECONDS + 2.0


class Brain:
    """Everything that one running controller knows. Its methods belong to the event loop."""

    def __init__(self, file: Path, env: str | None, state: StateDir, log: EventLog) -> None:
        self.file = file
        self.log = log
        self.workers = WorkerServer(self.wake)
        self.queues = QueueNumbers()
        self.scene: Scene | None = None
        self.rollouts: list[RolloutView] = []
        self.considered: Callable[[], None] = lambda: None  # not on the loop, when other code may be watched
        self._state = state
        self._supervisor = SupervisorClient(state.supervisor_socket)
        self._hands = Hands(self._supervisor, state, self._send)
        self.declaration = Declaration(file, env, log, self._hands.declare)
        self.memory = Memory(state, log)
        self.autoscaler = Autoscaler(log)
        self.starving = Starving()
        self.absorbed = Absorbed(self.workers.heard_at)
        self._wakened = asyncio.Event()
        self._looked_at = 0.0
        self._complaints = Complaints(log)
        self._announcer = Announcer(self._supervisor)
        self._began_at = time.time() - time.monotonic()

    @property
    def desired(self) -> Accepted | None:
        """What the fleet should be now: what is declared, and what overrides it."""
        declared = self.declaration.accepted
        return self._in_force(declared) if declared is not None else None

    def _in_force(self, declared: Accepted) -> Accepted:
        memory = self.memory
        return in_force(declared, memory.ledger, memory.overrides, self.autoscaler.slots)

    def wake(self) -> None:
        """Something changed: look again soon."""
        self._wakened.set()

    async def consider_file(self, *, force: bool = False) -> Verdict:
        """The file may have changed; `force`: look even if it has not."""
        verdict = await self.declaration.consider(force=force)
        await asyncio.to_thread(self.considered)
        self._announcer.asked += force
        if (declared := self.declaration.accepted) is not None:
            self.memory.ledger = self.memory.ledger.fit(declared)
            self.memory.overrides = self.memory.overrides.fit_file(declared)
        self.wake()
        return verdict

    def try_again(self, group: str | None = None) -> None:
        """Give revisions that were rolled back another chance; None: those of all groups."""
        self.memory.ledger = self.memory.ledger.pardon(*([] if group is None else [group]))
        self.wake()

    def watched(self) -> tuple[Path, tuple[str, ...]]:
        """From any thread: the folder of the file, and the code there that workers depend on."""
        declared = self.declaration.accepted
        patterns = declared.groups[0].rollout.watch if declared and declared.groups else ()
        return self.file.parent, patterns

    def renew_all(self, names: list[str]) -> None:
        """Code has changed: replace all workers."""
        what = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        self.log.info(f"changed: {what}")
        if self.scene is not None:
            self.memory.ledger = self.memory.ledger.pardon()
            programs = [worker.name for worker in self.scene.workers if not worker.leaving]
            self.memory.overrides = self.memory.overrides.renew(programs, f"{what} changed")
        self.wake()

    async def snapshot(self) -> Snapshot:
        """The supervisor's programs as they are now. Raises SupervisorUnavailable."""
        return await asyncio.to_thread(self._supervisor.snapshot)

    def clock(self) -> float:
        """The time of day as it was at the start, and then by a clock that nobody sets: POSIX seconds."""
        return self._began_at + time.monotonic()

    async def run(self) -> None:
        """For ever. Raises OSError when the sockets can't be made or there is no supervisor."""
        self._loop = asyncio.get_running_loop()
        await self.workers.listen(self._state.control_socket)
        await self._begin()
        beside = [
            asyncio.ensure_future(self.autoscaler.listen(lambda: self.declaration.accepted, self.wake)),
            asyncio.ensure_future(self.starving.watch(lambda: self.scene, lambda: self.desired)),
            asyncio.ensure_future(self.absorbed.watch(lambda: self.scene, lambda: self.desired)),
        ]
        try:
            await self._keep_reconciling()
        finally:
            for each in beside:
                each.cancel()

    async def _keep_reconciling(self) -> None:
        while True:
            if not (self._state.api_socket.exists() and self._state.specs.is_dir()):
                raise FileNotFoundError("the state directory was deleted")  # the next controller makes it
            busy = await self._reconcile_safely()
            await rest(self._wakened, UNSETTLED_TICK_SECONDS if busy else SETTLED_TICK_SECONDS)

    async def _begin(self) -> None:
        """Find out where things stand: after a crash there are workers, and what was in force still is."""
        snapshot = await self.snapshot()
        follow_supervisor(self._supervisor, snapshot.sequence, self.wake)
        running = list(worker_programs(snapshot))
        # Without workers this is a new start, where even a new name is fine.
        before = load_accepted(self._state)
        if not running:
            self.memory.ledger = Ledger()
        if before is not None and running:
            self.declaration.go_on_with(before)
            self.log.info(f"back again, found {len(running)} workers running")
        await self.consider_file(force=True)
        if self.desired is None and before is not None:
            self.declaration.go_on_with(before)
        if self.desired is not None:
            await asyncio.to_thread(self._hands.restore, self.desired)
        await asyncio.to_thread(self._hands.tidy)

    async def _reconcile_safely(self) -> bool:
        try:
            return await self._reconcile()
        except (OSError, ValueError) as error:
            self._complaints.add(f"could not act: {error}")
        return True

    async def _reconcile(self) -> bool:
        """Look, plan, act. Whether something is still to be done or waited for."""
        snapshot = await self.snapshot()
        now = time.monotonic()
        if now - self._looked_at > _AWAY_SECONDS:
            self.workers.listening_since = now
        self._looked_at = now
        since = self.workers.listening_since
        renewals = {**self.starving.reasons, **self.memory.overrides.reasons}
        scene = observe(
            snapshot,
            self.workers.reports,
            listening_since=since,
            now=now,
            renewals=renewals,
            absorbed=self.absorbed.reasons,
        )
        self._tend_overrides(scene)
        if (declared := self.declaration.accepted) is not None:
            self.autoscaler.consider(declared, self._in_force(declared), scene)
        self._take_note(scene)
        await asyncio.to_thread(self.memory.save)
        desired = self.desired
        if desired is None or snapshot.stopping:
            return False
        await asyncio.to_thread(self._announcer.tell, desired, scene)
        await self.workers.admit(foreign_uids(group.spec.user for group in desired.groups), self._state)
        actions = plan(desired, scene.workers, now)[:ACTIONS_AT_ONCE]
        for failed in await asyncio.to_thread(self._hands.carry_out, actions, desired):
            self._complaints.add(failed)
        return not settled(desired, scene.workers, now)

    def _tend_overrides(self, scene: Scene) -> None:
        """End those that are over."""
        memory = self.memory
        memory.overrides = memory.overrides.fit(scene.programs.keys())
        if over := memory.overrides.expired(self.clock()):
            memory.overrides = memory.overrides.without(over)
            for each in over:
                self.log.info(f"{each.verb} {each.target} by {each.actor} is over")

    def _send(self, pid: int, command: Command) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self.workers.send, pid, command)

    def _take_note(self, scene: Scene) -> None:
        """Write into the log what changed since the last look, and clear up behind those who went."""
        before, self.scene = self.scene, scene
        views = self._judge_rollouts(scene)
        if before is not None:
            for level, message in (*worker_changes(before, scene), *rollout_changes(self.rollouts, views)):
                self.log.add(level, message)
            if gone := departed(before, scene):
                self.workers.forget_all_but({program.pid for program in scene.programs.values()})
                in_own_thread(lambda: self._clear_up(gone))
        self.rollouts = views

    def _judge_rollouts(self, scene: Scene) -> list[RolloutView]:
        declared = self.declaration.accepted
        if declared is None or self.desired is None:
            return []
        memory = self.memory
        if not scene.snapshot.stopping:
            memory.ledger = judge(self.desired, scene, memory.ledger, time.time())
        return rollouts(declared, self.desired, scene, memory.ledger)

    def _clear_up(self, gone: list[Program]) -> None:
        """Not in the event loop."""
        for message in give_back(gone):
            self.log.info(message)
        with suppress(OSError):
            self._hands.tidy()
