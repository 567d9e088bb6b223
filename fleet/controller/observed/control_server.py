"""The control socket: workers connect here, report about themselves and take commands (see fleet.control)."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from fleet.control import NEW_FIELDS, Command, Report, read_report
from fleet.controller.atomic_files import listen_private
from fleet.controller.observed.observe import LatestReport
from fleet.controller.observed.peers import Peer, peer_of
from fleet.statedir import StateDir
from fleet.telemetry import STATISTICS, Statistics, WorkerAnswer, is_telemetry, read_line

LONGEST_LINE_BYTES = 1 << 20
REPEAT_SECONDS = 5.0
_HELLO = Command("inspect", {"fields": sorted(NEW_FIELDS | {STATISTICS})}).to_json().encode() + b"\n"


class WorkerServer:
    """Keeps the last report of each process, by pid; calls `changed` when a worker's state has changed."""

    def __init__(
        self, changed: Callable[[], None], told: Callable[[Statistics], None] = lambda _told: None
    ) -> None:
        """`told` gets each line of statistics."""
        self.reports: dict[int, LatestReport] = {}
        self.listening_since = 0.0  # monotonic seconds
        self.left: Callable[[Collection[int]], None] = lambda _pids: None  # their connection has ended
        self._changed = changed
        self._told = told
        self._answering: set[int] = set()  # those that have told statistics, and so answer
        self._asked: dict[tuple[int, int], asyncio.Future[dict[str, Any]]] = {}  # by pid and number
        self._numbers = count(1)
        self._lines: dict[int, _EventLine] = {}
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
        self._servers.append(await loop.create_unix_server(lambda: _EventLine(self), sock=listener))

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

    async def ask(
        self,
        pids: Iterable[int],
        what: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        seconds: float = 1.0,
    ) -> dict[int, dict[str, Any]]:
        """What these say, by pid; without those that don't answer in time, or are of an older version."""
        asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        for pid in pids:
            line = self._lines.get(pid)
            if line is None or pid not in self._answering or line.transport.is_closing():
                continue
            number = next(self._numbers)
            asked[pid] = self._asked[pid, number] = asyncio.get_running_loop().create_future()
            command = Command("ask", {**(arguments or {}), "number": number, "what": what})
            line.transport.write(command.to_json().encode() + b"\n")
        try:
            if asked:
                await asyncio.wait(asked.values(), timeout=seconds)
            return {pid: future.result() for pid, future in asked.items() if future.done()}
        finally:
            for key in [key for key, future in self._asked.items() if future in asked.values()]:
                del self._asked[key]

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

    def heard(self, line: _EventLine, peer: Peer, report: Report) -> None:
        """Raises ValueError when it is not this peer's to tell."""
        if not peer.may_command and report.pid != peer.pid:
            raise ValueError("it speaks of somebody else")
        if self._lines.get(report.pid) is not line:
            self._lines[report.pid] = line
            line.transport.write(_HELLO)
        self._take(report)

    def heard_telemetry(self, peer: Peer, told: Statistics | WorkerAnswer) -> None:
        """Raises ValueError when it is not this peer's to tell."""
        if not peer.may_command and told.pid != peer.pid:
            raise ValueError("it speaks of somebody else")
        if isinstance(told, Statistics):
            self._answering.add(told.pid)
            self._told(told)
        elif (future := self._asked.get((told.pid, told.to))) is not None and not future.done():
            future.set_result(told.said)

    def lost(self, line: _EventLine) -> None:
        gone = [pid for pid, each in self._lines.items() if each is line]
        for pid in gone:
            del self._lines[pid]
        self._answering.difference_update(gone)
        if gone:
            self.left(gone)

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


class _EventLine(asyncio.Protocol):
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
                if is_telemetry(line):
                    self._server.heard_telemetry(self._peer, read_line(line))
                else:
                    self._server.heard(self, self._peer, read_report(line))
        except Exception:
            # Not a worker; a worker would reconnect and report in full. Whatever it was: no peer may end this
            # process.
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
        report.refused is None,
        report.revision,
        report.recycle,
        report.trouble,
        report.live_revision,
        report.paused_queues,
        report.alone,
        report.warnings,
    )
