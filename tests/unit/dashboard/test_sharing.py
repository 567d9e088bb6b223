"""Twenty pages that look cost the controller what one costs."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from fleet.dashboard.controller_client import ControllerClient, ControllerGone, Shared
from fleet.statedir import StateDir


class FakeController:
    """Answers every question with `{}`, and counts them."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.asked: Counter[str] = Counter()

    async def serve(self) -> asyncio.AbstractServer:
        return await asyncio.start_unix_server(self._answer, str(self._socket))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked[head.split()[1].decode()] += 1
        body = json.dumps({"n": self.asked.total()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)
        writer.close()


def test_what_twenty_ask_within_a_second_is_asked_once(short_folder: Path) -> None:
    async def run() -> None:
        fake = FakeController(short_folder / "s")
        server, client, shared = await fake.serve(), ControllerClient(short_folder / "s"), Shared()
        answers = await asyncio.gather(
            *(shared.get("/status", lambda: client.get("/status")) for _ in range(20))
        )
        assert fake.asked == {"/status": 1}
        assert len({each.body for each in answers}) == 1
        await shared.get("/status", lambda: client.get("/status"), fresh_seconds=0)
        assert fake.asked == {"/status": 2}
        server.close()

    asyncio.run(run())


def test_one_who_leaves_takes_the_answer_from_nobody(short_folder: Path) -> None:
    async def run() -> None:
        shared, go = Shared(), asyncio.Event()

        async def slow() -> str:
            await go.wait()
            return "there"

        first = asyncio.ensure_future(shared.get("x", slow))
        second = asyncio.ensure_future(shared.get("x", slow))
        await asyncio.sleep(0)
        first.cancel()
        go.set()
        assert await second == "there"

    asyncio.run(run())


def test_without_a_controller_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(ControllerGone, match="no controller answers"):
        asyncio.run(ControllerClient(StateDir(tmp_path).api_socket).get("/status"))
