"""The app that a fleet under fire runs on the asyncio pool: the same tasks, as coroutines."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

from fleet import Retry, current
from fleet.tasks import registry
from tests.chaos.app import RETRY_SECONDS, journal


async def work(number: int, seconds: float) -> None:
    execution = journal().start(number)
    await asyncio.sleep(seconds)
    journal().end(number, execution)


async def again(number: int, seconds: float) -> None:
    """Done at the second try, which it asks for."""
    execution = journal().start(number)
    await asyncio.sleep(seconds)
    if current.attempt == 1:
        journal().again(number, execution)
        raise Retry(delay=RETRY_SECONDS)
    journal().end(number, execution)


async def fail(number: int, seconds: float) -> None:
    """Done, and then a dead letter."""
    execution = journal().start(number)
    await asyncio.sleep(seconds)
    journal().end(number, execution)
    raise RuntimeError("as asked for")


async def hold(number: int, release: str) -> None:
    """Run until the file `release` exists."""
    execution = journal().start(number)
    while not os.path.exists(release):  # noqa: PTH110  as beside it
        await asyncio.sleep(0.2)
    journal().end(number, execution)


for _function in (work, again, fail, hold):
    _name = f"chaos.{_function.__name__}"
    registry[_name] = replace(registry[_name], function=_function)
