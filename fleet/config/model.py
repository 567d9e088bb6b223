"""Everything that fleet.toml can say, as frozen models: the one place for keys, types, defaults and words.

The schema, editor completion and the errors all come from here. Attribute names are the file's keys,
except that the table [fleet] is `Fleet.project`. Values are as written where they depend on the machine
or on other files (`concurrency = "cpus"`, `url_file`): fleet.config.resolve makes them definite.
"""

# Without postponed annotations: they are evaluated for their readers at once.

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from fleet.config.table import Table, nothing
from fleet.config.types import (
    POOLS,
    AtLeastOne,
    Concurrency,
    DeadLetter,
    Duration,
    Flag,
    GroupName,
    NumberOrTable,
    Pool,
    Prefetch,
    Size,
    Text,
    Texts,
    Whole,
    WholeOrZero,
    Within,
)
from fleet.config.units import format_duration, format_size

# With the words for values: the checks know the file's language through this module alone.
__all__ = [
    "POOLS",
    "Autoscale",
    "Broker",
    "Dashboard",
    "Fleet",
    "GroupSettings",
    "Lint",
    "MachineTable",
    "Project",
    "Queue",
    "Rollout",
    "Route",
    "WorkerGroup",
    "format_duration",
    "format_size",
]


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Project(Table):
    """What is run, and where its files are."""

    app: Texts
    """Modules with @task functions, imported by every worker: one name or a list."""
    name: Text | None = None
    """Name of the fleet; default: the name of the file's folder."""
    pythonpath: tuple[Text, ...] = (".",)
    """Folders to import from, relative to the file."""
    env_file: Text | None = None
    """File of KEY=VALUE lines given to every worker, relative to the file."""
    state_dir: Text = ".fleet"
    """Folder for sockets, logs and the embedded broker, relative to the file; made with mode 0700."""


class Broker(Table):
    """Where messages wait."""

    url: Text | None = None
    """Any kombu URL (amqp://, redis://, sqlite:///); default: the embedded SQLite broker in state_dir."""
    url_file: Text | None = None
    """File that holds the URL, instead of `url`: keeps the password out of fleet.toml."""
    accept: tuple[Text, ...] = ("json",)
    """Content types that workers decode."""
    allow_unsafe_serializers: Flag = False
    """Allow pickle and yaml in `accept`: whoever can publish can then run code in the workers."""
    heartbeat: Duration = seconds(30)
    """How often the connection is checked."""
    lease: Duration = seconds(30)
    """Redis and SQLite: how long a silent worker keeps its claim on what it took."""
    transport_options: dict[str, Any] = nothing()
    """Handed to kombu's transport as it is."""
    max_connections: Whole | None = None
    """What the broker grants this fleet; checked by `fleet validate`, not enforced."""


class MachineTable(Table):
    """The machine in production, when `fleet validate` runs elsewhere."""

    cpus: Whole | None = None
    """CPUs that the fleet may use."""
    memory: Size | None = None
    """Memory that the fleet may use."""
    nofile: Whole | None = None
    """Open files that one process may have (`ulimit -n`)."""


class Queue(Table):
    """A named place where messages wait."""

    workload: Literal["cpu", "io"] | None = None
    """What the tasks of this queue mostly do: compute ("cpu") or wait ("io")."""
    exchange: Text = ""
    """Exchange to bind to; default: the default exchange, which routes by queue name."""
    exchange_type: Literal["direct", "topic", "fanout", "headers"] = "direct"
    """Type of that exchange."""
    routing_key: Text | None = None
    """Key of the binding; default: the queue's name."""
    durable: Flag = True
    """Whether the queue and its messages survive a restart of the broker."""
    max_priority: Whole | None = None
    """Highest message priority; unset: no priorities."""
    message_ttl: Duration | None = None
    """How long a message may wait before it is dropped or dead-lettered."""
    dead_letter: DeadLetter | None = None
    """Queue for messages that can't be done; default "<queue>.dead", made on demand; false: none."""
    arguments: dict[str, Any] = nothing()
    """Further arguments of the queue's declaration, such as x-queue-type."""


class Route(Table):
    """Which queue a task goes to; the first rule that matches wins."""

    task: Texts
    """Glob on the task's name, or a list of globs."""
    queue: Text
    """A queue declared under [queues]."""
    priority: Annotated[int, Within(0, 255)] | None = None
    """Priority of messages sent by this rule."""


class Autoscale(Table):
    """As many replicas as the load needs, within bounds."""

    min: WholeOrZero = 1
    """Fewest replicas; 0 lets the group sleep while its queues are empty."""
    max: Whole
    """Most replicas."""
    target_latency: Duration = seconds(30)
    """How long a message may wait before more replicas are started."""


Replicas = Annotated[WholeOrZero | Autoscale, NumberOrTable(WholeOrZero, Autoscale)]


class GroupSettings(Table):
    """What [defaults] may say for every worker group."""

    pool: Pool | None = None
    """What runs the tasks: prefork for CPU-bound ones; gevent, eventlet for ones that wait; threads; solo."""
    concurrency: Concurrency | None = None
    """Tasks that one worker runs at once: a number, "cpus", "cpus-1", "cpus/2". Default: the CPUs."""
    replicas: Replicas = 1
    """Workers of this group: a number, or { min, max, target_latency } to follow the load."""
    prefetch: Prefetch = "auto"
    """Deliveries held per worker; "auto" follows the tasks' duration; with 1, nothing waits behind a long solo task."""
    acks: Literal["late", "early"] = "late"
    """When a message is settled: after its task ("late") or before ("early", lost in a crash)."""
    max_deliveries: Whole = 5
    """How often a message may be tried by dying workers before it goes to the dead-letter queue."""
    max_retries: WholeOrZero = 3
    """Retries of a task that raises, unless the task says otherwise."""
    retry_backoff: Duration = seconds(1)
    """Wait before the first retry; doubled each time, with jitter."""
    retry_backoff_max: Duration = seconds(600)
    """Longest wait before a retry."""
    soft_time_limit: Duration | None = None
    """After this long SoftTimeLimitExceeded is raised in the task, so that it can clean up."""
    time_limit: Duration | None = None
    """After this long the task is ended."""
    grace_period: Duration = seconds(30)
    """How long a drain waits for what is in flight."""
    max_tasks: Whole | None = None
    """Replace the process that runs the tasks after so many of them."""
    max_memory: Size | None = None
    """Replace the process that runs the tasks when it holds this much."""
    max_age: Duration | None = None
    """Replace the process that runs the tasks when it is this old."""
    singleton: Flag = False
    """Never two workers at once, not even during a rollout."""
    env: dict[str, Text] = nothing()
    """Environment variables of the workers."""
    nice: Annotated[int, Within(-20, 19)] = 0
    """Scheduling priority of the workers, as in nice(1)."""
    user: Text | None = None
    """User to run as; only when started as root."""
    preload: Flag = False
    """Fork the workers from a process that has imported their code: fast starts, shared memory. Not for green pools."""


class WorkerGroup(GroupSettings):
    """Queues + pool + concurrency + replicas: the unit of change."""

    queues: Annotated[tuple[Text, ...], AtLeastOne()]
    """Queues to consume, preferred ones first where the broker allows it."""
    pool: Pool
    """What runs the tasks: prefork for CPU-bound ones; gevent, eventlet for ones that wait; threads; solo."""

    def slots(self, cpus: int) -> int:
        """What one worker runs at once on a machine with `cpus` CPUs."""
        if self.pool == "solo":
            return 1
        match self.concurrency:
            case int(number):
                return number
            case str(text) if "-" in text:
                return max(1, cpus - int(text.split("-")[1]))
            case str(text) if "/" in text:
                return max(1, cpus // int(text.split("/")[1]))
        return max(1, cpus)

    def replica_bounds(self) -> tuple[int, int]:
        """Fewest and most workers; equal unless the group scales."""
        wanted = self.replicas
        return (wanted.min, wanted.max) if isinstance(wanted, Autoscale) else (wanted, wanted)


class Rollout(Table):
    """How a changed group is replaced."""

    max_surge: WholeOrZero = 1
    """How many workers above the wanted number a rollout may start."""
    max_unavailable: WholeOrZero = 0
    """How many workers below the wanted number a rollout may go."""
    min_ready: Duration = seconds(2)
    """How long a new worker must stay ready before the next old one is drained."""
    progress_deadline: Duration = seconds(120)
    """A rollout that does not get further for this long has failed."""
    on_failure: Literal["rollback", "pause"] = "rollback"
    """What a failed rollout does."""
    watch: tuple[Text, ...] = ()
    """Globs of source files whose change rolls out the code; for development."""


class Dashboard(Table):
    """The web view. Without this table there is no TCP port."""

    listen: Text = "127.0.0.1:8787"
    """Address and port to listen on."""
    token_file: Text | None = None
    """File with the token that a browser must show; required when `listen` is not loopback."""


class Lint(Table):
    """Which checks of `fleet validate` apply."""

    ignore: tuple[Text, ...] = ()
    """Codes to leave out."""
    severity: dict[str, Literal["error", "warning", "info"]] = nothing()
    """Codes to report with another severity."""


class Fleet(Table, keys={"project": "fleet"}):
    """The whole validated content of one fleet.toml."""

    project: Project
    """What is run, and where its files are."""
    broker: Broker = Broker()
    """Where messages wait."""
    machine: MachineTable = MachineTable()
    """The machine in production, when `fleet validate` runs elsewhere."""
    queues: dict[str, Queue] = nothing()
    """Queues by name."""
    routes: tuple[Route, ...] = ()
    """Routing rules; the first that matches wins."""
    defaults: GroupSettings = GroupSettings()
    """Settings inherited by every worker group."""
    workers: dict[GroupName, WorkerGroup] = nothing()
    """Worker groups by name."""
    rollout: Rollout = Rollout()
    """How a changed group is replaced."""
    dashboard: Dashboard | None = None
    """The web view. Without this table there is no TCP port."""
    lint: Lint = Lint()
    """Which checks of `fleet validate` apply."""
    env: dict[str, dict[str, Any]] = nothing()
    """Per environment, what `--env NAME` merges over the rest."""

    _folder: Path = Path()
    _written: Mapping[tuple[str | int, ...], str] = MappingProxyType({})

    def located(self, folder: Path, written: Mapping[tuple[str | int, ...], str]) -> Self:
        """The same, of a file in `folder`; `written`: what stood at a path where ${VAR} was replaced."""
        fleet = type(self)(**self.__dict__)
        fleet.__dict__.update(_folder=folder, _written=dict(written))
        return fleet

    @property
    def folder(self) -> Path:
        """Absolute folder of the file; relative paths in the file start there."""
        return self._folder

    @property
    def name(self) -> str:
        return self.project.name or self.folder.name or "fleet"

    def written(self, *path: str | int) -> str | None:
        """The text in the file where ${VAR} was replaced in the value at `path`, else None."""
        return self._written.get(path)
