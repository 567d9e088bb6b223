"""The stacks of a worker: every thread, every green thread, every pool process. Never local variables.

Written to its log when it is about to be replaced because it does not get on: the only evidence there will be. And
told when the controller asks: a worker over its control socket, a pool process on ASK_SIGNAL into a file of its own.

Both are Python and wait for the interpreter lock, so that no frame changes while it is read. Who can't get the lock,
because C code keeps it, is sent FILE_SIGNAL: its handler is C and reads frames without the lock. Sent to a process
that runs Python just then, it reads frames that change and can end the process (seen on 3.11 to 3.13).
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType

from fleet.telemetry import ASK_SIGNAL, FILE_SIGNAL, worker_folder
from fleet.worker import unpatched

# Sent to a pool process it makes that write its stacks into the log.
STACK_SIGNAL = signal.SIGRTMAX if hasattr(signal, "SIGRTMAX") else signal.SIGUSR2
_MOST_FRAMES = 100  # as faulthandler
_MOST_GREEN = 50
_MOST_GREEN_TOLD = 1000
_LONGEST_GREEN = 256 * 1024
_STDERR = 2


def answer_signal() -> None:
    """In a pool process: write the stacks of all threads on STACK_SIGNAL, whatever the interpreter is doing."""
    with suppress(OSError, ValueError, RuntimeError):
        faulthandler.register(STACK_SIGNAL, file=_STDERR, all_threads=True)


def answer_into_file() -> None:
    """In a worker, which its watchdog answers for as long as it can: write the stacks into its file on FILE_SIGNAL."""
    fd = _own_file()
    if fd is not None:
        with suppress(OSError, ValueError, RuntimeError):
            faulthandler.register(FILE_SIGNAL, file=fd, all_threads=True)


def answer_when_asked() -> None:
    """In a pool process, whose main thread runs the task: answer ASK_SIGNAL and FILE_SIGNAL into its file."""
    fd = _own_file()
    if fd is None:
        return

    def answer(_signum: int, frame: FrameType | None) -> None:
        with suppress(OSError):
            os.ftruncate(fd, 0)  # an answer to somebody who has not waited for it
            os.write(fd, own(frame).encode(errors="backslashreplace"))

    with suppress(OSError, ValueError, RuntimeError):
        # The thread that the signal reaches is then inside C code and stands still; others might not.
        faulthandler.register(FILE_SIGNAL, file=fd, all_threads=False)
        if ASK_SIGNAL is not None:
            signal.signal(ASK_SIGNAL, answer)
            signal.siginterrupt(ASK_SIGNAL, False)


def _own_file() -> int | None:
    folder = worker_folder(os.environ.get("FLEET_STATE_DIR", ""))
    if folder is None:
        return None
    path = os.path.join(folder, f"{os.getpid()}.stacks")  # noqa: PTH118
    with suppress(OSError):
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108  of a process that had this pid before
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    return None


def ask(pids: Iterable[int]) -> None:
    """Have pool processes write their stacks, soon."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, STACK_SIGNAL)


def write() -> None:
    """Write the stacks of this process, from any thread."""
    with suppress(OSError, ValueError):
        faulthandler.dump_traceback(file=_STDERR, all_threads=True)
        for text in _green(_MOST_GREEN):
            os.write(_STDERR, text.encode(errors="backslashreplace"))


def own(interrupted: FrameType | None = None) -> str:
    """The stacks of all threads of this process, as faulthandler writes them.

    interrupted: where this thread was, when a signal's handler asks.
    """
    frames = sys._current_frames()
    if interrupted is not None:
        frames[unpatched.get_ident()] = interrupted
    return "\n".join(_thread(ident, frame) for ident, frame in frames.items())


def _thread(ident: int, innermost: FrameType) -> str:
    lines = [f"Thread {ident:#018x} (most recent call first):\n"]
    frame: FrameType | None = innermost
    while frame is not None and len(lines) <= _MOST_FRAMES:
        code = frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frame.f_lineno or 0} in {code.co_name}\n')
        frame = frame.f_back
    return "".join(lines)


def green() -> str:
    """The stacks of suspended green threads, as a text; "" where there are none. From any thread."""
    whole, parts = 0, []
    for text in _green(_MOST_GREEN_TOLD):
        whole += len(text)
        if whole > _LONGEST_GREEN:
            parts.append("and more\n")
            break
        parts.append(text)
    return "".join(parts)


def _green(most: int) -> Iterable[str]:
    """The stacks of suspended green threads, where there are any."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is None:
        return
    found = [each for each in gc.get_objects() if isinstance(each, greenlet.greenlet) and each.gr_frame]
    for count, each in enumerate(found):
        if count == most:
            yield f"and {len(found) - count} green threads more\n"
            return
        frame: FrameType | None = each.gr_frame
        if frame is not None:
            yield f"Green thread {hex(id(each))}:\n{''.join(traceback.format_stack(frame))}"
