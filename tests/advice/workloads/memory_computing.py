"""Much memory, and computing on it.

It computes, so one process for each CPU; one fewer where the bandwidth of memory is what is short.
"""

from __future__ import annotations

from fleet import task

RIGHT = ({"prefork"}, "cpus/2", "cpus")
START = ("threads", 8)
SENT = 20


@task(name="work")
def work() -> None:
    data = bytearray(150_000_000)
    for at in range(0, len(data), 512):
        data[at] = at % 251
