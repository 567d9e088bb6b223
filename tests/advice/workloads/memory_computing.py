"""Much memory, and computing on it."""

from __future__ import annotations

from fleet import task

RIGHT = ({"prefork"}, 1, "cpus")
SENT = 20


@task(name="work")
def work() -> None:
    data = bytearray(150_000_000)
    for at in range(0, len(data), 512):
        data[at] = at % 251
