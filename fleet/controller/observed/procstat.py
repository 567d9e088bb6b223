"""Signs of life that a process gives without wanting to: its state, and the CPU time that it has used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessStat(NamedTuple):
    """`state` as proc(5) has it: R, S, D, T (stopped), t (traced), Z …"""

    state: str
    cpu_seconds: float


def read_stat(pid: int) -> ProcessStat | None:
    """None when it is gone, or where there is no /proc."""
    try:
        return parse(Path(f"/proc/{pid}/stat").read_bytes())
    except (OSError, ValueError, IndexError):
        return None


def parse(stat: bytes) -> ProcessStat:
    """Raises ValueError or IndexError."""
    # The name of the program comes before, in parentheses, and may contain anything.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return ProcessStat(fields[0].decode(), (int(fields[11]) + int(fields[12])) / _TICKS)
