"""Measurements that advice goes by: a task alone, and the cells of a sweep. Pure values.

No name of a task or library is among them: what a task is, is what was measured of it.
"""

from __future__ import annotations

from typing import NamedTuple

COMPUTES = 0.5
"""From this part of its time on that a task computes, it is for the CPU."""
IN_ONE_PROCESS = ("gevent", "eventlet", "asyncio", "threads")


class PoolSetting(NamedTuple):
    """What a cell is measured at. `replicas` is always 1."""

    pool: str
    concurrency: int


class Alone(NamedTuple):
    """A task with nothing beside it, one after the other.

    `wall`: seconds, `slow` its longest; `cpu`: seconds of CPU of its process and what it has started; `delayed`:
    seconds that it waited for a CPU that others had; `memory`: bytes that it needs while it runs; `base`: bytes of a
    worker without it. `rate`: tasks a second, the worker's own work included.
    """

    wall: float
    slow: float
    cpu: float
    delayed: float
    memory: float
    base: float
    rate: float
    times: int
    is_async: bool = False

    @property
    def share(self) -> float:
        """The part of its time that it computes, 0 to 1; what it waited for a CPU is neither."""
        return min(1.0, self.cpu / max(self.cpu, self.wall - self.delayed, 1e-9))

    @property
    def computes(self) -> bool:
        return self.share >= COMPUTES


def delayed_in_tasks(delayed: float, cpu_of_tasks: float, cpu_of_all: float) -> float:
    """Of the seconds that a worker's threads waited for a CPU, those that its tasks did.

    By the part of the CPU time that was the tasks'. Each thread that wakes up waits on a busy machine: with the
    others' waits counted, a task that waits for a database would seem to wait for a CPU all the time.
    """
    return delayed * min(1.0, cpu_of_tasks / cpu_of_all) if cpu_of_all > 0 else 0.0


class Cell(NamedTuple):
    """One measurement. Seconds and bytes; `cpu` is that of the worker with all its processes, per task.

    `rates`: tasks a second, one for each time that it was measured; `trouble`: why it is 0.
    `idle_cpu`: the part of all CPUs that nobody used.
    """

    setting: PoolSetting
    rates: tuple[float, ...]
    p50: float
    p99: float
    cpu: float
    memory: float
    times: int
    failed: int = 0
    trouble: str = ""
    idle_cpu: float = 1.0

    @property
    def rate(self) -> float:
        """Tasks a second, the most that was measured: others on the machine only take away. 0 where some failed."""
        return 0.0 if self.failed else max(self.rates, default=0.0)

    @property
    def spread(self) -> float:
        """How far its measurements lie apart, as a part of the best; 0 for a single one."""
        return (max(self.rates) - min(self.rates)) / self.rate if self.rate else 0.0


class Capacity(NamedTuple):
    """What there is to run in, and which pools."""

    cpus: int
    memory: float  # bytes
    pools: tuple[str, ...]
    most: int = 4096

    def fits(self, alone: Alone, pool: str) -> int:
        """How many of the task at once the memory takes, four fifths of it."""
        each = alone.memory + (alone.base if pool == "prefork" else 0)
        free = self.memory * 0.8 - alone.base
        return max(1, int(min(self.most, free / each))) if each > 0 else self.most
