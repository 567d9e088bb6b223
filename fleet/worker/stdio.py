"""The standard streams of processes that run tasks: nothing to read, and whole lines written.

stdin is the worker's lifeline (its end says that the supervisor has died), and a task must not read from that, nor
wait for what never comes: a tool that it runs finds /dev/null there. stdout and stderr lead, for several processes,
into one pipe.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from fleet.worker import unpatched

# So much goes through a pipe in one piece; of more than that, another process' bytes may come in between.
_PIECE = getattr(select, "PIPE_BUF", 512)
_LONGEST_LINE = 65536  # what has no end of line by then is written as it is

_lock_file = ""
_output: int | None = None  # a copy of where stderr leads, for a task may close that


def take_stdin() -> int | None:
    """Put /dev/null in place of stdin. The descriptor of what was there, if that was a pipe or a socket."""
    kept = os.dup(0) if _is_pipe(0) else None
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # inheritable, as a standard stream has to be
    if null != 0:
        os.close(null)
    return kept


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def write_whole_lines(lock_file: str = "") -> None:
    """Let `print` write each line in one piece, whatever PYTHONUNBUFFERED says.

    Without that a line goes out in as many pieces as `print` has arguments, and another process' in between.
    `lock_file` is any file that the processes with the same output have in common: long lines go out under its lock.
    """
    global _lock_file, _output  # noqa: PLW0603
    _lock_file = lock_file
    with suppress(OSError):
        _output = fcntl.fcntl(2, fcntl.F_DUPFD_CLOEXEC, 3)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue  # none at all, or a test's
        with suppress(OSError, ValueError):
            stream.flush()
        sink = _LineSink(fd)
        text: Any = io.TextIOWrapper(cast("Any", sink), stream.encoding, stream.errors, write_through=True)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def lock_file() -> str:
    """As given to `write_whole_lines`: for the processes that this one starts."""
    return _lock_file


def reopen_closed() -> None:
    """A task has closed standard streams: let them lead where they led, before another file gets their numbers."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, mostly `fd` itself
            if fd > 0 and _output is not None:
                os.dup2(_output, fd)
            elif null != fd:
                os.dup2(null, fd)
            if null != fd:
                os.close(null)


def write(fd: int, data: bytes) -> None:
    """All of it, and nothing of another process in between. Raises OSError."""
    try:
        _write(fd, data)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        reopen_closed()
        _write(fd, data)


def _write(fd: int, data: bytes) -> None:
    if len(data) <= _PIECE:
        _write_all(fd, data)
    else:
        with _locked():
            _write_all(fd, data)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextmanager
def _locked() -> Iterator[None]:
    try:
        fd = os.open(_lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield  # nothing in common: a line in two pieces is better than none
        return
    try:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


class _LineSink(io.BufferedIOBase):
    """Keeps what a thread writes until its line has ended, or it flushes: `print` writes in pieces."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rests: dict[int, bytes] = {}  # by thread
        self._lock = unpatched.allocate_rlock()
        # A thread that held it is not there in a copy.
        os.register_at_fork(after_in_child=self._forget)

    def write(self, data: io.BytesIO | bytes) -> int:  # type: ignore[override]
        piece, me = bytes(data), unpatched.get_ident()  # type: ignore[arg-type]
        with self._lock:
            whole, end, rest = (self._rests.pop(me, b"") + piece).rpartition(b"\n")
            if len(rest) > _LONGEST_LINE:
                whole, end, rest = whole + end + rest, b"", b""
            if rest:
                self._rests[me] = rest
            if whole or end:
                write(self._fd, whole + end)
        return len(piece)

    def flush(self) -> None:
        with self._lock:
            if rest := self._rests.pop(unpatched.get_ident(), b""):
                write(self._fd, rest)

    def close(self) -> None:
        with self._lock:
            for rest in self._rests.values():
                write(self._fd, rest)
            self._rests.clear()
        super().close()

    def _forget(self) -> None:
        self._lock = unpatched.allocate_rlock()
        self._rests.clear()

    def fileno(self) -> int:
        return self._fd

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._fd)
