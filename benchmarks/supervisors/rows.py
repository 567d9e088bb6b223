"""The rows of the table, in parts that are each measured in a few minutes; a part's rows are kept until it is
measured again.
"""

from __future__ import annotations

import os
import statistics
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.supervisors import measures
from benchmarks.supervisors.fleet_side import Fleet, HastyFleet
from benchmarks.supervisors.peers import CeleryMulti, Circus, Supervisord
from benchmarks.supervisors.side import Side

SIDES: tuple[type[Side], ...] = (Fleet, Supervisord, Circus, CeleryMulti)
Row = list[str]
Measure = Callable[[Callable[[], Side]], Any]


@dataclass(frozen=True, slots=True)
class Run:
    folder: Path
    broker: str
    quick: bool

    def each(
        self, measure: Measure, rounds: int, sides: Sequence[type[Side]] = SIDES
    ) -> dict[str, list[Any]]:
        """By side, what each round gave; all sides in turn."""
        found: dict[str, list[Any]] = {side.name: [] for side in sides}
        for _ in range(rounds):
            for side in sides:
                found[side.name].append(measure(partial(self._make, side)))
                print(f"  {side.name}: {found[side.name][-1]}", file=sys.stderr, flush=True)
        return found

    def _make(self, side: type[Side]) -> Side:
        folder = self.folder / uuid.uuid4().hex[:6]
        folder.mkdir()
        return side(folder, self.broker)


def respawn(run: Run) -> list[Row]:
    found = run.each(lambda make: measures.respawns(make, 2 if run.quick else 6), 1)
    flat = {name: list(chain(*times)) for name, times in found.items()}
    return [
        ["SIGKILL → new process", *(_times([r.process for r in each]) for each in flat.values())],
        ["SIGKILL → new worker ready", *(_times([r.ready for r in each]) for each in flat.values())],
    ]


def up(run: Run) -> list[Row]:
    many, rounds = (8, 1) if run.quick else (50, 2)
    brought = run.each(lambda make: measures.up_and_down(make, many), rounds)
    return [
        [f"{many} workers up", *(_times([up for up, _ in found]) for found in brought.values())],
        [f"{many} workers down", *(_times([down for _, down in found]) for found in brought.values())],
    ]


def roll(run: Run) -> list[Row]:
    rolled = run.each(measures.roll, 1 if run.quick else 2, (*SIDES, HastyFleet))
    hasty = rolled.pop(HastyFleet.name)
    fewest = (min(each.fewest for each in found) for found in rolled.values())
    return [
        ["roll 4 workers", *(_times([each.seconds for each in found]) for found in rolled.values())],
        [
            "the same, fleet with max_surge = 4, min_ready = 0",
            _times([each.seconds for each in hasty]),
            *"   ",
        ],
        ["fewest ready meanwhile", *(f"{each} of 4" for each in fewest)],
    ]


def reload(run: Run) -> list[Row]:
    found = run.each(lambda make: measures.reloads(make, 1 if run.quick else 3), 1)
    return [["save → first new worker ready", *(_times(list(chain(*each))) for each in found.values())]]


def idle(run: Run, count: int) -> list[Row]:
    with_daemon = [side for side in SIDES if side is not CeleryMulti]
    seconds = 5 if run.quick else 20
    found = run.each(lambda make: measures.idle(make, count, seconds), 1, with_daemon)
    each = [idles[0] for idles in found.values()]
    return [
        [f"{count} workers: memory of supervisor", *(f"{i.megabytes:.0f} MB" for i in each), "0"],
        [f"{count} workers: its CPU at rest", *(f"{i.cpu_percent:.2f} %" for i in each), "0"],
    ]


def parts(*, quick: bool) -> dict[str, Callable[[Run], list[Row]]]:
    """By name, in the order of the table."""
    counts = (0, 8) if quick else (0, 50, 200)
    at_rest = {f"idle{count}": partial(idle, count=count) for count in counts}
    return {"respawn": respawn, "up": up, "roll": roll, "reload": reload, **at_rest}


def measured(part: Callable[[Run], list[Row]], run: Run) -> dict[str, Any]:
    """To be kept as JSON: the rows, and how busy the machine was before."""
    load = os.getloadavg()[0]
    return {"load": load, "rows": part(run)}


def table(rows: Sequence[Row]) -> str:
    head = ["", *(side.name for side in SIDES)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def _times(times: Sequence[float | None]) -> str:
    """Median and worst."""
    known = [each for each in times if each is not None]
    if not known:
        return "never"
    return f"{_short(statistics.median(known))} ({_short(max(known))})"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
