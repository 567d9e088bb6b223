"""Files that lie in the memory of a worker (see `fleet worker`), by names that its pool processes can use too."""

from __future__ import annotations

import os


def seen_by_all(path: str) -> str:
    """`path`, but for what each process would take for its own."""
    return path.replace("/proc/self/", f"/proc/{os.getpid()}/")
