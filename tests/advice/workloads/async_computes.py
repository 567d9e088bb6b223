"""`async def` that computes between its awaits.

One millisecond of waiting for forty of computing: one interpreter for each CPU, and each of those on one of them.
Coroutines would take turns.
"""

from __future__ import annotations

import asyncio

from fleet import task

RIGHT = ({"prefork"}, "cpus", "cpus")
START = ("asyncio", 100)
SENT = 60


@task(name="work")
async def work() -> None:
    await asyncio.sleep(0.001)
    sum(number * number % 7 for number in range(400_000))
