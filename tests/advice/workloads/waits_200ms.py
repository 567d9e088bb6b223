"""A service far away, asked over a socket."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 64, 4096)
SENT = 3000


@task(name="work")
def work() -> None:
    time.sleep(0.2)
