"""One coroutine, driven through `Steps`: what interrupts it, what it costs, what it leaves behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from fleet import SoftTimeLimitExceeded, outliving_task
from fleet.worker.coroutines.belongings import watch_tasks
from fleet.worker.coroutines.runner import ThreadRunner, run_steps
from fleet.worker.coroutines.steps import BLOCKING_SECONDS, Stage, Steps, hard_limit, soft_limit
from fleet.worker.limits import TimeLimitExceeded


def drive(coroutine: Any, interrupt: Callable[[Steps], None] | None = None) -> tuple[Steps, list[str]]:
    """Run it in a loop of its own; its Steps, and what was noted about it. Raises what it raises."""
    noted: list[str] = []
    steps = Steps(coroutine, Stage(), "shop.fetch[1]")

    async def main() -> None:
        watch_tasks(asyncio.get_running_loop())
        if interrupt is not None:
            asyncio.get_running_loop().call_later(0.01, interrupt, steps)
        await run_steps(steps, noted.append)

    asyncio.run(main())
    return steps, noted


def test_a_soft_limit_is_both_its_exception_and_a_cancellation() -> None:
    error = soft_limit(0.5)
    assert isinstance(error, SoftTimeLimitExceeded)
    assert isinstance(error, asyncio.CancelledError)
    assert type(error).__qualname__ == "SoftTimeLimitExceeded"
    assert str(error) == "soft time limit 0.5s exceeded"
    assert not isinstance(hard_limit(1), Exception)


async def _sleep() -> None:
    await asyncio.sleep(20)


async def _gather() -> None:
    await asyncio.gather(asyncio.sleep(20), asyncio.sleep(20))


async def _group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(20))


@pytest.mark.parametrize("wait", [_sleep, _gather, _group])
def test_an_interruption_is_raised_where_the_coroutine_waits(wait: Callable[[], Awaitable[None]]) -> None:
    seen: list[BaseException] = []

    async def task() -> None:
        try:
            await wait()
        except SoftTimeLimitExceeded as error:
            seen.append(error)
            current = asyncio.current_task()
            assert current is not None
            assert (
                current.cancelling() == 0
            )  # else its own timeouts and groups would take themselves for cancelled
            await asyncio.sleep(0)

    _, noted = drive(task(), lambda steps: steps.interrupt(soft_limit(0.01)))
    assert len(seen) == 1
    assert noted == []


def test_a_hard_limit_passes_by_those_who_catch_exceptions() -> None:
    async def task() -> None:
        try:
            await asyncio.sleep(20)
        except Exception:
            await asyncio.sleep(20)

    with pytest.raises(TimeLimitExceeded):
        drive(task(), lambda steps: steps.interrupt(hard_limit(0.01)))


def test_who_swallows_the_cancellation_of_what_it_awaited_gets_it_at_the_next_await() -> None:
    async def swallow() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(20)

    async def task() -> None:
        await asyncio.create_task(swallow())
        await asyncio.sleep(20)

    with pytest.raises(SoftTimeLimitExceeded):
        drive(task(), lambda steps: steps.interrupt(soft_limit(0.01)))


def test_a_limit_that_comes_after_the_end_interrupts_nobody() -> None:
    async def linger() -> None:
        await asyncio.sleep(0.05)

    async def task() -> None:
        asyncio.get_running_loop().create_task(linger())
        await asyncio.sleep(0)

    _, noted = drive(task(), lambda steps: steps.interrupt(soft_limit(0.01)))
    assert len(noted) == 1


def test_cpu_is_that_of_its_own_steps() -> None:
    async def task() -> None:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        await asyncio.sleep(0.05)

    steps, _ = drive(task())
    assert 0.02 <= steps.cpu_seconds < 0.05


def test_a_step_that_blocks_is_remembered_with_its_name() -> None:
    stage = Stage()

    async def task() -> None:
        time.sleep(BLOCKING_SECONDS * 1.2)

    async def main() -> None:
        await Steps(task(), stage, "shop.fetch[1]")

    asyncio.run(main())
    assert stage.blocked_seconds >= BLOCKING_SECONDS
    assert stage.blocked_by == "shop.fetch[1]"
    assert stage.running is None


def test_background_tasks_end_with_the_run_and_are_named() -> None:
    ended: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(20)
        finally:
            ended.append("linger")

    async def task() -> None:
        asyncio.get_running_loop().create_task(linger())
        await asyncio.sleep(0)

    _, noted = drive(task())
    assert ended == ["linger"]
    [text] = noted
    assert text.startswith("shop.fetch[1] left a background task running, now cancelled: ")
    assert "linger (" in text


def test_what_is_meant_to_outlive_the_task_does() -> None:
    kept: list[asyncio.Task[None]] = []

    async def task() -> None:
        with outliving_task():
            kept.append(asyncio.create_task(asyncio.sleep(20)))
        asyncio.get_running_loop().create_task(asyncio.sleep(20))
        await asyncio.sleep(0)

    async def main() -> None:
        watch_tasks(asyncio.get_running_loop())
        noted: list[str] = []
        await run_steps(Steps(task(), Stage(), "t"), noted.append)
        assert len(noted) == 1
        assert not kept[0].done()

    asyncio.run(main())


def test_a_runner_that_was_stopped_under_a_task_makes_a_new_loop() -> None:
    runner, loops = ThreadRunner(), list[asyncio.AbstractEventLoop]()

    async def stop() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(20)

    async def note() -> None:
        loops.append(asyncio.get_running_loop())

    runner.run(note(), "a", print)
    runner.run(note(), "b", print)
    assert loops[0] is loops[1]
    with pytest.raises(RuntimeError):
        runner.run(stop(), "c", print)
    runner.run(note(), "d", print)
    assert loops[2] is not loops[0]
    runner.close()
