"""The control socket: who is heard, and about whom."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from fleet.control import Report
from fleet.controller import workers
from fleet.controller.peers import Peer
from fleet.controller.workers import WorkerServer
from fleet.statedir import StateDir

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
