"""Waiting for the most part, with some computing between.

Two milliseconds of computing, at most, for fifty of waiting: one process is full with 25 to 50 of them at once. A
dozen do a third of that, more than 128 only stand in line for the interpreter.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 12, 128)
START = ("prefork", "cpus")
SENT = 1500


@task(name="work")
def work() -> None:
    time.sleep(0.05)
    sum(range(60_000))
