"""Sockets without a network: what the client writes the server gets at once, unless something goes wrong.

Each has two ends: `Socket` is what py-amqp and redis-py hold, `Session` is what a simulated server makes of
the bytes. Connections break, halve what was sent, and are late here.
"""

from __future__ import annotations

import math
import select
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Protocol

from tests.simulated.choices import Choices
from tests.simulated.clock import Clock

FIRST_DESCRIPTOR = 1_000_000  # above any that the process has
LATENCY_SECONDS = 0.0005
SENDING = ("lost before", "lost halfway", "lost after", "server silent", "late")
_POLL_SECONDS = 0.000002
_SILENT_SECONDS = (20.0, 45.0, 90.0)


class Session(Protocol):
    """The server's end of one connection."""

    def receive(self, data: bytes) -> None: ...

    def ended(self, *, broken: bool) -> None:
        """By the client, or (`broken`) by nobody's will."""


class Socket:
    """The client's end. `Network.connect` makes it."""

    def __init__(self, network: Network, descriptor: int) -> None:
        self._network = network
        self._descriptor = descriptor
        self._timeout: float | None = None
        self._coming: deque[tuple[float, bytes, Callable[[], None] | None]] = deque()
        self._waits: list[bytes] = []  # written while the server doesn't read
        self._silent_until = 0.0
        self.session: Session
        self.is_closed = False  # by the client
        self.is_broken = False
        self.is_known_to_be_broken = False  # to the client
        self.ends_at: float | None = None  # when the client sees the end of what comes

    # As a socket

    def fileno(self) -> int:
        return self._descriptor

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_: Any) -> None: ...

    def getsockopt(self, *_: Any) -> int:
        return 0

    def shutdown(self, _how: int) -> None: ...

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = self.is_known_to_be_broken = True
            # What a silent server has not read yet it reads all the same, before it sees the end.
            if not self.is_broken and not self._waits:
                self._end()
            self._network.forget(self)

    def _end(self) -> None:
        self.is_broken = True
        self.session.ended(broken=self.ends_at is not None)

    def sendall(self, data: bytes) -> None:
        if self.is_closed or self._network.is_down:
            raise OSError("the process is gone")
        if self.is_broken:
            self.is_known_to_be_broken = True
            raise BrokenPipeError("Broken pipe")
        network = self._network
        match network.choices.fault("connection", SENDING):
            case "lost before":
                self.break_off()
            case "lost halfway":
                self._receive(bytes(data[: network.choices.how_much(len(data))]))
                self.break_off()
            case "lost after":
                self._receive(bytes(data))
                self._coming.clear()
                self.break_off()
            case "server silent":
                self.silence(_SILENT_SECONDS[network.choices.how_much(len(_SILENT_SECONDS))])
                self._receive(bytes(data))
            case "late":
                self.silence(0.002 * (1 + network.choices.how_much(40)))
                self._receive(bytes(data))
            case None:
                self._receive(bytes(data))

    def send(self, data: bytes) -> int:
        self.sendall(data)
        return len(data)

    def recv(self, most: int) -> bytes:
        if self.is_closed:
            raise OSError("Bad file descriptor")
        clock = self._network.clock
        if not self.is_readable():
            if self._timeout == 0:
                raise BlockingIOError(11, "Resource temporarily unavailable")
            clock.wait(clock.now + (1e9 if self._timeout is None else self._timeout), self.is_readable)
            if not self.is_readable():
                raise TimeoutError("timed out")
        parts: list[bytes] = []
        while most > 0 and self._coming and self._coming[0][0] <= clock.now:
            moment, data, read = self._coming.popleft()
            if len(data) > most:
                self._coming.appendleft((moment, data[most:], read))
                data, read = data[:most], None
            parts.append(data)
            most -= len(data)
            if read is not None:
                read()
        if not parts and self.is_broken:
            self.is_known_to_be_broken = True
            raise ConnectionResetError(104, "Connection reset by peer")
        return b"".join(parts)

    def recv_into(self, buffer: Any) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def is_readable(self) -> bool:
        now = self._network.clock.now
        if self._coming and self._coming[0][0] <= now:
            return True
        return self.ends_at is not None and self.ends_at <= now

    # For the server

    def reply(self, data: bytes, read: Callable[[], None] | None = None, *, late: float = 0.0) -> None:
        """To the client, in order; `read` is called once it has taken it all."""
        if self.is_broken:
            return
        moment = self._network.clock.now + LATENCY_SECONDS + late
        if self._coming:
            moment = max(moment, self._coming[-1][0])
        self._coming.append((max(moment, self._silent_until), data, read))
        self._network.promise(moment)

    def silence(self, seconds: float) -> None:
        """The server neither reads nor answers for that long, and then does."""
        self._silent_until = max(self._silent_until, self._network.clock.now + seconds)
        self._network.clock.at(self._silent_until, self._go_on)

    def hang_up(self) -> None:
        """By the server, after what it has said."""
        if not self.is_broken:
            self.is_broken = True
            last = self._coming[-1][0] if self._coming else 0.0
            self.ends_at = max(last, self._network.clock.now + LATENCY_SECONDS)
            self._network.promise(self.ends_at)

    def break_off(self) -> None:
        """By the network: what is on its way is lost."""
        if not self.is_broken:
            self.is_broken = True
            self.ends_at = self._network.clock.now
            self.session.ended(broken=True)

    def _receive(self, data: bytes) -> None:
        # What waits comes first, also at the moment when the silence ends.
        if self._waits or self._network.clock.now < self._silent_until:
            self._waits.append(data)
        else:
            self.session.receive(data)

    def _go_on(self) -> None:
        if self._network.clock.now < self._silent_until or self.is_broken:
            return
        waits, self._waits = self._waits, []
        for data in waits:
            if not self.is_broken:
                self.session.receive(data)
        if self.is_closed and not self.is_broken:
            self._end()


class Network:
    """All connections of one schedule, and the wait for several descriptors, simulated or real."""

    def __init__(self, clock: Clock, choices: Choices) -> None:
        self.clock = clock
        self.choices = choices
        self._sockets: dict[int, Socket] = {}
        self._groups: dict[int, tuple[int, ...]] = {}
        self._descriptors = count(FIRST_DESCRIPTOR)
        self.is_down = False  # the worker's process has died
        self.accept: Callable[[Socket], Session]

    def connect(self) -> Socket:
        """Raises OSError."""
        if self.is_down:
            raise OSError("the process is gone")
        match self.choices.fault("connect", ("refused", "timed out")):
            case "refused":
                raise ConnectionRefusedError(111, "Connection refused")
            case "timed out":
                self.clock.sleep(5.0)
                raise TimeoutError("timed out")
        made = Socket(self, next(self._descriptors))
        self._sockets[made.fileno()] = made
        made.session = self.accept(made)
        return made

    def forget(self, gone: Socket) -> None:
        self._sockets.pop(gone.fileno(), None)

    def crash(self) -> None:
        """All connections end without a word; the server sees it at once."""
        self.is_down = True
        for each in list(self._sockets.values()):
            each.break_off()
        self._sockets.clear()

    def sockets(self) -> list[Socket]:
        return list(self._sockets.values())

    def group(self, descriptors: Iterable[int]) -> tuple[int, Callable[[], None]]:
        """In place of an epoll."""
        number = next(self._descriptors)
        self._groups[number] = tuple(descriptors)
        return number, lambda: self._groups.pop(number, None) and None  # type: ignore[func-returns-value]

    def promise(self, moment: float) -> None:
        """Something can be read then: who waits looks again."""
        self.clock.at(moment, _nothing)

    def wait_readable(self, descriptors: Iterable[int], timeout: float) -> set[int]:
        """In place of fleet.broker.waiting.wait_readable."""
        wanted = list(descriptors)
        ready: set[int] = set()

        def look() -> bool:
            ready.update(each for each in wanted if self._is_readable(each))
            return bool(ready)

        # Whole milliseconds, as poll() has it; and nothing takes no time at all: who polls comes to an end.
        self.clock.wait(self.clock.now + max(0, math.ceil(timeout * 1000)) / 1000 + _POLL_SECONDS, look)
        return ready

    def _is_readable(self, descriptor: int) -> bool:
        if descriptor < FIRST_DESCRIPTOR:
            poller = select.poll()
            poller.register(descriptor, select.POLLIN)
            return bool(poller.poll(0))
        if descriptor in self._groups:
            return any(self._is_readable(each) for each in self._groups[descriptor])
        known = self._sockets.get(descriptor)
        return known is None or known.is_readable()


def _nothing() -> None: ...
