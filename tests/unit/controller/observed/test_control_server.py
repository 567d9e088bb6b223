"""The control socket: who is heard, and about whom."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from fleet.control import Command, Report
from fleet.controller.observed import control_server as workers
from fleet.controller.observed.control_server import WorkerServer
from fleet.controller.observed.peers import Peer
from fleet.statedir import StateDir
from fleet.telemetry import Statistics, WorkerAnswer

OTHER_UID = 12345


@pytest.mark.parametrize(
    ("peer", "heard"),
    [
        (Peer(os.getpid(), os.getuid()), {1, 2}),  # ours may speak for its children, or behind a namespace
        (Peer(2, OTHER_UID), {2}),
        (Peer(9, OTHER_UID), set()),
        (Peer(2, OTHER_UID + 1), set()),
    ],
)
def test_others_are_heard_about_themselves_only(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, peer: Peer, heard: set[int]
) -> None:
    state = StateDir(short_folder / ".fleet")
    state.create()
    monkeypatch.setattr(workers, "peer_of", lambda _socket: peer)

    async def scenario() -> set[int]:
        server = WorkerServer(lambda: None)
        await server.admit(frozenset({OTHER_UID}), state)
        for pid in (1, 2):
            reader, writer = await asyncio.open_unix_connection(str(state.handed_socket))
            writer.write(Report("http/0", pid, "r", "ready").to_json().encode() + b"\n")
            writer.write_eof()
            with suppress(ConnectionError):  # it hangs up when it has heard all, or enough
                await asyncio.wait_for(reader.read(), 10)
            writer.close()
        server.close()
        return set(server.reports)

    assert asyncio.run(scenario()) == heard
    assert state.root.stat().st_mode & 0o777 == 0o711
    state.create()
    assert state.root.stat().st_mode & 0o777 == 0o711, "and it stays so"
    assert state.specs.stat().st_mode & 0o777 == 0o700


def test_a_worker_that_tells_statistics_is_asked_and_answers_by_number(short_folder: Path) -> None:
    async def scenario() -> tuple[dict[int, object], dict[int, object], list[Statistics]]:
        told: list[Statistics] = []
        server = WorkerServer(lambda: None, told.append)
        await server.listen(short_folder / "control.sock")
        reader, writer = await asyncio.open_unix_connection(str(short_folder / "control.sock"))
        writer.write(Report("http/0", 7, "r", "ready").to_json().encode() + b"\n")
        hello = Command.from_json((await reader.readline()).decode())
        assert "statistics" in hello.arguments["fields"]
        before = await server.ask(
            [7, 8], "running", seconds=5
        )  # of an older version, for all we know: not asked
        writer.write(Statistics("http/0", 7, "ab").to_json().encode() + b"\n")
        await asyncio.wait_for(_until(lambda: bool(told)), 10)
        asking = asyncio.ensure_future(server.ask([7, 8], "message", {"id": "x"}, seconds=10))
        asked = Command.from_json((await reader.readline()).decode())
        assert (asked.do, asked.arguments["what"], asked.arguments["id"]) == ("ask", "message", "x")
        for number in (
            asked.arguments["number"] + 1,
            asked.arguments["number"],
        ):  # the first is to nobody's question
            writer.write(WorkerAnswer(7, number, {"n": number}).to_json().encode() + b"\n")
        answers = await asking
        writer.close()
        server.close()
        assert answers == {7: {"n": asked.arguments["number"]}}
        return before, answers, told  # type: ignore[return-value]

    before, _, told = asyncio.run(scenario())
    assert before == {}
    assert told == [Statistics("http/0", 7, "ab")]


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_who_does_not_answer_in_time_is_left_out(short_folder: Path) -> None:
    async def scenario() -> dict[int, dict[str, object]]:
        told: list[Statistics] = []
        server = WorkerServer(lambda: None, told.append)
        await server.listen(short_folder / "control.sock")
        _, writer = await asyncio.open_unix_connection(str(short_folder / "control.sock"))
        for line in (Report("http/0", 7, "r", "ready"), Statistics("http/0", 7, "ab")):
            writer.write(line.to_json().encode() + b"\n")
        await asyncio.wait_for(_until(lambda: bool(told)), 10)
        answers = await server.ask([7], "running", seconds=0.05)
        assert server._asked == {}
        writer.close()
        server.close()
        return answers

    assert asyncio.run(scenario()) == {}
