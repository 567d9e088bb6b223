"""CeleryApp: the tasks of a Celery app for a worker, and the steps of Celery's own worker around them.

In the order of Celery's worker (`celery/worker/worker.py`, `celery/apps/worker.py`) and of its pool processes
(`celery/concurrency/prefork.py`): handlers of signals find things as they are there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fleet.celery import loading, logs, signals
from fleet.celery.policies import own_of
from fleet.celery.runner import CeleryRunner
from fleet.celery.stand_in import WorkerStandIn, node_name
from fleet.celery.tracing import build_tracers
from fleet.celery.worker_queues import private_queues
from fleet.launch_specs import celery_entries
from fleet.worker.app import AppSpec, NativeApp
from fleet.worker.errors import BootFailed
from fleet.worker.execution import RunOptions, Target
from fleet.worker.outcome import Own
from fleet.worker.private_queues import PrivateQueues

if TYPE_CHECKING:
    from celery import Celery

    from fleet.worker.desk_channel import Channel


def open_app(spec: AppSpec) -> CeleryApp:
    """Import the app and its tasks, with whatever other modules `app` names. Raises BootFailed."""
    entries = celery_entries(spec.app)
    if len(entries) > 1:
        names = " and ".join(entries)
        raise BootFailed(f"a worker can run one Celery app, and `app` names {names}: make a fleet for each")
    import fleet.kombu  # noqa: F401  tasks may send by the embedded broker

    native = NativeApp.imported(spec)
    app = loading.find_app(entries[0])
    return CeleryApp(app, entries[0], spec, native)


class CeleryApp:
    """See fleet.worker.app.App."""

    def __init__(self, app: Celery, entry: str, spec: AppSpec, native: NativeApp) -> None:
        from celery.app import trace

        self._app = app
        self._spec = spec
        self._native = native
        self._pid = os.getpid()
        self._node_name = node_name(spec.worker)
        self._is_pool_process = False
        self.stand_in = WorkerStandIn(app, self._node_name, spec)
        app.set_current()
        app.set_default()
        loading.load(app, entry)
        trace.setup_worker_optimizations(app, self._node_name)
        modules = {task.__class__.__module__ for task in app.tasks.values()}
        app.conf.include = tuple({*app.conf.include, *modules})
        signals.send(signals.celeryd_init, self._node_name, instance=self.stand_in, conf=app.conf, options={})
        signals.send(signals.worker_init, self.stand_in)
        logs.set_up(app, self._node_name, spec.log_level)
        native.start()
        trace.setup_worker_optimizations(app, self._node_name)
        signals.send(signals.celeryd_after_setup, self._node_name, instance=self.stand_in, conf=app.conf)

    @property
    def targets(self) -> Mapping[str, Target]:
        """Not those of Celery's tracer, which is not made for an event loop."""
        return {name: each for name, each in self._native.targets.items() if name not in self._app.tasks}

    @property
    def owns(self) -> dict[str, Own]:
        return self._native.owns | {name: own_of(task) for name, task in self._app.tasks.items()}

    @property
    def private_queues(self) -> PrivateQueues:
        return private_queues(self._app, self._node_name, self._spec.queues)

    def soft_error(self, _seconds: float) -> BaseException:
        from celery.exceptions import SoftTimeLimitExceeded

        error: BaseException = SoftTimeLimitExceeded()
        return error

    def enter(self, *, pool_process: bool) -> None:
        self._native.enter(pool_process=pool_process)
        self._is_pool_process = pool_process
        is_fork = os.getpid() != self._pid
        if is_fork:
            # Billiard's children do this by a hook that other forks don't know.
            self._app._after_fork()
        if pool_process:
            self._enter_pool_process()
        # Not before the fork: a tracer keeps the pid, and the receivers of signals, of the process that builds it.
        build_tracers(self._app, self._node_name)
        if pool_process or self._spec.pool == "solo":
            signals.send(signals.worker_process_init, self._node_name if pool_process else None)

    def _enter_pool_process(self) -> None:
        from celery import _state

        _state._set_task_join_will_block(True)
        self._app.loader.init_worker_process()
        self._app.set_current()
        self._app.set_default()
        self._app.finalize()

    def serve_desk(self, channel: Channel) -> None:
        from fleet.celery.desk import Desk

        if os.getpid() != self._pid:
            self._app._after_fork()
            self._app.set_current()
            self._app.set_default()
        Desk(self._app, self._node_name, self._spec, self.stand_in, channel).serve()

    def stop(self) -> None:
        self._native.stop()

    def leave(self) -> None:
        if self._is_pool_process:
            sent: dict[str, Any] = {"pid": os.getpid(), "exitcode": 0}
            signals.send(signals.worker_process_shutdown, self._node_name, **sent)

    def runner(self, options: RunOptions) -> CeleryRunner:
        native = self._native.runner(options)
        return CeleryRunner(self._app, self._spec, native, frozenset(self._native.targets), options)
