"""Everything that fleet.toml can say, as frozen models: the one place for keys, types, defaults and words.

The schema, editor completion and the errors all come from here. Attribute names are the file's keys,
except that the table [fleet] is `Fleet.project`. Values are as written where they depend on the machine
or on other files (`concurrency = "cpus"`, `url_file`): fleet.config.resolve and resolve_groups make them definite.
"""

# Without postponed annotations: they are evaluated for their readers at once.

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from fleet.config.table import Table, nothing
from fleet.config.types import (
    POOLS,
    Address,
    AtLeastOne,
    Concurrency,
    Cron,
    DeadLetter,
    Duration,
    Flag,
    GroupName,
    MessageSize,
    NumberOrTable,
    Period,
    Pool,
    Prefetch,
    Proxy,
    Size,
    Text,
    Texts,
    Timezone,
    UrlPath,
    Whole,
    WholeOrZero,
    Within,
)
from fleet.config.units import format_duration, format_size
from fleet.pool_slots import pool_slots

if TYPE_CHECKING:
    from fleet.machine import Machine

# With the words for values: the checks know the file's language through this module alone.
__all__ = [
    "POOLS",
    "Alerts",
    "Autoscale",
    "Broker",
    "Dashboard",
    "Fleet",
    "GroupSettings",
    "HistorySettings",
    "Lint",
    "MachineTable",
    "Project",
    "Queue",
    "Rollout",
    "Route",
    "Schedule",
    "WorkerGroup",
    "format_duration",
    "format_size",
]


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Project(Table):
    """What is run, and where its files are."""

    app: Texts
    """Modules with @task functions, one name or a list; or a Celery app: "shop.celery:app"."""
    name: Text | None = None
    """Name of the fleet; default: the name of the file's folder."""
    timezone: Timezone = "UTC"
    """Time zone of schedules that name none."""
    beat: Flag = True
    """Send what the `beat_schedule` of a Celery app says, as `celery beat` would."""
    beat_scheduler: Text | None = None
    """Celery scheduler class that sends instead, as in "django_celery_beat.schedulers:DatabaseScheduler";
    default: the app's `beat_scheduler`."""
    pythonpath: tuple[Text, ...] = (".",)
    """Folders to import from, relative to the file."""
    env_file: Text | None = None
    """File of KEY=VALUE lines given to every worker, relative to the file."""
    state_dir: Text = ".fleet"
    """Folder for sockets, logs and the embedded broker, relative to the file; made with mode 0700.
    One that is there already keeps its mode, and has to be writable for its owner only."""

    @property
    def has_celery_app(self) -> bool:
        """As launch_specs.celery_entries, which the checks need not load."""
        return any(":" in entry for entry in self.app)


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
    max_message_size: MessageSize = 2**27
    """Largest body, decompressed (128MiB): `send` refuses larger ones, workers dead-letter them."""
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
    free_threaded: Flag | None = None
    """Whether the workers' Python has no interpreter lock. Default: whether this one has none."""

    def over(self, machine: "Machine") -> "Machine":
        """`machine` with what this table says; what somebody has stated before stays."""
        return machine.stated(
            cpus=self.cpus, memory=self.memory, nofile=self.nofile, origin=("[machine]",) * 3
        )


def default_dead_letter(queue: str) -> str:
    """The dead-letter queue of a queue that says nothing of it."""
    return f"{queue}.dead"


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
    alert_wait: Duration | None = None
    """How long a message may wait before an alert fires; default: the smallest target_latency of its groups."""
    alert_no_success: Duration | None = None
    """How long no task of the queue may succeed before an alert fires; unset: for ever."""

    def dead_letter_queue(self, name: str) -> str | None:
        """Where dead letters of this queue, which is called `name`, go; None: nowhere."""
        if self.dead_letter is False:
            return None
        return self.dead_letter if isinstance(self.dead_letter, str) else default_dead_letter(name)


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
    """What runs tasks: prefork if they compute; gevent, eventlet, asyncio (`async def`) if they wait; threads; solo."""
    concurrency: Concurrency | None = None
    """Tasks that one worker runs at once: a number, "cpus", "cpus-1", "cpus/2". Default: the CPUs."""
    threads: Whole = 8
    """asyncio: threads in which tasks that are plain functions run, so that they don't block the event loop."""
    replicas: Replicas = 1
    """Workers of this group: a number, or { min, max, target_latency } to follow the load."""
    prefetch: Prefetch = "auto"
    """Deliveries held per worker; "auto" follows the tasks' duration; with 1, nothing waits behind a long solo task."""
    queue_order: Literal["weighted", "strict"] = "weighted"
    """Of several queues, earlier ones get more ("weighted": of three 3, 2, 1), or all they want first ("strict")."""
    acks: Literal["late", "early", "app"] | None = None
    """When a message is settled: after its task ("late", the default), before ("early", lost in a crash), or as
    each task of a Celery app says ("app", the default there)."""
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
    on: tuple[Text, ...] = ()
    """Labels of the hosts that run this group (`fleet up --labels gpu`): all of them; default: any host."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """What tasks log by Python's logging from this level on; an app that sets up logging itself is left alone."""
    log_format: Literal["text", "json"] = "text"
    """How such records are written, with worker, task and message id: as text, or an object a line."""
    nice: Annotated[int, Within(-20, 19)] = 0
    """Scheduling priority of the workers, as in nice(1)."""
    user: Text | None = None
    """User to run as; only when started as root."""
    preload: Flag = False
    """Fork the workers from a process that has imported their code: fast starts, shared memory. Not for green pools."""
    opened_at_import: Literal["separate", "refuse", "share"] = "separate"
    """prefork, when importing the app opens connections or threads: each process imports it, or refuse, or share."""


def _number(concurrency: int | str | None, cpus: int) -> int:
    match concurrency:
        case int(number):
            return number
        case str(text) if "-" in text:
            return max(1, cpus - int(text.split("-")[1]))
        case str(text) if "/" in text:
            return max(1, cpus // int(text.split("/")[1]))
    return max(1, cpus)


class WorkerGroup(GroupSettings):
    """Queues + pool + concurrency + replicas: the unit of change."""

    queues: Annotated[tuple[Text, ...], AtLeastOne()]
    """Queues to consume, preferred ones first; `queue_order` says what that means."""
    pool: Pool
    """What runs tasks: prefork if they compute; gevent, eventlet, asyncio (`async def`) if they wait; threads; solo."""

    def slots(self, cpus: int) -> int:
        """What one worker runs at once on a machine with `cpus` CPUs."""
        return pool_slots(self.pool, _number(self.concurrency, cpus))

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

    listen: Address = "127.0.0.1:8787"
    """Address and port to listen on, or "unix:PATH"."""
    token_file: Text | None = None
    """File with lines `NAME viewer|operator|metrics SECRET`; required when `listen` is not loopback."""
    hosts: tuple[Text, ...] = ()
    """Names by which browsers may ask for it, besides those of the loopback interface."""
    root_path: UrlPath = ""
    """Path below which a proxy shows it, such as "/fleet"."""
    trusted_proxies: tuple[Proxy, ...] = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` and `-Proto` are believed; "unix": of a socket."""
    arguments: Literal["masked", "hidden", "full"] = "masked"
    """How much of a message's arguments is shown; those with names like a password's are masked."""


class HistorySettings(Table):
    """What the controller keeps of what was: `history.db` in the state directory."""

    max_size: Size = 2**26
    """Largest size of the file (64MiB); the oldest points go first."""


class Alerts(Table):
    """Who is told when something is wrong, and when it is over. Without this table nobody is."""

    webhook_file: Text | None = None
    """File with a URL to POST to on its first line and, on the second, the secret that signs (HMAC)."""
    command: Annotated[tuple[Text, ...], AtLeastOne()] | None = None
    """Program and arguments; gets the alert as JSON on its standard input."""
    repeat: Duration = seconds(4 * 3600)
    """How often to remind of an alert that still fires."""


class Schedule(Table):
    """A task that is sent by the clock."""

    task: Text
    """Name of the task."""
    name: Text | None = None
    """What the schedule is called, unique in the file; default: the task's name."""
    cron: Cron | None = None
    """When: minute, hour, day, month, weekday, as in "0 3 * * mon-fri"; either this or `every`."""
    every: Period | None = None
    """How often: "30s", "1h", counted from midnight UTC; either this or `cron`."""
    timezone: Timezone | None = None
    """Time zone of `cron`; default: that of [fleet]."""
    args: tuple[Any, ...] = ()
    """Positional arguments."""
    kwargs: dict[str, Any] = nothing()
    """Arguments by name."""
    queue: Text | None = None
    """Queue to send to; default: by the routes."""
    priority: Annotated[int, Within(0, 255)] | None = None
    """Priority of the message; default: that of the route."""
    expires: Duration | None = None
    """Workers drop the message unrun when it has waited that long."""
    overlap: Literal["queue", "skip"] = "queue"
    """While the run before has not ended: send the next all the same ("queue"), or leave it out ("skip")."""
    catch_up: Literal["last", "all", "none"] = "last"
    """Of the runs that were missed in a downtime, send the last one, all, or none."""
    jitter: Duration = seconds(0)
    """Send up to so much later, by another amount each time, the same on every host."""
    enabled: Flag = True
    """False: nothing is sent, and nothing is missed."""

    @property
    def called(self) -> str:
        return self.name or self.task


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
    schedules: tuple[Schedule, ...] = ()
    """Tasks that are sent by the clock."""
    defaults: GroupSettings = GroupSettings()
    """Settings inherited by every worker group."""
    workers: dict[GroupName, WorkerGroup] = nothing()
    """Worker groups by name."""
    rollout: Rollout = Rollout()
    """How a changed group is replaced."""
    dashboard: Dashboard | None = None
    """The web view. Without this table there is no TCP port."""
    history: HistorySettings = HistorySettings()
    """What the controller keeps of what was."""
    alerts: Alerts | None = None
    """Who is told when something is wrong."""
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

    @property
    def with_variables(self) -> Mapping[tuple[str | int, ...], str]:
        """Where ${VAR} was replaced, and the text that stands there in the file."""
        return self._written

    def written(self, *path: str | int) -> str | None:
        """The text in the file where ${VAR} was replaced in the value at `path`, else None."""
        return self._written.get(path)
