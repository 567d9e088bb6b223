"""`async def` tasks, and what they may do to the event loop that they run in."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
import time
from collections.abc import AsyncIterator

import fleet
from fleet import SoftTimeLimitExceeded, current, task
from tests.contract.app import write

mine: contextvars.ContextVar[str] = contextvars.ContextVar("mine", default="unset")
pulse: list[asyncio.Task[None]] = []


@task
async def nap(key: str, seconds: float) -> None:
    write("begin", key, id=current.id)
    await asyncio.sleep(seconds)
    write("end", key, id=current.id)


@task
async def remember(key: str) -> None:
    """What it finds in its context, and what a child of it finds there."""
    found = mine.get()
    mine.set(key)
    await asyncio.sleep(0.05)

    async def child() -> tuple[str, str]:
        await asyncio.sleep(0)
        return mine.get(), current.id

    inner, ident = await asyncio.create_task(child())
    write("remembered", key, found=found, inner=inner, id=current.id, ident=ident)


@task
async def leave_behind(key: str) -> None:
    """A background task, which nobody awaits, and a generator that is not at its end."""

    async def linger() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            write("cancelled", key)
            raise

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            write("closed", key)

    asyncio.get_running_loop().create_task(linger())
    async for _ in (generator := numbers()):
        break
    kept.append(generator)
    await asyncio.sleep(0)
    write("left", key)


kept: list[AsyncIterator[int]] = []


@task
async def start_pulse(key: str) -> None:
    """As a client that reads its connection in the background does."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.05)

    with fleet.outliving_task():
        pulse.append(asyncio.create_task(beat()))
    write("started", key)


@task
async def feel_pulse(key: str) -> None:
    write("felt", key, alive=not pulse[-1].done())


@task(soft_time_limit=0.3, max_retries=0)
async def interrupted(key: str, how: str) -> None:
    try:
        await WAYS[how]()
    except SoftTimeLimitExceeded as error:
        write("interrupted", key, text=str(error), left=len(asyncio.all_tasks()) - 1)
        await asyncio.sleep(0.05)  # cleaning up may await
        write("cleaned up", key)
        raise


async def in_gather() -> None:
    await asyncio.gather(asyncio.sleep(20), asyncio.sleep(20))


async def in_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(20))
        group.create_task(asyncio.sleep(20))


async def in_timeout() -> None:
    async with asyncio.timeout(20):
        await asyncio.sleep(20)


async def in_one_that_swallows() -> None:
    async def swallow() -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            return

    await asyncio.create_task(swallow())
    await asyncio.sleep(20)


WAYS = {
    "sleep": lambda: asyncio.sleep(20),
    "gather": in_gather,
    "group": in_group,
    "timeout": in_timeout,
    "swallow": in_one_that_swallows,
}


@task(time_limit=0.3, max_retries=0)
async def endless(key: str) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        write("ended", key)


@task(time_limit=0.5, max_retries=0)
async def stubborn(key: str, seconds: float) -> None:
    """Swallows whatever would end it."""
    end = time.monotonic() + seconds
    write("begin", key)
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.2)
        except BaseException:
            write("swallowed", key)
    write("end", key)


@task
async def block(key: str, seconds: float) -> None:
    write("begin", key)
    time.sleep(seconds)
    write("end", key)


@task
def plain(key: str, seconds: float) -> None:
    write("begin", key, id=current.id, thread=threading.current_thread().name)
    time.sleep(seconds)
    write("end", key, id=current.id)


@task(time_limit=2.5, max_retries=0)
def plain_with_limit(key: str, seconds: float) -> None:
    plain.function(key, seconds)


@task
def gives_a_coroutine(key: str) -> object:
    """Looks like a plain function."""
    return nap.function(key, 0.01)


@task
async def stop_the_loop(key: str) -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.05)
    write("went on", key)


@task(max_retries=0)
async def cancel_everybody(key: str) -> None:
    write("cancelling", key)
    for each in asyncio.all_tasks():
        each.cancel()
    await asyncio.sleep(0)


@task(max_retries=0)
async def exit_in_background(key: str) -> None:
    async def leave() -> None:
        sys.exit(5)

    write("leaving", key)
    await asyncio.create_task(leave())


@task
async def fork_and_await(key: str) -> None:
    copy = os.fork()
    if copy:
        write("copy ended", key, code=os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]))
        return
    await asyncio.sleep(0.1)
    write("copy awaited", key)


@task
async def pass_on(key: str, count: int) -> None:
    """Sends from a coroutine, one by one and many at once."""
    one = await nap.options(queue=current.queue).asend(f"{key}-one", 0.0)
    many = await nap.options(queue=current.queue).asend_many((f"{key}-many", 0.0) for _ in range(count))
    write("sent", key, one=one, many=many)


@task
async def clean_up(key: str) -> None:
    try:
        write("begin", key)
        await asyncio.sleep(60)
    finally:
        write("cleaned up", key)
