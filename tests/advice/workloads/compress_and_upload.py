"""C code that computes and lets others compute, and then a wait: a quarter of its time it computes.

On green threads one at a time computes, for they are one thread: 65 a second. On threads each CPU has one of them,
which is twice as many with two CPUs, and nine at once are that many by Little's law. More than 64 stand in line for
the CPUs.
"""

from __future__ import annotations

import random
import time
import zlib

from fleet import task

RIGHT = ({"threads", "prefork"}, 6, 64)
START = ("gevent", 100)
SENT = 400
_DATA = random.Random(7).randbytes(600_000)


@task(name="work")
def work() -> None:
    zlib.compress(_DATA, 6)
    time.sleep(0.05)
