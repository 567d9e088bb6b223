"""One descriptor for several sockets, also where gevent or eventlet have taken `select.epoll` away."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any


def descriptor_of(sockets: Sequence[int]) -> tuple[int, Callable[[], None]]:
    """(descriptor, how to close it): readable when one of `sockets` is. The caller keeps these open.

    Without epoll (macOS) only the first socket counts; the others are found by looking again.
    """
    epoll = _original("epoll") if len(sockets) > 1 else None
    if epoll is None:
        return sockets[0], lambda: None
    poller = epoll()
    for descriptor in sockets:
        poller.register(descriptor, 1)  # EPOLLIN; hang-ups come unasked
    return poller.fileno(), poller.close


def _original(name: str) -> Any:
    """`select.<name>` as it was before monkey-patching: registering descriptors blocks nobody."""
    import select

    if found := getattr(select, name, None):
        return found
    if "gevent.monkey" in sys.modules:
        from gevent.monkey import get_original

        with_gevent = get_original("select", name)
        if with_gevent is not None:
            return with_gevent
    if "eventlet" in sys.modules:
        from eventlet.patcher import original

        return getattr(original("select"), name, None)
    return None
