"""The operating system's own thread, lock, socket and poll, taken before gevent or eventlet replace them.

The watchdog lives on these: it must go on when every green thread is stuck. `monkey.patch` imports this module
just before it patches.
"""

from __future__ import annotations

import _socket
import _thread
import select
import time
from typing import Any

start_thread = _thread.start_new_thread
allocate_lock = _thread.allocate_lock
allocate_rlock = _thread.RLock
get_ident = _thread.get_ident
sleep = time.sleep
poll = select.poll
POLLIN, POLLOUT, POLLHUP, POLLERR, POLLNVAL = (
    select.POLLIN,
    select.POLLOUT,
    select.POLLHUP,
    select.POLLERR,
    select.POLLNVAL,
)


def unix_socket() -> Any:
    """A non-blocking stream socket that no green pool knows of (connect, send, recv, fileno, close)."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.setblocking(False)
    return sock


def tcp_listener(host: str, port: int) -> Any:
    """A listening, non-blocking stream socket that no green pool knows of. Raises OSError."""
    family, kind, _, _, address = _socket.getaddrinfo(
        host or None, port, 0, _socket.SOCK_STREAM, 0, _socket.AI_PASSIVE
    )[0]
    sock = _socket.socket(family, kind)
    sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind(address)
    sock.listen(32)
    return sock


def accepted(listener: Any) -> Any:
    """The next connection, non-blocking; None when there is none. Raises OSError when out of descriptors."""
    try:
        fd, _ = listener._accept()  # the socket module's own accept() would give a patched socket
    except BlockingIOError:
        return None
    sock = _socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock
