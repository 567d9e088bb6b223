"""Waiting in C code that green threads can't patch, and that lets other threads run.

gevent can't patch what waits in C: one at a time. The call gives the interpreter away, so threads wait beside each
other, in a hundredth of the memory that processes would take.
"""

from __future__ import annotations

import ctypes

from fleet import task

RIGHT = ({"threads"}, 8, 512)
START = ("gevent", 100)
SENT = 300
_libc = ctypes.CDLL(None)


@task(name="work")
def work() -> None:
    _libc.usleep(50_000)
