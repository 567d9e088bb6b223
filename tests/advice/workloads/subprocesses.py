"""A program is called, and computes; the task itself waits for it."""

from __future__ import annotations

import subprocess
import sys

from fleet import task

RIGHT = ({"prefork", "threads"}, "cpus/2", "cpus")
SENT = 24


@task(name="work")
def work() -> None:
    subprocess.run([sys.executable, "-S", "-c", "sum(i*i for i in range(1_500_000))"], check=True)
