"""multiprocessing's fork server, told what to prepare: one that has the app already when it forks."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
from collections.abc import Iterator
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
            yield
        finally:
            del os.environ[ENVIRONMENT]


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
