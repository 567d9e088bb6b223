"""The controller itself: keeps what is declared and what is seen side by side, plans, and acts.

One asyncio loop. `_reconcile` is called after every change and does all the acting; whatever else happens (an
edit, a report, a program that ended) only wakes it. Blocking calls go to threads.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from fleet import program_labels
from fleet.control import Command
from fleet.controller.alerts.alerting import Alerting
from fleet.controller.apply.apply import Applier
from fleet.controller.apply.dashboard_program import DashboardKeeper
from fleet.controller.apply.scheduler import SchedulerKeeper
from fleet.controller.apply.systemd_status import Announcer
from fleet.controller.apply.user_copies import foreign_uids
from fleet.controller.atomic_files import why
from fleet.controller.autoscale.autoscaler import Autoscaler
from fleet.controller.declared.code_watch import Wanted, wanted_code
from fleet.controller.declared.declaration import Declaration, FileVerdict
from fleet.controller.declared.reading import load_accepted
from fleet.controller.history.history import FleetHistory
from fleet.controller.log.events import EventLog
from fleet.controller.log.failures import Failed, Failures
from fleet.controller.observed.changes import worker_changes
from fleet.controller.observed.control_server import WorkerServer
from fleet.controller.observed.held_up_groups import HeldUpGroups
from fleet.controller.observed.leases import departed, give_back
from fleet.controller.observed.observe import Observation, Remarks, observe
from fleet.controller.observed.queue_stats import QueueNumbers, in_own_thread
from fleet.controller.observed.starvation import Starving
from fleet.controller.observed.supervisor_watch import follow_supervisor, rest
from fleet.controller.observed.unresponsive import Unresponsive
from fleet.controller.rollout.changes import rollout_changes
from fleet.controller.rollout.crash_restart import CrashRestarts
from fleet.controller.rollout.plan import plan, settled
from fleet.controller.rollout.progress import RolloutView, judge, rollouts
from fleet.controller.rounds import Rounds
from fleet.controller.state.effective import effective_state
from fleet.controller.state.release import Release
from fleet.controller.state.revisions import Revisions
from fleet.controller.state.store import StoredState
from fleet.fleet_state import FleetState
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, Snapshot, SupervisorClient
from fleet.visible import indented_lines

UNSETTLED_TICK_SECONDS = 0.2
"""While a rollout waits for the clock (min_ready, progress_deadline)."""

SETTLED_TICK_SECONDS = 5.0

ACTIONS_AT_ONCE = 20
"""Then it looks again: whoever takes back "200 workers" must not wait until the last of them is started."""

# Without a look for so long this process itself was away (stopped, starved): nobody could be heard.
_AWAY_SECONDS = SETTLED_TICK_SECONDS + 2.0


class Reconciler:
    """Everything that one running controller knows. Its methods belong to the event loop."""

    def __init__(self, file: Path, env: str | None, state: StateDir, log: EventLog) -> None:
        self.file = file
        self.log = log
        self.history = FleetHistory(state, log)
        self.workers = WorkerServer(self.wake, self.history.take)
        self.workers.left = self._left
        self.alerting: Alerting | None = None
        self.departed: Callable[[], None] = lambda: None  # a worker has gone
        self.queues = QueueNumbers()
        self.observation: Observation | None = None
        self.rollouts: list[RolloutView] = []
        self.considered: Callable[[], None] = lambda: None  # not on the loop, when other code may be watched
        self.state = state
        self._supervisor = SupervisorClient(state.supervisor_socket)
        self._applier = Applier(self._supervisor, state, self._send)
        self._scheduler = SchedulerKeeper(self._supervisor, state)
        self._dashboard = DashboardKeeper(self._supervisor, state)
        self.declaration = Declaration(file, env, log, self._applier.declare)
        self.memory = StoredState(state)
        self.failures = Failures(log)
        self._release = Release(state, self.failures, log)
        self.autoscaler = Autoscaler(log)
        self.autoscaler.scaled = self.history.counters.scaled
        self.starving = Starving()
        self.absorbed = Unresponsive(self.workers.heard_at)
        self._comebacks = CrashRestarts()
        self.held_up = HeldUpGroups()
        self._wakened = asyncio.Event()
        self._looked_at = 0.0
        self._rounds = Rounds()
        self._announcer = Announcer(self._supervisor)
        self._began_at = time.time() - time.monotonic()
        self._born = time.monotonic()

    @property
    def effective(self) -> FleetState | None:
        """What the fleet should be now: what is declared, and what overrides it."""
        declared = self.declaration.accepted
        return self._effective(declared) if declared is not None else None

    def _effective(self, declared: FleetState) -> FleetState:
        memory = self.memory
        return effective_state(declared, memory.revisions, memory.overrides, self.autoscaler.slots)

    def wake(self) -> None:
        """Something changed: look again soon."""
        self._wakened.set()

    async def consider_file(self, *, force: bool = False) -> FileVerdict:
        """The file may have changed; `force`: look even if it has not."""
        verdict = await self.declaration.consider(force=force)
        await asyncio.to_thread(self.considered)
        self._announcer.asked += force
        if (declared := self.declaration.accepted) is not None:
            self.history.limit(declared.history_bytes)
            self.memory.revisions = self.memory.revisions.fit(declared)
            self.memory.overrides = self.memory.overrides.fit_file(declared)
        self.wake()
        return verdict

    def try_again(self, group: str | None = None) -> None:
        """Give revisions that were rolled back another chance; None: those of all groups."""
        self.memory.revisions = self.memory.revisions.pardon(*([] if group is None else [group]))
        self.wake()

    def watched(self) -> Wanted:
        """From any thread: the code beside the file that workers depend on."""
        return wanted_code(self.file, self.declaration.accepted)

    def renew_all(self, names: list[str]) -> None:
        """Code has changed: replace all workers."""
        what = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        self.log.info(f"changed: {what}")
        if self.observation is not None:
            self.memory.revisions = self.memory.revisions.pardon()
            programs = [worker.name for worker in self.observation.workers if not worker.leaving]
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
        await asyncio.to_thread(self.history.open)
        self.log.note = self.history.note
        self.history.start()
        await self.workers.listen(self.state.control_socket)
        await self._begin()
        beside = [
            asyncio.ensure_future(self.autoscaler.listen(lambda: self.declaration.accepted, self.wake)),
            asyncio.ensure_future(self.starving.watch(lambda: self.observation, lambda: self.effective)),
            asyncio.ensure_future(self.held_up.watch(lambda: self.observation, lambda: self.effective)),
            asyncio.ensure_future(self.absorbed.watch(lambda: self.observation, lambda: self.effective)),
        ]
        try:
            with self._rounds.going():
                await self._keep_reconciling()
        finally:
            for each in beside:
                each.cancel()

    async def _keep_reconciling(self) -> None:
        while True:
            await self._release.look(self.declaration.accepted)
            if not (self.state.api_socket.exists() and self.state.specs.is_dir()):
                raise FileNotFoundError("the state directory was deleted")  # the next controller makes it
            busy = await self._reconcile_safely()
            await rest(self._wakened, UNSETTLED_TICK_SECONDS if busy else SETTLED_TICK_SECONDS)

    async def _begin(self) -> None:
        """Find out where things stand: after a crash there are workers, and what was in force still is."""
        snapshot = await self.snapshot()
        follow_supervisor(self._supervisor, snapshot.sequence, self.wake)
        running = program_labels.workers(snapshot.programs)
        # Without workers this is a new start, where even a new name is fine.
        before = load_accepted(self.state)
        if not running:
            self.memory.revisions = Revisions()
        if before is not None and running:
            self.declaration.go_on_with(before)
            self.log.info(f"back again, found {len(running)} workers running")
        await self.consider_file(force=True)
        if self.effective is None and before is not None:
            self.declaration.go_on_with(before)
        if (effective := self.effective) is not None:
            await self._try("start", "write launch files again", lambda: self._applier.restore(effective))
        await self._try("tidy", "remove old files", self._applier.tidy)

    async def _reconcile_safely(self) -> bool:
        try:
            with self._rounds.one():
                busy = await self._reconcile()
            self.failures.tried("looks", [])
            return busy
        except (OSError, ValueError) as error:
            self.failures.tried("looks", [Failed("act", why(error))])
        except Exception as error:
            # To end would help nobody: the next controller would come to the same point.
            if self.failures.tried("looks", [Failed("act", f"this is a bug in fleet: {error!r}")]):
                sys.stderr.write(indented_lines(traceback.format_exc().rstrip()) + "\n")
        return True

    async def look(self, within: float) -> bool:
        """Have a whole look taken that begins after this; whether it ended in so many seconds."""
        self.wake()
        return await self._rounds.next_whole(within)

    async def _try(self, kind: str, what: str, work: Callable[[], None]) -> None:
        """In a thread; what can't be done is shown, and ends nothing."""
        try:
            await asyncio.to_thread(work)
            self.failures.tried(kind, [])
        except OSError as error:
            self.failures.tried_one(kind, what, error)

    async def _reconcile(self) -> bool:
        """Look, plan, act. Whether something is still to be done or waited for."""
        snapshot = await self.snapshot()
        now = time.monotonic()
        if now - self._looked_at > _AWAY_SECONDS:
            self.workers.listening_since = now
        self._looked_at = now
        since = self.workers.listening_since
        renewals = {**self.starving.reasons, **self.memory.overrides.reasons}
        remarks = Remarks(renewals, self.absorbed.reasons, self.failures.by_group())
        observation = observe(snapshot, self.workers.reports, listening_since=since, now=now, remarks=remarks)
        self._tend_overrides(observation)
        if (declared := self.declaration.accepted) is not None:
            self.autoscaler.consider(declared, self._effective(declared), observation)
        comebacks = list(self._comebacks.due(observation))
        self._take_note(observation)
        await self._write_down()
        effective = self.effective
        if effective is None or snapshot.stopping:
            return False
        self.history.see_groups({each.name: (each.spec.pool, each.spec.slots) for each in effective.groups})
        for worker, cause in comebacks:
            self.log.info(f"{worker.worker} starts again at once: {cause}")
            await asyncio.to_thread(self._supervisor.restart_now, worker.name)
        await asyncio.to_thread(self._announcer.tell, effective, observation)
        await self._admit(effective)
        await self._tend("scheduler", lambda: self._scheduler.tend(snapshot, effective, str(self.file)))
        await self._tend("dashboard", lambda: self._dashboard.tend(snapshot, effective))
        actions = plan(effective, observation.workers, now)[:ACTIONS_AT_ONCE]
        self.failures.tried("actions", await asyncio.to_thread(self._applier.carry_out, actions, effective))
        return not settled(effective, observation.workers, now)

    async def _write_down(self) -> None:
        """Whatever is not on disk yet; what can't be written is tried again in each look."""
        await asyncio.to_thread(self.memory.save)
        self.failures.tried("memory", self.memory.unsaved)
        unwritten = await self.declaration.write_down()
        self.failures.tried_one("declaration", "write down what is accepted", unwritten)
        self.failures.tried_one("journal", "write the event log", self.log.unwritten)

    async def _admit(self, effective: FleetState) -> None:
        try:
            await self.workers.admit(foreign_uids(group.spec.user for group in effective.groups), self.state)
            self.failures.tried("admission", [])
        except OSError as error:
            self.failures.tried_one("admission", "listen to workers of other users", error)

    async def _tend(self, what: str, work: Callable[[], None]) -> None:
        """A process beside the workers: whatever is wrong with it is shown, and holds nobody else up."""
        try:
            await asyncio.to_thread(work)
            self.failures.tried(what, [])
        except OSError as error:
            self.failures.tried_one(what, f"look after the {what}", error)

    def _tend_overrides(self, observation: Observation) -> None:
        """End those that are over."""
        memory = self.memory
        memory.overrides = memory.overrides.fit(observation.programs.keys())
        if over := memory.overrides.expired(self.clock()):
            memory.overrides = memory.overrides.without(over)
            for each in over:
                self.log.info(f"{each.verb} {each.target} by {each.actor} is over")

    def _left(self, pids: Collection[int]) -> None:
        self.history.left(pids)
        self.departed()

    def _send(self, pid: int, command: Command) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self.workers.send, pid, command)

    def _take_note(self, observation: Observation) -> None:
        """Write into the log what changed since the last look, and clear up behind those who went."""
        before, self.observation = self.observation, observation
        views = self._judge_rollouts(observation)
        self.history.counters.see_programs(observation.programs)
        self.history.counters.see_rollouts(self.rollouts, views)
        if before is not None:
            for level, message in (
                *worker_changes(before, observation, self._born),
                *rollout_changes(self.rollouts, views),
            ):
                self.log.add(level, message)
            if gone := departed(before, observation):
                self.workers.forget_all_but({program.pid for program in observation.programs.values()})
                in_own_thread(lambda: self._clear_up(gone))
        self.rollouts = views

    def _judge_rollouts(self, observation: Observation) -> list[RolloutView]:
        declared = self.declaration.accepted
        if declared is None or self.effective is None:
            return []
        memory = self.memory
        if not observation.snapshot.stopping:
            memory.revisions = judge(self.effective, observation, memory.revisions, time.time())
        return rollouts(declared, self.effective, observation, memory.revisions)

    def _clear_up(self, gone: list[Program]) -> None:
        """Not in the event loop."""
        for message in give_back(gone):
            self.log.info(message)
        with suppress(OSError):
            self._applier.tidy()
