"""Short tasks and long ones in one queue.

In one queue the short ones wait behind the long ones, 150 times their own time for each that is ahead of them on
their slot. More slots make that rarer and do not end it: two queues, a group each.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = "apart"
START = ("prefork", "cpus")
SENT = 600
BUDGET = 60
EVERY = {"work": 20, "long": 1}


@task(name="work")
def work() -> None:
    time.sleep(0.02)


@task(name="long")
def long() -> None:
    time.sleep(3)
