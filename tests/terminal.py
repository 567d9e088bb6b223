"""A terminal for a test: a program in a pty, and what a person would see of it, by pyte's emulator."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

from tests.support import ROOT


class Terminal:
    """`with Terminal(["top"], folder) as terminal:` fleet with these arguments, on so many lines and columns."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        size: tuple[int, int] = (24, 80),
        env: Mapping[str, str] | None = None,
    ) -> None:
        lines, columns = size
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        own, program = pty.openpty()
        self._fd = own
        fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        clean = {
            name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fleet", *arguments],
            cwd=folder,
            env={**clean, "TERM": "linux", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **(env or {})},
            stdin=program,
            stdout=program,
            stderr=program,
            start_new_session=True,
        )
        os.close(program)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._fd)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)
        self.process.send_signal(signal.SIGWINCH)

    def sees(self, wanted: str | Callable[[str], object], *, within: float = 30.0) -> str:
        """The screen, as soon as that is on it."""
        until = time.monotonic() + within
        while not (wanted in self.text if isinstance(wanted, str) else wanted(self.text)):
            left = until - time.monotonic()
            assert left > 0, f"{wanted!r} did not appear in {within} s:\n{self.text}"
            if not self._read(left) and self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} before {wanted!r}:\n{self.text}")
        return self.text

    def sees_for(self, seconds: float) -> None:
        """Reads on for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._read(left)

    def ended(self, *, within: float = 20.0) -> int:
        """Its exit code; what it writes until then is read."""
        until = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < until, f"it goes on:\n{self.text}"
            self._read(0.05)
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], min(seconds, 0.5))[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the program has gone, and its end of the pty with it
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)
