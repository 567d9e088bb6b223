"""`async def` behind a pool of ten connections.

Coroutines, for it awaits; the eleventh waits for a connection, inside of a slot. Ten at once are 125 a second, eight
are 80 % of that, and beyond twenty half of the slots hold messages that others could have.
"""

from __future__ import annotations

import asyncio

from fleet import task

RIGHT = ({"asyncio"}, 8, 20)
START = ("asyncio", 200)
SENT = 1500
_connections = asyncio.Semaphore(10)


@task(name="work")
async def work() -> None:
    async with _connections:
        await asyncio.sleep(0.08)
