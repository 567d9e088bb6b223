"""`async def` that awaits a service."""

from __future__ import annotations

import asyncio

from fleet import task

RIGHT = ({"asyncio"}, 64, 4096)
SENT = 3000


@task(name="work")
async def work() -> None:
    await asyncio.sleep(0.1)
