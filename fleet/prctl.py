"""The calls to prctl(2) that processes of fleet make of themselves; only Linux has them.

Among them dying with the process above (elsewhere a closed pipe has to do). Loads ctypes with its first use.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable

# linux/prctl.h
SET_PDEATHSIG = 1
CAPBSET_DROP = 24
SET_CHILD_SUBREAPER = 36
SET_NO_NEW_PRIVS = 38

PARENT_VARIABLE = "FLEET_PARENT"
"""The pid of the process that a child is to end with, for a child that arranges that itself."""


@functools.cache
def load() -> Callable[[int, int], int] | None:
    """prctl(option, argument), which returns 0 when it has been done; None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    libc = ctypes.CDLL(None)

    def prctl(option: int, argument: int) -> int:
        return int(libc.prctl(option, argument, 0, 0, 0))

    return prctl


def signal_when_parent_dies(signum: int, parent: int) -> bool:
    """Have the kernel send `signum` when `parent`, our parent process, dies. False when it is dead already.

    The kernel means the *thread* that started us; ours are started by main threads. A change of user clears it.
    """
    if (prctl := load()) is not None:
        prctl(SET_PDEATHSIG, signum)
    return os.getppid() == parent
