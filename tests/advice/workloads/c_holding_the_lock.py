"""C code that computes and keeps the interpreter lock.

Sorting keeps the interpreter lock from beginning to end, so threads take turns: processes, one for each CPU.
"""

from __future__ import annotations

from fleet import task

RIGHT = ({"prefork"}, "cpus", "cpus")
START = ("gevent", 100)
SENT = 60
_NUMBERS = [(number * 7919) % 1_000_003 for number in range(120_000)]


@task(name="work")
def work() -> None:
    sorted(_NUMBERS)
    sorted(_NUMBERS, reverse=True)
