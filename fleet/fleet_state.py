"""The fleet as plain values: the configuration that the controller has accepted.

It is kept on disk as JSON (`StateDir.accepted_config`), so that a controller that comes back, and finds an
invalid fleet.toml, goes on with what was last accepted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from fleet.launch_specs import BeatApp, ScheduleSpec, WorkerSpec
from fleet.portable import portable_routing, portable_worker
from fleet.spec import RoutingSpec, Spec, later

DEFAULT_HISTORY_BYTES = 64 << 20


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
    """`[dashboard]` as the file says it; the names are its keys."""

    listen: str
    token_file: str | None = None
    hosts: tuple[str, ...] = later(())
    root_path: str = later("")
    trusted_proxies: tuple[str, ...] = later(())
    arguments: str = later("masked")


@dataclass(frozen=True, slots=True)
class AlertSettings(Spec):
    """`[alerts]`, and what queues say of theirs. Seconds; `webhook_file` is absolute."""

    webhook_file: str | None = None
    command: tuple[str, ...] = ()
    repeat_seconds: float = 4 * 3600.0
    waits: dict[str, float] = field(default_factory=dict)  # by queue: how long a message may wait there
    no_success: dict[str, float] = field(default_factory=dict)  # by queue: how long none may succeed


@dataclass(frozen=True, slots=True)
class Group(Spec):
    """One worker group: what each of its workers runs, how many there are, and how they are replaced.

    `paused` are queues that its workers shall not consume for now. With `autoscale`, `replicas` as declared
    is where it starts. `seats` are the slots to fill when they are not the first ones: the autoscaler takes
    the idle ones away. `edition` is another number after each restart: workers that are forked from a process that
    has imported their code get a new one then. `on` are the labels that a host needs, `here` is whether this one has
    them.
    """

    spec: WorkerSpec
    replicas: int
    rollout: RolloutPolicy = RolloutPolicy()
    singleton: bool = False
    paused: tuple[str, ...] = ()
    autoscale: Autoscale | None = None
    seats: tuple[int, ...] | None = None
    edition: int = 0
    on: tuple[str, ...] = later(())
    here: bool = later(True)

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
class FleetState(Spec):
    """A whole fleet as accepted. `loaded_at` is a POSIX timestamp, the folders are absolute."""

    fleet: str
    folder: str
    state_dir: str
    loaded_at: float
    routing: RoutingSpec
    groups: tuple[Group, ...] = ()
    dashboard: Dashboard | None = None
    history_bytes: int = later(DEFAULT_HISTORY_BYTES)
    alerts: AlertSettings | None = later(None)  # noqa: RUF009
    schedules: tuple[ScheduleSpec, ...] = later(())
    beat: bool = later(True)  # whether the `beat_schedule` of a Celery app is sent
    beat_scheduler: str | None = later(None)

    @property
    def beat_app(self) -> BeatApp | None:
        """The Celery app that may have something to schedule, as all groups run it."""
        specs = [group.spec for group in self.groups if group.spec.is_celery]
        if not specs or not self.beat:
            return None
        common = set.intersection(*(set(spec.environment.items()) for spec in specs))
        edition = hashlib.sha256(repr([(group.revision, group.edition) for group in self.groups]).encode())
        return BeatApp(
            entries=specs[0].app,
            pythonpath=specs[0].pythonpath,
            environment=dict(sorted(common)),
            edition=edition.hexdigest()[:12],
            scheduler=self.beat_scheduler,
        )

    def group(self, name: str) -> Group | None:
        return next((group for group in self.groups if group.name == name), None)

    @property
    def revision(self) -> str:
        """12 hex digits that change exactly when the configuration means something else; the same on every host."""
        # Not the order of the tables in the file, nor when it was read, nor in which folder.
        groups = sorted(
            replace(group, spec=portable_worker(group.spec, self.folder), here=True).to_json()
            for group in self.groups
        )
        dashboard = [self.dashboard.to_json()] if self.dashboard else []
        alerts = [self.alerts.to_json().replace(f"{self.folder}/", "")] if self.alerts else []
        # As files that are older than these say nothing of them.
        kept = [str(self.history_bytes)] if self.history_bytes != DEFAULT_HISTORY_BYTES else []
        if (self.beat, self.beat_scheduler) != (True, None):
            kept.append(f"beat {self.beat} {self.beat_scheduler}")
        whole = [
            self.fleet,
            *dashboard,
            *alerts,
            *kept,
            portable_routing(self.routing, self.folder).to_json(),
            *sorted(schedule.to_json() for schedule in self.schedules),
        ]
        text = "\n".join([*whole, *groups])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def means_the_same(self, other: FleetState) -> bool:
        """Also for who runs it here: the folders are the same ones, too."""
        return (self.revision, self.folder, self.state_dir, self.alerts) == (
            other.revision,
            other.folder,
            other.state_dir,
            other.alerts,
        )
