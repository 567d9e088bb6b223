"""Evidence of a running fleet: what its workers have counted of tasks, and how their groups ran meanwhile. Pure values.

What a task does is told from it with care: a task that computes on eight threads seems to wait for seven eighths of its
time, and one that waits for a CPU that others have seems to wait, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fleet.advice.lessons import Lessons
from fleet.histogram import quantile

TAKING_TURNS = ("gevent", "eventlet", "asyncio")
ENOUGH_RUNS = 50
ENOUGH_SECONDS = 60.0
"""So many runs, or a few that took so long together, are evidence."""
_FEWEST_RUNS = 8
_HEAVY_SECONDS = 0.003
"""From so much CPU on a task is too long for others to wait while it computes."""
_FULL = 0.75
_A_LITTLE = 0.35  # of its time, alone
_ALL_BUSY = 0.6
_ONE_AT_A_TIME = 2.0


class TimedRun(NamedTuple):
    """One run of a task: when it began (seconds, of one worker's clock), and how long it took."""

    worker: str
    begun: float
    wall: float


class TaskEvidence(NamedTuple):
    """One task of one queue: runs, seconds of all of them, histograms (fleet.histogram) of durations and waits."""

    queue: str
    task: str
    ran: int
    wall: float
    cpu: float
    durations: Sequence[float]
    waits: Sequence[float]
    is_async: bool | None = None  # None: nobody could say

    @property
    def is_enough(self) -> bool:
        return self.ran >= ENOUGH_RUNS or (self.ran >= _FEWEST_RUNS and self.wall >= ENOUGH_SECONDS)

    @property
    def mean(self) -> float:
        return self.wall / self.ran if self.ran else 0.0

    @property
    def cpu_each(self) -> float:
        return self.cpu / self.ran if self.ran else 0.0

    def waited(self, part: float) -> float:
        """Seconds that this part of the messages did not wait longer for."""
        return quantile(self.waits, part) or 0.0


class GroupEvidence(NamedTuple):
    """A group as it ran: `slots` of each worker; what its tasks did.

    `cpu_wait`: seconds waited for a CPU for each second on one; None: not known. `memory`: the most bytes that a worker
    had. `ended`: the last runs, of those workers that live; `first`: their first ones, where they are not among these.
    """

    group: str
    pool: str
    slots: int
    tasks: tuple[TaskEvidence, ...]
    cpus: int = 1
    cpu_wait: float | None = None
    memory: float = 0.0
    ended: tuple[TimedRun, ...] = ()
    first: tuple[TimedRun, ...] = ()
    lessons: Lessons = Lessons()

    @property
    def ran(self) -> int:
        return sum(task.ran for task in self.tasks)

    @property
    def wall(self) -> float:
        return sum(task.wall for task in self.tasks)

    @property
    def is_enough(self) -> bool:
        return any(task.is_enough for task in self.tasks)

    @property
    def mean(self) -> float:
        return self.wall / self.ran if self.ran else 0.0

    @property
    def at_once(self) -> float:
        """How many tasks of one worker ran at once while any did; 0.0 when that is not known."""
        span = self._busy_seconds
        return sum(each.wall for each in self.ended) / span if span > 0 else 0.0

    @property
    def rate(self) -> float:
        """Tasks a second of one worker while any ran; 0.0 when that is not known."""
        span = self._busy_seconds
        return len(self.ended) / span if span > 0 else 0.0

    @property
    def _busy_seconds(self) -> float:
        """Of all workers together, by what is known of the last runs.

        Tasks that keep each other from going on end together, as it seems: while messages wait, what lies between them
        is time that they were busy, too.
        """
        gap = 1.5 * self.slots * self.mean if self.waits and self.pool in TAKING_TURNS else 0.0
        return sum(
            covered([each for each in self.ended if each.worker == worker], gap)
            for worker in {each.worker for each in self.ended}
        )

    @property
    def crowds(self) -> list[Crowd]:
        """Of the last runs and the first: while a worker fills up it shows what few at once take."""
        return merged(crowds(self.ended, is_whole=self.ran <= len(self.ended)), crowds(self.first))

    @property
    def knee(self) -> int | None:
        """So many at once do all that can be done, as it shows now or has shown before; None: nothing has."""
        return knee_of(self.crowds) or self.lessons.at_once

    def learnt(self, now: float) -> Lessons:
        """What is to be remembered once the settings are others."""
        return self.lessons.with_seen(
            self.pool if self.takes_turns else None,
            knee_of(self.crowds) if self.computes < 0.5 else None,
            now,
        )

    @property
    def waits(self) -> bool:
        """Whether messages waited for a slot, rather than slots for a message."""
        ran = max(1, self.ran)
        late = sum(task.ran for task in self.tasks if task.waited(0.5) > max(0.5 * task.mean, 0.05))
        return late / ran > 0.5

    def share(self, task: TaskEvidence) -> float:
        """The part of its time that the task computes, 0 to 1, as it would be with nobody beside it."""
        cpu, wall = task.cpu_each, task.mean
        if not wall:
            return 0.0
        seen = min(1.0, cpu / max(cpu, wall - cpu * (self.cpu_wait or 0.0), 1e-9))
        if not self._is_full_of(cpu / wall, cpu):
            return seen
        # Many that compute a little fill a process, too: then they did not take so long when few ran.
        alone = min((each.wall for each in self.crowds), default=wall) if len(self.tasks) == 1 else wall
        part = cpu / max(cpu, alone - cpu * (self.cpu_wait or 0.0), 1e-9)
        return part if part < _A_LITTLE and alone < wall / 2 else 1.0

    def _is_full_of(self, part: float, cpu: float) -> bool:
        """All slots busy, and together they compute all that can be: then what they wait for is each other.

        What others on the machine take is not there to compute with.
        """
        if cpu < _HEAVY_SECONDS:
            return False
        slots = self.at_once or (self.slots if self.waits else 1)
        can = min(self.slots, self.cpus) if self.pool == "prefork" else 1
        return slots > can and slots * part * (1 + (self.cpu_wait or 0.0)) >= _FULL * can

    @property
    def computes(self) -> float:
        """The part of all its tasks' time that they compute."""
        return sum(self.share(task) * task.wall for task in self.tasks) / self.wall if self.wall else 0.0

    @property
    def is_saturated(self) -> bool:
        """One process, which computes all the time for tasks that mostly wait."""
        cpu = sum(task.cpu for task in self.tasks) / max(1, self.ran)
        return self.pool != "prefork" and cpu * self.rate >= _FULL

    @property
    def takes_turns(self) -> bool:
        """Many slots were busy, one task at a time got on, and none of them computed: they block each other."""
        if self.pool not in TAKING_TURNS or self.slots < 4:
            return False
        return (
            self.waits
            and len(self.ended) >= ENOUGH_RUNS
            and self.at_once <= _ONE_AT_A_TIME
            and self.computes < 0.5
        )

    @property
    def all_busy(self) -> bool:
        return self.waits and (not self.ended or self.at_once >= _ALL_BUSY * self.slots)


def with_programs(tasks: Sequence[TaskEvidence], seconds: float) -> tuple[TaskEvidence, ...]:
    """With the CPU seconds of programs that they have called, by the part of the time that each of them took.

    A worker counts what its own threads compute: a task that waits for a program which computes seems to wait.
    """
    wall = sum(task.wall for task in tasks)
    if not wall or seconds < sum(task.cpu for task in tasks):
        return tuple(tasks)
    return tuple(task._replace(cpu=task.cpu + seconds * task.wall / wall) for task in tasks)


def covered(ended: Sequence[TimedRun], gap: float = 0.0) -> float:
    """Seconds in which one of them ran, at least; pauses of up to `gap` seconds are counted in."""
    total, until = 0.0, float("-inf")
    for each in sorted(ended, key=lambda one: one.begun):
        end = each.begun + each.wall
        if end > until:
            total += end - (until if each.begun - until <= gap else each.begun)
            until = end
    return total


class Crowd(NamedTuple):
    """Tasks that began with about so many beside them, and their seconds."""

    number: float
    wall: float
    runs: int

    @property
    def rate(self) -> float:
        """A second, by Little's law."""
        return self.number / self.wall if self.wall else 0.0


_BEYOND = 2.5
_SLOWER = 1.3
_FALLEN = 0.7
_TELLING_RUNS = 30


def crowds(ended: Sequence[TimedRun], *, is_whole: bool = True) -> list[Crowd]:
    """By how many ran when each began, itself included: 1, 2 to 3, 4 to 7, … `ended` may be of several workers.

    Not `is_whole`: others ended before; how many ran is known from the first end that is told.
    """
    found: dict[int, list[tuple[int, float]]] = {}
    for worker in {each.worker for each in ended}:
        own = [each for each in ended if each.worker == worker]
        moments = [(each.begun, 1, index) for index, each in enumerate(own)]
        moments += [(each.begun + each.wall, -1, index) for index, each in enumerate(own)]
        running, known_from = 0, 0.0 if is_whole else min(each.begun + each.wall for each in own)
        for at, change, index in sorted(moments):
            running += change
            if change > 0 and at >= known_from:
                found.setdefault(running.bit_length(), []).append((running, own[index].wall))
    return [
        Crowd(
            sum(number for number, _ in runs) / len(runs),
            sum(wall for _, wall in runs) / len(runs),
            len(runs),
        )
        for _, runs in sorted(found.items())
    ]


def merged(*told: Sequence[Crowd]) -> list[Crowd]:
    """Crowds of the same size together."""
    found: dict[int, list[Crowd]] = {}
    for each in (crowd for crowds in told for crowd in crowds):
        found.setdefault(int(each.number).bit_length(), []).append(each)
    return [
        Crowd(
            sum(each.number * each.runs for each in same) / runs,
            sum(each.wall * each.runs for each in same) / runs,
            runs,
        )
        for _, same in sorted(found.items())
        if (runs := sum(each.runs for each in same))
    ]


def knee_of(found: Sequence[Crowd]) -> int | None:
    """So many at once do all that can be done a second, by Little's law; None where nothing shows that there is an end.

    It shows in tasks that take the longer the more of them run, from there to far beyond; or at once, where the largest
    crowd does far less a second than a smaller one.
    """
    if len(found) < 3:
        return None
    alone, most, last = min(each.wall for each in found), max(each.rate for each in found), found[-1]
    knee = max(1, round(most * alone))
    if last.rate <= _FALLEN * most and last.runs >= _TELLING_RUNS and last.number > 1.5 * knee:
        return knee
    beyond = [each for each in found if each.number >= 1.5 * knee]
    if last.number < _BEYOND * knee or len(beyond) < 2:
        return None
    return knee if all(after.wall >= _SLOWER * before.wall for before, after in pairwise(beyond)) else None
