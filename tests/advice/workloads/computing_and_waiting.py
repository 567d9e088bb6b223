"""One task that computes and one that waits, in one queue.

The one wants a process for each CPU, the other wants hundreds of green threads, and no pool is both: two queues, a
group each.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = "apart"
START = ("threads", 8)
SENT = 200
EVERY = {"work": 4, "resize": 1}


@task(name="work")
def work() -> None:
    time.sleep(0.2)


@task(name="resize")
def resize() -> None:
    sum(number * number % 7 for number in range(1_000_000))
