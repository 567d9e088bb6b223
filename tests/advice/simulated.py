"""Tasks as formulas: what they do alone, and how many a second at a setting. For the pure part of the advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.advice.measured import Alone, Capacity, Cell, PoolSetting
from fleet.advice.recommend import Recommendation, recommend
from fleet.advice.sweep import next_setting

MIB = 2.0**20
ROOM = Capacity(4, 16 * 1024 * MIB, ("prefork", "threads", "asyncio", "solo", "gevent"))
_OWN = 0.0001  # seconds of CPU that a worker takes for a task besides


@dataclass(frozen=True)
class Simulated:
    """A task that waits and computes for so many seconds. `capacity`: so many at once are served, the rest waits.

    `slowed`: how many times as long it waits with so many at once.
    """

    waits: float = 0.0
    computes: float = 0.0
    holds_the_lock: bool = True
    is_async: bool = False
    memory: float = 0.0
    capacity: float = float("inf")
    capacity_per_process: float = float("inf")
    slowed: Callable[[int], float] = lambda _number: 1.0
    deaf_to: tuple[str, ...] = ()  # pools that can't do anything else while it waits

    @property
    def wall(self) -> float:
        return self.waits + self.computes

    def alone(self) -> Alone:
        return Alone(
            wall=self.wall,
            slow=self.wall,
            cpu=self.computes,
            delayed=0.0,
            memory=self.memory,
            base=30 * MIB,
            rate=1 / (self.wall + _OWN),
            times=10,
            is_async=self.is_async,
        )

    def rate(self, setting: PoolSetting, room: Capacity) -> float:
        pool, number = setting
        processes = number if pool == "prefork" else 1
        at_once = 1 if pool in self.deaf_to else number
        served = min(at_once, self.capacity, self.capacity_per_process * processes)
        bounds = [served / (self.waits * self.slowed(at_once) + self.computes + _OWN)]
        is_parallel = pool == "prefork" or (pool == "threads" and not self.holds_the_lock)
        cpus = min(room.cpus, number) if is_parallel else 1
        bounds.append(cpus / (self.computes + _OWN))
        return min(bounds)

    def cell(self, setting: PoolSetting, room: Capacity, noise: float = 1.0) -> Cell:
        rate = self.rate(setting, room)
        return Cell(setting, (rate * noise,), self.wall, self.wall, self.computes + _OWN, 40 * MIB, 1000)


def swept(task: Simulated, room: Capacity = ROOM, noise: Callable[[], float] = lambda: 1.0) -> list[Cell]:
    """All cells that the sweep asks for. AssertionError when it goes on for ever."""
    alone, cells = task.alone(), dict[PoolSetting, Cell]()
    for _ in range(60):
        setting = next_setting(alone, list(cells.values()), room)
        if setting is None:
            return list(cells.values())
        cell = task.cell(setting, room, noise())
        before = cells.get(setting)
        cells[setting] = cell._replace(rates=(*before.rates, *cell.rates)) if before else cell
    raise AssertionError("the sweep has no end")


def advised(task: Simulated, room: Capacity = ROOM) -> Recommendation:
    return recommend(task.alone(), swept(task, room), room)
