"""The bodies of the tasks, the same for every library. Standard library only."""

from __future__ import annotations

import asyncio
import time

from benchmarks.marks import Marks

marks = Marks()


def noop() -> None:
    marks.ended()


def pause(seconds: float) -> None:
    marks.began()
    time.sleep(seconds)
    marks.ended(timed=True)


def stamp(sent: int) -> None:
    """How long it took from `sent` (monotonic ns) to here."""
    marks.wrote(time.monotonic_ns() - sent)


def take(_payload: str) -> None:
    """For messages of some size."""
    marks.ended(timed=True)


def spin(seconds: float) -> None:
    """Keep the CPU busy for so long."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    marks.ended(timed=True)


def job(sent: int, seconds: float) -> None:
    """When it was sent, began and ended. It sleeps: what is asked is who gets a slot, not who gets a CPU."""
    began = time.monotonic_ns()
    time.sleep(seconds)
    marks.wrote(sent, began, time.monotonic_ns())


async def async_noop() -> None:
    marks.ended()


async def async_pause(seconds: float) -> None:
    marks.began()
    await asyncio.sleep(seconds)
    marks.ended(timed=True)


async def async_stamp(sent: int) -> None:
    marks.wrote(time.monotonic_ns() - sent)


BODIES = {"noop": noop, "pause": pause, "stamp": stamp, "take": take, "spin": spin, "job": job}
ASYNC_BODIES = {
    "noop": async_noop,
    "pause": async_pause,
    "stamp": async_stamp,
}  # for those that run coroutines
