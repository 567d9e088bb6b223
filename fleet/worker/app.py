"""The app that a worker runs: an App knows its tasks, what they say of limits and acks, and how to run one delivery.

There are two kinds: fleet's own tasks, here, and a Celery app, in `fleet/celery/`. That package is found by its name
and only for an entry like "proj.celery:app": no other worker loads Celery.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from fleet import tasks
from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerLaunch, celery_entries
from fleet.spec import Spec
from fleet.tasks import hooks
from fleet.tasks.task import is_async
from fleet.worker import task_logs
from fleet.worker.errors import BootFailed
from fleet.worker.execution import Executor, RunOptions, Target
from fleet.worker.importing import describe, import_app
from fleet.worker.outcome import Outcome, Own, Policy, default_policy, under
from fleet.worker.private_queues import NO_PRIVATE_QUEUES, PrivateQueues

if TYPE_CHECKING:
    from fleet.worker.desk_channel import Channel

_CELERY = "fleet.celery.app"

ASYNC_REMEDY = 'use pool = "asyncio", or route it to a group on asyncio, threads, prefork or solo'
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class AppSpec(Spec):
    """What the process that runs tasks has to know; no broker URL, for it may travel in the environment."""

    worker: str  # "http/0"
    app: tuple[str, ...]
    pythonpath: tuple[str, ...]
    accept: tuple[str, ...]
    most_bytes: int  # of one body
    policy: tuple[Any, ...]  # a Policy: the group's
    pool: str
    concurrency: int
    queues: tuple[str, ...] = field(default=())
    log_level: str = "INFO"
    log_format: str = "text"


class Runner(Protocol):
    """Runs deliveries, from several threads or green threads at once."""

    def configure(self, group: Policy) -> None:
        """From now on this is the policy of tasks that don't name their own."""

    def run(self, delivery: Delivery) -> Outcome:
        """Never raises: whoever runs it would end, and with it a slot of the pool, or the worker."""


class App(Protocol):
    """Made once in the process that imports the app: the worker, or the one that pool processes are forked from."""

    @property
    def targets(self) -> Mapping[str, Target]:
        """fleet's own tasks: those that an event loop may run."""

    @property
    def owns(self) -> dict[str, Own]:
        """Task name → what the task says of its policy."""

    @property
    def private_queues(self) -> PrivateQueues:
        """What this worker is to consume beside, or instead of, queues of its group."""

    def soft_error(self, seconds: float) -> BaseException:
        """What is raised in a task at its soft time limit."""

    def enter(self, *, pool_process: bool) -> None:
        """Prepare a process that will run tasks: one of prefork's, or the worker itself. Raises BootFailed."""

    def leave(self) -> None:
        """Clean up in a process that runs no more tasks."""

    def stop(self) -> None:
        """The worker has drained; where it was made, and where that process lives to see it."""

    def serve_desk(self, channel: Channel) -> None:
        """Answer remote control, and send events, until the worker ends."""

    def runner(self, options: RunOptions) -> Runner:
        """See Executor."""


def app_spec(launch: WorkerLaunch) -> AppSpec:
    """Of the worker that is launched so."""
    spec = launch.spec
    return AppSpec(
        worker=launch.worker,
        app=spec.app,
        pythonpath=spec.pythonpath,
        accept=spec.broker.accept,
        most_bytes=spec.broker.max_message_bytes,
        policy=tuple(default_policy(spec)),
        pool=spec.pool,
        concurrency=spec.concurrency,
        queues=tuple(queue.name for queue in spec.queues),
        log_level=spec.log_level,
        log_format=spec.log_format,
    )


def open_app(spec: AppSpec) -> App:
    """Import it. Raises BootFailed with what is wrong."""
    if not celery_entries(spec.app):
        native = NativeApp.imported(spec)
        native.start()
        return native
    app: App = import_module(_CELERY).open_app(spec)
    return app


class NativeApp:
    """The functions with `fleet.task`."""

    def __init__(self, spec: AppSpec, targets: Mapping[str, Target]) -> None:
        self._spec = spec
        self.targets = dict(targets)

    @classmethod
    def imported(cls, spec: AppSpec) -> NativeApp:
        """Raises BootFailed."""
        import_app(spec.app, spec.pythonpath)
        group = Policy(*spec.policy)
        return cls(spec, {name: target_of(task, group) for name, task in tasks.registry.items()})

    def start(self) -> None:
        """The app has been imported, once for this worker. Raises BootFailed."""
        task_logs.set_up(self._spec.worker, self._spec.log_level, self._spec.log_format)
        _call(hooks.worker_start, "on_worker_start")

    @property
    def owns(self) -> dict[str, Own]:
        return {name: target.own for name, target in self.targets.items()}

    @property
    def private_queues(self) -> PrivateQueues:
        return NO_PRIVATE_QUEUES

    def soft_error(self, seconds: float) -> BaseException:
        return tasks.SoftTimeLimitExceeded(f"soft time limit {seconds:g}s exceeded")

    def enter(self, *, pool_process: bool) -> None:
        _call(hooks.process_start, "on_process_start")

    def leave(self) -> None:
        """There is no hook for the end of a process."""

    def stop(self) -> None:
        for hook in hooks.worker_stop:
            try:
                hook()
            except Exception:  # it ends anyway
                logging.getLogger("fleet").exception(
                    "on_worker_stop: %s failed", getattr(hook, "__name__", hook)
                )

    def serve_desk(self, channel: Channel) -> None:
        """There is no remote control of fleet's own tasks but `fleet` itself."""

    def runner(self, options: RunOptions) -> Executor:
        return Executor(self.targets, options, accept=self._spec.accept, most_bytes=self._spec.most_bytes)


def refuse_coroutines(pool: str, queues: Iterable[str], queue_of: Callable[[str], str | None]) -> None:
    """Raises BootFailed if an `async def` task of the app comes to `queues`: the green `pool` can't run it.

    `queue_of` tells where the routes lead; None is anywhere.
    """
    own = {*queues, None}
    asynchronous = [
        task
        for task in tasks.registry.values()
        if is_async(task.function) and (task.queue or queue_of(task.name)) in own
    ]
    if asynchronous:
        names = ", ".join(f"{task.name} ({place(task.function)})" for task in asynchronous[:_MOST_NAMED])
        more = f" and {len(asynchronous) - _MOST_NAMED} more" if len(asynchronous) > _MOST_NAMED else ""
        are = "is an `async def` task" if len(asynchronous) == 1 else "are `async def` tasks"
        raise BootFailed(f"{names}{more} {are}, which a {pool} pool can't run: {ASYNC_REMEDY}")


def place(function: Callable[..., Any]) -> str:
    """ "/srv/shop/tasks.py, line 3"."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}, line {code.co_firstlineno}" if code else function.__module__


def _call(functions: Iterable[Callable[[], object]], kind: str) -> None:
    """Raises BootFailed: an app that can't open what it needs is not to take messages."""
    for function in functions:
        try:
            function()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            name = getattr(function, "__name__", repr(function))
            raise BootFailed(f"@fleet.{kind}: {name}: {describe(error)}") from error


def target_of(task: tasks.Task[..., Any], group: Policy) -> Target:
    """What the task names itself goes before what holds for its group."""
    fields = {name: getattr(task, name, None) for name in Policy._fields}
    own = {name: value for name, value in fields.items() if value is not None}
    return Target(task.function, under(group, own), own)
