"""A service far away, asked over a socket.

Nothing but waiting: green threads. 64 of them do 320 a second, and with about 1,600 at once one process computes all
the time (8,000 a second); how many depends on the rate that is needed.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 64, 4096)
START = ("prefork", "cpus")
SENT = 3000


@task(name="work")
def work() -> None:
    time.sleep(0.2)
