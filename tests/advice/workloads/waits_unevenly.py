"""A service that mostly answers at once, and sometimes late."""

from __future__ import annotations

import random
import time

from fleet import task

RIGHT = ({"gevent"}, 30, 4096)
SENT = 2000


@task(name="work")
def work() -> None:
    time.sleep(random.choice((0.01, 0.02, 0.03, 0.3)))
