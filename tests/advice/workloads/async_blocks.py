"""`async def` that blocks its event loop."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"threads", "prefork"}, 8, 512)
SENT = 200


@task(name="work")
async def work() -> None:
    time.sleep(0.1)
