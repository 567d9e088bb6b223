"""A service that takes its time.

By Little's law 20 a second are 200 at once; a service that slow is called by hundreds or not at all.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 200, 10_000)
START = ("prefork", "cpus")
SENT = 800
BUDGET = 90


@task(name="work")
def work() -> None:
    time.sleep(10)
