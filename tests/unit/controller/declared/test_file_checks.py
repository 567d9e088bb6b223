"""Looks at the file end with the controller, also those that are hinted at while it ends."""

from __future__ import annotations

import asyncio

from fleet.controller.declared.file_checks import FileChecks


def test_no_look_begins_or_goes_on_after_the_end() -> None:
    begun: list[bool] = []
    ended: list[str] = []

    async def consider(*, force: bool = False) -> None:
        begun.append(force)
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    async def scenario() -> None:
        looks = FileChecks(consider)
        looks.begin(force=True)
        await asyncio.to_thread(looks.hint)
        await asyncio.sleep(0)
        assert begun == [True, False]
        await looks.end()
        looks.hint()
        looks.begin()
        await asyncio.sleep(0.01)

    asyncio.run(scenario())
    assert begun == [True, False]
    assert ended == ["cancelled"] * 2


def test_a_hint_to_a_loop_that_is_closed_is_none() -> None:
    async def consider(*, force: bool = False) -> None:
        raise AssertionError("nobody looks any more")

    async def make() -> FileChecks:
        return FileChecks(consider)

    asyncio.run(make()).hint()
