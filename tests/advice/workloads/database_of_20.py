"""A database behind a pool of 20 connections."""

from __future__ import annotations

import threading
import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 14, 40)
SENT = 1500
_connections = threading.BoundedSemaphore(20)


@task(name="work")
def work() -> None:
    with _connections:
        time.sleep(0.05)
