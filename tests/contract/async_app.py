"""The contract's tasks as `async def`, under the same names: what a worker of the asyncio pool runs.

Those that wait await; the others do in a coroutine what they do elsewhere, hostile ones included. Only `weigh` and
`retry_oddly` stay plain functions, which run in threads there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fleet import SoftTimeLimitExceeded
from fleet.tasks import registry
from tests.contract import app
from tests.contract.app import current, write

_PLAIN = ("weigh", "retry_oddly")


async def nap(key: str, seconds: float) -> None:
    write("begin", key, id=current.id)
    await asyncio.sleep(seconds)
    write("end", key, id=current.id)


async def interrupted(key: str) -> None:
    try:
        await asyncio.sleep(20)
    except SoftTimeLimitExceeded as error:
        write("interrupted", key, text=str(error))


async def interrupted_between_calls(key: str) -> None:
    try:
        while True:
            await asyncio.sleep(0.01)
    except SoftTimeLimitExceeded as error:
        write("interrupted", key, text=str(error))


async def endless(key: str) -> None:
    write("begin", key)
    await asyncio.sleep(60)


async def share(key: str, seconds: float) -> None:
    shared = app.SharedMemory(create=True, size=4096)
    write("shared", key, id=shared.name)
    await asyncio.sleep(seconds)
    shared.close()
    shared.unlink()


async def grow(key: str, mebibytes: int, seconds: float) -> None:
    write("growing", key, id=current.id)
    app.hoard.append(bytearray(b"x") * (mebibytes * 1024 * 1024))
    await asyncio.sleep(seconds)
    write("grown", key, id=current.id)


def in_coroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    """With the function's own signature: wrong arguments are found as there."""
    import functools

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    return run


for _name, _task in list(registry.items()):
    _short = _name.rpartition(".")[2]
    if _name.startswith("tests.contract.") and _short not in _PLAIN:
        _native = globals().get(_short)
        is_native = asyncio.iscoroutinefunction(_native)
        registry[_name] = replace(_task, function=_native if is_native else in_coroutine(_task.function))
