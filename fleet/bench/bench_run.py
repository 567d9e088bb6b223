"""A bench of one task: alone first, then setting by setting as the sweep wants, within its time, and again A B A B."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fleet.advice.measured import Alone, Capacity, Cell, PoolSetting
from fleet.advice.recommend import Recommendation, recommend
from fleet.advice.sweep import next_setting
from fleet.bench.bench_worker import BenchFailed
from fleet.bench.measuring import Subject, measure, measure_alone
from fleet.bench.process_facts import free_memory

_CELL_SECONDS = 2.0
_START_SECONDS = 1.0  # what a worker takes to start and end, before any has been timed
_ALONE_PART = 0.15  # of the whole time


@dataclass(slots=True)
class Bench:
    """`run` fills it; what is there when it is broken off is true. Times are monotonic."""

    subject: Subject
    room: Capacity
    until: float
    say: Callable[[str], None]
    wanted: Sequence[PoolSetting] = ()  # by --pools and --concurrency, in place of the sweep's choice
    alone: Alone | None = None
    cells: dict[PoolSetting, Cell] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    _overhead: float = _START_SECONDS

    def run(self) -> None:
        """Raises BenchFailed and TaskFails when the task can't even be run alone."""
        began = time.monotonic()
        self.say("alone")
        self.alone = alone = measure_alone(self.subject, (self.until - began) * _ALONE_PART)
        # Memory that others need is not to be tried out.
        room = self.room._replace(memory=min(self.room.memory, free_memory()))
        while (setting := self._next(alone, room)) is not None and self._measure(alone, setting):
            pass
        self._again(alone)

    def _next(self, alone: Alone, room: Capacity) -> PoolSetting | None:
        if self.wanted:
            return next(
                (each for each in self.wanted if each not in self.cells and self._fits(each, alone, room)),
                None,
            )
        return next_setting(alone, list(self.cells.values()), room)

    def _fits(self, setting: PoolSetting, alone: Alone, room: Capacity) -> bool:
        if setting.concurrency <= room.fits(alone, setting.pool):
            return True
        said = f"{setting.pool} {setting.concurrency}: not tried, the memory takes {room.fits(alone, setting.pool)}"
        if said not in self.skipped:
            self.skipped.append(said)
        return False

    def _measure(self, alone: Alone, setting: PoolSetting) -> bool:
        """Whether there was time for it."""
        seconds = max(_CELL_SECONDS, min(3.2 * alone.slow, 3 * _CELL_SECONDS))
        if time.monotonic() + self._overhead + max(seconds / 2, alone.slow * 1.2) > self.until:
            self.skipped.append(f"{setting.pool} {setting.concurrency}: not tried, the time was up")
            return False
        self.say(f"{setting.pool} {setting.concurrency}")
        began = time.monotonic()
        try:
            cell = measure(self.subject, setting, alone, min(seconds, self.until - began))
        except BenchFailed as error:
            cell = Cell(setting, (0.0,), 0.0, 0.0, 0.0, 0.0, 0, trouble=str(error))
        before = self.cells.get(setting)
        if before is not None:
            cell = cell._replace(rates=(*before.rates, *cell.rates))
        self.cells[setting] = cell
        self._overhead = max(_START_SECONDS, min(time.monotonic() - began - seconds, 5.0))
        return True

    def _again(self, alone: Alone) -> None:
        """The two that matter most, in turn, as long as there is time: how far do they lie apart?"""
        ranked = sorted((cell for cell in self.cells.values() if cell.rate), key=lambda cell: -cell.rate)
        pair = [cell.setting for cell in ranked[:2]]
        for setting in pair * 2:
            if time.monotonic() + self._overhead + max(_CELL_SECONDS, alone.slow * 1.5) > self.until:
                return
            self._measure(alone, setting)

    def recommendation(self) -> Recommendation | None:
        """None as long as it is not known what the task does alone."""
        return recommend(self.alone, list(self.cells.values()), self.room) if self.alone else None
