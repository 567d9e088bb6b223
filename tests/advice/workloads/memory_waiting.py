"""Much memory, held while waiting: [machine] says that there are 4 GiB.

It waits, and each holds 100 MB: of 4 GiB four fifths may be used, which is 32 at once. Below eight the machine
stands idle.
"""

from __future__ import annotations

import time

from fleet import task

RIGHT = ({"gevent", "threads"}, 8, 34)
START = ("prefork", "cpus")
MEMORY = "4GiB"
SENT = 100


@task(name="work")
def work() -> None:
    data = b"x" * 100_000_000
    time.sleep(0.5)
    del data
