"""One task that takes a moment, and one that leaves a process behind, for PID 1 to reap."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from fleet import task


@task
def mail(name: str, seconds: float = 1.0) -> None:
    time.sleep(seconds)
    with Path("sent.txt").open("a") as sent:
        sent.write(f"{name}\n")


@task
def orphan() -> None:
    """A shell that ends at once and leaves its child without a parent."""
    subprocess.run(["sh", "-c", "sleep 2 &"], check=True)
