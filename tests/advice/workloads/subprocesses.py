"""A program is called, and computes; the task itself waits for it.

The worker waits, but the program that it waits for computes: as many at once as CPUs. Any pool that waits beside
itself would do; prefork or threads, for nothing is to be patched for that.
"""

from __future__ import annotations

import subprocess
import sys

from fleet import task

RIGHT = ({"prefork", "threads"}, "cpus", "cpus")
START = ("threads", 8)
SENT = 24


@task(name="work")
def work() -> None:
    subprocess.run([sys.executable, "-S", "-c", "sum(i*i for i in range(1_500_000))"], check=True)
