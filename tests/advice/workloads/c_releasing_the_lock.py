"""C code that computes and lets others have the interpreter meanwhile."""

from __future__ import annotations

import hashlib

from fleet import task

RIGHT = ({"prefork", "threads"}, "cpus/2", "cpus")
SENT = 40
_DATA = b"x" * 16_000_000


@task(name="work")
def work() -> None:
    hashlib.sha256(_DATA).hexdigest()
