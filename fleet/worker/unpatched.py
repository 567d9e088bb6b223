"""The operating system's own thread, lock, socket and poll, taken before gevent or eventlet replace them.

The warden lives on these: it must go on when every green thread is stuck. `monkey.patch` imports this module
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
