"""The control socket, with a plain socket in a worker's place."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from fleet.control import NEW_FIELDS, Command, Report
from fleet.controller.observed.control_server import LONGEST_LINE_BYTES, WorkerServer

LINE = Report("http/0", 7, "r", "ready").to_json().encode() + b"\n"
OTHER_LINE = Report("http/1", 8, "r", "ready").to_json().encode() + b"\n"


async def until(condition: object, within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


def with_server(folder: Path, story: object) -> None:
    """Run `story(server, connect)`, where `connect()` is a worker's new connection."""

    async def run() -> None:
        server = WorkerServer(lambda: None)
        path = folder / "control"
        await server.listen(path)
        opened: list[socket.socket] = []

        def connect() -> socket.socket:
            opened.append(socket.socket(socket.AF_UNIX))
            opened[-1].connect(str(path))
            opened[-1].setblocking(False)
            return opened[-1]

        try:
            await story(server, connect)  # type: ignore[operator]
        finally:
            server.close()
            for each in opened:
                each.close()

    asyncio.run(run())


def test_a_report_may_come_in_pieces_and_a_command_goes_back(short_folder: Path) -> None:
    async def story(server: WorkerServer, connect: object) -> None:
        worker = connect()  # type: ignore[operator]
        worker.send(LINE[:20])
        connect().send(OTHER_LINE)  # type: ignore[operator]
        await until(lambda: 8 in server.reports)
        assert 7 not in server.reports
        worker.send(LINE[20:] + LINE[:5])
        await until(lambda: 7 in server.reports)
        server.send(7, Command("drain"))
        said = b""
        while said.count(b"\n") < 2:
            said += await asyncio.get_running_loop().sock_recv(worker, 4096)
        hello, command = [Command.from_json(line) for line in said.decode().splitlines()]
        assert hello == Command("inspect", {"fields": sorted(NEW_FIELDS | {"statistics"})})
        assert command.do == "drain"

    with_server(short_folder, story)


def test_who_is_not_a_worker_is_hung_up_on(short_folder: Path) -> None:
    async def story(server: WorkerServer, connect: object) -> None:
        loop = asyncio.get_running_loop()
        for said in (
            b"GET / HTTP/1.0\n",
            b"[]\n",
            b'{"worker": "x"}\n',
            b"\xff\n",
            b"x" * LONGEST_LINE_BYTES * 2,
        ):
            stranger = connect()  # type: ignore[operator]
            try:
                await loop.sock_sendall(stranger, said)
                assert await asyncio.wait_for(loop.sock_recv(stranger, 1), 10) == b"", said[:20]
            except ConnectionError:
                pass  # closed with some of it unread
        assert not server.reports

    with_server(short_folder, story)


def test_a_worker_that_has_connected_again_is_reached_by_its_new_connection(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(server: WorkerServer, connect: object) -> None:
        old = connect()  # type: ignore[operator]
        old.send(LINE)
        await until(lambda: 7 in server.reports)
        first = server.reports[7]
        new = connect()  # type: ignore[operator]
        new.send(LINE)
        await until(lambda: server.reports[7] is not first)
        lost: list[object] = []
        monkeypatch.setattr(server, "lost", lambda line: (type(server).lost(server, line), lost.append(line)))
        old.close()
        await until(lambda: lost)
        server.send(7, Command("pause"))
        assert b"pause" in await asyncio.wait_for(asyncio.get_running_loop().sock_recv(new, 4096), 10)

    with_server(short_folder, story)


@pytest.mark.parametrize(
    "said",
    [
        b'"tasks": 5',
        b'"rss_bytes": "x"',
        b'"state": "asleep"',
        b'"children": [{}]',
        b'"trouble": {"a": 1}',
        b'"pid": 1e9',
    ],
)
def test_nonsense_ends_its_own_connection_and_nothing_else(short_folder: Path, said: bytes) -> None:
    async def story(server: WorkerServer, connect: object) -> None:
        failed: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failed.append(context))
        worker = connect()  # type: ignore[operator]
        worker.send(LINE)
        await until(lambda: 7 in server.reports)
        before = server.reports[7]
        liar = connect()  # type: ignore[operator]
        liar.send(b'{"worker": "g/0", "pid": 7, "revision": "x", "state": "ready", ' + said + b"}\n")
        assert await asyncio.get_running_loop().sock_recv(liar, 10) == b"", "hung up on"
        assert server.reports[7] == before
        assert not failed
        worker.send(LINE)
        await until(lambda: server.reports[7].at > before.at)

    with_server(short_folder, story)
