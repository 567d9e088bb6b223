"""Pure Python that computes.

Pure Python holds the interpreter lock: one process for each CPU. On green threads one runs, and the others wait for
it.
"""

from __future__ import annotations

from fleet import task

RIGHT = ({"prefork"}, "cpus", "cpus")
START = ("gevent", 100)
SENT = 60


@task(name="work")
def work() -> None:
    sum(number * number % 7 for number in range(400_000))
