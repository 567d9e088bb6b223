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
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.context import ForkServerContext

from fleet.worker.outcome import default_policy
from fleet.worker.pools import Host
from fleet.worker.pools.nursery import ENVIRONMENT, Birth
from fleet.worker.pools.process import PoolProcess


class ForkServer:
    """Boots from the constructor on, by itself; when it has ended `fork` starts another one."""

    def __init__(self, host: Host) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["fleet.worker.pools.nursery"])
        self._birth = _birth(host).to_json()
        with self._told():
            multiprocessing.forkserver.ensure_running()

    def fork(self, *, luck: float) -> PoolProcess:
        """Waits for it. EOFError or ConnectionError when it ended instead."""
        with self._told():
            return PoolProcess(self._context, luck=luck)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Whenever it may have to be started: what it reads from its environment."""
        os.environ[ENVIRONMENT] = self._birth
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


def _birth(host: Host) -> Birth:
    spec = host.launch.spec
    return Birth(
        worker=host.launch.worker,
        parent=os.getpid(),
        app=spec.app,
        pythonpath=spec.pythonpath,
        accept=spec.broker.accept,
        policy=tuple(default_policy(spec)),
    )
