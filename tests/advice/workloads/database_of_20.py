"""A database behind a pool of 20 connections.

The twenty-first waits for a connection, inside of a slot: 20 at once are 400 a second, and nothing makes it more.
With 14 it is 70 % of that, and beyond 40 half of the slots hold messages that others could have.
"""

from __future__ import annotations

import threading
import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 14, 40)
START = ("gevent", 200)
SENT = 1500
_connections = threading.BoundedSemaphore(20)


@task(name="work")
def work() -> None:
    with _connections:
        time.sleep(0.05)
