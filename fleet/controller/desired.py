"""What is declared, as plain values: the configuration that the controller has accepted.

It is kept on disk as JSON (`StateDir.accepted_config`), so that a controller that comes back, and finds an
invalid fleet.toml, goes on with what was last accepted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from fleet.spec import RoutingSpec, Spec, WorkerSpec


@dataclass(frozen=True, slots=True)
class RolloutPolicy(Spec):
    """`[rollout]`: how a changed group goes from its old workers to new ones. Seconds, numbers of workers."""

    max_surge: int = 1
    max_unavailable: int = 0
    min_ready_seconds: float = 2.0
    progress_deadline_seconds: float = 120.0
    on_failure: str = "rollback"
    watch: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Autoscale(Spec):
    """`replicas = { min, max, target_latency }`: as many as the load needs, within bounds."""

    min: int
    max: int
    target_latency_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Dashboard(Spec):
    """`[dashboard]`: where it listens, and the file with its token, as the file says them."""

    listen: str
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class Group(Spec):
    """One worker group: what each of its workers runs, how many there are, and how they are replaced.

    `paused` are queues that its workers shall not consume for now. With `autoscale`, `replicas` as declared
    is where it starts. `seats` are the slots to fill when they are not the first ones: the autoscaler takes
    the idle ones away. `edition` is another number after each restart: workers that are forked from a process that
    has imported their code get a new one then.
    """

    spec: WorkerSpec
    replicas: int
    rollout: RolloutPolicy = RolloutPolicy()
    singleton: bool = False
    paused: tuple[str, ...] = ()
    autoscale: Autoscale | None = None
    seats: tuple[int, ...] | None = None
    edition: int = 0

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots that want a worker each, sorted."""
        return tuple(range(self.replicas)) if self.seats is None else self.seats

    @property
    def name(self) -> str:
        return self.spec.group

    @property
    def revision(self) -> str:
        return self.spec.revision

    @property
    def live_revision(self) -> str:
        return self.spec.live_revision

    @property
    def max_surge(self) -> int:
        """A singleton is never two at once: it stops, then starts."""
        return 0 if self.singleton else self.rollout.max_surge

    @property
    def max_unavailable(self) -> int:
        return 1 if self.singleton else self.rollout.max_unavailable


@dataclass(frozen=True, slots=True)
class Accepted(Spec):
    """A whole fleet as accepted. `loaded_at` is a POSIX timestamp, the folders are absolute."""

    fleet: str
    folder: str
    state_dir: str
    loaded_at: float
    routing: RoutingSpec
    groups: tuple[Group, ...] = ()
    dashboard: Dashboard | None = None

    def group(self, name: str) -> Group | None:
        return next((group for group in self.groups if group.name == name), None)

    @property
    def revision(self) -> str:
        """12 hex digits that change exactly when the configuration means something else."""
        # Not the order of the tables in the file, nor when it was read.
        groups = sorted(group.to_json() for group in self.groups)
        dashboard = [self.dashboard.to_json()] if self.dashboard else []
        whole = [self.fleet, self.folder, self.state_dir, *dashboard, self.routing.to_json()]
        text = "\n".join([*whole, *groups])
        return hashlib.sha256(text.encode()).hexdigest()[:12]
