"""Tell systemd how it goes (sd_notify, Type=notify): ready, reloading, stopping, and alive for its watchdog.

One datagram each on the socket that $NOTIFY_SOCKET names; without it nothing is sent. Only this process
speaks: programs do not inherit the variable. A socket that is full (systemd is busy; ten datagrams may wait on
a stock kernel) must neither hold the main loop up nor swallow a READY: what did not fit is sent later, in order.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections import deque
from collections.abc import MutableMapping

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_AGAIN_SECONDS = 0.1
_MOST_UNSENT = 16


class Notifier:
    """`beat` is to be called by the main loop, by `next_beat()` at the latest (monotonic seconds)."""

    def __init__(self, address: str | None = None, watchdog_seconds: float | None = None) -> None:
        self._address = address
        # Twice as often as asked for, as sd_watchdog_enabled(3) recommends.
        self._interval = watchdog_seconds / 2 if address and watchdog_seconds else None
        self._beat_at = time.monotonic() if self._interval else math.inf
        self._unsent: deque[str] = deque(maxlen=_MOST_UNSENT)
        self._again_at = math.inf

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Takes the variables away."""
        address, interval, pid = (environment.pop(name, "") for name in _VARIABLES)
        mine = not pid or pid == str(os.getpid())
        seconds = int(interval) / 1e6 if interval.isdecimal() and mine else None
        return cls(address or None, seconds)

    def next_beat(self) -> float:
        return min(self._beat_at, self._again_at)

    def beat(self) -> None:
        """Prove that the main loop goes round, and send what did not fit before."""
        now = time.monotonic()
        if now >= self._again_at:
            self._send_unsent()
        if self._interval is not None and now >= self._beat_at:
            self._beat_at = now + self._interval
            self._fits("WATCHDOG=1")  # too late is as good as never: the next one will do

    def status(self, text: str, *, ready: bool) -> None:
        """One line for `systemctl status`; `ready`: the service is up, or its reload is done."""
        line = f"STATUS={' '.join(text.split())}"
        self._send("READY=1", line) if ready else self._send(line)

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, longest_seconds: float) -> None:
        """Everything ends, and may take so long."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={math.ceil(longest_seconds * 1e6)}")

    def _send(self, *lines: str) -> None:
        if self._address is not None:
            self._unsent.append("\n".join(lines))
            self._send_unsent()

    def _send_unsent(self) -> None:
        while self._unsent and self._fits(self._unsent[0]):
            self._unsent.popleft()
        self._again_at = time.monotonic() + _AGAIN_SECONDS if self._unsent else math.inf

    def _fits(self, datagram: str) -> bool:
        """Send it. False: the socket is full; a listener that is gone takes everything."""
        assert self._address is not None
        # "@" stands for the zero byte of an abstract address.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(datagram.encode(), address)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True
