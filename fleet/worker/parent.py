"""Dying with the process above, as the kernel offers it on Linux (elsewhere a closed pipe has to do)."""

from __future__ import annotations

import os
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def signal_when_parent_dies(signum: int, parent: int) -> bool:
    """Have the kernel send `signum` when `parent`, our parent process, dies. False when it is dead already.

    The kernel means the *thread* that started us; ours are started by main threads.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
    return os.getppid() == parent
