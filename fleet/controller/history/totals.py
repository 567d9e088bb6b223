"""The statistics of all workers added up, each event once, whoever starts again. Pure.

Workers tell what they have counted since they were born. What of it is new is the difference to their baseline: what
they had told when it was last added. Totals and baselines are kept together, so whichever moment a controller comes
back to, the next line of each worker brings what is missing, and nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import add
from typing import NamedTuple

from fleet.telemetry import LOST, MOST_ERRORS, MOST_SERIES, OTHER, ErrorEntry, Statistics, nothing

KEPT_MINUTES = 16
_MOST_BASELINES = 200_000  # whatever processes say of themselves
_MOST_ENDED = 10_000
_MOST_GROUPS = 200


class Key(NamedTuple):
    """What is counted: kind "task" has queue and task, kind "group" the group's name."""

    kind: str
    name: str
    task: str = ""


class BaselineKey(NamedTuple):
    """Of the process born as `birth`."""

    birth: str
    queue: str
    task: str


class ErrorKey(NamedTuple):
    type: str
    place: str


_UNSEEN = ErrorKey("", "")  # no type is called that


@dataclass(slots=True)
class ErrorGroup:
    """Times are POSIX timestamps; the example is the latest that was told."""

    times: int
    first: float
    last: float
    example: ErrorEntry


@dataclass(slots=True)
class Changes:
    """What is not on disk yet."""

    totals: set[Key] = field(default_factory=set)
    baselines: set[BaselineKey] = field(default_factory=set)
    errors: set[ErrorKey] = field(default_factory=set)
    error_baselines: set[tuple[str, ErrorKey]] = field(default_factory=set)


@dataclass(slots=True)
class Totals:
    """Belongs to the event loop. `minutes` are the latest ones, by when they began (POSIX seconds)."""

    totals: dict[Key, list[float]] = field(default_factory=dict)
    last_success: dict[Key, float] = field(default_factory=dict)
    baselines: dict[BaselineKey, list[float]] = field(default_factory=dict)
    errors: dict[ErrorKey, ErrorGroup] = field(default_factory=dict)
    error_baselines: dict[tuple[str, ErrorKey], int] = field(default_factory=dict)
    minutes: dict[int, dict[Key, list[float]]] = field(default_factory=dict)
    unseen: int = 0  # failures that nobody looked at
    changes: Changes = field(default_factory=Changes)
    _ended: dict[str, None] = field(default_factory=dict)

    def take(self, told: Statistics, now: float) -> None:
        """One line of a worker, at `now` (POSIX seconds)."""
        if told.birth in self._ended or len(self.baselines) + len(self.error_baselines) > _MOST_BASELINES:
            return  # its file has been read: it has nothing more to say
        minute = self.minutes.setdefault(int(now // 60) * 60, {})
        group = self._group(told.group)
        for entry in told.tasks:
            delta = self._delta(BaselineKey(told.birth, entry.queue, entry.task), entry.numbers)
            key = self._bounded(Key("task", entry.queue, entry.task))
            if any(delta):
                for each in (key, group) if group else (key,):
                    self._add(each, delta, minute)
            if entry.last_success_at > self.last_success.get(key, 0.0):
                self.last_success[key] = min(entry.last_success_at, now)
        for error in told.errors:
            self._take_error(told.birth, error)
        self._take_unseen(told)
        if told.last:
            self._ended[told.birth] = None
            if len(self._ended) > _MOST_ENDED:
                del self._ended[next(iter(self._ended))]
        self._forget_minutes(now)

    def _delta(self, key: BaselineKey, numbers: list[float]) -> list[float]:
        before = self.baselines.get(key)
        self.baselines[key] = numbers
        self.changes.baselines.add(key)
        if before is None:
            return numbers
        return [max(0, new - old) for new, old in zip(numbers, before, strict=True)]

    def _group(self, name: str) -> Key | None:
        """None for one too many: a worker says by itself which group it is of."""
        key = Key("group", name)
        few = key in self.totals or sum(each.kind == "group" for each in self.totals) < _MOST_GROUPS
        return key if few else None

    def _bounded(self, key: Key) -> Key:
        if key in self.totals or len(self.totals) < MOST_SERIES:
            return key
        return Key(key.kind, OTHER, OTHER)

    def _add(self, key: Key, delta: list[float], minute: dict[Key, list[float]]) -> None:
        for where in (self.totals, minute):
            where[key] = list(map(add, where.get(key) or nothing(), delta))
        self.changes.totals.add(key)

    def _take_error(self, birth: str, told: ErrorEntry) -> None:
        key = ErrorKey(told.type, told.place)
        new = told.times - self.error_baselines.get((birth, key), 0)
        self.error_baselines[birth, key] = told.times
        self.changes.error_baselines.add((birth, key))
        if key not in self.errors and len(self.errors) >= MOST_ERRORS:
            key = ErrorKey(OTHER, "")
        group = self.errors.setdefault(key, ErrorGroup(0, told.first, told.last, told))
        group.times += max(0, new)
        group.first, group.last = min(group.first, told.first), max(group.last, told.last)
        if told.id or told.traceback:
            group.example = told
        self.changes.errors.add(key)

    def _take_unseen(self, told: Statistics) -> None:
        key = (told.birth, _UNSEEN)
        if new := told.dropped - self.error_baselines.get(key, 0):
            self.unseen += max(0, new)
            self.error_baselines[key] = told.dropped
            self.changes.error_baselines.add(key)

    def _forget_minutes(self, now: float) -> None:
        for at in [at for at in self.minutes if at < now - KEPT_MINUTES * 60]:
            del self.minutes[at]

    def window(self, seconds: float, now: float) -> tuple[float, dict[Key, list[float]]]:
        """What the last minutes had, `seconds` of them or a little more; and how many seconds those were."""
        first = int((now - seconds) // 60) * 60
        found: dict[Key, list[float]] = {}
        for at, minute in self.minutes.items():
            if at >= first:
                for key, numbers in minute.items():
                    found[key] = list(map(add, found[key], numbers)) if key in found else numbers
        return now - first, found

    def lost(self) -> int:
        """Tasks whose process died, since ever."""
        return int(sum(numbers[LOST] for key, numbers in self.totals.items() if key.kind == "task"))

    def forget(self, births: Iterable[str]) -> None:
        """Forget processes that are gone, and whose every word is on disk."""
        gone = set(births)
        for key in [key for key in self.baselines if key.birth in gone]:
            del self.baselines[key]
        for pair in [pair for pair in self.error_baselines if pair[0] in gone]:
            del self.error_baselines[pair]

    def take_changes(self) -> Changes:
        """What has changed since this was last asked."""
        changes, self.changes = self.changes, Changes()
        return changes
