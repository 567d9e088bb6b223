"""The files of slots that are still of use, and the serial that a slot has had last, by their names. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from fleet.program_labels import WorkerLabels
from fleet.slot_names import SlotFile, program_name, slot_file
from fleet.supervisor.client import Program

KEPT_LOGS_PER_SLOT = 3

Slot = tuple[str, int]
"""Group and replica."""


def last_serials(programs: Iterable[Program], files: Iterable[Path]) -> Counter[Slot]:
    """Of each slot the highest that is in use or has a file: a log is never written by two workers."""
    last: Counter[Slot] = Counter()
    known: list[WorkerLabels | SlotFile] = [WorkerLabels.of(program) for program in programs]
    known += [named for path in files if (named := slot_file(path.name))]
    for each in known:
        slot = each.group, each.replica
        last[slot] = max(last[slot], each.serial)
    return last


def superfluous_logs(paths: Iterable[Path], running: set[tuple[str, str]]) -> Iterator[Path]:
    """Logs of ended workers beyond the last KEPT_LOGS_PER_SLOT of their slot."""
    slots: dict[Slot, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        if found := slot_file(path.name):
            slots[found.group, found.replica][found.serial].append(path)
    for (group, replica), serials in slots.items():
        for serial in sorted(serials)[:-KEPT_LOGS_PER_SLOT]:
            if (group, program_name(replica, serial)) not in running:
                yield from serials[serial]
