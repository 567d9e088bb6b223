"""Looks after the age and the memory of pool processes, whatever they run: a task may take hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from signal import SIGKILL

from fleet.clock import time
from fleet.launch_specs import WorkerSpec
from fleet.worker.memory import rss_bytes
from fleet.worker.outcome import Outcome
from fleet.worker.pools import Host
from fleet.worker.pools.process import PoolProcess
from fleet.worker.recycling import is_far_above, is_hopeless, mebibytes, worn

_EVERY_SECONDS = 1.0


class ProcessLimits:
    """In the loop's thread, by a timer; none where the spec sets no limit."""

    def __init__(
        self,
        host: Host,
        processes: Mapping[int, PoolProcess],
        replace: Callable[[PoolProcess], None],
        kill: Callable[[PoolProcess, Outcome], None],
    ) -> None:
        self._host = host
        self._processes = processes
        self._replace = replace
        self._kill = kill
        self._is_on = False
        self._told = False
        self.configure(host.launch.spec)

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._told = False
        wanted = spec.max_memory_bytes is not None or spec.max_age_seconds is not None
        if wanted and not self._is_on:
            self._is_on = True
            self._again()

    def born(self, process: PoolProcess) -> None:
        """Note a process that is up, and has not run a task yet."""
        process.share = process.share._replace(first_bytes=rss_bytes(process.pid))
        if not self._told and is_hopeless(self._spec, process.share):
            self._told = True
            limit, held = self._spec.max_memory_bytes or 0, process.share.first_bytes
            self._host.log.warning(
                f"max_memory {mebibytes(limit)} can't be kept: a pool process holds {mebibytes(held)} "
                "before its first task"
            )

    def _again(self) -> None:
        self._host.reactor.call_at(time.monotonic() + _EVERY_SECONDS, self._inspect)

    def _inspect(self) -> None:
        if self._spec.max_memory_bytes is None and self._spec.max_age_seconds is None:
            self._is_on = False
            return
        now = time.monotonic()
        for process in list(self._processes.values()):
            if not process.is_up or (process.dismissed and process.count == 0):
                continue
            held = rss_bytes(process.pid)
            if is_far_above(self._spec, process.share, held):
                self._condemn(process, held)
            elif not process.outgoing and (reason := worn(self._spec, process.share, now, held)):
                self._host.log.info(f"pool process {process.pid} is replaced: {reason}")
                self._replace(process)
        self._again()

    def _condemn(self, process: PoolProcess, held: int) -> None:
        """Kill a process whose task can't be waited for. The message counts as one that kills its process."""
        limit = mebibytes(self._spec.max_memory_bytes or 0)
        why = f"it held {mebibytes(held)}, over twice max_memory {limit}"
        self._host.log.warning(f"pool process {process.pid} is killed: {why}")
        self._kill(
            process, Outcome("lost", f"the process that ran it was killed: {why}", exit_signal=SIGKILL)
        )
