"""`async def` tasks: each runs to its end on the event loop of the thread that runs it, which lives on.

So connections that a task keeps are still there for the next one. Celery itself never awaits what a task returns.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Coroutine
from typing import Any

_local = threading.local()


def run_to_its_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Raises TypeError in a green pool, where several loops would have to share one thread."""
    if library := _patched_by():
        coroutine.close()
        raise TypeError(
            f"an `async def` task can't run in a {library} pool: "
            "use prefork, threads or solo for its queue, or make it a plain function"
        )
    runner: asyncio.Runner | None = getattr(_local, "runner", None)
    if runner is None:
        runner = _local.runner = asyncio.Runner()
    return runner.run(coroutine)


def _patched_by() -> str | None:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        return "gevent"
    patcher = sys.modules.get("eventlet.patcher")
    return "eventlet" if patcher is not None and patcher.is_monkey_patched("socket") else None
