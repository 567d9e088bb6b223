"""A wave of messages, and nothing for a while: what counts is the wave."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 64, 4096)
SENT = 1500
BURSTS = 3


@task(name="work")
def work() -> None:
    time.sleep(0.15)
