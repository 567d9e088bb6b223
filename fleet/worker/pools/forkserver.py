"""multiprocessing's fork server, told what to prepare: one that has the app already when it forks.

Its other process is done without. The resource tracker removes semaphores and shared memory of processes that were
killed; a worker has none, and a task that makes some gets a tracker of its own then (`child.py`). It would be as
large as a pool process.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.context import ForkServerContext
from typing import Any

from fleet.worker import stdio
from fleet.worker.app import app_spec
from fleet.worker.pools import Host, socket_folder
from fleet.worker.pools.child import sent_fields
from fleet.worker.pools.preload import ENVIRONMENT, PoolPreload
from fleet.worker.pools.process import PoolProcess

# In this order: the app first, then what each pool process would else import by itself. Not the broker's client, which
# is large: most tasks send nothing.
_AHEAD = ("fleet.worker.pools.preload", "fleet.worker.pools.child", "fleet.tasks.sending")


class ForkServer:
    """Boots from the constructor on, by itself; when it has ended `fork` starts another one."""

    def __init__(self, host: Host) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(_AHEAD))
        self._birth = _birth(host)
        socket_folder.use_own()
        with self._told():
            multiprocessing.forkserver.ensure_running()

    def fork(self, *, luck: float) -> PoolProcess:
        """Waits for it. EOFError or ConnectionError when it ended instead."""
        with self._told():
            return PoolProcess(self._context, luck=luck, fields=sent_fields(self._birth.app.app))

    def start(self, target: Callable[..., None], *arguments: Any) -> Any:
        """Another process than one for tasks. Waits for it; raises as `fork` does."""
        with self._told():
            process = self._context.Process(target=target, args=arguments, name="fleet-desk")
            process.start()
        return process

    @property
    def is_separate(self) -> bool:
        return self._birth.separate

    def separate(self) -> None:
        """Begin anew with one that has not imported the app: each process does that by itself."""
        self._birth = replace(self._birth, separate=True)
        server: Any = multiprocessing.forkserver._forkserver
        with contextlib.suppress(ProcessLookupError):
            # Not by its own way out, on which it removes the folder where the next one will listen.
            os.kill(server._forkserver_pid, signal.SIGKILL)
        server._stop()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Whenever it may have to be started: what it reads from its environment."""
        os.environ[ENVIRONMENT] = self._birth.to_json()
        try:
            with _no_tracker():
                yield
        finally:
            del os.environ[ENVIRONMENT]


@contextlib.contextmanager
def _no_tracker() -> Iterator[None]:
    """Let the fork server start, and fork, with nothing in place of the tracker's descriptor."""
    kept = resource_tracker.ensure_running, resource_tracker.getfd
    nothing = os.open(os.devnull, os.O_WRONLY)
    resource_tracker.ensure_running = lambda: None
    resource_tracker.getfd = lambda: nothing
    try:
        yield
    finally:
        resource_tracker.ensure_running, resource_tracker.getfd = kept
        os.close(nothing)


def _birth(host: Host) -> PoolPreload:
    spec = host.launch.spec
    return PoolPreload(
        parent=os.getpid(),
        app=app_spec(host.launch),
        opened_at_import=spec.opened_at_import,
        lock_file=stdio.lock_file(),
    )
