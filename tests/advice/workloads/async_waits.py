"""`async def` that awaits a service.

Nothing but waiting, by await: coroutines. How many depends on the rate that is needed; 64 do 640 a second, and
beyond about 1,000 at once one process computes all the time (10,000 a second), so that more than 4,096 is absurd.
"""

from __future__ import annotations

import asyncio

from fleet import task

RIGHT = ({"asyncio"}, 64, 4096)
START = ("prefork", "cpus")
SENT = 3000


@task(name="work")
async def work() -> None:
    await asyncio.sleep(0.1)
