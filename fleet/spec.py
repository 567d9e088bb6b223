"""The resolved settings that cross process boundaries: plain frozen values with a JSON form.

The controller resolves fleet.toml into these; supervisor, workers and producers receive them and never
read the file. Standard library only, and nothing that loads threading or sockets: a worker imports this
module before it monkey-patches.
"""

from __future__ import annotations

import functools
import hashlib
import json
import types
import typing
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property
from typing import Any, Self

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
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_dict()` output. Raises TypeError on unknown or missing fields."""
        hints = _hints(cls)  # type: ignore[arg-type]  # of course a class can be hashed
        return cls(**{name: _revive(hints.get(name, Any), value) for name, value in data.items()})

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls.from_dict(json.loads(text))


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


@dataclass(frozen=True, slots=True)
class BrokerSpec(Spec):
    """How to reach the broker. `url` is complete, credentials included: never log it, see `mask_url`."""

    url: str
    accept: tuple[str, ...] = ("json",)
    heartbeat_seconds: float = 30.0
    lease_seconds: float = 30.0
    transport_options: dict[str, Any] = field(default_factory=dict)


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

    @cached_property
    def revision(self) -> str:
        """12 hex digits that change exactly when settings do that need a new worker."""
        settings = {name: value for name, value in self.to_dict().items() if name not in LIVE_SETTINGS}
        return _digest(settings)

    @property
    def live_settings(self) -> dict[str, Any]:
        return {name: value for name, value in self.to_dict().items() if name in LIVE_SETTINGS}

    @cached_property
    def live_revision(self) -> str:
        """12 hex digits that change exactly when the other settings do."""
        return _digest(self.live_settings)


def _digest(settings: dict[str, Any]) -> str:
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
    token: str = ""  # of this program and no other, on whatever machine

    def identity(self, host: str, pid: int) -> str:
        """What owns the leases of its process with that pid; the worker and the controller both know it.

        In containers host names and pids repeat. Without the token one fleet would give back what another
        one's living worker holds.
        """
        return f"{self.worker}@{host}:{pid}" + (f"/{self.token}" if self.token else "")


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
        return f"{self.group}:{self.name}"


class Exit:
    """Exit codes of a worker that mean something to those above it."""

    OK = 0  # drained, or recycled: start again at once if still wanted
    BOOT_FAILED = 3  # the app can't be imported, or the spec can't be run: trying again at once is pointless
