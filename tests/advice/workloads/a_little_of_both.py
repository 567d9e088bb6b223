"""Waiting for the most part, with some computing between."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 8, 128)
SENT = 1500


@task(name="work")
def work() -> None:
    time.sleep(0.05)
    sum(range(60_000))
