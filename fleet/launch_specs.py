"""The specs that processes are launched with: a worker, the scheduler, the dashboard, a program of the supervisor.

Standard library only, and nothing that loads threading or sockets: a worker imports this module before it
monkey-patches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fleet.pool_slots import pool_slots
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec, Spec, json_value, later

# The fields of a WorkerSpec that a worker takes on without a restart. Any other change needs a new worker.
LIVE_SETTINGS = frozenset(
    {
        *("concurrency", "prefetch", "acks", "max_deliveries", "grace_period_seconds"),
        *("max_retries", "retry_backoff_seconds", "retry_backoff_max_seconds"),
        *("soft_time_limit_seconds", "time_limit_seconds"),
        *("max_tasks", "max_memory_bytes", "max_age_seconds"),
    }
)


def module_of(entry: str) -> str:
    """What is imported for an entry of `app`: a module, or the one in front of a Celery app ("proj.celery:app")."""
    return entry.partition(":")[0]


def celery_entries(app: tuple[str, ...]) -> tuple[str, ...]:
    """The entries of `app` that name a Celery app."""
    return tuple(entry for entry in app if ":" in entry)


@dataclass(frozen=True)  # without slots: the revisions are kept, for a planner asks for them without end
class WorkerSpec(Spec):
    """What every worker of one group runs, one resolved `[workers.NAME]`. Seconds and bytes.

    `prefetch` None means auto. `environment` is what the supervisor puts into the process's environment; it
    is here because a change of it changes the group.
    """

    fleet: str
    group: str
    app: tuple[str, ...]
    pythonpath: tuple[str, ...]  # absolute
    broker: BrokerSpec
    queues: tuple[QueueSpec, ...]  # the consumed ones, in order of preference
    pool: str
    concurrency: int
    prefetch: int | None = None
    acks: str = "late"
    max_deliveries: int = 5
    max_retries: int = 3
    retry_backoff_seconds: float = 1.0
    retry_backoff_max_seconds: float = 600.0
    soft_time_limit_seconds: float | None = None
    time_limit_seconds: float | None = None
    grace_period_seconds: float = 30.0
    max_tasks: int | None = None
    max_memory_bytes: int | None = None
    max_age_seconds: float | None = None
    nice: int = 0
    user: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    preload: bool = False
    opened_at_import: str = later(
        "separate"
    )  # prefork: "separate", "refuse" or "share" what the import leaves open
    dead_letters: tuple[QueueSpec, ...] = later(
        ()
    )  # dead-letter queues of `queues` that are declared themselves
    queue_order: str = later("weighted")  # or "strict"
    log_level: str = later("INFO")  # of Python's logging, in tasks
    log_format: str = later("text")  # or "json"
    # These two only Celery's remote control sets, in a running worker.
    tells_results: bool = later(False)  # pool processes tell what tasks have returned, for events
    task_limits: tuple[Any, ...] = later(())  # (task name, soft, hard), in seconds or None
    threads: int = later(8)  # asyncio: in which plain functions run

    @cached_property
    def is_celery(self) -> bool:
        """Whether a Celery app runs the tasks."""
        return bool(celery_entries(self.app))

    @cached_property
    def revision(self) -> str:
        """12 hex digits that change exactly when settings do that need a new worker."""
        settings = {name: value for name, value in json_value(self).items() if name not in LIVE_SETTINGS}
        return _digest(settings)

    @property
    def slots(self) -> int:
        """How many deliveries one worker runs at once."""
        return pool_slots(self.pool, self.concurrency)

    @property
    def last_attempt(self) -> int:
        """The delivery that runs alone.

        With `max_deliveries` 1 that is the second all the same: the first one had others beside it.
        """
        return max(self.max_deliveries, 2)

    @property
    def live_settings(self) -> dict[str, Any]:
        return {name: value for name, value in self.to_dict().items() if name in LIVE_SETTINGS}

    @cached_property
    def live_revision(self) -> str:
        """12 hex digits that change exactly when the other settings do."""
        return _digest(self.live_settings)


def _digest(settings: dict[str, Any]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class WorkerLaunch(Spec):
    """The file (mode 0600) that `python -m fleet.worker FILE` reads: which replica this is, where to report.

    `routing_file` holds a RoutingSpec as JSON for tasks that send tasks. The controller replaces it
    atomically when a route changes, so that no worker restarts for a route; it is read again when its mtime
    moves.
    """

    worker: str  # "http/0"
    replica: int
    revision: str
    spec: WorkerSpec
    control_socket: str
    routing_file: str
    live_revision: str = ""  # of the spec's live settings, as long as no "configure" brings others
    paused_queues: tuple[str, ...] = ()  # not to be consumed until told otherwise
    token: str = (
        ""  # of this program and no other, on whatever machine; of `fleet worker` "<instance>.<nonce>"
    )
    listen: str = later("")  # "HOST:PORT" for /live, /ready and /metrics; "": nothing listens

    def identity(self, host: str, pid: int) -> str:
        """What owns the leases of its process with that pid; the worker and the controller both know it.

        In containers host names and pids repeat. Without the token one fleet would give back what another
        one's living worker holds.
        """
        return f"{self.worker}@{host}:{pid}" + (f"/{self.token}" if self.token else "")


@dataclass(frozen=True, slots=True)
class ScheduleSpec(Spec):
    """One `[[schedules]]`: when (`cron` in `timezone`, or every so many seconds) to send what, and how."""

    name: str
    task: str
    cron: str | None = None
    every_seconds: float | None = None
    timezone: str = "UTC"
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None  # None: by the routes
    priority: int | None = None
    expires_seconds: float | None = None
    overlap: str = "queue"  # or "skip"
    catch_up: str = "last"  # or "all", "none"
    jitter_seconds: float = 0.0
    enabled: bool = True
    weekdays: tuple[int, ...] = later(())  # of a Celery crontab: only on these (0: Monday)


@dataclass(frozen=True, slots=True)
class SchedulerLaunch(Spec):
    """The file (mode 0600) that `python -m fleet.scheduler FILE` reads, at its start and on SIGHUP.

    `known_file` is where it writes what it remembers of each schedule, for whoever wants to show it.
    """

    fleet: str
    routing: RoutingSpec
    schedules: tuple[ScheduleSpec, ...]
    source: str  # the fleet.toml, for error messages
    known_file: str
    app: BeatApp | None = later(None)  # noqa: RUF009


@dataclass(frozen=True, slots=True)
class BeatApp(Spec):
    """The Celery app whose `beat_schedule` is sent as well.

    `edition` is another one when its code may have changed: then it is loaded anew. `scheduler` names a class of
    Celery's kind that is to send instead, if the app does not name one itself.
    """

    entries: tuple[str, ...]  # as `[fleet] app` has them
    pythonpath: tuple[str, ...]
    environment: dict[str, str]
    edition: str
    scheduler: str | None = None


@dataclass(frozen=True, slots=True)
class DashboardLaunch(Spec):
    """The file (mode 0600) that `python -m fleet.dashboard FILE` reads. Paths are absolute.

    `arguments` is how much of a message's arguments is shown: "masked", "hidden" or "full".
    """

    fleet: str
    state_dir: str
    listen: str
    token_file: str
    hosts: tuple[str, ...] = ()
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    arguments: str = "masked"


@dataclass(frozen=True, slots=True)
class Preload(Spec):
    """What a zygote imports before it forks workers; on its command line, so there are no secrets in it.

    `broker` is only the kind ("redis"). `edition` means nothing to it: with another one it is another zygote, which
    imports the code as it is then.
    """

    pool: str
    broker: str
    app: tuple[str, ...]
    pythonpath: tuple[str, ...]
    edition: str = ""


@dataclass(frozen=True, slots=True)
class ProgramSpec(Spec):
    """One process for the supervisor to keep alive; it knows nothing of queues or pools.

    `labels` are kept and given back by `list()`: the controller finds its bearings by them after a crash.
    `preload` is the command of a zygote that can fork what `command` would execute; one serves all programs with
    the same one, and the same directory, environment, user and nice.
    """

    group: str
    name: str  # unique within the group; no space, ":" or "/"
    command: tuple[str, ...]
    directory: str
    environment: dict[str, str]
    log_file: str
    stop_seconds: float = 30.0  # from SIGTERM to SIGKILL
    nice: int = 0
    user: str | None = None
    labels: dict[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        from fleet.slot_names import full_name  # not loaded by who has to do with other specs only

        return full_name(self.group, self.name)


class Exit:
    """Exit codes of a worker that mean something to those above it."""

    OK = 0  # drained, or recycled: start again at once if still wanted
    BOOT_FAILED = 3  # the app can't be imported, or the spec can't be run: trying again at once is pointless
