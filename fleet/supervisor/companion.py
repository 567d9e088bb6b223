"""The process that shows a person at the terminal what happens: it was there first and is the last to go.

It is a child of this process but none of its programs: nothing waits for it except the very end, and not
for long.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

_LAST_WORDS_SECONDS = 2.0
"""A terminal that is blocked (Ctrl-S, a full pipe) holds up the end no longer than this."""


@dataclass(frozen=True, slots=True)
class Companion:
    """`pipe` is its stdin: end of file there tells it that the supervisor is gone, however it went."""

    pid: int
    pipe: int

    def take_leave(self, killed: Sequence[str], *, at_once: bool) -> None:
        """Tell it that this is the regular end, whether somebody hurried it, and which programs had to be
        killed; wait until it has printed that.
        """
        with suppress(OSError):
            os.set_blocking(self.pipe, False)
            os.write(self.pipe, json.dumps({"killed": killed, "at_once": at_once}).encode())
        os.close(self.pipe)
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while time.monotonic() < deadline and not self._gone():
            time.sleep(0.01)

    def _gone(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True
