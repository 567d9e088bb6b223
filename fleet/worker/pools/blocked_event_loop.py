"""A thread beside an event loop that knocks, and where nobody opens looks at what blocks the loop.

It sleeps while no coroutine runs.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NamedTuple

from fleet.clock import time
from fleet.worker.coroutines.steps import Stage
from fleet.worker.progress import HeldUp

_KNOCK_SECONDS = 0.25
# From so long on it is worth telling: everybody else has waited, and the next who calls a service times out.
BLOCKED_SECONDS = 0.5
# For so long the worst is told; a loop that it happens to again is told of again.
_TELL_SECONDS = 60.0
_LOOK_SECONDS = 2.0  # later it is where it was
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")


class _Blocked(NamedTuple):
    seconds: float
    at: float  # monotonic, when it was over
    text: str


class LoopWatch:
    """`held_up` and `warnings` are for any thread, `wake` for the loop's."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        thread: threading.Thread,
        stage: Stage,
        running: Callable[[], int],
        warn: Callable[[str, str | None], None],
    ) -> None:
        """`thread` is the loop's; `running` says how many coroutines run."""
        self._loop = loop
        self._thread = thread
        self._stage = stage
        self._running = running
        self._warn = warn
        self._knocked_at: float | None = None  # monotonic, while nobody has opened
        self._where = ""  # what the loop was at then
        self._trace = ""
        self._worst: _Blocked | None = None
        self._asleep = threading.Event()
        self._started = False

    def wake(self) -> None:
        """Something runs."""
        if not self._started:
            self._started = True
            threading.Thread(target=self._watch, name="fleet-loop-watch", daemon=True).start()
        if not self._asleep.is_set():
            self._asleep.set()

    def held_up(self, now: float) -> HeldUp | None:
        knocked_at = self._knocked_at
        if knocked_at is None or now - knocked_at < BLOCKED_SECONDS or not self._where:
            return None
        return HeldUp(now - knocked_at, self._where)

    def warnings(self, now: float) -> tuple[str, ...]:
        """What blocks it now; else the worst of the last minute."""
        if (held := self.held_up(now)) is not None:
            return (f"its event loop has been blocked for {held.seconds:.1f}s by {held.by}",)
        worst = self._worst
        return (worst.text,) if worst is not None and now - worst.at < _TELL_SECONDS else ()

    def _watch(self) -> None:
        while True:
            self._asleep.wait()
            if not self._running():
                self._asleep.clear()
                if not self._running():  # else it has begun in this moment
                    continue
                self._asleep.set()
            self._knock()

    def _knock(self) -> None:
        """And wait until somebody opens."""
        opened = threading.Event()
        began, blocked_before = time.monotonic(), self._stage.blocked_seconds
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(opened.set)
        if opened.wait(_KNOCK_SECONDS):
            if (
                self._stage.blocked_seconds - blocked_before >= BLOCKED_SECONDS
            ):  # not even this thread could look
                self._where, self._trace = f"{self._stage.blocked_by}, in one call of C code", ""
                self._tell(time.monotonic() - began)
            time.sleep(_KNOCK_SECONDS)
            return
        self._look()
        self._knocked_at = began
        while not opened.wait(_KNOCK_SECONDS):
            if time.monotonic() - began < _LOOK_SECONDS:
                self._look()
        self._knocked_at = None
        if (seconds := time.monotonic() - began) >= BLOCKED_SECONDS and self._where:
            self._tell(seconds)

    def _tell(self, seconds: float) -> None:
        now, worst = time.monotonic(), self._worst
        if worst is None or seconds > worst.seconds or now - worst.at > _TELL_SECONDS:
            text = f"its event loop was blocked for {seconds:.1f}s by {self._where}"
            remedy = "await an asyncio library there, or make the task a plain function: those run in threads"
            self._worst = _Blocked(seconds, now, f"{text}: {remedy}")
            self._warn(text, self._trace or None)

    def _look(self) -> None:
        frame = sys._current_frames().get(self._thread.ident or 0)
        step = self._stage.running
        if frame is None:
            return
        place, self._trace = described(frame)
        if step is not None:
            self._where = f"{step.name}, {place}"
        else:  # a background task, a callback; else it waits: the machine is slow, or another thread holds it up
            self._where = place if self._trace else ""


def described(frame: FrameType) -> tuple[str, str]:
    """The innermost place in code that is nobody's library; and the stack from such code on, "" where there is none."""
    stack = traceback.extract_stack(frame)
    own = [each for each in stack if not _is_library(each.filename)]
    found = own[-1] if own else stack[-1]
    at = f"{found.filename}, line {found.lineno}, in {found.name}"
    text = f"{at}: {found.line}" if found.line else at
    return text, "".join(traceback.format_list(list(stack)[stack.index(own[0]) :])) if own else ""


def _is_library(filename: str) -> bool:
    return (
        filename.startswith(("<frozen", _STANDARD_LIBRARY))
        or "site-packages" in filename
        or _OURS in filename
    )


_OURS = "/fleet/worker/"
