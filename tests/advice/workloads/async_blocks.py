"""`async def` that blocks its event loop.

The loop stands still while one of them sleeps, so asyncio does one at a time. Threads sleep beside each other, and
so do processes; eight are four times what two CPUs suggest, beyond 512 threads nothing is gained that memory does
not pay for.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"threads", "prefork"}, 8, 512)
START = ("asyncio", 100)
SENT = 200


@task(name="work")
async def work() -> None:
    time.sleep(0.1)
