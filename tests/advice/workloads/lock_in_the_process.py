"""One at a time in each process, by a lock of threads, held while waiting."""

from __future__ import annotations

import threading
import time

from fleet import task

RIGHT = ({"prefork", "solo"}, 1, 64)
SENT = 100
_lock = threading.Lock()


@task(name="work")
def work() -> None:
    with _lock:
        time.sleep(0.05)
