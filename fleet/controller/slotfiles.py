"""The files of slots, by their names: `<group>.<replica>.<serial>.<what>`, and what rotation may add. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from fleet.supervisor.client import Program

KEPT_LOGS_PER_SLOT = 3

_NAME = re.compile(r"(.+)\.(\d+)\.(\d+)\.(?:log|json)(?:\.\d+)?")

Slot = tuple[str, int]
"""Group and replica."""


def last_serials(programs: Iterable[Program], files: Iterable[Path]) -> Counter[Slot]:
    """Of each slot the highest that is in use or has a file: a log is never written by two workers."""
    last: Counter[Slot] = Counter()
    for program in programs:
        slot = program.group, int(program.labels["replica"])
        last[slot] = max(last[slot], int(program.labels["serial"]))
    for path in files:
        if found := _NAME.fullmatch(path.name):
            slot = found[1], int(found[2])
            last[slot] = max(last[slot], int(found[3]))
    return last


def superfluous_logs(paths: Iterable[Path], running: set[tuple[str, str]]) -> Iterator[Path]:
    """Logs of ended workers beyond the last KEPT_LOGS_PER_SLOT of their slot."""
    slots: dict[Slot, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        if found := _NAME.fullmatch(path.name):
            slots[found[1], int(found[2])][int(found[3])].append(path)
    for (group, replica), serials in slots.items():
        for serial in sorted(serials)[:-KEPT_LOGS_PER_SLOT]:
            if (group, f"{replica}.{serial}") not in running:
                yield from serials[serial]
