"""Block until a descriptor is readable, cooperatively under gevent and eventlet."""

from __future__ import annotations

import math
import select
from collections.abc import Iterable


def wait_readable(descriptors: Iterable[int], timeout: float) -> set[int]:
    """The descriptors that are readable (or hung up) within `timeout` seconds; may be none."""
    # poll() has no limit at descriptor 1024; eventlet removes it and patches select() instead.
    if hasattr(select, "poll"):
        poller = select.poll()
        for descriptor in descriptors:
            poller.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poller.poll(max(0, math.ceil(timeout * 1000)))}
    ready, _, _ = select.select(list(descriptors), [], [], max(0.0, timeout))
    return set(ready)
