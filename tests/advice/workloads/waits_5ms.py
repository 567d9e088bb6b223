"""A service near by."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 12, 300)
SENT = 3000


@task(name="work")
def work() -> None:
    time.sleep(0.005)
