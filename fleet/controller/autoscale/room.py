"""The room that the machine leaves a group to grow: CPUs for prefork processes, memory for every worker. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Pools whose tasks each keep a process, and so a CPU, busy.
_POOLS_OF_PROCESSES = ("prefork",)

# The rest is for the kernel, for what else runs there, and for what tasks will allocate.
_MEMORY_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Room:
    """What there is, for all groups together."""

    cpus: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """One group as it is: how many workers, and what each of them takes. `memory_bytes` 0: not known."""

    group: str
    pool: str
    slots_per_replica: int
    replicas: int
    memory_bytes: int = 0

    @property
    def processes(self) -> int:
        """Processes of one replica that can each fill a CPU."""
        return self.slots_per_replica if self.pool in _POOLS_OF_PROCESSES else 0


def most_replicas(group: str, footprints: Sequence[Footprint], room: Room) -> tuple[int | None, str]:
    """How many the machine has room for beside the other groups, and why no more; None: any number."""
    own = next(each for each in footprints if each.group == group)
    others = [each for each in footprints if each.group != group]
    found: list[tuple[int, str]] = []
    if own.processes:
        taken = sum(each.processes * each.replicas for each in others)
        free = max(0, room.cpus - taken)
        said = f"{taken} of {room.cpus} CPUs are other groups'" if taken else f"there are {room.cpus} CPUs"
        found.append((free // own.processes, said))
    if own.memory_bytes:
        taken = sum(each.memory_bytes * each.replicas for each in others)
        free = max(0, int(room.memory_bytes * _MEMORY_SHARE) - taken)
        found.append((free // own.memory_bytes, f"memory is for {free // own.memory_bytes} at most"))
    return min(found, default=(None, ""))
