"""Copies of a process that runs tasks, made by a task that forks: ordinary processes, never a second worker.

A copy has the worker's signal handlers, its wake-up pipe and, in its memory, everything that consumes. It gets
default signals back at once, and it ends where the task ends: what comes after belongs to the original.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn


def give_copies_default_signals(signums: Iterable[int]) -> None:
    """From now on every process that is forked from this one, by whatever in Python, can be ended by these.

    A SIGTERM for a helper that a task has forked would else be written into this process's pipe, which drains it,
    while the helper lives on.
    """
    kept = tuple(signums)
    masks: dict[int, set[int]] = {}  # by thread, while it forks

    def hold() -> None:
        # What comes for the copy before it has default signals must wait, not be taken by our handlers and lost.
        masks[_thread.get_ident()] = set(signal.pthread_sigmask(signal.SIG_BLOCK, kept))

    def let_go() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop(_thread.get_ident(), set()))

    def reset() -> None:
        with suppress(ValueError):  # forked by a thread of another interpreter
            signal.set_wakeup_fd(-1)
            for signum in kept:
                signal.signal(signum, signal.SIG_DFL)
        let_go()

    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=reset)


def end_copy(error: BaseException | None) -> NoReturn:
    """The task has returned, or raised `error`, in a copy: end as a program that came to its end there would."""
    code = 0
    with suppress(BaseException):
        code = _exit_code(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201  as Python itself does
    return 1
