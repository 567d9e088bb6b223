"""A service that mostly answers at once, and sometimes late.

90 ms on average: green threads; one process is full with about 500 at once. That some take thirty times as long as
others is no limit of the service: it does not grow with the crowd.
"""

from __future__ import annotations

import random
import time

from fleet import task

RIGHT = ({"gevent"}, 30, 4096)
START = ("gevent", 10)
SENT = 2000


@task(name="work")
def work() -> None:
    time.sleep(random.choice((0.01, 0.02, 0.03, 0.3)))
