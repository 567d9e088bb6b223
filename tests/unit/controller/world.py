"""A simulated fleet for the planner: workers boot, crash, drain and fall silent; the clock is a number."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from fleet.controller.observed.observe import SeenWorker, State
from fleet.controller.rollout.plan import Action, Drain, Kill, Start, Tell, plan, settled
from fleet.fleet_state import FleetState, Group, RolloutPolicy
from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec

BOOT_SECONDS = 0.5
DRAIN_SECONDS = 3.0
BROKER = BrokerSpec("sqlite:///x.db")


def group(
    name: str = "http",
    replicas: int = 2,
    *,
    version: int = 0,
    concurrency: int = 1,
    singleton: bool = False,
    policy: RolloutPolicy | None = None,
) -> Group:
    """A group whose revision depends on `version`."""
    spec = WorkerSpec(
        fleet="shop",
        group=name,
        app=(f"shop.v{version}",),
        pythonpath=("/srv",),
        broker=BROKER,
        queues=(QueueSpec("q"),),
        pool="solo",
        concurrency=concurrency,
    )
    return Group(spec, replicas, policy or RolloutPolicy(), singleton)


def fleet(*groups: Group) -> FleetState:
    return FleetState("shop", "/srv", "/srv/.fleet", 0.0, RoutingSpec(BROKER, (QueueSpec("q"),), ()), groups)


def worker(
    slot: int = 0, serial: int = 1, *, of: Group, state: State = State.READY, **more: object
) -> SeenWorker:
    """A worker of `of`'s revision; a READY one has been so for ever."""
    ready = -1e6 if state is State.READY else None
    seen = SeenWorker(of.name, slot, serial, of.revision, state, started=-1e6, ready_since=ready)
    return replace(seen, **more)  # type: ignore[arg-type]


@dataclass
class World:
    """Applies actions, lets time pass. Workers of revisions in `bad` fail, those in `hung` start for ever."""

    workers: list[SeenWorker] = field(default_factory=list)
    now: float = 0.0
    bad: set[str] = field(default_factory=set)
    hung: set[str] = field(default_factory=set)
    deadlines: dict[str, float] = field(default_factory=dict)  # program → when its state changes by itself

    def apply(self, actions: list[Action], effective: FleetState | None = None) -> None:
        """`effective` is where those told find what to go by."""
        for action in actions:
            match action:
                case Start():
                    self._start(action)
                case Drain():
                    self._drain(action)
                case Kill():
                    self._kill(action)
                case Tell() if effective is not None and (group := effective.group(action.group)):
                    self._tell(action, group)

    def _start(self, action: Start) -> None:
        serial = 1 + max((w.serial for w in self.workers if w.replica == action.replica), default=0)
        self.workers.append(
            SeenWorker(
                action.group, action.replica, serial, action.revision, State.STARTING, started=self.now
            )
        )

    def _drain(self, action: Drain) -> None:
        (index,) = [i for i, w in enumerate(self.workers) if w.name == action.name]
        assert not self.workers[index].leaving, "a worker is told to go once"
        self.workers[index] = replace(self.workers[index], state=State.STOPPING, ready_since=None)
        self.deadlines[action.name] = self.now + DRAIN_SECONDS

    def _kill(self, action: Kill) -> None:
        (victim,) = [w for w in self.workers if w.name == action.name]
        assert not victim.leaving, "a worker that goes is the supervisor's to kill"
        self._change(victim, State.STARTING, restarts=victim.restarts + 1, crashed=True)

    def _tell(self, action: Tell, group: Group) -> None:
        (index,) = [i for i, w in enumerate(self.workers) if w.name == action.name]
        news = {"paused": group.paused} if action.do == "pause" else {"live_revision": group.live_revision}
        self.workers[index] = replace(self.workers[index], **news)  # type: ignore[arg-type]

    def fall(self, index: int, state: State) -> None:
        """A worker becomes SILENT or TROUBLED, for good."""
        if self.workers and not (victim := self.workers[index % len(self.workers)]).leaving:
            self._change(victim, state, started=victim.started)

    def wear_out(self, index: int) -> None:
        """A ready worker has done its share."""
        if self.workers and (victim := self.workers[index % len(self.workers)]).state is State.READY:
            self.workers[self.workers.index(victim)] = replace(victim, recycle="max_tasks = 5")

    def crash(self, index: int) -> None:
        if self.workers:
            victim = self.workers[index % len(self.workers)]
            if not victim.leaving:
                self._change(victim, State.STARTING, restarts=victim.restarts + 1, crashed=True)

    def forget(self) -> None:
        """The controller was killed and is back: no worker has reported to it yet."""
        for seen in list(self.workers):
            if seen.state is State.READY:
                self._change(seen, State.UNKNOWN, started=seen.started)

    def _change(self, seen: SeenWorker, state: State, **more: object) -> None:
        values = {"state": state, "ready_since": None, "started": self.now, **more}
        if values["started"] != seen.started:  # another process
            values |= {"recycle": None, "trouble": None, "been_up": False}
        self.workers[self.workers.index(seen)] = replace(seen, **values)  # type: ignore[arg-type]

    def tick(self, seconds: float) -> None:
        self.now += seconds
        for seen in list(self.workers):
            if seen.state is State.STOPPING and self.now >= self.deadlines.setdefault(seen.name, self.now):
                self.workers.remove(seen)
            elif seen.state in (State.STARTING, State.UNKNOWN, State.DRAINING) and (
                self.now - seen.started >= BOOT_SECONDS
            ):
                self._booted(seen)
            elif seen.state in (State.BACKOFF, State.FAILED) and seen.revision not in self.bad:
                self._change(seen, State.STARTING, restarts=seen.restarts + 1, crashed=True)

    def _booted(self, seen: SeenWorker) -> None:
        if seen.revision in self.hung:
            if seen.state is not State.STARTING:
                self._change(seen, State.STARTING)
        elif seen.revision in self.bad:
            self._change(seen, State.FAILED, restarts=seen.restarts + 1, crashed=True, looping=True)
        else:
            self._change(seen, State.READY, started=seen.started, ready_since=self.now, been_up=True)

    def run(self, effective: FleetState, *, steps: int = 400, seconds: float = 0.5) -> bool:
        """Plan and apply until settled (True) or out of steps (False)."""
        for _ in range(steps):
            if settled(effective, self.workers, self.now):
                return True
            self.apply(plan(effective, self.workers, self.now), effective)
            self.tick(seconds)
        return False
