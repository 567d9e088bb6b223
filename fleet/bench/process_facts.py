"""Facts of all processes of one session, from /proc: CPU, waiting for a CPU, memory. 0 where there is no /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_TICK = os.sysconf("SC_CLK_TCK")


class ProcessFacts(NamedTuple):
    """Seconds since they began, bytes. `peak`: the most memory that each of them ever had, together.

    `ended`: of `cpu`, that of processes which they have started, and which have ended.
    """

    cpu: float = 0.0
    delayed: float = 0.0
    memory: float = 0.0
    peak: float = 0.0
    ended: float = 0.0

    def since(self, before: ProcessFacts) -> ProcessFacts:
        """What has been used meanwhile; memory as it is now."""
        return self._replace(cpu=self.cpu - before.cpu, delayed=self.delayed - before.delayed)


def of_session(leader: int) -> ProcessFacts:
    """The process `leader`, which has a session of its own, and what it has started."""
    return of_processes(
        int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _session(folder) == leader
    )


def _session(folder: Path) -> int | None:
    with suppress(OSError, IndexError, ValueError):  # it has just ended
        return int((folder / "stat").read_text().rpartition(")")[2].split()[3])
    return None


def of_processes(pids: Iterable[int]) -> ProcessFacts:
    """Of these, together."""
    cpu = delayed = memory = peak = ended = 0.0
    for folder in (Path(f"/proc/{pid}") for pid in pids):
        with suppress(OSError, IndexError, ValueError):  # it has just ended
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            ended += sum(map(int, fields[13:15])) / _TICK
            cpu += sum(map(int, fields[11:15])) / _TICK
            delayed += _delayed(folder)
            status = dict(
                line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line
            )
            memory += _bytes(status.get("VmRSS"))
            peak += _bytes(status.get("VmHWM"))
    return ProcessFacts(cpu, delayed, memory, peak, ended)


def _delayed(folder: Path) -> float:
    """Seconds that its threads could have run, and had no CPU."""
    total = 0.0
    for thread in (folder / "task").iterdir():
        with suppress(
            OSError, IndexError, ValueError
        ):  # kernels without scheduler statistics have no such file
            total += int((thread / "schedstat").read_text().split()[1]) / 1e9
    return total


def _bytes(text: str | None) -> float:
    return int(text.split()[0]) * 1024 if text else 0.0


def idle_part(before: tuple[float, float], after: tuple[float, float]) -> float:
    """The part of all CPUs that nobody used between two looks at `cpu_times`."""
    whole = after[1] - before[1]
    return (after[0] - before[0]) / whole if whole > 0 else 1.0


def cpu_times() -> tuple[float, float]:
    """(idle, all) of all CPUs."""
    with suppress(OSError, ValueError, IndexError):
        numbers = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
        return numbers[3] + numbers[4], sum(numbers)
    return 0.0, 0.0


def free_memory() -> float:
    """Bytes that can be had without harm to others."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return float("inf")
