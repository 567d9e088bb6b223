"""The resolved settings that cross process boundaries: plain frozen values with a JSON form.

The controller resolves fleet.toml into these; supervisor, workers and producers receive them and never
read the file. Standard library only, and nothing that loads threading or sockets: a worker imports this
module before it monkey-patches.
"""

from __future__ import annotations

import functools
import json
import types
import typing
from dataclasses import Field, asdict, dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any, Self

from fleet.pool_slots import pool_slots

# The fields of a WorkerSpec that a worker takes on without a restart. Any other change needs a new worker.
LIVE_SETTINGS = frozenset(
    {
        *("concurrency", "prefetch", "acks", "max_deliveries", "grace_period_seconds"),
        *("max_retries", "retry_backoff_seconds", "retry_backoff_max_seconds"),
        *("soft_time_limit_seconds", "time_limit_seconds"),
        *("max_tasks", "max_memory_bytes", "max_age_seconds"),
    }
)


class Spec:
    """A frozen dataclass that reads itself back from the JSON it writes."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    def to_json(self) -> str:
        return json.dumps(_written(self), sort_keys=True)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_dict()` output. Raises TypeError on unknown or missing fields."""
        hints = _hints(cls)  # type: ignore[arg-type]  # of course a class can be hashed
        return cls(**{name: _revive(hints.get(name, Any), value) for name, value in data.items()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))


def later(default: Any) -> Any:
    """A field that is newer than some fleets that run, with what held before it was there.

    Left out of JSON while it says just that: then a file is still read by workers of an older version, and a group's
    revision stays what it was, so that an upgrade is no reason to replace its workers.
    """
    return field(default=default, metadata={"later": True})


def module_of(entry: str) -> str:
    """What is imported for an entry of `app`: a module, or the one in front of a Celery app ("proj.celery:app")."""
    return entry.partition(":")[0]


def celery_entries(app: tuple[str, ...]) -> tuple[str, ...]:
    """Those entries of `app` that name a Celery app."""
    return tuple(entry for entry in app if ":" in entry)


def _written(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: _written(getattr(value, each.name)) for each in fields(value) if _is_said(value, each)
        }
    if isinstance(value, dict):
        return {key: _written(inner) for key, inner in value.items()}
    return [_written(inner) for inner in value] if isinstance(value, list | tuple) else value


def _is_said(spec: Any, each: Field[Any]) -> bool:
    return not each.metadata.get("later") or getattr(spec, each.name) != each.default


@functools.cache
def _hints(cls: type[Spec]) -> dict[str, Any]:
    """Remembered, for to find them means to compile them: workers report every second."""
    return typing.get_type_hints(cls)


def _revive(hint: Any, value: Any) -> Any:
    """JSON has no tuples and no dataclasses: give `value` back the shape that `hint` names."""
    origin = typing.get_origin(hint)
    if value is None:
        return None
    if origin in (typing.Union, types.UnionType):
        inner = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return _revive(inner[0], value) if len(inner) == 1 else value
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_revive(item, each) for each in value)
    if is_dataclass(hint) and isinstance(hint, type) and issubclass(hint, Spec):
        return hint.from_dict(value)
    return value


def renewal_seconds(lease_seconds: float) -> float:
    """How often a lease is renewed: two renewals may be late or lost before it runs out."""
    return lease_seconds / 3


@dataclass(frozen=True, slots=True)
class BrokerSpec(Spec):
    """How to reach the broker. `url` is complete, credentials included: never log it, see `mask_url`."""

    url: str
    accept: tuple[str, ...] = ("json",)
    heartbeat_seconds: float = 30.0
    lease_seconds: float = 30.0
    transport_options: dict[str, Any] = field(default_factory=dict)
    max_message_bytes: int = later(128 * 1024 * 1024)  # of one body, decompressed

    @property
    def renew_every_seconds(self) -> float:
        """How often a worker tells the broker that it lives while its loop can't: often enough for leases, and for
        heartbeats, of which a broker misses two before it gives up.
        """
        return renewal_seconds(min(self.lease_seconds, self.heartbeat_seconds or self.lease_seconds))


@dataclass(frozen=True, slots=True)
class QueueSpec(Spec):
    """A declared queue. `exchange` "" is the default exchange, which routes by queue name."""

    name: str
    exchange: str = ""
    exchange_type: str = "direct"
    routing_key: str = ""
    durable: bool = True
    max_priority: int | None = None
    message_ttl_seconds: float | None = None
    dead_letter: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteSpec(Spec):
    """Task names matching any of `patterns` (globs, case-sensitive) go to `queue`."""

    patterns: tuple[str, ...]
    queue: str
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class RoutingSpec(Spec):
    """All that a producer needs: the broker, every declared queue, the routes in file order."""

    broker: BrokerSpec
    queues: tuple[QueueSpec, ...]
    routes: tuple[RouteSpec, ...]

    def queue(self, name: str) -> QueueSpec:
        """The declared queue called `name`. Raises KeyError."""
        for queue in self.queues:
            if queue.name == name:
                return queue
        raise KeyError(name)


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

    @property
    def is_celery(self) -> bool:
        """Whether a Celery app runs the tasks."""
        return bool(celery_entries(self.app))

    @cached_property
    def revision(self) -> str:
        """12 hex digits that change exactly when settings do that need a new worker."""
        settings = {name: value for name, value in _written(self).items() if name not in LIVE_SETTINGS}
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
