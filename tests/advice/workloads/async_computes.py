"""`async def` that computes between its awaits."""

from __future__ import annotations

import asyncio

from fleet import task

RIGHT = ({"prefork"}, "cpus/2", "cpus")
SENT = 60


@task(name="work")
async def work() -> None:
    await asyncio.sleep(0.001)
    sum(number * number % 7 for number in range(400_000))
