"""A service that takes its time."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 200, 10_000)
SENT = 800


@task(name="work")
def work() -> None:
    time.sleep(10)
