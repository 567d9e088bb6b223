"""Counters of what happens to groups and workers, as long as the state directory lives: starts, crashes, rollouts.

Starts are told from what the supervisor says of each program, which it counts itself: the difference to what it said
when that was last added, so a controller that was away misses none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

_MOST_PROGRAMS = 10_000


class _Program(Protocol):
    """A Program of fleet.supervisor.client."""

    @property
    def pid(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def started_at(self) -> float: ...
    @property
    def last_exit(self) -> Any: ...
    @property
    def group(self) -> str: ...
    @property
    def labels(self) -> dict[str, Any]: ...


class _View(Protocol):
    """A RolloutView of fleet.controller.rollout.progress."""

    @property
    def group(self) -> str: ...
    @property
    def state(self) -> str: ...


class FleetCounters:
    """`counts`: by name and labels, as in ("worker_starts", "http", "0")."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], int] = {}
        self._starts: dict[str, int] = {}  # of each program, those that are counted

    def add(self, name: str, *labels: str, by: int = 1) -> None:
        self.counts[name, *labels] = self.counts.get((name, *labels), 0) + by

    def see_programs(self, programs: Mapping[str, _Program]) -> None:
        """All workers' programs, by name."""
        for name, program in programs.items():
            key = f"{name} {program.labels.get('token', '')}"
            starts = program.restarts + (1 if program.started_at else 0)
            before = self._starts.get(key, 0)
            if starts <= before:
                continue
            self._starts[key] = starts
            slot = (program.group, f"{program.group}/{program.labels['replica']}")
            self.add("worker_starts", *slot, by=starts - before)
            last = program.last_exit
            again = starts - max(before, 1)  # the first start follows no exit
            self.add("worker_crashes", *slot, by=again if last is not None and last.code != 0 else 0)
        if len(self._starts) > _MOST_PROGRAMS:
            self._starts = dict(list(self._starts.items())[-_MOST_PROGRAMS // 2 :])

    def see_rollouts(self, before: Sequence[_View], after: Sequence[_View]) -> None:
        """How rollouts stood at the last look, and stand now."""
        was, now = {view.group: view.state for view in before}, {view.group: view.state for view in after}
        for group, state in now.items():
            if state != "progressing" and was.get(group) != state:
                self.add("rollouts", group, state.replace(" ", "_"))
        for group, state in was.items():
            if group not in now and state != "rolled back":
                self.add("rollouts", group, "finished")

    def scaled(self, group: str, before: int, after: int) -> None:
        self.add("scaling_decisions", group, "up" if after > before else "down")

    def to_json(self) -> dict[str, Any]:
        return {"counts": [[*key, value] for key, value in self.counts.items()], "starts": dict(self._starts)}

    def restore(self, said: Any) -> None:
        """What `to_json` wrote. Raises TypeError, KeyError or ValueError for anything else."""
        self.counts = {tuple(map(str, key)): int(value) for *key, value in said["counts"]}
        self._starts = {str(key): int(value) for key, value in said["starts"].items()}
