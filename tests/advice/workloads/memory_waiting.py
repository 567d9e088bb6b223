"""Much memory, held while waiting: [machine] says that there are 4 GiB."""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 8, 34)
MEMORY = "4GiB"
SENT = 100


@task(name="work")
def work() -> None:
    data = b"x" * 100_000_000
    time.sleep(0.5)
    del data
