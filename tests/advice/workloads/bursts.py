"""A wave of messages, and nothing for a while: what counts is the wave.

Five hundred come at once and wait 150 ms each: with 64 slots the last one begins a second later, with 500 at once.
What the pauses between say of the mean load is beside the point.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent"}, 64, 4096)
START = ("prefork", "cpus")
SENT = 1500
BURSTS = 3


@task(name="work")
def work() -> None:
    time.sleep(0.15)
