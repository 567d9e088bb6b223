"""The control socket: workers connect here, report about themselves and take commands (see fleet.control)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from fleet.control import Command, Report
from fleet.controller.files import listen_private
from fleet.controller.observe import LatestReport
from fleet.controller.peers import Peer, peer_of
from fleet.statedir import StateDir

LONGEST_LINE_BYTES = 1 << 20
REPEAT_SECONDS = 5.0


class WorkerServer:
    """Keeps the last report of each process, by pid; calls `changed` when a worker's state has changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.reports: dict[int, LatestReport] = {}
        self.listening_since = 0.0  # monotonic seconds
        self._changed = changed
        self._lines: dict[int, _Line] = {}
        self._sent: dict[int, tuple[Command, float]] = {}
        self._servers: list[asyncio.Server] = []
        self._others: frozenset[int] = frozenset()

    async def listen(self, path: Path) -> None:
        """Raises OSError when the socket can't be made."""
        await self._listen(listen_private(path))
        self.listening_since = time.monotonic()

    async def admit(self, uids: frozenset[int], state: StateDir) -> None:
        """Listen to workers of these users as well, from now on. Raises OSError."""
        if uids and not self._others:
            state.open_to_others()
            await self._listen(listen_private(state.handed_socket, mode=0o666))
        self._others |= uids

    async def _listen(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(lambda: _Line(self), sock=listener))

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for line in self._lines.values():
            line.transport.close()

    def send(self, pid: int, command: Command) -> None:
        """Unless that worker is not connected, or has had the same command just now: its next report shows
        what came of it.
        """
        line, now = self._lines.get(pid), time.monotonic()
        if line is None or line.transport.is_closing():
            return
        last, at = self._sent.get(pid, (None, 0.0))
        if last != command or now - at > REPEAT_SECONDS:
            self._sent[pid] = (command, now)
            line.transport.write(command.to_json().encode() + b"\n")

    def heard_at(self, pid: int) -> float:
        """When it reported, or could have: monotonic seconds."""
        latest = self.reports.get(pid)
        return max(latest.at if latest else 0.0, self.listening_since)

    def forget_all_but(self, pids: Collection[int]) -> None:
        """Drop the reports of processes that are gone."""
        for pid in set(self.reports) - set(pids):
            del self.reports[pid]
            self._sent.pop(pid, None)

    def hears(self, peer: Peer) -> bool:
        return peer.may_command or peer.uid in self._others

    def heard(self, line: _Line, peer: Peer, report: Report) -> None:
        """Raises ValueError when it is not this peer's to tell."""
        if not peer.may_command and report.pid != peer.pid:
            raise ValueError("it speaks of somebody else")
        self._lines[report.pid] = line
        self._take(report)

    def lost(self, line: _Line) -> None:
        for pid in [pid for pid, each in self._lines.items() if each is line]:
            del self._lines[pid]

    def _take(self, report: Report) -> None:
        now = time.monotonic()
        before = self.reports.get(report.pid)
        if report.state != "ready":
            since = None
        elif before is not None and before.ready_since is not None:
            since = before.ready_since
        else:
            since = now
        self.reports[report.pid] = LatestReport(report, now, since)
        if before is None or _visible(before.report) != _visible(report):
            self._changed()


class _Line(asyncio.Protocol):
    """The connection of one worker. No stream: reports come every second from each of hundreds, and a coroutine
    that is woken for each of them doubles what it costs.
    """

    transport: asyncio.Transport

    def __init__(self, server: WorkerServer) -> None:
        self._server = server
        self._peer: Peer | None = None  # None: nobody that is heard
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        with suppress(OSError):
            peer = peer_of(transport.get_extra_info("socket"))
            self._peer = peer if self._server.hears(peer) else None
        if self._peer is None:
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._peer is None:
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                self._server.heard(self, self._peer, Report.from_dict(json.loads(line)))
        except (ValueError, TypeError, AttributeError):
            # Not a worker; a worker would reconnect and report in full.
            self._hang_up()
        if len(self._rest) > LONGEST_LINE_BYTES:
            self._hang_up()

    def _hang_up(self) -> None:
        self._peer = None
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.lost(self)


def _visible(report: Report) -> tuple[object, ...]:
    """What may lead to an action or an event; the counters don't."""
    return (
        report.state,
        report.paused,
        report.broker_error,
        report.revision,
        report.recycle,
        report.trouble,
        report.live_revision,
        report.paused_queues,
    )
