"""Things that importing the app has left open, which forked processes would share: connections, threads, databases.

Two processes on one connection get each other's answers; a thread is not there in a fork, though its queue is; an
SQLite database that is open while its process forks may be damaged.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_SQLITE = b"SQLite format 3\0"
_OURS = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
_INSTALLED = (
    *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "purelib", "platlib")),
    _OURS + os.sep,
)


class OpenedAtImport:
    """`with opened.watching(): import the app`; afterwards `opened.left()`."""

    def __init__(self) -> None:
        self._before = _descriptors()
        self._threads_before = set(sys._current_frames())
        self._places: dict[
            str, str
        ] = {}  # of a socket, by its name in /proc: the line of the app that connected it

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note down who connects. Sockets of libraries in C go unseen here, but not in `left`."""
        connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

        def noted(sock: socket.socket, address: Any) -> None:
            self._note(sock)
            connect(sock, address)

        def noted_ex(sock: socket.socket, address: Any) -> int:
            self._note(sock)
            return connect_ex(sock, address)

        socket.socket.connect, socket.socket.connect_ex = noted, noted_ex  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            socket.socket.connect, socket.socket.connect_ex = connect, connect_ex  # type: ignore[method-assign]

    def _note(self, sock: socket.socket) -> None:
        with suppress(OSError):
            # /proc numbers sockets for as long as they live; the number of a descriptor is soon another's.
            self._places[_name(sock.fileno())] = _place_in_the_app()

    def left(self) -> list[str]:
        """Each in words, with its place where known: "a connection to 127.0.0.1:5432 (shop/db.py, line 7)"."""
        found = []
        for name, fd in _descriptors().items():
            if name not in self._before and (what := _shared(fd)):
                place = self._places.get(name)
                found.append(f"{what} ({place})" if place else what)
        threads = len(set(sys._current_frames()) - self._threads_before)
        if threads:
            found.append("a thread" if threads == 1 else f"{threads} threads")
        return found


def _descriptors() -> dict[str, int]:
    """What is open, by its name in /proc: "socket:[4711]". Empty where there is no /proc."""
    found = {}
    with suppress(OSError):
        for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            with suppress(OSError):  # the one that listed them
                found[_name(fd)] = fd
    return found


def _name(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115  a socket's is no path


def _shared(fd: int) -> str | None:
    """What it is, if two processes must not use it together."""
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            return _connection(fd)
        if stat.S_ISREG(mode) and os.pread(fd, len(_SQLITE), 0) == _SQLITE:
            return f"the SQLite database {_name(fd)}"
    except OSError:
        pass  # not connected, or not readable: nobody reads another's answer from it
    return None


def _connection(fd: int) -> str:
    """OSError when it has no peer."""
    sock = socket.socket(fileno=os.dup(fd))
    try:
        peer = sock.getpeername()
    finally:
        sock.close()
    if isinstance(peer, tuple):
        return f"a connection to {peer[0]}:{peer[1]}"
    name = peer.decode(errors="replace") if isinstance(peer, bytes) else str(peer)
    return f"a connection to {name}" if name.strip("\0") else "a pair of sockets, as an event loop has"


def _place_in_the_app() -> str:
    """The innermost line outside of the standard library and of installed packages, else the innermost."""
    frames = [frame for frame in traceback.extract_stack() if frame.filename != __file__]
    frames = [frame for frame in frames if not frame.filename.startswith("<")]
    own = [frame for frame in frames if not _is_installed(frame.filename)]
    frame = (own or frames)[-1]
    return f"{frame.filename}, line {frame.lineno}"


def _is_installed(filename: str) -> bool:
    return filename.startswith(_INSTALLED) or "site-packages" in filename
