"""One at a time in each process, by a lock of threads, held while waiting.

The lock is one of each process: in one process one at a time, 20 a second, whatever its slots. Processes each have a
lock of their own and mostly wait, so more of them than CPUs are right here; beyond 64 their memory is more than they
bring.
"""

from __future__ import annotations

import threading
import time

from fleet import task

RIGHT = ({"prefork"}, 4, 64)
START = ("threads", 16)
SENT = 100
_lock = threading.Lock()


@task(name="work")
def work() -> None:
    with _lock:
        time.sleep(0.05)
