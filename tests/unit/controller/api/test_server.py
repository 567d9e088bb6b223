"""The API's server costs nothing while nobody asks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import uvicorn

from fleet.controller.api.server import _Server


def test_the_api_server_does_not_wake_to_look_whether_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[int] = []

    async def on_tick(counter: int) -> bool:
        ticks.append(counter)
        return False

    async def scenario() -> None:
        server = _Server(uvicorn.Config("nothing:at_all", log_config=None))
        monkeypatch.setattr(server, "on_tick", on_tick)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await server.main_loop()

    asyncio.run(scenario())
    assert ticks == [0]
