"""Waiting in C code that green threads can't patch, and that lets other threads run."""

from __future__ import annotations

import ctypes

from fleet import task

RIGHT = ({"threads"}, 8, 512)
SENT = 300
_libc = ctypes.CDLL(None)


@task(name="work")
def work() -> None:
    _libc.usleep(50_000)
