"""A service near by.

A process that does 5,000 to 10,000 a second has 25 to 50 at once by Little's law. A dozen do half of that; beyond
300 they are only in each other's way.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 12, 300)
START = ("prefork", "cpus")
SENT = 3000


@task(name="work")
def work() -> None:
    time.sleep(0.005)
