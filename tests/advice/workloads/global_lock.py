"""One at a time on the whole machine, by a lock on a file.

One at a time whatever the pool: a second at once only waits for the lock. Nothing is gained by more, and each takes
its memory. Green threads would stand still for ever: one waits for the lock in C, and whoever has it can't go on.
"""

from __future__ import annotations

import fcntl
import tempfile
import time
from pathlib import Path

from fleet import task

RIGHT = ({"solo", "threads", "prefork"}, 1, 2)
START = ("threads", 32)
SENT = 100
_LOCK = Path(tempfile.gettempdir()) / "fleet-tests-global-lock"


@task(name="work")
def work() -> None:
    with _LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        time.sleep(0.03)
